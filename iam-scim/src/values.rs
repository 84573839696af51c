//! JSON as SCIM servers write it, and text that goes into URLs.
//!
//! Servers send booleans as strings, one value where a list is due, `null` for nothing, and text where an
//! object with a `value` is due. All of it is read; what is written is as RFC 7643 says.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, json};

const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Percent-encodes a path segment or a query value: nothing from a person's record reaches a URL unescaped.
pub(crate) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

/// The truth of a JSON value: booleans, and the strings `true` and `false` in any case.
pub(crate) fn truth(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(yes) => Some(*yes),
        Value::String(text) if text.eq_ignore_ascii_case("true") => Some(true),
        Value::String(text) if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

/// Reads a boolean, written as such or as text.
pub(crate) fn boolean<'de, D: Deserializer<'de>>(from: D) -> Result<Option<bool>, D::Error> {
    match Value::deserialize(from)? {
        Value::Null => Ok(None),
        value => truth(&value)
            .map(Some)
            .ok_or_else(|| D::Error::custom("expected true or false")),
    }
}

/// Reads text, written as such or as a number (ids of some servers).
pub(crate) fn text<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    match Value::deserialize(from)? {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text)),
        Value::Number(number) => Ok(Some(number.to_string())),
        _ => Err(D::Error::custom("expected text")),
    }
}

/// Reads a list; `null` is empty, one value is a list of one.
pub(crate) fn list<'de, D: Deserializer<'de>, T: DeserializeOwned>(from: D) -> Result<Vec<T>, D::Error> {
    let values = match Value::deserialize(from)? {
        Value::Null => Vec::new(),
        Value::Array(values) => values,
        one => vec![one],
    };
    let read =
        |value| object(value).and_then(|value| serde_json::from_value(value).map_err(|e| e.to_string()));
    values
        .into_iter()
        .map(read)
        .collect::<Result<_, _>>()
        .map_err(D::Error::custom)
}

/// Reads an object with a `value`, written as such, as its value alone, or as a list of one.
pub(crate) fn complex<'de, D: Deserializer<'de>, T: DeserializeOwned>(
    from: D,
) -> Result<Option<T>, D::Error> {
    let value = match Value::deserialize(from)? {
        Value::Array(mut values) if values.len() <= 1 => values.pop().unwrap_or_default(),
        value => value,
    };
    match value {
        Value::Null => Ok(None),
        Value::String(text) if text.is_empty() => Ok(None),
        value => {
            let value = object(value).map_err(D::Error::custom)?;
            serde_json::from_value(value).map(Some).map_err(D::Error::custom)
        }
    }
}

fn object(value: Value) -> Result<Value, String> {
    match value {
        Value::Object(_) => Ok(value),
        Value::String(_) | Value::Number(_) => Ok(json!({ "value": value })),
        _ => Err("expected an object or text".to_owned()),
    }
}

/// The value of an attribute, whose name is not case-sensitive (RFC 7643 section 2.1).
pub(crate) fn attribute<'a>(of: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    of.get(name).or_else(|| {
        of.iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    })
}

/// The name under which an attribute stands in an object: as it is there, else as given.
pub(crate) fn spelled(of: &Map<String, Value>, name: &str) -> String {
    of.keys()
        .find(|key| key.eq_ignore_ascii_case(name))
        .map_or_else(|| name.to_owned(), ToOwned::to_owned)
}
