//! OneDrive: whose drive it is, and who may see it. What a leaver's manager needs.
//!
//! Source: Microsoft Learn, "Get drive", "Send a sharing invitation", "List sharing permissions on a driveItem", "Delete
//! permission". A drive is there once its owner has a licence with OneDrive and has been there once; it lives on for a
//! while after the account is deleted.

use std::fmt;

use iam_core::Result;
use iam_core::http::{Method, Request};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::client::{GraphClient, Root};
use crate::odata::segment;
use crate::users::or_empty;

/// A drive. `Debug` prints the id alone.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
#[non_exhaustive]
pub struct Drive {
    pub id: String,
    /// `business` for OneDrive for work or school.
    pub drive_type: Option<String>,
    pub web_url: Option<String>,
    /// Everything else, owner and quota among it.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// A file or folder. `Debug` prints the id alone.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
#[non_exhaustive]
pub struct DriveItem {
    pub id: String,
    pub name: Option<String>,
    pub web_url: Option<String>,
    /// Bytes, with everything below a folder.
    pub size: Option<u64>,
    /// Everything else.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// Somebody's permission on a file or folder. `Debug` prints id and roles alone.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct Permission {
    /// The permission's id, for taking it back.
    pub id: String,
    /// `read`, `write` or `owner`.
    #[serde(deserialize_with = "or_empty")]
    pub roles: Vec<String>,
    /// Who has it; not there for links.
    pub granted_to_v2: Option<SharedWith>,
    /// RFC 3339, where it ends.
    pub expiration_date_time: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// Who has a permission.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct SharedWith {
    /// A user.
    pub user: Option<SharedUser>,
    /// Groups, applications and so on.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// A user who has a permission. `Debug` prints the id alone.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
#[non_exhaustive]
pub struct SharedUser {
    pub id: Option<String>,
    pub display_name: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// What somebody may do with what is shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ShareRole {
    /// See it.
    Read,
    /// See and change it.
    Write,
}

impl ShareRole {
    /// The word that Graph uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }
}

/// An invitation to a drive's root. `Debug` prints the role alone.
#[derive(Clone)]
pub struct Invitation {
    recipients: Vec<String>,
    role: ShareRole,
    message: Option<String>,
}

impl Invitation {
    /// Gives users of the tenant, by object id, that role. They are told nothing and have to sign in.
    pub fn quiet(recipients: &[&str], role: ShareRole) -> Self {
        Self {
            recipients: recipients.iter().map(|id| (*id).to_owned()).collect(),
            role,
            message: None,
        }
    }

    /// Tells them by mail, with a text of at most 2,000 characters.
    #[must_use]
    pub fn message(mut self, text: &str) -> Self {
        self.message = Some(text.to_owned());
        self
    }

    fn body(&self) -> Value {
        let recipients: Vec<Value> = self
            .recipients
            .iter()
            .map(|id| json!({ "objectId": id }))
            .collect();
        let mut body = json!({
            "recipients": recipients, "roles": [self.role.as_str()], "requireSignIn": true,
            "sendInvitation": self.message.is_some(),
        });
        if let Some(message) = &self.message {
            body["message"] = message.as_str().into();
        }
        body
    }
}

#[derive(Deserialize)]
struct Invited {
    value: Vec<Permission>,
}

impl Root {
    fn drive(&self, user: &str) -> Request {
        self.get(&format!("/users/{}/drive", segment(user)), "get drive")
    }

    fn drive_root(&self, user: &str) -> Request {
        self.get(&format!("/users/{}/drive/root", segment(user)), "get drive root")
    }

    fn share_drive(&self, user: &str, invitation: &Invitation) -> Result<Request> {
        let path = format!("/users/{}/drive/root/invite", segment(user));
        // Quietly the same again changes nothing; with a message it would be a second mail.
        self.request(Method::Post, &path, "share drive")
            .idempotent(invitation.message.is_none())
            .json(&invitation.body())
    }

