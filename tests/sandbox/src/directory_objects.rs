//! `/directoryObjects`, and the membership actions that every directory object has ("Get directoryObjects from a list
//! of IDs", "Get member groups", "Get member objects", "Check member groups", "Check member objects").

use serde_json::{Value, json};

use crate::call::{Answer, Call, Outcome};
use crate::directory::{Directory, Object};
use crate::errors::Fail;
use crate::schema::Kind;
use crate::{deleted, directory_query, members, relations};

/// "You can specify up to 1000 IDs."
const MOST_IDS: usize = 1_000;
/// "You can check up to a maximum of 20 groups per request."
const MOST_CHECKED: usize = 20;
/// "The maximum number of groups returned is 11,000."
const MOST_FOUND: usize = 11_000;

/// Answers below `/directoryObjects`.
pub(crate) fn route(directory: &mut Directory, call: &Call, rest: &[&str]) -> Outcome {
    match (rest, call.method.as_str()) {
        ([] | ["$count"], "GET") => Err(Fail::unsupported(
            "The directory objects of all types cannot be listed together.",
        )),
        (["getByIds" | "microsoft.graph.getByIds"], "POST") => by_ids(directory, call),
        ([key], "GET") => {
            let object = directory.seen(call, None, key)?;
            directory_query::typed_entity(directory, call, object)
        }
        ([key], "DELETE") => delete(directory, call, key),
        ([key, action], "POST") if is_action(action) => {
            let id = directory.seen(call, None, key)?.id.clone();
            act(directory, call, &id, action)
        }
        ([] | [_], _) => Err(Fail::method()),
        ([_, action], _) if is_action(action) => Err(Fail::method()),
        ([_, segment, ..], _) => Err(Fail::segment(segment)),
    }
}

fn delete(directory: &mut Directory, call: &Call, key: &str) -> Outcome {
    let object = directory.seen(call, None, key)?;
    match object.kind {
        Kind::Group => members::not_synced(object)?,
        Kind::DirectoryRole => return Err(Fail::method()),
        _ => {}
    }
    let id = object.id.clone();
    deleted::delete(directory, &id, call.now);
    Ok(Answer::done())
}

/// Ids that nothing has, or that have another type, are left out.
fn by_ids(directory: &Directory, call: &Call) -> Outcome {
    let ids = texts(call, "ids")?.ok_or_else(|| Fail::bad("The parameter 'ids' is required."))?;
    if ids.len() > MOST_IDS {
        return Err(Fail::bad(format!(
            "Too many ids: {} were given, at most {MOST_IDS} may be.",
            ids.len()
        )));
    }
    // "If not specified, the default is directoryObject, which contains all of the resource types."
    let types = texts(call, "types")?.unwrap_or_default();
    let wanted = |object: &Object| {
        types.is_empty()
            || types.iter().any(|name| {
                let bare = name
                    .trim_start_matches('#')
                    .trim_start_matches("microsoft.graph.");
                bare.eq_ignore_ascii_case("directoryObject")
                    || Some(bare) == object.kind.odata_type().rsplit('.').next()
            })
    };
    let mut found: Vec<&Object> = Vec::new();
    for id in ids {
        if let Ok(object) = directory.seen(call, None, id)
            && wanted(object)
            && !found.iter().any(|known| known.id == object.id)
        {
            found.push(object);
        }
    }
    found.sort_by_key(|object| object.place);
    directory_query::mixed(directory, call, found)
}

/// Whether a segment is one of the actions of [`act`].
pub(crate) fn is_action(segment: &str) -> bool {
    matches!(
        segment.trim_start_matches("microsoft.graph."),
        "checkMemberGroups" | "checkMemberObjects" | "getMemberGroups" | "getMemberObjects"
    )
}

/// Answers a membership action of an object that exists. All of them look through groups in groups.
pub(crate) fn act(directory: &Directory, call: &Call, id: &str, action: &str) -> Outcome {
    let above = relations::transitive_member_of(directory, id);
    let is_group = |object: &&Object| object.kind == Kind::Group;
    let held: Vec<&str> = match action.trim_start_matches("microsoft.graph.") {
        "checkMemberGroups" => checked(call, "groupIds", &mut above.into_iter().filter(is_group))?,
        "checkMemberObjects" => checked(call, "ids", &mut above.into_iter())?,
        name => {
            let secure = match call.object()?.get("securityEnabledOnly") {
                None => false,
                Some(value) => value.as_bool().ok_or_else(|| {
                    Fail::syntax("The parameter 'securityEnabledOnly' must be true or false.")
                })?,
            };
            let user = directory
                .get(id)
                .is_some_and(|object| matches!(object.kind, Kind::User | Kind::ServicePrincipal));
            if secure && !user {
                return Err(Fail::bad(
                    "The parameter 'securityEnabledOnly' can be true for users and service principals only.",
                ));
            }
            let groups_only = name == "getMemberGroups";
            let wanted = |object: &&Object| {
                let group = object.kind == Kind::Group;
                (group || !groups_only) && (!secure || !group || object.truth("securityEnabled"))
            };
            above
                .into_iter()
                .filter(wanted)
                .map(|object| object.id.as_str())
                .collect()
        }
    };
    if held.len() > MOST_FOUND {
        return Err(Fail::new(
            400,
            "Directory_ResultSizeLimitExceeded",
            format!("The number of objects is above {MOST_FOUND}."),
        ));
    }
    Ok(Answer::ok(
        json!({ "@odata.context": call.context("Collection(Edm.String)"), "value": held }),
    ))
}

/// The asked ids that are among those, as they were asked.
fn checked<'a>(
    call: &'a Call,
    parameter: &str,
    among: &mut dyn Iterator<Item = &Object>,
) -> Result<Vec<&'a str>, Fail> {
    let asked = texts(call, parameter)?;
    let asked = asked.ok_or_else(|| Fail::bad(format!("The parameter '{parameter}' is required.")))?;
    if asked.len() > MOST_CHECKED {
        return Err(Fail::bad(format!(
            "Too many ids: at most {MOST_CHECKED} may be checked at once."
        )));
    }
    let held: Vec<&str> = among.map(|object| object.id.as_str()).collect();
    let held = |id: &&str| held.iter().any(|known| known.eq_ignore_ascii_case(id));
    Ok(asked.into_iter().filter(held).collect())
}

/// A list of texts in the body; `None` where it is absent.
fn texts<'a>(call: &'a Call, name: &str) -> Result<Option<Vec<&'a str>>, Fail> {
    let wrong = || Fail::syntax(format!("The parameter '{name}' must be a list of texts."));
    match call.object()?.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Array(items)) => {
            let texts: Option<Vec<&str>> = items.iter().map(Value::as_str).collect();
            texts.map(Some).ok_or_else(wrong)
        }
        Some(_) => Err(wrong()),
    }
}
