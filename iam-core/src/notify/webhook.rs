//! [`Webhook`]: notices as signed events for programs.
//!
//! The body is a CloudEvent (specification 1.0, structured JSON). It is signed as Standard Webhooks 1.0 describes: the
//! headers `webhook-id`, `webhook-timestamp` (seconds since 1970) and `webhook-signature`, `v1,` and the base64 of
//! HMAC-SHA256 over `id.timestamp.body`. A receiver checks them with [`verify`], and drops an id that it has seen.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use sha2::Sha256;

use super::{Message, Notifier};
use crate::clock::{SharedClock, SystemClock};
use crate::error::{Error, ErrorKind, Result};
use crate::http::{Method, Request, Transport};
use crate::plan::IdempotencyKey;
use crate::secret::Secret;

const OPERATION: &str = "post webhook";
/// The shortest secret, in bytes: Standard Webhooks asks for 24 to 64.
const SHORTEST: usize = 24;
/// How old, or how far ahead, a timestamp may be.
const TOLERANCE: SignedDuration = SignedDuration::from_mins(5);

/// Posts every notice to one URL. Says who it is about by the worker id, and neither names nor addresses, unless
/// [`with_text`](Self::with_text) adds the words. Passes are never posted. `Debug` prints neither URL nor secret: URLs of
/// webhooks often are secrets.
#[derive(Clone)]
pub struct Webhook {
    transport: Arc<dyn Transport>,
    url: String,
    source: String,
    secret: Secret,
    text: bool,
    clock: SharedClock,
}

