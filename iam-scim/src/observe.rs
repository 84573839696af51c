//! What accounts hold.

use iam_core::entitlement::Actual;
use iam_core::target::PersonRef;
use iam_core::{ErrorKind, Result};

use crate::attributes::account;
use crate::groups::Group;
use crate::target::{ScimTarget, parallel};

impl ScimTarget {
    pub(crate) async fn observe_all(&self, who: &[PersonRef]) -> Result<Vec<Actual>> {
        if who.is_empty() {
            return Ok(Vec::new());
        }
        // `groups` of a user is optional, and left out by many servers: members are what counts.
        let groups = if self.has_groups().await? {
            self.client.list_groups_with_members().await?
        } else {
            Vec::new()
        };
        parallel(who.iter().map(|who| self.observe_one(who, &groups)).collect()).await
    }

    async fn observe_one(&self, who: &PersonRef, groups: &[Group]) -> Result<Actual> {
        let user = match self.client.user(&who.account).await {
            Ok(user) => user,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Actual::none(who.person.clone())),
            Err(error) => return Err(error),
        };
        Ok(Actual {
            person: who.person.clone(),
            account: Some(account(&user)),
            held: self.held(&user, groups).await?,
            unread: Vec::new(),
        })
    }
}
