//! Concurrent requests share batches, and nobody notices but the wire.

use std::sync::Arc;
use std::time::Duration;

use iam_core::ErrorKind;
use iam_core::clock::{Clock, SystemClock};
use iam_core::entitlement::Kind;
use iam_core::http::Method;
use iam_core::person::PersonKey;
use iam_core::plan::{Action, Step};
use iam_core::target::Target;
use iam_graph::GraphTarget;
use jiff::SignedDuration;
use serde_json::{Value, json};
use wiremock::matchers::path;
use wiremock::{Mock, Request};

use super::batching::each;
use super::{graph, items, not_found, what};

#[tokio::test]
async fn concurrent_requests_join_and_a_lonely_one_does_not_wait() {
    let graph = graph(|line, _| match line {
        "GET /users/7" => not_found(),
        _ => (200, json!({ "line": line })),
    })
    .await;
    let client = graph.client.joining();
    client
        .request(Method::Get, "/organization", None, "probe")
        .await
        .unwrap();
    assert!(graph.envelopes().await.is_empty());
    let ask = async |number: usize| {
        let answer = client
            .request(Method::Get, &format!("/users/{number}"), None, "probe")
            .await;
        answer.map(|answer| answer.json::<Value>().unwrap()["line"].clone())
    };
    let answers = futures::future::join_all((0..50).map(ask)).await;
    for (number, answer) in answers.into_iter().enumerate() {
        match answer {
            Ok(line) => assert_eq!(line, format!("GET /users/{number}")),
            Err(error) => assert_eq!((number, error.kind()), (7, ErrorKind::NotFound)),
        }
    }
    assert_eq!(graph.posts().await, 1 + 3);
}

#[tokio::test]
async fn urgent_requests_overtake_and_travel_by_themselves() {
    let graph = graph(|_, _| (200, json!({}))).await;
    let slow = Duration::from_millis(600);
    let mock = Mock::given(path("/v1.0/$batch")).respond_with(move |request: &Request| {
        each(&items(request).unwrap(), |_| json!({"status": 200})).set_delay(slow)
    });
    mock.with_priority(1).mount(&graph.server).await;
    let client = super::builder(&graph.server, &graph.clock).clock(Arc::new(SystemClock));
    let client = client.build().joining();
    let urgent = client.urgent();
    // Two batches that are not full are on their way, and what comes now would wait for one of them.
    let ask = async |path: &str| client.request(Method::Get, path, None, "probe").await.map(drop);
    let pairs = async || {
        let first = futures::future::try_join(ask("/a"), ask("/b"));
        let second = async {
            SystemClock.sleep(Duration::from_millis(100)).await;
            futures::future::try_join(ask("/c"), ask("/d")).await
        };
        let third = async {
            SystemClock.sleep(Duration::from_millis(200)).await;
            futures::future::try_join(ask("/e"), ask("/f")).await
        };
        futures::try_join!(first, second, third).unwrap();
    };
    let leaver = async {
        SystemClock.sleep(Duration::from_millis(300)).await;
        let start = std::time::Instant::now();
        urgent
            .request(Method::Delete, "/groups/g/members/u/$ref", None, "remove")
            .await
            .unwrap();
        start.elapsed()
    };
    let ((), waited) = tokio::join!(pairs(), leaver);
    assert!(waited < slow / 2, "{waited:?}");
    let sent = graph.sent().await;
    let at = |line: &str| sent.iter().position(|sent| sent == line).unwrap();
    assert!(at("DELETE /groups/g/members/u/$ref") < at("GET /e"), "{sent:?}");
}

#[tokio::test]
async fn a_slow_item_holds_the_others_up_for_a_second_and_eight_of_them_for_good() {
    let graph = graph(|_, _| (200, json!({}))).await;
    // What is slow never answers while this test looks.
    let slow = Mock::given(path("/v1.0/$batch")).respond_with(|request: &Request| {
        let items = items(request).unwrap();
        let is_slow = items
            .iter()
            .any(|item| item["url"].as_str().unwrap().contains("slow"));
        let delay = Duration::from_secs(if is_slow { 600 } else { 0 });
        each(&items, |_| json!({"status": 200})).set_delay(delay)
    });
    slow.with_priority(1).mount(&graph.server).await;
    let clock = crate::clock::StandingClock::new();
    let client = super::builder(&graph.server, &graph.clock).clock(clock.clone());
    let client = client.build().joining();
    let pair = |name: &str| {
        let two = ["a", "b"].map(|which| {
            let (client, path) = (client.clone(), format!("/{name}/{which}"));
            tokio::spawn(async move { client.request(Method::Get, &path, None, "probe").await.map(drop) })
        });
        futures::future::try_join_all(two)
    };
    let posts = async |many: usize| {
        let arrived = async {
            while graph.posts().await < many {
                SystemClock.sleep(Duration::from_millis(2)).await;
            }
        };
        let arrived = tokio::time::timeout(Duration::from_secs(10), arrived).await;
        arrived.unwrap_or_else(|_| panic!("{many} requests did not leave"));
        SystemClock.sleep(Duration::from_millis(50)).await;
        assert_eq!(graph.posts().await, many);
    };
    let mut slow = vec![pair("slow1")];
    posts(1).await;
    slow.push(pair("slow2"));
    posts(2).await;
    // Two are on their way: what comes now gathers, until one of them does not count any more.
    let quick = pair("quick");
    posts(2).await;
    clock.advance(Duration::from_millis(999));
    posts(2).await;
    clock.advance(Duration::from_millis(1));
    let quick = tokio::time::timeout(Duration::from_secs(10), quick)
        .await
        .unwrap();
    quick.unwrap().into_iter().for_each(|answer| answer.unwrap());
    posts(3).await;
    // A service that hangs altogether is not given ever more.
    for number in 3..=8 {
        slow.push(pair(&format!("slow{number}")));
        SystemClock.sleep(Duration::from_millis(20)).await;
        clock.advance(Duration::from_secs(1));
    }
    posts(1 + 8).await;
    let _more = pair("ninth");
    clock.advance(Duration::from_secs(5));
    posts(1 + 8).await;
}

