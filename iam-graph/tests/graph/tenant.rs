//! The target against a whole tenant, judged by what the tenant holds at the end.

use std::sync::Arc;
use std::time::Duration;

use iam_core::auth::ClientSecret;
use iam_core::clock::{Clock, SharedClock, SystemClock};
use iam_core::entitlement::{Actual, Attribute, Attributes, Class, Entitlement, Kind, Via};
use iam_core::event::EventId;
use iam_core::http::HttpTransport;
use iam_core::notify::{Message, Notifier};
use iam_core::person::PersonKey;
use iam_core::plan::{Action, Change, IdempotencyKey, Step};
use iam_core::target::{Applied, Candidates, Keys, PersonRef, Target};
use iam_core::{Cloud, ErrorKind, Result};
use iam_graph::{GraphClient, GraphMail, GraphTarget};
use iam_sandbox::{Builder, Effect, Fault, RetryAfter, Sandbox};
use serde_json::{Value, json};

use crate::clock::TestClock;

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
    let client = GraphClient::builder(cloud, Arc::new(credential.unwrap()), transport)
        .clock(clock)
        .build();
    let target = GraphTarget::new(client.clone());
    Tenant {
        sandbox,
        client,
        target,
    }
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
        let reference = iam_core::entitlement::Reference::new(kind, name);
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

fn kind(outcome: Result<Applied>) -> ErrorKind {
    outcome.unwrap_err().kind()
}

#[tokio::test]
async fn a_created_account_is_observed_as_it_was_planned() {
    let tenant = tenant().await;
    let id = tenant.ada().await;
    let actual = tenant.observe(&id).await;
    let account = actual.account.unwrap();
    assert_eq!(account.attributes, attributes());
    assert_eq!(
        (account.name.as_str(), account.enabled),
        ("ada.lovelace@contoso.example", false)
    );
    assert!(actual.held.is_empty());
    assert_eq!(tenant.user(&id)["employeeId"], "W-5001");
}

#[tokio::test]
async fn attributes_and_manager_are_changed() {
    let tenant = tenant().await;
    let id = tenant.ada().await;
    let manager = tenant.user("W-1009")["id"].as_str().unwrap().to_owned();
    let change = |before: &str, after: &str| Change {
        before: Some(before.into()),
        after: after.into(),
    };
    let changes = [
        (Attribute::Department, change("Security", "Engineering")),
        (Attribute::CostCenter, change("SEC-1", "ENG-1")),
        (Attribute::JobTitle, change("Analyst", "")),
    ];
    tenant
        .apply(
            &id,
            Action::UpdateAccount {
                changes: changes.into(),
            },
        )
        .await
        .unwrap();
    let link = Action::SetManager {
        manager: PersonKey::new("W-1009"),
        account: manager.clone(),
    };
    assert_eq!(tenant.apply(&id, link.clone()).await.unwrap(), DONE);
    tenant.apply(&id, link).await.unwrap();
    let account = tenant.observe(&id).await.account.unwrap();
    let mut expect = attributes();
    expect.insert(Attribute::Department, "Engineering".into());
    expect.insert(Attribute::CostCenter, "ENG-1".into());
    expect.remove(&Attribute::JobTitle);
    assert_eq!(account.attributes, expect);
    assert_eq!(account.manager, Some(manager));
}

