//! Answers that go wrong in every documented way, and some that are not documented.

use std::time::Duration;

use iam_core::ErrorKind;
use iam_core::clock::Clock;
use iam_core::error::Retry;
use iam_core::http::Method;
use iam_graph::error::{Meaning, meaning};
use iam_graph::query::Query;
use jiff::SignedDuration;
use serde_json::{Value, json};
use wiremock::matchers::any;
use wiremock::{Mock, ResponseTemplate};

use super::{Graph, graph, page};

/// A Graph that refuses so many requests with that status and header before it answers.
async fn refusing(times: u64, status: u16, retry_after: Option<&str>) -> Graph {
    let graph = graph(|_, _| (200, json!({"id": "u1"}))).await;
    let mut refusal =
        ResponseTemplate::new(status).set_body_json(json!({"error": {"code": "TooManyRequests"}}));
    if let Some(text) = retry_after {
        refusal = refusal.insert_header("retry-after", text);
    }
    Mock::given(any())
        .respond_with(refusal)
        .up_to_n_times(times)
        .with_priority(1)
        .mount(&graph.server)
        .await;
    graph
}

#[tokio::test]
async fn every_form_of_retry_after_is_waited_for() {
    let seconds = SignedDuration::from_secs;
    let soon = SignedDuration::ZERO..SignedDuration::from_millis(300);
    for (text, wait) in [
        (Some("7"), seconds(7)..seconds(8)),
        (Some("2.128"), SignedDuration::from_millis(2128)..seconds(3)),
        (Some("0"), SignedDuration::ZERO..SignedDuration::from_millis(1)),
        (Some("Thu, 01 Jan 2026 00:00:45 GMT"), seconds(45)..seconds(46)),
        (Some("Wed, 31 Dec 2025 00:00:00 GMT"), soon.clone()),
        (Some("soon"), soon.clone()),
        (None, soon),
    ] {
        // A POST too: what is throttled has had no effect. 509 is throttling by another name.
        for status in [429, 509] {
            let graph = refusing(1, status, text).await;
            let start = graph.clock.now();
            let body = json!({});
            let answer = graph
                .client
                .request(Method::Post, "/users", Some(&body), "create user")
                .await;
            assert!(answer.is_ok(), "{status} {text:?}");
            let waited = graph.clock.now().duration_since(start);
            assert!(wait.contains(&waited), "{status} {text:?}: {waited}");
            assert_eq!(graph.sent().await.len(), 2);
        }
    }
}

#[tokio::test]
async fn a_wait_of_days_is_the_callers_decision() {
    for (text, advised) in [
        ("172800", 86_400),
        ("999999999999999999999", 86_400),
        ("3600", 3_600),
    ] {
        let graph = refusing(99, 429, Some(text)).await;
        let start = graph.clock.now();
        let error = graph.client.user("u1").await.unwrap_err();
        let advice = Retry::After(Some(Duration::from_secs(advised)));
        assert_eq!(
            (meaning(&error), error.retry()),
            (Meaning::Throttled, advice),
            "{text}"
        );
        assert_eq!(
            (graph.sent().await.len(), graph.clock.now()),
            (1, start),
            "{text}"
        );
    }
}

#[tokio::test]
async fn a_page_of_html_is_never_repeated() {
    for (status, megabytes) in [(502, 10), (400, 10), (404, 1), (200, 10)] {
        let graph = graph(|_, _| (200, Value::Null)).await;
        let html = "<html>ada@x.example</html>".repeat((megabytes << 20) / 26 + 1);
        let answer = ResponseTemplate::new(status).set_body_raw(html, "text/html");
        Mock::given(any())
            .respond_with(answer)
            .with_priority(1)
            .mount(&graph.server)
            .await;
        let error = graph.client.user("u1").await.unwrap_err();
        let text = format!("{error:?} {}", error.chain());
        assert!(
            text.len() < 1_500 && !text.contains("ada@") && !text.contains("html"),
            "{text}"
        );
        let kind = match status {
            502 => ErrorKind::Unavailable,
            404 => ErrorKind::NotFound,
            200 => ErrorKind::Protocol,
            _ => ErrorKind::Invalid,
        };
        assert_eq!((error.kind(), error.status()), (kind, Some(status)));
    }
}

#[tokio::test]
async fn what_is_new_in_graph_does_not_stop_a_list() {
    let graph = graph(|_, _| {
        page(json!([
            {"id": "u1", "userType": "brandNew", "newThing": {"a": [1]}, "usageLocation": null,
             "licenseAssignmentStates": [{"skuId": "s1", "state": "unknownFutureValue", "error": "BrandNew"}]},
            {"@odata.type": "#microsoft.graph.brandNew", "id": "u2", "proxyAddresses": null},
        ]))
    })
    .await;
    let users = graph
        .client
        .stream_users(Query::new())
        .unwrap()
        .all()
        .await
        .unwrap();
    assert_eq!(users.len(), 2);
    assert_eq!(
        (users[0].user_type.as_deref(), &users[0].other["newThing"]),
        (Some("brandNew"), &json!({"a": [1]}))
    );
    let state = &users[0].license_assignment_states[0];
    assert_eq!(state.state.as_deref(), Some("unknownFutureValue"));
    assert_eq!(
        users[0].licenses(),
        [("s1", None)],
        "only what failed is not held"
    );
    let members = graph
        .client
        .stream_members("g1", Query::new())
        .unwrap()
        .all()
        .await
        .unwrap();
    assert_eq!(members[1].other["@odata.type"], "#microsoft.graph.brandNew");
}

#[tokio::test]
async fn beta_is_asked_for() {
    let graph = graph(|_, _| (200, json!({"id": "u1"}))).await;
    let body = None;
    graph
        .client
        .request(Method::Get, "/beta/a", body, "probe")
        .await
        .unwrap();
    graph
        .client
        .beta()
        .request(Method::Get, "/b", body, "probe")
        .await
        .unwrap();
    graph.client.beta().user("c").await.unwrap();
    graph
        .client
        .request(Method::Get, "/d", body, "probe")
        .await
        .unwrap();
    let sent = graph.server.received_requests().await.unwrap();
    let paths: Vec<&str> = sent.iter().map(|request| request.url.path()).collect();
    assert_eq!(paths, ["/beta/a", "/beta/b", "/beta/users/c", "/v1.0/d"]);
}
