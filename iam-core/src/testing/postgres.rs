//! A PostgreSQL server for tests: its own data directory, on a free port of the loopback, gone with the process.

use std::fmt;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};

/// Names the server that tests use instead of starting one: a URL of a role that may create schemas and roles.
const GIVEN: &str = "IAM_TEST_POSTGRES";

/// Makes, starts and stops the cluster on words from its input. Once that ends, because its parent has ended, however it
/// did, it clears everything away. It runs as the user who may run PostgreSQL, which root may not.
const KEEPER: &str = r#"
set -eu
trap '' INT TERM HUP
bin=$1 port=$2 source=$3
dir=$(mktemp -d "${TMPDIR:-/tmp}/iam-pg.XXXXXX")
ctl() { "$bin/pg_ctl" -D "$dir/data" -s -w "$@" >>"$dir/keeper.log" 2>&1; }
start() {
    ctl -l "$dir/server.log" -o "-c listen_addresses=127.0.0.1 -c port=$port -c unix_socket_directories=$dir \
        -c max_connections=200 -c shared_buffers=64MB" start
}
make() {
    if [ "$source" = 0 ]; then
        "$bin/initdb" -D "$dir/data" -A trust -U postgres -E UTF8 --locale=C --no-sync
    else
        "$bin/pg_basebackup" -D "$dir/data" -R -X stream -c fast -h 127.0.0.1 -p "$source" -U postgres --no-sync
    fi
}
make >"$dir/keeper.log" 2>&1 || { echo "make: $(tail -n 3 "$dir/keeper.log" | tr '\n' ' ')"; rm -rf "$dir"; exit 1; }
start || { echo "start: $(tail -n 3 "$dir/server.log" | tr '\n' ' ')"; rm -rf "$dir"; exit 1; }
echo "ready $dir"
while read -r word; do
    case $word in
        start) start ;;
        stop) ctl -m fast stop ;;
        crash) ctl -m immediate stop ;;
        promote) ctl promote ;;
    esac && echo done || echo failed
done
ctl -m immediate stop || true
rm -rf "$dir"
"#;

/// A running PostgreSQL server that only this process uses.
pub struct PostgresServer {
    url: String,
    keeper: Option<Mutex<Keeper>>,
    folder: PathBuf,
}

struct Keeper {
    child: Child,
    words: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl fmt::Debug for PostgresServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostgresServer({})", self.url)
    }
}

