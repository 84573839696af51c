//! Why somebody waits, and what people decide about single events.

use super::{
    accept, at, change, claim_none, claim_only, claims, complete, entry, join, key, leave, state_of, step,
};
use crate::error::ErrorKind;
use crate::event::Event;
use crate::journal::{EventState, Journal, Lane, Outcome, Stalled, StepStart, Waiting};
use crate::plan::{Action, Notice, Plan};

async fn waits(journal: &dyn Journal, person: &str, second: i64) -> Waiting {
    journal.waiting(&key(person), at(second)).await.unwrap()
}

pub(super) async fn why_somebody_waits_is_one_answer(journal: &dyn Journal) {
    assert_eq!(waits(journal, "p", 5).await, Waiting::Nothing);
    let first = join("p", 10);
    let event = first.id.clone();
    accept(journal, &[first.clone(), change("p", 2, 20)]).await;
    let until = Waiting::Until {
        event: event.clone(),
        at: at(10),
    };
    assert_eq!(waits(journal, "p", 9).await, until);
    let ready = Waiting::Ready {
        event: event.clone(),
        since: at(10),
    };
    assert_eq!(waits(journal, "p", 25).await, ready);
    let claim = claim_only(journal, 25, &first).await;
    let claimed = Waiting::Claimed {
        event: event.clone(),
        by: journal.worker().to_owned(),
        since: at(25),
    };
    assert_eq!(waits(journal, "p", 26).await, claimed);
    assert!(!journal.worker().is_empty());
    journal
        .retry_later(&claim, &claim.state, at(40), "no seat")
        .await
        .unwrap();
    let retrying = Waiting::Retrying {
        event: event.clone(),
        at: at(40),
        attempts: 1,
        why: "no seat".to_owned(),
    };
    assert_eq!(waits(journal, "p", 26).await, retrying);
    let claim = claim_only(journal, 40, &first).await;
    let ask = crate::journal::Ask::new(&claim.event, None, Plan::empty(&first.person), at(41));
    journal.ask(&claim, &ask, at(90)).await.unwrap();
    let asked = Waiting::Asked {
        event: event.clone(),
        since: at(41),
    };
    assert_eq!(waits(journal, "p", 42).await, asked);
    let claim = claim_only(journal, 90, &first).await;
    let set = journal.dead_letter(&claim, &claim.state, &[], "poison", Lane::Park);
    set.await.unwrap();
    let parked = waits(journal, "p", 95).await;
    let Waiting::Parked {
        event: by,
        since,
        why,
    } = parked
    else {
        panic!("{parked:?}")
    };
    assert_eq!((by, why.as_str(), since.is_some()), (event, "poison", true));
    assert_eq!(waits(journal, "q", 95).await, Waiting::Nothing);
}

pub(super) async fn a_leave_is_what_a_lane_waits_for_once_it_is_due(journal: &dyn Journal) {
    let (first, gone) = (join("p", 10), leave("p", 2, 30));
    accept(journal, &[first.clone(), gone.clone()]).await;
    let claim = claim_only(journal, 10, &first).await;
    let set = journal.dead_letter(&claim, &claim.state, &[], "poison", Lane::Park);
    set.await.unwrap();
    assert!(matches!(waits(journal, "p", 29).await, Waiting::Parked { event, .. } if event == first.id));
    let ready = Waiting::Ready {
        event: gone.id.clone(),
        since: at(30),
    };
    assert_eq!(waits(journal, "p", 30).await, ready);
    let claim = claim_only(journal, 30, &gone).await;
    complete(journal, &claim).await;
    assert_eq!(waits(journal, "p", 30).await, Waiting::Nothing);
}

pub(super) async fn what_nobody_takes_is_stalled_since_it_could_be_taken(journal: &dyn Journal) {
    let stalled = async |second: i64| journal.stalled(at(second)).await.unwrap();
    assert_eq!(stalled(5).await, None);
    let (first, second) = (join("p", 10), join("q", 20));
    accept(journal, &[second.clone(), first.clone(), join("r", 99)]).await;
    assert_eq!(stalled(9).await, None);
    let since =
        |event: &Event, second| Some(Stalled::new(event.person.clone(), event.id.clone(), at(second)));
    assert_eq!(stalled(50).await, since(&first, 10));
    // Whoever works on it, and whoever waits for another attempt or a decision, is no alarm.
    let claim = claims(journal, 1, 50).await.remove(0);
    assert_eq!(stalled(50).await, since(&second, 20));
    journal
        .retry_later(&claim, &claim.state, at(60), "busy")
        .await
        .unwrap();
    assert_eq!(stalled(50).await, since(&second, 20));
    let claim = claim_only(journal, 50, &second).await;
    let set = journal.dead_letter(&claim, &claim.state, &[], "poison", Lane::Park);
    set.await.unwrap();
    assert_eq!(stalled(59).await, None);
    assert_eq!(stalled(70).await, since(&first, 60));
}

