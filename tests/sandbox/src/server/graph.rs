//! Microsoft Graph's routes: authorization, the way from HTTP to a [`Call`] and back.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Request, State as FromState};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, Uri, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde_json::Value;

use super::batch;
use super::bearer;
use super::delivery;
use super::observe::{Arrival, Lag};
use super::reply::{client_request_id, host, json_answer, stamp, status};
use crate::call::{Answer, Call, Caller, segments};
use crate::clock::graph_time;
use crate::errors::Fail;
use crate::graph;
use crate::odata::Options;
use crate::permissions;
use crate::schema::Kind;
use crate::state::{Shared, State};
use crate::throttling::{Standing, resource_units};
use crate::tokens::{Flaw, GRAPH};

type App = Arc<Shared>;

pub(super) async fn graph_request(FromState(app): FromState<App>, request: Request) -> Response {
    let path = request.uri().path();
    // Only what may be a batch is taken apart here: every other request is, further on.
    match path.contains("batch").then(|| segments(path)).as_deref() {
        Some([version, last]) if last == "$batch" => batched(&app, version, request).await,
        _ => graph_answered(&app, request).await,
    }
}

async fn batched(app: &App, version: &str, request: Request) -> Response {
    let (head, body) = taken(request).await;
    let arrival = arrival(&head);
    let client_id = client_request_id(&head.headers, &arrival.request_id);
    let claims = bearer::claims(app, &head.headers);
    let authorized = authorized(&app.lock(), claims);
    let outcome = match authorized {
        Err(fail) => Err(fail),
        Ok(_) if head.method != Method::POST => Err(Fail::method()),
        Ok(_) => batch::answer(app, &arrival, version, &head.headers, &body).await,
    };
    let state = app.lock();
    let now = state.clock.now();
    let refused = |fail| refusal(&fail, &state.authority, now, &arrival.request_id, &client_id);
    let mut answer = outcome.unwrap_or_else(refused);
    stamp(&mut answer, &arrival.request_id, &client_id, now);
    answer
}

/// Answers one request, a batch's item or a request of its own.
pub(super) async fn graph_answered(app: &App, request: Request) -> Response {
    let (head, body) = taken(request).await;
    let lag = head.extensions.get::<Lag>().copied().unwrap_or_default();
    let Arrival { request_id, .. } = arrival(&head);
    let client_id = client_request_id(&head.headers, &request_id);
    let (mut answer, waiting) = worked_off(app, &head, &body, lag, &request_id, &client_id);
    if let Some(subscription) = waiting
        && let Err(fail) = delivery::handshake(app, &subscription).await
    {
        let (authority, now) = {
            let state = app.lock();
            (state.authority.clone(), state.clock.now())
        };
        let mut refused = refusal(&fail, &authority, now, &request_id, &client_id);
        stamp(&mut refused, &request_id, &client_id, now);
        price(
            &mut refused,
            units(&head.method, &head.uri, &segments(head.uri.path())),
        );
        answer = refused;
    }
    answer
}

