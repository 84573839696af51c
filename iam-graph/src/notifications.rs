//! The receiving side of [`subscriptions`](crate::subscriptions): what stands in a request to the notification URL, and
//! whether it comes from Graph.
//!
//! A web handler gives query and body to [`Receiver::receive`] and answers at once: the echo with 200 as `text/plain`, or
//! 202 for notifications, also for those that turn out wrong. Only then it works.
//!
//! Invariants: a notification with another client state is never given out; resource data is decrypted only with proof
//! that Graph sent it, and only after its signature was found good. Source: Microsoft Learn, "Receive change
//! notifications through webhooks", "Set up change notifications that include resource data", "Reduce missing change
//! notifications and removed subscriptions".

mod decrypt;
mod origin;

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use iam_core::{Error, ErrorKind, Result, Secret};
use jiff::Timestamp;
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::users::prints_only;

pub use decrypt::DecryptionKey;
pub use origin::{Proof, SigningKeys};

/// The longest token that is echoed.
const LONGEST_TOKEN: usize = 4_096;

/// Reads what arrives at a notification URL.
#[derive(Debug)]
pub struct Receiver {
    client_states: Vec<Secret>,
    keys: Vec<DecryptionKey>,
}

/// What arrived.
#[derive(Debug)]
#[non_exhaustive]
pub enum Incoming {
    /// Graph asks whether the URL is yours: answer 200 with this text as `text/plain`, and nothing else.
    Handshake(String),
    /// Answer 202, then work.
    Notifications(Notifications),
}

/// One delivery.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Notifications {
    /// What has changed.
    pub changes: Vec<ChangeNotification>,
    /// What became of subscriptions.
    pub lifecycle: Vec<LifecycleNotification>,
    /// How many were left out because their client state is not yours: somebody else sent them.
    pub rejected: usize,
    validation_tokens: Vec<String>,
}

/// One change. `Debug` shows what changed and where, no data.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct ChangeNotification {
    /// The subscription that it belongs to.
    pub subscription_id: String,
    /// When that ends.
    pub subscription_expiration_date_time: Option<Timestamp>,
    /// `created`, `updated` or `deleted`.
    pub change_type: String,
    /// The path of what has changed, below the service root.
    pub resource: String,
    /// Id and type of what has changed; of a group also `members@delta`.
    pub resource_data: Option<ResourceData>,
    /// The tenant.
    pub tenant_id: String,
    encrypted_content: Option<EncryptedContent>,
    client_state: Option<String>,
    lifecycle_event: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// What a basic notification says of the changed object. `Debug` prints the id alone.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct ResourceData {
    /// The object's id.
    pub id: String,
    /// `#Microsoft.Graph.User` and so on.
    #[serde(rename = "@odata.type")]
    pub odata_type: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// The changed object itself, sealed.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct EncryptedContent {
    data: String,
    data_signature: String,
    data_key: String,
    encryption_certificate_id: String,
}

/// What became of a subscription.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct LifecycleNotification {
    /// Which subscription.
    pub subscription_id: String,
    /// The tenant.
    pub tenant_id: String,
    /// What happened.
    pub event: LifecycleEvent,
}

/// What can happen to a subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum LifecycleEvent {
    /// Renew or reauthorize it, or notifications will stop.
    ReauthorizationRequired,
    /// It is gone: create it again, then look for what was missed by a delta query.
    SubscriptionRemoved,
    /// Notifications were lost: look for what was missed by a delta query.
    Missed,
    /// A word that is not known here.
    Other(String),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Collection {
    value: Vec<ChangeNotification>,
    #[serde(default)]
    validation_tokens: Option<Vec<String>>,
}

impl Receiver {
    /// A receiver of the subscriptions with that client state.
    pub fn new(client_state: Secret) -> Self {
        Self {
            client_states: vec![client_state],
            keys: Vec::new(),
        }
    }

    /// Takes another client state too: while subscriptions move from an old one to a new one.
    #[must_use]
    pub fn client_state(mut self, client_state: Secret) -> Self {
        self.client_states.push(client_state);
        self
    }

    /// Adds the private key of a certificate that subscriptions name. While keys are rotated both are needed.
    #[must_use]
    pub fn key(mut self, key: DecryptionKey) -> Self {
        self.keys.push(key);
        self
    }

    /// Reads one request: its query string, without the question mark, and its body.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] for what is neither a handshake nor a list of notifications. Nothing of it is repeated.
    pub fn receive(&self, query: &str, body: &[u8]) -> Result<Incoming> {
        if let Some(token) = handshake(query) {
            if token.len() > LONGEST_TOKEN {
                return Err(wrong("the validation token is too long"));
            }
            return Ok(Incoming::Handshake(token));
        }
        let collection: Collection = serde_json::from_slice(body)
            .map_err(|_| wrong("the request is neither a handshake nor a list of notifications"))?;
        let mut out = Notifications {
            validation_tokens: collection.validation_tokens.unwrap_or_default(),
            ..Notifications::default()
        };
        for mut item in collection.value {
            let state = item.client_state.take().unwrap_or_default();
            if !self.knows(&state) {
                out.rejected += 1;
                continue;
            }
            match item.lifecycle_event.take() {
                Some(event) => out.lifecycle.push(LifecycleNotification {
                    subscription_id: item.subscription_id,
                    tenant_id: item.tenant_id,
                    event: LifecycleEvent::of(event),
                }),
                None => out.changes.push(item),
            }
        }
        Ok(Incoming::Notifications(out))
    }