#[allow(
    clippy::panic,
    reason = "a test that needs PostgreSQL fails where there is none; it is never left out in silence"
)]
impl PostgresServer {
    /// The server that the tests of this process share: started by the first of them, or the one that the variable
    /// `IAM_TEST_POSTGRES` names.
    ///
    /// # Panics
    /// Where PostgreSQL is not installed or does not start, with the reason.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<PostgresServer> = OnceLock::new();
        SHARED.get_or_init(|| match std::env::var(GIVEN) {
            Ok(url) if !url.is_empty() => Self {
                url,
                keeper: None,
                folder: PathBuf::new(),
            },
            _ => Self::start(),
        })
    }

    /// A server of one's own, which may be stopped and crashed.
    ///
    /// # Panics
    /// As [`shared`](Self::shared).
    pub fn start() -> Self {
        Self::start_from(0)
    }

    /// Another server that follows this one, until it is [promoted](Self::promote).
    ///
    /// # Panics
    /// As [`shared`](Self::shared).
    #[must_use]
    pub fn standby(&self) -> Self {
        let port = self
            .url
            .rsplit_once(':')
            .and_then(|(_, rest)| rest.split_once('/'));
        Self::start_from(port.and_then(|(port, _)| port.parse().ok()).unwrap_or(0))
    }

    fn start_from(source: u16) -> Self {
        let bin = programs().unwrap_or_else(|| {
            panic!(
                "PostgreSQL is not installed, and these tests need it: install it (Debian: apt-get install postgresql), \
                 or name a server in {GIVEN}"
            )
        });
        let mut why = String::new();
        // Somebody else may take the port before the server does.
        for _ in 0..5 {
            match Self::start_at(&bin, free_port(), source) {
                Ok(server) => return server,
                Err(said) => why = said,
            }
        }
        panic!("PostgreSQL in {} does not start: {why}", bin.display());
    }

    fn start_at(bin: &Path, port: u16, source: u16) -> Result<Self, String> {
        let mut command = if is_root() {
            let mut command = Command::new("setpriv");
            command.args([
                "--reuid=postgres",
                "--regid=postgres",
                "--clear-groups",
                "--",
                "sh",
            ]);
            command
        } else {
            Command::new("sh")
        };
        command
            .args(["-c", KEEPER, "keeper"])
            .arg(bin)
            .arg(port.to_string())
            .arg(source.to_string());
        command
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|error| error.to_string())?;
        let (words, answers) = (child.stdin.take(), child.stdout.take());
        let mut answers = BufReader::new(answers.ok_or("no output")?);
        let mut line = String::new();
        answers.read_line(&mut line).map_err(|error| error.to_string())?;
        let Some(folder) = line.trim().strip_prefix("ready ") else {
            let _ = child.wait();
            return Err(line);
        };
        Ok(Self {
            url: format!("postgres://postgres@127.0.0.1:{port}/postgres"),
            folder: folder.into(),
            keeper: Some(Mutex::new(Keeper {
                child,
                words,
                answers,
            })),
        })
    }

    /// Where to reach it, as a role that may do everything.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The folder of its data, its log and its socket; empty for a server that was named.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The path of one of PostgreSQL's own programs (`pg_dump`).
    ///
    /// # Panics
    /// Where PostgreSQL is not installed.
    pub fn program(name: &str) -> PathBuf {
        match programs() {
            Some(bin) => bin.join(name),
            None => panic!("PostgreSQL is not installed, and these tests need its {name}: install it"),
        }
    }

    /// The name of a schema that nobody uses yet.
    pub fn fresh_schema(&self) -> String {
        format!("t{}", uuid::Uuid::new_v4().simple())
    }

    /// Stops it as an administrator does (`fast`).
    ///
    /// # Panics
    /// When it does not, or is not ours.
    pub fn stop(&self) {
        self.tell("stop");
    }

    /// Stops it as a power cut does (`immediate`): what was not flushed is lost.
    ///
    /// # Panics
    /// When it does not, or is not ours.
    pub fn crash(&self) {
        self.tell("crash");
    }

    /// Starts it again.
    ///
    /// # Panics
    /// When it does not, or is not ours.
    pub fn start_again(&self) {
        self.tell("start");
    }

    /// Makes a standby the primary.
    ///
    /// # Panics
    /// When it is none, or not ours.
    pub fn promote(&self) {
        self.tell("promote");
    }

    /// Runs a statement as an administrator does (`psql`), and gives what it prints.
    ///
    /// # Panics
    /// When it fails.
    pub fn sql(&self, statement: &str) -> String {
        let psql = programs().map_or_else(|| PathBuf::from("psql"), |bin| bin.join("psql"));
        let output = Command::new(psql)
            .args([&self.url, "-v", "ON_ERROR_STOP=1", "-qAtc", statement])
            .output();
        let output = output.unwrap_or_else(|error| panic!("psql: {error}"));
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{statement}: {told}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    fn tell(&self, word: &str) {
        let Some(keeper) = &self.keeper else {
            panic!("{GIVEN} names a server that this test may not {word}: it needs one of its own");
        };
        let mut keeper = keeper.lock().unwrap_or_else(PoisonError::into_inner);
        let mut answer = String::new();
        let told = keeper
            .words
            .as_mut()
            .is_some_and(|words| writeln!(words, "{word}").is_ok());
        let heard = keeper.answers.read_line(&mut answer).is_ok();
        assert!(
            told && heard && answer.trim() == "done",
            "PostgreSQL does not {word}: {answer}"
        );
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        if let Some(keeper) = &mut self.keeper {
            let keeper = keeper.get_mut().unwrap_or_else(PoisonError::into_inner);
            drop(keeper.words.take());
            let _ = keeper.child.wait();
        }
    }
}

/// The folder of the newest PostgreSQL here.
fn programs() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).collect::<Vec<_>>();
    let debian = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten();
    let mut debian: Vec<(u32, PathBuf)> = debian
        .filter_map(|entry| {
            Some((
                entry.file_name().to_str()?.parse().ok()?,
                entry.path().join("bin"),
            ))
        })
        .collect();
    debian.sort();
    let debian = debian.into_iter().rev().map(|(_, bin)| bin);
    let has_all = |bin: &PathBuf| {
        ["initdb", "pg_ctl", "postgres"]
            .iter()
            .all(|name| bin.join(name).is_file())
    };
    debian.chain(on_path).find(has_all)
}

/// A port of the loopback that is free just now.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0));
    listener
        .and_then(|listener| listener.local_addr())
        .map_or(0, |address| address.port())
}

/// Whether this process may do everything, and so may not run PostgreSQL.
fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output();
    id.is_ok_and(|id| id.stdout.trim_ascii() == b"0")
}
