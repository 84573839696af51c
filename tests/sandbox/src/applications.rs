//! `/applications` ("Create application", "Update application", "Delete application", "application: addPassword"):
//! registrations, by id or by `appId`. The service principals of the tenant follow them.

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::app_roles::DEFAULT;
use crate::call::{Answer, Call, Outcome};
use crate::clock::graph_time;
use crate::directory::{Directory, Object};
use crate::errors::Fail;
use crate::schema::Access::{Fixed, Shown};
use crate::schema::Edm::{Bool, Complex, Complexes, Instant, Text, Texts};
use crate::schema::{Kind, Property, p};
use crate::{credentials, deleted, directory_query, relations, service_principals};

/// "application resource type".
pub(crate) const PROPERTIES: &[Property] = &[
    p("id", Text(36), Fixed),
    p("deletedDateTime", Instant, Fixed),
    p("appId", Text(36), Fixed),
    p("applicationTemplateId", Text(36), Fixed),
    p("disabledByMicrosoftStatus", Text(64), Fixed),
    p("createdDateTime", Instant, Fixed),
    p("displayName", Text(256), Shown),
    p("description", Text(1024), Shown),
    p("groupMembershipClaims", Text(64), Shown),
    p("identifierUris", Texts, Shown),
    p("isDeviceOnlyAuthSupported", Bool, Shown),
    p("isFallbackPublicClient", Bool, Shown),
    p("notes", Text(1024), Shown),
    p("publisherDomain", Text(256), Fixed),
    p("samlMetadataUrl", Text(1024), Shown),
    p("serviceManagementReference", Text(256), Shown),
    p("signInAudience", Text(64), Shown),
    p("tags", Texts, Shown),
    p("tokenEncryptionKeyId", Text(36), Shown),
    p("uniqueName", Text(128), Shown),
    p("addIns", Complexes, Shown),
    p("api", Complex, Shown),
    p("appRoles", Complexes, Shown),
    p("info", Complex, Shown),
    p("keyCredentials", Complexes, Shown),
    p("optionalClaims", Complex, Shown),
    p("parentalControlSettings", Complex, Shown),
    p("passwordCredentials", Complexes, Fixed),
    p("publicClient", Complex, Shown),
    p("requestSignatureVerification", Complex, Shown),
    p("requiredResourceAccess", Complexes, Shown),
    p("servicePrincipalLockConfiguration", Complex, Shown),
    p("spa", Complex, Shown),
    p("verifiedPublisher", Complex, Fixed),
    p("web", Complex, Shown),
];

/// Answers below `/applications`.
pub(crate) fn route(directory: &mut Directory, call: &Call, rest: &[&str]) -> Outcome {
    let kind = Kind::Application;
    match (rest, call.method.as_str()) {
        ([], "GET") => directory_query::list(directory, call, kind),
        ([], "POST") => create(directory, call),
        (["$count"], "GET") => directory_query::count(directory, call, kind),
        ([key], "GET") => directory_query::single(directory, call, keyed(directory, call, kind, key)?),
        ([key], "PATCH") => update(directory, call, key),
        ([key], "DELETE") => {
            let application = keyed(directory, call, kind, key)?;
            let id = application.id.clone();
            // The service principal of the home tenant goes with it; a restore does not bring it back.
            let follower = application
                .text("appId")
                .and_then(|app| service_principals::of(directory, app));
            let follower = follower.map(|found| found.id.clone());
            for id in follower.iter().chain([&id]) {
                deleted::delete(directory, id, call.now);
            }
            Ok(Answer::done())
        }
        ([key, rest @ ..], _) => {
            let id = keyed(directory, call, kind, key)?.id.clone();
            match (rest, call.method.as_str()) {
                (["owners", rest @ ..], _) => owners(directory, call, &id, rest),
                (["addPassword"], "POST") => credentials::add(directory, call, &id),
                (["removePassword"], "POST") => credentials::remove(directory, call, &id),
                (["addPassword" | "removePassword"] | [], _) => Err(Fail::method()),
                ([segment, ..], _) => Err(Fail::segment(segment)),
            }
        }
        _ => Err(Fail::method()),
    }
}

/// The object of that id, `appId='...'` or `uniqueName='...'`.
pub(crate) fn keyed<'a>(
    directory: &'a Directory,
    call: &Call,
    kind: Kind,
    key: &str,
) -> Result<&'a Object, Fail> {
    let Some((name @ ("appId" | "uniqueName"), value)) = key.split_once("='") else {
        return directory.seen(call, Some(kind), key);
    };
    let same = |object: &&Object| {
        let held = object.text(name);
        held.is_some_and(|held| held.eq_ignore_ascii_case(value)) && object.seen_by(call)
    };
    directory
        .all(kind)
        .find(same)
        .ok_or_else(|| Fail::not_found(value))
}

