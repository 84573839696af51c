//! [`Step`]: one change at one target, with the reason for it, how much it risks and what would undo it.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::entitlement::{Attribute, Attributes, Entitlement, Kind, TargetId};
use crate::event::EventId;
use crate::person::{Notice, PersonKey, Recipient, hex};

use super::errand::{Errand, Turn};

/// Names a step within its event: the same change always has the same id.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StepId(String);

impl StepId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for StepId {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Display for StepId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Makes repeating a step recognisable: the same for every attempt at the same step of the same event.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// The key of one step of one event.
    pub fn of(event: &EventId, step: &Step) -> Self {
        let mut hash = Sha256::new();
        hash.update(event.as_str());
        hash.update([0]);
        hash.update(step.target.as_str());
        hash.update([0]);
        hash.update(step.id.as_str());
        Self(hex(&hash.finalize())[..32].to_owned())
    }

    /// The key as text: 32 hexadecimal digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An attribute's value before and after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Before; `None` was empty.
    pub before: Option<String>,
    /// After; empty where the value is taken away.
    pub after: String,
}

/// How much harm a change does if it is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Risk {
    /// Nobody is kept from working, and nobody gets power: attributes, ordinary access, notices.
    Low,
    /// Somebody gets in, or is kept from working, until it is taken back.
    Elevated,
    /// Administrative power, or an account that is gone unless it is restored in time.
    High,
}

impl Risk {
    /// The risk in one word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Elevated => "elevated",
            Self::High => "high",
        }
    }
}

/// What a step does. Kinds are versioned by [`super::VERSION`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Action {
    /// Create the account, with sign-in blocked.
    CreateAccount {
        /// The sign-in name, reserved before.
        name: String,
        /// Initial attributes.
        attributes: Attributes,
    },
    /// Restore the soft-deleted account; sign-in stays as it was.
    RestoreAccount,
    /// Set attributes.
    UpdateAccount {
        /// By attribute.
        changes: BTreeMap<Attribute, Change>,
    },
    /// Link the manager.
    SetManager {
        /// The manager's key; `None` where an undo knows the account alone.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        manager: Option<PersonKey>,
        /// The manager's account at this target.
        manager_account: String,
        /// The account that was linked before; `None` for none, and in plans of older versions.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        before: Option<String>,
    },
    /// Allow sign-in.
    AllowSignIn,
    /// Block sign-in.
    BlockSignIn,
    /// End all sessions and refresh tokens.
    RevokeSessions,
    /// Replace the password by a random one that nobody knows.
    ResetPassword,
    /// Give.
    Grant {
        /// What.
        entitlement: Entitlement,
        /// The rules that ask for it: they go into the ledger with it.
        rules: Vec<String>,
        /// Days it is kept once no rule asks for it any more.
        grace_days: u32,
    },
    /// Take away.
    Revoke {
        /// What.
        entitlement: Entitlement,
        /// The target's id of the assignment, where removing needs it.
        assignment: Option<String>,
    },
    /// Let the account's mailbox answer whoever writes to it.
    SetAutomaticReply {
        /// What it answers, as plain text: the policy's words, nothing of the person's.
        text: String,
    },
    /// Let the account's mailbox answer nobody any more.
    EndAutomaticReply,
    /// Make a temporary access pass, good for one sign-in, and hand it to whoever gives it to the person. The pass
    /// itself goes from the target to the notifier within the step, and stands in no plan and no journal.
    IssuePass {
        /// From when on it is good: the first day's beginning; at once where that is over.
        starts_at: Timestamp,
        /// How long it is good.
        minutes: u32,
        /// Who is given it. Never the person's own new mailbox, which nobody can open without it.
        to: Vec<Recipient>,
    },
    /// Make a pass that was handed out worthless.
    WithdrawPass,
    /// Let somebody else at the files of the account's drive.
    ShareDrive {
        /// Whom.
        with: PersonKey,
        /// Their account at this target.
        with_account: String,
    },
    /// Take that back.
    UnshareDrive {
        /// The account from which it is taken.
        with_account: String,
    },
    /// Make somebody else the owner of every group that the account owns, and the account none. No group is left
    /// without an owner, and the ownership of groups that carry administrative power goes to nobody.
    HandOverGroups {
        /// To whom.
        with: PersonKey,
        /// Their account at this target.
        with_account: String,
    },
    /// Make somebody else the sponsor of every guest and agent identity whose sponsor the account is, and the account of
    /// none. None is left without a sponsor.
    HandOverSponsorships {
        /// To whom.
        with: PersonKey,
        /// Their account at this target.
        with_account: String,
    },
    /// Send what comes to the account's mailbox on to somebody else.
    ForwardMail {
        /// To whom.
        with: PersonKey,
        /// Their account at this target.
        with_account: String,
    },
    /// Send nothing on any more.
    EndForwarding,
    /// Delete the account (restorable for as long as the target keeps it).
    DeleteAccount,
    /// A step of somebody's own kind, which an [orchestrator](crate::orchestrator::Orchestrator) of theirs plans and a
    /// target of theirs carries out. A target that does not name the kind in its
    /// [capabilities](crate::target::Capabilities::actions) is not asked: the step fails, and says so.
    Custom {
        /// The kind, with whose it is and its version: `exchange.share_mailbox.v1`. A change of what the payload means
        /// is another kind, so that a plan half done is carried out as it was meant.
        kind: String,
        /// What the target needs to know. Stands in plans and journals: no secrets.
        payload: serde_json::Value,
    },
    /// Send a notice.
    Notify {
        /// Which.
        notice: Notice,
        /// To whom.
        to: Vec<Recipient>,
    },
}

