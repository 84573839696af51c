//! Where a person stands at an instant, from civil dates and the time zone of the work location.
//!
//! Civil dates are never shifted: the first day begins, and the last day ends, at midnight where the
//! person works. A midnight that a clock change skips is the first instant after the gap.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};

use crate::event::Timer;
use crate::person::{Person, Status};
use crate::plan::Phase;
use crate::policy::Settings;

/// Where a person stands, why, and which instants will change it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) phase: Phase,
    pub(super) because: String,
    pub(super) timers: Vec<(Timer, Timestamp)>,
    /// Whether the person is on leave, also where policy lets them sign in.
    pub(super) away: bool,
    /// The civil date where the person works.
    pub(super) today: Date,
    pub(super) zone: TimeZone,
    /// When the first day begins, if HR names one.
    pub(super) start: Option<Timestamp>,
    /// When the temporary access pass is handed out, if it is.
    pub(super) pass_at: Option<Timestamp>,
    /// Whether the last day is so near that somebody is told.
    pub(super) leaves_soon: bool,
}

/// The standing of `person` at `now`; `left_at` is when access was taken away, if it was.
///
/// # Errors
/// A clause, when the time zone is unknown or a date lies outside the calendar.
pub(super) fn standing(
    person: &Person,
    left_at: Option<Timestamp>,
    settings: &Settings,
    now: Timestamp,
) -> Result<Standing, String> {
    if let (Some(first), Some(last)) = (person.hire_date, person.last_day)
        && person.status != Status::Terminated
        && last < first
    {
        // The last day of an earlier employment, or a start that was called off: nobody can tell.
        return Err(format!(
            "HR says at work, with the last day {last} before the first day {first}"
        ));
    }
    let name = person.time_zone.as_deref().unwrap_or(&settings.time_zone);
    let zone = match TimeZone::get(name) {
        Ok(zone) => zone,
        // It matters to the hour only, and not at all to somebody whose last day is over everywhere.
        Err(_) if over_everywhere(person).is_some_and(|over| over <= now) => west(),
        Err(_) => return Err(format!("the time zone {name:?} is unknown")),
    };
    let today = now.to_zoned_datetime(zone.clone()).date();
    let mut standing = Standing {
        phase: Phase::Active,
        because: String::new(),
        timers: Vec::new(),
        away: false,
        today,
        zone,
        start: None,
        pass_at: None,
        leaves_soon: false,
    };

    let leave_at = match (person.status, person.last_day) {
        (_, Some(last)) => {
            let after = last
                .tomorrow()
                .map_err(|_| format!("the last day {last} is out of range"))?;
            Some(midnight(after, &standing.zone)?)
        }
        (Status::Terminated, None) => Some(Timestamp::MIN),
        (Status::Active | Status::OnLeave, None) => None,
    };
    if let Some(leave_at) = leave_at {
        if leave_at <= now {
            gone(&mut standing, person, left_at, settings, now);
            return Ok(standing);
        }
        standing.timers.push((Timer::Leave, leave_at));
    }
    if let (Some(last), Some(days)) = (person.last_day, settings.remind_before) {
        let day = last.saturating_sub(i64::from(days).days());
        let remind_at = midnight(day, &standing.zone)?;
        standing.leaves_soon = remind_at <= now;
        if remind_at > now {
            standing.timers.push((Timer::Remind, remind_at));
        }
    }

    let Some(first) = person.hire_date else {
        "HR says active".clone_into(&mut standing.because);
        absence(&mut standing, person, settings, now)?;
        return Ok(standing);
    };
    let start = midnight(first, &standing.zone)?;
    standing.start = Some(start);
    if let Some(pass) = &settings.pass {
        let day = first
            .checked_sub(i64::from(pass.before).days())
            .map_err(|_| format!("the first day {first} is out of range"))?;
        let pass_at = midnight(day, &standing.zone)?;
        standing.pass_at = Some(pass_at);
        if now < pass_at {
            standing.timers.push((Timer::Pass, pass_at));
        }
    }
    if start <= now {
        standing.because = format!("first day {first}");
        absence(&mut standing, person, settings, now)?;
        return Ok(standing);
    }
    let create_on = first
        .checked_sub(i64::from(settings.create_before).days())
        .map_err(|_| format!("the first day {first} is out of range"))?;
    let create = midnight(create_on, &standing.zone)?;
    if create <= now {
        standing.phase = Phase::Staged;
        standing.because = format!("prepared for the first day {first}");
    } else {
        standing.phase = Phase::Pending;
        standing.because = format!("starts on {first}: the account is prepared from {create_on} on");
        standing.timers.push((Timer::Create, create));
    }
    standing.timers.push((Timer::Start, start));
    Ok(standing)
}

