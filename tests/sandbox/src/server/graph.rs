//! Microsoft Graph's routes: authorization, the way from HTTP to a [`Call`] and back.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Request, State as FromState};
use axum::http::{HeaderMap, HeaderValue, Method, Uri, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde_json::Value;

use super::batch;
use super::bearer;
use super::observe::{Envelope, Lag};
use super::reply::{client_request_id, host, json_answer, stamp, status};
use crate::call::{Answer, Call, segments};
use crate::clock::graph_time;
use crate::errors::Fail;
use crate::graph;
use crate::odata::Options;
use crate::schema::Kind;
use crate::state::{Shared, State};
use crate::throttling::{Standing, resource_units, writes};
use crate::tokens::GRAPH;

type App = Arc<Shared>;

pub(super) async fn graph_request(FromState(app): FromState<App>, request: Request) -> Response {
    let parts: Vec<String> = segments(request.uri().path());
    let [version, path] = parts.as_slice() else {
        return graph_answered(&app, request).await;
    };
    if path != "$batch" {
        return graph_answered(&app, request).await;
    }
    let Some(envelope) = request.extensions().get::<Envelope>().cloned() else {
        return graph_answered(&app, request).await;
    };
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default();
    let request_id = envelope.request_id.as_str();
    let client_id = client_request_id(&head.headers, request_id);
    let outcome = match authorized(&app, &head.headers) {
        Err(fail) => Err(fail),
        Ok(_) if head.method != Method::POST => Err(Fail::method()),
        Ok(_) => batch::answer(&app, &envelope, version, &head.headers, &body).await,
    };
    let state = app.lock();
    let now = state.clock.now();
    let mut answer = outcome
        .unwrap_or_else(|fail| refusal(&fail, &state.authority, &graph_time(now), request_id, &client_id));
    stamp(&mut answer, request_id, &client_id, now);
    answer
}

/// Answers one request, a batch's item or a request of its own.
pub(super) async fn graph_answered(app: &App, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default();
    let lag = head.extensions.get::<Lag>().copied().unwrap_or_default();
    let request_id = head
        .extensions
        .get::<Envelope>()
        .map_or_else(String::new, |envelope| envelope.request_id.clone());
    let client_id = client_request_id(&head.headers, &request_id);
    let authorized = authorized(app, &head.headers);
    let app_id = authorized.as_ref().map_or_else(|_| String::new(), Clone::clone);
    let mut state = app.lock();
    let state = &mut *state;
    let now = state.clock.now();
    let host = host(&head.headers, &state.authority);
    let standing = match &authorized {
        Ok(app) => charged(state, app, &head.method, &head.uri, now),
        Err(_) => None,
    };
    let over = standing.as_ref().and_then(|standing| standing.refused.as_ref());
    let outcome = authorized.and_then(|_| {
        if over.is_some() {
            return Err(Fail::new(429, "TooManyRequests", "Too Many Requests"));
        }
        call(
            &head.method,
            &head.uri,
            &head.headers,
            &body,
            &host,
            now,
            lag.before(now),
        )
        .and_then(|call| graph::answer(&mut state.directory, &call))
    });
    let mut answer = match outcome {
        Ok(answer) => graph_answer(answer),
        Err(fail) => refusal(&fail, &state.authority, &graph_time(now), &request_id, &client_id),
    };
    stamp(&mut answer, &request_id, &client_id, now);
    price(&mut answer, &head.method, &head.uri);
    if let Some(standing) = standing {
        limits(&mut answer, &standing, &app_id, &state.directory.tenant.id);
    }
    answer
}

/// What the limits say, where they are on.
fn charged(state: &mut State, app: &str, method: &Method, uri: &Uri, now: Timestamp) -> Option<Standing> {
    if !state.throttling.on {
        return None;
    }
    let parts = segments(uri.path());
    let path: Vec<&str> = parts.iter().skip(1).map(String::as_str).collect();
    let units = resource_units(method.as_str(), &path, uri.query().unwrap_or_default());
    let users = state.directory.all(Kind::User).take(501).count();
    let write = writes(method.as_str(), &path);
    Some(state.throttling.charge(app, units, write, users, now))
}

/// "Microsoft Graph throttling guidance": the headers of a request that is near a limit or above it.
fn limits(answer: &mut Response, standing: &Standing, app: &str, tenant: &str) {
    let mut put = |name: &'static str, value: String| {
        if let Ok(value) = HeaderValue::from_str(&value) {
            answer.headers_mut().insert(name, value);
        }
    };
    if standing.share > 0.8 {
        put("x-ms-throttle-limit-percentage", format!("{:.2}", standing.share));
    }
    if let Some(refused) = &standing.refused {
        put("retry-after", refused.seconds.to_string());
        put(
            "x-ms-throttle-scope",
            format!("Tenant_Application/{}/{app}/{tenant}", refused.scope),
        );
        put("x-ms-throttle-information", refused.reason.to_owned());
    }
}

/// The application that the token is for.
fn authorized(app: &App, headers: &HeaderMap) -> Result<String, Fail> {
    let claims = bearer::claims(app, headers);
    let state = app.lock();
    let now = state.clock.now();
    claims
        .and_then(|claims| {
            state
                .tokens
                .check(&claims, &[GRAPH], &state.directory.tenant.id, now)?;
            let app = claims.get("appid").and_then(Value::as_str);
            Ok(app.unwrap_or_default().to_owned())
        })
        .map_err(|flaw| Fail::new(401, "InvalidAuthenticationToken", flaw.message()))
}

fn refusal(fail: &Fail, authority: &str, date: &str, request_id: &str, client_id: &str) -> Response {
    let mut answer = json_answer(fail.status, &fail.body(date, request_id, client_id));
    if let Some(value) = fail
        .location
        .as_deref()
        .and_then(|location| HeaderValue::from_str(location).ok())
    {
        answer.headers_mut().insert(header::LOCATION, value);
    }
    if fail.status == 401 {
        let challenge = format!(
            "Bearer realm=\"\", authorization_uri=\"{authority}/common/oauth2/authorize\", \
             client_id=\"00000003-0000-0000-c000-000000000000\""
        );
        if let Ok(value) = HeaderValue::from_str(&challenge) {
            answer.headers_mut().insert(header::WWW_AUTHENTICATE, value);
        }
    }
    answer
}

/// Says what the request cost, a refused one too.
pub(super) fn price(answer: &mut Response, method: &Method, uri: &Uri) {
    let parts = segments(uri.path());
    let path: Vec<&str> = parts.iter().skip(1).map(String::as_str).collect();
    let units = resource_units(method.as_str(), &path, uri.query().unwrap_or_default());
    answer
        .headers_mut()
        .insert("x-ms-resource-unit", HeaderValue::from(units));
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
    let mut options = Options::read(uri.query().unwrap_or_default(), eventual)?;
    options.minimal = headers.get_all("prefer").iter().any(|value| {
        value
            .to_str()
            .is_ok_and(|value| value.to_ascii_lowercase().contains("return=minimal"))
    });
    Ok(Call {
        method: method.to_string(),
        segments: parts,
        options,
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
