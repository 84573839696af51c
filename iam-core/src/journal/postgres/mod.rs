//! [`PostgresJournal`]: the durable journal on PostgreSQL 15 and later, for any number of processes and machines.
//!
//! *Durable*: every write is one transaction that waits for its flush (`synchronous_commit` is raised where the server's
//! default is less). With [`Durability::MultiNode`] a server without synchronous standbys is refused. A commit whose
//! answer is lost is an error that says so; doing the same again is harmless, and appending does it by itself.
//!
//! *Correct by row locks and unique keys alone*: no advisory locks, no `SERIALIZABLE`, no server-side sessions, so that it
//! works through a pooler in transaction mode ([`PostgresBuilder::pooled`]). Everything that changes a person's events or
//! state locks their lane first, several lanes in the order of their keys. A claim takes two statements of one
//! `READ COMMITTED` transaction: the first locks lanes that nobody holds (`FOR UPDATE SKIP LOCKED`), the second reads
//! their heads anew and raises the fences. One statement would be wrong: it locks the newest version of a lane, and
//! reads the events of an older moment, so that it can hand out what another worker has just finished. Every write of a
//! claim's holder locks the lane by its fence.
//!
//! *Leases* run on the server's clock. Due instants are the callers'. An expired lease is simply claimed: no process
//! looks after others.
//!
//! *A million future events cost nothing*: a lane's row holds its head, and partial indexes hold only what is pending. Nor
//! do they cost anything on the day they come, before the server has statistics of them.
//!
//! *Many tenants* share a schema: the tenant's number stands in every key, and in every statement.
//!
//! *Hints* reach other processes by `NOTIFY`, at most one in 100 ms; polling is the truth.
//!
//! A newer schema is refused. An older one is brought up to date by whoever opens it first, under a lock on the row of
//! `meta`.
//!
//! Size: one short method for each of the port's, which stand in one `impl`.

mod admission;
mod audit;
mod budget;
mod claim;
mod decisions;
mod exchange;
mod fault;
mod freeze;
mod group;
mod health;
mod lane;
mod look;
mod server;
mod stage;
mod survey;
mod wake;
mod work;

#[cfg(test)]
#[cfg(feature = "testing")]
mod tests;

use std::fmt;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::postgres::PgPoolOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _, PgPool};

use self::fault::{Attempt, Fault, closed, during, may_be_repeated};
use self::group::Answer as Written;
use self::wake::Wake;
use self::work::{Reached, Start, Work};
use super::audit::{AuditEntry, Checkpoint, Kept};
use super::convoy::{Convoy, Load, repeated};
use super::write::{Carried, Write};
use super::{
    Answer, Appended, Ask, Asks, Claim, DeliveryId, Draw, Drawn, Entry, Finding, Frozen, HistoryQuery,
    Journal, Lane, Outcome, PersonState, Quarantined, Release, Released, Report, Reservation, Row, Staged,
    Stalled, StepStart, Waiting, restore, row,
};
use crate::clock::{Clock as _, SystemClock};
use crate::error::{Error, ErrorKind, Result, Retry};
use crate::event::{Accepted, Event, EventId};
use crate::person::PersonKey;
use crate::plan::{IdempotencyKey, Plan, StepId};

/// What has to confirm a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Durability {
    /// The primary's disk.
    #[default]
    SingleNode,
    /// A synchronous standby as well: a failover loses nothing that was accepted.
    MultiNode,
}

/// How a [`PostgresJournal`] is opened.
#[derive(Clone)]
pub struct PostgresBuilder {
    url: String,
    tenant: String,
    schema: String,
    connections: u32,
    pooled: bool,
    listen: Option<String>,
    durability: Durability,
    after: Option<Checkpoint>,
}

impl fmt::Debug for PostgresBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresBuilder")
            .field("tenant", &self.tenant)
            .field("schema", &self.schema)
            .field("connections", &self.connections)
            .field("pooled", &self.pooled)
            .field("durability", &self.durability)
            .finish_non_exhaustive()
    }
}

impl PostgresBuilder {
    /// The schema that holds the tables; `iam` by default. It is made when it does not exist and the role may.
    #[must_use]
    pub fn schema(mut self, name: impl Into<String>) -> Self {
        self.schema = name.into();
        self
    }

