//! [`NameDesk`]: sign-in names, checked against the directory and reserved in the journal.
//!
//! Invariant: who gets which of two equal names follows from the order of the work alone, never from who is
//! answered first. Otherwise a preview would show other names than the run gives.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use tokio::sync::Notify;

use crate::error::Result;
use crate::journal::{Journal, Reservation};
use crate::orchestrator::Names;
use crate::person::PersonKey;
use crate::target::Target;

/// How many rungs of a ladder are checked in one call.
const RUNGS: usize = 2;

/// Asks a directory which names are taken, for many people in one call: whoever asks while another call is
/// under way is answered by the next one.
#[derive(Debug)]
pub(super) struct NameCheck<'a> {
    target: &'a dyn Target,
    waiting: Mutex<BTreeSet<String>>,
    answers: tokio::sync::Mutex<BTreeMap<String, bool>>,
}

impl<'a> NameCheck<'a> {
    pub(super) fn new(target: &'a dyn Target) -> Self {
        Self {
            target,
            waiting: Mutex::default(),
            answers: tokio::sync::Mutex::default(),
        }
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, BTreeSet<String>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The names, lower case, that nobody's account uses.
    async fn free(&self, names: Vec<String>) -> Result<Vec<String>> {
        self.waiting().extend(names.iter().cloned());
        let mut answers = self.answers.lock().await;
        if names.iter().any(|name| !answers.contains_key(name)) {
            // The others who are worked on at the same time get to say theirs.
            tokio::task::yield_now().await;
            let mut asked = std::mem::take(&mut *self.waiting());
            asked.extend(names.iter().cloned());
            asked.retain(|name| !answers.contains_key(name));
            let asked: Vec<String> = asked.into_iter().collect();
            let taken = self.target.names_taken(&asked).await?;
            answers.extend(asked.into_iter().map(|name| {
                let is_taken = taken.contains_key(&name);
                (name, is_taken)
            }));
        }
        Ok(names
            .into_iter()
            .filter(|name| answers.get(name) == Some(&false))
            .collect())
    }
}

/// The people of one batch, who choose in the order in which their work was claimed. Everything around the
/// choice goes on at the same time.
#[derive(Debug, Default)]
pub(super) struct Queue {
    line: Mutex<Line>,
    moved: Notify,
}

#[derive(Debug, Default)]
struct Line {
    /// Places that do not choose any more.
    passed: BTreeSet<usize>,
    /// Everybody before this place has passed.
    first: usize,
    /// Who has chosen what, in lower case.
    chosen: BTreeMap<String, PersonKey>,
}

impl Queue {
    /// A place in the queue, counted from 0. Whoever is worked on for it passes when it is dropped.
    pub(super) fn place(&self, at: usize) -> Place<'_> {
        Place { queue: self, at }
    }

    fn line(&self) -> std::sync::MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One person's place in the [`Queue`].
#[derive(Debug)]
pub(super) struct Place<'a> {
    queue: &'a Queue,
    at: usize,
}

impl Place<'_> {
    /// Waits until everybody before has passed. They have all begun: places are begun in order.
    async fn turn(&self) {
        loop {
            let moved = self.queue.moved.notified();
            if self.queue.line().first >= self.at {
                return;
            }
            moved.await;
        }
    }

    /// Whether nobody else of the batch has chosen the name; then it is `person`'s.
    fn take(&self, name: &str, person: &PersonKey) -> bool {
        let mut line = self.queue.line();
        let holder = line
            .chosen
            .entry(name.to_owned())
            .or_insert_with(|| person.clone());
        holder == person
    }

    /// Lets the next one choose.
    pub(super) fn pass(&self) {
        let mut line = self.queue.line();
        if self.at >= line.first && line.passed.insert(self.at) {
            while let Some(first) = line.passed.first().copied().filter(|at| *at == line.first) {
                line.passed.remove(&first);
                line.first += 1;
            }
            drop(line);
            self.queue.moved.notify_waiters();
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.pass();
    }
}

/// Gives names out for one event.
#[derive(Debug)]
pub(super) struct NameDesk<'a> {
    pub(super) journal: &'a dyn Journal,
    pub(super) check: &'a NameCheck<'a>,
    /// When it is this event's turn.
    pub(super) place: Place<'a>,
    /// The name that an earlier attempt may have created an account by: it may be visible already and must
    /// not be mistaken for somebody else's.
    pub(super) pending: Option<String>,
    /// Names that the directory refused during this attempt.
    pub(super) refused: Mutex<BTreeSet<String>>,
}

impl<'a> NameDesk<'a> {
    /// A desk for somebody who is only looked at.
    pub(super) fn looking(journal: &'a dyn Journal, check: &'a NameCheck<'a>, place: Place<'a>) -> Self {
        Self {
            journal,
            check,
            place,
            pending: None,
            refused: Mutex::default(),
        }
    }

    pub(super) fn refuse(&self, name: &str) {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        refused.insert(name.to_lowercase());
    }

    /// Those of the names that the journal has not given to somebody else before.
    async fn unreserved(&self, names: Vec<String>, person: &PersonKey) -> Result<Vec<String>> {
        let mut open = Vec::with_capacity(names.len());
        for name in names {
            let holder = self.journal.holder(&name).await?;
            if holder.is_none_or(|holder| holder == *person) {
                open.push(name);
            }
        }
        Ok(open)
    }

    fn is_refused(&self, name: &str) -> bool {
        self.refused
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .contains(name)
    }
}

#[async_trait]
impl Names for NameDesk<'_> {
    async fn choose(
        &self,
        person: &PersonKey,
        ladder: &mut (dyn Iterator<Item = String> + Send),
    ) -> Result<Option<String>> {
        if let Some(name) = self.pending.as_ref().filter(|name| !self.is_refused(name)) {
            return Ok(Some(name.clone()));
        }
        loop {
            let rungs: Vec<String> = (0..RUNGS)
                .map_while(|_| ladder.next())
                .map(|name: String| name.to_lowercase())
                .collect();
            if rungs.is_empty() {
                return Ok(None);
            }
            let free = self.unreserved(self.check.free(rungs).await?, person).await?;
            self.place.turn().await;
            for name in free {
                if self.is_refused(&name) || !self.place.take(&name, person) {
                    continue;
                }
                // Chosen for everybody else; that it becomes durable keeps nobody waiting.
                self.place.pass();
                if self.journal.reserve(&name, person).await? == Reservation::Ours {
                    return Ok(Some(name));
                }
            }
        }
    }
}
