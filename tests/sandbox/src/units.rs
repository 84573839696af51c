//! `/directory/administrativeUnits` ("administrativeUnit resource type", "Add members", "Add a scopedRoleMember").

use serde_json::{Map, Value, json};

use crate::call::{Answer, Call, Outcome};
use crate::directory::{Directory, Object, ObjectRow};
use crate::errors::Fail;
use crate::membership_rule::Rule;
use crate::odata::{ValueRow, collection};
use crate::roles::{self, Assignment};
use crate::schema::{
    Access::{Fixed, Shown},
    Edm::{Bool, Instant, Text},
    Kind, Property, p,
};
use crate::{deleted, directory_query, groups, membership, relations};

pub(crate) const PROPERTIES: &[Property] = &[
    p("id", Text(36), Fixed),
    p("deletedDateTime", Instant, Fixed),
    p("description", Text(1024), Shown),
    p("displayName", Text(256), Shown),
    p("isMemberManagementRestricted", Bool, Shown),
    p("membershipRule", Text(3072), Shown),
    p("membershipRuleProcessingState", Text(16), Shown),
    p("membershipType", Text(16), Shown),
    p("visibility", Text(32), Shown),
];

/// The scope of a role in a unit.
pub(crate) const SCOPE: &str = "/administrativeUnits/";

/// "Roles that can be assigned with administrative unit scope", of those that the tenant knows.
const ROLES: [&str; 8] = [
    "Authentication Administrator",
    "Groups Administrator",
    "Helpdesk Administrator",
    "License Administrator",
    "Password Administrator",
    "Privileged Authentication Administrator",
    "SharePoint Administrator",
    "Teams Administrator",
];

/// Whether a role can be given in an administrative unit.
pub(crate) fn takes(role: &str) -> bool {
    role == "User Administrator" || ROLES.contains(&role)
}

/// Answers below `/directory/administrativeUnits`.
pub(crate) fn route(directory: &mut Directory, call: &Call, rest: &[&str]) -> Outcome {
    let kind = Kind::AdministrativeUnit;
    match (rest, call.method.as_str()) {
        ([], "GET") => {
            directory_query::allowed(call, kind)?;
            let seen = directory.all(kind).filter(|unit| unit.seen_by(call));
            let rows = seen.map(|object| ObjectRow {
                directory,
                object,
                mixed: false,
            });
            collection(call, kind.segment(), rows)
        }
        ([], "POST") => create(directory, call),
        (["$count"], "GET") => directory_query::count(directory, call, kind),
        ([] | ["$count"], _) => Err(Fail::method()),
        ([key, rest @ ..], _) => {
            let unit = directory.seen(call, Some(kind), key)?.id.clone();
            below(directory, call, &unit, rest)
        }
    }
}

fn below(directory: &mut Directory, call: &Call, id: &str, rest: &[&str]) -> Outcome {
    let unit = directory.get(id).ok_or_else(|| Fail::not_found(id))?;
    match (rest, call.method.as_str()) {
        ([], "GET") => directory_query::single(directory, call, unit),
        ([], "PATCH") => update(directory, call, id),
        ([], "DELETE") => {
            deleted::delete(directory, id, call.now);
            Ok(Answer::done())
        }
        (["members"], "POST") => found_in(directory, call, id),
        (["members", "$ref"], "POST") => {
            let member = directory.seen(call, None, &call.reference()?)?.id.clone();
            writable(unit)?;
            add(directory, id, &member)?;
            Ok(Answer::done())
        }
        (["members", member, "$ref"], "DELETE") => {
            writable(unit)?;
            if !directory.units.remove(id, member) {
                return Err(Fail::not_found(member));
            }
            Ok(Answer::done())
        }
        (["members", rest @ ..], "GET") => {
            relations::answer(directory, call, relations::members(directory, unit), rest)
        }
        (["scopedRoleMembers", rest @ ..], _) => scoped_members(directory, call, id, rest),
        ([] | ["members", ..], _) => Err(Fail::method()),
        ([segment, ..], _) => Err(Fail::segment(segment)),
    }
}

