//! [`Fleet`]: the long-running workers of a process. Any number of processes, on any number of machines, share one
//! journal.
//!
//! Each worker claims some lanes under a lease, renews it at a quarter of its time, and knows by its own monotonic clock
//! for how long it may go on: when heartbeats are lost it begins nothing more, and drops what is under way, before
//! the lease ends and somebody else takes over. What a limit of the guard counts is asked for first, and seen with
//! everything else that was asked for, whichever process planned it.
//!
//! Invariants: nothing that goes wrong for one person, and no failure of the journal or a service, ends a fleet; what a
//! newer version has begun, and what no target here can do, is left alone for others.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::Instrument as _;

use super::Engine;
use super::admission::LastLook;
use super::crew::Crew;
use super::names::NameCheck;
use super::preflight::Preflight;
use super::presence;
use super::report::{Ending, PersonRun, Preview, Progress, Totals};
use super::views::Offer;
use crate::clock::{Clock as _, SystemClock};
use crate::error::{Error, ErrorKind, Result};
use crate::execute::Terms;
use crate::journal::Claim;

/// How many lanes a worker holds at once, where nobody says.
const LANES: usize = 8;
/// The shortest and the longest rest between two looks for work.
const POLL: [Duration; 2] = [Duration::from_millis(250), Duration::from_secs(2)];
/// The longest rest after a failure.
const LONGEST_REST: Duration = Duration::from_secs(30);
/// How often deliveries are looked for that a dead process has not accepted to the end.
const CATCH_UP: Duration = Duration::from_secs(30);

type Watcher = Arc<dyn Fn(Progress<'_>) + Send + Sync>;

/// The workers of one process.
///
/// ```
/// # #[cfg(feature = "testing")]
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// use std::sync::Arc;
/// use std::time::Duration;
/// use iam_core::engine::{Engine, Fleet};
/// use iam_core::journal::MemoryJournal;
/// use iam_core::policy::Document;
/// # use iam_core::entitlement::Catalog;
/// # use iam_core::person::{Person, PersonKey};
/// # use iam_core::testing::MemoryTarget;
/// # let policy = Document::parse("version = 1\n[tenant]\ndomain = \"contoso.example\"\n[naming]\n\
/// #     upn = [\"{given}.{family}\"]\n")?;
/// # let catalog = Catalog { domains: ["contoso.example".to_owned()].into(), ..Catalog::default() };
/// # let directory = MemoryTarget::new("directory", catalog);
///
/// let engine = Engine::builder(Arc::new(MemoryJournal::new()), Arc::new(policy))
///     .target(Arc::new(directory.clone()))
///     .build();
/// let engine = Arc::new(engine);
/// # let mut mei = Person::new(PersonKey::new("W-1003"));
/// # (mei.given_name, mei.family_name) = (Some("Mei".into()), Some("Tanaka".into()));
/// engine.accept([mei]).await?;
///
/// // In earnest: until a signal comes.
/// let until_done = async {
///     while engine.next_due().await.ok().flatten().is_some() || directory.accounts().is_empty() {
///         tokio::time::sleep(Duration::from_millis(10)).await;
///     }
/// };
/// let report = Fleet::new(engine.clone()).workers(2).run(until_done).await?;
/// assert_eq!(report.done, 1);
/// assert_eq!(directory.accounts().len(), 1);
/// # Ok::<(), iam_core::Error>(())
/// # }).unwrap();
/// ```
pub struct Fleet {
    engine: Arc<Engine>,
    workers: usize,
    lanes: usize,
    terms: Terms,
    grace: Duration,
    catalogue_for: Duration,
    watcher: Option<Watcher>,
}

impl std::fmt::Debug for Fleet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fleet")
            .field("engine", &self.engine)
            .field("workers", &self.workers)
            .field("lanes", &self.lanes)
            .field("terms", &self.terms)
            .finish_non_exhaustive()
    }
}

