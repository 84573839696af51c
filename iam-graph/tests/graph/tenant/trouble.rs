//! Lost answers, throttling, replication lag and revoked tokens lose nothing and double nothing.

use iam_core::clock::{Clock, SystemClock};
use iam_core::entitlement::{Entitlement, Kind};
use iam_core::person::PersonKey;
use iam_core::plan::Action;
use iam_core::target::Applied;
use iam_sandbox::{Effect, Fault, RetryAfter, Sandbox};
use serde_json::json;

use super::{DONE, create, start, tenant};
use crate::clock::TestClock;

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
    let access = || {
        let user = tenant.user(&id);
        json!([
            user["groups"],
            user["licenses"],
            user["roles"],
            user["accountEnabled"]
        ])
    };
    act(
        "PUT",
        "/users/*/manager/$ref",
        Action::SetManager {
            manager: Some(PersonKey::new("W-1009")),
            manager_account: manager,
            before: None,
        },
    )
    .await;
    act("POST", "/groups/*/members/$ref", grant(&group)).await;
    act("POST", "/users/*/assignLicense", grant(&license)).await;
    act("POST", "/roleManagement/directory/roleAssignments", grant(&role)).await;
    act("PATCH", "/users/*", Action::AllowSignIn).await;
    assert_eq!(
        access(),
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
    assert_eq!(access(), json!([[], [], [], false]));
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
