//! Microsoft Graph's routes: authorization, the way from HTTP to a [`Call`] and back.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Extension, State as FromState};
use axum::http::{HeaderMap, HeaderValue, Method, Uri, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde_json::Value;

use super::bearer;
use super::observe::{Lag, RequestId};
use super::reply::{client_request_id, host, json_answer, stamp, status};
use crate::call::{Answer, Call, segments};
use crate::clock::graph_time;
use crate::errors::Fail;
use crate::graph;
use crate::odata::Options;
use crate::state::Shared;
use crate::tokens::GRAPH;

type App = Arc<Shared>;

pub(super) async fn graph_request(
    FromState(app): FromState<App>,
    Extension(lag): Extension<Lag>,
    Extension(RequestId(request_id)): Extension<RequestId>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let client_id = client_request_id(&headers, &request_id);
    let claims = bearer::claims(&app, &headers);
    let mut state = app.lock();
    let state = &mut *state;
    let now = state.clock.now();
    let authorized = claims.and_then(|claims| {
        state
            .tokens
            .check(&claims, &[GRAPH], &state.directory.tenant.id, now)
    });
    let host = host(&headers, &state.authority);
    let outcome = authorized
        .map_err(|flaw| Fail::new(401, "InvalidAuthenticationToken", flaw.message()))
        .and_then(|()| {
            call(&method, &uri, &headers, &body, &host, now, lag.before(now))
                .and_then(|call| graph::answer(&mut state.directory, &call))
        });
    let mut answer = match outcome {
        Ok(answer) => graph_answer(answer),
        Err(fail) => {
            let mut answer = json_answer(fail.status, &fail.body(&graph_time(now), &request_id, &client_id));
            if fail.status == 401 {
                let challenge = format!(
                    "Bearer realm=\"\", authorization_uri=\"{}/common/oauth2/authorize\", \
                     client_id=\"00000003-0000-0000-c000-000000000000\"",
                    state.authority
                );
                if let Ok(value) = HeaderValue::from_str(&challenge) {
                    answer.headers_mut().insert(header::WWW_AUTHENTICATE, value);
                }
            }
            answer
        }
    };
    stamp(&mut answer, &request_id, &client_id, now);
    answer
}

fn call(
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    body: &Bytes,
    host: &str,
    now: Timestamp,
    seen_until: Option<Timestamp>,
) -> Result<Call, Fail> {
    let mut parts = segments(uri.path());
    let version = if parts.is_empty() {
        String::new()
    } else {
        parts.remove(0)
    };
    let level = headers
        .get("consistencylevel")
        .and_then(|value| value.to_str().ok());
    let eventual = level.is_some_and(|level| level.eq_ignore_ascii_case("eventual"));
    let body = if body.is_empty() {
        None
    } else {
        let kind = headers
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        let parsed = serde_json::from_slice::<Value>(body)
            .ok()
            .filter(|_| kind.contains("json"));
        Some(parsed.ok_or_else(|| {
            Fail::syntax(
                "Unable to read JSON request payload. Please ensure Content-Type header is set and payload is of valid \
                 JSON format.",
            )
        })?)
    };
    Ok(Call {
        method: method.to_string(),
        segments: parts,
        options: Options::read(uri.query().unwrap_or_default(), eventual)?,
        body,
        root: format!("{host}/{version}"),
        now,
        seen_until,
    })
}

fn graph_answer(answer: Answer) -> Response {
    let mut out = match (answer.body, answer.text) {
        (Some(body), _) => json_answer(answer.status, &body),
        (None, Some(text)) => (status(200), [(header::CONTENT_TYPE, "text/plain")], text).into_response(),
        (None, None) => status(answer.status).into_response(),
    };
    if let Some(value) = answer
        .location
        .and_then(|location| HeaderValue::from_str(&location).ok())
    {
        out.headers_mut().insert(header::LOCATION, value);
    }
    out.headers_mut()
        .insert("odata-version", HeaderValue::from_static("4.0"));
    out
}
