//! What a policy document gives and refuses, seen from outside.

mod attempts;
mod cases;
mod conditions;
mod examples;
mod grants;
mod problems;

use super::*;
use crate::person::PersonKey;

fn with(rest: &str) -> String {
    format!("version = 1\n[tenant]\ndomain = \"contoso.example\"\n{rest}")
}

/// A document with one rule, which gives one grant to those whom the condition holds for.
fn rule(when: &str) -> String {
    let when = toml::Value::from(when);
    with(&format!("[[rule]]\nid='r'\ngroups=['g']\nwhen={when}"))
}

/// Reads a document that must be refused, and gives the lines of the message.
fn problems(text: &str) -> Vec<String> {
    let error = Document::parse(text).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    error.message().lines().map(ToOwned::to_owned).collect()
}

/// The one problem of a document begins with this.
fn check(text: &str, begins: &str) {
    let problems = problems(text);
    assert!(
        problems.len() == 1 && problems[0].starts_with(begins),
        "{text}\n=> {problems:#?}"
    );
}

fn person() -> Person {
    Person::new(PersonKey::new("W-1"))
}

fn today() -> Date {
    jiff::civil::date(2026, 11, 25)
}

fn desired(
    document: &Document,
    person: &Person,
    manager: Option<&Person>,
) -> Result<Desired, PolicyProblems> {
    document.desired(&Subject { person, manager }, today())
}

#[test]
fn the_fingerprint_follows_the_text() {
    let (a, b) = (with(""), with("# a comment"));
    let of = |text: &str| Document::parse(text).unwrap().fingerprint().to_owned();
    assert_eq!(of(&a), of(&a));
    assert_ne!(of(&a), of(&b));
    assert_eq!(of(&a).len(), 64);
}

#[test]
fn documents_are_shared_between_threads() {
    fn assert<T: Send + Sync + 'static>() {}
    assert::<Document>();
}
