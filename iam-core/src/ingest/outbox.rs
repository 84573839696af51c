//! [`Outbox`]: how events ended, told to other systems, at least once and in order.
//!
//! Nothing is written for it when an event ends: the entry of the audit that is written in the same transaction *is* the
//! outgoing message, and what a receiver has been told is a bookmark in the audit. So an outcome is told if and only if
//! it is durable, whoever is told, and however many are; and a receiver that is down costs the work nothing.
//!
//! - *At least once*: the bookmark moves after the receiver has answered. A process that dies in between tells again, under
//!   the same id: the hash of the audit's entry.
//! - *In order, person by person*. A receiver that is down holds everything up, longer and longer; one that refuses a
//!   message holds up what follows of that person, and of nobody else.

mod place;

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::{Value, json};

use self::place::{Behind, Place, patience};
use crate::clock::{SharedClock, SystemClock};
use crate::error::{Error, ErrorKind, Result};
use crate::journal::audit::{AuditEntry, Deed, ending_of, kind_of};
use crate::journal::{Entry, HistoryQuery, Journal};
use crate::notify::Webhook;
use crate::person::PersonKey;

/// How many entries of the audit are read at once.
const PAGE: usize = 500;
/// After how many messages the bookmark is moved: so many are told again when the process dies.
const STRIDE: usize = 50;
/// So many messages wait for receivers that refuse them; then everything waits.
const MOST_BEHIND: usize = 10_000;

/// One outcome on its way out. Names the person by the worker id alone.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Outgoing {
    /// The same whenever it is told: a receiver drops ids that it has seen.
    pub id: String,
    /// `iam-platform.event.completed` or `iam-platform.event.set_aside`.
    pub kind: &'static str,
    /// Whose event.
    pub person: PersonKey,
    /// When it ended.
    pub time: Timestamp,
    /// Event, kind of event, place in the audit, and of a completed one the steps and how each ended.
    pub data: Value,
}

impl Outgoing {
    /// The CloudEvent (specification 1.0, JSON) of `source`, a URI such as `https://iam.contoso.example`.
    pub fn event(&self, source: &str) -> Value {
        json!({
            "specversion": "1.0", "id": self.id, "source": source, "type": self.kind,
            "subject": self.person.as_str(), "time": self.time.to_string(),
            "datacontenttype": "application/json", "data": self.data,
        })
    }
}

/// Tells another system.
#[async_trait]
pub trait Publisher: std::fmt::Debug + Send + Sync {
    /// Tells it; returning means that the receiver has it for good.
    ///
    /// # Errors
    /// Of kind [`Unavailable`](ErrorKind::Unavailable), [`Throttled`](ErrorKind::Throttled) or
    /// [`Unauthenticated`](ErrorKind::Unauthenticated) (and what else says nothing about this one message) holds
    /// everything up; [`Denied`](ErrorKind::Denied), [`Invalid`](ErrorKind::Invalid), [`Conflict`](ErrorKind::Conflict)
    /// and [`NotFound`](ErrorKind::NotFound) what follows of this person.
    async fn publish(&self, outgoing: &Outgoing) -> Result<()>;
}

/// CloudEvents over HTTPS, structured and signed.
#[async_trait]
impl Publisher for Webhook {
    async fn publish(&self, outgoing: &Outgoing) -> Result<()> {
        let posted = self.post(&outgoing.id, &outgoing.event(self.source())).await;
        posted.map_err(|error| match error.status() {
            // What is said of this message; everything else is said of the receiver, and may be put right there.
            Some(400 | 409 | 413 | 415 | 422) => error.with_kind(ErrorKind::Invalid),
            Some(_) => error.with_kind(ErrorKind::Unavailable),
            None => error,
        })
    }
}

/// What [`deliver`](Outbox::deliver) has done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sent {
    /// Messages that the receiver has taken.
    pub sent: u64,
    /// Messages that the receiver refuses, and those of the same people behind them.
    pub behind: u64,
    /// When it is worth trying again, if something waits.
    pub next: Option<Timestamp>,
    /// Why something waits, in the words of the last failure.
    pub why: Option<String>,
}

/// Tells one receiver how events ended.
///
/// ```no_run
/// # async fn f(journal: std::sync::Arc<dyn iam_core::journal::Journal>, webhook: iam_core::notify::Webhook) -> iam_core::Result<()> {
/// use iam_core::ingest::Outbox;
///
/// let outbox = Outbox::new(journal, "ticketing", std::sync::Arc::new(webhook));
/// loop {
///     let sent = outbox.deliver().await?;
///     if sent.behind > 0 {
///         eprintln!("{} outcomes wait: {}", sent.behind, sent.why.unwrap_or_default());
///     }
///     tokio::time::sleep(std::time::Duration::from_secs(1)).await;
/// }
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Outbox {
    journal: Arc<dyn Journal>,
    name: String,
    publisher: Arc<dyn Publisher>,
    clock: SharedClock,
    from_now_on: bool,
}

