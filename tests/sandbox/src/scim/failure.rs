//! Refusals as RFC 7644, 3.12 has them.

use serde_json::{Value, json};

/// A refusal: status, `scimType`, detail.
#[derive(Debug)]
pub(crate) struct ScimFail {
    pub(crate) status: u16,
    kind: Option<&'static str>,
    pub(crate) detail: String,
}

impl ScimFail {
    pub(crate) fn new(status: u16, detail: impl Into<String>) -> Self {
        Self {
            status,
            kind: None,
            detail: detail.into(),
        }
    }

    fn typed(status: u16, kind: &'static str, detail: impl Into<String>) -> Self {
        Self {
            kind: Some(kind),
            ..Self::new(status, detail)
        }
    }

    pub(super) fn syntax(detail: impl Into<String>) -> Self {
        Self::typed(400, "invalidSyntax", detail)
    }

    pub(super) fn value(detail: impl Into<String>) -> Self {
        Self::typed(400, "invalidValue", detail)
    }

    pub(super) fn filter(detail: impl Into<String>) -> Self {
        Self::typed(400, "invalidFilter", detail)
    }

    pub(super) fn path(detail: impl Into<String>) -> Self {
        Self::typed(400, "invalidPath", detail)
    }

    pub(super) fn no_target(detail: impl Into<String>) -> Self {
        Self::typed(400, "noTarget", detail)
    }

    pub(super) fn mutability(name: &str) -> Self {
        Self::typed(400, "mutability", format!("The attribute '{name}' is read-only."))
    }

    pub(super) fn uniqueness(name: &str) -> Self {
        Self::typed(
            409,
            "uniqueness",
            format!("Another resource has the same value of '{name}'."),
        )
    }

    pub(super) fn not_found(id: &str) -> Self {
        Self::new(404, format!("Resource {id} not found."))
    }

    /// The refusal of an application that throttles or fails.
    pub(crate) fn unavailable(status: u16) -> Self {
        let detail = match status {
            429 => "Too many requests. Try again later.",
            409 => "The resource was changed by another request.",
            503 => "The application is temporarily unavailable.",
            _ => "An internal error occurred.",
        };
        Self::new(status, detail)
    }

    pub(crate) fn body(&self) -> Value {
        let mut body = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
            "status": self.status.to_string(), "detail": self.detail,
        });
        if let Some(kind) = self.kind {
            body["scimType"] = kind.into();
        }
        body
    }
}
