//! `/users` ("Create user", "Update user", "Delete a user", "List users", "Assign manager", ...).

mod relations;
mod write;

use serde_json::json;

use crate::call::{Answer, Call, Outcome};
use crate::clock::graph_time;
use crate::directory::{Directory, Object, ObjectRow};
use crate::errors::Fail;
use crate::odata::collection;
use crate::schema::Kind;
use crate::{deleted, directory_query, drive, licenses, mail, messages};
use relations::{check_member_groups, manager_of, member_of, read_manager, set_manager};
use write::{create, update};

/// What there is below a user.
const RELATIONS: [&str; 9] = [
    "assignLicense",
    "checkMemberGroups",
    "directReports",
    "licenseDetails",
    "manager",
    "memberOf",
    "revokeSignInSessions",
    "sendMail",
    "transitiveMemberOf",
];

/// Answers below `/users`.
pub(crate) fn route(directory: &mut Directory, call: &Call, rest: &[&str]) -> Outcome {
    match (rest, call.method.as_str()) {
        ([], "GET") => list(directory, call),
        ([], "POST") => create(directory, call),
        (["$count"], "GET") => directory_query::count(directory, call, Kind::User),
        ([key], "GET") => read(directory, call, key),
        ([key], "PATCH") => update(directory, call, key),
        ([key], "DELETE") => {
            let id = directory.seen(call, Some(Kind::User), key)?.id.clone();
            deleted::delete(directory, &id, call.now);
            Ok(Answer::done())
        }
        ([key, rest @ ..], _) => {
            let id = directory.seen(call, Some(Kind::User), key)?.id.clone();
            below(directory, call, &id, rest)
        }
        _ => Err(Fail::method()),
    }
}

fn below(directory: &mut Directory, call: &Call, id: &str, rest: &[&str]) -> Outcome {
    match (rest, call.method.as_str()) {
        (["manager"], "GET") => read_manager(directory, call, id),
        (["manager", "$ref"], "GET") => {
            let manager = directory.manager(id).ok_or_else(|| Fail::not_found("manager"))?;
            let address = format!("{}/directoryObjects/{}", call.root, manager.id);
            Ok(Answer::ok(
                json!({ "@odata.context": call.context("$ref"), "@odata.id": address }),
            ))
        }
        (["manager", "$ref"], "PUT") => {
            let manager = manager_of(directory, call, &call.reference()?)?;
            set_manager(directory, id, Some(&manager));
            Ok(Answer::done())
        }
        (["manager", "$ref"], "DELETE") => {
            if directory.manager(id).is_none() {
                return Err(Fail::not_found("manager"));
            }
            set_manager(directory, id, None);
            Ok(Answer::done())
        }
        (["directReports"], "GET") => {
            let reports = directory.objects_of(directory.reports.targets(id));
            directory_query::mixed(directory, call, reports)
        }
        (["memberOf"], "GET") => member_of(directory, call, id, false),
        (["transitiveMemberOf"], "GET") => member_of(directory, call, id, true),
        (
            [
                relation @ ("memberOf" | "transitiveMemberOf"),
                "microsoft.graph.group" | "graph.group",
            ],
            "GET",
        ) => {
            let direct: Vec<String> = directory.members.sources(id).cloned().collect();
            let ids = if *relation == "memberOf" {
                direct
            } else {
                directory.groups_above(id)
            };
            directory_query::cast(directory, call, Kind::Group, directory.objects_of(ids.iter()))
        }
        (["assignLicense"], "POST") => licenses::assign_to_user(directory, call, id),
        (["licenseDetails"], "GET") => licenses::details(directory, call, id),
        (["revokeSignInSessions" | "microsoft.graph.revokeSignInSessions"], "POST") => {
            let at = graph_time(call.now);
            directory.change(id, |user| {
                user.set("signInSessionsValidFromDateTime", at.as_str().into());
                user.set("refreshTokensValidFromDateTime", at.as_str().into());
            });
            Ok(Answer::ok(
                json!({ "@odata.context": call.context("Edm.Boolean"), "value": true }),
            ))
        }
        (["sendMail" | "microsoft.graph.sendMail"], "POST") => mail::send(directory, call, id),
        (["drive", rest @ ..], _) => drive::of_user(directory, call, id, rest),
        (["drives"], "GET") => drive::list_of_user(directory, call, id),
        (["messages", rest @ ..], _) => messages::route(directory, call, id, None, rest),
        (["mailFolders", folder, "messages", rest @ ..], _) => {
            messages::route(directory, call, id, Some(folder), rest)
        }
        (["checkMemberGroups"], "POST") => check_member_groups(directory, call, id),
        ([segment] | [segment, "$ref"], _) if RELATIONS.contains(segment) => Err(Fail::method()),
        ([segment, ..], _) => Err(Fail::segment(segment)),
        ([], _) => Err(Fail::method()),
    }
}

fn list(directory: &Directory, call: &Call) -> Outcome {
    directory_query::allowed(call, Kind::User)?;
    let filter = call.options.filter.as_ref();
    let pinned = |property: &str| filter.and_then(|filter| filter.pinned(property));
    // An equality on an indexed property is answered from the index; the filter is still applied whole.
    let found: Vec<&Object> = if let Some(employee) = pinned("employeeId") {
        directory
            .employees(employee)
            .filter(|object| object.kind == Kind::User)
            .collect()
    } else if let Some(key) = pinned("userPrincipalName").or_else(|| pinned("id")) {
        directory.user(key).into_iter().collect()
    } else {
        return collection(call, "users", rows(directory, call, directory.all(Kind::User)));
    };
    collection(call, "users", rows(directory, call, found.into_iter()))
}

fn rows<'a>(
    directory: &'a Directory,
    call: &'a Call,
    objects: impl Iterator<Item = &'a Object>,
) -> impl Iterator<Item = ObjectRow<'a>> {
    objects
        .filter(|object| object.seen_by(call))
        .map(|object| ObjectRow {
            directory,
            object,
            mixed: false,
        })
}

fn read(directory: &Directory, call: &Call, key: &str) -> Outcome {
    let user = directory.seen(call, Some(Kind::User), key)?;
    directory_query::single(directory, call, user)
}
