//! Any bytes as SCIM users, a list of them or a bulk request.

#![no_main]

use fuzz_core::read;
use iam_core::intake::ScimIntake;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| read(&ScimIntake::new(), bytes));
