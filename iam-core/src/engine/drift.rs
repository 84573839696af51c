//! Drift: where accounts are not as the platform left them. Shown, and reverted only if somebody asks for it.

use std::fmt;

use serde::Serialize;

use super::sight::{GLANCE, Sight};
use super::{CHUNK, Engine};
use crate::entitlement::{Entitlement, TargetId};
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Event, EventId};
use crate::journal::PersonState;
use crate::orchestrator::View;
use crate::person::PersonKey;
use crate::plan::{Drift, drift};
use crate::policy::AccessPolicy;

/// Where one person's accounts are not as the platform left them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PersonDrift {
    /// Whose.
    pub person: PersonKey,
    /// By target.
    pub found: Vec<(TargetId, Drift)>,
    /// What could not be compared, and why: a target that is down, a kind of entitlement that cannot be read, a
    /// policy that cannot be evaluated.
    pub unknown: Vec<String>,
    /// HR has said something that has not been worked on yet.
    pub pending: bool,
}

impl PersonDrift {
    /// Whether everything was compared and nothing differs.
    pub fn is_clean(&self) -> bool {
        self.found.is_empty() && self.unknown.is_empty()
    }
}

impl fmt::Display for PersonDrift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.person)?;
        if self.is_clean() {
            f.write_str(" as the platform left it")?;
        }
        for (target, drift) in &self.found {
            write!(f, "\n  {target}: {drift}")?;
        }
        for why in &self.unknown {
            write!(f, "\n  not compared: {why}")?;
        }
        if self.pending {
            f.write_str("\n  HR has said something that has not been worked on")?;
        }
        Ok(())
    }
}

/// How much of everybody [`Engine::drift`] has compared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct DriftTotals {
    /// People looked at.
    pub people: u64,
    /// Those of them whose accounts differ.
    pub differ: u64,
    /// Those of whom not everything could be compared.
    pub unknown: u64,
}

impl Engine {
    /// Compares everybody's accounts with what was worked on last: the ledger, and what policy says of the record
    /// that was worked on. What HR has said since is no drift, and neither is what is due and waits. `found` is told
    /// of each person who differs or could not be compared, in the order of keys. Writes nothing; memory does not
    /// grow with the number of people.
    ///
    /// # Errors
    /// The directory's, when it cannot be read; [`ErrorKind::Storage`] from the journal. What was found before
    /// stands.
    pub async fn drift(&self, mut found: impl FnMut(PersonDrift) + Send) -> Result<DriftTotals> {
        let offers = self.offers().await?;
        let mut totals = DriftTotals::default();
        let mut after: Option<PersonKey> = None;
        loop {
            let mut people = self.journal.people(after.as_ref(), CHUNK).await?;
            let Some(last) = people.last() else {
                return Ok(totals);
            };
            after = Some(last.key.clone());
            while !people.is_empty() {
                let rest = people.split_off(GLANCE.min(people.len()));
                let seen = self.sights(std::mem::replace(&mut people, rest), &offers, false);
                for sight in seen.await? {
                    let person = self.drift_in(&sight);
                    totals.people += 1;
                    totals.differ += u64::from(!person.found.is_empty());
                    totals.unknown += u64::from(!person.unknown.is_empty());
                    if !person.is_clean() {
                        found(person);
                    }
                }
            }
        }
    }

    /// [`drift`](Self::drift) of one person.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when nothing was ever worked on for that person; otherwise as [`drift`](Self::drift).
    pub async fn drift_of(&self, person: &PersonKey) -> Result<PersonDrift> {
        let offers = self.offers().await?;
        let state = self.journal.person(person).await?;
        let people: Vec<PersonState> = state.into_iter().collect();
        let seen = self.sights(people, &offers, false).await?;
        let first = seen.first().map(|sight| self.drift_in(sight));
        first.ok_or_else(|| {
            Error::new(
                ErrorKind::NotFound,
                format!("nothing has been worked on for {person}"),
            )
        })
    }