fn create(directory: &mut Directory, call: &Call) -> Outcome {
    let props = changed(call, &Map::new())?;
    if props.get("displayName").is_none_or(Value::is_null) {
        let message = "A value is required for property 'displayName' of resource 'AdministrativeUnit'.";
        return Err(Fail::bad(message).detail("PropertyRequired", "displayName", message));
    }
    let id = directory.insert(Kind::AdministrativeUnit, props, call.now);
    membership::apply_rule(directory, &id, call.now);
    let unit = directory.get(&id).ok_or_else(|| Fail::not_found(&id))?;
    Ok(Answer::created(
        directory_query::entity(directory, call, unit),
        format!("{}/directory/administrativeUnits/{id}", call.root),
    ))
}

fn update(directory: &mut Directory, call: &Call, id: &str) -> Outcome {
    let before = directory
        .get(id)
        .map(|unit| unit.props.clone())
        .unwrap_or_default();
    let after = changed(call, &before)?;
    if after.get("displayName").is_none() {
        return Err(Fail::invalid("displayName", "AdministrativeUnit"));
    }
    // "Can't be changed later": restricted management, and hidden membership.
    for fixed in ["isMemberManagementRestricted", "visibility"] {
        if before.get(fixed) != after.get(fixed) {
            return Err(Fail::bad(format!(
                "Property '{fixed}' cannot be changed after the administrative unit is created."
            )));
        }
    }
    directory.change(id, |unit| unit.props = after);
    membership::apply_rule(directory, id, call.now);
    Ok(Answer::done())
}

/// The properties with the body's changes, checked.
fn changed(call: &Call, before: &Map<String, Value>) -> Result<Map<String, Value>, Fail> {
    let kind = Kind::AdministrativeUnit;
    let mut props = before.clone();
    for (name, value) in call.object()? {
        if name.starts_with('@') {
            continue;
        }
        kind.writable(name, value)?;
        if value.is_null() {
            props.remove(name);
        } else {
            props.insert(name.clone(), value.clone());
        }
    }
    let text = |name: &str| props.get(name).and_then(Value::as_str);
    let invalid = |name: &str| Err(Fail::invalid(name, kind.title()));
    if !matches!(text("visibility"), None | Some("Public" | "HiddenMembership")) {
        return invalid("visibility");
    }
    match (text("membershipType"), text("membershipRule")) {
        (None | Some("Assigned"), None) => {}
        (Some("Dynamic"), Some(rule)) => {
            Rule::parse(rule).map_err(|why| Fail::bad(format!("Invalid dynamic membership rule: {why}.")))?;
            if !matches!(text("membershipRuleProcessingState"), Some("On" | "Paused")) {
                return invalid("membershipRuleProcessingState");
            }
        }
        (None | Some("Assigned"), Some(_)) | (Some("Dynamic"), None) => return invalid("membershipRule"),
        _ => return invalid("membershipType"),
    }
    Ok(props)
}

/// A rule's unit takes no members by hand.
fn writable(unit: &Object) -> Result<(), Fail> {
    if unit.text("membershipType") == Some("Dynamic") {
        return Err(Fail::denied());
    }
    Ok(())
}

/// "Add a member": users, groups and devices.
fn add(directory: &mut Directory, unit: &str, member: &str) -> Result<(), Fail> {
    let kind = directory.get(member).map(|object| object.kind);
    if !matches!(kind, Some(Kind::User | Kind::Group)) {
        return Err(Fail::bad(
            "Only users, groups and devices can be members of an administrative unit.",
        ));
    }
    if !directory.units.add(unit, member) {
        return Err(Fail::linked("members"));
    }
    Ok(())
}

