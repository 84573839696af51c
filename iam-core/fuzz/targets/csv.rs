//! Any bytes as a table.

#![no_main]

use fuzz_core::read;
use iam_core::intake::CsvIntake;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    read(&CsvIntake::new(), bytes);
    read(&CsvIntake::new().ignore_unknown_columns(true), bytes);
});
