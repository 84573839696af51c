//! [`Event`]: what HR says happened to a person, or an instant of theirs that has come.
//!
//! A flat feed or CSV holds no events but *observations*: whole records. [`Event::observed`] compares one
//! with the person's latest accepted record. Equal means nothing happened; otherwise the event's id is a
//! hash of person, version number and content, so that the same file twice is the same event, and
//! A → B → A → B is four events.
//!
//! A source that knows events tells [`News`]: with an id of its own, the civil date from which it counts, and the
//! moment at which it was entered. [`course`] works out what a person's record and the news of them come to.

mod news;

pub use news::{Course, News, course};

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
    /// A leave of absence begins.
    Suspend,
    /// A leave of absence is over.
    Resume,
    /// Another kind of worker: contractor to employee, or back. The same person, and the same account.
    Convert,
    /// Employment ends: after the last day where one is given, at once otherwise. Also when somebody who
    /// stays active is given a last day, or another one.
    Leave {
        /// Last day of work, inclusive.
        last_day: Option<Date>,
        /// Whether access ends at once, whatever the last day, before anything else that waits.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        urgent: bool,
    },
    /// Another event never was: what waits for it is called off, and what it brought is planned afresh.
    Retract {
        /// Which.
        of: EventId,
    },
    /// Another event is corrected: it counts from another day, or says something else.
    Amend {
        /// Which.
        of: EventId,
    },
    /// A timer that an earlier decision set: an instant in the person's own calendar has come.
    Due {
        /// Which one.
        timer: Timer,
    },
    /// Somebody asks for a person to be brought back to what HR and policy say.
    Revert {
        /// Who asks.
        by: String,
        /// Why.
        reason: String,
        /// What somebody else gave and is to be taken, each as `target/kind:id`, the id in lower case.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        take: Vec<String>,
    },
    /// Somebody says whether a person is the same as another one, who has an account already.
    Identify {
        /// The other one.
        other: PersonKey,
        /// Whether they are one person.
        same: bool,
        /// Who says so.
        by: String,
        /// Why.
        reason: String,
    },
    /// Somebody asks for what an event brought to be undone.
    Undo {
        /// Which event.
        of: EventId,
        /// Who asks.
        by: String,
        /// Why.
        reason: String,
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
            Self::Suspend => "suspend",
            Self::Resume => "resume",
            Self::Convert => "convert",
            Self::Leave { urgent: false, .. } => "leave",
            Self::Leave { urgent: true, .. } => "urgent leave",
            Self::Retract { .. } => "retract",
            Self::Amend { .. } => "amend",
            Self::Due { timer } => timer.as_str(),
            Self::Revert { .. } => "revert",
            Self::Undo { .. } => "undo",
            Self::Identify { same: true, .. } => "the same person",
            Self::Identify { .. } => "another person",
        }
    }

    /// Whether the event takes access away, now or once its day has come, and so overtakes whatever else waits for this person.
    pub fn is_leave(&self) -> bool {
        matches!(self, Self::Leave { .. } | Self::Due { timer: Timer::Leave })
    }

    /// Whether it comes before every other leave as well.
    pub fn is_urgent(&self) -> bool {
        matches!(self, Self::Leave { urgent: true, .. })
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
    /// A leave of absence begins or ends, or another announced change counts from now on.
    Change,
    /// The grace of a lost entitlement has run out.
    Grace,
    /// Retention has run out: the account is deleted.
    Delete,
    /// Somebody is told that the last day is near.
    Remind,
    /// Somebody who should be at work is looked up: whether they have signed in.
    SignIn,
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
            Self::Change => "change",
            Self::Grace => "grace over",
            Self::Delete => "retention over",
            Self::Remind => "last day near",
            Self::SignIn => "sign-in looked for",
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
    /// Which of the person's accepted records `record` is, from 1; 0 for timers and news.
    pub version: u64,
    /// What a source told as an event; `None` for observations and timers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub news: Option<News>,
}

/// What has been accepted of a person so far.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// Counts accepted records and news, from 1.
    pub version: u64,
    /// The latest record.
    pub record: Option<Person>,
    /// What sources told as events, in the order in which it was heard, as far as it may still matter.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub news: Vec<News>,
}

impl Accepted {
    /// Takes an event in, whose record, if it has one, is the successor of the latest.
    pub fn take(&mut self, event: &Event) {
        self.version += 1;
        if let Some(record) = &event.record {
            self.version = event.version;
            News::cover(&mut self.news, record, event.entered_at);
            self.record = Some(record.clone());
        }
        self.news.extend(event.news.clone());
    }

