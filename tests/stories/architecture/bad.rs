//! Every rule, shown a snippet that breaks it and one that does not.

use std::collections::BTreeMap;

use super::rules::{
    arrows, dependencies, functions, impure, missing, ours, promised, strangers, too_long, weak,
};
use super::source::Source;

fn module(path: &str) -> Vec<String> {
    path.split("::").map(str::to_owned).collect()
}

/// What `rule` says of `code`, each finding in short: the name between line and reason.
fn check(rule: impl Fn(&Source) -> Vec<String>, at: &str, code: &str, expect: &[&str]) {
    let source = Source::read(code, &module(at)).unwrap();
    let found = rule(&source);
    assert_eq!(found.len(), expect.len(), "{code}\n{found:?}");
    for (found, expect) in found.iter().zip(expect) {
        assert!(found.contains(expect), "{code}\n{found:?}\nexpected {expect}");
    }
}

#[test]
fn a_forbidden_arrow_is_found_however_it_is_written() {
    let lifted = BTreeMap::from([
        (("crate".to_owned(), "Error".to_owned()), "error".to_owned()),
        (("crate".to_owned(), "Engine".to_owned()), "engine".to_owned()),
        (
            ("journal".to_owned(), "PersonState".to_owned()),
            "state".to_owned(),
        ),
    ]);
    let arrows = |at: &str, code: &str, expect: &[&str]| {
        check(|source| arrows(&module(at), source, &lifted), at, code, expect);
    };
    arrows(
        "plan",
        "use crate::journal::Journal;",
        &["line 1: plan -> crate::journal::Journal"],
    );
    arrows(
        "plan",
        "\nuse crate::{person::{self, hex}, target::{Step as S, Target}};",
        &[
            "line 2: plan -> crate::target::Step",
            "plan -> crate::target::Target",
        ],
    );
    arrows(
        "person",
        "fn f() -> crate::plan::Plan { crate::plan::Plan::default() }",
        &["crate::plan", "crate::plan"],
    );
    arrows(
        "plan::diff",
        "use super::{step, super::journal};",
        &["crate::journal"],
    );
    arrows(
        "plan::diff",
        "use super::super::journal::Journal;",
        &["crate::journal::Journal"],
    );
    arrows(
        "plan",
        "mod inner { use super::super::execute; use super::step; }",
        &["crate::execute"],
    );
    arrows("event", "use crate::Engine;", &["event -> crate::Engine"]);
    arrows("event", "use crate::*;", &["event -> crate::*"]);
    arrows(
        "event",
        "fn f() { assert!(matches!(x, crate::policy::Y)); }",
        &["crate::policy::Y"],
    );
    arrows("http", "use crate::auth::Bearer;", &["crate::auth::Bearer"]);
    arrows("error", "use crate::cloud::Cloud;", &["crate::cloud::Cloud"]);
    arrows("garage", "", &["garage is no module"]);
    arrows(
        "orchestrator",
        "use crate::journal::{Journal, PersonState, state::Lifecycle};",
        &["crate::journal::Journal"],
    );
    arrows(
        "orchestrator",
        "use crate::notify::{self, Message, Notifier};",
        &["crate::notify::Notifier"],
    );
    arrows(
        "orchestrator",
        "use crate::notify; fn f(_: &dyn notify::Notifier) {}",
        &["notify::Notifier"],
    );

    arrows(
        "plan",
        "use crate::{Error, error::Result, person::hex}; use super::super::x::y;",
        &["crate::x::y"],
    );
    arrows(
        "journal::memory",
        "use super::Journal; use crate::plan::Plan;",
        &[],
    );
    arrows(
        "plan",
        "//! [`Journal`](crate::journal)\n/* crate::journal */ fn f() -> &str { \"crate::journal\" }",
        &[],
    );
    arrows(
        "plan",
        "#[cfg(test)] mod tests { use crate::journal::Journal; } fn f() {}",
        &[],
    );
    arrows(
        "plan",
        "struct S { #[cfg(test)] a: crate::journal::X, b: crate::target::Y }",
        &["crate::target::Y"],
    );
    arrows(
        "plan",
        "#[cfg(test)]\nfn f<A, B>() { crate::journal::x() }\nuse crate::execute::E;",
        &["line 3: plan"],
    );
    arrows(
        "plan",
        "#[cfg(not(test))] use crate::journal::Journal;",
        &["crate::journal::Journal"],
    );
}

#[test]
fn impurity_is_found() {
    let impure = |code: &str, expect: &[&str]| check(impure, "plan", code, expect);
    impure("async fn f() {}", &["async in a pure module"]);
    impure("use tokio::sync::Mutex;", &["tokio::sync::Mutex"]);
    impure("use std::{fmt, fs::File, net};", &["std::fs::File", "std::net"]);
    impure("fn f() { std::fs::read(\"x\"); }", &["std::fs::read"]);
    impure("//! async\nuse std::io::BufRead; const A: &str = \"tokio\";", &[]);
    impure("#[cfg(test)] mod tests { use std::fs; }", &[]);
}

