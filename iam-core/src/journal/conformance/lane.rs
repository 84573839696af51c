//! What becomes of a lane when its head ends, waits or is set aside.

use super::{
    Journal, accept, at, change, claim, claim_none, claim_only, claims, complete, entry, join, key, leave,
    state, state_of, timer,
};
use crate::error::ErrorKind;
use crate::event::{Event, EventId, Timer};
use crate::journal::{Claim, EventState, Lane, PersonState};

async fn retry(journal: &dyn Journal, claim: &Claim, second: i64) {
    let retried = journal.retry_later(claim, &claim.state, at(second), "busy").await;
    retried.unwrap();
}

async fn park(journal: &dyn Journal, claim: &Claim, lane: Lane) {
    let parked = journal
        .dead_letter(claim, &claim.state, &[], "poison", lane)
        .await;
    parked.unwrap();
}

async fn finish(journal: &dyn Journal, claim: &Claim, timers: &[Event]) {
    journal.complete(claim, &claim.state, timers).await.unwrap();
}

pub(super) async fn a_leave_overtakes_what_waits_and_supersedes_it(journal: &dyn Journal) {
    let (first, second, gone) = (join("p", 0), change("p", 2, 1), leave("p", 3, 5));
    let (later, recheck) = (change("p", 4, 6), timer("p", Timer::Recheck, 2));
    accept(journal, &[first.clone(), second.clone()]).await;
    let claim = claim_only(journal, 4, &first).await;
    retry(journal, &claim, 100).await;
    claim_none(journal, 9).await;
    accept(journal, &[gone.clone(), later.clone(), recheck.clone()]).await;
    let claim = claim_only(journal, 9, &gone).await;
    complete(journal, &claim).await;
    for (event, expected) in [
        (&first, EventState::Superseded),
        (&second, EventState::Superseded),
        (&recheck, EventState::Superseded),
        (&gone, EventState::Done),
        (&later, EventState::Pending),
    ] {
        assert_eq!(state_of(journal, event).await, expected, "{event:?}");
    }
    claim_only(journal, 9, &later).await;
}

pub(super) async fn a_leave_passes_a_parked_lane_and_lifts_the_parking(journal: &dyn Journal) {
    let (poison, gone, later) = (join("p", 0), leave("p", 2, 5), change("p", 3, 6));
    accept(journal, &[poison.clone(), gone.clone(), later.clone()]).await;
    let claim = claim_only(journal, 1, &poison).await;
    park(journal, &claim, Lane::Park).await;
    claim_none(journal, 4).await;
    let claim = claim_only(journal, 9, &gone).await;
    complete(journal, &claim).await;
    let set_aside = entry(journal, &poison).await;
    assert_eq!((set_aside.state, set_aside.parked), (EventState::Dead, false));
    claim_only(journal, 9, &later).await;
}

pub(super) async fn a_future_leave_overtakes_nothing(journal: &dyn Journal) {
    let (gone, first) = (leave("p", 1, 50), change("p", 2, 1));
    accept(journal, &[gone.clone(), first.clone()]).await;
    let claim = claim_only(journal, 2, &first).await;
    complete(journal, &claim).await;
    assert_eq!(state_of(journal, &gone).await, EventState::Pending);
    claim_none(journal, 49).await;
    claim_only(journal, 50, &gone).await;
}

pub(super) async fn the_latest_leave_counts(journal: &dyn Journal) {
    let (early, late, future) = (leave("p", 1, 1), leave("p", 2, 3), leave("p", 3, 90));
    accept(journal, &[early.clone(), late.clone(), future.clone()]).await;
    let claim = claim_only(journal, 5, &late).await;
    retry(journal, &claim, 20).await;
    claim_none(journal, 19).await;
    let claim = claim_only(journal, 20, &late).await;
    complete(journal, &claim).await;
    assert_eq!(state_of(journal, &early).await, EventState::Superseded);
    claim_none(journal, 20).await;
    claim_only(journal, 90, &future).await;
}

pub(super) async fn a_timer_that_leaves_counts_as_a_leave(journal: &dyn Journal) {
    let (first, last_day) = (join("p", 0), timer("p", Timer::Leave, 5));
    accept(journal, std::slice::from_ref(&first)).await;
    let claim = claim_only(journal, 1, &first).await;
    let parked = journal.dead_letter(
        &claim,
        &claim.state,
        std::slice::from_ref(&last_day),
        "poison",
        Lane::Park,
    );
    parked.await.unwrap();
    claim_none(journal, 4).await;
    let claim = claim_only(journal, 5, &last_day).await;
    complete(journal, &claim).await;
    assert!(!entry(journal, &first).await.parked);
}

