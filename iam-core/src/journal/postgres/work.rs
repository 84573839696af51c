//! [`Work`]: one transaction, from `BEGIN` to the audit entries that are its last writes.

use std::collections::HashMap;

use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::{Query, QueryAs, QueryScalar};
use sqlx::{FromRow, PgConnection, PgPool, Postgres, SqlSafeStr as _, Transaction};

use super::audit;
use super::fault::{Attempt, of_commit};
use crate::journal::audit::{AuditEntry, Note};

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
}

/// One transaction of one tenant. `$1` of every statement is the tenant.
pub(super) struct Work {
    tx: Transaction<'static, Postgres>,
    named: bool,
    pub(super) tenant: i64,
    notes: Vec<AuditEntry>,
    /// Salts that were read or made in this transaction.
    pub(super) salts: HashMap<String, String>,
}

impl Work {
    /// Begins to write.
    pub(super) async fn write(pool: &PgPool, start: &Start) -> Attempt<Self> {
        Self::begin(pool, start, &start.writing).await
    }

    /// Begins to look.
    pub(super) async fn look(pool: &PgPool, start: &Start) -> Attempt<Self> {
        Self::begin(pool, start, &start.looking).await
    }

    async fn begin(pool: &PgPool, start: &Start, begin: &str) -> Attempt<Self> {
        let begin = sqlx::AssertSqlSafe(begin.to_owned()).into_sql_str();
        Ok(Self {
            tx: pool.begin_with(begin).await?,
            named: start.named,
            tenant: start.tenant,
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
        sqlx::query(sql).persistent(self.named).bind(self.tenant)
    }

    /// A statement that answers with rows.
    pub(super) fn rows<'q, T>(&self, sql: &'static str) -> QueryAs<'q, Postgres, T, PgArguments>
    where
        T: for<'r> FromRow<'r, PgRow>,
    {
        sqlx::query_as(sql).persistent(self.named).bind(self.tenant)
    }

    /// A statement that answers with one column.
    pub(super) fn column<'q, T>(&self, sql: &'static str) -> QueryScalar<'q, Postgres, T, PgArguments>
    where
        (T,): for<'r> FromRow<'r, PgRow>,
    {
        sqlx::query_scalar(sql).persistent(self.named).bind(self.tenant)
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

    /// Ends it without a trace, at once: what it had locked is free when this returns.
    pub(super) async fn give_up(self) {
        // Where that fails, so has the connection, and the server gives up on its own.
        let _ = self.tx.rollback().await;
    }

    /// Ends it. The end of the audit's chain is what everybody writes: it is locked last, and until the commit.
    pub(super) async fn commit(mut self) -> Attempt<()> {
        let notes = std::mem::take(&mut self.notes);
        audit::chain(&mut self, notes).await?;
        self.tx.commit().await.map_err(of_commit)
    }
}
