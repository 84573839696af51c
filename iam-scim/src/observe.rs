//! What accounts hold.

use iam_core::entitlement::{Actual, Kind, Unread};
use iam_core::target::PersonRef;
use iam_core::{ErrorKind, Result};

use crate::attributes::account;
use crate::catalog::is_refused;
use crate::groups::Group;
use crate::target::{ScimTarget, parallel};
use crate::users::{Entry, User};

impl ScimTarget {
    pub(crate) async fn observe_all(&self, who: &[PersonRef]) -> Result<Vec<Actual>> {
        if who.is_empty() {
            return Ok(Vec::new());
        }
        // `groups` of a user is optional, and left out by many servers: members are what counts.
        let groups = if self.has_groups().await? {
            match self.client.list_groups_with_members().await {
                // A leaver's account must be closed all the same.
                Err(error) if is_refused(&error) => {
                    tracing::warn!(%error, "who is in which group of the application is not told");
                    Err(Unread::all_of(Kind::App, error.to_string()))
                }
                groups => Ok(groups?),
            }
        } else {
            Ok(Vec::new())
        };
        parallel(who.iter().map(|who| self.observe_one(who, &groups)).collect()).await
    }

    async fn observe_one(&self, who: &PersonRef, groups: &Result<Vec<Group>, Unread>) -> Result<Actual> {
        let user = match self.client.user(&who.account).await {
            Ok(user) => user,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Actual::none(who.person.clone())),
            Err(error) => return Err(error),
        };
        let (held, unread) = match groups {
            Ok(groups) => (self.held(&user, groups).await?, Vec::new()),
            Err(unread) => (self.held(&user, &shown(&user)).await?, vec![unread.clone()]),
        };
        Ok(Actual {
            person: who.person.clone(),
            account: Some(account(&user)),
            held,
            unread,
        })
    }
}

/// The groups that the user's own record tells of.
fn shown(user: &User) -> Vec<Group> {
    let group = |entry: &Entry| Group {
        id: entry.value.clone(),
        display_name: entry.display.clone(),
        members: vec![Entry::new(user.id())],
        ..Group::default()
    };
    user.groups.iter().map(group).collect()
}
