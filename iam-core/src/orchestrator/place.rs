//! What a person should be at one target: the directory leads, applications follow what policy grants there.

use super::conflict::Apart;
use super::{Context, Down, View};
use crate::entitlement::{Attributes, Desired, TargetId};
use crate::journal::{Lifecycle as Stage, PersonState};
use crate::plan::{Accounts, Action, Owned, Phase, Plan, Step, Wanted};

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
    (wanted, lost): (&[Wanted<'_>], bool),
    apart: &Apart,
    state: &PersonState,
    cx: &Context<'_>,
) -> Option<(Phase, String)> {
    match phase {
        phase if phase.is_employed() => {}
        // An application keeps the account, blocked: what it holds of the person's work is its own.
        Phase::Purged => return Some((Phase::Gone, because.to_owned())),
        other => return Some((other, because.to_owned())),
    }
    let ending = |owned: &&Owned| {
        let at_once = owned.grace_days == 0 || apart.ends(&owned.entitlement);
        !at_once && owned.ends_at().is_none_or(|end| end > cx.now)
    };
    let mut here = state
        .ledger
        .iter()
        .filter(|owned| owned.entitlement.target == view.target);
    // Nor is the account of somebody at work closed while nobody can tell all of what it holds.
    if !wanted.is_empty() || here.any(|owned| ending(&owned)) || !view.actual.unread.is_empty() {
        return Some((phase, because.to_owned()));
    }
    if lost {
        // Rules ask for something, and nobody can tell what: no account is made for it, and none closed.
        return view.actual.account.is_some().then(|| (phase, because.to_owned()));
    }
    // An account that the platform never saw to is somebody else's affair.
    let ours = state.accounts.contains_key(&view.target);
    let ended = format!("no rule asks for anything at {} any more", view.target);
    (ours && view.actual.account.is_some()).then_some((Phase::Gone, ended))
}

/// The attribute values that the target keeps, cut to what it takes.
pub(super) fn fitting(view: &View, attributes: &Attributes, notes: &mut Vec<String>) -> Attributes {
    let mut fitting = attributes.clone();
    fitting.retain(|attribute, _| view.lengths.get(attribute) != Some(&0));
    for (attribute, value) in &mut fitting {
        let Some(most) = view.lengths.get(attribute) else {
            continue;
        };
        let length = value.chars().count();
        if length > *most {
            let cut: String = value.chars().take(*most).collect();
            cut.trim_end().clone_into(value);
            let name = attribute.as_str();
            notes.push(format!(
                "{name} has {length} characters, and {} takes {most}: it is cut",
                view.target
            ));
        }
    }
    fitting
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

/// What of an account could not be read, if anything is to be decided by it.
pub(super) fn unread(view: &View, phase: Phase) -> Option<String> {
    let unread: Vec<String> = view.actual.unread.iter().map(ToString::to_string).collect();
    if unread.is_empty() || view.actual.account.is_none() || phase == Phase::Pending {
        return None;
    }
    let then = match phase {
        Phase::Staged | Phase::Active | Phase::Suspended => "nothing is given or taken there",
        _ => "the rest is taken",
    };
    Some(format!(
        "{}: {}; until then {then}",
        view.target,
        unread.join("; ")
    ))
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

/// Whether another directory, which masters the account, still lets the person in.
pub(super) fn is_open_elsewhere(cx: &Context<'_>) -> bool {
    let directory = cx.views.iter().find(|view| is_directory(&view.target, cx));
    let account = directory.and_then(|view| view.actual.account.as_ref());
    account.is_some_and(|account| account.synced && account.enabled && !account.deleted)
}

/// The sign-in name that the person has in the directory already.
pub(super) fn sign_in_name(state: &PersonState, cx: &Context<'_>) -> Option<String> {
    let seen = cx.views.iter().find(|view| is_directory(&view.target, cx));
    let seen = seen
        .and_then(|view| view.actual.account.as_ref())
        .map(|account| account.name.clone());
    let known = || {
        state
            .accounts
            .get(&cx.directory)
            .map(|account| account.name.clone())
    };
    seen.or_else(known).filter(|name| !name.is_empty())
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
