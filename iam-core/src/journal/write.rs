//! [`Write`]: what the holder of a claim writes, ready for a database.

use std::time::Duration;

use jiff::Timestamp;

use super::audit::{Deed, Note, ending_of, kind_of};
use super::convoy::Load;
use super::fault::Attempt;
use super::row::{signed, text};
use super::{Claim, Lane, Outcome, PersonState, StepStart};
use crate::error::{Error, ErrorKind};
use crate::event::{Event, EventId};
use crate::person::PersonKey;
use crate::plan::{IdempotencyKey, Plan, StepId};

/// A claim, as its holder proves it.
pub(super) struct Hold {
    pub(super) person: PersonKey,
    pub(super) event: EventId,
    pub(super) fence: i64,
}

/// What the holder of a claim writes.
pub(super) struct Write {
    pub(super) hold: Hold,
    pub(super) what: What,
}

/// What it is.
pub(super) enum What {
    /// The lease goes on.
    Beat(Duration),
    /// The plan, as JSON.
    Plan { text: String, steps: usize },
    /// The intent to carry out a step.
    Intend { step: StepId, key: IdempotencyKey },
    /// How a step ended, as JSON.
    Settle {
        step: StepId,
        outcome: String,
        ending: String,
        at: Timestamp,
    },
    /// The claim ends.
    End(Box<End>),
}

/// How a claim ends.
pub(super) struct End {
    pub(super) deed: Deed,
    pub(super) state: State,
    /// What becomes of the event.
    pub(super) event: Ended,
    pub(super) why: Option<String>,
    /// What takes the place of the lane's timers; `None` where they stay.
    pub(super) timers: Option<Vec<Event>>,
}

/// What becomes of a claimed event.
#[derive(Clone, Copy)]
pub(super) enum Ended {
    Done,
    /// It may be claimed again from then on.
    Pending(Timestamp),
    Dead(Lane),
}

impl Ended {
    /// As the column has it.
    pub(super) fn number(self) -> i64 {
        match self {
            Self::Pending(_) => 0,
            Self::Done => 1,
            Self::Dead(_) => 2,
        }
    }
}

/// What came of travelling together.
pub(super) enum Carried {
    Done(Option<StepStart>),
    /// It is to be written by itself.
    PassedOver(Write),
}

impl Load for Write {
    type Answer = Carried;

    fn lanes(&self) -> Vec<&PersonKey> {
        vec![&self.hold.person]
    }

    fn weight(&self) -> usize {
        1
    }
}

impl Hold {
    pub(super) fn of(claim: &Claim) -> Self {
        Self {
            person: claim.event.person.clone(),
            event: claim.event.id.clone(),
            fence: signed(claim.fence),
        }
    }

    /// Who has lost the claim is refused.
    pub(super) fn fenced(&self) -> Error {
        let message = format!("the claim on {} has passed on", self.person);
        Error::new(ErrorKind::Fenced, message)
    }
}

impl Write {
    fn new(claim: &Claim, what: What) -> Self {
        let hold = Hold::of(claim);
        Self { hold, what }
    }

    pub(super) fn beat(claim: &Claim, lease: Duration) -> Self {
        Self::new(claim, What::Beat(lease))
    }

    pub(super) fn plan(claim: &Claim, plan: &Plan) -> Attempt<Self> {
        let text = text("plan", claim.event.id.as_str(), plan)?;
        let steps = plan.steps.len();
        Ok(Self::new(claim, What::Plan { text, steps }))
    }

    pub(super) fn intend(claim: &Claim, step: &StepId, key: &IdempotencyKey) -> Self {
        let (step, key) = (step.clone(), key.clone());
        Self::new(claim, What::Intend { step, key })
    }

    pub(super) fn settle(claim: &Claim, step: &StepId, outcome: &Outcome, at: Timestamp) -> Attempt<Self> {
        let what = What::Settle {
            outcome: text("outcome", claim.event.id.as_str(), outcome)?,
            ending: format!("{} {}", kind_of(step), ending_of(outcome)),
            step: step.clone(),
            at,
        };
        Ok(Self::new(claim, what))
    }

