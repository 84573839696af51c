//! What is awaited by asyncio: a future of the runtime's, and the way of its outcome to the event loop.
//!
//! An interpreter that ends takes threads apart that run Python at that moment. So whoever of the runtime's threads
//! brings an outcome does it as a [`Visit`], and the interpreter's end waits for visits and lets no new ones begin.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

use iam_core::{Error, ErrorKind, Result};
use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use tokio::sync::oneshot;

use crate::{errors, loops, runtime};

/// How long the interpreter's end waits for visits at most.
const PATIENCE: Duration = Duration::from_secs(5);
static VISITS: AtomicUsize = AtomicUsize::new(0);
static ENDED: AtomicBool = AtomicBool::new(false);

/// A thread of the runtime's that is about to run Python.
#[derive(Debug)]
pub(crate) struct Visit(());

impl Visit {
    /// None once the interpreter ends.
    pub(crate) fn begin() -> Option<Self> {
        VISITS.fetch_add(1, Ordering::SeqCst);
        let visit = Self(());
        (!ENDED.load(Ordering::SeqCst)).then_some(visit)
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        VISITS.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Registered with `atexit`.
#[pyfunction]
fn farewell(py: Python<'_>) {
    ENDED.store(true, Ordering::SeqCst);
    py.detach(|| {
        let started = Instant::now();
        while VISITS.load(Ordering::SeqCst) > 0 && started.elapsed() < PATIENCE {
            thread::sleep(Duration::from_millis(1));
        }
    });
}

/// Has the interpreter's end wait, from the first time on that something is promised or called.
pub(crate) fn attend(py: Python<'_>) -> PyResult<()> {
    static ATTENDED: PyOnceLock<()> = PyOnceLock::new();
    ATTENDED
        .get_or_try_init(py, || {
            let farewell = pyo3::wrap_pyfunction!(farewell, py)?;
            py.import("atexit")?
                .call_method1("register", (farewell,))
                .map(drop)
        })
        .copied()
}

/// Told by the future of asyncio when it is done: of interest where that is because it was cancelled.
#[pyclass(frozen, module = "iam_platform")]
#[derive(Debug)]
struct Watch(Mutex<Option<oneshot::Sender<()>>>);

#[pymethods]
impl Watch {
    fn __call__(&self, future: &Bound<'_, PyAny>) -> PyResult<()> {
        let tell = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(tell) = tell
            && future
                .call_method0(pyo3::intern!(future.py(), "cancelled"))?
                .is_truthy()?
        {
            let _ = tell.send(()); // it may have ended meanwhile
        }
        Ok(())
    }
}

/// Gives a future of asyncio its outcome, on its loop, unless it is done.
#[pyfunction]
fn settle(future: &Bound<'_, PyAny>, kept: bool, outcome: &Bound<'_, PyAny>) -> PyResult<()> {
    let py = future.py();
    if future.call_method0(pyo3::intern!(py, "done"))?.is_truthy()? {
        return Ok(());
    }
    let how = if kept {
        pyo3::intern!(py, "set_result")
    } else {
        pyo3::intern!(py, "set_exception")
    };
    future.call_method1(how, (outcome,)).map(drop)
}

/// Makes the outcome an object of Python's.
type Finish = Box<dyn FnOnce(Python<'_>) -> PyResult<Py<PyAny>> + Send>;
type Work = Pin<Box<dyn Future<Output = Result<Finish>> + Send>>;

/// Schedules a future, and promises what `finish` makes of its outcome. Cancelling the promise drops the future.
pub(crate) fn scheduled<'py, T, U>(
    py: Python<'py>,
    what: impl Future<Output = Result<T>> + Send + 'static,
    finish: fn(T) -> PyResult<U>,
) -> PyResult<Bound<'py, PyAny>>
where
    T: Send + 'static,
    U: for<'a> IntoPyObject<'a> + 'static,
{
    let work = async move {
        let value = what.await?;
        let made: Finish = Box::new(move |py| finish(value)?.into_py_any(py));
        Ok(made)
    };
    promised(py, Box::pin(work))
}

/// The one task of all calls that are awaited: compiled once, where a generic one would be for each of them.
fn promised(py: Python<'_>, work: Work) -> PyResult<Bound<'_, PyAny>> {
    let runtime = runtime::runtime()?;
    attend(py)?;
    let running = pyo3_async_runtimes::get_running_loop(py)?;
    loops::seen(&running);
    let future = running.call_method0(pyo3::intern!(py, "create_future"))?;
    let (tell, mut cancelled) = oneshot::channel();
    let watch = Watch(Mutex::new(Some(tell)));
    future.call_method1(pyo3::intern!(py, "add_done_callback"), (watch,))?;
    let (home, promised) = (running.unbind(), future.clone().unbind());
    runtime.spawn(async move {
        let outcome = tokio::select! {
            biased;
            outcome = caught(work) => outcome,
            Ok(()) = &mut cancelled => return,
        };
        tokio::task::spawn_blocking(move || {
            let Some(_visit) = Visit::begin() else { return };
            Python::attach(|py| deliver(home.bind(py), promised.bind(py), outcome));
        });
    });
    Ok(future)
}

/// A loop that has been closed meanwhile wants to hear nothing.
fn deliver(home: &Bound<'_, PyAny>, promised: &Bound<'_, PyAny>, outcome: Result<Finish>) {
    static SETTLE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let py = home.py();
    let made = outcome.map_err(errors::raised).and_then(|finish| finish(py));
    let (kept, made) = match made {
        Ok(value) => (true, value),
        Err(raised) => (false, raised.into_value(py).into_any()),
    };
    let settle = SETTLE.get_or_try_init(py, || {
        pyo3::wrap_pyfunction!(settle, py).map(|settle| settle.into_any().unbind())
    });
    let _ = settle.and_then(|settle| {
        home.call_method1(
            pyo3::intern!(py, "call_soon_threadsafe"),
            (settle, promised, kept, made),
        )
    });
}

/// The outcome, where a panic is one too: otherwise somebody would wait for ever.
async fn caught(mut work: Work) -> Result<Finish> {
    poll_fn(move |context| {
        catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context))).unwrap_or_else(|_| {
            let message = "the work has died: this is an error of iam_platform";
            Poll::Ready(Err(Error::new(ErrorKind::Other, message)))
        })
    })
    .await
}
