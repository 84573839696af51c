//! Licences: what the tenant has bought, and who holds it.
//!
//! Source: Microsoft Learn, "subscribedSku resource type", "user: assignLicense", "licenseAssignmentState
//! resource type".

use iam_core::Result;
use iam_core::http::{Method, Request};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::client::{GraphClient, Root};
use crate::listing::Listing;
use crate::odata::segment;
use crate::query::Query;
use crate::users::{User, or_empty};

/// A product that the tenant has bought.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
#[non_exhaustive]
pub struct SubscribedSku {
    /// The id of the subscription in this tenant: `<tenant>_<SKU>`.
    pub id: String,
    pub sku_id: String,
    /// The name that scripts and policies use, for example `SPE_E5`.
    pub sku_part_number: String,
    /// Seats taken.
    pub consumed_units: u64,
    pub prepaid_units: LicenseUnits,
    /// `User` or `Company`; the latter cannot be assigned.
    pub applies_to: Option<String>,
    pub capability_status: Option<String>,
    /// What the product consists of.
    #[serde(deserialize_with = "or_empty")]
    pub service_plans: Vec<ServicePlan>,
    /// Everything else.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// One service of a product.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
#[non_exhaustive]
pub struct ServicePlan {
    pub service_plan_id: String,
    pub service_plan_name: String,
    /// `Success`, `PendingProvisioning`, `PendingActivation`, `PendingInput`, `Disabled` or `Error`.
    pub provisioning_status: Option<String>,
    /// `User` or `Company`; the latter is not switched off for one user.
    pub applies_to: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// Seats by state.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct LicenseUnits {
    /// Bought and usable.
    pub enabled: u64,
    /// Past their end, usable for a grace period.
    pub warning: u64,
    /// Cancelled.
    pub suspended: u64,
    /// Everything else.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// A licence that a user or a group holds, in whichever way.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct AssignedLicense {
    /// The product.
    pub sku_id: String,
    /// Everything else, the disabled plans among it.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// One way in which a user holds a licence.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct LicenseAssignmentState {
    /// The product.
    pub sku_id: String,
    /// The group that it comes from; `None` is a direct assignment.
    pub assigned_by_group: Option<String>,
    /// `Active`, `ActiveWithError`, `Disabled` or `Error`.
    pub state: Option<String>,
    /// `None` (the word), `CountViolation` and so on.
    pub error: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl Root {
    pub(crate) fn list_skus(&self, query: Query) -> Result<Request> {
        self.list("/subscribedSkus", &query.or_select(""), "list licences")
    }

    pub(crate) fn sku(&self, id: &str) -> Request {
        self.get(&format!("/subscribedSkus/{}", segment(id)), "list licences")
    }

    pub(crate) fn assign_license(&self, user: &str, add: &[&str], remove: &[&str]) -> Result<Request> {
        let path = format!("/users/{}/assignLicense", segment(user));
        let add: Vec<Value> = add
            .iter()
            .map(|sku| json!({ "skuId": sku, "disabledPlans": [] }))
            .collect();
        // Graph demands both lists. Repeating is harmless: the request names the state to reach.
        self.request(Method::Post, &path, "assign licence")
            .idempotent(true)
            .json(&json!({ "addLicenses": add, "removeLicenses": remove }))
    }
}

impl GraphClient {
    /// What the tenant has bought.
    ///
    /// Graph knows no pages of it, and few options beside `$select`.
    pub async fn list_skus(&self) -> Result<Vec<SubscribedSku>> {
        self.stream_skus(Query::new())?.all().await
    }

    /// The products that a query describes. Graph takes `$select` and little else.
    ///
    /// # Errors
    /// [`Invalid`](iam_core::ErrorKind::Invalid) for a query that Graph would refuse.
    pub fn stream_skus(&self, query: Query) -> Result<Listing<SubscribedSku>> {
        Ok(self.listing(self.root.list_skus(query)?))
    }

    /// One product that the tenant has bought, by the [`id`](SubscribedSku::id) of its subscription.
    ///
    /// # Errors
    /// [`NotFound`](iam_core::ErrorKind::NotFound) when there is none.
    pub async fn sku(&self, id: &str) -> Result<SubscribedSku> {
        self.fetch(self.root.sku(id)).await
    }

    /// Gives and takes licences by SKU id, all plans enabled.
    ///
    /// # Errors
    /// [`LicenseExhausted`](iam_core::ErrorKind::LicenseExhausted) without a free seat,
    /// [`Invalid`](iam_core::ErrorKind::Invalid) without a usage location,
    /// [`NotFound`](iam_core::ErrorKind::NotFound) when a licence to take is not held directly.
    pub async fn assign_license(&self, user: &str, add: &[&str], remove: &[&str]) -> Result<()> {
        self.send(self.root.assign_license(user, add, remove)?)
            .await
            .map(drop)
    }
}

impl User {
    /// How the user holds licences: `(SKU id, group it comes from)`. Failed group assignments are not held.
    pub fn licenses(&self) -> Vec<(&str, Option<&str>)> {
        let mut held: Vec<(&str, Option<&str>)> = self
            .license_assignment_states
            .iter()
            .filter(|state| state.state.as_deref() != Some("Error"))
            .map(|state| (state.sku_id.as_str(), state.assigned_by_group.as_deref()))
            .collect();
        for license in &self.assigned_licenses {
            if !held
                .iter()
                .any(|(sku, _)| sku.eq_ignore_ascii_case(&license.sku_id))
            {
                held.push((&license.sku_id, None));
            }
        }
        held
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::tests::{check, root};

    #[test]
    fn requests_are_as_documented() {
        let body = json!({"addLicenses": [{"skuId": "s1", "disabledPlans": []}], "removeLicenses": []});
        check(
            root().assign_license("u1", &["s1"], &[]).unwrap(),
            "POST",
            "/users/u1/assignLicense",
            body,
        );
        let body = json!({"addLicenses": [], "removeLicenses": ["s1"]});
        check(
            root().assign_license("u1", &[], &["s1"]).unwrap(),
            "POST",
            "/users/u1/assignLicense",
            body,
        );
        let skus = root().list_skus(Query::new()).unwrap();
        check(skus, "GET", "/subscribedSkus", Value::Null);
        check(root().sku("t_s"), "GET", "/subscribedSkus/t_s", Value::Null);
    }

    #[test]
    fn licences_are_held_directly_and_through_groups() {
        let user: User = serde_json::from_value(json!({
            "id": "u1",
            "assignedLicenses": [{"skuId": "a"}, {"skuId": "b"}, {"skuId": "c"}],
            "licenseAssignmentStates": [
                {"skuId": "a", "assignedByGroup": null, "state": "Active"},
                {"skuId": "a", "assignedByGroup": "g1", "state": "ActiveWithError"},
                {"skuId": "b", "assignedByGroup": "g1", "state": "Active"},
                {"skuId": "d", "assignedByGroup": "g2", "state": "Error", "error": "CountViolation"},
            ],
        }))
        .unwrap();
        assert_eq!(
            user.licenses(),
            [("a", None), ("a", Some("g1")), ("b", Some("g1")), ("c", None)]
        );
    }
}
