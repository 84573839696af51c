//! What the job does to one record, and its entry in the log.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::mapping::{Record, mapped};
use crate::audit::{self, Author, log_time};
use crate::call::{Answer, Call, Caller};
use crate::directory::{Directory, Object};
use crate::errors::Fail;
use crate::odata::Options;
use crate::schema::Kind;
use crate::users;

/// The part of Entra that provisions.
const SERVICE: Caller = Caller::Service(
    "00000014-0000-0000-c000-000000000000",
    "Microsoft.Azure.SyncFabric",
);

/// What was done to one record.
struct Done {
    action: &'static str,
    status: &'static str,
    /// The user, where there is one.
    user: Option<String>,
    changed: Map<String, Value>,
    error: Option<(&'static str, String)>,
}

pub(super) fn work(
    directory: &mut Directory,
    data: &Map<String, Value>,
    cycle: &str,
    at: Timestamp,
) -> &'static str {
    let change = directory.audit.ids.guid();
    let record = mapped(data);
    let before: Option<Map<String, Value>> = found(directory, &record).map(|user| user.props.clone());
    let done = apply(directory, &record, &change, at);
    let status = done.status;
    let entry = entry(directory, &record, before.as_ref(), &done, (cycle, &change, at));
    directory.audit.provisioned(at, entry);
    status
}

fn found<'a>(directory: &'a Directory, record: &Record) -> Option<&'a Object> {
    let anchor = record.anchor.as_deref()?;
    directory
        .employees(anchor)
        .find(|object| object.kind == Kind::User)
}

fn apply(directory: &mut Directory, record: &Record, change: &str, at: Timestamp) -> Done {
    let failed = |action, user: Option<String>, error| Done {
        action,
        status: "failure",
        user,
        changed: Map::new(),
        error: Some(error),
    };
    let Some(anchor) = record.anchor.clone() else {
        let why = "The record has no value for the matching attribute externalId.".to_owned();
        return failed("other", None, ("InvalidAnchor", why));
    };
    let known = found(directory, record).map(|user| (user.id.clone(), differences(user, record)));
    let author = Author {
        caller: &SERVICE,
        correlation: change,
        now: at,
    };
    let (action, outcome, changed) = match &known {
        None => {
            let body = new_user(directory, record, change);
            let call = inner("POST", &[], Some(Value::Object(body.clone())), at);
            ("create", users::route(directory, &call, &[]), body)
        }
        Some((id, changed)) => {
            let disables = changed.get("accountEnabled") == Some(&Value::Bool(false));
            let action = if disables { "disable" } else { "update" };
            let outcome = if changed.is_empty() {
                Ok(Answer::done())
            } else {
                let call = inner("PATCH", &[id], Some(Value::Object(changed.clone())), at);
                users::route(directory, &call, &[id])
            };
            (action, outcome, changed.clone())
        }
    };
    let answer = match outcome {
        Ok(answer) => answer,
        Err(fail) => {
            audit::settle(directory, &author, None);
            return failed(action, known.map(|(id, _)| id), (code(&fail), fail.message));
        }
    };
    let user = if let Some((id, _)) = &known {
        id.clone()
    } else {
        let body = answer.body.as_ref();
        let id = body.and_then(|body| body.get("id")).and_then(Value::as_str);
        id.unwrap_or_default().to_owned()
    };
    let linked = link(directory, &user, record, at);
    // Whoever waited for this user as manager.
    for report in directory
        .provisioning
        .waiting
        .remove(&anchor.to_lowercase())
        .unwrap_or_default()
    {
        set_manager(directory, &report, &user, at);
    }
    audit::settle(directory, &author, None);
    let nothing = known.is_some() && changed.is_empty() && !linked;
    let redundant = "The state of the user in both the source and target systems already match. No change to the user \
                     currently needs to be made.";
    Done {
        action: if nothing { "other" } else { action },
        status: if nothing { "skipped" } else { "success" },
        user: Some(user),
        changed,
        error: nothing.then(|| ("RedundantExport", redundant.to_owned())),
    }
}

/// Links the manager, now or when the manager comes. Gives whether something was changed.
fn link(directory: &mut Directory, user: &str, record: &Record, at: Timestamp) -> bool {
    let Some(manager) = record.manager.as_deref() else {
        return false;
    };
    let found = directory
        .employees(manager)
        .find(|object| object.kind == Kind::User);
    match found.map(|manager| manager.id.clone()) {
        None => {
            let waiting = directory
                .provisioning
                .waiting
                .entry(manager.to_lowercase())
                .or_default();
            if !waiting.iter().any(|known| known == user) {
                waiting.push(user.to_owned());
            }
            false
        }
        Some(manager) => set_manager(directory, user, &manager, at),
    }
}

fn set_manager(directory: &mut Directory, user: &str, manager: &str, at: Timestamp) -> bool {
    if directory.manager(user).is_some_and(|known| known.id == manager) {
        return false;
    }
    let link = json!({ "@odata.id": format!("directoryObjects/{manager}") });
    let call = inner("PUT", &[user, "manager", "$ref"], Some(link), at);
    users::route(directory, &call, &[user, "manager", "$ref"]).is_ok()
}

/// A request that the service makes on its own.
fn inner(method: &str, segments: &[&str], body: Option<Value>, now: Timestamp) -> Call {
    let segments = std::iter::once("users").chain(segments.iter().copied());
    Call {
        method: method.to_owned(),
        segments: segments.map(str::to_owned).collect(),
        options: Options::default(),
        body,
        root: String::new(),
        now,
        seen_until: None,
        caller: SERVICE,
        content_type: "application/json".to_owned(),
        correlation: String::new(),
    }
}

