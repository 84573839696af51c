//! [`Survey`]: what whoever watches wants to see of a journal: events by how far they have come, the newest first, and
//! figures. Each look reads what it shows by an index, and nothing else.

use std::fmt;

use async_trait::async_trait;
use jiff::Timestamp;
use jiff::civil::Date;

use super::{Entry, EventState};
use crate::error::Result;
use crate::event::{Event, EventKind, Timer};
use crate::person::PersonKey;

/// How far an event has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Headway {
    /// Accepted, and nobody has worked on it yet. Timers that nobody has begun are left out: they are no news.
    Accepted,
    /// Begun.
    Begun,
    /// To be tried again, or put back until something is answered.
    Waiting,
    /// Worked off.
    Done,
    /// Set aside.
    Dead,
    /// Made pointless by a later event.
    Superseded,
}

impl Headway {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Accepted,
        Self::Begun,
        Self::Waiting,
        Self::Done,
        Self::Dead,
        Self::Superseded,
    ];

    /// In one word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Begun => "begun",
            Self::Waiting => "waiting",
            Self::Done => "done",
            Self::Dead => "dead",
            Self::Superseded => "superseded",
        }
    }

    /// The one of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|headway| headway.as_str() == name)
    }

    /// How far an event has come; nothing for a timer that nobody has begun.
    pub fn of(entry: &Entry) -> Option<Self> {
        Some(match entry.state {
            EventState::Done => Self::Done,
            EventState::Dead => Self::Dead,
            EventState::Superseded => Self::Superseded,
            EventState::Pending if entry.why.is_some() => Self::Waiting,
            EventState::Pending if entry.attempts > 0 => Self::Begun,
            EventState::Pending if is_set(&entry.event.kind) => return None,
            EventState::Pending => Self::Accepted,
        })
    }
}

impl fmt::Display for Headway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which entries [`Survey::events`] returns.
#[derive(Debug, Clone)]
pub struct EventFilter {
    /// Those that have come so far; all where it is empty.
    pub headway: Vec<Headway>,
    /// Of this person only.
    pub person: Option<PersonKey>,
    /// Those that stand before this place: the last one of the page before.
    pub before: Option<u64>,
    /// At most so many.
    pub limit: usize,
}

impl EventFilter {
    /// The newest `limit` events.
    pub fn newest(limit: usize) -> Self {
        Self {
            headway: Vec::new(),
            person: None,
            before: None,
            limit,
        }
    }

    /// Each headway that is asked for, once.
    pub(super) fn asked(&self) -> Vec<Headway> {
        let asked = |headway: &Headway| self.headway.is_empty() || self.headway.contains(headway);
        Headway::ALL.into_iter().filter(asked).collect()
    }
}

/// How many events stand so now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Figures {
    /// [`Headway::Begun`].
    pub begun: u64,
    /// [`Headway::Waiting`].
    pub waiting: u64,
    /// [`Headway::Dead`].
    pub dead: u64,
}

/// How much of one kind was told on one day.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Told {
    /// The day (UTC).
    pub day: Date,
    /// The kind, as an event's JSON has it: `join`, `leave`.
    pub kind: String,
    /// How many events.
    pub count: u64,
}

impl Told {
    /// So many of a kind on the day of an instant.
    pub(super) fn new(day: Timestamp, kind: String, count: u64) -> Self {
        let day = day.to_zoned_datetime(jiff::tz::TimeZone::UTC).date();
        Self { day, kind, count }
    }
}

/// The part of the port [`Journal`](super::Journal) that shows what there is. Nothing is changed.
#[async_trait]
pub trait Survey: fmt::Debug + Send + Sync {
    /// Events with their stories and their places, the newest first, at `now`.
    async fn events(&self, filter: &EventFilter, now: Timestamp) -> Result<Vec<(u64, Entry)>>;

    /// How many events are being worked on, wait, and were set aside at `now`.
    async fn figures(&self, now: Timestamp) -> Result<Figures>;

    /// How much was told from `from` on and before `until`, by day and kind, in their order: events that became due
    /// then, without timers and without those that were superseded.
    async fn told(&self, from: Timestamp, until: Timestamp) -> Result<Vec<Told>>;

    /// The timers of these kinds that are pending and come up from `from` on and before `until`, the earliest first; at
    /// most `limit`.
    async fn coming(
        &self,
        timers: &[Timer],
        from: Timestamp,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<Event>>;
}

/// Whether the head of a lane sets it, and replaces it when it ends: every timer but a recheck.
pub(super) fn is_set(kind: &EventKind) -> bool {
    matches!(kind, EventKind::Due { timer } if *timer != Timer::Recheck)
}

/// The kind as an event's JSON has it.
pub(super) fn tag(kind: &EventKind) -> String {
    let written = serde_json::to_value(kind).unwrap_or_default();
    written["kind"].as_str().unwrap_or_default().to_owned()
}