    /// Who the person was before, as the record says that was accepted last, or somebody since.
    pub fn previous_id(&self) -> Option<&PersonKey> {
        let told = self.news.iter().rev().filter_map(|news| news.record.as_deref());
        let mut records = told.chain(&self.record);
        let named = records.find_map(|record| record.previous_id.as_ref());
        named.or_else(|| News::same_as(&self.news))
    }
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
    /// What `record` means after `previous`, what has been accepted before: an event, or `None` when HR
    /// only repeated itself.
    pub fn observed(previous: Option<&Accepted>, record: &Person, now: Timestamp) -> Option<Self> {
        let version = previous.map_or(0, |accepted| accepted.version) + 1;
        let previous = previous.and_then(|accepted| accepted.record.as_ref());
        let record = previous.map_or_else(|| record.clone(), |previous| record.after(previous));
        let record = &record;
        let leave = EventKind::Leave {
            last_day: record.last_day,
            urgent: false,
        };
        let kind = match (previous, record.status) {
            (Some(previous), _) if previous == record => return None,
            (_, Status::Terminated) => leave,
            (None, _) => EventKind::Join,
            (Some(previous), _) if previous.status == Status::Terminated => EventKind::Rejoin,
            // A contract's end is a leave, whatever the status says: nothing that waits may hold it up.
            (Some(previous), _) if record.last_day.is_some() && record.last_day != previous.last_day => leave,
            (Some(previous), Status::OnLeave) if previous.status == Status::Active => EventKind::Suspend,
            (Some(previous), Status::Active) if previous.status == Status::OnLeave => EventKind::Resume,
            (Some(previous), _) if converts(previous, record) => EventKind::Convert,
            (Some(previous), _) if only_the_name_differs(previous, record) => EventKind::Rename,
            (Some(_), _) => EventKind::Move,
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
            news: None,
        })
    }

    /// Somebody asks for `person` to be brought back; the same request at the same instant is the same event.
    pub fn revert(person: &PersonKey, by: &str, reason: &str, take: Vec<String>, now: Timestamp) -> Self {
        let kind = EventKind::Revert {
            by: by.to_owned(),
            reason: reason.to_owned(),
            take,
        };
        Self::asked(person, kind, now)
    }

    /// Somebody asks for what the event `of` brought to `person` to be undone.
    pub fn undo(person: &PersonKey, of: &EventId, by: &str, reason: &str, now: Timestamp) -> Self {
        let kind = EventKind::Undo {
            of: of.clone(),
            by: by.to_owned(),
            reason: reason.to_owned(),
        };
        Self::asked(person, kind, now)
    }

    fn asked(person: &PersonKey, kind: EventKind, now: Timestamp) -> Self {
        // Every kind has a JSON form: it holds text alone.
        let content = serde_json::to_string(&kind).unwrap_or_default();
        Self {
            id: EventId::of(&["asked", person.as_str(), &content, &now.to_string()]),
            person: person.clone(),
            kind,
            due_at: now,
            entered_at: now,
            record: None,
            version: 0,
            news: None,
        }
    }

    /// What a source told as an event. It is worked on at once: whoever hears it knows what to wait for.
    pub fn told(news: News) -> Self {
        Self {
            id: news.id.clone(),
            person: news.person.clone(),
            kind: news.kind.clone(),
            due_at: news.heard_at,
            entered_at: news.heard_at,
            record: None,
            version: 0,
            news: Some(news),
        }
    }

    /// Whether `other`, which has the same id, says the same. When it was heard does not count.
    pub fn says_the_same(&self, other: &Self) -> bool {
        let news = match (&self.news, &other.news) {
            (Some(one), Some(other)) => one.says_the_same(other),
            (one, other) => one == other,
        };
        news && self.person == other.person && self.kind == other.kind && self.record == other.record
    }

    /// What is compared by [`says_the_same`](Self::says_the_same), and nothing else.
    #[cfg(feature = "sqlite")]
    pub(crate) fn what_is_said(&self) -> Self {
        Self {
            due_at: Timestamp::UNIX_EPOCH,
            entered_at: Timestamp::UNIX_EPOCH,
            version: 0,
            news: self.news.as_ref().map(News::what_is_said),
            ..self.clone()
        }
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
            news: None,
        }
    }
}

fn converts(previous: &Person, record: &Person) -> bool {
    previous.worker_type.is_some()
        && record.worker_type.is_some()
        && previous.worker_type != record.worker_type
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
            record: Some(record.clone()),
            news: Vec::new(),
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
        let away = Person {
            status: Status::OnLeave,
            ..a.clone()
        };
        assert_eq!(kind(Some(&a), &away), Some("suspend"));
        assert_eq!(kind(Some(&away), &a), Some("resume"));
        assert_eq!(kind(Some(&away), &gone), Some("leave"));
        assert_eq!(kind(Some(&gone), &away), Some("rejoin"));
        assert_eq!(kind(None, &away), Some("join"));
        let worker = |kind: &str| Person {
            worker_type: Some(kind.into()),
            ..b.clone()
        };
        assert_eq!(
            kind(Some(&worker("Contractor")), &worker("Employee")),
            Some("convert")
        );
        assert_eq!(kind(Some(&b), &worker("Employee")), Some("move"));
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
