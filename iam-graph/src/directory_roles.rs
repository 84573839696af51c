//! Directory roles as objects of the tenant: the older way to see who holds them, and the only one that memberships
//! show.
//!
//! Source: Microsoft Learn, "directoryRole resource type", "Activate directoryRole", "Add directory role member".

use iam_core::Result;
use iam_core::http::{Method, Request};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::client::{GraphClient, Root};
use crate::listing::Listing;
use crate::odata::segment;
use crate::query::Query;
use crate::users::DirectoryObject;

const ROLES: &str = "/directoryRoles";

/// A role that has been activated in the tenant.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
#[non_exhaustive]
pub struct DirectoryRole {
    /// Differs from tenant to tenant.
    pub id: String,
    pub display_name: Option<String>,
    /// The same in every tenant: what [`assign_role`](GraphClient::assign_role) takes.
    pub role_template_id: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl Root {
    pub(crate) fn list_directory_roles(&self, query: Query) -> Result<Request> {
        self.list(ROLES, &query.or_select(""), "list roles")
    }

    pub(crate) fn activate_role(&self, template: &str) -> Result<Request> {
        // Repeating is harmless: Graph refuses a second activation.
        self.request(Method::Post, ROLES, "activate role")
            .idempotent(true)
            .json(&json!({ "roleTemplateId": template }))
    }

    pub(crate) fn role_members(&self, role: &str, query: Query) -> Result<Request> {
        let path = format!("{ROLES}/{}/members", segment(role));
        self.list(&path, &query.or_select("id,displayName"), "list role assignments")
    }

    pub(crate) fn add_role_member(&self, role: &str, member: &str) -> Result<Request> {
        let relation = format!("{ROLES}/{}/members", segment(role));
        self.add_link(&relation, member, "assign role")
    }

    pub(crate) fn remove_role_member(&self, role: &str, member: &str) -> Request {
        let relation = format!("{ROLES}/{}/members", segment(role));
        self.remove_link(&relation, member, "remove role")
    }
}

impl GraphClient {
    /// The roles that are activated. A role that nobody has ever held may be missing: see
    /// [`list_roles`](Self::list_roles).
    pub async fn list_directory_roles(&self) -> Result<Vec<DirectoryRole>> {
        self.stream_directory_roles(Query::new())?.all().await
    }

    /// The roles that are activated and that a query describes. Graph knows no pages of them.
    ///
    /// # Errors
    /// [`Invalid`](iam_core::ErrorKind::Invalid) for a query that Graph would refuse.
    pub fn stream_directory_roles(&self, query: Query) -> Result<Listing<DirectoryRole>> {
        Ok(self.listing(self.root.list_directory_roles(query)?))
    }

    /// Activates a role by its template's id. Giving it by [`assign_role`](Self::assign_role) does that too.
    ///
    /// # Errors
    /// [`AlreadyExists`](iam_core::ErrorKind::AlreadyExists) when it is active.
    pub async fn activate_role(&self, template: &str) -> Result<DirectoryRole> {
        self.fetch(self.root.activate_role(template)?).await
    }

    /// Who holds an activated role for the whole tenant, by the role's object id.
    pub async fn list_role_members(&self, role: &str) -> Result<Vec<DirectoryObject>> {
        self.stream_role_members(role, Query::new())?.all().await
    }

    /// The same page by page. Where the query selects nothing, ids and display names are read.
    ///
    /// # Errors
    /// [`Invalid`](iam_core::ErrorKind::Invalid) for a query that Graph would refuse.
    pub fn stream_role_members(&self, role: &str, query: Query) -> Result<Listing<DirectoryObject>> {
        Ok(self.listing(self.root.role_members(role, query)?))
    }

    /// Gives an activated role for the whole tenant.
    ///
    /// # Errors
    /// [`AlreadyExists`](iam_core::ErrorKind::AlreadyExists) when it is held.
    pub async fn add_role_member(&self, role: &str, member: &str) -> Result<()> {
        self.send(self.root.add_role_member(role, member)?)
            .await
            .map(drop)
    }

    /// Takes an activated role.
    ///
    /// # Errors
    /// [`NotFound`](iam_core::ErrorKind::NotFound) when it is not held.
    pub async fn remove_role_member(&self, role: &str, member: &str) -> Result<()> {
        self.send(self.root.remove_role_member(role, member))
            .await
            .map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::tests::{check, root};

    #[test]
    fn requests_are_as_documented() {
        let body = json!({"roleTemplateId": "t1"});
        check(root().activate_role("t1").unwrap(), "POST", ROLES, body);
        let link = json!({"@odata.id": "https://graph.microsoft.com/v1.0/directoryObjects/u1"});
        let add = root().add_role_member("r1", "u1").unwrap();
        check(add, "POST", "/directoryRoles/r1/members/$ref", link);
        let remove = root().remove_role_member("r1", "u1");
        check(
            remove,
            "DELETE",
            "/directoryRoles/r1/members/u1/$ref",
            Value::Null,
        );
    }
}
