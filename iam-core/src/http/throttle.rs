//! The rate budget: requests are let out no faster than a service allows, so that it need not refuse them.
//!
//! A budget is two token buckets on the [`Clock`](crate::clock::Clock): *units* (what the service charges a
//! request with) and *writes*. A [`Meter`] says what a request will cost and what an answer tells about the
//! budget. Everything that shares one [`Throttle`] shares its buckets and its pauses: when one task is told to
//! wait, all do. Who waits is let out by [`Priority`], then in the order of arrival; a request that is dropped
//! while it waits leaves the queue and costs nothing.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;

use super::allowance::{Allotment, Allowance, Purse};
use super::retry::retry_after;
use super::{Next, Policy, Request, Response};
use crate::clock::SharedClock;
use crate::error::Result;

/// Whose turn it is when there is not enough for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[non_exhaustive]
pub enum Priority {
    /// Whoever loses access: overtakes everything.
    High,
    /// Everything else.
    #[default]
    Normal,
    /// Reports and exports, which can wait.
    Low,
}

/// What a request takes from a budget.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Cost {
    /// Units of the service's own measure.
    pub units: f64,
    /// Write operations.
    pub writes: f64,
}

impl std::ops::Add for Cost {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            units: self.units + other.units,
            writes: self.writes + other.writes,
        }
    }
}

impl std::iter::Sum for Cost {
    fn sum<I: Iterator<Item = Self>>(costs: I) -> Self {
        costs.fold(Self::default(), |sum, cost| sum + cost)
    }
}

/// What an answer tells of a budget.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Reading {
    /// The units that the service charged, where it says so.
    pub units: Option<f64>,
    /// Which share of the budget is used up, 0 to 1 and above, where the service says so.
    pub used: Option<f64>,
    /// How long nothing more is to be sent.
    pub pause: Option<Duration>,
    /// Whether the pause and the share are about writes alone.
    pub writes_only: bool,
}

/// Knows a service's prices.
pub trait Meter: Debug + Send + Sync {
    /// What the request will be charged with.
    fn cost(&self, request: &Request) -> Cost;

    /// What the answer tells.
    fn read(&self, answer: &Response, now: Timestamp) -> Reading;
}

/// So much in so long a time: a bucket of that capacity, which fills evenly.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quota {
    /// How much may be spent at once after a rest.
    pub capacity: f64,
    /// The time in which an empty bucket fills.
    pub window: Duration,
}

/// The policy that keeps a budget. Clones share it.
#[derive(Debug, Clone)]
pub struct Throttle {
    meter: Arc<dyn Meter>,
    clock: SharedClock,
    state: Arc<Mutex<State>>,
    allowance: Option<Arc<dyn Allowance>>,
}

/// What becomes of the request whose turn it is.
enum Turned {
    Paid,
    Waits(Duration),
    /// So much has to be granted first.
    Draws(Cost),
}

#[derive(Debug)]
struct State {
    units: Bucket,
    writes: Bucket,
    /// What was granted, where the budget is shared with other processes.
    purse: Option<Purse>,
    /// Who only reads does not wait behind a write that waits for the budget of writes.
    readers: Queue,
    writers: Queue,
    arrivals: u64,
}

/// By rank: priority, then arrival.
type Rank = (Priority, u64);
type Queue = BTreeMap<Rank, Arc<Notify>>;

#[derive(Debug)]
struct Bucket {
    quota: Quota,
    level: f64,
    filled: Timestamp,
    paused_until: Option<Timestamp>,
}

impl Throttle {
    /// A full budget.
    pub fn new(meter: Arc<dyn Meter>, units: Quota, writes: Quota, clock: SharedClock) -> Self {
        let now = clock.now();
        let bucket = |quota: Quota| Bucket {
            quota,
            level: quota.capacity,
            filled: now,
            paused_until: None,
        };
        Self {
            meter,
            clock,
            state: Arc::new(Mutex::new(State {
                units: bucket(units),
                writes: bucket(writes),
                purse: None,
                readers: Queue::new(),
                writers: Queue::new(),
                arrivals: 0,
            })),
            allowance: None,
        }
    }

