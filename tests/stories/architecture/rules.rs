//! The rules as tables, and each as a function from text to findings.

use std::collections::{BTreeMap, BTreeSet};

use super::source::{Name, Source};

/// Which module of `iam-core` uses which, from the lowest level up (DESIGN.md section 2). `a::b` allows only that
/// part of `a`, by its path or as `a` lifts it (`pub use b::…`); `*` is every line above.
const ARROWS: &str = "
error
secret       -> error
clock        -> error
cloud        -> error
person
event        -> person
entitlement  -> person
http
intake       -> event person
policy       -> entitlement person event
plan         -> entitlement person event
auth         -> http
target       -> plan entitlement person
notify       -> plan event person http
journal      -> plan event person entitlement
execute      -> journal target notify plan
orchestrator -> policy plan target journal::state event person entitlement notify
engine       -> *
ingest       -> engine journal event intake person notify http
testing      -> *
";
/// Open to all but each other.
const OPEN: [&str; 4] = ["error", "secret", "clock", "cloud"];
/// The orchestrator decides *that* somebody is told; it never holds the port that tells.
const CLOSED: (&str, [&str; 2]) = ("orchestrator", ["notify", "Notifier"]);

/// Which of our crates depends on which; behind `+`, in its tests only. A peer that the benchmarks measure is no
/// crate of the design, stands outside the workspace, and may use none of ours; so stands what the fuzzer runs.
const CRATES: &str = "
iam-core
iam-graph    -> iam-core + iam-sandbox
iam-arm      -> iam-core + iam-sandbox
iam-scim     -> iam-core
iam-sandbox
iam-py       -> iam-core iam-graph iam-arm iam-scim iam-sandbox
iam-examples -> iam-core iam-graph iam-arm iam-scim iam-sandbox
iam-tests    -> iam-core iam-graph iam-arm iam-scim iam-sandbox iam-py
peer-graph-rs
peer-apalis
fuzz-core    -> iam-core
fuzz-scim    -> iam-scim
";

pub(super) const PURE: [&str; 6] = ["person", "event", "entitlement", "intake", "policy", "plan"];
const IMPURE: &str = "async await async_trait futures tokio reqwest sqlx std::fs std::net";

const TOP: &str = "Cargo.toml Cargo.lock README.md LICENSE \
    iam-core iam-graph iam-arm iam-scim iam-py examples tests";
const WEAK: &str = "manager helper util handler common data info";
const LONG: usize = 450;
const NEVER: usize = 800;

