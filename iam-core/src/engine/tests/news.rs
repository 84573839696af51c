//! Events with ids of their own: announced, taken back, corrected, late, urgent, and told twice.

use jiff::civil::Date;

use super::*;
use crate::event::News;

/// News of W-1 that were entered at that minute of the day.
pub(super) fn news(id: &str, minute: i64, kind: EventKind) -> News {
    let entered: Timestamp = "2026-11-24T08:00:00Z".parse().unwrap();
    let person = PersonKey::new("W-1");
    News {
        entered_at: Some(entered + SignedDuration::from_mins(minute)),
        ..News::new(EventId::new(id), person, kind, entered)
    }
}

pub(super) fn on(day: &str, news: News) -> News {
    News {
        effective: day.parse().ok(),
        ..news
    }
}

pub(super) fn saying(record: &str, news: News) -> News {
    let record = person(record);
    News {
        person: record.key.clone(),
        record: Some(Box::new(record)),
        ..news
    }
}

pub(super) fn leave(last: &str) -> EventKind {
    EventKind::Leave {
        last_day: last.parse().ok(),
        urgent: false,
    }
}

pub(super) fn retract(of: &str) -> EventKind {
    EventKind::Retract { of: EventId::new(of) }
}

pub(super) fn amend(of: &str) -> EventKind {
    EventKind::Amend { of: EventId::new(of) }
}

impl World {
    pub(super) async fn told(&self, news: impl IntoIterator<Item = News>) -> RunReport {
        self.engine.accept_events(news).await.unwrap();
        self.run().await
    }
}

const OPEN: &str = "mei.tanaka enabled: All Staff, sg-sales";
const GONE: &str = "mei.tanaka blocked: ";

#[tokio::test]
async fn a_retracted_event_that_waits_is_called_off() {
    let world = world();
    world.hear(&["W-1 Mei Tanaka Sales"]).await;
    world
        .told([
            news("leave", 0, leave("2026-12-31")),
            on("2026-12-01", news("away", 1, EventKind::Suspend)),
            on(
                "2026-12-05",
                saying("W-1 Mei Tanaka Security", news("move", 2, EventKind::Move)),
            ),
        ])
        .await;
    assert_eq!(world.look("W-1"), OPEN);
    let stage = || async {
        world
            .engine
            .person(&PersonKey::new("W-1"))
            .await
            .unwrap()
            .unwrap()
            .lifecycle
    };
    assert_eq!(stage().await, Stage::Leaving);
    world
        .told([
            news("no", 3, retract("leave")),
            news("nor", 4, retract("away")),
            news("neither", 5, retract("move")),
        ])
        .await;
    assert_eq!(
        world.engine.next_due().await.unwrap(),
        None,
        "nothing is waited for any more"
    );
    assert_eq!(stage().await, Stage::Active);
    world.until("2027-03-01T00:00:00Z").await;
    assert_eq!(world.look("W-1"), OPEN);
}

#[tokio::test]
async fn announced_events_count_from_their_day_where_people_work() {
    let world = world();
    world.hear(&["W-1 Mei Tanaka Sales zone=Pacific/Auckland"]).await;
    let moved = "W-1 Mei Tanaka Security zone=Pacific/Auckland";
    world
        .told([
            on("2026-12-01", news("away", 0, EventKind::Suspend)),
            on("2026-12-10", news("back", 1, EventKind::Resume)),
            on("2026-12-20", saying(moved, news("move", 2, EventKind::Move))),
            News {
                zone: Some("America/Los_Angeles".to_owned()),
                ..news("leave", 3, leave("2026-12-31"))
            },
        ])
        .await;
    for (instant, expect) in [
        ("2026-11-30T10:59:59Z", OPEN),
        ("2026-11-30T11:00:00Z", "mei.tanaka blocked: All Staff, sg-sales"),
        ("2026-12-09T11:00:00Z", OPEN),
        ("2026-12-19T10:59:59Z", OPEN),
        (
            "2026-12-19T11:00:00Z",
            "mei.tanaka enabled: All Staff, Security Reader, sg-security",
        ),
        (
            "2027-01-01T07:59:59Z",
            "mei.tanaka enabled: All Staff, Security Reader, sg-security",
        ),
        ("2027-01-01T08:00:00Z", GONE),
    ] {
        world.until(instant).await;
        assert_eq!(world.look("W-1"), expect, "{instant}");
    }
}

