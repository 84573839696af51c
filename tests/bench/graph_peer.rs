//! A client of Microsoft Graph as a process that is measured: what it is told, and what it reports. The other end
//! is [`graph_ours`](crate::graph_ours), `peers/graph_peer.py` and `peers/graph-rs`.

use std::error::Error;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

use serde::{Deserialize, Serialize};

/// The variable that the plan travels in. It carries a token of the sandbox, which is nobody's secret.
pub(crate) const PLAN: &str = "GRAPH_PEER";

/// Where to ask, and what for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Plan {
    /// With the version.
    pub(crate) graph: String,
    pub(crate) authority: String,
    pub(crate) token: String,
    pub(crate) select: String,
    pub(crate) domain: String,
    /// Whom the first call reads.
    pub(crate) user: String,
    pub(crate) manager: String,
    pub(crate) groups: Vec<String>,
    pub(crate) sku: String,
    /// How many join.
    pub(crate) people: usize,
}

/// What a process reports.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Outcome {
    /// Users read or joined.
    pub(crate) done: usize,
    /// Of the job alone: wall time and CPU time, in seconds.
    pub(crate) seconds: f64,
    pub(crate) cpu: f64,
    /// Since the process began.
    pub(crate) process_cpu: f64,
    /// The most memory held, in MiB; `peak_early` after the first 10,000 users.
    pub(crate) peak: f64,
    #[serde(default)]
    pub(crate) peak_early: Option<f64>,
    /// From starting the process to its report, seen from outside.
    #[serde(default)]
    pub(crate) from_start: f64,
}

/// One client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Peer {
    /// This program in that role.
    Ours(&'static str),
    Python(&'static str),
    GraphRs,
}

impl Peer {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ours(name) | Self::Python(name) => name,
            Self::GraphRs => "graph-rs-sdk",
        }
    }

    fn command(self) -> Result<Command, Box<dyn Error>> {
        let target = crate::process::target();
        let found = |path: PathBuf| {
            let advice = || format!("{} is missing: run ./tests/run bench", path.display());
            path.exists().then(|| path.clone()).ok_or_else(advice)
        };
        Ok(match self {
            Self::Ours(name) => {
                let mut command = Command::new(std::env::current_exe()?);
                command.args([crate::graph_ours::PEER, name]);
                command
            }
            Self::Python(name) => {
                let mut command = Command::new(found(target.join("python/bin/python"))?);
                command
                    .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/bench/peers/graph_peer.py"))
                    .arg(name);
                command
            }
            Self::GraphRs => Command::new(found(target.join("peers/graph-rs/release/peer-graph-rs"))?),
        })
    }

    /// Runs one job in a fresh process.
    pub(crate) fn run(self, job: &str, plan: &Plan) -> Result<Outcome, Box<dyn Error>> {
        let mut command = self.command()?;
        command
            .arg(job)
            .env(PLAN, serde_json::to_string(plan)?)
            .stdout(Stdio::piped());
        let start = Instant::now();
        let mut child = command.spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().ok_or("no output")?).read_line(&mut line)?;
        let from_start = start.elapsed().as_secs_f64();
        let status = child.wait()?;
        if !status.success() || line.is_empty() {
            return Err(format!("{} failed at {job}: {status}", self.name()).into());
        }
        let outcome: Outcome = serde_json::from_str(&line)?;
        Ok(Outcome {
            from_start,
            ..outcome
        })
    }
}
