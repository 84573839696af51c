//! How schedules look from outside.

use serde_json::{Map, Value, json};

use super::{Held, Schedule, Standing};
use crate::call::Call;
use crate::clock::graph_time;
use crate::directory::Directory;
use crate::roles::{self, Assignment};

/// The requests, schedules (`s`) or instances of one standing.
pub(super) fn listed(directory: &Directory, call: &Call, standing: Standing, list: &str) -> Vec<Value> {
    let mut values: Vec<Value> = Vec::new();
    if list == "Requests" {
        let requests = directory.schedules.requests.iter();
        values.extend(
            requests
                .filter(|(of, _)| *of == standing)
                .map(|(_, body)| Value::Object(body.clone())),
        );
    } else {
        let entries = directory.schedules.entries.iter().filter(|entry| {
            let begun = list == "s" || entry.from <= call.now;
            entry.standing == standing && begun && directory.get(&entry.held.principal).is_some()
        });
        values.extend(entries.map(|entry| match list {
            "s" => schedule(entry),
            _ => instance(entry),
        }));
        if standing == Standing::Assigned {
            // What was assigned without a schedule shows like one without an end.
            let bare = directory.assignments.values().filter(|held| {
                !directory
                    .schedules
                    .covers(&held.principal, &held.role, &held.scope)
            });
            values.extend(bare.map(|held| permanent(held, list == "s")));
        }
    }
    for value in &mut values {
        for expand in &call.options.expand {
            let text = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
            let object = |id: &str| {
                directory
                    .get(id)
                    .map(|object| directory.typed(object, &expand.select))
            };
            let shown = match expand.relation.as_str() {
                "principal" => object(&text("principalId")),
                "roleDefinition" => roles::definition_of(directory, call, &text("roleDefinitionId")),
                "directoryScope" => object(text("directoryScopeId").rsplit('/').next().unwrap_or_default()),
                _ => None,
            };
            value[&expand.relation] = shown.unwrap_or(Value::Null);
        }
    }
    values
}

fn base(held: &Held) -> Map<String, Value> {
    Map::from_iter([
        ("principalId".to_owned(), held.principal.as_str().into()),
        ("roleDefinitionId".to_owned(), held.role.as_str().into()),
        ("directoryScopeId".to_owned(), held.scope.as_str().into()),
        ("appScopeId".to_owned(), Value::Null),
        ("memberType".to_owned(), "Direct".into()),
    ])
}

fn extended(mut map: Map<String, Value>, more: Value) -> Value {
    if let Value::Object(more) = more {
        map.extend(more);
    }
    map.into()
}

fn schedule(entry: &Schedule) -> Value {
    let mut value = extended(
        base(&entry.held),
        json!({
            "id": entry.id, "createdUsing": entry.request, "createdDateTime": graph_time(entry.created),
            "modifiedDateTime": entry.modified.map(graph_time), "status": "Provisioned",
            "scheduleInfo": info(entry),
        }),
    );
    if entry.standing == Standing::Assigned {
        value["assignmentType"] = "Assigned".into();
    }
    value
}

fn instance(entry: &Schedule) -> Value {
    let mut value = extended(
        base(&entry.held),
        json!({
            "id": entry.id, "startDateTime": graph_time(entry.from),
            "endDateTime": entry.until.map(graph_time),
        }),
    );
    value[format!("role{}ScheduleId", entry.standing.word())] = entry.id.as_str().into();
    if entry.standing == Standing::Assigned {
        value["assignmentType"] = "Assigned".into();
        value["roleAssignmentOriginId"] = entry.id.as_str().into();
    }
    value
}

fn permanent(held: &Assignment, schedule: bool) -> Value {
    let map = base(&Held {
        principal: held.principal.clone(),
        role: held.role.clone(),
        scope: held.scope.clone(),
    });
    let own = if schedule {
        json!({
            "id": held.id, "createdUsing": held.id, "createdDateTime": null, "modifiedDateTime": null,
            "status": "Provisioned", "assignmentType": "Assigned",
            "scheduleInfo": {
                "startDateTime": null, "recurrence": null,
                "expiration": { "type": "noExpiration", "endDateTime": null, "duration": null },
            },
        })
    } else {
        json!({
            "id": held.id, "startDateTime": null, "endDateTime": null, "assignmentType": "Assigned",
            "roleAssignmentOriginId": held.id, "roleAssignmentScheduleId": held.id,
        })
    };
    extended(map, own)
}

fn info(entry: &Schedule) -> Value {
    json!({
        "startDateTime": graph_time(entry.from), "recurrence": null, "expiration": entry.expiration,
    })
}
