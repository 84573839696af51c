//! API-driven inbound provisioning: `bulkUpload`, and the job that works it off ("Perform bulkUpload", "bulkUpload
//! resource type", "API-driven inbound provisioning concepts", "Troubleshoot inbound provisioning API issues").
//!
//! A request is only checked and staged. Two seconds later, on the sandbox's clock, the job takes it: by the matching
//! attribute (`externalId`, which is `employeeId` here) it finds out whether a user is created or updated, and writes
//! one entry of the provisioning log for each record. At Microsoft that takes minutes.

use std::collections::{BTreeMap, VecDeque};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use crate::audit::{self, Author, log_time};
use crate::call::{Answer, Call, Caller, Outcome};
use crate::clock::graph_time;
use crate::directory::{Directory, Object};
use crate::errors::Fail;
use crate::odata::{Options, ValueRow, collection};
use crate::schema::Kind;
use crate::scim_mapping::{Record, mapped};
use crate::users;

/// "Each request can contain a maximum of 50 user operations."
const MOST: usize = 50;
const DELAY: SignedDuration = SignedDuration::from_secs(2);
const BULK: &str = "urn:ietf:params:scim:api:messages:2.0:BulkRequest";
/// The part of Entra that provisions.
const SERVICE: Caller = Caller::Service(
    "00000014-0000-0000-c000-000000000000",
    "Microsoft.Azure.SyncFabric",
);

/// The tenant's provisioning job.
#[derive(Debug, Default)]
pub(crate) struct Provisioning {
    /// Object id of the application's service principal.
    pub(crate) principal: String,
    pub(crate) job: String,
    paused: bool,
    staged: VecDeque<Staged>,
    /// Users whose manager was not there yet, by the manager's employee id.
    waiting: BTreeMap<String, Vec<String>>,
    last: Option<Execution>,
}

/// One accepted request.
#[derive(Debug)]
struct Staged {
    due: Timestamp,
    records: Vec<Map<String, Value>>,
}

/// How the job ran last.
#[derive(Debug)]
struct Execution {
    cycle: String,
    at: Timestamp,
    imported: usize,
    exported: usize,
    escrowed: usize,
}

impl Provisioning {
    /// The job of an application, as the portal makes it.
    pub(crate) fn plant(directory: &mut Directory, at: Timestamp) {
        let (app, job) = (directory.ids.guid(), directory.ids.guid());
        let name = "API-driven provisioning to Microsoft Entra ID";
        let props = json!({
            "accountEnabled": true, "appId": app, "appDisplayName": name, "displayName": name,
            "appOwnerOrganizationId": directory.tenant.id, "servicePrincipalType": "Application",
            "servicePrincipalNames": [app], "createdDateTime": graph_time(at),
            "tags": ["WindowsAzureActiveDirectoryIntegratedApp"],
        });
        let Value::Object(props) = props else { return };
        let principal = directory.insert(Kind::ServicePrincipal, props, at);
        directory.provisioning.principal = principal;
        directory.provisioning.job = format!("API2AAD.{}.{job}", directory.tenant.id.replace('-', ""));
    }

    fn view(&self) -> Value {
        let execution = self.last.as_ref().map(|last| {
            json!({
                "activityIdentifier": last.cycle, "state": "Succeeded", "error": null,
                "timeBegan": graph_time(last.at), "timeEnded": graph_time(last.at),
                "countEntitled": last.imported, "countEntitledForProvisioning": last.imported,
                "countEscrowed": last.escrowed, "countEscrowedRaw": last.escrowed,
                "countExported": last.exported, "countExports": last.exported,
                "countImported": last.imported, "countImportedDeltas": last.imported,
                "countImportedReferenceDeltas": 0,
            })
        });
        let code = if self.paused { "Paused" } else { "Active" };
        let never = "0001-01-01T00:00:00Z";
        let reached = self.last.as_ref().map(|last| graph_time(last.at));
        let reached = reached.unwrap_or_else(|| never.to_owned());
        json!({
            "id": self.job,
            "templateId": "API2AAD",
            "schedule": { "expiration": null, "interval": "PT40M", "state": if self.paused { "Disabled" } else { "Active" } },
            "status": {
                "code": code, "countSuccessiveCompleteFailures": 0, "escrowsPruned": false,
                "lastExecution": execution, "lastSuccessfulExecution": execution,
                "lastSuccessfulExecutionWithExports": execution, "progress": [], "quarantine": null,
                "steadyStateFirstAchievedTime": reached, "steadyStateLastAchievedTime": reached,
                "synchronizedEntryCountByType": [], "troubleshootingUrl": null,
            },
            "synchronizationJobSettings": [],
        })
    }
}

