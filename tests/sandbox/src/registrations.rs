//! The applications that the tenant holds at the start: the one that signs in, Microsoft Graph, whose permissions it
//! holds, and a portal whose roles people can have.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::app_roles;
use crate::applications;
use crate::clock::graph_time;
use crate::directory::Directory;
use crate::schema::Kind;
use crate::service_principals::{self, follow};
use crate::state::Client;

/// Microsoft Graph's `appId` and the tenant that owns it.
const GRAPH: (&str, &str) = (
    "00000003-0000-0000-c000-000000000000",
    "f8cdef31-a31e-4b4a-93e4-5f571e91255a",
);

/// "Microsoft Graph permissions reference": ids of application permissions.
const PERMISSIONS: [(&str, &str); 33] = [
    ("Application.Read.All", "9a5d68dd-52b0-4cc2-bd40-abcf44ac3a30"),
    (
        "Application.ReadWrite.All",
        "1bfefb4e-e0b5-418b-a88f-73c46d2cc8e9",
    ),
    (
        "AppRoleAssignment.ReadWrite.All",
        "06b708a9-e830-4db3-a914-8e69da51d44f",
    ),
    ("AuditLog.Read.All", "b0afded3-3588-46d8-8b3d-9842eff778da"),
    ("Calendars.ReadWrite", "ef54d2bf-783f-4e0f-bca1-3210c0444d99"),
    ("Directory.Read.All", "7ab1d382-f21e-4acd-a863-ba3e13f7da61"),
    ("Directory.ReadWrite.All", "19dbc75e-c2e2-444c-a770-ec69d8559fc7"),
    ("Domain.Read.All", "dbb9058a-0e50-45d7-ae91-66909b5d4664"),
    ("Files.ReadWrite.All", "75359482-378d-4052-8f01-80520e7db3cd"),
    ("Group.Read.All", "5b567255-7703-4780-807c-7be8301ae99b"),
    ("Group.ReadWrite.All", "62a82d76-70ea-41e2-9197-370581804d09"),
    ("GroupMember.Read.All", "98830695-27a2-44f7-8c18-0c3ebc9698f6"),
    (
        "GroupMember.ReadWrite.All",
        "dbaae8cf-10b5-4b86-a4a1-f871c94c6695",
    ),
    (
        "LicenseAssignment.ReadWrite.All",
        "5facf0c1-8979-4e95-abcf-ff3d079771c0",
    ),
    ("Mail.Send", "b633e1c5-b582-4048-a93e-9f11b44c7e96"),
    (
        "MailboxSettings.ReadWrite",
        "6931bccd-447a-43d1-b442-00a195474933",
    ),
    ("Organization.Read.All", "498476ce-e0fe-48b0-b801-37ba7e2685c6"),
    ("Policy.Read.All", "246dd0d5-5bd0-4def-940b-0421030a5b68"),
    (
        "RoleManagement.Read.Directory",
        "483bed4a-2ad3-4361-a73b-c83ccdbdc53c",
    ),
    (
        "RoleManagement.ReadWrite.Directory",
        "9e3f62cf-ca93-4989-b6ce-bf83c28f9fe8",
    ),
    (
        "SynchronizationData-User.Upload",
        "db31e92a-b9ea-4d87-bf6a-75a37a9ca35a",
    ),
    (
        "User.EnableDisableAccount.All",
        "3011c876-62b7-4ada-afa2-506cbbecc68c",
    ),
    ("User.Read.All", "df021288-bdef-4463-88db-98f22de89214"),
    ("User.ReadWrite.All", "741f803b-c850-494e-b5df-cde7c675a1ca"),
    ("User.RevokeSessions.All", "77f3a031-c388-4f99-b373-dc68676a979e"),
    (
        "User-PasswordProfile.ReadWrite.All",
        "cc117bb9-00cf-4eb8-b580-ea2a878fe8f7",
    ),
    (
        "UserAuthenticationMethod.Read.All",
        "38d9df27-64da-44fd-b7c5-a6fbac20248f",
    ),
    (
        "UserAuthenticationMethod.ReadWrite.All",
        "50483e42-d915-4231-9639-7fdb7fd190e5",
    ),
    (
        "AdministrativeUnit.Read.All",
        "134fd756-38ce-4afd-ba33-e9623dbe66c2",
    ),
    (
        "AdministrativeUnit.ReadWrite.All",
        "5eb59dd3-1da2-4329-8733-9dabdc435916",
    ),
    ("Mail.Read", "810c84a8-4a9e-49e6-bf7d-12d183f40d01"),
    (
        "EntitlementManagement.Read.All",
        "c74fd47d-ed3c-45c3-9a9e-b8676de685d2",
    ),
    (
        "EntitlementManagement.ReadWrite.All",
        "9acd699f-1e81-4958-b001-93b1d2506e19",
    ),
];

