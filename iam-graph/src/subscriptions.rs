//! Subscriptions: Graph tells a URL of changes instead of being asked for them.
//!
//! What the URL gets is read by [`notifications`](crate::notifications). Source: Microsoft Learn, "subscription resource
//! type", "Create subscription", "Update subscription", "subscription: reauthorize".
//!
//! Users and groups tell `updated` for what is created, changed and deleted for now, and `deleted` for what is gone for
//! good. Notifications can be lost: a delta query from time to time finds what they left out.

use std::time::Duration;

use iam_core::http::{Method, Request};
use iam_core::{Result, Secret};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::client::{GraphClient, Root};
use crate::listing::Listing;
use crate::odata::segment;
use crate::query::Query;
use crate::users::prints_only;

/// A subscription as it stands. `Debug` shows neither URLs nor the client state.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
#[non_exhaustive]
pub struct Subscription {
    pub id: String,
    /// The path below the service root, as it was asked for.
    pub resource: String,
    /// `created`, `updated`, `deleted`, joined by commas.
    pub change_type: String,
    pub notification_url: Option<String>,
    pub lifecycle_notification_url: Option<String>,
    /// RFC 3339, UTC.
    pub expiration_date_time: Option<Timestamp>,
    pub application_id: Option<String>,
    pub include_resource_data: Option<bool>,
    pub encryption_certificate_id: Option<String>,
    /// Everything else, the client state among it.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// What a subscription is told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ChangeType {
    /// Something new; users and groups say [`Updated`](Self::Updated) unless this is asked for too.
    Created,
    /// Something changed; of users and groups also what can still be restored.
    Updated,
    /// Something is gone; of users and groups for good.
    Deleted,
}

impl ChangeType {
    /// The word that Graph uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Deleted => "deleted",
        }
    }
}

/// What a new subscription needs. `Debug` prints the resource alone.
#[derive(Clone)]
pub struct NewSubscription {
    resource: String,
    changes: Vec<ChangeType>,
    url: String,
    client_state: Secret,
    lifetime: Option<Duration>,
    lifecycle_url: Option<String>,
    encryption: Option<(String, String)>,
}

impl NewSubscription {
    /// Changes of a resource (`users`, `groups/{id}/members`) for an https URL. The client state, at most 128
    /// characters, comes back with every notification and proves that the sender knows it: make it at random.
    pub fn new(resource: &str, changes: &[ChangeType], url: &str, client_state: Secret) -> Self {
        Self {
            resource: resource.to_owned(),
            changes: changes.to_vec(),
            url: url.to_owned(),
            client_state,
            lifetime: None,
            lifecycle_url: None,
            encryption: None,
        }
    }

    /// How long it lives unless it is renewed (the longest that the resource allows).
    #[must_use]
    pub fn lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = Some(lifetime);
        self
    }

    /// The URL that is told of the subscription's own fate; it may be the same one.
    #[must_use]
    pub fn lifecycle_url(mut self, url: &str) -> Self {
        self.lifecycle_url = Some(url.to_owned());
        self
    }

    /// Asks for the changed resource itself, encrypted for the owner of a certificate (X.509 in base64; RSA, 2,048 to
    /// 4,096 bits). `id` is your name for it, at most 128 characters. Users and groups do not support it; a resource
    /// of Outlook needs a `$select`.
    #[must_use]
    pub fn encrypted_for(mut self, certificate: &str, id: &str) -> Self {
        self.encryption = Some((certificate.to_owned(), id.to_owned()));
        self
    }

    fn body(&self, now: Timestamp) -> Value {
        let changes: Vec<&str> = self.changes.iter().map(|change| change.as_str()).collect();
        let lifetime = self
            .lifetime
            .unwrap_or_else(|| longest(&self.resource, self.encryption.is_some()));
        let mut body = json!({
            "resource": self.resource,
            "changeType": changes.join(","),
            "notificationUrl": self.url,
            "clientState": self.client_state.expose(),
            "expirationDateTime": later(now, lifetime).to_string(),
        });
        if let Some(url) = &self.lifecycle_url {
            body["lifecycleNotificationUrl"] = url.as_str().into();
        }
        if let Some((certificate, id)) = &self.encryption {
            body["includeResourceData"] = true.into();
            body["encryptionCertificate"] = certificate.as_str().into();
            body["encryptionCertificateId"] = id.as_str().into();
        }
        body
    }
}

