//! Appending.

use jiff::{Timestamp, civil::date};

use super::Appended::{Conflict, Duplicate, New, Stale};
use super::{Journal, accept, at, change, claim_only, complete, entry, join, key, leave, timer};
use crate::event::{Event, EventId, EventKind, Timer};
use crate::person::{Person, Status};

pub(super) async fn append_tells_new_duplicate_conflict_and_stale(journal: &dyn Journal) {
    let first = join("p", 0);
    let other_record = Event {
        record: change("p", 7, 0).record,
        ..first.clone()
    };
    let other_kind = Event {
        kind: EventKind::Rejoin,
        ..first.clone()
    };
    let other_person = Event {
        person: key("q"),
        ..first.clone()
    };
    // When it was learnt and when it is due may differ: a feed that is read again says the same thing later.
    let again = Event {
        due_at: at(99),
        entered_at: at(99),
        ..first.clone()
    };
    for (event, expected) in [
        (first.clone(), New),
        (first.clone(), Duplicate),
        (again, Duplicate),
        (other_record, Conflict),
        (other_kind, Conflict),
        (other_person, Conflict),
        (change("p", 3, 1), Stale),
        (change("p", 2, 1), New),
        (change("p", 2, 1), Duplicate),
        (change("q", 2, 1), Stale),
    ] {
        let appended = journal.append(std::slice::from_ref(&event)).await.unwrap();
        assert_eq!(appended, [expected], "{event:?} due {}", event.due_at);
    }
    let claim = claim_only(journal, 5, &first).await;
    assert_eq!(
        claim.event.due_at,
        at(0),
        "the first one counts, not the repetition"
    );
    complete(journal, &claim).await;
    let repeated = journal.append(&[first]).await.unwrap();
    assert_eq!(repeated, [Duplicate], "what has been worked off stays known");
}

pub(super) async fn each_event_of_a_batch_stands_on_its_own(journal: &dyn Journal) {
    let conflict = Event {
        kind: EventKind::Rejoin,
        ..join("p", 0)
    };
    let batch = [
        join("p", 0),
        conflict,
        change("p", 2, 1),
        change("p", 9, 1),
        join("p", 0),
        join("q", 0),
        leave("q", 2, 1),
        timer("q", Timer::Start, 3),
    ];
    let appended = journal.append(&batch).await.unwrap();
    assert_eq!(appended, [New, Conflict, New, Stale, Duplicate, New, New, New]);
    for (event, lane_seq) in [(&batch[0], 1), (&batch[2], 2), (&batch[5], 1), (&batch[7], 3)] {
        assert_eq!(entry(journal, event).await.lane_seq, lane_seq, "{event:?}");
    }
    assert_eq!(journal.append(&[]).await.unwrap(), []);
}

pub(super) async fn a_b_a_b_is_four_events(journal: &dyn Journal) {
    let record = |department: &str| Person {
        department: Some(department.to_owned()),
        ..Person::new(key("p"))
    };
    let mut kinds = Vec::new();
    for (second, department) in (0..).zip(["A", "A", "B", "A", "B", "B"]) {
        let latest = journal.accepted(&[key("p")]).await.unwrap().remove(0);
        if let Some(event) = Event::observed(latest.as_ref(), &record(department), at(second)) {
            accept(journal, std::slice::from_ref(&event)).await;
            kinds.push(event);
        }
    }
    assert_eq!(kinds.len(), 4);
    for event in &kinds {
        let claim = claim_only(journal, 9, event).await;
        assert_eq!(claim.event.record, event.record);
        complete(journal, &claim).await;
    }
}

pub(super) async fn the_latest_accepted_record_is_kept_and_timers_do_not_change_it(journal: &dyn Journal) {
    accept(
        journal,
        &[join("p", 0), timer("p", Timer::Start, 1), change("p", 2, 50)],
    )
    .await;
    accept(journal, &[timer("q", Timer::Recheck, 1)]).await;
    let accepted = journal
        .accepted(&[key("q"), key("p"), key("r"), key("p")])
        .await
        .unwrap();
    let latest = accepted[1].as_ref().unwrap();
    assert_eq!(latest.version, 2);
    assert_eq!(latest.record, change("p", 2, 50).record);
    assert_eq!((&accepted[0], &accepted[2]), (&None, &None));
    assert_eq!(accepted[3], accepted[1]);
    assert_eq!(journal.accepted(&[]).await.unwrap(), []);
}

pub(super) async fn events_come_back_exactly(journal: &dyn Journal) {
    let who = key("Ω/7 'quoted' \"twice\" \u{1f469}\u{200d}\u{1f680}");
    let instant: Timestamp = "2027-02-28T23:59:59.123456789Z".parse().unwrap();
    let event = Event {
        id: EventId::new("source:Æ;--"),
        person: who.clone(),
        kind: EventKind::Leave {
            last_day: Some(date(2027, 2, 28)),
            urgent: false,
        },
        due_at: instant,
        entered_at: "0001-01-01T00:00:00.000000001Z".parse().unwrap(),
        record: Some(Person {
            status: Status::Terminated,
            given_name: Some("Zoë\n\t\u{0}".to_owned()),
            family_name: Some("O'Neill \\ Ñandú".to_owned()),
            manager_id: Some(key("m")),
            hire_date: Some(date(1999, 1, 31)),
            last_day: Some(date(2027, 2, 28)),
            ..Person::new(who)
        }),
        version: 1,
        news: None,
    };
    let never = Event {
        due_at: Timestamp::MAX,
        ..timer("p", Timer::Delete, 0)
    };
    accept(journal, &[event.clone(), never.clone()]).await;
    assert_eq!(entry(journal, &event).await.event, event);
    assert_eq!(entry(journal, &event).await.not_before, instant);
    assert_eq!(entry(journal, &never).await.event, never);
    let claims = journal.claim(5, instant, super::LEASE).await.unwrap();
    assert_eq!(claims.len(), 1);
    assert_eq!(claims[0].event, event);
}
