//! A service provider with one user and one group, and what must be true whatever it is asked.

use futures::executor::block_on;
use iam_scim::server::{Engine, MemoryStore, Method, Problem, Request, Response};
use serde_json::{Value, json};

const BASE: &str = "https://app.example/scim/v2";
const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// Something in every kind of attribute.
pub fn user() -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", ENTERPRISE],
        "externalId": "Ext-7",
        "userName": "Bjensen@example.com",
        "name": {"givenName": "Barbara", "familyName": "Jensen \"Q\" \\ ß"},
        "active": true,
        "title": "Ärztin",
        "emails": [
            {"value": "b@work.example", "type": "work", "primary": true},
            {"value": "b@home.example", "type": "home"},
        ],
        "addresses": [{"type": "work", "locality": "Ulm"}],
        "roles": [{"value": "r", "primary": true}],
        ENTERPRISE: {"employeeNumber": "0042", "manager": {"value": "m1"}},
    })
}

/// Asks the engine; the answer is JSON wherever there is one.
pub fn ask(engine: &Engine, method: Method, path: &[&str], body: impl Into<Vec<u8>>) -> (Response, Value) {
    let mut request = Request::new(method, path, BASE);
    request.body = body.into();
    let response = block_on(engine.handle(&request));
    assert!(response.status != 500, "{:?}", response.body);
    let body = response.body.as_deref().map(serde_json::from_str);
    let body = body.map(|body| body.expect("the answer is no JSON"));
    (response, body.unwrap_or_default())
}

/// An engine with a user and a group, and the paths of both.
pub fn provider() -> (Engine, [[String; 2]; 2]) {
    let engine = Engine::new(MemoryStore::new());
    let create = |endpoint: &str, body: &Value| {
        let (response, body) = ask(&engine, Method::Post, &[endpoint], body.to_string());
        assert_eq!(response.status, 201, "{body}");
        [endpoint.to_owned(), body["id"].as_str().unwrap().to_owned()]
    };
    let user = create("Users", &user());
    let group = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"],
        "displayName": "Staff",
        "members": [{"value": user[1], "type": "User"}, {"value": "b"}, {"value": "c"}],
    });
    let group = create("Groups", &group);
    (engine, [user, group])
}

/// PATCHes the resource and holds what came of it against what was there.
pub fn patch(engine: &Engine, path: &[String; 2], body: &[u8]) {
    let path = [path[0].as_str(), path[1].as_str()];
    let (_, before) = ask(engine, Method::Get, &path, "");
    let (response, answer) = ask(engine, Method::Patch, &path, body);
    let (_, after) = ask(engine, Method::Get, &path, "");
    match response.status {
        200 | 204 => sound(&after),
        400 | 409 | 413 => {
            assert_eq!(before, after, "refused with {answer}, and changed all the same");
            return;
        }
        status => panic!("{status}: {answer}"),
    }
    assert_eq!((&before["id"], &before["meta"]["created"]), (&after["id"], &after["meta"]["created"]));
    // What was kept can be sent as a whole, and changes nothing.
    let (response, again) = ask(engine, Method::Put, &path, after.to_string());
    assert_eq!(response.status, 200, "{after} is kept and refused: {again}");
    assert_eq!(after, again, "it is kept in another form than it is sent");
}

/// The rules of RFC 7643 that no request may break.
fn sound(resource: &Value) {
    let name = resource.get("userName").or_else(|| resource.get("displayName"));
    assert!(name.is_some_and(|name| name.as_str().is_some_and(|name| !name.is_empty())), "{resource}");
    let extension = resource.get(ENTERPRISE).and_then(Value::as_object);
    for (name, value) in resource.as_object().into_iter().chain(extension).flatten() {
        assigned(value, resource);
        let primary = |one: &&Value| one["primary"] == Value::Bool(true);
        let primaries = value.as_array().into_iter().flatten().filter(primary).count();
        assert!(primaries <= 1, "two primary {name}: {resource}");
    }
}

/// Nothing is kept that means unassigned (section 2.5).
fn assigned(value: &Value, resource: &Value) {
    let some = match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(all) => {
            all.iter().for_each(|one| assigned(one, resource));
            !all.is_empty()
        }
        Value::Object(all) => {
            all.values().for_each(|one| assigned(one, resource));
            !all.is_empty()
        }
        _ => true,
    };
    assert!(some, "an unassigned value is kept: {resource}");
}

/// The refusal has a type, and a position within the text, which it names.
pub fn refused(problem: &Problem, text: &str) {
    assert_eq!(problem.status(), 400);
    assert!(matches!(problem.scim_type(), Some("invalidFilter" | "invalidPath")));
    let at = problem.position().expect("no position");
    assert!((1..=text.chars().count() + 1).contains(&at), "{problem}");
    assert!(problem.detail().ends_with(&format!("at character {at}")), "{problem}");
}
