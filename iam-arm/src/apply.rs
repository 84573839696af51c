//! One step, carried out.

use iam_core::entitlement::{Entitlement, Kind};
use iam_core::plan::{Action, Step};
use iam_core::target::Applied;
use iam_core::{Error, ErrorKind, Result};

use crate::assignments::{Assigned, PrincipalType};
use crate::error::is_gone;
use crate::scope::Scope;
use crate::target::ArmTarget;

const DONE: Applied = Applied::Done { account: None };
const ALREADY: Applied = Applied::AlreadySo { account: None };

impl ArmTarget {
    pub(crate) async fn carry_out(&self, step: &Step) -> Result<Applied> {
        let account = || {
            step.account.as_deref().ok_or_else(|| {
                let message = format!("step {} of {} names no account", step.id, step.person);
                Error::new(ErrorKind::Invalid, message)
            })
        };
        match &step.action {
            Action::Grant { entitlement, .. } => self.grant(account()?, entitlement).await,
            Action::Revoke {
                entitlement,
                assignment,
            } => {
                let outcome = self.revoke(account()?, entitlement, assignment.as_deref()).await;
                match outcome {
                    // With its scope, the assignment is gone too.
                    Err(error) if is_gone(&error) => Ok(ALREADY),
                    outcome => outcome,
                }
            }
            // The account is the directory's, which carries these out.
            Action::CreateAccount { .. }
            | Action::RestoreAccount
            | Action::UpdateAccount { .. }
            | Action::SetManager { .. }
            | Action::AllowSignIn
            | Action::BlockSignIn
            | Action::RevokeSessions
            | Action::ResetPassword
            | Action::DeleteAccount => Ok(Applied::AlreadySo {
                account: step.account.clone(),
            }),
            other => {
                let message = format!("Azure Resource Manager does not carry out {}", other.kind());
                Err(Error::new(ErrorKind::Invalid, message))
            }
        }
    }

    async fn grant(&self, account: &str, what: &Entitlement) -> Result<Applied> {
        let (role, scope) = parts(what)?;
        let scope: Scope = scope.parse()?;
        let assigned = self
            .client
            .assign_role(&scope, role, account, PrincipalType::User)
            .await?;
        Ok(match assigned {
            Assigned::Now(_) => DONE,
            Assigned::Already(_) => ALREADY,
        })
    }

    async fn revoke(&self, account: &str, what: &Entitlement, assignment: Option<&str>) -> Result<Applied> {
        let (role, scope) = parts(what)?;
        // The service named it where it is held: it may be any, the root included.
        let scope = Scope::trusted(scope);
        if let Some(id) = assignment
            && self.client.remove_assignment(id).await?
        {
            return Ok(DONE);
        }
        // Not known, or gone: perhaps assigned anew under another id.
        let mut outcome = ALREADY;
        for held in self.client.assignments_of(&scope, account).await? {
            if held.role().eq_ignore_ascii_case(role)
                && held.scope() == scope
                && self.client.remove_assignment(&held.id).await?
            {
                outcome = DONE;
            }
        }
        Ok(outcome)
    }
}

/// The role's GUID and the scope of an entitlement's id.
fn parts(what: &Entitlement) -> Result<(&str, &str)> {
    let pair = what.id.split_once('@').filter(|_| what.kind == Kind::Azure);
    pair.ok_or_else(|| {
        let message = format!("Azure Resource Manager gives roles at scopes, not {what}");
        Error::new(ErrorKind::Invalid, message)
    })
}