impl Outbox {
    /// Tells the receiver that is known by `name`, which the journal remembers, everything from the first outcome on.
    pub fn new(journal: Arc<dyn Journal>, name: impl Into<String>, publisher: Arc<dyn Publisher>) -> Self {
        Self {
            journal,
            name: format!("outbox:{}", name.into()),
            publisher,
            clock: Arc::new(SystemClock),
            from_now_on: false,
        }
    }

    /// A receiver that was never told anything begins here, and not with what ended years ago.
    #[must_use]
    pub fn from_now_on(mut self) -> Self {
        self.from_now_on = true;
        self
    }

    /// The clock of its patience (the machine's).
    #[must_use]
    pub fn clock(mut self, clock: SharedClock) -> Self {
        self.clock = clock;
        self
    }

    /// Tells what has ended since, in order, and returns when there is no more, or the receiver is down. Nobody's work
    /// waits for it. Several processes may do so at once: a receiver may then be told twice, under the same id.
    ///
    /// # Errors
    /// [`ErrorKind::Storage`] from the journal. What the receiver answers is in the report.
    pub async fn deliver(&self) -> Result<Sent> {
        let known = self.journal.bookmark(&self.name).await?;
        let (version, mut place) = match known {
            Some((version, place)) => (version, Place::read(&self.name, place)?),
            None if self.from_now_on => (0, Place::at(self.journal.audit_head().await?.sequence)),
            None => (0, Place::default()),
        };
        let mut round = Round {
            outbox: self,
            version,
            unsaved: usize::from(version == 0),
            now: self.clock.now(),
            sent: Sent::default(),
        };
        if place.not_before.is_none_or(|until| until <= round.now) {
            place.not_before = None;
            round.go(&mut place).await?;
        }
        let mut sent = round.sent;
        sent.behind = place.behind.len() as u64;
        sent.next = place.next();
        sent.why = place.why;
        Ok(sent)
    }

    /// Gives up a message that the receiver refuses: the oldest one that waits of each person, if `message` is its
    /// place in the audit (the `sequence` of its data). `false` when it does not wait.
    ///
    /// # Errors
    /// [`ErrorKind::Storage`] from the journal; [`ErrorKind::Conflict`] when the outbox is at work just now.
    pub async fn give_up(&self, message: u64) -> Result<bool> {
        let Some((version, place)) = self.journal.bookmark(&self.name).await? else {
            return Ok(false);
        };
        let mut place = Place::read(&self.name, place)?;
        let before = place.behind.len();
        place.behind.retain(|behind| behind.sequence != message);
        if place.behind.len() == before {
            return Ok(false);
        }
        if self
            .journal
            .set_bookmark(&self.name, version, &place.written()?)
            .await?
        {
            return Ok(true);
        }
        let text = "the outbox is at work just now: try again";
        Err(Error::new(ErrorKind::Conflict, text))
    }

    async fn outgoing(&self, entry: &AuditEntry) -> Result<Outgoing> {
        let query = HistoryQuery {
            event: entry.event.clone(),
            limit: 1,
            ..HistoryQuery::default()
        };
        let known = self.journal.history(&query).await?.into_iter().next();
        let completed = entry.deed == Deed::Completed;
        let mut data = json!({ "sequence": entry.sequence });
        if let Some(event) = &entry.event {
            data["event"] = event.as_str().into();
        }
        if let Some(known) = &known {
            data["kind"] = known.event.kind.as_str().into();
            // What was set aside goes on some day, and the same id must not say something else then.
            if completed {
                data["steps"] = steps(known);
            }
        }
        Ok(Outgoing {
            id: entry.hash.clone(),
            kind: if completed {
                "iam-platform.event.completed"
            } else {
                "iam-platform.event.set_aside"
            },
            person: known.map_or_else(|| PersonKey::new(""), |known| known.event.person),
            time: entry.at,
            data,
        })
    }
}

/// By kind alone: the rest of a step's id may name somebody.
fn steps(entry: &Entry) -> Value {
    let steps = entry.steps.iter().map(|record| {
        let ending = record.outcome.as_ref();
        let ending = ending.map_or_else(|| "unknown".to_owned(), ending_of);
        json!({ "step": kind_of(&record.step), "outcome": ending })
    });
    steps.collect()
}

/// How the receiver took a message.
enum Answer {
    Taken,
    /// This one, and so what follows of the person.
    Refused(Error),
    /// Nothing can be told just now.
    Down(Error),
}

