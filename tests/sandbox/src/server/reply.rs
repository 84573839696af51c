//! JSON answers and the headers that every Graph answer has.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde_json::Value;

use crate::faults::RetryAfter;

const JSON: &str =
    "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8";

pub(super) fn status(code: u16) -> StatusCode {
    StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// The address under which a request came, for links: the scheme of the authority, the name of the request.
pub(super) fn host(headers: &HeaderMap, authority: &str) -> String {
    let scheme = authority.split_once("://").map_or("http", |(scheme, _)| scheme);
    headers
        .get(header::HOST)
        .and_then(|value| value.to_str().ok())
        .map_or_else(|| authority.to_owned(), |host| format!("{scheme}://{host}"))
}

/// A JSON answer.
pub(crate) fn json_answer(code: u16, body: &Value) -> Response {
    (status(code), [(header::CONTENT_TYPE, JSON)], body.to_string()).into_response()
}

pub(super) fn client_request_id(headers: &HeaderMap, request_id: &str) -> String {
    let sent = headers
        .get("client-request-id")
        .and_then(|value| value.to_str().ok());
    sent.unwrap_or(request_id).to_owned()
}

/// The headers that every Graph answer has.
pub(super) fn stamp(answer: &mut Response, request_id: &str, client_id: &str, now: Timestamp) {
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
