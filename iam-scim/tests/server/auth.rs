//! Who may call, and what the log must not show.

use iam_core::secret::Secret;
use iam_scim::server::{Auth, Engine, MemoryStore, Method, Request, router};

use crate::Provider;

#[tokio::test]
async fn only_known_tokens_pass() {
    let provider = Provider::memory().await;
    let url = format!("{}/Users", provider.base);
    for (header, expect) in [
        (None, 401),
        (Some("Bearer token"), 200),
        (Some("bearer token"), 200),
        (Some("Bearer old"), 200),
        (Some("Bearer toke"), 401),
        (Some("Bearer token2"), 401),
        (Some("Bearer "), 401),
        (Some("Basic token"), 401),
        (Some("token"), 401),
    ] {
        let mut request = provider.client.get(&url);
        if let Some(header) = header {
            request = request.header("authorization", header);
        }
        let answer = provider.send(request).await;
        assert_eq!(answer.status.as_u16(), expect, "{header:?}");
        if expect == 401 {
            assert_eq!(answer.header("www-authenticate"), "Bearer");
            assert_eq!(answer.body["status"], "401");
        }
    }
    let discovery = provider.client.get(format!("{}/Schemas", provider.base));
    provider.send(discovery).await.refuses(401, "");
}

#[tokio::test]
async fn an_empty_token_admits_nobody() {
    let app = router(Engine::new(MemoryStore::new()), Auth::bearer(&Secret::new("")));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/Users", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    for header in ["Bearer ", "Bearer", "Bearer x"] {
        let request = reqwest::Client::new().get(&url).header("authorization", header);
        assert_eq!(request.send().await.unwrap().status().as_u16(), 401, "{header}");
    }
}

#[test]
fn nothing_secret_is_printed() {
    let auth = Auth::bearer(&Secret::new("hush"));
    let mut request = Request::new(Method::Get, &["Users"], "http://x");
    request.query = vec![("filter".into(), "userName eq \"hush\"".into())];
    request.body = b"hush".to_vec();
    let printed = format!("{auth:?} {request:?}");
    assert!(!printed.contains("hush"), "{printed}");
}
