//! The journal by itself. An event costs: append, claim, one step's intent and outcome, complete. The floor is what the
//! disk takes to make as many bare writes of 4 KiB durable, on the same folder in the same run. Beside it stand job queues
//! that do less (enqueue, run, complete; no order per key, no intents): procrastinate on PostgreSQL, apalis on both.
//!
//! `IAM_BENCH_SHORT=1` does a twentieth of the work, to see that everything runs.

use std::error::Error;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use iam_core::entitlement::TargetId;
use iam_core::event::{Event, EventId, EventKind};
use iam_core::journal::{Claim, Journal, Outcome, PostgresJournal, SqliteJournal};
use iam_core::person::{Person, PersonKey};
use iam_core::plan::{Action, IdempotencyKey, Step};
use jiff::{SignedDuration, Timestamp};

use crate::figures::{Figures, two_threads, usage};
use crate::journal_peer::{Peer, Plan};

type Answer<T> = Result<T, Box<dyn Error>>;

/// Commits that an event takes when nothing shares one: append, claim, intent, outcome, completion.
const COMMITS: f64 = 5.0;
/// Events of a batch.
const BATCH: usize = 100;
const LEASE: Duration = Duration::from_mins(10);
/// About as long as an event with a record is.
const LENGTH: usize = 700;

/// So much work, or a twentieth.
fn amount(full: usize) -> usize {
    if std::env::var_os("IAM_BENCH_SHORT").is_some() {
        (full / 20).max(BATCH)
    } else {
        full
    }
}

pub(crate) fn measure(figures: &mut Figures) -> Answer<()> {
    let runtime = two_threads()?;
    let folder = tempfile::tempdir_in(crate::process::target())?;
    let floor = floor(folder.path(), amount(4_000))?;
    figures.note("journal", "write and fdatasync of 4 KiB", floor, "1/s", None)?;
    runtime.block_on(sqlite(folder.path(), floor, figures))?;
    runtime.block_on(postgres(floor, figures))?;
    runtime.block_on(crate::journal_end::measure(figures))
}

/// Durable writes per second.
fn floor(folder: &Path, writes: usize) -> Answer<f64> {
    let mut file = File::create(folder.join("floor"))?;
    let page = [7; 4096];
    let start = Instant::now();
    for _ in 0..writes {
        file.write_all(&page)?;
        file.sync_data()?;
    }
    Ok(writes as f64 / start.elapsed().as_secs_f64())
}

async fn sqlite(folder: &Path, floor: f64, figures: &mut Figures) -> Answer<()> {
    let open = async |name: &str| SqliteJournal::open(folder.join(name), "bench").await;
    let events = amount(10_000);
    let single = one_by_one(&open("single.db").await?, events, 1).await?;
    let per_event = floor / COMMITS;
    let bare = Some(("5 bare commits an event", per_event));
    figures.note("journal", "SQLite, one by one", single, "events/s", bare)?;
    let batched = batched(&open("batched.db").await?, events * 2, 1).await?;
    let alone = Some(("one by one", single));
    figures.note("journal", "SQLite, batches of 100", batched, "events/s", alone)?;
    for (batch, ours) in [(1, single), (BATCH, batched)] {
        let place = format!("sqlite://{}", folder.join(format!("apalis-{batch}.db")).display());
        peers(&[Peer::Apalis], &place, events, batch, 1, ours, figures)?;
    }
    future(&open("future.db").await?, "SQLite", figures).await
}

/// Four workers at a server that starts and ends with this.
async fn postgres(floor: f64, figures: &mut Figures) -> Answer<()> {
    const WORKERS: usize = 4;
    let server = iam_core::testing::PostgresServer::start();
    let open = async |schema: &str| {
        let journal = PostgresJournal::builder(server.url(), "bench").schema(schema);
        journal.connections(16).open().await
    };
    let events = amount(10_000);
    let single = one_by_one(&open("single").await?, events, WORKERS).await?;
    let bare = Some(("5 bare commits an event", floor / COMMITS));
    figures.note(
        "journal",
        "PostgreSQL, one by one, 4 workers",
        single,
        "events/s",
        bare,
    )?;
    let batched = batched(&open("batched").await?, events * 2, WORKERS).await?;
    let alone = Some(("one by one", single));
    figures.note(
        "journal",
        "PostgreSQL, by 100, 4 workers",
        batched,
        "events/s",
        alone,
    )?;
    for (batch, ours) in [(1, single), (BATCH, batched)] {
        for peer in [Peer::Procrastinate, Peer::Apalis] {
            let database = format!("{}_{batch}", peer.name());
            server.sql(&format!("CREATE DATABASE {database}"));
            let (place, _) = server.url().rsplit_once('/').unwrap_or_default();
            let place = format!("{place}/{database}");
            peers(&[peer], &place, events, batch, WORKERS, ours, figures)?;
        }
    }
    future(&open("future").await?, "PostgreSQL", figures).await
}

/// The peers at the same work, against ours.
fn peers(
    peers: &[Peer],
    place: &str,
    jobs: usize,
    batch: usize,
    tasks: usize,
    ours: f64,
    figures: &mut Figures,
) -> Answer<()> {
    for peer in peers {
        let plan = Plan {
            place: place.to_owned(),
            jobs,
            batch,
            tasks,
            length: LENGTH,
        };
        let outcome = peer.run(&plan)?;
        let rate = jobs as f64 / (outcome.enqueued + outcome.ran);
        let server = if place.starts_with("sqlite") {
            "SQLite"
        } else {
            "PostgreSQL"
        };
        let metric = format!("{} on {server}, by {batch}", peer.name());
        figures.note("journal", &metric, rate, "events/s", Some(("ours", ours)))?;
    }
    Ok(())
}

