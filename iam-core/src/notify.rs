//! The port [`Notifier`]: tells people what happened, at most once.

use std::fmt::{self, Debug};

use async_trait::async_trait;

use crate::error::Result;
use crate::plan::IdempotencyKey;

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