    /// Every state is compared, in a time that says nothing about them.
    fn knows(&self, state: &str) -> bool {
        self.client_states.iter().fold(false, |known, mine| {
            let same = verify_slices_are_equal(mine.expose().as_bytes(), state.as_bytes()).is_ok();
            known | same
        })
    }

    /// The changed object itself, where the subscription asked for it. `None` where the notification holds none.
    ///
    /// # Errors
    /// [`ErrorKind::Denied`] without proof for the notification's tenant, and when the signature is wrong: then nothing
    /// was decrypted. [`ErrorKind::NotFound`] when no [`key`](Self::key) has the certificate's id.
    /// [`ErrorKind::Invalid`] for what cannot be read.
    pub fn decrypt(&self, change: &ChangeNotification, proof: &Proof) -> Result<Option<Value>> {
        let Some(content) = &change.encrypted_content else {
            return Ok(None);
        };
        if !proof.covers(&change.tenant_id) {
            return Err(Error::new(
                ErrorKind::Denied,
                "there is no proof that Graph sent the notification",
            )
            .with_operation("decrypt notification"));
        }
        let id = &content.encryption_certificate_id;
        let key = self.keys.iter().find(|key| key.id() == id).ok_or_else(|| {
            Error::new(
                ErrorKind::NotFound,
                "no key is known for the notification's certificate",
            )
            .with_operation("decrypt notification")
        })?;
        key.open(content).map(Some)
    }
}

impl ChangeNotification {
    /// Whether the changed object itself is there, encrypted.
    pub fn has_resource_data(&self) -> bool {
        self.encrypted_content.is_some()
    }

    /// The id of what has changed.
    pub fn object_id(&self) -> Option<&str> {
        self.resource_data.as_ref().map(|data| data.id.as_str())
    }
}

impl LifecycleEvent {
    fn of(word: String) -> Self {
        match word.as_str() {
            "reauthorizationRequired" => Self::ReauthorizationRequired,
            "subscriptionRemoved" => Self::SubscriptionRemoved,
            "missed" => Self::Missed,
            _ => Self::Other(word),
        }
    }
}

/// The token of a handshake, decoded as a form is.
fn handshake(query: &str) -> Option<String> {
    let token = query
        .split('&')
        .find_map(|pair| pair.strip_prefix("validationToken="))?;
    let spaced = token.replace('+', " ");
    Some(percent_decode_str(&spaced).decode_utf8_lossy().into_owned())
}

fn wrong(what: &'static str) -> Error {
    Error::new(ErrorKind::Invalid, what).with_operation("read notifications")
}

prints_only! {
    ChangeNotification: change_type, resource;
}

impl fmt::Debug for ResourceData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ResourceData({})", self.id)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn receive(query: &str, body: &Value) -> Result<Incoming> {
        let receiver = Receiver::new("new".into()).client_state("old".into());
        receiver.receive(query, body.to_string().as_bytes())
    }

    #[test]
    fn a_handshake_is_echoed_as_it_was_meant() {
        let query = "tenant=1&validationToken=Validation%3a+Testing+%3Cb%3E+1%2B1";
        match receive(query, &Value::Null).unwrap() {
            Incoming::Handshake(token) => assert_eq!(token, "Validation: Testing <b> 1+1"),
            other => panic!("{other:?}"),
        }
        let long = format!("validationToken={}", "x".repeat(5_000));
        assert_eq!(
            receive(&long, &Value::Null).unwrap_err().kind(),
            ErrorKind::Invalid
        );
    }

    #[test]
    fn only_what_knows_the_client_state_gets_in() {
        let item =
            |state: Value| json!({ "subscriptionId": "s", "clientState": state, "changeType": "updated" });
        let life = json!({ "subscriptionId": "s", "clientState": "old", "tenantId": "t", "lifecycleEvent": "missed" });
        let odd = json!({ "clientState": "new", "lifecycleEvent": "celebrated" });
        let foreign = json!({ "clientState": "x", "lifecycleEvent": "missed" });
        let body = json!({ "value": [
            item(json!("new")), item(json!("old")), item(json!("ne")), item(json!("")), item(Value::Null), life, odd, foreign,
        ] });
        let Incoming::Notifications(found) = receive("", &body).unwrap() else {
            panic!()
        };
        assert_eq!((found.changes.len(), found.rejected), (2, 4));
        let events: Vec<&LifecycleEvent> = found.lifecycle.iter().map(|life| &life.event).collect();
        assert_eq!(
            events,
            [
                &LifecycleEvent::Missed,
                &LifecycleEvent::Other("celebrated".into())
            ]
        );
        // The state goes no further.
        assert!(!format!("{:?}", serde_json::to_value(&found.changes).unwrap()).contains("new"));
    }

    #[test]
    fn what_is_no_delivery_is_refused() {
        for body in [json!(null), json!({}), json!({ "value": 7 }), json!([1])] {
            assert_eq!(receive("", &body).unwrap_err().kind(), ErrorKind::Invalid);
        }
        let receiver = Receiver::new("s".into());
        assert!(receiver.receive("", b"not json").is_err());
    }
}
