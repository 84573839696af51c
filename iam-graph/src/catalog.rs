//! What the tenant offers: groups, licences, roles and domains, and the names that observations use.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};

use iam_core::entitlement::{Catalog, Class, Entitlement, Item, Kind, Seats, TargetId};
use iam_core::{Error, ErrorKind, Result};

use crate::access_packages::Packages;
use crate::app_roles::{AppRoleAssignment, DEFAULT_ROLE};
use crate::client::GraphClient;
use crate::groups::Group;
use crate::roles::{RoleAssignment, RoleDefinition, TENANT};
use crate::service_principals::ServicePrincipal;
use crate::target::parallel;

/// The catalogue, and what is needed to name what somebody holds.
#[derive(Debug, Default)]
pub(crate) struct Offer {
    pub(crate) catalog: Catalog,
    /// The names of licences and roles, by kind and id in lower case.
    names: HashMap<(Kind, String), String>,
    /// Template ids, by definition id in lower case.
    templates: HashMap<String, String>,
    /// The roles that members of a role-assignable group hold, by group id.
    pub(crate) through_groups: HashMap<String, Vec<RoleAssignment>>,
    /// Access packages, where they are looked after.
    pub(crate) packages: Packages,
    /// The applications that somebody has a role in, by object id; `None` for one that is gone. They are read when
    /// they are first met: a tenant has thousands, and most have no roles.
    apps: Mutex<HashMap<String, Option<ServicePrincipal>>>,
}

impl Offer {
    /// Reads all of it. What is refused or down of one kind is noted as unread, and keeps nothing else waiting.
    pub(crate) async fn read(client: &GraphClient, target: &TargetId, packages: bool) -> Result<Self> {
        let (groups, skus, roles, domains, packages) = tokio::join!(
            client.list_groups(),
            client.list_skus(),
            client.list_roles(),
            client.list_domains(),
            async {
                if packages {
                    Packages::read(client).await
                } else {
                    Ok(Packages::default())
                }
            }
        );
        let mut offer = Self::default();
        let groups = offer.told(groups, Kind::Group)?;
        let skus = offer.told(skus, Kind::License)?;
        let roles = offer.told(roles, Kind::Role)?;
        let domains = match domains {
            Err(error) if is_refused(&error) => {
                offer.catalog.domains_unread = Some(error.to_string());
                Vec::new()
            }
            read => read?,
        };
        offer.packages = offer
            .told(packages.map(|read| vec![read]), Kind::Package)?
            .pop()
            .unwrap_or_default();
        for package in &offer.packages.all {
            let (id, name) = (package.id.clone(), package.display_name.clone());
            let mut item = assignable_item(target, Kind::Package, id, name);
            item.class = offer.packages.class(&package.id);
            offer.catalog.items.push(item);
        }
        let assignable = groups
            .iter()
            .filter(|group| group.is_assignable_to_role == Some(true));
        let ids: Vec<&str> = assignable.map(|group| group.id.as_str()).collect();
        // Members of a group that is left out count as those of whom nobody knows what roles they hold.
        let roles_of = async |id: &str| match client.roles_of(id).await {
            Err(error) if is_refused(&error) => {
                tracing::warn!(%error, group = id, "what roles a group carries is not told");
                Ok(None)
            }
            read => read.map(Some),
        };
        let roles_of_groups = parallel(ids.iter().map(|id| roles_of(id)).collect()).await?;
        let ids = ids.into_iter().map(str::to_owned);
        let through_groups = ids.zip(roles_of_groups);
        offer.through_groups = through_groups
            .filter_map(|(id, roles)| Some((id, roles?)))
            .collect();
        let items = groups.into_iter().map(|group| group_item(group, target));
        offer.catalog.items.extend(items);
        for sku in skus
            .into_iter()
            .filter(|sku| sku.applies_to.as_deref() != Some("Company"))
        {
            let seats = Seats {
                total: sku.prepaid_units.enabled + sku.prepaid_units.warning,
                used: sku.consumed_units,
            };
            let mut item = assignable_item(target, Kind::License, sku.sku_id, sku.sku_part_number);
            item.seats = Some(seats);
            offer.add_named(item);
        }
        for role in roles {
            offer.add_role(role, target);
        }
        let verified = domains.into_iter().filter(|domain| domain.is_verified);
        offer.catalog.domains = verified.map(|domain| domain.id.to_lowercase()).collect();
        Ok(offer)
    }

