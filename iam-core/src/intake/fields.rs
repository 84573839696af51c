//! The one place that knows the field names of the flat shape (CSV columns, keys of flat JSON objects).
//!
//! Names are matched loosely: letter case, blanks, `_`, `-` and `.` do not count, so `Employee ID`,
//! `employee_id` and `EmployeeID` are one field. A name that is not in [`NAMES`] is never guessed.

use std::collections::{BTreeSet, HashMap};
use std::sync::LazyLock;

use sha2::{Digest as _, Sha256};

/// A field of the flat shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Field {
    EmployeeId,
    FirstName,
    MiddleName,
    LastName,
    PreferredName,
    Department,
    JobTitle,
    Location,
    Country,
    TimeZone,
    WorkerType,
    CostCenter,
    Company,
    Email,
    ManagerId,
    HireDate,
    LastDay,
    LeaveFrom,
    LeaveUntil,
    PreviousId,
    Status,
    /// A yes-or-no column such as `Active`, which says less than a status: see [`super::row`].
    IsActive,
    /// A yes-or-no column such as `OnLeave`: yes says so of somebody who is not terminated.
    OnLeave,
    IsNewHire,
    IsUpdated,
}

/// Each field's own name, and the names that real exports use for it, as [`plain`] writes them.
const NAMES: [(Field, &str, &[&str]); Field::COUNT] = [
    (
        Field::EmployeeId,
        "employeeId",
        &[
            "workerid",
            "employeenumber",
            "workernumber",
            "personnelnumber",
            "employeeno",
        ],
    ),
    (Field::FirstName, "firstName", &["givenname", "forename"]),
    (Field::MiddleName, "middleName", &["middlenames"]),
    (Field::LastName, "lastName", &["surname", "familyname"]),
    (
        Field::PreferredName,
        "preferredName",
        &["preferredfirstname", "nickname", "knownas"],
    ),
    (Field::Department, "department", &["departmentname", "dept"]),
    (
        Field::JobTitle,
        "jobTitle",
        &["title", "businesstitle", "positiontitle"],
    ),
    (
        Field::Location,
        "location",
        &["worklocation", "office", "officelocation"],
    ),
    (Field::Country, "country", &["countrycode"]),
    (Field::TimeZone, "timeZone", &["timezoneid", "ianatimezone"]),
    (
        Field::WorkerType,
        "workerType",
        &["employeetype", "employmenttype"],
    ),
    (Field::CostCenter, "costCenter", &["costcentre"]),
    (Field::Company, "company", &["companyname", "legalentity"]),
    (Field::Email, "email", &["mail", "emailaddress", "workemail"]),
    (
        Field::ManagerId,
        "managerId",
        &[
            "manageremployeeid",
            "managerworkerid",
            "manageremployeenumber",
            "supervisorid",
        ],
    ),
    (Field::HireDate, "hireDate", &["startdate", "employeehiredate"]),
    (
        Field::LastDay,
        "lastDay",
        &[
            "lastdayofwork",
            "terminationdate",
            "enddate",
            "leavedate",
            "leavingdate",
        ],
    ),
    (
        Field::LeaveFrom,
        "leaveFrom",
        &["leavestartdate", "firstdayofleave", "leaveofabsencestart"],
    ),
    (
        Field::LeaveUntil,
        "leaveUntil",
        &["leaveenddate", "lastdayofleave", "estimatedleaveenddate"],
    ),
    (
        Field::PreviousId,
        "previousId",
        &["previousemployeeid", "previousworkerid", "formeremployeeid"],
    ),
    (
        Field::Status,
        "status",
        &["workerstatus", "employmentstatus", "employeestatus"],
    ),
    (Field::IsActive, "active", &["isactive", "workeractive"]),
    (Field::OnLeave, "onLeave", &["isonleave"]),
    (Field::IsNewHire, "isNewHire", &["newhire"]),
    (Field::IsUpdated, "isUpdated", &["updated"]),
];

static BY_NAME: LazyLock<HashMap<String, Field>> = LazyLock::new(|| {
    let own = NAMES.iter().map(|(field, own, _)| (plain(own), *field));
    let others = NAMES
        .iter()
        .flat_map(|(field, _, others)| others.iter().map(|name| ((*name).to_owned(), *field)));
    own.chain(others).collect()
});

