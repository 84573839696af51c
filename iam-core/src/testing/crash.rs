//! A journal at which the process dies.

use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::future::BoxFuture;

use crate::error::Result;
use crate::event::Event;
use crate::journal::{Claim, Journal};
use crate::plan::{IdempotencyKey, StepId};

/// When a [`CrashingJournal`] strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crash {
    /// Before the n-th record is written: the effect may be there, the record is not.
    Before(usize),
    /// After the n-th record has been written: the record is there, the effect may be not.
    After(usize),
}

/// What strikes: the process does not survive it, or the world is another one afterwards.
type Blow = Arc<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>;

/// A journal at which the process dies ([`std::process::abort`]) around its n-th write, counted from 1.
pub struct CrashingJournal {
    inner: Arc<dyn Journal>,
    crash: Crash,
    blow: Blow,
    lease: Option<Duration>,
    writes: AtomicUsize,
}

impl fmt::Debug for CrashingJournal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CrashingJournal")
            .field("inner", &self.inner)
            .field("crash", &self.crash)
            .finish_non_exhaustive()
    }
}

impl CrashingJournal {
    /// Wraps a journal.
    pub fn new(inner: Arc<dyn Journal>, crash: Crash) -> Self {
        Self {
            inner,
            crash,
            blow: Arc::new(|| std::process::abort()),
            lease: None,
            writes: AtomicUsize::new(0),
        }
    }

    /// Something else than an abort happens at that point: the process is killed or stopped from outside, the disk is
    /// full from then on, the clock jumps.
    #[must_use]
    pub fn struck_by(mut self, blow: impl Fn() -> BoxFuture<'static, ()> + Send + Sync + 'static) -> Self {
        self.blow = Arc::new(blow);
        self
    }

    /// Lanes are held for so long, whatever was asked: where processes share a journal, those of a dead one are free soon.
    #[must_use]
    pub fn leased_for(mut self, lease: Duration) -> Self {
        self.lease = Some(lease);
        self
    }

    /// How many writes were begun so far.
    pub fn writes(&self) -> usize {
        self.writes.load(Ordering::SeqCst)
    }

    async fn write<T>(&self, work: impl Future<Output = Result<T>> + Send) -> Result<T> {
        let write = self.writes.fetch_add(1, Ordering::SeqCst) + 1;
        if self.crash == Crash::Before(write) {
            (self.blow)().await;
        }
        let outcome = work.await;
        if self.crash == Crash::After(write) {
            (self.blow)().await;
        }
        outcome
    }
}

/// What a [`relayed!`] journal does of its own besides its `write`.
pub(crate) trait Relay: Sync {
    /// What happens before `append`, `observe` or `reserve`.
    fn beforehand(&self, _write: &'static str) -> impl Future<Output = ()> + Send {
        async {}
    }

    /// How long a lane is held for which `asked` was asked.
    fn lease(&self, asked: Duration) -> Duration {
        asked
    }

    /// What was claimed.
    fn claimed(&self, _claims: &[Claim]) {}

    /// The claim by which its holder writes.
    fn held<'a>(&self, claim: &'a Claim) -> Cow<'a, Claim> {
        Cow::Borrowed(claim)
    }

    /// In which order a batch is appended, by place.
    fn order(&self, batch: &[Event]) -> Vec<usize> {
        (0..batch.len()).collect()
    }

    /// Whether an intent is written.
    fn intends(&self, _step: &StepId, _key: &IdempotencyKey) -> bool {
        true
    }

    /// The key of an intent that was not written, before the step is settled.
    fn not_intended(&self, _step: &StepId) -> Option<IdempotencyKey> {
        None
    }
}

impl Relay for CrashingJournal {
    fn lease(&self, asked: Duration) -> Duration {
        self.lease.unwrap_or(asked)
    }
}

