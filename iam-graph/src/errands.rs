//! The errands beside the taking and giving of access: a pass for the first day, and what a leaver's manager takes over.

use iam_core::plan::Action;
use iam_core::target::Applied;
use iam_core::{Error, ErrorKind, Result};
use jiff::Timestamp;

use crate::authentication::{Form, NewAccessPass};
use crate::drive::{Invitation, ShareRole};
use crate::groups::Group;
use crate::sponsors::Sponsored;
use crate::target::GraphTarget;
use crate::users::DirectoryObject;

/// The rule by which a leaver's mail is sent on: looked for by this name, so that it is never made twice.
const RULE: &str = "Sent on by the identity platform";

const DONE: Applied = Applied::Done { account: None };
const ALREADY: Applied = Applied::AlreadySo { account: None };

fn nothing(why: &str) -> Applied {
    let why = why.to_owned();
    Applied::NotApplicable { why }
}

impl GraphTarget {
    /// Carries an errand out; `None` for what is none.
    pub(crate) async fn errand(&self, account: &str, action: &Action) -> Option<Result<Applied>> {
        Some(match action {
            Action::IssuePass {
                starts_at, minutes, ..
            } => self.issue_pass(account, *starts_at, *minutes).await,
            Action::WithdrawPass => self.withdraw_pass(account).await,
            Action::ShareDrive { with_account, .. } => self.share(account, with_account).await,
            Action::UnshareDrive { with_account } => self.unshare(account, with_account).await,
            Action::HandOverGroups { with_account, .. } => self.hand_over_groups(account, with_account).await,
            Action::HandOverSponsorships { with_account, .. } => {
                self.hand_over_sponsorships(account, with_account).await
            }
            Action::ForwardMail { with_account, .. } => self.forward(account, with_account).await,
            Action::EndForwarding => self.end_forwarding(account).await,
            _ => return None,
        })
    }

    /// Whoever has registered something else needs no pass, and gets none: it would let its bearer past that.
    async fn issue_pass(&self, account: &str, starts_at: Timestamp, minutes: u32) -> Result<Applied> {
        let methods = self.client.authentication_methods(account).await?;
        let other = |form: Form| !matches!(form, Form::Password | Form::TemporaryAccessPass);
        if methods.iter().any(|method| other(method.form())) {
            return Ok(nothing("other ways to sign in are registered already"));
        }
        let mut wish = NewAccessPass::new().minutes(minutes).once(true);
        // One whose day has come is good at once.
        if starts_at > self.client.clock().now() {
            wish = wish.starting(starts_at.to_string());
        }
        let issued = self.client.create_access_pass(account, &wish).await?;
        let secret = issued.secret;
        Ok(Applied::Issued { secret })
    }

