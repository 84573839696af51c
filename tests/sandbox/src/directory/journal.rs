//! What has changed since the seed, in order: what delta queries read. And what one request did, with what was
//! there before: what the audit log and subscribers are told.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::{Directory, Object};
use crate::schema::Kind;

/// How long changes are kept: as long as the tokens of delta queries live.
const LIFE: SignedDuration = SignedDuration::from_hours(7 * 24);
/// How many changes are kept at most. Who stands before them starts again, as after seven days.
const MOST: usize = 100_000;

/// One change. What an object looks like is read when it is asked for, not kept here.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    /// These properties of an object; none named: it came, went or came back.
    Object {
        kind: Kind,
        id: String,
        properties: Vec<String>,
    },
    /// A member came to a group, an administrative unit or a directory role, or left it.
    Member { group: String, member: String },
    /// A user got that manager or lost it.
    Manager { manager: String, user: String },
}

/// One thing that a request did to one object.
#[derive(Debug, Clone)]
pub(crate) struct Deed {
    pub(crate) verb: Verb,
    pub(crate) kind: Kind,
    pub(crate) id: String,
    /// Display name and user principal name as they were: the object may be gone.
    pub(crate) name: Option<String>,
    pub(crate) principal: Option<String>,
    pub(crate) edits: Vec<Edit>,
}

/// What was done. The links name the other end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verb {
    Added,
    Restored,
    Updated,
    PasswordSet,
    Deleted,
    /// A deleted object is gone for good.
    Purged,
    MemberAdded(String),
    MemberRemoved(String),
    OwnerAdded(String),
    OwnerRemoved(String),
    ManagerSet(String),
    ManagerRemoved(String),
}

impl Verb {
    /// The other end of a link.
    pub(crate) fn other(&self) -> Option<&String> {
        match self {
            Self::MemberAdded(id)
            | Self::MemberRemoved(id)
            | Self::OwnerAdded(id)
            | Self::OwnerRemoved(id)
            | Self::ManagerSet(id)
            | Self::ManagerRemoved(id) => Some(id),
            Self::Added
            | Self::Restored
            | Self::Updated
            | Self::PasswordSet
            | Self::Deleted
            | Self::Purged => None,
        }
    }
}

/// A property before and after; null where there was nothing.
#[derive(Debug, Clone)]
pub(crate) struct Edit {
    pub(crate) property: String,
    pub(crate) old: Value,
    pub(crate) new: Value,
}

/// The changes in the order in which they were made. Positions count from the first change ever.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    tracking: bool,
    entries: VecDeque<(Timestamp, Change)>,
    /// How many were dropped before the first that is kept.
    dropped: usize,
    pending: Vec<Change>,
    deeds: Vec<Deed>,
}

impl Journal {
    /// How many changes there were that a reader whose view ends at that instant sees.
    pub(crate) fn seen_until(&self, until: Option<Timestamp>) -> usize {
        let kept = until.map_or(self.entries.len(), |until| {
            self.entries.partition_point(|(at, _)| *at <= until)
        });
        self.dropped + kept
    }

    /// The changes between two positions; `None` where there never were that many, or they are dropped.
    pub(crate) fn between(&self, from: usize, until: usize) -> Option<impl Iterator<Item = &Change>> {
        let (from, until) = (from.checked_sub(self.dropped)?, until.checked_sub(self.dropped)?);
        let there = from <= until && until <= self.entries.len();
        there.then(|| self.entries.range(from..until).map(|(_, change)| change))
    }

    /// Drops what is too old or too much.
    fn trim(&mut self) {
        let Some((newest, _)) = self.entries.back() else {
            return;
        };
        let newest = *newest;
        while let Some((oldest, _)) = self.entries.front()
            && (self.entries.len() > MOST || newest.duration_since(*oldest) > LIFE)
        {
            self.entries.pop_front();
            self.dropped += 1;
        }
    }

    /// An object came, went or came back.
    pub(super) fn touch(&mut self, object: &Object, verb: Verb) {
        self.note(object, Vec::new());
        let new = object
            .props
            .iter()
            .filter(|(name, _)| self.tracking && verb == Verb::Added && *name != "id");
        let edits = new.map(|(name, value)| Edit {
            property: name.clone(),
            old: Value::Null,
            new: value.clone(),
        });
        let edits = edits.collect();
        self.did(object, verb, edits);
    }

    /// A deleted object is gone for good.
    pub(crate) fn purge(&mut self, object: &Object) {
        self.touch(object, Verb::Purged);
    }

    fn did(&mut self, object: &Object, verb: Verb, edits: Vec<Edit>) {
        if self.tracking {
            self.deeds.push(Deed {
                verb,
                kind: object.kind,
                id: object.id.clone(),
                name: object.text("displayName").map(str::to_owned),
                principal: object.text("userPrincipalName").map(str::to_owned),
                edits,
            });
        }
    }

    fn note(&mut self, object: &Object, properties: Vec<String>) {
        if self.tracking {
            self.pending.push(Change::Object {
                kind: object.kind,
                id: object.id.clone(),
                properties,
            });
        }
    }

