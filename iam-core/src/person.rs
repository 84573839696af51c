//! [`Person`]: what HR says about one worker, in the words every source is translated to.
//!
//! Invariants: the [`PersonKey`] never changes and is never a mail address or user principal name;
//! `Debug` prints the key alone; a field HR did not send is `None`, which clears nothing that HR never said.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fmt;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The worker id that HR uses, unique within one tenant and immutable.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PersonKey(String);

impl PersonKey {
    /// Takes the worker id as HR writes it; surrounding white space is not part of it.
    pub fn new(id: impl AsRef<str>) -> Self {
        Self(id.as_ref().trim().to_owned())
    }

    /// The worker id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PersonKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for PersonKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PersonKey({})", self.0)
    }
}

/// Whether HR counts the worker among its own. Never defaulted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Status {
    /// Works here, or will.
    Active,
    /// Works here, and is away for a while: on a leave of absence.
    #[serde(rename = "on_leave")]
    OnLeave,
    /// Employment has ended, or ends on the last day where one is given.
    Terminated,
}

/// One worker. The field names are the ones that policy conditions use (`person.job_title`).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// The immutable key; `person.employee_id` in policy.
    #[serde(rename = "employee_id")]
    pub key: PersonKey,
    /// Active, on leave or terminated.
    pub status: Status,
    /// Given name; people with one name have only this or only [`family_name`](Self::family_name).
    pub given_name: Option<String>,
    /// Middle name or names.
    pub middle_name: Option<String>,
    /// Family name.
    pub family_name: Option<String>,
    /// The name the person goes by instead of the given name.
    pub preferred_name: Option<String>,
    /// Department.
    pub department: Option<String>,
    /// Job title.
    pub job_title: Option<String>,
    /// Work location, as HR names it.
    pub location: Option<String>,
    /// Country of work: ISO 3166-1 alpha-2, upper case.
    pub country: Option<String>,
    /// IANA time zone of the work location.
    pub time_zone: Option<String>,
    /// Employee, contractor and so on, as HR names it.
    pub worker_type: Option<String>,
    /// Cost centre.
    pub cost_center: Option<String>,
    /// Legal entity.
    pub company: Option<String>,
    /// A mail address from HR, usually private. Never a key.
    pub email: Option<String>,
    /// The manager's worker id.
    pub manager_id: Option<PersonKey>,
    /// First day of work: a civil date in the work location's zone.
    pub hire_date: Option<Date>,
    /// Last day of work, inclusive: a civil date in the work location's zone.
    pub last_day: Option<Date>,
    /// First day of a leave of absence, or of the next one: a civil date in the work location's zone.
    #[serde(default)]
    pub leave_from: Option<Date>,
    /// Last day of that leave, inclusive, as far as HR knows it.
    #[serde(default)]
    pub leave_until: Option<Date>,
    /// The worker id that the same person had before, where HR says so: a conversion, or a rehire under a new id.
    #[serde(default)]
    pub previous_id: Option<PersonKey>,
    /// The [fields](Self::FIELDS) that HR once said and does not say any more: accounts lose these values. What
    /// HR never said is somebody else's. Kept by whoever accepts records; sources leave it empty.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub cleared: BTreeSet<String>,
}

impl Person {
    /// An active person of whom nothing but the key is known.
    pub fn new(key: PersonKey) -> Self {
        Self {
            key,
            status: Status::Active,
            given_name: None,
            middle_name: None,
            family_name: None,
            preferred_name: None,
            department: None,
            job_title: None,
            location: None,
            country: None,
            time_zone: None,
            worker_type: None,
            cost_center: None,
            company: None,
            email: None,
            manager_id: None,
            hire_date: None,
            last_day: None,
            leave_from: None,
            leave_until: None,
            previous_id: None,
            cleared: BTreeSet::new(),
        }
    }

    /// The record after `previous`, the one accepted before: with the fields that it takes back.
    #[must_use]
    pub(crate) fn after(&self, previous: &Self) -> Self {
        let mut record = self.clone();
        record.cleared = self
            .texts()
            .into_iter()
            .zip(previous.texts())
            .filter(|((field, now), (_, before))| {
                now.is_none() && (before.is_some() || previous.cleared.contains(*field))
            })
            .map(|((field, _), _)| field.to_owned())
            .collect();
        record
    }

    /// The fields that accounts show, by name.
    fn texts(&self) -> [(&'static str, Option<&str>); 8] {
        [
            ("given_name", self.given_name.as_deref()),
            ("family_name", self.family_name.as_deref()),
            ("department", self.department.as_deref()),
            ("job_title", self.job_title.as_deref()),
            ("location", self.location.as_deref()),
            ("worker_type", self.worker_type.as_deref()),
            ("cost_center", self.cost_center.as_deref()),
            ("company", self.company.as_deref()),
        ]
    }

    /// The names policy conditions may use after `person.` or `manager.`, in order.
    pub const FIELDS: &'static [&'static str] = &[
        "employee_id",
        "status",
        "given_name",
        "middle_name",
        "family_name",
        "preferred_name",
        "department",
        "job_title",
        "location",
        "country",
        "time_zone",
        "worker_type",
        "cost_center",
        "company",
        "email",
        "manager_id",
        "hire_date",
        "last_day",
        "leave_from",
        "leave_until",
        "previous_id",
    ];

