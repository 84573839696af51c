//! Any text as a filter: it is refused with a position, or it has an answer, and its negation has the other.

#![no_main]

use fuzz_scim::{refused, user};
use iam_scim::server::{Filter, Kind};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let resource = user();
    let resource = resource.as_object().unwrap();
    let filter = match Filter::parse(text) {
        Ok(filter) => filter,
        Err(problem) => return refused(&problem, text),
    };
    for kind in [Kind::User, Kind::Group] {
        match filter.matches(kind, resource) {
            Err(problem) => refused(&problem, text),
            Ok(passes) => {
                // Too deep or too long with the parentheses is no contradiction.
                if let Ok(not) = Filter::parse(&format!("not ({text})")) {
                    assert_eq!(not.matches(kind, resource), Ok(!passes));
                }
                if let Ok(both) = Filter::parse(&format!("({text}) and ({text})")) {
                    assert_eq!(both.matches(kind, resource), Ok(passes));
                }
            }
        }
    }
});
