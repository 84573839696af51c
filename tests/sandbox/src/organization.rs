//! `/organization` and `/domains`: what a client asks about the tenant itself.

use serde_json::{Value, json};

use crate::call::{Answer, Call, Outcome};
use crate::directory::{Directory, Object};
use crate::errors::Fail;
use crate::odata::{ValueRow, collection, counted};
use crate::relations;
use crate::schema::Kind;

/// Answers `/organization` and `/organization/{id}`.
pub(crate) fn organization(directory: &Directory, call: &Call, rest: &[&str]) -> Outcome {
    let tenant = &directory.tenant;
    let verified: Value = (0..tenant.domains.len())
        .map(|index| {
            let name = &tenant.domains[index];
            json!({
                "capabilities": "Email, OfficeCommunicationsOnline", "isDefault": index == 0,
                "isInitial": name.ends_with(".onmicrosoft.com"), "name": name, "type": "Managed",
            })
        })
        .collect();
    let plans: Vec<(&str, &str)> = directory
        .skus
        .iter()
        .flat_map(|sku| sku.plans.iter().copied())
        .collect();
    let mut assigned: Vec<Value> = Vec::new();
    let mut provisioned: Vec<Value> = Vec::new();
    for (plan, name) in plans {
        let service = service(name);
        if assigned.iter().any(|held| held["servicePlanId"] == plan) {
            continue;
        }
        assigned.push(json!({
            "assignedDateTime": "2022-01-10T00:00:00Z", "capabilityStatus": "Enabled", "service": service,
            "servicePlanId": plan,
        }));
        if !provisioned.iter().any(|held| held["service"] == service) {
            provisioned.push(json!({
                "capabilityStatus": "Enabled", "provisioningStatus": "Success", "service": service,
            }));
        }
    }
    let value = json!({
        "id": tenant.id, "deletedDateTime": null, "displayName": tenant.name, "tenantType": "AAD",
        "businessPhones": [], "street": null, "city": "Perth", "state": "WA", "postalCode": null, "country": null,
        "countryLetterCode": "AU", "preferredLanguage": "en", "createdDateTime": "2014-03-03T00:00:00Z",
        "defaultUsageLocation": "AU", "marketingNotificationEmails": [], "technicalNotificationMails": [],
        "securityComplianceNotificationMails": [], "securityComplianceNotificationPhones": [],
        "onPremisesLastSyncDateTime": "2026-01-10T00:00:00Z", "onPremisesSyncEnabled": true,
        "partnerTenantType": null, "privacyProfile": null, "assignedPlans": assigned,
        "provisionedPlans": provisioned, "verifiedDomains": verified,
    });
    one_or_all(call, rest, "organization", vec![value])
}

/// The service that a plan belongs to, as plans of the organization name it.
fn service(plan: &str) -> &'static str {
    match plan.split('_').next().unwrap_or_default() {
        "EXCHANGE" => "exchange",
        "SHAREPOINTENTERPRISE" => "SharePoint",
        "TEAMS1" => "TeamspaceAPI",
        "INTUNE" => "SCO",
        "BI" => "PowerBI",
        "FLOW" => "ProcessSimple",
        _ => "AADPremiumService",
    }
}

/// Answers `/domains`, `/domains/{name}` and `/domains/{name}/domainNameReferences`.
pub(crate) fn domains(directory: &Directory, call: &Call, rest: &[&str]) -> Outcome {
    if let [name, "domainNameReferences", rest @ ..] = rest {
        if !directory.verified(name) {
            return Err(Fail::not_found(name));
        }
        let uses = |object: &&Object| {
            let names = object
                .text("userPrincipalName")
                .into_iter()
                .chain(object.text("mail"));
            let mut domains = names.filter_map(|text| text.rsplit_once('@'));
            domains.any(|(_, domain)| domain.eq_ignore_ascii_case(name))
        };
        let named = directory.all(Kind::User).chain(directory.all(Kind::Group));
        let mut named: Vec<&Object> = named.filter(uses).collect();
        named.sort_by_key(|object| object.place);
        return relations::answer(directory, call, named, rest);
    }
    let domain = |(index, name): (usize, &String)| {
        json!({
            "id": name, "authenticationType": "Managed", "availabilityStatus": null, "isAdminManaged": true,
            "isDefault": index == 0, "isInitial": name.ends_with(".onmicrosoft.com"), "isRoot": true,
            "isVerified": true, "supportedServices": ["Email", "OfficeCommunicationsOnline"], "state": null,
            "passwordNotificationWindowInDays": 14, "passwordValidityPeriodInDays": 2_147_483_647,
            "model": null, "manufacturer": null,
        })
    };
    one_or_all(
        call,
        rest,
        "domains",
        directory.tenant.domains.iter().enumerate().map(domain).collect(),
    )
}

/// A fixed list, or the one of its entries with that `id`.
pub(crate) fn one_or_all(call: &Call, rest: &[&str], fragment: &str, values: Vec<Value>) -> Outcome {
    match (rest, call.method.as_str()) {
        ([], "GET") => {
            let rows = values
                .into_iter()
                .zip(1..)
                .map(|(value, place)| ValueRow { place, value });
            collection(call, fragment, rows)
        }
        (["$count"], "GET") => {
            let rows = values.into_iter().zip(1..);
            counted(call, rows.map(|(value, place)| ValueRow { place, value }))
        }
        ([key], "GET") => {
            let found = values
                .into_iter()
                .find(|value| value.get("id").and_then(Value::as_str) == Some(*key));
            let mut found = found.ok_or_else(|| Fail::not_found(key))?;
            if let Some(map) = found.as_object_mut() {
                map.shift_insert(
                    0,
                    "@odata.context".to_owned(),
                    call.context(&format!("{fragment}/$entity")).into(),
                );
            }
            Ok(Answer::ok(found))
        }
        ([_, segment, ..], _) => Err(Fail::segment(segment)),
        _ => Err(Fail::method()),
    }
}
