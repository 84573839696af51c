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

#[test]
fn a_mailbox_answers_in_the_words_of_the_policy() {
    for (written, answers) in [
        (
            "mailbox = 'auto-reply'",
            "This mailbox is no longer in use, and your message will not be read.",
        ),
        (
            "mailbox = { contact = 'desk@contoso.example' }",
            "This mailbox is no longer in use, and your message will not be read. \
             Please write to desk@contoso.example instead.",
        ),
        ("mailbox = { auto_reply = ' Closed. ' }", "Closed."),
        (
            "[leaver.mailbox]\nauto_reply = 'Closed.'\ncontact = 'a@b'",
            "Closed. Please write to a@b instead.",
        ),
    ] {
        let document = Document::parse(&with(&format!("[leaver]\n{written}"))).unwrap();
        assert_eq!(document.settings().automatic_reply.as_deref(), Some(answers));
    }
    let none = Document::parse(&with("[leaver]\npassword = 'reset'")).unwrap();
    assert_eq!(none.settings().automatic_reply, None);
    let words = "x".repeat(2001);
    check(
        &with(&format!("[leaver]\nmailbox = {{ auto_reply = '{words}' }}")),
        "line 5, column 26: auto_reply in mailbox of [leaver]: expected at most 2000 characters",
    );
}
