//! The mailbox of somebody who leaves: it answers before its licence goes, and nothing waits for it.

use super::doors::Mood;
use super::*;
use crate::journal::ErrandState;
use crate::plan::Action;

/// The policy of the other tests, with licences and replies.
pub(super) fn with_mailboxes() -> String {
    let licensed = POLICY.replacen(
        "groups = [\"All Staff\"]",
        "groups = [\"All Staff\"]\nlicenses = [\"SPE_E3\"]",
        1,
    );
    licensed.replacen(
        "[leaver]",
        "[leaver]\nmailbox = { auto_reply = \"Nobody reads this.\", contact = \"desk@contoso.example\" }",
        1,
    )
}

/// The same, and HR is told.
fn told() -> World {
    let told = with_mailboxes().replacen("[leaver]", "[leaver]\nnotify = [\"hr\"]", 1);
    world_of(&format!(
        "{told}[notify]\nfrom = \"robot@contoso.example\"\nhr = \"hr@contoso.example\"\n"
    ))
}

const REPLY: &str = "Nobody reads this. Please write to desk@contoso.example instead.";

impl World {
    async fn standing(&self, id: &str) -> Option<ErrandState> {
        let state = self.engine.person(&PersonKey::new(id)).await.unwrap().unwrap();
        state.reply.map(|reply| reply.state)
    }

    /// The kinds of the steps that reached the directory since the last look.
    fn reached(&self) -> Vec<String> {
        let applied = std::mem::take(&mut *self.moody.applied.lock().unwrap());
        let kind = |step: String| step.split(' ').nth(1).unwrap().to_owned();
        applied.into_iter().map(kind).collect()
    }
}

#[tokio::test]
async fn the_reply_is_set_while_the_licence_is_still_there() {
    let world = told();
    world.hear(&["W-1 Mei Tanaka Security"]).await;
    world.reached();
    let report = world.hear(&["W-1 Mei Tanaka Security status=gone"]).await;
    let order = [
        "block_sign_in",
        "revoke_sessions",
        "reset_password",
        "revoke:role:id",
        "revoke:group:id",
        "revoke:group:id",
        "set_automatic_reply",
        "revoke:licence:id",
    ];
    assert_eq!(world.reached(), order);
    assert_eq!(
        (report.totals().failed, report.totals().open),
        (0, 0),
        "{report:?}"
    );
    assert_eq!(world.look("W-1"), "mei.tanaka blocked: ");
    assert_eq!(world.reply("W-1").as_deref(), Some(REPLY));
    assert_eq!(world.notices.take(), ["Mei Tanaka has left"]);
    // Whatever brings the person up again, it is done.
    world.tell(&["W-1 Mei Tanaka Sales status=gone"]).await;
    assert_eq!(world.engine.plan().await.unwrap().steps(), 0);
    world.until("2026-12-24T09:00:00Z").await;
    assert_eq!(world.look("W-1"), "mei.tanaka deleted: ");
    let replies = |kind: &String| kind == "set_automatic_reply";
    assert_eq!(world.reached().iter().filter(|kind| replies(kind)).count(), 0);
}

#[tokio::test]
async fn a_mailbox_that_is_down_holds_nothing_back_and_is_asked_again() {
    for kind in [
        ErrorKind::Unavailable,
        ErrorKind::NotFound,
        ErrorKind::Denied,
        ErrorKind::Throttled,
    ] {
        let world = told();
        world.hear(&["W-1 Mei Tanaka Security"]).await;
        world.moody.fail("automatic_reply", 3, Mood::Refuses(kind));
        let report = world.hear(&["W-1 Mei Tanaka Security status=gone"]).await;
        let waits = |why: &str| why == "set_automatic_reply: not now";
        assert!(
            matches!(&report.people[0].ending, Ending::Waiting(why) if waits(why)),
            "{report:?}"
        );
        assert_eq!(world.look("W-1"), "mei.tanaka blocked: ", "{kind:?}");
        assert_eq!(world.notices.take(), ["Mei Tanaka has left"], "{kind:?}");
        assert_eq!(world.standing("W-1").await, Some(ErrandState::Owed));
        let state = world
            .engine
            .person(&PersonKey::new("W-1"))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(state.lifecycle, Stage::Disabled, "{kind:?}");
        world.reached();
        let report = world.at("2026-11-24T10:00:00Z").await;
        assert!(
            matches!(&report.people[0].ending, Ending::Waiting(_)),
            "{report:?}"
        );
        world.at("2026-11-24T11:00:00Z").await;
        let report = world.at("2026-11-24T12:00:00Z").await;
        assert_eq!((report.people.len(), report.totals().open), (1, 0), "{report:?}");
        assert_eq!(world.reached(), ["set_automatic_reply"; 3], "{kind:?}");
        assert_eq!(world.reply("W-1").as_deref(), Some(REPLY));
        assert_eq!(world.standing("W-1").await, Some(ErrandState::Done));
        world.tell(&["W-1 Mei Tanaka Sales status=gone"]).await;
        assert_eq!(world.engine.plan().await.unwrap().steps(), 0);
        assert!(world.notices.take().is_empty(), "told once");
    }
}

