//! Names, people and history.

use super::{
    HistoryQuery, Journal, accept, at, change, claim_none, claim_only, claims, complete, join, key, leave,
    state,
};
use crate::event::EventKind;
use crate::journal::{EventState, Lane, PersonState, Reservation};
use crate::person::{Person, PersonKey};

/// Gives a person a state.
async fn known(journal: &dyn Journal, state: &PersonState) {
    let event = join(state.key.as_str(), 0);
    accept(journal, std::slice::from_ref(&event)).await;
    let claim = claim_only(journal, 0, &event).await;
    journal.complete(&claim, state, &[]).await.unwrap();
}

pub(super) async fn a_name_belongs_to_one_person_whatever_its_case(journal: &dyn Journal) {
    let taken = |by: &str| Reservation::Taken { by: key(by) };
    for (name, person, expected) in [
        ("Zoë.Ångström@contoso.example", "p", Reservation::Ours),
        ("zoë.ångström@CONTOSO.example", "p", Reservation::Ours),
        ("ZOË.ÅNGSTRÖM@contoso.example", "q", taken("p")),
        ("zoe@contoso.example", "q", Reservation::Ours),
        ("Zoe@contoso.example", "p", taken("q")),
    ] {
        let reservation = journal.reserve(name, &key(person)).await.unwrap();
        assert_eq!(reservation, expected, "{name} for {person}");
    }
}

pub(super) async fn people_come_in_pages_by_key(journal: &dyn Journal) {
    for person in ["b", "a", "10", "É", "9", "B"] {
        known(journal, &state(person, person)).await;
    }
    // Heard of, but nothing is known yet.
    accept(journal, &[join("c", 0)]).await;
    let mut pages: Vec<Vec<String>> = Vec::new();
    let mut after: Option<PersonKey> = None;
    loop {
        let page = journal.people(after.as_ref(), 4).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.key.clone());
        pages.push(page.into_iter().map(|state| state.name.unwrap()).collect());
    }
    assert_eq!(pages, [vec!["10", "9", "B", "a"], vec!["b", "É"]]);
    assert_eq!(journal.people(None, 0).await.unwrap(), []);
    let one = journal.person(&key("É")).await.unwrap();
    assert_eq!(one, Some(state("É", "É")));
    assert_eq!(journal.person(&key("c")).await.unwrap(), None);
    assert_eq!(journal.person(&key("d")).await.unwrap(), None);
}

pub(super) async fn the_reports_of_a_manager_are_known(journal: &dyn Journal) {
    let reports_to = |person: &str, manager: &str, waits: bool| PersonState {
        record: Some(Person {
            manager_id: Some(key(manager)),
            ..Person::new(key(person))
        }),
        waits_for: waits.then(|| key(manager)),
        ..PersonState::new(key(person))
    };
    for (person, manager, waits) in [
        ("b", "m", true),
        ("a", "m", true),
        ("c", "n", true),
        ("e", "m", false),
    ] {
        known(journal, &reports_to(person, manager, waits)).await;
    }
    known(journal, &state("d", "reports to nobody")).await;
    let check = async |manager: &str, expected: &[(&str, bool)]| {
        let reports = journal.reports_of(&key(manager)).await.unwrap();
        let reports: Vec<_> = reports
            .iter()
            .map(|report| (report.person.as_str(), report.waits))
            .collect();
        assert_eq!(reports, expected, "reports of {manager}");
    };
    check("m", &[("a", true), ("b", true), ("e", false)]).await;
    let found = change("a", 2, 1);
    accept(journal, std::slice::from_ref(&found)).await;
    let claim = claim_only(journal, 1, &found).await;
    journal
        .complete(&claim, &reports_to("a", "m", false), &[])
        .await
        .unwrap();
    check("m", &[("a", false), ("b", true), ("e", false)]).await;
    check("d", &[]).await;
}

pub(super) async fn the_holder_of_a_name_is_known(journal: &dyn Journal) {
    let holder = async |name: &str| journal.holder(name).await.unwrap();
    assert_eq!(holder("bo.ek@contoso.example").await, None);
    journal.reserve("Bo.Ek@contoso.example", &key("b")).await.unwrap();
    assert_eq!(holder("bo.EK@contoso.example").await, Some(key("b")));
    assert_eq!(holder("bo.ek2@contoso.example").await, None);
}

