//! A database that went back in time: restored from an older backup, or failed over to a standby that was behind.
//!
//! What was accepted in between is gone, and nobody can tell from the database itself. So whoever opens a journal gives
//! the [`Checkpoint`] that was kept elsewhere: a journal that never was there is refused. To go on with it is somebody's
//! decision, made by name and for a reason (`adopt`), which gives the journal a new epoch; then sources deliver again, and
//! accounts that were made meanwhile are found and adopted.

use super::Journal;
use super::audit::Checkpoint;
use super::fault::storage;
use crate::error::{Error, ErrorKind, Result};
use crate::person::PersonKey;

/// The reason of the refusal.
pub(super) const GONE_BACK: &str = "gone_back";

/// Refuses a journal whose audit never led to this place.
pub(super) async fn has_been_at(journal: &dyn Journal, place: &Checkpoint) -> Result<()> {
    if place.sequence == 0 {
        return Ok(());
    }
    let found = journal.audit(place.sequence - 1, 1).await?;
    if found.first().is_some_and(|(entry, _)| entry.place() == *place) {
        return Ok(());
    }
    Err(gone_back(&journal.audit_head().await?, place))
}

/// It stands at `end`, and was at `place`.
pub(super) fn gone_back(end: &Checkpoint, place: &Checkpoint) -> Error {
    storage(format!(
        "the journal has gone back in time: it was at entry {} of its audit once, and this one ends at entry {} or has \
         another past; it was restored from an older backup, or a standby that was behind took over. Bring the right \
         database back, or open it without the checkpoint, adopt it by name and reason, and let all sources deliver again",
        place.sequence, end.sequence
    ))
    .with_reason(GONE_BACK)
}

/// Somebody has adopted the journal while this process had it open.
#[cfg(feature = "postgres")]
pub(super) fn adopted() -> Error {
    let message =
        "the journal has been restored and adopted while this process had it open: start the process again";
    storage(message).with_reason(GONE_BACK)
}

/// Nobody in particular: whom the adoption of a journal is noted of.
pub(super) fn decided(by: &str, reason: &str) -> Result<PersonKey> {
    if by.trim().is_empty() || reason.trim().is_empty() {
        let message = "to adopt a journal takes the name of who decides, and a reason";
        return Err(Error::new(ErrorKind::Invalid, message));
    }
    Ok(PersonKey::new(""))
}
