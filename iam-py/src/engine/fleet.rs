//! Workers that go on until they are stopped.

use std::sync::Arc;
use std::time::Duration;

use iam_core::clock::{Clock as _, SystemClock};
use iam_core::engine::Fleet;
use iam_core::{Error, ErrorKind, Result};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use tokio::sync::oneshot;

use super::progress::Watcher;
use super::{AsyncEngine, Engine, Inner};
use crate::errors::raised;
use crate::results::FleetReport;
use crate::runtime::{aside, promise, wait};

/// How often it is asked whether to stop.
const LOOK: Duration = Duration::from_millis(200);

/// An event (of `threading` or `asyncio`) that is set, or a callable that says yes, when work is to stop.
#[derive(Debug)]
struct Stop(Py<PyAny>);

impl<'a, 'py> FromPyObject<'a, 'py> for Stop {
    type Error = PyErr;

    fn extract(given: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if let Some(is_set) = given.getattr_opt("is_set")? {
            return Ok(Self(is_set.unbind()));
        }
        if given.is_callable() {
            return Ok(Self(given.to_owned().unbind()));
        }
        Err(PyTypeError::new_err(
            "stop is an Event, or something that can be called and says whether to stop",
        ))
    }
}

impl Stop {
    async fn comes(&self) {
        loop {
            let said = aside(
                |py| match self.0.bind(py).call0().and_then(|said| said.is_truthy()) {
                    Ok(said) => said,
                    Err(error) => {
                        // Nobody could stop it any more.
                        error.write_unraisable(py, Some(self.0.bind(py)));
                        true
                    }
                },
            );
            if said {
                return;
            }
            SystemClock.sleep(LOOK).await;
        }
    }
}

struct Manner {
    workers: Option<usize>,
    stop: Option<Stop>,
    progress: Option<Watcher>,
    lease: Option<Duration>,
    grace: Option<Duration>,
}

impl Manner {
    fn new(
        workers: Option<usize>,
        stop: Option<Stop>,
        progress: Option<Watcher>,
        lease: Option<f64>,
        grace: Option<f64>,
    ) -> PyResult<Self> {
        let seconds = |name: &str, given: Option<f64>| {
            let read = |seconds| {
                Duration::try_from_secs_f64(seconds).map_err(|_| {
                    raised(Error::new(
                        ErrorKind::Invalid,
                        format!("{name} is no number of seconds"),
                    ))
                })
            };
            given.map(read).transpose()
        };
        Ok(Self {
            workers,
            stop,
            progress,
            lease: seconds("lease", lease)?,
            grace: seconds("grace", grace)?,
        })
    }
}

/// Works on a task of its own. Whoever drops this stops the workers, which then finish what they have begun; closing
/// the engine waits for them.
async fn crew(this: Arc<Inner>, manner: Manner) -> Result<FleetReport> {
    let running = this.crews.clone().read_owned().await;
    let mut fleet = Fleet::new(this.engine.clone());
    if let Some(workers) = manner.workers {
        fleet = fleet.workers(workers);
    }
    if let Some(lease) = manner.lease {
        fleet = fleet.lease(lease);
    }
    if let Some(grace) = manner.grace {
        fleet = fleet.grace(grace);
    }
    if let Some(watcher) = manner.progress {
        let watcher = watcher.at(this.home);
        fleet = fleet.progress(move |progress| watcher.progress(&progress));
    }
    let (awaited, dropped) = oneshot::channel::<()>();
    let stop = manner.stop;
    let work = tokio::spawn(async move {
        let asked = async {
            match &stop {
                Some(stop) => stop.comes().await,
                None => std::future::pending().await,
            }
        };
        let shutdown = async {
            tokio::select! {
                () = asked => {}
                _ = dropped => {}
            }
        };
        let report = fleet.run(shutdown).await;
        drop(running);
        report
    });
    let report = work.await;
    drop(awaited);
    let died = |source| Error::new(ErrorKind::Other, "the workers have died").with_source(source);
    Ok(report.map_err(died)??.into())
}

#[pymethods]
impl Engine {
    /// Ctrl-C stops the workers, and is raised once they have finished; a second one does not wait.
    #[pyo3(signature = (workers = None, *, stop = None, progress = None, lease = None, grace = None))]
    fn run_worker(
        &self,
        py: Python<'_>,
        workers: Option<usize>,
        stop: Option<Stop>,
        progress: Option<Watcher>,
        lease: Option<f64>,
        grace: Option<f64>,
    ) -> PyResult<FleetReport> {
        let manner = Manner::new(workers, stop, progress, lease, grace)?;
        let report = wait(py, crew(self.0.clone(), manner));
        if report.is_err() {
            let crews = self.0.crews.clone();
            wait(py, async move {
                drop(crews.write().await);
                Ok(())
            })?;
        }
        report
    }
}

#[pymethods]
impl AsyncEngine {
    /// Cancelling it stops the workers, which finish in the background: `close` waits for them.
    #[pyo3(signature = (workers = None, *, stop = None, progress = None, lease = None, grace = None))]
    fn run_worker<'py>(
        &self,
        py: Python<'py>,
        workers: Option<usize>,
        stop: Option<Stop>,
        progress: Option<Watcher>,
        lease: Option<f64>,
        grace: Option<f64>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let manner = Manner::new(workers, stop, progress, lease, grace)?;
        promise(py, crew(self.0.clone(), manner))
    }
}
