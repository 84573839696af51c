//! Turns: the changes of one resource through one engine go one after the other, so that a burst of them (Entra ID
//! sends a PATCH for each member of a group) does not spend itself on lost races. The store's versions still decide
//! between engines.

use std::hash::{BuildHasher as _, RandomState};

use tokio::sync::{Mutex, MutexGuard};

/// Two resources may share a turn, which costs time only.
const LANES: usize = 64;

#[derive(Debug)]
pub(crate) struct Turns {
    hasher: RandomState,
    lanes: Vec<Mutex<()>>,
}

impl Default for Turns {
    fn default() -> Self {
        Self {
            hasher: RandomState::new(),
            lanes: (0..LANES).map(|_| Mutex::new(())).collect(),
        }
    }
}

impl Turns {
    /// Waits until it is the turn of a change of this resource; it ends when the guard is dropped. No change waits
    /// for a second turn, so nobody waits in a circle.
    pub(crate) async fn turn(&self, id: &str) -> Option<MutexGuard<'_, ()>> {
        let lanes = u64::try_from(self.lanes.len()).unwrap_or(u64::MAX).max(1);
        let lane = usize::try_from(self.hasher.hash_one(id) % lanes).ok()?;
        match self.lanes.get(lane) {
            Some(lane) => Some(lane.lock().await),
            None => None,
        }
    }
}
