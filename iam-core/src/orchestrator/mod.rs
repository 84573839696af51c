//! The port [`Orchestrator`]: an event and a person's state in, a [`Decision`] out.
//!
//! Invariant: an orchestrator never executes. Whatever it needs to know of the outside stands in its
//! [`Context`], so that a preview and the real thing are the same call. [`Lifecycle`] is the standard
//! joiner-mover-leaver; a user's own implementation may wrap it or replace it.

mod calendar;
mod conflict;
mod doubt;
mod errands;
mod lifecycle;
mod link;
mod mailbox;
mod notices;
mod phase;
mod place;
mod presence;

pub use lifecycle::Lifecycle;
pub(crate) use phase::{has_gone, phase_at};
pub use presence::LastSignIn;
pub(crate) use presence::asks_sign_in;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::entitlement::{Actual, Attribute, Catalog, Kind, TargetId};
use crate::error::Result;
use crate::event::{Course, Event, Timer};
use crate::journal::{AccountRef, PersonState};
use crate::person::{Person, PersonKey};
use crate::plan::Plan;
use crate::target::Candidates;

/// What one target says about the person, read just now.
#[derive(Debug, Clone)]
pub struct View {
    /// Which target.
    pub target: TargetId,
    /// The kinds of entitlement it offers.
    pub kinds: BTreeSet<Kind>,
    /// The target whose accounts it uses, if it has none of its own.
    pub principals_of: Option<TargetId>,
    /// The most characters that an attribute takes there, where there is a limit.
    pub lengths: BTreeMap<Attribute, usize>,
    /// What it offers.
    pub catalog: Arc<Catalog>,
    /// The accounts that carry the person's key; more than one needs a person to decide.
    pub candidates: Candidates,
    /// What the one account holds, or nothing.
    pub actual: Actual,
    /// When the person signed in last, where that was asked for.
    pub last_sign_in: LastSignIn,
}

/// A target that cannot be read just now.
#[derive(Debug, Clone)]
pub struct Down {
    /// Which.
    pub target: TargetId,
    /// The kinds of entitlement it offers.
    pub kinds: BTreeSet<Kind>,
    /// Why, in one clause.
    pub why: String,
}

/// The manager that HR names for the person.
#[derive(Debug, Clone)]
pub struct Manager {
    /// The manager's key.
    pub key: PersonKey,
    /// The manager's latest accepted record, if HR ever sent one.
    pub record: Option<Person>,
    /// The manager's accounts, as far as they exist.
    pub accounts: BTreeMap<TargetId, AccountRef>,
    /// Whether the manager has not left, as far as is known: nobody writes to those who have.
    pub at_work: bool,
    /// Whether the manager is on a leave of absence: nobody writes to them or hands anything over, and they are still
    /// whom people report to.
    pub away: bool,
    /// Whether the link would close a circle, and this is the link of the circle that is dropped.
    pub closes_circle: bool,
}

/// Chooses sign-in names. A preview chooses without reserving.
#[async_trait]
pub trait Names: Debug + Send + Sync {
    /// The first name of the ladder that nobody else has or is about to get, reserved for `person`;
    /// `None` when all are taken.
    async fn choose(
        &self,
        person: &PersonKey,
        ladder: &mut (dyn Iterator<Item = String> + Send),
    ) -> Result<Option<String>>;
}

/// Everything an orchestrator may know besides the event and the state.
#[derive(Debug)]
pub struct Context<'a> {
    /// Now, on the engine's clock.
    pub now: Timestamp,
    /// One view per target, in the order in which the engine was given the targets.
    pub views: &'a [View],
    /// The directory in which people sign in: the engine's first target.
    pub directory: TargetId,
    /// The targets that cannot be read just now, and why.
    pub down: &'a [Down],
    /// What the person's record and the news of them come to: what is announced, and what people should know.
    pub course: &'a Course,
    /// The manager, if HR names one.
    pub manager: Option<&'a Manager>,
    /// Who acts as the manager: the same, unless they have left or are on leave. Then the next one up the chain who is
    /// at work; `None` at its end, where it runs in a circle, and for whoever is named as their own manager.
    pub acting: Option<&'a Manager>,
    /// The plan that an earlier attempt at the same event stored, if there was one.
    pub earlier: Option<&'a Plan>,
    /// Where sign-in names come from.
    pub names: &'a dyn Names,
}

/// What is to happen, and what to wait for.
#[derive(Debug, Clone)]
pub struct Decision {
    /// What is to be done now.
    pub plan: Plan,
    /// The person's instants to come. They replace the ones that an earlier decision set.
    pub timers: Vec<(Timer, Timestamp)>,
    /// The person's state once the plan has been carried out, but for what the carrying out itself brings
    /// (accounts, ledger entries, who blocked sign-in).
    pub state: PersonState,
    /// Targets that are down and matter to this person, or that would not tell all of what the account holds, with
    /// the reason: the event is tried again when the rest is done.
    pub waiting: Vec<String>,
    /// What policy asks for and the person cannot be given for now, with the reason: what it names has gone, turned
    /// dynamic, or cannot be looked up. Everything else is done, and the person is looked at again.
    pub lacking: Vec<String>,
    /// Set when nothing may be done until somebody has looked: why. The plan is empty then.
    pub hold: Option<String>,
}

/// Decides what an event means.
#[async_trait]
pub trait Orchestrator: Debug + Send + Sync {
    /// What to do about `event`, given what is known. Must not have effects.
    async fn on_event(&self, event: &Event, state: &PersonState, cx: &Context<'_>) -> Result<Decision>;

    /// The instants that somebody waits for, as state, record and news imply them: what should be pending when an
    /// engine starts. One that is not is set again. Nothing by default: then a timer that is lost stays lost.
    fn calendar(&self, state: &PersonState, course: &Course, now: Timestamp) -> Vec<(Timer, Timestamp)> {
        let _ = (state, course, now);
        Vec::new()
    }
}
