//! What a request did, as entries of the directory's log: the activity, who did it, to what, from what to what.

use std::collections::{BTreeMap, HashSet};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::log_time;
use crate::call::{Call, Caller};
use crate::custom_roles;
use crate::directory::{Deed, Directory, Verb};
use crate::notifications;
use crate::roles::Assignment;
use crate::schema::Kind;

/// The role assignments before a request that may change them: they are no directory objects.
pub(crate) fn roles_before(directory: &Directory, call: &Call) -> Option<BTreeMap<u64, Assignment>> {
    let writes = call.method != "GET"
        && call
            .segments
            .first()
            .is_some_and(|first| first == "roleManagement");
    writes.then(|| directory.assignments.clone())
}

/// Who did it, when, under which correlation id.
#[derive(Debug)]
pub(crate) struct Author<'a> {
    pub(crate) caller: &'a Caller,
    pub(crate) correlation: &'a str,
    pub(crate) now: Timestamp,
}

impl<'a> Author<'a> {
    pub(crate) fn of(call: &'a Call) -> Self {
        Self {
            caller: &call.caller,
            correlation: &call.correlation,
            now: call.now,
        }
    }
}

/// What one request did stands in the journal and in the audit log.
pub(crate) fn settle(
    directory: &mut Directory,
    author: &Author<'_>,
    roles: Option<BTreeMap<u64, Assignment>>,
) {
    // A role that is activated is told by who is given it.
    let mut deeds = directory.settle(author.now);
    deeds.retain(|deed| deed.kind != Kind::DirectoryRole);
    notifications::tell(directory, &deeds, author.now);
    for (activity, operation, assignment) in changed_roles(directory, roles) {
        let targets = role_targets(directory, &assignment, operation == "Assign");
        note(
            directory,
            author,
            ("RoleManagement", activity, operation),
            &targets,
        );
    }
    // What belongs to the making of an object is told by its making.
    let by = |wanted: Verb| -> HashSet<&String> {
        let found = deeds.iter().filter(|deed| deed.verb == wanted);
        found.map(|deed| &deed.id).collect()
    };
    let (added, restored) = (by(Verb::Added), by(Verb::Restored));
    for deed in &deeds {
        let follows = match &deed.verb {
            Verb::Updated | Verb::PasswordSet => added.contains(&deed.id) || restored.contains(&deed.id),
            verb => {
                restored.contains(&deed.id) && *verb != Verb::Restored
                    || verb.other().is_some_and(|other| restored.contains(other))
            }
        };
        if follows {
            continue;
        }
        for (activity, operation) in activities(deed) {
            let targets = targets(directory, deed);
            note(
                directory,
                author,
                (category(deed.kind), &activity, operation),
                &targets,
            );
        }
    }
}

fn category(kind: Kind) -> &'static str {
    match kind {
        Kind::User => "UserManagement",
        Kind::Group => "GroupManagement",
        Kind::Application | Kind::ServicePrincipal => "ApplicationManagement",
        Kind::AdministrativeUnit => "AdministrativeUnit",
        Kind::DirectoryRole => "RoleManagement",
    }
}

fn noun(kind: Kind) -> &'static str {
    match kind {
        Kind::User => "user",
        Kind::Group => "group",
        Kind::Application => "application",
        Kind::ServicePrincipal => "service principal",
        Kind::AdministrativeUnit => "administrative unit",
        Kind::DirectoryRole => "role",
    }
}

