//! The envelope of `$batch`: several requests as one, and its answer as one answer each. Without I/O.
//!
//! Source: Microsoft Learn, "Combine multiple HTTP requests using JSON batching".
//!
//! Invariant: an answer that does not tell what became of a request (left out, told twice, unreadable) counts as
//! lost, never as done and never as refused.

use std::borrow::Cow;
use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use iam_core::http::{Method, Request, Response};
use iam_core::{Error, ErrorKind, Result};
use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

use crate::client::Root;
use crate::error;

/// Bodies of refused envelopes beyond this are not repeated for each request.
const LONGEST_REFUSAL: usize = 64 * 1024;
const JSON: &str = "application/json";

#[derive(Serialize)]
struct Envelope<'a> {
    requests: Vec<Item<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Item<'a> {
    id: String,
    method: &'a str,
    url: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    depends_on: Option<[String; 1]>,
    #[serde(skip_serializing_if = "Headers::is_empty")]
    headers: Headers<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<Cow<'a, RawValue>>,
}

struct Headers<'a>(&'a [(String, String)], Option<&'static str>);

impl Headers<'_> {
    fn is_empty(&self) -> bool {
        self.0.is_empty() && self.1.is_none()
    }
}

impl Serialize for Headers<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in self.0 {
            let known = name.eq_ignore_ascii_case("content-type");
            map.serialize_entry(if known { "Content-Type" } else { name }, value)?;
        }
        if let Some(kind) = self.1 {
            map.serialize_entry("Content-Type", kind)?;
        }
        map.end()
    }
}

/// Whether a request can be part of an envelope at all. Uploads of people cannot, as far as is documented.
pub(super) fn fits(root: &Root, request: &Request) -> bool {
    let path = root.relative(&request.url);
    let single = |path: &str| {
        path.starts_with("/$batch") || path.starts_with("/%24batch") || path.ends_with("/bulkUpload")
    };
    path.is_some_and(|path| !single(path))
        && request.method != Method::Head
        && item(root, request, 0, None).is_some()
}

/// The envelope around requests that [fit](fits), each with the place of the one before it that it depends on.
///
/// # Errors
/// [`ErrorKind::Invalid`] when one of them does not fit.
pub(super) fn close<'a>(
    root: &Root,
    requests: impl IntoIterator<Item = (&'a Request, Option<usize>)>,
) -> Result<Request> {
    let (mut items, mut idempotent, mut priority) = (Vec::new(), true, None);
    for (place, (request, after)) in requests.into_iter().enumerate() {
        let item = item(root, request, place, after).ok_or_else(|| {
            Error::new(ErrorKind::Invalid, "the request cannot be part of a batch")
                .with_operation(request.operation)
        })?;
        items.push(item);
        idempotent &= request.idempotent;
        priority = Some(priority.map_or(request.priority, |known| request.priority.min(known)));
    }
    let mut envelope = root
        .request(Method::Post, "/$batch", "batch")
        .idempotent(idempotent)
        .json(&Envelope { requests: items })?
        .header("accept", JSON);
    envelope.priority = priority.unwrap_or_default();
    Ok(envelope)
}

fn item<'a>(root: &Root, request: &'a Request, place: usize, after: Option<usize>) -> Option<Item<'a>> {
    let kind = request
        .headers
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case("content-type"))
        .map(|(_, kind)| kind.as_str());
    let writes = matches!(request.method, Method::Post | Method::Put | Method::Patch);
    let (body, missing) = match request.body.as_deref() {
        Some(bytes) if kind.is_none_or(|kind| kind.contains("json")) => {
            let body = serde_json::from_slice::<&RawValue>(bytes).ok()?;
            (Some(Cow::Borrowed(body)), kind.is_none().then_some(JSON))
        }
        Some(bytes) => (
            Some(Cow::Owned(to_raw_value(&STANDARD.encode(bytes)).ok()?)),
            None,
        ),
        // "Write request id : 1 does not contain Content-Type header or body."
        None if writes => {
            let empty = serde_json::from_str::<&RawValue>("{}").ok()?;
            (Some(Cow::Borrowed(empty)), kind.is_none().then_some(JSON))
        }
        None => (None, None),
    };
    Some(Item {
        id: name(place),
        method: request.method.as_str(),
        url: root.relative(&request.url)?,
        depends_on: after.map(|parent| [name(parent)]),
        headers: Headers(&request.headers, missing),
        body,
    })
}