/// The longest that a subscription of a resource may live ("Maximum length of subscription per resource type"). For a
/// resource that is not known here an hour, which all allow.
pub fn longest(resource: &str, with_data: bool) -> Duration {
    let path = resource.split('?').next().unwrap_or_default();
    let segments: Vec<String> = path
        .split('/')
        .filter(|part| !part.is_empty())
        .map(str::to_ascii_lowercase)
        .collect();
    let has = |name: &str| segments.iter().any(|part| part == name);
    let minutes = match segments.first().map(String::as_str) {
        _ if has("messages") || has("events") || has("contacts") => {
            let outlook = segments
                .first()
                .is_some_and(|first| matches!(first.as_str(), "users" | "me"));
            match (outlook, with_data) {
                (false, _) => 60,
                (true, false) => 10_080,
                (true, true) => 1_440,
            }
        }
        Some("users" | "groups") if segments.len() <= 3 && !has("drive") && !has("chats") => 41_760,
        _ => 60,
    };
    Duration::from_secs(minutes * 60)
}

/// When a subscription should be renewed, and until when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Renewal {
    /// The time for it: a third of the longest lifetime before the end, so that several attempts may fail; now, when
    /// that is past.
    pub at: Timestamp,
    /// What to ask for: the longest lifetime from that time on, less a minute for clocks that differ.
    pub until: Timestamp,
}

impl Subscription {
    /// Advice on renewing it. A subscription without an end that can be read is renewed now.
    pub fn renewal(&self, now: Timestamp) -> Renewal {
        let longest = longest(&self.resource, self.include_resource_data == Some(true));
        let at = self
            .expiration_date_time
            .map_or(now, |end| earlier(end, longest / 3))
            .max(now);
        Renewal {
            at,
            until: earlier(later(at, longest), Duration::from_mins(1)),
        }
    }
}

fn later(at: Timestamp, by: Duration) -> Timestamp {
    let by = SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX);
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}

fn earlier(at: Timestamp, by: Duration) -> Timestamp {
    let by = SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX);
    at.checked_sub(by).unwrap_or(Timestamp::MIN)
}

impl Root {
    fn create_subscription(&self, new: &NewSubscription, now: Timestamp) -> Result<Request> {
        self.request(Method::Post, "/subscriptions", "create subscription")
            .json(&new.body(now))
    }

    fn subscription(&self, id: &str) -> Request {
        self.get(&format!("/subscriptions/{}", segment(id)), "get subscription")
    }

    fn list_subscriptions(&self, query: Query) -> Result<Request> {
        self.list("/subscriptions", &query.or_select(""), "list subscriptions")
    }

    fn renew_subscription(&self, id: &str, until: Timestamp) -> Result<Request> {
        let path = format!("/subscriptions/{}", segment(id));
        self.request(Method::Patch, &path, "renew subscription")
            .json(&json!({ "expirationDateTime": until.to_string() }))
    }

    fn reauthorize_subscription(&self, id: &str) -> Request {
        let path = format!("/subscriptions/{}/reauthorize", segment(id));
        self.request(Method::Post, &path, "reauthorize subscription")
            .idempotent(true)
    }

    fn delete_subscription(&self, id: &str) -> Request {
        let path = format!("/subscriptions/{}", segment(id));
        self.request(Method::Delete, &path, "delete subscription")
    }
}

impl GraphClient {
    /// Subscribes. While this call runs Graph asks the URLs for an echo, so they must be answering already. Not
    /// idempotent: after [`OutcomeUnknown`](iam_core::ErrorKind::OutcomeUnknown) look at
    /// [`list_subscriptions`](Self::list_subscriptions).
    ///
    /// # Errors
    /// [`Invalid`](iam_core::ErrorKind::Invalid) when a URL gives no echo within ten seconds, and for what the resource
    /// does not support.
    pub async fn create_subscription(&self, new: &NewSubscription) -> Result<Subscription> {
        let now = self.clock().now();
        self.fetch(self.root.create_subscription(new, now)?).await
    }

    /// One subscription.
    ///
    /// # Errors
    /// [`NotFound`](iam_core::ErrorKind::NotFound), also once it has run out.
    pub async fn subscription(&self, id: &str) -> Result<Subscription> {
        self.fetch(self.root.subscription(id)).await
    }

    /// The subscriptions of this application.
    pub async fn list_subscriptions(&self) -> Result<Vec<Subscription>> {
        self.stream_subscriptions(Query::new())?.all().await
    }

    /// The subscriptions of this application, page by page.
    ///
    /// # Errors
    /// [`Invalid`](iam_core::ErrorKind::Invalid) for a query that Graph would refuse.
    pub fn stream_subscriptions(&self, query: Query) -> Result<Listing<Subscription>> {
        Ok(self.listing(self.root.list_subscriptions(query)?))
    }

