//! A leaver's mailbox answers whoever writes to it, and access never waits for it. Judged by the end states of the
//! directory, Azure and the application, and by what the mailbox is set to.

use iam_core::engine::{Ending, RunReport};
use iam_core::http::Method;
use iam_core::journal::Outcome;
use iam_sandbox::{Effect, Fault, RetryAfter};
use serde_json::{Value, json};

use crate::three_targets::{GONE, IN_SECURITY, POLICY, look};
use crate::world::World;

const HIRED: &str = "W-1 Mei Tanaka Security";
const LEFT: &str = "W-1 Mei Tanaka Security status=gone";
const E3: &str = "05e9a617-0261-4cee-bb44-138d3ef5d965";

async fn world() -> World {
    let leaver = r#"
[leaver]
mailbox = { auto_reply = "Nobody reads this & nobody will.", contact = "desk@contoso.example" }
notify = ["hr"]
[notify]
from = "hr-robot@contoso.example"
hr = "hr@contoso.example"
"#;
    World::with_policy(&format!("{POLICY}{leaver}")).await
}

fn failing(status: u16) -> Fault {
    let effect = Effect::Status {
        status,
        retry_after: RetryAfter::Seconds(0),
    };
    Fault::new(effect).on("*", "/users/*/mailboxSettings")
}

/// What the mailbox was last set to, whether or not there still is one.
fn replies(world: &World) -> Value {
    world.sandbox.user("W-1").unwrap()["automaticReplies"].clone()
}

fn waits_for(report: &RunReport, what: &str) -> bool {
    let ending = &report.people[0].ending;
    matches!(ending, Ending::Waiting(why) if why.starts_with("set_automatic_reply: ") && why.contains(what))
}

/// Whatever HR says of the leaver next, nothing is left to do.
async fn nothing_is_left(world: &World) {
    let moved = crate::world::person("W-1 Mei Tanaka Sales status=gone");
    world.engine.accept([moved]).await.unwrap();
    assert_eq!(world.engine.plan().await.unwrap().steps(), 0);
}

#[tokio::test]
async fn a_leaver_with_a_parked_mailbox_step_still_loses_everything_at_once() {
    let world = world().await;
    world.hear(&[HIRED]).await;
    assert_eq!(look(&world, "W-1"), IN_SECURITY);
    world.sandbox.fault(failing(503));
    let report = world.hear(&[LEFT]).await;
    assert_eq!(look(&world, "W-1"), GONE);
    assert!(waits_for(&report, "Graph failed"), "{report:?}");
    assert_eq!(world.mails(), ["Mei Tanaka has left"], "what is true is told");
    for hour in [10, 11, 12] {
        let report = world.at(&format!("2026-11-24T{hour}:00:00Z")).await;
        assert!(waits_for(&report, "Graph failed"), "{report:?}");
    }
    // By then the mailbox has gone with its licence: that is the end of it, and it is said.
    world.sandbox.clear_faults();
    let report = world.at("2026-11-24T13:00:00Z").await;
    assert_eq!(report.people[0].ending, Ending::Done);
    let [(_, outcome)] = report.people[0].outcomes.as_slice() else {
        panic!("{report:?}")
    };
    assert!(
        matches!(outcome, Outcome::NotApplicable { why } if why.contains("no mailbox")),
        "{report:?}"
    );
    assert_eq!(
        (look(&world, "W-1").as_str(), replies(&world)),
        (GONE, Value::Null)
    );
    nothing_is_left(&world).await;
    assert_eq!(world.mails().len(), 1);
}

#[tokio::test]
async fn a_parked_mailbox_that_outlives_the_leave_answers_in_the_end() {
    let world = world().await;
    world.hear(&[HIRED]).await;
    // A computed group carries a licence as well, and goes on doing so: that is reported, and not ours to end.
    let group = json!({
        "displayName": "Licensed by rule", "mailNickname": "licensed", "mailEnabled": false, "securityEnabled": true,
        "groupTypes": ["DynamicMembership"], "membershipRuleProcessingState": "On",
        "membershipRule": "user.department -eq \"Security\"",
    });
    world.change(Method::Post, "/groups", group).await;
    let group = world.group_id("Licensed by rule").await;
    let give = json!({"addLicenses": [{"skuId": E3, "disabledPlans": []}], "removeLicenses": []});
    let path = format!("/groups/{group}/assignLicense");
    world.change(Method::Post, &path, give).await;
    world.sandbox.fault(failing(503));
    let report = world.hear(&[LEFT]).await;
    assert!(waits_for(&report, "Graph failed"), "{report:?}");
    let left = "blocked: Licensed by rule / SPE_E3 /  |  | blocked: ";
    assert_eq!(look(&world, "W-1"), left);
    world.sandbox.clear_faults();
    let report = world.at("2026-11-24T10:00:00Z").await;
    assert_eq!(report.people[0].ending, Ending::Done, "{report:?}");
    assert_eq!(replies(&world)["status"], "alwaysEnabled");
    assert_eq!(look(&world, "W-1"), left);
    nothing_is_left(&world).await;
}

#[tokio::test]
async fn the_reply_is_set_while_the_licence_exists_and_ends_when_somebody_is_back() {
    let world = world().await;
    world.hear(&[HIRED]).await;
    let before = world.sandbox.log().len();
    let report = world.hear(&[LEFT]).await;
    assert_eq!(
        (report.totals().failed, report.totals().open),
        (0, 0),
        "{report:?}"
    );
    assert_eq!(look(&world, "W-1"), GONE);
    let text = "Nobody reads this &amp; nobody will. Please write to desk@contoso.example instead.";
    let set = replies(&world);
    assert_eq!(
        (
            &set["status"],
            &set["externalAudience"],
            &set["internalReplyMessage"],
            &set["externalReplyMessage"]
        ),
        (&json!("alwaysEnabled"), &json!("all"), &json!(text), &json!(text))
    );
    let log = world.sandbox.log();
    let place = |part: &str| {
        let mut entries = log[before..].iter().filter(|entry| entry.method != "GET");
        entries.position(|entry| entry.path.ends_with(part)).unwrap()
    };
    assert!(place("/revokeSignInSessions") < place("/mailboxSettings"));
    assert!(place("/mailboxSettings") < place("/assignLicense"));
    nothing_is_left(&world).await;
    world.hear(&[HIRED]).await;
    assert_eq!(look(&world, "W-1"), IN_SECURITY);
    assert_eq!(replies(&world)["status"], "disabled");
    assert_eq!(world.engine.plan().await.unwrap().steps(), 0);
}

#[tokio::test]
async fn a_missing_permission_is_named_and_keeps_nobody_in() {
    let world = world().await;
    world.hear(&[HIRED]).await;
    world.sandbox.fault(failing(403));
    let report = world.hear(&[LEFT]).await;
    assert!(
        waits_for(&report, "grant it MailboxSettings.ReadWrite"),
        "{report:?}"
    );
    assert_eq!(look(&world, "W-1"), GONE);
    assert_eq!(world.mails(), ["Mei Tanaka has left"]);
}
