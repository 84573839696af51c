//! The guard counts what it should, also what comes while it is not looking.

use super::doors::Mood::Refuses;
use super::*;
use crate::plan::Action;

#[tokio::test]
async fn accounts_that_were_closed_long_ago_count_for_nothing() {
    let world = world();
    let old = ["W-1 A One Sales", "W-2 B Two Sales", "W-3 C Three Sales"];
    world.hear(&old).await;
    for id in ["W-1", "W-2", "W-3"] {
        world.meddle(id, Action::BlockSignIn).await;
    }
    let gone: Vec<String> = old.iter().map(|text| format!("{text} status=gone")).collect();
    let gone: Vec<&str> = gone.iter().map(String::as_str).collect();
    world.hear(&gone).await;
    world.hear(&["W-4 D Four Sales"]).await;
    world.hear(&["W-4 D Four Sales status=gone"]).await;
    assert_eq!(world.look("W-4"), "d.four blocked: ");
}

#[tokio::test]
async fn the_rest_of_a_leave_is_not_stopped_by_the_limit_on_roles() {
    let world = world_of(&POLICY.replace("max_leavers = 2", "max_privileged_changes = 1"));
    world.hear(&["W-1 Mei Tanaka Security"]).await;
    world.clock.advance(SignedDuration::from_hours(25));
    world
        .moody
        .fail("revoke:role", 1, Refuses(ErrorKind::Unavailable));
    world
        .hear(&["W-1 Mei Tanaka Security status=gone", "W-2 Bo Ek Sales"])
        .await;
    world.hear(&["W-3 Cy Om Security"]).await;
    world.clock.advance(SignedDuration::from_mins(1));
    world.run().await;
    assert_eq!(world.look("W-1"), "mei.tanaka blocked: ");
}

#[tokio::test]
async fn leavers_whose_leave_is_not_over_yet_count() {
    let world = world();
    world
        .hear(&["W-1 A One Sales", "W-2 B Two Sales", "W-3 C Three Sales"])
        .await;
    world
        .moody
        .fail("revoke:group", 100, Refuses(ErrorKind::Unavailable));
    world.hear(&["W-1 A One Sales status=gone"]).await;
    world.hear(&["W-2 B Two Sales status=gone"]).await;
    world.tell(&["W-3 C Three Sales status=gone"]).await;
    let error = world.engine.run(&|_| {}).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Guarded);
    assert!(world.look("W-3").starts_with("c.three enabled"));
}

#[tokio::test]
async fn what_is_accepted_during_a_run_passes_the_guard_too() {
    let world = world();
    let hired = ["W-1 A One Sales", "W-2 B Two Sales", "W-3 C Three Sales"];
    world.hear(&hired).await;
    world.tell(&["W-4 D Four Sales"]).await;
    let (journal, now) = (world.journal.clone(), world.clock.clone());
    let mut told = false;
    world.moody.temper(move |_| {
        if !std::mem::replace(&mut told, true) {
            for text in hired {
                let gone = person(&format!("{text} status=gone"));
                let latest = futures::executor::block_on(journal.accepted(std::slice::from_ref(&gone.key)));
                let event =
                    Event::observed(latest.unwrap()[0].as_ref(), &gone, crate::clock::Clock::now(&now));
                futures::executor::block_on(journal.append(&[event.unwrap()])).unwrap();
            }
        }
        None
    });
    let error = world.engine.run(&|_| {}).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Guarded);
    let open = ["W-1", "W-2", "W-3"].map(|id| world.look(id).contains("enabled"));
    assert_eq!(open.iter().filter(|open| !**open).count(), 2, "{open:?}");
    assert_eq!(world.engine.plan().await.unwrap().guard.len(), 1);
    assert_eq!(world.look("W-4"), "d.four enabled: All Staff, sg-sales");
}

#[tokio::test]
async fn the_guard_stops_the_whole_plan_before_the_first_write() {
    let world = world();
    let hired = ["W-1 A One Sales", "W-2 B Two Sales", "W-3 C Three Sales"];
    world.hear(&hired).await;
    let gone: Vec<String> = hired.iter().map(|text| format!("{text} status=gone")).collect();
    world
        .engine
        .accept(gone.iter().map(|text| person(text)))
        .await
        .unwrap();
    assert_eq!(world.engine.plan().await.unwrap().guard.len(), 1);
    let error = world.engine.run(&|_| {}).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Guarded);
    assert!(error.to_string().contains("max_leavers is 2"), "{error}");
    assert!(world.look("W-1").contains("enabled") && world.look("W-3").contains("enabled"));
    let pending = HistoryQuery {
        state: Some(EventState::Pending),
        ..HistoryQuery::default()
    };
    assert!(world.journal.history(&pending).await.unwrap().len() >= 3);
}

#[tokio::test]
async fn a_slow_bleed_is_counted_over_the_window() {
    let world = world();
    world
        .hear(&["W-1 A One Sales", "W-2 B Two Sales", "W-3 C Three Sales"])
        .await;
    world.hear(&["W-1 A One Sales status=gone"]).await;
    world.clock.advance(SignedDuration::from_hours(2));
    world.hear(&["W-2 B Two Sales status=gone"]).await;
    world.clock.advance(SignedDuration::from_hours(2));
    world
        .engine
        .accept([person("W-3 C Three Sales status=gone")])
        .await
        .unwrap();
    assert_eq!(
        world.engine.run(&|_| {}).await.unwrap_err().kind(),
        ErrorKind::Guarded
    );
    world.clock.advance(SignedDuration::from_hours(21));
    world.engine.run(&|_| {}).await.unwrap();
    assert_eq!(world.look("W-3"), "c.three blocked: ");
}

#[tokio::test]
async fn leaves_of_absence_are_counted_by_themselves() {
    let all = [
        "W-1 A One Sales",
        "W-2 B Two Sales",
        "W-3 C Three Sales",
        "W-4 D Four Sales",
        "W-5 E Five Sales",
    ];
    let with = |whom: &[usize], state: &str| -> Vec<String> {
        whom.iter()
            .map(|at| format!("{} status={state}", all[*at]))
            .collect()
    };
    let told = async |world: &World, lines: &[String]| {
        world
            .tell(&lines.iter().map(String::as_str).collect::<Vec<_>>())
            .await;
        world.engine.run(&|_| {}).await
    };
    // Two may leave and two may be away; a third is one too many.
    let world = world();
    world.hear(&all).await;
    let both = [with(&[0, 1], "gone"), with(&[2, 3], "away")].concat();
    told(&world, &both).await.unwrap();
    let error = told(&world, &with(&[4], "away")).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("3 changes of the kind suspend within 24 hours, suspend is 2"),
        "{error}"
    );
    assert!(world.look("W-5").starts_with("e.five enabled"));
    // Unless the policy says otherwise.
    let world = world_of(&format!(
        "{POLICY}[guard.limits]\nsuspend = 3\nblock_sign_in = 1\n"
    ));
    world.hear(&all).await;
    told(&world, &with(&[2, 3, 4], "away")).await.unwrap();
    let error = told(&world, &with(&[0, 1], "gone")).await.unwrap_err();
    assert!(error.to_string().contains("block_sign_in is 1"), "{error}");
}
