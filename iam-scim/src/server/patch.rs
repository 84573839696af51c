//! PATCH (RFC 7644 section 3.5.2), and the dialects of it that Entra ID and Okta speak.
//!
//! The operations are applied in order to a copy; the caller stores it when all have succeeded, so a request takes
//! effect whole or not at all. An operation without a path names its attributes as keys, also dotted
//! (`name.givenName`) and behind a URN.

use serde_json::{Map, Value};

use super::body::{one, required};
use super::element::{Change, edit};
use super::matching::bind_inner;
use super::path::Path;
use super::problem::Problem;
use super::schema::{Kind, Meaning, Mutability, Schema, Spot};
use super::single::single;

/// The most operations in one request.
const MOST: usize = 1000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    Add,
    Replace,
    Remove,
}

/// The attributes after the request. `attributes` are those of a stored record, with `id`.
pub(crate) fn apply(kind: Kind, attributes: &mut Map<String, Value>, request: &Value) -> Result<(), Problem> {
    let object = request
        .as_object()
        .ok_or_else(|| Problem::syntax("expected a JSON object"))?;
    let operations = field(object, "Operations")
        .and_then(Value::as_array)
        .ok_or_else(|| Problem::syntax("expected Operations to be a list"))?;
    if operations.len() > MOST {
        return Err(Problem::new(
            413,
            format!("more than {MOST} operations; send several requests"),
        ));
    }
    for (index, operation) in operations.iter().enumerate() {
        apply_one(kind, attributes, operation).map_err(|problem| problem.during(index + 1))?;
    }
    required(kind, attributes)
}

/// A member whatever the case of its name.
fn field<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    let exact = object.get(name);
    exact.or_else(|| {
        object
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    })
}

fn apply_one(kind: Kind, attributes: &mut Map<String, Value>, operation: &Value) -> Result<(), Problem> {
    let object = operation
        .as_object()
        .ok_or_else(|| Problem::syntax("expected an object"))?;
    let verb = field(object, "op")
        .and_then(Value::as_str)
        .map(str::to_ascii_lowercase);
    let verb = match verb.as_deref() {
        Some("add") => Verb::Add,
        Some("replace") => Verb::Replace,
        Some("remove") => Verb::Remove,
        _ => return Err(Problem::syntax("expected op to be add, replace or remove")),
    };
    let value = field(object, "value");
    let path = match field(object, "path") {
        None | Some(Value::Null) => None,
        Some(Value::String(path)) if path.is_empty() => None,
        Some(Value::String(path)) => Some(Path::parse(path)?),
        Some(_) => return Err(Problem::path("expected path to be a string")),
    };
    if verb != Verb::Remove && value.is_none() {
        return Err(Problem::value("expected a value"));
    }
    match (path, value) {
        (Some(path), value) => {
            let known = at_path(kind, attributes, verb, &path, value)?;
            known.ok_or_else(|| {
                Problem::path(format!("{} has no attribute of the name", kind.name())).at(path.name.at)
            })
        }
        (None, Some(Value::Object(values))) if verb != Verb::Remove => values
            .iter()
            .try_for_each(|(key, value)| keyed(kind, attributes, verb, key, value)),
        (None, _) if verb == Verb::Remove => Err(Problem::no_target("expected a path of what to remove")),
        (None, _) => Err(Problem::value("expected an object as the value, or a path")),
    }
}

/// One key of an operation without a path. An unknown name is ignored, as in a POST.
fn keyed(
    kind: Kind,
    attributes: &mut Map<String, Value>,
    verb: Verb,
    key: &str,
    value: &Value,
) -> Result<(), Problem> {
    if key.eq_ignore_ascii_case("schemas") {
        return Ok(());
    }
    match Path::parse(key) {
        Ok(path) => at_path(kind, attributes, verb, &path, Some(value)).map(|_| ()),
        // A foreign schema's URL, say, is no path and no attribute of ours.
        Err(_) if !key.contains('[') => Ok(()),
        Err(problem) => Err(problem),
    }
}

