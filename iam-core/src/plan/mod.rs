//! The pure difference between desired and actual: [`plan`].
//!
//! Invariants: no I/O, no clock, cannot fail; the same input gives the same [`Plan`]; carrying a plan out
//! and planning again gives an empty one ([`Plan::after`] says what carrying out leaves behind).
//! Only what the [ledger](Owned) says the platform granted is taken from a mover; a leaver loses all.

mod diff;
mod errand;
mod explain;
pub mod guard;
mod leave;
mod step;

pub use crate::person::Notice;
pub use diff::plan;
pub(crate) use diff::rules;
pub use errand::{Errand, Turn};
pub use explain::{Drift, Holding, drift, holdings};
pub use step::{Action, Change, IdempotencyKey, Risk, Step, StepId};

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::entitlement::{Account, Actual, Attributes, Entitlement, Held, Item, Kind, TargetId, Via, same};
use crate::event::EventId;
use crate::person::{PersonKey, hex};

/// The version of [`Plan`] and [`Action`] as journals hold them. Version 2 knows automatic replies, version 3 passes and
/// the other errands, version 4 notices of who does not sign in and the manager of before; plans of earlier versions are
/// read as they are.
pub const VERSION: u32 = 4;

/// How long a directory takes at most to recompute memberships, ordinarily (Microsoft Learn, "Dynamic membership rules":
/// within hours, more than 24 in large tenants).
const RECOMPUTED: SignedDuration = SignedDuration::from_hours(24);

/// What a person should be at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Phase {
    /// Too early: no account yet.
    Pending,
    /// An account that nobody can sign in to, prepared for the start.
    Staged,
    /// At work.
    Active,
    /// On a leave of absence: nobody signs in, and everything else is kept.
    Suspended,
    /// Employment has ended: no access.
    Gone,
    /// Retention has run out: no account.
    Purged,
}

impl Phase {
    /// Whether the person is employed, and has what policy asks for.
    pub fn is_employed(self) -> bool {
        matches!(self, Self::Staged | Self::Active | Self::Suspended)
    }
}

/// One entitlement that the platform granted: what, by which rules, since when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owned {
    /// What was granted.
    pub entitlement: Entitlement,
    /// The rules that asked for it.
    pub rules: Vec<String>,
    /// The event that brought it.
    pub event: EventId,
    /// Since when.
    pub since: Timestamp,
    /// Days to keep it once no rule asks for it any more.
    pub grace_days: u32,
    /// Since when no rule has asked for it; `None` while one does.
    pub losing_since: Option<Timestamp>,
    /// The version of the policy that asked for it then; empty where the policy has none, and for grants of before
    /// there was this field.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub policy: String,
}

impl Owned {
    /// Whether this entry is about that entitlement, whatever it is called.
    pub fn covers(&self, what: &Entitlement) -> bool {
        same(&self.entitlement, what)
    }

    /// Whether it carries administrative power.
    pub fn is_privileged(&self) -> bool {
        matches!(self.entitlement.kind, Kind::Role | Kind::Azure)
    }

    /// When the grace ends, if it is running.
    pub fn ends_at(&self) -> Option<Timestamp> {
        let grace = jiff::SignedDuration::from_hours(i64::from(self.grace_days) * 24);
        self.losing_since
            .map(|since| since.saturating_add(grace).unwrap_or(Timestamp::MAX))
    }
}

/// An entitlement that policy asks for, resolved against the catalogue.
#[derive(Debug, Clone)]
pub struct Wanted<'a> {
    /// What the target offers.
    pub item: &'a Item,
    /// The rules that ask for it.
    pub rules: Vec<String>,
    /// Days of grace.
    pub grace_days: u32,
}

/// Whose accounts a target's entitlements hang on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Accounts {
    /// Its own: the directory in which people sign in.
    Directory,
    /// Its own, but people sign in elsewhere: an application. Sessions and passwords are not its business.
    Application,
    /// Another target's: nothing is created, blocked or deleted here.
    Borrowed,
}

/// What a mailbox is to do with what is written to it from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reply<'a> {
    /// Answer this.
    Set(&'a str),
    /// Answer nothing any more.
    End,
}

/// Whether a leaver's mailbox must be kept, and so the licences that it lives on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Hold<'a> {
    /// Nobody can tell: the policy names no group of held mailboxes.
    Unchecked,
    /// It is not on hold.
    Free,
    /// It is on hold, because of this group, or because that could not be found out.
    Held(Option<&'a str>),
}

/// Whose report somebody is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ManagerLink<'a> {
    /// The manager's key.
    pub manager: &'a PersonKey,
    /// The manager's account at the target.
    pub account: &'a str,
    /// Whether that is somebody from further up, because the manager whom HR names has left.
    pub stands_in: bool,
}