    /// The words of `person.status`.
    pub const STATUSES: &'static [&'static str] = &["active", "on_leave", "terminated"];
    /// The value of a field of [`FIELDS`](Self::FIELDS) as conditions see it (dates as `yyyy-mm-dd`); `None` where
    /// it is not set, and for any other name.
    pub fn field(&self, name: &str) -> Option<Cow<'_, str>> {
        let date = |date: Option<Date>| date.map(|date| Cow::Owned(date.to_string()));
        let text = match name {
            "employee_id" => Some(self.key.as_str()),
            "status" => Some(match self.status {
                Status::Active => "active",
                Status::OnLeave => "on_leave",
                Status::Terminated => "terminated",
            }),
            "given_name" => self.given_name.as_deref(),
            "middle_name" => self.middle_name.as_deref(),
            "family_name" => self.family_name.as_deref(),
            "preferred_name" => self.preferred_name.as_deref(),
            "department" => self.department.as_deref(),
            "job_title" => self.job_title.as_deref(),
            "location" => self.location.as_deref(),
            "country" => self.country.as_deref(),
            "time_zone" => self.time_zone.as_deref(),
            "worker_type" => self.worker_type.as_deref(),
            "cost_center" => self.cost_center.as_deref(),
            "company" => self.company.as_deref(),
            "email" => self.email.as_deref(),
            "manager_id" => self.manager_id.as_ref().map(PersonKey::as_str),
            "hire_date" => return date(self.hire_date),
            "last_day" => return date(self.last_day),
            "leave_from" => return date(self.leave_from),
            "leave_until" => return date(self.leave_until),
            "previous_id" => self.previous_id.as_ref().map(PersonKey::as_str),
            _ => None,
        };
        text.map(Cow::Borrowed)
    }

    /// A hash over every field: equal means that HR said the same thing again.
    pub fn fingerprint(&self) -> String {
        // A struct of strings and dates always serialises.
        let bytes = serde_json::to_vec(self).unwrap_or_default();
        hex(&Sha256::digest(&bytes))
    }
}

impl fmt::Debug for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Person({})", self.key.as_str())
    }
}

/// Who, around a person, is told something; resolved to an address when the notice is sent, never journalled as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Recipient {
    /// The person.
    Person,
    /// The person's manager.
    Manager,
    /// The HR mailbox of the policy.
    Hr,
    /// The person's private address, as HR has it.
    Private,
}

/// What a notice says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Notice {
    /// Somebody starts.
    Joined,
    /// Somebody's access changed.
    Moved,
    /// Somebody has left and access is gone.
    Left,
    /// Somebody's temporary access pass: part of a step that makes one, never a step of its own.
    Pass,
    /// Somebody's last day is near.
    Leaving,
    /// Somebody has not signed in since the first day.
    NoShow,
    /// Somebody at work has not signed in for long.
    Idle,
    /// Something needs somebody to look: about no one person, and sent by the engine alone.
    Alert,
}

impl Notice {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Joined,
        Self::Moved,
        Self::Left,
        Self::Pass,
        Self::Leaving,
        Self::NoShow,
        Self::Idle,
        Self::Alert,
    ];

    /// The notice in one word, as policies name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Joined => "joined",
            Self::Moved => "moved",
            Self::Left => "left",
            Self::Pass => "pass",
            Self::Leaving => "leaving",
            Self::NoShow => "no_show",
            Self::Idle => "idle",
            Self::Alert => "alert",
        }
    }

    /// What its subject may name in braces: the person's name and worker id, and the sign-in name; of an alert, what it
    /// is about.
    pub fn in_subject(self) -> &'static [&'static str] {
        match self {
            Self::Alert => &["what"],
            _ => &["name", "worker", "account"],
        }
    }

    /// What its text may name in braces.
    pub fn places(self) -> &'static [&'static str] {
        match self {
            Self::Pass => &["name", "worker", "account", "pass", "starts", "minutes"],
            Self::Leaving | Self::NoShow => &["name", "worker", "account", "day"],
            Self::Alert => &["what", "more"],
            other => other.in_subject(),
        }
    }
}

/// A language that notices are written in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Language {
    /// English.
    #[default]
    English,
    /// German.
    German,
}

/// The words of one notice. `{name}` and so on stand for what [`Notice::places`] tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Text {
    /// One line.
    pub subject: String,
    /// Plain text.
    pub body: String,
}

/// How notices are worded.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Words {
    /// The language of the standard texts.
    pub language: Language,
    /// Texts of one's own, in the place of the standard ones.
    pub texts: BTreeMap<Notice, Text>,
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use fmt::Write as _;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_lists_what_serde_writes() {
        let value = serde_json::to_value(Person::new(PersonKey::new(" W-1 "))).unwrap();
        let names: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(names, Person::FIELDS);
        assert_eq!(value["employee_id"], "W-1");
    }

    #[test]
    fn a_field_is_what_serde_writes() {
        let mut person = Person::new(PersonKey::new("W-1"));
        (person.job_title, person.manager_id) = (Some("Clerk".into()), Some(PersonKey::new("W-2")));
        person.hire_date = Some(jiff::civil::date(2026, 1, 2));
        let value = serde_json::to_value(&person).unwrap();
        for field in Person::FIELDS {
            assert_eq!(person.field(field).as_deref(), value[field].as_str(), "{field}");
        }
        assert_eq!(person.field("key"), None);
    }

    #[test]
    fn debug_prints_no_personal_data() {
        let mut person = Person::new(PersonKey::new("W-1"));
        person.family_name = Some("Lovelace".into());
        assert_eq!(format!("{person:?}"), "Person(W-1)");
    }
}
