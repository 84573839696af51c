//! [`News`]: what a source tells as an event, and [`course`]: what record and news come to at an instant.
//!
//! Invariants: pure; the same news in any order of delivery come to the same; a retraction that comes before what it
//! retracts waits for it; a record that HR still sends never undoes a leave that was told and not taken back.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{EventId, EventKind, Timer};
use crate::person::{Person, PersonKey, Status};

/// An event as its source tells it: what happened, from when on it counts, and when that was entered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct News {
    /// The source's own id. The same id with other content is quarantined.
    pub id: EventId,
    /// Whom it is about.
    pub person: PersonKey,
    /// What happened. Not [`Due`](EventKind::Due).
    #[serde(flatten)]
    pub kind: EventKind,
    /// The civil date from which it counts, never shifted; of a leave the last day, unless the kind has one. `None`
    /// counts at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effective: Option<Date>,
    /// The IANA time zone of that date. Without one, that of the record, else that of the policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// When it was entered at the source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entered_at: Option<Timestamp>,
    /// The person as they are from then on, where the source tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<Box<Person>>,
    /// When the platform heard of it.
    pub heard_at: Timestamp,
    /// Whether a record that was accepted later tells it as well.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub covered: bool,
}

impl News {
    /// News that count at once.
    pub fn new(id: EventId, person: PersonKey, kind: EventKind, heard_at: Timestamp) -> Self {
        Self {
            id,
            person,
            kind,
            effective: None,
            zone: None,
            entered_at: None,
            record: None,
            heard_at,
            covered: false,
        }
    }

    /// Whether `other` says the same: when it was heard does not count.
    pub fn says_the_same(&self, other: &Self) -> bool {
        self.what_is_said() == other.what_is_said()
    }

    /// Without when it was heard.
    pub(crate) fn what_is_said(&self) -> Self {
        Self {
            heard_at: Timestamp::UNIX_EPOCH,
            covered: false,
            ..self.clone()
        }
    }

    fn last_day(&self) -> Option<Date> {
        match self.kind {
            EventKind::Leave { last_day, .. } => last_day.or(self.effective),
            _ => self.effective,
        }
    }

    fn is_start(&self) -> bool {
        matches!(self.kind, EventKind::Join | EventKind::Rejoin)
    }

    /// The instant from which it counts.
    fn counts_from(&self, fallback: &str) -> Result<Timestamp, String> {
        let leave = matches!(self.kind, EventKind::Leave { .. });
        let (Some(day), false) = (self.last_day(), self.kind.is_urgent()) else {
            return Ok(self.entered_at.unwrap_or(self.heard_at));
        };
        let known = || {
            self.record
                .as_ref()
                .and_then(|record| record.time_zone.as_deref())
        };
        let name = self.zone.as_deref().or_else(known).unwrap_or(fallback);
        let zone = TimeZone::get(name)
            .map_err(|_| format!("the time zone {name:?} of event {} is unknown", self.id))?;
        let day = if leave { day.tomorrow().unwrap_or(day) } else { day };
        let start = day.to_zoned_datetime(zone).map(|start| start.timestamp());
        start.map_err(|_| format!("the date {day} of event {} is out of range", self.id))
    }

    /// What is remarkable about it when it is heard: it counts from a day before it was entered, or speaks of an
    /// event that is not among the `others`. `zone` as for [`course`].
    pub fn remark(&self, others: &[Self], zone: &str) -> Option<String> {
        if let EventKind::Retract { of } | EventKind::Amend { of } = &self.kind
            && !others.iter().any(|other| other.id == *of)
        {
            let kind = self.kind.as_str();
            return Some(format!(
                "{kind} of event {of}, which is not known, or was told by a record since"
            ));
        }
        let (day, entered) = (self.last_day()?, self.entered_at.unwrap_or(self.heard_at));
        // On the day itself is in time, whatever the hour.
        let hours = if matches!(self.kind, EventKind::Leave { .. }) {
            0
        } else {
            24
        };
        let over = self
            .counts_from(zone)
            .ok()?
            .saturating_add(SignedDuration::from_hours(hours))
            .ok()?;
        (over <= entered && !self.kind.is_urgent()).then(|| {
            let kind = self.kind.as_str();
            format!("late notice: {kind} of {day} was entered at {entered:.0}")
        })
    }

    /// The worker id of which somebody has said last that it is the same person's.
    pub(super) fn same_as(news: &[Self]) -> Option<&PersonKey> {
        let mut said = news.iter().rev().filter_map(|one| match &one.kind {
            EventKind::Identify { other, same, .. } => Some((other, *same)),
            _ => None,
        });
        let mut not: Vec<&PersonKey> = Vec::new();
        said.find_map(|(other, same)| {
            let taken_back = not.contains(&other);
            not.push(other);
            (same && !taken_back).then_some(other)
        })
    }

