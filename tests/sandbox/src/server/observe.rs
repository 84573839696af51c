//! Every request on its way in and out: counted, logged, and met by faults.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State as FromState};
use axum::http::{HeaderValue, Uri, header};
use axum::middleware::Next;
use axum::response::Response;
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::arm;
use super::graph::{price, units};
use super::reply::{client_request_id, json_answer, stamp};
use super::scim;
use crate::call::segments;
use crate::clock::graph_time;
use crate::errors::Fail;
use crate::faults::{Effect, Met, RetryAfter};
use crate::oauth::Refusal;
use crate::recording;
use crate::request_log::LogEntry;
use crate::scim::ScimFail;
use crate::state::Shared;

type App = Arc<Shared>;

/// Marks an answer that must not arrive.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cut;

/// How far a request's view lags behind.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Lag(Option<u64>);

impl Lag {
    /// Objects created after that instant are not there yet.
    pub(super) fn before(self, now: Timestamp) -> Option<Timestamp> {
        self.0.map(|millis| {
            let behind = SignedDuration::from_millis(i64::try_from(millis).unwrap_or(i64::MAX));
            now.checked_sub(behind).unwrap_or(now)
        })
    }
}

/// A request by its place in the log, and the value of the answer's `request-id` header.
#[derive(Debug, Clone, Default)]
pub(super) struct Arrival {
    pub(super) seq: u64,
    pub(super) request_id: String,
}

/// Counts, logs, and lets faults happen.
pub(super) async fn observe(FromState(app): FromState<App>, request: Request, next: Next) -> Response {
    if request.uri().path().starts_with("/_sandbox/") {
        return next.run(request).await;
    }
    let Some(recording) = &app.recording else {
        return met(&app, request, None, async |request| next.run(request).await).await;
    };
    let (asked, request) = recording::read_request(request).await;
    let answer = met(&app, request, None, async |request| next.run(request).await).await;
    let cut = answer.extensions().get::<Cut>().is_some();
    let (answered, answer) = recording::read_answer(answer, cut).await;
    recording.write(&asked, &answered);
    answer
}

/// Lets a request through, or what befalls it.
pub(super) async fn met(
    app: &App,
    mut request: Request,
    batch: Option<&Arrival>,
    next: impl AsyncFnOnce(Request) -> Response,
) -> Response {
    let (method, uri) = (request.method().to_string(), request.uri().clone());
    let request_id = Uuid::new_v4().to_string();
    let (met, place, now) = arrived(app, &method, &uri, &request_id, batch);
    request.extensions_mut().insert(Lag(met.lag_millis));
    request.extensions_mut().insert(Arrival {
        seq: place,
        request_id: request_id.clone(),
    });
    let answer = match met.effect {
        Some(Effect::Throttle { retry_after }) => {
            refused(app, request, &request_id, 429, retry_after, now).await
        }
        Some(Effect::Status { status, retry_after }) => {
            refused(app, request, &request_id, status, retry_after, now).await
        }
        Some(Effect::CutBefore) => cut(),
        Some(Effect::CutAfter) => {
            next(request).await;
            cut()
        }
        Some(Effect::Slow { millis }) => {
            wait(Duration::from_millis(millis)).await;
            next(request).await
        }
        Some(Effect::RevokeTokens) => {
            app.lock().tokens.revoke();
            next(request).await
        }
        Some(Effect::Lag { .. }) | None => next(request).await,
    };
    let status = if answer.extensions().get::<Cut>().is_some() {
        0
    } else {
        answer.status().as_u16()
    };
    app.lock().log.answered(place, &request_id, status);
    answer
}

fn arrived(
    app: &App,
    method: &str,
    uri: &Uri,
    request_id: &str,
    batch: Option<&Arrival>,
) -> (Met, u64, Timestamp) {
    let mut state = app.lock();
    let state = &mut *state;
    let path: String = segments(uri.path()).iter().flat_map(|part| ["/", part]).collect();
    let met = state.faults.meet(method, &path, &mut state.chance);
    state.requests += u64::from(batch.is_none());
    let seq = batch.map_or(state.requests, |batch| batch.seq);
    let now = state.clock.now();
    let fault = met.effect.as_ref().map(name_of).or(met.lag_millis.map(|_| "lag"));
    state.log.push(LogEntry {
        seq,
        at: now,
        method: method.to_owned(),
        path: uri.path().to_owned(),
        query: recording::redacted_form(uri.query().unwrap_or_default()),
        status: 0,
        request_id: request_id.to_owned(),
        fault: fault.map(str::to_owned),
        batch: batch.map(|batch| batch.request_id.clone()),
    });
    (met, seq, now)
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

pub(super) fn cut() -> Response {
    let mut answer = Response::new(Body::empty());
    answer.extensions_mut().insert(Cut);
    answer
}

#[allow(clippy::disallowed_methods)] // a slow answer takes the machine's time, whatever the sandbox's clock says
async fn wait(time: Duration) {
    tokio::time::sleep(time).await;
}

/// The answer of a service that throttles or fails, in the words of the part that was asked.
async fn refused(
    app: &App,
    request: Request,
    request_id: &str,
    status: u16,
    after: RetryAfter,
    now: Timestamp,
) -> Response {
    let (parts, body) = request.into_parts();
    // An unread body would close the connection under the next request.
    let _ = axum::body::to_bytes(body, usize::MAX).await;
    let path = parts.uri.path();
    let mut answer = if path.starts_with("/v1.0/") || path.starts_with("/beta/") {
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
        let client_id = client_request_id(&parts.headers, request_id);
        let body = Fail::new(status, code, message).body(&graph_time(now), request_id, &client_id);
        let mut answer = json_answer(status, &body);
        stamp(&mut answer, request_id, &client_id, now);
        price(&mut answer, units(&parts.method, &parts.uri, &segments(path)));
        answer
    } else if arm::is_arm(path) {
        arm::unavailable(status, &parts.method, &parts.headers, request_id, now)
    } else if scim::is_scim(path) {
        scim::refusal(&ScimFail::unavailable(status))
    } else {
        json_answer(
            status,
            &Refusal::unavailable(status).body(&app.lock().authority, now),
        )
    };
    if let Some(value) = after
        .header(now)
        .and_then(|text| HeaderValue::from_str(&text).ok())
    {
        answer.headers_mut().insert(header::RETRY_AFTER, value);
    }
    answer
}
