//! The archive: events that ended long ago, with their plans and steps, in a file of their own (`<journal>.archive`).
//!
//! It belongs to the journal. What is in it is told like everything else: `history`, and whether what the audit vouches
//! for is still what it was, read both files. Nothing that is worked on is looked for in it. Its events' ids stay in
//! the journal, so that none of them takes effect again.
//!
//! Invariants: an event stands in the archive, flushed, before it leaves the journal, so that a crash in between leaves it
//! in both, where the journal's counts; whoever reads looks into the journal first and into the archive afterwards, so
//! that what is moved meanwhile is never missed. The newest event stays: its number is not given twice.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use jiff::Timestamp;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode};
use sqlx::{ConnectOptions as _, FromRow, QueryBuilder, Sqlite, SqliteConnection, SqlitePool};

use super::TENANT;
use super::fault::{Attempt, Fault, storage};
use super::file;
use super::lane;
use super::row::{self, AuditRow, EventRow, nanos, signed, text, value};
use super::writer::{Writer, array, begin};
use super::{SqliteJournal, audit};
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Event, EventId, EventKind};
use crate::journal::{Entry, EventState, HistoryQuery, StepRecord};
use crate::person::PersonKey;

/// How many events are moved at once: writers wait for so long.
const SOME: i64 = 100;

/// What its name has behind the journal's.
pub(super) const SUFFIX: &str = ".archive";

/// Marks the file as an archive in its header: "IAMA".
const APPLICATION_ID: i64 = 0x4941_4d41;

