//! The port [`Clock`]: what time it is, and waiting.
//!
//! Effective time (start instants, grace, due dates) and waiting come from a `Clock`, so that tests own
//! time. The pure modules take "now" as an argument and use no clock at all.

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

/// Tells the time and waits.
pub trait Clock: Debug + Send + Sync {
    /// The current instant.
    fn now(&self) -> Timestamp;

    /// Completes once `duration` has passed on this clock.
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}

/// A clock that is shared.
pub type SharedClock = Arc<dyn Clock>;

/// The machine's clock, waiting on tokio's timer.
#[cfg(any(feature = "engine", feature = "http"))]
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

#[cfg(any(feature = "engine", feature = "http"))]
impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods)] // the one place that may ask the machine
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    #[allow(clippy::disallowed_methods)]
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(tokio::time::sleep(duration))
    }
}