#[tokio::test]
async fn groups_are_joined_and_left_and_rules_are_respected() {
    let tenant = tenant().await;
    let id = tenant.ada().await;
    assert_eq!(tenant.grant(&id, Kind::Group, "sg-security").await.unwrap(), DONE);
    assert_eq!(
        tenant.grant(&id, Kind::Group, "sg-security").await.unwrap(),
        ALREADY
    );
    assert_eq!(tenant.user(&id)["groups"], json!(["sg-security"]));
    assert_eq!(
        kind(tenant.grant(&id, Kind::Group, "Sydney Everyone").await),
        ErrorKind::Denied
    );
    assert_eq!(
        kind(tenant.grant(&id, Kind::Group, "All Mail").await),
        ErrorKind::Invalid
    );
    assert_eq!(
        kind(tenant.grant(&id, Kind::Group, "OnPrem Staff").await),
        ErrorKind::Invalid
    );
    assert_eq!(
        tenant.revoke(&id, Kind::Group, "sg-security").await.unwrap(),
        DONE
    );
    assert_eq!(tenant.user(&id)["groups"], json!([]));

    let catalog = tenant.target.catalog().await.unwrap();
    let class = |name: &str| {
        catalog
            .items
            .iter()
            .find(|item| item.entitlement.name == name)
            .unwrap()
            .class
    };
    assert_eq!(class("sg-security"), Class::Assignable);
    assert_eq!(class("Sydney Everyone"), Class::Dynamic);
    assert_eq!(class("All Mail"), Class::MailEnabled);
    assert_eq!(class("OnPrem Staff"), Class::Synced);
    let noah = tenant.user("W-1009")["id"].as_str().unwrap().to_owned(); // works in Sydney
    let held = tenant.observe(&noah).await.held;
    let via = |name: &str| {
        &held
            .iter()
            .find(|held| held.entitlement.name == name)
            .unwrap()
            .via
    };
    assert_eq!(
        (via("Sydney Everyone"), via("sg-sydney")),
        (&Via::Dynamic, &Via::Direct)
    );
    let (entitlement, assignment) = (tenant.what(Kind::Group, "sg-finance").await, None);
    let revoke = Action::Revoke {
        entitlement,
        assignment,
    };
    assert_eq!(tenant.apply(&noah, revoke).await.unwrap(), ALREADY);
}

#[tokio::test]
async fn licences_need_a_place_and_a_seat() {
    let tenant = start(Sandbox::builder().seats("SPE_E5", 1), Arc::new(SystemClock)).await;
    let ada = tenant.ada().await;
    assert_eq!(tenant.grant(&ada, Kind::License, "SPE_E5").await.unwrap(), DONE);
    assert_eq!(
        tenant.grant(&ada, Kind::License, "SPE_E5").await.unwrap(),
        ALREADY
    );
    assert_eq!(tenant.user(&ada)["licenses"], json!(["SPE_E5"]));
    let catalog = tenant.target.catalog().await.unwrap();
    let seats = catalog
        .items
        .iter()
        .find(|item| item.entitlement.name == "SPE_E5")
        .unwrap()
        .seats
        .unwrap();
    assert_eq!((seats.total, seats.used), (1, 1));

    let name = "bob@contoso.example".to_owned();
    let attributes = Attributes::from([(Attribute::DisplayName, "Bob".to_owned())]);
    let bob = tenant
        .apply_for("W-5002", None, Action::CreateAccount { name, attributes })
        .await
        .unwrap();
    let Applied::Done { account: Some(bob) } = bob else {
        panic!("{bob:?}")
    };
    let nowhere = tenant.grant(&bob, Kind::License, "SPE_E3").await.unwrap_err();
    assert_eq!(nowhere.kind(), ErrorKind::Invalid);
    assert!(nowhere.to_string().contains("usage_location"), "{nowhere}");
    let change = Change {
        before: None,
        after: "DE".into(),
    };
    let changes = [(Attribute::UsageLocation, change)].into();
    tenant
        .apply(&bob, Action::UpdateAccount { changes })
        .await
        .unwrap();
    assert_eq!(
        kind(tenant.grant(&bob, Kind::License, "SPE_E5").await),
        ErrorKind::LicenseExhausted
    );
    assert_eq!(tenant.grant(&bob, Kind::License, "SPE_E3").await.unwrap(), DONE);

    assert_eq!(tenant.revoke(&ada, Kind::License, "SPE_E5").await.unwrap(), DONE);
    assert_eq!(
        tenant.revoke(&ada, Kind::License, "SPE_E5").await.unwrap(),
        ALREADY
    );
    assert_eq!(tenant.grant(&bob, Kind::License, "SPE_E5").await.unwrap(), DONE);
    assert_eq!(tenant.user(&ada)["licenses"], json!([]));
}

