//! What a `$filter` says, and whether a row satisfies it.

use std::borrow::Cow;
use std::cmp::Ordering;

use jiff::Timestamp;
use serde_json::Value;

/// A parsed filter.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Expr {
    And(Box<Expr>, Box<Expr>),
    Or(Box<Expr>, Box<Expr>),
    Not(Box<Expr>),
    Compare(Path, Operator, Literal),
    In(Path, Vec<Literal>),
    Call(Function, Path, String),
    /// A collection with an element that satisfies the inner filter; without one: a non-empty collection.
    Any(Path, Option<Box<Expr>>),
}

/// A property path: `employeeOrgData/department`; below a lambda, without the variable.
pub(crate) type Path = Vec<String>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operator {
    Eq,
    Ne,
    Gt,
    Ge,
    Lt,
    Le,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Function {
    StartsWith,
    EndsWith,
    /// What the logs know and the directory does not.
    Contains,
    /// Each word of the text begins a word of the property: what `$search` does.
    Words,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Literal {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    Instant(Timestamp),
}

impl Expr {
    /// Whether a row satisfies the filter. `get` gives the row's property by name; absent is null.
    pub(crate) fn holds<'v>(&self, get: &dyn Fn(&str) -> Option<Cow<'v, Value>>) -> bool {
        match self {
            Self::And(left, right) => left.holds(get) && right.holds(get),
            Self::Or(left, right) => left.holds(get) || right.holds(get),
            Self::Not(inner) => !inner.holds(get),
            Self::Compare(path, operator, literal) => {
                with(path, get, |value| compare(value, *operator, literal))
            }
            Self::In(path, literals) => with(path, get, |value| {
                literals
                    .iter()
                    .any(|literal| compare(value, Operator::Eq, literal))
            }),
            Self::Call(function, path, text) => with(path, get, |value| {
                let Some(value) = value.as_str() else { return false };
                let (value, text) = (value.to_lowercase(), text.to_lowercase());
                match function {
                    Function::StartsWith => value.starts_with(&text),
                    Function::EndsWith => value.ends_with(&text),
                    Function::Contains => value.contains(&text),
                    Function::Words => {
                        let split = |text: &str| -> Vec<String> {
                            let words = text.split(|letter: char| !letter.is_alphanumeric());
                            words.filter(|word| !word.is_empty()).map(str::to_owned).collect()
                        };
                        let held = split(&value);
                        split(&text)
                            .iter()
                            .all(|word| held.iter().any(|known| known.starts_with(word.as_str())))
                    }
                }
            }),
            Self::Any(path, inner) => with(path, get, |value| {
                let Some(items) = value.as_array() else {
                    return false;
                };
                match inner {
                    None => !items.is_empty(),
                    Some(inner) => items.iter().any(|item| inner.holds(&|name| element(item, name))),
                }
            }),
        }
    }

    /// Every property path that the filter names, with the lambda's own paths left out.
    pub(crate) fn paths(&self) -> Vec<&Path> {
        match self {
            Self::And(left, right) | Self::Or(left, right) => {
                left.paths().into_iter().chain(right.paths()).collect()
            }
            Self::Not(inner) => inner.paths(),
            Self::Compare(path, ..) | Self::In(path, _) | Self::Call(_, path, _) | Self::Any(path, _) => {
                vec![path]
            }
        }
    }

    /// The first part of the filter that needs an advanced query (`ConsistencyLevel` and `$count`).
    pub(crate) fn advanced(&self) -> Option<&'static str> {
        match self {
            Self::And(left, right) | Self::Or(left, right) => left.advanced().or_else(|| right.advanced()),
            Self::Not(_) => Some("not"),
            Self::Compare(_, Operator::Ne, _) => Some("ne"),
            Self::Compare(path, ..) if path.last().is_some_and(|last| last == "$count") => Some("$count"),
            Self::Call(Function::EndsWith, ..) => Some("endsWith"),
            Self::Compare(..) | Self::In(..) | Self::Call(..) => None,
            Self::Any(_, inner) => inner.as_deref().and_then(Self::advanced),
        }
    }

    /// Whether it has a `contains`.
    pub(crate) fn contains(&self) -> bool {
        match self {
            Self::And(left, right) | Self::Or(left, right) => left.contains() || right.contains(),
            Self::Not(inner) => inner.contains(),
            Self::Any(_, inner) => inner.as_ref().is_some_and(|inner| inner.contains()),
            Self::Call(function, ..) => *function == Function::Contains,
            Self::Compare(..) | Self::In(..) => false,
        }
    }

    /// How many alternatives the filter names at most: values of an `in`, parts joined by `or`.
    pub(crate) fn alternatives(&self) -> usize {
        match self {
            Self::And(left, right) => left.alternatives().max(right.alternatives()),
            Self::Or(left, right) => left.alternatives() + right.alternatives(),
            Self::Not(inner) => inner.alternatives(),
            Self::In(_, literals) => literals.len(),
            Self::Any(_, inner) => inner.as_ref().map_or(1, |inner| inner.alternatives()),
            Self::Compare(..) | Self::Call(..) => 1,
        }
    }

    /// The ids that it names, when it is nothing but `id eq` joined by `or`.
    pub(crate) fn ids(&self) -> Option<Vec<String>> {
        match self {
            Self::Or(left, right) => {
                let mut ids = left.ids()?;
                ids.extend(right.ids()?);
                Some(ids)
            }
            _ => self
                .pinned("id")
                .filter(|_| matches!(self, Self::Compare(..)))
                .map(|id| vec![id.to_owned()]),
        }
    }

    /// The text that a property must equal for the filter to hold: lets an index answer.
    pub(crate) fn pinned(&self, property: &str) -> Option<&str> {
        match self {
            Self::And(left, right) => left.pinned(property).or_else(|| right.pinned(property)),
            Self::Compare(path, Operator::Eq, Literal::Text(text)) if path.as_slice() == [property] => {
                Some(text)
            }
            _ => None,
        }
    }
}

