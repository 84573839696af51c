//! The embedded tenant, for tests and first steps.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use iam_core::auth::ClientSecret;
use iam_core::clock::SystemClock;
use iam_core::{Error, ErrorKind, Result, Secret};
use iam_sandbox::Fault;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use serde_json::{Map, Value, json};

use crate::arm::{ArmClient, AsyncArmClient};
use crate::convert::{Json, json, read};
use crate::errors::raised;
use crate::graph::{AsyncGraphClient, GraphClient};
use crate::runtime::{Ready, wait};
use crate::scim::{AsyncScimClient, ScimClient};
use crate::settings::{Given, Settings};

/// A stateful Entra tenant on the loopback, until it is closed.
#[pyclass(frozen, module = "iam_platform")]
#[derive(Debug)]
pub(crate) struct Sandbox {
    tenant: Mutex<Option<Arc<iam_sandbox::Sandbox>>>,
    /// Stays readable once it is closed.
    env: String,
}

impl Sandbox {
    fn open(&self) -> PyResult<Arc<iam_sandbox::Sandbox>> {
        let tenant = self.tenant.lock().unwrap_or_else(PoisonError::into_inner);
        tenant
            .clone()
            .ok_or_else(|| PyRuntimeError::new_err("the sandbox is closed"))
    }

    /// Something of the tenant's, without the GIL: its lock may be held by a request.
    fn ask<T: Send>(
        &self,
        py: Python<'_>,
        what: impl FnOnce(&iam_sandbox::Sandbox) -> T + Send,
    ) -> PyResult<T> {
        let tenant = self.open()?;
        Ok(py.detach(|| what(&tenant)))
    }

    fn stop(&self, py: Python<'_>) {
        let tenant = self.tenant.lock().unwrap_or_else(PoisonError::into_inner).take();
        py.detach(|| drop(tenant));
    }

    /// Where it is, and the application that may sign in.
    fn entry(&self) -> PyResult<(Settings, Arc<ClientSecret>)> {
        let tenant = self.open()?;
        let given = Given {
            authority: Some(tenant.authority().to_owned()),
            graph_url: Some(tenant.graph().to_owned()),
            arm_url: Some(tenant.arm().to_owned()),
            ca_bundle: tenant.ca_file().map(|file| file.display().to_string()),
            ..Given::default()
        };
        let made = || {
            let settings = Settings::new(given)?;
            let credential = ClientSecret::new(
                &settings.cloud,
                tenant.tenant_id(),
                tenant.client_id(),
                Secret::new(tenant.client_secret().to_owned()),
                settings.transport(),
                Arc::new(SystemClock),
            )?;
            Ok((settings, Arc::new(credential)))
        };
        made().map_err(raised)
    }

    fn graph_client(&self) -> PyResult<iam_graph::GraphClient> {
        let (settings, credential) = self.entry()?;
        let transport = settings.transport();
        Ok(
            iam_graph::GraphClient::builder(settings.cloud, credential, transport)
                .limits(None)
                .build(),
        )
    }

    fn arm_client(&self) -> PyResult<iam_arm::ArmClient> {
        let (settings, credential) = self.entry()?;
        let transport = settings.transport();
        iam_arm::ArmClient::new(settings.cloud, credential, transport).map_err(raised)
    }

    fn scim_client(&self) -> PyResult<iam_scim::ScimClient> {
        let (settings, _) = self.entry()?;
        let tenant = self.open()?;
        let token = Secret::new(tenant.scim_token().to_owned());
        iam_scim::ScimClient::new(tenant.scim(), token, settings.transport()).map_err(raised)
    }
}

/// `Retry-After` as a fault has it: whole seconds, a fraction of them, or `{"date": 7}`.
fn retry_after(given: Option<Json>) -> Value {
    match given {
        None => "missing".into(),
        Some(Json(Value::Number(seconds))) if seconds.is_u64() => json!({ "seconds": seconds }),
        Some(Json(Value::Number(seconds))) => json!({ "fraction": seconds }),
        Some(Json(other)) => other,
    }
}

fn refused(why: String) -> PyErr {
    raised(Error::new(ErrorKind::Invalid, why))
}

