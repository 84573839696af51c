//! Roles of the tenant's own, beside the built-in ones ("Create unifiedRoleDefinition", "Update
//! unifiedRoleDefinition", "Delete unifiedRoleDefinition").

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::call::{Answer, Call, Outcome};
use crate::directory::Directory;
use crate::errors::Fail;
use crate::role_definitions::by_id;
use crate::roles::{self, TENANT};
use crate::schema::unknown;

const DEFINITION: &str = "microsoft.graph.unifiedRoleDefinition";

/// By place, in the order in which they were made.
pub(crate) type CustomRoles = BTreeMap<u64, CustomRole>;

/// One of them.
#[derive(Debug, Clone)]
pub(crate) struct CustomRole {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) props: Map<String, Value>,
}

/// A role, built in or the tenant's own.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Role<'a> {
    pub(crate) id: &'a str,
    pub(crate) name: &'a str,
    /// Whether it can be given now.
    pub(crate) enabled: bool,
    pub(crate) custom: bool,
}

/// The role with that id.
pub(crate) fn role<'a>(directory: &'a Directory, id: &str) -> Option<Role<'a>> {
    if let Some((id, name, _)) = by_id(id) {
        return Some(Role {
            id,
            name,
            enabled: true,
            custom: false,
        });
    }
    let own = directory.custom_roles.values();
    own.clone()
        .find(|role| role.id.eq_ignore_ascii_case(id))
        .map(|role| Role {
            id: &role.id,
            name: &role.name,
            enabled: role.props["isEnabled"] == true,
            custom: true,
        })
}

/// As an answer shows it.
pub(crate) fn shown(call: &Call, role: &CustomRole) -> Value {
    let mut out = role.props.clone();
    if call.root.ends_with("/beta") {
        out.insert("isPrivileged".to_owned(), false.into());
    }
    Value::Object(out)
}

/// Answers the writes below `/roleManagement/directory/roleDefinitions`.
pub(crate) fn write(directory: &mut Directory, call: &Call, rest: &[&str]) -> Outcome {
    match (rest, call.method.as_str()) {
        ([], "POST") => create(directory, call),
        ([id], "PATCH" | "DELETE") => {
            let found = directory
                .custom_roles
                .iter()
                .find(|(_, role)| role.id.eq_ignore_ascii_case(id));
            let Some((place, id)) = found.map(|(place, role)| (*place, role.id.clone())) else {
                return Err(match by_id(id) {
                    Some(_) => Fail::bad("Built-in role definitions cannot be changed or deleted."),
                    None => Fail::not_found(id),
                });
            };
            if call.method == "PATCH" {
                let props = checked(call)?;
                if let Some(role) = directory.custom_roles.get_mut(&place) {
                    role.props.extend(props);
                    role.name = role.props["displayName"].as_str().unwrap_or_default().to_owned();
                }
            } else {
                let held: Vec<_> = directory
                    .assignments
                    .values()
                    .filter(|held| held.role == id)
                    .cloned()
                    .collect();
                for held in held {
                    roles::take(directory, &held.principal, &held.role, &held.scope);
                }
                directory.schedules.forget_role(&id);
                directory.custom_roles.remove(&place);
            }
            Ok(Answer::done())
        }
        _ => Err(Fail::method()),
    }
}

fn create(directory: &mut Directory, call: &Call) -> Outcome {
    let wish = checked(call)?;
    for name in ["displayName", "isEnabled", "rolePermissions"] {
        if wish.get(name).is_none_or(Value::is_null) {
            return Err(Fail::bad(format!(
                "A value is required for property '{name}' of resource 'RoleDefinition'."
            )));
        }
    }
    let id = directory.ids.guid();
    let template = wish
        .get("templateId")
        .and_then(Value::as_str)
        .unwrap_or(&id)
        .to_owned();
    let mut props = Map::new();
    for (name, value) in [
        ("id", json!(id)),
        ("description", Value::Null),
        ("displayName", Value::Null),
        ("isBuiltIn", json!(false)),
        ("isEnabled", Value::Null),
        ("resourceScopes", json!([TENANT])),
        ("templateId", Value::Null),
        ("version", Value::Null),
        ("rolePermissions", Value::Null),
    ] {
        props.insert(name.to_owned(), value);
    }
    props.extend(wish);
    props.insert("templateId".to_owned(), template.into());
    let name = props["displayName"].as_str().unwrap_or_default().to_owned();
    let role = CustomRole { id, name, props };
    let mut body = shown(call, &role);
    let address = format!(
        "{}/roleManagement/directory/roleDefinitions/{}",
        call.root, role.id
    );
    let place = directory.next_place();
    directory.custom_roles.insert(place, role);
    if let Some(map) = body.as_object_mut() {
        let context = call.context("roleManagement/directory/roleDefinitions/$entity");
        map.shift_insert(0, "@odata.context".to_owned(), context.into());
    }
    Ok(Answer::created(body, address))
}

/// The properties of the body, each of the right type.
fn checked(call: &Call) -> Result<Map<String, Value>, Fail> {
    let mut props = Map::new();
    for (name, value) in call.object()? {
        let wrong = || Fail::invalid(name, "RoleDefinition");
        let good = match name.as_str() {
            _ if name.starts_with('@') => continue,
            "displayName" => value
                .as_str()
                .is_some_and(|text| !text.is_empty() && text.chars().count() <= 256),
            "description" | "version" => value.is_string() || value.is_null(),
            "templateId" => value
                .as_str()
                .is_some_and(|text| uuid::Uuid::try_parse(text).is_ok()),
            "isEnabled" => value.is_boolean(),
            "resourceScopes" => value
                .as_array()
                .is_some_and(|scopes| scopes.iter().all(Value::is_string)),
            "rolePermissions" => {
                let permissions = value.as_array().ok_or_else(wrong)?;
                props.insert(
                    name.clone(),
                    permissions
                        .iter()
                        .map(permission)
                        .collect::<Result<Value, Fail>>()?,
                );
                continue;
            }
            "id" | "isBuiltIn" | "isPrivileged" | "inheritsPermissionsFrom" => {
                return Err(Fail::bad(format!(
                    "Property '{name}' is read-only and cannot be set."
                )));
            }
            _ => return Err(unknown(name, DEFINITION)),
        };
        if !good {
            return Err(wrong());
        }
        props.insert(name.clone(), value.clone());
    }
    Ok(props)
}

fn permission(value: &Value) -> Result<Value, Fail> {
    let actions = value["allowedResourceActions"].as_array();
    let actions = actions.filter(|actions| !actions.is_empty());
    let actions = actions.ok_or_else(|| Fail::invalid("rolePermissions", "RoleDefinition"))?;
    for action in actions {
        let known = action
            .as_str()
            .is_some_and(|action| action.starts_with("microsoft.") && action.contains('/'));
        if !known {
            return Err(Fail::bad(format!(
                "Action {action} is not supported for custom roles."
            )));
        }
    }
    Ok(json!({ "allowedResourceActions": actions, "condition": value["condition"] }))
}
