//! Microsoft Graph: from an authorized request to the resource that answers it.

use crate::call::{Call, Outcome};
use crate::directory::Directory;
use crate::errors::Fail;
use crate::schema::Kind;
use crate::{
    applications, conditional_access, deleted, delta, groups, licenses, organization, roles,
    service_principals, users,
};

/// Answers one request. A refusal has changed nothing.
pub(crate) fn answer(directory: &mut Directory, call: &Call) -> Outcome {
    let outcome = routed(directory, call);
    directory.settle(call.now);
    outcome
}

fn routed(directory: &mut Directory, call: &Call) -> Outcome {
    let segments: Vec<&str> = call.segments.iter().map(String::as_str).collect();
    if let [segment, "delta" | "microsoft.graph.delta"] = segments.as_slice()
        && let Some(kind) = Kind::listed(segment)
    {
        if call.method != "GET" {
            return Err(Fail::method());
        }
        deleted::purge_old(directory, call.now);
        directory.settle(call.now);
        return delta::answer(directory, call, kind);
    }
    if call.options.delta_token.is_some() {
        return Err(Fail::unsupported(
            "'$deltatoken' is not supported by this resource.",
        ));
    }
    match segments.as_slice() {
        ["users", rest @ ..] => users::route(directory, call, rest),
        ["groups", rest @ ..] => groups::route(directory, call, rest),
        ["subscribedSkus", rest @ ..] => licenses::route(directory, call, rest),
        ["directoryRoles", rest @ ..] => roles::directory_roles(directory, call, rest),
        ["roleManagement", "directory", rest @ ..] => roles::route(directory, call, rest),
        ["directory", "deletedItems", rest @ ..] => deleted::route(directory, call, rest),
        ["organization", rest @ ..] => organization::organization(directory, call, rest),
        ["domains", rest @ ..] => organization::domains(directory, call, rest),
        ["applications", rest @ ..] => applications::route(directory, call, rest),
        ["servicePrincipals", rest @ ..] => service_principals::route(directory, call, rest),
        ["identity", "conditionalAccess", rest @ ..] => conditional_access::route(directory, call, rest),
        [segment, ..] => Err(Fail::segment(segment)),
        [] => Err(Fail::segment("")),
    }
}
