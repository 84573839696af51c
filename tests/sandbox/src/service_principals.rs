//! `/servicePrincipals` ("Create servicePrincipal", "Update serviceprincipal", "Delete servicePrincipal"): what an
//! application is in this tenant, by id or by `appId`.

use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::applications::{check_roles, keyed, merge, none_enabled_gone, owners};
use crate::call::{Answer, Call, Outcome};
use crate::clock::graph_time;
use crate::directory::{Directory, Object};
use crate::errors::Fail;
use crate::schema::Access::{Fixed, Shown};
use crate::schema::Edm::{Bool, Complex, Complexes, Instant, Text, Texts};
use crate::schema::{Kind, Property, p};
use crate::{app_roles, credentials, deleted, directory_objects, directory_query, relations};

/// "servicePrincipal resource type".
pub(crate) const PROPERTIES: &[Property] = &[
    p("id", Text(36), Fixed),
    p("deletedDateTime", Instant, Fixed),
    p("accountEnabled", Bool, Shown),
    p("alternativeNames", Texts, Shown),
    p("appDisplayName", Text(256), Fixed),
    p("appDescription", Text(1024), Fixed),
    p("appId", Text(36), Shown),
    p("applicationTemplateId", Text(36), Fixed),
    p("appOwnerOrganizationId", Text(36), Fixed),
    p("appRoleAssignmentRequired", Bool, Shown),
    p("createdDateTime", Instant, Fixed),
    p("description", Text(1024), Shown),
    p("disabledByMicrosoftStatus", Text(64), Fixed),
    p("displayName", Text(256), Shown),
    p("homepage", Text(1024), Shown),
    p("loginUrl", Text(1024), Shown),
    p("logoutUrl", Text(1024), Shown),
    p("notes", Text(1024), Shown),
    p("notificationEmailAddresses", Texts, Shown),
    p("preferredSingleSignOnMode", Text(32), Shown),
    p("preferredTokenSigningKeyThumbprint", Text(64), Shown),
    p("replyUrls", Texts, Shown),
    p("servicePrincipalNames", Texts, Shown),
    p("servicePrincipalType", Text(64), Shown),
    p("signInAudience", Text(64), Fixed),
    p("tags", Texts, Shown),
    p("tokenEncryptionKeyId", Text(36), Shown),
    p("samlSingleSignOnSettings", Complex, Shown),
    p("addIns", Complexes, Shown),
    p("appRoles", Complexes, Shown),
    p("info", Complex, Fixed),
    p("keyCredentials", Complexes, Shown),
    p("oauth2PermissionScopes", Complexes, Fixed),
    p("passwordCredentials", Complexes, Fixed),
    p("resourceSpecificApplicationPermissions", Complexes, Fixed),
    p("verifiedPublisher", Complex, Fixed),
];

/// Answers below `/servicePrincipals`.
pub(crate) fn route(directory: &mut Directory, call: &Call, rest: &[&str]) -> Outcome {
    let kind = Kind::ServicePrincipal;
    match (rest, call.method.as_str()) {
        ([], "GET") => directory_query::list(directory, call, kind),
        ([], "POST") => create(directory, call),
        (["$count"], "GET") => directory_query::count(directory, call, kind),
        ([key], "GET") => directory_query::single(directory, call, keyed(directory, call, kind, key)?),
        ([key], "PATCH") => update(directory, call, key),
        ([key], "DELETE") => {
            let id = keyed(directory, call, kind, key)?.id.clone();
            deleted::delete(directory, &id, call.now);
            Ok(Answer::done())
        }
        ([key, rest @ ..], _) => {
            let id = keyed(directory, call, kind, key)?.id.clone();
            below(directory, call, &id, rest)
        }
        _ => Err(Fail::method()),
    }
}

fn below(directory: &mut Directory, call: &Call, id: &str, rest: &[&str]) -> Outcome {
    match (rest, call.method.as_str()) {
        (["appRoleAssignedTo", rest @ ..], _) => app_roles::assigned_to(directory, call, id, rest),
        (["appRoleAssignments", rest @ ..], _) => app_roles::granted(directory, call, id, rest),
        (["owners", rest @ ..], _) => owners(directory, call, id, rest),
        (["ownedObjects", rest @ ..], _) => {
            let owned = directory.objects_of(directory.owners.sources(id));
            relations::answer(directory, call, owned, rest)
        }
        (["memberOf", rest @ ..], _) => {
            relations::answer(directory, call, relations::member_of(directory, id), rest)
        }
        (["transitiveMemberOf", rest @ ..], _) => {
            let found = relations::transitive_member_of(directory, id);
            relations::answer(directory, call, found, rest)
        }
        ([action], "POST") if directory_objects::is_action(action) => {
            directory_objects::act(directory, call, id, action)
        }
        (["addPassword"], "POST") => credentials::add(directory, call, id),
        (["removePassword"], "POST") => credentials::remove(directory, call, id),
        ([] | ["addPassword" | "removePassword"], _) => Err(Fail::method()),
        ([segment, ..], _) => Err(Fail::segment(segment)),
    }
}

/// The service principal of an application in this tenant.
pub(crate) fn of<'a>(directory: &'a Directory, app: &str) -> Option<&'a Object> {
    let same = |object: &&Object| {
        object
            .text("appId")
            .is_some_and(|held| held.eq_ignore_ascii_case(app))
    };
    directory.all(Kind::ServicePrincipal).find(same)
}

/// The refusal of a second service principal of one application.
fn in_use(app: &str) -> Fail {
    let message = format!(
        "The service principal cannot be created, updated, or restored because the service principal name {app} is \
         already in use."
    );
    Fail::new(409, "Request_MultipleObjectsWithSameKeyValue", message.clone()).detail(
        "ObjectConflict",
        "servicePrincipalNames",
        &message,
    )
}

