//! One step: intent, effect, outcome.

use std::time::Duration;

use jiff::Timestamp;

use super::Doors;
use crate::error::{Error, ErrorKind, Result, Retry};
use crate::journal::{Claim, Outcome, StepStart};
use crate::notify::{Addressees, compose};
use crate::plan::{Action, IdempotencyKey, Notice, Plan, Step, apply};
use crate::target::{Applied, EffectClass, Keys, PersonRef};

/// Carries one step out. The outer error is the journal's; the inner one says why the step did not
/// succeed. No outcome with an error means: the effect is unknown, and was left so.
pub(super) async fn carry_out(
    doors: &Doors<'_>,
    claim: &Claim,
    plan: &Plan,
    step: &Step,
    addressees: &Addressees,
) -> Result<(Option<Outcome>, Option<Error>)> {
    let key = IdempotencyKey::of(&claim.event.id, step);
    if let Some(why) = (doors.forbidden)(step) {
        let error = Error::new(ErrorKind::Guarded, why);
        doors.journal.intend(claim, &step.id, &key).await?;
        return settle(doors, claim, step, Err(error)).await;
    }
    match doors.journal.intend(claim, &step.id, &key).await? {
        StepStart::Settled { outcome } if !is_undone(doors, plan, step, &outcome) => {
            return Ok((Some(outcome), None));
        }
        // Nobody knows whether it was done, and it must not be done twice.
        StepStart::Unknown if class(doors, step) == EffectClass::AtMostOnce => {
            doors.settle(claim, step, &Outcome::Unknown).await?;
            return Ok((Some(Outcome::Unknown), None));
        }
        // 'Not found' just now proves nothing.
        StepStart::Unknown if class(doors, step) == EffectClass::ReadBack => {
            let error = Error::new(
                ErrorKind::OutcomeUnknown,
                "it was begun, and nobody knows whether it was done",
            );
            return settle(doors, claim, step, Err(error)).await;
        }
        StepStart::Unknown | StepStart::First | StepStart::Settled { .. } => {}
    }
    if let Some(since) = unheard(doors, claim, step) {
        if doors.clock.now().duration_since(since) < doors.settle {
            let error = Error::new(
                ErrorKind::OutcomeUnknown,
                "it is not yet time to look whether it was done",
            );
            return settle(doors, claim, step, Err(error)).await;
        }
        // The plan was made after a look that did not find it; this is the second one.
        let found = look_again(doors, step).await;
        if let Some(found) = found.transpose() {
            return settle(doors, claim, step, found).await;
        }
    }
    // Writing the intent down may have taken its time.
    doors.go_on()?;
    let result = effect(doors, claim, step, &key, addressees).await;
    settle(doors, claim, step, result).await
}

async fn effect(
    doors: &Doors<'_>,
    claim: &Claim,
    step: &Step,
    key: &IdempotencyKey,
    addressees: &Addressees,
) -> Result<Applied> {
    let record = claim.event.record.as_ref().or(claim.state.record.as_ref());
    let message = |notice, to| {
        compose(notice, record, addressees, to, doors.words)
            .ok_or_else(|| Error::new(ErrorKind::NotFound, "there is nobody to tell"))
    };
    if let Action::Notify { notice, to } = &step.action {
        let notifier = doors
            .notifier
            .ok_or_else(|| Error::new(ErrorKind::Invalid, "no notifier is configured: nobody was told"))?;
        let message = message(*notice, to)?;
        notifier.notify(&message, key).await?;
        return Ok(Applied::Done { account: None });
    }
    let target = doors
        .target(step)
        .ok_or_else(|| Error::new(ErrorKind::Invalid, format!("no target is called {}", step.target)))?;
    if let Action::Custom { kind, .. } = &step.action
        && !target.capabilities().actions.contains_key(kind.as_str())
    {
        let message = format!(
            "{} does not know steps of the kind {kind}: it was left alone",
            step.target
        );
        return Err(Error::new(ErrorKind::Invalid, message));
    }
    let Action::IssuePass {
        starts_at,
        minutes,
        to,
    } = &step.action
    else {
        return match target.apply(step, key).await? {
            Applied::Issued { .. } => Err(unasked(step)),
            applied => Ok(applied),
        };
    };
    // No pass is made that nobody would get.
    let notifier = doors.notifier.filter(|notifier| notifier.takes_passes());
    let notifier = notifier
        .ok_or_else(|| Error::new(ErrorKind::Invalid, "no notifier is configured that takes passes"))?;
    let message = message(Notice::Pass, to)?;
    match target.apply(step, key).await? {
        // From the target's hand into the notifier's; what stays is that it was done. A lost answer of either means
        // another pass later: making it takes the place of this one, so that there never are two.
        Applied::Issued { secret } => {
            let message = message.with_pass(secret, *starts_at, *minutes);
            notifier.notify(&message, key).await?;
            Ok(Applied::Done { account: None })
        }
        applied => Ok(applied),
    }
}

