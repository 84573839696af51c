//! Administrative units: parts of the tenant that roles can be limited to.
//!
//! Source: Microsoft Learn, "administrativeUnit resource type", "Create administrativeUnit", "Add members", "Add a
//! scopedRoleMember", "Assign Microsoft Entra roles with administrative unit scope".

use iam_core::Result;
use iam_core::http::{Method, Request};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::client::{GraphClient, Root};
use crate::field::patch;
use crate::listing::Listing;
use crate::odata::segment;
use crate::query::Query;
use crate::users::DirectoryObject;

const UNITS: &str = "/directory/administrativeUnits";

/// An administrative unit. Fields unknown here are in [`other`](Self::other).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
#[non_exhaustive]
pub struct AdministrativeUnit {
    pub id: String,
    pub display_name: Option<String>,
    pub description: Option<String>,
    /// `Assigned` (or absent) or `Dynamic`.
    pub membership_type: Option<String>,
    pub membership_rule: Option<String>,
    /// `On` or `Paused`.
    pub membership_rule_processing_state: Option<String>,
    /// Whether only roles in this unit may change what is in it.
    pub is_member_management_restricted: Option<bool>,
    /// `Public` (or absent) or `HiddenMembership`.
    pub visibility: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

patch! {
    /// Property values of an administrative unit to keep, clear or set.
    UnitPatch {
        /// Free text.
        description: String = "description",
        /// Up to 256 characters; cannot be cleared.
        display_name: String = "displayName",
        /// `true` only for a new unit; it stays.
        is_member_management_restricted: bool = "isMemberManagementRestricted",
        /// Who is a member, for example `user.department -eq "Sales"`.
        membership_rule: String = "membershipRule",
        /// `On` or `Paused`.
        membership_rule_processing_state: String = "membershipRuleProcessingState",
        /// `Assigned` or `Dynamic`; the latter goes with a rule.
        membership_type: String = "membershipType",
        /// `HiddenMembership` only for a new unit; it stays.
        visibility: String = "visibility",
    }
}

/// A role that somebody holds in an administrative unit.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
#[non_exhaustive]
pub struct ScopedRoleMember {
    pub id: String,
    pub administrative_unit_id: String,
    /// The object id of the activated role, not its template's.
    pub role_id: String,
    pub role_member_info: DirectoryObject,
    /// Everything else.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// The scope of a unit, for [`assign_role`](GraphClient::assign_role) and
/// [`make_eligible`](GraphClient::make_eligible).
pub fn scope(unit: &str) -> String {
    format!("/administrativeUnits/{unit}")
}

impl Root {
    pub(crate) fn list_units(&self, query: Query) -> Result<Request> {
        self.list(UNITS, &query.or_default(""), "list administrative units")
    }

    pub(crate) fn unit(&self, id: &str) -> Request {
        self.get(&format!("{UNITS}/{}", segment(id)), "get administrative unit")
    }

    pub(crate) fn create_unit(&self, display_name: &str, properties: &UnitPatch) -> Result<Request> {
        let mut body = properties.body();
        body.insert("displayName".to_owned(), display_name.into());
        body.retain(|_, value| !value.is_null());
        self.request(Method::Post, UNITS, "create administrative unit")
            .json(&body)
    }

    pub(crate) fn update_unit(&self, id: &str, patch: &UnitPatch) -> Result<Request> {
        let address = format!("{UNITS}/{}", segment(id));
        self.request(Method::Patch, &address, "update administrative unit")
            .json(patch)
    }

    pub(crate) fn delete_unit(&self, id: &str) -> Request {
        let path = format!("{UNITS}/{}", segment(id));
        self.request(Method::Delete, &path, "delete administrative unit")
    }

    pub(crate) fn unit_members(&self, unit: &str, query: Query) -> Result<Request> {
        let path = format!("{UNITS}/{}/members", segment(unit));
        let operation = "list members of an administrative unit";
        self.list(&path, &query.or_default("id,displayName"), operation)
    }

    pub(crate) fn add_unit_member(&self, unit: &str, member: &str) -> Result<Request> {
        let relation = format!("{UNITS}/{}/members", segment(unit));
        self.add_link(&relation, member, "add member of an administrative unit")
    }

    pub(crate) fn remove_unit_member(&self, unit: &str, member: &str) -> Request {
        let relation = format!("{UNITS}/{}/members", segment(unit));
        self.remove_link(&relation, member, "remove member of an administrative unit")
    }

    pub(crate) fn scoped_role_members(&self, unit: &str, query: Query) -> Result<Request> {
        let path = format!("{UNITS}/{}/scopedRoleMembers", segment(unit));
        self.list(
            &path,
            &query.or_select(""),
            "list roles in an administrative unit",
        )
    }

    pub(crate) fn add_scoped_role_member(&self, unit: &str, role: &str, member: &str) -> Result<Request> {
        let path = format!("{UNITS}/{}/scopedRoleMembers", segment(unit));
        let body = json!({ "roleId": role, "roleMemberInfo": { "id": member } });
        self.request(Method::Post, &path, "assign role")
            .idempotent(true)
            .json(&body)
    }

    pub(crate) fn remove_scoped_role_member(&self, unit: &str, id: &str) -> Request {
        let path = format!("{UNITS}/{}/scopedRoleMembers/{}", segment(unit), segment(id));
        self.request(Method::Delete, &path, "remove role")
    }
}

impl GraphClient {
    /// The administrative units of the tenant.
    pub async fn list_units(&self) -> Result<Vec<AdministrativeUnit>> {
        self.stream_units(Query::new())?.all().await
    }

