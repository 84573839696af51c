//! What was shown is what is carried out, and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use super::doors::Mood::Refuses;
use super::*;
use crate::plan::{Action, Risk, StepId};

/// Every step that reached the target: `person step`.
fn applied(world: &World) -> Vec<String> {
    let mut applied = world.moody.applied.lock().unwrap().clone();
    applied.sort();
    applied
}

/// Every step that a preview shows, in the same words.
fn shown(preview: &Preview) -> Vec<String> {
    let steps = preview.people.iter().flat_map(|person| &person.plan.steps);
    let steps = steps.filter(|step| !matches!(step.action, Action::Notify { .. }));
    let mut shown: Vec<String> = steps.map(|step| format!("{} {}", step.person, step.id)).collect();
    shown.sort();
    shown
}

#[tokio::test]
async fn a_hash_says_what_would_happen_and_not_when_or_how_it_was_worked_out() {
    let policy = Arc::new(Document::parse(POLICY).unwrap());
    let people = [
        "W-2 Bo Ek Sales manager=W-1",
        "W-3 Bo Ek Security",
        "W-4 Bo Ek Sales manager=W-2",
        "W-1 Ada Ng Sales title=Chief",
    ];
    let mut hashes = Vec::new();
    for concurrency in [1, 16, 3] {
        let world = world();
        world.tell(&people).await;
        let engine = Engine::builder(Arc::new(world.mortal.clone()), policy.clone())
            .target(Arc::new(world.moody.clone()))
            .clock(Arc::new(world.clock.clone()))
            .concurrency(concurrency)
            .build();
        hashes.push(engine.plan().await.unwrap().hash());
        world.clock.advance(SignedDuration::from_mins(7));
        hashes.push(engine.plan().await.unwrap().hash());
    }
    assert!(hashes.iter().all(|hash| hash == &hashes[0]), "{hashes:?}");
    assert_eq!(hashes[0].len(), 64);

    let world = world();
    world.tell(&people).await;
    world.tell(&["W-1 Ada Ng Sales title=Chef"]).await;
    assert_ne!(world.engine.plan().await.unwrap().hash(), hashes[0]);
}

#[tokio::test]
async fn what_hr_is_about_to_say_is_planned_and_not_accepted() {
    let world = world();
    world.tell(&["W-1 Ada Ng Sales"]).await;
    world.engine.run(&|_| {}).await.unwrap();
    let said = ["W-1 Ada Ng Security", "W-2 Bo Ek Sales", "W-2 Bo Ek Security"].map(person);

    let preview = world.engine.plan_with(said.clone()).await.unwrap();
    let steps = shown(&preview);
    assert!(steps.iter().any(|step| step.starts_with("W-1 ")), "{steps:?}");
    assert!(steps.iter().any(|step| step.starts_with("W-2 ")), "{steps:?}");

    // Nothing of it was kept, and it cannot be applied.
    assert_eq!(world.engine.plan().await.unwrap().steps(), 0);
    let refused = world.engine.apply(&preview.hash(), Canary::NONE, &|_| {}).await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Conflict);

    // Said in earnest, it is what was shown.
    world
        .engine
        .accept([said[0].clone(), said[2].clone()])
        .await
        .unwrap();
    assert_eq!(shown(&world.engine.plan().await.unwrap()), steps);
}

#[tokio::test]
async fn applying_a_hash_does_what_was_shown_and_a_second_time_it_is_stale() {
    let world = world();
    world
        .tell(&["W-2 Bo Ek Sales manager=W-1", "W-1 Ada Ng Security title=Chief"])
        .await;
    let preview = world.engine.plan().await.unwrap();
    let report = world
        .engine
        .apply(&preview.hash(), Canary::NONE, &|_| {})
        .await
        .unwrap();
    assert_eq!(report.totals().open, 0, "{report:?}");
    assert_eq!(applied(&world), shown(&preview));
    assert_eq!(world.look("W-2"), "bo.ek enabled: All Staff, sg-chief, sg-sales");
    let error = world.engine.apply(&preview.hash(), Canary::NONE, &|_| {}).await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Conflict);
    let nothing = world.engine.plan().await.unwrap();
    assert_eq!(nothing.steps(), 0);
    world
        .engine
        .apply(&nothing.hash(), Canary::NONE, &|_| {})
        .await
        .unwrap();
}

#[tokio::test]
async fn a_stale_plan_is_refused_and_the_error_says_who_differs() {
    let world = world();
    world.hear(&["W-1 Mei Tanaka Security", "W-2 Bo Ek Sales"]).await;
    world
        .tell(&["W-1 Mei Tanaka Sales", "W-2 Bo Ek Sales status=gone"])
        .await;
    let hash = world.engine.plan().await.unwrap().hash();
    world.give("W-2", "by hand").await;
    let before = applied(&world).len();
    let stale = world
        .engine
        .apply(&hash, Canary::NONE, &|_| {})
        .await
        .unwrap_err();
    assert_eq!(stale.kind(), ErrorKind::Conflict);
    let text = stale.to_string();
    assert!(
        text.contains("1 differ: W-2") && text.contains("plan again"),
        "{text}"
    );
    assert_eq!(applied(&world).len(), before);
    assert!(world.look("W-2").contains("enabled"));
    // Another engine has not shown it, and cannot say.
    let stranger = world.engine_again().apply(&hash, Canary::NONE, &|_| {}).await;
    let text = stranger.unwrap_err().to_string();
    assert!(text.contains("not known"), "{text}");
}

