use iam_core::Result;
use iam_core::clock::Clock;
use iam_core::entitlement::Kind;
use iam_core::http::{Method, RetryPolicy};
use iam_core::plan::Action;
use jiff::SignedDuration;
use serde_json::{Value, json};

use wiremock::matchers::path;
use wiremock::{Mock, ResponseTemplate};

use super::batching::{each, send, statuses};
use super::{graph, page, what};

async fn ask(graph: &super::Graph, path: &str) -> u16 {
    let answer = graph.client.request(Method::Get, path, None, "probe").await;
    answer.map_or_else(|error| error.status().unwrap_or(0), |answer| answer.status)
}

#[tokio::test]
async fn requests_keep_within_the_documented_units() {
    let graph = graph(|_, _| page(json!([]))).await;
    let start = graph.clock.now();
    // 3 units each; 3,500 are granted at once and 350 each second after that.
    for _ in 0..1_166 {
        assert_eq!(ask(&graph, "/subscribedSkus").await, 200);
    }
    assert_eq!(graph.clock.now(), start);
    for _ in 0..350 {
        assert_eq!(ask(&graph, "/subscribedSkus").await, 200);
    }
    let passed = graph.clock.now().duration_since(start);
    let expected = SignedDuration::from_millis(2_980)..SignedDuration::from_millis(3_400);
    assert!(expected.contains(&passed), "{passed}");
}

#[tokio::test]
async fn a_refusal_pauses_the_clones_too() {
    let graph = graph(|_, _| page(json!([]))).await;
    let refusal = ResponseTemplate::new(429)
        .insert_header("retry-after", "5")
        .set_body_json(json!({"error": {"code": "TooManyRequests", "message": "Too many"}}));
    let once = Mock::given(path("/v1.0/organization")).respond_with(refusal);
    let once = once.up_to_n_times(1).with_priority(1);
    once.mount(&graph.server).await;
    // One attempt: whoever is refused does not wait, but all that follow do.
    let hasty = super::builder(&graph.server, &graph.clock)
        .retry(RetryPolicy::none())
        .build();
    let start = graph.clock.now();
    let refused = hasty.request(Method::Get, "/organization", None, "probe").await;
    assert_eq!(refused.unwrap_err().status(), Some(429));
    assert_eq!(graph.clock.now(), start);
    let other = hasty.clone();
    other
        .request(Method::Get, "/domains", None, "probe")
        .await
        .unwrap();
    let passed = graph.clock.now().duration_since(start);
    assert_eq!(passed, SignedDuration::from_secs(5));
}

#[tokio::test]
async fn what_takes_access_away_is_marked_urgent() {
    let graph = graph(|_, _| (204, json!(null))).await;
    let action = Action::Revoke {
        entitlement: what(Kind::Group, "g1"),
        assignment: None,
    };
    graph.apply(Some("u1"), action).await.unwrap();
    graph
        .client
        .request(Method::Get, "/organization", None, "probe")
        .await
        .unwrap();
    let sent = graph.server.received_requests().await.unwrap();
    let marks: Vec<_> = sent
        .iter()
        .map(|request| {
            let mark = request.headers.get("x-ms-throttle-priority");
            (request.method.as_str(), mark.map(|mark| mark.to_str().unwrap()))
        })
        .collect();
    let revoked = marks.iter().filter(|(method, _)| *method == "DELETE");
    assert_eq!(revoked.collect::<Vec<_>>(), [&("DELETE", Some("High"))]);
    assert_eq!(marks.last(), Some(&("GET", None)));
}

#[tokio::test]
async fn every_item_is_paid_for_before_it_leaves() {
    let graph = graph(|_, _| (204, Value::Null)).await;
    let mut batch = graph.client.batch();
    for number in 0..3_400 {
        let request = graph
            .client
            .build(Method::Delete, &format!("/users/{number}"), "delete user");
        batch.add(request);
    }
    let start = graph.clock.now();
    assert!(send(batch).await.iter().all(Result::is_ok));
    assert_eq!(graph.posts().await, 170);
    // 3,000 writes are granted at once, 20 in each second after that.
    let passed = graph.clock.now().duration_since(start);
    let expected = SignedDuration::from_millis(19_900)..SignedDuration::from_secs(90);
    assert!(expected.contains(&passed), "{passed}");
}

#[tokio::test]
async fn what_an_item_says_of_the_budget_holds_for_all() {
    let graph = graph(|_, _| (200, json!({}))).await;
    graph
        .answer_batches(1, |items| {
            each(&items, |item| match item["id"].as_str().unwrap() {
                "1" => json!({"status": 429, "headers": {"Retry-After": "9"}}),
                _ => json!({"status": 200}),
            })
        })
        .await;
    let hasty = super::builder(&graph.server, &graph.clock)
        .retry(iam_core::http::RetryPolicy::none())
        .build();
    let start = graph.clock.now();
    let mut batch = hasty.batch();
    batch.add(graph.get("/a"));
    batch.add(graph.get("/b"));
    assert_eq!(statuses(&send(batch).await), [429, 200]);
    assert_eq!(graph.clock.now(), start);
    hasty.request(Method::Get, "/c", None, "probe").await.unwrap();
    assert_eq!(
        graph.clock.now().duration_since(start),
        SignedDuration::from_secs(9)
    );
}
