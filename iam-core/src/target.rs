//! The port [`Target`]: the only door to the outside for effects on accounts and entitlements.
//!
//! Invariant: a target decides nothing. It reports what is, does what a step says, and says whether it was
//! done now or was already so. Generated passwords are made inside `apply` and never leave it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::entitlement::{Account, Actual, Attribute, Catalog, Kind, TargetId};
use crate::error::{Error, ErrorKind, Result};
use crate::person::PersonKey;
use crate::plan::{IdempotencyKey, Step};
use crate::secret::Secret;

/// What may be done after an outcome is unknown (the answer was lost, the process died).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum EffectClass {
    /// A: repeating is harmless.
    Repeatable,
    /// B: a unique key; repeat, and adopt the object when it is ours.
    UniqueKey,
    /// C: read back twice, after a settle time
    /// ([`settle_time`](crate::engine::EngineBuilder::settle_time)), before repeating. What an account does not show,
    /// [`Target::apply`] itself looks for by the key before it repeats.
    ReadBack,
    /// D: neither; at most once, and the outcome is reported as unknown, until a person answers
    /// ([`Engine::resolve`](crate::engine::Engine::resolve)). Where a repeat is harmless, the engine is told so
    /// ([`accept_repeats`](crate::engine::EngineBuilder::accept_repeats)), and it is done at least once.
    AtMostOnce,
}

/// What a target can do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// The effect class of each [`Action::kind`](crate::plan::Action::kind) it carries out.
    pub actions: BTreeMap<&'static str, EffectClass>,
    /// The kinds of entitlement it offers.
    pub kinds: BTreeSet<Kind>,
    /// The most characters that an attribute takes, where there is a limit. Longer values are cut, and the
    /// plan says so. Zero says that the target has no place for the attribute: it is left out of plans.
    pub lengths: BTreeMap<Attribute, usize>,
    /// The target whose accounts this one gives things to, when it has none of its own: Azure gives roles to
    /// the principals of the directory. [`Keys::account`] and [`PersonRef::account`] are then that target's
    /// account ids, and no account is created, changed or deleted here.
    pub principals_of: Option<TargetId>,
    /// Whether new accounts are made by the target's inbound provisioning: it is sent a record and works it off later.
    /// Then `create_account` waits for the account, and is [`OutcomeUnknown`](crate::ErrorKind::OutcomeUnknown) when
    /// it does not come in time. The policy says which it is to be (`authority` in `[tenant]`).
    pub provisions: bool,
}

/// How to find a person's account: by immutable keys only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys {
    /// The worker id, which the account carries.
    pub person: PersonKey,
    /// The account id that an earlier event recorded; where [`Capabilities::principals_of`] names another
    /// target, the id of the account there.
    pub account: Option<String>,
}

/// What correlation found. More than one account means that a person must decide.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Candidates {
    /// Live accounts that carry the key.
    pub active: Vec<Account>,
    /// Soft-deleted ones.
    pub deleted: Vec<Account>,
}

/// A person and the account that belongs to them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonRef {
    /// Who.
    pub person: PersonKey,
    /// The account's id.
    pub account: String,
}

/// What `apply` did. A secret is like no other, not even itself.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Applied {
    /// The change was made now. `account` is set by creating and restoring.
    Done {
        /// The account's id.
        account: Option<String>,
    },
    /// It was so already.
    AlreadySo {
        /// The account's id, when the step was to create it.
        account: Option<String>,
    },
    /// There is nothing here to do it to, and there will not be: an automatic reply without a mailbox.
    NotApplicable {
        /// Why, in one clause without personal data.
        why: String,
    },
    /// A pass was made now, in the place of any before it: the answer to
    /// [`IssuePass`](crate::plan::Action::IssuePass) and to nothing else. It cannot be read a second time. The executor
    /// hands it to the notifier, and it is wiped.
    Issued {
        /// The pass.
        secret: Secret,
    },
}

impl PartialEq for Applied {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Done { account }, Self::Done { account: other })
            | (Self::AlreadySo { account }, Self::AlreadySo { account: other }) => account == other,
            (Self::NotApplicable { why }, Self::NotApplicable { why: other }) => why == other,
            _ => false,
        }
    }
}

/// A place where accounts and entitlements live. Implementations are shared between tasks.
#[async_trait]
pub trait Target: Debug + Send + Sync {
    /// The name that plans and ledgers use.
    fn id(&self) -> &TargetId;

    /// What it can do, and how safe repeating each action is.
    fn capabilities(&self) -> Capabilities;

    /// Everything it offers: groups and their kinds, licences and their seats, roles, domains.
    async fn catalog(&self) -> Result<Catalog>;

    /// Finds accounts, live and soft-deleted, by immutable keys; one answer per key, in order.
    async fn find(&self, keys: &[Keys]) -> Result<Vec<Candidates>>;

    /// Which of these sign-in names somebody's account uses already (as name or alias, soft-deleted
    /// accounts included): name in lower case → the account's id.
    async fn names_taken(&self, names: &[String]) -> Result<BTreeMap<String, String>>;

    /// What these accounts hold now; one answer per reference, in order. An account that has vanished is
    /// reported without `account`. What is refused of one kind of entitlement alone is no error, but
    /// [`Actual::unread`](crate::entitlement::Actual::unread): a leaver must not wait for it.
    async fn observe(&self, who: &[PersonRef]) -> Result<Vec<Actual>>;

    /// Carries out one step. Must be safe to call again for the same `key` after an unknown outcome, as far
    /// as the action's [`EffectClass`] promises.
    ///
    /// # Errors
    /// [`AlreadyExists`](crate::ErrorKind::AlreadyExists) from creating an account means that its *name* is
    /// taken by somebody else: the engine moves on to the next name.
    /// [`LicenseExhausted`](crate::ErrorKind::LicenseExhausted) means that no seat is free.
    /// [`NotYetReplicated`](crate::ErrorKind::NotYetReplicated) means that a fresh object is not visible yet.
    async fn apply(&self, step: &Step, key: &IdempotencyKey) -> Result<Applied>;

    /// Whether it can tell [when somebody signed in last](Self::last_sign_in). It cannot, unless it says so.
    fn tells_sign_ins(&self) -> bool {
        false
    }

    /// When the owner of an account signed in last, with success; `None` for who never has. Asked only where the policy
    /// wants to know (`no_show_after`, `[inactivity]`), and only of a directory that
    /// [tells](Self::tells_sign_ins).
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) where it cannot tell; otherwise why it cannot be read.
    async fn last_sign_in(&self, account: &str) -> Result<Option<Timestamp>> {
        let _ = account;
        let message = format!("{} does not tell sign-ins", self.id());
        Err(Error::new(ErrorKind::Invalid, message))
    }
}
