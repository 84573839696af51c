//! How the client reads answers: lists, errors, throttling, pages, broken servers, the raw hatch.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use iam_core::ErrorKind;
use iam_core::http::Method;
use serde_json::{Value, json};
use wiremock::ResponseTemplate;

use super::{SIEM, SUB, azure, azure_at, definition, failure, page};

#[tokio::test]
async fn subscriptions_and_resource_groups_are_read_and_groups_created() {
    let group = || json!({"id": SIEM, "name": "siem", "location": "westeurope", "tags": {"owner": "soc"}, "properties": {"provisioningState": "Succeeded"}, "managedBy": null});
    let azure = azure(move |line, _| match line {
        "GET /subscriptions" => page(json!([{"id": SUB, "subscriptionId": "s1", "displayName": "Prod", "state": "Enabled", "tenantId": "t1", "authorizationSource": "RoleBased"}])),
        "GET /subscriptions/s1" => (200, json!({"id": SUB, "subscriptionId": "s1", "displayName": "Prod"})),
        "GET /subscriptions/s1/resourcegroups" => page(json!([group()])),
        "GET /subscriptions/s1/resourcegroups/siem" => (200, group()),
        "PUT /subscriptions/s1/resourcegroups/siem" => (201, group()),
        _ => failure(404, "ResourceGroupNotFound"),
    })
    .await;
    let client = &azure.client;
    let all = client.list_subscriptions().await.unwrap();
    assert_eq!(
        (all[0].subscription_id.as_str(), all[0].state.as_deref()),
        ("s1", Some("Enabled"))
    );
    assert_eq!(all[0].other["authorizationSource"], json!("RoleBased"));
    assert_eq!(client.subscription("s1").await.unwrap().display_name, "Prod");
    assert_eq!(client.list_resource_groups("s1").await.unwrap()[0].id, SIEM);
    let siem = client.resource_group("s1", "siem").await.unwrap();
    assert_eq!(siem.properties.provisioning_state.as_deref(), Some("Succeeded"));
    let tags = BTreeMap::from([("owner".to_owned(), "soc".to_owned())]);
    let made = client
        .create_or_update_resource_group("s1", "siem", "westeurope", &tags)
        .await
        .unwrap();
    assert_eq!(made, siem);
    let missing = client.resource_group("s1", "other").await.unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    for request in azure.requests().await {
        let id = &request.headers["x-ms-client-request-id"];
        assert_eq!(id.len(), 36, "{id:?}");
        assert_eq!(id, &request.headers["client-request-id"]);
        assert!(
            request.url.query().unwrap().contains("api-version="),
            "{}",
            request.url
        );
        assert_eq!(request.headers["authorization"], "Bearer t0ken");
    }
}

#[tokio::test]
async fn every_page_is_read_and_none_of_another_host() {
    let root = Arc::new(OnceLock::<String>::new());
    let known = root.clone();
    let azure = azure(move |line, _| {
        let next = |page: &str| {
            format!(
                "{}/subscriptions/{page}?api-version=2022-12-01",
                known.get().unwrap()
            )
        };
        match line {
            "GET /subscriptions" => (
                200,
                json!({"value": [{"subscriptionId": "s1"}], "nextLink": next("p2")}),
            ),
            "GET /subscriptions/p2" => (200, json!({"value": [], "nextLink": next("p3")})),
            "GET /subscriptions/p3" => page(json!([{"subscriptionId": "s2"}])),
            _ => (
                200,
                json!({"value": [], "nextLink": "https://evil.example/subscriptions"}),
            ),
        }
    })
    .await;
    root.set(azure.server.uri()).unwrap();
    let all = azure.client.list_subscriptions().await.unwrap();
    let ids: Vec<_> = all.iter().map(|one| one.subscription_id.as_str()).collect();
    assert_eq!(ids, ["s1", "s2"]);
    let foreign = azure.client.list_resource_groups("s1").await.unwrap_err();
    assert_eq!(foreign.kind(), ErrorKind::Denied);
}

