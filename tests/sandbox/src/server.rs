//! The door: connections, faults, the request log, and the way from HTTP to the resources and back.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Extension, Path, Request, State as FromState};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use hyper::service::Service as _;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::call::{Answer, Call, segments};
use crate::clock::graph_time;
use crate::errors::Fail;
use crate::faults::{Effect, Met, RetryAfter};
use crate::oauth::{self, Refusal};
use crate::odata::Options;
use crate::state::{LogEntry, Shared};
use crate::{control, graph};

type App = Arc<Shared>;

const JSON: &str =
    "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8";

/// Marks an answer that must not arrive.
#[derive(Debug, Clone, Copy)]
struct Cut;

/// How far a request's view lags behind.
#[derive(Debug, Clone, Copy)]
struct Lag(Option<u64>);

/// Accepts connections until it is dropped; its connections end with it.
pub(crate) async fn serve(listener: TcpListener, shared: App) {
    let router = router(shared);
    let mut connections = JoinSet::new();
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            connections.spawn(connection(stream, router.clone()));
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn connection(stream: TcpStream, router: Router) {
    // Small answers must not wait for more.
    let _ = stream.set_nodelay(true);
    let inner = TowerToHyperService::new(router);
    let service = hyper::service::service_fn(move |request: Request<hyper::body::Incoming>| {
        let inner = inner.clone();
        async move {
            let Ok(answer) = inner.call(request).await;
            if answer.extensions().get::<Cut>().is_some() {
                // An error here closes the connection without a byte of an answer.
                return Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset));
            }
            Ok(answer)
        }
    });
    let _ = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

fn router(shared: App) -> Router {
    Router::new()
        .route(
            "/{tenant}/v2.0/.well-known/openid-configuration",
            get(configuration),
        )
        .route("/{tenant}/discovery/v2.0/keys", get(jwks))
        .route("/{tenant}/oauth2/v2.0/token", post(token))
        .route("/v1.0/{*path}", any(graph_request))
        .route("/beta/{*path}", any(graph_request))
        .merge(control::routes())
        .layer(from_fn_with_state(Arc::clone(&shared), observe))
        .with_state(shared)
}

/// Counts, logs, and lets faults happen.
async fn observe(FromState(app): FromState<App>, mut request: Request, next: Next) -> Response {
    let (method, uri) = (request.method().to_string(), request.uri().clone());
    if uri.path().starts_with("/_sandbox/") {
        return next.run(request).await;
    }
    let request_id = Uuid::new_v4().to_string();
    let (met, place, now) = arrived(&app, &method, &uri, &request_id);
    request.extensions_mut().insert(Lag(met.lag_millis));
    request.extensions_mut().insert(RequestId(request_id.clone()));
    let early = |status: u16, after: RetryAfter| {
        let headers = request.headers();
        let mut answer = fault_answer(
            uri.path(),
            headers,
            &request_id,
            status,
            now,
            &app.lock().authority,
        );
        if let Some(value) = after
            .header(now)
            .and_then(|text| HeaderValue::from_str(&text).ok())
        {
            answer.headers_mut().insert(header::RETRY_AFTER, value);
        }
        answer
    };
    let answer = match met.effect {
        Some(Effect::Throttle { retry_after }) => early(429, retry_after),
        Some(Effect::Status { status, retry_after }) => early(status, retry_after),
        Some(Effect::CutBefore) => cut(),
        Some(Effect::CutAfter) => {
            next.run(request).await;
            cut()
        }
        Some(Effect::Slow { millis }) => {
            wait(Duration::from_millis(millis)).await;
            next.run(request).await
        }
        Some(Effect::RevokeTokens) => {
            app.lock().tokens.revoke();
            next.run(request).await
        }
        Some(Effect::Lag { .. }) | None => next.run(request).await,
    };
    let status = if answer.extensions().get::<Cut>().is_some() {
        0
    } else {
        answer.status().as_u16()
    };
    // The log may have been cleared or reset meanwhile.
    if let Some(entry) = app
        .lock()
        .log
        .iter_mut()
        .rev()
        .find(|entry| entry.seq == place && entry.request_id == request_id)
    {
        entry.status = status;
    }
    answer
}

/// The value of the answer's `request-id` header.
#[derive(Debug, Clone)]
struct RequestId(String);

fn arrived(app: &App, method: &str, uri: &Uri, request_id: &str) -> (Met, u64, Timestamp) {
    let mut state = app.lock();
    let state = &mut *state;
    let path: String = segments(uri.path()).iter().flat_map(|part| ["/", part]).collect();
    let met = state.faults.meet(method, &path, &mut state.chance);
    state.requests += 1;
    let now = state.clock.now();
    let fault = met.effect.as_ref().map(name_of).or(met.lag_millis.map(|_| "lag"));
    state.log.push(LogEntry {
        seq: state.requests,
        at: now,
        method: method.to_owned(),
        path: uri.path().to_owned(),
        query: redacted(uri.query().unwrap_or_default()),
        status: 0,
        request_id: request_id.to_owned(),
        fault: fault.map(str::to_owned),
    });
    (met, state.requests, now)
}

fn name_of(effect: &Effect) -> &'static str {
    match effect {
        Effect::Throttle { .. } => "throttle",
        Effect::Status { .. } => "status",
        Effect::CutBefore => "cut_before",
        Effect::CutAfter => "cut_after",
        Effect::Slow { .. } => "slow",
        Effect::Lag { .. } => "lag",
        Effect::RevokeTokens => "revoke_tokens",
    }
}

fn redacted(query: &str) -> String {
    let secret = [
        "client_secret",
        "code",
        "password",
        "access_token",
        "refresh_token",
        "sig",
    ];
    let part = |part: &str| match part.split_once('=') {
        Some((name, _)) if secret.contains(&name.to_ascii_lowercase().as_str()) => format!("{name}=REDACTED"),
        _ => part.to_owned(),
    };
    query.split('&').map(part).collect::<Vec<_>>().join("&")
}

