//! The port [`Journal`]: what has been accepted, planned, intended and done, durably.
//!
//! ```text
//!                 append                claim                    complete
//!   (nothing) ─────────────► pending ─────────────► claimed ─────────────────────► done
//!                              ▲  ▲                  │  │  │
//!                requeue       │  │ retry_later,     │  │  └── dead_letter ──► dead ─► (requeue)
//!       dead ──────────────────┘  ├ put_back, ask     │  │
//!                                 └ lease expired ◄───┘  └ a leave completes: earlier pending events and
//!                                   or process died        superseded timers of the lane ──► superseded
//! ```
//! A step whose outcome nobody knows is answered by a person ([`Journal::resolve`]): where it did not happen, the event
//! is pending again though it was done.
//!
//! Accepted means durable: `append` returns after the commit. One person's events are worked one at a
//! time, in the order (due instant, lane sequence); an event whose time has not come blocks nothing; an
//! event that waits for its next attempt blocks the later ones, except that **a leave overtakes whatever
//! waits, and a parked lane**. Every write of a claim's holder carries its fence and is refused
//! ([`ErrorKind::Fenced`]) once somebody else has claimed the lane. A step that
//! was intended and not settled has an *unknown* outcome.
//!
//! What that is worth to whoever runs it, and how to run it: [`guarantees`].

mod admission;
pub mod audit;
mod budget;
#[cfg(feature = "testing")]
pub mod conformance;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod convoy;
mod exchange;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod fault;
mod freeze;
#[doc = include_str!("guarantees.md")]
pub mod guarantees {}
mod health;
mod memory;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod restore;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod row;
#[cfg(feature = "sqlite")]
mod sqlite;
mod stage;
mod state;
mod survey;
#[cfg(test)]
#[cfg(all(feature = "testing", feature = "sqlite"))]
mod tests;
mod waiting;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod write;

pub use admission::{Answer, Ask, Asks, Standing};
pub use budget::{Bucket, Draw, Drawn};
pub use exchange::{Burial, Exchange, Letter, LetterId, LetterState, Message, Observation};
pub(crate) use exchange::{letter_over, no_letter};
pub use freeze::{Frozen, FrozenState, Release};
pub(crate) use health::verify;
pub use health::{About, Finding, Health};
pub use memory::MemoryJournal;
#[cfg(feature = "postgres")]
pub use postgres::{Durability, PostgresBuilder, PostgresJournal};
#[cfg(feature = "sqlite")]
pub use sqlite::SqliteJournal;
pub use stage::{DeliveryId, DeliveryState, Quarantined, Released, Row, Staged};
pub use state::{AccountRef, Attendance, ErrandRecord, ErrandState, Lifecycle, PersonState, Tried};
pub use survey::{EventFilter, Figures, Headway, Survey, Told};
pub use waiting::{Stalled, Waiting};

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use self::audit::{AuditEntry, Checkpoint, Kept};
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Accepted, Event, EventId};
use crate::person::PersonKey;
use crate::plan::{IdempotencyKey, Plan, StepId};

/// What became of one appended event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Appended {
    /// Durable, and new.
    New,
    /// The same event was appended before: nothing to do.
    Duplicate,
    /// Another event has this id. It is in [quarantine](Journal::quarantine), and nothing else was written.
    Conflict,
    /// The record is not the successor of the latest accepted one any more: compare again.
    Stale,
}

/// What is known of a step when it is about to be carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
#[non_exhaustive]
pub enum StepStart {
    /// Never intended before, or it failed before: carry it out.
    First,
    /// Intended before, outcome unknown.
    Unknown,
    /// Settled: do not repeat it.
    Settled {
        /// How it ended.
        outcome: Outcome,
    },
}

impl StepStart {
    /// Of a step that was intended before and ended so. One that failed may be tried again; the others are over.
    fn of(outcome: Option<Outcome>) -> Self {
        match outcome {
            None => Self::Unknown,
            Some(Outcome::Failed { .. }) => Self::First,
            Some(outcome) => Self::Settled { outcome },
        }
    }
}

