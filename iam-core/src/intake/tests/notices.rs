//! Business-process events.

use super::*;
use crate::event::{EventId, EventKind};
use crate::person::PersonKey;
use jiff::Timestamp;

fn notices_of(input: &str) -> Vec<Notice> {
    let mut notices = Vec::new();
    FlatIntake::new()
        .read(&mut input.as_bytes(), &mut |item| {
            match item {
                Item::Notice(notice) => notices.push(*notice),
                other => panic!("{other:?}"),
            }
            ControlFlow::Continue(())
        })
        .unwrap();
    notices
}

/// An event of an event log, as published.
const TERMINATION: &str = r#"{"eventName": "Terminate Employee", "eventTime": "2026-06-06T14:30:00Z",
    "workerId": "W-1001", "workerEmail": "a@contoso.example", "businessProcess": "Terminate Employee",
    "supervisoryOrg": "Engineering", "terminationDate": "2026-06-06-07:00", "reason": "Voluntary",
    "initiatedBy": {"workerId": "W-9", "name": "HR"}, "batchId": "B-17"}"#;

#[test]
fn an_event_says_who_what_and_when() {
    for input in [
        TERMINATION.to_owned(),
        format!("[{TERMINATION}]"),
        format!("{{\"Report_Entry\": [{TERMINATION}]}}"),
    ] {
        let notices = notices_of(&input);
        let [notice] = notices.as_slice() else {
            panic!("{notices:?}")
        };
        assert_eq!(notice.person, PersonKey::new("W-1001"));
        assert_eq!((notice.process, notice.urgent), (Process::Leave, false));
        assert_eq!(notice.effective, "2026-06-06".parse().ok());
        assert_eq!(notice.entered, "2026-06-06T14:30:00Z".parse().ok());
        assert!(!format!("{notice:?}").contains("contoso"));
    }
}

#[test]
fn workdays_processes_are_told_apart() {
    for (name, expect) in [
        ("Hire Employee", Process::Join),
        ("Contract Contingent Worker", Process::Join),
        ("Change Job", Process::Move),
        ("Transfer Employee", Process::Move),
        ("Promote Employee", Process::Move),
        ("Promotion Inbound", Process::Move),
        ("Edit Position", Process::Move),
        ("Change Business Title", Process::Move),
        ("Change Organization Assignments", Process::Move),
        ("Move Worker (Supervisory)", Process::Move),
        ("Assign Superior", Process::Move),
        ("International Assignment", Process::Move),
        ("Add Additional Job", Process::Move),
        // Ending one job is not leaving.
        ("End Additional Job", Process::Move),
        ("Change Legal Name", Process::Rename),
        ("Change Preferred Name", Process::Rename),
        ("Request Leave of Absence", Process::Suspend),
        ("Place Worker on Leave", Process::Suspend),
        ("Return Worker from Leave of Absence", Process::Resume),
        ("Terminate Employee", Process::Leave),
        ("End Contingent Worker Contract", Process::Leave),
        ("Rescind Terminate Employee", Process::Retract),
        ("Terminate Employee (Rescinded)", Process::Retract),
        ("Correct Hire Employee", Process::Amend),
        // Not the end yet.
        ("Employee Resignation", Process::Other),
        ("Onboarding", Process::Other),
        ("Benefit Enrolment", Process::Other),
    ] {
        let event = serde_json::json!({ "eventName": name, "workerId": "W-1" }).to_string();
        assert_eq!(notices_of(&event)[0].process, expect, "{name}");
    }
    // The field that says most counts.
    for (fields, expect) in [
        (
            r#""eventName": "Rescind", "businessProcess": "Terminate Employee""#,
            Process::Retract,
        ),
        (
            r#""eventName": "Completed", "businessProcess": "Change Job""#,
            Process::Move,
        ),
        (
            r#""eventName": "Terminate Employee", "isRescinded": "1""#,
            Process::Retract,
        ),
        (
            r#""eventName": "Hire Employee", "isCorrected": true"#,
            Process::Amend,
        ),
    ] {
        let event = format!("{{{fields}, \"workerId\": \"W-1\", \"originalEventId\": \"E-1\"}}");
        let notice = notices_of(&event).remove(0);
        assert_eq!(
            (notice.process, notice.of),
            (expect, Some(EventId::new("E-1"))),
            "{fields}"
        );
    }
}

