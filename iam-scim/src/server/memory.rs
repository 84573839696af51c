//! The store in memory, for tests and for services that rebuild their state.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use async_trait::async_trait;
use serde_json::Value;

use super::record::{Index, Key, Record};
use super::schema::Kind;
use super::store::{Membership, Page, Store, StoreError};

/// Keeps everything in memory, in order of creation.
#[derive(Debug, Default)]
pub struct MemoryStore {
    shelves: RwLock<Shelves>,
}

#[derive(Debug, Default)]
struct Shelves {
    users: Shelf,
    groups: Shelf,
}

#[derive(Debug, Default)]
struct Shelf {
    last: u64,
    rows: BTreeMap<u64, Arc<Record>>,
    ids: HashMap<String, u64>,
    keys: HashMap<Key, BTreeSet<u64>>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    // A writer panics at no point between its changes, so a poisoned lock guards whole records.
    fn read(&self) -> RwLockReadGuard<'_, Shelves> {
        self.shelves.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Shelves> {
        self.shelves.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shelves {
    fn of(&self, kind: Kind) -> &Shelf {
        match kind {
            Kind::User => &self.users,
            Kind::Group => &self.groups,
        }
    }

    fn of_mut(&mut self, kind: Kind) -> &mut Shelf {
        match kind {
            Kind::User => &mut self.users,
            Kind::Group => &mut self.groups,
        }
    }
}

impl Shelf {
    fn under(&self, key: &Key) -> impl Iterator<Item = &Arc<Record>> {
        let rows = self.keys.get(key).into_iter().flatten();
        rows.filter_map(|row| self.rows.get(row))
    }

    fn current(&self, id: &str) -> Option<(u64, Arc<Record>)> {
        let row = *self.ids.get(id)?;
        Some((row, self.rows.get(&row)?.clone()))
    }

    fn forget(&mut self, key: &Key, row: u64) {
        if let Some(rows) = self.keys.get_mut(key) {
            rows.remove(&row);
            if rows.is_empty() {
                self.keys.remove(key);
            }
        }
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn get(&self, kind: Kind, id: &str) -> Result<Option<Arc<Record>>, StoreError> {
        Ok(self.read().of(kind).current(id).map(|(_, record)| record))
    }

    async fn put(&self, record: Arc<Record>, expected: Option<u64>) -> Result<(), StoreError> {
        let mut shelves = self.write();
        let own = shelves.of_mut(record.kind);
        let current = own.current(&record.id);
        if current.as_ref().map(|(_, record)| record.version) != expected {
            return Err(StoreError::Stale);
        }
        let old = current
            .as_ref()
            .map(|(_, record)| record.keys())
            .unwrap_or_default();
        let new = record.keys();
        let row = current.map_or(own.last + 1, |(row, _)| row);
        for key in new.iter().filter(|key| key.index.unique()) {
            let mut holders = own.keys.get(key).into_iter().flatten();
            if holders.any(|holder| *holder != row) {
                return Err(StoreError::Taken(key.index));
            }
        }
        let kept: HashSet<&Key> = new.iter().collect();
        for key in old.iter().filter(|key| !kept.contains(key)) {
            own.forget(key, row);
        }
        let had: HashSet<&Key> = old.iter().collect();
        for key in new.iter().filter(|key| !had.contains(key)) {
            own.keys.entry(key.clone()).or_default().insert(row);
        }
        own.last = own.last.max(row);
        own.ids.insert(record.id.clone(), row);
        own.rows.insert(row, record);
        Ok(())
    }

    async fn delete(&self, kind: Kind, id: &str, expected: u64) -> Result<(), StoreError> {
        let mut shelves = self.write();
        let own = shelves.of_mut(kind);
        let (row, record) = own.current(id).ok_or(StoreError::Stale)?;
        if record.version != expected {
            return Err(StoreError::Stale);
        }
        for key in record.keys() {
            own.forget(&key, row);
        }
        own.ids.remove(id);
        own.rows.remove(&row);
        Ok(())
    }

    async fn find(&self, kind: Kind, key: &Key) -> Result<Vec<Arc<Record>>, StoreError> {
        Ok(self.read().of(kind).under(key).cloned().collect())
    }

    async fn scan(&self, kind: Kind, offset: usize, limit: usize) -> Result<Page, StoreError> {
        let shelves = self.read();
        let rows = &shelves.of(kind).rows;
        let records = rows.values().skip(offset).take(limit).cloned().collect();
        Ok(Page::new(records, rows.len()))
    }

    async fn memberships(&self, members: &[String]) -> Result<Vec<Membership>, StoreError> {
        let shelves = self.read();
        let mut out = Vec::new();
        for member in members {
            for group in shelves.groups.under(&Key::new(Index::Member, member)) {
                let display = group.body.get("displayName").and_then(Value::as_str);
                let display = display.unwrap_or_default().to_owned();
                out.push(Membership::new(member.clone(), group.id.clone(), display));
            }
        }
        Ok(out)
    }
}