    /// The same budget, shared with other processes: beside its own buckets, only what `allowance` grants is spent.
    #[must_use]
    pub fn sharing(self, allowance: Arc<dyn Allowance>) -> Self {
        self.state().purse = Some(Purse::empty());
        Self {
            allowance: Some(allowance),
            ..self
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the request will be charged with.
    pub fn cost(&self, request: &Request) -> Cost {
        self.meter.cost(request)
    }

    /// Waits until that much can be spent, and spends it: for requests that leave inside another one, which this
    /// policy does not see. As a policy it does so itself.
    pub async fn pay(&self, cost: Cost, priority: Priority) {
        self.take(cost, priority).await;
    }

    /// Takes in what the answer to a request tells that was paid with [`pay`](Self::pay).
    pub fn learn(&self, paid: Cost, answer: &Response) {
        let now = self.clock.now();
        let reading = self.meter.read(answer, now);
        self.state().learn(paid, reading, now);
        // A service that is overloaded says so with 503, and means everybody.
        let overloaded = || (answer.status == 503).then(|| retry_after(answer, now)).flatten();
        let pause = reading.pause.or_else(overloaded);
        if let (Some(pause), Some(allowance)) = (pause, self.allowance.clone())
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            if let Some(purse) = &mut self.state().purse {
                purse.close();
            }
            let writes_only = reading.writes_only;
            runtime.spawn(async move {
                if let Err(error) = allowance.refused(pause, writes_only).await {
                    tracing::warn!("other processes are not told of a refusal: {error}");
                }
            });
        }
    }

    /// Has something granted. Without the journal, this process keeps to its own buckets.
    async fn draw(&self, missing: Cost, priority: Priority) -> Option<Duration> {
        let allowance = self.allowance.as_ref()?;
        let want = {
            let mut state = self.state();
            let (units, writes) = (state.units.quota, state.writes.quota);
            let purse = state.purse.as_mut()?;
            purse.want(missing, priority, units, writes, self.clock.now())
        };
        let granted = match allowance.draw(want).await {
            Ok(Allotment::Granted(cost)) => cost,
            Ok(Allotment::Later(pause)) => return Some(pause),
            Err(error) => {
                tracing::warn!("the shared budget cannot be asked, and this process spends its own: {error}");
                want.wanted
            }
        };
        if let Some(purse) = &mut self.state().purse {
            purse.fill(granted, self.clock.now());
        }
        None
    }

    async fn take(&self, cost: Cost, priority: Priority) {
        let wake = Arc::new(Notify::new());
        let writes = cost.writes > 0.0;
        let rank = {
            let mut state = self.state();
            state.arrivals += 1;
            let rank = (priority, state.arrivals);
            state.queue(writes).insert(rank, Arc::clone(&wake));
            rank
        };
        let _turn = Turn {
            throttle: self,
            rank,
            writes,
        };
        loop {
            let woken = wake.notified();
            let wait = {
                let mut state = self.state();
                let now = self.clock.now();
                state.is_next(rank, writes, now).then(|| state.spend(cost, now))
            };
            let wait = match wait {
                Some(Turned::Draws(missing)) => match self.draw(missing, priority).await {
                    Some(wait) => Some(Turned::Waits(wait)),
                    None => continue,
                },
                other => other,
            };
            match wait {
                Some(Turned::Paid) => return,
                Some(Turned::Draws(_)) => {}
                Some(Turned::Waits(wait)) => {
                    tokio::select! {
                        () = self.clock.sleep(wait) => {}
                        () = woken => {}
                    }
                }
                None => woken.await,
            }
        }
    }
}

/// A place in the queue, left whether the request went out or was dropped.
struct Turn<'a> {
    throttle: &'a Throttle,
    rank: Rank,
    writes: bool,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut state = self.throttle.state();
        state.queue(self.writes).remove(&self.rank);
        for queue in [&state.readers, &state.writers] {
            if let Some(next) = queue.values().next() {
                next.notify_one();
            }
        }
    }
}

impl State {
    fn queue(&mut self, writes: bool) -> &mut Queue {
        if writes {
            &mut self.writers
        } else {
            &mut self.readers
        }
    }

