//! [`Exchange`]: what a journal keeps of the exchange of messages with other systems.
//!
//! ```text
//!                     understood
//!   a message comes ─────────────► append, observe ──► an event, or nothing new
//!          │
//!          └─────────────────────► bury ──► open ──► close_letter ──► accepted (somebody corrected it)
//!            not understood                              └──────────► discarded
//! ```
//! Whoever delivers messages acknowledges one after the journal has answered, and not before: what was acknowledged is
//! an event, or a dead letter that somebody decides about.

use std::fmt;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Appended;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Event, EventId, EventKind};
use crate::person::{Person, PersonKey};

/// One message as it came from a source. `Debug` prints no content.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Who sent it: with [`id`](Self::id) the identity of the message.
    pub source: String,
    /// The sender's id. The same one again is the same message.
    pub id: String,
    /// What it is, for example `iam-platform.hr.event`.
    pub kind: String,
    /// When it happened, by the sender's clock: of two records of a person the later one counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Timestamp>,
    /// The media type of the content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// The content, byte by byte.
    #[serde(skip)]
    pub data: Vec<u8>,
}

impl Message {
    /// A message without a time or a media type.
    pub fn new(source: impl Into<String>, id: impl Into<String>, kind: impl Into<String>) -> Self {
        Self {
            source: source.into(),
            id: id.into(),
            kind: kind.into(),
            time: None,
            content_type: None,
            data: Vec::new(),
        }
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Message({} {} {})", self.source, self.id, self.kind)
    }
}

/// A person's record that a source sent under an id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    /// Identifies it for ever: it counts once.
    pub id: EventId,
    /// Who sent it.
    pub source: String,
    /// When it was so, by the source's clock; `None` where the source does not say: then the order in which records
    /// come is all there is.
    pub at: Option<Timestamp>,
    /// The record.
    pub person: Person,
}

impl Observation {
    /// The event that is set apart when the id is known with other content.
    pub(crate) fn apart(&self, now: Timestamp) -> Event {
        Event {
            id: self.id.clone(),
            person: self.person.key.clone(),
            kind: EventKind::Move,
            due_at: now,
            entered_at: now,
            record: Some(self.person.clone()),
            version: 0,
            news: None,
        }
    }
}

/// Which dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LetterId(pub u64);

impl fmt::Display for LetterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Where a dead letter stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LetterState {
    /// Somebody is to decide.
    Open,
    /// It was corrected, and accepted.
    Accepted,
    /// It does not count.
    Discarded,
}

/// A message that could not be understood, kept until somebody decides.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Letter {
    /// Which.
    pub id: LetterId,
    /// The message. Its content is destroyed with the decision.
    pub message: Message,
    /// Whom it is about, as far as that could be told.
    pub person: Option<PersonKey>,
    /// What is wrong with it, without personal data.
    pub reason: String,
    /// When it came.
    pub received_at: Timestamp,
    /// Where it stands.
    pub state: LetterState,
    /// Who decided, and why.
    pub decision: Option<String>,
}

/// A message to be buried.
#[derive(Debug, Clone, Copy)]
pub struct Burial<'a> {
    /// The message.
    pub message: &'a Message,
    /// Whom it is about, as far as that could be told.
    pub person: Option<&'a PersonKey>,
    /// What is wrong with it, without personal data.
    pub reason: &'a str,
    /// When it came.
    pub at: Timestamp,
}

/// The part of the port [`Journal`](super::Journal) that keeps what is exchanged by message.
#[async_trait]
pub trait Exchange: fmt::Debug + Send + Sync {
    /// Accepts records that have ids of their own, in order, in one commit. Each counts once, however often and in
    /// whichever order they come: [`Duplicate`](Appended::Duplicate) is one whose id is known, one that says nothing
    /// new, and one that is older than what this source said of the person already. Another record under an id that is
    /// known is a [`Conflict`](Appended::Conflict), and quarantined.
    async fn observe(&self, seen: &[Observation], now: Timestamp) -> Result<Vec<Appended>>;

    /// Keeps a message as a dead letter. The same content under the same id again is the letter that is kept already,
    /// whatever was decided about it.
    async fn bury(&self, burial: Burial<'_>) -> Result<LetterId>;

    /// At most `limit` open dead letters behind `after`, in the order in which they came.
    async fn letters(&self, after: Option<LetterId>, limit: usize) -> Result<Vec<Letter>>;

    /// One dead letter, wherever it stands.
    async fn letter(&self, id: LetterId) -> Result<Option<Letter>>;

    /// Ends an open dead letter: it was accepted, or does not count. Who and why is kept and audited, the content is
    /// destroyed.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound); [`Conflict`](ErrorKind::Conflict) when it is not open any more.
    async fn close_letter(&self, id: LetterId, accepted: bool, by: &str, reason: &str) -> Result<()>;

    /// What was noted under a name last, and how often something has been.
    async fn bookmark(&self, name: &str) -> Result<Option<(u64, serde_json::Value)>>;

    /// Notes something under a name, unless somebody else has since the `version` that the caller knows (0: none):
    /// then nothing is written, and the answer is `false`.
    async fn set_bookmark(&self, name: &str, version: u64, value: &serde_json::Value) -> Result<bool>;

    /// What was noted last under the names that begin so, the last name first, from before a name on; at most `limit`.
    async fn bookmarks(
        &self,
        prefix: &str,
        before: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, serde_json::Value)>>;
}

/// Who a letter is noted of in the audit when nobody can tell whom it is about.
pub(crate) fn subject(person: Option<&PersonKey>) -> PersonKey {
    person.cloned().unwrap_or_else(super::audit::nobody)
}

/// Under which id a letter stands in the audit.
pub(crate) fn noted_as(message: &Message) -> EventId {
    EventId::of(&["message", &message.source, &message.id])
}

/// A hash of the content, and of what is needed to read it.
pub(crate) fn fingerprint(message: &Message) -> String {
    let data = crate::person::hex(&message.data);
    EventId::of(&[
        &message.kind,
        message.content_type.as_deref().unwrap_or(""),
        &data,
    ])
    .as_str()
    .to_owned()
}

/// What stands behind every name that begins with `prefix`; or before which name it is listed.
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub(crate) fn last_name(prefix: &str, before: Option<&str>) -> String {
    before.map_or_else(|| format!("{prefix}{}", char::MAX), str::to_owned)
}

pub(crate) fn closed_by(accepted: bool, by: &str, reason: &str) -> String {
    let what = if accepted { "accepted" } else { "discarded" };
    format!("{what} by {by}: {reason}")
}

pub(crate) fn no_letter(id: LetterId) -> Error {
    Error::new(
        ErrorKind::NotFound,
        format!("the journal has no dead letter {id}"),
    )
}

pub(crate) fn letter_over(id: LetterId) -> Error {
    let message = format!("somebody has decided about dead letter {id} already");
    Error::new(ErrorKind::Conflict, message)
}
