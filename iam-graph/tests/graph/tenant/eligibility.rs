//! Roles that may be activated, and roles for a time.

use std::time::Duration;

use iam_core::ErrorKind;
use iam_graph::eligibility::Validity;
use iam_graph::roles::TENANT;
use serde_json::json;

use super::{kind, tenant};

const READER: &str = "5d6b6bb7-de71-4623-b4af-96380a352509";

#[tokio::test]
async fn eligibility_is_given_and_taken() {
    let tenant = tenant().await;
    let ada = tenant.ada().await;
    let client = &tenant.client;
    let week = Validity::For(Duration::from_hours(7 * 24));
    let made = client
        .make_eligible(&ada, READER, TENANT, week, "on call")
        .await
        .unwrap();
    assert_eq!(
        (made.status.as_deref(), made.action.as_deref()),
        (Some("Provisioned"), Some("adminAssign"))
    );
    let again = client.make_eligible(&ada, READER, TENANT, week, "on call").await;
    assert_eq!(kind(again), ErrorKind::AlreadyExists);
    let held = client.eligible_roles_of(&ada).await.unwrap();
    assert_eq!(held.len(), 1);
    assert_eq!(
        (held[0].role_definition_id.as_str(), held[0].scope()),
        (READER, TENANT)
    );
    assert!(held[0].end_date_time.is_some());
    assert_eq!(client.list_eligible_roles().await.unwrap(), held);
    assert!(
        client.roles_of(&ada).await.unwrap().is_empty(),
        "eligible is not assigned"
    );
    assert_eq!(tenant.user(&ada)["eligibleRoles"], json!(["Security Reader"]));
    let gone = client
        .remove_eligible_role(&ada, READER, TENANT, "left")
        .await
        .unwrap();
    assert_eq!(gone.status.as_deref(), Some("Revoked"));
    let twice = client.remove_eligible_role(&ada, READER, TENANT, "left").await;
    assert_eq!(kind(twice), ErrorKind::NotFound);
    let nobody = client
        .make_eligible("nobody", READER, TENANT, Validity::Forever, "x")
        .await;
    assert_eq!(kind(nobody), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_role_for_a_time_ends_by_itself() {
    let tenant = tenant().await;
    let ada = tenant.ada().await;
    let client = &tenant.client;
    let shift = Validity::For(Duration::from_mins(30));
    client
        .assign_role_for(&ada, READER, TENANT, shift, "shift")
        .await
        .unwrap();
    assert_eq!(client.roles_of(&ada).await.unwrap().len(), 1);
    assert_eq!(client.scheduled_roles_of(&ada).await.unwrap().len(), 1);
    tenant.sandbox.advance(Duration::from_mins(31));
    assert!(client.roles_of(&ada).await.unwrap().is_empty());
    // One without an end is taken the same way, however it was given.
    client.assign_role(&ada, READER, TENANT).await.unwrap();
    client
        .remove_scheduled_role(&ada, READER, TENANT, "left")
        .await
        .unwrap();
    assert!(client.roles_of(&ada).await.unwrap().is_empty());
    let twice = client.remove_scheduled_role(&ada, READER, TENANT, "left").await;
    assert_eq!(kind(twice), ErrorKind::NotFound);
}