/// Answers under the lock. Gives the id of a subscription whose URLs are still to be asked.
fn worked_off(
    app: &App,
    head: &Parts,
    body: &Bytes,
    lag: Lag,
    request_id: &str,
    client_id: &str,
) -> (Response, Option<String>) {
    let parts = segments(head.uri.path());
    let units = units(&head.method, &head.uri, &parts);
    let claims = bearer::claims(app, &head.headers);
    let mut state = app.lock();
    let state = &mut *state;
    let now = state.clock.now();
    let host = host(&head.headers, &state.authority);
    let caller = claims
        .as_ref()
        .map_or(Caller::Administrator, |claims| Caller::of(claims));
    let allowed = claims.as_ref().ok().cloned();
    let authorized = authorized(state, claims);
    let app_id = authorized.as_ref().ok().cloned().unwrap_or_default();
    let standing = (state.throttling.on && authorized.is_ok())
        .then(|| charged(state, &app_id, (head.method.as_str(), &parts), units, now));
    let over = standing
        .as_ref()
        .is_some_and(|standing| standing.refused.is_some());
    let outcome = authorized.and_then(|_| {
        if over {
            return Err(Fail::new(429, "TooManyRequests", "Too Many Requests"));
        }
        let mut call = call(head, parts, body, &host, now, lag.before(now))?;
        (call.caller, call.correlation) = (caller, client_id.to_owned());
        if let Some(claims) = &allowed {
            permissions::check(&state.directory, &call, claims)?;
        }
        graph::answer(&mut state.directory, &call)
    });
    let mut waiting = None;
    let mut answer = match outcome {
        Ok(mut answer) => {
            waiting = answer.handshake.take();
            graph_answer(answer)
        }
        Err(fail) => refusal(&fail, &state.authority, now, request_id, client_id),
    };
    stamp(&mut answer, request_id, client_id, now);
    price(&mut answer, units);
    if let Some(standing) = standing {
        limits(&mut answer, &standing, &app_id, &state.directory.tenant.id);
    }
    (answer, waiting)
}

async fn taken(request: Request) -> (Parts, Bytes) {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default();
    (head, body)
}

fn arrival(head: &Parts) -> Arrival {
    head.extensions.get::<Arrival>().cloned().unwrap_or_default()
}

/// What the limits say.
fn charged(state: &mut State, app: &str, what: (&str, &[String]), units: u32, now: Timestamp) -> Standing {
    let users = state.directory.all(Kind::User).take(501).count();
    state.throttling.charge(app, units, what, users, now)
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
fn authorized(state: &State, claims: Result<Arc<Value>, Flaw>) -> Result<String, Fail> {
    let checked = claims.and_then(|claims| {
        let tenant = &state.directory.tenant.id;
        state.tokens.check(&claims, &[GRAPH], tenant, state.clock.now())?;
        let app = claims.get("appid").and_then(Value::as_str);
        Ok(app.unwrap_or_default().to_owned())
    });
    checked.map_err(|flaw| Fail::new(401, "InvalidAuthenticationToken", flaw.message()))
}

fn refusal(fail: &Fail, authority: &str, now: Timestamp, request_id: &str, client_id: &str) -> Response {
    let mut answer = json_answer(fail.status, &fail.body(&graph_time(now), request_id, client_id));
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

/// What a request costs, by its decoded segments, the version first.
pub(super) fn units(method: &Method, uri: &Uri, parts: &[String]) -> u32 {
    let path: Vec<&str> = parts.iter().skip(1).map(String::as_str).collect();
    resource_units(method.as_str(), &path, uri.query().unwrap_or_default())
}

/// Says what the request cost, a refused one too.
pub(super) fn price(answer: &mut Response, units: u32) {
    answer
        .headers_mut()
        .insert("x-ms-resource-unit", HeaderValue::from(units));
}

fn call(
    head: &Parts,
    mut parts: Vec<String>,
    body: &Bytes,
    host: &str,
    now: Timestamp,
    seen_until: Option<Timestamp>,
) -> Result<Call, Fail> {
    let headers = &head.headers;
    let version = if parts.is_empty() {
        String::new()
    } else {
        parts.remove(0)
    };
    let level = headers
        .get("consistencylevel")
        .and_then(|value| value.to_str().ok());
    let eventual = level.is_some_and(|level| level.eq_ignore_ascii_case("eventual"));
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let body = if body.is_empty() {
        None
    } else {
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
    let mut options = Options::read(head.uri.query().unwrap_or_default(), eventual)?;
    options.minimal = headers.get_all("prefer").iter().any(|value| {
        value
            .to_str()
            .is_ok_and(|value| value.to_ascii_lowercase().contains("return=minimal"))
    });
    Ok(Call {
        method: head.method.to_string(),
        segments: parts,
        options,
        body,
        root: format!("{host}/{version}"),
        now,
        seen_until,
        caller: Caller::default(),
        content_type: kind.to_ascii_lowercase(),
        correlation: String::new(),
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
