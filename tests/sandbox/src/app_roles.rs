//! App roles that users, groups and service principals hold: `appRoleAssignments` of the principal,
//! `appRoleAssignedTo` of the service principal that offers them ("appRoleAssignment resource type", "Grant an
//! appRoleAssignment to a user").

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::call::{Answer, Call, Outcome};
use crate::clock::graph_time;
use crate::directory::{Directory, Object};
use crate::errors::Fail;
use crate::odata::{ValueRow, collection};
use crate::schema::{FILTER, Kind, no_property};
use crate::service_principals;

/// The role of an assignment to an application that has no roles.
pub(crate) const DEFAULT: &str = "00000000-0000-0000-0000-000000000000";
const TYPE: &str = "microsoft.graph.appRoleAssignment";

/// One app role held by one principal.
#[derive(Debug, Clone)]
pub(crate) struct AppRoleAssignment {
    pub(crate) id: String,
    pub(crate) role: String,
    pub(crate) principal: String,
    pub(crate) resource: String,
    pub(crate) created: Timestamp,
    place: u64,
}

/// Answers below `{principal}/appRoleAssignments`.
pub(crate) fn granted(directory: &mut Directory, call: &Call, principal: &str, rest: &[&str]) -> Outcome {
    let mine = |assignment: &AppRoleAssignment| holds(directory, principal, assignment);
    match (rest, call.method.as_str()) {
        ([], "GET") => list(directory, call, "appRoleAssignments", mine),
        (["$count"], "GET") => count(directory, call, mine),
        ([], "POST") => create(directory, call, "principalId", principal),
        ([id], "GET") => one(directory, call, id, mine),
        ([id], "DELETE") => {
            // What comes through a group is listed here too, and is taken at the group.
            let own = |assignment: &AppRoleAssignment| assignment.principal == principal;
            remove(directory, id, own)
        }
        _ => Err(Fail::method()),
    }
}

/// Answers below `/servicePrincipals/{resource}/appRoleAssignedTo`.
pub(crate) fn assigned_to(directory: &mut Directory, call: &Call, resource: &str, rest: &[&str]) -> Outcome {
    let mine = |assignment: &AppRoleAssignment| assignment.resource == resource;
    match (rest, call.method.as_str()) {
        ([], "GET") => list(directory, call, "appRoleAssignedTo", mine),
        (["$count"], "GET") => count(directory, call, mine),
        ([], "POST") => create(directory, call, "resourceId", resource),
        ([id], "GET") => one(directory, call, id, mine),
        ([id], "DELETE") => remove(directory, id, mine),
        _ => Err(Fail::method()),
    }
}

/// "List appRoleAssignments granted to a user": a user's own, and those of the groups it is a direct member of.
fn holds(directory: &Directory, principal: &str, assignment: &AppRoleAssignment) -> bool {
    assignment.principal == principal || directory.members.has(&assignment.principal, principal)
}

fn view(directory: &Directory, assignment: &AppRoleAssignment) -> Value {
    let name = |id: &str| directory.get(id).and_then(|object| object.text("displayName"));
    json!({
        "id": assignment.id, "deletedDateTime": null, "appRoleId": assignment.role,
        "createdDateTime": graph_time(assignment.created),
        "principalDisplayName": name(&assignment.principal), "principalId": assignment.principal,
        "principalType": directory.get(&assignment.principal).map(|object| object.kind.title()),
        "resourceDisplayName": name(&assignment.resource), "resourceId": assignment.resource,
    })
}

fn list(
    directory: &Directory,
    call: &Call,
    relation: &str,
    mine: impl Fn(&AppRoleAssignment) -> bool,
) -> Outcome {
    queried(call)?;
    let rows = directory.app_role_assignments.iter();
    let rows = rows
        .filter(|(_, assignment)| mine(assignment))
        .map(|(place, assignment)| ValueRow {
            place: *place,
            value: view(directory, assignment),
        });
    collection(call, relation, rows)
}

fn queried(call: &Call) -> Result<(), Fail> {
    let paths = call.options.filter.iter().flat_map(|filter| filter.paths());
    for path in paths {
        let name = path.first().map_or("", String::as_str);
        let known = [
            "id",
            "appRoleId",
            "createdDateTime",
            "principalDisplayName",
            "principalId",
            "principalType",
            "resourceDisplayName",
            "resourceId",
        ];
        if !known.contains(&name) {
            return Err(no_property(FILTER, name, TYPE));
        }
    }
    Ok(())
}

