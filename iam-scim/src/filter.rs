//! [`Filter`]: a filter expression, built and never parsed (RFC 7644 section 3.4.2.2).
//!
//! Invariant: a value never leaves its quotes. Values are written as JSON strings, and the whole filter is
//! percent-encoded when it goes into a URL. The same filter can be evaluated here, for servers that cannot.

use std::fmt;

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::values::{attribute, truth};

/// A filter. `Display` is its SCIM text, which may hold personal data: `Debug` leaves values out.
#[derive(Clone, PartialEq)]
pub struct Filter(Node);

#[derive(Clone, PartialEq)]
enum Node {
    Compare(String, Operator, Value),
    Present(String),
    And(Box<Node>, Box<Node>),
    Or(Box<Node>, Box<Node>),
    Not(Box<Node>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Eq,
    Co,
    Sw,
    Ew,
    Gt,
    Ge,
    Lt,
    Le,
}

impl Operator {
    fn as_str(self) -> &'static str {
        match self {
            Self::Eq => "eq",
            Self::Co => "co",
            Self::Sw => "sw",
            Self::Ew => "ew",
            Self::Gt => "gt",
            Self::Ge => "ge",
            Self::Lt => "lt",
            Self::Le => "le",
        }
    }
}

impl Filter {
    /// `attribute eq value`; the value is text, a number, a boolean or null. The attribute is a name, a path
    /// (`name.familyName`) or a path below a schema URN, and is used as it is.
    pub fn eq(attribute: &str, value: impl Into<Value>) -> Self {
        Self::compare(attribute, Operator::Eq, value)
    }

    /// `attribute co value`: contains.
    pub fn co(attribute: &str, value: impl Into<Value>) -> Self {
        Self::compare(attribute, Operator::Co, value)
    }

    /// `attribute sw value`: starts with.
    pub fn sw(attribute: &str, value: impl Into<Value>) -> Self {
        Self::compare(attribute, Operator::Sw, value)
    }

    /// `attribute ew value`: ends with.
    pub fn ew(attribute: &str, value: impl Into<Value>) -> Self {
        Self::compare(attribute, Operator::Ew, value)
    }

    /// `attribute gt value`: numbers, instants (RFC 3339) or text.
    pub fn gt(attribute: &str, value: impl Into<Value>) -> Self {
        Self::compare(attribute, Operator::Gt, value)
    }

    /// `attribute ge value`.
    pub fn ge(attribute: &str, value: impl Into<Value>) -> Self {
        Self::compare(attribute, Operator::Ge, value)
    }

    /// `attribute lt value`.
    pub fn lt(attribute: &str, value: impl Into<Value>) -> Self {
        Self::compare(attribute, Operator::Lt, value)
    }

    /// `attribute le value`.
    pub fn le(attribute: &str, value: impl Into<Value>) -> Self {
        Self::compare(attribute, Operator::Le, value)
    }

    /// `attribute pr`: has a value.
    pub fn present(attribute: &str) -> Self {
        Self(Node::Present(attribute.to_owned()))
    }

    /// Both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(Node::And(Box::new(self.0), Box::new(other.0)))
    }

    /// Either.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self(Node::Or(Box::new(self.0), Box::new(other.0)))
    }

    /// Not this.
    #[must_use]
    #[allow(clippy::should_implement_trait)] // it is SCIM's word
    pub fn not(self) -> Self {
        Self(Node::Not(Box::new(self.0)))
    }

    fn compare(attribute: &str, operator: Operator, value: impl Into<Value>) -> Self {
        Self(Node::Compare(attribute.to_owned(), operator, value.into()))
    }

    /// Whether a resource passes the filter. Text is compared without regard to case, but for `id`,
    /// `externalId` and `value` of references, which are case-exact (RFC 7643 section 3.1).
    pub fn matches(&self, resource: &Map<String, Value>) -> bool {
        self.0.matches(resource)
    }

    /// The attributes it names, for remembering what a server cannot filter by.
    pub(crate) fn attributes(&self) -> Vec<String> {
        let mut names = Vec::new();
        self.0.collect(&mut names);
        names
    }
}

