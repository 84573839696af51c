//! Subscriptions: what the credential can see.
//!
//! Source: Microsoft Learn, "Subscriptions - List" and "Subscriptions - Get".

use iam_core::Result;
use iam_core::http::Request;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::client::{ArmClient, Root};
use crate::odata::{query, segment};

const VERSION: &str = "2022-12-01";

/// A subscription.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
#[non_exhaustive]
pub struct Subscription {
    /// `/subscriptions/<id>`.
    pub id: String,
    pub subscription_id: String,
    pub tenant_id: Option<String>,
    pub display_name: String,
    /// `Enabled`, `Warned`, `PastDue`, `Disabled` or `Deleted`.
    pub state: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl Root {
    pub(crate) fn list_subscriptions(&self) -> Request {
        self.get(&query("/subscriptions", VERSION, None), "list subscriptions")
    }

    pub(crate) fn subscription(&self, id: &str) -> Request {
        let path = format!("/subscriptions/{}", segment(id));
        self.get(&query(&path, VERSION, None), "get subscription")
    }
}

impl ArmClient {
    /// The subscriptions that the credential can see.
    pub async fn list_subscriptions(&self) -> Result<Vec<Subscription>> {
        self.all(self.root.list_subscriptions()).await
    }

    /// One subscription by its id (a GUID).
    ///
    /// # Errors
    /// [`NotFound`](iam_core::ErrorKind::NotFound) when it does not exist or is in another tenant.
    pub async fn subscription(&self, id: &str) -> Result<Subscription> {
        self.fetch(self.root.subscription(id)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::tests::{check, root};

    #[test]
    fn requests_are_as_documented() {
        let path = "/subscriptions?api-version=2022-12-01";
        check(root().list_subscriptions(), "GET", path, Value::Null);
        let path = "/subscriptions/s1?api-version=2022-12-01";
        check(root().subscription("s1"), "GET", path, Value::Null);
    }
}
