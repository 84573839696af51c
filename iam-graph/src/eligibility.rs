//! Privileged Identity Management of directory roles: roles that somebody may activate, and roles for a time.
//!
//! Needs Entra ID P2 or Governance; without it Graph refuses with the code `AadPremiumLicenseRequired`.
//!
//! Source: Microsoft Learn, "Create roleEligibilityScheduleRequests", "Create roleAssignmentScheduleRequests",
//! "unifiedRoleEligibilityScheduleInstance resource type", "requestSchedule resource type".

use std::time::Duration;

use iam_core::error::Retry;
use iam_core::http::{Method, Request};
use iam_core::{Error, ErrorKind, Result};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::client::{GraphClient, Root};
use crate::fresh::WAITS;
use crate::listing::Listing;
use crate::query::{Filter, Query};
use crate::roles::TENANT;

const ROLES: &str = "/roleManagement/directory";
/// How often a request is sent while its answers are lost.
const TRIES: usize = 3;
/// How far the end of a schedule may be from the one that was asked for: the service starts it when it gets to it.
const LATE: SignedDuration = SignedDuration::from_mins(5);

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
    /// The schedule of an eligible instance.
    pub role_eligibility_schedule_id: Option<String>,
    /// The schedule of an assigned instance.
    pub role_assignment_schedule_id: Option<String>,
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

    fn schedule_id(&self) -> Option<&str> {
        let assigned = self.role_assignment_schedule_id.as_deref();
        self.role_eligibility_schedule_id.as_deref().or(assigned)
    }

    /// Whether it was given to the principal itself, and not through a group or by an activation.
    fn is_given(&self) -> bool {
        let activated = self
            .other
            .get("assignmentType")
            .is_some_and(|kind| kind == "Activated");
        self.member_type.as_deref() != Some("Group") && !activated
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

    /// Whether a schedule ends as it was asked to.
    fn fits(self, held: &ScheduledRole) -> bool {
        let instant = |text: &Option<String>| text.as_deref()?.parse::<Timestamp>().ok();
        let near = |left: Timestamp, right: Timestamp| left.duration_since(right).abs() <= LATE;
        match (self, instant(&held.end_date_time)) {
            (Self::Forever, end) => end.is_none(),
            (Self::Until(until), Some(end)) => near(until, end),
            (Self::For(length), Some(end)) => {
                let start = instant(&held.start_date_time).unwrap_or(end);
                let length = SignedDuration::try_from(length).unwrap_or(SignedDuration::MAX);
                start.checked_add(length).is_ok_and(|due| near(due, end))
            }
            (Self::Until(_) | Self::For(_), None) => false,
        }
    }
}

/// Which of the two kinds of schedules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    Eligibility,
    Assignment,
}

/// What a lost request was about, as it is found again.
enum Found {
    /// As it was asked for.
    Wanted(Option<String>),
    /// Not (yet) so.
    Missing,
    /// The role is there with another end: somebody else's.
    Other,
}

impl Root {
    pub(crate) fn scheduled(&self, standing: Standing, query: Query) -> Result<Request> {
        let path = format!("{ROLES}/role{standing:?}ScheduleInstances");
        let operation = match standing {
            Standing::Eligibility => "list eligible roles",
            Standing::Assignment => "list role assignments",
        };
        self.list(&path, &query.or_select(""), operation)
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
        // A repetition of one that took effect is refused, so that a lost answer is looked up instead.
        self.request(Method::Post, &path, operation).json(&body)
    }
}

impl GraphClient {
    /// The roles that a principal itself is eligible for now.
    pub async fn eligible_roles_of(&self, principal: &str) -> Result<Vec<ScheduledRole>> {
        self.stream_eligible_roles(of(principal))?.all().await
    }

    /// Everybody's roles that they are eligible for now.
    pub async fn list_eligible_roles(&self) -> Result<Vec<ScheduledRole>> {
        self.stream_eligible_roles(Query::new())?.all().await
    }

    /// The roles that somebody is eligible for now and that a query describes, page by page.
    ///
    /// # Errors
    /// [`Invalid`](iam_core::ErrorKind::Invalid) for a query that Graph would refuse.
    pub fn stream_eligible_roles(&self, query: Query) -> Result<Listing<ScheduledRole>> {
        Ok(self.listing(self.root.scheduled(Standing::Eligibility, query)?))
    }

    /// The roles that a principal holds now, by a schedule or without one.
    pub async fn scheduled_roles_of(&self, principal: &str) -> Result<Vec<ScheduledRole>> {
        self.stream_scheduled_roles(of(principal))?.all().await
    }

    /// The roles that somebody holds now, by a schedule or without one, and that a query describes, page by page.
    ///
    /// # Errors
    /// [`Invalid`](iam_core::ErrorKind::Invalid) for a query that Graph would refuse.
    pub fn stream_scheduled_roles(&self, query: Query) -> Result<Listing<ScheduledRole>> {
        Ok(self.listing(self.root.scheduled(Standing::Assignment, query)?))
    }

