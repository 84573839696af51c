//! What only several workers come upon: work that always panics, the last seat, and somebody who runs beside a fleet.

use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::fleet::both;
use super::slow::{Slow, drained, eventually, pending, process};
use super::*;
use crate::clock::{Clock as _, SystemClock};
use crate::engine::{Fleet, FleetReport, Progress};
use crate::journal::{Journal, Waiting};

/// It ends where other failures end, and what was planned for the person's calendar is not forgotten.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn work_that_always_panics_is_set_aside_after_as_many_attempts_as_any_other() {
    let world = world();
    let journal: Arc<dyn Journal> = Arc::new(world.journal.clone());
    let target = Slow::around(&world, 0);
    let engine = process(&world, &journal, &target);
    let ahead = "W-4 Ann Four Sales hire=2026-12-01";
    engine.accept([person(ahead)]).await.unwrap();
    engine.run(&|_| {}).await.unwrap();
    let first_day = journal.next_due().await.unwrap().unwrap();
    *target.poison.lock().unwrap() = Some("W-4");
    engine
        .accept([person(&ahead.replace("Sales", "Security"))])
        .await
        .unwrap();
    let person = PersonKey::new("W-4");
    let over = async {
        for _ in 0..600 {
            match engine.waiting(&person).await.unwrap() {
                Waiting::Retrying { .. } => {
                    let now = world.clock.now();
                    world
                        .clock
                        .set(now.max(first_day.min(now + SignedDuration::from_mins(5))));
                }
                Waiting::Until { .. } => return,
                _ => {}
            }
            SystemClock.sleep(Duration::from_millis(20)).await;
        }
    };
    // Attempts before are as good as made: the waits between them are longer than until the first day.
    for _ in 0..16 {
        let claim = journal
            .claim(1, world.clock.now(), Duration::ZERO)
            .await
            .unwrap()
            .remove(0);
        let now = world.clock.now();
        journal
            .retry_later(&claim, &claim.state, now, "before")
            .await
            .unwrap();
    }
    let report = Fleet::new(engine.clone()).workers(1).run(over).await.unwrap();
    assert_eq!((report.set_aside, report.retried), (1, 0), "{report:?}");
    let timeline = engine.timeline(&person).await.unwrap();
    let dead: Vec<_> = timeline
        .iter()
        .filter(|entry| entry.state == EventState::Dead)
        .collect();
    let why = dead[0].why.as_deref().unwrap();
    assert!(
        dead.len() == 1 && why.contains("given up after 17 attempts") && why.contains("panicked"),
        "{why}"
    );
    assert_eq!(
        journal.next_due().await.unwrap(),
        Some(first_day),
        "the first day still comes"
    );
    // Taking something away is never given up.
    *target.poison.lock().unwrap() = None;
    engine.requeue(&dead[0].event.id, "ann", "mended").await.unwrap();
    engine.run(&|_| {}).await.unwrap();
    *target.poison.lock().unwrap() = Some("W-4");
    engine
        .accept([super::person(&format!("{ahead} status=gone"))])
        .await
        .unwrap();
    for _ in 0..20 {
        let now = world.clock.now();
        let claim = journal.claim(1, now, Duration::ZERO).await.unwrap().remove(0);
        assert!(claim.event.kind.is_leave());
        journal
            .retry_later(&claim, &claim.state, now, "before")
            .await
            .unwrap();
    }
    let over = eventually("it was tried again", async || {
        matches!(
            engine.waiting(&person).await.unwrap(),
            Waiting::Retrying { attempts: 21, .. }
        )
    });
    let report = Fleet::new(engine.clone()).workers(1).run(over).await.unwrap();
    assert_eq!((report.set_aside, report.retried), (0, 1), "{report:?}");
}

/// A world in which Sales have a licence, with one seat.
fn with_licences() -> World {
    let rule =
        "[[rule]]\nid = \"e3\"\nwhen = 'person.department == \"Sales\"'\nlicenses = [\"SPE_E3\"]\n[joiner]";
    let world = world_of(&POLICY.replace("[joiner]", rule));
    world.target.change_catalog(|catalog| {
        let mut items = catalog.items.iter_mut();
        let item = items.find(|item| item.entitlement.kind == Kind::License).unwrap();
        item.seats = Some(crate::entitlement::Seats { total: 1, used: 0 });
    });
    world
}

