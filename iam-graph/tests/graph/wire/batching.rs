//! A batch on the wire: what is in an envelope, and what follows when its answer is not what it should be.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use iam_core::clock::Clock;
use iam_core::error::Retry;
use iam_core::http::{Method, Response};
use iam_core::{ErrorKind, Result};
use iam_graph::batch::{Batch, Operation};
use jiff::SignedDuration;
use serde_json::{Value, json};
use wiremock::matchers::path;
use wiremock::{Mock, Request, ResponseTemplate};

use super::{Graph, failure, graph, items, not_found, page};

impl Graph {
    pub(super) fn get(&self, path: &str) -> Operation {
        self.client.build(Method::Get, path, "probe").into()
    }

    /// Answers the next so many batches, and no more.
    pub(super) async fn answer_batches(
        &self,
        times: u64,
        answer: impl Fn(Vec<Value>) -> ResponseTemplate + Send + Sync + 'static,
    ) {
        let respond = move |request: &Request| answer(items(request).unwrap());
        let mock = Mock::given(path("/v1.0/$batch")).respond_with(respond);
        mock.up_to_n_times(times)
            .with_priority(1)
            .mount(&self.server)
            .await;
    }

    /// The envelopes that were sent.
    pub(super) async fn envelopes(&self) -> Vec<Vec<Value>> {
        let sent = self.server.received_requests().await.unwrap();
        sent.iter().filter_map(items).collect()
    }
}

pub(super) fn each(items: &[Value], answer: impl Fn(&Value) -> Value) -> ResponseTemplate {
    let responses: Vec<Value> = items
        .iter()
        .map(|item| {
            let mut answer = answer(item);
            answer["id"] = item["id"].clone();
            answer
        })
        .collect();
    ResponseTemplate::new(200).set_body_json(json!({ "responses": responses }))
}

pub(super) fn statuses(answers: &[Result<Response>]) -> Vec<u16> {
    let status = |answer: &Result<Response>| match answer {
        Ok(answer) => answer.status,
        Err(error) => error.status().unwrap_or(0),
    };
    answers.iter().map(status).collect()
}

/// As a task of its own: the future moves between threads.
pub(super) async fn send(batch: Batch) -> Vec<Result<Response>> {
    let task = tokio::spawn(batch.send());
    tokio::time::timeout(Duration::from_secs(20), task)
        .await
        .unwrap()
        .unwrap()
}

#[tokio::test]
async fn forty_five_operations_take_three_requests_and_come_back_in_order() {
    let graph = graph(|line, _| (200, json!({ "line": line }))).await;
    let watched = Arc::new(Mutex::new(Vec::new()));
    let seen = watched.clone();
    let mut batch = graph.client.batch().on_answer(move |ticket, answer| {
        seen.lock().unwrap().push((ticket.place(), answer.is_ok()));
    });
    for number in 0..45 {
        let request = graph
            .client
            .build(Method::Get, &format!("/users/{number}"), "probe");
        let ticket = batch.add(request.header("ConsistencyLevel", "eventual"));
        assert_eq!(ticket.place(), number);
    }
    let answers = send(batch).await;
    let lines: Vec<Value> = answers
        .iter()
        .map(|answer| answer.as_ref().unwrap().json::<Value>().unwrap()["line"].clone())
        .collect();
    let expect: Vec<Value> = (0..45)
        .map(|number| format!("GET /users/{number}").into())
        .collect();
    assert_eq!(lines, expect);
    let envelopes = graph.envelopes().await;
    let mut sizes: Vec<usize> = envelopes.iter().map(Vec::len).collect();
    sizes.sort_unstable();
    assert_eq!((sizes, graph.posts().await), (vec![5, 20, 20], 3));
    for item in envelopes.iter().flatten() {
        assert!(item["url"].as_str().unwrap().starts_with("/users/"), "{item}");
        assert_eq!(item["headers"]["ConsistencyLevel"], "eventual");
    }
    let mut watched = watched.lock().unwrap().clone();
    watched.sort_unstable();
    assert_eq!(watched, (0..45).map(|number| (number, true)).collect::<Vec<_>>());
}

