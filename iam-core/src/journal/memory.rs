//! [`MemoryJournal`]: for previews, tests and demos. Nothing survives the process.

mod admission;
mod audit;
mod exchange;
mod freeze;
mod lane;
mod stage;
mod survey;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::Notify;

use self::lane::{LaneState, supersede};
use super::audit::{self as noted, AuditEntry, Checkpoint, Deed, Kept};
use super::health;
use super::{
    About, Answer, Appended, Ask, Asks, Bucket, Claim, DeliveryId, Draw, Drawn, Entry, EventState, Finding,
    Frozen, HistoryQuery, Journal, Lane, Outcome, PersonState, Quarantined, Release, Released, Report,
    Reservation, Row, Staged, Stalled, StepRecord, StepStart, Waiting,
};
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Accepted, Event, EventId};
use crate::person::PersonKey;
use crate::plan::{IdempotencyKey, Plan, StepId};

/// A journal in memory. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct MemoryJournal(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    inner: Mutex<Inner>,
    worker: String,
    /// Rings when something may have become due.
    bell: Notify,
}

impl Default for Shared {
    fn default() -> Self {
        Self {
            inner: Mutex::default(),
            worker: uuid::Uuid::new_v4().to_string(),
            bell: Notify::new(),
        }
    }
}

#[derive(Debug, Default)]
struct Inner {
    entries: Vec<Entry>,
    by_id: HashMap<EventId, usize>,
    lanes: BTreeMap<PersonKey, LaneState>,
    names: HashMap<String, PersonKey>,
    quarantine: Vec<Quarantined>,
    desk: stage::Desk,
    mail: exchange::Mail,
    audit: Vec<AuditEntry>,
    salts: HashMap<PersonKey, String>,
    frozen: Vec<Frozen>,
    /// What was asked of the guard, with its place in the order of asking.
    asks: BTreeMap<EventId, (Ask, u64)>,
    asked: u64,
    budgets: BTreeMap<String, Bucket>,
    /// When the entries were set aside that were.
    set_aside: HashMap<usize, Timestamp>,
}

impl MemoryJournal {
    /// An empty journal.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes a person known, for a preview on a copy.
    pub(crate) fn seed(&self, person: &PersonKey, state: Option<PersonState>, accepted: Option<Accepted>) {
        let mut inner = self.lock();
        let lane = inner.lanes.entry(person.clone()).or_default();
        (lane.state, lane.accepted) = (state, accepted);
    }

    /// Loses every timer that is pending, for a test.
    #[cfg(test)]
    pub(crate) fn forget_timers(&self) {
        let mut inner = self.lock();
        for entry in &mut inner.entries {
            if entry.state == EventState::Pending
                && matches!(entry.event.kind, crate::event::EventKind::Due { .. })
            {
                entry.state = EventState::Superseded;
            }
        }
    }

