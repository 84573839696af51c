//! One step, carried out. Creating is in [`create`](crate::create).

use futures::FutureExt;
use iam_core::entitlement::{Entitlement, Kind};
use iam_core::plan::{Action, Step};
use iam_core::target::Applied;
use iam_core::{Error, ErrorKind, Result};

use crate::account::patch;
use crate::app_roles::Holder;
use crate::catalog::{app_role, if_eligible, scoped, unscoped};
use crate::deleted::RestoreOptions;
use crate::mailbox::{AutomaticReplies, NO_MAILBOX};
use crate::password;
use crate::target::GraphTarget;

const DONE: Applied = Applied::Done { account: None };
const ALREADY: Applied = Applied::AlreadySo { account: None };

impl GraphTarget {
    pub(crate) async fn carry_out(&self, step: &Step) -> Result<Applied> {
        if let Action::CreateAccount { name, attributes } = &step.action {
            return self.create(&step.person, name, attributes).await;
        }
        let account = step.account.as_deref().ok_or_else(|| {
            let message = format!("step {} of {} names no account", step.id, step.person);
            Error::new(ErrorKind::Invalid, message)
        })?;
        let other = match &step.action {
            Action::SetManager { manager_account, .. } => manager_account,
            Action::ShareDrive { with_account, .. }
            | Action::HandOverGroups { with_account, .. }
            | Action::HandOverSponsorships { with_account, .. }
            | Action::ForwardMail { with_account, .. } => with_account,
            _ => account,
        };
        let outcome = self
            .fresh
            .settled(&[account, other], || self.change(account, &step.action).boxed())
            .await;
        match (outcome, &step.action) {
            // What is to be taken away is not there.
            (Err(error), Action::Revoke { .. } | Action::DeleteAccount)
                if error.kind() == ErrorKind::NotFound =>
            {
                Ok(ALREADY)
            }
            // A leaver without a mailbox. One who is back may get it again in a moment.
            (Err(error), Action::SetAutomaticReply { .. } | Action::ForwardMail { .. })
                if error.code() == Some(NO_MAILBOX) =>
            {
                Ok(Applied::NotApplicable {
                    why: error.message().to_owned(),
                })
            }
            (Err(error), Action::Grant { .. }) if error.kind() == ErrorKind::AlreadyExists => Ok(ALREADY),
            (outcome, _) => outcome,
        }
    }

    async fn change(&self, account: &str, action: &Action) -> Result<Applied> {
        let client = &self.client;
        if let Some(outcome) = self.errand(account, action).await {
            return outcome;
        }
        match action {
            Action::RestoreAccount => return self.restore(account).await,
            Action::UpdateAccount { changes } => {
                let values = changes
                    .iter()
                    .map(|(attribute, change)| (*attribute, change.after.as_str()));
                let patch = patch(values)?;
                if patch.is_empty() {
                    return Ok(ALREADY);
                }
                client.update_user(account, &patch).await?;
            }
            Action::SetManager { manager_account, .. } => {
                client.set_manager(account, manager_account).await?;
            }
            Action::AllowSignIn => return self.enable(account, true).await,
            Action::BlockSignIn => return self.enable(account, false).await,
            Action::RevokeSessions => client.revoke_sessions(account).await?,
            Action::ResetPassword => client.reset_password(account, &password::random()).await?,
            Action::Grant { entitlement, .. } => return self.grant(account, entitlement).await,
            Action::Revoke {
                entitlement,
                assignment,
            } => {
                return self.revoke(account, entitlement, assignment.as_deref()).await;
            }
            Action::SetAutomaticReply { text } => {
                let replies = AutomaticReplies::always(text);
                client.set_automatic_replies(account, &replies).await?;
            }
            Action::EndAutomaticReply => {
                client
                    .set_automatic_replies(account, &AutomaticReplies::off())
                    .await?;
            }
            Action::DeleteAccount => {
                if let Err(error) = client.delete_user(account).await {
                    return self.deleted(account, error).await;
                }
                self.fresh.forget(account);
            }
            other => {
                let message = format!("Microsoft Graph does not carry out {}", other.kind());
                return Err(Error::new(ErrorKind::Invalid, message));
            }
        }
        Ok(DONE)
    }

    /// The change is made whatever was read before it: a replica that lags must not leave sign-in open. The
    /// read only tells whether it was so.
    async fn enable(&self, account: &str, enabled: bool) -> Result<Applied> {
        // A block waits for no read: that the account was blocked already is not worth a minute of its retries.
        let before = if enabled {
            self.client.user(account).await.ok()
        } else {
            None
        };
        let before = before.and_then(|user| user.account_enabled);
        self.client.enable_user(account, enabled).await?;
        Ok(if before == Some(enabled) { ALREADY } else { DONE })
    }

