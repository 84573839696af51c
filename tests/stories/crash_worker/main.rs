//! One worker process of the crash stories: several tasks work on one journal, day after day, until everything is
//! done or something strikes.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a story stops where it fails")]
#![allow(missing_docs, unreachable_pub, dead_code, reason = "shared with the stories")]

#[path = "../crashes/course.rs"]
mod course;
mod fleet;
#[path = "../world.rs"]
mod world;

use std::future::Future;
use std::pin::Pin;
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::time::Duration;

use iam_core::clock::{Clock, SystemClock};
use iam_core::engine::Engine;
use iam_core::journal::{EventState, HistoryQuery, Journal, SqliteJournal};
use iam_core::testing::{BrokenJournal, Crash, CrashingJournal, Guard, ManualClock};
use iam_core::{Error, ErrorKind};
use iam_graph::{GraphMail, GraphTarget};
use jiff::{SignedDuration, Timestamp};
use rustix::process::{Signal, getpid, kill_process};

use self::course::{Blow, DAYS, ORDER, Order, instant, policy, says};

/// How far the clocks of the tasks are apart where the clock is what strikes.
const SKEWS: [i64; 4] = [0, 1, -1, 0];

/// A clock that is some hours off.
#[derive(Debug)]
struct Skewed(ManualClock, SignedDuration);

impl Clock for Skewed {
    fn now(&self) -> Timestamp {
        self.0.now().saturating_add(self.1).unwrap()
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        self.0.sleep(duration)
    }
}

/// The journal as it is struck; `full` fills its disk.
fn struck(
    order: &Order,
    mut inner: Arc<dyn Journal>,
    full: Option<SqliteJournal>,
    clock: &ManualClock,
) -> Arc<CrashingJournal> {
    let crash = match order.strike {
        Some(strike) if strike.after => Crash::After(strike.write),
        Some(strike) => Crash::Before(strike.write),
        None => Crash::Before(usize::MAX),
    };
    if order.forgetful {
        inner = Arc::new(BrokenJournal::new(inner, Guard::Intent));
    }
    let (clock, order) = (clock.clone(), order.clone());
    let by = order.strike.map(|strike| strike.by);
    let struck = CrashingJournal::new(inner, crash).struck_by(move || {
        let (full, clock, order) = (full.clone(), clock.clone(), order.clone());
        Box::pin(async move {
            match by {
                Some(Blow::Abort) => std::process::abort(),
                Some(Blow::Kill) => kill_process(getpid(), Signal::KILL).unwrap(),
                Some(Blow::Full) => full.unwrap().fill_disk().await.unwrap(),
                Some(Blow::Ahead) => clock.advance(SignedDuration::from_hours(1)),
                Some(Blow::Behind) => clock.advance(SignedDuration::from_hours(-1)),
                Some(Blow::Stop) => {
                    let seconds = course::LEASE.as_secs() + 2;
                    let wake = format!("sleep {seconds}; kill -CONT {}", std::process::id());
                    let mut wake = Command::new("sh").args(["-c", &wake]).spawn().unwrap();
                    kill_process(getpid(), Signal::STOP).unwrap();
                    wake.wait().unwrap();
                }
                Some(Blow::Server | Blow::Cut) => {
                    order.call();
                    while !order.is_answered() {
                        SystemClock.sleep(Duration::from_millis(5)).await;
                    }
                }
                None => {}
            }
        })
    });
    Arc::new(struck)
}

fn engine(order: &Order, journal: &Arc<dyn Journal>, clock: &ManualClock, task: usize) -> Arc<Engine> {
    let client = world::client_of(
        &order.authority,
        &order.graph,
        &order.tenant,
        &order.client_id,
        &order.secret,
    );
    let skewed = matches!(order.strike, Some(strike) if matches!(strike.by, Blow::Ahead | Blow::Behind));
    let hours = if skewed { SKEWS[task % SKEWS.len()] } else { 0 };
    let policy = policy();
    let from = policy.settings().notify_from.clone().unwrap();
    let engine = Engine::builder(journal.clone(), Arc::new(policy))
        .target(Arc::new(GraphTarget::new(client.clone())))
        .notifier(Arc::new(GraphMail::new(client, &from)))
        .clock(Arc::new(Skewed(clock.clone(), SignedDuration::from_hours(hours))));
    Arc::new(engine.build())
}

/// Whether nothing is left to do at this instant.
async fn drained(journal: &dyn Journal, now: Timestamp) -> Result<bool, Error> {
    let query = HistoryQuery {
        state: Some(EventState::Pending),
        due: Some(now),
        ..HistoryQuery::default()
    };
    Ok(journal.history(&query).await?.is_empty())
}

/// One day: what HR says is accepted, and everything due is worked off.
async fn day(
    order: &Order,
    journal: &dyn Journal,
    engines: &[Arc<Engine>],
    clock: &ManualClock,
    day: usize,
) -> Result<(), Error> {
    clock.set(instant(day));
    engines[0].accept(says(&order.story, order.people, day)).await?;
    order.acknowledge(day);
    for _ in 0..20 {
        let runs = engines.iter().cloned().map(|engine| {
            tokio::spawn(async move {
                let run = engine.run(&|_| {}).await;
                run.map(drop)
            })
        });
        for run in futures::future::join_all(runs).await {
            match run.unwrap() {
                // Somebody was deleted by another task while this one read: it has given its lanes back.
                Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotYetReplicated) => {}
                other => other?,
            }
        }
        // What waits for its next attempt, and what a clock that jumped back has not reached yet.
        let evening = instant(day)
            .saturating_add(SignedDuration::from_hours(12))
            .unwrap();
        match journal.next_due().await? {
            Some(due) if due <= evening => clock.set(due.max(clock.now())),
            _ if drained(journal, evening).await? => return Ok(()),
            _ => {}
        }
    }
    panic!("day {day} does not end");
}

#[tokio::main(flavor = "multi_thread", worker_threads = 4)]
async fn main() -> ExitCode {
    let order: Order = serde_json::from_str(&std::env::var(ORDER).unwrap()).unwrap();
    let clock = ManualClock::at(instant(0));
    if let Some(server) = order.server.clone() {
        return fleet::run(&order, &server, &clock).await;
    }
    let sqlite = SqliteJournal::open(order.journal(), &order.tenant).await.unwrap();
    let struck = struck(&order, Arc::new(sqlite.clone()), Some(sqlite.clone()), &clock);
    let journal: Arc<dyn Journal> = struck.clone();
    let engines: Vec<_> = (0..order.tasks)
        .map(|task| engine(&order, &journal, &clock, task))
        .collect();
    for today in order.day()..DAYS.len() {
        match day(&order, journal.as_ref(), &engines, &clock, today).await {
            Ok(()) => order.set_day(today + 1),
            // A disk that is full: somebody makes room, and starts the process again.
            Err(error) if error.kind() == ErrorKind::Storage => return ExitCode::from(1),
            Err(error) => panic!("day {today}: {error}"),
        }
    }
    order.tell_writes(struck.writes());
    sqlite.close().await.unwrap();
    ExitCode::SUCCESS
}
