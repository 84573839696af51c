//! The quickstart as its users meet it: a program with options, output and an exit code.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops where it fails")]
#![allow(missing_docs, reason = "nobody imports a test")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use iam_sandbox::Sandbox;
use serde_json::Value;

fn program() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let path = test
        .parent()
        .and_then(Path::parent)
        .unwrap()
        .join("examples/quickstart");
    assert!(
        path.exists(),
        "{} is missing: run `cargo build --examples` first",
        path.display()
    );
    path
}

fn quickstart(arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = Command::new(program()).args(arguments).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (status.code(), text(&stdout), text(&stderr))
}

fn json(arguments: &[&str]) -> Value {
    let (code, out, err) = quickstart(&[&["--json"], arguments].concat());
    assert_eq!(code, Some(0), "{err}");
    serde_json::from_str(&out).unwrap()
}

/// Writes a file into a folder that lives as long as the value.
struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.0.path().join(name);
        fs::write(&path, bytes).unwrap();
        path.display().to_string()
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }
}

const HEADER: &str = "Employee ID,First Name,Last Name,Status,Country,Hire Date\n";

#[test]
fn without_options_it_plans_applies_proves_and_plans_nothing_more() {
    let (code, out, err) = quickstart(&[]);
    assert_eq!(code, Some(0), "{err}{out}");
    assert!(
        !out.contains('\u{1b}') && err.is_empty(),
        "colours and bar are for terminals"
    );
    assert_eq!(out.trim_end().lines().last(), Some("0 steps"));
    for line in [
        "new_hires.csv (W-2092) row 22, field Hire Date: expected a day of the calendar, found 2026-02-30 [impossible_date]",
        "W-1003 Mei Tanaka · join",
        "rules security, security-analysts",
        "Guard  lets it pass",
        "25 rejected rows",
        "193 people read back, 0 differences from HR and policy",
    ] {
        assert!(out.contains(line), "{line:?} is missing in:\n{out}");
    }
}

#[test]
fn a_dry_run_shows_the_same_plan_and_changes_nothing() {
    let story = json(&["--dry-run"]);
    assert!(story["planned_steps"].as_u64() > Some(400));
    // Another process, another tenant of the same seed: the same plan.
    assert_eq!(story["hash"], json(&["--dry-run"])["hash"]);
    assert_eq!(story["hash"].as_str().map(str::len), Some(64));
    assert!(story["risk"]["high"].as_u64() > Some(0), "{}", story["risk"]);
    assert_eq!(
        (&story["applied"], &story["summary"]["done"]),
        (&Value::Bool(false), &Value::from(0))
    );
    assert!(
        story["plan"]
            .as_array()
            .unwrap()
            .iter()
            .any(|person| person["person"] == "W-1003")
    );
}

