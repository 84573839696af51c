//! What a leaver's manager takes over: the drive, owned groups, the mail and the reports. Judged by the tenant's end
//! state; access never waits for any of it.

use iam_core::engine::{Ending, RunReport};
use iam_core::http::Method;
use iam_sandbox::{Effect, Fault, RetryAfter};
use serde_json::{Value, json};

use crate::world::World;

const CHIEF: &str = "W-8 Kim Lee Sales";
const BOSS: &str = "W-9 Ada Ng Sales manager=W-8";
const HIRED: &str = "W-1 Mei Tanaka Sales manager=W-9";
const LEFT: &str = "W-1 Mei Tanaka Sales manager=W-9 status=gone";
const GONE: &str = "mei.tanaka blocked:  /  / ";
const E3: &str = "05e9a617-0261-4cee-bb44-138d3ef5d965";

async fn world() -> World {
    let policy = r#"
version = 1
[tenant]
domain = "contoso.example"
[naming]
upn = ["{given}.{family}"]
[defaults]
usage_location = "person.country"
licenses = ["SPE_E3"]
[leaver]
onedrive = "manager"
owned_groups = "manager"
sponsorships = "manager"
direct_reports = "manager"
mailbox = { auto_reply = "Nobody reads this.", forward = "manager" }
"#;
    let world = World::with_policy(policy).await;
    world.hear(&[CHIEF, BOSS, HIRED]).await;
    world
}

fn failing(method: &str, path: &str, status: u16) -> Fault {
    let effect = Effect::Status {
        status,
        retry_after: RetryAfter::Seconds(0),
    };
    Fault::new(effect).on(method, path)
}

fn user(world: &World, person: &str) -> Value {
    world.sandbox.user(person).unwrap()
}

fn waits_for(report: &RunReport, step: &str) -> bool {
    let ending = |run: &iam_core::engine::PersonRun| matches!(&run.ending, Ending::Waiting(why) if why.starts_with(step));
    report.people.iter().any(ending)
}

async fn owners(world: &World, group: &str) -> Vec<String> {
    let found = world.get(&format!("/groups/{group}/owners?$select=id")).await;
    let owners = found["value"].as_array().unwrap().iter();
    owners
        .map(|owner| owner["id"].as_str().unwrap().to_owned())
        .collect()
}

async fn own(world: &World, person: &str, group: &str) {
    let body = json!({"@odata.id": format!("{}/directoryObjects/{}", world.sandbox.graph(), world.id(person).await)});
    world
        .change(Method::Post, &format!("/groups/{group}/owners/$ref"), body)
        .await;
}

#[tokio::test]
async fn the_manager_has_drive_groups_and_mail_and_the_leaver_has_nothing() {
    let world = world().await;
    let (boss, leaver) = (world.id("W-9").await, world.id("W-1").await);
    let (alone, shared) = (world.make_group("alone").await, world.make_group("shared").await);
    own(&world, "W-1", &alone).await;
    own(&world, "W-1", &shared).await;
    own(&world, "W-9", &shared).await;
    let before = world.sandbox.log().len();
    let report = world.hear(&[LEFT]).await;
    assert_eq!(
        (report.totals().failed, report.totals().open),
        (0, 0),
        "{report:?}"
    );
    assert_eq!(world.look("W-1").await, GONE);
    assert_eq!(user(&world, "W-1")["driveSharedWith"], json!([boss]));
    assert_eq!(
        (owners(&world, &alone).await, owners(&world, &shared).await),
        (vec![boss.clone()], vec![boss])
    );
    let rules = user(&world, "W-1")["messageRules"].clone();
    assert_eq!(
        rules[0]["actions"]["redirectTo"][0]["emailAddress"]["address"],
        "ada.ng@contoso.example"
    );
    let log = world.sandbox.log();
    let place = |part: &str| {
        let mut writes = log[before..].iter().filter(|entry| entry.method != "GET");
        writes.position(|entry| entry.path.contains(part)).unwrap()
    };
    for errand in ["/invite", "/owners/", "/messageRules"] {
        assert!(
            place("/revokeSignInSessions") < place(errand) && place(errand) < place("/assignLicense"),
            "{errand}"
        );
    }
    assert_eq!(world.engine.plan().await.unwrap().steps(), 0);
    // With a licence for a shared mailbox's time, what is written to the leaver reaches the manager.
    let give = json!({"addLicenses": [{"skuId": E3, "disabledPlans": []}], "removeLicenses": []});
    world
        .change(Method::Post, &format!("/users/{leaver}/assignLicense"), give)
        .await;
    let mail = json!({"message": {
        "subject": "An invoice", "body": {"contentType": "Text", "content": "Pay"},
        "toRecipients": [{"emailAddress": {"address": "mei.tanaka@contoso.example"}}],
    }});
    world
        .change(Method::Post, "/users/hr-robot@contoso.example/sendMail", mail)
        .await;
    let inbox = world
        .get("/users/ada.ng@contoso.example/mailFolders/inbox/messages")
        .await;
    assert_eq!(inbox["value"][0]["subject"], "An invoice");
}

