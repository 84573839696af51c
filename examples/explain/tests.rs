//! What the example tells of one person, as its user reads it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops where it fails")]
#![allow(missing_docs, reason = "nobody imports a test")]

use std::path::Path;
use std::process::{Command, Output};

#[test]
fn one_person_is_explained_from_the_first_day_to_the_last() {
    let here = std::env::current_exe().unwrap();
    let program = here
        .parent()
        .and_then(Path::parent)
        .unwrap()
        .join("examples/explain");
    let Output {
        status,
        stdout,
        stderr,
    } = Command::new(program).env_clear().output().unwrap();
    let out = format!("\n{}", String::from_utf8(stdout).unwrap());
    assert_eq!((status.code(), stderr.as_slice()), (Some(0), &b""[..]), "{out}");
    // What is asked, and what the answer must hold, in this order.
    let answers = [
        (
            "Why does X-1 hold sg-security?",
            &[
                "given by the platform. Since 2026-11-02T09:00:00Z by security of policy ",
                "(join). No rule asks for it today. It ends at 2026-11-30T09:00:00Z",
            ][..],
        ),
        (
            "Why does X-1 not hold sg-finance?",
            &[
                "no rule asks for it. Rule finance (line 14)",
                "person.location == \"London\" is false",
            ],
        ),
        (
            "What happened to X-1",
            &[
                "2026-11-02T09:00:00Z join, Done: 4 steps",
                "2027-01-30T00:00:00Z last day over, Pending",
            ],
        ),
        (
            "What will have been done by the first of March?",
            &[
                "2026-11-30T09:00:00Z revoke: rule security no longer applies",
                "2027-01-30T00:00:00Z block_sign_in: last day was 2027-01-29",
                "2027-03-01T00:00:00Z delete_account: 30 days after",
            ],
        ),
        (
            "What is otherwise than the platform left it?",
            &[
                "group All Staff is missing",
                "group VPN Users was given by somebody else",
            ],
        ),
        (
            "And after ann has had it brought back?",
            &["X-1: as the platform left it"],
        ),
        (
            "What would undo that?",
            &[
                "graph: grant:group:",
                "undoes: ann asks for it",
                "policy would do it again: rule defaults",
            ],
        ),
        (
            "What did X-1 hold on the last day",
            &[
                "access taken away at 2027-01-30T00:00:00Z",
                "group sg-security at graph, given at 2026-11-02T09:00:00Z, removed at 2026-11-30T09:00:00Z",
                "group VPN Users at graph, given at 2026-11-16T09:00:00Z, held on the last day, removed at 2027-01-30",
                "ann asks for it",
            ],
        ),
    ];
    let parts: Vec<(&str, &str)> = out
        .split("\n== ")
        .skip(1)
        .map(|part| part.split_once('\n').unwrap())
        .collect();
    assert_eq!(parts.len(), answers.len(), "{out}");
    for ((asked, answer), (question, expect)) in parts.into_iter().zip(answers) {
        assert!(asked.starts_with(question), "{asked}");
        let mut rest = answer;
        for part in expect {
            let at = rest
                .find(part)
                .unwrap_or_else(|| panic!("{part:?} is missing, or too early: {answer}"));
            rest = &rest[at + part.len()..];
        }
    }
}
