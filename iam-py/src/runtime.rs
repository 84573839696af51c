//! The one tokio runtime of the process: made at first use, shared by the sync and the async classes.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::process;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use iam_core::{Error, ErrorKind, Result};
use pyo3::exceptions::{PyRuntimeError, PyStopAsyncIteration, PyStopIteration};
use pyo3::prelude::*;
use tokio::runtime::{Builder, Handle, Runtime};

use crate::errors;
use crate::promise::scheduled;

/// The name of its threads.
const NAME: &str = "iam-platform";
/// How long a Ctrl-C may wait while a call waits.
const SIGNALS: Duration = Duration::from_millis(50);

/// With the process that made it: a fork inherits the memory, and none of the threads.
static RUNTIME: OnceLock<(u32, Runtime)> = OnceLock::new();

thread_local! {
    /// Whether this thread of the runtime's is one that may block.
    static MAY_BLOCK: Cell<bool> = const { Cell::new(false) };
}

/// Does something that may block on a thread of the runtime's that is there for it: blocking classes work inside.
pub(crate) async fn blocking<T: Send + 'static>(what: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let noted = move || {
        MAY_BLOCK.set(true);
        let done = what();
        MAY_BLOCK.set(false);
        done
    };
    tokio::task::spawn_blocking(noted).await.ok()
}

/// The runtime.
///
/// # Errors
/// `RuntimeError` in a forked child of the process that made it, where every wait would hang.
pub(crate) fn runtime() -> PyResult<&'static Runtime> {
    if RUNTIME.get().is_none() {
        let built = Builder::new_multi_thread()
            .enable_all()
            .thread_name(NAME)
            .build()
            .map_err(|error| PyRuntimeError::new_err(format!("no runtime could be started: {error}")))?;
        if RUNTIME.set((process::id(), built)).is_ok()
            && let Some((_, runtime)) = RUNTIME.get()
        {
            // It refuses only what came first, and nothing else here starts one.
            let _ = pyo3_async_runtimes::tokio::init_with_runtime(runtime);
        }
    }
    match RUNTIME.get() {
        Some((owner, runtime)) if *owner == process::id() => Ok(runtime),
        _ => Err(PyRuntimeError::new_err(
            "iam_platform was used before this process was forked and does not work in the child: \
             start processes with the spawn method, or use iam_platform first in the child",
        )),
    }
}

/// Waits for it without the GIL. Ctrl-C ends the wait, and what was waited for is dropped.
pub(crate) fn wait<T: Send>(py: Python<'_>, what: impl Future<Output = Result<T>> + Send) -> PyResult<T> {
    let mut outcome = None;
    let kept = &mut outcome;
    waited(py, Box::pin(async move { *kept = Some(what.await) }))?;
    outcome
        .ok_or_else(|| PyRuntimeError::new_err("a call ended without an outcome"))?
        .map_err(errors::raised)
}

/// The one loop of all calls that wait: compiled once, where a generic one would be for each of them.
// The only place that blocks; a path instead of the closure is not general enough.
#[allow(clippy::disallowed_methods, clippy::redundant_closure_for_method_calls)]
fn waited(py: Python<'_>, mut what: Pin<Box<dyn Future<Output = ()> + Send + '_>>) -> PyResult<()> {
    let runtime = runtime()?;
    if Handle::try_current().is_ok() && !MAY_BLOCK.get() {
        return Err(PyRuntimeError::new_err(
            "a blocking call inside of an asynchronous callback: use the Async class there",
        ));
    }
    py.detach(|| {
        runtime.block_on(async {
            loop {
                tokio::select! {
                    () = &mut what => return Ok(()),
                    () = tokio::time::sleep(SIGNALS) => Python::attach(|py| py.check_signals())?,
                }
            }
        })
    })
}