/// An instant that has come.
fn now() -> Timestamp {
    Timestamp::UNIX_EPOCH
}

fn event(number: usize) -> Event {
    let person = PersonKey::new(format!("W-{number:07}"));
    let record = Person {
        given_name: Some("Mei".to_owned()),
        family_name: Some("Tanaka".to_owned()),
        department: Some("Security".to_owned()),
        country: Some("AU".to_owned()),
        ..Person::new(person.clone())
    };
    Event {
        id: EventId::new(format!("e-{number:07}")),
        person,
        kind: EventKind::Join,
        due_at: now(),
        entered_at: now(),
        record: Some(record),
        version: 1,
        news: None,
    }
}

/// One step's intent and outcome, and the event's end.
async fn finish(journal: &dyn Journal, claim: &Claim) -> iam_core::Result<()> {
    let (target, person) = (TargetId::new("graph"), &claim.event.person);
    let step = Step::new(&target, person, None, Action::AllowSignIn, "policy says so");
    let key = IdempotencyKey::of(&claim.event.id, &step);
    journal.intend(claim, &step.id, &key).await?;
    let done = Outcome::Done { account: None };
    journal.settle(claim, &step.id, &done, now()).await?;
    journal.complete(claim, &claim.state, &[]).await
}

/// Events per second, each appended, claimed and worked off by itself, by so many workers.
async fn one_by_one(journal: &(dyn Journal + 'static), events: usize, workers: usize) -> Answer<f64> {
    let start = Instant::now();
    let work = (0..workers).map(|worker| async move {
        for number in (worker..events).step_by(workers) {
            journal.append(&[event(number)]).await?;
            let mut claims = Vec::new();
            // Somebody else may have taken this one, and left another.
            while claims.is_empty() {
                claims = journal.claim(1, now(), LEASE).await?;
            }
            finish(journal, &claims[0]).await?;
        }
        Ok::<(), iam_core::Error>(())
    });
    futures::future::try_join_all(work).await?;
    let rate = events as f64 / start.elapsed().as_secs_f64();
    drained(journal, events).await?;
    Ok(rate)
}

/// Events per second, appended and claimed a hundred at a time and worked off side by side.
async fn batched(journal: &(dyn Journal + 'static), events: usize, workers: usize) -> Answer<f64> {
    let start = Instant::now();
    let share = events / workers;
    let work = (0..workers).map(|worker| async move {
        for first in (0..share).step_by(BATCH) {
            let batch: Vec<Event> = (first..share.min(first + BATCH))
                .map(|number| event(worker * share + number))
                .collect();
            journal.append(&batch).await?;
            let mut open = batch.len();
            while open > 0 {
                let claims = journal.claim(open, now(), LEASE).await?;
                futures::future::try_join_all(claims.iter().map(|claim| finish(journal, claim))).await?;
                open -= claims.len();
            }
        }
        Ok::<(), iam_core::Error>(())
    });
    futures::future::try_join_all(work).await?;
    let rate = (share * workers) as f64 / start.elapsed().as_secs_f64();
    drained(journal, share * workers).await?;
    Ok(rate)
}

/// What was measured has happened.
async fn drained(journal: &dyn Journal, events: usize) -> Answer<()> {
    let done = iam_core::journal::HistoryQuery {
        state: Some(iam_core::journal::EventState::Done),
        ..Default::default()
    };
    let done = journal.history(&done).await?.len();
    if done == events {
        Ok(())
    } else {
        Err(format!("{done} of {events} events are done").into())
    }
}

/// What a claim costs beside events of days to come, and what memory they take.
async fn future(journal: &dyn Journal, server: &str, figures: &mut Figures) -> Answer<()> {
    let (few, many) = (10_000, amount(1_000_000));
    let later = now().saturating_add(SignedDuration::from_hours(24 * 365))?;
    let mut rows = 0;
    let mut costs = Vec::new();
    let mut peaks = Vec::new();
    for goal in [few, many] {
        while rows < goal {
            let batch = (rows..goal.min(rows + 1000)).map(|number| Event {
                due_at: later,
                ..event(1_000_000 + number)
            });
            let batch: Vec<Event> = batch.collect();
            journal.append(&batch).await?;
            rows += batch.len();
        }
        costs.push(claims(journal, goal * 10).await?);
        peaks.push(usage().1);
    }
    let before = Some(("beside 10,000 to come", costs[0]));
    let metric = format!("{server}, claim beside {many} to come");
    figures.note("journal", &metric, costs[1], "us", before)?;
    let metric = format!("{server}, memory beside {many} to come");
    figures.note(
        "journal",
        &metric,
        peaks[1],
        "MiB",
        Some(("beside 10,000", peaks[0])),
    )
}

/// What claiming a hundred due lanes takes, in microseconds for each: the median of several times.
async fn claims(journal: &dyn Journal, first: usize) -> Answer<f64> {
    let mut costs = Vec::new();
    for round in 0..9 {
        let batch: Vec<Event> = (0..BATCH)
            .map(|number| event(first + round * BATCH + number))
            .collect();
        journal.append(&batch).await?;
        let start = Instant::now();
        let claims = journal.claim(BATCH, now(), LEASE).await?;
        costs.push(start.elapsed().as_secs_f64() * 1e6 / BATCH as f64);
        if claims.len() != BATCH {
            return Err(format!("{} of {BATCH} lanes were claimed", claims.len()).into());
        }
        futures::future::try_join_all(claims.iter().map(|claim| finish(journal, claim))).await?;
    }
    costs.sort_by(f64::total_cmp);
    Ok(costs[costs.len() / 2])
}
