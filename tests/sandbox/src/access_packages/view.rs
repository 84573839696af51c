//! How entitlement management shows what it knows.

use std::borrow::Cow;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{AccessPackages, Assignment, Catalog, Package, Policy, Request, Resource, missing};
use crate::call::{Answer, Call, Outcome};
use crate::clock::graph_time;
use crate::directory::Directory;
use crate::errors::Fail;
use crate::odata::{Options, Row, ValueRow, collection};
use crate::schema::{FILTER, SELECT, no_property};

pub(super) const LISTS: [&str; 5] = [
    "catalogs",
    "accessPackages",
    "assignmentPolicies",
    "assignments",
    "assignmentRequests",
];
const ROOT: &str = "identityGovernance/entitlementManagement";

pub(super) fn with_context(call: &Call, fragment: &str, mut value: Value) -> Value {
    if let Some(map) = value.as_object_mut() {
        map.shift_insert(0, "@odata.context".to_owned(), call.context(fragment).into());
    }
    value
}

pub(super) fn catalog(catalog: &Catalog) -> Value {
    json!({
        "id": catalog.id, "displayName": catalog.name, "description": catalog.description,
        "catalogType": if catalog.created.is_some() { "userManaged" } else { "serviceDefault" },
        "state": "published", "isExternallyVisible": false,
        "createdDateTime": catalog.created.map(graph_time), "modifiedDateTime": catalog.created.map(graph_time),
    })
}

pub(super) fn package(package: &Package) -> Value {
    json!({
        "id": package.id, "displayName": package.name, "description": package.description,
        "isHidden": package.hidden, "createdDateTime": graph_time(package.created),
        "modifiedDateTime": graph_time(package.created),
    })
}

pub(super) fn policy(policy: &Policy) -> Value {
    let mut out = json!({
        "id": policy.id, "displayName": null, "description": null, "allowedTargetScope": "notSpecified",
        "automaticRequestSettings": null, "specificAllowedTargets": [],
        "expiration": { "endDateTime": null, "duration": null, "type": "noExpiration" },
        "createdDateTime": graph_time(policy.created), "modifiedDateTime": graph_time(policy.created),
    });
    if let Some(out) = out.as_object_mut() {
        out.extend(policy.body.clone());
    }
    out
}

fn schedule(from: Option<Timestamp>, until: Option<Timestamp>) -> Value {
    let kind = if until.is_some() {
        "afterDateTime"
    } else {
        "noExpiration"
    };
    json!({
        "startDateTime": from.map(graph_time), "recurrence": null,
        "expiration": { "endDateTime": until.map(graph_time), "duration": null, "type": kind },
    })
}

fn assignment(held: &Assignment) -> Value {
    let status = match held.state {
        "delivering" => "Delivering",
        "delivered" => "Delivered",
        "partiallyDelivered" => "PartiallyDelivered",
        "expired" => "ExpiredNotificationTriggered",
        _ => "DeliveryFailed",
    };
    json!({
        "id": held.id, "state": held.state, "status": status, "expiredDateTime": held.ended.map(graph_time),
        "schedule": schedule(Some(held.from), held.until), "customExtensionCalloutInstances": [],
    })
}

pub(super) fn request(request: &Request) -> Value {
    let status = match request.state {
        "submitted" => "Accepted",
        "delivering" => "Delivering",
        "delivered" => "Delivered",
        "pendingApproval" => "PendingApproval",
        "scheduled" => "PendingNotBefore",
        "canceled" => "Canceled",
        "partiallyDelivered" => "PartiallyDelivered",
        _ => "DeliveryFailed",
    };
    json!({
        "id": request.id, "requestType": request.kind, "state": request.state, "status": status,
        "createdDateTime": graph_time(request.created), "completedDateTime": request.completed.map(graph_time),
        "justification": request.justification, "schedule": schedule(Some(request.from), None), "answers": [],
        "customExtensionCalloutInstances": [],
    })
}

fn role(resource: &Resource) -> Value {
    json!({
        "id": resource.role, "displayName": "Member", "description": null, "originSystem": "AadGroup",
        "originId": format!("Member_{}", resource.group),
    })
}

fn scope(resource: &Resource) -> Value {
    json!({
        "id": resource.scope, "displayName": "Root", "description": "Root Scope", "originSystem": "AadGroup",
        "originId": resource.group, "isRootScope": true,
    })
}

pub(super) fn role_scope(resource: &Resource, created: Timestamp, expand: &[String]) -> Value {
    let mut out = json!({
        "id": format!("{}_{}", resource.role, resource.scope), "createdDateTime": graph_time(created),
    });
    for relation in expand {
        match relation.as_str() {
            "role" => out["role"] = role(resource),
            "scope" => out["scope"] = scope(resource),
            _ => {}
        }
    }
    out
}

