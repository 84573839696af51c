//! [`SqliteJournal`]: the embedded, durable journal in one file. No server, one process.
//!
//! *Durable*: write-ahead log with `synchronous = FULL`, so `append` returns after the data has reached the
//! disk (sqlite.org, "PRAGMA synchronous"). Every write is one `BEGIN IMMEDIATE` transaction of the one
//! connection that writes, which writes that come at the same time share; reading has connections of its own and never waits for it.
//!
//! *One process*: a lock on `<file>.lock` is held for as long as the journal is open. Leases can therefore
//! run on this process's monotonic clock, in memory: a lane that a dead process had claimed is free as soon
//! as the next one opens the file, because the lock proves that the holder is gone, and its fence is refused.
//!
//! *A million future events cost nothing*: there is no column that repeats a lane's head and could be wrong.
//! Partial indexes hold the pending events only, ordered by (due instant, order of appending); a claim walks
//! them from the oldest and stops at `now` or at its `max`. An event is the head if no pending event of its
//! lane stands before it, which is one look into an index per candidate. Only due events that must wait
//! (for their next attempt, behind a parked one) are walked over again and again.
//!
//! A file of another tenant, of another program or of a newer version is refused, with advice.
//!
//! Size: one short method for each of the port's, which stand in one `impl`.

mod admission;
mod archive;
mod audit;
mod backup;
mod budget;
mod exchange;
mod fault;
mod file;
mod freeze;
mod group;
mod health;
mod lane;
mod stage;
mod survey;
mod together;
mod writer;

#[cfg(test)]
#[cfg(feature = "testing")]
pub(super) mod tests;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::{QueryBuilder, Sqlite, SqlitePool};
use tokio::sync::{Mutex, Notify, OwnedMappedMutexGuard, OwnedMutexGuard};

use self::archive::Archive;
use self::fault::{Attempt, Fault, closed};
use self::group::{Ticket, Turn};
use self::writer::{Writer, array};
use super::audit::{AuditEntry, Checkpoint, Kept};
use super::convoy::{Convoy, repeated};
use super::restore;
use super::row::{self, AuditRow, EventRow, instant, optional, signed, value};
use super::write::{Carried, Write};
use super::{
    Answer, Appended, Ask, Asks, Claim, DeliveryId, Draw, Drawn, Entry, Finding, Frozen, HistoryQuery,
    Journal, Lane, Outcome, PersonState, Quarantined, Release, Released, Report, Reservation, Row, Staged,
    Stalled, StepStart, Waiting,
};
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Accepted, Event, EventId};
use crate::person::PersonKey;
use crate::plan::{IdempotencyKey, Plan, StepId};

/// The tenant's number in its own file.
const TENANT: i64 = 1;

/// A journal in an SQLite file. Clones share it.
#[derive(Clone)]
pub struct SqliteJournal(Arc<Inner>);

struct Inner {
    path: PathBuf,
    worker: String,
    /// Rings when something may have become due.
    bell: Notify,
    readers: SqlitePool,
    archive: Arc<Archive>,
    /// Whether what ends is moved to the archive at once.
    #[cfg(test)]
    hasty: std::sync::atomic::AtomicBool,
    /// `None` once it is closed.
    writer: Arc<Mutex<Option<Writer>>>,
    /// What claims' holders write.
    convoy: Arc<Convoy<Write>>,
}

impl fmt::Debug for SqliteJournal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SqliteJournal({})", self.0.path.display())
    }
}

/// One write in a transaction of its own: waits for its turn, does it, and tells the outcome.
macro_rules! write {
    ($journal:ident, $operation:literal, |$writer:ident| $work:expr) => {{
        let mut $writer = $journal.writer().await?;
        let answer = $work;
        $writer.told($operation, answer)
    }};
}

/// One write in a transaction that others may share: its work begins none.
macro_rules! share {
    ($journal:ident, $operation:literal, |$writer:ident| $work:expr) => {{
        let (answer, ticket) = {
            let mut $writer = $journal.shared().await?;
            $writer.enter($operation).await?;
            let answer = $work;
            $writer.leave($operation, answer).await?
        };
        $journal.committed(ticket).await?;
        Ok(answer)
    }};
}

