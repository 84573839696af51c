//! What the tenant holds at the start: Contoso Health before HR's file arrives.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use crate::authentication;
use crate::clock::graph_time;
use crate::deleted;
use crate::directory::{Directory, Holding, Tenant};
use crate::ids::Ids;
use crate::licenses::Sku;
use crate::membership;
use crate::people;
use crate::portal;
use crate::provisioning::Provisioning;
use crate::registrations;
use crate::roles;
use crate::schema::Kind;
use crate::seats;
use crate::staff::{Employee, FORMER, STAFF};
use crate::state::Client;

const DOMAIN: &str = "contoso.example";
const GLOBAL_ADMINISTRATOR: &str = "62e90394-69f5-4237-9190-012177145e10";

/// What to plant.
#[derive(Debug, Clone)]
pub(crate) struct Seed {
    pub(crate) number: u64,
    pub(crate) empty: bool,
    /// Generated employees beyond the known ones.
    pub(crate) people: usize,
    pub(crate) seats: Vec<(String, usize)>,
    /// Notification URLs must be https.
    pub(crate) https_notifications: bool,
}

impl Default for Seed {
    fn default() -> Self {
        Self {
            number: 1,
            empty: false,
            people: 0,
            seats: Vec::new(),
            https_notifications: false,
        }
    }
}

const EXCHANGE: (&str, &str) = ("efb87545-963c-4e0d-99df-69c6916d9eb0", "EXCHANGE_S_ENTERPRISE");
const SHAREPOINT: (&str, &str) = ("5dbe027f-2339-4123-9542-606e4d348a72", "SHAREPOINTENTERPRISE");
const TEAMS: (&str, &str) = ("57ff2da0-773e-42df-b2af-ffb7a2317929", "TEAMS1");
const ENTRA_P1: (&str, &str) = ("41781fb2-bc02-4b7c-bd55-b576c07bb09d", "AAD_PREMIUM");
const ENTRA_P2: (&str, &str) = ("eec0eb4f-6444-4f95-aba0-50c24d67f998", "AAD_PREMIUM_P2");
const INTUNE: (&str, &str) = ("c1ec4a95-1f05-45b3-a911-aa3fa01094f5", "INTUNE_A");
const POWER_BI: (&str, &str) = ("70d33638-9c74-4d01-bfd3-562de28bd4ba", "BI_AZURE_P2");
const FLOW: (&str, &str) = ("50e68c76-46c6-4674-81f9-75456511b170", "FLOW_P2_VIRAL");

type Product = (
    &'static str,
    &'static str,
    usize,
    &'static [(&'static str, &'static str)],
);

/// "Product names and service plan identifiers for licensing".
const PRODUCTS: &[Product] = &[
    (
        "05e9a617-0261-4cee-bb44-138d3ef5d965",
        "SPE_E3",
        1000,
        &[EXCHANGE, SHAREPOINT, TEAMS, ENTRA_P1, INTUNE],
    ),
    (
        "06ebc4ee-1bb5-47dd-8120-11324bc54e06",
        "SPE_E5",
        100,
        &[EXCHANGE, SHAREPOINT, TEAMS, ENTRA_P2, INTUNE],
    ),
    (
        "efccb6f7-5641-4e0e-bd10-b4976e1bf68e",
        "EMS",
        250,
        &[ENTRA_P1, INTUNE],
    ),
    (
        "f8a1db68-be16-40ed-86d5-cb42ce701560",
        "POWER_BI_PRO",
        100,
        &[POWER_BI],
    ),
    (
        "f30db892-07e9-47e9-837c-80727f46fd3d",
        "FLOW_FREE",
        10000,
        &[FLOW],
    ),
];

const STATIC_GROUPS: [&str; 10] = [
    "All Staff",
    "sg-security",
    "sg-engineering",
    "VPN Users",
    "sg-clinical",
    "sg-finance",
    "sg-hr",
    "sg-contractors",
    "sg-people-managers",
    "sg-sydney",
];

