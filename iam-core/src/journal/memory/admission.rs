//! What was asked of the guard, what people decided about single events, and why somebody waits.

use std::time::Instant;

use jiff::Timestamp;

use super::{Inner, LaneState};
use crate::clock::{Clock as _, SystemClock};
use crate::error::{Error, ErrorKind, Result};
use crate::event::EventId;
use crate::journal::audit::{self, Deed, Note, said_of, standing_of};
use crate::journal::{
    Answer, Ask, Asks, Claim, Entry, EventState, Outcome, Stalled, Standing, Waiting, no_step, not_known,
    over, settled,
};
use crate::person::PersonKey;
use crate::plan::StepId;

impl Inner {
    /// Gives a lane back untouched.
    pub(super) fn put_back(&mut self, claim: &Claim, at: Timestamp, why: &str) -> Result<()> {
        let (lane, entries, index) = self.held(claim)?;
        lane.lease = None;
        let entry = &mut entries[index];
        entry.not_before = at;
        entry.why = Some(why.to_owned());
        entry.attempts = entry.attempts.saturating_sub(1);
        Ok(())
    }

    pub(super) fn ask(&mut self, claim: &Claim, ask: &Ask, at: Timestamp) -> Result<()> {
        self.put_back(claim, at, audit::ASKED)?;
        let before = self.asks.remove(&ask.event);
        let version = before.map_or(1, |(before, _)| before.version + 1);
        let ask = Ask {
            version,
            standing: Standing::Asked,
            answered_at: None,
            ..ask.clone()
        };
        self.note_of(claim, Deed::Asked, "", &ask.plan);
        self.asked += 1;
        self.asks.insert(ask.event.clone(), (ask, self.asked));
        Ok(())
    }

    fn pending(&self, event: &EventId) -> Option<&Entry> {
        let entry = self.by_id.get(event).map(|&at| &self.entries[at]);
        entry.filter(|entry| entry.state == EventState::Pending)
    }

    pub(super) fn asked(&self, event: &EventId) -> Option<Ask> {
        self.pending(event)?;
        self.asks.get(event).map(|(ask, _)| ask.clone())
    }

    pub(super) fn asks(&self, now: Timestamp) -> Asks {
        let open = self
            .asks
            .values()
            .filter(|(ask, _)| self.pending(&ask.event).is_some());
        let mut open: Vec<_> = open.collect();
        open.sort_by_key(|(_, order)| *order);
        let asks: Vec<Ask> = open.into_iter().map(|(ask, _)| ask.clone()).collect();
        let to_come = self.entries.iter().filter(|entry| {
            entry.state == EventState::Pending
                && entry.event.due_at <= now
                && entry.not_before <= now
                && entry.plan.is_none()
                && asks.iter().all(|ask| ask.person != entry.event.person)
        });
        let (leaves, others): (Vec<_>, Vec<_>) = to_come.partition(|entry| entry.event.kind.is_leave());
        Asks::new(asks, leaves.len() as u64, others.len() as u64)
    }

    pub(super) fn answer(&mut self, answers: &[Answer], at: Timestamp) -> usize {
        let mut count = 0;
        for answer in answers {
            let pending = self.pending(&answer.event).is_some();
            let ask = self.asks.get_mut(&answer.event);
            let Some((ask, _)) = ask.filter(|(ask, _)| pending && ask.version == answer.version) else {
                continue;
            };
            ask.standing = answer.standing.clone();
            ask.answered_at = Some(at);
            let person = ask.person.clone();
            let standing = standing_of(&answer.standing);
            let note = Note::new(Deed::Answered, &answer.event, &person, standing.as_bytes());
            self.note(note.detail(standing));
            if let Some(&index) = self.by_id.get(&answer.event) {
                let entry = &mut self.entries[index];
                entry.not_before = entry.event.due_at;
            }
            count += 1;
        }
        count
    }

    pub(super) fn skip(&mut self, event: &EventId, by: &str, reason: &str) -> Result<()> {
        let at = self.by_id.get(event).copied().ok_or_else(|| not_known(event))?;
        let entry = &mut self.entries[at];
        if !entry.parked {
            let message = format!("event {event} parks nothing: it cannot be skipped");
            return Err(Error::new(ErrorKind::Conflict, message));
        }
        entry.parked = false;
        let person = entry.event.person.clone();
        self.note(Note::decided(Deed::Skipped, Some(event), &person, by, reason));
        Ok(())
    }

    pub(super) fn resolve(
        &mut self,
        event: &EventId,
        step: &StepId,
        happened: bool,
        (by, reason): (&str, &str),
    ) -> Result<()> {
        let at = self.by_id.get(event).copied().ok_or_else(|| not_known(event))?;
        let entry = &mut self.entries[at];
        let record = entry.steps.iter().position(|record| record.step == *step);
        let record = record.ok_or_else(|| no_step(event, step))?;
        let person = entry.event.person.clone();
        let held = self.lanes.get(&person).and_then(|lane| lane.lease);
        if entry.steps[record].outcome != Some(Outcome::Unknown)
            || entry.state == EventState::Superseded
            || held.is_some_and(|until| until > Instant::now())
        {
            return Err(settled(event, step));
        }
        if happened {
            entry.steps[record].outcome = Some(Outcome::Done { account: None });
        } else {
            entry.steps.remove(record);
            if entry.state == EventState::Done {
                entry.plan = entry.plan.take().map(|plan| plan.again(step));
                let lane = self.lanes.entry(person.clone()).or_default();
                lane.open.push(at);
            }
            entry.state = EventState::Pending;
            entry.parked = false;
            entry.not_before = entry.event.due_at;
            entry.why = Some(format!("resolved by {by}: {reason}"));
        }
        let note = Note::decided(Deed::Resolved, Some(event), &person, by, reason);
        self.note(note.detail(said_of(step, happened)));
        Ok(())
    }

