//! A request and its answer, free of any HTTP library.

use serde::Serialize;
use serde_json::Value;

use super::problem::Problem;

const LIST: &str = "urn:ietf:params:scim:api:messages:2.0:ListResponse";

/// The HTTP methods of RFC 7644.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// GET (and HEAD)
    Get,
    /// POST
    Post,
    /// PUT
    Put,
    /// PATCH
    Patch,
    /// DELETE
    Delete,
    /// Any other, answered with 405.
    Other,
}

impl Method {
    /// Of an HTTP verb as it stands on the wire.
    pub fn of(verb: &str) -> Self {
        match verb {
            "GET" | "HEAD" => Self::Get,
            "POST" => Self::Post,
            "PUT" => Self::Put,
            "PATCH" => Self::Patch,
            "DELETE" => Self::Delete,
            _ => Self::Other,
        }
    }
}

/// A request to the engine.
#[derive(Clone)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The decoded segments of the path below the engine's root, such as `["Users", "2819c223"]`.
    pub path: Vec<String>,
    /// The decoded query parameters.
    pub query: Vec<(String, String)>,
    /// The `If-Match` header.
    pub if_match: Option<String>,
    /// The `If-None-Match` header.
    pub if_none_match: Option<String>,
    /// The body as received.
    pub body: Vec<u8>,
    /// The engine's root as the client sees it, such as `https://app.example/scim/v2`, without a slash at the end.
    pub base: String,
}

impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The query and the body hold personal data.
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("path", &self.path)
            .finish()
    }
}

impl Request {
    /// A request without parameters, conditions and body.
    pub fn new(method: Method, path: &[&str], base: impl Into<String>) -> Self {
        Self {
            method,
            path: path.iter().map(|&segment| segment.to_owned()).collect(),
            query: Vec::new(),
            if_match: None,
            if_none_match: None,
            body: Vec::new(),
            base: base.into(),
        }
    }

    pub(crate) fn json(&self) -> Result<Value, Problem> {
        serde_json::from_slice(&self.body).map_err(|error| {
            Problem::syntax(format!(
                "the body is no JSON: see line {} column {}",
                error.line(),
                error.column()
            ))
        })
    }
}

/// The engine's answer.
#[derive(Clone)]
#[non_exhaustive]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// The body: JSON text of the type `application/scim+json`.
    pub body: Option<String>,
    /// The `ETag` header.
    pub etag: Option<String>,
    /// The `Location` header.
    pub location: Option<String>,
    /// The `Allow` header.
    pub allow: Option<&'static str>,
}

impl std::fmt::Debug for Response {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Response").field("status", &self.status).finish()
    }
}

impl Response {
    /// An answer without a body.
    pub(crate) fn new(status: u16) -> Self {
        Self {
            status,
            body: None,
            etag: None,
            location: None,
            allow: None,
        }
    }

    pub(crate) fn json(status: u16, body: &impl Serialize) -> Result<Self, Problem> {
        let body = serde_json::to_string(body);
        let body = body.map_err(|_| Problem::new(500, "the answer cannot be written"))?;
        Ok(Self {
            body: Some(body),
            ..Self::new(status)
        })
    }

    /// A ListResponse.
    pub(crate) fn list(total: usize, start: usize, resources: &[impl Serialize]) -> Result<Self, Problem> {
        let body = List {
            schemas: [LIST],
            total_results: total,
            start_index: start,
            items_per_page: resources.len(),
            resources,
        };
        Self::json(200, &body)
    }

    pub(crate) fn not_allowed(allow: &'static str) -> Self {
        Self {
            allow: Some(allow),
            ..Problem::new(405, format!("expected one of: {allow}")).into()
        }
    }
}

impl From<Problem> for Response {
    fn from(problem: Problem) -> Self {
        Self {
            body: Some(problem.body().to_string()),
            ..Self::new(problem.status())
        }
    }
}

/// RFC 7644 section 3.4.2.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct List<'a, T> {
    schemas: [&'static str; 1],
    total_results: usize,
    start_index: usize,
    items_per_page: usize,
    #[serde(rename = "Resources")]
    resources: &'a [T],
}
