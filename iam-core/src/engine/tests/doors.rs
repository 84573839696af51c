//! Doors with a will of their own: a target that fails at chosen steps, a journal that dies at a chosen
//! write, and a notifier that writes down what it was given.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::atomic::{AtomicIsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::entitlement::{Actual, Attribute, Catalog, TargetId};
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Accepted, Event, EventId};
use crate::journal::audit::{AuditEntry, Checkpoint, Kept};
use crate::journal::{
    Appended, Claim, DeliveryId, Entry, Frozen, HistoryQuery, Journal, Lane, MemoryJournal, Outcome,
    PersonState, Quarantined, Release, Released, Report, Reservation, Row, Staged, StepStart,
};
use crate::notify::{Message, Notifier};
use crate::person::PersonKey;
use crate::plan::{IdempotencyKey, Plan, Step, StepId};
use crate::target::{Applied, Candidates, Capabilities, Keys, PersonRef, Target};
use crate::testing::MemoryTarget;

/// How a step goes wrong.
#[derive(Debug, Clone, Copy)]
pub(super) enum Mood {
    /// Nothing is done.
    Refuses(ErrorKind),
    /// It is done, and the answer says otherwise.
    Lies(ErrorKind),
    /// There is nothing that it could be done to.
    Vain,
}

type Temper = Box<dyn FnMut(&Step) -> Option<Mood> + Send>;

/// A target that fails as it is told, and remembers what it did.
#[derive(Clone)]
pub(super) struct Moody {
    inner: MemoryTarget,
    temper: Arc<Mutex<Option<Temper>>>,
    /// Every step that reached it: `person step`.
    pub(super) applied: Arc<Mutex<Vec<String>>>,
    /// Attributes that it has no place for.
    pub(super) without: Arc<Mutex<Vec<Attribute>>>,
    /// Kinds of steps that it does not carry out.
    pub(super) unable: Arc<Mutex<Vec<&'static str>>>,
}

impl std::fmt::Debug for Moody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Moody")
    }
}

impl Moody {
    pub(super) fn around(inner: &MemoryTarget) -> Self {
        Self {
            inner: inner.clone(),
            temper: Arc::default(),
            applied: Arc::default(),
            without: Arc::default(),
            unable: Arc::default(),
        }
    }

    /// From now on `temper` says what goes wrong.
    pub(super) fn temper(&self, temper: impl FnMut(&Step) -> Option<Mood> + Send + 'static) {
        *self.temper.lock().unwrap() = Some(Box::new(temper));
    }

    /// The next `times` steps whose `person step` contains `what` go wrong.
    pub(super) fn fail(&self, what: &'static str, times: usize, mood: Mood) {
        let mut left = times;
        self.temper(move |step| {
            let hit = left > 0 && format!("{} {}", step.person, step.id).contains(what);
            left -= usize::from(hit);
            hit.then_some(mood)
        });
    }

    pub(super) fn calm(&self) {
        *self.temper.lock().unwrap() = None;
    }
}

#[async_trait]
impl Target for Moody {
    fn id(&self) -> &TargetId {
        self.inner.id()
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = self.inner.capabilities();
        let without = self.without.lock().unwrap().clone();
        capabilities
            .lengths
            .extend(without.into_iter().map(|attribute| (attribute, 0)));
        let unable = self.unable.lock().unwrap();
        capabilities.actions.retain(|kind, _| !unable.contains(kind));
        capabilities
    }

    async fn catalog(&self) -> Result<Catalog> {
        self.inner.catalog().await
    }

    async fn find(&self, keys: &[Keys]) -> Result<Vec<Candidates>> {
        self.inner.find(keys).await
    }

    async fn names_taken(&self, names: &[String]) -> Result<BTreeMap<String, String>> {
        self.inner.names_taken(names).await
    }

    async fn observe(&self, who: &[PersonRef]) -> Result<Vec<Actual>> {
        self.inner.observe(who).await
    }

    async fn apply(&self, step: &Step, key: &IdempotencyKey) -> Result<Applied> {
        let mood = self
            .temper
            .lock()
            .unwrap()
            .as_mut()
            .and_then(|temper| temper(step));
        let called = format!("{} {}", step.person, step.id);
        self.applied.lock().unwrap().push(called);
        tokio::task::yield_now().await; // the others of the batch go on meanwhile
        match mood {
            None => self.inner.apply(step, key).await,
            Some(Mood::Refuses(kind)) => Err(Error::new(kind, "not now")),
            Some(Mood::Lies(kind)) => {
                self.inner.apply(step, key).await?;
                Err(Error::new(kind, "no answer"))
            }
            Some(Mood::Vain) => Ok(Applied::NotApplicable {
                why: "nothing is there".to_owned(),
            }),
        }
    }
}

type Interruption = Box<dyn FnOnce(&MemoryJournal) + Send>;

/// A journal that dies around its n-th write: that one and all later ones fail. Leases are over at once unless
/// told otherwise, so that the next life need not wait for them.
#[derive(Clone)]
pub(super) struct Mortal {
    inner: MemoryJournal,
    writes: Arc<AtomicIsize>,
    interruption: Arc<Mutex<Option<Interruption>>>,
    /// How long a lane is held.
    pub(super) lease: Arc<Mutex<Duration>>,
}