/// The words behind `name ->` in a table; nothing where the table has no such line.
fn row(table: &'static str, name: &str) -> Option<Vec<&'static str>> {
    let rows = table
        .lines()
        .map(|line| line.split_once(" -> ").unwrap_or((line, "")));
    let mut above = Vec::new();
    for (first, words) in rows.filter(|(first, _)| !first.is_empty()) {
        if first.trim() == name {
            return Some(if words == "*" {
                above
            } else {
                words.split_whitespace().collect()
            });
        }
        above.push(first.trim());
    }
    None
}

/// Arrows out of one file of `iam-core` that [`ARROWS`] does not hold. `lifted` says from which child a module
/// (`crate` for the root) has a name.
pub(super) fn arrows(
    module: &[String],
    source: &Source,
    lifted: &BTreeMap<(String, String), String>,
) -> Vec<String> {
    let Some(from) = module.first() else {
        return Vec::new(); // lib.rs declares and lifts
    };
    let Some(uses) = row(ARROWS, from) else {
        return vec![format!(
            "{from} is no module of DESIGN.md section 2: give it a level and arrows first"
        )];
    };
    let from_child = |of: &str, name: &str| lifted.get(&(of.to_owned(), name.to_owned())).cloned();
    let mut findings = Vec::new();
    for Name { path, line } in &source.names {
        let dotted = path.join("::");
        if CLOSED.0 == from && path.ends_with(&CLOSED.1.map(String::from)) {
            findings.push(format!(
                "line {line}: {from} -> {dotted}: the port is not for {from}"
            ));
        }
        let Some(to) = path.get(1).filter(|_| path[0] == "crate") else {
            continue;
        };
        let known = row(ARROWS, to).is_some();
        let resolved = if known {
            Some(to.clone())
        } else {
            from_child("crate", to)
        };
        let Some(to) = resolved else {
            findings.push(format!(
                "line {line}: {from} -> {dotted}: name the module it comes from"
            ));
            continue;
        };
        let part = path
            .get(2)
            .filter(|_| known)
            .map(|name| from_child(&to, name).unwrap_or_else(|| name.clone()));
        let part = part.map_or_else(String::new, |part| format!("{to}::{part}"));
        let open = OPEN.contains(&to.as_str()) && !OPEN.contains(&from.as_str());
        if to != *from && !open && !uses.iter().any(|allowed| *allowed == to || *allowed == part) {
            findings.push(format!(
                "line {line}: {from} -> {dotted}: not an arrow of DESIGN.md section 2"
            ));
        }
    }
    findings
}

/// What waits, opens a socket or touches a file.
pub(super) fn impure(source: &Source) -> Vec<String> {
    let bad = |name: &&Name| IMPURE.split(' ').any(|impure| name.starts_with(impure));
    let found = source.names.iter().filter(bad);
    found
        .map(|name| format!("line {}: {} in a pure module", name.line, name.path.join("::")))
        .collect()
}

/// Our crates' names in the sandbox, tests included: a fake that shares code with its client shares its bugs.
pub(super) fn ours(source: &Source) -> Vec<String> {
    let ours = |name: &&Name| {
        name.path
            .iter()
            .any(|part| part.starts_with("iam_") && part != "iam_sandbox")
    };
    source
        .all
        .iter()
        .filter(ours)
        .map(|name| format!("line {}: {}", name.line, name.path.join("::")))
        .collect()
}

/// Too many lines of code, without a module doc that says `Size: why`, or beyond any why.
pub(super) fn too_long(text: &str, lines: usize) -> Option<String> {
    let says_why = text
        .lines()
        .any(|line| line.starts_with("//!") && line.contains("Size: "));
    match lines {
        NEVER.. => Some(format!(
            "{lines} lines of code; {NEVER} is the end: split it by responsibility"
        )),
        lines if lines > LONG && !says_why => Some(format!(
            "{lines} lines of code: split it, or say why in the module doc (`//! Size: …`)"
        )),
        _ => None,
    }
}

/// What a manifest depends on of ours and may not.
pub(super) fn dependencies(manifest: &str) -> Vec<String> {
    let manifest: toml::Table = manifest.parse().unwrap();
    let name = manifest["package"]["name"].as_str().unwrap();
    let Some(words) = row(CRATES, name) else {
        return vec![format!("{name} is no crate of DESIGN.md section 2")];
    };
    let plus = words.iter().position(|word| *word == "+").unwrap_or(words.len());
    let targets = manifest.get("target").and_then(toml::Value::as_table);
    let tables = targets
        .into_iter()
        .flatten()
        .filter_map(|(_, target)| target.as_table())
        .chain([&manifest]);
    let kinds = [
        ("dependencies", &words[..plus]),
        ("build-dependencies", &words[..plus]),
        ("dev-dependencies", &words[..]),
    ];
    let mut findings = Vec::new();
    for (table, (kind, allowed)) in tables.flat_map(|table| kinds.map(|kind| (table, kind))) {
        let entries = table.get(kind).and_then(toml::Value::as_table);
        for (key, value) in entries.into_iter().flatten() {
            let package = value.get("package").and_then(toml::Value::as_str).unwrap_or(key);
            if package.starts_with("iam-") && !allowed.contains(&package) {
                findings.push(format!("{name} -> {package}"));
            }
        }
    }
    findings
}

/// What a crate that is published (its manifest is the file `path`) lacks.
pub(super) fn missing(path: &str, manifest: &str, files: &[String]) -> Vec<String> {
    let manifest: toml::Table = manifest.parse().unwrap();
    if manifest["package"].get("publish") == Some(&toml::Value::Boolean(false)) {
        return Vec::new();
    }
    let wanted = ["README.md", "CHANGELOG.md"].map(|name| path.replace("Cargo.toml", name));
    wanted
        .into_iter()
        .filter(|wanted| !files.contains(wanted))
        .map(|wanted| format!("{wanted} is missing"))
        .collect()
}

/// The tests that the tables of a README name: words of four parts and more, in backticks.
pub(super) fn promised(readme: &str) -> impl Iterator<Item = &str> {
    let rows = readme.lines().filter(|line| line.starts_with('|'));
    let quoted = rows.flat_map(|row| row.split('`').skip(1).step_by(2));
    let is_part = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    quoted.filter(move |word| word.chars().all(is_part) && word.matches('_').count() >= 3)
}

/// The functions of a file, be it Rust or Python, and what stands alone on a line in a list of them.
pub(super) fn functions(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter_map(|line| {
        let behind = ["fn ", "def "].iter().find_map(|word| line.split_once(word));
        let (name, _) = match behind {
            Some((_, rest)) => rest.split_once(['(', '<'])?,
            None => line.split_once(',').filter(|(_, rest)| rest.is_empty())?,
        };
        Some(name)
    })
}

/// What stands at the top level and is not in the design.
pub(super) fn strangers<'a>(files: impl IntoIterator<Item = &'a str>) -> BTreeSet<&'a str> {
    let top = files
        .into_iter()
        .map(|file| file.split('/').next().unwrap_or(file));
    top.filter(|name| !name.starts_with('.') && !TOP.split_whitespace().any(|known| known == *name))
        .collect()
}

/// The name of a module of the existing samples, which is not ours to choose.
const SAMPLE: &str = "utils.py";
const SAMPLES: [&str; 2] = [
    "iam-py/python/iam_platform/compat/",
    "tests/python/samples/reference/",
];

/// A word that says nothing, in the name of a file or of a folder of sources.
pub(super) fn weak(file: &str) -> Option<&'static str> {
    if SAMPLES
        .iter()
        .any(|folder| file.strip_prefix(folder) == Some(SAMPLE))
    {
        return None;
    }
    let sources = file
        .split_once("src/")
        .map_or_else(|| file.rsplit('/').next().unwrap_or(file), |(_, rest)| rest);
    let words = sources.split(['/', '.', '_', '-']).map(str::to_lowercase);
    let words: Vec<_> = words
        .map(|word| word.strip_suffix('s').unwrap_or(&word).to_owned())
        .collect();
    WEAK.split(' ').find(|weak| words.iter().any(|word| word == weak))
}
