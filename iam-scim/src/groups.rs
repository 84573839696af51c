//! Groups and their members (RFC 7643 section 4.2).

use std::fmt;

use iam_core::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::client::ScimClient;
use crate::error::read;
use crate::filter::Filter;
use crate::list::{Collection, member};
use crate::patch::{Patch, Path};
use crate::users::{Entry, Urn};
use crate::values::{list, text};

/// The URN of the group schema.
pub const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
/// Members are left out of answers that do not need them: there may be a hundred thousand.
const MEMBERS: &str = "members";

/// A group. Attributes unknown here are in [`other`](Self::other). `Debug` prints the id alone.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
#[non_exhaustive]
pub struct Group {
    #[serde(deserialize_with = "list", skip_serializing_if = "Vec::is_empty")]
    pub schemas: Vec<Urn>,
    /// The server's own id; `None` before it has been created.
    #[serde(deserialize_with = "text", skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    #[serde(deserialize_with = "text", skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// Members, by the SCIM id in `value`.
    #[serde(deserialize_with = "list", skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<Entry>,
    /// Everything else.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Group({})", self.id())
    }
}

impl Group {
    /// A group of that name, to be created.
    pub fn new(display_name: impl Into<String>) -> Self {
        Self {
            schemas: vec![Urn(GROUP.to_owned())],
            display_name: Some(display_name.into()),
            ..Self::default()
        }
    }

    /// The server's id, or an empty text before it has been created.
    pub fn id(&self) -> &str {
        self.id.as_deref().unwrap_or_default()
    }

    /// Whether that account is listed as a member.
    pub fn has(&self, account: &str) -> bool {
        self.members
            .iter()
            .any(|entry| entry.value.as_deref() == Some(account))
    }
}

impl ScimClient {
    async fn groups_at(&self) -> Result<String> {
        self.abilities()
            .await?
            .groups
            .clone()
            .ok_or_else(|| Error::new(ErrorKind::Invalid, "the SCIM server has no groups"))
    }

    /// The group with that id, and its members as far as the server shows them.
    pub async fn group(&self, id: &str) -> Result<Group> {
        let resource = self.one(&self.groups_at().await?, id, "", "read group").await?;
        read(Value::Object(resource), "read group")
    }

    /// All groups, or those that pass the filter, without their members.
    pub async fn list_groups(&self, filter: Option<&Filter>) -> Result<Vec<Group>> {
        // A filter on members is checked here too, and needs them.
        let needs = |filter: &Filter| filter.attributes().iter().any(|name| name.starts_with(MEMBERS));
        let without = Some(MEMBERS).filter(|_| !filter.is_some_and(needs));
        self.groups_listed(filter, without).await
    }

    /// All groups with their members, as far as the server shows them.
    pub async fn list_groups_with_members(&self) -> Result<Vec<Group>> {
        self.groups_listed(None, None).await
    }

    async fn groups_listed(
        &self,
        filter: Option<&Filter>,
        without: Option<&'static str>,
    ) -> Result<Vec<Group>> {
        let path = self.groups_at().await?;
        let of = Collection {
            path: &path,
            operation: "list groups",
            without,
        };
        let found = self.found(of, filter).await?;
        found
            .into_iter()
            .map(|resource| read(Value::Object(resource), "list groups"))
            .collect()
    }

    /// What the server answers when asked for the groups that an account is a member of, unchecked; `None`
    /// where it does not take the question.
    pub(crate) async fn groups_of_unchecked(&self, account: &str) -> Result<Option<Vec<Group>>> {
        let path = self.groups_at().await?;
        let of = Collection {
            path: &path,
            operation: "list groups",
            without: Some(MEMBERS),
        };
        let Some(found) = self.asked(of, &Filter::eq("members.value", account)).await? else {
            return Ok(None);
        };
        let read = |resource| read(Value::Object(resource), "list groups");
        found.into_iter().map(read).collect::<Result<_>>().map(Some)
    }

    /// Creates a group. A server whose answer holds no id is asked by `displayName`.
    pub async fn create_group(&self, group: &Group) -> Result<Group> {
        let path = self.groups_at().await?;
        if let Some(created) = self.create(&path, group, "create group").await? {
            return read(Value::Object(created), "create group");
        }
        let name = group.display_name.clone().unwrap_or_default();
        let mut found = self.list_groups(Some(&Filter::eq("displayName", name))).await?;
        if found.len() == 1
            && let Some(group) = found.pop()
        {
            return Ok(group);
        }
        let message = "the server answered without an id, and the group cannot be found";
        Err(Error::new(ErrorKind::OutcomeUnknown, message).with_operation("create group"))
    }

    /// Changes a group, by PATCH or, where the server has none, by GET and PUT.
    pub async fn patch_group(&self, id: &str, patch: &Patch) -> Result<()> {
        let at = member(&self.groups_at().await?, id)?;
        self.modify(&at, patch, "update group").await.map(drop)
    }

    /// Replaces a group by PUT: members that are not in it are removed.
    pub async fn replace_group(&self, id: &str, group: &Group) -> Result<()> {
        let path = member(&self.groups_at().await?, id)?;
        self.put(&path, group, "replace group").await
    }

    /// Deletes a group.
    pub async fn delete_group(&self, id: &str) -> Result<()> {
        self.delete(&self.groups_at().await?, id, "delete group").await
    }

    /// Makes an account a member. Repeating it is harmless where the server follows RFC 7644 section 3.5.2.1;
    /// [`ScimTarget`](crate::ScimTarget) looks first.
    pub async fn add_member(&self, group: &str, account: &str) -> Result<()> {
        let patch = Patch::new().add(MEMBERS, json!([{ "value": account }]));
        self.patch_group(group, &patch).await
    }

    /// Ends a membership: one member, by a value filter.
    pub async fn remove_member(&self, group: &str, account: &str) -> Result<()> {
        let one = Path::new(MEMBERS).matching(Filter::eq("value", account));
        match self.patch_group(group, &Patch::new().clear(one)).await {
            // Not a member.
            Err(error) if error.code() == Some("noTarget") => Ok(()),
            outcome => outcome,
        }
    }
}
