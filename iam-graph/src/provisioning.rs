//! API-driven inbound provisioning: people go to Entra as SCIM records, and Entra decides whether an account is
//! created, changed, enabled or disabled.
//!
//! Source: Microsoft Learn, "Perform bulkUpload", "API-driven inbound provisioning concepts", "Troubleshoot inbound
//! provisioning API issues". A request holds up to 50 records, 40 requests go in five seconds, 6,000 in a day. It is
//! accepted at once and worked off later; what became of each record stands in the provisioning log.
//!
//! Invariants: every record says `active`, since one without it disables the account; no two records of a request
//! have one `bulkId`, and no person is on the way twice; a value that HR did not send is left out, and clears nothing.

mod admission;
mod run;

use std::fmt;
use std::time::Duration;

use iam_core::http::{Method, Request};
use iam_core::person::{Person, PersonKey};
use iam_core::{Error, ErrorKind, Result};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::audit_logs::ProvisioningEntry;
use crate::client::{GraphClient, Root};
use crate::listing::Listing;
use crate::odata::segment;
use crate::query::{Filter, Query};

pub(crate) use admission::Admission;
pub use run::{Outcome, Status, Upload};

/// How many records a request may hold.
pub const MOST: usize = 50;
/// 40 requests in five seconds.
const PACE: Duration = Duration::from_millis(125);

const BULK: &str = "urn:ietf:params:scim:api:messages:2.0:BulkRequest";
const CORE: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// One person as a record. `Debug` prints the key alone.
#[derive(Clone, PartialEq)]
pub struct BulkUser {
    key: PersonKey,
    active: bool,
    data: Map<String, Value>,
}

impl BulkUser {
    /// A person with the name to sign in with, the name that others see, and whether sign-in is allowed.
    ///
    /// The person's key is the `externalId`, which Entra compares with `employeeId`; the manager is named by key too.
    /// HR's mail address is usually private and is not sent.
    pub fn of(person: &Person, user_name: &str, display_name: &str, active: bool) -> Self {
        let filled = |pairs: &[(&str, &Option<String>)]| -> Map<String, Value> {
            let pairs = pairs.iter().filter_map(|(name, value)| {
                let value = value.as_deref().filter(|text| !text.is_empty())?;
                Some(((*name).to_owned(), Value::from(value)))
            });
            pairs.collect()
        };
        let key = person.key.as_str();
        let mut data = filled(&[
            ("title", &person.job_title),
            ("userType", &person.worker_type),
            ("timezone", &person.time_zone),
        ]);
        let mut set = |name: &str, value: Value| data.insert(name.to_owned(), value);
        set("schemas", json!([CORE, ENTERPRISE]));
        set("externalId", key.into());
        set("userName", user_name.into());
        set("displayName", display_name.into());
        set("active", active.into());
        let name = filled(&[
            ("givenName", &person.given_name),
            ("middleName", &person.middle_name),
            ("familyName", &person.family_name),
        ]);
        if !name.is_empty() {
            set("name", name.into());
        }
        let mut address = filled(&[("locality", &person.location), ("country", &person.country)]);
        if !address.is_empty() {
            address.insert("type".to_owned(), "work".into());
            address.insert("primary".to_owned(), true.into());
            set("addresses", json!([address]));
        }
        let mut enterprise = filled(&[
            ("department", &person.department),
            ("costCenter", &person.cost_center),
            ("organization", &person.company),
        ]);
        enterprise.insert("employeeNumber".to_owned(), key.into());
        if let Some(manager) = &person.manager_id {
            enterprise.insert("manager".to_owned(), json!({ "value": manager.as_str() }));
        }
        set(ENTERPRISE, enterprise.into());
        Self {
            key: person.key.clone(),
            active,
            data,
        }
    }

    /// Adds attributes of a schema of the tenant's own, for example `urn:contoso:employee` with `HireDate`. They must
    /// stand in the provisioning application's schema and mapping.
    #[must_use]
    pub fn extension(mut self, urn: &str, attributes: Map<String, Value>) -> Self {
        if let Some(Value::Array(schemas)) = self.data.get_mut("schemas")
            && !schemas.iter().any(|known| known == urn)
        {
            schemas.push(urn.into());
        }
        self.data.insert(urn.to_owned(), attributes.into());
        self
    }

    /// Sets one attribute of the core schema, for example `preferredLanguage`. `active`, `externalId` and `schemas`
    /// cannot be set over.
    #[must_use]
    pub fn set(mut self, attribute: &str, value: impl Into<Value>) -> Self {
        if !matches!(attribute, "active" | "externalId" | "schemas") {
            self.data.insert(attribute.to_owned(), value.into());
        }
        self
    }

    /// The name to sign in with.
    pub fn name(&self) -> &str {
        self.data
            .get("userName")
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    /// Whose record it is.
    pub fn key(&self) -> &PersonKey {
        &self.key
    }

    /// Whether sign-in is allowed.
    pub fn active(&self) -> bool {
        self.active
    }
}

impl fmt::Debug for BulkUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BulkUser({})", self.key)
    }
}

/// The provisioning job of an application, by the object id of its service principal and the job's id
/// (`API2AAD.….…`): both stand in the portal as the provisioning API endpoint.
#[derive(Debug, Clone)]
pub struct ProvisioningJob {
    pub(crate) client: GraphClient,
    principal: String,
    pub(crate) id: String,
}

