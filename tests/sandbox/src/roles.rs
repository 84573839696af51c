//! Directory roles: `/roleManagement/directory/roleDefinitions`, `.../roleAssignments`, `/directoryRoles`
//! ("unifiedRoleAssignment resource type", "directoryRole resource type").

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::call::{Answer, Call, Outcome};
use crate::directory::Directory;
use crate::directory_query;
use crate::errors::Fail;
use crate::odata::{ValueRow, collection};
use crate::organization::one_or_all;
use crate::role_definitions::{BUILT_IN, BuiltIn, by_id};
use crate::schema::{FILTER, Kind, SELECT, no_property};

const ASSIGNMENT: &str = "microsoft.graph.unifiedRoleAssignment";

/// One role held by one principal in one scope.
#[derive(Debug, Clone)]
pub(crate) struct Assignment {
    pub(crate) id: String,
    pub(crate) role: &'static str,
    pub(crate) principal: String,
    pub(crate) scope: String,
}

/// Answers below `/roleManagement/directory`.
pub(crate) fn route(directory: &mut Directory, call: &Call, rest: &[&str]) -> Outcome {
    match (rest, call.method.as_str()) {
        (["roleDefinitions", rest @ ..], "GET") => one_or_all(
            call,
            rest,
            "roleManagement/directory/roleDefinitions",
            BUILT_IN.iter().map(definition).collect(),
        ),
        (["roleAssignments"], "GET") => list(directory, call),
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
            let place = *found.ok_or_else(|| Fail::not_found(id))?.0;
            directory.assignments.remove(&place);
            Ok(Answer::done())
        }
        (["roleDefinitions" | "roleAssignments", ..], _) => Err(Fail::method()),
        _ => Err(Fail::syntax(
            "Resource not found for the segment 'roleManagement'.",
        )),
    }
}

fn definition((id, name, privileged): &BuiltIn) -> Value {
    json!({
        "id": id, "templateId": id, "displayName": name, "description": format!("Built-in role {name}."),
        "isBuiltIn": true, "isEnabled": true, "isPrivileged": privileged, "resourceScopes": ["/"],
        "rolePermissions": [], "version": "1",
    })
}

fn view(directory: &Directory, assignment: &Assignment, call: &Call) -> Result<Value, Fail> {
    let mut out = json!({
        "id": assignment.id, "principalId": assignment.principal,
        "directoryScopeId": assignment.scope, "roleDefinitionId": assignment.role,
    });
    for expand in &call.options.expand {
        let value = match expand.relation.as_str() {
            "roleDefinition" => by_id(assignment.role).map(definition),
            "principal" => directory
                .get(&assignment.principal)
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

fn list(directory: &Directory, call: &Call) -> Outcome {
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
    collection(call, "roleManagement/directory/roleAssignments", rows.into_iter())
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
            return Err(Fail::new(
                400,
                "RequestBodyRead",
                format!(
                    "The property '{name}' does not exist on type 'microsoft.graph.unifiedRoleAssignment'."
                ),
            ));
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
    let (role, ..) = by_id(role).ok_or_else(|| Fail::not_found(role))?;
    let found = directory.seen(call, None, principal)?;
    if found.kind == Kind::Group && !found.truth("isAssignableToRole") {
        return Err(Fail::bad(
            "Group must have 'isAssignableToRole' set to true to be assigned to a role.",
        ));
    }
    if scope != "/" {
        return Err(Fail::not_found(scope.trim_start_matches("/administrativeUnits/")));
    }
    let principal = found.id.clone();
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

/// Gives a role. `None` when it is held already, or there is no such role.
pub(crate) fn assign(
    directory: &mut Directory,
    principal: &str,
    role: &str,
    scope: &str,
) -> Option<Assignment> {
    let (role, ..) = by_id(role)?;
    let held = |assignment: &Assignment| {
        assignment.principal == principal && assignment.role == *role && assignment.scope == scope
    };
    if directory.assignments.values().any(held) {
        return None;
    }
    // As Entra makes it: role and principal in one, then the scope's number.
    let (left, right) = (Uuid::try_parse(role).ok()?, Uuid::try_parse(principal).ok()?);
    let both = [left.to_bytes_le(), right.to_bytes_le()].concat();
    let id = format!("{}-1", URL_SAFE_NO_PAD.encode(both));
    let made = Assignment {
        id,
        role,
        principal: principal.to_owned(),
        scope: scope.to_owned(),
    };
    let place = directory.next_place();
    directory.assignments.insert(place, made.clone());
    Some(made)
}

/// Takes every role of a principal and gives what it was.
pub(crate) fn forget(directory: &mut Directory, principal: &str) -> Vec<(String, String)> {
    let mut held = Vec::new();
    directory.assignments.retain(|_, assignment| {
        let keep = assignment.principal != principal;
        if !keep {
            held.push((assignment.role.to_owned(), assignment.scope.clone()));
        }
        keep
    });
    held
}

/// The roles that a principal holds directly, as `memberOf` shows them.
pub(crate) fn held_roles(directory: &Directory, principal: &str) -> Vec<Value> {
    let held = directory
        .assignments
        .values()
        .filter(|assignment| assignment.principal == principal);
    held.filter_map(|assignment| by_id(assignment.role))
        .map(|role| {
            let mut value = directory_role(directory, role);
            if let Some(map) = value.as_object_mut() {
                map.shift_insert(
                    0,
                    "@odata.type".to_owned(),
                    "#microsoft.graph.directoryRole".into(),
                );
            }
            value
        })
        .collect()
}

/// An activated role: the object's own id differs from the template's.
fn directory_role(directory: &Directory, (template, name, _): &BuiltIn) -> Value {
    let space = Uuid::try_parse(&directory.tenant.id).unwrap_or(Uuid::NAMESPACE_OID);
    json!({
        "id": Uuid::new_v5(&space, template.as_bytes()).to_string(), "deletedDateTime": null,
        "description": format!("Built-in role {name}."), "displayName": name, "roleTemplateId": template,
    })
}

/// `/directoryRoles`: the roles that somebody holds.
pub(crate) fn directory_roles(directory: &Directory, call: &Call, rest: &[&str]) -> Outcome {
    let active = |role: &&BuiltIn| {
        directory
            .assignments
            .values()
            .any(|assignment| assignment.role == role.0)
    };
    let roles: Vec<Value> = BUILT_IN
        .iter()
        .filter(active)
        .map(|role| directory_role(directory, role))
        .collect();
    let named = |key: &str| {
        let template = key.strip_prefix("roleTemplateId='").unwrap_or(key);
        roles
            .iter()
            .find(|role| role["id"] == key || role["roleTemplateId"] == template)
    };
    match rest {
        [key, "members"] if call.method == "GET" => {
            let role = named(key).ok_or_else(|| Fail::not_found(key))?;
            let held = directory
                .assignments
                .values()
                .filter(|assignment| role["roleTemplateId"] == assignment.role);
            let principals = held.map(|assignment| &assignment.principal);
            directory_query::mixed(directory, call, directory.objects_of(principals))
        }
        [key] => {
            let id = named(key)
                .and_then(|role| role["id"].as_str())
                .unwrap_or(key)
                .to_owned();
            one_or_all(call, &[&id], "directoryRoles", roles.clone())
        }
        _ => one_or_all(call, rest, "directoryRoles", roles),
    }
}
