//! What a person should be at one target: the directory leads, applications follow what policy grants there.

use super::conflict::Apart;
use super::{Context, Down, View};
use crate::entitlement::{Desired, TargetId};
use crate::journal::PersonState;
use crate::plan::{Accounts, Action, Phase, Step, Wanted};

/// Whose accounts the view's target uses. The first target is the directory.
pub(super) fn accounts(view: &View, cx: &Context<'_>) -> Accounts {
    match &view.principals_of {
        Some(_) => Accounts::Borrowed,
        None if is_directory(&view.target, cx) => Accounts::Directory,
        None => Accounts::Application,
    }
}

pub(super) fn is_directory(target: &TargetId, cx: &Context<'_>) -> bool {
    *target == cx.directory
}

/// The person's phase at an application, and why; `None` when there is nothing to see to there.
pub(super) fn at_application(
    view: &View,
    phase: Phase,
    because: &str,
    wanted: &[Wanted<'_>],
    apart: &Apart,
    state: &PersonState,
    cx: &Context<'_>,
) -> Option<(Phase, String)> {
    match phase {
        Phase::Staged | Phase::Active => {}
        // An application keeps the account, blocked: what it holds of the person's work is its own.
        Phase::Purged => return Some((Phase::Gone, because.to_owned())),
        other => return Some((other, because.to_owned())),
    }
    let ending = |owned: &&crate::plan::Owned| {
        let at_once = owned.grace_days == 0 || apart.ends(&owned.entitlement);
        !at_once && owned.ends_at().is_none_or(|end| end > cx.now)
    };
    let mut here = state
        .ledger
        .iter()
        .filter(|owned| owned.entitlement.target == view.target);
    if !wanted.is_empty() || here.any(|owned| ending(&owned)) {
        return Some((phase, because.to_owned()));
    }
    // An account that the platform never saw to is somebody else's affair.
    let ours = state.accounts.contains_key(&view.target);
    let ended = format!("no rule asks for anything at {} any more", view.target);
    (ours && view.actual.account.is_some()).then_some((Phase::Gone, ended))
}

/// Whether a target that is down matters to this person.
pub(super) fn matters(down: &Down, phase: Phase, desired: &Desired, state: &PersonState) -> bool {
    let wanted = desired
        .grants
        .iter()
        .any(|grant| grant.what.is_for(&down.target, &down.kinds));
    let known = state.accounts.contains_key(&down.target)
        || state
            .ledger
            .iter()
            .any(|owned| owned.entitlement.target == down.target);
    // Somebody who has left may hold what was given by hand.
    let may_hold = matches!(phase, Phase::Gone | Phase::Purged) && !state.accounts.is_empty();
    wanted || known || may_hold
}

/// The order over all targets: sign-in and power first for somebody who leaves, sign-in last for somebody who
/// comes. Steps of one rank keep their order.
pub(super) fn sort(steps: &mut [Step], phase: Phase, cx: &Context<'_>) {
    let leaving = matches!(phase, Phase::Gone | Phase::Purged);
    steps.sort_by_key(|step| {
        let directory = is_directory(&step.target, cx);
        match &step.action {
            Action::Notify { .. } => 9,
            Action::DeleteAccount => 8,
            Action::AllowSignIn if directory => 7,
            _ if !leaving => 0,
            Action::BlockSignIn | Action::RevokeSessions | Action::ResetPassword if directory => 0,
            Action::Revoke { .. } if step.privileged => 1,
            Action::BlockSignIn => 2,
            Action::Revoke { .. } if !directory => 3,
            _ => 4,
        }
    });
}
