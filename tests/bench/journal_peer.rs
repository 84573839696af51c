//! A job queue as a process that is measured: what it is told, and what it reports. The other end is
//! `peers/journal_peer.py` and `peers/apalis`.

use std::error::Error;
use std::process::Command;

use serde::{Deserialize, Serialize};

/// The variable that the plan travels in.
const PLAN: &str = "JOURNAL_PEER";

/// Where the jobs are kept, and how many.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Plan {
    /// A URL: `sqlite://` or `postgres://`.
    pub(crate) place: String,
    pub(crate) jobs: usize,
    /// So many are enqueued at once.
    pub(crate) batch: usize,
    /// So many are run at once.
    pub(crate) tasks: usize,
    /// Bytes of a job.
    pub(crate) length: usize,
}

/// What a process reports, in seconds.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Outcome {
    pub(crate) enqueued: f64,
    pub(crate) ran: f64,
}

/// One queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Peer {
    Procrastinate,
    Apalis,
}

impl Peer {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Procrastinate => "procrastinate",
            Self::Apalis => "apalis",
        }
    }

    /// Runs the jobs in a fresh process.
    pub(crate) fn run(self, plan: &Plan) -> Result<Outcome, Box<dyn Error>> {
        let target = crate::process::target();
        let mut command = match self {
            Self::Procrastinate => {
                let mut command = Command::new(target.join("python/bin/python"));
                command.arg(concat!(
                    env!("CARGO_MANIFEST_DIR"),
                    "/bench/peers/journal_peer.py"
                ));
                command
            }
            Self::Apalis => Command::new(target.join("peers/apalis/release/peer-apalis")),
        };
        let output = command.env(PLAN, serde_json::to_string(plan)?).output();
        let output = output.map_err(|error| format!("{}: {error}: run ./tests/run bench", self.name()))?;
        if !output.status.success() {
            let text = String::from_utf8_lossy(&output.stderr);
            return Err(format!("{} failed: {text}", self.name()).into());
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    }
}