/// "Create a new group in an administrative unit": a member that does not exist yet.
fn found_in(directory: &mut Directory, call: &Call, unit: &str) -> Outcome {
    writable(directory.get(unit).ok_or_else(|| Fail::not_found(unit))?)?;
    let kind = call.object()?.get("@odata.type").and_then(Value::as_str);
    if kind.and_then(Kind::named) != Some(Kind::Group) {
        return Err(Fail::bad(
            "The property '@odata.type' must be '#microsoft.graph.group': nothing else can be created here.",
        ));
    }
    let answer = groups::create(directory, call)?;
    let made = answer.body.as_ref().and_then(|body| body.get("id")?.as_str());
    if let Some(made) = made.map(str::to_owned) {
        add(directory, unit, &made)?;
    }
    Ok(answer)
}

fn scoped_members(directory: &mut Directory, call: &Call, unit: &str, rest: &[&str]) -> Outcome {
    let scope = format!("{SCOPE}{unit}");
    match (rest, call.method.as_str()) {
        ([], "GET") => scoped(directory, call, |held| held.scope == scope),
        ([], "POST") => {
            let body = call.object()?;
            let role = body.get("roleId").and_then(Value::as_str);
            let member = body
                .get("roleMemberInfo")
                .and_then(|member| member.get("id")?.as_str());
            let required = |name: &str| {
                Fail::bad(format!(
                    "A value is required for property '{name}' of resource 'ScopedRoleMembership'."
                ))
            };
            let (role, member) = (
                role.ok_or_else(|| required("roleId"))?,
                member.ok_or_else(|| required("roleMemberInfo"))?,
            );
            let role = directory.seen(call, Some(Kind::DirectoryRole), role)?;
            let template = role.text("roleTemplateId").unwrap_or_default().to_owned();
            roles::check_scope(directory, call, &template, &scope)?;
            let principal = roles::principal(directory, call, member)?;
            let made = roles::assign(directory, &principal, &template, &scope).ok_or_else(Fail::duplicate)?;
            let mut body = Map::new();
            let context = call.context("scopedRoleMemberships/$entity");
            body.insert("@odata.context".to_owned(), context.into());
            body.extend(membership_of(directory, &made));
            let address = format!("{}/directory{scope}/scopedRoleMembers/{}", call.root, made.id);
            Ok(Answer::created(body.into(), address))
        }
        ([id], "GET" | "DELETE") => {
            let held = directory.assignments.values();
            let mut held = held.filter(|held| held.scope == scope);
            let found = held.find(|held| held.id == *id).cloned();
            let found = found.ok_or_else(|| Fail::not_found(id))?;
            if call.method == "GET" {
                let mut body = Map::new();
                let context = call.context("scopedRoleMemberships/$entity");
                body.insert("@odata.context".to_owned(), context.into());
                body.extend(membership_of(directory, &found));
                return Ok(Answer::ok(body.into()));
            }
            roles::take(directory, &found.principal, &found.role, &scope);
            Ok(Answer::done())
        }
        ([] | [_], _) => Err(Fail::method()),
        ([_, segment, ..], _) => Err(Fail::segment(segment)),
    }
}

/// The roles in administrative units that satisfy a test.
pub(crate) fn scoped(directory: &Directory, call: &Call, wanted: impl Fn(&Assignment) -> bool) -> Outcome {
    let in_units = |held: &&Assignment| held.scope.starts_with(SCOPE) && wanted(held);
    let held = directory.assignments.iter().filter(|(_, held)| in_units(held));
    let rows = held.map(|(place, held)| ValueRow {
        place: *place,
        value: membership_of(directory, held).into(),
    });
    collection(call, "scopedRoleMemberships", rows)
}

fn membership_of(directory: &Directory, held: &Assignment) -> Map<String, Value> {
    let principal = directory.get(&held.principal);
    let name = principal.and_then(|object| object.text("displayName"));
    Map::from_iter([
        ("id".to_owned(), held.id.as_str().into()),
        (
            "roleId".to_owned(),
            crate::directory_roles::object_id(directory, &held.role).into(),
        ),
        (
            "administrativeUnitId".to_owned(),
            held.scope.trim_start_matches(SCOPE).into(),
        ),
        (
            "roleMemberInfo".to_owned(),
            json!({ "id": held.principal, "displayName": name }),
        ),
    ])
}