#[tokio::test]
async fn a_drive_that_fails_keeps_nobody_in_and_once_the_licence_is_gone_that_is_said() {
    let world = world().await;
    world.sandbox.fault(failing("*", "/users/*/drive*", 503));
    world
        .sandbox
        .fault(failing("*", "/users/*/drive/root/invite", 503));
    let report = world.hear(&[LEFT]).await;
    assert!(waits_for(&report, "share_drive"), "{report:?}");
    assert_eq!(world.look("W-1").await, GONE);
    world.sandbox.clear_faults();
    let report = world.at("2026-11-24T10:00:00Z").await;
    let outcomes: Vec<String> = report
        .people
        .iter()
        .flat_map(|run| &run.outcomes)
        .map(|(_, outcome)| format!("{outcome:?}"))
        .collect();
    assert!(
        outcomes
            .iter()
            .any(|outcome| outcome.contains("there is no drive")),
        "{report:?}"
    );
    assert_eq!(report.totals().open, 0);
}

#[tokio::test]
async fn a_group_is_never_without_an_owner_whatever_fails() {
    let world = world().await;
    let group = world.make_group("alone").await;
    own(&world, "W-1", &group).await;
    let (boss, leaver) = (world.id("W-9").await, world.id("W-1").await);
    world.sandbox.fault(failing("POST", "/groups/*/owners/$ref", 503));
    let report = world.hear(&[LEFT]).await;
    assert!(waits_for(&report, "hand_over_groups"), "{report:?}");
    assert_eq!(
        (world.look("W-1").await.as_str(), owners(&world, &group).await),
        (GONE, vec![leaver.clone()])
    );
    world.sandbox.clear_faults();
    world
        .sandbox
        .fault(failing("DELETE", "/groups/*/owners/*/$ref", 503));
    world.at("2026-11-24T10:00:00Z").await;
    assert_eq!(owners(&world, &group).await.len(), 2);
    world.sandbox.clear_faults();
    world.at("2026-11-24T11:00:00Z").await;
    assert_eq!(owners(&world, &group).await, [boss]);
}

async fn make_guest(world: &World, name: &str, sponsors: &[&str]) -> String {
    let body = json!({
        "accountEnabled": true, "displayName": name, "mailNickname": name, "userType": "Guest",
        "userPrincipalName": format!("{name}@contoso.example"), "passwordProfile": {"password": "Not-Their-0wn"},
    });
    world.change(Method::Post, "/users", body).await;
    let found = world
        .get(&format!("/users/{name}@contoso.example?$select=id"))
        .await;
    let guest = found["id"].as_str().unwrap().to_owned();
    for person in sponsors {
        let body =
            json!({"@odata.id": format!("{}/users/{}", world.sandbox.graph(), world.id(person).await)});
        let path = format!("/users/{guest}/sponsors/$ref");
        world.change(Method::Post, &path, body).await;
    }
    guest
}

