//! A new account: what is sent, and what follows a lost answer, a taken name and replication lag.

use std::time::Duration;

use iam_core::clock::Clock;
use iam_core::entitlement::Kind;
use iam_core::error::Retry;
use iam_core::plan::Action;
use iam_core::target::Applied;
use iam_core::{ErrorKind, Result};
use serde_json::{Value, json};

use super::{create, failure, graph, not_found, page, what};

const BY_KEY: &str = "GET /users?employeeId eq 'W-1'";
const BY_NAME: &str = "GET /users/ada%40x.example";

fn taken() -> (u16, Value) {
    let message = "Another object with the same value for property userPrincipalName already exists.";
    failure(400, "Request_BadRequest", message)
}

#[tokio::test]
async fn a_new_account_is_blocked_and_has_a_password_that_nobody_knows() {
    let graph = graph(|_, _| (201, json!({"id": "u1"}))).await;
    let applied = graph.apply(None, create()).await.unwrap();
    assert_eq!(
        applied,
        Applied::Done {
            account: Some("u1".into())
        }
    );
    let body = &graph.bodies("POST /users").await[0];
    let password = body["passwordProfile"]["password"].as_str().unwrap();
    assert!(password.len() >= 24);
    let expect = json!({
        "displayName": "Ada Lovelace", "employeeOrgData": {"costCenter": "C-7"}, "accountEnabled": false,
        "userPrincipalName": "ada@x.example", "mailNickname": "ada", "employeeId": "W-1",
        "passwordProfile": {"password": password, "forceChangePasswordNextSignIn": true},
    });
    assert_eq!(body, &expect);
    let sent = graph.server.received_requests().await.unwrap();
    assert_eq!(sent[0].headers["authorization"], "Bearer t0ken");
}

#[tokio::test]
async fn a_lost_answer_to_create_is_settled_by_looking() {
    // It took effect: adopted, and not sent again.
    let ours = json!({"id": "u1", "employeeId": "W-1", "userPrincipalName": "ada@x.example"});
    let graph1 = graph(move |line, _| match line {
        "POST /users" => failure(503, "serviceNotAvailable", ""),
        BY_KEY => page(json!([])), // the index lags
        BY_NAME => (200, ours.clone()),
        _ => (500, Value::Null),
    })
    .await;
    let applied = graph1.apply(None, create()).await.unwrap();
    assert_eq!(
        applied,
        Applied::Done {
            account: Some("u1".into())
        }
    );
    assert_eq!(graph1.bodies("POST /users").await.len(), 1);

    // It did not: sent again, with another password.
    let graph2 = graph(|line, before| match (line, before) {
        ("POST /users", 0) => failure(504, "UnknownError", ""),
        ("POST /users", _) => (201, json!({"id": "u2"})),
        (BY_KEY, _) => page(json!([])),
        _ => not_found(),
    })
    .await;
    let applied = graph2.apply(None, create()).await.unwrap();
    assert_eq!(
        applied,
        Applied::Done {
            account: Some("u2".into())
        }
    );
    let bodies = graph2.bodies("POST /users").await;
    assert_eq!(bodies.len(), 2);
    assert_ne!(bodies[0]["passwordProfile"], bodies[1]["passwordProfile"]);

    // It cannot be told: unknown, after three requests.
    let graph3 = graph(|line, _| match line {
        "POST /users" => failure(500, "UnknownError", ""),
        BY_KEY => page(json!([])),
        _ => not_found(),
    })
    .await;
    let error = graph3.apply(None, create()).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.retry()),
        (ErrorKind::OutcomeUnknown, Retry::Exhausted)
    );
    assert_eq!(graph3.bodies("POST /users").await.len(), 3);
}

#[tokio::test]
async fn a_taken_name_is_adopted_if_ours_and_reported_otherwise() {
    async fn check(by_key: Value, by_name: (u16, Value)) -> Result<Applied> {
        let graph = graph(move |line, _| match line {
            "POST /users" => taken(),
            BY_KEY => page(by_key.clone()),
            _ => by_name.clone(),
        })
        .await;
        let outcome = graph.apply(None, create()).await;
        assert_eq!(graph.bodies("POST /users").await.len(), 1);
        outcome
    }
    let user = |id: &str, key: &str| json!({"id": id, "employeeId": key});
    let adopted = check(json!([user("u1", "W-1")]), (200, user("u1", "W-1")))
        .await
        .unwrap();
    assert_eq!(
        adopted,
        Applied::AlreadySo {
            account: Some("u1".into())
        }
    );
    let kind = |outcome: Result<Applied>| outcome.unwrap_err().kind();
    assert_eq!(
        kind(check(json!([]), (200, user("u9", "W-9"))).await),
        ErrorKind::AlreadyExists
    );
    assert_eq!(
        kind(check(json!([]), (200, json!({"id": "u9"}))).await),
        ErrorKind::AlreadyExists
    );
    // Whoever has it is not visible yet: another name could make a second account.
    assert_eq!(
        kind(check(json!([]), not_found()).await),
        ErrorKind::NotYetReplicated
    );
    let two = json!([user("u1", "W-1"), user("u2", "W-1")]);
    assert_eq!(kind(check(two, not_found()).await), ErrorKind::Conflict);
}

#[tokio::test]
async fn only_a_fresh_account_may_not_be_visible_yet() {
    let grant = || Action::grant(what(Kind::Group, "g1"));
    let script = |visible_after: usize| {
        move |line: &str, before: usize| match line {
            "POST /users" => (201, json!({"id": "u1"})),
            _ if before < visible_after => not_found(),
            _ => (204, Value::Null),
        }
    };
    let graph1 = graph(script(3)).await;
    graph1.apply(None, create()).await.unwrap();
    assert_eq!(
        graph1.apply(Some("u1"), grant()).await.unwrap(),
        Applied::Done { account: None }
    );

    let graph2 = graph(script(usize::MAX)).await;
    let old = graph2.apply(Some("u1"), grant()).await.unwrap_err();
    assert_eq!((old.kind(), graph2.sent().await.len()), (ErrorKind::NotFound, 1));
    graph2.apply(None, create()).await.unwrap();
    let start = graph2.clock.now();
    let fresh = graph2.apply(Some("u1"), grant()).await.unwrap_err();
    assert_eq!(
        (fresh.kind(), fresh.retry()),
        (ErrorKind::NotYetReplicated, Retry::Exhausted)
    );
    assert!(graph2.clock.now().duration_since(start).as_secs() < 15);
    graph2.clock.advance(Duration::from_mins(1));
    assert_eq!(
        graph2.apply(Some("u1"), grant()).await.unwrap_err().kind(),
        ErrorKind::NotFound
    );
}
