//! Moving, leaving, coming back.

use iam_core::engine::Ending;
use iam_core::http::Method;
use serde_json::json;

use crate::world::{World, person};

#[tokio::test]
async fn a_mover_keeps_what_applies_loses_what_does_not_and_keeps_what_was_given_by_hand() {
    let world = World::new().await;
    world.hear(&["W-1 Mei Tanaka Sales"]).await;
    world.put_into("W-1", "st-by-hand").await;
    world.hear(&["W-1 Mei Tanaka Security"]).await;
    assert_eq!(
        world.look("W-1").await,
        "mei.tanaka enabled: Everybody, st-by-hand, st-security / SPE_E3 / Security Reader"
    );
    world.hear(&["W-1 Mei Tanaka Marketing"]).await;
    let during = "mei.tanaka enabled: Everybody, st-by-hand, st-security / SPE_E3 / Security Reader";
    assert_eq!(
        world.look("W-1").await,
        during,
        "the grace of rule security is 14 days"
    );
    world.at("2026-12-08T08:59:59Z").await;
    assert_eq!(world.look("W-1").await, during);
    world.at("2026-12-08T09:00:00Z").await;
    assert_eq!(
        world.look("W-1").await,
        "mei.tanaka enabled: Everybody, st-by-hand / SPE_E3 / "
    );
}

#[tokio::test]
async fn what_hr_takes_back_is_cleared_and_what_it_never_said_is_left_alone() {
    let world = World::new().await;
    let said = |kind: Option<&str>, cost: Option<&str>| {
        let mut person = person("W-1 Mei Tanaka Sales");
        person.worker_type = kind.map(str::to_owned);
        person.cost_center = cost.map(str::to_owned);
        person
    };
    let seen = async || {
        let id = world.id("W-1").await;
        let select = "$select=employeeType,companyName,employeeOrgData";
        let user = world.get(&format!("/users/{id}?{select}")).await;
        let cost = user["employeeOrgData"]["costCenter"].clone();
        json!([user["employeeType"], cost, user["companyName"]])
    };
    world.hear_of(said(Some("Contractor"), Some("W-100"))).await;
    let id = world.id("W-1").await;
    let by_hand = json!({"companyName": "Contoso Care"});
    world
        .change(Method::Patch, &format!("/users/{id}"), by_hand)
        .await;
    assert_eq!(seen().await, json!(["Contractor", "W-100", "Contoso Care"]));
    world.hear_of(said(None, None)).await;
    assert_eq!(seen().await, json!([null, null, "Contoso Care"]));
    world.hear_of(said(None, None)).await;
    assert_eq!(world.engine.plan().await.unwrap().steps(), 0);
    world.hear_of(said(Some("Employee"), None)).await;
    assert_eq!(seen().await, json!(["Employee", null, "Contoso Care"]));
}

#[tokio::test]
async fn a_new_name_changes_what_is_shown_and_not_what_people_sign_in_with() {
    let world = World::new().await;
    world.hear(&["W-1 Mei Tanaka Sales"]).await;
    let id = world.id("W-1").await;
    let path = format!("/users/{id}?$select=id,displayName,surname,userPrincipalName,proxyAddresses,mail");
    let before = world.get(&path).await;
    world.hear(&["W-1 Mei Brandt Sales"]).await;
    let after = world.get(&path).await;
    assert_eq!(after["displayName"], "Mei Brandt");
    assert_eq!(after["surname"], "Brandt");
    assert!(after["mail"].is_string());
    for kept in ["userPrincipalName", "mail", "proxyAddresses"] {
        assert_eq!(after[kept], before[kept], "{kept}");
    }
    assert_eq!(world.accounts("W-1").await.len(), 1);
}

