//! The target against a whole tenant, judged by what the tenant holds at the end.

mod accounts;
mod applications;
mod audit_logs;
mod authentication;
mod batches;
mod crowd;
mod delta;
mod drive;
mod eligibility;
mod entitlements;
mod facts;
mod groups;
mod limits;
mod listing;
mod mail;
mod memberships;
mod people;
mod provisioning;
mod refusals;
mod restoring;
mod subscriptions;
mod trouble;
mod units;

use std::sync::Arc;

use iam_core::auth::ClientSecret;
use iam_core::clock::{SharedClock, SystemClock};
use iam_core::entitlement::{Actual, Attribute, Attributes, Entitlement, Kind, Reference};
use iam_core::event::EventId;
use iam_core::http::HttpTransport;
use iam_core::person::PersonKey;
use iam_core::plan::{Action, IdempotencyKey, Step};
use iam_core::target::{Applied, Candidates, Keys, PersonRef, Target};
use iam_core::{Cloud, ErrorKind, Result};
use iam_graph::{GraphClient, GraphTarget};
use iam_sandbox::{Builder, Sandbox};
use serde_json::Value;

struct Tenant {
    sandbox: Sandbox,
    client: GraphClient,
    target: GraphTarget,
}

async fn tenant() -> Tenant {
    start(Sandbox::builder(), Arc::new(SystemClock)).await
}

async fn start(builder: Builder, clock: SharedClock) -> Tenant {
    let sandbox = builder.start().await.unwrap();
    let client = connect(&sandbox, clock);
    let target = GraphTarget::new(client.clone());
    Tenant {
        sandbox,
        client,
        target,
    }
}

fn connect(sandbox: &Sandbox, clock: SharedClock) -> GraphClient {
    let cloud = Cloud::custom(sandbox.authority(), sandbox.graph()).unwrap();
    let transport = Arc::new(HttpTransport::new().unwrap());
    let secret = sandbox.client_secret().into();
    let credential = ClientSecret::new(
        &cloud,
        sandbox.tenant_id(),
        sandbox.client_id(),
        secret,
        transport.clone(),
        clock.clone(),
    );
    GraphClient::builder(cloud, Arc::new(credential.unwrap()), transport)
        .clock(clock)
        .build()
}

const DONE: Applied = Applied::Done { account: None };
const ALREADY: Applied = Applied::AlreadySo { account: None };

impl Tenant {
    async fn apply_for(&self, worker: &str, account: Option<&str>, action: Action) -> Result<Applied> {
        let step = Step::new(self.target.id(), &PersonKey::new(worker), account, action, "test");
        let key = IdempotencyKey::of(&EventId::new("e1"), &step);
        self.target.apply(&step, &key).await
    }

    async fn apply(&self, account: &str, action: Action) -> Result<Applied> {
        self.apply_for("W-5001", Some(account), action).await
    }

    /// Creates Ada, who holds nothing yet.
    async fn ada(&self) -> String {
        match self
            .apply_for("W-5001", None, create("ada.lovelace"))
            .await
            .unwrap()
        {
            Applied::Done { account: Some(id) } => id,
            other => panic!("{other:?}"),
        }
    }

    fn id(&self, key: &str) -> String {
        self.user(key)["id"].as_str().unwrap().to_owned()
    }

    fn user(&self, key: &str) -> Value {
        self.sandbox.user(key).unwrap()
    }

    /// How many live users carry that worker id.
    fn count(&self, worker: &str) -> usize {
        let state = self.sandbox.state();
        state["users"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|user| user["employeeId"] == worker)
            .count()
    }

    async fn what(&self, kind: Kind, name: &str) -> Entitlement {
        let catalog = self.target.catalog().await.unwrap();
        let reference = Reference::new(kind, name);
        catalog.resolve(&reference).unwrap().entitlement.clone()
    }

    async fn grant(&self, account: &str, kind: Kind, name: &str) -> Result<Applied> {
        let entitlement = self.what(kind, name).await;
        self.apply(account, Action::grant(entitlement)).await
    }

    async fn revoke(&self, account: &str, kind: Kind, name: &str) -> Result<Applied> {
        let (entitlement, assignment) = (self.what(kind, name).await, None);
        self.apply(
            account,
            Action::Revoke {
                entitlement,
                assignment,
            },
        )
        .await
    }

    async fn observe(&self, account: &str) -> Actual {
        let who = PersonRef {
            person: PersonKey::new("W-5001"),
            account: account.to_owned(),
        };
        self.target.observe(&[who]).await.unwrap().remove(0)
    }

    async fn find(&self, worker: &str) -> Candidates {
        let keys = Keys {
            person: PersonKey::new(worker),
            account: None,
        };
        self.target.find(&[keys]).await.unwrap().remove(0)
    }
}

fn attributes() -> Attributes {
    Attributes::from([
        (Attribute::DisplayName, "Ada Lovelace".to_owned()),
        (Attribute::GivenName, "Ada".to_owned()),
        (Attribute::FamilyName, "Lovelace".to_owned()),
        (Attribute::Department, "Security".to_owned()),
        (Attribute::JobTitle, "Analyst".to_owned()),
        (Attribute::Location, "Perth".to_owned()),
        (Attribute::Country, "AU".to_owned()),
        (Attribute::UsageLocation, "AU".to_owned()),
        (Attribute::Company, "Contoso Health Pty Ltd".to_owned()),
        (Attribute::CostCenter, "SEC-1".to_owned()),
        (Attribute::WorkerType, "Employee".to_owned()),
        (Attribute::HireDate, "2026-12-01".to_owned()),
    ])
}

fn create(local: &str) -> Action {
    Action::CreateAccount {
        name: format!("{local}@contoso.example"),
        attributes: attributes(),
    }
}

fn kind<T: std::fmt::Debug>(outcome: Result<T>) -> ErrorKind {
    outcome.unwrap_err().kind()
}
