//! Any bytes as events of Workday's business processes.

#![no_main]

use fuzz_core::read;
use iam_core::intake::WorkdayEventIntake;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| read(&WorkdayEventIntake::new(), bytes));