/// What the workers of a process did until they were stopped. Events that were tried several times count each time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FleetReport {
    /// The name under which this process claimed: [`Journal::worker`](crate::journal::Journal::worker).
    pub worker: String,
    /// Events that ended as planned.
    pub done: u64,
    /// Events that ended but for something that is not available yet.
    pub waiting: u64,
    /// Attempts that are made again later.
    pub retried: u64,
    /// Events that were set aside: refused for good, held, or about a protected account.
    pub set_aside: u64,
    /// Plans that counted against a limit of the guard, and were asked for.
    pub asked: u64,
    /// Events that this process does not know how to go on with: a newer version or another process may.
    pub left_alone: u64,
    /// Lanes whose lease could not be renewed in time, or that somebody else had taken: the work was dropped.
    pub passed_on: u64,
    /// Lanes that went back, unfinished, when the fleet was stopped.
    pub given_back: u64,
    /// Steps by how they ended. `people` is not counted.
    pub steps: Totals,
    /// How often the journal or a service failed the fleet as a whole.
    pub troubles: u64,
    /// The last of these failures.
    pub last_trouble: Option<String>,
    /// What the policy names and the tenant did not have when the catalogues were read last: see
    /// [`RunReport::findings`](super::RunReport::findings).
    pub findings: Vec<String>,
    /// What the guard refused last, and that somebody has to release.
    pub frozen: Option<String>,
}

impl FleetReport {
    fn count(&mut self, run: &PersonRun) {
        match &run.ending {
            Ending::Done => self.done += 1,
            Ending::Waiting(_) => self.waiting += 1,
            Ending::Retry(..) => self.retried += 1,
            Ending::Dead(_) | Ending::Held(_) | Ending::Refused(_) => self.set_aside += 1,
            Ending::LeftAlone(_) => self.left_alone += 1,
            Ending::Asked => self.asked += 1,
        }
        self.steps.count(run);
    }
}

impl Fleet {
    /// The workers of an engine: one for every eight people that it works on at once
    /// ([`concurrency`](super::EngineBuilder::concurrency)), each with eight lanes.
    pub fn new(engine: Arc<Engine>) -> Self {
        let lease = Duration::from_mins(1);
        Self {
            workers: engine.concurrency.div_ceil(LANES),
            lanes: LANES,
            terms: Terms {
                lease,
                call: lease / 3,
            },
            grace: lease / 2,
            catalogue_for: Duration::from_mins(5),
            watcher: None,
            engine,
        }
    }

    /// How many workers (see [`new`](Self::new)).
    #[must_use]
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = workers.max(1);
        self
    }

    /// How many lanes, and so people, one worker holds at once (8).
    #[must_use]
    pub fn lanes(mut self, lanes: usize) -> Self {
        self.lanes = lanes.max(1);
        self
    }

    /// For how long a lane is held without a heartbeat (a minute). Heartbeats come at a quarter of it. Also sets
    /// [`call_timeout`](Self::call_timeout) to a third and [`grace`](Self::grace) to half of it.
    #[must_use]
    pub fn lease(mut self, lease: Duration) -> Self {
        self.terms = Terms {
            lease,
            call: lease / 3,
        };
        self.grace = lease / 2;
        self
    }

    /// How long one call to a service may take (20 seconds): so long before the lease ends (and a margin of a twelfth of
    /// it, at most 5 seconds) nothing more is begun, and at the margin the call is dropped.
    #[must_use]
    pub fn call_timeout(mut self, call: Duration) -> Self {
        self.terms.call = call;
        self
    }

    /// How long workers may finish what they have begun, once they are to stop (30 seconds). What is not finished then
    /// is given back between two steps.
    #[must_use]
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// For how long it is believed what the targets offer (5 minutes).
    #[must_use]
    pub fn catalogue_for(mut self, time: Duration) -> Self {
        self.catalogue_for = time;
        self
    }

    /// Who is told of every step, every person and every trouble, from several tasks.
    #[must_use]
    pub fn progress(mut self, watcher: impl Fn(Progress<'_>) + Send + Sync + 'static) -> Self {
        self.watcher = Some(Arc::new(watcher));
        self
    }

    /// Works until `shutdown` completes, then finishes or gives back what is held, and tells what was done. Dropping
    /// the future instead is a crash: what was held is taken over when the lease ends.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] at the start: a lease that is too short, or a policy that does not fit the tenant. Later
    /// failures are waited out.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<FleetReport> {
        self.check()?;
        let crew = Arc::new(Shared::new(self));
        crew.first_look().await?;
        crew.sign(true).await;
        let mut tasks = JoinSet::new();
        let span = tracing::info_span!("fleet", worker = crew.engine.journal.worker());
        for _ in 0..crew.fleet.workers {
            tasks.spawn(Arc::clone(&crew).work_on().instrument(span.clone()));
        }
        tasks.spawn(Arc::clone(&crew).look_on().instrument(span));
        shutdown.await;
        crew.stage.send_replace(Stage::Finishing);
        let fleet = &crew.fleet;
        if !ended_within(&mut tasks, fleet.grace).await {
            // Each ends with its next step, and gives its lane back.
            crew.stage.send_replace(Stage::Stopping);
            ended_within(&mut tasks, fleet.terms.call).await;
        }
        tasks.shutdown().await;
        crew.sign(false).await;
        let report = crew.report().clone();
        Ok(report)
    }

    fn check(&self) -> Result<()> {
        let Terms { lease, call } = self.terms;
        if self.terms.begins() > self.terms.beat() {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Invalid,
            format!(
                "a lease of {lease:?} leaves no time for calls of {call:?}: it is renewed after a quarter of it, and \
                 nothing is begun that could last longer than it; make calls shorter, or the lease longer"
            ),
        ))
    }
}

