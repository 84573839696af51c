//! What a leaver's manager takes over: files, owned groups, mail, reports. Nothing waits for any of it.

use super::doors::Mood;
use super::*;
use crate::journal::ErrandState;
use crate::plan::Errand;

fn taking_over() -> World {
    taking_over_beyond("max_leavers = 2")
}

fn taking_over_beyond(limit: &str) -> World {
    let licensed = POLICY.replace("max_leavers = 2", limit).replacen(
        "groups = [\"All Staff\"]",
        "groups = [\"All Staff\"]\nlicenses = [\"SPE_E3\"]",
        1,
    );
    let leaver = "[leaver]\nonedrive = \"manager\"\nowned_groups = \"manager\"\ndirect_reports = \"manager\"\n\
                  sponsorships = \"manager\"\n\
                  mailbox = { forward = \"manager\" }";
    world_of(&licensed.replacen("[leaver]", leaver, 1))
}

const CHIEF: &str = "W-8 Kim Lee Sales";
const BOSS: &str = "W-9 Ada Ng Sales manager=W-8";
const HIRED: &str = "W-1 Mei Tanaka Sales manager=W-9";
const LEFT: &str = "W-1 Mei Tanaka Sales manager=W-9 status=gone";
const THINGS: [(Errand, &str, &str); 4] = [
    (Errand::Drive, "share_drive", "drive"),
    (Errand::Groups, "hand_over_groups", "groups"),
    (Errand::Sponsorships, "hand_over_sponsorships", "sponsorships"),
    (Errand::Forwarding, "forward_mail", "mail"),
];

impl World {
    fn taker(&self, id: &str, what: &'static str) -> Option<String> {
        self.target.beside(&self.account(id), what)
    }

    fn manager(&self, id: &str) -> Option<String> {
        self.of(id).pop().unwrap().account.unwrap().manager
    }

    async fn took(&self, id: &str, errand: Errand) -> Option<ErrandState> {
        let state = self.engine.person(&PersonKey::new(id)).await.unwrap().unwrap();
        state.errand(errand).map(|known| known.state)
    }
}

#[tokio::test]
async fn the_manager_takes_over_before_the_licences_go() {
    let world = taking_over();
    world.hear(&[CHIEF, BOSS, HIRED]).await;
    world.moody.applied.lock().unwrap().clear();
    let report = world.hear(&[LEFT]).await;
    assert_eq!(
        (report.totals().failed, report.totals().open),
        (0, 0),
        "{report:?}"
    );
    let steps: Vec<String> = world.moody.applied.lock().unwrap().clone();
    let place = |part: &str| steps.iter().position(|step| step.contains(part)).unwrap();
    for (_, step, what) in THINGS {
        assert_eq!(world.taker("W-1", what), Some(world.account("W-9")), "{what}");
        assert!(
            place("revoke_sessions") < place(step) && place(step) < place("revoke:licence"),
            "{steps:?}"
        );
    }
    assert_eq!(world.look("W-1"), "mei.tanaka blocked: ");
    // Whatever brings the leaver up again, it is done.
    world
        .tell(&["W-1 Mei Tanaka Security manager=W-9 status=gone"])
        .await;
    assert_eq!(world.engine.plan().await.unwrap().steps(), 0);
}

#[tokio::test]
async fn whatever_fails_holds_nothing_up_and_is_tried_again() {
    for (errand, step, what) in THINGS {
        for kind in [ErrorKind::Unavailable, ErrorKind::Denied, ErrorKind::NotFound] {
            let world = taking_over();
            world.hear(&[CHIEF, BOSS, HIRED]).await;
            world.moody.fail(step, 2, Mood::Refuses(kind));
            let report = world.hear(&[LEFT]).await;
            assert!(
                matches!(&report.people[0].ending, Ending::Waiting(why) if why.contains(step)),
                "{report:?}"
            );
            assert_eq!(world.look("W-1"), "mei.tanaka blocked: ", "{step} {kind:?}");
            assert_eq!(world.took("W-1", errand).await, Some(ErrandState::Owed));
            world.until("2026-11-24T12:00:00Z").await;
            assert_eq!(
                world.taker("W-1", what),
                Some(world.account("W-9")),
                "{step} {kind:?}"
            );
            assert_eq!(world.took("W-1", errand).await, Some(ErrandState::Done));
        }
    }
}

