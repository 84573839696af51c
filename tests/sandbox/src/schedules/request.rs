//! What administrators ask for, and what comes of it.

use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use serde_json::{Map, Value, json};

use super::{Held, Schedule, Standing, advance, with_context};
use crate::call::{Answer, Call, Outcome};
use crate::clock::graph_time;
use crate::directory::Directory;
use crate::errors::Fail;
use crate::schema::unknown;
use crate::{custom_roles, roles};

/// A request for the time that a role is held.
struct Wish {
    from: Timestamp,
    until: Option<Timestamp>,
    expiration: Value,
}

/// "requestSchedule resource type", "expirationPattern resource type".
fn wish(body: &Map<String, Value>, now: Timestamp) -> Result<Wish, Fail> {
    let wrong = |what: &str| Fail::bad(format!("The property 'scheduleInfo' is invalid: {what}."));
    let info = body.get("scheduleInfo").and_then(Value::as_object);
    let info = info.ok_or_else(|| wrong("it is required for this action"))?;
    let instant = |value: Option<&Value>, name: &str| match value {
        None | Some(Value::Null) => Ok(None),
        Some(value) => {
            let at = value.as_str().and_then(|text| text.parse::<Timestamp>().ok());
            at.map(Some)
                .ok_or_else(|| wrong(&format!("{name} is no instant")))
        }
    };
    // What should have begun begins now, and has its whole duration.
    let from = instant(info.get("startDateTime"), "startDateTime")?.map_or(now, |from| from.max(now));
    let none = Map::new();
    let expiration = info.get("expiration").and_then(Value::as_object).unwrap_or(&none);
    let kind = expiration
        .get("type")
        .and_then(Value::as_str)
        .unwrap_or("noExpiration");
    let until = match kind {
        "noExpiration" | "notSpecified" => None,
        "afterDateTime" => Some(
            instant(expiration.get("endDateTime"), "endDateTime")?
                .ok_or_else(|| wrong("endDateTime is required"))?,
        ),
        "afterDuration" => {
            let duration = expiration.get("duration").and_then(Value::as_str);
            let span: Option<Span> = duration.and_then(|text| text.parse().ok());
            let span = span.ok_or_else(|| wrong("duration is required, in ISO 8601"))?;
            let end = TimeZone::UTC.to_datetime(from).checked_add(span).ok();
            let end = end.and_then(|end| TimeZone::UTC.to_timestamp(end).ok());
            Some(end.ok_or_else(|| wrong("duration is too long"))?)
        }
        _ => return Err(wrong("expiration has no such type")),
    };
    if until.is_some_and(|until| until <= from) {
        return Err(wrong("it ends before it begins"));
    }
    let expiration = json!({
        "type": kind, "endDateTime": until.map(graph_time), "duration": expiration.get("duration"),
    });
    Ok(Wish {
        from,
        until,
        expiration,
    })
}

/// Answers `POST .../role...ScheduleRequests`.
pub(super) fn request(directory: &mut Directory, call: &Call, standing: Standing) -> Outcome {
    let body = call.object()?;
    let text = |name: &str| body.get(name).and_then(Value::as_str);
    let odata_type = format!("microsoft.graph.unifiedRole{}ScheduleRequest", standing.word());
    for name in body.keys() {
        let known = [
            "action",
            "appScopeId",
            "directoryScopeId",
            "isValidationOnly",
            "justification",
            "principalId",
            "roleDefinitionId",
            "scheduleInfo",
            "targetScheduleId",
            "ticketInfo",
            "customData",
        ];
        if !name.contains('@') && !known.contains(&name.as_str()) {
            return Err(unknown(name, &odata_type));
        }
    }
    let required = |name: &str| {
        text(name).ok_or_else(|| Fail::bad(format!("The property '{name}' is required in the request.")))
    };
    let (action, principal) = (required("action")?, required("principalId")?);
    let (role, scope) = (required("roleDefinitionId")?, required("directoryScopeId")?);
    let role = custom_roles::role(directory, role)
        .ok_or_else(|| Fail::new(404, "RoleNotFound", "The role is not found."))?
        .id
        .to_owned();
    let subject = |fail: Fail| match fail.status {
        404 => Fail::new(404, "SubjectNotFound", "The subject is not found."),
        _ => fail,
    };
    let principal = roles::principal(directory, call, principal).map_err(subject)?;
    roles::check_scope(directory, call, &role, scope)?;
    let held = Held {
        principal,
        role,
        scope: scope.to_owned(),
    };
    let trial = body
        .get("isValidationOnly")
        .and_then(Value::as_bool)
        .unwrap_or(false);
    let done = act(directory, call, standing, action, &held, trial)?;
    let info = done.wish.map(|wish| {
        json!({ "startDateTime": graph_time(wish.from), "recurrence": null, "expiration": wish.expiration })
    });
    let made = json!({
        "id": done.id, "status": done.status, "createdDateTime": graph_time(call.now),
        "completedDateTime": graph_time(call.now), "approvalId": null, "customData": body.get("customData"),
        "createdBy": null, "action": action, "principalId": held.principal, "roleDefinitionId": held.role,
        "directoryScopeId": held.scope, "appScopeId": null, "isValidationOnly": trial,
        "targetScheduleId": done.schedule, "justification": text("justification"),
        "scheduleInfo": info,
        "ticketInfo": {
            "ticketNumber": body.get("ticketInfo").and_then(|ticket| ticket.get("ticketNumber")),
            "ticketSystem": body.get("ticketInfo").and_then(|ticket| ticket.get("ticketSystem")),
        },
    });
    let Value::Object(made) = made else {
        return Err(Fail::bad("The request cannot be kept."));
    };
    if !trial {
        directory.schedules.requests.push((standing, made.clone()));
    }
    let list = format!("roleManagement/directory/role{}ScheduleRequests", standing.word());
    let address = format!("{}/{list}/{}", call.root, done.id);
    let shown = with_context(call, &format!("{list}/$entity"), made.into());
    Ok(Answer::created(shown, address))
}

