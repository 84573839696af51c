//! Reading and verifying the audit, and erasing somebody.

use super::Engine;
use crate::error::Result;
use crate::journal::audit::{AuditEntry, Breach, Checkpoint};
use crate::journal::{Finding, verify};
use crate::person::PersonKey;

impl Engine {
    /// At most `limit` entries of the audit behind `after` (0 for the first), in order.
    ///
    /// # Errors
    /// [`Storage`](crate::ErrorKind::Storage) from the journal.
    pub async fn audit(&self, after: u64, limit: usize) -> Result<Vec<AuditEntry>> {
        let entries = self.journal.audit(after, limit).await?;
        Ok(entries.into_iter().map(|(entry, _)| entry).collect())
    }

    /// Verifies the whole audit: that no entry was changed, put in, taken out or cut off, that it leads through
    /// `checkpoint` (an earlier answer of this method, kept elsewhere), and that the accepted events are what they were.
    /// The answer is the end of the chain: keep it where nobody reaches it who reaches the journal.
    ///
    /// # Errors
    /// [`Storage`](crate::ErrorKind::Storage) from the journal. What is wrong with the audit is the inner error.
    pub async fn verify_audit(
        &self,
        checkpoint: Option<&Checkpoint>,
    ) -> Result<std::result::Result<Checkpoint, Breach>> {
        verify(self.journal.as_ref(), checkpoint).await
    }

    /// Looks at the journal itself ([`Journal::check`](crate::journal::Journal::check)): what is bad or doubtful about what
    /// it rests on, and whether the audit is whole.
    ///
    /// # Errors
    /// [`Storage`](crate::ErrorKind::Storage) from the journal.
    pub async fn check_journal(&self) -> Result<Vec<Finding>> {
        self.journal.check().await
    }

    /// Destroys what is known of somebody whose account is gone; the audit keeps that it was done, by whom, and still
    /// verifies. The records of those who reported to them name a pseudonym instead; events that HR sent of those people
    /// stay as they were sent, which the audit vouches for.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound) for somebody who is not known; [`Conflict`](crate::ErrorKind::Conflict) as long as there is an account that
    /// is not deleted, or an event that is not over.
    pub async fn erase(&self, person: &PersonKey, by: &str, reason: &str) -> Result<()> {
        self.journal.erase(person, by, reason).await
    }
}
