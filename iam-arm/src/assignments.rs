//! Role assignments: who holds which role where.
//!
//! Source: Microsoft Learn, "Role Assignments - Create", "- Delete By Id", "- List For Scope", and
//! "Troubleshoot Azure RBAC" for principals that are not replicated yet.

use std::time::Duration;

use iam_core::error::Retry;
use iam_core::http::{Method, Request};
use iam_core::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::client::{ArmClient, Root};
use crate::odata::{literal, path, query};
use crate::roles::{VERSION, guid};
use crate::scope::Scope;

/// The first wait for a principal that is not known yet; it doubles.
const FIRST_WAIT: Duration = Duration::from_secs(2);
/// The longest single wait.
const LONGEST_WAIT: Duration = Duration::from_secs(15);

/// A role that a principal holds at a scope.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
#[non_exhaustive]
pub struct RoleAssignment {
    /// The full path, by which it is removed.
    pub id: String,
    /// A GUID.
    pub name: String,
    pub properties: RoleAssignmentProperties,
    /// Everything else.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// Who, what and where.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
#[non_exhaustive]
pub struct RoleAssignmentProperties {
    pub scope: String,
    /// The full path of the role definition.
    pub role_definition_id: String,
    pub principal_id: String,
    pub principal_type: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl RoleAssignment {
    /// Where the role holds.
    pub fn scope(&self) -> Scope {
        Scope::trusted(&self.properties.scope)
    }

    /// The GUID of the role, in lower case.
    pub fn role(&self) -> String {
        guid(&self.properties.role_definition_id)
    }
}

/// What kind of object a principal is. Azure needs it for one that was created moments ago.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
#[non_exhaustive]
pub enum PrincipalType {
    User,
    Group,
    ServicePrincipal,
    ForeignGroup,
    Device,
}

impl PrincipalType {
    /// The word that Azure uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "User",
            Self::Group => "Group",
            Self::ServicePrincipal => "ServicePrincipal",
            Self::ForeignGroup => "ForeignGroup",
            Self::Device => "Device",
        }
    }
}

/// What assigning a role did.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Assigned {
    /// It was assigned now.
    Now(RoleAssignment),
    /// The principal held it already, perhaps under another name.
    Already(RoleAssignment),
}

/// The name of the assignment of a role (its GUID) to a principal at a scope: a UUID of version 5 (RFC 9562,
/// URL namespace) over `scope|principal|role` in lower case. The same assignment always has the same name,
/// so that creating it twice creates it once.
pub fn assignment_name(scope: &Scope, principal: &str, role: &str) -> String {
    let text = format!(
        "{}|{}|{}",
        scope.lower(),
        principal.to_lowercase(),
        role.to_lowercase()
    );
    Uuid::new_v5(&Uuid::NAMESPACE_URL, text.as_bytes()).to_string()
}

impl Root {
    pub(crate) fn assignments_of(&self, scope: &Scope, principal: &str) -> Request {
        let filter = format!("principalId eq {}", literal(principal));
        let path = scope.authorization("roleAssignments");
        self.get(&query(&path, VERSION, Some(&filter)), "list role assignments")
    }

    pub(crate) fn assign_role(
        &self,
        scope: &Scope,
        role: &str,
        principal: &str,
        kind: PrincipalType,
    ) -> Result<Request> {
        let name = assignment_name(scope, principal, role);
        let url = query(
            &scope.authorization(&format!("roleAssignments/{name}")),
            VERSION,
            None,
        );
        let place = scope
            .subscription()
            .map(|id| format!("/subscriptions/{id}"))
            .unwrap_or_default();
        let definition = format!("{place}/providers/Microsoft.Authorization/roleDefinitions/{role}");
        self.request(Method::Put, &url, "assign role")
            .json(&json!({ "properties": {
                "roleDefinitionId": definition,
                "principalId": principal,
                "principalType": kind.as_str(),
            }}))
    }

    pub(crate) fn remove_assignment(&self, id: &str) -> Result<Request> {
        // It comes from a journal: nothing else may be deleted by it.
        let lower = id.to_lowercase();
        if !lower.contains("/providers/microsoft.authorization/roleassignments/")
            || !lower.starts_with('/')
            || lower.split('/').any(|name| matches!(name, "." | ".."))
        {
            let message = format!("{id:?} is not the id of a role assignment");
            return Err(Error::new(ErrorKind::Invalid, message).with_operation("remove role assignment"));
        }
        let url = query(&path(id), VERSION, None);
        Ok(self.request(Method::Delete, &url, "remove role assignment"))
    }
}

impl ArmClient {
    /// The roles assigned to a principal itself at, above and below a scope; roles that it holds through
    /// groups are not among them.
    pub async fn assignments_of(&self, scope: &Scope, principal: &str) -> Result<Vec<RoleAssignment>> {
        let mut found: Vec<RoleAssignment> = self.all(self.root.assignments_of(scope, principal)).await?;
        found.retain(|held| held.properties.principal_id.eq_ignore_ascii_case(principal));
        Ok(found)
    }

