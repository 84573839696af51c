//! Doors that lead nowhere, for a preview: the same work on the same events, with every effect kept in
//! memory. [`Shadow`] reads through to the journal, an [overlay](super::overlay) to each target.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::error::Result;
use crate::event::{Accepted, Event, EventId, Timer};
use crate::journal::audit::{AuditEntry, Checkpoint, Kept};
use crate::journal::{
    Answer, Appended, Ask, Asks, Burial, Claim, DeliveryId, Draw, Drawn, Entry, EventFilter, EventState,
    Exchange, Figures, Finding, Frozen, HistoryQuery, Journal, Lane, Letter, LetterId, MemoryJournal,
    Observation, Outcome, PersonState, Quarantined, Release, Released, Report, Reservation, Row, Staged,
    Stalled, StepStart, Survey, Told, Waiting,
};
use crate::notify::{Message, Notifier};
use crate::person::PersonKey;
use crate::plan::{IdempotencyKey, Plan, StepId};

/// A journal that starts as a copy of the real one's due work and keeps every write to itself.
#[derive(Debug)]
pub(super) struct Shadow<'a> {
    real: &'a dyn Journal,
    copy: MemoryJournal,
    seeded: Mutex<BTreeSet<PersonKey>>,
}

impl<'a> Shadow<'a> {
    /// Copies nothing: there is no work.
    pub(super) fn idle(real: &'a dyn Journal) -> Self {
        Self {
            real,
            copy: MemoryJournal::new(),
            seeded: Mutex::default(),
        }
    }

    /// Copies everything that could be claimed at `now`.
    pub(super) async fn of(real: &'a dyn Journal, now: Timestamp) -> Result<Self> {
        let shadow = Self::idle(real);
        let pending = HistoryQuery {
            state: Some(EventState::Pending),
            due: Some(now),
            ..HistoryQuery::default()
        };
        let dead = HistoryQuery {
            state: Some(EventState::Dead),
            ..HistoryQuery::default()
        };
        let mut entries = real.history(&pending).await?;
        entries.extend(
            real.history(&dead)
                .await?
                .into_iter()
                .filter(|entry| entry.parked),
        );
        for entry in &entries {
            shadow.seed(&entry.event.person).await?;
        }
        shadow.copy.adopt(entries);
        Ok(shadow)
    }

    async fn seed(&self, person: &PersonKey) -> Result<()> {
        if !lock(&self.seeded).insert(person.clone()) {
            return Ok(());
        }
        let accepted = self
            .real
            .accepted(std::slice::from_ref(person))
            .await?
            .pop()
            .flatten();
        self.copy.seed(person, self.real.person(person).await?, accepted);
        Ok(())
    }

    fn has(&self, person: &PersonKey) -> bool {
        lock(&self.seeded).contains(person)
    }
}

#[async_trait]
impl Exchange for Shadow<'_> {
    async fn observe(&self, seen: &[Observation], now: Timestamp) -> Result<Vec<Appended>> {
        for seen in seen {
            self.seed(&seen.person.key).await?;
        }
        self.copy.observe(seen, now).await
    }

    async fn bury(&self, burial: Burial<'_>) -> Result<LetterId> {
        self.copy.bury(burial).await
    }

    async fn letters(&self, after: Option<LetterId>, limit: usize) -> Result<Vec<Letter>> {
        self.real.letters(after, limit).await
    }

    async fn letter(&self, id: LetterId) -> Result<Option<Letter>> {
        self.real.letter(id).await
    }

    async fn close_letter(&self, id: LetterId, accepted: bool, by: &str, reason: &str) -> Result<()> {
        self.copy.close_letter(id, accepted, by, reason).await
    }

    async fn bookmark(&self, name: &str) -> Result<Option<(u64, serde_json::Value)>> {
        self.real.bookmark(name).await
    }

    async fn set_bookmark(&self, name: &str, version: u64, value: &serde_json::Value) -> Result<bool> {
        self.copy.set_bookmark(name, version, value).await
    }

    async fn bookmarks(
        &self,
        prefix: &str,
        before: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, serde_json::Value)>> {
        self.real.bookmarks(prefix, before, limit).await
    }
}

#[async_trait]
impl Survey for Shadow<'_> {
    async fn events(&self, filter: &EventFilter, now: Timestamp) -> Result<Vec<(u64, Entry)>> {
        self.real.events(filter, now).await
    }

    async fn figures(&self, now: Timestamp) -> Result<Figures> {
        self.real.figures(now).await
    }

    async fn told(&self, from: Timestamp, until: Timestamp) -> Result<Vec<Told>> {
        self.real.told(from, until).await
    }

    async fn coming(
        &self,
        timers: &[Timer],
        from: Timestamp,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<Event>> {
        self.real.coming(timers, from, until, limit).await
    }
}

