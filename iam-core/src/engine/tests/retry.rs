//! What fails, is tried again, and must end as if nothing had failed.

use super::doors::Mood::{Lies, Refuses};
use super::*;
use crate::plan::Action;
use ErrorKind::{Denied, Unavailable};

const TOLD: &str = r#"
[notify]
from = "iam@contoso.example"
hr = "hr@contoso.example"
"#;

/// A world in which HR is told of everything.
fn talkative() -> World {
    let policy = POLICY
        .replace("[joiner]", "[joiner]\nnotify = [\"hr\"]")
        .replace("[leaver]", "[leaver]\nnotify = [\"hr\"]");
    world_of(&(policy + TOLD))
}

#[tokio::test]
async fn an_old_last_day_does_not_overtake_the_record_that_took_it_back() {
    let world = world();
    world.hear(&["W-1 Mei Tanaka Security last=2026-12-31"]).await;
    world.clock.set("2026-12-31T23:59:50Z".parse().unwrap());
    world.moody.fail("grant", 1, Refuses(Unavailable));
    world.hear(&["W-1 Mei Tanaka Sales"]).await;
    world.until("2027-01-01T06:00:00Z").await;
    let look = world.look("W-1");
    assert!(
        look.starts_with("mei.tanaka enabled") && look.contains("sg-sales"),
        "{look}"
    );
    let state = world
        .engine
        .person(&PersonKey::new("W-1"))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(state.record.unwrap().department.as_deref(), Some("Sales"));
}

#[tokio::test]
async fn a_leave_is_never_given_up() {
    let world = world();
    world.hear(&["W-1 Mei Tanaka Security"]).await;
    world.moody.fail("W-1 block_sign_in", 60, Refuses(Unavailable));
    world.hear(&["W-1 Mei Tanaka Security status=gone"]).await;
    world.until("2026-11-25T09:00:00Z").await;
    assert_eq!(world.look("W-1"), "mei.tanaka blocked: ");
}

#[tokio::test]
async fn a_long_wait_ends_at_the_next_instant_of_the_calendar() {
    let world = world();
    world.moody.fail("grant", 1000, Refuses(Unavailable));
    world
        .hear(&[
            "W-1 Mei Tanaka Sales hire=2026-11-25",
            "W-2 Bo Ek Sales last=2026-11-24",
        ])
        .await;
    world.until("2026-11-24T23:59:59Z").await;
    assert!(world.look("W-1").starts_with("mei.tanaka blocked"));
    assert!(world.look("W-2").starts_with("bo.ek enabled"));
    world.until("2026-11-25T00:00:00Z").await;
    assert!(world.look("W-1").starts_with("mei.tanaka enabled"));
    assert_eq!(world.look("W-2"), "bo.ek blocked: ");
}

#[tokio::test]
async fn what_somebody_undid_between_two_attempts_is_done_again() {
    let world = world();
    world.hear(&["W-1 Mei Tanaka Security"]).await;
    world.moody.fail("revoke:group", 1, Refuses(Unavailable));
    world.hear(&["W-1 Mei Tanaka Security status=gone"]).await;
    world.meddle("W-1", Action::AllowSignIn).await;
    world.until("2026-11-24T12:00:00Z").await;
    assert_eq!(world.look("W-1"), "mei.tanaka blocked: ");
}

#[tokio::test]
async fn a_second_attempt_repeats_nothing_that_is_done() {
    let world = world();
    world.hear(&["W-1 Mei Tanaka Security"]).await;
    world.moody.applied.lock().unwrap().clear();
    world.moody.fail("revoke:group", 1, Refuses(Unavailable));
    world.hear(&["W-1 Mei Tanaka Security status=gone"]).await;
    world.until("2026-11-24T12:00:00Z").await;
    let applied = world.moody.applied.lock().unwrap().clone();
    for once in ["block_sign_in", "revoke_sessions", "reset_password"] {
        let times = applied.iter().filter(|step| step.contains(once)).count();
        assert_eq!(times, 1, "{once}: {applied:?}");
    }
}