    fn drive_permissions(&self, user: &str) -> Request {
        let path = format!("/users/{}/drive/root/permissions", segment(user));
        self.get(&path, "list drive permissions")
    }

    fn unshare_drive(&self, user: &str, permission: &str) -> Request {
        let path = format!(
            "/users/{}/drive/root/permissions/{}",
            segment(user),
            segment(permission)
        );
        self.request(Method::Delete, &path, "unshare drive")
    }
}

impl GraphClient {
    /// The drive of a user, by id or user principal name.
    ///
    /// # Errors
    /// [`NotFound`](iam_core::ErrorKind::NotFound) when the user has no drive, or there is no such user.
    pub async fn drive(&self, user: &str) -> Result<Drive> {
        self.fetch(self.root.drive(user)).await
    }

    /// The root folder of a user's drive.
    ///
    /// # Errors
    /// As [`drive`](Self::drive).
    pub async fn drive_root(&self, user: &str) -> Result<DriveItem> {
        self.fetch(self.root.drive_root(user)).await
    }

    /// Lets others at everything in a user's drive: the hand-over of a leaver's files. A permission that somebody has
    /// already gets the new role.
    ///
    /// # Errors
    /// As [`drive`](Self::drive); [`Invalid`](iam_core::ErrorKind::Invalid) when a recipient is not known: then nothing
    /// is shared. With a message [`OutcomeUnknown`](iam_core::ErrorKind::OutcomeUnknown) after a lost answer: look at
    /// [`drive_permissions`](Self::drive_permissions).
    pub async fn share_drive(&self, user: &str, invitation: &Invitation) -> Result<Vec<Permission>> {
        let invited: Invited = self.fetch(self.root.share_drive(user, invitation)?).await?;
        Ok(invited.value)
    }

    /// Who may see everything in a user's drive, the owner among them.
    pub async fn drive_permissions(&self, user: &str) -> Result<Vec<Permission>> {
        self.all(self.root.drive_permissions(user)).await
    }

    /// Takes a permission back.
    ///
    /// # Errors
    /// [`NotFound`](iam_core::ErrorKind::NotFound) when it is gone already.
    pub async fn unshare_drive(&self, user: &str, permission: &str) -> Result<()> {
        self.send(self.root.unshare_drive(user, permission))
            .await
            .map(drop)
    }
}

impl fmt::Debug for Drive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Drive({})", self.id)
    }
}

impl fmt::Debug for DriveItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DriveItem({})", self.id)
    }
}

impl fmt::Debug for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Permission({}, {:?})", self.id, self.roles)
    }
}

impl fmt::Debug for SharedUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SharedUser({:?})", self.id)
    }
}

impl fmt::Debug for Invitation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Invitation({:?})", self.role)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::tests::{check, root};

    #[test]
    fn requests_are_as_documented() {
        let quiet = Invitation::quiet(&["m1"], ShareRole::Write);
        let mut body = json!({
            "recipients": [{ "objectId": "m1" }], "roles": ["write"], "requireSignIn": true, "sendInvitation": false,
        });
        let request = root().share_drive("a@x", &quiet).unwrap();
        assert!(request.idempotent);
        check(request, "POST", "/users/a%40x/drive/root/invite", body.clone());
        (body["sendInvitation"], body["message"]) = (true.into(), "Yours now".into());
        let request = root().share_drive("a@x", &quiet.message("Yours now")).unwrap();
        assert!(!request.idempotent);
        check(request, "POST", "/users/a%40x/drive/root/invite", body);
        check(root().drive("u"), "GET", "/users/u/drive", Value::Null);
        check(root().drive_root("u"), "GET", "/users/u/drive/root", Value::Null);
        check(
            root().drive_permissions("u"),
            "GET",
            "/users/u/drive/root/permissions",
            Value::Null,
        );
        check(
            root().unshare_drive("u", "p/1"),
            "DELETE",
            "/users/u/drive/root/permissions/p%2F1",
            Value::Null,
        );
    }
}
