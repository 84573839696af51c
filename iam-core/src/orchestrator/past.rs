//! What earlier decisions, and earlier attempts at the same event, have left behind.

use super::Context;
use super::place::is_directory;
use crate::journal::{Lifecycle as Stage, PersonState};
use crate::plan::{Action, Notice, Plan, Step};

/// Whether an earlier attempt took access away and was not to tell anybody.
pub(super) fn untold(earlier: Option<&Plan>) -> bool {
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

/// Whether every account was opened by an earlier decision and is seen to be open. What is seen right after
/// a leave may be older than the leave, and is not believed.
pub(super) fn is_open(state: &PersonState, cx: &Context<'_>) -> bool {
    let opened = |plan: &Plan| plan.all().any(|step| step.action == Action::AllowSignIn);
    let directory = cx.views.iter().filter(|view| is_directory(&view.target, cx));
    let mut accounts = directory.filter_map(|view| view.actual.account.as_ref());
    (matches!(state.lifecycle, Stage::Active | Stage::Leaving) || cx.earlier.is_some_and(opened))
        && accounts.all(|account| account.enabled && !account.deleted)
}

/// Nothing of an earlier employment survives: somebody who had left, were it not in full yet, or whose account had
/// been deleted.
pub(super) fn starts_afresh(state: &PersonState, cx: &Context<'_>) -> bool {
    let restored = |plan: &Plan| plan.all().any(|step| step.action == Action::RestoreAccount);
    state.lifecycle.has_left() || state.left_at.is_some() || cx.earlier.is_some_and(restored)
}

/// Whether it was put off to say that somebody has left.
pub(super) fn owes_farewell(before: &PersonState) -> bool {
    before.owes_notice && before.lifecycle == Stage::Disabled
}
