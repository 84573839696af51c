//! Which application permissions a Graph request needs ("Permissions" of each operation's page, "Microsoft Graph
//! permissions reference"), and in which words a service refuses a token that has none of them.
//!
//! A permission counts for the operation as a whole: what a basic one hides of a user, and whose applications an
//! `OwnedBy` one reaches, is not looked at. Operations that stand in no table here are open to every token, and so is
//! everything to the token of a user, whose rights come from roles.

use serde_json::Value;

use crate::call::Call;
use crate::directory::Directory;
use crate::errors::Fail;
use crate::schema::Kind;

/// Permissions of which one is enough.
type Any = &'static [&'static str];

const READ_USERS: Any = &[
    "User.ReadBasic.All",
    "User.Read.All",
    "User.ReadWrite.All",
    "Directory.Read.All",
    "Directory.ReadWrite.All",
];
const WRITE_USERS: Any = &["User.ReadWrite.All", "Directory.ReadWrite.All"];
const DELETE_USERS: Any = &[
    "User.DeleteRestore.All",
    "User.ReadWrite.All",
    "Directory.ReadWrite.All",
];
const ENABLE_USERS: Any = &[
    "User.EnableDisableAccount.All",
    "User.ReadWrite.All",
    "Directory.ReadWrite.All",
];
const SET_PASSWORDS: Any = &["User-PasswordProfile.ReadWrite.All"];
const REVOKE_SESSIONS: Any = &[
    "User.RevokeSessions.All",
    "User.ReadWrite.All",
    "Directory.ReadWrite.All",
];
const READ_GROUPS: Any = &[
    "GroupMember.Read.All",
    "GroupMember.ReadWrite.All",
    "Group.Read.All",
    "Group.ReadWrite.All",
    "Directory.Read.All",
    "Directory.ReadWrite.All",
];
const CREATE_GROUPS: Any = &["Group.Create", "Group.ReadWrite.All", "Directory.ReadWrite.All"];
const WRITE_GROUPS: Any = &["Group.ReadWrite.All", "Directory.ReadWrite.All"];
const WRITE_MEMBERS: Any = &[
    "GroupMember.ReadWrite.All",
    "Group.ReadWrite.All",
    "Directory.ReadWrite.All",
];
const READ_MEMBERSHIPS: Any = &[
    "User.Read.All",
    "User.ReadWrite.All",
    "GroupMember.Read.All",
    "GroupMember.ReadWrite.All",
    "Group.Read.All",
    "Group.ReadWrite.All",
    "Application.Read.All",
    "Application.ReadWrite.All",
    "Directory.Read.All",
    "Directory.ReadWrite.All",
];
const READ_LICENSES: Any = &[
    "LicenseAssignment.Read.All",
    "LicenseAssignment.ReadWrite.All",
    "Organization.Read.All",
    "Organization.ReadWrite.All",
    "User.Read.All",
    "User.ReadWrite.All",
    "Directory.Read.All",
    "Directory.ReadWrite.All",
];
const LICENSE_USERS: Any = &[
    "LicenseAssignment.ReadWrite.All",
    "User.ReadWrite.All",
    "Directory.ReadWrite.All",
];
const LICENSE_GROUPS: Any = &[
    "LicenseAssignment.ReadWrite.All",
    "Group.ReadWrite.All",
    "Directory.ReadWrite.All",
];
const READ_ROLES: Any = &[
    "RoleManagement.Read.Directory",
    "RoleManagement.Read.All",
    "RoleManagement.ReadWrite.Directory",
    "Directory.Read.All",
    "Directory.ReadWrite.All",
];
const WRITE_ROLES: Any = &["RoleManagement.ReadWrite.Directory"];
const READ_ELIGIBILITY: Any = &[
    "RoleEligibilitySchedule.Read.Directory",
    "RoleEligibilitySchedule.ReadWrite.Directory",
    "RoleManagement.Read.Directory",
    "RoleManagement.Read.All",
    "RoleManagement.ReadWrite.Directory",
];
const WRITE_ELIGIBILITY: Any = &[
    "RoleEligibilitySchedule.ReadWrite.Directory",
    "RoleManagement.ReadWrite.Directory",
];
const READ_SCHEDULES: Any = &[
    "RoleAssignmentSchedule.Read.Directory",
    "RoleAssignmentSchedule.ReadWrite.Directory",
    "RoleManagement.Read.Directory",
    "RoleManagement.Read.All",
    "RoleManagement.ReadWrite.Directory",
];
const WRITE_SCHEDULES: Any = &[
    "RoleAssignmentSchedule.ReadWrite.Directory",
    "RoleManagement.ReadWrite.Directory",
];
const READ_UNITS: Any = &[
    "AdministrativeUnit.Read.All",
    "AdministrativeUnit.ReadWrite.All",
    "Directory.Read.All",
    "Directory.ReadWrite.All",
];
const WRITE_UNITS: Any = &["AdministrativeUnit.ReadWrite.All", "Directory.ReadWrite.All"];
const READ_APPLICATIONS: Any = &[
    "Application.Read.All",
    "Application.ReadWrite.OwnedBy",
    "Application.ReadWrite.All",
    "Directory.Read.All",
    "Directory.ReadWrite.All",
];
const WRITE_APPLICATIONS: Any = &[
    "Application.ReadWrite.OwnedBy",
    "Application.ReadWrite.All",
    "Directory.ReadWrite.All",
];
const READ_GRANTS: Any = &[
    "AppRoleAssignment.ReadWrite.All",
    "Application.Read.All",
    "Application.ReadWrite.All",
    "Directory.Read.All",
    "Directory.ReadWrite.All",
];
const WRITE_GRANTS: Any = &["AppRoleAssignment.ReadWrite.All"];
const READ_METHODS: Any = &[
    "UserAuthenticationMethod.Read.All",
    "UserAuthenticationMethod.ReadWrite.All",
];
const WRITE_METHODS: Any = &["UserAuthenticationMethod.ReadWrite.All"];
const READ_MAIL: Any = &["Mail.ReadBasic.All", "Mail.Read", "Mail.ReadWrite"];
const SEND_MAIL: Any = &["Mail.Send"];
const READ_MAILBOX_SETTINGS: Any = &["MailboxSettings.Read", "MailboxSettings.ReadWrite"];
const WRITE_MAILBOX_SETTINGS: Any = &["MailboxSettings.ReadWrite"];
const READ_FILES: Any = &[
    "Files.Read.All",
    "Files.ReadWrite.All",
    "Sites.Read.All",
    "Sites.ReadWrite.All",
];
const WRITE_FILES: Any = &["Files.ReadWrite.All", "Sites.ReadWrite.All"];
const READ_LOGS: Any = &["AuditLog.Read.All"];
const READ_POLICIES: Any = &["Policy.Read.All", "Policy.Read.ConditionalAccess"];
const READ_ORGANIZATION: Any = &[
    "Organization.Read.All",
    "Organization.ReadWrite.All",
    "Directory.Read.All",
    "Directory.ReadWrite.All",
];
const READ_DOMAINS: Any = &[
    "Domain.Read.All",
    "Domain.ReadWrite.All",
    "Directory.Read.All",
    "Directory.ReadWrite.All",
];
const READ_PACKAGES: Any = &[
    "EntitlementManagement.Read.All",
    "EntitlementManagement.ReadWrite.All",
];
const WRITE_PACKAGES: Any = &["EntitlementManagement.ReadWrite.All"];
const UPLOAD: Any = &[
    "SynchronizationData-User.Upload",
    "SynchronizationData-User.Upload.OwnedBy",
];

