//! Pages of a list: `value` and `nextLink`.

use serde_json::{Value, json};

use super::{ArmAnswer, ArmCall, ArmFail, ArmOutcome};

/// Rows on a page unless `$top` asks for fewer.
const PAGE: usize = 100;

/// The page that a request asks for by its `$skiptoken`: the place after which it begins.
pub(super) fn page(call: &ArmCall, rows: impl Iterator<Item = (u64, Value)>) -> ArmOutcome {
    let wrong = |what: &str| ArmFail::new(400, "InvalidQueryParameter", format!("The {what} is not valid."));
    let after: u64 = match call.option("$skiptoken") {
        Some(token) => token.parse().map_err(|_| wrong("skip token"))?,
        None => 0,
    };
    let size = match call.option("$top") {
        Some(top) => top
            .parse::<usize>()
            .ok()
            .filter(|top| *top > 0)
            .ok_or_else(|| wrong("value of $top"))?
            .min(PAGE),
        None => PAGE,
    };
    let mut rows = rows.skip_while(|(place, _)| *place <= after);
    let (mut value, mut last) = (Vec::new(), after);
    for (place, row) in rows.by_ref().take(size) {
        last = place;
        value.push(row);
    }
    let mut body = json!({ "value": value });
    if rows.next().is_some() {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in call.query.iter().filter(|(name, _)| *name != "$skiptoken") {
            query.append_pair(name, value);
        }
        query.append_pair("$skiptoken", &last.to_string());
        body["nextLink"] = format!("{}{}?{}", call.root, call.path(), query.finish()).into();
    }
    Ok(ArmAnswer::with(200, body))
}

/// The terms of a filter: `a eq 'b' and c()`.
pub(super) fn terms(filter: &str) -> Vec<&str> {
    let mut terms = Vec::new();
    let mut rest = filter.trim();
    while let Some(at) = rest.to_ascii_lowercase().find(" and ") {
        terms.push(rest[..at].trim());
        rest = rest[at + 5..].trim();
    }
    if !rest.is_empty() {
        terms.push(rest);
    }
    terms
}

/// The text in `name eq 'text'`.
pub(super) fn equals<'a>(term: &'a str, name: &str) -> Option<&'a str> {
    let head = term.get(..name.len())?;
    let rest = term.get(name.len()..)?.trim_start();
    let value = rest
        .strip_prefix("eq ")
        .or_else(|| rest.strip_prefix("EQ "))?
        .trim();
    let value = value.strip_prefix('\'')?.strip_suffix('\'')?;
    head.eq_ignore_ascii_case(name).then_some(value)
}

/// A filter that the list does not know.
pub(super) fn unsupported(filter: &str, known: &str) -> ArmFail {
    ArmFail::new(
        400,
        "UnsupportedQuery",
        format!("The filter '{filter}' is not supported. Supported filters are {known}."),
    )
}
