//! Timers that were lost, timers that are late, and the first and last instant of work in every time zone.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::*;
use crate::event::Timer;

#[tokio::test]
async fn a_timer_that_was_lost_is_found_when_an_engine_starts() {
    let world = world();
    let people = [
        "W-1 Freya Lindholm Sales hire=2026-12-01",
        "W-2 Bo Ek Sales last=2026-12-01",
        "W-3 Mei Tanaka Security",
        "W-4 Di Po Sales hire=2027-06-01",
        "W-5 Cy Om Sales from=2026-12-01 until=2026-12-02",
    ];
    world.hear(&people).await;
    world
        .hear(&["W-3 Mei Tanaka Sales", "W-6 Ann Ng Sales status=gone"])
        .await;
    let pending = async || {
        let query = HistoryQuery {
            state: Some(EventState::Pending),
            ..HistoryQuery::default()
        };
        let entries = world.journal.history(&query).await.unwrap();
        let mut timers: Vec<_> = entries
            .iter()
            .map(|entry| {
                format!(
                    "{} {:?} {}",
                    entry.event.person, entry.event.kind, entry.event.due_at
                )
            })
            .collect();
        timers.sort();
        timers
    };
    let before = pending().await;
    assert!(before.len() >= 6, "{before:?}");
    // Nothing is lost: nothing is set.
    let engine = world.engine_again();
    engine.plan().await.unwrap();
    assert_eq!(pending().await, before);
    world.journal.forget_timers();
    assert_eq!(world.engine.next_due().await.unwrap(), None);
    let engine = world.engine_again();
    engine.plan().await.unwrap();
    assert_eq!(pending().await, before);
    let world = World { engine, ..world };
    world.until("2026-12-01T00:00:00Z").await;
    assert_eq!(world.look("W-1"), "freya.lindholm enabled: All Staff, sg-sales");
    assert_eq!(world.look("W-5"), "cy.om blocked: All Staff, sg-sales");
    world.until("2026-12-02T00:00:00Z").await;
    assert_eq!(world.look("W-2"), "bo.ek blocked: ");
    world.until("2026-12-08T09:00:00Z").await;
    assert_eq!(world.look("W-3"), "mei.tanaka enabled: All Staff, sg-sales");
}

#[tokio::test]
async fn an_instant_that_passed_while_its_timer_was_lost_is_worked_on_at_once() {
    let world = world();
    world
        .hear(&[
            "W-1 Freya Lindholm Sales hire=2026-12-01",
            "W-2 Bo Ek Sales last=2026-12-01",
        ])
        .await;
    world.journal.forget_timers();
    world.clock.set("2026-12-05T00:00:00Z".parse().unwrap());
    world.engine_again().run(&|_| {}).await.unwrap();
    assert_eq!(world.look("W-1"), "freya.lindholm enabled: All Staff, sg-sales");
    assert_eq!(world.look("W-2"), "bo.ek blocked: ");
}

#[tokio::test]
async fn timers_that_are_late_are_shown() {
    let world = world();
    world
        .hear(&[
            "W-1 Freya Lindholm Sales hire=2026-12-01",
            "W-2 Bo Ek Sales last=2026-11-30",
        ])
        .await;
    assert_eq!(world.engine.overdue().await.unwrap().len(), 0);
    world.clock.set("2026-12-05T00:00:00Z".parse().unwrap());
    world.tell(&["W-3 Cy Om Sales"]).await;
    let overdue = world.engine.overdue().await.unwrap();
    let shown: Vec<String> = overdue
        .iter()
        .map(|entry| {
            format!(
                "{} {} {}",
                entry.event.person,
                entry.event.kind.as_str(),
                entry.event.due_at
            )
        })
        .collect();
    assert_eq!(
        shown,
        [
            "W-1 start 2026-12-01T00:00:00Z",
            "W-2 last day over 2026-12-01T00:00:00Z"
        ]
    );
    assert_eq!(overdue[0].event.kind, EventKind::Due { timer: Timer::Start });
    world.run().await;
    assert_eq!(world.engine.overdue().await.unwrap().len(), 0);
}

