//! Making and changing groups.
//!
//! Source: Microsoft Learn, "Create group", "Update group", "group resource type".

use iam_core::http::{Method, Request};
use iam_core::{Error, ErrorKind, Result};
use serde_json::{Value, json};

use crate::client::{GraphClient, Root};
use crate::field::patch;
use crate::groups::Group;
use crate::odata::segment;

/// How many owners and members one request may name ("Create group": 20 relationships).
pub(crate) const MOST_BOUND: usize = 20;

patch! {
    /// Property values of a group to keep, clear or set; what is not named is left as it is.
    ///
    /// Whether a group can hold roles (`isAssignableToRole`), and whether it is a Microsoft 365 group, is decided when it
    /// is made.
    GroupPatch {
        /// Free text for a classification of the tenant.
        classification: String = "classification",
        /// Up to 1,024 characters.
        description: String = "description",
        /// Up to 256 characters; cannot be cleared.
        display_name: String = "displayName",
        /// `DynamicMembership` and `Unified`, as they shall be together.
        group_types: Vec<String> = "groupTypes",
        /// Up to 64 ASCII characters without `@ () \ [] " ; : <> ,` and space; cannot be cleared.
        mail_nickname: String = "mailNickname",
        /// Who is a member, for example `user.department -eq "Sales"`.
        membership_rule: String = "membershipRule",
        /// `On` or `Paused`.
        membership_rule_processing_state: String = "membershipRuleProcessingState",
        /// Where data rests in a multi-geo tenant.
        preferred_data_location: String = "preferredDataLocation",
        /// ISO 639-1, or with a country: `en-AU`.
        preferred_language: String = "preferredLanguage",
        /// Whether the group gives access.
        security_enabled: bool = "securityEnabled",
        /// A colour of a Microsoft 365 group.
        theme: String = "theme",
        /// A name that no other group has. Once set it stays.
        unique_name: String = "uniqueName",
        /// `Private` or `Public`; `HiddenMembership` only for a new Microsoft 365 group.
        visibility: String = "visibility",
    }
}

/// A group to make.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct NewGroup {
    /// The name that people see. Graph lets two groups have the same.
    pub display_name: String,
    /// The mail alias. Security groups need one too; of Microsoft 365 groups it is unique.
    pub mail_nickname: String,
    /// Object ids of users and service principals.
    pub owners: Vec<String>,
    /// Object ids; none for a group with a rule.
    pub members: Vec<String>,
    /// Further properties.
    pub properties: GroupPatch,
    unified: bool,
    assignable_to_role: bool,
}

impl NewGroup {
    /// A security group.
    pub fn security(display_name: &str, mail_nickname: &str) -> Self {
        Self {
            display_name: display_name.to_owned(),
            mail_nickname: mail_nickname.to_owned(),
            owners: Vec::new(),
            members: Vec::new(),
            properties: GroupPatch::new(),
            unified: false,
            assignable_to_role: false,
        }
    }

    /// A Microsoft 365 group, with a mailbox.
    pub fn microsoft365(display_name: &str, mail_nickname: &str) -> Self {
        Self {
            unified: true,
            ..Self::security(display_name, mail_nickname)
        }
    }

    /// Its members follow from that rule, from now on.
    #[must_use]
    pub fn dynamic(mut self, rule: &str) -> Self {
        self.properties.membership_rule = rule.into();
        self.properties.membership_rule_processing_state = "On".into();
        self
    }

    /// It can hold directory roles; that stays so. Needs `RoleManagement.ReadWrite.Directory`.
    #[must_use]
    pub fn assignable_to_role(mut self) -> Self {
        self.assignable_to_role = true;
        self
    }

    /// One more owner.
    #[must_use]
    pub fn owner(mut self, id: &str) -> Self {
        self.owners.push(id.to_owned());
        self
    }

    /// One more member.
    #[must_use]
    pub fn member(mut self, id: &str) -> Self {
        self.members.push(id.to_owned());
        self
    }
}