#[tokio::test]
async fn a_leaver_ends_without_access_in_the_documented_order() {
    let world = World::new().await;
    world.hear(&["W-1 Mei Tanaka Security"]).await;
    world.put_into("W-1", "st-by-hand").await;
    let licensed = world.make_group("st-licensed").await;
    let sku = world.get("/subscribedSkus").await["value"]
        .as_array()
        .unwrap()
        .iter()
        .find(|sku| sku["skuPartNumber"] == "EMS")
        .unwrap()["skuId"]
        .clone();
    let body = json!({"addLicenses": [{"skuId": sku, "disabledPlans": []}], "removeLicenses": []});
    world
        .change(Method::Post, &format!("/groups/{licensed}/assignLicense"), body)
        .await;
    world.put_into("W-1", "st-licensed").await;
    let id = world.id("W-1").await;
    let password = password_version(&world, &id);
    let sessions = world
        .get(&format!("/users/{id}?$select=signInSessionsValidFromDateTime"))
        .await;

    world.sandbox.advance(std::time::Duration::from_mins(1));
    let report = world.hear(&["W-1 Mei Tanaka Security status=gone"]).await;
    assert_eq!(world.look("W-1").await, "mei.tanaka blocked:  /  / ");
    assert_ne!(password_version(&world, &id), password);
    let after = world
        .get(&format!("/users/{id}?$select=signInSessionsValidFromDateTime"))
        .await;
    assert_ne!(
        after["signInSessionsValidFromDateTime"],
        sessions["signInSessionsValidFromDateTime"]
    );
    let order: Vec<String> = report.people[0]
        .outcomes
        .iter()
        .map(|(step, _)| match step.id.as_str().rsplit_once(':') {
            Some((kind, _)) if step.action.kind() == "revoke" => {
                let name = match &step.action {
                    iam_core::plan::Action::Revoke { entitlement, .. } => entitlement.name.clone(),
                    _ => String::new(),
                };
                format!("{kind}:{name}")
            }
            _ => step.action.kind().to_owned(),
        })
        .collect();
    assert_eq!(
        order[..4],
        [
            "block_sign_in",
            "revoke_sessions",
            "reset_password",
            "revoke:role:Security Reader"
        ]
    );
    assert_eq!(order.last().map(String::as_str), Some("notify"));
    assert_eq!(
        order[order.len() - 2],
        "revoke:group:st-licensed",
        "groups that carry licences go last: {order:?}"
    );
    assert!(
        order[4..7].iter().all(|step| step.starts_with("revoke:group:")),
        "{order:?}"
    );
    assert_eq!(
        order[7..9],
        ["set_automatic_reply", "revoke:licence:SPE_E3"],
        "the mailbox goes with the licence"
    );
    assert_eq!(
        world.mails().last().map(String::as_str),
        Some("Mei Tanaka has left")
    );

    world.at("2026-12-24T09:00:01Z").await;
    assert_eq!(world.look("W-1").await, "nothing");
    assert_eq!(world.deleted("W-1").await, 1);
}

#[tokio::test]
async fn a_leaver_may_activate_no_role_any_more_and_a_mover_still_may() {
    let world = World::new().await;
    world.hear(&["W-1 Mei Tanaka Security"]).await;
    let id = world.id("W-1").await;
    let administrator = "729827e3-9c14-49f7-bb1b-9608f156bbb8";
    let wish = json!({
        "action": "adminAssign", "principalId": id, "roleDefinitionId": administrator, "directoryScopeId": "/",
        "justification": "on call", "scheduleInfo": { "expiration": { "type": "noExpiration" } },
    });
    let requests = "/roleManagement/directory/roleEligibilityScheduleRequests";
    world.change(Method::Post, requests, wish).await;
    let eligible = || world.sandbox.user(&id).unwrap()["eligibleRoles"].clone();

    world.hear(&["W-1 Mei Tanaka Sales"]).await;
    world.at("2026-12-09T09:00:00Z").await;
    assert_eq!(eligible(), json!(["Helpdesk Administrator"]), "given by hand");

    world.hear(&["W-1 Mei Tanaka Sales status=gone"]).await;
    assert_eq!(world.look("W-1").await, "mei.tanaka blocked:  /  / ");
    assert_eq!(eligible(), json!([]));
    assert_eq!(
        world.engine.plan().await.unwrap().steps(),
        0,
        "nothing is left to do"
    );
}

#[tokio::test]
async fn somebody_who_comes_back_gets_a_fresh_set_whatever_became_of_the_account() {
    let fresh = "mei.tanaka enabled: Everybody, st-sales / POWER_BI_PRO, SPE_E3 / ";
    // Blocked but there.
    let world = World::new().await;
    world.hear(&["W-1 Mei Tanaka Security"]).await;
    world.put_into("W-1", "st-by-hand").await;
    let id = world.id("W-1").await;
    world.hear(&["W-1 Mei Tanaka Security status=gone"]).await;
    world.put_into("W-1", "st-by-hand").await;
    world.hear(&["W-1 Mei Tanaka Sales"]).await;
    assert_eq!(world.look("W-1").await, fresh);
    assert_eq!(world.id("W-1").await, id);
    // Deleted by us, after the retention.
    world.hear(&["W-1 Mei Tanaka Sales status=gone"]).await;
    world.at("2026-12-24T09:00:01Z").await;
    assert_eq!(world.deleted("W-1").await, 1);
    world.hear(&["W-1 Mei Tanaka Sales"]).await;
    assert_eq!(world.look("W-1").await, fresh);
    assert_eq!((world.id("W-1").await, world.deleted("W-1").await), (id, 0));
}

