//! Resource groups: list, get, create.
//!
//! Source: Microsoft Learn, "Resource Groups - List", "- Get", "- Create Or Update".

use std::collections::BTreeMap;

use iam_core::Result;
use iam_core::http::{Method, Request};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::client::{ArmClient, Root};
use crate::odata::{query, segment};

const VERSION: &str = "2025-04-01";

/// A resource group.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
#[non_exhaustive]
pub struct ResourceGroup {
    /// `/subscriptions/<id>/resourceGroups/<name>`: a scope.
    pub id: String,
    pub name: String,
    pub location: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<BTreeMap<String, Option<String>>>,
    pub properties: ResourceGroupProperties,
    /// Everything else.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// The state of a resource group.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct ResourceGroupProperties {
    /// `Succeeded`, `Deleting` and so on.
    pub provisioning_state: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl Root {
    pub(crate) fn list_resource_groups(&self, subscription: &str) -> Request {
        let path = format!("/subscriptions/{}/resourcegroups", segment(subscription));
        self.get(&query(&path, VERSION, None), "list resource groups")
    }

    pub(crate) fn resource_group(&self, subscription: &str, name: &str) -> Request {
        self.get(&one(subscription, name), "get resource group")
    }

    pub(crate) fn put_resource_group(
        &self,
        subscription: &str,
        name: &str,
        location: &str,
        tags: &BTreeMap<String, String>,
    ) -> Result<Request> {
        self.request(Method::Put, &one(subscription, name), "create resource group")
            .json(&json!({ "location": location, "tags": tags }))
    }
}

fn one(subscription: &str, name: &str) -> String {
    let path = format!(
        "/subscriptions/{}/resourcegroups/{}",
        segment(subscription),
        segment(name)
    );
    query(&path, VERSION, None)
}

impl ArmClient {
    /// The resource groups of a subscription (its id, a GUID).
    pub async fn list_resource_groups(&self, subscription: &str) -> Result<Vec<ResourceGroup>> {
        self.all(self.root.list_resource_groups(subscription)).await
    }

    /// One resource group by its name.
    ///
    /// # Errors
    /// [`NotFound`](iam_core::ErrorKind::NotFound) when there is none.
    pub async fn resource_group(&self, subscription: &str, name: &str) -> Result<ResourceGroup> {
        self.fetch(self.root.resource_group(subscription, name)).await
    }

    /// Creates the resource group, or replaces the tags of the one that exists. Repeating is harmless.
    ///
    /// # Errors
    /// [`Conflict`](iam_core::ErrorKind::Conflict) while a group of that name is being deleted, or when it
    /// exists in another location.
    pub async fn create_or_update_resource_group(
        &self,
        subscription: &str,
        name: &str,
        location: &str,
        tags: &BTreeMap<String, String>,
    ) -> Result<ResourceGroup> {
        let request = self.root.put_resource_group(subscription, name, location, tags)?;
        self.fetch(request).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::tests::{check, root};

    #[test]
    fn requests_are_as_documented() {
        let groups = "/subscriptions/s1/resourcegroups";
        let version = "?api-version=2025-04-01";
        let list = format!("{groups}{version}");
        check(root().list_resource_groups("s1"), "GET", &list, Value::Null);
        let one = format!("{groups}/a%20b{version}");
        check(root().resource_group("s1", "a b"), "GET", &one, Value::Null);
        let tags = BTreeMap::from([("owner".to_owned(), "siem".to_owned())]);
        check(
            root()
                .put_resource_group("s1", "a b", "westeurope", &tags)
                .unwrap(),
            "PUT",
            &one,
            json!({"location": "westeurope", "tags": {"owner": "siem"}}),
        );
    }
}