impl Node {
    fn matches(&self, resource: &Map<String, Value>) -> bool {
        match self {
            Self::Compare(path, operator, expected) => {
                let exact = is_exact(path);
                let found = values(resource, path);
                if expected.is_null() {
                    return found.is_empty();
                }
                found
                    .iter()
                    .any(|value| compare(value, *operator, expected, exact))
            }
            Self::Present(path) => !values(resource, path).is_empty(),
            Self::And(a, b) => a.matches(resource) && b.matches(resource),
            Self::Or(a, b) => a.matches(resource) || b.matches(resource),
            Self::Not(inner) => !inner.matches(resource),
        }
    }

    fn collect(&self, names: &mut Vec<String>) {
        match self {
            Self::Compare(path, ..) | Self::Present(path) => names.push(path.to_lowercase()),
            Self::And(a, b) | Self::Or(a, b) => {
                a.collect(names);
                b.collect(names);
            }
            Self::Not(inner) => inner.collect(names),
        }
    }

    /// `and` binds tighter than `or`; everything else gets parentheses.
    fn write(&self, f: &mut fmt::Formatter<'_>, literal: bool) -> fmt::Result {
        let side = |f: &mut fmt::Formatter<'_>, node: &Node, wrap: bool| {
            if wrap {
                f.write_str("(")?;
            }
            node.write(f, literal)?;
            f.write_str(if wrap { ")" } else { "" })
        };
        match self {
            Self::Compare(path, operator, _) if !literal => write!(f, "{path} {} …", operator.as_str()),
            Self::Compare(path, operator, value) => write!(f, "{path} {} {value}", operator.as_str()),
            Self::Present(path) => write!(f, "{path} pr"),
            Self::And(a, b) => {
                side(f, a, matches!(**a, Self::Or(..)))?;
                f.write_str(" and ")?;
                side(f, b, matches!(**b, Self::Or(..)))
            }
            Self::Or(a, b) => {
                side(f, a, false)?;
                f.write_str(" or ")?;
                side(f, b, false)
            }
            Self::Not(inner) => {
                f.write_str("not ")?;
                side(f, inner, true)
            }
        }
    }
}

/// Everything that stands at a path: lists are looked through, and a list element that is an object without
/// a sub-attribute in the path stands for its `value`.
fn values<'a>(resource: &'a Map<String, Value>, path: &str) -> Vec<&'a Value> {
    let (urn, names) = path
        .rsplit_once(':')
        .map_or((None, path), |(urn, names)| (Some(urn), names));
    let holder = match urn.map(|urn| (urn, attribute(resource, urn))) {
        None => Some(resource),
        Some((_, Some(extension))) => extension.as_object(),
        // Core attributes may be qualified by their schema's URN too.
        Some((urn, None)) if urn.to_lowercase().contains(":schemas:core:") => Some(resource),
        Some(_) => None,
    };
    let mut names = names.split('.');
    let first = holder
        .zip(names.next())
        .and_then(|(holder, name)| attribute(holder, name));
    let mut here = flat(first.into_iter().collect());
    for name in names {
        let below = here
            .into_iter()
            .filter_map(|value| attribute(value.as_object()?, name));
        here = flat(below.collect());
    }
    let leaf = |value: &'a Value| match value {
        Value::Object(fields) => attribute(fields, "value").unwrap_or(value),
        value => value,
    };
    let filled = |value: &&Value| !value.is_null() && value.as_str() != Some("");
    here.into_iter().map(leaf).filter(filled).collect()
}

fn flat(values: Vec<&Value>) -> Vec<&Value> {
    values
        .into_iter()
        .flat_map(|value| match value {
            Value::Array(items) => items.iter().collect(),
            one => vec![one],
        })
        .collect()
}

fn is_exact(path: &str) -> bool {
    let last = path.rsplit([':', '.']).next().unwrap_or(path);
    let reference = path.eq_ignore_ascii_case("value")
        || path.contains('.') && last.eq_ignore_ascii_case("value") && !path.starts_with("emails");
    last.eq_ignore_ascii_case("id") || last.eq_ignore_ascii_case("externalId") || reference
}

