//! The temporary access pass of somebody who starts: once for each start, into the right hands, and nowhere else.

use super::doors::Mood;
use super::*;
use crate::journal::ErrandState;
use crate::plan::Errand;

fn with_passes(to: &str) -> String {
    let joiner = format!("create_before = \"14d\"\npass_before = \"1d\"\npass_to = {to}");
    let notify = "[notify]\nfrom = \"robot@contoso.example\"\nhr = \"hr@contoso.example\"\n";
    format!(
        "{}{notify}",
        POLICY.replacen("create_before = \"14d\"", &joiner, 1)
    )
}

fn passing() -> World {
    world_of(&with_passes("[\"manager\"]"))
}

const BOSS: &str = "W-9 Ada Ng Sales";
const STARTS: &str = "W-1 Mei Tanaka Sales manager=W-9 hire=2026-12-01";

impl World {
    fn passes(&self) -> Vec<String> {
        std::mem::take(&mut *self.notices.passes.lock().unwrap())
    }

    /// The pass that opens somebody's account.
    fn pass(&self, id: &str) -> Option<String> {
        let account = self.of(id).pop()?.account?;
        self.target.beside(&account.id, "pass")
    }

    async fn errand(&self, id: &str, errand: Errand) -> Option<ErrandState> {
        let state = self.engine.person(&PersonKey::new(id)).await.unwrap().unwrap();
        state.errand(errand).map(|known| known.state)
    }
}

#[tokio::test]
async fn a_pass_is_made_a_day_before_the_start_and_given_to_the_manager() {
    let world = passing();
    world.hear(&[BOSS, STARTS]).await;
    world.until("2026-11-29T23:59:59Z").await;
    assert_eq!(
        (world.look("W-1"), world.pass("W-1")),
        ("mei.tanaka blocked: All Staff, sg-sales".to_owned(), None)
    );
    world.clock.set("2026-11-30T00:00:00Z".parse().unwrap());
    let preview = world.engine.plan().await.unwrap();
    assert_eq!(preview.people[0].plan.steps[0].action.kind(), "issue_pass");
    assert_eq!(world.pass("W-1"), None, "a preview makes none");
    let report = world.run().await;
    assert_eq!((report.totals().done, report.totals().open), (1, 0), "{report:?}");
    let pass = world.pass("W-1").unwrap();
    let sent = world.passes();
    let [sent] = sent.as_slice() else {
        panic!("{sent:?}")
    };
    assert!(sent.starts_with("ada.ng@contoso.example: "), "{sent}");
    for part in [
        pass.as_str(),
        "480 minutes from 2026-12-01 00:00 UTC",
        "mei.tanaka@contoso.example",
    ] {
        assert!(sent.contains(part), "{part:?} is missing in {sent}");
    }
    let kept = format!(
        "{report:?}{:?}",
        world.engine.timeline(&PersonKey::new("W-1")).await.unwrap()
    );
    let state = world.engine.person(&PersonKey::new("W-1")).await.unwrap();
    let state = serde_json::to_string(&state).unwrap();
    assert!(!kept.contains(&pass) && !state.contains(&pass), "{kept}{state}");
    world.until("2026-12-02T00:00:00Z").await;
    assert_eq!(world.look("W-1"), "mei.tanaka enabled: All Staff, sg-sales");
    assert_eq!((world.passes().len(), world.pass("W-1")), (0, Some(pass)), "once");
}

#[tokio::test]
async fn a_start_that_is_moved_takes_its_pass_along() {
    let world = passing();
    world.hear(&[BOSS, STARTS]).await;
    world.at("2026-11-30T00:00:00Z").await;
    let first = world.pass("W-1").unwrap();
    assert_eq!(world.passes().len(), 1);
    world
        .hear(&["W-1 Mei Tanaka Sales manager=W-9 hire=2026-12-05"])
        .await;
    world.until("2026-12-03T23:59:59Z").await;
    assert_eq!(world.passes().len(), 0);
    world.at("2026-12-04T00:00:00Z").await;
    let second = world.passes().pop().unwrap();
    assert!(
        second.contains("2026-12-05 00:00 UTC") && !second.contains(&first),
        "{second}"
    );
    // And earlier than now: good at once.
    let world = passing();
    world.hear(&[BOSS, STARTS]).await;
    world
        .hear(&["W-1 Mei Tanaka Sales manager=W-9 hire=2026-11-25"])
        .await;
    assert!(world.passes().pop().unwrap().contains("2026-11-25"));
}

