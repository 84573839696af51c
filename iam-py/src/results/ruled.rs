//! What a policy says: what people should have, its own tests, what an edit would do, and what an import came to.

use std::collections::BTreeMap;

use iam_core::entitlement::{self, Reference};
use iam_core::person::PersonKey;
use iam_core::policy;

use super::{List, results, word};
use crate::convert::Json;

results! {
    /// An entitlement that policy asks for.
    Grant [kind, name, rules] {
        kind: String,
        name: String,
        target: Option<String>,
        rules: List<String>,
        grace_days: u32,
    }

    /// What policy says one person should have.
    Desired [grants, conflicts] {
        attributes: BTreeMap<String, String>,
        grants: List<Grant>,
        conflicts: List<String>,
        names: List<String>,
        display_name: String,
    }

    /// Why somebody is, or is not, entitled to one thing.
    Explanation [what, is_granted, grace_days] {
        what: String,
        is_granted: bool,
        grace_days: u32,
        rules: List<String>,
        near: Option<String>,
        problem: Option<String>,
        details: Json,
        text: String,
    }

    /// Something that a policy names and the tenant has not got.
    Finding [line, column, message] {
        line: Option<u32>,
        column: Option<u32>,
        message: String,
        text: String,
    }

    /// How one case of a policy went.
    CaseReport [name, passed] {
        name: String,
        passed: bool,
        missing: List<String>,
        unexpected: List<String>,
        problems: Option<String>,
    }

    /// How all cases of a policy went.
    TestReport [passed, cases, rules_never_hit, matched_by_nothing] {
        passed: bool,
        cases: List<CaseReport>,
        rules_never_hit: List<String>,
        matched_by_nothing: List<String>,
    }

    /// How a policy fits the people there are.
    Coverage [people, rules_never_hit, matched_by_nothing, held] {
        people: usize,
        hits: BTreeMap<String, usize>,
        rules_never_hit: List<String>,
        matched_by_nothing: List<String>,
        held: BTreeMap<String, String>,
    }

    /// Who gains and who loses one thing by an edit.
    Delta [kind, name, gained, lost] {
        kind: String,
        name: String,
        target: Option<String>,
        gained: List<String>,
        lost: List<String>,
        grace_days: u32,
    }

    /// Something that stands in both policies and differs.
    Edit [name] {
        name: String,
        old: String,
        new: String,
    }

    /// What an edit of a policy would do.
    Impact [is_empty, people, changed, entitlements, held] {
        is_empty: bool,
        people: usize,
        changed: usize,
        entitlements: List<Delta>,
        attributes: BTreeMap<String, List<String>>,
        held: BTreeMap<String, String>,
        released: List<String>,
        conflicts: BTreeMap<String, List<String>>,
        rules_added: List<String>,
        rules_removed: List<String>,
        rules_changed: BTreeMap<String, List<String>>,
        settings: List<Edit>,
        guard: List<Edit>,
        text: String,
    }

    /// What became of one part of what was imported.
    Remark [part, fate, line] {
        part: String,
        fate: String,
        line: Option<usize>,
        remark: String,
    }

    /// A policy made from something else.
    Imported [remarks] {
        policy: String,
        remarks: List<Remark>,
        missing: List<Remark>,
        text: String,
    }
}
super::spoken!(Explanation, Finding, Impact, Imported);

fn keys(people: &[PersonKey]) -> List<String> {
    people.iter().map(ToString::to_string).collect()
}

fn references(of: &[Reference]) -> List<String> {
    of.iter().map(ToString::to_string).collect()
}

fn problems(held: &[(PersonKey, policy::PolicyProblems)]) -> BTreeMap<String, String> {
    held.iter()
        .map(|(person, why)| (person.to_string(), why.to_string()))
        .collect()
}

pub(crate) fn shown_grants(grants: &[entitlement::Grant]) -> List<Grant> {
    List::of(grants)
}

impl From<&entitlement::Grant> for Grant {
    fn from(grant: &entitlement::Grant) -> Self {
        Self {
            kind: word(&grant.what.kind),
            name: grant.what.name.clone(),
            target: grant.what.target.as_ref().map(ToString::to_string),
            rules: grant.rules.iter().cloned().collect(),
            grace_days: grant.grace_days,
        }
    }
}

