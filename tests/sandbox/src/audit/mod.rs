//! `/auditLogs`: what was done in the directory, who signed in, what provisioning did ("directoryAudit resource
//! type", "signIn resource type", "provisioningObjectSummary resource type", "Microsoft Entra audit log categories
//! and activities").
//!
//! Entries are there at once; at Microsoft it takes minutes. They are kept for 30 days, ten thousand of a kind at
//! most.

mod deeds;

use std::borrow::Cow;
use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use crate::call::{Answer, Call, Outcome};
use crate::directory::Directory;
use crate::errors::Fail;
use crate::ids::Ids;
use crate::odata::{Options, Row, collection};
use crate::schema::{FILTER, Kind, ORDER, SELECT, no_property};
pub(crate) use deeds::{Author, roles_before, settle};

/// Entries of one kind that are kept.
const MOST: usize = 10_000;

/// The three logs.
#[derive(Debug)]
pub(crate) struct AuditLogs {
    pub(crate) ids: Ids,
    directory: Log,
    sign_ins: Log,
    provisioning: Log,
}

/// One log, the oldest entry first.
#[derive(Debug, Default)]
struct Log {
    entries: VecDeque<(Timestamp, Value)>,
    /// How many entries were dropped: an entry keeps its number.
    dropped: u64,
}

impl Log {
    fn push(&mut self, at: Timestamp, entry: Value) {
        self.entries.push_back((at, entry));
        let month = SignedDuration::from_hours(30 * 24);
        while let Some((oldest, _)) = self.entries.front()
            && (self.entries.len() > MOST || at.duration_since(*oldest) > month)
        {
            self.entries.pop_front();
            self.dropped += 1;
        }
    }

    /// The newest entry first.
    fn rows(&self) -> impl Iterator<Item = LogRow<'_>> {
        let numbered = (self.dropped + 1..).zip(&self.entries).collect::<Vec<_>>();
        numbered.into_iter().rev().map(|(number, (_, entry))| LogRow {
            place: u64::MAX - number,
            entry,
        })
    }
}

/// An entry in a collection. Property names have no letter case: the service itself writes `jobid`.
struct LogRow<'a> {
    place: u64,
    entry: &'a Value,
}

impl Row for LogRow<'_> {
    fn place(&self) -> u64 {
        self.place
    }

    fn get(&self, name: &str) -> Option<Cow<'_, Value>> {
        let map = self.entry.as_object()?;
        let found = map.get(name).or_else(|| {
            map.iter()
                .find(|(known, _)| known.eq_ignore_ascii_case(name))
                .map(|(_, value)| value)
        });
        found.map(Cow::Borrowed)
    }

    fn view(&self, options: &Options) -> Value {
        chosen(self.entry, &options.select)
    }
}

