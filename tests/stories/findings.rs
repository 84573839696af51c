//! The tenant changes under the policy: what it names has turned, has gone, or may not be read. Only what depends on it
//! is held, and nobody leaves late for it.

use iam_core::engine::{Ending, RunReport};
use iam_core::http::Method;
use iam_sandbox::{Effect, Fault, RetryAfter};
use serde_json::json;

use crate::three_targets;
use crate::world::{POLICY, World};

fn refused(path: &str) -> Fault {
    let refused = Effect::Status {
        status: 403,
        retry_after: RetryAfter::Missing,
    };
    Fault::new(refused).on("GET", path)
}

fn ending<'a>(report: &'a RunReport, id: &str) -> &'a Ending {
    let mut runs = report.people.iter().rev();
    let run = runs.find(|run| run.person.as_str() == id);
    &run.unwrap_or_else(|| panic!("{id}: {report:?}")).ending
}

fn waits_for(report: &RunReport, id: &str, what: &str) {
    let found = matches!(ending(report, id), Ending::Waiting(why) if why.contains(what));
    assert!(found, "{id} does not wait for {what}: {report:?}");
}

#[tokio::test]
async fn a_group_that_turns_dynamic_between_two_runs_stops_only_its_own_rule() {
    let world = World::new().await;
    world
        .hear(&["W-1 Mei Tanaka Security", "W-2 Bo Ek Security", "W-3 Cy Om Sales"])
        .await;
    let group = world.group_id("st-security").await;
    let turned = json!({
        "groupTypes": ["DynamicMembership"], "membershipRuleProcessingState": "On",
        "membershipRule": "user.department -eq \"Nowhere\"",
    });
    world
        .change(Method::Patch, &format!("/groups/{group}"), turned)
        .await;
    let report = world
        .hear(&[
            "W-1 Mei Tanaka Security status=gone",
            "W-3 Cy Om Security",
            "W-4 Di Po Security",
            "W-5 Ed Ra Sales",
        ])
        .await;
    assert_eq!(report.findings.len(), 1, "{:?}", report.findings);
    let finding = &report.findings[0];
    assert!(
        finding.starts_with("rule security, line 16, column 11: group \"st-security\" is dynamic"),
        "{finding}"
    );
    let gone = world.look("W-1").await;
    assert!(gone.starts_with("mei.tanaka blocked: "), "{gone}");
    assert!(gone.ends_with(" /  / "), "{gone}");
    for (id, name) in [("W-3", "cy.om"), ("W-4", "di.po")] {
        waits_for(&report, id, "is dynamic");
        let look = world.look(id).await;
        assert_eq!(
            look,
            format!("{name} enabled: Everybody / SPE_E3 / Security Reader")
        );
    }
    assert_eq!(*ending(&report, "W-5"), Ending::Done);
    assert_eq!(
        world.look("W-5").await,
        "ed.ra enabled: Everybody, st-sales / POWER_BI_PRO, SPE_E3 / "
    );
    // It is turned back, and whoever waited has it within the hour.
    let back = json!({"groupTypes": [], "membershipRule": null, "membershipRuleProcessingState": null});
    world
        .change(Method::Patch, &format!("/groups/{group}"), back)
        .await;
    let report = world.at("2026-11-24T10:00:01Z").await;
    assert!(report.findings.is_empty(), "{:?}", report.findings);
    assert_eq!(
        world.look("W-4").await,
        "di.po enabled: Everybody, st-security / SPE_E3 / Security Reader"
    );
}