    /// At most so many connections; 8 by default. One for each worker task, and one more, is plenty.
    #[must_use]
    pub fn connections(mut self, max: u32) -> Self {
        self.connections = max.max(1);
        self
    }

    /// The URL leads to a pooler in transaction mode (`PgBouncer`): statements get no names, and nobody listens, unless
    /// [`listen`](Self::listen) names the server itself.
    #[must_use]
    pub fn pooled(mut self, pooled: bool) -> Self {
        self.pooled = pooled;
        self
    }

    /// The URL at which to listen for hints of other processes, where it is not the journal's own.
    #[must_use]
    pub fn listen(mut self, url: impl Into<String>) -> Self {
        self.listen = Some(url.into());
        self
    }

    /// What has to confirm a commit; [`Durability::SingleNode`] by default.
    #[must_use]
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// Refuses a database that went back in time: restored from a backup that is older than `checkpoint`, the end of the
    /// audit ([`audit_head`](Journal::audit_head)) as it was kept elsewhere, or failed over to a standby that was behind.
    #[must_use]
    pub fn after(mut self, checkpoint: Checkpoint) -> Self {
        self.after = Some(checkpoint);
        self
    }

    /// Opens the journal, and brings its schema up to date.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] for a URL, schema or tenant that makes no sense. [`ErrorKind::Storage`], saying what to
    /// do, when the server cannot be reached, refuses, is a standby, is too old, does not keep what it confirms, or
    /// holds a newer schema; with the reason `gone_back` when it never was where [`after`](Self::after) says.
    pub async fn open(self) -> Result<PostgresJournal> {
        let tenant = self.tenant.trim();
        if tenant.is_empty() {
            let message = "the tenant id is empty: a journal belongs to one tenant";
            return Err(Error::new(ErrorKind::Invalid, message));
        }
        let schema = server::schema_name(&self.schema)?;
        let options = server::options(&self.url, self.pooled)?;
        let listen = self
            .listen
            .as_deref()
            .map(|url| server::options(url, false))
            .transpose()?;
        let listen = listen.or_else(|| (!self.pooled).then(|| options.clone()));
        let prepare = async {
            let mut conn = options.connect().await?;
            let raise_commit = server::check(&mut conn, self.durability).await?;
            let begin = server::begin(schema, raise_commit, self.pooled);
            conn.execute(AssertSqlSafe(begin.session.clone())).await?;
            if let Some(place) = &self.after {
                server::has_been_at(&mut conn, &begin.looking, tenant, place).await?;
            }
            server::migrate(&mut conn, schema, &begin.writing).await?;
            let tenant = server::tenant(&mut conn, &begin.writing, tenant).await?;
            conn.close().await?;
            let start = Start {
                writing: begin.writing,
                looking: begin.looking,
                named: !self.pooled,
                tenant,
                reached: Mutex::new(Reached::default()),
                alone: AtomicBool::new(true),
                chaining: tokio::sync::Mutex::default(),
            };
            Ok((start, begin.session))
        };
        let (start, session) = prepare.await.map_err(|fault| during(fault, "open the journal"))?;
        // A connection that died is found by its first statement, and the work begun again: no look before each.
        let pool = PgPoolOptions::new()
            .max_connections(self.connections)
            .acquire_timeout(Duration::from_secs(10))
            .test_before_acquire(false)
            .after_connect(move |conn, _| {
                let session = AssertSqlSafe(session.clone());
                Box::pin(async move { conn.execute(session).await.map(drop) })
            })
            .connect_lazy_with(options);
        let channel = format!("iam {schema} {}", start.tenant);
        let start = Arc::new(start);
        let known = async {
            let mut work = Work::look(&pool, &start).await?;
            let known = audit::reached(&mut work).await?;
            work.commit().await?;
            Ok(known)
        };
        let known = known.await.map_err(|fault| during(fault, "open the journal"))?;
        *start.reached() = known;
        let journal = PostgresJournal(Arc::new(Inner {
            wake: Wake::new(channel, pool.clone(), listen),
            holder: uuid::Uuid::new_v4().to_string(),
            place: format!("{schema}, tenant {tenant}"),
            tries: self.connections + 5,
            left_alone: Mutex::default(),
            pooled: self.pooled,
            durability: self.durability,
            convoy: Arc::new(Convoy::new(group::MOST)),
            arrivals: Arc::new(Convoy::new(group::MOST)),
            pool,
            start,
        }));
        if let Some(place) = &self.after {
            restore::has_been_at(&journal, place).await?;
        }
        Ok(journal)
    }
}

