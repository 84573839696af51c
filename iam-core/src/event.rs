//! [`Event`]: what HR says happened to a person, or an instant of theirs that has come.
//!
//! A flat feed or CSV holds no events but *observations*: whole records. [`Event::observed`] compares one
//! with the person's latest accepted record. Equal means nothing happened; otherwise the event's id is a
//! hash of person, version number and content, so that the same file twice is the same event, and
//! A → B → A → B is four events.

use std::fmt;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::person::{Person, PersonKey, Status, hex};

/// Identifies an event for ever. The same id is never processed twice.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventId(String);

impl EventId {
    /// Takes an id over, for example a source's own.
    pub fn new(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    /// A stable id made of several parts.
    pub fn of(parts: &[&str]) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        Self(hex(&hash.finalize())[..32].to_owned())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The canonical kinds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum EventKind {
    /// First heard of, and active.
    Join,
    /// Something other than the name changed.
    Move,
    /// Only the name changed.
    Rename,
    /// Was terminated, is active again.
    Rejoin,
    /// Employment ends: after the last day where one is given, at once otherwise. Also when somebody who
    /// stays active is given a last day, or another one.
    Leave {
        /// Last day of work, inclusive.
        last_day: Option<Date>,
    },
    /// A timer that an earlier decision set: an instant in the person's own calendar has come.
    Due {
        /// Which one.
        timer: Timer,
    },
}

impl EventKind {
    /// The kind in one word, for people and journals.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Join => "join",
            Self::Move => "move",
            Self::Rename => "rename",
            Self::Rejoin => "rejoin",
            Self::Leave { .. } => "leave",
            Self::Due { timer } => timer.as_str(),
        }
    }

    /// Whether the event takes access away, now or once its day has come, and so overtakes whatever else waits for this person.
    pub fn is_leave(&self) -> bool {
        matches!(self, Self::Leave { .. } | Self::Due { timer: Timer::Leave })
    }
}

/// The instants a lifecycle waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Timer {
    /// The account may be created (start minus `create_before`).
    Create,
    /// The temporary access pass is handed out (start minus `pass_before`).
    Pass,
    /// The first day begins where the person works.
    Start,
    /// The last day has ended where the person worked.
    Leave,
    /// The grace of a lost entitlement has run out.
    Grace,
    /// Retention has run out: the account is deleted.
    Delete,
    /// Something the plan waited for is there now: a manager's account. Set by somebody else's event.
    Recheck,
    /// The person's own next look: a date condition turns, or something was missing.
    Review,
}

impl Timer {
    /// The timer in one word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Pass => "pass",
            Self::Start => "start",
            Self::Leave => "last day over",
            Self::Grace => "grace over",
            Self::Delete => "retention over",
            Self::Recheck => "recheck",
            Self::Review => "review",
        }
    }
}

/// One event in one person's lane.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// The identity.
    pub id: EventId,
    /// Whose lane.
    pub person: PersonKey,
    /// What happened.
    #[serde(flatten)]
    pub kind: EventKind,
    /// The instant from which it may be worked on; orders the lane.
    pub due_at: Timestamp,
    /// When the platform learnt of it.
    pub entered_at: Timestamp,
    /// The record that says so; `None` for timers, which look at the latest one.
    pub record: Option<Person>,
    /// Which of the person's accepted records `record` is, from 1; 0 for timers.
    pub version: u64,
}

/// The latest record that was accepted for a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// Counts accepted records, from 1.
    pub version: u64,
    /// The record.
    pub record: Person,
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Event({} {} {})",
            self.person.as_str(),
            self.kind.as_str(),
            self.id
        )
    }
}

impl Event {
    /// What `record` means after `previous`, the latest accepted record: an event, or `None` when HR
    /// only repeated itself.
    pub fn observed(previous: Option<&Accepted>, record: &Person, now: Timestamp) -> Option<Self> {
        let version = previous.map_or(0, |accepted| accepted.version) + 1;
        let previous = previous.map(|accepted| &accepted.record);
        let record = previous.map_or_else(|| record.clone(), |previous| record.after(previous));
        let record = &record;
        let leave = EventKind::Leave {
            last_day: record.last_day,
        };
        let kind = match (previous, record.status) {
            (Some(previous), _) if previous == record => return None,
            (None, Status::Active) => EventKind::Join,
            (Some(previous), Status::Active) if previous.status == Status::Terminated => EventKind::Rejoin,
            // A contract's end is a leave, whatever the status says: nothing that waits may hold it up.
            (Some(previous), Status::Active)
                if record.last_day.is_some() && record.last_day != previous.last_day =>
            {
                leave
            }
            (Some(previous), Status::Active) if only_the_name_differs(previous, record) => EventKind::Rename,
            (Some(_), Status::Active) => EventKind::Move,
            (_, Status::Terminated) => leave,
        };
        let id = EventId::of(&[
            "observation",
            record.key.as_str(),
            &version.to_string(),
            &record.fingerprint(),
        ]);
        Some(Self {
            id,
            person: record.key.clone(),
            kind,
            due_at: now,
            entered_at: now,
            record: Some(record.clone()),
            version,
        })
    }

