//! Binding a filter to a resource type, and asking a resource.
//!
//! Case counts where the schema says so; dates compare as instants; a list passes a test when one of its values does,
//! and `ne` is the negation of `eq`.

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::filter::{Expr, Filter, Literal, Operator, Test};
use super::problem::Problem;
use super::schema::{Attribute, Kind, Meaning, Spot, Type};
use super::text::Name;

/// A test whose literal has the attribute's type.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Check {
    Present,
    Bool(bool),
    Time(Operator, Timestamp),
    /// Folded already unless `exact`.
    Text {
        operator: Operator,
        exact: bool,
        value: String,
        /// The literal as it was written.
        written: String,
    },
    Not(Box<Check>),
}

/// A filter bound to a resource type, or inside brackets to the elements of one attribute.
pub(crate) type Bound = Expr<Spot, Check>;

impl Filter {
    /// Whether the resource passes; an attribute that the resource type does not have is `invalidFilter`.
    pub fn matches(&self, kind: Kind, resource: &Map<String, Value>) -> Result<bool, Problem> {
        Ok(self.bind(kind)?.matches(resource))
    }

    pub(crate) fn bind(&self, kind: Kind) -> Result<Bound, Problem> {
        bind(&self.0, &|name| match kind.resolve(name) {
            Some(Meaning::Attribute(spot)) => Ok(spot),
            _ => Err(unknown(name, kind.name())),
        })
    }
}

fn unknown(name: &Name, of: &str) -> Problem {
    Problem::filter(format!("{of} has no attribute of the name")).at(name.at)
}

/// Binds a filter in the brackets behind `list`.
pub(crate) fn bind_inner(expr: &Expr<Name, Test>, list: Spot) -> Result<Bound, Problem> {
    bind(expr, &|name| match list.attribute.sub(&name.attribute) {
        Some(attribute) if name.urn.is_none() && name.sub.is_none() => Ok(Spot {
            extension: None,
            attribute,
            sub: None,
        }),
        _ => Err(unknown(name, list.attribute.name)),
    })
}

fn bind(expr: &Expr<Name, Test>, resolve: &dyn Fn(&Name) -> Result<Spot, Problem>) -> Result<Bound, Problem> {
    let all = |list: &[Expr<Name, Test>]| {
        list.iter()
            .map(|one| bind(one, resolve))
            .collect::<Result<Vec<_>, _>>()
    };
    Ok(match expr {
        Expr::And(list) => Expr::And(all(list)?),
        Expr::Or(list) => Expr::Or(all(list)?),
        Expr::Not(inner) => Expr::Not(Box::new(bind(inner, resolve)?)),
        Expr::Is(name, test) => {
            let (spot, check) = typed(resolve(name)?, test, name.at)?;
            Expr::Is(spot, check)
        }
        Expr::Any { list, inner, then } => {
            let spot = resolve(list)?;
            if !spot.leaf().is_complex() {
                let none = format!("{} has no sub-attributes to filter by", spot.leaf().name);
                return Err(Problem::filter(none).at(list.at));
            }
            let then = match then {
                None => None,
                Some((name, test)) => {
                    let sub = spot.attribute.sub(&name.attribute);
                    let sub = sub.ok_or_else(|| unknown(name, spot.attribute.name))?;
                    let inside = Spot {
                        extension: None,
                        attribute: sub,
                        sub: None,
                    };
                    Some(typed(inside, test, name.at)?)
                }
            };
            Expr::Any {
                list: spot,
                inner: Box::new(bind_inner(inner, spot)?),
                then,
            }
        }
    })
}

/// Gives the literal the attribute's type; a list of objects is compared by their `value` (RFC 7644 section 3.4.2.2).
fn typed(mut spot: Spot, test: &Test, at: usize) -> Result<(Spot, Check), Problem> {
    let Test::Compare(operator, literal) = test else {
        return Ok((spot, Check::Present));
    };
    if *literal == Literal::Null {
        let absent = Check::Not(Box::new(Check::Present));
        return match operator {
            Operator::Eq => Ok((spot, absent)),
            Operator::Ne => Ok((spot, Check::Present)),
            _ => Err(Problem::filter("null takes eq or ne only").at(at)),
        };
    }
    if spot.leaf().is_complex() {
        spot.sub = spot.attribute.sub("value");
    }
    let positive = match operator {
        Operator::Ne => Operator::Eq,
        other => *other,
    };
    let check = check(spot.leaf(), positive, literal).map_err(|expected| {
        Problem::filter(format!("expected {expected} for {}", spot.leaf().name)).at(at)
    })?;
    let check = match operator {
        Operator::Ne => Check::Not(Box::new(check)),
        _ => check,
    };
    Ok((spot, check))
}

