//! Who is held or refused still leaves in time, and gets nothing back by it.

use super::doors::Mood::Refuses;
use super::*;
use crate::journal::EventState;

async fn set_aside(world: &World, id: &str) -> Vec<EventId> {
    let timeline = world.engine.timeline(&PersonKey::new(id)).await.unwrap();
    let dead = timeline
        .into_iter()
        .filter(|entry| entry.state == EventState::Dead);
    dead.map(|entry| entry.event.id).collect()
}

#[tokio::test]
async fn a_last_day_that_came_with_a_held_record_is_kept() {
    let world = world();
    world.hear(&["W-1 Mei Tanaka Security"]).await;
    let report = world
        .hear(&["W-1 Mei Tanaka Sales title=none last=2026-12-31 zone=Australia/Sydney"])
        .await;
    assert!(matches!(report.people[0].ending, Ending::Held(_)), "{report:?}");
    world.until("2026-12-31T12:59:59Z").await;
    assert!(world.look("W-1").starts_with("mei.tanaka enabled"));
    world.until("2026-12-31T13:00:00Z").await;
    assert_eq!(world.look("W-1"), "mei.tanaka blocked: ");
}

#[tokio::test]
async fn a_first_day_of_somebody_held_does_not_open_and_a_last_day_of_a_newcomer_is_no_error() {
    let world = world();
    world
        .hear(&["W-1 Mei Tanaka Sales title=none hire=2026-11-26 last=2026-11-28"])
        .await;
    world.until("2026-11-27T00:00:00Z").await;
    assert_eq!(world.look("W-1"), "");
    world.until("2026-11-30T00:00:00Z").await;
    let state = world
        .engine
        .person(&PersonKey::new("W-1"))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(state.lifecycle, Stage::Disabled);
}

#[tokio::test]
async fn a_contract_that_ends_is_heard_behind_a_held_record() {
    let world = world();
    world.hear(&["W-1 Mei Tanaka Security"]).await;
    world.hear(&["W-1 Mei Tanaka Sales title=none"]).await;
    world
        .hear(&["W-1 Mei Tanaka Sales title=none last=2026-12-31"])
        .await;
    world.until("2027-01-01T00:00:00Z").await;
    assert_eq!(world.look("W-1"), "mei.tanaka blocked: ");
}

#[tokio::test]
async fn an_unknown_time_zone_delays_a_leave_by_no_more_than_the_width_of_the_world() {
    let world = world();
    world
        .hear(&["W-1 Mei Tanaka Security last=2026-12-31", "W-2 Bo Ek Sales"])
        .await;
    let report = world
        .hear(&["W-1 Mei Tanaka Sales last=2026-12-31 zone=Nowhere/City"])
        .await;
    assert!(matches!(report.people[0].ending, Ending::Held(_)), "{report:?}");
    world.until("2027-01-01T11:59:59Z").await;
    assert!(world.look("W-1").starts_with("mei.tanaka enabled"));
    world.until("2027-01-01T12:00:00Z").await;
    assert_eq!(world.look("W-1"), "mei.tanaka blocked: ");
    world
        .hear(&["W-2 Bo Ek Sales zone=Nowhere/City status=gone"])
        .await;
    assert_eq!(world.look("W-2"), "bo.ek blocked: ");
}

#[tokio::test]
async fn an_old_event_brought_back_to_work_does_not_bring_its_old_record_back() {
    let world = world();
    world.hear(&["W-1 Mei Tanaka Security"]).await;
    world.moody.fail("grant", 1, Refuses(ErrorKind::Denied));
    world.hear(&["W-1 Mei Tanaka Sales"]).await;
    world.hear(&["W-1 Mei Tanaka Sales status=gone"]).await;
    assert_eq!(world.look("W-1"), "mei.tanaka blocked: ");
    let held = set_aside(&world, "W-1").await;
    assert_eq!(held.len(), 1);
    world.engine.requeue(&held[0], "ops", "mended").await.unwrap();
    world.run().await;
    assert_eq!(world.look("W-1"), "mei.tanaka blocked: ");
    let state = world
        .engine
        .person(&PersonKey::new("W-1"))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(state.record.unwrap().status, Status::Terminated);
}