/// Everything the difference is computed from, for one person at one target.
#[derive(Debug)]
pub struct Input<'a> {
    /// Where.
    pub target: &'a TargetId,
    /// Whose.
    pub person: &'a PersonKey,
    /// Whose accounts they are.
    pub accounts: Accounts,
    /// The event that is planned for.
    pub event: &'a EventId,
    /// What the person should be.
    pub phase: Phase,
    /// Why that phase, in a few words.
    pub because: &'a str,
    /// The sign-in name reserved for a new account.
    pub name: Option<&'a str>,
    /// Attribute values that policy and HR ask for.
    pub attributes: &'a Attributes,
    /// The entitlements that policy asks for.
    pub wanted: &'a [Wanted<'a>],
    /// What is kept if it is held and not given if it is not, though policy asks for it: why.
    pub withheld: &'a [(Entitlement, String)],
    /// What the ledger holds and is not taken away, though it is not among what is wanted: nobody can tell whether
    /// policy asks for it. On a fresh start it goes all the same.
    pub kept: &'a [Entitlement],
    /// What is taken away at once where the platform gave it and nobody asks for it any more, whatever its grace: why.
    pub ended: &'a [(Entitlement, String)],
    /// The manager, once the account exists.
    pub manager: Option<ManagerLink<'a>>,
    /// What is.
    pub actual: &'a Actual,
    /// What the platform granted.
    pub ledger: &'a [Owned],
    /// Whether the platform itself blocked sign-in, and so may allow it again.
    pub blocked_by_us: bool,
    /// Whether nothing of an earlier employment may survive (rejoin).
    pub fresh: bool,
    /// Whether a leaver's password is replaced.
    pub reset_password: bool,
    /// What is still to be done about the mailbox. No account shows what its mailbox answers, so that whoever
    /// asks for a plan keeps in mind what was done.
    pub reply: Option<Reply<'a>>,
    /// The other errands that are to be run or ended now. No account shows them either.
    pub errands: &'a [Action],
    /// Whether a leaver's licences must be kept.
    pub hold: Hold<'a>,
    /// Since when somebody who has left has no access; `None` before.
    pub left_at: Option<Timestamp>,
    /// Now.
    pub now: Timestamp,
    /// The licences that come with a group, by group id, for the leaver's order.
    pub carriers: &'a BTreeMap<String, Vec<String>>,
}

impl Input<'_> {
    /// By when what follows from a leave by itself should have ended.
    pub(crate) fn ends_by(&self) -> Timestamp {
        ends_by(self.left_at.unwrap_or(self.now))
    }
}

/// By when memberships that are computed or synchronised should have ended for somebody who lost access then.
pub(crate) fn ends_by(left_at: Timestamp) -> Timestamp {
    left_at.saturating_add(RECOMPUTED).unwrap_or(Timestamp::MAX)
}

/// What is to be done for one person, in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// [`VERSION`] of the platform that made it.
    pub version: u32,
    /// Whose.
    pub person: PersonKey,
    /// The steps, in the order of execution.
    pub steps: Vec<Step>,
    /// The ledger as the plan assumes it: grace started or ended, vanished entries dropped.
    pub ledger: Vec<Owned>,
    /// What people should know: things that cannot be done, and why.
    pub notes: Vec<String>,
    /// Set when the account must not be touched: why. There are no steps then.
    pub refused: Option<String>,
    /// The attempt at the event for which it was made, counted from 0.
    #[serde(default)]
    pub attempt: u32,
    /// Steps of plans that earlier attempts at the event made and began, and that are not among `steps` any
    /// more: what they brought is not forgotten, however often the process dies.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub begun: Vec<Step>,
    /// How many of them, from the first on, the person's state tells of already.
    #[serde(default)]
    pub written: usize,
    /// The version of the policy that it was made by; empty where that has none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub policy: String,
    /// Whether the person is employed, and stays so: sign-in is blocked for a leave of absence, or before the first
    /// day, and nobody leaves by it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stays: bool,
    /// Somebody has said that the one step it holds did not happen: it is to be carried out again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub again: bool,
}

impl Plan {
    /// A plan that does nothing.
    pub fn empty(person: &PersonKey) -> Self {
        Self {
            version: VERSION,
            person: person.clone(),
            steps: Vec::new(),
            ledger: Vec::new(),
            notes: Vec::new(),
            refused: None,
            attempt: 0,
            begun: Vec::new(),
            written: 0,
            policy: String::new(),
            stays: false,
            again: false,
        }
    }

