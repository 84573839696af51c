//! What went wrong, as one opaque [`Error`] that answers four questions: which kind, whether to
//! retry, during which operation, under which request id.
//!
//! Invariants: `Display` is one clause and never prints the source (reporters print the chain);
//! no message ever holds a secret, a token or personal data beyond the person key.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// The longest answer that an error keeps.
const LONGEST_BODY: usize = 64 * 1024;

/// The result of everything in this workspace that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What kind of failure it was; deliberately coarse. Each variant says who may retry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The object does not exist. Not retried.
    NotFound,
    /// The object was created moments ago and is not visible everywhere yet. Retried within a bounded window.
    NotYetReplicated,
    /// An object with that unique key exists. Not retried: look it up, adopt it or take another key.
    AlreadyExists,
    /// The state changed underneath, or contradicts the request. Re-read, then plan again.
    Conflict,
    /// The identity used may not do this. Not retried: somebody must grant the permission.
    Denied,
    /// The credential or token was refused. One re-authentication is tried, then not retried.
    Unauthenticated,
    /// The service asks for patience. Any request may be retried after the advised time.
    Throttled,
    /// The service could not be reached or failed. Idempotent requests are retried.
    Unavailable,
    /// The answer was lost after the request was sent: the effect is unknown. Read back before repeating.
    OutcomeUnknown,
    /// The request, document or input is wrong. Never retried.
    Invalid,
    /// No licence seat is free. Retried later, by the journal's schedule only.
    LicenseExhausted,
    /// A place that was remembered in a list of changes is too old. Not retried: everything is read anew.
    ResyncNeeded,
    /// It was not tried, because what it depends on failed. Tried again only after that has succeeded.
    DependencyFailed,
    /// A protected account or a blast-radius limit forbids it. Never retried.
    Guarded,
    /// The journal could not be read or written.
    Storage,
    /// A worker lost its lease, so that its write was refused. The new holder goes on.
    Fenced,
    /// The peer broke its protocol: an answer that cannot be understood.
    Protocol,
    /// Anything else.
    Other,
}

impl ErrorKind {
    /// The stable, lower-case name that journals and Python use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::NotYetReplicated => "not_yet_replicated",
            Self::AlreadyExists => "already_exists",
            Self::Conflict => "conflict",
            Self::Denied => "denied",
            Self::Unauthenticated => "unauthenticated",
            Self::Throttled => "throttled",
            Self::Unavailable => "unavailable",
            Self::OutcomeUnknown => "outcome_unknown",
            Self::Invalid => "invalid",
            Self::LicenseExhausted => "license_exhausted",
            Self::ResyncNeeded => "resync_needed",
            Self::DependencyFailed => "dependency_failed",
            Self::Guarded => "guarded",
            Self::Storage => "storage",
            Self::Fenced => "fenced",
            Self::Protocol => "protocol",
            Self::Other => "other",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What the raiser of an error advises about trying again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Retry {
    /// Trying again cannot help.
    Never,
    /// Trying again may help, not before the given time where the service named one.
    After(Option<Duration>),
    /// It was tried again and did not help: an outer loop may come back in minutes, not seconds.
    Exhausted,
}

/// The one error type: see the [module](self). A clone shares the cause.
#[derive(Clone)]
pub struct Error(Box<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    message: Cow<'static, str>,
    retry: Retry,
    operation: Option<Cow<'static, str>>,
    request_id: Option<String>,
    client_request_id: Option<String>,
    status: Option<u16>,
    code: Option<String>,
    reason: Option<&'static str>,
    property: Option<String>,
    body: Option<Arc<[u8]>>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

impl Error {
    /// A new error. Retry advice follows the kind: throttled, unavailable and not yet replicated may be
    /// tried again, everything else may not.
    pub fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        let retry = match kind {
            ErrorKind::Throttled | ErrorKind::Unavailable | ErrorKind::NotYetReplicated => Retry::After(None),
            _ => Retry::Never,
        };
        Self(Box::new(Inner {
            kind,
            message: message.into(),
            retry,
            operation: None,
            request_id: None,
            client_request_id: None,
            status: None,
            code: None,
            reason: None,
            property: None,
            body: None,
            source: None,
        }))
    }

    /// Names the operation, for example `"create user"`.
    #[must_use]
    pub fn with_operation(mut self, operation: impl Into<Cow<'static, str>>) -> Self {
        self.0.operation = Some(operation.into());
        self
    }

    /// Replaces the retry advice.
    #[must_use]
    pub fn with_retry(mut self, retry: Retry) -> Self {
        self.0.retry = retry;
        self
    }

    /// Records the service's request id.
    #[must_use]
    pub fn with_request_id(mut self, id: impl Into<String>) -> Self {
        self.0.request_id = Some(id.into());
        self
    }

    /// Records the id that the request was sent with (`client-request-id`).
    #[must_use]
    pub fn with_client_request_id(mut self, id: impl Into<String>) -> Self {
        self.0.client_request_id = Some(id.into());
        self
    }

    /// Says more than the kind does, in a stable lower-case name, for example `"already_member"`.
    #[must_use]
    pub fn with_reason(mut self, reason: &'static str) -> Self {
        self.0.reason = Some(reason);
        self
    }

    /// Names the property that it is about, for example `userPrincipalName`.
    #[must_use]
    pub fn with_property(mut self, name: impl Into<String>) -> Self {
        self.0.property = Some(name.into());
        self
    }

    /// Records the HTTP status.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.0.status = Some(status);
        self
    }

