//! Lanes that are put back, and what is asked of the guard.

use super::{accept, at, change, claim_none, claim_only, claims, complete, entry, join, leave, state, step};
use crate::error::ErrorKind;
use crate::event::Event;
use crate::journal::{Answer, Ask, Claim, Journal, Lane, Standing, StepStart};
use crate::plan::{Action, Plan};

pub(super) async fn what_is_put_back_is_untouched_and_no_attempt(journal: &dyn Journal) {
    let event = join("p", 0);
    accept(journal, &[event.clone(), change("p", 2, 1)]).await;
    let claim = claim_only(journal, 5, &event).await;
    journal.put_back(&claim, at(20), "not mine").await.unwrap();
    claim_none(journal, 19).await;
    let known = entry(journal, &event).await;
    assert_eq!((known.attempts, known.why.as_deref()), (0, Some("not mine")));
    assert_eq!(journal.person(&event.person).await.unwrap(), None);
    assert_eq!(journal.next_due().await.unwrap(), Some(at(20)));
    super::claim::refused(journal, &claim).await;
    let error = journal.put_back(&claim, at(1), "again").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Fenced);
    let again = claim_only(journal, 20, &event).await;
    assert_eq!(again.attempts, 0);
    assert!(again.fence > claim.fence);
    // What was begun before is known all the same.
    let (step, key) = step("p", Action::BlockSignIn);
    journal.intend(&again, &step.id, &key).await.unwrap();
    journal.put_back(&again, at(21), "stopping").await.unwrap();
    let third = claim_only(journal, 21, &event).await;
    assert_eq!(
        journal.intend(&third, &step.id, &key).await.unwrap(),
        StepStart::Unknown
    );
}

fn question(claim: &Claim, note: &str) -> Ask {
    let mut plan = Plan::empty(&claim.event.person);
    plan.steps
        .push(step(claim.event.person.as_str(), Action::BlockSignIn).0);
    plan.notes.push(note.to_owned());
    Ask::new(&claim.event, Some("Sales".to_owned()), plan, at(6))
}

async fn ask(journal: &dyn Journal, event: &Event, second: i64, note: &str) -> Ask {
    let claim = claim_only(journal, second, event).await;
    let ask = question(&claim, note);
    journal.ask(&claim, &ask, at(500)).await.unwrap();
    super::claim::refused(journal, &claim).await;
    ask
}

fn granted(event: &Event, version: u64) -> Answer {
    Answer {
        event: event.id.clone(),
        version,
        standing: Standing::Granted,
    }
}

pub(super) async fn a_question_waits_for_an_answer_to_its_latest_version(journal: &dyn Journal) {
    let gone = leave("p", 1, 0);
    accept(journal, std::slice::from_ref(&gone)).await;
    assert_eq!(journal.asked(&gone.id).await.unwrap(), None);
    let first = ask(journal, &gone, 5, "first").await;
    claim_none(journal, 499).await;
    let known = journal.asked(&gone.id).await.unwrap().unwrap();
    assert_eq!(known, Ask { version: 1, ..first });
    // Asked again, it is another question.
    let second = ask(journal, &gone, 500, "second").await;
    let asks = journal.asks(at(500)).await.unwrap();
    let second = Ask { version: 2, ..second };
    assert_eq!(asks.asks, std::slice::from_ref(&second));
    assert_eq!(journal.answer(&[granted(&gone, 1)], at(501)).await.unwrap(), 0);
    assert_eq!(journal.asked(&gone.id).await.unwrap(), Some(second.clone()));
    claim_none(journal, 499).await;
    let refused = Answer {
        standing: Standing::Refused {
            why: "too many".into(),
        },
        ..granted(&gone, 2)
    };
    assert_eq!(
        journal
            .answer(&[refused, granted(&join("x", 0), 1)], at(501))
            .await
            .unwrap(),
        1
    );
    let known = journal.asked(&gone.id).await.unwrap().unwrap();
    assert_eq!(
        known.standing,
        Standing::Refused {
            why: "too many".into()
        }
    );
    assert_eq!(known.answered_at, Some(at(501)));
    // Whoever is answered may be claimed at once, and the attempts did not count.
    let claim = claim_only(journal, 5, &gone).await;
    assert_eq!(claim.attempts, 0);
}

pub(super) async fn a_question_is_over_when_its_event_is(journal: &dyn Journal) {
    let gone = leave("p", 1, 0);
    accept(journal, std::slice::from_ref(&gone)).await;
    ask(journal, &gone, 5, "first").await;
    assert_eq!(journal.answer(&[granted(&gone, 1)], at(6)).await.unwrap(), 1);
    let claim = claim_only(journal, 6, &gone).await;
    // Another attempt goes on by the same answer.
    let state = state("p", "p");
    journal.retry_later(&claim, &state, at(7), "busy").await.unwrap();
    let known = journal.asked(&gone.id).await.unwrap().unwrap();
    assert_eq!(known.standing, Standing::Granted);
    let claim = claim_only(journal, 7, &gone).await;
    let dead = journal.dead_letter(&claim, &state, &[], "poison", Lane::Skip);
    dead.await.unwrap();
    assert_eq!(journal.asked(&gone.id).await.unwrap(), None);
    // Brought back, it has to be asked for again.
    journal.requeue(&gone.id, "ann", "mended").await.unwrap();
    assert_eq!(journal.asked(&gone.id).await.unwrap(), None);
    ask(journal, &gone, 8, "again").await;
    journal.answer(&[granted(&gone, 1)], at(9)).await.unwrap();
    let claim = claim_only(journal, 9, &gone).await;
    complete(journal, &claim).await;
    assert_eq!(journal.asked(&gone.id).await.unwrap(), None);
    assert_eq!(journal.asks(at(9)).await.unwrap().asks, []);
    assert_eq!(journal.answer(&[granted(&gone, 1)], at(9)).await.unwrap(), 0);
}

pub(super) async fn what_could_still_be_asked_is_counted(journal: &dyn Journal) {
    let events = [
        leave("a", 1, 0),
        leave("b", 1, 1),
        leave("c", 1, 90),
        join("d", 2),
        change("d", 2, 3),
    ];
    accept(journal, &events).await;
    let counts = async |now: i64| {
        let asks = journal.asks(at(now)).await.unwrap();
        (asks.asks.len(), asks.leaves_to_come, asks.others_to_come)
    };
    assert_eq!(counts(10).await, (0, 2, 2));
    let mut held = claims(journal, 2, 10).await;
    assert_eq!(counts(10).await, (0, 2, 2), "who is being planned for may ask");
    let second = held.remove(1);
    let first = held.remove(0);
    journal
        .ask(&first, &question(&first, "a"), at(500))
        .await
        .unwrap();
    assert_eq!(counts(10).await, (1, 1, 2));
    // What was planned is not to come, and what waits does not come now.
    journal
        .plan(&second, &Plan::empty(&second.event.person))
        .await
        .unwrap();
    assert_eq!(counts(10).await, (1, 0, 2));
    let join = claim_only(journal, 10, &events[3]).await;
    journal.put_back(&join, at(50), "later").await.unwrap();
    assert_eq!(counts(10).await, (1, 0, 1));
    assert_eq!(counts(95).await, (1, 1, 2));
    // An older leave of somebody who was asked about never asks.
    accept(journal, &[leave("a", 2, 5)]).await;
    assert_eq!(counts(10).await, (1, 0, 1));
}
