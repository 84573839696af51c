//! Graph's error answers, by meaning.
//!
//! The service's `code` and `details[].code` decide where they can. For group members, licences and role
//! assignments Graph gives no better signal than its English text (Microsoft Learn, "Microsoft Graph error
//! responses and resource types"), so known sentences are recognised as well.
//!
//! What a caller can do about an error is its [`ErrorKind`]; what exactly was refused is its [`Meaning`]
//! ([`meaning`]). A code that is not known here counts by its status.
//!
//! Invariants: no more than 64 KiB of an answer is looked at, and no message repeats a value of the request:
//! what the service quotes (names, addresses) is cut out, property names and object ids stay.

mod meaning;
mod permission;
mod sentence;
mod text;

use iam_core::error::Retry;
use iam_core::http::{Response, redact, retry};
use iam_core::{Error, ErrorKind, Result};
use serde::Deserialize;

use crate::mailbox::NO_MAILBOX;
use permission::denied;
use sentence::by_text;
use text::explained;

pub use meaning::{Meaning, meaning};
pub(crate) use text::is_guid;

/// The longest answer that is read as an error document.
const LONGEST_BODY: usize = 64 * 1024;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Document {
    error: Body,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Body {
    code: Option<String>,
    message: Option<String>,
    details: Option<Vec<Detail>>,
    #[serde(rename = "innerError", alias = "innererror")]
    inner: Option<Inner>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Detail {
    code: Option<String>,
    target: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Inner {
    #[serde(rename = "request-id")]
    request_id: Option<String>,
    #[serde(rename = "client-request-id")]
    client_request_id: Option<String>,
}

/// The error that an answer other than 2xx stands for, during `operation` (`"create user"`).
pub fn of(answer: &Response, operation: &'static str) -> Error {
    let body = document(answer);
    let Finding {
        meaning,
        property,
        message,
    } = found(answer, &body, operation);
    let kind = meaning.kind();
    let mut error = Error::new(kind, message)
        .with_operation(operation)
        .with_status(answer.status)
        .with_body(&answer.body)
        .with_reason(meaning.as_str())
        .with_retry(advice(kind, answer));
    if let Some(code) = body.code.as_deref().and_then(redact::word) {
        error = error.with_code(code);
    }
    if let Some(property) = property {
        error = error.with_property(property);
    }
    let inner = body.inner.unwrap_or_default();
    if let Some(id) = answer
        .header("request-id")
        .or(inner.request_id.as_deref())
        .and_then(redact::word)
    {
        error = error.with_request_id(id);
    }
    let sent = answer
        .header("client-request-id")
        .or(inner.client_request_id.as_deref());
    if let Some(id) = sent.and_then(redact::word) {
        error = error.with_client_request_id(id);
    }
    error
}

/// What an attempt at `operation` came to: an answer of 2xx, or its error. A failure of the service leaves open whether
/// a request took effect that must not be repeated: that is [`ErrorKind::OutcomeUnknown`].
pub(crate) fn judged(
    outcome: Result<Response>,
    operation: &'static str,
    idempotent: bool,
) -> Result<Response> {
    let answer = outcome?;
    if answer.is_success() {
        return Ok(answer);
    }
    let error = of(&answer, operation);
    if error.kind() == ErrorKind::Unavailable && !idempotent {
        return Err(error.with_kind(ErrorKind::OutcomeUnknown));
    }
    Err(error)
}

/// The same error once more, for somebody else whom it meets, under another kind and code where they differ.
pub(crate) fn copy(error: &Error, kind: ErrorKind, code: Option<&str>) -> Error {
    let mut own = Error::new(kind, error.message().to_owned()).with_retry(error.retry());
    if let Some(code) = code {
        own = own.with_code(code);
    }
    if let Some(status) = error.status() {
        own = own.with_status(status);
    }
    if let Some(id) = error.request_id() {
        own = own.with_request_id(id);
    }
    if let Some(id) = error.client_request_id() {
        own = own.with_client_request_id(id);
    }
    own
}

fn document(answer: &Response) -> Body {
    if answer.body.len() > LONGEST_BODY {
        return Body::default();
    }
    serde_json::from_slice::<Document>(&answer.body)
        .unwrap_or_default()
        .error
}

fn advice(kind: ErrorKind, answer: &Response) -> Retry {
    match kind {
        ErrorKind::Conflict => Retry::After(None),
        // A seat may become free, but not within seconds.
        ErrorKind::LicenseExhausted => Retry::Exhausted,
        _ => retry::advice(answer, answer.attempts),
    }
}

/// What an answer means, and the words for it.
struct Finding {
    meaning: Meaning,
    property: Option<String>,
    message: String,
}

impl Finding {
    fn new(meaning: Meaning, message: impl Into<String>) -> Self {
        Self {
            meaning,
            property: None,
            message: message.into(),
        }
    }
}

fn found(answer: &Response, body: &Body, operation: &'static str) -> Finding {
    let text = body.message.as_deref().unwrap_or_default();
    if let Some(finding) = by_code(body, operation).or_else(|| by_text(answer.status, body, operation)) {
        return finding;
    }
    match answer.status {
        401 => Finding::new(
            Meaning::TokenRefused,
            "Graph refused the token: check tenant, client id and secret, and that the application has not been disabled",
        ),
        402 | 403 | 451 => Finding::new(Meaning::PrivilegeMissing, denied(operation, text)),
        404 if operation == "remove group member" => Finding::new(
            Meaning::NotMember,
            "the object is no member, or the group does not exist",
        ),
        404 => Finding::new(Meaning::NotFound, "the object does not exist"),
        409 | 412 | 423 => Finding::new(
            Meaning::ChangedMeanwhile,
            explained("the directory was changed at the same moment", text),
        ),
        410 => Finding::new(
            Meaning::ResyncNeeded,
            "the remembered place is too old: everything must be read anew",
        ),
        424 => Finding::new(
            Meaning::DependencyFailed,
            "it was not tried, because the request that it depends on failed",
        ),
        429 | 509 => Finding::new(Meaning::Throttled, "Graph asks to slow down"),
        501 => Finding::new(Meaning::Invalid, explained("Graph cannot do this", text)),
        507 => Finding::new(Meaning::QuotaExceeded, explained("the quota is used up", text)),
        408 | 500.. => Finding::new(Meaning::Unavailable, "Graph failed to carry the request out"),
        300..=399 => Finding::new(
            Meaning::Unreadable,
            "Graph redirected the request, which is not followed: check the endpoint",
        ),
        _ if body.code.as_deref().unwrap_or_default().is_empty() && text.is_empty() => Finding::new(
            Meaning::Invalid,
            "the request was refused without a Graph error document: check the endpoint and proxies",
        ),
        _ => Finding::new(Meaning::Invalid, explained("Graph refused the request", text)),
    }
}

/// What the service's own code says by itself, whatever the status.
fn by_code(body: &Body, operation: &'static str) -> Option<Finding> {
    let text = body.message.as_deref().unwrap_or_default();
    Some(match body.code.as_deref()? {
        "resyncRequired"
        | "syncStateNotFound"
        | "SyncStateNotFound"
        | "SyncStateInvalid"
        | "Directory_ExpiredPageToken" => Finding::new(
            Meaning::ResyncNeeded,
            "the remembered place is too old: everything must be read anew",
        ),
        "Directory_QuotaExceeded" | "Directory_ResourceSizeExceeded" => Finding::new(
            Meaning::QuotaExceeded,
            explained(
                "the directory's quota is used up: raise it, or delete what is not needed",
                text,
            ),
        ),
        NO_MAILBOX if operation == "send mail" => Finding::new(
            Meaning::MailboxMissing,
            "the sender has no mailbox in Exchange Online",
        ),
        NO_MAILBOX => Finding::new(
            Meaning::MailboxMissing,
            "the account has no mailbox in Exchange Online",
        ),
        "ExistingOpenRequest" | "ExistingGrant" => Finding::new(
            Meaning::AlreadyLinked,
            "the access package is assigned, or there is an open request about it, already",
        ),
        "RoleAssignmentExists" => {
            Finding::new(Meaning::AlreadyLinked, "the link or assignment exists already")
        }
        "RoleAssignmentDoesNotExist" => Finding::new(Meaning::NotFound, "the role is not held that way"),
        "Request_UnsupportedQuery" => Finding::new(
            Meaning::UnsupportedQuery,
            explained("Graph does not answer such a query", text),
        ),
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
