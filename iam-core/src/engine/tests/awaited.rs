//! Notices that say nothing without a record wait for it, and fill nobody's list of what is to be decided.

use std::io::Cursor;

use super::*;
use crate::intake::{CsvIntake, Intake};
use crate::journal::{Exchange as _, LetterState, Message};

fn notice(id: &str, data: &str) -> Message {
    let mut message = Message::new("/workday", id, "iam-platform.hr.notice");
    message.data = data.as_bytes().to_vec();
    message
}

fn hire(id: &str, person: &str) -> Message {
    notice(
        id,
        &format!(
            r#"{{"eventName": "Hire Employee", "workerId": "{person}", "effectiveDate": "2026-11-25"}}"#
        ),
    )
}

async fn report(world: &World, people: &[&str]) {
    let rows: Vec<String> = people
        .iter()
        .map(|id| format!("{id},Ann,N{id},Sales,Active,Clerk"))
        .collect();
    let rows = rows.join("\n");
    let text = format!("Employee ID,First Name,Last Name,Department,Status,Job Title\n{rows}");
    let part = (Box::new(CsvIntake::new()) as Box<dyn Intake>, Cursor::new(text));
    let delivered = world.engine.deliver("hr", [part], |_| {}).await.unwrap();
    assert!(!delivered.is_held());
}

async fn waiting(world: &World) -> Vec<String> {
    let letters = world.engine.awaited(None, 100).await.unwrap();
    letters
        .iter()
        .map(|letter| letter.person.as_ref().unwrap().to_string())
        .collect()
}

async fn to_be_decided(world: &World) -> Vec<String> {
    let letters = world.engine.dead_letters(None, 100).await.unwrap();
    letters.iter().map(|letter| letter.reason.clone()).collect()
}

#[tokio::test]
async fn hires_wait_for_the_report_that_holds_them() {
    let world = world();
    let stream: Vec<Message> = (1..=5)
        .map(|n| hire(&format!("m-{n}"), &format!("W-{n}")))
        .collect();
    let taken = world.engine.receive(&stream).await.unwrap();
    assert!(
        taken
            .iter()
            .all(|taken| taken.awaited == 1 && taken.dead_letter.is_none()),
        "{taken:?}"
    );
    // The same again is the same.
    world.engine.receive(&stream).await.unwrap();
    assert_eq!(waiting(&world).await, ["W-1", "W-2", "W-3", "W-4", "W-5"]);
    assert_eq!(to_be_decided(&world).await, [""; 0]);
    let first = world.engine.awaited(None, 1).await.unwrap().remove(0);
    assert!(
        first.reason.contains("notice of a join") || first.reason.contains("notice of join"),
        "{}",
        first.reason
    );
    world.run().await;
    assert_eq!(
        world.target.accounts().len(),
        0,
        "nothing is done on a mere notice"
    );

    world.clock.advance(SignedDuration::from_hours(1));
    report(&world, &["W-1", "W-2", "W-3"]).await;
    assert_eq!(waiting(&world).await, ["W-4", "W-5"]);
    world.run().await;
    assert_eq!(world.target.accounts().len(), 3);
    let over = world.journal.letter(first.id).await.unwrap().unwrap();
    assert_eq!(over.state, LetterState::Accepted);
    let decided = over.decision.unwrap();
    assert!(
        decided.contains("the platform") && decided.contains("record has come"),
        "{decided}"
    );
    // What comes late says nothing new of somebody who is known, and does not wait again.
    let again = world.engine.receive(&stream[..1]).await.unwrap();
    assert_eq!((again[0].awaited, again[0].accepted.unchanged), (0, 1));
    assert_eq!(waiting(&world).await, ["W-4", "W-5"]);

    // The record of one comes by message. That of the other never comes: somebody has to look.
    let mut record = Message::new("/workday", "r-1", "iam-platform.hr.record");
    record.data =
        br#"{"employeeId": "W-4", "firstName": "Ann", "lastName": "Four", "status": "Active"}"#.to_vec();
    world.engine.receive(&[record]).await.unwrap();
    assert_eq!(waiting(&world).await, ["W-5"]);
    world.clock.advance(SignedDuration::from_hours(70));
    report(&world, &["W-1"]).await;
    assert_eq!(to_be_decided(&world).await, [""; 0]);
    world.clock.advance(SignedDuration::from_hours(1));
    let late = to_be_decided(&world).await;
    assert!(
        late.len() == 1 && late[0].contains("the person's record is awaited"),
        "{late:?}"
    );
    // It is still over by itself, should the record come.
    report(&world, &["W-5"]).await;
    assert_eq!(to_be_decided(&world).await, [""; 0]);
    assert_eq!(waiting(&world).await, [""; 0]);
    world.engine.verify_audit(None).await.unwrap().unwrap();
}

/// A report that began before a change was told of does not tell of it.
#[tokio::test]
async fn a_change_waits_for_a_report_that_began_afterwards() {
    let world = world();
    report(&world, &["W-1", "W-2"]).await;
    world.run().await;
    world.clock.advance(SignedDuration::from_hours(1));
    let many = r#"[{"eventName": "Change Job", "workerId": "W-1", "eventId": "e-1"},
                   {"eventName": "Terminate Employee", "workerId": "W-2", "eventId": "e-2", "immediate": true},
                   {"eventName": "Rescind something", "workerId": "W-1", "eventId": "e-3"}]"#;
    let taken = world.engine.receive(&[notice("m-1", many)]).await.unwrap();
    assert_eq!((taken[0].awaited, taken[0].accepted.events), (1, 1));
    assert!(
        taken[0].dead_letter.is_some(),
        "a rescind of nobody knows what waits for no record"
    );
    assert_eq!(waiting(&world).await, ["W-1"]);
    assert_eq!(to_be_decided(&world).await.len(), 1);
    // The leaver has not waited.
    world.run().await;
    assert!(world.look("W-2").contains("blocked"), "{}", world.look("W-2"));
    world.clock.advance(SignedDuration::from_hours(1));
    report(&world, &["W-1"]).await;
    assert_eq!(
        waiting(&world).await,
        [""; 0],
        "the report has been read, whatever it said"
    );
    assert_eq!(to_be_decided(&world).await.len(), 1);
}

#[tokio::test]
async fn what_waits_is_not_understood_by_being_tried_again() {
    let world = world();
    world.engine.receive(&[hire("m-1", "W-1")]).await.unwrap();
    let letter = world.engine.awaited(None, 1).await.unwrap().remove(0);
    let error = world
        .engine
        .retry_letter(letter.id, &hire("m-1", "W-1"), "ann", "again")
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.to_string().contains("record is needed"), "{error}");
    world
        .engine
        .discard_letter(letter.id, "ann", "was a test")
        .await
        .unwrap();
    world.engine.receive(&[hire("m-1", "W-1")]).await.unwrap();
    assert_eq!(waiting(&world).await, [""; 0], "what was decided stays");
}
