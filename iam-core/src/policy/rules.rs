//! [`Rules`]: who is entitled to what, and the ids of the rules that say so.

use crate::entitlement::{Catalog, Grant, Kind, Reference};

use super::expression::{Expression, Language};
use super::source::Position;

/// The id under which the defaults appear among rules.
pub(super) const DEFAULTS: &str = "defaults";

/// A rule. The defaults are one without a condition.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) id: String,
    pub(super) when: Option<Expression>,
    pub(super) grace_days: u32,
    asks: Vec<Ask>,
}

/// One mention of a reference.
#[derive(Debug)]
struct Ask {
    /// Index into the references of all rules.
    reference: usize,
    position: Position,
}

/// All rules, the defaults first.
pub(super) struct Rules {
    pub(super) language: Language,
    pub(super) usage_location: Option<Expression>,
    references: Vec<Reference>,
    ordered: Vec<Rule>,
}

impl Rules {
    pub(super) fn new(language: Language) -> Self {
        Self {
            language,
            usage_location: None,
            references: Vec::new(),
            ordered: Vec::new(),
        }
    }

    /// Adds a rule, with what it asks for and where that is written.
    pub(super) fn push(
        &mut self,
        id: &str,
        when: Option<Expression>,
        grace_days: u32,
        references: impl IntoIterator<Item = (Reference, Position)>,
    ) {
        let mut rule = Rule {
            id: id.to_owned(),
            when,
            grace_days,
            asks: Vec::new(),
        };
        for (reference, position) in references {
            let known = self.references.iter().position(|known| alike(known, &reference));
            let reference = known.unwrap_or_else(|| {
                self.references.push(reference);
                self.references.len() - 1
            });
            if !rule.asks.iter().any(|ask| ask.reference == reference) {
                rule.asks.push(Ask { reference, position });
            }
        }
        self.ordered.push(rule);
    }

    /// The ids in the order of the document, without the defaults.
    pub(super) fn ids(&self) -> impl Iterator<Item = &str> {
        self.ordered
            .iter()
            .filter(|rule| rule.when.is_some())
            .map(|rule| rule.id.as_str())
    }

    /// Whether a condition looks at the calendar.
    pub(super) fn depends_on_date(&self) -> bool {
        let conditions = self.ordered.iter().filter_map(|rule| rule.when.as_ref());
        conditions
            .chain(&self.usage_location)
            .any(Expression::depends_on_date)
    }

    /// Every mention of a reference: the rule, the place, the reference.
    pub(super) fn mentions(&self) -> impl Iterator<Item = (&str, Position, &Reference)> {
        self.ordered.iter().flat_map(|rule| {
            let asks = rule.asks.iter();
            asks.filter_map(|ask| {
                Some((
                    rule.id.as_str(),
                    ask.position,
                    self.references.get(ask.reference)?,
                ))
            })
        })
    }

    /// Every rule, the defaults first.
    pub(super) fn all(&self) -> impl Iterator<Item = &Rule> {
        self.ordered.iter()
    }

    /// What a rule asks for.
    pub(super) fn asked_by(&self, rule: &Rule) -> impl Iterator<Item = &Reference> {
        rule.asks
            .iter()
            .filter_map(|ask| self.references.get(ask.reference))
    }

    /// Everything that a rule names, each once.
    pub(super) fn references(&self) -> impl Iterator<Item = &Reference> {
        self.references.iter()
    }

    /// The rules that ask for this, and where; with a catalogue, whatever they call it.
    pub(super) fn asking_for<'r>(
        &'r self,
        what: &'r Reference,
        catalog: Option<&'r Catalog>,
    ) -> impl Iterator<Item = (&'r Rule, Position)> {
        let item = catalog.and_then(|catalog| catalog.resolve(what).ok());
        let means = move |known: &Reference| {
            let same = || Some(catalog?.resolve(known).ok()?.entitlement == item?.entitlement);
            alike(known, what) || same() == Some(true)
        };
        self.ordered.iter().filter_map(move |rule| {
            let asks = |ask: &&Ask| self.references.get(ask.reference).is_some_and(&means);
            rule.asks.iter().find(asks).map(|ask| (rule, ask.position))
        })
    }

    /// What the rules that hold ask for, one grant per reference, in the order of first mention.
    pub(super) fn grants(&self, holds: &[bool]) -> Vec<Grant> {
        let mut grants: Vec<Grant> = Vec::new();
        let mut places = vec![None; self.references.len()];
        let holding = self.ordered.iter().zip(holds).filter(|(_, holds)| **holds);
        for (rule, _) in holding {
            for ask in &rule.asks {
                let (Some(place), Some(reference)) =
                    (places.get_mut(ask.reference), self.references.get(ask.reference))
                else {
                    continue;
                };
                let at = *place.get_or_insert(grants.len());
                match grants.get_mut(at) {
                    Some(grant) => {
                        grant.rules.push(rule.id.clone());
                        grant.grace_days = grant.grace_days.max(rule.grace_days);
                    }
                    None => grants.push(Grant {
                        what: reference.clone(),
                        rules: vec![rule.id.clone()],
                        grace_days: rule.grace_days,
                    }),
                }
            }
        }
        grants
    }
}

/// Whether two references name the same thing: names compare without case.
pub(super) fn alike(a: &Reference, b: &Reference) -> bool {
    a.kind == b.kind && a.target == b.target && a.name.to_lowercase() == b.name.to_lowercase()
}

/// The kinds that a policy grants, with the key of each.
pub(super) const KINDS: [(&str, Kind); 4] = [
    ("groups", Kind::Group),
    ("licenses", Kind::License),
    ("roles", Kind::Role),
    ("access_packages", Kind::Package),
];
