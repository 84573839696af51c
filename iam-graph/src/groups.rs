//! Groups and their members.
//!
//! Source: Microsoft Learn, "group resource type", "Add members", "Remove member", "List a user's direct
//! memberships".

use iam_core::Result;
use iam_core::http::{Method, Request};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::client::{GraphClient, Root};
use crate::licenses::AssignedLicense;
use crate::listing::Listing;
use crate::odata::segment;
use crate::query::Query;
use crate::users::{DirectoryObject, or_empty};

const SELECT: &str =
    "id,displayName,groupTypes,onPremisesSyncEnabled,mailEnabled,securityEnabled,isAssignableToRole";

/// A group. Fields unknown here are in [`other`](Self::other).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
#[non_exhaustive]
pub struct Group {
    /// `#microsoft.graph.group`, where the collection holds other types too.
    #[serde(rename = "@odata.type", skip_serializing_if = "Option::is_none")]
    pub odata_type: Option<String>,
    pub id: String,
    pub display_name: Option<String>,
    /// `DynamicMembership`, `Unified` (Microsoft 365).
    #[serde(deserialize_with = "or_empty")]
    pub group_types: Vec<String>,
    pub on_premises_sync_enabled: Option<bool>,
    pub mail_enabled: Option<bool>,
    pub security_enabled: Option<bool>,
    pub is_assignable_to_role: Option<bool>,
    #[serde(deserialize_with = "or_empty")]
    pub assigned_licenses: Vec<AssignedLicense>,
    /// Everything else.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl Group {
    /// Whether it is a group: collections of several types hold other objects too.
    pub fn is_group(&self) -> bool {
        self.odata_type
            .as_deref()
            .is_none_or(|name| name == "#microsoft.graph.group")
    }
}

impl Root {
    pub(crate) fn list_groups(&self, query: Query) -> Result<Request> {
        self.list(
            "/groups",
            &query.or_default(&format!("{SELECT},assignedLicenses")),
            "list groups",
        )
    }

    pub(crate) fn groups_of(&self, user: &str, query: Query) -> Result<Request> {
        let path = format!("/users/{}/memberOf", segment(user));
        self.list(&path, &query.or_default(SELECT), "list groups of a user")
    }

    pub(crate) fn members(&self, group: &str, query: Query) -> Result<Request> {
        let path = format!("/groups/{}/members", segment(group));
        self.list(&path, &query.or_default(""), "list group members")
    }

    pub(crate) fn add_member(&self, group: &str, member: &str) -> Result<Request> {
        let path = format!("/groups/{}/members/$ref", segment(group));
        // Repeating is harmless: Graph refuses a second link.
        self.request(Method::Post, &path, "add group member")
            .idempotent(true)
            .json(&self.link("directoryObjects", member))
    }

    pub(crate) fn remove_member(&self, group: &str, member: &str) -> Request {
        let path = format!("/groups/{}/members/{}/$ref", segment(group), segment(member));
        self.request(Method::Delete, &path, "remove group member")
    }
}

impl GraphClient {
    /// Every group of the tenant, with the licences that come with it. [`stream_groups`](Self::stream_groups) holds a
    /// page of them only.
    pub async fn list_groups(&self) -> Result<Vec<Group>> {
        self.stream_groups(Query::new())?.all().await
    }

    /// The groups that a query describes, page by page. Where it selects nothing, all that [`Group`] names is read.
    ///
    /// # Errors
    /// [`Invalid`](iam_core::ErrorKind::Invalid) for a query that Graph would refuse.
    pub fn stream_groups(&self, query: Query) -> Result<Listing<Group>> {
        Ok(self.listing(self.root.list_groups(query)?))
    }

    /// The groups that a user is a direct member of.
    pub async fn groups_of(&self, user: &str) -> Result<Vec<Group>> {
        let all: Vec<Group> = self.stream_groups_of(user, Query::new())?.all().await?;
        Ok(all.into_iter().filter(Group::is_group).collect())
    }

    /// What a user is a direct member of, page by page: directory roles and administrative units are among it
    /// ([`Group::is_group`]).
    ///
    /// # Errors
    /// [`Invalid`](iam_core::ErrorKind::Invalid) for a query that Graph would refuse.
    pub fn stream_groups_of(&self, user: &str, query: Query) -> Result<Listing<Group>> {
        Ok(self.listing(self.root.groups_of(user, query)?))
    }

    /// The direct members of a group, page by page: users, groups, devices and applications, told apart by
    /// `@odata.type` in [`DirectoryObject::other`].
    ///
    /// # Errors
    /// [`Invalid`](iam_core::ErrorKind::Invalid) for a query that Graph would refuse; while reading,
    /// [`NotFound`](iam_core::ErrorKind::NotFound) when there is no such group.
    pub fn stream_members(&self, group: &str, query: Query) -> Result<Listing<DirectoryObject>> {
        Ok(self.listing(self.root.members(group, query)?))
    }

    /// Adds a member.
    ///
    /// # Errors
    /// [`AlreadyExists`](iam_core::ErrorKind::AlreadyExists) when it is one;
    /// [`NotFound`](iam_core::ErrorKind::NotFound) when group or member does not exist, or not everywhere yet.
    pub async fn add_member(&self, group: &str, member: &str) -> Result<()> {
        self.send(self.root.add_member(group, member)?).await.map(drop)
    }

    /// Removes a member.
    ///
    /// # Errors
    /// [`NotFound`](iam_core::ErrorKind::NotFound) when it is none.
    pub async fn remove_member(&self, group: &str, member: &str) -> Result<()> {
        self.send(self.root.remove_member(group, member)).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::tests::{check, root};
    use serde_json::json;

    #[test]
    fn requests_are_as_documented() {
        let link = json!({"@odata.id": "https://graph.microsoft.com/v1.0/directoryObjects/u1"});
        check(
            root().add_member("g1", "u1").unwrap(),
            "POST",
            "/groups/g1/members/$ref",
            link,
        );
        assert!(root().add_member("g1", "u1").unwrap().idempotent);
        check(
            root().remove_member("g1", "u1"),
            "DELETE",
            "/groups/g1/members/u1/$ref",
            Value::Null,
        );
        let path = format!("/users/u1/memberOf?$select={SELECT}&$top=999");
        check(
            root().groups_of("u1", Query::new()).unwrap(),
            "GET",
            &path,
            Value::Null,
        );
        let path = format!("/groups?$select={SELECT},assignedLicenses&$top=999");
        check(
            root().list_groups(Query::new()).unwrap(),
            "GET",
            &path,
            Value::Null,
        );
        let members = root().members("g/1", Query::new()).unwrap();
        check(members, "GET", "/groups/g%2F1/members?$top=999", Value::Null);
    }
}
