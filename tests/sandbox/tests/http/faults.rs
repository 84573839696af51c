//! What goes wrong by rule.

use std::time::{Duration, Instant};

use iam_sandbox::{Effect, Fault, RetryAfter};
use serde_json::{Value, json};

use crate::{Tenant, draft, read};

#[tokio::test]
async fn throttling_comes_in_every_form() {
    let tenant = Tenant::empty().await;
    let check = async |retry_after: RetryAfter, expect: &dyn Fn(&str) -> bool| {
        tenant.sandbox.fault(
            Fault::new(Effect::Throttle { retry_after })
                .on("GET", "/users")
                .times(1),
        );
        let reply = tenant.get("/users").await;
        assert_eq!((reply.status, reply.code()), (429, "TooManyRequests"));
        assert!(
            expect(reply.header("retry-after")),
            "{retry_after:?}: {:?}",
            reply.header("retry-after")
        );
        assert_eq!(tenant.get("/users").await.status, 200, "one time only");
    };
    check(RetryAfter::Missing, &str::is_empty).await;
    check(RetryAfter::Seconds(0), &|text| text == "0").await;
    check(RetryAfter::Seconds(7), &|text| text == "7").await;
    check(RetryAfter::Fraction(2.128), &|text| text == "2.128").await;
    check(RetryAfter::Date(120), &|text| {
        text.ends_with(" GMT") && httpdate::parse_http_date(text).is_ok()
    })
    .await;
}

#[tokio::test]
async fn a_refused_write_does_not_take_effect() {
    let tenant = Tenant::empty().await;
    for (effect, status) in [
        (
            Effect::Throttle {
                retry_after: RetryAfter::Seconds(1),
            },
            429,
        ),
        (
            Effect::Status {
                status: 503,
                retry_after: RetryAfter::Missing,
            },
            503,
        ),
    ] {
        tenant
            .sandbox
            .fault(Fault::new(effect).on("POST", "/users").times(1));
        assert_eq!(
            tenant
                .send("POST", "/users", draft("ann", json!({})))
                .await
                .status,
            status
        );
    }
    tenant
        .sandbox
        .fault(Fault::new(Effect::CutBefore).on("POST", "/users").times(1));
    let cut = tenant
        .request("POST", "/users")
        .json(&draft("ann", json!({})))
        .send()
        .await;
    assert!(cut.is_err());
    assert!(tenant.sandbox.user("ann@contoso.example").is_none());
    assert_eq!(
        tenant
            .send("POST", "/users", draft("ann", json!({})))
            .await
            .status,
        201
    );
}

#[tokio::test]
async fn a_cut_after_commit_takes_effect_without_an_answer() {
    let tenant = Tenant::empty().await;
    tenant
        .sandbox
        .fault(Fault::new(Effect::CutAfter).on("POST", "/users").nth(2).times(1));
    assert_eq!(
        tenant
            .send("POST", "/users", draft("ann", json!({})))
            .await
            .status,
        201
    );
    let cut = tenant
        .request("POST", "/users")
        .json(&draft("bob", json!({})))
        .send()
        .await;
    assert!(cut.is_err());
    assert!(tenant.sandbox.user("bob@contoso.example").is_some());
    assert_eq!(
        tenant
            .send("POST", "/users", draft("bob", json!({})))
            .await
            .status,
        400,
        "it is there"
    );
    let log = tenant.sandbox.log();
    let entry = log
        .iter()
        .find(|entry| entry.fault.as_deref() == Some("cut_after"))
        .unwrap();
    assert_eq!(
        (entry.method.as_str(), entry.path.as_str(), entry.status),
        ("POST", "/v1.0/users", 0)
    );
}

