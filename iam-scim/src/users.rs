//! Users (RFC 7643 sections 4.1 and 4.3).

use std::fmt;

use iam_core::Result;
use iam_core::http::{Method, Request};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::client::{Root, ScimClient, with_body};
use crate::error::read;
use crate::filter::Filter;
use crate::list::{Collection, Resource, member};
use crate::patch::Patch;
use crate::values::{boolean, complex, list, text};

/// The URN of the core user schema.
pub const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
/// The URN of the enterprise extension.
pub const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// A user. Attributes that the server did not send are `None` or empty; attributes unknown here are in
/// [`other`](Self::other). `Debug` prints the id alone.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
#[non_exhaustive]
pub struct User {
    #[serde(deserialize_with = "list", skip_serializing_if = "Vec::is_empty")]
    pub schemas: Vec<Urn>,
    /// The server's own id; `None` before it has been created.
    #[serde(deserialize_with = "text", skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The worker id: what the account is correlated by.
    #[serde(deserialize_with = "text", skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    #[serde(deserialize_with = "text", skip_serializing_if = "Option::is_none")]
    pub user_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Name>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_type: Option<String>,
    /// `None` where the server does not say.
    #[serde(deserialize_with = "boolean", skip_serializing_if = "Option::is_none")]
    pub active: Option<bool>,
    #[serde(deserialize_with = "list", skip_serializing_if = "Vec::is_empty")]
    pub emails: Vec<Entry>,
    #[serde(deserialize_with = "list", skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<Address>,
    /// Groups the user is a member of, where the server computes them. Read-only.
    #[serde(deserialize_with = "list", skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<Entry>,
    #[serde(deserialize_with = "list", skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<Entry>,
    #[serde(rename = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enterprise: Option<Enterprise>,
    /// Everything else.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// The URN of a schema.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Urn(pub String);

impl<'de> Deserialize<'de> for Urn {
    /// From text, or from an object whose `value` is text.
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        let value = Value::deserialize(from)?;
        let text = value.get("value").unwrap_or(&value).as_str();
        text.map(|text| Self(text.to_owned()))
            .ok_or_else(|| serde::de::Error::custom("expected a schema's URN"))
    }
}

/// A person's name. `Debug` prints nothing of it.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
#[non_exhaustive]
pub struct Name {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub formatted: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub family_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub given_name: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// An element of a multi-valued attribute: an e-mail address, a role, a group, a member. `Debug` prints
/// the type alone.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
#[non_exhaustive]
pub struct Entry {
    #[serde(deserialize_with = "text", skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display: Option<String>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    #[serde(deserialize_with = "boolean", skip_serializing_if = "Option::is_none")]
    pub primary: Option<bool>,
    /// Everything else.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl Entry {
    /// An element of that value.
    pub fn new(value: impl Into<String>) -> Self {
        Self {
            value: Some(value.into()),
            ..Self::default()
        }
    }
}

/// A postal address; its `type` is `work`, `home` or `other`. `Debug` prints the type alone.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
#[non_exhaustive]
pub struct Address {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locality: Option<String>,
    /// ISO 3166-1 alpha-2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// The enterprise extension.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
#[non_exhaustive]
pub struct Enterprise {
    #[serde(deserialize_with = "text", skip_serializing_if = "Option::is_none")]
    pub employee_number: Option<String>,
    #[serde(deserialize_with = "text", skip_serializing_if = "Option::is_none")]
    pub cost_center: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organization: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub division: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub department: Option<String>,
    /// The manager; its `value` is the manager's SCIM id.
    #[serde(deserialize_with = "complex", skip_serializing_if = "Option::is_none")]
    pub manager: Option<Entry>,
    /// Everything else.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

macro_rules! unprintable {
    ($($type:ident . $field:ident),*) => {$(
        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($type), self.$field.as_deref().unwrap_or_default())
            }
        }
    )*};
}

