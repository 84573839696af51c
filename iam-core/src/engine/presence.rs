//! The sign that a fleet leaves in the journal, so that nobody runs beside it.
//!
//! A fleet asks for what counts against a limit of the guard, and is answered over all processes; a run looks at the
//! whole by itself. Each is right alone, and both together could exceed a limit.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::Engine;
use crate::error::{Error, ErrorKind, Result, Retry};
use crate::journal::Journal;

/// Under which name it is noted.
const SIGN: &str = "fleet";
/// How often a fleet renews it.
pub(super) const RENEWED: Duration = Duration::from_secs(10);
/// For how long it is believed.
const BELIEVED: SignedDuration = SignedDuration::from_secs(45);
/// How often it is tried when others write at the same time.
const TRIES: u32 = 8;

/// When each worker was seen last.
type Signs = BTreeMap<String, Timestamp>;

async fn signs(journal: &dyn Journal) -> Result<(u64, Signs)> {
    let known = journal.bookmark(SIGN).await?;
    // What cannot be understood is no sign: the next one replaces it.
    Ok(known.map_or_else(Default::default, |(version, value)| {
        (version, serde_json::from_value(value).unwrap_or_default())
    }))
}

fn is_fresh(seen: Timestamp, now: Timestamp) -> bool {
    now.duration_since(seen).abs() < BELIEVED
}

/// Refuses to go on where a fleet works, or may: nobody can tell one that has died from one that does not answer. Where
/// no other process can have the journal open, only a fleet of this one can.
pub(super) async fn alone(journal: &dyn Journal, now: Timestamp) -> Result<()> {
    let (_, signs) = signs(journal).await?;
    let works = |worker: &str| !journal.is_exclusive() || worker == journal.worker();
    let fresh = signs
        .iter()
        .filter(|(worker, seen)| is_fresh(**seen, now) && works(worker));
    let Some((worker, seen)) = fresh.max_by_key(|(_, seen)| **seen) else {
        return Ok(());
    };
    let left = BELIEVED - now.duration_since(*seen).abs();
    let until = now.saturating_add(left).unwrap_or(now);
    let seconds = left.as_secs() + 1;
    Err(Error::new(
        ErrorKind::Conflict,
        format!(
            "a fleet works on this journal (worker {worker}, seen at {seen:.0}), and what counts against a limit must not \
             be decided in two places: stop it, and run this again at once; if it has died, its word stands until \
             {until:.0}, for {seconds} more seconds"
        ),
    )
    .with_retry(Retry::After(u64::try_from(seconds).ok().map(Duration::from_secs))))
}

impl Engine {
    /// Says that a fleet of this process works, or has stopped.
    pub(super) async fn sign(&self, works: bool) -> Result<()> {
        let (journal, now) = (self.journal.as_ref(), self.clock.now());
        for _ in 0..TRIES {
            let (version, mut signs) = signs(journal).await?;
            signs.retain(|_, seen| is_fresh(*seen, now));
            if works {
                signs.insert(journal.worker().to_owned(), now);
            } else {
                signs.remove(journal.worker());
            }
            let signs = serde_json::to_value(&signs).unwrap_or_default();
            if journal.set_bookmark(SIGN, version, &signs).await? {
                return Ok(());
            }
        }
        // Those who were quicker keep it fresh.
        Ok(())
    }
}