fn compare(found: &Value, operator: Operator, expected: &Value, exact: bool) -> bool {
    use std::cmp::Ordering::{Equal, Greater, Less};
    let fold = |text: &str| {
        if exact {
            text.to_owned()
        } else {
            text.to_lowercase()
        }
    };
    let order = match (found, expected) {
        (_, Value::Bool(yes)) => return operator == Operator::Eq && truth(found) == Some(*yes),
        (Value::Number(a), Value::Number(b)) => a.as_f64().partial_cmp(&b.as_f64()),
        (Value::String(a), Value::String(b)) => {
            let (folded, part) = (fold(a), fold(b));
            match operator {
                Operator::Co => return folded.contains(&part),
                Operator::Sw => return folded.starts_with(&part),
                Operator::Ew => return folded.ends_with(&part),
                _ => {}
            }
            let instants = a.parse::<Timestamp>().ok().zip(b.parse::<Timestamp>().ok());
            Some(instants.map_or_else(|| folded.cmp(&part), |(a, b)| a.cmp(&b)))
        }
        // Ids that a server writes as numbers.
        (Value::Number(a), Value::String(b)) => return operator == Operator::Eq && a.to_string() == *b,
        _ => None,
    };
    match operator {
        Operator::Eq => order == Some(Equal),
        Operator::Gt => order == Some(Greater),
        Operator::Ge => matches!(order, Some(Greater | Equal)),
        Operator::Lt => order == Some(Less),
        Operator::Le => matches!(order, Some(Less | Equal)),
        Operator::Co | Operator::Sw | Operator::Ew => false,
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.write(f, true)
    }
}

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Filter(")?;
        self.0.write(f, false)?;
        f.write_str(")")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_stay_in_their_quotes() {
        let check = |filter: Filter, expect: &str| assert_eq!(filter.to_string(), expect);
        check(Filter::eq("userName", "ada"), r#"userName eq "ada""#);
        check(
            Filter::eq("userName", r#"a" or userName pr or "\"#),
            r#"userName eq "a\" or userName pr or \"\\""#,
        );
        check(Filter::eq("active", true), "active eq true");
        check(Filter::eq("manager", Value::Null), "manager eq null");
        check(Filter::eq("userName", "a\nb"), r#"userName eq "a\nb""#);
        let either = Filter::sw("a", "1").or(Filter::ew("b", "2"));
        check(
            either.clone().and(Filter::present("c")),
            r#"(a sw "1" or b ew "2") and c pr"#,
        );
        check(either.not(), r#"not (a sw "1" or b ew "2")"#);
        assert_eq!(
            format!("{:?}", Filter::eq("userName", "ada")),
            "Filter(userName eq …)"
        );
    }

    #[test]
    fn a_filter_is_evaluated_as_a_server_would() {
        let ada = json!({
            "id": "7", "externalId": "W-1", "userName": "Ada@contoso.example", "active": "True", "age": 36,
            "name": { "familyName": "Lovelace" }, "meta": { "created": "2026-01-01T00:00:00Z" },
            "emails": [{ "value": "a@x.example", "type": "home" }, { "value": "b@x.example", "type": "work" }],
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": { "department": "Engines" },
        });
        let check = |filter: Filter, expect: bool| {
            assert_eq!(filter.matches(ada.as_object().unwrap()), expect, "{filter}");
        };
        check(Filter::eq("USERNAME", "ada@contoso.example"), true);
        check(Filter::eq("externalId", "W-1"), true);
        check(Filter::eq("externalId", "w-1"), false);
        check(Filter::eq("active", true), true);
        check(Filter::eq("name.familyName", "lovelace"), true);
        check(Filter::eq("emails", "B@x.example"), true);
        check(Filter::eq("emails.type", "work"), true);
        check(Filter::co("emails.value", "z@"), false);
        check(
            Filter::eq(
                "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department",
                "engines",
            ),
            true,
        );
        check(
            Filter::eq(
                "urn:ietf:params:scim:schemas:core:2.0:User:userName",
                "ada@contoso.example",
            ),
            true,
        );
        check(Filter::gt("meta.created", "2025-12-31T23:00:00-02:00"), false);
        check(Filter::ge("age", 36), true);
        check(Filter::lt("age", 36), false);
        check(Filter::present("title").not(), true);
        check(Filter::eq("title", Value::Null), true);
        check(
            Filter::sw("userName", "ada").and(Filter::ew("userName", ".example")),
            true,
        );
    }
}
