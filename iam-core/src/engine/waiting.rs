//! Why somebody waits, what nobody works on, and what people decide about single events.

use super::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::event::EventId;
use crate::journal::{Stalled, Waiting};
use crate::person::PersonKey;
use crate::plan::StepId;

impl Engine {
    /// Why nothing happens for somebody: what stands at the head of their lane, and what it waits for.
    ///
    /// # Errors
    /// [`ErrorKind::Storage`] from the journal.
    pub async fn waiting(&self, person: &PersonKey) -> Result<Waiting> {
        self.journal.waiting(person, self.clock.now()).await
    }

    /// The work that could have been taken for the longest time, and that no worker has taken: an alarm for when it is
    /// older than workers are busy. It needs no worker to be alive.
    ///
    /// # Errors
    /// [`ErrorKind::Storage`] from the journal.
    pub async fn stalled(&self) -> Result<Option<Stalled>> {
        self.journal.stalled(self.clock.now()).await
    }

    /// Brings an event that was set aside back to work, or hastens one that waits for its next attempt; `by` and `reason`
    /// are kept with it.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] without a name and a reason, [`ErrorKind::NotFound`], [`ErrorKind::Conflict`] when it is
    /// over.
    pub async fn requeue(&self, event: &EventId, by: &str, reason: &str) -> Result<()> {
        signed(by, reason)?;
        self.journal.requeue(event, by, reason).await
    }

    /// Lets the later events of a lane go on without the one that has parked it, which stays set aside; `by` and `reason`
    /// are kept with it.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] without a name and a reason, [`ErrorKind::NotFound`], [`ErrorKind::Conflict`] when it parks
    /// nothing.
    pub async fn skip(&self, event: &EventId, by: &str, reason: &str) -> Result<()> {
        signed(by, reason)?;
        self.journal.skip(event, by, reason).await
    }

    /// Answers for a step of which nobody knows whether it happened ([`Outcome::Unknown`](crate::journal::Outcome)):
    /// where it did, that is written down; where it did not, it is carried out again, if it is still right. `by` and
    /// `reason` are kept with it.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] without a name and a reason, [`ErrorKind::NotFound`], [`ErrorKind::Conflict`] when its
    /// outcome is known or its event is being worked on.
    pub async fn resolve(
        &self,
        event: &EventId,
        step: &StepId,
        happened: bool,
        by: &str,
        reason: &str,
    ) -> Result<()> {
        signed(by, reason)?;
        self.journal.resolve(event, step, happened, by, reason).await
    }
}

fn signed(by: &str, reason: &str) -> Result<()> {
    if by.trim().is_empty() || reason.trim().is_empty() {
        let message = "a decision about an event needs a name and a reason";
        return Err(Error::new(ErrorKind::Invalid, message));
    }
    Ok(())
}