/// How a step ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Outcome {
    /// Made now.
    Done {
        /// The account's id, when the step brought it.
        account: Option<String>,
    },
    /// Was so already.
    AlreadySo {
        /// The account's id, when the step was to bring it.
        account: Option<String>,
    },
    /// There was nothing to do it to, and nothing is owed.
    NotApplicable {
        /// Why, without personal data.
        why: String,
    },
    /// Refused for good, or not possible now. A later event or recheck may try again.
    Failed {
        /// [`ErrorKind::as_str`](crate::ErrorKind::as_str).
        kind: String,
        /// Why, without personal data.
        message: String,
    },
    /// Nobody knows, and repeating is not allowed (effect class D).
    Unknown,
}

/// One step of an event, as the journal knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepRecord {
    /// Which.
    pub step: StepId,
    /// Intended with this key.
    pub key: IdempotencyKey,
    /// `None` while the outcome is unknown.
    pub outcome: Option<Outcome>,
    /// When it ended; `None` while the outcome is unknown, and for what a version before 0.2 has settled.
    pub at: Option<Timestamp>,
}

/// A lane held by a worker: its head event and everything known of the person.
#[derive(Debug, Clone)]
pub struct Claim {
    /// The event to work on.
    pub event: Event,
    /// The person's state before it.
    pub state: PersonState,
    /// The plan that an earlier attempt stored.
    pub plan: Option<Plan>,
    /// The steps that earlier attempts intended.
    pub steps: Vec<StepRecord>,
    /// How often the event was claimed before.
    pub attempts: u32,
    /// Proves that the claim is still held.
    pub fence: u64,
}

/// Whether a reservation was granted.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reservation {
    /// The name belongs to this person now (or did already).
    Ours,
    /// Somebody else has it.
    Taken {
        /// Who.
        by: PersonKey,
    },
}

/// What happens to the rest of a lane when its head is set aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Lane {
    /// Later events wait until the head is requeued; only a leave passes.
    Park,
    /// Later events go on.
    Skip,
}

/// Where an event stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum EventState {
    /// To be worked on, now or later.
    Pending,
    /// Worked off.
    Done,
    /// Set aside: needs a person.
    Dead,
    /// Made pointless by a later event.
    Superseded,
}

/// One event with its whole story.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The event.
    pub event: Event,
    /// Its place in the person's lane.
    pub lane_seq: u64,
    /// Where it stands.
    pub state: EventState,
    /// Claims so far.
    pub attempts: u32,
    /// Not to be claimed before this instant.
    pub not_before: Timestamp,
    /// Whether the lane is parked by it.
    pub parked: bool,
    /// What the last attempt ended with.
    pub why: Option<String>,
    /// The plan of the last attempt.
    pub plan: Option<Plan>,
    /// The steps intended so far.
    pub steps: Vec<StepRecord>,
}

/// Which entries [`Journal::history`] returns, in the order in which they were appended.
#[derive(Debug, Clone, Default)]
pub struct HistoryQuery {
    /// Of this person only.
    pub person: Option<PersonKey>,
    /// Of this id only.
    pub event: Option<EventId>,
    /// In this state only.
    pub state: Option<EventState>,
    /// Due at this instant or before.
    pub due: Option<Timestamp>,
    /// At most so many; 0 means all.
    pub limit: usize,
}

/// Somebody who reports to a manager.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Who.
    pub person: PersonKey,
    /// Whether they wait for the manager's account.
    pub waits: bool,
}

/// The durable journal, with what it keeps of the [`Exchange`] of messages and the [`Survey`] over it. Implementations are shared between tasks; every method that writes returns after
/// the commit.
#[async_trait]
pub trait Journal: Exchange + Survey {
    /// Accepts events, each on its own terms, in order, in one commit. An event with a record makes it the
    /// person's latest accepted one; news are added to what is known of the person, in whichever order they come.
    async fn append(&self, batch: &[Event]) -> Result<Vec<Appended>>;

    /// What has been accepted of each person, one answer per key, in order.
    async fn accepted(&self, keys: &[PersonKey]) -> Result<Vec<Option<Accepted>>>;