/// Application permissions of the sandbox's client.
const PERMISSIONS: [&str; 22] = [
    "AppRoleAssignment.ReadWrite.All",
    "Application.Read.All",
    "Application.ReadWrite.All",
    "AuditLog.Read.All",
    "Directory.ReadWrite.All",
    "Domain.Read.All",
    "EntitlementManagement.ReadWrite.All",
    "Files.ReadWrite.All",
    "Group.ReadWrite.All",
    "GroupMember.ReadWrite.All",
    "LicenseAssignment.ReadWrite.All",
    "Mail.Read",
    "Mail.Send",
    "MailboxSettings.ReadWrite",
    "Organization.Read.All",
    "Policy.Read.All",
    "RoleManagement.ReadWrite.Directory",
    "Synchronization.Read.All",
    "SynchronizationData-User.Upload",
    "User-PasswordProfile.ReadWrite.All",
    "User.ReadWrite.All",
    "UserAuthenticationMethod.ReadWrite.All",
];

/// Makes the directory and the client. The client's secret is set by the caller.
pub(crate) fn plant(seed: &Seed, now: Timestamp) -> (Directory, Client) {
    let mut ids = Ids::new(seed.number);
    let tenant = Tenant {
        id: ids.guid(),
        name: "Contoso Health",
        domains: vec![DOMAIN.to_owned(), "contosohealth.onmicrosoft.com".to_owned()],
    };
    let app = ids.guid();
    let mut directory = Directory::new(ids, tenant);
    for (id, part, seats, plans) in PRODUCTS {
        let chosen = seed
            .seats
            .iter()
            .rev()
            .find(|(name, _)| name == part)
            .map(|(_, seats)| *seats);
        directory.skus.push(Sku {
            id: (*id).to_owned(),
            part,
            seats: chosen.unwrap_or(*seats),
            plans,
            holders: std::collections::HashSet::new(),
        });
    }
    let long_ago = now
        .checked_sub(SignedDuration::from_hours(24 * 365 * 4))
        .unwrap_or(now);
    let roles: Vec<String> = PERMISSIONS.iter().map(|role| (*role).to_owned()).collect();
    let object = directory.insert(
        Kind::ServicePrincipal,
        map(json!({
            "accountEnabled": true, "appId": app, "appDisplayName": "Identity lifecycle",
            "displayName": "Identity lifecycle", "appOwnerOrganizationId": directory.tenant.id,
            "servicePrincipalType": "Application", "servicePrincipalNames": [app],
            "createdDateTime": graph_time(long_ago),
        })),
        long_ago,
    );
    let client = Client {
        id: app,
        object,
        secret: String::new(),
        roles,
    };
    let rescue = account(&mut directory, "break-glass", "Break Glass", false, long_ago);
    roles::assign(&mut directory, &rescue, GLOBAL_ADMINISTRATOR, "/");
    account(&mut directory, "hr-robot", "HR Robot", true, long_ago);
    account(&mut directory, "hr", "Human Resources", true, long_ago);
    let mut staff = Vec::new();
    if !seed.empty {
        groups(&mut directory, long_ago);
        for (employee, days) in STAFF.iter().zip(1..) {
            let id = hire(&mut directory, employee);
            signed_in(&mut directory, &id, now, days);
            staff.push(id);
        }
        let left = now
            .checked_sub(SignedDuration::from_hours(24 * 10))
            .unwrap_or(now);
        for employee in FORMER {
            let id = hire(&mut directory, employee);
            deleted::delete(&mut directory, &id, left);
        }
    }
    if seed.people > 0 {
        people::hire(&mut directory, seed.people, seed.number, DOMAIN, now);
    }
    for id in staff.iter().take(2) {
        authentication::plant(&mut directory, id, long_ago);
    }
    registrations::plant(&mut directory, &client, !seed.empty, long_ago);
    if !seed.empty {
        portal::plant(&mut directory, seed.number, long_ago);
    }
    Provisioning::plant(&mut directory, long_ago);
    directory.subscriptions.https_only = seed.https_notifications;
    directory.track();
    (directory, client)
}

