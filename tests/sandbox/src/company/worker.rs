//! [`Worker`]: one line of HR's export.

use jiff::civil::Date;

/// Whether HR counts somebody among its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Status {
    /// Works here, or will.
    Active,
    /// Employed, and away for long.
    OnLeave,
    /// Employment has ended, or the start was called off.
    Terminated,
}

impl Status {
    /// As the flat feeds write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "Active",
            Self::OnLeave => "On Leave",
            Self::Terminated => "Terminated",
        }
    }
}

/// What HR's export says of one worker.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Worker {
    /// `N-000001` and on. A person has more than one in the course of time where HR gives out new ones.
    pub worker_id: String,
    /// Given name; empty for some people with one name.
    pub given_name: String,
    /// Middle name, or empty.
    pub middle_name: String,
    /// Family name; empty for other people with one name.
    pub family_name: String,
    /// The name they go by instead of the given one, or empty.
    pub preferred_name: String,
    /// A private mail address, or empty.
    pub email: String,
    /// Department.
    pub department: String,
    /// Cost centre.
    pub cost_center: String,
    /// Job title.
    pub job_title: String,
    /// Office.
    pub location: String,
    /// ISO 3166-1 alpha-2.
    pub country: String,
    /// IANA time zone of the office.
    pub time_zone: String,
    /// Legal entity.
    pub company: String,
    /// `Employee` or `Contractor`.
    pub worker_type: String,
    /// The manager's worker id; the head of the company has none.
    pub manager: Option<String>,
    /// First day of work there.
    pub hire_date: Date,
    /// Last day of work there. None of somebody [terminated](Status::Terminated): at once.
    pub last_day: Option<Date>,
    /// Status.
    pub status: Status,
}

/// The columns of the table, and the fields of the flat JSON, with what stands there.
pub(super) fn cells(worker: &Worker) -> [(&'static str, &'static str, String); 18] {
    let Worker {
        worker_id,
        given_name,
        middle_name,
        family_name,
        preferred_name,
        email,
        department,
        cost_center,
        job_title,
        location,
        country,
        time_zone,
        company,
        worker_type,
        manager,
        hire_date,
        last_day,
        status,
    } = worker.clone();
    [
        ("Employee ID", "employeeId", worker_id),
        ("First Name", "firstName", given_name),
        ("Middle Name", "middleName", middle_name),
        ("Last Name", "lastName", family_name),
        ("Preferred Name", "preferredName", preferred_name),
        ("Department", "department", department),
        ("Job Title", "jobTitle", job_title),
        ("Location", "location", location),
        ("Country", "country", country),
        ("Time_Zone", "timeZone", time_zone),
        ("Worker Type", "workerType", worker_type),
        ("Cost Center", "costCenter", cost_center),
        ("Company", "company", company),
        ("Manager ID", "managerId", manager.unwrap_or_default()),
        ("Hire Date", "hireDate", hire_date.to_string()),
        (
            "Last Day",
            "lastDay",
            last_day.map(|day| day.to_string()).unwrap_or_default(),
        ),
        ("Status", "status", status.as_str().to_owned()),
        ("E-Mail", "email", email),
    ]
}
