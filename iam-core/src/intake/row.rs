//! The rules for one row: its cells in, a [`Person`] or a [`Reject`] out; and for the rows of one input together,
//! that no worker id comes twice.
//!
//! Invariants: a row is taken whole or not at all; status is never defaulted; the flags `isNewHire` and
//! `isUpdated` are checked and then no evidence (what HR says now is compared with what was accepted before).

use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::{BuildHasher as _, Hasher as _};

use foldhash::fast::RandomState as Quick;
use foldhash::quality::RandomState as Even;
use jiff::civil::Date;

use super::fields::{Cells, Field, Spelling};
use super::values::{self, Fault};
use super::{Item, Paging, Record, Reject, Summary};
use crate::person::{Person, PersonKey, Status};

/// The cleaned texts of one row.
type Texts<'a> = [Option<Cow<'a, str>>; Field::COUNT];

/// A [`Fault`] and where it lies.
#[derive(Debug)]
pub(super) struct Flaw {
    place: Place,
    fault: Fault,
}

#[derive(Debug)]
enum Place {
    Row,
    Field(Field),
    Between(Field, Field),
    Named(String),
}

impl Flaw {
    /// In the row as a whole.
    pub(super) fn row(code: &'static str, message: impl Into<String>) -> Self {
        let place = Place::Row;
        let fault = Fault::new(code, message);
        Self { place, fault }
    }

    /// In one field.
    pub(super) fn at(field: Field, fault: Fault) -> Self {
        let place = Place::Field(field);
        Self { place, fault }
    }

    /// In something that is no known field, by the source's name for it.
    pub(super) fn named(name: impl Into<String>, fault: Fault) -> Self {
        let place = Place::Named(name.into());
        Self { place, fault }
    }

    fn between(one: Field, other: Field, fault: Fault) -> Self {
        let place = Place::Between(one, other);
        Self { place, fault }
    }

    /// The refusal of the row that has it.
    pub(super) fn reject(self, row: u64, person: Option<String>, spelling: &Spelling) -> Reject {
        let field = match self.place {
            Place::Row => String::new(),
            Place::Field(field) => spelling.of(field).to_owned(),
            Place::Between(one, other) => format!("{}, {}", spelling.of(one), spelling.of(other)),
            Place::Named(name) => name,
        };
        Reject {
            row,
            person,
            field,
            code: self.fault.code,
            message: self.fault.message,
            twin: self.fault.twin,
        }
    }
}

/// Judges the rows of one input, one after the other.
#[derive(Debug, Default)]
pub(super) struct Judge {
    seen: Seen,
    known: Known,
    summary: Summary,
}

impl Judge {
    /// The totals so far.
    pub(super) fn summary(&self) -> Summary {
        self.summary
    }

    /// Keeps what the source says of itself as a whole.
    pub(super) fn of_whole(&mut self, pages: Option<Paging>, schema: Option<u64>) {
        self.summary.pages = pages;
        self.summary.schema = schema;
    }

    /// Judges a row that the reader could take apart.
    pub(super) fn judge(&mut self, row: u64, cells: &Cells<'_>, spelling: &Spelling) -> Item {
        self.summary.fields.count(cells);
        let Self { seen, known, .. } = self;
        match record(row, cells, known, |key, texts| seen.first_time(row, key, texts)) {
            Ok(record) => {
                self.summary.rows += 1;
                self.summary.records += 1;
                Item::Record(record)
            }
            Err(flaw) => {
                let id = cells[Field::EmployeeId.index()];
                if let Some(key) = id.and_then(shown_id).filter(|_| flaw.fault.twin.is_none()) {
                    self.seen.refused(&key, row);
                }
                self.refuse(row, id, flaw, spelling)
            }
        }
    }

    /// Refuses a row that the reader could not take apart. Its worker id counts as seen: a later row with the
    /// same id is not known to be the right one.
    pub(super) fn refuse_unread(
        &mut self,
        row: u64,
        id: Option<&str>,
        flaw: Flaw,
        spelling: &Spelling,
    ) -> Item {
        if let Some(key) = id.and_then(shown_id) {
            // A repeat is refused for its own flaw, which says more.
            let _ = self.seen.first_time(row, &key, &Texts::default());
            self.seen.refused(&key, row);
        }
        self.refuse(row, id, flaw, spelling)
    }