fn map(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// An account that belongs to nobody of HR's.
pub(crate) fn account(
    directory: &mut Directory,
    nickname: &str,
    name: &str,
    mailbox: bool,
    at: Timestamp,
) -> String {
    let address = format!("{nickname}@{DOMAIN}");
    let mut props = map(json!({
        "accountEnabled": true, "displayName": name, "mailNickname": nickname, "userPrincipalName": address,
        "userType": "Member", "createdDateTime": graph_time(at),
        "signInSessionsValidFromDateTime": graph_time(at),
    }));
    if mailbox {
        props.insert("proxyAddresses".to_owned(), json!([format!("SMTP:{address}")]));
        props.insert("mail".to_owned(), address.into());
    }
    let id = directory.insert(Kind::User, props, at);
    directory.change(&id, |user| {
        user.password_version = 1;
        if mailbox {
            // One that needs no licence.
            user.mailbox.insert("userPurpose".to_owned(), "shared".into());
        }
    });
    id
}

fn groups(directory: &mut Directory, at: Timestamp) {
    let mut group = |name: &str, more: Value| {
        let nickname: String = name.to_lowercase().replace(' ', "-");
        let mut props = map(json!({
            "displayName": name, "mailNickname": nickname, "mailEnabled": false, "securityEnabled": true,
            "groupTypes": [], "createdDateTime": graph_time(at), "renewedDateTime": graph_time(at),
        }));
        props.extend(map(more));
        directory.insert(Kind::Group, props, at);
    };
    for name in STATIC_GROUPS {
        group(name, json!({}));
    }
    group(
        "Sydney Everyone",
        json!({
            "groupTypes": ["DynamicMembership"], "membershipRuleProcessingState": "On",
            "membershipRule": "user.officeLocation -eq \"Sydney\"",
        }),
    );
    let mail = format!("all-mail@{DOMAIN}");
    group(
        "All Mail",
        json!({ "mailEnabled": true, "mail": mail, "proxyAddresses": [format!("SMTP:{mail}")] }),
    );
    group(
        "OnPrem Staff",
        json!({
            "onPremisesSyncEnabled": true, "onPremisesLastSyncDateTime": graph_time(at),
            "onPremisesSecurityIdentifier": "S-1-5-21-1004336348-1177238915-682003330-1187",
        }),
    );
}

/// Somebody was here that many days ago.
fn signed_in(directory: &mut Directory, id: &str, now: Timestamp, days: i64) {
    let at = now
        .checked_sub(SignedDuration::from_hours(24 * days))
        .unwrap_or(now);
    let (at, request) = (graph_time(at), directory.ids.clone().guid());
    directory.change(id, |user| {
        user.set(
            "signInActivity",
            json!({
                "lastSignInDateTime": at, "lastSignInRequestId": request,
                "lastNonInteractiveSignInDateTime": at, "lastNonInteractiveSignInRequestId": request,
                "lastSuccessfulSignInDateTime": at, "lastSuccessfulSignInRequestId": request,
            }),
        );
    });
}

fn hire(directory: &mut Directory, employee: &Employee) -> String {
    let hired = format!("{}T00:00:00Z", employee.hired);
    let at: Timestamp = hired.parse().unwrap_or(Timestamp::UNIX_EPOCH);
    let props = map(json!({
        "accountEnabled": true,
        "displayName": format!("{} {}", employee.given, employee.family),
        "givenName": employee.given,
        "surname": employee.family,
        "mailNickname": employee.nickname,
        "userPrincipalName": format!("{}@{DOMAIN}", employee.nickname),
        "userType": "Member",
        "employeeId": employee.id,
        "employeeType": employee.kind,
        "employeeHireDate": hired,
        "employeeOrgData": { "costCenter": employee.cost_center },
        "department": employee.department,
        "jobTitle": employee.title,
        "officeLocation": employee.location,
        "country": employee.country,
        "usageLocation": employee.country,
        "companyName": employee.company,
        "createdDateTime": hired,
        "lastPasswordChangeDateTime": hired,
        "signInSessionsValidFromDateTime": hired,
    }));
    let id = directory.insert(Kind::User, props, at);
    let held: Vec<String> = directory
        .skus
        .iter()
        .filter(|sku| employee.licenses.contains(&sku.part))
        .map(|sku| sku.id.clone())
        .collect();
    directory.change(&id, |user| {
        user.password_version = 1;
        for sku in held {
            user.licenses.insert(
                sku,
                Holding {
                    disabled_plans: Vec::new(),
                    since: at,
                    error: "None",
                },
            );
        }
    });
    let joined: Vec<String> = directory
        .all(Kind::Group)
        .filter(|group| {
            employee
                .groups
                .iter()
                .any(|name| group.text("displayName") == Some(*name))
        })
        .map(|group| group.id.clone())
        .collect();
    for group in joined {
        directory.members.add(&group, &id);
    }
    seats::inherit(directory, &id, at);
    membership::follow_rules(directory, &id, at);
    id
}
