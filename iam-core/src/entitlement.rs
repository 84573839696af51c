//! What can be held: [`Entitlement`]; what should be ([`Desired`]) and what is ([`Actual`]); what a target
//! offers ([`Catalog`]); and who must never be touched ([`Protected`]).
//!
//! These are the words that policy, plan and targets share. Nothing here knows Graph, ARM or SCIM.

mod catalog;
mod limits;

pub use catalog::{Catalog, Class, Item, Keep, Seats};
pub use limits::{Cap, Counted, Limits, Organisation, PerOrganisation, Tier};

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::person::PersonKey;

/// Names a target, for example `graph`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TargetId(String);

impl TargetId {
    /// A target's name.
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TargetId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The sorts of things a person can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Kind {
    /// Membership of a group.
    Group,
    /// A licence, by SKU.
    License,
    /// A directory role.
    Role,
    /// A role assignment on an Azure scope.
    Azure,
    /// A role in a downstream application.
    App,
    /// An access package: a bundle that the target gives as one, and takes as one. What it brings is held by way of it.
    Package,
}

impl Kind {
    /// The kind in one word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Group => "group",
            Self::License => "licence",
            Self::Role => "role",
            Self::Azure => "azure role",
            Self::App => "app",
            Self::Package => "access package",
        }
    }
}

/// An entitlement as a policy writes it: by unique name, or `id:<id>`. An Azure role is named with its scope,
/// `Reader @ /subscriptions/<id>/resourceGroups/<name>`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Reference {
    /// The sort of thing.
    pub kind: Kind,
    /// Display name, SKU part number or `id:<id>`.
    pub name: String,
    /// The target that offers it, where the policy names one (an application).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<TargetId>,
}

impl Reference {
    /// A reference.
    pub fn new(kind: Kind, name: impl Into<String>) -> Self {
        Self {
            kind,
            name: name.into(),
            target: None,
        }
    }

    /// The same reference, at that target and no other.
    #[must_use]
    pub fn at(mut self, target: TargetId) -> Self {
        self.target = Some(target);
        self
    }

    /// Whether a target that offers these kinds is meant.
    pub fn is_for(&self, target: &TargetId, kinds: &BTreeSet<Kind>) -> bool {
        kinds.contains(&self.kind) && self.target.as_ref().is_none_or(|named| named == target)
    }

    /// Whether it names that entitlement by its words, where no catalogue says what it stands for (any more).
    pub fn may_mean(&self, what: &Entitlement) -> bool {
        let here = self.kind == what.kind && self.target.as_ref().is_none_or(|target| *target == what.target);
        here && match self.name.strip_prefix("id:") {
            Some(id) => what.id.eq_ignore_ascii_case(id.trim()),
            None => {
                what.name.eq_ignore_ascii_case(self.path())
                    || what.kind == Kind::Role && what.id.eq_ignore_ascii_case(&self.name)
            }
        }
    }

    /// The name. An Azure scope at its end is a path, with or without its last slash.
    fn path(&self) -> &str {
        match self.kind {
            Kind::Azure => self.name.trim_end_matches('/'),
            _ => &self.name,
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.kind.as_str(), self.name)?;
        match &self.target {
            Some(target) => write!(f, " at {target}"),
            None => Ok(()),
        }
    }
}

/// One thing a target can give to and take from an account.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Entitlement {
    /// The target that gives it.
    pub target: TargetId,
    /// The sort of thing.
    pub kind: Kind,
    /// The target's own id.
    pub id: String,
    /// The name people know it by.
    pub name: String,
}

impl fmt::Display for Entitlement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind.as_str(), self.name)
    }
}

/// Account attributes that the platform keeps in step with HR.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
#[non_exhaustive]
pub enum Attribute {
    DisplayName,
    GivenName,
    FamilyName,
    Department,
    JobTitle,
    Location,
    Country,
    /// ISO 3166-1 alpha-2; licences need it.
    UsageLocation,
    Company,
    CostCenter,
    WorkerType,
    /// `yyyy-mm-dd`, a civil date.
    HireDate,
}

impl Attribute {
    /// The attribute's name in snake case.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DisplayName => "display_name",
            Self::GivenName => "given_name",
            Self::FamilyName => "family_name",
            Self::Department => "department",
            Self::JobTitle => "job_title",
            Self::Location => "location",
            Self::Country => "country",
            Self::UsageLocation => "usage_location",
            Self::Company => "company",
            Self::CostCenter => "cost_center",
            Self::WorkerType => "worker_type",
            Self::HireDate => "hire_date",
        }
    }
}

/// Attribute values. An attribute that is not in the map is left as it is; one that is wanted empty is cleared.
pub type Attributes = BTreeMap<Attribute, String>;

