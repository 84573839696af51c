//! The same random commands give the same answers in memory and on PostgreSQL.

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::Place;
use crate::journal::MemoryJournal;
use crate::journal::sqlite::tests::equal::{answers, command};

#[test]
fn memory_and_postgres_give_equal_answers() {
    let config = Config {
        cases: 64,
        failure_persistence: None,
        max_shrink_iters: 200,
        ..Config::default()
    };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let (place, number) = (Place::new(), std::cell::Cell::new(0));
    let commands = (prop::collection::vec(command(), 1..50), any::<bool>());
    let equal = TestRunner::new_with_rng(config, rng).run(&commands, |(commands, lapse)| {
        let (memory, server) = runtime.block_on(async {
            let memory = answers(MemoryJournal::new(), &commands, lapse, async |journal| journal).await;
            number.set(number.get() + 1);
            let tenant = format!("tenant {}", number.get());
            let journal = place.open_for(&tenant).await;
            let reopen = async |journal: crate::journal::PostgresJournal| {
                journal.close().await;
                place.open_for(&tenant).await
            };
            (memory, answers(journal, &commands, lapse, reopen).await)
        });
        prop_assert_eq!(memory, server);
        Ok(())
    });
    equal.unwrap();
}
