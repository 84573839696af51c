//! From the journal to one entry for each changed object.

use std::collections::HashMap;

use crate::delta::MEMBERS;
use crate::directory::{Change, Directory};
use crate::schema::Kind;

/// What has changed about one object.
#[derive(Debug, Default)]
pub(crate) struct Entry {
    pub(crate) id: String,
    /// It came, went or came back.
    pub(crate) whole: bool,
    pub(crate) properties: Vec<String>,
    /// Members of a group or managers of a user: whether they are there now.
    pub(crate) links: Vec<(String, bool)>,
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
            Change::Member { group, .. } if kind == Kind::Group => group,
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
                link(entry, member, directory.members.has(group, member));
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
