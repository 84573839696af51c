//! The rules of the house that a compiler does not know: which module may use which, what stays pure, how
//! long a file may be, what stands at the top level. Here they are held against the house; `bad` shows each a
//! snippet that breaks it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

mod bad;
mod rules;
mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use self::rules::{
    PURE, arrows, dependencies, functions, impure, missing, ours, promised, strangers, too_long, weak,
};
use self::source::Source;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Every file that is, or could be, committed.
fn files() -> Vec<String> {
    let git = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .unwrap_or_else(|e| panic!("these tests ask git which files are ours: {e}"));
    assert!(
        git.status.success(),
        "git ls-files: {}",
        String::from_utf8_lossy(&git.stderr)
    );
    let listed = String::from_utf8(git.stdout).unwrap();
    assert!(listed.contains("iam-core/Cargo.toml"), "git lists another tree");
    listed
        .lines()
        .filter(|file| root().join(file).is_file())
        .map(str::to_owned)
        .collect()
}

fn text(file: &str) -> String {
    std::fs::read_to_string(root().join(file)).unwrap_or_else(|e| panic!("{file}: {e}"))
}

/// The modules of a crate: file, module path, source. Files that are test code as a whole are left out.
fn crate_sources(src: &str) -> Vec<(String, Vec<String>, Source)> {
    let mut sources = Vec::new();
    for file in files() {
        let Some(inner) = file.strip_prefix(src).and_then(|rest| rest.strip_suffix(".rs")) else {
            continue;
        };
        let mut module: Vec<String> = inner.split('/').map(str::to_owned).collect();
        if matches!(module.last().map(String::as_str), Some("mod" | "lib" | "main")) {
            module.pop();
        }
        let source = Source::read(&text(&file), &module).unwrap_or_else(|e| panic!("{file}: {e}"));
        sources.push((file, module, source));
    }
    assert!(!sources.is_empty(), "no sources below {src}");
    let children = |(_, module, source): &(String, Vec<String>, Source)| {
        source
            .test_children
            .iter()
            .map(|child| [module.as_slice(), std::slice::from_ref(child)].concat())
            .collect::<Vec<_>>()
    };
    let tests: Vec<_> = sources.iter().flat_map(children).collect();
    sources.retain(|(_, module, _)| !tests.iter().any(|test| module.starts_with(test)));
    sources
}

/// Which name each module of `iam-core` lifts from which child: `(journal, PersonState)` from `state`.
fn lifted(sources: &[(String, Vec<String>, Source)]) -> BTreeMap<(String, String), String> {
    let mut lifted = BTreeMap::new();
    for (_, module, source) in sources.iter().filter(|(_, module, _)| module.len() < 2) {
        let module = module.first().map_or("crate", String::as_str);
        for name in &source.names {
            if let [child, name] = name.path.as_slice() {
                lifted.insert((module.to_owned(), name.clone()), child.clone());
            }
        }
    }
    lifted
}

/// Fails with every finding, each behind the file it is in.
fn none(findings: impl IntoIterator<Item = (String, Vec<String>)>) {
    let lines = findings
        .into_iter()
        .flat_map(|(file, found)| found.into_iter().map(move |it| format!("{file}: {it}")));
    let lines: Vec<_> = lines.collect();
    assert!(lines.is_empty(), "\n{}", lines.join("\n"));
}

#[test]
fn modules_of_the_core_keep_the_arrows() {
    let sources = crate_sources("iam-core/src/");
    let lifted = lifted(&sources);
    none(
        sources
            .iter()
            .map(|(file, module, source)| (file.clone(), arrows(module, source, &lifted))),
    );
}

#[test]
fn pure_modules_stay_pure() {
    let sources = crate_sources("iam-core/src/");
    let pure = sources
        .iter()
        .filter(|(_, module, _)| module.first().is_some_and(|name| PURE.contains(&name.as_str())));
    none(pure.map(|(file, _, source)| (file.clone(), impure(source))));
}

#[test]
fn the_sandbox_names_none_of_our_crates() {
    let sources = crate_sources("tests/sandbox/src/");
    none(
        sources
            .iter()
            .map(|(file, _, source)| (file.clone(), ours(source))),
    );
}

#[test]
fn crates_depend_on_each_other_as_designed() {
    let manifests = files().into_iter().filter(|file| file.ends_with("/Cargo.toml"));
    none(manifests.map(|file| (file.clone(), dependencies(&text(&file)))));
}

#[test]
fn the_top_level_holds_only_what_the_design_names() {
    let files = files();
    let strangers = strangers(files.iter().map(String::as_str));
    assert!(strangers.is_empty(), "{strangers:?}");
}

#[test]
fn no_file_is_too_long() {
    let sources = files()
        .into_iter()
        .filter(|file| Path::new(file).extension().is_some_and(|it| it == "rs"));
    none(sources.map(|file| {
        let text = text(&file);
        let source = Source::read(&text, &[]).unwrap_or_else(|e| panic!("{file}: {e}"));
        (file, too_long(&text, source.lines).into_iter().collect())
    }));
}

#[test]
fn every_published_crate_has_a_readme_and_a_changelog() {
    let files = files();
    let manifests = files.iter().filter(|file| file.ends_with("/Cargo.toml"));
    none(manifests.map(|file| (file.clone(), missing(file, &text(file), &files))));
}

#[test]
fn every_test_that_a_readme_names_exists() {
    let files = files();
    let ends = |ends: &'static [&str]| {
        files
            .iter()
            .filter(|file| ends.iter().any(|end| file.ends_with(end)))
    };
    let texts: Vec<String> = ends(&[".rs", ".py"]).map(|file| text(file)).collect();
    let known: BTreeSet<&str> = texts.iter().flat_map(|text| functions(text)).collect();
    let mut promises = 0;
    let of_crate = |file: &&String| files.contains(&file.replace("README.md", "Cargo.toml"));
    none(ends(&["README.md"]).filter(of_crate).map(|file| {
        let readme = text(file);
        let named: Vec<&str> = promised(&readme).collect();
        promises += named.len();
        let missing = named.into_iter().filter(|name| !known.contains(name));
        (
            file.clone(),
            missing.map(|name| format!("there is no {name}")).collect(),
        )
    }));
    assert!(promises > 70, "the tables name {promises} tests only");
}

#[test]
fn file_names_are_nouns_of_the_domain() {
    none(files().into_iter().map(|file| {
        let found = weak(&file).map(|word| format!("{word:?} says nothing: name what it holds"));
        (file, found.into_iter().collect())
    }));
}