#[tokio::test]
async fn replication_lags() {
    let tenant = Tenant::empty().await;
    let ann = tenant.hire("ann", json!({ "employeeId": "W-1" })).await;
    let group = tenant.security_group("ward", json!({})).await;
    tenant.sandbox.advance(Duration::from_mins(1));
    tenant.sandbox.fault(Fault::new(Effect::Lag { millis: 30_000 }));
    let bob = tenant.hire("bob", json!({ "employeeId": "W-2" })).await;
    tenant
        .check(&format!("GET /users/{ann}"), Value::Null, 200, "")
        .await;
    tenant
        .check(
            &format!("GET /users/{bob}"),
            Value::Null,
            404,
            "Request_ResourceNotFound",
        )
        .await;
    tenant
        .check(
            &format!("PATCH /users/{bob}"),
            json!({ "city": "Perth" }),
            404,
            "",
        )
        .await;
    tenant
        .check(
            &format!("POST /groups/{group}/members/$ref"),
            tenant.link(&bob),
            404,
            "",
        )
        .await;
    assert!(
        tenant
            .get("/users?$filter=employeeId eq 'W-2'")
            .await
            .values()
            .is_empty()
    );
    assert_eq!(
        tenant
            .get("/users?$filter=employeeId in ('W-1','W-2')")
            .await
            .values()
            .len(),
        1
    );
    tenant
        .check("POST /users", draft("bob", json!({})), 400, "ObjectConflict")
        .await;
    tenant.sandbox.advance(Duration::from_secs(31));
    tenant
        .check(&format!("GET /users/{bob}"), Value::Null, 200, "")
        .await;
    tenant
        .check(
            &format!("POST /groups/{group}/members/$ref"),
            tenant.link(&bob),
            204,
            "",
        )
        .await;
}

#[tokio::test]
async fn slow_answers_and_revoked_tokens() {
    let mut tenant = Tenant::empty().await;
    tenant.sandbox.fault(
        Fault::new(Effect::Slow { millis: 150 })
            .on("GET", "/users")
            .times(1),
    );
    let started = Instant::now();
    assert_eq!(tenant.get("/users").await.status, 200);
    assert!(started.elapsed() >= Duration::from_millis(150));
    tenant
        .sandbox
        .fault(Fault::new(Effect::RevokeTokens).on("*", "/users").times(1));
    assert_eq!(tenant.get("/users").await.code(), "InvalidAuthenticationToken");
    assert_eq!(
        tenant.get("/users").await.status,
        401,
        "the old token stays revoked"
    );
    tenant.sign_in().await;
    assert_eq!(tenant.get("/users").await.status, 200);
}

#[tokio::test]
async fn the_token_endpoint_fails_in_its_own_words() {
    let tenant = Tenant::empty().await;
    let effect = Effect::Throttle {
        retry_after: RetryAfter::Seconds(3),
    };
    tenant
        .sandbox
        .fault(Fault::new(effect).on("POST", "/*/oauth2/v2.0/token").times(1));
    let reply = tenant.token_request(&tenant.form()).await;
    assert_eq!(
        (reply.status, reply.body["error"].as_str()),
        (429, Some("temporarily_unavailable"))
    );
    assert_eq!(reply.header("retry-after"), "3");
    assert_eq!(tenant.token_request(&tenant.form()).await.status, 200);
}

#[tokio::test]
async fn a_share_of_requests_can_fail() {
    let tenant = Tenant::empty().await;
    let rule = Fault::new(Effect::Status {
        status: 504,
        retry_after: RetryAfter::Missing,
    })
    .on("GET", "**");
    tenant.sandbox.fault(rule.probability(0.5));
    let mut failed = 0;
    for _ in 0..60 {
        failed += u32::from(tenant.get("/organization").await.status == 504);
    }
    assert!((10..=50).contains(&failed), "{failed} of 60");
    assert_eq!(tenant.sandbox.faults()[0].fired(), u64::from(failed));
    tenant.sandbox.clear_faults();
    let url = format!("{}/_sandbox/faults", tenant.sandbox.authority());
    let rule = json!({
        "method": "GET", "path": "/organization", "times": 1,
        "effect": { "kind": "throttle", "retry_after": { "seconds": 1 } },
    });
    assert_eq!(read(tenant.http.post(&url).json(&rule)).await.status, 201);
    assert_eq!(tenant.get("/organization").await.status, 429);
    assert_eq!(read(tenant.http.get(&url)).await.body["faults"][0]["fired"], 1);
    assert_eq!(
        read(tenant.http.post(&url).json(&json!({ "effect": { "kind": "x" } })))
            .await
            .status,
        400
    );
    assert_eq!(read(tenant.http.delete(&url)).await.status, 200);
    assert!(tenant.sandbox.faults().is_empty());
}
