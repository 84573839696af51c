//! Separation of duties, judged by what is held and in which order it came and went.

use super::doors::Mood;
use super::targets::{self, THREE, three_planned};
use super::*;

const CONFLICTS: &str = r#"
[[rule]]
id = "auditors"
when = 'person.department in ["Audit", "Both"]'
groups = ["by hand"]
[[rule]]
id = "both"
when = 'person.department == "Both"'
groups = ["sg-security"]
[[conflict]]
id = "audit"
between = [{ groups = ["by hand"] }, { groups = ["sg-security"], roles = ["Security Reader"] }]
except = 'person.job_title == "Chief"'
"#;

fn policy(resolve: &str) -> String {
    POLICY.replace("[joiner]", &format!("{CONFLICTS}resolve = '{resolve}'\n[joiner]"))
}

/// The grants and revocations that reached the target, in order.
fn order(world: &World) -> Vec<String> {
    let applied = world.moody.applied.lock().unwrap();
    let steps = applied
        .iter()
        .filter(|step| step.contains("grant:") || step.contains("revoke:"));
    steps
        .map(|step| step.replace("id of ", "").replace("W-1 ", ""))
        .collect()
}

fn notes(report: &RunReport) -> String {
    let notes: Vec<&str> = report
        .people
        .iter()
        .flat_map(|run| run.notes.iter().map(String::as_str))
        .collect();
    notes.join("; ")
}

#[tokio::test]
async fn a_mover_s_old_grant_goes_first_and_without_grace_where_it_must_not_stand_beside_the_new_one() {
    let world = world_of(&policy("hold"));
    world.hear(&["W-1 Mei Tanaka Security"]).await;
    world.moody.applied.lock().unwrap().clear();
    world.hear(&["W-1 Mei Tanaka Audit"]).await;
    assert_eq!(world.look("W-1"), "mei.tanaka enabled: All Staff, by hand");
    assert_eq!(
        order(&world),
        [
            "revoke:group:sg-security",
            "revoke:role:Security Reader",
            "grant:group:by hand"
        ],
    );
    assert_eq!(world.engine.plan().await.unwrap().steps(), 0);

    // Without a conflict, the grace of two weeks holds.
    let plain = world_of(POLICY);
    plain.hear(&["W-1 Mei Tanaka Security"]).await;
    plain.hear(&["W-1 Mei Tanaka Audit"]).await;
    assert_eq!(
        plain.look("W-1"),
        "mei.tanaka enabled: All Staff, Security Reader, sg-security"
    );

    // Nor does an exception leave it out.
    let chief = world_of(&policy("hold"));
    chief.hear(&["W-1 Mei Tanaka Security title=Chief"]).await;
    chief.hear(&["W-1 Mei Tanaka Audit title=Chief"]).await;
    assert_eq!(
        chief.look("W-1"),
        "mei.tanaka enabled: All Staff, Security Reader, by hand, sg-security"
    );
}

#[tokio::test]
async fn what_is_in_its_grace_goes_when_what_it_must_not_stand_beside_comes() {
    let world = world_of(&policy("hold"));
    world.hear(&["W-1 Mei Tanaka Security"]).await;
    world.hear(&["W-1 Mei Tanaka Sales"]).await;
    assert_eq!(
        world.look("W-1"),
        "mei.tanaka enabled: All Staff, Security Reader, sg-sales, sg-security"
    );
    world.moody.applied.lock().unwrap().clear();
    world.at("2026-11-30T09:00:00Z").await;
    world.hear(&["W-1 Mei Tanaka Audit"]).await;
    assert_eq!(world.look("W-1"), "mei.tanaka enabled: All Staff, by hand");
    let order = order(&world);
    let at = |step: &str| order.iter().position(|done| done == step).unwrap();
    assert!(
        at("revoke:group:sg-security") < at("grant:group:by hand"),
        "{order:?}"
    );
    assert!(
        at("revoke:role:Security Reader") < at("grant:group:by hand"),
        "{order:?}"
    );
}

#[tokio::test]
async fn nothing_is_given_beside_what_could_not_be_taken_away() {
    for kind in [ErrorKind::Unavailable, ErrorKind::Denied] {
        let world = world_of(&policy("hold"));
        world.hear(&["W-1 Mei Tanaka Security"]).await;
        world
            .moody
            .temper(move |step| (step.action.kind() == "revoke").then_some(Mood::Refuses(kind)));
        world.hear(&["W-1 Mei Tanaka Audit"]).await;
        let during = "mei.tanaka enabled: All Staff, Security Reader, sg-security";
        assert_eq!(world.look("W-1"), during, "{kind:?}");
        world.moody.calm();
        world.hear(&["W-1 Mei Tanaka Audit zone=UTC"]).await;
        world.until("2026-11-25T09:00:00Z").await;
        assert_eq!(
            world.look("W-1"),
            "mei.tanaka enabled: All Staff, by hand",
            "{kind:?}"
        );
    }
}

