//! A SCIM server's error answers, by meaning (RFC 7644 section 3.12).
//!
//! The status and `scimType` decide; servers that leave `scimType` out are read by their status.
//!
//! Invariants: no more than 64 KiB of an answer is looked at, and no message repeats the server's own text,
//! which may quote anything: only names of standard attributes are taken from it.

use iam_core::error::Retry;
use iam_core::http::{Response, redact, retry};
use iam_core::{Error, ErrorKind};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The longest answer that is read as an error document.
const LONGEST_BODY: usize = 64 * 1024;
/// The schema of error documents.
const SCHEMA: &str = "urn:ietf:params:scim:api:messages:2.0:Error";

/// Attribute names that may stand in a message.
const ATTRIBUTES: [&str; 18] = [
    "userName",
    "externalId",
    "displayName",
    "givenName",
    "familyName",
    "emails",
    "active",
    "title",
    "userType",
    "addresses",
    "department",
    "organization",
    "costCenter",
    "employeeNumber",
    "manager",
    "roles",
    "members",
    "schemas",
];

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Document {
    schemas: Value,
    #[serde(rename = "scimType")]
    code: Value,
    detail: Value,
}

/// The error that an answer other than 2xx stands for, during `operation` (`"create user"`).
pub fn of(answer: &Response, operation: &'static str) -> Error {
    let body = document(answer);
    let code = body.code.as_str().and_then(redact::word).unwrap_or_default();
    let (kind, message) = meaning(answer.status, code, &body, operation);
    let mut error = Error::new(kind, message)
        .with_operation(operation)
        .with_status(answer.status)
        .with_body(&answer.body)
        .with_retry(match kind {
            ErrorKind::Conflict => Retry::After(None),
            _ => retry::advice(answer, answer.attempts),
        });
    if !code.is_empty() {
        error = error.with_code(code);
    }
    let id = ["x-request-id", "request-id", "x-correlation-id"]
        .iter()
        .find_map(|name| answer.header(name).and_then(redact::word));
    if let Some(id) = id {
        error = error.with_request_id(id);
    }
    if let Some(id) = answer.header("client-request-id").and_then(redact::word) {
        error = error.with_client_request_id(id);
    }
    error
}

/// Whether the answer is a SCIM error document, and so comes from the service itself and not from a proxy, or
/// from a wrong address.
pub(crate) fn is_scim(answer: &Response) -> bool {
    let schemas = document(answer).schemas;
    let is = |value: &Value| {
        value
            .as_str()
            .is_some_and(|text| text.eq_ignore_ascii_case(SCHEMA))
    };
    is(&schemas) || schemas.as_array().is_some_and(|list| list.iter().any(is))
}

/// Reads one value of an answer; the error names the path that did not fit.
pub(crate) fn read<T: DeserializeOwned>(value: Value, operation: &'static str) -> Result<T, Error> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let message = format!("the answer does not fit its schema at `{}`", error.path());
        Error::new(ErrorKind::Protocol, message).with_operation(operation)
    })
}

fn document(answer: &Response) -> Document {
    if answer.body.len() > LONGEST_BODY {
        return Document::default();
    }
    serde_json::from_slice(&answer.body).unwrap_or_default()
}

fn meaning(status: u16, code: &str, body: &Document, operation: &str) -> (ErrorKind, String) {
    let detail = body.detail.as_str().unwrap_or_default();
    let text = |clause: &str| explained(clause, detail);
    let creates = operation.starts_with("create");
    match (status, code) {
        (400 | 409, "uniqueness") => (
            ErrorKind::AlreadyExists,
            text("another resource has the same value"),
        ),
        (409, _) if creates => (
            ErrorKind::AlreadyExists,
            text("another resource has the same value"),
        ),
        (400, _) if creates && says_taken(detail) => (
            ErrorKind::AlreadyExists,
            text("another resource has the same value"),
        ),
        (400, "mutability") => (ErrorKind::Invalid, text("the attribute cannot be changed")),
        (400, "invalidFilter") => (ErrorKind::Invalid, text("the server does not take this filter")),
        (400, "invalidPath") => (
            ErrorKind::Invalid,
            text("the server does not know the path of the change"),
        ),
        (400, "noTarget") => (ErrorKind::Invalid, text("the path of the change matches nothing")),
        (400, "invalidValue") => (ErrorKind::Invalid, text("the server refuses a value")),
        (400, "invalidSyntax") => (ErrorKind::Invalid, text("the server cannot read the request")),
        (400 | 413, "tooMany") => (
            ErrorKind::Invalid,
            "the filter has more results than the server gives".to_owned(),
        ),
        (400, "sensitive") => (
            ErrorKind::Invalid,
            "the server does not take this value in a URL".to_owned(),
        ),
        (401, _) => (
            ErrorKind::Unauthenticated,
            "the SCIM server refused the token: check that it is the application's, and not expired"
                .to_owned(),
        ),
        (403, _) => (
            ErrorKind::Denied,
            text("the SCIM server does not allow this: grant the token's owner provisioning rights"),
        ),
        (404 | 410, _) => (ErrorKind::NotFound, "the resource does not exist".to_owned()),
        (409 | 412 | 428, _) => (
            ErrorKind::Conflict,
            text("the resource was changed at the same moment"),
        ),
        (413, _) => (
            ErrorKind::Invalid,
            "the request is larger than the server takes".to_owned(),
        ),
        (429, _) => (
            ErrorKind::Throttled,
            "the SCIM server asks to slow down".to_owned(),
        ),
        (405 | 501, _) => (ErrorKind::Invalid, "the SCIM server cannot do this".to_owned()),
        (408 | 500.., _) => (
            ErrorKind::Unavailable,
            "the SCIM server failed to carry the request out".to_owned(),
        ),
        (300..400, _) => (
            ErrorKind::Protocol,
            "the server redirected the request, which is not followed: check the base URL".to_owned(),
        ),
        _ if body.schemas.is_null() && code.is_empty() => (
            ErrorKind::Invalid,
            "the request was refused without a SCIM error document: check the base URL and proxies"
                .to_owned(),
        ),
        _ => (ErrorKind::Invalid, text("the SCIM server refused the request")),
    }
}