pub(super) async fn a_skipped_event_stays_dead_and_its_lane_goes_on(journal: &dyn Journal) {
    let (first, second) = (join("p", 0), change("p", 2, 1));
    accept(journal, &[first.clone(), second.clone()]).await;
    let refusal = async |event: &Event| {
        let error = journal.skip(&event.id, "ann", "known").await.unwrap_err();
        error.kind()
    };
    assert_eq!(refusal(&first).await, ErrorKind::Conflict);
    assert_eq!(refusal(&join("x", 0)).await, ErrorKind::NotFound);
    let claim = claim_only(journal, 5, &first).await;
    let set = journal.dead_letter(&claim, &claim.state, &[], "poison", Lane::Park);
    set.await.unwrap();
    claim_none(journal, 5).await;
    journal.skip(&first.id, "ann", "known to HR").await.unwrap();
    assert_eq!(refusal(&first).await, ErrorKind::Conflict);
    let known = entry(journal, &first).await;
    assert_eq!((known.state, known.parked), (EventState::Dead, false));
    let claim = claim_only(journal, 5, &second).await;
    complete(journal, &claim).await;
    let audit = journal.audit(0, 99).await.unwrap();
    let mut skipped = audit.iter().filter(|(entry, _)| entry.deed.as_str() == "skipped");
    let (entry, _) = skipped.next().unwrap();
    assert_eq!(entry.actor.as_deref(), Some("ann"));
    assert!(skipped.next().is_none());
}

/// An event that is done but for a step of which nobody knows.
async fn unknown(journal: &dyn Journal) -> (Event, crate::plan::Step, crate::plan::IdempotencyKey) {
    let event = join("p", 0);
    accept(journal, std::slice::from_ref(&event)).await;
    let claim = claim_only(journal, 5, &event).await;
    let notice = Action::Notify {
        notice: Notice::Joined,
        to: Vec::new(),
    };
    let (told, idempotency) = step("p", notice);
    let (other, other_key) = step("p", Action::RevokeSessions);
    let mut plan = Plan::empty(&event.person);
    plan.steps = vec![other.clone(), told.clone()];
    journal.plan(&claim, &plan).await.unwrap();
    journal.intend(&claim, &other.id, &other_key).await.unwrap();
    let done = Outcome::Done { account: None };
    journal.settle(&claim, &other.id, &done, at(6)).await.unwrap();
    journal.intend(&claim, &told.id, &idempotency).await.unwrap();
    journal
        .settle(&claim, &told.id, &Outcome::Unknown, at(6))
        .await
        .unwrap();
    complete(journal, &claim).await;
    (event, told, idempotency)
}

pub(super) async fn a_step_of_which_nobody_knows_is_resolved_by_a_person(journal: &dyn Journal) {
    let (event, told, idempotency) = unknown(journal).await;
    // It did not happen: the event comes back with this step and no other.
    journal
        .resolve(&event.id, &told.id, false, "ann", "nobody got a mail")
        .await
        .unwrap();
    let claim = claim_only(journal, 5, &event).await;
    let plan = claim.plan.clone().unwrap();
    let steps: Vec<_> = plan.steps.iter().map(|step| step.id.clone()).collect();
    assert_eq!((steps, plan.again), (vec![told.id.clone()], true));
    let start = journal.intend(&claim, &told.id, &idempotency).await.unwrap();
    assert_eq!(start, StepStart::First);
    journal
        .settle(&claim, &told.id, &Outcome::Unknown, at(8))
        .await
        .unwrap();
    complete(journal, &claim).await;
    // It did: that is written down, and nothing comes back.
    journal
        .resolve(&event.id, &told.id, true, "bob", "seen in the outbox")
        .await
        .unwrap();
    claim_none(journal, 99).await;
    let known = entry(journal, &event).await;
    assert_eq!(known.state, EventState::Done);
    let record = known.steps.iter().find(|record| record.step == told.id).unwrap();
    assert_eq!(record.outcome, Some(Outcome::Done { account: None }));
    let audit = journal.audit(0, 99).await.unwrap();
    let said = audit
        .iter()
        .filter(|(entry, _)| entry.deed.as_str() == "resolved");
    let said: Vec<_> = said
        .map(|(entry, _)| (entry.actor.clone().unwrap(), entry.detail.clone()))
        .collect();
    let expected = [("ann", "notify did not happen"), ("bob", "notify happened")];
    assert_eq!(said, expected.map(|(by, said)| (by.to_owned(), said.to_owned())));
}

pub(super) async fn only_what_ended_unknown_is_resolved(journal: &dyn Journal) {
    let (event, told, _) = unknown(journal).await;
    let refusal = async |event: &Event, step: &crate::plan::StepId| {
        let error = journal.resolve(&event.id, step, true, "ann", "so it seems").await;
        error.unwrap_err().kind()
    };
    let other = step("p", Action::RevokeSessions).0.id;
    assert_eq!(refusal(&event, &other).await, ErrorKind::Conflict, "it is known");
    let never = step("p", Action::BlockSignIn).0.id;
    assert_eq!(refusal(&event, &never).await, ErrorKind::NotFound);
    assert_eq!(refusal(&join("x", 0), &told.id).await, ErrorKind::NotFound);
    journal
        .resolve(&event.id, &told.id, true, "ann", "seen")
        .await
        .unwrap();
    assert_eq!(
        refusal(&event, &told.id).await,
        ErrorKind::Conflict,
        "answered before"
    );
    assert_eq!(state_of(journal, &event).await, EventState::Done);
}
