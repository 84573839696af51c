//! `/groups` ("Create group", "Update group", "Add members", "Remove member", ...).

use serde_json::{Map, Value, json};

use crate::call::{Answer, Call, Outcome, linked_id};
use crate::clock::graph_time;
use crate::directory::{Directory, Object, ObjectRow};
use crate::errors::Fail;
use crate::membership_rule::Rule;
use crate::odata::collection;
use crate::schema::Kind;
use crate::{
    app_roles, deleted, directory_objects, directory_query, licenses, members, membership, relations, seats,
};

/// How many references one request adds at most.
const MOST_BOUND: usize = 20;

/// Answers below `/groups`.
pub(crate) fn route(directory: &mut Directory, call: &Call, rest: &[&str]) -> Outcome {
    match (rest, call.method.as_str()) {
        ([], "GET") => {
            directory_query::allowed(call, Kind::Group)?;
            let seen = directory.all(Kind::Group).filter(|group| group.seen_by(call));
            collection(
                call,
                "groups",
                seen.map(|object| ObjectRow {
                    directory,
                    object,
                    mixed: false,
                }),
            )
        }
        ([], "POST") => create(directory, call),
        (["$count"], "GET") => directory_query::count(directory, call, Kind::Group),
        ([key], "GET") => {
            directory_query::single(directory, call, directory.seen(call, Some(Kind::Group), key)?)
        }
        ([key], "PATCH") => update(directory, call, key),
        ([key], "DELETE") => {
            let group = directory.seen(call, Some(Kind::Group), key)?;
            members::not_synced(group)?;
            let id = group.id.clone();
            deleted::delete(directory, &id, call.now);
            Ok(Answer::done())
        }
        ([key, rest @ ..], _) => {
            let id = directory.seen(call, Some(Kind::Group), key)?.id.clone();
            below(directory, call, &id, rest)
        }
        _ => Err(Fail::method()),
    }
}

fn below(directory: &mut Directory, call: &Call, id: &str, rest: &[&str]) -> Outcome {
    match (rest, call.method.as_str()) {
        (["assignLicense"], "POST") => licenses::assign_to_group(directory, call, id),
        (["appRoleAssignments", rest @ ..], _) => app_roles::granted(directory, call, id, rest),
        (["memberOf", rest @ ..], _) => {
            relations::answer(directory, call, relations::member_of(directory, id), rest)
        }
        (["transitiveMemberOf", rest @ ..], _) => {
            let found = relations::transitive_member_of(directory, id);
            relations::answer(directory, call, found, rest)
        }
        (["members" | "transitiveMembers" | "owners", ..], _) => members::route(directory, call, id, rest),
        ([action], "POST") if directory_objects::is_action(action) => {
            directory_objects::act(directory, call, id, action)
        }
        ([] | ["assignLicense"], _) => Err(Fail::method()),
        ([action], _) if directory_objects::is_action(action) => Err(Fail::method()),
        ([segment, ..], _) => Err(Fail::segment(segment)),
    }
}

