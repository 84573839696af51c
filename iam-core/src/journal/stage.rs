//! What sources deliver, before it is believed: staged row by row, then released or discarded as one.
//!
//! ```text
//!   open ──stage…──► open ──close──► releasing ──release_some…──► released
//!     │                      └────► held ──decide──► releasing
//!     │ another opens               └────► discarded
//!     └──► discarded
//! ```

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind};
use crate::event::{Event, News};
use crate::person::{Person, PersonKey};

/// Which delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DeliveryId(pub u64);

impl fmt::Display for DeliveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One thing that a delivery says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "row", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Row {
    /// A person as the source sees them: an observation.
    Record {
        /// The record.
        person: Box<Person>,
    },
    /// An event.
    News {
        /// What happened.
        news: Box<News>,
    },
    /// Nothing that was staged before of this person may be believed.
    Withdrawn {
        /// Whom.
        person: PersonKey,
    },
}

impl Row {
    /// Whom it is about.
    pub fn person(&self) -> &PersonKey {
        match self {
            Self::Record { person } => &person.key,
            Self::News { news } => &news.person,
            Self::Withdrawn { person } => person,
        }
    }
}

/// Where a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DeliveryState {
    /// Being read. One that stays so was cut off, and is to be delivered again.
    Open,
    /// Held by its findings, until somebody decides.
    Held,
    /// Believed; not all of its rows are accepted yet.
    Releasing,
    /// Believed, and accepted.
    Released,
    /// Not believed.
    Discarded,
}

/// A delivery with what is known of it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Staged {
    /// Which.
    pub id: DeliveryId,
    /// Whose.
    pub source: String,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// Where it stands.
    pub state: DeliveryState,
    /// Rows that are staged.
    pub rows: u64,
    /// Why it is held.
    pub findings: Vec<String>,
    /// Who decided about it when it was held, and why.
    pub decision: Option<String>,
}

impl Staged {
    pub(crate) fn new(id: DeliveryId, source: &str, opened_at: Timestamp) -> Self {
        Self {
            id,
            source: source.to_owned(),
            opened_at,
            state: DeliveryState::Open,
            rows: 0,
            findings: Vec::new(),
            decision: None,
        }
    }
}

/// What is kept of somebody's decision.
pub(crate) fn decision(release: bool, by: &str, reason: &str) -> String {
    let what = if release { "released" } else { "discarded" };
    format!("{what} by {by}: {reason}")
}

pub(crate) fn unknown(id: DeliveryId) -> Error {
    Error::new(ErrorKind::NotFound, format!("the journal has no delivery {id}"))
}

pub(crate) fn elsewhere(id: DeliveryId, state: DeliveryState) -> Error {
    let state = format!("{state:?}").to_lowercase();
    Error::new(ErrorKind::Conflict, format!("delivery {id} is {state}"))
}

pub(crate) fn overtaken(id: DeliveryId) -> Error {
    let message = format!("a newer delivery of the source than {id} has been released: discard this one");
    Error::new(ErrorKind::Conflict, message)
}

/// What became of rows that were released.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Released {
    /// Rows that said something new: durable events now.
    pub events: u64,
    /// Rows that said nothing new.
    pub unchanged: u64,
    /// Events whose id was known with other content: quarantined.
    pub quarantined: u64,
    /// Whether that was the last of the delivery.
    pub over: bool,
}

/// An event whose id is known with other content. It is never applied.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Quarantined {
    /// The event that came second.
    pub event: Event,
    /// When it came.
    pub at: Timestamp,
}

impl Quarantined {
    pub(crate) fn new(event: Event) -> Self {
        let at = event.entered_at;
        Self { event, at }
    }
}