impl Action {
    /// A grant that no rule asks for: somebody's own decision. It has no grace.
    pub fn grant(entitlement: Entitlement) -> Self {
        Self::Grant {
            entitlement,
            rules: Vec::new(),
            grace_days: 0,
        }
    }

    /// The kind in snake case: what a target's capabilities classify.
    pub fn kind(&self) -> &str {
        match self {
            Self::Custom { kind, .. } => kind,
            Self::CreateAccount { .. } => "create_account",
            Self::RestoreAccount => "restore_account",
            Self::UpdateAccount { .. } => "update_account",
            Self::SetManager { .. } => "set_manager",
            Self::AllowSignIn => "allow_sign_in",
            Self::BlockSignIn => "block_sign_in",
            Self::RevokeSessions => "revoke_sessions",
            Self::ResetPassword => "reset_password",
            Self::Grant { .. } => "grant",
            Self::Revoke { .. } => "revoke",
            Self::SetAutomaticReply { .. } => "set_automatic_reply",
            Self::EndAutomaticReply => "end_automatic_reply",
            Self::IssuePass { .. } => "issue_pass",
            Self::WithdrawPass => "withdraw_pass",
            Self::ShareDrive { .. } => "share_drive",
            Self::UnshareDrive { .. } => "unshare_drive",
            Self::HandOverGroups { .. } => "hand_over_groups",
            Self::HandOverSponsorships { .. } => "hand_over_sponsorships",
            Self::ForwardMail { .. } => "forward_mail",
            Self::EndForwarding => "end_forwarding",
            Self::DeleteAccount => "delete_account",
            Self::Notify { .. } => "notify",
        }
    }

    /// Whether looking at the account tells that it has been done, so that a plan that holds it all the same
    /// means that somebody has undone it.
    pub(crate) fn is_visible(&self) -> bool {
        matches!(
            self,
            Self::UpdateAccount { .. }
                | Self::SetManager { .. }
                | Self::AllowSignIn
                | Self::BlockSignIn
                | Self::Grant { .. }
                | Self::Revoke { .. }
        )
    }