impl From<&policy::Explanation> for Explanation {
    fn from(explanation: &policy::Explanation) -> Self {
        let granted = explanation.granted.iter();
        Self {
            what: explanation.what.to_string(),
            is_granted: explanation.is_granted(),
            grace_days: explanation.grace_days(),
            rules: granted.map(|asked| asked.rule.clone()).collect(),
            near: explanation.near.clone(),
            problem: explanation.tenant.clone(),
            details: Json::of(explanation),
            text: explanation.to_string(),
        }
    }
}

impl From<String> for Finding {
    /// `rule x, line 3, column 5: …`, as the policy tells its findings.
    fn from(text: String) -> Self {
        let place = text.match_indices("line ").find_map(|(at, word)| {
            let (line, rest) = text[at + word.len()..].split_once(", column ")?;
            let (column, problem) = rest.split_once(": ")?;
            let message = match text[..at].trim_end_matches([',', ' ']) {
                "" => problem.to_owned(),
                about => format!("{about}: {problem}"),
            };
            Some((line.parse().ok()?, column.parse().ok()?, message))
        });
        let (line, column, message) = match place {
            Some((line, column, message)) => (Some(line), Some(column), message),
            None => (None, None, text.clone()),
        };
        Self {
            line,
            column,
            message,
            text,
        }
    }
}

impl From<&policy::CaseReport> for CaseReport {
    fn from(case: &policy::CaseReport) -> Self {
        Self {
            name: case.name.clone(),
            passed: case.passed,
            missing: references(&case.missing),
            unexpected: references(&case.unexpected),
            problems: case.problems.as_ref().map(ToString::to_string),
        }
    }
}

impl From<&policy::TestReport> for TestReport {
    fn from(report: &policy::TestReport) -> Self {
        Self {
            passed: report.passed(),
            cases: List::of(&report.cases),
            rules_never_hit: report.rules_never_hit.iter().cloned().collect(),
            matched_by_nothing: report.matched_by_nothing.iter().cloned().collect(),
        }
    }
}

impl From<&policy::Coverage> for Coverage {
    fn from(coverage: &policy::Coverage) -> Self {
        Self {
            people: coverage.people,
            hits: coverage.hits.clone(),
            rules_never_hit: coverage.rules_never_hit.iter().cloned().collect(),
            matched_by_nothing: keys(&coverage.matched_by_nothing),
            held: problems(&coverage.held),
        }
    }
}

impl From<&policy::Edit> for Edit {
    fn from(edit: &policy::Edit) -> Self {
        Self {
            name: edit.name.clone(),
            old: edit.old.clone(),
            new: edit.new.clone(),
        }
    }
}

impl From<&policy::Impact> for Impact {
    fn from(impact: &policy::Impact) -> Self {
        let delta = |delta: &policy::Delta| Delta {
            kind: word(&delta.what.kind),
            name: delta.what.name.clone(),
            target: delta.what.target.as_ref().map(ToString::to_string),
            gained: keys(&delta.gained),
            lost: keys(&delta.lost),
            grace_days: delta.grace_days,
        };
        let attributes = impact.attributes.iter();
        let conflicts = impact.conflicts.iter();
        let changed = impact.rules.changed.iter();
        Self {
            is_empty: impact.is_empty(),
            people: impact.people,
            changed: impact.changed,
            entitlements: impact.entitlements.iter().map(delta).collect(),
            attributes: attributes
                .map(|(attribute, people)| (attribute.as_str().to_owned(), keys(people)))
                .collect(),
            held: problems(&impact.held),
            released: keys(&impact.released),
            conflicts: conflicts.map(|(id, people)| (id.clone(), keys(people))).collect(),
            rules_added: impact.rules.added.iter().cloned().collect(),
            rules_removed: impact.rules.removed.iter().cloned().collect(),
            rules_changed: changed
                .map(|(id, what)| (id.clone(), List::of(what.iter().copied())))
                .collect(),
            settings: List::of(&impact.settings),
            guard: List::of(&impact.guard),
            text: impact.to_string(),
        }
    }
}

impl From<&policy::Remark> for Remark {
    fn from(remark: &policy::Remark) -> Self {
        Self {
            part: remark.part.clone(),
            fate: remark.fate.as_str().to_owned(),
            line: remark.line,
            remark: remark.remark.clone(),
        }
    }
}

impl From<&policy::Imported> for Imported {
    fn from(imported: &policy::Imported) -> Self {
        Self {
            policy: imported.policy.clone(),
            remarks: List::of(&imported.remarks),
            missing: List::of(imported.missing()),
            text: imported.to_string(),
        }
    }
}
