//! What several holders of claims write at the same time, which a journal may write together: each gets its own answer,
//! and nothing of one gets into another's.

use std::collections::BTreeMap;

use futures::future::join_all;

use super::audit::verified;
use super::{
    Claim, Event, accept, at, change, claims, complete, join, key, leave, state, state_of, step, timer,
};
use crate::error::ErrorKind;
use crate::event::Timer;
use crate::journal::audit::Deed;
use crate::journal::{EventState, Journal, Lane, Outcome, StepStart};
use crate::plan::{Action, IdempotencyKey, Plan, Step};

const MANY: usize = 40;

fn name(number: usize) -> String {
    format!("p{number:02}")
}

async fn intend(journal: &dyn Journal, claims: &[Claim], steps: &[(Step, IdempotencyKey)]) -> Vec<Start> {
    let intents = claims.iter().zip(steps);
    let intents = intents.map(|(claim, (step, key))| journal.intend(claim, &step.id, key));
    let answers = join_all(intents).await.into_iter();
    answers
        .map(|answer| answer.map_err(|error| error.kind()))
        .collect()
}

type Start = Result<StepStart, ErrorKind>;

pub(super) async fn writes_at_the_same_time_are_answered_each_on_its_own(journal: &dyn Journal) {
    let events: Vec<Event> = (0..MANY).map(|number| join(&name(number), 0)).collect();
    accept(journal, &events).await;
    let held = claims(journal, MANY, 5).await;
    assert_eq!(held.len(), MANY);
    // The last one's claim is over, and it does not know.
    let ghost = MANY - 1;
    complete(journal, &held[ghost]).await;
    let steps: Vec<_> = held
        .iter()
        .map(|claim| step(claim.event.person.as_str(), Action::BlockSignIn))
        .collect();
    let plan = Plan::empty(&key("p"));
    let planned = join_all(held.iter().map(|claim| journal.plan(claim, &plan))).await;
    let refused: Vec<usize> = (0..MANY).filter(|at| planned[*at].is_err()).collect();
    assert_eq!(refused, [ghost]);

    let all = |start: Start, other: &dyn Fn(usize) -> Option<Start>| -> Vec<Start> {
        let expected = (0..MANY).map(|at| match at {
            _ if at == ghost => Err(ErrorKind::Fenced),
            at => other(at).unwrap_or_else(|| start.clone()),
        });
        expected.collect()
    };
    assert_eq!(
        intend(journal, &held, &steps).await,
        all(Ok(StepStart::First), &|_| None)
    );
    assert_eq!(
        intend(journal, &held, &steps).await,
        all(Ok(StepStart::Unknown), &|_| None)
    );

    // Every third fails, every fifth settles what it never intended.
    let failed = Outcome::Failed {
        kind: "throttled".to_owned(),
        message: "later".to_owned(),
    };
    let done = |at: usize| Outcome::Done {
        account: Some(format!("account {at}")),
    };
    let other = step("p", Action::AllowSignIn).0.id;
    let outcomes: Vec<Outcome> = (0..MANY)
        .map(|at| if at % 3 == 0 { failed.clone() } else { done(at) })
        .collect();
    let settled = held.iter().enumerate().map(|(at_, claim)| {
        let id = if at_ % 5 == 0 { &other } else { &steps[at_].0.id };
        journal.settle(claim, id, &outcomes[at_], at(3))
    });
    let kinds = join_all(settled).await.into_iter().enumerate();
    for (at, answer) in kinds {
        let expected = match at {
            _ if at == ghost => Some(ErrorKind::Fenced),
            at if at % 5 == 0 => Some(ErrorKind::Invalid),
            _ => None,
        };
        assert_eq!(answer.err().map(|error| error.kind()), expected, "settled {at}");
    }
    let known = all(Ok(StepStart::First), &|at| match at {
        at if at % 5 == 0 => Some(Ok(StepStart::Unknown)),
        at if at % 3 == 0 => None, // it failed: it may be tried again
        at => Some(Ok(StepStart::Settled { outcome: done(at) })),
    });
    assert_eq!(intend(journal, &held, &steps).await, known);

    let mut deeds: BTreeMap<&str, Vec<Deed>> = BTreeMap::new();
    let entries = verified(journal).await;
    for (entry, _) in &entries {
        let event = entry.event.as_ref().map_or("", |event| event.as_str());
        deeds.entry(event).or_default().push(entry.deed);
    }
    let of = |at: usize| deeds[held[at].event.id.as_str()].clone();
    let (accepted, planned, intended) = (Deed::Accepted, Deed::Planned, Deed::Intended);
    assert_eq!(of(ghost), [accepted, Deed::Completed]);
    assert_eq!(of(1), [accepted, planned, intended, Deed::Settled]);
    assert_eq!(of(3), [accepted, planned, intended, Deed::Settled, intended]);
    assert_eq!(of(5), [accepted, planned, intended]);
}