    /// Takes up to `max` free lanes whose head is due at `now` (by the caller's [`Clock`](crate::clock)),
    /// urgent leaves first, then other leaves, then by (due instant, order of appending). The lease runs on the journal's own clock.
    async fn claim(&self, max: usize, now: Timestamp, lease: Duration) -> Result<Vec<Claim>>;

    /// Extends the lease.
    async fn heartbeat(&self, claim: &Claim, lease: Duration) -> Result<()>;

    /// Stores the plan of the claimed event, replacing an earlier one.
    async fn plan(&self, claim: &Claim, plan: &Plan) -> Result<()>;

    /// Records the intent to carry out a step, before it is carried out. A step that failed may be tried
    /// again: it is [`StepStart::First`] once more, and unknown until it is settled.
    async fn intend(&self, claim: &Claim, step: &StepId, key: &IdempotencyKey) -> Result<StepStart>;

    /// Records how an intended step ended, and when, by the caller's [`Clock`](crate::clock).
    async fn settle(&self, claim: &Claim, step: &StepId, outcome: &Outcome, at: Timestamp) -> Result<()>;

    /// Reserves a sign-in name (compared without case) for a person, for ever.
    async fn reserve(&self, name: &str, person: &PersonKey) -> Result<Reservation>;

    /// Ends the claimed event: writes the person's new state, replaces the lane's pending timers
    /// by `timers` (rechecks stay: somebody else may have just set one), and, after a leave, supersedes the
    /// earlier pending events of the lane and lifts its parking. A timer of `timers` that was set before and
    /// is pending or superseded is pending afterwards; one that was worked off stays so. Timers may be for
    /// other people: they wake their lanes.
    async fn complete(&self, claim: &Claim, state: &PersonState, timers: &[Event]) -> Result<()>;

    /// Gives the lane back; its head may be claimed again from `at` on. Keeps `state` (what has been
    /// achieved so far).
    async fn retry_later(&self, claim: &Claim, state: &PersonState, at: Timestamp, why: &str) -> Result<()>;

    /// Sets the event aside for a person to look at. Keeps `state`, and replaces the lane's pending timers
    /// by `timers` as [`complete`](Self::complete) does: a first day is not forgotten because one step failed.
    /// With [`Lane::Park`] no timer passes the parked event, but a leave does.
    async fn dead_letter(
        &self,
        claim: &Claim,
        state: &PersonState,
        timers: &[Event],
        why: &str,
        lane: Lane,
    ) -> Result<()>;

    /// Gives the lane back untouched, as if it had not been claimed: its head may be claimed again from `at` on, and the
    /// attempt does not count.
    async fn put_back(&self, claim: &Claim, at: Timestamp, why: &str) -> Result<()>;

    /// Gives the lane back untouched, as [`put_back`](Self::put_back) does, because what is planned needs an answer
    /// first. A question replaces the one before it about the same event. It is over when the event is.
    async fn ask(&self, claim: &Claim, ask: &Ask, at: Timestamp) -> Result<()>;

    /// What was asked about an event that is pending.
    async fn asked(&self, event: &EventId) -> Result<Option<Ask>>;

    /// Everything that was asked about events that are pending, and how much more could be asked about at `now`, both at
    /// one moment.
    async fn asks(&self, now: Timestamp) -> Result<Asks>;

    /// Answers questions, in one commit: those whose version is the latest; the others stay open. Whoever is answered
    /// may be claimed at once. Tells how many were.
    async fn answer(&self, answers: &[Answer], at: Timestamp) -> Result<usize>;

    /// Lets a lane go on without the event that has parked it, which stays set aside. Records who decided and why.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound), [`Conflict`](crate::ErrorKind::Conflict) when it parks nothing.
    async fn skip(&self, event: &EventId, by: &str, reason: &str) -> Result<()>;

    /// Writes down what somebody says of a step whose outcome is [`Outcome::Unknown`], and who and why. Where it did not
    /// happen, the step is forgotten, and the event is pending again, due as it was, whatever it was before.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound) for an event or a step that is not known,
    /// [`Conflict`](crate::ErrorKind::Conflict) when the step's outcome is known, or the event was superseded.
    async fn resolve(
        &self,
        event: &EventId,
        step: &StepId,
        happened: bool,
        by: &str,
        reason: &str,
    ) -> Result<()>;