/// Awaits on a thread of its own what cannot move between threads, as far as the compiler can tell.
#[allow(clippy::disallowed_methods)] // that thread may block
pub(crate) async fn apart<T, F>(what: impl FnOnce() -> F + Send + 'static) -> Result<T>
where
    T: Send + 'static,
    F: Future<Output = Result<T>>,
{
    let done = tokio::task::spawn_blocking(move || Handle::current().block_on(what()));
    done.await
        .map_err(|source| Error::new(ErrorKind::Other, "the work has died").with_source(source))?
}

/// Runs something of the caller's on a thread that no Ctrl-C is raised on: there it would be taken for a failure of
/// what it interrupts, and the wait would go on. The GIL must not be held.
pub(crate) fn aside<T: Send>(what: impl FnOnce(Python<'_>) -> T + Send) -> T {
    let ours = thread::current()
        .name()
        .is_some_and(|name| name.starts_with(NAME));
    if ours {
        return Python::attach(what);
    }
    thread::scope(|scope| {
        let run = scope.spawn(|| Python::attach(what));
        run.join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// The same as an awaitable of asyncio. Cancelling it drops what it waits for.
pub(crate) fn promise<'py, T>(
    py: Python<'py>,
    what: impl Future<Output = Result<T>> + Send + 'static,
) -> PyResult<Bound<'py, PyAny>>
where
    T: for<'a> IntoPyObject<'a> + Send + 'static,
{
    scheduled(py, what, Ok)
}

/// The turn of an asynchronous iterator: nothing ends the iteration.
pub(crate) fn turn<'py, T>(
    py: Python<'py>,
    what: impl Future<Output = Result<Option<T>>> + Send + 'static,
) -> PyResult<Bound<'py, PyAny>>
where
    T: for<'a> IntoPyObject<'a> + Send + 'static,
{
    scheduled(py, what, |next| {
        next.ok_or_else(|| PyStopAsyncIteration::new_err(()))
    })
}

/// An awaitable whose outcome is there already: nothing is scheduled for it.
#[pyclass(frozen, module = "iam_platform")]
#[derive(Debug)]
pub(crate) struct Ready(Mutex<Option<Outcome>>);

#[derive(Debug)]
enum Outcome {
    Value(Py<PyAny>),
    /// Of an asynchronous iterator.
    End,
}

impl Ready {
    /// Gives that value to whoever awaits it.
    pub(crate) fn value(value: Py<PyAny>) -> Self {
        Self(Mutex::new(Some(Outcome::Value(value))))
    }

    /// Ends the asynchronous iteration.
    pub(crate) fn end() -> Self {
        Self(Mutex::new(Some(Outcome::End)))
    }
}

#[pymethods]
impl Ready {
    fn __await__(this: Py<Self>) -> Py<Self> {
        this
    }

    fn __iter__(this: Py<Self>) -> Py<Self> {
        this
    }

    fn __next__(&self) -> PyResult<Py<PyAny>> {
        let outcome = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        Err(match outcome {
            Some(Outcome::Value(value)) => PyStopIteration::new_err((value,)),
            Some(Outcome::End) => PyStopAsyncIteration::new_err(()),
            None => PyRuntimeError::new_err("this has been awaited already"),
        })
    }
}

/// Writes the methods of a sync class and of its async twin once. Both classes are tuple structs around what is
/// cloned into `this`; a body ends in an `iam_core::Result`, and is compiled once for both.
macro_rules! twin {
    ($sync:ident, $asynchronous:ident of $inner:ty;
     $( $(#[$meta:meta])* fn $name:ident ( $this:ident $(, $arg:ident : $ty:ty)* $(,)? ) -> $out:ty $body:block )*) => {
        #[allow(unused_braces, clippy::too_many_arguments, clippy::unused_async)] // of one-line bodies; keywords
        const _: () = {
            struct Bodies;

            impl Bodies {
                $( async fn $name($this: $inner $(, $arg: $ty)*) -> iam_core::Result<$out> $body )*
            }

            #[pyo3::pymethods]
            impl $sync {
                $( $(#[$meta])*
                fn $name(&self, py: pyo3::Python<'_> $(, $arg: $ty)*) -> pyo3::PyResult<$out> {
                    $crate::runtime::wait(py, Bodies::$name(self.0.clone() $(, $arg)*))
                } )*
            }

            #[pyo3::pymethods]
            impl $asynchronous {
                $( $(#[$meta])*
                fn $name<'py>(&self, py: pyo3::Python<'py> $(, $arg: $ty)*) -> pyo3::PyResult<pyo3::Bound<'py, pyo3::PyAny>> {
                    $crate::runtime::promise::<$out>(py, Bodies::$name(self.0.clone() $(, $arg)*))
                } )*
            }
        };
    };
}
pub(crate) use twin;
