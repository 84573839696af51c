//! `/directoryRoles` and `/directoryRoleTemplates`: the roles that are activated in the tenant, as objects of their own
//! ("directoryRole resource type", "Activate directoryRole").

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::call::{Answer, Call, Outcome};
use crate::directory::{Directory, Object, ObjectRow};
use crate::errors::Fail;
use crate::odata::collection;
use crate::organization::one_or_all;
use crate::role_definitions::{BUILT_IN, BuiltIn, by_id};
use crate::roles::{self, TENANT};
use crate::schema::{
    Access::{Fixed, Shown},
    Edm::{Instant, Text},
    Kind, Property, p,
};
use crate::{directory_query, relations, units};

pub(crate) const PROPERTIES: &[Property] = &[
    p("id", Text(36), Fixed),
    p("deletedDateTime", Instant, Fixed),
    p("description", Text(1024), Fixed),
    p("displayName", Text(256), Fixed),
    p("roleTemplateId", Text(36), Shown),
];

/// The id of an activated role, which differs from the template's and from tenant to tenant.
pub(crate) fn object_id(directory: &Directory, template: &str) -> String {
    let space = Uuid::try_parse(&directory.tenant.id).unwrap_or(Uuid::NAMESPACE_OID);
    Uuid::new_v5(&space, template.as_bytes()).to_string()
}

fn described(name: &str) -> String {
    format!("Built-in role {name}.")
}

/// Makes an object of a role; whether it was none before. Who gives a role activates it.
pub(crate) fn activate(directory: &mut Directory, (template, name, _): &BuiltIn) -> bool {
    let id = object_id(directory, template);
    if directory.get(&id).is_some() {
        return false;
    }
    let mut props = Map::new();
    for (property, value) in [
        ("id", id.as_str()),
        ("description", &described(name)),
        ("displayName", name),
        ("roleTemplateId", template),
    ] {
        props.insert(property.to_owned(), value.into());
    }
    let place = directory.next_place();
    // There on all replicas at once.
    let role = Object::new(id, Kind::DirectoryRole, place, Timestamp::UNIX_EPOCH, props);
    directory.put_live(role);
    true
}

/// Who holds a role for the whole tenant.
pub(crate) fn holders<'a>(directory: &'a Directory, role: &Object) -> Vec<&'a Object> {
    let template = role.text("roleTemplateId").unwrap_or_default();
    let held = directory
        .assignments
        .values()
        .filter(|held| held.role == template && held.scope == TENANT);
    directory.objects_of(held.map(|held| &held.principal))
}

/// Answers below `/directoryRoleTemplates`.
pub(crate) fn templates(call: &Call, rest: &[&str]) -> Outcome {
    let template = |(id, name, _): &BuiltIn| json!({ "id": id, "deletedDateTime": null, "description": described(name), "displayName": name });
    one_or_all(
        call,
        rest,
        "directoryRoleTemplates",
        BUILT_IN.iter().map(template).collect(),
    )
}

/// Answers below `/directoryRoles`.
pub(crate) fn route(directory: &mut Directory, call: &Call, rest: &[&str]) -> Outcome {
    match (rest, call.method.as_str()) {
        ([], "GET") => {
            directory_query::allowed(call, Kind::DirectoryRole)?;
            let rows = directory.all(Kind::DirectoryRole).map(|object| ObjectRow {
                directory,
                object,
                mixed: false,
            });
            collection(call, "directoryRoles", rows)
        }
        ([], "POST") => {
            let template = call.object()?.get("roleTemplateId").and_then(Value::as_str);
            let template = template.ok_or_else(|| {
                Fail::bad("A value is required for property 'roleTemplateId' of resource 'DirectoryRole'.")
            })?;
            let known = by_id(template).ok_or_else(|| Fail::not_found(template))?;
            if !activate(directory, known) {
                return Err(Fail::duplicate());
            }
            let id = object_id(directory, known.0);
            let role = directory.get(&id).ok_or_else(|| Fail::not_found(&id))?;
            Ok(Answer::created(
                directory_query::entity(directory, call, role),
                format!("{}/directoryRoles/{id}", call.root),
            ))
        }
        (["$count"], "GET") => directory_query::count(directory, call, Kind::DirectoryRole),
        ([] | ["$count"], _) => Err(Fail::method()),
        ([key, rest @ ..], _) => {
            let id = found(directory, key)?.id.clone();
            below(directory, call, &id, rest)
        }
    }
}

/// A role by its id, or by `(roleTemplateId='...')`.
fn found<'a>(directory: &'a Directory, key: &str) -> Result<&'a Object, Fail> {
    let id = match key.strip_prefix("roleTemplateId='") {
        Some(template) => by_id(template).map(|known| object_id(directory, known.0)),
        None => Some(key.to_lowercase()),
    };
    let object = id.and_then(|id| directory.get(&id));
    object
        .filter(|object| object.kind == Kind::DirectoryRole)
        .ok_or_else(|| Fail::not_found(key))
}

fn below(directory: &mut Directory, call: &Call, id: &str, rest: &[&str]) -> Outcome {
    let role = directory.get(id).ok_or_else(|| Fail::not_found(id))?;
    let template = role.text("roleTemplateId").unwrap_or_default().to_owned();
    match (rest, call.method.as_str()) {
        ([], "GET") => directory_query::single(directory, call, role),
        (["members", "$ref"], "POST") => {
            let member = call.reference()?;
            let principal = roles::principal(directory, call, &member)?;
            let made = roles::assign(directory, &principal, &template, TENANT);
            made.map(|_| Answer::done())
                .ok_or_else(|| Fail::linked("members"))
        }
        (["members", member, "$ref"], "DELETE") => {
            if !roles::take(directory, member, &template, TENANT) {
                return Err(Fail::not_found(member));
            }
            Ok(Answer::done())
        }
        (["members", rest @ ..], "GET") => relations::answer(directory, call, holders(directory, role), rest),
        (["scopedMembers"], "GET") => units::scoped(directory, call, |held| held.role == template),
        ([] | ["members" | "scopedMembers", ..], _) => Err(Fail::method()),
        ([segment, ..], _) => Err(Fail::segment(segment)),
    }
}
