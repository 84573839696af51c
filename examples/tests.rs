//! The small examples as their users meet them: programs with options, output and an exit code.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops where it fails")]
#![allow(missing_docs, reason = "nobody imports a test")]

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use iam_sandbox::Sandbox;
use serde_json::{Value, json};

fn program(example: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let path = test
        .parent()
        .and_then(Path::parent)
        .unwrap()
        .join("examples")
        .join(example);
    assert!(
        path.exists(),
        "{} is missing: run `cargo build --examples` first",
        path.display()
    );
    path
}

fn run(example: &str, arguments: &[&str], environment: &[(&str, &str)]) -> (Option<i32>, String, String) {
    let mut command = Command::new(program(example));
    command
        .args(arguments)
        .env_clear()
        .envs(environment.iter().copied());
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (status.code(), text(&stdout), text(&stderr))
}

/// The output of a run that must succeed.
fn shown(example: &str, arguments: &[&str], environment: &[(&str, &str)]) -> String {
    let (code, out, err) = run(example, arguments, environment);
    assert_eq!(
        (code, err.as_str()),
        (Some(0), ""),
        "{example} {arguments:?}: {out}"
    );
    out
}

fn refused(example: &str, arguments: &[&str], environment: &[(&str, &str)], word: &str) {
    let (code, out, err) = run(example, arguments, environment);
    assert_eq!(code, Some(1), "{example} {arguments:?}: {out}{err}");
    assert!(
        err.starts_with("error: ") && err.contains(word),
        "{word:?} is missing in {err:?}"
    );
}

struct Tenant {
    sandbox: Sandbox,
    folder: tempfile::TempDir,
    env: String,
}

impl Tenant {
    async fn start(builder: iam_sandbox::Builder) -> Self {
        let sandbox = builder.start().await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let env = folder.path().join("sandbox.env").display().to_string();
        std::fs::write(&env, sandbox.env()).unwrap();
        Self { sandbox, folder, env }
    }

    /// The lines that name a real tenant, for an environment.
    fn real(&self) -> Vec<(String, String)> {
        let text = self.sandbox.env();
        let lines = text.lines().filter_map(|line| line.split_once('='));
        let ours = lines.filter(|(name, _)| name.starts_with("IAM_"));
        ours.map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }

    fn users(&self) -> Vec<Value> {
        self.sandbox.state()["users"].as_array().unwrap().clone()
    }
}

