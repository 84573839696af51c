//! Plans that are made while the tables are small, and kept: they must be good when the tables are large, and nobody has
//! looked at the statistics yet. Counted in rows that the server reads: no load of the machine changes it.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{ACME, LEASE, Place, at, join};
use crate::clock::{Clock as _, SystemClock};
use crate::entitlement::TargetId;
use crate::event::{Event, EventId, EventKind, Timer};
use crate::journal::row::nanos;
use crate::journal::{
    Answer, Ask, Claim, Exchange as _, HistoryQuery, Journal, Lane, Observation, Outcome, PersonState,
    PostgresJournal, Row, Standing,
};
use crate::person::{Person, PersonKey};
use crate::plan::{Action, IdempotencyKey, Plan, Step};

const FUTURE: i64 = 20_000;
/// So few rows are read of any table, by any index, when everything is done ten times. Who reads a table whole even once
/// reads more.
const FEW: i64 = FUTURE / 4;
/// How many times everything is done that the journal has a statement for: the first times with small tables, until the
/// server keeps its plans, and then with large ones.
const LIVES: [u64; 2] = [9, 10];
const TABLES: &str = "SELECT relname::text FROM pg_class \
                      WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r'";

fn key(person: &str) -> PersonKey {
    PersonKey::new(person)
}

fn of(person: &str, version: u64, kind: EventKind) -> Event {
    Event {
        id: EventId::new(format!("{person}/{version}")),
        kind,
        version,
        ..join(person, 0)
    }
}

async fn claim(journal: &PostgresJournal, second: i64) -> Claim {
    journal.claim(1, at(second), LEASE).await.unwrap().remove(0)
}