/// Whether HR's record alone says that somebody has left, wherever they work.
pub(crate) fn has_gone(person: &Person, now: Timestamp) -> bool {
    over_everywhere(person).is_some_and(|over| over <= now)
}

/// Where somebody stood by a record at an instant, whatever was done since.
///
/// # Errors
/// As `standing`.
pub(crate) fn phase_at(person: &Person, settings: &Settings, at: Timestamp) -> Result<Phase, String> {
    standing(person, None, settings, at).map(|standing| standing.phase)
}

/// When the last day is over wherever the person may work; `None` for somebody who has none.
pub(super) fn over_everywhere(person: &Person) -> Option<Timestamp> {
    match (person.status, person.last_day) {
        (_, Some(last)) => midnight(last.tomorrow().ok()?, &west()).ok(),
        (Status::Terminated, None) => Some(Timestamp::MIN),
        (Status::Active | Status::OnLeave, None) => None,
    }
}

/// A leave of absence of somebody employed. Who HR says is on leave stays so until HR says otherwise, however long
/// that was to last; the dates of a leave count for somebody of whom HR says something else.
fn absence(
    standing: &mut Standing,
    person: &Person,
    settings: &Settings,
    now: Timestamp,
) -> Result<(), String> {
    let from = person
        .leave_from
        .map(|first| midnight(first, &standing.zone))
        .transpose()?;
    let until = match person.leave_until.map(jiff::civil::Date::tomorrow) {
        Some(Ok(after)) => Some(midnight(after, &standing.zone)?),
        _ => None,
    };
    let on_leave = person.status == Status::OnLeave;
    if !on_leave && (from.is_none() || until.is_none()) {
        return Ok(());
    }
    if let Some(from) = from.filter(|from| *from > now) {
        standing.timers.push((Timer::Change, from));
        return Ok(());
    }
    if let Some(until) = until.filter(|_| !on_leave) {
        if until <= now {
            return Ok(());
        }
        standing.timers.push((Timer::Change, until));
    }
    standing.away = true;
    standing.because = match person.leave_from {
        Some(first) => format!("on leave of absence since {first}"),
        None => "on leave of absence".to_owned(),
    };
    if settings.leave_blocks_sign_in {
        standing.phase = Phase::Suspended;
    }
    Ok(())
}

/// Where days end last: UTC-12.
fn west() -> TimeZone {
    TimeZone::fixed(jiff::tz::offset(-12))
}

fn gone(
    standing: &mut Standing,
    person: &Person,
    left_at: Option<Timestamp>,
    settings: &Settings,
    now: Timestamp,
) {
    standing.phase = Phase::Gone;
    standing.because = match person.last_day {
        Some(last) => format!("last day was {last}"),
        None => "HR says terminated".to_owned(),
    };
    let Some(days) = settings.delete_after else { return };
    let since = left_at.unwrap_or(now);
    let delete_at = since
        .saturating_add(SignedDuration::from_hours(i64::from(days) * 24))
        .unwrap_or(Timestamp::MAX);
    // Deletion follows the taking away of access, never in the same breath.
    if left_at.is_some() && delete_at <= now {
        standing.phase = Phase::Purged;
        standing.because = format!("{days} days after access was taken away");
    } else {
        standing.timers.push((Timer::Delete, delete_at));
    }
}

