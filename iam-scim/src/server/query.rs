//! Lists (RFC 7644 sections 3.4.2 and 3.4.3): which resources, in which order, which page of them.

use std::cmp::Ordering;

use serde_json::{Map, Value};

use super::exchange::Request;
use super::filter::{Expr, Filter, Operator};
use super::matching::{Bound, Check, fold};
use super::path::Path;
use super::problem::Problem;
use super::record::{Index, Key};
use super::schema::{Kind, Meaning, Spot, Type};

/// What a list request asks for, from the query of a GET or the body of a `.search`.
#[derive(Debug, Default)]
pub(crate) struct Query {
    pub(crate) filter: Option<Filter>,
    pub(crate) sort_by: Option<Path>,
    pub(crate) descending: bool,
    /// From 1.
    pub(crate) start: usize,
    pub(crate) count: Option<usize>,
    pub(crate) attributes: Vec<String>,
    pub(crate) excluded: Vec<String>,
}

impl Query {
    pub(crate) fn from_parameters(request: &Request) -> Result<Self, Problem> {
        let text = |name: &str| {
            let found = request
                .query
                .iter()
                .find(|(key, _)| key.eq_ignore_ascii_case(name));
            found.map(|(_, value)| value.as_str())
        };
        let number = |name: &str| match text(name) {
            None => Ok(None),
            Some(text) => match text.trim().parse::<i64>() {
                Ok(number) => Ok(Some(number)),
                Err(_) => Err(Problem::value(format!("expected {name} to be a whole number"))),
            },
        };
        Self::new(
            text("filter"),
            (text("sortBy"), text("sortOrder")),
            (number("startIndex")?, number("count")?),
            shown(request),
        )
    }

    pub(crate) fn from_body(body: &Value) -> Result<Self, Problem> {
        let Value::Object(body) = body else {
            return Err(Problem::syntax("expected a JSON object"));
        };
        let get = |name: &str| {
            let found = body
                .iter()
                .find(|(key, value)| key.eq_ignore_ascii_case(name) && !value.is_null());
            found.map(|(_, value)| value)
        };
        let text = |name: &str| match get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str())),
            Some(_) => Err(Problem::value(format!("expected {name} to be a string"))),
        };
        let number = |name: &str| match get(name) {
            None => Ok(None),
            Some(value) => match value.as_i64() {
                Some(number) => Ok(Some(number)),
                None => Err(Problem::value(format!("expected {name} to be a whole number"))),
            },
        };
        let names = |name: &str| match get(name) {
            None => Ok(Vec::new()),
            Some(Value::String(all)) => Ok(all.split(',').map(str::to_owned).collect()),
            Some(value) => serde_json::from_value(value.clone())
                .map_err(|_| Problem::value(format!("expected {name} to be a list of strings"))),
        };
        Self::new(
            text("filter")?,
            (text("sortBy")?, text("sortOrder")?),
            (number("startIndex")?, number("count")?),
            (names("attributes")?, names("excludedAttributes")?),
        )
    }

    fn new(
        filter: Option<&str>,
        (by, order): (Option<&str>, Option<&str>),
        (start, count): (Option<i64>, Option<i64>),
        (attributes, excluded): (Vec<String>, Vec<String>),
    ) -> Result<Self, Problem> {
        let descending = match order {
            None => false,
            Some(order) if order.eq_ignore_ascii_case("ascending") => false,
            Some(order) if order.eq_ignore_ascii_case("descending") => true,
            Some(_) => return Err(Problem::value("expected sortOrder to be ascending or descending")),
        };
        Ok(Self {
            filter: filter
                .filter(|text| !text.trim().is_empty())
                .map(Filter::parse)
                .transpose()?,
            sort_by: by.map(Path::parse).transpose()?,
            descending,
            start: usize::try_from(start.unwrap_or(1)).unwrap_or(1).max(1),
            count: count.map(|count| usize::try_from(count).unwrap_or(0)),
            attributes,
            excluded,
        })
    }
}