/// The first instant at which the clocks of the zone show that day or a later one, looked for minute by minute.
fn first_instant(day: Date, zone: &TimeZone) -> Timestamp {
    let mut at = TimeZone::UTC.to_timestamp(day.at(0, 0, 0, 0)).unwrap() - 49.hours();
    for _ in 0..(4 * 24 * 60) {
        if zone.to_datetime(at).date() >= day {
            return at;
        }
        at += 1.minute();
    }
    panic!("{day} does not come in {zone:?}")
}

/// All zones of the database, days around their clock changes included: nobody signs in before the first day begins
/// or after the last one is over where they work, by not one nanosecond, and everybody does in between.
#[test]
fn nobody_signs_in_before_the_first_or_after_the_last_day_in_any_time_zone() {
    let asked = std::env::var("PROPTEST_CASES").ok();
    let config = Config {
        cases: asked.and_then(|cases| cases.parse().ok()).unwrap_or(600),
        failure_persistence: None,
        ..Config::default()
    };
    let mut zones: Vec<String> = jiff::tz::db().available().map(|name| name.to_string()).collect();
    zones.retain(|name| TimeZone::get(name).is_ok_and(|zone| zone.iana_name().is_some()));
    assert!(zones.len() > 400, "{}", zones.len());
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    // Seconds from 1990 to 2037, whether the next change of the clocks is taken instead, and some days more.
    let case = (
        0..zones.len(),
        631_152_000..2_114_380_800_i64,
        any::<bool>(),
        -1..2_i64,
        0..4_i64,
    );
    let turn = std::cell::Cell::new(0);
    let outcome = TestRunner::new_with_rng(config, rng).run(&case, |(which, second, change, near, days)| {
        // Each zone has its turn, and then chance decides.
        turn.set(turn.get() + 1);
        let name = zones.get(turn.get() - 1).unwrap_or(&zones[which]);
        let zone = TimeZone::get(name).unwrap();
        let mut instant = Timestamp::from_second(second).unwrap();
        if change {
            instant = zone
                .following(instant)
                .next()
                .map_or(instant, |next| next.timestamp());
        }
        let first = zone.to_datetime(instant).date() + near.days();
        let last = first + days.days();
        let (start, end) = (first_instant(first, &zone), first_instant(last + 1.day(), &zone));
        let tick = jiff::SignedDuration::from_nanos(1);
        runtime.block_on(async {
            let world = world();
            world.clock.set(start - jiff::SignedDuration::from_hours(24 * 30));
            world
                .hear(&[&format!(
                    "W-1 Mei Tanaka Security hire={first} last={last} zone={name}"
                )])
                .await;
            let open = || world.look("W-1").contains(" enabled");
            let all = || format!("{name} {first} to {last}: {}", world.look("W-1"));
            // Whatever is due before, and the very last moment.
            loop {
                prop_assert!(!open(), "{} at {}", all(), crate::clock::Clock::now(&world.clock));
                match world.engine.next_due().await.unwrap() {
                    Some(due) if due < start => world.at(&due.to_string()).await,
                    _ => break,
                };
            }
            world
                .hear(&[&format!(
                    "W-1 Mei Tanaka Sales hire={first} last={last} zone={name}"
                )])
                .await;
            world.at(&(start - tick).to_string()).await;
            prop_assert!(!open(), "{}", all());
            if start < end {
                prop_assert_eq!(world.engine.next_due().await.unwrap(), Some(start), "{}", all());
                world.at(&start.to_string()).await;
                prop_assert!(open(), "{}", all());
                world.at(&(end - tick).to_string()).await;
                prop_assert!(open(), "{}", all());
            }
            world.at(&end.to_string()).await;
            prop_assert_eq!(world.look("W-1"), "mei.tanaka blocked: ", "{}", all());
            Ok(())
        })
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}
