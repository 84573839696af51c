//! Single requests, and sequences that a sandbox does not play: what is sent for which answer.

mod admission;
mod answers;
mod batching;
mod budget;
mod creating;
mod delta;
mod eligibility;
mod faults;
mod joining;
mod listing;
mod lost_posts;
mod mail;
mod observing;
mod writing;

use std::sync::Arc;

use async_trait::async_trait;
use iam_core::auth::{AccessToken, Audience, TokenSource};
use iam_core::entitlement::{Attribute, Attributes, Entitlement, Kind, TargetId};
use iam_core::http::HttpTransport;
use iam_core::person::PersonKey;
use iam_core::plan::{Action, IdempotencyKey, Step};
use iam_core::target::{Applied, Target};
use iam_core::{Cloud, Result};
use iam_graph::{GraphClient, GraphClientBuilder, GraphTarget};
use serde_json::{Value, json};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use crate::clock::TestClock;

#[derive(Debug)]
struct Token;

#[async_trait]
impl TokenSource for Token {
    async fn token(&self, _: &Audience, _: Option<&str>) -> Result<AccessToken> {
        let expires_at = "2099-01-01T00:00:00Z".parse().unwrap();
        Ok(AccessToken {
            token: "t0ken".into(),
            expires_at,
            refresh_at: None,
        })
    }
}

/// A Graph that answers by a script, and what was asked of it.
struct Graph {
    server: MockServer,
    clock: Arc<TestClock>,
    client: GraphClient,
    target: GraphTarget,
}

/// `script` gets `"POST /users"` (path and query decoded) and how many requests of that kind came before. The items of
/// a batch are asked of it one by one, unless it has an answer to `"POST /$batch"`.
async fn graph(script: impl Fn(&str, usize) -> (u16, Value) + Send + Sync + 'static) -> Graph {
    let server = MockServer::start().await;
    let seen = std::sync::Mutex::new(std::collections::HashMap::<String, usize>::new());
    let answer = move |line: String| {
        let before = {
            let mut seen = seen.lock().unwrap();
            let count = seen.entry(line.clone()).or_default();
            *count += 1;
            *count - 1
        };
        script(&line, before)
    };
    let respond = move |request: &Request| {
        if let Some(items) = items(request) {
            let responses = items.iter().map(|item| {
                let (status, body) = answer(item_line(item));
                json!({"id": item["id"], "status": status, "headers": {"Content-Type": "application/json"}, "body": body})
            });
            let responses: Vec<Value> = responses.collect();
            return ResponseTemplate::new(200).set_body_json(json!({ "responses": responses }));
        }
        match answer(line(request)) {
            (status, Value::Null) => ResponseTemplate::new(status),
            (status, body) => ResponseTemplate::new(status).set_body_json(body),
        }
    };
    Mock::given(any()).respond_with(respond).mount(&server).await;
    let clock = TestClock::new();
    let client = builder(&server, &clock).build();
    let target = GraphTarget::new(client.clone());
    Graph {
        server,
        clock,
        client,
        target,
    }
}

fn builder(server: &MockServer, clock: &Arc<TestClock>) -> GraphClientBuilder {
    let cloud = Cloud::custom(&server.uri(), &server.uri()).unwrap();
    GraphClient::builder(cloud, Arc::new(Token), Arc::new(HttpTransport::new().unwrap())).clock(clock.clone())
}

fn line(request: &Request) -> String {
    line_of(request.method.as_str(), &request.url)
}

fn line_of(method: &str, url: &wiremock::http::Url) -> String {
    let path = url.path().trim_start_matches("/v1.0");
    let filter = url.query_pairs().find(|(name, _)| name == "$filter");
    let filter = filter.map(|(_, value)| format!("?{value}")).unwrap_or_default();
    format!("{method} {path}{filter}")
}

/// The items of a batch.
fn items(request: &Request) -> Option<Vec<Value>> {
    let body: Value = serde_json::from_slice(&request.body).ok()?;
    let items = body["requests"].as_array()?.clone();
    request.url.path().ends_with("/$batch").then_some(items)
}

fn item_line(item: &Value) -> String {
    let url = format!("http://graph{}", item["url"].as_str().unwrap());
    line_of(item["method"].as_str().unwrap(), &url.parse().unwrap())
}

impl Graph {
    /// Requests, whether they came by themselves or in a batch, each with its body.
    async fn asked(&self) -> Vec<(String, Value)> {
        let requests = self.server.received_requests().await.unwrap();
        let each = requests.iter().flat_map(|request| match items(request) {
            Some(items) => items
                .into_iter()
                .map(|mut item| (item_line(&item), item["body"].take()))
                .collect(),
            None => vec![(
                line(request),
                serde_json::from_slice(&request.body).unwrap_or_default(),
            )],
        });
        each.collect()
    }

    async fn sent(&self) -> Vec<String> {
        self.asked().await.into_iter().map(|(line, _)| line).collect()
    }

    /// HTTP requests.
    async fn posts(&self) -> usize {
        self.server.received_requests().await.unwrap().len()
    }

    async fn bodies(&self, of: &str) -> Vec<Value> {
        let mine = self.asked().await.into_iter().filter(|(line, _)| line == of);
        mine.map(|(_, body)| body).collect()
    }

    async fn apply(&self, account: Option<&str>, action: Action) -> Result<Applied> {
        let step = Step::new(self.target.id(), &PersonKey::new("W-1"), account, action, "test");
        self.target.apply(&step, &key(&step)).await
    }
}

fn key(step: &Step) -> IdempotencyKey {
    IdempotencyKey::of(&iam_core::event::EventId::new("e1"), step)
}

fn create() -> Action {
    let attributes = Attributes::from([
        (Attribute::DisplayName, "Ada Lovelace".to_owned()),
        (Attribute::CostCenter, "C-7".to_owned()),
    ]);
    Action::CreateAccount {
        name: "ada@x.example".into(),
        attributes,
    }
}

fn what(kind: Kind, id: &str) -> Entitlement {
    Entitlement {
        target: TargetId::new("graph"),
        kind,
        id: id.into(),
        name: id.into(),
    }
}

fn failure(status: u16, code: &str, message: &str) -> (u16, Value) {
    (status, json!({"error": {"code": code, "message": message}}))
}

fn not_found() -> (u16, Value) {
    failure(404, "Request_ResourceNotFound", "Resource 'x' does not exist.")
}

fn page(values: Value) -> (u16, Value) {
    (200, json!({ "value": values }))
}