impl Root {
    pub(crate) fn create_group(&self, new: &NewGroup) -> Result<Request> {
        const OPERATION: &str = "create group";
        let relations = new.owners.len() + new.members.len();
        if relations > MOST_BOUND {
            let message = format!(
                "a group is made with {MOST_BOUND} owners and members at most, not {relations}: add the others later"
            );
            return Err(Error::new(ErrorKind::Invalid, message).with_operation(OPERATION));
        }
        let mut body = new.properties.body();
        let mut types: Vec<&str> = Vec::new();
        types.extend(new.unified.then_some("Unified"));
        types.extend(body.contains_key("membershipRule").then_some("DynamicMembership"));
        let mut set = |name: &str, value: Value| body.insert(name.to_owned(), value);
        set("displayName", new.display_name.as_str().into());
        set("mailNickname", new.mail_nickname.as_str().into());
        set("mailEnabled", new.unified.into());
        set("groupTypes", json!(types));
        if new.properties.security_enabled.is_keep() {
            set("securityEnabled", (!new.unified || new.assignable_to_role).into());
        }
        if new.assignable_to_role {
            set("isAssignableToRole", true.into());
        }
        for (name, ids) in [
            ("owners@odata.bind", &new.owners),
            ("members@odata.bind", &new.members),
        ] {
            if !ids.is_empty() {
                set(name, self.addresses(ids));
            }
        }
        body.retain(|_, value| !value.is_null());
        self.request(Method::Post, "/groups", OPERATION).json(&body)
    }

    pub(crate) fn update_group(&self, id: &str, patch: &GroupPatch) -> Result<Request> {
        self.request(Method::Patch, &format!("/groups/{}", segment(id)), "update group")
            .json(patch)
    }

    pub(crate) fn delete_group(&self, id: &str) -> Request {
        self.request(
            Method::Delete,
            &format!("/groups/{}", segment(id)),
            "delete group",
        )
    }

    /// The value of an `...@odata.bind`.
    pub(crate) fn addresses(&self, ids: &[String]) -> Value {
        ids.iter()
            .map(|id| Value::from(self.url(&format!("/directoryObjects/{}", segment(id)))))
            .collect()
    }
}

impl GraphClient {
    /// Makes a group. Not idempotent, and nothing about a security group is unique: after
    /// [`OutcomeUnknown`](ErrorKind::OutcomeUnknown) look for it before repeating.
    ///
    /// # Errors
    /// [`AlreadyExists`](ErrorKind::AlreadyExists) when the alias of a Microsoft 365 group is taken, or somebody is named
    /// twice; [`Invalid`](ErrorKind::Invalid) for more than 20 owners and members, and for what Graph does not take.
    pub async fn create_group(&self, new: &NewGroup) -> Result<Group> {
        self.fetch(self.root.create_group(new)?).await
    }

    /// Changes properties.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) for what cannot be changed, and for groups that Active Directory owns.
    pub async fn update_group(&self, id: &str, patch: &GroupPatch) -> Result<()> {
        self.send(self.root.update_group(id, patch)?).await.map(drop)
    }

    /// Deletes a group: a Microsoft 365 group can be [restored](Self::restore_group) for 30 days, others are gone.
    pub async fn delete_group(&self, id: &str) -> Result<()> {
        self.send(self.root.delete_group(id)).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::tests::{check, root};

    #[test]
    fn requests_are_as_documented() {
        let objects = "https://graph.microsoft.com/v1.0/directoryObjects";
        let plain = NewGroup::security("Ward", "ward").owner("u1").member("u2");
        let body = json!({
            "displayName": "Ward", "mailNickname": "ward", "mailEnabled": false, "groupTypes": [],
            "securityEnabled": true, "owners@odata.bind": [format!("{objects}/u1")],
            "members@odata.bind": [format!("{objects}/u2")],
        });
        let request = root().create_group(&plain).unwrap();
        assert!(!request.idempotent);
        check(request, "POST", "/groups", body);
        let club = NewGroup::microsoft365("Club", "club").dynamic("user.city -eq \"Perth\"");
        let body = json!({
            "displayName": "Club", "mailNickname": "club", "mailEnabled": true, "securityEnabled": false,
            "groupTypes": ["Unified", "DynamicMembership"], "membershipRule": "user.city -eq \"Perth\"",
            "membershipRuleProcessingState": "On",
        });
        check(root().create_group(&club).unwrap(), "POST", "/groups", body);
        let mut admins = NewGroup::security("Admins", "admins").assignable_to_role();
        let body = json!({
            "displayName": "Admins", "mailNickname": "admins", "mailEnabled": false, "groupTypes": [],
            "securityEnabled": true, "isAssignableToRole": true,
        });
        check(root().create_group(&admins).unwrap(), "POST", "/groups", body);
        admins.members = vec!["u".to_owned(); 21];
        assert_eq!(
            root().create_group(&admins).unwrap_err().kind(),
            ErrorKind::Invalid
        );
        let mut patch = GroupPatch::new();
        patch.description = None.into();
        patch.display_name = "W".into();
        check(
            root().update_group("g1", &patch).unwrap(),
            "PATCH",
            "/groups/g1",
            json!({"description": null, "displayName": "W"}),
        );
        check(root().delete_group("g1"), "DELETE", "/groups/g1", Value::Null);
    }
}
