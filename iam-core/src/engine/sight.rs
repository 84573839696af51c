//! [`Sight`]: one person as the targets, the journal and the policy see them now. Nothing is written, and nobody is
//! kept waiting: no lane is claimed.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::Engine;
use super::names::{NameCheck, NameDesk, Queue};
use super::past::run_of;
use super::preview::Shadow;
use super::views::{self, Offer, Surroundings};
use crate::entitlement::{Catalog, Reference};
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Course, Event, EventId, Timer};
use crate::journal::{Claim, PersonState};
use crate::orchestrator::{Decision, View};
use crate::person::{Person, PersonKey};
use crate::plan::Owned;
use crate::policy::Subject;

/// How many people are looked up in one call.
pub(super) const GLANCE: usize = 60;

/// Somebody, looked at.
pub(super) struct Sight {
    pub(super) state: PersonState,
    pub(super) around: Surroundings,
    pub(super) course: Course,
    /// What would be decided, were the person worked on at this moment.
    pub(super) decision: Decision,
    /// HR has said something that has not been worked on.
    pub(super) pending: bool,
}

impl Sight {
    pub(super) fn record(&self) -> Option<&Person> {
        self.decision.state.record.as_ref()
    }

    /// What policy is asked about.
    pub(super) fn subject(&self) -> Option<Subject<'_>> {
        let manager = self.around.manager.as_ref();
        Some(Subject {
            person: self.record()?,
            manager: manager.and_then(|manager| manager.record.as_ref()),
        })
    }

    /// The views of targets that could offer it.
    pub(super) fn views_for<'a>(&'a self, what: &'a Reference) -> impl Iterator<Item = &'a View> {
        let views = self.around.views.iter();
        views.filter(|view| what.is_for(&view.target, &view.kinds))
    }

    /// What the ledger remembers by that name, where the tenant does not know it any more.
    pub(super) fn remembered(&self, what: &Reference) -> Option<&Owned> {
        let named = |owned: &&Owned| what.may_mean(&owned.entitlement);
        self.state.ledger.iter().find(named)
    }
}

impl Engine {
    /// Looks at one person, in the light of the latest record.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] for somebody of whom HR never said anything; as [`run`](Self::run) otherwise.
    pub(super) async fn sight(&self, person: &PersonKey, offers: &[Offer]) -> Result<Sight> {
        let state = self.journal.person(person).await?;
        let state = state.unwrap_or_else(|| PersonState::new(person.clone()));
        let mut seen = self.sights(vec![state], offers, true).await?;
        seen.pop().ok_or_else(|| {
            Error::new(
                ErrorKind::NotFound,
                format!("HR has said nothing of anybody called {person}"),
            )
        })
    }

    /// Looks at several people, in the light of the latest record, or of the one that was worked on last. Whoever
    /// has none is left out.
    pub(super) async fn sights(
        &self,
        people: Vec<PersonState>,
        offers: &[Offer],
        latest: bool,
    ) -> Result<Vec<Sight>> {
        let now = self.clock.now();
        let keys: Vec<PersonKey> = people.iter().map(|state| state.key.clone()).collect();
        let accepted = self.journal.accepted(&keys).await?;
        let (mut claims, mut courses, mut pending) = (Vec::new(), Vec::new(), Vec::new());
        for (state, accepted) in people.into_iter().zip(accepted) {
            let mut course = run_of(&accepted.unwrap_or_default(), self.policy.settings(), now);
            let news = course.record.is_some() && course.record != state.record;
            if let (Some(record), false) = (&state.record, latest) {
                course.record = Some(record.clone());
            }
            let record = course.record.clone();
            let Some(record) = record.or_else(|| state.record.clone()) else {
                continue;
            };
            pending.push(news);
            courses.push(course);
            claims.push((claim(&state, record, now), state));
        }
        let journal = self.journal.as_ref();
        self.likeness
            .look(journal, &self.targets, &claims, &mut courses, now)
            .await?;
        let settings = self.policy.settings();
        let around = views::read(
            self.journal.as_ref(),
            &self.targets,
            offers,
            &claims,
            settings,
            now,
        )
        .await?;
        let names = NameCheck::new(self.naming()?);
        let shadow = Shadow::idle(self.journal.as_ref());
        let mut sights = Vec::with_capacity(claims.len());
        let seen = claims.into_iter().zip(around).zip(courses).zip(pending);
        for ((((claim, state), around), course), pending) in seen {
            let around = around?;
            let cx = (&around, &course);
            let decision = self.decide(&claim, &state, cx, &shadow, &names).await?;
            sights.push(Sight {
                state,
                around,
                course,
                decision,
                pending,
            });
        }
        Ok(sights)
    }

    /// What would be decided of somebody now.
    async fn decide(
        &self,
        claim: &Claim,
        state: &PersonState,
        (around, course): (&Surroundings, &Course),
        shadow: &Shadow<'_>,
        names: &NameCheck<'_>,
    ) -> Result<Decision> {
        let queue = Queue::default();
        let desk = NameDesk::looking(shadow, names, queue.place(0));
        let cx = around.context(self.clock.now(), self.naming()?.id(), course, &desk);
        self.orchestrator.on_event(&claim.event, state, &cx).await
    }

    /// The civil date where somebody works; that of the policy's own zone where the record's is unknown.
    pub(super) fn today(&self, person: &Person, now: Timestamp) -> Date {
        let own = person.time_zone.as_deref();
        let mut zones = own.into_iter().chain([self.policy.settings().time_zone.as_str()]);
        let zone = zones.find_map(|name| TimeZone::get(name).ok());
        now.to_zoned_datetime(zone.unwrap_or(TimeZone::UTC)).date()
    }
}

/// A claim that holds no lane.
pub(super) fn claim(state: &PersonState, record: Person, now: Timestamp) -> Claim {
    let cause = EventId::of(&["look"]);
    let mut event = Event::timer(&state.key, Timer::Recheck, now, &cause, now);
    event.record = Some(record);
    Claim {
        event,
        state: state.clone(),
        plan: None,
        steps: Vec::new(),
        attempts: 0,
        fence: 0,
    }
}

/// The catalogue of a target, if it could be read.
pub(super) fn catalog(offer: &Offer) -> Option<&Arc<Catalog>> {
    match offer {
        Offer::Catalog(catalog) => Some(catalog),
        Offer::Down(_) => None,
    }
}
