//! The tables of the README name tests; each of them exists.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The tests below the folder: each `fn` behind `#[test]` or `#[tokio::test…]`, and what `at_both_peers!` lists.
fn functions(folder: &Path, names: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            functions(&path, names);
        } else if path.extension().is_some_and(|it| it == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let (mut follows, mut listed) = (false, false);
            for line in text.lines().map(str::trim) {
                listed = (listed || line == "at_both_peers!(") && line != ");";
                if listed {
                    names.extend(line.strip_suffix(',').map(str::to_owned));
                } else if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
                    follows = true;
                } else if let Some((_, rest)) = line.split_once("fn ").filter(|_| follows) {
                    let name = rest.split(|c: char| !(c.is_alphanumeric() || c == '_')).next();
                    names.extend(name.map(str::to_owned));
                    follows = false;
                }
            }
        }
    }
}

/// The words in backticks that can be the name of a test, in all cells of a table's row but the first.
fn named(row: &str) -> impl Iterator<Item = &str> {
    let shown = row.splitn(3, '|').nth(2).unwrap_or_default();
    let quoted = shown.split('`').skip(1).step_by(2);
    quoted.filter(|word| {
        word.chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    })
}

#[test]
fn every_test_that_the_readme_names_exists() {
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut known = BTreeSet::new();
    functions(&home.join("src"), &mut known);
    functions(&home.join("tests"), &mut known);
    let readme = fs::read_to_string(home.join("README.md")).unwrap();
    let rows = readme.lines().filter(|line| line.starts_with('|'));
    let all: Vec<&str> = rows.flat_map(named).collect();
    assert!(all.len() > 40, "the tables name {} tests only", all.len());
    let missing: Vec<_> = all.iter().filter(|name| !known.contains(**name)).collect();
    assert!(missing.is_empty(), "the README names {missing:?}");
}
