//! What an edit of the policy would do to people: [`diff`].
//!
//! Invariant: it compares what two policies say, person by person; nothing is planned, and nobody is looked up.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::civil::Date;
use serde_json::Value;

use crate::entitlement::{Attribute, Desired, Kind, Reference};
use crate::person::PersonKey;

use super::rules::Rule;
use super::{AccessPolicy, Document, PolicyProblems, Subject};

/// Who gains and who loses one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Delta {
    /// What, as the newer policy that names it writes it.
    pub what: Reference,
    /// People for whom only the new policy asks for it, in the order in which they came.
    pub gained: Vec<PersonKey>,
    /// People for whom only the old one does. They keep it for its grace.
    pub lost: Vec<PersonKey>,
    /// The longest grace of those who lose it, in days.
    pub grace_days: u32,
}

/// Something that stands in both policies and differs, in the words of the document.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Edit {
    /// The key: `create_before`, `max_leavers`, `domain`.
    pub name: String,
    /// Before; `none` where it is not set.
    pub old: String,
    /// After.
    pub new: String,
}

/// What became of the rules, by id.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RuleEdits {
    /// Only in the new policy.
    pub added: Vec<String>,
    /// Only in the old one.
    pub removed: Vec<String>,
    /// In both, and what differs: `when`, `grace`, `groups`, …
    pub changed: BTreeMap<String, Vec<&'static str>>,
}

/// What an edit of the policy would do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Impact {
    /// How many people were looked at.
    pub people: usize,
    /// For how many of them anything differs: entitlements, attributes, or whether they can be judged.
    pub changed: usize,
    /// By entitlement, those with the most people first.
    pub entitlements: Vec<Delta>,
    /// People whose attribute value would differ.
    pub attributes: BTreeMap<Attribute, Vec<PersonKey>>,
    /// People whom the new policy cannot judge and the old one could: they would be held.
    pub held: Vec<(PersonKey, PolicyProblems)>,
    /// People whom only the new policy can judge.
    pub released: Vec<PersonKey>,
    /// People for whom rules ask for several sides of a conflict that did not apply to them before, by its id.
    pub conflicts: BTreeMap<String, Vec<PersonKey>>,
    /// The rules; `defaults` stands for the defaults.
    pub rules: RuleEdits,
    /// What happens around joining, moving and leaving, the domain, and the names.
    pub settings: Vec<Edit>,
    /// The limits of the guard, and who is protected.
    pub guard: Vec<Edit>,
}

impl Impact {
    /// Whether the two policies mean the same for everybody who was looked at, and in every setting.
    pub fn is_empty(&self) -> bool {
        let rules = &self.rules;
        self.changed == 0
            && self.conflicts.is_empty()
            && rules.added.is_empty()
            && rules.removed.is_empty()
            && rules.changed.is_empty()
            && self.settings.is_empty()
            && self.guard.is_empty()
    }
}

/// What names the same thing in both policies.
type Name = (Kind, Option<String>, String);

fn name(what: &Reference) -> Name {
    let target = what.target.as_ref().map(|target| target.as_str().to_owned());
    (what.kind, target, what.name.to_lowercase())
}

