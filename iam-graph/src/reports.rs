//! Who reports to whom.
//!
//! Source: Microsoft Learn, "List manager", "Assign manager", "Remove manager", "List directReports".

use iam_core::http::{Method, Request};
use iam_core::{ErrorKind, Result};

use crate::client::{GraphClient, Root};
use crate::listing::Listing;
use crate::odata::{query, segment};
use crate::query::Query;
use crate::users::{DirectoryObject, SELECT, User};

impl Root {
    pub(crate) fn manager(&self, id: &str) -> Request {
        let path = format!("/users/{}/manager", segment(id));
        self.get(&query(&path, &[("$select", SELECT)]), "get manager")
    }

    pub(crate) fn remove_manager(&self, id: &str) -> Request {
        let path = format!("/users/{}/manager/$ref", segment(id));
        self.request(Method::Delete, &path, "remove manager")
    }

    pub(crate) fn managers_of(&self, id: &str) -> Request {
        let options = [
            ("$select", "id"),
            ("$count", "true"),
            (
                "$expand",
                "manager($levels=max;$select=id,displayName,userPrincipalName)",
            ),
        ];
        let path = query(&format!("/users/{}", segment(id)), &options);
        // Levels are an advanced query: they need the header and the count.
        self.get(&path, "get manager")
            .header("ConsistencyLevel", "eventual")
    }

    pub(crate) fn direct_reports(&self, id: &str, query: Query) -> Result<Request> {
        let path = format!("/users/{}/directReports", segment(id));
        let query = query.or_default("id,displayName,userPrincipalName");
        self.list(&path, &query, "list direct reports")
    }
}

impl GraphClient {
    /// The manager of a user; `None` for who has none.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound) when the user does not exist.
    pub async fn manager(&self, id: &str) -> Result<Option<User>> {
        match self.fetch(self.root.manager(id)).await {
            Ok(manager) => Ok(Some(manager)),
            // Graph answers alike for "nobody" and "no such user".
            Err(error) if error.kind() == ErrorKind::NotFound => {
                self.send(self.root.user_with(id, &["id"])).await?;
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// A user's manager, the manager's manager, and so on to the top: ids, display names and sign-in names.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound) when the user does not exist.
    pub async fn managers_of(&self, id: &str) -> Result<Vec<DirectoryObject>> {
        let user: DirectoryObject = self.fetch(self.root.managers_of(id)).await?;
        let mut chain = Vec::new();
        let mut next = user.other.get("manager").cloned();
        while let Some(above) = next {
            let Ok(mut manager) = serde_json::from_value::<DirectoryObject>(above) else {
                break; // null: the top
            };
            next = manager.other.remove("manager");
            chain.push(manager);
        }
        Ok(chain)
    }

    /// Unlinks the manager.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound) when there is none.
    pub async fn remove_manager(&self, id: &str) -> Result<()> {
        self.send(self.root.remove_manager(id)).await.map(drop)
    }

    /// Who reports to a user: ids, display names and sign-in names.
    pub async fn direct_reports(&self, id: &str) -> Result<Vec<DirectoryObject>> {
        self.stream_direct_reports(id, Query::new())?.all().await
    }

    /// Who reports to a user, page by page. Where the query selects nothing, ids, display names and sign-in names are
    /// read.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) for a query that Graph would refuse.
    pub fn stream_direct_reports(&self, id: &str, query: Query) -> Result<Listing<DirectoryObject>> {
        Ok(self.listing(self.root.direct_reports(id, query)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::tests::{check, root};
    use serde_json::Value;

    #[test]
    fn requests_are_as_documented() {
        let path = format!("/users/u1/manager?$select={SELECT}");
        check(root().manager("u1"), "GET", &path, Value::Null);
        check(
            root().remove_manager("u1"),
            "DELETE",
            "/users/u1/manager/$ref",
            Value::Null,
        );
        let request = root().managers_of("u1");
        assert_eq!(
            request.headers,
            [("ConsistencyLevel".to_owned(), "eventual".to_owned())]
        );
        let path = "/users/u1?$select=id&$count=true&$expand=manager($levels=max%3B$select=id,displayName,userPrincipalName)";
        check(request, "GET", path, Value::Null);
        let path = "/users/u1/directReports?$select=id,displayName,userPrincipalName&$top=999";
        let reports = root().direct_reports("u1", Query::new()).unwrap();
        check(reports, "GET", path, Value::Null);
    }
}
