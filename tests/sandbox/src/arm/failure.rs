//! Refusals in the shape of Azure Resource Manager: `{"error": {"code", "message"}}`.

use serde_json::{Value, json};

/// A refusal: status, code, message.
#[derive(Debug)]
pub(crate) struct ArmFail {
    pub(crate) status: u16,
    pub(crate) code: &'static str,
    pub(crate) message: String,
}

impl ArmFail {
    pub(crate) fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
        }
    }

    pub(crate) fn body(&self) -> Value {
        json!({ "error": { "code": self.code, "message": self.message } })
    }

    /// 400: the body is not what the operation takes.
    pub(crate) fn content(message: impl Into<String>) -> Self {
        Self::new(400, "InvalidRequestContent", message)
    }

    /// 404: no such route.
    pub(crate) fn nowhere(path: &str) -> Self {
        Self::new(
            404,
            "InvalidResourceType",
            format!("The resource type could not be found for the path '{path}'."),
        )
    }

    /// 405.
    pub(crate) fn method(method: &str) -> Self {
        Self::new(
            405,
            "HttpMethodNotAllowed",
            format!("The requested resource does not support http method '{method}'."),
        )
    }

    /// The refusal of a throttled or failing gateway.
    pub(crate) fn unavailable(status: u16) -> Self {
        let (code, message) = match status {
            429 => (
                "SubscriptionRequestsThrottled",
                "Number of requests for the subscription exceeded the limit. Please try again later.",
            ),
            409 => (
                "Conflict",
                "The request could not be completed because of a conflict with another operation.",
            ),
            503 => (
                "ServerTimeout",
                "The request timed out. Diagnostic information is in the headers.",
            ),
            504 => (
                "GatewayTimeout",
                "The gateway did not receive a response in time.",
            ),
            _ => ("InternalServerError", "Encountered internal server error."),
        };
        Self::new(status, code, message)
    }
}