/// A shared write by which something may become due.
macro_rules! ring {
    ($journal:ident, $operation:literal, |$writer:ident| $work:expr) => {{
        let answer = async { share!($journal, $operation, |$writer| $work) }.await;
        $journal.0.bell.notify_waiters();
        answer
    }};
}

/// One look, on a connection of its own.
macro_rules! read {
    ($journal:ident, $operation:literal, |$conn:ident| $work:expr) => {{
        let read = async {
            let mut conn = $journal.0.readers.acquire().await?;
            let $conn = &mut *conn;
            $work
        };
        read.await.map_err(|fault: Fault| fault.during($operation))
    }};
}

impl SqliteJournal {
    /// Opens the journal of `tenant` (the directory's id) at `path`, or creates it, readable by its owner
    /// only (mode 0600). The folder must exist, on a local disk.
    ///
    /// # Errors
    /// [`ErrorKind::Storage`], saying what to do, when the file is in use, belongs to another tenant or another
    /// program, was written by a newer version, or cannot be opened; [`ErrorKind::Invalid`] for an empty tenant.
    pub async fn open(path: impl AsRef<Path>, tenant: &str) -> Result<Self> {
        Self::open_at(path.as_ref(), named(tenant)?, &Checkpoint::default()).await
    }

    async fn open_at(path: &Path, tenant: &str, after: &Checkpoint) -> Result<Self> {
        let opened = file::open(path, tenant, after).await?;
        let archive = Archive::new(&opened.path, tenant, &opened.options, opened.archived);
        let archive = Arc::new(archive);
        let writer = Writer::new(opened.conn, opened.options, archive.clone(), opened.lock);
        Ok(Self(Arc::new(Inner {
            path: opened.path,
            archive,
            #[cfg(test)]
            hasty: std::sync::atomic::AtomicBool::new(false),
            worker: uuid::Uuid::new_v4().to_string(),
            bell: Notify::new(),
            readers: opened.readers,
            writer: Arc::new(Mutex::new(Some(writer))),
            convoy: Arc::new(Convoy::new(together::MOST)),
        })))
    }

    /// Opens it as [`open`](Self::open) does, and refuses a file that went back in time: restored from a backup that is
    /// older than `checkpoint`, the end of the audit ([`audit_head`](Journal::audit_head)) as it was kept elsewhere.
    ///
    /// # Errors
    /// As [`open`](Self::open); [`ErrorKind::Storage`] with the reason `gone_back`, and nothing is changed.
    pub async fn open_after(path: impl AsRef<Path>, tenant: &str, checkpoint: &Checkpoint) -> Result<Self> {
        Self::open_at(path.as_ref(), named(tenant)?, checkpoint).await
    }

    /// Goes on with a file that was restored: notes in the audit who decided so and why, and begins a new epoch. Gives
    /// back the end of the audit, to be kept elsewhere.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] without a name or a reason; [`ErrorKind::Storage`].
    pub async fn adopt(&self, by: &str, reason: &str) -> Result<Checkpoint> {
        let nobody = restore::decided(by, reason)?;
        let adopted = async {
            share!(self, "adopt the journal", |writer| {
                writer.adopt(&nobody, by, reason).await
            })
        };
        adopted.await?;
        self.audit_head().await
    }