pub(crate) fn create(directory: &mut Directory, call: &Call) -> Outcome {
    let body = call.object()?;
    let mut props = Map::new();
    let (mut new_members, mut owners) = (Vec::new(), Vec::new());
    for (name, value) in body {
        match name.as_str() {
            "members@odata.bind" => new_members = bound(directory, call, "members", value)?,
            "owners@odata.bind" => owners = bound(directory, call, "owners", value)?,
            other if other.starts_with('@') => {}
            _ => {
                Kind::Group.writable(name, value)?;
                if !value.is_null() {
                    props.insert(name.clone(), value.clone());
                }
            }
        }
    }
    for name in ["displayName", "mailEnabled", "mailNickname", "securityEnabled"] {
        if props.get(name).is_none_or(Value::is_null) {
            let message = format!("A value is required for property '{name}' of resource 'Group'.");
            return Err(Fail::bad(message.clone()).detail("PropertyRequired", name, &message));
        }
    }
    let draft = Object::new(String::new(), Kind::Group, 0, call.now, props.clone());
    check_kind(&draft)?;
    check_unique_name(directory, &draft)?;
    if draft.is_dynamic() && !new_members.is_empty() {
        return Err(Fail::denied());
    }
    // "A maximum of 20 relationships, such as owners and members, can be added as part of group creation."
    if new_members.len() + owners.len() > MOST_BOUND {
        return Err(too_many(new_members.len() + owners.len()));
    }
    for id in &owners {
        members::may_own(directory, &draft, id)?;
    }
    for id in &new_members {
        members::fits(directory, &draft, id)?;
    }
    let unified = draft.has_text("groupTypes", "Unified");
    if unified {
        let mail = format!(
            "{}@{}",
            draft.text("mailNickname").unwrap_or_default(),
            directory.tenant.domains[0]
        );
        if let Some(holder) = directory.address_holder(&mail) {
            return Err(Fail::conflict("mailNickname", holder));
        }
        props.insert("proxyAddresses".to_owned(), json!([format!("SMTP:{mail}")]));
        props.insert("mail".to_owned(), mail.into());
        let usual = if draft.truth("isAssignableToRole") {
            "Private"
        } else {
            "Public"
        };
        props.entry("visibility").or_insert_with(|| usual.into());
    }
    props.entry("groupTypes").or_insert_with(|| json!([]));
    let now = graph_time(call.now);
    props.insert("createdDateTime".to_owned(), now.as_str().into());
    props.insert("renewedDateTime".to_owned(), now.into());
    let id = directory.insert(Kind::Group, props, call.now);
    for member in new_members {
        directory.members.add(&id, &member);
    }
    for owner in owners {
        directory.owners.add(&id, &owner);
    }
    membership::apply_rule(directory, &id, call.now);
    let group = directory.get(&id).ok_or_else(|| Fail::not_found(&id))?;
    Ok(Answer::created(
        directory_query::entity(directory, call, group),
        format!("{}/groups/{id}", call.root),
    ))
}

fn update(directory: &mut Directory, call: &Call, key: &str) -> Outcome {
    let group = directory.seen(call, Some(Kind::Group), key)?.clone();
    members::not_synced(&group)?;
    let body = call.object()?;
    let mut draft = group.clone();
    let (mut new_members, mut owners) = (Vec::new(), Vec::new());
    for (name, value) in body {
        match name.as_str() {
            "members@odata.bind" => new_members = bound(directory, call, "members", value)?,
            "owners@odata.bind" => owners = bound(directory, call, "owners", value)?,
            other if other.starts_with('@') => {}
            _ => {
                Kind::Group.writable(name, value)?;
                if name == "isAssignableToRole" && group.props.get(name) != Some(value) {
                    return Err(Fail::bad(
                        "Value for IsAssignableToRole cannot be updated for groups assignable to role.",
                    ));
                }
                let needed = ["displayName", "mailEnabled", "mailNickname", "securityEnabled"];
                if needed.contains(&name.as_str()) && value.is_null() {
                    return Err(Fail::invalid(name, "Group"));
                }
                draft.set(name, value.clone());
            }
        }
    }
    if draft.props != group.props {
        check_kind(&draft)?;
        check_change(&group, &draft)?;
        check_unique_name(directory, &draft)?;
    }
    // All or nothing: every new member is checked before the first is added.
    if !new_members.is_empty() {
        members::writable(&group)?;
        for member in &new_members {
            members::fits(directory, &group, member)?;
            if directory.members.has(&group.id, member) {
                return Err(Fail::linked("members"));
            }
        }
    }
    for owner in &owners {
        members::may_own(directory, &group, owner)?;
        if directory.owners.has(&group.id, owner) {
            return Err(Fail::linked("owners"));
        }
    }
    let rule_changed = draft.props != group.props;
    directory.change(&group.id, |stored| stored.props = draft.props);
    for member in &new_members {
        directory.members.add(&group.id, member);
        seats::inherit(directory, member, call.now);
    }
    for owner in owners {
        directory.owners.add(&group.id, &owner);
    }
    if rule_changed {
        membership::apply_rule(directory, &group.id, call.now);
    }
    Ok(Answer::done())
}

