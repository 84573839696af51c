//! Notices that say nothing without the person's record: a hire, a move. They wait for the record, as dead letters that
//! nobody need decide about for a while.
//!
//! The record comes with the source's next report, or by itself. A notice is over once a delivery that began after it was
//! accepted, or a record of the person came by message, and the person is known. One that waits for longer than
//! [`record_within`](EngineBuilder::record_within) is a dead letter like any other: either the report does not hold the
//! person, or it does not come.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{CHUNK, Engine, EngineBuilder};
use crate::error::Result;
use crate::intake::{Notice, Process};
use crate::journal::{Burial, Letter, LetterId, Message};
use crate::person::PersonKey;

/// For how long a record is waited for, where nobody says: a report a day, and a weekend.
pub(super) const WITHIN: SignedDuration = SignedDuration::from_hours(72);
/// How the reason of such a letter begins.
const AWAITED: &str = "the person's record is awaited: ";
/// Who ends what the record has said.
const BY: &str = "the platform";

/// A notice, as it is kept.
pub(super) struct Awaited {
    pub(super) message: Message,
    pub(super) person: PersonKey,
    is_join: bool,
    reason: String,
}

impl Awaited {
    /// A notice of a message that brought `many`; `None` for a rescind or a correction that does not say of what, which no record
    /// makes clearer.
    pub(super) fn of(notice: &Notice, message: &Message, many: bool) -> Option<Self> {
        if matches!(notice.process, Process::Retract | Process::Amend) {
            return None;
        }
        let mut kept = message.clone();
        if many {
            // The others are no part of it.
            kept.id = format!("{}#{}", message.id, notice.id);
            kept.content_type = Some("application/json".to_owned());
            kept.data = serde_json::json!({
                "eventName": notice.name,
                "eventId": notice.id,
                "workerId": notice.person,
                "effectiveDate": notice.effective,
                "eventTime": notice.entered,
            })
            .to_string()
            .into_bytes();
        }
        let what = match notice.process {
            Process::Other => "a process that may have changed it",
            process => process.as_str(),
        };
        Some(Self {
            message: kept,
            person: notice.person.clone(),
            is_join: notice.process == Process::Join,
            reason: format!("{AWAITED}notice of {what}, and the next report should bring it"),
        })
    }
}

impl EngineBuilder {
    /// For how long the record is waited for of somebody of whom notice came that says nothing without it (3 days). After that
    /// the notice is among the [dead letters](Engine::dead_letters).
    #[must_use]
    pub fn record_within(mut self, time: Duration) -> Self {
        self.0.record_within = SignedDuration::try_from(time).unwrap_or(SignedDuration::MAX);
        self
    }
}

impl Engine {
    /// Keeps what waits for a record. A hire of somebody who is known already says nothing new: `None`.
    pub(super) async fn await_record(&self, awaited: &Awaited) -> Result<Option<LetterId>> {
        if awaited.is_join && self.is_known(&awaited.person).await? {
            return Ok(None);
        }
        let burial = Burial {
            message: &awaited.message,
            person: Some(&awaited.person),
            reason: &awaited.reason,
            at: self.clock.now(),
        };
        Ok(Some(self.journal.bury(burial).await?))
    }

    async fn is_known(&self, person: &PersonKey) -> Result<bool> {
        let accepted = self.journal.accepted(std::slice::from_ref(person)).await?;
        let accepted = accepted.into_iter().next().flatten();
        Ok(accepted.is_some_and(|accepted| accepted.record.is_some()))
    }

    /// Ends the notices that came until `then` and whose people are known by now: of everybody, or of these.
    pub(super) async fn record_came(
        &self,
        then: Timestamp,
        people: Option<&BTreeSet<PersonKey>>,
    ) -> Result<()> {
        let mut after = None;
        loop {
            let letters = self.journal.letters(after, CHUNK).await?;
            let Some(last) = letters.last() else { return Ok(()) };
            after = Some(last.id);
            for letter in letters
                .iter()
                .filter(|letter| is_awaited(letter) && letter.received_at <= then)
            {
                let Some(person) = &letter.person else { continue };
                if people.is_none_or(|people| people.contains(person)) && self.is_known(person).await? {
                    self.journal
                        .close_letter(letter.id, true, BY, "the person's record has come")
                        .await?;
                }
            }
        }
    }

    /// At most `limit` notices behind `after` that say nothing without the person's record, and wait for it.
    ///
    /// # Errors
    /// [`ErrorKind::Storage`](crate::ErrorKind::Storage) from the journal.
    pub async fn awaited(&self, after: Option<LetterId>, limit: usize) -> Result<Vec<Letter>> {
        self.letters(after, limit, is_awaited).await
    }

    /// At most `limit` open dead letters behind `after` that somebody has to decide about, in the order in which they came.
    /// Notices that [wait for a record](Self::awaited) are among them once they have waited for too long.
    ///
    /// # Errors
    /// [`ErrorKind::Storage`](crate::ErrorKind::Storage) from the journal.
    pub async fn dead_letters(&self, after: Option<LetterId>, limit: usize) -> Result<Vec<Letter>> {
        let now = self.clock.now();
        let late = |letter: &Letter| now.duration_since(letter.received_at) >= self.record_within;
        self.letters(after, limit, |letter| !is_awaited(letter) || late(letter))
            .await
    }

    async fn letters(
        &self,
        mut after: Option<LetterId>,
        limit: usize,
        wanted: impl Fn(&Letter) -> bool,
    ) -> Result<Vec<Letter>> {
        let mut found = Vec::new();
        while found.len() < limit {
            let letters = self.journal.letters(after, limit.min(CHUNK)).await?;
            let Some(last) = letters.last() else { break };
            after = Some(last.id);
            found.extend(letters.into_iter().filter(&wanted));
        }
        found.truncate(limit);
        Ok(found)
    }
}

fn is_awaited(letter: &Letter) -> bool {
    letter.reason.starts_with(AWAITED)
}
