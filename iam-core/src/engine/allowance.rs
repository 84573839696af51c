//! [`SharedBudget`]: what a service allows, granted out of the journal to all processes that work on it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

use crate::clock::SharedClock;
use crate::error::Result;
use crate::http::allowance::{Allotment, Allowance, Want};
use crate::http::throttle::{Cost, Priority, Quota};
use crate::journal::{Draw, Drawn, Journal};

/// The part of a budget that is kept for those who lose access.
const RESERVED: f64 = 0.2;
/// The part of what the service allows that is spent at all: others use the same tenant, and clocks differ.
const SHARE: f64 = 0.9;

/// The budget of a service for one tenant, in the journal: what is granted to one worker is granted to no other. A
/// fifth of it is kept for urgent requests ([`Priority::High`]), and a tenth is left to others; refusals close it for
/// everybody and halve it for a while (see [`Bucket`](crate::journal::Bucket)).
#[derive(Debug, Clone)]
pub struct SharedBudget {
    journal: Arc<dyn Journal>,
    clock: SharedClock,
    target: String,
    reserved: f64,
    share: f64,
}

impl SharedBudget {
    /// The budget of `target`; all processes call it the same (`graph`).
    pub fn new(journal: Arc<dyn Journal>, clock: SharedClock, target: impl Into<String>) -> Self {
        Self {
            journal,
            clock,
            target: target.into(),
            reserved: RESERVED,
            share: SHARE,
        }
    }

    /// Which part of what the service allows is spent, 0 to 1 (0.9).
    #[must_use]
    pub fn share(mut self, share: f64) -> Self {
        self.share = share.clamp(0.01, 1.0);
        self
    }

    /// Which part of that is kept for urgent requests, 0 to 1 (0.2).
    #[must_use]
    pub fn reserved(mut self, reserved: f64) -> Self {
        self.reserved = reserved.clamp(0.0, 1.0);
        self
    }

    fn bucket(&self, kind: &str) -> String {
        format!("{}:{kind}", self.target)
    }

    async fn take(
        &self,
        kind: &str,
        quota: Quota,
        (least, wanted): (f64, f64),
        urgent: bool,
    ) -> Result<Drawn> {
        if least <= 0.0 {
            return Ok(Drawn::Granted(0.0));
        }
        let draw = Draw {
            target: self.bucket(kind),
            capacity: quota.capacity * self.share,
            window: quota.window,
            reserved: self.reserved,
            least,
            wanted: wanted.max(least),
            urgent,
        };
        self.journal.take_budget(&draw, self.clock.now()).await
    }

    fn until(&self, instant: Timestamp) -> Duration {
        let wait = instant.duration_since(self.clock.now());
        // Not below a millisecond: waiting must not spin.
        Duration::try_from(wait)
            .unwrap_or_default()
            .max(Duration::from_millis(1))
    }
}

#[async_trait]
impl Allowance for SharedBudget {
    async fn draw(&self, want: Want) -> Result<Allotment> {
        let urgent = want.priority == Priority::High;
        let (least, wanted) = (want.least, want.wanted);
        let units = self
            .take("units", want.units, (least.units, wanted.units), urgent)
            .await?;
        let units = match units {
            Drawn::Granted(units) => units,
            Drawn::RetryAt(at) => return Ok(Allotment::Later(self.until(at))),
        };
        let writes = self
            .take("writes", want.writes, (least.writes, wanted.writes), urgent)
            .await?;
        Ok(match writes {
            Drawn::Granted(writes) => Allotment::Granted(Cost { units, writes }),
            // The units are not lost: the next draw is for writes alone.
            Drawn::RetryAt(_) if units > 0.0 => Allotment::Granted(Cost { units, writes: 0.0 }),
            Drawn::RetryAt(at) => Allotment::Later(self.until(at)),
        })
    }

