//! The fleet as its users meet it, small: three processes, and one of them is killed.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops where it fails")]
#![allow(missing_docs, reason = "nobody imports a test")]

use std::path::Path;
use std::process::Command;

use iam_core::testing::PostgresServer;

fn fleet(arguments: &[&str]) -> (Option<i32>, String, String) {
    let here = std::env::current_exe().unwrap();
    let program = here
        .parent()
        .and_then(Path::parent)
        .unwrap()
        .join("examples/fleet");
    assert!(
        program.exists(),
        "{} is missing: run `cargo build --examples` first",
        program.display()
    );
    let server = PostgresServer::shared();
    let output = Command::new(program)
        .args(arguments)
        .args(["--schema", &server.fresh_schema()])
        .env("IAM_FLEET_JOURNAL", server.url())
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn three_processes_drain_everything_once_though_one_is_killed() {
    let (code, out, err) = fleet(&["--events", "240", "--workers", "2", "--kill"]);
    assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
    let lines: Vec<&str> = out.lines().collect();
    assert!(
        lines[0].starts_with("3 processes with 2 workers each, on the PostgreSQL"),
        "{out}"
    );
    assert!(
        lines[1].starts_with("one worker process is killed in the middle, after "),
        "{out}"
    );
    // The other two tell what they did.
    let told = lines.iter().filter(|line| line.starts_with("  worker "));
    assert_eq!(told.count(), 2, "{out}");
    let end = [
        "tenant:  120 people, 0 missing, 0 there twice, 0 not as planned",
        "journal: 240 events accepted, 240 done, 0 open, 0 ended twice",
        "nothing was lost, and nothing was done twice",
    ];
    assert_eq!(lines[lines.len() - 3..], end, "{out}");
}

#[test]
fn a_journal_that_cannot_be_reached_is_said() {
    let here = std::env::current_exe().unwrap();
    let program = here
        .parent()
        .and_then(Path::parent)
        .unwrap()
        .join("examples/fleet");
    let output = Command::new(program)
        .args(["--journal", "mysql://somebody:secret@localhost/iam"])
        .output()
        .unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(err.starts_with("error: ") && err.contains("postgres://"), "{err}");
    assert!(!err.contains("secret"), "{err}");
}
