//! [`CloudEvents`]: messages over HTTPS, as the CloudEvents specification 1.0 has them ("HTTP Protocol Binding", "JSON
//! Event Format", "HTTP 1.1 Web Hooks for Event Delivery").
//!
//! The envelope is read by structs of our own rather than by the crate `cloudevents-sdk`: it would bring a second
//! calendar library, names no attribute in its errors, and gives up a batch for one bad event.

mod door;
mod envelope;

use std::sync::Arc;

use self::door::{Door, Passed};
use self::envelope::batch;
pub(super) use self::envelope::{Malformed, binary, structured};
use crate::engine::{Accepted, Engine};
use crate::error::{Error, Result, Retry};
use crate::journal::Message;
use crate::secret::Secret;
use serde_json::json;

/// The longest body that is read, in bytes, unless somebody says otherwise: 1 MiB, what Event Grid sends at most.
const BODY_LIMIT: usize = 1 << 20;
/// After how many seconds a sender comes back when the journal is down and has no advice of its own.
const PATIENCE: u64 = 30;

/// What is to be answered.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Response {
    /// The status.
    pub status: u16,
    /// Names and values of the headers.
    pub headers: Vec<(&'static str, String)>,
    /// The body; empty where there is none.
    pub body: Vec<u8>,
}

impl Response {
    fn new(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// A problem (RFC 9457) that says what was expected.
    fn problem(status: u16, title: &str, detail: &str, attribute: Option<&str>) -> Self {
        let mut body = json!({ "title": title, "status": status, "detail": detail });
        if let Some(attribute) = attribute {
            body["attribute"] = attribute.into();
        }
        Self {
            body: body.to_string().into_bytes(),
            ..Self::new(status)
        }
        .header("content-type", "application/problem+json")
    }
}

/// Receives CloudEvents over HTTP for an [`Engine`], whatever the web framework: hand over what came, send back what is
/// answered.
///
/// Binary, structured and batched content; the validation handshake (`OPTIONS`) that Event Grid and others ask for.
///
/// | answer | when |
/// |---|---|
/// | 202 | every event is durable; the body counts what they said, and how many are dead letters |
/// | 200, 403 | the handshake, by [`origins`](Self::origins) |
/// | 400 | it is no CloudEvent: the body names the attribute. Nothing was kept |
/// | 401 | token or signature are not good |
/// | 405, 413, 415 | another method; a body over the [limit](Self::body_limit); neither CloudEvents nor a format that is read |
/// | 503 | the journal is down: nothing was acknowledged, `Retry-After` says when to come back |
///
/// An event of a batch that is no CloudEvent is a dead letter; the others count.
///
/// ```no_run
/// # async fn f(engine: std::sync::Arc<iam_core::engine::Engine>) {
/// use iam_core::Secret;
/// use iam_core::ingest::CloudEvents;
///
/// let door = CloudEvents::new(engine).bearer(Secret::new("what the sender was given"));
/// let headers = [("ce-specversion", "1.0"), ("ce-id", "1"), ("ce-source", "/hr"), ("ce-type", "iam-platform.hr.event"),
///     ("content-type", "application/json"), ("authorization", "Bearer what the sender was given")];
/// let answer = door.receive("POST", "/hr", headers, br#"{"person": "W-1", "kind": "leave", "urgent": true}"#).await;
/// assert_eq!(answer.status, 202);
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct CloudEvents {
    engine: Arc<Engine>,
    door: Door,
    limit: usize,
}

impl CloudEvents {
    /// Takes from everybody who reaches it: add [`bearer`](Self::bearer) or [`signed`](Self::signed), unless something
    /// in front of it asks for credentials.
    pub fn new(engine: Arc<Engine>) -> Self {
        Self {
            engine,
            door: Door::default(),
            limit: BODY_LIMIT,
        }
    }

    /// Asks for this token: in the header `Authorization: Bearer`, or as the query parameter `access_token`, which ends
    /// up in the logs of whatever stands in between.
    #[must_use]
    pub fn bearer(mut self, token: Secret) -> Self {
        self.door.token = Some(token);
        self
    }

    /// Asks for a signature, as [`notify::verify`](crate::notify::verify) checks it.
    #[must_use]
    pub fn signed(mut self, secret: Secret) -> Self {
        self.door.signature = Some(secret);
        self
    }

    /// Who may send (everybody): names as senders give them in `WebHook-Request-Origin`, such as `eventgrid.azure.net`.
    #[must_use]
    pub fn origins<S: Into<String>>(mut self, origins: impl IntoIterator<Item = S>) -> Self {
        self.door.origins = Some(origins.into_iter().map(Into::into).collect());
        self
    }

