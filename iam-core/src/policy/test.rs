//! Unit tests inside the policy: `[[test]]` cases and [`TestReport`].

use std::collections::BTreeSet;

use jiff::civil::Date;

use crate::entitlement::{Kind, Reference};
use crate::person::{Person, PersonKey, Status};

use super::rules::{DEFAULTS, alike};
use super::source::{Section, Source};
use super::{AccessPolicy, Document, PolicyProblems, Subject, sections};

/// The day that cases without `today` take place on.
const TODAY: Date = jiff::civil::date(2026, 1, 1);

/// What a case may expect, and the kind of each key.
const EXPECTED: [(&str, Kind); 6] = [
    ("groups", Kind::Group),
    ("licenses", Kind::License),
    ("roles", Kind::Role),
    ("azure", Kind::Azure),
    ("apps", Kind::App),
    ("access_packages", Kind::Package),
];

/// One case: a person, and what that person should get.
#[derive(Debug)]
pub(super) struct Case {
    name: String,
    person: Person,
    manager: Option<Person>,
    today: Date,
    /// The complete list of each kind that the case names.
    expect: Vec<(Kind, Vec<Reference>)>,
}

/// How one case went.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CaseReport {
    /// The case's name.
    pub name: String,
    /// Whether the person got exactly what was expected.
    pub passed: bool,
    /// Expected, and not given.
    pub missing: Vec<Reference>,
    /// Given, and not expected.
    pub unexpected: Vec<Reference>,
    /// Why the rules could not be evaluated, if so.
    pub problems: Option<PolicyProblems>,
}

/// How all cases went.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TestReport {
    /// Case by case, in the order of the document.
    pub cases: Vec<CaseReport>,
    /// Rules that held in no case: untested ones.
    pub rules_never_hit: Vec<String>,
    /// Cases in which no rule but the defaults held: people whom the policy has nothing to say about.
    pub matched_by_nothing: Vec<String>,
}

impl TestReport {
    /// Whether every case passed.
    pub fn passed(&self) -> bool {
        self.cases.iter().all(|case| case.passed)
    }
}

/// Reads the cases of a document.
pub(super) fn cases(top: &Section<'_, '_>, source: &mut Source<'_>) -> Vec<Case> {
    let known = ["name", "given", "manager", "today", "expect"];
    let mut names = BTreeSet::new();
    let mut cases = Vec::new();
    for section in top.children("test", "[[test]]", &known, &[], source) {
        let name = section.required("name", source);
        if let Some(name) = &name
            && !names.insert(name.value)
        {
            source.refuse(
                name.span.start,
                format!("test name {:?} is taken: names are unique", name.value),
            );
        }
        if !section.has("given") {
            source.refuse(
                section.at,
                "\"given\" is missing in [[test]]: the fields of a person",
            );
        }
        let person = person(&section, "given", "the given of [[test]]", source);
        let manager = person_or_none(&section, source);
        let today = date(&section, "today", source).unwrap_or(TODAY);
        let mut expect = Vec::new();
        if !section.has("expect") {
            source.refuse(
                section.at,
                "\"expect\" is missing in [[test]]: complete lists of groups, licenses, roles, azure, apps or access_packages",
            );
        }
        let keys = EXPECTED.map(|(key, _)| key);
        if let Some(expected) = section.child("expect", "the expect of [[test]]", &keys, &[], source) {
            if !keys.iter().any(|key| expected.has(key)) {
                let keys = keys.join(", ");
                let message = format!("expect names nothing: write at least one of {keys}");
                source.refuse(expected.at, message);
            }
            let references = sections::references(&expected, source);
            for (_, kind) in EXPECTED.into_iter().filter(|(key, _)| expected.has(key)) {
                let of_kind = references.iter().map(|(reference, _)| reference);
                let of_kind = of_kind.filter(|reference| reference.kind == kind);
                expect.push((kind, of_kind.cloned().collect()));
            }
        }
        cases.push(Case {
            name: name.map_or_else(String::new, |name| name.value.to_owned()),
            person: person.unwrap_or_else(|| Person::new(PersonKey::new("test"))),
            manager,
            today,
            expect,
        });
    }
    cases
}

fn person_or_none(section: &Section<'_, '_>, source: &mut Source<'_>) -> Option<Person> {
    section
        .has("manager")
        .then(|| person(section, "manager", "the manager of [[test]]", source))
        .flatten()
}

