//! A target that keeps every effect in memory, for a preview.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;

use crate::entitlement::{Account, Actual, Catalog, TargetId};
use crate::error::Result;
use crate::person::PersonKey;
use crate::plan::{Action, IdempotencyKey, Step, apply};
use crate::target::{Applied, Candidates, Capabilities, Keys, PersonRef, Target};

/// A target whose accounts change in memory only.
#[derive(Debug)]
struct Overlay {
    inner: Arc<dyn Target>,
    changed: Mutex<BTreeMap<String, Actual>>,
}

/// One over each of these targets.
pub(super) fn over(targets: &[Arc<dyn Target>]) -> Vec<Arc<dyn Target>> {
    let overlay = |inner: &Arc<dyn Target>| -> Arc<dyn Target> {
        Arc::new(Overlay {
            inner: inner.clone(),
            changed: Mutex::default(),
        })
    };
    targets.iter().map(overlay).collect()
}

impl Overlay {
    /// The account as this preview has left it.
    fn account(&self, id: &str) -> Option<Account> {
        lock(&self.changed)
            .get(id)
            .and_then(|actual| actual.account.clone())
    }
}

#[async_trait]
impl Target for Overlay {
    fn id(&self) -> &TargetId {
        self.inner.id()
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn catalog(&self) -> Result<Catalog> {
        self.inner.catalog().await
    }

    async fn find(&self, keys: &[Keys]) -> Result<Vec<Candidates>> {
        let made = |key: &Keys| self.account(&new_id(&key.person));
        let mut keys: Vec<Keys> = keys.to_vec();
        for key in &mut keys {
            // The service does not know the ids that only this preview gave.
            key.account = key.account.take().filter(|id| !is_new(id));
        }
        let mut found = self.inner.find(&keys).await?;
        for (key, candidates) in keys.iter().zip(&mut found) {
            if let Some(account) = made(key) {
                candidates.active = vec![account];
            }
            for list in [&mut candidates.active, &mut candidates.deleted] {
                for account in list {
                    if let Some(changed) = self.account(&account.id) {
                        *account = changed;
                    }
                }
            }
            for account in &candidates.deleted {
                let known = Actual {
                    account: Some(account.clone()),
                    ..Actual::none(key.person.clone())
                };
                lock(&self.changed).entry(account.id.clone()).or_insert(known);
            }
            let (deleted, active) = candidates
                .active
                .drain(..)
                .chain(candidates.deleted.drain(..))
                .partition(|account| account.deleted);
            (candidates.active, candidates.deleted) = (active, deleted);
        }
        Ok(found)
    }

    async fn names_taken(&self, names: &[String]) -> Result<BTreeMap<String, String>> {
        self.inner.names_taken(names).await
    }

    fn tells_sign_ins(&self) -> bool {
        self.inner.tells_sign_ins()
    }

    /// Nobody can know whether those will come who have no account yet: here they do.
    async fn last_sign_in(&self, account: &str) -> Result<Option<Timestamp>> {
        if is_new(account) {
            return Ok(Some(Timestamp::MAX));
        }
        self.inner.last_sign_in(account).await
    }

    async fn observe(&self, who: &[PersonRef]) -> Result<Vec<Actual>> {
        let asked: Vec<PersonRef> = who
            .iter()
            .filter(|who| self.account(&who.account).is_none())
            .cloned()
            .collect();
        let mut observed = self.inner.observe(&asked).await?.into_iter();
        let mut changed = lock(&self.changed);
        let mut answer = Vec::with_capacity(who.len());
        for person in who {
            if let Some(known) = changed.get(&person.account) {
                answer.push(known.clone());
            } else if let Some(actual) = observed.next() {
                changed.insert(person.account.clone(), actual.clone());
                answer.push(actual);
            }
        }
        Ok(answer)
    }

    async fn apply(&self, step: &Step, _: &IdempotencyKey) -> Result<Applied> {
        let id = match (&step.action, &step.account) {
            (Action::CreateAccount { .. }, _) | (_, None) => new_id(&step.person),
            (_, Some(id)) => id.clone(),
        };
        let mut changed = lock(&self.changed);
        let actual = changed
            .entry(id.clone())
            .or_insert_with(|| Actual::none(step.person.clone()));
        if actual.account.is_none() {
            // Nobody looked at it before: all that matters here is that it is there.
            actual.account = Some(Account {
                id: id.clone(),
                name: String::new(),
                enabled: false,
                deleted: matches!(step.action, Action::RestoreAccount),
                synced: false,
                attributes: BTreeMap::new(),
                manager: None,
            });
        }
        apply(actual, &step.action);
        if let Some(account) = &mut actual.account {
            account.id.clone_from(&id);
        }
        let brings = matches!(step.action, Action::CreateAccount { .. } | Action::RestoreAccount);
        Ok(Applied::Done {
            account: brings.then_some(id),
        })
    }
}

fn new_id(person: &PersonKey) -> String {
    format!("(new {person})")
}

fn is_new(id: &str) -> bool {
    id.starts_with("(new ")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
