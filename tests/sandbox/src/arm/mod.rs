//! Azure Resource Manager: subscription, resource groups, role definitions, role assignments
//! ("Azure REST API reference", Resource Management and Authorization). It never looks at a letter case in a
//! path, and keeps principals that are gone: what they held stays, as in Azure.

mod assignments;
mod definitions;
mod failure;
mod groups;
mod page;
mod scope;
mod wish;

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

pub(crate) use assignments::RoleAssignment;
pub(crate) use failure::ArmFail;
pub(crate) use groups::ResourceGroup;

use crate::directory::Directory;

/// What the subscription holds.
#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) subscription: String,
    name: &'static str,
    groups: BTreeMap<String, ResourceGroup>,
    /// By place; the order in which they were made.
    assignments: BTreeMap<u64, RoleAssignment>,
    sequence: u64,
    /// Deletions under way: token to resource group and the polls that are still answered with 202.
    deletions: HashMap<String, (String, u32)>,
}

/// One segment of a path: as sent, and for comparing.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    pub(crate) text: String,
    pub(crate) key: String,
}

/// A request, without its transport.
#[derive(Debug)]
pub(crate) struct ArmCall {
    pub(crate) method: String,
    pub(crate) parts: Vec<Part>,
    pub(crate) query: HashMap<String, String>,
    pub(crate) body: Option<Value>,
    /// `https://127.0.0.1:8400`, for links.
    pub(crate) root: String,
    pub(crate) now: Timestamp,
    /// Principals created after this instant are not replicated yet.
    pub(crate) seen_until: Option<Timestamp>,
    /// Object id of the caller.
    pub(crate) caller: String,
}

/// What goes back.
#[derive(Debug)]
pub(crate) struct ArmAnswer {
    pub(crate) status: u16,
    pub(crate) body: Option<Value>,
    /// Where to poll.
    pub(crate) location: Option<String>,
}

pub(crate) type ArmOutcome = Result<ArmAnswer, ArmFail>;

impl ArmAnswer {
    fn empty(status: u16) -> Self {
        Self {
            status,
            body: None,
            location: None,
        }
    }

    fn with(status: u16, body: Value) -> Self {
        Self {
            body: Some(body),
            ..Self::empty(status)
        }
    }
}

impl ArmCall {
    /// The path in parts, and the query read.
    pub(crate) fn new(method: &str, path: &str, query: &str) -> Self {
        let parts = path.split('/').filter(|part| !part.is_empty()).map(|raw| {
            let text = crate::call::decode(raw);
            Part {
                key: text.to_lowercase(),
                text,
            }
        });
        Self {
            method: method.to_ascii_uppercase(),
            parts: parts.collect(),
            query: url::form_urlencoded::parse(query.as_bytes())
                .map(|(name, value)| (name.to_lowercase(), value.into_owned()))
                .collect(),
            body: None,
            root: String::new(),
            now: Timestamp::UNIX_EPOCH,
            seen_until: None,
            caller: String::new(),
        }
    }

    fn path(&self) -> String {
        self.parts.iter().flat_map(|part| ["/", &part.text]).collect()
    }

    fn object(&self) -> Result<&Value, ArmFail> {
        self.body
            .as_ref()
            .filter(|body| body.is_object())
            .ok_or_else(|| ArmFail::content("The request content was invalid and could not be deserialized."))
    }

    fn option(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str)
    }

    /// Every request names a version: a date, perhaps with a suffix, not older than ten years or so.
    fn check_version(&self) -> Result<(), ArmFail> {
        let Some(version) = self.option("api-version") else {
            return Err(ArmFail::new(
                400,
                "MissingApiVersionParameter",
                "The api-version query parameter (?api-version=) is required for all requests.",
            ));
        };
        let date = version.get(..10).unwrap_or_default();
        let suffix = version.get(10..).unwrap_or_default();
        let known = date
            .parse::<jiff::civil::Date>()
            .is_ok_and(|date| date.year() >= 2015)
            && matches!(suffix, "" | "-preview" | "-alpha" | "-beta" | "-privatepreview");
        if known {
            return Ok(());
        }
        Err(ArmFail::new(
            400,
            "InvalidApiVersionParameter",
            format!(
                "The api-version '{version}' is invalid. The supported versions are dates such as '2022-04-01' or \
                 '2025-04-01'."
            ),
        ))
    }
}