#[tokio::test]
async fn what_comes_while_a_plan_is_applied_is_left_for_the_next_one() {
    let world = world();
    world.hear(&["W-1 A One Sales", "W-2 B Two Sales"]).await;
    world.tell(&["W-3 C Three Sales", "W-2 B Two Security"]).await;
    let preview = world.engine.plan().await.unwrap();
    let (journal, clock) = (world.journal.clone(), world.clock.clone());
    let mut told = false;
    world.moody.temper(move |_| {
        if !std::mem::replace(&mut told, true) {
            for text in ["W-1 A One Sales status=gone", "W-3 C Three Security"] {
                let record = person(text);
                let latest = futures::executor::block_on(journal.accepted(std::slice::from_ref(&record.key)));
                let now = crate::clock::Clock::now(&clock);
                let event = Event::observed(latest.unwrap()[0].as_ref(), &record, now).unwrap();
                futures::executor::block_on(journal.append(&[event])).unwrap();
            }
        }
        None
    });
    let already = applied(&world).len();
    world
        .engine
        .apply(&preview.hash(), Canary::NONE, &|_| {})
        .await
        .unwrap();
    let steps = world.moody.applied.lock().unwrap()[already..].to_vec();
    let shown = shown(&preview);
    assert!(
        !steps.is_empty() && steps.iter().all(|step| shown.contains(step)),
        "{steps:?}"
    );
    assert_eq!(world.look("W-1"), "a.one enabled: All Staff, sg-sales");
    // All of it is still to be done, and due.
    world.moody.calm();
    world.run().await;
    assert_eq!(world.look("W-1"), "a.one blocked: ");
    assert_eq!(
        world.look("W-3"),
        "c.three enabled: All Staff, Security Reader, sg-security"
    );
}

#[tokio::test]
async fn another_name_than_the_one_that_was_shown_is_not_given() {
    let world = world();
    world.tell(&["W-1 Mei Tanaka Sales", "W-2 Bo Ek Sales"]).await;
    let hash = world.engine.plan().await.unwrap().hash();
    world
        .moody
        .fail("W-1 create_account", 1, Refuses(ErrorKind::AlreadyExists));
    let report = world.engine.apply(&hash, Canary::NONE, &|_| {}).await.unwrap();
    assert_eq!(report.totals().open, 1);
    assert_eq!(world.look("W-1"), "");
    assert_eq!(world.look("W-2"), "bo.ek enabled: All Staff, sg-sales");
    world.run().await;
    assert!(
        world.look("W-1").contains("enabled: All Staff"),
        "{}",
        world.look("W-1")
    );
}

#[tokio::test]
async fn every_step_says_what_it_risks_what_undoes_it_and_what_it_waits_for() {
    let world = world();
    world.hear(&["W-1 Mei Tanaka Sales"]).await;
    world
        .tell(&["W-1 Mei Tanaka Sales status=gone", "W-2 Ada Ng Security"])
        .await;
    let preview = world.engine.plan().await.unwrap();
    let told: BTreeMap<String, String> = preview
        .people
        .iter()
        .flat_map(|person| person.plan.steps.iter().map(|step| (&person.plan, step)))
        .map(|(plan, step)| {
            let undone = step.inverse().map(|inverse| inverse.id.to_string());
            let needs: Vec<&str> = plan.needs(step).into_iter().map(StepId::as_str).collect();
            let told = format!("{} | {undone:?} | {needs:?}", step.risk().as_str());
            (format!("{} {}", step.person, step.id), told)
        })
        .collect();
    for (step, expected) in [
        ("W-1 block_sign_in", "elevated | Some(\"allow_sign_in\") | []"),
        ("W-1 revoke_sessions", "elevated | None | []"),
        ("W-1 reset_password", "elevated | None | []"),
        (
            "W-1 revoke:group:id of sg-sales",
            "elevated | Some(\"grant:group:id of sg-sales\") | []",
        ),
        (
            "W-2 create_account:ada.ng@contoso.example",
            "elevated | Some(\"delete_account\") | []",
        ),
        (
            "W-2 grant:role:id of Security Reader",
            "high | Some(\"revoke:role:id of Security Reader\") | [\"create_account:ada.ng@contoso.example\"]",
        ),
        (
            "W-2 grant:group:id of All Staff",
            "low | Some(\"revoke:group:id of All Staff\") | [\"create_account:ada.ng@contoso.example\"]",
        ),
        (
            "W-2 allow_sign_in",
            "elevated | Some(\"block_sign_in\") | [\"create_account:ada.ng@contoso.example\"]",
        ),
    ] {
        assert_eq!(told.get(step).map(String::as_str), Some(expected), "{step}");
    }
    assert_eq!(preview.risk(), Some(Risk::High));
    assert_eq!(preview.by_risk()[&Risk::High], 1);
}

