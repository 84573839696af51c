//! [`Work`]: one transaction, from `BEGIN` to the audit entries that are its last writes.
//!
//! *How its statements are written.* A planner that has no statistics takes a tenant for one of two hundred, and a table of
//! which it asks for a tenant for a row or two: it reads that before it looks ten keys up one by one. What it has decided
//! while the tables were small is kept until somebody looks at them. So each statement leaves it nothing to decide:
//! - What is looked up for several keys stands in `CROSS JOIN LATERAL (… OFFSET 0)`, which is done key by key.
//! - What is changed for several keys says `key = ANY (…)`, and its index begins with the key.
//! - An index serves those that spell its columns: `tenant = $1 AND person = …` finds events and lanes of a person,
//!   `tenant + 0 = $1 AND id = …` an event by its id, and `tenant - $1 = 0`, which no index serves, stands beside
//!   `seq = …`. Pending is `state = 0` beside a person, `state + 0 = 0` or `state - 0 = 0` where a whole tenant is meant, `state < 1` elsewhere.

use std::collections::HashMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::{Query, QueryAs, QueryScalar};
use sqlx::{FromRow, PgConnection, PgPool, Postgres, SqlSafeStr as _, Transaction};

use super::audit;
use super::fault::{Attempt, of_commit};
use crate::journal::audit::{AuditEntry, Checkpoint, Note};

/// How transactions of one journal begin.
#[derive(Debug)]
pub(super) struct Start {
    /// `BEGIN` with what holds for this transaction only: a pooler gives each one another session.
    pub(super) writing: String,
    /// The same for looks: one moment, whatever is written meanwhile.
    pub(super) looking: String,
    /// Whether statements may be kept under a name for the next time.
    pub(super) named: bool,
    /// The tenant's number.
    pub(super) tenant: i64,
    /// How far this process knows the journal to have come.
    pub(super) reached: Mutex<Reached>,
    /// Whether nobody else has written to the audit since this process did.
    pub(super) alone: AtomicBool,
    /// One transaction of this process at a time puts entries behind the last one, and commits.
    pub(super) chaining: tokio::sync::Mutex<()>,
}

/// The epoch, and the end of the audit after the latest commit of this process.
#[derive(Debug, Clone, Default)]
pub(super) struct Reached {
    pub(super) epoch: String,
    pub(super) end: Checkpoint,
}

impl Start {
    pub(super) fn reached(&self) -> MutexGuard<'_, Reached> {
        self.reached.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One transaction of one tenant. `$1` of every statement is the tenant.
pub(super) struct Work {
    tx: Transaction<'static, Postgres>,
    start: Arc<Start>,
    notes: Vec<AuditEntry>,
    /// Salts that were read or made in this transaction.
    pub(super) salts: HashMap<String, String>,
}

impl Work {
    /// Begins to write.
    pub(super) async fn write(pool: &PgPool, start: &Arc<Start>) -> Attempt<Self> {
        Self::begin(pool, start, &start.writing).await
    }

    /// Begins to write, and gives up where a lock is not free within a moment.
    pub(super) async fn hasty(pool: &PgPool, start: &Arc<Start>) -> Attempt<Self> {
        let begin = format!("{}; SET LOCAL lock_timeout TO '250ms'", start.writing);
        Self::begin(pool, start, &begin).await
    }

    /// Begins to look.
    pub(super) async fn look(pool: &PgPool, start: &Arc<Start>) -> Attempt<Self> {
        Self::begin(pool, start, &start.looking).await
    }

    async fn begin(pool: &PgPool, start: &Arc<Start>, begin: &str) -> Attempt<Self> {
        let begin = sqlx::AssertSqlSafe(begin.to_owned()).into_sql_str();
        Ok(Self {
            tx: pool.begin_with(begin).await?,
            start: start.clone(),
            notes: Vec::new(),
            salts: HashMap::new(),
        })
    }

    /// The connection, for running what the next three make.
    pub(super) fn conn(&mut self) -> &mut PgConnection {
        &mut self.tx
    }

    /// A statement; `$1` is bound.
    pub(super) fn query<'q>(&self, sql: &'static str) -> Query<'q, Postgres, PgArguments> {
        sqlx::query(sql)
            .persistent(self.start.named)
            .bind(self.start.tenant)
    }

    /// A statement that answers with rows.
    pub(super) fn rows<'q, T>(&self, sql: &'static str) -> QueryAs<'q, Postgres, T, PgArguments>
    where
        T: for<'r> FromRow<'r, PgRow>,
    {
        sqlx::query_as(sql)
            .persistent(self.start.named)
            .bind(self.start.tenant)
    }

    /// A statement that answers with one column.
    pub(super) fn column<'q, T>(&self, sql: &'static str) -> QueryScalar<'q, Postgres, T, PgArguments>
    where
        (T,): for<'r> FromRow<'r, PgRow>,
    {
        sqlx::query_scalar(sql)
            .persistent(self.start.named)
            .bind(self.start.tenant)
    }

    /// Notes what this transaction does.
    pub(super) async fn note(&mut self, note: Note<'_>) -> Attempt<()> {
        self.note_all(vec![note]).await
    }

    /// Notes several things, in order.
    pub(super) async fn note_all(&mut self, notes: Vec<Note<'_>>) -> Attempt<()> {
        let entries = audit::entries_of(self, notes).await?;
        self.notes.extend(entries);
        Ok(())
    }

    /// What this process knows of the journal does not count any more: it is as it is found.
    pub(super) fn adopts(&self, epoch: String, end: Checkpoint) {
        *self.start.reached() = Reached { epoch, end };
    }

    /// Ends it without a trace, at once: what it had locked is free when this returns.
    pub(super) async fn give_up(self) {
        // Where that fails, so has the connection, and the server gives up on its own.
        let _ = self.tx.rollback().await;
    }

    /// Ends it. The end of the audit's chain is what everybody writes: it is locked last, and until the commit.
    pub(super) async fn commit(mut self) -> Attempt<()> {
        let notes = std::mem::take(&mut self.notes);
        let start = self.start.clone();
        let turn = if notes.is_empty() {
            None
        } else {
            Some(start.chaining.lock().await)
        };
        let end = audit::chain(&mut self, notes, &start).await?;
        self.tx.commit().await.map_err(of_commit)?;
        if let Some(end) = end {
            let mut reached = start.reached();
            if reached.end.sequence < end.sequence {
                reached.end = end;
            }
        }
        drop(turn);
        Ok(())
    }
}
