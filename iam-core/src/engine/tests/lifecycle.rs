//! People come, move and leave, as policy says.

use super::*;

#[tokio::test]
async fn a_joiner_gets_what_policy_says_and_the_second_run_does_nothing() {
    let world = world();
    let report = world.hear(&["W-1 Mei Tanaka Security"]).await;
    assert_eq!(report.totals().open, 0, "{report:?}");
    assert_eq!(
        world.look("W-1"),
        "mei.tanaka enabled: All Staff, Security Reader, sg-security"
    );
    let again = world.hear(&["W-1 Mei Tanaka Security"]).await;
    assert!(again.people.is_empty());
    assert_eq!(world.engine.plan().await.unwrap().steps(), 0);
}

#[tokio::test]
async fn an_attribute_that_the_target_has_no_place_for_is_left_out() {
    use crate::entitlement::Attribute::{Department, JobTitle};
    let world = world();
    world.moody.without.lock().unwrap().push(JobTitle);
    world.hear(&["W-1 Mei Tanaka Security"]).await;
    let account = world.of("W-1").remove(0).account.unwrap();
    assert_eq!(account.attributes.get(&JobTitle), None);
    assert_eq!(
        account.attributes.get(&Department).map(String::as_str),
        Some("Security")
    );
    assert_eq!(world.engine.plan().await.unwrap().steps(), 0);
}

#[tokio::test]
async fn a_preview_shows_every_step_and_changes_nothing() {
    let world = world();
    let people = [
        "W-2 Bo Ek Sales manager=W-1",
        "W-3 Bo Ek Sales",
        "W-1 Ada Ng Sales title=Chief",
    ];
    world
        .engine
        .accept(people.iter().map(|text| person(text)))
        .await
        .unwrap();
    let preview = world.engine.plan().await.unwrap();
    assert!(world.target.accounts().is_empty());
    assert_eq!(world.journal.holder("bo.ek@contoso.example").await.unwrap(), None);
    let mut planned: Vec<String> = Vec::new();
    for person in &preview.people {
        planned.extend(
            person
                .plan
                .steps
                .iter()
                .map(|step| format!("{} {}", step.person, step.id)),
        );
    }
    let report = world.engine.run(&|_| {}).await.unwrap();
    let mut done: Vec<String> = report
        .people
        .iter()
        .flat_map(|run| &run.outcomes)
        .map(|(step, _)| format!("{} {}", step.person, step.id))
        .collect();
    planned.sort();
    done.sort();
    assert_eq!(planned, done);
    assert!(done.contains(&"W-2 set_manager".to_owned()), "{done:?}");
    assert_eq!(world.look("W-2"), "bo.ek enabled: All Staff, sg-chief, sg-sales");
    assert_eq!(world.look("W-3"), "bo.ek2 enabled: All Staff, sg-sales");
}

#[tokio::test]
async fn a_mover_keeps_what_was_given_by_hand_and_loses_after_the_grace() {
    let world = world();
    world.hear(&["W-1 Mei Tanaka Security"]).await;
    world.give("W-1", "by hand").await;
    world.hear(&["W-1 Mei Tanaka Sales"]).await;
    let during = "mei.tanaka enabled: All Staff, Security Reader, by hand, sg-sales, sg-security";
    assert_eq!(world.look("W-1"), during);
    world.at("2026-12-08T08:59:59Z").await;
    assert_eq!(world.look("W-1"), during);
    world.at("2026-12-08T09:00:00Z").await;
    assert_eq!(
        world.look("W-1"),
        "mei.tanaka enabled: All Staff, by hand, sg-sales"
    );
    // sg-sales has no grace: going back takes it at once.
    world.hear(&["W-1 Mei Tanaka Security"]).await;
    assert_eq!(
        world.look("W-1"),
        "mei.tanaka enabled: All Staff, Security Reader, by hand, sg-security"
    );
    let events = world.engine.timeline(&PersonKey::new("W-1")).await.unwrap();
    let kinds: Vec<_> = events
        .iter()
        .map(|entry| entry.event.kind.as_str())
        .filter(|kind| *kind == "move")
        .collect();
    assert_eq!(kinds.len(), 2);
}

