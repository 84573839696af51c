//! Failures as Python exceptions: the classes stand in `iam_platform.errors`, found by the kind's name.

use std::error::Error as _;

use iam_core::Error;
use iam_core::error::Retry;
use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyDict;
use serde_json::{Map, Value};

use crate::convert::Json;

/// `iam_platform.errors.raised`: a kind's name and facts in, an exception out.
static RAISED: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

/// The exception for a failure, its causes as a chain of `__cause__`.
pub(crate) fn raised(error: Error) -> PyErr {
    Python::attach(|py| exception(py, &error).unwrap_or_else(|broken| broken))
}

fn exception(py: Python<'_>, error: &Error) -> PyResult<PyErr> {
    let class = RAISED.get_or_try_init(py, || {
        py.import("iam_platform.errors")?
            .getattr("raised")
            .map(Bound::unbind)
    })?;
    let facts = PyDict::new(py);
    facts.set_item("code", error.code())?;
    facts.set_item("status", error.status())?;
    facts.set_item("request_id", error.request_id())?;
    facts.set_item("client_request_id", error.client_request_id())?;
    facts.set_item("operation", error.operation())?;
    facts.set_item("reason", error.reason())?;
    facts.set_item("property", error.property())?;
    if let Some(body) = error.body() {
        facts.set_item("body", answered(body))?;
    }
    let (retry, after) = match error.retry() {
        Retry::After(after) => ("after", after),
        Retry::Exhausted => ("exhausted", None),
        _ => ("never", None),
    };
    facts.set_item("retry", retry)?;
    facts.set_item("retry_after", after.map(|after| after.as_secs_f64()))?;
    let made = class.call(py, (error.kind().as_str(), error.to_string()), Some(&facts))?;
    let made = PyErr::from_value(made.into_bound(py));
    if let Some(cause) = error.source() {
        made.set_cause(py, Some(cause_of(py, cause)?));
    }
    Ok(made)
}

/// The service's answer: an object of JSON, or nothing.
fn answered(body: &[u8]) -> Option<Json> {
    let body: Map<String, Value> = serde_json::from_slice(body).ok()?;
    Some(Json(Value::Object(body)))
}

fn cause_of(py: Python<'_>, cause: &(dyn std::error::Error + 'static)) -> PyResult<PyErr> {
    // What a callback of the caller raised comes back as it was.
    if let Some(theirs) = cause.downcast_ref::<PyErr>() {
        return Ok(theirs.clone_ref(py));
    }
    if let Some(ours) = cause.downcast_ref::<Error>() {
        return exception(py, ours);
    }
    let inside = cause
        .downcast_ref::<std::io::Error>()
        .and_then(std::io::Error::get_ref);
    if let Some(inside) = inside {
        return cause_of(py, inside);
    }
    let made = PyException::new_err(cause.to_string());
    if let Some(next) = cause.source() {
        made.set_cause(py, Some(cause_of(py, next)?));
    }
    Ok(made)
}