#[tokio::test]
async fn a_mailbox_that_never_answers_is_given_up_and_that_is_said() {
    let world = told();
    world.hear(&["W-1 Mei Tanaka Security"]).await;
    world.moody.fail(
        "automatic_reply",
        usize::MAX,
        Mood::Refuses(ErrorKind::Unavailable),
    );
    world.hear(&["W-1 Mei Tanaka Security status=gone"]).await;
    world.until("2026-12-01T08:59:59Z").await;
    assert_eq!(world.standing("W-1").await, Some(ErrandState::Owed));
    world.at("2026-12-01T09:00:00Z").await;
    assert_eq!(world.standing("W-1").await, Some(ErrandState::Unsure));
    let report = world.at("2026-12-01T10:00:00Z").await;
    let notes: Vec<&String> = report.people.iter().flat_map(|run| &run.notes).collect();
    assert!(notes.iter().any(|note| note.contains("mailbox")), "{report:?}");
    assert_eq!(report.totals().open, 0, "{report:?}");
    assert_eq!(
        world.engine.next_due().await.unwrap(),
        Some("2026-12-24T09:00:00Z".parse().unwrap())
    );
}

#[tokio::test]
async fn somebody_without_a_mailbox_is_settled_and_reported() {
    let world = told();
    world.hear(&["W-1 Mei Tanaka Security"]).await;
    world.moody.fail("automatic_reply", usize::MAX, Mood::Vain);
    let report = world.hear(&["W-1 Mei Tanaka Security status=gone"]).await;
    let totals = report.totals();
    assert_eq!(
        (totals.not_applicable, totals.failed, totals.open),
        (1, 0, 0),
        "{report:?}"
    );
    assert_eq!(world.look("W-1"), "mei.tanaka blocked: ");
    assert_eq!(world.standing("W-1").await, Some(ErrandState::Void));
    world.tell(&["W-1 Mei Tanaka Sales status=gone"]).await;
    assert_eq!(world.engine.plan().await.unwrap().steps(), 0);
    // Nothing was set, and nothing is ended.
    world.hear(&["W-1 Mei Tanaka Sales"]).await;
    assert!(!world.reached().contains(&"end_automatic_reply".to_owned()));
}

#[tokio::test]
async fn who_comes_back_is_not_answered_for() {
    let world = told();
    world.hear(&["W-1 Mei Tanaka Security"]).await;
    world.hear(&["W-1 Mei Tanaka Security status=gone"]).await;
    assert!(world.reply("W-1").is_some());
    world
        .moody
        .fail("end_automatic_reply", 1, Mood::Refuses(ErrorKind::NotFound));
    let report = world.hear(&["W-1 Mei Tanaka Sales"]).await;
    assert!(
        matches!(report.people[0].ending, Ending::Waiting(_)),
        "{report:?}"
    );
    assert_eq!(
        world.look("W-1"),
        "mei.tanaka enabled: All Staff, SPE_E3, sg-sales"
    );
    assert_eq!(world.standing("W-1").await, Some(ErrandState::Ending));
    world.at("2026-11-24T10:00:00Z").await;
    assert_eq!((world.reply("W-1"), world.standing("W-1").await), (None, None));
    world.tell(&["W-1 Mei Tanaka Security"]).await;
    let preview = world.engine.plan().await.unwrap();
    let mut steps = preview.people.iter().flat_map(|person| &person.plan.steps);
    assert!(steps.all(|step| step.action != Action::EndAutomaticReply));
    // And leaves again.
    world.hear(&["W-1 Mei Tanaka Sales status=gone"]).await;
    assert_eq!(world.reply("W-1").as_deref(), Some(REPLY));
}