#[tokio::test]
async fn a_leaver_ends_with_nothing_is_deleted_later_and_starts_afresh() {
    let world = world();
    world.hear(&["W-1 Mei Tanaka Security"]).await;
    world.give("W-1", "by hand").await;
    let report = world
        .hear(&["W-1 Mei Tanaka Security status=gone last=2026-11-25 zone=Australia/Sydney"])
        .await;
    assert_eq!(report.totals().done, 0);
    world.at("2026-11-25T12:59:59Z").await;
    assert!(
        world.look("W-1").starts_with("mei.tanaka enabled"),
        "{}",
        world.look("W-1")
    );
    let report = world.at("2026-11-25T13:00:00Z").await;
    assert_eq!(world.look("W-1"), "mei.tanaka blocked: ");
    let order: Vec<&str> = report.people[0]
        .outcomes
        .iter()
        .map(|(step, _)| step.action.kind())
        .collect();
    assert_eq!(order[..3], ["block_sign_in", "revoke_sessions", "reset_password"]);
    assert!(report.people[0].outcomes[3].0.privileged, "the role goes first");

    world.hear(&["W-1 Mei Tanaka Sales"]).await;
    assert_eq!(world.look("W-1"), "mei.tanaka enabled: All Staff, sg-sales");

    world.hear(&["W-1 Mei Tanaka Sales status=gone"]).await;
    assert_eq!(world.look("W-1"), "mei.tanaka blocked: ");
    world.at("2026-12-25T13:00:00Z").await;
    assert_eq!(world.look("W-1"), "mei.tanaka deleted: ");
    world.hear(&["W-1 Mei Tanaka Security"]).await;
    assert_eq!(
        world.look("W-1"),
        "mei.tanaka enabled: All Staff, Security Reader, sg-security"
    );
}

#[tokio::test]
async fn a_future_start_is_prepared_and_opened_on_the_first_day() {
    let world = world();
    let hire = "W-1 Freya Lindholm Security hire=2031-03-03 zone=Europe/Berlin";
    world.hear(&[hire]).await;
    assert_eq!(world.look("W-1"), "");
    world.at("2031-02-16T23:00:00Z").await;
    assert_eq!(
        world.look("W-1"),
        "freya.lindholm blocked: All Staff, sg-security"
    );
    world.at("2031-03-02T22:59:59Z").await;
    assert_eq!(
        world.look("W-1"),
        "freya.lindholm blocked: All Staff, sg-security"
    );
    world.at("2031-03-02T23:00:00Z").await;
    assert_eq!(
        world.look("W-1"),
        "freya.lindholm enabled: All Staff, Security Reader, sg-security"
    );
}

#[tokio::test]
async fn managers_come_late_run_in_circles_or_never_come() {
    let world = world();
    let people = [
        "W-2 Ann Ek Sales manager=W-1",
        "W-3 Cy Om Sales manager=W-4",
        "W-4 Di Po Sales manager=W-3",
    ];
    let report = world.hear(&people).await;
    assert_eq!(report.totals().open, 0);
    let manager = |id: &str| world.of(id)[0].account.clone().unwrap().manager;
    assert_eq!(manager("W-2"), None);
    assert_eq!(
        (manager("W-3").is_some(), manager("W-4").is_some()),
        (false, true),
        "the smaller key drops its link"
    );
    world.hear(&["W-1 Ada Ng Sales title=Chief"]).await;
    assert!(manager("W-2").is_some());
    assert_eq!(world.look("W-2"), "ann.ek enabled: All Staff, sg-chief, sg-sales");
    // What hangs on the manager's job goes with it.
    world.hear(&["W-1 Ada Ng Sales title=Clerk"]).await;
    assert_eq!(world.look("W-2"), "ann.ek enabled: All Staff, sg-sales");
}

#[tokio::test]
async fn next_due_is_the_next_instant_of_somebodys_calendar() {
    let world = world();
    world
        .hear(&["W-1 Freya Lindholm Security hire=2031-03-03 zone=Europe/Berlin"])
        .await;
    let due: Timestamp = "2031-02-16T23:00:00Z".parse().unwrap();
    assert_eq!(world.engine.next_due().await.unwrap(), Some(due));
}