unprintable!(User.id, Entry.kind, Address.kind, Enterprise.employee_number);

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Name(…)")
    }
}

impl User {
    /// A user of that sign-in name, to be filled and created.
    pub fn new(user_name: impl Into<String>) -> Self {
        Self {
            schemas: vec![Urn(USER.to_owned())],
            user_name: Some(user_name.into()),
            ..Self::default()
        }
    }

    /// The same user with the extension, and its schema announced.
    #[must_use]
    pub fn with_enterprise(mut self, enterprise: Enterprise) -> Self {
        if !self
            .schemas
            .iter()
            .any(|urn| urn.0.eq_ignore_ascii_case(ENTERPRISE))
        {
            self.schemas.push(Urn(ENTERPRISE.to_owned()));
        }
        self.enterprise = Some(enterprise);
        self
    }

    /// The server's id, or an empty text before it has been created.
    pub fn id(&self) -> &str {
        self.id.as_deref().unwrap_or_default()
    }
}

impl Root {
    fn write(
        &self,
        method: Method,
        path: &str,
        resource: &impl Serialize,
        operation: &'static str,
    ) -> Result<Request> {
        let body = serde_json::to_value(resource).map_err(|source| {
            iam_core::Error::new(
                iam_core::ErrorKind::Invalid,
                "the resource cannot be written as JSON",
            )
            .with_source(source)
        })?;
        with_body(self.request(method, path, operation), &body)
    }
}

impl ScimClient {
    /// Creates a resource. `None` where the server's answer holds none, or one without an id: look it up.
    pub(crate) async fn create<T: Serialize>(
        &self,
        path: &str,
        resource: &T,
        operation: &'static str,
    ) -> Result<Option<Resource>> {
        let answer = self
            .send(self.root.write(Method::Post, path, resource, operation)?)
            .await?;
        let created: Option<Resource> = answer.json().ok();
        Ok(created.filter(|created| {
            matches!(created.get("id"), Some(Value::String(id)) if !id.is_empty())
                || matches!(created.get("id"), Some(Value::Number(_)))
        }))
    }

    /// Replaces a resource by PUT.
    pub(crate) async fn put<T: Serialize>(
        &self,
        path: &str,
        resource: &T,
        operation: &'static str,
    ) -> Result<()> {
        let request = self.root.write(Method::Put, path, resource, operation)?;
        self.send(request).await.map(drop)
    }

    async fn users_at(&self) -> Result<String> {
        Ok(self.abilities().await?.users.clone())
    }

    /// The user with that id.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](iam_core::ErrorKind::NotFound) only when the SCIM service itself says so.
    pub async fn user(&self, id: &str) -> Result<User> {
        let resource = self.one(&self.users_at().await?, id, "", "read user").await?;
        read(Value::Object(resource), "read user")
    }

    /// All users, or those that pass the filter. Servers that cannot filter are paged through; every user
    /// that comes back passes the filter.
    pub async fn list_users(&self, filter: Option<&Filter>) -> Result<Vec<User>> {
        let path = self.users_at().await?;
        let of = Collection {
            path: &path,
            operation: "list users",
            without: None,
        };
        let found = self.found(of, filter).await?;
        found
            .into_iter()
            .map(|resource| read(Value::Object(resource), "list users"))
            .collect()
    }

    /// Creates a user. A server whose answer holds no id is asked by `externalId`, then by `userName`.
    ///
    /// # Errors
    /// [`AlreadyExists`](iam_core::ErrorKind::AlreadyExists) when the name is taken;
    /// [`OutcomeUnknown`](iam_core::ErrorKind::OutcomeUnknown) when the answer was lost, or the new user
    /// cannot be found: look before repeating.
    pub async fn create_user(&self, user: &User) -> Result<User> {
        let path = self.users_at().await?;
        if let Some(created) = self.create(&path, user, "create user").await? {
            return read(Value::Object(created), "create user");
        }
        let keys = [("externalId", &user.external_id), ("userName", &user.user_name)];
        for (attribute, value) in keys {
            let Some(value) = value else { continue };
            let mut found = self
                .list_users(Some(&Filter::eq(attribute, value.as_str())))
                .await?;
            if found.len() == 1
                && let Some(found) = found.pop()
            {
                return Ok(found);
            }
        }
        let message = "the server answered without an id, and the user cannot be found";
        Err(iam_core::Error::new(iam_core::ErrorKind::OutcomeUnknown, message).with_operation("create user"))
    }

