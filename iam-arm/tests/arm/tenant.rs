//! The client and the target against a whole tenant, judged by what its subscription holds at the end.

use std::collections::BTreeMap;
use std::sync::Arc;

use iam_arm::assignments::PrincipalType;
use iam_arm::{ArmClient, ArmTarget, Scope};
use iam_core::auth::ClientSecret;
use iam_core::clock::{Clock, SystemClock};
use iam_core::entitlement::{Entitlement, Held, Kind, Reference, Via};
use iam_core::error::Retry;
use iam_core::event::EventId;
use iam_core::http::HttpTransport;
use iam_core::person::PersonKey;
use iam_core::plan::{Action, IdempotencyKey, Step};
use iam_core::target::{Applied, PersonRef, Target};
use iam_core::{Cloud, ErrorKind, Result};
use iam_sandbox::{Effect, Fault, RetryAfter, Sandbox};
use serde_json::{Value, json};

use crate::clock::TestClock;

const DONE: Applied = Applied::Done { account: None };
const ALREADY: Applied = Applied::AlreadySo { account: None };

struct Tenant {
    sandbox: Sandbox,
    client: ArmClient,
    target: ArmTarget,
    siem: String,
    /// Noah's object id.
    noah: String,
}

async fn tenant() -> Tenant {
    let sandbox = Sandbox::start().await.unwrap();
    let cloud = Cloud::custom(sandbox.authority(), sandbox.graph())
        .unwrap()
        .with_arm(sandbox.arm())
        .unwrap();
    let transport = Arc::new(HttpTransport::new().unwrap());
    let credential = ClientSecret::new(
        &cloud,
        sandbox.tenant_id(),
        sandbox.client_id(),
        sandbox.client_secret().into(),
        transport.clone(),
        Arc::new(SystemClock),
    );
    let client = ArmClient::builder(cloud, Arc::new(credential.unwrap()), transport)
        .clock(TestClock::at(SystemClock.now()))
        .build()
        .unwrap();
    let siem = format!("/subscriptions/{}/resourceGroups/siem", sandbox.subscription());
    let target = ArmTarget::new(client.clone(), [siem.clone()]).unwrap();
    let noah = sandbox.user("W-1009").unwrap()["id"].as_str().unwrap().to_owned();
    Tenant {
        sandbox,
        client,
        target,
        siem,
        noah,
    }
}

impl Tenant {
    fn scope(&self) -> Scope {
        self.siem.parse().unwrap()
    }

    async fn apply(&self, action: Action) -> Result<Applied> {
        let (person, noah) = (PersonKey::new("W-1009"), Some(self.noah.as_str()));
        let step = Step::new(self.target.id(), &person, noah, action, "test");
        let key = IdempotencyKey::of(&EventId::new("e1"), &step);
        self.target.apply(&step, &key).await
    }

    async fn reader(&self) -> Entitlement {
        let catalog = self.target.catalog().await.unwrap();
        let name = format!("reader @ {}/", self.siem.to_uppercase());
        let item = catalog.resolve(&Reference::new(Kind::Azure, name)).unwrap();
        assert!(!item.privileged);
        item.entitlement.clone()
    }

    async fn held(&self) -> Vec<Held> {
        let who = PersonRef {
            person: PersonKey::new("W-1009"),
            account: self.noah.clone(),
        };
        self.target.observe(&[who]).await.unwrap().remove(0).held
    }

    /// Role and scope of everything that a principal holds, as the sandbox has it.
    fn truth(&self, principal: &str) -> Vec<(String, String)> {
        let state = self.sandbox.state();
        let all = state["arm"]["roleAssignments"].as_array().unwrap();
        let text = |held: &Value, name: &str| held[name].as_str().unwrap().to_lowercase();
        let mut held: Vec<_> = all
            .iter()
            .filter(|held| held["principalId"] == principal)
            .map(|held| (text(held, "role"), text(held, "scope")))
            .collect();
        held.sort();
        held
    }

    /// Assigns by hand, under a name of its own.
    fn by_hand(&self, name: &str, scope: &str, role: &str) {
        let sub = self.sandbox.subscription();
        let path = format!(
            "{scope}/providers/Microsoft.Authorization/roleAssignments/{name}?api-version=2022-04-01"
        );
        let body = json!({"properties": {
            "roleDefinitionId": format!("/subscriptions/{sub}/providers/Microsoft.Authorization/roleDefinitions/{role}"),
            "principalId": self.noah, "principalType": "User",
        }});
        self.sandbox.act("PUT", &path, Some(body)).unwrap();
    }
}

