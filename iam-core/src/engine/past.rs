//! What earlier attempts at an event left behind, what has been accepted since, and what this attempt leaves to
//! the next one.

use jiff::{SignedDuration, Timestamp};

use super::succession;
use crate::error::Result;
use crate::event::{Accepted, Course, Event, EventId, EventKind, News, Timer, course};
use crate::execute;
use crate::journal::{
    Claim, EventState, HistoryQuery, Journal, Lifecycle as Stage, Outcome, PersonState, Tried,
};
use crate::orchestrator::Decision;
use crate::person::Person;
use crate::plan::{Action, Notice, Step};
use crate::policy::Settings;

/// The claims, each with the person's state as it is by now.
///
/// Whichever event is worked on, the latest accepted record counts: an older one must not bring back what HR
/// has taken back since, and a timer must not forget a record that waits.
pub(super) async fn informed(
    journal: &dyn Journal,
    claims: Vec<Claim>,
    settings: &Settings,
    now: Timestamp,
    window: SignedDuration,
) -> Result<(Vec<(Claim, PersonState)>, Vec<Course>)> {
    let keys: Vec<_> = claims.iter().map(|claim| claim.event.person.clone()).collect();
    let latest = journal.accepted(&keys).await?;
    let mut informed = Vec::with_capacity(claims.len());
    let mut courses = Vec::with_capacity(claims.len());
    for (mut claim, latest) in claims.into_iter().zip(latest) {
        let latest = latest.unwrap_or_default();
        let mut course = run_of(&latest, settings, now);
        let remark = remark(&claim.event, &latest.news, latest.record.as_ref(), settings);
        course.remarks.extend(remark);
        if course.record.is_some() {
            claim.event.record.clone_from(&course.record);
        }
        let mut state = claim.state.clone();
        Box::pin(succession::settle(
            journal,
            &mut state,
            &mut course,
            settings,
            now,
        ))
        .await?;
        courses.push(course);
        if claim.event.kind.is_leave() {
            overtaken(journal, &claim, &mut state, now, window).await?;
        }
        let tried = tried(&state, &claim.event.id);
        claim.attempts -= tried.set_aside.min(claim.attempts);
        // What was planned before an event was set aside is over: it comes back as a new one.
        claim.plan = claim.plan.take().filter(|plan| plan.attempt >= tried.set_aside);
        if is_unwritten(&state, &claim) {
            take_in(&mut state, &claim, now, window);
        }
        informed.push((claim, state));
    }
    Ok((informed, courses))
}

/// What everything that was accepted of a person comes to.
pub(super) fn run_of(accepted: &Accepted, settings: &Settings, now: Timestamp) -> Course {
    let (zone, lead) = (&settings.time_zone, settings.create_before);
    course(accepted.record.as_ref(), &accepted.news, zone, lead, now)
}

/// What is remarkable about the event itself, when it is worked on.
fn remark(event: &Event, known: &[News], record: Option<&Person>, settings: &Settings) -> Option<String> {
    let zone = record.and_then(|record| record.time_zone.as_deref());
    let zone = zone.unwrap_or(&settings.time_zone);
    match (&event.news, &event.kind) {
        (Some(news), _) => news.remark(known, zone),
        (None, EventKind::Leave { .. }) => {
            let (id, person, kind) = (event.id.clone(), event.person.clone(), event.kind.clone());
            News::new(id, person, kind, event.entered_at).remark(&[], zone)
        }
        _ => None,
    }
}

