//! Directory roles and who holds them.
//!
//! Source: Microsoft Learn, "unifiedRoleDefinition resource type", "unifiedRoleAssignment resource type".

use iam_core::Result;
use iam_core::http::{Method, Request};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::client::{GraphClient, Root};
use crate::listing::Listing;
use crate::odata::segment;
use crate::query::{Filter, Query};

/// The scope of the whole tenant.
pub const TENANT: &str = "/";

const ASSIGNMENTS: &str = "/roleManagement/directory/roleAssignments";

/// A role that can be assigned.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
#[non_exhaustive]
pub struct RoleDefinition {
    pub id: String,
    /// The same in every tenant for built-in roles.
    pub template_id: Option<String>,
    pub display_name: String,
    pub is_enabled: Option<bool>,
    /// Everything else.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// A role that somebody holds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
#[non_exhaustive]
pub struct RoleAssignment {
    pub id: String,
    pub role_definition_id: String,
    pub principal_id: String,
    /// `/` for the whole tenant, `/administrativeUnits/<id>`, or absent where an app defines the scope.
    pub directory_scope_id: Option<String>,
    pub app_scope_id: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl RoleAssignment {
    /// Where the role holds: [`TENANT`], a directory scope or an app's scope.
    pub fn scope(&self) -> &str {
        let scope = self
            .directory_scope_id
            .as_deref()
            .or(self.app_scope_id.as_deref());
        scope.unwrap_or(TENANT)
    }
}

impl Root {
    pub(crate) fn list_roles(&self, query: Query) -> Result<Request> {
        let query = query.or_select("id,templateId,displayName,isEnabled");
        self.list("/roleManagement/directory/roleDefinitions", &query, "list roles")
    }

    pub(crate) fn role_assignments(&self, query: Query) -> Result<Request> {
        self.list(ASSIGNMENTS, &query.or_select(""), "list role assignments")
    }

    pub(crate) fn assign_role(&self, principal: &str, role: &str, scope: &str) -> Result<Request> {
        // Repeating is harmless: Graph refuses a second assignment of the same role and scope.
        self.request(Method::Post, ASSIGNMENTS, "assign role")
            .idempotent(true)
            .json(&json!({
                "@odata.type": "#microsoft.graph.unifiedRoleAssignment",
                "roleDefinitionId": role,
                "principalId": principal,
                "directoryScopeId": scope,
            }))
    }

    pub(crate) fn remove_role(&self, assignment: &str) -> Request {
        let path = format!("{ASSIGNMENTS}/{}", segment(assignment));
        self.request(Method::Delete, &path, "remove role")
    }
}

impl GraphClient {
    /// The roles of the tenant, disabled ones included.
    pub async fn list_roles(&self) -> Result<Vec<RoleDefinition>> {
        self.stream_roles(Query::new())?.all().await
    }

    /// The roles that a query describes, page by page. Where it selects nothing, all that [`RoleDefinition`] names is
    /// read.
    ///
    /// # Errors
    /// [`Invalid`](iam_core::ErrorKind::Invalid) for a query that Graph would refuse.
    pub fn stream_roles(&self, query: Query) -> Result<Listing<RoleDefinition>> {
        Ok(self.listing(self.root.list_roles(query)?))
    }

    /// The roles assigned to a principal itself, in any scope.
    pub async fn roles_of(&self, principal: &str) -> Result<Vec<RoleAssignment>> {
        let query = Query::new().filter(Filter::eq("principalId", principal));
        self.stream_role_assignments(query)?.all().await
    }

    /// The role assignments that a query describes, page by page.
    ///
    /// # Errors
    /// [`Invalid`](iam_core::ErrorKind::Invalid) for a query that Graph would refuse.
    pub fn stream_role_assignments(&self, query: Query) -> Result<Listing<RoleAssignment>> {
        Ok(self.listing(self.root.role_assignments(query)?))
    }

    /// Assigns a role, by definition or template id, in a scope ([`TENANT`]).
    ///
    /// # Errors
    /// [`AlreadyExists`](iam_core::ErrorKind::AlreadyExists) when it is assigned already.
    pub async fn assign_role(&self, principal: &str, role: &str, scope: &str) -> Result<RoleAssignment> {
        self.fetch(self.root.assign_role(principal, role, scope)?).await
    }

    /// Removes an assignment by its id.
    ///
    /// # Errors
    /// [`NotFound`](iam_core::ErrorKind::NotFound) when there is none.
    pub async fn remove_role(&self, assignment: &str) -> Result<()> {
        self.send(self.root.remove_role(assignment)).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::tests::{check, root};

    #[test]
    fn requests_are_as_documented() {
        let assignments = "/roleManagement/directory/roleAssignments";
        let body = json!({
            "@odata.type": "#microsoft.graph.unifiedRoleAssignment",
            "roleDefinitionId": "r1", "principalId": "u1", "directoryScopeId": "/",
        });
        check(
            root().assign_role("u1", "r1", TENANT).unwrap(),
            "POST",
            assignments,
            body,
        );
        check(
            root().remove_role("a/1"),
            "DELETE",
            &format!("{assignments}/a%2F1"),
            Value::Null,
        );
        let path = format!("{assignments}?$filter=principalId%20eq%20%27u1%27");
        let of = Query::new().filter(Filter::eq("principalId", "u1"));
        check(root().role_assignments(of).unwrap(), "GET", &path, Value::Null);
        let path = "/roleManagement/directory/roleDefinitions?$select=id,templateId,displayName,isEnabled";
        check(root().list_roles(Query::new()).unwrap(), "GET", path, Value::Null);
    }
}