    /// Assigns a role, by its GUID, to a principal at a scope. Repeating is harmless. A principal that Azure
    /// does not know yet is waited for as long as
    /// [`principal_wait`](crate::ArmClientBuilder::principal_wait) says.
    ///
    /// # Errors
    /// [`ErrorKind::NotYetReplicated`] when the principal did not appear in time; [`ErrorKind::NotFound`]
    /// when the scope or the role does not exist; [`ErrorKind::Conflict`] when the scope has no room for
    /// further assignments, or the name of the assignment is in use for something else.
    pub async fn assign_role(
        &self,
        scope: &Scope,
        role: &str,
        principal: &str,
        kind: PrincipalType,
    ) -> Result<Assigned> {
        let request = self.root.assign_role(scope, role, principal, kind)?;
        let refusal = match self.put_patiently(request).await {
            Ok(answer) => return Ok(answer),
            Err(error) if is_taken(&error) => error,
            Err(error) => return Err(error),
        };
        // Somebody assigned it by hand, under a name of their own; or the name means something else.
        let held = self.assignments_of(scope, principal).await?;
        let same = |held: &RoleAssignment| held.scope() == *scope && held.role().eq_ignore_ascii_case(role);
        match held.into_iter().find(same) {
            Some(held) => Ok(Assigned::Already(held)),
            None if refusal.kind() == ErrorKind::AlreadyExists => {
                // Azure says that it is there and does not show it: one of the two is behind.
                Err(refusal
                    .with_kind(ErrorKind::Conflict)
                    .with_retry(Retry::After(None)))
            }
            None => Err(refusal),
        }
    }

    /// Sends the assignment again, later and later, while Azure does not know the principal.
    async fn put_patiently(&self, request: Request) -> Result<Assigned> {
        let (mut waited, mut wait) = (Duration::ZERO, FIRST_WAIT);
        loop {
            let error = match self.send(request.clone()).await {
                Ok(answer) => {
                    let created = answer.status == 201;
                    let held = answer
                        .json()
                        .map_err(|error| error.with_operation(request.operation))?;
                    return Ok(if created {
                        Assigned::Now(held)
                    } else {
                        Assigned::Already(held)
                    });
                }
                Err(error) => error,
            };
            if error.kind() != ErrorKind::NotYetReplicated {
                return Err(error);
            }
            if waited + wait > self.principal_wait {
                return Err(error.with_retry(Retry::Exhausted));
            }
            self.clock().sleep(wait).await;
            waited += wait;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    /// Removes an assignment by its full id. `true`: it was removed now; `false`: it was not there.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when the id is not that of a role assignment, [`ErrorKind::NotFound`] when its
    /// scope does not exist, [`ErrorKind::Conflict`] when a lock forbids it.
    pub async fn remove_assignment(&self, id: &str) -> Result<bool> {
        let answer = self.send(self.root.remove_assignment(id)?).await?;
        Ok(answer.status != 204)
    }
}

fn is_taken(error: &Error) -> bool {
    error.kind() == ErrorKind::AlreadyExists || error.code() == Some("RoleAssignmentUpdateNotPermitted")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::tests::{check, root};

    #[test]
    fn requests_are_as_documented() {
        let scope: Scope = "/subscriptions/S1/resourceGroups/siem".parse().unwrap();
        let assignments =
            "/subscriptions/S1/resourceGroups/siem/providers/Microsoft.Authorization/roleAssignments";
        let version = "?api-version=2022-04-01";
        let name = assignment_name(&scope, "u1", "r1");
        let body = |definition: &str| {
            json!({"properties": {
                "roleDefinitionId": definition, "principalId": "u1", "principalType": "User",
            }})
        };
        check(
            root()
                .assign_role(&scope, "r1", "u1", PrincipalType::User)
                .unwrap(),
            "PUT",
            &format!("{assignments}/{name}{version}"),
            body("/subscriptions/s1/providers/Microsoft.Authorization/roleDefinitions/r1"),
        );
        let above: Scope = "/providers/Microsoft.Management/managementGroups/mg"
            .parse()
            .unwrap();
        let sent = root()
            .assign_role(&above, "r1", "u1", PrincipalType::User)
            .unwrap();
        let sent: Value = serde_json::from_slice(&sent.body.unwrap()).unwrap();
        assert_eq!(
            sent,
            body("/providers/Microsoft.Authorization/roleDefinitions/r1")
        );
        check(
            root().assignments_of(&scope, "u1"),
            "GET",
            &format!("{assignments}{version}&$filter=principalId%20eq%20%27u1%27"),
            Value::Null,
        );
        check(
            root().remove_assignment(&format!("{assignments}/a 1")).unwrap(),
            "DELETE",
            &format!("{assignments}/a%201{version}"),
            Value::Null,
        );
    }

    #[test]
    fn nothing_but_an_assignment_is_removed() {
        for id in [
            "",
            "a1",
            "/subscriptions/s1/resourceGroups/siem",
            "https://evil.example/providers/Microsoft.Authorization/roleAssignments/a",
            "/subscriptions/s1/providers/Microsoft.Authorization/roleAssignments/../../../s1",
        ] {
            let error = root().remove_assignment(id).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid, "{id}");
        }
    }

    #[test]
    fn the_name_follows_from_the_three() {
        let scope = |text: &str| text.parse::<Scope>().unwrap();
        let name = assignment_name(&scope("/subscriptions/s1"), "u1", "r1");
        assert_eq!(name, "02d0f35e-2d46-5dd3-9b8c-b02571119433");
        assert_eq!(assignment_name(&scope("/SUBSCRIPTIONS/S1/"), "U1", "R1"), name);
        assert_ne!(assignment_name(&scope("/subscriptions/s2"), "u1", "r1"), name);
        assert_ne!(assignment_name(&scope("/subscriptions/s1"), "u2", "r1"), name);
        assert_ne!(assignment_name(&scope("/subscriptions/s1"), "u1", "r2"), name);
    }
}
