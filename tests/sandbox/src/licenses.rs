//! Licences: `/subscribedSkus`, `assignLicense` of users and groups ("user: assignLicense", "group:
//! assignLicense").

use std::collections::HashSet;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::call::{Answer, Call, Outcome};
use crate::directory::{Directory, Holding};
use crate::errors::Fail;
use crate::odata::{ValueRow, collection};
use crate::{directory_query, membership, seats};

/// A product the tenant has bought.
#[derive(Debug, Clone)]
pub(crate) struct Sku {
    pub(crate) id: String,
    pub(crate) part: &'static str,
    pub(crate) seats: usize,
    /// Service plan id and name.
    pub(crate) plans: &'static [(&'static str, &'static str)],
    /// Users who take a seat.
    pub(crate) holders: HashSet<String>,
}

impl Sku {
    pub(crate) fn has_mailbox(&self) -> bool {
        self.mailbox_plan().is_some()
    }

    /// The id of the service plan that a mailbox comes with.
    pub(crate) fn mailbox_plan(&self) -> Option<&'static str> {
        let mut plans = self.plans.iter();
        let exchange = plans.find(|(_, name)| name.starts_with("EXCHANGE_S_ENTERPRISE"));
        exchange.map(|(id, _)| *id)
    }

    fn service_plans(&self) -> Value {
        let plan = |(id, name): &(&str, &str)| {
            json!({
                "servicePlanId": id, "servicePlanName": name,
                "provisioningStatus": "Success", "appliesTo": "User",
            })
        };
        self.plans.iter().map(plan).collect()
    }
}

/// `/subscribedSkus` and `/subscribedSkus/{id}`.
pub(crate) fn route(directory: &Directory, call: &Call, rest: &[&str]) -> Outcome {
    if call.method != "GET" {
        return Err(Fail::method());
    }
    if call.options.filter.is_some() || !call.options.order.is_empty() {
        return Err(Fail::unsupported(
            "$filter and $orderby are not supported by this resource.",
        ));
    }
    let tenant = &directory.tenant;
    let view = |sku: &Sku| {
        json!({
            "accountName": tenant.name,
            "accountId": tenant.id,
            "appliesTo": "User",
            "capabilityStatus": "Enabled",
            "consumedUnits": sku.holders.len(),
            "id": format!("{}_{}", tenant.id, sku.id),
            "skuId": sku.id,
            "skuPartNumber": sku.part,
            "subscriptionIds": [],
            "prepaidUnits": { "enabled": sku.seats, "suspended": 0, "warning": 0, "lockedOut": 0 },
            "servicePlans": sku.service_plans(),
        })
    };
    match rest {
        [] => {
            let rows = directory.skus.iter().zip(1..).map(|(sku, place)| ValueRow {
                place,
                value: view(sku),
            });
            collection(call, "subscribedSkus", rows)
        }
        [key] => {
            // The id is that of the organization and that of the product.
            let product = key.strip_prefix(&format!("{}_", tenant.id));
            let found = directory.skus.iter().find(|sku| product == Some(&sku.id));
            let mut found = view(found.ok_or_else(|| Fail::not_found(key))?);
            if let Some(map) = found.as_object_mut() {
                let context = call.context("subscribedSkus/$entity");
                map.shift_insert(0, "@odata.context".to_owned(), context.into());
            }
            Ok(Answer::ok(found))
        }
        _ => Err(Fail::method()),
    }
}

/// What one `assignLicense` asks for, checked against the SKUs.
struct Request {
    add: Vec<(String, Vec<String>)>,
    remove: Vec<String>,
}

impl Request {
    fn read(directory: &Directory, call: &Call) -> Result<Self, Fail> {
        let body = call.object()?;
        let missing: Vec<&str> = ["addLicenses", "removeLicenses"]
            .into_iter()
            .filter(|name| !body.contains_key(*name))
            .collect();
        if !missing.is_empty() {
            return Err(Fail::bad(format!(
                "One or more parameters of the operation 'assignLicense' are missing from the request payload. \
                 The missing parameters are: {}.",
                missing.join(", ")
            )));
        }
        let items = |name: &str| body.get(name).and_then(Value::as_array).into_iter().flatten();
        let mut request = Self {
            add: Vec::new(),
            remove: Vec::new(),
        };
        for item in items("addLicenses") {
            let sku = known(directory, item.get("skuId"))?;
            let mut disabled = Vec::new();
            for plan in item
                .get("disabledPlans")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
            {
                let plan = plan.as_str().unwrap_or_default();
                if !sku.plans.iter().any(|(id, _)| *id == plan) {
                    return Err(Fail::bad(format!(
                        "License plan {plan} does not belong to license {}.",
                        sku.id
                    )));
                }
                disabled.push(plan.to_owned());
            }
            request.add.push((sku.id.clone(), disabled));
        }
        for item in items("removeLicenses") {
            let sku = known(directory, Some(item))?.id.clone();
            if request.add.iter().any(|(added, _)| *added == sku) {
                return Err(Fail::bad(format!(
                    "License {sku} cannot be both added and removed."
                )));
            }
            request.remove.push(sku);
        }
        Ok(request)
    }