#[tokio::test]
async fn what_somebody_else_gave_stays_and_what_must_not_stand_beside_it_is_not_given_until_it_goes() {
    let world = world_of(&policy("first"));
    world.hear(&["W-1 Mei Tanaka Sales"]).await;
    world.give("W-1", "Security Reader").await;
    let report = world.hear(&["W-1 Mei Tanaka Audit"]).await;
    assert_eq!(
        world.look("W-1"),
        "mei.tanaka enabled: All Staff, Security Reader"
    );
    let note = "group by hand is not given: conflict audit: role Security Reader is held, and was not given by the \
                platform";
    assert!(notes(&report).contains(note), "{report:?}");
    let held = world.of("W-1").remove(0).held;
    let role = held.into_iter().find(|held| held.entitlement.kind == Kind::Role);
    let entitlement = role.unwrap().entitlement;
    world
        .meddle(
            "W-1",
            crate::plan::Action::Revoke {
                entitlement,
                assignment: None,
            },
        )
        .await;
    world.until("2026-11-25T10:00:00Z").await;
    assert_eq!(
        world.look("W-1"),
        "mei.tanaka enabled: All Staff, by hand",
        "looked at again by itself"
    );
}

#[tokio::test]
async fn where_rules_ask_for_both_sides_neither_is_given_and_what_is_held_stays() {
    let world = world_of(&policy("hold"));
    let report = world.hear(&["W-1 Mei Tanaka Both"]).await;
    assert_eq!(world.look("W-1"), "mei.tanaka enabled: All Staff");
    let notes = notes(&report);
    for note in [
        "group by hand is not given: conflict audit: rules ask for group sg-security too",
        "group sg-security is not given: conflict audit: rules ask for group by hand too",
    ] {
        assert!(notes.contains(note), "{notes}");
    }
    let world = world_of(&policy("hold"));
    world.hear(&["W-1 Mei Tanaka Security"]).await;
    world.hear(&["W-1 Mei Tanaka Both"]).await;
    assert_eq!(
        world.look("W-1"),
        "mei.tanaka enabled: All Staff, Security Reader, sg-security"
    );
}

#[tokio::test]
async fn where_the_first_side_wins_the_other_gives_way_even_where_it_is_held() {
    let world = world_of(&policy("first"));
    let report = world.hear(&["W-1 Mei Tanaka Both"]).await;
    assert_eq!(world.look("W-1"), "mei.tanaka enabled: All Staff, by hand");
    assert!(notes(&report).contains("conflict audit: group sg-security gives way to group by hand"));
    assert_eq!(world.engine.plan().await.unwrap().steps(), 0);

    let world = world_of(&policy("first"));
    world.hear(&["W-1 Mei Tanaka Security"]).await;
    world.moody.applied.lock().unwrap().clear();
    world.hear(&["W-1 Mei Tanaka Both"]).await;
    assert_eq!(world.look("W-1"), "mei.tanaka enabled: All Staff, by hand");
    assert_eq!(
        order(&world).last().map(String::as_str),
        Some("grant:group:by hand")
    );
}

#[tokio::test]
async fn an_exception_that_cannot_be_evaluated_holds_the_person() {
    let policy = policy("hold").replace(
        "person.job_title == \"Chief\"'\nresolve",
        "person.country.contains(\"x\")'\nresolve",
    );
    let world = world_of(&policy);
    let report = world.hear(&["W-1 Mei Tanaka Audit"]).await;
    assert_eq!(world.look("W-1"), "");
    let Ending::Held(why) = &report.people[0].ending else {
        panic!("{report:?}")
    };
    assert!(
        why.contains("conflict audit: contains does not work on null"),
        "{why}"
    );
}

#[tokio::test]
async fn what_goes_at_one_target_goes_before_what_comes_at_another() {
    let apart = "[[conflict]]\nid='siem'\nbetween=[{azure=[{role='Reader', scope='/subscriptions/s/resourceGroups/siem'}]},\
                 {apps=[{scim='ticketing', roles=['supervisor']}]}]\n";
    let policy = format!("{THREE}{apart}");
    let three = three_planned(&policy, &policy);
    three.hear(&["W-1 Mei Tanaka Desk"]).await;
    assert_eq!(
        three.look("W-1"),
        "enabled: All Staff |  | enabled: agent, supervisor"
    );
    let report = three.hear(&["W-1 Mei Tanaka Security"]).await;
    let order = targets::order(&report);
    let at = |step: &str| order.iter().position(|done| done == step).unwrap();
    assert!(at("ticketing/revoke") < at("arm/grant"), "{order:?}");
    assert_eq!(
        three.look("W-1"),
        "enabled: All Staff, Security Reader | enabled: Reader @ /subscriptions/s/resourceGroups/siem | enabled: agent"
    );
    assert_eq!(three.engine.plan().await.unwrap().steps(), 0);
}

#[tokio::test]
async fn nothing_is_given_while_a_target_that_may_hold_the_other_side_cannot_be_read() {
    let apart = "[[conflict]]\nid='siem'\nbetween=[{roles=['Security Reader']},\
                 {apps=[{scim='ticketing', roles=['by hand']}]}]\n";
    let policy = format!("{THREE}{apart}");
    let three = three_planned(&policy, &policy);
    three.hear(&["W-1 Mei Tanaka Sales"]).await;
    three.app.set_down(true);
    let report = three.hear(&["W-1 Mei Tanaka Security"]).await;
    assert_eq!(
        three.look("W-1"),
        "enabled: All Staff | enabled: Reader @ /subscriptions/s/resourceGroups/siem | "
    );
    assert!(
        notes(&report).contains("ticketing cannot be read, and conflict siem looks at it"),
        "{report:?}"
    );
    three.app.set_down(false);
    three.at("2026-11-24T12:00:00Z").await;
    assert_eq!(
        three.look("W-1"),
        "enabled: All Staff, Security Reader | enabled: Reader @ /subscriptions/s/resourceGroups/siem | enabled: agent"
    );
}
