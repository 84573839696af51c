//! What administrators set up: catalogs, the groups in them, packages, what these hold, and policies.

use serde_json::Value;

use super::view::with_context;
use super::{Catalog, Package, Policy, Resource, invalid, missing, only, related, required, view};
use crate::call::{Answer, Call, Outcome};
use crate::directory::Directory;
use crate::errors::Fail;
use crate::members::writable;
use crate::schema::Kind;

fn created(call: &Call, list: &str, id: &str, value: Value) -> Answer {
    let list = format!("identityGovernance/entitlementManagement/{list}");
    let address = format!("{}/{list}/{id}", call.root);
    let value = with_context(call, &format!("{list}/$entity"), value);
    Answer::created(value, address)
}

fn text(body: &serde_json::Map<String, Value>, name: &str) -> String {
    let text = body.get(name).and_then(Value::as_str);
    text.unwrap_or_default().to_owned()
}

/// "Create accessPackageCatalog".
pub(super) fn add_catalog(directory: &mut Directory, call: &Call) -> Outcome {
    let body = call.object()?;
    let known = ["displayName", "description", "isExternallyVisible", "state"];
    only(body, "microsoft.graph.accessPackageCatalog", &known)?;
    let name = required(body, "displayName")?.to_owned();
    let packages = &mut directory.access_packages;
    let catalog = Catalog {
        id: packages.ids.guid(),
        name,
        description: text(body, "description"),
        created: Some(call.now),
        resources: Vec::new(),
    };
    let (id, shown) = (catalog.id.clone(), view::catalog(&catalog));
    packages.catalogs.push(catalog);
    Ok(created(call, "catalogs", &id, shown))
}

/// "Create accessPackageResourceRequest".
pub(super) fn add_resource(directory: &mut Directory, call: &Call) -> Outcome {
    let body = call.object()?;
    let known = ["requestType", "resource", "catalog", "justification"];
    only(body, "microsoft.graph.accessPackageResourceRequest", &known)?;
    if !required(body, "requestType")?.eq_ignore_ascii_case("adminAdd") {
        return Err(invalid("Resources can only be added here.".to_owned()));
    }
    let resource = body.get("resource").and_then(Value::as_object);
    let resource = resource.ok_or_else(|| invalid("The property 'resource' is required.".to_owned()))?;
    if required(resource, "originSystem")? != "AadGroup" {
        return Err(invalid("Resources are groups here: 'AadGroup'.".to_owned()));
    }
    let group = required(resource, "originId")?;
    let group = directory.seen(call, Some(Kind::Group), group)?;
    // A group that nobody may put members into cannot be a resource.
    writable(group)?;
    let name = group.text("displayName").unwrap_or_default().to_owned();
    let group = group.id.clone();
    let packages = &mut directory.access_packages;
    let mut id = || packages.ids.guid();
    let (request, resource, role, scope) = (id(), id(), id(), id());
    let catalog = packages.catalog(related(body, "catalog")?)?;
    if catalog.resources.iter().any(|known| known.group == group) {
        let message = "The resource is already in the catalog.";
        return Err(Fail::new(400, "ResourceAlreadyExists", message));
    }
    catalog.resources.push(Resource {
        id: resource,
        group,
        name,
        role,
        scope,
        created: call.now,
    });
    let shown = serde_json::json!({ "id": request, "requestType": "adminAdd", "state": "delivered" });
    Ok(created(call, "resourceRequests", &request, shown))
}

/// "Create accessPackage".
pub(super) fn add_package(directory: &mut Directory, call: &Call) -> Outcome {
    let body = call.object()?;
    let known = ["displayName", "description", "isHidden", "catalog"];
    only(body, "microsoft.graph.accessPackage", &known)?;
    let name = required(body, "displayName")?.to_owned();
    let packages = &mut directory.access_packages;
    let catalog = packages.catalog(related(body, "catalog")?)?.id.clone();
    let taken = |known: &Package| known.catalog == catalog && known.name.eq_ignore_ascii_case(&name);
    if packages.packages.iter().any(taken) {
        let message = "An access package of that name exists in the catalog.";
        return Err(Fail::new(400, "DuplicateName", message));
    }
    let package = Package {
        id: packages.ids.guid(),
        name,
        description: text(body, "description"),
        hidden: body.get("isHidden").is_some_and(|hidden| *hidden == true),
        catalog,
        created: call.now,
        holds: Vec::new(),
    };
    let (id, shown) = (package.id.clone(), view::package(&package));
    packages.packages.push(package);
    Ok(created(call, "accessPackages", &id, shown))
}

/// "Create resourceRoleScope". Who has the package already becomes a member at the next delivery.
pub(super) fn add_role(directory: &mut Directory, call: &Call, id: &str) -> Outcome {
    let body = call.object()?;
    only(
        body,
        "microsoft.graph.accessPackageResourceRoleScope",
        &["role", "scope"],
    )?;
    let origin = |name: &str| {
        let part = body.get(name)?;
        part["originId"].as_str().map(str::to_owned)
    };
    let role = origin("role").ok_or_else(|| invalid("'role/originId' is required.".to_owned()))?;
    let group = role
        .strip_prefix("Member_")
        .ok_or_else(|| invalid(format!("The role '{role}' does not exist.")))?;
    if origin("scope").as_deref() != Some(group) {
        return Err(invalid("The scope is not one of the resource.".to_owned()));
    }
    let packages = &mut directory.access_packages;
    let catalog = packages.package(id)?.catalog.clone();
    let resources = &packages.catalog(&catalog)?.resources;
    let resource = resources
        .iter()
        .find(|known| known.group.eq_ignore_ascii_case(group));
    let resource = resource.ok_or_else(|| missing(group))?.clone();
    let package = packages.packages.iter_mut().find(|package| package.id == id);
    let package = package.ok_or_else(|| missing(id))?;
    if package.holds.iter().any(|(known, _)| known.id == resource.id) {
        let message = "The resource role is already in the access package.";
        return Err(Fail::new(400, "ResourceAlreadyExists", message));
    }
    let shown = view::role_scope(&resource, call.now, &[]);
    package.holds.push((resource, call.now));
    let scope = shown["id"].as_str().unwrap_or_default().to_owned();
    Ok(created(
        call,
        &format!("accessPackages/{id}/resourceRoleScopes"),
        &scope,
        shown,
    ))
}

/// "Create accessPackageAssignmentPolicy".
pub(super) fn add_policy(directory: &mut Directory, call: &Call) -> Outcome {
    let body = call.object()?;
    let known = [
        "displayName",
        "description",
        "allowedTargetScope",
        "specificAllowedTargets",
        "expiration",
        "requestorSettings",
        "requestApprovalSettings",
        "reviewSettings",
        "automaticRequestSettings",
        "accessPackage",
        "questions",
        "notificationSettings",
    ];
    only(body, "microsoft.graph.accessPackageAssignmentPolicy", &known)?;
    required(body, "displayName")?;
    if let Some(expiration) = body.get("expiration") {
        super::assigning::end(expiration, call.now)?;
    }
    let packages = &mut directory.access_packages;
    let package = packages.package(related(body, "accessPackage")?)?.id.clone();
    let mut body = body.clone();
    body.remove("accessPackage");
    let policy = Policy {
        id: packages.ids.guid(),
        package,
        created: call.now,
        body,
    };
    let (id, shown) = (policy.id.clone(), view::policy(&policy));
    packages.policies.push(policy);
    Ok(created(call, "assignmentPolicies", &id, shown))
}