    /// The longest body that is taken, in bytes (1 MiB).
    #[must_use]
    pub fn body_limit(mut self, bytes: usize) -> Self {
        self.limit = bytes;
        self
    }

    /// How much of a body the web framework has to read: one byte more than is taken tells that it is too long.
    pub fn reads_at_most(&self) -> usize {
        self.limit.saturating_add(1)
    }

    /// Takes a request in. `target` is the path and query as they were sent.
    pub async fn receive<N: AsRef<str>, V: AsRef<[u8]>>(
        &self,
        method: &str,
        target: &str,
        headers: impl IntoIterator<Item = (N, V)>,
        body: &[u8],
    ) -> Response {
        let headers: Vec<(String, String)> = headers
            .into_iter()
            .map(|(name, value)| {
                let value = String::from_utf8_lossy(value.as_ref()).into_owned();
                (name.as_ref().to_ascii_lowercase(), value)
            })
            .collect();
        match method {
            "OPTIONS" => return self.door.handshake(&headers),
            "POST" => {}
            _ => {
                let detail = "events are delivered by POST";
                return Response::problem(405, "Method not allowed", detail, None)
                    .header("allow", "POST, OPTIONS");
            }
        }
        if body.len() > self.limit {
            let detail = format!("expected a body of at most {} bytes", self.limit);
            return Response::problem(413, "Content too large", &detail, None);
        }
        let passed = match self.door.pass(target, &headers, body, self.engine.now()) {
            Ok(passed) => passed,
            Err(refused) => return refused,
        };
        let answer = match self.taken(&headers, body).await {
            Ok(answer) => answer,
            Err(error) => unavailable(&error),
        };
        match passed {
            Passed::ByQuery => answer.header("cache-control", "private"),
            Passed::Otherwise => answer,
        }
    }

    async fn taken(&self, headers: &[(String, String)], body: &[u8]) -> Result<Response> {
        let kind = envelope::header(headers, "content-type").unwrap_or_default();
        let (media_type, charset) = envelope::media_type(kind);
        if charset.is_some_and(|charset| !charset.eq_ignore_ascii_case("utf-8")) {
            let detail = "expected the charset utf-8";
            return Ok(Response::problem(415, "Unsupported media type", detail, None));
        }
        let events = match media_type.as_str() {
            "application/cloudevents+json" => structured(body).map(|message| vec![Ok(message)]),
            "application/cloudevents-batch+json" => batch(body),
            other if !other.starts_with("application/cloudevents") && envelope::is_binary(headers) => {
                binary(headers, body).map(|message| vec![Ok(message)])
            }
            _ => {
                let detail = "expected the headers ce-id, ce-source, ce-specversion and ce-type, or \
                              application/cloudevents+json or application/cloudevents-batch+json";
                return Ok(Response::problem(415, "Unsupported media type", detail, None));
            }
        };
        match events {
            Ok(events) => self.accept(events).await,
            Err(Malformed {
                attribute, expected, ..
            }) => {
                let detail = format!("attribute {attribute}: {expected}");
                let attribute = Some(attribute.as_str());
                Ok(Response::problem(400, "Not a CloudEvent", &detail, attribute))
            }
        }
    }

    async fn accept(&self, events: Vec<std::result::Result<Message, Malformed>>) -> Result<Response> {
        let (mut good, mut bad) = (Vec::new(), Vec::new());
        for event in events {
            match event {
                Ok(message) => good.push(message),
                Err(malformed) => bad.push(malformed),
            }
        }
        let mut total = Accepted::default();
        let mut letters = bad.len();
        for taken in self.engine.receive(&good).await? {
            total += taken.accepted;
            letters += usize::from(taken.dead_letter.is_some());
        }
        for malformed in bad {
            let (message, reason) = malformed.letter();
            self.engine.bury_as_it_is(&message, &reason).await?;
        }
        let body = json!({
            "events": total.events, "unchanged": total.unchanged, "quarantined": total.quarantined,
            "dead_letters": letters,
        });
        let answer = Response {
            body: body.to_string().into_bytes(),
            ..Response::new(202)
        };
        Ok(answer.header("content-type", "application/json"))
    }
}

/// Nothing of it is acknowledged; what was accepted before the journal went down counts once.
fn unavailable(error: &Error) -> Response {
    tracing::warn!("messages could not be accepted: {}", error.chain());
    let after = match error.retry() {
        Retry::After(Some(after)) => after.as_secs().max(1),
        _ => PATIENCE,
    };
    let detail = "nothing was acknowledged: send it again";
    Response::problem(503, "Service unavailable", detail, None).header("retry-after", after.to_string())
}
