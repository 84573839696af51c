//! Roles that may be activated, and roles for a time.

use std::time::Duration;

use iam_core::ErrorKind;
use iam_core::entitlement::Via;
use iam_core::person::PersonKey;
use iam_core::plan::Action;
use iam_core::target::{PersonRef, Target};
use iam_graph::eligibility::Validity;
use iam_graph::roles::TENANT;
use iam_sandbox::{Effect, Fault};
use serde_json::json;

use super::{ALREADY, DONE, kind, tenant};

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

#[tokio::test]
async fn a_request_whose_answer_is_lost_takes_effect_once_and_is_never_reported_as_somebody_elses() {
    const REQUESTS: &str = "/roleManagement/directory/role*ScheduleRequests";
    let week = Validity::For(Duration::from_hours(7 * 24));
    for effect in [Effect::CutAfter, Effect::CutBefore] {
        let tenant = tenant().await;
        let ada = tenant.ada().await;
        let client = &tenant.client;
        let lose = || {
            let fault = Fault::new(effect.clone()).on("POST", REQUESTS).times(1);
            tenant.sandbox.fault(fault);
        };
        lose();
        let made = client
            .make_eligible(&ada, READER, TENANT, week, "on call")
            .await
            .unwrap();
        assert_eq!(made.status.as_deref(), Some("Provisioned"), "{effect:?}");
        let held = client.eligible_roles_of(&ada).await.unwrap();
        assert_eq!(held.len(), 1, "{effect:?}");
        assert_eq!(
            made.target_schedule_id, held[0].role_eligibility_schedule_id,
            "{effect:?}"
        );
        lose();
        client
            .assign_role_for(&ada, READER, TENANT, week, "shift")
            .await
            .unwrap();
        assert_eq!(client.roles_of(&ada).await.unwrap().len(), 1);
        lose();
        let gone = client
            .remove_eligible_role(&ada, READER, TENANT, "left")
            .await
            .unwrap();
        assert_eq!(gone.status.as_deref(), Some("Revoked"), "{effect:?}");
        assert!(client.eligible_roles_of(&ada).await.unwrap().is_empty());
        lose();
        client
            .remove_scheduled_role(&ada, READER, TENANT, "left")
            .await
            .unwrap();
        assert!(client.roles_of(&ada).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn what_somebody_may_activate_is_held_and_taken() {
    let tenant = tenant().await;
    let (ada, noah) = (tenant.ada().await, tenant.id("W-1009"));
    let client = &tenant.client;
    let unit = client
        .create_unit("North", &iam_graph::units::UnitPatch::new())
        .await
        .unwrap();
    let (helpdesk, scope) = (
        "729827e3-9c14-49f7-bb1b-9608f156bbb8",
        iam_graph::units::scope(&unit.id),
    );
    client
        .make_eligible(&ada, READER, TENANT, Validity::Forever, "x")
        .await
        .unwrap();
    client
        .make_eligible(&ada, helpdesk, &scope, Validity::Forever, "x")
        .await
        .unwrap();
    client.assign_role(&ada, READER, TENANT).await.unwrap();
    let who = |account: &str| PersonRef {
        person: PersonKey::new("W-1"),
        account: account.to_owned(),
    };
    // One account, and several: the same is seen.
    let one = tenant.target.observe(&[who(&ada)]).await.unwrap().remove(0);
    let both = tenant.target.observe(&[who(&noah), who(&ada)]).await.unwrap();
    assert_eq!(one.held, both[1].held);
    assert!(
        !both[0]
            .held
            .iter()
            .any(|held| held.entitlement.name.contains("eligible"))
    );
    let roles: Vec<&str> = one
        .held
        .iter()
        .map(|held| held.entitlement.name.as_str())
        .collect();
    let in_unit = format!("Helpdesk Administrator ({scope}) (eligible)");
    assert_eq!(
        roles,
        ["Security Reader", "Security Reader (eligible)", in_unit.as_str()]
    );
    assert!(one.held.iter().all(|held| held.via == Via::Direct));
    for held in &one.held[1..] {
        let revoke = Action::Revoke {
            entitlement: held.entitlement.clone(),
            assignment: held.assignment.clone(),
        };
        assert_eq!(tenant.apply(&ada, revoke.clone()).await.unwrap(), DONE);
        assert_eq!(tenant.apply(&ada, revoke).await.unwrap(), ALREADY);
    }
    assert_eq!(tenant.user(&ada)["eligibleRoles"], json!([]));
    assert_eq!(
        tenant.user(&ada)["roles"],
        json!(["Security Reader"]),
        "assigned is another thing"
    );
    // No policy gives it.
    let give = Action::grant(one.held[1].entitlement.clone());
    assert_eq!(kind(tenant.apply(&ada, give).await), ErrorKind::Invalid);
}
