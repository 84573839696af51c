//! Compensation: what would undo what an event brought, from the before-images in its plan and what is seen now.
//!
//! Invariants: only what was done is undone, and only where it is still as it was left then; the inverse steps come in
//! the reverse order; whether policy lets them be is not decided here.

use std::fmt;

use serde::Serialize;

use crate::entitlement::{Actual, TargetId, Via, same};
use crate::event::EventId;
use crate::journal::{Entry, Outcome};
use crate::person::PersonKey;
use crate::plan::{Action, Step, StepId};

/// What undoing an event would do: shown before anything is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct UndoPlan {
    /// The event to be undone.
    pub event: EventId,
    /// Whose.
    pub person: PersonKey,
    /// The inverse steps, the last change first.
    pub steps: Vec<Step>,
    /// Steps of the event that nothing undoes, and why: they stay done.
    pub without_inverse: Vec<(StepId, String)>,
    /// Steps of the event of which nothing is left to undo, and why.
    pub gone: Vec<(StepId, String)>,
    /// Inverse steps that must not be carried out, and why. With any of them, nothing is undone.
    pub refused: Vec<(StepId, String)>,
}

impl fmt::Display for UndoPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "undo of event {} of {}:", self.event, self.person)?;
        if self.steps.is_empty() {
            f.write_str(" there is nothing to undo")?;
        }
        for step in &self.steps {
            write!(f, "\n  {}: {} ({})", step.target, step.id, step.why)?;
        }
        for (step, why) in &self.refused {
            write!(f, "\n  refused: {step}: {why}")?;
        }
        for (step, why) in &self.without_inverse {
            write!(f, "\n  stays: {step}: {why}")?;
        }
        for (step, why) in &self.gone {
            write!(f, "\n  nothing left of: {step}: {why}")?;
        }
        Ok(())
    }
}

/// The inverse of what the event is known to have done, given what each target reports now.
pub(crate) fn compensation(entry: &Entry, now: &[(&TargetId, &Actual)]) -> UndoPlan {
    let mut undo = UndoPlan {
        event: entry.event.id.clone(),
        person: entry.event.person.clone(),
        steps: Vec::new(),
        without_inverse: Vec::new(),
        gone: Vec::new(),
        refused: Vec::new(),
    };
    let Some(plan) = &entry.plan else { return undo };
    let done: Vec<&Step> = plan.all().filter(|step| was_done(entry, step)).collect();
    for step in done.into_iter().rev() {
        let Some(mut inverse) = step.inverse() else {
            undo.without_inverse
                .push((step.id.clone(), cannot(&step.action).to_owned()));
            continue;
        };
        let actual = now.iter().find(|(target, _)| **target == step.target);
        match actual.map_or(Err("the target cannot be read"), |(_, actual)| {
            fit(&mut inverse, actual)
        }) {
            Ok(()) => undo.steps.push(inverse),
            Err(why) => undo.gone.push((step.id.clone(), why.to_owned())),
        }
    }
    undo
}

/// What is intended and never settled may have been done: whether it was is seen at the account.
fn was_done(entry: &Entry, step: &Step) -> bool {
    let record = entry.steps.iter().find(|record| record.step == step.id);
    record.is_some_and(|record| {
        matches!(
            record.outcome,
            None | Some(Outcome::Done { .. } | Outcome::AlreadySo { .. } | Outcome::Unknown)
        )
    })
}

fn cannot(action: &Action) -> &'static str {
    match action {
        Action::RevokeSessions => "ended sessions do not come back",
        Action::ResetPassword => "nobody knows the password of before",
        Action::SetManager { .. } => "the manager of before is not known: HR's record decides",
        Action::EndAutomaticReply => "what the mailbox answered is not known",
        Action::Notify { .. } => "what was said has been read",
        _ => "nothing undoes it",
    }
}

/// Fits an inverse step to the account as it is, or says why nothing is left to undo.
fn fit(inverse: &mut Step, actual: &Actual) -> Result<(), &'static str> {
    let account = actual.account.as_ref().ok_or("the account has vanished")?;
    inverse.account = Some(account.id.clone());
    let restores = matches!(inverse.action, Action::RestoreAccount);
    if account.deleted != restores {
        return Err(if restores {
            "the account is there"
        } else {
            "the account is deleted"
        });
    }
    match &mut inverse.action {
        Action::UpdateAccount { changes } => {
            changes.retain(|attribute, back| {
                let is = account.attributes.get(attribute).map_or("", String::as_str);
                is == back.before.as_deref().unwrap_or_default()
            });
            if changes.is_empty() {
                return Err("the attributes have changed since");
            }
        }
        Action::Revoke {
            entitlement,
            assignment,
        } => {
            let mut direct = actual.held.iter().filter(|held| held.via == Via::Direct);
            let held = direct.find(|held| same(&held.entitlement, entitlement));
            assignment.clone_from(&held.ok_or("it has been taken since")?.assignment);
        }
        Action::Grant { entitlement, .. } if actual.holds(entitlement) => {
            return Err("it is held again");
        }
        Action::AllowSignIn if account.enabled => return Err("sign-in is allowed again"),
        Action::BlockSignIn if !account.enabled => return Err("sign-in is blocked again"),
        _ => {}
    }
    Ok(())
}
