//! Policies made from what people have already: the samples' `config.json` ([`import_config`]) and exported
//! Lifecycle Workflows ([`import_workflows`](super::import_workflows)).
//!
//! Invariant: nothing is dropped silently. What has no equivalent stands in the policy as a comment, and in the report.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Map, Value};

use crate::error::{Error, ErrorKind, Result};

use super::Document;

/// What became of something that was imported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Fate {
    /// The policy says the same.
    Mapped,
    /// The platform does it for everybody, without being told.
    Implied,
    /// The policy says nearly the same: the remark says what differs.
    Partly,
    /// It has no equivalent, and stands in the policy as a comment.
    Missing,
}

impl Fate {
    /// The fate in one word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mapped => "mapped",
            Self::Implied => "implied",
            Self::Partly => "partly",
            Self::Missing => "missing",
        }
    }
}

/// What became of one part of what was imported.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Remark {
    /// The part, as the source calls it: `default_groups`, `workflow "Onboard": task "Assign licences"`.
    pub part: String,
    /// What became of it.
    pub fate: Fate,
    /// The line of the policy where it went; `None` where it is implied.
    pub line: Option<usize>,
    /// What differs, or what to do about it; empty where nothing needs saying.
    pub remark: String,
}

/// A policy made from something else, and what became of every part of that.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Imported {
    /// A policy document that loads.
    pub policy: String,
    /// Part by part.
    pub remarks: Vec<Remark>,
}

impl Imported {
    /// The parts that have no equivalent.
    pub fn missing(&self) -> impl Iterator<Item = &Remark> {
        self.remarks.iter().filter(|remark| remark.fate == Fate::Missing)
    }
}

impl fmt::Display for Imported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, remark) in self.remarks.iter().enumerate() {
            if at > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{}: {}", remark.fate.as_str(), remark.part)?;
            if let Some(line) = remark.line {
                write!(f, " (line {line})")?;
            }
            if !remark.remark.is_empty() {
                write!(f, ": {}", remark.remark)?;
            }
        }
        Ok(())
    }
}

/// Writes a policy line by line, and remembers where things went.
#[derive(Debug, Default)]
pub(super) struct Draft {
    lines: Vec<String>,
    places: BTreeMap<String, usize>,
    remarks: Vec<(Remark, Option<String>)>,
}

impl Draft {
    /// A draft with its first sections.
    pub(super) fn new(made_from: &str, domain: &str) -> Self {
        let mut draft = Self::default();
        draft.line(&format!(
            "# Made from {made_from}. Read the remarks before you use it."
        ));
        draft.line("version = 1");
        draft.line("");
        draft.line("[tenant]");
        draft.at("tenant.domain", &format!("domain = {}", quoted(domain)));
        draft
    }

    pub(super) fn line(&mut self, line: &str) {
        self.lines.push(line.to_owned());
    }

    /// A line that remarks may point to.
    pub(super) fn at(&mut self, place: &str, line: &str) {
        self.line(line);
        self.places.entry(place.to_owned()).or_insert(self.lines.len());
    }

    /// A comment that remarks may point to; the text may have any letters.
    pub(super) fn comment(&mut self, place: &str, text: &str) {
        let visible = |letter: char| if letter.is_control() { ' ' } else { letter };
        let text: String = text.chars().map(visible).collect();
        self.at(place, &format!("# {text}"));
    }

    /// Says what became of a part; the place may be written later.
    pub(super) fn remark(&mut self, part: &str, fate: Fate, place: Option<&str>, remark: impl Into<String>) {
        let remark = Remark {
            part: part.to_owned(),
            fate,
            line: None,
            remark: remark.into(),
        };
        self.remarks.push((remark, place.map(ToOwned::to_owned)));
    }

