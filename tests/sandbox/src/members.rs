//! `/groups/{id}/members`, `/transitiveMembers` and `/owners`.

use crate::call::{Answer, Call, Outcome};
use crate::directory::{Directory, Object};
use crate::errors::Fail;
use crate::schema::Kind;
use crate::{deleted, relations, seats};

/// Answers below a group's relations.
pub(crate) fn route(directory: &mut Directory, call: &Call, group: &str, rest: &[&str]) -> Outcome {
    let found = directory.get(group).ok_or_else(|| Fail::not_found(group))?;
    match (rest, call.method.as_str()) {
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
        (["owners", "$ref"], "POST") => {
            let owner = directory.seen(call, None, &call.reference()?)?.id.clone();
            owned_by_graph(found)?;
            may_own(directory, found, &owner)?;
            if !directory.owners.add(group, &owner) {
                return Err(Fail::linked("owners"));
            }
            Ok(Answer::done())
        }
        (["owners", owner, "$ref"], "DELETE") => disown(directory, group, owner),
        (["members", rest @ ..], "GET") => {
            relations::answer(directory, call, relations::members(directory, found), rest)
        }
        (["transitiveMembers", rest @ ..], "GET") => {
            let below = relations::transitive_members(directory, group);
            relations::answer(directory, call, below, rest)
        }
        (["owners", rest @ ..], "GET") => {
            let owners = directory.objects_of(directory.owners.targets(group));
            relations::answer(directory, call, owners, rest)
        }
        _ => Err(Fail::method()),
    }
}

/// "Once owners are assigned to a group, the last owner (a user object) of the group cannot be removed."
fn disown(directory: &mut Directory, group: &str, owner: &str) -> Outcome {
    owned_by_graph(directory.get(group).ok_or_else(|| Fail::not_found(group))?)?;
    if !directory.owners.has(group, owner) {
        return Err(Fail::not_found(owner));
    }
    let is_user = |id: &String| directory.get(id).is_some_and(|object| object.kind == Kind::User);
    let owners = directory.owners.targets(group);
    let users: Vec<&String> = owners.filter(|id| is_user(id)).collect();
    let last = matches!(users.as_slice(), [only] if *only == owner);
    if last {
        return Err(Fail::bad(
            "The group must have at least one owner, hence this owner cannot be removed.",
        ));
    }
    directory.owners.remove(group, owner);
    Ok(Answer::done())
}

fn add(directory: &mut Directory, call: &Call, group: &str) -> Outcome {
    let member = directory.seen(call, None, &call.reference()?)?.id.clone();
    let found = directory.get(group).ok_or_else(|| Fail::not_found(group))?;
    writable(found)?;
    fits(directory, found, &member)?;
    if !directory.members.add(group, &member) {
        return Err(Fail::linked("members"));
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
    owned_by_graph(group)?;
    if group.is_dynamic() {
        return Err(Fail::denied());
    }
    Ok(())
}

/// Refuses writes of what Active Directory or Exchange owns.
fn owned_by_graph(group: &Object) -> Result<(), Fail> {
    not_synced(group)?;
    if group.truth("mailEnabled") && !group.has_text("groupTypes", "Unified") {
        return Err(Fail::new(
            403,
            "Authorization_RequestDenied",
            "Cannot Update a mail-enabled security groups and or distribution list.",
        ));
    }
    Ok(())
}

/// Whether that object may own that group: users, and service principals where it is no Microsoft 365 group.
pub(crate) fn may_own(directory: &Directory, group: &Object, owner: &str) -> Result<(), Fail> {
    let found = directory.get(owner).ok_or_else(|| Fail::not_found(owner))?;
    let unified = group.has_text("groupTypes", "Unified");
    if found.kind == Kind::User || (found.kind == Kind::ServicePrincipal && !unified) {
        return Ok(());
    }
    Err(Fail::bad(
        "The owners of a group are users, or service principals where it is no Microsoft 365 group.",
    ))
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
    if matches!(found.kind, Kind::AdministrativeUnit | Kind::DirectoryRole) {
        return Err(Fail::bad(
            "Only users, groups, devices and service principals can be members of a group.",
        ));
    }
    if found.id == group.id {
        return Err(Fail::bad("A group cannot be a member of itself."));
    }
    Ok(())
}
