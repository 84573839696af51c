//! How the work on an event ends: done, waiting, to be tried again, or set aside.

use std::sync::PoisonError;

use jiff::Timestamp;

use super::crew::left_alone;
use super::past::{no_later_than_the_calendar, so_far, strike_out, write_down};
use super::report::{Ending, PersonPlan, PersonRun};
use super::views::Surroundings;
use super::wake::{manager_meanwhile, wake_ups};
use super::work::Work;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Event, EventKind, Timer};
use crate::execute::{self, Report, Verdict};
use crate::journal::{Claim, EventState, HistoryQuery, Lane, Outcome, PersonState};
use crate::orchestrator::Decision;
use crate::plan::{Plan, Step};

/// After how long somebody is looked at again who waits for a licence seat or a mailbox.
const PATIENCE: jiff::SignedDuration = jiff::SignedDuration::from_hours(1);

impl Work<'_> {
    pub(super) async fn finish(
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
        let note = |state: &mut PersonState| {
            execute::fold(state, claim, &decision.plan.policy, brought(), now);
            execute::note(state, claim, &decision.plan, brought(), now, self.window);
        };
        note(&mut next);
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
                note(&mut kept);
                write_down(&mut kept, claim, false);
                // First, so that a crash in between wakes somebody twice rather than never.
                self.journal.append(&woken).await?;
                self.close(claim);
                self.journal.retry_later(claim, &kept, at, &why).await?;
                Ending::Retry(at, why)
            }
            Verdict::Dead(why) => {
                timers.extend(woken);
                write_down(&mut next, claim, true);
                self.close(claim);
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
                self.close(claim);
                self.journal.complete(claim, &next, &timers).await?;
                Ending::Waiting(why)
            }
            Verdict::Complete | Verdict::NameTaken => {
                timers.extend(woken);
                strike_out(&mut next, claim);
                self.close(claim);
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

    pub(super) async fn aside(
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
        self.close(claim);
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
    pub(super) async fn leave_alone(
        &self,
        claim: &Claim,
        state: &PersonState,
        why: String,
    ) -> Result<PersonRun> {
        if let Some(decided) = self.decided {
            let plan = PersonPlan {
                person: claim.event.person.clone(),
                record: state.record.clone(),
                event: claim.event.id.clone(),
                kind: claim.event.kind.clone(),
                plan: Plan::empty(&claim.event.person),
                hold: Some(why.clone()),
                waiting: Vec::new(),
                next: None,
            };
            decided.lock().unwrap_or_else(PoisonError::into_inner).push(plan);
        }
        let at = self
            .clock
            .now()
            .saturating_add(PATIENCE)
            .unwrap_or(Timestamp::MAX);
        self.close(claim);
        self.journal.put_back(claim, at, &why).await?;
        Ok(left_alone(claim, why))
    }

    pub(super) async fn postpone(
        &self,
        claim: &Claim,
        state: &PersonState,
        outcomes: Vec<(Step, Outcome)>,
        error: &Error,
    ) -> Result<PersonRun> {
        let at = execute::postponed(claim, error, self.clock.now());
        let why = error.to_string();
        let state = written(state, claim);
        self.close(claim);
        self.journal.retry_later(claim, &state, at, &why).await?;
        Ok(PersonRun {
            person: claim.event.person.clone(),
            event: claim.event.id.clone(),
            outcomes,
            notes: Vec::new(),
            ending: Ending::Retry(at, why),
        })
    }
}

impl Work<'_> {
    /// Sets an event aside whose work always fails before anything is decided. What was planned for the person's calendar stays.
    pub(super) async fn give_up(
        &self,
        claim: &Claim,
        state: &PersonState,
        error: &Error,
    ) -> Result<PersonRun> {
        let why = format!("given up after {} attempts: {error}", claim.attempts + 1);
        let pending = HistoryQuery {
            person: Some(claim.event.person.clone()),
            state: Some(EventState::Pending),
            ..HistoryQuery::default()
        };
        let pending = self.journal.history(&pending).await?.into_iter();
        let timers = pending.map(|entry| entry.event).filter(|event| {
            matches!(event.kind, EventKind::Due { timer } if timer != Timer::Recheck)
                && event.id != claim.event.id
        });
        let timers: Vec<Event> = timers.collect();
        let mut state = state.clone();
        write_down(&mut state, claim, true);
        self.close(claim);
        self.journal
            .dead_letter(claim, &state, &timers, &why, Lane::Skip)
            .await?;
        Ok(PersonRun {
            person: claim.event.person.clone(),
            event: claim.event.id.clone(),
            outcomes: Vec::new(),
            notes: Vec::new(),
            ending: Ending::Dead(why),
        })
    }
}

/// The state, with a note that it tells of all attempts so far.
pub(super) fn written(state: &PersonState, claim: &Claim) -> PersonState {
    let mut state = state.clone();
    write_down(&mut state, claim, false);
    state
}

fn timers(claim: &Claim, decision: &Decision, now: Timestamp) -> Vec<Event> {
    let timers = decision.timers.iter();
    timers
        .map(|(timer, at)| Event::timer(&claim.event.person, *timer, *at, &claim.event.id, now))
        .collect()
}