/// A journal in a PostgreSQL schema. Clones share its connections.
#[derive(Clone)]
pub struct PostgresJournal(Arc<Inner>);

struct Inner {
    /// Aborts its tasks when it is dropped.
    wake: Wake,
    pool: PgPool,
    start: Arc<Start>,
    /// Stands at the lanes that this journal holds, for people who look.
    holder: String,
    place: String,
    pooled: bool,
    durability: Durability,
    /// How often a piece of work is begun.
    tries: u32,
    left_alone: Mutex<Vec<String>>,
    /// What claims' holders write.
    convoy: Arc<Convoy<Write>>,
    /// What comes in.
    arrivals: Arc<Convoy<Arrival>>,
}

/// Events that are appended together.
struct Arrival(Vec<Event>);

impl Load for Arrival {
    /// Nothing where they are to be appended by themselves.
    type Answer = Option<Vec<Appended>>;

    fn lanes(&self) -> Vec<&PersonKey> {
        Vec::new() // They are appended in the order in which they came.
    }

    fn weight(&self) -> usize {
        self.0.len()
    }
}

impl fmt::Debug for PostgresJournal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostgresJournal({})", self.0.place)
    }
}

/// One piece of work in a transaction of its own; begun again when the server could not order it, or the connection was
/// dead.
macro_rules! transaction {
    ($journal:ident, $begin:ident, $operation:expr, |$work:ident| $body:expr) => {{
        let mut tries = 0;
        loop {
            let attempt = async {
                let inner = &$journal.0;
                let mut owned =
                    $crate::journal::postgres::work::Work::$begin(&inner.pool, &inner.start).await?;
                let answer = async {
                    let $work = &mut owned;
                    $body
                };
                match answer.await {
                    Ok(answer) => owned.commit().await.map(|()| answer),
                    Err(fault) => {
                        owned.give_up().await;
                        Err(fault)
                    }
                }
            };
            match attempt.await {
                Ok(answer) => break Ok(answer),
                Err(fault) if $journal.again(&fault, &mut tries).await => {}
                Err(fault) => break Err($crate::journal::postgres::fault::during(fault, $operation)),
            }
        }
    }};
}

/// One write.
macro_rules! writing {
    ($journal:ident, $operation:expr, |$work:ident| $body:expr) => {
        $crate::journal::postgres::transaction!($journal, write, $operation, |$work| $body)
    };
}

/// One look, at one moment.
macro_rules! looking {
    ($journal:ident, $operation:expr, |$work:ident| $body:expr) => {
        $crate::journal::postgres::transaction!($journal, look, $operation, |$work| $body)
    };
}
use {looking, transaction, writing};

impl PostgresJournal {
    /// Opens the journal of `tenant` (the directory's id) at `url`, `postgres://USER:PASSWORD@HOST:PORT/DATABASE`, in
    /// the schema `iam`. A host that is not this machine is reached by TLS with its name checked, unless the URL says
    /// otherwise (`sslmode`, `sslrootcert`).
    ///
    /// # Errors
    /// As [`PostgresBuilder::open`].
    pub async fn open(url: &str, tenant: &str) -> Result<Self> {
        Self::builder(url, tenant).open().await
    }

    /// The same, with choices.
    pub fn builder(url: &str, tenant: &str) -> PostgresBuilder {
        PostgresBuilder {
            url: url.to_owned(),
            tenant: tenant.to_owned(),
            schema: "iam".to_owned(),
            connections: 8,
            pooled: false,
            listen: None,
            durability: Durability::default(),
            after: None,
        }
    }