/// The activities that one deed is logged as, with their operation types.
fn activities(deed: &Deed) -> Vec<(String, &'static str)> {
    let noun = noun(deed.kind);
    let one = |text: String, operation| vec![(text, operation)];
    match &deed.verb {
        Verb::Added => one(format!("Add {noun}"), "Add"),
        Verb::Restored => one(format!("Restore {noun}"), "Restore"),
        Verb::Deleted => one(format!("Delete {noun}"), "Delete"),
        Verb::Purged => one(format!("Hard Delete {noun}"), "Delete"),
        Verb::PasswordSet => one(format!("Reset {noun} password"), "Update"),
        Verb::MemberAdded(_) => one(format!("Add member to {noun}"), "Assign"),
        Verb::MemberRemoved(_) => one(format!("Remove member from {noun}"), "Unassign"),
        Verb::OwnerAdded(_) => one(format!("Add owner to {noun}"), "Assign"),
        Verb::OwnerRemoved(_) => one(format!("Remove owner from {noun}"), "Unassign"),
        Verb::ManagerSet(_) => one("Set user manager".to_owned(), "Assign"),
        Verb::ManagerRemoved(_) => one("Remove user manager".to_owned(), "Unassign"),
        Verb::Updated => {
            let has = |name: &str| deed.edits.iter().find(|edit| edit.property == name);
            let only = |names: &[&str]| {
                deed.edits
                    .iter()
                    .all(|edit| names.contains(&edit.property.as_str()))
            };
            if only(&[
                "signInSessionsValidFromDateTime",
                "refreshTokensValidFromDateTime",
            ]) {
                return one("Update StsRefreshTokenValidFrom Timestamp".to_owned(), "Update");
            }
            if only(&["lastPasswordChangeDateTime"]) {
                return Vec::new(); // the reset of the password says it
            }
            let mut found = Vec::new();
            if has("assignedLicense").is_some() {
                found.push((format!("Change {noun} license"), "Update"));
            }
            if let Some(edit) = has("accountEnabled").filter(|_| deed.kind == Kind::User) {
                let activity = if edit.new == true {
                    "Enable account"
                } else {
                    "Disable account"
                };
                found.push((activity.to_owned(), "Update"));
            }
            found.push((format!("Update {noun}"), "Update"));
            found
        }
    }
}

/// What the log says of an object: id, names, type.
fn target(directory: &Directory, id: &str, deed: Option<&Deed>) -> Value {
    let object = directory.get(id).or_else(|| directory.gone(id));
    let kind = object.map(|object| object.kind).or(deed.map(|deed| deed.kind));
    let unified = object.is_some_and(|object| object.has_text("groupTypes", "Unified"));
    let group_type = match (kind, unified) {
        (Some(Kind::Group), true) => Value::from("unifiedGroups"),
        (Some(Kind::Group), false) => Value::from("azureAD"),
        _ => Value::Null,
    };
    let (name, principal) = match (deed, object) {
        (Some(deed), _) => (deed.name.as_deref(), deed.principal.as_deref()),
        (None, Some(object)) => (object.text("displayName"), object.text("userPrincipalName")),
        (None, None) => (None, None),
    };
    json!({
        "id": id, "displayName": name, "type": kind.map_or("Other", Kind::title), "userPrincipalName": principal,
        "groupType": group_type, "modifiedProperties": [],
    })
}

fn targets(directory: &Directory, deed: &Deed) -> Vec<Value> {
    let own = || target(directory, &deed.id, Some(deed));
    match &deed.verb {
        // "Add member to group": the member first, with the group as what has changed about it.
        Verb::MemberAdded(other) | Verb::OwnerAdded(other) => linked(directory, deed, other, true),
        Verb::MemberRemoved(other) | Verb::OwnerRemoved(other) => linked(directory, deed, other, false),
        Verb::ManagerSet(other) | Verb::ManagerRemoved(other) => {
            vec![own(), target(directory, other, None)]
        }
        _ => {
            let mut own = own();
            let mut names = Vec::new();
            let mut changed: Vec<Value> = Vec::new();
            for edit in deed.edits.iter().filter(|edit| !is_stamp(&edit.property)) {
                let name = pascal(&edit.property);
                let list = |value: &Value| {
                    let list = match value {
                        Value::Null => json!([]),
                        Value::Array(_) => value.clone(),
                        other => json!([other]),
                    };
                    list.to_string()
                };
                changed.push(modified(&name, Some(&list(&edit.old)), Some(&list(&edit.new))));
                names.push(name);
            }
            if !names.is_empty() {
                let all = Value::from(names.join(", ")).to_string();
                changed.push(modified("Included Updated Properties", None, Some(&all)));
            }
            own["modifiedProperties"] = changed.into();
            vec![own]
        }
    }
}

fn is_stamp(property: &str) -> bool {
    property.ends_with("DateTime") && property != "employeeLeaveDateTime"
}

