//! Role definitions, built in and custom.
//!
//! Source: Microsoft Learn, "Role Definitions - List" and "Azure built-in roles for Privileged".

use iam_core::http::Request;
use iam_core::{Error, ErrorKind, Result};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use crate::client::{ArmClient, Root};
use crate::odata::{literal, query};
use crate::scope::Scope;

pub(crate) const VERSION: &str = "2022-04-01";

/// Owner, Contributor, User Access Administrator, Role Based Access Control Administrator: the same ids in
/// every tenant and cloud.
const ADMINISTRATORS: [&str; 4] = [
    "8e3af657-a8ff-443c-a75c-2fe8c4bcb635",
    "b24988ac-6180-42a0-ab88-20f7382dd24c",
    "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9",
    "f58310d9-a9f6-439a-9e8d-f62e7b41a168",
];

/// Writes of `Microsoft.Authorization` with which somebody can give access, or take protection away.
const SENSITIVE: [&str; 12] = [
    "microsoft.authorization/elevateaccess/action",
    "microsoft.authorization/classicadministrators/write",
    "microsoft.authorization/roleassignments/write",
    "microsoft.authorization/roledefinitions/write",
    "microsoft.authorization/roleassignmentschedulerequests/write",
    "microsoft.authorization/roleeligibilityschedulerequests/write",
    "microsoft.authorization/rolemanagementpolicies/write",
    "microsoft.authorization/denyassignments/write",
    "microsoft.authorization/locks/write",
    "microsoft.authorization/policyassignments/write",
    "microsoft.authorization/policydefinitions/write",
    "microsoft.authorization/policyexemptions/write",
];

/// A role that can be assigned.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
#[non_exhaustive]
pub struct RoleDefinition {
    /// The full path, which ends in the GUID.
    pub id: String,
    /// The GUID.
    pub name: String,
    pub properties: RoleDefinitionProperties,
    /// Everything else.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// What a role is called and allows.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
#[non_exhaustive]
pub struct RoleDefinitionProperties {
    /// The name that people and policies use, for example `Reader`.
    pub role_name: String,
    /// `BuiltInRole` or `CustomRole`.
    #[serde(rename = "type")]
    pub role_type: Option<String>,
    pub description: Option<String>,
    #[serde(deserialize_with = "list")]
    pub permissions: Vec<Permission>,
    #[serde(deserialize_with = "list")]
    pub assignable_scopes: Vec<String>,
    /// Everything else.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// Operations that a role allows, less those it does not; `*` stands for anything.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
#[non_exhaustive]
pub struct Permission {
    #[serde(deserialize_with = "list")]
    pub actions: Vec<String>,
    #[serde(deserialize_with = "list")]
    pub not_actions: Vec<String>,
    #[serde(deserialize_with = "list")]
    pub data_actions: Vec<String>,
    #[serde(deserialize_with = "list")]
    pub not_data_actions: Vec<String>,
    /// Everything else.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// A list that Azure also writes as `null`.
fn list<'de, D: Deserializer<'de>, T: Deserialize<'de>>(input: D) -> Result<Vec<T>, D::Error> {
    Ok(Option::deserialize(input)?.unwrap_or_default())
}

impl RoleDefinition {
    /// The role's GUID in lower case.
    pub fn guid(&self) -> String {
        guid(&self.id)
    }

    /// Whether the role carries administrative power: the built-in administrators, everything that may
    /// change access, policy or locks, and roles that may change anything.
    pub fn is_privileged(&self) -> bool {
        ADMINISTRATORS.contains(&self.guid().as_str())
            || self.properties.permissions.iter().any(Permission::is_privileged)
    }
}

impl Permission {
    fn is_privileged(&self) -> bool {
        let covers = |patterns: &[String], operation: &str| {
            patterns
                .iter()
                .any(|pattern| matches(&pattern.to_ascii_lowercase(), operation))
        };
        let everything = |action: &String| matches!(action.trim(), "*" | "*/*" | "*/write");
        self.actions.iter().any(everything)
            || SENSITIVE
                .iter()
                .any(|operation| covers(&self.actions, operation) && !covers(&self.not_actions, operation))
    }
}

/// Whether a pattern with `*` for any text fits the whole of it; both in lower case.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(mut text) = text.strip_prefix(start) else {
        return false;
    };
    let (middle, end) = rest.rsplit_once('*').unwrap_or(("", rest));
    for piece in middle.split('*') {
        match text.find(piece) {
            Some(at) => text = &text[at + piece.len()..],
            None => return false,
        }
    }
    text.ends_with(end)
}

