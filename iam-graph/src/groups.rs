//! Groups.
//!
//! Source: Microsoft Learn, "group resource type", "Get group", "List groups", "List a user's direct memberships", "List
//! a user's memberships (direct and transitive)".

use iam_core::Result;
use iam_core::http::Request;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::client::{GraphClient, Root};
pub use crate::group_patch::{GroupPatch, NewGroup};
use crate::licenses::AssignedLicense;
use crate::odata::{query, segment};
use crate::users::or_empty;

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
    pub description: Option<String>,
    pub mail: Option<String>,
    pub mail_nickname: Option<String>,
    /// Who is a member, where a rule decides.
    pub membership_rule: Option<String>,
    /// `On` or `Paused`.
    pub membership_rule_processing_state: Option<String>,
    /// `Private`, `Public` or `HiddenMembership`.
    pub visibility: Option<String>,
    /// RFC 3339; set once soft-deleted.
    pub deleted_date_time: Option<String>,
    #[serde(deserialize_with = "or_empty")]
    pub assigned_licenses: Vec<AssignedLicense>,
    /// Everything else.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl Root {
    pub(crate) fn list_groups(&self) -> Request {
        let select = format!("{SELECT},assignedLicenses");
        self.get(
            &query("/groups", &[("$select", &select), ("$top", "999")]),
            "list groups",
        )
    }

    pub(crate) fn group(&self, id: &str) -> Request {
        self.get(&format!("/groups/{}", segment(id)), "get group")
    }

    pub(crate) fn find_groups(&self, filter: &str) -> Request {
        let select = format!("{SELECT},assignedLicenses");
        let options = [("$select", select.as_str()), ("$top", "999"), ("$filter", filter)];
        self.get(&query("/groups", &options), "find groups")
    }

    pub(crate) fn transitive_groups_of(&self, user: &str) -> Request {
        let path = format!(
            "/users/{}/transitiveMemberOf/microsoft.graph.group",
            segment(user)
        );
        let options = [("$select", SELECT), ("$count", "true"), ("$top", "999")];
        // A cast of a transitive list is an advanced query: it needs the header and the count.
        self.get(&query(&path, &options), "list groups of a user")
            .header("ConsistencyLevel", "eventual")
    }

    pub(crate) fn groups_of(&self, user: &str) -> Request {
        let path = format!("/users/{}/memberOf", segment(user));
        self.get(
            &query(&path, &[("$select", SELECT), ("$top", "999")]),
            "list groups of a user",
        )
    }
}

impl GraphClient {
    /// Every group of the tenant, with the licences that come with it.
    pub async fn list_groups(&self) -> Result<Vec<Group>> {
        self.all(self.root.list_groups()).await
    }

    /// One group, by id, with the properties that Graph sends by default.
    ///
    /// # Errors
    /// [`NotFound`](iam_core::ErrorKind::NotFound), also for a group that is soft-deleted.
    pub async fn group(&self, id: &str) -> Result<Group> {
        self.fetch(self.root.group(id)).await
    }

    /// The groups that an OData filter describes, for example `displayName eq 'Ward'`. The filter is percent-encoded
    /// here; quotes in values must have been doubled.
    pub async fn find_groups(&self, filter: &str) -> Result<Vec<Group>> {
        self.all(self.root.find_groups(filter)).await
    }

    /// The groups that a user is a member of, directly or through other groups.
    pub async fn transitive_groups_of(&self, user: &str) -> Result<Vec<Group>> {
        self.all(self.root.transitive_groups_of(user)).await
    }

    /// The groups that a user is a direct member of.
    pub async fn groups_of(&self, user: &str) -> Result<Vec<Group>> {
        let all: Vec<Group> = self.all(self.root.groups_of(user)).await?;
        let is_group = |group: &Group| {
            group
                .odata_type
                .as_deref()
                .is_none_or(|name| name == "#microsoft.graph.group")
        };
        Ok(all.into_iter().filter(is_group).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::tests::{check, root};

    #[test]
    fn requests_are_as_documented() {
        let path = format!("/users/u1/memberOf?$select={SELECT}&$top=999");
        check(root().groups_of("u1"), "GET", &path, Value::Null);
        let request = root().transitive_groups_of("u1");
        assert_eq!(
            request.headers,
            [("ConsistencyLevel".to_owned(), "eventual".to_owned())]
        );
        let path = format!(
            "/users/u1/transitiveMemberOf/microsoft.graph.group?$select={SELECT}&$count=true&$top=999"
        );
        check(request, "GET", &path, Value::Null);
        check(root().group("g/1"), "GET", "/groups/g%2F1", Value::Null);
        let path = format!("/groups?$select={SELECT},assignedLicenses&$top=999");
        check(root().list_groups(), "GET", &path, Value::Null);
    }
}
