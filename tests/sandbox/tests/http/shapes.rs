//! Every answer of Microsoft Graph that a test gets has the shape that Microsoft's metadata gives it.
//!
//! `shapes.json` holds, for each operation that the tests ask for, the schema of its good answer (none: no content), in
//! the part of JSON Schema that is checked here. Lists of references (`/$ref`) are left out: the metadata's clients read
//! texts there, where the service answers objects with `@odata.id`.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;
use serde_json::{Map, Value};

#[derive(Deserialize)]
struct Shapes {
    operations: BTreeMap<String, Value>,
    schemas: BTreeMap<String, Value>,
}

static SHAPES: LazyLock<Shapes> =
    LazyLock::new(|| serde_json::from_str(include_str!("shapes.json")).unwrap());

/// Panics where an answer of Graph v1.0 has another shape than documented.
pub(crate) fn check(method: &str, url: &reqwest::Url, status: u16, text: &str) {
    let Some(path) = url.path().strip_prefix("/v1.0/") else {
        return;
    };
    let what = || format!("{method} {path} {status}: {text}");
    if status >= 400 {
        // Answers that a fault makes up are none of Graph's.
        if let Ok(body) = serde_json::from_str::<Value>(text)
            && let Err(why) = fits(&body, &SHAPES.schemas["ODataError"], "")
        {
            panic!("{why}\n{}", what());
        }
        return;
    }
    let query = url.query().unwrap_or_default().to_lowercase();
    if query.contains("expand") {
        return; // what is expanded is in no schema
    }
    let Some((operation, schema)) = operation(method, path) else {
        return;
    };
    if schema.is_null() {
        assert!(text.is_empty(), "{operation} has no content: {}", what());
        return;
    }
    if let Ok(body) = serde_json::from_str::<Value>(text)
        && let Err(why) = fits(&body, schema, "")
    {
        panic!("{operation}: {why}\n{}", what());
    }
}

/// The operation that a path calls: of those that fit, the one with the most words in common.
fn operation(method: &str, path: &str) -> Option<(&'static str, &'static Value)> {
    let mut parts = Vec::new();
    for part in path.trim_end_matches('/').split('/') {
        let part = part.replace("%24", "$");
        let part = part
            .strip_prefix("microsoft.graph.")
            .map_or(part.clone(), |kind| format!("graph.{kind}"));
        match part.split_once('(') {
            Some((name, ")")) => parts.push(name.to_owned()),
            Some((name, key)) if key.contains('=') => parts.push(format!("{name}({{}})")),
            Some((name, key)) => parts.extend([name.to_owned(), key.to_owned()]),
            None => parts.push(part),
        }
    }
    let fitting = SHAPES.operations.iter().filter_map(|(operation, schema)| {
        let template = operation.strip_prefix(method)?.strip_prefix(" /")?;
        let words: Vec<&str> = template.split('/').collect();
        let same = words.len() == parts.len()
            && words
                .iter()
                .zip(&parts)
                .all(|(word, part)| *word == "{}" || word == part);
        let common = words.iter().filter(|word| **word != "{}").count();
        same.then_some((common, operation.as_str(), schema))
    });
    fitting
        .max_by_key(|(common, ..)| *common)
        .map(|(_, operation, schema)| (operation, schema))
}