/// Answers below `/servicePrincipals/{id}/synchronization`.
pub(crate) fn route(directory: &mut Directory, call: &Call, key: &str, rest: &[&str]) -> Outcome {
    let principal = directory
        .seen(call, Some(Kind::ServicePrincipal), key)?
        .id
        .clone();
    let ours = principal == directory.provisioning.principal;
    let segments = format!("servicePrincipals('{principal}')/synchronization/jobs");
    match (rest, call.method.as_str()) {
        (["jobs"], "GET") => {
            let job = ours.then(|| ValueRow {
                place: 1,
                value: directory.provisioning.view(),
            });
            collection(call, &segments, job.into_iter())
        }
        (["jobs"], _) => Err(Fail::method()),
        (["jobs", job, rest @ ..], method) => {
            if !ours || *job != directory.provisioning.job {
                return Err(Fail::new(
                    404,
                    "NotFound",
                    format!("The synchronization job '{job}' does not exist."),
                ));
            }
            match (rest, method) {
                ([], "GET") => {
                    let mut body = json!({ "@odata.context": call.context(&format!("{segments}/$entity")) });
                    if let (Some(body), Value::Object(view)) =
                        (body.as_object_mut(), directory.provisioning.view())
                    {
                        body.extend(view);
                    }
                    Ok(Answer::ok(body))
                }
                (["bulkUpload"], "POST") => upload(directory, call),
                ([change @ ("start" | "pause" | "restart")], "POST") => {
                    directory.provisioning.paused = *change == "pause";
                    Ok(Answer::done())
                }
                ([] | ["bulkUpload" | "start" | "pause" | "restart"], _) => Err(Fail::method()),
                ([segment, ..], _) => Err(Fail::segment(segment)),
            }
        }
        ([segment, ..], _) => Err(Fail::segment(segment)),
        ([], _) => Err(Fail::segment("synchronization")),
    }
}

fn upload(directory: &mut Directory, call: &Call) -> Outcome {
    let records = read(call)?;
    let jobs = &mut directory.provisioning;
    jobs.staged.push_back(Staged {
        due: call.now.checked_add(DELAY).unwrap_or(call.now),
        records,
    });
    let location = format!(
        "{}/auditLogs/provisioning/?$filter=jobid%20eq%20'{}'",
        call.root, jobs.job
    );
    Ok(Answer::accepted_at(location))
}

/// The records of a bulk request.
///
/// # Errors
/// 400 `Invalid Data Format`: the content type, the shape of the document, more than fifty operations.
fn read(call: &Call) -> Result<Vec<Map<String, Value>>, Fail> {
    let invalid = |what: &str| Fail::syntax(format!("Invalid Data Format. {what}"));
    let kind = call.content_type.split(';').next().unwrap_or_default().trim();
    if kind != "application/scim+json" {
        return Err(invalid("Set the Content-Type header to application/scim+json."));
    }
    let body = call.object()?;
    let has = |map: &Map<String, Value>, schema: &str| {
        let schemas = map.get("schemas").and_then(Value::as_array);
        schemas.is_some_and(|all| schema.is_empty() && !all.is_empty() || all.iter().any(|one| one == schema))
    };
    if !has(body, BULK) {
        return Err(invalid(&format!("'schemas' must hold '{BULK}'.")));
    }
    let operations = body.get("Operations").and_then(Value::as_array);
    let operations = operations.ok_or_else(|| invalid("'Operations' is required."))?;
    if operations.is_empty() {
        return Err(invalid("'Operations' is empty."));
    }
    if operations.len() > MOST {
        return Err(invalid(&format!(
            "'Operations' holds {} operations; the maximum is {MOST}.",
            operations.len()
        )));
    }
    let mut records = Vec::new();
    for (place, operation) in operations.iter().enumerate() {
        let wrong = |what: &str| invalid(&format!("Operations[{place}]: {what}"));
        let text = |name: &str| operation.get(name).and_then(Value::as_str).unwrap_or_default();
        if !text("method").eq_ignore_ascii_case("POST") {
            return Err(wrong("'method' must be POST."));
        }
        if !text("path").eq_ignore_ascii_case("/Users") {
            return Err(wrong("'path' must be /Users."));
        }
        if text("bulkId").is_empty() {
            return Err(wrong("'bulkId' is required."));
        }
        let data = operation.get("data").and_then(Value::as_object);
        let data = data.ok_or_else(|| wrong("'data' is required."))?;
        if !has(data, "") {
            return Err(wrong("'data' needs 'schemas'."));
        }
        records.push(data.clone());
    }
    Ok(records)
}

/// What the job has done by that time.
pub(crate) fn run(directory: &mut Directory, now: Timestamp) {
    loop {
        let jobs = &mut directory.provisioning;
        let due = jobs.staged.front().is_some_and(|staged| staged.due <= now);
        if !due || jobs.paused {
            return;
        }
        let Some(staged) = jobs.staged.pop_front() else {
            return;
        };
        let cycle = directory.audit.ids.guid();
        let (mut exported, mut escrowed) = (0, 0);
        for record in &staged.records {
            match work(directory, record, &cycle, staged.due) {
                "success" => exported += 1,
                "failure" => escrowed += 1,
                _ => {}
            }
        }
        directory.provisioning.last = Some(Execution {
            cycle,
            at: staged.due,
            imported: staged.records.len(),
            exported,
            escrowed,
        });
    }
}

/// What was done to one record.
struct Done {
    action: &'static str,
    status: &'static str,
    /// The user, where there is one.
    user: Option<String>,
    changed: Map<String, Value>,
    error: Option<(&'static str, String)>,
}

fn work(directory: &mut Directory, data: &Map<String, Value>, cycle: &str, at: Timestamp) -> &'static str {
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