/// One entitlement that policy asks for, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// What.
    pub what: Reference,
    /// The ids of the rules that ask for it (`defaults` for the defaults).
    pub rules: Vec<String>,
    /// Days it is kept after the last rule stopped asking for it; the longest where rules differ.
    pub grace_days: u32,
}

/// What policy says one person should have. Says nothing of when: the orchestrator knows the phase.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Desired {
    /// Attribute values.
    pub attributes: Attributes,
    /// Entitlements, at most one entry per reference.
    pub grants: Vec<Grant>,
}

/// How an entitlement is held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Via {
    /// Given to the account itself, and so removable.
    Direct,
    /// Inherited from another entitlement, for example a licence from a group: remove that one.
    Inherited {
        /// The id of what it comes from.
        from: String,
    },
    /// Computed by the target from attributes: follows them, cannot be removed.
    Dynamic,
    /// Mastered in another directory: must be changed there.
    Synced,
}

/// An entitlement somebody holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// What.
    pub entitlement: Entitlement,
    /// How.
    pub via: Via,
    /// The target's id of the assignment, where removing needs it.
    pub assignment: Option<String>,
}

/// An account as a target reports it. `Debug` prints the id alone.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// The target's immutable id.
    pub id: String,
    /// The sign-in name (user principal name, SCIM userName).
    pub name: String,
    /// Whether sign-in is allowed.
    pub enabled: bool,
    /// Whether it is soft-deleted, and so restorable.
    pub deleted: bool,
    /// Whether another directory masters it, so that it cannot be changed here.
    pub synced: bool,
    /// Current attribute values; absent means empty.
    pub attributes: Attributes,
    /// The manager's account id.
    pub manager: Option<String>,
}

impl Account {
    /// An account of another target, as one that borrows it (`Capabilities::principals_of`) sees it: by its id alone.
    pub fn principal(id: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            name: String::new(),
            enabled: true,
            deleted: false,
            synced: false,
            attributes: Attributes::new(),
            manager: None,
        }
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Account({})", self.id)
    }
}

/// What one person has at one target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actual {
    /// Whose.
    pub person: PersonKey,
    /// The account, if there is one.
    pub account: Option<Account>,
    /// Everything the account holds, but for what is [unread](Self::unread).
    pub held: Vec<Held>,
    /// What the target would not tell: the account may hold anything of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unread: Vec<Unread>,
}

/// Entitlements of an account that could not be read, though the account itself could.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unread {
    /// The sort of things.
    pub kind: Kind,
    /// The part of them, where it is not all: `eligible` are those whose ids begin with `eligible:` and whose names
    /// end in ` (eligible)`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<String>,
    /// Why, in one clause without personal data.
    pub why: String,
}

impl Unread {
    /// Everything of a kind.
    pub fn all_of(kind: Kind, why: impl Into<String>) -> Self {
        Self {
            kind,
            part: None,
            why: why.into(),
        }
    }

    /// That part of a kind, and nothing else of it.
    pub fn part_of(kind: Kind, part: impl Into<String>, why: impl Into<String>) -> Self {
        Self {
            part: Some(part.into()),
            ..Self::all_of(kind, why)
        }
    }

    /// Whether it may hide that entitlement.
    pub fn hides(&self, what: &Entitlement) -> bool {
        what.kind == self.kind && self.may_go_by(&what.id)
    }

    /// Whether something of it may go by that name or id.
    fn may_go_by(&self, name: &str) -> bool {
        let Some(part) = &self.part else { return true };
        let (name, part) = (name.to_lowercase(), part.to_lowercase());
        name.starts_with(&format!("{part}:")) || name.ends_with(&format!(" ({part})"))
    }
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = self.part.as_deref().map(|part| format!("{part} "));
        let part = part.unwrap_or_default();
        write!(
            f,
            "what it holds of kind {part}{} cannot be read: {}",
            self.kind.as_str(),
            self.why
        )
    }
}

impl Actual {
    /// Somebody without an account.
    pub fn none(person: PersonKey) -> Self {
        Self {
            person,
            account: None,
            held: Vec::new(),
            unread: Vec::new(),
        }
    }

    /// Whether the entitlement is held, in whichever way.
    pub fn holds(&self, what: &Entitlement) -> bool {
        self.held.iter().any(|held| same(&held.entitlement, what))
    }
}

/// Whether two entitlements are the same thing, whatever they are called.
pub fn same(a: &Entitlement, b: &Entitlement) -> bool {
    a.kind == b.kind && a.target == b.target && a.id.eq_ignore_ascii_case(&b.id)
}

/// What is said of an account of which nobody can tell.
pub(crate) const UNDECIDED: &str = "counts as protected";

