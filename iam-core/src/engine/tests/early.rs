//! Nobody gets in before the first day, and nobody with what an earlier employment left.

use super::doors::Mood::Refuses;
use super::*;
use crate::plan::Action;

#[tokio::test]
async fn a_first_day_that_moves_into_the_future_closes_until_then() {
    let world = world();
    world.hear(&["W-1 Mei Tanaka Sales hire=2026-11-24"]).await;
    assert!(world.look("W-1").starts_with("mei.tanaka enabled"));
    world.hear(&["W-1 Mei Tanaka Sales hire=2026-12-01"]).await;
    assert!(world.look("W-1").starts_with("mei.tanaka blocked"));
    world.until("2026-12-01T00:00:00Z").await;
    assert!(world.look("W-1").starts_with("mei.tanaka enabled"));
    world.hear(&["W-1 Mei Tanaka Sales hire=2027-12-01"]).await;
    assert!(world.look("W-1").starts_with("mei.tanaka blocked"));
    world.until("2027-11-30T23:59:59Z").await;
    assert!(world.look("W-1").starts_with("mei.tanaka blocked"));
    world.until("2027-12-01T00:00:00Z").await;
    assert!(world.look("W-1").starts_with("mei.tanaka enabled"));
}

#[tokio::test]
async fn an_account_that_somebody_opened_ahead_of_the_first_day_is_closed() {
    let world = world();
    world.hear(&["W-1 Mei Tanaka Sales hire=2026-12-01"]).await;
    world.meddle("W-1", Action::AllowSignIn).await;
    world.hear(&["W-1 Mei Tanaka Security hire=2026-12-01"]).await;
    assert!(world.look("W-1").starts_with("mei.tanaka blocked"));
}

#[tokio::test]
async fn a_return_on_a_later_day_starts_afresh() {
    let world = world();
    world.hear(&["W-1 Mei Tanaka Sales"]).await;
    world.hear(&["W-1 Mei Tanaka Sales status=gone"]).await;
    world.give("W-1", "by hand").await;
    world.hear(&["W-1 Mei Tanaka Security hire=2027-03-01"]).await;
    world.until("2027-02-28T23:59:59Z").await;
    assert_eq!(world.look("W-1"), "mei.tanaka blocked: All Staff, sg-security");
    world.until("2027-03-01T00:00:00Z").await;
    assert_eq!(
        world.look("W-1"),
        "mei.tanaka enabled: All Staff, Security Reader, sg-security"
    );
}

#[tokio::test]
async fn nobody_signs_in_while_something_old_could_not_be_taken_away() {
    let world = world();
    world.hear(&["W-1 Mei Tanaka Sales"]).await;
    world.hear(&["W-1 Mei Tanaka Sales status=gone"]).await;
    world.give("W-1", "by hand").await;
    world.moody.fail("revoke", 1, Refuses(ErrorKind::Unavailable));
    world.hear(&["W-1 Mei Tanaka Sales"]).await;
    assert!(
        world.look("W-1").starts_with("mei.tanaka blocked"),
        "{}",
        world.look("W-1")
    );
    world.until("2026-11-24T12:00:00Z").await;
    assert_eq!(world.look("W-1"), "mei.tanaka enabled: All Staff, sg-sales");
}

#[tokio::test]
async fn somebody_for_whom_no_name_is_free_is_held() {
    let world = world_of(&POLICY.replace(", \"{given}.{family}{n}\"", ""));
    world.hear(&["W-1 Bo Ek Sales"]).await;
    let report = world.hear(&["W-2 Bo Ek Sales"]).await;
    assert!(
        matches!(&report.people[0].ending, Ending::Held(why) if why.contains("no free sign-in name")),
        "{report:?}"
    );
}

/// A second directory, called `app`, in which everybody is as in the first.
#[tokio::test]
async fn a_leaver_leaves_every_target() {
    let world = world();
    let second = MemoryTarget::new("app", world.target.catalog().await.unwrap());
    let engine = Engine::builder(
        Arc::new(world.journal.clone()),
        Arc::new(Document::parse(POLICY).unwrap()),
    )
    .target(Arc::new(world.target.clone()))
    .target(Arc::new(second.clone()))
    .clock(Arc::new(world.clock.clone()))
    .build();
    let open = || {
        second
            .accounts()
            .iter()
            .all(|actual| actual.account.as_ref().unwrap().enabled)
    };
    engine.accept([person("W-1 Mei Tanaka Sales")]).await.unwrap();
    engine.run(&|_| {}).await.unwrap();
    assert!(world.look("W-1").starts_with("mei.tanaka enabled"));
    assert!(open());
    engine
        .accept([person("W-1 Mei Tanaka Sales status=gone")])
        .await
        .unwrap();
    engine.run(&|_| {}).await.unwrap();
    assert!(world.look("W-1").starts_with("mei.tanaka blocked"));
    assert!(!open());
}
