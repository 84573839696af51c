//! Several workers on one journal: nothing is lost, nothing is done twice, everybody's order holds, whatever dies.

use std::future::Future;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::FutureExt as _;

use super::slow::{Slow, drained, eventually, pending, process};
use super::*;
use crate::clock::{Clock as _, SystemClock};
use crate::engine::{Ending, Fleet, FleetReport, Progress};
use crate::journal::{Journal, Waiting};
use crate::plan::Plan;

/// Two fleets until `over`.
pub(super) async fn both(fleets: [Fleet; 2], over: impl Future<Output = ()>) -> [FleetReport; 2] {
    let stop = tokio::sync::watch::Sender::new(false);
    let stopped = || {
        let mut stop = stop.subscribe();
        async move { drop(stop.wait_for(|stop| *stop).await) }
    };
    let [one, other] = fleets;
    let (one, other, ()) = futures::join!(one.run(stopped()), other.run(stopped()), async {
        over.await;
        stop.send_replace(true);
    });
    [one.unwrap(), other.unwrap()]
}

type Log = Arc<Mutex<Vec<(String, String)>>>;

/// Writes down whose event has come to its end.
fn logged(fleet: Fleet, log: &Log) -> Fleet {
    let log = Arc::clone(log);
    fleet.progress(move |progress| {
        if let Progress::Person(run) = progress
            && run.ending == Ending::Done
        {
            let ended = (run.person.to_string(), run.event.to_string());
            log.lock().unwrap().push(ended);
        }
    })
}

