//! Links between objects, findable from both ends.

use std::collections::{BTreeSet, HashMap};

/// A many-to-many relation over ids: group to member, manager to report.
#[derive(Debug, Default)]
pub(crate) struct Links {
    out: HashMap<String, BTreeSet<String>>,
    back: HashMap<String, BTreeSet<String>>,
    /// Links that were made or undone since the journal took note.
    pub(super) changed: Vec<(String, String)>,
    pub(super) tracking: bool,
}

impl Links {
    /// Whether the link is new.
    pub(crate) fn add(&mut self, from: &str, to: &str) -> bool {
        self.back
            .entry(to.to_owned())
            .or_default()
            .insert(from.to_owned());
        let new = self.out.entry(from.to_owned()).or_default().insert(to.to_owned());
        self.note(new, from, to);
        new
    }

    /// Whether the link was there.
    pub(crate) fn remove(&mut self, from: &str, to: &str) -> bool {
        if let Some(sources) = self.back.get_mut(to) {
            sources.remove(from);
        }
        let gone = self.out.get_mut(from).is_some_and(|targets| targets.remove(to));
        self.note(gone, from, to);
        gone
    }

    fn note(&mut self, changed: bool, from: &str, to: &str) {
        if changed && self.tracking {
            self.changed.push((from.to_owned(), to.to_owned()));
        }
    }

    pub(crate) fn has(&self, from: &str, to: &str) -> bool {
        self.out.get(from).is_some_and(|targets| targets.contains(to))
    }

    pub(crate) fn targets(&self, from: &str) -> impl Iterator<Item = &String> {
        self.out.get(from).into_iter().flatten()
    }

    pub(crate) fn sources(&self, to: &str) -> impl Iterator<Item = &String> {
        self.back.get(to).into_iter().flatten()
    }

    /// Removes every link of an object and gives the sources and the targets it had.
    pub(crate) fn forget(&mut self, id: &str) -> (Vec<String>, Vec<String>) {
        let sources: Vec<String> = self.back.remove(id).into_iter().flatten().collect();
        for source in &sources {
            if let Some(targets) = self.out.get_mut(source) {
                targets.remove(id);
            }
        }
        let targets: Vec<String> = self.out.remove(id).into_iter().flatten().collect();
        for target in &targets {
            if let Some(back) = self.back.get_mut(target) {
                back.remove(id);
            }
        }
        for source in &sources {
            self.note(true, source, id);
        }
        for target in &targets {
            self.note(true, id, target);
        }
        (sources, targets)
    }
}