    /// Closes the file for all clones: waits for running work, moves the write-ahead log into the database
    /// and frees the lock. Dropping the last clone is safe as well; the next opening catches up.
    pub async fn close(&self) -> Result<()> {
        let Some(mut writer) = group::end(self.turn().await).await?.take() else {
            return Ok(());
        };
        self.0.readers.close().await;
        self.0.archive.close().await;
        let checkpoint = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)")
            .execute(&mut writer.conn)
            .await;
        let closed = writer.close().await;
        checkpoint
            .map(drop)
            .and(closed)
            .map_err(|error| Fault::Sql(error).during("close the journal"))
    }

    async fn turn(&self) -> Turn {
        self.0.writer.clone().lock_owned().await
    }

    /// The writer, for a write that shares the open transaction.
    async fn shared(&self) -> Result<OwnedMappedMutexGuard<Option<Writer>, Writer>> {
        let mut turn = self.turn().await;
        if turn.as_ref().is_some_and(Writer::is_full) {
            turn = group::end(turn).await?;
        }
        let writer = OwnedMutexGuard::try_map(turn, Option::as_mut);
        let mut writer = writer.map_err(|_| closed())?;
        writer.repair().await?;
        Ok(writer)
    }

    /// The writer, for a write in a transaction of its own.
    async fn writer(&self) -> Result<OwnedMappedMutexGuard<Option<Writer>, Writer>> {
        let turn = group::end(self.turn().await).await?;
        let writer = OwnedMutexGuard::try_map(turn, Option::as_mut);
        let mut writer = writer.map_err(|_| closed())?;
        writer.repair().await?;
        Ok(writer)
    }

    /// Waits until what was written stands, and commits it for all who wait when it is one's turn.
    async fn committed(&self, mut ticket: Ticket) -> Result<()> {
        let turn = tokio::select! {
            biased;
            ending = ticket.ended() => return ending,
            turn = self.turn() => turn,
        };
        if ticket.ending().is_none() {
            drop(group::end(turn).await?);
        }
        ticket.ending().unwrap_or_else(|| Err(closed()))
    }

    /// Writes what a claim's holder has to write, with whatever else there is to write just now; nothing where it is to
    /// be written by itself.
    async fn together(&self, write: Attempt<Write>) -> Result<Option<Option<StepStart>>> {
        let write = write.map_err(|fault| fault.during("write for a claim"))?;
        if write.is_wide() {
            return Ok(None);
        }
        let journal = self.clone();
        let carry = move |writes| journal.clone().carry(writes);
        Ok(match self.0.convoy.join(write, carry).await? {
            Carried::Done(start) => Some(start),
            Carried::PassedOver(_) => None,
        })
    }

    /// Writes together what came together.
    async fn carry(self, writes: Vec<Write>) -> Vec<Result<Carried>> {
        let answers = async { share!(self, "write for claims", |writer| writer.together(&writes).await) };
        let answers: Result<Vec<Option<Option<StepStart>>>> = answers.await;
        match answers {
            Ok(answers) => {
                let answered = writes.into_iter().zip(answers);
                let answered = answered.map(|(write, answer)| match answer {
                    Some(start) => Ok(Carried::Done(start)),
                    None => Ok(Carried::PassedOver(write)),
                });
                answered.collect()
            }
            Err(error) => {
                let error = Arc::new(error);
                let told = |write: &Write| Err(repeated(&error).with_operation(write.operation()));
                writes.iter().map(told).collect()
            }
        }
    }

    async fn read_accepted(&self, keys: &[PersonKey]) -> Attempt<Vec<Option<Accepted>>> {
        let keys = row::text("keys", "a query", &keys)?;
        let rows: Vec<AcceptedRow> = sqlx::query_as(
            "SELECT k.value, p.version, p.record, p.news FROM json_each(?2) k \
             LEFT JOIN person p ON p.tenant = ?1 AND p.person = k.value ORDER BY k.key",
        )
        .bind(TENANT)
        .bind(keys)
        .fetch_all(&self.0.readers)
        .await?;
        let accepted = rows.iter().map(|(person, version, record, news)| {
            let version = version.unwrap_or_default();
            row::accepted(person, version, record.as_ref(), news.as_ref())
        });
        accepted.collect()
    }

    async fn read_history(&self, query: &HistoryQuery) -> Attempt<Vec<Entry>> {
        // Written out, so that the partial indexes of the states apply.
        let mut sql: QueryBuilder<Sqlite> = QueryBuilder::new(
            "SELECT seq, event, lane_seq, state, attempts, not_before, parked, why, plan FROM event \
             WHERE tenant = 1",
        );
        lane::narrowed(&mut sql, query);
        let limit = if query.limit == 0 { -1 } else { signed(query.limit) };
        sql.push(" LIMIT ").push_bind(limit);
        let in_lane = query.person.is_some();
        let mut tx = self.0.readers.begin().await?;
        let rows: Vec<EventRow> = sql.build_query_as().fetch_all(&mut *tx).await?;
        let mut steps = lane::steps(&mut tx, &array(rows.iter().map(|row| row.seq))).await?;
        tx.rollback().await?;
        let entries = rows.into_iter().map(|row| {
            let steps = steps.remove(&row.seq).unwrap_or_default();
            Ok((row.place(in_lane), row.read(steps)?))
        });
        let mut entries = entries.collect::<Attempt<Vec<(i64, Entry)>>>()?;
        // What is moved meanwhile was told already.
        let told = entries
            .iter()
            .map(|(_, entry)| entry.event.id.as_str().to_owned());
        let shelved = self.shelved(query, limit, &told.collect()).await?;
        if !shelved.is_empty() {
            entries.extend(shelved);
            entries.sort_by_key(|(place, _)| *place);
            entries.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        }
        Ok(entries.into_iter().map(|(_, entry)| entry).collect())
    }
}

