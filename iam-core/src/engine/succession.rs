//! One person under two worker ids, where HR says who they were before: the account goes on, and is nobody's twice.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::past::run_of;
use crate::error::Result;
use crate::event::Course;
use crate::journal::{Journal, PersonState};
use crate::person::{Person, PersonKey, Status};
use crate::policy::Settings;

/// Works out whether the person goes on under another worker id, or has gone on from one. In the second case `state`
/// takes over what is known of the accounts, once the person has begun under the new id, or had left before.
pub(super) async fn settle(
    journal: &dyn Journal,
    state: &mut PersonState,
    course: &mut Course,
    settings: &Settings,
    now: Timestamp,
) -> Result<()> {
    let Some(record) = &course.record else {
        return Ok(());
    };
    if ends(record)
        && let Some(successor) = journal.successor_of(&state.key).await?
    {
        let known = look(journal, &successor, settings, now).await?;
        let begun = known.as_ref().is_some_and(|known| at_work(known, settings, now));
        let theirs = journal.person(&successor).await?;
        let shared = |other: &PersonState| {
            other
                .accounts
                .values()
                .any(|one| state.accounts.values().any(|own| own.id == one.id))
        };
        if begun || theirs.as_ref().is_some_and(shared) {
            course.goes_on_as = Some(successor);
            return Ok(());
        }
    }
    let previous = record.previous_id.as_ref().or(course.same_as.as_ref());
    let Some(previous) = previous.filter(|previous| **previous != state.key) else {
        return Ok(());
    };
    let former = journal.person(previous).await?;
    // One that is deleted comes back, or another one is made where the target has it no more: as for whoever comes back
    // under the old id.
    let former = former.filter(|former| !former.accounts.is_empty());
    let Some(former) = former.filter(|_| state.accounts.is_empty()) else {
        return Ok(());
    };
    let before = look(journal, previous, settings, now).await?;
    if !before.as_ref().is_some_and(ends) {
        if record.status != Status::Terminated {
            course.doubt.get_or_insert(format!(
                "this person was {previous} before, and HR says that {previous} goes on: end one of the two"
            ));
        }
    } else if at_work(record, settings, now) || former.lifecycle.has_left() {
        state.accounts = former.accounts;
        state.ledger = former.ledger;
        state.blocked_by_us = former.blocked_by_us;
        if former.lifecycle.has_left() {
            (state.lifecycle, state.left_at) = (former.lifecycle, former.left_at);
        }
    } else {
        course.account_in_use = true;
    }
    Ok(())
}

async fn look(
    journal: &dyn Journal,
    person: &PersonKey,
    settings: &Settings,
    now: Timestamp,
) -> Result<Option<Person>> {
    let accepted = journal
        .accepted(std::slice::from_ref(person))
        .await?
        .pop()
        .flatten();
    Ok(accepted.and_then(|accepted| run_of(&accepted, settings, now).record))
}

/// Whether HR has an end for that employment.
fn ends(record: &Person) -> bool {
    record.status == Status::Terminated || record.last_day.is_some()
}

/// Whether employment has begun where the person works, and is not over.
fn at_work(record: &Person, settings: &Settings, now: Timestamp) -> bool {
    let zone = record.time_zone.as_deref().unwrap_or(&settings.time_zone);
    let Ok(zone) = TimeZone::get(zone) else {
        return false;
    };
    let today = now.to_zoned_datetime(zone).date();
    let over = record
        .last_day
        .map_or(record.status == Status::Terminated, |last| last < today);
    !over && record.hire_date.is_none_or(|first| first <= today)
}