/// What has come of a request. Who takes a role away names no time.
struct Done {
    id: String,
    schedule: Option<String>,
    wish: Option<Wish>,
    status: &'static str,
}

/// Carries a request out.
fn act(
    directory: &mut Directory,
    call: &Call,
    standing: Standing,
    action: &str,
    held: &Held,
    trial: bool,
) -> Result<Done, Fail> {
    let known = directory.schedules.entries.iter();
    let place = known
        .enumerate()
        .find_map(|(place, entry)| (entry.standing == standing && entry.held == *held).then_some(place));
    let bare = standing == Standing::Assigned
        && directory.assignments.values().any(|assignment| {
            assignment.principal == held.principal
                && assignment.role == held.role
                && assignment.scope == held.scope
        });
    let missing = || {
        Fail::new(
            400,
            "RoleAssignmentDoesNotExist",
            "The Role assignment does not exist.",
        )
    };
    let id = directory.ids.guid();
    match action {
        "adminAssign" => {
            let asked = wish(call.object()?, call.now)?;
            if place.is_some() || bare {
                return Err(Fail::new(
                    400,
                    "RoleAssignmentExists",
                    "The Role assignment already exists.",
                ));
            }
            if !trial {
                directory.schedules.entries.push(Schedule {
                    id: id.clone(),
                    standing,
                    held: held.clone(),
                    from: asked.from,
                    until: asked.until,
                    created: call.now,
                    modified: None,
                    request: id.clone(),
                    expiration: asked.expiration.clone(),
                    in_force: false,
                });
                advance(directory, call.now);
            }
            Ok(Done {
                schedule: Some(id.clone()),
                id,
                wish: Some(asked),
                status: if trial { "Granted" } else { "Provisioned" },
            })
        }
        "adminUpdate" | "adminExtend" | "adminRenew" => {
            let asked = wish(call.object()?, call.now)?;
            let entry = place.and_then(|place| directory.schedules.entries.get_mut(place));
            let entry = entry.ok_or_else(missing)?;
            if !trial {
                entry.until = asked.until;
                entry.expiration = asked.expiration.clone();
                entry.modified = Some(call.now);
                // What has begun stays begun.
                if entry.from > call.now {
                    entry.from = asked.from;
                }
            }
            Ok(Done {
                schedule: Some(entry.id.clone()),
                id,
                wish: Some(asked),
                status: "Provisioned",
            })
        }
        "adminRemove" => {
            if place.is_none() && !bare {
                return Err(missing());
            }
            let of = place.and_then(|place| directory.schedules.entries.get(place));
            let of = of.map(|entry| entry.id.clone());
            if !trial {
                if let Some(place) = place {
                    directory.schedules.entries.remove(place);
                }
                if standing == Standing::Assigned {
                    roles::take(directory, &held.principal, &held.role, &held.scope);
                }
            }
            Ok(Done {
                schedule: of,
                id,
                wish: None,
                status: "Revoked",
            })
        }
        "selfActivate" | "selfDeactivate" | "selfExtend" | "selfRenew" => Err(Fail::denied()),
        _ => Err(Fail::bad("The property 'action' has no such value.")),
    }
}
