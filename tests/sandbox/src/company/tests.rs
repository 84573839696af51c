use std::collections::{BTreeMap, BTreeSet};

use jiff::ToSpan;
use jiff::civil::date;
use jiff::tz::{AmbiguousOffset, TimeZone};

use super::*;

#[test]
fn the_same_numbers_make_the_same_company_and_others_another() {
    let text = |seed: u64| -> String {
        let company = Company::of(80).seed(seed).build();
        company
            .deliveries()
            .map(|export| export.csv() + &export.notices() + &export.get_workers(30).concat())
            .collect()
    };
    assert_eq!(text(7), text(7));
    assert_ne!(text(7), text(8));
}

#[test]
fn one_deck_brings_every_turn_whatever_the_seed() {
    for seed in 0..20 {
        let mut dealer = turns::Dealer::new(seed, 0);
        let dealt: BTreeSet<Turn> = (0..40).map(|_| dealer.deal()).collect();
        assert_eq!(dealt, Turn::ALL.iter().copied().collect(), "seed {seed}");
    }
}

#[test]
fn the_history_has_what_it_promises() {
    let company = Company::of(120).build();
    let exports: Vec<Delivery<'_>> = company.deliveries().collect();
    assert_eq!(exports.len(), 10);
    let (mut leaves, mut backdated, mut renamed, mut called_off) = (0, 0, 0, 0);
    for pair in exports.windows(2) {
        let by_id: BTreeMap<String, Worker> = pair[0]
            .workers()
            .into_iter()
            .map(|worker| (worker.worker_id.clone(), worker))
            .collect();
        for worker in pair[1].workers() {
            let Some(before) = by_id.get(&worker.worker_id) else {
                backdated += usize::from(worker.hire_date < pair[0].day());
                continue;
            };
            leaves += usize::from(before.status != worker.status && worker.status == Status::OnLeave);
            renamed += usize::from(before.family_name != worker.family_name);
            let ended = before.status != Status::Terminated && worker.status == Status::Terminated;
            called_off += usize::from(ended && worker.hire_date > pair[1].day());
        }
    }
    for (what, count) in [
        ("leaves", leaves),
        ("late hires", backdated),
        ("renames", renamed),
        ("rescinds", called_off),
    ] {
        assert!(count > 0, "{what}");
    }
    let last = exports.last().unwrap();
    let humans: BTreeMap<usize, usize> =
        company
            .answers(last, at(last.day()))
            .iter()
            .fold(BTreeMap::new(), |mut seen, answer| {
                *seen.entry(answer.human).or_default() += 1;
                seen
            });
    assert_eq!(humans.len(), 120);
    assert!(
        humans.values().any(|ids| *ids == 2),
        "a conversion and a return bring new worker ids"
    );
}

fn at(day: Date) -> jiff::Timestamp {
    TimeZone::UTC.to_timestamp(day.at(9, 0, 0, 0)).unwrap()
}

#[test]
fn names_are_of_many_scripts_and_some_are_odd() {
    let company = Company::of(200).build();
    let workers = company.deliveries().last().unwrap().workers();
    let has = |test: &dyn Fn(&Worker) -> bool| workers.iter().any(test);
    let script = |from: char, to: char| {
        move |worker: &Worker| worker.family_name.chars().any(|c| (from..=to).contains(&c))
    };
    for (from, to) in [
        ('\u{0370}', '\u{03ff}'),
        ('\u{0400}', '\u{04ff}'),
        ('\u{0900}', '\u{097f}'),
        ('\u{4e00}', '\u{9fff}'),
        ('\u{ac00}', '\u{d7a3}'),
    ] {
        assert!(has(&script(from, to)), "{from:?}");
    }
    assert!(has(&|worker| worker.given_name.is_empty()) && has(&|worker| worker.family_name.is_empty()));
    assert!(has(&|worker| worker.family_name.contains('\'')));
    assert!(has(&|worker| worker.family_name.chars().count() > 64));
    assert!(has(&|worker| !worker.preferred_name.is_empty()));
    let names: BTreeSet<(&str, &str)> = workers
        .iter()
        .map(|worker| (worker.given_name.as_str(), worker.family_name.as_str()))
        .collect();
    assert!(
        names.len() < workers.len() && names.len() > 180,
        "namesakes, and few of them"
    );
}

