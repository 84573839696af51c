//! Entra ID, a SCIM application and Azure in one flow, judged by all three end states.

use iam_core::engine::Ending;
use iam_sandbox::{Effect, Fault, RetryAfter};
use serde_json::Value;

use crate::world::World;

pub const POLICY: &str = r#"
version = 1
[tenant]
domain = "contoso.example"
[naming]
upn = ["{given}.{family}", "{given}.{family}{n}"]
[defaults]
usage_location = "person.country"
groups = ["All Staff"]
licenses = ["SPE_E3"]
[[rule]]
id = "security"
when = 'person.department == "Security"'
roles = ["Security Reader"]
azure = [{ role = "Reader", scope = "/subscriptions/SUB/resourceGroups/siem" }]
apps = [{ scim = "ticketing", roles = ["agent"] }]
[[rule]]
id = "desk"
when = 'person.department == "Desk"'
apps = [{ scim = "ticketing", roles = ["agent", "supervisor"] }]
"#;

/// `directory | azure | application`: each says who may get in, and what is held.
pub fn look(world: &World, id: &str) -> String {
    let state = world.sandbox.state();
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let texts = |value: &Value| {
        let mut texts: Vec<String> = list(value)
            .iter()
            .filter_map(|text| text.as_str().or(text["display"].as_str()))
            .map(str::to_owned)
            .collect();
        texts.sort();
        texts.join(", ")
    };
    let state_of = |enabled: &Value| if *enabled == true { "enabled" } else { "blocked" };
    let users = list(&state["users"]);
    let Some(user) = users.iter().find(|user| user["employeeId"] == id) else {
        return "nobody".to_owned();
    };
    let held = [
        texts(&user["groups"]),
        texts(&user["licenses"]),
        texts(&user["roles"]),
    ]
    .join(" / ");
    let assignments = list(&state["arm"]["roleAssignments"]);
    let mine = assignments
        .iter()
        .filter(|assignment| assignment["principalId"] == user["id"]);
    let azure: Vec<&str> = mine
        .filter_map(|assignment| assignment["role"].as_str())
        .collect();
    let accounts = list(&state["scim"]["users"]);
    let mine: Vec<&Value> = accounts
        .iter()
        .filter(|account| account["externalId"] == id)
        .collect();
    let app = match mine.as_slice() {
        [] => "none".to_owned(),
        [account] => {
            let groups = list(&state["scim"]["groups"]);
            let member = |group: &&Value| {
                list(&group["members"])
                    .iter()
                    .any(|member| member["value"] == account["id"])
            };
            let mut names: Vec<&str> = groups
                .iter()
                .filter(member)
                .filter_map(|group| group["displayName"].as_str())
                .collect();
            names.sort_unstable();
            format!("{}: {}", state_of(&account["active"]), names.join(", "))
        }
        several => format!("{} accounts", several.len()),
    };
    format!(
        "{}: {held} | {} | {app}",
        state_of(&user["accountEnabled"]),
        azure.join(", ")
    )
}

pub const IN_SECURITY: &str = "enabled: All Staff / SPE_E3 / Security Reader | Reader | enabled: agent";
pub const GONE: &str = "blocked:  /  /  |  | blocked: ";