#[tokio::test]
async fn a_retracted_leave_that_has_happened_gives_back_what_policy_asks_for_and_nothing_else() {
    let world = world();
    world.hear(&["W-1 Mei Tanaka Security", "W-2 Bo Ek Sales"]).await;
    world.give("W-1", "by hand").await;
    world.meddle("W-2", Action::BlockSignIn).await;
    let second = |news: News| News {
        person: PersonKey::new("W-2"),
        ..news
    };
    let now = "2026-11-23";
    world
        .told([news("leave", 0, leave(now)), second(news("other", 0, leave(now)))])
        .await;
    assert_eq!(
        (world.look("W-1").as_str(), world.look("W-2").as_str()),
        (GONE, "bo.ek blocked: ")
    );
    world
        .told([on(
            "2026-11-24",
            saying("W-1 Mei Tanaka Sales", news("move", 1, EventKind::Move)),
        )])
        .await;
    assert_eq!(world.look("W-1"), GONE, "a change brings nobody back");
    world.at("2026-11-30T00:00:00Z").await;
    world
        .told([
            news("no", 2, retract("leave")),
            second(news("nor", 2, retract("other"))),
        ])
        .await;
    assert_eq!(world.look("W-1"), OPEN);
    assert_eq!(
        world.look("W-2"),
        "bo.ek blocked: All Staff, sg-sales",
        "somebody else blocked it"
    );
    world.until("2027-02-01T00:00:00Z").await;
    assert_eq!(world.look("W-1"), OPEN, "the retention is called off");
}

#[tokio::test]
async fn a_rescinded_hire_never_starts_holds_nothing_and_is_deleted() {
    let world = world();
    let hire = saying(
        "W-1 Mei Tanaka Sales",
        on("2026-12-01", news("hire", 0, EventKind::Join)),
    );
    world.told([hire]).await;
    assert_eq!(world.look("W-1"), "mei.tanaka blocked: All Staff, sg-sales");
    world.told([news("no", 1, retract("hire"))]).await;
    assert_eq!(world.look("W-1"), GONE);
    world.until("2026-12-20T00:00:00Z").await;
    assert_eq!(world.look("W-1"), GONE);
    world.until("2026-12-24T09:00:00Z").await;
    assert_eq!(world.look("W-1"), "mei.tanaka deleted: ");
    // A hire that a record has told as well since is called off all the same.
    let hire = News {
        person: PersonKey::new("W-2"),
        ..saying(
            "W-2 Bo Ek Sales",
            on("2027-01-05", news("hire2", 2, EventKind::Join)),
        )
    };
    world.told([hire]).await;
    world.hear(&["W-2 Bo Ek Sales hire=2027-01-05 title=Nurse"]).await;
    assert_eq!(world.look("W-2"), "bo.ek blocked: All Staff, sg-sales");
    let no = News {
        person: PersonKey::new("W-2"),
        ..news("no2", 3, retract("hire2"))
    };
    world.told([no]).await;
    world.until("2027-01-06T00:00:00Z").await;
    assert_eq!(world.look("W-2"), "bo.ek blocked: ");
    // Until HR sends a record that was made after that.
    world.hear(&["W-2 Bo Ek Sales hire=2027-01-05"]).await;
    assert_eq!(world.look("W-2"), "bo.ek enabled: All Staff, sg-sales");
}

#[tokio::test]
async fn corrected_days_move_what_waits_for_them() {
    let world = world();
    let hire = saying(
        "W-1 Mei Tanaka Sales",
        on("2026-12-01", news("hire", 0, EventKind::Join)),
    );
    world.told([hire]).await;
    world
        .told([on("2026-12-10", news("later", 1, amend("hire")))])
        .await;
    world.until("2026-12-09T23:59:59Z").await;
    assert_eq!(world.look("W-1"), "mei.tanaka blocked: All Staff, sg-sales");
    world.until("2026-12-10T00:00:00Z").await;
    assert_eq!(world.look("W-1"), OPEN);
    world.told([news("leave", 2, leave("2027-01-31"))]).await;
    world
        .told([on("2027-02-15", news("longer", 3, amend("leave")))])
        .await;
    world.until("2027-02-14T00:00:00Z").await;
    assert_eq!(world.look("W-1"), OPEN);
    // The later entry counts, in whichever order they come, and a correction can be taken back.
    world
        .told([
            on("2027-02-14", news("shorter", 5, amend("leave"))),
            on("2027-12-31", news("old", 4, amend("leave"))),
        ])
        .await;
    world.until("2027-02-15T00:00:00Z").await;
    assert_eq!(world.look("W-1"), GONE);
    world.told([news("not", 6, retract("shorter"))]).await;
    assert_eq!(world.look("W-1"), OPEN);
    world.until("2028-01-01T00:00:00Z").await;
    assert_eq!(world.look("W-1"), GONE);
}

