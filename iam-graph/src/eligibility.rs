//! Privileged Identity Management of directory roles: roles that somebody may activate, and roles for a time.
//!
//! Needs Entra ID P2 or Governance; without it Graph refuses with the code `AadPremiumLicenseRequired`.
//!
//! Source: Microsoft Learn, "Create roleEligibilityScheduleRequests", "Create roleAssignmentScheduleRequests",
//! "unifiedRoleEligibilityScheduleInstance resource type", "requestSchedule resource type".

use std::time::Duration;

use iam_core::Result;
use iam_core::http::{Method, Request};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::client::{GraphClient, Root};
use crate::odata::{literal, query};
use crate::roles::TENANT;

const ROLES: &str = "/roleManagement/directory";

/// A role that somebody is eligible for, or holds by a schedule: as it is now (an instance), or as it is planned.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
#[non_exhaustive]
pub struct ScheduledRole {
    pub id: String,
    pub principal_id: String,
    pub role_definition_id: String,
    /// `/` for the whole tenant, `/administrativeUnits/<id>`.
    pub directory_scope_id: Option<String>,
    /// RFC 3339; of an instance.
    pub start_date_time: Option<String>,
    /// RFC 3339; of an instance, absent where it does not end.
    pub end_date_time: Option<String>,
    /// `Direct`, or `Group` where a group is eligible.
    pub member_type: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl ScheduledRole {
    /// Where the role holds: [`TENANT`] or a directory scope.
    pub fn scope(&self) -> &str {
        self.directory_scope_id.as_deref().unwrap_or(TENANT)
    }
}

/// What has come of a request.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
#[non_exhaustive]
pub struct RoleRequest {
    pub id: String,
    /// `Provisioned`, `Revoked`, or a state on the way, for example `PendingApproval`.
    pub status: Option<String>,
    pub action: Option<String>,
    /// The schedule that it made or ended.
    pub target_schedule_id: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// How long a role holds from now on. The tenant's role settings limit it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Validity {
    /// Without an end.
    Forever,
    /// Until that instant.
    Until(Timestamp),
    /// That long.
    For(Duration),
}

impl Validity {
    fn schedule(self) -> Value {
        let expiration = match self {
            Self::Forever => json!({ "type": "noExpiration" }),
            Self::Until(end) => {
                let end = end.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
                json!({ "type": "afterDateTime", "endDateTime": end })
            }
            Self::For(length) => {
                json!({ "type": "afterDuration", "duration": format!("PT{}S", length.as_secs()) })
            }
        };
        json!({ "expiration": expiration })
    }
}

/// Which of the two kinds of schedules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    Eligibility,
    Assignment,
}

impl Root {
    pub(crate) fn scheduled(&self, standing: Standing, principal: Option<&str>) -> Request {
        let path = format!("{ROLES}/role{standing:?}ScheduleInstances");
        let filter = principal.map(|principal| format!("principalId eq {}", literal(principal)));
        let options = filter.as_deref().map(|filter| ("$filter", filter));
        let operation = match standing {
            Standing::Eligibility => "list eligible roles",
            Standing::Assignment => "list role assignments",
        };
        self.get(&query(&path, options.as_slice()), operation)
    }

    /// Without a validity the role is taken.
    pub(crate) fn schedule(
        &self,
        standing: Standing,
        held: (&str, &str, &str),
        validity: Option<Validity>,
        justification: &str,
    ) -> Result<Request> {
        let (principal, role, scope) = held;
        let path = format!("{ROLES}/role{standing:?}ScheduleRequests");
        let operation = match (standing, validity) {
            (Standing::Eligibility, Some(_)) => "make eligible for a role",
            (Standing::Eligibility, None) => "remove eligible role",
            (Standing::Assignment, Some(_)) => "assign role",
            (Standing::Assignment, None) => "remove role",
        };
        let mut body = json!({
            "action": if validity.is_some() { "adminAssign" } else { "adminRemove" },
            "principalId": principal, "roleDefinitionId": role, "directoryScopeId": scope,
            "justification": justification,
        });
        if let Some(validity) = validity {
            body["scheduleInfo"] = validity.schedule();
        }
        // Repeating is harmless: Graph refuses a second one, and to take what is not there.
        self.request(Method::Post, &path, operation)
            .idempotent(true)
            .json(&body)
    }
}

impl GraphClient {
    /// The roles that a principal itself is eligible for now.
    pub async fn eligible_roles_of(&self, principal: &str) -> Result<Vec<ScheduledRole>> {
        self.all(self.root.scheduled(Standing::Eligibility, Some(principal)))
            .await
    }