    /// What is left of a plan that is over, of which one step did not happen.
    #[cfg(feature = "engine")]
    pub(crate) fn again(mut self, step: &StepId) -> Self {
        let all = self.begun.drain(..).chain(self.steps.drain(..));
        let steps: Vec<Step> = all.filter(|known| known.id == *step).collect();
        Self {
            steps,
            written: 0,
            again: true,
            ..self
        }
    }

    /// Every step of this plan and of those that it replaced, as far as they were begun; oldest first.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Step> {
        self.begun.iter().chain(&self.steps)
    }

    /// Those of them that the person's state does not tell of yet.
    pub(crate) fn unwritten(&self) -> impl Iterator<Item = &Step> {
        self.begun.iter().skip(self.written).chain(&self.steps)
    }

    /// A stable hash over the steps of this one person.
    pub fn hash(&self) -> String {
        use sha2::{Digest, Sha256};
        let bytes = serde_json::to_vec(&self.steps).unwrap_or_default();
        hex(&Sha256::digest(&bytes))
    }

    /// The steps of this plan that `step` waits for: where one of them fails, it is not tried (before the event's
    /// next attempt).
    pub fn needs(&self, step: &Step) -> Vec<&StepId> {
        let brings = |other: &Step| {
            other.account.is_none()
                && matches!(other.action, Action::CreateAccount { .. })
                && step.account.is_none()
        };
        let restores = |other: &Step| other.action == Action::RestoreAccount && other.target == step.target;
        let needs = |other: &Step| match &step.action {
            Action::Notify { .. } => other.action == Action::AllowSignIn || other.action.removes_access(),
            Action::AllowSignIn => {
                brings(other) || restores(other) || matches!(other.action, Action::Revoke { .. })
            }
            _ => brings(other) || restores(other),
        };
        let before = self.steps.iter().take_while(|other| other.id != step.id);
        before
            .filter(|other| needs(other))
            .map(|other| &other.id)
            .collect()
    }

    /// Reads a plan that a journal holds. One of a newer version, whose steps this version may not know, comes
    /// without them: it is left alone ([`Plan::newer`]).
    #[cfg(any(feature = "sqlite", feature = "postgres"))]
    pub(crate) fn read(text: &str) -> Result<Self, serde_json::Error> {
        #[derive(Deserialize)]
        struct Head {
            version: u32,
            person: PersonKey,
            #[serde(default)]
            attempt: u32,
        }
        let head: Head = serde_json::from_str(text)?;
        if head.version > VERSION {
            return Ok(Self {
                version: head.version,
                attempt: head.attempt,
                ..Self::empty(&head.person)
            });
        }
        serde_json::from_str(text)
    }

    /// Why the plan must not be gone on with, where a newer version of the platform has made it.
    pub fn newer(&self) -> Option<String> {
        let made = self.version;
        (made > VERSION).then(|| {
            format!(
                "its plan was made by a newer version (plans of version {made}, this one knows {VERSION}): \
                 nothing was done, upgrade this program"
            )
        })
    }

    /// What `actual` will be once this plan has been carried out at `target`. New accounts get the id
    /// `(new)`.
    pub fn after(&self, target: &TargetId, mut actual: Actual) -> Actual {
        for step in self.steps.iter().filter(|step| &step.target == target) {
            apply(&mut actual, &step.action);
        }
        actual
    }
}

