//! A policy of 60 rules for 100,000 people, against evaluating every rule for everybody; and 500 `[[test]]` cases.

use std::error::Error;
use std::fmt::Write as _;
use std::time::Instant;

use iam_core::person::{Person, PersonKey};
use iam_core::policy::{AccessPolicy, Document, Subject};
use jiff::ToSpan;
use jiff::civil::{Date, date};

use crate::figures::Figures;

const PEOPLE: usize = 100_000;
/// Evaluating every rule takes a while.
const PLAIN: usize = 10_000;
const CASES: usize = 500;

/// 60 rules as policies have them: by department and title, by place, by the manager, by the day.
fn rules() -> String {
    let mut text = String::from(
        "version = 1\n[tenant]\ndomain = \"contoso.example\"\n[defaults]\nusage_location = \"person.country\"\n\
         groups = [\"All Staff\"]\nlicenses = [\"SPE_E3\"]\n",
    );
    for number in 0..60 {
        let department = format!("Department {}", number % 40);
        let when = match number % 10 {
            0..=2 => format!("person.department == \"{department}\""),
            3 => format!(
                "person.department == \"{department}\" && person.location in [\"Site 1\", \"Site {number}\"]"
            ),
            4 => format!("person.location == \"Site {number}\""),
            5 => format!("person.job_title != null && person.job_title.contains(\"Title {number}\")"),
            6 => format!(
                "person.cost_center != null && person.cost_center.startsWith(\"CC-{}\")",
                number % 9
            ),
            7 => "person.job_title != null && person.job_title.matches(\"^(Head of|Director of|Chief) \")"
                .to_owned(),
            8 => format!(
                "manager != null && manager.job_title == \"Title {number}\" && person.worker_type != \"Contractor\""
            ),
            _ => format!(
                "person.worker_type == \"Employee\" && person.hire_date != null && days_since(person.hire_date) >= {number}"
            ),
        };
        let _ = write!(
            text,
            "[[rule]]\nid = \"rule-{number}\"\nwhen = '{when}'\ngroups = [\"group-{number}\"]\ngrace = \"14d\"\n"
        );
    }
    text
}

fn person(number: usize) -> Person {
    let mut person = Person::new(PersonKey::new(format!("W-{number}")));
    let text = |text: String| Some(text);
    person.given_name = text(format!("Given {}", number % 1_000));
    person.family_name = text(format!("Family {}", number % 7_919));
    person.department = text(format!("Department {}", number % 40));
    person.location = text(format!("Site {}", number % 53));
    person.job_title = text(format!("Title {}", number * 7 % 211));
    person.country = text(["AU", "DE", "GB", "JP", "US"][number % 5].to_owned());
    person.worker_type = text(["Employee", "Employee", "Employee", "Contractor"][number % 4].to_owned());
    person.cost_center = text(format!("CC-{}", number % 307));
    person.manager_id = Some(PersonKey::new(format!("W-{}", number / 12)));
    person.hire_date = hired(number);
    person
}

/// A day of fifteen years.
fn hired(number: usize) -> Option<Date> {
    let days = i64::try_from(number * 31 % 5_479).ok()?;
    date(2010, 1, 1).checked_add(days.days()).ok()
}

fn people_per_second(
    document: &Document,
    people: &[Person],
    with_days_to_come: bool,
) -> Result<f64, Box<dyn Error>> {
    let started = Instant::now();
    let today = date(2026, 10, 24);
    let mut grants = 0;
    for (number, person) in people.iter().enumerate() {
        let subject = Subject {
            person,
            manager: people.get(number / 12),
        };
        grants += document.desired(&subject, today)?.grants.len();
        if with_days_to_come {
            std::hint::black_box(document.next_change(&subject, today, 31));
        }
    }
    std::hint::black_box(grants);
    Ok(people.len() as f64 / started.elapsed().as_secs_f64())
}

pub(crate) fn measure(figures: &mut Figures) -> Result<(), Box<dyn Error>> {
    let people: Vec<Person> = (0..PEOPLE).map(person).collect();
    let text = rules();
    let plain = Document::parse(&text)?.without_index();
    let plainly = people_per_second(&plain, &people[..PLAIN], false)?;
    let indexed = people_per_second(&Document::parse(&text)?, &people, false)?;
    let against = Some(("every rule for everybody", plainly));
    figures.note("policy", "60 rules, 100,000 people", indexed, "people/s", against)?;
    let planned = people_per_second(&Document::parse(&text)?, &people, true)?;
    figures.note("policy", "and the 31 days to come", planned, "people/s", None)?;

    let mut cases = text;
    for number in 0..CASES {
        let (department, site) = (number % 40, number % 53);
        let _ = write!(
            cases,
            "[[test]]\nname = \"case {number}\"\ngiven = {{ department = \"Department {department}\", \
             location = \"Site {site}\", country = \"AU\" }}\nexpect = {{ licenses = [\"SPE_E3\"] }}\n"
        );
    }
    let started = Instant::now();
    let report = Document::parse(&cases)?.run_tests();
    if !report.passed() || report.cases.len() != CASES {
        return Err("the cases should pass".into());
    }
    let milliseconds = started.elapsed().as_secs_f64() * 1_000.0;
    figures.note("policy", "500 cases, read and run", milliseconds, "ms", None)?;
    Ok(())
}