    /// Asks for a change and, where its answer is lost, looks what has become of it.
    async fn settle(
        &self,
        standing: Standing,
        held: (&str, &str, &str),
        validity: Option<Validity>,
        justification: &str,
    ) -> Result<RoleRequest> {
        let request = self.root.schedule(standing, held, validity, justification)?;
        let mut lost: Option<Error> = None;
        for wait in &WAITS[..TRIES] {
            let refusal = match self.fetch(request.clone()).await {
                Ok(done) => return Ok(done),
                // Among others a `Protocol` error: done, but the answer cannot be read.
                Err(error) if matches!(error.kind(), ErrorKind::OutcomeUnknown | ErrorKind::Protocol) => {
                    lost = Some(error);
                    None
                }
                // It is so: by one of ours whose answer was lost, or by somebody else's.
                Err(error)
                    if lost.is_some()
                        && matches!(error.kind(), ErrorKind::AlreadyExists | ErrorKind::NotFound) =>
                {
                    Some(error)
                }
                Err(error) => return Err(error),
            };
            tracing::warn!(
                operation = request.operation,
                "the answer was lost, looking what is"
            );
            self.clock().sleep(*wait).await;
            match (self.look_for(standing, held, validity).await, refusal) {
                (Ok(Found::Wanted(schedule)), _) => {
                    let status = if validity.is_some() {
                        "Provisioned"
                    } else {
                        "Revoked"
                    };
                    let action = if validity.is_some() {
                        "adminAssign"
                    } else {
                        "adminRemove"
                    };
                    return Ok(RoleRequest {
                        status: Some(status.to_owned()),
                        action: Some(action.to_owned()),
                        target_schedule_id: schedule,
                        ..RoleRequest::default()
                    });
                }
                (Ok(Found::Other), refusal) => {
                    let other = || Error::new(ErrorKind::AlreadyExists, "the role is held with another end");
                    let refusal = refusal.unwrap_or_else(|| other().with_operation(request.operation));
                    return Err(refusal);
                }
                (Ok(Found::Missing), _) => {}
                (Err(error), _) => {
                    lost = lost.map(|lost| lost.with_source(error));
                    break;
                }
            }
        }
        let unknown = || Error::new(ErrorKind::OutcomeUnknown, "no answer").with_operation(request.operation);
        Err(lost
            .unwrap_or_else(unknown)
            .with_kind(ErrorKind::OutcomeUnknown)
            .with_retry(Retry::Exhausted))
    }

    async fn look_for(
        &self,
        standing: Standing,
        (principal, role, scope): (&str, &str, &str),
        validity: Option<Validity>,
    ) -> Result<Found> {
        let instances = self.root.scheduled(standing, of(principal))?;
        let instances: Vec<ScheduledRole> = self.listing(instances).all().await?;
        let mut same = instances.into_iter().filter(|held| {
            held.role_definition_id.eq_ignore_ascii_case(role)
                && held.scope().eq_ignore_ascii_case(scope)
                && held.is_given()
        });
        Ok(match (validity, same.next()) {
            (None, None) => Found::Wanted(None),
            (None, Some(_)) | (Some(_), None) => Found::Missing,
            (Some(validity), Some(held)) if validity.fits(&held) => {
                Found::Wanted(held.schedule_id().map(str::to_owned))
            }
            (Some(_), Some(_)) => Found::Other,
        })
    }

    /// Makes a principal eligible for a role, by definition or template id, in a scope ([`TENANT`], or
    /// [`units::scope`](crate::units::scope)). When the answer is lost, it is looked up whether the principal is
    /// eligible now, and only where not the request is sent again.
    ///
    /// # Errors
    /// [`AlreadyExists`](iam_core::ErrorKind::AlreadyExists) when it is eligible already (after a lost answer: with
    /// another end than the one asked for); [`Invalid`](iam_core::ErrorKind::Invalid) where the tenant's role settings
    /// do not allow it; [`OutcomeUnknown`](iam_core::ErrorKind::OutcomeUnknown) when neither answers nor a look-up came.
    pub async fn make_eligible(
        &self,
        principal: &str,
        role: &str,
        scope: &str,
        validity: Validity,
        justification: &str,
    ) -> Result<RoleRequest> {
        let held = (principal, role, scope);
        self.settle(Standing::Eligibility, held, Some(validity), justification)
            .await
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
        self.settle(Standing::Eligibility, held, None, justification)
            .await
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
        self.settle(Standing::Assignment, held, Some(validity), justification)
            .await
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
        self.settle(Standing::Assignment, held, None, justification).await
    }
}

/// What one principal has.
fn of(principal: &str) -> Query {
    Query::new().filter(Filter::eq("principalId", principal))
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
            root().scheduled(Standing::Eligibility, of("u1")).unwrap(),
            "GET",
            "/roleManagement/directory/roleEligibilityScheduleInstances?$filter=principalId%20eq%20%27u1%27",
            Value::Null,
        );
        check(
            root().scheduled(Standing::Assignment, Query::new()).unwrap(),
            "GET",
            "/roleManagement/directory/roleAssignmentScheduleInstances",
            Value::Null,
        );
    }
}