    /// Gives a subscription a new end, and authorizes it anew: see [`Subscription::renewal`].
    ///
    /// # Errors
    /// [`NotFound`](iam_core::ErrorKind::NotFound) once it has run out: create it again, then look for what was missed
    /// by a delta query. [`Invalid`](iam_core::ErrorKind::Invalid) beyond [`longest`].
    pub async fn renew_subscription(&self, id: &str, until: Timestamp) -> Result<Subscription> {
        self.fetch(self.root.renew_subscription(id, until)?).await
    }

    /// Authorizes a subscription anew and leaves its end: one answer to `reauthorizationRequired`.
    pub async fn reauthorize_subscription(&self, id: &str) -> Result<()> {
        self.send(self.root.reauthorize_subscription(id)).await.map(drop)
    }

    /// Ends a subscription.
    pub async fn delete_subscription(&self, id: &str) -> Result<()> {
        self.send(self.root.delete_subscription(id)).await.map(drop)
    }
}

prints_only! {
    Subscription: id, resource, expiration_date_time;
    NewSubscription: resource;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::tests::{check, root};

    #[test]
    fn requests_are_as_documented() {
        let now: Timestamp = "2026-12-01T00:00:00Z".parse().unwrap();
        let both = [ChangeType::Updated, ChangeType::Deleted];
        let new = NewSubscription::new("users", &both, "https://x.example/hook", "s".into());
        let mut body = json!({
            "resource": "users", "changeType": "updated,deleted", "notificationUrl": "https://x.example/hook",
            "clientState": "s", "expirationDateTime": "2026-12-30T00:00:00Z",
        });
        let request = root().create_subscription(&new, now).unwrap();
        assert!(!request.idempotent);
        check(request, "POST", "/subscriptions", body.clone());
        let rich = new
            .lifetime(Duration::from_hours(1))
            .lifecycle_url("https://x.example/life")
            .encrypted_for("MII", "key-1");
        assert_eq!(format!("{rich:?}"), "NewSubscription { resource: \"users\", .. }");
        for (name, value) in [
            ("expirationDateTime", json!("2026-12-01T01:00:00Z")),
            ("lifecycleNotificationUrl", json!("https://x.example/life")),
            ("includeResourceData", json!(true)),
            ("encryptionCertificate", json!("MII")),
            ("encryptionCertificateId", json!("key-1")),
        ] {
            body[name] = value;
        }
        check(
            root().create_subscription(&rich, now).unwrap(),
            "POST",
            "/subscriptions",
            body,
        );
        let until = json!({ "expirationDateTime": "2026-12-01T00:00:00Z" });
        check(
            root().renew_subscription("s/1", now).unwrap(),
            "PATCH",
            "/subscriptions/s%2F1",
            until,
        );
        check(
            root().reauthorize_subscription("s"),
            "POST",
            "/subscriptions/s/reauthorize",
            Value::Null,
        );
        check(
            root().delete_subscription("s"),
            "DELETE",
            "/subscriptions/s",
            Value::Null,
        );
        let all = root().list_subscriptions(Query::new()).unwrap();
        check(all, "GET", "/subscriptions", Value::Null);
    }

    #[test]
    fn each_resource_has_its_longest_life() {
        let check = |resource: &str, with_data: bool, minutes: u64| {
            assert_eq!(longest(resource, with_data).as_secs() / 60, minutes, "{resource}");
        };
        check("users", false, 41_760);
        check("/groups/7", false, 41_760);
        check("groups/7/members", false, 41_760);
        check("users/7/messages", false, 10_080);
        check("me/mailFolders('inbox')/messages?$select=subject", true, 1_440);
        check("chats/7/messages", true, 60);
        check("users/7/drive/root", false, 60);
        check("communications/presences/7", true, 60);
    }

    #[test]
    fn renewal_comes_before_the_end() {
        let now: Timestamp = "2026-12-01T00:00:00Z".parse().unwrap();
        let of = |end: Option<&str>| Subscription {
            resource: "users".into(),
            expiration_date_time: end.map(|end| end.parse().unwrap()),
            ..Subscription::default()
        };
        let advice = of(Some("2026-12-30T00:00:00Z")).renewal(now);
        assert_eq!(advice.at.to_string(), "2026-12-20T08:00:00Z");
        assert_eq!(advice.until.to_string(), "2027-01-18T07:59:00Z");
        for late in [Some("2026-12-02T00:00:00Z"), Some("2026-11-01T00:00:00Z"), None] {
            assert_eq!(of(late).renewal(now).at, now);
        }
    }
}
