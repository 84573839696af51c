//! The audit of a journal in memory, and erasing somebody from it.

use serde::Serialize;

use super::{Claim, EventState, Inner};
use crate::clock::{Clock as _, SystemClock};
use crate::error::{Error, ErrorKind, Result};
use crate::journal::audit::{self, AuditEntry, Checkpoint, Deed, Kept, Note};
use crate::person::PersonKey;

impl Inner {
    /// Adds an entry to the audit.
    pub(super) fn note(&mut self, note: Note<'_>) {
        let salt = self.salts.entry(note.person.clone()).or_insert_with(audit::salt);
        let entry = note.entry(
            &self.audit.last().map(AuditEntry::place).unwrap_or_default(),
            salt,
            SystemClock.now(),
        );
        self.audit.push(entry);
    }

    /// Adds an entry about no one person.
    pub(super) fn decided(&mut self, deed: Deed, what: &str, by: &str, reason: &str) {
        self.note(Note::decided(deed, None, &audit::nobody(), by, reason).detail(what));
    }

    pub(super) fn note_of(
        &mut self,
        claim: &Claim,
        deed: Deed,
        detail: impl Into<String>,
        payload: &impl Serialize,
    ) {
        let payload = serde_json::to_vec(payload).unwrap_or_default();
        self.note(Note::new(deed, &claim.event.id, &claim.event.person, &payload).detail(detail));
    }

    pub(super) fn audit_after(&self, after: u64, limit: usize) -> Vec<(AuditEntry, Kept)> {
        let inner = self;
        let behind = inner.audit.iter().filter(|entry| entry.sequence > after);
        let kept = |entry: &AuditEntry| {
            let at = entry.event.as_ref().and_then(|id| inner.by_id.get(id));
            let event = at.map(|&at| &inner.entries[at].event);
            let salt = event.and_then(|event| inner.salts.get(&event.person));
            let (Deed::Accepted, Some(event), Some(salt)) = (entry.deed, event, salt) else {
                return Kept::NotKept;
            };
            let payload = serde_json::to_vec(event).unwrap_or_default();
            if audit::digest(salt, &payload) == entry.digest {
                Kept::Unchanged
            } else {
                Kept::Changed
            }
        };
        behind
            .take(limit)
            .map(|entry| (entry.clone(), kept(entry)))
            .collect()
    }

    pub(super) fn audit_head(&self) -> Checkpoint {
        self.audit.last().map(AuditEntry::place).unwrap_or_default()
    }

    pub(super) fn pseudonym(&self, person: &PersonKey) -> Option<String> {
        let inner = self;
        inner.salts.get(person).map(|salt| audit::pseudonym(salt, person))
    }

    pub(super) fn erase(&mut self, person: &PersonKey, by: &str, reason: &str) -> Result<()> {
        let inner = self;
        let unknown = || {
            let message = format!("the journal knows nobody by {person}");
            Error::new(ErrorKind::NotFound, message)
        };
        let lane = inner.lanes.get(person).ok_or_else(unknown)?;
        let mut open = lane.open.iter().map(|&at| inner.entries[at].state);
        let open = open.any(|state| matches!(state, EventState::Pending | EventState::Dead));
        if lane.state.is_none() && lane.accepted.is_none() && !open {
            return Err(unknown());
        }
        if let Some(why) = audit::keeps(lane.state.as_ref(), open) {
            let message = format!("{person} cannot be erased: {why}");
            return Err(Error::new(ErrorKind::Conflict, message));
        }
        inner.note(Note::decided(Deed::Erased, None, person, by, reason));
        let nobody = PersonKey::new(format!("erased-{}", uuid::Uuid::new_v4().simple()));
        inner.lanes.remove(person);
        inner.salts.remove(person);
        inner.names.retain(|_, holder| holder != person);
        inner.asks.retain(|_, (ask, _)| ask.person != *person);
        inner.quarantine.retain(|apart| apart.event.person != *person);
        inner.desk.forget(person);
        inner.mail.forget(person);
        // Whoever reported to them reports to somebody without a name.
        for lane in inner.lanes.values_mut() {
            let state = lane.state.as_mut();
            let accepted = lane.accepted.as_mut();
            let records = [
                state.and_then(|state| state.record.as_mut()),
                accepted.and_then(|known| known.record.as_mut()),
            ];
            for record in records.into_iter().flatten() {
                if record.manager_id.as_ref() == Some(person) {
                    record.manager_id = Some(nobody.clone());
                }
            }
        }
        for entry in inner
            .entries
            .iter_mut()
            .filter(|entry| entry.event.person == *person)
        {
            entry.event.person = nobody.clone();
            (entry.event.record, entry.event.news) = (None, None);
            (entry.plan, entry.why) = (None, None);
            entry.steps.clear();
        }
        Ok(())
    }
}
