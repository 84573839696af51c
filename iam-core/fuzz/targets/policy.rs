//! Any text as a policy: it is refused with the lines at fault, or it gives the same answer twice.

#![no_main]

use iam_core::person::{Person, PersonKey};
use iam_core::policy::{AccessPolicy, Document, Subject};
use jiff::civil::date;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let document = match Document::parse(text) {
        Ok(document) => document,
        Err(error) => {
            let lines = text.split('\n').count();
            let message = error.to_string();
            for problem in message.trim_start_matches("read the policy: ").lines() {
                let line = problem
                    .strip_prefix("line ")
                    .and_then(|rest| rest.split(',').next());
                let line: usize = line
                    .and_then(|line| line.trim().parse().ok())
                    .unwrap_or_else(|| panic!("{problem}"));
                assert!((1..=lines).contains(&line), "{problem}");
            }
            return;
        }
    };
    let mut manager = Person::new(PersonKey::new("W-1"));
    manager.department = Some("Security".into());
    let mut person = Person::new(PersonKey::new("W-2"));
    person.given_name = Some("José".into());
    person.family_name = Some("Müller".into());
    person.department = Some("Security".into());
    person.location = Some("Perth".into());
    person.hire_date = Some(date(2026, 2, 28));
    for manager in [None, Some(&manager)] {
        let subject = Subject {
            person: &person,
            manager,
        };
        let today = date(2026, 3, 1);
        assert_eq!(
            document.desired(&subject, today),
            document.desired(&subject, today)
        );
    }
    assert!(
        document
            .naming()
            .candidates(&person)
            .take(50)
            .all(|name| name.len() < 400)
    );
    assert_eq!(document.run_tests(), document.run_tests());
});
