//! Licences: seats, direct and inherited.

use iam_sandbox::Sandbox;
use serde_json::{Value, json};

use crate::Tenant;

const E3: &str = "05e9a617-0261-4cee-bb44-138d3ef5d965";
const FLOW: &str = "f30db892-07e9-47e9-837c-80727f46fd3d";

fn add(sku: &str) -> Value {
    json!({ "addLicenses": [{ "skuId": sku, "disabledPlans": [] }], "removeLicenses": [] })
}

fn remove(sku: &str) -> Value {
    json!({ "addLicenses": [], "removeLicenses": [sku] })
}

async fn consumed(tenant: &Tenant, part: &str) -> u64 {
    let reply = tenant.get("/subscribedSkus").await;
    let sku = reply
        .values()
        .iter()
        .find(|sku| sku["skuPartNumber"] == part)
        .unwrap();
    assert!(sku["prepaidUnits"]["enabled"].is_u64() && sku["servicePlans"][0]["servicePlanId"].is_string());
    sku["consumedUnits"].as_u64().unwrap()
}

#[tokio::test]
async fn seats_are_counted() {
    let sandbox = Sandbox::builder()
        .empty()
        .seats("SPE_E3", 1)
        .start()
        .await
        .unwrap();
    let tenant = Tenant::with(sandbox).await;
    let ann = tenant.hire("ann", json!({ "usageLocation": "AU" })).await;
    let bob = tenant.hire("bob", json!({ "usageLocation": "AU" })).await;
    let carl = tenant.hire("carl", json!({})).await;
    let assign = |id: &str| format!("POST /users/{id}/assignLicense");
    tenant
        .check(&assign(&carl), add(E3), 400, "invalid usage location")
        .await;
    let reply = tenant.check(&assign(&ann), add(E3), 200, "").await;
    assert_eq!(reply.body["id"], json!(ann));
    assert_eq!(consumed(&tenant, "SPE_E3").await, 1);
    tenant.check(&assign(&ann), add(E3), 200, "").await;
    tenant
        .check(
            &assign(&bob),
            add(E3),
            400,
            "does not have any available licenses",
        )
        .await;
    let both = json!({ "addLicenses": [{ "skuId": FLOW }, { "skuId": E3 }], "removeLicenses": [] });
    tenant.check(&assign(&bob), both, 400, "available").await;
    assert_eq!(consumed(&tenant, "FLOW_FREE").await, 0, "all or nothing");
    let unknown = "11111111-1111-4111-8111-111111111111";
    tenant
        .check(
            &assign(&bob),
            add(unknown),
            400,
            "does not correspond to a valid company License",
        )
        .await;
    tenant
        .check(
            &assign(&bob),
            remove(E3),
            400,
            "User does not have a corresponding license.",
        )
        .await;
    let one = json!({ "removeLicenses": [] });
    tenant
        .check(
            &assign(&bob),
            one,
            400,
            "The missing parameters are: addLicenses.",
        )
        .await;
    let plans =
        json!({ "addLicenses": [{ "skuId": FLOW, "disabledPlans": [unknown] }], "removeLicenses": [] });
    tenant.check(&assign(&bob), plans, 400, "does not belong").await;
    let details = tenant.get(&format!("/users/{ann}/licenseDetails")).await;
    assert_eq!(details.column("skuPartNumber"), ["SPE_E3"]);
    let found = tenant
        .get(&format!(
            "/users/{ann}?$select=mail,assignedLicenses,licenseAssignmentStates"
        ))
        .await
        .body;
    assert_eq!(
        found["mail"], "ann@contoso.example",
        "a mailbox came with the licence"
    );
    assert_eq!(
        found["assignedLicenses"],
        json!([{ "disabledPlans": [], "skuId": E3 }])
    );
    let state = &found["licenseAssignmentStates"][0];
    assert_eq!(
        (&state["assignedByGroup"], &state["state"], &state["error"]),
        (&Value::Null, &json!("Active"), &json!("None"))
    );
    tenant.check(&assign(&ann), remove(E3), 200, "").await;
    tenant.check(&assign(&bob), add(E3), 200, "").await;
    tenant.send("DELETE", &format!("/users/{bob}"), Value::Null).await;
    assert_eq!(
        consumed(&tenant, "SPE_E3").await,
        0,
        "a deleted user holds no seat"
    );
}