fn create(directory: &mut Directory, call: &Call) -> Outcome {
    let mut props = written(call.object()?)?;
    if props.get("displayName").is_none_or(Value::is_null) {
        let message = "A value is required for property 'displayName' of resource 'Application'.";
        return Err(Fail::bad(message).detail("PropertyRequired", "displayName", message));
    }
    check_values(directory, &props, None)?;
    props.retain(|_, value| !value.is_null());
    complete(&mut props);
    let app = directory.ids.guid();
    props.insert("appId".to_owned(), app.into());
    let id = register(directory, props, call.now);
    let made = directory.get(&id).ok_or_else(|| Fail::not_found(&id))?;
    Ok(Answer::created(
        directory_query::entity(directory, call, made),
        format!("{}/applications/{id}", call.root),
    ))
}

/// Puts a registration in that has an `appId` already.
pub(crate) fn register(directory: &mut Directory, mut props: Map<String, Value>, now: Timestamp) -> String {
    props.insert("createdDateTime".to_owned(), graph_time(now).into());
    let domains = &directory.tenant.domains;
    let publisher = domains.iter().find(|name| name.ends_with(".onmicrosoft.com"));
    let publisher = publisher.or(domains.first()).cloned();
    props.insert("publisherDomain".to_owned(), publisher.into());
    directory.insert(Kind::Application, props, now)
}

/// What stands in an application that says nothing of it; the complex ones as "Create application" shows them.
pub(crate) fn complete(props: &mut Map<String, Value>) {
    let defaults = json!({
        "signInAudience": "AzureADMyOrg",
        "api": {
            "acceptMappedClaims": null, "knownClientApplications": [], "requestedAccessTokenVersion": null,
            "oauth2PermissionScopes": [], "preAuthorizedApplications": [],
        },
        "info": {
            "termsOfServiceUrl": null, "supportUrl": null, "privacyStatementUrl": null, "marketingUrl": null,
            "logoUrl": null,
        },
        "parentalControlSettings": { "countriesBlockedForMinors": [], "legalAgeGroupRule": "Allow" },
        "publicClient": { "redirectUris": [] },
        "spa": { "redirectUris": [] },
        "verifiedPublisher": { "displayName": null, "verifiedPublisherId": null, "addedDateTime": null },
        "web": {
            "redirectUris": [], "homePageUrl": null, "logoutUrl": null, "redirectUriSettings": [],
            "implicitGrantSettings": { "enableIdTokenIssuance": false, "enableAccessTokenIssuance": false },
        },
    });
    for (name, default) in defaults.as_object().into_iter().flatten() {
        match (props.get_mut(name), default) {
            (Some(Value::Object(given)), Value::Object(default)) => {
                for (part, value) in default {
                    given.entry(part).or_insert_with(|| value.clone());
                }
            }
            (Some(_), _) => {}
            (None, _) => {
                props.insert(name.clone(), default.clone());
            }
        }
    }
}

fn update(directory: &mut Directory, call: &Call, key: &str) -> Outcome {
    let application = keyed(directory, call, Kind::Application, key)?;
    let id = application.id.clone();
    let mut props = written(call.object()?)?;
    if props.get("displayName").is_some_and(Value::is_null) {
        return Err(Fail::invalid("displayName", "Application"));
    }
    check_values(directory, &props, Some(&id))?;
    if let Some(roles) = props.get("appRoles") {
        none_enabled_gone(application.props.get("appRoles"), roles)?;
    }
    merge(application, &mut props);
    directory.change(&id, |application| {
        for (name, value) in props {
            application.set(&name, value);
        }
    });
    service_principals::follow(directory, &id);
    Ok(Answer::done())
}

/// A complex value is merged with what is there, not put in its place.
pub(crate) fn merge(object: &Object, props: &mut Map<String, Value>) {
    for (name, value) in props {
        if let (Some(Value::Object(old)), Value::Object(new)) = (object.props.get(name), &value) {
            let mut merged = old.clone();
            merged.extend(new.clone());
            *value = Value::Object(merged);
        }
    }
}

/// The properties of a body, each writable.
fn written(body: &Map<String, Value>) -> Result<Map<String, Value>, Fail> {
    let mut props = Map::new();
    for (name, value) in body.iter().filter(|(name, _)| !name.starts_with('@')) {
        if name == "passwordCredentials" {
            return Err(Fail::bad(
                "Property 'passwordCredentials' cannot be set here: use the action addPassword.",
            ));
        }
        Kind::Application.writable(name, value)?;
        props.insert(name.clone(), value.clone());
    }
    Ok(props)
}

