//! The service provider over HTTP, on both stores.

#![allow(clippy::unwrap_used, clippy::needless_pass_by_value)] // what fails here fails the test

mod auth;
mod crud;
mod entra;
mod list;
mod refusal;
mod store;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use iam_core::secret::Secret;
use iam_scim::server::{Auth, Engine, MemoryStore, Settings, SqliteStore, router};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;

pub(crate) const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
pub(crate) const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
pub(crate) const EXT: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// A running service provider and a client of it.
pub(crate) struct Provider {
    pub(crate) base: String,
    pub(crate) client: reqwest::Client,
    _folder: Option<TempDir>,
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: Value,
}

impl Answer {
    #[track_caller]
    pub(crate) fn is(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.body);
        self
    }

    /// A refusal in the shape of RFC 7644 section 3.12.
    #[track_caller]
    pub(crate) fn refuses(self, status: u16, scim_type: &str) {
        let answer = self.is(status);
        assert_eq!(
            answer.body["schemas"],
            json!(["urn:ietf:params:scim:api:messages:2.0:Error"])
        );
        assert_eq!(answer.body["status"], status.to_string());
        assert_eq!(
            answer.body["scimType"].as_str().unwrap_or_default(),
            scim_type,
            "{}",
            answer.body
        );
        assert!(
            answer.body["detail"]
                .as_str()
                .is_some_and(|detail| !detail.is_empty())
        );
        assert_eq!(answer.headers["content-type"], "application/scim+json");
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }

    pub(crate) fn id(&self) -> String {
        self.body["id"].as_str().unwrap().to_owned()
    }

    /// One attribute of every resource of a list.
    pub(crate) fn names(&self, attribute: &str) -> String {
        let all = self.body["Resources"].as_array().unwrap().iter();
        all.map(|one| one[attribute].as_str().unwrap())
            .collect::<Vec<_>>()
            .join(" ")
    }
}

impl Provider {
    pub(crate) async fn memory() -> Self {
        Self::serve(Engine::new(MemoryStore::new()), None).await
    }

    async fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(folder.path().join("scim.sqlite"))
            .await
            .unwrap();
        Self::serve(Engine::new(store), Some(folder)).await
    }

    pub(crate) async fn both() -> [Self; 2] {
        [Self::memory().await, Self::sqlite().await]
    }

    async fn serve(engine: Engine, folder: Option<TempDir>) -> Self {
        let mut settings = Settings::default();
        settings.max_page = 5;
        settings.page = 3;
        settings.max_body = 100_000;
        let engine = engine.with_settings(settings);
        let auth = Auth::bearer(&Secret::new("old")).or_bearer(&Secret::new("token"));
        let app = Router::new().nest_service("/some/prefix", router(engine, auth));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}/some/prefix", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        let client = reqwest::Client::builder()
            .timeout(Duration::from_secs(20))
            .no_proxy()
            .build()
            .unwrap();
        Self {
            base,
            client,
            _folder: folder,
        }
    }

    pub(crate) fn request(&self, method: &str, path: &str) -> RequestBuilder {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        self.client
            .request(method, format!("{}{path}", self.base))
            .bearer_auth("token")
    }

    pub(crate) async fn send(&self, request: RequestBuilder) -> Answer {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let text = response.text().await.unwrap();
        let body = if text.is_empty() {
            Value::Null
        } else {
            serde_json::from_str(&text).unwrap()
        };
        Answer {
            status,
            headers,
            body,
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(self.request("GET", path)).await
    }

    pub(crate) async fn write(&self, method: &str, path: &str, body: Value) -> Answer {
        self.send(self.request(method, path).json(&body)).await
    }

    pub(crate) async fn filter(&self, endpoint: &str, filter: &str) -> Answer {
        self.send(self.request("GET", endpoint).query(&[("filter", filter)]))
            .await
    }

    pub(crate) async fn user(&self, name: &str) -> String {
        let user = json!({"schemas": [USER], "userName": name});
        self.write("POST", "/Users", user).await.is(201).id()
    }

    pub(crate) async fn group(&self, name: &str, members: &[&str]) -> String {
        let members: Vec<Value> = members.iter().map(|id| json!({"value": id})).collect();
        let group = json!({"schemas": [GROUP], "displayName": name, "members": members});
        self.write("POST", "/Groups", group).await.is(201).id()
    }
}

pub(crate) fn patch(operations: Value) -> Value {
    json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": operations})
}

#[test]
fn public_types_cross_threads() {
    fn check<T: Send + Sync + 'static>() {}
    check::<Engine>();
    check::<Auth>();
    check::<Arc<dyn iam_scim::server::Store>>();
}