/// Below a lambda the empty name is the element itself.
fn element<'a>(item: &'a Value, name: &str) -> Option<Cow<'a, Value>> {
    if name.is_empty() {
        Some(Cow::Borrowed(item))
    } else {
        item.get(name).map(Cow::Borrowed)
    }
}

fn with<'v>(
    path: &Path,
    get: &dyn Fn(&str) -> Option<Cow<'v, Value>>,
    test: impl Fn(&Value) -> bool,
) -> bool {
    let mut names = path.iter();
    let first = names.next().and_then(|name| get(name));
    let mut value = first.as_deref().unwrap_or(&Value::Null);
    for name in names {
        if name == "$count" {
            return test(&Value::from(value.as_array().map_or(0, Vec::len)));
        }
        value = value.get(name).unwrap_or(&Value::Null);
    }
    test(value)
}

fn compare(value: &Value, operator: Operator, literal: &Literal) -> bool {
    let order = order(value, literal);
    match operator {
        Operator::Eq => order == Some(Ordering::Equal),
        Operator::Ne => order != Some(Ordering::Equal),
        Operator::Gt => order == Some(Ordering::Greater),
        Operator::Ge => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
        Operator::Lt => order == Some(Ordering::Less),
        Operator::Le => matches!(order, Some(Ordering::Less | Ordering::Equal)),
    }
}

