//! The work itself: claims in, endings out. The same code runs on the real doors and, for a preview, on
//! doors that lead nowhere.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use jiff::{SignedDuration, Timestamp};

use super::brake::Brake;
use super::crew::Crew;
use super::ending::written;
use super::identity::Likeness;
use super::names::{NameCheck, NameDesk, Place, Queue};
use super::past::{informed, inherit, pending_name};
use super::preflight::Preflight;
use super::presence;
use super::report::{Ending, PersonPlan, PersonRun, Progress, RunReport};
use super::scope::Scope;
use super::views::{self, Offer, Surroundings};
use crate::clock::SharedClock;
use crate::entitlement::Protected;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Course, Timer};
use crate::execute::{self, Doors, Hold, Report, Verdict};
use crate::journal::{Claim, Journal, Lane, Lifecycle as Stage, Outcome, PersonState};
use crate::notify::{Addressees, Notifier};
use crate::orchestrator::{Context, Decision, Orchestrator};
use crate::plan::{Action, Step};
use crate::policy::Settings;
use crate::target::Target;

/// How many lanes are claimed, and looked up, at once.
const BATCH: usize = 60;
/// How long a claimed lane is held without a sign of life.
const LEASE: Duration = Duration::from_mins(5);
/// How often a sign-in name may turn out to be taken within one attempt.
const MOST_NAMES: usize = 20;

/// Everything the work needs.
pub(super) struct Work<'a> {
    pub(super) journal: &'a dyn Journal,
    pub(super) targets: &'a [Arc<dyn Target>],
    pub(super) catalogs: &'a [Offer],
    pub(super) names: &'a NameCheck<'a>,
    /// What the whole has no room for.
    pub(super) preflight: &'a Preflight,
    pub(super) orchestrator: &'a dyn Orchestrator,
    pub(super) notifier: Option<&'a dyn Notifier>,
    /// Who is like whom.
    pub(super) likeness: &'a Likeness,
    pub(super) protected: &'a Protected,
    pub(super) settings: &'a Settings,
    pub(super) clock: &'a SharedClock,
    pub(super) concurrency: usize,
    /// Kinds of steps that may be carried out twice rather than not at all.
    pub(super) repeats: &'a BTreeSet<String>,
    /// How long a service may take to show what it has done.
    pub(super) settle: SignedDuration,
    /// How far back the guard looks.
    pub(super) window: SignedDuration,
    pub(super) progress: &'a (dyn Fn(Progress<'_>) + Sync),
    /// Takes every decision down, for a preview.
    pub(super) decided: Option<&'a Mutex<Vec<PersonPlan>>>,
    /// Stops what the guard has not seen; a preview has none.
    pub(super) brake: Option<&'a Brake<'a>>,
    /// Nothing beyond it is carried out, or looked at.
    pub(super) scope: Option<&'a Scope>,
    /// The lanes that a worker of a fleet holds.
    pub(super) crew: Option<&'a Crew<'a>>,
}

