//! [`PersonState`]: what the platform knows of one person between two events.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::entitlement::TargetId;
use crate::event::EventId;
use crate::person::{Person, PersonKey};
use crate::plan::guard::Deed;
use crate::plan::{Errand, Owned};

/// Where a person stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Lifecycle {
    /// Known, no account yet.
    #[default]
    Pending,
    /// The account is prepared, sign-in blocked until the first day.
    Staged,
    /// At work.
    Active,
    /// On a leave of absence.
    Suspended,
    /// At work, and the last day is known.
    Leaving,
    /// Gone: no access.
    Disabled,
    /// Gone, and the account deleted.
    Deleted,
}

impl Lifecycle {
    /// Whether the person is employed and has begun, or is about to: neither to come nor gone.
    pub fn is_employed(self) -> bool {
        matches!(
            self,
            Self::Staged | Self::Active | Self::Suspended | Self::Leaving
        )
    }

    /// Whether employment is over.
    pub fn has_left(self) -> bool {
        matches!(self, Self::Disabled | Self::Deleted)
    }
}

/// An account that the platform created or adopted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountRef {
    /// The target's immutable id.
    pub id: String,
    /// The sign-in name when it was last seen.
    pub name: String,
}

/// How an [errand](crate::plan::Errand) stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrandRecord {
    /// How.
    pub state: ErrandState,
    /// Since when.
    pub since: Timestamp,
    /// What it was run for: the start of a pass, the account that is let at a drive.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub about: String,
}

/// See [`ErrandRecord`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ErrandState {
    /// Not done yet, as far as is known.
    Owed,
    /// Done.
    #[serde(alias = "set")]
    Done,
    /// Not to be done: there is nothing to do it to.
    Void,
    /// Perhaps done: it has failed for too long, and is not tried any more.
    Unsure,
    /// Not ended yet, though it should be.
    Ending,
    /// Perhaps not ended: that has failed for too long, and is not tried any more.
    Stuck,
}

/// What is known of whether somebody at work signs in, where the policy wants to know.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Attendance {
    /// The start of the first day of somebody who is awaited: gone once they have come, or it was told that they have
    /// not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub awaited_since: Option<Timestamp>,
    /// Since when silence counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// The last sign-in that was seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seen: Option<Timestamp>,
    /// Whether somebody was told of the silence since then.
    pub told: bool,
    /// When sign-ins are looked for next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub look_at: Option<Timestamp>,
}

/// How often an event that is not over was attempted, by the two counts that matter.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tried {
    /// What these attempts brought is in the person's state, and is not read into a later one again.
    pub written: u32,
    /// So many had been made when the event was last set aside: whoever brings it back gives it as many
    /// attempts as a new one has.
    pub set_aside: u32,
}

/// What is known of one person. Written only by completing (or giving back) a claimed event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonState {
    /// Who.
    pub key: PersonKey,
    /// The latest record that was worked on.
    pub record: Option<Person>,
    /// Where the person stands.
    pub lifecycle: Lifecycle,
    /// Accounts by target. Kept after deletion, to recognise a rehire.
    pub accounts: BTreeMap<TargetId, AccountRef>,
    /// The sign-in name reserved for a new account.
    pub name: Option<String>,
    /// What the platform granted, by which rule, since when.
    pub ledger: Vec<Owned>,
    /// Where the platform itself blocked sign-in, and so may allow it again.
    #[serde(default)]
    pub blocked_by_us: BTreeSet<TargetId>,
    /// When access was taken away.
    pub left_at: Option<Timestamp>,
    /// The manager whose account does not exist yet.
    pub waits_for: Option<PersonKey>,
    /// Whether the manager is still to be told that the person has joined.
    #[serde(default)]
    pub owes_notice: bool,
    /// The last day of which somebody was told that it is near.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reminded: Option<Date>,
    /// What is known of sign-ins, where the policy wants to know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attendance: Option<Attendance>,
    /// What is known of the mailbox's automatic reply, once the platform has tried to set one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply: Option<ErrandRecord>,
    /// What is known of the other errands.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub errands: BTreeMap<Errand, ErrandRecord>,
    /// Events that were tried and are not over. Kept because more than one may be half done: one that is
    /// brought back to work comes before those that wait for their next attempt.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tried: BTreeMap<EventId, Tried>,
    /// What the guard has to know of steps that were carried out lately.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deeds: Vec<Deed>,
}

impl PersonState {
    /// What is known of an errand, once the platform has tried to run it.
    pub fn errand(&self, errand: Errand) -> Option<&ErrandRecord> {
        match errand {
            Errand::Reply => self.reply.as_ref(),
            other => self.errands.get(&other),
        }
    }

    pub(crate) fn note_errand(&mut self, errand: Errand, record: Option<ErrandRecord>) {
        match (errand, record) {
            (Errand::Reply, record) => self.reply = record,
            (other, Some(record)) => drop(self.errands.insert(other, record)),
            (other, None) => drop(self.errands.remove(&other)),
        }
    }

    /// Somebody never heard of.
    pub fn new(key: PersonKey) -> Self {
        Self {
            key,
            record: None,
            lifecycle: Lifecycle::Pending,
            accounts: BTreeMap::new(),
            name: None,
            ledger: Vec::new(),
            blocked_by_us: BTreeSet::new(),
            left_at: None,
            waits_for: None,
            owes_notice: false,
            reminded: None,
            attendance: None,
            reply: None,
            errands: BTreeMap::new(),
            tried: BTreeMap::new(),
            deeds: Vec::new(),
        }
    }
}