/// Whose words a refusal has.
#[derive(Debug, Clone, Copy)]
enum Service {
    Directory,
    Exchange,
    Drive,
    Methods,
    Policies,
    Privileged,
    Reports,
}

impl Service {
    fn refusal(self, need: Any) -> Fail {
        let new = |code: &'static str, message: String| Fail::new(403, code, message);
        match self {
            Self::Directory => Fail::denied(),
            Self::Exchange => new(
                "ErrorAccessDenied",
                "Access is denied. Check credentials and try again.".to_owned(),
            ),
            Self::Drive => new("accessDenied", "Access denied".to_owned()),
            Self::Methods => new("accessDenied", "Request Authorization failed".to_owned()),
            Self::Policies => new(
                "AccessDenied",
                "You cannot perform the requested operation, required scopes are missing in the token."
                    .to_owned(),
            ),
            Self::Privileged => {
                let inner = serde_json::json!({
                    "errorCode": "PermissionScopeNotGranted",
                    "message": format!("Authorization failed due to missing permission scope {}.", need.join(",")),
                    "instanceAnnotations": [],
                });
                new("UnknownError", inner.to_string())
            }
            Self::Reports => new(
                "Authentication_MSGraphPermissionMissing",
                format!(
                    "The principal does not have required Microsoft Graph permission(s): {} to call this API. For more \
                     information about Microsoft Graph permissions, please visit \
                     https://learn.microsoft.com/graph/permissions-overview.",
                    need.join(",")
                ),
            ),
        }
    }
}

