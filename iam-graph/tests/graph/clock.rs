//! A clock on which waiting takes no time.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use iam_core::clock::Clock;
use iam_sandbox::Sandbox;
use jiff::Timestamp;

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