    /// Changes a user, by PATCH or, where the server has none, by GET and PUT. The user as it is then, where
    /// the server sent it.
    pub async fn patch_user(&self, id: &str, patch: &Patch) -> Result<Option<User>> {
        let at = member(&self.users_at().await?, id)?;
        let resource = self.modify(&at, patch, "update user").await?;
        Ok(resource.and_then(|resource| read(Value::Object(resource), "update user").ok()))
    }

    /// Replaces a user by PUT: what is not in it is cleared.
    pub async fn replace_user(&self, id: &str, user: &User) -> Result<()> {
        let path = member(&self.users_at().await?, id)?;
        self.put(&path, user, "replace user").await
    }

    /// Deletes a user, for good.
    pub async fn delete_user(&self, id: &str) -> Result<()> {
        self.delete(&self.users_at().await?, id, "delete user").await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::tests::root;
    use serde_json::json;

    #[test]
    fn users_are_read_as_servers_write_them() {
        let user: User = serde_json::from_value(json!({
            "schemas": [USER], "id": 7, "active": "False", "emails": { "value": "a@x.example", "primary": "True" },
            "roles": ["agent"], "groups": null, "x-unknown": { "a": 1 },
            ENTERPRISE: { "employeeNumber": 42, "manager": "9", "color": "red" },
        }))
        .unwrap();
        assert_eq!((user.id(), user.active), ("7", Some(false)));
        assert_eq!(user.emails[0].primary, Some(true));
        assert_eq!(user.roles[0].value.as_deref(), Some("agent"));
        assert_eq!(user.other["x-unknown"]["a"], 1);
        let enterprise = user.enterprise.clone().unwrap();
        assert_eq!(enterprise.manager.unwrap().value.as_deref(), Some("9"));
        assert_eq!(enterprise.employee_number.as_deref(), Some("42"));
        // Unknown attributes survive.
        let written = serde_json::to_value(&user).unwrap();
        assert_eq!(written[ENTERPRISE]["color"], "red");
        assert_eq!(written["x-unknown"]["a"], 1);
        assert_eq!(format!("{user:?}"), "User(7)");
    }

    #[test]
    fn managers_come_in_many_shapes() {
        let check = |manager: Value, expect: Option<&str>| {
            let read: Enterprise = serde_json::from_value(json!({ "manager": manager })).unwrap();
            assert_eq!(read.manager.and_then(|manager| manager.value).as_deref(), expect);
        };
        check(json!({ "value": "9", "$ref": "../Users/9" }), Some("9"));
        check(json!([{ "value": "9" }]), Some("9"));
        check(json!("9"), Some("9"));
        check(json!(""), None);
        check(json!([]), None);
        check(Value::Null, None);
    }

    #[test]
    fn a_new_user_is_written_without_empty_attributes() {
        let user = User::new("ada").with_enterprise(Enterprise {
            department: Some("Engines".into()),
            ..Enterprise::default()
        });
        let request = root()
            .write(Method::Post, "/Users", &user, "create user")
            .unwrap();
        let body: Value = serde_json::from_slice(request.body.as_deref().unwrap()).unwrap();
        assert_eq!(
            body,
            json!({ "schemas": [USER, ENTERPRISE], "userName": "ada", ENTERPRISE: { "department": "Engines" } })
        );
    }
}