    /// An object was changed: notes what is different.
    pub(crate) fn compare(&mut self, before: &Object, after: &Object) {
        let mut different: Vec<String> = Vec::new();
        let mut edits = Vec::new();
        for name in before.props.keys().chain(after.props.keys()) {
            if before.props.get(name) != after.props.get(name) && !different.contains(name) {
                different.push(name.clone());
                edits.push(Edit {
                    property: name.clone(),
                    old: before.props.get(name).cloned().unwrap_or_default(),
                    new: after.props.get(name).cloned().unwrap_or_default(),
                });
            }
        }
        if before.password_version != after.password_version {
            self.did(after, Verb::PasswordSet, Vec::new());
        }
        let licenses = |object: &Object| {
            let inherited = object
                .inherited
                .iter()
                .map(|((_, sku), held)| (sku.clone(), held.error));
            let direct = object
                .licenses
                .iter()
                .map(|(sku, held)| (sku.clone(), held.error));
            direct.chain(inherited).collect::<Vec<_>>()
        };
        if licenses(before) != licenses(after) {
            different.push("assignedLicenses".to_owned());
            different.push("licenseAssignmentStates".to_owned());
            let skus = |object: &Object| -> Value {
                let held = licenses(object).into_iter().filter(|(_, error)| *error == "None");
                held.map(|(sku, _)| Value::from(sku)).collect()
            };
            edits.push(Edit {
                property: "assignedLicense".to_owned(),
                old: skus(before),
                new: skus(after),
            });
        }
        if !edits.is_empty() {
            self.did(after, Verb::Updated, edits);
        }
        if !different.is_empty() {
            self.note(after, different);
        }
    }

    /// Somebody holds a directory role for the whole tenant from now on, or no more.
    pub(crate) fn note_holder(&mut self, role: String, holder: &str) {
        if self.tracking {
            self.pending.push(Change::Member {
                group: role,
                member: holder.to_owned(),
            });
        }
    }

    pub(crate) fn tracking(&self) -> bool {
        self.tracking
    }
}

impl Directory {
    /// From here on changes are noted. Before, the seed is planted.
    pub(crate) fn track(&mut self) {
        self.journal.tracking = true;
        self.members.tracking = true;
        self.units.tracking = true;
        self.owners.tracking = true;
        self.reports.tracking = true;
    }

    /// What was done by one request stands in the journal under its time. Gives it with what was there before.
    pub(crate) fn settle(&mut self, now: Timestamp) -> Vec<Deed> {
        let members = std::mem::take(&mut self.members.changed);
        let reports = std::mem::take(&mut self.reports.changed);
        let owners = std::mem::take(&mut self.owners.changed);
        let units = std::mem::take(&mut self.units.changed);
        let mut deeds = std::mem::take(&mut self.journal.deeds);
        let added: [fn(String) -> Verb; 3] = [Verb::MemberAdded, Verb::OwnerAdded, Verb::ManagerSet];
        let removed: [fn(String) -> Verb; 3] =
            [Verb::MemberRemoved, Verb::OwnerRemoved, Verb::ManagerRemoved];
        for (links, changed, place) in [
            (&self.members, &members, 0),
            (&self.owners, &owners, 1),
            (&self.reports, &reports, 2),
        ] {
            for (from, to) in changed {
                // Who is deleted loses every link, and nobody is told of each.
                let (Some(source), Some(target)) = (self.objects.get(from), self.objects.get(to)) else {
                    continue;
                };
                let verb = if links.has(from, to) {
                    added[place]
                } else {
                    removed[place]
                };
                // A manager is the user's, members and owners are the group's.
                let (of, other) = if place == 2 {
                    (target, source)
                } else {
                    (source, target)
                };
                deeds.push(Deed {
                    verb: verb(other.id.clone()),
                    kind: of.kind,
                    id: of.id.clone(),
                    name: of.text("displayName").map(str::to_owned),
                    principal: of.text("userPrincipalName").map(str::to_owned),
                    edits: Vec::new(),
                });
            }
        }
        // The clock may be set back; the journal's times only grow, so that a part of it can be found by time.
        let at = self
            .journal
            .entries
            .back()
            .map_or(now, |(last, _)| (*last).max(now));
        let objects = std::mem::take(&mut self.journal.pending);
        let members = members
            .into_iter()
            .chain(units)
            .map(|(group, member)| Change::Member { group, member });
        let managers = reports
            .into_iter()
            .map(|(manager, user)| Change::Manager { manager, user });
        let all = objects.into_iter().chain(members).chain(managers);
        self.journal.entries.extend(all.map(|change| (at, change)));
        self.journal.trim();
        deeds
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use serde_json::Map;

    use super::{Directory, MOST, Timestamp};
    use crate::directory::Tenant;
    use crate::ids::Ids;
    use crate::schema::Kind;

    #[test]
    fn old_and_too_many_changes_are_dropped_and_positions_stay() {
        let tenant = Tenant {
            id: String::new(),
            name: "",
            domains: Vec::new(),
        };
        let mut directory = Directory::new(Ids::new(1), tenant);
        directory.track();
        let id = directory.insert(Kind::User, Map::new(), Timestamp::UNIX_EPOCH);
        let change = |directory: &mut Directory, count: usize, now: Timestamp| {
            for number in 0..count {
                directory.change(&id, |user| user.set("city", format!("{now}{number}").into()));
            }
            directory.settle(now);
        };
        let held = |directory: &Directory, from: usize, until: usize| {
            directory.journal.between(from, until).map(Iterator::count)
        };
        let start = Timestamp::UNIX_EPOCH;
        change(&mut directory, 4, start);
        assert_eq!(
            (directory.journal.seen_until(None), held(&directory, 0, 5)),
            (5, Some(5))
        );
        assert_eq!((held(&directory, 0, 6), held(&directory, 4, 3)), (None, None));
        let later = start + SignedDuration::from_hours(8 * 24);
        change(&mut directory, 2, later);
        assert_eq!(directory.journal.seen_until(None), 7);
        assert_eq!((held(&directory, 4, 7), held(&directory, 5, 7)), (None, Some(2)));
        assert_eq!(directory.journal.seen_until(Some(start)), 5);
        change(&mut directory, MOST, later);
        assert_eq!(directory.journal.seen_until(None), MOST + 7);
        assert_eq!(
            (held(&directory, 6, 7), held(&directory, 7, MOST + 7)),
            (None, Some(MOST))
        );
    }
}
