//! Servers that differ from what Entra expects still end in the same state.

use iam_core::ErrorKind;
use iam_core::plan::Action;
use iam_core::target::{Keys, Target};
use iam_scim::filter::Filter;
use serde_json::{Value, json};
use wiremock::ResponseTemplate;

use crate::{ALREADY, BY_WORKER, DONE, ada, app, keys, list, ok, refuse};

#[tokio::test]
async fn nothing_found_may_be_a_404() {
    // In a SCIM document, or in none if the collection itself is there.
    for plain in [false, true] {
        let app = app(move |line, _| match line {
            "GET /Users" => Some(ok(&list(&[ada(true)]))),
            BY_WORKER if plain => Some(ResponseTemplate::new(404)),
            _ => None,
        })
        .await;
        let found = app.target.find(&keys()).await.unwrap();
        assert!(found[0].active.is_empty(), "{plain}");
    }
}

#[tokio::test]
async fn a_filter_that_is_not_taken_is_asked_once_and_evaluated_here() {
    for status in [400, 501] {
        let app = app(move |line, _| match line {
            "GET /Users" => Some(ok(&list(&[json!({ "id": "1", "externalId": "W-0" }), ada(true)]))),
            _ if line.starts_with("GET /Users?") => Some(refuse(status, "invalidFilter")),
            _ => None,
        })
        .await;
        for _ in 0..2 {
            let found = app.target.find(&keys()).await.unwrap();
            assert_eq!(found[0].active[0].id, "7");
        }
        let asked = app.sent().await;
        assert_eq!(
            asked.iter().filter(|line| *line == BY_WORKER).count(),
            1,
            "{asked:?}"
        );
    }
}

#[tokio::test]
async fn a_filter_that_is_ignored_finds_nobody_else() {
    let app = app(|line, _| {
        let everybody = list(&[json!({ "id": "1", "externalId": "W-0" }), json!({ "id": "2" })]);
        line.starts_with("GET /Users").then(|| ok(&everybody))
    })
    .await;
    assert!(app.target.find(&keys()).await.unwrap()[0].active.is_empty());
}

#[tokio::test]
async fn pages_may_have_any_size_but_must_be_complete() {
    let five: Vec<Value> = (0..5)
        .map(|index| json!({ "id": index.to_string(), "userName": "u" }))
        .collect();
    // Pages of two whatever was asked; where a page starts is left out; the same page again and again.
    for (says_start, moves, complete) in [
        (true, true, true),
        (false, true, true),
        (false, false, false),
        (true, false, false),
    ] {
        let five = five.clone();
        let app = app(move |line, before| {
            let start = if moves { before * 2 } else { 0 };
            let page: Vec<Value> = five.iter().skip(start).take(2).cloned().collect();
            let mut body = json!({ "totalResults": 5, "Resources": page });
            if says_start {
                body["startIndex"] = json!(start + 1);
            }
            (line == "GET /Users").then(|| ok(&body))
        })
        .await;
        match app.client.list_users(None).await {
            Ok(users) => assert!(complete && users.len() == 5, "{says_start} {moves}"),
            Err(error) => assert!(
                !complete && error.kind() == ErrorKind::Protocol,
                "{says_start} {moves}: {error}"
            ),
        }
    }
}

#[tokio::test]
async fn booleans_may_be_text() {
    let app = app(|line, _| {
        let user = json!({ "id": "7", "externalId": "W-1", "active": "False", "roles": [{ "value": "a", "primary": "True" }] });
        (line == BY_WORKER).then(|| ok(&list(&[user])))
    })
    .await;
    assert!(!app.target.find(&keys()).await.unwrap()[0].active[0].enabled);
}

