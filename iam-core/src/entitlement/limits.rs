//! How much may change before somebody has to look: [`Limits`], and what they count.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Entitlement, Kind};

/// A sort of change that a limit counts, one for each step that makes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
#[non_exhaustive]
pub enum Counted {
    CreateAccount,
    DeleteAccount,
    /// Sign-in blocked of somebody who leaves.
    BlockSignIn,
    /// Sign-in blocked of somebody who stays employed: for a leave of absence, or before the first day. As many as may
    /// leave, unless a limit of its own is set.
    Suspend,
    /// Attributes set or cleared, one for each account.
    UpdateAccount,
    GiveGroup,
    TakeGroup,
    GiveLicense,
    TakeLicense,
    /// A directory role.
    GiveRole,
    TakeRole,
    /// A role on an Azure scope.
    GiveAzure,
    TakeAzure,
    /// A role in an application.
    GiveApp,
    TakeApp,
    /// An access package.
    GivePackage,
    TakePackage,
}

impl Counted {
    /// All of them.
    pub const ALL: [Self; 17] = [
        Self::CreateAccount,
        Self::DeleteAccount,
        Self::BlockSignIn,
        Self::Suspend,
        Self::UpdateAccount,
        Self::GiveGroup,
        Self::TakeGroup,
        Self::GiveLicense,
        Self::TakeLicense,
        Self::GiveRole,
        Self::TakeRole,
        Self::GiveAzure,
        Self::TakeAzure,
        Self::GiveApp,
        Self::TakeApp,
        Self::GivePackage,
        Self::TakePackage,
    ];

    /// The word that a policy uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CreateAccount => "create_account",
            Self::DeleteAccount => "delete_account",
            Self::BlockSignIn => "block_sign_in",
            Self::Suspend => "suspend",
            Self::UpdateAccount => "update_account",
            Self::GiveGroup => "give_group",
            Self::TakeGroup => "take_group",
            Self::GiveLicense => "give_license",
            Self::TakeLicense => "take_license",
            Self::GiveRole => "give_role",
            Self::TakeRole => "take_role",
            Self::GiveAzure => "give_azure",
            Self::TakeAzure => "take_azure",
            Self::GiveApp => "give_app",
            Self::TakeApp => "take_app",
            Self::GivePackage => "give_package",
            Self::TakePackage => "take_package",
        }
    }

    /// Giving that sort of thing.
    pub fn giving(kind: Kind) -> Self {
        match kind {
            Kind::Group => Self::GiveGroup,
            Kind::License => Self::GiveLicense,
            Kind::Role => Self::GiveRole,
            Kind::Azure => Self::GiveAzure,
            Kind::App => Self::GiveApp,
            Kind::Package => Self::GivePackage,
        }
    }

    /// Taking that sort of thing.
    pub fn taking(kind: Kind) -> Self {
        match kind {
            Kind::Group => Self::TakeGroup,
            Kind::License => Self::TakeLicense,
            Kind::Role => Self::TakeRole,
            Kind::Azure => Self::TakeAzure,
            Kind::App => Self::TakeApp,
            Kind::Package => Self::TakePackage,
        }
    }
}

/// The most of something: in numbers, in percent of everybody at work, or both.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cap {
    /// So many.
    pub most: Option<u32>,
    /// So many in a hundred people at work; counts from five on.
    pub percent: Option<u32>,
}

/// What organisations people belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
#[non_exhaustive]
pub enum Organisation {
    Department,
    Company,
    Location,
    CostCenter,
}

impl Organisation {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Department, Self::Company, Self::Location, Self::CostCenter];

    /// The word that a policy uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Department => "department",
            Self::Company => "company",
            Self::Location => "location",
            Self::CostCenter => "cost_center",
        }
    }

    /// The person's own; people without one are an organisation of their own.
    pub fn of(self, person: &crate::person::Person) -> &str {
        let field = match self {
            Self::Department => &person.department,
            Self::Company => &person.company,
            Self::Location => &person.location,
            Self::CostCenter => &person.cost_center,
        };
        field.as_deref().unwrap_or_default()
    }
}

/// Limits for each department (or company, …) by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PerOrganisation {
    /// What tells the organisations apart.
    pub field: Organisation,
    /// People of one organisation who lose their access within the window.
    pub leavers: Cap,
    /// Changes to people of one organisation within the window.
    pub changes: BTreeMap<Counted, Cap>,
}

/// Roles (or groups that carry them) that weigh the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tier {
    /// What people call it.
    pub name: String,
    /// Names or ids, lower case.
    pub roles: BTreeSet<String>,
    /// Most of them given or taken within the window.
    pub max_changes: u32,
}

impl Tier {
    /// Whether that name or id is of the tier.
    pub fn has(&self, id: &str, name: &str) -> bool {
        self.roles.contains(&id.to_lowercase()) || self.roles.contains(&name.to_lowercase())
    }

    /// Whether the entitlement is of the tier.
    pub fn covers(&self, what: &Entitlement) -> bool {
        self.has(&what.id, &what.name)
    }
}

/// How much may change at once before a person has to look. `None` means no limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// People who lose their access within the window.
    pub max_leavers: Option<u32>,
    /// The same, in percent of everybody at work; counts from five leavers on.
    pub max_leavers_percent: Option<u32>,
    /// Administrative roles given or taken within the window, leavers' own apart.
    pub max_privileged_changes: Option<u32>,
    /// The rolling window, in hours.
    pub window_hours: u32,
    /// Changes within the window, by sort.
    #[serde(default)]
    pub changes: BTreeMap<Counted, Cap>,
    /// Administrative roles of a tier given or taken within the window, leavers' own apart.
    #[serde(default)]
    pub tiers: Vec<Tier>,
    /// Limits for each organisation by itself.
    #[serde(default)]
    pub per_organisation: Option<PerOrganisation>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_leavers: None,
            max_leavers_percent: None,
            max_privileged_changes: None,
            window_hours: 24,
            changes: BTreeMap::new(),
            tiers: Vec::new(),
            per_organisation: None,
        }
    }
}
