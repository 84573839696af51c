//! What a user is linked to: manager, groups, roles.

use serde_json::{Map, Value, json};

use crate::call::{Answer, Call, Outcome};
use crate::directory::Directory;
use crate::errors::Fail;
use crate::odata::{ValueRow, collection};
use crate::schema::Kind;
use crate::{directory_query, roles};

pub(super) fn read_manager(directory: &Directory, call: &Call, id: &str) -> Outcome {
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

pub(super) fn member_of(directory: &Directory, call: &Call, id: &str, transitive: bool) -> Outcome {
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

pub(super) fn check_member_groups(directory: &Directory, call: &Call, id: &str) -> Outcome {
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