/// "accessPackageSubject resource type".
fn subject(directory: &Directory, id: &str) -> Value {
    let user = directory.get(id).or_else(|| directory.gone(id));
    let text = |name: &str| user.and_then(|user| user.text(name));
    // Filters write the property in any case.
    json!({
        "id": id, "objectId": id, "displayName": text("displayName"), "principalName": text("userPrincipalName"),
        "email": text("mail"), "subjectType": "user", "onPremisesSecurityIdentifier": null,
    })
}

/// `GET /catalogs/{id}/resources`, with `$expand=roles,scopes`.
pub(super) fn resources(directory: &Directory, call: &Call, id: &str) -> Outcome {
    let mut catalogs = directory.access_packages.catalogs.iter();
    let catalog = catalogs.find(|catalog| catalog.id.eq_ignore_ascii_case(id));
    let resources = &catalog.ok_or_else(|| missing(id))?.resources;
    let rows = resources.iter().map(|resource| {
        let mut value = json!({
            "id": resource.id, "displayName": resource.name, "originId": resource.group,
            "originSystem": "AadGroup", "createdDateTime": graph_time(resource.created),
        });
        for expand in &call.options.expand {
            match expand.relation.as_str() {
                "roles" => value["roles"] = json!([role(resource)]),
                "scopes" => value["scopes"] = json!([scope(resource)]),
                _ => {}
            }
        }
        value
    });
    let rows = rows.zip(1..).map(|(value, place)| ValueRow { place, value });
    collection(call, &format!("{ROOT}/catalogs('{id}')/resources"), rows)
}

/// `GET /catalogs/{id}/resourceRoles`, whose filter names the resource.
pub(super) fn resource_roles(directory: &Directory, call: &Call, id: &str) -> Outcome {
    let mut catalogs = directory.access_packages.catalogs.iter();
    let catalog = catalogs.find(|catalog| catalog.id.eq_ignore_ascii_case(id));
    let resources = &catalog.ok_or_else(|| missing(id))?.resources;
    let rows = resources.iter().map(|resource| {
        let mut value = role(resource);
        value["resource"] = json!({
            "id": resource.id, "displayName": resource.name, "originId": resource.group, "originSystem": "AadGroup",
        });
        value
    });
    let rows = rows.zip(1..).map(|(value, place)| ValueRow { place, value });
    collection(call, &format!("{ROOT}/catalogs('{id}')/resourceRoles"), rows)
}

/// `GET /accessPackages/{id}/resourceRoleScopes`.
pub(super) fn role_scopes(directory: &Directory, call: &Call, id: &str) -> Outcome {
    let package = directory.access_packages.package(id)?;
    let expand: Vec<String> = call
        .options
        .expand
        .iter()
        .map(|one| one.relation.clone())
        .collect();
    let values = package
        .holds
        .iter()
        .map(|(resource, at)| role_scope(resource, *at, &expand));
    let rows = values.zip(1..).map(|(value, place)| ValueRow { place, value });
    collection(
        call,
        &format!("{ROOT}/accessPackages('{id}')/resourceRoleScopes"),
        rows,
    )
}

/// Something with relations: filters see them, replies show those that are expanded.
struct Related {
    place: u64,
    value: Value,
    relations: Map<String, Value>,
    shown: Vec<(String, Value)>,
}

impl Row for Related {
    fn place(&self) -> u64 {
        self.place
    }

    fn get(&self, name: &str) -> Option<Cow<'_, Value>> {
        self.value
            .get(name)
            .or_else(|| self.relations.get(name))
            .map(Cow::Borrowed)
    }

    fn view(&self, options: &Options) -> Value {
        let plain = ValueRow {
            place: self.place,
            value: self.value.clone(),
        };
        let mut out = plain.view(options);
        for (name, value) in &self.shown {
            out[name] = value.clone();
        }
        out
    }
}

