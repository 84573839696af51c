//! Who has which role in which application.
//!
//! Source: Microsoft Learn, "appRoleAssignment resource type", "List appRoleAssignments granted to a user", "Grant an
//! appRoleAssignment for a service principal", "Delete an appRoleAssignment that a user has been granted".

use iam_core::Result;
use iam_core::http::{Method, Request};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::client::{GraphClient, Root};
use crate::listing::Listing;
use crate::odata::segment;
use crate::query::Query;
use crate::users::prints_only;

/// The role of somebody who is assigned to an application that has declared none.
pub const DEFAULT_ROLE: &str = "00000000-0000-0000-0000-000000000000";

/// A role in an application that somebody has. `Debug` prints no names of people.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
#[non_exhaustive]
pub struct AppRoleAssignment {
    pub id: String,
    /// [`DEFAULT_ROLE`] where the application has no roles.
    pub app_role_id: String,
    pub principal_id: String,
    /// `User`, `Group` or `ServicePrincipal`. Among a user's assignments those with `Group` come through that group.
    pub principal_type: Option<String>,
    pub principal_display_name: Option<String>,
    /// The object id of the application's service principal.
    pub resource_id: String,
    pub resource_display_name: Option<String>,
    /// RFC 3339, UTC.
    pub created_date_time: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

prints_only! {
    AppRoleAssignment: id, app_role_id, principal_id, resource_id;
}

impl AppRoleAssignment {
    /// Whether the principal has the role itself. Among a user's roles others come through groups.
    pub fn is_own(&self) -> bool {
        self.principal_type.as_deref() != Some("Group")
    }
}

/// Whose roles are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Holder<'a> {
    /// A user, by id or user principal name.
    User(&'a str),
    /// A group, by id.
    Group(&'a str),
    /// A service principal, by object id.
    ServicePrincipal(&'a str),
}

impl Holder<'_> {
    fn path(self) -> String {
        let (collection, id) = match self {
            Self::User(id) => ("users", id),
            Self::Group(id) => ("groups", id),
            Self::ServicePrincipal(id) => ("servicePrincipals", id),
        };
        format!("/{collection}/{}/appRoleAssignments", segment(id))
    }
}

impl Root {
    pub(crate) fn app_roles_of(&self, holder: Holder<'_>, query: Query) -> Result<Request> {
        self.list(&holder.path(), &query.or_default(""), "list app roles")
    }

    pub(crate) fn holders_of(&self, resource: &str, query: Query) -> Result<Request> {
        let path = format!("/servicePrincipals/{}/appRoleAssignedTo", segment(resource));
        self.list(&path, &query.or_default(""), "list app roles")
    }

    pub(crate) fn assign_app_role(&self, principal: &str, resource: &str, role: &str) -> Result<Request> {
        let path = format!("/servicePrincipals/{}/appRoleAssignedTo", segment(resource));
        // Repeating is harmless: Graph refuses a second assignment of the same role.
        self.request(Method::Post, &path, "assign app role")
            .idempotent(true)
            .json(&json!({ "principalId": principal, "resourceId": resource, "appRoleId": role }))
    }

    pub(crate) fn remove_app_role(&self, holder: Holder<'_>, assignment: &str) -> Request {
        let path = format!("{}/{}", holder.path(), segment(assignment));
        self.request(Method::Delete, &path, "remove app role")
    }
}

impl GraphClient {
    /// The roles that a user, a group or a service principal has; for a user also those of the groups that it is a
    /// direct member of.
    pub async fn app_roles_of(&self, holder: Holder<'_>) -> Result<Vec<AppRoleAssignment>> {
        self.stream_app_roles_of(holder, Query::new())?.all().await
    }

    /// The same page by page.
    ///
    /// # Errors
    /// [`Invalid`](iam_core::ErrorKind::Invalid) for a query that Graph would refuse.
    pub fn stream_app_roles_of(
        &self,
        holder: Holder<'_>,
        query: Query,
    ) -> Result<Listing<AppRoleAssignment>> {
        Ok(self.listing(self.root.app_roles_of(holder, query)?))
    }

    /// Everybody who has a role in an application, by the object id of its service principal.
    pub async fn holders_of(&self, resource: &str) -> Result<Vec<AppRoleAssignment>> {
        self.stream_holders_of(resource, Query::new())?.all().await
    }

    /// The same, page by page.
    ///
    /// # Errors
    /// [`Invalid`](iam_core::ErrorKind::Invalid) for a query that Graph would refuse.
    pub fn stream_holders_of(&self, resource: &str, query: Query) -> Result<Listing<AppRoleAssignment>> {
        Ok(self.listing(self.root.holders_of(resource, query)?))
    }

    /// Gives a role, by ids: the principal, the application's service principal, the role ([`DEFAULT_ROLE`] where it
    /// has declared none).
    ///
    /// # Errors
    /// [`AlreadyExists`](iam_core::ErrorKind::AlreadyExists) when the principal has it;
    /// [`NotFound`](iam_core::ErrorKind::NotFound) when principal or application do not exist, or the application has
    /// no such role that is enabled and for principals of that kind, or not everywhere yet.
    pub async fn assign_app_role(
        &self,
        principal: &str,
        resource: &str,
        role: &str,
    ) -> Result<AppRoleAssignment> {
        self.fetch(self.root.assign_app_role(principal, resource, role)?)
            .await
    }

    /// Takes a role, by the assignment's id.
    ///
    /// # Errors
    /// [`NotFound`](iam_core::ErrorKind::NotFound) when there is no such assignment of that holder itself.
    pub async fn remove_app_role(&self, holder: Holder<'_>, assignment: &str) -> Result<()> {
        self.send(self.root.remove_app_role(holder, assignment))
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
        let body = json!({"principalId": "u1", "resourceId": "s1", "appRoleId": "r1"});
        check(
            root().assign_app_role("u1", "s1", "r1").unwrap(),
            "POST",
            "/servicePrincipals/s1/appRoleAssignedTo",
            body,
        );
        for (holder, path) in [
            (Holder::User("a@b"), "/users/a%40b/appRoleAssignments"),
            (Holder::Group("g1"), "/groups/g1/appRoleAssignments"),
            (
                Holder::ServicePrincipal("s1"),
                "/servicePrincipals/s1/appRoleAssignments",
            ),
        ] {
            check(
                root().app_roles_of(holder, Query::new()).unwrap(),
                "GET",
                &format!("{path}?$top=999"),
                Value::Null,
            );
            check(
                root().remove_app_role(holder, "x-_y"),
                "DELETE",
                &format!("{path}/x-_y"),
                Value::Null,
            );
        }
        let path = "/servicePrincipals/s1/appRoleAssignedTo?$top=999";
        check(
            root().holders_of("s1", Query::new()).unwrap(),
            "GET",
            path,
            Value::Null,
        );
    }
}