/// The id of the request at that place.
fn name(place: usize) -> String {
    (place + 1).to_string()
}

#[derive(Deserialize)]
struct Answers<'a> {
    #[serde(borrow)]
    responses: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct Answer<'a> {
    id: Value,
    status: u16,
    #[serde(default)]
    headers: Option<HashMap<String, Value>>,
    #[serde(borrow, default)]
    body: Option<&'a RawValue>,
}

/// What became of each of the requests in an envelope, or `None` when the envelope was refused for its form: then
/// nothing was done, and each can be sent by itself.
pub(super) fn open(requests: &[&Request], outcome: Result<Response>) -> Option<Vec<Result<Response>>> {
    let each =
        |of: &dyn Fn(&Request) -> Result<Response>| requests.iter().map(|request| of(request)).collect();
    match outcome {
        Ok(answer) if answer.is_success() => {
            let found = read(&answer, requests.len()).into_iter().zip(requests);
            Some(
                found
                    .map(|(found, request)| found.ok_or_else(|| untold(request)))
                    .collect(),
            )
        }
        Ok(answer) if matches!(answer.status, 400 | 404 | 405 | 411 | 413 | 414 | 415 | 501) => None,
        Ok(mut answer) => {
            if answer.body.len() > LONGEST_REFUSAL {
                answer.body.clear();
            }
            Some(each(&|request| match answer.attempts {
                0 | 1 => Ok(answer.clone()),
                // The whole envelope has been repeated, and that did not help.
                _ => error::judged(Ok(answer.clone()), request.operation, request.idempotent),
            }))
        }
        Err(error) => Some(each(&|request| Err(share(&error, request)))),
    }
}

fn read(answer: &Response, count: usize) -> Vec<Option<Response>> {
    let mut found: Vec<Option<Response>> = (0..count).map(|_| None).collect();
    let mut told = vec![false; count];
    let answers = serde_json::from_slice::<Answers>(&answer.body).map(|answers| answers.responses);
    for raw in answers.unwrap_or_default() {
        let Ok(one) = serde_json::from_str::<Answer>(raw.get()) else {
            continue;
        };
        let id = one.id.as_str().map_or_else(|| one.id.to_string(), str::to_owned);
        let place = id.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
        let Some(place) = place.filter(|place| *place < count) else {
            continue;
        };
        // Told twice: nobody knows which it was.
        found[place] = (!told[place]).then(|| response(one, answer));
        told[place] = true;
    }
    found
}

fn response(one: Answer<'_>, envelope: &Response) -> Response {
    let text = |value: Value| match value {
        Value::String(text) => text,
        other => other.to_string(),
    };
    let headers = one.headers.unwrap_or_default().into_iter();
    let mut response = Response::new(
        one.status,
        headers.map(|(name, value)| (name, text(value))).collect(),
        Vec::new(),
    );
    for name in ["request-id", "client-request-id", "date"] {
        if let (None, Some(value)) = (response.header(name), envelope.header(name)) {
            response.headers.push((name.to_owned(), value.to_owned()));
        }
    }
    let body = one.body.map(RawValue::get).filter(|body| *body != "null");
    let kind = response.header("content-type").unwrap_or_default();
    // "For binary and text responses the body is a base64 URL-encoded string."
    let encoded = body
        .filter(|body| body.starts_with('"') && !kind.contains("json"))
        .and_then(|body| serde_json::from_str::<String>(body).ok())
        .and_then(|text| STANDARD.decode(text).ok());
    response.body = match (encoded, body) {
        (Some(bytes), _) => bytes,
        (None, Some(body)) => body.as_bytes().to_vec(),
        (None, None) => Vec::new(),
    };
    response
}

fn lost(request: &Request) -> ErrorKind {
    if request.idempotent {
        ErrorKind::Unavailable
    } else {
        ErrorKind::OutcomeUnknown
    }
}

fn untold(request: &Request) -> Error {
    Error::new(
        lost(request),
        "the answer to the batch does not say what became of it",
    )
    .with_operation(request.operation)
    .with_code("broken")
}

