//! Who must stay: the last Global Administrators, without whom nobody could repair the tenant any more, and the
//! account that the platform itself runs as.

use std::collections::BTreeSet;

use iam_core::entitlement::{Entitlement, Keep, Kind};
use iam_core::http::Method;
use iam_core::{ErrorKind, Result};
use serde::Deserialize;

use crate::catalog::Offer;
use crate::query::{Filter, Query};
use crate::roles::{RoleAssignment, TENANT};
use crate::target::{GraphTarget, parallel};

/// The template of the role (Microsoft Learn, "Microsoft Entra built-in roles").
const GLOBAL_ADMINISTRATOR: &str = "62e90394-69f5-4237-9190-012177145e10";
/// How many of them there must be who can sign in.
const LEAST: usize = 1;

#[derive(Deserialize)]
struct Me {
    id: String,
}

/// Somebody, or a group, who holds the role.
enum Holder {
    /// Whether the account may sign in.
    User(bool),
    Group(Vec<String>),
    /// An application: it repairs nothing by itself.
    Other,
}

impl GraphTarget {
    /// The roles that some of their holders must keep, with those who hold them for the whole tenant.
    pub(crate) async fn keep(&self, offer: &Offer) -> Result<Vec<Keep>> {
        let mut items = offer.catalog.items.iter().map(|item| &item.entitlement);
        let role = |what: &&Entitlement| {
            what.kind == Kind::Role && what.id.eq_ignore_ascii_case(GLOBAL_ADMINISTRATOR)
        };
        let Some(role) = items.find(role) else {
            return Ok(Vec::new());
        };
        let mut keep = Keep {
            entitlement: role.clone(),
            least: LEAST,
            holders: None,
            through: BTreeSet::new(),
        };
        let query = Query::new().filter(Filter::eq("roleDefinitionId", GLOBAL_ADMINISTRATOR));
        let assigned = match self.client.stream_role_assignments(query)?.all().await {
            // Not to be read: then it is taken from nobody.
            Err(error) if error.kind() == ErrorKind::Denied => return Ok(vec![keep]),
            read => read?,
        };
        let principals: BTreeSet<String> = assigned
            .into_iter()
            .filter(|held: &RoleAssignment| held.scope() == TENANT)
            .map(|held| held.principal_id)
            .collect();
        let read = principals.iter().map(|id| self.who_holds(id, offer)).collect();
        let mut holders = BTreeSet::new();
        for (id, holder) in principals.iter().zip(parallel(read).await?) {
            match holder {
                Holder::User(true) => {
                    holders.insert(id.to_lowercase());
                }
                Holder::Group(members) => {
                    keep.through.insert(id.to_lowercase());
                    holders.extend(members);
                }
                Holder::User(false) | Holder::Other => {}
            }
        }
        keep.holders = Some(holders);
        Ok(vec![keep])
    }

    async fn who_holds(&self, id: &str, offer: &Offer) -> Result<Holder> {
        if offer.through_groups.contains_key(id) {
            let members = self.client.list_member_users(id).await?.into_iter();
            let members = members.filter(|user| user.account_enabled == Some(true));
            return Ok(Holder::Group(
                members.map(|user| user.id.to_lowercase()).collect(),
            ));
        }
        match self.client.user(id).await {
            Ok(user) => Ok(Holder::User(user.account_enabled == Some(true))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Holder::Other),
            Err(error) => Err(error),
        }
    }

    /// The accounts that the platform runs as, lower case: those it was told of, and the user who is signed in. An
    /// application that runs by itself is none (Microsoft Learn, "Get a user": `/me` is for delegated access).
    pub(crate) async fn own(&self) -> Result<BTreeSet<String>> {
        let signed_in = self.signed_in.get_or_try_init(async || {
            match self
                .client
                .request(Method::Get, "/me?$select=id", None, "get me")
                .await
            {
                Ok(answer) => Ok(Some(answer.json::<Me>()?.id.to_lowercase())),
                Err(error) => match error.kind() {
                    ErrorKind::Invalid
                    | ErrorKind::Denied
                    | ErrorKind::NotFound
                    | ErrorKind::Unauthenticated => Ok(None),
                    _ => Err(error),
                },
            }
        });
        let signed_in = signed_in.await?.clone();
        Ok(self.runs_as.iter().cloned().chain(signed_in).collect())
    }
}
