//! The crash matrix at a server: four worker processes share a PostgreSQL journal, one of them is struck around a write of
//! it, or the server is, and what the processes leave is what a calm life leaves.
//!
//! `./tests/run` strikes a few times, drawn from `IAM_SEED`; `./tests/run nightly` (`IAM_CRASHES=all`) before and after each
//! write that a process makes.

use std::fs::File;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use iam_core::clock::{Clock as _, SystemClock};
use iam_core::journal::{Journal, PostgresJournal};
use iam_core::testing::PostgresServer;

use crate::crashes::cell::{Story, Tenant};
use crate::crashes::course::{Blow, ORDER, Order, Server, Strike};
use crate::crashes::history::{findings, told};
use crate::crashes::{chance, everywhere, seed};

#[path = "../../iam-core/src/journal/postgres/tests/cutter.rs"]
mod cutter;

use self::cutter::Cutter;

const PROCESSES: usize = 4;
const PEOPLE: usize = 4;
/// How long a story may take on a machine that has other things to do.
const PATIENCE: Duration = Duration::from_mins(5);

/// One of the processes.
struct Worker {
    order: Order,
    child: Child,
}

impl Worker {
    fn start(order: Order) -> Self {
        let process = order.server.as_ref().unwrap().process;
        let told = File::create(order.folder.join(format!("told-{process}"))).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_crash-worker"))
            .env(ORDER, serde_json::to_string(&order).unwrap())
            .stderr(Stdio::from(told))
            .spawn()
            .unwrap();
        Self { order, child }
    }

    fn told(&self) -> String {
        let process = self.order.server.as_ref().unwrap().process;
        std::fs::read_to_string(self.order.folder.join(format!("told-{process}"))).unwrap()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One story of a fleet.
async fn live(tenant: &Tenant, server: &PostgresServer, story: &str, strike: Strike) -> Story {
    let folder = tempfile::tempdir().unwrap();
    let cutter = Cutter::before(server.url()).await;
    let schema = server.fresh_schema();
    let order = |process: usize| {
        let victim = process == strike.write % PROCESSES;
        let cut = victim && strike.by == Blow::Cut;
        Order {
            strike: victim.then_some(strike),
            server: Some(Server {
                url: if cut {
                    cutter.url.clone()
                } else {
                    server.url().to_owned()
                },
                schema: schema.clone(),
                process,
            }),
            ..tenant.order(story, folder.path())
        }
    };
    let mut workers: Vec<Worker> = (0..PROCESSES)
        .map(|process| Worker::start(order(process)))
        .collect();
    let (mut deaths, start) = (0, Instant::now());
    while !workers.is_empty() {
        for mut worker in std::mem::take(&mut workers) {
            match worker.child.try_wait().unwrap() {
                None => workers.push(worker),
                Some(status) if status.success() => {}
                Some(status) => {
                    let struck = worker.order.strike.take().is_some();
                    let text = worker.told();
                    assert!(struck && status.code().is_none(), "{strike:?}: {status}: {text}");
                    deaths += 1;
                    workers.push(Worker::start(worker.order.clone()));
                }
            }
        }
        if order(0).is_called() {
            if strike.by == Blow::Server {
                server.crash();
                server.start_again();
            } else {
                cutter.armed.store(true, Ordering::SeqCst);
            }
            order(0).answer();
        }
        let told = || workers.iter().map(Worker::told).collect::<String>();
        assert!(
            start.elapsed() < PATIENCE,
            "{strike:?}: day {} does not end: {}",
            order(0).day(),
            told()
        );
        SystemClock.sleep(Duration::from_millis(20)).await;
    }
    let order = order(0);
    let journal = PostgresJournal::builder(server.url(), &order.tenant).schema(&schema);
    let journal: Arc<dyn Journal> = Arc::new(journal.open().await.unwrap());
    Story {
        left: tenant.look(&order, journal).await,
        deaths,
        writes: 0,
    }
}

/// Where to strike: at a write that is drawn for each blow; or everywhere, before and after each write, once by
/// each kind. Each process does about a quarter of the writes.
fn strikes(blows: &[Blow], writes: usize) -> Vec<Strike> {
    if everywhere() {
        let kinds = blows
            .iter()
            .enumerate()
            .filter(|(at, by)| !blows[..*at].contains(by));
        let edges = (1..=writes).flat_map(|write| [false, true].map(|after| (write, after)));
        let edges: Vec<(usize, bool)> = edges.collect();
        let strikes = kinds.flat_map(|(_, by)| {
            let at = |&(write, after): &(usize, bool)| Strike {
                write,
                after,
                by: *by,
            };
            edges.iter().map(at).collect::<Vec<_>>()
        });
        return strikes.collect();
    }
    let drawn = blows.iter().enumerate().map(|(number, by)| {
        let lot = usize::try_from(chance(seed(), 9_000 + number as u64 + *by as u64 * 100)).unwrap();
        Strike {
            write: 1 + lot % writes,
            after: lot % 2 == 0,
            by: *by,
        }
    });
    drawn.collect()
}

/// Strikes by these, one after the other; how many processes died.
#[allow(clippy::print_stdout, reason = "the seed belongs beside the result")]
async fn matrix(server: &PostgresServer, blows: &[Blow]) -> usize {
    println!("{blows:?}: IAM_SEED={}", seed());
    let tenant = Tenant::start(PEOPLE).await;
    let mut deaths = 0;
    for (number, strike) in strikes(blows, tenant.writes / PROCESSES).into_iter().enumerate() {
        let story = format!("p{}{number:03}", strike.by as u8);
        let story = live(&tenant, server, &story, strike).await;
        let wrong: Vec<String> = findings(&story.left).iter().map(ToString::to_string).collect();
        let (seed, wrong, story_told) = (seed(), wrong.join("\n"), told(&story.left));
        assert!(
            wrong.is_empty(),
            "{strike:?}, IAM_SEED={seed}:\n{wrong}\n{story_told}"
        );
        deaths += story.deaths;
    }
    deaths
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_that_die_lose_nothing_and_double_nothing() {
    let deaths = matrix(
        PostgresServer::shared(),
        &[Blow::Abort, Blow::Kill, Blow::Abort, Blow::Kill],
    )
    .await;
    assert!(deaths >= 2, "only {deaths} processes died");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_is_stopped_for_longer_than_its_lease_does_no_harm() {
    matrix(PostgresServer::shared(), &[Blow::Stop, Blow::Stop]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_nobody_hears_of_and_clocks_that_jump_do_no_harm() {
    matrix(
        PostgresServer::shared(),
        &[Blow::Cut, Blow::Cut, Blow::Ahead, Blow::Behind],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stops_as_by_a_power_cut_loses_nothing() {
    matrix(&PostgresServer::start(), &[Blow::Server, Blow::Server]).await;
}