    /// Which errand it runs or ends, if it is one: nothing else waits for it, and access does not depend on it.
    pub fn errand(&self) -> Option<(Errand, Turn)> {
        Some(match self {
            Self::SetAutomaticReply { .. } => (Errand::Reply, Turn::Run),
            Self::EndAutomaticReply => (Errand::Reply, Turn::End),
            Self::IssuePass { .. } => (Errand::Pass, Turn::Run),
            Self::WithdrawPass => (Errand::Pass, Turn::End),
            Self::ShareDrive { .. } => (Errand::Drive, Turn::Run),
            Self::UnshareDrive { .. } => (Errand::Drive, Turn::End),
            Self::HandOverGroups { .. } => (Errand::Groups, Turn::Run),
            Self::HandOverSponsorships { .. } => (Errand::Sponsorships, Turn::Run),
            Self::ForwardMail { .. } => (Errand::Forwarding, Turn::Run),
            Self::EndForwarding => (Errand::Forwarding, Turn::End),
            _ => return None,
        })
    }

    /// What tells an errand from the same one run otherwise: the start that a pass is for, the account that is let at
    /// the files. Empty where there is nothing to tell.
    pub(crate) fn about(&self) -> String {
        match self {
            Self::IssuePass { starts_at, .. } => starts_at.to_string(),
            Self::ShareDrive { with_account, .. }
            | Self::UnshareDrive { with_account }
            | Self::HandOverGroups { with_account, .. }
            | Self::HandOverSponsorships { with_account, .. }
            | Self::ForwardMail { with_account, .. } => with_account.clone(),
            _ => String::new(),
        }
    }

    /// What undoes it, as well as that is known beforehand; `None` where nothing does: ended sessions, a password
    /// that nobody knows, a manager whose predecessor is not known, words that have been read.
    ///
    /// Access that is given back carries no rules and no grace: the ledger remembers them, a step does not.
    pub fn inverse(&self) -> Option<Self> {
        Some(match self {
            Self::CreateAccount { .. } | Self::RestoreAccount => Self::DeleteAccount,
            Self::DeleteAccount => Self::RestoreAccount,
            Self::UpdateAccount { changes } => {
                let back = changes.iter().map(|(attribute, change)| {
                    let back = Change {
                        before: Some(change.after.clone()).filter(|text| !text.is_empty()),
                        after: change.before.clone().unwrap_or_default(),
                    };
                    (*attribute, back)
                });
                Self::UpdateAccount {
                    changes: back.collect(),
                }
            }
            // A link is changed, and never taken away.
            Self::SetManager {
                manager_account,
                before: Some(before),
                ..
            } => Self::SetManager {
                manager: None,
                manager_account: before.clone(),
                before: Some(manager_account.clone()),
            },
            Self::AllowSignIn => Self::BlockSignIn,
            Self::BlockSignIn => Self::AllowSignIn,
            Self::Grant { entitlement, .. } => Self::Revoke {
                entitlement: entitlement.clone(),
                assignment: None,
            },
            Self::Revoke { entitlement, .. } => Self::grant(entitlement.clone()),
            Self::SetAutomaticReply { .. } => Self::EndAutomaticReply,
            Self::IssuePass { .. } => Self::WithdrawPass,
            Self::ShareDrive { with_account, .. } => Self::UnshareDrive {
                with_account: with_account.clone(),
            },
            Self::ForwardMail { .. } => Self::EndForwarding,
            Self::WithdrawPass
            | Self::UnshareDrive { .. }
            | Self::HandOverGroups { .. }
            | Self::HandOverSponsorships { .. }
            | Self::EndForwarding
            | Self::SetManager { .. }
            | Self::Custom { .. }
            | Self::RevokeSessions
            | Self::ResetPassword
            | Self::EndAutomaticReply
            | Self::Notify { .. } => return None,
        })
    }

    /// The risk of the action itself, whoever it is about.
    fn risk(&self) -> Risk {
        let carries_power = |what: &Entitlement| matches!(what.kind, Kind::Role | Kind::Azure);
        match self {
            Self::DeleteAccount => Risk::High,
            Self::Grant { entitlement, .. } | Self::Revoke { entitlement, .. }
                if carries_power(entitlement) =>
            {
                Risk::High
            }
            Self::CreateAccount { .. }
            | Self::RestoreAccount
            | Self::AllowSignIn
            | Self::BlockSignIn
            | Self::RevokeSessions
            | Self::ResetPassword
            | Self::IssuePass { .. }
            | Self::ShareDrive { .. }
            | Self::HandOverGroups { .. }
            | Self::HandOverSponsorships { .. }
            | Self::ForwardMail { .. }
            | Self::Custom { .. }
            | Self::Revoke { .. } => Risk::Elevated,
            Self::UpdateAccount { .. }
            | Self::SetManager { .. }
            | Self::Grant { .. }
            | Self::SetAutomaticReply { .. }
            | Self::EndAutomaticReply
            | Self::WithdrawPass
            | Self::UnshareDrive { .. }
            | Self::EndForwarding
            | Self::Notify { .. } => Risk::Low,
        }
    }