impl Account {
    /// The subscription of a tenant with its seeded resource groups; the application owns it.
    pub(crate) fn new(tenant: &str, owner: &str, now: Timestamp) -> Self {
        let space = Uuid::try_parse(tenant).unwrap_or(Uuid::NAMESPACE_OID);
        let mut account = Self {
            subscription: Uuid::new_v5(&space, b"subscription").to_string(),
            name: "Contoso Health",
            groups: BTreeMap::new(),
            assignments: BTreeMap::new(),
            sequence: 0,
            deletions: HashMap::new(),
        };
        for (name, location) in [
            ("siem", "australiaeast"),
            ("clinical-data", "australiaeast"),
            ("finance", "westeurope"),
        ] {
            account.put_group(name, location, json!({}));
        }
        account.own(owner, Uuid::new_v5(&space, b"owner").to_string(), now);
        account
    }

    fn next_place(&mut self) -> u64 {
        self.sequence += 1;
        self.sequence
    }

    /// Whether that is the subscription.
    fn known(&self, id: &str) -> Result<(), ArmFail> {
        if id == self.subscription {
            return Ok(());
        }
        Err(ArmFail::new(
            404,
            "SubscriptionNotFound",
            format!("The subscription '{id}' could not be found."),
        ))
    }

    fn describe(&self, tenant: &str) -> Value {
        json!({
            "id": format!("/subscriptions/{}", self.subscription),
            "authorizationSource": "RoleBased",
            "managedByTenants": [],
            "subscriptionId": self.subscription,
            "tenantId": tenant,
            "displayName": self.name,
            "state": "Enabled",
            "subscriptionPolicies": {
                "locationPlacementId": "Public_2014-09-01", "quotaId": "EnterpriseAgreement_2014-09-01",
                "spendingLimit": "Off",
            },
        })
    }

    /// For `/_sandbox/state`.
    pub(crate) fn snapshot(&self) -> Value {
        json!({
            "subscription": self.subscription,
            "resourceGroups": self.groups.values().map(ResourceGroup::view).collect::<Value>(),
            "roleAssignments": self.assignments.values().map(RoleAssignment::summary).collect::<Value>(),
        })
    }
}

/// Answers a request whose token is good.
pub(crate) fn answer(account: &mut Account, directory: &Directory, call: &ArmCall) -> ArmOutcome {
    call.check_version()?;
    let keys: Vec<&str> = call.parts.iter().map(|part| part.key.as_str()).collect();
    let tenant = directory.tenant.id.as_str();
    let rbac = keys
        .windows(2)
        .rposition(|pair| pair == ["providers", "microsoft.authorization"]);
    if let Some(at) = rbac {
        let scope = &call.parts[..at];
        return match (&keys[at + 2..], call.method.as_str()) {
            (["roledefinitions"], "GET") => {
                definitions::list(account, call, &scope::read(account, scope, tenant)?)
            }
            (["roledefinitions", name], "GET") => {
                definitions::get(account, &scope::read(account, scope, tenant)?, name)
            }
            (["roleassignments"], "GET") => {
                let scope = scope::read(account, scope, tenant)?;
                assignments::list(account, directory, call, &scope)
            }
            (["roleassignments", name], method) => {
                let scope = scope::read(account, scope, tenant)?;
                match method {
                    "GET" => assignments::get(account, &scope, name),
                    "PUT" => assignments::put(account, directory, call, &scope, name),
                    "DELETE" => Ok(assignments::delete(account, &scope, name)),
                    _ => Err(ArmFail::method(method)),
                }
            }
            (["roledefinitions" | "roleassignments", ..], method) => Err(ArmFail::method(method)),
            _ => Err(ArmFail::nowhere(&call.path())),
        };
    }
    match (keys.as_slice(), call.method.as_str()) {
        (["tenants"], "GET") => Ok(ArmAnswer::with(
            200,
            json!({ "value": [{
                "id": format!("/tenants/{tenant}"), "tenantId": tenant, "displayName": directory.tenant.name,
                "domains": directory.tenant.domains, "tenantCategory": "Home",
            }] }),
        )),
        (["subscriptions"], "GET") => Ok(ArmAnswer::with(
            200,
            json!({ "value": [account.describe(tenant)], "count": { "type": "Total", "value": 1 } }),
        )),
        (["subscriptions", id], "GET") => {
            account.known(id)?;
            Ok(ArmAnswer::with(200, account.describe(tenant)))
        }
        (["subscriptions", id, "resourcegroups", rest @ ..], _) => {
            account.known(id)?;
            groups::route(account, call, rest)
        }
        (["subscriptions", id, "operationresults", token], "GET") => {
            account.known(id)?;
            groups::poll(account, call, token)
        }
        (["subscriptions" | "tenants"] | ["subscriptions", _], method) => Err(ArmFail::method(method)),
        _ => Err(ArmFail::nowhere(&call.path())),
    }
}
