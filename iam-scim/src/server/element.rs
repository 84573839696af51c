//! One PATCH operation on a multi-valued attribute: all of it, the elements that a filter selects, or one
//! sub-attribute of these.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

use super::body::{coerce, is_primary, one};
use super::filter::Expr;
use super::filter::Operator;
use super::matching::{Bound, Check};
use super::patch::Verb;
use super::problem::Problem;
use super::schema::{Attribute, Mutability};

/// What to change in a list.
#[derive(Debug)]
pub(crate) struct Change<'a> {
    pub(crate) verb: Verb,
    pub(crate) attribute: &'static Attribute,
    pub(crate) sub: Option<&'static Attribute>,
    pub(crate) filter: Option<&'a Bound>,
}

/// Applies the change; the elements that it touched come back with at most one primary among all.
pub(crate) fn edit(change: &Change<'_>, list: &mut Vec<Value>, value: Option<&Value>) -> Result<(), Problem> {
    let touched = match (change.verb, change.filter, change.sub) {
        (Verb::Remove, None, None) => {
            remove(change.attribute, list, value)?;
            HashSet::new()
        }
        (Verb::Add, None, None) => add(change.attribute, list, value)?,
        (Verb::Replace, None, None) => {
            *list = match value.map_or(Ok(None), |value| coerce(change.attribute, value))? {
                Some(Value::Array(list)) => list,
                _ => Vec::new(),
            };
            (0..list.len()).collect()
        }
        _ => selected(change, list, value)?,
    };
    list.retain(|element| element.as_object().is_none_or(|object| !object.is_empty()));
    one_primary(change.attribute, list, &touched)
}

/// Entra ID names the members to remove by value instead of by path; without a value everything goes.
fn remove(attribute: &Attribute, list: &mut Vec<Value>, value: Option<&Value>) -> Result<(), Problem> {
    let Some(value) = value.filter(|value| !value.is_null()) else {
        list.clear();
        return Ok(());
    };
    // An empty list of what to remove removes nothing.
    let Some(Value::Array(gone)) = coerce(attribute, value)? else {
        return Ok(());
    };
    let values: HashSet<&str> = gone.iter().filter_map(|one| one.get("value")?.as_str()).collect();
    list.retain(|element| match element.get("value").and_then(Value::as_str) {
        Some(value) => !values.contains(value),
        None => !gone.contains(element),
    });
    Ok(())
}

/// What makes two elements the same one: `value`, and `type` where that can change.
fn identity<'a>(attribute: &Attribute, element: &'a Value) -> Option<(&'a str, &'a str)> {
    let text = |name: &str| element.get(name).and_then(Value::as_str);
    let changes = attribute
        .sub("type")
        .is_some_and(|sub| sub.mutability == Mutability::ReadWrite);
    let kind = if changes { text("type") } else { None };
    Some((text("value")?, kind.unwrap_or_default()))
}

fn add(
    attribute: &'static Attribute,
    list: &mut Vec<Value>,
    value: Option<&Value>,
) -> Result<HashSet<usize>, Problem> {
    let Some(Value::Array(new)) = value.map_or(Ok(None), |value| coerce(attribute, value))? else {
        return Ok(HashSet::new());
    };
    let places: Vec<Option<usize>> = {
        let wanted: HashSet<_> = new.iter().filter_map(|one| identity(attribute, one)).collect();
        let known: HashMap<_, _> = list
            .iter()
            .enumerate()
            .filter_map(|(place, one)| Some((identity(attribute, one)?, place)))
            .filter(|(identity, _)| wanted.contains(identity))
            .collect();
        let place = |one| match identity(attribute, one) {
            Some(identity) => known.get(&identity).copied(),
            None => list.iter().position(|other| other == one),
        };
        new.iter().map(place).collect()
    };
    let mut touched = HashSet::new();
    for (element, place) in new.into_iter().zip(places) {
        match (
            place
                .and_then(|place| list.get_mut(place))
                .and_then(Value::as_object_mut),
            element,
        ) {
            (Some(current), Value::Object(subs)) => {
                let changes = |name: &str| {
                    attribute
                        .sub(name)
                        .is_some_and(|sub| sub.mutability != Mutability::Immutable)
                };
                current.extend(subs.into_iter().filter(|(name, _)| changes(name)));
                touched.extend(place);
            }
            (_, element) => {
                touched.insert(list.len());
                list.push(element);
            }
        }
    }
    Ok(touched)
}

