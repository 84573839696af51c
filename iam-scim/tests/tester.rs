//! `scim2-tester` of the python-scim project, which nobody here wrote, finds no error on either store. It comes from
//! PyPI into a virtual environment under `target/peers`, once.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)] // what fails here fails the test

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use axum::Router;
use iam_core::secret::Secret;
use iam_scim::server::{Auth, Engine, MemoryStore, SqliteStore, router};
use tokio::net::TcpListener;

/// Its direct dependencies are pinned too: the verdicts are theirs.
const PACKAGES: [&str; 4] = [
    "scim2-tester==0.5.2",
    "scim2-client[httpx2]==0.13.2",
    "scim2-models==0.12.3",
    "httpx2==2.16.2",
];

/// Prints a line for each check: its status, its name, and the reason.
const SCRIPT: &str = r#"
import sys, httpx2
from scim2_client.engines.httpx2 import SyncSCIMClient
from scim2_tester import check_server
http = httpx2.Client(base_url=sys.argv[1], headers={"Authorization": "Bearer " + sys.argv[2]}, trust_env=False)
for result in check_server(SyncSCIMClient(http)):
    print(result.status.name, result.title, str(result.reason or "").replace("\n", " "))
"#;

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| {
        panic!("cannot start {command:?}: {error}; install Python 3.10 or later with its venv module")
    });
    assert!(
        output.status.success(),
        "{command:?} failed: {}{}\nIt needs Python 3.10 or later with venv, and PyPI within reach for the first run.",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    String::from_utf8(output.stdout).unwrap()
}

/// The interpreter with the packages.
fn python() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let peers = target.join("peers");
    fs::create_dir_all(&peers).unwrap();
    // Two test runs at once make it once.
    let lock = File::create(peers.join("scim2-tester.lock")).unwrap();
    lock.lock().unwrap();
    let home = peers.join("scim2-tester");
    let interpreter = home.join(if cfg!(windows) {
        "Scripts/python.exe"
    } else {
        "bin/python"
    });
    let (made, due) = (home.join("made"), PACKAGES.join(" "));
    if fs::read_to_string(&made).ok().as_ref() != Some(&due) {
        let python = if cfg!(windows) { "python" } else { "python3" };
        run(Command::new(python).args(["-m", "venv", "--clear"]).arg(&home));
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
        run(Command::new(&interpreter).args(pip).args(PACKAGES));
        fs::write(made, due).unwrap();
    }
    interpreter
}

async fn check(name: &str, engine: Engine) {
    let app = Router::new().nest_service("/scim/v2", router(engine, Auth::bearer(&Secret::new("token"))));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}/scim/v2", listener.local_addr().unwrap());
    let server = tokio::spawn(async move { axum::serve(listener, app).await });
    let results = tokio::task::spawn_blocking(move || {
        run(Command::new(python())
            .arg("-c")
            .arg(SCRIPT)
            .args([base.as_str(), "token"]))
    });
    let results = results.await.unwrap();
    server.abort();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for line in results.lines() {
        *counts.entry(line.split(' ').next().unwrap()).or_default() += 1;
    }
    println!("scim2-tester on {name}: {counts:?}");
    let success = counts.remove("SUCCESS").unwrap_or_default();
    assert!(counts.is_empty(), "{name}: {counts:?}\n{results}");
    assert!(success >= 130, "{name}: only {success} checks ran\n{results}");
}

#[tokio::test(flavor = "multi_thread")]
async fn finds_no_error() {
    check("memory", Engine::new(MemoryStore::new())).await;
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path().join("scim.sqlite"))
        .await
        .unwrap();
    check("SQLite", Engine::new(store)).await;
}