fn check(leaf: &Attribute, operator: Operator, literal: &Literal) -> Result<Check, &'static str> {
    match (leaf.kind, literal) {
        (Type::Complex, _) => Err("one of the sub-attributes"),
        (Type::Boolean, literal) => {
            let flag = match literal {
                Literal::Bool(flag) => Some(*flag),
                Literal::Text(text) => flag(text),
                _ => None,
            };
            match flag {
                Some(flag) if operator == Operator::Eq => Ok(Check::Bool(flag)),
                _ => Err("true or false, by eq or ne"),
            }
        }
        (Type::DateTime, Literal::Text(text))
            if !matches!(operator, Operator::Co | Operator::Sw | Operator::Ew) =>
        {
            match text.parse() {
                Ok(time) => Ok(Check::Time(operator, time)),
                Err(_) => Err("an instant such as 2026-01-31T08:00:00Z"),
            }
        }
        (Type::Binary, _)
            if !matches!(
                operator,
                Operator::Eq | Operator::Co | Operator::Sw | Operator::Ew
            ) =>
        {
            Err("a string, and has no order")
        }
        (_, Literal::Text(text)) => Ok(Check::Text {
            operator,
            exact: leaf.case_exact,
            value: if leaf.case_exact { text.clone() } else { fold(text) },
            written: text.clone(),
        }),
        _ => Err("a string in double quotes"),
    }
}

/// How text is compared where case does not count.
pub(crate) fn fold(text: &str) -> String {
    text.to_lowercase()
}

/// `"True"`, as Entra ID writes booleans.
pub(crate) fn flag(text: &str) -> Option<bool> {
    if text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

impl Bound {
    pub(crate) fn matches(&self, object: &Map<String, Value>) -> bool {
        match self {
            Expr::And(all) => all.iter().all(|one| one.matches(object)),
            Expr::Or(all) => all.iter().any(|one| one.matches(object)),
            Expr::Not(inner) => !inner.matches(object),
            Expr::Is(spot, check) => passes(spot, check, object),
            Expr::Any { list, inner, then } => {
                let Some(value) = list
                    .within(object)
                    .and_then(|object| object.get(list.attribute.name))
                else {
                    return false;
                };
                elements(value).any(|element| {
                    element.as_object().is_some_and(|element| {
                        inner.matches(element)
                            && then
                                .as_ref()
                                .is_none_or(|(spot, check)| passes(spot, check, element))
                    })
                })
            }
        }
    }

    /// Whether the filter looks at this core attribute.
    pub(crate) fn mentions(&self, name: &str) -> bool {
        match self {
            Expr::And(all) | Expr::Or(all) => all.iter().any(|one| one.mentions(name)),
            Expr::Not(inner) => inner.mentions(name),
            Expr::Is(spot, _) | Expr::Any { list: spot, .. } => {
                spot.extension.is_none() && spot.attribute.name == name
            }
        }
    }
}

fn elements(value: &Value) -> impl Iterator<Item = &Value> {
    let (many, one) = match value {
        Value::Array(list) => (list.as_slice(), None),
        one => (&[][..], Some(one)),
    };
    many.iter().chain(one)
}

fn passes(spot: &Spot, check: &Check, object: &Map<String, Value>) -> bool {
    if let Check::Not(inner) = check {
        return !passes(spot, inner, object);
    }
    let value = spot
        .within(object)
        .and_then(|object| object.get(spot.attribute.name));
    value.is_some_and(|value| {
        elements(value).any(|element| match spot.sub {
            None => check.passes(element),
            Some(sub) => element.get(sub.name).is_some_and(|value| check.passes(value)),
        })
    })
}

impl Check {
    fn passes(&self, value: &Value) -> bool {
        match self {
            Self::Not(inner) => !inner.passes(value),
            Self::Present => match value {
                Value::Null => false,
                Value::String(text) => !text.is_empty(),
                Value::Array(list) => !list.is_empty(),
                Value::Object(object) => !object.is_empty(),
                _ => true,
            },
            Self::Bool(flag) => value.as_bool() == Some(*flag),
            Self::Time(operator, time) => {
                let instant = value.as_str().and_then(|text| text.parse::<Timestamp>().ok());
                instant.is_some_and(|instant| ordered(*operator, &instant, time))
            }
            Self::Text {
                operator,
                exact,
                value: wanted,
                ..
            } => value.as_str().is_some_and(|text| {
                if *exact {
                    holds(*operator, text, wanted)
                } else if *operator == Operator::Eq && text.is_ascii() {
                    text.eq_ignore_ascii_case(wanted)
                } else {
                    holds(*operator, &fold(text), wanted)
                }
            }),
        }
    }
}

fn holds(operator: Operator, text: &str, wanted: &str) -> bool {
    match operator {
        Operator::Co => text.contains(wanted),
        Operator::Sw => text.starts_with(wanted),
        Operator::Ew => text.ends_with(wanted),
        other => ordered(other, text, wanted),
    }
}

fn ordered<T: PartialOrd + ?Sized>(operator: Operator, left: &T, right: &T) -> bool {
    match operator {
        Operator::Eq => left == right,
        Operator::Gt => left > right,
        Operator::Ge => left >= right,
        Operator::Lt => left < right,
        Operator::Le => left <= right,
        _ => false,
    }
}
