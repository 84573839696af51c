//! CloudEvents as they come.

use super::*;
use crate::ErrorKind;
use crate::engine::{Reads, event_id};
use crate::intake::CsvIntake;
use crate::journal::{LetterState, Message};
use crate::testing::{Crash, CrashingJournal};

#[tokio::test]
async fn records_events_and_notices_come_in_every_content_mode() {
    let world = world();
    let door = world.door();
    // Structured.
    assert_eq!(
        told(&door, &event("1", RECORD, None, &mei("Sales"))).await,
        (1, 0, 0, 0)
    );
    // Binary, with the source percent-encoded, and a table as its data.
    let headers = [
        ("ce-specversion", "1.0"),
        ("ce-id", "2"),
        ("ce-source", "/hr%20files"),
        ("ce-type", RECORD),
        ("content-type", "text/csv"),
    ];
    let table = "Employee ID,First Name,Last Name,Status\nW-2,Ada,Byron,Active\nW-3,Bo,Li,Active\n";
    let answer = door.receive("POST", "/hr", headers, table.as_bytes()).await;
    assert_eq!(counts(&answer), (2, 0, 0, 0));
    assert_eq!(
        world.people().await,
        ["ada.byron at work", "bo.li at work", "mei.tanaka at work"]
    );
    // Batched: an event in the lifecycle's words, and a notice in Workday's, as base64.
    let gone = json!({ "person": "W-1", "kind": "leave", "urgent": true });
    let mut notice = event("4", NOTICE, Some("2026-11-24T08:00:00Z"), &json!(null));
    notice.as_object_mut().unwrap().remove("data");
    // {"eventName": "Terminate Employee", "workerId": "W-2", "terminationDate": "2026-11-20"}
    notice["data_base64"] = "eyJldmVudE5hbWUiOiAiVGVybWluYXRlIEVtcGxveWVlIiwgIndvcmtlcklkIjogIlctMiIsICJ0ZXJtaW5hdGlvbkRhdGUiOiAiMjAyNi0xMS0yMCJ9".into();
    let both = json!([event("3", EVENT, None, &gone), notice]).to_string();
    let answer = post(&door, "application/cloudevents-batch+json; charset=UTF-8", &both).await;
    assert_eq!(counts(&answer), (2, 0, 0, 0));
    assert_eq!(
        world.people().await,
        ["ada.byron blocked", "bo.li at work", "mei.tanaka blocked"]
    );
    // Under the identity of the CloudEvent.
    let timeline = world.engine.timeline(&PersonKey::new("W-2")).await.unwrap();
    let ids: Vec<_> = timeline.iter().map(|entry| &entry.event.id).collect();
    assert!(ids.contains(&&event_id("/hr", "4")), "{ids:?}");
}

#[tokio::test]
async fn what_is_delivered_again_or_late_changes_nothing() {
    let world = world();
    let door = world.door();
    let first = event("1", RECORD, Some("2026-11-24T08:00:00Z"), &mei("Sales"));
    let second = event("2", RECORD, Some("2026-11-24T08:30:00Z"), &mei("Security"));
    let between = event("3", RECORD, Some("2026-11-24T08:15:00Z"), &mei("Kitchen"));
    assert_eq!(told(&door, &first).await, (1, 0, 0, 0));
    assert_eq!(told(&door, &second).await, (1, 0, 0, 0));
    for again in [&first, &second, &between, &first] {
        assert_eq!(told(&door, again).await, (0, 1, 0, 0), "{again}");
    }
    assert_eq!(world.department("W-1").await.as_deref(), Some("Security"));
    // The same id with other content counts for nothing, and is kept.
    let other = event("2", RECORD, Some("2026-11-24T09:30:00Z"), &mei("Board"));
    assert_eq!(told(&door, &other).await, (0, 0, 1, 0));
    assert_eq!(world.department("W-1").await.as_deref(), Some("Security"));
    assert_eq!(world.engine.quarantined().await.unwrap().len(), 1);
    assert_eq!(world.people().await, ["mei.tanaka at work"]);
    let gone = event("4", EVENT, None, &json!({ "person": "W-1", "kind": "leave" }));
    assert_eq!(told(&door, &gone).await, (1, 0, 0, 0));
    let other = event("4", EVENT, None, &json!({ "person": "W-1", "kind": "suspend" }));
    assert_eq!(told(&door, &other).await, (0, 0, 1, 0));
    assert_eq!(world.people().await, ["mei.tanaka blocked"]);
}

