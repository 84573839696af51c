//! Intents, outcomes and plans.

use super::{Claim, Journal, accept, at, claim_only, complete, entry, join, key, step};
use crate::error::ErrorKind;
use crate::journal::{Outcome, StepStart};
use crate::plan::{Action, IdempotencyKey, Plan, Step};

/// Gives the lane back and claims it again, as after a crash.
async fn again(journal: &dyn Journal, claim: &Claim) -> Claim {
    journal
        .retry_later(claim, &claim.state, at(0), "crashed")
        .await
        .unwrap();
    claim_only(journal, 5, &claim.event).await
}

async fn start(journal: &dyn Journal, claim: &Claim, step: &(Step, IdempotencyKey)) -> StepStart {
    journal.intend(claim, &step.0.id, &step.1).await.unwrap()
}

async fn settle(journal: &dyn Journal, claim: &Claim, step: &(Step, IdempotencyKey), outcome: &Outcome) {
    journal.settle(claim, &step.0.id, outcome, at(3)).await.unwrap();
}

fn failed() -> Outcome {
    Outcome::Failed {
        kind: "throttled".to_owned(),
        message: "later".to_owned(),
    }
}

pub(super) async fn a_step_is_first_then_unknown_then_settled(journal: &dyn Journal) {
    let event = join("p", 0);
    accept(journal, std::slice::from_ref(&event)).await;
    let claim = claim_only(journal, 5, &event).await;
    let steps = [
        step("p", Action::RevokeSessions),
        step("p", Action::BlockSignIn),
        step("p", Action::AllowSignIn),
    ];
    for step in &steps {
        assert_eq!(start(journal, &claim, step).await, StepStart::First);
    }
    assert_eq!(start(journal, &claim, &steps[0]).await, StepStart::Unknown);
    let outcomes = [
        Outcome::Done {
            account: Some("account 1".to_owned()),
        },
        Outcome::AlreadySo { account: None },
        Outcome::Unknown,
    ];
    settle(journal, &claim, &steps[0], &outcomes[0]).await;
    settle(journal, &claim, &steps[1], &outcomes[1]).await;
    let claim = again(journal, &claim).await;
    let known: Vec<_> = claim
        .steps
        .iter()
        .map(|record| (&record.step, &record.key, record.outcome.as_ref(), record.at))
        .collect();
    let expected = [
        (&steps[0].0.id, &steps[0].1, Some(&outcomes[0]), Some(at(3))),
        (&steps[1].0.id, &steps[1].1, Some(&outcomes[1]), Some(at(3))),
        (&steps[2].0.id, &steps[2].1, None, None),
    ];
    assert_eq!(known, expected, "in the order in which they were intended");
    assert_eq!(start(journal, &claim, &steps[2]).await, StepStart::Unknown);
    settle(journal, &claim, &steps[2], &outcomes[2]).await;
    for (step, outcome) in steps.iter().zip(&outcomes) {
        let outcome = outcome.clone();
        assert_eq!(start(journal, &claim, step).await, StepStart::Settled { outcome });
    }
    complete(journal, &claim).await;
    assert_eq!(entry(journal, &event).await.steps.len(), 3);
}

pub(super) async fn a_failed_step_may_be_tried_again(journal: &dyn Journal) {
    let event = join("p", 0);
    accept(journal, std::slice::from_ref(&event)).await;
    let claim = claim_only(journal, 5, &event).await;
    let step = step("p", Action::BlockSignIn);
    start(journal, &claim, &step).await;
    settle(journal, &claim, &step, &failed()).await;
    let claim = again(journal, &claim).await;
    assert_eq!(claim.steps[0].outcome, Some(failed()));
    assert_eq!(claim.steps[0].at, Some(at(3)));
    assert_eq!(start(journal, &claim, &step).await, StepStart::First);
    // The second attempt has begun: if it is cut off, its outcome is unknown, not failed.
    let claim = again(journal, &claim).await;
    assert_eq!((&claim.steps[0].outcome, claim.steps[0].at), (&None, None));
    assert_eq!(start(journal, &claim, &step).await, StepStart::Unknown);
    let outcome = Outcome::Done { account: None };
    settle(journal, &claim, &step, &outcome).await;
    assert_eq!(
        start(journal, &claim, &step).await,
        StepStart::Settled { outcome }
    );
}

pub(super) async fn settling_what_was_never_intended_is_invalid(journal: &dyn Journal) {
    let event = join("p", 0);
    accept(journal, std::slice::from_ref(&event)).await;
    let claim = claim_only(journal, 5, &event).await;
    let (step, _) = step("p", Action::BlockSignIn);
    let error = journal
        .settle(&claim, &step.id, &failed(), at(3))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert_eq!(entry(journal, &event).await.steps, []);
    complete(journal, &claim).await;
}

pub(super) async fn a_plan_is_stored_and_given_back(journal: &dyn Journal) {
    let event = join("p", 0);
    accept(journal, std::slice::from_ref(&event)).await;
    let claim = claim_only(journal, 5, &event).await;
    let (step, _) = step("p", Action::RevokeSessions);
    let mut plan = Plan::empty(&key("p"));
    journal.plan(&claim, &plan).await.unwrap();
    plan.steps.push(step);
    plan.notes.push("a note with \"quotes\" and ß".to_owned());
    journal.plan(&claim, &plan).await.unwrap();
    let claim = again(journal, &claim).await;
    assert_eq!(claim.plan.as_ref(), Some(&plan));
    complete(journal, &claim).await;
    assert_eq!(entry(journal, &event).await.plan, Some(plan));
}

pub(super) async fn a_plan_of_a_newer_version_is_known_as_one(journal: &dyn Journal) {
    let event = join("p", 0);
    accept(journal, std::slice::from_ref(&event)).await;
    let claim = claim_only(journal, 5, &event).await;
    let mut plan = Plan::empty(&key("p"));
    plan.version = crate::plan::VERSION + 1;
    plan.attempt = 3;
    journal.plan(&claim, &plan).await.unwrap();
    let claim = again(journal, &claim).await;
    let kept = claim.plan.as_ref().map(|plan| (plan.version, plan.attempt));
    assert_eq!(kept, Some((plan.version, 3)));
    complete(journal, &claim).await;
}