    /// Whether it only takes access away.
    pub fn removes_access(&self) -> bool {
        matches!(
            self,
            Self::BlockSignIn
                | Self::RevokeSessions
                | Self::ResetPassword
                | Self::Revoke { .. }
                | Self::DeleteAccount
        )
    }
}

/// One change at one target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Identity within the event.
    pub id: StepId,
    /// Where.
    pub target: TargetId,
    /// For whom.
    pub person: PersonKey,
    /// The account's id at the target; `None` before it has been created.
    pub account: Option<String>,
    /// What.
    #[serde(flatten)]
    pub action: Action,
    /// Why, in the words of the plan: `rule security-analysts`, `last day was 2026-11-24`.
    pub why: String,
    /// Whether the change carries or takes administrative power.
    pub privileged: bool,
    /// Steps of the same plan without which it is not carried out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<StepId>,
}

impl Step {
    /// A step, with the id that follows from its action.
    pub fn new(
        target: &TargetId,
        person: &PersonKey,
        account: Option<&str>,
        action: Action,
        why: impl Into<String>,
    ) -> Self {
        let id = match &action {
            Action::Grant { entitlement, .. } | Action::Revoke { entitlement, .. } => {
                format!(
                    "{}:{}:{}",
                    action.kind(),
                    entitlement.kind.as_str(),
                    entitlement.id
                )
            }
            Action::CreateAccount { name, .. } => format!("create_account:{}", name.to_lowercase()),
            Action::Notify { notice, .. } => format!("notify:{notice:?}").to_lowercase(),
            Action::Custom { kind, payload } => {
                let payload = Sha256::digest(payload.to_string());
                format!("custom:{kind}:{}", &hex(&payload)[..8])
            }
            // The same errand for another start, or with another account, is another step.
            other => match other.about().as_str() {
                "" => other.kind().to_owned(),
                about => format!("{}:{about}", other.kind()),
            },
        };
        Self {
            id: StepId(id),
            target: target.clone(),
            person: person.clone(),
            account: account.map(ToOwned::to_owned),
            action,
            why: why.into(),
            privileged: false,
            needs: Vec::new(),
        }
    }

    /// How much harm the change does if it is wrong.
    pub fn risk(&self) -> Risk {
        if self.privileged {
            return Risk::High;
        }
        self.action.risk()
    }

    /// The step that undoes this one, once it has been done; `None` where nothing does ([`Action::inverse`]).
    pub fn inverse(&self) -> Option<Self> {
        let action = self.action.inverse()?;
        let (account, why) = (self.account.as_deref(), format!("undoes: {}", self.why));
        let mut step = Self::new(&self.target, &self.person, account, action, why);
        step.privileged = self.privileged;
        if self.id.0.starts_with(&format!("{}/", self.target)) {
            step.qualify();
        }
        Some(step)
    }

    /// The licence seats that the step itself takes (1) or frees (-1). What a group carries is not counted: the
    /// target gives it later, and the preview knows the groups.
    pub fn seats(&self) -> i8 {
        let licence = |what: &Entitlement| i8::from(what.kind == Kind::License);
        match &self.action {
            Action::Grant { entitlement, .. } => licence(entitlement),
            Action::Revoke { entitlement, .. } => -licence(entitlement),
            _ => 0,
        }
    }

    /// Tells the step from the same one at the first target of the same plan.
    pub(crate) fn qualify(&mut self) {
        self.id = StepId(format!("{}/{}", self.target, self.id));
    }
}
