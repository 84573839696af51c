//! Which permission an operation needs, and what a refusal says.

use super::text::explained;

/// The application permission that an operation needs (Microsoft Learn, "Microsoft Graph permissions
/// reference"). Every operation of this crate is here.
fn permission(operation: &str) -> Option<&'static str> {
    Some(match operation {
        "get user"
        | "find users"
        | "list users"
        | "count users"
        | "list changes of users"
        | "find deleted users"
        | "get deleted user"
        | "get manager"
        | "list direct reports" => "User.Read.All",
        "create user" | "update user" | "delete user" | "restore user" | "set manager" | "remove manager" => {
            "User.ReadWrite.All"
        }
        "read sign-in activity" => "AuditLog.Read.All beside User.Read.All (and Entra ID P1)",
        "block or allow sign-in" => "User.EnableDisableAccount.All with User.Read.All, or User.ReadWrite.All",
        "revoke sessions" => "User.RevokeSessions.All",
        "reset password" => "User-PasswordProfile.ReadWrite.All",
        "list groups"
        | "list groups of a user"
        | "list owned groups"
        | "list group members"
        | "list changes of groups"
        | "find groups" => "GroupMember.Read.All",
        "get group" | "list group owners" | "list deleted groups" => "Group.Read.All",
        "create group" | "update group" | "delete group" | "restore group" | "add group owner"
        | "remove group owner" => "Group.ReadWrite.All",
        "delete for good" => "the write permission of what is deleted, for example User.DeleteRestore.All",
        "add group member" | "remove group member" => "GroupMember.ReadWrite.All",
        "get directory object" | "get directory objects" | "look up memberships" | "list app roles" => {
            "Directory.Read.All"
        }
        "list administrative units"
        | "get administrative unit"
        | "list members of an administrative unit" => "AdministrativeUnit.Read.All",
        "create administrative unit"
        | "update administrative unit"
        | "delete administrative unit"
        | "restore administrative unit"
        | "add member of an administrative unit"
        | "remove member of an administrative unit" => "AdministrativeUnit.ReadWrite.All",
        "list licences" => "LicenseAssignment.Read.All",
        "assign licence" => "LicenseAssignment.ReadWrite.All",
        "list roles" | "list role assignments" | "list roles in an administrative unit" => {
            "RoleManagement.Read.Directory"
        }
        "list eligible roles" => "RoleEligibilitySchedule.Read.Directory or RoleManagement.Read.Directory",
        "make eligible for a role" | "remove eligible role" => {
            "RoleEligibilitySchedule.ReadWrite.Directory or RoleManagement.ReadWrite.Directory"
        }
        "assign role" | "remove role" | "activate role" => "RoleManagement.ReadWrite.Directory",
        "list domains" | "list uses of a domain" => "Domain.Read.All",
        "get organization" => "Organization.Read.All",
        "list applications"
        | "get application"
        | "list deleted applications"
        | "list service principals"
        | "get service principal" => "Application.Read.All",
        "create application"
        | "update application"
        | "delete application"
        | "restore application"
        | "create service principal"
        | "update service principal"
        | "delete service principal" => "Application.ReadWrite.All",
        "assign app role" | "remove app role" => "AppRoleAssignment.ReadWrite.All",
        "list authentication methods" | "list access passes" => "UserAuthenticationMethod.Read.All",
        "delete authentication method" | "create access pass" | "delete access pass" => {
            "UserAuthenticationMethod.ReadWrite.All"
        }
        "list conditional access policies" => "Policy.Read.All",
        "list access packages"
        | "get access package"
        | "list assignment policies"
        | "list package assignments"
        | "list package requests" => "EntitlementManagement.Read.All",
        "assign access package" | "remove access package" => "EntitlementManagement.ReadWrite.All",
        "cancel package request" => "a sign-in of an administrator (no application can do it by itself)",
        "send mail" => "Mail.Send",
        "get mailbox settings" | "list message rules" => "MailboxSettings.Read",
        "set automatic replies" | "create message rule" | "delete message rule" => {
            "MailboxSettings.ReadWrite"
        }
        "get drive" | "get drive root" | "list drive permissions" => "Files.Read.All",
        "share drive" | "unshare drive" => "Files.ReadWrite.All",
        "read directory audits" | "read provisioning log" => "AuditLog.Read.All",
        "read sign-ins" => "AuditLog.Read.All and Directory.Read.All",
        "get provisioning job" => "Synchronization.Read.All",
        "upload people" => "SynchronizationData-User.Upload",
        _ => return None,
    })
}

pub(super) fn denied(operation: &str, text: &str) -> String {
    let base = match permission(operation) {
        Some(permission) => {
            format!("the application may not do this: grant it {permission} with admin consent")
        }
        None => "the application may not do this: grant it the permission with admin consent".to_owned(),
    };
    let hint = match operation {
        "add group member" | "remove group member" => {
            "; a role-assignable group needs RoleManagement.ReadWrite.Directory too, and dynamic, mail-enabled and synchronised groups cannot be changed through Graph"
        }
        "update user" | "block or allow sign-in" | "reset password" | "delete user" | "revoke sessions" => {
            "; for an account with administrative roles the application needs a directory role such as Privileged Authentication Administrator"
        }
        _ => "",
    };
    explained(&format!("{base}{hint}"), text)
}