/// What carrying `action` out makes of `actual`.
pub(crate) fn apply(actual: &mut Actual, action: &Action) {
    match action {
        Action::CreateAccount { name, attributes } => {
            actual.account = Some(Account {
                id: "(new)".to_owned(),
                name: name.clone(),
                enabled: false,
                deleted: false,
                synced: false,
                attributes: attributes.clone(),
                manager: None,
            });
        }
        Action::Grant { entitlement, .. } => {
            if !actual.holds(entitlement) {
                actual.held.push(Held {
                    entitlement: entitlement.clone(),
                    via: Via::Direct,
                    assignment: None,
                });
            }
        }
        Action::Revoke { entitlement, .. } => {
            actual
                .held
                .retain(|held| held.via != Via::Direct || !same(&held.entitlement, entitlement));
            actual
                .held
                .retain(|held| !matches!(&held.via, Via::Inherited { from } if *from == entitlement.id));
        }
        Action::DeleteAccount => {
            actual.held.clear();
            if let Some(account) = &mut actual.account {
                account.deleted = true;
            }
        }
        other => {
            let Some(account) = &mut actual.account else {
                return;
            };
            match other {
                Action::RestoreAccount => account.deleted = false,
                Action::AllowSignIn => account.enabled = true,
                Action::BlockSignIn => account.enabled = false,
                Action::SetManager { manager_account, .. } => account.manager = Some(manager_account.clone()),
                Action::UpdateAccount { changes } => {
                    for (attribute, change) in changes {
                        if change.after.is_empty() {
                            account.attributes.remove(attribute);
                        } else {
                            account.attributes.insert(*attribute, change.after.clone());
                        }
                    }
                }
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entitlement::{Attribute, Kind};
    use crate::person::Recipient;

    #[test]
    fn a_change_and_its_inverse_leave_what_was() {
        let (target, person) = (TargetId::new("graph"), PersonKey::new("W-1"));
        let account = Account {
            id: "a".into(),
            name: "a@b".into(),
            enabled: true,
            deleted: false,
            synced: false,
            attributes: [(Attribute::Department, "Sales".to_owned())].into(),
            manager: Some("n".into()),
        };
        let group = Entitlement {
            target: target.clone(),
            kind: Kind::Group,
            id: "g".into(),
            name: "G".into(),
        };
        let before = Actual {
            account: Some(account),
            ..Actual::none(person.clone())
        };
        let changes = [
            (Attribute::Department, Some("Sales"), "Security"),
            (Attribute::CostCenter, None, "4711"),
        ];
        let changes = changes.map(|(attribute, before, after)| {
            let (before, after) = (before.map(str::to_owned), after.to_owned());
            (attribute, Change { before, after })
        });
        for action in [
            Action::UpdateAccount {
                changes: changes.into(),
            },
            Action::BlockSignIn,
            Action::SetManager {
                manager: Some(PersonKey::new("W-2")),
                manager_account: "m".into(),
                before: Some("n".into()),
            },
            Action::grant(group),
            Action::DeleteAccount,
        ] {
            let step = Step::new(&target, &person, Some("a"), action, "because");
            let mut actual = before.clone();
            apply(&mut actual, &step.action);
            assert_ne!(actual, before, "{}", step.id);
            apply(&mut actual, &step.inverse().unwrap().action);
            assert_eq!(actual, before, "{}", step.id);
            assert_eq!(step.inverse().unwrap().inverse().unwrap().id, step.id);
        }
    }

    #[test]
    fn a_plan_comes_back_from_a_journal_as_it_was() {
        let (target, person) = (TargetId::new("graph"), PersonKey::new("W-1"));
        let entitlement = Entitlement {
            target: target.clone(),
            kind: Kind::Role,
            id: "r".into(),
            name: "Reader".into(),
        };
        let change = Change {
            before: None,
            after: "b".into(),
        };
        let actions = [
            Action::CreateAccount {
                name: "a@b".into(),
                attributes: [(Attribute::DisplayName, "A".into())].into(),
            },
            Action::RestoreAccount,
            Action::UpdateAccount {
                changes: [(Attribute::CostCenter, change)].into(),
            },
            Action::SetManager {
                manager: Some(PersonKey::new("W-2")),
                manager_account: "m".into(),
                before: Some("n".into()),
            },
            Action::AllowSignIn,
            Action::Grant {
                entitlement: entitlement.clone(),
                rules: vec!["r".into()],
                grace_days: 14,
            },
            Action::Revoke {
                entitlement,
                assignment: Some("x".into()),
            },
            Action::SetAutomaticReply {
                text: "Nobody reads this.".into(),
            },
            Action::EndAutomaticReply,
            Action::IssuePass {
                starts_at: Timestamp::UNIX_EPOCH,
                minutes: 480,
                to: vec![Recipient::Manager, Recipient::Private],
            },
            Action::WithdrawPass,
            Action::ShareDrive {
                with: PersonKey::new("W-2"),
                with_account: "m".into(),
            },
            Action::UnshareDrive {
                with_account: "m".into(),
            },
            Action::HandOverGroups {
                with: PersonKey::new("W-2"),
                with_account: "m".into(),
            },
            Action::HandOverSponsorships {
                with: PersonKey::new("W-2"),
                with_account: "m".into(),
            },
            Action::ForwardMail {
                with: PersonKey::new("W-2"),
                with_account: "m".into(),
            },
            Action::EndForwarding,
            Action::Custom {
                kind: "exchange.share_mailbox.v1".into(),
                payload: serde_json::json!({"to": ["W-2"]}),
            },
            Action::Notify {
                notice: Notice::Joined,
                to: vec![Recipient::Manager],
            },
        ];
        for action in actions {
            let mut plan = Plan::empty(&person);
            plan.steps
                .push(Step::new(&target, &person, Some("id"), action, "because"));
            let text = serde_json::to_string(&plan).unwrap();
            let back: Plan = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
            assert_eq!(back, plan);
        }
    }
}