/// A leave overtakes, and then supersedes, events that may have been cut off half way: what they brought is
/// known from their steps alone.
async fn overtaken(
    journal: &dyn Journal,
    claim: &Claim,
    state: &mut PersonState,
    now: Timestamp,
    window: SignedDuration,
) -> Result<()> {
    let pending = HistoryQuery {
        person: Some(claim.event.person.clone()),
        state: Some(EventState::Pending),
        due: Some(now),
        ..HistoryQuery::default()
    };
    let others = journal.history(&pending).await?;
    for other in others {
        let other = Claim {
            event: other.event,
            plan: other.plan,
            steps: other.steps,
            attempts: other.attempts,
            ..claim.clone()
        };
        if other.event.id != claim.event.id && is_unwritten(state, &other) {
            take_in(state, &other, now, window);
            let tried = Tried {
                written: other.attempts,
                ..tried(state, &other.event.id)
            };
            state.tried.insert(other.event.id.clone(), tried);
        }
    }
    Ok(())
}

/// Reads into `state` what was begun and never written down.
fn take_in(state: &mut PersonState, claim: &Claim, now: Timestamp, window: SignedDuration) {
    execute::fold(state, claim, made_by(claim), execute::begun(claim), now);
    if let Some(plan) = &claim.plan {
        execute::note(state, claim, plan, execute::begun(claim), now, window);
    }
}

/// The version of the policy that the claim's plan was made by.
fn made_by(claim: &Claim) -> &str {
    claim.plan.as_ref().map_or("", |plan| plan.policy.as_str())
}

fn tried(state: &PersonState, event: &EventId) -> Tried {
    state.tried.get(event).copied().unwrap_or_default()
}

/// Whether the process died after the event's plan was stored, so that the state does not tell what it brought.
fn is_unwritten(state: &PersonState, claim: &Claim) -> bool {
    let written = tried(state, &claim.event.id).written;
    claim.plan.as_ref().is_some_and(|plan| plan.attempt >= written)
}

/// Notes in `state` that it tells what this attempt at the event brought, and whether the event is set aside.
pub(super) fn write_down(state: &mut PersonState, claim: &Claim, set_aside: bool) {
    let before = tried(&claim.state, &claim.event.id);
    let written = claim.attempts + before.set_aside + 1;
    let set_aside = if set_aside { written } else { before.set_aside };
    let tried = Tried { written, set_aside };
    state.tried.insert(claim.event.id.clone(), tried);
}

/// Notes in `state` that the event is over, and whatever a leave has overtaken.
pub(super) fn strike_out(state: &mut PersonState, claim: &Claim) {
    state.tried.remove(&claim.event.id);
    if claim.event.kind.is_leave() {
        state.tried.retain(|_, tried| tried.set_aside > 0);
    }
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
    decision.plan.attempt = claim.attempts + tried(&claim.state, &claim.event.id).set_aside;
    let Some(earlier) = &claim.plan else { return };
    let record = |step: &Step| claim.steps.iter().find(|record| record.step == step.id);
    let stage = decision.state.lifecycle;
    let plan = &mut decision.plan;
    plan.again = earlier.again;
    for step in &earlier.steps {
        let owed = record(step).is_none_or(|record| record.outcome.is_none());
        let known = plan.steps.iter().any(|known| known.id == step.id);
        match &step.action {
            Action::Notify { notice, .. } if owed && !known && is_true(*notice, stage) => {
                plan.steps.push(step.clone());
            }
            // Somebody has said that it did not happen, and nothing that an account shows would tell.
            Action::Custom { .. } if owed && !known && earlier.again => plan.steps.push(step.clone()),
            _ => {}
        }
    }
    let kept = |step: &&Step| record(step).is_some() && !plan.steps.iter().any(|known| known.id == step.id);
    let written = if is_unwritten(&claim.state, claim) {
        earlier.written
    } else {
        earlier.all().count()
    };
    let begun: Vec<Step> = earlier.all().filter(kept).cloned().collect();
    plan.written = earlier.all().take(written).filter(kept).count();
    plan.begun = begun;
}

fn is_true(notice: Notice, stage: Stage) -> bool {
    match notice {
        Notice::Joined | Notice::NoShow | Notice::Idle => matches!(stage, Stage::Active | Stage::Leaving),
        Notice::Moved | Notice::Leaving => stage.is_employed(),
        Notice::Pass | Notice::Alert => false,
        Notice::Left => stage.has_left(),
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
