//! The port [`Notifier`]: tells people what happened, at most once.

#[cfg(feature = "http")]
mod webhook;
mod words;

pub(crate) use crate::person::Words;
#[cfg(all(test, feature = "ingest"))]
pub(crate) use webhook::signature;
#[cfg(feature = "http")]
pub use webhook::{Webhook, verify};
#[cfg(feature = "engine")]
pub(crate) use words::alert;
pub use words::compose;

use std::fmt::{self, Debug};
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::error::{Error, ErrorKind, Result};
use crate::person::{PersonKey, Recipient};
use crate::plan::{IdempotencyKey, Notice};
use crate::secret::Secret;

/// What stands for the pass in a text until it is sent.
const PASS: &str = "{pass}";

/// One message to one or more addresses. `Debug` prints no content.
#[derive(Clone)]
#[non_exhaustive]
pub struct Message {
    /// Which notice it is.
    pub notice: Notice,
    /// Who it is about.
    pub person: PersonKey,
    /// Mail addresses.
    pub to: Vec<String>,
    /// Subject, one line. Never holds a pass.
    pub subject: String,
    /// Plain text. Where it is to hold a pass, `{pass}` stands in its place: see [`text`](Self::text).
    pub body: String,
    pass: Option<Secret>,
}

impl Message {
    /// A message without a pass.
    pub fn new(
        notice: Notice,
        person: PersonKey,
        to: Vec<String>,
        subject: impl Into<String>,
        body: impl Into<String>,
    ) -> Self {
        let (subject, body) = (subject.into(), body.into());
        Self {
            notice,
            person,
            to,
            subject,
            body,
            pass: None,
        }
    }

    /// The same with a temporary access pass, good from `starts_at` for so many minutes.
    #[must_use]
    pub fn with_pass(mut self, pass: Secret, starts_at: Timestamp, minutes: u32) -> Self {
        let starts_at = starts_at.strftime("%Y-%m-%d %H:%M UTC").to_string();
        self.body = self.body.replace("{starts}", &starts_at);
        self.body = self.body.replace("{minutes}", &minutes.to_string());
        self.pass = Some(pass);
        self
    }

    /// Whether it hands a pass over. Such a message goes by mail to those it names, and nowhere else.
    pub fn carries_pass(&self) -> bool {
        self.pass.is_some()
    }

    /// The text as it is sent, the pass in its place: for the one line that puts it on the wire.
    pub fn text(&self) -> Secret {
        match &self.pass {
            Some(pass) => Secret::new(self.body.replace(PASS, pass.expose())),
            None => Secret::new(self.body.as_str()),
        }
    }
}

impl Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("notice", &self.notice)
            .field("person", &self.person)
            .field("recipients", &self.to.len())
            .finish_non_exhaustive()
    }
}

/// Sends messages. Nothing can be read back, so the engine calls it at most once for each key.
#[async_trait]
pub trait Notifier: Debug + Send + Sync {
    /// Sends; returning means that the service has accepted it.
    async fn notify(&self, message: &Message, key: &IdempotencyKey) -> Result<()>;

    /// Whether it may be given messages that [carry a pass](Message::carries_pass): whether it brings them to the
    /// named people alone. It may not, unless it says so.
    fn takes_passes(&self) -> bool {
        false
    }
}

/// The addresses around one person, as far as they are known when a notice is sent. `Debug` prints none.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Addressees {
    /// The person's own.
    pub person: Option<String>,
    /// The manager's.
    pub manager: Option<String>,
    /// The mailbox of HR.
    pub hr: Option<String>,
    /// The person's private one, if HR has one that is not of the tenant.
    pub private: Option<String>,
}

impl Debug for Addressees {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Addressees").finish_non_exhaustive()
    }
}

impl Addressees {
    /// The address of one recipient.
    pub fn of(&self, recipient: Recipient) -> Option<&str> {
        match recipient {
            Recipient::Person => self.person.as_deref(),
            Recipient::Manager => self.manager.as_deref(),
            Recipient::Hr => self.hr.as_deref(),
            Recipient::Private => self.private.as_deref(),
        }
    }
}

/// Several notifiers as one: each is given every message, but those that carry a pass go to the ones alone that take
/// passes. One that fails keeps the others from nothing.
#[derive(Debug, Clone)]
pub struct Notifiers(Vec<Arc<dyn Notifier>>);

impl Notifiers {
    /// All of them, in order.
    pub fn new(notifiers: impl IntoIterator<Item = Arc<dyn Notifier>>) -> Self {
        Self(notifiers.into_iter().collect())
    }
}

#[async_trait]
impl Notifier for Notifiers {
    /// # Errors
    /// The first one's that failed; the others have been given the message.
    async fn notify(&self, message: &Message, key: &IdempotencyKey) -> Result<()> {
        let takers = self
            .0
            .iter()
            .filter(|notifier| !message.carries_pass() || notifier.takes_passes());
        let (mut failure, mut given) = (None, false);
        for notifier in takers {
            given = true;
            if let Err(error) = notifier.notify(message, key).await {
                failure = failure.or(Some(error));
            }
        }
        match failure {
            Some(error) => Err(error),
            None if given => Ok(()),
            None => Err(Error::new(ErrorKind::Invalid, "no notifier takes this message")),
        }
    }

    fn takes_passes(&self) -> bool {
        self.0.iter().any(|notifier| notifier.takes_passes())
    }
}

#[cfg(test)]
mod tests;
