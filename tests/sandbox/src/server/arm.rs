//! Azure Resource Manager's routes: authorization, headers, the way from HTTP to an [`ArmCall`] and back.

use axum::http::{HeaderMap, HeaderValue, Method, Uri, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde_json::Value;
use uuid::Uuid;

use super::bearer;
use super::observe::Lag;
use super::reply::{host, status};
use crate::arm::{self, ArmCall, ArmFail};
use crate::state::Shared;
use crate::tokens::{ARM, Flaw};

/// Whether a path belongs to Azure Resource Manager. Letter case does not count.
pub(crate) fn is_arm(path: &str) -> bool {
    let first = path.split('/').find(|part| !part.is_empty());
    first.is_some_and(|first| {
        ["subscriptions", "providers", "tenants"]
            .iter()
            .any(|known| first.eq_ignore_ascii_case(known))
    })
}

/// Answers a request.
pub(super) fn answer(
    app: &Shared,
    lag: Lag,
    request_id: &str,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    body: &[u8],
) -> Response {
    let claims = bearer::claims(app, headers);
    let mut state = app.lock();
    let state = &mut *state;
    let now = state.clock.now();
    let tenant = state.directory.tenant.id.clone();
    let authorized = claims.and_then(|claims| {
        state.tokens.check(&claims, &ARM, &tenant, now)?;
        Ok(claims)
    });
    let outcome = authorized.map_err(unauthorized).and_then(|claims| {
        let mut call = ArmCall::new(method.as_str(), uri.path(), uri.query().unwrap_or_default());
        if !body.is_empty() {
            let read = serde_json::from_slice::<Value>(body).map_err(|error| {
                ArmFail::content(format!(
                    "The request content was invalid and could not be deserialized: '{error}'."
                ))
            })?;
            call.body = Some(read);
        }
        call.root = host(headers, &state.authority);
        call.now = now;
        call.seen_until = lag.before(now);
        call.caller = claims
            .get("oid")
            .and_then(Value::as_str)
            .map(str::to_owned)
            .unwrap_or_default();
        arm::answer(&mut state.arm, &state.directory, &call)
    });
    let mut answer = match outcome {
        Ok(answer) => {
            let mut out = match &answer.body {
                Some(body) => json(answer.status, body),
                None => status(answer.status).into_response(),
            };
            if let Some(place) = answer
                .location
                .and_then(|place| HeaderValue::from_str(&place).ok())
            {
                out.headers_mut().insert(header::LOCATION, place);
                out.headers_mut()
                    .insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            out
        }
        Err(fail) => {
            let mut out = refusal(&fail);
            let challenge = format!(
                "Bearer authorization_uri=\"{}/{tenant}\", error=\"invalid_token\", error_description=\"{}\"",
                state.authority,
                fail.message.replace('"', "'")
            );
            if let Some(value) = HeaderValue::from_str(&challenge)
                .ok()
                .filter(|_| fail.status == 401)
            {
                out.headers_mut().insert(header::WWW_AUTHENTICATE, value);
            }
            out
        }
    };
    stamp(&mut answer, method, headers, request_id, now);
    answer
}

fn json(code: u16, body: &Value) -> Response {
    let kind = [(header::CONTENT_TYPE, "application/json; charset=utf-8")];
    (status(code), kind, body.to_string()).into_response()
}

fn refusal(fail: &ArmFail) -> Response {
    let mut out = json(fail.status, &fail.body());
    out.headers_mut()
        .insert("x-ms-failure-cause", HeaderValue::from_static("gateway"));
    out
}

/// The refusal of a token, in Azure Resource Manager's words.
fn unauthorized(flaw: Flaw) -> ArmFail {
    let (code, message) = match flaw {
        Flaw::Missing => (
            "AuthenticationFailed",
            "Authentication failed. The 'Authorization' header is missing.".to_owned(),
        ),
        Flaw::Expired => (
            "ExpiredAuthenticationToken",
            "The access token expiry UTC time is earlier than current UTC time.".to_owned(),
        ),
        Flaw::Audience => (
            "InvalidAuthenticationTokenAudience",
            format!(
                "The access token has been obtained for wrong audience or resource. It should exactly match with one \
                 of the allowed audiences '{}'.",
                ARM.join("','")
            ),
        ),
        Flaw::Tenant => (
            "InvalidAuthenticationTokenTenant",
            "The access token is from the wrong issuer. It must match the tenant associated with this subscription."
                .to_owned(),
        ),
        Flaw::Signature | Flaw::Early | Flaw::Revoked => (
            "InvalidAuthenticationToken",
            "The access token is invalid.".to_owned(),
        ),
    };
    ArmFail::new(401, code, message)
}

/// A gateway that throttles or fails.
pub(super) fn unavailable(
    code: u16,
    method: &Method,
    headers: &HeaderMap,
    id: &str,
    now: Timestamp,
) -> Response {
    let mut out = refusal(&ArmFail::unavailable(code));
    stamp(&mut out, method, headers, id, now);
    out
}

/// The headers that every answer has ("Request limits and throttling", "Tracking request ids").
fn stamp(answer: &mut Response, method: &Method, headers: &HeaderMap, id: &str, now: Timestamp) {
    let sent = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let correlation = sent("x-ms-correlation-request-id").unwrap_or(id).to_owned();
    let routing = format!("LOOPBACK:{}:{}", now.strftime("%Y%m%dT%H%M%SZ"), Uuid::new_v4());
    // The size of a bucket that has just been filled; nothing is counted, faults throttle.
    let (kind, bucket) = match method.as_str() {
        "GET" | "HEAD" => ("reads", 250),
        "DELETE" => ("deletes", 200),
        _ => ("writes", 200),
    };
    let throttled = answer.status().as_u16() == 429;
    let (left, left_global) = if throttled {
        (0, 0)
    } else {
        (bucket - 1, bucket * 15 - 1)
    };
    let client = sent("x-ms-return-client-request-id")
        .filter(|wish| wish.eq_ignore_ascii_case("true"))
        .and(sent("x-ms-client-request-id"))
        .map(str::to_owned);
    let mut add = |name: &str, value: &str| {
        if let (Ok(name), Ok(value)) = (
            header::HeaderName::from_bytes(name.as_bytes()),
            HeaderValue::from_str(value),
        ) {
            answer.headers_mut().insert(name, value);
        }
    };
    add("x-ms-request-id", id);
    add("x-ms-correlation-request-id", &correlation);
    add("x-ms-routing-request-id", &routing);
    add(
        &format!("x-ms-ratelimit-remaining-subscription-{kind}"),
        &left.to_string(),
    );
    add(
        &format!("x-ms-ratelimit-remaining-subscription-global-{kind}"),
        &left_global.to_string(),
    );
    add("cache-control", "no-cache");
    if let Some(client) = client {
        add("x-ms-client-request-id", &client);
    }
}
