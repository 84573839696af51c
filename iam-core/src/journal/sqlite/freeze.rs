//! Frozen plans in the file: the open one is found by its index, the others are history.

use jiff::Timestamp;
use sqlx::{Sqlite, SqlitePool, Transaction};

use super::TENANT;
use super::audit;
use super::fault::{Attempt, Fault};
use super::row::{text, value};
use super::writer::{Writer, begin};
use crate::journal::audit::Deed;
use crate::journal::freeze::unknown;
use crate::journal::{Frozen, FrozenState, Release};

/// All of them, in the order in which they were frozen.
pub(super) async fn all(readers: &SqlitePool) -> Attempt<Vec<Frozen>> {
    let rows: Vec<(i64, String)> =
        sqlx::query_as("SELECT seq, plan FROM frozen WHERE tenant = ?1 ORDER BY seq")
            .bind(TENANT)
            .fetch_all(readers)
            .await?;
    let plans = rows.iter().map(|(seq, plan)| read(*seq, plan));
    plans.collect()
}

fn read(seq: i64, plan: &str) -> Attempt<Frozen> {
    value("frozen plan", &format!("row {seq}"), plan)
}

async fn open(tx: &mut Transaction<'_, Sqlite>) -> Attempt<Option<(i64, Frozen)>> {
    let row: Option<(i64, String)> =
        sqlx::query_as("SELECT seq, plan FROM frozen WHERE tenant = ?1 AND open = 1")
            .bind(TENANT)
            .fetch_optional(&mut **tx)
            .await?;
    row.map(|(seq, plan)| Ok((seq, read(seq, &plan)?))).transpose()
}

async fn store(tx: &mut Transaction<'_, Sqlite>, seq: i64, plan: &Frozen) -> Attempt<()> {
    sqlx::query("UPDATE frozen SET open = ?3, plan = ?4 WHERE tenant = ?1 AND seq = ?2")
        .bind(TENANT)
        .bind(seq)
        .bind(plan.is_open())
        .bind(text("frozen plan", &plan.hash, plan)?)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

impl Writer {
    pub(super) async fn freeze(&mut self, plan: &Frozen) -> Attempt<()> {
        let mut tx = begin(&mut self.conn).await?;
        if let Some((seq, mut known)) = open(&mut tx).await? {
            if known.hash == plan.hash {
                return Ok(());
            }
            known.end(FrozenState::Superseded, plan.planned_at);
            store(&mut tx, seq, &known).await?;
        }
        sqlx::query("INSERT INTO frozen (tenant, open, plan) VALUES (?1, ?2, ?3)")
            .bind(TENANT)
            .bind(plan.is_open())
            .bind(text("frozen plan", &plan.hash, plan)?)
            .execute(&mut *tx)
            .await?;
        audit::decided(
            &mut tx,
            Deed::Frozen,
            &plan.hash,
            &plan.planned_by,
            &plan.trips.join("; "),
        )
        .await?;
        Ok(tx.commit().await?)
    }

    pub(super) async fn release_frozen(&mut self, hash: &str, release: &Release) -> Attempt<()> {
        let mut tx = begin(&mut self.conn).await?;
        let known = open(&mut tx).await?.filter(|(_, known)| known.hash == hash);
        let (seq, mut known) = known.ok_or_else(|| Fault::Refused(unknown(hash)))?;
        known.released(release).map_err(Fault::Refused)?;
        store(&mut tx, seq, &known).await?;
        audit::decided(&mut tx, Deed::Released, hash, &release.by, &release.reason).await?;
        Ok(tx.commit().await?)
    }

    pub(super) async fn spend(&mut self, hash: &str, at: Timestamp) -> Attempt<bool> {
        let mut tx = begin(&mut self.conn).await?;
        let known = open(&mut tx).await?;
        let known = known.filter(|(_, known)| known.hash == hash && known.state == FrozenState::Released);
        let Some((seq, mut known)) = known else {
            return Ok(false);
        };
        known.end(FrozenState::Applied, at);
        store(&mut tx, seq, &known).await?;
        let by = known.release.as_ref().map_or("", |release| &release.by);
        audit::decided(&mut tx, Deed::Spent, hash, by, "").await?;
        tx.commit().await?;
        Ok(true)
    }
}