#[tokio::test]
async fn what_was_done_without_an_answer_is_ours_to_undo() {
    for kind in [Unavailable, ErrorKind::OutcomeUnknown] {
        let world = world();
        world.moody.fail("grant", 9, Lies(kind));
        world.hear(&["W-1 Mei Tanaka Sales"]).await;
        world.until("2026-11-24T12:00:00Z").await;
        world.moody.calm();
        world.hear(&["W-1 Mei Tanaka Other"]).await;
        assert_eq!(world.look("W-1"), "mei.tanaka enabled: All Staff", "{kind}");

        world.moody.fail("block_sign_in", 1, Lies(kind));
        world.hear(&["W-1 Mei Tanaka Other status=gone"]).await;
        world.until("2026-11-24T13:00:00Z").await;
        world.hear(&["W-1 Mei Tanaka Other"]).await;
        assert_eq!(world.look("W-1"), "mei.tanaka enabled: All Staff", "{kind}");

        world.moody.fail("create_account", 1, Lies(kind));
        world.hear(&["W-2 Bo Ek Sales"]).await;
        world.until("2026-11-24T15:00:00Z").await;
        assert_eq!(world.look("W-2"), "bo.ek enabled: All Staff, sg-sales", "{kind}");
    }
}

#[tokio::test]
async fn who_was_blocked_by_somebody_else_stays_blocked() {
    for kind in [Unavailable, ErrorKind::OutcomeUnknown] {
        let world = world();
        world.moody.fail("allow_sign_in", 1, Lies(kind));
        world.hear(&["W-1 Mei Tanaka Sales"]).await;
        world.until("2026-11-24T12:00:00Z").await;
        assert!(world.look("W-1").starts_with("mei.tanaka enabled"));
        world.meddle("W-1", Action::BlockSignIn).await;
        world.hear(&["W-1 Mei Tanaka Security"]).await;
        assert!(world.look("W-1").starts_with("mei.tanaka blocked"), "{kind}");
    }
}

#[tokio::test]
async fn grace_begins_once() {
    let world = world();
    world.hear(&["W-1 Mei Tanaka Security"]).await;
    world.moody.fail("grant", 5, Refuses(Unavailable));
    world.hear(&["W-1 Mei Tanaka Sales"]).await;
    world.until("2026-12-08T08:59:59Z").await;
    assert!(world.look("W-1").contains("sg-security"));
    world.until("2026-12-08T09:00:00Z").await;
    assert_eq!(world.look("W-1"), "mei.tanaka enabled: All Staff, sg-sales");
}

#[tokio::test]
async fn who_leaves_in_the_middle_of_coming_back_is_kept_for_the_whole_retention() {
    let world = world();
    world.hear(&["W-1 Mei Tanaka Sales"]).await;
    world.hear(&["W-1 Mei Tanaka Sales status=gone"]).await;
    world.until("2026-12-24T08:50:00Z").await;
    world.moody.fail("grant", 9, Refuses(Unavailable));
    world.hear(&["W-1 Mei Tanaka Sales"]).await;
    world.clock.set("2026-12-24T09:10:00Z".parse().unwrap());
    world.hear(&["W-1 Mei Tanaka Sales status=gone"]).await;
    world.until("2027-01-23T09:09:59Z").await;
    assert_eq!(world.look("W-1"), "mei.tanaka blocked: ");
    world.until("2027-01-23T09:10:00Z").await;
    assert_eq!(world.look("W-1"), "mei.tanaka deleted: ");
}

