//! Who is to be looked at again because of what became of somebody else.

use jiff::Timestamp;

use super::views::Surroundings;
use crate::error::Result;
use crate::event::{Event, Timer};
use crate::journal::{Claim, Journal, Lifecycle as Stage, PersonState};

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
    if !appeared && !changed {
        return Ok(Vec::new());
    }
    let reports = journal.reports_of(&event.person).await?;
    let concerned = reports.into_iter().filter(|report| changed || report.waits);
    Ok(concerned
        .map(|report| Event::timer(&report.person, Timer::Recheck, now, &event.id, now))
        .collect())
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
    if around
        .views
        .iter()
        .any(|view| state.accounts.contains_key(&view.target))
    {
        let event = Event::timer(&claim.event.person, Timer::Recheck, now, &claim.event.id, now);
        journal.append(&[event]).await?;
    }
    Ok(())
}
