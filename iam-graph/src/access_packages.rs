//! Access packages of entitlement management: what they hold, and who has one, asks for one, loses one.
//!
//! Needs Entra ID Governance. Nothing here takes effect at once: a request is accepted, and delivered within minutes.
//!
//! Source: Microsoft Learn, "accessPackage resource type", "List assignments", "List assignmentRequests", "Create
//! accessPackageAssignmentRequest", "accessPackageAssignmentRequest: cancel", "List resourceRoleScopes".

mod holding;
mod offer;

use iam_core::Result;
use iam_core::http::{Method, Request};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::client::{GraphClient, Root};
use crate::listing::Listing;
use crate::odata::segment;
use crate::query::{Filter, Query};
use crate::users::prints_only;

pub(crate) use holding::Parcel;
pub(crate) use offer::{Choices, Packages};

const AT: &str = "/identityGovernance/entitlementManagement";

/// A package that people can have.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
#[non_exhaustive]
pub struct AccessPackage {
    pub id: String,
    /// Unique within its catalog.
    pub display_name: String,
    pub description: Option<String>,
    /// Whether it is left out of what people can ask for.
    pub is_hidden: Option<bool>,
    /// What whoever has the package gets, where that was read: [`GraphClient::access_package`].
    pub resource_role_scopes: Vec<ResourceRoleScope>,
    /// Everything else.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// A role of a resource that a package brings.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
#[non_exhaustive]
pub struct ResourceRoleScope {
    pub id: String,
    pub role: Option<ResourceRole>,
    /// Everything else.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// A role of a resource.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
#[non_exhaustive]
pub struct ResourceRole {
    pub id: String,
    pub display_name: Option<String>,
    /// `AadGroup`, `AadApplication`, `SharePointOnline`.
    pub origin_system: Option<String>,
    /// `Member_<id>` or `Owner_<id>` of a group.
    pub origin_id: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl AccessPackage {
    /// The ids of the groups that whoever has the package is a member of.
    pub fn groups(&self) -> impl Iterator<Item = &str> {
        let roles = self
            .resource_role_scopes
            .iter()
            .filter_map(|held| held.role.as_ref());
        let roles = roles.filter(|role| role.origin_system.as_deref() == Some("AadGroup"));
        roles.filter_map(|role| role.origin_id.as_deref()?.strip_prefix("Member_"))
    }
}

/// By what rules a package is given.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
#[non_exhaustive]
pub struct AssignmentPolicy {
    pub id: String,
    pub display_name: Option<String>,
    /// Who may have it: `notSpecified` where administrators alone give it, `allMemberUsers`, ….
    pub allowed_target_scope: Option<String>,
    /// There where the policy gives the package by itself, to whoever a rule names.
    pub automatic_request_settings: Option<Map<String, Value>>,
    pub access_package: Option<AccessPackage>,
    /// Everything else.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl AssignmentPolicy {
    /// Whether it gives the package by a rule, and takes no requests.
    pub fn is_automatic(&self) -> bool {
        self.automatic_request_settings.is_some()
    }

    /// Whether administrators alone give the package by it.
    pub fn is_direct(&self) -> bool {
        matches!(self.allowed_target_scope.as_deref(), None | Some("notSpecified"))
    }
}

/// Somebody who has a package, or asks for one. `Debug` prints no names of people.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
#[non_exhaustive]
pub struct PackageSubject {
    /// Entitlement management's own id.
    pub id: String,
    /// The id of the user; absent for one who is not in the tenant yet.
    pub object_id: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

prints_only! {
    PackageSubject: id, object_id;
}

/// A package that somebody has, or had.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
#[non_exhaustive]
pub struct PackageAssignment {
    pub id: String,
    /// `delivering`, `delivered`, `partiallyDelivered`, `deliveryFailed`, `expired`.
    pub state: Option<String>,
    pub target: Option<PackageSubject>,
    pub access_package: Option<AccessPackage>,
    pub assignment_policy: Option<AssignmentPolicy>,
    /// Everything else.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// A request to give or take a package, and how far it is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
#[non_exhaustive]
pub struct PackageRequest {
    pub id: String,
    /// `adminAdd`, `adminRemove`, `userAdd`, `systemRemove`, ….
    pub request_type: Option<String>,
    /// `submitted`, `pendingApproval`, `scheduled` and `delivering` are open; `delivered`, `deliveryFailed`, `denied`,
    /// `canceled` and `partiallyDelivered` are decided.
    pub state: Option<String>,
    /// Who asked; of an administrator's request, for whom.
    pub requestor: Option<PackageSubject>,
    pub access_package: Option<AccessPackage>,
    /// What it made, or ends.
    pub assignment: Option<Box<PackageAssignment>>,
    /// Everything else.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl PackageRequest {
    /// Whether it asks for a package, and not for its end.
    pub fn adds(&self) -> bool {
        let kind = self.request_type.as_deref().unwrap_or_default();
        kind.to_ascii_lowercase().ends_with("add")
    }
}

impl Root {
    pub(crate) fn access_packages(&self, query: Query) -> Result<Request> {
        let path = format!("{AT}/accessPackages");
        self.list(&path, &query.or_select(""), "list access packages")
    }

