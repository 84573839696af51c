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

#[test]
fn a_case_may_expect_azure_roles_and_roles_of_applications() {
    let rules = "[[rule]]\nid='a'\nwhen='true'\nazure=[{role='Reader', scope='/subscriptions/x/'}]\napps=[{scim='desk', roles=['agent', 'lead']}]\n";
    let outcome = |expect: &str| {
        let text = with(&format!(
            "{rules}[[test]]\nname='t'\ngiven={{}}\nexpect={{{expect}}}"
        ));
        let report = Document::parse(&text).unwrap().run_tests();
        let case = report.cases[0].clone();
        let names = |what: &[Reference]| {
            what.iter()
                .map(Reference::to_string)
                .collect::<Vec<_>>()
                .join(", ")
        };
        (names(&case.missing), names(&case.unexpected))
    };
    let all =
        "azure=[{role='reader', scope='/subscriptions/x'}], apps=[{scim='desk', roles=['lead', 'Agent']}]";
    assert_eq!(outcome(all), (String::new(), String::new()));
    assert_eq!(
        outcome("azure=[], apps=[{scim='desk', roles=['agent', 'chief']}]"),
        (
            "app \"chief\" at desk".into(),
            "azure role \"Reader @ /subscriptions/x\", app \"lead\" at desk".into()
        )
    );
    let text = with("[[test]]\nname='t'\ngiven={}\nexpect={azure=[{role='r', scope='x'}], phase='active'}");
    let problems = problems(&text);
    assert!(
        problems[0].starts_with("line 7, column 33: scope in an entry of azure"),
        "{problems:?}"
    );
    assert!(
        problems[1].starts_with("line 7, column 40: unknown key \"phase\" in the expect"),
        "{problems:?}"
    );
}

#[test]
fn coverage_names_the_rules_that_nobody_hits_and_the_people_that_nothing_matches() {
    let text = with(
        "[defaults]\ngroups=['g']\n[[rule]]\nid='b'\nwhen='person.country == \"AU\"'\ngroups=['x', 'y']\n\
         [[rule]]\nid='a'\nwhen='person.job_title.contains(\"x\") || person.country == \"NZ\"'\nlicenses=['l']\n\
         [[rule]]\nid='z'\nwhen='person.country == \"ZZ\"'\ngroups=['g']\n\
         [[test]]\nname='hit'\ngiven={country='AU', job_title='y'}\nexpect={licenses=[]}\n\
         [[test]]\nname='lost'\ngiven={country='NO', job_title='y'}\nexpect={groups=['g']}",
    );
    let document = Document::parse(&text).unwrap();
    let report = document.run_tests();
    assert!(report.passed());
    assert_eq!(
        (report.rules_never_hit, report.matched_by_nothing),
        (vec!["a".into(), "z".into()], vec!["lost".into()])
    );

    let someone = |key: &str, country: &str, title: Option<&str>| {
        let mut person = Person::new(PersonKey::new(key));
        (person.country, person.job_title) = (Some(country.into()), title.map(Into::into));
        person
    };
    let people = [
        someone("W-1", "AU", Some("x")),
        someone("W-2", "AU", Some("y")),
        someone("W-3", "NO", Some("y")),
        someone("W-4", "NO", None),
    ];
    let subjects = people.iter().map(|person| Subject {
        person,
        manager: None,
    });
    let coverage = document.coverage(subjects, today());
    let hits: Vec<(&str, usize)> = coverage
        .hits
        .iter()
        .map(|(rule, hits)| (rule.as_str(), *hits))
        .collect();
    assert_eq!((coverage.people, hits), (4, vec![("a", 1), ("b", 2)]));
    assert_eq!(coverage.rules_never_hit, ["z"]);
    assert_eq!(coverage.matched_by_nothing, [PersonKey::new("W-3")]);
    assert_eq!(coverage.held[0].0, PersonKey::new("W-4"));
}
