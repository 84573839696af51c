//! [`Convoy`]: writes that come at the same time travel together, in one transaction that waits for the disk once.
//!
//! Whoever writes hands a [`Load`] over and waits for its answer. What has been handed over by the time the road is free
//! goes, and what comes meanwhile goes next: nobody waits for company, and a load that comes alone goes alone, at once.
//! The journey is a task of its own, so that nobody who is given up half-way takes the others along. A load whose owner
//! has gone before it was taken stays behind.

use std::collections::{HashSet, VecDeque};
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::fault::closed;
use crate::error::{Error, Result};
use crate::person::PersonKey;

/// Something to be written.
pub(super) trait Load: Send + 'static {
    /// What its owner is told.
    type Answer: Send + 'static;

    /// Whose lanes it changes, where nobody else on the same journey may.
    fn lanes(&self) -> Vec<&PersonKey>;

    /// How much it is: one for each event.
    fn weight(&self) -> usize;
}

type Owner<L> = oneshot::Sender<Result<<L as Load>::Answer>>;

/// Where loads wait for the next journey.
pub(super) struct Convoy<L: Load> {
    /// The most that goes at once; a single load may be more.
    most: usize,
    road: Mutex<Road<L>>,
}

struct Road<L: Load> {
    waiting: VecDeque<(L, Owner<L>)>,
    busy: bool,
}

impl<L: Load> Convoy<L> {
    pub(super) fn new(most: usize) -> Self {
        let road = Road {
            waiting: VecDeque::new(),
            busy: false,
        };
        Self {
            most,
            road: Mutex::new(road),
        }
    }

    fn road(&self) -> MutexGuard<'_, Road<L>> {
        self.road.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands a load over, and waits until it has been written. `carry` writes several at once, and answers each.
    pub(super) async fn join<C, F>(self: &Arc<Self>, load: L, carry: C) -> Result<L::Answer>
    where
        C: Fn(Vec<L>) -> F + Send + 'static,
        F: Future<Output = Vec<Result<L::Answer>>> + Send + 'static,
    {
        let (owner, answer) = oneshot::channel();
        let free = {
            let mut road = self.road();
            road.waiting.push_back((load, owner));
            !mem::replace(&mut road.busy, true)
        };
        if free {
            let journey = Journey {
                convoy: Arc::clone(self),
                over: false,
            };
            tokio::spawn(journey.run(carry));
        }
        answer.await.unwrap_or_else(|_| Err(closed()))
    }

    /// What goes next; nothing, and the road is free.
    fn next(&self) -> (Vec<L>, Vec<Owner<L>>) {
        let mut road = self.road();
        let (mut loads, mut owners) = (Vec::new(), Vec::new());
        let (mut lanes, mut weight) = (HashSet::new(), 0);
        let mut left = VecDeque::new();
        while let Some((load, owner)) = road.waiting.pop_front() {
            if owner.is_closed() {
                continue;
            }
            if !loads.is_empty() && weight + load.weight() > self.most {
                left.push_back((load, owner));
                break;
            }
            let own: Vec<PersonKey> = load.lanes().into_iter().cloned().collect();
            // Whatever else of a lane that has to wait comes after it.
            let first = own.iter().all(|lane| !lanes.contains(lane));
            lanes.extend(own);
            if first {
                weight += load.weight();
                loads.push(load);
                owners.push(owner);
            } else {
                left.push_back((load, owner));
            }
        }
        left.append(&mut road.waiting);
        road.waiting = left;
        road.busy = !loads.is_empty();
        (loads, owners)
    }
}

/// One after the other, until nothing waits. However it ends, the road is free again.
struct Journey<L: Load> {
    convoy: Arc<Convoy<L>>,
    over: bool,
}

impl<L: Load> Drop for Journey<L> {
    fn drop(&mut self) {
        if !self.over {
            // It was given up: whoever waits is told that the journal is closed.
            let mut road = self.convoy.road();
            road.busy = false;
            road.waiting.clear();
        }
    }
}

impl<L: Load> Journey<L> {
    async fn run<C, F>(mut self, carry: C)
    where
        C: Fn(Vec<L>) -> F + Send + 'static,
        F: Future<Output = Vec<Result<L::Answer>>> + Send + 'static,
    {
        loop {
            let (loads, owners) = self.convoy.next();
            if loads.is_empty() {
                self.over = true;
                return;
            }
            let answers = carry(loads).await;
            for (owner, answer) in owners.into_iter().zip(answers) {
                // Somebody who has gone meanwhile is not told.
                let _ = owner.send(answer);
            }
        }
    }
}

