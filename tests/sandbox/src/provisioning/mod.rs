//! API-driven inbound provisioning: `bulkUpload`, and the job that works it off ("Perform bulkUpload", "bulkUpload
//! resource type", "API-driven inbound provisioning concepts", "Troubleshoot inbound provisioning API issues").
//!
//! A request is only checked and staged. Two seconds later, on the sandbox's clock, the job takes it: by the matching
//! attribute (`externalId`, which is `employeeId` here) it finds out whether a user is created or updated, and writes
//! one entry of the provisioning log for each record. At Microsoft that takes minutes.

mod job;
mod mapping;

use std::collections::{BTreeMap, VecDeque};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use crate::call::{Answer, Call, Outcome};
use crate::clock::graph_time;
use crate::directory::Directory;
use crate::errors::Fail;
use crate::odata::{ValueRow, collection};
use crate::schema::Kind;

/// "Each request can contain a maximum of 50 user operations."
const MOST: usize = 50;
const DELAY: SignedDuration = SignedDuration::from_secs(2);
const BULK: &str = "urn:ietf:params:scim:api:messages:2.0:BulkRequest";

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
            match job::work(directory, record, &cycle, staged.due) {
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
