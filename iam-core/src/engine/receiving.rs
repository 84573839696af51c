//! Messages: each becomes events, says nothing new, or is kept as a dead letter. Whoever brought it acknowledges it
//! after [`receive`](Engine::receive) has answered, and not before.

mod content;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

pub(super) use self::content::Flaw;
use self::content::{Said, read};
use super::reading::signed;
use super::{Accepted, Engine, EngineBuilder};
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Event, EventId};
use crate::intake::{FlatIntake, Intake, WorkdayEventIntake};
use crate::journal::{Burial, LetterId, LetterState, Message, Observation};
use crate::person::PersonKey;

/// What the content of a kind of message is.
#[derive(Clone)]
#[non_exhaustive]
pub enum Reads {
    /// One event in the words of the lifecycle: a JSON object.
    ///
    /// | field | meaning |
    /// |---|---|
    /// | `person` | the worker id |
    /// | `kind` | `join`, `move`, `rename`, `rejoin`, `suspend`, `resume`, `convert`, `leave`, `retract`, `amend` |
    /// | `effective` | the civil date from which it counts; without one, at once |
    /// | `zone` | the IANA time zone of that date |
    /// | `last_day`, `urgent` | of a leave |
    /// | `of` | of a retraction or a correction: the id of the message that is meant, of the same source |
    /// | `record` | the person from then on, as one record of the flat feed |
    Event,
    /// Records or notices, in whatever format this intake reads. One object of the flat feed may stand for an array of
    /// one.
    Rows(Arc<dyn Intake>),
}

impl fmt::Debug for Reads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Event => f.write_str("Event"),
            Self::Rows(intake) => write!(f, "Rows({intake:?})"),
        }
    }
}

/// The kinds of messages that are known, with the ones that every engine knows.
pub(super) fn kinds() -> BTreeMap<String, Reads> {
    let rows = |intake: Arc<dyn Intake>| Reads::Rows(intake);
    [
        ("iam-platform.hr.event", Reads::Event),
        ("iam-platform.hr.record", rows(Arc::new(FlatIntake::new()))),
        (
            "iam-platform.hr.notice",
            rows(Arc::new(WorkdayEventIntake::new())),
        ),
    ]
    .map(|(kind, reads)| (kind.to_owned(), reads))
    .into()
}

/// The id of the event that a message brings, under which it stands in journal and audit.
pub fn event_id(source: &str, id: &str) -> EventId {
    EventId::of(&["message", source, id])
}

/// What became of a message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Taken {
    /// What it said.
    pub accepted: Accepted,
    /// Where what could not be understood of it is kept.
    pub dead_letter: Option<LetterId>,
    /// How many notices of it [wait for the person's record](Engine::awaited).
    pub awaited: u64,
}

impl EngineBuilder {
    /// How messages of this kind are read, beside `iam-platform.hr.event` ([`Reads::Event`]), `iam-platform.hr.record`
    /// (the flat feed, whatever its format) and `iam-platform.hr.notice` (business processes).
    #[must_use]
    pub fn message(mut self, kind: impl Into<String>, reads: Reads) -> Self {
        self.0.reads.insert(kind.into(), reads);
        self
    }
}

impl Engine {
    /// Takes messages in, in order. When this returns, each is durable: as events, as something that was known, in
    /// quarantine, or, where it cannot be understood, as a dead letter. The same message again, and messages in another
    /// order, come to the same.
    ///
    /// # Errors
    /// [`ErrorKind::Storage`] from the journal: none may be acknowledged. Bringing them again is harmless.
    pub async fn receive(&self, messages: &[Message]) -> Result<Vec<Taken>> {
        let now = self.clock.now();
        let mut taken = vec![Taken::default(); messages.len()];
        let (mut said, mut awaited, mut flaws) = (Vec::new(), Vec::new(), Vec::new());
        for (at, message) in messages.iter().enumerate() {
            let read = read(self.reads.get(&message.kind), message, now);
            said.extend(read.said.into_iter().map(|said| (at, said)));
            awaited.extend(read.awaited.into_iter().map(|awaited| (at, awaited)));
            flaws.extend(read.flaw.map(|flaw| (at, flaw)));
        }
        let records = said.iter().filter_map(|(_, said)| match said {
            Said::Record(record) => Some(record.person.key.clone()),
            Said::News(_) => None,
        });
        let records: BTreeSet<PersonKey> = records.collect();
        self.accept_said(said, &mut taken).await?;
        for (at, awaited) in awaited {
            match self.await_record(&awaited).await? {
                Some(_) => taken[at].awaited += 1,
                None => taken[at].accepted.unchanged += 1,
            }
        }
        for (at, flaw) in flaws {
            taken[at].dead_letter = Some(self.bury(&messages[at], &flaw).await?);
        }
        if !records.is_empty() {
            self.record_came(now, Some(&records)).await?;
        }
        Ok(taken)
    }