fn fits(value: &Value, schema: &Value, at: &str) -> Result<(), String> {
    if let Some(name) = schema["$ref"].as_str() {
        let base = &SHAPES.schemas[name];
        let own = value["@odata.type"]
            .as_str()
            .and_then(|kind| SHAPES.schemas.get(kind.trim_start_matches('#')));
        return fits(value, own.unwrap_or(base), at);
    }
    if let Some(choices) = schema["anyOf"].as_array() {
        let failures: Vec<String> = choices
            .iter()
            .filter_map(|choice| fits(value, choice, at).err())
            .collect();
        return if failures.len() < choices.len() {
            Ok(())
        } else {
            Err(failures.join(", or "))
        };
    }
    if let Some(known) = schema["enum"].as_array() {
        return if known.contains(value) {
            Ok(())
        } else {
            Err(format!("{at}: {value} is none of {known:?}"))
        };
    }
    let kinds: Vec<&str> = match &schema["type"] {
        Value::String(kind) => vec![kind],
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_i64() || number.is_u64() => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let is = |wanted: &&str| *wanted == kind || (*wanted == "number" && kind == "integer");
    if !kinds.is_empty() && !kinds.iter().any(is) {
        return Err(format!("{at}: {value} is no {kinds:?}"));
    }
    match value {
        Value::String(text) => {
            matches(text, schema["pattern"].as_str()).map_err(|why| format!("{at}: {why}"))
        }
        Value::Array(items) if schema["items"].is_object() => {
            let mut items = items.iter().enumerate();
            items.try_for_each(|(index, item)| fits(item, &schema["items"], &format!("{at}/{index}")))
        }
        Value::Object(map) => object(map, schema, at),
        _ => Ok(()),
    }
}

fn object(map: &Map<String, Value>, schema: &Value, at: &str) -> Result<(), String> {
    let properties = schema["properties"].as_object();
    for name in schema["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
    {
        if !map.contains_key(name) {
            return Err(format!("{at}: {name} is missing"));
        }
    }
    for (name, value) in map {
        let place = format!("{at}/{name}");
        match properties.and_then(|properties| properties.get(name)) {
            Some(schema) => fits(value, schema, &place)?,
            None if name.contains('@') && schema["annotations"] == true => {}
            None if schema["additionalProperties"] == false => return Err(format!("{place} is no property")),
            None => {}
        }
    }
    Ok(())
}

/// The patterns that occur: instants, days, times of day, GUIDs, durations.
fn matches(text: &str, pattern: Option<&str>) -> Result<(), String> {
    let Some(pattern) = pattern else { return Ok(()) };
    let good = match pattern {
        r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$" => {
            text.parse::<jiff::Timestamp>().is_ok()
        }
        r"^\d{4}-\d\d-\d\d$" => text.parse::<jiff::civil::Date>().is_ok(),
        r"^\d\d:\d\d:\d\d" => text.parse::<jiff::civil::Time>().is_ok(),
        r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$" => uuid::Uuid::try_parse(text).is_ok(),
        r"^-?P" => text.trim_start_matches('-').starts_with('P'),
        other => return Err(format!("the pattern {other} is not known here")),
    };
    if good {
        Ok(())
    } else {
        Err(format!("{text:?} is not {pattern}"))
    }
}

#[test]
fn what_does_not_fit_is_found() {
    let url = |path: &str| reqwest::Url::parse(&format!("http://h/v1.0{path}")).unwrap();
    let wrong = |method: &str, path: &str, status: u16, text: &str| {
        let caught = std::panic::catch_unwind(|| check(method, &url(path), status, text));
        assert!(caught.is_err(), "{method} {path} {status} {text}");
    };
    check(
        "GET",
        &url("/users/1"),
        200,
        r#"{"@odata.context": "x", "id": "1", "city": null}"#,
    );
    wrong("GET", "/groups/1", 200, r#"{"id": 1}"#);
    wrong("GET", "/users", 200, r#"{"@odata.context": "x"}"#);
    wrong(
        "GET",
        "/users?$top=1",
        200,
        r#"{"value": [{"createdDateTime": "yesterday"}]}"#,
    );
    wrong("GET", "/users('1')", 200, r#"{"accountEnabled": "yes"}"#);
    wrong("GET", "/subscribedSkus", 200, r#"{"value": [{"seats": 1}]}"#);
    wrong("DELETE", "/users/1", 204, "{}");
    wrong("GET", "/users", 403, r#"{"error": {"message": "no code"}}"#);
}