#[tokio::test]
async fn members_inherit_what_their_group_has() {
    let sandbox = Sandbox::builder()
        .empty()
        .seats("SPE_E3", 2)
        .start()
        .await
        .unwrap();
    let tenant = Tenant::with(sandbox).await;
    let group = tenant.security_group("licensed", json!({})).await;
    let mut ids = Vec::new();
    for name in ["ann", "bob", "carl"] {
        let id = tenant.hire(name, json!({ "usageLocation": "AU" })).await;
        tenant
            .check(
                &format!("POST /groups/{group}/members/$ref"),
                tenant.link(&id),
                204,
                "",
            )
            .await;
        ids.push(id);
    }
    tenant
        .check(&format!("POST /users/{}/assignLicense", ids[0]), add(E3), 200, "")
        .await;
    tenant
        .check(&format!("POST /groups/{group}/assignLicense"), add(E3), 202, "")
        .await;
    let found = tenant
        .get(&format!(
            "/groups/{group}?$select=assignedLicenses,hasMembersWithLicenseErrors"
        ))
        .await
        .body;
    assert_eq!(
        found["assignedLicenses"],
        json!([{ "disabledPlans": [], "skuId": E3 }])
    );
    assert_eq!(found["hasMembersWithLicenseErrors"], true);
    let states = async |id: &str| {
        let reply = tenant
            .get(&format!("/users/{id}?$select=licenseAssignmentStates"))
            .await
            .body;
        let states = reply["licenseAssignmentStates"].as_array().unwrap().clone();
        let text = |state: &Value| {
            format!(
                "{} {}",
                if state["assignedByGroup"].is_null() {
                    "direct"
                } else {
                    "group"
                },
                state["error"].as_str().unwrap()
            )
        };
        states.iter().map(text).collect::<Vec<_>>()
    };
    assert_eq!(
        states(&ids[0]).await,
        ["direct None", "group None"],
        "both ways take one seat"
    );
    let mut others = [states(&ids[1]).await, states(&ids[2]).await].concat();
    others.sort();
    assert_eq!(others, ["group CountViolation", "group None"]);
    let says =
        "User license is inherited from a group membership and it cannot be removed directly from the user.";
    tenant
        .check(
            &format!("POST /users/{}/assignLicense", ids[1]),
            remove(E3),
            400,
            says,
        )
        .await;
    tenant
        .check(
            &format!("POST /users/{}/assignLicense", ids[0]),
            remove(E3),
            200,
            "",
        )
        .await;
    assert_eq!(states(&ids[0]).await, ["group None"]);
    tenant
        .check(
            &format!("DELETE /groups/{group}/members/{}/$ref", ids[0]),
            Value::Null,
            204,
            "",
        )
        .await;
    assert!(states(&ids[0]).await.is_empty());
    assert_eq!(consumed(&tenant, "SPE_E3").await, 1);
    tenant
        .check(
            &format!("POST /groups/{group}/assignLicense"),
            remove(E3),
            202,
            "",
        )
        .await;
    assert_eq!(consumed(&tenant, "SPE_E3").await, 0);
}

#[tokio::test]
async fn nested_groups_hand_on_no_licence() {
    let tenant = Tenant::empty().await;
    let ann = tenant.hire("ann", json!({})).await;
    let inner = tenant.security_group("inner", json!({})).await;
    let outer = tenant.security_group("outer", json!({})).await;
    tenant
        .check(&format!("POST /groups/{outer}/assignLicense"), add(E3), 202, "")
        .await;
    tenant
        .check(
            &format!("POST /groups/{outer}/members/$ref"),
            tenant.link(&inner),
            204,
            "",
        )
        .await;
    tenant
        .check(
            &format!("POST /groups/{inner}/members/$ref"),
            tenant.link(&ann),
            204,
            "",
        )
        .await;
    assert_eq!(consumed(&tenant, "SPE_E3").await, 0);
    tenant
        .check(
            &format!("POST /groups/{outer}/members/$ref"),
            tenant.link(&ann),
            204,
            "",
        )
        .await;
    assert_eq!(consumed(&tenant, "SPE_E3").await, 1, "no usage location needed");
    tenant
        .check(&format!("DELETE /groups/{outer}"), Value::Null, 204, "")
        .await;
    assert_eq!(consumed(&tenant, "SPE_E3").await, 0);
}