    /// Records the service's own error code, for example `Request_ResourceNotFound`.
    #[must_use]
    pub fn with_code(mut self, code: impl Into<String>) -> Self {
        self.0.code = Some(code.into());
        self
    }

    /// Keeps what the service answered, up to 64 KiB, for programs alone: it may hold personal data, and stands neither
    /// in `Display` nor in `Debug`.
    #[must_use]
    pub fn with_body(mut self, body: &[u8]) -> Self {
        self.0.body = (body.len() <= LONGEST_BODY).then(|| body.into());
        self
    }

    /// Attaches the cause, kept out of `Display`.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into().into());
        self
    }

    /// The same error under another kind: for a caller that knows more than the raiser did.
    #[must_use]
    pub fn with_kind(mut self, kind: ErrorKind) -> Self {
        self.0.kind = kind;
        self
    }

    /// What kind of failure it was.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Whether, and when, to try again.
    pub fn retry(&self) -> Retry {
        self.0.retry
    }

    /// The operation that failed, where known.
    pub fn operation(&self) -> Option<&str> {
        self.0.operation.as_deref()
    }

    /// The service's request id, where there was an answer.
    pub fn request_id(&self) -> Option<&str> {
        self.0.request_id.as_deref()
    }

    /// The id that the request was sent with, where one was sent: the service finds it in its logs by both ids.
    pub fn client_request_id(&self) -> Option<&str> {
        self.0.client_request_id.as_deref()
    }

    /// What the kind leaves open, in a stable lower-case name, where the raiser knew.
    pub fn reason(&self) -> Option<&'static str> {
        self.0.reason
    }

    /// The property that it is about, where the service named one.
    pub fn property(&self) -> Option<&str> {
        self.0.property.as_deref()
    }

    /// The HTTP status, where there was an answer.
    pub fn status(&self) -> Option<u16> {
        self.0.status
    }

    /// The service's own error code.
    pub fn code(&self) -> Option<&str> {
        self.0.code.as_deref()
    }

    /// The body of the service's answer, where it was kept. Never log it: it may hold personal data.
    pub fn body(&self) -> Option<&[u8]> {
        self.0.body.as_deref()
    }

    /// The message alone, without operation and code.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The message and all its causes, joined by `: `, for a terminal or a log line.
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut cause = self.source();
        while let Some(next) = cause {
            text.push_str(": ");
            text.push_str(&next.to_string());
            cause = next.source();
        }
        text
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(operation) = &self.0.operation {
            write!(f, "{operation}: ")?;
        }
        f.write_str(&self.0.message)?;
        let status = self.0.status.map(|status| status.to_string());
        let answer: Vec<&str> = status.iter().chain(&self.0.code).map(String::as_str).collect();
        let ids = [
            ("request-id", &self.0.request_id),
            ("client-request-id", &self.0.client_request_id),
        ];
        let ids = ids
            .iter()
            .filter_map(|(name, id)| Some(format!("{name} {}", id.as_ref()?)));
        let mut facts: Vec<String> = [answer.join(" ")].into_iter().chain(ids).collect();
        facts.retain(|fact| !fact.is_empty());
        if facts.is_empty() {
            return Ok(());
        }
        write!(f, " ({})", facts.join(", "))
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.0.kind)
            .field("message", &self.0.message)
            .field("retry", &self.0.retry)
            .field("operation", &self.0.operation)
            .field("request_id", &self.0.request_id)
            .field("client_request_id", &self.0.client_request_id)
            .field("reason", &self.0.reason)
            .field("property", &self.0.property)
            .field("status", &self.0.status)
            .field("code", &self.0.code)
            .field("source", &self.0.source)
            .finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match &self.0.source {
            Some(source) => Some(source.as_ref()),
            None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_is_one_clause_and_the_chain_prints_causes_once() {
        let error = Error::new(ErrorKind::Unavailable, "the service did not answer")
            .with_operation("create user")
            .with_status(503)
            .with_source(std::io::Error::other("connection reset"));
        assert_eq!(error.to_string(), "create user: the service did not answer (503)");
        assert_eq!(
            error.chain(),
            "create user: the service did not answer (503): connection reset"
        );
        assert_eq!(error.retry(), Retry::After(None));
        let error = error
            .with_code("serviceNotAvailable")
            .with_request_id("r-1")
            .with_client_request_id("c-1");
        assert_eq!(
            error.to_string(),
            "create user: the service did not answer (503 serviceNotAvailable, request-id r-1, client-request-id c-1)"
        );
        let unsent = Error::new(ErrorKind::Invalid, "no").with_client_request_id("c-1");
        assert_eq!(unsent.to_string(), "no (client-request-id c-1)");
    }

    #[test]
    fn a_clone_says_the_same_and_an_answer_is_printed_nowhere() {
        let error = Error::new(ErrorKind::Denied, "no")
            .with_body(b"ada@contoso.example")
            .with_source(std::io::Error::other("reset"));
        let clone = error.clone();
        assert_eq!(clone.chain(), error.chain());
        assert_eq!(clone.body(), Some(&b"ada@contoso.example"[..]));
        let printed = format!("{clone} {clone:?} {}", clone.chain());
        assert!(
            !printed.contains("ada") && !printed.contains("97, 100, 97"),
            "{printed}"
        );
    }

    #[test]
    fn is_send_sync_and_small() {
        fn assert<T: Send + Sync>() {}
        assert::<Error>();
        assert_eq!(size_of::<Error>(), size_of::<usize>());
    }
}
