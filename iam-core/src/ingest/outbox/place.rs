//! How far a receiver has been told: the bookmark's content.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::later;
use crate::error::{Error, ErrorKind, Result};
use crate::journal::audit::AuditEntry;

/// After the first failure.
const FIRST: i64 = 5;
/// The longest wait.
const LONGEST: SignedDuration = SignedDuration::from_hours(1);

/// 5 seconds, then twice as long each time, up to an hour.
pub(super) fn patience(attempts: u32) -> SignedDuration {
    let seconds = FIRST.saturating_mul(1_i64 << attempts.saturating_sub(1).min(20));
    SignedDuration::from_secs(seconds).min(LONGEST)
}

/// What is noted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    /// Everything up to this entry of the audit has been told, or is behind.
    pub(super) sequence: u64,
    /// What was refused, and what follows of the same people, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) behind: Vec<Behind>,
    /// Failures in a row.
    #[serde(default)]
    pub(super) failures: u32,
    /// Nothing is told before.
    #[serde(default)]
    pub(super) not_before: Option<Timestamp>,
    /// The last failure.
    #[serde(default)]
    pub(super) why: Option<String>,
}

/// One message that waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Behind {
    /// Its place in the audit.
    pub(super) sequence: u64,
    /// Whose, by pseudonym.
    pub(super) subject: String,
    #[serde(default)]
    pub(super) attempts: u32,
    #[serde(default)]
    pub(super) not_before: Option<Timestamp>,
}

impl Behind {
    pub(super) fn new(entry: &AuditEntry) -> Self {
        Self {
            sequence: entry.sequence,
            subject: entry.subject.clone(),
            attempts: 0,
            not_before: None,
        }
    }
}

impl Place {
    pub(super) fn at(sequence: u64) -> Self {
        Self {
            sequence,
            ..Self::default()
        }
    }

    pub(super) fn read(name: &str, noted: serde_json::Value) -> Result<Self> {
        serde_json::from_value(noted).map_err(|error| {
            let message = format!("what is noted of {name} cannot be understood");
            Error::new(ErrorKind::Storage, message).with_source(error)
        })
    }

    pub(super) fn written(&self) -> Result<serde_json::Value> {
        serde_json::to_value(self)
            .map_err(|error| Error::new(ErrorKind::Other, "a bookmark cannot be written").with_source(error))
    }

    /// The receiver answers.
    pub(super) fn up(&mut self) {
        (self.failures, self.not_before) = (0, None);
        if self.behind.is_empty() {
            self.why = None;
        }
    }

    /// It does not.
    pub(super) fn down(&mut self, error: &Error, now: Timestamp) {
        self.failures += 1;
        self.not_before = Some(later(error, self.failures, now));
        self.why = Some(error.to_string());
    }

    /// It refuses one message.
    pub(super) fn refused(&mut self, at: usize, error: &Error, now: Timestamp) {
        (self.failures, self.not_before) = (0, None);
        self.why = Some(error.to_string());
        if let Some(behind) = self.behind.get_mut(at) {
            behind.attempts += 1;
            behind.not_before = Some(later(error, behind.attempts, now));
        }
    }

    /// When something of what waits may be told.
    pub(super) fn next(&self) -> Option<Timestamp> {
        let behind = self.behind.iter().filter_map(|behind| behind.not_before).min();
        match self.not_before {
            Some(until) => Some(until.max(behind.unwrap_or(until))),
            None => behind,
        }
    }
}
