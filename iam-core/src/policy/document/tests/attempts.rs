//! Documents that try to break the reader: deep, long, random.

use proptest::prelude::*;

use super::*;

#[test]
fn deep_or_long_expressions_do_not_exhaust_the_stack() {
    for (when, grants) in [
        (format!("{}true{}", "(".repeat(64), ")".repeat(64)), 1),
        (format!("{}true{}", "!(".repeat(30), ")".repeat(30)), 1),
        (format!("1{} == 30", " + 1".repeat(29)), 1),
        (format!("true{}", " && true".repeat(500)), 1),
        (format!("false{} || true", " || false".repeat(400)), 1),
        (format!("1{} == 1", " + 1".repeat(1000)), 0),
        ("(".repeat(2000), 0),
        ("[".repeat(2000), 0),
        ("!".repeat(4000), 0),
        ("-".repeat(4000), 0),
        (format!("person{}", ".a".repeat(2000)), 0),
        (format!("[{}]", "[],".repeat(1300)), 0),
        ("x ? x : ".repeat(500), 0),
        ("a".repeat(5000), 0),
    ] {
        match Document::parse(&rule(&when)) {
            Ok(document) => assert_eq!(
                desired(&document, &person(), None).unwrap().grants.len(),
                grants,
                "{when}"
            ),
            Err(error) => assert!(
                grants == 0 && error.kind() == ErrorKind::Invalid,
                "{when}: {error}"
            ),
        }
    }
}

proptest! {
    #![proptest_config(crate::policy::cases(500))]

    #[test]
    fn parsing_never_panics(text in "\\PC*", when in "\\PC{0,40}", words in proptest::collection::vec(
        proptest::sample::select(vec![
            "person", "manager", "today", ".", "department", "country", "(", ")", "[", "]", "{", "}", "==", "!=", "in",
            "&&", "||", "!", "-", "'a'", "\"b\"", "r'", "'''", "null", "true", "5", "5u", "1.5", "x", ",", "?", ":",
            "exists", "map", "has", "days_since", "contains", "matches", "size", "é", "\\", "\n", " ", "b'\\377'",
        ]), 0..14,
    )) {
        let _ = Document::parse(&text);
        for when in [when, words.concat(), words.join(" ")] {
            if let Ok(document) = Document::parse(&rule(&when)) {
                let _ = desired(&document, &person(), None);
            }
        }
    }

    #[test]
    fn a_broken_example_is_refused_or_read_but_never_panics(cut in 0_usize..7000, with in "\\PC{0,3}") {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/data/policy.toml");
        let mut text = std::fs::read_to_string(path).unwrap();
        let cut = (0..=cut.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap();
        text.insert_str(cut, &with);
        let _ = Document::parse(&text);
    }
}
