//! Applications: registrations, which the service principals of tenants follow.
//!
//! They are made without secrets, and no secret is read or made here: sign-in is by certificate, managed identity or
//! federated credentials. Source: Microsoft Learn, "application resource type", "Create application", "Update
//! application", "Delete application", "Restore deleted directory object item".

use iam_core::Result;
use iam_core::http::{Method, Request};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::client::{GraphClient, Root};
use crate::field::Patch;
use crate::listing::Listing;
use crate::odata::{literal, segment};
use crate::query::{Filter, Query};
use crate::users::or_empty;

/// A registration. Fields unknown here are in [`other`](Self::other).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
#[non_exhaustive]
pub struct Application {
    /// The object id: what the paths of Graph take.
    pub id: String,
    /// The client id: what tokens and service principals carry, the same in every tenant.
    pub app_id: String,
    pub display_name: Option<String>,
    pub description: Option<String>,
    #[serde(deserialize_with = "or_empty")]
    pub identifier_uris: Vec<String>,
    /// `AzureADMyOrg`, `AzureADMultipleOrgs`, `AzureADandPersonalMicrosoftAccount` or `PersonalMicrosoftAccount`.
    pub sign_in_audience: Option<String>,
    pub publisher_domain: Option<String>,
    /// The roles that people, groups and other applications can have in it.
    #[serde(deserialize_with = "or_empty")]
    pub app_roles: Vec<AppRole>,
    #[serde(deserialize_with = "or_empty")]
    pub tags: Vec<String>,
    /// RFC 3339, UTC.
    pub created_date_time: Option<String>,
    /// RFC 3339; set once soft-deleted.
    pub deleted_date_time: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// A role that an application declares. An enabled one can be renamed but not removed: disable it first.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct AppRole {
    /// A GUID, unique in the application.
    pub id: String,
    /// What administrators see.
    pub display_name: Option<String>,
    /// What it lets its holder do; Graph demands one.
    pub description: Option<String>,
    /// What stands in the `roles` claim of tokens: up to 120 characters without spaces, unique in the application.
    pub value: Option<String>,
    /// Whether it can be given.
    pub is_enabled: bool,
    /// Who can have it: `User` (people and groups), `Application` or both.
    #[serde(deserialize_with = "or_empty")]
    pub allowed_member_types: Vec<String>,
    /// Everything else.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl AppRole {
    /// An enabled role for people and groups. `id` is a new GUID.
    pub fn for_users(id: &str, value: &str, description: &str) -> Self {
        Self {
            id: id.to_owned(),
            display_name: Some(description.to_owned()),
            description: Some(description.to_owned()),
            value: Some(value.to_owned()),
            is_enabled: true,
            allowed_member_types: vec!["User".to_owned()],
            other: Map::new(),
        }
    }
}

/// What a new application needs.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct NewApplication {
    /// The name that people see; not unique.
    pub display_name: String,
    /// Further properties, for example `signInAudience`, `web` or `appRoles`. Graph takes no secret here.
    pub properties: Patch,
}

impl NewApplication {
    /// An application of that name.
    pub fn new(display_name: impl Into<String>) -> Self {
        Self {
            display_name: display_name.into(),
            properties: Patch::new(),
        }
    }

    /// The same with a property, by its name in Graph.
    #[must_use]
    pub fn with(mut self, property: &str, value: impl Into<Value>) -> Self {
        self.properties = self.properties.set(property, value);
        self
    }
}

/// `/applications(appId='…')`: a path by client id.
pub(crate) fn by_app_id(collection: &str, app_id: &str) -> String {
    format!("/{collection}(appId={})", segment(&literal(app_id)))
}

impl Root {
    pub(crate) fn list_applications(&self, query: Query) -> Result<Request> {
        self.list("/applications", &query.or_default(""), "list applications")
    }

    pub(crate) fn application(&self, id: &str) -> Request {
        self.get(&format!("/applications/{}", segment(id)), "get application")
    }

    pub(crate) fn create_application(&self, new: &NewApplication) -> Result<Request> {
        let mut body = new.properties.values();
        body.insert("displayName".to_owned(), new.display_name.as_str().into());
        self.request(Method::Post, "/applications", "create application")
            .json(&body)
    }

    pub(crate) fn update_application(&self, id: &str, changes: &Patch) -> Result<Request> {
        let path = format!("/applications/{}", segment(id));
        self.request(Method::Patch, &path, "update application")
            .json(changes)
    }

    pub(crate) fn delete_application(&self, id: &str) -> Request {
        let path = format!("/applications/{}", segment(id));
        self.request(Method::Delete, &path, "delete application")
    }

    pub(crate) fn deleted_applications(&self, query: Query) -> Result<Request> {
        let path = "/directory/deletedItems/microsoft.graph.application";
        self.list(path, &query.or_default(""), "list deleted applications")
    }

    pub(crate) fn restore_application(&self, id: &str) -> Request {
        let path = format!("/directory/deletedItems/{}/restore", segment(id));
        // Repeating is harmless: what has been restored is no longer among the deleted.
        self.request(Method::Post, &path, "restore application")
            .idempotent(true)
    }
}

impl GraphClient {
    /// Every application that is registered in the tenant.
    pub async fn list_applications(&self) -> Result<Vec<Application>> {
        self.stream_applications(Query::new())?.all().await
    }

