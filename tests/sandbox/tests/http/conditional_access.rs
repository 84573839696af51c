//! Conditional access, the organization, domains and products: what is read of the tenant.

use serde_json::{Value, json};

use crate::Tenant;

#[tokio::test]
async fn policies_are_read_and_not_written() {
    let tenant = Tenant::empty().await;
    let at = "/identity/conditionalAccess/policies";
    let all = tenant.get(at).await;
    assert_eq!(all.values().len(), 3);
    let rescue = tenant.get("/users/break-glass@contoso.example").await;
    for policy in all.values() {
        assert_eq!(
            policy["conditions"]["users"]["excludeUsers"],
            json!([rescue.body["id"]])
        );
    }
    let blocking = tenant
        .get(&format!(
            "{at}?$filter=displayName eq 'No legacy authentication'&$select=id,grantControls"
        ))
        .await;
    assert_eq!(
        blocking.values()[0]["grantControls"]["builtInControls"],
        json!(["block"])
    );
    let id = blocking.values()[0]["id"].as_str().unwrap();
    assert_eq!(tenant.get(&format!("{at}/{id}")).await.body["state"], "enabled");
    tenant.check(&format!("GET {at}/0"), Value::Null, 404, "").await;
    let places = tenant.get("/identity/conditionalAccess/namedLocations").await;
    let used: Vec<&Value> = all
        .values()
        .iter()
        .filter_map(|policy| policy.pointer("/conditions/locations/excludeLocations/0"))
        .collect();
    assert_eq!(
        used,
        [&places.values()[0]["id"]],
        "the place that a policy names is there"
    );
    let refused = tenant
        .check(&format!("DELETE {at}/{id}"), Value::Null, 403, "scopes")
        .await;
    assert_eq!(refused.code(), "AccessDenied");
}

#[tokio::test]
async fn the_organization_has_what_it_has_bought() {
    let tenant = Tenant::empty().await;
    let skus = tenant.get("/subscribedSkus").await;
    let found = tenant
        .get(&format!("/organization/{}", tenant.sandbox.tenant_id()))
        .await;
    let plans = found.body["assignedPlans"].as_array().unwrap();
    let bought = skus.values()[0]["servicePlans"].as_array().unwrap();
    for plan in bought {
        let held = plans
            .iter()
            .filter(|held| held["servicePlanId"] == plan["servicePlanId"]);
        assert_eq!(held.count(), 1, "{plan}");
    }
    let services = found.body["provisionedPlans"].as_array().unwrap();
    assert!(services.iter().any(|plan| plan["service"] == "exchange"));
    tenant
        .check(
            "GET /organization/00000000-0000-0000-0000-000000000001",
            Value::Null,
            404,
            "",
        )
        .await;

    let sku = &skus.values()[1];
    let id = sku["id"].as_str().unwrap();
    let one = tenant.get(&format!("/subscribedSkus/{id}")).await;
    assert_eq!(one.body["skuPartNumber"], sku["skuPartNumber"]);
    assert!(
        one.body["@odata.context"]
            .as_str()
            .unwrap()
            .ends_with("#subscribedSkus/$entity")
    );
    let product = sku["skuId"].as_str().unwrap();
    tenant
        .check(&format!("GET /subscribedSkus/{product}"), Value::Null, 404, "")
        .await;
    let domain = tenant.get("/domains/contoso.example").await;
    assert_eq!(
        (&domain.body["isDefault"], &domain.body["isInitial"]),
        (&json!(true), &json!(false))
    );
    for (path, count) in [
        ("/domains/$count", "2"),
        ("/organization/$count", "1"),
        ("/identity/conditionalAccess/policies/$count", "3"),
    ] {
        assert_eq!(tenant.eventual(path).await.text, count, "{path}");
    }
    tenant
        .check("GET /domains/other.example", Value::Null, 404, "")
        .await;
}

#[tokio::test]
async fn an_application_is_nobody() {
    let tenant = Tenant::empty().await;
    for path in ["/me", "/me/memberOf"] {
        let get = format!("GET {path}");
        let refused = tenant
            .check(&get, Value::Null, 400, "delegated authentication flow")
            .await;
        assert_eq!(refused.code(), "BadRequest");
    }
}