#[tokio::test]
async fn a_notice_says_what_is_true_or_is_not_sent() {
    let world = talkative();
    world.moody.fail("allow_sign_in", 1, Refuses(Denied));
    world.hear(&["W-1 Mei Tanaka Sales"]).await;
    assert_eq!(world.notices.take(), Vec::<String>::new(), "nobody can sign in");

    world.moody.fail("W-2 grant", 1, Refuses(Unavailable));
    world.hear(&["W-2 Bo Ek Sales"]).await;
    world.hear(&["W-2 Bo Ek Sales status=gone"]).await;
    world.until("2026-11-25T09:00:00Z").await;
    assert_eq!(world.notices.take(), ["Bo Ek has left"]);

    world.hear(&["W-3 Cy Om Sales"]).await;
    world.moody.fail("W-3 revoke:group", 1, Refuses(Unavailable));
    world.hear(&["W-3 Cy Om Sales status=gone"]).await;
    world.hear(&["W-3 Cy Om Sales"]).await;
    world.until("2026-11-25T12:00:00Z").await;
    assert_eq!(world.notices.take(), ["Cy Om can sign in", "Cy Om can sign in"]);
    world.moody.fail("W-3 block_sign_in", 1, Refuses(Denied));
    world.hear(&["W-3 Cy Om Sales status=gone"]).await;
    assert_eq!(
        world.notices.take(),
        Vec::<String>::new(),
        "sign-in is not blocked"
    );
}

#[tokio::test]
async fn a_notice_that_waited_for_a_retry_is_sent_once() {
    let world = talkative();
    world.moody.fail("grant", 3, Refuses(Unavailable));
    world.hear(&["W-1 Mei Tanaka Sales"]).await;
    assert_eq!(world.notices.take(), Vec::<String>::new());
    world.until("2026-11-25T09:00:00Z").await;
    assert_eq!(world.notices.take(), ["Mei Tanaka can sign in"]);
}

#[tokio::test]
async fn who_waits_for_a_seat_is_at_work_meanwhile_and_gets_it_later() {
    let world = world();
    world
        .moody
        .fail("sg-sales", 3, Refuses(ErrorKind::LicenseExhausted));
    let report = world.hear(&["W-1 Mei Tanaka Sales last=2026-11-26"]).await;
    assert!(
        matches!(report.people[0].ending, Ending::Waiting(_)),
        "{report:?}"
    );
    assert_eq!(world.look("W-1"), "mei.tanaka enabled: All Staff");
    world.until("2026-11-24T13:00:00Z").await;
    assert_eq!(world.look("W-1"), "mei.tanaka enabled: All Staff, sg-sales");
    world.until("2026-11-27T00:00:00Z").await;
    assert_eq!(world.look("W-1"), "mei.tanaka blocked: ");
}

#[tokio::test]
async fn an_event_brought_back_to_work_has_as_many_attempts_as_a_new_one_and_replays_nothing() {
    let world = world();
    world.hear(&["W-1 Mei Tanaka Security"]).await;
    world.moody.fail("revoke:role", 1, Refuses(Denied));
    world.hear(&["W-1 Mei Tanaka Security status=gone"]).await;
    world.hear(&["W-1 Mei Tanaka Security"]).await;
    let timeline = world.engine.timeline(&PersonKey::new("W-1")).await.unwrap();
    let dead = timeline
        .iter()
        .find(|entry| entry.state == EventState::Dead)
        .unwrap();
    world
        .engine
        .requeue(&dead.event.id, "ops", "mended")
        .await
        .unwrap();
    world.run().await;
    let state = world
        .engine
        .person(&PersonKey::new("W-1"))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(state.ledger.len(), 3, "{:?}", state.ledger);

    world.moody.fail("grant", 17, Refuses(Unavailable));
    world.hear(&["W-2 Bo Ek Other"]).await;
    world.until("2026-12-01T00:00:00Z").await;
    assert_eq!(world.look("W-2"), "bo.ek enabled: ", "given up");
    world.moody.fail("grant", 3, Refuses(Unavailable));
    let timeline = world.engine.timeline(&PersonKey::new("W-2")).await.unwrap();
    world
        .engine
        .requeue(&timeline[0].event.id, "ops", "mended")
        .await
        .unwrap();
    world.until("2026-12-02T00:00:00Z").await;
    assert_eq!(world.look("W-2"), "bo.ek enabled: All Staff");
}