/// Nothing when the resource type has no such attribute.
fn at_path(
    kind: Kind,
    attributes: &mut Map<String, Value>,
    verb: Verb,
    path: &Path,
    value: Option<&Value>,
) -> Result<Option<()>, Problem> {
    let mut spot = match kind.resolve(&path.name) {
        None => return Ok(None),
        Some(Meaning::Extension(_)) if path.filter.is_some() => {
            return Err(Problem::path("a schema has no elements to filter").at(path.name.at));
        }
        Some(Meaning::Extension(schema)) => {
            return whole(attributes, verb, schema, value).map(Some);
        }
        Some(Meaning::Attribute(spot)) => spot,
    };
    let mut filter = None;
    if let Some(inner) = &path.filter {
        if !(spot.attribute.is_complex() && spot.attribute.multi) {
            let none = format!("{} has no elements to filter", spot.attribute.name);
            return Err(Problem::path(none).at(path.name.at));
        }
        filter = Some(bind_inner(inner, spot).map_err(Problem::of_path)?);
        if let Some(sub) = &path.sub {
            let found = spot.attribute.sub(&sub.attribute);
            spot.sub = Some(found.ok_or_else(|| {
                let none = format!("{} has no sub-attribute of the name", spot.attribute.name);
                Problem::path(none).at(sub.at)
            })?);
        }
    }
    if read_only(attributes, spot, value)? {
        return Ok(Some(()));
    }
    if spot.leaf().mutability == Mutability::WriteOnly {
        // Checked and not kept.
        return value
            .map_or(Ok(None), |value| one(spot.leaf(), value))
            .map(|_| Some(()));
    }
    let inside = within(attributes, spot.extension)?;
    if spot.attribute.multi {
        let change = Change {
            verb,
            attribute: spot.attribute,
            sub: spot.sub,
            filter: filter.as_ref(),
        };
        let mut list = match inside.get_mut(spot.attribute.name).map(Value::take) {
            Some(Value::Array(list)) => list,
            _ => Vec::new(),
        };
        edit(&change, &mut list, value)?;
        if list.is_empty() {
            inside.shift_remove(spot.attribute.name);
        } else {
            inside.insert(spot.attribute.name.into(), Value::Array(list));
        }
    } else {
        single(inside, verb, spot, value)?;
    }
    prune(attributes, spot.extension);
    Ok(Some(()))
}

/// Whether the attribute cannot be written and the request asks for what is there already, as Okta does with `id`.
fn read_only(attributes: &Map<String, Value>, spot: Spot, value: Option<&Value>) -> Result<bool, Problem> {
    let read_only = |mutability| mutability == Mutability::ReadOnly;
    if !read_only(spot.attribute.mutability) && !read_only(spot.leaf().mutability) {
        return Ok(false);
    }
    let current = spot
        .within(attributes)
        .and_then(|inside| inside.get(spot.attribute.name));
    let current = match spot.sub {
        Some(sub) => current.and_then(|current| current.get(sub.name)),
        None => current,
    };
    let none = |value: &Value| value.is_null() || value.as_array().is_some_and(Vec::is_empty);
    match (current, value) {
        (Some(current), Some(value)) if current == value => Ok(true),
        (None, Some(value)) if none(value) => Ok(true),
        _ => Err(Problem::mutability(format!(
            "{} cannot be changed",
            spot.leaf().name
        ))),
    }
}

fn within<'a>(
    attributes: &'a mut Map<String, Value>,
    extension: Option<&'static Schema>,
) -> Result<&'a mut Map<String, Value>, Problem> {
    let Some(schema) = extension else {
        return Ok(attributes);
    };
    let inside = attributes
        .entry(schema.id)
        .or_insert_with(|| Value::Object(Map::new()));
    inside
        .as_object_mut()
        .ok_or_else(|| Problem::new(500, "the stored extension is no object"))
}

/// An extension without attributes is absent.
fn prune(attributes: &mut Map<String, Value>, extension: Option<&'static Schema>) {
    if let Some(schema) = extension
        && attributes
            .get(schema.id)
            .and_then(Value::as_object)
            .is_some_and(Map::is_empty)
    {
        attributes.shift_remove(schema.id);
    }
}

/// A path that is an extension's URN.
fn whole(
    attributes: &mut Map<String, Value>,
    verb: Verb,
    schema: &'static Schema,
    value: Option<&Value>,
) -> Result<(), Problem> {
    if verb == Verb::Remove {
        attributes.shift_remove(schema.id);
        return Ok(());
    }
    let Some(Value::Object(values)) = value else {
        return Err(Problem::value(format!("expected an object for {}", schema.id)));
    };
    for (name, value) in values {
        let Some(attribute) = schema.attribute(name) else {
            continue;
        };
        let spot = Spot {
            extension: Some(schema),
            attribute,
            sub: None,
        };
        single(within(attributes, Some(schema))?, verb, spot, Some(value))?;
    }
    prune(attributes, Some(schema));
    Ok(())
}