/// The objects of a `...@odata.bind`: at most 20, each there.
fn bound(directory: &Directory, call: &Call, property: &str, value: &Value) -> Result<Vec<String>, Fail> {
    let links = value
        .as_array()
        .ok_or_else(|| Fail::bad("An array of object addresses is expected."))?;
    if links.len() > MOST_BOUND {
        return Err(too_many(links.len()));
    }
    let mut out = Vec::new();
    for link in links {
        let id = link
            .as_str()
            .and_then(linked_id)
            .ok_or_else(|| Fail::bad(format!("Invalid reference {link}.")))?;
        let id = directory.seen(call, None, &id)?.id.clone();
        if out.contains(&id) {
            return Err(Fail::linked(property));
        }
        out.push(id);
    }
    Ok(out)
}

fn too_many(count: usize) -> Fail {
    Fail::bad(format!(
        "The number of references to add is {count}. At most {MOST_BOUND} references can be added in one request."
    ))
}

/// What stays as it was made ("group resource type").
fn check_change(before: &Object, after: &Object) -> Result<(), Fail> {
    let fixed = |name: &str| {
        Err(Fail::bad(format!(
            "Property '{name}' cannot be changed after the group is created."
        )))
    };
    if before.has_text("groupTypes", "Unified") != after.has_text("groupTypes", "Unified") {
        return fixed("groupTypes");
    }
    for name in ["mailEnabled", "uniqueName"] {
        let old = before.props.get(name);
        if old != after.props.get(name) && (old.is_some() || name != "uniqueName") {
            return fixed(name);
        }
    }
    let hidden = |group: &Object| group.text("visibility") == Some("HiddenMembership");
    if hidden(before) != hidden(after) {
        return fixed("visibility");
    }
    Ok(())
}

/// "uniqueName: the unique identifier that can be assigned to a group and used as an alternate key."
fn check_unique_name(directory: &Directory, group: &Object) -> Result<(), Fail> {
    let Some(name) = group.text("uniqueName") else {
        return Ok(());
    };
    let mut others = directory.all(Kind::Group).filter(|other| other.id != group.id);
    match others.find(|other| other.text("uniqueName") == Some(name)) {
        Some(holder) => Err(Fail::conflict("uniqueName", &holder.id)),
        None => Ok(()),
    }
}

/// Which combinations of kinds exist ("Working with groups in Microsoft Graph").
fn check_kind(group: &Object) -> Result<(), Fail> {
    let unified = group.has_text("groupTypes", "Unified");
    let (mail, security) = (group.truth("mailEnabled"), group.truth("securityEnabled"));
    if mail && !unified {
        return Err(Fail::bad(
            "The service does not currently support writes of mail-enabled groups. Please ensure that the \
             mail-enablement property is unset and the security-enablement property is set.",
        ));
    }
    if unified != mail || !(unified || security) {
        return Err(Fail::bad("One or more property values specified are invalid."));
    }
    let nickname = group.text("mailNickname").unwrap_or_default();
    if !nickname.is_ascii() || nickname.contains(|letter: char| "@()\\[]\";:<>, ".contains(letter)) {
        return Err(Fail::invalid("mailNickname", "Group"));
    }
    let rule = group.text("membershipRule");
    match (group.is_dynamic(), rule) {
        (false, None) => {}
        (true, Some(rule)) => {
            Rule::parse(rule).map_err(|why| Fail::bad(format!("Invalid dynamic membership rule: {why}.")))?;
            if !matches!(group.text("membershipRuleProcessingState"), Some("On" | "Paused")) {
                return Err(Fail::invalid("membershipRuleProcessingState", "Group"));
            }
            if group.truth("isAssignableToRole") {
                return Err(Fail::bad(
                    "A group with dynamic membership cannot be assignable to a role.",
                ));
            }
        }
        _ => {
            return Err(Fail::bad(
                "Group type 'DynamicMembership' and property 'membershipRule' belong together.",
            ));
        }
    }
    let visibility = group.text("visibility");
    if !matches!(visibility, None | Some("Private" | "Public" | "HiddenMembership"))
        || (visibility == Some("HiddenMembership") && !unified)
    {
        return Err(Fail::invalid("visibility", "Group"));
    }
    if group.truth("isAssignableToRole") && unified && !matches!(visibility, None | Some("Private")) {
        return Err(Fail::bad(
            "The visibility of a group that is assignable to a role must be Private.",
        ));
    }
    if group.truth("isAssignableToRole") && !security {
        return Err(Fail::bad(
            "A group that is assignable to a role must be security-enabled.",
        ));
    }
    Ok(())
}