pub(super) async fn completing_replaces_timers_and_keeps_rechecks(journal: &dyn Journal) {
    for (person, set_aside) in [("p", None), ("q", Some(Lane::Skip)), ("r", Some(Lane::Park))] {
        let (first, second) = (join(person, 0), change(person, 2, 60));
        let (start, recheck) = (timer(person, Timer::Start, 20), timer(person, Timer::Recheck, 30));
        let moved = timer(person, Timer::Start, 25);
        accept(
            journal,
            &[first.clone(), start.clone(), recheck.clone(), second.clone()],
        )
        .await;
        let claim = claim_only(journal, 5, &first).await;
        let timers = std::slice::from_ref(&moved);
        match set_aside {
            None => finish(journal, &claim, timers).await,
            Some(lane) => {
                let done = journal.dead_letter(&claim, &claim.state, timers, "poison", lane);
                done.await.unwrap();
            }
        }
        for (event, expected) in [
            (&start, EventState::Superseded),
            (&recheck, EventState::Pending),
            (&moved, EventState::Pending),
            (&second, EventState::Pending),
        ] {
            assert_eq!(
                state_of(journal, event).await,
                expected,
                "{event:?} {set_aside:?}"
            );
        }
        if set_aside == Some(Lane::Park) {
            claim_none(journal, 99).await;
        } else {
            let claim = claim_only(journal, 26, &moved).await;
            finish(journal, &claim, &[]).await;
            let claim = claim_only(journal, 31, &recheck).await;
            finish(journal, &claim, &[]).await;
            let claim = claim_only(journal, 61, &second).await;
            finish(journal, &claim, &[]).await;
        }
    }
}

pub(super) async fn a_timer_set_again_is_still_set(journal: &dyn Journal) {
    let (first, second) = (join("p", 0), change("p", 2, 1));
    let third = change("p", 3, 2);
    let (start, end) = (timer("p", Timer::Start, 20), timer("p", Timer::Leave, 30));
    accept(journal, &[first.clone(), second.clone()]).await;
    let claim = claim_only(journal, 5, &first).await;
    let both = [start.clone(), end.clone()];
    let done = journal.dead_letter(&claim, &claim.state, &both, "poison", Lane::Skip);
    done.await.unwrap();
    // Another event's decision drops the start; the event brought back sets it once more.
    let claim = claim_only(journal, 5, &second).await;
    finish(journal, &claim, std::slice::from_ref(&end)).await;
    assert_eq!(state_of(journal, &start).await, EventState::Superseded);
    journal.requeue(&first.id, "exam", "fixed").await.unwrap();
    let claim = claim_only(journal, 5, &first).await;
    finish(journal, &claim, &both).await;
    assert_eq!(state_of(journal, &start).await, EventState::Pending);
    // Setting it again also forgets that it waits for another attempt.
    let claim = claim_only(journal, 20, &start).await;
    retry(journal, &claim, 500).await;
    accept(journal, std::slice::from_ref(&third)).await;
    let claim = claim_only(journal, 20, &third).await;
    finish(journal, &claim, &both).await;
    assert_eq!(state_of(journal, &end).await, EventState::Pending);
    let claim = claim_only(journal, 20, &start).await;
    finish(journal, &claim, std::slice::from_ref(&end)).await;
    claim_only(journal, 30, &end).await;
}

pub(super) async fn completing_may_wake_other_lanes(journal: &dyn Journal) {
    let (manager, report) = (join("m", 0), join("p", 0));
    accept(journal, &[manager.clone(), report.clone()]).await;
    let both = claims(journal, 2, 1).await;
    let recheck = timer("p", Timer::Recheck, 2);
    // The report's lane is held by somebody else just now.
    let held = |person: &str| {
        let mut held = both.iter();
        held.find(|claim| claim.event.person == key(person)).unwrap()
    };
    finish(journal, held("m"), std::slice::from_ref(&recheck)).await;
    finish(journal, held("p"), &[]).await;
    claim_only(journal, 2, &recheck).await;
}

pub(super) async fn retry_later_keeps_head_and_state(journal: &dyn Journal) {
    let (first, second) = (join("p", 0), change("p", 2, 1));
    accept(journal, &[first.clone(), second.clone()]).await;
    let claim = claim_only(journal, 5, &first).await;
    journal
        .retry_later(&claim, &state("p", "so far"), at(20), "no seat")
        .await
        .unwrap();
    let waiting = entry(journal, &first).await;
    assert_eq!(
        (waiting.state, waiting.not_before, waiting.why.as_deref()),
        (EventState::Pending, at(20), Some("no seat"))
    );
    let person = journal.person(&key("p")).await.unwrap().unwrap();
    assert_eq!(person, state("p", "so far"));
    claim_none(journal, 19).await;
    let claim = claim_only(journal, 20, &first).await;
    complete(journal, &claim).await;
    assert_eq!(entry(journal, &first).await.why, None);
    claim_only(journal, 20, &second).await;
}

