//! One step, carried out. Creating is in [`create`](crate::create).

use iam_core::error::Retry;
use iam_core::plan::{Action, Step};
use iam_core::target::Applied;
use iam_core::{Error, ErrorKind, Result};
use serde_json::json;

use crate::attributes::patch;
use crate::patch::{Patch, Path};
use crate::target::ScimTarget;
use crate::users::ENTERPRISE;

pub(crate) const DONE: Applied = Applied::Done { account: None };
pub(crate) const ALREADY: Applied = Applied::AlreadySo { account: None };

impl ScimTarget {
    pub(crate) async fn carry_out(&self, step: &Step) -> Result<Applied> {
        if let Action::CreateAccount { name, attributes } = &step.action {
            return self.create(&step.person, name, attributes).await;
        }
        let account = step
            .account
            .as_deref()
            .filter(|id| !id.is_empty())
            .ok_or_else(|| {
                let message = format!("step {} of {} names no account", step.id, step.person);
                Error::new(ErrorKind::Invalid, message)
            })?;
        match &step.action {
            Action::RestoreAccount => {
                let outcome = self.activate(account, true).await?;
                let account = Some(account.to_owned());
                Ok(match outcome {
                    Applied::Done { .. } => Applied::Done { account },
                    _ => Applied::AlreadySo { account },
                })
            }
            Action::UpdateAccount { changes } => {
                let user = self.client.user(account).await?;
                let values = changes
                    .iter()
                    .map(|(attribute, change)| (*attribute, change.after.as_str()));
                let patch = patch(&user, values);
                if patch.is_empty() {
                    return Ok(ALREADY);
                }
                self.client.patch_user(account, &patch).await?;
                Ok(DONE)
            }
            Action::SetManager { manager_account, .. } => self.set_manager(account, manager_account).await,
            Action::AllowSignIn => self.activate(account, true).await,
            Action::BlockSignIn => self.activate(account, false).await,
            // SCIM has neither: see `ScimTarget`.
            Action::RevokeSessions | Action::ResetPassword => Ok(ALREADY),
            Action::Grant { entitlement, .. } => self.grant(account, entitlement).await,
            Action::Revoke { entitlement, .. } => self.revoke(account, entitlement).await,
            Action::DeleteAccount => match self.client.delete_user(account).await {
                Ok(()) => Ok(DONE),
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(ALREADY),
                Err(error) => Err(error),
            },
            other => {
                let message = format!("a SCIM application does not carry out {}", other.kind());
                Err(Error::new(ErrorKind::Invalid, message))
            }
        }
    }

    /// The change is made whatever was read before it, and read back after it: some servers answer with
    /// success and keep the account as it was.
    pub(crate) async fn activate(&self, account: &str, active: bool) -> Result<Applied> {
        let before = self.client.user(account).await?.active;
        let answer = self
            .client
            .patch_user(account, &Patch::new().set("active", active))
            .await?;
        let after = match answer.and_then(|user| user.active) {
            Some(after) => Some(after),
            None => self.client.user(account).await?.active,
        };
        if after != Some(active) {
            let now = match after {
                Some(true) => "is still active",
                Some(false) => "is still inactive",
                None => "does not say whether it is active",
            };
            let message = format!("the server accepted the change of `active`, but account {account} {now}");
            let error = Error::new(ErrorKind::Protocol, message).with_operation("block or allow sign-in");
            return Err(error.with_retry(Retry::Exhausted));
        }
        Ok(if before == Some(active) { ALREADY } else { DONE })
    }

    async fn set_manager(&self, account: &str, manager: &str) -> Result<Applied> {
        let user = self.client.user(account).await?;
        let now = user.enterprise.and_then(|enterprise| enterprise.manager?.value);
        if now.as_deref() == Some(manager) {
            return Ok(ALREADY);
        }
        let link = Path::new("manager").within(ENTERPRISE);
        let changes = Patch::new().set(link, json!({ "value": manager }));
        self.client.patch_user(account, &changes).await?;
        Ok(DONE)
    }
}