/// Everything that happens to people, once.
async fn live(journal: &PostgresJournal, n: u64) {
    let (p, q) = (format!("p{n:03}"), format!("q{n:03}"));
    let joins = [of(&p, 1, EventKind::Join), of(&q, 1, EventKind::Join)];
    journal.append(&joins).await.unwrap();
    journal.append(&joins).await.unwrap();
    journal.accepted(&[key(&p), key(&q)]).await.unwrap();

    // A step, and timers of one's own and for somebody else.
    let held = claim(journal, 5).await;
    let step = Step::new(&TargetId::new("t"), &key(&p), None, Action::BlockSignIn, "test");
    journal.plan(&held, &Plan::empty(&key(&p))).await.unwrap();
    let token = IdempotencyKey::of(&held.event.id, &step);
    journal.heartbeat(&held, LEASE).await.unwrap();
    journal.intend(&held, &step.id, &token).await.unwrap();
    journal.intend(&held, &step.id, &token).await.unwrap();
    journal.reserve(&p, &key(&p)).await.unwrap();
    journal
        .settle(&held, &step.id, &Outcome::Unknown, at(5))
        .await
        .unwrap();
    let timer =
        |person: &str, timer, second| Event::timer(&key(person), timer, at(second), &held.event.id, at(0));
    let timers = [timer(&p, Timer::Create, 6), timer(&q, Timer::Recheck, 7)];
    journal.complete(&held, &held.state, &timers).await.unwrap();

    // Tried again, put aside, brought back, passed over.
    let held = claim(journal, 5).await;
    journal
        .retry_later(&held, &held.state, at(5), "busy")
        .await
        .unwrap();
    let held = claim(journal, 5).await;
    let dead = journal.dead_letter(&held, &held.state, &[], "poison", Lane::Park);
    dead.await.unwrap();
    journal.waiting(&key(&q), at(9)).await.unwrap();
    journal.stalled(at(5)).await.unwrap();
    journal.requeue(&held.event.id, "ann", "mended").await.unwrap();
    let held = claim(journal, 5).await;
    let dead = journal.dead_letter(&held, &held.state, &[], "poison", Lane::Park);
    dead.await.unwrap();
    journal.skip(&held.event.id, "ann", "never mind").await.unwrap();
    journal.next_due().await.unwrap();
    journal.asks(at(9)).await.unwrap();
    let first = EventId::new(format!("{p}/1"));
    journal
        .resolve(&first, &step.id, true, "ann", "seen")
        .await
        .unwrap();

    // A leave that is asked for, and takes the place of the rest.
    let urgent = n.is_multiple_of(2);
    let leave = of(
        &p,
        2,
        EventKind::Leave {
            last_day: None,
            urgent,
        },
    );
    journal.append(std::slice::from_ref(&leave)).await.unwrap();
    let held = claim(journal, 6).await;
    assert_eq!(held.event.id, leave.id);
    let ask = Ask::new(&held.event, None, Plan::empty(&key(&p)), at(6));
    journal.ask(&held, &ask, at(50)).await.unwrap();
    journal.asked(&leave.id).await.unwrap();
    let granted = Answer {
        event: leave.id.clone(),
        version: 1,
        standing: Standing::Granted,
    };
    assert_eq!(journal.answer(&[granted], at(6)).await.unwrap(), 1);
    let held = claim(journal, 6).await;
    journal.put_back(&held, at(6), "stopping").await.unwrap();
    let held = claim(journal, 6).await;
    journal.complete(&held, &held.state, &[]).await.unwrap();
    let held = claim(journal, 7).await;
    assert_eq!(held.event.person, key(&q));
    journal.complete(&held, &held.state, &[]).await.unwrap();
    assert!(journal.claim(9, at(9), LEASE).await.unwrap().is_empty());

    // What sources send.
    let r = format!("r{n:03}");
    let seen = Observation {
        id: EventId::new(format!("{r}/seen")),
        source: "hr".to_owned(),
        at: Some(at(i64::try_from(n).unwrap())),
        person: Person::new(key(&r)),
    };
    journal.observe(std::slice::from_ref(&seen), at(0)).await.unwrap();
    journal.observe(&[seen], at(0)).await.unwrap();
    let delivery = journal.open_delivery("file", at(0)).await.unwrap();
    let rows = [Row::Record {
        person: Box::new(Person {
            department: Some("sales".into()),
            ..Person::new(key(&r))
        }),
    }];
    journal.stage(delivery, &rows).await.unwrap();
    journal
        .close_delivery(delivery, &serde_json::Value::Null, &[])
        .await
        .unwrap();
    journal.release_some(delivery, 10, at(0)).await.unwrap();
    for _ in 0..2 {
        let held = claim(journal, 1_000).await;
        assert_eq!(held.event.person, key(&r));
        journal.complete(&held, &held.state, &[]).await.unwrap();
    }

    // Who looks.
    journal.person(&key(&p)).await.unwrap();
    journal.people(None, 5).await.unwrap();
    journal.reports_of(&key(&p)).await.unwrap();
    journal.successor_of(&key(&p)).await.unwrap();
    journal.holder(&p).await.unwrap();
    let query = HistoryQuery {
        person: Some(key(&p)),
        ..HistoryQuery::default()
    };
    assert_eq!(journal.history(&query).await.unwrap().len(), 3);
    let query = HistoryQuery {
        event: Some(leave.id),
        ..HistoryQuery::default()
    };
    assert_eq!(journal.history(&query).await.unwrap().len(), 1);
    journal.audit(0, 5).await.unwrap();
}

/// So many people whose first event is far ahead, a quarter of them leaves; as appending writes them, and much faster.
async fn foresee(place: &Place) {
    place
        .run(&format!(
            "INSERT INTO lane (tenant, person, last_seq, ready_at) \
             SELECT 1, 'f' || n, 1, {due} + n FROM generate_series(1, {FUTURE}) n; \
             INSERT INTO event (tenant, id, person, lane_seq, leave, urgent, timer, due_at, not_before, event) \
             SELECT 1, 'f' || n, 'f' || n, 1, n % 4 = 0, n % 8 = 0, false, {due} + n, {due} + n, '{{}}' \
             FROM generate_series(1, {FUTURE}) n; \
             INSERT INTO person (tenant, person, version, record, state, manager) \
             SELECT 1, 'f' || n, 1, '{{}}', '{state}', 'f' || n / 10 FROM generate_series(1, {FUTURE}) n; \
             INSERT INTO pseudonym (tenant, person, salt) \
             SELECT 1, 'f' || n, 'salt' FROM generate_series(1, {FUTURE}) n; \
             INSERT INTO name (tenant, name, person) \
             SELECT 1, 'f' || n, 'f' || n FROM generate_series(1, {FUTURE}) n; \
             INSERT INTO receipt (tenant, id, person, digest) \
             SELECT 1, 'f' || n, 'f' || n, 'digest' FROM generate_series(1, {FUTURE}) n; \
             INSERT INTO newest (tenant, source, person, at) \
             SELECT 1, 'hr', 'f' || n, 0 FROM generate_series(1, {FUTURE}) n; \
             INSERT INTO step (tenant, event, step, ordinal, key) \
             SELECT 1, seq, 'step', 0, 'key' FROM event WHERE person LIKE 'f%'; \
             UPDATE lane l SET head_seq = CASE WHEN e.leave THEN NULL ELSE e.seq END, \
                               head_due = CASE WHEN e.leave THEN NULL ELSE e.due_at END, \
                               head_at = CASE WHEN e.leave THEN NULL ELSE e.due_at END, \
                               leave_due = CASE WHEN e.leave THEN e.due_at END, ready_seq = e.seq \
             FROM event e WHERE e.tenant = l.tenant AND e.person = l.person AND l.person LIKE 'f%'",
            due = nanos(at(100_000)),
            state = serde_json::to_string(&PersonState::new(key("f"))).unwrap()
        ))
        .await;
}