/// The parameters `attributes` and `excludedAttributes`. They can be read whatever the others are.
pub(crate) fn shown(request: &Request) -> (Vec<String>, Vec<String>) {
    let names = |name: &str| {
        let found = request
            .query
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name));
        let all = found.into_iter().flat_map(|(_, all)| all.split(','));
        all.map(str::to_owned).collect()
    };
    (names("attributes"), names("excludedAttributes"))
}

/// Where to sort by, of one resource type.
pub(crate) fn order(kind: Kind, path: &Path) -> Result<Spot, Problem> {
    let meaning = if path.filter.is_some() {
        None
    } else {
        kind.resolve(&path.name)
    };
    let Some(Meaning::Attribute(mut spot)) = meaning else {
        return Err(Problem::path(format!("{} cannot be sorted by that", kind.name())));
    };
    if spot.leaf().is_complex() {
        spot.sub = spot.attribute.sub("value");
    }
    if spot.leaf().is_complex() {
        return Err(Problem::path(format!(
            "{} has several parts: name the one to sort by",
            spot.attribute.name
        )));
    }
    Ok(spot)
}

/// What to compare; of a list the primary value, else the first (section 3.4.2.3).
#[derive(Debug, PartialEq)]
pub(crate) enum Rank {
    Flag(bool),
    Text(String),
    Time(jiff::Timestamp),
    /// Last in ascending order.
    Absent,
}

pub(crate) fn rank(spot: &Spot, resource: &Map<String, Value>) -> Rank {
    let value = spot
        .within(resource)
        .and_then(|inside| inside.get(spot.attribute.name));
    let value = match value {
        Some(Value::Array(list)) => {
            let primary = list
                .iter()
                .find(|one| one.get("primary") == Some(&Value::Bool(true)));
            primary.or_else(|| list.first())
        }
        other => other,
    };
    let value = match spot.sub {
        Some(sub) => value.and_then(|value| value.get(sub.name)),
        None => value,
    };
    match (spot.leaf().kind, value) {
        (_, Some(Value::Bool(flag))) => Rank::Flag(*flag),
        (Type::DateTime, Some(Value::String(text))) => text.parse().map_or(Rank::Absent, Rank::Time),
        (_, Some(Value::String(text))) if spot.leaf().case_exact => Rank::Text(text.clone()),
        (_, Some(Value::String(text))) => Rank::Text(fold(text)),
        _ => Rank::Absent,
    }
}

pub(crate) fn compare(left: &Rank, right: &Rank) -> Ordering {
    match (left, right) {
        (Rank::Flag(left), Rank::Flag(right)) => left.cmp(right),
        (Rank::Text(left), Rank::Text(right)) => left.cmp(right),
        (Rank::Time(left), Rank::Time(right)) => left.cmp(right),
        (Rank::Absent, Rank::Absent) => Ordering::Equal,
        (Rank::Absent, _) => Ordering::Greater,
        (_, Rank::Absent) => Ordering::Less,
        _ => Ordering::Equal,
    }
}

/// How to get at all candidates without reading everything.
#[derive(Debug, PartialEq)]
pub(crate) enum Door {
    Id(String),
    Key(Key),
    Scan,
}

pub(crate) fn door(kind: Kind, filter: &Bound) -> Door {
    match filter {
        Expr::And(all) => {
            let mut doors = all.iter().map(|one| door(kind, one));
            doors.find(|door| *door != Door::Scan).unwrap_or(Door::Scan)
        }
        Expr::Is(spot, check) => keyed(kind, spot, spot.sub.map(|sub| sub.name), check),
        Expr::Any {
            list,
            then: Some((sub, check)),
            ..
        } if list.sub.is_none() => keyed(kind, list, Some(sub.attribute.name), check),
        _ => Door::Scan,
    }
}

fn keyed(kind: Kind, spot: &Spot, sub: Option<&str>, check: &Check) -> Door {
    let Check::Text {
        operator: Operator::Eq,
        value,
        ..
    } = check
    else {
        return Door::Scan;
    };
    if spot.extension.is_some() {
        return Door::Scan;
    }
    match Index::of(kind, spot.attribute.name, sub) {
        Some(index) => Door::Key(Key::new(index, value)),
        None if spot.attribute.name == "id" => Door::Id(value.clone()),
        None => Door::Scan,
    }
}
