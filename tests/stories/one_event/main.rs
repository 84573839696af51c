//! One process of the crash stories: HR says one thing, everything due is done, or the process dies.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a story stops where it fails")]
#![allow(missing_docs, unreachable_pub, dead_code, reason = "shared with the stories")]

#[path = "../world.rs"]
mod world;

use std::sync::Arc;
use std::time::Duration;

use iam_core::journal::{Journal, PostgresJournal, SqliteJournal};
use iam_core::policy::Document;
use iam_core::testing::{Crash, CrashingJournal, ManualClock};

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [authority, graph, tenant, client_id, secret, journal, said, crash] = arguments.as_slice() else {
        panic!("authority graph tenant client-id secret journal said crash");
    };
    let journal = if journal.starts_with("postgres:") {
        let (url, schema) = journal.rsplit_once('#').unwrap();
        let journal = PostgresJournal::builder(url, tenant).schema(schema);
        Kept::Server(journal.open().await.unwrap())
    } else {
        Kept::File(SqliteJournal::open(journal, tenant).await.unwrap())
    };
    let crash = match crash.split_once(' ') {
        Some(("before", record)) => Crash::Before(record.parse().unwrap()),
        Some((_, record)) => Crash::After(record.parse().unwrap()),
        None => Crash::Before(usize::MAX),
    };
    let mut dies = CrashingJournal::new(journal.shared(), crash);
    if let Kept::Server(_) = journal {
        dies = dies.leased_for(Duration::from_millis(500));
    }
    let dies: Arc<dyn Journal> = Arc::new(dies);
    let clock = ManualClock::at(world::NOW.parse().unwrap());
    let client = world::client_of(authority, graph, tenant, client_id, secret);
    let engine = world::engine_of(client, dies, Document::parse(world::POLICY).unwrap(), &clock);
    engine.accept([world::person(said)]).await.unwrap();
    let report = engine.run(&|_| {}).await.unwrap();
    assert_eq!(report.totals().open, 0, "{report:?}");
    journal.close().await;
}

/// Where the journal is kept: `FILE`, or `postgres://…#SCHEMA`.
enum Kept {
    File(SqliteJournal),
    Server(PostgresJournal),
}

impl Kept {
    fn shared(&self) -> Arc<dyn Journal> {
        match self {
            Self::File(journal) => Arc::new(journal.clone()),
            Self::Server(journal) => Arc::new(journal.clone()),
        }
    }

    async fn close(&self) {
        match self {
            Self::File(journal) => journal.close().await.unwrap(),
            Self::Server(journal) => journal.close().await,
        }
    }
}