/// Whether a service principal that was deleted may come back.
pub(crate) fn free(directory: &Directory, object: &Object) -> Result<(), Fail> {
    let app = object
        .text("appId")
        .filter(|_| object.kind == Kind::ServicePrincipal);
    match app.filter(|app| of(directory, app).is_some()) {
        Some(app) => Err(in_use(app)),
        None => Ok(()),
    }
}

fn create(directory: &mut Directory, call: &Call) -> Outcome {
    let mut props = written(call.object()?)?;
    let app = props.get("appId").and_then(Value::as_str).map(str::to_lowercase);
    let Some(app) = app.filter(|app| Uuid::try_parse(app).is_ok()) else {
        let message = "A value is required for property 'appId' of resource 'ServicePrincipal'.";
        return Err(Fail::bad(message).detail("PropertyRequired", "appId", message));
    };
    if of(directory, &app).is_some() {
        return Err(in_use(&app));
    }
    let application = directory
        .all(Kind::Application)
        .find(|found| found.text("appId") == Some(&app) && found.seen_by(call))
        .map(|found| found.id.clone());
    let application = application.ok_or_else(|| {
        let message = format!(
            "The appId '{app}' of the service principal does not reference a valid application object."
        );
        Fail::bad(message.clone()).detail("NoBackingApplicationObject", "appId", &message)
    })?;
    props.insert("appId".to_owned(), app.into());
    props.retain(|_, value| !value.is_null());
    let now = graph_time(call.now);
    props.insert("createdDateTime".to_owned(), now.into());
    let owner = directory.tenant.id.clone();
    props.insert("appOwnerOrganizationId".to_owned(), owner.into());
    complete(&mut props);
    let chosen = props.get("displayName").cloned();
    let id = directory.insert(Kind::ServicePrincipal, props, call.now);
    follow(directory, &application);
    if let Some(name) = chosen {
        directory.change(&id, |made| made.set("displayName", name));
    }
    let made = directory.get(&id).ok_or_else(|| Fail::not_found(&id))?;
    Ok(Answer::created(
        directory_query::entity(directory, call, made),
        format!("{}/servicePrincipals/{id}", call.root),
    ))
}

/// What stands in a service principal that says nothing of it.
pub(crate) fn complete(props: &mut Map<String, Value>) {
    props.entry("accountEnabled").or_insert(true.into());
    props.entry("appRoleAssignmentRequired").or_insert(false.into());
    props
        .entry("servicePrincipalType")
        .or_insert("Application".into());
}

fn update(directory: &mut Directory, call: &Call, key: &str) -> Outcome {
    let found = keyed(directory, call, Kind::ServicePrincipal, key)?;
    let id = found.id.clone();
    let mut props = written(call.object()?)?;
    for name in ["accountEnabled", "appRoleAssignmentRequired", "displayName"] {
        if props.get(name).is_some_and(Value::is_null) {
            return Err(Fail::invalid(name, "ServicePrincipal"));
        }
    }
    if let Some(app) = props.get("appId")
        && found.props.get("appId") != Some(app)
    {
        return Err(Fail::bad("Property 'appId' is read-only and cannot be set."));
    }
    if let Some(roles) = props.get("appRoles") {
        none_enabled_gone(found.props.get("appRoles"), roles)?;
    }
    merge(found, &mut props);
    directory.change(&id, |found| {
        for (name, value) in props {
            found.set(&name, value);
        }
    });
    Ok(Answer::done())
}

fn written(body: &Map<String, Value>) -> Result<Map<String, Value>, Fail> {
    let mut props = Map::new();
    for (name, value) in body.iter().filter(|(name, _)| !name.starts_with('@')) {
        Kind::ServicePrincipal.writable(name, value)?;
        if name == "appRoles" {
            check_roles(value, "ServicePrincipal")?;
        }
        props.insert(name.clone(), value.clone());
    }
    Ok(props)
}

/// Brings the service principal of an application up to date with it.
pub(crate) fn follow(directory: &mut Directory, application: &str) {
    let Some(application) = directory.get(application) else {
        return;
    };
    let app = application.text("appId").unwrap_or_default();
    let Some(id) = of(directory, app).map(|found| found.id.clone()) else {
        return;
    };
    let part = |property: &str, part: &str| {
        let value = application.props.get(property).and_then(|value| value.get(part));
        value.cloned().unwrap_or_default()
    };
    let texts = |value: Value| value.as_array().cloned().unwrap_or_default();
    let whole = |property: &str| application.props.get(property).cloned().unwrap_or_default();
    let mut names = texts(whole("identifierUris"));
    names.push(app.into());
    let mut addresses = Vec::new();
    for platform in ["web", "spa", "publicClient"] {
        addresses.extend(texts(part(platform, "redirectUris")));
    }
    let roles: Value = texts(whole("appRoles"))
        .into_iter()
        .map(|mut role| {
            role["origin"] = "Application".into();
            role
        })
        .collect();
    let values = json!({
        "appDisplayName": whole("displayName"), "displayName": whole("displayName"),
        "appDescription": whole("description"), "appRoles": roles, "info": whole("info"),
        "homepage": part("web", "homePageUrl"), "logoutUrl": part("web", "logoutUrl"),
        "oauth2PermissionScopes": part("api", "oauth2PermissionScopes"),
        "replyUrls": addresses, "servicePrincipalNames": names, "signInAudience": whole("signInAudience"),
        "verifiedPublisher": whole("verifiedPublisher"),
    });
    directory.change(&id, |found| {
        for (name, value) in values.as_object().into_iter().flatten() {
            found.set(name, value.clone());
        }
    });
}