/// The error of one, for another who shared the transaction.
pub(super) fn repeated(error: &Arc<Error>) -> Error {
    let mut again = Error::new(error.kind(), error.message().to_owned()).with_retry(error.retry());
    if let Some(reason) = error.reason() {
        again = again.with_reason(reason);
    }
    if let Some(code) = error.code() {
        again = again.with_code(code.to_owned());
    }
    again.with_source(Arc::clone(error))
}

#[cfg(test)]
#[cfg(feature = "testing")]
mod tests {
    use std::time::Duration;

    use futures::future::join_all;
    use tokio::sync::Semaphore;

    use super::*;
    use crate::clock::{Clock as _, SystemClock};
    use crate::error::ErrorKind;

    struct Box(&'static str, PersonKey);

    impl Load for Box {
        type Answer = String;

        fn lanes(&self) -> Vec<&PersonKey> {
            vec![&self.1]
        }

        fn weight(&self) -> usize {
            1
        }
    }

    fn load(name: &'static str, lane: &str) -> Box {
        Box(name, PersonKey::new(lane))
    }

    /// Journeys that begin when they are let, and answer with everything that travelled along.
    #[derive(Clone)]
    struct Yard {
        convoy: Arc<Convoy<Box>>,
        gate: Arc<Semaphore>,
    }

    impl Yard {
        fn new(most: usize) -> Self {
            Self {
                convoy: Arc::new(Convoy::new(most)),
                gate: Arc::new(Semaphore::new(0)),
            }
        }

        fn send(&self, name: &'static str, lane: &str) -> tokio::task::JoinHandle<Result<String>> {
            let (yard, load) = (self.clone(), load(name, lane));
            tokio::spawn(async move {
                let gate = Arc::clone(&yard.gate);
                let carry = move |loads: Vec<Box>| {
                    let gate = Arc::clone(&gate);
                    async move {
                        gate.acquire().await.unwrap().forget();
                        let names: Vec<&str> = loads.iter().map(|load| load.0).collect();
                        assert!(!names.contains(&"crash"), "it was to crash");
                        let names = names.join(" ");
                        loads.iter().map(|_| Ok(names.clone())).collect()
                    }
                };
                yard.convoy.join(load, carry).await
            })
        }

        async fn until_waiting(&self, count: usize) {
            while self.convoy.road().waiting.len() != count {
                SystemClock.sleep(Duration::from_millis(1)).await;
            }
        }
    }

    async fn answers(sent: Vec<tokio::task::JoinHandle<Result<String>>>) -> Vec<String> {
        let all = join_all(sent).await.into_iter();
        all.map(|answer| answer.unwrap().unwrap()).collect()
    }

    #[tokio::test]
    async fn what_comes_during_a_journey_goes_with_the_next_and_a_lane_once() {
        let yard = Yard::new(3);
        let mut sent = vec![yard.send("a", "1")];
        while !yard.convoy.road().busy || !yard.convoy.road().waiting.is_empty() {
            tokio::task::yield_now().await;
        }
        for (at, (name, lane)) in [("b", "1"), ("c", "2"), ("d", "1"), ("e", "3"), ("f", "4")]
            .into_iter()
            .enumerate()
        {
            sent.push(yard.send(name, lane));
            yard.until_waiting(at + 1).await;
        }
        yard.gate.add_permits(9);
        let all = answers(sent).await;
        assert_eq!(all, ["a", "b c e", "b c e", "d f", "b c e", "d f"]);
    }

    #[tokio::test]
    async fn whoever_has_gone_is_left_behind() {
        let yard = Yard::new(9);
        let first = yard.send("a", "1");
        while !yard.convoy.road().busy || !yard.convoy.road().waiting.is_empty() {
            tokio::task::yield_now().await;
        }
        let gone = yard.send("b", "2");
        yard.until_waiting(1).await;
        gone.abort();
        assert!(gone.await.unwrap_err().is_cancelled());
        let last = yard.send("c", "3");
        yard.until_waiting(2).await;
        yard.gate.add_permits(9);
        assert_eq!(answers(vec![first, last]).await, ["a", "c"]);
    }

    #[tokio::test]
    async fn a_journey_that_is_cut_short_is_told_and_stops_no_other() {
        let yard = Yard::new(9);
        let lost = yard.send("crash", "1");
        yard.gate.add_permits(9);
        let error = lost.await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Storage);
        assert_eq!(yard.send("a", "1").await.unwrap().unwrap(), "a");
    }
}