    /// Goes on with a database that was restored: notes in the audit who decided so and why, and begins a new epoch.
    /// Every other process that has the journal open is refused from then on, and is to be started again. Gives back the
    /// end of the audit, to be kept elsewhere.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] without a name or a reason; [`ErrorKind::Storage`].
    pub async fn adopt(&self, by: &str, reason: &str) -> Result<Checkpoint> {
        let nobody = restore::decided(by, reason)?;
        let adopted: Result<()> = async {
            writing!(self, "adopt the journal", |work| audit::adopt(
                work, &nobody, by, reason
            )
            .await)
        }
        .await;
        adopted?;
        self.audit_head().await
    }

    /// Closes the connections, for all clones. Lanes that are held stay so until their leases run out.
    pub async fn close(&self) {
        self.0.wake.stop();
        self.0.pool.close().await;
    }

    /// People whose head this version cannot read: their lanes are left alone.
    fn left_alone(&self) -> MutexGuard<'_, Vec<String>> {
        self.0.left_alone.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes what a claim's holder has to write, with whatever else there is to write just now.
    async fn hold(&self, write: Write) -> Result<Option<StepStart>> {
        let mut write = write;
        if !write.is_wide() {
            let journal = self.clone();
            let carry = move |writes| journal.clone().carry(writes);
            match self.0.convoy.join(write, carry).await? {
                Carried::Done(start) => return Ok(start),
                Carried::PassedOver(back) => write = back,
            }
        }
        let operation = write.operation();
        writing!(self, operation, |work| group::alone(work, &write).await)
    }

    /// Writes together what came together.
    async fn carry(self, writes: Vec<Write>) -> Vec<Result<Carried>> {
        let operation = match writes.as_slice() {
            [write] => write.operation(),
            _ => "write for several claims",
        };
        let answers = async { writing!(self, operation, |work| group::together(work, &writes).await) };
        let answers: Result<Vec<Written>> = answers.await;
        match answers {
            Ok(answers) => {
                let answered = writes.into_iter().zip(answers);
                let answered = answered.map(|(write, answer)| match answer {
                    Written::Written(start) => Ok(Carried::Done(start)),
                    Written::NotHeld | Written::NeverIntended => Ok(Carried::PassedOver(write)),
                });
                answered.collect()
            }
            // Whatever it is that the server does not take: each finds out whether it is its own.
            Err(error) if error.retry() == Retry::Never && writes.len() > 1 => writes
                .into_iter()
                .map(|write| Ok(Carried::PassedOver(write)))
                .collect(),
            Err(error) => {
                let error = Arc::new(error);
                let told = |write: Write| Err(repeated(&error).with_operation(write.operation()));
                writes.into_iter().map(told).collect()
            }
        }
    }

    /// Appends what came together; nothing for what is to be appended by itself.
    async fn take_in(self, batches: Vec<Arrival>) -> Vec<Result<Option<Vec<Appended>>>> {
        let all: Vec<Event> = batches.iter().flat_map(|Arrival(batch)| batch).cloned().collect();
        match self.append_all(&all, true).await {
            Ok(mut answers) => {
                let split = |Arrival(batch): &Arrival| Ok(Some(answers.drain(..batch.len()).collect()));
                batches.iter().map(split).collect()
            }
            // Whatever it is, a lane that is locked or what the server does not take: each finds out for itself.
            Err(error) if error.reason().is_none() => batches.iter().map(|_| Ok(None)).collect(),
            Err(error) => {
                let error = Arc::new(error);
                let told = |_| Err(repeated(&error).with_operation("append events"));
                batches.iter().map(told).collect()
            }
        }
    }

