//! [`Coverage`]: which rules hold for anybody, and for whom none does.

use std::collections::BTreeMap;

use jiff::civil::Date;

use crate::person::PersonKey;

use super::rules::DEFAULTS;
use super::{AccessPolicy, Document, PolicyProblems, Subject};

/// How a policy fits the people there are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Coverage {
    /// How many people were looked at.
    pub people: usize,
    /// For how many of them each rule held, in the order of the ids; the defaults are left out.
    pub hits: BTreeMap<String, usize>,
    /// Rules that held for nobody, in the order of the document.
    pub rules_never_hit: Vec<String>,
    /// People for whom no rule but the defaults held.
    pub matched_by_nothing: Vec<PersonKey>,
    /// People whose policy could not be evaluated, and why: they are held.
    pub held: Vec<(PersonKey, PolicyProblems)>,
}

impl Document {
    /// Looks at `people` as on the day `today`, one after the other: only keys are kept.
    pub fn coverage<'p>(&self, people: impl IntoIterator<Item = Subject<'p>>, today: Date) -> Coverage {
        let mut coverage = Coverage::default();
        for subject in people {
            coverage.people += 1;
            let key = &subject.person.key;
            let desired = match self.desired(&subject, today) {
                Ok(desired) => desired,
                Err(problems) => {
                    coverage.held.push((key.clone(), problems));
                    continue;
                }
            };
            let mut rules: Vec<&str> = desired
                .grants
                .iter()
                .flat_map(|grant| grant.rules.iter().map(String::as_str))
                .filter(|rule| *rule != DEFAULTS)
                .collect();
            rules.sort_unstable();
            rules.dedup();
            if rules.is_empty() {
                coverage.matched_by_nothing.push(key.clone());
            }
            for rule in rules {
                match coverage.hits.get_mut(rule) {
                    Some(hits) => *hits += 1,
                    None => drop(coverage.hits.insert(rule.to_owned(), 1)),
                }
            }
        }
        let never = self
            .rule_ids()
            .into_iter()
            .filter(|id| !coverage.hits.contains_key(*id));
        coverage.rules_never_hit = never.map(ToOwned::to_owned).collect();
        coverage
    }
}
