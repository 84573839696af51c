//! Whether somebody whom HR calls new is somebody who has an account already: looked for, asked, and decided by people.
//!
//! Invariants: a likeness alone never joins two worker ids, and nobody gets a second account while the question is open;
//! who leaves is held by no question.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use jiff::{SignedDuration, Timestamp};

use super::reading::signed;
use super::{CHUNK, Engine};
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Course, Event, EventId, EventKind, News};
use crate::journal::{Claim, EventState, Journal, Lifecycle as Stage, PersonState};
use crate::person::{Person, PersonKey, Status};
use crate::target::{Keys, Target};

/// How long it may take until people are seen whom another process has worked on.
const FRESH: SignedDuration = SignedDuration::from_mins(15);
/// An address that more people have says nothing about any of them.
const MOST: usize = 3;

/// Who has which address, by its fingerprint: what is found is looked up before it is believed.
#[derive(Debug, Default)]
pub(super) struct Likeness(Mutex<Option<(Timestamp, Known)>>);

type Known = BTreeMap<u64, BTreeSet<PersonKey>>;

impl Likeness {
    /// Looks for people with an account who are like those of the claims who have none, and notes them in the courses.
    pub(super) async fn look(
        &self,
        journal: &dyn Journal,
        targets: &[Arc<dyn Target>],
        claims: &[(Claim, PersonState)],
        courses: &mut [Course],
        now: Timestamp,
    ) -> Result<()> {
        for ((_, state), course) in claims.iter().zip(courses.iter_mut()) {
            let Some(record) = course
                .record
                .as_ref()
                .filter(|record| is_new(record, state, course))
            else {
                continue;
            };
            for other in self.alike(journal, targets, record, now).await? {
                if !course.not_same.contains(&other) {
                    course.may_be.push(other);
                }
            }
        }
        // Those of this batch are known to the next one, whoever else is not.
        let mut known = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some((_, known)) = known.as_mut() {
            claims
                .iter()
                .filter_map(|(claim, _)| claim.event.record.as_ref())
                .for_each(|record| add(known, record));
        }
        Ok(())
    }

    /// Those with an account whose record has the same mail address. One that is deleted counts for as long as the
    /// target could bring it back.
    async fn alike(
        &self,
        journal: &dyn Journal,
        targets: &[Arc<dyn Target>],
        record: &Person,
        now: Timestamp,
    ) -> Result<Vec<PersonKey>> {
        let Some(mail) = address(record) else {
            return Ok(Vec::new());
        };
        if !self.is_fresh(now) {
            let read = read(journal).await?;
            *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some((now, read));
        }
        let mut others: Vec<PersonKey> = {
            let known = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let others = known
                .as_ref()
                .and_then(|(_, known)| known.get(&fingerprint(&mail)));
            others.into_iter().flatten().cloned().collect()
        };
        others.retain(|other| *other != record.key);
        if others.len() > MOST {
            return Ok(Vec::new());
        }
        let mut alike = Vec::new();
        for other in others {
            let state = journal.person(&other).await?;
            let Some(state) = state.filter(|state| !state.accounts.is_empty()) else {
                continue;
            };
            if state.record.as_ref().and_then(address) != Some(mail.clone()) {
                continue;
            }
            if state.lifecycle != Stage::Deleted || is_there(targets, &state).await? {
                alike.push(other);
            }
        }
        Ok(alike)
    }

    fn is_fresh(&self, now: Timestamp) -> bool {
        let known = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        known
            .as_ref()
            .is_some_and(|(at, _)| now.duration_since(*at).abs() < FRESH)
    }
}

/// Whether the directory still has an account of somebody, if only among the deleted ones.
async fn is_there(targets: &[Arc<dyn Target>], state: &PersonState) -> Result<bool> {
    let directory = targets.first();
    let known = directory.and_then(|directory| Some((directory, state.accounts.get(directory.id())?)));
    let Some((directory, account)) = known else {
        return Ok(false);
    };
    let keys = Keys {
        person: state.key.clone(),
        account: Some(account.id.clone()),
    };
    let found = directory.find(&[keys]).await?;
    Ok(found
        .iter()
        .any(|found| !found.active.is_empty() || !found.deleted.is_empty()))
}

/// Whether a second account may be about to be made.
fn is_new(record: &Person, state: &PersonState, course: &Course) -> bool {
    record.status != Status::Terminated
        && state.accounts.is_empty()
        && record.previous_id.is_none()
        && course.same_as.is_none()
        && course.goes_on_as.is_none()
}

async fn read(journal: &dyn Journal) -> Result<Known> {
    let mut known = Known::new();
    let mut after: Option<PersonKey> = None;
    loop {
        let people = journal.people(after.as_ref(), CHUNK).await?;
        let Some(end) = people.last() else {
            return Ok(known);
        };
        after = Some(end.key.clone());
        people
            .iter()
            .filter_map(|state| state.record.as_ref())
            .for_each(|record| add(&mut known, record));
    }
}

fn add(known: &mut Known, record: &Person) {
    if let Some(mail) = address(record) {
        known
            .entry(fingerprint(&mail))
            .or_default()
            .insert(record.key.clone());
    }
}

fn address(record: &Person) -> Option<String> {
    let mail = record.email.as_deref()?.trim().to_lowercase();
    Some(mail).filter(|mail| !mail.is_empty())
}

/// No address is kept.
fn fingerprint(mail: &str) -> u64 {
    let id = EventId::of(&["mail", mail]);
    u64::from_str_radix(id.as_str().get(..16).unwrap_or_default(), 16).unwrap_or_default()
}

impl Engine {
    /// Answers whether `person`, for whom no account is made while that is open, is the same as `other`, who has one:
    /// found in what `person` [waits](Self::waiting) for. The same goes on in the account of `other`, which is brought
    /// back where it is deleted, planned afresh from policy, as if HR had named the worker id before; another one gets an
    /// account of their own. `by` and `reason` are
    /// kept with the answer. An answer may be given again as long as it has had no effect.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] without a name and a reason, or for one and the same id; [`ErrorKind::NotFound`] for
    /// somebody of whom HR never said anything; [`ErrorKind::Conflict`] when `person` has an account already;
    /// [`ErrorKind::Storage`] from the journal.
    pub async fn identify(
        &self,
        person: &PersonKey,
        other: &PersonKey,
        same: bool,
        by: &str,
        reason: &str,
    ) -> Result<EventId> {
        signed(by, reason)?;
        if person == other {
            return Err(Error::new(ErrorKind::Invalid, "name two different worker ids"));
        }
        self.known(person).await?;
        self.known(other).await?;
        let state = self.journal.person(person).await?;
        if state.is_some_and(|state| !state.accounts.is_empty()) {
            let message = format!("{person} has an account already: there is nothing to decide");
            return Err(Error::new(ErrorKind::Conflict, message));
        }
        let now = self.clock.now();
        let kind = EventKind::Identify {
            other: other.clone(),
            same,
            by: by.to_owned(),
            reason: reason.to_owned(),
        };
        let asked = [
            "identify",
            person.as_str(),
            other.as_str(),
            &same.to_string(),
            by,
            reason,
        ];
        let id = EventId::of(&[asked.as_slice(), &[&now.to_string()]].concat());
        let news = News::new(id.clone(), person.clone(), kind, now);
        self.journal.append(&[Event::told(news)]).await?;
        for entry in self.timeline(person).await? {
            if entry.state == EventState::Dead && entry.parked {
                self.journal.requeue(&entry.event.id, by, reason).await?;
            }
        }
        Ok(id)
    }
}