    /// Appends events. In `haste` it gives up where a lane is locked for longer than a moment.
    async fn append_all(&self, batch: &[Event], haste: bool) -> Result<Vec<Appended>> {
        // A commit whose answer was lost: the same once more tells, and what it had accepted is new all the same.
        let mut lost: Option<Vec<Appended>> = None;
        let answers = loop {
            let mut answers = None;
            let appended: Result<()> = if haste {
                transaction!(self, hasty, "append events", |work| {
                    answers = Some(lane::append(work, batch).await?);
                    Ok::<(), Fault>(())
                })
            } else {
                writing!(self, "append events", |work| {
                    answers = Some(lane::append(work, batch).await?);
                    Ok::<(), Fault>(())
                })
            };
            match appended {
                Ok(()) => break answers.unwrap_or_default(),
                Err(error) if error.reason() == Some(fault::COMMIT_UNKNOWN) && lost.is_none() => {
                    lost = answers;
                }
                Err(error) => return Err(error),
            }
        };
        let Some(lost) = lost else { return Ok(answers) };
        let both = answers.into_iter().zip(lost);
        let answers = both.map(|both| match both {
            (Appended::Duplicate, Appended::New) => Appended::New,
            (answer, _) => answer,
        });
        Ok(answers.collect())
    }

    /// Whether work that failed so for the `tries`th time is to be begun again, after a pause.
    async fn again(&self, fault: &Fault, tries: &mut u32) -> bool {
        *tries += 1;
        if *tries >= self.0.tries || !may_be_repeated(fault) {
            return false;
        }
        let pause = Duration::from_millis(1 << (*tries).min(8));
        SystemClock.sleep(pause).await;
        true
    }
}

/// What is to be written, as JSON.
fn readable(write: Attempt<Write>) -> Result<Write> {
    write.map_err(|fault| during(fault, "write for a claim"))
}

#[async_trait]
impl Journal for PostgresJournal {
    async fn append(&self, batch: &[Event]) -> Result<Vec<Appended>> {
        let answers = if batch.len() < lane::LARGE {
            let journal = self.clone();
            let carry = move |batches| journal.clone().take_in(batches);
            self.0.arrivals.join(Arrival(batch.to_vec()), carry).await?
        } else {
            None
        };
        let answers = match answers {
            Some(answers) => answers,
            None => self.append_all(batch, false).await?,
        };
        self.0.wake.changed();
        Ok(answers)
    }

    async fn accepted(&self, keys: &[PersonKey]) -> Result<Vec<Option<Accepted>>> {
        let keys: Vec<&PersonKey> = keys.iter().collect();
        looking!(self, "read accepted records", |work| lane::accepted(work, &keys)
            .await)
    }

    async fn claim(&self, max: usize, now: Timestamp, lease: Duration) -> Result<Vec<Claim>> {
        self.0.wake.claims();
        loop {
            let except = self.left_alone().clone();
            let asked = claim::Asked {
                max,
                now,
                lease,
                holder: &self.0.holder,
                except: &except,
            };
            let (claims, unreadable) =
                writing!(self, "claim lanes", |work| claim::claim(work, &asked).await)?;
            let more = claims.is_empty() && !unreadable.is_empty();
            self.left_alone().extend(unreadable);
            if !more {
                return Ok(claims);
            }
        }
    }

    async fn heartbeat(&self, claim: &Claim, lease: Duration) -> Result<()> {
        self.hold(Write::beat(claim, lease)).await.map(drop)
    }

    async fn plan(&self, claim: &Claim, plan: &Plan) -> Result<()> {
        self.hold(readable(Write::plan(claim, plan))?).await.map(drop)
    }

    async fn intend(&self, claim: &Claim, step: &StepId, key: &IdempotencyKey) -> Result<StepStart> {
        let start = self.hold(Write::intend(claim, step, key)).await?;
        start.ok_or_else(closed)
    }

    async fn settle(&self, claim: &Claim, step: &StepId, outcome: &Outcome, at: Timestamp) -> Result<()> {
        self.hold(readable(Write::settle(claim, step, outcome, at))?)
            .await
            .map(drop)
    }

    async fn reserve(&self, name: &str, person: &PersonKey) -> Result<Reservation> {
        writing!(self, "reserve a name", |work| look::reserve(work, name, person)
            .await)
    }

    async fn complete(&self, claim: &Claim, state: &PersonState, timers: &[Event]) -> Result<()> {
        self.hold(readable(Write::complete(claim, state, timers))?)
            .await?;
        self.0.wake.changed();
        Ok(())
    }

    async fn retry_later(&self, claim: &Claim, state: &PersonState, at: Timestamp, why: &str) -> Result<()> {
        self.hold(readable(Write::retry_later(claim, state, at, why))?)
            .await
            .map(drop)
    }

