//! From what a client sends to what the engine keeps: canonical names, the schema's types, no unassigned attributes.
//!
//! One rule for all doors: `null`, `""`, `[]` and `{}` mean *unassigned* (RFC 7643 section 2.5; Entra ID clears with
//! `""`), unknown attributes are ignored, and what Entra ID writes differently is read as meant: `"True"` is a
//! boolean, a bare string where an object is due is its `value`, a list of one where one value is due is that value.

use std::collections::HashSet;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::matching::flag;
use super::problem::Problem;
use super::schema::{Attribute, Kind, Mutability, Schema, Type};

/// The body of a POST or PUT, without what the client cannot write.
pub(crate) fn resource(kind: Kind, body: &Value) -> Result<Map<String, Value>, Problem> {
    let Value::Object(body) = body else {
        return Err(Problem::syntax("expected a JSON object"));
    };
    declared(kind, body)?;
    let mut out = Map::new();
    let mut seen = HashSet::new();
    for (name, value) in body {
        if !seen.insert(name.to_lowercase()) {
            return Err(Problem::syntax("an attribute is given twice; names have no case"));
        }
        if let Some(schema) = kind.extension(name) {
            if let Some(inner) = extension(schema, value)? {
                out.insert(schema.id.into(), inner);
            }
        } else if let Some(attribute) = kind.attribute(name)
            && let Some(value) = writable(attribute, value)?
        {
            out.insert(attribute.name.into(), value);
        }
    }
    required(kind, &out)?;
    Ok(out)
}

/// `schemas` is required and names the resource type's own schema (RFC 7643 section 3).
fn declared(kind: Kind, body: &Map<String, Value>) -> Result<(), Problem> {
    let found = body.iter().find(|(name, _)| name.eq_ignore_ascii_case("schemas"));
    let own = kind.schema().id;
    let named = found.and_then(|(_, value)| value.as_array()).is_some_and(|all| {
        all.iter()
            .any(|one| one.as_str().is_some_and(|urn| urn.eq_ignore_ascii_case(own)))
    });
    if named {
        Ok(())
    } else {
        Err(Problem::syntax(format!(
            "expected schemas to be a list with {own}"
        )))
    }
}

/// The attributes of an extension; nothing when none is assigned.
pub(crate) fn extension(schema: &'static Schema, value: &Value) -> Result<Option<Value>, Problem> {
    if value.is_null() {
        return Ok(None);
    }
    let object = value
        .as_object()
        .ok_or_else(|| Problem::value(format!("expected an object for {}", schema.id)))?;
    let mut out = Map::new();
    for (name, value) in object {
        if let Some(attribute) = schema.attribute(name)
            && let Some(value) = writable(attribute, value)?
        {
            out.insert(attribute.name.into(), value);
        }
    }
    Ok((!out.is_empty()).then_some(Value::Object(out)))
}

fn writable(attribute: &Attribute, value: &Value) -> Result<Option<Value>, Problem> {
    if attribute.name == "schemas" || attribute.mutability == Mutability::ReadOnly {
        return Ok(None);
    }
    let value = coerce(attribute, value)?;
    Ok(value.filter(|_| attribute.mutability != Mutability::WriteOnly))
}

/// The value in the attribute's type; nothing when it is unassigned.
pub(crate) fn coerce(attribute: &Attribute, value: &Value) -> Result<Option<Value>, Problem> {
    if !attribute.multi {
        return one(attribute, value);
    }
    let single = std::slice::from_ref(value);
    let given = value.as_array().map_or(single, Vec::as_slice);
    let mut seen = HashSet::new();
    let mut out = Vec::with_capacity(given.len());
    for element in given {
        if let Some(element) = one(attribute, element)?
            && seen.insert(element.to_string())
        {
            out.push(element);
        }
    }
    if out.iter().filter(|element| is_primary(element)).count() > 1 {
        return Err(Problem::value(format!(
            "expected at most one primary value in {}",
            attribute.name
        )));
    }
    Ok((!out.is_empty()).then_some(Value::Array(out)))
}

pub(crate) fn is_primary(element: &Value) -> bool {
    element.get("primary") == Some(&Value::Bool(true))
}

fn wrong(attribute: &Attribute, expected: &str) -> Problem {
    Problem::value(format!("expected {expected} for {}", attribute.name))
}

/// One value (of a list).
pub(crate) fn one(attribute: &Attribute, value: &Value) -> Result<Option<Value>, Problem> {
    if let (false, Value::Array(list)) = (attribute.multi, value) {
        return match list.as_slice() {
            [] => Ok(None),
            [only] if !only.is_array() => one(attribute, only),
            _ => Err(wrong(attribute, "one value")),
        };
    }
    let unassigned = match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        _ => false,
    };
    if unassigned {
        return Ok(None);
    }
    match (attribute.kind, value) {
        (Type::Complex, Value::Object(object)) => complex(attribute, object),
        (Type::Complex, Value::String(_)) => {
            let Some(sub) = attribute.sub("value") else {
                return Err(wrong(attribute, "an object"));
            };
            let mut out = Map::new();
            if let Some(value) = one(sub, value)? {
                out.insert(sub.name.into(), value);
            }
            Ok(Some(Value::Object(out)))
        }
        (Type::Complex, _) => Err(wrong(attribute, "an object")),
        // A client that takes objects for simple values wraps them; Entra ID does so for single-valued attributes.
        (_, Value::Object(object)) => match object.get("value") {
            Some(inner) if !inner.is_object() && !inner.is_array() => one(attribute, inner),
            _ => Err(wrong(attribute, "a plain value")),
        },
        (Type::Boolean, Value::Bool(flag)) => Ok(Some(Value::Bool(*flag))),
        (Type::Boolean, Value::String(text)) => match flag(text) {
            Some(flag) => Ok(Some(Value::Bool(flag))),
            None => Err(wrong(attribute, "true or false")),
        },
        (Type::Boolean, _) => Err(wrong(attribute, "true or false")),
        (Type::DateTime, Value::String(text)) if text.parse::<Timestamp>().is_err() => {
            Err(wrong(attribute, "an instant such as 2026-01-31T08:00:00Z"))
        }
        (_, Value::String(text)) => Ok(Some(Value::String(text.clone()))),
        _ => Err(wrong(attribute, "a string")),
    }
}

fn complex(attribute: &Attribute, object: &Map<String, Value>) -> Result<Option<Value>, Problem> {
    let mut out = Map::new();
    for (name, value) in object {
        if let Some(sub) = attribute.sub(name)
            && sub.mutability != Mutability::ReadOnly
            && let Some(value) = one(sub, value)?
        {
            out.insert(sub.name.into(), value);
        }
    }
    Ok((!out.is_empty()).then_some(Value::Object(out)))
}

pub(crate) fn required(kind: Kind, body: &Map<String, Value>) -> Result<(), Problem> {
    let mut needed = kind.schema().attributes.iter().filter(|one| one.required);
    match needed.find(|one| !body.contains_key(one.name)) {
        Some(missing) => Err(Problem::value(format!(
            "expected {} of the {}",
            missing.name,
            kind.name()
        ))),
        None => Ok(()),
    }
}
