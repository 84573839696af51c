//! Conditional access policies, to be read: they are Entra's, and nothing here changes them.
//!
//! Source: Microsoft Learn, "conditionalAccessPolicy resource type", "List policies".

use iam_core::Result;
use iam_core::http::Request;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::client::{GraphClient, Root};
use crate::listing::Listing;
use crate::odata::segment;
use crate::query::Query;
use crate::users::or_empty;

const POLICIES: &str = "/identity/conditionalAccess/policies";

/// When access is granted, and on which conditions. Fields unknown here are in [`other`](Self::other).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
#[non_exhaustive]
pub struct ConditionalAccessPolicy {
    pub id: String,
    pub display_name: String,
    /// `enabled`, `disabled` or `enabledForReportingButNotEnforced`.
    pub state: String,
    /// RFC 3339, UTC.
    pub created_date_time: Option<String>,
    /// RFC 3339, UTC.
    pub modified_date_time: Option<String>,
    pub conditions: Conditions,
    /// What is demanded; none where the policy only limits sessions.
    pub grant_controls: Option<GrantControls>,
    /// Everything else.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// Whom and what a policy is about.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
#[non_exhaustive]
pub struct Conditions {
    pub users: Option<ConditionUsers>,
    pub applications: Option<ConditionApplications>,
    /// `all`, `browser`, `mobileAppsAndDesktopClients`, `exchangeActiveSync`, `other`.
    #[serde(deserialize_with = "or_empty")]
    pub client_app_types: Vec<String>,
    /// Everything else: platforms, locations, risks.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// Whom a policy is about, by object ids, role template ids and the words `All`, `None`, `GuestsOrExternalUsers`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
#[non_exhaustive]
pub struct ConditionUsers {
    #[serde(deserialize_with = "or_empty")]
    pub include_users: Vec<String>,
    #[serde(deserialize_with = "or_empty")]
    pub exclude_users: Vec<String>,
    #[serde(deserialize_with = "or_empty")]
    pub include_groups: Vec<String>,
    #[serde(deserialize_with = "or_empty")]
    pub exclude_groups: Vec<String>,
    #[serde(deserialize_with = "or_empty")]
    pub include_roles: Vec<String>,
    #[serde(deserialize_with = "or_empty")]
    pub exclude_roles: Vec<String>,
    /// Everything else.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// Which applications a policy is about, by client ids and the words `All`, `None`, `Office365`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
#[non_exhaustive]
pub struct ConditionApplications {
    #[serde(deserialize_with = "or_empty")]
    pub include_applications: Vec<String>,
    #[serde(deserialize_with = "or_empty")]
    pub exclude_applications: Vec<String>,
    #[serde(deserialize_with = "or_empty")]
    pub include_user_actions: Vec<String>,
    /// Everything else.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// What is demanded before access is granted.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct GrantControls {
    /// `AND` or `OR` of the controls.
    pub operator: Option<String>,
    /// `block`, `mfa`, `compliantDevice`, `domainJoinedDevice`, `passwordChange` and so on.
    #[serde(deserialize_with = "or_empty")]
    pub built_in_controls: Vec<String>,
    /// Everything else: terms of use, authentication strength.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl ConditionalAccessPolicy {
    /// Whether it is enforced, and not only reported or switched off.
    pub fn is_enforced(&self) -> bool {
        self.state == "enabled"
    }

    /// Whether it demands multifactor authentication, by the built-in control or an authentication strength.
    pub fn demands_mfa(&self) -> bool {
        self.grant_controls.as_ref().is_some_and(|grant| {
            grant.built_in_controls.iter().any(|control| control == "mfa")
                || grant
                    .other
                    .get("authenticationStrength")
                    .is_some_and(|strength| !strength.is_null())
        })
    }
}

impl Root {
    fn list_conditional_access(&self, query: Query) -> Result<Request> {
        self.list(POLICIES, &query.or_select(""), "list conditional access policies")
    }

    fn conditional_access(&self, id: &str) -> Request {
        self.get(
            &format!("{POLICIES}/{}", segment(id)),
            "list conditional access policies",
        )
    }
}

impl GraphClient {
    /// The policies of the tenant, whatever their state.
    pub async fn list_conditional_access(&self) -> Result<Vec<ConditionalAccessPolicy>> {
        self.stream_conditional_access(Query::new())?.all().await
    }

    /// The policies that a query describes, page by page.
    ///
    /// # Errors
    /// [`Invalid`](iam_core::ErrorKind::Invalid) for a query that Graph would refuse.
    pub fn stream_conditional_access(&self, query: Query) -> Result<Listing<ConditionalAccessPolicy>> {
        Ok(self.listing(self.root.list_conditional_access(query)?))
    }

    /// One policy, by id.
    ///
    /// # Errors
    /// [`NotFound`](iam_core::ErrorKind::NotFound) when there is none.
    pub async fn conditional_access(&self, id: &str) -> Result<ConditionalAccessPolicy> {
        self.fetch(self.root.conditional_access(id)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn policies_say_what_they_demand() {
        let check = |state: &str, grant: Value, expect: (bool, bool)| {
            let policy = json!({"id": "1", "displayName": "x", "state": state, "grantControls": grant});
            let policy: ConditionalAccessPolicy = serde_json::from_value(policy).unwrap();
            assert_eq!((policy.is_enforced(), policy.demands_mfa()), expect);
        };
        check(
            "enabled",
            json!({"operator": "OR", "builtInControls": ["mfa"]}),
            (true, true),
        );
        check("enabled", json!({"builtInControls": ["block"]}), (true, false));
        check(
            "disabled",
            json!({"builtInControls": [], "authenticationStrength": {"id": "2"}}),
            (false, true),
        );
        check("enabledForReportingButNotEnforced", Value::Null, (false, false));
        check(
            "aStateOfTomorrow",
            json!({"authenticationStrength": null}),
            (false, false),
        );
    }
}
