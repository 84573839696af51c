//! Frozen plans, and the policy in force, in a journal in memory.

use jiff::Timestamp;

use super::Inner;
use crate::error::Result;
use crate::journal::audit::Deed;
use crate::journal::freeze::unknown;
use crate::journal::{Frozen, FrozenState, Release};

impl Inner {
    pub(super) fn freeze(&mut self, plan: &Frozen) {
        if let Some(open) = self.frozen.iter_mut().find(|known| known.is_open()) {
            if open.hash == plan.hash {
                return;
            }
            open.end(FrozenState::Superseded, plan.planned_at);
        }
        self.frozen.push(plan.clone());
        self.decided(Deed::Frozen, &plan.hash, &plan.planned_by, &plan.trips.join("; "));
    }

    pub(super) fn release(&mut self, hash: &str, release: &Release) -> Result<()> {
        let mut frozen = self.frozen.iter_mut();
        let open = frozen.find(|known| known.is_open() && known.hash == hash);
        open.ok_or_else(|| unknown(hash))?.released(release)?;
        self.decided(Deed::Released, hash, &release.by, &release.reason);
        Ok(())
    }

    pub(super) fn spend(&mut self, hash: &str, at: Timestamp) -> bool {
        let mut frozen = self.frozen.iter_mut();
        let open = frozen.find(|known| known.state == FrozenState::Released && known.hash == hash);
        let Some(open) = open else { return false };
        open.end(FrozenState::Applied, at);
        let by = open
            .release
            .as_ref()
            .map_or_else(String::new, |release| release.by.clone());
        self.decided(Deed::Spent, hash, &by, "");
        true
    }

    pub(super) fn in_force(&mut self, policy: &str, by: &str) -> bool {
        let mut before = self.audit.iter().rev();
        let last = before.find(|entry| entry.deed == Deed::InForce);
        let is_new = last.is_none_or(|entry| entry.detail != policy);
        if is_new {
            self.decided(Deed::InForce, policy, by, "");
        }
        is_new
    }
}
