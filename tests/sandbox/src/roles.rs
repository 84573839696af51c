//! Directory roles: `/roleManagement/directory/roleDefinitions` and `.../roleAssignments`
//! ("unifiedRoleDefinition resource type", "unifiedRoleAssignment resource type").

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::call::{Answer, Call, Outcome};
use crate::directory::Directory;
use crate::errors::Fail;
use crate::odata::{ValueRow, collection, counted};
use crate::organization::one_or_all;
use crate::role_definitions::{BUILT_IN, BuiltIn, by_id};
use crate::schema::{FILTER, Kind, SELECT, no_property, unknown};
use crate::{custom_roles, directory_query, directory_roles, schedules, units};

/// The scope of the whole tenant.
pub(crate) const TENANT: &str = "/";

const ASSIGNMENT: &str = "microsoft.graph.unifiedRoleAssignment";

/// One role held by one principal in one scope.
#[derive(Debug, Clone)]
pub(crate) struct Assignment {
    pub(crate) id: String,
    pub(crate) role: String,
    pub(crate) principal: String,
    pub(crate) scope: String,
}

/// Answers below `/roleManagement/directory`.
pub(crate) fn route(directory: &mut Directory, call: &Call, rest: &[&str]) -> Outcome {
    if let Some(outcome) = schedules::route(directory, call, rest) {
        return outcome;
    }
    match (rest, call.method.as_str()) {
        (["roleDefinitions", rest @ ..], "GET") => {
            let built_in = BUILT_IN.iter().map(|role| definition(call, role));
            let own = directory.custom_roles.values();
            let all = built_in.chain(own.map(|role| custom_roles::shown(call, role)));
            one_or_all(
                call,
                rest,
                "roleManagement/directory/roleDefinitions",
                all.collect(),
            )
        }
        (["roleDefinitions", rest @ ..], _) => custom_roles::write(directory, call, rest),
        (["roleAssignments"], "GET") => list(directory, call, false),
        (["roleAssignments", "$count"], "GET") => list(directory, call, true),
        (["roleAssignments", id, relation], "GET") => {
            let found = directory.assignments.values().find(|held| held.id == *id);
            let held = found.ok_or_else(|| Fail::not_found(id))?;
            related(
                directory,
                call,
                (&held.principal, &held.role, &held.scope),
                relation,
            )
        }
        (["roleAssignments"], "POST") => create(directory, call),
        (["roleAssignments", id], "GET") => {
            let found = directory
                .assignments
                .values()
                .find(|assignment| assignment.id == *id);
            let found = found.ok_or_else(|| Fail::not_found(id))?;
            Ok(Answer::ok(with_context(call, view(directory, found, call)?)))
        }
        (["roleAssignments", id], "DELETE") => {
            let found = directory
                .assignments
                .iter()
                .find(|(_, assignment)| assignment.id == *id);
            let found = found.ok_or_else(|| Fail::not_found(id))?.1.clone();
            take(directory, &found.principal, &found.role, &found.scope);
            Ok(Answer::done())
        }
        (["roleAssignments", ..], _) => Err(Fail::method()),
        ([segment, ..], _) => Err(Fail::segment(segment)),
        ([], _) => Err(Fail::segment("directory")),
    }
}

/// The definition of a role, built in or the tenant's own.
pub(crate) fn definition_of(directory: &Directory, call: &Call, id: &str) -> Option<Value> {
    let own = || {
        directory
            .custom_roles
            .values()
            .find(|role| role.id.eq_ignore_ascii_case(id))
    };
    let built_in = by_id(id).map(|role| definition(call, role));
    built_in.or_else(|| own().map(|role| custom_roles::shown(call, role)))
}

fn definition(call: &Call, (id, name, privileged): &BuiltIn) -> Value {
    let mut out = json!({
        "id": id, "templateId": id, "displayName": name, "description": format!("Built-in role {name}."),
        "isBuiltIn": true, "isEnabled": true, "resourceScopes": [TENANT], "rolePermissions": [], "version": "1",
    });
    // "unifiedRoleDefinition resource type": a property of beta alone.
    if call.root.ends_with("/beta") {
        out["isPrivileged"] = (*privileged).into();
    }
    out
}

