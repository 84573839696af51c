//! Any bytes as an answer of Workday's Get_Workers.

#![no_main]

use fuzz_core::read;
use iam_core::intake::WorkdayXmlIntake;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| read(&WorkdayXmlIntake::new(), bytes));