#[tokio::test]
async fn a_protected_leaver_is_refused_once_even_where_deletion_follows_at_once() {
    let world = world_of(&POLICY.replace("delete_after = \"30d\"", "delete_after = \"0d\""));
    world.hear(&["W-9 Break-Glass  Sales"]).await;
    let report = world.hear(&["W-9 Break-Glass  Sales status=gone"]).await;
    assert_eq!(report.people.len(), 1);
    assert_eq!(world.run().await.people.len(), 0);
    world.hear(&["W-1 Mei Tanaka Sales"]).await;
    world.hear(&["W-1 Mei Tanaka Sales status=gone"]).await;
    assert_eq!(world.look("W-1"), "mei.tanaka deleted: ");
}

#[tokio::test]
async fn an_active_record_whose_last_day_lies_before_its_first_is_held() {
    let world = world();
    world.hear(&["W-1 Mei Tanaka Sales"]).await;
    world
        .hear(&["W-1 Mei Tanaka Sales status=gone last=2026-11-23"])
        .await;
    assert_eq!(world.look("W-1"), "mei.tanaka blocked: ");
    let report = world
        .hear(&["W-1 Mei Tanaka Sales hire=2026-11-24 last=2026-11-23"])
        .await;
    assert!(matches!(report.people[0].ending, Ending::Held(_)), "{report:?}");
    assert_eq!(world.look("W-1"), "mei.tanaka blocked: ");
}

#[tokio::test]
async fn a_policy_error_holds_the_person_and_removes_nothing() {
    let world = world();
    world.hear(&["W-1 Mei Tanaka Security"]).await;
    let report = world.hear(&["W-1 Mei Tanaka Sales title=none"]).await;
    assert!(
        matches!(&report.people[0].ending, Ending::Held(why) if why.contains("title")),
        "{report:?}"
    );
    assert_eq!(
        world.look("W-1"),
        "mei.tanaka enabled: All Staff, Security Reader, sg-security"
    );
    // Later events wait; a leave does not.
    world.hear(&["W-1 Mei Tanaka Sales"]).await;
    assert_eq!(
        world.look("W-1"),
        "mei.tanaka enabled: All Staff, Security Reader, sg-security"
    );
    world.hear(&["W-1 Mei Tanaka Sales status=gone"]).await;
    assert_eq!(world.look("W-1"), "mei.tanaka blocked: ");
}

#[tokio::test]
async fn a_protected_account_is_refused() {
    let world = world();
    world.hear(&["W-9 Break-Glass  Sales"]).await;
    let before = world.look("W-9");
    // The name of the account is what protects it.
    assert!(before.starts_with("break-glass enabled"), "{before}");
    let report = world.hear(&["W-9 Break-Glass  Sales status=gone"]).await;
    assert!(
        matches!(report.people[0].ending, Ending::Refused(_)),
        "{report:?}"
    );
    assert_eq!(world.look("W-9"), before);
}

#[tokio::test]
async fn where_two_accounts_carry_one_worker_id_neither_is_touched_until_somebody_has_looked() {
    let world = world();
    world.hear(&["W-1 Mei Tanaka Sales"]).await;
    let target = TargetId::new("graph");
    let other = crate::plan::Action::CreateAccount {
        name: "mei.old@contoso.example".to_owned(),
        attributes: [].into(),
    };
    let step = Step::new(&target, &PersonKey::new("W-1"), None, other, "by hand");
    let key = crate::plan::IdempotencyKey::of(&EventId::new("hand"), &step);
    world.target.apply(&step, &key).await.unwrap();
    let before = world.look("W-1");

    let report = world
        .hear(&["W-1 Mei Tanaka Sales status=gone", "W-2 Bo Ek Sales status=gone"])
        .await;
    let of = |id: &str| {
        report
            .people
            .iter()
            .find(|run| run.person.as_str() == id)
            .unwrap()
    };
    let Ending::Held(why) = &of("W-1").ending else {
        panic!("{:?}", of("W-1"));
    };
    assert!(why.contains("more than one account"), "{why}");
    assert_eq!(of("W-2").ending, Ending::Done, "nobody else is held");
    assert_eq!(
        world.look("W-1"),
        before,
        "the wrong one would be somebody else's"
    );

    // Somebody looks, takes the id off the other account, and brings the event back.
    let old = world.of("W-1").into_iter().filter_map(|actual| actual.account);
    let old = old
        .into_iter()
        .find(|account| account.name.starts_with("mei.old"))
        .unwrap()
        .id;
    world.target.forget_person(&old);
    world
        .engine
        .requeue(&of("W-1").event, "operator", "the old account was a test")
        .await
        .unwrap();
    world.run().await;
    assert_eq!(world.look("W-1"), "mei.tanaka blocked: ");
}
