//! Joiner, mover and leaver with the journal on PostgreSQL: processes die around their records, others go on.

use std::time::Duration;

use iam_core::clock::{Clock as _, SystemClock};
use iam_core::journal::audit::Verifier;
use iam_core::journal::{EventState, HistoryQuery, Journal, PostgresJournal};
use iam_core::testing::PostgresServer;

use crate::crashing::process_at;
use crate::world::World;

const HIRED: &str = "ID Mei Tanaka-ID Security";
const MOVED: &str = "ID Mei Tanaka-ID Sales";
const GONE: &str = "ID Mei Tanaka-ID Security status=gone";

/// Records around which a process dies: while it accepts, plans, carries out and completes.
const EDGES: [&str; 6] = [
    "after 1",
    "before 2",
    "after 4",
    "before 7",
    "after 9",
    "before 14",
];

/// `said` of one person for each edge, after what was said before; what they look like in the end is `expected`.
async fn at_some_edges(kind: &str, before: &[&str], said: &str, expected: &str) {
    let world = World::new().await;
    let server = PostgresServer::shared();
    let mut deaths = 0;
    for (n, crash) in EDGES.into_iter().enumerate() {
        let id = format!("{kind}{n}");
        let journal = format!("{}#{}", server.url(), server.fresh_schema());
        let text = |said: &str| said.replace("ID", &id);
        for said in before {
            assert!(process_at(&world.sandbox, &journal, &text(said), "never"));
        }
        deaths += u32::from(!process_at(&world.sandbox, &journal, &text(said), crash));
        // The dead one's lane is free when its lease is over, by the server's clock.
        let expected = expected.replace("ID", &id);
        let mut looks = String::new();
        for _ in 0..60 {
            SystemClock.sleep(Duration::from_millis(500)).await;
            assert!(
                process_at(&world.sandbox, &journal, &text(said), "never"),
                "{crash}"
            );
            looks = world.look(&id).await;
            if looks == expected {
                break;
            }
        }
        assert_eq!(looks, expected, "{crash}");
        left_in_order(&world, &journal, before.len() + 1).await;
    }
    // A mover has fewer records than the last edge.
    assert!(deaths >= 5, "only {deaths} of them died");
}

/// Everything that HR said is worked off, once, and the audit tells of it without a gap.
async fn left_in_order(world: &World, journal: &str, said: usize) {
    let (url, schema) = journal.rsplit_once('#').unwrap();
    let journal = PostgresJournal::builder(url, world.sandbox.tenant_id()).schema(schema);
    let journal = journal.open().await.unwrap();
    let entries = journal.history(&HistoryQuery::default()).await.unwrap();
    let told = entries.iter().filter(|entry| entry.event.record.is_some());
    let told: Vec<EventState> = told.map(|entry| entry.state).collect();
    assert_eq!(told, vec![EventState::Done; said]);
    let mut verifier = Verifier::default();
    for (entry, _) in journal.audit(0, 10_000).await.unwrap() {
        verifier.next(&entry).unwrap();
    }
    assert_eq!(*verifier.reached(), journal.audit_head().await.unwrap());
    journal.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_joiner_on_postgres_survives_dying_processes() {
    let expected = "mei.tanaka-ID enabled: Everybody, st-security / SPE_E3 / Security Reader";
    at_some_edges("j", &[], HIRED, expected).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mover_on_postgres_survives_dying_processes() {
    let expected =
        "mei.tanaka-ID enabled: Everybody, st-sales, st-security / POWER_BI_PRO, SPE_E3 / Security Reader";
    at_some_edges("m", &[HIRED], MOVED, expected).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leaver_on_postgres_survives_dying_processes() {
    at_some_edges("l", &[HIRED], GONE, "mei.tanaka-ID blocked:  /  / ").await;
}
