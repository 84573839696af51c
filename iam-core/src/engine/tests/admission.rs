//! The guard of a fleet, and what people decide: whichever process works on it.

use std::future::Future;

use super::doors::Mood;
use super::fleet::both;
use super::slow::{Slow, drained, eventually, process};
use super::*;
use crate::clock::Clock as _;
use crate::engine::Fleet;
use crate::entitlement::Keep;
use crate::journal::{FrozenState, Journal, Waiting};

const LEAVERS: &str = "[guard]\nmax_leavers = 2";

/// Two fleets on everything that is due, until it is `over`.
async fn guarded(world: &World, journal: &Arc<dyn Journal>, over: impl Future<Output = ()>) {
    let target = Slow::around(world, 1);
    let fleets = [0, 1].map(|_| Fleet::new(process(world, journal, &target)).workers(2).lanes(1));
    both(fleets, over).await;
}

fn blocked(world: &World, people: std::ops::Range<usize>) -> usize {
    people
        .filter(|n| world.look(&format!("W-{n}")).contains("blocked"))
        .count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_limit_holds_over_all_processes_and_too_many_leavers_are_seen_before_the_first() {
    let world = world();
    assert!(POLICY.contains(LEAVERS));
    let journal: Arc<dyn Journal> = Arc::new(world.journal.clone());
    let engine = process(&world, &journal, &Slow::around(&world, 0));
    let say = async |status: &str| {
        let people = (0..4).map(|n| person(&format!("W-{n} Ann Nr{n} Sales{status}")));
        engine.accept(people).await.unwrap();
    };
    say("").await;
    guarded(&world, &journal, drained(&world, &journal)).await;
    say(" status=gone").await;
    engine.accept([person("W-9 Bo Ek Sales")]).await.unwrap();
    let over = eventually(
        "the plan is frozen with all four, and the joiner is in",
        async || {
            let frozen = engine.frozen().await.unwrap();
            frozen.is_some_and(|frozen| frozen.people == 4) && world.look("W-9").contains("enabled")
        },
    );
    guarded(&world, &journal, over).await;
    assert_eq!(
        blocked(&world, 0..4),
        0,
        "four are more than two, whoever works on them"
    );
    let waiting = engine.waiting(&PersonKey::new("W-0")).await.unwrap();
    assert!(matches!(waiting, Waiting::Asked { .. }), "{waiting:?}");
    assert_eq!(engine.asks().await.unwrap().len(), 4);
    let frozen = engine.frozen().await.unwrap().unwrap();
    let own = engine.release(&frozen.hash, "the platform", "sure").await;
    assert_eq!(own.unwrap_err().kind(), ErrorKind::Denied);
    engine
        .release(&frozen.hash, "ann", "the site closes")
        .await
        .unwrap();
    guarded(&world, &journal, drained(&world, &journal)).await;
    assert_eq!(blocked(&world, 0..4), 4);
    let states: Vec<_> = engine
        .freezes()
        .await
        .unwrap()
        .iter()
        .map(|frozen| frozen.state)
        .collect();
    assert_eq!(states.last(), Some(&FrozenState::Applied), "{states:?}");
    assert_eq!(engine.asks().await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_was_granted_counts_until_the_window_has_passed() {
    let world = world();
    let journal: Arc<dyn Journal> = Arc::new(world.journal.clone());
    let engine = process(&world, &journal, &Slow::around(&world, 0));
    let people = (0..3).map(|n| person(&format!("W-{n} Ann Nr{n} Sales")));
    engine.accept(people).await.unwrap();
    guarded(&world, &journal, drained(&world, &journal)).await;
    engine
        .accept([person("W-0 Ann Nr0 Sales status=gone")])
        .await
        .unwrap();
    guarded(&world, &journal, drained(&world, &journal)).await;
    assert_eq!(
        blocked(&world, 0..3),
        1,
        "one is within the limit, and nobody is asked"
    );
    let more = [1, 2].map(|n| person(&format!("W-{n} Ann Nr{n} Sales status=gone")));
    engine.accept(more).await.unwrap();
    let over = eventually("two more are too many", async || {
        engine.frozen().await.unwrap().is_some()
    });
    guarded(&world, &journal, over).await;
    assert_eq!(blocked(&world, 0..3), 1);
    world.clock.advance(SignedDuration::from_hours(25));
    guarded(&world, &journal, drained(&world, &journal)).await;
    assert_eq!(blocked(&world, 0..3), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_last_holder_of_a_role_keeps_it_though_two_processes_take_it_at_once() {
    let world = world_of(&POLICY.replace(LEAVERS, "[guard]\nmax_leavers = 9"));
    let journal: Arc<dyn Journal> = Arc::new(world.journal.clone());
    let engine = process(&world, &journal, &Slow::around(&world, 0));
    let say = async |status: &str| {
        let people = [1, 2].map(|n| person(&format!("W-{n} Ann Nr{n} Security{status}")));
        engine.accept(people).await.unwrap();
    };
    say("").await;
    guarded(&world, &journal, drained(&world, &journal)).await;
    world.target.change_catalog(|catalog| {
        let mut items = catalog.items.iter();
        let item = items.find(|item| item.entitlement.kind == Kind::Role).unwrap();
        catalog.keep = vec![Keep {
            entitlement: item.entitlement.clone(),
            least: 1,
            holders: None,
            through: std::collections::BTreeSet::new(),
        }];
    });
    say(" status=gone").await;
    guarded(&world, &journal, drained(&world, &journal)).await;
    assert_eq!(
        blocked(&world, 1..3),
        1,
        "{} | {}",
        world.look("W-1"),
        world.look("W-2")
    );
    let dead = HistoryQuery {
        state: Some(EventState::Dead),
        ..HistoryQuery::default()
    };
    let dead = journal.history(&dead).await.unwrap();
    let refused = |entry: &Entry| {
        entry
            .why
            .as_deref()
            .is_some_and(|why| why.contains("must keep 1"))
    };
    assert!(!dead.is_empty() && dead.iter().all(refused), "{dead:?}");
    let steps = dead.iter().map(|entry| entry.steps.len()).sum::<usize>();
    assert_eq!(steps, 0, "nothing at all was done to whoever stays");
}

#[tokio::test]
async fn people_decide_about_single_events() {
    let world = world();
    world.tell(&["W-1 Mei Tanaka Sales", "W-2 Bo Ek Sales"]).await;
    assert_eq!(
        world.engine.stalled().await.unwrap().unwrap().since,
        world.clock.now()
    );
    world
        .moody
        .fail("W-1 grant:group", 1, Mood::Refuses(ErrorKind::Denied));
    world.run().await;
    assert_eq!(world.engine.stalled().await.unwrap(), None);
    let dead = world
        .engine
        .timeline(&PersonKey::new("W-1"))
        .await
        .unwrap()
        .remove(0);
    assert_eq!((dead.state, dead.parked), (EventState::Dead, false));
    for (by, reason) in [("", "x"), ("ann", " ")] {
        let refused = [
            world.engine.requeue(&dead.event.id, by, reason).await,
            world.engine.skip(&dead.event.id, by, reason).await,
        ];
        assert!(
            refused
                .iter()
                .all(|answer| answer.as_ref().unwrap_err().kind() == ErrorKind::Invalid)
        );
    }
    let error = world
        .engine
        .skip(&dead.event.id, "ann", "known")
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "it parks nothing");
    world
        .engine
        .requeue(&dead.event.id, "ann", "granted the right")
        .await
        .unwrap();
    world.run().await;
    assert_eq!(world.look("W-1"), "mei.tanaka enabled: All Staff, sg-sales");
}
