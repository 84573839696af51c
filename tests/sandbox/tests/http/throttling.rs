//! The limits of the directory ("Microsoft Graph service-specific throttling limits").

use std::time::Duration;

use iam_sandbox::Sandbox;
use serde_json::{Value, json};

use crate::{Tenant, read};

/// Spends that many batches of twenty requests, five units each.
async fn spend(tenant: &Tenant, group: &str, batches: usize) -> Vec<Value> {
    let items: Vec<Value> = (0..20)
        .map(|id| json!({ "id": id.to_string(), "method": "GET", "url": format!("/groups/{group}/transitiveMembers") }))
        .collect();
    let mut out = Vec::new();
    for _ in 0..batches {
        let reply = tenant.send("POST", "/$batch", json!({ "requests": items })).await;
        out.extend(reply.body["responses"].as_array().unwrap().clone());
    }
    out
}

#[tokio::test]
async fn a_small_tenant_has_3500_units_in_ten_seconds() {
    let tenant = Tenant::with(Sandbox::builder().empty().throttling(true).start().await.unwrap()).await;
    let group = tenant.security_group("ward", json!({})).await;
    let answers = spend(&tenant, &group, 34).await;
    assert!(
        answers.iter().all(|answer| answer["status"] == 200),
        "3,401 units"
    );
    assert_eq!(answers[0]["headers"].get("x-ms-throttle-limit-percentage"), None);
    let near = tenant.get("/users").await;
    assert_eq!(
        (near.status, near.header("x-ms-throttle-limit-percentage")),
        (200, "0.97")
    );
    let last = spend(&tenant, &group, 1).await;
    assert_eq!(last.iter().filter(|answer| answer["status"] == 200).count(), 19);
    let busy = tenant.get("/users").await;
    assert_eq!((busy.status, busy.code()), (429, "TooManyRequests"));
    let seconds: u64 = busy.header("retry-after").parse().unwrap();
    assert!((1..=10).contains(&seconds), "{seconds}");
    let scope = format!(
        "Tenant_Application/ReadWrite/{}/{}",
        tenant.sandbox.client_id(),
        tenant.sandbox.tenant_id()
    );
    assert_eq!(busy.header("x-ms-throttle-scope"), scope);
    assert_eq!(
        busy.header("x-ms-throttle-information"),
        "ResourceUnitLimitExceeded"
    );
    tenant.sandbox.advance(Duration::from_secs(seconds + 1));
    assert_eq!(tenant.get("/users").await.status, 200);
}

#[tokio::test]
async fn limits_are_off_until_they_are_wanted() {
    let tenant = Tenant::empty().await;
    let group = tenant.security_group("ward", json!({})).await;
    let answers = spend(&tenant, &group, 36).await;
    assert!(answers.iter().all(|answer| answer["status"] == 200));
    let url = format!("{}/_sandbox/throttling", tenant.sandbox.authority());
    assert_eq!(
        read(tenant.http.post(&url).json(&json!({ "on": true })))
            .await
            .status,
        200
    );
    assert_eq!(
        read(tenant.http.post(&url).json(&json!({ "off": 1 })))
            .await
            .status,
        400
    );
    let answers = spend(&tenant, &group, 36).await;
    assert!(answers.iter().any(|answer| answer["status"] == 429));
}