#[tokio::test]
async fn without_a_manager_who_has_an_account_it_waits_and_nobody_is_kept_in() {
    let world = taking_over();
    world.hear(&[HIRED]).await;
    let report = world.hear(&[LEFT]).await;
    assert_eq!(world.look("W-1"), "mei.tanaka blocked: ");
    assert!(
        report.people[0]
            .notes
            .iter()
            .any(|note| note.contains("waits for a manager")),
        "{report:?}"
    );
    world.hear(&[BOSS]).await;
    for (errand, _, what) in THINGS {
        assert_eq!(world.taker("W-1", what), Some(world.account("W-9")), "{what}");
        assert_eq!(world.took("W-1", errand).await, Some(ErrandState::Done));
    }
}

#[tokio::test]
async fn where_everybody_above_has_left_it_waits_and_the_run_ends() {
    let world = taking_over();
    world.hear(&["W-9 Ada Ng Sales", HIRED]).await;
    world.hear(&["W-9 Ada Ng Sales status=gone"]).await;
    let report = world.hear(&[LEFT]).await;
    assert_eq!(report.people.len(), 1, "{report:?}");
    assert_eq!(world.look("W-1"), "mei.tanaka blocked: ");
    for (errand, _, what) in THINGS {
        assert_eq!(world.took("W-1", errand).await, Some(ErrandState::Owed), "{what}");
    }
    // Somebody is found after all.
    world
        .hear(&[CHIEF, "W-9 Ada Ng Sales manager=W-8 status=gone"])
        .await;
    for (errand, _, what) in THINGS {
        assert_eq!(world.taker("W-1", what), Some(world.account("W-8")), "{what}");
        assert_eq!(world.took("W-1", errand).await, Some(ErrandState::Done));
    }
}

#[tokio::test]
async fn nobody_takes_over_from_themselves_or_from_who_leaves_at_the_same_midnight() {
    let world = taking_over_beyond("max_leavers = 9");
    world
        .hear(&[
            CHIEF,
            "W-1 Mei Tanaka Sales manager=W-9 last=2026-11-30",
            "W-9 Ada Ng Sales manager=W-8 last=2026-11-30",
            "W-2 Bo Ek Sales manager=W-2 last=2026-11-30",
        ])
        .await;
    world.until("2026-12-01T00:00:00Z").await;
    for (errand, _, what) in THINGS {
        assert_eq!(world.taker("W-1", what), Some(world.account("W-8")), "{what}");
        assert_eq!(world.taker("W-2", what), None, "{what}");
        assert_eq!(world.took("W-2", errand).await, None, "there never is anybody");
    }
    assert_eq!(world.look("W-2"), "bo.ek blocked: ");
}

#[tokio::test]
async fn a_manager_who_leaves_too_is_passed_over() {
    let world = taking_over();
    world.hear(&[CHIEF, BOSS, HIRED]).await;
    // In one breath, whichever of the two comes first.
    world
        .hear(&[LEFT, "W-9 Ada Ng Sales manager=W-8 status=gone"])
        .await;
    for (_, _, what) in THINGS {
        assert_eq!(world.taker("W-1", what), Some(world.account("W-8")), "{what}");
        assert_eq!(world.taker("W-9", what), Some(world.account("W-8")), "{what}");
    }
}

