//! Requests out, answers in: the values every client speaks, and the pipeline that carries them.
//!
//! [`Request`] and [`Response`] hold no type of an HTTP library, so that request builders are tested
//! without I/O and a transport can be replaced.

pub mod allowance;
pub mod page;
pub mod pipeline;
pub mod redact;
pub mod retry;
#[cfg(test)]
pub(crate) mod tests;
pub mod throttle;
pub mod transport;

pub use allowance::{Allowance, Requests};
pub use page::{Page, Pager};
pub use pipeline::{Next, Pipeline, PipelineBuilder, Policy};
pub use retry::RetryPolicy;
pub use throttle::{Priority, Throttle};
pub use transport::{HttpTransport, HttpTransportBuilder, Transport};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, ErrorKind, Result};

/// An HTTP method.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
#[non_exhaustive]
pub enum Method {
    Get,
    Head,
    Put,
    Delete,
    Patch,
    Post,
}

impl Method {
    /// The method as it stands on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
            Self::Patch => "PATCH",
            Self::Post => "POST",
        }
    }

    /// Whether repeating the request is harmless. PATCH counts: Graph, ARM and SCIM patches in this
    /// workspace set values, they never add to one.
    pub fn is_idempotent(self) -> bool {
        !matches!(self, Self::Post)
    }
}

/// A request that has not been sent. `Debug` prints neither headers nor body.
#[derive(Clone)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The absolute URL.
    pub url: String,
    /// Header names (any case) and values, in order.
    pub headers: Vec<(String, String)>,
    /// The body's bytes, if any.
    pub body: Option<Vec<u8>>,
    /// What the request is for, in a few words (`"create user"`): stands in errors and logs.
    pub operation: &'static str,
    /// Whether repeating the request is harmless; starts as the method says.
    pub idempotent: bool,
    /// Whose turn it is where a rate budget makes requests wait (normal).
    pub priority: Priority,
}

impl Request {
    /// A request without headers and body.
    pub fn new(method: Method, url: impl Into<String>, operation: &'static str) -> Self {
        Self {
            method,
            url: url.into(),
            headers: Vec::new(),
            body: None,
            operation,
            idempotent: method.is_idempotent(),
            priority: Priority::Normal,
        }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sets a JSON body and its content type.
    pub fn json(mut self, body: &impl Serialize) -> Result<Self> {
        let bytes = serde_json::to_vec(body).map_err(|source| {
            Error::new(ErrorKind::Invalid, "the request body cannot be written as JSON")
                .with_operation(self.operation)
                .with_source(source)
        })?;
        self.body = Some(bytes);
        Ok(self.header("content-type", "application/json"))
    }

    /// Declares that repeating the request is harmless (or not), whatever its method.
    #[must_use]
    pub fn idempotent(mut self, yes: bool) -> Self {
        self.idempotent = yes;
        self
    }
}

impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("operation", &self.operation)
            .finish_non_exhaustive()
    }
}

/// An answer. `Debug` prints neither headers nor body.
#[derive(Clone)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Header names in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// The body's bytes.
    pub body: Vec<u8>,
    /// How many times the request was sent until this answer came: above 1 after retries.
    pub attempts: u32,
}

impl Response {
    /// An answer to the first attempt. Header names are put in lower case.
    pub fn new(status: u16, headers: Vec<(String, String)>, body: impl Into<Vec<u8>>) -> Self {
        let headers = headers
            .into_iter()
            .map(|(name, value)| (name.to_ascii_lowercase(), value))
            .collect();
        Self {
            status,
            headers,
            body: body.into(),
            attempts: 1,
        }
    }

    /// The first header of that name (lower case), if any.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// Whether the status is 2xx.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Reads the body as JSON.
    ///
    /// # Errors
    /// [`ErrorKind::Protocol`], naming the path inside the document that did not fit.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T> {
        // Keeping track of the path costs time in every answer, and only a misfit needs it.
        if let Ok(value) = serde_json::from_slice(&self.body) {
            return Ok(value);
        }
        let mut reader = serde_json::Deserializer::from_slice(&self.body);
        serde_path_to_error::deserialize(&mut reader).map_err(|error| {
            Error::new(
                ErrorKind::Protocol,
                format!("the answer does not fit its schema at `{}`", error.path()),
            )
            .with_status(self.status)
        })
    }
}

impl std::fmt::Debug for Response {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.status)
            .field("bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}
