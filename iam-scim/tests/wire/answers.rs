//! Hostile and broken answers.

use std::sync::Arc;

use iam_core::auth::{AccessToken, Audience, TokenSource};
use iam_core::clock::Clock;
use iam_core::http::{HttpTransport, Method};
use iam_core::target::{PersonRef, Target};
use iam_core::{ErrorKind, Result};
use iam_scim::{Auth, ScimClient};
use serde_json::json;
use wiremock::ResponseTemplate;

use crate::{ada, app, keys, list, ok, refuse};

#[tokio::test]
async fn every_request_is_scim_and_carries_the_token() {
    let app = app(|line, _| line.starts_with("POST").then(|| ok(&ada(false)))).await;
    let body = json!({ "userName": "ada" });
    app.client
        .request(Method::Post, "/Users", Some(&body), "create user")
        .await
        .unwrap();
    let sent = app.server.received_requests().await.unwrap().remove(0);
    let header = |name: &str| sent.headers.get(name).unwrap().to_str().unwrap().to_owned();
    assert_eq!(header("authorization"), "Bearer t0ken");
    assert_eq!(header("content-type"), "application/scim+json");
    assert_eq!(header("accept"), "application/scim+json, application/json");
}

#[tokio::test]
async fn what_cannot_be_scim_is_not_read() {
    let check = async |body: String, media: &'static str, says: &str| {
        let app = app(move |line, _| {
            let body = body.clone();
            line.starts_with("GET /Users")
                .then(|| ResponseTemplate::new(200).set_body_raw(body, media))
        })
        .await;
        for error in [
            app.client.user("7").await.unwrap_err(),
            app.client.list_users(None).await.unwrap_err(),
            app.target.find(&keys()).await.unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
            assert!(error.message().contains(says), "{error}");
            assert!(!error.chain().contains("Ada"), "{}", error.chain());
        }
    };
    check("<html>Ada".to_owned(), "text/html", "web page").await;
    check(
        format!("[\"Ada{}\"]", "x".repeat(10 << 20)),
        "application/scim+json",
        "longer than 8388608 bytes",
    )
    .await;
    check("\"Ada\"".to_owned(), "application/scim+json", "does not fit").await;
}

#[tokio::test]
async fn another_content_type_is_read_all_the_same() {
    let app = app(|line, _| {
        let body = list(&[ada(true)]).to_string();
        line.starts_with("GET /Users")
            .then(|| ResponseTemplate::new(200).set_body_raw(body, "text/plain"))
    })
    .await;
    assert_eq!(app.client.list_users(None).await.unwrap()[0].id(), "7");
}

#[tokio::test]
async fn nothing_goes_to_another_host() {
    let evil = wiremock::MockServer::start().await;
    let link = format!("{}/Users", evil.uri());
    let next = link.clone();
    let app = app(move |line, _| {
        let page = json!({ "totalResults": 9, "Resources": [ada(true)], "nextLink": next });
        line.starts_with("GET /Users").then(|| ok(&page))
    })
    .await;
    let error = app.client.list_users(None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    let error = app
        .client
        .request(Method::Get, &link, None, "probe")
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    assert!(evil.received_requests().await.unwrap().is_empty());
}

#[tokio::test]
async fn throttling_is_waited_out_even_for_a_create() {
    let app = app(|line, before| {
        (line == "POST /Users").then(|| match before {
            0 => refuse(429, "").insert_header("Retry-After", "30"),
            _ => ok(&ada(false)),
        })
    })
    .await;
    let start = app.clock.now();
    let user = iam_scim::users::User::new("ada@x.example");
    assert_eq!(app.client.create_user(&user).await.unwrap().id(), "7");
    assert!(app.clock.now().duration_since(start).as_secs() >= 30);
}

#[tokio::test]
async fn a_404_of_a_proxy_is_not_nobody() {
    let app = app(|_, _| Some(ResponseTemplate::new(404).set_body_string("<html>nginx</html>"))).await;
    let person = PersonRef {
        person: keys()[0].person.clone(),
        account: "7".to_owned(),
    };
    for error in [
        app.client.user("7").await.unwrap_err(),
        app.target.find(&keys()).await.unwrap_err(),
        app.target
            .observe(std::slice::from_ref(&person))
            .await
            .unwrap_err(),
        app.client.delete_user("7").await.unwrap_err(),
    ] {
        assert_eq!(
            (error.kind(), error.status()),
            (ErrorKind::Protocol, Some(404)),
            "{error}"
        );
    }
}

#[tokio::test]
async fn an_unreachable_server_is_assumed_to_be_nothing() {
    let app = app(|line, _| (line == "GET /ServiceProviderConfig").then(|| refuse(503, ""))).await;
    let error = app.target.find(&keys()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(app.sent().await.is_empty());
}

#[derive(Debug)]
struct Minted;

#[async_trait::async_trait]
impl TokenSource for Minted {
    async fn token(&self, audience: &Audience, _: Option<&str>) -> Result<AccessToken> {
        Ok(AccessToken {
            token: format!("for-{}", audience.scope()).into(),
            expires_at: "2099-01-01T00:00:00Z".parse().unwrap(),
            refresh_at: None,
        })
    }
}

#[tokio::test]
async fn tokens_of_a_source_go_only_where_their_audience_allows() {
    let app = app(|line, _| line.starts_with("GET /Users").then(|| ok(&list(&[])))).await;
    let transport = Arc::new(HttpTransport::new().unwrap());
    let url = format!("{}/scim", app.server.uri());
    let client =
        |audience| ScimClient::new(&url, Auth::tokens(Arc::new(Minted), audience), transport.clone());
    let elsewhere = Audience::new("scim", &["https://app.example"]).unwrap();
    assert_eq!(client(elsewhere).unwrap_err().kind(), ErrorKind::Invalid);
    let here = Audience::new("scim", &[&url]).unwrap();
    client(here).unwrap().list_users(None).await.unwrap();
    let sent = app.server.received_requests().await.unwrap();
    assert!(
        sent.iter()
            .all(|request| request.headers["authorization"] == "Bearer for-scim")
    );
}
