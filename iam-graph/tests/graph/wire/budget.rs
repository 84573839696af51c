use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use iam_core::Result;
use iam_core::clock::{Clock, SystemClock};
use iam_core::entitlement::Kind;
use iam_core::http::{Method, RetryPolicy};
use iam_core::plan::Action;
use iam_graph::cost::Limits;
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

/// How long ten deletions take together whose first envelope is answered so, where ten writes are granted at once and
/// another ten in 150 s; and how many requests leave, those in envelopes counted one by one.
async fn ten_deletions(
    joining: bool,
    first: impl Fn(Vec<Value>) -> ResponseTemplate + Send + Sync + 'static,
) -> (SignedDuration, usize) {
    let graph = graph(|_, _| (204, Value::Null)).await;
    graph.answer_batches(1, first).await;
    let client = super::builder(&graph.server, &graph.clock).limits(Some(Limits::new(1_000, 10)));
    let client = client.build();
    let start = graph.clock.now();
    let delete = |number: usize| client.build(Method::Delete, &format!("/users/{number}"), "delete user");
    if joining {
        let client = client.joining();
        let answers = (0..10).map(|number| client.send(delete(number)));
        futures::future::try_join_all(answers).await.unwrap();
    } else {
        let mut batch = client.batch();
        for number in 0..10 {
            batch.add(delete(number));
        }
        assert_eq!(statuses(&send(batch).await), [204; 10]);
    }
    (graph.clock.now().duration_since(start), graph.sent().await.len())
}

#[tokio::test]
async fn whatever_is_sent_once_more_is_paid_for_once_more() {
    let refused: [fn(Vec<Value>) -> ResponseTemplate; 3] = [
        // The envelope as a whole, which is repeated.
        |_| ResponseTemplate::new(503),
        // Its form: each request goes by itself.
        |_| ResponseTemplate::new(400),
        // The token, item by item: each gets another one.
        |items| each(&items, |_| json!({"status": 401})),
    ];
    let all = SignedDuration::from_millis(149_900)..SignedDuration::from_secs(153);
    for joining in [false, true] {
        for refused in refused {
            let (passed, sent) = ten_deletions(joining, refused).await;
            assert_eq!(sent, 20);
            assert!(all.contains(&passed), "{joining} {passed}");
        }
        // And nothing else is.
        let done = |items: Vec<Value>| each(&items, |_| json!({"status": 204}));
        let (passed, sent) = ten_deletions(joining, done).await;
        assert_eq!(sent, 10);
        assert!(passed < SignedDuration::from_secs(1), "{joining} {passed}");
    }
}

#[tokio::test]
async fn a_refused_envelope_makes_everybody_wait() {
    let graph = graph(|_, _| (200, json!({}))).await;
    let first = Arc::new(AtomicUsize::new(0));
    let asked = first.clone();
    let respond = move |request: &wiremock::Request| match asked.fetch_add(1, Ordering::SeqCst) {
        0 => ResponseTemplate::new(429).insert_header("retry-after", "7"),
        _ => each(&super::items(request).unwrap(), |_| json!({"status": 200})),
    };
    let mock = Mock::given(path("/v1.0/$batch")).respond_with(respond);
    mock.with_priority(1).mount(&graph.server).await;
    let clock = crate::clock::StandingClock::new();
    let client = super::builder(&graph.server, &graph.clock)
        .clock(clock.clone())
        .build();
    let mut batch = client.batch();
    batch.add(graph.get("/a"));
    batch.add(graph.get("/b"));
    let batch = tokio::spawn(batch.send());
    while first.load(Ordering::SeqCst) == 0 {
        SystemClock.sleep(Duration::from_millis(2)).await;
    }
    SystemClock.sleep(Duration::from_millis(50)).await;
    let other = client.clone();
    let other = tokio::spawn(async move { other.request(Method::Get, "/domains", None, "probe").await });
    SystemClock.sleep(Duration::from_millis(50)).await;
    assert_eq!(graph.posts().await, 1, "nobody asks before the time is over");
    clock.advance(Duration::from_secs(7));
    let both = async { (other.await.unwrap(), batch.await.unwrap()) };
    let (other, batch) = tokio::time::timeout(Duration::from_secs(10), both).await.unwrap();
    other.unwrap();
    assert_eq!(statuses(&batch), [200, 200]);
}