fn chosen(entry: &Value, select: &[String]) -> Value {
    let wanted =
        |name: &str| select.is_empty() || select.iter().any(|known| known.eq_ignore_ascii_case(name));
    let kept = entry.as_object().into_iter().flatten();
    kept.filter(|(name, _)| wanted(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

impl AuditLogs {
    pub(crate) fn new(ids: Ids) -> Self {
        Self {
            ids,
            directory: Log::default(),
            sign_ins: Log::default(),
            provisioning: Log::default(),
        }
    }

    /// What the provisioning service did to one record.
    pub(crate) fn provisioned(&mut self, at: Timestamp, entry: Value) {
        self.provisioning.push(at, entry);
    }
}

/// Answers below `/auditLogs`.
pub(crate) fn route(directory: &Directory, call: &Call, rest: &[&str]) -> Outcome {
    let logs = &directory.audit;
    let (name, time, log) = match rest.first() {
        Some(&"directoryAudits") => ("directoryAudits", "activityDateTime", &logs.directory),
        Some(&"signIns") => ("signIns", "createdDateTime", &logs.sign_ins),
        Some(&"provisioning") => ("provisioning", "activityDateTime", &logs.provisioning),
        Some(other) => return Err(Fail::segment(other)),
        None => return Err(Fail::segment("auditLogs")),
    };
    if call.method != "GET" {
        return Err(Fail::method());
    }
    let known = properties(name);
    let options = &call.options;
    let odata_type = match name {
        "directoryAudits" => "microsoft.graph.directoryAudit",
        "signIns" => "microsoft.graph.signIn",
        _ => "microsoft.graph.provisioningObjectSummary",
    };
    let check = |part: &str, property: &str| {
        let found = known.iter().any(|known| known.eq_ignore_ascii_case(property));
        found
            .then_some(())
            .ok_or_else(|| no_property(part, property, odata_type))
    };
    for property in &options.select {
        check(SELECT, property)?;
    }
    if !options.expand.is_empty() {
        return Err(Fail::unsupported("$expand is not supported by this resource."));
    }
    match rest {
        [_] => {
            for path in options.filter.iter().flat_map(|filter| filter.paths()) {
                check(FILTER, path.first().map_or("", String::as_str))?;
            }
            for (property, _) in &options.order {
                check(ORDER, property)?;
                if !property.eq_ignore_ascii_case(time) {
                    return Err(Fail::unsupported(format!(
                        "$orderby is supported for '{time}' only."
                    )));
                }
            }
            collection(call, &format!("auditLogs/{name}"), log.rows())
        }
        [_, id] => {
            let found = log.entries.iter().find(|(_, entry)| entry["id"] == **id);
            let (_, entry) = found.ok_or_else(|| Fail::not_found(id))?;
            let mut body = Map::new();
            let context = call.context(&format!("auditLogs/{name}/$entity"));
            body.insert("@odata.context".to_owned(), context.into());
            if let Value::Object(entry) = chosen(entry, &options.select) {
                body.extend(entry);
            }
            Ok(Answer::ok(Value::Object(body)))
        }
        [_, _, segment, ..] => Err(Fail::segment(segment)),
        [] => Err(Fail::segment("auditLogs")),
    }
}

fn properties(log: &str) -> &'static [&'static str] {
    match log {
        "directoryAudits" => &[
            "id",
            "activityDateTime",
            "activityDisplayName",
            "additionalDetails",
            "category",
            "correlationId",
            "initiatedBy",
            "loggedByService",
            "operationType",
            "result",
            "resultReason",
            "targetResources",
        ],
        "signIns" => &[
            "id",
            "appDisplayName",
            "appId",
            "appliedConditionalAccessPolicies",
            "clientAppUsed",
            "conditionalAccessStatus",
            "correlationId",
            "createdDateTime",
            "deviceDetail",
            "ipAddress",
            "isInteractive",
            "location",
            "resourceDisplayName",
            "resourceId",
            "riskDetail",
            "riskEventTypes",
            "riskEventTypes_v2",
            "riskLevelAggregated",
            "riskLevelDuringSignIn",
            "riskState",
            "status",
            "userDisplayName",
            "userId",
            "userPrincipalName",
        ],
        _ => &[
            "id",
            "activityDateTime",
            "changeId",
            "cycleId",
            "durationInMilliseconds",
            "initiatedBy",
            "jobId",
            "modifiedProperties",
            "provisioningAction",
            "provisioningStatusInfo",
            "provisioningSteps",
            "servicePrincipal",
            "sourceIdentity",
            "sourceSystem",
            "targetIdentity",
            "targetSystem",
            "tenantId",
        ],
    }
}

/// An instant as the logs write it: text that sorts as time does.
pub(crate) fn log_time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
}

/// A user has got a token, through an application, for a resource.
pub(crate) fn signed_in(directory: &mut Directory, user: &str, app: &str, resource: &str, now: Timestamp) {
    let status = json!({ "errorCode": 0, "failureReason": "Other.", "additionalDetails": null });
    sign_in(directory, user, app, resource, &status, now);
}

/// A user has tried to, in vain.
pub(crate) fn sign_in_failed(
    directory: &mut Directory,
    user: &str,
    app: &str,
    number: u32,
    reason: &str,
    now: Timestamp,
) {
    let status = json!({ "errorCode": number, "failureReason": reason, "additionalDetails": null });
    sign_in(directory, user, app, app, &status, now);
}

fn sign_in(directory: &mut Directory, user: &str, app: &str, resource: &str, status: &Value, now: Timestamp) {
    let Some(found) = directory.get(user) else {
        return;
    };
    let (name, principal) = (
        found.text("displayName").map(str::to_owned),
        found.text("userPrincipalName").map(str::to_owned),
    );
    let application = directory
        .all(Kind::ServicePrincipal)
        .find(|object| object.text("appId") == Some(app))
        .and_then(|object| object.text("displayName"))
        .map(str::to_owned);
    let (id, correlation) = (directory.audit.ids.guid(), directory.audit.ids.guid());
    let entry = json!({
        "id": id,
        "createdDateTime": log_time(now),
        "userDisplayName": name,
        "userPrincipalName": principal,
        "userId": user,
        "appId": app,
        "appDisplayName": application,
        "ipAddress": "127.0.0.1",
        "clientAppUsed": "Browser",
        "correlationId": correlation,
        "conditionalAccessStatus": "notApplied",
        "isInteractive": true,
        "riskDetail": "none",
        "riskLevelAggregated": "none",
        "riskLevelDuringSignIn": "none",
        "riskState": "none",
        "riskEventTypes": [],
        "riskEventTypes_v2": [],
        "resourceDisplayName": resource,
        "resourceId": null,
        "status": status,
        "deviceDetail": {
            "deviceId": "", "displayName": "", "operatingSystem": "", "browser": "", "isCompliant": false,
            "isManaged": false, "trustType": "",
        },
        "location": {
            "city": "", "state": "", "countryOrRegion": "",
            "geoCoordinates": { "altitude": null, "latitude": null, "longitude": null },
        },
        "appliedConditionalAccessPolicies": [],
    });
    directory.audit.sign_ins.push(now, entry);
}