fn count(directory: &Directory, call: &Call, mine: impl Fn(&AppRoleAssignment) -> bool) -> Outcome {
    if !call.options.eventual {
        return Err(Fail::bad("$count is not currently supported."));
    }
    let found = directory.app_role_assignments.values();
    Ok(Answer::number(
        found.filter(|assignment| mine(assignment)).count(),
    ))
}

fn one(directory: &Directory, call: &Call, id: &str, mine: impl Fn(&AppRoleAssignment) -> bool) -> Outcome {
    let mut found = directory.app_role_assignments.values();
    let found = found.find(|assignment| assignment.id == id && mine(assignment));
    let found = found.ok_or_else(|| Fail::not_found(id))?;
    Ok(Answer::ok(with_context(call, view(directory, found))))
}

fn with_context(call: &Call, mut value: Value) -> Value {
    if let Some(map) = value.as_object_mut() {
        let context = call.context("appRoleAssignments/$entity");
        map.shift_insert(0, "@odata.context".to_owned(), context.into());
    }
    value
}

fn remove(directory: &mut Directory, id: &str, mine: impl Fn(&AppRoleAssignment) -> bool) -> Outcome {
    let mut found = directory.app_role_assignments.iter();
    let found = found.find(|(_, assignment)| assignment.id == id && mine(assignment));
    let place = *found.ok_or_else(|| Fail::not_found(id))?.0;
    directory.app_role_assignments.remove(&place);
    Ok(Answer::done())
}

/// `fixed` is the property that the address speaks of already.
fn create(directory: &mut Directory, call: &Call, fixed: &str, value: &str) -> Outcome {
    let body = call.object()?;
    for name in body.keys().filter(|name| !name.starts_with('@')) {
        if !["principalId", "resourceId", "appRoleId"].contains(&name.as_str()) {
            return Err(unwritable(name));
        }
    }
    let required = |name: &str| {
        let text = body.get(name).and_then(Value::as_str);
        let text = text.filter(|text| Uuid::try_parse(text).is_ok());
        text.map(str::to_lowercase)
            .ok_or_else(|| Fail::invalid(name, "AppRoleAssignment"))
    };
    let (principal, resource) = (required("principalId")?, required("resourceId")?);
    let role = required("appRoleId")?;
    if required(fixed)? != value {
        return Err(Fail::invalid(fixed, "AppRoleAssignment"));
    }
    let holder = directory.seen(call, None, &principal)?;
    let offers = directory.seen(call, Some(Kind::ServicePrincipal), &resource)?;
    if holder.kind == Kind::Application
        || (holder.kind == Kind::Group && !holder.truth("securityEnabled"))
        || !offered(offers, &role, holder.kind)
    {
        return Err(Fail::bad(
            "Permission being assigned was not found on application",
        ));
    }
    let made = assign(directory, &principal, &resource, &role, call.now).ok_or_else(|| {
        let message = "Permission being assigned already exists on the object";
        Fail::bad(message).detail("InvalidUpdate", "Permission", message)
    })?;
    let address = format!("{}/appRoleAssignments/{}", call.root, made.id);
    let body = with_context(call, view(directory, &made));
    Ok(Answer::created(body, address))
}

fn unwritable(name: &str) -> Fail {
    let known = [
        "id",
        "createdDateTime",
        "deletedDateTime",
        "principalDisplayName",
        "principalType",
        "resourceDisplayName",
    ];
    if known.contains(&name) {
        return Fail::bad(format!("Property '{name}' is read-only and cannot be set."));
    }
    let message = format!("The property '{name}' does not exist on type '{TYPE}'.");
    Fail::new(400, "RequestBodyRead", message)
}

/// Whether an application has that role, enabled and for principals of that kind. The default role stands for
/// membership where the application has declared none for them.
fn offered(resource: &Object, role: &str, kind: Kind) -> bool {
    let member = if kind == Kind::ServicePrincipal {
        "Application"
    } else {
        "User"
    };
    let roles = resource.props.get("appRoles").and_then(Value::as_array);
    let mut fitting = roles.into_iter().flatten().filter(|role| {
        let members = role["allowedMemberTypes"].as_array();
        role["isEnabled"] == true && members.is_some_and(|kinds| kinds.iter().any(|kind| kind == member))
    });
    if role == DEFAULT {
        return fitting.next().is_none();
    }
    fitting.any(|offered| {
        offered["id"]
            .as_str()
            .is_some_and(|id| id.eq_ignore_ascii_case(role))
    })
}

