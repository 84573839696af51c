//! What is sent for which answer.

mod answers;
mod assigning;
mod budget;
mod observing;
mod stepping;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use iam_arm::{ArmClient, ArmTarget};
use iam_core::auth::{AccessToken, Audience, TokenSource};
use iam_core::clock::Clock;
use iam_core::entitlement::{Entitlement, Kind, TargetId};
use iam_core::http::HttpTransport;
use iam_core::person::PersonKey;
use iam_core::plan::{Action, IdempotencyKey, Step};
use iam_core::target::{Applied, Target};
use iam_core::{Cloud, Result};
use serde_json::{Value, json};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use crate::clock::TestClock;

const READER: &str = "acdd72a7-3385-48ef-bd42-f606fba81ae7";
const OWNER: &str = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635";
const SUB: &str = "/subscriptions/s1";
const SIEM: &str = "/subscriptions/s1/resourceGroups/siem";

#[derive(Debug)]
struct Token;

#[async_trait]
impl TokenSource for Token {
    async fn token(&self, audience: &Audience, _: Option<&str>) -> Result<AccessToken> {
        assert_eq!(audience.scope(), "https://management.azure.com/.default");
        Ok(AccessToken {
            token: "t0ken".into(),
            expires_at: "2099-01-01T00:00:00Z".parse().unwrap(),
            refresh_at: None,
        })
    }
}

/// An Azure that answers by a script, and what was asked of it.
struct Azure {
    server: MockServer,
    clock: Arc<TestClock>,
    client: ArmClient,
    target: ArmTarget,
}

/// What a script answers: a status, and a body unless it is null.
type Answer = (u16, Value);

/// `script` gets `"GET /subscriptions/s1/roleDefinitions"` (path and filter decoded, the provider's name
/// left out) and how many requests of that kind came before.
async fn azure(script: impl Fn(&str, usize) -> Answer + Send + Sync + 'static) -> Azure {
    let answer = move |line: &str, before: usize| match script(line, before) {
        (status, Value::Null) => ResponseTemplate::new(status),
        (status, body) => ResponseTemplate::new(status).set_body_json(body),
    };
    azure_at(&[SIEM], answer).await
}

async fn azure_at(
    scopes: &[&str],
    answer: impl Fn(&str, usize) -> ResponseTemplate + Send + Sync + 'static,
) -> Azure {
    let server = MockServer::start().await;
    let seen = std::sync::Mutex::new(std::collections::HashMap::<String, usize>::new());
    let respond = move |request: &Request| {
        let line = line(request);
        let before = {
            let mut seen = seen.lock().unwrap();
            let count = seen.entry(line.clone()).or_default();
            *count += 1;
            *count - 1
        };
        answer(&line, before)
    };
    Mock::given(any()).respond_with(respond).mount(&server).await;
    let clock = TestClock::new();
    let cloud = Cloud::custom(&server.uri(), &server.uri())
        .unwrap()
        .with_arm(&server.uri())
        .unwrap();
    let client = ArmClient::builder(cloud, Arc::new(Token), Arc::new(HttpTransport::new().unwrap()))
        .clock(clock.clone())
        .build()
        .unwrap();
    let scopes = scopes.iter().map(|scope| (*scope).to_owned());
    let target = ArmTarget::new(client.clone(), scopes).unwrap();
    Azure {
        server,
        clock,
        client,
        target,
    }
}

fn line(request: &Request) -> String {
    let mut path = request
        .url
        .path()
        .replace("/providers/Microsoft.Authorization/", "/");
    let assignments = "/roleAssignments/";
    if request.method == "PUT" && path.contains(assignments) {
        path = path.split(assignments).next().unwrap().to_owned() + "/roleAssignments/…";
    }
    let filter = request.url.query_pairs().find(|(name, _)| name == "$filter");
    let filter = filter.map(|(_, value)| format!("?{value}")).unwrap_or_default();
    format!("{} {path}{filter}", request.method)
}

impl Azure {
    async fn sent(&self) -> Vec<String> {
        self.requests().await.iter().map(line).collect()
    }

    async fn requests(&self) -> Vec<Request> {
        self.server.received_requests().await.unwrap()
    }

    /// How long was waited since the start.
    fn waited(&self) -> Duration {
        let start = "2026-01-01T00:00:00Z".parse().unwrap();
        Duration::try_from(self.clock.now().duration_since(start)).unwrap()
    }

    async fn apply(&self, account: Option<&str>, action: Action) -> Result<Applied> {
        let step = Step::new(self.target.id(), &PersonKey::new("W-1"), account, action, "test");
        let key = IdempotencyKey::of(&iam_core::event::EventId::new("e1"), &step);
        self.target.apply(&step, &key).await
    }
}

fn role_at(role: &str, scope: &str) -> Entitlement {
    Entitlement {
        target: TargetId::new("arm"),
        kind: Kind::Azure,
        id: format!("{role}@{}", scope.to_lowercase()),
        name: "Reader".into(),
    }
}

fn failure(status: u16, code: &str) -> Answer {
    (status, json!({"error": {"code": code, "message": "Some text."}}))
}

fn page(values: Value) -> Answer {
    (200, json!({ "value": values }))
}

/// An assignment of a role to `u1`.
fn assignment(name: &str, role: &str, scope: &str) -> Value {
    json!({
        "id": format!("{scope}/providers/Microsoft.Authorization/roleAssignments/{name}"),
        "name": name,
        "type": "Microsoft.Authorization/roleAssignments",
        "properties": {
            "scope": scope, "principalId": "U1", "principalType": "User",
            "roleDefinitionId": format!("/subscriptions/s1/providers/Microsoft.Authorization/roleDefinitions/{role}"),
        },
    })
}

fn definition(role: &str, name: &str, actions: &[&str]) -> Value {
    json!({
        "id": format!("/subscriptions/s1/providers/Microsoft.Authorization/roleDefinitions/{role}"),
        "name": role,
        "properties": {"roleName": name, "type": "BuiltInRole", "permissions": [{"actions": actions, "notActions": null}]},
    })
}