    /// Takes entries over as they are, for a preview on a copy.
    pub(crate) fn adopt(&self, entries: Vec<Entry>) {
        let mut inner = self.lock();
        for entry in entries {
            let at = inner.entries.len();
            let lane = inner.lanes.entry(entry.event.person.clone()).or_default();
            lane.open.push(at);
            lane.next_seq = lane.next_seq.max(entry.lane_seq);
            inner.by_id.insert(entry.event.id.clone(), at);
            inner.entries.push(entry);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Every change is complete before the guard is dropped, so a poisoned lock holds sound data.
        self.0.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Journal for MemoryJournal {
    async fn append(&self, batch: &[Event]) -> Result<Vec<Appended>> {
        let mut inner = self.lock();
        let answers = batch.iter().map(|event| inner.append_noted(event)).collect();
        self.0.bell.notify_waiters();
        Ok(answers)
    }

    async fn accepted(&self, keys: &[PersonKey]) -> Result<Vec<Option<Accepted>>> {
        let inner = self.lock();
        Ok(keys
            .iter()
            .map(|key| inner.lanes.get(key).and_then(|lane| lane.accepted.clone()))
            .collect())
    }

    async fn claim(&self, max: usize, now: Timestamp, lease: Duration) -> Result<Vec<Claim>> {
        let mut inner = self.lock();
        let moment = Instant::now();
        let mut heads: Vec<usize> = inner
            .lanes
            .values()
            .filter(|lane| lane.lease.is_none_or(|until| until <= moment))
            .filter_map(|lane| inner.head(lane, now))
            .filter(|&at| {
                let entry = &inner.entries[at];
                entry.not_before <= now && entry.event.due_at <= now
            })
            .collect();
        heads.sort_by_key(|&at| {
            let entry = &inner.entries[at];
            let kind = &entry.event.kind;
            (!kind.is_urgent(), !kind.is_leave(), entry.event.due_at, at)
        });
        heads.truncate(max);
        let mut claims = Vec::with_capacity(heads.len());
        for at in heads {
            let (id, person) = (
                inner.entries[at].event.id.clone(),
                inner.entries[at].event.person.clone(),
            );
            let Some(lane) = inner.lanes.get_mut(&person) else {
                continue;
            };
            lane.fence += 1;
            lane.lease = Some(moment + lease);
            lane.claimed = Some((id, now));
            let (fence, state) = (lane.fence, lane.state.clone());
            let entry = &mut inner.entries[at];
            claims.push(Claim {
                event: entry.event.clone(),
                state: state.unwrap_or_else(|| PersonState::new(person)),
                plan: entry.plan.clone(),
                steps: entry.steps.clone(),
                attempts: entry.attempts,
                fence,
            });
            entry.attempts += 1;
        }
        Ok(claims)
    }

    async fn heartbeat(&self, claim: &Claim, lease: Duration) -> Result<()> {
        let mut inner = self.lock();
        let (lane, ..) = inner.held(claim)?;
        lane.lease = Some(Instant::now() + lease);
        Ok(())
    }

    async fn plan(&self, claim: &Claim, plan: &Plan) -> Result<()> {
        let mut inner = self.lock();
        let (_, entries, at) = inner.held(claim)?;
        entries[at].plan = Some(plan.clone());
        inner.note_of(claim, Deed::Planned, format!("{} steps", plan.steps.len()), plan);
        Ok(())
    }

    async fn intend(&self, claim: &Claim, step: &StepId, key: &IdempotencyKey) -> Result<StepStart> {
        let mut inner = self.lock();
        let (_, entries, at) = inner.held(claim)?;
        let steps = &mut entries[at].steps;
        if let Some(record) = steps.iter_mut().find(|record| &record.step == step) {
            let start = StepStart::of(record.outcome.clone());
            if start == StepStart::First {
                // Unknown while it is tried again.
                (record.outcome, record.at) = (None, None);
                inner.note_of(claim, Deed::Intended, noted::kind_of(step), key);
            }
            return Ok(start);
        }
        steps.push(StepRecord {
            step: step.clone(),
            key: key.clone(),
            outcome: None,
            at: None,
        });
        inner.note_of(claim, Deed::Intended, noted::kind_of(step), key);
        Ok(StepStart::First)
    }

    async fn settle(&self, claim: &Claim, step: &StepId, outcome: &Outcome, at: Timestamp) -> Result<()> {
        let mut inner = self.lock();
        let (_, entries, index) = inner.held(claim)?;
        let record = entries[index]
            .steps
            .iter_mut()
            .find(|record| &record.step == step);
        let record = record
            .ok_or_else(|| Error::new(ErrorKind::Invalid, "a step is settled that was never intended"))?;
        record.outcome = Some(outcome.clone());
        record.at = Some(at);
        let ending = format!("{} {}", noted::kind_of(step), noted::ending_of(outcome));
        inner.note_of(claim, Deed::Settled, ending, outcome);
        Ok(())
    }

    async fn reserve(&self, name: &str, person: &PersonKey) -> Result<Reservation> {
        let mut inner = self.lock();
        let holder = inner
            .names
            .entry(name.to_lowercase())
            .or_insert_with(|| person.clone());
        Ok(if holder == person {
            Reservation::Ours
        } else {
            Reservation::Taken { by: holder.clone() }
        })
    }

    async fn complete(&self, claim: &Claim, state: &PersonState, timers: &[Event]) -> Result<()> {
        let mut inner = self.lock();
        let (lane, entries, at) = inner.held(claim)?;
        entries[at].state = EventState::Done;
        entries[at].why = None;
        let head = (entries[at].event.due_at, entries[at].lane_seq);
        let leave = entries[at].event.kind.is_leave();
        supersede(lane, entries, Some((head, leave)));
        lane.state = Some(state.clone());
        lane.lease = None;
        inner.set(timers);
        inner.end_asking(&claim.event.id);
        inner.note_of(claim, Deed::Completed, "", state);
        self.0.bell.notify_waiters();
        Ok(())
    }

    async fn retry_later(&self, claim: &Claim, state: &PersonState, at: Timestamp, why: &str) -> Result<()> {
        let mut inner = self.lock();
        let (lane, entries, index) = inner.held(claim)?;
        entries[index].not_before = at;
        entries[index].why = Some(why.to_owned());
        lane.state = Some(state.clone());
        lane.lease = None;
        inner.note_of(claim, Deed::Postponed, "", state);
        Ok(())
    }

    async fn dead_letter(
        &self,
        claim: &Claim,
        state: &PersonState,
        timers: &[Event],
        why: &str,
        set: Lane,
    ) -> Result<()> {
        let mut inner = self.lock();
        let (lane, entries, at) = inner.held(claim)?;
        entries[at].state = EventState::Dead;
        entries[at].why = Some(why.to_owned());
        entries[at].parked = set == Lane::Park;
        supersede(lane, entries, None);
        lane.state = Some(state.clone());
        lane.lease = None;
        inner.set(timers);
        inner.set_aside(at);
        inner.end_asking(&claim.event.id);
        inner.note_of(claim, Deed::SetAside, "", state);
        self.0.bell.notify_waiters();
        Ok(())
    }

    async fn requeue(&self, event: &EventId, by: &str, reason: &str) -> Result<()> {
        let answer = self.lock().requeue(event, by, reason);
        self.0.bell.notify_waiters();
        answer
    }

    async fn put_back(&self, claim: &Claim, at: Timestamp, why: &str) -> Result<()> {
        let mut inner = self.lock();
        inner.put_back(claim, at, why)?;
        inner.note_of(claim, Deed::Postponed, "untouched", &why);
        Ok(())
    }

    async fn ask(&self, claim: &Claim, ask: &Ask, at: Timestamp) -> Result<()> {
        self.lock().ask(claim, ask, at)
    }

    async fn asked(&self, event: &EventId) -> Result<Option<Ask>> {
        Ok(self.lock().asked(event))
    }

    async fn asks(&self, now: Timestamp) -> Result<Asks> {
        Ok(self.lock().asks(now))
    }

    async fn answer(&self, answers: &[Answer], at: Timestamp) -> Result<usize> {
        let count = self.lock().answer(answers, at);
        self.0.bell.notify_waiters();
        Ok(count)
    }

    async fn skip(&self, event: &EventId, by: &str, reason: &str) -> Result<()> {
        let answer = self.lock().skip(event, by, reason);
        self.0.bell.notify_waiters();
        answer
    }

    async fn resolve(
        &self,
        event: &EventId,
        step: &StepId,
        happened: bool,
        by: &str,
        reason: &str,
    ) -> Result<()> {
        let answer = self.lock().resolve(event, step, happened, (by, reason));
        self.0.bell.notify_waiters();
        answer
    }

    async fn waiting(&self, person: &PersonKey, now: Timestamp) -> Result<Waiting> {
        Ok(self.lock().waiting(person, &self.0.worker, now))
    }

    async fn stalled(&self, now: Timestamp) -> Result<Option<Stalled>> {
        Ok(self.lock().stalled(now))
    }

    async fn take_budget(&self, draw: &Draw, now: Timestamp) -> Result<Drawn> {
        let mut inner = self.lock();
        let full = || Bucket::full(draw.capacity, now);
        let bucket = inner.budgets.entry(draw.target.clone()).or_insert_with(full);
        Ok(bucket.draw(draw, now))
    }

    async fn block_target(&self, target: &str, until: Timestamp, now: Timestamp) -> Result<()> {
        let mut inner = self.lock();
        let empty = || Bucket::full(0.0, now);
        let bucket = inner.budgets.entry(target.to_owned()).or_insert_with(empty);
        bucket.block(until, now);
        Ok(())
    }

    fn worker(&self) -> &str {
        &self.0.worker
    }

    fn is_exclusive(&self) -> bool {
        true
    }

    async fn hint(&self) {
        self.0.bell.notified().await;
    }

    async fn audit(&self, after: u64, limit: usize) -> Result<Vec<(AuditEntry, Kept)>> {
        Ok(self.lock().audit_after(after, limit))
    }

    async fn audit_head(&self) -> Result<Checkpoint> {
        Ok(self.lock().audit_head())
    }

    async fn check(&self) -> Result<Vec<Finding>> {
        let message = "nothing is kept beyond this process: for previews, tests and demonstrations";
        let durability = Finding::doubtful(About::Durability, message);
        Ok(vec![durability, health::audit(self).await?])
    }

    async fn pseudonym(&self, person: &PersonKey) -> Result<Option<String>> {
        Ok(self.lock().pseudonym(person))
    }

    async fn erase(&self, person: &PersonKey, by: &str, reason: &str) -> Result<()> {
        self.lock().erase(person, by, reason)
    }

    async fn person(&self, key: &PersonKey) -> Result<Option<PersonState>> {
        Ok(self.lock().lanes.get(key).and_then(|lane| lane.state.clone()))
    }

    async fn people(&self, after: Option<&PersonKey>, limit: usize) -> Result<Vec<PersonState>> {
        let inner = self.lock();
        let states = inner
            .lanes
            .iter()
            .filter(|(key, _)| after.is_none_or(|after| *key > after));
        let states = states.filter_map(|(_, lane)| lane.state.clone());
        Ok(states.take(limit).collect())
    }

    async fn reports_of(&self, manager: &PersonKey) -> Result<Vec<Report>> {
        let inner = self.lock();
        let reports = inner.lanes.iter().filter_map(|(key, lane)| {
            let state = lane.state.as_ref()?;
            let named = state.record.as_ref()?.manager_id.as_ref()?;
            (named == manager).then(|| Report {
                person: key.clone(),
                waits: state.waits_for.as_ref() == Some(manager),
            })
        });
        Ok(reports.collect())
    }

    async fn holder(&self, name: &str) -> Result<Option<PersonKey>> {
        Ok(self.lock().names.get(&name.to_lowercase()).cloned())
    }

    async fn next_due(&self) -> Result<Option<Timestamp>> {
        Ok(self.lock().next().map(|(due, _)| due))
    }

    async fn history(&self, query: &HistoryQuery) -> Result<Vec<Entry>> {
        let inner = self.lock();
        let limit = if query.limit == 0 { usize::MAX } else { query.limit };
        let entries = inner.entries.iter();
        let of_person =
            entries.filter(|entry| query.person.as_ref().is_none_or(|key| entry.event.person == *key));
        let of_person = of_person.filter(|entry| query.event.as_ref().is_none_or(|id| entry.event.id == *id));
        let in_state = of_person.filter(|entry| query.state.is_none_or(|state| entry.state == state));
        let in_state = in_state.filter(|entry| query.due.is_none_or(|due| entry.event.due_at <= due));
        Ok(in_state.take(limit).cloned().collect())
    }

    async fn freeze(&self, plan: &Frozen) -> Result<()> {
        self.lock().freeze(plan);
        Ok(())
    }

    async fn frozen(&self) -> Result<Vec<Frozen>> {
        Ok(self.lock().frozen.clone())
    }

    async fn release(&self, hash: &str, release: &Release) -> Result<()> {
        self.lock().release(hash, release)
    }

    async fn spend(&self, hash: &str, at: Timestamp) -> Result<bool> {
        Ok(self.lock().spend(hash, at))
    }

    async fn in_force(&self, policy: &str, by: &str) -> Result<bool> {
        Ok(self.lock().in_force(policy, by))
    }

    async fn quarantine(&self) -> Result<Vec<Quarantined>> {
        Ok(self.lock().quarantine.clone())
    }

    async fn successor_of(&self, person: &PersonKey) -> Result<Option<PersonKey>> {
        Ok(self.lock().successor_of(person))
    }

    async fn open_delivery(&self, source: &str, at: Timestamp) -> Result<DeliveryId> {
        Ok(self.lock().desk.open(source, at))
    }

    async fn stage(&self, delivery: DeliveryId, rows: &[Row]) -> Result<()> {
        self.lock().desk.stage(delivery, rows)
    }

    async fn close_delivery(
        &self,
        delivery: DeliveryId,
        totals: &serde_json::Value,
        findings: &[String],
    ) -> Result<()> {
        self.lock().desk.close(delivery, totals, findings)
    }

    async fn release_some(&self, delivery: DeliveryId, max: usize, now: Timestamp) -> Result<Released> {
        self.lock().release_some(delivery, max, now)
    }

    async fn decide(&self, delivery: DeliveryId, release: bool, by: &str, reason: &str) -> Result<()> {
        let mut inner = self.lock();
        let decision = super::stage::decision(release, by, reason);
        inner.desk.decide(delivery, release, decision)?;
        let deed = if release { Deed::Released } else { Deed::Discarded };
        inner.decided(deed, &noted::delivery(delivery), by, reason);
        Ok(())
    }

    async fn staged(&self) -> Result<Vec<Staged>> {
        Ok(self.lock().desk.staged())
    }

    async fn delivery(&self, id: DeliveryId) -> Result<Option<Staged>> {
        Ok(self.lock().desk.delivery(id))
    }

    async fn last_good(&self, source: &str) -> Result<Option<serde_json::Value>> {
        Ok(self.lock().desk.last_good(source))
    }
}

#[cfg(test)]
#[cfg(feature = "testing")]
mod tests {
    use super::MemoryJournal;
    use crate::journal::conformance;

    #[tokio::test]
    async fn passes_the_exam() {
        conformance::exam(async || MemoryJournal::new()).await;
    }
}
