//! The identity platform's routes: discovery, keys, tokens.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State as FromState};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse as _, Response};

use super::reply::json_answer;
use crate::oauth;
use crate::state::Shared;

type App = Arc<Shared>;

pub(super) async fn configuration(FromState(app): FromState<App>, Path(tenant): Path<String>) -> Response {
    let state = app.lock();
    match oauth::check_tenant(&state, &tenant) {
        Ok(()) => json_answer(
            200,
            &oauth::configuration(&state.authority, &state.directory.tenant.id),
        ),
        Err(refusal) => json_answer(refusal.status, &refusal.body(&state.authority, state.clock.now())),
    }
}

pub(super) async fn jwks(FromState(app): FromState<App>, Path(tenant): Path<String>) -> Response {
    let state = app.lock();
    match oauth::check_tenant(&state, &tenant) {
        Ok(()) => {
            let issuer = format!("{}/{}/v2.0", state.authority, state.directory.tenant.id);
            json_answer(200, &state.keys.jwks(&issuer))
        }
        Err(refusal) => json_answer(refusal.status, &refusal.body(&state.authority, state.clock.now())),
    }
}

pub(super) async fn token(
    FromState(app): FromState<App>,
    Path(tenant): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let authorization = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let cross_origin = headers.contains_key(header::ORIGIN);
    let mut state = app.lock();
    let result = oauth::token(&mut state, &tenant, authorization, cross_origin, &body);
    let mut answer = match result {
        Ok(reply) => json_answer(200, &reply),
        Err(refusal) => json_answer(refusal.status, &refusal.body(&state.authority, state.clock.now())),
    };
    answer.headers_mut().insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("no-store, no-cache"),
    );
    allow_any_origin(&mut answer);
    answer
}

/// A page elsewhere asks whether it may redeem its code here.
pub(super) async fn preflight() -> Response {
    let mut answer = axum::http::StatusCode::OK.into_response();
    allow_any_origin(&mut answer);
    for (name, value) in [
        (header::ACCESS_CONTROL_ALLOW_METHODS, "POST, OPTIONS"),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "*"),
    ] {
        answer.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    answer
}

fn allow_any_origin(answer: &mut Response) {
    let any = HeaderValue::from_static("*");
    answer
        .headers_mut()
        .insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, any);
}
