//! PATCH (RFC 7644, 3.5.2) with what Entra and Okta send besides: operations in any letter case, keys with dots or
//! schemas, removal by value, elements made where a filter finds none.

use serde_json::{Map, Value};

use super::body::{element, read};
use super::failure::ScimFail;
use super::path::{self, Match, Place, meant};
use super::schema::{Attribute, Kind};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Add,
    Replace,
    Remove,
}

/// Applies the operations of a body to a resource; on an error it must be thrown away.
pub(super) fn apply(
    kind: Kind,
    resource: &mut Map<String, Value>,
    body: &Map<String, Value>,
) -> Result<(), ScimFail> {
    let operations = body
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case("operations"))
        .and_then(|(_, value)| value.as_array())
        .ok_or_else(|| ScimFail::syntax("A PATCH must hold a list of 'Operations'."))?;
    for operation in operations {
        let name = operation.get("op").and_then(Value::as_str).unwrap_or_default();
        let action = match name.to_ascii_lowercase().as_str() {
            "add" => Action::Add,
            "replace" => Action::Replace,
            "remove" => Action::Remove,
            _ => {
                return Err(ScimFail::syntax(format!(
                    "'{name}' is not one of add, replace, remove."
                )));
            }
        };
        let value = operation.get("value").unwrap_or(&Value::Null);
        match operation
            .get("path")
            .and_then(Value::as_str)
            .filter(|path| !path.is_empty())
        {
            Some(text) => {
                if kind
                    .schemas()
                    .iter()
                    .skip(1)
                    .any(|(urn, ..)| urn.eq_ignore_ascii_case(text))
                {
                    if action == Action::Remove && value.is_null() {
                        remove_extension(resource, text);
                    } else {
                        each(kind, resource, action, &format!("{text}:"), value)?;
                    }
                    continue;
                }
                let place = path::path(kind, text)?;
                if place.attribute.mutability == "readOnly" {
                    return Err(ScimFail::mutability(place.attribute.name));
                }
                at(resource, action, &place, value)?;
            }
            None if action == Action::Remove => return Err(ScimFail::no_target("A removal needs a path.")),
            None => each(kind, resource, action, "", value)?,
        }
    }
    Ok(())
}

fn remove_extension(resource: &mut Map<String, Value>, urn: &str) {
    resource.retain(|name, _| !name.eq_ignore_ascii_case(urn));
}

/// A value without a path: each of its keys is one. Read-only and unknown ones are passed over.
fn each(
    kind: Kind,
    resource: &mut Map<String, Value>,
    action: Action,
    prefix: &str,
    value: &Value,
) -> Result<(), ScimFail> {
    let object = value
        .as_object()
        .ok_or_else(|| ScimFail::value("Without a path the value must be an object."))?;
    for (name, value) in object {
        let extension = kind
            .schemas()
            .iter()
            .skip(1)
            .any(|(urn, ..)| urn.eq_ignore_ascii_case(name));
        if extension {
            each(kind, resource, action, &format!("{name}:"), value)?;
        } else if let Ok(place) = path::path(kind, &format!("{prefix}{name}"))
            && place.attribute.mutability != "readOnly"
        {
            at(resource, action, &place, value)?;
        }
    }
    Ok(())
}

fn at(
    resource: &mut Map<String, Value>,
    action: Action,
    place: &Place,
    value: &Value,
) -> Result<(), ScimFail> {
    let attribute = place.attribute;
    let Some(urn) = place.extension else {
        return attribute_at(resource, action, place, attribute, value);
    };
    let mut inner = match resource.shift_remove(urn) {
        Some(Value::Object(inner)) => inner,
        _ => Map::new(),
    };
    attribute_at(&mut inner, action, place, attribute, value)?;
    if !inner.is_empty() {
        resource.insert(urn.to_owned(), Value::Object(inner));
    }
    Ok(())
}