pub(super) async fn next_due_is_when_a_claim_could_succeed(journal: &dyn Journal) {
    let due = async |expected: Option<i64>| {
        let next = journal.next_due().await.unwrap();
        assert_eq!(next, expected.map(at));
    };
    due(None).await;
    let (first, gone) = (join("p", 10), leave("p", 4, 40));
    accept(journal, &[first.clone(), change("p", 2, 5), join("q", 100)]).await;
    due(Some(5)).await;
    let claim = claims(journal, 1, 5).await.remove(0);
    // A lane that is held offers nothing.
    due(Some(100)).await;
    complete(journal, &claim).await;
    due(Some(10)).await;
    let claim = claim_only(journal, 10, &first).await;
    journal
        .retry_later(&claim, &claim.state, at(30), "busy")
        .await
        .unwrap();
    accept(journal, &[change("p", 3, 20)]).await;
    due(Some(30)).await;
    let claim = claim_only(journal, 30, &first).await;
    let parked = journal.dead_letter(&claim, &claim.state, &[], "poison", Lane::Park);
    parked.await.unwrap();
    due(Some(100)).await;
    accept(journal, std::slice::from_ref(&gone)).await;
    due(Some(40)).await;
    let claim = claim_only(journal, 40, &gone).await;
    complete(journal, &claim).await;
    due(Some(100)).await;
}

pub(super) async fn next_due_waits_with_a_leave_that_waits(journal: &dyn Journal) {
    let (first, gone, again) = (join("p", 1), leave("p", 2, 5), leave("p", 3, 60));
    accept(journal, &[first.clone(), gone.clone()]).await;
    let claim = claim_only(journal, 1, &first).await;
    journal
        .retry_later(&claim, &claim.state, at(50), "busy")
        .await
        .unwrap();
    let claim = claim_only(journal, 9, &gone).await;
    journal
        .retry_later(&claim, &claim.state, at(100), "busy")
        .await
        .unwrap();
    // The join that it overtook will not come up before it.
    claim_none(journal, 99).await;
    assert_eq!(journal.next_due().await.unwrap(), Some(at(100)));
    accept(journal, std::slice::from_ref(&again)).await;
    assert_eq!(journal.next_due().await.unwrap(), Some(at(60)));
    claim_only(journal, 60, &again).await;
}

pub(super) async fn next_due_waits_with_an_urgent_leave_that_waits(journal: &dyn Journal) {
    let urgent = super::news(
        "p",
        1,
        5,
        EventKind::Leave {
            last_day: None,
            urgent: true,
        },
    );
    accept(journal, &[urgent.clone(), leave("p", 2, 20)]).await;
    let claim = claim_only(journal, 5, &urgent).await;
    journal
        .retry_later(&claim, &claim.state, at(100), "busy")
        .await
        .unwrap();
    // The later leave is not urgent, and so does not come up before it.
    claim_none(journal, 99).await;
    assert_eq!(journal.next_due().await.unwrap(), Some(at(100)));
    claim_only(journal, 100, &urgent).await;
}

pub(super) async fn history_filters_by_person_state_and_number(journal: &dyn Journal) {
    let events = [
        join("p", 30),
        join("q", 0),
        change("p", 2, 20),
        change("p", 3, 90),
        leave("r", 1, 50),
    ];
    accept(journal, &events).await;
    for claim in claims(journal, 2, 25).await {
        complete(journal, &claim).await;
    }
    for (person, state, limit, expected) in [
        (None, None, 0, &[0, 1, 2, 3, 4][..]),
        (None, None, 2, &[0, 1]),
        (Some("p"), None, 0, &[0, 2, 3]),
        (Some("p"), Some(EventState::Pending), 0, &[0, 3]),
        (Some("p"), Some(EventState::Pending), 1, &[0]),
        (None, Some(EventState::Done), 0, &[1, 2]),
        (None, Some(EventState::Pending), 2, &[0, 3]),
        (Some("q"), Some(EventState::Dead), 0, &[]),
        (Some("nobody"), None, 0, &[]),
    ] {
        let query = HistoryQuery {
            person: person.map(key),
            event: None,
            state,
            due: None,
            limit,
        };
        let entries = journal.history(&query).await.unwrap();
        let found: Vec<_> = entries.iter().map(|entry| &entry.event.id).collect();
        let expected: Vec<_> = expected.iter().map(|&index: &usize| &events[index].id).collect();
        assert_eq!(found, expected, "{query:?}");
    }
    for (at, event) in events.iter().enumerate() {
        for (person, expected) in [
            (None, true),
            (Some(event.person.clone()), true),
            (Some(key("x")), false),
        ] {
            let query = HistoryQuery {
                person,
                event: Some(event.id.clone()),
                ..HistoryQuery::default()
            };
            let entries = journal.history(&query).await.unwrap();
            let found: Vec<_> = entries.iter().map(|entry| &entry.event).collect();
            assert_eq!(found, [event][..usize::from(expected)], "event {at}");
        }
    }
    let due = HistoryQuery {
        state: Some(EventState::Pending),
        due: Some(events[0].due_at),
        ..HistoryQuery::default()
    };
    let entries = journal.history(&due).await.unwrap();
    let found: Vec<_> = entries.iter().map(|entry| &entry.event.id).collect();
    let expected: Vec<_> = [0, 3]
        .iter()
        .filter(|&&at: &&usize| events[at].due_at <= events[0].due_at)
        .map(|&at| &events[at].id)
        .collect();
    assert_eq!(found, expected, "what is due");
}
