//! A file with every request and its answer, without secrets.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, header};
use axum::response::Response;
use serde_json::{Map, Value, json};

const REDACTED: &str = "REDACTED";

/// Names of fields, form fields and query parameters whose values are secrets, in lower case.
const SECRETS: [&str; 19] = [
    "access_token",
    "client_assertion",
    "client_secret",
    "code",
    "code_verifier",
    "confirm",
    "currentpassword",
    "device_code",
    "id_token",
    "new_password",
    "newpassword",
    "password",
    "refresh_token",
    "secret",
    "secrettext",
    "sig",
    "temporaryaccesspass",
    "temporarypassword",
    "token",
];

/// Names of headers whose values are secrets.
const SECRET_HEADERS: [&str; 4] = ["authorization", "cookie", "proxy-authorization", "set-cookie"];

/// The file.
#[derive(Debug)]
pub(crate) struct Recording(Mutex<File>);

impl Recording {
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        let file = File::create(path).map_err(|error| {
            let message = format!("cannot record to {}: {error}", path.display());
            io::Error::new(error.kind(), message)
        })?;
        Ok(Self(Mutex::new(file)))
    }

    /// Writes one line: the fields of the request, then those of the answer.
    pub(crate) fn write(&self, request: &Map<String, Value>, answer: &Map<String, Value>) {
        let mut line = request.clone();
        line.extend(answer.clone());
        let text = format!("{}\n", Value::Object(line));
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A full disk must not stop a test that is under way.
        let _ = file.write_all(text.as_bytes());
    }
}

/// The fields of a request, and the request with its body read.
pub(crate) async fn read_request(request: Request) -> (Map<String, Value>, Request) {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default();
    let query = parts.uri.query().unwrap_or_default();
    let fields = fields(json!({
        "method": parts.method.as_str(), "path": parts.uri.path(), "query": redacted_form(query),
        "request_headers": headers(&parts.headers), "request_body": content(&parts.headers, &body),
    }));
    (fields, Request::from_parts(parts, Body::from(body)))
}

/// The fields of an answer, and the answer. One that never arrives has status 0.
pub(crate) async fn read_answer(answer: Response, cut: bool) -> (Map<String, Value>, Response) {
    let (parts, body) = answer.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default();
    let fields = fields(json!({
        "status": if cut { 0 } else { parts.status.as_u16() },
        "response_headers": headers(&parts.headers), "response_body": content(&parts.headers, &body),
    }));
    (fields, Response::from_parts(parts, Body::from(body)))
}

fn fields(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

fn headers(headers: &HeaderMap) -> Value {
    let pairs = headers.iter().map(|(name, value)| {
        let text = String::from_utf8_lossy(value.as_bytes()).into_owned();
        let secret = SECRET_HEADERS.contains(&name.as_str());
        let text = if secret { REDACTED.to_owned() } else { text };
        (name.to_string(), Value::from(text))
    });
    Value::Object(pairs.collect())
}

/// A body: JSON as JSON, a form as its text, otherwise text; null when there is none.
fn content(headers: &HeaderMap, body: &Bytes) -> Value {
    if body.is_empty() {
        return Value::Null;
    }
    if let Ok(mut value) = serde_json::from_slice::<Value>(body) {
        redact(&mut value);
        return value;
    }
    let text = String::from_utf8_lossy(body);
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    if kind.is_some_and(|kind| kind.contains("json")) {
        // Broken JSON may hold a secret anywhere.
        return format!("{REDACTED} ({} bytes that are not JSON)", body.len()).into();
    }
    redacted_form(&text).into()
}

fn is_secret(name: &str) -> bool {
    SECRETS.contains(&name.to_ascii_lowercase().as_str())
}

fn redact(value: &mut Value) {
    match value {
        Value::Object(map) => {
            // A PATCH of SCIM names the field beside the value. The code of an error is no secret; one in a form is.
            let named = map.get("path").and_then(Value::as_str).is_some_and(is_secret);
            for (name, value) in map.iter_mut() {
                if ((is_secret(name) && name != "code") || (named && name == "value"))
                    && !value.is_null()
                    && !value.is_object()
                {
                    *value = REDACTED.into();
                } else {
                    redact(value);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(redact),
        _ => {}
    }
}

/// `name=value&…` without the values of secrets.
pub(crate) fn redacted_form(text: &str) -> String {
    let part = |part: &str| match part.split_once('=') {
        Some((name, _)) if is_secret(name) => format!("{name}={REDACTED}"),
        _ => part.to_owned(),
    };
    text.split('&').map(part).collect::<Vec<_>>().join("&")
}

#[cfg(test)]
mod tests {
    use super::{redact, redacted_form};
    use serde_json::json;

    #[test]
    fn secrets_are_replaced_wherever_they_are() {
        let mut value = json!({
            "passwordProfile": { "password": "x", "forceChangePasswordNextSignIn": true },
            "Operations": [{ "op": "replace", "path": "password", "value": "x" }],
            "access_token": "x", "error": { "code": "kept" }, "temporaryAccessPass": "x",
        });
        redact(&mut value);
        assert!(!value.to_string().contains("\"x\""), "{value}");
        assert_eq!(value["error"]["code"], "kept");
        assert_eq!(value["passwordProfile"]["forceChangePasswordNextSignIn"], true);
        assert_eq!(
            redacted_form("a=1&Client_Secret=x&b"),
            "a=1&Client_Secret=REDACTED&b"
        );
    }
}
