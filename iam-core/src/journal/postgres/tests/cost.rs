//! What a claim costs, counted in pages that the server looks at: no load of the machine changes it.

use sqlx::AssertSqlSafe;

use super::{ACME, LEASE, Place, at, join};
use crate::clock::{Clock as _, SystemClock};
use crate::journal::postgres::claim::LOCK;
use crate::journal::row::nanos;
use crate::journal::{Claim, Journal, Outcome, PostgresJournal};

/// Pages that choosing ten lanes at second 5 takes.
async fn pages(place: &Place) -> u64 {
    let mut conn = place.conn().await;
    // What was deleted or moved is cleared away, and the statistics are what they would be in the morning.
    sqlx::query("VACUUM ANALYZE lane")
        .execute(&mut conn)
        .await
        .unwrap();
    sqlx::query("VACUUM ANALYZE event")
        .execute(&mut conn)
        .await
        .unwrap();
    let explain = AssertSqlSafe(format!("EXPLAIN (ANALYZE, BUFFERS) {LOCK}"));
    let lines: Vec<String> = sqlx::query_scalar(explain)
        .bind(1_i64)
        .bind(nanos(at(5)))
        .bind(10_i64)
        .bind(Vec::<String>::new())
        .fetch_all(&mut conn)
        .await
        .unwrap();
    // The first of these lines is of the whole: `Buffers: shared hit=12 read=3`.
    let whole = lines.iter().find(|line| line.contains("Buffers: ")).unwrap();
    let pages = whole
        .split([' ', '='])
        .filter_map(|word| word.parse::<u64>().ok());
    pages.sum()
}

/// As appending writes events of days to come, and a quarter of them leaves; much faster.
fn future(from: u32, to: u32) -> String {
    format!(
        "INSERT INTO lane (tenant, person, last_seq, head_seq, head_due, head_at, leave_due, ready_at) \
             SELECT 1, 'f' || n, 1, NULL, NULL, NULL, CASE n % 4 WHEN 0 THEN {due} + n END, {due} + n \
             FROM generate_series({from}, {to}) n; \
             INSERT INTO event (tenant, id, person, lane_seq, leave, urgent, timer, due_at, not_before, event) \
             SELECT 1, 'f' || n, 'f' || n, 1, n % 4 = 0, n % 8 = 0, false, {due} + n, {due} + n, '{{}}' \
             FROM generate_series({from}, {to}) n; \
             UPDATE lane l SET head_seq = e.seq, head_due = e.due_at, head_at = e.due_at FROM event e \
             WHERE e.person = l.person AND e.state = 0 AND NOT e.leave AND l.head_seq IS NULL AND l.leave_due IS NULL",
        due = nanos(at(1000))
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_million_future_events_would_cost_nothing() {
    let place = Place::new();
    let journal = place.open().await;
    let due: Vec<_> = (0..50).map(|n| join(&format!("due {n}"), 0)).collect();
    journal.append(&due).await.unwrap();
    place.run(&future(1, 1_000)).await;
    let few = pages(&place).await;
    place.run(&future(1_001, 60_000)).await;
    let many = pages(&place).await;
    assert!(
        many <= few + few / 5 + 10,
        "{few} pages before, {many} with sixty times as many"
    );
    assert_eq!(journal.claim(99, at(5), super::LEASE).await.unwrap().len(), 50);
}

/// One step and the end of each of these claims, at the same time.
async fn work_off(journal: &PostgresJournal, claims: &[Claim]) {
    let step = crate::plan::StepId::from("step");
    let key = serde_json::from_value(serde_json::json!("key")).unwrap();
    let done = Outcome::Done { account: None };
    let (step, key, done) = (&step, &key, &done);
    let all = claims.iter().map(|claim| async move {
        journal.heartbeat(claim, LEASE).await.unwrap();
        journal.intend(claim, step, key).await.unwrap();
        journal.settle(claim, step, done, at(5)).await.unwrap();
        journal.complete(claim, &claim.state, &[]).await.unwrap();
    });
    futures::future::join_all(all).await;
}

/// Statements are planned once for each connection, and a new journal's tables are empty: what they read must not grow
/// when the tables do.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_planned_while_the_journal_was_empty_stays_good() {
    let place = Place::new();
    let read = async || {
        let read: Vec<i64> = place
            .column(
                "SELECT ((SELECT coalesce(sum(idx_tup_read), 0) FROM pg_stat_user_indexes WHERE schemaname = current_schema()) \
                      + (SELECT coalesce(sum(seq_tup_read), 0) FROM pg_stat_user_tables WHERE schemaname = current_schema())) \
                 ::bigint",
            )
            .await;
        read[0]
    };
    let journal = PostgresJournal::builder(&place.url, ACME)
        .schema(&place.schema)
        .connections(1)
        .open()
        .await
        .unwrap();
    // Often enough that the server keeps its plans.
    let round = async |round: usize| {
        let batch: Vec<_> = (0..10).map(|n| join(&format!("r{round} {n}"), 0)).collect();
        journal.append(&batch).await.unwrap();
        let claims = journal.claim(10, at(5), LEASE).await.unwrap();
        assert_eq!(claims.len(), 10);
        work_off(&journal, &claims).await;
    };
    for number in 0..10 {
        round(number).await;
    }
    place.run(&future(1, 20_000)).await;
    // The server counts what a session has read when that ends; making the future has read that much itself.
    let mut before = 0;
    while before < 20_000 || before != read().await {
        before = read().await;
        SystemClock.sleep(std::time::Duration::from_millis(200)).await;
    }
    for number in 10..13 {
        round(number).await;
    }
    journal.close().await;
    let mut after = read().await;
    loop {
        SystemClock.sleep(std::time::Duration::from_millis(200)).await;
        let now = read().await;
        if now == after && now > before {
            break;
        }
        after = now;
    }
    let rows = after - before;
    assert!(
        rows < 20_000,
        "thirty events beside 20,000 to come: {rows} rows were read"
    );
}