impl std::fmt::Debug for Mortal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Mortal")
    }
}

impl Mortal {
    pub(super) fn around(inner: &MemoryJournal) -> Self {
        Self {
            inner: inner.clone(),
            writes: Arc::new(AtomicIsize::new(isize::MAX)),
            interruption: Arc::default(),
            lease: Arc::default(),
        }
    }

    /// Dies after `writes` more writes.
    pub(super) fn dies_after(&self, writes: isize) {
        self.writes.store(writes, Ordering::SeqCst);
    }

    /// A new life.
    pub(super) fn revive(&self) {
        self.dies_after(isize::MAX);
    }

    /// Before the next append, somebody else is quicker.
    pub(super) fn interrupt(&self, with: impl FnOnce(&MemoryJournal) + Send + 'static) {
        *self.interruption.lock().unwrap() = Some(Box::new(with));
    }

    async fn write<T>(&self, work: impl Future<Output = Result<T>> + Send) -> Result<T> {
        if self.writes.fetch_sub(1, Ordering::SeqCst) <= 0 {
            return Err(Error::new(ErrorKind::Storage, "the process has died"));
        }
        work.await
    }
}

#[async_trait]
impl Journal for Mortal {
    async fn append(&self, batch: &[Event]) -> Result<Vec<Appended>> {
        if let Some(interruption) = self.interruption.lock().unwrap().take() {
            interruption(&self.inner);
        }
        self.write(self.inner.append(batch)).await
    }

    async fn accepted(&self, keys: &[PersonKey]) -> Result<Vec<Option<Accepted>>> {
        self.inner.accepted(keys).await
    }

    async fn claim(&self, max: usize, now: Timestamp, _: Duration) -> Result<Vec<Claim>> {
        let lease = *self.lease.lock().unwrap();
        self.write(self.inner.claim(max, now, lease)).await
    }

    async fn heartbeat(&self, claim: &Claim, lease: Duration) -> Result<()> {
        self.write(self.inner.heartbeat(claim, lease)).await
    }

    async fn plan(&self, claim: &Claim, plan: &Plan) -> Result<()> {
        self.write(self.inner.plan(claim, plan)).await
    }

    async fn intend(&self, claim: &Claim, step: &StepId, key: &IdempotencyKey) -> Result<StepStart> {
        self.write(self.inner.intend(claim, step, key)).await
    }

    async fn settle(&self, claim: &Claim, step: &StepId, outcome: &Outcome, at: Timestamp) -> Result<()> {
        self.write(self.inner.settle(claim, step, outcome, at)).await
    }

    async fn reserve(&self, name: &str, person: &PersonKey) -> Result<Reservation> {
        tokio::task::yield_now().await; // a journal on disk takes its time
        self.write(self.inner.reserve(name, person)).await
    }

    async fn holder(&self, name: &str) -> Result<Option<PersonKey>> {
        self.inner.holder(name).await
    }

    async fn complete(&self, claim: &Claim, state: &PersonState, timers: &[Event]) -> Result<()> {
        self.write(self.inner.complete(claim, state, timers)).await
    }

    async fn retry_later(&self, claim: &Claim, state: &PersonState, at: Timestamp, why: &str) -> Result<()> {
        self.write(self.inner.retry_later(claim, state, at, why)).await
    }

    async fn dead_letter(
        &self,
        claim: &Claim,
        state: &PersonState,
        timers: &[Event],
        why: &str,
        lane: Lane,
    ) -> Result<()> {
        self.write(self.inner.dead_letter(claim, state, timers, why, lane))
            .await
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

    async fn release_some(&self, delivery: DeliveryId, max: usize, now: Timestamp) -> Result<Released> {
        self.write(self.inner.release_some(delivery, max, now)).await
    }

    async fn decide(&self, delivery: DeliveryId, release: bool, by: &str, reason: &str) -> Result<()> {
        self.write(self.inner.decide(delivery, release, by, reason)).await
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

/// Writes the subjects of notices down, and what passes were sent with.
#[derive(Debug, Clone, Default)]
pub(super) struct Notices {
    subjects: Arc<Mutex<Vec<String>>>,
    /// `recipients: text` of each message that carries a pass.
    pub(super) passes: Arc<Mutex<Vec<String>>>,
    /// What it says instead of sending.
    pub(super) refuses: Arc<Mutex<Option<ErrorKind>>>,
    /// Whether it cannot bring passes.
    pub(super) public: Arc<Mutex<bool>>,
}

impl Notices {
    pub(super) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.subjects.lock().unwrap())
    }
}

#[async_trait]
impl Notifier for Notices {
    async fn notify(&self, message: &Message, _: &IdempotencyKey) -> Result<()> {
        if let Some(kind) = *self.refuses.lock().unwrap() {
            return Err(Error::new(kind, "not sent"));
        }
        self.subjects.lock().unwrap().push(message.subject.clone());
        if message.carries_pass() {
            let text = message.text();
            let sent = format!("{}: {}", message.to.join(","), text.expose());
            self.passes.lock().unwrap().push(sent);
        }
        Ok(())
    }

    fn takes_passes(&self) -> bool {
        !*self.public.lock().unwrap()
    }
}