    /// The administrative units that a query describes, page by page.
    ///
    /// # Errors
    /// [`Invalid`](iam_core::ErrorKind::Invalid) for a query that Graph would refuse.
    pub fn stream_units(&self, query: Query) -> Result<Listing<AdministrativeUnit>> {
        Ok(self.listing(self.root.list_units(query)?))
    }

    /// One administrative unit, by id.
    ///
    /// # Errors
    /// [`NotFound`](iam_core::ErrorKind::NotFound) when there is none.
    pub async fn unit(&self, id: &str) -> Result<AdministrativeUnit> {
        self.fetch(self.root.unit(id)).await
    }

    /// Makes an administrative unit. Not idempotent: two may have the same name.
    pub async fn create_unit(
        &self,
        display_name: &str,
        properties: &UnitPatch,
    ) -> Result<AdministrativeUnit> {
        self.fetch(self.root.create_unit(display_name, properties)?).await
    }

    /// Changes properties.
    pub async fn update_unit(&self, id: &str, patch: &UnitPatch) -> Result<()> {
        self.send(self.root.update_unit(id, patch)?).await.map(drop)
    }

    /// Soft-deletes a unit. Its members stay in the tenant; roles in it end.
    pub async fn delete_unit(&self, id: &str) -> Result<()> {
        self.send(self.root.delete_unit(id)).await.map(drop)
    }

    /// Who and what is in a unit.
    pub async fn list_unit_members(&self, unit: &str) -> Result<Vec<DirectoryObject>> {
        self.stream_unit_members(unit, Query::new())?.all().await
    }

    /// Who and what is in a unit, page by page. Where the query selects nothing, ids and display names are read.
    ///
    /// # Errors
    /// [`Invalid`](iam_core::ErrorKind::Invalid) for a query that Graph would refuse.
    pub fn stream_unit_members(&self, unit: &str, query: Query) -> Result<Listing<DirectoryObject>> {
        Ok(self.listing(self.root.unit_members(unit, query)?))
    }

    /// Adds a user, a group or a device.
    ///
    /// # Errors
    /// [`AlreadyExists`](iam_core::ErrorKind::AlreadyExists) when it is a member already,
    /// [`Denied`](iam_core::ErrorKind::Denied) for a unit with a rule.
    pub async fn add_unit_member(&self, unit: &str, member: &str) -> Result<()> {
        self.send(self.root.add_unit_member(unit, member)?)
            .await
            .map(drop)
    }

    /// Takes an object out of a unit.
    ///
    /// # Errors
    /// [`NotFound`](iam_core::ErrorKind::NotFound) when it is no member.
    pub async fn remove_unit_member(&self, unit: &str, member: &str) -> Result<()> {
        self.send(self.root.remove_unit_member(unit, member))
            .await
            .map(drop)
    }

    /// Who holds which role in a unit.
    pub async fn list_scoped_role_members(&self, unit: &str) -> Result<Vec<ScopedRoleMember>> {
        self.stream_scoped_role_members(unit, Query::new())?.all().await
    }

    /// Who holds which role in a unit, page by page.
    ///
    /// # Errors
    /// [`Invalid`](iam_core::ErrorKind::Invalid) for a query that Graph would refuse.
    pub fn stream_scoped_role_members(&self, unit: &str, query: Query) -> Result<Listing<ScopedRoleMember>> {
        Ok(self.listing(self.root.scoped_role_members(unit, query)?))
    }

    /// Gives a role in a unit, by the object id of the [activated role](Self::list_directory_roles).
    /// [`assign_role`](Self::assign_role) with [`scope`] does the same by the template's id.
    ///
    /// # Errors
    /// [`AlreadyExists`](iam_core::ErrorKind::AlreadyExists) when it is held there already.
    pub async fn add_scoped_role_member(
        &self,
        unit: &str,
        role: &str,
        member: &str,
    ) -> Result<ScopedRoleMember> {
        self.fetch(self.root.add_scoped_role_member(unit, role, member)?)
            .await
    }

    /// Takes a role in a unit, by the id of the membership.
    ///
    /// # Errors
    /// [`NotFound`](iam_core::ErrorKind::NotFound) when there is none.
    pub async fn remove_scoped_role_member(&self, unit: &str, id: &str) -> Result<()> {
        self.send(self.root.remove_scoped_role_member(unit, id))
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
        let mut north = UnitPatch::new();
        north.description = "The north".into();
        let body = json!({"description": "The north", "displayName": "North"});
        check(root().create_unit("North", &north).unwrap(), "POST", UNITS, body);
        north.description = None.into();
        let body = json!({ "description": null });
        let one = format!("{UNITS}/a1");
        check(root().update_unit("a1", &north).unwrap(), "PATCH", &one, body);
        check(root().delete_unit("a1"), "DELETE", &one, Value::Null);
        let link = json!({"@odata.id": "https://graph.microsoft.com/v1.0/directoryObjects/u1"});
        let members = format!("{one}/members/$ref");
        check(
            root().add_unit_member("a1", "u1").unwrap(),
            "POST",
            &members,
            link,
        );
        let member = format!("{one}/members/u1/$ref");
        check(
            root().remove_unit_member("a1", "u1"),
            "DELETE",
            &member,
            Value::Null,
        );
        let body = json!({"roleId": "r1", "roleMemberInfo": {"id": "u1"}});
        let roles = format!("{one}/scopedRoleMembers");
        check(
            root().add_scoped_role_member("a1", "r1", "u1").unwrap(),
            "POST",
            &roles,
            body,
        );
        check(
            root().remove_scoped_role_member("a1", "s1"),
            "DELETE",
            &format!("{roles}/s1"),
            Value::Null,
        );
        assert_eq!(scope("a1"), "/administrativeUnits/a1");
    }
}
