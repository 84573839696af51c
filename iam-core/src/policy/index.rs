//! [`Index`]: rules by what they read, so that a policy is evaluated once for all people of the same values.
//!
//! Invariant: the answer is the one that evaluating every rule for everybody gives.

use std::cell::LazyCell;
use std::sync::Arc;

use jiff::ToSpan;
use jiff::civil::Date;

use super::expression::{Expression, Language, on};
use super::memo::{Memo, Read};
use super::rules::Rules;
use super::{Document, Subject};

/// What a condition comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Verdict {
    No,
    Yes,
    Problem(String),
}

/// Rules that read the same.
#[derive(Debug)]
struct Group {
    rules: Vec<usize>,
    memo: Memo<Arc<[Verdict]>>,
}

/// What the rules of a policy read, and what they came to.
#[derive(Debug)]
pub(super) struct Index {
    groups: Vec<Group>,
    usage_location: Memo<Result<Option<String>, String>>,
    /// By how many days from today on anything differs, if within so many as were asked about.
    turns: Memo<(u16, Option<u16>)>,
}

/// What the rules come to for one subject.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Judged {
    /// By the order of the rules.
    pub(super) holds: Vec<bool>,
    pub(super) usage_location: Option<String>,
    pub(super) problems: Vec<String>,
}

fn reads(expression: &Expression) -> &[String] {
    &expression.parts().1.whole().reads
}

impl Index {
    pub(super) fn of<'x>(rules: &'x Rules, exceptions: impl Iterator<Item = &'x Expression>) -> Self {
        let mut groups: Vec<Group> = Vec::new();
        for (at, rule) in rules.all().enumerate() {
            let Some(when) = &rule.when else { continue };
            let reads = Read::all_of(reads(when));
            match groups.iter_mut().find(|group| group.memo.reads() == reads) {
                Some(group) => group.rules.push(at),
                None => groups.push(Group {
                    rules: vec![at],
                    memo: Memo::new(reads),
                }),
            }
        }
        let usage_location = rules.usage_location.iter().flat_map(reads);
        let dated = rules.all().filter_map(|rule| rule.when.as_ref());
        let dated = dated.chain(&rules.usage_location).chain(exceptions);
        let dated = dated.filter(|expression| expression.depends_on_date());
        Self {
            groups,
            usage_location: Memo::new(Read::all_of(usage_location)),
            turns: Memo::new(Read::all_of(dated.flat_map(reads))),
        }
    }

    #[cfg(test)]
    pub(super) fn kept(&self) -> Vec<usize> {
        let groups = self.groups.iter().map(|group| group.memo.len());
        groups
            .chain([self.usage_location.len(), self.turns.len()])
            .collect()
    }
}

fn verdict(expression: &Expression, facts: &cel::Context<'_, '_>) -> Verdict {
    match expression.holds(facts) {
        Ok(true) => Verdict::Yes,
        Ok(false) => Verdict::No,
        Err(problem) => Verdict::Problem(problem),
    }
}

impl Document {
    /// What every rule comes to for a subject on a day.
    pub(super) fn judge(&self, subject: &Subject<'_>, today: Date) -> Judged {
        let rules = self.rules();
        let facts = LazyCell::new(|| rules.language.facts(subject, today));
        let usage = || {
            rules
                .usage_location
                .as_ref()
                .map_or(Ok(None), |usage| usage.text(&facts))
        };
        let mut verdicts = vec![Verdict::Yes; rules.all().count()];
        let conditions: Vec<Option<&Expression>> = rules.all().map(|rule| rule.when.as_ref()).collect();
        let of = |at: usize| {
            let condition = conditions.get(at).copied().flatten();
            condition.map_or(Verdict::Yes, |when| verdict(when, &facts))
        };
        let usage_location = match self.index() {
            None => {
                (0..verdicts.len())
                    .zip(&mut verdicts)
                    .for_each(|(at, slot)| *slot = of(at));
                usage()
            }
            Some(index) => {
                let mut key = Vec::with_capacity(128);
                for group in &index.groups {
                    let make = || group.rules.iter().map(|at| of(*at)).collect();
                    let answer = group.memo.answer(subject, today, &mut key, make);
                    for (at, verdict) in group.rules.iter().zip(answer.iter()) {
                        if let (Some(slot), true) = (verdicts.get_mut(*at), *verdict != Verdict::Yes) {
                            slot.clone_from(verdict);
                        }
                    }
                }
                index.usage_location.answer(subject, today, &mut key, usage)
            }
        };
        judged(rules, verdicts, usage_location)
    }

    /// The first of the `days` days after `today` on which anything that the policy says of a subject differs.
    pub(super) fn turn(&self, subject: &Subject<'_>, today: Date, days: u16) -> Option<Date> {
        let look = || {
            let dated = self.dated();
            let mut facts = self.rules().language.people(subject);
            let mut at = |day: Date| {
                on(&mut facts, day);
                let verdicts = dated.iter().map(|expression| expression.value(&facts));
                verdicts.collect::<Vec<_>>()
            };
            let now = at(today);
            let mut day = |days: &u16| {
                today
                    .checked_add(i64::from(*days).days())
                    .is_ok_and(|day| at(day) != now)
            };
            (1..=days).find(|days| day(days))
        };
        let turn = match self.index() {
            None => look(),
            Some(index) => {
                let mut key = Vec::with_capacity(64);
                let (asked, turn) = index.turns.answer(subject, today, &mut key, || (days, look()));
                if asked == days { turn } else { look() }
            }
        };
        today.checked_add(i64::from(turn?).days()).ok()
    }

    /// Every expression that reads the calendar.
    fn dated(&self) -> Vec<&Expression> {
        let rules = self.rules();
        let all = rules.all().filter_map(|rule| rule.when.as_ref());
        let all = all.chain(&rules.usage_location).chain(self.exceptions());
        all.filter(|expression| expression.depends_on_date()).collect()
    }
}

fn judged(rules: &Rules, verdicts: Vec<Verdict>, usage_location: Result<Option<String>, String>) -> Judged {
    let mut problems = Vec::new();
    let holds = rules.all().zip(verdicts).map(|(rule, verdict)| match verdict {
        Verdict::Yes => true,
        Verdict::No => false,
        Verdict::Problem(problem) => {
            problems.push(format!("rule {}: {problem}", rule.id));
            false
        }
    });
    let holds = holds.collect();
    let usage_location = match usage_location {
        Ok(None) => None,
        Ok(Some(code)) if code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_alphabetic()) => {
            Some(code.to_ascii_uppercase())
        }
        Ok(Some(_)) => {
            problems.push("usage_location: not a country code of two letters".to_owned());
            None
        }
        Err(problem) => {
            problems.push(format!("usage_location: {problem}"));
            None
        }
    };
    Judged {
        holds,
        usage_location,
        problems,
    }
}

/// Exceptions of conflicts keep what they came to as well.
pub(super) type Exception = Memo<Result<bool, String>>;

pub(super) fn exception(expression: &Expression) -> Exception {
    Memo::new(Read::all_of(reads(expression)))
}

/// Asks an exception, with or without what it came to before.
pub(super) fn ask(
    expression: &Expression,
    memo: Option<&Exception>,
    language: &Language,
    subject: &Subject<'_>,
    today: Date,
) -> Result<bool, String> {
    let make = || expression.holds(&language.facts(subject, today));
    match memo {
        Some(memo) => memo.answer(subject, today, &mut Vec::new(), make),
        None => make(),
    }
}

#[cfg(test)]
mod tests;
