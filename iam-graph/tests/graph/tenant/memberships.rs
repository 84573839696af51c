//! Objects of any kind, and what they are members of.

use std::collections::BTreeSet;

use iam_core::ErrorKind;
use iam_graph::groups::NewGroup;
use iam_graph::units::UnitPatch;

use super::{kind, tenant};

#[tokio::test]
async fn memberships_are_looked_up_through_groups() {
    let tenant = tenant().await;
    let ada = tenant.ada().await;
    let client = &tenant.client;
    let inner = client
        .create_group(&NewGroup::security("Inner", "inner").member(&ada))
        .await
        .unwrap()
        .id;
    let outer = client
        .create_group(&NewGroup::security("Outer", "outer").member(&inner))
        .await
        .unwrap()
        .id;
    let club = client
        .create_group(&NewGroup::microsoft365("Club", "club").member(&ada))
        .await
        .unwrap()
        .id;
    let unit = client.create_unit("North", &UnitPatch::new()).await.unwrap().id;
    client.add_unit_member(&unit, &ada).await.unwrap();
    let reader = "5d6b6bb7-de71-4623-b4af-96380a352509";
    client.assign_role(&ada, reader, "/").await.unwrap();
    let roles = client.list_directory_roles().await.unwrap();
    let role = roles
        .iter()
        .find(|role| role.role_template_id.as_deref() == Some(reader))
        .unwrap()
        .id
        .clone();
    let set = |ids: &[&String]| ids.iter().map(|id| (*id).clone()).collect::<BTreeSet<_>>();
    let found = |ids: Vec<String>| ids.into_iter().collect::<BTreeSet<_>>();
    assert_eq!(
        found(client.member_groups(&ada, false).await.unwrap()),
        set(&[&inner, &outer, &club])
    );
    assert_eq!(
        found(client.member_groups(&ada, true).await.unwrap()),
        set(&[&inner, &outer])
    );
    assert_eq!(
        found(client.member_objects(&ada).await.unwrap()),
        set(&[&inner, &outer, &club, &unit, &role])
    );
    assert_eq!(
        found(client.member_groups(&inner, false).await.unwrap()),
        set(&[&outer])
    );
    // Twenty at a time, whatever is asked.
    let mut asked: Vec<String> = (0..25)
        .map(|n| format!("5c3b1d5e-0000-4000-8000-{n:012}"))
        .collect();
    asked.push(outer.clone());
    assert_eq!(
        client.check_member_groups(&ada, &asked).await.unwrap(),
        [outer.as_str()]
    );
    asked.push(role.clone());
    assert_eq!(
        found(client.check_member_objects(&ada, &asked).await.unwrap()),
        set(&[&outer, &role])
    );
    assert_eq!(
        kind(client.member_groups("nobody", false).await),
        ErrorKind::NotFound
    );
}

#[tokio::test]
async fn objects_are_read_whatever_they_are() {
    let tenant = tenant().await;
    let ada = tenant.ada().await;
    let client = &tenant.client;
    let group = client
        .create_group(&NewGroup::security("Ward", "ward"))
        .await
        .unwrap()
        .id;
    let one = client.directory_object(&group).await.unwrap();
    assert_eq!(
        (one.odata_type(), one.display_name()),
        (Some("#microsoft.graph.group"), Some("Ward"))
    );
    let ids = [
        ada.clone(),
        group.clone(),
        "5c3b1d5e-0000-4000-8000-000000000000".to_owned(),
    ];
    assert_eq!(client.objects_by_ids(&ids, &[]).await.unwrap().len(), 2);
    let users = client.objects_by_ids(&ids, &["user"]).await.unwrap();
    assert_eq!(
        users.iter().map(|user| user.id.as_str()).collect::<Vec<_>>(),
        [ada.as_str()]
    );
    let many: Vec<String> = (0..2_050)
        .map(|n| format!("5c3b1d5e-0000-4000-8000-{n:012}"))
        .chain([ada])
        .collect();
    assert_eq!(
        client.objects_by_ids(&many, &[]).await.unwrap().len(),
        1,
        "a thousand a request"
    );
}