#[tokio::test]
async fn without_patch_the_whole_is_put_under_its_version() {
    for announced in [false, true] {
        let app = app(move |line, before| match line {
            "GET /ServiceProviderConfig" if announced => Some(ok(
                &json!({ "patch": { "supported": false }, "etag": { "supported": true } }),
            )),
            "PATCH /Users/7" => Some(ResponseTemplate::new(501)),
            "GET /Users/7" => {
                let mut user = ada(before < 3);
                user["meta"] = json!({ "version": format!("W/\"{before}\"") });
                user["groups"] = json!([{ "value": "g" }]);
                user["x-unknown"] = json!(1);
                Some(ok(&user))
            }
            // Somebody else was faster once.
            "PUT /Users/7" if before == 0 => Some(refuse(412, "")),
            "PUT /Users/7" => Some(ResponseTemplate::new(200)),
            _ => None,
        })
        .await;
        assert_eq!(app.apply(Some("7"), Action::BlockSignIn).await.unwrap(), DONE);
        let puts = app.bodies("PUT /Users/7").await;
        let expect = json!({ "id": "7", "externalId": "W-1", "userName": "ada@x.example", "active": false, "x-unknown": 1 });
        assert_eq!(puts, [expect.clone(), expect]);
        let requests = app.server.received_requests().await.unwrap();
        let put = requests
            .iter()
            .rfind(|request| request.method.as_str() == "PUT")
            .unwrap();
        assert_eq!(put.headers["if-match"], "W/\"2\"");
    }
}

#[tokio::test]
async fn a_block_that_the_server_does_not_carry_out_is_an_error() {
    let app = app(|line, _| match line {
        "GET /Users/7" => Some(ok(&ada(true))),
        "PATCH /Users/7" => Some(ResponseTemplate::new(204)),
        _ => None,
    })
    .await;
    let error = app.apply(Some("7"), Action::BlockSignIn).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol);
    assert_eq!(
        error.to_string(),
        "block or allow sign-in: the server accepted the change of `active`, but account 7 is still active"
    );
    let expect = json!([{ "op": "replace", "path": "active", "value": false }]);
    assert_eq!(app.bodies("PATCH /Users/7").await[0]["Operations"], expect);
}

#[tokio::test]
async fn a_recorded_account_is_found_at_a_server_that_keeps_no_external_id() {
    let app = app(|line, _| match line {
        BY_WORKER => Some(ok(&list(&[]))),
        "GET /Users/7" => Some(ok(&json!({ "id": "7", "userName": "ada" }))),
        _ => None,
    })
    .await;
    let recorded = Keys {
        account: Some("7".to_owned()),
        ..keys()[0].clone()
    };
    assert_eq!(app.target.find(&[recorded]).await.unwrap()[0].active[0].id, "7");
}

#[tokio::test]
async fn a_server_without_discovery_has_the_core_of_the_protocol() {
    let app = app(|line, _| match line {
        "GET /ServiceProviderConfig" | "GET /ResourceTypes" => Some(ResponseTemplate::new(404)),
        "GET /Groups" => Some(refuse(501, "")),
        "GET /Users/7" => Some(ok(&ada(false))),
        "PATCH /Users/7" => Some(ResponseTemplate::new(204)),
        _ => None,
    })
    .await;
    let abilities = app.client.abilities().await.unwrap();
    assert!(abilities.patch && abilities.filter && abilities.groups.is_none());
    assert_eq!(app.apply(Some("7"), Action::BlockSignIn).await.unwrap(), ALREADY);
}

#[tokio::test]
async fn lower_case_paths_are_taken_from_discovery() {
    let app = app(|line, _| match line {
        "GET /ResourceTypes" => Some(ok(&json!([{ "name": "User", "endpoint": "users" }]))),
        _ => line.starts_with("GET /users?").then(|| ok(&list(&[ada(true)]))),
    })
    .await;
    let found = app
        .client
        .list_users(Some(&Filter::eq("externalId", "W-1")))
        .await
        .unwrap();
    assert_eq!(found[0].id(), "7");
    assert_eq!(app.sent().await, [r#"GET /users?externalId eq "W-1""#]);
}
