//! An application whose SCIM is not as Entra's own provisioning expects it: 404 where nothing matches, 200 for
//! what was created, a relative `Location`, no PATCH, no discovery but a schema, no groups. Joiner, mover, leaver
//! and rejoin end as they do anywhere else.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use iam_core::Secret;
use iam_core::http::HttpTransport;
use iam_scim::{ScimClient, ScimTarget};
use serde_json::{Value, json};

use crate::world::World;

const POLICY: &str = r#"
version = 1
[tenant]
domain = "contoso.example"
[naming]
upn = ["{given}.{family}"]
[defaults]
usage_location = "person.country"
[[rule]]
id = "security"
when = 'person.department == "Security"'
apps = [{ scim = "ticketing", roles = ["agent"] }]
[[rule]]
id = "desk"
when = 'person.department == "Desk"'
apps = [{ scim = "ticketing", roles = ["agent", "supervisor"] }]
"#;
const TOKEN: &str = "unlike-t0ken";

/// The application's accounts, and what was asked of it.
#[derive(Default)]
struct App {
    users: BTreeMap<u32, Value>,
    asked: Vec<String>,
}

type Shared = Arc<Mutex<App>>;

async fn start() -> (String, Shared) {
    let shared = Shared::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/api/scim", listener.local_addr().unwrap());
    let router = Router::new().fallback(answer).with_state(shared.clone());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (address, shared)
}

async fn answer(
    State(shared): State<Shared>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut app = shared.lock().unwrap();
    let path = uri.path().strip_prefix("/api/scim").unwrap_or_default();
    app.asked.push(format!("{method} {path}"));
    if headers.get("authorization").and_then(|value| value.to_str().ok()) != Some(&format!("Bearer {TOKEN}"))
    {
        return failure(StatusCode::UNAUTHORIZED, "token");
    }
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let id = path.strip_prefix("/Users/").and_then(|id| id.parse::<u32>().ok());
    match (method.as_str(), path, id) {
        ("GET", "/Schemas", _) => scim(
            StatusCode::OK,
            &json!({"totalResults": 1, "Resources": [schema()]}),
        ),
        ("GET", "/Users", _) => app.search(&uri),
        ("POST", "/Users", _) => {
            if app
                .users
                .values()
                .any(|user| user["userName"] == body["userName"])
            {
                return failure(StatusCode::CONFLICT, "uniqueness");
            }
            let id = u32::try_from(app.users.len()).unwrap() + 1;
            let mut user = body;
            user["id"] = json!(id.to_string());
            app.users.insert(id, user.clone());
            let mut answer = scim(StatusCode::OK, &user);
            let location = format!("Users/{id}").parse().unwrap();
            answer.headers_mut().insert("location", location);
            answer
        }
        (_, _, Some(id)) if !app.users.contains_key(&id) => failure(StatusCode::NOT_FOUND, ""),
        ("GET", _, Some(id)) => scim(StatusCode::OK, &app.users[&id]),
        ("PUT", _, Some(id)) => {
            let mut user = body;
            user["id"] = json!(id.to_string());
            app.users.insert(id, user.clone());
            scim(StatusCode::OK, &user)
        }
        ("PATCH", ..) => failure(StatusCode::NOT_IMPLEMENTED, ""),
        _ => failure(StatusCode::NOT_FOUND, ""),
    }
}

impl App {
    fn search(&self, uri: &Uri) -> Response {
        let address = format!("http://h{uri}");
        let url = reqwest::Url::parse(&address).unwrap();
        let filter = url.query_pairs().find(|(name, _)| name == "filter");
        let found: Vec<&Value> = match &filter {
            None => self.users.values().collect(),
            Some((_, filter)) => {
                let Some((attribute, value)) = filter.split_once(" eq ") else {
                    return failure(StatusCode::BAD_REQUEST, "invalidFilter");
                };
                let value = value.trim_matches('"');
                self.users
                    .values()
                    .filter(|user| user[attribute] == value)
                    .collect()
            }
        };
        if found.is_empty() && filter.is_some() {
            return failure(StatusCode::NOT_FOUND, "");
        }
        scim(
            StatusCode::OK,
            &json!({"totalResults": found.len(), "startIndex": 1, "Resources": found}),
        )
    }

    /// `active|inactive: roles` of everybody with that worker id.
    fn look(&self, worker: &str) -> Vec<String> {
        let mine = self.users.values().filter(|user| user["externalId"] == worker);
        mine.map(|user| {
            let roles = user["roles"].as_array().cloned().unwrap_or_default();
            let mut roles: Vec<&str> = roles.iter().filter_map(|role| role["value"].as_str()).collect();
            roles.sort_unstable();
            let state = if user["active"] == true {
                "active"
            } else {
                "inactive"
            };
            format!("{state}: {}", roles.join(", "))
        })
        .collect()
    }
}

fn scim(status: StatusCode, body: &Value) -> Response {
    (
        status,
        [("content-type", "application/scim+json")],
        body.to_string(),
    )
        .into_response()
}

fn failure(status: StatusCode, scim_type: &str) -> Response {
    let mut body = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
        "status": status.as_str(),
        "detail": "no"
    });
    if !scim_type.is_empty() {
        body["scimType"] = json!(scim_type);
    }
    scim(status, &body)
}

fn schema() -> Value {
    json!({
        "id": "urn:ietf:params:scim:schemas:core:2.0:User",
        "name": "User",
        "attributes": [{
            "name": "roles", "type": "complex", "multiValued": true,
            "subAttributes": [{
                "name": "value", "type": "string", "multiValued": false,
                "canonicalValues": ["agent", "supervisor"]
            }]
        }]
    })
}

#[tokio::test]
async fn an_application_unlike_what_entra_expects_ends_as_any_other() {
    let (address, app) = start().await;
    let world = World::with_targets(POLICY, |_, _| {
        let transport = Arc::new(HttpTransport::new().unwrap());
        let client = ScimClient::new(&address, Secret::from(TOKEN), transport).unwrap();
        vec![Arc::new(ScimTarget::new("ticketing", client))]
    })
    .await;
    let hear = async |text: &str| {
        let report = world.hear(&[text]).await;
        assert_eq!(
            (report.totals().open, report.totals().failed),
            (0, 0),
            "{report:?}"
        );
        app.lock().unwrap().look("W-1")
    };
    assert_eq!(hear("W-1 Mei Tanaka Security").await, ["active: agent"]);
    assert_eq!(hear("W-1 Mei Tanaka Desk").await, ["active: agent, supervisor"]);
    assert_eq!(hear("W-1 Mei Tanaka Security").await, ["active: agent"]);
    assert_eq!(hear("W-1 Mei Tanaka Security status=gone").await, ["inactive: "]);
    assert_eq!(hear("W-1 Mei Tanaka Desk").await, ["active: agent, supervisor"]);
    assert_eq!(world.engine.plan().await.unwrap().steps(), 0);

    let asked = &app.lock().unwrap().asked;
    let patches = asked.iter().filter(|line| line.starts_with("PATCH")).count();
    assert_eq!(patches, 1, "what a server cannot do is tried once: {asked:?}");
    assert!(asked.iter().any(|line| line.starts_with("PUT")), "{asked:?}");
}
