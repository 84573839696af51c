//! What the guard has to know of steps that were carried out.

use jiff::{SignedDuration, Timestamp};

use super::certainly_failed;
use crate::journal::{Claim, Outcome, PersonState};
use crate::plan::guard::Deed;
use crate::plan::{IdempotencyKey, Plan, Step};

/// How long deeds are kept behind the guard's window: an event is tried for some days, and tells of its first steps
/// again each time.
const BEHIND: SignedDuration = SignedDuration::from_hours(7 * 24);
/// So much of a step's key names it within one person's deeds.
const KEY: usize = 12;

/// Notes in `state` what the steps of `plan` changed, as [`fold`](super::fold) does what they brought: what may have
/// been done counts. Forgets what no window of `window` looks at any more.
pub(crate) fn note<'a>(
    state: &mut PersonState,
    claim: &Claim,
    plan: &Plan,
    steps: impl IntoIterator<Item = (&'a Step, Option<&'a Outcome>)>,
    now: Timestamp,
    window: SignedDuration,
) {
    let oldest = now
        .saturating_sub(window)
        .and_then(|start| start.saturating_sub(BEHIND));
    let oldest = oldest.unwrap_or(Timestamp::MIN).as_second();
    state.deeds.retain(|deed| deed.at > oldest);
    for (step, outcome) in steps {
        let nothing =
            |outcome: &Outcome| certainly_failed(outcome) || matches!(outcome, Outcome::NotApplicable { .. });
        if outcome.is_some_and(nothing) {
            continue;
        }
        let key = IdempotencyKey::of(&claim.event.id, step);
        let key = &key.as_str()[..KEY];
        if state.deeds.iter().all(|deed| deed.key != key) {
            state.deeds.extend(Deed::of(plan, step, key, now));
        }
    }
}