    /// What the person's lane waits for at `now`.
    async fn waiting(&self, person: &PersonKey, now: Timestamp) -> Result<Waiting>;

    /// The head that could have been claimed for the longest time at `now`: neither parked nor claimed, due, and not
    /// waiting for its next attempt. Needs no worker to be alive.
    async fn stalled(&self, now: Timestamp) -> Result<Option<Stalled>>;

    /// Draws from the bucket of a target that all workers share, in one step; a bucket that is not known is full.
    async fn take_budget(&self, draw: &Draw, now: Timestamp) -> Result<Drawn>;

    /// A service has refused a call of any worker: nothing more is granted from its bucket before `until`, and less
    /// after that ([`Bucket::block`]).
    async fn block_target(&self, target: &str, until: Timestamp, now: Timestamp) -> Result<()>;

    /// Under which name claims of this process are known: a new one each time the journal is opened.
    fn worker(&self) -> &str;

    /// Whether nobody else can have it open at the same time, in this process or another, as long as it is open here: then
    /// whatever another [`worker`](Self::worker) was doing is over. `false` where that is not known.
    fn is_exclusive(&self) -> bool {
        false
    }

    /// Completes when something may have become due earlier than [`next_due`](Self::next_due) last said. A hint: it may
    /// come for nothing, and it may never come.
    async fn hint(&self);

    /// Brings a dead event back to its place in the lane, and lifts the parking it caused. Records who did
    /// it and why. An event that waits for its next attempt is made due at once.
    async fn requeue(&self, event: &EventId, by: &str, reason: &str) -> Result<()>;

    /// At most `limit` entries of the audit behind `after`, in order, and whether what was accepted is still what it
    /// was. Every other method that changes something adds one, in the same commit.
    async fn audit(&self, after: u64, limit: usize) -> Result<Vec<(AuditEntry, Kept)>>;

    /// The end of the audit, as it was last written down.
    async fn audit_head(&self) -> Result<Checkpoint>;

    /// Under which name somebody stands in the audit; `None` for somebody who does not, or was erased.
    async fn pseudonym(&self, person: &PersonKey) -> Result<Option<String>>;

    /// Destroys what is known of somebody: records, state, plans, steps, names, and who they are in the audit. Events
    /// keep their ids, so that none of them takes effect again.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound) for somebody who is not known, [`Conflict`](crate::ErrorKind::Conflict)
    /// as long as there is an account that is not deleted or an event that is not over.
    async fn erase(&self, person: &PersonKey, by: &str, reason: &str) -> Result<()>;

    /// What is known of a person.
    async fn person(&self, key: &PersonKey) -> Result<Option<PersonState>>;

    /// Everybody known, ordered by key, after `after`, at most `limit`.
    async fn people(&self, after: Option<&PersonKey>, limit: usize) -> Result<Vec<PersonState>>;

    /// The people whose record names this manager, ordered by key.
    async fn reports_of(&self, manager: &PersonKey) -> Result<Vec<Report>>;

    /// Who holds this sign-in name (compared without case).
    async fn holder(&self, name: &str) -> Result<Option<PersonKey>>;

    /// When the next claim could succeed: the earliest instant among heads that are neither claimed nor
    /// parked. May lie in the past. Behind a leave that waits for its next attempt nothing else comes up.
    async fn next_due(&self) -> Result<Option<Timestamp>>;

    /// Events and their stories.
    async fn history(&self, query: &HistoryQuery) -> Result<Vec<Entry>>;

    /// Keeps a plan that the guard has refused; freezing, releasing and using the release of one are noted in the audit. The one that is open already stays as it is, its release included;
    /// any other open one is superseded.
    async fn freeze(&self, plan: &Frozen) -> Result<()>;

    /// Every plan that was ever frozen, in order; at most one is open.
    async fn frozen(&self) -> Result<Vec<Frozen>>;

