//! Creating and changing users: what may stand in a user, and what must be unique.

use serde_json::{Map, Value, json};

use super::ALONE;
use crate::call::{Answer, Call, Outcome, linked_id};
use crate::clock::graph_time;
use crate::directory::{Directory, Object};
use crate::errors::Fail;
use crate::password;
use crate::schema::{Kind, Property};
use crate::{directory_query, membership};

pub(super) fn create(directory: &mut Directory, call: &Call) -> Outcome {
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
            // "The following properties cannot be set in the initial POST request."
            _ if ALONE.contains(&name.as_str()) => {
                return Err(Fail::bad(format!(
                    "Property '{name}' cannot be set when a user is created."
                )));
            }
            _ => {
                let property = Kind::User.writable(name, value)?;
                if !value.is_null() && name != "passwordProfile" {
                    props.insert(name.clone(), merged(None, property, value.clone()));
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
    directory.change(&id, |user| set_password(user, body.get("passwordProfile")));
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

pub(super) fn update(directory: &mut Directory, call: &Call, key: &str) -> Outcome {
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
    // "Updating these properties requires a request of their own."
    let alone = props.keys().filter(|name| ALONE.contains(&name.as_str())).count();
    if alone > 0 && alone < props.len() {
        return Err(Fail::bad(
            "Properties that are kept outside the directory cannot be updated together with others.",
        ));
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
            let property = Kind::User.property(&name);
            let value = match property {
                Some(property) => merged(user.props.get(&name), property, value),
                None => value,
            };
            user.set(&name, value);
        }
        if reset {
            set_password(user, password.as_ref());
            user.set("lastPasswordChangeDateTime", now.as_str().into());
        }
    });
    membership::follow_rules(directory, &id, call.now);
    Ok(Answer::done())
}

fn set_password(user: &mut Object, profile: Option<&Value>) {
    let profile = profile.unwrap_or(&Value::Null);
    let truth = |name: &str| profile[name].as_bool().unwrap_or_default();
    let must_change = truth("forceChangePasswordNextSignIn") || truth("forceChangePasswordNextSignInWithMfa");
    if let Some(text) = profile["password"].as_str() {
        password::set(user, text, must_change);
    }
}

pub(super) fn manager_of(directory: &Directory, call: &Call, id: &str) -> Result<String, Fail> {
    Ok(directory.seen(call, Some(Kind::User), id)?.id.clone())
}

pub(super) fn set_manager(directory: &mut Directory, id: &str, manager: Option<&str>) {
    let old: Vec<String> = directory.reports.sources(id).cloned().collect();
    for old in old {
        directory.reports.remove(&old, id);
    }
    if let Some(manager) = manager {
        directory.reports.add(manager, id);
    }
}

/// A complex value is merged into what is there, not put in its place ("Update user").
fn merged(old: Option<&Value>, property: &Property, value: Value) -> Value {
    match value {
        Value::Object(new) => {
            let absent = property.absent();
            let old = old.or(Some(&absent)).and_then(Value::as_object);
            let mut merged = old.cloned().unwrap_or_default();
            merged.extend(new);
            Value::Object(merged)
        }
        value => value,
    }
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
