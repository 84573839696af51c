//! An account from its creation to its deletion, and back.

use std::time::Duration;

use iam_core::ErrorKind;
use iam_core::entitlement::Attribute;
use iam_core::person::PersonKey;
use iam_core::plan::{Action, Change};
use iam_core::target::{Applied, Target};

use super::{ALREADY, DONE, attributes, create, kind, tenant};

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
        manager: Some(PersonKey::new("W-1009")),
        manager_account: manager.clone(),
        before: None,
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
async fn sign_in_is_blocked_and_everything_known_is_void() {
    let tenant = tenant().await;
    let id = tenant.ada().await;
    assert_eq!(tenant.apply(&id, Action::AllowSignIn).await.unwrap(), DONE);
    assert_eq!(tenant.apply(&id, Action::AllowSignIn).await.unwrap(), ALREADY);
    assert_eq!(tenant.user(&id)["accountEnabled"], true);
    let before = tenant.user(&id);
    assert_eq!(tenant.apply(&id, Action::BlockSignIn).await.unwrap(), DONE);
    // Nothing is read before a block, so that it does not know that it was so already.
    assert_eq!(tenant.apply(&id, Action::BlockSignIn).await.unwrap(), DONE);
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
