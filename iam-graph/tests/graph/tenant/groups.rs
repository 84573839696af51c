//! Groups of every kind: made, changed, filled, owned, deleted.

use iam_core::ErrorKind;
use iam_graph::Field;
use iam_graph::groups::{GroupPatch, NewGroup};
use serde_json::{Value, json};

use super::{Tenant, kind, tenant};

fn group(tenant: &Tenant, id: &str) -> Value {
    let state = tenant.sandbox.state();
    let all = state["groups"].as_array().unwrap();
    all.iter()
        .find(|group| group["id"] == id)
        .cloned()
        .unwrap_or_default()
}

#[tokio::test]
async fn groups_are_made_of_every_kind() {
    let tenant = tenant().await;
    let (noah, camila) = (tenant.id("W-1009"), tenant.id("W-1010"));
    let client = &tenant.client;
    let mut new = NewGroup::security("Night ward", "night-ward")
        .owner(&camila)
        .member(&noah);
    new.properties.description = "Who works at night".into();
    let ward = client.create_group(&new).await.unwrap();
    assert_eq!(ward.security_enabled, Some(true));
    let made = group(&tenant, &ward.id);
    assert_eq!(
        (&made["members"], &made["owners"], &made["description"]),
        (&json!([noah]), &json!([camila]), &json!("Who works at night"))
    );
    let club = client
        .create_group(&NewGroup::microsoft365("Club", "club"))
        .await
        .unwrap();
    assert_eq!(
        (club.mail.as_deref(), club.group_types.as_slice()),
        (Some("club@contoso.example"), &["Unified".to_owned()][..])
    );
    let twin = client.create_group(&NewGroup::microsoft365("Club", "club")).await;
    assert_eq!(kind(twin), ErrorKind::AlreadyExists);
    let rule = "user.officeLocation -eq \"Sydney\"";
    let sydney = client
        .create_group(&NewGroup::security("Sydney", "sydney").dynamic(rule))
        .await
        .unwrap();
    assert_eq!(sydney.membership_rule.as_deref(), Some(rule));
    assert_eq!(group(&tenant, &sydney.id)["members"].as_array().unwrap().len(), 3);
    let roles = client
        .create_group(&NewGroup::security("Roles", "roles").assignable_to_role())
        .await
        .unwrap();
    assert_eq!(roles.is_assignable_to_role, Some(true));
    let reader = "5d6b6bb7-de71-4623-b4af-96380a352509";
    client.assign_role(&roles.id, reader, "/").await.unwrap();
    let twice = NewGroup::security("x", "x").member(&noah).member(&noah);
    assert_eq!(kind(client.create_group(&twice).await), ErrorKind::AlreadyExists);
    let spaced = NewGroup::security("x", "two words");
    assert_eq!(kind(client.create_group(&spaced).await), ErrorKind::Invalid);
    assert_eq!(
        client
            .find_groups(&iam_graph::query::Filter::eq("displayName", "Club"))
            .await
            .unwrap()[0]
            .id,
        club.id
    );
}

#[tokio::test]
async fn groups_are_changed_and_deleted() {
    let tenant = tenant().await;
    let client = &tenant.client;
    let mut new = NewGroup::security("Ward", "ward");
    new.properties.description = "Old".into();
    let id = client.create_group(&new).await.unwrap().id;
    let mut patch = GroupPatch::new();
    patch.display_name = "Day ward".into();
    patch.description = Field::Clear;
    client.update_group(&id, &patch).await.unwrap();
    let read = client.group(&id).await.unwrap();
    assert_eq!(
        (read.display_name.as_deref(), read.description),
        (Some("Day ward"), None)
    );
    assert_eq!(read.mail_nickname.as_deref(), Some("ward"), "kept");
    let fixed = GroupPatch::new().set("isAssignableToRole", true);
    assert_eq!(kind(client.update_group(&id, &fixed).await), ErrorKind::Invalid);
    client.delete_group(&id).await.unwrap();
    assert_eq!(kind(client.group(&id).await), ErrorKind::NotFound);
}

#[tokio::test]
async fn members_and_owners_come_and_go() {
    let tenant = tenant().await;
    let (noah, camila, ada) = (tenant.id("W-1009"), tenant.id("W-1010"), tenant.ada().await);
    let client = &tenant.client;
    let inner = client
        .create_group(&NewGroup::security("Inner", "inner").member(&noah))
        .await
        .unwrap()
        .id;
    let outer = client
        .create_group(&NewGroup::security("Outer", "outer").member(&inner))
        .await
        .unwrap()
        .id;
    let people = [camila.clone(), ada.clone()];
    client.add_members(&inner, &people).await.unwrap();
    assert_eq!(
        kind(client.add_members(&inner, &people).await),
        ErrorKind::AlreadyExists
    );
    let ids = |found: Vec<iam_graph::users::DirectoryObject>| {
        let mut ids: Vec<String> = found.into_iter().map(|object| object.id).collect();
        ids.sort();
        ids
    };
    let sorted = |ids: &[&String]| {
        let mut ids: Vec<String> = ids.iter().map(|id| (*id).clone()).collect();
        ids.sort();
        ids
    };
    assert_eq!(ids(client.list_members(&outer).await.unwrap()), sorted(&[&inner]));
    assert_eq!(
        ids(client.list_transitive_members(&outer).await.unwrap()),
        sorted(&[&inner, &noah, &camila, &ada])
    );
    assert!(client.list_member_users(&outer).await.unwrap().is_empty());
    assert_eq!(client.list_member_users(&inner).await.unwrap().len(), 3);
    client.remove_member(&inner, &ada).await.unwrap();
    assert_eq!(
        kind(client.remove_member(&inner, &ada).await),
        ErrorKind::NotFound
    );
    assert!(
        client.user(&ada).await.is_ok(),
        "a member is removed, not deleted"
    );
    client.add_owner(&inner, &noah).await.unwrap();
    assert_eq!(
        kind(client.add_owner(&inner, &noah).await),
        ErrorKind::AlreadyExists
    );
    assert_eq!(
        kind(client.remove_owner(&inner, &noah).await),
        ErrorKind::Invalid,
        "the last one stays"
    );
    client.add_owner(&inner, &camila).await.unwrap();
    client.remove_owner(&inner, &noah).await.unwrap();
    assert_eq!(ids(client.list_owners(&inner).await.unwrap()), sorted(&[&camila]));
    let groups = client.transitive_groups_of(&camila).await.unwrap();
    assert!(groups.iter().any(|group| group.id == outer));
    // More than one request's worth.
    let many: Vec<String> = (0..45).map(|_| noah.clone()).collect();
    assert_eq!(
        kind(client.add_members(&outer, &many).await),
        ErrorKind::AlreadyExists
    );
}
