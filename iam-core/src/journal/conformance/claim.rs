//! Claims, leases and fences.

use std::collections::HashSet;
use std::time::Duration;

use super::{
    Claim, Journal, LEASE, accept, at, change, claim_none, claim_only, claims, complete, entry, join, key,
    leave, state, step, timer,
};
use crate::clock::{Clock, SystemClock};
use crate::error::ErrorKind;
use crate::event::{Event, EventId, Timer};
use crate::journal::{Lane, Outcome};
use crate::plan::{Action, Plan};

/// A lease that runs out while one waits for it.
const SHORT: Duration = Duration::from_millis(20);

pub(super) async fn a_lane_is_worked_by_due_instant_then_lane_sequence(journal: &dyn Journal) {
    let events = [
        join("p", 20),
        change("p", 2, 10),
        change("p", 3, 20),
        timer("p", Timer::Recheck, 20),
        change("p", 4, 5),
    ];
    accept(journal, &events).await;
    for index in [4, 1, 0, 2, 3] {
        let claim = claim_only(journal, 30, &events[index]).await;
        complete(journal, &claim).await;
    }
    claim_none(journal, 30).await;
}

pub(super) async fn a_future_event_blocks_nothing(journal: &dyn Journal) {
    let (later, now) = (join("p", 100), change("p", 2, 10));
    accept(journal, &[later.clone(), now.clone()]).await;
    claim_none(journal, 9).await;
    let claim = claim_only(journal, 10, &now).await;
    complete(journal, &claim).await;
    claim_none(journal, 99).await;
    claim_only(journal, 100, &later).await;
}

pub(super) async fn one_claim_for_each_lane_at_a_time(journal: &dyn Journal) {
    let first = join("p", 0);
    accept(journal, &[first.clone(), change("p", 2, 0), leave("p", 3, 0)]).await;
    accept(journal, &[join("q", 0)]).await;
    let both = claims(journal, 10, 5).await;
    let people: HashSet<_> = both.iter().map(|claim| claim.event.person.clone()).collect();
    assert_eq!((both.len(), people.len()), (2, 2));
    claim_none(journal, 5).await;
    for claim in &both {
        complete(journal, claim).await;
    }
    claim_none(journal, 5).await;
    assert_eq!(claims(journal, 0, 5).await.len(), 0);
}

pub(super) async fn concurrent_claims_never_share_a_lane(journal: &dyn Journal) {
    let events: Vec<Event> = (0..40).map(|n| join(&format!("p{n}"), 0)).collect();
    accept(journal, &events).await;
    let rounds = futures::future::join_all((0..10).map(|_| claims(journal, 7, 1))).await;
    let taken: Vec<EventId> = rounds.into_iter().flatten().map(|claim| claim.event.id).collect();
    let distinct: HashSet<_> = taken.iter().collect();
    assert_eq!((taken.len(), distinct.len()), (40, 40));
}

pub(super) async fn leaves_first_then_due_instant_then_order_of_appending(journal: &dyn Journal) {
    let events = [
        join("a", 7),
        leave("b", 1, 9),
        join("c", 3),
        join("d", 3),
        leave("e", 1, 8),
        join("f", 50),
    ];
    accept(journal, &events).await;
    // Waiting for another attempt does not cost an event its place.
    let first = claims(journal, 1, 10).await.remove(0);
    assert_eq!(first.event.id, events[4].id);
    journal
        .retry_later(&first, &first.state, at(12), "busy")
        .await
        .unwrap();
    let mut taken = Vec::new();
    for max in [2, 1, 9] {
        taken.extend(
            claims(journal, max, 13)
                .await
                .into_iter()
                .map(|claim| claim.event.id),
        );
    }
    let expected = [4, 1, 2, 3, 0].map(|index: usize| events[index].id.clone());
    assert_eq!(taken, expected);
}

/// Waits until the short lease has run out and the lane is claimed again.
async fn claimed_again(journal: &dyn Journal, expected: &Event) -> Claim {
    for _ in 0..200 {
        SystemClock.sleep(SHORT).await;
        let mut claims = claims(journal, 1, 5).await;
        if let Some(claim) = claims.pop() {
            assert_eq!(claim.event.id, expected.id);
            return claim;
        }
    }
    panic!("a lease of {SHORT:?} never ran out");
}

