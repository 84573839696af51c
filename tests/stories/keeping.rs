//! What a plan over the whole tenant keeps: the last Global Administrator, the seats of others, groups that nobody can
//! change here.

use iam_core::engine::{Canary, Ending};
use iam_core::http::Method;
use serde_json::json;

use crate::world::{POLICY, World};

const GLOBAL_ADMINISTRATOR: &str = "62e90394-69f5-4237-9190-012177145e10";

/// Nobody is protected by that role: the platform has to see to it by itself.
fn policy() -> String {
    POLICY.replace(r#", "role:Global Administrator""#, "")
}

async fn world() -> World {
    let world = World::with_policy(&policy()).await;
    for name in ["Everybody", "st-security", "st-sales", "st-heads"] {
        world.make_group(name).await;
    }
    world
}

async fn give_role(world: &World, person: &str) {
    let body = json!({
        "@odata.type": "#microsoft.graph.unifiedRoleAssignment",
        "roleDefinitionId": GLOBAL_ADMINISTRATOR,
        "principalId": world.id(person).await,
        "directoryScopeId": "/",
    });
    world
        .change(Method::Post, "/roleManagement/directory/roleAssignments", body)
        .await;
}

/// Blocks every seeded holder of the role.
async fn block_others(world: &World) {
    let path = format!(
        "/roleManagement/directory/roleAssignments?$filter=roleDefinitionId%20eq%20'{GLOBAL_ADMINISTRATOR}'"
    );
    let holders = world.get(&path).await;
    for holder in holders["value"].as_array().unwrap() {
        let id = holder["principalId"].as_str().unwrap();
        world
            .change(
                Method::Patch,
                &format!("/users/{id}"),
                json!({"accountEnabled": false}),
            )
            .await;
    }
}

#[tokio::test]
async fn the_last_global_administrator_is_refused_and_everybody_else_goes_on() {
    let world = world().await;
    world
        .hear(&["W-1 Ada Ng Security", "W-2 Bo Ek Sales", "W-3 Cy Om Sales"])
        .await;
    block_others(&world).await;
    give_role(&world, "W-1").await;
    give_role(&world, "W-2").await;
    let gone = [
        "W-1 Ada Ng Security status=gone",
        "W-2 Bo Ek Sales status=gone",
        "W-3 Cy Om Sales status=gone",
        "W-4 Di Po Sales",
    ];
    let report = world.hear(&gone).await;
    // The first one may leave, because the other one is still there.
    assert_eq!(world.look("W-1").await, "ada.ng blocked:  /  / ");
    let stays = world.look("W-2").await;
    assert!(
        stays.starts_with("bo.ek enabled") && stays.ends_with("Global Administrator"),
        "{stays}"
    );
    assert_eq!(world.look("W-3").await, "cy.om blocked:  /  / ");
    assert!(world.look("W-4").await.starts_with("di.po enabled"));
    let refused: Vec<&str> = report
        .people
        .iter()
        .filter_map(|run| match &run.ending {
            Ending::Refused(why) => Some(why.as_str()),
            _ => None,
        })
        .collect();
    assert!(
        matches!(refused[..], [why] if why.contains("role Global Administrator must keep 1 holder")),
        "{refused:?}"
    );
}

#[tokio::test]
async fn seats_that_run_out_are_known_before_the_first_write() {
    // SPE_E5 has few seats in the seeded tenant.
    let world = World::with_policy(&policy().replace("SPE_E3", "SPE_E5")).await;
    for name in ["Everybody", "st-security", "st-sales", "st-heads"] {
        world.make_group(name).await;
    }
    let skus = world.get("/subscribedSkus").await;
    let sku = skus["value"]
        .as_array()
        .unwrap()
        .iter()
        .find(|sku| sku["skuPartNumber"] == "SPE_E5")
        .unwrap();
    let total = sku["prepaidUnits"]["enabled"].as_u64().unwrap();
    let free = total - sku["consumedUnits"].as_u64().unwrap();
    let people: Vec<String> = (0..=free)
        .map(|at| format!("W-{at} Ann Ek{at} Security"))
        .collect();
    let records = people.iter().map(|text| crate::world::person(text));
    world.engine.accept(records).await.unwrap();
    let preview = world.engine.plan().await.unwrap();
    let seats = preview
        .seats
        .iter()
        .find(|need| need.license.name == "SPE_E5")
        .unwrap();
    assert_eq!((seats.needed, seats.waiting), (free + 1, 1));
    let waits = preview
        .people
        .iter()
        .find(|person| !person.waiting.is_empty())
        .unwrap();
    let waits = waits.person.clone();
    let report = world
        .engine
        .apply(&preview.hash(), Canary::of(2), &|_| {})
        .await
        .unwrap();
    let totals = report.totals();
    assert_eq!((totals.failed, totals.open), (0, 1), "{totals:?}");
    let held = world.look(waits.as_str()).await;
    assert!(
        held.contains("enabled: Everybody, st-security /  / Security Reader"),
        "{held}"
    );
    let skus = world.get("/subscribedSkus").await;
    let sku = skus["value"]
        .as_array()
        .unwrap()
        .iter()
        .find(|sku| sku["skuPartNumber"] == "SPE_E5");
    assert_eq!(sku.unwrap()["consumedUnits"], total, "every seat is given");
}

#[tokio::test]
async fn groups_that_cannot_be_changed_are_named_with_the_rule_before_anything_is_done_and_not_tried() {
    let rules = r#"
[[rule]]
id = "wish"
when = 'person.department == "Sales"'
groups = ["Sydney Everyone", "All Mail", "OnPrem Staff"]
"#;
    let world = World::with_policy(&POLICY.replace("[joiner]", &format!("{rules}[joiner]"))).await;
    for name in ["Everybody", "st-security", "st-sales", "st-heads"] {
        world.make_group(name).await;
    }
    let record = crate::world::person("W-1 Ada Ng Sales");
    world.engine.accept([record]).await.unwrap();
    let preview = world.engine.plan().await.unwrap();
    let report = world.run().await;
    assert_eq!(preview.findings, report.findings);
    for (group, why) in [
        ("Sydney Everyone", "is dynamic"),
        ("All Mail", "is mail-enabled"),
        ("OnPrem Staff", "is mastered in another directory"),
    ] {
        let mut findings = preview.findings.iter();
        let finding = findings.find(|finding| finding.contains(group)).unwrap();
        assert!(
            finding.contains("rule wish, line") && finding.contains(why),
            "{finding}"
        );
        assert!(
            preview.people[0]
                .waiting
                .iter()
                .any(|waits| waits.contains(group))
        );
    }
    assert_eq!(report.totals().failed, 0, "{report:?}");
    let look = world.look("W-1").await;
    assert!(
        look.contains("ada.ng enabled: Everybody, ") && look.contains("st-sales / POWER_BI_PRO, SPE_E3 / "),
        "{look}"
    );
    assert!(
        !look.contains("All Mail") && !look.contains("OnPrem Staff"),
        "{look}"
    );
}
