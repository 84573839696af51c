//! `/groups/{id}/members`, `/transitiveMembers` and `/owners`.

use serde_json::{Value, json};

use crate::call::{Answer, Call, Outcome};
use crate::directory::{Directory, Object};
use crate::errors::Fail;
use crate::schema::Kind;
use crate::{deleted, directory_query, seats};

/// Answers below a group's relations.
pub(crate) fn route(directory: &mut Directory, call: &Call, group: &str, rest: &[&str]) -> Outcome {
    match (rest, call.method.as_str()) {
        (["members"], "GET") => directory_query::mixed(
            directory,
            call,
            directory.objects_of(directory.members.targets(group)),
        ),
        (["members", "$ref"], "GET") => Ok(references(directory, call, group)),
        (["members", "$count"], "GET") => {
            if call.options.eventual {
                Ok(Answer::number(directory.members.count(group)))
            } else {
                Err(Fail::bad("$count is not currently supported."))
            }
        }
        (["members", "$ref"], "POST") => add(directory, call, group),
        (["members", member, "$ref"], "DELETE") => remove(directory, call, group, member),
        // "Remove member": without /$ref the member itself is deleted.
        (["members", member], "DELETE") => {
            if !directory.members.has(group, member) {
                return Err(Fail::not_found(member));
            }
            deleted::delete(directory, member, call.now);
            Ok(Answer::done())
        }
        (["transitiveMembers"], "GET") => {
            let below = below(directory, group);
            directory_query::mixed(directory, call, directory.objects_of(below.iter()))
        }
        ([relation @ ("members" | "transitiveMembers" | "owners"), kind], "GET") => {
            let kind = match kind.trim_start_matches("microsoft.") {
                "graph.user" => Kind::User,
                "graph.group" => Kind::Group,
                "graph.servicePrincipal" => Kind::ServicePrincipal,
                other => {
                    return Err(Fail::segment(other));
                }
            };
            let ids: Vec<String> = match *relation {
                "members" => directory.members.targets(group).cloned().collect(),
                "owners" => directory.owners.targets(group).cloned().collect(),
                _ => below(directory, group),
            };
            directory_query::cast(directory, call, kind, directory.objects_of(ids.iter()))
        }
        (["owners"], "GET") => directory_query::mixed(
            directory,
            call,
            directory.objects_of(directory.owners.targets(group)),
        ),
        (["owners", "$ref"], "POST") => {
            let owner = directory.seen(call, None, &call.reference()?)?.id.clone();
            if !directory.owners.add(group, &owner) {
                return Err(exists("owners"));
            }
            Ok(Answer::done())
        }
        (["owners", owner, "$ref"], "DELETE") => {
            if !directory.owners.remove(group, owner) {
                return Err(Fail::not_found(owner));
            }
            Ok(Answer::done())
        }
        _ => Err(Fail::method()),
    }
}

fn references(directory: &Directory, call: &Call, group: &str) -> Answer {
    let address =
        |object: &Object| json!({ "@odata.id": format!("{}/directoryObjects/{}", call.root, object.id) });
    let value: Value = directory
        .objects_of(directory.members.targets(group))
        .into_iter()
        .map(address)
        .collect();
    Answer::ok(json!({ "@odata.context": call.context("Collection($ref)"), "value": value }))
}

fn add(directory: &mut Directory, call: &Call, group: &str) -> Outcome {
    let member = directory.seen(call, None, &call.reference()?)?.id.clone();
    let found = directory.get(group).ok_or_else(|| Fail::not_found(group))?;
    writable(found)?;
    fits(directory, found, &member)?;
    if !directory.members.add(group, &member) {
        return Err(already());
    }
    seats::inherit(directory, &member, call.now);
    Ok(Answer::done())
}

fn remove(directory: &mut Directory, call: &Call, group: &str, member: &str) -> Outcome {
    let found = directory.get(group).ok_or_else(|| Fail::not_found(group))?;
    writable(found)?;
    if !directory.members.remove(group, member) {
        return Err(Fail::not_found(member));
    }
    seats::inherit(directory, member, call.now);
    Ok(Answer::done())
}

/// Whether members of this group may be written through Graph.
pub(crate) fn writable(group: &Object) -> Result<(), Fail> {
    not_synced(group)?;
    if group.truth("mailEnabled") && !group.has_text("groupTypes", "Unified") {
        return Err(Fail::bad(
            "Cannot Update a mail-enabled security groups and or distribution list.",
        ));
    }
    if group.is_dynamic() {
        return Err(Fail::denied());
    }
    Ok(())
}

/// Refuses writes of what Active Directory owns.
pub(crate) fn not_synced(group: &Object) -> Result<(), Fail> {
    if group.truth("onPremisesSyncEnabled") {
        return Err(Fail::bad(
            "Unable to update the specified properties for on-premises mastered Directory Sync objects or \
             objects currently undergoing migration.",
        ));
    }
    Ok(())
}

/// Whether that object may be in that group.
pub(crate) fn fits(directory: &Directory, group: &Object, member: &str) -> Result<(), Fail> {
    let found = directory.get(member).ok_or_else(|| Fail::not_found(member))?;
    if group.has_text("groupTypes", "Unified") && found.kind != Kind::User {
        return Err(Fail::bad("Only users can be members of a Microsoft 365 group."));
    }
    if group.truth("isAssignableToRole") && found.kind == Kind::Group {
        return Err(Fail::bad(
            "A group cannot be a member of a group that is assignable to a role.",
        ));
    }
    if found.id == group.id {
        return Err(Fail::bad("A group cannot be a member of itself."));
    }
    Ok(())
}

/// The refusal when somebody is a member already.
pub(crate) fn already() -> Fail {
    exists("members")
}

fn exists(property: &str) -> Fail {
    Fail::bad(format!(
        "One or more added object references already exist for the following modified properties: '{property}'."
    ))
}

/// Everything below a group, nested groups opened.
fn below(directory: &Directory, group: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut seen: std::collections::HashSet<String> = std::collections::HashSet::new();
    let mut next: Vec<String> = directory.members.targets(group).cloned().collect();
    while let Some(id) = next.pop() {
        if seen.insert(id.clone()) {
            next.extend(directory.members.targets(&id).cloned());
            found.push(id);
        }
    }
    found
}
