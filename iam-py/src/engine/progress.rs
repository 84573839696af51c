//! Telling Python how far it is: in the event loop that waits, else on the thread that works.

use std::sync::{Mutex, PoisonError};

use iam_core::engine;
use pyo3::IntoPyObjectExt as _;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::loops::Home;
use crate::results::Progress;
use crate::runtime::aside;

/// A callable of Python's that is told of something. What it raises is reported as unraisable, and stops nothing.
#[derive(Debug)]
pub(crate) struct Watcher {
    tell: Py<PyAny>,
    /// Its loop, where there is one.
    home: Option<Py<PyAny>>,
    is_async: bool,
    /// It is told of one thing at a time. Taken before the GIL, never behind it.
    turn: Mutex<()>,
}

impl<'a, 'py> FromPyObject<'a, 'py> for Watcher {
    type Error = PyErr;

    fn extract(given: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        let py = given.py();
        if !given.is_callable() {
            let message = "expected something that can be called";
            return Err(pyo3::exceptions::PyTypeError::new_err(message));
        }
        let modules = py.import("sys")?.getattr("modules")?;
        let asyncio = modules.cast::<PyDict>()?.get_item("asyncio")?;
        let home = asyncio.and_then(|asyncio| asyncio.call_method0("get_running_loop").ok());
        let is_async = match &home {
            Some(_) => py
                .import("inspect")?
                .call_method1("iscoroutinefunction", (&given,))?
                .is_truthy()?,
            None => false,
        };
        Ok(Self {
            tell: given.to_owned().unbind(),
            home: home.map(Bound::unbind),
            is_async,
            turn: Mutex::default(),
        })
    }
}

impl Watcher {
    /// Told where the engine's callers are: a loop that a sync engine keeps waiting is told of nothing.
    pub(super) fn at(self, home: Home) -> Self {
        match home {
            Home::Callers => self,
            Home::Ours => Self { home: None, ..self },
        }
    }

    pub(crate) fn progress(&self, progress: &engine::Progress<'_>) {
        self.tell(Progress::from(progress));
    }

    pub(crate) fn tell<T: for<'py> IntoPyObject<'py> + Send>(&self, what: T) {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        aside(|py| {
            if let Err(error) = self.call(py, what) {
                error.write_unraisable(py, Some(self.tell.bind(py)));
            }
        });
    }

    fn call<T: for<'py> IntoPyObject<'py>>(&self, py: Python<'_>, what: T) -> PyResult<()> {
        let what = what.into_bound_py_any(py)?;
        match &self.home {
            None => drop(self.tell.call1(py, (what,))?),
            Some(home) if self.is_async => {
                let said = self.tell.call1(py, (what,))?;
                py.import("asyncio")?
                    .call_method1("run_coroutine_threadsafe", (said, home))?;
            }
            Some(home) => drop(home.call_method1(py, "call_soon_threadsafe", (&self.tell, what))?),
        }
        Ok(())
    }
}