async fn sponsors(world: &World, guest: &str) -> Vec<String> {
    let found = world.get(&format!("/users/{guest}/sponsors?$select=id")).await;
    let sponsors = found["value"].as_array().unwrap().iter();
    let mut sponsors: Vec<String> = sponsors
        .map(|one| one["id"].as_str().unwrap().to_owned())
        .collect();
    sponsors.sort_unstable();
    sponsors
}

#[tokio::test]
async fn the_guests_of_a_leaver_are_never_without_a_sponsor_whatever_fails() {
    let world = world().await;
    let alone = make_guest(&world, "lone.guest", &["W-1"]).await;
    let shared = make_guest(&world, "shared.guest", &["W-1", "W-8"]).await;
    let (chief, boss, leaver) = (
        world.id("W-8").await,
        world.id("W-9").await,
        world.id("W-1").await,
    );
    world
        .sandbox
        .fault(failing("POST", "/users/*/sponsors/$ref", 503));
    let report = world.hear(&[LEFT]).await;
    assert!(waits_for(&report, "hand_over_sponsorships"), "{report:?}");
    assert_eq!(
        (world.look("W-1").await.as_str(), sponsors(&world, &alone).await),
        (GONE, vec![leaver])
    );
    world.sandbox.clear_faults();
    world
        .sandbox
        .fault(failing("DELETE", "/users/*/sponsors/*/$ref", 503));
    world.at("2026-11-24T10:00:00Z").await;
    assert_eq!(sponsors(&world, &alone).await.len(), 2);
    world.sandbox.clear_faults();
    world.at("2026-11-24T11:00:00Z").await;
    assert_eq!(sponsors(&world, &alone).await, std::slice::from_ref(&boss));
    let mut both = [chief, boss];
    both.sort_unstable();
    assert_eq!(sponsors(&world, &shared).await, both, "who shared it stays");
    assert_eq!(world.engine.plan().await.unwrap().steps(), 0);
}

#[tokio::test]
async fn power_over_role_assignable_groups_goes_to_nobody_by_itself() {
    let world = world().await;
    let body = json!({
        "displayName": "Admins", "mailNickname": "admins", "mailEnabled": false, "securityEnabled": true,
        "isAssignableToRole": true,
    });
    world.change(Method::Post, "/groups", body).await;
    let group = world.group_id("Admins").await;
    own(&world, "W-1", &group).await;
    own(&world, "W-8", &group).await;
    world.hear(&[LEFT]).await;
    assert_eq!(owners(&world, &group).await, [world.id("W-8").await]);
}

#[tokio::test]
async fn who_is_back_has_drive_and_mail_alone() {
    let world = world().await;
    world.hear(&[LEFT]).await;
    assert!(user(&world, "W-1")["driveSharedWith"].is_array());
    world.hear(&[HIRED]).await;
    world.at("2026-11-24T10:00:00Z").await;
    assert_eq!(world.look("W-1").await, "mei.tanaka enabled:  / SPE_E3 / ");
    let user = user(&world, "W-1");
    assert_eq!(
        (&user["driveSharedWith"], &user["messageRules"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(user["automaticReplies"]["status"], "disabled");
    assert_eq!(world.engine.plan().await.unwrap().steps(), 0);
}

#[tokio::test]
async fn reports_are_linked_to_the_next_manager_up_until_hr_names_another() {
    let world = world().await;
    world.hear(&["W-9 Ada Ng Sales manager=W-8 status=gone"]).await;
    assert_eq!(world.manager("W-1").await, Some(world.id("W-8").await));
    world
        .hear(&["W-7 Bo Ek Sales", "W-1 Mei Tanaka Sales manager=W-7"])
        .await;
    assert_eq!(world.manager("W-1").await, Some(world.id("W-7").await));
    // The manager who has left is passed over by the leaver's things as well.
    world.hear(&["W-1 Mei Tanaka Sales manager=W-9"]).await;
    world.hear(&[LEFT]).await;
    assert_eq!(
        user(&world, "W-1")["driveSharedWith"],
        json!([world.id("W-8").await])
    );
}
