//! What is exchanged by message, in memory.

use std::collections::{BTreeMap, HashMap};

use async_trait::async_trait;
use jiff::Timestamp;

use super::{Inner, MemoryJournal};
use crate::error::Result;
use crate::event::{Event, EventId};
use crate::journal::audit::{Deed, Note};
use crate::journal::exchange::{
    Burial, Exchange, Letter, LetterId, LetterState, Observation, closed_by, fingerprint, letter_over,
    no_letter, noted_as, subject,
};
use crate::journal::{Appended, Quarantined};
use crate::person::PersonKey;

/// Receipts, letters and bookmarks.
#[derive(Debug, Default)]
pub(super) struct Mail {
    receipts: HashMap<EventId, Receipt>,
    newest: HashMap<(String, PersonKey), Timestamp>,
    letters: BTreeMap<LetterId, (Letter, String)>,
    bookmarks: BTreeMap<String, (u64, serde_json::Value)>,
}

/// `None`: of somebody who was erased.
type Receipt = Option<(PersonKey, String)>;

impl Mail {
    /// Nothing of this person is kept; the ids of their records stay known.
    pub(super) fn forget(&mut self, person: &PersonKey) {
        for receipt in self.receipts.values_mut() {
            if receipt.as_ref().is_some_and(|(whose, _)| whose == person) {
                *receipt = None;
            }
        }
        self.newest.retain(|(_, whose), _| whose != person);
        for (letter, _) in self.letters.values_mut() {
            if letter.person.as_ref() == Some(person) {
                letter.message.data.clear();
                (letter.person, letter.decision) = (None, None);
                if letter.state == LetterState::Open {
                    letter.state = LetterState::Discarded;
                }
            }
        }
    }
}

impl Inner {
    fn observe(&mut self, seen: &Observation, now: Timestamp) -> Appended {
        let digest = seen.person.fingerprint();
        if let Some(known) = self.mail.receipts.get(&seen.id) {
            if known.as_ref().is_none_or(|(_, known)| *known == digest) {
                return Appended::Duplicate;
            }
            let apart = seen.apart(now);
            let mut known = self.quarantine.iter().map(|known| &known.event);
            if !known.any(|known| known.id == apart.id && known.says_the_same(&apart)) {
                self.quarantine.push(Quarantined::new(apart));
            }
            return Appended::Conflict;
        }
        let person = &seen.person.key;
        let receipt = Some((person.clone(), digest));
        self.mail.receipts.insert(seen.id.clone(), receipt);
        if let Some(at) = seen.at {
            let key = (seen.source.clone(), person.clone());
            let newest = self.mail.newest.entry(key).or_insert(at);
            if *newest > at {
                return Appended::Duplicate;
            }
            *newest = at;
        }
        let lane = self.lanes.get(person);
        let latest = lane.and_then(|lane| lane.accepted.as_ref());
        match Event::observed(latest, &seen.person, now) {
            None => Appended::Duplicate,
            Some(event) => self.append_noted(&Event {
                id: seen.id.clone(),
                ..event
            }),
        }
    }
}

#[async_trait]
impl Exchange for MemoryJournal {
    async fn observe(&self, seen: &[Observation], now: Timestamp) -> Result<Vec<Appended>> {
        let mut inner = self.lock();
        Ok(seen.iter().map(|seen| inner.observe(seen, now)).collect())
    }

    async fn bury(&self, burial: Burial<'_>) -> Result<LetterId> {
        let mut inner = self.lock();
        let (message, digest) = (burial.message, fingerprint(burial.message));
        let same = |(letter, known): &&(Letter, String)| {
            letter.message.source == message.source && letter.message.id == message.id && *known == digest
        };
        if let Some((known, _)) = inner.mail.letters.values().find(same) {
            return Ok(known.id);
        }
        let last = inner.mail.letters.keys().next_back();
        let id = LetterId(last.map_or(0, |id| id.0) + 1);
        let letter = Letter {
            id,
            message: message.clone(),
            person: burial.person.cloned(),
            reason: burial.reason.to_owned(),
            received_at: burial.at,
            state: LetterState::Open,
            decision: None,
        };
        inner.mail.letters.insert(id, (letter, digest));
        let (event, whose) = (noted_as(message), subject(burial.person));
        inner.note(Note::new(Deed::Refused, &event, &whose, &message.data));
        Ok(id)
    }

    async fn letters(&self, after: Option<LetterId>, limit: usize) -> Result<Vec<Letter>> {
        let inner = self.lock();
        let open = inner.mail.letters.values().map(|(letter, _)| letter);
        let open = open.filter(|letter| letter.state == LetterState::Open && Some(letter.id) > after);
        Ok(open.take(limit).cloned().collect())
    }

    async fn letter(&self, id: LetterId) -> Result<Option<Letter>> {
        let inner = self.lock();
        Ok(inner.mail.letters.get(&id).map(|(letter, _)| letter.clone()))
    }

    async fn close_letter(&self, id: LetterId, accepted: bool, by: &str, reason: &str) -> Result<()> {
        let mut inner = self.lock();
        let (letter, _) = inner.mail.letters.get_mut(&id).ok_or_else(|| no_letter(id))?;
        if letter.state != LetterState::Open {
            return Err(letter_over(id));
        }
        let (state, deed) = if accepted {
            (LetterState::Accepted, Deed::Corrected)
        } else {
            (LetterState::Discarded, Deed::Discarded)
        };
        letter.state = state;
        letter.decision = Some(closed_by(accepted, by, reason));
        letter.message.data.clear();
        let (event, whose) = (noted_as(&letter.message), subject(letter.person.as_ref()));
        inner.note(Note::decided(deed, Some(&event), &whose, by, reason));
        Ok(())
    }

    async fn bookmark(&self, name: &str) -> Result<Option<(u64, serde_json::Value)>> {
        Ok(self.lock().mail.bookmarks.get(name).cloned())
    }

    async fn set_bookmark(&self, name: &str, version: u64, value: &serde_json::Value) -> Result<bool> {
        let bookmarks = &mut self.lock().mail.bookmarks;
        let known = bookmarks.get(name).map_or(0, |(version, _)| *version);
        if known != version {
            return Ok(false);
        }
        bookmarks.insert(name.to_owned(), (version + 1, value.clone()));
        Ok(true)
    }

    async fn bookmarks(
        &self,
        prefix: &str,
        before: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, serde_json::Value)>> {
        let inner = self.lock();
        let of_prefix = inner.mail.bookmarks.iter().rev();
        let of_prefix = of_prefix.filter(|(name, _)| name.starts_with(prefix));
        let earlier = of_prefix.filter(|(name, _)| before.is_none_or(|before| name.as_str() < before));
        let listed = earlier.map(|(name, (_, value))| (name.clone(), value.clone()));
        Ok(listed.take(limit).collect())
    }
}