/// Whether the claims of a token allow the request.
///
/// # Errors
/// 403, in the words of the service that refuses.
pub(crate) fn check(directory: &Directory, call: &Call, claims: &Value) -> Result<(), Fail> {
    if claims["idtyp"] != "app" {
        return Ok(());
    }
    let held = claims["roles"].as_array().map(Vec::as_slice).unwrap_or_default();
    let has = |need: Any| {
        held.iter()
            .any(|role| role.as_str().is_some_and(|role| need.contains(&role)))
    };
    let segments: Vec<&str> = call.segments.iter().map(String::as_str).collect();
    let (service, need) = needed(call, &segments);
    let need = need.into_iter().chain(besides(directory, call, &segments));
    match need.into_iter().find(|need| !has(need)) {
        Some(missing) => Err(service.refusal(missing)),
        None => Ok(()),
    }
}

fn needed(call: &Call, segments: &[&str]) -> (Service, Option<Any>) {
    use Service::{Directory, Drive, Exchange, Methods, Policies, Privileged, Reports};
    let get = call.method == "GET";
    let either = |read: Any, write: Any| Some(if get { read } else { write });
    let in_directory = |need: Option<Any>| (Directory, need);
    match segments {
        ["users", _, "mailboxSettings", ..] => {
            (Exchange, either(READ_MAILBOX_SETTINGS, WRITE_MAILBOX_SETTINGS))
        }
        ["users", _, "sendMail"] => (Exchange, Some(SEND_MAIL)),
        ["users", _, "messages" | "mailFolders", ..] => (Exchange, Some(READ_MAIL)),
        ["users", _, "drive", ..] | ["drives", ..] => (Drive, either(READ_FILES, WRITE_FILES)),
        ["users", _, "authentication", ..] => (Methods, either(READ_METHODS, WRITE_METHODS)),
        ["auditLogs", "directoryAudits" | "signIns" | "provisioning", ..] => (Reports, Some(READ_LOGS)),
        ["identity", "conditionalAccess", ..] => (Policies, Some(READ_POLICIES)),
        ["roleManagement", "directory", kind, ..] if kind.starts_with("roleEligibilitySchedule") => {
            (Privileged, either(READ_ELIGIBILITY, WRITE_ELIGIBILITY))
        }
        ["roleManagement", "directory", kind, ..] if kind.starts_with("roleAssignmentSchedule") => {
            (Privileged, either(READ_SCHEDULES, WRITE_SCHEDULES))
        }
        ["roleManagement", "directory", ..]
        | ["directoryRoles" | "directoryRoleTemplates", ..]
        | ["directory", "administrativeUnits", _, "scopedRoleMembers", ..] => {
            in_directory(either(READ_ROLES, WRITE_ROLES))
        }
        ["users", _, "scopedRoleMemberOf", ..] => in_directory(Some(READ_ROLES)),
        ["directory", "administrativeUnits", ..] => in_directory(either(READ_UNITS, WRITE_UNITS)),
        [
            "users" | "groups" | "servicePrincipals",
            _,
            "appRoleAssignments" | "appRoleAssignedTo",
            ..,
        ] => in_directory(either(READ_GRANTS, WRITE_GRANTS)),
        ["servicePrincipals", _, "synchronization", "jobs", _, "bulkUpload"] => in_directory(Some(UPLOAD)),
        ["servicePrincipals", _, "synchronization", ..] => in_directory(None),
        ["applications" | "servicePrincipals", rest @ ..] if is_question(rest) => {
            in_directory(Some(READ_MEMBERSHIPS))
        }
        ["applications" | "servicePrincipals", ..] => {
            in_directory(either(READ_APPLICATIONS, WRITE_APPLICATIONS))
        }
        ["users", rest @ ..] => in_directory(Some(of_users(call, rest, get))),
        ["groups", rest @ ..] => in_directory(Some(of_groups(call, rest, get))),
        ["directoryObjects", ..] if get || is_question(segments) => in_directory(Some(READ_MEMBERSHIPS)),
        ["subscribedSkus", ..] => in_directory(Some(READ_LICENSES)),
        ["organization", ..] if get => in_directory(Some(READ_ORGANIZATION)),
        ["domains", ..] if get => in_directory(Some(READ_DOMAINS)),
        ["identityGovernance", "entitlementManagement", ..] => {
            in_directory(either(READ_PACKAGES, WRITE_PACKAGES))
        }
        ["subscriptions"] if call.method == "POST" => subscribed(call),
        _ => in_directory(None),
    }
}

