//! Deleted items: restored, restored under another name, deleted for good.

use iam_core::ErrorKind;
use iam_graph::deleted::RestoreOptions;
use iam_graph::groups::NewGroup;
use iam_graph::users::UserPatch;

use super::{create, kind, tenant};

#[tokio::test]
async fn a_user_is_restored_past_what_was_taken_meanwhile() {
    let tenant = tenant().await;
    let ada = tenant.ada().await;
    let client = &tenant.client;
    let mut mail = UserPatch::new();
    mail.mail = "ada@contoso.example".into();
    client.update_user(&ada, &mail).await.unwrap();
    client.delete_user(&ada).await.unwrap();
    tenant
        .apply_for("W-5002", None, create("ada.lovelace"))
        .await
        .unwrap();
    let other = tenant.id("W-5002");
    client.update_user(&other, &mail).await.unwrap();
    let mut how = RestoreOptions::default();
    assert_eq!(
        kind(client.restore_user_as(&ada, &how).await),
        ErrorKind::AlreadyExists
    );
    how.new_user_principal_name = Some("ada.two@contoso.example".into());
    assert_eq!(
        kind(client.restore_user_as(&ada, &how).await),
        ErrorKind::AlreadyExists,
        "the address"
    );
    how.drop_taken_addresses = true;
    let user = client.restore_user_as(&ada, &how).await.unwrap();
    assert_eq!(
        user.user_principal_name.as_deref(),
        Some("ada.two@contoso.example")
    );
    assert_eq!(user.mail, None);
    assert_eq!(
        client.user(&other).await.unwrap().mail.as_deref(),
        Some("ada@contoso.example")
    );
}

#[tokio::test]
async fn groups_are_restored_and_purged() {
    let tenant = tenant().await;
    let noah = tenant.id("W-1009");
    let client = &tenant.client;
    let new = NewGroup::microsoft365("Club", "club").member(&noah).owner(&noah);
    let id = client.create_group(&new).await.unwrap().id;
    client.delete_group(&id).await.unwrap();
    let deleted = client.list_deleted_groups().await.unwrap();
    assert_eq!((deleted.len(), deleted[0].id.as_str()), (1, id.as_str()));
    assert!(deleted[0].deleted_date_time.is_some());
    assert_eq!(
        client.restore_group(&id).await.unwrap().display_name.as_deref(),
        Some("Club")
    );
    assert_eq!(client.list_members(&id).await.unwrap()[0].id, noah);
    assert_eq!(client.list_owners(&id).await.unwrap()[0].id, noah);
    assert_eq!(
        kind(client.purge(&id).await),
        ErrorKind::NotFound,
        "what lives is not purged"
    );
    client.delete_group(&id).await.unwrap();
    client.purge(&id).await.unwrap();
    assert_eq!(kind(client.restore_group(&id).await), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_domain_says_who_uses_it() {
    let tenant = tenant().await;
    let domains = tenant.client.list_domains().await.unwrap();
    let [first, second] = domains.as_slice() else {
        panic!("{domains:?}")
    };
    assert_eq!(
        (first.is_default, second.is_default, second.is_initial),
        (Some(true), Some(false), Some(true))
    );
    assert!(first.supported_services.contains(&"Email".to_owned()));
    let users = tenant.client.list_domain_references(&first.id).await.unwrap();
    assert!(
        users
            .iter()
            .any(|user| user.display_name() == Some("Noah Fischer"))
    );
    assert!(
        tenant
            .client
            .list_domain_references(&second.id)
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(
        kind(tenant.client.list_domain_references("elsewhere.example").await),
        ErrorKind::NotFound
    );
}