    fn drift_in(&self, sight: &Sight) -> PersonDrift {
        let mut person = PersonDrift {
            person: sight.state.key.clone(),
            found: Vec::new(),
            unknown: Vec::new(),
            pending: sight.pending,
        };
        let asked = match self.asked(sight) {
            Ok(asked) => asked,
            Err(why) => {
                // Nobody can tell what is asked for, so that nothing is called foreign.
                person.unknown.push(why);
                return person;
            }
        };
        for down in &sight.around.down {
            let why = format!("{} cannot be read: {}", down.target, down.why);
            person.unknown.push(why);
        }
        for view in &sight.around.views {
            let unread = view.actual.unread.iter();
            person
                .unknown
                .extend(unread.map(|unread| format!("{}: {unread}", view.target)));
            let found = drift_at(view, sight, &asked).into_iter();
            person
                .found
                .extend(found.map(|drift| (view.target.clone(), drift)));
        }
        person
    }

    /// What rules ask for, wherever it is offered, or why nobody can tell. Nothing for whoever is not at work.
    fn asked(&self, sight: &Sight) -> Result<Vec<Entitlement>, String> {
        if !sight.decision.state.lifecycle.is_employed() {
            return Ok(Vec::new());
        }
        let subject = sight.subject().ok_or("there is no record")?;
        let today = self.today(subject.person, self.clock.now());
        let desired = self.policy.desired(&subject, today);
        let desired = desired.map_err(|problems| problems.to_string())?;
        let mut asked = Vec::new();
        for grant in &desired.grants {
            for view in sight.views_for(&grant.what) {
                let item = view.catalog.resolve(&grant.what)?;
                asked.push(item.entitlement.clone());
            }
        }
        Ok(asked)
    }

    /// Brings exactly that person back to what HR and policy say: an event of its own, worked off by the next
    /// [`run`](Self::run) through plan, guard and journal as any other. What the platform gave and somebody took is
    /// given again if a rule still asks for it. What somebody else gave is taken only where it is named in `take`:
    /// those are directly held things that the platform did not give and no rule asks for, and whatever else is
    /// named is left alone. `by` (who asks, for example a worker id) and `reason` are kept with the event.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] for somebody of whom HR never said anything; [`ErrorKind::Invalid`] without `by` or
    /// `reason`; [`ErrorKind::Storage`] from the journal.
    pub async fn revert(
        &self,
        person: &PersonKey,
        by: &str,
        reason: &str,
        take: &[Entitlement],
    ) -> Result<EventId> {
        self.known(person).await?;
        let event = Event::revert(
            person,
            by,
            reason,
            take.iter().map(thing).collect(),
            self.clock.now(),
        );
        self.ask(event, by, reason).await
    }

    /// Accepts an event that somebody asks for in person.
    pub(super) async fn ask(&self, event: Event, by: &str, reason: &str) -> Result<EventId> {
        if by.trim().is_empty() || reason.trim().is_empty() {
            let message = "say who asks for it, and why: both are kept with the event";
            return Err(Error::new(ErrorKind::Invalid, message));
        }
        let id = event.id.clone();
        self.journal.append(&[event]).await?;
        Ok(id)
    }

    pub(super) async fn known(&self, person: &PersonKey) -> Result<()> {
        let accepted = self.journal.accepted(std::slice::from_ref(person)).await?;
        if accepted.into_iter().flatten().any(|known| known.record.is_some()) {
            return Ok(());
        }
        let message = format!("HR has said nothing of anybody called {person}");
        Err(Error::new(ErrorKind::NotFound, message))
    }
}

/// How an event names a thing that somebody holds.
pub(super) fn thing(what: &Entitlement) -> String {
    let id = what.id.to_lowercase();
    format!("{}/{}:{id}", what.target, what.kind.as_str())
}

fn drift_at(view: &View, sight: &Sight, asked: &[Entitlement]) -> Vec<Drift> {
    let here = |what: &Entitlement| what.target == view.target;
    let ledger: Vec<_> = sight
        .state
        .ledger
        .iter()
        .filter(|owned| here(&owned.entitlement))
        .cloned()
        .collect();
    let steps = sight.decision.plan.steps.iter();
    let steps: Vec<_> = steps.filter(|step| step.target == view.target).cloned().collect();
    drift(&view.actual, &ledger, asked, &view.catalog, &steps)
}