#[tokio::test]
async fn a_retraction_before_what_it_retracts_counts() {
    let world = world();
    let door = world.door();
    told(&door, &event("1", RECORD, None, &mei("Sales"))).await;
    // Of the message's id, and, where a notice has an id of its own, of that.
    let never = event(
        "3",
        EVENT,
        None,
        &json!({ "person": "W-1", "kind": "retract", "of": "2" }),
    );
    let leave = event(
        "2",
        EVENT,
        None,
        &json!({ "person": "W-1", "kind": "leave", "last_day": "2026-11-20" }),
    );
    told(&door, &never).await;
    told(&door, &leave).await;
    assert_eq!(world.people().await, ["mei.tanaka at work"]);
    let rescinded = json!({ "eventName": "Rescind Terminate Employee", "workerId": "W-1", "eventId": "R-1",
        "originalEventId": "T-1" });
    let terminated = json!({ "eventName": "Terminate Employee", "workerId": "W-1", "eventId": "T-1",
        "terminationDate": "2026-11-19" });
    told(&door, &event("8", NOTICE, None, &rescinded)).await;
    assert_eq!(
        told(&door, &event("7", NOTICE, None, &terminated)).await,
        (1, 0, 0, 0)
    );
    assert_eq!(world.people().await, ["mei.tanaka at work"]);
}

#[tokio::test]
async fn one_bad_event_of_a_batch_is_a_dead_letter_and_the_others_count() {
    let world = world();
    let door = world.door();
    let mut nameless = event("x", RECORD, None, &mei("Sales"));
    nameless.as_object_mut().unwrap().remove("id");
    let batch = json!([
        event("1", RECORD, None, &mei("Sales")),
        nameless,
        event(
            "2",
            EVENT,
            None,
            &json!({ "person": "W-9", "kind": "promoted to Tanaka" })
        ),
        event("3", "com.example.cake", None, &json!({ "cake": true })),
        event(
            "4",
            RECORD,
            None,
            &json!({ "employeeId": "W-5", "firstName": "Ada" })
        ),
        17,
        event("5", EVENT, None, &json!({ "person": "W-1", "kind": "suspend" })),
    ]);
    for again in [false, true] {
        let answer = post(&door, "application/cloudevents-batch+json", &batch.to_string()).await;
        let expected = if again { (0, 2, 0, 5) } else { (2, 0, 0, 5) };
        assert_eq!(counts(&answer), expected);
    }
    let letters = world.engine.dead_letters(None, 10).await.unwrap();
    let reasons: Vec<&str> = letters.iter().map(|letter| letter.reason.as_str()).collect();
    assert_eq!(
        reasons,
        [
            "field kind: expected join, move, rename, rejoin, suspend, resume, convert, leave, retract or amend",
            "messages of type \"com.example.cake\" are not known here",
            "row 1, field status: expected Active, On Leave or Terminated, found nothing; it is never assumed [missing_status]",
            "not a CloudEvent: attribute id: expected a text, found nothing",
            "not a CloudEvent: attribute (all): expected one event as a JSON object",
        ]
    );
    let people: Vec<_> = letters
        .iter()
        .map(|letter| letter.person.as_ref().map(PersonKey::as_str))
        .collect();
    assert_eq!(people, [Some("W-9"), None, Some("W-5"), None, None]);
    // Kept as it came.
    let kept: Value = serde_json::from_slice(&letters[3].message.data).unwrap();
    assert_eq!(kept, batch[1]);
    assert!(
        !format!("{letters:?}").contains("Tanaka"),
        "no content is printed"
    );
}