#[tokio::test]
async fn who_is_back_has_files_and_mail_alone_again() {
    let world = taking_over();
    world.hear(&[CHIEF, BOSS, HIRED]).await;
    world.hear(&[LEFT]).await;
    world
        .moody
        .fail("unshare_drive", 1, Mood::Refuses(ErrorKind::Unavailable));
    world.hear(&[HIRED]).await;
    assert_eq!(
        world.look("W-1"),
        "mei.tanaka enabled: All Staff, SPE_E3, sg-sales"
    );
    assert_eq!(world.took("W-1", Errand::Drive).await, Some(ErrandState::Ending));
    world.at("2026-11-24T10:00:00Z").await;
    assert_eq!(
        (world.taker("W-1", "drive"), world.taker("W-1", "mail")),
        (None, None)
    );
    assert_eq!(
        world.taker("W-1", "groups"),
        Some(world.account("W-9")),
        "what went stays where it is"
    );
    for (errand, ..) in THINGS {
        assert_eq!(world.took("W-1", errand).await, None);
    }
    world.tell(&["W-1 Mei Tanaka Security manager=W-9"]).await;
    let preview = world.engine.plan().await.unwrap();
    let mut steps = preview.people.iter().flat_map(|person| &person.plan.steps);
    assert!(steps.all(|step| step.action.errand().is_none()));
    // And leaves again.
    world.hear(&[LEFT]).await;
    assert_eq!(world.taker("W-1", "drive"), Some(world.account("W-9")));
}

#[tokio::test]
async fn reports_follow_to_the_next_manager_up_until_hr_names_another() {
    let world = taking_over();
    let other = "W-7 Bo Ek Sales";
    world.hear(&[CHIEF, BOSS, HIRED, other]).await;
    assert_eq!(world.manager("W-1"), Some(world.account("W-9")));
    world.hear(&["W-9 Ada Ng Sales manager=W-8 status=gone"]).await;
    assert_eq!(world.manager("W-1"), Some(world.account("W-8")));
    // HR repeats itself: nothing changes.
    world.tell(&["W-1 Mei Tanaka Security manager=W-9"]).await;
    let preview = world.engine.plan().await.unwrap();
    let steps: Vec<_> = preview
        .people
        .iter()
        .flat_map(|person| &person.plan.steps)
        .collect();
    assert!(
        steps.iter().all(|step| step.action.kind() != "set_manager"),
        "{steps:?}"
    );
    // HR's later word wins, and so does a manager who is back.
    world.hear(&["W-1 Mei Tanaka Sales manager=W-7"]).await;
    assert_eq!(world.manager("W-1"), Some(world.account("W-7")));
    world.hear(&[HIRED]).await;
    assert_eq!(world.manager("W-1"), Some(world.account("W-8")));
    world.hear(&[BOSS]).await;
    assert_eq!(world.manager("W-1"), Some(world.account("W-9")));
}

#[tokio::test]
async fn reports_follow_when_the_last_day_is_over_and_further_up_when_more_leave() {
    let world = taking_over();
    world
        .hear(&["W-6 Io Su Sales", "W-8 Kim Lee Sales manager=W-6", BOSS, HIRED])
        .await;
    world
        .hear(&["W-9 Ada Ng Sales manager=W-8 last=2026-11-30"])
        .await;
    assert_eq!(world.manager("W-1"), Some(world.account("W-9")));
    world.until("2026-12-01T00:00:00Z").await;
    assert_eq!(world.manager("W-1"), Some(world.account("W-8")));
    world.hear(&["W-8 Kim Lee Sales manager=W-6 status=gone"]).await;
    assert_eq!(world.manager("W-1"), Some(world.account("W-6")));
}

