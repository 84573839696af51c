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
    let tenant = throttled().await;
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
    assert_eq!(busy.header("retry-after"), "1"); // nine units more than there were
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
    tenant.sandbox.advance(Duration::from_secs(1));
    assert_eq!(tenant.get("/users").await.status, 200);
}

/// A tenant with limits, on a clock that stands still.
async fn throttled() -> Tenant {
    let sandbox = Sandbox::builder().empty().throttling(true).start().await.unwrap();
    sandbox.stop_clock(true);
    Tenant::with(sandbox).await
}

#[tokio::test]
async fn what_was_spent_comes_back_evenly() {
    let tenant = throttled().await;
    let group = tenant.security_group("ward", json!({})).await;
    let granted = |answers: Vec<Value>| answers.iter().filter(|answer| answer["status"] == 200).count();
    assert_eq!(
        granted(spend(&tenant, &group, 35).await),
        699,
        "3,499 units of 3,500"
    );
    // 1,750 in five seconds, less the five that were refused: no edge of a window at which all is free again.
    tenant.sandbox.advance(Duration::from_secs(5));
    let again = granted(spend(&tenant, &group, 18).await);
    assert_eq!(again, 349, "1,746 units");
    tenant.sandbox.advance(Duration::from_mins(10));
    assert_eq!(
        granted(spend(&tenant, &group, 36).await),
        700,
        "no more than the bucket holds"
    );
}

#[tokio::test]
async fn refused_requests_count_too_up_to_a_limit() {
    let tenant = throttled().await;
    let group = tenant.security_group("ward", json!({})).await;
    spend(&tenant, &group, 35).await;
    let shares = spend(&tenant, &group, 60).await;
    assert!(shares.iter().all(|answer| answer["status"] == 429));
    let last = shares
        .iter()
        .map(|answer| {
            answer["headers"]["x-ms-throttle-limit-percentage"]
                .as_str()
                .unwrap()
        })
        .max();
    assert_eq!(last, Some("1.80"));
    let busy = tenant.get(&format!("/groups/{group}/transitiveMembers")).await;
    // 2,800 units are owed: eight seconds, and a part of one for the request itself.
    assert_eq!((busy.status, busy.header("retry-after")), (429, "9"));
    tenant.sandbox.advance(Duration::from_secs(9));
    assert_eq!(
        tenant
            .get(&format!("/groups/{group}/transitiveMembers"))
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn an_application_has_3000_writes_in_150_seconds_and_reads_besides() {
    let tenant = throttled().await;
    let patches: Vec<Value> = (0..20)
        .map(|id| {
            json!({ "id": id.to_string(), "method": "PATCH", "url": "/users/nobody",
                    "headers": { "Content-Type": "application/json" }, "body": {} })
        })
        .collect();
    let write = async |batches: usize| {
        let mut refused = Vec::new();
        for _ in 0..batches {
            let reply = tenant
                .send("POST", "/$batch", json!({ "requests": patches }))
                .await;
            let answers = reply.body["responses"].as_array().unwrap().clone();
            refused.extend(answers.into_iter().filter(|answer| answer["status"] == 429));
        }
        refused
    };
    assert!(write(150).await.is_empty());
    let refused = write(1).await;
    assert_eq!(refused.len(), 20);
    for answer in &refused {
        let headers = &answer["headers"];
        assert_eq!(headers["x-ms-throttle-information"], "WriteLimitExceeded");
        assert!(
            headers["x-ms-throttle-scope"]
                .as_str()
                .unwrap()
                .starts_with("Tenant_Application/Write/")
        );
    }
    assert_eq!(tenant.get("/users").await.status, 200, "reads go on");
    // Twenty are owed, and twenty come back each second.
    tenant.sandbox.advance(Duration::from_secs(2));
    assert!(write(1).await.is_empty());
    assert_eq!(write(1).await.len(), 20);
}

#[tokio::test]
async fn the_clock_stands_still_when_it_is_told_to() {
    let tenant = Tenant::empty().await;
    let url = format!("{}/_sandbox/clock", tenant.sandbox.authority());
    let post = async |body: Value| read(tenant.http.post(&url).json(&body)).await;
    let now = "2031-03-03T00:00:00Z";
    assert_eq!(
        post(json!({ "stopped": true, "now": now })).await.body["now"],
        now
    );
    std::thread::sleep(Duration::from_millis(1100));
    assert_eq!(
        post(json!({ "advance_seconds": 1 })).await.body["now"],
        "2031-03-03T00:00:01Z"
    );
    assert_eq!(post(json!({ "stopped": false })).await.status, 200);
    let start = tenant.sandbox.now();
    std::thread::sleep(Duration::from_millis(20));
    assert!(tenant.sandbox.now() > start);
}

#[tokio::test]
async fn limits_are_off_until_they_are_wanted() {
    let tenant = Tenant::empty().await;
    tenant.sandbox.stop_clock(true);
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