#[tokio::test]
async fn a_dead_letter_is_corrected_or_discarded_by_somebody_for_a_reason() {
    let world = world();
    let door = world.door();
    let bad = json!({ "employeeId": "W-1", "firstName": "Mei", "lastName": "Tanaka" });
    assert_eq!(told(&door, &event("1", RECORD, None, &bad)).await, (0, 0, 0, 1));
    assert_eq!(
        told(&door, &event("2", "cake", None, &json!({}))).await,
        (0, 0, 0, 1)
    );
    let letters = world.engine.dead_letters(None, 10).await.unwrap();
    let [first, second] = letters.as_slice() else {
        panic!("{letters:?}")
    };
    let kind = |answer: crate::Result<_>| answer.unwrap_err().kind();
    let unchanged = world
        .engine
        .retry_letter(first.id, &first.message, "op", "hope")
        .await;
    assert_eq!(kind(unchanged), ErrorKind::Invalid);
    let corrected = Message {
        data: mei("Sales").to_string().into_bytes(),
        ..first.message.clone()
    };
    let unsigned = world.engine.retry_letter(first.id, &corrected, "op", " ").await;
    assert_eq!(kind(unsigned), ErrorKind::Invalid);
    assert_eq!(world.events().await, 0);
    let accepted = world
        .engine
        .retry_letter(first.id, &corrected, "op", "status added")
        .await
        .unwrap();
    assert_eq!(accepted.events, 1);
    assert_eq!(
        kind(world.engine.retry_letter(first.id, &corrected, "op", "x").await),
        ErrorKind::Conflict
    );
    world
        .engine
        .discard_letter(second.id, "op", "a test of theirs")
        .await
        .unwrap();
    assert!(world.engine.dead_letters(None, 10).await.unwrap().is_empty());
    assert_eq!(world.people().await, ["mei.tanaka at work"]);
    // Whoever delivers them again changes nothing; what the operator sent is what the id stands for.
    assert_eq!(told(&door, &event("1", RECORD, None, &bad)).await, (0, 0, 0, 1));
    assert_eq!(
        told(&door, &event("1", RECORD, None, &mei("Sales"))).await,
        (0, 1, 0, 0)
    );
    assert!(world.engine.dead_letters(None, 10).await.unwrap().is_empty());
    let closed = world.journal.letter(second.id).await.unwrap().unwrap();
    assert_eq!(closed.state, LetterState::Discarded);
    let audit = world.engine.audit(0, 1000).await.unwrap();
    let decided: Vec<_> = audit
        .iter()
        .filter(|entry| entry.actor.is_some())
        .map(|entry| entry.deed.as_str())
        .collect();
    assert_eq!(decided, ["corrected", "discarded", "in_force"]);
    assert!(world.engine.verify_audit(None).await.unwrap().is_ok());
}

#[tokio::test]
async fn nothing_is_acknowledged_while_the_journal_is_down() {
    let folder = tempfile::tempdir().unwrap();
    let file = crate::journal::SqliteJournal::open(folder.path().join("journal.db"), "tenant")
        .await
        .unwrap();
    let world = world_over(Arc::new(file.clone()));
    let door = world.door();
    assert_eq!(
        told(&door, &event("1", RECORD, None, &mei("Sales"))).await,
        (1, 0, 0, 0)
    );
    file.close().await.unwrap();
    for bad in [
        event("2", RECORD, None, &mei("Kitchen")),
        event("3", "cake", None, &json!({})),
    ] {
        let answer = post(&door, "application/cloudevents+json", &bad.to_string()).await;
        assert_eq!((answer.status, header(&answer, "retry-after")), (503, Some("30")));
    }
    let again = crate::journal::SqliteJournal::open(folder.path().join("journal.db"), "tenant")
        .await
        .unwrap();
    let reopened = world_over(Arc::new(again));
    assert_eq!(reopened.department("W-1").await.as_deref(), Some("Sales"));
    assert!(reopened.engine.dead_letters(None, 1).await.unwrap().is_empty());
}

#[tokio::test]
async fn other_kinds_of_messages_are_read_as_somebody_says() {
    let world = world();
    let engine = Engine::builder(world.journal.clone(), Arc::new(Document::parse(POLICY).unwrap()))
        .target(Arc::new(world.target.clone()))
        .message(
            "com.example.staff",
            Reads::Rows(Arc::new(CsvIntake::new().ignore(["Cake"]))),
        )
        .build();
    let door = CloudEvents::new(Arc::new(engine));
    let mut event = event(
        "1",
        "com.example.staff",
        None,
        &json!("Employee ID,First Name,Last Name,Status,Cake\nW-1,Mei,Tanaka,Active,yes\n"),
    );
    event["datacontenttype"] = "text/csv".into();
    assert_eq!(told(&door, &event).await, (1, 0, 0, 0));
    // A crash cannot be seen from here, but that each answer comes after its record can.
    let counted = CrashingJournal::new(Arc::new(MemoryJournal::new()), Crash::Before(usize::MAX));
    let world = world_over(Arc::new(counted));
    assert_eq!(
        told(
            &world.door(),
            &super::door::event("1", RECORD, None, &mei("Sales"))
        )
        .await,
        (1, 0, 0, 0)
    );
    assert_eq!(world.events().await, 1);
}