    /// Whether nobody of a better rank waits for the same.
    fn is_next(&mut self, rank: Rank, writes: bool, now: Timestamp) -> bool {
        let better = |queue: &Queue| queue.keys().next().is_some_and(|first| *first < rank);
        let held_up = !writes && self.writes.wait(1.0, now).is_some();
        !better(&self.readers) && (held_up || !better(&self.writers))
    }

    /// Takes what the request costs, or says what it has to wait for.
    fn spend(&mut self, cost: Cost, now: Timestamp) -> Turned {
        let units = self.units.wait(cost.units, now);
        let writes = if cost.writes > 0.0 {
            self.writes.wait(cost.writes, now)
        } else {
            None
        };
        if let Some(wait) = units.max(writes) {
            return Turned::Waits(wait);
        }
        if let Some(missing) = self.purse.as_mut().and_then(|purse| purse.spend(cost, now)) {
            return Turned::Draws(missing);
        }
        self.units.level -= cost.units;
        self.writes.level -= cost.writes;
        Turned::Paid
    }

    fn learn(&mut self, expected: Cost, reading: Reading, now: Timestamp) {
        if let Some(charged) = reading.units {
            self.units.level = (self.units.level + expected.units - charged).min(self.units.quota.capacity);
            if let Some(purse) = &mut self.purse {
                purse.correct(charged - expected.units);
            }
        }
        let bucket = if reading.writes_only {
            &mut self.writes
        } else {
            &mut self.units
        };
        bucket.fill(now);
        if let Some(used) = reading.used {
            // Others may spend the same budget: the service knows better than this process.
            let left = bucket.quota.capacity * (1.0 - used).max(0.0);
            bucket.level = bucket.level.min(left);
        }
        if let Some(pause) = reading.pause {
            let until = later(now, pause);
            bucket.paused_until = bucket.paused_until.max(Some(until));
        }
    }
}

impl Bucket {
    fn fill(&mut self, now: Timestamp) {
        let passed = now.duration_since(self.filled).as_secs_f64();
        if passed > 0.0 {
            let grown = passed * self.quota.capacity / self.quota.window.as_secs_f64().max(f64::EPSILON);
            self.level = (self.level + grown).min(self.quota.capacity);
            self.filled = now;
        }
    }

    /// How long until that much can be taken. What is more than the bucket holds goes out when it is full.
    fn wait(&mut self, amount: f64, now: Timestamp) -> Option<Duration> {
        self.fill(now);
        if let Some(until) = self.paused_until {
            if until > now {
                return Some(Duration::try_from(until.duration_since(now)).unwrap_or_default());
            }
            self.paused_until = None;
        }
        let missing = amount.min(self.quota.capacity) - self.level;
        if missing <= 1e-9 {
            return None;
        }
        let seconds = missing * self.quota.window.as_secs_f64() / self.quota.capacity.max(f64::EPSILON);
        // Not below a millisecond: a rounding error must not spin.
        let wait = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
        Some(wait.max(Duration::from_millis(1)))
    }
}

fn later(now: Timestamp, wait: Duration) -> Timestamp {
    SignedDuration::try_from(wait)
        .ok()
        .and_then(|wait| now.checked_add(wait).ok())
        .unwrap_or(Timestamp::MAX)
}

