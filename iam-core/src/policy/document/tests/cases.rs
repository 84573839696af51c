//! The policy's own `[[test]]` cases.

use super::*;
use crate::entitlement::Kind;

#[test]
fn a_failing_case_says_what_is_missing_and_what_is_too_much() {
    let text = with(
        "[[rule]]\nid='a'\nwhen='person.country == \"AU\"'\ngroups=['x', 'y']\nroles=['r']\n\
         [[rule]]\nid='b'\nwhen='days_since(person.hire_date) >= 0'\nlicenses=['l']\n\
         [[test]]\nname='wrong'\ngiven={country='AU', hire_date=2026-01-02}\ntoday=2026-01-01\nexpect={groups=['Y','z']}\n\
         [[test]]\nname='right'\ngiven={hire_date='2025-12-31'}\nexpect={groups=[], licenses=['L']}\n\
         [[test]]\nname='held'\ngiven={}\nexpect={groups=[]}",
    );
    let report = Document::parse(&text).unwrap().run_tests();
    assert!(!report.passed());
    let [wrong, right, held] = report.cases.as_slice() else {
        panic!("three cases")
    };
    assert_eq!(wrong.missing, [Reference::new(Kind::Group, "z")]);
    assert_eq!(wrong.unexpected, [Reference::new(Kind::Group, "x")]);
    assert!(right.passed && !wrong.passed && !held.passed);
    assert!(
        held.problems
            .as_ref()
            .unwrap()
            .to_string()
            .starts_with("rule b: days_since")
    );
    assert!(report.rules_never_hit.is_empty());
}