pub(super) async fn claims_that_end_at_the_same_time_end_each_in_its_own_way(journal: &dyn Journal) {
    let start = |person: &str, second| timer(person, Timer::Start, second);
    let recheck = timer("replaced", Timer::Recheck, 40);
    let batch = [
        join("done", 0),
        join("replaced", 0),
        start("replaced", 30),
        recheck.clone(),
        join("busy", 0),
        join("parked", 0),
        change("parked", 2, 1),
        join("skipped", 0),
        change("skipped", 2, 1),
        join("gone", 0),
        leave("gone", 2, 1),
        join("wakes", 0),
        join("ghost", 0),
    ];
    accept(journal, &batch).await;
    let held = claims(journal, 99, 5).await;
    let claim = |person: &str| {
        held.iter()
            .find(|claim| claim.event.person == key(person))
            .unwrap()
    };
    assert_eq!(held.len(), 8);
    assert_eq!(claim("gone").event, leave("gone", 2, 1), "a leave overtakes");
    complete(journal, claim("ghost")).await;

    let states = [
        "done", "replaced", "busy", "parked", "skipped", "gone", "wakes", "ghost",
    ];
    let states: BTreeMap<&str, _> = states
        .into_iter()
        .map(|of| (of, state(of, &format!("{of} now"))))
        .collect();
    let (own, woken) = ([start("done", 20)], [timer("woken", Timer::Recheck, 9)]);
    let answers = tokio::join!(
        journal.complete(claim("done"), &states["done"], &own),
        journal.complete(claim("replaced"), &states["replaced"], &[]),
        journal.retry_later(claim("busy"), &states["busy"], at(9), "busy"),
        journal.dead_letter(claim("parked"), &states["parked"], &[], "parked", Lane::Park),
        journal.dead_letter(claim("skipped"), &states["skipped"], &[], "skipped", Lane::Skip),
        journal.complete(claim("gone"), &states["gone"], &[]),
        journal.complete(claim("wakes"), &states["wakes"], &woken),
        journal.complete(claim("ghost"), &states["ghost"], &[]),
    );
    answers.0.unwrap();
    answers.1.unwrap();
    answers.2.unwrap();
    answers.3.unwrap();
    answers.4.unwrap();
    answers.5.unwrap();
    answers.6.unwrap();
    assert_eq!(answers.7.unwrap_err().kind(), ErrorKind::Fenced);

    for (event, expected) in [
        (&batch[0], EventState::Done),
        (&own[0], EventState::Pending),
        (&batch[1], EventState::Done),
        (&batch[2], EventState::Superseded),
        (&recheck, EventState::Pending),
        (&batch[4], EventState::Pending),
        (&batch[5], EventState::Dead),
        (&batch[6], EventState::Pending),
        (&batch[7], EventState::Dead),
        (&batch[9], EventState::Superseded),
        (&batch[10], EventState::Done),
        (&batch[11], EventState::Done),
        (&woken[0], EventState::Pending),
    ] {
        assert_eq!(state_of(journal, event).await, expected, "{}", event.id);
    }
    for (person, state) in states.iter().filter(|(person, _)| **person != "ghost") {
        assert_eq!(
            journal.person(&key(person)).await.unwrap().as_ref(),
            Some(state),
            "{person}"
        );
    }
    assert_ne!(
        journal.person(&key("ghost")).await.unwrap().as_ref(),
        states.get("ghost")
    );
    // What was parked stays so, what was skipped goes on, and what is busy comes back.
    let next = |second| async move {
        let next = claims(journal, 99, second).await;
        let mut people: Vec<String> = next
            .iter()
            .map(|claim| claim.event.person.as_str().to_owned())
            .collect();
        people.sort();
        people
    };
    assert_eq!(next(5).await, ["skipped"]);
    assert_eq!(next(9).await, ["busy", "woken"]);
    assert_eq!(next(50).await, ["done", "replaced"]);
    let entries = verified(journal).await;
    let ended = |deed| entries.iter().filter(|(entry, _)| entry.deed == deed).count();
    assert_eq!(
        [Deed::Completed, Deed::Postponed, Deed::SetAside].map(ended),
        [5, 1, 2]
    );
}
