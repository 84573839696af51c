//! A fleet: three worker processes on one PostgreSQL drain ten thousand events against an embedded tenant, and the end is
//! proved by reading the tenant and the journal back.
//!
//! ```text
//! cargo run --example fleet
//! cargo run --example fleet -- --events 500 --kill
//! cargo run --example fleet -- --journal postgres://iam:secret@localhost/iam
//! ```
//!
//! Without `--journal` a server of its own is started, from the PostgreSQL that is installed, and thrown away afterwards.
//! `--kill` ends one of the workers in the middle, as a power cut would: what it held is taken over when its lease ends.

#![allow(clippy::print_stderr)] // a program that talks to its user

mod proof;
mod worker;

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Parser;
use clap::builder::RangedU64ValueParser;
use iam_core::clock::{Clock as _, SystemClock};
use iam_core::engine::Engine;
use iam_core::journal::{Journal, PostgresJournal};
use iam_core::person::Person;
use iam_core::policy::Document;
use iam_core::testing::PostgresServer;
use iam_core::{Error, ErrorKind, Result};
use iam_examples::say;
use iam_examples::tenant::{Kind, Which};
use iam_graph::GraphTarget;
use iam_sandbox::Sandbox;
use indicatif::{ProgressBar, ProgressStyle};

/// What everybody should have: two groups and a mover's third.
pub(crate) const POLICY: &str = r#"
version = 1
[tenant]
domain = "contoso.example"
[naming]
upn = ["{given}.{family}", "{given}.{family}{n}"]
display_name = "{given} {family}"
[defaults]
usage_location = "person.country"
groups = ["All Staff"]
[[rule]]
id = "finance"
when = 'person.department == "Finance"'
groups = ["sg-finance"]
[[rule]]
id = "engineering"
when = 'person.department == "Engineering"'
groups = ["sg-engineering"]
grace = "14d"
"#;

/// The lease of the workers: short, so that one who is killed is not waited for long.
pub(crate) const LEASE: Duration = Duration::from_secs(12);

/// Drain events with several worker processes on one PostgreSQL.
#[derive(Debug, Parser)]
#[command(name = "fleet", version)]
struct Options {
    /// So many events: half of them hire somebody, the others move them to another department
    #[arg(long, value_name = "N", default_value = "10000", value_parser = RangedU64ValueParser::<usize>::new().range(2..=1_000_000))]
    events: usize,
    /// So many worker processes
    #[arg(long, value_name = "N", default_value = "3", value_parser = RangedU64ValueParser::<usize>::new().range(1..=32))]
    processes: usize,
    /// So many workers in each
    #[arg(long, value_name = "N", default_value = "4", value_parser = RangedU64ValueParser::<usize>::new().range(1..=64))]
    workers: usize,
    /// The journal's database [default: a server of its own, thrown away afterwards]
    #[arg(long, value_name = "URL", env = "IAM_FLEET_JOURNAL", hide_env_values = true)]
    journal: Option<String>,
    /// Kill one of the workers in the middle
    #[arg(long)]
    kill: bool,
    /// Be a worker, on the tenant of this env file
    #[arg(long, value_name = "ENVFILE", hide = true)]
    work_on: Option<PathBuf>,
    /// The schema of the journal
    #[arg(long, value_name = "NAME", hide = true, default_value = "iam_fleet")]
    schema: String,
}

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    let done = match &options.work_on {
        Some(env) => worker::work(&options, env).await.map(|()| true),
        None => Box::pin(run(&options)).await,
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {}", error.chain());
            ExitCode::FAILURE
        }
    }
}