/// One call of [`Outbox::deliver`].
struct Round<'a> {
    outbox: &'a Outbox,
    version: u64,
    /// What has happened since the bookmark was moved.
    unsaved: usize,
    now: Timestamp,
    sent: Sent,
}

impl Round<'_> {
    async fn go(&mut self, place: &mut Place) -> Result<()> {
        if self.those_behind(place).await? && self.save_often(place).await? {
            self.new_ones(place).await?;
        }
        if self.unsaved > 0 {
            self.save(place).await?;
        }
        Ok(())
    }

    async fn tell(&mut self, entry: &AuditEntry) -> Result<Answer> {
        let outgoing = self.outbox.outgoing(entry).await?;
        Ok(match self.outbox.publisher.publish(&outgoing).await {
            Ok(()) => {
                self.sent.sent += 1;
                self.unsaved += 1;
                Answer::Taken
            }
            Err(error) => match error.kind() {
                ErrorKind::Denied | ErrorKind::Invalid | ErrorKind::Conflict | ErrorKind::NotFound => {
                    Answer::Refused(error)
                }
                _ => Answer::Down(error),
            },
        })
    }

    /// Tries again what was refused, of each person the oldest first. `false` when the receiver is down.
    async fn those_behind(&mut self, place: &mut Place) -> Result<bool> {
        let mut held: BTreeSet<String> = BTreeSet::new();
        let mut at = 0;
        while let Some(behind) = place.behind.get(at) {
            let waits = behind.not_before.is_some_and(|until| until > self.now);
            if held.contains(&behind.subject) || waits {
                held.insert(behind.subject.clone());
                at += 1;
                continue;
            }
            let entries = self.outbox.journal.audit(behind.sequence - 1, 1).await?;
            let answer = match entries.first() {
                Some((entry, _)) => self.tell(entry).await?,
                None => Answer::Taken, // a journal that went back in time
            };
            match answer {
                Answer::Taken => {
                    place.behind.remove(at);
                    place.up();
                }
                Answer::Refused(error) => {
                    self.unsaved += 1;
                    held.insert(place.behind[at].subject.clone());
                    place.refused(at, &error, self.now);
                    at += 1;
                }
                Answer::Down(error) => {
                    self.unsaved += 1;
                    place.down(&error, self.now);
                    return Ok(false);
                }
            }
            if !self.save_often(place).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn new_ones(&mut self, place: &mut Place) -> Result<()> {
        loop {
            let page = self.outbox.journal.audit(place.sequence, PAGE).await?;
            if page.is_empty() {
                return Ok(());
            }
            for (entry, _) in &page {
                if matches!(entry.deed, Deed::Completed | Deed::SetAside) && !self.one(entry, place).await? {
                    return Ok(());
                }
                place.sequence = entry.sequence;
                self.unsaved = self.unsaved.max(1);
                if !self.save_often(place).await? {
                    return Ok(());
                }
            }
        }
    }

    /// `false` when it stays where it is, and everything behind it.
    async fn one(&mut self, entry: &AuditEntry, place: &mut Place) -> Result<bool> {
        let behind = Behind::new(entry);
        let waits = place.behind.iter().any(|other| other.subject == behind.subject);
        if place.behind.len() >= MOST_BEHIND {
            let error = Error::new(ErrorKind::Denied, "the receiver refuses too many messages");
            place.down(&error, self.now);
            self.unsaved += 1;
            return Ok(false);
        }
        if waits {
            place.behind.push(behind);
            return Ok(true);
        }
        match self.tell(entry).await? {
            Answer::Taken => place.up(),
            Answer::Refused(error) => {
                place.behind.push(behind);
                let last = place.behind.len() - 1;
                place.refused(last, &error, self.now);
            }
            Answer::Down(error) => {
                self.unsaved += 1;
                place.down(&error, self.now);
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn save_often(&mut self, place: &Place) -> Result<bool> {
        if self.unsaved < STRIDE {
            return Ok(true);
        }
        self.save(place).await
    }

    /// `false` when somebody else tells the receiver as well, and was quicker.
    async fn save(&mut self, place: &Place) -> Result<bool> {
        let (journal, name) = (&self.outbox.journal, &self.outbox.name);
        let saved = journal
            .set_bookmark(name, self.version, &place.written()?)
            .await?;
        self.version += 1;
        self.unsaved = 0;
        Ok(saved)
    }
}

/// The instant after so many failures, or later where the receiver says so.
fn later(error: &Error, attempts: u32, now: Timestamp) -> Timestamp {
    let advised = match error.retry() {
        crate::error::Retry::After(Some(after)) => jiff::SignedDuration::try_from(after).unwrap_or_default(),
        _ => jiff::SignedDuration::ZERO,
    };
    now.saturating_add(patience(attempts).max(advised)).unwrap_or(now)
}