impl Field {
    /// How many fields there are.
    pub(super) const COUNT: usize = 25;

    /// Every field, in the order of [`NAMES`].
    pub(super) fn all() -> impl Iterator<Item = Self> {
        NAMES.iter().map(|(field, ..)| *field)
    }

    /// The field's own name.
    pub(super) fn name(self) -> &'static str {
        NAMES[self.index()].1
    }

    /// Whether it holds yes or no.
    pub(super) fn is_flag(self) -> bool {
        matches!(
            self,
            Self::IsActive | Self::OnLeave | Self::IsNewHire | Self::IsUpdated
        )
    }

    /// The place in [`Cells`] and [`Spelling`].
    pub(super) fn index(self) -> usize {
        self as usize
    }

    /// The field that a source's name means.
    pub(super) fn named(name: &str) -> Option<Self> {
        BY_NAME.get(&plain(name)).copied()
    }

    /// The own names of all fields, for a message.
    pub(super) fn list() -> String {
        NAMES.map(|(_, own, _)| own).join(", ")
    }
}

/// The texts of one row by field, as they stand; `None` where the source does not have the field.
pub(super) type Cells<'a> = [Option<&'a str>; Field::COUNT];

/// How the source spells the fields it has.
#[derive(Debug, Default)]
pub(super) struct Spelling([Option<String>; Field::COUNT]);

impl Spelling {
    /// Takes the source's spelling; `false` when another name for the field came before.
    pub(super) fn learn(&mut self, field: Field, name: &str) -> bool {
        let slot = &mut self.0[field.index()];
        let first = slot.is_none();
        slot.get_or_insert_with(|| name.trim().to_owned());
        first
    }

    /// The field's name as the source spells it, else the field's own name.
    pub(super) fn of(&self, field: Field) -> &str {
        self.0[field.index()].as_deref().unwrap_or(field.name())
    }
}

/// What a source's name means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    Known(Field),
    /// Only of a [report](Vocabulary::of_reports).
    Aside(Aside),
    Ignored,
    Unknown,
}

/// What a report's field says that is no [`Field`] as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Aside {
    /// A worker id. Reports may have several; lower ranks first.
    WorkerId(usize),
    /// First and last name in one text. Lower ranks first.
    FullName(usize),
    /// The same of the preferred name.
    PreferredFullName,
}

/// Worker ids of a report, the one that Workday itself keys employees by first; any other name of
/// [`Field::EmployeeId`] ranks after them.
const WORKER_IDS: [&str; 3] = ["employeeid", "workerid", "employeenumber"];

/// Full names in a report.
const FULL_NAMES: [&str; 4] = ["legalname", "fullname", "displayname", "workername"];

/// What reports have besides and nothing here follows from. `Supervisory_Organization` ends with the manager's name,
/// which is no key; managers are linked by their worker id only.
const OF_NO_USE: [&str; 18] = [
    "supervisoryorganization",
    "supervisoryorg",
    "supervisor",
    "manager",
    "managername",
    "manageremail",
    "jobprofile",
    "jobfamily",
    "jobcode",
    "position",
    "positionid",
    "division",
    "wid",
    "workdayid",
    "username",
    "fte",
    "workertypeid",
    "gender",
];

/// Which names are ignored besides those that are known.
#[derive(Debug, Clone, Default)]
pub(super) struct Vocabulary {
    ignored: BTreeSet<String>,
    pub(super) ignore_unknown: bool,
    of_reports: bool,
}

impl Vocabulary {
    /// The vocabulary of Workday reports: full names, several worker ids, and usual fields of no use.
    pub(super) fn of_reports() -> Self {
        Self {
            of_reports: true,
            ..Self::default()
        }
    }

    /// The same with the words of reports.
    pub(super) fn with_reports(mut self) -> Self {
        self.of_reports = true;
        self
    }

    /// Ignores these names, known or not.
    pub(super) fn ignore<S: AsRef<str>>(&mut self, names: impl IntoIterator<Item = S>) {
        self.ignored
            .extend(names.into_iter().map(|name| plain(name.as_ref())));
    }

