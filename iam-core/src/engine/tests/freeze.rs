//! A tripped guard freezes the plan; somebody else releases it, for what was shown and once.

use super::*;
use crate::entitlement::Counted;
use crate::journal::FrozenState;

const HIRED: [&str; 3] = ["W-1 A One Sales", "W-2 B Two Sales", "W-3 C Three Sales"];

async fn all_leave(world: &World) {
    let gone: Vec<String> = HIRED.iter().map(|text| format!("{text} status=gone")).collect();
    let gone: Vec<&str> = gone.iter().map(String::as_str).collect();
    world.tell(&gone).await;
}

fn open(world: &World) -> usize {
    let ids = ["W-1", "W-2", "W-3"];
    ids.iter().filter(|id| world.look(id).contains("enabled")).count()
}

async fn refused(engine: &Engine) -> String {
    let error = engine.run(&|_| {}).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Guarded);
    error.to_string()
}

#[tokio::test]
async fn a_tripped_guard_freezes_the_plan_until_somebody_else_releases_it() {
    let world = world();
    world.hear(&HIRED).await;
    all_leave(&world).await;
    let hash = world.engine.plan().await.unwrap().hash();
    assert_eq!(
        world.engine.frozen().await.unwrap(),
        None,
        "a plan writes nothing"
    );
    let text = refused(&world.engine).await;
    assert!(text.contains(&hash) && text.contains("Engine::release"), "{text}");
    let frozen = world.engine.frozen().await.unwrap().unwrap();
    assert_eq!((frozen.hash.as_str(), frozen.people), (hash.as_str(), 3));
    assert_eq!(frozen.planned_by, "the platform");
    assert!(frozen.trips[0].contains("max_leavers is 2"), "{frozen:?}");
    // Who planned it does not release it, whoever applies it.
    let own = world
        .engine
        .release(&hash, "The Platform", "I am in a hurry")
        .await;
    assert_eq!(own.unwrap_err().kind(), ErrorKind::Denied);
    refused(&world.engine).await;
    assert_eq!(open(&world), 3);

    world
        .engine
        .release(&hash, "bob", "the site closes")
        .await
        .unwrap();
    world
        .engine_again()
        .apply(&hash, Canary::NONE, &|_| {})
        .await
        .unwrap();
    assert_eq!(open(&world), 0);
    assert_eq!(world.engine.frozen().await.unwrap(), None);
    let freezes = world.engine.freezes().await.unwrap();
    assert_eq!((freezes.len(), freezes[0].state), (1, FrozenState::Applied));
    assert_eq!(
        freezes[0].release.as_ref().map(|release| release.by.as_str()),
        Some("bob")
    );
    // It was used, and the window still counts what it did.
    world.hear(&["W-4 D Four Sales"]).await;
    world.tell(&["W-4 D Four Sales status=gone"]).await;
    refused(&world.engine).await;
    assert!(world.look("W-4").contains("enabled"));
}

#[tokio::test]
async fn a_release_is_for_the_plan_that_was_shown_and_no_other() {
    let world = world();
    world.hear(&HIRED).await;
    all_leave(&world).await;
    let hash = world.engine.plan().await.unwrap().hash();
    refused(&world.engine).await;
    world
        .engine
        .release(&hash, "bob", "the site closes")
        .await
        .unwrap();
    world.tell(&["W-4 D Four Sales"]).await;
    let text = refused(&world.engine).await;
    assert!(!text.contains(&hash), "{text}");
    assert_eq!((open(&world), world.look("W-4").as_str()), (3, ""));
    let states: Vec<FrozenState> = world
        .engine
        .freezes()
        .await
        .unwrap()
        .into_iter()
        .map(|frozen| frozen.state)
        .collect();
    assert_eq!(states, [FrozenState::Superseded, FrozenState::Frozen]);
    let second = world.engine.frozen().await.unwrap().unwrap().hash;
    world
        .engine
        .release(&second, "bob", "that one too")
        .await
        .unwrap();
    world.run().await;
    assert_eq!(open(&world), 0);
    assert!(world.look("W-4").contains("enabled"));
}

#[tokio::test]
async fn another_planner_s_own_release_is_refused_too() {
    let world = world();
    world.hear(&HIRED).await;
    all_leave(&world).await;
    let by = |actor: &str| {
        Engine::builder(Arc::new(world.mortal.clone()), world.policy.clone())
            .target(Arc::new(world.moody.clone()))
            .clock(Arc::new(world.clock.clone()))
            .actor(actor)
            .build()
    };
    let text = refused(&by("ann")).await;
    assert!(text.contains("other than ann"), "{text}");
    // Planned once more by somebody else, it is still ann's.
    let text = refused(&by("bob")).await;
    assert!(text.contains("other than ann"), "{text}");
    let hash = world.engine.frozen().await.unwrap().unwrap().hash;
    let own = by("bob").release(&hash, "ann", "mine").await;
    assert_eq!(own.unwrap_err().kind(), ErrorKind::Denied);
    by("ann").release(&hash, "bob", "looked at").await.unwrap();
    by("ann").run(&|_| {}).await.unwrap();
    assert_eq!(open(&world), 0);
}