const READER: &str = "acdd72a7-3385-48ef-bd42-f606fba81ae7";
const OWNER: &str = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635";

fn revoke(entitlement: Entitlement, assignment: Option<String>) -> Action {
    Action::Revoke {
        entitlement,
        assignment,
    }
}

#[tokio::test]
async fn a_role_is_given_seen_and_taken_once() {
    let tenant = tenant().await;
    let reader = tenant.reader().await;
    assert_eq!(tenant.apply(Action::grant(reader.clone())).await.unwrap(), DONE);
    assert_eq!(
        tenant.apply(Action::grant(reader.clone())).await.unwrap(),
        ALREADY
    );
    assert_eq!(
        tenant.truth(&tenant.noah),
        [("reader".into(), tenant.siem.to_lowercase())]
    );

    let held = tenant.held().await;
    assert_eq!((held.len(), &held[0].via), (1, &Via::Direct));
    assert_eq!(held[0].entitlement.id, reader.id);
    assert!(
        held[0].entitlement.name.eq_ignore_ascii_case(&reader.name),
        "{:?}",
        held[0]
    );
    let take = || revoke(reader.clone(), held[0].assignment.clone());
    assert_eq!(tenant.apply(take()).await.unwrap(), DONE);
    assert_eq!(tenant.apply(take()).await.unwrap(), ALREADY);
    assert!(tenant.held().await.is_empty() && tenant.truth(&tenant.noah).is_empty());
}

#[tokio::test]
async fn what_was_assigned_by_hand_is_neither_doubled_nor_left_behind() {
    let tenant = tenant().await;
    let reader = tenant.reader().await;
    let sub = format!("/subscriptions/{}", tenant.sandbox.subscription());
    let finance = format!("{sub}/resourceGroups/finance");
    tenant.by_hand("11111111-0000-4000-8000-000000000001", &tenant.siem, READER);
    tenant.by_hand("11111111-0000-4000-8000-000000000002", &finance, OWNER);
    tenant.by_hand("11111111-0000-4000-8000-000000000003", &sub, READER);
    assert_eq!(tenant.apply(Action::grant(reader)).await.unwrap(), ALREADY);
    assert_eq!(tenant.truth(&tenant.noah).len(), 3);

    let others = tenant.sandbox.state()["arm"]["roleAssignments"]
        .as_array()
        .unwrap()
        .len()
        - 3;
    for held in tenant.held().await {
        // Once by its id, once by looking it up.
        let assignment = held
            .assignment
            .filter(|_| held.entitlement.name.contains("finance"));
        let applied = tenant.apply(revoke(held.entitlement, assignment)).await.unwrap();
        assert_eq!(applied, DONE);
    }
    assert!(tenant.truth(&tenant.noah).is_empty());
    let left = tenant.sandbox.state()["arm"]["roleAssignments"]
        .as_array()
        .unwrap()
        .len();
    assert_eq!(left, others, "nobody else lost anything");
}

#[tokio::test]
async fn a_fresh_principal_is_waited_for_and_named_when_it_never_comes() {
    let tenant = tenant().await;
    let user = json!({
        "accountEnabled": true, "displayName": "Ada Lovelace", "mailNickname": "ada",
        "userPrincipalName": format!("ada@{}", tenant.sandbox.domain()),
        "passwordProfile": {"password": "xWwvJ]6NMw+bWH-d"},
    });
    let ada = tenant.sandbox.act("POST", "/users", Some(user)).unwrap();
    let ada = ada["id"].as_str().unwrap();
    let assign = || async {
        tenant
            .client
            .assign_role(&tenant.scope(), READER, ada, PrincipalType::User)
            .await
    };
    let lag = || Fault::new(Effect::Lag { millis: 3_600_000 }).on("PUT", "/subscriptions/**");
    tenant.sandbox.fault(lag());
    let error = assign().await.unwrap_err();
    assert_eq!(
        (error.kind(), error.retry()),
        (ErrorKind::NotYetReplicated, Retry::Exhausted)
    );
    assert!(error.request_id().is_some() && tenant.truth(ada).is_empty());
    tenant.sandbox.clear_faults();
    tenant.sandbox.fault(lag().times(3));
    assign().await.unwrap();
    assert_eq!(tenant.sandbox.faults()[0].fired(), 3);
    assert_eq!(tenant.truth(ada).len(), 1);
}

