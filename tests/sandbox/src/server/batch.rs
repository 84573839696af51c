//! `$batch`: up to twenty requests in one ("Combine multiple HTTP requests using JSON batching").

use std::collections::HashSet;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::graph::graph_answered;
use super::observe::{Arrival, Cut, cut, met};
use super::reply::{host, json_answer};
use crate::errors::Fail;
use crate::state::Shared;

/// "A batch can hold up to 20 requests."
const MOST: usize = 20;

#[derive(Deserialize)]
struct Payload {
    requests: Vec<Item>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    id: String,
    method: String,
    url: String,
    #[serde(default)]
    headers: Map<String, Value>,
    body: Option<Value>,
    #[serde(default)]
    depends_on: Option<Vec<String>>,
}

/// Answers the items of an authorized batch, one after the other.
///
/// # Errors
/// 400 for the whole batch when the payload is not one; then nothing was done.
pub(super) async fn answer(
    app: &Arc<Shared>,
    envelope: &Arrival,
    version: &str,
    headers: &HeaderMap,
    body: &Bytes,
) -> Result<Response, Fail> {
    let payload: Payload = serde_json::from_slice(body).map_err(|_| malformed())?;
    check(&payload.requests)?;
    let authority = app.lock().authority.clone();
    let root = host(headers, &authority);
    let requests = payload
        .requests
        .iter()
        .map(|item| request(item, &root, version, headers));
    let requests: Vec<Request> = requests.collect::<Result<_, _>>()?;
    let (mut failed, mut lost) = (HashSet::new(), false);
    let mut answers = Vec::new();
    for (item, request) in payload.requests.iter().zip(requests) {
        let mut parents = item.depends_on.iter().flatten().map(|id| id.to_lowercase());
        if parents.any(|parent| failed.contains(&parent)) {
            failed.insert(item.id.to_lowercase());
            answers.push(json!({
                "id": item.id, "status": 424, "headers": { "Content-Type": "application/json" },
                "body": { "error": {
                    "code": "FailedDependency",
                    "message": "A request that this request depends on has failed.",
                } },
            }));
            continue;
        }
        let done = met(app, request, Some(envelope), async |request| {
            graph_answered(app, request).await
        })
        .await;
        lost |= done.extensions().get::<Cut>().is_some();
        if done.status().as_u16() >= 400 {
            failed.insert(item.id.to_lowercase());
        }
        answers.push(shown(&item.id, done).await);
    }
    if lost {
        return Ok(cut());
    }
    // "The order of the responses may differ from the order of the requests": here it always does.
    let (first, second): (Vec<_>, Vec<_>) = answers
        .into_iter()
        .enumerate()
        .partition(|(place, _)| place % 2 == 1);
    let responses: Vec<Value> = first
        .into_iter()
        .chain(second)
        .map(|(_, answer)| answer)
        .collect();
    Ok(json_answer(200, &json!({ "responses": responses })))
}

fn malformed() -> Fail {
    Fail::syntax("Invalid batch payload format.")
}

/// Refuses a batch as a whole.
fn check(items: &[Item]) -> Result<(), Fail> {
    if items.is_empty() {
        return Err(malformed());
    }
    if items.len() > MOST {
        return Err(Fail::syntax(format!(
            "Number of batch request steps exceeds the maximum value of {MOST}."
        )));
    }
    let mut earlier = HashSet::new();
    for item in items {
        let mut parents = item.depends_on.iter().flatten();
        if let Some(parent) = parents.find(|parent| !earlier.contains(&parent.to_lowercase())) {
            return Err(Fail::syntax(format!(
                "Invalid dependency for request Id: {}. No earlier request has the Id '{parent}'.",
                item.id
            )));
        }
        if item.id.is_empty() || !earlier.insert(item.id.to_lowercase()) {
            return Err(Fail::syntax(format!(
                "Request Id '{}' is empty or not unique in the batch.",
                item.id
            )));
        }
    }
    Ok(())
}

/// One item as the request that it stands for.
fn request(item: &Item, root: &str, version: &str, outer: &HeaderMap) -> Result<Request, Fail> {
    let method = Method::from_bytes(item.method.to_ascii_uppercase().as_bytes()).map_err(|_| malformed())?;
    let uri = target(&item.url, root, version).ok_or_else(malformed)?;
    let mut headers = HeaderMap::new();
    for (name, value) in &item.headers {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| malformed())?;
        let value = value.as_str().and_then(|value| HeaderValue::from_str(value).ok());
        headers.insert(name, value.ok_or_else(malformed)?);
    }
    let body = match &item.body {
        None | Some(Value::Null) => Vec::new(),
        Some(body) => {
            let kind = headers
                .get(header::CONTENT_TYPE)
                .and_then(|kind| kind.to_str().ok());
            let kind = kind.ok_or_else(|| {
                Fail::syntax(format!(
                    "Write request id : {} does not contain Content-Type header or body.",
                    item.id
                ))
            })?;
            match body {
                Value::String(text) if !kind.contains("json") => {
                    STANDARD.decode(text).map_err(|_| malformed())?
                }
                body => body.to_string().into_bytes(),
            }
        }
    };
    // The batch's own token and address are every item's.
    for name in [header::AUTHORIZATION, header::HOST] {
        if let Some(value) = outer.get(&name) {
            headers.insert(name, value.clone());
        }
    }
    let mut request = Request::new(Body::from(body));
    (*request.method_mut(), *request.uri_mut(), *request.headers_mut()) = (method, uri, headers);
    Ok(request)
}

/// `users`, `/users`, or an absolute address at this host, with or without version. Blanks may stand unencoded.
fn target(url: &str, root: &str, version: &str) -> Option<Uri> {
    let path = match url.strip_prefix(root) {
        Some(path) if path.starts_with("/v1.0/") || path.starts_with("/beta/") => path.to_owned(),
        Some(path) => format!("/{version}/{}", path.trim_start_matches('/')),
        None if url.starts_with("http://") || url.starts_with("https://") => return None,
        None => format!("/{version}/{}", url.trim_start_matches('/')),
    };
    let full = url::Url::parse(&format!("{root}{path}")).ok()?;
    full[url::Position::BeforePath..url::Position::AfterQuery]
        .parse()
        .ok()
}

/// An answer as the batch shows it.
async fn shown(id: &str, answer: Response) -> Value {
    let (parts, body) = answer.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default();
    let mut headers = Map::new();
    for (name, value) in &parts.headers {
        let own = matches!(name.as_str(), "date" | "x-ms-ags-diagnostic" | "content-length");
        if let Ok(value) = value.to_str()
            && !own
        {
            let name = match name.as_str() {
                "content-type" => "Content-Type",
                "location" => "Location",
                "odata-version" => "OData-Version",
                "retry-after" => "Retry-After",
                other => other,
            };
            headers.insert(name.to_owned(), value.into());
        }
    }
    let mut out = json!({ "id": id, "status": parts.status.as_u16(), "headers": headers });
    if !body.is_empty() {
        out["body"] = serde_json::from_slice::<Value>(&body)
            .ok()
            .filter(|_| {
                !out["headers"]["Content-Type"]
                    .as_str()
                    .is_some_and(|kind| kind.starts_with("text/"))
            })
            .unwrap_or_else(|| STANDARD.encode(&body).into());
    }
    out
}
