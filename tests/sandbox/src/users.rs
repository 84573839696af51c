//! `/users` ("Create user", "Update user", "Delete a user", "List users", "Assign manager", ...).

use serde_json::{Map, Value, json};

use crate::call::{Answer, Call, Outcome, linked_id};
use crate::clock::graph_time;
use crate::directory::{Directory, Object, ObjectRow};
use crate::errors::Fail;
use crate::odata::{ValueRow, collection};
use crate::password;
use crate::schema::Kind;
use crate::{deleted, directory_query, licenses, mail, membership, roles};

/// Answers below `/users`.
pub(crate) fn route(directory: &mut Directory, call: &Call, rest: &[&str]) -> Outcome {
    match (rest, call.method.as_str()) {
        ([], "GET") => list(directory, call),
        ([], "POST") => create(directory, call),
        (["$count"], "GET") => directory_query::count(directory, call, Kind::User),
        ([key], "GET") => read(directory, call, key),
        ([key], "PATCH") => update(directory, call, key),
        ([key], "DELETE") => {
            let id = directory.seen(call, Some(Kind::User), key)?.id.clone();
            deleted::delete(directory, &id, call.now);
            Ok(Answer::done())
        }
        ([key, rest @ ..], _) => {
            let id = directory.seen(call, Some(Kind::User), key)?.id.clone();
            below(directory, call, &id, rest)
        }
        _ => Err(Fail::method()),
    }
}

fn below(directory: &mut Directory, call: &Call, id: &str, rest: &[&str]) -> Outcome {
    match (rest, call.method.as_str()) {
        (["manager"], "GET") => read_manager(directory, call, id),
        (["manager", "$ref"], "GET") => {
            let manager = directory.manager(id).ok_or_else(|| Fail::not_found("manager"))?;
            let address = format!("{}/directoryObjects/{}", call.root, manager.id);
            Ok(Answer::ok(
                json!({ "@odata.context": call.context("$ref"), "@odata.id": address }),
            ))
        }
        (["manager", "$ref"], "PUT") => {
            let manager = manager_of(directory, call, &call.reference()?)?;
            set_manager(directory, id, Some(&manager));
            Ok(Answer::done())
        }
        (["manager", "$ref"], "DELETE") => {
            if directory.manager(id).is_none() {
                return Err(Fail::not_found("manager"));
            }
            set_manager(directory, id, None);
            Ok(Answer::done())
        }
        (["directReports"], "GET") => {
            let reports = directory.objects_of(directory.reports.targets(id));
            directory_query::mixed(directory, call, reports)
        }
        (["memberOf"], "GET") => member_of(directory, call, id, false),
        (["transitiveMemberOf"], "GET") => member_of(directory, call, id, true),
        (
            [
                relation @ ("memberOf" | "transitiveMemberOf"),
                "microsoft.graph.group" | "graph.group",
            ],
            "GET",
        ) => {
            let direct: Vec<String> = directory.members.sources(id).cloned().collect();
            let ids = if *relation == "memberOf" {
                direct
            } else {
                directory.groups_above(id)
            };
            directory_query::cast(directory, call, Kind::Group, directory.objects_of(ids.iter()))
        }
        (["assignLicense"], "POST") => licenses::assign_to_user(directory, call, id),
        (["licenseDetails"], "GET") => licenses::details(directory, call, id),
        (["revokeSignInSessions" | "microsoft.graph.revokeSignInSessions"], "POST") => {
            let at = graph_time(call.now);
            directory.change(id, |user| {
                user.set("signInSessionsValidFromDateTime", at.as_str().into());
                user.set("refreshTokensValidFromDateTime", at.as_str().into());
            });
            Ok(Answer::ok(
                json!({ "@odata.context": call.context("Edm.Boolean"), "value": true }),
            ))
        }
        (["sendMail" | "microsoft.graph.sendMail"], "POST") => mail::send(directory, call, id),
        (["checkMemberGroups"], "POST") => check_member_groups(directory, call, id),
        (
            [
                "manager"
                | "directReports"
                | "memberOf"
                | "transitiveMemberOf"
                | "assignLicense"
                | "licenseDetails"
                | "revokeSignInSessions"
                | "sendMail"
                | "checkMemberGroups",
            ]
            | ["manager", "$ref"],
            _,
        ) => Err(Fail::method()),
        ([segment, ..], _) => Err(Fail::syntax(format!(
            "Resource not found for the segment '{segment}'."
        ))),
        ([], _) => Err(Fail::method()),
    }
}

fn list(directory: &Directory, call: &Call) -> Outcome {
    directory_query::allowed(call, Kind::User)?;
    let filter = call.options.filter.as_ref();
    let pinned = |property: &str| filter.and_then(|filter| filter.pinned(property));
    // An equality on an indexed property is answered from the index; the filter is still applied whole.
    let found: Vec<&Object> = if let Some(employee) = pinned("employeeId") {
        directory
            .employees(employee)
            .filter(|object| object.kind == Kind::User)
            .collect()
    } else if let Some(key) = pinned("userPrincipalName").or_else(|| pinned("id")) {
        directory.user(key).into_iter().collect()
    } else {
        return collection(call, "users", rows(directory, call, directory.all(Kind::User)));
    };
    collection(call, "users", rows(directory, call, found.into_iter()))
}

