//! Microsoft Graph: from an authorized request to the resource that answers it.

use crate::call::{Call, Outcome};
use crate::directory::Directory;
use crate::errors::Fail;
use crate::{deleted, groups, licenses, organization, roles, users};

/// Answers one request. A refusal has changed nothing.
pub(crate) fn answer(directory: &mut Directory, call: &Call) -> Outcome {
    let segments: Vec<&str> = call.segments.iter().map(String::as_str).collect();
    match segments.as_slice() {
        ["users", rest @ ..] => users::route(directory, call, rest),
        ["groups", rest @ ..] => groups::route(directory, call, rest),
        ["subscribedSkus", rest @ ..] => licenses::route(directory, call, rest),
        ["directoryRoles", rest @ ..] => roles::directory_roles(directory, call, rest),
        ["roleManagement", "directory", rest @ ..] => roles::route(directory, call, rest),
        ["directory", "deletedItems", rest @ ..] => deleted::route(directory, call, rest),
        ["organization", rest @ ..] => organization::organization(directory, call, rest),
        ["domains", rest @ ..] => organization::domains(directory, call, rest),
        ["servicePrincipals", rest @ ..] => organization::service_principals(directory, call, rest),
        [segment, ..] => Err(Fail::segment(segment)),
        [] => Err(Fail::segment("")),
    }
}
