//! What somebody loses who leaves, and in which order.

use crate::entitlement::{Held, Kind, Via};

use super::diff::{Steps, errands, mastered_elsewhere, rules};
use super::{Accounts, Action, Hold, Input, Owned, Phase, Plan, Reply};

/// Leaver: block, sessions, password, roles, apps and packages, groups without licences, the mailbox's reply and the other errands,
/// licences and their groups. What could not be read is not waited for: the event comes up again for it. Errands come
/// before the licences because mailbox and drive go with them; they do not wait for any.
pub(super) fn gone(input: &Input<'_>, plan: &mut Plan) {
    let Some(account) = input.actual.account.as_ref().filter(|account| !account.deleted) else {
        plan.ledger
            .retain(|owned: &Owned| owned.entitlement.target != *input.target);
        return;
    };
    let mut steps = Steps { input, plan };
    // What hangs on it shows what a group carries, where the catalogue does not.
    let gives = |held: &Held, id: &str| {
        held.entitlement.kind == Kind::License
            && matches!(&held.via, Via::Inherited { from } if from.eq_ignore_ascii_case(id))
    };
    let carries = |id: &str| {
        let licences = input.carriers.get(id);
        licences.is_some_and(|licences| !licences.is_empty())
            || input.actual.held.iter().any(|held| gives(held, id))
    };
    let rank = |kind: Kind, id: &str| match kind {
        Kind::Role => 0,
        Kind::Azure => 1,
        Kind::App | Kind::Package => 2,
        Kind::Group if !carries(id) => 3,
        Kind::License => 4,
        Kind::Group => 5,
    };
    let rank = |held: &&Held| rank(held.entitlement.kind, &held.entitlement.id);
    // Whoever is in the group of held mailboxes stays in it: it says so again at the next look.
    let is_kept = |held: &&Held| match input.hold {
        Hold::Held(group) => {
            let names = |group: &str| held.entitlement.id.eq_ignore_ascii_case(group);
            rank(held) >= 4 || held.entitlement.kind == Kind::Group && group.is_some_and(names)
        }
        _ => false,
    };
    let direct = input.actual.held.iter().filter(|held| held.via == Via::Direct);
    let (kept, mut ordered): (Vec<_>, Vec<_>) = direct.partition(is_kept);
    ordered.sort_by_key(rank);
    let here = mastered_elsewhere(input).is_none();
    if account.enabled && here && input.accounts != Accounts::Borrowed {
        steps.add(Action::BlockSignIn, input.because);
    }
    if input.accounts == Accounts::Directory && (account.enabled || !ordered.is_empty()) {
        steps.add(Action::RevokeSessions, input.because);
        if input.reset_password && here {
            steps.add(Action::ResetPassword, input.because);
        }
    }
    let licences = ordered
        .iter()
        .position(|held| rank(held) >= 4)
        .unwrap_or(ordered.len());
    for held in &ordered[..licences] {
        revoke(&mut steps, held);
    }
    if let (Phase::Gone, Some(Reply::Set(text))) = (input.phase, input.reply) {
        let text = text.to_owned();
        steps.add(Action::SetAutomaticReply { text }, input.because);
    }
    errands(&mut steps);
    if kept.iter().any(|held| rank(held) >= 4) {
        let note = "the mailbox is on hold: licences and the groups that carry them are kept until the account is deleted";
        steps.note(note.to_owned());
    }
    if input.hold == Hold::Unchecked && licences < ordered.len() {
        let note = "licences go, and nobody can see here whether the mailbox is on litigation hold: name the group of \
                    those that are as held_mailboxes in [leaver]";
        steps.note(note.to_owned());
    }
    for held in &ordered[licences..] {
        revoke(&mut steps, held);
    }
    remaining(&mut steps);
}

/// What is left to a leaver though nothing here can take it away: where it comes from, and by when it should be gone.
fn remaining(steps: &mut Steps<'_, '_>) {
    let input = steps.input;
    let deadline = input.ends_by();
    let by = if deadline > input.now {
        format!("it should be gone by {deadline}")
    } else {
        format!("it should have gone by {deadline}: see to it")
    };
    for held in &input.actual.held {
        let what = &held.entitlement;
        match &held.via {
            Via::Dynamic => steps.note(format!(
                "{what} is dynamic: it ends when the target has recomputed it, {by}"
            )),
            Via::Synced => steps.note(format!(
                "{what} is mastered in another directory: remove it there, {by}"
            )),
            Via::Inherited { from } => {
                let note = format!("{what} comes with {}", source(input, from));
                steps.note(note);
            }
            Via::Direct => {}
        }
    }
}

/// What something is inherited from, and what that means for whoever wants it gone.
pub(super) fn source(input: &Input<'_>, from: &str) -> String {
    let found = input
        .actual
        .held
        .iter()
        .find(|held| held.entitlement.id.eq_ignore_ascii_case(from));
    let Some(held) = found else {
        return format!("{from}, which nothing here can take away");
    };
    let what = &held.entitlement;
    let ours = input.ledger.iter().find(|owned| owned.covers(what));
    match (&held.via, ours) {
        (Via::Direct, Some(owned)) => format!(
            "{what} and ends with it: the platform gave it ({})",
            rules(&owned.rules)
        ),
        (Via::Direct, None) => format!("{what} and ends with it: somebody else gave it"),
        (Via::Dynamic, _) => format!("{what}, which is dynamic: it ends when that has been recomputed"),
        _ => format!("{what}, which is mastered in another directory: remove it there"),
    }
}

fn revoke(steps: &mut Steps<'_, '_>, held: &Held) {
    let action = Action::Revoke {
        entitlement: held.entitlement.clone(),
        assignment: held.assignment.clone(),
    };
    steps.add(action, steps.input.because);
    steps.mark_privileged(matches!(held.entitlement.kind, Kind::Role | Kind::Azure));
}

pub(super) fn purged(input: &Input<'_>, plan: &mut Plan) {
    if input
        .actual
        .account
        .as_ref()
        .is_some_and(|account| !account.deleted)
    {
        // Whatever came back in the meantime goes first, in the leaver's order.
        gone(input, plan);
        if input.accounts != Accounts::Borrowed && mastered_elsewhere(input).is_none() {
            Steps { input, plan }.add(Action::DeleteAccount, input.because);
        }
    }
    plan.ledger
        .retain(|owned| owned.entitlement.target != *input.target);
}
