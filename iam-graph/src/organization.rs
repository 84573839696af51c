//! The tenant about itself.
//!
//! Source: Microsoft Learn, "organization resource type", "List organization".

use iam_core::http::Request;
use iam_core::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::client::{GraphClient, Root};
use crate::users::or_empty;

/// The tenant. Fields unknown here are in [`other`](Self::other).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
#[non_exhaustive]
pub struct Organization {
    /// The tenant id.
    pub id: String,
    pub display_name: Option<String>,
    /// `AAD`, `AAD B2C` or `CIAM`.
    pub tenant_type: Option<String>,
    /// ISO 3166-1 alpha-2.
    pub country_letter_code: Option<String>,
    /// ISO 3166-1 alpha-2: what group-based licensing takes where a user has no usage location.
    pub default_usage_location: Option<String>,
    /// Whether accounts come from another directory.
    pub on_premises_sync_enabled: Option<bool>,
    /// RFC 3339, UTC.
    pub on_premises_last_sync_date_time: Option<String>,
    #[serde(deserialize_with = "or_empty")]
    pub verified_domains: Vec<VerifiedDomain>,
    /// The service plans of every product that was bought.
    #[serde(deserialize_with = "or_empty")]
    pub assigned_plans: Vec<AssignedPlan>,
    /// Everything else.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// A domain as the organization shows it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
#[non_exhaustive]
pub struct VerifiedDomain {
    pub name: String,
    pub is_default: Option<bool>,
    /// The one that ends in `onmicrosoft.com`.
    pub is_initial: Option<bool>,
    /// Everything else.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// A service plan that the tenant has.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
#[non_exhaustive]
pub struct AssignedPlan {
    pub service_plan_id: String,
    /// `exchange`, `SharePoint` and so on.
    pub service: Option<String>,
    /// `Enabled`, `Warning`, `Suspended`, `Deleted` or `LockedOut`.
    pub capability_status: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl Root {
    fn organization(&self) -> Request {
        self.get("/organization", "get organization")
    }
}

impl GraphClient {
    /// The tenant that the client's tokens are for.
    pub async fn organization(&self) -> Result<Organization> {
        let found: Vec<Organization> = self.all(self.root.organization()).await?;
        found.into_iter().next().ok_or_else(|| {
            let message = "Graph names no organization: check the endpoint";
            Error::new(ErrorKind::Protocol, message).with_operation("get organization")
        })
    }
}