#[tokio::test]
async fn one_operation_is_sent_as_it_is() {
    let graph = graph(|_, _| (204, Value::Null)).await;
    let mut batch = graph.client.batch();
    batch.add(graph.get("/organization"));
    assert_eq!(statuses(&send(batch).await), [204]);
    assert!(graph.envelopes().await.is_empty());
    assert!(send(graph.client.batch()).await.is_empty());
    assert_eq!(graph.posts().await, 1);
}

#[tokio::test]
async fn each_item_waits_for_its_own_retry_after() {
    let graph = graph(|_, _| (200, json!({}))).await;
    graph
        .answer_batches(1, |items| {
            each(&items, |item| match item["url"].as_str().unwrap() {
                "/a" => json!({"status": 429, "headers": {"Retry-After": "7"}}),
                "/users" => json!({"status": 429, "headers": {"Retry-After": "7"}, "body": {"error": {"code": "TooManyRequests"}}}),
                "/b" => json!({"status": 503, "headers": {"Retry-After": "20"}}),
                _ => json!({"status": 200, "headers": {"request-id": "r-7"}, "body": {}}),
            })
        })
        .await;
    let start = graph.clock.now();
    let mut batch = graph.client.batch();
    for path in ["/a", "/b", "/c"] {
        batch.add(graph.get(path));
    }
    batch.add(
        graph
            .client
            .build(Method::Post, "/users", "create user")
            .json(&json!({}))
            .unwrap(),
    );
    let answers = send(batch).await;
    assert_eq!(statuses(&answers), [200; 4]);
    let attempts: Vec<u32> = answers
        .iter()
        .map(|answer| answer.as_ref().unwrap().attempts)
        .collect();
    assert_eq!(attempts, [2, 2, 1, 2]);
    assert_eq!(answers[2].as_ref().unwrap().header("request-id"), Some("r-7"));
    let sent = graph.sent().await;
    let count = |line: &str| sent.iter().filter(|sent| *sent == line).count();
    assert_eq!(
        ["GET /a", "GET /b", "GET /c", "POST /users"].map(count),
        [2, 2, 1, 2]
    );
    // The two that were told the same time came back together; the other one waited for its own.
    assert_eq!(
        graph.envelopes().await.iter().map(Vec::len).collect::<Vec<_>>(),
        [4, 2]
    );
    let passed = graph.clock.now().duration_since(start);
    assert!(passed >= SignedDuration::from_secs(20), "{passed}");
}

#[tokio::test]
async fn errors_are_those_of_single_calls() {
    let message = "Another object with the same value for property userPrincipalName already exists.";
    let graph = graph(move |line, _| match line {
        "GET /missing" => not_found(),
        "POST /users" => failure(400, "Request_BadRequest", message),
        "POST /lost" => failure(503, "serviceNotAvailable", ""),
        _ => failure(403, "Authorization_RequestDenied", "x"),
    })
    .await;
    let mut batch = graph.client.batch();
    batch.add(graph.get("/missing"));
    batch.add(graph.client.build(Method::Post, "/users", "create user"));
    batch.add(graph.client.build(Method::Post, "/lost", "probe"));
    batch.add(graph.client.build(Method::Delete, "/users/1", "delete user"));
    let answers = send(batch).await;
    let kinds: Vec<ErrorKind> = answers
        .iter()
        .map(|answer| answer.as_ref().unwrap_err().kind())
        .collect();
    assert_eq!(
        kinds,
        [
            ErrorKind::NotFound,
            ErrorKind::AlreadyExists,
            ErrorKind::OutcomeUnknown,
            ErrorKind::Denied
        ]
    );
    let said = answers[3].as_ref().unwrap_err().to_string();
    assert!(
        said.starts_with("delete user: ") && said.contains("User.ReadWrite.All"),
        "{said}"
    );
    assert_eq!(graph.sent().await.len(), 4, "nothing was repeated");
}

