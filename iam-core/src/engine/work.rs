//! The work itself: claims in, endings out. The same code runs on the real doors and, for a preview, on
//! doors that lead nowhere.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use jiff::Timestamp;

use super::brake::Brake;
use super::names::{NameCheck, NameDesk, Place, Queue};
use super::past::{
    informed, inherit, no_later_than_the_calendar, pending_name, so_far, strike_out, write_down,
};
use super::report::{Ending, PersonPlan, PersonRun, Progress, RunReport};
use super::scope::Scope;
use super::views::{self, Offer, Surroundings};
use super::wake::{manager_meanwhile, wake_ups};
use crate::clock::SharedClock;
use crate::entitlement::Protected;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Event, Timer};
use crate::execute::{self, Doors, Report, Verdict};
use crate::journal::{Claim, Journal, Lane, Lifecycle as Stage, Outcome, PersonState};
use crate::notify::{Addressees, Notifier};
use crate::orchestrator::{Context, Decision, Orchestrator};
use crate::plan::{Action, Plan, Step};
use crate::target::Target;

/// How many lanes are claimed, and looked up, at once.
const BATCH: usize = 60;
/// How long a claimed lane is held without a sign of life.
const LEASE: Duration = Duration::from_mins(5);
/// How often a sign-in name may turn out to be taken within one attempt.
const MOST_NAMES: usize = 20;
/// After how long somebody is looked at again who waits for a licence seat or a mailbox.
const PATIENCE: jiff::SignedDuration = jiff::SignedDuration::from_hours(1);