#[test]
fn leaves_absences_rescinds_and_corrections_are_events_and_the_rest_asks_for_the_record() {
    let now = Timestamp::UNIX_EPOCH;
    let told = |event: &str| notices_of(event).remove(0).as_news(now);
    let named = |name: &str| told(&TERMINATION.replace("Terminate Employee", name));
    let day: Option<jiff::civil::Date> = "2026-06-06".parse().ok();
    let leave = told(TERMINATION).unwrap();
    let expect = EventKind::Leave {
        last_day: day,
        urgent: false,
    };
    assert_eq!((leave.kind, leave.effective), (expect, day));
    assert_eq!(leave.person, PersonKey::new("W-1001"));
    let urgent = told(&TERMINATION.replacen('{', "{\"immediate\": true, ", 1)).unwrap();
    assert!(urgent.kind.is_urgent());
    let away = named("Request Leave of Absence").unwrap();
    assert_eq!((away.kind, away.effective), (EventKind::Suspend, day));
    assert_eq!(
        named("Return Worker from Leave of Absence").unwrap().kind,
        EventKind::Resume
    );
    let of = |name: &str| {
        let event = TERMINATION.replacen('{', "{\"originalEventId\": \"E-1\", ", 1);
        told(&event.replace("Terminate Employee", name)).unwrap().kind
    };
    let first = EventId::new("E-1");
    assert_eq!(
        of("Rescind Terminate Employee"),
        EventKind::Retract { of: first.clone() }
    );
    assert_eq!(of("Correct Terminate Employee"), EventKind::Amend { of: first });
    for other in [
        "Change Job",
        "Rescind Terminate Employee",
        "Hire Employee",
        "Onboarding",
    ] {
        assert_eq!(named(other), None, "{other}");
        let notice = notices_of(&TERMINATION.replace("Terminate Employee", other)).remove(0);
        assert_eq!(Reject::from(&notice).code, "record_needed");
    }
}

#[test]
fn the_same_event_again_is_the_same_one() {
    let id = |event: &str| notices_of(event)[0].id.clone();
    let reordered = r#"{"businessProcess": "Terminate Employee", "batchId": "B-17", "reason": "Voluntary",
        "eventName": "Terminate Employee", "workerId": "W-1001", "workerEmail": "a@contoso.example",
        "supervisoryOrg": "Engineering", "terminationDate": "2026-06-06-07:00", "more": null,
        "initiatedBy": {"name": "HR", "workerId": "W-9"}, "eventTime": "2026-06-06T14:30:00Z"}"#;
    assert_eq!(id(TERMINATION), id(reordered));
    assert_ne!(id(TERMINATION), id(&TERMINATION.replace("B-17", "B-18")));
    assert_eq!(
        id(&TERMINATION.replacen('{', "{\"eventId\": \"E-5\", ", 1)),
        EventId::new("E-5")
    );
    check(
        format!("[{TERMINATION}, {reordered}]"),
        &["1 W-1001 leave", "2 \"\" duplicate_row"],
    );
    // One id with another payload is in doubt.
    let with_id = TERMINATION.replacen('{', "{\"eventId\": \"E-5\", ", 1);
    let other = with_id.replace("Voluntary", "Involuntary");
    check(
        format!("[{with_id}, {other}]"),
        &["1 W-1001 leave", "2 \"\" duplicate_key"],
    );
}

#[test]
fn a_bad_event_says_why_and_stops_nobody_else() {
    for (fields, field, code) in [
        (r#""eventName": "Change Job""#, "workerId", "missing_key"),
        (
            r#""eventName": "", "workerId": "W-1""#,
            "eventName",
            "missing_event",
        ),
        (
            r#""eventName": ["Change Job"], "workerId": "W-1""#,
            "eventName",
            "wrong_type",
        ),
        (
            r#""eventName": "Terminate Employee", "workerId": "W-1", "terminationDate": "06/07/2026""#,
            "terminationDate",
            "not_a_date",
        ),
        (
            r#""eventName": "Change Job", "workerId": "W-1", "eventTime": "2026-06-06T14:30:00""#,
            "eventTime",
            "not_an_instant",
        ),
        (
            r#""eventName": "Change Job", "workerId": "W-1", "isRescinded": "maybe""#,
            "isRescinded",
            "not_a_flag",
        ),
        (
            r#""eventName": "Change Job", "workerId": "W-1", "WorkerID": "W-2""#,
            "WorkerID",
            "duplicate_field",
        ),
    ] {
        check(
            format!("[{{{fields}}}, {TERMINATION}]"),
            &[&format!("1 {field:?} {code}"), "2 W-1001 leave"],
        );
    }
    check(
        format!("[3, {TERMINATION}]"),
        &["1 \"\" wrong_type", "2 W-1001 leave"],
    );
}