#[tokio::test]
async fn roles_are_assigned_and_removed() {
    let tenant = tenant().await;
    let id = tenant.ada().await;
    assert_eq!(
        tenant.grant(&id, Kind::Role, "Security Reader").await.unwrap(),
        DONE
    );
    assert_eq!(
        tenant.grant(&id, Kind::Role, "Security Reader").await.unwrap(),
        ALREADY
    );
    let held = tenant.observe(&id).await.held;
    assert_eq!(
        (held.len(), held[0].entitlement.name.as_str(), &held[0].via),
        (1, "Security Reader", &Via::Direct)
    );
    assert!(held[0].assignment.is_some());
    let entitlement = held[0].entitlement.clone();
    let revoke = Action::Revoke {
        entitlement,
        assignment: held[0].assignment.clone(),
    };
    assert_eq!(tenant.apply(&id, revoke.clone()).await.unwrap(), DONE);
    assert_eq!(tenant.apply(&id, revoke).await.unwrap(), ALREADY);
    assert_eq!(tenant.user(&id)["roles"], json!([]));
    // Found by itself where nobody recorded the assignment.
    tenant.grant(&id, Kind::Role, "Security Reader").await.unwrap();
    assert_eq!(
        tenant.revoke(&id, Kind::Role, "Security Reader").await.unwrap(),
        DONE
    );
    assert_eq!(tenant.user(&id)["roles"], json!([]));
}

#[tokio::test]
async fn sign_in_is_blocked_and_everything_known_is_void() {
    let tenant = tenant().await;
    let id = tenant.ada().await;
    assert_eq!(tenant.apply(&id, Action::AllowSignIn).await.unwrap(), DONE);
    assert_eq!(tenant.apply(&id, Action::AllowSignIn).await.unwrap(), ALREADY);
    assert_eq!(tenant.user(&id)["accountEnabled"], true);
    let before = tenant.user(&id);
    assert_eq!(tenant.apply(&id, Action::BlockSignIn).await.unwrap(), DONE);
    assert_eq!(tenant.apply(&id, Action::BlockSignIn).await.unwrap(), ALREADY);
    tenant.sandbox.advance(Duration::from_mins(1));
    tenant.apply(&id, Action::RevokeSessions).await.unwrap();
    tenant.apply(&id, Action::ResetPassword).await.unwrap();
    let after = tenant.user(&id);
    assert_eq!(after["accountEnabled"], false);
    assert_ne!(
        after["signInSessionsValidFromDateTime"],
        before["signInSessionsValidFromDateTime"]
    );
    assert_eq!(after["passwordVersion"], 2);
}

