//! Failover: the primary of the journal is cut off from its standby under load, then dies, and the standby takes over.
//! With synchronous replication nothing that was accepted is lost. Without it something is, and the checker sees it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use iam_core::clock::{Clock as _, SystemClock};
use iam_core::event::{Event, EventId, EventKind};
use iam_core::journal::{Durability, HistoryQuery, Journal, PostgresJournal};
use iam_core::person::{Person, PersonKey};
use iam_core::testing::PostgresServer;
use jiff::Timestamp;
use tokio::task::JoinSet;

use crate::crashes::cell::audit;
use crate::crashes::history::{Left, Wrong, findings};

const TENANT: &str = "6f1c9d5e-0000-4000-8000-000000000001";
const LEASE: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_mins(2);
/// How many writers, and how many workers beside them.
const TASKS: usize = 4;

type Acknowledged = Arc<Mutex<BTreeMap<PersonKey, Vec<Person>>>>;

fn event(person: &str) -> Event {
    let person = PersonKey::new(person);
    Event {
        id: EventId::new(format!("{person}/1")),
        kind: EventKind::Join,
        due_at: Timestamp::UNIX_EPOCH,
        entered_at: Timestamp::UNIX_EPOCH,
        record: Some(Person::new(person.clone())),
        version: 1,
        news: None,
        person,
    }
}

/// Accepts one event after the other, until the server is gone.
async fn accept(journal: PostgresJournal, task: usize, acknowledged: Acknowledged) {
    for number in 0.. {
        let event = event(&format!("w{task}-{number:05}"));
        if journal.append(std::slice::from_ref(&event)).await.is_err() {
            return;
        }
        let record = event.record.into_iter().collect();
        acknowledged.lock().unwrap().insert(event.person, record);
    }
}

/// Works events off until the server is gone; then, with `over`, until nothing is left.
async fn work(journal: PostgresJournal, over: bool) {
    loop {
        let Ok(claims) = journal.claim(5, Timestamp::UNIX_EPOCH, LEASE).await else {
            return;
        };
        for claim in &claims {
            if journal.complete(claim, &claim.state, &[]).await.is_err() {
                return;
            }
        }
        if claims.is_empty() {
            let open = HistoryQuery {
                state: Some(iam_core::journal::EventState::Pending),
                ..HistoryQuery::default()
            };
            if over && journal.history(&open).await.unwrap().is_empty() {
                return;
            }
            SystemClock.sleep(Duration::from_millis(10)).await;
        }
    }
}

async fn until(what: &str, so: impl AsyncFn() -> bool) {
    let start = Instant::now();
    while !so().await {
        assert!(start.elapsed() < PATIENCE, "{what} does not come");
        SystemClock.sleep(Duration::from_millis(20)).await;
    }
}

/// What the standby has when it has taken over and everything is worked off.
async fn taken_over(synchronous: bool) -> Left {
    let primary = PostgresServer::start();
    let schema = primary.fresh_schema();
    let open = async |server: &PostgresServer, durability| {
        let journal = PostgresJournal::builder(server.url(), TENANT).schema(&schema);
        journal.durability(durability).open().await.unwrap()
    };
    open(&primary, Durability::SingleNode).await.close().await;
    let standby = primary.standby();
    let follows = if synchronous { "sync" } else { "async" };
    if synchronous {
        primary.sql("ALTER SYSTEM SET synchronous_standby_names = '*'");
        primary.sql("SELECT pg_reload_conf()");
    }
    let following = format!("SELECT count(*) FROM pg_stat_replication WHERE sync_state = '{follows}'");
    until("replication", async || primary.sql(&following) == "1").await;

    let durability = if synchronous {
        Durability::MultiNode
    } else {
        Durability::SingleNode
    };
    let acknowledged = Acknowledged::default();
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        let journal = open(&primary, durability).await;
        tasks.spawn(accept(journal.clone(), task, acknowledged.clone()));
        tasks.spawn(work(journal, false));
    }
    let count = || acknowledged.lock().unwrap().len();
    until("load", async || count() > 100).await;
    // The standby hears nothing any more; a moment later the primary dies.
    standby.sql("ALTER SYSTEM SET primary_conninfo = ''");
    standby.sql("SELECT pg_reload_conf()");
    until("the cut", async || {
        standby.sql("SELECT count(*) FROM pg_stat_wal_receiver") == "0"
    })
    .await;
    let before = count();
    if synchronous {
        SystemClock.sleep(Duration::from_secs(1)).await;
        // What waits for the standby is not accepted, and nobody was told that it is.
        assert!(count() <= before + TASKS, "accepted without the standby");
    } else {
        until("more load", async || count() > before + 20).await;
    }
    primary.crash();
    tasks.shutdown().await;

    standby.promote();
    until("promotion", async || {
        standby.sql("SELECT pg_is_in_recovery()") == "f"
    })
    .await;
    let journal = open(&standby, Durability::SingleNode).await;
    work(journal.clone(), true).await;
    let entries = journal.history(&HistoryQuery::default()).await.unwrap();
    let mut acknowledged = std::mem::take(&mut *acknowledged.lock().unwrap());
    // What was on its way when the primary died may have been accepted; nobody was told.
    for entry in &entries {
        let record = entry.event.record.iter().cloned().collect();
        acknowledged.entry(entry.event.person.clone()).or_insert(record);
    }
    Left {
        now: Timestamp::UNIX_EPOCH,
        acknowledged,
        entries,
        audit: audit(&journal).await,
        head: journal.audit_head().await.unwrap(),
        people: Vec::new(),
        open_steps: 0,
        mails: Vec::new(),
        expected_mails: Vec::new(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_synchronous_standby_has_everything_that_was_accepted() {
    let mut left = taken_over(true).await;
    // What was on its way when the primary died may have been accepted; nobody was told.
    for entry in &left.entries {
        let record = entry.event.record.iter().cloned().collect();
        left.acknowledged
            .entry(entry.event.person.clone())
            .or_insert(record);
    }
    let wrong: Vec<String> = findings(&left).iter().map(ToString::to_string).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(left.entries.len() > 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_that_lags_is_seen_to_have_lost_what_was_accepted() {
    let left = taken_over(false).await;
    let lost = findings(&left)
        .into_iter()
        .filter(|finding| finding.wrong == Wrong::Lost);
    assert!(lost.count() >= 10);
}
