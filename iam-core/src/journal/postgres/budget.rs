//! The buckets that all workers share, each a row that is locked while it is drawn from.

use jiff::Timestamp;

use super::fault::Attempt;
use super::row::{instant, nanos};
use super::work::Work;
use crate::journal::{Bucket, Draw, Drawn};

/// Changes the bucket of a target; `fresh` is the one that is not known yet.
async fn change<T>(
    work: &mut Work,
    target: &str,
    fresh: Bucket,
    change: impl FnOnce(&mut Bucket) -> T,
) -> Attempt<T> {
    let make = work.query(
        "INSERT INTO budget (tenant, target, level, filled_at, share) VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT DO NOTHING",
    );
    let make = make
        .bind(target)
        .bind(fresh.level)
        .bind(nanos(fresh.filled_at))
        .bind(fresh.share);
    make.execute(work.conn()).await?;
    let known = work.rows::<(f64, i64, f64, Option<i64>)>(
        "SELECT level, filled_at, share, blocked_until FROM budget WHERE tenant = $1 AND target = $2 FOR UPDATE",
    );
    let (level, filled_at, share, blocked_until) = known.bind(target).fetch_one(work.conn()).await?;
    let mut bucket = Bucket {
        level,
        filled_at: instant(filled_at),
        share,
        blocked_until: blocked_until.map(instant),
    };
    let answer = change(&mut bucket);
    let set = work.query(
        "UPDATE budget SET level = $3, filled_at = $4, share = $5, blocked_until = $6 \
         WHERE tenant = $1 AND target = $2",
    );
    let set = set
        .bind(target)
        .bind(bucket.level)
        .bind(nanos(bucket.filled_at))
        .bind(bucket.share);
    set.bind(bucket.blocked_until.map(nanos))
        .execute(work.conn())
        .await?;
    Ok(answer)
}

pub(super) async fn draw(work: &mut Work, draw: &Draw, now: Timestamp) -> Attempt<Drawn> {
    let full = Bucket::full(draw.capacity, now);
    change(work, &draw.target, full, |bucket| bucket.draw(draw, now)).await
}

pub(super) async fn block(work: &mut Work, target: &str, until: Timestamp, now: Timestamp) -> Attempt<()> {
    let empty = Bucket::full(0.0, now);
    change(work, target, empty, |bucket| bucket.block(until, now)).await
}