/// The tenant's id, which must not be empty.
fn named(tenant: &str) -> Result<&str> {
    let tenant = tenant.trim();
    if tenant.is_empty() {
        let message = "the tenant id is empty: a journal belongs to one tenant";
        return Err(Error::new(ErrorKind::Invalid, message));
    }
    Ok(tenant)
}

/// Person, version, record, news.
type AcceptedRow = (String, Option<i64>, Option<String>, Option<String>);

#[cfg(feature = "testing")]
impl SqliteJournal {
    /// For tests: the file cannot grow any more (`PRAGMA max_page_count`), as on a full disk. Opening it again ends that.
    pub async fn fill_disk(&self) -> Result<()> {
        write!(self, "fill the disk", |writer| writer.fill_disk().await)
    }
}

#[async_trait]
impl Journal for SqliteJournal {
    async fn append(&self, batch: &[Event]) -> Result<Vec<Appended>> {
        ring!(self, "append events", |writer| writer.append(batch).await)
    }

    async fn accepted(&self, keys: &[PersonKey]) -> Result<Vec<Option<Accepted>>> {
        let accepted = self.read_accepted(keys).await;
        accepted.map_err(|fault| fault.during("read accepted records"))
    }

    async fn claim(&self, max: usize, now: Timestamp, lease: Duration) -> Result<Vec<Claim>> {
        share!(self, "claim lanes", |writer| writer.claim(max, now, lease).await)
    }

    async fn heartbeat(&self, claim: &Claim, lease: Duration) -> Result<()> {
        let mut writer = self.shared().await?;
        let held = writer.heartbeat(claim, lease);
        held.map_err(|fault| fault.during("extend a lease"))
    }

    async fn plan(&self, claim: &Claim, plan: &Plan) -> Result<()> {
        if self.together(Write::plan(claim, plan)).await?.is_some() {
            return Ok(());
        }
        share!(self, "store a plan", |writer| writer.plan(claim, plan).await)
    }

    async fn intend(&self, claim: &Claim, step: &StepId, key: &IdempotencyKey) -> Result<StepStart> {
        if let Some(start) = self.together(Ok(Write::intend(claim, step, key))).await? {
            return start.ok_or_else(closed);
        }
        share!(self, "intend a step", |writer| writer
            .intend(claim, step, key)
            .await)
    }

    async fn settle(&self, claim: &Claim, step: &StepId, outcome: &Outcome, at: Timestamp) -> Result<()> {
        if self
            .together(Write::settle(claim, step, outcome, at))
            .await?
            .is_some()
        {
            return Ok(());
        }
        share!(self, "settle a step", |writer| writer
            .settle(claim, step, outcome, at)
            .await)
    }

    async fn reserve(&self, name: &str, person: &PersonKey) -> Result<Reservation> {
        share!(self, "reserve a name", |writer| writer
            .reserve(name, person)
            .await)
    }

    async fn complete(&self, claim: &Claim, state: &PersonState, timers: &[Event]) -> Result<()> {
        let completed = async {
            if self
                .together(Write::complete(claim, state, timers))
                .await?
                .is_some()
            {
                self.0.bell.notify_waiters();
                return Ok(());
            }
            ring!(self, "complete an event", |writer| writer
                .complete(claim, state, timers)
                .await)
        };
        let completed = completed.await;
        #[cfg(test)]
        if self.0.hasty.load(std::sync::atomic::Ordering::Relaxed) {
            self.archive(Timestamp::MAX).await?;
        }
        completed
    }

