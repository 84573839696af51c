//! What a claim costs, counted in pages that the server looks at: no load of the machine changes it.

use sqlx::AssertSqlSafe;

use super::{Place, at, join};
use crate::journal::Journal;
use crate::journal::postgres::claim::LOCK;
use crate::journal::row::nanos;

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

#[tokio::test(flavor = "multi_thread")]
async fn a_million_future_events_would_cost_nothing() {
    let place = Place::new();
    let journal = place.open().await;
    let due: Vec<_> = (0..50).map(|n| join(&format!("due {n}"), 0)).collect();
    journal.append(&due).await.unwrap();
    let future = |from: u32, to: u32| {
        // As appending writes them, and a quarter of them leaves; much faster.
        format!(
            "INSERT INTO lane (tenant, person, last_seq, head_seq, head_due, head_at, leave_due, ready_at) \
             SELECT 1, 'f' || n, 1, NULL, NULL, NULL, CASE n % 4 WHEN 0 THEN {due} + n END, {due} + n \
             FROM generate_series({from}, {to}) n; \
             INSERT INTO event (tenant, id, person, lane_seq, leave, urgent, timer, due_at, not_before, event) \
             SELECT 1, 'f' || n, 'f' || n, 1, n % 4 = 0, n % 8 = 0, false, {due} + n, {due} + n, '{{}}' \
             FROM generate_series({from}, {to}) n; \
             UPDATE lane l SET head_seq = e.seq, head_due = e.due_at, head_at = e.due_at FROM event e \
             WHERE e.person = l.person AND NOT e.leave AND l.head_seq IS NULL AND l.leave_due IS NULL",
            due = nanos(at(1000))
        )
    };
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