fn unasked(step: &Step) -> Error {
    let message = format!(
        "{} gave a secret for {}, which asks for none",
        step.target, step.id
    );
    Error::new(ErrorKind::Protocol, message)
}

async fn settle(
    doors: &Doors<'_>,
    claim: &Claim,
    step: &Step,
    result: Result<Applied>,
) -> Result<(Option<Outcome>, Option<Error>)> {
    let (outcome, error) = match result {
        Ok(Applied::Done { account }) => (Outcome::Done { account }, None),
        Ok(Applied::AlreadySo { account }) => (Outcome::AlreadySo { account }, None),
        Ok(Applied::Issued { .. }) => return Err(unasked(step)),
        Ok(Applied::NotApplicable { why }) => (Outcome::NotApplicable { why }, None),
        Err(error) if error.kind() == ErrorKind::OutcomeUnknown => match class(doors, step) {
            EffectClass::AtMostOnce => (Outcome::Unknown, Some(error)),
            // Written down with its instant, so that the next attempt knows how long ago that was.
            EffectClass::ReadBack => {
                let kind = error.kind().as_str().to_owned();
                let message = error.to_string();
                let wait = Duration::try_from(doors.settle).unwrap_or_default();
                let error = error.with_retry(Retry::After(Some(wait)));
                (Outcome::Failed { kind, message }, Some(error))
            }
            EffectClass::Repeatable | EffectClass::UniqueKey => return Ok((None, Some(error))),
        },
        Err(error) => {
            let kind = error.kind().as_str().to_owned();
            let message = error.to_string();
            (Outcome::Failed { kind, message }, Some(error))
        }
    };
    doors.settle(claim, step, &outcome).await?;
    Ok((Some(outcome), error))
}

/// Since when nobody knows whether a step was done that must be looked for before it is repeated.
fn unheard(doors: &Doors<'_>, claim: &Claim, step: &Step) -> Option<Timestamp> {
    if class(doors, step) != EffectClass::ReadBack {
        return None;
    }
    let record = claim.steps.iter().find(|record| record.step == step.id)?;
    match &record.outcome {
        Some(Outcome::Failed { kind, .. }) if kind == ErrorKind::OutcomeUnknown.as_str() => record.at,
        _ => None,
    }
}

/// What the target shows of the step by now: nothing where it is not there, or is nothing that an account shows. Then
/// [`Target::apply`](crate::target::Target::apply) looks for itself.
async fn look_again(doors: &Doors<'_>, step: &Step) -> Result<Option<Applied>> {
    let Some(target) = doors.target(step) else {
        return Ok(None);
    };
    if matches!(step.action, Action::CreateAccount { .. }) {
        let keys = Keys {
            person: step.person.clone(),
            account: None,
        };
        let found = target.find(&[keys]).await?.pop();
        let account = found.and_then(|found| found.active.into_iter().next());
        return Ok(account.map(|account| Applied::AlreadySo {
            account: Some(account.id),
        }));
    }
    let (true, Some(account)) = (step.action.is_visible(), step.account.clone()) else {
        return Ok(None);
    };
    let who = PersonRef {
        person: step.person.clone(),
        account,
    };
    let Some(actual) = target.observe(&[who]).await?.pop() else {
        return Ok(None);
    };
    let mut after = actual.clone();
    apply(&mut after, &step.action);
    Ok((after == actual).then_some(Applied::AlreadySo { account: None }))
}

/// Whether somebody has undone what an earlier attempt did: the plan, made after looking, holds it again. With
/// sign-in open again, sessions and password are open again too.
fn is_undone(doors: &Doors<'_>, plan: &Plan, step: &Step, outcome: &Outcome) -> bool {
    let reopened = || {
        let mut steps = plan.steps.iter();
        steps.any(|other| other.target == step.target && other.action == Action::BlockSignIn)
    };
    let again = match step.action {
        Action::RevokeSessions | Action::ResetPassword => reopened(),
        _ => step.action.is_visible(),
    };
    again
        && matches!(outcome, Outcome::Done { .. } | Outcome::AlreadySo { .. })
        && class(doors, step) == EffectClass::Repeatable
}

/// What may be done after an unknown outcome. A target that does not know the action is not trusted.
fn class(doors: &Doors<'_>, step: &Step) -> EffectClass {
    let kind = step.action.kind();
    let known = || {
        doors
            .target(step)
            .and_then(|target| target.capabilities().actions.get(kind).copied())
    };
    let class = match step.action {
        Action::Notify { .. } => None,
        _ => known(),
    };
    match class.unwrap_or(EffectClass::AtMostOnce) {
        // The owner says that a repeat is harmless.
        EffectClass::AtMostOnce if doors.repeats.contains(kind) => EffectClass::Repeatable,
        class => class,
    }
}
