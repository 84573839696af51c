//! The buckets that all workers share. There is one process, and still one row for each: what was spent is known after
//! a restart.

use jiff::Timestamp;
use sqlx::SqliteConnection;

use super::TENANT;
use super::fault::Attempt;
use super::row::{instant, nanos};
use super::writer::begin;
use crate::journal::{Bucket, Draw, Drawn};

/// Changes the bucket of a target in one transaction.
async fn change<T>(
    conn: &mut SqliteConnection,
    target: &str,
    fresh: Bucket,
    change: impl FnOnce(&mut Bucket) -> T,
) -> Attempt<T> {
    let mut tx = begin(conn).await?;
    let known: Option<(f64, i64, f64, Option<i64>)> = sqlx::query_as(
        "SELECT level, filled_at, share, blocked_until FROM budget WHERE tenant = ?1 AND target = ?2",
    )
    .bind(TENANT)
    .bind(target)
    .fetch_optional(&mut *tx)
    .await?;
    let mut bucket = known.map_or(fresh, |(level, filled_at, share, blocked_until)| Bucket {
        level,
        filled_at: instant(filled_at),
        share,
        blocked_until: blocked_until.map(instant),
    });
    let answer = change(&mut bucket);
    sqlx::query(
        "INSERT INTO budget (tenant, target, level, filled_at, share, blocked_until) VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
         ON CONFLICT (tenant, target) DO UPDATE SET level = excluded.level, filled_at = excluded.filled_at, \
         share = excluded.share, blocked_until = excluded.blocked_until",
    )
    .bind(TENANT)
    .bind(target)
    .bind(bucket.level)
    .bind(nanos(bucket.filled_at))
    .bind(bucket.share)
    .bind(bucket.blocked_until.map(nanos))
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(answer)
}

pub(super) async fn draw(conn: &mut SqliteConnection, draw: &Draw, now: Timestamp) -> Attempt<Drawn> {
    let full = Bucket::full(draw.capacity, now);
    change(conn, &draw.target, full, |bucket| bucket.draw(draw, now)).await
}

pub(super) async fn block(
    conn: &mut SqliteConnection,
    target: &str,
    until: Timestamp,
    now: Timestamp,
) -> Attempt<()> {
    let empty = Bucket::full(0.0, now);
    change(conn, target, empty, |bucket| bucket.block(until, now)).await
}