    async fn restore(&self, account: &str) -> Result<Applied> {
        let restored = match self.client.restore_user(account).await {
            // Somebody else may have an address of it by now: it stays theirs. A sign-in name is another matter, and
            // fails again.
            Err(error) if matches!(error.kind(), ErrorKind::Conflict | ErrorKind::AlreadyExists) => {
                let how = RestoreOptions {
                    drop_taken_addresses: true,
                    ..RestoreOptions::default()
                };
                self.client.restore_user_as(account, &how).await.map(drop)
            }
            other => other,
        };
        let done = match restored {
            Ok(()) => true,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                // Not among the deleted: fine if it is among the living.
                self.client.user(account).await.map_err(|_| error)?;
                false
            }
            Err(error) => return Err(error),
        };
        self.fresh.note(account);
        let account = Some(account.to_owned());
        Ok(if done {
            Applied::Done { account }
        } else {
            Applied::AlreadySo { account }
        })
    }

    async fn grant(&self, account: &str, what: &Entitlement) -> Result<Applied> {
        match what.kind {
            Kind::Group => self.client.add_member(&what.id, account).await?,
            Kind::License => {
                // Giving a licence again would switch plans on that somebody has switched off.
                let user = self.client.user(account).await?;
                let held = |(sku, group): (&str, Option<&str>)| {
                    sku.eq_ignore_ascii_case(&what.id) && group.is_none()
                };
                if user.licenses().into_iter().any(held) {
                    return Ok(ALREADY);
                }
                self.client.assign_license(account, &[&what.id], &[]).await?;
            }
            Kind::Role if if_eligible(&what.id).is_none() => {
                let (role, scope) = unscoped(&what.id);
                self.client.assign_role(account, role, scope).await?;
            }
            Kind::App => {
                let (resource, role) = what.id.split_once('/').ok_or_else(|| unknown(what))?;
                self.client.assign_app_role(account, resource, role).await?;
            }
            Kind::Package => return self.give_package(account, what).await,
            _ => return Err(unknown(what)),
        }
        Ok(DONE)
    }

    async fn revoke(&self, account: &str, what: &Entitlement, assignment: Option<&str>) -> Result<Applied> {
        match what.kind {
            Kind::Group => {
                if let Err(error) = self.client.remove_member(&what.id, account).await {
                    return self.left(account, &what.id, error).await;
                }
            }
            Kind::License => self.client.assign_license(account, &[], &[&what.id]).await?,
            Kind::App => return self.take_app_role(account, what, assignment).await,
            Kind::Package => return self.take_package(account, what).await,
            Kind::Role => match if_eligible(&what.id) {
                Some(role) => {
                    let (role, scope) = unscoped(role);
                    let role = assignment.unwrap_or(role);
                    self.client
                        .remove_eligible_role(account, role, scope, "No longer entitled")
                        .await?;
                }
                None => return self.take_role(account, what, assignment).await,
            },
            _ => return Err(unknown(what)),
        }
        Ok(DONE)
    }

    /// Whether a fresh account that a group does not know is really no member, or not visible yet.
    async fn left(&self, account: &str, group: &str, refusal: Error) -> Result<Applied> {
        if refusal.kind() == ErrorKind::NotFound && self.fresh.is(account) {
            let groups = self.client.groups_of(account).await?;
            if !groups.iter().any(|held| held.id.eq_ignore_ascii_case(group)) {
                return Ok(ALREADY);
            }
        }
        Err(refusal)
    }

    /// Whether a fresh account that cannot be deleted is deleted already, or not visible yet.
    async fn deleted(&self, account: &str, refusal: Error) -> Result<Applied> {
        if refusal.kind() == ErrorKind::NotFound
            && self.fresh.is(account)
            && self.client.deleted_user(account).await.is_ok()
        {
            self.fresh.forget(account);
            return Ok(ALREADY);
        }
        Err(refusal)
    }

    async fn take_role(
        &self,
        account: &str,
        what: &Entitlement,
        assignment: Option<&str>,
    ) -> Result<Applied> {
        if let Some(id) = assignment {
            match self.client.remove_role(id).await {
                Ok(()) => return Ok(DONE),
                Err(error) if error.kind() == ErrorKind::NotFound => {} // perhaps assigned anew under another id
                Err(error) => return Err(error),
            }
        }
        let offer = self.offer().await?;
        let mut outcome = ALREADY;
        for held in self.client.roles_of(account).await? {
            if scoped(offer.template(&held.role_definition_id), held.scope()).eq_ignore_ascii_case(&what.id) {
                self.client.remove_role(&held.id).await?;
                outcome = DONE;
            }
        }
        Ok(outcome)
    }

    async fn take_app_role(
        &self,
        account: &str,
        what: &Entitlement,
        assignment: Option<&str>,
    ) -> Result<Applied> {
        let holder = Holder::User(account);
        if let Some(id) = assignment {
            match self.client.remove_app_role(holder, id).await {
                Ok(()) => return Ok(DONE),
                Err(error) if error.kind() == ErrorKind::NotFound => {} // perhaps assigned anew under another id
                Err(error) => return Err(error),
            }
        }
        let mut outcome = ALREADY;
        for held in self.client.app_roles_of(holder).await? {
            if held.is_own() && app_role(&held).eq_ignore_ascii_case(&what.id) {
                self.client.remove_app_role(holder, &held.id).await?;
                outcome = DONE;
            }
        }
        Ok(outcome)
    }
}

fn unknown(what: &Entitlement) -> Error {
    Error::new(
        ErrorKind::Invalid,
        format!("Microsoft Graph gives groups, licences, roles, app roles and access packages, not {what}"),
    )
}
