//! Whether somebody who should be at work has signed in: a start that nobody came to, and long silence.
//!
//! Invariant: people are told, and nothing else follows. Who cannot be looked up is taken for neither here nor gone.

use jiff::{Timestamp, ToSpan};

use super::lifecycle::{Lifecycle, PATIENCE};
use super::phase::Standing;
use super::place::is_directory;
use super::{Context, Decision};
use crate::event::Timer;
use crate::journal::{Attendance, Lifecycle as Stage, PersonState};
use crate::person::Notice;
use crate::plan::{Action, Phase};
use crate::policy::Settings;

/// What the directory says of somebody's sign-ins.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum LastSignIn {
    /// It was not asked.
    #[default]
    Unasked,
    /// Nobody can tell, and why.
    Unread(String),
    /// There has been none.
    Never,
    /// The last one.
    At(Timestamp),
}

/// Whether the directory is to be asked for the last sign-in of somebody, before anything is decided.
pub(crate) fn asks_sign_in(settings: &Settings, state: &PersonState, now: Timestamp) -> bool {
    let wanted = settings.no_show_after.is_some() || settings.idle_after.is_some();
    let due = |known: &Attendance| known.look_at.is_some_and(|at| at <= now);
    wanted && state.attendance.as_ref().is_some_and(due)
}

/// When the person is looked up next, as state and policy imply.
pub(super) fn next_look(state: &PersonState, settings: &Settings, now: Timestamp) -> Option<Timestamp> {
    let at_work = matches!(state.lifecycle, Stage::Active | Stage::Leaving);
    let known = state.attendance.as_ref();
    let look = match known {
        Some(known) => known.look_at,
        None => settings.idle_after.map(|_| now),
    };
    look.filter(|_| at_work && (settings.no_show_after.is_some() || settings.idle_after.is_some()))
}

fn days_after(from: Timestamp, days: u32, at: &Standing) -> Timestamp {
    let later = from
        .to_zoned_datetime(at.zone.clone())
        .checked_add(i64::from(days).days());
    later.map_or(Timestamp::MAX, |later| later.timestamp())
}

impl Lifecycle {
    /// Looks whether people have come, tells those whom policy names where they have not, and sets the next look.
    pub(super) fn attend(
        &self,
        before: &PersonState,
        cx: &Context<'_>,
        at: &Standing,
        decision: &mut Decision,
    ) {
        let settings = self.document.settings();
        let (no_show, idle) = (settings.no_show_after, settings.idle_after);
        if (no_show.is_none() && idle.is_none()) || !matches!(at.phase, Phase::Active | Phase::Suspended) {
            decision.state.attendance = None;
            return;
        }
        if at.away || at.phase == Phase::Suspended {
            return; // nobody is expected before they are back
        }
        let opens = |action: &Action| *action == Action::AllowSignIn;
        let mut steps = decision.plan.steps.iter();
        let starts = steps.any(|step| opens(&step.action) && is_directory(&step.target, cx))
            && before.lifecycle != Stage::Suspended;
        let mut known = before.attendance.clone().unwrap_or_default();
        if starts {
            known = Attendance {
                awaited_since: at.start.filter(|_| no_show.is_some()),
                ..Attendance::default()
            };
        }
        let since = *known
            .since
            .get_or_insert(at.start.filter(|start| *start <= cx.now).unwrap_or(cx.now));
        let mut patience = None;
        let directory = cx.views.iter().find(|view| is_directory(&view.target, cx));
        let seen = match directory.map(|view| &view.last_sign_in) {
            Some(LastSignIn::At(seen)) => Some(Some(*seen)),
            Some(LastSignIn::Never) => Some(None),
            Some(LastSignIn::Unread(why)) => {
                let note = format!("nobody can tell whether there were sign-ins, and nobody is told: {why}");
                decision.plan.notes.push(note);
                patience = cx.now.checked_add(PATIENCE).ok();
                None
            }
            Some(LastSignIn::Unasked) | None => None,
        };
        if let Some(seen) = seen {
            if let (Some(start), Some(days)) = (known.awaited_since, no_show) {
                if seen.is_some_and(|seen| seen >= start) {
                    known.awaited_since = None;
                } else if days_after(start, days, at) <= cx.now {
                    known.awaited_since = None;
                    self.tell(cx, at, Notice::NoShow, &settings.no_show, decision);
                }
            }
            if seen > known.seen {
                (known.seen, known.told) = (seen, false);
            }
            if let Some(days) = idle
                && !known.told
                && days_after(known.seen.unwrap_or(since).max(since), days, at) <= cx.now
            {
                known.told = true;
                self.tell(cx, at, Notice::Idle, &settings.idle, decision);
            }
        }
        let awaited = known.awaited_since.zip(no_show);
        let awaited = awaited.map(|(start, days)| days_after(start, days, at));
        let silent = idle.map(|days| {
            let from = if known.told {
                cx.now
            } else {
                known.seen.unwrap_or(since).max(since)
            };
            days_after(from, days, at)
        });
        let next = [awaited, silent].into_iter().flatten().min();
        // What is due and could not be asked is asked in the next breath, or when there may be an answer.
        let next = next.map(|next| patience.unwrap_or(next).max(next).max(cx.now));
        known.look_at = next;
        decision.timers.extend(next.map(|next| (Timer::SignIn, next)));
        decision.state.attendance = Some(known);
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;
    use crate::person::PersonKey;

    #[test]
    fn nobody_is_looked_up_without_a_policy_that_asks_or_before_it_is_time() {
        let at: Timestamp = "2026-12-01T00:00:00Z".parse().unwrap();
        let mut state = PersonState::new(PersonKey::new("W-1"));
        let asks = Settings {
            no_show_after: Some(3),
            ..Settings::default()
        };
        assert!(!asks_sign_in(&asks, &state, at), "nobody is awaited");
        state.attendance = Some(Attendance {
            look_at: Some(at),
            ..Attendance::default()
        });
        let before = at.saturating_sub(SignedDuration::from_secs(1)).unwrap_or(at);
        assert!(!asks_sign_in(&asks, &state, before));
        assert!(asks_sign_in(&asks, &state, at));
        assert!(!asks_sign_in(&Settings::default(), &state, at));
    }
}