    /// What may be claimed next, and when.
    pub(super) fn next(&self) -> Option<(Timestamp, usize)> {
        let moment = Instant::now();
        let free = self
            .lanes
            .values()
            .filter(|lane| lane.lease.is_none_or(|until| until <= moment));
        let heads = free.filter_map(|lane| {
            let entry = |at: usize| &self.entries[at];
            let order = |at: &usize| (entry(*at).event.due_at, entry(*at).lane_seq);
            let instant = |at: usize| (entry(at).not_before.max(entry(at).event.due_at), at);
            let parked = lane.open.iter().any(|&at| entry(at).parked);
            let pending = || {
                let open = lane.open.iter().copied();
                open.filter(|&at| entry(at).state == EventState::Pending)
            };
            let leaves = || pending().filter(|&at| entry(at).event.kind.is_leave());
            // A leave that was attempted has come due: what stands before it will not be the head again.
            let attempted =
                |at: &usize| entry(*at).attempts > 0 || entry(*at).not_before > entry(*at).event.due_at;
            let rank = |at: &usize| (entry(*at).event.kind.is_urgent(), order(at));
            let passed = leaves().filter(attempted).map(|at| rank(&at)).max();
            let head = pending().min_by_key(order);
            let head = head.filter(|_| !parked && passed.is_none());
            let leaves = leaves().filter(|at| passed.is_none_or(|passed| rank(at) >= passed));
            head.into_iter().chain(leaves).map(instant).min()
        });
        heads.min()
    }

    pub(super) fn stalled(&self, now: Timestamp) -> Option<Stalled> {
        let (since, at) = self.next().filter(|(since, _)| *since <= now)?;
        let event = &self.entries[at].event;
        Some(Stalled::new(event.person.clone(), event.id.clone(), since))
    }

    pub(super) fn waiting(&self, person: &PersonKey, worker: &str, now: Timestamp) -> Waiting {
        let Some(lane) = self.lanes.get(person) else {
            return Waiting::Nothing;
        };
        if let (Some(until), Some((event, since))) = (lane.lease, &lane.claimed)
            && until > Instant::now()
        {
            let (event, by, since) = (event.clone(), worker.to_owned(), *since);
            return Waiting::Claimed { event, by, since };
        }
        match self.head(lane, now) {
            Some(at) => self.waits(&self.entries[at], now),
            None => self.parked(lane),
        }
    }

    fn waits(&self, entry: &Entry, now: Timestamp) -> Waiting {
        let event = entry.event.id.clone();
        let asked = self.asks.get(&event).map(|(ask, _)| ask);
        if entry.event.due_at > now {
            let at = entry.event.due_at;
            return Waiting::Until { event, at };
        }
        if let Some(ask) = asked.filter(|ask| ask.standing == Standing::Asked) {
            let since = ask.asked_at;
            return Waiting::Asked { event, since };
        }
        if entry.not_before > now {
            return Waiting::Retrying {
                event,
                at: entry.not_before,
                attempts: entry.attempts,
                why: entry.why.clone().unwrap_or_default(),
            };
        }
        let since = entry.not_before.max(entry.event.due_at);
        Waiting::Ready { event, since }
    }

    fn parked(&self, lane: &LaneState) -> Waiting {
        let parked = lane.open.iter().filter(|&&at| self.entries[at].parked);
        let order = |at: &&usize| (self.entries[**at].event.due_at, self.entries[**at].lane_seq);
        parked
            .min_by_key(order)
            .map_or(Waiting::Nothing, |&at| Waiting::Parked {
                event: self.entries[at].event.id.clone(),
                since: self.set_aside.get(&at).copied(),
                why: self.entries[at].why.clone().unwrap_or_default(),
            })
    }

    /// Notes when an event was set aside.
    pub(super) fn set_aside(&mut self, at: usize) {
        self.set_aside.insert(at, SystemClock.now());
    }

    /// What was asked about an event is over with it.
    pub(super) fn end_asking(&mut self, event: &EventId) {
        self.asks.remove(event);
    }

    pub(super) fn requeue(&mut self, event: &EventId, by: &str, reason: &str) -> Result<()> {
        let at = self.by_id.get(event).copied();
        let entry = at.and_then(|at| self.entries.get_mut(at));
        let entry = entry.ok_or_else(|| not_known(event))?;
        if !matches!(entry.state, EventState::Dead | EventState::Pending) {
            return Err(over(event));
        }
        entry.state = EventState::Pending;
        entry.parked = false;
        entry.not_before = entry.event.due_at;
        entry.why = Some(format!("requeued by {by}: {reason}"));
        let person = entry.event.person.clone();
        self.note(Note::decided(Deed::Requeued, Some(event), &person, by, reason));
        Ok(())
    }
}