/// The first instant of `date` in `zone`.
pub(super) fn midnight(date: Date, zone: &TimeZone) -> Result<Timestamp, String> {
    date.to_zoned_datetime(zone.clone())
        .map(|start| start.timestamp())
        .map_err(|_| format!("the date {date} is out of range"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::person::PersonKey;
    use Status::{Active, Terminated};

    fn person(status: Status, hire: &str, last: &str, zone: &str) -> Person {
        Person {
            status,
            hire_date: hire.parse().ok(),
            last_day: last.parse().ok(),
            time_zone: (!zone.is_empty()).then(|| zone.to_owned()),
            ..Person::new(PersonKey::new("W-1"))
        }
    }

    #[test]
    fn phases_and_timers_follow_the_midnight_of_the_work_location() {
        let settings = Settings {
            create_before: 14,
            delete_after: Some(30),
            ..Settings::default()
        };
        let check = |person: Person, left: &str, now: &str, expect: &str| {
            let standing = standing(&person, left.parse().ok(), &settings, now.parse().unwrap()).unwrap();
            let timers: Vec<String> = standing
                .timers
                .iter()
                .map(|(timer, at)| format!("{timer:?}@{at}"))
                .collect();
            assert_eq!(
                format!("{:?} {}", standing.phase, timers.join(" ")).trim(),
                expect,
                "{now}"
            );
        };
        let berlin = || person(Active, "2031-03-03", "", "Europe/Berlin");
        check(
            berlin(),
            "",
            "2026-11-24T00:00:00Z",
            "Pending Create@2031-02-16T23:00:00Z Start@2031-03-02T23:00:00Z",
        );
        check(
            berlin(),
            "",
            "2031-02-16T23:00:00Z",
            "Staged Start@2031-03-02T23:00:00Z",
        );
        check(
            berlin(),
            "",
            "2031-03-02T22:59:59Z",
            "Staged Start@2031-03-02T23:00:00Z",
        );
        check(berlin(), "", "2031-03-02T23:00:00Z", "Active");
        let sydney = || person(Terminated, "2017-02-06", "2026-11-25", "Australia/Sydney");
        check(
            sydney(),
            "",
            "2026-11-25T12:59:59Z",
            "Active Leave@2026-11-25T13:00:00Z",
        );
        check(
            sydney(),
            "",
            "2026-11-25T13:00:00Z",
            "Gone Delete@2026-12-25T13:00:00Z",
        );
        check(
            sydney(),
            "2026-11-25T13:00:01Z",
            "2026-12-25T13:00:00Z",
            "Gone Delete@2026-12-25T13:00:01Z",
        );
        check(sydney(), "2026-11-25T13:00:01Z", "2026-12-25T13:00:01Z", "Purged");
        check(
            person(Terminated, "", "", ""),
            "",
            "2026-11-24T00:00:00Z",
            "Gone Delete@2026-12-24T00:00:00Z",
        );
        check(person(Active, "", "", ""), "", "2026-11-24T00:00:00Z", "Active");
        // A contract's end is a leave, whatever the status says; midnight does not exist in Santiago
        // on 2026-09-06, so the day begins at 01:00.
        check(
            person(Active, "2025-09-06", "2026-09-05", "America/Santiago"),
            "",
            "2026-09-06T04:00:00Z",
            "Gone Delete@2026-10-06T04:00:00Z",
        );
        check(
            person(Active, "2026-09-06", "", "America/Santiago"),
            "",
            "2026-09-06T03:59:59Z",
            "Staged Start@2026-09-06T04:00:00Z",
        );
    }

    #[test]
    fn an_unknown_zone_is_an_error_not_utc() {
        let wrong = person(Status::Active, "", "", "Australia/Sidney");
        let error = standing(&wrong, None, &Settings::default(), Timestamp::UNIX_EPOCH).unwrap_err();
        assert!(error.contains("Australia/Sidney"), "{error}");
        // The last day of somebody who has left is over everywhere some time.
        let standing = |status, last: &str| {
            let person = person(status, "", last, "Australia/Sidney");
            let now = "2026-11-26T12:00:00Z".parse().unwrap();
            standing(&person, None, &Settings::default(), now).map(|standing| standing.phase)
        };
        assert_eq!(standing(Status::Terminated, ""), Ok(Phase::Gone));
        assert_eq!(standing(Status::Active, "2026-11-25"), Ok(Phase::Gone));
        assert!(standing(Status::Terminated, "2026-11-26").is_err());
    }

    #[test]
    fn dates_of_two_employments_are_an_error_for_somebody_active() {
        let standing = |status| {
            let person = person(status, "2026-12-01", "2026-11-25", "");
            let now = "2027-01-01T00:00:00Z".parse().unwrap();
            standing(&person, None, &Settings::default(), now)
        };
        assert!(standing(Status::Active).unwrap_err().contains("2026-11-25"));
        assert_eq!(standing(Status::Terminated).unwrap().phase, Phase::Gone);
    }
}