#[tokio::test]
async fn somebody_who_is_hired_late_gets_a_pass_with_the_account_and_nobody_else_does() {
    let world = passing();
    world.hear(&[BOSS]).await;
    assert_eq!(world.passes().len(), 0, "HR names no first day");
    world
        .hear(&["W-1 Mei Tanaka Sales manager=W-9 hire=2026-11-20"])
        .await;
    assert_eq!(world.passes().len(), 1);
    world
        .hear(&["W-1 Mei Tanaka Security manager=W-9 hire=2026-11-20"])
        .await;
    world
        .hear(&["W-1 Mei Tanaka Sales manager=W-9 hire=2026-11-19"])
        .await;
    assert_eq!(world.passes().len(), 0, "who works here has a way in");
}

#[tokio::test]
async fn power_is_never_sent_by_mail() {
    let world = passing();
    world
        .hear(&[BOSS, "W-1 Mei Tanaka Security manager=W-9 hire=2026-12-01"])
        .await;
    let report = world.at("2026-11-30T00:00:00Z").await;
    assert!(
        report.people[0]
            .notes
            .iter()
            .any(|note| note.contains("administrative power")),
        "{report:?}"
    );
    assert_eq!((world.passes().len(), world.pass("W-1")), (0, None));
}

#[tokio::test]
async fn a_pass_goes_to_hr_or_a_private_address_never_to_the_new_mailbox() {
    let world = world_of(&with_passes("[\"private\", \"hr\"]"));
    world
        .hear(&["W-1 Mei Tanaka Sales hire=2026-12-01 mail=mei@home.example"])
        .await;
    world
        .hear(&["W-2 Bo Ek Sales hire=2026-12-01 mail=bo.other@contoso.example"])
        .await;
    world.at("2026-11-30T00:00:00Z").await;
    let mut passes = world.passes();
    passes.sort();
    assert!(
        passes[0].starts_with("hr@contoso.example,mei@home.example: "),
        "{passes:?}"
    );
    assert!(
        passes[1].starts_with("hr@contoso.example: "),
        "a mailbox of the tenant cannot be opened: {passes:?}"
    );
}

#[tokio::test]
async fn without_anybody_to_give_it_to_no_pass_is_made_until_there_is_somebody() {
    let world = passing();
    world.hear(&[STARTS]).await;
    let report = world.at("2026-11-30T00:00:00Z").await;
    assert!(
        report.people[0]
            .notes
            .iter()
            .any(|note| note.contains("nobody yet")),
        "{report:?}"
    );
    assert_eq!(
        (world.pass("W-1"), world.errand("W-1", Errand::Pass).await),
        (None, Some(ErrandState::Owed))
    );
    world.hear(&[BOSS]).await;
    assert_eq!(world.passes().len(), 1);
    assert_eq!(world.errand("W-1", Errand::Pass).await, Some(ErrandState::Done));
}

#[tokio::test]
async fn the_manager_of_a_manager_who_has_left_is_given_the_pass() {
    let world = passing();
    let chief = "W-8 Kim Lee Sales";
    world.hear(&[chief, "W-9 Ada Ng Sales manager=W-8", STARTS]).await;
    world.hear(&["W-9 Ada Ng Sales manager=W-8 status=gone"]).await;
    world.at("2026-11-30T00:00:00Z").await;
    assert!(
        world
            .passes()
            .pop()
            .unwrap()
            .starts_with("kim.lee@contoso.example: ")
    );
}

