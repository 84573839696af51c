//! [`GraphMail`]: notices as mail from one mailbox of the tenant.
//!
//! Mail cannot be read back by a key, so a request is never repeated after it may have been accepted
//! (effect class D). Source: Microsoft Learn, "user: sendMail".

use async_trait::async_trait;
use iam_core::http::{Method, Request};
use iam_core::notify::{Message, Notifier};
use iam_core::plan::IdempotencyKey;
use iam_core::{Error, ErrorKind, Result};
use serde_json::{Value, json};

use crate::client::{GraphClient, Root};
use crate::odata::segment;

/// Sends notices from one mailbox. Needs the application permission Mail.Send, which an application access
/// policy in Exchange should restrict to that mailbox.
#[derive(Debug, Clone)]
pub struct GraphMail {
    client: GraphClient,
    from: String,
}

impl GraphMail {
    /// Sends from the mailbox `from`, a user principal name or object id.
    pub fn new(client: GraphClient, from: &str) -> Self {
        Self {
            client,
            from: from.to_owned(),
        }
    }
}

#[async_trait]
impl Notifier for GraphMail {
    /// # Errors
    /// [`ErrorKind::OutcomeUnknown`] when the answer was lost: the mail may or may not have been sent.
    /// [`ErrorKind::Invalid`] without a recipient.
    async fn notify(&self, message: &Message, _key: &IdempotencyKey) -> Result<()> {
        self.client
            .send(self.client.root.send_mail(&self.from, message)?)
            .await
            .map(drop)
    }

    /// A mail goes to the mailboxes that it names, and no copy of it is kept among those sent.
    fn takes_passes(&self) -> bool {
        true
    }
}

impl Root {
    fn send_mail(&self, from: &str, message: &Message) -> Result<Request> {
        let request = self.request(
            Method::Post,
            &format!("/users/{}/sendMail", segment(from)),
            "send mail",
        );
        if message.to.is_empty() {
            return Err(
                Error::new(ErrorKind::Invalid, "a message needs a recipient").with_operation("send mail")
            );
        }
        let to: Vec<Value> = message
            .to
            .iter()
            .map(|to| json!({ "emailAddress": { "address": to } }))
            .collect();
        request.json(&json!({
            "message": {
                "subject": message.subject,
                "body": { "contentType": "Text", "content": message.text().expose() },
                "toRecipients": to,
            },
            "saveToSentItems": false,
        }))
    }
}

#[cfg(test)]
mod tests {
    use iam_core::person::PersonKey;
    use iam_core::plan::Notice;

    use super::*;
    use crate::client::tests::{check, root};

    #[test]
    fn requests_are_as_documented() {
        let to = vec!["a@x.example".to_owned()];
        let mut message = Message::new(Notice::Joined, PersonKey::new("W-1"), to, "Hi", "Text");
        let request = root().send_mail("hr@x.example", &message).unwrap();
        assert!(!request.idempotent);
        let body = json!({
            "message": {
                "subject": "Hi",
                "body": {"contentType": "Text", "content": "Text"},
                "toRecipients": [{"emailAddress": {"address": "a@x.example"}}],
            },
            "saveToSentItems": false,
        });
        check(request, "POST", "/users/hr%40x.example/sendMail", body);
        message.to.clear();
        assert_eq!(
            root().send_mail("x", &message).unwrap_err().kind(),
            ErrorKind::Invalid
        );
    }
}