    /// The policy, which loads.
    ///
    /// # Errors
    /// Kind `Invalid`: a name in the source is none that a policy can hold.
    pub(super) fn finish(self) -> Result<Imported> {
        let mut policy = self.lines.join("\n");
        policy.push('\n');
        Document::parse(&policy).map_err(|error| {
            let message = format!("the policy made of it does not load: {}", error.message());
            Error::new(ErrorKind::Invalid, message).with_operation("import a policy")
        })?;
        let placed = self.remarks.into_iter().map(|(mut remark, place)| {
            remark.line = place.and_then(|place| self.places.get(&place).copied());
            remark
        });
        Ok(Imported {
            policy,
            remarks: placed.collect(),
        })
    }
}

/// A text as TOML writes it.
pub(super) fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

/// A list of texts as TOML writes it.
pub(super) fn list<'t>(texts: impl IntoIterator<Item = &'t str>) -> String {
    let texts: Vec<String> = texts.into_iter().map(quoted).collect();
    format!("[{}]", texts.join(", "))
}

pub(super) fn invalid(what: &str, message: impl fmt::Display) -> Error {
    Error::new(ErrorKind::Invalid, format!("{what}: {message}")).with_operation("import a policy")
}

/// Reads a JSON table.
pub(super) fn table(what: &str, text: &str) -> Result<Value> {
    serde_json::from_str(text.trim_start_matches('\u{feff}')).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        invalid(what, format!("not JSON, line {line}, column {column}"))
    })
}

/// Makes a policy of the samples' `config.json`: everybody gets the default groups, licences and roles.
///
/// # Errors
/// Kind `Invalid`: not JSON, no domain, or a key with a value of another type; the message names the key.
pub fn import_config(text: &str) -> Result<Imported> {
    let what = "config.json";
    let value = table(what, text)?;
    let config = value
        .as_object()
        .ok_or_else(|| invalid(what, "expected an object"))?;
    let domain = config
        .get("domain")
        .ok_or_else(|| invalid(what, "\"domain\" is missing"))?;
    let domain = domain
        .as_str()
        .ok_or_else(|| invalid(what, "domain: expected a text"))?;
    let mut draft = Draft::new(what, domain);
    draft.remark("domain", Fate::Mapped, Some("tenant.domain"), "");
    draft.line("");
    draft.line("[defaults]");
    draft.line("usage_location = \"person.country\" # no licence without one");
    let defaults = [
        ("default_groups", "groups"),
        ("default_license_skus", "licenses"),
        ("default_roles", "roles"),
    ];
    for (key, ours) in defaults {
        let Some(names) = texts(what, config, key)? else {
            continue;
        };
        draft.at(ours, &format!("{ours} = {}", list(names)));
        let (fate, remark) = match ours {
            "roles" => (
                Fate::Partly,
                "everybody holds them: a rule for those who need them is better",
            ),
            _ => (Fate::Mapped, ""),
        };
        draft.remark(key, fate, Some(ours), remark);
    }
    draft.line("");
    for (key, value) in config {
        let remark = match key.as_str() {
            "domain" | "default_groups" | "default_license_skus" | "default_roles" => continue,
            "default_password_length" => {
                "passwords are random and nobody knows them: there is no length to choose"
            }
            "default_force_password_reset" => {
                "the first password is random and nobody knows it, so that there is none to change"
            }
            "logging" => {
                other_keys(&mut draft, value);
                continue;
            }
            _ => "not a key of the samples: nothing is known of it",
        };
        missing(&mut draft, key, &value.to_string(), remark);
    }
    draft.finish()
}

fn other_keys(draft: &mut Draft, logging: &Value) {
    let Some(logging) = logging.as_object() else {
        return missing(draft, "logging", &logging.to_string(), "expected an object");
    };
    for (key, value) in logging {
        let remark = match key.as_str() {
            "enabled" | "path" => "what was done stands in the journal and its audit, always",
            _ => "not a key of the samples: nothing is known of it",
        };
        missing(draft, &format!("logging.{key}"), &value.to_string(), remark);
    }
}

