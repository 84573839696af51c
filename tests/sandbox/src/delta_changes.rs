//! From the journal to one entry for each changed object.

use std::collections::HashMap;

use crate::delta::MEMBERS;
use crate::directory::{Change, Directory};
use crate::directory_roles;
use crate::schema::Kind;

/// What has changed about one object.
#[derive(Debug, Default)]
pub(crate) struct Entry {
    pub(crate) id: String,
    /// It came, went or came back.
    pub(crate) whole: bool,
    pub(crate) properties: Vec<String>,
    /// Members of a group, a unit or a role, or managers of a user: whether they are there now.
    pub(crate) links: Vec<(String, bool)>,
}

fn is(directory: &Directory, id: &str, kind: Kind) -> bool {
    let object = directory.get(id).or_else(|| directory.gone(id));
    object.is_some_and(|object| object.kind == kind)
}

/// The ids of the members of a group, an administrative unit or a directory role.
pub(crate) fn members<'a>(directory: &'a Directory, id: &'a str) -> impl Iterator<Item = &'a String> {
    let role = directory
        .get(id)
        .filter(|object| object.kind == Kind::DirectoryRole);
    let holders = role
        .into_iter()
        .flat_map(|role| directory_roles::holders(directory, role));
    let holders = holders.map(|holder| &holder.id);
    directory
        .members
        .targets(id)
        .chain(directory.units.targets(id))
        .chain(holders)
}

/// The changed objects of a kind between two positions of the journal, each once, but a group of which very many
/// members have changed several times. `None` where the journal never was that long.
pub(crate) fn changes(directory: &Directory, kind: Kind, from: usize, until: usize) -> Option<Vec<Entry>> {
    let mut found: Vec<Entry> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut entry = |id: &str| -> usize {
        *places.entry(id.to_owned()).or_insert_with(|| {
            found.push(Entry {
                id: id.to_owned(),
                ..Entry::default()
            });
            found.len() - 1
        })
    };
    let mut noted: Vec<(usize, &Change)> = Vec::new();
    for change in directory.journal.between(from, until)? {
        let id = match change {
            Change::Object { kind: of, id, .. } if *of == kind => id,
            Change::Member { group, .. } if is(directory, group, kind) => group,
            Change::Manager { user, .. } if kind == Kind::User => user,
            _ => continue,
        };
        noted.push((entry(id), change));
    }
    for (place, change) in noted {
        let Some(entry) = found.get_mut(place) else {
            continue;
        };
        match change {
            Change::Object { properties, .. } => {
                entry.whole |= properties.is_empty();
                for name in properties {
                    if !entry.properties.contains(name) {
                        entry.properties.push(name.clone());
                    }
                }
            }
            Change::Member { group, member } => {
                link(
                    entry,
                    member,
                    members(directory, group).any(|known| known == member),
                );
            }
            Change::Manager { manager, user } => {
                link(entry, manager, directory.reports.has(manager, user));
            }
        }
    }
    let mut out = Vec::new();
    for mut entry in found {
        while entry.links.len() > MEMBERS {
            let rest = entry.links.split_off(MEMBERS);
            out.push(Entry {
                id: entry.id.clone(),
                whole: entry.whole,
                properties: std::mem::take(&mut entry.properties),
                links: std::mem::replace(&mut entry.links, rest),
            });
        }
        out.push(entry);
    }
    Some(out)
}

fn link(entry: &mut Entry, id: &str, there: bool) {
    if !entry.links.iter().any(|(known, _)| known == id) {
        entry.links.push((id.to_owned(), there));
    }
}