/// What replacing `old` by `new` would change for `people` as on the day `today`. They come one after the other,
/// and nothing of them is kept but the keys of those for whom something differs.
pub fn diff<'p>(
    old: &Document,
    new: &Document,
    people: impl IntoIterator<Item = Subject<'p>>,
    today: Date,
) -> Impact {
    let mut impact = Impact {
        rules: rules(old, new),
        settings: settings(old, new),
        guard: guard(old, new),
        ..Impact::default()
    };
    let mut deltas: BTreeMap<Name, Delta> = BTreeMap::new();
    for subject in people {
        impact.people += 1;
        let key = &subject.person.key;
        impact.conflicts_of(old, new, &subject, today);
        let (before, after) = match (old.desired(&subject, today), new.desired(&subject, today)) {
            (Ok(before), Ok(after)) => (before, after),
            (Ok(_), Err(problems)) => {
                impact.changed += 1;
                impact.held.push((key.clone(), problems));
                continue;
            }
            (Err(_), Ok(_)) => {
                impact.changed += 1;
                impact.released.push(key.clone());
                continue;
            }
            (Err(_), Err(_)) => continue,
        };
        let mut differs = false;
        let names = |desired: &Desired| {
            desired
                .grants
                .iter()
                .map(|grant| name(&grant.what))
                .collect::<BTreeSet<_>>()
        };
        let (had, has) = (names(&before), names(&after));
        for grant in after
            .grants
            .iter()
            .filter(|grant| !had.contains(&name(&grant.what)))
        {
            differs = true;
            delta(&mut deltas, &grant.what).gained.push(key.clone());
        }
        for grant in before
            .grants
            .iter()
            .filter(|grant| !has.contains(&name(&grant.what)))
        {
            differs = true;
            let delta = delta(&mut deltas, &grant.what);
            delta.lost.push(key.clone());
            delta.grace_days = delta.grace_days.max(grant.grace_days);
        }
        let attributes: BTreeSet<&Attribute> =
            before.attributes.keys().chain(after.attributes.keys()).collect();
        for attribute in attributes {
            if before.attributes.get(attribute) != after.attributes.get(attribute) {
                differs = true;
                impact.attributes.entry(*attribute).or_default().push(key.clone());
            }
        }
        impact.changed += usize::from(differs);
    }
    impact.entitlements = deltas.into_values().collect();
    impact
        .entitlements
        .sort_by_key(|delta| std::cmp::Reverse(delta.gained.len() + delta.lost.len()));
    impact
}

fn delta<'d>(deltas: &'d mut BTreeMap<Name, Delta>, what: &Reference) -> &'d mut Delta {
    deltas.entry(name(what)).or_insert_with(|| Delta {
        what: what.clone(),
        gained: Vec::new(),
        lost: Vec::new(),
        grace_days: 0,
    })
}

impl Impact {
    fn conflicts_of(&mut self, old: &Document, new: &Document, subject: &Subject<'_>, today: Date) {
        let before = old.toxic(subject, today);
        for id in new.toxic(subject, today).difference(&before) {
            let people = self.conflicts.entry(id.clone()).or_default();
            people.push(subject.person.key.clone());
        }
    }
}

impl Document {
    /// The conflicts of which rules ask for two sides at least.
    fn toxic(&self, subject: &Subject<'_>, today: Date) -> BTreeSet<String> {
        if self.clashes().is_empty() {
            return BTreeSet::new();
        }
        let (Ok(desired), Ok(clashing)) = (self.desired(subject, today), self.clashing(subject, today))
        else {
            return BTreeSet::new();
        };
        let granted: BTreeSet<Name> = desired.grants.iter().map(|grant| name(&grant.what)).collect();
        let asked = |side: &&Vec<Reference>| side.iter().any(|what| granted.contains(&name(what)));
        let toxic = clashing
            .into_iter()
            .filter(|conflict| conflict.sides.iter().filter(asked).count() > 1);
        toxic.map(|conflict| conflict.id.clone()).collect()
    }
}

fn rules(old: &Document, new: &Document) -> RuleEdits {
    let by_id = |document: &Document| -> BTreeMap<String, Vec<(&'static str, String)>> {
        let rules = document.rules();
        let told = |rule: &Rule| {
            let when = rule.when.as_ref().map_or_else(String::new, |when| {
                let text = &when.parts().1.whole().text;
                text.split_whitespace().collect::<Vec<_>>().join(" ")
            });
            let mut parts = vec![("when", when), ("grace", rule.grace_days.to_string())];
            let mut asked: Vec<&Reference> = rules.asked_by(rule).collect();
            asked.sort_by_key(|what| name(what));
            for (key, kind) in [
                ("groups", Kind::Group),
                ("licenses", Kind::License),
                ("roles", Kind::Role),
                ("azure", Kind::Azure),
                ("apps", Kind::App),
                ("access_packages", Kind::Package),
            ] {
                let of_kind = asked.iter().filter(|what| what.kind == kind);
                let names: Vec<String> = of_kind.map(|what| format!("{:?}", name(what))).collect();
                parts.push((key, names.join(", ")));
            }
            parts
        };
        let rules = rules.all();
        rules.map(|rule| (rule.id.clone(), told(rule))).collect()
    };
    let (before, after) = (by_id(old), by_id(new));
    let only_in = |these: &BTreeMap<String, _>, others: &BTreeMap<String, _>| {
        let only = these.keys().filter(|id| !others.contains_key(*id));
        only.cloned().collect::<Vec<String>>()
    };
    let mut edits = RuleEdits {
        added: only_in(&after, &before),
        removed: only_in(&before, &after),
        ..RuleEdits::default()
    };
    for (id, parts) in &before {
        let Some(others) = after.get(id) else { continue };
        let differing = parts.iter().zip(others).filter(|(old, new)| old != new);
        let differing: Vec<&'static str> = differing.map(|((key, _), _)| *key).collect();
        if !differing.is_empty() {
            edits.changed.insert(id.clone(), differing);
        }
    }
    edits
}