#[tokio::test]
async fn somebody_whose_account_was_deleted_by_hand_or_restored_by_hand_comes_back_clean() {
    let world = World::new().await;
    world.hear(&["W-1 Mei Tanaka Security"]).await;
    let id = world.id("W-1").await;
    world.hear(&["W-1 Mei Tanaka Security status=gone"]).await;
    world
        .change(Method::Delete, &format!("/users/{id}"), json!({}))
        .await;
    world
        .change(
            Method::Post,
            &format!("/directory/deletedItems/{id}/restore"),
            json!({}),
        )
        .await;
    world.put_into("W-1", "st-by-hand").await;
    world.hear(&["W-1 Mei Tanaka Sales"]).await;
    assert_eq!(
        world.look("W-1").await,
        "mei.tanaka enabled: Everybody, st-sales / POWER_BI_PRO, SPE_E3 / "
    );

    // W-1013 is in the deleted items of the seeded tenant, and new to the journal.
    assert_eq!(world.deleted("W-1013").await, 1);
    world.hear(&["W-1013 Yuki Mori Sales country=JP"]).await;
    assert!(
        world
            .look("W-1013")
            .await
            .ends_with("enabled: Everybody, st-sales / POWER_BI_PRO, SPE_E3 / ")
    );
    assert_eq!(world.deleted("W-1013").await, 0);
}

#[tokio::test]
async fn sign_in_that_somebody_else_blocked_stays_blocked() {
    let world = World::new().await;
    world.hear(&["W-1 Mei Tanaka Sales"]).await;
    let id = world.id("W-1").await;
    world
        .change(
            Method::Patch,
            &format!("/users/{id}"),
            json!({"accountEnabled": false}),
        )
        .await;
    let report = world.hear(&["W-1 Mei Tanaka Security"]).await;
    assert!(world.look("W-1").await.starts_with("mei.tanaka blocked"));
    assert!(
        report.people[0]
            .notes
            .iter()
            .any(|note| note.contains("somebody else"))
    );
}

#[tokio::test]
async fn a_protected_account_is_refused() {
    let world = World::new().await;
    let glass = world
        .get("/users/break-glass@contoso.example?$select=id,accountEnabled")
        .await;
    let id = glass["id"].as_str().unwrap();
    world
        .change(
            Method::Patch,
            &format!("/users/{id}"),
            json!({"employeeId": "W-1"}),
        )
        .await;
    let before = world.look("W-1").await;
    for said in ["W-1 Break Glass Sales", "W-1 Break Glass Sales status=gone"] {
        let report = world.hear(&[said]).await;
        assert!(
            matches!(&report.people[0].ending, Ending::Refused(why) if why.contains("protected")),
            "{report:?}"
        );
        assert_eq!(world.look("W-1").await, before);
    }
    assert!(
        before.contains("enabled") && before.contains("Global Administrator"),
        "{before}"
    );
}

#[tokio::test]
async fn no_access_before_the_first_day_begins_where_the_person_works() {
    let world = World::new().await;
    world
        .hear(&["W-1 Freya Lindholm Security hire=2031-03-03 zone=Europe/Berlin"])
        .await;
    assert_eq!(world.look("W-1").await, "nothing");
    world.at("2031-02-16T23:00:00Z").await;
    assert_eq!(
        world.look("W-1").await,
        "freya.lindholm blocked: Everybody, st-security / SPE_E3 / "
    );
    world.at("2031-03-02T22:59:59Z").await;
    assert!(world.look("W-1").await.contains("blocked"));
    world.at("2031-03-02T23:00:00Z").await;
    assert_eq!(
        world.look("W-1").await,
        "freya.lindholm enabled: Everybody, st-security / SPE_E3 / Security Reader"
    );
}

fn password_version(world: &World, id: &str) -> serde_json::Value {
    let state = world.sandbox.state();
    let users = state["users"].as_array().unwrap();
    users.iter().find(|user| user["id"] == id).unwrap()["passwordVersion"].clone()
}
