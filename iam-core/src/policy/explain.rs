//! Why somebody is, or is not, entitled to something: [`Explanation`].
//!
//! Invariant: what is said repeats the words of the policy, never the values of a person; whoever wants those
//! asks for them ([`Clause::values`]).

use std::fmt;

use cel::{Context, IdedExpr};
use jiff::civil::Date;
use serde::Serialize;

use crate::entitlement::{Catalog, Reference};

use super::clause::{AND, Clauses, IF, NOT, branches};
use super::expression::{Expression, truth};
use super::rules::{Rule, Rules, alike};
use super::source::nearest;
use super::{AccessPolicy, Document, Subject};

/// What a part of a condition comes to for one person on one day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Verdict {
    /// It is true.
    True,
    /// It is false.
    False,
    /// It cannot be evaluated: why, without values.
    Unknown(String),
}

/// A part of a condition that is true or false on its own, and would have to be otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Clause {
    /// As the policy has it.
    pub text: String,
    /// The line of the policy, from 1.
    pub line: usize,
    /// The column, in characters, from 1.
    pub column: usize,
    /// What it comes to.
    pub verdict: Verdict,
    /// The fields it reads: `person.department`, `manager.job_title`, `manager` (whether there is one), `today`.
    pub reads: Vec<String>,
}

impl Clause {
    /// The values of the fields it reads: personal data, for those who may see them. `None` is not set; `manager`
    /// is the manager's worker id.
    pub fn values(&self, subject: &Subject<'_>, today: Date) -> Vec<(String, Option<String>)> {
        let value = |name: &String| {
            let value = match name.split_once('.') {
                Some(("person", field)) => subject.person.field(field),
                Some((_, field)) => subject.manager.and_then(|manager| manager.field(field)),
                None if name == "manager" => subject.manager.map(|manager| manager.key.as_str().into()),
                None => Some(today.to_string().into()),
            };
            (name.clone(), value.map(Into::into))
        };
        self.reads.iter().map(value).collect()
    }
}

impl fmt::Display for Clause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = one_line(&self.text);
        match &self.verdict {
            Verdict::True => write!(f, "{text} is true"),
            Verdict::False => write!(f, "{text} is false"),
            Verdict::Unknown(why) => write!(f, "{text} cannot be evaluated ({why})"),
        }?;
        write!(f, " (line {}, column {})", self.line, self.column)
    }
}

/// What stands between a condition and its turning the other way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Gap {
    /// This part would have to turn.
    Clause(Clause),
    /// All of these would have to turn.
    All(Vec<Gap>),
    /// Any of these would do.
    Any(Vec<Gap>),
}

impl Gap {
    /// How many parts would have to turn at least.
    pub fn distance(&self) -> usize {
        match self {
            Self::Clause(_) => 1,
            Self::All(gaps) => gaps.iter().map(Self::distance).sum(),
            Self::Any(gaps) => gaps.iter().map(Self::distance).min().unwrap_or(0),
        }
    }

    /// Every part that is named, in the order of the policy's text.
    pub fn clauses(&self) -> Vec<&Clause> {
        match self {
            Self::Clause(clause) => vec![clause],
            Self::All(gaps) | Self::Any(gaps) => gaps.iter().flat_map(Self::clauses).collect(),
        }
    }

    fn of(mut gaps: Vec<Self>, wrap: fn(Vec<Self>) -> Self) -> Option<Self> {
        match gaps.len() {
            0 | 1 => gaps.pop(),
            _ => Some(wrap(gaps)),
        }
    }
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (gaps, word) = match self {
            Self::Clause(clause) => return clause.fmt(f),
            Self::All(gaps) => (gaps, " and "),
            Self::Any(gaps) => (gaps, " or "),
        };
        for (at, gap) in gaps.iter().enumerate() {
            if at > 0 {
                f.write_str(word)?;
            }
            match gap {
                Self::Clause(clause) => clause.fmt(f)?,
                other => write!(f, "({other})")?,
            }
        }
        Ok(())
    }
}

/// A rule that asks for the thing, and what its condition comes to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Asked {
    /// The rule's id; `defaults` for the defaults.
    pub rule: String,
    /// Its condition as written; `None` for the defaults.
    pub condition: Option<String>,
    /// The line of the policy: of the condition, and of the mention for the defaults.
    pub line: usize,
    /// The column, in characters, from 1.
    pub column: usize,
    /// Days the thing is kept once the rule has stopped asking for it.
    pub grace_days: u32,
    /// What would make the rule stop asking where it asks, and what keeps it from asking where it does not.
    /// `None`: nothing would.
    pub gap: Option<Gap>,
}