    /// What was read, or nothing: then the kind is noted as unread.
    fn told<T>(&mut self, read: Result<Vec<T>>, kind: Kind) -> Result<Vec<T>> {
        match read {
            Err(error) if is_refused(&error) => {
                tracing::warn!(%error, ?kind, "what the tenant offers is not told");
                self.catalog.unread.insert(kind, error.to_string());
                Ok(Vec::new())
            }
            read => read,
        }
    }

    /// Why the names of that kind are not known, where they are not.
    pub(crate) fn unread(&self, kind: Kind) -> Option<&str> {
        self.catalog.unread.get(&kind).map(String::as_str)
    }

    fn add_role(&mut self, role: RoleDefinition, target: &TargetId) {
        let template = role.template_id.unwrap_or_else(|| role.id.clone());
        self.templates.insert(role.id.to_lowercase(), template.clone());
        let mut item = assignable_item(target, Kind::Role, template, role.display_name);
        item.privileged = true;
        if role.is_enabled == Some(false) {
            // Still named where it is held, no longer given.
            self.name(&item.entitlement);
        } else {
            self.add_named(item);
        }
    }

    fn add_named(&mut self, item: Item) {
        self.name(&item.entitlement);
        self.catalog.items.push(item);
    }

    fn name(&mut self, what: &Entitlement) {
        self.names
            .insert((what.kind, what.id.to_lowercase()), what.name.clone());
    }

    /// The name of a licence or a role, if it is known.
    pub(crate) fn name_of(&self, kind: Kind, id: &str) -> Option<&str> {
        self.names.get(&(kind, id.to_lowercase())).map(String::as_str)
    }

    /// Reads the applications of these service principals that have not been met yet.
    pub(crate) async fn meet_apps(&self, client: &GraphClient, ids: BTreeSet<&str>) -> Result<()> {
        let unknown: Vec<&str> = {
            let known = self.apps.lock().unwrap_or_else(PoisonError::into_inner);
            ids.into_iter().filter(|id| !known.contains_key(*id)).collect()
        };
        // Only names are read: without them (no permission) the assignments say which application it is.
        let read = async |id: &str| match client.service_principal(id).await {
            Ok(found) => Ok(Some(Some(found))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Some(None)),
            Err(error) if is_refused(&error) => Ok(None),
            Err(error) => Err(error),
        };
        let found = parallel(unknown.iter().map(|id| read(id)).collect()).await?;
        let met = unknown.into_iter().zip(found);
        let met = met.filter_map(|(id, found)| Some((id.to_owned(), found?)));
        self.apps
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend(met);
        Ok(())
    }

    /// `application / role`, as well as it is known; the application alone where it has no roles.
    pub(crate) fn app_role_name(&self, held: &AppRoleAssignment) -> String {
        let apps = self.apps.lock().unwrap_or_else(PoisonError::into_inner);
        let app = apps.get(&held.resource_id).and_then(Option::as_ref);
        let name = app.and_then(|app| app.display_name.as_deref());
        let name = name.or(held.resource_display_name.as_deref());
        let name = name.unwrap_or(&held.resource_id);
        if held.app_role_id == DEFAULT_ROLE {
            return name.to_owned();
        }
        let role = app.and_then(|app| app.role(&held.app_role_id));
        let role = role.and_then(|role| role.value.as_deref().or(role.display_name.as_deref()));
        format!("{name} / {}", role.unwrap_or(&held.app_role_id))
    }

    /// The id that the catalogue knows a role definition by.
    pub(crate) fn template<'a>(&'a self, definition: &'a str) -> &'a str {
        self.templates
            .get(&definition.to_lowercase())
            .map_or(definition, String::as_str)
    }
}

/// Whether a part of the tenant cannot be read, by lack of a permission or because the service behind does not answer.
pub(crate) fn is_refused(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Denied | ErrorKind::Unavailable)
}