#[tokio::test]
async fn nobody_reports_to_themselves_and_circles_end() {
    let world = taking_over();
    // The chain of W-1 comes back to W-1.
    world
        .hear(&[
            "W-8 Kim Lee Sales manager=W-1",
            "W-9 Ada Ng Sales manager=W-8",
            HIRED,
        ])
        .await;
    world.hear(&["W-9 Ada Ng Sales manager=W-8 status=gone"]).await;
    assert_ne!(world.manager("W-1"), Some(world.account("W-1")));
    let above = |id: &str| {
        let account = world.manager(id)?;
        ["W-1", "W-8", "W-9"]
            .into_iter()
            .find(|other| world.account(other) == account)
    };
    let mut seen = vec!["W-1"];
    while let Some(next) = above(seen[seen.len() - 1]) {
        assert!(!seen.contains(&next), "{seen:?} and {next} again");
        seen.push(next);
    }
    world.run().await;
    assert_eq!(world.engine.plan().await.unwrap().steps(), 0);
}

#[tokio::test]
async fn who_is_on_hold_keeps_licences_until_the_account_is_deleted_and_nothing_else() {
    let policy = POLICY.replacen(
        "groups = [\"All Staff\"]",
        "groups = [\"All Staff\"]\nlicenses = [\"SPE_E3\"]",
        1,
    );
    let world = world_of(&policy);
    world.hear(&[HIRED]).await;
    let report = world.hear(&[LEFT]).await;
    assert!(
        report.people[0]
            .notes
            .iter()
            .any(|note| note.contains("nobody can see here")),
        "{report:?}"
    );
    let world = world_of(&policy.replacen("[leaver]", "[leaver]\nheld_mailboxes = \"by hand\"", 1));
    world.hear(&[HIRED, "W-2 Bo Ek Sales"]).await;
    world.give("W-1", "by hand").await;
    let report = world.hear(&[LEFT, "W-2 Bo Ek Sales status=gone"]).await;
    assert_eq!(world.look("W-1"), "mei.tanaka blocked: SPE_E3, by hand");
    assert_eq!(world.look("W-2"), "bo.ek blocked: ");
    world
        .tell(&["W-1 Mei Tanaka Security manager=W-9 status=gone"])
        .await;
    assert_eq!(world.engine.plan().await.unwrap().steps(), 0);
    let notes: Vec<&String> = report.people.iter().flat_map(|run| &run.notes).collect();
    assert!(
        matches!(notes.as_slice(), [note] if note.contains("is on hold")),
        "{notes:?}"
    );
    world.until("2026-12-24T09:00:00Z").await;
    let deleted = world.of("W-1").pop().unwrap().account.unwrap().deleted;
    let asked: Vec<String> = world.moody.applied.lock().unwrap().clone();
    assert!(
        deleted && !asked.iter().any(|step| step.starts_with("W-1 revoke:licence")),
        "{asked:?}"
    );
    let misnamed =
        Document::parse(&policy.replacen("[leaver]", "[leaver]\nheld_mailboxes = \"Held\"", 1)).unwrap();
    let catalog = world.target.catalog().await.unwrap();
    let problems = misnamed.check(&catalog).join("\n");
    assert!(
        problems.contains("held_mailboxes, line ") && problems.contains("no group \"Held\""),
        "{problems}"
    );
}

#[tokio::test]
async fn a_crash_between_any_two_writes_hands_everything_over() {
    for writes in 0..60 {
        let world = taking_over();
        world.hear(&[CHIEF, BOSS, HIRED]).await;
        world.tell(&[LEFT]).await;
        world
            .moody
            .fail("share_drive", 1, Mood::Refuses(ErrorKind::Unavailable));
        world.mortal.dies_after(writes);
        let died = world.engine.run(&|_| {}).await.is_err();
        world.mortal.revive();
        world.until("2026-11-24T12:00:00Z").await;
        assert_eq!(world.look("W-1"), "mei.tanaka blocked: ", "{writes}");
        for (errand, _, what) in THINGS {
            assert_eq!(
                world.taker("W-1", what),
                Some(world.account("W-9")),
                "{writes} {what}"
            );
            assert_eq!(
                world.took("W-1", errand).await,
                Some(ErrandState::Done),
                "{writes} {what}"
            );
        }
        if !died {
            return;
        }
    }
    panic!("no life was long enough");
}
