//! The checker sees what it is for: a good history is good, and each way in which one can be bad is found.

use std::collections::BTreeMap;
use std::time::Duration;

use iam_core::event::{Event, EventId, EventKind, Timer};
use iam_core::journal::audit::Deed;
use iam_core::journal::{EventState, HistoryQuery, Journal, Lane, MemoryJournal, Outcome};
use iam_core::person::{Person, PersonKey};
use iam_core::plan::{Action, IdempotencyKey, Plan, Step, StepId};
use jiff::{SignedDuration, Timestamp};

use super::history::{Left, Seen, Wrong, findings};
use crate::world;

fn at(second: i64) -> Timestamp {
    let now: Timestamp = world::NOW.parse().unwrap();
    now.saturating_add(SignedDuration::from_secs(second)).unwrap()
}

fn record(person: &str, department: &str) -> Person {
    Person {
        department: Some(department.to_owned()),
        ..Person::new(PersonKey::new(person))
    }
}

/// The `version`th thing that HR says of somebody.
fn event(person: &str, version: u64) -> Event {
    Event {
        id: EventId::new(format!("{person}/{version}")),
        person: PersonKey::new(person),
        kind: if version == 1 {
            EventKind::Join
        } else {
            EventKind::Move
        },
        due_at: at(0),
        entered_at: at(0),
        record: Some(record(person, &version.to_string())),
        version,
        news: None,
    }
}

const LEASE: Duration = Duration::from_mins(1);

/// Claims the next event and works one step of it; returns what [`end`] needs.
async fn work(journal: &dyn Journal) -> iam_core::journal::Claim {
    let claim = journal.claim(1, at(1), LEASE).await.unwrap().remove(0);
    let person = &claim.event.person;
    let target = iam_core::entitlement::TargetId::new("graph");
    let step = Step::new(&target, person, None, Action::AllowSignIn, "policy says so");
    let key = IdempotencyKey::of(&claim.event.id, &step);
    let mut plan = Plan::empty(person);
    plan.steps.push(step.clone());
    journal.plan(&claim, &plan).await.unwrap();
    journal.intend(&claim, &step.id, &key).await.unwrap();
    let done = Outcome::Done { account: None };
    journal.settle(&claim, &step.id, &done, at(1)).await.unwrap();
    claim
}

async fn left(journal: &MemoryJournal) -> Left {
    let person = PersonKey::new("p");
    let said = [record("p", "1"), record("p", "2")].to_vec();
    let deeds = ["Add user", "Enable account", "Reset user password"];
    let deeds: Vec<String> = deeds.map(str::to_owned).to_vec();
    Left {
        now: at(10),
        acknowledged: BTreeMap::from([(person.clone(), said)]),
        entries: journal.history(&HistoryQuery::default()).await.unwrap(),
        audit: journal.audit(0, 1000).await.unwrap(),
        head: journal.audit_head().await.unwrap(),
        people: vec![Seen {
            person,
            looks: "p enabled".to_owned(),
            expected: "p enabled".to_owned(),
            deeds: deeds.clone(),
            expected_deeds: deeds,
        }],
        open_steps: 0,
        mails: vec!["p can sign in".to_owned()],
        expected_mails: vec!["p can sign in".to_owned()],
    }
}

/// One person who joins and moves.
async fn good() -> Left {
    let journal = MemoryJournal::new();
    journal.append(&[event("p", 1), event("p", 2)]).await.unwrap();
    for _ in 0..2 {
        let claim = work(&journal).await;
        journal.complete(&claim, &claim.state, &[]).await.unwrap();
    }
    left(&journal).await
}

fn wrong(left: &Left) -> Vec<Wrong> {
    let mut wrong: Vec<Wrong> = findings(left).iter().map(|finding| finding.wrong).collect();
    wrong.dedup();
    wrong
}

#[tokio::test]
async fn a_good_history_is_good() {
    assert_eq!(findings(&good().await), []);
}

/// What is done to a good history, and what is found then.
type Bad = (&'static str, fn(&mut Left), &'static [Wrong]);

