//! The worker process as one of several at a server.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use iam_core::ErrorKind;
use iam_core::clock::{Clock as _, SystemClock};
use iam_core::engine::{Engine, Fleet};
use iam_core::journal::{Journal, PostgresJournal};
use iam_core::testing::ManualClock;
use jiff::SignedDuration;

use crate::course::{DAYS, LEASE, Order, Server, instant, says};
use crate::{drained, engine, struck};

/// How often is looked whether the day is over.
const LOOK: Duration = Duration::from_millis(40);

/// Works until the last day is over.
pub(crate) async fn run(order: &Order, server: &Server, clock: &ManualClock) -> ExitCode {
    let journal: Arc<dyn Journal> = Arc::new(open(order, server).await);
    let struck = struck(order, journal.clone(), None, clock);
    let shared: Arc<dyn Journal> = struck.clone();
    let engine = engine(order, &shared, clock, server.process);
    clock.set(instant(order.day().min(DAYS.len() - 1)));
    let fleet = Fleet::new(engine.clone()).workers(2).lanes(2).lease(LEASE);
    let report = fleet.run(days(order, server, journal, clock, &engine)).await;
    report.unwrap();
    ExitCode::SUCCESS
}

/// The server may be about to come back.
async fn open(order: &Order, server: &Server) -> PostgresJournal {
    for _ in 0..100 {
        let journal = PostgresJournal::builder(&server.url, &order.tenant).schema(&server.schema);
        match journal.open().await {
            Ok(journal) => return journal,
            Err(error) if error.kind() == ErrorKind::Storage => {}
            Err(error) => panic!("{error}"),
        }
        SystemClock.sleep(Duration::from_millis(100)).await;
    }
    panic!("the server does not come back");
}

/// Goes from day to day until the last one is over. What fails because the server is away is tried again.
async fn days(
    order: &Order,
    server: &Server,
    journal: Arc<dyn Journal>,
    clock: &ManualClock,
    engine: &Engine,
) {
    let (mut today, mut accepted) = (usize::MAX, false);
    while order.day() < DAYS.len() {
        if today != order.day() {
            (today, accepted) = (order.day(), false);
            clock.set(instant(today));
        }
        let evening = instant(today)
            .saturating_add(SignedDuration::from_hours(12))
            .unwrap();
        if server.process == 0 && !accepted {
            match engine.accept(says(&order.story, order.people, today)).await {
                Ok(_) => {
                    order.acknowledge(today);
                    accepted = true;
                }
                Err(error) => assert_eq!(error.kind(), ErrorKind::Storage, "{error}"),
            }
        }
        // What waits for its next attempt, and what a clock that jumped back has not reached yet.
        if let Ok(Some(due)) = journal.next_due().await
            && due <= evening
        {
            clock.set(due.max(clock.now()));
        }
        if accepted && drained(journal.as_ref(), evening).await.unwrap_or(false) {
            order.set_day(today + 1);
        }
        SystemClock.sleep(LOOK).await;
    }
}
