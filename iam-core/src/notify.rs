//! The port [`Notifier`]: tells people what happened, at most once.

use std::fmt::{self, Debug};

use async_trait::async_trait;
use jiff::Timestamp;

use crate::error::Result;
use crate::person::{Person, PersonKey, Recipient};
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

/// The message of a notice; `None` when none of the recipients has an address.
pub fn compose(
    notice: Notice,
    person: Option<&Person>,
    addressees: &Addressees,
    to: &[Recipient],
) -> Option<Message> {
    let mut mailboxes: Vec<String> = to
        .iter()
        .filter_map(|who| addressees.of(*who))
        .map(str::to_owned)
        .collect();
    mailboxes.sort();
    mailboxes.dedup();
    if mailboxes.is_empty() {
        return None;
    }
    let person = person?;
    let given = person.preferred_name.as_ref().or(person.given_name.as_ref());
    let names: Vec<&str> = [given, person.family_name.as_ref()]
        .into_iter()
        .flatten()
        .map(String::as_str)
        .collect();
    let name = names.join(" ");
    let id = &person.key;
    let account = addressees
        .person
        .as_deref()
        .map_or(String::new(), |account| format!(" ({account})"));
    let (subject, body) = match notice {
        Notice::Joined => (
            format!("{name} can sign in"),
            format!("The account of {name}{account}, worker {id}, is ready and open for sign-in."),
        ),
        Notice::Moved => (
            format!("The access of {name} has changed"),
            format!(
                "HR changed the record of {name}{account}, worker {id}. The account and its access follow it now."
            ),
        ),
        Notice::Pass => (
            format!("The temporary access pass of {name}"),
            format!(
                "{name}, worker {id}, signs in as{account} for the first time with this temporary access pass:\n\n\
                 {PASS}\n\n\
                 It is good for one sign-in within {{minutes}} minutes from {{starts}} on. Give it to {name} in person, \
                 and to nobody else. Should another message like this come, only the newest pass is good."
            ),
        ),
        Notice::Left => (
            format!("{name} has left"),
            format!(
                "Sign-in of {name}{account}, worker {id}, is blocked, and the access has been taken away."
            ),
        ),
    };
    Some(Message::new(notice, id.clone(), mailboxes, subject, body))
}