/// How a value stands to a literal. The directory compares text without regard to case.
fn order(value: &Value, literal: &Literal) -> Option<Ordering> {
    match (value, literal) {
        (Value::Null, Literal::Null) => Some(Ordering::Equal),
        (Value::Bool(left), Literal::Bool(right)) => Some(left.cmp(right)),
        (Value::Number(left), Literal::Number(right)) => left.as_f64()?.partial_cmp(right),
        (Value::String(left), Literal::Text(right)) => Some(left.to_lowercase().cmp(&right.to_lowercase())),
        (Value::String(left), Literal::Instant(right)) => Some(left.parse::<Timestamp>().ok()?.cmp(right)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use serde_json::json;

    use super::super::parse::parse;

    #[test]
    fn filters_hold_or_not() {
        let row = json!({
            "displayName": "Siobhán O'Brien", "accountEnabled": true, "employeeId": "W-2016",
            "department": null, "employeeHireDate": "2026-10-12T00:00:00Z",
            "otherMails": ["a@b.example", "c@d.example"], "proxyAddresses": [],
            "assignedLicenses": [{ "skuId": "05e9a617-0261-4cee-bb44-138d3ef5d965" }],
            "employeeOrgData": { "costCenter": "HR-110" },
        });
        let check = |filter: &str, expect: bool| {
            let parsed = parse(filter).unwrap_or_else(|fail| panic!("{filter}: {}", fail.message));
            assert_eq!(
                parsed.holds(&|name| row.get(name).map(Cow::Borrowed)),
                expect,
                "{filter}"
            );
        };
        check("displayName eq 'siobhán o''brien'", true);
        check("employeeId eq 'W-2016'", true);
        check("employeeId ne 'W-2016'", false);
        check("employeeId in ('W-1', 'W-2016')", true);
        check("employeeId in ('W-1')", false);
        check("startsWith(displayName,'Sio')", true);
        check("startswith(department, 'x')", false);
        check("endsWith(displayName,'brien')", true);
        check("not(startsWith(displayName,'Sio'))", false);
        check("NOT startsWith(displayName,'Tom')", true);
        check("department eq null", true);
        check("department ne null", false);
        check("department ne 'Sales'", true);
        check("employeeId eq null", false);
        check("accountEnabled eq true and department eq null", true);
        check("accountEnabled eq false or employeeId eq 'W-2016'", true);
        check(
            "accountEnabled eq false and employeeId eq 'x' or employeeId eq 'W-2016'",
            true,
        );
        check(
            "accountEnabled eq false and (employeeId eq 'x' or employeeId eq 'W-2016')",
            false,
        );
        check("employeeHireDate ge 2026-10-12T00:00:00Z", true);
        check("employeeHireDate gt 2026-10-12", false);
        check("employeeHireDate le 2026-10-12T02:00:00+02:00", true);
        check("otherMails/any(m:m eq 'C@D.example')", true);
        check("otherMails/any(m:startsWith(m,'z'))", false);
        check("proxyAddresses/any()", false);
        check("otherMails/any()", true);
        check("otherMails/$count eq 2", true);
        check(
            "assignedLicenses/any(x:x/skuId eq 05e9a617-0261-4cee-bb44-138d3ef5d965)",
            true,
        );
        check(
            "assignedLicenses/any(x:x/skuId eq '05e9a617-0261-4cee-bb44-138d3ef5d966')",
            false,
        );
        check("employeeOrgData/costCenter eq 'HR-110'", true);
    }

    #[test]
    fn what_is_not_a_filter_is_refused() {
        let check = |filter: &str| assert!(parse(filter).is_err(), "{filter}");
        check("");
        check("displayName");
        check("displayName eq");
        check("displayName eq 'open");
        check("displayName eq 'a' and");
        check("(displayName eq 'a'");
        check("displayName like 'a'");
        check("displayName eq 'a' displayName eq 'b'");
        check("otherMails/all(m:m eq 'a')");
        check("otherMails/any(m:x eq 'a')");
        check("displayName in ()");
    }

    #[test]
    fn advanced_parts_are_found() {
        let check = |filter: &str, expect: Option<&str>| {
            assert_eq!(parse(filter).unwrap().advanced(), expect, "{filter}");
        };
        check("displayName eq 'a' and employeeId in ('b')", None);
        check("displayName ne 'a'", Some("ne"));
        check("displayName eq 'a' and not (mail eq null)", Some("not"));
        check("endsWith(mail,'a')", Some("endsWith"));
        check("assignedLicenses/$count eq 0", Some("$count"));
    }
}
