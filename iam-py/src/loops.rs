//! Where the awaitables of a caller's own objects run: on the caller's event loop, or on one of ours.
//!
//! Ours is one thread for the process, started at first use. What a sync class calls always runs there: the caller's
//! loop may be the one that waits.

use std::sync::{Mutex, PoisonError};

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyDict;
use pyo3_async_runtimes::TaskLocals;

use crate::promise::{Visit, attend};
use crate::runtime;

/// The event loop that awaited one of our promises last.
static SEEN: Mutex<Option<Py<PyAny>>> = Mutex::new(None);
static OURS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

/// Whose event loop an awaitable is run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Home {
    /// The caller's while it runs, else ours.
    Callers,
    Ours,
}

/// Notes that this event loop runs.
pub(crate) fn seen(running: &Bound<'_, PyAny>) {
    let mut seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    if !seen.as_ref().is_some_and(|seen| seen.is(running)) {
        let before = seen.replace(running.clone().unbind());
        drop(seen);
        drop(before); // may run Python code
    }
}

/// Calls something of the caller's on a thread that may block, and awaits what it gives where that is awaitable.
///
/// # Errors
/// What the call or its awaitable raised.
pub(crate) async fn call<F>(home: Home, what: F) -> PyResult<Py<PyAny>>
where
    F: FnOnce(Python<'_>) -> PyResult<Py<PyAny>> + Send + 'static,
{
    let given = runtime::blocking(move || {
        let Some(_visit) = Visit::begin() else {
            return Err(PyRuntimeError::new_err("the interpreter ends"));
        };
        Python::attach(|py| {
            attend(py)?;
            let given = what(py)?.into_bound(py);
            if !given.hasattr(pyo3::intern!(py, "__await__"))? {
                return Ok(Ok(given.unbind()));
            }
            let locals = TaskLocals::new(home_of(py, home)?);
            pyo3_async_runtimes::into_future_with_locals(&locals, given).map(Err)
        })
    })
    .await
    .ok_or_else(|| PyRuntimeError::new_err("a call of the application's code ended without an outcome"))?;
    match given? {
        Ok(value) => Ok(value),
        Err(promised) => promised.await,
    }
}

fn home_of(py: Python<'_>, home: Home) -> PyResult<Bound<'_, PyAny>> {
    if home == Home::Callers {
        let seen = SEEN
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .as_ref()
            .map(|seen| seen.clone_ref(py).into_bound(py));
        if let Some(seen) = seen
            && seen.call_method0("is_running")?.is_truthy()?
        {
            return Ok(seen);
        }
    }
    OURS.get_or_try_init(py, || started(py))
        .map(|ours| ours.bind(py).clone())
}

fn started(py: Python<'_>) -> PyResult<Py<PyAny>> {
    let ours = py.import("asyncio")?.call_method0("new_event_loop")?;
    let how = PyDict::new(py);
    how.set_item("target", ours.getattr("run_forever")?)?;
    how.set_item("name", "iam-platform-loop")?;
    how.set_item("daemon", true)?;
    py.import("threading")?
        .getattr("Thread")?
        .call((), Some(&how))?
        .call_method0("start")?;
    Ok(ours.unbind())
}