#[test]
fn somebody_is_at_work_from_the_first_to_the_last_midnight_of_their_office() {
    let company = Company::of(200).build();
    let exports: Vec<Delivery<'_>> = company.deliveries().collect();
    let (mut begun, mut without_midnight) = (0, 0);
    for export in &exports {
        for answer in company.answers(export, at(export.day())) {
            let worker = &answer.worker;
            if answer.standing != Standing::ToCome {
                continue;
            }
            let zone = TimeZone::get(&worker.time_zone).unwrap();
            let begins = zone.to_ambiguous_zoned_datetime(worker.hire_date.at(0, 0, 0, 0));
            without_midnight += usize::from(matches!(begins.offset(), AmbiguousOffset::Gap { .. }));
            let begins = begins.compatible().unwrap().timestamp();
            let standing = |instant| {
                let answers = company.answers(export, instant);
                answers
                    .iter()
                    .find(|other| other.worker == *worker)
                    .unwrap()
                    .standing
            };
            assert_eq!(standing(begins), Standing::AtWork, "{worker:?}");
            assert_eq!(
                standing(begins.checked_sub(1.second()).unwrap()),
                Standing::ToCome,
                "{worker:?}"
            );
            begun += 1;
        }
    }
    assert!(begun > 10 && without_midnight > 0, "{begun} {without_midnight}");
}

#[test]
fn managers_are_a_tree_unless_they_are_to_be_odd() {
    let unsound = |company: &Company| {
        let first = company.deliveries().next().unwrap();
        let answers = company.answers(&first, at(first.day()));
        answers.iter().filter(|answer| !answer.manager_is_sound).count()
    };
    assert_eq!(unsound(&Company::of(90).build()), 0);
    assert!(unsound(&Company::of(90).odd_managers(true).build()) > 10);
    let odd = Company::of(90).odd_managers(true).build();
    let workers = odd.deliveries().next().unwrap().workers();
    let manager = |id: &str| {
        workers
            .iter()
            .find(|worker| worker.worker_id == id)
            .unwrap()
            .manager
            .clone()
    };
    assert_eq!(manager("N-000001").as_deref(), Some("N-000001"));
    assert_eq!(
        (manager("N-000002").as_deref(), manager("N-000003").as_deref()),
        (Some("N-000003"), Some("N-000002"))
    );
    assert!(
        workers
            .iter()
            .any(|worker| worker.manager.as_deref() == Some("N-999999"))
    );
}

#[test]
fn not_more_leave_at_once_than_was_asked_for() {
    let company = Company::of(2000).leavers_at_most(3).privileged_at_most(1).build();
    let exports: Vec<Delivery<'_>> = company.deliveries().collect();
    let mut most = 0;
    for pair in exports.windows(2) {
        let gone = |export: &Delivery<'_>| {
            let workers = export.workers().into_iter();
            workers
                .filter(|worker| worker.status == Status::Terminated)
                .map(|worker| worker.worker_id)
                .collect()
        };
        let (before, after): (BTreeSet<String>, BTreeSet<String>) = (gone(&pair[0]), gone(&pair[1]));
        most = most.max(after.difference(&before).count());
    }
    assert_eq!(most, 3);
}

#[test]
fn a_table_has_a_field_for_each_column_and_quotes_what_needs_it() {
    let company = Company::of(30)
        .from(date(2026, 11, 23))
        .every_days(1)
        .deliveries(2)
        .build();
    let table = company.deliveries().next().unwrap().csv();
    let london = table.lines().find(|line| line.contains("London")).unwrap();
    assert!(london.contains("\"Contoso Health UK, Ltd\""), "{london}");
    assert_eq!(table.lines().next().unwrap().split(',').count(), 18);
}
