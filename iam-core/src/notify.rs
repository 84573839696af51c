//! The port [`Notifier`]: tells people what happened, at most once.

use std::fmt::{self, Debug};

use async_trait::async_trait;

use crate::error::Result;
use crate::person::{Person, Recipient};
use crate::plan::{IdempotencyKey, Notice};

/// One message to one or more addresses. `Debug` prints no content.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    /// Mail addresses.
    pub to: Vec<String>,
    /// Subject, one line.
    pub subject: String,
    /// Plain text.
    pub body: String,
}

impl Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("recipients", &self.to.len())
            .finish()
    }
}

/// Sends messages. Nothing can be read back, so the engine calls it at most once for each key.
#[async_trait]
pub trait Notifier: Debug + Send + Sync {
    /// Sends; returning means that the service has accepted it.
    async fn notify(&self, message: &Message, key: &IdempotencyKey) -> Result<()>;
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
        Notice::Left => (
            format!("{name} has left"),
            format!(
                "Sign-in of {name}{account}, worker {id}, is blocked, and the access has been taken away."
            ),
        ),
    };
    Some(Message {
        to: mailboxes,
        subject,
        body,
    })
}
