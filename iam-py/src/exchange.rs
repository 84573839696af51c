//! Requests of any kind, and their answers as they are.

use std::ops::Deref;

use iam_core::http::{Method, Request, Response as Answer};
use iam_core::{Error, ErrorKind, Result};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use serde_json::Value;

use crate::convert::Json;
use crate::errors::raised;

const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');
/// Names of query options keep their `$`, so that logs stay readable.
const NAME: &AsciiSet = &RESERVED.remove(b'$');

/// One segment of a path: an id or a name.
pub(crate) fn segment(id: &str) -> String {
    utf8_percent_encode(id, RESERVED).to_string()
}

/// An id, or another name that becomes a segment of a path. One that would make another path of it is refused.
#[derive(Debug)]
pub(crate) struct Id(String);

impl Deref for Id {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl From<Id> for String {
    fn from(id: Id) -> Self {
        id.0
    }
}

impl<'a, 'py> FromPyObject<'a, 'py> for Id {
    type Error = PyErr;

    fn extract(given: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        let id: String = given.extract()?;
        match id.trim() {
            "" => Err(raised(Error::new(ErrorKind::Invalid, "an id is empty"))),
            "." | ".." => Err(raised(Error::new(ErrorKind::Invalid, "an id consists of dots"))),
            // A word of OData's, percent-encoded or not: `/users/$count`.
            word if word.starts_with('$') => {
                let message = "an id begins with a dollar sign";
                Err(raised(Error::new(ErrorKind::Invalid, message)))
            }
            _ => Ok(Self(id)),
        }
    }
}

/// What an answer holds, as JSON; nothing for an empty one.
pub(crate) fn body(answer: &Answer) -> Result<Json> {
    if answer.body.is_empty() {
        return Ok(Json(Value::Null));
    }
    answer.json().map(Json)
}

/// A method by its name, in any case.
pub(crate) fn method(name: &str) -> Result<Method> {
    let known = [
        Method::Get,
        Method::Head,
        Method::Put,
        Method::Delete,
        Method::Patch,
        Method::Post,
    ];
    known
        .into_iter()
        .find(|method| method.as_str().eq_ignore_ascii_case(name))
        .ok_or_else(|| {
            let message = format!("{name:?} is no method: GET, HEAD, PUT, DELETE, PATCH or POST");
            Error::new(ErrorKind::Invalid, message)
        })
}

/// Texts by name, out of a mapping; values that are no text are written as JSON is (`true`, `7`).
#[derive(Debug, Default)]
pub(crate) struct Pairs(Vec<(String, String)>);

impl<'a, 'py> FromPyObject<'a, 'py> for Pairs {
    type Error = PyErr;

    fn extract(given: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        let Json(Value::Object(pairs)) = given.extract()? else {
            return Err(PyValueError::new_err("a mapping of names to texts is expected"));
        };
        let text = |value: Value| match value {
            Value::String(text) => text,
            other => other.to_string(),
        };
        Ok(Self(
            pairs
                .into_iter()
                .map(|(name, value)| (name, text(value)))
                .collect(),
        ))
    }
}

/// A request that a caller describes.
#[derive(Debug)]
pub(crate) struct Wish {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) json: Option<Json>,
    pub(crate) content: Option<Vec<u8>>,
    pub(crate) params: Option<Pairs>,
    pub(crate) headers: Option<Pairs>,
}

impl Wish {
    /// # Errors
    /// `Invalid` for a method that is none.
    pub(crate) fn build(self, build: impl FnOnce(Method, &str, &'static str) -> Request) -> Result<Request> {
        let mut path = self.path;
        for (name, value) in self.params.unwrap_or_default().0 {
            path.push(if path.contains('?') { '&' } else { '?' });
            path.extend(utf8_percent_encode(&name, NAME));
            path.push('=');
            path.push_str(&segment(&value));
        }
        let mut request = build(method(&self.method)?, &path, "request");
        if let Some(json) = &self.json {
            request = request.json(&json.0)?;
        } else if let Some(content) = self.content {
            request.body = Some(content);
        }
        for (name, value) in self.headers.unwrap_or_default().0 {
            request
                .headers
                .retain(|(known, _)| !known.eq_ignore_ascii_case(&name));
            request = request.header(name, value);
        }
        Ok(request)
    }
}

/// A service's answer, whatever its status.
#[pyclass(frozen, module = "iam_platform")]
#[derive(Debug)]
pub(crate) struct Response(pub(crate) Answer);

#[pymethods]
impl Response {
    #[getter]
    fn status(&self) -> u16 {
        self.0.status
    }

    #[getter]
    fn ok(&self) -> bool {
        self.0.is_success()
    }

    /// Names in lower case; of a header that came more than once, the values joined by a comma.
    #[getter]
    fn headers<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let headers = PyDict::new(py);
        for (name, value) in &self.0.headers {
            match headers.get_item(name)? {
                Some(before) => {
                    headers.set_item(name, format!("{}, {value}", before.extract::<String>()?))?;
                }
                None => headers.set_item(name, value)?,
            }
        }
        Ok(headers)
    }

    #[getter]
    fn content<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.body)
    }

    #[getter]
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.body).into_owned()
    }

    #[getter]
    fn attempts(&self) -> u32 {
        self.0.attempts
    }

    fn json(&self) -> PyResult<Json> {
        serde_json::from_slice(&self.0.body)
            .map(Json)
            .map_err(|error| PyValueError::new_err(format!("the answer is not JSON: {error}")))
    }

    fn __repr__(&self) -> String {
        format!("<Response {} of {} bytes>", self.0.status, self.0.body.len())
    }
}
