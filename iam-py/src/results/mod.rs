//! What engine and policy answer, as frozen classes: attributes, `to_dict()`, and a `repr` without personal data.

mod explained;
mod kept;
mod planned;
mod ruled;
mod run;
mod vouched;

pub(crate) use explained::*;
pub(crate) use kept::*;
pub(crate) use planned::*;
pub(crate) use ruled::*;
pub(crate) use run::*;
pub(crate) use vouched::*;

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyString, PyTuple};
use serde::{Serialize, Serializer};
use serde_json::Value;

/// A tuple of results. It is made at the first look, and the same afterwards.
pub(crate) struct List<T>(Arc<(Vec<T>, PyOnceLock<Py<PyTuple>>)>);

impl<T> Clone for List<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> fmt::Debug for List<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}>", self.0.0.len())
    }
}

impl<T> List<T> {
    pub(crate) fn of<S>(items: impl IntoIterator<Item = S>) -> Self
    where
        T: From<S>,
    {
        items.into_iter().map(T::from).collect()
    }
}

impl<T> FromIterator<T> for List<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        Self(Arc::new((items.into_iter().collect(), PyOnceLock::new())))
    }
}

impl<T: Serialize> Serialize for List<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.0.serialize(serializer)
    }
}

impl<'py, T: Clone + IntoPyObject<'py>> IntoPyObject<'py> for List<T> {
    type Target = PyTuple;
    type Output = Bound<'py, PyTuple>;
    type Error = PyErr;

    fn into_pyobject(self, py: Python<'py>) -> PyResult<Self::Output> {
        let (items, tuple) = &*self.0;
        let tuple = tuple.get_or_try_init(py, || PyTuple::new(py, items.iter().cloned()).map(Bound::unbind));
        tuple.map(|tuple| tuple.bind(py).clone())
    }
}

/// An instant: an aware `datetime` in UTC; from a `datetime` with a time zone, or text of ISO 8601.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(transparent)]
pub(crate) struct Instant(pub(crate) Timestamp);

impl<'py> IntoPyObject<'py> for Instant {
    type Target = PyAny;
    type Output = Bound<'py, PyAny>;
    type Error = PyErr;

    fn into_pyobject(self, py: Python<'py>) -> PyResult<Self::Output> {
        // As Python 3.10 reads it: six digits behind the point, and no Z.
        let text = self.0.strftime("%Y-%m-%dT%H:%M:%S.%6f+00:00").to_string();
        iso(py, "datetime", &text)
    }
}

impl<'a, 'py> FromPyObject<'a, 'py> for Instant {
    type Error = PyErr;

    fn extract(given: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        let text = match given.cast::<PyString>() {
            Ok(text) => text.to_string(),
            Err(_) if given.hasattr("isoformat")? => given.call_method0("isoformat")?.extract()?,
            Err(_) => {
                return Err(PyTypeError::new_err(
                    "expected a datetime with a time zone, or text of ISO 8601",
                ));
            }
        };
        text.parse().map(Self).map_err(|_| {
            PyValueError::new_err(format!(
                "{text:?} is no instant: expected a date and a time with its offset, as 2026-11-24T09:00:00Z"
            ))
        })
    }
}

/// A civil date: a `date`; from a `date` or `yyyy-mm-dd`.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(transparent)]
pub(crate) struct Day(pub(crate) Date);

impl<'py> IntoPyObject<'py> for Day {
    type Target = PyAny;
    type Output = Bound<'py, PyAny>;
    type Error = PyErr;

    fn into_pyobject(self, py: Python<'py>) -> PyResult<Self::Output> {
        iso(py, "date", &self.0.to_string())
    }
}

impl<'a, 'py> FromPyObject<'a, 'py> for Day {
    type Error = PyErr;

    fn extract(given: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        let text = given.str()?.to_string();
        let day = text.parse().map(Self);
        day.map_err(|_| PyValueError::new_err(format!("{text:?} is no date: expected yyyy-mm-dd")))
    }
}

fn iso<'py>(py: Python<'py>, class: &str, text: &str) -> PyResult<Bound<'py, PyAny>> {
    py.import("datetime")?
        .getattr(class)?
        .call_method1("fromisoformat", (text,))
}

/// A value as a `repr` shows it: lists are counted, nothing else is nested.
pub(crate) fn shown(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(Value::Null) => "None".to_owned(),
        Ok(Value::Bool(true)) => "True".to_owned(),
        Ok(Value::Bool(false)) => "False".to_owned(),
        Ok(Value::Array(items)) => format!("<{}>", items.len()),
        Ok(Value::Object(_)) | Err(_) => "…".to_owned(),
        Ok(plain) => plain.to_string(),
    }
}

/// The word by which a value of a closed set is serialised.
pub(crate) fn word(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(word)) => word,
        _ => String::new(),
    }
}

/// Declares frozen classes. In brackets: the attributes that `repr` shows, none of them personal data.
macro_rules! results {
    ($( $(#[$meta:meta])* $name:ident [$($shown:ident),* $(,)?] { $( $(#[$about:meta])* $field:ident : $ty:ty ),* $(,)? } )*) => { $(
        $(#[$meta])*
        #[pyo3::pyclass(frozen, get_all, module = "iam_platform")]
        #[derive(Clone, serde::Serialize)]
        #[allow(clippy::struct_field_names)] // the names are Python's
        pub(crate) struct $name { $( $(#[$about])* pub(crate) $field: $ty ),* }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                let shown: Vec<String> =
                    vec![$( format!("{}={}", stringify!($shown), $crate::results::shown(&self.$shown)) ),*];
                write!(f, "{}({})", stringify!($name), shown.join(", "))
            }
        }

        #[pyo3::pymethods]
        impl $name {
            fn __repr__(&self) -> String {
                format!("{self:?}")
            }

            /// The whole as plain dicts, lists and scalars.
            fn to_dict(&self) -> pyo3::PyResult<$crate::convert::Json> {
                $crate::convert::json(self).map_err($crate::errors::raised)
            }
        }
    )* };
}
pub(crate) use results;

/// Gives classes that tell their whole in a paragraph, `text`, a `str()`.
macro_rules! spoken {
    ($($name:ident),*) => { $(
        #[pyo3::pymethods]
        impl $name {
            fn __str__(&self) -> &str {
                &self.text
            }
        }
    )* };
}
pub(crate) use spoken;
