//! [`Waiting`]: why nothing happens for somebody, in one answer; [`Stalled`]: work that nobody takes.

use jiff::Timestamp;

use crate::event::EventId;
use crate::person::PersonKey;

/// What a person's lane waits for: what stands at its head.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Waiting {
    /// Nothing is to be done.
    Nothing,
    /// The next event counts from an instant to come.
    Until {
        /// The event.
        event: EventId,
        /// From when on.
        at: Timestamp,
    },
    /// It can be worked on, and no worker has taken it yet.
    Ready {
        /// The event.
        event: EventId,
        /// Since when.
        since: Timestamp,
    },
    /// An attempt has not come to its end.
    Retrying {
        /// The event.
        event: EventId,
        /// When the next attempt may begin.
        at: Timestamp,
        /// Attempts so far.
        attempts: u32,
        /// What the last one ended with.
        why: String,
    },
    /// What is planned counts against a limit of the guard, and nobody has answered yet.
    Asked {
        /// The event.
        event: EventId,
        /// Since when.
        since: Timestamp,
    },
    /// An event was set aside, and the later ones wait for somebody to requeue or to skip it.
    Parked {
        /// The event that was set aside.
        event: EventId,
        /// Since when, by the journal's own clock; `None` for what a version before 0.2 has set aside.
        since: Option<Timestamp>,
        /// Why it was.
        why: String,
    },
    /// A worker holds the lane.
    Claimed {
        /// The event that it works on.
        event: EventId,
        /// Which one: [`Journal::worker`](super::Journal::worker) of its process.
        by: String,
        /// Since when, by its [`Clock`](crate::clock).
        since: Timestamp,
    },
}

/// The head of a lane that could have been claimed for the longest time, and was not.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stalled {
    /// Whose.
    pub person: PersonKey,
    /// The event.
    pub event: EventId,
    /// Since when it could have been claimed.
    pub since: Timestamp,
}

impl Stalled {
    /// A head that could have been claimed since then.
    pub fn new(person: PersonKey, event: EventId, since: Timestamp) -> Self {
        Self { person, event, since }
    }
}
