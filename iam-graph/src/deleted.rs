//! Soft-deleted users, Microsoft 365 groups and administrative units: restorable for 30 days.
//!
//! Source: Microsoft Learn, "List deletedItems", "Restore deleted item (directory object)", "Permanently delete item
//! (directory object)".

use std::fmt;

use iam_core::Result;
use iam_core::http::{Method, Request};
use serde_json::Map;

use crate::client::{GraphClient, Root};
use crate::groups::Group;
use crate::listing::Listing;
use crate::odata::segment;
use crate::query::{Filter, Query};
use crate::units::AdministrativeUnit;
use crate::users::{SELECT, User};

const USERS: &str = "/directory/deletedItems/microsoft.graph.user";

/// Whether a filter is short enough to search the deleted users with.
pub(crate) fn fits(filter: &Filter) -> bool {
    let query = Query::new().filter(filter.clone());
    query.or_default(SELECT).path(USERS).is_ok()
}

/// How to restore a user whose name or addresses have been taken meanwhile. `Debug` prints no name.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct RestoreOptions {
    /// The sign-in name to restore the user under.
    pub new_user_principal_name: Option<String>,
    /// Give up the mail addresses that others have now (`autoReconcileProxyConflict`).
    pub drop_taken_addresses: bool,
}

impl fmt::Debug for RestoreOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RestoreOptions")
            .field("renamed", &self.new_user_principal_name.is_some())
            .field("drop_taken_addresses", &self.drop_taken_addresses)
            .finish()
    }
}

impl Root {
    pub(crate) fn deleted_users(&self, query: Query) -> Result<Request> {
        self.list(USERS, &query.or_default(SELECT), "find deleted users")
    }

    pub(crate) fn deleted_user(&self, id: &str) -> Request {
        let path = format!("/directory/deletedItems/{}", segment(id));
        self.get(&path, "get deleted user")
    }

    pub(crate) fn restore(&self, id: &str, operation: &'static str) -> Request {
        let path = format!("/directory/deletedItems/{}/restore", segment(id));
        // Repeating is harmless: what has been restored is no longer among the deleted.
        self.request(Method::Post, &path, operation).idempotent(true)
    }

    pub(crate) fn restore_user_as(&self, id: &str, how: &RestoreOptions) -> Result<Request> {
        let mut body = Map::new();
        if let Some(name) = &how.new_user_principal_name {
            body.insert("newUserPrincipalName".to_owned(), name.as_str().into());
        }
        if how.drop_taken_addresses {
            body.insert("autoReconcileProxyConflict".to_owned(), true.into());
        }
        self.restore(id, "restore user").json(&body)
    }

    pub(crate) fn deleted_groups(&self, query: Query) -> Result<Request> {
        let path = "/directory/deletedItems/microsoft.graph.group";
        self.list(path, &query.or_default(""), "list deleted groups")
    }

    pub(crate) fn purge(&self, id: &str) -> Request {
        let path = format!("/directory/deletedItems/{}", segment(id));
        self.request(Method::Delete, &path, "delete for good")
    }
}

impl GraphClient {
    /// The soft-deleted users that a filter describes: always an advanced query.
    ///
    /// # Errors
    /// [`Invalid`](iam_core::ErrorKind::Invalid) for a filter that Graph would refuse.
    pub async fn find_deleted_users(&self, filter: &Filter) -> Result<Vec<User>> {
        self.stream_deleted_users(Query::new().filter(filter.clone()))?
            .all()
            .await
    }

    /// The soft-deleted users that a query describes, page by page.
    ///
    /// # Errors
    /// [`Invalid`](iam_core::ErrorKind::Invalid) for a query that Graph would refuse.
    pub fn stream_deleted_users(&self, query: Query) -> Result<Listing<User>> {
        Ok(self.listing(self.root.deleted_users(query)?))
    }

    /// One soft-deleted user, by id, with the properties that Graph sends by default.
    ///
    /// # Errors
    /// [`NotFound`](iam_core::ErrorKind::NotFound) when it is not among the deleted.
    pub async fn deleted_user(&self, id: &str) -> Result<User> {
        self.fetch(self.root.deleted_user(id)).await
    }

    /// Restores a soft-deleted user; sign-in stays as it was.
    ///
    /// # Errors
    /// [`NotFound`](iam_core::ErrorKind::NotFound) when it is not among the deleted,
    /// [`AlreadyExists`](iam_core::ErrorKind::AlreadyExists) when its name has been taken meanwhile.
    pub async fn restore_user(&self, id: &str) -> Result<()> {
        self.send(self.root.restore(id, "restore user")).await.map(drop)
    }