fn missing(draft: &mut Draft, key: &str, value: &str, remark: &str) {
    draft.comment(key, &format!("not mapped: {key} = {value}"));
    draft.remark(key, Fate::Missing, Some(key), remark);
}

fn texts<'c>(what: &str, config: &'c Map<String, Value>, key: &str) -> Result<Option<Vec<&'c str>>> {
    let Some(value) = config.get(key) else {
        return Ok(None);
    };
    let texts = value.as_array().and_then(|items| {
        let texts = items
            .iter()
            .map(|item| item.as_str().filter(|text| !text.trim().is_empty()));
        texts.collect::<Option<Vec<&str>>>()
    });
    let expected = || invalid(what, format!("{key}: expected a list of texts"));
    texts.map(Some).ok_or_else(expected)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entitlement::{Kind, Reference};
    use crate::person::{Person, PersonKey};
    use crate::policy::{AccessPolicy, Subject};

    const CONFIG: &str = r#"{
        "domain": "contoso.example", "default_password_length": 16, "default_force_password_reset": true,
        "default_groups": ["All \"Staff\"", "VPN Users"], "default_license_skus": ["SPE_E3"], "default_roles": [],
        "logging": { "enabled": true, "path": "logs/iam\n.log", "level": 3 }, "colour": null
    }"#;

    #[test]
    fn the_samples_configuration_becomes_a_policy_and_every_key_is_accounted_for() {
        let imported = import_config(CONFIG).unwrap();
        let document = Document::parse(&imported.policy).unwrap();
        let person = Person::new(PersonKey::new("W-1"));
        let subject = Subject {
            person: &person,
            manager: None,
        };
        let desired = document.desired(&subject, jiff::civil::date(2026, 1, 1)).unwrap();
        let granted: Vec<Reference> = desired.grants.into_iter().map(|grant| grant.what).collect();
        let expected = [
            Reference::new(Kind::Group, "All \"Staff\""),
            Reference::new(Kind::Group, "VPN Users"),
            Reference::new(Kind::License, "SPE_E3"),
        ];
        assert_eq!(
            (granted.as_slice(), document.domain()),
            (&expected[..], "contoso.example")
        );
        let mut fates: Vec<String> = imported
            .remarks
            .iter()
            .map(|remark| format!("{} {}", remark.fate.as_str(), remark.part))
            .collect();
        fates.sort();
        assert_eq!(
            fates,
            [
                "mapped default_groups",
                "mapped default_license_skus",
                "mapped domain",
                "missing colour",
                "missing default_force_password_reset",
                "missing default_password_length",
                "missing logging.enabled",
                "missing logging.level",
                "missing logging.path",
                "partly default_roles",
            ]
        );
        let lines: Vec<&str> = imported.policy.lines().collect();
        for remark in &imported.remarks {
            let line = lines[remark.line.unwrap() - 1];
            let key = remark.part.rsplit(['_', '.']).next().unwrap();
            assert!(
                line.contains(key) || key == "skus" && line.contains("licenses"),
                "{remark:?}: {line}"
            );
        }
    }

    #[test]
    fn a_configuration_that_is_not_one_is_refused_with_its_key() {
        for (text, message) in [
            ("{", "config.json: not JSON, line 1, column 1"),
            ("[]", "config.json: expected an object"),
            ("{}", "config.json: \"domain\" is missing"),
            (r#"{"domain": 5}"#, "config.json: domain: expected a text"),
            (
                r#"{"domain": "a.example", "default_groups": "All Staff"}"#,
                "config.json: default_groups: expected a list of texts",
            ),
            (
                r#"{"domain": "contoso"}"#,
                "the policy made of it does not load: line 5, column 10: domain in [tenant]: expected a domain",
            ),
        ] {
            let error = import_config(text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid);
            assert!(
                error.message().starts_with(message),
                "{text}: {}",
                error.message()
            );
        }
    }
}