/// One request's share of an error that met them all.
fn share(error: &Error, request: &Request) -> Error {
    // Whether the others may be repeated decided the kind; and an answer that could not be read was an answer.
    let unheard = matches!(error.code(), Some("timeout" | "broken")) || error.kind() == ErrorKind::Protocol;
    let (kind, code) = if unheard {
        (
            lost(request),
            Some(
                error
                    .code()
                    .filter(|_| error.kind() != ErrorKind::Protocol)
                    .unwrap_or("broken"),
            ),
        )
    } else {
        (error.kind(), error.code())
    };
    error::copy(error, kind, code).with_operation(request.operation)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::tests::root;
    use ErrorKind::{Denied, OutcomeUnknown, Protocol, Unavailable};
    use iam_core::error::Retry;
    use serde_json::json;

    fn get(path: &str) -> Request {
        root().get(path, "probe")
    }

    #[test]
    fn requests_become_items() {
        let create = root()
            .request(Method::Post, "/users", "create user")
            .json(&json!({"a": [1, null]}));
        let create = create.unwrap();
        let find = get("/users?$search=%22x%22").header("ConsistencyLevel", "eventual");
        let revoke = root().request(Method::Post, "/users/1/revokeSignInSessions", "revoke");
        let photo = Request {
            body: Some(vec![0xFF, 0x00]),
            ..root()
                .request(Method::Put, "/users/1/photo/$value", "photo")
                .header("content-type", "image/png")
        };
        let envelope = close(
            &root(),
            [(&create, None), (&find, None), (&revoke, Some(0)), (&photo, None)],
        )
        .unwrap();
        assert_eq!(envelope.url, "https://graph.microsoft.com/v1.0/$batch");
        assert!(!envelope.idempotent, "it holds a POST");
        let sent: Value = serde_json::from_slice(envelope.body.as_deref().unwrap()).unwrap();
        let expect = json!({"requests": [
            {"id": "1", "method": "POST", "url": "/users", "headers": {"Content-Type": "application/json"},
             "body": {"a": [1, null]}},
            {"id": "2", "method": "GET", "url": "/users?$search=%22x%22", "headers": {"ConsistencyLevel": "eventual"}},
            {"id": "3", "method": "POST", "url": "/users/1/revokeSignInSessions", "dependsOn": ["1"],
             "headers": {"Content-Type": "application/json"}, "body": {}},
            {"id": "4", "method": "PUT", "url": "/users/1/photo/$value", "headers": {"Content-Type": "image/png"},
             "body": "/wA="},
        ]});
        assert_eq!(sent, expect);
        let text = serde_json::to_string(&sent).unwrap();
        assert!(!text.contains("https://"), "relative addresses only");
    }

    #[test]
    fn only_requests_of_this_version_of_this_host_fit() {
        let check =
            |request: Request, expect: bool| assert_eq!(fits(&root(), &request), expect, "{}", request.url);
        check(get("/users"), true);
        check(get("https://graph.microsoft.com/beta/users"), false);
        check(get("https://elsewhere.example/v1.0/users"), false);
        check(get("https://graph.microsoft.com/v1.0x/users"), false);
        check(get("/$batch"), false);
        let broken = Request {
            body: Some(b"{".to_vec()),
            ..root().request(Method::Post, "/users", "create user")
        };
        check(broken, false);
    }

    fn opened(requests: &[&Request], status: u16, body: &str) -> Option<Vec<Result<Response>>> {
        let headers = vec![
            ("request-id".into(), "envelope".into()),
            ("Retry-After".into(), "7".into()),
        ];
        open(requests, Ok(Response::new(status, headers, body)))
    }

    #[test]
    fn answers_find_their_requests_in_any_order() {
        let asked = get("/users");
        let body = json!({"responses": [
            {"id": "3", "status": 200, "headers": {"Content-Type": "text/plain"}, "body": "MTM="},
            {"id": "1", "status": 429, "headers": {"Retry-After": 3, "request-id": "own"}, "body": {"error": {}}},
            {"id": "2", "status": 204},
            {"id": "9", "status": 200}, {"status": 200}, 7,
        ]});
        let found = opened(&[&asked; 3], 200, &body.to_string()).unwrap();
        let shown: Vec<_> = found
            .iter()
            .map(|answer| {
                let answer = answer.as_ref().unwrap();
                let text = String::from_utf8(answer.body.clone()).unwrap();
                (
                    answer.status,
                    answer.header("request-id").unwrap(),
                    answer.header("retry-after"),
                    text,
                )
            })
            .collect();
        assert_eq!(
            shown,
            [
                (429, "own", Some("3"), r#"{"error":{}}"#.to_owned()),
                (204, "envelope", None, String::new()),
                (200, "envelope", None, "13".to_owned()),
            ]
        );
    }

    #[test]
    fn what_is_not_told_is_lost_and_never_done() {
        let (read, write) = (
            get("/users"),
            root().request(Method::Post, "/users", "create user"),
        );
        let check = |body: &str| {
            let found = opened(&[&read, &write], 200, body).unwrap();
            let kinds: Vec<_> = found
                .iter()
                .map(|lost| lost.as_ref().unwrap_err().kind())
                .collect();
            assert_eq!(
                kinds,
                [ErrorKind::Unavailable, ErrorKind::OutcomeUnknown],
                "{body}"
            );
            assert!(
                found
                    .iter()
                    .all(|lost| lost.as_ref().unwrap_err().code() == Some("broken"))
            );
        };
        check("");
        check("<html>a portal</html>");
        check(r#"{"responses": []}"#);
        check(
            r#"{"responses": [{"id": "1", "status": 200}, {"id": "1", "status": 404},
                                {"id": "2", "status": 201}, {"id": "2", "status": 201}]}"#,
        );
        check(r#"{"responses": [{"id": "1", "status": "200"}, {"id": "2", "status": 70000}]}"#);
    }

    #[test]
    fn an_envelope_that_is_refused_is_everybodys_answer() {
        let write = root().request(Method::Post, "/users", "create user");
        for status in [401, 403, 429, 503] {
            let found = opened(&[&write; 2], status, &"x".repeat(100_000)).unwrap();
            for answer in found {
                let answer = answer.unwrap();
                assert_eq!((answer.status, answer.header("retry-after")), (status, Some("7")));
                assert!(answer.body.is_empty());
            }
        }
        // After repetitions of the whole, nobody tries again by himself.
        let mut repeated = Response::new(429, Vec::new(), "");
        repeated.attempts = 5;
        let given_up = open(&[&write], Ok(repeated)).unwrap().remove(0).unwrap_err();
        assert_eq!(
            (given_up.status(), given_up.retry()),
            (Some(429), Retry::Exhausted)
        );
        for status in [400, 404, 405, 413] {
            assert!(
                opened(&[&write], status, "").is_none(),
                "{status}: each for itself"
            );
        }
    }

    #[test]
    fn an_error_is_shared_out_by_what_each_may_repeat() {
        let (read, write) = (
            get("/users"),
            root().request(Method::Post, "/users", "create user"),
        );
        let check = |error: Error, expect: [(ErrorKind, Option<&str>); 2]| {
            let found = open(&[&read, &write], Err(error)).unwrap();
            let shown = found.iter().map(|lost| lost.as_ref().unwrap_err());
            assert_eq!(
                shown
                    .map(|error| (error.kind(), error.code()))
                    .collect::<Vec<_>>(),
                expect
            );
        };
        let broken = Some("broken");
        check(
            Error::new(OutcomeUnknown, "x").with_code("broken"),
            [(Unavailable, broken), (OutcomeUnknown, broken)],
        );
        let named = Error::new(Denied, "x")
            .with_client_request_id("c-1")
            .with_request_id("r-1");
        let found = open(&[&read], Err(named)).unwrap();
        let said = found[0].as_ref().unwrap_err().to_string();
        assert_eq!(said, "probe: x (request-id r-1, client-request-id c-1)");
        check(
            Error::new(Unavailable, "x").with_code("connect"),
            [(Unavailable, Some("connect")); 2],
        );
        check(
            Error::new(Protocol, "x").with_code("too_long"),
            [(Unavailable, broken), (OutcomeUnknown, broken)],
        );
        check(Error::new(Denied, "x"), [(Denied, None); 2]);
    }

    #[test]
    fn an_error_that_met_all_names_the_ids_to_each() {
        let error = Error::new(Unavailable, "no").with_status(503);
        let error = error.with_request_id("r-1").with_client_request_id("c-1");
        let own = super::share(&error, &get("/users/1"));
        assert_eq!(
            own.to_string(),
            "probe: no (503, request-id r-1, client-request-id c-1)"
        );
    }
}
