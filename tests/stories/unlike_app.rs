//! An application whose SCIM is not as Entra's own provisioning expects it: 404 where nothing matches, 200 for
//! what was created, a relative `Location`, no PATCH, hardly any discovery, no groups. Joiner, mover, leaver and
//! rejoin end as they do anywhere else, there and in the directory.

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
groups = ["All Staff"]
licenses = ["SPE_E3"]
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

/// How the application says that it takes no PATCH.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    /// Only when asked: 501, as RFC 7644 section 3.12 has it.
    NotImplemented,
    /// Only when asked: 405, as a router without the method does.
    NotAllowed,
    /// In its `ServiceProviderConfig`: then it should not be asked at all.
    Declared,
    /// Its `ServiceProviderConfig` says that it takes PATCH, and then it answers 405.
    Denied,
}

/// The application's accounts, and what was asked of it.
struct App {
    refusal: Refusal,
    users: BTreeMap<u32, Value>,
    asked: Vec<String>,
}

type Shared = Arc<Mutex<App>>;

async fn start(refusal: Refusal) -> (String, Shared) {
    let shared = Arc::new(Mutex::new(App {
        refusal,
        users: BTreeMap::new(),
        asked: Vec::new(),
    }));
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
        ("GET", "/ServiceProviderConfig", _) => match app.refusal {
            Refusal::Declared => scim(StatusCode::OK, &config(false)),
            Refusal::Denied => scim(StatusCode::OK, &config(true)),
            Refusal::NotImplemented | Refusal::NotAllowed => failure(StatusCode::NOT_FOUND, ""),
        },
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
        ("PATCH", ..) if app.refusal == Refusal::NotImplemented => failure(StatusCode::NOT_IMPLEMENTED, ""),
        // No SCIM at all: what a router says of a method that it has no route for.
        ("PATCH", ..) => (StatusCode::METHOD_NOT_ALLOWED, [("allow", "GET, PUT")]).into_response(),
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

fn config(patch: bool) -> Value {
    let no = json!({"supported": false});
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"],
        "patch": {"supported": patch}, "filter": {"supported": true, "maxResults": 100},
        "bulk": no, "changePassword": no, "sort": no, "etag": no, "authenticationSchemes": []
    })
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
    for (refusal, patches) in [
        (Refusal::NotImplemented, 1),
        (Refusal::NotAllowed, 1),
        (Refusal::Declared, 0),
        (Refusal::Denied, 1),
    ] {
        ends_as_any_other(refusal, patches).await;
    }
}

async fn ends_as_any_other(refusal: Refusal, patches: usize) {
    let (address, app) = start(refusal).await;
    let world = World::with_targets(POLICY, |_, _| {
        let transport = Arc::new(HttpTransport::new().unwrap());
        let client = ScimClient::new(&address, Secret::from(TOKEN), transport).unwrap();
        vec![Arc::new(ScimTarget::new("ticketing", client))]
    })
    .await;
    let hear = async |text: &str, account: &str, directory: &str| {
        let report = world.hear(&[text]).await;
        let totals = report.totals();
        assert_eq!((totals.open, totals.failed), (0, 0), "{refusal:?} {report:?}");
        assert_eq!(
            app.lock().unwrap().look("W-1"),
            [account.to_owned()],
            "{refusal:?} {text}"
        );
        let expected = format!("mei.tanaka {directory}");
        assert_eq!(world.look("W-1").await, expected, "{refusal:?} {text}");
    };
    let at_work = "enabled: All Staff / SPE_E3 / ";
    hear("W-1 Mei Tanaka Security", "active: agent", at_work).await;
    hear("W-1 Mei Tanaka Desk", "active: agent, supervisor", at_work).await;
    hear("W-1 Mei Tanaka Security", "active: agent", at_work).await;
    hear("W-1 Mei Tanaka Sales", "inactive: ", at_work).await;
    hear("W-1 Mei Tanaka Security", "active: agent", at_work).await;
    hear(
        "W-1 Mei Tanaka Security status=gone",
        "inactive: ",
        "blocked:  /  / ",
    )
    .await;
    hear("W-1 Mei Tanaka Desk", "active: agent, supervisor", at_work).await;
    assert_eq!(world.engine.plan().await.unwrap().steps(), 0);

    let asked = &app.lock().unwrap().asked;
    let asked_to_patch = asked.iter().filter(|line| line.starts_with("PATCH")).count();
    assert_eq!(
        asked_to_patch, patches,
        "{refusal:?}: what a server cannot do is tried once, and not at all where it says so: {asked:?}"
    );
    assert!(asked.iter().any(|line| line.starts_with("PUT")), "{asked:?}");
}