    pub(crate) fn access_package(&self, id: &str) -> Result<Request> {
        let path = format!("{AT}/accessPackages/{}", segment(id));
        let nested = Query::new().option("$expand", "resourceRoleScopes($expand=role,scope)");
        self.list(&path, &nested, "get access package")
    }

    pub(crate) fn assignment_policies(&self, query: Query) -> Result<Request> {
        let path = format!("{AT}/assignmentPolicies");
        let query = query.expand("accessPackage", Vec::<String>::new());
        self.list(&path, &query, "list assignment policies")
    }

    pub(crate) fn package_assignments(&self, query: Query) -> Result<Request> {
        let path = format!("{AT}/assignments");
        let query = ["target", "accessPackage", "assignmentPolicy"]
            .into_iter()
            .fold(query, |query, relation| {
                query.expand(relation, Vec::<String>::new())
            });
        self.list(&path, &query, "list package assignments")
    }

    pub(crate) fn package_requests(&self, query: Query) -> Result<Request> {
        let path = format!("{AT}/assignmentRequests");
        let query = ["requestor", "accessPackage", "assignment"]
            .into_iter()
            .fold(query, |query, relation| {
                query.expand(relation, Vec::<String>::new())
            });
        self.list(&path, &query, "list package requests")
    }

    // Neither is repeated blindly: a second request could be made, and delivered after the first has been taken back.

    pub(crate) fn assign_package(&self, user: &str, package: &str, policy: &str) -> Result<Request> {
        let path = format!("{AT}/assignmentRequests");
        let wanted = json!({ "targetId": user, "assignmentPolicyId": policy, "accessPackageId": package });
        self.request(Method::Post, &path, "assign access package")
            .json(&json!({ "requestType": "adminAdd", "assignment": wanted }))
    }

    pub(crate) fn remove_package(&self, assignment: &str) -> Result<Request> {
        let path = format!("{AT}/assignmentRequests");
        self.request(Method::Post, &path, "remove access package")
            .json(&json!({ "requestType": "adminRemove", "assignment": { "id": assignment } }))
    }

    pub(crate) fn cancel_package_request(&self, request: &str) -> Request {
        let path = format!("{AT}/assignmentRequests/{}/cancel", segment(request));
        self.request(Method::Post, &path, "cancel package request")
    }
}

impl GraphClient {
    /// All access packages of all catalogs, without what they hold.
    pub async fn list_access_packages(&self) -> Result<Vec<AccessPackage>> {
        self.stream_access_packages(Query::new())?.all().await
    }

    /// The access packages that a query describes, page by page.
    ///
    /// # Errors
    /// [`Invalid`](iam_core::ErrorKind::Invalid) for a query that Graph would refuse.
    pub fn stream_access_packages(&self, query: Query) -> Result<Listing<AccessPackage>> {
        Ok(self.listing(self.root.access_packages(query)?))
    }

    /// One access package, with what it holds.
    pub async fn access_package(&self, id: &str) -> Result<AccessPackage> {
        self.fetch(self.root.access_package(id)?).await
    }

    /// All policies, each with its access package.
    pub async fn list_assignment_policies(&self) -> Result<Vec<AssignmentPolicy>> {
        self.stream_assignment_policies(Query::new())?.all().await
    }

    /// The policies that a query describes, page by page.
    ///
    /// # Errors
    /// [`Invalid`](iam_core::ErrorKind::Invalid) for a query that Graph would refuse.
    pub fn stream_assignment_policies(&self, query: Query) -> Result<Listing<AssignmentPolicy>> {
        Ok(self.listing(self.root.assignment_policies(query)?))
    }

    /// The packages that somebody has, or had, by the user's id.
    pub async fn package_assignments_of(&self, user: &str) -> Result<Vec<PackageAssignment>> {
        let of = Query::new().filter(Filter::eq("target/objectId", user));
        self.stream_package_assignments(of)?.all().await
    }

    /// Who has which package, as a query describes it, page by page; each with package, policy and target.
    ///
    /// # Errors
    /// [`Invalid`](iam_core::ErrorKind::Invalid) for a query that Graph would refuse.
    pub fn stream_package_assignments(&self, query: Query) -> Result<Listing<PackageAssignment>> {
        Ok(self.listing(self.root.package_assignments(query)?))
    }

