//! Soft-deleted users: restorable for 30 days.
//!
//! Source: Microsoft Learn, "List deletedItems", "Restore deleted directory object item".

use iam_core::Result;
use iam_core::http::{Method, Request};

use crate::client::{GraphClient, Root};
use crate::listing::Listing;
use crate::odata::segment;
use crate::query::{Filter, Query};
use crate::users::{SELECT, User};

impl Root {
    pub(crate) fn deleted_users(&self, query: Query) -> Result<Request> {
        let path = "/directory/deletedItems/microsoft.graph.user";
        self.list(path, &query.or_default(SELECT), "find deleted users")
    }

    pub(crate) fn deleted_user(&self, id: &str) -> Request {
        let path = format!("/directory/deletedItems/{}", segment(id));
        self.get(&path, "get deleted user")
    }

    pub(crate) fn restore_user(&self, id: &str) -> Request {
        let path = format!("/directory/deletedItems/{}/restore", segment(id));
        // Repeating is harmless: what has been restored is no longer among the deleted.
        self.request(Method::Post, &path, "restore user").idempotent(true)
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
        self.send(self.root.restore_user(id)).await.map(drop)
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
            root().restore_user("u1"),
            "POST",
            "/directory/deletedItems/u1/restore",
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