#[tokio::test]
async fn throttling_is_waited_out_even_without_a_wait() {
    async fn check(headers: &'static [(&'static str, &'static str)], shortest: u64) {
        let azure = azure_at(&[], move |_, before| {
            if before == 0 {
                headers
                    .iter()
                    .fold(ResponseTemplate::new(429), |answer, (name, value)| {
                        answer.insert_header(*name, *value)
                    })
            } else {
                ResponseTemplate::new(200).set_body_json(json!({"value": []}))
            }
        })
        .await;
        assert!(azure.client.list_subscriptions().await.unwrap().is_empty());
        let waited = azure.waited();
        assert!(
            waited >= Duration::from_millis(shortest),
            "{headers:?}: {waited:?}"
        );
        assert_eq!(azure.sent().await.len(), 2);
    }
    check(&[("retry-after", "9")], 9000).await;
    check(&[("x-ms-ratelimit-microsoft.compute-retry-after", "11")], 11_000).await;
    check(&[("retry-after", "0")], 100).await;
    check(&[], 100).await;
}

#[tokio::test]
async fn broken_servers_are_errors_of_a_kind() {
    async fn check(answer: ResponseTemplate, expect: ErrorKind) {
        let azure = azure_at(&[], move |_, _| answer.clone()).await;
        let error = azure.client.list_subscriptions().await.unwrap_err();
        assert_eq!(error.kind(), expect, "{error}");
        assert!(error.chain().len() < 400, "{}", error.chain().len());
        assert!(!error.chain().contains("ada@x.example"), "{error}");
    }
    let html = "<html><body>ada@x.example</body></html>";
    let page = |status| ResponseTemplate::new(status).set_body_raw(html, "text/html");
    check(page(200), ErrorKind::Protocol).await;
    check(page(403), ErrorKind::Denied).await;
    check(page(502), ErrorKind::Unavailable).await;
    check(page(302), ErrorKind::Protocol).await;
    check(
        ResponseTemplate::new(400).set_body_bytes(vec![b'{'; 10 << 20]),
        ErrorKind::Invalid,
    )
    .await;
    check(
        ResponseTemplate::new(200).set_body_json(json!({"value": [{"id": 7}]})),
        ErrorKind::Protocol,
    )
    .await;
    check(
        ResponseTemplate::new(200).set_body_json(json!({"values": []})),
        ErrorKind::Protocol,
    )
    .await;
}

#[tokio::test]
async fn a_role_is_found_by_its_name_and_two_are_an_error() {
    let filter = |name: &str| format!("GET {SIEM}/roleDefinitions?roleName eq '{name}'");
    let (reader, twice, none) = (filter("reader"), filter("Twice"), filter("O''Neil"));
    let azure = azure(move |line, _| match line {
        line if line == reader => page(json!([definition("R1", "Reader", &["*/read"])])),
        line if line == twice => page(json!([
            definition("r2", "Twice", &[]),
            definition("r3", "twice", &[])
        ])),
        line if line == none => page(json!([])),
        _ => failure(500, "Unexpected"),
    })
    .await;
    let scope = SIEM.parse().unwrap();
    assert_eq!(azure.client.role(&scope, "reader").await.unwrap().guid(), "r1");
    let two = azure.client.role(&scope, "Twice").await.unwrap_err();
    assert_eq!(two.kind(), ErrorKind::Conflict);
    assert!(two.to_string().contains("r2 and r3"), "{two}");
    let none = azure.client.role(&scope, "O'Neil").await.unwrap_err();
    assert_eq!(none.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn the_raw_hatch_keeps_token_and_errors() {
    let azure = azure(|line, _| match line {
        "POST /x" => failure(503, "ServerBusy"),
        _ => (200, json!({"id": 7})),
    })
    .await;
    let get = azure
        .client
        .request(
            Method::Get,
            "/tenants?api-version=2022-12-01",
            None,
            "list tenants",
        )
        .await
        .unwrap();
    assert_eq!(get.json::<Value>().unwrap(), json!({"id": 7}));
    let body = json!({});
    let post = azure
        .client
        .request(Method::Post, "/x", Some(&body), "do x")
        .await;
    assert_eq!(post.unwrap_err().kind(), ErrorKind::OutcomeUnknown);
    let foreign = azure
        .client
        .request(Method::Get, "https://evil.example/x", None, "get x")
        .await;
    assert_eq!(foreign.unwrap_err().kind(), ErrorKind::Denied);
}