#[tokio::test]
async fn a_child_is_sent_again_only_once_its_parent_has_succeeded() {
    let graph = graph(|_, _| (201, json!({}))).await;
    graph
        .answer_batches(1, |items| {
            each(&items, |item| match item["url"].as_str().unwrap() {
                "/slow" => json!({"status": 429, "headers": {"Retry-After": "3"}}),
                _ if item["dependsOn"].is_array() => json!({"status": 424}),
                _ => json!({"status": 200}),
            })
        })
        .await;
    let mut batch = graph.client.batch();
    let parent = batch.add(graph.get("/slow"));
    let child = batch.add(graph.get("/child").depends_on(parent));
    batch.add(graph.get("/grandchild").depends_on(child));
    batch.add(graph.get("/other").depends_on(parent).depends_on(child));
    assert_eq!(statuses(&send(batch).await), [201; 4]);
    let envelopes = graph.envelopes().await;
    let shape = |items: &Vec<Value>| -> Vec<String> {
        let shown = items
            .iter()
            .map(|item| format!("{}{}", item["url"].as_str().unwrap(), item["dependsOn"]));
        shown.collect()
    };
    assert_eq!(
        shape(&envelopes[0]),
        ["/slownull", r#"/child["1"]"#, r#"/grandchild["2"]"#]
    );
    assert_eq!(
        shape(&envelopes[1]),
        shape(&envelopes[0]),
        "together again, in order"
    );
    assert_eq!(graph.sent().await.last().unwrap(), "GET /other");
}

#[tokio::test]
async fn what_depends_on_a_failure_is_not_sent_again() {
    let graph = graph(|line, _| match line {
        "GET /gone" => not_found(),
        _ => failure(424, "FailedDependency", ""),
    })
    .await;
    let mut batch = graph.client.batch();
    let parent = batch.add(graph.get("/gone"));
    let child = batch.add(graph.get("/child").depends_on(parent));
    batch.add(graph.get("/grandchild").depends_on(child));
    let stranger = {
        let mut other = graph.client.batch();
        for _ in 0..9 {
            other.add(graph.get("/x"));
        }
        other.add(graph.get("/x"))
    };
    batch.add(graph.get("/stranger").depends_on(stranger));
    let answers = send(batch).await;
    assert_eq!(statuses(&answers), [404, 424, 424, 0]);
    let child = answers[1].as_ref().unwrap_err();
    assert_eq!(
        (child.code(), child.kind()),
        (Some("FailedDependency"), ErrorKind::DependencyFailed)
    );
    assert_eq!(answers[3].as_ref().unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(graph.posts().await, 1);
    let sent = graph.sent().await;
    assert!(!sent.contains(&"GET /stranger".to_owned()), "{sent:?}");
}

#[tokio::test]
async fn an_envelope_that_is_refused_for_its_form_spoils_nobodys_request() {
    let graph = graph(|line, _| match line {
        "GET /odd" => failure(400, "BadRequest", "odd"),
        _ => (200, json!({})),
    })
    .await;
    graph
        .answer_batches(u64::MAX, |_| {
            ResponseTemplate::new(400).set_body_json(
                json!({"error": {"code": "BadRequest", "message": "Invalid batch payload format."}}),
            )
        })
        .await;
    let mut batch = graph.client.batch();
    let first = batch.add(graph.get("/a"));
    batch.add(graph.get("/odd"));
    batch.add(graph.get("/b").depends_on(first));
    let odd = batch.add(graph.get("/odd"));
    batch.add(graph.get("/c").depends_on(odd));
    assert_eq!(statuses(&send(batch).await), [200, 400, 200, 400, 424]);
    let single: Vec<String> = graph.sent().await.into_iter().skip(4).collect();
    assert!(!single.contains(&"GET /c".to_owned()), "{single:?}");
}

#[tokio::test]
async fn an_envelope_that_is_throttled_is_sent_again_post_and_all() {
    let graph = graph(|_, _| (201, json!({}))).await;
    graph
        .answer_batches(1, |_| {
            ResponseTemplate::new(429).insert_header("Retry-After", "11")
        })
        .await;
    let start = graph.clock.now();
    let mut batch = graph.client.batch();
    batch.add(graph.client.build(Method::Post, "/users", "create user"));
    batch.add(graph.get("/a"));
    assert_eq!(statuses(&send(batch).await), [201; 2]);
    assert_eq!(graph.posts().await, 2);
    assert!(graph.clock.now().duration_since(start) >= SignedDuration::from_secs(11));
}

#[tokio::test]
async fn refusals_of_the_envelope_do_not_use_up_the_attempts_of_its_requests() {
    let graph = graph(|_, _| (200, json!({}))).await;
    graph.answer_batches(4, |_| ResponseTemplate::new(429)).await;
    graph
        .answer_batches(4, |items| {
            each(
                &items,
                |_| json!({"status": 429, "headers": {"Retry-After": "2"}}),
            )
        })
        .await;
    let mut batch = graph.client.batch();
    batch.add(graph.get("/a"));
    batch.add(graph.get("/b"));
    assert_eq!(statuses(&send(batch).await), [200; 2]);
    assert_eq!(graph.posts().await, 4 + 4 + 1);
    // And they are not multiplied: what the envelope could not get through ends there.
    graph
        .answer_batches(u64::MAX, |_| ResponseTemplate::new(429))
        .await;
    let mut batch = graph.client.batch();
    batch.add(graph.get("/a"));
    batch.add(graph.get("/b"));
    let answers = send(batch).await;
    assert_eq!(graph.posts().await, 9 + 5);
    for error in answers.into_iter().map(Result::unwrap_err) {
        assert_eq!(
            (error.kind(), error.retry()),
            (ErrorKind::Throttled, Retry::Exhausted)
        );
    }
}

#[tokio::test]
async fn a_token_that_is_refused_inside_a_batch_is_replaced() {
    let graph = graph(|_, _| (201, json!({}))).await;
    graph
        .answer_batches(1, |items| {
            each(&items, |item| match item["method"].as_str().unwrap() {
                "POST" => json!({"status": 401, "body": {"error": {"code": "InvalidAuthenticationToken"}}}),
                _ => json!({"status": 200}),
            })
        })
        .await;
    let mut batch = graph.client.batch();
    batch.add(graph.client.build(Method::Post, "/users", "create user"));
    batch.add(graph.get("/a"));
    assert_eq!(statuses(&send(batch).await), [201, 200]);
    assert_eq!(graph.sent().await, ["POST /users", "GET /a", "POST /users"]);
}

#[tokio::test]
async fn other_hosts_and_versions_do_not_travel_in_the_envelope() {
    let graph = graph(|_, _| page(json!([]))).await;
    let beta = format!("{}/beta/users", graph.server.uri());
    let mut batch = graph.client.batch();
    batch.add(graph.get("/users"));
    batch.add(graph.get(&beta));
    batch.add(graph.get("https://elsewhere.example/v1.0/users"));
    batch.add(graph.get("/groups"));
    let answers = send(batch).await;
    assert_eq!(statuses(&answers), [200, 200, 0, 200]);
    assert_eq!(answers[2].as_ref().unwrap_err().kind(), ErrorKind::Denied);
    let envelopes = graph.envelopes().await;
    let urls: Vec<&Value> = envelopes.iter().flatten().map(|item| &item["url"]).collect();
    assert_eq!(urls, ["/users", "/groups"]);
    // A client of the other version has envelopes of its own.
    let client = graph.client.beta();
    let mut batch = client.batch();
    for path in ["/users", "/groups"] {
        batch.add(client.build(Method::Get, path, "probe"));
    }
    assert_eq!(statuses(&send(batch).await), [200; 2]);
    let sent = graph.server.received_requests().await.unwrap();
    assert_eq!(sent.last().unwrap().url.path(), "/beta/$batch");
    assert_eq!(graph.envelopes().await.last().unwrap()[1]["url"], "/groups");
}