#[async_trait]
impl Policy for Throttle {
    async fn send(&self, request: Request, next: Next<'_>) -> Result<Response> {
        let cost = self.meter.cost(&request);
        self.take(cost, request.priority).await;
        let answer = next.run(request).await?;
        self.learn(cost, &answer);
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::http::tests::{Fake, FakeClock, answer};
    use crate::http::{Method, Pipeline, RetryPolicy};

    /// One unit a request and a write for each POST; the answer's headers are numbers.
    #[derive(Debug)]
    struct Plain;

    impl Meter for Plain {
        fn cost(&self, request: &Request) -> Cost {
            let writes = if request.method == Method::Post { 1.0 } else { 0.0 };
            Cost { units: 1.0, writes }
        }

        fn read(&self, answer: &Response, now: Timestamp) -> Reading {
            let number = |name| answer.header(name).and_then(|text| text.parse().ok());
            Reading {
                units: number("units"),
                used: number("used"),
                pause: (answer.status == 429)
                    .then(|| super::super::retry::retry_after(answer, now))
                    .flatten(),
                writes_only: false,
            }
        }
    }

    fn budget(clock: &Arc<FakeClock>, units: f64, writes: f64) -> Throttle {
        let quota = |capacity| Quota {
            capacity,
            window: Duration::from_secs(10),
        };
        Throttle::new(Arc::new(Plain), quota(units), quota(writes), clock.clone())
    }

    fn pipeline(fake: &Arc<Fake>, clock: &Arc<FakeClock>, throttle: Throttle) -> Pipeline {
        Pipeline::builder(fake.clone())
            .clock(clock.clone())
            .retry(RetryPolicy::none())
            .throttle(Arc::new(throttle))
            .build()
    }

    async fn ask(pipeline: &Pipeline, method: Method) -> u16 {
        let request = Request::new(method, "https://h.example/", "probe");
        pipeline.send(request).await.unwrap().status
    }

    #[tokio::test]
    async fn a_burst_is_free_and_then_the_rate_holds() {
        let (clock, fake) = (FakeClock::new(), Fake::new(|_, _| Ok(answer(200, &[], ""))));
        let pipeline = pipeline(&fake, &clock, budget(&clock, 10.0, 2.0));
        let start = clock.now();
        for _ in 0..10 {
            ask(&pipeline, Method::Get).await;
        }
        assert_eq!(clock.now(), start);
        for _ in 0..5 {
            ask(&pipeline, Method::Get).await;
        }
        let passed = clock.now().duration_since(start).as_secs_f64();
        assert!((4.99..5.02).contains(&passed), "{passed}");
    }

    #[tokio::test]
    async fn writes_run_out_while_reads_go_on() {
        let (clock, fake) = (FakeClock::new(), Fake::new(|_, _| Ok(answer(200, &[], ""))));
        let pipeline = pipeline(&fake, &clock, budget(&clock, 100.0, 2.0));
        let start = clock.now();
        ask(&pipeline, Method::Post).await;
        ask(&pipeline, Method::Post).await;
        ask(&pipeline, Method::Get).await;
        assert_eq!(clock.now(), start);
        ask(&pipeline, Method::Post).await;
        let passed = clock.now().duration_since(start).as_secs_f64();
        assert!((4.99..5.02).contains(&passed), "{passed}");
    }

    #[tokio::test]
    async fn one_refusal_pauses_everybody() {
        let (clock, fake) = (
            FakeClock::new(),
            Fake::new(|_, n| {
                Ok(answer(
                    if n == 0 { 429 } else { 200 },
                    &[("retry-after", "7")],
                    "",
                ))
            }),
        );
        let shared = budget(&clock, 100.0, 100.0);
        let (one, other) = (
            pipeline(&fake, &clock, shared.clone()),
            pipeline(&fake, &clock, shared),
        );
        let start = clock.now();
        assert_eq!(ask(&one, Method::Get).await, 429);
        assert_eq!(ask(&other, Method::Get).await, 200);
        assert_eq!(clock.now().duration_since(start), SignedDuration::from_secs(7));
    }

    #[tokio::test]
    async fn what_the_service_says_replaces_what_was_guessed() {
        let (clock, fake) = (
            FakeClock::new(),
            Fake::new(|_, n| {
                let said: &[(&str, &str)] = if n == 0 {
                    &[("units", "4")]
                } else {
                    &[("used", "1.2")]
                };
                Ok(answer(200, said, ""))
            }),
        );
        let throttle = budget(&clock, 10.0, 10.0);
        let pipeline = pipeline(&fake, &clock, throttle.clone());
        ask(&pipeline, Method::Get).await;
        assert!((throttle.state().units.level - 6.0).abs() < 1e-9);
        ask(&pipeline, Method::Get).await;
        assert!(throttle.state().units.level.abs() < 1e-9);
    }

    #[tokio::test]
    async fn what_leaves_inside_another_request_is_paid_for_by_the_same_budget() {
        let (clock, fake) = (FakeClock::new(), Fake::new(|_, _| Ok(answer(200, &[], ""))));
        let throttle = budget(&clock, 10.0, 10.0);
        let pipeline = pipeline(&fake, &clock, throttle.clone());
        let items = [Method::Get, Method::Post].map(|method| {
            let request = Request::new(method, "https://h.example/", "probe");
            throttle.cost(&request)
        });
        let whole: Cost = items.iter().copied().sum();
        assert_eq!(
            whole,
            Cost {
                units: 2.0,
                writes: 1.0
            }
        );
        let start = clock.now();
        for _ in 0..5 {
            throttle.pay(whole, Priority::Normal).await;
        }
        assert_eq!(clock.now(), start);
        // Nothing is left, so that a request of its own waits; and what was overpaid comes back.
        ask(&pipeline, Method::Get).await;
        assert_eq!(clock.now().duration_since(start), SignedDuration::from_secs(1));
        throttle.learn(whole, &answer(200, &[("units", "1")], ""));
        ask(&pipeline, Method::Get).await;
        assert_eq!(clock.now().duration_since(start), SignedDuration::from_secs(1));
        throttle.learn(items[0], &answer(429, &[("retry-after", "7")], ""));
        ask(&pipeline, Method::Get).await;
        assert_eq!(clock.now().duration_since(start), SignedDuration::from_secs(8));
    }

    /// A clock that stands until it is told to go.
    #[derive(Debug)]
    struct Still(Mutex<Timestamp>, Notify);

    impl Clock for Still {
        fn now(&self) -> Timestamp {
            *self.0.lock().unwrap()
        }

        fn sleep(&self, wait: Duration) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send + '_>> {
            let until = later(self.now(), wait);
            Box::pin(async move {
                while self.now() < until {
                    self.1.notified().await;
                }
            })
        }
    }