impl Work<'_> {
    /// Works off everything that is due, and what becomes due by it.
    pub(super) async fn drain(&self) -> Result<RunReport> {
        let report = self.work_off().await;
        if let Some(scope) = self.scope {
            scope.give_back(self.journal, self.clock.now()).await?;
        }
        report
    }

    async fn work_off(&self) -> Result<RunReport> {
        let mut report = RunReport::default();
        loop {
            let now = self.clock.now();
            if self.brake.is_some() && !report.people.is_empty() {
                presence::alone(self.journal, now).await?;
            }
            if let Some(scope) = self.scope {
                scope.keep(self.journal, LEASE).await?;
            }
            let claims = self.journal.claim(BATCH, now, LEASE).await?;
            if claims.is_empty() {
                return Ok(report);
            }
            let claims = match self.scope {
                Some(scope) => scope.admit(claims),
                None => claims,
            };
            let ended = self.batch(claims, now).await?;
            let mut failure = None;
            for run in ended {
                match run {
                    Ok(run) => {
                        (self.progress)(Progress::Person(&run));
                        report.people.push(run);
                    }
                    // Somebody else holds the lane now and goes on with it.
                    Err(error) if error.kind() == ErrorKind::Fenced => {}
                    Err(error) => failure = failure.or(Some(error)),
                }
            }
            if let Some(error) = failure {
                return Err(error);
            }
        }
    }

    /// Works claimed lanes off, each on its own terms.
    pub(super) async fn batch(&self, claims: Vec<Claim>, now: Timestamp) -> Result<Vec<Result<PersonRun>>> {
        let (claims, mut courses) = informed(self.journal, claims, self.settings, now, self.window).await?;
        if let Err(error) = self
            .likeness
            .look(self.journal, self.targets, &claims, &mut courses, now)
            .await
        {
            return Err(self.give_back(&claims, error).await);
        }
        let around = views::read(
            self.journal,
            self.targets,
            self.catalogs,
            &claims,
            self.settings,
            now,
        );
        let mut around = match around.await {
            Ok(around) => around,
            Err(error) => return Err(self.give_back(&claims, error).await),
        };
        self.look_for_sign_ins(&claims, &mut around).await;
        let (queue, shown) = (Queue::default(), self.shown());
        let work = claims.iter().zip(around).zip(&courses).enumerate();
        let work = work.map(|(at, (((claim, state), around), course))| {
            self.held(
                claim,
                state,
                self.one(claim, state, around, course, queue.place(at)),
            )
        });
        let mut leaves: Vec<_> = work.collect();
        let count = claims.iter().filter(|(claim, _)| claim.event.kind.is_leave());
        let others = leaves.split_off(count.count());
        let mut ended: Vec<Result<PersonRun>> = Vec::with_capacity(claims.len());
        // Leaves stand first. The seats that they free are free when somebody else needs them.
        for work in [leaves, others] {
            let work = futures::stream::iter(work).buffer_unordered(self.concurrency);
            ended.extend(work.collect::<Vec<_>>().await);
        }
        self.show_in_order(shown, &claims);
        Ok(ended)
    }

    /// Nothing could be read: every claimed lane goes back, to be tried again later.
    async fn give_back(&self, claims: &[(Claim, PersonState)], error: Error) -> Error {
        for (claim, state) in claims {
            let at = execute::postponed(claim, &error, self.clock.now());
            if let Err(second) = self
                .journal
                .retry_later(claim, &written(state, claim), at, &error.to_string())
                .await
            {
                tracing::warn!(person = %claim.event.person, "a lane could not be given back: {second}");
            }
        }
        error
    }

    async fn one(
        &self,
        claim: &Claim,
        state: &PersonState,
        around: Result<Surroundings>,
        course: &Course,
        place: Place<'_>,
    ) -> Result<PersonRun> {
        let around = match around {
            Ok(around) => around,
            Err(error) => return self.postpone(claim, state, Vec::new(), &error).await,
        };
        let begun = claim.plan.as_ref();
        if let Some(why) = begun.and_then(|plan| plan.newer().or_else(|| self.foreign(plan))) {
            return self.leave_alone(claim, state, why).await;
        }
        let desk = NameDesk {
            journal: self.journal,
            check: self.names,
            place,
            pending: pending_name(claim),
            refused: Mutex::new(BTreeSet::new()),
        };
        let directory = self.targets.first().ok_or_else(no_target)?.id();
        let cx = Context {
            earlier: claim.plan.as_ref(),
            ..around.context(self.clock.now(), directory, course, &desk)
        };
        let mut outcomes = Vec::new();
        for _ in 0..MOST_NAMES {
            let mut decision = match self.orchestrator.on_event(&claim.event, state, &cx).await {
                Ok(decision) => decision,
                Err(error) => return self.postpone(claim, state, outcomes, &error).await,
            };
            desk.place.pass();
            if let Err(error) = self.heed(claim, state, &around, &cx, &mut decision).await {
                return self.postpone(claim, state, outcomes, &error).await;
            }
            let mut waits = self.preflight.apply(&mut decision);
            waits.extend(decision.lacking.iter().cloned());
            if let Some((ending, lane)) = set_aside(&decision) {
                self.take_down(claim, &decision);
                return self.aside(claim, state, decision, ending, lane).await;
            }
            inherit(claim, &mut decision);
            self.take_down(claim, &decision);
            if let Some(scope) = self.scope.filter(|scope| !scope.covers(&decision.plan)) {
                return Ok(scope.hold(claim, written(state, claim), cx.now));
            }
            if let Some(why) = self.foreign(&decision.plan) {
                return self.leave_alone(claim, state, why).await;
            }
            if let Some(run) = self.admit(claim, state, &decision).await? {
                return Ok(run);
            }
            self.brake(claim, state, &decision).await?;
            if !decision.plan.steps.is_empty() {
                self.journal.plan(claim, &decision.plan).await?;
            }
            let mut report = self.execute(claim, &around, &decision, cx.now).await?;
            report.verdict = match report.verdict {
                Verdict::Complete if !waits.is_empty() => Verdict::Waiting(waits.join("; ")),
                Verdict::Waiting(why) if !waits.is_empty() => {
                    Verdict::Waiting(format!("{why}; {}", waits.join("; ")))
                }
                verdict => verdict,
            };
            if report.verdict == Verdict::NameTaken {
                for (step, _) in &report.outcomes {
                    if let Action::CreateAccount { name, .. } = &step.action {
                        desk.refuse(name);
                    }
                }
                outcomes.extend(report.outcomes);
                continue;
            }
            return self
                .finish(claim, state, &around, decision, report, outcomes)
                .await;
        }
        let error = Error::new(
            ErrorKind::AlreadyExists,
            "every sign-in name that was tried is taken",
        );
        self.postpone(claim, state, outcomes, &error).await
    }

    /// Refuses what would exceed a limit of the guard; the lane is given back for the next run to show it.
    async fn brake(&self, claim: &Claim, state: &PersonState, decision: &Decision) -> Result<()> {
        let Some(brake) = self.brake else {
            return Ok(());
        };
        let trips = brake
            .trips(&decision.plan, decision.state.record.as_ref())
            .await?;
        if trips.is_empty() {
            return Ok(());
        }
        let why = trips.join("; ");
        self.journal
            .retry_later(claim, &written(state, claim), self.clock.now(), &why)
            .await?;
        Err(Error::new(
            ErrorKind::Guarded,
            format!("the guard of the policy refuses what came during the run, and the run ends: {why}"),
        ))
    }

    async fn execute(
        &self,
        claim: &Claim,
        around: &Surroundings,
        decision: &Decision,
        now: Timestamp,
    ) -> Result<Report> {
        // Who is protected anywhere is touched nowhere: the directory knows, and an application does not.
        let seen = || around.views.iter().map(|view| &view.actual);
        let leaving = decision.state.lifecycle == Stage::Disabled && decision.state.left_at.is_some();
        let reason = seen().find_map(|actual| self.protected.known(actual));
        let undecided = seen().find_map(|actual| self.protected.undecided(actual));
        let shuts = |action: &Action| matches!(action, Action::BlockSignIn | Action::RevokeSessions);
        let blocks = leaving && self.settings.block_undecided_leavers;
        // A preview has been looked at as a whole.
        let live = self.decided.is_none();
        let reason = reason.or_else(|| live.then(|| self.preflight.forbids(&decision.plan)).flatten());
        let protected = |step: &Step| {
            let named = || self.protected.by_id(step.account.as_deref()?);
            let undecided = undecided.clone().filter(|_| !(blocks && shuts(&step.action)));
            reason
                .clone()
                .or(undecided)
                .or_else(named)
                .or_else(|| self.preflight.own(step))
        };
        let settled = |step: &Step, outcome: &Outcome| (self.progress)(Progress::Step(step, outcome));
        let doors = Doors {
            journal: self.journal,
            targets: self.targets,
            notifier: self.notifier,
            words: &self.settings.words,
            clock: self.clock,
            hold: match self.crew.and_then(|crew| crew.tenure(claim)) {
                Some(tenure) => Hold::Watched(tenure),
                None => Hold::Renewed(LEASE),
            },
            repeats: self.repeats,
            settle: self.settle,
            forbidden: &protected,
            settled: &settled,
        };
        let addressees = self.addressees(around, decision);
        execute::execute(&doors, claim, &decision.plan, &addressees, leaving, now).await
    }

    fn addressees(&self, around: &Surroundings, decision: &Decision) -> Addressees {
        let Some(view) = around.views.first() else {
            return Addressees::default();
        };
        let own = decision
            .state
            .accounts
            .get(&view.target)
            .map(|account| account.name.clone());
        let person = own.or_else(|| decision.state.name.clone());
        let record = decision.state.record.as_ref();
        let private = record.and_then(|record| record.email.clone());
        Addressees {
            // Nobody reads a mailbox of the tenant before they can sign in.
            private: private.filter(|private| domain(private) != person.as_deref().and_then(domain)),
            person,
            manager: around
                .acting()
                .and_then(|known| known.accounts.get(&view.target))
                .map(|account| account.name.clone()),
            hr: self.settings.hr_mail.clone(),
        }
    }

    /// How many decisions a preview has taken down.
    fn shown(&self) -> usize {
        self.decided.map_or(0, |decided| {
            decided.lock().unwrap_or_else(PoisonError::into_inner).len()
        })
    }

    /// Those of the batch are shown in the order in which they were claimed, not in that of their answers.
    fn show_in_order(&self, from: usize, claims: &[(Claim, PersonState)]) {
        let Some(decided) = self.decided else { return };
        let place = |plan: &PersonPlan| claims.iter().position(|(claim, _)| claim.event.id == plan.event);
        let mut decided = decided.lock().unwrap_or_else(PoisonError::into_inner);
        decided[from..].sort_by_key(place);
    }

    fn take_down(&self, claim: &Claim, decision: &Decision) {
        let Some(decided) = self.decided else { return };
        let plan = PersonPlan {
            person: claim.event.person.clone(),
            record: decision.state.record.clone(),
            event: claim.event.id.clone(),
            kind: claim.event.kind.clone(),
            plan: decision.plan.clone(),
            hold: decision.hold.clone(),
            waiting: decision.lacking.clone(),
            next: next_instant(decision),
        };
        decided.lock().unwrap_or_else(PoisonError::into_inner).push(plan);
    }
}

/// The domain of an address, lower case.
fn domain(address: &str) -> Option<String> {
    address.rsplit_once('@').map(|(_, domain)| domain.to_lowercase())
}

/// The next instant of the person's calendar. A mere second look is named only where there is nothing else.
fn next_instant(decision: &Decision) -> Option<(Timer, Timestamp)> {
    let key = |(timer, at): &&(Timer, Timestamp)| (*timer == Timer::Review, *at);
    decision.timers.iter().min_by_key(key).copied()
}

fn no_target() -> Error {
    Error::new(ErrorKind::Invalid, "the engine has no target")
}

fn set_aside(decision: &Decision) -> Option<(Ending, Lane)> {
    if let Some(why) = &decision.hold {
        return Some((Ending::Held(why.clone()), Lane::Park));
    }
    let why = decision.plan.refused.as_ref()?;
    Some((Ending::Refused(why.clone()), Lane::Skip))
}