/// A filter, a sub-attribute, or both.
fn selected(
    change: &Change<'_>,
    list: &mut Vec<Value>,
    value: Option<&Value>,
) -> Result<HashSet<usize>, Problem> {
    let matches = |element: &Value| {
        element
            .as_object()
            .is_some_and(|object| change.filter.is_none_or(|filter| filter.matches(object)))
    };
    let mut places: HashSet<usize> = list
        .iter()
        .enumerate()
        .filter(|(_, element)| matches(element))
        .map(|(place, _)| place)
        .collect();
    if change.verb == Verb::Remove {
        // Taking out who is no member any more is what the client wants, so it may ask twice.
        if places.is_empty() && change.filter.is_some() && change.attribute.name != "members" {
            return Err(no_match(change));
        }
        return match change.sub {
            None => {
                let mut place = 0..;
                list.retain(|_| !place.next().is_some_and(|place| places.contains(&place)));
                Ok(HashSet::new())
            }
            Some(sub) => {
                write(change.attribute, list, &places, sub, None)?;
                Ok(places)
            }
        };
    }
    let sub_value = |sub: &'static Attribute| value.map_or(Ok(None), |value| one(sub, value));
    let whole = match (change.sub, value) {
        (None, Some(Value::Array(all))) => match all.as_slice() {
            [] => None,
            [only] => one(change.attribute, only)?,
            _ => return Err(Problem::value("expected one element as the value")),
        },
        (None, Some(value)) => one(change.attribute, value)?,
        _ => None,
    };
    if places.is_empty() {
        let cleared = match change.sub {
            Some(sub) => sub_value(sub)?.is_none(),
            None => whole.is_none(),
        };
        if cleared {
            return Ok(places);
        }
        let element = described(change).ok_or_else(|| no_match(change))?;
        places.insert(list.len());
        list.push(Value::Object(element));
    }
    match (change.sub, whole) {
        (Some(sub), _) => write(change.attribute, list, &places, sub, sub_value(sub)?.as_ref())?,
        (None, None) => {
            let mut place = 0..;
            list.retain(|_| !place.next().is_some_and(|place| places.contains(&place)));
            return Ok(HashSet::new());
        }
        (None, Some(Value::Object(subs))) if change.verb == Verb::Replace => {
            for place in &places {
                if let Some(element) = list.get_mut(*place) {
                    fixed(change.attribute, element, &subs)?;
                    let mut whole = described(change).unwrap_or_default();
                    whole.extend(subs.clone());
                    *element = Value::Object(whole);
                }
            }
        }
        (None, Some(Value::Object(subs))) => {
            for place in &places {
                if let Some(element) = list.get_mut(*place) {
                    fixed(change.attribute, element, &subs)?;
                    if let Some(object) = element.as_object_mut() {
                        object.extend(subs.clone());
                    }
                }
            }
        }
        _ => {}
    }
    Ok(places)
}

fn no_match(change: &Change<'_>) -> Problem {
    Problem::no_target(format!(
        "no element of {} matches the filter",
        change.attribute.name
    ))
}

/// The element that a filter of equalities describes: Entra ID expects `emails[type eq "work"].value` to make it.
fn described(change: &Change<'_>) -> Option<Map<String, Value>> {
    fn collect(filter: &Bound, out: &mut Map<String, Value>) -> bool {
        match filter {
            Expr::And(all) => all.iter().all(|one| collect(one, out)),
            Expr::Is(spot, check) if spot.attribute.mutability == Mutability::ReadWrite => {
                let value = match check {
                    Check::Bool(flag) => Value::Bool(*flag),
                    Check::Text {
                        operator: Operator::Eq,
                        written,
                        ..
                    } => Value::String(written.clone()),
                    _ => return false,
                };
                out.insert(spot.attribute.name.into(), value).is_none()
            }
            _ => false,
        }
    }
    let mut out = Map::new();
    match change.filter {
        None => Some(out),
        Some(filter) => collect(filter, &mut out).then_some(out),
    }
}

/// Refuses to change an immutable sub-attribute that has a value.
fn fixed(attribute: &Attribute, element: &Value, subs: &Map<String, Value>) -> Result<(), Problem> {
    for (name, value) in subs {
        let immutable = attribute
            .sub(name)
            .is_some_and(|sub| sub.mutability == Mutability::Immutable);
        if immutable && element.get(name).is_some_and(|current| current != value) {
            return Err(Problem::mutability(format!(
                "{}.{name} of an element cannot be changed; remove it and add another",
                attribute.name
            )));
        }
    }
    Ok(())
}

/// Sets or clears one sub-attribute of the elements.
fn write(
    attribute: &Attribute,
    list: &mut [Value],
    places: &HashSet<usize>,
    sub: &'static Attribute,
    value: Option<&Value>,
) -> Result<(), Problem> {
    let given = Map::from_iter([(sub.name.to_owned(), value.cloned().unwrap_or_default())]);
    for place in places {
        let Some(element) = list.get_mut(*place) else {
            continue;
        };
        fixed(attribute, element, &given)?;
        let Some(object) = element.as_object_mut() else {
            continue;
        };
        match value {
            Some(value) => {
                object.insert(sub.name.into(), value.clone());
            }
            None => {
                object.shift_remove(sub.name);
            }
        }
    }
    Ok(())
}

/// The last one that was made primary is; the others no longer are (RFC 7644 section 3.5.2).
fn one_primary(attribute: &Attribute, list: &mut [Value], touched: &HashSet<usize>) -> Result<(), Problem> {
    let primary = |(place, element): (usize, &Value)| is_primary(element).then_some(place);
    let all: Vec<usize> = list.iter().enumerate().filter_map(primary).collect();
    if all.len() < 2 {
        return Ok(());
    }
    let mut new = all.iter().filter(|place| touched.contains(place));
    match (new.next(), new.next()) {
        (Some(&kept), None) => {
            for place in all.into_iter().filter(|place| *place != kept) {
                if let Some(object) = list.get_mut(place).and_then(Value::as_object_mut) {
                    object.insert("primary".into(), Value::Bool(false));
                }
            }
            Ok(())
        }
        _ => Err(Problem::value(format!(
            "expected at most one primary value in {}",
            attribute.name
        ))),
    }
}
