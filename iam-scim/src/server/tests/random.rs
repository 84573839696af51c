//! No text makes a parser panic or take long: length, depth and terms are bounded, the work is linear, and a refusal
//! names where the text ceases to make sense.

use proptest::prelude::*;
use serde_json::Value;

use super::user;
use crate::server::text::{LONGEST, looked};
use crate::server::{Filter, Kind, Path, Problem, patch};

/// How often a parser may look at a byte: the count of a word's readers (`not`, the name, `and`, `or`, …).
const LOOKS: usize = 8;

fn both(text: &str) {
    let bytes = looked::during(|| {
        if let Err(problem) = Filter::parse(text) {
            refused(&problem, "invalidFilter", text);
        }
    });
    assert!(bytes <= LOOKS * (text.len() + 1), "{bytes} looks at {text:?}");
    let bytes = looked::during(|| {
        if let Err(problem) = Path::parse(text) {
            refused(&problem, "invalidPath", text);
        }
    });
    assert!(bytes <= LOOKS * (text.len() + 1), "{bytes} looks at {text:?}");

    let before = |problem: Problem| -> String {
        let before = problem.position().unwrap() - 1;
        text.chars().take(before).collect()
    };
    match Filter::parse(text) {
        Ok(filter) => {
            for kind in [Kind::User, Kind::Group] {
                if let Err(problem) = filter.matches(kind, &user()) {
                    refused(&problem, "invalidFilter", text);
                }
            }
        }
        Err(_) if text.len() > LONGEST => {}
        Err(problem) => {
            let text = before(problem);
            let end = text.chars().count() + 1;
            let again = Filter::parse(&text).err().and_then(|problem| problem.position());
            assert!(
                again.is_none_or(|at| at == end),
                "{text:?} makes sense, and not to {again:?}"
            );
        }
    }
    match Path::parse(text) {
        Ok(_) => {}
        Err(_) if text.len() > LONGEST => {}
        Err(problem) => {
            let text = before(problem);
            let end = text.chars().count() + 1;
            let again = Path::parse(&text).err().and_then(|problem| problem.position());
            assert!(
                again.is_none_or(|at| at == end),
                "{text:?} makes sense, and not to {again:?}"
            );
        }
    }
}

/// The refusal has the type of RFC 7644 table 9, and a position within the text which it names.
fn refused(problem: &Problem, scim_type: &str, text: &str) {
    assert_eq!(problem.scim_type(), Some(scim_type), "{text:?}: {problem}");
    let at = problem.position().unwrap_or_default();
    assert!(
        (1..=text.chars().count() + 1).contains(&at),
        "{text:?}: {problem}"
    );
    let named = format!("at character {at}");
    assert!(problem.detail().ends_with(&named), "{text:?}: {problem}");
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

/// What can be read, with one character left out, doubled or replaced.
fn nearly() -> impl Strategy<Value = String> {
    let whole = prop::sample::select(vec![
        r#"emails[type eq "work" and not (primary eq true)].value ew "@x" or (title pr)"#,
        r#"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value eq "ä\"\u00df""#,
        r#"meta.lastModified gt "2026-01-31T08:00:00Z" and active ne false"#,
        r#"roles[primary eq "True"].value"#,
        "name.givenName",
        r#"members[value eq "a" or value eq "b"]"#,
    ]);
    let change = prop::option::of(prop::sample::select(vec![
        '(', ')', '[', ']', '"', '.', ' ', 'x', 'ä', '\\',
    ]));
    (whole, any::<prop::sample::Index>(), change).prop_map(|(whole, at, change)| {
        let mut all: Vec<char> = whole.chars().collect();
        let at = at.index(all.len());
        match change {
            None => drop(all.remove(at)),
            Some('x') => all.insert(at, all[at]),
            Some(other) => all[at] = other,
        }
        all.into_iter().collect()
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

    #[test]
    fn nearly_right(text in nearly()) {
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