    async fn refused(&self, pause: Duration, writes_only: bool) -> Result<()> {
        let now = self.clock.now();
        let until = SignedDuration::try_from(pause)
            .ok()
            .and_then(|pause| now.checked_add(pause).ok())
            .unwrap_or(Timestamp::MAX);
        let kind = if writes_only { "writes" } else { "units" };
        self.journal.block_target(&self.bucket(kind), until, now).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock as _;
    use crate::error::{Error, ErrorKind};
    use crate::http::tests::{Fake, FakeClock, answer};
    use crate::http::throttle::{Meter, Reading};
    use crate::http::{Method, Pipeline, Request, Response, RetryPolicy, Throttle};
    use crate::journal::MemoryJournal;

    /// One unit a request; `retry-after` is what it says.
    #[derive(Debug)]
    struct Plain;

    impl Meter for Plain {
        fn cost(&self, _: &Request) -> Cost {
            Cost {
                units: 1.0,
                writes: 0.0,
            }
        }

        fn read(&self, answer: &Response, now: Timestamp) -> Reading {
            Reading {
                pause: (answer.status == 429)
                    .then(|| crate::http::retry::retry_after(answer, now))
                    .flatten(),
                ..Reading::default()
            }
        }
    }

    fn throttle(clock: &Arc<FakeClock>, allowance: Arc<dyn Allowance>) -> Throttle {
        let quota = Quota {
            capacity: 10.0,
            window: Duration::from_secs(10),
        };
        Throttle::new(Arc::new(Plain), quota, quota, clock.clone()).sharing(allowance)
    }

    /// The throttles of two processes.
    fn two(clock: &Arc<FakeClock>) -> [Throttle; 2] {
        let journal = Arc::new(MemoryJournal::new());
        [0, 1].map(|_| {
            let budget = SharedBudget::new(journal.clone(), clock.clone(), "service").share(1.0);
            throttle(clock, Arc::new(budget))
        })
    }

    const ONE: Cost = Cost {
        units: 1.0,
        writes: 0.0,
    };

    #[tokio::test]
    async fn two_processes_spend_what_one_may_and_a_part_is_kept_for_leavers() {
        let clock = FakeClock::new();
        let [one, other] = two(&clock);
        let start = clock.now();
        for _ in 0..3 {
            one.pay(ONE, Priority::Normal).await;
            other.pay(ONE, Priority::Normal).await;
        }
        assert_eq!(clock.now(), start, "eight of ten are for everybody");
        one.pay(ONE, Priority::High).await;
        other.pay(ONE, Priority::High).await;
        assert_eq!(clock.now(), start, "and two for who leaves");
        for _ in 0..3 {
            one.pay(ONE, Priority::Normal).await;
            other.pay(ONE, Priority::Normal).await;
        }
        let passed = clock.now().duration_since(start).as_secs_f64();
        assert!((3.9..12.0).contains(&passed), "{passed}");
    }

    #[tokio::test]
    async fn a_refusal_in_one_process_stops_the_other() {
        for status in [429, 503] {
            let clock = FakeClock::new();
            let fake = Fake::new(move |_, n| {
                let status = if n == 0 { status } else { 200 };
                Ok(answer(status, &[("retry-after", "7")], ""))
            });
            let [one, other] = two(&clock).map(|throttle| {
                Pipeline::builder(fake.clone())
                    .clock(clock.clone())
                    .retry(RetryPolicy::none())
                    .throttle(Arc::new(throttle))
                    .build()
            });
            let ask = async |pipeline: &Pipeline| {
                let request = Request::new(Method::Get, "https://h.example/", "probe");
                pipeline.send(request).await.unwrap().status
            };
            let start = clock.now();
            assert_eq!(ask(&one).await, status);
            for _ in 0..9 {
                tokio::task::yield_now().await;
            }
            assert_eq!(ask(&other).await, 200);
            let passed = clock.now().duration_since(start).as_secs_f64();
            assert!((7.0..9.0).contains(&passed), "{status}: {passed}");
        }
    }

    /// A journal that is away.
    #[derive(Debug)]
    struct Away;

    #[async_trait]
    impl Allowance for Away {
        async fn draw(&self, _: Want) -> Result<Allotment> {
            Err(Error::new(ErrorKind::Storage, "away"))
        }

        async fn refused(&self, _: Duration, _: bool) -> Result<()> {
            Err(Error::new(ErrorKind::Storage, "away"))
        }
    }

    #[tokio::test]
    async fn without_the_journal_a_process_keeps_to_its_own_budget() {
        let clock = FakeClock::new();
        let throttle = throttle(&clock, Arc::new(Away));
        let start = clock.now();
        for _ in 0..10 {
            throttle.pay(ONE, Priority::Normal).await;
        }
        assert_eq!(clock.now(), start);
        throttle.pay(ONE, Priority::Normal).await;
        let passed = clock.now().duration_since(start).as_secs_f64();
        assert!((0.99..1.1).contains(&passed), "{passed}");
    }
}
