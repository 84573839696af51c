//! The same random commands give the same answers from every journal: in memory, in a file, at a server.

mod command;
mod crew;
mod desk;
pub(super) mod released;
mod run;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use self::command::{Command, command};
use self::run::answers;
use super::{MemoryJournal, SqliteJournal};

const ACME: &str = "6f1c9d5e-0000-4000-8000-000000000001";

/// Cases of each property: `PROPTEST_CASES`, or so many.
fn cases(otherwise: u32) -> u32 {
    std::env::var("PROPTEST_CASES").map_or(otherwise, |cases| cases.parse().unwrap())
}

/// Puts random commands to a journal in memory and to another one.
fn equal(cases: u32, other: &impl AsyncFn(&[Command], bool) -> Vec<String>) {
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let commands = (prop::collection::vec(command(), 1..60), any::<bool>());
    let equal = TestRunner::new_with_rng(config, rng).run(&commands, |(commands, lapse)| {
        let (memory, other) = runtime.block_on(async {
            let memory = answers(MemoryJournal::new(), &commands, lapse, async |journal| journal).await;
            (memory, other(&commands, lapse).await)
        });
        let differs = memory.iter().zip(&other).find(|(memory, other)| memory != other);
        prop_assert_eq!(differs, None);
        prop_assert_eq!(memory.len(), other.len());
        Ok(())
    });
    equal.unwrap();
}

#[test]
fn memory_and_file_give_equal_answers() {
    // Whether anything reaches a disk is not asked here.
    let memory = std::path::Path::new("/dev/shm");
    let folder = if memory.is_dir() {
        tempfile::tempdir_in(memory)
    } else {
        tempfile::tempdir()
    };
    let folder = folder.unwrap();
    let number = std::cell::Cell::new(0);
    let cases = cases(500);
    equal(cases, &async |commands, lapse| {
        number.set(number.get() + 1);
        let path = folder.path().join(format!("{}.db", number.get()));
        let open = async || SqliteJournal::open(&path, ACME).await.unwrap();
        let reopen = async |journal: SqliteJournal| {
            drop(journal);
            open().await
        };
        let answers = answers(open().await, commands, lapse, reopen).await;
        for suffix in ["", "-wal", "-shm", ".lock"] {
            let _ = std::fs::remove_file(format!("{}{suffix}", path.display()));
        }
        answers
    });
    assert!(number.get() >= cases);
}

/// Every case has a tenant of its own, in one schema. They are a tenth of the others.
#[cfg(all(feature = "postgres", unix))]
#[test]
fn memory_and_postgres_give_equal_answers() {
    let server = crate::testing::PostgresServer::shared();
    let (schema, number) = (server.fresh_schema(), std::cell::Cell::new(0));
    let cases = cases(500) / 10;
    equal(cases, &async |commands, lapse| {
        number.set(number.get() + 1);
        let tenant = format!("tenant {}", number.get());
        let open = async || {
            let journal = super::PostgresJournal::builder(server.url(), &tenant).schema(&schema);
            journal.open().await.unwrap()
        };
        let reopen = async |journal: super::PostgresJournal| {
            journal.close().await;
            open().await
        };
        answers(open().await, commands, lapse, reopen).await
    });
    assert!(number.get() >= cases);
}
