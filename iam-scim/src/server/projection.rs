//! What of a resource is shown (RFC 7644 section 3.4.2.5): `attributes`, `excludedAttributes`, the URLs, and the
//! groups of a user.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::record::Record;
use super::schema::{Kind, Meaning, Returned, Spot};
use super::store::Membership;
use super::text::Scanner;

/// Which attributes to show.
#[derive(Debug, Clone, Default)]
pub(crate) enum Shape {
    #[default]
    All,
    Only(Vec<Meaning>),
    Without(Vec<Meaning>),
}

impl Shape {
    /// Reads the two lists; names that the resource type does not have select nothing.
    pub(crate) fn new(kind: Kind, attributes: &[String], excluded: &[String]) -> Self {
        if !attributes.is_empty() {
            Self::Only(meanings(kind, attributes))
        } else if excluded.is_empty() {
            Self::All
        } else {
            Self::Without(meanings(kind, excluded))
        }
    }

    /// Whether a core attribute can appear.
    pub(crate) fn shows(&self, name: &str) -> bool {
        let is = |one: &Meaning, whole: bool| match one {
            Meaning::Attribute(spot) => {
                spot.extension.is_none() && spot.attribute.name == name && !(whole && spot.sub.is_some())
            }
            Meaning::Extension(_) => false,
        };
        match self {
            Self::All => true,
            Self::Only(all) => all.iter().any(|one| is(one, false)),
            Self::Without(all) => !all.iter().any(|one| is(one, true)),
        }
    }

    fn apply(&self, kind: Kind, body: Map<String, Value>) -> Map<String, Value> {
        match self {
            Self::All => body,
            Self::Without(all) => without(body, all),
            Self::Only(all) => only(kind, &body, all),
        }
    }
}

fn meanings(kind: Kind, names: &[String]) -> Vec<Meaning> {
    let read = |text: &String| {
        let mut scan = Scanner::new(text.trim()).ok()?;
        let name = scan.name().ok()?;
        if !scan.done() {
            return None;
        }
        kind.resolve(&name)
    };
    names.iter().filter_map(read).collect()
}

fn always(kind: Kind, name: &str) -> bool {
    kind.attribute(name)
        .is_some_and(|attribute| attribute.returned == Returned::Always)
}

fn without(mut body: Map<String, Value>, all: &[Meaning]) -> Map<String, Value> {
    for one in all {
        match one {
            Meaning::Extension(schema) => {
                body.shift_remove(schema.id);
            }
            Meaning::Attribute(spot) if spot.attribute.returned == Returned::Always => {}
            Meaning::Attribute(spot) => {
                let inside = match spot.extension {
                    Some(schema) => body.get_mut(schema.id).and_then(Value::as_object_mut),
                    None => Some(&mut body),
                };
                if let Some(inside) = inside {
                    drop_from(inside, spot);
                }
            }
        }
    }
    body
}

fn drop_from(inside: &mut Map<String, Value>, spot: &Spot) {
    let name = spot.attribute.name;
    let Some(sub) = spot.sub else {
        inside.shift_remove(name);
        return;
    };
    let Some(value) = inside.get_mut(name) else {
        return;
    };
    let drop_sub = |value: &mut Value| {
        if let Some(object) = value.as_object_mut() {
            object.shift_remove(sub.name);
        }
    };
    match value {
        Value::Array(list) => list.iter_mut().for_each(drop_sub),
        one => drop_sub(one),
    }
}

fn only(kind: Kind, body: &Map<String, Value>, all: &[Meaning]) -> Map<String, Value> {
    let mut out = Map::new();
    for (name, value) in body {
        if always(kind, name) {
            out.insert(name.clone(), value.clone());
        }
    }
    let mut wholes = HashSet::new();
    for one in all {
        match one {
            Meaning::Extension(schema) => {
                if let Some(value) = body.get(schema.id) {
                    out.insert(schema.id.into(), value.clone());
                }
                wholes.insert((Some(schema.id), ""));
            }
            Meaning::Attribute(spot) => {
                let urn = spot.extension.map(|schema| schema.id);
                let Some(value) = spot
                    .within(body)
                    .and_then(|inside| inside.get(spot.attribute.name))
                else {
                    continue;
                };
                if wholes.contains(&(urn, "")) || wholes.contains(&(urn, spot.attribute.name)) {
                    continue;
                }
                let inside = match urn {
                    Some(urn) => out
                        .entry(urn)
                        .or_insert_with(|| Value::Object(Map::new()))
                        .as_object_mut(),
                    None => Some(&mut out),
                };
                let Some(inside) = inside else { continue };
                match spot.sub {
                    None => {
                        inside.insert(spot.attribute.name.into(), value.clone());
                        wholes.insert((urn, spot.attribute.name));
                    }
                    Some(sub) => take_sub(inside, spot, sub.name, value),
                }
            }
        }
    }
    out
}

/// Copies one sub-attribute, beside those that were copied before.
fn take_sub(inside: &mut Map<String, Value>, spot: &Spot, sub: &str, value: &Value) {
    let pick = |from: &Value, to: &mut Value| {
        if let (Some(value), Some(to)) = (from.get(sub), to.as_object_mut()) {
            to.insert(sub.into(), value.clone());
        }
    };
    let empty = || Value::Object(Map::new());
    match value {
        Value::Array(list) => {
            let blank = || list.iter().map(|_| empty()).collect();
            let to = inside.entry(spot.attribute.name).or_insert_with(blank);
            let to = to.as_array_mut().into_iter().flatten();
            list.iter().zip(to).for_each(|(from, to)| pick(from, to));
        }
        one => pick(one, inside.entry(spot.attribute.name).or_insert_with(empty)),
    }
}

/// Adds the groups of a user.
pub(crate) fn with_groups<'a>(body: &mut Map<String, Value>, groups: impl Iterator<Item = &'a Membership>) {
    let groups: Vec<Value> = groups
        .map(|one| json!({"value": one.group, "display": one.display, "type": "direct"}))
        .collect();
    if !groups.is_empty() {
        body.insert("groups".into(), Value::Array(groups));
    }
}

/// The URL of a resource.
pub(crate) fn location(base: &str, kind: Kind, id: &str) -> String {
    format!("{base}/{}/{id}", kind.endpoint())
}

/// The resource as it is answered. `body` is the record's, with the groups of a user if they are shown.
pub(crate) fn show(record: &Record, mut body: Map<String, Value>, base: &str, shape: &Shape) -> Value {
    if let Some(meta) = body.get_mut("meta").and_then(Value::as_object_mut) {
        meta.insert("location".into(), location(base, record.kind, &record.id).into());
    }
    let listed = match record.kind {
        Kind::User => "groups",
        Kind::Group => "members",
    };
    if let Some(list) = body.get_mut(listed).and_then(Value::as_array_mut) {
        for element in list {
            link(element, base, record.kind);
        }
    }
    Value::Object(shape.apply(record.kind, body))
}

/// Fills the `$ref` of a group or member.
fn link(element: &mut Value, base: &str, of: Kind) {
    let group = of == Kind::User || element.get("type").and_then(Value::as_str) == Some("Group");
    let kind = if group { Kind::Group } else { Kind::User };
    if let Some(object) = element.as_object_mut()
        && !object.contains_key("$ref")
        && let Some(id) = object.get("value").and_then(Value::as_str)
    {
        let url = location(base, kind, id);
        object.insert("$ref".into(), url.into());
    }
}
