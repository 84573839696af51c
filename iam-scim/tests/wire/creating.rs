//! One account for each person, whatever happens to answers.

use iam_core::ErrorKind;
use iam_core::error::Retry;
use iam_core::target::Applied;
use serde_json::{Value, json};
use wiremock::ResponseTemplate;

use crate::{BY_NAME, BY_WORKER, ada, app, create, created, list, ok, refuse};

/// How often the account was asked to be created.
async fn posts(app: &crate::App) -> usize {
    app.sent()
        .await
        .iter()
        .filter(|line| *line == "POST /Users")
        .count()
}

#[tokio::test]
async fn a_create_sends_the_worker_id_and_no_access() {
    let app = app(|line, _| match line {
        BY_WORKER | BY_NAME => Some(ok(&list(&[]))),
        "POST /Users" => Some(ok(&ada(false))),
        _ => None,
    })
    .await;
    assert_eq!(app.apply(None, create()).await.unwrap(), created());
    let enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
    let expect = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", enterprise],
        "externalId": "W-1", "userName": "ada@x.example", "displayName": "ada", "active": false,
        "emails": [{ "value": "ada@x.example", "type": "work", "primary": true }],
        enterprise: { "employeeNumber": "W-1" },
    });
    assert_eq!(app.bodies("POST /Users").await, [expect]);
    assert_eq!(app.sent().await, [BY_WORKER, BY_NAME, "POST /Users"]);
}

#[tokio::test]
async fn an_answer_without_an_id_is_looked_up_and_a_location_is_never_followed() {
    let evil = wiremock::MockServer::start().await;
    let foreign = format!("{}/Users/666", evil.uri());
    for location in ["/scim/Users/7", "Users/7", foreign.as_str(), ""] {
        let location = location.to_owned();
        let app = app(move |line, before| match line {
            BY_WORKER | BY_NAME => Some(ok(&list(&if before == 0 { vec![] } else { vec![ada(false)] }))),
            "POST /Users" if location.is_empty() => Some(ResponseTemplate::new(201)),
            "POST /Users" => {
                Some(ok(&json!({ "userName": "ada" })).insert_header("Location", location.as_str()))
            }
            _ => None,
        })
        .await;
        assert_eq!(app.apply(None, create()).await.unwrap(), created());
        assert_eq!(posts(&app).await, 1);
    }
    assert!(evil.received_requests().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_lost_answer_is_looked_for_before_it_is_repeated() {
    // Created in spite of the failure; then: not created, so sent again.
    for (created_anyway, sent) in [(true, 1), (false, 2)] {
        let app = app(move |line, before| match line {
            BY_WORKER | BY_NAME if created_anyway && before > 0 => Some(ok(&list(&[ada(false)]))),
            BY_WORKER | BY_NAME => Some(ok(&list(&[]))),
            "POST /Users" if before == 0 => Some(refuse(503, "")),
            "POST /Users" => Some(ok(&ada(false))),
            _ => None,
        })
        .await;
        assert_eq!(app.apply(None, create()).await.unwrap(), created());
        assert_eq!(posts(&app).await, sent);
    }
}

#[tokio::test]
async fn answers_lost_again_and_again_leave_the_outcome_unknown() {
    let app = app(|line, _| match line {
        BY_WORKER | BY_NAME => Some(ok(&list(&[]))),
        "POST /Users" => Some(ResponseTemplate::new(200).set_body_string("<html>")),
        _ => None,
    })
    .await;
    let error = app.apply(None, create()).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.retry()),
        (ErrorKind::OutcomeUnknown, Retry::Exhausted)
    );
    assert_eq!(posts(&app).await, 3);
}

#[tokio::test]
async fn who_has_the_name_decides() {
    let already = || {
        Some(Applied::AlreadySo {
            account: Some("7".to_owned()),
        })
    };
    let check = async |holders: Value, sent: usize, expect: Result<Option<Applied>, ErrorKind>| {
        let app = app(move |line, _| match line {
            BY_WORKER | BY_NAME => Some(ok(&list(holders.as_array().unwrap()))),
            "POST /Users" => Some(refuse(409, "uniqueness")),
            _ => None,
        })
        .await;
        let outcome = app.apply(None, create()).await;
        assert_eq!(outcome.map(Some).map_err(|error| error.kind()), expect);
        assert_eq!(posts(&app).await, sent);
    };
    check(json!([ada(true)]), 0, Ok(already())).await;
    check(
        json!([{ "id": "8", "externalId": "W-2", "userName": "ADA@x.example" }]),
        0,
        Err(ErrorKind::AlreadyExists),
    )
    .await;
    check(
        json!([{ "id": "8", "userName": "ada@x.example" }]),
        0,
        Err(ErrorKind::AlreadyExists),
    )
    .await;
    check(
        json!([ada(true), { "id": "8", "externalId": "W-1" }]),
        0,
        Err(ErrorKind::Conflict),
    )
    .await;
    // Hidden from filters, and taken all the same.
    check(json!([]), 1, Err(ErrorKind::AlreadyExists)).await;
}

#[tokio::test]
async fn an_account_that_is_made_active_is_blocked_at_once() {
    let app = app(|line, before| match line {
        BY_WORKER | BY_NAME => Some(ok(&list(&[]))),
        "POST /Users" => Some(ok(&ada(true))),
        "GET /Users/7" => Some(ok(&ada(before == 0))),
        "PATCH /Users/7" => Some(ResponseTemplate::new(204)),
        _ => None,
    })
    .await;
    assert_eq!(app.apply(None, create()).await.unwrap(), created());
    let patch = &app.bodies("PATCH /Users/7").await[0]["Operations"][0];
    assert_eq!(
        (&patch["path"], &patch["value"]),
        (&json!("active"), &json!(false))
    );
}
