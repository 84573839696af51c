//! Several workers on one journal: nothing is lost, nothing is done twice, everybody's order holds, whatever dies.

use std::future::Future;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::FutureExt as _;

use super::doors::Mood;
use super::*;
use crate::clock::{Clock as _, SystemClock};
use crate::engine::{Ending, Fleet, FleetReport, Progress};
use crate::entitlement::Keep;
use crate::error::Result;
use crate::journal::{FrozenState, Journal, Waiting};
use crate::plan::{IdempotencyKey, Plan};
use crate::target::{Applied, Candidates, Capabilities, Keys, PersonRef, Target};

const LEAVERS: &str = "[guard]\nmax_leavers = 2";

type Question = Box<dyn FnOnce() + Send>;

/// A target that takes its time, and hangs at chosen steps.
#[derive(Clone)]
struct Slow {
    inner: Moody,
    takes: Duration,
    /// Steps whose `person step` contains it hang until it is taken away.
    hangs_at: Arc<Mutex<Option<&'static str>>>,
    /// Whose steps panic.
    poison: Arc<Mutex<Option<&'static str>>>,
    /// A call hangs.
    hangs: Arc<AtomicBool>,
    /// Asked when a call that hung is dropped.
    dropped: Arc<Mutex<Option<Question>>>,
}

impl std::fmt::Debug for Slow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Slow")
    }
}

impl Slow {
    fn around(world: &World, millis: u64) -> Self {
        Self {
            inner: world.moody.clone(),
            takes: Duration::from_millis(millis),
            hangs_at: Arc::default(),
            poison: Arc::default(),
            hangs: Arc::default(),
            dropped: Arc::default(),
        }
    }

    fn hang_at(&self, what: &'static str) {
        *self.hangs_at.lock().unwrap() = Some(what);
    }

    fn accounts(&self) -> Vec<Actual> {
        self.inner.accounts()
    }

    async fn until_it_hangs(&self) {
        eventually("a call hangs", async || self.hangs.load(Ordering::SeqCst)).await;
    }
}

struct Hung<'a>(&'a Slow);

impl Drop for Hung<'_> {
    fn drop(&mut self) {
        if let Some(ask) = self.0.dropped.lock().unwrap().take() {
            ask();
        }
    }
}

#[async_trait::async_trait]
impl Target for Slow {
    fn id(&self) -> &TargetId {
        self.inner.id()
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn catalog(&self) -> Result<Catalog> {
        let mut catalog = self.inner.catalog().await?;
        for keep in &mut catalog.keep {
            let holders = self.accounts().into_iter().filter(|actual| {
                let mut held = actual.held.iter();
                actual.account.as_ref().is_some_and(|account| account.enabled)
                    && held.any(|held| held.entitlement.id == keep.entitlement.id)
            });
            keep.holders = Some(holders.filter_map(|actual| Some(actual.account?.id)).collect());
        }
        Ok(catalog)
    }

    async fn find(&self, keys: &[Keys]) -> Result<Vec<Candidates>> {
        self.inner.find(keys).await
    }

    async fn names_taken(&self, names: &[String]) -> Result<std::collections::BTreeMap<String, String>> {
        self.inner.names_taken(names).await
    }

    async fn observe(&self, who: &[PersonRef]) -> Result<Vec<Actual>> {
        self.inner.observe(who).await
    }

    async fn apply(&self, step: &Step, key: &IdempotencyKey) -> Result<Applied> {
        let called = format!("{} {}", step.person, step.id);
        let (hangs, poison) = (*self.hangs_at.lock().unwrap(), *self.poison.lock().unwrap());
        assert!(poison != Some(step.person.as_str()), "poison");
        if hangs.is_some_and(|what| called.contains(what)) {
            let _hung = Hung(self);
            self.hangs.store(true, Ordering::SeqCst);
            std::future::pending::<()>().await;
        }
        SystemClock.sleep(self.takes).await;
        self.inner.apply(step, key).await
    }
}

/// Waits, generously, until it is so.
async fn eventually(what: &str, mut so: impl AsyncFnMut() -> bool) {
    for _ in 0..6_000 {
        if so().await {
            return;
        }
        SystemClock.sleep(Duration::from_millis(10)).await;
    }
    panic!("never came about: {what}");
}

/// An engine of its own process, as it were: nothing but the journal and the tenant is shared.
fn process(world: &World, journal: &Arc<dyn Journal>, target: &Slow) -> Arc<Engine> {
    let engine = Engine::builder(journal.clone(), world.policy.clone())
        .target(Arc::new(target.clone()))
        .notifier(Arc::new(world.notices.clone()))
        .clock(Arc::new(world.clock.clone()))
        .build();
    Arc::new(engine)
}

async fn pending(world: &World, journal: &Arc<dyn Journal>) -> usize {
    let query = HistoryQuery {
        state: Some(EventState::Pending),
        due: Some(world.clock.now()),
        ..HistoryQuery::default()
    };
    journal.history(&query).await.unwrap().len()
}

async fn drained(world: &World, journal: &Arc<dyn Journal>) {
    eventually("the journal is drained", async || {
        pending(world, journal).await == 0
    })
    .await;
}

/// Two fleets until `over`.
async fn both(fleets: [Fleet; 2], over: impl Future<Output = ()>) -> [FleetReport; 2] {
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
    let log = log.lock().unwrap();
    assert_eq!((log.len(), done), (due.len(), due.len() as u64));
    for n in 0..PEOPLE {
        let person = format!("W-{n}");
        let ended = log.iter().filter(|(of, _)| *of == person).map(|(_, event)| event);
        let mut order: Vec<_> = due
            .iter()
            .filter(|entry| entry.event.person.as_str() == person)
            .collect();
        order.sort_by_key(|entry| (entry.event.due_at, entry.lane_seq));
        let order: Vec<_> = order.iter().map(|entry| entry.event.id.to_string()).collect();
        assert_eq!(ended.cloned().collect::<Vec<_>>(), order, "{person}");
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
    *world.mortal.lease.lock().unwrap() = lease;
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
        world.mortal.dies_after(0);
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
    *world.mortal.lease.lock().unwrap() = Duration::from_secs(1);
    let mortal: Arc<dyn Journal> = Arc::new(world.mortal.clone());
    let target = Slow::around(&world, 5);
    let engine = process(&world, &mortal, &target);
    let people = (0..20).map(|n| person(&format!("W-{n} Ann Nr{n} Security")));
    engine.accept(people).await.unwrap();
    world.mortal.dies_after(60);
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
async fn a_lease_that_is_shorter_than_its_calls_and_a_policy_that_does_not_fit_are_refused() {
    let world = world();
    let journal: Arc<dyn Journal> = Arc::new(world.journal.clone());
    let engine = process(&world, &journal, &Slow::around(&world, 0));
    let fleet = Fleet::new(engine.clone()).call_timeout(Duration::from_secs(50));
    let error = fleet.run(std::future::pending()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.to_string().contains("lease of 60s"), "{error}");
    world.target.change_catalog(|catalog| catalog.items.clear());
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
