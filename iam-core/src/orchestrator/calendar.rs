//! Which stage of the lifecycle somebody is in, and which instants are waited for in it.

use jiff::Timestamp;

use super::Decision;
use super::phase::{Standing, over_everywhere, standing};
use super::presence::next_look;
use crate::event::{Course, Timer};
use crate::journal::{Lifecycle as Stage, PersonState};
use crate::person::PersonKey;
use crate::plan::Phase;
use crate::policy::Settings;

/// The instants that state, record and news imply.
pub(super) fn calendar(
    state: &PersonState,
    course: &Course,
    settings: &Settings,
    now: Timestamp,
) -> Vec<(Timer, Timestamp)> {
    let Some(person) = &course.record else {
        return course.turns.clone();
    };
    let mut calendar = course.turns.clone();
    match standing(person, state.left_at, settings, now) {
        // An instant that has come and was never worked on.
        Ok(at) if stage(&at, state) != state.lifecycle => calendar.push((Timer::Review, now)),
        Ok(at) => calendar.extend(at.timers),
        Err(_) => calendar.extend(over_everywhere(person).map(|over| (Timer::Leave, over))),
    }
    let grace = state.ledger.iter().filter_map(crate::plan::Owned::ends_at);
    // What has run out is due at once.
    calendar.extend(grace.min().map(|end| (Timer::Grace, end)));
    let look = next_look(state, settings, now);
    calendar.extend(look.map(|at| (Timer::SignIn, at)));
    calendar
}

/// Where somebody is once the plan has been carried out.
pub(super) fn stage(at: &Standing, before: &PersonState) -> Stage {
    match at.phase {
        // Still somebody who comes back, and starts afresh.
        Phase::Pending if before.lifecycle.has_left() => before.lifecycle,
        Phase::Pending => Stage::Pending,
        Phase::Staged => Stage::Staged,
        Phase::Active if !at.away && at.timers.iter().any(|(timer, _)| *timer == Timer::Leave) => {
            Stage::Leaving
        }
        Phase::Active if !at.away => Stage::Active,
        Phase::Active | Phase::Suspended => Stage::Suspended,
        Phase::Gone => Stage::Disabled,
        Phase::Purged => Stage::Deleted,
    }
}

/// The person goes on under another worker id, and the account with them: this one has nothing any more.
pub(super) fn handed_over(mut decision: Decision, successor: &PersonKey, now: Timestamp) -> Decision {
    let note = format!("the person goes on as {successor}, with the same account: nothing is done here");
    decision.plan.notes.push(note);
    decision.timers.clear();
    let state = &mut decision.state;
    state.accounts.clear();
    state.ledger.clear();
    state.blocked_by_us.clear();
    state.lifecycle = Stage::Disabled;
    state.left_at = state.left_at.or(Some(now));
    decision
}