    /// A timer in the lane of `person`. Setting the same timer for the same instant again is the same event
    /// until it has been worked off; `cause` is the event whose decision set it.
    pub fn timer(
        person: &PersonKey,
        timer: Timer,
        due_at: Timestamp,
        cause: &EventId,
        now: Timestamp,
    ) -> Self {
        let id = EventId::of(&[
            "timer",
            person.as_str(),
            timer.as_str(),
            &due_at.to_string(),
            cause.as_str(),
        ]);
        Self {
            id,
            person: person.clone(),
            kind: EventKind::Due { timer },
            due_at,
            entered_at: now,
            record: None,
            version: 0,
        }
    }
}

fn only_the_name_differs(previous: &Person, record: &Person) -> bool {
    let renamed = Person {
        given_name: record.given_name.clone(),
        middle_name: record.middle_name.clone(),
        family_name: record.family_name.clone(),
        preferred_name: record.preferred_name.clone(),
        cleared: record.cleared.clone(),
        ..previous.clone()
    };
    renamed == *record
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(department: &str) -> Person {
        Person {
            department: Some(department.into()),
            ..Person::new(PersonKey::new("W-1"))
        }
    }

    fn accepted(version: u64, record: &Person) -> Accepted {
        Accepted {
            version,
            record: record.clone(),
        }
    }

    #[test]
    fn observations_become_events_only_when_something_changed() {
        let now = Timestamp::UNIX_EPOCH;
        let (a, b) = (person("A"), person("B"));
        let gone = Person {
            status: Status::Terminated,
            ..a.clone()
        };
        let named = Person {
            family_name: Some("Ng".into()),
            ..a.clone()
        };
        let kind = |before: Option<&Person>, after: &Person| {
            let before = before.map(|record| accepted(1, record));
            Event::observed(before.as_ref(), after, now).map(|event| event.kind.as_str())
        };
        assert_eq!(kind(None, &a), Some("join"));
        assert_eq!(kind(Some(&a), &a), None);
        assert_eq!(kind(Some(&a), &b), Some("move"));
        assert_eq!(kind(Some(&a), &named), Some("rename"));
        assert_eq!(kind(Some(&a), &gone), Some("leave"));
        assert_eq!(kind(None, &gone), Some("leave"));
        assert_eq!(kind(Some(&gone), &a), Some("rejoin"));
        let ending = Person {
            last_day: "2026-12-31".parse().ok(),
            ..named.clone()
        };
        assert_eq!(kind(Some(&a), &ending), Some("leave"));
        assert_eq!(kind(Some(&ending), &named), Some("move"));
        assert_eq!(kind(Some(&gone), &ending), Some("rejoin"));
    }

    #[test]
    fn what_hr_takes_back_is_remembered_until_it_is_said_again() {
        let now = Timestamp::UNIX_EPOCH;
        let titled = |title: Option<&str>| Person {
            job_title: title.map(str::to_owned),
            ..person("A")
        };
        let said = |before: &Person, title| Event::observed(Some(&accepted(1, before)), &titled(title), now);
        let taken_back = said(&titled(Some("Nurse")), None).unwrap().record.unwrap();
        assert_eq!(taken_back.cleared, ["job_title".to_owned()].into());
        assert!(
            said(&taken_back, None).is_none(),
            "the same file again says nothing new"
        );
        let again = said(&taken_back, Some("Matron")).unwrap().record.unwrap();
        assert!(again.cleared.is_empty());
        assert!(
            said(&titled(None), None).is_none(),
            "what was never said is not taken back"
        );
    }

    #[test]
    fn a_to_b_to_a_to_b_is_four_events_and_a_repeat_is_the_same_one() {
        let now = Timestamp::UNIX_EPOCH;
        let (a, b) = (person("A"), person("B"));
        let id = |before: Option<Accepted>, after: &Person| {
            Event::observed(before.as_ref(), after, now).unwrap().id
        };
        let ids = std::collections::BTreeSet::from([
            id(None, &a),
            id(Some(accepted(1, &a)), &b),
            id(Some(accepted(2, &b)), &a),
            id(Some(accepted(3, &a)), &b),
        ]);
        assert_eq!(ids.len(), 4);
        assert!(ids.contains(&id(Some(accepted(1, &a)), &b)));
    }
}
