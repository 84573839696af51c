//! One process of the crash stories: HR says one thing, everything due is done, or the process dies.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a story stops where it fails")]
#![allow(missing_docs, unreachable_pub, dead_code, reason = "shared with the stories")]

#[path = "../world.rs"]
mod world;

use std::sync::Arc;

use iam_core::journal::{Journal, SqliteJournal};
use iam_core::policy::Document;
use iam_core::testing::{Crash, CrashingJournal, ManualClock};

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [authority, graph, tenant, client_id, secret, journal, said, crash] = arguments.as_slice() else {
        panic!("authority graph tenant client-id secret journal said crash");
    };
    let sqlite = Arc::new(SqliteJournal::open(journal, tenant).await.unwrap());
    let journal: Arc<dyn Journal> = match crash.split_once(' ') {
        None => sqlite.clone(),
        Some((edge, record)) => {
            let record = record.parse().unwrap();
            let crash = if edge == "before" {
                Crash::Before(record)
            } else {
                Crash::After(record)
            };
            Arc::new(CrashingJournal::new(sqlite.clone(), crash))
        }
    };
    let clock = ManualClock::at(world::NOW.parse().unwrap());
    let client = world::client_of(authority, graph, tenant, client_id, secret);
    let engine = world::engine_of(client, journal, Document::parse(world::POLICY).unwrap(), &clock);
    engine.accept([world::person(said)]).await.unwrap();
    let report = engine.run(&|_| {}).await.unwrap();
    assert_eq!(report.totals().open, 0, "{report:?}");
    sqlite.close().await.unwrap();
}