#[tokio::test]
async fn a_deleted_account_is_found_and_restored() {
    let tenant = tenant().await;
    let id = tenant.ada().await;
    assert_eq!(tenant.find("W-5001").await.active[0].id, id);
    assert_eq!(tenant.apply(&id, Action::DeleteAccount).await.unwrap(), DONE);
    assert_eq!(tenant.apply(&id, Action::DeleteAccount).await.unwrap(), ALREADY);
    assert!(tenant.observe(&id).await.account.is_none());
    let found = tenant.find("W-5001").await;
    assert!(found.active.is_empty());
    let gone = &found.deleted[0];
    assert_eq!(
        (gone.id.as_str(), gone.name.as_str()),
        (id.as_str(), "ada.lovelace@contoso.example")
    );
    assert!(gone.deleted);
    let names = [
        "ada.lovelace@contoso.example",
        "Noah.Fischer@contoso.example",
        "hr@contoso.example",
        "free@contoso.example",
    ];
    let taken = tenant
        .target
        .names_taken(&names.map(str::to_owned))
        .await
        .unwrap();
    let of = |name: &str| tenant.user(name)["id"].as_str().unwrap().to_owned();
    let expect = [
        (names[0], id.clone()),
        ("hr@contoso.example", of(names[2])),
        ("noah.fischer@contoso.example", of(names[1])),
    ];
    assert_eq!(taken, expect.map(|(name, id)| (name.to_owned(), id)).into());

    let account = Some(id.clone());
    assert_eq!(
        tenant.apply(&id, Action::RestoreAccount).await.unwrap(),
        Applied::Done {
            account: account.clone()
        }
    );
    assert_eq!(
        tenant.apply(&id, Action::RestoreAccount).await.unwrap(),
        Applied::AlreadySo { account }
    );
    let found = tenant.find("W-5001").await;
    assert_eq!(
        (found.active[0].id.as_str(), found.deleted.len()),
        (id.as_str(), 0)
    );
    assert_eq!(found.active[0].attributes, attributes());
    // From before HR's file arrived.
    assert_eq!(
        tenant.find("W-1013").await.deleted[0].name,
        "yuki.mori@contoso.example"
    );
}

#[tokio::test]
async fn a_taken_name_is_adopted_only_by_its_owner() {
    let tenant = tenant().await;
    let id = tenant.ada().await;
    let again = tenant
        .apply_for("W-5001", None, create("ada.lovelace"))
        .await
        .unwrap();
    assert_eq!(again, Applied::AlreadySo { account: Some(id) });
    let other = tenant.apply_for("W-5002", None, create("ada.lovelace")).await;
    assert_eq!(kind(other), ErrorKind::AlreadyExists);
    assert_eq!((tenant.count("W-5001"), tenant.count("W-5002")), (1, 0));
}

#[tokio::test]
async fn an_answer_lost_after_commit_makes_exactly_one_user() {
    for effect in [
        Effect::CutAfter,
        Effect::CutBefore,
        Effect::Status {
            status: 504,
            retry_after: RetryAfter::Missing,
        },
    ] {
        let tenant = tenant().await;
        tenant
            .sandbox
            .fault(Fault::new(effect.clone()).on("POST", "/users").times(1));
        let id = tenant.ada().await;
        assert_eq!(tenant.count("W-5001"), 1, "{effect:?}");
        assert_eq!(tenant.user("W-5001")["id"], id.as_str());
        assert_eq!(tenant.sandbox.faults()[0].fired(), 1);
    }
}

#[tokio::test]
async fn an_answer_lost_on_any_other_step_is_harmless() {
    let tenant = tenant().await;
    let id = tenant.ada().await;
    let group = tenant.what(Kind::Group, "sg-security").await;
    let license = tenant.what(Kind::License, "SPE_E3").await;
    let role = tenant.what(Kind::Role, "Security Reader").await;
    let manager = tenant.user("W-1009")["id"].as_str().unwrap().to_owned();
    let grant = |what: &Entitlement| Action::grant(what.clone());
    let revoke = |what: &Entitlement| Action::Revoke {
        entitlement: what.clone(),
        assignment: None,
    };
    let act = async |method: &str, path: &str, action: Action| {
        tenant
            .sandbox
            .fault(Fault::new(Effect::CutAfter).on(method, path).times(1));
        tenant.apply(&id, action).await.unwrap();
        assert_eq!(tenant.sandbox.faults()[0].fired(), 1, "{method} {path}");
        tenant.sandbox.clear_faults();
    };
    act(
        "PUT",
        "/users/*/manager/$ref",
        Action::SetManager {
            manager: PersonKey::new("W-1009"),
            account: manager,
        },
    )
    .await;
    act("POST", "/groups/*/members/$ref", grant(&group)).await;
    act("POST", "/users/*/assignLicense", grant(&license)).await;
    act("POST", "/roleManagement/directory/roleAssignments", grant(&role)).await;
    act("PATCH", "/users/*", Action::AllowSignIn).await;
    let user = tenant.user(&id);
    assert_eq!(
        json!([
            user["groups"],
            user["licenses"],
            user["roles"],
            user["accountEnabled"]
        ]),
        json!([["sg-security"], ["SPE_E3"], ["Security Reader"], true])
    );
    act("DELETE", "/groups/*/members/*/$ref", revoke(&group)).await;
    act("POST", "/users/*/assignLicense", revoke(&license)).await;
    act(
        "DELETE",
        "/roleManagement/directory/roleAssignments/*",
        revoke(&role),
    )
    .await;
    act("PATCH", "/users/*", Action::BlockSignIn).await;
    act("POST", "/users/*/revokeSignInSessions", Action::RevokeSessions).await;
    let user = tenant.user(&id);
    assert_eq!(
        json!([
            user["groups"],
            user["licenses"],
            user["roles"],
            user["accountEnabled"]
        ]),
        json!([[], [], [], false])
    );
    act("DELETE", "/users/*", Action::DeleteAccount).await;
    assert_eq!(tenant.count("W-5001"), 0);
    act(
        "POST",
        "/directory/deletedItems/*/restore",
        Action::RestoreAccount,
    )
    .await;
    assert_eq!(tenant.count("W-5001"), 1);
}