#[test]
fn each_runs_without_options_and_explains_itself() {
    for (example, options, last) in [
        ("list_users", "--search", "20 users"),
        ("delta_sync", "--links", "groups: 0 changes"),
        ("licence_report", "--json", "cannot sign in"),
    ] {
        let out = shown(example, &[], &[]);
        let end = out.trim_end().lines().last().unwrap();
        assert!(end.ends_with(last), "{example}: {end:?}");
        let help = shown(example, &["--help"], &[]);
        assert!(help.contains(options) && help.contains("IAM_TENANT_ID"), "{help}");
        assert_eq!(run(example, &["--nonsense"], &[]).0, Some(2));
        refused(example, &["--tenant", "real"], &[], "IAM_TENANT_ID");
        refused(example, &["--sandbox", "/nowhere.env"], &[], "iam-sandbox");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn users_are_listed_filtered_and_counted() {
    let tenant = Tenant::start(Sandbox::builder().people(1_200)).await;
    let list = |arguments: &[&str]| {
        shown(
            "list_users",
            &[&["--sandbox", &tenant.env], arguments].concat(),
            &[],
        )
    };
    let all = tenant.users();
    let everybody = list(&[]);
    assert_eq!(everybody.lines().count(), all.len() + 1);
    let in_department = |name: &str| all.iter().filter(|user| user["department"] == name).count();
    let finance = list(&["--department", "Finance", "--order", "displayName", "--count"]);
    let end = format!("{0} of {0} users", in_department("Finance"));
    assert_eq!(finance.lines().last(), Some(end.as_str()));
    let found = list(&["--search", "fischer", "--json"]);
    let user: Value = serde_json::from_str(found.lines().next().unwrap()).unwrap();
    assert!(
        user["displayName"].as_str().unwrap().contains("Fischer"),
        "{user}"
    );
    assert_eq!(list(&["--limit", "3"]).lines().last(), Some("3 users"));
    // A reader that goes away is no error.
    let mut whole = Command::new(program("list_users"));
    let mut whole = whole
        .args(["--sandbox", &tenant.env])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(whole.stdout.take());
    let ended = whole.wait_with_output().unwrap();
    assert!(ended.status.success() && ended.stderr.is_empty(), "{ended:?}");
    let none = list(&["--filter", "department ne 'Finance'", "--department", "Finance"]);
    assert_eq!(none, "0 users\n");
    refused(
        "list_users",
        &["--sandbox", &tenant.env, "--order", "a b"],
        &[],
        "property",
    );
    refused(
        "list_users",
        &["--sandbox", &tenant.env, "--filter", "nonsense"],
        &[],
        "400",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_tenant_is_reached_by_the_environment_with_its_own_ca() {
    let tenant = Tenant::start(Sandbox::builder().tls()).await;
    let real = tenant.real();
    let environment: Vec<(&str, &str)> = real
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let out = shown("list_users", &["--tenant", "real"], &environment);
    assert_eq!(out.lines().last(), Some("20 users"));
    let without_ca: Vec<_> = environment
        .iter()
        .copied()
        .filter(|(name, _)| *name != "IAM_CA_BUNDLE")
        .collect();
    let started = std::time::Instant::now();
    refused("list_users", &["--tenant", "real"], &without_ca, "CA bundle");
    assert!(started.elapsed().as_secs() < 60);
    refused("delta_sync", &["--tenant", "real"], &environment, "--links");
    let writes = tenant
        .sandbox
        .log()
        .iter()
        .filter(|entry| entry.method != "GET" && !entry.path.ends_with("/token"))
        .count();
    assert_eq!(writes, 0);
}

#[test]
fn the_proxies_of_the_environment_are_used() {
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", proxy.local_addr().unwrap());
    let seen = std::thread::spawn(move || {
        let (peer, _) = proxy.accept().unwrap();
        let mut line = String::new();
        BufReader::new(peer).read_line(&mut line).unwrap();
        line
    });
    let environment = [
        ("IAM_TENANT_ID", "t"),
        ("IAM_CLIENT_ID", "c"),
        ("IAM_CLIENT_SECRET", "s"),
        ("IAM_AUTHORITY", "https://login.nowhere.invalid"),
        ("IAM_GRAPH_URL", "https://graph.nowhere.invalid"),
        ("HTTPS_PROXY", &address),
    ];
    let (code, _, err) = run("list_users", &["--tenant", "real"], &environment);
    assert_eq!(code, Some(1), "{err}");
    assert!(err.contains("check the network, the proxy"), "{err}");
    assert_eq!(
        seen.join().unwrap().trim_end(),
        "CONNECT login.nowhere.invalid:443 HTTP/1.1"
    );
}

#[test]
fn changes_are_shown_once() {
    let out = shown("delta_sync", &[], &[]);
    let (first, rest) = out.split_once("round 2").unwrap();
    let (second, third) = rest.split_once("round 3").unwrap();
    assert!(
        first.contains("users: 20 changes") && first.contains("sg-engineering (members: 3 more"),
        "{first}"
    );
    for line in [
        "users: noah.fischer@contoso.example (Security, enabled)",
        "deleted, can be restored",
        "groups: sg-security (members: 1 more, 0 fewer)",
        "users: 2 changes",
    ] {
        assert!(second.contains(line), "{line:?} is missing in {second}");
    }
    assert!(
        third.contains("users: 0 changes") && third.contains("groups: 0 changes"),
        "{third}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn links_are_kept_between_runs_and_expire() {
    let tenant = Tenant::start(Sandbox::builder()).await;
    let links = tenant.folder.path().join("links").display().to_string();
    let run = |more: &[&str]| {
        shown(
            "delta_sync",
            &[&["--sandbox", &tenant.env, "--links", &links], more].concat(),
            &[],
        )
    };
    assert!(run(&["--from-now"]).contains("users: 0 changes"));
    let id = tenant.sandbox.user("W-1009").unwrap()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let body = json!({"department": "Legal"});
    tenant
        .sandbox
        .act("PATCH", &format!("/users/{id}"), Some(body))
        .unwrap();
    let out = run(&[]);
    assert!(
        out.contains("(Legal, enabled)") && out.contains("users: 1 changes"),
        "{out}"
    );
    assert!(run(&[]).contains("users: 0 changes"));
    tenant.sandbox.advance(std::time::Duration::from_hours(24 * 8));
    let out = run(&[]);
    assert!(
        out.contains("users: the link was too old") && out.contains("users: 21 changes"),
        "{out}"
    );
    assert!(run(&[]).contains("users: 0 changes"));
}

#[tokio::test(flavor = "multi_thread")]
async fn licences_are_counted_as_the_tenant_has_them() {
    let tenant = Tenant::start(Sandbox::builder()).await;
    let id = tenant.sandbox.user("W-1009").unwrap()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let body = json!({"accountEnabled": false});
    tenant
        .sandbox
        .act("PATCH", &format!("/users/{id}"), Some(body))
        .unwrap();
    let users = tenant.users();
    let holders = |product: &str| {
        users
            .iter()
            .filter(|user| user["licenses"].as_array().unwrap().contains(&json!(product)))
            .count()
    };
    let report: Value = serde_json::from_str(&shown(
        "licence_report",
        &["--sandbox", &tenant.env, "--json"],
        &[],
    ))
    .unwrap();
    let products = report["products"].as_array().unwrap();
    assert!(holders("SPE_E3") > 5);
    for name in ["SPE_E3", "FLOW_FREE", "POWER_BI_PRO"] {
        let product = products
            .iter()
            .find(|product| product["product"] == name)
            .unwrap();
        assert_eq!(
            (&product["direct"], &product["used"]),
            (&json!(holders(name)), &json!(holders(name))),
            "{product}"
        );
        assert_eq!(product["errors"], json!({}));
    }
    let of = |name: &str| {
        products
            .iter()
            .find(|product| product["product"] == name)
            .unwrap()
    };
    assert_eq!(
        (&of("SPE_E3")["blocked"], &of("POWER_BI_PRO")["blocked"]),
        (&json!(1), &json!(0))
    );
}

#[test]
fn parts_of_one_s_own_do_what_they_say() {
    let check = |example: &str, parts: &[&str]| {
        let out = shown(example, &[], &[]);
        let mut rest = out.as_str();
        for part in parts {
            let at = rest
                .find(part)
                .unwrap_or_else(|| panic!("{part:?} is missing, or stands too early: {out}"));
            rest = &rest[at + part.len()..];
        }
    };
    check(
        "own_orchestrator",
        &[
            "allow_sign_in at graph: Done",
            "X-1: Held(\"change freeze",
            "X-1: Done",
            "block_sign_in at graph: Done",
        ],
    );
    check(
        "own_policy",
        &[
            "grant:group:",
            "allow_sign_in",
            "X-1: Done",
            "grant:group:",
            "revoke:group:",
            "Held(\"the policy could not",
            "\\\"Alchemy\\\"",
        ],
    );
    check(
        "own_target",
        &[
            "doors/grant:app:Server room at doors: Done",
            "is open for 1",
            "revoke:app:Server room at doors: Done",
            "is open for 0",
        ],
    );
    check(
        "own_notifier",
        &[
            "Mei Tanaka kann sich anmelden",
            "notify:joined at graph: Done",
            "Worker X-1 has no access any more.",
        ],
    );
    check(
        "own_step",
        &[
            "to Exchange: share the mailbox of X-1 {\"hidden\":true}",
            "block_sign_in at graph: Done",
            "custom:exchange.share_mailbox.v1",
            "revoke:licence:",
            "without a target",
            "X-2: Dead(",
            "does not know steps of the kind exchange.share_mailbox.v1: it was left alone",
            "revoke:licence:",
            "Done",
        ],
    );
}

/// One request, as a sender writes it; the status of the answer, and the answer.
fn post(address: &str, headers: &str, body: &str) -> (u16, String) {
    use std::io::{Read as _, Write as _};
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    let length = body.len();
    let request = format!(
        "POST /hr HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    (status, answer)
}

#[test]
fn cloud_events_are_taken_and_carried_out() {
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("journal.sqlite").display().to_string();
    let mut server = Command::new(program("cloudevents"))
        .args(["--port", "0", "--token", "sesame", "--journal", &journal])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(server.stdout.take().unwrap())
        .lines()
        .map(Result::unwrap);
    let first = lines.next().unwrap();
    let address = first.strip_prefix("CloudEvents at http://").unwrap();
    let address = address.split('/').next().unwrap();
    let (token, json) = (
        "Authorization: Bearer sesame\r\n",
        "Content-Type: application/json\r\n",
    );
    let binary = "ce-specversion: 1.0\r\nce-id: 1\r\nce-source: /hr\r\nce-type: iam-platform.hr.record\r\n";
    let mei = r#"{"employeeId": "X-1", "firstName": "Mei", "lastName": "Tanaka", "country": "AU", "status": "Active"}"#;
    assert_eq!(post(address, &format!("{json}{binary}"), mei).0, 401);
    let (status, answer) = post(address, &format!("{token}{json}{binary}"), mei);
    assert_eq!(status, 202, "{answer}");
    assert!(answer.contains(r#""events":1"#), "{answer}");
    assert_eq!(lines.next().unwrap(), "X-1: Done");
    let batch = json!([
        { "specversion": "1.0", "id": "2", "source": "/hr", "type": "iam-platform.hr.event",
          "data": { "person": "X-1", "kind": "leave", "urgent": true } },
        { "specversion": "1.0", "id": "3", "source": "/hr", "type": "cake", "data": {} },
    ]);
    let kind = "Content-Type: application/cloudevents-batch+json\r\n";
    let (status, answer) = post(address, &format!("{token}{kind}"), &batch.to_string());
    assert_eq!(status, 202, "{answer}");
    assert!(answer.contains(r#""dead_letters":1"#), "{answer}");
    assert_eq!(lines.next().unwrap(), "X-1: Done");
    assert_eq!(
        lines.next().unwrap(),
        "dead letter 1: messages of type \"cake\" are not known here"
    );
    server.kill().unwrap();
    server.wait().unwrap();
}
