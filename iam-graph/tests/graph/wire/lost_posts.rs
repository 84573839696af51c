//! POSTs of a batch whose answers are lost: looked up by their key, then adopted or sent again.

use iam_core::ErrorKind;
use iam_core::error::Retry;
use iam_core::http::Method;
use iam_graph::batch::Operation;
use serde_json::{Value, json};
use wiremock::ResponseTemplate;

use super::batching::send;
use super::{Graph, failure, graph, not_found};

impl Graph {
    /// A POST that is found again by its name.
    fn post(&self, name: &str) -> Operation {
        let made = self.client.build(Method::Post, "/users", "create user");
        let made = made.json(&json!({ "name": name })).unwrap();
        let read = self
            .client
            .build(Method::Get, &format!("/users/{name}"), "get user");
        let name = name.to_owned();
        Operation::from(made).look_up(read, move |user| user["name"] == name.as_str())
    }
}

#[tokio::test]
async fn a_post_that_nobody_answers_for_is_looked_up_and_never_repeated_blindly() {
    // Cut off, left out, told twice, a page of HTML, a failing envelope: in each case the POSTs are in doubt.
    let broken: [fn(Vec<Value>) -> ResponseTemplate; 5] = [
        |_| {
            ResponseTemplate::new(200).set_body_raw(
                r#"{"responses":[{"id":"1","status":201},{"id"#,
                "application/json",
            )
        },
        |_| ResponseTemplate::new(200).set_body_json(json!({"responses": []})),
        |items| {
            let twice: Vec<Value> = [&items, &items]
                .into_iter()
                .flatten()
                .map(|item| json!({"id": item["id"], "status": 201}))
                .collect();
            ResponseTemplate::new(200).set_body_json(json!({ "responses": twice }))
        },
        |_| ResponseTemplate::new(200).set_body_raw("<html>a portal</html>", "text/html"),
        |_| ResponseTemplate::new(502).set_body_raw("<html>".repeat(20_000), "text/html"),
    ];
    for answer in broken {
        let graph = graph(|line, _| match line {
            "GET /users/made" => (200, json!({"id": "u1", "name": "made"})),
            "GET /users/taken" => (200, json!({"id": "u2", "name": "somebody else"})),
            "GET /users/free" => not_found(),
            _ => (201, json!({"id": "u3"})),
        })
        .await;
        graph.answer_batches(1, answer).await;
        let mut batch = graph.client.batch();
        for name in ["made", "taken", "free"] {
            batch.add(graph.post(name));
        }
        let doubtful = graph.client.build(Method::Post, "/users", "create user");
        batch.add(doubtful.json(&json!({"name": "no look-up"})).unwrap());
        let read = batch.add(graph.get("/organization"));
        let answers = send(batch).await;
        let adopted = answers[0].as_ref().unwrap();
        assert_eq!(
            (adopted.status, adopted.json::<Value>().unwrap()["id"].clone()),
            (200, json!("u1"))
        );
        assert_eq!(answers[1].as_ref().unwrap_err().kind(), ErrorKind::AlreadyExists);
        assert_eq!(answers[2].as_ref().unwrap().status, 201);
        assert_eq!(answers[3].as_ref().unwrap_err().kind(), ErrorKind::OutcomeUnknown);
        assert!(answers[read.place()].is_ok(), "what may be repeated was");
        let posted: Vec<Value> = graph
            .bodies("POST /users")
            .await
            .iter()
            .map(|body| body["name"].clone())
            .collect();
        assert_eq!(posted, ["made", "taken", "free", "no look-up", "free"]);
    }
}

#[tokio::test]
async fn a_lost_post_ends_after_three_and_says_so() {
    let graph = graph(|line, _| match line {
        "POST /users" => failure(504, "UnknownError", ""),
        _ => not_found(),
    })
    .await;
    let mut batch = graph.client.batch();
    batch.add(graph.post("ada"));
    batch.add(graph.get("/users/nobody"));
    let answers = send(batch).await;
    let error = answers[0].as_ref().unwrap_err();
    assert_eq!(
        (error.kind(), error.retry()),
        (ErrorKind::OutcomeUnknown, Retry::Exhausted)
    );
    assert_eq!(error.operation(), Some("create user"));
    assert_eq!(graph.bodies("POST /users").await.len(), 3);
}

#[tokio::test]
async fn a_repeated_post_that_meets_its_own_trace_adopts_it() {
    // The first look comes too early, the repetition is refused, the second look finds it.
    let graph = graph(|line, before| match (line, before) {
        ("POST /users", 0) => failure(503, "serviceNotAvailable", ""),
        ("POST /users", _) => failure(
            400,
            "Request_BadRequest",
            "Another object with the same value for property userPrincipalName already exists.",
        ),
        ("GET /users/ada", 0 | 1) => not_found(),
        _ => (
            200,
            json!({"value": [{"id": "other"}, {"id": "u1", "name": "ada"}]}),
        ),
    })
    .await;
    let mut batch = graph.client.batch();
    batch.add(graph.post("ada"));
    let answers = send(batch).await;
    assert_eq!(answers[0].as_ref().unwrap().json::<Value>().unwrap()["id"], "u1");
    assert_eq!(graph.bodies("POST /users").await.len(), 2);
}
