//! Administrative units, and roles within them.

use iam_core::ErrorKind;
use iam_graph::units::{UnitPatch, scope};
use serde_json::json;

use super::{kind, tenant};

const HELPDESK: &str = "729827e3-9c14-49f7-bb1b-9608f156bbb8";

#[tokio::test]
async fn units_hold_people_and_limit_roles() {
    let tenant = tenant().await;
    let (noah, camila) = (tenant.id("W-1009"), tenant.id("W-1010"));
    let client = &tenant.client;
    let mut properties = UnitPatch::new();
    properties.description = "The north".into();
    let unit = client.create_unit("North", &properties).await.unwrap();
    assert_eq!(unit.description.as_deref(), Some("The north"));
    client.add_unit_member(&unit.id, &noah).await.unwrap();
    assert_eq!(
        kind(client.add_unit_member(&unit.id, &noah).await),
        ErrorKind::AlreadyExists
    );
    assert_eq!(tenant.user(&noah)["administrativeUnits"], json!(["North"]));
    assert_eq!(
        client.list_unit_members(&unit.id).await.unwrap()[0].display_name(),
        Some("Noah Fischer")
    );
    // A role in the unit, by either door.
    let given = client
        .assign_role(&camila, HELPDESK, &scope(&unit.id))
        .await
        .unwrap();
    assert_eq!(given.scope(), scope(&unit.id));
    let held = client.list_scoped_role_members(&unit.id).await.unwrap();
    assert_eq!(
        (
            held[0].role_member_info.id.as_str(),
            held[0].administrative_unit_id.as_str()
        ),
        (camila.as_str(), unit.id.as_str())
    );
    client
        .remove_scoped_role_member(&unit.id, &held[0].id)
        .await
        .unwrap();
    assert!(client.roles_of(&camila).await.unwrap().is_empty());
    let again = client
        .add_scoped_role_member(&unit.id, &held[0].role_id, &camila)
        .await
        .unwrap();
    assert_eq!(
        client.roles_of(&camila).await.unwrap()[0].scope(),
        scope(&unit.id)
    );
    let twice = client
        .add_scoped_role_member(&unit.id, &again.role_id, &camila)
        .await;
    assert_eq!(kind(twice), ErrorKind::AlreadyExists);
    assert_eq!(
        kind(client.assign_role(&camila, HELPDESK, &scope("none")).await),
        ErrorKind::NotFound
    );
    client.remove_unit_member(&unit.id, &noah).await.unwrap();
    assert_eq!(
        kind(client.remove_unit_member(&unit.id, &noah).await),
        ErrorKind::NotFound
    );
    let mut patch = UnitPatch::new();
    patch.display_name = "South".into();
    client.update_unit(&unit.id, &patch).await.unwrap();
    let read = client.unit(&unit.id).await.unwrap();
    assert_eq!(
        (read.display_name.as_deref(), read.description.as_deref()),
        (Some("South"), Some("The north"))
    );
    assert_eq!(client.list_units().await.unwrap().len(), 1);
    client.delete_unit(&unit.id).await.unwrap();
    assert!(
        client.roles_of(&camila).await.unwrap().is_empty(),
        "a role in a unit ends with it"
    );
    assert_eq!(kind(client.unit(&unit.id).await), ErrorKind::NotFound);
    assert_eq!(
        client
            .restore_unit(&unit.id)
            .await
            .unwrap()
            .display_name
            .as_deref(),
        Some("South")
    );
}

#[tokio::test]
async fn a_role_is_activated_and_held() {
    let tenant = tenant().await;
    let noah = tenant.id("W-1009");
    let client = &tenant.client;
    let role = client.activate_role(HELPDESK).await.unwrap();
    assert_eq!(role.display_name.as_deref(), Some("Helpdesk Administrator"));
    assert_eq!(
        kind(client.activate_role(HELPDESK).await),
        ErrorKind::AlreadyExists
    );
    client.add_role_member(&role.id, &noah).await.unwrap();
    assert_eq!(
        kind(client.add_role_member(&role.id, &noah).await),
        ErrorKind::AlreadyExists
    );
    assert_eq!(client.list_role_members(&role.id).await.unwrap()[0].id, noah);
    assert_eq!(tenant.user(&noah)["roles"], json!(["Helpdesk Administrator"]));
    client.remove_role_member(&role.id, &noah).await.unwrap();
    assert_eq!(
        kind(client.remove_role_member(&role.id, &noah).await),
        ErrorKind::NotFound
    );
    assert_eq!(tenant.user(&noah)["roles"], json!([]));
}