#[tokio::test]
async fn a_mail_that_fails_is_tried_again_with_another_pass_and_holds_nothing_up() {
    for (kind, mood) in [
        (Some(ErrorKind::Unavailable), None),
        (None, Some(Mood::Lies(ErrorKind::OutcomeUnknown))),
    ] {
        let world = passing();
        world.hear(&[BOSS, STARTS]).await;
        *world.notices.refuses.lock().unwrap() = kind;
        if let Some(mood) = mood {
            world.moody.fail("issue_pass", 1, mood);
        }
        let report = world.at("2026-11-30T00:00:00Z").await;
        assert!(
            matches!(&report.people[0].ending, Ending::Waiting(why) if why.contains("issue_pass")),
            "{report:?}"
        );
        assert_eq!(
            (world.passes().len(), world.errand("W-1", Errand::Pass).await),
            (0, Some(ErrandState::Owed))
        );
        let lost = world.pass("W-1").unwrap();
        *world.notices.refuses.lock().unwrap() = None;
        world.at("2026-11-30T01:00:00Z").await;
        let pass = world.pass("W-1").unwrap();
        assert_ne!(pass, lost);
        assert!(
            world.passes().pop().unwrap().contains(&pass),
            "what was sent opens the account"
        );
        world.until("2026-12-01T00:00:00Z").await;
        assert_eq!(world.look("W-1"), "mei.tanaka enabled: All Staff, sg-sales");
    }
}

#[tokio::test]
async fn a_pass_that_cannot_be_made_keeps_nobody_out_and_is_given_up_and_said() {
    let world = passing();
    world.hear(&[BOSS, STARTS]).await;
    world
        .moody
        .fail("issue_pass", usize::MAX, Mood::Refuses(ErrorKind::Invalid));
    world.until("2026-12-07T02:00:00Z").await;
    assert_eq!(world.look("W-1"), "mei.tanaka enabled: All Staff, sg-sales");
    assert_eq!(world.errand("W-1", Errand::Pass).await, Some(ErrandState::Unsure));
    let report = world
        .hear(&["W-1 Mei Tanaka Security manager=W-9 hire=2026-12-01"])
        .await;
    assert!(
        report.people[0]
            .notes
            .iter()
            .any(|note| note.contains("see to it by hand")),
        "{report:?}"
    );
}

#[tokio::test]
async fn who_does_not_come_after_all_holds_a_worthless_pass() {
    let world = passing();
    world.hear(&[BOSS, STARTS]).await;
    world.at("2026-11-30T00:00:00Z").await;
    assert!(world.pass("W-1").is_some());
    world
        .hear(&["W-1 Mei Tanaka Sales manager=W-9 status=gone"])
        .await;
    assert_eq!(
        (world.pass("W-1"), world.errand("W-1", Errand::Pass).await),
        (None, None)
    );
    assert_eq!(world.look("W-1"), "mei.tanaka blocked: ");
    // And is given another one for another start.
    world.hear(&[STARTS]).await;
    assert!(
        world
            .passes()
            .pop()
            .unwrap()
            .contains(&world.pass("W-1").unwrap())
    );
}

#[tokio::test]
async fn a_notifier_that_takes_no_passes_is_found_out_before_anything_is_done() {
    let world = passing();
    *world.notices.public.lock().unwrap() = true;
    world.tell(&[BOSS]).await;
    let refused = world.engine.run(&|_| {}).await.unwrap_err();
    assert!(
        refused
            .to_string()
            .contains("no notifier is configured that takes passes"),
        "{refused}"
    );
    assert!(world.target.accounts().is_empty());
}

#[tokio::test]
async fn a_crash_between_any_two_writes_leaves_one_pass_and_it_was_sent() {
    for writes in 0..40 {
        let world = passing();
        world.hear(&[BOSS, STARTS]).await;
        world.clock.set("2026-11-30T00:00:00Z".parse().unwrap());
        world.mortal.dies_after(writes);
        let died = world.engine.run(&|_| {}).await.is_err();
        world.mortal.revive();
        world.until("2026-12-01T00:00:00Z").await;
        let pass = world.pass("W-1").unwrap();
        let sent = world.passes();
        assert!(sent.last().unwrap().contains(&pass), "{writes}: {sent:?}");
        assert!(sent.len() <= 2, "{writes}: {sent:?}");
        assert_eq!(
            world.errand("W-1", Errand::Pass).await,
            Some(ErrandState::Done),
            "{writes}"
        );
        if !died {
            assert_eq!(sent.len(), 1);
            return;
        }
    }
    panic!("no life was long enough");
}