#[tokio::test]
async fn an_urgent_leave_waits_for_no_zone_and_overtakes_everything() {
    let world = world();
    world
        .hear(&["W-1 Mei Tanaka Sales zone=Pacific/Honolulu", "W-2 Bo Ek Sales"])
        .await;
    world
        .tell(&["W-2 Bo Ek Sales status=gone", "W-3 Cy Om Sales"])
        .await;
    let urgent = EventKind::Leave {
        last_day: "2026-12-31".parse().ok(),
        urgent: true,
    };
    world.moody.applied.lock().unwrap().clear();
    world.told([news("out", 0, urgent)]).await;
    // Worked on at once with the others, it still comes first.
    let applied = world.moody.applied.lock().unwrap().clone();
    assert_eq!(applied[0], "W-1 block_sign_in", "{applied:?}");
    assert_eq!(world.look("W-1"), GONE);
    // A feed that is slower than the telephone does not give access back; a new start does.
    world
        .hear(&["W-1 Mei Tanaka Security zone=Pacific/Honolulu"])
        .await;
    assert_eq!(world.look("W-1"), GONE);
    world.at("2027-01-11T12:00:00Z").await;
    world.hear(&["W-1 Mei Tanaka Sales hire=2027-01-11"]).await;
    assert_eq!(world.look("W-1"), OPEN);
}

#[tokio::test]
async fn a_leave_of_somebody_of_whom_there_is_no_record_takes_access_from_whoever_carries_the_worker_id() {
    let world = world();
    world.hear(&["W-1 Mei Tanaka Sales"]).await;
    let other = World {
        journal: MemoryJournal::new(),
        ..world
    };
    let mortal = Mortal::around(&other.journal);
    let mut other = World { mortal, ..other };
    other.engine = other.engine_again();
    let report = other.told([news("away", 0, EventKind::Suspend)]).await;
    assert!(report.people[0].notes[0].contains("no record"), "{report:?}");
    assert_eq!(other.look("W-1"), OPEN);
    other.told([news("leave", 1, leave("2026-11-23"))]).await;
    assert_eq!(other.look("W-1"), GONE);
}

#[tokio::test]
async fn the_same_event_again_is_nothing_and_another_one_under_its_id_is_set_apart() {
    let world = world();
    world.hear(&["W-1 Mei Tanaka Sales", "W-2 Bo Ek Sales"]).await;
    let away = news("e1", 0, EventKind::Suspend);
    world.told([away.clone()]).await;
    world.clock.advance(SignedDuration::from_hours(1));
    let good = News {
        person: PersonKey::new("W-2"),
        ..news("e2", 2, EventKind::Suspend)
    };
    let accepted = world
        .engine
        .accept_events([away, news("e1", 0, EventKind::Resume), good])
        .await
        .unwrap();
    assert_eq!(
        (accepted.events, accepted.unchanged, accepted.quarantined),
        (1, 1, 1)
    );
    world.run().await;
    assert_eq!(world.look("W-1"), "mei.tanaka blocked: All Staff, sg-sales");
    assert_eq!(
        world.look("W-2"),
        "bo.ek blocked: All Staff, sg-sales",
        "the others go on"
    );
    // Also after a restart.
    let apart = world.engine_again().quarantined().await.unwrap();
    assert_eq!(apart.len(), 1);
    assert_eq!(
        (apart[0].event.id.as_str(), &apart[0].event.kind),
        ("e1", &EventKind::Resume)
    );
    let timer = EventKind::Due {
        timer: crate::event::Timer::Delete,
    };
    let refused = world
        .engine
        .accept_events([news("e3", 0, timer)])
        .await
        .unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Invalid);
}

