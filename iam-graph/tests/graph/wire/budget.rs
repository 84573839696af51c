use iam_core::clock::Clock;
use iam_core::entitlement::Kind;
use iam_core::http::{Method, RetryPolicy};
use iam_core::plan::Action;
use jiff::SignedDuration;
use serde_json::json;

use wiremock::matchers::path;
use wiremock::{Mock, ResponseTemplate};

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
