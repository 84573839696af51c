//! The automatic reply of a leaver's mailbox: when it is to be set, when to be ended, when to be left alone.
//!
//! Invariant: it is decided from what the platform remembers, never by looking at the mailbox. A mailbox that
//! cannot be read must not keep anybody's sign-in open.

use super::{Decision, View};
use crate::entitlement::{Account, Kind};
use crate::journal::{ErrandState, PersonState};
use crate::plan::{Accounts, Hold, Phase, Reply};
use crate::policy::Settings;

/// What is to be done about the mailbox now.
pub(super) fn reply<'a>(
    settings: &'a Settings,
    phase: Phase,
    accounts: Accounts,
    view: &View,
    state: &PersonState,
) -> Option<Reply<'a>> {
    account(view).filter(|_| accounts == Accounts::Directory)?;
    let known = state.reply.as_ref().map(|known| known.state);
    match phase {
        Phase::Gone => {
            let due = match known {
                Some(ErrandState::Owed | ErrandState::Ending | ErrandState::Stuck) => true,
                Some(ErrandState::Done | ErrandState::Void | ErrandState::Unsure) => false,
                // Mailboxes come with licences. Whoever had left before the policy asked for a reply is left alone.
                None => state.left_at.is_none() && is_licensed(view),
            };
            let text = settings.automatic_reply.as_deref().filter(|_| due);
            text.map(Reply::Set)
        }
        Phase::Active => {
            // Whether one that is owed has been set after all, nobody knows.
            let on = [
                ErrandState::Owed,
                ErrandState::Unsure,
                ErrandState::Done,
                ErrandState::Ending,
            ];
            known.filter(|known| on.contains(known)).map(|_| Reply::End)
        }
        _ => None,
    }
}

/// Whether the mailbox must be kept. Graph tells nobody of litigation holds, so that it follows from a group.
pub(super) fn hold<'a>(settings: &Settings, accounts: Accounts, view: &'a View) -> Hold<'a> {
    if accounts != Accounts::Directory {
        return Hold::Free;
    }
    let Some(reference) = &settings.held_mailboxes else {
        return Hold::Unchecked;
    };
    match view.catalog.resolve(reference) {
        Ok(group) if view.actual.holds(&group.entitlement) => Hold::Held(Some(&group.entitlement.id)),
        Ok(_) if !is_unread(view, Kind::Group) => Hold::Free,
        // When in doubt, nothing is lost.
        _ => Hold::Held(None),
    }
}

/// Says what is not tried any more, and forgets what is over.
pub(super) fn look_back(phase: Phase, view: &View, decision: &mut Decision) {
    let note = match (phase, decision.state.reply.as_ref().map(|known| known.state)) {
        (Phase::Gone, Some(ErrandState::Unsure)) => {
            "the mailbox did not take the automatic reply for a week: it is not asked any more"
        }
        (Phase::Active, Some(ErrandState::Stuck)) => {
            "the mailbox could not be told for a week to end the leaver's automatic reply: look whether it does"
        }
        // Nothing was set; or the mailbox has gone with the account that is replaced now.
        (Phase::Active, known) if known == Some(ErrandState::Void) || view.actual.account.is_none() => {
            decision.state.reply = None;
            return;
        }
        _ => return,
    };
    decision.plan.notes.push(note.to_owned());
}

pub(super) fn account(view: &View) -> Option<&Account> {
    view.actual.account.as_ref().filter(|account| !account.deleted)
}

pub(super) fn is_licensed(view: &View) -> bool {
    let mut held = view.actual.held.iter();
    held.any(|held| held.entitlement.kind == Kind::License) || is_unread(view, Kind::License)
}

/// Whether a kind could not be read just now, so that what is not seen may be there all the same.
fn is_unread(view: &View, kind: Kind) -> bool {
    view.actual.unread.iter().any(|unread| unread.kind == kind)
}
