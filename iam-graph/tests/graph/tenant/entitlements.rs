//! Groups, licences and roles are given and taken.

use std::sync::Arc;

use iam_core::ErrorKind;
use iam_core::clock::SystemClock;
use iam_core::entitlement::{Attribute, Attributes, Class, Entitlement, Kind, Via};
use iam_core::plan::{Action, Change};
use iam_core::target::{Applied, Target};
use iam_graph::query::Filter;
use iam_sandbox::Sandbox;
use serde_json::json;

use super::{ALREADY, DONE, kind, start, tenant};

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
async fn app_roles_are_observed_given_and_taken() {
    let tenant = tenant().await;
    let id = tenant.ada().await;
    let portal = tenant
        .client
        .find_service_principals(&Filter::eq("displayName", "Claims portal"))
        .await;
    let portal = portal.unwrap().remove(0);
    let role = portal.role("Claims.Approve").unwrap();
    let entitlement = Entitlement {
        target: tenant.target.id().clone(),
        kind: Kind::App,
        id: format!("{}/{}", portal.id, role.id),
        name: "Claims portal / Claims.Approve".to_owned(),
    };
    let grant = Action::grant(entitlement.clone());
    assert_eq!(tenant.apply(&id, grant.clone()).await.unwrap(), DONE);
    assert_eq!(tenant.apply(&id, grant).await.unwrap(), ALREADY);
    assert_eq!(
        tenant.user(&id)["appRoles"],
        json!(["Claims portal/Claims.Approve"])
    );
    // sg-finance may read claims, and so may whoever is in it.
    tenant.grant(&id, Kind::Group, "sg-finance").await.unwrap();
    let held = tenant.observe(&id).await.held;
    let apps: Vec<_> = held
        .iter()
        .filter(|held| held.entitlement.kind == Kind::App)
        .collect();
    let [through, own] = apps.as_slice() else {
        panic!("{held:?}")
    };
    assert_eq!((&own.entitlement, &own.via), (&entitlement, &Via::Direct));
    assert_eq!(through.entitlement.name, "Claims portal / Claims.Read");
    let from = tenant.what(Kind::Group, "sg-finance").await.id;
    assert_eq!(through.via, Via::Inherited { from });

    let revoke = |assignment: Option<String>| Action::Revoke {
        entitlement: entitlement.clone(),
        assignment,
    };
    let assignment = own.assignment.clone();
    assert_eq!(tenant.apply(&id, revoke(assignment.clone())).await.unwrap(), DONE);
    assert_eq!(
        tenant.apply(&id, revoke(assignment.clone())).await.unwrap(),
        ALREADY
    );
    assert_eq!(tenant.user(&id)["appRoles"], json!([]));
    // Found by itself where the recorded assignment is gone and another was made.
    tenant
        .apply(&id, Action::grant(entitlement.clone()))
        .await
        .unwrap();
    assert_eq!(tenant.apply(&id, revoke(assignment)).await.unwrap(), DONE);
    assert_eq!(tenant.user(&id)["appRoles"], json!([]));
}