fn new_user(directory: &mut Directory, record: &Record, change: &str) -> Map<String, Value> {
    let mut body = record.properties.clone();
    let principal = body
        .get("userPrincipalName")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let local = principal.split('@').next().unwrap_or_default();
    let nickname: String = local
        .chars()
        .filter(|letter| letter.is_ascii_alphanumeric() || "._-".contains(*letter))
        .collect();
    if !nickname.is_empty() {
        body.entry("mailNickname").or_insert_with(|| nickname.into());
    }
    // The service makes a password that nobody is told.
    let password = format!("Aa1!{change}{}", directory.audit.ids.guid());
    body.insert(
        "passwordProfile".to_owned(),
        json!({ "password": password, "forceChangePasswordNextSignIn": true }),
    );
    body
}

/// The properties that the record has otherwise than the user.
fn differences(user: &Object, record: &Record) -> Map<String, Value> {
    let same = |name: &str, value: &Value| match (user.props.get(name), value) {
        (Some(Value::Object(old)), Value::Object(new)) => {
            new.iter().all(|(name, value)| old.get(name) == Some(value))
        }
        (old, value) => old == Some(value),
    };
    let changed = record
        .properties
        .iter()
        .filter(|(name, value)| !same(name, value));
    changed
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

fn code(fail: &Fail) -> &'static str {
    let detail = |name: &str| {
        fail.details
            .first()
            .and_then(|detail| detail.get(name))
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    match (detail("code"), detail("target")) {
        ("ObjectConflict", _) => "EntryConflict",
        (_, "userPrincipalName") => "AzureActiveDirectoryInvalidUserPrincipalName",
        ("PropertyRequired", _) => "MissingRequiredAttribute",
        _ => "InvalidAttributeValue",
    }
}

fn entry(
    directory: &mut Directory,
    record: &Record,
    before: Option<&Map<String, Value>>,
    done: &Done,
    (cycle, change, at): (&str, &str, Timestamp),
) -> Value {
    let id = directory.audit.ids.guid();
    let jobs = &directory.provisioning;
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let hidden = |name: &str| name == "passwordProfile";
    let modified = done
        .changed
        .iter()
        .filter(|(name, _)| !hidden(name))
        .map(|(name, value)| {
            let old = before.and_then(|before| before.get(name)).map(&text);
            json!({ "displayName": name, "oldValue": old, "newValue": text(value) })
        });
    let anchor = record.anchor.as_deref().unwrap_or_default();
    let name = record
        .properties
        .get("displayName")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let target = done.user.as_deref().and_then(|id| directory.get(id));
    let error = done.error.as_ref().map(|(code, reason)| {
        json!({
            "errorCode": code, "reason": reason, "additionalDetails": null,
            "errorCategory": "nonServiceFailure", "recommendedAction": null,
        })
    });
    let step = |name: &str, kind: &str, status: &str, description: String| {
        json!({
            "name": name, "provisioningStepType": kind, "status": status, "description": description,
            "details": {},
        })
    };
    let system = "API";
    let verb = if done.action == "create" { "Add" } else { "Update" };
    let mut steps = vec![
        step(
            "EntryImport",
            "import",
            "success",
            format!("Received User '{anchor}' change of type (Add) from {system}"),
        ),
        step(
            "EntrySynchronization",
            "matching",
            if record.anchor.is_some() {
                "success"
            } else {
                "failure"
            },
            match before {
                Some(_) => format!("User '{anchor}' was matched by employeeId"),
                None => format!("No User with employeeId '{anchor}' was found in Microsoft Entra ID"),
            },
        ),
    ];
    if record.anchor.is_some() {
        let description = format!(
            "User '{anchor}' in Microsoft Entra ID: {} {}",
            done.action, done.status
        );
        steps.push(step(
            &format!("EntryExport{verb}"),
            "export",
            done.status,
            description,
        ));
    }
    let application = directory
        .get(&jobs.principal)
        .and_then(|object| object.text("displayName"))
        .unwrap_or_default();
    json!({
        "id": id,
        "activityDateTime": log_time(at),
        "tenantId": directory.tenant.id,
        "jobId": jobs.job,
        "cycleId": cycle,
        "changeId": change,
        "provisioningAction": done.action,
        "durationInMilliseconds": 128,
        "provisioningStatusInfo": { "status": done.status, "errorInformation": error },
        "provisioningSteps": steps,
        "modifiedProperties": modified.collect::<Value>(),
        "servicePrincipal": { "id": jobs.principal, "displayName": application },
        "sourceSystem": { "id": system, "displayName": system, "details": {} },
        "targetSystem": {
            "id": directory.tenant.id, "displayName": "Microsoft Entra ID",
            "details": {
                "ServicePrincipalId": jobs.principal, "ServicePrincipalDisplayName": application,
            },
        },
        "initiatedBy": { "id": "", "displayName": "Azure AD Provisioning Service", "initiatorType": "system" },
        "sourceIdentity": {
            "id": anchor, "displayName": name, "identityType": "User",
            "details": { "id": anchor, "odatatype": "User", "DisplayName": name },
        },
        "targetIdentity": {
            "id": target.map_or("", |target| target.id.as_str()),
            "displayName": target.and_then(|target| target.text("displayName")).unwrap_or_default(),
            "identityType": "User", "details": {},
        },
    })
}
