//! A generated company: as many hires as asked for, as HR would export them, the same for the same number.

use std::io::Write;
use std::path::{Path, PathBuf};

use iam_core::{Error, ErrorKind, Result};
use jiff::ToSpan;

use crate::DAY_OF_THE_DATA;

const GIVEN: [&str; 16] = [
    "Amelia", "Björn", "Chloé", "Diego", "Éloïse", "Fatima", "Grace", "Haruto", "Íñigo", "João", "Łukasz",
    "Mei", "Noah", "Olga", "Siobhán", "Zoë",
];
const FAMILY: [&str; 15] = [
    "Aziz",
    "Dąbrowska",
    "Fernández",
    "García López",
    "Hughes",
    "Kowalski",
    "Lefèvre",
    "Müller",
    "Nguyen",
    "O'Brien",
    "Rocha",
    "Schröder",
    "Tanaka",
    "van der Berg",
    "Weiß",
];
/// Department, cost centre, title. None of them has a privileged role: the policy's guard would hold the whole plan,
/// as it should when hundreds of people get one at once.
const JOBS: [(&str, &str, &str); 7] = [
    ("Clinical", "CLN-210", "Registered Nurse"),
    ("Clinical", "CLN-210", "Physician"),
    ("Engineering", "ENG-100", "Software Engineer"),
    ("Finance", "FIN-120", "Accountant"),
    ("HR", "HR-100", "Recruiter"),
    ("Sales", "SAL-110", "Account Executive"),
    ("Facilities", "FAC-130", "Porter"),
];
/// Office, country, time zone, company.
const PLACES: [(&str, &str, &str, &str); 5] = [
    ("Sydney", "AU", "Australia/Sydney", "Contoso Health Pty Ltd"),
    ("Berlin", "DE", "Europe/Berlin", "Contoso Kliniken GmbH"),
    ("London", "GB", "Europe/London", "Contoso Health UK, Ltd"),
    ("São Paulo", "BR", "America/Sao_Paulo", "Contoso Saúde Ltda."),
    ("Toronto", "CA", "America/Toronto", "Contoso Health Canada, Inc."),
];
/// How many people report to one.
const SPAN: usize = 8;

/// Writes the company's export into that folder.
pub(crate) fn write(folder: &Path, people: usize) -> Result<PathBuf> {
    let path = folder.join("generated_company.csv");
    let unwritable = |source: csv::Error| {
        Error::new(ErrorKind::Storage, "the generated company cannot be written").with_source(source)
    };
    let mut rows = csv::Writer::from_path(&path).map_err(unwritable)?;
    rows.write_record([
        "Employee ID",
        "First Name",
        "Last Name",
        "Department",
        "Job Title",
        "Location",
        "Country",
        "Time_Zone",
        "Worker Type",
        "Cost Center",
        "Company",
        "Manager ID",
        "Hire Date",
        "Status",
    ])
    .map_err(unwritable)?;
    for number in 0..people {
        rows.write_record(hire(number)).map_err(unwritable)?;
    }
    rows.into_inner()
        .map_err(|error| unwritable(error.into_error().into()))?
        .flush()
        .map_err(|source| unwritable(source.into()))?;
    Ok(path)
}

/// The lists have lengths without a common factor, so that names and jobs do not march in step.
fn hire(number: usize) -> [String; 14] {
    let text = str::to_owned;
    let (department, cost_center, title) = pick(&JOBS, number);
    let (office, country, zone, company) = pick(&PLACES, number / 3);
    let manager = if number == 0 {
        String::new()
    } else {
        id((number - 1) / SPAN)
    };
    // Most have begun; every tenth begins in the next days and is prepared, not yet let in.
    let nth = i32::try_from(number).unwrap_or(i32::MAX);
    let days = if nth % 10 == 9 {
        1 + nth / 10 % 10
    } else {
        -(nth % 60)
    };
    [
        id(number),
        text(pick(&GIVEN, number)),
        text(pick(&FAMILY, number + number / GIVEN.len())),
        text(department),
        text(title),
        text(office),
        text(country),
        text(zone),
        text(if number % 12 == 11 {
            "Contractor"
        } else {
            "Employee"
        }),
        text(cost_center),
        text(company),
        manager,
        DAY_OF_THE_DATA.saturating_add(days.days()).to_string(),
        text("Active"),
    ]
}

fn id(number: usize) -> String {
    format!("N-{:06}", number + 1)
}

fn pick<T: Copy, const N: usize>(from: &[T; N], at: usize) -> T {
    from[at % N]
}
