//! [`Memo`]: what an expression came to for people of the same values.
//!
//! Invariants: an answer is given again only where everything that was read is the same, letter by letter; what is
//! kept is bounded, in memory only, and never printed.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{PoisonError, RwLock};

use foldhash::fast::RandomState;
use jiff::civil::Date;

use super::Subject;

/// The most answers that are kept, a few dozen bytes each: more than there are days on which people were hired.
pub(super) const MOST: usize = 32_768;
/// When there is no room left, keeping answers was worth its while if one question in so many had been asked before.
const WORTH: usize = 4;

/// Something that an expression reads.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Read {
    Person(String),
    Manager(String),
    /// Whether there is a manager.
    HasManager,
    Today,
}

impl Read {
    /// From a name as [`super::clause::reads`] gives it.
    fn of(name: &str) -> Self {
        match name.split_once('.') {
            Some(("person", field)) => Self::Person(field.to_owned()),
            Some((_, field)) => Self::Manager(field.to_owned()),
            None if name == "today" => Self::Today,
            None => Self::HasManager,
        }
    }

    /// What expressions read, each once and in a fixed order.
    pub(super) fn all_of<'n>(names: impl IntoIterator<Item = &'n String>) -> Vec<Self> {
        let mut reads: Vec<Self> = names.into_iter().map(|name| Self::of(name)).collect();
        if reads.iter().any(|read| matches!(read, Self::Manager(_))) {
            reads.push(Self::HasManager); // a field of nobody is another matter than a field that is not set
        }
        reads.sort();
        reads.dedup();
        reads
    }
}

/// Answers by the values that were read.
pub(super) struct Memo<T> {
    reads: Vec<Read>,
    answers: RwLock<HashMap<Box<[u8]>, T, RandomState>>,
    asked: AtomicUsize,
    known: AtomicUsize,
    /// Set for good where hardly a question comes twice.
    useless: AtomicBool,
}

impl<T: Clone> Memo<T> {
    pub(super) fn new(reads: Vec<Read>) -> Self {
        Self {
            reads,
            answers: RwLock::default(),
            asked: AtomicUsize::new(0),
            known: AtomicUsize::new(0),
            useless: AtomicBool::new(false),
        }
    }

    pub(super) fn reads(&self) -> &[Read] {
        &self.reads
    }

    /// The answer for a subject on a day; `key` is room to work in.
    pub(super) fn answer(
        &self,
        subject: &Subject<'_>,
        today: Date,
        key: &mut Vec<u8>,
        make: impl FnOnce() -> T,
    ) -> T {
        if self.useless.load(Ordering::Relaxed) {
            return make();
        }
        self.write_key(subject, today, key);
        let found = {
            let answers = self.answers.read().unwrap_or_else(PoisonError::into_inner);
            answers.get(key.as_slice()).cloned()
        };
        let asked = self.asked.fetch_add(1, Ordering::Relaxed);
        if let Some(found) = found {
            self.known.fetch_add(1, Ordering::Relaxed);
            return found;
        }
        let fresh = make();
        let mut answers = self.answers.write().unwrap_or_else(PoisonError::into_inner);
        if answers.len() >= MOST {
            answers.clear();
            if self.known.load(Ordering::Relaxed) < asked / WORTH {
                self.useless.store(true, Ordering::Relaxed);
            }
        }
        if !self.useless.load(Ordering::Relaxed) {
            answers.insert(key.as_slice().into(), fresh.clone());
        }
        fresh
    }

    /// Everything that is read, one behind the other, so that no two different readings are written alike.
    fn write_key(&self, subject: &Subject<'_>, today: Date, key: &mut Vec<u8>) {
        key.clear();
        let mut field = |of: Option<&crate::person::Person>, name: &str| {
            let date = match name {
                "hire_date" => of.and_then(|of| of.hire_date),
                "last_day" => of.and_then(|of| of.last_day),
                _ => {
                    let value = of.and_then(|of| of.field(name));
                    return match value {
                        None => key.push(0),
                        Some(text) => {
                            key.push(1);
                            key.extend_from_slice(&(text.len() as u64).to_le_bytes());
                            key.extend_from_slice(text.as_bytes());
                        }
                    };
                }
            };
            match date {
                None => key.push(0),
                Some(date) => day(date, key),
            }
        };
        for read in &self.reads {
            match read {
                Read::Person(name) => field(Some(subject.person), name),
                Read::Manager(name) => field(subject.manager, name),
                Read::HasManager | Read::Today => {}
            }
        }
        for read in &self.reads {
            match read {
                Read::HasManager => key.push(u8::from(subject.manager.is_some())),
                Read::Today => day(today, key),
                Read::Person(_) | Read::Manager(_) => {}
            }
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.answers.read().unwrap_or_else(PoisonError::into_inner).len()
    }
}

fn day(date: Date, key: &mut Vec<u8>) {
    key.push(2);
    key.extend_from_slice(&date.year().to_le_bytes());
    key.extend([date.month(), date.day()].map(i8::cast_unsigned));
}

impl<T> fmt::Debug for Memo<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memo")
            .field("reads", &self.reads)
            .finish_non_exhaustive()
    }
}
