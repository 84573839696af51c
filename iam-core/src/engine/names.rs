//! [`NameDesk`]: sign-in names, checked against the directory and reserved in the journal.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;

use crate::error::Result;
use crate::journal::{Journal, Reservation};
use crate::orchestrator::Names;
use crate::person::PersonKey;
use crate::target::Target;

/// How many rungs of the ladder are checked in one call.
const RUNGS: usize = 3;

/// Gives names out for one event.
#[derive(Debug)]
pub(super) struct NameDesk<'a> {
    pub(super) journal: &'a dyn Journal,
    pub(super) target: &'a dyn Target,
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
            let taken = self.target.names_taken(&rungs).await?;
            for name in rungs {
                if taken.contains_key(&name) || self.is_refused(&name) {
                    continue;
                }
                if self.journal.reserve(&name, person).await? == Reservation::Ours {
                    return Ok(Some(name));
                }
            }
        }
    }
}