    async fn retry_later(&self, claim: &Claim, state: &PersonState, at: Timestamp, why: &str) -> Result<()> {
        if self
            .together(Write::retry_later(claim, state, at, why))
            .await?
            .is_some()
        {
            return Ok(());
        }
        share!(self, "give a lane back", |writer| writer
            .retry_later(claim, state, at, why)
            .await)
    }

    async fn dead_letter(
        &self,
        claim: &Claim,
        state: &PersonState,
        timers: &[Event],
        why: &str,
        set: Lane,
    ) -> Result<()> {
        if self
            .together(Write::dead_letter(claim, state, timers, why, set))
            .await?
            .is_some()
        {
            self.0.bell.notify_waiters();
            return Ok(());
        }
        ring!(self, "set an event aside", |writer| {
            writer.dead_letter(claim, state, timers, why, set).await
        })
    }

    async fn put_back(&self, claim: &Claim, at: Timestamp, why: &str) -> Result<()> {
        share!(self, "put a lane back", |writer| writer
            .put_back(claim, at, why)
            .await)
    }

    async fn ask(&self, claim: &Claim, ask: &Ask, at: Timestamp) -> Result<()> {
        share!(self, "ask the guard", |writer| writer.ask(claim, ask, at).await)
    }

    async fn asked(&self, event: &EventId) -> Result<Option<Ask>> {
        read!(self, "read what was asked", |conn| admission::asked(conn, event)
            .await)
    }

    async fn asks(&self, now: Timestamp) -> Result<Asks> {
        read!(self, "read what was asked", |conn| admission::asks(conn, now)
            .await)
    }

    async fn answer(&self, answers: &[Answer], at: Timestamp) -> Result<usize> {
        ring!(self, "answer what was asked", |writer| writer
            .answer(answers, at)
            .await)
    }

    async fn skip(&self, event: &EventId, by: &str, reason: &str) -> Result<()> {
        ring!(self, "skip an event", |writer| writer
            .skip(event, by, reason)
            .await)
    }

    async fn resolve(
        &self,
        event: &EventId,
        step: &StepId,
        happened: bool,
        by: &str,
        reason: &str,
    ) -> Result<()> {
        ring!(self, "resolve a step", |writer| {
            writer.resolve(event, step, happened, (by, reason)).await
        })
    }

    async fn waiting(&self, person: &PersonKey, now: Timestamp) -> Result<Waiting> {
        let lease = self.shared().await?.leases.get(person).copied();
        if let Some(lease) = lease.filter(|lease| lease.until > Instant::now()) {
            return read!(self, "read why somebody waits", |conn| {
                admission::claimed(conn, lease, &self.0.worker).await
            });
        }
        read!(self, "read why somebody waits", |conn| {
            admission::waiting(conn, person, now).await
        })
    }

    async fn stalled(&self, now: Timestamp) -> Result<Option<Stalled>> {
        let held = self.shared().await?.held_at(Instant::now());
        read!(self, "read what is stalled", |conn| {
            admission::stalled(conn, &held, now).await
        })
    }

    async fn take_budget(&self, draw: &Draw, now: Timestamp) -> Result<Drawn> {
        write!(self, "draw from a budget", |writer| {
            budget::draw(&mut writer.conn, draw, now).await
        })
    }

    async fn block_target(&self, target: &str, until: Timestamp, now: Timestamp) -> Result<()> {
        write!(self, "block a target", |writer| {
            budget::block(&mut writer.conn, target, until, now).await
        })
    }

    fn worker(&self) -> &str {
        &self.0.worker
    }

    fn is_exclusive(&self) -> bool {
        true // The lock is held.
    }

    async fn hint(&self) {
        self.0.bell.notified().await;
    }

    async fn requeue(&self, event: &EventId, by: &str, reason: &str) -> Result<()> {
        ring!(self, "requeue an event", |writer| writer
            .requeue(event, by, reason)
            .await)
    }

