//! The tables of the README name tests; each of them exists.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The tests below a folder: each `fn` behind `#[test]` or `#[tokio::test…]`.
fn functions(folder: &Path, names: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            functions(&path, names);
        } else if path.extension().is_some_and(|it| it == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let mut follows = false;
            for line in text.lines().map(str::trim) {
                if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
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

/// The words in backticks of a row's second cell, which says what this crate does, that can be the name of a test.
fn named(row: &str) -> impl Iterator<Item = &str> {
    let ours = row.split('|').nth(2).unwrap_or_default();
    let quoted = ours.split('`').skip(1).step_by(2);
    let is_name = |word: &&str| {
        word.chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    };
    quoted.filter(is_name)
}

#[test]
fn every_test_that_the_readme_names_exists_and_every_row_names_one() {
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut known = BTreeSet::new();
    functions(&home.join("src"), &mut known);
    functions(&home.join("tests"), &mut known);
    let readme = fs::read_to_string(home.join("README.md")).unwrap();
    let (_, table) = readme.split_once("## Beside other clients").unwrap();
    let (table, _) = table.split_once("\n## ").unwrap();
    let rows = table.lines().filter(|line| line.starts_with("| ")).skip(1);
    let rows: Vec<(&str, Vec<&str>)> = rows.map(|row| (row, named(row).collect())).collect();
    assert!(rows.len() > 20, "the table has {} rows only", rows.len());
    for (row, names) in rows {
        assert!(!names.is_empty(), "no test stands behind {row}");
        let missing: Vec<_> = names.iter().filter(|name| !known.contains(**name)).collect();
        assert!(missing.is_empty(), "the README names {missing:?}");
    }
}
