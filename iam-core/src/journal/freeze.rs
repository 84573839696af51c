//! [`Frozen`]: a plan that the guard has refused, until somebody else than its planner releases it.
//!
//! ```text
//!            freeze               release (another actor)            spend
//! (nothing) ────────► frozen ───────────────────────────► released ────────► applied
//!                        └──────────────┬─────────────────────┘
//!                                       └── another plan is frozen ──► superseded
//! ```
//! At most one plan is open (frozen or released): what an older one showed is not what would happen now.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};

/// Where a frozen plan stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FrozenState {
    /// Nothing of it happens.
    Frozen,
    /// It may be applied, once.
    Released,
    /// It has been applied, or at least begun.
    Applied,
    /// Another plan has been frozen since.
    Superseded,
}

/// Who released a plan, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// Who: another one than the planner.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

/// A plan that the guard has refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Frozen {
    /// The plan's hash: a release is for this plan and no other.
    pub hash: String,
    /// The limits that it exceeds, one clause each.
    pub trips: Vec<String>,
    /// How many people it is about.
    pub people: usize,
    /// How many steps it has.
    pub steps: usize,
    /// Who planned it.
    pub planned_by: String,
    /// When.
    pub planned_at: Timestamp,
    /// Where it stands.
    pub state: FrozenState,
    /// Who released it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<Release>,
    /// When it was applied or superseded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
}

impl Frozen {
    /// A plan that has just been refused.
    pub fn new(hash: &str, trips: Vec<String>, planned_by: &str, planned_at: Timestamp) -> Self {
        Self {
            hash: hash.to_owned(),
            trips,
            people: 0,
            steps: 0,
            planned_by: planned_by.to_owned(),
            planned_at,
            state: FrozenState::Frozen,
            release: None,
            ended_at: None,
        }
    }

    /// Whether it is still to be decided or applied.
    pub fn is_open(&self) -> bool {
        matches!(self.state, FrozenState::Frozen | FrozenState::Released)
    }

    /// Releases it.
    ///
    /// # Errors
    /// As [`Journal::release`](super::Journal::release).
    pub fn released(&mut self, release: &Release) -> Result<()> {
        let refuse = |kind, message: String| Err(Error::new(kind, message));
        if release.by.trim().is_empty() || release.reason.trim().is_empty() {
            let message = "a release needs the name of who releases, and a reason";
            return refuse(ErrorKind::Invalid, message.to_owned());
        }
        if self.state == FrozenState::Released {
            let by = self.release.as_ref().map_or("somebody", |release| &release.by);
            return refuse(
                ErrorKind::Conflict,
                format!("the plan is released already, by {by}"),
            );
        }
        let plain = |name: &str| name.trim().to_lowercase();
        if plain(&release.by) == plain(&self.planned_by) {
            let message = format!("{} planned it: somebody else has to release it", self.planned_by);
            return refuse(ErrorKind::Denied, message);
        }
        self.state = FrozenState::Released;
        self.release = Some(release.clone());
        Ok(())
    }

    /// Ends it.
    pub(super) fn end(&mut self, state: FrozenState, at: Timestamp) {
        self.state = state;
        self.ended_at = Some(at);
    }
}

/// Nothing frozen is called that.
pub(super) fn unknown(hash: &str) -> Error {
    Error::new(
        ErrorKind::NotFound,
        format!("no frozen plan has the hash {hash}: it was applied, or another one was frozen since"),
    )
}