/// How a job is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct SynchronizationJob {
    /// The job's id.
    pub id: String,
    /// What kind of job it is.
    pub template_id: Option<String>,
    /// Its state.
    pub status: SynchronizationStatus,
    /// Everything else.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// The state of a job.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct SynchronizationStatus {
    /// `Active`, `Paused`, `Quarantine` and so on. A paused job takes records and does nothing.
    pub code: Option<String>,
    /// Everything else, the last run among it.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl Root {
    fn job(&self, principal: &str, job: &str) -> Request {
        let path = format!(
            "/servicePrincipals/{}/synchronization/jobs/{}",
            segment(principal),
            segment(job)
        );
        self.get(&path, "get provisioning job")
    }

    fn bulk_upload(&self, principal: &str, job: &str, users: &[BulkUser]) -> Result<Request> {
        let path = format!(
            "/servicePrincipals/{}/synchronization/jobs/{}/bulkUpload",
            segment(principal),
            segment(job)
        );
        let operations: Vec<Value> = users
            .iter()
            .map(|user| json!({ "method": "POST", "bulkId": user.key.as_str(), "path": "/Users", "data": user.data }))
            .collect();
        let body = json!({ "schemas": [BULK], "Operations": operations, "failOnErrors": null });
        let mut request = self.request(Method::Post, &path, "upload people").json(&body)?;
        request.headers.retain(|(name, _)| name != "content-type");
        // A record says how an account is to be: sent twice, it finds it so.
        Ok(request
            .header("content-type", "application/scim+json")
            .idempotent(true))
    }
}

impl GraphClient {
    /// The provisioning job that takes people.
    pub fn provisioning_job(&self, principal: &str, job: &str) -> ProvisioningJob {
        ProvisioningJob {
            client: self.clone(),
            principal: principal.to_owned(),
            id: job.to_owned(),
        }
    }
}

impl ProvisioningJob {
    /// How the job is.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound) when the principal or its job is not there.
    pub async fn status(&self) -> Result<SynchronizationJob> {
        self.client
            .fetch(self.client.root.job(&self.principal, &self.id))
            .await
    }

    /// Sends one request. It is accepted, not carried out: [`run`](Self::run) follows up.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) before anything is sent for no user, more than [`MOST`], or one person twice;
    /// afterwards when Entra refuses the document. [`Throttled`](ErrorKind::Throttled) beyond 40 requests in five
    /// seconds and 6,000 in a day.
    pub async fn upload(&self, users: &[BulkUser]) -> Result<()> {
        self.accepted(users).await.map(drop)
    }

    /// What the log tells of this job since then, by the service's clock.
    fn entries(&self, since: Timestamp) -> Result<Listing<ProvisioningEntry>> {
        // The log knows `gt` and no `ge`.
        let before = since.checked_sub(SignedDuration::from_millis(1)).unwrap_or(since);
        let filter = Filter::eq("jobId", &self.id).and(Filter::gt("activityDateTime", before));
        self.client.stream_provisioning_log(Query::new().filter(filter))
    }

    /// The same; gives the answer.
    async fn accepted(&self, users: &[BulkUser]) -> Result<iam_core::http::Response> {
        let wrong = |what: String| Err(Error::new(ErrorKind::Invalid, what).with_operation("upload people"));
        if users.is_empty() || users.len() > MOST {
            return wrong(format!("a request holds 1 to {MOST} people, not {}", users.len()));
        }
        for (place, user) in users.iter().enumerate() {
            if user.key.as_str().is_empty() {
                return wrong("a person without a key cannot be matched".to_owned());
            }
            if users[..place].iter().any(|other| same(&other.key, &user.key)) {
                return wrong(format!("{} is there twice", user.key));
            }
        }
        let request = self.client.root.bulk_upload(&self.principal, &self.id, users)?;
        self.client.send(request).await
    }
}

/// The directory compares keys without regard to case.
fn same(left: &PersonKey, right: &PersonKey) -> bool {
    left.as_str().eq_ignore_ascii_case(right.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::tests::{check, root};

    #[test]
    fn a_person_becomes_a_record() {
        let mut person = Person::new(PersonKey::new("W-1"));
        person.given_name = Some("Ada".into());
        person.family_name = Some("Lovelace".into());
        person.job_title = Some(String::new());
        person.location = Some("Perth".into());
        person.email = Some("private@home.example".into());
        person.manager_id = Some(PersonKey::new("W-0"));
        let more = Map::from_iter([("HireDate".to_owned(), "2026-12-01".into())]);
        let user = BulkUser::of(&person, "ada@x.example", "Ada Lovelace", false)
            .extension("urn:contoso:employee", more)
            .set("active", true)
            .set("preferredLanguage", "en-AU");
        assert_eq!(format!("{user:?}"), "BulkUser(W-1)");
        let data = json!({
            "schemas": [CORE, ENTERPRISE, "urn:contoso:employee"], "externalId": "W-1", "userName": "ada@x.example",
            "displayName": "Ada Lovelace", "active": false, "preferredLanguage": "en-AU",
            "name": { "givenName": "Ada", "familyName": "Lovelace" },
            "addresses": [{ "locality": "Perth", "type": "work", "primary": true }],
            ENTERPRISE: { "employeeNumber": "W-1", "manager": { "value": "W-0" } },
            "urn:contoso:employee": { "HireDate": "2026-12-01" },
        });
        let request = root().bulk_upload("p", "API2AAD.t.j", &[user]).unwrap();
        assert!(request.idempotent);
        let kinds: Vec<_> = request
            .headers
            .iter()
            .filter(|(name, _)| name == "content-type")
            .collect();
        assert_eq!(
            kinds,
            [&("content-type".to_owned(), "application/scim+json".to_owned())]
        );
        check(
            request,
            "POST",
            "/servicePrincipals/p/synchronization/jobs/API2AAD.t.j/bulkUpload",
            json!({
                "schemas": [BULK], "failOnErrors": null,
                "Operations": [{ "method": "POST", "bulkId": "W-1", "path": "/Users", "data": data }],
            }),
        );
    }
}
