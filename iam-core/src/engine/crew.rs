//! [`Crew`]: the lanes that one worker of a fleet holds, and what becomes of them when it loses or leaves them.

use std::any::Any;
use std::collections::BTreeMap;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use futures::FutureExt;
use futures::future::join_all;

use super::report::{Ending, PersonRun, Progress};
use super::work::Work;
use crate::clock::{Clock as _, SystemClock};
use crate::entitlement::Limits;
use crate::error::{Error, ErrorKind, Result};
use crate::event::EventId;
use crate::execute::{self, Tenure, Terms};
use crate::journal::{Claim, Journal, PersonState};
use crate::plan::{Action, Plan, Step};

/// A batch of claims, held together.
#[derive(Debug)]
pub(super) struct Crew<'a> {
    pub(super) limits: &'a Limits,
    terms: Terms,
    lanes: BTreeMap<EventId, Lane>,
    /// Lanes that went back before their work was over.
    pub(super) given_back: AtomicU64,
    /// Lanes that somebody else holds now, or soon will.
    pub(super) passed_on: AtomicU64,
}

#[derive(Debug)]
struct Lane {
    claim: Claim,
    tenure: Tenure,
}

impl<'a> Crew<'a> {
    /// Holds these claims, which were asked for at `asked`.
    pub(super) fn new(limits: &'a Limits, terms: Terms, claims: &[Claim], asked: Instant) -> Self {
        let lanes = claims.iter().map(|claim| {
            let lane = Lane {
                claim: claim.clone(),
                tenure: Tenure::new(terms, asked),
            };
            (claim.event.id.clone(), lane)
        });
        Self {
            limits,
            terms,
            lanes: lanes.collect(),
            given_back: AtomicU64::new(0),
            passed_on: AtomicU64::new(0),
        }
    }

    /// The hold on the lane of this claim.
    pub(super) fn tenure(&self, claim: &Claim) -> Option<&Tenure> {
        self.lanes.get(&claim.event.id).map(|lane| &lane.tenure)
    }

    /// Renews the leases, for ever.
    pub(super) async fn keep(&self, journal: &dyn Journal) {
        loop {
            SystemClock.sleep(self.terms.beat()).await;
            // At the same time: the journal writes them together.
            let held = self.lanes.values();
            let held = held.filter(|lane| !lane.tenure.is_closing() && !lane.tenure.is_lost());
            join_all(held.map(|lane| self.beat(journal, lane))).await;
        }
    }

    async fn beat(&self, journal: &dyn Journal, lane: &Lane) {
        let asked = Instant::now();
        match journal.heartbeat(&lane.claim, self.terms.lease).await {
            Ok(()) => lane.tenure.confirm(asked),
            Err(error) if error.kind() == ErrorKind::Fenced => lane.tenure.lose(),
            // Nobody knows: the tenure ends by itself, unless a later heartbeat gets through.
            Err(error) => {
                tracing::warn!(person = %lane.claim.event.person, "a heartbeat was lost: {error}");
            }
        }
    }

    /// Nothing more is begun on any of them.
    pub(super) fn stop(&self) {
        self.lanes.values().for_each(|lane| lane.tenure.stop());
    }
}

impl Work<'_> {
    /// Does the work on one claim for as long as it is held, and whatever becomes of it, that of the others goes on.
    pub(super) async fn held(
        &self,
        claim: &Claim,
        state: &PersonState,
        work: impl Future<Output = Result<PersonRun>> + Send,
    ) -> Result<PersonRun> {
        let Some(lane) = self.crew.and_then(|crew| crew.lanes.get(&claim.event.id)) else {
            return work.await;
        };
        let ended = tokio::select! {
            ended = AssertUnwindSafe(work).catch_unwind() => ended,
            () = lane.tenure.over() => Ok(Err(Error::new(ErrorKind::Fenced, "the lease is over"))),
        };
        let ended = match ended {
            Ok(Err(error)) if error.kind() == ErrorKind::Fenced => self.leave(claim, lane, error).await,
            Ok(ended) => ended,
            Err(panic) => {
                let error = Error::new(ErrorKind::Other, poison(panic.as_ref()));
                tracing::error!(person = %claim.event.person, event = %claim.event.id, "{error}");
                if execute::is_given_up(claim) {
                    self.give_up(claim, state, &error).await
                } else {
                    self.postpone(claim, state, Vec::new(), &error).await
                }
            }
        };
        lane.tenure.close();
        if let Ok(run) = &ended {
            (self.progress)(Progress::Person(run));
        }
        ended
    }

    /// The claim is about to end, by the write that follows.
    pub(super) fn close(&self, claim: &Claim) {
        if let Some(tenure) = self.crew.and_then(|crew| crew.tenure(claim)) {
            tenure.close();
        }
    }

    /// The worker has let go of a lane: because it stops, or because it could not hold it.
    async fn leave(&self, claim: &Claim, lane: &Lane, error: Error) -> Result<PersonRun> {
        if let (true, false, Some(crew)) = (lane.tenure.is_stopping(), lane.tenure.is_lost(), self.crew) {
            // What was begun is known by its steps; the next holder takes it in, as after a crash.
            let now = self.clock.now();
            let given = self
                .journal
                .retry_later(claim, &claim.state, now, "the worker stopped");
            if given.await.is_ok() {
                crew.given_back.fetch_add(1, Ordering::Relaxed);
                return Err(error);
            }
        }
        if let Some(crew) = self.crew {
            crew.passed_on.fetch_add(1, Ordering::Relaxed);
        }
        tracing::warn!(person = %claim.event.person, event = %claim.event.id, "a lane has passed on: {error}");
        Err(error)
    }

    /// Why this process is not the one to go on with the plan: it holds steps that nothing here carries out.
    pub(super) fn foreign(&self, plan: &Plan) -> Option<String> {
        self.crew?;
        let foreign = |step: &&Step| {
            let target = self.targets.iter().find(|target| *target.id() == step.target);
            match &step.action {
                Action::Notify { .. } => false,
                Action::Custom { kind, .. } => {
                    target.is_none_or(|target| !target.capabilities().actions.contains_key(kind.as_str()))
                }
                _ => target.is_none(),
            }
        };
        let step = plan.unwritten().find(foreign)?;
        let what = match &step.action {
            Action::Custom { kind, .. } => kind.as_str(),
            action => action.kind(),
        };
        Some(format!(
            "no target of this worker carries out steps of the kind {what} at {}: nothing was done, another worker may",
            step.target
        ))
    }
}

/// The work panicked: why, as far as that is a text.
fn poison(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    // The text may quote anything.
    let known = text.map_or(0, str::len);
    format!("the work on it panicked (a message of {known} bytes, which is not kept)")
}

/// What a run counts as.
pub(super) fn left_alone(claim: &Claim, why: String) -> PersonRun {
    PersonRun {
        person: claim.event.person.clone(),
        event: claim.event.id.clone(),
        outcomes: Vec::new(),
        notes: Vec::new(),
        ending: Ending::LeftAlone(why),
    }
}
