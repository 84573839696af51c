//! What the engine tells its caller.

use std::collections::BTreeMap;

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::entitlement::Entitlement;
use crate::event::{EventId, EventKind};
use crate::journal::Outcome;
use crate::person::{Person, PersonKey, hex};
use crate::plan::{Plan, Risk, Step};

/// What became of records that were handed over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Accepted {
    /// Records and events that said something new: durable now.
    pub events: u64,
    /// Records and events that HR had sent before, just so.
    pub unchanged: u64,
    /// Events whose id was known with other content: [`Engine::quarantined`](super::Engine::quarantined).
    pub quarantined: u64,
}

impl std::ops::AddAssign for Accepted {
    fn add_assign(&mut self, other: Self) {
        self.events += other.events;
        self.unchanged += other.unchanged;
        self.quarantined += other.quarantined;
    }
}

/// What would happen to one person: [`Engine::plan`](super::Engine::plan).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PersonPlan {
    /// Whose.
    pub person: PersonKey,
    /// The record that was planned for.
    pub record: Option<Person>,
    /// The event.
    pub event: EventId,
    /// What kind of event.
    pub kind: EventKind,
    /// The steps, notes, and a refusal.
    pub plan: Plan,
    /// Why nothing may be done before somebody has looked.
    pub hold: Option<String>,
    /// What policy asks for and this person cannot be given for now, and why: licences without a free seat, and what the
    /// tenant does not know (any more). Everything else goes on, and the person is looked at again.
    pub waiting: Vec<String>,
    /// What the person waits for, and until when.
    pub next: Option<(crate::event::Timer, Timestamp)>,
}

/// Everything that would happen now, and that nothing of it has happened.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Preview {
    /// In the order of the work: leavers first. A person may stand here twice: a manager link that becomes
    /// possible is an event of its own.
    pub people: Vec<PersonPlan>,
    /// Limits of the guard that the whole exceeds; [`Engine::run`](super::Engine::run) would refuse.
    pub guard: Vec<String>,
    /// The licences that the whole asks for or frees, and how far their seats go.
    pub seats: Vec<SeatNeed>,
    /// What the policy names and the tenant does not have, or will not tell of, with line and column: what depends on
    /// it is held for those whom it concerns, leavers excepted.
    pub findings: Vec<String>,
}

/// How far the seats of a licence go, over the whole plan.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SeatNeed {
    /// The licence.
    pub license: Entitlement,
    /// Bought and usable.
    pub total: u64,
    /// Taken before the plan.
    pub used: u64,
    /// Freed by leavers of the plan, who come first.
    pub freed: u64,
    /// Needed by the plan, group-carried ones included.
    pub needed: u64,
    /// Those of them for which there is none.
    pub waiting: u64,
}

impl Preview {
    /// What an approval binds to, and [`Engine::apply`](super::Engine::apply) asks for: a hash over everybody's
    /// steps, in the order of people. It depends on nothing else: not on the moment, on who was worked on first, or
    /// on events that lead to no step.
    pub fn hash(&self) -> String {
        let mut whole = Sha256::new();
        for (person, digest) in self.digests() {
            whole.update((person.as_str().len() as u64).to_be_bytes());
            whole.update(person.as_str());
            whole.update(digest);
        }
        hex(&whole.finalize())
    }

    /// A digest of each person's steps; whoever has none has no digest.
    pub(crate) fn digests(&self) -> BTreeMap<PersonKey, [u8; 32]> {
        let mut open: BTreeMap<&PersonKey, Sha256> = BTreeMap::new();
        for person in self.people.iter().filter(|person| !person.plan.steps.is_empty()) {
            let digest = open.entry(&person.person).or_default();
            for step in &person.plan.steps {
                // A step always has a JSON form: its map keys are text.
                let text = serde_json::to_vec(step).unwrap_or_default();
                digest.update((text.len() as u64).to_be_bytes());
                digest.update(text);
            }
        }
        let digests = open.into_iter();
        digests
            .map(|(person, digest)| (person.clone(), digest.finalize().into()))
            .collect()
    }

