//! Microsoft Graph: from an authorized request to the resource that answers it.

use crate::audit::{self, Author};
use crate::call::{Call, Outcome};
use crate::directory::Directory;
use crate::errors::Fail;
use crate::schema::Kind;
use crate::{
    access_packages, applications, conditional_access, deleted, delta, directory_objects, directory_roles,
    drive, groups, licenses, organization, provisioning, roles, schedules, service_principals, subscriptions,
    units, users,
};

/// Answers one request. A refusal has changed nothing.
pub(crate) fn answer(directory: &mut Directory, call: &Call) -> Outcome {
    provisioning::run(directory, call.now);
    let roles = audit::roles_before(directory, call);
    let outcome = routed(directory, call);
    audit::settle(directory, &Author::of(call), roles);
    outcome
}

fn routed(directory: &mut Directory, call: &Call) -> Outcome {
    schedules::advance(directory, call.now);
    access_packages::advance(directory, call.now);
    let segments: Vec<&str> = call.segments.iter().map(String::as_str).collect();
    if let [collection @ .., "delta" | "microsoft.graph.delta"] = segments.as_slice()
        && let Some(kind) = Kind::tracked(collection)
    {
        if call.method != "GET" {
            return Err(Fail::method());
        }
        deleted::purge_old(directory, call.now);
        audit::settle(directory, &Author::of(call), None);
        return delta::answer(directory, call, kind);
    }
    if call.options.delta_token.is_some() {
        return Err(Fail::unsupported(
            "'$deltatoken' is not supported by this resource.",
        ));
    }
    let contains = call
        .options
        .filter
        .as_ref()
        .is_some_and(crate::odata::Expr::contains);
    if contains && segments.first() != Some(&"auditLogs") {
        return Err(Fail::unsupported("Unsupported filter function 'contains'."));
    }
    match segments.as_slice() {
        ["users", rest @ ..] => users::route(directory, call, rest),
        ["groups", rest @ ..] => groups::route(directory, call, rest),
        ["subscribedSkus", rest @ ..] => licenses::route(directory, call, rest),
        ["directoryObjects", rest @ ..] => directory_objects::route(directory, call, rest),
        ["directoryRoles", rest @ ..] => directory_roles::route(directory, call, rest),
        ["directoryRoleTemplates", rest @ ..] => directory_roles::templates(call, rest),
        ["roleManagement", "directory", rest @ ..] => roles::route(directory, call, rest),
        ["directory", "deletedItems", rest @ ..] => deleted::route(directory, call, rest),
        ["directory", "administrativeUnits", rest @ ..] => units::route(directory, call, rest),
        ["organization", rest @ ..] => organization::organization(directory, call, rest),
        ["domains", rest @ ..] => organization::domains(directory, call, rest),
        ["applications", rest @ ..] => applications::route(directory, call, rest),
        ["identityGovernance", "entitlementManagement", rest @ ..] => {
            access_packages::route(directory, call, rest)
        }
        ["identity", "conditionalAccess", rest @ ..] => conditional_access::route(directory, call, rest),
        ["auditLogs", rest @ ..] => audit::route(directory, call, rest),
        ["drives", rest @ ..] => drive::route(directory, call, rest),
        ["subscriptions", rest @ ..] => subscriptions::route(directory, call, rest),
        ["servicePrincipals", key, "synchronization", rest @ ..] => {
            provisioning::route(directory, call, key, rest)
        }
        ["servicePrincipals", rest @ ..] => service_principals::route(directory, call, rest),
        // There is no user behind an application's token.
        ["me", ..] => Err(Fail::syntax(
            "/me request is only valid with delegated authentication flow.",
        )),
        [segment, ..] => Err(Fail::segment(segment)),
        [] => Err(Fail::segment("")),
    }
}