fn attribute_at(
    holder: &mut Map<String, Value>,
    action: Action,
    place: &Place,
    attribute: &'static Attribute,
    value: &Value,
) -> Result<(), ScimFail> {
    let name = attribute.name;
    let held = holder.get(name).cloned().unwrap_or_default();
    let new = if attribute.many {
        let mut list = match held {
            Value::Array(items) => items,
            _ => Vec::new(),
        };
        list_at(&mut list, action, place, attribute, value)?;
        (!list.is_empty()).then_some(Value::Array(list))
    } else if let Some(part) = place.part {
        let mut object = match held {
            Value::Object(map) => map,
            _ => Map::new(),
        };
        set(&mut object, action, part, value)?;
        (!object.is_empty()).then_some(Value::Object(object))
    } else if action == Action::Remove {
        None
    } else {
        match (held, read(attribute, value)?) {
            // Parts that are not named stay.
            (Value::Object(mut held), Some(Value::Object(new))) => {
                held.extend(new);
                Some(Value::Object(held))
            }
            (_, new) => new,
        }
    };
    match new {
        Some(value) => holder.insert(name.to_owned(), value),
        None => holder.shift_remove(name),
    };
    Ok(())
}

fn set(
    object: &mut Map<String, Value>,
    action: Action,
    part: &Attribute,
    value: &Value,
) -> Result<(), ScimFail> {
    let value = if action == Action::Remove {
        None
    } else {
        element(part, value)?
    };
    match value {
        Some(value) => object.insert(part.name.to_owned(), value),
        None => object.shift_remove(part.name),
    };
    Ok(())
}

fn list_at(
    list: &mut Vec<Value>,
    action: Action,
    place: &Place,
    attribute: &Attribute,
    value: &Value,
) -> Result<(), ScimFail> {
    let filtered = !place.among.is_empty();
    match (action, place.part) {
        (Action::Remove, None) if filtered => list.retain(|held| !meant(&place.among, held)),
        (Action::Remove, None) => match read(attribute, value)? {
            // Entra's older way to take a member: by the letter of the RFC it would take all.
            Some(Value::Array(named)) => {
                list.retain(|held| !named.iter().any(|named| named.get("value") == held.get("value")));
            }
            _ => list.clear(),
        },
        (_, Some(part)) => {
            let mut found = false;
            for held in list.iter_mut().filter(|held| meant(&place.among, held)) {
                found = true;
                if let Value::Object(held) = held {
                    set(held, action, part, value)?;
                }
            }
            if !found && action != Action::Remove {
                let mut made = from_filter(&place.among);
                set(&mut made, action, part, value)?;
                list.push(Value::Object(made));
            }
        }
        (_, None) if filtered => {
            let new = element(attribute, value)?;
            let mut found = false;
            for held in list.iter_mut().filter(|held| meant(&place.among, held)) {
                found = true;
                if let (Value::Object(held), Some(Value::Object(new))) = (held, &new) {
                    held.extend(new.clone());
                }
            }
            if !found && action == Action::Replace {
                return Err(ScimFail::no_target(format!(
                    "No element of '{}' matches.",
                    attribute.name
                )));
            }
            if !found && let Some(Value::Object(new)) = new {
                let mut made = from_filter(&place.among);
                made.extend(new);
                list.push(Value::Object(made));
            }
        }
        (Action::Replace, None) => {
            list.clear();
            add(list, read(attribute, value)?);
        }
        (_, None) => add(list, read(attribute, value)?),
    }
    list.retain(|held| held.as_object().is_none_or(|held| !held.is_empty()));
    Ok(())
}

/// Adds elements that are not there yet. A new primary one takes the place of the old.
fn add(list: &mut Vec<Value>, new: Option<Value>) {
    let Some(Value::Array(new)) = new else { return };
    let same = |left: &Value, right: &Value| {
        left.get("value") == right.get("value") && left.get("type") == right.get("type")
    };
    for item in new {
        if item.get("primary") == Some(&Value::Bool(true)) {
            for held in list.iter_mut().filter_map(Value::as_object_mut) {
                held.shift_remove("primary");
            }
        }
        match list.iter_mut().find(|held| same(held, &item)) {
            Some(held) => *held = item,
            None => list.push(item),
        }
    }
}

fn from_filter(among: &[Match]) -> Map<String, Value> {
    let pairs = among
        .iter()
        .map(|wish| (wish.part.name.to_owned(), wish.value.clone()));
    pairs.collect()
}
