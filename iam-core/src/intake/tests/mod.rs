//! What the intakes do, seen from outside: text in, records and rejects out.

mod damaged;
mod examples;
mod health;
mod json;
mod notices;
mod raas;
mod random;
mod scim;
mod soap;
mod stream;
mod table;
mod xml;

use std::ops::ControlFlow;

use super::*;
use crate::error::ErrorKind;

/// So many cases for each property, or as many as the nightly run asks for.
fn cases(least: u32) -> proptest::prelude::ProptestConfig {
    let asked = std::env::var("PROPTEST_CASES").ok();
    proptest::prelude::ProptestConfig::with_cases(asked.and_then(|asked| asked.parse().ok()).unwrap_or(least))
}

/// All items of an input, one word each: the worker id of a record, or `line field code` of a reject.
fn words(intake: &dyn Intake, mut input: &[u8]) -> (Vec<String>, Result<Summary>) {
    let mut words = Vec::new();
    let end = intake.read(&mut input, &mut |item| {
        words.push(match item {
            Item::Record(record) => format!("{} {}", record.row, record.person.key),
            Item::Reject(reject) => format!("{} {:?} {}", reject.row, reject.field, reject.code),
            Item::Notice(notice) => format!("{} {} {}", notice.row, notice.person, notice.process.as_str()),
        });
        ControlFlow::Continue(())
    });
    (words, end)
}

/// Rows, good ones, refused ones.
fn totals(end: &Summary) -> (u64, u64, u64) {
    (end.rows, end.records, end.rejects)
}

#[track_caller]
fn check_with(intake: &dyn Intake, input: impl AsRef<[u8]>, expect: &[&str]) {
    let (words, end) = words(intake, input.as_ref());
    assert_eq!(words, expect);
    let end = end.unwrap();
    assert_eq!(end.rows, words.len() as u64);
    assert_eq!(end.rows, end.records + end.rejects);
}

#[track_caller]
fn check(input: impl AsRef<[u8]>, expect: &[&str]) {
    check_with(&FlatIntake::new(), input, expect);
}

/// The input ends in an error that says all of this, after these items.
#[track_caller]
fn check_error(input: impl AsRef<[u8]>, before: &[&str], says: &[&str]) {
    let (words, end) = words(&FlatIntake::new(), input.as_ref());
    assert_eq!(words, before);
    let error = end.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    for part in says {
        assert!(error.message().contains(part), "{error} lacks {part:?}");
    }
}
