//! The engine: what HR says goes in, plans come out, and are carried out.

mod decide;
mod fleet;
mod look;
mod open;
mod progress;
mod survey;
mod work;

pub(crate) use open::Inner;

use std::sync::Arc;

use pyo3::prelude::*;

use crate::clock::Clock;
use crate::loops::Home;
use crate::policy::Policy;
use crate::runtime::{self, promise, wait};
use open::{Options, Scim};

/// Brings people to policy; its calls wait.
#[pyclass(frozen, module = "iam_platform")]
#[derive(Debug)]
pub(crate) struct Engine(pub(crate) Arc<Inner>);

/// Brings people to policy; its calls are awaited.
#[pyclass(frozen, module = "iam_platform")]
#[derive(Debug)]
pub(crate) struct AsyncEngine(pub(crate) Arc<Inner>);

/// The arguments of `open`, once for both classes.
macro_rules! opening {
    ($class:ident, $home:expr, $py:ident, $options:ident => $answer:ty $body:block) => {
        #[pymethods]
        impl $class {
            #[staticmethod]
            #[pyo3(signature = (policy, *, journal = None, tenant_id = None, graph = None, arm = None, scim = None,
                                notifier = None, orchestrator = None, access_policy = None, applications = None, actor = None,
                                concurrency = None, clock = None, gates = None, accept_repeats = None,
                                schema = None, checkpoint = None))]
            #[allow(clippy::too_many_arguments)] // keywords
            fn open<'py>(
                $py: Python<'py>,
                policy: crate::policy::Given,
                journal: Option<String>,
                tenant_id: Option<String>,
                graph: Option<Bound<'py, PyAny>>,
                arm: Option<Bound<'py, PyAny>>,
                scim: Option<Scim>,
                notifier: Option<Bound<'py, PyAny>>,
                orchestrator: Option<Bound<'py, PyAny>>,
                access_policy: Option<Bound<'py, PyAny>>,
                applications: Option<std::collections::BTreeMap<String, Bound<'py, PyAny>>>,
                actor: Option<String>,
                concurrency: Option<usize>,
                clock: Option<Clock>,
                gates: Option<crate::convert::Json>,
                accept_repeats: Option<Vec<String>>,
                schema: Option<String>,
                checkpoint: Option<String>,
            ) -> PyResult<$answer> {
                let $options = Options::new(
                    $py, policy.0, journal, tenant_id, (graph, arm, scim), (notifier, orchestrator, access_policy, applications),
                    (actor, concurrency, clock, gates, accept_repeats, schema, checkpoint), $home,
                )?;
                $body
            }
        }
    };
}

opening! { Engine, Home::Ours, py, options => Self {
    let inner = wait(py, options.open())?;
    Ok(Self(Arc::new(inner)))
} }
opening! { AsyncEngine, Home::Callers, py, options => Bound<'py, PyAny> {
    promise(py, async move { options.open().await.map(|inner| AsyncEngine(Arc::new(inner))) })
} }

#[pymethods]
impl Engine {
    fn __enter__(this: PyRef<'_, Self>) -> PyRef<'_, Self> {
        this
    }

    fn __exit__(
        &self,
        py: Python<'_>,
        _kind: Py<PyAny>,
        _error: Py<PyAny>,
        _trace: Py<PyAny>,
    ) -> PyResult<()> {
        let inner = self.0.clone();
        runtime::wait(py, async move { inner.close().await })
    }

    #[getter]
    fn policy(&self) -> Policy {
        self.0.policy()
    }

    fn __repr__(&self) -> String {
        format!("Engine({})", self.0.shown())
    }
}

#[pymethods]
impl AsyncEngine {
    fn __aenter__(this: Py<Self>, py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
        promise(py, async move { Ok(this) })
    }

    fn __aexit__<'py>(
        &self,
        py: Python<'py>,
        _kind: Py<PyAny>,
        _error: Py<PyAny>,
        _trace: Py<PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let inner = self.0.clone();
        promise(py, async move { inner.close().await })
    }

    #[getter]
    fn policy(&self) -> Policy {
        self.0.policy()
    }

    fn __repr__(&self) -> String {
        format!("AsyncEngine({})", self.0.shown())
    }
}
