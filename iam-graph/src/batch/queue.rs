//! The queue in which concurrent requests meet: whoever comes while others are on their way joins the next batch.
//!
//! It stands below retry and budget, so that each request is paid for, repeated and mapped to an error as if it had
//! been sent by itself. A request that finds nobody else is sent at once, and as it is. At most two batches that
//! are not full are on their way at a time, so that what comes meanwhile gathers; one that has been on its way for a
//! second does not count any more, so that a slow item holds nobody up for longer. Where the service answers faster
//! than requests come, so that none would ever meet, a batch waits for those who are [expected](Queue::expect): until
//! they are all there, and no longer than an answer takes. Urgent requests never wait, and never share a batch with others.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use iam_core::clock::SharedClock;
use iam_core::http::{Priority, Request, Response, Transport};
use iam_core::{Error, ErrorKind, Result};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::{Notify, oneshot};

use super::flight::Line;
use super::plan::MOST;

/// How many batches that are not full are on their way at once.
const PARTIAL: usize = 2;
/// After how long a batch on its way does not count among them any more.
const SLOW: SignedDuration = SignedDuration::from_secs(1);
/// How many batches are on their way at once.
const FLIGHTS: usize = 8;
/// How often others get to say theirs before a batch leaves.
const TURNS: usize = 3;
/// A batch waits for who is expected no longer than the service took to answer last time, within these.
const SHORTEST: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_millis(10);

/// Joins concurrent requests.
#[derive(Debug, Clone)]
pub(crate) struct Queue {
    line: Line,
    clock: SharedClock,
    lanes: Arc<Mutex<BTreeMap<Priority, Lane>>>,
    /// How many are at work who may send something any moment.
    expected: Arc<AtomicUsize>,
    /// How many microseconds the service took to answer last time.
    took: Arc<AtomicU64>,
    /// Everybody who is expected has come.
    complete: Arc<Notify>,
}

/// The requests of one priority.
#[derive(Debug, Default)]
struct Lane {
    waiting: VecDeque<Waiting>,
    /// When each batch left that is on its way, by number.
    flying: BTreeMap<u64, Timestamp>,
    left: u64,
    /// Whether somebody is about to take what waits.
    gathering: bool,
    /// Whether somebody looks again as soon as a batch counts as slow.
    watched: bool,
}

#[derive(Debug)]
struct Waiting {
    request: Request,
    answer: oneshot::Sender<Result<Response>>,
}

impl Lane {
    /// Whether another batch is to leave.
    fn may_start(&self, priority: Priority, now: Timestamp) -> bool {
        let room = match priority {
            Priority::High => true,
            _ if self.flying.len() >= FLIGHTS => false,
            _ => self.waiting.len() >= MOST || self.quick(now).count() < PARTIAL,
        };
        room && !self.gathering && !self.waiting.is_empty()
    }

    /// When those left that are on their way and not slow.
    fn quick(&self, now: Timestamp) -> impl Iterator<Item = Timestamp> {
        let quick = move |left: &Timestamp| now.duration_since(*left) < SLOW;
        self.flying.values().copied().filter(quick)
    }

    /// How long until one more of them is slow, and so something may leave that waits for it; once at a time.
    fn watch(&mut self, now: Timestamp) -> Option<Duration> {
        let held_up = !self.watched && !self.gathering && !self.waiting.is_empty();
        let oldest = self
            .quick(now)
            .min()
            .filter(|_| held_up && self.flying.len() < FLIGHTS)?;
        self.watched = true;
        let left = SLOW.saturating_sub(now.duration_since(oldest));
        Some(Duration::try_from(left).unwrap_or_default())
    }
}

impl Queue {
    pub(crate) fn new(line: Line, clock: SharedClock) -> Self {
        Self {
            line,
            clock,
            lanes: Arc::default(),
            expected: Arc::default(),
            took: Arc::default(),
            complete: Arc::default(),
        }
    }

    /// Says how many are at work now, each of whom sends one request after the other. It is a hint: one is nobody to
    /// wait for, and nobody is waited for long.
    pub(crate) fn expect(&self, many: usize) {
        self.expected.store(many, Ordering::Relaxed);
    }

    /// How many make a batch that need not wait.
    fn enough(&self) -> usize {
        self.expected.load(Ordering::Relaxed).clamp(1, MOST)
    }

    /// How long to wait for others.
    fn moment(&self) -> Duration {
        let took = Duration::from_micros(self.took.load(Ordering::Relaxed));
        took.clamp(SHORTEST, LONGEST)
    }

    /// Whether to wait for others, who may come any moment.
    fn is_early(&self, priority: Priority) -> bool {
        let mut lanes = self.lanes();
        let lane = lanes.entry(priority).or_default();
        priority != Priority::High && lane.waiting.len() < self.enough()
    }