/// Whether everything is as it should be.
async fn run(options: &Options) -> Result<bool> {
    // Dropped last: it ends with this.
    let server = match options.journal {
        Some(_) => None,
        None => Some(own_server().await?),
    };
    let url = match (&options.journal, &server) {
        (Some(url), _) => url.clone(),
        (None, Some(server)) => server.url().to_owned(),
        (None, None) => String::new(),
    };
    let which = Which {
        tenant: Kind::Sandbox,
        sandbox: None,
    };
    let tenant = which.open(Sandbox::builder()).await?;
    let sandbox = tenant
        .embedded
        .as_ref()
        .ok_or_else(|| failed("there is no embedded tenant"))?;
    let folder = tempfile::tempdir()
        .map_err(|error| failed("a temporary folder cannot be made").with_source(error))?;
    let env = folder.path().join("sandbox.env");
    std::fs::write(&env, sandbox.env())
        .map_err(|error| failed("the env file cannot be written").with_source(error))?;

    let journal = PostgresJournal::builder(&url, sandbox.tenant_id())
        .schema(&options.schema)
        .open()
        .await?;
    let journal: Arc<dyn Journal> = Arc::new(journal);
    let policy =
        Document::parse(POLICY).map_err(|error| failed("the policy is not used").with_source(error))?;
    let engine = Engine::builder(journal.clone(), Arc::new(policy))
        .target(Arc::new(GraphTarget::new(tenant.client.clone())))
        .build();
    say(format_args!(
        "{} processes with {} workers each, on {}",
        options.processes,
        options.workers,
        if server.is_some() {
            "a PostgreSQL of its own"
        } else {
            "the PostgreSQL that was named"
        }
    ));

    let started = Instant::now();
    let mut crew: Vec<Child> = Vec::new();
    for _ in 0..options.processes {
        crew.push(spawn(options, &url, &env)?);
    }
    let bar = progress_bar(options.events);
    let mut events = 0;
    let drained = async {
        // Everybody is hired into engineering, and once that is done everybody moves to finance.
        for department in ["Engineering", "Finance"] {
            let people: Vec<Person> = (0..options.events / 2)
                .map(|number| proof::person(number, department))
                .collect();
            events += usize::try_from(engine.accept(people).await?.events).unwrap_or_default();
            drain(journal.as_ref(), &mut crew, options, (&bar, events)).await?;
        }
        Ok(())
    };
    let drained: Result<()> = drained.await;
    bar.finish_and_clear();
    let took = started.elapsed();
    let reports = stop(crew);
    drained?;
    for report in &reports {
        say(worker::line(report));
    }
    let rate = f64::from(u32::try_from(events).unwrap_or(u32::MAX)) / took.as_secs_f64().max(0.001);
    say(format_args!(
        "{events} events in {:.1} s: {rate:.0} a second",
        took.as_secs_f64()
    ));

    let proof = proof::read_back(&tenant.client, journal.as_ref(), options.events / 2, events).await?;
    proof.lines().iter().for_each(say);
    Ok(proof.holds())
}

pub(crate) fn failed(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::Other, message)
}

/// A PostgreSQL that ends with this program.
async fn own_server() -> Result<PostgresServer> {
    let started = tokio::task::spawn_blocking(PostgresServer::start).await;
    started.map_err(|error| {
        let advice = "no PostgreSQL could be started: install one (apt install postgresql), or name one with --journal URL";
        Error::new(ErrorKind::Unavailable, advice).with_source(error)
    })
}

fn spawn(options: &Options, url: &str, env: &Path) -> Result<Child> {
    let own = std::env::current_exe()
        .map_err(|error| failed("this program cannot find itself").with_source(error))?;
    let child = Command::new(own)
        .arg("--work-on")
        .arg(env)
        .args([
            "--workers",
            &options.workers.to_string(),
            "--schema",
            &options.schema,
        ])
        // Not as an argument, which everybody on the machine can read.
        .env("IAM_FLEET_JOURNAL", url)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    child.map_err(|error| failed("a worker process cannot be started").with_source(error))
}

/// Waits until nothing is due any more, and shows how far the workers are.
async fn drain(
    journal: &dyn Journal,
    crew: &mut Vec<Child>,
    options: &Options,
    (bar, events): (&ProgressBar, usize),
) -> Result<()> {
    loop {
        let now = SystemClock.now();
        let asks = journal.asks(now).await?;
        let left = usize::try_from(asks.leaves_to_come + asks.others_to_come).unwrap_or(usize::MAX);
        let done = events.saturating_sub(left);
        bar.set_position(done as u64);
        let kill = options.kill && options.processes > 1 && crew.len() == options.processes;
        if kill
            && done > options.events / 6
            && let Some(mut victim) = crew.pop()
        {
            // At once and without a word, as SIGKILL does.
            let killed = victim.kill().and_then(|()| victim.wait());
            killed.map_err(|error| failed("a worker cannot be killed").with_source(error))?;
            let told = format!("one worker process is killed in the middle, after {done} events");
            bar.suspend(|| say(told));
        }
        if left == 0 && proof::pending(journal, now).await? == 0 {
            return Ok(());
        }
        for worker in &mut *crew {
            if let Ok(Some(status)) = worker.try_wait() {
                return Err(failed(format!("a worker process has ended: {status}")));
            }
        }
        SystemClock.sleep(Duration::from_millis(100)).await;
    }
}

fn progress_bar(events: usize) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(events as u64);
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} events · {elapsed} · {per_sec}") {
        bar.set_style(style);
    }
    bar
}

/// Lets the workers finish, and takes their reports.
fn stop(crew: Vec<Child>) -> Vec<worker::Told> {
    let stopped = crew.into_iter().map(|mut worker| {
        // The end of its input is the signal.
        drop(worker.stdin.take());
        let output = worker.wait_with_output().ok()?;
        serde_json::from_slice(&output.stdout).ok()
    });
    stopped.flatten().collect()
}
