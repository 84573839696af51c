//! What Azure offers at the scopes that a policy names, and the names that observations use.

use std::collections::{BTreeSet, HashMap};

use iam_core::entitlement::{Catalog, Class, Entitlement, Item, Kind, TargetId};
use iam_core::{ErrorKind, Result};

use crate::client::ArmClient;
use crate::error::is_gone;
use crate::scope::Scope;
use crate::target::parallel;

/// The catalogue, and what is needed to name what somebody holds.
#[derive(Debug, Default)]
pub(crate) struct Offer {
    pub(crate) catalog: Catalog,
    /// The names of roles by GUID in lower case.
    names: HashMap<String, String>,
}

impl Offer {
    /// Reads all of it: one collection for each scope. One that is refused or down is noted, and keeps no other waiting.
    pub(crate) async fn read(
        client: &ArmClient,
        target: &TargetId,
        scopes: &BTreeSet<Scope>,
    ) -> Result<Self> {
        let read = async |scope| match client.list_roles(scope).await {
            // Nothing is offered where nothing is any more: who was given something there still has to be
            // looked at.
            Err(error) if is_gone(&error) => Ok(Ok(Vec::new())),
            Err(error) if matches!(error.kind(), ErrorKind::Denied | ErrorKind::Unavailable) => {
                Ok(Err(format!("at {scope}: {error}")))
            }
            roles => roles.map(Ok),
        };
        let roles = parallel(scopes.iter().map(read).collect()).await?;
        let mut offer = Self::default();
        let mut unread = Vec::new();
        for (scope, roles) in scopes.iter().zip(roles) {
            let roles = match roles {
                Ok(roles) => roles,
                Err(why) => {
                    unread.push(why);
                    continue;
                }
            };
            for role in roles {
                let (guid, name) = (role.guid(), &role.properties.role_name);
                offer.catalog.items.push(Item {
                    entitlement: entitlement(target, &guid, name, scope),
                    class: Class::Assignable,
                    privileged: role.is_privileged(),
                    seats: None,
                    carries: Vec::new(),
                });
                offer.names.insert(guid, name.clone());
            }
        }
        if !unread.is_empty() {
            offer.catalog.unread.insert(Kind::Azure, unread.join("; "));
        }
        Ok(offer)
    }

    /// Whether nobody can tell all of what is offered.
    pub(crate) fn is_unread(&self) -> bool {
        !self.catalog.unread.is_empty()
    }

    /// The name of a role, if it is offered at one of the scopes.
    pub(crate) fn name_of(&self, role: &str) -> Option<&str> {
        self.names.get(&role.to_lowercase()).map(String::as_str)
    }
}

/// A role at a scope: `<GUID>@<scope>` in lower case is its id, `<name> @ <scope>` its name.
pub(crate) fn entitlement(target: &TargetId, role: &str, name: &str, scope: &Scope) -> Entitlement {
    Entitlement {
        target: target.clone(),
        kind: Kind::Azure,
        id: format!("{}@{}", role.to_lowercase(), scope.lower()),
        name: format!("{name} @ {scope}"),
    }
}