    /// Marks what a record that was observed `at` tells as well, and forgets what can never matter again.
    pub(super) fn cover(news: &mut Vec<Self>, record: &Person, at: Timestamp) {
        let day = at.to_zoned_datetime(TimeZone::UTC).date();
        let employed = record.status != Status::Terminated;
        for one in &mut *news {
            let counted = one.effective.is_none_or(|effective| effective <= day);
            one.covered |= match one.kind {
                // Somebody who is sent away at once comes back when HR says that they join again.
                EventKind::Leave { urgent, .. } => {
                    let again = |first: Date| one.last_day().is_some_and(|last| first > last);
                    (!employed && !urgent) || (employed && record.hire_date.is_some_and(again))
                }
                EventKind::Join | EventKind::Rejoin => employed || counted,
                EventKind::Retract { .. } | EventKind::Identify { .. } => false,
                _ => counted,
            };
        }
        // A start that is called off later must be known then; one that was called off before is told anew.
        let called_off: Vec<EventId> = news
            .iter()
            .filter_map(|one| match &one.kind {
                EventKind::Retract { of } => Some(of.clone()),
                _ => None,
            })
            .collect();
        news.retain(|one| !one.covered || (one.is_start() && !called_off.contains(&one.id)));
    }
}

/// What is known of a person at an instant, and what is announced.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Course {
    /// The record as it counts; `None` when nothing but an event without a record is known.
    pub record: Option<Person>,
    /// Instants at which an announced event begins to count.
    pub turns: Vec<(Timer, Timestamp)>,
    /// What people should know.
    pub remarks: Vec<String>,
    /// Why nobody can tell, and nothing may be done.
    pub doubt: Option<String>,
    /// The worker id under which the same person, and the account, goes on.
    pub goes_on_as: Option<PersonKey>,
    /// The worker id under which the person was known before, as somebody has said.
    pub same_as: Option<PersonKey>,
    /// Those of whom somebody has said that they are other people.
    pub not_same: BTreeSet<PersonKey>,
    /// Those who may be the same person and have an account: somebody has to say.
    pub may_be: Vec<PersonKey>,
    /// Whether the account that is to go on is still used under the worker id before, until the first day.
    pub account_in_use: bool,
}

/// What the latest record and the news together come to at `now`. `zone` is that of people and events who name none;
/// somebody's next start shows so many days before it counts.
///
/// Order is that of the instants from which things count, then of entry, then of ids. A start (join, rejoin) brings
/// its record, and ends a leave before it; other news change what they speak of, and never bring back somebody who
/// has left.
pub fn course(record: Option<&Person>, news: &[News], zone: &str, lead_days: u32, now: Timestamp) -> Course {
    let mut course = Course {
        record: record.cloned(),
        ..Course::default()
    };
    course.same_as = News::same_as(news).cloned();
    for one in news {
        match &one.kind {
            EventKind::Identify {
                other, same: true, ..
            } => drop(course.not_same.remove(other)),
            EventKind::Identify { other, .. } => drop(course.not_same.insert(other.clone())),
            _ => {}
        }
    }
    let fallback = record.and_then(|record| record.time_zone.clone());
    let fallback = fallback.unwrap_or_else(|| zone.to_owned());
    let mut timed: Vec<(Timestamp, News)> = Vec::new();
    for one in news {
        if is_retracted(one, news, news.len()) {
            rescind(one, &mut course, record);
            continue;
        }
        let Some(amended) = amended(one, news) else {
            continue;
        };
        if amended.covered {
            continue;
        }
        match amended.counts_from(&fallback) {
            Ok(from) => timed.push((from, amended)),
            // The last day is over everywhere some time, and until then the record's own zone tells.
            Err(_) if matches!(one.kind, EventKind::Leave { .. }) => timed.push((Timestamp::MAX, amended)),
            Err(why) => {
                course.doubt.get_or_insert(why);
            }
        }
    }
    timed.sort_by(order);
    let lead = SignedDuration::from_hours(i64::from(lead_days) * 24);
    for (from, one) in &timed {
        let is_leave = matches!(one.kind, EventKind::Leave { .. });
        let shown = from.saturating_sub(lead).unwrap_or(Timestamp::MIN);
        let early =
            one.is_start() && (course.record.is_none() || (is_over(&course, &fallback, now) && shown <= now));
        if is_leave && *from > now && course.record.is_none() && one.record.is_none() {
            // That somebody will leave is no reason to give them anything until then.
            course.turns.push((Timer::Leave, *from));
        } else if *from <= now || is_leave || early {
            apply(one, &mut course.record);
        } else if one.is_start() && shown > now {
            course.turns.push((Timer::Create, shown));
            course.turns.push((Timer::Start, *from));
        } else {
            course.turns.push((Timer::Change, *from));
        }
    }
    course
}

fn order(one: &(Timestamp, News), other: &(Timestamp, News)) -> Ordering {
    let key =
        |(from, news): &(Timestamp, News)| (*from, news.entered_at.unwrap_or(news.heard_at), news.id.clone());
    key(one).cmp(&key(other))
}