#[async_trait]
impl Journal for Shadow<'_> {
    async fn append(&self, batch: &[Event]) -> Result<Vec<Appended>> {
        for event in batch {
            self.seed(&event.person).await?;
        }
        self.copy.append(batch).await
    }

    async fn accepted(&self, keys: &[PersonKey]) -> Result<Vec<Option<Accepted>>> {
        // What HR is about to say stands in the copy alone.
        let mut latest = self.real.accepted(keys).await?;
        for (key, latest) in keys.iter().zip(&mut latest) {
            if self.has(key) {
                *latest = self
                    .copy
                    .accepted(std::slice::from_ref(key))
                    .await?
                    .pop()
                    .flatten();
            }
        }
        Ok(latest)
    }

    async fn claim(&self, max: usize, now: Timestamp, lease: Duration) -> Result<Vec<Claim>> {
        self.copy.claim(max, now, lease).await
    }

    async fn heartbeat(&self, claim: &Claim, lease: Duration) -> Result<()> {
        self.copy.heartbeat(claim, lease).await
    }

    async fn plan(&self, claim: &Claim, plan: &Plan) -> Result<()> {
        self.copy.plan(claim, plan).await
    }

    async fn intend(&self, claim: &Claim, step: &StepId, key: &IdempotencyKey) -> Result<StepStart> {
        self.copy.intend(claim, step, key).await
    }

    async fn settle(&self, claim: &Claim, step: &StepId, outcome: &Outcome, at: Timestamp) -> Result<()> {
        self.copy.settle(claim, step, outcome, at).await
    }

    async fn reserve(&self, name: &str, person: &PersonKey) -> Result<Reservation> {
        match self.real.holder(name).await? {
            Some(by) if by != *person => Ok(Reservation::Taken { by }),
            _ => self.copy.reserve(name, person).await,
        }
    }

    async fn holder(&self, name: &str) -> Result<Option<PersonKey>> {
        match self.copy.holder(name).await? {
            Some(holder) => Ok(Some(holder)),
            None => self.real.holder(name).await,
        }
    }

    async fn complete(&self, claim: &Claim, state: &PersonState, timers: &[Event]) -> Result<()> {
        for timer in timers {
            self.seed(&timer.person).await?;
        }
        self.copy.complete(claim, state, timers).await
    }

    async fn retry_later(&self, claim: &Claim, state: &PersonState, at: Timestamp, why: &str) -> Result<()> {
        self.copy.retry_later(claim, state, at, why).await
    }

    async fn dead_letter(
        &self,
        claim: &Claim,
        state: &PersonState,
        timers: &[Event],
        why: &str,
        lane: Lane,
    ) -> Result<()> {
        for timer in timers {
            self.seed(&timer.person).await?;
        }
        self.copy.dead_letter(claim, state, timers, why, lane).await
    }

    async fn put_back(&self, claim: &Claim, at: Timestamp, why: &str) -> Result<()> {
        self.copy.put_back(claim, at, why).await
    }

    async fn ask(&self, claim: &Claim, ask: &Ask, at: Timestamp) -> Result<()> {
        self.copy.ask(claim, ask, at).await
    }

    async fn asked(&self, event: &EventId) -> Result<Option<Ask>> {
        self.copy.asked(event).await
    }

    async fn asks(&self, now: Timestamp) -> Result<Asks> {
        self.copy.asks(now).await
    }

    async fn answer(&self, answers: &[Answer], at: Timestamp) -> Result<usize> {
        self.copy.answer(answers, at).await
    }

    async fn skip(&self, event: &EventId, by: &str, reason: &str) -> Result<()> {
        self.copy.skip(event, by, reason).await
    }

    async fn resolve(
        &self,
        event: &EventId,
        step: &StepId,
        happened: bool,
        by: &str,
        reason: &str,
    ) -> Result<()> {
        self.copy.resolve(event, step, happened, by, reason).await
    }

    async fn waiting(&self, person: &PersonKey, now: Timestamp) -> Result<Waiting> {
        self.real.waiting(person, now).await
    }

    async fn stalled(&self, now: Timestamp) -> Result<Option<Stalled>> {
        self.real.stalled(now).await
    }

    async fn take_budget(&self, draw: &Draw, now: Timestamp) -> Result<Drawn> {
        self.real.take_budget(draw, now).await
    }

    async fn block_target(&self, target: &str, until: Timestamp, now: Timestamp) -> Result<()> {
        self.real.block_target(target, until, now).await
    }

    fn worker(&self) -> &str {
        self.copy.worker()
    }

    fn is_exclusive(&self) -> bool {
        self.real.is_exclusive()
    }

    async fn hint(&self) {
        self.copy.hint().await;
    }

    async fn requeue(&self, event: &EventId, by: &str, reason: &str) -> Result<()> {
        self.copy.requeue(event, by, reason).await
    }

    async fn audit(&self, after: u64, limit: usize) -> Result<Vec<(AuditEntry, Kept)>> {
        self.real.audit(after, limit).await
    }

    async fn audit_head(&self) -> Result<Checkpoint> {
        self.real.audit_head().await
    }

    async fn check(&self) -> Result<Vec<Finding>> {
        self.real.check().await
    }

    async fn pseudonym(&self, person: &PersonKey) -> Result<Option<String>> {
        self.real.pseudonym(person).await
    }

    async fn erase(&self, person: &PersonKey, by: &str, reason: &str) -> Result<()> {
        self.copy.erase(person, by, reason).await
    }

    async fn person(&self, key: &PersonKey) -> Result<Option<PersonState>> {
        if self.has(key) {
            self.copy.person(key).await
        } else {
            self.real.person(key).await
        }
    }

    async fn people(&self, after: Option<&PersonKey>, limit: usize) -> Result<Vec<PersonState>> {
        self.real.people(after, limit).await
    }

    async fn reports_of(&self, manager: &PersonKey) -> Result<Vec<Report>> {
        let mut reports = self.real.reports_of(manager).await?;
        reports.retain(|report| !self.has(&report.person));
        reports.extend(self.copy.reports_of(manager).await?);
        Ok(reports)
    }

    async fn next_due(&self) -> Result<Option<Timestamp>> {
        self.copy.next_due().await
    }

    async fn history(&self, query: &HistoryQuery) -> Result<Vec<Entry>> {
        let known = self.copy.history(query).await?;
        // What is over was not copied.
        if known.is_empty() && query.event.is_some() {
            return self.real.history(query).await;
        }
        Ok(known)
    }

    async fn freeze(&self, plan: &Frozen) -> Result<()> {
        self.copy.freeze(plan).await
    }

    async fn frozen(&self) -> Result<Vec<Frozen>> {
        self.real.frozen().await
    }

    async fn release(&self, hash: &str, release: &Release) -> Result<()> {
        self.copy.release(hash, release).await
    }

    async fn spend(&self, hash: &str, at: Timestamp) -> Result<bool> {
        self.copy.spend(hash, at).await
    }

    async fn in_force(&self, policy: &str, by: &str) -> Result<bool> {
        self.copy.in_force(policy, by).await
    }

    async fn quarantine(&self) -> Result<Vec<Quarantined>> {
        self.copy.quarantine().await
    }

    async fn successor_of(&self, person: &PersonKey) -> Result<Option<PersonKey>> {
        self.real.successor_of(person).await
    }

    async fn open_delivery(&self, source: &str, at: Timestamp) -> Result<DeliveryId> {
        self.copy.open_delivery(source, at).await
    }

    async fn stage(&self, delivery: DeliveryId, rows: &[Row]) -> Result<()> {
        self.copy.stage(delivery, rows).await
    }

    async fn close_delivery(
        &self,
        delivery: DeliveryId,
        totals: &serde_json::Value,
        findings: &[String],
    ) -> Result<()> {
        self.copy.close_delivery(delivery, totals, findings).await
    }

    async fn release_some(&self, delivery: DeliveryId, max: usize, now: Timestamp) -> Result<Released> {
        self.copy.release_some(delivery, max, now).await
    }

    async fn decide(&self, delivery: DeliveryId, release: bool, by: &str, reason: &str) -> Result<()> {
        self.copy.decide(delivery, release, by, reason).await
    }

    async fn staged(&self) -> Result<Vec<Staged>> {
        self.copy.staged().await
    }

    async fn delivery(&self, id: DeliveryId) -> Result<Option<Staged>> {
        self.copy.delivery(id).await
    }

    async fn last_good(&self, source: &str) -> Result<Option<serde_json::Value>> {
        self.copy.last_good(source).await
    }
}

/// Sends nothing.
#[derive(Debug)]
pub(super) struct Silence;

#[async_trait]
impl Notifier for Silence {
    async fn notify(&self, _: &Message, _: &IdempotencyKey) -> Result<()> {
        Ok(())
    }

    fn takes_passes(&self) -> bool {
        true
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
