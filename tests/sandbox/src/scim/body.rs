//! What clients send, brought into the schema's form: names in its letter case, booleans that came as texts, single
//! values that came as lists. Unknown and read-only attributes are left out, as many applications do; empty values
//! are no values.

use serde_json::{Map, Value, json};

use super::failure::ScimFail;
use super::path::coerced;
use super::schema::{Attribute, ENTERPRISE, Form, Kind};

/// The attributes in a body of POST or PUT.
pub(super) fn resource(kind: Kind, body: &Map<String, Value>) -> Result<Map<String, Value>, ScimFail> {
    let (core, ..) = kind.schemas()[0];
    let mut out = Map::new();
    for (name, value) in body {
        if kind == Kind::User && name.eq_ignore_ascii_case(ENTERPRISE) {
            let inner = value
                .as_object()
                .ok_or_else(|| ScimFail::value(format!("'{ENTERPRISE}' must be an object.")))?;
            let mut extension = Map::new();
            for (name, value) in inner {
                put(&mut extension, kind.attribute(ENTERPRISE, name), value)?;
            }
            if !extension.is_empty() {
                out.insert(ENTERPRISE.to_owned(), Value::Object(extension));
            }
        } else {
            put(&mut out, kind.attribute(core, name), value)?;
        }
    }
    Ok(out)
}

fn put(
    out: &mut Map<String, Value>,
    attribute: Option<&'static Attribute>,
    value: &Value,
) -> Result<(), ScimFail> {
    if let Some(attribute) = attribute.filter(|attribute| attribute.mutability != "readOnly")
        && let Some(value) = read(attribute, value)?
    {
        out.insert(attribute.name.to_owned(), value);
    }
    Ok(())
}

/// A value of an attribute; none where it is empty.
pub(super) fn read(attribute: &Attribute, value: &Value) -> Result<Option<Value>, ScimFail> {
    if attribute.many {
        let items = match value {
            Value::Array(items) => items.iter().collect(),
            Value::Null => Vec::new(),
            one => vec![one],
        };
        let mut list = Vec::new();
        for item in items {
            if let Some(item) = element(attribute, item)? {
                list.push(item);
            }
        }
        return Ok((!list.is_empty()).then_some(Value::Array(list)));
    }
    // Entra sends [{"value": x}] for single values too.
    let value = match value {
        Value::Array(items) if items.len() == 1 => items.first().unwrap_or(value),
        other => other,
    };
    element(attribute, value)
}

/// One element of a list, or a single value.
pub(super) fn element(attribute: &Attribute, value: &Value) -> Result<Option<Value>, ScimFail> {
    if attribute.form != Form::Complex {
        let value = match value {
            Value::Object(map) => map.get("value").unwrap_or(value),
            other => other,
        };
        let value = coerced(attribute, value.clone());
        return match (&value, attribute.form) {
            (Value::Null, _) => Ok(None),
            (Value::String(text), Form::Text | Form::Reference) if text.is_empty() => Ok(None),
            (Value::String(_), Form::Text | Form::Reference) | (Value::Bool(_), Form::Boolean) => {
                Ok(Some(value))
            }
            _ => Err(ScimFail::value(format!(
                "The value of '{}' is of the wrong type.",
                attribute.name
            ))),
        };
    }
    let object = match value {
        Value::Object(map) => map.clone(),
        Value::Null => return Ok(None),
        Value::String(text) if text.is_empty() => return Ok(None),
        // A bare text is the `value`: a manager, a member.
        Value::String(text) => Map::from_iter([("value".to_owned(), json!(text))]),
        _ => {
            let message = format!("'{}' must hold objects.", attribute.name);
            return Err(ScimFail::value(message));
        }
    };
    let mut out = Map::new();
    for (name, value) in &object {
        put(&mut out, attribute.part(name), value)?;
    }
    Ok((!out.is_empty()).then_some(Value::Object(out)))
}