/// Why somebody is, or is not, entitled to one thing on one day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Explanation {
    /// What was asked about.
    pub what: Reference,
    /// The version of the policy ([`Document::fingerprint`]).
    pub policy: String,
    /// The rules that ask for it: all of them would have to stop for it to be taken away.
    pub granted: Vec<Asked>,
    /// The rules that would ask for it and do not, the nearest first.
    pub withheld: Vec<Asked>,
    /// The rules that cannot be evaluated, and why: the person is held, and nothing is taken away.
    pub unclear: Vec<(String, String)>,
    /// The conflicts of the policy that keep it apart from something else that rules ask for too: the id, and what.
    pub conflicts: Vec<(String, Vec<Reference>)>,
    /// Where no rule names the thing: the closest name that the policy has, if one is close.
    pub near: Option<String>,
    /// What is wrong with the name in the tenant, where a catalogue was given.
    pub tenant: Option<String>,
}

impl Explanation {
    /// Whether policy asks for it. Nobody can tell where a rule [cannot be evaluated](Self::unclear).
    pub fn is_granted(&self) -> bool {
        !self.granted.is_empty()
    }

    /// Days it would be kept once the last rule has stopped asking.
    pub fn grace_days(&self) -> u32 {
        self.granted
            .iter()
            .map(|asked| asked.grace_days)
            .max()
            .unwrap_or(0)
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let granted = if self.is_granted() {
            "granted"
        } else {
            "not granted"
        };
        write!(f, "{}: {granted}", self.what)?;
        if let Some(problem) = &self.tenant {
            write!(f, "\n  {problem}")?;
        }
        for asked in &self.granted {
            write!(f, "\n  rule {} (line {}) asks for it", asked.rule, asked.line)?;
            match (&asked.condition, &asked.gap) {
                (None, _) => write!(f, ", for everybody")?,
                (Some(condition), gap) => {
                    write!(f, ": {}", one_line(condition))?;
                    if let Some(gap) = gap {
                        write!(f, "\n    as long as {gap}")?;
                    }
                }
            }
        }
        if self.granted.len() > 1 {
            write!(
                f,
                "\n  it goes when none of these {} rules asks for it any more",
                self.granted.len()
            )?;
        }
        for asked in &self.withheld {
            write!(
                f,
                "\n  rule {} (line {}) would ask for it, but ",
                asked.rule, asked.line
            )?;
            match &asked.gap {
                Some(gap) => write!(f, "{gap}")?,
                None => f.write_str("its condition never holds")?,
            }
        }
        for (id, others) in &self.conflicts {
            let others: Vec<String> = others.iter().map(Reference::to_string).collect();
            write!(f, "\n  conflict {id} keeps it apart from {}", others.join(", "))?;
        }
        for (rule, why) in &self.unclear {
            write!(
                f,
                "\n  rule {rule} cannot be evaluated, so that nothing is taken away: {why}"
            )?;
        }
        if self.granted.is_empty() && self.withheld.is_empty() && self.unclear.is_empty() {
            f.write_str("\n  no rule names it")?;
            if let Some(near) = &self.near {
                write!(f, "; did you mean {near:?}?")?;
            }
        }
        Ok(())
    }
}

impl Document {
    /// Why `subject` is or is not entitled to `what` while at work on the day `today`, what would take it away,
    /// and what is missing. With the tenant's `catalog` a name and an id mean the same thing, and a name that the
    /// tenant has not got is told.
    pub fn explain(
        &self,
        subject: &Subject<'_>,
        today: Date,
        what: &Reference,
        catalog: Option<&Catalog>,
    ) -> Explanation {
        let rules = self.rules();
        let facts = rules.language.facts(subject, today);
        let mut explanation = Explanation {
            what: what.clone(),
            policy: self.fingerprint().to_owned(),
            granted: Vec::new(),
            withheld: Vec::new(),
            unclear: Vec::new(),
            conflicts: Vec::new(),
            near: None,
            tenant: catalog.and_then(|catalog| catalog.resolve(what).err()),
        };
        for (rule, position) in rules.asking_for(what, catalog) {
            let Some(when) = &rule.when else {
                let asked = asked(rule, None, (position.line, position.column), None);
                explanation.granted.push(asked);
                continue;
            };
            let (root, clauses) = when.parts();
            let place = clauses.whole().position;
            let at = (place.line, place.column);
            match when.holds(&facts) {
                Ok(holds) => {
                    let gap = gap(root, clauses, &facts, !holds);
                    let asked = asked(rule, Some(when), at, gap);
                    let list = if holds {
                        &mut explanation.granted
                    } else {
                        &mut explanation.withheld
                    };
                    list.push(asked);
                }
                Err(why) => explanation.unclear.push((rule.id.clone(), why)),
            }
        }
        let distance = |asked: &Asked| asked.gap.as_ref().map_or(usize::MAX, Gap::distance);
        explanation.withheld.sort_by_key(distance);
        explanation.near = near(rules, what);
        if explanation.is_granted() {
            explanation.conflicts = self.opposed(subject, today, what);
        }
        explanation
    }
}