    #[tokio::test]
    async fn a_read_does_not_wait_behind_a_write() {
        let clock = Arc::new(Still(
            Mutex::new("2026-01-01T00:00:00Z".parse().unwrap()),
            Notify::new(),
        ));
        let quota = |capacity| Quota {
            capacity,
            window: Duration::from_secs(1),
        };
        let throttle = Throttle::new(Arc::new(Plain), quota(100.0), quota(1.0), clock.clone());
        let write = Cost {
            units: 1.0,
            writes: 1.0,
        };
        throttle.take(write, Priority::Normal).await;
        let waiting = throttle.clone();
        let waiting = tokio::spawn(async move { waiting.take(write, Priority::High).await });
        tokio::task::yield_now().await;
        let read = Cost { writes: 0.0, ..write };
        throttle.take(read, Priority::Low).await;
        assert!(!waiting.is_finished());
        *clock.0.lock().unwrap() = "2026-01-01T00:00:01Z".parse().unwrap();
        clock.1.notify_waiters();
        waiting.await.unwrap();
    }

    #[tokio::test]
    async fn leavers_overtake_and_who_gives_up_costs_nothing() {
        let clock = Arc::new(Still(
            Mutex::new("2026-01-01T00:00:00Z".parse().unwrap()),
            Notify::new(),
        ));
        let quota = Quota {
            capacity: 1.0,
            window: Duration::from_secs(1),
        };
        let throttle = Throttle::new(Arc::new(Plain), quota, quota, clock.clone());
        let cost = Cost {
            units: 1.0,
            writes: 0.0,
        };
        throttle.take(cost, Priority::Normal).await;
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = Vec::new();
        for (name, priority) in [
            ("gives up", Priority::Normal),
            ("report", Priority::Low),
            ("joiner", Priority::Normal),
            ("leaver", Priority::High),
        ] {
            let (throttle, order) = (throttle.clone(), Arc::clone(&order));
            tasks.push(tokio::spawn(async move {
                throttle.take(cost, priority).await;
                order.lock().unwrap().push(name);
            }));
            tokio::task::yield_now().await;
        }
        tasks.remove(0).abort();
        while order.lock().unwrap().len() < 3 {
            tokio::task::yield_now().await;
            let mut now = clock.0.lock().unwrap();
            *now = later(*now, Duration::from_millis(250));
            drop(now);
            clock.1.notify_waiters();
        }
        assert_eq!(*order.lock().unwrap(), ["leaver", "joiner", "report"]);
        let passed = clock
            .now()
            .duration_since("2026-01-01T00:00:00Z".parse().unwrap());
        assert!(passed < SignedDuration::from_millis(3800), "{passed}");
    }
}
