//! Single requests, and servers that do not keep to the protocol: what is sent for which answer.

#![allow(clippy::unwrap_used, clippy::panic, clippy::needless_pass_by_value)] // all of it is tests

mod answers;
mod budget;
mod clock;
mod creating;
mod roles;
mod unlike;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use iam_core::Result;
use iam_core::entitlement::Attributes;
use iam_core::event::EventId;
use iam_core::http::HttpTransport;
use iam_core::person::PersonKey;
use iam_core::plan::{Action, IdempotencyKey, Step};
use iam_core::target::{Applied, Keys, Target};
use iam_scim::{Auth, ScimClient, ScimTarget};
use serde_json::{Value, json};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use crate::clock::TestClock;

/// A service provider that answers by a script, and what was asked of it.
struct App {
    server: MockServer,
    clock: Arc<TestClock>,
    client: ScimClient,
    target: ScimTarget,
}

/// `script` gets `GET /Users?<filter>` (decoded) and how many requests of that kind came before. Discovery that
/// the script leaves out (`None`) announces everything.
async fn app(script: impl Fn(&str, usize) -> Option<ResponseTemplate> + Send + Sync + 'static) -> App {
    let server = MockServer::start().await;
    let seen = Mutex::new(HashMap::<String, usize>::new());
    let respond = move |request: &Request| {
        let line = line(request);
        let before = {
            let mut seen = seen.lock().unwrap();
            let count = seen.entry(line.clone()).or_default();
            *count += 1;
            *count - 1
        };
        script(&line, before).unwrap_or_else(|| match line.as_str() {
            "GET /ServiceProviderConfig" => ok(&json!({
                "patch": { "supported": true }, "filter": { "supported": true }, "etag": { "supported": true },
            })),
            "GET /ResourceTypes" => ok(&list(&[
                json!({ "name": "User", "endpoint": "/Users" }),
                json!({ "name": "Group", "endpoint": "/Groups" }),
            ])),
            _ => refuse(404, ""),
        })
    };
    Mock::given(any()).respond_with(respond).mount(&server).await;
    let clock = TestClock::new();
    let transport = Arc::new(HttpTransport::new().unwrap());
    let client = ScimClient::builder(&format!("{}/scim", server.uri()), Auth::token("t0ken"), transport)
        .clock(clock.clone())
        .build()
        .unwrap();
    let target = ScimTarget::new("app", client.clone());
    App {
        server,
        clock,
        client,
        target,
    }
}

fn line(request: &Request) -> String {
    let path = request.url.path().trim_start_matches("/scim");
    let filter = request.url.query_pairs().find(|(name, _)| name == "filter");
    let filter = filter.map(|(_, value)| format!("?{value}")).unwrap_or_default();
    format!("{} {path}{filter}", request.method)
}

/// An answer of 200 with that body.
fn ok(body: &Value) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(body)
}

/// A SCIM error document.
fn refuse(status: u16, code: &str) -> ResponseTemplate {
    let mut body =
        json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"], "status": status.to_string() });
    if !code.is_empty() {
        body["scimType"] = code.into();
    }
    ResponseTemplate::new(status).set_body_json(body)
}

/// A list answer with everything on one page.
fn list(resources: &[Value]) -> Value {
    json!({ "totalResults": resources.len(), "startIndex": 1, "Resources": resources })
}

/// Ada, whose worker id is W-1.
fn ada(active: bool) -> Value {
    json!({ "id": "7", "externalId": "W-1", "userName": "ada@x.example", "active": active })
}

fn create() -> Action {
    Action::CreateAccount {
        name: "ada@x.example".to_owned(),
        attributes: Attributes::new(),
    }
}

fn created() -> Applied {
    Applied::Done {
        account: Some("7".to_owned()),
    }
}

fn keys() -> [Keys; 1] {
    [Keys {
        person: PersonKey::new("W-1"),
        account: None,
    }]
}

const DONE: Applied = Applied::Done { account: None };
const ALREADY: Applied = Applied::AlreadySo { account: None };
const BY_WORKER: &str = r#"GET /Users?externalId eq "W-1""#;
const BY_NAME: &str = r#"GET /Users?userName eq "ada@x.example""#;

impl App {
    /// What was sent, without discovery.
    async fn sent(&self) -> Vec<String> {
        let requests = self.server.received_requests().await.unwrap();
        let lines = requests.iter().map(line);
        lines
            .filter(|line| !line.contains("/ServiceProviderConfig") && !line.contains("/ResourceTypes"))
            .collect()
    }

    async fn bodies(&self, of: &str) -> Vec<Value> {
        let requests = self.server.received_requests().await.unwrap();
        let mine = requests.iter().filter(|request| line(request) == of);
        mine.map(|request| serde_json::from_slice(&request.body).unwrap_or_default())
            .collect()
    }

    async fn apply(&self, account: Option<&str>, action: Action) -> Result<Applied> {
        let step = Step::new(self.target.id(), &PersonKey::new("W-1"), account, action, "test");
        let key = IdempotencyKey::of(&EventId::new("e1"), &step);
        self.target.apply(&step, &key).await
    }
}