#[tokio::test]
async fn a_part_of_the_catalogue_that_may_not_be_read_holds_what_depends_on_it_and_no_leaver() {
    // What is refused; what a mover and a new colleague have meanwhile.
    for (path, kind, mover, joiner) in [
        (
            "/subscribedSkus",
            "licence",
            "bo.ek enabled: Everybody, st-security, st-sales / SPE_E3, POWER_BI_PRO / Security Reader",
            "di.po enabled: Everybody, st-sales /  / ",
        ),
        (
            "/groups",
            "group",
            "bo.ek enabled: Everybody, st-security / SPE_E3, POWER_BI_PRO / Security Reader",
            "di.po enabled:  / POWER_BI_PRO, SPE_E3 / ",
        ),
        ("/domains", "domains", "", "nothing"),
    ] {
        let world = World::new().await;
        world
            .hear(&["W-1 Mei Tanaka Security", "W-2 Bo Ek Security", "W-3 Cy Om Sales"])
            .await;
        world.sandbox.fault(refused(path));
        let report = world
            .hear(&[
                "W-1 Mei Tanaka Security status=gone",
                "W-2 Bo Ek Sales",
                "W-3 Cy Om Sales status=gone",
                "W-4 Di Po Sales",
            ])
            .await;
        assert_eq!(report.findings.len(), 1, "{path}: {:?}", report.findings);
        assert!(report.findings[0].contains(kind), "{:?}", report.findings);
        for (id, name) in [("W-1", "mei.tanaka"), ("W-3", "cy.om")] {
            assert_eq!(*ending(&report, id), Ending::Done, "{path}: {report:?}");
            assert_eq!(world.look(id).await, format!("{name} blocked:  /  / "), "{path}");
        }
        let sorted = |look: &str| {
            let mut words: Vec<String> = look.split([' ', ',']).map(str::to_owned).collect();
            words.sort();
            words.join(" ")
        };
        if !mover.is_empty() {
            let seen = world.look("W-2").await;
            if kind == "licence" {
                // What is asked for cannot be given, and what was given is not taken.
                assert_eq!(
                    seen,
                    "bo.ek enabled: Everybody, st-sales, st-security / SPE_E3 / Security Reader"
                );
            } else {
                assert_eq!(sorted(&seen), sorted(mover), "{path}");
            }
        }
        assert_eq!(world.look("W-4").await, joiner, "{path}");
        waits_for(&report, "W-4", "403");

        world.sandbox.clear_faults();
        world.at("2026-11-24T10:00:01Z").await;
        world.at("2026-12-09T10:00:01Z").await;
        for (id, name) in [("W-2", "bo.ek"), ("W-4", "di.po")] {
            assert_eq!(
                world.look(id).await,
                format!("{name} enabled: Everybody, st-sales / POWER_BI_PRO, SPE_E3 / "),
                "{path}"
            );
        }
    }
}

#[tokio::test]
async fn while_role_definitions_may_not_be_read_who_holds_a_role_is_held_and_others_are_not() {
    let world = World::new().await;
    world
        .hear(&["W-1 Mei Tanaka Security", "W-2 Bo Ek Sales", "W-3 Cy Om Sales"])
        .await;
    let before = world.look("W-1").await;
    world
        .sandbox
        .fault(refused("/roleManagement/directory/roleDefinitions"));
    let report = world
        .hear(&[
            "W-1 Mei Tanaka Sales",
            "W-2 Bo Ek Sales status=gone",
            "W-3 Cy Om Security",
            "W-4 Di Po Security",
        ])
        .await;
    // The policy protects by the name of a role, and nobody can put a name to what W-1 holds.
    assert_eq!(world.look("W-1").await, before);
    assert!(
        matches!(ending(&report, "W-1"), Ending::Retry(_, why) if why.contains("protected")),
        "{report:?}"
    );
    assert_eq!(world.look("W-2").await, "bo.ek blocked:  /  / ");
    assert_eq!(*ending(&report, "W-2"), Ending::Done);
    assert_eq!(
        world.look("W-3").await,
        "cy.om enabled: Everybody, st-security / SPE_E3 / "
    );
    assert_eq!(
        world.look("W-4").await,
        "di.po enabled: Everybody, st-security / SPE_E3 / "
    );
    waits_for(&report, "W-4", "role \"Security Reader\"");
    world.sandbox.clear_faults();
    world.at("2026-11-24T10:00:01Z").await;
    world.at("2026-12-09T10:00:01Z").await;
    assert_eq!(
        world.look("W-1").await,
        "mei.tanaka enabled: Everybody, st-sales / POWER_BI_PRO, SPE_E3 / "
    );
    assert_eq!(
        world.look("W-4").await,
        "di.po enabled: Everybody, st-security / SPE_E3 / Security Reader"
    );
}

