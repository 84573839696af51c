//! Who must stay: the last Global Administrators, without whom nobody could repair the tenant any more, and the
//! account that the platform itself runs as.

use std::collections::BTreeSet;

use iam_core::entitlement::{Entitlement, Keep, Kind};
use iam_core::http::Method;
use iam_core::{ErrorKind, Result};
use serde::Deserialize;

use crate::catalog::{Offer, is_refused};
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
        let entitlement = match items.find(role) {
            Some(role) => role.clone(),
            // It is there, whether or not it may be read.
            None if offer.unread(Kind::Role).is_some() => Entitlement {
                target: self.id.clone(),
                kind: Kind::Role,
                id: GLOBAL_ADMINISTRATOR.to_owned(),
                name: GLOBAL_ADMINISTRATOR.to_owned(),
            },
            None => return Ok(Vec::new()),
        };
        let mut keep = Keep {
            entitlement,
            least: LEAST,
            holders: None,
            through: BTreeSet::new(),
        };
        let query = Query::new().filter(Filter::eq("roleDefinitionId", GLOBAL_ADMINISTRATOR));
        let assigned = match self.client.stream_role_assignments(query)?.all().await {
            // Not to be read: then it is taken from nobody.
            Err(error) if is_refused(&error) => return Ok(vec![keep]),
            read => read?,
        };
        let principals: BTreeSet<String> = assigned
            .into_iter()
            .filter(|held: &RoleAssignment| held.scope() == TENANT)
            .map(|held| held.principal_id)
            .collect();
        let read = principals.iter().map(|id| self.who_holds(id, offer)).collect();
        let mut holders = BTreeSet::new();
        let read = match parallel(read).await {
            Err(error) if is_refused(&error) => return Ok(vec![keep]),
            read => read?,
        };
        for (id, holder) in principals.iter().zip(read) {
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
        if !offer.through_groups.contains_key(id) {
            match self.client.user(id).await {
                Ok(user) => return Ok(Holder::User(user.account_enabled == Some(true))),
                // A group all the same, where not all of them were told.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        let members = match self.client.list_member_users(id).await {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Holder::Other),
            members => members?.into_iter(),
        };
        let members = members.filter(|user| user.account_enabled == Some(true));
        Ok(Holder::Group(
            members.map(|user| user.id.to_lowercase()).collect(),
        ))
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
