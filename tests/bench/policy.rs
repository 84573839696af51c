//! A policy of 60 rules for 100,000 people, against evaluating every rule for everybody; 500 `[[test]]` cases; and the
//! same through an engine: what planning costs, and what it keeps of people for whom nothing changes.

use std::error::Error;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Instant;

use iam_core::engine::Engine;
use iam_core::entitlement::{Catalog, Class, Entitlement, Item, Kind, TargetId};
use iam_core::journal::MemoryJournal;
use iam_core::person::{Person, PersonKey};
use iam_core::policy::{AccessPolicy, Document, Subject};
use iam_core::testing::{ManualClock, MemoryTarget};
use jiff::ToSpan;
use jiff::civil::{Date, date};

use crate::figures::{Figures, two_threads};

const PEOPLE: usize = 100_000;
/// Evaluating every rule takes a while.
const PLAIN: usize = 10_000;
const CASES: usize = 500;
/// So many go through an engine, whose journal is in memory.
const THROUGH: usize = 10_000;
const PLANS: usize = 4;

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

/// Everybody the rules may give something to, and everything that they give.
fn tenant() -> MemoryTarget {
    let item = |kind, name: String| Item {
        entitlement: Entitlement {
            target: TargetId::new("graph"),
            kind,
            id: format!("id of {name}"),
            name,
        },
        class: Class::Assignable,
        privileged: false,
        seats: None,
        carries: Vec::new(),
    };
    let mut catalog = Catalog::default();
    catalog.domains.insert("contoso.example".to_owned());
    catalog.items.push(item(Kind::Group, "All Staff".to_owned()));
    catalog.items.push(item(Kind::License, "SPE_E3".to_owned()));
    // As many as tenants have: what a rule names is found among them.
    for number in 0..20_000 {
        catalog.items.push(item(Kind::Group, format!("group-{number}")));
    }
    MemoryTarget::new("graph", catalog)
}

/// How many people a second an engine plans for whom nothing changes, and how many bytes of memory a plan keeps of each.
async fn through_the_engine(people: &[Person]) -> Result<(f64, f64), Box<dyn Error>> {
    let clock = ManualClock::at("2026-10-24T09:00:00Z".parse()?);
    let policy = Arc::new(Document::parse(&rules())?);
    let engine = Engine::builder(Arc::new(MemoryJournal::new()), policy)
        .target(Arc::new(tenant()))
        .clock(Arc::new(clock))
        .build();
    engine.accept(people.iter().cloned()).await?;
    engine.run(&|_| {}).await?;
    // A leave of absence long over: everybody is looked at, and nothing follows.
    let told = people.iter().cloned().map(|person| Person {
        leave_from: Some(date(2019, 12, 1)),
        leave_until: Some(date(2020, 1, 1)),
        ..person
    });
    engine.accept(told).await?;
    // The first plan makes room for what planning takes and gives back; the others show what they keep.
    let mut plans = vec![engine.plan().await?];
    let before = resident()?;
    let started = Instant::now();
    for _ in 1..PLANS {
        plans.push(engine.plan().await?);
    }
    let seconds = started.elapsed().as_secs_f64();
    let kept = resident()?.saturating_sub(before);
    if let Some(plan) = plans
        .iter()
        .find(|plan| plan.people.len() < people.len() || plan.steps() > 0)
    {
        let (people, steps) = (plan.people.len(), plan.steps());
        return Err(format!("{people} people and {steps} steps are planned").into());
    }
    let planned = (people.len() * (PLANS - 1)) as f64;
    Ok((planned / seconds, kept as f64 / planned))
}

/// Memory of this process, in bytes (Linux).
fn resident() -> Result<u64, Box<dyn Error>> {
    let pages = std::fs::read_to_string("/proc/self/statm")?;
    let pages: u64 = pages.split(' ').nth(1).unwrap_or("0").parse()?;
    Ok(pages * 4_096)
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

    let (planned, kept) = two_threads()?.block_on(through_the_engine(&people[..THROUGH]))?;
    figures.note(
        "policy",
        "planned by an engine, nothing to do",
        planned,
        "people/s",
        None,
    )?;
    figures.note("policy", "kept by a plan of each of them", kept, "bytes", None)?;
    Ok(())
}
