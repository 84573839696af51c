//! [`Patch`]: what a PATCH sends, with three states for every property: kept, cleared, set.

use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value};

/// Property values to set or clear; what is not named is left as it is. The order of names is the order in which
/// they were first named. `Debug` prints names only.
#[derive(Clone, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Patch(Map<String, Value>);

impl Patch {
    /// Changes nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a property by its name in Graph, for example `notes`. An empty text clears it: Graph refuses empty
    /// texts.
    #[must_use]
    pub fn set(mut self, property: &str, value: impl Into<Value>) -> Self {
        let value = match value.into() {
            Value::String(text) if text.is_empty() => Value::Null,
            value => value,
        };
        self.0.insert(property.to_owned(), value);
        self
    }

    /// Clears a property.
    #[must_use]
    pub fn clear(self, property: &str) -> Self {
        self.set(property, Value::Null)
    }

    /// Whether nothing would change.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What a POST sends: there is nothing to clear in what does not exist yet.
    pub(crate) fn values(&self) -> Map<String, Value> {
        let mut values = self.0.clone();
        values.retain(|_, value| !value.is_null());
        values
    }
}

impl fmt::Debug for Patch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn kept_cleared_and_set_are_three_things() {
        let patch = Patch::new()
            .set("notes", "x")
            .set("tags", json!(["a"]))
            .set("description", "")
            .clear("web");
        let sent = serde_json::to_string(&patch).unwrap();
        assert_eq!(
            sent,
            r#"{"notes":"x","tags":["a"],"description":null,"web":null}"#
        );
        assert_eq!(
            Value::Object(patch.values()),
            json!({"notes": "x", "tags": ["a"]})
        );
        assert!(Patch::new().is_empty() && !patch.is_empty());
        assert!(!format!("{patch:?}").contains('x'));
    }
}