/// Whether all tasks end in that time.
async fn ended_within(tasks: &mut JoinSet<()>, time: Duration) -> bool {
    let all = async { while tasks.join_next().await.is_some() {} };
    tokio::select! {
        () = all => true,
        () = SystemClock.sleep(time) => false,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
enum Stage {
    Working,
    /// Nothing more is claimed.
    Finishing,
    /// Nothing more is begun.
    Stopping,
}

/// What the targets offer, as it was read last.
struct Known {
    offers: Vec<Offer>,
    preflight: Preflight,
    read: Instant,
}

/// What the workers of a fleet share.
struct Shared {
    fleet: Fleet,
    engine: Arc<Engine>,
    stage: watch::Sender<Stage>,
    known: tokio::sync::Mutex<Option<Arc<Known>>>,
    /// One idle worker looks for work at a time.
    turn: tokio::sync::Mutex<Rest>,
    report: Mutex<FleetReport>,
    last: LastLook,
}

/// How long to rest: longer after each look that found nothing, and after each failure.
#[derive(Debug, Default)]
struct Rest {
    idle: u32,
    failed: u32,
}

impl Rest {
    fn idle(&mut self) -> Duration {
        self.failed = 0;
        self.idle = (self.idle + 1).min(8);
        jittered((POLL[0] * 2_u32.pow(self.idle - 1)).min(POLL[1]))
    }

    fn failed(&mut self) -> Duration {
        self.failed = (self.failed + 1).min(8);
        jittered((POLL[0] * 2_u32.pow(self.failed)).min(LONGEST_REST))
    }
}

/// Between three quarters of it and all of it, so that processes which began together do not stay together.
fn jittered(time: Duration) -> Duration {
    let random = uuid::Uuid::new_v4().as_bytes()[0];
    time * 3 / 4 + time * u32::from(random) / 1020
}

impl Shared {
    fn new(fleet: Fleet) -> Self {
        let engine = Arc::clone(&fleet.engine);
        let report = FleetReport {
            worker: engine.journal.worker().to_owned(),
            ..FleetReport::default()
        };
        Self {
            fleet,
            engine,
            stage: watch::Sender::new(Stage::Working),
            known: tokio::sync::Mutex::default(),
            turn: tokio::sync::Mutex::default(),
            report: Mutex::new(report),
            last: LastLook::default(),
        }
    }

    fn report(&self) -> MutexGuard<'_, FleetReport> {
        self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_working(&self) -> bool {
        *self.stage.borrow() == Stage::Working
    }

    /// Completes once the fleet is that far.
    async fn until(&self, stage: Stage) {
        let mut stages = self.stage.subscribe();
        // The sender lives as long as this does.
        let _ = stages.wait_for(|now| *now >= stage).await;
    }

    /// Waits, but not for longer than the fleet works.
    async fn rest(&self, time: Duration) {
        tokio::select! {
            () = SystemClock.sleep(time) => {}
            () = self.until(Stage::Finishing) => {}
        }
    }

    fn tell(&self, progress: Progress<'_>) {
        if let Some(watcher) = &self.fleet.watcher {
            watcher(progress);
        }
    }

    fn trouble(&self, error: &Error) {
        tracing::warn!("the fleet goes on: {}", error.chain());
        {
            let mut report = self.report();
            report.troubles += 1;
            report.last_trouble = Some(error.to_string());
        }
        self.tell(Progress::Trouble(error));
    }

    /// A policy that does not fit the tenant is said at once; a service that does not answer is waited for.
    async fn first_look(&self) -> Result<()> {
        match self.known().await {
            Err(error) if error.kind() == ErrorKind::Invalid => Err(error),
            _ => Ok(()),
        }
    }

    /// What the targets offer; read anew after a while. Where that fails, nothing is worked on.
    async fn known(&self) -> Result<Arc<Known>> {
        let mut known = self.known.lock().await;
        if let Some(known) = known
            .as_ref()
            .filter(|known| known.read.elapsed() < self.fleet.catalogue_for)
        {
            return Ok(Arc::clone(known));
        }
        let (offers, findings) = self.engine.catalogs().await?;
        let before = std::mem::replace(&mut self.report().findings, findings.clone());
        for finding in findings.iter().filter(|finding| !before.contains(finding)) {
            self.tell(Progress::Finding(finding));
        }
        let engine = &self.engine;
        engine
            .journal
            .in_force(engine.policy.fingerprint(), &engine.actor)
            .await?;
        engine.alert_ahead(&Preview::default(), &findings).await;
        let new = Arc::new(Known {
            preflight: Preflight::of(&offers),
            offers,
            read: Instant::now(),
        });
        *known = Some(Arc::clone(&new));
        Ok(new)
    }

    /// One worker: claims, works, claims again.
    async fn work_on(self: Arc<Self>) {
        while let Some((claims, known, asked)) = self.claim().await {
            if let Err(error) = self.work(claims, &known, asked).await {
                self.trouble(&error);
                let rest = self.turn.lock().await.failed();
                self.rest(rest).await;
            }
        }
    }

    /// The next lanes to work on; `None` when the fleet stops.
    async fn claim(&self) -> Option<(Vec<Claim>, Arc<Known>, Instant)> {
        let mut turn = self.turn.lock().await;
        while self.is_working() {
            match self.try_claim().await {
                Ok((claims, known, asked)) if !claims.is_empty() => {
                    turn.idle = 0;
                    return Some((claims, known, asked));
                }
                Ok(_) => {
                    let rest = self.idle_for(turn.idle()).await;
                    tokio::select! {
                        () = self.rest(rest) => {}
                        () = self.engine.journal.hint() => turn.idle = 0,
                    }
                }
                Err(error) => {
                    self.trouble(&error);
                    self.rest(turn.failed()).await;
                }
            }
        }
        None
    }

    async fn try_claim(&self) -> Result<(Vec<Claim>, Arc<Known>, Instant)> {
        let known = self.known().await?;
        let (asked, now) = (Instant::now(), self.engine.clock.now());
        let lease = self.fleet.terms.lease;
        let claims = self.engine.journal.claim(self.fleet.lanes, now, lease).await?;
        Ok((claims, known, asked))
    }

    /// Not longer than until something is due.
    async fn idle_for(&self, rest: Duration) -> Duration {
        let Ok(Some(due)) = self.engine.journal.next_due().await else {
            return rest;
        };
        let left = due.duration_since(self.engine.clock.now());
        match Duration::try_from(left) {
            Ok(left) if left > Duration::ZERO => left.min(rest),
            // It was due just now, and somebody else has it, or nobody can have it.
            _ => rest,
        }
    }

    /// Works claimed lanes off. Errors are about all of them.
    async fn work(&self, claims: Vec<Claim>, known: &Known, asked: Instant) -> Result<()> {
        let engine = &self.engine;
        let crew = Crew::new(engine.policy.limits(), self.fleet.terms, &claims, asked);
        // What is known of names is good for the moment that a batch takes.
        let names = NameCheck::new(engine.naming()?);
        let progress = |progress: Progress<'_>| {
            if let Progress::Person(run) = &progress {
                self.report().count(run);
            }
            self.tell(progress);
        };
        let mut work = engine.work(
            engine.journal.as_ref(),
            &engine.targets,
            &known.offers,
            &names,
            &known.preflight,
            engine.notifier.as_deref(),
            &progress,
            None,
        );
        work.concurrency = self.fleet.lanes;
        work.crew = Some(&crew);
        let now: Timestamp = engine.clock.now();
        let ended = {
            let batch = work.batch(claims, now);
            let stop = async {
                self.until(Stage::Stopping).await;
                crew.stop();
                std::future::pending::<()>().await;
            };
            tokio::select! {
                ended = batch => ended,
                () = crew.keep(engine.journal.as_ref()) => return Ok(()),
                () = stop => return Ok(()),
            }
        };
        let ended = ended?;
        engine.alert_of_batch(&ended).await;
        self.take_down(ended, &crew)
    }

    fn take_down(&self, ended: Vec<Result<PersonRun>>, crew: &Crew<'_>) -> Result<()> {
        let failures = ended.into_iter().filter_map(Result::err);
        let failure = failures.reduce(|first, next| {
            if first.kind() == ErrorKind::Fenced {
                next
            } else {
                first
            }
        });
        let failure = failure.filter(|error| error.kind() != ErrorKind::Fenced);
        let mut report = self.report();
        let count = |count: &std::sync::atomic::AtomicU64| count.load(std::sync::atomic::Ordering::Relaxed);
        report.passed_on += count(&crew.passed_on);
        report.given_back += count(&crew.given_back);
        failure.map_or(Ok(()), Err)
    }

    /// Says in the journal that this fleet works, or does no more. Where that fails, nobody is kept from working.
    async fn sign(&self, works: bool) {
        if let Err(error) = self.engine.sign(works).await {
            self.trouble(&error);
        }
    }

    /// Looks at what was asked of the guard, and at what dead processes left.
    async fn look_on(self: Arc<Self>) {
        let (mut rest, mut caught_up) = (Rest::default(), None::<Instant>);
        let mut signed = Instant::now();
        while self.is_working() {
            if signed.elapsed() >= presence::RENEWED {
                self.sign(true).await;
                signed = Instant::now();
            }
            let catch_up = caught_up.is_none_or(|at| at.elapsed() >= CATCH_UP);
            let time = match self.look(catch_up).await {
                Ok(true) => POLL[0],
                Ok(false) => rest.idle(),
                Err(error) => {
                    self.trouble(&error);
                    rest.failed()
                }
            };
            if catch_up {
                caught_up = Some(Instant::now());
            }
            // Whoever leaves must not wait for the look.
            self.rest(time.min(POLL[0] * 2)).await;
        }
    }

    /// Whether something was answered.
    async fn look(&self, catch_up: bool) -> Result<bool> {
        if catch_up {
            Box::pin(self.engine.catch_up()).await?;
        }
        let known = self.known().await?;
        let look = Box::pin(self.engine.look(&known.offers, &self.last)).await?;
        let frozen = look.frozen.as_ref().map(ToString::to_string);
        let news = frozen.is_some() && self.report().frozen != frozen;
        if look.answered > 0 || frozen.is_some() {
            self.report().frozen = frozen;
        }
        if let (true, Some(error)) = (news, &look.frozen) {
            self.trouble(error);
        }
        Ok(look.answered > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rests_grow_to_their_limits() {
        let mut rest = Rest::default();
        let within =
            |time: Duration, most: Duration| assert!(time <= most && time >= most * 3 / 4, "{time:?}");
        for millis in [250, 500, 1_000, 2_000, 2_000] {
            within(rest.idle(), Duration::from_millis(millis));
        }
        for millis in [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000] {
            within(rest.failed(), Duration::from_millis(millis));
        }
        for _ in 0..64 {
            rest.idle();
        }
        within(rest.idle(), POLL[1]);
    }
}
