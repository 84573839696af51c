//! Who holds which role of the application: by groups where the server has them, else by `roles`.

use iam_core::Result;
use iam_core::entitlement::{Entitlement, Held, Kind, Via};
use iam_core::target::Applied;
use iam_core::{Error, ErrorKind};
use serde_json::json;

use crate::apply::{ALREADY, DONE};
use crate::catalog::{membership, role};
use crate::groups::Group;
use crate::patch::Patch;
use crate::target::ScimTarget;
use crate::users::{Entry, User};

impl ScimTarget {
    /// What a user holds. `groups` are all groups with their members.
    pub(crate) async fn held(&self, user: &User, groups: &[Group]) -> Result<Vec<Held>> {
        let mut inherited = Vec::new();
        let entitlements: Vec<Entitlement> = if self.has_groups().await? {
            let shown = |group: &&Group| {
                let named = |entry: &Entry| entry.value.as_deref() == Some(group.id());
                group.has(user.id()) || user.groups.iter().any(named)
            };
            let mut mine: Vec<&Group> = groups.iter().filter(shown).collect();
            let asked = if mine.is_empty() && groups.iter().all(|group| group.members.is_empty()) {
                self.hidden_groups(user.id(), groups).await?
            } else {
                Vec::new()
            };
            mine.extend(&asked);
            // Through a group inside the group (RFC 7643 section 4.1.2): cannot be taken away here.
            let indirect = |entry: &&Entry| {
                entry
                    .kind
                    .as_deref()
                    .is_some_and(|kind| kind.eq_ignore_ascii_case("indirect"))
            };
            inherited.extend(
                user.groups
                    .iter()
                    .filter(indirect)
                    .filter_map(|entry| entry.value.clone()),
            );
            inherited.retain(|id| !mine.iter().any(|group| group.id() == id && group.has(user.id())));
            mine.into_iter()
                .map(|group| membership(&self.id, group))
                .collect()
        } else {
            let roles = user.roles.iter().filter_map(|entry| entry.value.as_deref());
            roles
                .filter(|name| !name.is_empty())
                .map(|name| role(&self.id, name))
                .collect()
        };
        let held = |entitlement: Entitlement| Held {
            via: if inherited.contains(&entitlement.id) {
                Via::Inherited {
                    from: entitlement.id.clone(),
                }
            } else {
                Via::Direct
            },
            entitlement,
            assignment: None,
        };
        Ok(entitlements.into_iter().map(held).collect())
    }

    /// Servers that never show members can be asked for them, where they really look: nobody is a member
    /// under an id that does not exist.
    async fn hidden_groups(&self, account: &str, groups: &[Group]) -> Result<Vec<Group>> {
        if groups.is_empty() {
            return Ok(Vec::new());
        }
        let mine = self
            .client
            .groups_of_unchecked(account)
            .await?
            .unwrap_or_default();
        if mine.is_empty() {
            return Ok(mine);
        }
        let nobody = format!("nobody-{:032x}", rand::random::<u128>());
        let strangers = self.client.groups_of_unchecked(&nobody).await?;
        Ok(if strangers.is_some_and(|groups| groups.is_empty()) {
            mine
        } else {
            Vec::new()
        })
    }

    pub(crate) async fn grant(&self, account: &str, what: &Entitlement) -> Result<Applied> {
        self.check_kind(what)?;
        if !self.has_groups().await? {
            return self.set_role(account, what, true).await;
        }
        // Adding again makes a second entry at some servers.
        if self.client.group(&what.id).await?.has(account) {
            return Ok(ALREADY);
        }
        self.client.add_member(&what.id, account).await?;
        Ok(DONE)
    }

    pub(crate) async fn revoke(&self, account: &str, what: &Entitlement) -> Result<Applied> {
        self.check_kind(what)?;
        if !self.has_groups().await? {
            return self.set_role(account, what, false).await;
        }
        // Removed even where the list does not show the account: it may be cut, or left out.
        let group = match self.client.group(&what.id).await {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(ALREADY),
            group => group?,
        };
        self.client.remove_member(&what.id, account).await?;
        Ok(if group.has(account) || group.members.is_empty() {
            DONE
        } else {
            ALREADY
        })
    }

    /// Writes the whole list of roles with this one in it, or without.
    async fn set_role(&self, account: &str, what: &Entitlement, held: bool) -> Result<Applied> {
        let user = self.client.user(account).await?;
        let is = |entry: &Entry| {
            entry
                .value
                .as_deref()
                .is_some_and(|value| value.eq_ignore_ascii_case(&what.id))
        };
        if user.roles.iter().any(is) == held {
            return Ok(ALREADY);
        }
        let mut roles = user.roles;
        roles.retain(|entry| !is(entry));
        if held {
            roles.push(Entry::new(&what.id));
        }
        let patch = if roles.is_empty() {
            Patch::new().clear("roles")
        } else {
            Patch::new().set("roles", json!(roles))
        };
        self.client.patch_user(account, &patch).await?;
        Ok(DONE)
    }

    fn check_kind(&self, what: &Entitlement) -> Result<()> {
        if what.kind == Kind::App && what.target == self.id {
            return Ok(());
        }
        let message = format!(
            "{} gives roles of its own, not {} of {}",
            self.id,
            what.kind.as_str(),
            what.target
        );
        Err(Error::new(ErrorKind::Invalid, message))
    }
}
