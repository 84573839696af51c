//! Deliveries.

use serde_json::json;

use super::{Journal, at, claims, key};
use crate::error::ErrorKind;
use crate::event::{EventId, EventKind, News};
use crate::journal::{DeliveryId, DeliveryState, Row};
use crate::person::Person;

fn record(person: &str, department: &str) -> Row {
    let person = Person {
        department: Some(department.to_owned()),
        ..Person::new(key(person))
    };
    Row::Record {
        person: Box::new(person),
    }
}

async fn open(journal: &dyn Journal, source: &str, rows: &[Row]) -> DeliveryId {
    let id = journal.open_delivery(source, at(0)).await.unwrap();
    journal.stage(id, rows).await.unwrap();
    id
}

async fn state(journal: &dyn Journal, id: DeliveryId) -> DeliveryState {
    journal.delivery(id).await.unwrap().unwrap().state
}

async fn department(journal: &dyn Journal, person: &str) -> Option<String> {
    let accepted = journal.accepted(&[key(person)]).await.unwrap().remove(0);
    accepted?.record?.department
}

pub(super) async fn rows_count_once_they_are_released_and_not_before(journal: &dyn Journal) {
    let news = News::new(EventId::new("n"), key("q"), EventKind::Suspend, at(0));
    let id = open(journal, "hr", &[record("p", "A")]).await;
    journal
        .stage(id, &[Row::News { news: Box::new(news) }, record("p", "B")])
        .await
        .unwrap();
    assert!(claims(journal, 9, 9).await.is_empty());
    assert_eq!(department(journal, "p").await, None);
    let staged = journal.staged().await.unwrap();
    let seen: Vec<_> = staged
        .iter()
        .map(|one| (one.id, one.source.as_str(), one.state, one.rows))
        .collect();
    assert_eq!(seen, [(id, "hr", DeliveryState::Open, 3)]);
    assert_eq!(staged[0].opened_at, at(0));
    let early = journal.release_some(id, 5, at(1)).await.unwrap_err();
    assert_eq!(early.kind(), ErrorKind::Conflict);

    assert_eq!(journal.last_good("hr").await.unwrap(), None);
    journal
        .close_delivery(id, &json!({"rows": 3}), &[])
        .await
        .unwrap();
    assert_eq!(journal.last_good("hr").await.unwrap(), Some(json!({"rows": 3})));
    assert_eq!(journal.last_good("other").await.unwrap(), None);
    let released = journal.release_some(id, 5, at(7)).await.unwrap();
    assert_eq!((released.events, released.unchanged, released.over), (3, 0, true));
    assert_eq!(department(journal, "p").await.as_deref(), Some("B"));
    assert_eq!(
        claims(journal, 9, 6).await.len(),
        0,
        "they are due when they are released"
    );
    assert_eq!(claims(journal, 9, 7).await.len(), 2);
    assert!(journal.staged().await.unwrap().is_empty());
    assert_eq!(state(journal, id).await, DeliveryState::Released);
    let late = journal.stage(id, &[record("p", "C")]).await.unwrap_err();
    assert_eq!(late.kind(), ErrorKind::Conflict);
    let unknown = journal.stage(DeliveryId(id.0 + 9), &[]).await.unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::NotFound);
}

pub(super) async fn what_is_released_is_released_once(journal: &dyn Journal) {
    let rows = [
        record("p", "A"),
        record("p", "B"),
        record("p", "A"),
        record("q", "A"),
        record("q", "A"),
    ];
    let id = open(journal, "hr", &rows).await;
    journal.close_delivery(id, &json!(null), &[]).await.unwrap();
    let first = journal.release_some(id, 2, at(1)).await.unwrap();
    assert_eq!((first.events, first.over), (2, false));
    assert_eq!(state(journal, id).await, DeliveryState::Releasing);
    // Whoever goes on begins where the last commit ended: A after B is a third event, and not a fourth.
    let second = journal.release_some(id, 2, at(2)).await.unwrap();
    assert_eq!((second.events, second.over), (2, false));
    let third = journal.release_some(id, 2, at(3)).await.unwrap();
    assert_eq!((third.events, third.unchanged, third.over), (0, 1, true));
    let over = journal.release_some(id, 2, at(4)).await.unwrap_err();
    assert_eq!(over.kind(), ErrorKind::Conflict);
}