#[tokio::test]
async fn many_people_at_once() {
    let tenant = start(Sandbox::builder(), TestClock::at(SystemClock.now())).await;
    let group = tenant.what(Kind::Group, "All Staff").await;
    let join = async |n: usize| {
        let worker = format!("W-{}", 6000 + n);
        let made = tenant
            .apply_for(&worker, None, create(&format!("p{n}")))
            .await
            .unwrap();
        let Applied::Done { account: Some(id) } = made else {
            panic!("{made:?}")
        };
        let grant = Action::grant(group.clone());
        assert_eq!(tenant.apply_for(&worker, Some(&id), grant).await.unwrap(), DONE);
        PersonRef {
            person: PersonKey::new(worker),
            account: id,
        }
    };
    let people = futures::future::join_all((0..60).map(join)).await;
    let before = tenant.sandbox.requests();
    let actual = tenant.target.observe(&people).await.unwrap();
    assert!(tenant.sandbox.requests() - before <= 60 * 3 + 4);
    let in_order = actual.iter().zip(&people).all(|(actual, who)| {
        actual.person == who.person
            && actual
                .account
                .as_ref()
                .is_some_and(|account| account.id == who.account)
    });
    assert!(in_order && actual.iter().all(|actual| actual.held.len() == 1));
    let keys: Vec<Keys> = people
        .iter()
        .map(|who| Keys {
            person: who.person.clone(),
            account: Some(who.account.clone()),
        })
        .collect();
    let before = tenant.sandbox.requests();
    let found = tenant.target.find(&keys).await.unwrap();
    assert_eq!(tenant.sandbox.requests() - before, 8); // four batches, live and deleted
    assert!(
        found
            .iter()
            .zip(&people)
            .all(|(found, who)| found.active.len() == 1 && found.active[0].id == who.account)
    );
}