#[tokio::test]
async fn a_canary_goes_first_with_the_leavers_and_the_rest_follows() {
    let policy = POLICY.replace("max_leavers = 2", "max_leavers = 9");
    let world = world_of(&policy);
    let hired = ["W-8 H Eight Sales", "W-9 I Nine Sales"];
    world.hear(&hired).await;
    world
        .tell(&[
            "W-1 A One Sales",
            "W-2 B Two Sales",
            "W-3 C Three Sales",
            "W-4 D Four Sales",
            "W-9 I Nine Sales status=gone",
        ])
        .await;
    let already = applied(&world).len();
    let preview = world.engine.plan().await.unwrap();
    world
        .engine
        .apply(&preview.hash(), Canary::of(2), &|_| {})
        .await
        .unwrap();
    let order: Vec<String> = world.moody.applied.lock().unwrap()[already..]
        .iter()
        .map(|step| step.split(' ').next().unwrap().to_owned())
        .collect();
    assert_eq!(order[0], "W-9", "{order:?}");
    // Two people come to their end before anybody of the others begins.
    let joiners: Vec<&String> = order.iter().filter(|person| *person != "W-9").collect();
    let first: BTreeSet<&String> = joiners[..joiners.len() / 2].iter().copied().collect();
    let others: BTreeSet<&String> = joiners[joiners.len() / 2..].iter().copied().collect();
    assert_eq!((first.len(), others.len()), (2, 2), "{order:?}");
    assert!(first.is_disjoint(&others), "{order:?}");
    for id in ["W-1", "W-2", "W-3", "W-4"] {
        assert!(world.look(id).ends_with("enabled: All Staff, sg-sales"));
    }
    assert_eq!(world.look("W-9"), "i.nine blocked: ");
    assert_eq!(world.engine.plan().await.unwrap().steps(), 0);
}

#[tokio::test]
async fn a_canary_that_does_not_hold_ends_the_run_and_the_rest_is_untouched() {
    for lies in [false, true] {
        let world = world();
        world.hear(&["W-9 I Nine Sales"]).await;
        world
            .tell(&[
                "W-1 A One Sales",
                "W-2 B Two Sales",
                "W-3 C Three Sales",
                "W-9 I Nine Sales status=gone",
            ])
            .await;
        let preview = world.engine.plan().await.unwrap();
        if lies {
            // The service says that the group was given, and it was not.
            world
                .moody
                .fail("grant:group:id of sg-sales", 1, super::doors::Mood::Vain);
        } else {
            world
                .moody
                .fail("grant:group:id of sg-sales", 1, Refuses(ErrorKind::Denied));
        }
        let error = world.engine.apply(&preview.hash(), Canary::of(1), &|_| {}).await;
        let error = error.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Guarded);
        assert!(error.to_string().contains("the canary failed"), "{error}");
        let there = ["W-1", "W-2", "W-3"].map(|id| !world.look(id).is_empty());
        assert_eq!(there.iter().filter(|there| **there).count(), 1, "{there:?}");
        assert_eq!(
            world.look("W-9"),
            "i.nine blocked: ",
            "a leaver waits for no canary"
        );
        world.moody.calm();
        world.run().await;
        let there = ["W-1", "W-2", "W-3"].map(|id| world.look(id).contains("enabled"));
        assert_eq!(there, [true; 3], "the rest stayed accepted");
    }
}

#[tokio::test]
async fn what_a_newer_version_has_begun_is_left_alone_and_an_older_one_is_finished() {
    let world = world();
    world.tell(&["W-1 Mei Tanaka Sales", "W-2 Bo Ek Sales"]).await;
    let now = crate::clock::Clock::now(&world.clock);
    let claims = world
        .journal
        .claim(9, now, std::time::Duration::ZERO)
        .await
        .unwrap();
    for claim in &claims {
        let mut plan = crate::plan::Plan::empty(&claim.event.person);
        plan.version = if claim.event.person.as_str() == "W-1" {
            99
        } else {
            1
        };
        world.journal.plan(claim, &plan).await.unwrap();
    }
    let preview = world.engine.plan().await.unwrap();
    let held: Vec<&str> = preview
        .people
        .iter()
        .filter_map(|plan| plan.hold.as_deref())
        .collect();
    assert!(held.len() == 1 && held[0].contains("newer version"), "{held:?}");
    let report = world.run().await;
    assert_eq!(report.totals().open, 1);
    assert_eq!(
        (
            world.look("W-1").as_str(),
            applied(&world).iter().any(|step| step.contains("W-1"))
        ),
        ("", false)
    );
    assert_eq!(world.look("W-2"), "bo.ek enabled: All Staff, sg-sales");
    let entries = world.engine.timeline(&PersonKey::new("W-1")).await.unwrap();
    assert_eq!(
        entries[0].plan.as_ref().map(|plan| plan.version),
        Some(99),
        "it is still there"
    );
    assert_eq!(entries[0].state, EventState::Pending);
}
