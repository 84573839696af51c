//! What vouches for the journal: its audit, and a look at what it rests on.

use iam_core::journal::{self, audit};

use super::{Instant, results};

results! {
    /// One link of the audit.
    AuditEntry [sequence, at, deed, event] {
        sequence: u64,
        at: Instant,
        deed: String,
        detail: String,
        event: Option<String>,
        subject: String,
        actor: Option<String>,
        digest: String,
        previous: String,
        hash: String,
    }

    /// One thing that was looked at of the journal itself.
    HealthFinding [about, health, message] {
        about: String,
        health: String,
        message: String,
        text: String,
    }

    /// Whether the audit is whole.
    AuditCheck [is_whole, checkpoint, breach] {
        is_whole: bool,
        checkpoint: Option<String>,
        breach: Option<String>,
    }
}
super::spoken!(HealthFinding);

impl From<&journal::Finding> for HealthFinding {
    fn from(finding: &journal::Finding) -> Self {
        Self {
            about: finding.about.as_str().to_owned(),
            health: finding.health.to_string(),
            message: finding.message.clone(),
            text: finding.to_string(),
        }
    }
}

impl From<&audit::AuditEntry> for AuditEntry {
    fn from(entry: &audit::AuditEntry) -> Self {
        Self {
            sequence: entry.sequence,
            at: Instant(entry.at),
            deed: entry.deed.as_str().to_owned(),
            detail: entry.detail.clone(),
            event: entry.event.as_ref().map(ToString::to_string),
            subject: entry.subject.clone(),
            actor: entry.actor.clone(),
            digest: entry.digest.clone(),
            previous: entry.previous.clone(),
            hash: entry.hash.clone(),
        }
    }
}