#[tokio::test]
async fn joiner_mover_leaver_and_rejoin_end_alike_at_all_three() {
    let three = World::with_policy(POLICY).await;
    let report = three.hear(&["W-1 Mei Tanaka Security", "W-2 Bo Ek Sales"]).await;
    assert_eq!(
        (report.totals().open, report.totals().failed),
        (0, 0),
        "{report:?}"
    );
    assert_eq!(look(&three, "W-1"), IN_SECURITY);
    assert_eq!(look(&three, "W-2"), "enabled: All Staff / SPE_E3 /  |  | none");
    assert_eq!(three.engine.plan().await.unwrap().steps(), 0);

    three.hear(&["W-1 Mei Tanaka Desk"]).await;
    assert_eq!(
        look(&three, "W-1"),
        "enabled: All Staff / SPE_E3 /  |  | enabled: agent, supervisor"
    );
    three.hear(&["W-1 Mei Tanaka Sales"]).await;
    assert_eq!(
        look(&three, "W-1"),
        "enabled: All Staff / SPE_E3 /  |  | blocked: "
    );
    three.hear(&["W-1 Mei Tanaka Security"]).await;
    assert_eq!(look(&three, "W-1"), IN_SECURITY);

    let report = three.hear(&["W-1 Mei Tanaka Security status=gone"]).await;
    assert_eq!(look(&three, "W-1"), GONE);
    let order: Vec<String> = report.people[0]
        .outcomes
        .iter()
        .map(|(step, _)| format!("{}/{}", step.target, step.action.kind()))
        .collect();
    let first = [
        "graph/block_sign_in",
        "graph/revoke_sessions",
        "graph/reset_password",
        "graph/revoke",
        "arm/revoke",
    ];
    assert_eq!(order[..5], first, "{order:?}");
    assert_eq!(order[5], "ticketing/block_sign_in", "{order:?}");
    three.hear(&["W-1 Mei Tanaka Security"]).await;
    assert_eq!(look(&three, "W-1"), IN_SECURITY);
    assert_eq!(three.engine.plan().await.unwrap().steps(), 0);
}

#[tokio::test]
async fn an_application_that_is_down_for_an_hour_stops_nobody() {
    let three = World::with_policy(POLICY).await;
    three.hear(&["W-9 Old Hand Security"]).await;
    let down = Effect::Status {
        status: 503,
        retry_after: RetryAfter::Seconds(0),
    };
    three.sandbox.fault(Fault::new(down).on("*", "/scim/v2/**"));
    let report = three
        .hear(&["W-1 Mei Tanaka Security", "W-9 Old Hand Security status=gone"])
        .await;
    for run in &report.people {
        assert!(
            matches!(&run.ending, Ending::Retry(_, why) if why.contains("ticketing")),
            "{report:?}"
        );
    }
    assert_eq!(
        look(&three, "W-1"),
        "enabled: All Staff / SPE_E3 / Security Reader | Reader | none"
    );
    assert_eq!(
        look(&three, "W-9"),
        "blocked:  /  /  |  | enabled: agent",
        "what can be taken is taken at once"
    );
    for minute in [10, 20, 40] {
        three.at(&format!("2026-11-24T09:{minute}:00Z")).await;
    }
    three.sandbox.clear_faults();
    three.at("2026-11-24T12:00:00Z").await;
    assert_eq!(look(&three, "W-1"), IN_SECURITY);
    assert_eq!(look(&three, "W-9"), GONE);
}

#[tokio::test]
async fn azure_that_does_not_know_the_principal_yet_is_asked_again() {
    let three = World::with_policy(POLICY).await;
    three
        .sandbox
        .fault(Fault::new(Effect::Lag { millis: 1500 }).on("PUT", "/subscriptions/**"));
    three.hear(&["W-1 Mei Tanaka Security"]).await;
    three.at("2026-11-24T09:30:00Z").await;
    assert_eq!(look(&three, "W-1"), IN_SECURITY);
}

#[tokio::test]
async fn lost_answers_at_the_application_and_azure_lead_to_one_of_each() {
    let three = World::with_policy(POLICY).await;
    three
        .sandbox
        .fault(Fault::new(Effect::CutAfter).on("POST", "/scim/v2/Users").times(1));
    three.sandbox.fault(
        Fault::new(Effect::CutAfter)
            .on("PUT", "/subscriptions/**")
            .times(1),
    );
    three.hear(&["W-1 Mei Tanaka Security"]).await;
    three.at("2026-11-24T09:30:00Z").await;
    assert_eq!(look(&three, "W-1"), IN_SECURITY);
    three.hear(&["W-1 Mei Tanaka Sales"]).await;
    assert_eq!(
        look(&three, "W-1"),
        "enabled: All Staff / SPE_E3 /  |  | blocked: ",
        "what was given is ours to take"
    );
}
