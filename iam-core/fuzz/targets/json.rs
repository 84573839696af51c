//! Any bytes as a feed or a report.

#![no_main]

use fuzz_core::read;
use iam_core::intake::{FlatIntake, RaasIntake, WorkdayJsonIntake};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    read(&WorkdayJsonIntake::new(), bytes);
    read(&RaasIntake::new(), bytes);
    read(&FlatIntake::new().ignore_unknown(true), bytes);
});
