//! `/users` ("Create user", "Update user", "Delete a user", "List users", "Assign manager", ...).

mod write;

use serde_json::json;

use crate::call::{Answer, Call, Outcome};
use crate::clock::graph_time;
use crate::directory::{Directory, Object, ObjectRow};
use crate::errors::Fail;
use crate::odata::collection;
use crate::schema::Kind;
use crate::{
    app_roles, authentication, deleted, directory_objects, directory_query, drive, licenses, mail, mailbox,
    message_rules, messages, relations, sponsors, units,
};
use write::{create, manager_of, set_manager, update};

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
        (["manager", rest @ ..], _) => managers(directory, call, id, rest),
        (["directReports", rest @ ..], _) => {
            let reports = directory.objects_of(directory.reports.targets(id));
            relations::answer(directory, call, reports, rest)
        }
        (["memberOf", rest @ ..], _) => {
            relations::answer(directory, call, relations::member_of(directory, id), rest)
        }
        (["transitiveMemberOf", rest @ ..], _) => {
            let found = relations::transitive_member_of(directory, id);
            relations::answer(directory, call, found, rest)
        }
        (["ownedObjects", rest @ ..], _) => {
            let owned = directory.objects_of(directory.owners.sources(id));
            relations::answer(directory, call, owned, rest)
        }
        (["sponsors", rest @ ..], _) => sponsors::route(directory, call, id, rest),
        (["sponsorOf", rest @ ..], _) => sponsors::sponsored(directory, call, id, rest),
        (["scopedRoleMemberOf"], "GET") => units::scoped(directory, call, |held| held.principal == id),
        (["assignLicense"], "POST") => licenses::assign_to_user(directory, call, id),
        (["licenseDetails"], "GET") => licenses::details(directory, call, id),
        (["revokeSignInSessions" | "microsoft.graph.revokeSignInSessions"], "POST") => {
            let at = graph_time(call.now);
            directory.change(id, |user| {
                user.set("signInSessionsValidFromDateTime", at.as_str().into());
                user.sessions_revoked += 1;
                user.set("refreshTokensValidFromDateTime", at.as_str().into());
            });
            Ok(Answer::ok(
                json!({ "@odata.context": call.context("Edm.Boolean"), "value": true }),
            ))
        }
        (["sendMail" | "microsoft.graph.sendMail"], "POST") => mail::send(directory, call, id),
        (["mailboxSettings"], "GET") => mailbox::read(directory, call, id),
        (["mailboxSettings"], "PATCH") => mailbox::update(directory, call, id),
        (["mailboxSettings", name], "GET") => mailbox::one(directory, call, id, name),
        (["appRoleAssignments", rest @ ..], _) => app_roles::granted(directory, call, id, rest),
        (["authentication", rest @ ..], _) => authentication::route(directory, call, id, rest),
        ([action], "POST") if directory_objects::is_action(action) => {
            directory_objects::act(directory, call, id, action)
        }
        (
            []
            | [
                "scopedRoleMemberOf"
                | "assignLicense"
                | "licenseDetails"
                | "mailboxSettings"
                | "revokeSignInSessions"
                | "sendMail",
            ],
            _,
        ) => Err(Fail::method()),
        ([action], _) if directory_objects::is_action(action) => Err(Fail::method()),
        (["drive", rest @ ..], _) => drive::of_user(directory, call, id, rest),
        (["drives"], "GET") => drive::list_of_user(directory, call, id),
        (["messages", rest @ ..], _) => messages::route(directory, call, id, None, rest),
        (["mailFolders", "inbox", "messageRules", rest @ ..], _) => {
            message_rules::route(directory, call, id, rest)
        }
        (["mailFolders", folder, "messages", rest @ ..], _) => {
            messages::route(directory, call, id, Some(folder), rest)
        }
        ([segment, ..], _) => Err(Fail::segment(segment)),
    }
}

fn managers(directory: &mut Directory, call: &Call, id: &str, rest: &[&str]) -> Outcome {
    let manager = directory.manager(id).filter(|manager| manager.seen_by(call));
    let manager = manager.ok_or_else(|| Fail::not_found("manager"));
    match (rest, call.method.as_str()) {
        ([], "GET") => directory_query::typed_entity(directory, call, manager?),
        (["$ref"], "GET") => {
            let address = format!("{}/directoryObjects/{}", call.root, manager?.id);
            Ok(Answer::ok(
                json!({ "@odata.context": call.context("$ref"), "@odata.id": address }),
            ))
        }
        (["$ref"], "PUT") => {
            let manager = manager_of(directory, call, &call.reference()?)?;
            set_manager(directory, id, Some(&manager));
            Ok(Answer::done())
        }
        (["$ref"], "DELETE") => {
            manager?;
            set_manager(directory, id, None);
            Ok(Answer::done())
        }
        ([] | ["$ref"], _) => Err(Fail::method()),
        ([segment, ..], _) => Err(Fail::segment(segment)),
    }
}

/// "Some properties cannot be returned within a user collection": those that are kept outside the directory.
const ALONE: [&str; 10] = [
    "aboutMe",
    "birthday",
    "hireDate",
    "interests",
    "mySite",
    "pastProjects",
    "preferredName",
    "responsibilities",
    "schools",
    "skills",
];

/// What is known of a user's sign-ins ("signInActivity resource type").
const ACTIVITY: &str = "signInActivity";
/// "When you specify $select=signInActivity or $filter=signInActivity, the maximum page size is 500."
const ACTIVITY_PAGE: usize = 500;

/// What holds for lists alone.
fn listable(call: &Call) -> Result<Call, Fail> {
    let options = &call.options;
    let is = |name: &str, known: &str| name.eq_ignore_ascii_case(known);
    if let Some(name) = options
        .select
        .iter()
        .find(|name| ALONE.iter().any(|alone| is(name, alone)))
    {
        return Err(Fail::new(
            501,
            "NotImplemented",
            format!("Property '{name}' can be read of a single user only."),
        ));
    }
    let paths = options.filter.iter().flat_map(|filter| filter.paths());
    let filtered: Vec<bool> = paths
        .map(|path| path.first().is_some_and(|first| is(first, ACTIVITY)))
        .collect();
    if filtered.contains(&true) && filtered.contains(&false) {
        return Err(Fail::unsupported(
            "Filters on 'signInActivity' cannot be combined with filters on other properties.",
        ));
    }
    let mut call = call.with_options(options.clone());
    if filtered.contains(&true) || options.select.iter().any(|name| is(name, ACTIVITY)) {
        call.options.top = options
            .top
            .map(|top| if top < 1000 { top.min(ACTIVITY_PAGE) } else { top });
    }
    Ok(call)
}

fn list(directory: &Directory, call: &Call) -> Outcome {
    directory_query::allowed(call, Kind::User)?;
    let call = &listable(call)?;
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
    let selected = call.options.select.iter();
    let activity = selected
        .into_iter()
        .any(|name| name.eq_ignore_ascii_case(ACTIVITY));
    if activity && !user.id.eq_ignore_ascii_case(key) {
        return Err(Fail::syntax(
            "Get By Key only supports UserId and the key has to be a valid Guid",
        ));
    }
    directory_query::single(directory, call, user)
}