/// Whether a request changes something: neither a token, nor a batch, whose items are logged one by one.
fn is_write(entry: &iam_sandbox::LogEntry) -> bool {
    entry.method != "GET" && !entry.path.ends_with("/token") && !entry.path.ends_with("/$batch")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_process_on_the_same_tenant_plans_nothing() {
    let sandbox = Sandbox::start().await.unwrap();
    let files = Files::new();
    let env = files.write("sandbox.env", sandbox.env().as_bytes());
    let first = json(&["--sandbox", &env]);
    assert!(first["planned_steps"].as_u64() > Some(400));
    let (before, last) = (sandbox.requests(), sandbox.log().last().unwrap().seq);
    let second = json(&["--sandbox", &env]);
    assert_eq!(second["planned_steps"], 0, "{:#}", second["plan"]);
    // Signing in again, and reads, are all that it sends.
    assert!(sandbox.requests() > before);
    let log = sandbox.log();
    let sent = log.iter().filter(|entry| entry.seq > last && is_write(entry));
    assert_eq!(sent.count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_outlives_the_process_and_knows_its_tenant() {
    let sandbox = Sandbox::start().await.unwrap();
    let files = Files::new();
    let env = files.write("sandbox.env", sandbox.env().as_bytes());
    let journal = files.path("journal.sqlite");
    let feed = files.write(
        "feed.csv",
        format!("{HEADER}W-1,Mei,Tanaka,Active,AU,2020-01-01\n").as_bytes(),
    );
    let arguments = ["--sandbox", &env, "--journal", &journal, "--feed", &feed];
    assert_eq!(json(&arguments)["files"][0]["events"], 1);
    let again = json(&arguments);
    assert_eq!(
        (&again["files"][0]["events"], &again["files"][0]["unchanged"]),
        (&0.into(), &1.into())
    );
    let other = Sandbox::builder().seed(2).start().await.unwrap();
    let other_env = files.write("other.env", other.env().as_bytes());
    let (code, _, err) = quickstart(&["--sandbox", &other_env, "--journal", &journal, "--feed", &feed]);
    assert_eq!(code, Some(1));
    assert!(err.contains("tenant"), "{err}");
}

#[test]
fn bad_rows_are_rejected_while_the_rest_goes_through() {
    let files = Files::new();
    let rows = "W-1,Mei,Tanaka,Active,AU,2026-02-30\nW-2,Bo,Ek,Active,SE,2020-01-01\n,No,Body,Active,AU,\n";
    let feed = files.write("feed.csv", format!("{HEADER}{rows}").as_bytes());
    let story = json(&["--feed", &feed]);
    let rejected: Vec<_> = story["rejected"]
        .as_array()
        .unwrap()
        .iter()
        .map(|reject| (&reject["row"], &reject["code"]))
        .collect();
    assert_eq!(
        rejected,
        [
            (&2.into(), &"impossible_date".into()),
            (&4.into(), &"missing_key".into())
        ]
    );
    assert_eq!(story["summary"]["people"], 1);
    assert_eq!(story["second_plan_steps"], 0);
}

/// Each is one paragraph that says what to do, with an exit code that is not 0.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_lost_its_people_is_held_until_somebody_says_why() {
    let (files, sandbox) = (Files::new(), Sandbox::start().await.unwrap());
    let env = files.write("env", sandbox.env().as_bytes());
    let journal = files.path("journal.sqlite");
    let feed = |people: u32, status: &str| {
        let row = |n: u32| format!("H-{n},Ada,Ng{n},{status},AU,2020-01-01\n");
        let text = format!("{HEADER}{}", (1..=people).map(row).collect::<String>());
        files.write("hr.csv", text.as_bytes())
    };
    let with = |more: &[&str]| {
        let feed = files.path("hr.csv");
        let arguments = ["--sandbox", &env, "--journal", &journal, "--feed", &feed];
        quickstart(&[&arguments[..], more].concat())
    };
    feed(20, "Active");
    let (code, _, err) = with(&[]);
    assert_eq!(code, Some(0), "{err}");
    let log = sandbox.log().len();
    feed(2, "Terminated");
    let (code, _, err) = with(&[]);
    assert_eq!(code, Some(1));
    for part in [
        "hr.csv is held",
        "2 rows, 90 % fewer than the 20",
        "--believe WHY",
    ] {
        assert!(err.contains(part), "{part}: {err}");
    }
    let written = sandbox
        .log()
        .split_off(log)
        .iter()
        .filter(|entry| is_write(entry))
        .count();
    assert_eq!(written, 0, "nothing is planned for by any of its rows");
    let (code, out, err) = with(&["--believe", "the subsidiary was sold"]);
    assert_eq!(code, Some(0), "{err}{out}");
    assert!(out.contains("2 new"), "{out}");
    // Whom the file does not name any more is left as they are.
    let state = sandbox.state();
    let users = state["users"].as_array().unwrap().iter();
    let ours = |user: &&Value| user["employeeId"].as_str().is_some_and(|id| id.starts_with("H-"));
    let open = users.filter(ours).filter(|user| user["accountEnabled"] == true);
    assert_eq!(open.count(), 18);
}

#[test]
fn what_cannot_be_used_is_refused_with_advice() {
    let files = Files::new();
    let policy = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/data/policy.toml")).unwrap();
    let check = |arguments: &[&str], words: &[&str]| {
        let (code, out, err) = quickstart(arguments);
        assert_eq!(code, Some(1), "{arguments:?}: {out}{err}");
        for word in words {
            assert!(
                err.contains(word),
                "{arguments:?}: {word:?} is missing in {err:?}"
            );
        }
        assert!(err.starts_with("error: ") && !err.contains("\n\n"), "{err:?}");
        assert!(!out.contains("Summary"), "nothing was carried out: {out}");
    };
    let feed = |bytes: &[u8]| files.write("feed.csv", bytes);
    check(
        &["--feed", &files.path("none.csv")],
        &["none.csv", "cannot be read", "No such file"],
    );
    check(&["--feed", &feed(b"")], &["empty"]);
    check(
        &[
            "--feed",
            &feed(b"Employee ID,Status,First Name\nW-1,Active,Jos\xe9\n"),
        ],
        &["UTF-8"],
    );
    check(&["--feed", &feed(b"\xff\xfeE\0m\0p\0")], &["UTF-16", "UTF-8"]);
    check(
        &[
            "--feed",
            &feed(b"Employee ID,First Name,Status,Shoe Size\nW-1,Mei,Active,38\n"),
        ],
        &["Shoe Size"],
    );
    check(
        &[
            "--feed",
            &feed(b"First Name,Last Name,Status\nMei,Tanaka,Active\n"),
        ],
        &["employeeId"],
    );
    check(
        &["--feed", &files.write("feed.json", b"[{\"employeeId\": ]")],
        &["line 1", "column"],
    );
    check(
        &["--policy", &files.path("none.toml")],
        &["none.toml", "cannot be read"],
    );
    let edited = |from: &str, to: &str| {
        assert!(policy.contains(from));
        files.write("policy.toml", policy.replacen(from, to, 1).as_bytes())
    };
    check(&["--policy", &edited("[naming]", "[naming")], &["line", "column"]);
    let typo = edited(
        "person.department == \"Finance\"",
        "person.departmnt == \"Finance\"",
    );
    check(
        &["--policy", &typo],
        &["departmnt", "did you mean", "line", "column"],
    );
    check(
        &["--policy", &edited("usage_location =", "usage_lokation =")],
        &["usage_lokation", "usage_location"],
    );
    check(
        &["--policy", &edited("POWER_BI_PRO", "POWER_BY_PRO")],
        &["POWER_BY_PRO", "rule finance", "line"],
    );
    check(
        &["--policy", &edited("\"sg-sydney\"", "\"sg-sidney\"")],
        &["sg-sidney", "rule sydney"],
    );
    check(
        &["--policy", &edited("Security Reader", "Security Raeder")],
        &["Security Raeder"],
    );
    check(
        &["--sandbox", &files.path("none.env")],
        &["none.env", "iam-sandbox"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_tenant_is_only_looked_at_unless_asked() {
    let sandbox = Sandbox::builder().tls().start().await.unwrap();
    let files = Files::new();
    let journal = files.path("journal.sqlite");
    let environment = sandbox.env();
    let environment = environment.lines().filter_map(|line| line.split_once('='));
    let environment: Vec<(&str, &str)> = environment.filter(|(name, _)| name.starts_with("IAM_")).collect();
    let run = |arguments: &[&str], environment: &[(&str, &str)]| {
        let mut command = Command::new(program());
        command
            .args(["--tenant", "real", "--as-of", "2026-11-24T09:00:00Z"])
            .args(arguments);
        command.env_clear().envs(environment.iter().copied());
        let Output {
            status,
            stdout,
            stderr,
        } = command.output().unwrap();
        (
            status.code(),
            String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned(),
        )
    };
    let writes = || {
        let log = sandbox.log();
        log.iter().filter(|entry| is_write(entry)).count()
    };
    let data = concat!(env!("CARGO_MANIFEST_DIR"), "/data");
    let (feed, policy) = (format!("{data}/workday_feed.json"), format!("{data}/policy.toml"));
    let given = ["--feed", &feed, "--policy", &policy];
    let refused = |arguments: &[&str], environment: &[(&str, &str)], word: &str| {
        let (code, text) = run(arguments, environment);
        assert_eq!(code, Some(1), "{text}");
        assert!(text.contains(word), "{text}");
    };
    refused(&[], &environment, "--feed");
    refused(&[&given[..], &["--apply"]].concat(), &environment, "--journal");
    refused(&given, &[], "IAM_TENANT_ID");
    let (code, text) = run(&given, &environment);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("nothing was changed"), "{text}");
    assert_eq!(writes(), 0);
    let (code, text) = run(
        &[&given[..], &["--apply", "--journal", &journal]].concat(),
        &environment,
    );
    assert_eq!(code, Some(0), "{text}");
    assert!(writes() > 50, "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_secret_and_a_tenant_that_is_not_there_say_what_to_check() {
    let sandbox = Sandbox::start().await.unwrap();
    let files = Files::new();
    let wrong = sandbox.env().replace(sandbox.client_secret(), "not-the-secret");
    let (code, _, err) = quickstart(&["--sandbox", &files.write("wrong.env", wrong.as_bytes())]);
    assert_eq!(code, Some(1));
    assert!(err.contains("AADSTS7000215") && err.contains("secret"), "{err}");
    assert!(!err.contains("not-the-secret"));

    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = listener.local_addr().unwrap().to_string();
    drop(listener);
    let here = sandbox.authority().trim_start_matches("http://").to_owned();
    let gone = sandbox.env().replace(&here, &nobody);
    let (code, _, err) = quickstart(&["--sandbox", &files.write("gone.env", gone.as_bytes())]);
    assert_eq!(code, Some(1));
    assert!(err.contains(&nobody) || err.contains("connect"), "{err}");
}

#[test]
fn a_generated_company_is_hired_whole_and_lives_on() {
    for people in ["1", "9"] {
        let (code, out, err) = quickstart(&["--people", people]);
        assert_eq!(code, Some(0), "{err}{out}");
        let read_back = format!("{people} people read back, 0 differences from HR and policy");
        assert!(out.contains("generated_company_next.csv"), "{out}");
        assert!(out.contains(&read_back), "{out}");
        assert_eq!(out.trim_end().lines().last(), Some("0 steps"));
    }
    let story = json(&["--people", "100"]);
    let (files, plan) = (&story["files"], story["plan"].as_array().unwrap());
    let (first, next) = (&files[0], &files[1]);
    assert!(
        first["rows"].as_u64() < Some(100) && next["rows"] == 100,
        "some are new: {files}"
    );
    assert_eq!((&first["rejects"], &next["rejects"]), (&0.into(), &0.into()));
    assert!(next["unchanged"].as_u64() > Some(80), "{files}");
    let count = |event: &str| {
        let of =
            |person: &&Value| person["event"] == event && !person["steps"].as_array().unwrap().is_empty();
        plan.iter().filter(of).count()
    };
    for event in ["join", "move", "rename", "leave"] {
        assert!(count(event) > 0, "nobody has a {event}: {plan:#?}");
    }
    let seen = story["proof"]["people"].as_array().unwrap();
    let state = |state: &str| seen.iter().filter(|row| row["state"] == state).count();
    assert!((85..=95).contains(&state("enabled")), "{seen:#?}");
    assert!(state("blocked") > 0 && state("no account") > 0, "{seen:#?}");
    let held = |what: &str| {
        seen.iter()
            .filter(|row| row["held"].to_string().contains(what))
            .count()
    };
    assert!(
        held("Helpdesk Administrator") > 0 && held("agent") > 0,
        "moves reach every target"
    );
    assert_eq!((seen.len(), &story["proof"]["differences"]), (100, &0.into()));
    assert_eq!(story["second_plan_steps"], 0);
    for wrong in [
        &["--people", "0"][..],
        &["--people", "many"],
        &["--people", "3", "--feed", "x.csv"],
    ] {
        let (code, _, err) = quickstart(wrong);
        assert_eq!(code, Some(2), "{wrong:?}");
        assert!(err.contains("--people"), "{wrong:?}: {err}");
    }
}

#[test]
fn a_generated_company_has_more_names_than_a_list_of_friends() {
    let story = json(&["--people", "600", "--dry-run"]);
    assert_eq!(
        story["files"].as_array().unwrap().len(),
        1,
        "the next export is not read yet"
    );
    let steps = story["plan"].as_array().unwrap().iter();
    let steps = steps.flat_map(|person| person["steps"].as_array().unwrap());
    let created: Vec<&Value> = steps.filter(|step| step["action"] == "create_account").collect();
    let names: std::collections::BTreeSet<&str> = created
        .iter()
        .map(|step| step["attributes"]["display_name"].as_str().unwrap())
        .collect();
    assert!(names.len() > 500, "{} names of {}", names.len(), created.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_company_that_the_journal_knows_is_told_the_latest_only() {
    let sandbox = Sandbox::start().await.unwrap();
    let files = Files::new();
    let env = files.write("sandbox.env", sandbox.env().as_bytes());
    let journal = files.path("journal.sqlite");
    let arguments = ["--sandbox", &env, "--journal", &journal, "--people", "20"];
    assert_eq!(json(&arguments)["files"].as_array().unwrap().len(), 2);
    let again = json(&arguments);
    assert_eq!(again["files"][0]["file"], "generated_company_next.csv");
    assert_eq!(
        (&again["files"][0]["events"], &again["planned_steps"]),
        (&0.into(), &0.into())
    );
}