pub(super) async fn a_held_delivery_waits_for_a_decision(journal: &dyn Journal) {
    let findings = ["too few".to_owned(), "too old".to_owned()];
    let id = open(journal, "hr", &[record("p", "A")]).await;
    journal.close_delivery(id, &json!(1), &findings).await.unwrap();
    let held = journal.staged().await.unwrap().remove(0);
    assert_eq!((held.state, held.rows), (DeliveryState::Held, 1));
    assert_eq!(held.findings, findings);
    assert_eq!(journal.last_good("hr").await.unwrap(), None);
    let early = journal.release_some(id, 5, at(1)).await.unwrap_err();
    assert_eq!(early.kind(), ErrorKind::Conflict);

    journal.decide(id, true, "ada", "checked by hand").await.unwrap();
    assert_eq!(journal.last_good("hr").await.unwrap(), Some(json!(1)));
    assert_eq!(journal.release_some(id, 5, at(1)).await.unwrap().events, 1);
    let twice = journal.decide(id, false, "ada", "no").await.unwrap_err();
    assert_eq!(twice.kind(), ErrorKind::Conflict);

    let id = open(journal, "hr", &[record("p", "B")]).await;
    journal.close_delivery(id, &json!(2), &findings).await.unwrap();
    journal.decide(id, false, "bo", "test data").await.unwrap();
    let gone = journal.delivery(id).await.unwrap().unwrap();
    assert_eq!((gone.state, gone.rows), (DeliveryState::Discarded, 0));
    assert_eq!(gone.decision.as_deref(), Some("discarded by bo: test data"));
    assert_eq!(journal.last_good("hr").await.unwrap(), Some(json!(1)));
    assert_eq!(department(journal, "p").await.as_deref(), Some("A"));
    let unknown = journal
        .decide(DeliveryId(id.0 + 9), true, "a", "b")
        .await
        .unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::NotFound);
}

pub(super) async fn an_old_delivery_does_not_replace_a_newer_one(journal: &dyn Journal) {
    let old = open(journal, "hr", &[record("p", "old")]).await;
    journal
        .close_delivery(old, &json!(1), &["odd".to_owned()])
        .await
        .unwrap();
    let other = open(journal, "other", &[]).await;
    journal.close_delivery(other, &json!(1), &[]).await.unwrap();
    let new = open(journal, "hr", &[record("p", "new")]).await;
    journal.close_delivery(new, &json!(2), &[]).await.unwrap();
    let refused = journal.decide(old, true, "ada", "late").await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Conflict);
    assert_eq!(state(journal, old).await, DeliveryState::Held);
    journal.decide(old, false, "ada", "late").await.unwrap();
    assert_eq!(journal.last_good("hr").await.unwrap(), Some(json!(2)));
}

pub(super) async fn a_delivery_that_was_cut_off_is_discarded_by_the_next(journal: &dyn Journal) {
    let cut = open(journal, "hr", &[record("p", "half")]).await;
    let other = open(journal, "other", &[record("q", "A")]).await;
    let next = open(journal, "hr", &[record("p", "whole")]).await;
    assert_eq!(state(journal, cut).await, DeliveryState::Discarded);
    assert_eq!(state(journal, other).await, DeliveryState::Open);
    let late = journal.close_delivery(cut, &json!(1), &[]).await.unwrap_err();
    assert_eq!(late.kind(), ErrorKind::Conflict);
    journal.close_delivery(next, &json!(2), &[]).await.unwrap();
    journal.release_some(next, 5, at(1)).await.unwrap();
    assert_eq!(department(journal, "p").await.as_deref(), Some("whole"));
}

pub(super) async fn what_is_withdrawn_is_not_released(journal: &dyn Journal) {
    let id = open(journal, "hr", &[record("p", "A"), record("q", "A")]).await;
    let rows = [Row::Withdrawn { person: key("p") }, record("r", "A")];
    journal.stage(id, &rows).await.unwrap();
    journal.close_delivery(id, &json!(1), &[]).await.unwrap();
    let released = journal.release_some(id, 5, at(1)).await.unwrap();
    assert_eq!((released.events, released.over), (2, true));
    assert_eq!(department(journal, "p").await, None);
}
