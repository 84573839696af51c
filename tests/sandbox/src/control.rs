//! The control routes below `/_sandbox/`: for tests, loopback only, no token.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Request, State as FromState};
use axum::http::header;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::{get, post};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::audit;
use crate::clock::graph_time;
use crate::faults::Fault;
use crate::request_log::KEPT;
use crate::server::json_answer;
use crate::sign_in;
use crate::state::{Shared, State};
use crate::tokens::{GRAPH, Subject};
use crate::{app_roles, service_principals};

type App = Arc<Shared>;

/// The routes.
pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route(
            "/_sandbox/faults",
            get(list_faults).post(add_fault).delete(clear_faults),
        )
        .route("/_sandbox/clock", get(read_clock).post(set_clock))
        .route("/_sandbox/throttling", post(set_throttling))
        .route("/_sandbox/reset", post(reset))
        .route("/_sandbox/log", get(read_log).delete(clear_log))
        .route("/_sandbox/state", get(read_state))
        .route("/_sandbox/tokens", post(mint))
        .layer(from_fn(only_loopback))
}

/// The listener is on loopback already; a page in a browser that reaches it under a foreign name is refused.
async fn only_loopback(request: Request, next: Next) -> Response {
    let host = request
        .headers()
        .get(header::HOST)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    if matches!(name, "127.0.0.1" | "localhost" | "[::1]") {
        next.run(request).await
    } else {
        json_answer(
            403,
            &json!({ "error": "control routes answer on loopback names only" }),
        )
    }
}

fn wrong(error: impl std::fmt::Display) -> Response {
    json_answer(400, &json!({ "error": error.to_string() }))
}

async fn list_faults(FromState(app): FromState<App>) -> Response {
    let state = app.lock();
    let rules: Value = state
        .faults
        .rules
        .iter()
        .map(|rule| {
            let mut value = serde_json::to_value(rule).unwrap_or_default();
            value["fired"] = rule.fired().into();
            value
        })
        .collect();
    json_answer(200, &json!({ "faults": rules }))
}

async fn add_fault(FromState(app): FromState<App>, body: Bytes) -> Response {
    match serde_json::from_slice::<Fault>(&body) {
        Ok(fault) => {
            app.lock().faults.rules.push(fault);
            json_answer(201, &json!({}))
        }
        Err(error) => wrong(error),
    }
}

async fn clear_faults(FromState(app): FromState<App>) -> Response {
    app.lock().faults.rules.clear();
    json_answer(200, &json!({}))
}

async fn read_clock(FromState(app): FromState<App>) -> Response {
    json_answer(200, &json!({ "now": graph_time(app.lock().clock.now()) }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SetClock {
    now: Option<Timestamp>,
    advance_seconds: Option<i64>,
    stopped: Option<bool>,
}

async fn set_clock(FromState(app): FromState<App>, body: Bytes) -> Response {
    let wish: SetClock = match serde_json::from_slice(&body) {
        Ok(wish) => wish,
        Err(error) => return wrong(error),
    };
    let mut state = app.lock();
    if let Some(stopped) = wish.stopped {
        state.clock.stop(stopped);
    }
    if let Some(now) = wish.now {
        state.clock.set(now);
    }
    if let Some(seconds) = wish.advance_seconds {
        state.clock.advance(SignedDuration::from_secs(seconds));
    }
    json_answer(200, &json!({ "now": graph_time(state.clock.now()) }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SetThrottling {
    on: bool,
}

async fn set_throttling(FromState(app): FromState<App>, body: Bytes) -> Response {
    match serde_json::from_slice::<SetThrottling>(&body) {
        Ok(wish) => {
            app.lock().throttling.on = wish.on;
            json_answer(200, &json!({ "on": wish.on }))
        }
        Err(error) => wrong(error),
    }
}

async fn reset(FromState(app): FromState<App>) -> Response {
    app.lock().reset();
    json_answer(200, &json!({}))
}

async fn read_log(FromState(app): FromState<App>) -> Response {
    let state = app.lock();
    let log = &state.log;
    let kept = json!({
        "requests": state.requests, "most": KEPT, "dropped": log.dropped, "log": log.entries,
    });
    json_answer(200, &kept)
}

async fn clear_log(FromState(app): FromState<App>) -> Response {
    app.lock().log.clear();
    json_answer(200, &json!({}))
}

async fn read_state(FromState(app): FromState<App>) -> Response {
    json_answer(200, &app.lock().caught_up().snapshot())
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Mint {
    /// Id or user principal name; without one the token is the application's.
    pub(crate) user: Option<String>,
    /// Client id to stand in the token; the sandbox's own by default.
    pub(crate) app: Option<String>,
    pub(crate) audience: Option<String>,
    pub(crate) roles: Option<Vec<String>>,
    /// `scp` of a user's token; by default `access_as_user`, or `User.Read` for Graph.
    pub(crate) scopes: Option<Vec<String>>,
}

async fn mint(FromState(app): FromState<App>, body: Bytes) -> Response {
    let wish: Mint = match serde_json::from_slice(if body.is_empty() { b"{}" } else { &body[..] }) {
        Ok(wish) => wish,
        Err(error) => return wrong(error),
    };
    let mut state = app.lock();
    match signed(&mut state, wish) {
        Ok(token) => {
            let lifetime = state.tokens.lifetime;
            json_answer(
                200,
                &json!({ "token_type": "Bearer", "expires_in": lifetime, "access_token": token }),
            )
        }
        Err(why) => wrong(why),
    }
}

/// A token as wished for.
pub(crate) fn signed(state: &mut State, wish: Mint) -> Result<String, String> {
    let directory = &state.directory;
    let user = match wish.user {
        None => None,
        Some(key) => Some(
            directory
                .user(&key)
                .cloned()
                .ok_or_else(|| format!("there is no user {key}"))?,
        ),
    };
    let app = wish.app.unwrap_or_else(|| state.client.id.clone());
    let own = service_principals::of(directory, &app).map_or(&state.client.object, |found| &found.id);
    let object = user.as_ref().map_or(own, |user| &user.id).clone();
    let resource = wish.audience.unwrap_or_else(|| GRAPH.to_owned());
    let (audience, first_version) = sign_in::audience(directory, &resource);
    let roles = match (wish.roles, sign_in::registered(directory, &resource), &user) {
        (Some(roles), ..) => roles,
        (None, Some(api), Some(_)) => app_roles::held(directory, &object, api),
        (None, Some(api), None) => app_roles::values(directory, &object, api),
        (None, None, _) => state.client.roles.clone(),
    };
    let scopes = wish.scopes.map_or_else(
        || {
            if audience == GRAPH {
                "User.Read"
            } else {
                "access_as_user"
            }
            .to_owned()
        },
        |scopes| scopes.join(" "),
    );
    let subject = Subject {
        tenant: &directory.tenant.id,
        app: &app,
        object: &object,
        user: user.as_ref(),
        audience: &audience,
        first_version,
        scopes: &scopes,
        roles,
    };
    let now = state.clock.now();
    let claims = state.tokens.claims(&subject, &state.authority, now);
    if let Some(user) = &user {
        audit::signed_in(&mut state.directory, &user.id, &app, &audience, now);
    }
    state
        .keys
        .sign(&claims)
        .ok_or_else(|| "the token cannot be signed".to_owned())
}
