//! No text makes a parser panic or take long: length, depth and terms are bounded.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use serde_json::Value;

use super::user;
use crate::server::{Filter, Kind, Path, patch};

/// A debug build on a busy machine; a parser that backtracks takes minutes.
const BOUND: Duration = Duration::from_secs(2);

fn both(text: &str) {
    let start = Instant::now();
    if let Ok(filter) = Filter::parse(text) {
        let _ = filter.matches(Kind::User, &user());
        let _ = filter.matches(Kind::Group, &user());
    }
    let _ = Path::parse(text);
    assert!(
        start.elapsed() < BOUND,
        "{} bytes took {:?}",
        text.len(),
        start.elapsed()
    );
}

/// Pieces of the grammar in any order, which get deeper than arbitrary characters.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "(",
        ")",
        "[",
        "]",
        ".",
        " ",
        "not ",
        "not (",
        " and ",
        " or ",
        " eq ",
        " pr",
        " gt ",
        "\"",
        "\\",
        "\"x\"",
        "emails",
        "userName",
        "type",
        "emails[type eq \"work\"]",
        ".value",
        "urn:",
        ":",
        "true",
        "null",
        "-1.5e3",
        "ä",
        "\u{0}",
        "meta.created",
        "$ref",
    ]);
    prop::collection::vec(piece, 0..200).prop_map(|all| all.concat())
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        prop::sample::select(vec!["", "x", "work", "True", "add", "u1"]).prop_map(Value::from),
    ];
    let keys = prop::sample::select(vec![
        "value",
        "type",
        "primary",
        "name",
        "name.givenName",
        "emails",
        "members",
        "id",
        "active",
        "$ref",
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User",
        "emails[type eq \"fax\"].value",
    ]);
    leaf.prop_recursive(3, 24, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((keys.clone(), inner), 0..4).prop_map(|all| all
                .into_iter()
                .map(|(key, value)| (key.to_owned(), value))
                .collect()),
        ]
    })
}

/// `PROPTEST_CASES` asks for more.
fn more() -> ProptestConfig {
    let config = ProptestConfig::default();
    ProptestConfig {
        cases: config.cases.max(600),
        ..config
    }
}

proptest! {
    #![proptest_config(more())]

    #[test]
    fn any_text(text in any::<String>()) {
        both(&text);
    }

    #[test]
    fn any_pieces(text in pieces()) {
        both(&text);
    }

    /// Whatever a PATCH asks for, the user keeps a user name, one primary address at most, and no empty lists.
    #[test]
    fn any_patch(op in "add|Replace|remove", path in pieces(), plain in any::<bool>(), value in json()) {
        let path = if plain { "emails".to_owned() } else { path };
        for path in [Value::Null, path.into(), "emails[type eq \"work\"]".into(), "name".into()] {
            let request = serde_json::json!({"Operations": [{"op": op, "path": path, "value": value}]});
            let mut after = user();
            if patch::apply(Kind::User, &mut after, &request).is_ok() {
                prop_assert!(after["userName"].is_string());
                prop_assert_eq!(&after["id"], "u1");
                let emails = after.get("emails").map(|emails| emails.as_array().cloned().unwrap());
                let primary = |one: &&Value| one["primary"] == Value::Bool(true);
                prop_assert!(emails.iter().flatten().filter(primary).count() <= 1);
                prop_assert!(emails.is_none_or(|emails| !emails.is_empty()));
            }
        }
    }
}

#[test]
fn hostile_shapes() {
    for unit in [
        "(",
        "not (",
        "a[",
        "not(",
        "((a pr)or ",
        "\"",
        "\\",
        "a.a.",
        "urn:",
        " ",
        "a pr or ",
    ] {
        both(&unit.repeat(16 * 1024 / unit.len()));
        both(&unit.repeat(200));
        both(&unit.repeat(1 << 20));
    }
    both(&format!("{}title pr{}", "(".repeat(200), ")".repeat(200)));
}
