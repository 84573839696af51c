//! How the client reads answers: errors, pages, the raw hatch.

use std::sync::Arc;

use iam_core::ErrorKind;
use iam_core::error::Retry;
use iam_core::http::Method;
use serde_json::{Value, json};

use super::{failure, graph, page};

#[tokio::test]
async fn errors_say_what_was_tried_and_pages_do_not_leave_the_host() {
    let graph = graph(|line, _| match line {
        "GET /users/slow" => failure(429, "TooManyRequests", "x"),
        "GET /users" => (
            200,
            json!({"value": [{"id": "u1"}], "@odata.nextLink": "https://evil.example/v1.0/users"}),
        ),
        _ => (200, json!({"id": 7})),
    })
    .await;
    let slow = graph.client.user("slow").await.unwrap_err();
    assert_eq!(
        (slow.kind(), slow.retry()),
        (ErrorKind::Throttled, Retry::Exhausted)
    );
    assert_eq!(
        graph.client.list_users().await.unwrap_err().kind(),
        ErrorKind::Denied
    );
    let odd = graph.client.user("odd").await.unwrap_err();
    assert_eq!(
        odd.to_string(),
        "get user: the answer does not fit its schema at `id` (200)"
    );
    let raw = graph
        .client
        .request(Method::Get, "/me?$select=id", None, "get me")
        .await
        .unwrap();
    assert_eq!(raw.json::<Value>().unwrap(), json!({"id": 7}));
}

#[tokio::test]
async fn every_page_is_read_even_after_an_empty_one() {
    let root = Arc::new(std::sync::OnceLock::<String>::new());
    let known = root.clone();
    let graph = graph(move |line, _| {
        let next = |page: &str| format!("{}/v1.0/users/{page}", known.get().unwrap());
        match line {
            "GET /users" => (
                200,
                json!({"value": [{"id": "u1"}], "@odata.nextLink": next("p2")}),
            ),
            "GET /users/p2" => (200, json!({"value": [], "@odata.nextLink": next("p3")})),
            _ => page(json!([{"id": "u2"}])),
        }
    })
    .await;
    root.set(graph.server.uri()).unwrap();
    let users = graph.client.list_users().await.unwrap();
    assert_eq!(
        users.iter().map(|user| user.id.as_str()).collect::<Vec<_>>(),
        ["u1", "u2"]
    );
}
