//! Giving and taking: races, what is so already, and ids that changed.

use iam_core::ErrorKind;
use iam_core::entitlement::Kind;
use iam_core::error::Retry;
use iam_core::plan::Action;
use iam_core::target::Applied;
use serde_json::{Value, json};

use super::{failure, graph, not_found, page, what};

#[tokio::test]
async fn writes_that_get_in_each_others_way_are_repeated() {
    let script = |races: usize| {
        move |_: &str, before: usize| {
            if before < races {
                failure(409, "Directory_ConcurrencyViolation", "")
            } else {
                (204, Value::Null)
            }
        }
    };
    let grant = || Action::grant(what(Kind::Group, "g1"));
    let few = graph(script(2)).await;
    assert_eq!(
        few.apply(Some("u1"), grant()).await.unwrap(),
        Applied::Done { account: None }
    );
    let many = graph(script(usize::MAX)).await;
    let error = many.apply(Some("u1"), grant()).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.retry()),
        (ErrorKind::Conflict, Retry::Exhausted)
    );
}

#[tokio::test]
async fn what_is_so_already_says_so() {
    async fn check(action: Action, script: fn(&str, usize) -> (u16, Value), sent: &[&str]) {
        let graph = graph(script).await;
        let applied = graph.apply(Some("u1"), action).await.unwrap();
        assert_eq!(applied, Applied::AlreadySo { account: None });
        assert_eq!(graph.sent().await, sent);
    }
    let grant = |kind| Action::grant(what(kind, "x1"));
    let revoke = |kind| Action::Revoke {
        entitlement: what(kind, "x1"),
        assignment: None,
    };
    check(
        grant(Kind::Group),
        |_, _| failure(400, "Request_BadRequest", "One or more added object references already exist for the following modified properties: 'members'."),
        &["POST /groups/x1/members/$ref"],
    )
    .await;
    check(
        revoke(Kind::Group),
        |_, _| not_found(),
        &["DELETE /groups/x1/members/u1/$ref"],
    )
    .await;
    check(
        grant(Kind::License),
        |_, _| (200, json!({"id": "u1", "assignedLicenses": [{"skuId": "X1"}]})),
        &["GET /users/u1"],
    )
    .await;
    check(
        revoke(Kind::License),
        |_, _| {
            failure(
                400,
                "Request_BadRequest",
                "User does not have a corresponding license.",
            )
        },
        &["POST /users/u1/assignLicense"],
    )
    .await;
    check(
        grant(Kind::Role),
        |_, _| failure(400, "Request_BadRequest", "A conflicting object with one or more of the specified property values is present in the directory."),
        &["POST /roleManagement/directory/roleAssignments"],
    )
    .await;
    check(Action::DeleteAccount, |_, _| not_found(), &["DELETE /users/u1"]).await;
    check(
        Action::AllowSignIn,
        |line, _| match line {
            "GET /users/u1" => (200, json!({"id": "u1", "accountEnabled": true})),
            _ => (204, Value::Null),
        },
        &["GET /users/u1", "PATCH /users/u1"],
    )
    .await;
}

/// Nor does a replica that lags, or that answers no reads, leave sign-in open.
#[tokio::test]
async fn a_block_waits_for_no_read() {
    let graph = graph(|line, _| match line {
        "PATCH /users/u1" => (204, Value::Null),
        _ => failure(503, "serviceNotAvailable", ""),
    })
    .await;
    let applied = graph.apply(Some("u1"), Action::BlockSignIn).await.unwrap();
    assert_eq!(applied, Applied::Done { account: None });
    assert_eq!(graph.sent().await, ["PATCH /users/u1"]);
}

#[tokio::test]
async fn a_role_is_taken_under_whichever_id_it_is_assigned() {
    let graph = graph(|line, _| match line {
        "DELETE /roleManagement/directory/roleAssignments/new" => (204, Value::Null),
        line if line.starts_with("DELETE") => not_found(),
        "GET /roleManagement/directory/roleDefinitions" => {
            page(json!([{"id": "def", "templateId": "role", "displayName": "Reader"}]))
        }
        "GET /roleManagement/directory/roleAssignments?principalId eq 'u1'" => page(json!([
            {"id": "new", "roleDefinitionId": "def", "principalId": "u1", "directoryScopeId": "/"},
            {"id": "part", "roleDefinitionId": "def", "principalId": "u1", "directoryScopeId": "/administrativeUnits/a"},
        ])),
        _ => page(json!([])),
    })
    .await;
    let revoke = |id: &str| Action::Revoke {
        entitlement: what(Kind::Role, id),
        assignment: Some("old".into()),
    };
    assert_eq!(
        graph.apply(Some("u1"), revoke("role")).await.unwrap(),
        Applied::Done { account: None }
    );
    assert_eq!(
        graph.apply(Some("u1"), revoke("other")).await.unwrap(),
        Applied::AlreadySo { account: None }
    );
    let sent = graph.sent().await;
    let part = "DELETE /roleManagement/directory/roleAssignments/part";
    assert!(!sent.iter().any(|line| line == part), "{sent:?}");
}