/// The last segment of a role definition's path, in lower case.
pub(crate) fn guid(id: &str) -> String {
    id.rsplit('/').next().unwrap_or_default().to_lowercase()
}

impl Root {
    pub(crate) fn list_roles(&self, scope: &Scope, filter: Option<&str>) -> Request {
        let path = scope.authorization("roleDefinitions");
        self.get(&query(&path, VERSION, filter), "list roles")
    }
}

impl ArmClient {
    /// The roles that can be assigned at a scope, built in and custom.
    pub async fn list_roles(&self, scope: &Scope) -> Result<Vec<RoleDefinition>> {
        self.all(self.root.list_roles(scope, None)).await
    }

    /// The role of that name at a scope; case does not matter.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is none, [`ErrorKind::Conflict`] when there are two: a custom role
    /// may be called like a built-in one.
    pub async fn role(&self, scope: &Scope, name: &str) -> Result<RoleDefinition> {
        let filter = format!("roleName eq {}", literal(name));
        let found: Vec<RoleDefinition> = self.all(self.root.list_roles(scope, Some(&filter))).await?;
        let mut named = found
            .into_iter()
            .filter(|role| role.properties.role_name.eq_ignore_ascii_case(name));
        let wrong = |kind, message| Error::new(kind, message).with_operation("list roles");
        let first = named.next().ok_or_else(|| {
            wrong(
                ErrorKind::NotFound,
                format!("no role is called {name:?} at {scope}"),
            )
        })?;
        match named.next() {
            None => Ok(first),
            Some(second) => Err(wrong(
                ErrorKind::Conflict,
                format!(
                    "two roles are called {name:?} at {scope}: {} and {}; use the id",
                    first.guid(),
                    second.guid()
                ),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::tests::{check, root};
    use serde_json::json;

    #[test]
    fn requests_are_as_documented() {
        let path =
            "/subscriptions/s1/providers/Microsoft.Authorization/roleDefinitions?api-version=2022-04-01";
        let scope = "/subscriptions/s1/".parse().unwrap();
        check(root().list_roles(&scope, None), "GET", path, Value::Null);
        let path = format!("{path}&$filter=roleName%20eq%20%27a%27");
        check(
            root().list_roles(&scope, Some("roleName eq 'a'")),
            "GET",
            &path,
            Value::Null,
        );
    }

    #[test]
    fn power_is_what_may_change_access() {
        let check = |id: &str, permissions: Value, expect: bool| {
            let role =
                json!({"id": format!("/providers/x/{id}"), "properties": {"permissions": permissions}});
            let role: RoleDefinition = serde_json::from_value(role).unwrap();
            assert_eq!(role.is_privileged(), expect, "{id} {permissions}");
        };
        let allows = |actions: &[&str], not: &[&str]| json!([{"actions": actions, "notActions": not}]);
        check("B24988AC-6180-42a0-ab88-20f7382dd24c", json!([]), true);
        check("r", allows(&["*/read"], &[]), false);
        check("r", allows(&["*"], &["Microsoft.Authorization/*/Write"]), true);
        check(
            "r",
            allows(&["Microsoft.Authorization/roleAssignments/write"], &[]),
            true,
        );
        check("r", allows(&["Microsoft.Authorization/*"], &[]), true);
        check(
            "r",
            allows(
                &["Microsoft.Authorization/*/write"],
                &["Microsoft.Authorization/*"],
            ),
            false,
        );
        check(
            "r",
            allows(
                &["microsoft.authorization/role*/WRITE"],
                &["Microsoft.Authorization/roleAssignments/*"],
            ),
            true,
        );
        check(
            "r",
            allows(&["Microsoft.Authorization/*/read", "Microsoft.Compute/*"], &[]),
            false,
        );
        check("r", json!([{"dataActions": ["*"], "notActions": null}]), false);
        check("r", Value::Null, false);
        check(
            "r",
            json!([{}, {"actions": ["Microsoft.Authorization/locks/*"]}]),
            true,
        );
    }

    #[test]
    fn a_star_stands_for_any_text() {
        let check = |pattern, text, expect| assert_eq!(matches(pattern, text), expect, "{pattern} {text}");
        check("*", "a/b", true);
        check("a/*", "a/b/c", true);
        check("a/*/c", "a/b/c", true);
        check("a/*/c", "a/c", false);
        check("a*b*c", "a-b-c", true);
        check("a*b*c", "a-c-b", false);
        check("a*a", "a", false);
        check("**", "x", true);
        check("a", "ab", false);
    }
}
