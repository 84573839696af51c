//! The second of the two retries: minutes and hours, scheduled in the journal. It starts where the HTTP
//! pipeline's own retry of seconds has given up, so the two are never multiplied.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// Waits, in seconds, before the second, third, … attempt; the last one is kept.
const WAITS: [i64; 7] = [30, 60, 300, 900, 3600, 4 * 3600, 6 * 3600];
/// The same for events that take access away: nobody waits an hour to lock a door.
const URGENT: [i64; 4] = [15, 30, 60, 300];
/// After so many attempts an event is set aside for a person.
pub(super) const MOST_ATTEMPTS: u32 = 16;

/// When to try again after `attempts` earlier attempts, not before what the service advised.
pub(super) fn next_attempt(
    attempts: u32,
    urgent: bool,
    advised: Option<Duration>,
    now: Timestamp,
) -> Timestamp {
    let waits: &[i64] = if urgent { &URGENT } else { &WAITS };
    let at = usize::try_from(attempts)
        .unwrap_or(usize::MAX)
        .min(waits.len() - 1);
    let own = SignedDuration::from_secs(waits[at]);
    let advised = advised
        .and_then(|wait| SignedDuration::try_from(wait).ok())
        .unwrap_or_default();
    now.saturating_add(own.max(advised)).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_honour_advice() {
        let now = Timestamp::UNIX_EPOCH;
        let check = |attempts, urgent, advised: Option<u64>, seconds: i64| {
            let at = next_attempt(attempts, urgent, advised.map(Duration::from_secs), now);
            assert_eq!(at.as_second(), seconds, "{attempts} {urgent} {advised:?}");
        };
        check(0, false, None, 30);
        check(2, false, None, 300);
        check(99, false, None, 6 * 3600);
        check(99, true, None, 300);
        check(0, true, Some(120), 120);
        check(3, false, Some(1), 900);
    }
}