/// Answers the lists, and one of them.
pub(super) fn listed(directory: &Directory, call: &Call, list: &str, rest: &[&str]) -> Outcome {
    let (odata_type, filters, relations): (&str, &[&str], &[&str]) = match list {
        "catalogs" => ("accessPackageCatalog", &["id", "displayName", "state"], &[]),
        "accessPackages" => (
            "accessPackage",
            &["id", "displayName", "catalog/id"],
            &["catalog", "resourceRoleScopes", "assignmentPolicies"],
        ),
        "assignmentPolicies" => (
            "accessPackageAssignmentPolicy",
            &["id", "displayName", "accessPackage/id"],
            &["accessPackage"],
        ),
        "assignments" => (
            "accessPackageAssignment",
            &[
                "id",
                "state",
                "accessPackage/id",
                "assignmentPolicy/id",
                "target/objectId",
            ],
            &["accessPackage", "assignmentPolicy", "target"],
        ),
        _ => (
            "accessPackageAssignmentRequest",
            &[
                "id",
                "state",
                "requestType",
                "createdDateTime",
                "accessPackage/id",
                "requestor/objectId",
            ],
            &["accessPackage", "assignment", "requestor"],
        ),
    };
    let odata_type = format!("microsoft.graph.{odata_type}");
    for path in call.options.filter.iter().flat_map(|filter| filter.paths()) {
        let path = path.join("/");
        if !filters.iter().any(|known| known.eq_ignore_ascii_case(&path)) {
            return Err(no_property(FILTER, &path, &odata_type));
        }
    }
    if let Some(other) = call
        .options
        .expand
        .iter()
        .find(|expand| !relations.contains(&expand.relation.as_str()))
    {
        return Err(no_property(SELECT, &other.relation, &odata_type));
    }
    let rows = rows(directory, call, list);
    match rest {
        [] => collection(call, &format!("{ROOT}/{list}"), rows.into_iter()),
        [id] => {
            let mut rows = rows.into_iter();
            let found = rows.find(|row| {
                row.value["id"]
                    .as_str()
                    .is_some_and(|own| own.eq_ignore_ascii_case(id))
            });
            let found = found.ok_or_else(|| missing(id))?.view(&call.options);
            Ok(Answer::ok(with_context(
                call,
                &format!("{ROOT}/{list}/$entity"),
                found,
            )))
        }
        [_, segment, ..] => Err(Fail::segment(segment)),
    }
}

fn rows(directory: &Directory, call: &Call, list: &str) -> Vec<Related> {
    let packages = &directory.access_packages;
    let of_package = |id: &str| packages.package(id).map(package).unwrap_or_default();
    let of_catalog = |id: &str| {
        let found = packages.catalogs.iter().find(|catalog| catalog.id == id);
        found.map(catalog).unwrap_or_default()
    };
    let all: Vec<(Value, Value)> = match list {
        "catalogs" => packages
            .catalogs
            .iter()
            .map(|one| (catalog(one), json!({})))
            .collect(),
        "accessPackages" => {
            let of = |one: &Package| json!({ "catalog": of_catalog(&one.catalog) });
            packages
                .packages
                .iter()
                .map(|one| (package(one), of(one)))
                .collect()
        }
        "assignmentPolicies" => {
            let of = |one: &Policy| json!({ "accessPackage": of_package(&one.package) });
            packages
                .policies
                .iter()
                .map(|one| (policy(one), of(one)))
                .collect()
        }
        "assignments" => {
            let of = |one: &Assignment| {
                json!({
                    "accessPackage": of_package(&one.package), "target": subject(directory, &one.target),
                    "assignmentPolicy": packages.policy(&one.policy).map(policy).unwrap_or_default(),
                })
            };
            packages
                .assignments
                .iter()
                .map(|one| (assignment(one), of(one)))
                .collect()
        }
        _ => {
            let of = |one: &Request| related(directory, packages, one);
            packages
                .requests
                .iter()
                .map(|one| (request(one), of(one)))
                .collect()
        }
    };
    let row = |((value, relations), place): ((Value, Value), u64)| {
        let mut relations = match relations {
            Value::Object(relations) => relations,
            _ => Map::new(),
        };
        let mut shown = Vec::new();
        for expand in &call.options.expand {
            let found = match expand.relation.as_str() {
                "resourceRoleScopes" | "assignmentPolicies" => parts(packages, &value, expand),
                name => relations.get(name).cloned().unwrap_or_default(),
            };
            shown.push((expand.relation.clone(), found));
        }
        for relation in relations.values_mut() {
            // As the documented example writes it.
            if let Some(id) = relation.get("objectId").cloned() {
                relation["objectid"] = id;
            }
        }
        Related {
            place,
            value,
            relations,
            shown,
        }
    };
    all.into_iter().zip(1..).map(row).collect()
}

/// What an access package consists of.
fn parts(packages: &AccessPackages, value: &Value, expand: &crate::odata::Expand) -> Value {
    let Ok(found) = packages.package(value["id"].as_str().unwrap_or_default()) else {
        return Value::Null;
    };
    if expand.relation == "assignmentPolicies" {
        let own = packages
            .policies
            .iter()
            .filter(|policy| policy.package == found.id);
        return own.map(policy).collect();
    }
    let holds = found.holds.iter();
    holds
        .map(|(resource, at)| role_scope(resource, *at, &expand.inner))
        .collect()
}

/// "requestor: the subject who requested or, if a direct assignment, was assigned."
fn related(directory: &Directory, packages: &AccessPackages, of: &Request) -> Value {
    let id = of.assignment.as_deref();
    let held = packages
        .assignments
        .iter()
        .find(|held| Some(held.id.as_str()) == id);
    json!({
        "accessPackage": packages.package(&of.package).map(package).unwrap_or_default(),
        "assignment": held.map(assignment), "requestor": subject(directory, &of.target),
    })
}
