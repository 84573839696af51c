//! The index against plain evaluation: the same answers, and no more memory than is allowed.

use std::fmt::Write as _;
use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;
use crate::person::{Person, PersonKey};
use crate::policy::memo::MOST;
use crate::policy::{AccessPolicy, cases};

/// Conditions of every shape: by one field and by several, by the manager, by the day, and such as may fail.
const CONDITIONS: [&str; 16] = [
    "person.department == 'IT'",
    "person.department in ['IT', 'HR', '']",
    "person.department == person.location",
    "person.department != null && person.department.startsWith('I')",
    "person.department.contains('T')",
    "person.job_title.matches('^(Chief|Head) ')",
    "manager != null && manager.department == 'IT'",
    "manager.department == 'IT'",
    "manager == null",
    "manager != null && manager.job_title == person.job_title",
    "person.hire_date != null && days_since(person.hire_date) >= 3",
    "days_until(person.last_day) < 2",
    "today > '2026-01-03'",
    "['IT', 'HR'].exists(d, d == person.department)",
    "person.status == 'active' && !(person.location == 'IT' || person.email == null)",
    "person.location == 'IT' ? person.country == 'AU' : manager != null",
];

fn document(conditions: &[usize], usage: &str, except: usize) -> String {
    let mut text = format!(
        "version = 1\n[tenant]\ndomain = 'contoso.example'\n[defaults]\ngroups = ['g0']\nusage_location = \"{usage}\"\n"
    );
    for (at, condition) in conditions.iter().enumerate() {
        let when = CONDITIONS[*condition];
        let _ = write!(
            text,
            "[[rule]]\nid='r{at}'\nwhen=\"{when}\"\ngroups=['g{}']\ngrace='{at}d'\n",
            at % 4
        );
    }
    let except = CONDITIONS[except];
    text + &format!(
        "[[conflict]]\nid='c'\nbetween=[{{groups=['g0']}}, {{groups=['g1']}}]\nexcept=\"{except}\"\n"
    )
}

/// Few values, so that people are alike, and such as look alike when they are written one behind the other.
fn value() -> impl Strategy<Value = Option<String>> {
    let few = ["", "I", "T", "IT", "HR", "Chief x", "AU", "ITT", "0"];
    prop::option::weighted(0.7, prop::sample::select(few.to_vec()).prop_map(str::to_owned))
}

prop_compose! {
    fn someone()(
        fields in (value(), value(), value(), value(), value()),
        hire in prop::option::of(1_i8..9),
        last in prop::option::of(1_i8..9),
    ) -> Person {
        let mut person = Person::new(PersonKey::new("W-1"));
        (person.department, person.location, person.job_title, person.country, person.email) = fields;
        person.hire_date = hire.map(|day| jiff::civil::date(2026, 1, day));
        person.last_day = last.map(|day| jiff::civil::date(2026, 1, day));
        person
    }
}

/// Documents with and without index, read once: what is kept is kept from case to case.
static DOCUMENTS: LazyLock<Vec<(Document, Document)>> = LazyLock::new(|| {
    let usages = [
        "person.country",
        "person.location",
        "today == '2026-01-02' ? 'AU' : null",
    ];
    let documents = (0..CONDITIONS.len()).map(|number| {
        let conditions: Vec<usize> = [0, 3, 6, 10, 13]
            .iter()
            .map(|step| (number + step) % CONDITIONS.len())
            .collect();
        let text = document(
            &conditions,
            usages[number % usages.len()],
            (number * 5 + 2) % CONDITIONS.len(),
        );
        let read = || Document::parse(&text).unwrap();
        (read(), read().without_index())
    });
    documents.collect()
});

proptest! {
    #![proptest_config(cases(500))]

    #[test]
    fn the_index_says_what_evaluating_every_rule_says(
        number in 0..CONDITIONS.len(),
        people in prop::collection::vec((someone(), prop::option::of(someone()), 1_i8..9), 1..30),
    ) {
        let (indexed, plain) = &DOCUMENTS[number];
        for (person, manager, day) in &people {
            let subject = Subject { person, manager: manager.as_ref() };
            let today = jiff::civil::date(2026, 1, *day);
            prop_assert_eq!(indexed.desired(&subject, today), plain.desired(&subject, today));
            prop_assert_eq!(indexed.conflicts(&subject, today), plain.conflicts(&subject, today));
            let turn = indexed.next_change(&subject, today, 10);
            prop_assert_eq!(turn, plain.next_change(&subject, today, 10));
            // What differs in the open is never overlooked.
            let says = |day| (plain.desired(&subject, day).ok(), plain.conflicts(&subject, day).ok());
            let now = says(today);
            let mut days = (1..=10_i64).filter_map(|days| today.checked_add(days.days()).ok());
            let differs = days.find(|day| says(*day) != now);
            prop_assert!(differs.is_none() || turn.is_some_and(|turn| Some(turn) <= differs), "{:?} {:?}", turn, differs);
        }
    }
}

#[test]
fn what_is_kept_is_bounded_and_given_up_where_nobody_is_like_anybody_else() {
    let text = "version = 1\n[tenant]\ndomain = 'contoso.example'\n\
        [[rule]]\nid='one'\nwhen=\"person.email == 'x'\"\ngroups=['g']\n\
        [[rule]]\nid='some'\nwhen=\"person.cost_center == 'x'\"\ngroups=['h']\n";
    let document = Document::parse(text).unwrap();
    let mut person = Person::new(PersonKey::new("W-1"));
    let mut most = 0;
    for number in 0..70_000_u32 {
        person.email = Some(format!("{number}@contoso.example"));
        // Twice each, so that it is worth keeping, and more than there is room for.
        person.cost_center = Some(format!("{}", number / 2));
        let subject = Subject {
            person: &person,
            manager: None,
        };
        assert_eq!(
            document
                .desired(&subject, jiff::civil::date(2026, 1, 1))
                .unwrap()
                .grants
                .len(),
            0
        );
        most = most.max(document.index().unwrap().kept()[1]);
    }
    let kept = document.index().unwrap().kept();
    assert_eq!(kept[0], 0, "nobody has the address of anybody else");
    assert!(most == MOST && (1..=MOST).contains(&kept[1]), "{most} {kept:?}");
    assert!(!format!("{document:?}").contains('@'));
}
