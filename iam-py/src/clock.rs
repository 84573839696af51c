//! Effective time under somebody's hand: for tests and simulations.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant as Moment};

use iam_core::clock::{Clock as _, SharedClock, SystemClock};
use iam_core::{Error, ErrorKind};
use jiff::{SignedDuration, Timestamp};
use pyo3::prelude::*;

use crate::errors::raised;
use crate::results::Instant;

/// A clock that runs from a given instant on, and can be put forward.
#[pyclass(frozen, from_py_object, module = "iam_platform")]
#[derive(Debug, Clone)]
pub(crate) struct Clock(Arc<Running>);

#[derive(Debug)]
struct Running {
    from: Mutex<Timestamp>,
    since: Moment,
}

impl iam_core::clock::Clock for Running {
    fn now(&self) -> Timestamp {
        let passed = SignedDuration::try_from(self.since.elapsed()).unwrap_or_default();
        let from = *self.from.lock().unwrap_or_else(PoisonError::into_inner);
        from.saturating_add(passed).unwrap_or(Timestamp::MAX)
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async move { SystemClock.sleep(duration).await })
    }
}

impl Clock {
    pub(crate) fn shared(self) -> SharedClock {
        self.0
    }
}

#[pymethods]
impl Clock {
    #[new]
    #[pyo3(signature = (at = None))]
    fn new(at: Option<Instant>) -> Self {
        let from = at.map_or_else(Timestamp::now, |at| at.0);
        Self(Arc::new(Running {
            from: Mutex::new(from),
            since: Moment::now(),
        }))
    }

    fn now(&self) -> Instant {
        Instant(self.0.now())
    }

    fn advance(&self, seconds: f64) -> PyResult<()> {
        let by = SignedDuration::try_from_secs_f64(seconds).map_err(|error| {
            raised(Error::new(
                ErrorKind::Invalid,
                format!("{seconds} are no seconds: {error}"),
            ))
        })?;
        let mut from = self.0.from.lock().unwrap_or_else(PoisonError::into_inner);
        *from = from.saturating_add(by).unwrap_or(Timestamp::MAX);
        Ok(())
    }

    fn __repr__(&self) -> String {
        format!("Clock({:?})", self.0.now().to_string())
    }
}