    /// The applications that a filter describes.
    ///
    /// # Errors
    /// [`Invalid`](iam_core::ErrorKind::Invalid) for a filter that Graph would refuse.
    pub async fn find_applications(&self, filter: &Filter) -> Result<Vec<Application>> {
        let query = Query::new().filter(filter.clone());
        self.stream_applications(query)?.all().await
    }

    /// The applications that a query describes, page by page.
    ///
    /// # Errors
    /// [`Invalid`](iam_core::ErrorKind::Invalid) for a query that Graph would refuse.
    pub fn stream_applications(&self, query: Query) -> Result<Listing<Application>> {
        Ok(self.listing(self.root.list_applications(query)?))
    }

    /// One application, by object id.
    ///
    /// # Errors
    /// [`NotFound`](iam_core::ErrorKind::NotFound), also for one that is soft-deleted.
    pub async fn application(&self, id: &str) -> Result<Application> {
        self.fetch(self.root.application(id)).await
    }

    /// One application, by client id.
    ///
    /// # Errors
    /// As [`application`](Self::application).
    pub async fn application_of(&self, app_id: &str) -> Result<Application> {
        let path = by_app_id("applications", app_id);
        self.fetch(self.root.get(&path, "get application")).await
    }

    /// Registers an application, without a secret. Not idempotent, and names are not unique: after
    /// [`OutcomeUnknown`](iam_core::ErrorKind::OutcomeUnknown) look it up before repeating.
    ///
    /// # Errors
    /// [`AlreadyExists`](iam_core::ErrorKind::AlreadyExists) names the property that collides (`identifierUris`,
    /// `uniqueName`), [`Invalid`](iam_core::ErrorKind::Invalid) for a URI of a domain that is not verified.
    pub async fn create_application(&self, new: &NewApplication) -> Result<Application> {
        self.fetch(self.root.create_application(new)?).await
    }

    /// Sets and clears properties. The service principal of the tenant follows.
    ///
    /// # Errors
    /// [`Invalid`](iam_core::ErrorKind::Invalid) when `appRoles` leaves out one that is enabled.
    pub async fn update_application(&self, id: &str, patch: &Patch) -> Result<()> {
        self.send(self.root.update_application(id, patch)?)
            .await
            .map(drop)
    }

    /// Soft-deletes an application and its service principal in this tenant: restorable for 30 days, each for itself.
    pub async fn delete_application(&self, id: &str) -> Result<()> {
        self.send(self.root.delete_application(id)).await.map(drop)
    }

    /// The soft-deleted applications.
    pub async fn deleted_applications(&self) -> Result<Vec<Application>> {
        self.stream_deleted_applications(Query::new())?.all().await
    }

    /// The soft-deleted applications that a query describes, page by page.
    ///
    /// # Errors
    /// [`Invalid`](iam_core::ErrorKind::Invalid) for a query that Graph would refuse.
    pub fn stream_deleted_applications(&self, query: Query) -> Result<Listing<Application>> {
        Ok(self.listing(self.root.deleted_applications(query)?))
    }

    /// Restores a soft-deleted application or service principal, by object id.
    ///
    /// # Errors
    /// [`NotFound`](iam_core::ErrorKind::NotFound) when it is not among the deleted.
    pub async fn restore_application(&self, id: &str) -> Result<()> {
        self.send(self.root.restore_application(id)).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::tests::{check, root};
    use serde_json::json;

    #[test]
    fn requests_are_as_documented() {
        let new = NewApplication::new("Lab")
            .with("notes", "x")
            .with("web", Value::Null);
        check(
            root().create_application(&new).unwrap(),
            "POST",
            "/applications",
            json!({"notes": "x", "displayName": "Lab"}),
        );
        assert!(!root().create_application(&new).unwrap().idempotent);
        check(
            root()
                .update_application("a1", &Patch::new().clear("notes"))
                .unwrap(),
            "PATCH",
            "/applications/a1",
            json!({"notes": null}),
        );
        check(
            root().delete_application("a1"),
            "DELETE",
            "/applications/a1",
            Value::Null,
        );
        check(
            root()
                .list_applications(Query::new().filter(Filter::eq("displayName", "L&b")))
                .unwrap(),
            "GET",
            "/applications?$top=999&$filter=displayName%20eq%20%27L%26b%27",
            Value::Null,
        );
        let restore = root().restore_application("a1");
        check(restore, "POST", "/directory/deletedItems/a1/restore", Value::Null);
        assert_eq!(by_app_id("applications", "7"), "/applications(appId=%277%27)");
    }

    #[test]
    fn what_is_unknown_survives() {
        let sent = json!({
            "id": "1", "appId": "2", "displayName": "Lab", "description": null, "identifierUris": [],
            "signInAudience": null, "publisherDomain": null, "tags": ["t"], "createdDateTime": null,
            "deletedDateTime": null, "spa": {"redirectUris": []}, "appRoles": [{
                "id": "r", "displayName": "R", "description": "R", "value": "r", "isEnabled": false,
                "allowedMemberTypes": ["User"], "origin": "Application",
            }],
        });
        let read: Application = serde_json::from_value(sent.clone()).unwrap();
        assert_eq!(read.app_roles[0].other["origin"], "Application");
        assert_eq!(serde_json::to_value(&read).unwrap(), sent);
    }
}
