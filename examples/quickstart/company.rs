//! A generated company: two exports as HR would write them, one as things stand and the next one with what has
//! changed since. The same for the same number of people.

use std::io::Write;
use std::path::{Path, PathBuf};

use iam_core::{Error, ErrorKind, Result};
use jiff::ToSpan;

use crate::DAY_OF_THE_DATA;

// The lists have lengths without a common factor, so that names, jobs and offices do not march in step.
const GIVEN: [&str; 41] = [
    "Aaliyah",
    "Amelia",
    "Anaïs",
    "Björn",
    "Bogdan",
    "Chloé",
    "Chukwuemeka",
    "Dagný",
    "Diego",
    "Éloïse",
    "Emre",
    "Fatima",
    "Frančiška",
    "Giorgos",
    "Grace",
    "Håkon",
    "Haruto",
    "Ingrid",
    "Íñigo",
    "João",
    "Jürgen",
    "Kamala",
    "Łukasz",
    "Leila",
    "Małgorzata",
    "Mei",
    "Minh",
    "Noah",
    "Nurul",
    "Olga",
    "Oluwaseun",
    "Priya",
    "René",
    "Ruth",
    "Siobhán",
    "Søren",
    "Tomáš",
    "Uğur",
    "Wanjiru",
    "Yuki",
    "Zoë",
];
const FAMILY: [&str; 37] = [
    "Adeyemi",
    "Aziz",
    "Baker",
    "Chen",
    "Dąbrowska",
    "de Souza",
    "Eriksson",
    "Fernández",
    "Fischer",
    "García López",
    "Haddad",
    "Hughes",
    "Ivanova",
    "Jensen",
    "Kowalski",
    "Kaya",
    "Lefèvre",
    "Lindström",
    "MacDonald",
    "Müller",
    "Nguyen",
    "Novák",
    "O'Brien",
    "Okonkwo",
    "Öztürk",
    "Patel",
    "Quispe",
    "Rocha",
    "Schröder",
    "Singh",
    "Tanaka",
    "Þórsdóttir",
    "van der Berg",
    "Vuković",
    "Weiß",
    "Yamamoto",
    "Žukauskas",
];
const MIDDLE: [&str; 5] = ["", "Ann", "", "Lee", "Maria"];
/// Department, cost centre, title. None of them has a privileged role: the policy's guard would hold the whole plan,
/// as it should when hundreds of people get one at once.
const JOBS: [Job; 7] = [
    ("Clinical", "CLN-210", "Registered Nurse"),
    ("Clinical", "CLN-210", "Physician"),
    ("Engineering", "ENG-100", "Software Engineer"),
    ("Finance", "FIN-120", "Accountant"),
    ("HR", "HR-100", "Recruiter"),
    ("Sales", "SAL-110", "Account Executive"),
    ("Facilities", "FAC-130", "Porter"),
];
/// The privileged one: it brings a directory role and the ticketing application.
const SERVICE_DESK: Job = ("IT", "IT-120", "Service Desk Agent");
type Job = (&'static str, &'static str, &'static str);
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
/// Every so many people the same turns of fate come again.
const CYCLE: usize = 20;
/// At most so many leave between the exports, and so many go to the service desk: a company that changes faster
/// than the policy's guard allows has to ask somebody first.
const MOST_LEAVERS: usize = 20;
const MOST_AGENTS: usize = 5;

const HEADER: [&str; 16] = [
    "Employee ID",
    "First Name",
    "Middle Name",
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
    "Last Day",
    "Status",
];

/// One of the two exports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Export {
    /// The company as it stands.
    First,
    /// Some days of HR's work later.
    Next,
}

/// What becomes of somebody. Nine of ten are at work, and most of them stay as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Stays,
    /// Begins within the days for which accounts are prepared.
    BeginsSoon,
    /// Begins later: no account yet.
    BeginsLater,
    /// Left before the platform came.
    HasLeft,
    /// Has given notice.
    Leaves,
    /// Has given notice in the first export, and stays in the next one.
    StaysAfterAll,
    /// Another department in the next export.
    Moves,
    /// Heads the team in the next export.
    Rises,
    /// Another family name in the next export.
    Marries,
    /// Has left in the next export, yesterday.
    IsGone,
    /// Is not in the first export, and begins today.
    IsNew,
}

