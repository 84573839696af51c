//! What the engine answers when it refuses: a status, the `scimType` where RFC 7644 names one, and a sentence.

use std::fmt;

use serde_json::{Value, json};

const ERROR: &str = "urn:ietf:params:scim:api:messages:2.0:Error";

/// A refusal as RFC 7644 section 3.12 shapes it. The detail names attributes and positions, never values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    status: u16,
    scim_type: Option<&'static str>,
    detail: String,
    position: Option<usize>,
}

impl Problem {
    /// A refusal with a status only.
    pub fn new(status: u16, detail: impl Into<String>) -> Self {
        Self {
            status,
            scim_type: None,
            detail: detail.into(),
            position: None,
        }
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The keyword of RFC 7644 table 9, such as `invalidFilter`.
    pub fn scim_type(&self) -> Option<&'static str> {
        self.scim_type
    }

    /// The sentence for people.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// Where in the filter or path it is, in characters from 1; one behind the last when something is missing at the
    /// end. The detail names it too. Every refusal of [`Filter::parse`](super::Filter::parse) and
    /// [`Path::parse`](super::Path::parse) has one.
    pub fn position(&self) -> Option<usize> {
        self.position
    }

    /// The body of the answer.
    pub fn body(&self) -> Value {
        let mut body = json!({
            "schemas": [ERROR],
            "status": self.status.to_string(),
            "detail": self.detail,
        });
        if let (Some(kind), Some(object)) = (self.scim_type, body.as_object_mut()) {
            object.insert("scimType".into(), kind.into());
        }
        body
    }

    fn bad(scim_type: &'static str, detail: impl Into<String>) -> Self {
        Self {
            scim_type: Some(scim_type),
            ..Self::new(400, detail)
        }
    }

    /// The same refusal with its position.
    pub(crate) fn at(self, position: usize) -> Self {
        Self {
            detail: format!("{} at character {position}", self.detail),
            position: Some(position),
            ..self
        }
    }

    pub(crate) fn syntax(detail: impl Into<String>) -> Self {
        Self::bad("invalidSyntax", detail)
    }

    pub(crate) fn value(detail: impl Into<String>) -> Self {
        Self::bad("invalidValue", detail)
    }

    pub(crate) fn filter(detail: impl Into<String>) -> Self {
        Self::bad("invalidFilter", detail)
    }

    pub(crate) fn path(detail: impl Into<String>) -> Self {
        Self::bad("invalidPath", detail)
    }

    pub(crate) fn no_target(detail: impl Into<String>) -> Self {
        Self::bad("noTarget", detail)
    }

    pub(crate) fn mutability(detail: impl Into<String>) -> Self {
        Self::bad("mutability", detail)
    }

    pub(crate) fn taken(detail: impl Into<String>) -> Self {
        Self {
            status: 409,
            ..Self::bad("uniqueness", detail)
        }
    }

    pub(crate) fn stale() -> Self {
        Self::new(412, "the resource has another version than the condition names")
    }

    /// The refusal of the `number`th operation of a PATCH.
    pub(crate) fn during(self, number: usize) -> Self {
        Self {
            detail: format!("operation {number}: {}", self.detail),
            ..self
        }
    }

    /// The same refusal of a PATCH path instead of a filter.
    pub(crate) fn of_path(self) -> Self {
        Self {
            scim_type: self.scim_type.map(|_| "invalidPath"),
            ..self
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl std::error::Error for Problem {}
