//! The embedded tenant, for tests and first steps.

use std::sync::Mutex;

use iam_core::{Error, ErrorKind};
use pyo3::prelude::*;

use crate::runtime;

/// A stateful Entra tenant on the loopback, as long as it lives.
#[pyclass(frozen, module = "iam_platform")]
#[derive(Debug)]
pub(crate) struct Sandbox {
    tenant: Mutex<Option<iam_sandbox::Sandbox>>,
    env: String,
}

#[pymethods]
impl Sandbox {
    #[new]
    #[pyo3(signature = (*, seed = 1, people = 0, tls = false, port = 0, empty = false, throttling = false))]
    fn new(
        py: Python<'_>,
        seed: u64,
        people: usize,
        tls: bool,
        port: u16,
        empty: bool,
        throttling: bool,
    ) -> PyResult<Self> {
        let mut builder = iam_sandbox::Sandbox::builder()
            .seed(seed)
            .people(people)
            .port(port)
            .throttling(throttling);
        if tls {
            builder = builder.tls();
        }
        if empty {
            builder = builder.empty();
        }
        runtime::wait(py, async move {
            let tenant = builder.start().await.map_err(|source| {
                Error::new(
                    ErrorKind::Unavailable,
                    "the sandbox cannot listen on the loopback",
                )
                .with_source(source)
            })?;
            Ok(Self {
                env: tenant.env(),
                tenant: Mutex::new(Some(tenant)),
            })
        })
    }

    /// The lines of its env file.
    fn env_file(&self) -> &str {
        &self.env
    }

    fn close(&self, py: Python<'_>) {
        let tenant = self.tenant.lock().ok().and_then(|mut tenant| tenant.take());
        py.detach(|| drop(tenant));
    }
}