/// Rows that were read of each table and through each index of it, once the sessions that are named `program` are over
/// and have said so.
async fn read(place: &Place, program: &str) -> BTreeMap<String, i64> {
    let mut conn = place.conn().await;
    loop {
        let there = "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1";
        let there: i64 = sqlx::query_scalar(there)
            .bind(program)
            .fetch_one(&mut conn)
            .await
            .unwrap();
        if there == 0 {
            break;
        }
        SystemClock.sleep(Duration::from_millis(20)).await;
    }
    let rows: Vec<(String, i64)> = sqlx::query_as(
        "SELECT relname || ' by ' || indexrelname, idx_tup_read FROM pg_stat_user_indexes WHERE schemaname = $1 \
         UNION ALL SELECT relname || ' whole', seq_tup_read FROM pg_stat_user_tables WHERE schemaname = $1",
    )
    .bind(&place.schema)
    .fetch_all(&mut conn)
    .await
    .unwrap();
    rows.into_iter().collect()
}

/// Nobody has looked at the tables, or somebody did when they were all but empty.
#[derive(Debug, Clone, Copy)]
enum Statistics {
    None,
    OfEmptyTables,
    OfSmallTables,
}

/// With names for statements, whose plans are kept; without, they are planned each time.
const CASES: [(bool, Statistics); 4] = [
    (false, Statistics::None),
    (false, Statistics::OfEmptyTables),
    (false, Statistics::OfSmallTables),
    (true, Statistics::None),
];

#[tokio::test(flavor = "multi_thread")]
async fn what_was_planned_with_small_tables_reads_little_of_large_ones() {
    for (pooled, statistics) in CASES {
        let place = Place::new();
        // One session, so that it is known whose plans are used.
        let program = format!("plans-{}", place.schema);
        let journal = PostgresJournal::builder(&format!("{}?application_name={program}", place.url), ACME)
            .schema(&place.schema)
            .pooled(pooled)
            .connections(1);
        let journal = journal.open().await.unwrap();
        let tables: Vec<String> = place.column(TABLES).await;
        for table in &tables {
            let alone = format!("ALTER TABLE {table} SET (autovacuum_enabled = false)");
            place.run(&alone).await;
        }
        if let Statistics::OfSmallTables = statistics {
            Box::pin(live(&journal, 0)).await;
        }
        if !matches!(statistics, Statistics::None) {
            for table in &tables {
                place.run(&format!("VACUUM ANALYZE {table}")).await;
            }
        }
        for n in 0..LIVES[0] {
            Box::pin(live(&journal, 1 + n)).await;
        }
        foresee(&place).await;
        let before = read(&place, "nobody").await;
        for n in 0..LIVES[1] {
            Box::pin(live(&journal, 100 + n)).await;
        }
        journal.close().await;
        let after = read(&place, &program).await;
        let many: Vec<String> = after
            .iter()
            .map(|(what, rows)| (what, rows - before.get(what).unwrap_or(&0)))
            .filter(|(_, rows)| *rows > FEW)
            .map(|(what, rows)| format!("{rows} rows of {what}"))
            .collect();
        assert!(
            many.is_empty(),
            "pooled: {pooled}, statistics: {statistics:?}: {many:#?}"
        );
        // The lives were counted, and nothing else.
        let people = after["person by person_pkey"] - before["person by person_pkey"];
        assert!(people > 0, "{after:?}");
    }
}
