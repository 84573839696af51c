//! The logs: what was done in the directory, who signed in, what provisioning did. They are read, never written;
//! entries appear minutes after what they tell of.
//!
//! Source: Microsoft Learn, "directoryAudit resource type", "signIn resource type", "provisioningObjectSummary resource
//! type". Reports have a limit of their own: 5 requests in 10 s.

use iam_core::Result;
use iam_core::http::Request;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::client::{GraphClient, Root};
use crate::listing::Listing;
use crate::odata::segment;
use crate::query::{Filter, Query};
use crate::users::{or_empty, prints_only};

/// One activity in the directory. `Debug` prints id and activity alone.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
#[non_exhaustive]
pub struct DirectoryAudit {
    pub id: String,
    /// RFC 3339, UTC.
    pub activity_date_time: Option<String>,
    /// `Add user`, `Update user`, `Add member to group` and so on.
    pub activity_display_name: Option<String>,
    /// `UserManagement`, `GroupManagement`, `RoleManagement` and so on.
    pub category: Option<String>,
    /// The `client-request-id` of the request that did it, where a request did.
    pub correlation_id: Option<String>,
    /// Who did it: an application or a user.
    pub initiated_by: Option<AuditInitiator>,
    /// `Core Directory` and so on.
    pub logged_by_service: Option<String>,
    /// `Add`, `Assign`, `Update`, `Unassign`, `Delete`.
    pub operation_type: Option<String>,
    /// `success`, `failure` or `timeout`.
    pub result: Option<String>,
    pub result_reason: Option<String>,
    /// What it was done to.
    #[serde(deserialize_with = "or_empty")]
    pub target_resources: Vec<TargetResource>,
    /// Everything else.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// Who did something: one of the two is there.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct AuditInitiator {
    /// An application.
    pub app: Option<AppIdentity>,
    /// A user.
    pub user: Option<UserIdentity>,
    /// Everything else.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// An application that did something.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
#[non_exhaustive]
pub struct AppIdentity {
    pub app_id: Option<String>,
    pub display_name: Option<String>,
    pub service_principal_id: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// A user who did something. `Debug` prints the id alone.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
#[non_exhaustive]
pub struct UserIdentity {
    pub id: Option<String>,
    pub display_name: Option<String>,
    pub user_principal_name: Option<String>,
    pub ip_address: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// What an activity was done to. `Debug` prints id and type alone.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
#[non_exhaustive]
pub struct TargetResource {
    pub id: Option<String>,
    pub display_name: Option<String>,
    /// `User`, `Group`, `Role` and so on.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    pub user_principal_name: Option<String>,
    #[serde(deserialize_with = "or_empty")]
    pub modified_properties: Vec<ModifiedProperty>,
    /// Everything else.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// One property before and after. `Debug` prints its name alone.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct ModifiedProperty {
    /// The property. In directory audits the directory's own name, for example `AccountEnabled`.
    pub display_name: Option<String>,
    /// In directory audits JSON as text, for example `[true]`.
    pub old_value: Option<String>,
    /// As [`old_value`](Self::old_value).
    pub new_value: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// One sign-in of a user. `Debug` prints the id alone.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
#[non_exhaustive]
pub struct SignIn {
    pub id: String,
    /// RFC 3339, UTC.
    pub created_date_time: Option<String>,
    pub user_id: Option<String>,
    pub user_principal_name: Option<String>,
    pub user_display_name: Option<String>,
    pub app_id: Option<String>,
    pub app_display_name: Option<String>,
    pub ip_address: Option<String>,
    pub is_interactive: Option<bool>,
    pub resource_display_name: Option<String>,
    pub conditional_access_status: Option<String>,
    pub correlation_id: Option<String>,
    pub status: Option<SignInStatus>,
    /// Everything else, risk, device and location among it.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// How a sign-in ended.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct SignInStatus {
    /// 0 for success, otherwise the number behind `AADSTS`.
    pub error_code: i64,
    /// Why it failed.
    pub failure_reason: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// What provisioning did to one record. `Debug` prints id, action and status alone.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
#[non_exhaustive]
pub struct ProvisioningEntry {
    pub id: String,
    /// RFC 3339, UTC.
    pub activity_date_time: Option<String>,
    pub job_id: Option<String>,
    pub cycle_id: Option<String>,
    pub change_id: Option<String>,
    /// `create`, `update`, `disable`, `delete`, `stagedDelete` or `other`.
    pub provisioning_action: Option<String>,
    pub provisioning_status_info: Option<ProvisioningStatus>,
    #[serde(deserialize_with = "or_empty")]
    pub modified_properties: Vec<ModifiedProperty>,
    /// The record.
    pub source_identity: Option<ProvisionedIdentity>,
    /// The object that it became.
    pub target_identity: Option<ProvisionedIdentity>,
    /// Everything else, the steps among it.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// How one record fared.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct ProvisioningStatus {
    /// `success`, `failure`, `skipped` or `warning`.
    pub status: Option<String>,
    /// What went wrong, or why nothing was done.
    pub error_information: Option<ProvisioningError>,
    /// Everything else.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// What went wrong with one record. `Debug` prints the code alone: the reason may quote values.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
#[non_exhaustive]
pub struct ProvisioningError {
    pub error_code: Option<String>,
    pub reason: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// One end of provisioning. `Debug` prints the id alone.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
#[non_exhaustive]
pub struct ProvisionedIdentity {
    pub id: Option<String>,
    pub display_name: Option<String>,
    pub identity_type: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// A log: its segment below `/auditLogs`, and what reading it is called.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LogKind(&'static str, &'static str);

pub(crate) const DIRECTORY: LogKind = LogKind("directoryAudits", "read directory audits");
pub(crate) const SIGN_INS: LogKind = LogKind("signIns", "read sign-ins");
pub(crate) const PROVISIONING: LogKind = LogKind("provisioning", "read provisioning log");

impl Root {
    pub(crate) fn log(&self, log: LogKind, query: Query) -> Result<Request> {
        self.list(&format!("/auditLogs/{}", log.0), &query.or_default(""), log.1)
    }

