//! Simulation: what will have been done by an instant to come, and what was known at one that is over.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use super::names::NameCheck;
use super::overlay;
use super::past::run_of;
use super::preflight::Preflight;
use super::preview::{Shadow, Silence};
use super::{CHUNK, Engine, PersonPlan};
use crate::clock::{Clock, SharedClock};
use crate::entitlement::Grant;
use crate::error::Result;
use crate::event::{Accepted, EventId};
use crate::journal::{HistoryQuery, Journal};
use crate::orchestrator::phase_at;
use crate::person::{Person, PersonKey};
use crate::plan::Phase;
use crate::policy::{AccessPolicy, Subject};

/// What happens at one instant to come.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Moment {
    /// When.
    pub at: Timestamp,
    /// To whom, and what: those for whom something is done, or who are held or refused.
    pub people: Vec<PersonPlan>,
}

/// What was known of one person at an instant that is over, and what policy says of it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Known {
    /// Who.
    pub person: PersonKey,
    /// The event that was accepted last by then.
    pub event: EventId,
    /// When the platform had learnt of it.
    pub entered_at: Timestamp,
    /// That record.
    pub record: Person,
    /// Where the person stood by it at that instant, or why nobody can tell.
    pub phase: Result<Phase, String>,
    /// What the policy in force *today* says of it on that day, or why it cannot be evaluated; nothing for somebody who
    /// had not started or had left.
    pub grants: Result<Vec<Grant>, String>,
}

/// What [`Engine::plan_as_of`] tells of an instant.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum AsOf {
    /// It is to come: what happens until then, in the order of time. What is due now comes first.
    Future(Vec<Moment>),
    /// It is over: what was known of everybody then, in the order of keys.
    Past(Vec<Known>),
}

/// A clock that stands where it was put.
#[derive(Debug)]
struct Put(Mutex<Timestamp>);

impl Put {
    fn to(&self, at: Timestamp) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = at;
    }
}

impl Clock for Put {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sleep(&self, _: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(std::future::ready(())) // nobody waits in a simulation
    }
}

impl Engine {
    /// What will have been done by `instant`, if that is to come; what was known at it, if it is over. Reads the journal
    /// and, for what is to come, the targets; writes nothing.
    ///
    /// **To come.** Everything that is pending and due until then is played in memory, with the clock at each instant:
    /// first days, last days, graces, retention, date conditions, and the timers that these set in turn. It knows what
    /// HR has said so far, the policy in force, and the targets as they are now. It cannot know what HR will say, what
    /// others will do at the targets, how long anything takes or whether it fails, when a target has recomputed dynamic
    /// groups, or how many seats will be free. The guard is not asked: its window moves with the days.
    ///
    /// **Over.** For everybody who has been worked on at least once: the latest record that the platform had learnt of
    /// by then (by its entry moment, not by its effective date), where the person stood by it, and what *today's* policy
    /// says of it. It cannot know the policy of that day, of which only the version is kept with each grant
    /// ([`Owned::policy`](crate::plan::Owned::policy)), or what was held at the targets: [`evidence`](Self::evidence)
    /// tells what the platform gave and took. Memory grows with the number of people.
    ///
    /// # Errors
    /// As [`plan`](Self::plan) for what is to come; [`ErrorKind::Storage`](crate::ErrorKind::Storage) from the journal.
    pub async fn plan_as_of(&self, instant: Timestamp) -> Result<AsOf> {
        let now = self.clock.now();
        if instant >= now {
            Ok(AsOf::Future(self.played(now, instant).await?))
        } else {
            Ok(AsOf::Past(self.known_at(instant).await?))
        }
    }

    async fn played(&self, now: Timestamp, until: Timestamp) -> Result<Vec<Moment>> {
        let (catalogs, _) = self.catalogs().await?;
        let names = NameCheck::new(self.naming()?);
        let shadow = Shadow::of(self.journal.as_ref(), until).await?;
        let targets = overlay::over(&self.targets);
        let put = Arc::new(Put(Mutex::new(now)));
        let clock: SharedClock = put.clone();
        let preflight = Preflight::of(&catalogs);
        let mut moments = Vec::new();
        let mut at = now;
        loop {
            put.to(at);
            let decided = Mutex::new(Vec::new());
            let progress = |_: super::Progress<'_>| {};
            let mut work = self.work(
                &shadow,
                &targets,
                &catalogs,
                &names,
                &preflight,
                Some(&Silence),
                &progress,
                Some(&decided),
            );
            work.clock = &clock;
            work.drain().await?;
            let mut people = decided.into_inner().unwrap_or_else(PoisonError::into_inner);
            people.retain(|person| {
                !person.plan.steps.is_empty() || person.hold.is_some() || person.plan.refused.is_some()
            });
            if !people.is_empty() {
                moments.push(Moment { at, people });
            }
            match shadow.next_due().await? {
                Some(due) if due > at && due <= until => at = due,
                _ => return Ok(moments),
            }
        }
    }

    async fn known_at(&self, instant: Timestamp) -> Result<Vec<Known>> {
        let mut everybody = Vec::new();
        let mut after: Option<PersonKey> = None;
        loop {
            let people = self.journal.people(after.as_ref(), CHUNK).await?;
            let Some(last) = people.last() else {
                return Ok(everybody);
            };
            after = Some(last.key.clone());
            for state in &people {
                if let Some((event, entered_at, record)) = self.record_at(&state.key, instant).await? {
                    everybody.push(self.weighed(event, entered_at, record, instant).await?);
                }
            }
        }
    }

    async fn weighed(
        &self,
        event: EventId,
        entered_at: Timestamp,
        record: Person,
        instant: Timestamp,
    ) -> Result<Known> {
        let phase = phase_at(&record, self.policy.settings(), instant);
        let manager = match &record.manager_id {
            Some(manager) => self.record_at(manager, instant).await?,
            None => None,
        };
        let subject = Subject {
            person: &record,
            manager: manager.as_ref().map(|(.., record)| record),
        };
        let grants = match &phase {
            Ok(phase) if phase.is_employed() => {
                let desired = self.policy.desired(&subject, self.today(&record, instant));
                desired
                    .map(|desired| desired.grants)
                    .map_err(|why| why.to_string())
            }
            Ok(_) => Ok(Vec::new()),
            Err(why) => Err(why.clone()),
        };
        Ok(Known {
            person: record.key.clone(),
            event,
            entered_at,
            record,
            phase,
            grants,
        })
    }

    /// What everything that had been accepted of a person by then came to, and the event that was accepted last.
    async fn record_at(
        &self,
        person: &PersonKey,
        instant: Timestamp,
    ) -> Result<Option<(EventId, Timestamp, Person)>> {
        let query = HistoryQuery {
            person: Some(person.clone()),
            ..HistoryQuery::default()
        };
        let (mut accepted, mut last) = (Accepted::default(), None);
        for entry in self.journal.history(&query).await? {
            let event = entry.event;
            let says = event.record.is_some() || event.news.is_some();
            if says && event.entered_at <= instant {
                accepted.take(&event);
                last = Some((event.id, event.entered_at));
            }
        }
        let record = run_of(&accepted, self.policy.settings(), instant).record;
        Ok(last.and_then(|(event, entered_at)| Some((event, entered_at, record?))))
    }
}
