//! How the client reads answers: errors, pages, the raw hatch.

use iam_core::ErrorKind;
use iam_core::error::Retry;
use iam_core::http::Method;
use serde_json::{Value, json};

use super::{failure, graph};

#[tokio::test]
async fn errors_say_what_was_tried() {
    let graph = graph(|line, _| match line {
        "GET /users/slow" => failure(429, "TooManyRequests", "x"),
        _ => (200, json!({"id": 7})),
    })
    .await;
    let slow = graph.client.user("slow").await.unwrap_err();
    assert_eq!(
        (slow.kind(), slow.retry()),
        (ErrorKind::Throttled, Retry::Exhausted)
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
