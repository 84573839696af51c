//! The platform's own registrations, an API with roles and a portal in front of it, and those who work with it. They have
//! ids of their own, so that nobody else's change.

use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::clock::graph_time;
use crate::directory::Directory;
use crate::ids::Ids;
use crate::registrations::{map, register, role};
use crate::schema::Kind;
use crate::{app_roles, authentication, seed, service_principals};

/// The roles: value, id, what it lets somebody do.
const ROLES: [(&str, &str, &str); 5] = [
    (
        "IAM.Admin",
        "3c9d3f0a-6f55-4a43-9c5e-4b1f6f0d1001",
        "Administers the platform",
    ),
    (
        "IAM.Operator",
        "3c9d3f0a-6f55-4a43-9c5e-4b1f6f0d1002",
        "Hires, moves and dismisses people",
    ),
    (
        "IAM.Helpdesk",
        "3c9d3f0a-6f55-4a43-9c5e-4b1f6f0d1003",
        "Helps people with their accounts",
    ),
    (
        "IAM.Auditor",
        "3c9d3f0a-6f55-4a43-9c5e-4b1f6f0d1004",
        "Reads everything and changes nothing",
    ),
    (
        "IAM.Provisioner",
        "3c9d3f0a-6f55-4a43-9c5e-4b1f6f0d1005",
        "Pushes people in by SCIM",
    ),
];

/// The scope of the API.
const SCOPE: &str = "access_as_user";

/// Who works with the portal: nickname, name, place of the role. The last one is blocked.
const USERS: [(&str, &str, Option<usize>); 7] = [
    ("portal.admin", "Portal Admin", Some(0)),
    ("portal.operator", "Portal Operator", Some(1)),
    ("portal.helpdesk", "Portal Helpdesk", Some(2)),
    ("portal.auditor", "Portal Auditor", Some(3)),
    ("portal.provisioner", "Portal Provisioner", Some(4)),
    ("portal.nobody", "Portal Nobody", None),
    ("portal.blocked", "Portal Blocked", Some(1)),
];

/// The two registrations.
#[derive(Debug, Clone)]
pub(crate) struct Portal {
    /// Client id of the API.
    pub(crate) api: String,
    /// Client id of the portal.
    pub(crate) ui: String,
    /// The portal's secret, new at each start.
    pub(crate) secret: String,
}

impl Portal {
    pub(crate) fn new(seed: u64) -> Self {
        let mut ids = ids(seed);
        Self {
            api: ids.guid(),
            ui: ids.guid(),
            secret: format!("{}~{}", Uuid::new_v4().simple(), Uuid::new_v4().simple()),
        }
    }

    /// The application ID URI of the API.
    pub(crate) fn audience(&self) -> String {
        format!("api://{}", self.api)
    }

    /// What an application asks for to call the API for a user.
    pub(crate) fn scope(&self) -> String {
        format!("{}/{SCOPE}", self.audience())
    }
}

fn ids(seed: u64) -> Ids {
    Ids::new(seed ^ 0x1A_4D00)
}

/// Puts them in.
pub(crate) fn plant(directory: &mut Directory, seed: u64, at: Timestamp) {
    let portal = Portal::new(seed);
    let mut own = ids(seed);
    // The two that stand in `Portal`.
    for _ in 0..2 {
        own.guid();
    }
    let others = std::mem::replace(&mut directory.ids, own);
    let roles: Value = ROLES
        .iter()
        .map(|(value, id, what)| {
            let mut role = role(value, id, what, "User");
            role["allowedMemberTypes"] = json!(["User", "Application"]);
            role
        })
        .collect();
    let scope = json!({
        "adminConsentDescription": "Works with the platform as the signed-in user",
        "adminConsentDisplayName": "Work with the platform", "id": directory.ids.guid(), "isEnabled": true,
        "type": "User", "userConsentDescription": null, "userConsentDisplayName": null, "value": SCOPE,
    });
    let api = json!({
        "appRoles": roles, "identifierUris": [portal.audience()],
        "api": { "requestedAccessTokenVersion": 2, "oauth2PermissionScopes": [scope] },
    });
    // The port of a loopback address does not count. The first is Streamlit's, the second FastAPI's documentation.
    let places = |path: &str| {
        json!([
            format!("http://localhost{path}"),
            format!("http://127.0.0.1{path}")
        ])
    };
    let mut back = places("/oauth2callback").as_array().cloned().unwrap_or_default();
    back.extend(places("/").as_array().cloned().unwrap_or_default());
    let ui = json!({
        "appRoles": roles, "web": { "redirectUris": back }, "spa": { "redirectUris": places("/docs/oauth2-redirect") },
    });
    let mut principals = Vec::new();
    for (name, app, more) in [
        ("IAM Automation API", &portal.api, api),
        ("IAM Automation portal", &portal.ui, ui),
    ] {
        let application = register(directory, name, app, more, at);
        let mut props = map(json!({
            "appId": app, "appOwnerOrganizationId": directory.tenant.id, "createdDateTime": graph_time(at),
            "tags": ["WindowsAzureActiveDirectoryIntegratedApp"],
        }));
        service_principals::complete(&mut props);
        principals.push(directory.insert(Kind::ServicePrincipal, props, at));
        service_principals::follow(directory, &application);
    }
    for (nickname, name, held) in USERS {
        let user = seed::account(directory, nickname, name, false, at);
        for principal in held.iter().flat_map(|_| &principals) {
            let id = ROLES[held.unwrap_or_default()].1;
            app_roles::assign(directory, &user, principal, id, at);
        }
        if nickname == "portal.admin" {
            authentication::plant_code_app(directory, &user, at);
        }
        if nickname == "portal.blocked" {
            directory.change(&user, |user| user.set("accountEnabled", false.into()));
        }
    }
    directory.ids = others;
}
