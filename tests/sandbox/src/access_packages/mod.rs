//! Entitlement management: catalogs, access packages and what they hold, policies, assignments ("accessPackage resource
//! type", "accessPackageAssignmentPolicy resource type", "accessPackageAssignmentRequest resource type").
//!
//! A package holds memberships of groups. Applications and sites as resources, connected organizations, approvals,
//! reviews and custom extensions are not there: a request that needs an approval waits for good.

mod assigning;
mod offering;
mod view;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::call::{Call, Outcome};
use crate::directory::Directory;
use crate::errors::Fail;
use crate::ids::Ids;

pub(crate) use assigning::advance;

/// What entitlement management knows.
#[derive(Debug)]
pub(crate) struct AccessPackages {
    ids: Ids,
    catalogs: Vec<Catalog>,
    packages: Vec<Package>,
    policies: Vec<Policy>,
    assignments: Vec<Assignment>,
    requests: Vec<Request>,
}

#[derive(Debug)]
struct Catalog {
    id: String,
    name: String,
    description: String,
    created: Option<Timestamp>,
    resources: Vec<Resource>,
}

/// A group that packages of a catalog may hold.
#[derive(Debug, Clone)]
struct Resource {
    id: String,
    group: String,
    name: String,
    /// The role of its members, and the one scope in which there is such a role.
    role: String,
    scope: String,
    created: Timestamp,
}

#[derive(Debug)]
struct Package {
    id: String,
    name: String,
    description: String,
    hidden: bool,
    catalog: String,
    created: Timestamp,
    /// Whoever has the package is a member of these.
    holds: Vec<(Resource, Timestamp)>,
}

#[derive(Debug)]
struct Policy {
    id: String,
    package: String,
    created: Timestamp,
    /// As it was asked for.
    body: Map<String, Value>,
}

/// Who has a package.
#[derive(Debug)]
struct Assignment {
    id: String,
    package: String,
    policy: String,
    target: String,
    state: &'static str,
    from: Timestamp,
    until: Option<Timestamp>,
    ended: Option<Timestamp>,
    /// Groups that the target was put into.
    given: Vec<String>,
}

#[derive(Debug)]
struct Request {
    id: String,
    kind: &'static str,
    package: String,
    policy: String,
    target: String,
    /// The assignment that it made or ends.
    assignment: Option<String>,
    state: &'static str,
    created: Timestamp,
    completed: Option<Timestamp>,
    from: Timestamp,
    justification: Value,
}

impl AccessPackages {
    /// A tenant has one catalog from the start.
    pub(crate) fn new(mut ids: Ids) -> Self {
        let general = Catalog {
            id: ids.guid(),
            name: "General".to_owned(),
            description: "Built-in catalog.".to_owned(),
            created: None,
            resources: Vec::new(),
        };
        Self {
            ids,
            catalogs: vec![general],
            packages: Vec::new(),
            policies: Vec::new(),
            assignments: Vec::new(),
            requests: Vec::new(),
        }
    }

    fn package(&self, id: &str) -> Result<&Package, Fail> {
        let found = self
            .packages
            .iter()
            .find(|package| package.id.eq_ignore_ascii_case(id));
        found.ok_or_else(|| missing(id))
    }

    fn policy(&self, id: &str) -> Result<&Policy, Fail> {
        let found = self
            .policies
            .iter()
            .find(|policy| policy.id.eq_ignore_ascii_case(id));
        found.ok_or_else(|| missing(id))
    }

    fn catalog(&mut self, id: &str) -> Result<&mut Catalog, Fail> {
        let mut found = self.catalogs.iter_mut();
        let found = found.find(|catalog| catalog.id.eq_ignore_ascii_case(id));
        found.ok_or_else(|| missing(id))
    }

    /// Names of the packages that somebody has now.
    pub(crate) fn names(&self, target: &str) -> Vec<String> {
        let held = self.assignments.iter();
        let held = held.filter(|held| held.target == target && held.is_current());
        held.filter_map(|held| Some(self.package(&held.package).ok()?.name.clone()))
            .collect()
    }

