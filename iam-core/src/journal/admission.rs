//! [`Ask`]: a plan that the guard counts, and that waits until somebody has looked at the whole.
//!
//! ```text
//!             ask                 answer
//! (nothing) ──────► asked ─────────────────► granted ── the event ends ──► (nothing)
//!                   ▲   │                       │
//!                   │   └──────► refused        │ what is planned now goes beyond what was granted
//!                   └───────────────────────────┘
//! ```
//! Where several processes work on one journal, none of them sees what the others are about to do. So a worker does
//! not carry out by itself what counts against a limit: it asks, and gives the lane back; whoever looks at all that
//! was asked next, with what was granted and is not over, answers. An answer is to one version of what was asked.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::event::{Event, EventId};
use crate::person::PersonKey;
use crate::plan::Plan;

/// Whether a plan that was asked for may be carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "standing", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Standing {
    /// Nobody has answered yet.
    Asked,
    /// It may, and nothing beyond it.
    Granted,
    /// It may not: why.
    Refused {
        /// Why, without personal data.
        why: String,
    },
}

/// A plan that counts against a limit of the guard.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ask {
    /// The event that it is planned for.
    pub event: EventId,
    /// Whose.
    pub person: PersonKey,
    /// Whether the event is a leave.
    pub leave: bool,
    /// Whether the event is an urgent leave.
    pub urgent: bool,
    /// The organisation that the limits count the person in.
    pub organisation: Option<String>,
    /// What is planned.
    pub plan: Plan,
    /// When it was asked, by the worker's [`Clock`](crate::clock).
    pub asked_at: Timestamp,
    /// Counts the questions about the event, from 1; the journal gives it.
    pub version: u64,
    /// Whether it may be carried out.
    pub standing: Standing,
    /// When that was decided, by the [`Clock`](crate::clock) of whoever decided.
    pub answered_at: Option<Timestamp>,
}

impl Ask {
    /// A question about what is planned for `event`.
    pub fn new(event: &Event, organisation: Option<String>, plan: Plan, asked_at: Timestamp) -> Self {
        Self {
            event: event.id.clone(),
            person: event.person.clone(),
            leave: event.kind.is_leave(),
            urgent: event.kind.is_urgent(),
            organisation,
            plan,
            asked_at,
            version: 0,
            standing: Standing::Asked,
            answered_at: None,
        }
    }
}

/// Everything that was asked and is not over.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Asks {
    /// The questions, in the order in which they were asked.
    pub asks: Vec<Ask>,
    /// Leaves that could be worked on now, of people who were not asked about, and that nobody has planned yet.
    pub leaves_to_come: u64,
    /// Other events of that sort.
    pub others_to_come: u64,
}

impl Asks {
    /// Those of the questions, with so many events to come.
    pub fn new(asks: Vec<Ask>, leaves_to_come: u64, others_to_come: u64) -> Self {
        Self {
            asks,
            leaves_to_come,
            others_to_come,
        }
    }
}

/// The answer to one version of a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The event that was asked about.
    pub event: EventId,
    /// Which version.
    pub version: u64,
    /// Whether it may be carried out.
    pub standing: Standing,
}