#[tokio::test]
async fn whoever_gives_up_takes_nobody_along() {
    let graph = graph(|_, _| (200, json!({}))).await;
    let client = graph.client.joining();
    let ask = |path: &'static str| {
        let client = client.clone();
        tokio::spawn(async move { client.request(Method::Get, path, None, "probe").await.map(drop) })
    };
    let (first, second) = (ask("/a"), ask("/b"));
    tokio::task::yield_now().await;
    first.abort();
    tokio::time::timeout(Duration::from_secs(5), second)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    tokio::time::timeout(Duration::from_secs(5), ask("/c"))
        .await
        .unwrap()
        .unwrap()
        .unwrap();
}

impl super::Graph {
    async fn apply_to(&self, target: &GraphTarget, worker: &str, action: Action) {
        let step = Step::new(target.id(), &PersonKey::new(worker), Some(worker), action, "test");
        target.apply(&step, &super::key(&step)).await.unwrap();
    }
}

#[tokio::test]
async fn who_is_alone_never_waits_and_two_wait_only_a_moment() {
    let graph = graph(|_, _| (204, Value::Null)).await;
    let grant = || Action::grant(what(Kind::Group, "g1"));
    let revoke = || Action::Revoke {
        entitlement: what(Kind::Group, "g1"),
        assignment: None,
    };
    let start = graph.clock.now();
    for worker in ["W-1", "W-2", "W-3"] {
        for _ in 0..5 {
            graph.apply_to(&graph.target, worker, grant()).await;
        }
    }
    assert_eq!(graph.clock.now(), start, "one person after the other");
    // Two are worked on side by side, and the other may come any moment; a leaver does not wait for that.
    for worker in ["W-1", "W-2", "W-1", "W-2"] {
        graph.apply_to(&graph.target, worker, revoke()).await;
    }
    assert_eq!(graph.clock.now(), start);
    graph.apply_to(&graph.target, "W-1", grant()).await;
    let waited = graph.clock.now().duration_since(start);
    assert_eq!(waited, SignedDuration::from_millis(1)); // here an answer takes no time
    graph.clock.advance(Duration::from_secs(2));
    let later = graph.clock.now();
    graph.apply_to(&graph.target, "W-1", grant()).await;
    assert_eq!(graph.clock.now(), later);
}

#[tokio::test]
async fn steps_that_come_one_after_the_other_meet() {
    let graph = graph(|_, _| (204, Value::Null)).await;
    let slow = wiremock::ResponseTemplate::new(204).set_delay(Duration::from_millis(40));
    let slow = Mock::given(path("/v1.0/users/W-0/revokeSignInSessions")).respond_with(slow);
    slow.with_priority(1).mount(&graph.server).await;
    let client = super::builder(&graph.server, &graph.clock).clock(Arc::new(SystemClock));
    let target = GraphTarget::new(client.build());
    let grant = async |worker: &str, after: u64| {
        SystemClock.sleep(Duration::from_millis(after)).await;
        graph
            .apply_to(&target, worker, Action::grant(what(Kind::Group, "g1")))
            .await;
    };
    for _ in 0..2 {
        tokio::join!(grant("W-1", 0), grant("W-2", 0), grant("W-3", 0));
    }
    // An answer takes a while, so that waiting a part of it gains something.
    let urgent = Action::RevokeSessions;
    graph.apply_to(&target, "W-0", urgent).await;
    let before = graph.posts().await;
    tokio::join!(grant("W-1", 0), grant("W-2", 2), grant("W-3", 4));
    assert_eq!(graph.posts().await - before, 1);
}
