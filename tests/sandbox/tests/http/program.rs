//! The program: its env file, its port, how it stops.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

fn start(arguments: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_iam-sandbox"));
    command
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn wait_for(file: &Path) -> String {
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(20) {
        if let Ok(text) = std::fs::read_to_string(file) {
            return text;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("{} did not appear", file.display());
}

#[cfg(unix)]
#[tokio::test]
async fn it_writes_a_private_env_file_and_stops_when_told() {
    use std::os::unix::fs::PermissionsExt as _;

    let file = std::env::temp_dir().join(format!("iam-sandbox-{}.env", std::process::id()));
    let _ = std::fs::remove_file(&file);
    let mut first = start(&["--seed", "5", "--env-file", file.to_str().unwrap()]);
    let text = wait_for(&file);
    assert_eq!(
        std::fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let value = |name: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(&format!("{name}=")))
            .unwrap()
            .to_owned()
    };
    let (authority, tenant) = (value("SANDBOX_AUTHORITY"), value("IAM_TENANT_ID"));
    let reply =
        crate::read(reqwest::Client::new().get(format!("{authority}/{tenant}/discovery/v2.0/keys"))).await;
    assert_eq!(reply.status, 200);
    for name in [
        "SANDBOX_ARM",
        "IAM_ARM_URL",
        "SANDBOX_SUBSCRIPTION",
        "SANDBOX_SCIM",
        "IAM_SCIM_URL",
        "SANDBOX_SCIM_TOKEN",
    ] {
        assert!(!value(name).is_empty(), "{name}");
    }
    // The port is taken: a second one says so.
    let port = authority.rsplit(':').next().unwrap();
    let second = start(&["--port", port]).wait_with_output().unwrap();
    assert!(!second.status.success());
    let said = String::from_utf8(second.stderr).unwrap();
    assert!(said.contains(&format!("cannot listen on port {port}")), "{said}");
    let told = Command::new("kill")
        .args(["-TERM", &first.id().to_string()])
        .status()
        .unwrap();
    assert!(told.success());
    assert!(first.wait().unwrap().success());
    std::fs::remove_file(&file).unwrap();
}

#[cfg(unix)]
#[tokio::test]
async fn it_serves_https_records_and_leaves_nothing_behind() {
    let place = std::env::temp_dir();
    let file = place.join(format!("iam-sandbox-tls-{}.env", std::process::id()));
    let record = place.join(format!("iam-sandbox-tls-{}.jsonl", std::process::id()));
    let _ = std::fs::remove_file(&file);
    let mut program = start(&[
        "--tls",
        "--people",
        "3",
        "--record",
        record.to_str().unwrap(),
        "--env-file",
        file.to_str().unwrap(),
    ]);
    let text = wait_for(&file);
    let value = |name: &str| {
        let mut lines = text.lines();
        lines
            .find_map(|line| line.strip_prefix(&format!("{name}=")))
            .unwrap()
            .to_owned()
    };
    let authority = std::fs::read(value("IAM_CA_BUNDLE")).unwrap();
    let authority = reqwest::Certificate::from_pem(&authority).unwrap();
    let http = reqwest::Client::builder()
        .tls_certs_only([authority])
        .build()
        .unwrap();
    let groups = http
        .get(format!("{}/Groups", value("SANDBOX_SCIM")))
        .bearer_auth(value("SANDBOX_SCIM_TOKEN"));
    let reply = crate::read(groups).await;
    assert!(reply.text.contains("supervisor"), "{}", reply.text);
    let recorded = std::fs::read_to_string(&record).unwrap();
    assert!(
        recorded.contains("/scim/v2/Groups") && !recorded.contains(&value("SANDBOX_SCIM_TOKEN")),
        "{recorded}"
    );
    let told = Command::new("kill")
        .args(["-TERM", &program.id().to_string()])
        .status()
        .unwrap();
    assert!(told.success());
    assert!(program.wait().unwrap().success());
    assert!(!Path::new(&value("SANDBOX_CA")).exists());
    std::fs::remove_file(&file).unwrap();
    std::fs::remove_file(&record).unwrap();
}