fn view(directory: &Directory, assignment: &Assignment, call: &Call) -> Result<Value, Fail> {
    let mut out = json!({
        "id": assignment.id, "principalId": assignment.principal,
        "directoryScopeId": assignment.scope, "roleDefinitionId": assignment.role,
    });
    for expand in &call.options.expand {
        let value = match expand.relation.as_str() {
            "roleDefinition" => definition_of(directory, call, &assignment.role),
            "principal" => directory
                .get(&assignment.principal)
                .map(|object| directory.typed(object, &expand.select)),
            "directoryScope" => directory
                .get(assignment.scope.rsplit('/').next().unwrap_or_default())
                .map(|object| directory.typed(object, &expand.select)),
            other => {
                return Err(no_property(SELECT, other, ASSIGNMENT));
            }
        };
        out[&expand.relation] = value.unwrap_or(Value::Null);
    }
    Ok(out)
}

fn with_context(call: &Call, mut value: Value) -> Value {
    if let Some(map) = value.as_object_mut() {
        let context = call.context("roleManagement/directory/roleAssignments/$entity");
        map.shift_insert(0, "@odata.context".to_owned(), context.into());
    }
    value
}

fn list(directory: &Directory, call: &Call, count: bool) -> Outcome {
    for path in call.options.filter.iter().flat_map(|filter| filter.paths()) {
        let name = path.first().map_or("", String::as_str);
        if !matches!(
            name,
            "id" | "principalId" | "roleDefinitionId" | "directoryScopeId"
        ) {
            return Err(no_property(FILTER, name, ASSIGNMENT));
        }
    }
    let mut rows = Vec::new();
    for (place, assignment) in &directory.assignments {
        rows.push(ValueRow {
            place: *place,
            value: view(directory, assignment, call)?,
        });
    }
    if count {
        return counted(call, rows.into_iter());
    }
    collection(call, "roleManagement/directory/roleAssignments", rows.into_iter())
}

/// What a role is held by, what role it is, and where it is held, as an answer of its own.
pub(crate) fn related(
    directory: &Directory,
    call: &Call,
    (principal, role, scope): (&str, &str, &str),
    relation: &str,
) -> Outcome {
    let object = |id: &str| directory.get(id).ok_or_else(|| Fail::not_found(id));
    match relation {
        "principal" => directory_query::typed_entity(directory, call, object(principal)?),
        "directoryScope" => {
            let id = scope.rsplit('/').next().unwrap_or_default();
            directory_query::typed_entity(directory, call, object(id)?)
        }
        "roleDefinition" => {
            let mut value = definition_of(directory, call, role).ok_or_else(|| Fail::not_found(role))?;
            if let Some(map) = value.as_object_mut() {
                let context = call.context("roleManagement/directory/roleDefinitions/$entity");
                map.shift_insert(0, "@odata.context".to_owned(), context.into());
            }
            Ok(Answer::ok(value))
        }
        other => Err(Fail::segment(other)),
    }
}

fn create(directory: &mut Directory, call: &Call) -> Outcome {
    let body = call.object()?;
    let text = |name: &str| body.get(name).and_then(Value::as_str);
    for name in body.keys() {
        let known = [
            "roleDefinitionId",
            "principalId",
            "directoryScopeId",
            "appScopeId",
            "condition",
        ];
        if !name.starts_with('@') && !known.contains(&name.as_str()) {
            return Err(unknown(name, ASSIGNMENT));
        }
    }
    let required = |name: &str| {
        text(name).ok_or_else(|| {
            Fail::bad(format!(
                "A value is required for property '{name}' of resource 'RoleAssignment'."
            ))
        })
    };
    let (role, principal) = (required("roleDefinitionId")?, required("principalId")?);
    let scope = required("directoryScopeId")?;
    let known = custom_roles::role(directory, role).ok_or_else(|| Fail::not_found(role))?;
    if !known.enabled {
        return Err(Fail::bad("The role definition is not enabled for assignment."));
    }
    let principal = self::principal(directory, call, principal)?;
    check_scope(directory, call, role, scope)?;
    let made = assign(directory, &principal, role, scope).ok_or_else(Fail::duplicate)?;
    let address = format!(
        "{}/roleManagement/directory/roleAssignments/{}",
        call.root, made.id
    );
    Ok(Answer::created(
        with_context(call, view(directory, &made, call)?),
        address,
    ))
}

