//! What a target offers: [`Catalog`].

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Entitlement, Kind, Reference, same};

/// Whether a catalogue item can be given to an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Class {
    /// Can be given and taken.
    Assignable,
    /// A group whose members are computed from attributes.
    Dynamic,
    /// Mastered in another directory.
    Synced,
    /// A mail-enabled security group or distribution list, which the target's API cannot change.
    MailEnabled,
}

/// Seats of a licence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seats {
    /// Bought and usable.
    pub total: u64,
    /// Taken.
    pub used: u64,
}

/// One thing a target offers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// What.
    pub entitlement: Entitlement,
    /// Whether it can be given.
    pub class: Class,
    /// Whether it carries administrative power.
    pub privileged: bool,
    /// Seats, for licences.
    pub seats: Option<Seats>,
    /// Ids of licences that come with it (group-based licensing).
    pub carries: Vec<String>,
}

/// Everything a target offers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Catalog {
    /// What can be held.
    pub items: Vec<Item>,
    /// Domains that sign-in names may end in, lower case.
    pub domains: BTreeSet<String>,
    /// Roles without which nobody could repair the tenant any more: some of their holders must stay.
    #[serde(default)]
    pub keep: Vec<Keep>,
    /// Ids of the accounts that the platform itself runs as, lower case. They are never touched.
    #[serde(default)]
    pub own: BTreeSet<String>,
    /// The kinds of which the target would not tell (all of) what it offers, and why: what a policy names of them may
    /// be there all the same. Accounts of which it cannot tell for that reason what they hold are
    /// [unread](super::Actual::unread).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unread: BTreeMap<Kind, String>,
    /// Why the domains could not be read, where they could not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domains_unread: Option<String>,
}

/// An entitlement of which some holders must stay, and be able to sign in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keep {
    /// Which.
    pub entitlement: Entitlement,
    /// How many at least.
    pub least: usize,
    /// The ids of the accounts that hold it now and may sign in, lower case; `None` when that could not be read, and
    /// then it is taken from nobody.
    pub holders: Option<BTreeSet<String>>,
    /// Ids of groups whose members hold it, lower case.
    pub through: BTreeSet<String>,
}

impl Catalog {
    /// Finds what a policy names.
    ///
    /// # Errors
    /// A clause that says what is wrong: nothing by that name, more than one, or that nobody can tell.
    pub fn resolve(&self, reference: &Reference) -> Result<&Item, String> {
        let of_kind = self
            .items
            .iter()
            .filter(|item| item.entitlement.kind == reference.kind);
        let name = reference.path();
        let id = name.strip_prefix("id:");
        let mut found = of_kind.filter(|item| match id {
            Some(id) => item.entitlement.id.eq_ignore_ascii_case(id.trim()),
            None => {
                item.entitlement.name.eq_ignore_ascii_case(name)
                    || (reference.kind == Kind::Role && item.entitlement.id.eq_ignore_ascii_case(name))
            }
        });
        let first = found
            .next()
            .ok_or_else(|| match self.unread.get(&reference.kind) {
                Some(why) => format!("{reference} cannot be looked up: {why}"),
                None => format!("the tenant has no {reference}"),
            })?;
        if id.is_none() && found.next().is_some() {
            return Err(format!(
                "the tenant has more than one {reference}: name it as \"id:<id>\""
            ));
        }
        Ok(first)
    }

    /// The item of an entitlement, if it is still offered.
    pub fn item(&self, what: &Entitlement) -> Option<&Item> {
        self.items.iter().find(|item| same(&item.entitlement, what))
    }
}