/// Who is what, by the place in the company. Whoever others report to stays.
fn fate(number: usize, people: usize) -> Fate {
    let (turn, round) = (number % CYCLE, number / CYCLE);
    if number <= people.saturating_sub(1) / SPAN {
        return Fate::Stays;
    }
    match (turn, round % 4) {
        (3, _) => Fate::Moves,
        (7, 0 | 2) => Fate::BeginsSoon,
        (7, _) => Fate::BeginsLater,
        (11, 0 | 2) if round / 2 < MOST_LEAVERS => Fate::IsGone,
        (11, 1 | 3) => Fate::IsNew,
        (13, 0 | 2) => Fate::HasLeft,
        (13, 1) => Fate::StaysAfterAll,
        (13, _) => Fate::Leaves,
        (17, 0) => Fate::Marries,
        (17, 1) => Fate::Rises,
        _ => Fate::Stays,
    }
}

/// Writes the company's exports into that folder, the first one first.
pub(crate) fn write(folder: &Path, people: usize) -> Result<[PathBuf; 2]> {
    let first = folder.join("generated_company.csv");
    let next = folder.join("generated_company_next.csv");
    export(&first, people, Export::First)?;
    export(&next, people, Export::Next)?;
    Ok([first, next])
}

fn export(path: &Path, people: usize, which: Export) -> Result<()> {
    let unwritable = |source: csv::Error| {
        Error::new(ErrorKind::Storage, "the generated company cannot be written").with_source(source)
    };
    let mut rows = csv::Writer::from_path(path).map_err(unwritable)?;
    rows.write_record(HEADER).map_err(unwritable)?;
    for number in 0..people {
        let fate = fate(number, people);
        if which == Export::Next || fate != Fate::IsNew {
            rows.write_record(row(number, fate, which)).map_err(unwritable)?;
        }
    }
    rows.into_inner()
        .map_err(|error| unwritable(error.into_error().into()))?
        .flush()
        .map_err(|source| unwritable(source.into()))
}

fn row(number: usize, fate: Fate, which: Export) -> [String; 16] {
    let text = str::to_owned;
    let next = which == Export::Next;
    let (department, cost_center, mut title) = match fate {
        Fate::Moves if next && number / CYCLE < MOST_AGENTS => SERVICE_DESK,
        Fate::Moves if next => pick(&JOBS, number + 3),
        _ => pick(&JOBS, number),
    };
    if fate == Fate::Rises && next {
        title = "Head of Team";
    }
    let married = usize::from(fate == Fate::Marries && next);
    let (office, country, zone, company) = pick(&PLACES, number / 3);
    let manager = match number {
        0 => String::new(),
        _ => id((number - 1) / SPAN),
    };
    // Over ten years, so that most are past their probation.
    let nth = i64::try_from(number).unwrap_or_default();
    let hired = match fate {
        Fate::BeginsSoon => 1 + nth % 13,
        Fate::BeginsLater => 20 + nth % 60,
        Fate::IsNew => 0,
        _ => -1 - nth * 37 % 3650,
    };
    let last_day = match fate {
        Fate::HasLeft => Some(-1 - nth % 40),
        Fate::IsGone if next => Some(-1),
        Fate::Leaves => Some(14 + nth % 70),
        Fate::StaysAfterAll if !next => Some(14 + nth % 70),
        _ => None,
    };
    // Nobody leaves before having begun.
    let hired = last_day.map_or(hired, |last| hired.min(last));
    let day = |days: i64| DAY_OF_THE_DATA.saturating_add(days.days()).to_string();
    let gone = last_day.is_some_and(|last| last < 0);
    [
        id(number),
        text(pick(&GIVEN, number)),
        text(pick(&MIDDLE, number / 7)),
        text(pick(&FAMILY, number + number / GIVEN.len() + married)),
        text(department),
        text(title),
        text(office),
        text(country),
        text(zone),
        text(if number % 12 == 10 {
            "Contractor"
        } else {
            "Employee"
        }),
        text(cost_center),
        text(company),
        manager,
        day(hired),
        last_day.map(day).unwrap_or_default(),
        text(if gone { "Terminated" } else { "Active" }),
    ]
}

fn id(number: usize) -> String {
    format!("N-{:06}", number + 1)
}

fn pick<T: Copy, const N: usize>(from: &[T; N], at: usize) -> T {
    from[at % N]
}