pub(super) async fn a_lost_lease_fences_every_write(journal: &dyn Journal) {
    let event = join("p", 0);
    accept(journal, std::slice::from_ref(&event)).await;
    let lost = journal.claim(1, at(5), SHORT).await.unwrap().remove(0);
    let (step, key) = step("p", Action::BlockSignIn);
    journal.intend(&lost, &step.id, &key).await.unwrap();
    let held = claimed_again(journal, &event).await;
    assert!(held.fence > lost.fence);
    refused(journal, &lost).await;
    let before = entry(journal, &event).await;
    assert_eq!(
        (before.plan, before.steps[0].outcome.clone(), before.why),
        (None, None, None)
    );
    assert_eq!(journal.person(&super::key("p")).await.unwrap(), None);
    journal.heartbeat(&held, LEASE).await.unwrap();
    complete(journal, &held).await;
}

/// Every write of this claim's holder is refused.
pub(super) async fn refused(journal: &dyn Journal, claim: &Claim) {
    let (step, idempotency) = step("p", Action::BlockSignIn);
    let plan = Plan::empty(&claim.event.person);
    let state = state("p", "from a ghost");
    let done = Outcome::Done { account: None };
    let timers = [timer("p", Timer::Start, 77)];
    let answers = [
        ("heartbeat", journal.heartbeat(claim, LEASE).await),
        ("plan", journal.plan(claim, &plan).await),
        (
            "intend",
            journal.intend(claim, &step.id, &idempotency).await.map(drop),
        ),
        ("settle", journal.settle(claim, &step.id, &done, at(0)).await),
        ("complete", journal.complete(claim, &state, &timers).await),
        (
            "retry_later",
            journal.retry_later(claim, &state, at(9), "ghost").await,
        ),
        (
            "dead_letter",
            journal
                .dead_letter(claim, &state, &timers, "ghost", Lane::Park)
                .await,
        ),
    ];
    for (write, answer) in answers {
        let kind = answer.err().map(|error| error.kind());
        assert_eq!(
            kind,
            Some(ErrorKind::Fenced),
            "{write} of a claim that has passed on"
        );
    }
}

pub(super) async fn a_lease_that_ran_out_unnoticed_is_still_held(journal: &dyn Journal) {
    let event = join("p", 0);
    accept(journal, std::slice::from_ref(&event)).await;
    let claim = journal.claim(1, at(5), Duration::ZERO).await.unwrap().remove(0);
    SystemClock.sleep(Duration::from_millis(2)).await;
    let (step, key) = step("p", Action::BlockSignIn);
    journal.intend(&claim, &step.id, &key).await.unwrap();
    complete(journal, &claim).await;
}

pub(super) async fn a_heartbeat_extends_the_lease(journal: &dyn Journal) {
    accept(journal, &[join("p", 0)]).await;
    let claim = journal.claim(1, at(5), SHORT).await.unwrap().remove(0);
    journal.heartbeat(&claim, LEASE).await.unwrap();
    SystemClock.sleep(SHORT * 2).await;
    claim_none(journal, 5).await;
    complete(journal, &claim).await;
}

pub(super) async fn a_claim_carries_state_and_attempts(journal: &dyn Journal) {
    let (first, second) = (join("p", 0), change("p", 2, 1));
    accept(journal, &[first.clone(), second.clone()]).await;
    let claim = claim_only(journal, 5, &first).await;
    assert_eq!(claim.attempts, 0);
    assert_eq!(claim.state, crate::journal::PersonState::new(key("p")));
    assert_eq!((claim.plan, claim.steps), (None, vec![]));
    let claim = Claim {
        plan: None,
        steps: Vec::new(),
        ..claim
    };
    journal
        .retry_later(&claim, &state("p", "one"), at(6), "busy")
        .await
        .unwrap();
    let again = claim_only(journal, 6, &first).await;
    assert_eq!((again.attempts, again.state.name.as_deref()), (1, Some("one")));
    journal.complete(&again, &state("p", "two"), &[]).await.unwrap();
    let next = claim_only(journal, 6, &second).await;
    assert_eq!((next.attempts, next.state.name.as_deref()), (0, Some("two")));
    assert_eq!(entry(journal, &first).await.attempts, 2);
}
