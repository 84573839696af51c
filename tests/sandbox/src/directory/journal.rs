//! What has changed since the seed, in order: what delta queries read.

use jiff::Timestamp;

use super::{Directory, Object};
use crate::schema::Kind;

/// One change. What an object looks like is read when it is asked for, not kept here.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    /// These properties of an object; none named: it came, went or came back.
    Object {
        kind: Kind,
        id: String,
        properties: Vec<String>,
    },
    /// A member came to a group or left it.
    Member { group: String, member: String },
    /// A user got that manager or lost it.
    Manager { manager: String, user: String },
}

/// The changes in the order in which they were made.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    tracking: bool,
    entries: Vec<(Timestamp, Change)>,
    pending: Vec<Change>,
}

impl Journal {
    /// How many changes there are that a reader whose view ends at that instant sees.
    pub(crate) fn seen_until(&self, until: Option<Timestamp>) -> usize {
        until.map_or(self.entries.len(), |until| {
            self.entries.partition_point(|(at, _)| *at <= until)
        })
    }

    /// The changes between two positions; `None` where there never were that many.
    pub(crate) fn between(&self, from: usize, until: usize) -> Option<impl Iterator<Item = &Change>> {
        let part = self.entries.get(from..until)?;
        Some(part.iter().map(|(_, change)| change))
    }

    /// An object came, went or came back.
    pub(crate) fn touch(&mut self, object: &Object) {
        self.note(object, Vec::new());
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
        for name in before.props.keys().chain(after.props.keys()) {
            if before.props.get(name) != after.props.get(name) && !different.contains(name) {
                different.push(name.clone());
            }
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
        }
        if !different.is_empty() {
            self.note(after, different);
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
        self.reports.tracking = true;
    }

    /// What was done by one request stands in the journal under its time.
    pub(crate) fn settle(&mut self, now: Timestamp) {
        let members = std::mem::take(&mut self.members.changed);
        let reports = std::mem::take(&mut self.reports.changed);
        // The clock may be set back; the journal's times only grow, so that a part of it can be found by time.
        let at = self
            .journal
            .entries
            .last()
            .map_or(now, |(last, _)| (*last).max(now));
        let objects = std::mem::take(&mut self.journal.pending);
        let members = members
            .into_iter()
            .map(|(group, member)| Change::Member { group, member });
        let managers = reports
            .into_iter()
            .map(|(manager, user)| Change::Manager { manager, user });
        let all = objects.into_iter().chain(members).chain(managers);
        self.journal.entries.extend(all.map(|change| (at, change)));
    }
}
