//! What a mailbox does by itself with what comes in: the rules of its inbox.
//!
//! Source: Microsoft Learn, "messageRule resource type", "messageRuleActions resource type", "List rules", "Create rule",
//! "Delete messageRule".

use std::fmt;

use iam_core::Result;
use iam_core::http::{Method, Request};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::client::{GraphClient, Root};
use crate::odata::segment;

/// A rule of an inbox. `Debug` prints the id alone.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
#[non_exhaustive]
pub struct MessageRule {
    pub id: String,
    pub display_name: Option<String>,
    pub is_enabled: Option<bool>,
    /// Whether it is in an error state.
    pub has_error: Option<bool>,
    /// What it does: `redirectTo`, `forwardTo` and so on.
    pub actions: Map<String, Value>,
    /// Everything else, conditions and exceptions among it.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl MessageRule {
    /// The addresses that messages are redirected to.
    pub fn redirects_to(&self) -> Vec<&str> {
        let to = self.actions.get("redirectTo").and_then(Value::as_array);
        to.into_iter()
            .flatten()
            .filter_map(|to| to.pointer("/emailAddress/address")?.as_str())
            .collect()
    }
}

impl fmt::Debug for MessageRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MessageRule({})", self.id)
    }
}

fn below(user: &str) -> String {
    format!("/users/{}/mailFolders/inbox/messageRules", segment(user))
}

impl Root {
    fn message_rules(&self, user: &str) -> Request {
        self.get(&below(user), "list message rules")
    }

    fn redirect_messages(&self, user: &str, name: &str, address: &str) -> Result<Request> {
        let body = json!({
            "displayName": name, "sequence": 1, "isEnabled": true,
            "actions": { "redirectTo": [{ "emailAddress": { "address": address } }] },
        });
        self.request(Method::Post, &below(user), "create message rule")
            .json(&body)
    }

    fn delete_message_rule(&self, user: &str, rule: &str) -> Request {
        let path = format!("{}/{}", below(user), segment(rule));
        self.request(Method::Delete, &path, "delete message rule")
    }
}

impl GraphClient {
    /// The rules of a user's inbox.
    ///
    /// # Errors
    /// [`NotFound`](iam_core::ErrorKind::NotFound) with the code [`NO_MAILBOX`](crate::mailbox::NO_MAILBOX) where there
    /// is no mailbox.
    pub async fn message_rules(&self, user: &str) -> Result<Vec<MessageRule>> {
        self.all(self.root.message_rules(user)).await
    }

    /// Makes a rule by that name, which sends every message on to an address, with its sender kept.
    ///
    /// # Errors
    /// As [`message_rules`](Self::message_rules); [`OutcomeUnknown`](iam_core::ErrorKind::OutcomeUnknown) after a lost
    /// answer: look whether it is there. Exchange sends nothing on to outside addresses where the outbound spam policy
    /// forbids it, and says so to nobody here.
    pub async fn redirect_messages(&self, user: &str, name: &str, address: &str) -> Result<MessageRule> {
        self.fetch(self.root.redirect_messages(user, name, address)?)
            .await
    }

    /// Takes a rule away.
    ///
    /// # Errors
    /// [`NotFound`](iam_core::ErrorKind::NotFound) when there is none.
    pub async fn delete_message_rule(&self, user: &str, rule: &str) -> Result<()> {
        self.send(self.root.delete_message_rule(user, rule))
            .await
            .map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::tests::{check, root};

    #[test]
    fn requests_are_as_documented() {
        let path = "/users/a%40x/mailFolders/inbox/messageRules";
        check(root().message_rules("a@x"), "GET", path, Value::Null);
        let body = json!({
            "displayName": "on", "sequence": 1, "isEnabled": true,
            "actions": { "redirectTo": [{ "emailAddress": { "address": "m@x.example" } }] },
        });
        let request = root().redirect_messages("a@x", "on", "m@x.example").unwrap();
        assert!(!request.idempotent, "twice would be two rules");
        check(request, "POST", path, body);
        let path = "/users/u/mailFolders/inbox/messageRules/r%2F1";
        check(
            root().delete_message_rule("u", "r/1"),
            "DELETE",
            path,
            Value::Null,
        );
    }

    #[test]
    fn debug_keeps_addresses_out() {
        let rule = json!({"id": "r1", "actions": {"redirectTo": [{"emailAddress": {"address": "m@x.example"}}]}, "new": 1});
        let rule: MessageRule = serde_json::from_value(rule).unwrap();
        assert_eq!(rule.redirects_to(), ["m@x.example"]);
        assert_eq!(rule.other["new"], 1);
        assert_eq!(format!("{rule:?}"), "MessageRule(r1)");
    }
}
