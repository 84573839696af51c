//! The errands beside the mailbox's reply: which are to be run, and which to be ended.
//!
//! Invariant: as for the [mailbox](super::mailbox), they are decided from what the platform remembers. Whoever has to be
//! found for one (a manager) is found anew each time, and an errand without anybody to run it for is remembered as owed.

use super::mailbox::{account, is_licensed};
use super::phase::Standing;
use super::{Context, Decision, Manager, View};
use crate::entitlement::{Desired, Kind};
use crate::journal::{ErrandRecord, ErrandState, PersonState};
use crate::person::{Person, Recipient};
use crate::plan::{Action, Errand, Phase};
use crate::policy::{Legacy, Pass, Settings};

/// What a leaver's manager takes over, and how.
const HAND_OVERS: [(Legacy, Errand); 4] = [
    (Legacy::Drive, Errand::Drive),
    (Legacy::Groups, Errand::Groups),
    (Legacy::Sponsorships, Errand::Sponsorships),
    (Legacy::Mail, Errand::Forwarding),
];

/// Everything that errands are decided from.
pub(super) struct Scene<'a> {
    pub(super) settings: &'a Settings,
    pub(super) at: &'a Standing,
    pub(super) person: &'a Person,
    pub(super) desired: &'a Desired,
    pub(super) view: &'a View,
    pub(super) state: &'a PersonState,
    pub(super) cx: &'a Context<'a>,
}

/// The errands to be run or ended at the directory now; what is owed and cannot be run yet is noted in `decision`.
pub(super) fn errands(scene: &Scene<'_>, decision: &mut Decision) -> Vec<Action> {
    match scene.at.phase {
        Phase::Staged | Phase::Active => {
            let mut actions = scene.ends(decision);
            if let Some(pass) = &scene.settings.pass {
                actions.extend(scene.pass(pass, decision));
            }
            actions
        }
        Phase::Gone if account(scene.view).is_some() => {
            let mut actions: Vec<Action> = scene.withdrawal(decision).into_iter().collect();
            for (legacy, errand) in HAND_OVERS {
                if scene.settings.manager_takes.contains(&legacy) {
                    actions.extend(scene.hand_over(errand, decision));
                }
            }
            actions
        }
        _ => Vec::new(),
    }
}