/// Gives a role. `None` when it is held already.
pub(crate) fn assign(
    directory: &mut Directory,
    principal: &str,
    resource: &str,
    role: &str,
    now: Timestamp,
) -> Option<AppRoleAssignment> {
    let held = |assignment: &AppRoleAssignment| {
        assignment.principal == principal && assignment.resource == resource && assignment.role == role
    };
    if directory.app_role_assignments.values().any(held) {
        return None;
    }
    // As Entra makes it: the principal, then a number of its own.
    let (left, right) = (Uuid::try_parse(principal).ok()?, directory.ids.guid());
    let right = Uuid::try_parse(&right).ok()?;
    let place = directory.next_place();
    let made = AppRoleAssignment {
        id: URL_SAFE_NO_PAD.encode([left.to_bytes_le(), right.into_bytes()].concat()),
        role: role.to_owned(),
        principal: principal.to_owned(),
        resource: resource.to_owned(),
        created: now,
        place,
    };
    directory.app_role_assignments.insert(place, made.clone());
    Some(made)
}

/// Takes every role that an object holds or offers, and gives what it was.
pub(crate) fn forget(directory: &mut Directory, object: &str) -> Vec<AppRoleAssignment> {
    let mut gone = Vec::new();
    directory.app_role_assignments.retain(|_, assignment| {
        let keep = assignment.principal != object && assignment.resource != object;
        if !keep {
            gone.push(assignment.clone());
        }
        keep
    });
    gone
}

/// Gives back what [`forget`] took, where both ends are there.
pub(crate) fn give_back(directory: &mut Directory, taken: Vec<AppRoleAssignment>) {
    for assignment in taken {
        let there = |id: &str| directory.get(id).is_some();
        if there(&assignment.principal) && there(&assignment.resource) {
            directory
                .app_role_assignments
                .insert(assignment.place, assignment);
        }
    }
}

/// Every assignment, as a reply shows it.
pub(crate) fn all(directory: &Directory) -> impl Iterator<Item = Value> {
    directory
        .app_role_assignments
        .values()
        .map(|assignment| view(directory, assignment))
}

/// What a principal holds, groups included.
pub(crate) fn of_principal(directory: &Directory, principal: &str) -> impl Iterator<Item = Value> {
    let held = directory.app_role_assignments.values();
    held.filter(move |assignment| holds(directory, principal, assignment))
        .map(|assignment| view(directory, assignment))
}

/// Who holds a role of an application.
pub(crate) fn of_resource(directory: &Directory, resource: &str) -> impl Iterator<Item = Value> {
    let held = directory.app_role_assignments.values();
    held.filter(move |assignment| assignment.resource == resource)
        .map(|assignment| view(directory, assignment))
}

/// The values of the roles that a principal holds itself in one application.
pub(crate) fn values(directory: &Directory, principal: &str, app: &str) -> Vec<String> {
    let Some(resource) = service_principals::of(directory, app) else {
        return Vec::new();
    };
    let roles = resource.props.get("appRoles").and_then(Value::as_array);
    let held = |id: &str| {
        directory.app_role_assignments.values().any(|assignment| {
            assignment.principal == principal && assignment.resource == resource.id && assignment.role == id
        })
    };
    let held = |role: &&Value| role["id"].as_str().is_some_and(held);
    let roles = roles.into_iter().flatten().filter(held);
    roles
        .filter_map(|role| role["value"].as_str().map(str::to_owned))
        .collect()
}

/// The values of the roles that a user holds in one application: its own, and those of its groups.
pub(crate) fn held(directory: &Directory, user: &str, app: &str) -> Vec<String> {
    let groups = directory.members.sources(user).cloned();
    let mut all: Vec<String> = std::iter::once(user.to_owned())
        .chain(groups)
        .flat_map(|principal| values(directory, &principal, app))
        .collect();
    all.sort();
    all.dedup();
    all
}

/// Whether a user is assigned to an application, itself or through a group.
pub(crate) fn assigned(directory: &Directory, user: &str, resource: &str) -> bool {
    let mut all = directory.app_role_assignments.values();
    all.any(|assignment| assignment.resource == resource && holds(directory, user, assignment))
}

/// What a principal holds itself, as `application/value of the role`.
pub(crate) fn names(directory: &Directory, principal: &str) -> Vec<String> {
    let own = directory.app_role_assignments.values();
    let own = own.filter(|assignment| assignment.principal == principal);
    own.filter_map(|assignment| {
        let resource = directory.get(&assignment.resource)?;
        let roles = resource.props.get("appRoles").and_then(Value::as_array);
        let mut roles = roles.into_iter().flatten();
        let role = roles.find(|role| role["id"] == assignment.role.as_str());
        let value = role.and_then(|role| role["value"].as_str()).unwrap_or("default");
        Some(format!(
            "{}/{value}",
            resource.text("displayName").unwrap_or_default()
        ))
    })
    .collect()
}
