//! [`Errand`]: what is done beside the taking and giving of access, once, and remembered by the person's state
//! because no account shows it.
//!
//! Invariant: nothing waits for an errand. It may fail for as long as it likes: whoever leaves has lost all access,
//! and whoever comes has it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The sorts of errands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Errand {
    /// The automatic reply of a leaver's mailbox.
    Reply,
    /// The temporary access pass of somebody who starts.
    Pass,
    /// A leaver's drive, shared with the manager.
    Drive,
    /// Groups that a leaver owned, handed to the manager.
    Groups,
    /// A leaver's mail, sent on to the manager.
    Forwarding,
    /// Guests and agent identities whose sponsor a leaver was, handed to the manager.
    Sponsorships,
}

impl fmt::Display for Errand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Reply => "the automatic reply",
            Self::Pass => "the temporary access pass",
            Self::Drive => "sharing the drive",
            Self::Groups => "handing over owned groups",
            Self::Forwarding => "forwarding the mail",
            Self::Sponsorships => "handing over sponsorships",
        })
    }
}

/// Whether an errand is run, or what it did is ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Turn {
    /// Run.
    Run,
    /// Ended.
    End,
}
