//! The main job, end to end: an HR file in, Entra ID brought to policy.
//!
//! Without options: starts the embedded tenant, reads the example data, shows the plan per person, applies
//! it, reads the tenant back, and plans once more.

mod connect;
mod proof;
mod render;
mod report;

use std::fs::File;
use std::io::{self, BufReader, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::builder::RangedU64ValueParser;
use clap::{Parser, ValueEnum};
use iam_core::clock::Clock;
use iam_core::engine::{Engine, Progress};
use iam_core::intake::{FlatIntake, Gate, Intake, Reject};
use iam_core::journal::{Journal, SqliteJournal};
use iam_core::policy::Document;
use iam_core::target::Target;
use iam_core::{Error, ErrorKind, Result};
use iam_graph::{GraphMail, GraphTarget};
use iam_sandbox::company::Company;
use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;
use jiff::ToSpan;
use jiff::civil::{Date, date};
use jiff::tz::TimeZone;

use connect::{StartedAt, Tenant};
use render::Screen;
use report::Story;

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data");
/// The example data and the generated company speak of people who start and leave around this day.
const DAY_OF_THE_DATA: Date = date(2026, 11, 24);

/// Bring Entra ID to what HR and policy say.
///
/// Reads HR files, plans the change of every person, shows the plan, applies it, proves the end state by
/// reading the tenant back, and plans again: the second plan has 0 steps.
#[derive(Debug, Parser)]
#[command(name = "quickstart", version)]
struct Options {
    /// Show the plan, change nothing
    #[arg(long)]
    dry_run: bool,
    /// An HR file: CSV, JSON, SCIM or Workday's XML, by content; may be given several times [default: the example data]
    #[arg(long, value_name = "FILE")]
    feed: Vec<PathBuf>,
    /// Generate a company of so many people, instead of the example data: an export as it stands, and the next
    /// one, with those who moved, left and joined
    #[arg(long, value_name = "N", conflicts_with = "feed", value_parser = RangedU64ValueParser::<usize>::new().range(1..=100_000))]
    people: Option<usize>,
    /// The policy [default: examples/data/policy.toml]
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// The durable journal, a SQLite file that outlives the program [default: a temporary one]
    #[arg(long, value_name = "FILE")]
    journal: Option<PathBuf>,
    /// Use a running iam-sandbox, by the file it wrote with --env-file [default: an embedded one]
    #[arg(long, value_name = "ENVFILE")]
    sandbox: Option<PathBuf>,
    /// The tenant to work on: the sandbox, or the real one that IAM_TENANT_ID, IAM_CLIENT_ID and
    /// IAM_CLIENT_SECRET (or AZURE_…) name; the real one is only looked at unless --apply is given
    #[arg(long, value_enum, default_value = "sandbox")]
    tenant: Which,
    /// Change the real tenant; needs --journal, for what is granted must be remembered
    #[arg(long)]
    apply: bool,
    /// The instant to plan for [default: now; for the example data 2026-11-24T09:00:00Z]
    #[arg(long, value_name = "INSTANT")]
    as_of: Option<Timestamp>,
    /// Believe an HR file that is held because it is not like the last good one, for this reason
    #[arg(long, value_name = "WHY")]
    believe: Option<String>,
    /// Print one JSON document instead of text
    #[arg(long)]
    json: bool,
}

/// Which tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Which {
    Sandbox,
    Real,
}

