//! `/identity/conditionalAccess` ("List policies", "List namedLocations"): what an administrator has set up. The
//! sandbox's application may read it and no more.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::call::{Call, Outcome};
use crate::directory::Directory;
use crate::errors::Fail;
use crate::organization::one_or_all;
use crate::role_definitions::BUILT_IN;

/// Answers below `/identity/conditionalAccess`.
pub(crate) fn route(directory: &Directory, call: &Call, rest: &[&str]) -> Outcome {
    let (segment, rest) = rest.split_first().ok_or_else(Fail::method)?;
    let values = match *segment {
        "policies" => policies(directory),
        "namedLocations" => vec![headquarters(directory)],
        other => return Err(Fail::segment(other)),
    };
    if call.method != "GET" {
        return Err(Fail::new(
            403,
            "AccessDenied",
            "You cannot perform the requested operation, required scopes are missing in the token.",
        ));
    }
    one_or_all(
        call,
        rest,
        &format!("identity/conditionalAccess/{segment}"),
        values,
    )
}

/// The same for the same tenant.
fn id(directory: &Directory, name: &str) -> String {
    let space = Uuid::try_parse(&directory.tenant.id).unwrap_or(Uuid::NAMESPACE_OID);
    Uuid::new_v5(&space, name.as_bytes()).to_string()
}

fn headquarters(directory: &Directory) -> Value {
    json!({
        "@odata.type": "#microsoft.graph.ipNamedLocation",
        "id": id(directory, "Headquarters"), "displayName": "Headquarters", "isTrusted": true,
        "createdDateTime": "2022-02-01T00:00:00Z", "modifiedDateTime": "2022-02-01T00:00:00Z",
        "ipRanges": [{ "@odata.type": "#microsoft.graph.iPv4CidrRange", "cidrAddress": "203.0.113.0/24" }],
    })
}

fn policies(directory: &Directory) -> Vec<Value> {
    let rescue = directory.user(&format!("break-glass@{}", directory.tenant.domains[0]));
    let rescue: Vec<&str> = rescue.iter().map(|user| user.id.as_str()).collect();
    let administrators: Vec<&str> = BUILT_IN
        .iter()
        .filter(|(.., privileged)| *privileged)
        .map(|(id, ..)| *id)
        .collect();
    let users = |all: bool, roles: &[&str]| {
        json!({
            "includeUsers": if all { vec!["All"] } else { vec![] }, "excludeUsers": rescue, "includeGroups": [],
            "excludeGroups": [], "includeRoles": roles, "excludeRoles": [],
            "includeGuestsOrExternalUsers": null, "excludeGuestsOrExternalUsers": null,
        })
    };
    let policy = |name: &str, state: &str, users: Value, client: &str, locations: Value, grant: Value| {
        json!({
            "id": id(directory, name), "templateId": null, "displayName": name, "state": state,
            "createdDateTime": "2022-03-01T00:00:00Z", "modifiedDateTime": null, "sessionControls": null,
            "conditions": {
                "userRiskLevels": [], "signInRiskLevels": [], "servicePrincipalRiskLevels": [],
                "clientAppTypes": [client], "platforms": null, "locations": locations, "devices": null,
                "clientApplications": null, "users": users,
                "applications": {
                    "includeApplications": ["All"], "excludeApplications": [], "includeUserActions": [],
                    "includeAuthenticationContextClassReferences": [], "applicationFilter": null,
                },
            },
            "grantControls": {
                "operator": "OR", "builtInControls": [grant], "customAuthenticationFactors": [],
                "termsOfUse": [], "authenticationStrength": null,
            },
        })
    };
    let outside = json!({
        "includeLocations": ["All"], "excludeLocations": [id(directory, "Headquarters")],
    });
    vec![
        policy(
            "Administrators need multifactor authentication",
            "enabled",
            users(false, &administrators),
            "all",
            Value::Null,
            "mfa".into(),
        ),
        policy(
            "Everybody needs multifactor authentication outside",
            "enabledForReportingButNotEnforced",
            users(true, &[]),
            "all",
            outside,
            "mfa".into(),
        ),
        policy(
            "No legacy authentication",
            "enabled",
            users(true, &[]),
            "other",
            Value::Null,
            "block".into(),
        ),
    ]
}