#[pymethods]
impl Sandbox {
    #[new]
    #[pyo3(signature = (*, seed = 1, people = 0, tls = false, port = 0, empty = false, throttling = false, seats = None,
                        record = None))]
    #[allow(clippy::fn_params_excessive_bools, clippy::too_many_arguments)] // they are keywords
    fn new(
        py: Python<'_>,
        seed: u64,
        people: usize,
        tls: bool,
        port: u16,
        empty: bool,
        throttling: bool,
        seats: Option<std::collections::BTreeMap<String, usize>>,
        record: Option<std::path::PathBuf>,
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
        if let Some(file) = record {
            builder = builder.record(file);
        }
        for (sku, seats) in seats.into_iter().flatten() {
            builder = builder.seats(&sku, seats);
        }
        wait(py, async move {
            let tenant = builder.start().await.map_err(|source| {
                Error::new(
                    ErrorKind::Unavailable,
                    "the sandbox cannot listen on the loopback",
                )
                .with_source(source)
            })?;
            Ok(Self {
                env: tenant.env(),
                tenant: Mutex::new(Some(Arc::new(tenant))),
            })
        })
    }

    /// The lines of its env file.
    fn env_file(&self) -> &str {
        &self.env
    }

    #[getter]
    fn env<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let env = PyDict::new(py);
        for line in self.env.lines() {
            if let Some((name, value)) = line.split_once('=') {
                env.set_item(name, value)?;
            }
        }
        Ok(env)
    }

    #[getter]
    fn authority(&self) -> PyResult<String> {
        Ok(self.open()?.authority().to_owned())
    }

    #[getter]
    fn graph_url(&self) -> PyResult<String> {
        Ok(self.open()?.graph().to_owned())
    }

    #[getter]
    fn arm_url(&self) -> PyResult<String> {
        Ok(self.open()?.arm().to_owned())
    }

    #[getter]
    fn scim_url(&self) -> PyResult<String> {
        Ok(self.open()?.scim().to_owned())
    }

    #[getter]
    fn scim_token(&self) -> PyResult<String> {
        Ok(self.open()?.scim_token().to_owned())
    }

    #[getter]
    fn tenant_id(&self) -> PyResult<String> {
        Ok(self.open()?.tenant_id().to_owned())
    }

    #[getter]
    fn client_id(&self) -> PyResult<String> {
        Ok(self.open()?.client_id().to_owned())
    }

    #[getter]
    fn client_secret(&self) -> PyResult<String> {
        Ok(self.open()?.client_secret().to_owned())
    }

    #[getter]
    fn domain(&self) -> PyResult<String> {
        Ok(self.open()?.domain().to_owned())
    }

    #[getter]
    fn subscription_id(&self) -> PyResult<String> {
        Ok(self.open()?.subscription().to_owned())
    }

    #[getter]
    fn ca_bundle(&self) -> PyResult<Option<String>> {
        Ok(self.open()?.ca_file().map(|file| file.display().to_string()))
    }

    fn graph(&self) -> PyResult<GraphClient> {
        self.graph_client().map(GraphClient)
    }

    fn async_graph(&self) -> PyResult<AsyncGraphClient> {
        self.graph_client().map(AsyncGraphClient)
    }

    fn arm(&self) -> PyResult<ArmClient> {
        self.arm_client().map(ArmClient)
    }

    fn async_arm(&self) -> PyResult<AsyncArmClient> {
        self.arm_client().map(AsyncArmClient)
    }

    fn scim(&self) -> PyResult<ScimClient> {
        self.scim_client().map(ScimClient)
    }

    fn async_scim(&self) -> PyResult<AsyncScimClient> {
        self.scim_client().map(AsyncScimClient)
    }

    #[pyo3(name = "fault")]
    #[pyo3(signature = (kind, *, method = None, path = "**", nth = 1, times = None, probability = 1.0, status = None,
                        retry_after = None, millis = None))]
    #[allow(clippy::too_many_arguments)] // they are keywords
    fn add_fault(
        &self,
        kind: &str,
        method: Option<&str>,
        path: &str,
        nth: u64,
        times: Option<u64>,
        probability: f64,
        status: Option<u16>,
        retry_after: Option<Json>,
        millis: Option<u64>,
    ) -> PyResult<()> {
        let mut effect = Map::from_iter([("kind".to_owned(), kind.into())]);
        let mut set = |name: &str, value: Value| effect.insert(name.to_owned(), value);
        if let Some(status) = status {
            set("status", status.into());
        }
        if let Some(millis) = millis {
            set("millis", millis.into());
        }
        if retry_after.is_some() {
            set("retry_after", self::retry_after(retry_after));
        }
        let mut fault = Map::from_iter([
            ("path".to_owned(), path.into()),
            ("nth".to_owned(), nth.into()),
            ("probability".to_owned(), probability.into()),
            ("effect".to_owned(), effect.into()),
        ]);
        if let Some(method) = method {
            fault.insert("method".to_owned(), method.into());
        }
        if let Some(times) = times {
            fault.insert("times".to_owned(), times.into());
        }
        let fault: Fault = read(Json(fault.into()), "the fault").map_err(raised)?;
        self.open()?.fault(fault);
        Ok(())
    }

    fn faults(&self) -> PyResult<Json> {
        let faults = self.open()?.faults();
        let told = faults.iter().map(|fault| {
            let Json(mut told) = json(fault)?;
            told["fired"] = fault.fired().into();
            Ok(told)
        });
        let told: Result<Vec<Value>> = told.collect();
        told.map(|told| Json(told.into())).map_err(raised)
    }

    fn clear_faults(&self) -> PyResult<()> {
        self.open()?.clear_faults();
        Ok(())
    }

    fn reset(&self, py: Python<'_>) -> PyResult<()> {
        self.ask(py, iam_sandbox::Sandbox::reset)
    }

    fn advance(&self, seconds: f64) -> PyResult<()> {
        let by = Duration::try_from_secs_f64(seconds)
            .map_err(|_| refused("a clock goes forward: seconds are at least 0".to_owned()))?;
        self.open()?.advance(by);
        Ok(())
    }

    #[pyo3(signature = (stopped = true))]
    fn stop_clock(&self, stopped: bool) -> PyResult<()> {
        self.open()?.stop_clock(stopped);
        Ok(())
    }

    #[getter]
    fn now<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let now = self.open()?.now();
        let time = py.import("datetime")?;
        let utc = time.getattr("timezone")?.getattr("utc")?;
        let seconds = Duration::try_from(now.as_duration())
            .unwrap_or_default()
            .as_secs_f64();
        time.getattr("datetime")?
            .call_method1("fromtimestamp", (seconds, utc))
    }

    #[getter]
    fn requests(&self) -> PyResult<u64> {
        Ok(self.open()?.requests())
    }

    fn log(&self, py: Python<'_>) -> PyResult<Json> {
        let log = self.ask(py, iam_sandbox::Sandbox::log)?;
        json(&log).map_err(raised)
    }

    fn state(&self, py: Python<'_>) -> PyResult<Json> {
        self.ask(py, iam_sandbox::Sandbox::state).map(Json)
    }

    fn user(&self, py: Python<'_>, key: &str) -> PyResult<Option<Json>> {
        self.ask(py, |tenant| tenant.user(key).map(Json))
    }

    #[pyo3(signature = (method, path, body = None))]
    fn act(&self, py: Python<'_>, method: &str, path: &str, body: Option<Json>) -> PyResult<Json> {
        let body = body.map(|Json(body)| body);
        self.ask(py, |tenant| tenant.act(method, path, body))?
            .map(Json)
            .map_err(refused)
    }

    #[pyo3(signature = (*, user = None, audience = None, roles = None))]
    fn token(
        &self,
        user: Option<&str>,
        audience: Option<&str>,
        roles: Option<Vec<String>>,
    ) -> PyResult<String> {
        self.open()?.token(user, audience, roles).map_err(refused)
    }

    fn set_token_lifetime(&self, seconds: u64) -> PyResult<()> {
        self.open()?.set_token_lifetime(Duration::from_secs(seconds));
        Ok(())
    }

    fn revoke_tokens(&self) -> PyResult<()> {
        self.open()?.revoke_tokens();
        Ok(())
    }

    fn close(&self, py: Python<'_>) {
        self.stop(py);
    }

    fn __enter__(this: Py<Self>) -> Py<Self> {
        this
    }

    #[pyo3(signature = (*_raised))]
    fn __exit__(&self, py: Python<'_>, _raised: &Bound<'_, PyTuple>) {
        self.stop(py);
    }

    fn __aenter__(this: Py<Self>) -> Ready {
        Ready::value(this.into_any())
    }

    #[pyo3(signature = (*_raised))]
    fn __aexit__(&self, py: Python<'_>, _raised: &Bound<'_, PyTuple>) -> Ready {
        self.stop(py);
        Ready::value(py.None())
    }

    fn __repr__(&self) -> String {
        match self.open() {
            Ok(tenant) => format!("<Sandbox at {}>", tenant.authority()),
            Err(_) => "<Sandbox, closed>".to_owned(),
        }
    }
}