    async fn dead_letter(
        &self,
        claim: &Claim,
        state: &PersonState,
        timers: &[Event],
        why: &str,
        set: Lane,
    ) -> Result<()> {
        self.hold(readable(Write::dead_letter(claim, state, timers, why, set))?)
            .await?;
        self.0.wake.changed();
        Ok(())
    }

    async fn put_back(&self, claim: &Claim, at: Timestamp, why: &str) -> Result<()> {
        writing!(self, "put a lane back", |work| admission::put_back(
            work, claim, at, why
        )
        .await)
    }

    async fn ask(&self, claim: &Claim, ask: &Ask, at: Timestamp) -> Result<()> {
        writing!(self, "ask the guard", |work| admission::ask(work, claim, ask, at)
            .await)
    }

    async fn asked(&self, event: &EventId) -> Result<Option<Ask>> {
        looking!(self, "read what was asked", |work| admission::asked(work, event)
            .await)
    }

    async fn asks(&self, now: Timestamp) -> Result<Asks> {
        looking!(self, "read what was asked", |work| admission::asks(work, now)
            .await)
    }

    async fn answer(&self, answers: &[Answer], at: Timestamp) -> Result<usize> {
        let answered = writing!(self, "answer what was asked", |work| {
            admission::answer(work, answers, at).await
        })?;
        self.0.wake.changed();
        Ok(answered)
    }

    async fn skip(&self, event: &EventId, by: &str, reason: &str) -> Result<()> {
        writing!(self, "skip an event", |work| admission::skip(
            work, event, by, reason
        )
        .await)?;
        self.0.wake.changed();
        Ok(())
    }

    async fn resolve(
        &self,
        event: &EventId,
        step: &StepId,
        happened: bool,
        by: &str,
        reason: &str,
    ) -> Result<()> {
        writing!(self, "resolve a step", |work| {
            admission::resolve(work, event, step, happened, (by, reason)).await
        })?;
        self.0.wake.changed();
        Ok(())
    }

    async fn waiting(&self, person: &PersonKey, now: Timestamp) -> Result<Waiting> {
        looking!(self, "read why somebody waits", |work| {
            admission::waiting(work, person, now).await
        })
    }

    async fn stalled(&self, now: Timestamp) -> Result<Option<Stalled>> {
        looking!(self, "read what is stalled", |work| admission::stalled(work, now)
            .await)
    }

    async fn take_budget(&self, draw: &Draw, now: Timestamp) -> Result<Drawn> {
        writing!(self, "draw from a budget", |work| budget::draw(work, draw, now)
            .await)
    }

    async fn block_target(&self, target: &str, until: Timestamp, now: Timestamp) -> Result<()> {
        writing!(self, "block a target", |work| budget::block(
            work, target, until, now
        )
        .await)
    }

    fn worker(&self) -> &str {
        &self.0.holder
    }

    async fn hint(&self) {
        self.0.wake.wait().await;
    }

    async fn requeue(&self, event: &EventId, by: &str, reason: &str) -> Result<()> {
        writing!(self, "requeue an event", |work| claim::requeue(
            work, event, by, reason
        )
        .await)?;
        self.0.wake.changed();
        Ok(())
    }

    async fn audit(&self, after: u64, limit: usize) -> Result<Vec<(AuditEntry, Kept)>> {
        looking!(self, "read the audit", |work| audit::entries(work, after, limit)
            .await)
    }

    async fn audit_head(&self) -> Result<Checkpoint> {
        looking!(self, "read the end of the audit", |work| audit::head(work).await)
    }

    async fn check(&self) -> Result<Vec<Finding>> {
        self.look_into().await
    }

    async fn pseudonym(&self, person: &PersonKey) -> Result<Option<String>> {
        looking!(self, "read a pseudonym", |work| audit::pseudonym(work, person)
            .await)
    }

    async fn erase(&self, person: &PersonKey, by: &str, reason: &str) -> Result<()> {
        writing!(self, "erase a person", |work| audit::erase(
            work, person, by, reason
        )
        .await)
    }