/// Everything the work needs.
pub(super) struct Work<'a> {
    pub(super) journal: &'a dyn Journal,
    pub(super) targets: &'a [Arc<dyn Target>],
    pub(super) catalogs: &'a [Offer],
    pub(super) names: &'a NameCheck<'a>,
    pub(super) orchestrator: &'a dyn Orchestrator,
    pub(super) notifier: Option<&'a dyn Notifier>,
    pub(super) protected: &'a Protected,
    pub(super) hr_mail: Option<&'a str>,
    pub(super) clock: &'a SharedClock,
    pub(super) concurrency: usize,
    pub(super) progress: &'a (dyn Fn(Progress<'_>) + Sync),
    /// Takes every decision down, for a preview.
    pub(super) decided: Option<&'a Mutex<Vec<PersonPlan>>>,
    /// Stops what the guard has not seen; a preview has none.
    pub(super) brake: Option<&'a Brake<'a>>,
    /// Nothing beyond it is carried out, or looked at.
    pub(super) scope: Option<&'a Scope>,
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
            let claims = informed(self.journal, claims, now).await?;
            let around = match views::read(self.journal, self.targets, self.catalogs, &claims).await {
                Ok(around) => around,
                Err(error) => return Err(self.give_back(&claims, error).await),
            };
            let (queue, shown) = (Queue::default(), self.shown());
            let work = claims
                .iter()
                .zip(around)
                .enumerate()
                .map(|(at, ((claim, state), around))| self.one(claim, state, around, queue.place(at)));
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
        around: Surroundings,
        place: Place<'_>,
    ) -> Result<PersonRun> {
        if let Some(why) = claim.plan.as_ref().and_then(Plan::newer) {
            return self.leave_alone(claim, state, why).await;
        }
        let desk = NameDesk {
            journal: self.journal,
            check: self.names,
            place,
            pending: pending_name(claim),
            refused: Mutex::new(BTreeSet::new()),
        };
        let cx = Context {
            now: self.clock.now(),
            directory: self
                .targets
                .first()
                .map(|first| first.id().clone())
                .ok_or_else(no_target)?,
            down: &around.down,
            views: &around.views,
            manager: around.manager.as_ref(),
            earlier: claim.plan.as_ref(),
            names: &desk,
        };
        let mut outcomes = Vec::new();
        for _ in 0..MOST_NAMES {
            let mut decision = match self.orchestrator.on_event(&claim.event, state, &cx).await {
                Ok(decision) => decision,
                Err(error) => return self.postpone(claim, state, outcomes, &error).await,
            };
            desk.place.pass();
            if let Some((ending, lane)) = set_aside(&decision) {
                self.take_down(claim, &decision);
                return self.aside(claim, state, decision, ending, lane).await;
            }
            inherit(claim, &mut decision);
            self.take_down(claim, &decision);
            if let Some(scope) = self.scope.filter(|scope| !scope.covers(&decision.plan)) {
                return Ok(scope.hold(claim, written(state, claim), cx.now));
            }
            self.brake(claim, state, &decision).await?;
            if !decision.plan.steps.is_empty() {
                self.journal.plan(claim, &decision.plan).await?;
            }
            let report = self.execute(claim, &around, &decision, cx.now).await?;
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
        let trips = brake.trips(&decision.plan).await?;
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
        let reason = around
            .views
            .iter()
            .find_map(|view| self.protected.reason(&view.actual));
        let protected = |_: &Step| reason.clone();
        let settled = |step: &Step, outcome: &Outcome| (self.progress)(Progress::Step(step, outcome));
        let doors = Doors {
            journal: self.journal,
            targets: self.targets,
            notifier: self.notifier,
            lease: LEASE,
            forbidden: &protected,
            settled: &settled,
        };
        let addressees = self.addressees(around, decision);
        let leaving = decision.state.lifecycle == Stage::Disabled && decision.state.left_at.is_some();
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
        let manager = around.manager.as_ref().filter(|manager| manager.at_work);
        Addressees {
            person: own.or_else(|| decision.state.name.clone()),
            manager: manager
                .and_then(|known| known.accounts.get(&view.target))
                .map(|account| account.name.clone()),
            hr: self.hr_mail.map(str::to_owned),
        }
    }

    async fn finish(
        &self,
        claim: &Claim,
        state: &PersonState,
        around: &Surroundings,
        decision: Decision,
        report: Report,
        mut outcomes: Vec<(Step, Outcome)>,
    ) -> Result<PersonRun> {
        let now = self.clock.now();
        let brought = || {
            report
                .outcomes
                .iter()
                .map(|(step, outcome)| (step, Some(outcome)))
                .chain(report.unknown.iter().map(|step| (step, None)))
        };
        let mut next = decision.state.clone();
        execute::fold(&mut next, claim, brought(), now);
        let mut timers = timers(claim, &decision, now);
        let verdict = match report.verdict {
            Verdict::Complete | Verdict::Waiting(_) if !decision.waiting.is_empty() => {
                let why = decision.waiting.join("; ");
                let error = Error::new(ErrorKind::Unavailable, why.clone());
                let at = execute::postponed(claim, &error, now);
                Verdict::Retry { at, why }
            }
            verdict => verdict,
        };
        let woken = wake_ups(self.journal, &claim.state, &next, &claim.event, now).await?;
        let ending = match verdict {
            Verdict::Retry { at, why } => {
                let at = no_later_than_the_calendar(at, &decision, now);
                let mut kept = so_far(state, &decision, &report.outcomes);
                execute::fold(&mut kept, claim, brought(), now);
                write_down(&mut kept, claim, false);
                // First, so that a crash in between wakes somebody twice rather than never.
                self.journal.append(&woken).await?;
                self.journal.retry_later(claim, &kept, at, &why).await?;
                Ending::Retry(at, why)
            }
            Verdict::Dead(why) => {
                timers.extend(woken);
                write_down(&mut next, claim, true);
                self.journal
                    .dead_letter(claim, &next, &timers, &why, Lane::Skip)
                    .await?;
                Ending::Dead(why)
            }
            Verdict::Waiting(why) => {
                let later = now.saturating_add(PATIENCE).unwrap_or(Timestamp::MAX);
                timers.push(Event::timer(
                    &claim.event.person,
                    Timer::Review,
                    later,
                    &claim.event.id,
                    now,
                ));
                timers.extend(woken);
                strike_out(&mut next, claim);
                self.journal.complete(claim, &next, &timers).await?;
                Ending::Waiting(why)
            }
            Verdict::Complete | Verdict::NameTaken => {
                timers.extend(woken);
                strike_out(&mut next, claim);
                self.journal.complete(claim, &next, &timers).await?;
                Ending::Done
            }
        };
        if !matches!(ending, Ending::Retry(..)) {
            manager_meanwhile(self.journal, claim, &next, around, self.clock.now()).await?;
        }
        // Somebody who came to wait between the look and the commit saw nothing yet, and was not seen either.
        let late = wake_ups(self.journal, &claim.state, &next, &claim.event, now).await?;
        if !late.is_empty() {
            self.journal.append(&late).await?;
        }
        outcomes.extend(report.outcomes);
        Ok(PersonRun {
            person: claim.event.person.clone(),
            event: claim.event.id.clone(),
            outcomes,
            notes: decision.plan.notes,
            ending,
        })
    }

    async fn aside(
        &self,
        claim: &Claim,
        state: &PersonState,
        mut decision: Decision,
        ending: Ending,
        lane: Lane,
    ) -> Result<PersonRun> {
        let why = match &ending {
            Ending::Held(why) | Ending::Refused(why) => why.clone(),
            _ => String::new(),
        };
        // Retention begins when access has been taken away, and here it has not.
        let left = state.left_at.is_some();
        decision
            .timers
            .retain(|(timer, _)| *timer != Timer::Delete || left);
        let timers = timers(claim, &decision, self.clock.now());
        let mut state = state.clone();
        write_down(&mut state, claim, true);
        self.journal
            .dead_letter(claim, &state, &timers, &why, lane)
            .await?;
        Ok(PersonRun {
            person: claim.event.person.clone(),
            event: claim.event.id.clone(),
            outcomes: Vec::new(),
            notes: decision.plan.notes,
            ending,
        })
    }

    /// What a newer version has begun is neither planned anew nor forgotten.
    async fn leave_alone(&self, claim: &Claim, state: &PersonState, why: String) -> Result<PersonRun> {
        if let Some(decided) = self.decided {
            let plan = PersonPlan {
                person: claim.event.person.clone(),
                record: state.record.clone(),
                event: claim.event.id.clone(),
                kind: claim.event.kind.clone(),
                plan: Plan::empty(&claim.event.person),
                hold: Some(why.clone()),
                next: None,
            };
            decided.lock().unwrap_or_else(PoisonError::into_inner).push(plan);
        }
        let at = self
            .clock
            .now()
            .saturating_add(PATIENCE)
            .unwrap_or(Timestamp::MAX);
        self.journal.retry_later(claim, &claim.state, at, &why).await?;
        Ok(PersonRun {
            person: claim.event.person.clone(),
            event: claim.event.id.clone(),
            outcomes: Vec::new(),
            notes: Vec::new(),
            ending: Ending::Retry(at, why),
        })
    }

    async fn postpone(
        &self,
        claim: &Claim,
        state: &PersonState,
        outcomes: Vec<(Step, Outcome)>,
        error: &Error,
    ) -> Result<PersonRun> {
        let at = execute::postponed(claim, error, self.clock.now());
        let why = error.to_string();
        let state = written(state, claim);
        self.journal.retry_later(claim, &state, at, &why).await?;
        Ok(PersonRun {
            person: claim.event.person.clone(),
            event: claim.event.id.clone(),
            outcomes,
            notes: Vec::new(),
            ending: Ending::Retry(at, why),
        })
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
            next: next_instant(decision),
        };
        decided.lock().unwrap_or_else(PoisonError::into_inner).push(plan);
    }
}

/// The next instant of the person's calendar. A mere second look is named only where there is nothing else.
fn next_instant(decision: &Decision) -> Option<(Timer, Timestamp)> {
    let key = |(timer, at): &&(Timer, Timestamp)| (*timer == Timer::Review, *at);
    decision.timers.iter().min_by_key(key).copied()
}

/// The state, with a note that it tells of all attempts so far.
fn written(state: &PersonState, claim: &Claim) -> PersonState {
    let mut state = state.clone();
    write_down(&mut state, claim, false);
    state
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

fn timers(claim: &Claim, decision: &Decision, now: Timestamp) -> Vec<Event> {
    let timers = decision.timers.iter();
    timers
        .map(|(timer, at)| Event::timer(&claim.event.person, *timer, *at, &claim.event.id, now))
        .collect()
}
