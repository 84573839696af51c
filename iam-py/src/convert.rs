//! The one door for values: JSON text, a mapping or a pydantic model in; plain dicts out.

use iam_core::{Error, ErrorKind, Result};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// A value that goes to Python as plain dicts, lists and scalars, and comes from JSON text (`str` or `bytes`), from
/// dicts, lists and scalars, or from anything with pydantic's `model_dump`.
#[derive(Clone, Serialize)]
#[serde(transparent)]
pub(crate) struct Json(pub(crate) Value);

impl Json {
    /// A value that always has a JSON form.
    pub(crate) fn of(value: &impl Serialize) -> Self {
        Self(serde_json::to_value(value).unwrap_or_default())
    }
}

/// It may be somebody's data.
impl std::fmt::Debug for Json {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Json")
    }
}

impl<'py> IntoPyObject<'py> for Json {
    type Target = PyAny;
    type Output = Bound<'py, PyAny>;
    type Error = PyErr;

    fn into_pyobject(self, py: Python<'py>) -> PyResult<Self::Output> {
        Ok(pythonize::pythonize(py, &self.0)?)
    }
}

impl<'a, 'py> FromPyObject<'a, 'py> for Json {
    type Error = PyErr;

    fn extract(given: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        value(&given.to_owned()).map(Self)
    }
}

/// What serialises, as a plain Python value.
pub(crate) fn json(value: &impl Serialize) -> Result<Json> {
    serde_json::to_value(value).map(Json).map_err(|source| {
        Error::new(ErrorKind::Other, "a value could not be written as JSON").with_source(source)
    })
}

fn value(given: &Bound<'_, PyAny>) -> PyResult<Value> {
    let text = |bytes: &[u8]| {
        serde_json::from_slice(bytes)
            .map_err(|error| PyValueError::new_err(format!("this is not JSON: {error}")))
    };
    if let Ok(given) = given.cast::<PyString>() {
        return text(given.to_str()?.as_bytes());
    }
    if let Ok(given) = given.cast::<PyBytes>() {
        return text(given.as_bytes());
    }
    if given.hasattr("model_dump")? {
        let how = PyDict::new(given.py());
        how.set_item("mode", "json")?;
        how.set_item("by_alias", true)?;
        how.set_item("exclude_unset", true)?;
        return value(&given.call_method("model_dump", (), Some(&how))?);
    }
    pythonize::depythonize(given)
        .map_err(|error| PyTypeError::new_err(format!("this cannot be written as JSON: {error}")))
}

/// Reads a value of ours out of what Python gave; an error names the place (`employments[2].startDate`).
pub(crate) fn read<T: DeserializeOwned>(given: Json, what: &str) -> Result<T> {
    serde_path_to_error::deserialize(given.0).map_err(|error| {
        let place = error.path().to_string();
        let place = if place == "." {
            String::new()
        } else {
            format!(" at {place}")
        };
        Error::new(ErrorKind::Invalid, format!("{what}{place}: {}", error.inner()))
    })
}