#[tokio::test]
async fn a_role_definition_that_has_gone_stops_only_its_own_rule() {
    let policy = POLICY.replace("roles = [\"Security Reader\"]", "roles = [\"Watch keeper\"]");
    let world = World::with_policy(&policy).await;
    for name in ["Everybody", "st-security", "st-sales", "st-heads"] {
        world.make_group(name).await;
    }
    let definitions = "/roleManagement/directory/roleDefinitions";
    let role = json!({
        "displayName": "Watch keeper", "description": "Reads", "isEnabled": true,
        "rolePermissions": [{"allowedResourceActions": ["microsoft.directory/applications/basic/read"]}],
    });
    world.change(Method::Post, definitions, role.clone()).await;
    let path = format!("{definitions}?$filter=displayName%20eq%20'Watch%20keeper'");
    let id = world.get(&path).await["value"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    world
        .hear(&["W-1 Mei Tanaka Security", "W-2 Bo Ek Security"])
        .await;
    assert!(world.look("W-1").await.ends_with("Watch keeper"));
    for who in ["W-1", "W-2"] {
        let user = world.id(who).await;
        let path = format!("/roleManagement/directory/roleAssignments?$filter=principalId%20eq%20'{user}'");
        let held = world.get(&path).await["value"][0]["id"]
            .as_str()
            .unwrap()
            .to_owned();
        let path = format!("/roleManagement/directory/roleAssignments/{held}");
        world.delete(&path).await;
    }
    world.delete(&format!("{definitions}/{id}")).await;
    let report = world
        .hear(&[
            "W-1 Mei Tanaka Security status=gone",
            "W-2 Bo Ek Security title=Head_of_all",
            "W-3 Cy Om Sales",
        ])
        .await;
    assert!(
        matches!(&report.findings[..], [one] if one.contains("the tenant has no role \"Watch keeper\"")),
        "{:?}",
        report.findings
    );
    assert_eq!(world.look("W-1").await, "mei.tanaka blocked:  /  / ");
    assert_eq!(
        world.look("W-2").await,
        "bo.ek enabled: Everybody, st-heads, st-security / SPE_E3 / "
    );
    waits_for(&report, "W-2", "Watch keeper");
    assert_eq!(*ending(&report, "W-3"), Ending::Done);
    world.change(Method::Post, definitions, role).await;
    world.at("2026-11-24T10:00:01Z").await;
    assert!(world.look("W-2").await.ends_with(" / Watch keeper"));
}

#[tokio::test]
async fn an_application_or_azure_that_does_not_tell_what_it_offers_keeps_no_leaver() {
    let world = World::with_policy(three_targets::POLICY).await;
    world
        .hear(&["W-1 Mei Tanaka Security", "W-2 Bo Ek Security"])
        .await;
    let before = three_targets::look(&world, "W-2");
    for path in ["/scim/**/Groups", "/**/roleDefinitions"] {
        world.sandbox.fault(refused(path));
    }
    let report = world
        .hear(&[
            "W-1 Mei Tanaka Security status=gone",
            "W-2 Bo Ek Security title=Boss",
            "W-3 Cy Om Security",
        ])
        .await;
    assert!(
        report
            .findings
            .iter()
            .any(|finding| finding.starts_with("arm: what it offers of kind azure role"))
            && report
                .findings
                .iter()
                .any(|finding| finding.starts_with("ticketing: what it offers of kind app")),
        "{:?}",
        report.findings
    );
    let look = three_targets::look(&world, "W-1");
    assert!(
        look.starts_with("blocked: ") && look.contains("|  | blocked"),
        "{look}"
    );
    assert_eq!(three_targets::look(&world, "W-2"), before);
    assert!(three_targets::look(&world, "W-3").starts_with("enabled: All Staff / SPE_E3 / "));
    world.sandbox.clear_faults();
    for hours in 10..16 {
        world.at(&format!("2026-11-24T{hours}:00:01Z")).await;
    }
    assert_eq!(three_targets::look(&world, "W-3"), before);
    let look = three_targets::look(&world, "W-1");
    assert_eq!(look, "blocked:  /  /  |  | blocked: ");
}