impl Scene<'_> {
    fn state_of(&self, errand: Errand) -> Option<ErrandState> {
        self.state.errand(errand).map(|known| known.state)
    }

    /// The pass of somebody who starts: once for each start, whoever moves it.
    fn pass(&self, pass: &Pass, decision: &mut Decision) -> Option<Action> {
        let (start, pass_at) = (self.at.start?, self.at.pass_at?);
        let known = self
            .state
            .errand(Errand::Pass)
            .filter(|known| known.about == start.to_string());
        let due = match known.map(|known| known.state) {
            Some(ErrandState::Owed) => true,
            Some(ErrandState::Unsure) => {
                given_up(Errand::Pass, decision);
                false
            }
            Some(_) => false,
            // Somebody at work has a way in, unless the account is only coming.
            None => pass_at <= self.cx.now && (self.at.phase == Phase::Staged || self.is_coming()),
        };
        if !due {
            return None;
        }
        let powerful = |kind: Kind| matches!(kind, Kind::Role | Kind::Azure);
        let wants = self.desired.grants.iter().any(|grant| powerful(grant.what.kind));
        let holds = self
            .view
            .actual
            .held
            .iter()
            .any(|held| powerful(held.entitlement.kind));
        if wants || holds {
            let note = "no temporary access pass is sent to somebody with administrative power: hand one over in person";
            decision.plan.notes.push(note.to_owned());
            return None;
        }
        let manager = self.cx.acting.and_then(|acting| self.account_of(acting));
        let reachable = |who: &Recipient| match who {
            Recipient::Manager => manager.is_some(),
            Recipient::Hr => self.settings.hr_mail.is_some(),
            Recipient::Private => self.person.email.is_some(),
            Recipient::Person => false,
        };
        let to: Vec<Recipient> = pass.to.iter().copied().filter(reachable).collect();
        if to.is_empty() {
            let note = "there is nobody yet to give the temporary access pass to";
            self.owe(Errand::Pass, start.to_string(), note, decision);
            return None;
        }
        Some(Action::IssuePass {
            starts_at: start,
            minutes: pass.minutes,
            to,
        })
    }

    /// Whether the account comes into being by this plan, or by an earlier attempt at the same event.
    fn is_coming(&self) -> bool {
        let issues = |action: &Action| matches!(action, Action::IssuePass { .. });
        let earlier = self.cx.earlier;
        self.view.actual.account.is_none()
            || earlier.is_some_and(|plan| plan.all().any(|step| issues(&step.action)))
    }

    /// A pass that somebody holds who leaves again is made worthless.
    fn withdrawal(&self, decision: &mut Decision) -> Option<Action> {
        match self.state_of(Errand::Pass)? {
            ErrandState::Void => {
                decision.state.note_errand(Errand::Pass, None);
                None
            }
            ErrandState::Stuck => {
                given_up(Errand::Pass, decision);
                None
            }
            _ => Some(Action::WithdrawPass),
        }
    }

    /// What a leaver's manager takes over.
    fn hand_over(&self, errand: Errand, decision: &mut Decision) -> Option<Action> {
        let known = self.state_of(errand);
        let due = match known {
            Some(ErrandState::Owed | ErrandState::Ending | ErrandState::Stuck) => true,
            Some(ErrandState::Unsure) => {
                given_up(errand, decision);
                false
            }
            Some(_) => false,
            // Drives and mailboxes come with licences. Whoever had left before the policy asked is left alone.
            None => self.state.left_at.is_none() && (stays(errand) || is_licensed(self.view)),
        };
        if !due {
            return None;
        }
        let Some((key, with_account)) = self.cx.acting.and_then(|acting| self.account_of(acting)) else {
            let note = format!("{errand} waits for a manager who has an account");
            self.owe(errand, String::new(), &note, decision);
            return None;
        };
        let with = key.clone();
        Some(match errand {
            Errand::Drive => Action::ShareDrive { with, with_account },
            Errand::Groups => Action::HandOverGroups { with, with_account },
            Errand::Sponsorships => Action::HandOverSponsorships { with, with_account },
            _ => Action::ForwardMail { with, with_account },
        })
    }

    /// Who is back has drive and mail alone again. Owned groups and sponsorships stay with whom they went to.
    fn ends(&self, decision: &mut Decision) -> Vec<Action> {
        let mut actions = Vec::new();
        if self.at.phase != Phase::Active {
            return actions;
        }
        for (_, errand) in HAND_OVERS {
            let Some(known) = self.state.errand(errand) else {
                continue;
            };
            // The account that held them has been deleted for good, and so have they.
            let lost = account(self.view).is_none();
            match (errand, known.state) {
                (_, ErrandState::Stuck) if !lost => given_up(errand, decision),
                (_, ErrandState::Void) => decision.state.note_errand(errand, None),
                _ if stays(errand) => decision.state.note_errand(errand, None),
                _ if lost || (known.state == ErrandState::Owed && known.about.is_empty()) => {
                    decision.state.note_errand(errand, None);
                }
                (Errand::Drive, _) => actions.push(Action::UnshareDrive {
                    with_account: known.about.clone(),
                }),
                _ => actions.push(Action::EndForwarding),
            }
        }
        actions
    }

    fn account_of<'m>(&self, manager: &'m Manager) -> Option<(&'m crate::person::PersonKey, String)> {
        let account = manager.accounts.get(&self.view.target)?;
        Some((&manager.key, account.id.clone()))
    }

    /// Remembers what cannot be run yet, and says so. Looked at again when the manager's account appears, and daily.
    fn owe(&self, errand: Errand, about: String, note: &str, decision: &mut Decision) {
        decision.plan.notes.push(note.to_owned());
        let named = self.cx.manager.filter(|named| named.key != decision.plan.person);
        if let Some(manager) = self.cx.acting.or(named) {
            decision.state.waits_for = Some(manager.key.clone());
        } else if errand != Errand::Pass {
            return; // nobody ever to wait for
        }
        let since = self.state.errand(errand).map_or(self.cx.now, |known| known.since);
        let state = ErrandState::Owed;
        decision
            .state
            .note_errand(errand, Some(ErrandRecord { state, since, about }));
    }
}

/// Whether what is handed over needs no licence, and stays with whom it went to.
fn stays(errand: Errand) -> bool {
    matches!(errand, Errand::Groups | Errand::Sponsorships)
}

/// What is not tried any more is said, for somebody to look.
fn given_up(errand: Errand, decision: &mut Decision) {
    let note = format!("{errand} has failed for a week and is not tried any more: see to it by hand");
    decision.plan.notes.push(note);
}