    async fn audit(&self, after: u64, limit: usize) -> Result<Vec<(AuditEntry, Kept)>> {
        let read = async {
            let mut rows = audit::entries(&mut *self.0.readers.acquire().await?, after, limit).await?;
            self.vouched(&mut rows).await?;
            rows.into_iter().map(AuditRow::read).collect::<Attempt<Vec<_>>>()
        };
        read.await.map_err(|fault: Fault| fault.during("read the audit"))
    }

    async fn audit_head(&self) -> Result<Checkpoint> {
        let read = async { audit::head(&mut *self.0.readers.acquire().await?).await };
        read.await
            .map_err(|fault: Fault| fault.during("read the end of the audit"))
    }

    async fn check(&self) -> Result<Vec<Finding>> {
        self.look().await
    }

    async fn pseudonym(&self, person: &PersonKey) -> Result<Option<String>> {
        let read = async { audit::pseudonym(&mut *self.0.readers.acquire().await?, person).await };
        read.await
            .map_err(|fault: Fault| fault.during("read a pseudonym"))
    }

    async fn erase(&self, person: &PersonKey, by: &str, reason: &str) -> Result<()> {
        write!(self, "erase a person", |writer| writer
            .erase(person, by, reason)
            .await)
    }

    async fn person(&self, key: &PersonKey) -> Result<Option<PersonState>> {
        let read = async {
            let state: Option<Option<String>> =
                sqlx::query_scalar("SELECT state FROM person WHERE tenant = ?1 AND person = ?2")
                    .bind(TENANT)
                    .bind(key.as_str())
                    .fetch_optional(&self.0.readers)
                    .await?;
            optional("state", key.as_str(), state.flatten().as_ref())
        };
        read.await.map_err(|fault: Fault| fault.during("read a person"))
    }

    async fn people(&self, after: Option<&PersonKey>, limit: usize) -> Result<Vec<PersonState>> {
        let read = async {
            let rows: Vec<(String, String)> = sqlx::query_as(
                "SELECT person, state FROM person WHERE tenant = ?1 AND state IS NOT NULL \
                 AND (?2 IS NULL OR person > ?2) ORDER BY person LIMIT ?3",
            )
            .bind(TENANT)
            .bind(after.map(PersonKey::as_str))
            .bind(signed(limit))
            .fetch_all(&self.0.readers)
            .await?;
            let states = rows.iter().map(|(person, state)| value("state", person, state));
            states.collect::<Attempt<_>>()
        };
        read.await.map_err(|fault| fault.during("read people"))
    }

    async fn reports_of(&self, manager: &PersonKey) -> Result<Vec<Report>> {
        let reports: Result<Vec<(String, bool)>, _> = sqlx::query_as(
            "SELECT person, waits FROM person WHERE tenant = ?1 AND manager = ?2 ORDER BY person",
        )
        .bind(TENANT)
        .bind(manager.as_str())
        .fetch_all(&self.0.readers)
        .await;
        let reports = reports.map_err(|error| Fault::Sql(error).during("read who reports to a manager"))?;
        let report = |(person, waits): (String, bool)| Report {
            person: PersonKey::new(person),
            waits,
        };
        Ok(reports.into_iter().map(report).collect())
    }

    async fn holder(&self, name: &str) -> Result<Option<PersonKey>> {
        let holder: Result<Option<String>, _> =
            sqlx::query_scalar("SELECT person FROM name WHERE tenant = ?1 AND name = ?2")
                .bind(TENANT)
                .bind(name.to_lowercase())
                .fetch_optional(&self.0.readers)
                .await;
        let holder = holder.map_err(|error| Fault::Sql(error).during("read who holds a name"))?;
        Ok(holder.map(PersonKey::new))
    }

    async fn next_due(&self) -> Result<Option<Timestamp>> {
        let busy = self.shared().await?.busy(Instant::now());
        let due: Result<Option<(i64, String, String)>, _> = sqlx::query_as(lane::NEXT_DUE)
            .bind(TENANT)
            .bind(busy)
            .fetch_optional(&self.0.readers)
            .await;
        let due = due.map_err(|error| Fault::Sql(error).during("read when the next event is due"))?;
        Ok(due.map(|(due, ..)| instant(due)))
    }