/// Who is never touched, whatever HR and policy say. Cannot be overridden by an approval.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Protected {
    /// Sign-in names, lower case.
    pub names: BTreeSet<String>,
    /// Account ids, lower case.
    pub ids: BTreeSet<String>,
    /// Names or ids of roles whose holders are protected, lower case.
    pub roles: BTreeSet<String>,
}

impl Protected {
    /// Why the account with this id must not be touched, as far as its id says.
    pub fn by_id(&self, account: &str) -> Option<String> {
        let protected = self.ids.contains(&account.to_lowercase());
        protected.then(|| format!("account {account} is protected by id"))
    }

    /// Why this account must not be touched, or `None`. Whose protection cannot be [decided](Self::undecided) counts
    /// as protected.
    pub fn reason(&self, actual: &Actual) -> Option<String> {
        self.known(actual).or_else(|| self.undecided(actual))
    }

    /// Why nobody can tell whether the account is protected, or `None`: a role protects, and could not be read.
    pub fn undecided(&self, actual: &Actual) -> Option<String> {
        if self.known(actual).is_some() {
            return None;
        }
        let account = actual.account.as_ref()?;
        let decides = |unread: &&Unread| {
            unread.kind == Kind::Role && self.roles.iter().any(|role| unread.may_go_by(role))
        };
        let unread = actual.unread.iter().find(decides)?;
        Some(format!(
            "account {} {UNDECIDED}, because a role may protect it: {unread}",
            account.id
        ))
    }

    /// Why the account is protected for certain, or `None`.
    pub(crate) fn known(&self, actual: &Actual) -> Option<String> {
        let account = actual.account.as_ref()?;
        if self.ids.contains(&account.id.to_lowercase()) {
            return Some(format!("account {} is protected by id", account.id));
        }
        if self.names.contains(&account.name.to_lowercase()) {
            return Some(format!("account {} is protected by name", account.id));
        }
        let role = actual.held.iter().map(|held| &held.entitlement).find(|what| {
            what.kind == Kind::Role
                && (self.roles.contains(&what.name.to_lowercase())
                    || self.roles.contains(&what.id.to_lowercase()))
        })?;
        Some(format!(
            "account {} is protected: it holds the role {}",
            account.id, role.name
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_protection_by_role_that_cannot_be_decided_is_closed() {
        let protected = |roles: &[&str]| Protected {
            roles: roles.iter().map(|role| (*role).to_owned()).collect(),
            names: ["boss@x".to_owned()].into(),
            ..Protected::default()
        };
        let account = |name: &str, unread: &[Unread]| {
            let mut actual = Actual::none(PersonKey::new("W-1"));
            actual.unread = unread.to_vec();
            actual.account = Some(Account {
                id: "a".into(),
                name: name.into(),
                enabled: true,
                deleted: false,
                synced: false,
                attributes: Attributes::new(),
                manager: None,
            });
            actual
        };
        let all = || Unread::all_of(Kind::Role, "refused");
        let eligible = || Unread::part_of(Kind::Role, "eligible", "refused");
        let apps = || Unread::all_of(Kind::App, "refused");
        let check = |roles: &[&str], name: &str, unread: &[Unread], closed: bool, open_question: bool| {
            let (protected, actual) = (protected(roles), account(name, unread));
            assert_eq!(
                protected.reason(&actual).is_some(),
                closed,
                "{roles:?} {unread:?}"
            );
            assert_eq!(
                protected.undecided(&actual).is_some(),
                open_question,
                "{roles:?} {unread:?}"
            );
        };
        check(&["global administrator"], "ada@x", &[all()], true, true);
        check(&["global administrator"], "ada@x", &[apps(), all()], true, true);
        check(
            &["global administrator"],
            "ada@x",
            &[apps(), eligible()],
            false,
            false,
        );
        check(
            &["global administrator (eligible)"],
            "ada@x",
            &[eligible()],
            true,
            true,
        );
        check(&["eligible:62e90394"], "ada@x", &[eligible()], true, true);
        check(&[], "ada@x", &[all()], false, false);
        check(&["global administrator"], "boss@x", &[all()], true, false);
    }

    #[test]
    fn a_part_of_a_kind_hides_no_more_than_itself() {
        let role = |id: &str| Entitlement {
            target: TargetId::new("graph"),
            kind: Kind::Role,
            id: id.into(),
            name: id.into(),
        };
        let part = Unread::part_of(Kind::Role, "eligible", "refused");
        assert!(part.hides(&role("eligible:r")) && !part.hides(&role("r")));
        let all = Unread::all_of(Kind::Role, "refused");
        assert!(all.hides(&role("r")) && all.hides(&role("eligible:r")));
        assert!(!Unread::all_of(Kind::App, "refused").hides(&role("r")));
        let old = r#"{"person":"W-1","account":null,"held":[]}"#;
        assert!(serde_json::from_str::<Actual>(old).unwrap().unread.is_empty());
    }
}