fn rows<'a>(
    directory: &'a Directory,
    call: &'a Call,
    objects: impl Iterator<Item = &'a Object>,
) -> impl Iterator<Item = ObjectRow<'a>> {
    objects
        .filter(|object| object.seen_by(call))
        .map(|object| ObjectRow {
            directory,
            object,
            mixed: false,
        })
}

fn read(directory: &Directory, call: &Call, key: &str) -> Outcome {
    let user = directory.seen(call, Some(Kind::User), key)?;
    directory_query::single(directory, call, user)
}

fn read_manager(directory: &Directory, call: &Call, id: &str) -> Outcome {
    directory_query::selectable(call, Kind::User)?;
    let manager = directory.manager(id).ok_or_else(|| Fail::not_found("manager"))?;
    let mut body = Map::new();
    body.insert(
        "@odata.context".to_owned(),
        call.context("directoryObjects/$entity").into(),
    );
    if let Value::Object(seen) = directory.typed(manager, &call.options.select) {
        body.extend(seen);
    }
    Ok(Answer::ok(Value::Object(body)))
}

fn member_of(directory: &Directory, call: &Call, id: &str, transitive: bool) -> Outcome {
    let groups = if transitive {
        directory.groups_above(id)
    } else {
        directory.members.sources(id).cloned().collect()
    };
    // Chosen properties are taken here: groups and roles have different ones.
    let select = &call.options.select;
    let mut values: Vec<Value> = directory
        .objects_of(groups.iter())
        .into_iter()
        .map(|group| directory.typed(group, select))
        .collect();
    values.extend(roles::held_roles(directory, id));
    let rows = values
        .into_iter()
        .zip(1..)
        .map(|(value, place)| ValueRow { place, value });
    collection(
        &call.with_options(call.options.without_select()),
        "directoryObjects",
        rows,
    )
}

fn check_member_groups(directory: &Directory, call: &Call, id: &str) -> Outcome {
    let asked = call.object()?.get("groupIds").and_then(Value::as_array);
    let asked = asked.ok_or_else(|| Fail::bad("The parameter 'groupIds' is required."))?;
    if asked.len() > 20 {
        return Err(Fail::bad(
            "Too many group ids: at most 20 may be checked at once.",
        ));
    }
    let above = directory.groups_above(id);
    let held: Vec<&Value> = asked
        .iter()
        .filter(|group| {
            group
                .as_str()
                .is_some_and(|group| above.iter().any(|held| held == group))
        })
        .collect();
    Ok(Answer::ok(
        json!({ "@odata.context": call.context("Collection(Edm.String)"), "value": held }),
    ))
}

fn create(directory: &mut Directory, call: &Call) -> Outcome {
    let body = call.object()?;
    let mut props = Map::new();
    let mut manager = None;
    for (name, value) in body {
        match name.as_str() {
            "manager@odata.bind" => {
                let link = value
                    .as_str()
                    .and_then(linked_id)
                    .ok_or_else(|| Fail::invalid("manager", "User"))?;
                manager = Some(manager_of(directory, call, &link)?);
            }
            other if other.starts_with('@') => {}
            _ => {
                Kind::User.writable(name, value)?;
                if !value.is_null() && name != "passwordProfile" {
                    props.insert(name.clone(), value.clone());
                }
            }
        }
    }
    for name in [
        "accountEnabled",
        "displayName",
        "mailNickname",
        "passwordProfile",
        "userPrincipalName",
    ] {
        if body.get(name).is_none_or(Value::is_null) {
            let message = format!("A value is required for property '{name}' of resource 'User'.");
            return Err(Fail::bad(message.clone()).detail("PropertyRequired", name, &message));
        }
    }
    check_values(directory, &props, None)?;
    password::check(body.get("passwordProfile"), true)?;
    let now = graph_time(call.now);
    if let Some(mail) = props.get("mail").and_then(Value::as_str) {
        let primary = format!("SMTP:{mail}");
        props.insert("proxyAddresses".to_owned(), json!([primary]));
    }
    for name in [
        "createdDateTime",
        "lastPasswordChangeDateTime",
        "signInSessionsValidFromDateTime",
        "refreshTokensValidFromDateTime",
    ] {
        props.insert(name.to_owned(), now.as_str().into());
    }
    props.entry("userType").or_insert_with(|| "Member".into());
    let id = directory.insert(Kind::User, props, call.now);
    directory.change(&id, |user| user.password_version = 1);
    if let Some(manager) = manager {
        set_manager(directory, &id, Some(&manager));
    }
    membership::follow_rules(directory, &id, call.now);
    let user = directory.get(&id).ok_or_else(|| Fail::not_found(&id))?;
    Ok(Answer::created(
        directory_query::entity(directory, call, user),
        format!("{}/users/{id}", call.root),
    ))
}

