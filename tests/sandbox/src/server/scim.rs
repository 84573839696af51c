//! The SCIM application's routes: its bearer token, the way from HTTP to a [`ScimCall`] and back.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Extension, State as FromState};
use axum::http::{HeaderMap, HeaderValue, Method, Uri, header};
use axum::response::{IntoResponse, Response};
use serde_json::Value;

use super::observe::Lag;
use super::reply::{host, status};
use crate::scim::{self, ScimAnswer, ScimCall, ScimFail};
use crate::state::Shared;

/// Whether a path belongs to the SCIM application.
pub(crate) fn is_scim(path: &str) -> bool {
    path == "/scim/v2" || path.starts_with("/scim/v2/")
}

pub(super) async fn scim_request(
    FromState(app): FromState<Arc<Shared>>,
    Extension(lag): Extension<Lag>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let text = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let mut state = app.lock();
    let state = &mut *state;
    let token = text(header::AUTHORIZATION).and_then(|value| value.strip_prefix("Bearer "));
    if token != Some(state.scim_token.as_str()) {
        let mut out = refusal(&ScimFail::new(401, "The bearer token is missing or wrong."));
        let challenge = HeaderValue::from_static("Bearer realm=\"scim\"");
        out.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        return out;
    }
    let mut call = ScimCall::new(method.as_str(), uri.path(), uri.query().unwrap_or_default());
    call.root = format!("{}/scim/v2", host(&headers, &state.authority));
    call.now = state.clock.now();
    call.seen_until = lag.before(call.now);
    call.if_match = text(header::IF_MATCH).map(str::to_owned);
    // What is no JSON is no object either, and refused where one is needed.
    call.body = serde_json::from_slice::<Value>(&body).ok();
    match scim::answer(&mut state.scim, &call) {
        Ok(answer) => answered(answer),
        Err(fail) => refusal(&fail),
    }
}

fn answered(answer: ScimAnswer) -> Response {
    let Some(body) = answer.body else {
        return status(answer.status).into_response();
    };
    let mut out = json(answer.status, &body);
    for (header, pointer) in [
        (header::LOCATION, "/meta/location"),
        (header::ETAG, "/meta/version"),
    ] {
        let value = body.pointer(pointer).and_then(Value::as_str);
        if let Some(value) = value.and_then(|value| HeaderValue::from_str(value).ok()) {
            out.headers_mut().insert(header, value);
        }
    }
    out
}

fn json(code: u16, body: &Value) -> Response {
    let kind = [(header::CONTENT_TYPE, "application/scim+json;charset=utf-8")];
    (status(code), kind, body.to_string()).into_response()
}

/// A refusal in SCIM's form.
pub(super) fn refusal(fail: &ScimFail) -> Response {
    json(fail.status, &fail.body())
}
