//! What a change says of each property: keep it, clear it, or set it.

use std::fmt;

use serde_json::{Map, Value};

/// What is to become of a property. Graph tells an absent property (kept) from a null (cleared), so a change must too.
///
/// A value becomes a [`Set`](Self::Set) by `into()`, an `Option` a [`Set`](Self::Set) or a [`Clear`](Self::Clear). An
/// empty text is sent as null: Graph refuses empty texts. `Debug` prints no value.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub enum Field<T> {
    /// Left as it is.
    #[default]
    Keep,
    /// Set to null.
    Clear,
    /// Set to that.
    Set(T),
}

impl<T> Field<T> {
    /// Whether the property is left as it is.
    pub fn is_keep(&self) -> bool {
        matches!(self, Self::Keep)
    }
}

impl<T: Clone + Into<Value>> Field<T> {
    /// Writes the property into a body, unless it is kept.
    pub(crate) fn put(&self, body: &mut Map<String, Value>, property: &str) {
        let value = match self {
            Self::Keep => return,
            Self::Clear => Value::Null,
            Self::Set(value) => null_for_empty(value.clone().into()),
        };
        body.insert(property.to_owned(), value);
    }
}

impl<T> From<T> for Field<T> {
    fn from(value: T) -> Self {
        Self::Set(value)
    }
}

impl<T> From<Option<T>> for Field<T> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Clear, Self::Set)
    }
}

impl From<&str> for Field<String> {
    fn from(value: &str) -> Self {
        Self::Set(value.to_owned())
    }
}

impl<T> fmt::Debug for Field<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Keep => "Keep",
            Self::Clear => "Clear",
            Self::Set(_) => "Set(…)",
        })
    }
}

/// Graph refuses empty texts.
pub(crate) fn null_for_empty(value: Value) -> Value {
    match value {
        Value::String(text) if text.is_empty() => Value::Null,
        value => value,
    }
}

/// A struct with a [`Field`] for each property, and a door for properties that it does not name.
macro_rules! patch {
    ($(#[$outer:meta])* $name:ident { $($(#[$meta:meta])* $field:ident: $type:ty = $property:literal,)* }) => {
        $(#[$outer])*
        #[derive(Clone, Default, PartialEq)]
        #[non_exhaustive]
        pub struct $name {
            $($(#[$meta])* pub $field: $crate::field::Field<$type>,)*
            other: serde_json::Map<String, serde_json::Value>,
        }

        impl $name {
            /// Changes nothing yet.
            pub fn new() -> Self {
                Self::default()
            }

            /// Sets a property by its name in Graph, for those that have no field here; it wins over a field. An empty
            /// text clears.
            #[must_use]
            pub fn set(mut self, property: &str, value: impl Into<serde_json::Value>) -> Self {
                let value = $crate::field::null_for_empty(value.into());
                self.other.insert(property.to_owned(), value);
                self
            }

            /// Clears a property by its name in Graph.
            #[must_use]
            pub fn clear(self, property: &str) -> Self {
                self.set(property, serde_json::Value::Null)
            }

            /// Whether nothing would change.
            pub fn is_empty(&self) -> bool {
                self.body().is_empty()
            }

            /// What is sent: the properties that are not kept.
            pub(crate) fn body(&self) -> serde_json::Map<String, serde_json::Value> {
                let mut body = serde_json::Map::new();
                $(self.$field.put(&mut body, $property);)*
                body.extend(self.other.clone());
                body
            }
        }

        impl From<$name> for serde_json::Value {
            fn from(patch: $name) -> Self {
                Self::Object(patch.body())
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, to: S) -> std::result::Result<S::Ok, S::Error> {
                self.body().serialize(to)
            }
        }

        /// Prints the names of what changes, no values.
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_set().entries(self.body().keys()).finish()
            }
        }
    };
}
pub(crate) use patch;

patch! {
    /// Changes of properties by their names in Graph alone: for objects whose properties have no fields of their own
    /// here. What is not named is kept.
    Patch {}
}

impl Patch {
    /// What a POST sends: there is nothing to clear in what does not exist yet.
    pub(crate) fn values(&self) -> Map<String, Value> {
        let mut values = self.body();
        values.retain(|_, value| !value.is_null());
        values
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    patch! {
        /// A sample.
        Sample {
            /// A text.
            city: String = "city",
            /// A truth.
            enabled: bool = "accountEnabled",
            /// Several.
            phones: Vec<String> = "businessPhones",
            /// Something within.
            inner: Inner = "employeeOrgData",
        }
    }
    patch! {
        /// Something within.
        Inner {
            /// A text.
            division: String = "division",
            /// A text.
            cost_center: String = "costCenter",
        }
    }

    #[test]
    fn a_field_is_kept_cleared_or_set() {
        let mut sample = Sample::new();
        assert!(sample.is_empty());
        assert_eq!(serde_json::to_value(&sample).unwrap(), json!({}));
        sample.city = "Perth".into();
        sample.enabled = false.into();
        sample.phones = vec!["1".to_owned()].into();
        let mut inner = Inner::new();
        inner.division = Some("North".to_owned()).into();
        inner.cost_center = None.into();
        sample.inner = inner.into();
        let body = json!({
            "city": "Perth", "accountEnabled": false, "businessPhones": ["1"],
            "employeeOrgData": { "division": "North", "costCenter": null },
        });
        assert_eq!(serde_json::to_value(&sample).unwrap(), body);
        sample.city = "".into();
        sample.phones = Field::Keep;
        sample.inner = Field::Clear;
        let sample = sample.set("accountEnabled", true).set("x", "");
        let body = json!({ "city": null, "accountEnabled": true, "employeeOrgData": null, "x": null });
        assert_eq!(serde_json::to_value(&sample).unwrap(), body);
        assert_eq!(
            format!("{sample:?}"),
            "{\"city\", \"accountEnabled\", \"employeeOrgData\", \"x\"}"
        );
        assert_eq!(format!("{:?}", Field::Set("secret")), "Set(…)");
    }
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