#[tokio::test]
async fn a_storm_of_429_delays_and_loses_nothing() {
    let tenant = start(Sandbox::builder(), TestClock::at(SystemClock.now())).await;
    // Four refusals in a row for each, in every form of the header; the fifth attempt is the last.
    let rules = [
        ("POST", "/users", RetryAfter::Seconds(2)),
        ("POST", "/groups/**", RetryAfter::Fraction(2.128)),
        ("POST", "/users/*/assignLicense", RetryAfter::Date(3)),
        ("PATCH", "/users/*", RetryAfter::Missing),
        ("GET", "**", RetryAfter::Seconds(0)),
    ];
    for (method, path, retry_after) in rules {
        let fault = Fault::new(Effect::Throttle { retry_after });
        tenant.sandbox.fault(fault.on(method, path).times(4));
    }
    let id = tenant.ada().await;
    tenant.grant(&id, Kind::Group, "sg-security").await.unwrap();
    tenant.grant(&id, Kind::License, "SPE_E3").await.unwrap();
    tenant.apply(&id, Action::AllowSignIn).await.unwrap();
    let user = tenant.user(&id);
    assert_eq!(
        (&user["groups"], &user["licenses"]),
        (&json!(["sg-security"]), &json!(["SPE_E3"]))
    );
    assert_eq!(
        (tenant.count("W-5001"), &user["accountEnabled"]),
        (1, &json!(true))
    );
    assert!(tenant.sandbox.faults().iter().all(|fault| fault.fired() == 4));
}

#[tokio::test]
async fn an_account_that_is_not_replicated_yet_is_waited_for() {
    let tenant = tenant().await;
    let entitlement = tenant.what(Kind::Group, "sg-security").await;
    tenant.sandbox.fault(Fault::new(Effect::Lag { millis: 1500 }));
    let id = tenant.ada().await;
    let grant = Action::grant(entitlement);
    assert_eq!(tenant.apply(&id, grant).await.unwrap(), DONE);
    assert_eq!(tenant.observe(&id).await.held.len(), 1);
    let log = tenant.sandbox.log();
    assert!(log.iter().any(|entry| entry.status == 404), "the lag was felt");
}

#[tokio::test]
async fn a_token_that_is_revoked_is_replaced() {
    let tenant = tenant().await;
    let id = tenant.ada().await;
    tenant.sandbox.revoke_tokens();
    assert_eq!(tenant.grant(&id, Kind::Group, "sg-security").await.unwrap(), DONE);
    tenant
        .sandbox
        .fault(Fault::new(Effect::RevokeTokens).on("POST", "/users").times(1));
    let other = tenant.apply_for("W-5002", None, create("bob")).await;
    assert!(
        matches!(other, Ok(Applied::Done { account: Some(_) })),
        "{other:?}"
    );
    assert_eq!(
        (tenant.count("W-5002"), &tenant.user(&id)["groups"]),
        (1, &json!(["sg-security"]))
    );
}

#[tokio::test]
async fn mail_leaves_once_and_not_at_all_when_refused() {
    let tenant = tenant().await;
    let message = Message {
        to: vec!["boss@contoso.example".into()],
        subject: "Hi".into(),
        body: "Text".into(),
    };
    let step = Step::new(
        tenant.target.id(),
        &PersonKey::new("W-5001"),
        None,
        Action::RevokeSessions,
        "",
    );
    let key = IdempotencyKey::of(&EventId::new("e1"), &step);
    let mail = GraphMail::new(tenant.client.clone(), "hr-robot@contoso.example");
    tenant.sandbox.fault(
        Fault::new(Effect::Throttle {
            retry_after: RetryAfter::Seconds(0),
        })
        .times(1),
    );
    mail.notify(&message, &key).await.unwrap();
    tenant.sandbox.fault(
        Fault::new(Effect::CutAfter)
            .on("POST", "/users/*/sendMail")
            .times(1),
    );
    let lost = mail.notify(&message, &key).await.unwrap_err();
    assert_eq!(lost.kind(), ErrorKind::OutcomeUnknown);
    let mailbox = tenant.sandbox.state()["mailbox"].as_array().unwrap().clone();
    assert_eq!(mailbox.len(), 2);
    assert_eq!(
        (&mailbox[0]["to"][0], &mailbox[0]["saveToSentItems"]),
        (&json!("boss@contoso.example"), &json!(false))
    );
    let nobody = GraphMail::new(tenant.client.clone(), "break-glass@contoso.example");
    let error = nobody.notify(&message, &key).await.unwrap_err();
    assert!(error.to_string().contains("mailbox"), "{error}");
}