/// Two workers plan with the same last seat: one gets it, the other is told why they wait, and gets the next.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_comes_second_for_the_last_seat_waits_and_is_told_why() {
    let world = with_licences();
    let journal: Arc<dyn Journal> = Arc::new(world.journal.clone());
    let target = Slow::around(&world, 20);
    target.seats.store(1, Ordering::SeqCst);
    let engines = [0, 1].map(|_| process(&world, &journal, &target));
    let people = ["W-1 A One Sales", "W-2 B Two Sales"].map(person);
    engines[0].accept(people).await.unwrap();
    let fleets = engines
        .clone()
        .map(|engine| Fleet::new(engine).workers(1).lanes(1));
    let reports = both(fleets, drained(&world, &journal)).await;
    let count = |of: fn(&FleetReport) -> u64| reports.iter().map(of).sum::<u64>();
    assert_eq!(
        (count(|report| report.done), count(|report| report.waiting)),
        (1, 1),
        "{reports:?}"
    );
    assert_eq!(
        count(|report| report.set_aside + report.retried),
        0,
        "{reports:?}"
    );
    let licensed = |id: &str| world.look(id).contains("SPE_E3");
    let (winner, loser) = if licensed("W-1") {
        ("W-1", "W-2")
    } else {
        ("W-2", "W-1")
    };
    assert!(licensed(winner) && !licensed(loser));
    assert!(
        world.look(loser).contains("enabled: All Staff"),
        "everything else is there"
    );
    let timeline = engines[0].timeline(&PersonKey::new(loser)).await.unwrap();
    let steps = timeline.iter().flat_map(|entry| &entry.steps);
    let refused = steps.filter(|step| format!("{:?}", step.outcome).contains("no seat is left"));
    assert_eq!(refused.count(), 1, "{timeline:?}");
    // A seat is bought, and nobody has to ask.
    target.seats.store(1, Ordering::SeqCst);
    world.clock.advance(SignedDuration::from_hours(2));
    world.target.change_catalog(|catalog| {
        for item in &mut catalog.items {
            if let Some(seats) = &mut item.seats {
                seats.total = 2;
            }
        }
    });
    Fleet::new(engines[1].clone())
        .run(drained(&world, &journal))
        .await
        .unwrap();
    assert!(licensed(loser));
}

/// Mei has everything but the licence, and is looked at again later.
async fn until_mei_waits_for_a_seat(engine: &Engine, world: &World) {
    eventually("she waits for a seat", async || {
        let waits = matches!(
            engine.waiting(&PersonKey::new("W-1")).await.unwrap(),
            Waiting::Until { .. }
        );
        waits && world.look("W-1") == "mei.tanaka enabled: All Staff, sg-sales"
    })
    .await;
}

/// A seat is free: who comes now has it at once, and who waits within the hour.
async fn seats_are_free(engine: &Engine, world: &World, target: &Slow) {
    target.seats.store(2, Ordering::SeqCst);
    engine.accept([person("W-2 Bo Ek Sales")]).await.unwrap();
    let licensed = |id: &str| world.look(id).contains("SPE_E3");
    eventually("who comes has one", async || licensed("W-2")).await;
    assert!(!licensed("W-1"), "nobody has looked yet");
    world.clock.advance(SignedDuration::from_hours(1));
    eventually("who waits has one", async || licensed("W-1")).await;
}

#[tokio::test]
async fn a_fleet_gives_a_seat_that_becomes_free_to_who_comes_and_to_who_waits() {
    let world = with_licences();
    let journal: Arc<dyn Journal> = Arc::new(world.journal.clone());
    let target = Slow::around(&world, 1);
    target.seats.store(0, Ordering::SeqCst);
    let engine = process(&world, &journal, &target);
    engine.accept([person("W-1 Mei Tanaka Sales")]).await.unwrap();
    let teller = engine.clone();
    let over = async {
        until_mei_waits_for_a_seat(&teller, &world).await;
        seats_are_free(&teller, &world, &target).await;
    };
    Fleet::new(engine).run(over).await.unwrap();
}