    /// Changes what a user holds, or a group hands on.
    fn apply(self, directory: &mut Directory, id: &str, now: Timestamp) {
        directory.change(id, |object| {
            for sku in &self.remove {
                object.licenses.remove(sku);
            }
            for (sku, disabled_plans) in self.add {
                object.licenses.insert(
                    sku,
                    Holding {
                        disabled_plans,
                        since: now,
                        error: "None",
                    },
                );
            }
        });
    }
}

fn known<'a>(directory: &'a Directory, id: Option<&Value>) -> Result<&'a Sku, Fail> {
    let id = id.and_then(Value::as_str).unwrap_or_default();
    let found = directory.skus.iter().find(|sku| sku.id.eq_ignore_ascii_case(id));
    found.ok_or_else(|| {
        Fail::bad(format!(
            "License {id} does not correspond to a valid company License."
        ))
    })
}

/// `POST /users/{id}/assignLicense`: all or nothing.
pub(crate) fn assign_to_user(directory: &mut Directory, call: &Call, id: &str) -> Outcome {
    let request = Request::read(directory, call)?;
    let user = directory.get(id).ok_or_else(|| Fail::not_found(id))?;
    for sku in &request.remove {
        if user.licenses.contains_key(sku) {
            continue;
        }
        return Err(if user.inherited.keys().any(|(_, held)| held == sku) {
            Fail::bad(
                "User license is inherited from a group membership and it cannot be removed directly from the user.",
            )
        } else {
            Fail::bad("User does not have a corresponding license.")
        });
    }
    if !request.add.is_empty() && user.text("usageLocation").is_none() {
        return Err(Fail::bad(
            "License assignment cannot be done for user with invalid usage location.",
        ));
    }
    for (added, _) in &request.add {
        let sku = directory.skus.iter().find(|sku| sku.id == *added);
        if sku.is_some_and(|sku| !sku.holders.contains(id) && sku.holders.len() >= sku.seats) {
            return Err(Fail::bad(format!(
                "Subscription with SKU {added} does not have any available licenses."
            )));
        }
    }
    request.apply(directory, id, call.now);
    seats::inherit(directory, id, call.now);
    membership::follow_rules(directory, id, call.now);
    let user = directory.get(id).ok_or_else(|| Fail::not_found(id))?;
    Ok(Answer::ok(directory_query::entity(directory, call, user)))
}

/// `POST /groups/{id}/assignLicense`: 202, members follow.
pub(crate) fn assign_to_group(directory: &mut Directory, call: &Call, id: &str) -> Outcome {
    let request = Request::read(directory, call)?;
    let group = directory.get(id).ok_or_else(|| Fail::not_found(id))?;
    if !group.truth("securityEnabled") {
        return Err(Fail::bad(
            "Licenses can be assigned to security-enabled groups only.",
        ));
    }
    if request.remove.iter().any(|sku| !group.licenses.contains_key(sku)) {
        return Err(Fail::bad("Group does not have a corresponding license."));
    }
    request.apply(directory, id, call.now);
    let members: Vec<String> = directory.members.targets(id).cloned().collect();
    for member in members {
        seats::inherit(directory, &member, call.now);
    }
    let group = directory.get(id).ok_or_else(|| Fail::not_found(id))?;
    let body = directory_query::entity(directory, call, group);
    Ok(Answer {
        body: Some(body),
        ..Answer::accepted()
    })
}

/// `GET /users/{id}/licenseDetails`.
pub(crate) fn details(directory: &Directory, call: &Call, id: &str) -> Outcome {
    let user = directory.get(id).ok_or_else(|| Fail::not_found(id))?;
    let held = directory
        .skus
        .iter()
        .filter(|sku| sku.holders.contains(&user.id))
        .zip(1..);
    let rows = held.map(|(sku, place)| {
        let value = json!({
            "id": format!("{}-{}", user.id, sku.id), "skuId": sku.id,
            "skuPartNumber": sku.part, "servicePlans": sku.service_plans(),
        });
        ValueRow { place, value }
    });
    collection(call, &format!("users('{id}')/licenseDetails"), rows)
}