/// Actions that only ask.
fn is_question(segments: &[&str]) -> bool {
    let names = [
        "getByIds",
        "getMemberGroups",
        "getMemberObjects",
        "checkMemberGroups",
        "checkMemberObjects",
        "memberOf",
        "transitiveMemberOf",
        "ownedObjects",
    ];
    segments.iter().any(|segment| names.contains(segment))
}

fn of_users(call: &Call, rest: &[&str], get: bool) -> Any {
    match rest {
        [_, "licenseDetails", ..] => READ_LICENSES,
        [_, "assignLicense"] => LICENSE_USERS,
        [_, "revokeSignInSessions"] => REVOKE_SESSIONS,
        rest if is_question(rest) => READ_MEMBERSHIPS,
        _ if get => READ_USERS,
        [_] if call.method == "DELETE" => DELETE_USERS,
        [_] if call.method == "PATCH" => {
            let body = call.body.as_ref().and_then(Value::as_object);
            let properties = || body.into_iter().flat_map(serde_json::Map::keys);
            let only =
                |name: &str| properties().all(|property| property == name || property.starts_with('@'));
            match body {
                Some(body) if body.contains_key("accountEnabled") && only("accountEnabled") => ENABLE_USERS,
                Some(body) if body.contains_key("passwordProfile") && only("passwordProfile") => {
                    SET_PASSWORDS
                }
                _ => WRITE_USERS,
            }
        }
        _ => WRITE_USERS,
    }
}

fn of_groups(call: &Call, rest: &[&str], get: bool) -> Any {
    match rest {
        [_, "assignLicense"] => LICENSE_GROUPS,
        rest if is_question(rest) => READ_MEMBERSHIPS,
        _ if get => READ_GROUPS,
        [_, "members", ..] => WRITE_MEMBERS,
        // Members can be added by a change of the group.
        [_] if call.method == "PATCH" && adds_members_alone(call) => WRITE_MEMBERS,
        [] if call.method == "POST" => CREATE_GROUPS,
        _ => WRITE_GROUPS,
    }
}

fn adds_members_alone(call: &Call) -> bool {
    let body = call.body.as_ref().and_then(Value::as_object);
    body.is_some_and(|body| body.len() == 1 && body.contains_key("members@odata.bind"))
}

/// "Create subscription": what one must be allowed to read is what one can be told of.
fn subscribed(call: &Call) -> (Service, Option<Any>) {
    let resource = call.body.as_ref().and_then(|body| body["resource"].as_str());
    let resource = resource.unwrap_or_default().trim_start_matches('/');
    let need = if resource.contains("/messages") || resource.contains("/mailFolders") {
        READ_MAIL
    } else if resource.starts_with("users") {
        READ_USERS
    } else if resource.starts_with("groups") {
        READ_GROUPS
    } else {
        return (Service::Directory, None);
    };
    (Service::Directory, Some(need))
}

/// What a request needs besides.
fn besides(directory: &Directory, call: &Call, segments: &[&str]) -> Option<Any> {
    let wants = |name: &str| {
        call.options
            .select
            .iter()
            .any(|wanted| wanted.eq_ignore_ascii_case(name))
    };
    let get = call.method == "GET";
    match segments {
        // "user resource type": signInActivity.
        ["users", ..] if get && wants("signInActivity") => Some(READ_LOGS),
        // "Update user": a password among other properties.
        ["users", _] if call.method == "PATCH" && has(call, "passwordProfile") => Some(SET_PASSWORDS),
        // "Use Microsoft Entra groups to manage role assignments".
        ["groups"] if call.method == "POST" && has_true(call, "isAssignableToRole") => Some(WRITE_ROLES),
        ["groups", id, ..] if !get && !is_question(segments) => {
            let group = directory.get(id).filter(|object| object.kind == Kind::Group)?;
            group.truth("isAssignableToRole").then_some(WRITE_ROLES)
        }
        _ => None,
    }
}

fn has(call: &Call, property: &str) -> bool {
    call.body
        .as_ref()
        .is_some_and(|body| body.get(property).is_some())
}

fn has_true(call: &Call, property: &str) -> bool {
    call.body.as_ref().is_some_and(|body| body[property] == true)
}