fn cut() -> Response {
    let mut answer = Response::new(Body::empty());
    answer.extensions_mut().insert(Cut);
    answer
}

#[allow(clippy::disallowed_methods)] // a slow answer takes the machine's time, whatever the sandbox's clock says
async fn wait(time: Duration) {
    tokio::time::sleep(time).await;
}

/// The answer of a service that throttles or fails, in the words of the part that was asked.
fn fault_answer(
    path: &str,
    headers: &HeaderMap,
    request_id: &str,
    status: u16,
    now: Timestamp,
    authority: &str,
) -> Response {
    if !path.starts_with("/v1.0/") && !path.starts_with("/beta/") {
        return json_answer(status, &Refusal::unavailable(status).body(authority, now));
    }
    let (code, message) = match status {
        429 => ("TooManyRequests", "Too Many Requests"),
        409 => (
            "Directory_ConcurrencyViolation",
            "The object was changed by another request. Try again.",
        ),
        503 => ("serviceNotAvailable", "The service is temporarily unavailable."),
        504 => ("UnknownError", "The gateway did not answer in time."),
        _ => ("InternalServerError", "An internal server error occurred."),
    };
    let client_id = client_request_id(headers, request_id);
    let body = Fail::new(status, code, message).body(&graph_time(now), request_id, &client_id);
    let mut answer = json_answer(status, &body);
    stamp(&mut answer, request_id, &client_id, now);
    answer
}

async fn configuration(FromState(app): FromState<App>, Path(tenant): Path<String>) -> Response {
    let state = app.lock();
    match oauth::check_tenant(&state, &tenant) {
        Ok(()) => json_answer(
            200,
            &oauth::configuration(&state.authority, &state.directory.tenant.id),
        ),
        Err(refusal) => json_answer(refusal.status, &refusal.body(&state.authority, state.clock.now())),
    }
}

async fn jwks(FromState(app): FromState<App>, Path(tenant): Path<String>) -> Response {
    let state = app.lock();
    match oauth::check_tenant(&state, &tenant) {
        Ok(()) => {
            let issuer = format!("{}/{}/v2.0", state.authority, state.directory.tenant.id);
            json_answer(200, &state.keys.jwks(&issuer))
        }
        Err(refusal) => json_answer(refusal.status, &refusal.body(&state.authority, state.clock.now())),
    }
}

async fn token(
    FromState(app): FromState<App>,
    Path(tenant): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let authorization = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let mut state = app.lock();
    let result = oauth::token(&mut state, &tenant, authorization, &body);
    let mut answer = match result {
        Ok(reply) => json_answer(200, &reply),
        Err(refusal) => json_answer(refusal.status, &refusal.body(&state.authority, state.clock.now())),
    };
    answer.headers_mut().insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("no-store, no-cache"),
    );
    answer
}

async fn graph_request(
    FromState(app): FromState<App>,
    Extension(lag): Extension<Lag>,
    Extension(RequestId(request_id)): Extension<RequestId>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let client_id = client_request_id(&headers, &request_id);
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let bearer = text(header::AUTHORIZATION).and_then(|value| value.strip_prefix("Bearer "));
    let keys = app.lock().keys;
    // The signature is checked outside the lock.
    let claims = bearer.map(|token| keys.verify(token));
    let mut state = app.lock();
    let now = state.clock.now();
    let authorized = match &claims {
        None => Err("Access token is empty."),
        Some(None) => Err("Access token validation failure. Invalid signature."),
        Some(Some(claims)) => state.tokens.check(claims, &state.directory.tenant.id, now),
    };
    let host = text(header::HOST).map_or_else(|| state.authority.clone(), |host| format!("http://{host}"));
    let outcome = match authorized {
        Err(message) => Err(Fail::new(401, "InvalidAuthenticationToken", message)),
        Ok(()) => {
            let seen_until = lag.0.map(|millis| {
                let behind = SignedDuration::from_millis(i64::try_from(millis).unwrap_or(i64::MAX));
                now.checked_sub(behind).unwrap_or(now)
            });
            call(&method, &uri, &headers, &body, host, now, seen_until)
                .and_then(|call| graph::answer(&mut state.directory, &call))
        }
    };
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
    host: String,
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
        (None, Some(text)) => (StatusCode::OK, [(header::CONTENT_TYPE, "text/plain")], text).into_response(),
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

fn status(code: u16) -> StatusCode {
    StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// A JSON answer.
pub(crate) fn json_answer(code: u16, body: &Value) -> Response {
    (status(code), [(header::CONTENT_TYPE, JSON)], body.to_string()).into_response()
}

fn client_request_id(headers: &HeaderMap, request_id: &str) -> String {
    let sent = headers
        .get("client-request-id")
        .and_then(|value| value.to_str().ok());
    sent.unwrap_or(request_id).to_owned()
}

/// The headers that every Graph answer has.
fn stamp(answer: &mut Response, request_id: &str, client_id: &str, now: Timestamp) {
    let date = RetryAfter::Date(0).header(now).unwrap_or_default();
    let diagnostic = r#"{"ServerInfo":{"DataCenter":"Loopback","Slice":"E","Ring":"0","ScaleUnit":"000","RoleInstance":"SANDBOX"}}"#;
    for (name, value) in [
        ("request-id", request_id),
        ("client-request-id", client_id),
        ("date", date.as_str()),
        ("x-ms-ags-diagnostic", diagnostic),
    ] {
        if let Ok(value) = HeaderValue::from_str(value) {
            answer.headers_mut().insert(name, value);
        }
    }
}