    async fn history(&self, query: &HistoryQuery) -> Result<Vec<Entry>> {
        let entries = self.read_history(query).await;
        entries.map_err(|fault| fault.during("read the history"))
    }

    async fn freeze(&self, plan: &Frozen) -> Result<()> {
        write!(self, "freeze a plan", |writer| writer.freeze(plan).await)
    }

    async fn frozen(&self) -> Result<Vec<Frozen>> {
        let frozen = freeze::all(&self.0.readers).await;
        frozen.map_err(|fault| fault.during("read frozen plans"))
    }

    async fn release(&self, hash: &str, release: &Release) -> Result<()> {
        write!(self, "release a plan", |writer| writer
            .release_frozen(hash, release)
            .await)
    }

    async fn spend(&self, hash: &str, at: Timestamp) -> Result<bool> {
        write!(self, "use a release", |writer| writer.spend(hash, at).await)
    }

    async fn in_force(&self, policy: &str, by: &str) -> Result<bool> {
        write!(self, "note the policy in force", |writer| {
            audit::in_force(&mut writer.conn, policy, by).await
        })
    }

    async fn quarantine(&self) -> Result<Vec<Quarantined>> {
        read!(self, "read the quarantine", |conn| stage::quarantine(conn).await)
    }

    async fn successor_of(&self, person: &PersonKey) -> Result<Option<PersonKey>> {
        let successor: Result<Option<String>, _> = sqlx::query_scalar(
            "SELECT person FROM person WHERE tenant = ?1 AND previous = ?2 ORDER BY person",
        )
        .bind(TENANT)
        .bind(person.as_str())
        .fetch_optional(&self.0.readers)
        .await;
        let successor = successor.map_err(|error| Fault::Sql(error).during("read who somebody is now"))?;
        Ok(successor.map(PersonKey::new))
    }

    async fn open_delivery(&self, source: &str, at: Timestamp) -> Result<DeliveryId> {
        write!(self, "open a delivery", |writer| stage::open(
            &mut writer.conn,
            source,
            at
        )
        .await)
    }

    async fn stage(&self, delivery: DeliveryId, rows: &[Row]) -> Result<()> {
        write!(self, "stage rows", |writer| stage::stage(
            &mut writer.conn,
            delivery,
            rows
        )
        .await)
    }

    async fn close_delivery(
        &self,
        delivery: DeliveryId,
        totals: &serde_json::Value,
        findings: &[String],
    ) -> Result<()> {
        write!(self, "close a delivery", |writer| {
            stage::close(&mut writer.conn, delivery, totals, findings).await
        })
    }

    async fn release_some(&self, delivery: DeliveryId, max: usize, now: Timestamp) -> Result<Released> {
        let released = async {
            write!(self, "release rows", |writer| {
                stage::release_some(&mut writer.conn, delivery, max, now).await
            })
        };
        let released = released.await;
        self.0.bell.notify_waiters();
        released
    }

    async fn decide(&self, delivery: DeliveryId, release: bool, by: &str, reason: &str) -> Result<()> {
        write!(self, "decide about a delivery", |writer| {
            stage::decide(&mut writer.conn, delivery, release, (by, reason)).await
        })
    }

    async fn staged(&self) -> Result<Vec<Staged>> {
        read!(self, "read what is staged", |conn| stage::deliveries(conn, None)
            .await)
    }

    async fn delivery(&self, id: DeliveryId) -> Result<Option<Staged>> {
        let found = read!(self, "read a delivery", |conn| stage::deliveries(conn, Some(id))
            .await)?;
        Ok(found.into_iter().next())
    }

    async fn last_good(&self, source: &str) -> Result<Option<serde_json::Value>> {
        let read = async {
            let totals: Option<String> =
                sqlx::query_scalar("SELECT totals FROM source WHERE tenant = ?1 AND source = ?2")
                    .bind(TENANT)
                    .bind(source)
                    .fetch_optional(&self.0.readers)
                    .await?;
            optional("totals", source, totals.as_ref())
        };
        read.await
            .map_err(|fault: Fault| fault.during("read what was delivered last"))
    }
}
