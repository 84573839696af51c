//! One person's events: what is appended, which is the head, what is superseded.

use std::time::Instant;

use jiff::Timestamp;

use super::Inner;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Accepted, Event, EventId};
use crate::journal::audit::{Deed, Note};
use crate::journal::survey::is_set;
use crate::journal::{Appended, Claim, Entry, EventState, PersonState, Quarantined};

#[derive(Debug, Default)]
pub(super) struct LaneState {
    /// Indexes into `entries` that are pending or dead.
    pub(super) open: Vec<usize>,
    pub(super) next_seq: u64,
    pub(super) fence: u64,
    pub(super) lease: Option<Instant>,
    /// Which event the lane was claimed for last, and when.
    pub(super) claimed: Option<(EventId, Timestamp)>,
    pub(super) accepted: Option<Accepted>,
    pub(super) state: Option<PersonState>,
}

impl Inner {
    /// Appends, and notes what is accepted.
    pub(super) fn append_noted(&mut self, event: &Event) -> Appended {
        let answer = self.append(event);
        if answer == Appended::New {
            let payload = serde_json::to_vec(event).unwrap_or_default();
            let note = Note::new(Deed::Accepted, &event.id, &event.person, &payload);
            self.note(note.detail(event.kind.as_str()));
        }
        answer
    }

    pub(super) fn append(&mut self, event: &Event) -> Appended {
        if let Some(&at) = self.by_id.get(&event.id) {
            if self.entries[at].event.says_the_same(event) {
                return Appended::Duplicate;
            }
            let mut known = self.quarantine.iter().map(|known| &known.event);
            if !known.any(|known| known.id == event.id && known.says_the_same(event)) {
                self.quarantine.push(Quarantined::new(event.clone()));
            }
            return Appended::Conflict;
        }
        let lane = self.lanes.entry(event.person.clone()).or_default();
        let version = lane.accepted.as_ref().map_or(0, |accepted| accepted.version);
        if event.record.is_some() && version + 1 != event.version {
            return Appended::Stale;
        }
        if event.record.is_some() || event.news.is_some() {
            lane.accepted.get_or_insert_default().take(event);
        }
        lane.next_seq += 1;
        lane.open.push(self.entries.len());
        self.by_id.insert(event.id.clone(), self.entries.len());
        self.entries.push(Entry {
            event: event.clone(),
            lane_seq: lane.next_seq,
            state: EventState::Pending,
            attempts: 0,
            not_before: event.due_at,
            parked: false,
            why: None,
            plan: None,
            steps: Vec::new(),
        });
        Appended::New
    }

    /// Sets timers; one that was superseded before is pending again.
    pub(super) fn set(&mut self, timers: &[Event]) {
        for timer in timers {
            let known = self.by_id.get(&timer.id).copied();
            match known.filter(|&at| self.entries[at].state == EventState::Superseded) {
                Some(at) => {
                    let entry = &mut self.entries[at];
                    entry.state = EventState::Pending;
                    entry.not_before = entry.event.due_at;
                    let lane = self.lanes.entry(entry.event.person.clone()).or_default();
                    lane.open.push(at);
                }
                None => {
                    self.append(timer);
                }
            }
        }
    }

    /// The entry that the lane would be claimed for, with the instant from which that is possible.
    pub(super) fn head(&self, lane: &LaneState, now: Timestamp) -> Option<usize> {
        let pending = || {
            lane.open
                .iter()
                .copied()
                .filter(|&at| self.entries[at].state == EventState::Pending)
        };
        let order = |&at: &usize| (self.entries[at].event.due_at, self.entries[at].lane_seq);
        // A leave whose time has come overtakes whatever waits, and a parked lane.
        let leave = pending()
            .filter(|&at| self.entries[at].event.kind.is_leave() && self.entries[at].event.due_at <= now)
            .max_by_key(|&at| (self.entries[at].event.kind.is_urgent(), order(&at)));
        let parked = lane.open.iter().any(|&at| self.entries[at].parked);
        leave.or_else(|| if parked { None } else { pending().min_by_key(order) })
    }

    pub(super) fn held(&mut self, claim: &Claim) -> Result<(&mut LaneState, &mut Vec<Entry>, usize)> {
        let fenced = || {
            Error::new(
                ErrorKind::Fenced,
                format!("the claim on {} has passed on", claim.event.person),
            )
        };
        let at = *self.by_id.get(&claim.event.id).ok_or_else(fenced)?;
        let lane = self.lanes.get_mut(&claim.event.person).ok_or_else(fenced)?;
        if lane.fence != claim.fence || lane.lease.is_none() || self.entries[at].state != EventState::Pending
        {
            return Err(fenced());
        }
        Ok((lane, &mut self.entries, at))
    }
}

/// Supersedes the lane's pending timers and, after a leave, whatever pending event stands before it.
pub(super) fn supersede(
    lane: &mut LaneState,
    entries: &mut [Entry],
    completed: Option<((Timestamp, u64), bool)>,
) {
    for &other in &lane.open {
        let entry = &mut entries[other];
        // Somebody else's completion may have set a recheck meanwhile: a wake-up is never lost.
        let timer = is_set(&entry.event.kind);
        let earlier =
            completed.is_some_and(|(head, leave)| leave && (entry.event.due_at, entry.lane_seq) < head);
        if entry.state == EventState::Pending && (timer || earlier) {
            entry.state = EventState::Superseded;
        }
        if completed.is_some_and(|(_, leave)| leave) {
            entry.parked = false;
        }
    }
    lane.open
        .retain(|&other| matches!(entries[other].state, EventState::Pending | EventState::Dead));
}
