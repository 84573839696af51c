//! Leaves of absence and conversions.

use super::*;

fn keeping() -> World {
    world_of(&POLICY.replace("[leaver]", "[leave_of_absence]\nsign_in = \"keep\"\n[leaver]"))
}

#[tokio::test]
async fn somebody_on_leave_cannot_sign_in_keeps_what_they_have_and_comes_back_to_it() {
    let world = world();
    world.hear(&["W-1 Mei Tanaka Security"]).await;
    world.give("W-1", "by hand").await;
    let report = world.hear(&["W-1 Mei Tanaka Security status=away"]).await;
    let held = "All Staff, Security Reader, by hand, sg-security";
    assert_eq!(world.look("W-1"), format!("mei.tanaka blocked: {held}"));
    let steps: Vec<&str> = report.people[0]
        .outcomes
        .iter()
        .map(|(step, _)| step.action.kind())
        .collect();
    assert_eq!(steps, ["block_sign_in", "revoke_sessions"]);
    let state = world
        .engine
        .person(&PersonKey::new("W-1"))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(state.lifecycle, Stage::Suspended);
    // However long it lasts: nothing runs out, and nobody is deleted.
    world.until("2027-11-24T00:00:00Z").await;
    assert_eq!(world.look("W-1"), format!("mei.tanaka blocked: {held}"));
    world.hear(&["W-1 Mei Tanaka Security"]).await;
    assert_eq!(world.look("W-1"), format!("mei.tanaka enabled: {held}"));
    assert_eq!(world.engine.plan().await.unwrap().steps(), 0);
}

#[tokio::test]
async fn who_was_blocked_by_somebody_else_stays_blocked_after_a_leave_of_absence() {
    let world = world();
    world.hear(&["W-1 Mei Tanaka Sales"]).await;
    world.meddle("W-1", Action::BlockSignIn).await;
    world.hear(&["W-1 Mei Tanaka Sales status=away"]).await;
    world.hear(&["W-1 Mei Tanaka Sales"]).await;
    assert_eq!(world.look("W-1"), "mei.tanaka blocked: All Staff, sg-sales");
}

#[tokio::test]
async fn who_is_opened_by_somebody_else_on_leave_is_blocked_again_when_something_happens() {
    let world = world();
    world.hear(&["W-1 Mei Tanaka Sales status=away"]).await;
    assert_eq!(world.look("W-1"), "mei.tanaka blocked: All Staff, sg-sales");
    world.meddle("W-1", Action::AllowSignIn).await;
    world.hear(&["W-1 Mei Tanaka Security status=away"]).await;
    // What policy asks for goes on meanwhile.
    let held = "All Staff, Security Reader, sg-security";
    assert_eq!(world.look("W-1"), format!("mei.tanaka blocked: {held}"));
    world.hear(&["W-1 Mei Tanaka Security"]).await;
    assert_eq!(
        world.look("W-1"),
        "mei.tanaka enabled: All Staff, Security Reader, sg-security"
    );
}

#[tokio::test]
async fn a_policy_may_let_people_sign_in_on_leave() {
    let world = keeping();
    world.hear(&["W-1 Mei Tanaka Sales"]).await;
    world.hear(&["W-1 Mei Tanaka Sales status=away"]).await;
    assert_eq!(world.look("W-1"), "mei.tanaka enabled: All Staff, sg-sales");
    let state = world
        .engine
        .person(&PersonKey::new("W-1"))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(state.lifecycle, Stage::Suspended);
}

#[tokio::test]
async fn the_dates_of_a_leave_of_absence_count_where_people_work() {
    let world = world();
    let dates = "from=2026-12-01 until=2026-12-31 zone=Australia/Sydney";
    world.hear(&[&format!("W-1 Mei Tanaka Sales {dates}")]).await;
    let open = "mei.tanaka enabled: All Staff, sg-sales";
    let blocked = "mei.tanaka blocked: All Staff, sg-sales";
    world.until("2026-11-30T12:59:59Z").await;
    assert_eq!(world.look("W-1"), open);
    world.until("2026-11-30T13:00:00Z").await;
    assert_eq!(world.look("W-1"), blocked);
    world.until("2026-12-31T12:59:59Z").await;
    assert_eq!(world.look("W-1"), blocked);
    world.until("2026-12-31T13:00:00Z").await;
    assert_eq!(world.look("W-1"), open);
    // Of whom HR says that they are on leave: they are, however long that was to last.
    world
        .hear(&["W-2 Bo Ek Sales status=away from=2026-12-01 until=2026-12-31"])
        .await;
    world.until("2027-03-01T00:00:00Z").await;
    assert_eq!(world.look("W-2"), "bo.ek blocked: All Staff, sg-sales");
}

#[tokio::test]
async fn who_leaves_while_on_leave_is_gone_after_the_last_day() {
    let world = world();
    world.hear(&["W-1 Mei Tanaka Security"]).await;
    world
        .hear(&["W-1 Mei Tanaka Security status=away last=2026-12-10"])
        .await;
    assert!(world.look("W-1").starts_with("mei.tanaka blocked: All Staff"));
    world.until("2026-12-11T00:00:00Z").await;
    assert_eq!(world.look("W-1"), "mei.tanaka blocked: ");
}

#[tokio::test]
async fn a_contractor_who_becomes_an_employee_keeps_the_account_and_loses_nothing() {
    let world = world();
    world
        .hear(&["W-1 Mei Tanaka Sales type=Contractor last=2026-11-30"])
        .await;
    world.give("W-1", "by hand").await;
    let account = |world: &World| world.of("W-1")[0].account.clone().unwrap().id;
    let before = account(&world);
    // The contract ends and the employment begins in one and the same delivery, or in two on one day.
    world
        .tell(&["W-1 Mei Tanaka Sales type=Contractor last=2026-11-23 status=gone"])
        .await;
    let report = world
        .hear(&["W-1 Mei Tanaka Sales type=Employee hire=2026-11-24"])
        .await;
    let steps: Vec<&str> = report
        .people
        .iter()
        .flat_map(|run| &run.outcomes)
        .map(|(step, _)| step.action.kind())
        .collect();
    assert!(
        !steps.contains(&"block_sign_in") && !steps.contains(&"revoke"),
        "{steps:?}"
    );
    assert_eq!(
        world.look("W-1"),
        "mei.tanaka enabled: All Staff, by hand, sg-sales"
    );
    assert_eq!(account(&world), before);
    let last = world
        .hear(&["W-1 Mei Tanaka Sales type=Intern hire=2026-11-24"])
        .await;
    let entries = world.engine.timeline(&PersonKey::new("W-1")).await.unwrap();
    let kinds: Vec<&str> = entries.iter().map(|entry| entry.event.kind.as_str()).collect();
    assert_eq!(kinds.last(), Some(&"convert"), "{last:?}");
    world.until("2026-12-24T00:00:00Z").await;
    assert_eq!(
        world.look("W-1"),
        "mei.tanaka enabled: All Staff, by hand, sg-sales"
    );
}