#[tokio::test]
async fn a_fleet_gives_the_seats_that_the_one_before_it_did_not_find() {
    let world = with_licences();
    let (mortal, target) = (world.mortal.clone(), Slow::around(&world, 1));
    let journal: Arc<dyn Journal> = Arc::new(mortal);
    target.seats.store(0, Ordering::SeqCst);
    let first = process(&world, &journal, &target);
    first.accept([person("W-1 Mei Tanaka Sales")]).await.unwrap();
    let over = until_mei_waits_for_a_seat(&first, &world);
    Fleet::new(first.clone()).run(over).await.unwrap();
    let second = process(&world, &journal, &target);
    let over = seats_are_free(&second, &world, &target);
    let report = Fleet::new(second.clone()).run(over).await.unwrap();
    assert_eq!((report.done, report.passed_on), (2, 0), "{report:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nobody_runs_beside_a_fleet() {
    let world = world();
    let journal: Arc<dyn Journal> = Arc::new(world.journal.clone());
    let target = Slow::around(&world, 20);
    let (engine, alone) = (
        process(&world, &journal, &target),
        process(&world, &journal, &target),
    );
    let people = (0..6).map(|n| person(&format!("W-{n} Ann Nr{n} Sales")));
    engine.accept(people).await.unwrap();
    let plan = alone.plan().await.unwrap();
    let over = async {
        eventually("the fleet works", async || {
            !world.moody.applied.lock().unwrap().is_empty()
        })
        .await;
        let error = alone.run(&|_| {}).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
        assert!(
            error.to_string().contains("stop it, and run this again"),
            "{error}"
        );
        let error = alone
            .apply(&plan.hash(), crate::engine::Canary::default(), &|_| {})
            .await
            .unwrap_err();
        assert!(
            error.to_string().contains("stop it, and run this again"),
            "{error}"
        );
        drained(&world, &journal).await;
    };
    Box::pin(Fleet::new(engine.clone()).run(over)).await.unwrap();
    // It has stopped, and says so.
    alone.accept([person("W-9 Ann Nr9 Sales")]).await.unwrap();
    assert_eq!(alone.run(&|_| {}).await.unwrap().people.len(), 1);
    // One that died is believed for a while.
    {
        let mut dies = Box::pin(Fleet::new(engine).run(std::future::pending()));
        let begun = eventually("it has begun", async || alone.run(&|_| {}).await.is_err());
        tokio::select! {
            _ = &mut dies => unreachable!(),
            () = begun => {}
        }
    }
    let seen = world.clock.now();
    world.clock.advance(SignedDuration::from_secs(44));
    let error = alone.run(&|_| {}).await.unwrap_err();
    let until = format!(
        "until {:.0}, for 2 more seconds",
        seen + SignedDuration::from_secs(45)
    );
    assert!(error.to_string().contains(&until), "{error}");
    assert_eq!(
        error.retry(),
        crate::error::Retry::After(Some(Duration::from_secs(2)))
    );
    world.clock.advance(SignedDuration::from_secs(2));
    alone.run(&|_| {}).await.unwrap();
}

/// A journal in a file is one process's at a time: whoever opens it knows that every fleet before is over.
#[cfg(feature = "sqlite")]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_fleet_that_died_with_its_process_keeps_nobody_from_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let world = world();
    let open = async || {
        let journal = crate::journal::SqliteJournal::open(folder.path().join("journal.db"), "contoso");
        journal.await.unwrap()
    };
    let on = |journal: &crate::journal::SqliteJournal| Arc::new(journal.clone()) as Arc<dyn Journal>;
    let target = Slow::around(&world, 0);
    let journal = open().await;
    let engine = process(&world, &on(&journal), &target);
    engine.accept([person("W-1 Ann One Sales")]).await.unwrap();
    engine.sign(true).await.unwrap();
    // As long as it is open, it may be this process's own fleet that works.
    let error = engine.run(&|_| {}).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    journal.close().await.unwrap();
    let again = process(&world, &on(&open().await), &target);
    assert_eq!(again.run(&|_| {}).await.unwrap().people.len(), 1);
}

/// A fleet that begins while somebody runs has the rest.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_run_ends_where_a_fleet_begins() {
    let world = world();
    let journal: Arc<dyn Journal> = Arc::new(world.journal.clone());
    let target = Slow::around(&world, 10);
    let (engine, alone) = (
        process(&world, &journal, &target),
        process(&world, &journal, &target),
    );
    let people = (0..200).map(|n| person(&format!("W-{n} Ann Nr{n} Sales")));
    engine.accept(people).await.unwrap();
    let fleet = Mutex::new(Some(engine));
    let begun = Mutex::new(None);
    let starts = |progress: Progress<'_>| {
        if let (Progress::Step(..), Some(engine)) = (progress, fleet.lock().unwrap().take()) {
            *begun.lock().unwrap() = Some(tokio::spawn(async move { engine.sign(true).await }));
        }
    };
    let ended = alone.run(&starts).await.map(|report| report.people.len());
    assert_eq!(ended.map_err(|error| error.kind()), Err(ErrorKind::Conflict));
    assert!(pending(&world, &journal).await > 0);
    let signed = begun.lock().unwrap().take().unwrap();
    signed.await.unwrap().unwrap();
}
