//! Frozen plans in the database: the open one is found by its index, the others are history.

use jiff::Timestamp;

use super::decisions::decided;
use super::fault::Attempt;
use super::row::{text, value};
use super::work::Work;
use crate::journal::audit::Deed;
use crate::journal::freeze::unknown;
use crate::journal::{Frozen, FrozenState, Release};

/// All of them, in the order in which they were frozen.
pub(super) async fn all(work: &mut Work) -> Attempt<Vec<Frozen>> {
    let rows = work.rows::<(i64, String)>("SELECT seq, plan FROM frozen WHERE tenant = $1 ORDER BY seq");
    let rows = rows.fetch_all(work.conn()).await?;
    rows.iter().map(|(seq, plan)| read(*seq, plan)).collect()
}

fn read(seq: i64, plan: &str) -> Attempt<Frozen> {
    value("frozen plan", &format!("row {seq}"), plan)
}

async fn open(work: &mut Work) -> Attempt<Option<(i64, Frozen)>> {
    let row =
        work.rows::<(i64, String)>("SELECT seq, plan FROM frozen WHERE tenant = $1 AND open FOR UPDATE");
    let row = row.fetch_optional(work.conn()).await?;
    row.map(|(seq, plan)| Ok((seq, read(seq, &plan)?))).transpose()
}

async fn store(work: &mut Work, seq: i64, plan: &Frozen) -> Attempt<()> {
    let update = work.query("UPDATE frozen SET open = $3, plan = $4 WHERE tenant = $1 AND seq = $2");
    let update = update
        .bind(seq)
        .bind(plan.is_open())
        .bind(text("frozen plan", &plan.hash, plan)?);
    update.execute(work.conn()).await?;
    Ok(())
}

/// Two that freeze at the same time meet at the index of the open one: the later begins again.
pub(super) async fn freeze(work: &mut Work, plan: &Frozen) -> Attempt<()> {
    if let Some((seq, mut known)) = open(work).await? {
        if known.hash == plan.hash {
            return Ok(());
        }
        known.end(FrozenState::Superseded, plan.planned_at);
        store(work, seq, &known).await?;
    }
    let insert = work.query("INSERT INTO frozen (tenant, open, plan) VALUES ($1, $2, $3)");
    let insert = insert
        .bind(plan.is_open())
        .bind(text("frozen plan", &plan.hash, plan)?);
    insert.execute(work.conn()).await?;
    let trips = plan.trips.join("; ");
    decided(work, Deed::Frozen, &plan.hash, &plan.planned_by, &trips).await
}

pub(super) async fn release(work: &mut Work, hash: &str, release: &Release) -> Attempt<()> {
    let known = open(work).await?.filter(|(_, known)| known.hash == hash);
    let (seq, mut known) = known.ok_or_else(|| unknown(hash))?;
    known.released(release)?;
    store(work, seq, &known).await?;
    decided(work, Deed::Released, hash, &release.by, &release.reason).await
}

pub(super) async fn spend(work: &mut Work, hash: &str, at: Timestamp) -> Attempt<bool> {
    let known = open(work).await?;
    let known = known.filter(|(_, known)| known.hash == hash && known.state == FrozenState::Released);
    let Some((seq, mut known)) = known else {
        return Ok(false);
    };
    known.end(FrozenState::Applied, at);
    store(work, seq, &known).await?;
    let by = known.release.as_ref().map_or("", |release| &release.by);
    decided(work, Deed::Spent, hash, by, "").await?;
    Ok(true)
}
