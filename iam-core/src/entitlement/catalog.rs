//! What a target offers: [`Catalog`].

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::OnceLock;

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
    /// Where what is found by its name or id: built when first asked, and not part of what the target offers.
    #[doc(hidden)]
    #[serde(skip)]
    pub index: Index,
}

/// Where items are found. Belongs to one catalogue: a copy builds its own.
#[derive(Default)]
pub struct Index(OnceLock<Places>);

#[derive(Debug, Default)]
struct Places {
    /// How many items there were.
    count: usize,
    names: HashMap<(Kind, String), Vec<usize>>,
    ids: HashMap<(Kind, String), Vec<usize>>,
}

impl Index {
    fn of(&self, items: &[Item]) -> &Places {
        self.0.get_or_init(|| {
            let mut places = Places {
                count: items.len(),
                ..Places::default()
            };
            for (at, item) in items.iter().enumerate() {
                let what = &item.entitlement;
                let key = |text: &str| (what.kind, text.to_ascii_lowercase());
                places.names.entry(key(&what.name)).or_default().push(at);
                places.ids.entry(key(&what.id)).or_default().push(at);
            }
            places
        })
    }
}

impl Places {
    #[allow(clippy::unused_self)] // the maps are its own
    fn places(&self, map: &HashMap<(Kind, String), Vec<usize>>, kind: Kind, text: &str) -> Vec<usize> {
        map.get(&(kind, text.to_ascii_lowercase()))
            .cloned()
            .unwrap_or_default()
    }
}

impl Clone for Index {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl PartialEq for Index {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Index {}

impl fmt::Debug for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Index")
    }
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
        let name = reference.path();
        let id = name.strip_prefix("id:").map(str::trim);
        let mut found = self.named(reference.kind, id, name).into_iter();
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

    /// The first two items that go by that id, or else by that name. What the index does not know is looked for all the
    /// same: it may be newer.
    fn named(&self, kind: Kind, id: Option<&str>, name: &str) -> Vec<&Item> {
        let is = |item: &&Item| {
            let what = &item.entitlement;
            what.kind == kind
                && match id {
                    Some(id) => what.id.eq_ignore_ascii_case(id),
                    None => {
                        what.name.eq_ignore_ascii_case(name)
                            || (kind == Kind::Role && what.id.eq_ignore_ascii_case(name))
                    }
                }
        };
        let index = self.index.of(&self.items);
        let mut places = match id {
            Some(id) => index.places(&index.ids, kind, id),
            None => index.places(&index.names, kind, name),
        };
        if id.is_none() && kind == Kind::Role {
            places.extend(index.places(&index.ids, kind, name));
            places.sort_unstable();
            places.dedup();
        }
        let items = places.iter().filter_map(|at| self.items.get(*at));
        let known: Vec<&Item> = items.filter(is).take(2).collect();
        if known.is_empty() || index.count != self.items.len() {
            return self.items.iter().filter(is).take(2).collect();
        }
        known
    }

    /// The item of an entitlement, if it is still offered.
    pub fn item(&self, what: &Entitlement) -> Option<&Item> {
        let index = self.index.of(&self.items);
        let places = index.places(&index.ids, what.kind, &what.id);
        let mut known = places.iter().filter_map(|at| self.items.get(*at));
        known
            .find(|item| same(&item.entitlement, what))
            .or_else(|| self.items.iter().find(|item| same(&item.entitlement, what)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entitlement::TargetId;

    fn item(kind: Kind, id: &str, name: &str) -> Item {
        Item {
            entitlement: Entitlement {
                target: TargetId::new("graph"),
                kind,
                id: id.to_owned(),
                name: name.to_owned(),
            },
            class: Class::Assignable,
            privileged: false,
            seats: None,
            carries: Vec::new(),
        }
    }

    #[test]
    fn what_is_named_is_found_by_name_or_id_whatever_the_case_and_twice_is_an_error() {
        let mut catalog = Catalog {
            items: vec![
                item(Kind::Group, "G-1", "Staff"),
                item(Kind::Group, "g-2", "Twice"),
                item(Kind::Group, "g-3", "TWICE"),
                item(Kind::Role, "r-1", "Reader"),
                item(Kind::License, "l-1", "staff"),
                item(Kind::Role, "Reader", "Writer"),
            ],
            ..Catalog::default()
        };
        let find = |catalog: &Catalog, kind, name: &str| {
            let found = catalog.resolve(&Reference::new(kind, name));
            found.map(|item| item.entitlement.id.clone())
        };
        let check = |kind, name: &str, expect: Result<&str, &str>| {
            let found = find(&catalog, kind, name);
            match (&found, expect) {
                (Ok(id), Ok(expect)) => assert_eq!(id, expect, "{name}"),
                (Err(why), Err(part)) => assert!(why.contains(part), "{why}"),
                _ => assert!(found.is_err() == expect.is_err(), "{name}: {found:?}"),
            }
        };
        check(Kind::Group, "STAFF", Ok("G-1"));
        check(Kind::License, "Staff", Ok("l-1"));
        check(Kind::Group, "id: g-1", Ok("G-1"));
        check(Kind::Group, "twice", Err("more than one"));
        check(Kind::Group, "id:G-3", Ok("g-3"));
        check(Kind::Group, "g-3", Err("has no"));
        check(Kind::Role, "R-1", Ok("r-1"));
        check(Kind::Role, "reader", Err("more than one"));
        let found = catalog.item(&item(Kind::Role, "R-1", "").entitlement);
        assert_eq!(found.map(|item| item.entitlement.name.as_str()), Some("Reader"));
        // What comes later is found, and makes a name ambiguous.
        catalog.items.push(item(Kind::Group, "g-4", "staff"));
        assert!(find(&catalog, Kind::Group, "Staff").is_err());
        assert_eq!(find(&catalog, Kind::Group, "id:g-4"), Ok("g-4".to_owned()));
        let copy = Catalog {
            items: vec![item(Kind::Group, "g-9", "Other")],
            ..catalog.clone()
        };
        assert!(
            find(&copy, Kind::Group, "Staff").is_err(),
            "a copy has an index of its own"
        );
    }
}