    /// Everybody's roles that they are eligible for now.
    pub async fn list_eligible_roles(&self) -> Result<Vec<ScheduledRole>> {
        self.all(self.root.scheduled(Standing::Eligibility, None)).await
    }

    /// The roles that a principal holds now, by a schedule or without one.
    pub async fn scheduled_roles_of(&self, principal: &str) -> Result<Vec<ScheduledRole>> {
        self.all(self.root.scheduled(Standing::Assignment, Some(principal)))
            .await
    }

    /// Makes a principal eligible for a role, by definition or template id, in a scope ([`TENANT`], or
    /// [`units::scope`](crate::units::scope)).
    ///
    /// # Errors
    /// [`AlreadyExists`](iam_core::ErrorKind::AlreadyExists) when it is eligible;
    /// [`Invalid`](iam_core::ErrorKind::Invalid) where the tenant's role settings do not allow it.
    pub async fn make_eligible(
        &self,
        principal: &str,
        role: &str,
        scope: &str,
        validity: Validity,
        justification: &str,
    ) -> Result<RoleRequest> {
        let held = (principal, role, scope);
        let request = self
            .root
            .schedule(Standing::Eligibility, held, Some(validity), justification)?;
        self.fetch(request).await
    }

    /// Takes the eligibility for a role away.
    ///
    /// # Errors
    /// [`NotFound`](iam_core::ErrorKind::NotFound) when there is none.
    pub async fn remove_eligible_role(
        &self,
        principal: &str,
        role: &str,
        scope: &str,
        justification: &str,
    ) -> Result<RoleRequest> {
        let held = (principal, role, scope);
        let request = self
            .root
            .schedule(Standing::Eligibility, held, None, justification)?;
        self.fetch(request).await
    }

    /// Gives a role for a time.
    ///
    /// # Errors
    /// As [`make_eligible`](Self::make_eligible).
    pub async fn assign_role_for(
        &self,
        principal: &str,
        role: &str,
        scope: &str,
        validity: Validity,
        justification: &str,
    ) -> Result<RoleRequest> {
        let held = (principal, role, scope);
        let request = self
            .root
            .schedule(Standing::Assignment, held, Some(validity), justification)?;
        self.fetch(request).await
    }

    /// Takes a role, given for a time or not.
    ///
    /// # Errors
    /// [`NotFound`](iam_core::ErrorKind::NotFound) when it is not held.
    pub async fn remove_scheduled_role(
        &self,
        principal: &str,
        role: &str,
        scope: &str,
        justification: &str,
    ) -> Result<RoleRequest> {
        let held = (principal, role, scope);
        let request = self
            .root
            .schedule(Standing::Assignment, held, None, justification)?;
        self.fetch(request).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::tests::{check, root};

    #[test]
    fn requests_are_as_documented() {
        let held = ("u1", "r1", TENANT);
        let with = |action: &str, more: Value| {
            let mut body = json!({
                "action": action, "principalId": "u1", "roleDefinitionId": "r1", "directoryScopeId": "/",
                "justification": "why",
            });
            body.as_object_mut()
                .unwrap()
                .extend(more.as_object().unwrap().clone());
            body
        };
        let until = Validity::Until("2027-01-31T12:00:00Z".parse().unwrap());
        for (validity, expiration) in [
            (Validity::Forever, json!({"type": "noExpiration"})),
            (
                until,
                json!({"type": "afterDateTime", "endDateTime": "2027-01-31T12:00:00Z"}),
            ),
            (
                Validity::For(Duration::from_hours(8)),
                json!({"type": "afterDuration", "duration": "PT28800S"}),
            ),
        ] {
            check(
                root()
                    .schedule(Standing::Eligibility, held, Some(validity), "why")
                    .unwrap(),
                "POST",
                "/roleManagement/directory/roleEligibilityScheduleRequests",
                with(
                    "adminAssign",
                    json!({ "scheduleInfo": { "expiration": expiration } }),
                ),
            );
        }
        check(
            root().schedule(Standing::Assignment, held, None, "why").unwrap(),
            "POST",
            "/roleManagement/directory/roleAssignmentScheduleRequests",
            with("adminRemove", json!({})),
        );
        check(
            root().scheduled(Standing::Eligibility, Some("u1")),
            "GET",
            "/roleManagement/directory/roleEligibilityScheduleInstances?$filter=principalId%20eq%20%27u1%27",
            Value::Null,
        );
        check(
            root().scheduled(Standing::Assignment, None),
            "GET",
            "/roleManagement/directory/roleAssignmentScheduleInstances",
            Value::Null,
        );
    }
}
