//! What a leave leaves behind for a while: memberships that are computed, mailboxes on hold; and the account that waits
//! to be restored, whose name or address somebody else has taken meanwhile.

use std::sync::Arc;

use iam_core::engine::{Engine, RunReport};
use iam_core::http::Method;
use iam_core::journal::MemoryJournal;
use iam_core::policy::Document;
use iam_graph::{GraphMail, GraphTarget};
use serde_json::{Value, json};

use crate::world::{POLICY, World, client, person};

fn notes(report: &RunReport) -> String {
    let all = report.people.iter().flat_map(|run| run.notes.iter());
    all.map(String::as_str).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn a_computed_membership_is_given_a_day_and_then_told_of_once() {
    let world = World::new().await;
    world.hear(&["W-1 Mei Tanaka Sales location=Sydney"]).await;
    assert_eq!(
        world.look("W-1").await,
        "mei.tanaka enabled: Everybody, Sydney Everyone, st-sales / POWER_BI_PRO, SPE_E3 / "
    );
    let left = world
        .hear(&["W-1 Mei Tanaka Sales location=Sydney status=gone"])
        .await;
    assert_eq!(
        world.look("W-1").await,
        "mei.tanaka blocked: Sydney Everyone /  / "
    );
    assert!(
        notes(&left).contains("it should be gone by 2026-11-25T09:00:00Z"),
        "{left:?}"
    );
    let early = world.at("2026-11-25T08:59:59Z").await;
    assert!(early.people.is_empty(), "{early:?}");
    let late = world.at("2026-11-25T09:00:00Z").await;
    assert!(
        notes(&late).contains("it should have gone by 2026-11-25T09:00:00Z: see to it"),
        "{late:?}"
    );
    assert!(world.at("2026-12-20T09:00:00Z").await.people.is_empty(), "once");
}

/// The account of somebody with mailbox and licences, deleted when its retention was over.
async fn deleted() -> (World, String) {
    let world = World::new().await;
    world.hear(&["W-1 Mei Tanaka Sales"]).await;
    let id = world.id("W-1").await;
    world.hear(&["W-1 Mei Tanaka Sales status=gone"]).await;
    world.at("2026-12-24T09:00:01Z").await;
    assert_eq!(world.deleted("W-1").await, 1);
    (world, id)
}

/// Somebody else, by hand, with that sign-in name and that address.
async fn other(world: &World, name: &str, mail: &str) {
    let body = json!({
        "userPrincipalName": name, "mailNickname": "other", "displayName": "Somebody Else", "accountEnabled": true,
        "mail": mail, "passwordProfile": {"password": "Xk29!long-enough-pw"},
    });
    world.change(Method::Post, "/users", body).await;
}

async fn user(world: &World, name: &str) -> Value {
    world
        .get(&format!(
            "/users/{name}?$select=id,displayName,mail,accountEnabled"
        ))
        .await
}

#[tokio::test]
async fn who_comes_back_when_somebody_else_has_the_sign_in_name_waits_and_takes_nothing_over() {
    let (world, id) = deleted().await;
    other(&world, "mei.tanaka@contoso.example", "other@contoso.example").await;
    let report = world.hear(&["W-1 Mei Tanaka Sales"]).await;
    assert!(
        format!("{:?}", report.people[0].ending).contains("restore_account"),
        "{report:?}"
    );
    // Neither the account of before, nor a second one, nor anything of the other's.
    assert_eq!(
        (world.look("W-1").await.as_str(), world.deleted("W-1").await),
        ("nothing", 1)
    );
    let theirs = user(&world, "mei.tanaka@contoso.example").await;
    assert_eq!(
        (&theirs["displayName"], &theirs["accountEnabled"]),
        (&json!("Somebody Else"), &json!(true))
    );
    // As soon as the name is free, the account comes back, and everything policy says with it.
    let renamed = json!({"userPrincipalName": "somebody.else@contoso.example"});
    world
        .change(
            Method::Patch,
            &format!("/users/{}", theirs["id"].as_str().unwrap()),
            renamed,
        )
        .await;
    for hour in 10..24 {
        world.at(&format!("2026-12-24T{hour}:00:00Z")).await;
    }
    assert_eq!(
        world.look("W-1").await,
        "mei.tanaka enabled: Everybody, st-sales / POWER_BI_PRO, SPE_E3 / "
    );
    assert_eq!(world.id("W-1").await, id, "the same account");
}

#[tokio::test]
async fn who_comes_back_when_somebody_else_has_an_address_comes_back_without_it() {
    let (world, id) = deleted().await;
    other(
        &world,
        "somebody.else@contoso.example",
        "mei.tanaka@contoso.example",
    )
    .await;
    world.hear(&["W-1 Mei Tanaka Sales"]).await;
    assert_eq!(
        world.look("W-1").await,
        "mei.tanaka enabled: Everybody, st-sales / POWER_BI_PRO, SPE_E3 / "
    );
    assert_eq!(world.id("W-1").await, id, "the same account");
    let theirs = user(&world, "somebody.else@contoso.example").await;
    assert_eq!(theirs["mail"], "mei.tanaka@contoso.example", "it stays theirs");
}

#[tokio::test]
async fn a_mailbox_on_hold_keeps_its_licence_over_graph_until_the_account_is_deleted() {
    let policy = POLICY.replace("[leaver]\n", "[leaver]\nheld_mailboxes = \"st-on-hold\"\n");
    let world = World::with_policy(&policy).await;
    for name in ["Everybody", "st-security", "st-sales", "st-heads", "st-on-hold"] {
        world.make_group(name).await;
    }
    world.hear(&["W-1 Mei Tanaka Sales", "W-2 Bo Ek Sales"]).await;
    world.put_into("W-1", "st-on-hold").await;
    world
        .hear(&["W-1 Mei Tanaka Sales status=gone", "W-2 Bo Ek Sales status=gone"])
        .await;
    let held = world.look("W-1").await;
    assert!(
        held.starts_with("mei.tanaka blocked: ") && held.contains("SPE_E3"),
        "{held}"
    );
    assert!(
        !held.contains("Everybody") && !held.contains("st-sales"),
        "no access: {held}"
    );
    assert_eq!(
        world.look("W-2").await,
        "bo.ek blocked:  /  / ",
        "nobody else keeps any"
    );
    world.at("2026-12-24T09:00:01Z").await;
    assert_eq!(
        (world.look("W-1").await.as_str(), world.deleted("W-1").await),
        ("nothing", 1)
    );
}

#[tokio::test]
async fn a_start_that_nobody_came_to_is_told_to_hr_as_the_tenant_s_sign_ins_say() {
    let world = World::new().await;
    let policy = POLICY.replace("[joiner]\n", "[joiner]\nno_show_after = \"3d\"\n");
    let (graph, clock) = (client(&world.sandbox), world.clock.clone());
    let engine = Engine::builder(
        Arc::new(MemoryJournal::new()),
        Arc::new(Document::parse(&policy).unwrap()),
    )
    .target(Arc::new(GraphTarget::new(graph.clone()).sign_ins()))
    .notifier(Arc::new(GraphMail::new(graph, "hr-robot@contoso.example")))
    .clock(Arc::new(clock.clone()))
    .build();
    // Noah is in the seeded tenant and has signed in; Mei is new and never does.
    let noah = world.sandbox.user("W-1009").unwrap();
    assert!(noah["signInActivity"]["lastSuccessfulSignInDateTime"].is_string());
    let people = ["W-1 Mei Tanaka Sales hire=2026-11-24"].map(person);
    engine.accept(people).await.unwrap();
    engine.run(&|_| {}).await.unwrap();
    let before = world.mails().len();
    clock.set("2026-11-27T00:00:00Z".parse().unwrap());
    engine.run(&|_| {}).await.unwrap();
    assert_eq!(world.mails()[before..], ["Mei Tanaka has not signed in yet"]);
    assert!(
        world.look("W-1").await.starts_with("mei.tanaka enabled"),
        "nothing else follows"
    );
    clock.set("2026-12-27T00:00:00Z".parse().unwrap());
    engine.run(&|_| {}).await.unwrap();
    assert_eq!(world.mails().len(), before + 1, "once");
}