    fn refuse(&mut self, row: u64, id: Option<&str>, flaw: Flaw, spelling: &Spelling) -> Item {
        self.summary.rows += 1;
        self.summary.rejects += 1;
        Item::Reject(flaw.reject(row, id.and_then(shown_id).map(Cow::into_owned), spelling))
    }
}

fn shown_id(raw: &str) -> Option<Cow<'_, str>> {
    values::id(raw).ok().flatten()
}

/// The person that row number `at` describes. `first_time` is asked as soon as the key and all texts are known.
fn record(
    at: u64,
    cells: &Cells<'_>,
    known: &mut Known,
    first_time: impl FnOnce(&str, &Texts<'_>) -> Result<(), Fault>,
) -> Result<Box<Record>, Flaw> {
    let mut row = Row {
        cells,
        texts: Texts::default(),
    };
    for (field, slot) in Field::all().zip(&mut row.texts) {
        let Some(raw) = cells[field.index()] else { continue };
        let is_id = matches!(field, Field::EmployeeId | Field::ManagerId | Field::PreviousId);
        *slot = match values::plain(raw) {
            Some(plain) => Some(Cow::Borrowed(plain)),
            None if raw.is_empty() => None,
            None if is_id => values::id(raw).map_err(|fault| Flaw::at(field, fault))?,
            None => values::text(raw, values::LONGEST_TEXT).map_err(|fault| Flaw::at(field, fault))?,
        };
    }
    let Some(key) = row.text(Field::EmployeeId) else {
        let fault = Fault::new("missing_key", "expected the worker id, found nothing");
        return Err(Flaw::at(Field::EmployeeId, fault));
    };
    first_time(key, &row.texts).map_err(|fault| Flaw::at(Field::EmployeeId, fault))?;
    row.check_name()?;
    let new_hire = row.flag(Field::IsNewHire)?;
    row.flag(Field::IsUpdated)?;
    let active = row.flag(Field::IsActive)?;
    let (hire_date, last_day) = row.dates()?;
    let on_leave = row.flag(Field::OnLeave)?;
    let status = row.status(active, on_leave, last_day)?;
    let (leave_from, leave_until) = row.leave()?;
    if status == Status::Terminated && new_hire == Some(true) {
        let fault = Fault::new(
            "contradiction",
            "expected a new hire to be Active, found Terminated",
        );
        return Err(Flaw::between(Field::Status, Field::IsNewHire, fault));
    }
    let key = PersonKey::new(row.text(Field::EmployeeId).unwrap_or_default());
    let person = Person::new(key);
    let mut record = Box::new(Record { row: at, person });
    let person = &mut record.person;
    person.status = status;
    person.manager_id = row.text(Field::ManagerId).map(PersonKey::new);
    person.country = row.checked(Field::Country, |text| known.countries.of(&text, values::country))?;
    person.time_zone = row.checked(Field::TimeZone, |text| known.zones.of(&text, values::time_zone))?;
    person.email = row.checked(Field::Email, values::email)?;
    person.hire_date = hire_date;
    person.last_day = last_day;
    (person.leave_from, person.leave_until) = (leave_from, leave_until);
    person.previous_id = row.text(Field::PreviousId).map(PersonKey::new);
    person.given_name = row.take(Field::FirstName);
    person.middle_name = row.take(Field::MiddleName);
    person.family_name = row.take(Field::LastName);
    person.preferred_name = row.take(Field::PreferredName);
    person.department = row.take(Field::Department);
    person.job_title = row.take(Field::JobTitle);
    person.location = row.take(Field::Location);
    person.worker_type = row.take(Field::WorkerType);
    person.cost_center = row.take(Field::CostCenter);
    person.company = row.take(Field::Company);
    Ok(record)
}

struct Row<'c, 'a> {
    cells: &'c Cells<'a>,
    texts: Texts<'a>,
}

impl Row<'_, '_> {
    fn text(&self, field: Field) -> Option<&str> {
        self.texts[field.index()].as_deref()
    }

    fn take(&mut self, field: Field) -> Option<String> {
        self.texts[field.index()].take().map(Cow::into_owned)
    }

    fn checked<T>(
        &mut self,
        field: Field,
        rule: impl FnOnce(Cow<'_, str>) -> Result<T, Fault>,
    ) -> Result<Option<T>, Flaw> {
        let text = self.texts[field.index()].take();
        text.map(rule).transpose().map_err(|fault| Flaw::at(field, fault))
    }

    fn flag(&mut self, field: Field) -> Result<Option<bool>, Flaw> {
        self.checked(field, |text| values::flag(&text))
    }

    /// People with one name have one of the two.
    fn check_name(&self) -> Result<(), Flaw> {
        if self.text(Field::FirstName).is_some() || self.text(Field::LastName).is_some() {
            return Ok(());
        }
        let fault = Fault::new(
            "missing_name",
            "expected a first name, a last name or both, found neither",
        );
        Err(Flaw::between(Field::FirstName, Field::LastName, fault))
    }

    fn dates(&mut self) -> Result<(Option<Date>, Option<Date>), Flaw> {
        let hire_date = self.checked(Field::HireDate, |text| values::date(&text))?;
        // "No end" is no last day; of somebody terminated it would mean "now", so it is refused there.
        let no_end = self.text(Field::LastDay) == Some(values::END_OF_TIME)
            && self
                .text(Field::Status)
                .is_some_and(|text| values::status(text) == Ok(Status::Active));
        if no_end {
            self.take(Field::LastDay);
        }
        let last_day = self.checked(Field::LastDay, |text| values::date(&text))?;
        match (hire_date, last_day) {
            (Some(first), Some(last)) if last < first => {
                let message = format!("expected the first day, {first}, or a later one, found {last}");
                Err(Flaw::at(
                    Field::LastDay,
                    Fault::new("last_day_before_hire", message),
                ))
            }
            dates => Ok(dates),
        }
    }

    /// First and last day of a leave of absence.
    fn leave(&mut self) -> Result<(Option<Date>, Option<Date>), Flaw> {
        let from = self.checked(Field::LeaveFrom, |text| values::date(&text))?;
        let until = self.checked(Field::LeaveUntil, |text| values::date(&text))?;
        match (from, until) {
            (Some(first), Some(last)) if last < first => {
                let message =
                    format!("expected the leave's first day, {first}, or a later one, found {last}");
                let fault = Fault::new("leave_ends_before_it_begins", message);
                Err(Flaw::at(Field::LeaveUntil, fault))
            }
            leave => Ok(leave),
        }
    }

    /// The status field decides. Only where the source has none, a column such as `Active` does: yes is Active; no
    /// is Terminated only together with a last day, since it may as well be a leave or a start to come. A column
    /// such as `OnLeave` says more about somebody who is not terminated.
    fn status(
        &self,
        active: Option<bool>,
        on_leave: Option<bool>,
        last_day: Option<Date>,
    ) -> Result<Status, Flaw> {
        if let Some(text) = self.text(Field::Status) {
            let status = values::status(text).map_err(|fault| Flaw::at(Field::Status, fault))?;
            return match (status, on_leave) {
                (Status::Active, Some(true)) => Ok(Status::OnLeave),
                (Status::OnLeave, Some(false)) => {
                    let fault = Fault::new("contradiction", "expected on leave or not, found both");
                    Err(Flaw::between(Field::Status, Field::OnLeave, fault))
                }
                (status, _) => Ok(status),
            };
        }
        let has_status_field = self.cells[Field::Status.index()].is_some();
        match active {
            _ if !has_status_field && on_leave == Some(true) => Ok(Status::OnLeave),
            Some(true) if !has_status_field => Ok(Status::Active),
            Some(false) if !has_status_field && last_day.is_some() => Ok(Status::Terminated),
            Some(false) if !has_status_field => Err(Flaw::at(
                Field::IsActive,
                Fault::new(
                    "unknown_status",
                    "expected a last day or a status besides: not active may mean terminated, on leave or not yet \
                     hired",
                ),
            )),
            _ => Err(Flaw::at(
                Field::Status,
                Fault::new(
                    "missing_status",
                    "expected Active, On Leave or Terminated, found nothing; it is never assumed",
                ),
            )),
        }
    }
}

/// What texts that stand in thousands of rows mean, so that it is looked up once.
#[derive(Debug, Default)]
struct Known {
    countries: Meanings,
    zones: Meanings,
}

#[derive(Debug, Default)]
struct Meanings(HashMap<String, String, Quick>);

impl Meanings {
    /// More than there are countries or time zones; whatever else comes is looked up each time.
    const MOST: usize = 1024;

    fn of(&mut self, text: &str, rule: impl FnOnce(&str) -> Result<String, Fault>) -> Result<String, Fault> {
        if let Some(meaning) = self.0.get(text) {
            return Ok(meaning.clone());
        }
        let meaning = rule(text)?;
        if self.0.len() < Self::MOST {
            self.0.insert(text.to_owned(), meaning.clone());
        }
        Ok(meaning)
    }
}

/// The worker ids of one input, as keyed hashes: 21 bytes an id, for a million 44 MB, and half as
/// much again for the moment in which the table grows.
#[derive(Debug, Default)]
struct Seen {
    /// Of ids: two are taken for one once in millions of inputs of a million.
    hasher: Even,
    quick: Quick,
    rows: HashMap<u64, Sighting, Quick>,
    /// The last ones, which go over together: to write to far apart places of a large table one by one would have
    /// every row wait for memory.
    recent: HashMap<u64, Sighting, Quick>,
}

#[derive(Debug, Clone, Copy)]
struct Sighting {
    row: u32,
    content: u32,
    profile: Profile,
}

/// What counts where one worker id has several profiles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Profile {
    /// Somebody who has left: one who has not counts instead.
    Left,
    /// Somebody who has not, or of whom that is not known.
    Active,
    /// One of several: none counts.
    Several,
}

impl Profile {
    fn of(texts: &Texts<'_>) -> Self {
        let text = |field: Field| texts[field.index()].as_deref();
        let left = match text(Field::Status) {
            Some(status) => values::status(status) == Ok(Status::Terminated),
            None => text(Field::IsActive).is_some_and(|active| values::flag(active) == Ok(false)),
        };
        if left { Self::Left } else { Self::Active }
    }
}

impl Seen {
    const RECENT: usize = 512;

    fn content(&self, texts: &Texts<'_>) -> u64 {
        let mut hash = self.quick.build_hasher();
        for (at, text) in texts.iter().enumerate() {
            if let Some(text) = text {
                hash.write_usize(at);
                hash.write(text.as_bytes());
            }
        }
        hash.finish()
    }

    fn first_time(&mut self, row: u64, key: &str, texts: &Texts<'_>) -> Result<(), Fault> {
        // Half of the hash tells contents apart well enough: a repeated id is refused in either case.
        #[allow(clippy::cast_possible_truncation)]
        let content = self.content(texts) as u32;
        let id = self.hasher.hash_one(key);
        let profile = Profile::of(texts);
        let known = self.recent.get(&id).or_else(|| self.rows.get(&id)).copied();
        let sighting = Sighting {
            row: u32::try_from(row).unwrap_or(u32::MAX),
            content,
            profile,
        };
        let Some(earlier) = known else {
            self.note(id, sighting);
            return Ok(());
        };
        if earlier.content == content {
            let message = format!("expected each row once, found row {} again", earlier.row);
            return Err(Fault::new("duplicate_row", message));
        }
        let message = match (earlier.profile, profile) {
            // Whoever has come back counts, and not the profile of the time before.
            (Profile::Left, Profile::Active) => {
                self.note(id, sighting);
                return Ok(());
            }
            (_, Profile::Left) => format!(
                "expected each worker id once, found that of row {} with other content; only row {0} counts",
                earlier.row
            ),
            _ => format!(
                "expected one active profile of a worker id, found another in row {}; neither counts",
                earlier.row
            ),
        };
        let mut fault = Fault::new("duplicate_key", message);
        if earlier.profile == Profile::Active && profile == Profile::Active {
            fault.twin = Some(earlier.row.into());
        }
        if profile == Profile::Active {
            let profile = Profile::Several;
            self.note(id, Sighting { profile, ..earlier });
        }
        Err(fault)
    }

    /// The row of this id was refused: it is no profile that anything could be taken back from.
    fn refused(&mut self, key: &str, row: u64) {
        let id = self.hasher.hash_one(key);
        let known = self.recent.get(&id).or_else(|| self.rows.get(&id)).copied();
        if let Some(known) = known.filter(|known| u64::from(known.row) == row) {
            let profile = Profile::Several;
            self.note(id, Sighting { profile, ..known });
        }
    }

    fn note(&mut self, id: u64, sighting: Sighting) {
        self.recent.insert(id, sighting);
        if self.recent.len() >= Self::RECENT {
            self.rows.extend(self.recent.drain());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::person::Status as Employment;

    const GOOD: &[(Field, &str)] = &[
        (Field::EmployeeId, "W-1"),
        (Field::FirstName, "Ada"),
        (Field::Status, "Active"),
    ];

    /// A good row, changed: an empty text empties the cell, and `drop` takes the field away.
    fn row<'a>(change: &[(Field, &'a str)], drop: &[Field]) -> Cells<'a> {
        let mut cells = Cells::default();
        for (field, text) in GOOD.iter().chain(change) {
            cells[field.index()] = Some(text);
        }
        for field in drop {
            cells[field.index()] = None;
        }
        cells
    }

    fn judge(cells: &Cells<'_>) -> Item {
        Judge::default().judge(7, cells, &Spelling::default())
    }

    #[track_caller]
    fn taken(cells: &Cells<'_>) -> Person {
        match judge(cells) {
            Item::Record(record) => record.person,
            other => panic!("{other:?}"),
        }
    }

    #[track_caller]
    fn check(cells: &Cells<'_>, field: &str, code: &str) {
        match judge(cells) {
            Item::Reject(found) => {
                assert_eq!(
                    (found.row, found.field.as_str(), found.code),
                    (7, field, code),
                    "{found}"
                );
                assert!(found.message.starts_with("expected "), "{found}");
            }
            _ => panic!("taken, expected {code} at {field}"),
        }
    }

    use Field::*;

    #[test]
    fn each_rule_has_its_code() {
        for (change, field, code) in [
            (&[(EmployeeId, " ")][..], "employeeId", "missing_key"),
            (&[(EmployeeId, "W\u{200b}1")], "employeeId", "control_character"),
            (
                &[(FirstName, ""), (LastName, "")],
                "firstName, lastName",
                "missing_name",
            ),
            (&[(FirstName, "Ada\nW-2")], "firstName", "control_character"),
            (&[(Status, "")], "status", "missing_status"),
            (&[(Status, "Inactive")], "status", "unknown_status"),
            (&[(Status, "1")], "status", "unknown_status"),
            (&[(HireDate, "2026-02-30")], "hireDate", "impossible_date"),
            (&[(HireDate, "03/11/2026")], "hireDate", "not_a_date"),
            (&[(LastDay, "soon")], "lastDay", "not_a_date"),
            (&[(Country, "UK")], "country", "not_a_country"),
            (&[(TimeZone, "Australia/Sidney")], "timeZone", "unknown_time_zone"),
            (&[(IsNewHire, "maybe")], "isNewHire", "not_a_flag"),
            (&[(IsUpdated, "2")], "isUpdated", "not_a_flag"),
            (
                &[(HireDate, "2026-06-01"), (LastDay, "2026-05-31")],
                "lastDay",
                "last_day_before_hire",
            ),
            (
                &[(Status, "Terminated"), (IsNewHire, "yes")],
                "status, isNewHire",
                "contradiction",
            ),
            (&[(Email, "ada at example")], "email", "not_an_email"),
            (
                &[(Status, "Terminated"), (LastDay, "9999-12-31")],
                "lastDay",
                "impossible_date",
            ),
        ] {
            check(&row(change, &[]), field, code);
        }
        check(&row(&[], &[EmployeeId]), "employeeId", "missing_key");
        check(&row(&[], &[Status]), "status", "missing_status");
        let long = "x".repeat(257);
        check(&row(&[(JobTitle, &long)], &[]), "jobTitle", "too_long");
    }

    #[test]
    fn a_row_becomes_a_person() {
        let person = taken(&row(
            &[
                (FirstName, " Andre\u{301} "),
                (LastName, "Béland"),
                (MiddleName, ""),
                (PreferredName, "Dédé"),
                (Department, "Sales"),
                (JobTitle, "Account Executive"),
                (Location, "Toronto"),
                (Country, "can"),
                (TimeZone, "america/toronto"),
                (WorkerType, "Employee"),
                (CostCenter, "SAL-130"),
                (Company, "Contoso Health Canada, Inc."),
                (Email, "ab@mail.example"),
                (ManagerId, "W-2"),
                (HireDate, "2026-11-16"),
                (LastDay, "2027-11-15T00:00:00-05:00"),
                (LeaveFrom, "2026-12-01"),
                (LeaveUntil, "2027-01-15"),
                (PreviousId, "C-7"),
                (IsNewHire, "1"),
                (IsUpdated, "0"),
            ],
            &[],
        ));
        let found = serde_json::to_value(&person).unwrap();
        let expect = serde_json::json!({
            "employee_id": "W-1", "status": "active", "given_name": "André", "middle_name": null,
            "family_name": "Béland", "preferred_name": "Dédé", "department": "Sales",
            "job_title": "Account Executive", "location": "Toronto", "country": "CA",
            "time_zone": "America/Toronto", "worker_type": "Employee", "cost_center": "SAL-130",
            "company": "Contoso Health Canada, Inc.", "email": "ab@mail.example", "manager_id": "W-2",
            "hire_date": "2026-11-16", "last_day": "2027-11-15", "leave_from": "2026-12-01",
            "leave_until": "2027-01-15", "previous_id": "C-7",
        });
        assert_eq!(found, expect);
    }

    #[test]
    fn flags_and_one_name_are_no_obstacle() {
        taken(&row(&[(FirstName, ""), (LastName, "Sukarno")], &[]));
        taken(&row(&[(IsNewHire, "true"), (IsUpdated, "true")], &[]));
        let left = taken(&row(
            &[(Status, "T"), (IsUpdated, "yes"), (LastDay, "2026-10-30")],
            &[],
        ));
        assert_eq!(left.status, Employment::Terminated);
        let open = taken(&row(&[(LastDay, "9999-12-31")], &[]));
        assert_eq!(open.last_day, None);
    }

    #[test]
    fn a_leave_of_absence_is_a_status_or_a_column_of_its_own() {
        let of = |change: &[(Field, &'static str)], drop: &[Field]| taken(&row(change, drop)).status;
        assert_eq!(of(&[(Status, "On Leave")], &[]), Employment::OnLeave);
        assert_eq!(of(&[(OnLeave, "yes")], &[]), Employment::OnLeave);
        assert_eq!(of(&[(OnLeave, "no")], &[]), Employment::Active);
        assert_eq!(
            of(&[(Status, "T"), (OnLeave, "yes")], &[]),
            Employment::Terminated
        );
        assert_eq!(
            of(&[(IsActive, "0"), (OnLeave, "1")], &[Status]),
            Employment::OnLeave
        );
        let both = row(&[(Status, "On Leave"), (OnLeave, "no")], &[]);
        check(&both, "status, onLeave", "contradiction");
        let backwards = row(&[(LeaveFrom, "2026-12-02"), (LeaveUntil, "2026-12-01")], &[]);
        check(&backwards, "leaveUntil", "leave_ends_before_it_begins");
        check(&row(&[(OnLeave, "no")], &[Status]), "status", "missing_status");
    }

    #[test]
    fn an_active_column_decides_only_where_there_is_no_status() {
        assert_eq!(
            taken(&row(&[(IsActive, "1")], &[Status])).status,
            Employment::Active
        );
        let left = row(&[(IsActive, "0"), (LastDay, "2026-10-30")], &[Status]);
        assert_eq!(taken(&left).status, Employment::Terminated);
        check(&row(&[(IsActive, "0")], &[Status]), "active", "unknown_status");
        check(&row(&[(IsActive, "")], &[Status]), "status", "missing_status");
        check(&row(&[(IsActive, "gone")], &[Status]), "active", "not_a_flag");
        check(
            &row(&[(IsActive, "1"), (Status, " ")], &[]),
            "status",
            "missing_status",
        );
        // With notice, somebody is terminated and at work.
        let leaving = row(&[(IsActive, "1"), (Status, "Terminated")], &[]);
        assert_eq!(taken(&leaving).status, Employment::Terminated);
    }

    #[test]
    fn of_two_profiles_the_active_one_counts_and_of_two_active_ones_neither() {
        let mut all = Judge::default();
        let mut says =
            |at, change: &[(Field, &str)]| match all.judge(at, &row(change, &[]), &Spelling::default()) {
                Item::Reject(reject) => (reject.code, reject.twin),
                _ => ("", None),
            };
        let left = |id| [(EmployeeId, id), (Status, "Terminated"), (LastDay, "2026-10-30")];
        assert_eq!(says(1, &left("W-1")), ("", None));
        assert_eq!(
            says(2, &[(EmployeeId, "W-1")]),
            ("", None),
            "the later employment counts"
        );
        assert_eq!(
            says(3, &left("W-1")),
            ("duplicate_key", None),
            "the active one stands"
        );
        assert_eq!(
            says(4, &[(EmployeeId, "W-1"), (JobTitle, "A")]),
            ("duplicate_key", Some(2))
        );
        assert_eq!(
            says(5, &[(EmployeeId, "W-1"), (JobTitle, "B")]),
            ("duplicate_key", None)
        );
        assert_eq!(says(6, &left("W-2")), ("", None));
        let again = [
            (EmployeeId, "W-2"),
            (Status, "Terminated"),
            (LastDay, "2026-10-31"),
        ];
        assert_eq!(says(7, &again), ("duplicate_key", None));
        // What was refused already is not refused once more.
        assert_eq!(
            says(8, &[(EmployeeId, "W-3"), (Country, "x")]),
            ("not_a_country", None)
        );
        assert_eq!(says(9, &[(EmployeeId, "W-3")]), ("duplicate_key", None));
    }

    #[test]
    fn a_worker_id_counts_once_whatever_became_of_its_row() {
        let mut all = Judge::default();
        let names = Spelling::default();
        let mut code = |at, cells: &Cells<'_>| match all.judge(at, cells, &names) {
            Item::Record(_) => "",
            Item::Reject(reject) => {
                assert_eq!(reject.person.as_deref(), cells[EmployeeId.index()].map(str::trim));
                reject.code
            }
            Item::Notice(_) => "notice",
        };
        assert_eq!(code(1, &row(&[], &[])), "");
        assert_eq!(code(2, &row(&[], &[])), "duplicate_row");
        assert_eq!(
            code(3, &row(&[(EmployeeId, " W-1 "), (LastName, "")], &[])),
            "duplicate_row"
        );
        assert_eq!(code(4, &row(&[(LastName, "Lovelace")], &[])), "duplicate_key");
        assert_eq!(
            code(5, &row(&[(EmployeeId, "W-2"), (HireDate, "2026-02-30")], &[])),
            "impossible_date"
        );
        assert_eq!(code(6, &row(&[(EmployeeId, "W-2")], &[])), "duplicate_key");
        assert_eq!(code(7, &row(&[(EmployeeId, "w-1")], &[])), "");
        let torn = all.refuse_unread(8, Some("W-3"), Flaw::row("field_count", "expected 3"), &names);
        assert!(matches!(torn, Item::Reject(Reject { ref person, .. }) if person.as_deref() == Some("W-3")));
        let Item::Reject(late) = all.judge(9, &row(&[(EmployeeId, "W-3")], &[]), &names) else {
            panic!("taken")
        };
        assert_eq!(late.code, "duplicate_key");
        assert!(late.message.contains("row 8"), "{late}");
        let Summary {
            rows,
            records,
            rejects,
            ..
        } = all.summary();
        assert_eq!((rows, records, rejects), (9, 2, 7));
    }

    #[test]
    fn messages_never_hold_a_personal_value() {
        for field in Field::all() {
            for value in [
                "Lovelace",
                "ada.lovelace.private@mail",
                "Ada Lovelace, 12 Long Lane",
                "+49 170 5550100",
            ] {
                if matches!(field, EmployeeId | Status | Country) && value == "Lovelace" {
                    continue; // A worker id may be shown, and so may a word in the place of a code.
                }
                if let Item::Reject(found) = judge(&row(&[(field, value)], &[])) {
                    assert!(!found.message.contains(value), "{found}");
                }
            }
        }
    }
}