    fn lanes(&self) -> MutexGuard<'_, BTreeMap<Priority, Lane>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a batch leave, if one is to.
    fn start(&self, priority: Priority) {
        {
            let now = self.clock.now();
            let mut lanes = self.lanes();
            let lane = lanes.entry(priority).or_default();
            if !lane.may_start(priority, now) {
                if let Some(wait) = lane.watch(now) {
                    tokio::spawn(self.clone().look_again(priority, wait));
                }
                return;
            }
            lane.gathering = true;
        }
        let seat = Seat {
            queue: self.clone(),
            priority,
            stage: Stage::Gathering,
        };
        tokio::spawn(seat.work());
    }

    async fn look_again(self, priority: Priority, wait: Duration) {
        self.clock.sleep(wait).await;
        self.lanes().entry(priority).or_default().watched = false;
        self.start(priority);
    }
}

/// A batch on its way; gives its place free, however it ends.
struct Seat {
    queue: Queue,
    priority: Priority,
    stage: Stage,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Gathering,
    Flying(u64),
    Landed,
}

impl Seat {
    async fn work(mut self) {
        for _ in 0..TURNS {
            tokio::task::yield_now().await;
        }
        let clock = self.queue.clock.clone();
        let mut moment = None;
        while self.queue.is_early(self.priority) {
            let moment = moment.get_or_insert_with(|| clock.sleep(self.queue.moment()));
            tokio::select! {
                () = moment => break,
                () = self.queue.complete.notified() => {}
            }
        }
        let taken = self.take();
        // Those who came while this batch gathered and found no room in it.
        self.queue.start(self.priority);
        let (requests, senders): (Vec<_>, Vec<_>) = taken
            .into_iter()
            .map(|waiting| ((waiting.request, None), waiting.answer))
            .unzip();
        if !requests.is_empty() {
            let start = self.queue.clock.now();
            let answers = self.queue.line.fly(&requests).await;
            let took = self.queue.clock.now().duration_since(start).as_micros();
            let took = u64::try_from(took).unwrap_or_default();
            self.queue.took.store(took, Ordering::Relaxed);
            for (sender, answer) in senders.into_iter().zip(answers) {
                // Whoever has gone away does not hear of it.
                let _ = sender.send(answer);
            }
        }
        let (queue, priority) = (self.queue.clone(), self.priority);
        self.land();
        drop(self);
        queue.start(priority);
    }

    fn land(&mut self) {
        if let Stage::Flying(number) = self.stage {
            let mut lanes = self.queue.lanes();
            lanes.entry(self.priority).or_default().flying.remove(&number);
        }
        self.stage = Stage::Landed;
    }

    fn take(&mut self) -> Vec<Waiting> {
        let now = self.queue.clock.now();
        let mut lanes = self.queue.lanes();
        let lane = lanes.entry(self.priority).or_default();
        // Who has given up meanwhile costs nothing.
        lane.waiting.retain(|waiting| !waiting.answer.is_closed());
        let many = lane.waiting.len().min(MOST);
        lane.gathering = false;
        lane.left += 1;
        lane.flying.insert(lane.left, now);
        self.stage = Stage::Flying(lane.left);
        lane.waiting.drain(..many).collect()
    }
}

/// The end before the end: the runtime goes down. Whoever waits behind is told so.
impl Drop for Seat {
    fn drop(&mut self) {
        let mut lanes = self.queue.lanes();
        let lane = lanes.entry(self.priority).or_default();
        match self.stage {
            Stage::Landed => return,
            Stage::Gathering => lane.gathering = false,
            Stage::Flying(number) => drop(lane.flying.remove(&number)),
        }
        lane.waiting.clear();
    }
}

#[async_trait]
impl Transport for Queue {
    async fn send(&self, request: Request) -> Result<Response> {
        if !self.line.takes(&request) {
            return self.line.pipeline.send(request).await;
        }
        let (priority, operation, idempotent) = (request.priority, request.operation, request.idempotent);
        let (answer, outcome) = oneshot::channel();
        let waiting = {
            let mut lanes = self.lanes();
            let lane = lanes.entry(priority).or_default();
            lane.waiting.push_back(Waiting { request, answer });
            lane.waiting.len()
        };
        if waiting >= self.enough() {
            self.complete.notify_one();
        }
        self.start(priority);
        outcome.await.unwrap_or_else(|_| {
            let kind = if idempotent {
                ErrorKind::Unavailable
            } else {
                ErrorKind::OutcomeUnknown
            };
            let gone = Error::new(kind, "the batch was dropped on its way").with_code("broken");
            Err(gone.with_operation(operation))
        })
    }
}