impl Webhook {
    /// Posts to `url` (https, or http on the loopback) as the CloudEvents source `source`, a URI such as
    /// `https://iam.contoso.example`. The secret is that of the receiver: text of at least 24 bytes, or `whsec_` and base64.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) for another URL, and for a secret that is too short.
    pub fn new(
        transport: Arc<dyn Transport>,
        url: impl Into<String>,
        source: impl Into<String>,
        secret: Secret,
    ) -> Result<Self> {
        let url = url.into();
        let parsed = url::Url::parse(&url).ok();
        let fits = parsed.is_some_and(|url| {
            let loopback = matches!(url.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"));
            url.scheme() == "https" || url.scheme() == "http" && loopback
        });
        if !fits {
            let message = "the URL of a webhook must be https (or http on the loopback)";
            return Err(Error::new(ErrorKind::Invalid, message).with_operation(OPERATION));
        }
        mac(&secret)?;
        Ok(Self {
            transport,
            url,
            source: source.into(),
            secret,
            text: false,
            clock: Arc::new(SystemClock),
        })
    }

    /// The same with subject and text of the notice in the event: they name the person.
    #[must_use]
    pub fn with_text(mut self) -> Self {
        self.text = true;
        self
    }

    /// The clock of the timestamps (the machine's).
    #[must_use]
    pub fn clock(mut self, clock: SharedClock) -> Self {
        self.clock = clock;
        self
    }
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook")
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Notifier for Webhook {
    /// # Errors
    /// [`Unavailable`](ErrorKind::Unavailable) when the receiver answers 429 or 5xx, [`Denied`](ErrorKind::Denied) for any
    /// other refusal; [`Invalid`](ErrorKind::Invalid) for a message that carries a pass; the transport's.
    async fn notify(&self, message: &Message, key: &IdempotencyKey) -> Result<()> {
        if message.carries_pass() {
            let text = "passes go by mail alone, and into no webhook";
            return Err(Error::new(ErrorKind::Invalid, text).with_operation(OPERATION));
        }
        let now = self.clock.now();
        let notice = message.notice.as_str();
        let mut data = json!({ "notice": notice, "person": message.person.as_str() });
        if self.text {
            data["subject"] = message.subject.as_str().into();
            data["text"] = message.text().expose().into();
        }
        let event = json!({
            "specversion": "1.0", "id": key.as_str(), "source": self.source,
            "type": format!("iam-platform.notice.{notice}"), "subject": message.person.as_str(),
            "time": now.to_string(), "datacontenttype": "application/json", "data": data,
        });
        self.post(key.as_str(), &event).await
    }
}

impl Webhook {
    /// The CloudEvents source that it posts as.
    pub(crate) fn source(&self) -> &str {
        &self.source
    }

    /// Posts a CloudEvent, signed.
    pub(crate) async fn post(&self, id: &str, event: &serde_json::Value) -> Result<()> {
        let (body, seconds) = (event.to_string(), self.clock.now().as_second().to_string());
        let signed = signature(&self.secret, id, &seconds, body.as_bytes())?;
        let mut request = Request::new(Method::Post, &self.url, OPERATION)
            .header("content-type", "application/cloudevents+json; charset=utf-8")
            .header("webhook-id", id)
            .header("webhook-timestamp", seconds)
            .header("webhook-signature", signed);
        request.body = Some(body.into_bytes());
        // Sent as it is: a span of the pipeline would name the URL's path.
        let status = self.transport.send(request).await?.status;
        let kind = match status {
            200..=299 => return Ok(()),
            429 | 500..=599 => ErrorKind::Unavailable,
            _ => ErrorKind::Denied,
        };
        let text = format!("the receiver of the webhook answered {status}");
        Err(Error::new(kind, text)
            .with_operation(OPERATION)
            .with_status(status))
    }
}

fn mac(secret: &Secret) -> Result<Hmac<Sha256>> {
    let invalid = |text: &str| Error::new(ErrorKind::Invalid, text.to_owned()).with_operation(OPERATION);
    let text = secret.expose();
    let key = match text.strip_prefix("whsec_") {
        Some(encoded) => STANDARD
            .decode(encoded)
            .map_err(|_| invalid("the secret behind whsec_ is not base64"))?,
        None => text.as_bytes().to_vec(),
    };
    if key.len() < SHORTEST {
        return Err(invalid("the secret of a webhook needs at least 24 bytes"));
    }
    Hmac::<Sha256>::new_from_slice(&key).map_err(|_| invalid("the secret cannot be used"))
}

pub(crate) fn signature(secret: &Secret, id: &str, seconds: &str, body: &[u8]) -> Result<String> {
    let mut mac = mac(secret)?;
    for part in [id.as_bytes(), b".", seconds.as_bytes(), b".", body] {
        mac.update(part);
    }
    Ok(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
}

/// For receivers: whether a request is from somebody who knows the secret, and not older than five minutes. `id`,
/// `timestamp` and `signature` are the headers `webhook-id`, `webhook-timestamp` and `webhook-signature`; `body` is the
/// body byte by byte. Compares in constant time; of several signatures one suffices, so that secrets can be rolled.
///
/// # Errors
/// [`Unauthenticated`](ErrorKind::Unauthenticated), without saying which; [`Invalid`](ErrorKind::Invalid) for a secret that
/// is too short.
pub fn verify(
    secret: &Secret,
    id: &str,
    timestamp: &str,
    signature: &str,
    body: &[u8],
    now: Timestamp,
) -> Result<()> {
    let refused = || Error::new(ErrorKind::Unauthenticated, "the webhook's signature is not good");
    let sent = timestamp
        .parse()
        .ok()
        .and_then(|seconds| Timestamp::from_second(seconds).ok());
    if sent.is_none_or(|sent| now.duration_since(sent).abs() > TOLERANCE) {
        return Err(refused());
    }
    let mut mac = mac(secret)?;
    for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
        mac.update(part);
    }
    let given = signature
        .split(' ')
        .filter_map(|one| STANDARD.decode(one.strip_prefix("v1,")?).ok());
    let mut good = false;
    for one in given {
        good |= mac.clone().verify_slice(&one).is_ok();
    }
    good.then_some(()).ok_or_else(refused)
}