#[tokio::test]
async fn a_restored_account_does_not_go_on_answering() {
    let world = told();
    world.hear(&["W-1 Mei Tanaka Security"]).await;
    world.hear(&["W-1 Mei Tanaka Security status=gone"]).await;
    world.until("2026-12-24T10:00:00Z").await;
    assert_eq!(world.look("W-1"), "mei.tanaka deleted: ");
    world.hear(&["W-1 Mei Tanaka Sales"]).await;
    world.until("2026-12-24T11:00:00Z").await;
    assert_eq!(
        world.look("W-1"),
        "mei.tanaka enabled: All Staff, SPE_E3, sg-sales"
    );
    assert_eq!((world.reply("W-1"), world.standing("W-1").await), (None, None));
}

#[tokio::test]
async fn whoever_is_back_after_a_reply_that_nobody_is_sure_of_is_not_answered_for() {
    for (days, asked) in [(1, false), (6, true), (20, true), (25, false)] {
        let world = told();
        world.hear(&["W-1 Mei Tanaka Security"]).await;
        world
            .moody
            .fail("set_automatic_reply", 1, Mood::Lies(ErrorKind::Unavailable));
        world.hear(&["W-1 Mei Tanaka Security status=gone"]).await;
        assert_eq!(world.standing("W-1").await, Some(ErrandState::Owed));
        if asked {
            let refuses = Mood::Refuses(ErrorKind::Unavailable);
            world.moody.fail("set_automatic_reply", usize::MAX, refuses);
            world.until(&format!("2026-12-{days:02}T00:00:00Z")).await;
        }
        world.clock.advance(SignedDuration::from_hours(24 * days));
        world.hear(&["W-1 Mei Tanaka Sales"]).await;
        assert_eq!(
            (world.reply("W-1"), world.standing("W-1").await),
            (None, None),
            "{days}"
        );
    }
}

#[tokio::test]
async fn no_reply_is_planned_where_there_is_nothing_to_gain() {
    // Left before the policy asked for it.
    let world = world();
    world.hear(&["W-1 Mei Tanaka Security"]).await;
    world.hear(&["W-1 Mei Tanaka Security status=gone"]).await;
    let policy = Arc::new(Document::parse(&with_mailboxes()).unwrap());
    let engine = world.engine_with(policy);
    engine
        .accept([person("W-1 Mei Tanaka Sales status=gone")])
        .await
        .unwrap();
    assert_eq!(engine.plan().await.unwrap().steps(), 0);
    // Never licensed: by a policy that gives none.
    let unlicensed = world_of(&with_mailboxes().replace("licenses = [\"SPE_E3\"]\n", ""));
    unlicensed.hear(&["W-1 Mei Tanaka Security"]).await;
    unlicensed.hear(&["W-1 Mei Tanaka Security status=gone"]).await;
    assert_eq!(unlicensed.reply("W-1"), None);
    assert_eq!(unlicensed.look("W-1"), "mei.tanaka blocked: ");
}

#[tokio::test]
async fn a_directory_without_mailboxes_refuses_the_policy() {
    let world = world_of(&with_mailboxes());
    world.moody.unable.lock().unwrap().push("set_automatic_reply");
    let refused = world.engine.plan().await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Invalid);
    assert!(
        refused.to_string().contains("graph cannot set automatic replies"),
        "{refused}"
    );
}

#[tokio::test]
async fn a_crash_between_any_two_writes_sets_the_reply_all_the_same() {
    for writes in 0..60 {
        let world = told();
        world.hear(&["W-1 Mei Tanaka Security"]).await;
        world.tell(&["W-1 Mei Tanaka Security status=gone"]).await;
        // It fails at first: whoever is next must know that it is owed, the licence being gone.
        world
            .moody
            .fail("automatic_reply", 1, Mood::Refuses(ErrorKind::Unavailable));
        world.mortal.dies_after(writes);
        let died = world.engine.run(&|_| {}).await.is_err();
        world.mortal.revive();
        world.until("2026-11-24T12:00:00Z").await;
        assert_eq!(world.look("W-1"), "mei.tanaka blocked: ", "{writes}");
        assert_eq!(world.reply("W-1").as_deref(), Some(REPLY), "{writes}");
        assert_eq!(world.standing("W-1").await, Some(ErrandState::Done), "{writes}");
        if !died {
            return;
        }
    }
    panic!("no life was long enough");
}
