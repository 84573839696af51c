//! Where the company works, and at what.

use jiff::civil::Date;
use jiff::tz::{AmbiguousOffset, TimeZone};

/// An office.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) office: &'static str,
    /// ISO 3166-1 alpha-2.
    pub(super) country: &'static str,
    pub(super) zone: &'static str,
    pub(super) company: &'static str,
}

const fn place(
    office: &'static str,
    country: &'static str,
    zone: &'static str,
    company: &'static str,
) -> Place {
    Place {
        office,
        country,
        zone,
        company,
    }
}

/// From the first midnight of the world to nearly its last one; in Beirut, Cairo and Santiago summer time begins at
/// midnight, so that one day a year has none. The lists have lengths without a common factor, so that names, jobs and
/// offices do not march in step.
pub(super) const PLACES: [Place; 11] = [
    place("Sydney", "AU", "Australia/Sydney", "Contoso Health Pty Ltd"),
    place("Berlin", "DE", "Europe/Berlin", "Contoso Kliniken GmbH"),
    place("Beirut", "LB", "Asia/Beirut", "Contoso Health SAL"),
    place("London", "GB", "Europe/London", "Contoso Health UK, Ltd"),
    place("São Paulo", "BR", "America/Sao_Paulo", "Contoso Saúde Ltda."),
    place("Cairo", "EG", "Africa/Cairo", "Contoso Health S.A.E."),
    place("Toronto", "CA", "America/Toronto", "Contoso Health Canada, Inc."),
    place("Santiago", "CL", "America/Santiago", "Contoso Salud SpA"),
    place("Auckland", "NZ", "Pacific/Auckland", "Contoso Health NZ Limited"),
    place("Kathmandu", "NP", "Asia/Kathmandu", "Contoso Health Pvt. Ltd."),
    place("Honolulu", "US", "Pacific/Honolulu", "Contoso Health, Inc."),
];

/// What somebody does.
#[derive(Debug, Clone, Copy)]
pub(super) struct Job {
    pub(super) department: &'static str,
    pub(super) cost_center: &'static str,
    pub(super) title: &'static str,
}

const fn job(department: &'static str, cost_center: &'static str, title: &'static str) -> Job {
    Job {
        department,
        cost_center,
        title,
    }
}

/// None of them is privileged. Three further is always another department.
pub(super) const JOBS: [Job; 7] = [
    job("Clinical", "CLN-210", "Registered Nurse"),
    job("Clinical", "CLN-210", "Physician"),
    job("Engineering", "ENG-100", "Software Engineer"),
    job("Finance", "FIN-120", "Accountant"),
    job("HR", "HR-100", "Recruiter"),
    job("Sales", "SAL-110", "Account Executive"),
    job("Facilities", "FAC-130", "Porter"),
];

/// The privileged one.
pub(super) const SERVICE_DESK: Job = job("IT", "IT-120", "Service Desk Agent");

/// The next day without a midnight in that zone, of the sixty after a day.
pub(super) fn day_without_midnight(zone: &str, after: Date) -> Option<Date> {
    let zone = TimeZone::get(zone).ok()?;
    after
        .series(jiff::Span::new().days(1))
        .skip(1)
        .take(60)
        .find(|day| {
            let midnight = zone.to_ambiguous_zoned_datetime(day.at(0, 0, 0, 0));
            matches!(midnight.offset(), AmbiguousOffset::Gap { .. })
        })
}
