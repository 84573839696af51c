//! What earlier attempts at an event left behind, what has been accepted since, and what this attempt leaves to
//! the next one.

use jiff::Timestamp;

use crate::error::Result;
use crate::event::{EventId, Timer};
use crate::execute;
use crate::journal::{Claim, EventState, HistoryQuery, Journal, Lifecycle as Stage, Outcome, PersonState};
use crate::orchestrator::Decision;
use crate::plan::{Action, Notice, Plan, Step};

/// The claims, each with the person's state as it is by now.
///
/// Whichever event is worked on, the latest accepted record counts: an older one must not bring back what HR
/// has taken back since, and a timer must not forget a record that waits.
pub(super) async fn informed(
    journal: &dyn Journal,
    claims: Vec<Claim>,
    now: Timestamp,
) -> Result<Vec<(Claim, PersonState)>> {
    let keys: Vec<_> = claims.iter().map(|claim| claim.event.person.clone()).collect();
    let latest = journal.accepted(&keys).await?;
    let mut informed = Vec::with_capacity(claims.len());
    for (mut claim, latest) in claims.into_iter().zip(latest) {
        if let Some(latest) = latest {
            claim.event.record = Some(latest.record);
        }
        let mut state = claim.state.clone();
        if claim.event.kind.is_leave() {
            overtaken(journal, &claim, &mut state, now).await?;
        }
        let current = is_current(&state, &claim.event.id, claim.plan.as_ref());
        claim.plan = claim.plan.take().filter(|_| current);
        // Whoever brings an event back gives it as many attempts as a new one has.
        claim.attempts -= attempts_before(&state, &claim.event.id).min(claim.attempts);
        execute::fold(&mut state, &claim, execute::begun(&claim), now);
        informed.push((claim, state));
    }
    Ok(informed)
}

/// A leave overtakes, and then supersedes, events that may have been cut off half way: what they brought is
/// known from their steps alone.
async fn overtaken(
    journal: &dyn Journal,
    claim: &Claim,
    state: &mut PersonState,
    now: Timestamp,
) -> Result<()> {
    let pending = HistoryQuery {
        person: Some(claim.event.person.clone()),
        state: Some(EventState::Pending),
        due: Some(now),
        ..HistoryQuery::default()
    };
    let others = journal.history(&pending).await?;
    for other in others {
        let current = is_current(state, &other.event.id, other.plan.as_ref());
        if !current || other.event.id == claim.event.id {
            continue;
        }
        let other = Claim {
            event: other.event,
            plan: other.plan,
            steps: other.steps,
            ..claim.clone()
        };
        execute::fold(state, &other, execute::begun(&other), now);
    }
    Ok(())
}

/// Whether a stored plan was made since its event was last set aside, if it ever was.
fn is_current(state: &PersonState, event: &EventId, plan: Option<&Plan>) -> bool {
    plan.is_some_and(|plan| plan.attempt >= attempts_before(state, event))
}

/// How many attempts had been made when the event was last set aside; 0 where it never was.
pub(super) fn attempts_before(state: &PersonState, event: &EventId) -> u32 {
    state.set_aside.get(event).map_or(0, |attempt| attempt + 1)
}

/// The name by which an earlier attempt meant to create the account, if nobody knows whether it did.
pub(super) fn pending_name(claim: &Claim) -> Option<String> {
    execute::begun(claim)
        .into_iter()
        .find_map(|(step, outcome)| match (&step.action, outcome) {
            (Action::CreateAccount { name, .. }, None) => Some(name.clone()),
            _ => None,
        })
}

/// Adds what the plan of an earlier attempt leaves to the one that replaces it: what was begun, so that it is
/// not forgotten, and notices that are still owed and still true, though their cause is done.
pub(super) fn inherit(claim: &Claim, decision: &mut Decision) {
    decision.plan.attempt = claim.attempts + attempts_before(&claim.state, &claim.event.id);
    let Some(earlier) = &claim.plan else { return };
    let record = |step: &Step| claim.steps.iter().find(|record| record.step == step.id);
    let stage = decision.state.lifecycle;
    let plan = &mut decision.plan;
    for step in &earlier.steps {
        let owed = record(step).is_none_or(|record| record.outcome.is_none());
        let known = plan.steps.iter().any(|known| known.id == step.id);
        match &step.action {
            Action::Notify { notice, .. } if owed && !known && is_true(*notice, stage) => {
                plan.steps.push(step.clone());
            }
            _ => {}
        }
    }
    let kept = |step: &&Step| record(step).is_some() && !plan.steps.iter().any(|known| known.id == step.id);
    plan.begun = earlier.all().filter(kept).cloned().collect();
}

fn is_true(notice: Notice, stage: Stage) -> bool {
    match notice {
        Notice::Joined => stage == Stage::Active,
        Notice::Moved => matches!(stage, Stage::Staged | Stage::Active),
        Notice::Left => matches!(stage, Stage::Disabled | Stage::Deleted),
    }
}

/// A long wait ends when the person's calendar turns: a first or a last day does not wait for a retry.
pub(super) fn no_later_than_the_calendar(at: Timestamp, decision: &Decision, now: Timestamp) -> Timestamp {
    let instants = decision
        .timers
        .iter()
        .filter(|(timer, due)| *timer != Timer::Review && *due > now);
    instants.map(|(_, due)| *due).fold(at, Timestamp::min)
}

/// What stays of an attempt that has not come to its end: when which loss began, and that access is gone.
/// What the person is, is decided anew.
pub(super) fn so_far(state: &PersonState, decision: &Decision, outcomes: &[(Step, Outcome)]) -> PersonState {
    let next = &decision.state;
    let blocked = |step: &Step| {
        let done = |outcome: &Outcome| matches!(outcome, Outcome::Done { .. } | Outcome::AlreadySo { .. });
        outcomes
            .iter()
            .any(|(known, outcome)| known.id == step.id && done(outcome))
    };
    let steps = &decision.plan.steps;
    let mut blocks = steps.iter().filter(|step| step.action == Action::BlockSignIn);
    let left_at = if next.left_at.is_none() || blocks.all(blocked) {
        next.left_at
    } else {
        state.left_at
    };
    PersonState {
        name: next.name.clone(),
        ledger: next.ledger.clone(),
        blocked_by_us: next.blocked_by_us.clone(),
        left_at,
        ..state.clone()
    }
}