pub(super) async fn a_parked_event_stops_its_lane_and_no_other(journal: &dyn Journal) {
    let (poison, other) = (join("p", 0), join("q", 1));
    accept(journal, &[poison.clone(), change("p", 2, 1)]).await;
    let claim = claim_only(journal, 5, &poison).await;
    journal
        .dead_letter(&claim, &state("p", "so far"), &[], "poison", Lane::Park)
        .await
        .unwrap();
    accept(journal, &[change("p", 3, 2), timer("p", Timer::Start, 3)]).await;
    claim_none(journal, 5).await;
    accept(journal, std::slice::from_ref(&other)).await;
    claim_only(journal, 5, &other).await;
    let set_aside = entry(journal, &poison).await;
    assert_eq!(
        (set_aside.state, set_aside.parked, set_aside.why.as_deref()),
        (EventState::Dead, true, Some("poison"))
    );
    let person = journal.person(&key("p")).await.unwrap();
    assert_eq!(person, Some(state("p", "so far")));
}

pub(super) async fn a_skipped_event_lets_the_lane_go_on(journal: &dyn Journal) {
    let (poison, next) = (join("p", 0), change("p", 2, 1));
    accept(journal, &[poison.clone(), next.clone()]).await;
    let claim = claim_only(journal, 5, &poison).await;
    park(journal, &claim, Lane::Skip).await;
    let claim = claim_only(journal, 5, &next).await;
    complete(journal, &claim).await;
    let set_aside = entry(journal, &poison).await;
    assert_eq!((set_aside.state, set_aside.parked), (EventState::Dead, false));
}

pub(super) async fn requeue_brings_back_the_dead_and_hastens_the_waiting(journal: &dyn Journal) {
    let (poison, next) = (join("p", 0), change("p", 2, 1));
    accept(journal, &[poison.clone(), next.clone()]).await;
    let claim = claim_only(journal, 5, &poison).await;
    park(journal, &claim, Lane::Park).await;
    journal
        .requeue(&poison.id, "an operator", "the group exists now")
        .await
        .unwrap();
    let back = entry(journal, &poison).await;
    assert_eq!((back.state, back.parked), (EventState::Pending, false));
    let why = back.why.unwrap();
    assert!(
        why.contains("an operator") && why.contains("the group exists now"),
        "{why}"
    );
    let claim = claim_only(journal, 5, &poison).await;
    assert_eq!(claim.attempts, 1);
    retry(journal, &claim, 500).await;
    claim_none(journal, 6).await;
    journal
        .requeue(&poison.id, "an operator", "try now")
        .await
        .unwrap();
    let claim = claim_only(journal, 6, &poison).await;
    complete(journal, &claim).await;
    let kind = |answer: crate::Result<()>| answer.unwrap_err().kind();
    let over = journal.requeue(&poison.id, "an operator", "again").await;
    assert_eq!(kind(over), ErrorKind::Conflict);
    let unknown = journal
        .requeue(&EventId::new("unknown"), "an operator", "hm")
        .await;
    assert_eq!(kind(unknown), ErrorKind::NotFound);
    claim_only(journal, 6, &next).await;
}

pub(super) async fn requeue_lifts_only_its_own_parking(journal: &dyn Journal) {
    let (poison, gone) = (join("p", 0), leave("p", 2, 1));
    accept(journal, &[poison.clone(), gone.clone(), change("p", 3, 2)]).await;
    let claim = claim_only(journal, 0, &poison).await;
    park(journal, &claim, Lane::Park).await;
    let claim = claim_only(journal, 5, &gone).await;
    park(journal, &claim, Lane::Park).await;
    journal.requeue(&poison.id, "an operator", "fixed").await.unwrap();
    claim_none(journal, 5).await;
    journal.requeue(&gone.id, "an operator", "fixed").await.unwrap();
    claim_only(journal, 5, &gone).await;
}

pub(super) async fn nothing_is_written_after_the_end(journal: &dyn Journal) {
    let end = [None, Some(Lane::Skip), Some(Lane::Park)];
    for (person, set_aside) in ["p", "q", "r"].into_iter().zip(end) {
        let event = join(person, 0);
        accept(journal, std::slice::from_ref(&event)).await;
        let claim = claim_only(journal, 5, &event).await;
        match set_aside {
            None => complete(journal, &claim).await,
            Some(lane) => park(journal, &claim, lane).await,
        }
        claim::refused(journal, &claim).await;
        let person = journal.person(&event.person).await.unwrap();
        assert_eq!(person, Some(PersonState::new(event.person.clone())));
    }
    let event = join("s", 0);
    accept(journal, std::slice::from_ref(&event)).await;
    let claim = claim_only(journal, 5, &event).await;
    retry(journal, &claim, 9).await;
    claim::refused(journal, &claim).await;
    assert_eq!(entry(journal, &event).await.not_before, at(9));
}