/// What no single property shows: uniqueness, verified domains, app roles.
fn check_values(directory: &Directory, props: &Map<String, Value>, of: Option<&str>) -> Result<(), Fail> {
    let others = || {
        directory
            .all(Kind::Application)
            .filter(move |other| Some(other.id.as_str()) != of)
    };
    let texts = |name: &str| {
        let items = props.get(name).and_then(Value::as_array);
        items.into_iter().flatten().filter_map(Value::as_str)
    };
    for uri in texts("identifierUris") {
        check_uri(directory, uri)?;
        if let Some(holder) = others().find(|other| other.has_text("identifierUris", uri)) {
            return Err(Fail::conflict("identifierUris", &holder.id));
        }
    }
    if let Some(name) = props.get("uniqueName").and_then(Value::as_str)
        && let Some(holder) = others().find(|other| other.text("uniqueName") == Some(name))
    {
        return Err(Fail::conflict("uniqueName", &holder.id));
    }
    if let Some(audience) = props.get("signInAudience").and_then(Value::as_str) {
        let known = [
            "AzureADMyOrg",
            "AzureADMultipleOrgs",
            "AzureADandPersonalMicrosoftAccount",
            "PersonalMicrosoftAccount",
        ];
        if !known.contains(&audience) {
            return Err(Fail::invalid("signInAudience", "Application"));
        }
    }
    props
        .get("appRoles")
        .map_or(Ok(()), |roles| check_roles(roles, "Application"))
}

/// "AppId URI in single tenant applications requires use of default scheme or verified domains".
fn check_uri(directory: &Directory, uri: &str) -> Result<(), Fail> {
    let parsed = url::Url::parse(uri).map_err(|_| Fail::invalid("identifierUris", "Application"))?;
    let host = parsed.host_str().unwrap_or_default();
    let below = |domain: &String| host == domain || host.ends_with(&format!(".{domain}"));
    if matches!(parsed.scheme(), "http" | "https") && !directory.tenant.domains.iter().any(below) {
        return Err(Fail::new(
            400,
            "HostNameNotOnVerifiedDomain",
            format!(
                "Values of identifierUris property must use a verified domain of the organization or its subdomain: \
                 '{uri}'"
            ),
        ));
    }
    Ok(())
}

/// "appRole resource type": what a role must have, and that ids and values are unique.
pub(crate) fn check_roles(roles: &Value, resource: &str) -> Result<(), Fail> {
    let invalid = || Fail::invalid("appRoles", resource);
    let mut seen: Vec<(&str, &str)> = Vec::new();
    for role in roles.as_array().into_iter().flatten() {
        let text = |name: &str| role[name].as_str().filter(|text| !text.trim().is_empty());
        let id = text("id").filter(|id| *id != DEFAULT && Uuid::try_parse(id).is_ok());
        let id = id.ok_or_else(invalid)?;
        if text("displayName").is_none() || text("description").is_none() {
            return Err(invalid());
        }
        let members = role["allowedMemberTypes"]
            .as_array()
            .filter(|kinds| !kinds.is_empty());
        let known = |kind: &Value| kind == "User" || kind == "Application";
        if !members.is_some_and(|kinds| kinds.iter().all(known)) {
            return Err(invalid());
        }
        let value = role["value"].as_str().unwrap_or_default();
        if value.len() > 120 || value.starts_with('.') || value.contains(char::is_whitespace) {
            return Err(invalid());
        }
        if seen
            .iter()
            .any(|(other, held)| *other == id || (!value.is_empty() && *held == value))
        {
            return Err(invalid());
        }
        seen.push((id, value));
    }
    Ok(())
}

/// An enabled role must be disabled before it can go.
pub(crate) fn none_enabled_gone(before: Option<&Value>, after: &Value) -> Result<(), Fail> {
    let after: Vec<&Value> = after.as_array().into_iter().flatten().collect();
    let before = before.and_then(Value::as_array).into_iter().flatten();
    let mut enabled = before.filter(|role| role["isEnabled"] == true);
    if enabled.all(|role| after.iter().any(|kept| kept["id"] == role["id"])) {
        return Ok(());
    }
    Err(Fail::new(
        400,
        "CannotDeleteOrUpdateEnabledEntitlement",
        "Permission (scope or role) cannot be deleted or updated unless disabled first.",
    )
    .detail(
        "CannotDeleteOrUpdateEnabledEntitlement",
        "appRoles",
        "Permission (scope or role) cannot be deleted or updated unless disabled first.",
    ))
}

/// `owners` and `owners/$ref` of an application or a service principal.
pub(crate) fn owners(directory: &mut Directory, call: &Call, id: &str, rest: &[&str]) -> Outcome {
    match (rest, call.method.as_str()) {
        (_, "GET") => {
            let found = directory.objects_of(directory.owners.targets(id));
            relations::answer(directory, call, found, rest)
        }
        (["$ref"], "POST") => {
            let owner = directory.seen(call, None, &call.reference()?)?;
            if !matches!(owner.kind, Kind::User | Kind::ServicePrincipal) {
                return Err(Fail::bad(
                    "The reference target is not of a type that can be an owner.",
                ));
            }
            let owner = owner.id.clone();
            if !directory.owners.add(id, &owner) {
                return Err(Fail::bad(
                    "One or more added object references already exist for the following modified properties: 'owners'.",
                ));
            }
            Ok(Answer::done())
        }
        ([owner, "$ref"], "DELETE") => {
            if !directory.owners.remove(id, owner) {
                return Err(Fail::not_found(owner));
            }
            Ok(Answer::done())
        }
        _ => Err(Fail::method()),
    }
}