impl Options {
    /// Whether nothing may be changed.
    fn only_look(&self) -> bool {
        self.dry_run || (self.tenant == Which::Real && !self.apply)
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    match run(&options).await {
        Ok(story) => ExitCode::from(u8::from(!story.is_settled())),
        Err(error) => {
            let _ = console::Term::stderr().write_line(&format!("error: {}", error.chain()));
            ExitCode::FAILURE
        }
    }
}

async fn run(options: &Options) -> Result<Story> {
    let started = match options.as_of {
        None if options.feed.is_empty() => TimeZone::UTC.to_timestamp(DAY_OF_THE_DATA.at(9, 0, 0, 0)).ok(),
        as_of => as_of,
    };
    let clock: Arc<dyn Clock> = Arc::new(StartedAt::new(started));
    let policy = options
        .policy
        .clone()
        .unwrap_or_else(|| PathBuf::from(DATA).join("policy.toml"));
    let policy = Arc::new(read_policy(&policy)?);

    let screen = Screen::new(options.json);
    let tenant = match options.tenant {
        Which::Sandbox => Tenant::open(options.sandbox.as_deref(), options.people).await?,
        Which::Real if options.feed.is_empty() || options.policy.is_none() => {
            let advice = "give --feed FILE and --policy FILE: the example company is not for a real tenant";
            return Err(Error::new(ErrorKind::Invalid, advice));
        }
        Which::Real if options.apply && options.journal.is_none() => {
            let advice = "give --journal FILE: what is granted to real people must be remembered";
            return Err(Error::new(ErrorKind::Invalid, advice));
        }
        Which::Real => Tenant::real()?,
    };
    let temporary =
        tempfile::tempdir().map_err(|source| io_error("a temporary folder cannot be made", source))?;
    let journal = options
        .journal
        .clone()
        .unwrap_or_else(|| temporary.path().join("journal.sqlite"));
    let journal = Arc::new(SqliteJournal::open(&journal, &tenant.id).await?);
    let known = !journal.people(None, 1).await?.is_empty();
    let rounds = rounds(options, temporary.path(), known)?;
    let client = tenant.client()?;
    let mut engine = Engine::builder(journal.clone(), policy.clone())
        .target(Arc::new(GraphTarget::new(client.clone())))
        .clock(clock.clone())
        .source("new_hires.csv", lenient());
    for target in tenant.targets(&policy)? {
        engine = engine.target(target);
    }
    if let Some(from) = &policy.settings().notify_from {
        engine = engine.notifier(Arc::new(GraphMail::new(client, from)));
    }
    let engine = engine.build();

    let mut story = Story::new(&tenant, clock.now());
    screen.opening(&story, &rounds);
    for feeds in &rounds {
        for feed in feeds {
            read_feed(&engine, options, feed, &mut story).await?;
        }
        screen.rejects(&story, feeds.len());

        let preview = engine.plan().await?;
        screen.plan(&preview);
        story.planned(&preview);
        if options.only_look() {
            screen.dry_run(&story, rounds.len());
            screen.finish(&story);
            return Ok(story);
        }
        // The engine would hold those whom it concerns. Whoever tries a policy out wants to mend it first.
        if !preview.findings.is_empty() {
            let findings = preview.findings.join("; ");
            let message = format!("the policy does not fit the tenant: {findings}");
            return Err(Error::new(ErrorKind::Invalid, message));
        }

        let bar = progress_bar(&screen, preview.steps());
        let ran = engine
            .run(&|progress| {
                if let Progress::Step(step, _) = progress {
                    bar.set_message(step.person.to_string());
                    bar.inc(1);
                }
            })
            .await;
        bar.finish_and_clear();
        story.ran(ran?);
    }
    screen.summary(&story);

    // A client of its own, so that nothing which the run remembers can prove the run.
    let mut readers: Vec<Arc<dyn Target>> = vec![Arc::new(GraphTarget::new(tenant.client()?))];
    readers.extend(tenant.targets(&policy)?);
    story.proof = Some(proof::read_back(&readers, journal.as_ref(), &policy, clock.now()).await?);
    screen.proof(&story);
    story.second_plan = Some(engine.plan().await?.steps());
    screen.finish(&story);
    journal.close().await?;
    Ok(story)
}

/// The HR files: those given, the generated ones, or the example data. What one round brings is carried out before
/// the next one is read. A journal that knows the company already is only told the latest.
fn rounds(options: &Options, folder: &Path, known: bool) -> Result<Vec<Vec<PathBuf>>> {
    if let Some(people) = options.people {
        let exports = generated(folder, people)?;
        return Ok(exports.into_iter().skip(usize::from(known)).collect());
    }
    if !options.feed.is_empty() {
        return Ok(vec![options.feed.clone()]);
    }
    let data = PathBuf::from(DATA);
    Ok(vec![vec![
        data.join("workday_feed.json"),
        data.join("new_hires.csv"),
    ]])
}

/// Writes the exports of yesterday and today.
fn generated(folder: &Path, people: usize) -> Result<Vec<Vec<PathBuf>>> {
    let yesterday = DAY_OF_THE_DATA.saturating_sub(1.day());
    let company = Company::of(people)
        .from(yesterday)
        .every_days(1)
        .deliveries(2)
        .calm()
        .build();
    let files = ["generated_company.csv", "generated_company_next.csv"].map(|name| folder.join(name));
    for (file, export) in files.iter().zip(company.deliveries()) {
        std::fs::write(file, export.csv())
            .map_err(|source| io_error("the generated company cannot be written", source))?;
    }
    Ok(files.into_iter().map(|file| vec![file]).collect())
}

fn read_policy(path: &Path) -> Result<Document> {
    let shown = path.display();
    let text = std::fs::read_to_string(path)
        .map_err(|source| io_error(format!("the policy {shown} cannot be read"), source))?;
    Document::parse(&text).map_err(|error| {
        Error::new(ErrorKind::Invalid, format!("the policy {shown} is not used")).with_source(error)
    })
}

/// Delivers a file: it is believed as a whole, or held when it is not like the last good one of its source.
async fn read_feed(engine: &Engine, options: &Options, path: &Path, story: &mut Story) -> Result<()> {
    let shown = path.display().to_string();
    let file =
        File::open(path).map_err(|source| io_error(format!("the HR file {shown} cannot be read"), source))?;
    let part = (
        Box::new(FlatIntake::new()) as Box<dyn Intake>,
        BufReader::new(file),
    );
    let mut rejects: Vec<Reject> = Vec::new();
    let source = source_of(options, path);
    let mut delivered = engine
        .deliver(&source, [part], |reject| rejects.push(reject))
        .await?;
    if delivered.is_held() {
        let Some(why) = &options.believe else {
            let findings = delivered.findings.join("; ");
            let advice = "mend it and start again, or say --believe WHY";
            return Err(Error::new(
                ErrorKind::Guarded,
                format!(
                    "the HR file {shown} is held, and nothing of it was carried out: {findings}; {advice}"
                ),
            ));
        };
        let by = std::env::var("USER").unwrap_or_else(|_| "quickstart".to_owned());
        delivered.accepted = engine.release_delivery(delivered.id, &by, why).await?;
    }
    story.read(path, &delivered, rejects);
    Ok(())
}

/// The name under which the last good delivery is remembered: exports of a generated company are one source's.
fn source_of(options: &Options, path: &Path) -> String {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    match (options.people, name) {
        (None, Some(name)) => name,
        _ => "company".to_owned(),
    }
}

/// The example's new hires have a bad row of every kind.
fn lenient() -> Gate {
    let mut gate = Gate::default();
    gate.max_reject_percent = 20;
    gate
}

fn progress_bar(screen: &Screen, steps: usize) -> ProgressBar {
    if !screen.is_live() || !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(steps as u64);
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} steps · {elapsed} · {msg}") {
        bar.set_style(style);
    }
    bar
}

fn io_error(message: impl Into<std::borrow::Cow<'static, str>>, source: io::Error) -> Error {
    Error::new(ErrorKind::Invalid, message).with_source(source)
}