const BAD: &[Bad] = &[
    (
        "an accepted event is gone",
        |left| drop(left.entries.remove(1)),
        &[Wrong::Lost],
    ),
    (
        "the events of somebody are gone, and the audit's entries of them",
        |left| {
            left.entries.clear();
            left.audit.clear();
            left.head = iam_core::journal::audit::Checkpoint::default();
        },
        &[Wrong::Lost],
    ),
    (
        "a record is there twice",
        |left| {
            let again = left.entries[1].clone();
            left.entries.push(again);
        },
        &[Wrong::Lost],
    ),
    (
        "the records are there in another order",
        |left| left.entries.swap(0, 1),
        &[Wrong::Lost],
    ),
    (
        "what was accepted is another record",
        |left| left.entries[0].event.record = Some(record("p", "another")),
        &[Wrong::Lost],
    ),
    (
        "an event is not over",
        |left| left.entries[1].state = EventState::Pending,
        &[Wrong::Open, Wrong::Ends],
    ),
    (
        "an event was set aside",
        |left| left.entries[1].state = EventState::Dead,
        &[Wrong::SetAside, Wrong::Ends],
    ),
    (
        "an event is done, and nothing says that it ended",
        |left| left.audit.retain(|(entry, _)| entry.deed != Deed::Completed),
        &[Wrong::Ends, Wrong::Audit],
    ),
    (
        "nobody knows what became of a step",
        |left| left.entries[0].steps[0].outcome = None,
        &[Wrong::Unsettled],
    ),
    (
        "nobody knows what became of a step that its event's only attempt did not plan",
        |left| {
            left.entries[0].steps[0].outcome = None;
            left.entries[0].plan = None;
        },
        &[Wrong::Unsettled],
    ),
    (
        "an attempt died of a step, and the next one found it done",
        |left| {
            left.entries[0].steps[0].outcome = None;
            left.entries[0].attempts = 2;
        },
        &[],
    ),
    (
        "of two attempts, one died of a step, and nobody knows of another one either",
        |left| {
            let entry = &mut left.entries[0];
            (entry.attempts, entry.plan) = (2, None);
            entry.steps[0].outcome = None;
            let again = entry.steps[0].clone();
            entry.steps.push(again);
        },
        &[Wrong::Unsettled],
    ),
    (
        "nobody knows what became of a step, and the next one of its plan was taken all the same",
        |left| {
            let entry = &mut left.entries[0];
            entry.attempts = 2;
            let mut next = entry.steps[0].clone();
            next.step = StepId::from("next");
            let mut step = entry.plan.as_ref().unwrap().steps[0].clone();
            step.id = next.step.clone();
            entry.plan.as_mut().unwrap().steps.push(step);
            entry.steps[0].outcome = None;
            entry.steps.push(next);
        },
        &[Wrong::Unsettled],
    ),
    (
        "somebody has nothing",
        |left| left.people[0].looks.clear(),
        &[Wrong::Tenant],
    ),
    ("a plan finds work", |left| left.open_steps = 1, &[Wrong::Plan]),
    (
        "an account was made twice",
        |left| left.people[0].deeds.push("Add user".to_owned()),
        &[Wrong::Repeated],
    ),
    (
        "something was done that never is",
        |left| left.people[0].deeds.push("Delete user".to_owned()),
        &[Wrong::Repeated],
    ),
    (
        "nobody was let in",
        |left| drop(left.people[0].deeds.remove(1)),
        &[Wrong::Missing],
    ),
    (
        "a password was reset again",
        |left| left.people[0].deeds.push("Reset user password".to_owned()),
        &[],
    ),
    (
        "a mail was sent twice",
        |left| left.mails.push("p can sign in".to_owned()),
        &[Wrong::Repeated],
    ),
    (
        "a mail is missing, and nobody says so",
        |left| left.mails.clear(),
        &[Wrong::Missing],
    ),
    (
        "a mail is missing where nobody knows of it",
        |left| {
            left.mails.clear();
            left.entries[0].steps[0].step = StepId::from("graph/notify:welcome");
            left.entries[0].steps[0].outcome = Some(Outcome::Unknown);
        },
        &[],
    ),
    (
        "a mail is missing, and what nobody knows of is something else",
        |left| {
            left.mails.clear();
            left.entries[0].steps[0].outcome = Some(Outcome::Unknown);
        },
        &[Wrong::Missing],
    ),
    (
        "an entry of the audit is gone",
        |left| drop(left.audit.remove(3)),
        &[Wrong::Audit],
    ),
    (
        "the end of the audit is gone",
        |left| left.audit.truncate(left.audit.len() - 1),
        &[Wrong::Ends, Wrong::Audit],
    ),
    (
        "an entry of the audit was changed",
        |left| left.audit[0].0.detail.push('s'),
        &[Wrong::Audit],
    ),
];

