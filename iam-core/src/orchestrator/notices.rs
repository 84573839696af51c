//! What follows from a plan: the state, when the person is looked at again, and who is told.

use jiff::{SignedDuration, Timestamp};

use super::calendar::stage;
use super::lifecycle::{Lifecycle, PATIENCE};
use super::phase::Standing;
use super::place::{is_directory, is_open_elsewhere, owes_farewell};
use super::{Context, Decision, View};
use crate::entitlement::{Held, Via};
use crate::event::{Event, EventKind, Timer};
use crate::journal::{Lifecycle as Stage, PersonState};
use crate::person::Recipient;
use crate::plan::{Action, Notice, Owned, Phase, Plan, Step, ends_by};

/// How long a restored account that is not visible yet is left alone.
const SETTLING: SignedDuration = SignedDuration::from_secs(30);

impl Lifecycle {
    /// State, timers and notices that follow from the plan.
    pub(super) fn finish(
        &self,
        event: &Event,
        before: &PersonState,
        cx: &Context<'_>,
        at: &Standing,
        decision: &mut Decision,
    ) {
        let settings = self.document.settings();
        let next = &mut decision.state;
        next.lifecycle = stage(at, before);
        if decision
            .plan
            .steps
            .iter()
            .any(|step| step.action == Action::RestoreAccount)
        {
            // Looked at once more, as somebody who comes back, as soon as the account can be read.
            next.lifecycle = Stage::Disabled;
            // Not at once again, should the directory be slow to show it.
            let again = event.kind == EventKind::Due { timer: Timer::Review };
            let wait = if again { SETTLING } else { SignedDuration::ZERO };
            let look = cx.now.saturating_add(wait).unwrap_or(Timestamp::MAX);
            decision.timers.push((Timer::Review, look));
        }
        next.left_at = match at.phase {
            Phase::Gone | Phase::Purged => before.left_at.or(Some(cx.now)),
            _ => None,
        };
        let grace = decision.plan.ledger.iter().filter_map(Owned::ends_at);
        decision.timers.extend(
            grace
                .filter(|end| *end > cx.now)
                .min()
                .map(|end| (Timer::Grace, end)),
        );
        let lingers = |held: &Held| matches!(held.via, Via::Dynamic | Via::Synced);
        let lingers = |view: &View| view.actual.held.iter().any(lingers);
        if let (Phase::Gone, Some(left_at)) = (at.phase, next.left_at) {
            // Looked at once more when it should be over.
            let deadline = ends_by(left_at);
            let due = deadline > cx.now && cx.views.iter().any(lingers);
            decision.timers.extend(due.then_some((Timer::Review, deadline)));
        }
        if next.waits_for.is_some() {
            let later = cx.now.saturating_add(PATIENCE).unwrap_or(Timestamp::MAX);
            decision.timers.push((Timer::Review, later));
        }

        self.remind(before, cx, at, decision);
        self.attend(before, cx, at, decision);
        let steps = &decision.plan.steps;
        let opens = |step: &Step| step.action == Action::AllowSignIn && is_directory(&step.target, cx);
        let back = before.lifecycle == Stage::Suspended;
        // Some of it by an earlier attempt, which had to wait for the rest.
        let takes = || steps.iter().any(|step| step.action.removes_access()) || untold(cx.earlier);
        let (notice, to) = if steps.iter().any(opens) && !back {
            (Notice::Joined, settings.joiner_notify.as_slice())
        } else if at.phase == Phase::Gone && (takes() || owes_farewell(before)) {
            if is_open_elsewhere(cx) {
                let note = "sign-in is still allowed where the account is mastered: nobody is told that access \
                            is gone, and sessions are ended every hour until it is blocked there";
                decision.plan.notes.push(note.to_owned());
                let later = cx.now.saturating_add(SignedDuration::from_hours(1));
                let later = later.unwrap_or(Timestamp::MAX);
                decision.timers.push((Timer::Review, later));
                decision.state.owes_notice = true;
                return;
            }
            decision.state.owes_notice = false;
            if !decision.waiting.is_empty() {
                return; // told when it is true everywhere
            }
            (Notice::Left, settings.leaver_notify.as_slice())
        } else if before.owes_notice && at.phase == Phase::Active {
            (Notice::Joined, &[Recipient::Manager][..])
        } else if matches!(
            event.kind,
            EventKind::Move | EventKind::Rename | EventKind::Convert
        ) && !steps.is_empty()
        {
            (Notice::Moved, settings.mover_notify.as_slice())
        } else {
            return;
        };
        self.tell(cx, at, notice, to, decision);
    }

    /// That the last day is near is said once of each last day.
    fn remind(&self, before: &PersonState, cx: &Context<'_>, at: &Standing, decision: &mut Decision) {
        let last = decision.state.record.as_ref().and_then(|record| record.last_day);
        let at_work = matches!(at.phase, Phase::Active | Phase::Suspended);
        if !at.leaves_soon || !at_work || before.reminded == last {
            return;
        }
        decision.state.reminded = last;
        let to = self.document.settings().remind.as_slice();
        self.tell(cx, at, Notice::Leaving, to, decision);
    }

    pub(super) fn tell(
        &self,
        cx: &Context<'_>,
        at: &Standing,
        notice: Notice,
        to: &[Recipient],
        decision: &mut Decision,
    ) {
        let directory = cx.views.iter().find(|view| is_directory(&view.target, cx));
        let (Some(view), Some(_)) = (directory, &self.document.settings().notify_from) else {
            return;
        };
        let manager = cx
            .acting
            .filter(|manager| manager.accounts.contains_key(&view.target));
        let (told, missed): (Vec<Recipient>, Vec<Recipient>) = to
            .iter()
            .partition(|who| **who != Recipient::Manager || manager.is_some());
        // A new colleague's manager is told once there is one. Other news would be stale by then.
        let owes = notice == Notice::Joined && !missed.is_empty() && decision.state.waits_for.is_some();
        if notice == Notice::Joined {
            decision.state.owes_notice = owes;
        }
        if !missed.is_empty() && !owes && cx.manager.is_some() {
            let note = "the manager has no account, or is away: no notice to the manager";
            decision.plan.notes.push(note.to_owned());
        }
        if told.is_empty() {
            return;
        }
        let action = Action::Notify { notice, to: told };
        let person = &decision.plan.person;
        let step = Step::new(&view.target, person, None, action, at.because.clone());
        decision.plan.steps.push(step);
    }
}

/// Whether an earlier attempt took access away and was not to tell anybody.
fn untold(earlier: Option<&Plan>) -> bool {
    let tells = |step: &Step| {
        matches!(
            step.action,
            Action::Notify {
                notice: Notice::Left,
                ..
            }
        )
    };
    earlier.is_some_and(|plan| plan.all().any(|step| step.action.removes_access()) && !plan.all().any(tells))
}