/// How a group may be changed.
pub(crate) fn class(group: &Group) -> Class {
    let is = |kind: &str| group.group_types.iter().any(|name| name == kind);
    if is("DynamicMembership") {
        Class::Dynamic
    } else if group.on_premises_sync_enabled == Some(true) {
        Class::Synced
    } else if group.mail_enabled == Some(true) && !is("Unified") {
        Class::MailEnabled
    } else {
        Class::Assignable
    }
}

/// The entitlement of being a group's member. A group without a name goes by its id.
pub(crate) fn membership(target: &TargetId, group: &Group) -> Entitlement {
    let name = group.display_name.clone().filter(|name| !name.is_empty());
    Entitlement {
        target: target.clone(),
        kind: Kind::Group,
        id: group.id.clone(),
        name: name.unwrap_or_else(|| group.id.clone()),
    }
}

/// The id of a role in a scope: the role alone for the whole tenant, `role@scope` for a part of it, which is
/// another entitlement and must not count as the first.
pub(crate) fn scoped(role: &str, scope: &str) -> String {
    if scope == TENANT {
        role.to_owned()
    } else {
        format!("{role}@{scope}")
    }
}

/// The role and the scope of such an id.
pub(crate) fn unscoped(id: &str) -> (&str, &str) {
    id.split_once('@').unwrap_or((id, TENANT))
}

/// The id of a role in an application: `<service principal>/<role>`.
pub(crate) fn app_role(held: &AppRoleAssignment) -> String {
    format!("{}/{}", held.resource_id, held.app_role_id)
}

/// What stands, with a colon, in front of the id of a role that somebody may activate: an entitlement of its own, which
/// no policy gives and every leaver loses.
pub(crate) const ELIGIBLE: &str = "eligible";

/// The id of being eligible for a role (in a scope).
pub(crate) fn eligible(role: &str) -> String {
    format!("{ELIGIBLE}:{role}")
}

/// The role (in a scope) that somebody is eligible for, where that is what an id says.
pub(crate) fn if_eligible(id: &str) -> Option<&str> {
    id.strip_prefix(ELIGIBLE)?.strip_prefix(':')
}

fn group_item(group: Group, target: &TargetId) -> Item {
    Item {
        entitlement: membership(target, &group),
        class: class(&group),
        privileged: group.is_assignable_to_role == Some(true),
        seats: None,
        carries: group
            .assigned_licenses
            .into_iter()
            .map(|license| license.sku_id)
            .collect(),
    }
}

fn assignable_item(target: &TargetId, kind: Kind, id: String, name: String) -> Item {
    Item {
        entitlement: Entitlement {
            target: target.clone(),
            kind,
            id,
            name,
        },
        class: Class::Assignable,
        privileged: false,
        seats: None,
        carries: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn groups_are_classed_by_who_may_change_them() {
        let check = |group: serde_json::Value, expect: Class| {
            assert_eq!(class(&serde_json::from_value(group).unwrap()), expect);
        };
        check(
            json!({"id": "1", "groupTypes": [], "mailEnabled": false}),
            Class::Assignable,
        );
        check(
            json!({"id": "1", "groupTypes": ["Unified"], "mailEnabled": true}),
            Class::Assignable,
        );
        check(
            json!({"id": "1", "groupTypes": ["Unified", "DynamicMembership"]}),
            Class::Dynamic,
        );
        check(
            json!({"id": "1", "onPremisesSyncEnabled": true, "mailEnabled": true}),
            Class::Synced,
        );
        check(json!({"id": "1", "mailEnabled": true}), Class::MailEnabled);
        check(json!({"id": "1"}), Class::Assignable);
    }

    #[test]
    fn roles_in_a_part_of_the_tenant_are_entitlements_of_their_own() {
        for (role, scope, id) in [
            ("r", "/", "r"),
            ("r", "/administrativeUnits/a", "r@/administrativeUnits/a"),
        ] {
            assert_eq!(scoped(role, scope), id);
            assert_eq!(unscoped(id), (role, scope));
            assert_eq!((if_eligible(&eligible(id)), if_eligible(id)), (Some(id), None));
        }
    }
}