fn update(directory: &mut Directory, call: &Call, key: &str) -> Outcome {
    let id = directory.seen(call, Some(Kind::User), key)?.id.clone();
    let body = call.object()?;
    let mut props = Map::new();
    for (name, value) in body {
        if name.starts_with('@') {
            continue;
        }
        Kind::User.writable(name, value)?;
        let needed = matches!(
            name.as_str(),
            "accountEnabled" | "displayName" | "mailNickname" | "userPrincipalName"
        );
        if needed && value.is_null() {
            return Err(Fail::invalid(name, "User"));
        }
        props.insert(name.clone(), value.clone());
    }
    check_values(directory, &props, Some(&id))?;
    let password = props.remove("passwordProfile");
    let reset = password::check(password.as_ref(), false)?;
    let now = graph_time(call.now);
    directory.change(&id, |user| {
        if let Some(Value::String(mail)) = props.get("mail") {
            let proxies = with_primary(user, mail);
            user.set("proxyAddresses", proxies);
        }
        for (name, value) in props {
            // A complex value is merged, not replaced ("Update user").
            let merged = match (user.props.get(&name), value) {
                (Some(Value::Object(old)), Value::Object(new)) => {
                    let mut merged = old.clone();
                    merged.extend(new);
                    Value::Object(merged)
                }
                (_, value) => value,
            };
            user.set(&name, merged);
        }
        if reset {
            user.password_version += 1;
            user.set("lastPasswordChangeDateTime", now.as_str().into());
        }
    });
    membership::follow_rules(directory, &id, call.now);
    Ok(Answer::done())
}

/// What no single property shows: domains, characters, uniqueness.
fn check_values(directory: &Directory, props: &Map<String, Value>, of: Option<&str>) -> Result<(), Fail> {
    let text = |name: &str| props.get(name).and_then(Value::as_str);
    if let Some(name) = text("userPrincipalName") {
        check_name(directory, name)?;
        if let Some(holder) = directory
            .name_holder(name)
            .filter(|holder| Some(holder.as_str()) != of)
        {
            return Err(Fail::conflict("userPrincipalName", holder));
        }
    }
    if let Some(mail) = text("mail") {
        if !mail
            .split_once('@')
            .is_some_and(|(local, domain)| !local.is_empty() && domain.contains('.'))
        {
            return Err(Fail::invalid("mail", "User"));
        }
        if let Some(holder) = directory
            .address_holder(mail)
            .filter(|holder| Some(holder.as_str()) != of)
        {
            return Err(Fail::conflict("proxyAddresses", holder));
        }
    }
    if text("usageLocation")
        .is_some_and(|place| !place.chars().all(|letter| letter.is_ascii_alphabetic()) || place.len() != 2)
    {
        return Err(Fail::invalid("usageLocation", "User"));
    }
    if text("mailNickname").is_some_and(|name| {
        !name.is_ascii() || name.contains(|letter: char| "@()\\[]\";:<>, ".contains(letter))
    }) {
        return Err(Fail::invalid("mailNickname", "User"));
    }
    if text("userType").is_some_and(|kind| !matches!(kind, "Member" | "Guest")) {
        return Err(Fail::invalid("userType", "User"));
    }
    Ok(())
}

/// "user resource type", userPrincipalName: `A-Z a-z 0-9 ' . - _ ! # ^ ~`, 64 before the @, a verified domain.
fn check_name(directory: &Directory, name: &str) -> Result<(), Fail> {
    let invalid = || {
        let message = "Property userPrincipalName is invalid.";
        Fail::bad(message).detail("InvalidValue", "userPrincipalName", message)
    };
    let (local, domain) = name.rsplit_once('@').ok_or_else(invalid)?;
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || "'.-_!#^~".contains(letter);
    if local.is_empty()
        || local.len() > 64
        || !local.chars().all(allowed)
        || local.starts_with('.')
        || local.ends_with('.')
    {
        return Err(invalid());
    }
    if !directory.verified(domain) {
        let message = "The domain portion of the userPrincipalName property is invalid. You must use one of the \
                       verified domain names in your organization.";
        return Err(Fail::bad(message).detail("InvalidValue", "userPrincipalName", message));
    }
    Ok(())
}

/// The proxy addresses with this one as the primary; the old primary stays as an alias.
fn with_primary(user: &Object, mail: &str) -> Value {
    let mut out = vec![Value::from(format!("SMTP:{mail}"))];
    for old in user
        .props
        .get("proxyAddresses")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        let Some(text) = old.as_str() else { continue };
        let (kind, address) = text.split_once(':').unwrap_or(("smtp", text));
        if !address.eq_ignore_ascii_case(mail) {
            out.push(format!("{}:{address}", kind.to_lowercase()).into());
        }
    }
    Value::Array(out)
}

fn manager_of(directory: &Directory, call: &Call, id: &str) -> Result<String, Fail> {
    Ok(directory.seen(call, Some(Kind::User), id)?.id.clone())
}

fn set_manager(directory: &mut Directory, id: &str, manager: Option<&str>) {
    let old: Vec<String> = directory.reports.sources(id).cloned().collect();
    for old in old {
        directory.reports.remove(&old, id);
    }
    if let Some(manager) = manager {
        directory.reports.add(manager, id);
    }
}