    pub(crate) fn log_entry(&self, log: LogKind, id: &str) -> Request {
        self.get(&format!("/auditLogs/{}/{}", log.0, segment(id)), log.1)
    }
}

impl GraphClient {
    /// Activities in the directory, the newest first; all that are kept without a filter, for example
    /// `activityDateTime ge 2026-11-01T00:00:00Z and targetResources/any(t:t/id eq '…')`.
    pub async fn directory_audits(&self, filter: Option<&Filter>) -> Result<Vec<DirectoryAudit>> {
        self.stream_directory_audits(of(filter))?.all().await
    }

    /// The same, page by page.
    ///
    /// # Errors
    /// [`Invalid`](iam_core::ErrorKind::Invalid) for a query that Graph would refuse.
    pub fn stream_directory_audits(&self, query: Query) -> Result<Listing<DirectoryAudit>> {
        Ok(self.listing(self.root.log(DIRECTORY, query)?))
    }

    /// One activity.
    ///
    /// # Errors
    /// [`NotFound`](iam_core::ErrorKind::NotFound), also once it is older than 30 days.
    pub async fn directory_audit(&self, id: &str) -> Result<DirectoryAudit> {
        self.fetch(self.root.log_entry(DIRECTORY, id)).await
    }

    /// Sign-ins of users, the newest first, for example `userPrincipalName eq '…' and createdDateTime ge …`.
    ///
    /// # Errors
    /// [`Denied`](iam_core::ErrorKind::Denied) without Entra ID P1 too.
    pub async fn sign_ins(&self, filter: Option<&Filter>) -> Result<Vec<SignIn>> {
        self.stream_sign_ins(of(filter))?.all().await
    }

    /// The same, page by page.
    ///
    /// # Errors
    /// [`Invalid`](iam_core::ErrorKind::Invalid) for a query that Graph would refuse.
    pub fn stream_sign_ins(&self, query: Query) -> Result<Listing<SignIn>> {
        Ok(self.listing(self.root.log(SIGN_INS, query)?))
    }

    /// One sign-in.
    ///
    /// # Errors
    /// [`NotFound`](iam_core::ErrorKind::NotFound), also once it is older than 30 days.
    pub async fn sign_in(&self, id: &str) -> Result<SignIn> {
        self.fetch(self.root.log_entry(SIGN_INS, id)).await
    }

    /// What provisioning jobs did, the newest first, for example `jobId eq '…' and activityDateTime gt …`.
    pub async fn provisioning_log(&self, filter: Option<&Filter>) -> Result<Vec<ProvisioningEntry>> {
        self.stream_provisioning_log(of(filter))?.all().await
    }

    /// The same, page by page.
    ///
    /// # Errors
    /// [`Invalid`](iam_core::ErrorKind::Invalid) for a query that Graph would refuse.
    pub fn stream_provisioning_log(&self, query: Query) -> Result<Listing<ProvisioningEntry>> {
        Ok(self.listing(self.root.log(PROVISIONING, query)?))
    }
}

fn of(filter: Option<&Filter>) -> Query {
    filter.map_or_else(Query::new, |filter| Query::new().filter(filter.clone()))
}

prints_only! {
    DirectoryAudit: id, activity_display_name;
    UserIdentity: id;
    TargetResource: id, kind;
    ModifiedProperty: display_name;
    SignIn: id;
    ProvisioningEntry: id, provisioning_action, provisioning_status_info;
    ProvisioningError: error_code;
    ProvisionedIdentity: id;
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::client::tests::{check, root};

    #[test]
    fn requests_are_as_documented() {
        let since = "2026-11-01T00:00:00Z".parse::<jiff::Timestamp>().unwrap();
        let filter = Filter::ge("activityDateTime", since);
        let path =
            "/auditLogs/directoryAudits?$top=999&$filter=activityDateTime%20ge%202026-11-01T00%3A00%3A00Z";
        check(
            root().log(DIRECTORY, of(Some(&filter))).unwrap(),
            "GET",
            path,
            Value::Null,
        );
        check(
            root().log(SIGN_INS, of(None)).unwrap(),
            "GET",
            "/auditLogs/signIns?$top=999",
            Value::Null,
        );
        let path = "/auditLogs/provisioning/a%2Fb";
        check(root().log_entry(PROVISIONING, "a/b"), "GET", path, Value::Null);
    }

    #[test]
    fn unknown_fields_survive_and_debug_names_nobody() {
        let text = json!({
            "id": "1", "activityDisplayName": "Update user", "additionalDetails": [{ "key": "k", "value": "v" }],
            "targetResources": [{ "id": "u1", "displayName": "Ada", "type": "User", "modifiedProperties": null }],
            "initiatedBy": { "app": null, "user": { "id": "u2", "userPrincipalName": "ada@x.example" } },
        });
        let audit: DirectoryAudit = serde_json::from_value(text).unwrap();
        assert_eq!(audit.other["additionalDetails"][0]["key"], "k");
        let shown = format!("{audit:?} {:?} {:?}", audit.target_resources, audit.initiated_by);
        assert!(
            shown.contains("Update user") && !shown.contains("ada@") && !shown.contains("Ada"),
            "{shown}"
        );
    }
}
