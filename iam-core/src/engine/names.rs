//! [`NameDesk`]: sign-in names, checked against the directory and reserved in the journal.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;

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

/// Gives names out for one event.
#[derive(Debug)]
pub(super) struct NameDesk<'a> {
    pub(super) journal: &'a dyn Journal,
    pub(super) check: &'a NameCheck<'a>,
    /// The name that an earlier attempt may have created an account by: it may be visible already and must
    /// not be mistaken for somebody else's.
    pub(super) pending: Option<String>,
    /// Names that the directory refused during this attempt.
    pub(super) refused: Mutex<BTreeSet<String>>,
}

impl NameDesk<'_> {
    pub(super) fn refuse(&self, name: &str) {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        refused.insert(name.to_lowercase());
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
            for name in self.check.free(rungs).await? {
                if self.is_refused(&name) {
                    continue;
                }
                if self.journal.reserve(&name, person).await? == Reservation::Ours {
                    return Ok(Some(name));
                }
            }
        }
    }
}