/// A person made of the fields that a case gives; active, and of the worker id `test`, where it says nothing else.
fn person(
    section: &Section<'_, '_>,
    key: &str,
    name: &'static str,
    source: &mut Source<'_>,
) -> Option<Person> {
    let given = section.child(key, name, Person::FIELDS, &[], source)?;
    let mut person = Person::new(PersonKey::new("test"));
    for field in Person::FIELDS {
        let slot = match *field {
            "hire_date" => {
                person.hire_date = date(&given, field, source);
                continue;
            }
            "last_day" => {
                person.last_day = date(&given, field, source);
                continue;
            }
            "leave_from" => {
                person.leave_from = date(&given, field, source);
                continue;
            }
            "leave_until" => {
                person.leave_until = date(&given, field, source);
                continue;
            }
            _ => given.text(field, source),
        };
        let Some(written) = slot else { continue };
        let value = Some(written.value.to_owned());
        match *field {
            "employee_id" => person.key = PersonKey::new(written.value),
            "status" => match written.value {
                "active" => person.status = Status::Active,
                "on_leave" => person.status = Status::OnLeave,
                "terminated" => person.status = Status::Terminated,
                _ => {
                    let expected = "\"active\", \"on_leave\" or \"terminated\"";
                    given.refuse(field, written.span.start, expected, source);
                }
            },
            "given_name" => person.given_name = value,
            "middle_name" => person.middle_name = value,
            "family_name" => person.family_name = value,
            "preferred_name" => person.preferred_name = value,
            "department" => person.department = value,
            "job_title" => person.job_title = value,
            "location" => person.location = value,
            "country" => person.country = value,
            "time_zone" => person.time_zone = value,
            "worker_type" => person.worker_type = value,
            "cost_center" => person.cost_center = value,
            "company" => person.company = value,
            "email" => person.email = value,
            "manager_id" => person.manager_id = value.map(PersonKey::new),
            "previous_id" => person.previous_id = value.map(PersonKey::new),
            _ => {}
        }
    }
    Some(person)
}

/// A civil date, as a text or as a TOML date.
fn date(section: &Section<'_, '_>, key: &str, source: &mut Source<'_>) -> Option<Date> {
    let (span, value) = section.value(key)?;
    let text = value
        .as_str()
        .map(ToOwned::to_owned)
        .or_else(|| Some(value.as_datetime()?.to_string()));
    let date = text
        .filter(|text| text.len() == 10)
        .and_then(|text| text.parse().ok());
    if date.is_none() {
        section.refuse(key, span.start, "a date, such as \"2026-01-31\"", source);
    }
    date
}

/// Runs cases against a document.
pub(super) fn run(document: &Document, cases: &[Case]) -> TestReport {
    let mut hit = BTreeSet::new();
    let mut report = TestReport::default();
    for case in cases {
        let subject = Subject {
            person: &case.person,
            manager: case.manager.as_ref(),
        };
        let mut outcome = CaseReport {
            name: case.name.clone(),
            passed: false,
            missing: Vec::new(),
            unexpected: Vec::new(),
            problems: None,
        };
        match document.desired(&subject, case.today) {
            Err(problems) => outcome.problems = Some(problems),
            Ok(desired) => {
                let rules = desired.grants.iter().flat_map(|grant| &grant.rules);
                let mut rules = rules.filter(|rule| *rule != DEFAULTS).cloned().peekable();
                if rules.peek().is_none() {
                    report.matched_by_nothing.push(case.name.clone());
                }
                hit.extend(rules);
                for (kind, expected) in &case.expect {
                    let given = desired
                        .grants
                        .iter()
                        .map(|grant| &grant.what)
                        .filter(|what| what.kind == *kind);
                    let given: Vec<&Reference> = given.collect();
                    let missing = expected
                        .iter()
                        .filter(|what| !given.iter().any(|other| alike(what, other)));
                    outcome.missing.extend(missing.cloned());
                    let unexpected = given
                        .iter()
                        .filter(|what| !expected.iter().any(|other| alike(what, other)));
                    outcome.unexpected.extend(unexpected.map(|what| (*what).clone()));
                }
                outcome.passed = outcome.missing.is_empty() && outcome.unexpected.is_empty();
            }
        }
        report.cases.push(outcome);
    }
    let never_hit = document.rule_ids().into_iter().filter(|id| !hit.contains(*id));
    report.rules_never_hit = never_hit.map(ToOwned::to_owned).collect();
    report
}
