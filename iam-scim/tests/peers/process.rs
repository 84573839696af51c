//! Servers that nobody here wrote, installed under `target/peers` with pinned versions and started on free
//! ports of the loopback. Each ends with this process: it reads its standard input, which we hold open.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

pub(crate) const TOKEN: &str = "peer-t0ken";

/// A running server. Held until the process ends, with its standard input.
pub(crate) struct Peer {
    pub(crate) base_url: String,
    /// Its process, whose CPU time the benchmarks read.
    #[allow(dead_code)]
    pub(crate) process: u32,
    _process: Child,
}

pub(crate) fn scim2_server() -> &'static Peer {
    static PEER: OnceLock<Peer> = OnceLock::new();
    PEER.get_or_init(|| {
        let environment = python();
        start("/v2", |port| {
            let mut command = Command::new(environment.join("bin/python"));
            command.arg(source("scim2_server.py")).args([port, TOKEN]);
            command
        })
    })
}

pub(crate) fn scimmy() -> &'static Peer {
    static PEER: OnceLock<Peer> = OnceLock::new();
    PEER.get_or_init(|| {
        let home = node();
        start("/scim", |port| {
            let mut command = Command::new("node");
            command.arg(home.join("server.mjs")).args([port, TOKEN]);
            command
        })
    })
}

/// The virtual environment with scim2-server, made if there is none of these versions.
fn python() -> PathBuf {
    let (home, pins) = (home("python"), source("requirements.txt"));
    let wanted = fs::read_to_string(&pins).unwrap();
    if fs::read_to_string(home.join("installed")).is_ok_and(|there| there == wanted) {
        return home;
    }
    let advice = "these tests need Python 3.11 or newer with venv, and its package index";
    run(
        Command::new("python3").args(["-m", "venv", "--clear"]).arg(&home),
        advice,
    );
    let mut install = Command::new(home.join("bin/python"));
    install.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "-r",
    ]);
    run(install.arg(&pins), advice);
    fs::write(home.join("installed"), wanted).unwrap();
    home
}

/// The directory with scimmy-routers and the server script.
fn node() -> PathBuf {
    let home = home("scimmy");
    fs::create_dir_all(&home).unwrap();
    for name in ["package.json", "package-lock.json", "server.mjs"] {
        fs::copy(source("scimmy").join(name), home.join(name)).unwrap();
    }
    let wanted = fs::read_to_string(home.join("package-lock.json")).unwrap();
    if fs::read_to_string(home.join("installed")).is_ok_and(|there| there == wanted) {
        return home;
    }
    let mut install = Command::new("npm");
    install
        .args(["ci", "--no-audit", "--no-fund", "--silent"])
        .current_dir(&home);
    run(
        &mut install,
        "these tests need Node.js 18 or newer with npm, and its registry",
    );
    fs::write(home.join("installed"), wanted).unwrap();
    home
}

/// Where everything that is made goes. The benchmarks include this file too, and cargo gives programs no folder of
/// their own.
pub(crate) fn target() -> PathBuf {
    match (
        option_env!("CARGO_TARGET_TMPDIR"),
        std::env::var_os("CARGO_TARGET_DIR"),
    ) {
        (Some(folder), _) => PathBuf::from(folder).parent().unwrap().to_owned(),
        (None, Some(target)) => PathBuf::from(target),
        (None, None) => Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"),
    }
}

fn home(name: &str) -> PathBuf {
    let peers = target().join("peers");
    fs::create_dir_all(&peers).unwrap();
    peers.join(name)
}

fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../iam-scim/tests/peers")
        .join(name)
}

fn run(command: &mut Command, advice: &str) {
    let shown = format!("{command:?}");
    let output = command
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{shown}: {error}; {advice}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{shown}: {}: {said}; {advice}",
        output.status
    );
}

fn start(path: &str, command: impl Fn(&str) -> Command) -> Peer {
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let mut process = command(&port.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("the server does not start: {error}; is it installed?"));
    let since = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        if let Some(status) = process.try_wait().unwrap() {
            panic!("the server ended at once: {status}");
        }
        assert!(
            since.elapsed() < Duration::from_mins(1),
            "the server does not listen"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
    Peer {
        base_url: format!("http://127.0.0.1:{port}{path}"),
        process: process.id(),
        _process: process,
    }
}
