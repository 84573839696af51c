//! Between values of the domain and the columns that both databases have.

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

#[cfg(feature = "sqlite")]
use sha2::{Digest as _, Sha256};
use sqlx::FromRow;

use super::audit::{self, AuditEntry, Deed, Kept};
use super::fault::{Attempt, Fault, storage};
use super::{
    Ask, DeliveryId, DeliveryState, Entry, EventState, Letter, LetterId, LetterState, Message, Staged,
    Standing, StepRecord, Waiting,
};
use crate::event::{Accepted, Event, EventId, News};
use crate::person::PersonKey;
#[cfg(feature = "sqlite")]
use crate::person::hex;
use crate::plan::{IdempotencyKey, Plan, StepId};

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

/// A count as databases hold it.
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
    super::survey::is_set(&event.kind)
}

/// A hash of what an event says: two that [say the same](Event::says_the_same) under one id have the same.
#[cfg(feature = "sqlite")]
pub(super) fn digest_of(event: &Event) -> Attempt<String> {
    let said = text("event", event.id.as_str(), &event.what_is_said())?;
    Ok(hex(&Sha256::digest(said)))
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

/// Undoes the columns of `person`; nothing for somebody of whom only a state is known.
pub(super) fn accepted(
    person: &str,
    version: i64,
    record: Option<&String>,
    news: Option<&String>,
) -> Attempt<Option<Accepted>> {
    let record = optional("record", person, record)?;
    let news: Option<Vec<News>> = optional("news", person, news)?;
    let known = record.is_some() || news.is_some();
    Ok(known.then(|| Accepted {
        version: unsigned(version),
        record,
        news: news.unwrap_or_default(),
    }))
}

pub(super) fn delivery_number(state: DeliveryState) -> i64 {
    match state {
        DeliveryState::Open => 0,
        DeliveryState::Held => 1,
        DeliveryState::Releasing => 2,
        DeliveryState::Released => 3,
        DeliveryState::Discarded => 4,
    }
}

pub(super) fn delivery_state(number: i64) -> DeliveryState {
    match number {
        0 => DeliveryState::Open,
        1 => DeliveryState::Held,
        2 => DeliveryState::Releasing,
        3 => DeliveryState::Released,
        _ => DeliveryState::Discarded,
    }
}

/// A row of `delivery`, with the number of rows that are staged.
#[derive(FromRow)]
pub(super) struct DeliveryRow {
    id: i64,
    source: String,
    opened_at: i64,
    state: i64,
    rows: i64,
    findings: String,
    decision: Option<String>,
}

impl DeliveryRow {
    pub(super) fn read(self) -> Attempt<Staged> {
        let id = DeliveryId(unsigned(self.id));
        Ok(Staged {
            state: delivery_state(self.state),
            rows: unsigned(self.rows),
            findings: value("findings", &format!("delivery {id}"), &self.findings)?,
            decision: self.decision,
            ..Staged::new(id, &self.source, instant(self.opened_at))
        })
    }
}

/// A row of `event`.
#[derive(FromRow)]
pub(super) struct EventRow {
    pub(super) seq: i64,
    event: String,
    lane_seq: i64,
    state: i64,
    attempts: i64,
    not_before: i64,
    parked: bool,
    why: Option<String>,
    plan: Option<String>,
}

impl EventRow {
    /// Where it stands in its lane, or among all.
    #[cfg(feature = "sqlite")]
    pub(super) fn place(&self, in_lane: bool) -> i64 {
        if in_lane { self.lane_seq } else { self.seq }
    }

    pub(super) fn read(self, steps: Vec<StepRecord>) -> Attempt<Entry> {
        let event: Event = value("event", &format!("row {}", self.seq), &self.event)?;
        Ok(Entry {
            plan: plan(event.id.as_str(), self.plan.as_ref())?,
            lane_seq: unsigned(self.lane_seq),
            state: state(self.state),
            attempts: count(self.attempts),
            not_before: instant(self.not_before),
            parked: self.parked,
            why: self.why,
            steps,
            event,
        })
    }
}

/// A count of attempts.
pub(super) fn count(attempts: i64) -> u32 {
    u32::try_from(attempts).unwrap_or(u32::MAX)
}

/// A row of `audit`, with what it tells of where that is kept.
#[derive(FromRow)]
pub(super) struct AuditRow {
    sequence: i64,
    at: i64,
    deed: String,
    detail: String,
    event: Option<String>,
    subject: String,
    actor: Option<String>,
    digest: String,
    previous: String,
    hash: String,
    payload: Option<String>,
    salt: Option<String>,
}

#[cfg(feature = "sqlite")]
impl AuditRow {
    /// The event that it vouches for and that was not found.
    pub(super) fn seeks(&self) -> Option<&str> {
        let sought = self.payload.is_none() && self.deed == Deed::Accepted.as_str();
        self.event.as_deref().filter(|_| sought)
    }

    /// It is kept elsewhere.
    pub(super) fn found(&mut self, payload: String, salt: Option<String>) {
        (self.payload, self.salt) = (Some(payload), salt);
    }
}

impl AuditRow {
    pub(super) fn read(self) -> Attempt<(AuditEntry, Kept)> {
        let deed = Deed::named(&self.deed).ok_or_else(|| {
            Fault::Refused(storage(format!(
                "entry {} of the journal's audit tells of {:?}, which this version does not know",
                self.sequence, self.deed
            )))
        })?;
        let kept = match (&self.payload, &self.salt) {
            (Some(payload), Some(salt)) if audit::digest(salt, payload.as_bytes()) == self.digest => {
                Kept::Unchanged
            }
            (Some(_), Some(_)) => Kept::Changed,
            _ => Kept::NotKept,
        };
        let entry = AuditEntry {
            sequence: unsigned(self.sequence),
            at: instant(self.at),
            deed,
            detail: self.detail,
            event: self.event.map(EventId::new),
            subject: self.subject,
            actor: self.actor,
            digest: self.digest,
            previous: self.previous,
            hash: self.hash,
        };
        Ok((entry, kept))
    }
}

/// A row of `letter`.
#[derive(FromRow)]
pub(super) struct LetterRow {
    id: i64,
    message: String,
    data: Option<Vec<u8>>,
    person: Option<String>,
    reason: String,
    received_at: i64,
    state: i64,
    decision: Option<String>,
}

impl LetterRow {
    pub(super) fn read(self) -> Attempt<Letter> {
        let id = LetterId(unsigned(self.id));
        let mut message: Message = value("message", &format!("dead letter {id}"), &self.message)?;
        message.data = self.data.unwrap_or_default();
        Ok(Letter {
            id,
            message,
            person: self.person.map(PersonKey::new),
            reason: self.reason,
            received_at: instant(self.received_at),
            state: match self.state {
                0 => LetterState::Open,
                1 => LetterState::Accepted,
                _ => LetterState::Discarded,
            },
            decision: self.decision,
        })
    }
}

/// A row of `ask`.
#[derive(FromRow)]
pub(super) struct AskRow {
    id: String,
    person: String,
    version: i64,
    leave: bool,
    urgent: bool,
    organisation: Option<String>,
    plan: String,
    asked_at: i64,
    standing: String,
    answered_at: Option<i64>,
}

impl AskRow {
    pub(super) fn read(self) -> Attempt<Ask> {
        let event = EventId::new(self.id);
        Ok(Ask {
            plan: Plan::read(&self.plan)
                .map_err(|error| Fault::unreadable("plan", event.as_str(), &error))?,
            standing: value("standing", event.as_str(), &self.standing)?,
            event,
            person: PersonKey::new(self.person),
            leave: self.leave,
            urgent: self.urgent,
            organisation: self.organisation,
            asked_at: instant(self.asked_at),
            version: unsigned(self.version),
            answered_at: self.answered_at.map(instant),
        })
    }
}

/// The head of a lane that nobody holds, or what parks it.
#[derive(FromRow)]
pub(super) struct WaitingRow {
    id: String,
    due_at: i64,
    not_before: i64,
    attempts: i64,
    why: Option<String>,
    parked: bool,
    set_aside_at: Option<i64>,
    standing: Option<String>,
    asked_at: Option<i64>,
}

impl WaitingRow {
    /// What the lane waits for.
    pub(super) fn read(self, now: Timestamp) -> Attempt<Waiting> {
        let standing = optional::<Standing>("standing", &self.id, self.standing.as_ref())?;
        let event = EventId::new(self.id);
        let why = self.why.unwrap_or_default();
        if self.parked {
            let since = self.set_aside_at.map(instant);
            return Ok(Waiting::Parked { event, since, why });
        }
        if self.due_at > nanos(now) {
            let at = instant(self.due_at);
            return Ok(Waiting::Until { event, at });
        }
        if let (Some(Standing::Asked), Some(since)) = (standing, self.asked_at) {
            let since = instant(since);
            return Ok(Waiting::Asked { event, since });
        }
        if self.not_before > nanos(now) {
            return Ok(Waiting::Retrying {
                event,
                at: instant(self.not_before),
                attempts: count(self.attempts),
                why,
            });
        }
        let since = instant(self.not_before.max(self.due_at));
        Ok(Waiting::Ready { event, since })
    }
}
