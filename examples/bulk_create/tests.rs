//! Bulk creation as its users meet it: a program with options, output and an exit code, judged by the tenant's end.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops where it fails")]
#![allow(missing_docs, reason = "nobody imports a test")]

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Output};

use iam_sandbox::{Effect, Fault, RetryAfter, Sandbox};
use serde_json::Value;

fn bulk_create(arguments: &[&str]) -> (Option<i32>, String, String) {
    let here = std::env::current_exe().unwrap();
    let program = here
        .parent()
        .and_then(Path::parent)
        .unwrap()
        .join("examples/bulk_create");
    assert!(
        program.exists(),
        "{} is missing: run `cargo build --examples` first",
        program.display()
    );
    let Output {
        status,
        stdout,
        stderr,
    } = Command::new(program)
        .args(arguments)
        .env_clear()
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (status.code(), text(&stdout), text(&stderr))
}

#[test]
fn without_options_it_creates_the_example_and_says_of_each_bad_row_why() {
    let (code, out, err) = bulk_create(&[]);
    assert_eq!((code, err.as_str()), (Some(1), ""), "{out}");
    let lines: Vec<&str> = out.lines().collect();
    let starts = [
        "line 5 (noah.fischer@contoso.example): create user: another object has the same userPrincipalName (400 Request_BadRequest, request-id ",
        "line 6 (thandiwe.dlamini@contoso.example): no account has the manager's employee id B-1004",
        "line 8 (kaito.sato@contoso.example): no account has the manager's employee id B-9999",
        "line 9 (no-domain): user_principal_name must be name@domain",
        "line 10 (Anonymous): user_principal_name, display_name and employee_id must not be empty",
        "line 11 (priya.nair@contoso.example): an earlier row has the same user_principal_name or employee_id",
        "line 12 (elena.rossi@elsewhere.example): create user: Graph refused the request",
        "7 created, 0 there already, 4 managers linked, 7 problems",
    ];
    assert_eq!(lines.len(), starts.len(), "{out}");
    for (line, start) in lines.iter().zip(starts) {
        assert!(line.starts_with(start), "{line:?} is not {start:?}");
    }
}

/// A running tenant with its env file, and a CSV file of so many people who report to the first of them.
struct Company {
    sandbox: Sandbox,
    folder: tempfile::TempDir,
    people: usize,
}

impl Company {
    async fn of(people: usize) -> Self {
        let sandbox = Sandbox::start().await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("sandbox.env"), sandbox.env()).unwrap();
        let mut rows = String::from("\u{feff}Employee_ID,User_Principal_Name,Display_Name,Manager\n");
        for number in 0..people {
            let manager = if number == 0 { "W-1009" } else { "C-0" };
            writeln!(
                rows,
                "C-{number},person{number}@contoso.example,Person {number},{manager}"
            )
            .unwrap();
        }
        std::fs::write(folder.path().join("people.csv"), rows).unwrap();
        Self {
            sandbox,
            folder,
            people,
        }
    }

    async fn run(&self) -> (Option<i32>, String, String) {
        let path = |name: &str| self.folder.path().join(name).display().to_string();
        let (file, env) = (path("people.csv"), path("sandbox.env"));
        let run = move || bulk_create(&["--file", &file, "--sandbox", &env]);
        tokio::task::spawn_blocking(run).await.unwrap()
    }

    /// Whether everybody is there once, with the manager.
    fn is_whole(&self) -> bool {
        let state = self.sandbox.state();
        let all = state["users"].as_array().unwrap();
        let of = |worker: &str| {
            all.iter()
                .filter(|user| user["employeeId"] == worker)
                .collect::<Vec<&Value>>()
        };
        let boss = &of("C-0")[0]["id"];
        (0..self.people).all(|number| match of(&format!("C-{number}")).as_slice() {
            [user] => number == 0 || user["managerId"] == *boss,
            _ => false,
        })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn three_hundred_people_take_few_requests_and_a_second_run_changes_nothing() {
    let company = Company::of(300).await;
    let (code, out, err) = company.run().await;
    assert_eq!(
        (code, out.as_str()),
        (
            Some(0),
            "300 created, 0 there already, 300 managers linked, 0 problems\n"
        ),
        "{err}"
    );
    assert!(company.is_whole());
    let first = company.sandbox.requests();
    assert!(
        first <= 40,
        "600 operations and what is looked up took {first} requests"
    );
    let (code, out, _) = company.run().await;
    assert_eq!(
        (code, out.as_str()),
        (
            Some(0),
            "0 created, 300 there already, 0 managers linked, 0 problems\n"
        )
    );
    let log = company.sandbox.log();
    let later = log.iter().filter(|entry| entry.seq > first);
    let written: Vec<_> = later
        .filter(|entry| entry.method != "GET" && entry.path.contains("/users"))
        .collect();
    assert!(written.is_empty(), "{written:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn trouble_on_the_way_makes_nobody_twice_and_loses_nobody() {
    let company = Company::of(60).await;
    let throttle = Effect::Throttle {
        retry_after: RetryAfter::Seconds(1),
    };
    let unavailable = Effect::Status {
        status: 503,
        retry_after: RetryAfter::Missing,
    };
    for fault in [
        Fault::new(Effect::CutAfter).on("POST", "/$batch").nth(2).times(1),
        Fault::new(throttle).on("POST", "/users").nth(5).times(9),
        Fault::new(unavailable).on("POST", "/users").nth(30).times(3),
    ] {
        company.sandbox.fault(fault);
    }
    let (code, out, err) = company.run().await;
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(company.is_whole());
    assert!(company.sandbox.faults().iter().all(|fault| fault.fired() > 0));
}

#[test]
fn what_cannot_be_read_is_said_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("people.csv").display().to_string();
    std::fs::write(&file, "user_principal_name,employee_id\n").unwrap();
    let check = |arguments: &[&str], word: &str| {
        let (code, out, err) = bulk_create(arguments);
        assert_eq!((code, out.as_str()), (Some(1), ""));
        assert!(err.contains(word), "{err}");
    };
    check(&["--file", &file], "has no column display_name");
    check(&["--file", "/nowhere.csv"], "/nowhere.csv cannot be read");
    check(&["--sandbox", "/nowhere.env"], "iam-sandbox");
    check(&["--tenant", "real"], "IAM_TENANT_ID");
}