/// Makes a journal of a type that has an `inner` one: what only looks goes straight there, what writes goes through
/// the type's own `write`.
macro_rules! relayed {
    ($journal:ty) => {
        const _: () = {
            use jiff::Timestamp;
            use std::time::Duration;
            use $crate::error::Result;
            use $crate::event::{Accepted, Event, EventId, Timer};
            use $crate::journal::audit::{AuditEntry, Checkpoint, Kept};
            use $crate::journal::{
                Answer, Appended, Ask, Asks, Burial, Claim, DeliveryId, Draw, Drawn, Entry, EventFilter,
                Exchange, Figures, Finding, Frozen, HistoryQuery, Journal, Lane, Letter, LetterId,
                Observation, Outcome, PersonState, Quarantined, Release, Released, Report, Reservation, Row,
                Staged, Stalled, StepStart, Survey, Told, Waiting,
            };
            use $crate::person::PersonKey;
            use $crate::plan::{IdempotencyKey, Plan, StepId};
            use $crate::testing::Relay as _;

            #[async_trait::async_trait]
            impl Exchange for $journal {
                async fn observe(&self, seen: &[Observation], now: Timestamp) -> Result<Vec<Appended>> {
                    self.beforehand("observe").await;
                    self.write(self.inner.observe(seen, now)).await
                }

                async fn bury(&self, burial: Burial<'_>) -> Result<LetterId> {
                    self.write(self.inner.bury(burial)).await
                }

                async fn letters(&self, after: Option<LetterId>, limit: usize) -> Result<Vec<Letter>> {
                    self.inner.letters(after, limit).await
                }

                async fn letter(&self, id: LetterId) -> Result<Option<Letter>> {
                    self.inner.letter(id).await
                }

                async fn close_letter(
                    &self,
                    id: LetterId,
                    accepted: bool,
                    by: &str,
                    reason: &str,
                ) -> Result<()> {
                    self.write(self.inner.close_letter(id, accepted, by, reason))
                        .await
                }

                async fn bookmark(&self, name: &str) -> Result<Option<(u64, serde_json::Value)>> {
                    self.inner.bookmark(name).await
                }

                async fn set_bookmark(
                    &self,
                    name: &str,
                    version: u64,
                    value: &serde_json::Value,
                ) -> Result<bool> {
                    self.write(self.inner.set_bookmark(name, version, value))
                        .await
                }

                async fn bookmarks(
                    &self,
                    prefix: &str,
                    before: Option<&str>,
                    limit: usize,
                ) -> Result<Vec<(String, serde_json::Value)>> {
                    self.inner.bookmarks(prefix, before, limit).await
                }
            }

            #[async_trait::async_trait]
            impl Survey for $journal {
                async fn events(&self, filter: &EventFilter, now: Timestamp) -> Result<Vec<(u64, Entry)>> {
                    self.inner.events(filter, now).await
                }

                async fn figures(&self, now: Timestamp) -> Result<Figures> {
                    self.inner.figures(now).await
                }

                async fn told(&self, from: Timestamp, until: Timestamp) -> Result<Vec<Told>> {
                    self.inner.told(from, until).await
                }

                async fn coming(
                    &self,
                    timers: &[Timer],
                    from: Timestamp,
                    until: Timestamp,
                    limit: usize,
                ) -> Result<Vec<Event>> {
                    self.inner.coming(timers, from, until, limit).await
                }
            }

            #[async_trait::async_trait]
            impl Journal for $journal {
                async fn append(&self, batch: &[Event]) -> Result<Vec<Appended>> {
                    self.beforehand("append").await;
                    let order = self.order(batch);
                    let events: Vec<Event> = order.iter().map(|at| batch[*at].clone()).collect();
                    let answers = self.write(self.inner.append(&events)).await?;
                    let mut answers: Vec<_> = order.into_iter().zip(answers).collect();
                    answers.sort_by_key(|(at, _)| *at);
                    Ok(answers.into_iter().map(|(_, answer)| answer).collect())
                }

                async fn accepted(&self, keys: &[PersonKey]) -> Result<Vec<Option<Accepted>>> {
                    self.inner.accepted(keys).await
                }

                async fn claim(&self, max: usize, now: Timestamp, lease: Duration) -> Result<Vec<Claim>> {
                    let claims = self
                        .write(self.inner.claim(max, now, self.lease(lease)))
                        .await?;
                    self.claimed(&claims);
                    Ok(claims)
                }

                async fn heartbeat(&self, claim: &Claim, lease: Duration) -> Result<()> {
                    let lease = self.lease(lease);
                    self.write(self.inner.heartbeat(&self.held(claim), lease))
                        .await
                }

                async fn plan(&self, claim: &Claim, plan: &Plan) -> Result<()> {
                    self.write(self.inner.plan(&self.held(claim), plan)).await
                }

                async fn intend(
                    &self,
                    claim: &Claim,
                    step: &StepId,
                    key: &IdempotencyKey,
                ) -> Result<StepStart> {
                    if !self.intends(step, key) {
                        return Ok(StepStart::First);
                    }
                    self.write(self.inner.intend(&self.held(claim), step, key))
                        .await
                }

                async fn settle(
                    &self,
                    claim: &Claim,
                    step: &StepId,
                    outcome: &Outcome,
                    at: Timestamp,
                ) -> Result<()> {
                    if let Some(key) = self.not_intended(step) {
                        self.inner.intend(&self.held(claim), step, &key).await?;
                    }
                    self.write(self.inner.settle(&self.held(claim), step, outcome, at))
                        .await
                }

                async fn reserve(&self, name: &str, person: &PersonKey) -> Result<Reservation> {
                    self.beforehand("reserve").await;
                    self.write(self.inner.reserve(name, person)).await
                }

                async fn holder(&self, name: &str) -> Result<Option<PersonKey>> {
                    self.inner.holder(name).await
                }

                async fn complete(&self, claim: &Claim, state: &PersonState, timers: &[Event]) -> Result<()> {
                    self.write(self.inner.complete(&self.held(claim), state, timers))
                        .await
                }

                async fn retry_later(
                    &self,
                    claim: &Claim,
                    state: &PersonState,
                    at: Timestamp,
                    why: &str,
                ) -> Result<()> {
                    self.write(self.inner.retry_later(&self.held(claim), state, at, why))
                        .await
                }

                async fn dead_letter(
                    &self,
                    claim: &Claim,
                    state: &PersonState,
                    timers: &[Event],
                    why: &str,
                    lane: Lane,
                ) -> Result<()> {
                    self.write(
                        self.inner
                            .dead_letter(&self.held(claim), state, timers, why, lane),
                    )
                    .await
                }

                async fn put_back(&self, claim: &Claim, at: Timestamp, why: &str) -> Result<()> {
                    self.write(self.inner.put_back(&self.held(claim), at, why))
                        .await
                }

                async fn ask(&self, claim: &Claim, ask: &Ask, at: Timestamp) -> Result<()> {
                    self.write(self.inner.ask(&self.held(claim), ask, at)).await
                }

                async fn asked(&self, event: &EventId) -> Result<Option<Ask>> {
                    self.inner.asked(event).await
                }

                async fn asks(&self, now: Timestamp) -> Result<Asks> {
                    self.inner.asks(now).await
                }

                async fn answer(&self, answers: &[Answer], at: Timestamp) -> Result<usize> {
                    self.write(self.inner.answer(answers, at)).await
                }

                async fn skip(&self, event: &EventId, by: &str, reason: &str) -> Result<()> {
                    self.write(self.inner.skip(event, by, reason)).await
                }

                async fn resolve(
                    &self,
                    event: &EventId,
                    step: &StepId,
                    happened: bool,
                    by: &str,
                    reason: &str,
                ) -> Result<()> {
                    self.write(self.inner.resolve(event, step, happened, by, reason))
                        .await
                }

                async fn waiting(&self, person: &PersonKey, now: Timestamp) -> Result<Waiting> {
                    self.inner.waiting(person, now).await
                }

                async fn stalled(&self, now: Timestamp) -> Result<Option<Stalled>> {
                    self.inner.stalled(now).await
                }

                async fn take_budget(&self, draw: &Draw, now: Timestamp) -> Result<Drawn> {
                    self.write(self.inner.take_budget(draw, now)).await
                }

                async fn block_target(&self, target: &str, until: Timestamp, now: Timestamp) -> Result<()> {
                    self.write(self.inner.block_target(target, until, now))
                        .await
                }

                fn worker(&self) -> &str {
                    self.inner.worker()
                }

                fn is_exclusive(&self) -> bool {
                    self.inner.is_exclusive()
                }

                async fn hint(&self) {
                    self.inner.hint().await;
                }

                async fn requeue(&self, event: &EventId, by: &str, reason: &str) -> Result<()> {
                    self.write(self.inner.requeue(event, by, reason)).await
                }

                async fn audit(&self, after: u64, limit: usize) -> Result<Vec<(AuditEntry, Kept)>> {
                    self.inner.audit(after, limit).await
                }

                async fn audit_head(&self) -> Result<Checkpoint> {
                    self.inner.audit_head().await
                }

                async fn check(&self) -> Result<Vec<Finding>> {
                    self.inner.check().await
                }

                async fn pseudonym(&self, person: &PersonKey) -> Result<Option<String>> {
                    self.inner.pseudonym(person).await
                }

                async fn erase(&self, person: &PersonKey, by: &str, reason: &str) -> Result<()> {
                    self.write(self.inner.erase(person, by, reason)).await
                }

                async fn person(&self, key: &PersonKey) -> Result<Option<PersonState>> {
                    self.inner.person(key).await
                }

                async fn people(&self, after: Option<&PersonKey>, limit: usize) -> Result<Vec<PersonState>> {
                    self.inner.people(after, limit).await
                }

                async fn reports_of(&self, manager: &PersonKey) -> Result<Vec<Report>> {
                    self.inner.reports_of(manager).await
                }

                async fn next_due(&self) -> Result<Option<Timestamp>> {
                    self.inner.next_due().await
                }

                async fn history(&self, query: &HistoryQuery) -> Result<Vec<Entry>> {
                    self.inner.history(query).await
                }

                async fn freeze(&self, plan: &Frozen) -> Result<()> {
                    self.write(self.inner.freeze(plan)).await
                }

                async fn frozen(&self) -> Result<Vec<Frozen>> {
                    self.inner.frozen().await
                }

                async fn release(&self, hash: &str, release: &Release) -> Result<()> {
                    self.write(self.inner.release(hash, release)).await
                }

                async fn spend(&self, hash: &str, at: Timestamp) -> Result<bool> {
                    self.write(self.inner.spend(hash, at)).await
                }

                async fn in_force(&self, policy: &str, by: &str) -> Result<bool> {
                    self.write(self.inner.in_force(policy, by)).await
                }

                async fn quarantine(&self) -> Result<Vec<Quarantined>> {
                    self.inner.quarantine().await
                }

                async fn successor_of(&self, person: &PersonKey) -> Result<Option<PersonKey>> {
                    self.inner.successor_of(person).await
                }

                async fn open_delivery(&self, source: &str, at: Timestamp) -> Result<DeliveryId> {
                    self.write(self.inner.open_delivery(source, at)).await
                }

                async fn stage(&self, delivery: DeliveryId, rows: &[Row]) -> Result<()> {
                    self.write(self.inner.stage(delivery, rows)).await
                }

                async fn close_delivery(
                    &self,
                    delivery: DeliveryId,
                    totals: &serde_json::Value,
                    findings: &[String],
                ) -> Result<()> {
                    self.write(self.inner.close_delivery(delivery, totals, findings))
                        .await
                }

                async fn release_some(
                    &self,
                    delivery: DeliveryId,
                    max: usize,
                    now: Timestamp,
                ) -> Result<Released> {
                    self.write(self.inner.release_some(delivery, max, now))
                        .await
                }

                async fn decide(
                    &self,
                    delivery: DeliveryId,
                    release: bool,
                    by: &str,
                    reason: &str,
                ) -> Result<()> {
                    self.write(self.inner.decide(delivery, release, by, reason))
                        .await
                }

                async fn staged(&self) -> Result<Vec<Staged>> {
                    self.inner.staged().await
                }

                async fn delivery(&self, id: DeliveryId) -> Result<Option<Staged>> {
                    self.inner.delivery(id).await
                }

                async fn last_good(&self, source: &str) -> Result<Option<serde_json::Value>> {
                    self.inner.last_good(source).await
                }
            }
        };
    };
}
pub(crate) use relayed;

relayed!(CrashingJournal);