const TABLES: &str = "
CREATE TABLE IF NOT EXISTS meta (
    single INTEGER PRIMARY KEY CHECK (single = 1), tenant_id TEXT NOT NULL, schema INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS event (
    id TEXT PRIMARY KEY, seq INTEGER NOT NULL, person TEXT NOT NULL, lane_seq INTEGER NOT NULL,
    due_at INTEGER NOT NULL, not_before INTEGER NOT NULL, state INTEGER NOT NULL, attempts INTEGER NOT NULL,
    why TEXT, event TEXT NOT NULL, plan TEXT
) STRICT;
CREATE INDEX IF NOT EXISTS event_person ON event (person, lane_seq);
CREATE INDEX IF NOT EXISTS event_seq ON event (seq);
CREATE TABLE IF NOT EXISTS step (
    event TEXT NOT NULL, step TEXT NOT NULL, ordinal INTEGER NOT NULL, key TEXT NOT NULL, outcome TEXT,
    settled_at INTEGER, PRIMARY KEY (event, step)
) STRICT, WITHOUT ROWID;
PRAGMA application_id = 0x49414d41";

/// The entries that are in it: a query that ends in its first condition.
pub(super) const ALL: &str = "SELECT id, seq, event, lane_seq, state, attempts, not_before, 0 AS parked, why, plan FROM event WHERE 1 = 1";

/// The archive of a journal, which may not be there yet.
pub(super) struct Archive {
    pub(super) path: PathBuf,
    tenant: String,
    options: SqliteConnectOptions,
    readers: SqlitePool,
    /// Whether something is in it.
    used: AtomicBool,
}

/// An event that is moved.
#[derive(FromRow)]
struct Over {
    id: String,
    seq: i64,
    person: String,
    lane_seq: i64,
    due_at: i64,
    not_before: i64,
    state: i64,
    attempts: i64,
    why: Option<String>,
    event: String,
    plan: Option<String>,
}

/// An event that was moved.
#[derive(FromRow)]
struct Shelved {
    id: String,
    #[sqlx(flatten)]
    row: EventRow,
}

impl Archive {
    /// Of the journal at `path`, opened with `options`.
    pub(super) fn new(path: &Path, tenant: &str, options: &SqliteConnectOptions, used: bool) -> Self {
        let path = file::beside(path, SUFFIX);
        let options = options.clone().filename(&path);
        let readers = file::readers(&options, 2);
        Self {
            path,
            tenant: tenant.to_owned(),
            options,
            readers,
            used: AtomicBool::new(used),
        }
    }

    pub(super) fn is_used(&self) -> bool {
        self.used.load(Ordering::Acquire)
    }

    /// The readers, where there is something to read.
    pub(super) fn readers(&self) -> Attempt<Option<&SqlitePool>> {
        if !self.is_used() {
            return Ok(None);
        }
        if !self.path.exists() {
            return Err(Fault::Refused(self.missing()));
        }
        Ok(Some(&self.readers))
    }

    pub(super) fn missing(&self) -> Error {
        storage(format!(
            "the journal's archive {} is missing, and what ended long ago cannot be told: put it back beside the journal",
            self.path.display()
        ))
    }

    pub(super) async fn close(&self) {
        self.readers.close().await;
    }

    /// Opens it to write, or makes it.
    async fn open(&self) -> Attempt<SqliteConnection> {
        let tenant = &self.tenant;
        if self.is_used() && !self.path.exists() {
            return Err(Fault::Refused(self.missing()));
        }
        file::claim_file(&self.path)?;
        let options = self.options.clone().journal_mode(SqliteJournalMode::Wal);
        let mut conn = options.connect().await?;
        let (ours, tables) = file::marks(&mut conn).await?;
        if ours != APPLICATION_ID && tables != 0 {
            return Err(Fault::Refused(storage(format!(
                "{} is not an archive of a journal: move it away",
                self.path.display()
            ))));
        }
        file::close_to_others(&self.path)?;
        let mut tx = begin(&mut conn).await?;
        sqlx::raw_sql(TABLES).execute(&mut *tx).await?;
        sqlx::query("INSERT INTO meta (single, tenant_id, schema) VALUES (1, ?1, 1) ON CONFLICT DO NOTHING")
            .bind(tenant)
            .execute(&mut *tx)
            .await?;
        let (owner, schema): (String, i64) = sqlx::query_as("SELECT tenant_id, schema FROM meta")
            .fetch_one(&mut *tx)
            .await?;
        if !owner.eq_ignore_ascii_case(tenant) || schema != 1 {
            return Err(Fault::Refused(storage(format!(
                "{} is an archive of another tenant or of a newer version: move it away, or upgrade this program",
                self.path.display()
            ))));
        }
        tx.commit().await?;
        Ok(conn)
    }
}

/// Whether an event was moved to the archive.
pub(super) async fn has(conn: &mut SqliteConnection, event: &EventId) -> Attempt<bool> {
    let known: i64 = sqlx::query_scalar("SELECT count(*) FROM archived WHERE tenant = ?1 AND id = ?2")
        .bind(TENANT)
        .bind(event.as_str())
        .fetch_one(conn)
        .await?;
    Ok(known != 0)
}

/// The refusal to change what was moved there.
pub(super) fn over(event: &EventId) -> Fault {
    let message =
        format!("event {event} ended long ago and is in the archive: nothing about it can be changed");
    Fault::Refused(Error::new(ErrorKind::Conflict, message))
}

impl SqliteJournal {
    /// Moves events that ended before `until`, with their plans and steps, to the archive, the file `<journal>.archive`,
    /// so that the journal stays small: gives back how many. [`compact`](Self::compact) then makes the file smaller.
    ///
    /// The archive belongs to the journal: timelines, evidence and the audit tell of what is in it as before, nothing of it takes
    /// effect again, and erasing somebody erases them there as well. It is to be kept beside the journal and backed up with it
    /// ([`backup`](Self::backup) does). What is worked on never waits for it. Events that were set aside stay, and so
    /// do those of whose steps one has an outcome that nobody knows, the audit itself, and what is known of people.
    ///
    /// May be called while workers work; they wait for a hundred events at a time. What was cut off by a crash is moved
    /// the next time.
    ///
    /// # Errors
    /// [`ErrorKind::Storage`], also where the archive is missing that there was.
    pub async fn archive(&self, until: Timestamp) -> Result<u64> {
        let (mut after, mut moved) = (0, 0);
        loop {
            let some = async {
                let mut writer = self.writer().await?;
                let moving = writer.shelve(after, until).await;
                if moving.is_err() {
                    writer.shelf = None;
                }
                writer.told("move events to the archive", moving)
            };
            let (last, some) = some.await?;
            moved += some;
            let Some(last) = last else { return Ok(moved) };
            after = last;
            // Whoever stands in line comes first.
            tokio::task::yield_now().await;
        }
    }

    /// Gives the room that was freed in the file back to the disk. Writers wait for as long as it takes to write the file
    /// anew (a second for some hundred megabytes), and as much room is needed meanwhile.
    ///
    /// # Errors
    /// [`ErrorKind::Storage`].
    pub async fn compact(&self) -> Result<()> {
        let mut writer = self.writer().await?;
        let compacted = writer.compact().await;
        writer.told("compact the journal", compacted)
    }

    /// What the archive knows of it, beside what the journal has told: place and entry.
    pub(super) async fn shelved(
        &self,
        query: &HistoryQuery,
        limit: i64,
        told: &HashSet<String>,
    ) -> Attempt<Vec<(i64, Entry)>> {
        let may_be_there = !matches!(query.state, Some(EventState::Pending | EventState::Dead));
        let Some(readers) = self.0.archive.readers()?.filter(|_| may_be_there) else {
            return Ok(Vec::new());
        };
        let mut sql: QueryBuilder<Sqlite> = QueryBuilder::new(ALL);
        lane::narrowed(&mut sql, query);
        // Some of them may have been told already: as many more.
        let limit = if limit < 0 {
            limit
        } else {
            limit.saturating_add(signed(told.len()))
        };
        sql.push(" LIMIT ").push_bind(limit);
        taken_down(readers, sql, query.person.is_some(), told).await
    }

    /// Puts what the audit vouches for to the entries whose events are in the archive.
    pub(super) async fn vouched(&self, rows: &mut [AuditRow]) -> Attempt<()> {
        let Some(readers) = self.0.archive.readers()? else {
            return Ok(());
        };
        let ids: Vec<&str> = rows.iter().filter_map(AuditRow::seeks).collect();
        if ids.is_empty() {
            return Ok(());
        }
        let ids = text("ids", "a query", &ids)?;
        let found: Vec<(String, String, String)> = sqlx::query_as(
            "SELECT id, event, person FROM event WHERE id IN (SELECT value FROM json_each(?1))",
        )
        .bind(&ids)
        .fetch_all(readers)
        .await?;
        let people: Vec<&str> = found.iter().map(|(_, _, person)| person.as_str()).collect();
        let salts: Vec<(String, String)> = sqlx::query_as(
            "SELECT person, salt FROM pseudonym WHERE tenant = ?1 AND person IN (SELECT value FROM json_each(?2))",
        )
        .bind(TENANT)
        .bind(text("keys", "a query", &people)?)
        .fetch_all(&self.0.readers)
        .await?;
        let salts: HashMap<String, String> = salts.into_iter().collect();
        let found = found.into_iter();
        let found: HashMap<String, (String, Option<String>)> = found
            .map(|(id, event, person)| (id, (event, salts.get(&person).cloned())))
            .collect();
        for row in rows {
            if let Some((event, salt)) = row.seeks().and_then(|id| found.get(id)).cloned() {
                row.found(event, salt);
            }
        }
        Ok(())
    }
}

/// What the query finds in the archive, beside what was told: place (within the lane, or among all) and entry.
pub(super) async fn taken_down(
    readers: &SqlitePool,
    mut sql: QueryBuilder<Sqlite>,
    in_lane: bool,
    told: &HashSet<String>,
) -> Attempt<Vec<(i64, Entry)>> {
    let mut tx = readers.begin().await?;
    let mut rows: Vec<Shelved> = sql.build_query_as().fetch_all(&mut *tx).await?;
    rows.retain(|shelved| !told.contains(&shelved.id));
    let ids: Vec<&str> = rows.iter().map(|shelved| shelved.id.as_str()).collect();
    let mut steps = steps(&mut tx, &text("ids", "a query", &ids)?).await?;
    let entries = rows.into_iter().map(|shelved| {
        let steps = steps.remove(&shelved.id).unwrap_or_default();
        let place = shelved.row.place(in_lane);
        Ok((place, shelved.row.read(steps)?))
    });
    entries.collect()
}

/// The steps of these events, by the events' ids, in the order in which they were first intended.
async fn steps(conn: &mut SqliteConnection, ids: &str) -> Attempt<HashMap<String, Vec<StepRecord>>> {
    let rows = sqlx::query_as(
        "SELECT event, step, key, outcome, settled_at FROM step \
         WHERE event IN (SELECT value FROM json_each(?1)) ORDER BY event, ordinal",
    );
    lane::by_event(rows.bind(ids).fetch_all(conn).await?)
}

impl Writer {
    /// Moves some of the events behind number `after`. The number of the last one that was looked at, if there may be
    /// more, and how many were moved.
    async fn shelve(&mut self, after: i64, until: Timestamp) -> Attempt<(Option<i64>, u64)> {
        let rows: Vec<Over> = sqlx::query_as(
            "SELECT e.id, e.seq, e.person, e.lane_seq, e.due_at, e.not_before, e.state, e.attempts, e.why, e.event, \
                    e.plan FROM event e \
             WHERE e.tenant = ?1 AND e.seq > ?2 AND e.state IN (1, 3) AND e.parked = 0 \
               AND max(e.due_at, e.not_before) < ?3 AND e.seq < (SELECT max(seq) FROM event) \
               AND NOT EXISTS (SELECT 1 FROM step s WHERE s.tenant = ?1 AND s.event = e.seq \
                               AND (s.outcome IS NULL OR s.outcome ->> '$.outcome' = 'unknown' OR s.settled_at >= ?3)) \
             ORDER BY e.seq LIMIT ?4",
        )
        .bind(TENANT)
        .bind(after)
        .bind(nanos(until))
        .bind(SOME)
        .fetch_all(&mut self.conn)
        .await?;
        let last = (signed(rows.len()) == SOME)
            .then(|| rows.last().map(|row| row.seq))
            .flatten();
        let mut moved = Vec::with_capacity(rows.len());
        let mut digests = Vec::with_capacity(rows.len());
        for over in rows {
            let event: Event = value("event", &over.id, &over.event)?;
            // A timer that was replaced may be set again.
            if row::state(over.state) != EventState::Superseded
                || !matches!(event.kind, EventKind::Due { .. })
            {
                digests.push(row::digest_of(&event)?);
                moved.push(over);
            }
        }
        if moved.is_empty() {
            return Ok((last, 0));
        }
        self.put_away(&moved).await?;
        let seqs = array(moved.iter().map(|over| over.seq));
        let mut tx = begin(&mut self.conn).await?;
        for (over, digest) in moved.iter().zip(digests) {
            sqlx::query("INSERT INTO archived (tenant, id, person, digest) VALUES (?1, ?2, ?3, ?4)")
                .bind(TENANT)
                .bind(&over.id)
                .bind(&over.person)
                .bind(digest)
                .execute(&mut *tx)
                .await?;
        }
        for statement in [
            "DELETE FROM step WHERE tenant = ?1 AND event IN (SELECT value FROM json_each(?2))",
            "DELETE FROM ask WHERE tenant = ?1 AND event IN (SELECT value FROM json_each(?2))",
            "DELETE FROM event WHERE tenant = ?1 AND seq IN (SELECT value FROM json_each(?2))",
        ] {
            sqlx::query(statement)
                .bind(TENANT)
                .bind(&seqs)
                .execute(&mut *tx)
                .await?;
        }
        tx.commit().await?;
        Ok((last, moved.len() as u64))
    }

    /// The connection to the archive.
    async fn shelf(&mut self) -> Attempt<&mut SqliteConnection> {
        let conn = match self.shelf.take() {
            Some(conn) => conn,
            None => self.archive.open().await?,
        };
        Ok(self.shelf.insert(conn))
    }

    /// Writes events to the archive, flushed. What stands there under one of these ids is older.
    async fn put_away(&mut self, events: &[Over]) -> Attempt<()> {
        type Row = (i64, String, i64, String, Option<String>, Option<i64>);
        let seqs = array(events.iter().map(|over| over.seq));
        let steps: Vec<Row> = sqlx::query_as(
            "SELECT event, step, ordinal, key, outcome, settled_at FROM step \
             WHERE tenant = ?1 AND event IN (SELECT value FROM json_each(?2))",
        )
        .bind(TENANT)
        .bind(seqs)
        .fetch_all(&mut self.conn)
        .await?;
        let ids: HashMap<i64, &str> = events.iter().map(|over| (over.seq, over.id.as_str())).collect();
        let archive = Arc::clone(&self.archive);
        let mut tx = begin(self.shelf().await?).await?;
        for over in events {
            sqlx::query("DELETE FROM step WHERE event = ?1")
                .bind(&over.id)
                .execute(&mut *tx)
                .await?;
            sqlx::query(
                "INSERT OR REPLACE INTO event (id, seq, person, lane_seq, due_at, not_before, state, attempts, why, \
                 event, plan) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            )
            .bind(&over.id)
            .bind(over.seq)
            .bind(&over.person)
            .bind(over.lane_seq)
            .bind(over.due_at)
            .bind(over.not_before)
            .bind(over.state)
            .bind(over.attempts)
            .bind(&over.why)
            .bind(&over.event)
            .bind(&over.plan)
            .execute(&mut *tx)
            .await?;
        }
        for (event, step, ordinal, key, outcome, settled_at) in steps {
            let id = ids.get(&event).ok_or(sqlx::Error::RowNotFound)?;
            sqlx::query(
                "INSERT INTO step (event, step, ordinal, key, outcome, settled_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )
            .bind(*id)
            .bind(step)
            .bind(ordinal)
            .bind(key)
            .bind(outcome)
            .bind(settled_at)
            .execute(&mut *tx)
            .await?;
        }
        tx.commit().await?;
        archive.used.store(true, Ordering::Release);
        Ok(())
    }

    /// Destroys what the archive knows of somebody, who is called `nobody` from then on.
    pub(super) async fn forget_shelved(&mut self, person: &PersonKey, nobody: &PersonKey) -> Attempt<()> {
        if !self.archive.is_used() {
            return Ok(());
        }
        let conn = self.shelf().await?;
        let mut tx = begin(conn).await?;
        let rows: Vec<(String, String)> = sqlx::query_as("SELECT id, event FROM event WHERE person = ?1")
            .bind(person.as_str())
            .fetch_all(&mut *tx)
            .await?;
        for (id, event) in rows {
            let event = audit::without(&event, nobody)?;
            sqlx::query("DELETE FROM step WHERE event = ?1")
                .bind(&id)
                .execute(&mut *tx)
                .await?;
            sqlx::query("UPDATE event SET person = ?2, event = ?3, plan = NULL, why = NULL WHERE id = ?1")
                .bind(&id)
                .bind(nobody.as_str())
                .bind(event)
                .execute(&mut *tx)
                .await?;
        }
        tx.commit().await?;
        // What was overwritten still stands in the write-ahead log.
        sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)")
            .execute(conn)
            .await?;
        Ok(())
    }

    async fn compact(&mut self) -> Attempt<()> {
        for statement in ["VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)"] {
            sqlx::query(statement).execute(&mut self.conn).await?;
        }
        Ok(())
    }
}