/// The roles of the portal: value, id, what it lets somebody do.
const PORTAL: [(&str, &str, &str); 3] = [
    (
        "Claims.Read",
        "7d1b7a0e-5a0c-4f0e-9a68-0f3ed1a3c001",
        "Reads claims",
    ),
    (
        "Claims.Approve",
        "7d1b7a0e-5a0c-4f0e-9a68-0f3ed1a3c002",
        "Approves claims",
    ),
    (
        "Claims.Audit",
        "7d1b7a0e-5a0c-4f0e-9a68-0f3ed1a3c003",
        "Audits claims",
    ),
];

/// Puts the applications in, and the permissions of the one that signs in.
pub(crate) fn plant(directory: &mut Directory, client: &Client, portal: bool, at: Timestamp) {
    let name = "Identity lifecycle";
    register(directory, name, &client.id, json!({}), at);
    let roles: Value = PERMISSIONS
        .iter()
        .map(|(value, id)| role(value, id, value, "Application"))
        .collect();
    let mut graph = map(json!({
        "appId": GRAPH.0, "appOwnerOrganizationId": GRAPH.1, "appDisplayName": "Microsoft Graph",
        "displayName": "Microsoft Graph", "appRoles": roles, "createdDateTime": graph_time(at),
        "servicePrincipalNames": [GRAPH.0, "https://graph.microsoft.com"],
        "signInAudience": "AzureADMultipleOrgs",
    }));
    service_principals::complete(&mut graph);
    let graph = directory.insert(Kind::ServicePrincipal, graph, at);
    for held in &client.roles {
        if let Some((_, id)) = PERMISSIONS.iter().find(|(value, _)| value == held) {
            app_roles::assign(directory, &client.object, &graph, id, at);
        }
    }
    if portal {
        let app = directory.ids.guid();
        let roles: Value = PORTAL
            .iter()
            .map(|(value, id, what)| role(value, id, what, "User"))
            .collect();
        let more = json!({
            "appRoles": roles, "identifierUris": [format!("api://{app}")],
            "web": { "redirectUris": ["https://claims.contoso.example/signin"], "homePageUrl": "https://claims.contoso.example" },
        });
        let application = register(directory, "Claims portal", &app, more, at);
        let mut portal = map(json!({
            "appId": app, "appOwnerOrganizationId": directory.tenant.id, "createdDateTime": graph_time(at),
            "appRoleAssignmentRequired": true, "tags": ["WindowsAzureActiveDirectoryIntegratedApp"],
        }));
        service_principals::complete(&mut portal);
        let portal = directory.insert(Kind::ServicePrincipal, portal, at);
        follow(directory, &application);
        let finance = directory
            .all(Kind::Group)
            .find(|group| group.text("displayName") == Some("sg-finance"))
            .map(|group| group.id.clone());
        if let Some(finance) = finance {
            app_roles::assign(directory, &finance, &portal, PORTAL[0].1, at);
        }
    }
}

pub(crate) fn register(
    directory: &mut Directory,
    name: &str,
    app: &str,
    more: Value,
    at: Timestamp,
) -> String {
    let mut props = map(json!({ "displayName": name, "appId": app }));
    props.extend(map(more));
    applications::complete(&mut props);
    applications::register(directory, props, at)
}

pub(crate) fn role(value: &str, id: &str, what: &str, member: &str) -> Value {
    json!({
        "allowedMemberTypes": [member], "description": what, "displayName": what, "id": id, "isEnabled": true,
        "origin": "Application", "value": value,
    })
}

pub(crate) fn map(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}