    /// The requests in a state, for example `pendingApproval`.
    pub async fn list_package_requests(&self, state: &str) -> Result<Vec<PackageRequest>> {
        let query = Query::new().filter(Filter::eq("state", state));
        self.stream_package_requests(query)?.all().await
    }

    /// The requests that a query describes, page by page; each with package, assignment and requestor.
    ///
    /// # Errors
    /// [`Invalid`](iam_core::ErrorKind::Invalid) for a query that Graph would refuse.
    pub fn stream_package_requests(&self, query: Query) -> Result<Listing<PackageRequest>> {
        Ok(self.listing(self.root.package_requests(query)?))
    }

    /// Asks, as an administrator, for a package for a user, by one of the package's policies. It needs no approval,
    /// and is delivered within minutes.
    ///
    /// # Errors
    /// [`AlreadyExists`](iam_core::ErrorKind::AlreadyExists) when the user has it, or has an open request for it;
    /// [`OutcomeUnknown`](iam_core::ErrorKind::OutcomeUnknown) when the answer was lost: look at the
    /// [requests](Self::stream_package_requests) and [assignments](Self::package_assignments_of) before asking again.
    pub async fn assign_package(&self, user: &str, package: &str, policy: &str) -> Result<PackageRequest> {
        self.fetch(self.root.assign_package(user, package, policy)?).await
    }

    /// Asks for the end of an assignment, by its id. It ends within minutes.
    ///
    /// # Errors
    /// As [`assign_package`](Self::assign_package); [`NotFound`](iam_core::ErrorKind::NotFound) when there is no such
    /// assignment any more.
    pub async fn remove_package(&self, assignment: &str) -> Result<PackageRequest> {
        self.fetch(self.root.remove_package(assignment)?).await
    }

    /// Takes a request back that has not been approved, or not begun. Only a signed-in administrator can: Graph
    /// refuses an application that runs by itself.
    ///
    /// # Errors
    /// [`Denied`](iam_core::ErrorKind::Denied) for an application; [`Invalid`](iam_core::ErrorKind::Invalid) for a
    /// request in another state.
    pub async fn cancel_package_request(&self, request: &str) -> Result<()> {
        self.send(self.root.cancel_package_request(request))
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
        let wanted = json!({"targetId": "u1", "assignmentPolicyId": "p1", "accessPackageId": "a1"});
        let requests = format!("{AT}/assignmentRequests");
        check(
            root().assign_package("u1", "a1", "p1").unwrap(),
            "POST",
            &requests,
            json!({"requestType": "adminAdd", "assignment": wanted}),
        );
        check(
            root().remove_package("s1").unwrap(),
            "POST",
            &requests,
            json!({"requestType": "adminRemove", "assignment": {"id": "s1"}}),
        );
        for request in [
            root().assign_package("u1", "a1", "p1").unwrap(),
            root().remove_package("s1").unwrap(),
            root().cancel_package_request("r1"),
        ] {
            assert!(
                !request.idempotent,
                "{}: a lost one is looked for",
                request.operation
            );
        }
        let path = format!("{requests}/r1/cancel");
        check(root().cancel_package_request("r1"), "POST", &path, Value::Null);
        let of = |name: &str, id: &str| Query::new().filter(Filter::eq(name, id));
        for (request, path) in [
            (root().access_packages(Query::new()), "/accessPackages"),
            (
                root().access_package("a1"),
                "/accessPackages/a1?$expand=resourceRoleScopes($expand=role,scope)",
            ),
            (
                root().assignment_policies(Query::new()),
                "/assignmentPolicies?$expand=accessPackage",
            ),
            (
                root().package_assignments(of("target/objectId", "u1")),
                "/assignments?$expand=target,accessPackage,assignmentPolicy&$filter=target%2FobjectId%20eq%20%27u1%27",
            ),
            (
                root().package_requests(of("state", "submitted")),
                "/assignmentRequests?$expand=requestor,accessPackage,assignment&$filter=state%20eq%20%27submitted%27",
            ),
        ] {
            check(request.unwrap(), "GET", &format!("{AT}{path}"), Value::Null);
        }
    }

    #[test]
    fn a_package_names_the_groups_that_it_brings() {
        let role =
            |system: &str, id: &str| json!({"id": "x", "role": {"originSystem": system, "originId": id}});
        let package: AccessPackage = serde_json::from_value(json!({"id": "a1", "displayName": "A", "resourceRoleScopes": [
            role("AadGroup", "Member_g1"), role("AadGroup", "Owner_g2"), role("SharePointOnline", "4"), {"id": "y"},
            role("AadGroup", "Member_g3"),
        ]}))
        .unwrap();
        assert_eq!(package.groups().collect::<Vec<_>>(), ["g1", "g3"]);
    }
}
