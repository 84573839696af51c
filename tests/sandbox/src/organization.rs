//! `/organization`, `/domains` and `/servicePrincipals`: what a client asks about the tenant itself.

use serde_json::{Value, json};

use crate::call::{Answer, Call, Outcome};
use crate::directory::{Directory, Object, ObjectRow};
use crate::errors::Fail;
use crate::odata::{ValueRow, collection, counted};
use crate::schema::Kind;
use crate::{directory_query, relations};

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
    let value = json!({
        "id": tenant.id, "displayName": tenant.name, "tenantType": "AAD", "countryLetterCode": "AU",
        "createdDateTime": "2014-03-03T00:00:00Z", "defaultUsageLocation": "AU",
        "onPremisesSyncEnabled": true, "verifiedDomains": verified,
    });
    one_or_all(call, rest, "organization", vec![value])
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
        return relations::answer(directory, call, named.filter(uses).collect(), rest);
    }
    let domain = |(index, name): (usize, &String)| {
        json!({
            "id": name, "authenticationType": "Managed", "availabilityStatus": null, "isAdminManaged": true,
            "isDefault": index == 0, "isInitial": name.ends_with(".onmicrosoft.com"), "isRoot": true,
            "isVerified": true, "manufacturer": null, "model": null, "passwordNotificationWindowInDays": 14,
            "passwordValidityPeriodInDays": 2_147_483_647, "state": null,
            "supportedServices": ["Email", "OfficeCommunicationsOnline"],
        })
    };
    one_or_all(
        call,
        rest,
        "domains",
        directory.tenant.domains.iter().enumerate().map(domain).collect(),
    )
}

/// Answers `/servicePrincipals` and `/servicePrincipals/{id}`; `(appId='...')` names one too.
pub(crate) fn service_principals(directory: &Directory, call: &Call, rest: &[&str]) -> Outcome {
    if call.method != "GET" {
        return Err(Fail::method());
    }
    let kind = Kind::ServicePrincipal;
    match rest {
        [] => {
            directory_query::allowed(call, kind)?;
            let rows = directory.all(kind).map(|object| ObjectRow {
                directory,
                object,
                mixed: false,
            });
            collection(call, "servicePrincipals", rows)
        }
        [key] => {
            let app = key.strip_prefix("appId='").unwrap_or(key);
            let found = directory
                .all(kind)
                .find(|object| object.id == *key || object.text("appId") == Some(app));
            directory_query::single(directory, call, found.ok_or_else(|| Fail::not_found(key))?)
        }
        [_, segment, ..] => Err(Fail::segment(segment)),
    }
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