    /// Releases the open plan with this hash.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound) when no open plan has it, [`Denied`](crate::ErrorKind::Denied) to the
    /// one who planned it, [`Conflict`](crate::ErrorKind::Conflict) when it is released already, and
    /// [`Invalid`](crate::ErrorKind::Invalid) without a name or a reason.
    async fn release(&self, hash: &str, release: &Release) -> Result<()>;

    /// Uses the release of the plan with this hash up; `false` when there is none.
    async fn spend(&self, hash: &str, at: Timestamp) -> Result<bool>;

    /// Notes in the audit by which policy (its fingerprint) work is done from now on, and who does it; nothing where that
    /// is the one that was noted last. Says whether it is another one.
    async fn in_force(&self, policy: &str, by: &str) -> Result<bool>;

    /// Events whose id was known with other content, in the order in which they came; the same one once.
    async fn quarantine(&self) -> Result<Vec<Quarantined>>;

    /// Who names this person as who they were before, in the record accepted last.
    async fn successor_of(&self, person: &PersonKey) -> Result<Option<PersonKey>>;

    /// Opens a delivery of a source. One that is open still was cut off, and is discarded.
    async fn open_delivery(&self, source: &str, at: Timestamp) -> Result<DeliveryId>;

    /// Stages rows of an open delivery, in order.
    ///
    /// # Errors
    /// [`Conflict`](crate::ErrorKind::Conflict) when it is not open any more.
    async fn stage(&self, delivery: DeliveryId, rows: &[Row]) -> Result<()>;

    /// Ends an open delivery: with findings it is held, without any it is being released, and `totals`, which mean
    /// nothing to the journal, are what is remembered of the source's last good one.
    ///
    /// # Errors
    /// [`Conflict`](crate::ErrorKind::Conflict) when it is not open any more.
    async fn close_delivery(
        &self,
        delivery: DeliveryId,
        totals: &serde_json::Value,
        findings: &[String],
    ) -> Result<()>;

    /// Accepts up to `max` more rows of a delivery that is being released, in one commit with the note how far it has
    /// come: each row once, however often the process dies. Records are compared with what was accepted before.
    async fn release_some(&self, delivery: DeliveryId, max: usize, now: Timestamp) -> Result<Released>;

    /// Decides about a held delivery. Who and why is kept, and noted in the audit.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound); [`Conflict`](crate::ErrorKind::Conflict) when it is not held, or is to
    /// be released after a newer one of its source was: what is old must not replace what is new.
    async fn decide(&self, delivery: DeliveryId, release: bool, by: &str, reason: &str) -> Result<()>;

    /// The deliveries that are open, held or being released, oldest first.
    async fn staged(&self) -> Result<Vec<Staged>>;

    /// One delivery, wherever it stands.
    async fn delivery(&self, id: DeliveryId) -> Result<Option<Staged>>;

    /// Looks at the journal itself: whether what it rests on is as it should be, and whether its audit is whole. Reads
    /// all of it, which takes a while, and keeps nobody from working.
    ///
    /// # Errors
    /// Where it cannot be looked at. What is wrong with it is a finding.
    async fn check(&self) -> Result<Vec<Finding>>;

    /// What is remembered of the last good delivery of a source.
    async fn last_good(&self, source: &str) -> Result<Option<serde_json::Value>>;
}

/// Nothing is known of that event.
fn not_known(event: &EventId) -> Error {
    Error::new(ErrorKind::NotFound, format!("the journal has no event {event}"))
}

fn over(event: &EventId) -> Error {
    let message = format!("event {event} is over: it cannot be requeued");
    Error::new(ErrorKind::Conflict, message)
}

/// The event has no such step.
fn no_step(event: &EventId, step: &StepId) -> Error {
    let message = format!("event {event} has no step {step}, or never began it");
    Error::new(ErrorKind::NotFound, message)
}

/// There is nothing to say about the step.
fn settled(event: &EventId, step: &StepId) -> Error {
    let message = format!(
        "step {step} of event {event} is not one that ended unknown: only such a step is answered by a person, while \
         nobody works on it"
    );
    Error::new(ErrorKind::Conflict, message)
}