#[tokio::test]
async fn lost_answers_double_nothing() {
    let status = |status| Effect::Status {
        status,
        retry_after: RetryAfter::Missing,
    };
    for effect in [
        Effect::CutAfter,
        Effect::CutBefore,
        status(503),
        status(429),
        Effect::RevokeTokens,
    ] {
        let tenant = tenant().await;
        let reader = tenant.reader().await;
        let fault = |method: &str| {
            let fault = Fault::new(effect.clone())
                .on(method, "/subscriptions/**")
                .times(1);
            tenant.sandbox.clear_faults();
            tenant.sandbox.fault(fault);
        };
        fault("PUT");
        tenant.apply(Action::grant(reader.clone())).await.unwrap();
        assert_eq!(tenant.sandbox.faults()[0].fired(), 1, "{effect:?}");
        assert_eq!(tenant.truth(&tenant.noah).len(), 1, "{effect:?}");
        fault("DELETE");
        tenant
            .apply(revoke(reader, tenant.held().await[0].assignment.clone()))
            .await
            .unwrap();
        assert_eq!(tenant.sandbox.faults()[0].fired(), 1, "{effect:?}");
        assert!(tenant.truth(&tenant.noah).is_empty(), "{effect:?}");
    }
}

#[tokio::test]
async fn subscriptions_groups_and_roles_are_as_the_tenant_has_them() {
    let tenant = tenant().await;
    let (client, sub) = (&tenant.client, tenant.sandbox.subscription());
    assert_eq!(client.list_subscriptions().await.unwrap()[0].subscription_id, sub);
    assert_eq!(
        client.subscription(sub).await.unwrap().state.as_deref(),
        Some("Enabled")
    );
    let tags = BTreeMap::from([("owner".to_owned(), "soc".to_owned())]);
    let made = client
        .create_or_update_resource_group(sub, "lab", "westeurope", &tags)
        .await
        .unwrap();
    assert_eq!(client.resource_group(sub, "LAB").await.unwrap(), made);
    let names: Vec<_> = client.list_resource_groups(sub).await.unwrap();
    assert!(names.iter().any(|group| group.name == "lab") && names.len() == 4);
    let moved = client
        .create_or_update_resource_group(sub, "lab", "eastus", &tags)
        .await
        .unwrap_err();
    assert_eq!((moved.kind(), moved.retry()), (ErrorKind::Conflict, Retry::Never));

    let owner = client.role(&tenant.scope(), "owner").await.unwrap();
    assert!(owner.guid() == OWNER && owner.is_privileged());
    let none = client.role(&tenant.scope(), "Wizard").await.unwrap_err();
    assert_eq!(none.kind(), ErrorKind::NotFound);
    let wrong = client
        .assign_role(
            &tenant.scope(),
            "11111111-0000-4000-8000-000000000009",
            &tenant.noah,
            PrincipalType::User,
        )
        .await;
    assert_eq!(wrong.unwrap_err().kind(), ErrorKind::NotFound);
    let group = client
        .assign_role(&tenant.scope(), READER, &tenant.noah, PrincipalType::Group)
        .await;
    assert_eq!(group.unwrap_err().kind(), ErrorKind::Invalid);
    let nowhere = format!("/subscriptions/{sub}/resourceGroups/nowhere")
        .parse()
        .unwrap();
    let nowhere = client
        .assign_role(&nowhere, READER, &tenant.noah, PrincipalType::User)
        .await;
    assert_eq!(nowhere.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn every_privileged_role_of_the_tenant_is_marked() {
    let tenant = tenant().await;
    let catalog = tenant.target.catalog().await.unwrap();
    assert!(catalog.items.len() >= 20);
    let mut privileged: Vec<_> = catalog
        .items
        .iter()
        .filter(|item| item.privileged)
        .map(|item| item.entitlement.name.split(" @ ").next().unwrap())
        .collect();
    privileged.sort_unstable();
    assert_eq!(
        privileged,
        [
            "Contributor",
            "Owner",
            "Role Based Access Control Administrator",
            "User Access Administrator",
        ]
    );
}
