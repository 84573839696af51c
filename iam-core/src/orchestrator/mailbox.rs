//! The automatic reply of a leaver's mailbox: when it is to be set, when to be ended, when to be given up.
//!
//! Invariant: it is decided from what the platform remembers, never by looking at the mailbox. A mailbox that
//! cannot be read must not keep anybody's sign-in open.

use jiff::{SignedDuration, Timestamp};

use super::{Decision, View};
use crate::entitlement::{Account, Kind};
use crate::journal::{AutomaticReply, PersonState, ReplyState};
use crate::plan::{Accounts, Phase, Reply};
use crate::policy::Settings;

/// How long a mailbox is asked again that does not take what it is told.
const PATIENCE: SignedDuration = SignedDuration::from_hours(7 * 24);

/// What is to be done about the mailbox now.
pub(super) fn reply<'a>(
    settings: &'a Settings,
    phase: Phase,
    accounts: Accounts,
    view: &View,
    state: &PersonState,
    now: Timestamp,
) -> Option<Reply<'a>> {
    let account = account(view).filter(|_| accounts == Accounts::Directory);
    let known = state.reply.filter(|known| !is_over(*known, now));
    match (phase, known.map(|known| known.state)) {
        _ if account.is_none() => None,
        (Phase::Gone, standing) => {
            let due = match standing {
                Some(ReplyState::Owed | ReplyState::Ending) => true,
                Some(ReplyState::Set | ReplyState::Void) => false,
                // Mailboxes come with licences. Whoever had left before the policy asked for a reply is left alone.
                None => state.reply.is_none() && state.left_at.is_none() && is_licensed(view),
            };
            let text = settings.automatic_reply.as_deref().filter(|_| due);
            text.map(Reply::Set)
        }
        // Whether one that is owed has been set after all, nobody knows.
        (Phase::Active, Some(ReplyState::Owed | ReplyState::Set | ReplyState::Ending)) => Some(Reply::End),
        _ => None,
    }
}

/// Writes into the decision what is not tried any more.
pub(super) fn give_up(phase: Phase, view: &View, now: Timestamp, decision: &mut Decision) {
    let Some(known) = decision.state.reply else { return };
    let over = is_over(known, now);
    match (phase, known.state) {
        (Phase::Gone, ReplyState::Owed) if over => {
            let note = "the mailbox has not taken the automatic reply for days: none is set any more";
            decision.plan.notes.push(note.to_owned());
            decision.state.reply = Some(AutomaticReply {
                state: ReplyState::Void,
                since: now,
            });
        }
        (Phase::Active, ReplyState::Ending) if over => {
            let note = "the mailbox could not be told for days to end the leaver's automatic reply: look whether it does";
            decision.plan.notes.push(note.to_owned());
            decision.state.reply = None;
        }
        // Nothing was set; or the mailbox has gone with the account that is replaced now.
        (Phase::Active, ReplyState::Void) => decision.state.reply = None,
        (Phase::Active, _) if view.actual.account.is_none() => decision.state.reply = None,
        _ => {}
    }
}

fn account(view: &View) -> Option<&Account> {
    view.actual.account.as_ref().filter(|account| !account.deleted)
}

fn is_licensed(view: &View) -> bool {
    let mut held = view.actual.held.iter();
    held.any(|held| held.entitlement.kind == Kind::License)
}

fn is_over(known: AutomaticReply, now: Timestamp) -> bool {
    matches!(known.state, ReplyState::Owed | ReplyState::Ending)
        && now.duration_since(known.since) >= PATIENCE
}