    /// Assignments and requests, for the snapshot.
    pub(crate) fn snapshot(&self) -> Value {
        let name = |id: &str| self.package(id).ok().map(|package| package.name.clone());
        let assignments = self.assignments.iter().map(|held| {
            json!({
                "id": held.id, "accessPackage": name(&held.package), "accessPackageId": held.package,
                "assignmentPolicyId": held.policy, "targetId": held.target, "state": held.state,
            })
        });
        let requests = self.requests.iter().map(|request| {
            json!({
                "id": request.id, "requestType": request.kind, "accessPackage": name(&request.package),
                "accessPackageId": request.package, "targetId": request.target, "state": request.state,
            })
        });
        json!({ "assignments": assignments.collect::<Value>(), "requests": requests.collect::<Value>() })
    }
}

impl Assignment {
    fn is_current(&self) -> bool {
        matches!(self.state, "delivering" | "partiallyDelivered" | "delivered")
    }
}

fn missing(id: &str) -> Fail {
    Fail::new(
        404,
        "ResourceNotFound",
        format!("The resource '{id}' does not exist."),
    )
}

/// Answers below `/identityGovernance/entitlementManagement`.
pub(crate) fn route(directory: &mut Directory, call: &Call, rest: &[&str]) -> Outcome {
    let post = call.method == "POST";
    match (rest, call.method.as_str()) {
        (["catalogs"], "POST") => offering::add_catalog(directory, call),
        (["resourceRequests"], "POST") => offering::add_resource(directory, call),
        (["accessPackages"], "POST") => offering::add_package(directory, call),
        (["accessPackages", id, "resourceRoleScopes"], "POST") => offering::add_role(directory, call, id),
        (["assignmentPolicies"], "POST") => offering::add_policy(directory, call),
        (["assignmentRequests"], "POST") => assigning::request(directory, call),
        (["assignmentRequests", id, "cancel" | "microsoft.graph.cancel"], "POST") => {
            assigning::cancel(directory, call, id)
        }
        (["catalogs", id, "resources"], "GET") => view::resources(directory, call, id),
        (["catalogs", id, "resourceRoles"], "GET") => view::resource_roles(directory, call, id),
        (["accessPackages", id, "resourceRoleScopes"], "GET") => view::role_scopes(directory, call, id),
        ([list, rest @ ..], "GET") if view::LISTS.contains(list) => view::listed(directory, call, list, rest),
        ([list, ..], _) if view::LISTS.contains(list) => Err(Fail::method()),
        (["resourceRequests", ..], _) if !post => Err(Fail::method()),
        ([.., segment], _) => Err(Fail::segment(segment)),
        ([], _) => Err(Fail::segment("entitlementManagement")),
    }
}

/// A text of a body that must be there.
fn required<'b>(body: &'b Map<String, Value>, name: &str) -> Result<&'b str, Fail> {
    let text = body.get(name).and_then(Value::as_str);
    let text = text.filter(|text| !text.trim().is_empty());
    text.ok_or_else(|| invalid(format!("The property '{name}' is required in the request.")))
}

/// The id in a relation of a body: `{ "catalog": { "id": "…" } }`.
fn related<'b>(body: &'b Map<String, Value>, relation: &str) -> Result<&'b str, Fail> {
    let id = body.get(relation).and_then(|related| related["id"].as_str());
    id.ok_or_else(|| {
        invalid(format!(
            "The property '{relation}' is required, with the id of one."
        ))
    })
}

fn invalid(message: String) -> Fail {
    Fail::new(400, "InvalidModel", message)
}

/// Refuses what is no property of the type.
fn only(body: &Map<String, Value>, odata_type: &str, known: &[&str]) -> Result<(), Fail> {
    let mut names = body.keys().filter(|name| !name.contains('@'));
    match names.find(|name| !known.contains(&name.as_str())) {
        Some(name) => Err(crate::schema::unknown(name, odata_type)),
        None => Ok(()),
    }
}
