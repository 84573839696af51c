//! A request and its answer, free of any HTTP library.

use serde_json::{Value, json};

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
    /// The JSON body, of the type `application/scim+json`.
    pub body: Option<Value>,
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
    pub(crate) fn new(status: u16, body: Option<Value>) -> Self {
        Self {
            status,
            body,
            etag: None,
            location: None,
            allow: None,
        }
    }

    /// A ListResponse.
    pub(crate) fn list(total: usize, start: usize, resources: Vec<Value>) -> Self {
        let body = json!({
            "schemas": [LIST],
            "totalResults": total,
            "startIndex": start,
            "itemsPerPage": resources.len(),
            "Resources": Value::Array(resources),
        });
        Self::new(200, Some(body))
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
        Self::new(problem.status(), Some(problem.body()))
    }
}