fn linked(directory: &Directory, deed: &Deed, other: &str, there: bool) -> Vec<Value> {
    let mut member = target(directory, other, None);
    let quoted = |text: &str| Some(Value::from(text).to_string());
    let pair = |name: &str, text: &str| {
        if there {
            modified(name, None, quoted(text).as_deref())
        } else {
            modified(name, quoted(text).as_deref(), None)
        }
    };
    let noun = deed.kind.title();
    member["modifiedProperties"] = json!([
        pair(&format!("{noun}.ObjectID"), &deed.id),
        pair(
            &format!("{noun}.DisplayName"),
            deed.name.as_deref().unwrap_or_default()
        ),
    ]);
    vec![member, target(directory, &deed.id, Some(deed))]
}

fn modified(name: &str, old: Option<&str>, new: Option<&str>) -> Value {
    json!({ "displayName": name, "oldValue": old, "newValue": new })
}

fn pascal(name: &str) -> String {
    let mut letters = name.chars();
    letters
        .next()
        .map(|first| first.to_ascii_uppercase())
        .into_iter()
        .chain(letters)
        .collect()
}

type Role = (&'static str, &'static str, Assignment);

fn changed_roles(directory: &Directory, before: Option<BTreeMap<u64, Assignment>>) -> Vec<Role> {
    let Some(before) = before else {
        return Vec::new();
    };
    let now = &directory.assignments;
    let gone = before
        .iter()
        .filter(|(place, _)| !now.contains_key(place))
        .map(|(_, assignment)| ("Remove member from role", "Unassign", assignment.clone()));
    let new = now
        .iter()
        .filter(|(place, _)| !before.contains_key(place))
        .map(|(_, assignment)| ("Add member to role", "Assign", assignment.clone()));
    gone.chain(new).collect()
}

fn role_targets(directory: &Directory, assignment: &Assignment, there: bool) -> Vec<Value> {
    let name = custom_roles::role(directory, &assignment.role).map_or("", |role| role.name);
    let mut principal = target(directory, &assignment.principal, None);
    let quoted = |text: &str| Some(Value::from(text).to_string());
    let pair = |property: &str, text: &str| {
        if there {
            modified(property, None, quoted(text).as_deref())
        } else {
            modified(property, quoted(text).as_deref(), None)
        }
    };
    principal["modifiedProperties"] = json!([
        pair("Role.ObjectID", &assignment.role),
        pair("Role.DisplayName", name),
        pair("Role.TemplateId", &assignment.role),
    ]);
    let role = json!({
        "id": assignment.role, "displayName": name, "type": "Role", "userPrincipalName": null, "groupType": null,
        "modifiedProperties": [],
    });
    vec![principal, role]
}

fn note(
    directory: &mut Directory,
    author: &Author<'_>,
    (category, activity, operation): (&str, &str, &str),
    targets: &[Value],
) {
    let initiated = initiator(directory, author.caller);
    let logs = &mut directory.audit;
    let id = format!(
        "Directory_{}_{}",
        logs.ids.guid(),
        logs.ids.number() % 1_000_000_000
    );
    let entry = json!({
        "id": id,
        "category": category,
        "correlationId": author.correlation,
        "result": "success",
        "resultReason": "",
        "activityDisplayName": activity,
        "activityDateTime": log_time(author.now),
        "loggedByService": "Core Directory",
        "operationType": operation,
        "initiatedBy": initiated,
        "targetResources": targets,
        "additionalDetails": [],
    });
    logs.directory.push(author.now, entry);
}

fn initiator(directory: &Directory, caller: &Caller) -> Value {
    let app = |id: Option<&str>, name: Option<&str>, object: Option<&str>| {
        json!({
            "user": null,
            "app": {
                "appId": id, "displayName": name, "servicePrincipalId": object, "servicePrincipalName": null,
            },
        })
    };
    let user = |id: Option<&str>, name: Option<&str>, principal: Option<&str>| {
        json!({
            "app": null,
            "user": {
                "id": id, "displayName": name, "userPrincipalName": principal, "ipAddress": "127.0.0.1",
            },
        })
    };
    match caller {
        Caller::Administrator => user(None, Some("Administrator"), None),
        Caller::Service(id, name) => app(Some(id), Some(name), None),
        Caller::App { id, object } => {
            let name = directory.get(object).and_then(|found| found.text("displayName"));
            app(Some(id), name, Some(object))
        }
        Caller::User { id, name } => {
            let shown = directory.get(id).and_then(|found| found.text("displayName"));
            user(Some(id), shown, Some(name))
        }
    }
}