/// The id of somebody who can hold roles: a user, a service principal, or a group that was made for it.
pub(crate) fn principal(directory: &Directory, call: &Call, id: &str) -> Result<String, Fail> {
    let found = directory.seen(call, None, id)?;
    match found.kind {
        Kind::User | Kind::ServicePrincipal => Ok(found.id.clone()),
        Kind::Group if found.truth("isAssignableToRole") => Ok(found.id.clone()),
        Kind::Group => Err(Fail::bad(
            "Group must have 'isAssignableToRole' set to true to be assigned to a role.",
        )),
        _ => Err(Fail::bad(
            "Only users, groups and service principals can be assigned to a role.",
        )),
    }
}

/// Whether a role can be given there: for the tenant, in an administrative unit, or for one object.
pub(crate) fn check_scope(directory: &Directory, call: &Call, role: &str, scope: &str) -> Result<(), Fail> {
    if scope == TENANT {
        return Ok(());
    }
    let Some(unit) = scope.strip_prefix(units::SCOPE) else {
        return directory
            .seen(call, None, scope.trim_start_matches('/'))
            .map(drop);
    };
    directory.seen(call, Some(Kind::AdministrativeUnit), unit)?;
    let known = custom_roles::role(directory, role);
    let name = known.map_or("", |role| role.name);
    if !known.is_some_and(|role| role.custom) && !units::takes(name) {
        return Err(Fail::bad(format!(
            "The role '{name}' cannot be assigned with the scope of an administrative unit."
        )));
    }
    Ok(())
}

/// Gives a role. `None` when it is held already, or there is no such role.
pub(crate) fn assign(
    directory: &mut Directory,
    principal: &str,
    role: &str,
    scope: &str,
) -> Option<Assignment> {
    let role = custom_roles::role(directory, role)?.id.to_owned();
    let held = |assignment: &Assignment| {
        assignment.principal == principal && assignment.role == role && assignment.scope == scope
    };
    if directory.assignments.values().any(held) {
        return None;
    }
    if let Some(built_in) = by_id(&role) {
        directory_roles::activate(directory, built_in);
    }
    // As Entra makes it: role and principal in one, then what tells the scopes apart.
    let (left, right) = (Uuid::try_parse(&role).ok()?, Uuid::try_parse(principal).ok()?);
    let both = [left.to_bytes_le(), right.to_bytes_le()].concat();
    let part = scope.rsplit('/').next().unwrap_or_default();
    let end = if part.is_empty() {
        "1".to_owned()
    } else {
        format!("2-{part}")
    };
    let id = format!("{}-{end}", URL_SAFE_NO_PAD.encode(both));
    let made = Assignment {
        id,
        role,
        principal: principal.to_owned(),
        scope: scope.to_owned(),
    };
    let place = directory.next_place();
    directory.assignments.insert(place, made.clone());
    note_holder(directory, &made);
    Some(made)
}

/// Takes a role; whether it was held.
pub(crate) fn take(directory: &mut Directory, principal: &str, role: &str, scope: &str) -> bool {
    let is = |held: &Assignment| {
        held.principal.eq_ignore_ascii_case(principal) && held.role == role && held.scope == scope
    };
    let taken = directory.assignments.values().find(|held| is(held)).cloned();
    directory.assignments.retain(|_, held| !is(held));
    directory.schedules.end(principal, role, scope);
    if let Some(taken) = &taken {
        note_holder(directory, taken);
    }
    taken.is_some()
}

/// Who holds a role for the whole tenant is a member of it.
fn note_holder(directory: &mut Directory, held: &Assignment) {
    if held.scope == TENANT && by_id(&held.role).is_some() {
        let role = directory_roles::object_id(directory, &held.role);
        directory.journal.note_holder(role, &held.principal);
    }
}

/// Takes every role of a principal and gives what it was.
pub(crate) fn forget(directory: &mut Directory, principal: &str) -> Vec<(String, String)> {
    let mut gone = Vec::new();
    directory.assignments.retain(|_, assignment| {
        let keep = assignment.principal != principal;
        if !keep {
            gone.push(assignment.clone());
        }
        keep
    });
    for held in &gone {
        note_holder(directory, held);
    }
    gone.into_iter().map(|held| (held.role, held.scope)).collect()
}