/// Whether somebody has taken it back, and that has not been taken back itself.
fn is_retracted(one: &News, news: &[News], depth: usize) -> bool {
    depth > 0
        && news.iter().any(|other| {
            matches!(&other.kind, EventKind::Retract { of } if *of == one.id)
                && other.id != one.id
                && !is_retracted(other, news, depth - 1)
        })
}

/// The event with its corrections; `None` for what only speaks of others.
fn amended(one: &News, news: &[News]) -> Option<News> {
    match &one.kind {
        EventKind::Retract { .. } | EventKind::Due { .. } | EventKind::Identify { .. } => return None,
        // Until it is known what it corrects, its record is news itself.
        EventKind::Amend { of } => {
            let alone = !news.iter().any(|other| other.id == *of) && one.record.is_some() && !one.covered;
            return alone.then(|| News {
                kind: EventKind::Move,
                ..one.clone()
            });
        }
        _ => {}
    }
    let mut amended = one.clone();
    // The record that was accepted since says more than the event's own.
    amended.record = amended.record.filter(|_| !one.covered);
    let mut corrections: Vec<&News> = news
        .iter()
        .filter(|other| matches!(&other.kind, EventKind::Amend { of } if *of == one.id))
        .filter(|other| !is_retracted(other, news, news.len()))
        .collect();
    corrections.sort_by_key(|other| (other.entered_at.unwrap_or(other.heard_at), other.id.clone()));
    for correction in corrections {
        if let Some(day) = correction.effective {
            amended.effective = Some(day);
            if let EventKind::Leave { last_day, .. } = &mut amended.kind {
                *last_day = Some(day);
            }
            // The start that the record names moves along.
            if let (true, Some(record)) = (amended.is_start(), &mut amended.record) {
                record.hire_date = Some(day);
            }
        }
        amended.zone = correction.zone.clone().or(amended.zone);
        amended.record = correction.record.clone().or(amended.record);
        amended.covered &= correction.covered;
    }
    Some(amended)
}

/// A start that was called off: who was to come is gone, unless something else says that they come.
fn rescind(one: &News, course: &mut Course, base: Option<&Person>) {
    if !one.is_start() || (base.is_some() && !one.covered) {
        return;
    }
    let known = course.record.clone().or_else(|| one.record.as_deref().cloned());
    if let Some(mut record) = known {
        record.status = Status::Terminated;
        (record.last_day, record.hire_date) = (None, None);
        course.record = Some(record);
        course
            .remarks
            .push(format!("the start that event {} told was called off", one.id));
    }
}

fn apply(one: &News, record: &mut Option<Person>) {
    let given = one.record.as_deref();
    let given = given.map(|given| {
        record
            .as_ref()
            .map_or_else(|| given.clone(), |known| given.after(known))
    });
    match (&one.kind, record.take()) {
        (EventKind::Join | EventKind::Rejoin, known) => {
            let fresh = given.or_else(|| {
                known.map(|known| Person {
                    status: Status::Active,
                    last_day: None,
                    leave_from: None,
                    leave_until: None,
                    ..known
                })
            });
            *record = fresh.map(|fresh| Person {
                hire_date: one.effective.or(fresh.hire_date),
                time_zone: one.zone.clone().or(fresh.time_zone),
                ..fresh
            });
        }
        (EventKind::Leave { urgent, .. }, known) => {
            let known = given.or(known).unwrap_or_else(|| Person::new(one.person.clone()));
            let last_day = one.last_day().filter(|_| !urgent);
            // Who is on leave until the last day stays so.
            let away = last_day.is_some() && known.status == Status::OnLeave;
            *record = Some(Person {
                status: if away { Status::OnLeave } else { Status::Terminated },
                last_day,
                time_zone: one.zone.clone().or(known.time_zone),
                ..known
            });
        }
        (_, Some(known)) if known.status == Status::Terminated => {
            // Whoever has left stays gone, whatever else is said of them.
            *record = Some(Person {
                status: known.status,
                last_day: known.last_day,
                ..given.unwrap_or(known)
            });
        }
        (EventKind::Suspend, known) => {
            *record = given.or(known).map(|known| Person {
                status: Status::OnLeave,
                leave_from: None, // it has begun, by the event's own zone
                ..known
            });
        }
        (EventKind::Resume, known) => {
            *record = given.or(known).map(|known| Person {
                status: Status::Active,
                leave_from: None,
                leave_until: None,
                ..known
            });
        }
        (_, known) => {
            // A change is no return.
            let away = known
                .as_ref()
                .is_some_and(|known| known.status == Status::OnLeave);
            *record = given.or(known).map(|known| Person {
                status: if away { Status::OnLeave } else { known.status },
                ..known
            });
        }
    }
}

/// Whether the person, as far as the course goes, has left already.
fn is_over(course: &Course, zone: &str, now: Timestamp) -> bool {
    let Some(record) = &course.record else { return true };
    let name = record.time_zone.as_deref().unwrap_or(zone);
    let zone = TimeZone::get(name).unwrap_or(TimeZone::UTC);
    let today = now.to_zoned_datetime(zone).date();
    record
        .last_day
        .map_or(record.status == Status::Terminated, |last| today > last)
}
