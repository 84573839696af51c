//! Refusals in the shape of Microsoft Graph ("Microsoft Graph error responses and resource types").

use serde_json::{Value, json};

/// A refusal: status, code, message, details. The ids and the date are added when it is sent.
#[derive(Debug)]
pub(crate) struct Fail {
    pub(crate) status: u16,
    pub(crate) code: &'static str,
    pub(crate) message: String,
    pub(crate) details: Vec<Value>,
    /// Value of the `Location` header: where to start again.
    pub(crate) location: Option<String>,
}

impl Fail {
    pub(crate) fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            details: Vec::new(),
            location: None,
        }
    }

    /// 400 `Request_BadRequest`: the directory does not take it.
    pub(crate) fn bad(message: impl Into<String>) -> Self {
        Self::new(400, "Request_BadRequest", message)
    }

    /// 400 `BadRequest`: the gateway does not understand it.
    pub(crate) fn syntax(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    /// 400 `Request_UnsupportedQuery`.
    pub(crate) fn unsupported(message: impl Into<String>) -> Self {
        Self::new(400, "Request_UnsupportedQuery", message)
    }

    /// 400: the path leads nowhere.
    pub(crate) fn segment(name: &str) -> Self {
        Self::syntax(format!("Resource not found for the segment '{name}'."))
    }

    /// 403 `Authorization_RequestDenied`.
    pub(crate) fn denied() -> Self {
        Self::new(
            403,
            "Authorization_RequestDenied",
            "Insufficient privileges to complete the operation.",
        )
    }

    /// 404: absent, soft-deleted, or not yet replicated.
    pub(crate) fn not_found(key: &str) -> Self {
        let message = format!(
            "Resource '{key}' does not exist or one of its queried reference-property objects are not present."
        );
        Self::new(404, "Request_ResourceNotFound", message)
    }

    /// 405: the path exists, the method does not.
    pub(crate) fn method() -> Self {
        Self::new(
            405,
            "Request_BadRequest",
            "Specified HTTP method is not allowed for the request target.",
        )
    }

    /// 400: a value of a property is not acceptable.
    pub(crate) fn invalid(property: &str, resource: &str) -> Self {
        Self::bad(format!(
            "Invalid value specified for property '{property}' of resource '{resource}'."
        ))
        .detail("InvalidValue", property, "The value is not acceptable.")
    }

    /// 400: another object holds the value of a unique property.
    pub(crate) fn conflict(property: &str, holder: &str) -> Self {
        let message = format!("Another object with the same value for property {property} already exists.");
        Self::bad(message.clone())
            .detail("ObjectConflict", property, &message)
            .detail("ConflictingObjects", "ConflictingObjects", holder)
    }

    /// 400: the same link or assignment exists.
    pub(crate) fn duplicate() -> Self {
        Self::bad(
            "A conflicting object with one or more of the specified property values is present in the directory.",
        )
    }

    /// 400: the object is linked already.
    pub(crate) fn linked(property: &str) -> Self {
        Self::bad(format!(
            "One or more added object references already exist for the following modified properties: '{property}'."
        ))
    }

    pub(crate) fn detail(mut self, code: &str, target: &str, message: &str) -> Self {
        self.details
            .push(json!({ "code": code, "target": target, "message": message }));
        self
    }

    /// The body as it goes out.
    pub(crate) fn body(&self, date: &str, request_id: &str, client_request_id: &str) -> Value {
        let mut error = json!({ "code": self.code, "message": self.message });
        if !self.details.is_empty() {
            error["details"] = Value::Array(self.details.clone());
        }
        error["innerError"] = json!({
            "date": date, "request-id": request_id, "client-request-id": client_request_id,
        });
        json!({ "error": error })
    }
}
