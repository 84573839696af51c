//! Between values of the domain and columns.

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::fault::{Attempt, Fault};
use crate::event::{Event, EventKind, Timer};
use crate::journal::{EventState, StepRecord};
use crate::plan::{IdempotencyKey, Plan, StepId};

/// The tenant's number in its own file.
pub(super) const TENANT: i64 = 1;

/// Nanoseconds since 1970; instants outside of the years 1677 to 2262 are the first or the last of them.
pub(super) fn nanos(instant: Timestamp) -> i64 {
    let nanos = instant.as_nanosecond();
    i64::try_from(nanos).unwrap_or(if nanos < 0 { i64::MIN } else { i64::MAX })
}

/// Undoes [`nanos`].
pub(super) fn instant(nanos: i64) -> Timestamp {
    match nanos {
        i64::MIN => Timestamp::MIN,
        i64::MAX => Timestamp::MAX,
        // Every other number of 64 bits lies within jiff's range.
        nanos => Timestamp::from_nanosecond(nanos.into()).unwrap_or(Timestamp::MAX),
    }
}

/// A count as SQLite holds it.
pub(super) fn signed(count: impl TryInto<i64>) -> i64 {
    count.try_into().unwrap_or(i64::MAX)
}

/// A count that is never negative.
pub(super) fn unsigned(count: i64) -> u64 {
    count.unsigned_abs()
}

pub(super) fn state_number(state: EventState) -> i64 {
    match state {
        EventState::Pending => 0,
        EventState::Done => 1,
        EventState::Dead => 2,
        EventState::Superseded => 3,
    }
}

pub(super) fn state(number: i64) -> EventState {
    match number {
        0 => EventState::Pending,
        1 => EventState::Done,
        2 => EventState::Dead,
        _ => EventState::Superseded,
    }
}

/// Whether the timer is replaced when its lane's head ends.
pub(super) fn is_replaced(event: &Event) -> bool {
    matches!(event.kind, EventKind::Due { timer } if timer != Timer::Recheck)
}

/// JSON text.
pub(super) fn text<T: Serialize>(what: &str, of: &str, value: &T) -> Attempt<String> {
    serde_json::to_string(value).map_err(|error| Fault::unreadable(what, of, &error))
}

/// Undoes [`text`].
pub(super) fn value<T: DeserializeOwned>(what: &str, of: &str, text: &str) -> Attempt<T> {
    serde_json::from_str(text).map_err(|error| Fault::unreadable(what, of, &error))
}

/// [`value`] of a column that may be empty.
pub(super) fn optional<T: DeserializeOwned>(
    what: &str,
    of: &str,
    text: Option<&String>,
) -> Attempt<Option<T>> {
    text.map(|text| value(what, of, text)).transpose()
}

/// The plan of an event, if it has one.
pub(super) fn plan(of: &str, text: Option<&String>) -> Attempt<Option<Plan>> {
    let plan = text.map(|text| Plan::read(text).map_err(|error| Fault::unreadable("plan", of, &error)));
    plan.transpose()
}

/// A row of `step`, without the event.
pub(super) fn step(of: &str, step: &str, key: String, outcome: Option<&String>) -> Attempt<StepRecord> {
    let key = IdempotencyKey::deserialize(serde_json::Value::String(key));
    Ok(StepRecord {
        step: StepId::from(step),
        key: key.map_err(|error| Fault::unreadable("key", of, &error))?,
        outcome: optional("outcome", of, outcome)?,
        at: None,
    })
}
