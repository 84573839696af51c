//! Clocks on which waiting takes no time, or for ever.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use iam_core::clock::Clock;
use iam_sandbox::Sandbox;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;

/// Sleeping takes no time and moves it forward.
#[derive(Debug)]
pub(crate) struct TestClock(Mutex<Timestamp>);

impl TestClock {
    /// Starts at 2026-01-01T00:00:00Z.
    pub(crate) fn new() -> Arc<Self> {
        Self::at("2026-01-01T00:00:00Z".parse().unwrap())
    }

    pub(crate) fn at(now: Timestamp) -> Arc<Self> {
        Arc::new(Self(Mutex::new(now)))
    }

    pub(crate) fn advance(&self, by: Duration) {
        let mut now = self.0.lock().unwrap();
        *now = now.checked_add(by).unwrap();
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        self.advance(duration);
        Box::pin(tokio::task::yield_now())
    }
}

/// The sandbox's own clock: sleeping takes no time and moves it forward.
#[derive(Debug)]
pub(crate) struct SandboxClock(pub(crate) Arc<Sandbox>);

impl Clock for SandboxClock {
    fn now(&self) -> Timestamp {
        self.0.now()
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        self.0.advance(duration);
        Box::pin(tokio::task::yield_now())
    }
}

/// It stands until it is moved, and whoever sleeps waits for that.
#[derive(Debug)]
pub(crate) struct StandingClock {
    now: Mutex<Timestamp>,
    moved: Notify,
}

impl StandingClock {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            now: Mutex::new("2026-01-01T00:00:00Z".parse().unwrap()),
            moved: Notify::new(),
        })
    }

    pub(crate) fn advance(&self, by: Duration) {
        let mut now = self.now.lock().unwrap();
        *now = now.checked_add(by).unwrap();
        self.moved.notify_waiters();
    }
}

impl Clock for StandingClock {
    fn now(&self) -> Timestamp {
        *self.now.lock().unwrap()
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        let wait = SignedDuration::try_from(duration).unwrap();
        let until = self.now().checked_add(wait).unwrap();
        Box::pin(async move {
            loop {
                let moved = self.moved.notified();
                if self.now() >= until {
                    return;
                }
                moved.await;
            }
        })
    }
}
