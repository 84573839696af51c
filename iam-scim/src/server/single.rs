//! One PATCH operation on a single-valued attribute.

use serde_json::{Map, Value};

use super::body::{coerce, one};
use super::patch::Verb;
use super::problem::Problem;
use super::schema::{Attribute, Mutability, Spot};

/// A single-valued attribute or its sub-attribute.
pub(crate) fn single(
    inside: &mut Map<String, Value>,
    verb: Verb,
    spot: Spot,
    value: Option<&Value>,
) -> Result<(), Problem> {
    let attribute = spot.attribute;
    if let (None, true, Some(Value::Object(given)), false) =
        (spot.sub, attribute.is_complex(), value, verb == Verb::Remove)
    {
        return merge(inside, attribute, given);
    }
    let value = match (verb, value) {
        (Verb::Remove, _) | (_, None) => None,
        (_, Some(value)) => coerce(spot.leaf(), value)?,
    };
    match (spot.sub, value) {
        (None, None) if attribute.required => {
            return Err(Problem::mutability(format!("{} is required", attribute.name)));
        }
        (None, None) => {
            inside.shift_remove(attribute.name);
        }
        (None, Some(value)) => {
            inside.insert(attribute.name.into(), value);
        }
        (Some(sub), value) => {
            let mut given = Map::new();
            given.insert(sub.name.into(), value.unwrap_or_default());
            merge(inside, attribute, &given)?;
        }
    }
    Ok(())
}

/// Sub-attributes that are not named stay (section 3.5.2.3); those that are cleared go.
fn merge(
    inside: &mut Map<String, Value>,
    attribute: &Attribute,
    given: &Map<String, Value>,
) -> Result<(), Problem> {
    let mut subs = match inside.get_mut(attribute.name).map(Value::take) {
        Some(Value::Object(subs)) => subs,
        _ => Map::new(),
    };
    for (name, value) in given {
        let Some(sub) = attribute
            .sub(name)
            .filter(|sub| sub.mutability != Mutability::ReadOnly)
        else {
            continue;
        };
        match one(sub, value)? {
            Some(value) => {
                subs.insert(sub.name.into(), value);
            }
            None => {
                subs.shift_remove(sub.name);
            }
        }
    }
    if subs.is_empty() {
        inside.shift_remove(attribute.name);
    } else {
        inside.insert(attribute.name.into(), Value::Object(subs));
    }
    Ok(())
}
