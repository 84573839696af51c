//! Who is to be looked at again because of what became of somebody else.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::views::Surroundings;
use crate::error::Result;
use crate::event::{Event, Timer};
use crate::journal::{Claim, Journal, Lifecycle as Stage, PersonState};
use crate::person::PersonKey;

/// How many people one event wakes up at most.
const MOST_WOKEN: usize = 10_000;

/// Events for those who wait for this person's account, or whose policy looks at this person's record.
pub(super) async fn wake_ups(
    journal: &dyn Journal,
    before: &PersonState,
    after: &PersonState,
    event: &Event,
    now: Timestamp,
) -> Result<Vec<Event>> {
    let appeared = after
        .accounts
        .keys()
        .any(|target| !before.accounts.contains_key(target));
    // Also the first record: of a manager whose account is older than what HR said of them.
    let changed = before.record != after.record;
    // Who stands in for whom turns on who is at work.
    let turned = has_left(before.lifecycle) != has_left(after.lifecycle);
    if !appeared && !changed && !turned {
        return Ok(Vec::new());
    }
    let mut seen = BTreeSet::from([event.person.clone()]);
    let mut managers = vec![event.person.clone()];
    let mut woken = Vec::new();
    while let Some(manager) = managers.pop() {
        for report in journal.reports_of(&manager).await? {
            if !seen.insert(report.person.clone()) || seen.len() > MOST_WOKEN {
                continue;
            }
            // Below somebody who has left, the next one up counts.
            if turned && stage(journal, &report.person).await?.is_some_and(has_left) {
                managers.push(report.person.clone());
            }
            if changed || turned || report.waits {
                woken.push(Event::timer(&report.person, Timer::Recheck, now, &event.id, now));
            }
        }
    }
    Ok(woken)
}

fn has_left(stage: Stage) -> bool {
    matches!(stage, Stage::Disabled | Stage::Deleted)
}

async fn stage(journal: &dyn Journal, person: &PersonKey) -> Result<Option<Stage>> {
    Ok(journal.person(person).await?.map(|state| state.lifecycle))
}

/// The manager's account may have come between looking and completing: then nobody else would wake
/// this person up.
pub(super) async fn manager_meanwhile(
    journal: &dyn Journal,
    claim: &Claim,
    next: &PersonState,
    around: &Surroundings,
    now: Timestamp,
) -> Result<()> {
    let Some(manager) = &next.waits_for else {
        return Ok(());
    };
    let state = journal.person(manager).await?;
    // The accounts of somebody who was deleted are remembered, and nothing to link to.
    let Some(state) = state.filter(|state| state.lifecycle != Stage::Deleted) else {
        return Ok(());
    };
    // One who had it already when they were looked at (and has left, say) has brought nothing new: looking again at
    // once would go on for ever.
    let seen = |target| {
        around
            .known(manager)
            .is_some_and(|known| known.accounts.contains_key(target))
    };
    let mut targets = around.views.iter().map(|view| &view.target);
    if targets.any(|target| state.accounts.contains_key(target) && !seen(target)) {
        let event = Event::timer(&claim.event.person, Timer::Recheck, now, &claim.event.id, now);
        journal.append(&[event]).await?;
    }
    Ok(())
}