fn says_taken(detail: &str) -> bool {
    let detail = detail.to_lowercase();
    [
        "already exist",
        "already in use",
        "already taken",
        "duplicate",
        "must be unique",
    ]
    .iter()
    .any(|part| detail.contains(part))
}

/// A clause of ours, and the standard attributes that the server's text names.
fn explained(clause: &str, detail: &str) -> String {
    let detail: String = detail.chars().take(1000).collect();
    let words: Vec<&str> = detail.split(|c: char| !c.is_ascii_alphanumeric()).collect();
    let named: Vec<&str> = ATTRIBUTES
        .into_iter()
        .filter(|name| words.iter().any(|word| word.eq_ignore_ascii_case(name)))
        .collect();
    if named.is_empty() {
        clause.to_owned()
    } else {
        format!("{clause}: it names {}", named.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn error(status: u16, body: &Value, operation: &'static str) -> Error {
        of(&Response::new(status, Vec::new(), body.to_string()), operation)
    }

    #[test]
    fn answers_are_told_apart_by_meaning() {
        let check = |status: u16, code: &str, operation: &'static str, kind: ErrorKind| {
            let body = if code.is_empty() {
                json!({ "schemas": [SCHEMA], "status": status.to_string() })
            } else {
                json!({ "schemas": [SCHEMA], "scimType": code, "status": status })
            };
            let error = error(status, &body, operation);
            assert_eq!(
                (error.kind(), error.status()),
                (kind, Some(status)),
                "{status} {code}"
            );
            assert_eq!(error.code(), Some(code).filter(|code| !code.is_empty()));
        };
        check(409, "uniqueness", "create user", ErrorKind::AlreadyExists);
        check(400, "uniqueness", "update user", ErrorKind::AlreadyExists);
        check(409, "", "create user", ErrorKind::AlreadyExists);
        check(409, "", "update user", ErrorKind::Conflict);
        check(412, "", "replace user", ErrorKind::Conflict);
        for code in [
            "mutability",
            "invalidFilter",
            "noTarget",
            "tooMany",
            "invalidPath",
            "invalidValue",
            "invalidSyntax",
            "sensitive",
            "other",
        ] {
            check(400, code, "update user", ErrorKind::Invalid);
        }
        check(401, "", "read user", ErrorKind::Unauthenticated);
        check(403, "", "read user", ErrorKind::Denied);
        check(404, "", "read user", ErrorKind::NotFound);
        check(410, "", "read user", ErrorKind::NotFound);
        check(413, "", "update group", ErrorKind::Invalid);
        check(429, "", "create user", ErrorKind::Throttled);
        check(501, "", "update user", ErrorKind::Invalid);
        check(408, "", "read user", ErrorKind::Unavailable);
        check(500, "", "read user", ErrorKind::Unavailable);
        check(503, "", "read user", ErrorKind::Unavailable);
        check(302, "", "read user", ErrorKind::Protocol);
    }

    #[test]
    fn nothing_the_server_says_about_a_person_is_repeated() {
        let body = json!({ "schemas": [SCHEMA], "detail": "userName ada.lovelace (ada@contoso.example) already exists" });
        let error = error(400, &body, "create user");
        assert_eq!(error.kind(), ErrorKind::AlreadyExists);
        assert_eq!(
            error.to_string(),
            "create user: another resource has the same value: it names userName (400)"
        );
    }

    #[test]
    fn pages_that_are_no_scim_are_bounded_and_say_so() {
        let html = Response::new(400, Vec::new(), "<html>Ada</html>");
        let error = of(&html, "read user");
        assert!(error.message().contains("check the base URL"), "{error}");
        assert!(!error.chain().contains("Ada"));
        let padding = "x".repeat(10 << 20);
        let large = json!({ "schemas": [SCHEMA], "scimType": "uniqueness", "detail": padding });
        let answer = Response::new(400, Vec::new(), large.to_string());
        assert_eq!(of(&answer, "update user").code(), None);
        assert!(!is_scim(&answer));
    }

    #[test]
    fn advice_follows_the_service() {
        let slow = Response::new(429, vec![("Retry-After".into(), "7".into())], "");
        let advised = std::time::Duration::from_secs(7);
        assert_eq!(of(&slow, "read user").retry(), Retry::After(Some(advised)));
        assert_eq!(
            of(&Response::new(404, vec![], ""), "read user").retry(),
            Retry::Never
        );
    }
}
