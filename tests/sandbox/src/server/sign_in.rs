//! The routes that a browser comes by: authorize, login, logout; and what an application asks about a user.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State as FromState};
use axum::http::{HeaderMap, HeaderValue, Method, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};

use super::bearer;
use super::reply::{json_answer, status};
use crate::sign_in::{self, Form, Reply};
use crate::state::Shared;
use crate::tokens::{Flaw, GRAPH};

type App = Arc<Shared>;

const COOKIE: &str = "sandbox_browser";

pub(super) async fn authorize(
    FromState(app): FromState<App>,
    Path(tenant): Path<String>,
    method: Method,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut state = app.lock();
    let reply = sign_in::authorize(
        &mut state,
        &tenant,
        &sent(&method, query, &body),
        browser(&headers),
    );
    answer(reply)
}

pub(super) async fn login(
    FromState(app): FromState<App>,
    Path(_tenant): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut state = app.lock();
    answer(sign_in::proceed(
        &mut state,
        &Form::read(&body),
        browser(&headers),
    ))
}

pub(super) async fn logout(
    FromState(app): FromState<App>,
    Path(tenant): Path<String>,
    method: Method,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut state = app.lock();
    answer(sign_in::sign_out(
        &mut state,
        &tenant,
        &sent(&method, query, &body),
        browser(&headers),
    ))
}

pub(super) async fn user_info(FromState(app): FromState<App>, headers: HeaderMap) -> Response {
    let found = bearer::claims(&app, &headers);
    let state = app.lock();
    let now = state.clock.now();
    let found = found.and_then(|claims| {
        let tenant = &state.directory.tenant.id;
        state.tokens.check(&claims, &[GRAPH], tenant, now)?;
        let text = |name: &str| {
            claims
                .get(name)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let (id, scopes) = (text("oid"), text("scp"));
        let user = state
            .directory
            .user(&id)
            .filter(|_| scopes.split(' ').any(|scope| scope == "openid"));
        let user = user.ok_or(Flaw::Audience)?;
        Ok(sign_in::user_info(user, &claims["sub"], &scopes))
    });
    match found {
        Ok(info) => json_answer(200, &info),
        Err(flaw) => json_answer(
            401,
            &json!({ "error": { "code": "InvalidAuthenticationToken", "message": flaw.message() } }),
        ),
    }
}

fn sent(method: &Method, query: Option<String>, body: &Bytes) -> Vec<u8> {
    if *method == Method::POST && !body.is_empty() {
        return body.to_vec();
    }
    query.unwrap_or_default().into_bytes()
}

fn browser(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get_all(header::COOKIE).into_iter();
    let pairs = cookies
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.split(';'));
    let pairs = pairs.filter_map(|pair| pair.trim().split_once('='));
    let mut named = pairs.filter(|(name, _)| *name == COOKIE);
    named.next().map(|(_, value)| value)
}

fn answer(reply: Reply) -> Response {
    let script = reply
        .nonce
        .map_or_else(String::new, |nonce| format!("; script-src 'nonce-{nonce}'"));
    // No `form-action`: browsers apply it to where a form's answer redirects to, which is the application.
    let policy = format!(
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; frame-ancestors 'none'{script}"
    );
    let cookie = reply.cookie.map(|value| {
        let end = if value.is_empty() { "; Max-Age=0" } else { "" };
        format!("{COOKIE}={value}; Path=/; HttpOnly; SameSite=Lax{end}")
    });
    let mut out = (status(reply.status), reply.html).into_response();
    let more = [
        (header::CONTENT_TYPE, Some("text/html; charset=utf-8".to_owned())),
        (header::CACHE_CONTROL, Some("no-store, no-cache".to_owned())),
        (
            header::REFERRER_POLICY,
            Some("strict-origin-when-cross-origin".to_owned()),
        ),
        (header::X_CONTENT_TYPE_OPTIONS, Some("nosniff".to_owned())),
        (header::X_FRAME_OPTIONS, Some("DENY".to_owned())),
        (header::CONTENT_SECURITY_POLICY, Some(policy)),
        (header::LOCATION, reply.location),
        (header::SET_COOKIE, cookie),
    ];
    for (name, value) in more {
        if let Some(value) = value.and_then(|value| HeaderValue::from_str(&value).ok()) {
            out.headers_mut().insert(name, value);
        }
    }
    out
}