fn settings(old: &Document, new: &Document) -> Vec<Edit> {
    let told = |document: &Document| {
        let mut told = serde_json::to_value(document.settings()).unwrap_or_default();
        told["domain"] = document.domain().into();
        told["names"] = document.naming().to_string().into();
        told
    };
    edits(&told(old), &told(new))
}

fn guard(old: &Document, new: &Document) -> Vec<Edit> {
    let told = |document: &Document| {
        let mut told = serde_json::to_value(document.limits()).unwrap_or_default();
        let protected = serde_json::to_value(document.protected()).unwrap_or_default();
        for (key, value) in protected.as_object().into_iter().flatten() {
            told[format!("protected {key}")] = value.clone();
        }
        told
    };
    edits(&told(old), &told(new))
}

/// Where two tables differ.
fn edits(old: &Value, new: &Value) -> Vec<Edit> {
    let word = |value: &Value| match value {
        Value::Null => "none".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let keys = [old, new].into_iter().filter_map(Value::as_object);
    let keys: BTreeSet<&String> = keys.flat_map(|table| table.keys()).collect();
    let differing = keys
        .into_iter()
        .filter(|key| old[key.as_str()] != new[key.as_str()]);
    differing
        .map(|key| Edit {
            name: key.clone(),
            old: word(&old[key.as_str()]),
            new: word(&new[key.as_str()]),
        })
        .collect()
}

impl fmt::Display for Impact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "this edit changes {} of {} people", self.changed, self.people)?;
        let mut counts = Vec::new();
        for delta in &self.entitlements {
            for (sign, people) in [('+', &delta.gained), ('\u{2212}', &delta.lost)] {
                if !people.is_empty() {
                    counts.push(format!("{sign}{} {}", people.len(), delta.what));
                }
            }
        }
        for (attribute, people) in &self.attributes {
            counts.push(format!("{} of {}", attribute.as_str(), people.len()));
        }
        if !counts.is_empty() {
            write!(f, ": {}", counts.join(", "))?;
        }
        let lines = [
            (
                self.held.len(),
                "would be held: the new policy cannot be evaluated for them",
            ),
            (self.released.len(), "could not be judged before, and can be now"),
        ];
        for (people, what) in lines.into_iter().filter(|(people, _)| *people > 0) {
            write!(f, "\n  {people} {what}")?;
        }
        for (id, people) in &self.conflicts {
            write!(f, "\n  conflict {id} comes to apply to {} people", people.len())?;
        }
        for (word, ids) in [("added", &self.rules.added), ("removed", &self.rules.removed)] {
            if !ids.is_empty() {
                write!(f, "\n  rules {word}: {}", ids.join(", "))?;
            }
        }
        for (id, what) in &self.rules.changed {
            write!(f, "\n  rule {id}: {} changed", what.join(", "))?;
        }
        for edit in self.settings.iter().chain(&self.guard) {
            write!(f, "\n  {}: {} -> {}", edit.name, edit.old, edit.new)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::person::Person;

    const OLD: &str = "version = 1\n[tenant]\ndomain = 'contoso.example'\n[defaults]\ngroups = ['All']\n\
        [[rule]]\nid = 'sales'\nwhen = 'person.department == \"Sales\"'\ngroups = ['Sales', 'sg-x']\ngrace = '7d'\n\
        [[rule]]\nid = 'it'\nwhen = 'person.department == \"IT\"'\nroles = ['Reader']\n\
        [[rule]]\nid = 'gone'\nwhen = 'person.country == \"ZZ\"'\ngroups = ['zz']\n\
        [joiner]\ncreate_before = '14d'\n[guard]\nmax_leavers = 5\n";

    fn person(number: usize, department: &str) -> Person {
        let mut person = Person::new(PersonKey::new(format!("W-{number}")));
        person.department = Some(department.to_owned());
        person
    }

    fn impact(new: &str, people: &[Person]) -> Impact {
        let (old, new) = (Document::parse(OLD).unwrap(), Document::parse(new).unwrap());
        let subjects = people.iter().map(|person| Subject {
            person,
            manager: None,
        });
        diff(&old, &new, subjects, jiff::civil::date(2026, 1, 1))
    }

    #[test]
    fn an_edit_says_who_gains_what_and_who_loses_what() {
        let people: Vec<Person> = ["Sales", "IT", "Sales", "Law"]
            .iter()
            .enumerate()
            .map(|(number, department)| person(number, department))
            .collect();
        let new = OLD
            .replace("['Sales', 'sg-x']", "['sales', 'sg-y']")
            .replace("== \"IT\"'", "in [\"IT\", \"Law\"]'")
            .replace("[[rule]]\nid = 'gone'", "[[rule]]\nid = 'new'")
            .replace("14d", "10d")
            .replace("max_leavers = 5", "max_leavers = 9\nprotected = ['a@b.example']");
        let impact = impact(&new, &people);
        assert_eq!((impact.people, impact.changed), (4, 3));
        let who = |people: &[PersonKey]| {
            people
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(" ")
        };
        let deltas: Vec<String> = impact
            .entitlements
            .iter()
            .map(|delta| {
                let (gained, lost) = (who(&delta.gained), who(&delta.lost));
                format!("{}: +[{gained}] -[{lost}] {}", delta.what, delta.grace_days)
            })
            .collect();
        assert_eq!(
            deltas,
            [
                "group \"sg-x\": +[] -[W-0 W-2] 7",
                "group \"sg-y\": +[W-0 W-2] -[] 0",
                "role \"Reader\": +[W-3] -[] 0",
            ]
        );
        assert_eq!(
            (impact.rules.added.clone(), impact.rules.removed.clone()),
            (vec!["new".into()], vec!["gone".into()])
        );
        assert_eq!(impact.rules.changed["sales"], ["groups"]);
        assert_eq!(impact.rules.changed["it"], ["when"]);
        assert_eq!(
            impact.to_string(),
            "this edit changes 3 of 4 people: \u{2212}2 group \"sg-x\", +2 group \"sg-y\", +1 role \"Reader\"\n  \
             rules added: new\n  rules removed: gone\n  rule it: when changed\n  rule sales: groups changed\n  \
             create_before: 14 -> 10\n  max_leavers: 5 -> 9\n  protected names: [] -> [\"a@b.example\"]"
        );
    }

    #[test]
    fn an_edit_of_words_alone_changes_nothing() {
        let people = [person(1, "Sales"), person(2, "IT")];
        let new = OLD
            .replace("person.department == \"IT\"", "person.department   ==\\n \"IT\"")
            .replace('\'', "\"");
        let new = new.replace(
            "when = \"person.department == \"Sales\"\"",
            "when = 'person.department  == \"Sales\"'",
        );
        let new = new.replace(
            "when = \"person.department   ==\\n \"IT\"\"",
            "when = '''person.department ==\n \"IT\"'''",
        );
        let new = new.replace(
            "when = \"person.country == \"ZZ\"\"",
            "when = 'person.country == \"ZZ\"' # nobody",
        );
        let impact = impact(&new, &people);
        assert!(impact.is_empty(), "{impact}");
        assert_eq!(impact.to_string(), "this edit changes 0 of 2 people");
    }

    #[test]
    fn people_who_would_be_held_or_come_into_a_conflict_are_told() {
        let people = [person(1, "Sales"), person(2, "IT")];
        let new = format!(
            "{OLD}[[rule]]\nid='t'\nwhen='person.department == \"IT\" && person.job_title.contains(\"x\")'\ngroups=['t']\n\
             [[conflict]]\nid='c'\nbetween=[{{groups=['SALES']}}, {{groups=['all']}}]\n"
        );
        let impact = impact(&new, &people);
        assert_eq!((impact.changed, impact.held[0].0.as_str()), (1, "W-2"));
        assert_eq!(impact.conflicts["c"], [PersonKey::new("W-1")]);
        let shown = impact.to_string();
        assert!(
            shown.contains("\n  1 would be held")
                && shown.contains("\n  conflict c comes to apply to 1 people")
        );
    }
}
