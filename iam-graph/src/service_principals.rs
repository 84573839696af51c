//! Service principals: what an application is in this tenant.
//!
//! Source: Microsoft Learn, "servicePrincipal resource type", "Create servicePrincipal", "Update servicePrincipal".

use iam_core::Result;
use iam_core::http::{Method, Request};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::applications::{AppRole, by_app_id};
use crate::client::{GraphClient, Root};
use crate::field::Patch;
use crate::listing::Listing;
use crate::odata::{self, segment};
use crate::query::{Filter, Query};
use crate::users::or_empty;

const SELECT: &str = "id,appId,displayName,accountEnabled,servicePrincipalType,appOwnerOrganizationId,appRoleAssignmentRequired,appRoles,servicePrincipalNames,tags";

/// A service principal. Fields unknown here are in [`other`](Self::other).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
#[non_exhaustive]
pub struct ServicePrincipal {
    /// The object id: what role assignments name, and what the paths of Graph take.
    pub id: String,
    /// The client id of its application.
    pub app_id: String,
    pub display_name: Option<String>,
    /// Whether anybody can sign in to it, and it itself.
    pub account_enabled: Option<bool>,
    /// `Application`, `ManagedIdentity`, `Legacy` or `SocialIdp`.
    pub service_principal_type: Option<String>,
    /// The tenant that the application is registered in.
    pub app_owner_organization_id: Option<String>,
    /// Whether only those may sign in who have a role in it.
    pub app_role_assignment_required: Option<bool>,
    #[serde(deserialize_with = "or_empty")]
    pub app_roles: Vec<AppRole>,
    #[serde(deserialize_with = "or_empty")]
    pub service_principal_names: Vec<String>,
    #[serde(deserialize_with = "or_empty")]
    pub tags: Vec<String>,
    /// RFC 3339; set once soft-deleted.
    pub deleted_date_time: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl ServicePrincipal {
    /// The declared role of that `value` or id.
    pub fn role(&self, name: &str) -> Option<&AppRole> {
        let named =
            |role: &&AppRole| role.value.as_deref() == Some(name) || role.id.eq_ignore_ascii_case(name);
        self.app_roles.iter().find(named)
    }
}

impl Root {
    pub(crate) fn list_service_principals(&self, query: Query) -> Result<Request> {
        self.list(
            "/servicePrincipals",
            &query.or_default(SELECT),
            "list service principals",
        )
    }

    pub(crate) fn service_principal(&self, id: &str) -> Request {
        let path = format!("/servicePrincipals/{}", segment(id));
        self.get(
            &odata::query(&path, &[("$select", SELECT)]),
            "get service principal",
        )
    }

    pub(crate) fn create_service_principal(&self, app_id: &str) -> Result<Request> {
        // Repeating is harmless: Graph refuses a second one of the same application.
        self.request(Method::Post, "/servicePrincipals", "create service principal")
            .idempotent(true)
            .json(&json!({ "appId": app_id }))
    }

    pub(crate) fn update_service_principal(&self, id: &str, changes: &Patch) -> Result<Request> {
        let path = format!("/servicePrincipals/{}", segment(id));
        self.request(Method::Patch, &path, "update service principal")
            .json(changes)
    }

    pub(crate) fn delete_service_principal(&self, id: &str) -> Request {
        let path = format!("/servicePrincipals/{}", segment(id));
        self.request(Method::Delete, &path, "delete service principal")
    }
}

impl GraphClient {
    /// Every service principal of the tenant: own applications, foreign ones, managed identities, Microsoft's.
    pub async fn list_service_principals(&self) -> Result<Vec<ServicePrincipal>> {
        self.stream_service_principals(Query::new())?.all().await
    }

    /// The service principals that a filter describes.
    ///
    /// # Errors
    /// [`Invalid`](iam_core::ErrorKind::Invalid) for a filter that Graph would refuse.
    pub async fn find_service_principals(&self, filter: &Filter) -> Result<Vec<ServicePrincipal>> {
        let query = Query::new().filter(filter.clone());
        self.stream_service_principals(query)?.all().await
    }

    /// The service principals that a query describes, page by page. Where it selects nothing, all that
    /// [`ServicePrincipal`] names is read.
    ///
    /// # Errors
    /// [`Invalid`](iam_core::ErrorKind::Invalid) for a query that Graph would refuse.
    pub fn stream_service_principals(&self, query: Query) -> Result<Listing<ServicePrincipal>> {
        Ok(self.listing(self.root.list_service_principals(query)?))
    }

    /// One service principal, by object id.
    ///
    /// # Errors
    /// [`NotFound`](iam_core::ErrorKind::NotFound), also for one that is soft-deleted.
    pub async fn service_principal(&self, id: &str) -> Result<ServicePrincipal> {
        self.fetch(self.root.service_principal(id)).await
    }

    /// The service principal of an application in this tenant, by client id.
    ///
    /// # Errors
    /// As [`service_principal`](Self::service_principal).
    pub async fn service_principal_of(&self, app_id: &str) -> Result<ServicePrincipal> {
        let path = odata::query(&by_app_id("servicePrincipals", app_id), &[("$select", SELECT)]);
        self.fetch(self.root.get(&path, "get service principal")).await
    }

    /// Makes the service principal of an application, by client id.
    ///
    /// # Errors
    /// [`AlreadyExists`](iam_core::ErrorKind::AlreadyExists) when there is one,
    /// [`NotFound`](iam_core::ErrorKind::NotFound) when no such application is registered, or not everywhere yet.
    pub async fn create_service_principal(&self, app_id: &str) -> Result<ServicePrincipal> {
        self.fetch(self.root.create_service_principal(app_id)?).await
    }

    /// Sets and clears properties, for example `accountEnabled`.
    pub async fn update_service_principal(&self, id: &str, patch: &Patch) -> Result<()> {
        self.send(self.root.update_service_principal(id, patch)?)
            .await
            .map(drop)
    }

    /// Soft-deletes a service principal, and with it every role in it and every role that it has. To restore it:
    /// [`restore_application`](Self::restore_application).
    pub async fn delete_service_principal(&self, id: &str) -> Result<()> {
        self.send(self.root.delete_service_principal(id)).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::tests::{check, root};

    #[test]
    fn requests_are_as_documented() {
        check(
            root().create_service_principal("a1").unwrap(),
            "POST",
            "/servicePrincipals",
            json!({"appId": "a1"}),
        );
        check(
            root().service_principal("s/1"),
            "GET",
            &format!("/servicePrincipals/s%2F1?$select={SELECT}"),
            Value::Null,
        );
        let off = Patch::new().set("accountEnabled", false);
        check(
            root().update_service_principal("s1", &off).unwrap(),
            "PATCH",
            "/servicePrincipals/s1",
            json!({"accountEnabled": false}),
        );
        check(
            root().delete_service_principal("s1"),
            "DELETE",
            "/servicePrincipals/s1",
            Value::Null,
        );
    }

    #[test]
    fn roles_are_found_by_value_and_by_id() {
        let lab = ServicePrincipal {
            app_roles: vec![
                AppRole::for_users("A1", "Lab.Read", "Reads"),
                AppRole::for_users("B2", "Lab.Write", "Writes"),
            ],
            ..ServicePrincipal::default()
        };
        let found = |name: &str| lab.role(name).map(|role| role.id.as_str());
        assert_eq!(
            (found("Lab.Write"), found("a1"), found("lab.read")),
            (Some("B2"), Some("A1"), None)
        );
    }
}