#[tokio::test]
async fn each_sort_of_change_is_counted_over_the_window_from_what_was_done() {
    let world = world_of(&format!("{POLICY}[guard.limits]\ngive_group = 3\n"));
    world.hear(&["W-1 A One Sales"]).await;
    world.tell(&["W-2 B Two Sales"]).await;
    let text = refused(&world.engine).await;
    assert!(
        text.contains("4 changes of the kind give_group within 24 hours, give_group is 3"),
        "{text}"
    );
    world.clock.advance(SignedDuration::from_hours(23));
    refused(&world.engine).await;
    world.clock.advance(SignedDuration::from_mins(61));
    world.run().await;
    assert_eq!(world.look("W-2"), "b.two enabled: All Staff, sg-sales");
}

#[tokio::test]
async fn each_department_has_a_limit_of_its_own() {
    let limits = "[guard.per_organisation]\nfield = \"department\"\nmax_leavers = 1\n";
    let world = world_of(&format!(
        "{}{limits}",
        POLICY.replace("max_leavers = 2", "max_leavers = 9")
    ));
    world
        .hear(&["W-1 A One Sales", "W-2 B Two Sales", "W-3 C Three Security"])
        .await;
    world
        .hear(&["W-1 A One Sales status=gone", "W-3 C Three Security status=gone"])
        .await;
    assert_eq!(world.look("W-3"), "c.three blocked: ");
    world.tell(&["W-2 B Two Sales status=gone"]).await;
    let text = refused(&world.engine).await;
    assert!(
        text.contains("department Sales: 2 people would lose their access"),
        "{text}"
    );
    assert!(world.look("W-2").contains("enabled"));
}

#[tokio::test]
async fn a_tier_of_roles_has_a_limit_of_its_own() {
    let tier = "[[guard.tier]]\nname = \"readers\"\nroles = [\"Security Reader\"]\nmax_changes = 1\n";
    let world = world_of(&format!("{POLICY}{tier}"));
    world.hear(&["W-1 A One Security"]).await;
    world.tell(&["W-2 B Two Security"]).await;
    let text = refused(&world.engine).await;
    assert!(text.contains("2 roles of \"readers\""), "{text}");
    // A leaver's roles are not counted.
    let world = world_of(&format!("{POLICY}{tier}"));
    world.hear(&["W-1 A One Security"]).await;
    world.hear(&["W-1 A One Security status=gone"]).await;
    assert_eq!(world.look("W-1"), "a.one blocked: ");
}

/// Whatever fails, lies or dies: each step that was done counts once.
#[tokio::test]
async fn what_was_done_is_counted_once_however_often_it_is_told() {
    use super::doors::Mood::{Lies, Refuses};
    for dies in 0..45 {
        let world = world();
        world.tell(&["W-1 Mei Tanaka Security"]).await;
        let mut left = 2;
        world.moody.temper(move |step| {
            let hit = left > 0 && step.id.as_str().contains("grant:group");
            left -= i32::from(hit);
            let mood = if left == 1 {
                Lies(ErrorKind::Unavailable)
            } else {
                Refuses(ErrorKind::Throttled)
            };
            hit.then_some(mood)
        });
        world.mortal.dies_after(dies);
        let _ = world.engine.run(&|_| {}).await;
        world.mortal.revive();
        for _ in 0..4 {
            world.run().await;
            world.clock.advance(SignedDuration::from_mins(10));
        }
        assert_eq!(
            world.look("W-1"),
            "mei.tanaka enabled: All Staff, Security Reader, sg-security"
        );
        let now = crate::clock::Clock::now(&world.clock);
        let before = world.engine.before(now).await.unwrap().whole.before;
        let expected = [
            (Counted::CreateAccount, 1),
            (Counted::GiveGroup, 2),
            (Counted::GiveRole, 1),
        ];
        assert_eq!(before.changes, expected.into(), "after {dies} writes");
        assert_eq!(before.privileged(), 1);
        world.clock.advance(SignedDuration::from_hours(24));
        let now = crate::clock::Clock::now(&world.clock);
        assert!(world.engine.before(now).await.unwrap().whole.before.is_empty());
    }
}