    /// What stands together is accepted in one commit.
    async fn accept_said(&self, said: Vec<(usize, Said)>, taken: &mut [Taken]) -> Result<()> {
        let now = self.clock.now();
        for run in said.chunk_by(|(_, one), (_, next)| one.is_news() == next.is_news()) {
            let news = run.iter().filter_map(|(_, said)| match said {
                Said::News(news) => Some(Event::told((**news).clone())),
                Said::Record(_) => None,
            });
            let news: Vec<Event> = news.collect();
            let records = run.iter().filter_map(|(_, said)| match said {
                Said::Record(record) => Some((**record).clone()),
                Said::News(_) => None,
            });
            let records: Vec<Observation> = records.collect();
            let answers = if records.is_empty() {
                self.journal.append(&news).await?
            } else {
                self.journal.observe(&records, now).await?
            };
            for ((at, _), answer) in run.iter().zip(answers) {
                taken[*at].accepted.count(answer);
            }
        }
        Ok(())
    }

    /// The instant by the engine's clock.
    #[cfg(feature = "ingest")]
    pub(crate) fn now(&self) -> jiff::Timestamp {
        self.clock.now()
    }

    /// Waits, by the engine's clock.
    #[cfg(feature = "nats")]
    pub(crate) async fn pause(&self, time: std::time::Duration) {
        self.clock.sleep(time).await;
    }

    #[cfg(feature = "ingest")]
    /// Keeps a message whose sender and content nobody understands.
    pub(crate) async fn bury_as_it_is(&self, message: &Message, reason: &str) -> Result<LetterId> {
        self.bury(message, &Flaw::new(reason)).await
    }

    async fn bury(&self, message: &Message, flaw: &Flaw) -> Result<LetterId> {
        let burial = Burial {
            message,
            person: flaw.person.as_ref(),
            reason: &flaw.reason,
            at: self.clock.now(),
        };
        let letter = self.journal.bury(burial).await?;
        self.alert_of_letter(letter, message, &flaw.reason).await;
        tracing::warn!(%letter, "a message cannot be understood, and is a dead letter: {}", flaw.reason);
        Ok(letter)
    }

    /// Accepts a dead letter as somebody has corrected it: kind, media type, content. `by` and `reason` are kept with it
    /// and audited. What of it was accepted before counts once.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] without a name and a reason, and when it cannot be understood yet: then nothing is
    /// accepted; [`ErrorKind::NotFound`]; [`ErrorKind::Conflict`] when somebody has decided about it already;
    /// [`ErrorKind::Storage`].
    pub async fn retry_letter(
        &self,
        letter: LetterId,
        corrected: &Message,
        by: &str,
        reason: &str,
    ) -> Result<Accepted> {
        signed(by, reason)?;
        let known = self.journal.letter(letter).await?;
        match known.map(|known| known.state) {
            Some(LetterState::Open) => {}
            Some(_) => return Err(crate::journal::letter_over(letter)),
            None => return Err(crate::journal::no_letter(letter)),
        }
        let read = read(self.reads.get(&corrected.kind), corrected, self.clock.now());
        let needed = (!read.awaited.is_empty()).then(|| "the person's record is needed".to_owned());
        if let Some(reason) = read.flaw.map(|flaw| flaw.reason).or(needed) {
            let message = format!("dead letter {letter} cannot be understood yet: {reason}");
            return Err(Error::new(ErrorKind::Invalid, message));
        }
        let mut taken = [Taken::default()];
        let said = read.said.into_iter().map(|said| (0, said));
        self.accept_said(said.collect(), &mut taken).await?;
        self.journal.close_letter(letter, true, by, reason).await?;
        Ok(taken[0].accepted)
    }

    /// Decides that a dead letter does not count; its content is destroyed. `by` and `reason` are kept with it and
    /// audited.
    ///
    /// # Errors
    /// As [`retry_letter`](Self::retry_letter).
    pub async fn discard_letter(&self, letter: LetterId, by: &str, reason: &str) -> Result<()> {
        signed(by, reason)?;
        self.journal.close_letter(letter, false, by, reason).await
    }
}