    async fn withdraw_pass(&self, account: &str) -> Result<Applied> {
        let mut outcome = ALREADY;
        for pass in self.client.access_passes(account).await? {
            match self.client.delete_access_pass(account, &pass.id).await {
                Ok(()) => outcome = DONE,
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(outcome)
    }

    async fn share(&self, account: &str, with: &str) -> Result<Applied> {
        // Also tells a user without a drive from a user who is not there.
        if let Err(error) = self.client.drive(account).await {
            if error.kind() == ErrorKind::NotFound && self.client.user(account).await.is_ok() {
                return Ok(nothing("there is no drive"));
            }
            return Err(error);
        }
        let invitation = Invitation::quiet(&[with], ShareRole::Write);
        self.client.share_drive(account, &invitation).await?;
        Ok(DONE)
    }

    async fn unshare(&self, account: &str, with: &str) -> Result<Applied> {
        let mut outcome = ALREADY;
        for permission in self.client.drive_permissions(account).await? {
            let user = permission.granted_to_v2.as_ref().and_then(|to| to.user.as_ref());
            let theirs = user
                .and_then(|user| user.id.as_deref())
                .is_some_and(|id| id.eq_ignore_ascii_case(with));
            if !theirs || permission.roles.iter().any(|role| role == "owner") {
                continue;
            }
            match self.client.unshare_drive(account, &permission.id).await {
                Ok(()) => outcome = DONE,
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(outcome)
    }

    /// The new owner comes before the old one goes. A group that refuses keeps the others waiting for nothing.
    async fn hand_over_groups(&self, account: &str, to: &str) -> Result<Applied> {
        let groups = self.client.owned_groups(account).await?;
        let changeable = |group: &&Group| group.on_premises_sync_enabled != Some(true);
        let (mut outcome, mut failure) = (nothing("the account owns no group"), None);
        for group in groups.iter().filter(changeable) {
            match self.hand_over(group, account, to).await {
                Ok(()) => outcome = DONE,
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        failure.map_or(Ok(outcome), Err)
    }

    async fn hand_over(&self, group: &Group, account: &str, to: &str) -> Result<()> {
        // Who owns a role-assignable group gives administrative power away: that goes to nobody by itself.
        let powerful = group.is_assignable_to_role == Some(true);
        if !powerful {
            match self.client.add_owner(&group.id, to).await {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        match self.client.remove_owner(&group.id, account).await {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) if powerful && error.kind() == ErrorKind::Invalid => {
                let message = "a role-assignable group has no other owner: name one by hand";
                Err(Error::new(ErrorKind::Invalid, message)
                    .with_operation("remove group owner")
                    .with_source(error))
            }
            outcome => outcome,
        }
    }

    /// The new sponsor comes before the old one goes. What refuses keeps the others waiting for nothing.
    async fn hand_over_sponsorships(&self, account: &str, to: &str) -> Result<Applied> {
        let sponsored = self.client.sponsored_by(account).await?;
        let (mut outcome, mut failure) = (nothing("the account is a sponsor of nobody"), None);
        for object in &sponsored {
            match self.hand_over_sponsorship(object, account, to).await {
                Ok(()) => outcome = DONE,
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        failure.map_or(Ok(outcome), Err)
    }

    async fn hand_over_sponsorship(&self, object: &DirectoryObject, account: &str, to: &str) -> Result<()> {
        let Some(of) = Sponsored::of(object) else {
            let kind = object.odata_type().unwrap_or("an object of no known kind");
            let message = format!("sponsors of {kind} are not changed here: name another by hand");
            return Err(Error::new(ErrorKind::Invalid, message).with_operation("add sponsor"));
        };
        if object.id.eq_ignore_ascii_case(to) {
            let message = "the manager would be their own sponsor: name another by hand";
            return Err(Error::new(ErrorKind::Invalid, message).with_operation("add sponsor"));
        }
        match self.client.add_sponsor(of, to).await {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        match self.client.remove_sponsor(of, account).await {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    async fn forward(&self, account: &str, to: &str) -> Result<Applied> {
        let (rules, manager) = tokio::try_join!(self.client.message_rules(account), self.client.user(to))?;
        let address = manager.mail.or(manager.user_principal_name);
        let address = address.ok_or_else(|| {
            Error::new(ErrorKind::NotFound, "the manager has no address")
                .with_operation("create message rule")
        })?;
        let mut outcome = DONE;
        for rule in rules
            .iter()
            .filter(|rule| rule.display_name.as_deref() == Some(RULE))
        {
            let same = |to: &&str| to.eq_ignore_ascii_case(&address);
            if rule.redirects_to().iter().any(same) {
                outcome = ALREADY;
            } else {
                self.client.delete_message_rule(account, &rule.id).await?;
            }
        }
        if outcome == DONE {
            self.client.redirect_messages(account, RULE, &address).await?;
        }
        Ok(outcome)
    }

    async fn end_forwarding(&self, account: &str) -> Result<Applied> {
        let mut outcome = ALREADY;
        for rule in self.client.message_rules(account).await? {
            if rule.display_name.as_deref() != Some(RULE) {
                continue;
            }
            match self.client.delete_message_rule(account, &rule.id).await {
                Ok(()) => outcome = DONE,
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(outcome)
    }
}