impl Document {
    /// The conflicts between `what` and what rules ask for as well.
    fn opposed(&self, subject: &Subject<'_>, today: Date, what: &Reference) -> Vec<(String, Vec<Reference>)> {
        let (Ok(desired), Ok(clashing)) = (self.desired(subject, today), self.clashing(subject, today))
        else {
            return Vec::new(); // the person is held: nothing is given
        };
        let granted = |other: &&Reference| desired.grants.iter().any(|grant| alike(&grant.what, other));
        let mut opposed = Vec::new();
        for conflict in clashing {
            let on = |side: &&Vec<Reference>| side.iter().any(|named| alike(named, what));
            if conflict.sides.iter().any(|side| on(&side)) {
                let others = conflict.sides.iter().filter(|side| !on(side)).flatten();
                let others: Vec<Reference> = others.filter(granted).cloned().collect();
                if !others.is_empty() {
                    opposed.push((conflict.id.clone(), others));
                }
            }
        }
        opposed
    }
}

fn asked(rule: &Rule, when: Option<&Expression>, (line, column): (usize, usize), gap: Option<Gap>) -> Asked {
    Asked {
        rule: rule.id.clone(),
        condition: when.map(|when| when.parts().1.whole().text.clone()),
        line,
        column,
        grace_days: rule.grace_days,
        gap,
    }
}

fn near(rules: &Rules, what: &Reference) -> Option<String> {
    let names = rules.references().filter(|known| known.kind == what.kind);
    let names: Vec<&str> = names.map(|known| known.name.as_str()).collect();
    let lower: Vec<String> = names.iter().map(|name| name.to_lowercase()).collect();
    let lower: Vec<&str> = lower.iter().map(String::as_str).collect();
    let close = nearest(&what.name, &lower)?;
    let at = lower.iter().position(|name| *name == close)?;
    names.get(at).map(|name| (*name).to_owned())
}

/// What would have to turn for a part to come to `want`; `None` when it does already.
fn gap(part: &IdedExpr, clauses: &Clauses, facts: &Context<'_, '_>, want: bool) -> Option<Gap> {
    let verdict = match truth(part, facts) {
        Ok(is) if is == want => return None,
        Ok(true) => Verdict::True,
        Ok(false) => Verdict::False,
        Err(why) => Verdict::Unknown(why),
    };
    let Some(call) = branches(part) else {
        let written = clauses.of_part(part);
        return Some(Gap::Clause(Clause {
            text: written.text.clone(),
            line: written.position.line,
            column: written.position.column,
            verdict,
            reads: written.reads.clone(),
        }));
    };
    let name = call.func_name.as_str();
    match (name, call.args.as_slice()) {
        (NOT, [inner]) => gap(inner, clauses, facts, !want),
        (IF, [test, then, otherwise]) => {
            let holds = truth(test, facts);
            let (taken, other) = if holds == Ok(true) {
                (then, otherwise)
            } else {
                (otherwise, then)
            };
            let Ok(holds) = holds else {
                return gap(test, clauses, facts, true);
            };
            let within = gap(taken, clauses, facts, want);
            let around = || {
                let turned = gap(test, clauses, facts, !holds);
                let both = turned.into_iter().chain(gap(other, clauses, facts, want));
                Gap::of(both.collect(), Gap::All)
            };
            Gap::of(within.into_iter().chain(around()).collect(), Gap::Any)
        }
        _ => {
            // True and false are mirrored: "a && b" is false as soon as "a" or "b" is.
            let mut gaps = Vec::new();
            for inner in chain(part, name) {
                gaps.extend(gap(inner, clauses, facts, want));
            }
            let all = (name == AND) == want;
            Gap::of(gaps, if all { Gap::All } else { Gap::Any })
        }
    }
}

/// The links of a chain of one operator, which the parser keeps as a tree.
fn chain<'e>(part: &'e IdedExpr, name: &str) -> Vec<&'e IdedExpr> {
    match branches(part).filter(|call| call.func_name == name) {
        Some(call) => call.args.iter().flat_map(|inner| chain(inner, name)).collect(),
        None => vec![part],
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests;