    /// The risk of the whole: that of its riskiest step.
    pub fn risk(&self) -> Option<Risk> {
        self.by_risk().last_key_value().map(|(risk, _)| *risk)
    }

    /// How many steps there are of each risk.
    pub fn by_risk(&self) -> BTreeMap<Risk, usize> {
        let mut counts = BTreeMap::new();
        for step in self.people.iter().flat_map(|person| &person.plan.steps) {
            *counts.entry(step.risk()).or_default() += 1;
        }
        counts
    }

    /// How many steps there are in all.
    pub fn steps(&self) -> usize {
        self.people.iter().map(|person| person.plan.steps.len()).sum()
    }
}

/// One person's event that came to an end, or did not.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ending {
    /// Everything is as planned.
    Done,
    /// Done but for something that is not available yet (a licence seat, a mailbox, a group that has gone): looked at
    /// again later.
    Waiting(String),
    /// Tried again at that instant.
    Retry(Timestamp, String),
    /// Set aside: something was refused for good.
    Dead(String),
    /// Set aside, nothing was done: somebody has to look.
    Held(String),
    /// Set aside, nothing was done: the account is protected.
    Refused(String),
    /// Nothing was done: this version, or this process, does not know how. Another one may.
    LeftAlone(String),
    /// Nothing was done yet: in a [fleet](super::Fleet), what counts against a limit of the guard is asked for first.
    Asked,
}

/// What one event led to.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PersonRun {
    /// Whose.
    pub person: PersonKey,
    /// The event.
    pub event: EventId,
    /// The steps that were tried, with their outcomes.
    pub outcomes: Vec<(Step, Outcome)>,
    /// What people should know.
    pub notes: Vec<String>,
    /// How it ended.
    pub ending: Ending,
}

/// What a run did.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct RunReport {
    /// Event by event.
    pub people: Vec<PersonRun>,
    /// As [`Preview::findings`].
    pub findings: Vec<String>,
}

/// Steps by how they ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Totals {
    /// People worked on.
    pub people: usize,
    /// Steps carried out now.
    pub done: usize,
    /// Steps that were so already.
    pub already_so: usize,
    /// Steps that had nothing to be done to: no mailbox, so no automatic reply.
    pub not_applicable: usize,
    /// Steps that failed.
    pub failed: usize,
    /// Steps of which nobody knows, and which must not be repeated.
    pub unknown: usize,
    /// Events that wait, are tried again, held, refused or set aside.
    pub open: usize,
}

impl RunReport {
    /// The sums.
    pub fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        let people: std::collections::BTreeSet<_> = self.people.iter().map(|run| &run.person).collect();
        totals.people = people.len();
        self.people.iter().for_each(|run| totals.count(run));
        totals
    }
}

impl Totals {
    /// Adds an event, but not its person, who may have several.
    pub(super) fn count(&mut self, run: &PersonRun) {
        self.open += usize::from(run.ending != Ending::Done);
        for (_, outcome) in &run.outcomes {
            match outcome {
                Outcome::Done { .. } => self.done += 1,
                Outcome::AlreadySo { .. } => self.already_so += 1,
                Outcome::NotApplicable { .. } => self.not_applicable += 1,
                Outcome::Failed { .. } => self.failed += 1,
                Outcome::Unknown => self.unknown += 1,
            }
        }
    }
}

/// What a run tells while it goes on.
#[derive(Debug)]
#[non_exhaustive]
pub enum Progress<'a> {
    /// What the policy names and the tenant does not have, or will not tell of: once for each run, before anything else.
    Finding(&'a str),
    /// A step has come to an end.
    Step(&'a Step, &'a Outcome),
    /// An event has come to an end, or waits.
    Person(&'a PersonRun),
    /// A [fleet](super::Fleet) goes on, and something that is nobody's went wrong: the journal or the directory does
    /// not answer, the guard refuses what was asked.
    Trouble(&'a crate::error::Error),
}
