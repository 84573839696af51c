//! The example of change notifications as its users meet it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops where it fails")]
#![allow(missing_docs, reason = "nobody imports a test")]

use std::path::Path;
use std::process::Command;

fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    let test = std::env::current_exe().unwrap();
    let folder = test.parent().and_then(Path::parent).unwrap();
    let program = folder.join("examples/change_notifications");
    let missing = format!(
        "{} is missing: run `cargo build --examples` first",
        program.display()
    );
    assert!(program.exists(), "{missing}");
    let output = Command::new(program).args(arguments).output().unwrap();
    let printed = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.code(),
        printed(&output.stdout),
        printed(&output.stderr),
    )
}

#[test]
fn it_subscribes_receives_decrypts_renews_and_leaves() {
    let (code, out, err) = run(&[]);
    assert_eq!(code, Some(0), "{err}{out}");
    for line in [
        "receiver: http://127.0.0.1:",
        "subscribed: users until ",
        "subscribed: messages of hr@contoso.example with resource data",
        "notified: updated Users/",
        ", department is Security",
        "decrypted: subject is \"Start date moved\"",
        "renewed: users until ",
        "next renewal: ",
        "left: 0 subscriptions",
    ] {
        assert!(out.contains(line), "{line} is missing in:\n{out}");
    }
    let time = |from: &str| {
        let line = out.lines().find_map(|line| line.strip_prefix(from)).unwrap();
        line.parse::<jiff::Timestamp>().unwrap()
    };
    let days = time("renewed: users until ")
        .duration_since(time("subscribed: users until "))
        .as_hours()
        / 24;
    assert_eq!(days, 28, "29 days less the hour that it had");
    assert!(!out.contains("BEGIN") && err.is_empty(), "{out}{err}");
}

#[test]
fn it_explains_itself_and_what_went_wrong() {
    let (code, out, _) = run(&["--help"]);
    assert_eq!(code, Some(0));
    assert!(out.contains("--port") && out.contains("--patience"), "{out}");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let (code, _, err) = run(&["--port", &port]);
    assert_eq!(code, Some(1), "{err}");
    assert!(err.starts_with("error: "), "{err}");
}