    pub(super) fn complete(claim: &Claim, state: &PersonState, timers: &[Event]) -> Attempt<Self> {
        let end = End {
            deed: Deed::Completed,
            state: State::of(&claim.event.person, state)?,
            event: Ended::Done,
            why: None,
            timers: Some(timers.to_vec()),
        };
        Ok(Self::new(claim, What::End(Box::new(end))))
    }

    pub(super) fn retry_later(claim: &Claim, state: &PersonState, at: Timestamp, why: &str) -> Attempt<Self> {
        let end = End {
            deed: Deed::Postponed,
            state: State::of(&claim.event.person, state)?,
            event: Ended::Pending(at),
            why: Some(why.to_owned()),
            timers: None,
        };
        Ok(Self::new(claim, What::End(Box::new(end))))
    }

    pub(super) fn dead_letter(
        claim: &Claim,
        state: &PersonState,
        timers: &[Event],
        why: &str,
        set: Lane,
    ) -> Attempt<Self> {
        let end = End {
            deed: Deed::SetAside,
            state: State::of(&claim.event.person, state)?,
            event: Ended::Dead(set),
            why: Some(why.to_owned()),
            timers: Some(timers.to_vec()),
        };
        Ok(Self::new(claim, What::End(Box::new(end))))
    }

    /// What it is called when it fails.
    pub(super) fn operation(&self) -> &'static str {
        match &self.what {
            What::Beat(_) => "extend a lease",
            What::Plan { .. } => "store a plan",
            What::Intend { .. } => "intend a step",
            What::Settle { .. } => "settle a step",
            What::End(end) => match end.event {
                Ended::Done => "complete an event",
                Ended::Pending(_) => "give a lane back",
                Ended::Dead(_) => "set an event aside",
            },
        }
    }

    /// Whether it changes lanes of others, which it has to wait for.
    pub(super) fn is_wide(&self) -> bool {
        let own = &self.hold.person;
        self.timers().iter().any(|timer| timer.person != *own)
    }

    pub(super) fn timers(&self) -> &[Event] {
        match &self.what {
            What::End(end) => end.timers.as_deref().unwrap_or_default(),
            _ => &[],
        }
    }

    /// The note about it, and of what.
    pub(super) fn note(&self, start: Option<&StepStart>) -> Option<Note<'_>> {
        let (deed, payload) = match &self.what {
            What::Beat(_) => return None,
            What::Intend { .. } if start != Some(&StepStart::First) => return None,
            What::Plan { text, .. } => (Deed::Planned, text.as_str()),
            What::Intend { key, .. } => (Deed::Intended, key.as_str()),
            What::Settle { outcome, .. } => (Deed::Settled, outcome.as_str()),
            What::End(end) => (end.deed, end.state.text()),
        };
        let note = Note::new(deed, &self.hold.event, &self.hold.person, payload.as_bytes());
        Some(match &self.what {
            What::Plan { steps, .. } => note.detail(format!("{steps} steps")),
            What::Intend { step, .. } => note.detail(kind_of(step)),
            What::Settle { ending, .. } => note.detail(ending.clone()),
            What::Beat(_) | What::End(_) => note,
        })
    }
}

/// What is known of a person, as it is written down.
pub(super) struct State {
    text: String,
    pub(super) manager: Option<PersonKey>,
    /// For the manager's account.
    pub(super) waits: bool,
}

impl State {
    pub(super) fn of(person: &PersonKey, state: &PersonState) -> Attempt<Self> {
        let manager = state
            .record
            .as_ref()
            .and_then(|record| record.manager_id.as_ref());
        Ok(Self {
            text: text("state", person.as_str(), state)?,
            manager: manager.cloned(),
            waits: state.waits_for.is_some() && state.waits_for.as_ref() == manager,
        })
    }

    /// As it stands in the database.
    pub(super) fn text(&self) -> &str {
        &self.text
    }
}