#[test]
fn our_crates_are_found_in_the_sandbox() {
    let ours = |code: &str, expect: &[&str]| check(ours, "users", code, expect);
    ours("use iam_core::Error;", &["iam_core::Error"]);
    ours(
        "#[cfg(test)] mod tests { fn f() { let _ = ::iam_graph::GraphClient::new(); } }",
        &["iam_graph::GraphClient"],
    );
    ours("use iam_sandbox::Sandbox; // iam_core", &[]);
}

#[test]
fn lines_of_code_are_counted() {
    let lines = |code: &str| Source::read(code, &[]).unwrap().lines;
    assert_eq!(
        lines("//! Doc.\n\n/// Doc.\n#[derive(Debug)]\nstruct S; // why\n/* a\n b */"),
        1
    );
    assert_eq!(lines("const A: &str = \"one\ntwo\nthree\";\nfn f() {\n\n}\n"), 5);
    assert_eq!(
        lines("fn f() {}\n#[cfg(test)]\nmod tests {\n fn g() {}\n}\nfn h() {}\n"),
        2
    );
    assert_eq!(lines("#[cfg(test)]\npub(crate) mod tests;\nfn h() {}\n"), 1);
    let source = Source::read("#[cfg(test)]\npub(crate) mod tests;", &[]).unwrap();
    assert_eq!(source.test_children, ["tests"]);

    assert!(too_long("//! x\n", 451).is_some());
    assert!(
        too_long("// Size: a table\n", 451).is_some(),
        "only the module doc counts"
    );
    assert!(too_long("//! Size: one table of the tenant's routes.\n", 451).is_none());
    assert!(too_long("//! Size: one table of the tenant's routes.\n", 800).is_some());
    assert!(too_long("", 450).is_none());
}

#[test]
fn a_forbidden_dependency_is_found() {
    let depends = |manifest: &str| dependencies(manifest);
    let of = |name: &str, rest: &str| depends(&format!("[package]\nname = \"{name}\"\n{rest}"));
    assert_eq!(
        of("iam-sandbox", "[dev-dependencies]\niam-core = { path = \"x\" }"),
        ["iam-sandbox -> iam-core"]
    );
    assert_eq!(
        of(
            "iam-core",
            "[dependencies]\nx = { package = \"iam-scim\", path = \"x\" }"
        ),
        ["iam-core -> iam-scim"]
    );
    assert_eq!(
        of("iam-scim", "[dev-dependencies]\niam-sandbox = \"1\""),
        ["iam-scim -> iam-sandbox"]
    );
    assert_eq!(
        of("iam-graph", "[dependencies]\niam-sandbox = \"1\""),
        ["iam-graph -> iam-sandbox"]
    );
    assert_eq!(
        of("iam-graph", "[target.'cfg(unix)'.dependencies]\niam-arm = \"1\""),
        ["iam-graph -> iam-arm"]
    );
    assert_eq!(of("iam-garage", "").len(), 1);
    assert!(
        of(
            "iam-graph",
            "[dependencies]\niam-core = \"1\"\n[dev-dependencies]\niam-sandbox = \"1\""
        )
        .is_empty()
    );
}

#[test]
fn a_missing_changelog_is_found() {
    let files = ["iam-x/README.md".to_owned(), "iam-x/Cargo.toml".to_owned()];
    let found = missing("iam-x/Cargo.toml", "[package]\nname = \"iam-x\"", &files);
    assert_eq!(found, ["iam-x/CHANGELOG.md is missing"]);
    assert!(missing("iam-x/Cargo.toml", "[package]\npublish = false", &files).is_empty());
}

#[test]
fn a_promise_is_a_name_in_a_table() {
    let readme = "`not_in_a_table`\n| row | `a_leaver_ends_with_nothing`, `Listing` | `grant_revoke` |\n";
    assert_eq!(
        promised(readme).collect::<Vec<_>>(),
        ["a_leaver_ends_with_nothing"]
    );
    let text = "async fn one() {}\n    fn two<T>(\ndef three(x):\nlisted!(\n    four,\n);\nlet five = 5;";
    assert_eq!(
        functions(text).collect::<Vec<_>>(),
        ["one", "two", "three", "four"]
    );
}

#[test]
fn strangers_and_weak_names_are_found() {
    let found = strangers([
        "Cargo.toml",
        "docs/a.md",
        "notes.txt",
        ".github/x.yml",
        "iam-core/src/lib.rs",
    ]);
    assert_eq!(found.into_iter().collect::<Vec<_>>(), ["docs", "notes.txt"]);

    for bad in [
        "iam-core/src/utils.rs",
        "iam-core/src/common/mod.rs",
        "iam-graph/src/user_manager.rs",
        "tests/stories/Helpers.rs",
        "iam-py/python/iam_platform/utils.py",
        "iam-py/python/iam_platform/compat/hr/utils.py",
    ] {
        assert!(weak(bad).is_some(), "{bad}");
    }
    for good in [
        "examples/data/policy.toml",
        "iam-core/src/plan/diff.rs",
        "iam-core/src/database.rs",
        "iam-py/python/iam_platform/compat/utils.py",
    ] {
        assert!(weak(good).is_none(), "{good}");
    }
}