    /// Restores a soft-deleted user whose name or mail address has been taken meanwhile. Gives the user with the
    /// properties that Graph sends by default.
    ///
    /// # Errors
    /// As [`restore_user`](Self::restore_user).
    pub async fn restore_user_as(&self, id: &str, how: &RestoreOptions) -> Result<User> {
        self.fetch(self.root.restore_user_as(id, how)?).await
    }

    /// The soft-deleted Microsoft 365 groups.
    pub async fn list_deleted_groups(&self) -> Result<Vec<Group>> {
        self.stream_deleted_groups(Query::new())?.all().await
    }

    /// The soft-deleted groups that a query describes, page by page.
    ///
    /// # Errors
    /// [`Invalid`](iam_core::ErrorKind::Invalid) for a query that Graph would refuse.
    pub fn stream_deleted_groups(&self, query: Query) -> Result<Listing<Group>> {
        Ok(self.listing(self.root.deleted_groups(query)?))
    }

    /// Restores a soft-deleted Microsoft 365 group with its members and owners.
    ///
    /// # Errors
    /// As [`restore_user`](Self::restore_user).
    pub async fn restore_group(&self, id: &str) -> Result<Group> {
        self.fetch(self.root.restore(id, "restore group")).await
    }

    /// Restores a soft-deleted administrative unit with its members.
    ///
    /// # Errors
    /// [`NotFound`](iam_core::ErrorKind::NotFound) when it is not among the deleted.
    pub async fn restore_unit(&self, id: &str) -> Result<AdministrativeUnit> {
        self.fetch(self.root.restore(id, "restore administrative unit"))
            .await
    }

    /// Deletes a soft-deleted user, group or unit for good: **nothing brings it back**.
    ///
    /// # Errors
    /// [`NotFound`](iam_core::ErrorKind::NotFound) when it is not among the deleted; what lives is never touched.
    pub async fn purge(&self, id: &str) -> Result<()> {
        self.send(self.root.purge(id)).await.map(drop)
    }
}

/// The name that a soft-deleted user had. On deletion Entra puts the object id, without hyphens, in front
/// of the user principal name, so that the name becomes free.
pub(crate) fn name_before(user: &User) -> &str {
    let name = user.user_principal_name.as_deref().unwrap_or_default();
    let id = user.id.replace('-', "");
    match name.get(..id.len()) {
        Some(prefix) if !id.is_empty() && prefix.eq_ignore_ascii_case(&id) => &name[id.len()..],
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::tests::{check, root};
    use serde_json::{Value, json};

    #[test]
    fn requests_are_as_documented() {
        let request = root()
            .deleted_users(Query::new().filter(Filter::one_of("employeeId", ["W-1"])))
            .unwrap();
        assert_eq!(
            request.headers,
            [("ConsistencyLevel".to_owned(), "eventual".to_owned())]
        );
        let path = format!(
            "/directory/deletedItems/microsoft.graph.user?$select={SELECT}&$count=true&$top=999&$filter=employeeId%20in%20%28%27W-1%27%29"
        );
        check(request, "GET", &path, Value::Null);
        let deleted = root().deleted_user("u1");
        check(deleted, "GET", "/directory/deletedItems/u1", Value::Null);
        check(
            root().restore("u1", "restore user"),
            "POST",
            "/directory/deletedItems/u1/restore",
            Value::Null,
        );
        let how = RestoreOptions {
            new_user_principal_name: Some("ada2@x.example".into()),
            drop_taken_addresses: true,
        };
        let body = json!({"newUserPrincipalName": "ada2@x.example", "autoReconcileProxyConflict": true});
        check(
            root().restore_user_as("u1", &how).unwrap(),
            "POST",
            "/directory/deletedItems/u1/restore",
            body,
        );
        assert!(!format!("{how:?}").contains("ada2"));
        let plain = root().restore_user_as("u1", &RestoreOptions::default()).unwrap();
        check(plain, "POST", "/directory/deletedItems/u1/restore", json!({}));
        check(
            root().purge("u1"),
            "DELETE",
            "/directory/deletedItems/u1",
            Value::Null,
        );
    }

    #[test]
    fn the_name_of_a_deleted_user_is_recognised() {
        let check = |name: &str, expect: &str| {
            let user: User = serde_json::from_value(
                json!({"id": "8f1c2d3e-0000-4000-8000-0123456789ab", "userPrincipalName": name}),
            )
            .unwrap();
            assert_eq!(name_before(&user), expect);
        };
        check("8f1c2d3e000040008000", "8f1c2d3e000040008000");
        check("8f1c2d3e0000400080000123456789abAda@x.example", "Ada@x.example");
        check("ada@x.example", "ada@x.example");
    }
}