async fn two_fleets_drain(world: &World, journal: Arc<dyn Journal>) {
    const PEOPLE: usize = 40;
    let target = Slow::around(world, 2);
    let engines = [0, 1].map(|_| process(world, &journal, &target));
    let hear = async |engine: &Engine, department: &str| {
        let people = (0..PEOPLE).map(|n| person(&format!("W-{n} Ann Nr{n} {department}")));
        engine.accept(people).await.unwrap();
    };
    hear(&engines[0], "Sales").await;
    hear(&engines[1], "Security").await;
    let log = Log::default();
    let fleets = engines
        .clone()
        .map(|engine| logged(Fleet::new(engine).workers(2).lanes(4), &log));
    let over = async {
        hear(&engines[1], "Sales").await;
        drained(world, &journal).await;
    };
    let reports = both(fleets, over).await;
    let done: u64 = reports.iter().map(|report| report.done).sum();
    assert!(
        reports.iter().all(|report| report.done > 0),
        "both worked: {reports:?}"
    );
    let history = journal.history(&HistoryQuery::default()).await.unwrap();
    let due: Vec<_> = history
        .iter()
        .filter(|entry| entry.event.due_at <= world.clock.now())
        .collect();
    assert!(due.len() >= 3 * PEOPLE);
    assert!(due.iter().all(|entry| entry.state == EventState::Done));
    // Each ended once, whoever worked on it, and everybody's in their order.
    let ended: std::collections::BTreeSet<_> = log.lock().unwrap().iter().cloned().collect();
    assert_eq!(
        (log.lock().unwrap().len(), ended.len(), done),
        (due.len(), due.len(), due.len() as u64)
    );
    // In the order of the commits.
    let audit = journal.audit(0, usize::MAX).await.unwrap();
    let committed = audit
        .iter()
        .filter(|(entry, _)| entry.deed.as_str() == "completed");
    let committed: Vec<_> = committed.filter_map(|(entry, _)| entry.event.clone()).collect();
    for n in 0..PEOPLE {
        let person = format!("W-{n}");
        let mut order: Vec<_> = due
            .iter()
            .filter(|entry| entry.event.person.as_str() == person)
            .collect();
        order.sort_by_key(|entry| (entry.event.due_at, entry.lane_seq));
        let order: Vec<_> = order.iter().map(|entry| entry.event.id.clone()).collect();
        let own = committed.iter().filter(|event| order.contains(event));
        assert_eq!(own.cloned().collect::<Vec<_>>(), order, "{person}");
        let look = world.look(&person);
        let kept = look.starts_with(&format!("ann.nr{n} enabled: All Staff, ")) && look.contains("sg-sales");
        assert!(kept && !look.contains('|'), "{look}");
    }
    // No step was carried out twice: nobody died.
    let mut applied = world.moody.applied.lock().unwrap().clone();
    applied.retain(|step| step.contains("create_account"));
    assert_eq!(applied.len(), PEOPLE);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_fleets_on_one_journal_in_memory_lose_nothing_and_keep_everybodys_order() {
    let world = world();
    let journal: Arc<dyn Journal> = Arc::new(world.journal.clone());
    two_fleets_drain(&world, journal).await;
}

#[cfg(feature = "sqlite")]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_fleets_on_one_journal_in_a_file_lose_nothing_and_keep_everybodys_order() {
    let world = world();
    let folder = tempfile::tempdir().unwrap();
    let journal = crate::journal::SqliteJournal::open(folder.path().join("journal.db"), "contoso").await;
    two_fleets_drain(&world, Arc::new(journal.unwrap())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_fleet_that_dies_in_the_middle_is_taken_over_when_its_lease_ends() {
    let world = world();
    let journal: Arc<dyn Journal> = Arc::new(world.journal.clone());
    let (dying, living) = (Slow::around(&world, 0), Slow::around(&world, 0));
    dying.hang_at("W-1 grant:group");
    let engine = process(&world, &journal, &dying);
    let people = ["W-1 Mei Tanaka Security", "W-2 Bo Ek Sales"].map(person);
    engine.accept(people).await.unwrap();
    let fleet = Fleet::new(engine).lease(Duration::from_secs(2));
    let life = tokio::spawn(fleet.run(std::future::pending()));
    dying.until_it_hangs().await;
    eventually("the other one is done", async || {
        pending(&world, &journal).await == 1
    })
    .await;
    life.abort();
    assert!(life.await.unwrap_err().is_cancelled());
    // Nobody else has it before the lease is over: dropping is no giving back.
    let now = world.clock.now();
    let early = journal.claim(9, now, Duration::from_mins(1)).now_or_never();
    assert_eq!(early.unwrap().unwrap().len(), 0);
    let heir = process(&world, &journal, &living);
    let report = Fleet::new(heir).run(drained(&world, &journal)).await.unwrap();
    assert_eq!(report.done, 1, "{report:?}");
    let end = "mei.tanaka enabled: All Staff, Security Reader, sg-security";
    assert_eq!(world.look("W-1"), end);
    let applied = world.moody.applied.lock().unwrap();
    let created = applied.iter().filter(|step| step.contains("create_account"));
    assert_eq!(created.count(), 2, "{applied:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_worker_whose_heartbeats_are_lost_drops_its_call_before_the_lease_ends() {
    let world = world();
    let lease = Duration::from_secs(6);
    let mortal: Arc<dyn Journal> = Arc::new(world.mortal.clone());
    let target = Slow::around(&world, 0);
    target.hang_at("W-1 grant:group");
    let engine = process(&world, &mortal, &target);
    engine.accept([person("W-1 Mei Tanaka Security")]).await.unwrap();
    let free = Arc::new(Mutex::new(None));
    let (journal, now, seen) = (world.journal.clone(), world.clock.now(), free.clone());
    *target.dropped.lock().unwrap() = Some(Box::new(move || {
        let claims = journal.claim(9, now, Duration::ZERO).now_or_never();
        *seen.lock().unwrap() = claims.map(|claims| claims.unwrap().len());
    }));
    let fleet = Fleet::new(engine).lease(lease);
    let over = async {
        target.until_it_hangs().await;
        world.mortal.fails_after(0);
        eventually("the call is dropped", async || free.lock().unwrap().is_some()).await;
    };
    let report = fleet.grace(Duration::from_millis(10)).run(over).await.unwrap();
    assert_eq!(
        *free.lock().unwrap(),
        Some(0),
        "the lane was still held when the call was dropped"
    );
    assert!(report.troubles > 0, "{report:?}");
    let applied = world.moody.applied.lock().unwrap();
    let behind = applied.iter().filter(|step| step.contains("allow_sign_in"));
    assert_eq!(behind.count(), 0, "nothing was begun afterwards: {applied:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_fleet_that_is_stopped_finishes_or_gives_back_what_it_holds() {
    let world = world();
    let journal: Arc<dyn Journal> = Arc::new(world.journal.clone());
    let target = Slow::around(&world, 400);
    let engine = process(&world, &journal, &target);
    let people = (0..12).map(|n| person(&format!("W-{n} Ann Nr{n} Security")));
    engine.accept(people).await.unwrap();
    let fleet = Fleet::new(engine.clone()).workers(2).lanes(6);
    let began = async {
        eventually("steps are carried out", async || {
            world.moody.applied.lock().unwrap().len() > 2
        })
        .await;
    };
    let report = fleet.grace(Duration::from_millis(1)).run(began).await.unwrap();
    assert_eq!((report.given_back, report.done), (12, 0), "{report:?}");
    // Another process need not wait for any lease.
    let next = process(&world, &journal, &Slow::around(&world, 0));
    let report = Fleet::new(next).run(drained(&world, &journal)).await.unwrap();
    assert_eq!(report.done, 12, "{report:?}");
    assert_eq!(world.target.accounts().len(), 12);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_journal_that_fails_for_a_while_is_waited_for() {
    let world = world();
    let mortal: Arc<dyn Journal> = Arc::new(world.mortal.clone());
    let target = Slow::around(&world, 5);
    let engine = process(&world, &mortal, &target);
    let people = (0..20).map(|n| person(&format!("W-{n} Ann Nr{n} Security")));
    engine.accept(people).await.unwrap();
    world.mortal.fails_after(60);
    let over = async {
        let failed = async || {
            let claim = mortal.claim(0, world.clock.now(), Duration::ZERO);
            claim.await.is_err()
        };
        eventually("the journal fails in the middle of the work", failed).await;
        SystemClock.sleep(Duration::from_millis(300)).await;
        world.mortal.revive();
        drained(&world, &mortal).await;
    };
    let report = Fleet::new(engine)
        .lease(Duration::from_secs(1))
        .run(over)
        .await
        .unwrap();
    assert!(report.troubles > 0 && report.last_trouble.is_some(), "{report:?}");
    for n in 0..20 {
        let end = format!("ann.nr{n} enabled: All Staff, Security Reader, sg-security");
        assert_eq!(world.look(&format!("W-{n}")), end);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn somebody_whose_work_panics_keeps_nobody_else_waiting() {
    let world = world();
    let journal: Arc<dyn Journal> = Arc::new(world.journal.clone());
    let target = Slow::around(&world, 0);
    let engine = process(&world, &journal, &target);
    let people = (0..9).map(|n| person(&format!("W-{n} Ann Nr{n} Sales")));
    engine.accept(people).await.unwrap();
    *target.poison.lock().unwrap() = Some("W-4");
    let over = eventually("the others are done, and that one was given up", async || {
        let waiting = engine.waiting(&PersonKey::new("W-4")).await.unwrap();
        pending(&world, &journal).await == 1 && matches!(waiting, Waiting::Retrying { .. })
    });
    let report = Fleet::new(engine.clone()).workers(1).run(over).await.unwrap();
    assert_eq!((report.done, report.retried), (8, 1), "{report:?}");
    let waiting = engine.waiting(&PersonKey::new("W-4")).await.unwrap();
    let Waiting::Retrying { why, attempts: 1, .. } = waiting else {
        panic!("{waiting:?}")
    };
    assert!(why.contains("panicked") && !why.contains("poison"), "{why}");
    *target.poison.lock().unwrap() = None;
    world.clock.advance(SignedDuration::from_mins(1));
    Fleet::new(engine).run(drained(&world, &journal)).await.unwrap();
    assert_eq!(world.look("W-4"), "ann.nr4 enabled: All Staff, sg-sales");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_a_newer_version_began_and_what_no_target_can_do_is_left_alone() {
    let world = world();
    let journal: Arc<dyn Journal> = Arc::new(world.journal.clone());
    let engine = process(&world, &journal, &Slow::around(&world, 0));
    let people = ["W-1 A One Sales", "W-2 B Two Sales", "W-3 C Three Sales"].map(person);
    engine.accept(people).await.unwrap();
    let now = world.clock.now();
    for claim in journal.claim(2, now, Duration::from_secs(9)).await.unwrap() {
        let mut plan = Plan::empty(&claim.event.person);
        if claim.event.person.as_str() == "W-1" {
            plan.version = 99;
        } else {
            let action = Action::Custom {
                kind: "exchange.share_mailbox.v1".to_owned(),
                payload: serde_json::Value::Null,
            };
            let target = TargetId::new("graph");
            plan.steps
                .push(Step::new(&target, &claim.event.person, None, action, "elsewhere"));
        }
        journal.plan(&claim, &plan).await.unwrap();
        journal.put_back(&claim, now, "began").await.unwrap();
    }
    let over = eventually("the third is done", async || {
        world.look("W-3").starts_with("c.three enabled") && engine.stalled().await.unwrap().is_none()
    });
    let report = Fleet::new(engine.clone()).run(over).await.unwrap();
    assert_eq!((report.done, report.left_alone), (1, 2), "{report:?}");
    for (id, word) in [("W-1", "newer version"), ("W-2", "exchange.share_mailbox.v1")] {
        let waiting = engine.waiting(&PersonKey::new(id)).await.unwrap();
        let left = matches!(&waiting, Waiting::Retrying { why, attempts: 0, .. } if why.contains(word));
        assert!(left, "{waiting:?}");
        let entry = engine.timeline(&PersonKey::new(id)).await.unwrap().remove(0);
        assert_eq!(entry.state, EventState::Pending);
        assert!(entry.plan.is_some(), "it is still there");
        assert_eq!(world.look(id), "");
    }
}

#[tokio::test]
async fn a_lease_that_is_shorter_than_its_calls_and_a_policy_that_does_not_fit_are_refused() {
    let world = world();
    let journal: Arc<dyn Journal> = Arc::new(world.journal.clone());
    let engine = process(&world, &journal, &Slow::around(&world, 0));
    let fleet = Fleet::new(engine.clone()).call_timeout(Duration::from_secs(50));
    let error = fleet.run(std::future::pending()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.to_string().contains("lease of 60s"), "{error}");
    let world = world_of(&POLICY.replace("authority = \"graph\"", "authority = \"scim\""));
    let engine = process(&world, &journal, &Slow::around(&world, 0));
    let error = Fleet::new(engine).run(std::future::pending()).await.unwrap_err();
    assert!(error.to_string().contains("does not fit"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_directory_that_does_not_answer_is_waited_for() {
    let world = world();
    let journal: Arc<dyn Journal> = Arc::new(world.journal.clone());
    let engine = process(&world, &journal, &Slow::around(&world, 0));
    engine.accept([person("W-1 Mei Tanaka Sales")]).await.unwrap();
    world.target.set_down(true);
    let trouble = Arc::new(AtomicBool::new(false));
    let heard = Arc::clone(&trouble);
    let fleet = Fleet::new(engine).progress(move |progress| {
        if matches!(progress, Progress::Trouble(error) if error.kind() == ErrorKind::Unavailable) {
            heard.store(true, Ordering::SeqCst);
        }
    });
    let over = async {
        eventually("the trouble is told", async || trouble.load(Ordering::SeqCst)).await;
        world.target.set_down(false);
        drained(&world, &journal).await;
    };
    let report = fleet.run(over).await.unwrap();
    assert_eq!(report.done, 1, "{report:?}");
    // Nothing was claimed while nobody could be looked at: the attempts are for what is tried.
    let key = PersonKey::new("W-1");
    let entries = journal
        .history(&HistoryQuery {
            person: Some(key),
            ..HistoryQuery::default()
        })
        .await
        .unwrap();
    assert_eq!(entries[0].attempts, 1);
}