    /// Looks a name up.
    pub(super) fn meaning(&self, name: &str) -> Meaning {
        if !self.ignored.is_empty() && self.ignored.contains(&plain(name)) {
            return Meaning::Ignored;
        }
        if self.of_reports
            && let Some(meaning) = in_report(name)
        {
            return meaning;
        }
        match Field::named(name) {
            Some(field) => Meaning::Known(field),
            None if self.ignore_unknown => Meaning::Ignored,
            None => Meaning::Unknown,
        }
    }
}

/// What a name means in a report and not elsewhere. `CF_` is how Workday names calculated fields.
fn in_report(name: &str) -> Option<Meaning> {
    let plain = plain(name);
    let rank = |names: &[&str]| names.iter().position(|known| *known == plain);
    if BY_NAME.get(&plain) == Some(&Field::EmployeeId) {
        let rank = rank(&WORKER_IDS).unwrap_or(WORKER_IDS.len());
        return Some(Meaning::Aside(Aside::WorkerId(rank)));
    }
    if let Some(rank) = rank(&FULL_NAMES) {
        return Some(Meaning::Aside(Aside::FullName(rank)));
    }
    if plain == "preferredname" {
        return Some(Meaning::Aside(Aside::PreferredFullName));
    }
    let calculated = name
        .trim()
        .get(..3)
        .is_some_and(|start| start.eq_ignore_ascii_case("CF_"));
    (calculated || rank(&OF_NO_USE).is_some()).then_some(Meaning::Ignored)
}

/// One number for a set of names, however they are written and ordered: the same in every process.
pub(super) fn fingerprint<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> u64 {
    let names: BTreeSet<String> = names.into_iter().map(|name| plain(name.as_ref())).collect();
    let mut hash = Sha256::new();
    for name in names {
        hash.update(name.as_bytes());
        hash.update([0]);
    }
    let bytes: [u8; 8] = hash.finalize()[..8].try_into().unwrap_or_default();
    u64::from_be_bytes(bytes)
}

/// A name without what does not count.
fn plain(name: &str) -> String {
    name.chars()
        .filter(|c| !c.is_whitespace() && !matches!(c, '_' | '-' | '.' | '\u{feff}'))
        .flat_map(char::to_lowercase)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, expect: Option<Field>) {
        assert_eq!(Field::named(name), expect, "{name}");
    }

    #[test]
    fn names_are_matched_loosely_and_never_guessed() {
        for name in [
            "Employee ID",
            "employee_id",
            "EMPLOYEE-ID",
            "WorkerID",
            "Worker_ID",
            "employeeNumber",
        ] {
            check(name, Some(Field::EmployeeId));
        }
        check("E-Mail", Some(Field::Email));
        check("\u{feff}First\u{a0}Name ", Some(Field::FirstName));
        check("surname", Some(Field::LastName));
        check("familyName", Some(Field::LastName));
        check("businessTitle", Some(Field::JobTitle));
        check("Office.Location", Some(Field::Location));
        check("CountryCode", Some(Field::Country));
        check("managerEmployeeId", Some(Field::ManagerId));
        check("startDate", Some(Field::HireDate));
        check("Termination_Date", Some(Field::LastDay));
        check("Worker Status", Some(Field::Status));
        check("Manager", None);
        check("Employee", None);
        check("Gender Pronoun", None);
        check("", None);
    }

    #[test]
    fn every_name_means_one_field_and_fields_stand_in_their_place() {
        let names = NAMES.iter().map(|(_, _, others)| others.len() + 1).sum::<usize>();
        assert_eq!(BY_NAME.len(), names);
        for (place, field) in Field::all().enumerate() {
            assert_eq!(field.index(), place);
            check(field.name(), Some(field));
        }
        for (name, field) in BY_NAME.iter() {
            assert_eq!(&plain(name), name, "aliases are written plainly");
            check(name, Some(*field));
        }
    }

    #[test]
    fn ignoring_by_name_wins_over_knowing() {
        let mut words = Vocabulary::default();
        assert_eq!(words.meaning("Custom01"), Meaning::Unknown);
        words.ignore(["custom-01", "Worker ID"]);
        assert_eq!(words.meaning("Custom01"), Meaning::Ignored);
        assert_eq!(words.meaning("WorkerID"), Meaning::Ignored);
        assert_eq!(words.meaning("Employee ID"), Meaning::Known(Field::EmployeeId));
        words.ignore_unknown = true;
        assert_eq!(words.meaning("Custom02"), Meaning::Ignored);
    }
}