    async fn person(&self, key: &PersonKey) -> Result<Option<PersonState>> {
        looking!(self, "read a person", |work| look::person(work, key).await)
    }

    async fn people(&self, after: Option<&PersonKey>, limit: usize) -> Result<Vec<PersonState>> {
        looking!(self, "read people", |work| look::people(work, after, limit).await)
    }

    async fn reports_of(&self, manager: &PersonKey) -> Result<Vec<Report>> {
        looking!(self, "read who reports to a manager", |work| look::reports_of(
            work, manager
        )
        .await)
    }

    async fn holder(&self, name: &str) -> Result<Option<PersonKey>> {
        looking!(self, "read who holds a name", |work| look::holder(work, name)
            .await)
    }

    async fn next_due(&self) -> Result<Option<Timestamp>> {
        let except = self.left_alone().clone();
        looking!(self, "read when the next event is due", |work| {
            look::next_due(work, &except).await
        })
    }

    async fn history(&self, query: &HistoryQuery) -> Result<Vec<Entry>> {
        looking!(self, "read the history", |work| look::history(work, query).await)
    }

    async fn freeze(&self, plan: &Frozen) -> Result<()> {
        writing!(self, "freeze a plan", |work| freeze::freeze(work, plan).await)
    }

    async fn frozen(&self) -> Result<Vec<Frozen>> {
        looking!(self, "read frozen plans", |work| freeze::all(work).await)
    }

    async fn release(&self, hash: &str, release: &Release) -> Result<()> {
        writing!(self, "release a plan", |work| freeze::release(
            work, hash, release
        )
        .await)
    }

    async fn spend(&self, hash: &str, at: Timestamp) -> Result<bool> {
        writing!(self, "use a release", |work| freeze::spend(work, hash, at).await)
    }

    async fn in_force(&self, policy: &str, by: &str) -> Result<bool> {
        writing!(self, "note the policy in force", |work| decisions::in_force(
            work, policy, by
        )
        .await)
    }

    async fn quarantine(&self) -> Result<Vec<Quarantined>> {
        looking!(self, "read the quarantine", |work| stage::quarantine(work).await)
    }

    async fn successor_of(&self, person: &PersonKey) -> Result<Option<PersonKey>> {
        looking!(self, "read who somebody is now", |work| look::successor_of(
            work, person
        )
        .await)
    }

    async fn open_delivery(&self, source: &str, at: Timestamp) -> Result<DeliveryId> {
        writing!(self, "open a delivery", |work| stage::open(work, source, at)
            .await)
    }

    async fn stage(&self, delivery: DeliveryId, rows: &[Row]) -> Result<()> {
        writing!(self, "stage rows", |work| stage::stage(work, delivery, rows)
            .await)
    }

    async fn close_delivery(
        &self,
        delivery: DeliveryId,
        totals: &serde_json::Value,
        findings: &[String],
    ) -> Result<()> {
        writing!(self, "close a delivery", |work| stage::close(
            work, delivery, totals, findings
        )
        .await)
    }

    async fn release_some(&self, delivery: DeliveryId, max: usize, now: Timestamp) -> Result<Released> {
        let released = writing!(self, "release rows", |work| {
            stage::release_some(work, delivery, max, now).await
        })?;
        self.0.wake.changed();
        Ok(released)
    }

    async fn decide(&self, delivery: DeliveryId, release: bool, by: &str, reason: &str) -> Result<()> {
        writing!(self, "decide about a delivery", |work| {
            stage::decide(work, delivery, release, (by, reason)).await
        })
    }

    async fn staged(&self) -> Result<Vec<Staged>> {
        looking!(self, "read what is staged", |work| stage::deliveries(work, None)
            .await)
    }

    async fn delivery(&self, id: DeliveryId) -> Result<Option<Staged>> {
        let found = looking!(self, "read a delivery", |work| stage::deliveries(work, Some(id))
            .await)?;
        Ok(found.into_iter().next())
    }

    async fn last_good(&self, source: &str) -> Result<Option<serde_json::Value>> {
        looking!(self, "read what was delivered last", |work| look::last_good(
            work, source
        )
        .await)
    }
}
