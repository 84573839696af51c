//! [`Finding`]: what a look at the journal itself tells whoever runs it ([`Journal::check`]).

use std::fmt;

use serde::Serialize;

use super::Journal;
use super::audit::{Breach, Checkpoint, Kept, Verifier};
use crate::error::Result;

/// How many entries of the audit are read at once.
const PAGE: usize = 500;

/// How something was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Health {
    /// As it should be.
    Good,
    /// It works, and somebody should look at it soon.
    Doubtful,
    /// A promise of the journal may be broken: somebody should look at it now.
    Bad,
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Good => "good",
            Self::Doubtful => "doubtful",
            Self::Bad => "bad",
        })
    }
}

/// What was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum About {
    /// Whether anything is kept beyond the process.
    Durability,
    /// The version of the database.
    Version,
    /// The version of the schema.
    Schema,
    /// The directory that the journal belongs to.
    Tenant,
    /// Whether the database finds its own pages and indexes whole.
    Integrity,
    /// Whether every row that another one names is there.
    References,
    /// Whether what is committed has been flushed: the write-ahead log and its settings.
    Flush,
    /// Who may read the files.
    Privacy,
    /// Which process has the file.
    Lock,
    /// Room on the disk, and in the file.
    Space,
    /// What was moved out of the file: see [`SqliteJournal::archive`](super::SqliteJournal::archive).
    Archive,
    /// Settings of the server that slow every queue down.
    Settings,
    /// Whether sessions are the server's own or a pooler's.
    Sessions,
    /// The clock of this machine against the database's.
    Clock,
    /// The chain of the audit.
    Audit,
}

impl About {
    /// One word, as in configuration and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Durability => "durability",
            Self::Version => "version",
            Self::Schema => "schema",
            Self::Tenant => "tenant",
            Self::Integrity => "integrity",
            Self::References => "references",
            Self::Flush => "flush",
            Self::Privacy => "privacy",
            Self::Lock => "lock",
            Self::Space => "space",
            Self::Archive => "archive",
            Self::Settings => "settings",
            Self::Sessions => "sessions",
            Self::Clock => "clock",
            Self::Audit => "audit",
        }
    }
}

/// One thing that was looked at. Shown as `<health>: <about>: <what was found>`; no personal data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// What was looked at.
    pub about: About,
    /// How it was found.
    pub health: Health,
    /// What was found and, unless it is good, what to do.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.health, self.about.as_str(), self.message)
    }
}

impl Finding {
    pub(super) fn good(about: About, message: impl Into<String>) -> Self {
        Self::new(about, Health::Good, message)
    }

    pub(super) fn doubtful(about: About, message: impl Into<String>) -> Self {
        Self::new(about, Health::Doubtful, message)
    }

    pub(super) fn bad(about: About, message: impl Into<String>) -> Self {
        Self::new(about, Health::Bad, message)
    }

    fn new(about: About, health: Health, message: impl Into<String>) -> Self {
        let message = message.into();
        Self {
            about,
            health,
            message,
        }
    }
}

/// Verifies the whole audit, and that it leads through `checkpoint`.
pub(crate) async fn verify(
    journal: &dyn Journal,
    checkpoint: Option<&Checkpoint>,
) -> Result<std::result::Result<Checkpoint, Breach>> {
    let end = journal.audit_head().await?;
    let mut verifier = Verifier::default();
    let passes = |verifier: &Verifier, place: &Checkpoint| {
        place.sequence != verifier.reached().sequence || *place == *verifier.reached()
    };
    let cut = |place: &Checkpoint| Breach::Cut {
        checkpoint: place.sequence,
    };
    loop {
        let entries = journal.audit(verifier.reached().sequence, PAGE).await?;
        if entries.is_empty() {
            break;
        }
        for (entry, kept) in &entries {
            if let Err(breach) = verifier.next(entry) {
                return Ok(Err(breach));
            }
            if *kept == Kept::Changed {
                let sequence = entry.sequence;
                return Ok(Err(Breach::Payload { sequence }));
            }
            for place in checkpoint.into_iter().chain([&end]) {
                if !passes(&verifier, place) {
                    return Ok(Err(cut(place)));
                }
            }
        }
    }
    let reached = verifier.reached();
    for place in checkpoint.into_iter().chain([&end]) {
        if place.sequence > reached.sequence {
            return Ok(Err(cut(place)));
        }
    }
    Ok(Ok(reached.clone()))
}

/// How the audit was found.
pub(super) async fn audit(journal: &dyn Journal) -> Result<Finding> {
    Ok(match verify(journal, None).await? {
        Ok(end) => Finding::good(
            About::Audit,
            format!("{} entries, and each follows from the one before", end.sequence),
        ),
        Err(breach) => Finding::bad(
            About::Audit,
            format!("{breach}: keep a copy of the journal as it is, and treat it as an incident"),
        ),
    })
}