#[tokio::test]
async fn what_counts_from_a_day_gone_by_takes_effect_now_and_is_reported_as_late() {
    let world = world_of(&POLICY.replace("max_leavers = 2\n", ""));
    world.hear(&["W-1 Mei Tanaka Sales", "W-2 Bo Ek Sales"]).await;
    let day: Date = "2026-11-02".parse().unwrap();
    let moved = saying(
        "W-1 Mei Tanaka Security",
        on("2026-11-02", news("move", 0, EventKind::Move)),
    );
    let report = world.told([moved]).await;
    let late = format!("late notice: move of {day} was entered at 2026-11-24T08:00:00Z");
    assert_eq!(report.people[0].notes, [late]);
    let grant = |owned: &crate::plan::Owned| owned.entitlement.name == "sg-security";
    let state = world
        .engine
        .person(&PersonKey::new("W-1"))
        .await
        .unwrap()
        .unwrap();
    let since = state.ledger.iter().find(|owned| grant(owned)).unwrap().since;
    assert_eq!(
        since,
        crate::clock::Clock::now(&world.clock),
        "nothing is said to have been given in the past"
    );
    let report = world.told([news("leave", 1, leave("2026-11-20"))]).await;
    assert!(
        report.people[0].notes[0].starts_with("late notice: leave of 2026-11-20"),
        "{report:?}"
    );
    let report = world.hear(&["W-2 Bo Ek Sales status=gone last=2026-11-01"]).await;
    assert!(
        report.people[0].notes[0].starts_with("late notice: leave of 2026-11-01"),
        "{report:?}"
    );
    // On the day itself is in time.
    world.hear(&["W-3 Cy Om Sales"]).await;
    let today = News {
        person: PersonKey::new("W-3"),
        ..on("2026-11-24", news("today", 2, EventKind::Suspend))
    };
    assert_eq!(world.told([today]).await.people[0].notes, Vec::<String>::new());
}

#[tokio::test]
async fn a_retraction_that_comes_first_waits_for_what_it_retracts() {
    let world = world();
    world.hear(&["W-1 Mei Tanaka Sales"]).await;
    let report = world.told([news("no", 1, retract("leave"))]).await;
    assert!(
        report.people[0].notes[0].contains("which is not known"),
        "{report:?}"
    );
    let report = world.told([news("leave", 0, leave("2026-11-23"))]).await;
    assert_eq!(report.totals().done, 0);
    assert_eq!(world.look("W-1"), OPEN);
}

#[tokio::test]
async fn who_leaves_and_is_to_come_back_is_prepared_in_time() {
    let world = world();
    world.hear(&["W-1 Mei Tanaka Security"]).await;
    world
        .told([
            saying(
                "W-1 Mei Tanaka Sales",
                on("2027-02-01", news("again", 1, EventKind::Rejoin)),
            ),
            news("leave", 0, leave("2026-12-31")),
        ])
        .await;
    world.until("2026-12-31T23:59:59Z").await;
    assert!(world.look("W-1").starts_with("mei.tanaka enabled"));
    world.until("2027-01-17T23:59:59Z").await;
    assert_eq!(world.look("W-1"), GONE);
    world.until("2027-01-18T00:00:00Z").await;
    assert_eq!(world.look("W-1"), "mei.tanaka blocked: All Staff, sg-sales");
    world.until("2027-01-31T23:59:59Z").await;
    assert_eq!(world.look("W-1"), "mei.tanaka blocked: All Staff, sg-sales");
    world.until("2027-02-01T00:00:00Z").await;
    assert_eq!(world.look("W-1"), OPEN);
}

#[tokio::test]
async fn an_event_in_an_unknown_zone_is_held_and_a_leave_in_one_ends_some_time() {
    let world = world();
    world.hear(&["W-1 Mei Tanaka Sales"]).await;
    let nowhere = |news: News| News {
        zone: Some("Europe/Atlantis".to_owned()),
        ..news
    };
    let report = world
        .told([nowhere(on("2026-12-01", news("away", 0, EventKind::Suspend)))])
        .await;
    assert!(
        matches!(&report.people[0].ending, Ending::Held(why) if why.contains("Atlantis")),
        "{report:?}"
    );
    assert_eq!(world.look("W-1"), OPEN);
    world.told([news("no", 1, retract("away"))]).await;
    world.told([nowhere(news("leave", 2, leave("2026-12-01")))]).await;
    world.until("2026-12-02T11:59:59Z").await;
    assert_eq!(world.look("W-1"), OPEN);
    world.until("2026-12-02T12:00:00Z").await;
    assert_eq!(world.look("W-1"), GONE);
}
