//! What the application offers: its groups, or the roles it knows.

use std::collections::{BTreeMap, BTreeSet};

use iam_core::entitlement::{Catalog, Class, Entitlement, Item, Kind, TargetId};
use iam_core::{Error, ErrorKind, Result};

use crate::discovery::Definition;
use crate::groups::Group;
use crate::target::ScimTarget;
use crate::users::USER;

impl ScimTarget {
    pub(crate) async fn offer(&self) -> Result<Catalog> {
        let mut unread = BTreeMap::new();
        let entitlements: Vec<Entitlement> = if self.has_groups().await? {
            let groups = match self.client.list_groups(None).await {
                Err(error) if is_refused(&error) => {
                    tracing::warn!(%error, "the groups of the application are not told");
                    unread.insert(Kind::App, error.to_string());
                    Vec::new()
                }
                groups => groups?,
            };
            groups.iter().map(|group| membership(&self.id, group)).collect()
        } else {
            let roles = self.roles_offered().await?;
            roles.iter().map(|name| role(&self.id, name)).collect()
        };
        let item = |entitlement| Item {
            entitlement,
            class: Class::Assignable,
            privileged: false,
            seats: None,
            carries: Vec::new(),
        };
        Ok(Catalog {
            items: entitlements.into_iter().map(item).collect(),
            domains: self.domains.iter().cloned().collect(),
            unread,
            ..Catalog::default()
        })
    }

    pub(crate) async fn has_groups(&self) -> Result<bool> {
        Ok(self.client.abilities().await?.groups.is_some())
    }

    async fn roles_offered(&self) -> Result<BTreeSet<String>> {
        let mut roles: BTreeSet<String> = self.roles.iter().cloned().collect();
        let schemas = match self.client.schemas().await {
            Ok(schemas) => schemas,
            Err(error)
                if error
                    .status()
                    .is_some_and(|status| matches!(status, 403 | 404 | 405 | 501)) =>
            {
                Vec::new()
            }
            Err(error) => return Err(error),
        };
        let named =
            |of: &[Definition], name: &str| of.iter().find(|a| a.name.eq_ignore_ascii_case(name)).cloned();
        let user = schemas.iter().find(|schema| schema.id.eq_ignore_ascii_case(USER));
        let values = user
            .and_then(|user| named(&user.attributes, "roles"))
            .and_then(|role| named(&role.sub_attributes, "value"))
            .and_then(|value| value.canonical_values);
        roles.extend(values.unwrap_or_default());
        Ok(roles)
    }
}

/// Whether a part of the application cannot be read, by lack of a permission or because it does not answer.
pub(crate) fn is_refused(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Denied | ErrorKind::Unavailable)
}

/// The entitlement of being a group's member. A group without a name goes by its id.
pub(crate) fn membership(target: &TargetId, group: &Group) -> Entitlement {
    let name = group.display_name.clone().filter(|name| !name.is_empty());
    Entitlement {
        target: target.clone(),
        kind: Kind::App,
        id: group.id().to_owned(),
        name: name.unwrap_or_else(|| group.id().to_owned()),
    }
}

/// The entitlement of a value in `roles`: its id is its name.
pub(crate) fn role(target: &TargetId, name: &str) -> Entitlement {
    Entitlement {
        target: target.clone(),
        kind: Kind::App,
        id: name.to_owned(),
        name: name.to_owned(),
    }
}