#[tokio::test]
async fn every_bad_history_is_found() {
    for (what, spoil, expected) in BAD {
        let mut left = good().await;
        spoil(&mut left);
        assert_eq!(wrong(&left), *expected, "{what}: {:?}", findings(&left));
    }
}

#[tokio::test]
async fn a_later_event_that_is_worked_before_an_earlier_one_is_found() {
    let journal = MemoryJournal::new();
    journal.append(&[event("p", 1), event("p", 2)]).await.unwrap();
    let first = work(&journal).await;
    // Set aside without parking: the later one goes on, and the first comes back.
    let (state, why) = (&first.state, "somebody's mistake");
    journal
        .dead_letter(&first, state, &[], why, Lane::Skip)
        .await
        .unwrap();
    let second = work(&journal).await;
    journal.complete(&second, &second.state, &[]).await.unwrap();
    journal.requeue(&first.event.id, "HR", "mended").await.unwrap();
    let first = journal.claim(1, at(2), LEASE).await.unwrap().remove(0);
    journal.complete(&first, &first.state, &[]).await.unwrap();
    assert_eq!(wrong(&left(&journal).await), [Wrong::Order]);
}

fn recheck() -> Event {
    Event::timer(
        &PersonKey::new("p"),
        Timer::Recheck,
        at(0),
        &EventId::new("x"),
        at(0),
    )
}

#[tokio::test]
async fn a_timer_that_is_worked_before_a_record_that_came_before_it_is_found() {
    let journal = MemoryJournal::new();
    journal
        .append(&[event("p", 1), recheck(), event("p", 2)])
        .await
        .unwrap();
    let first = work(&journal).await;
    let dead = journal.dead_letter(&first, &first.state, &[], "somebody's mistake", Lane::Skip);
    dead.await.unwrap();
    let timer = work(&journal).await;
    assert_eq!(timer.event.record, None);
    journal.complete(&timer, &timer.state, &[]).await.unwrap();
    journal.requeue(&first.event.id, "HR", "mended").await.unwrap();
    for _ in 0..2 {
        let claim = work(&journal).await;
        journal.complete(&claim, &claim.state, &[]).await.unwrap();
    }
    assert_eq!(wrong(&left(&journal).await), [Wrong::Order]);
}

/// As if nobody had locked the lane: the timer has begun and not ended, and the record after it begins.
#[tokio::test]
async fn a_record_that_is_begun_while_a_timer_is_worked_is_found() {
    let journal = MemoryJournal::new();
    journal
        .append(&[event("p", 1), recheck(), event("p", 2)])
        .await
        .unwrap();
    let first = work(&journal).await;
    journal.complete(&first, &first.state, &[]).await.unwrap();
    let timer = work(&journal).await;
    let dead = journal.dead_letter(&timer, &timer.state, &[], "somebody's mistake", Lane::Skip);
    dead.await.unwrap();
    let second = work(&journal).await;
    journal.requeue(&timer.event.id, "HR", "mended").await.unwrap();
    journal.complete(&second, &second.state, &[]).await.unwrap();
    let timer = journal.claim(1, at(2), LEASE).await.unwrap().remove(0);
    journal.complete(&timer, &timer.state, &[]).await.unwrap();
    let mut left = left(&journal).await;
    // It was set aside meanwhile: that is no sign of two at once.
    assert_eq!(findings(&left), []);
    left.audit.retain(|(entry, _)| entry.deed != Deed::SetAside);
    assert_eq!(wrong(&left), [Wrong::Order, Wrong::Audit]);
}
