//! [`Document`]: the standard [`AccessPolicy`], one TOML document.

use std::collections::BTreeSet;
use std::fmt;

use jiff::civil::Date;
use sha2::{Digest, Sha256};

use crate::entitlement::{
    Attribute, Attributes, Catalog, Class, Desired, Kind, Limits, Protected, Reference, TargetId,
};
use crate::error::{Error, ErrorKind, Result};
use crate::person::{Person, hex};

use super::conflict::{self, Clash, Conflict};
use super::expression::{Expression, Language};
use super::index::Index;
use super::naming::Naming;
use super::rules::Rules;
use super::source::{Position, Section, Source};
use super::test::{Case, TestReport};
use super::{AccessPolicy, PolicyProblems, Settings, Subject, courses, sections, test};

/// How a mention by a rule is told from one by a conflict.
const RULE: &str = "rule";

/// How many digits of the fingerprint tell the versions of a policy apart.
const VERSION: usize = 16;

/// The stack of the thread that reads a policy, in bytes; only what is used of it takes memory.
const STACK: usize = 128 * 1024 * 1024;

/// A policy document that was read and checked. Immutable; share it behind an `Arc`.
pub struct Document {
    domain: String,
    domain_at: Position,
    naming: Naming,
    settings: Settings,
    limits: Limits,
    protected: Protected,
    /// What the tenant must have beside the rules' grants: key, what, and where it is named.
    named: Vec<(&'static str, Reference, Position)>,
    rules: Rules,
    clashes: Vec<Clash>,
    index: Option<Index>,
    cases: Vec<Case>,
    fingerprint: String,
}

impl Document {
    /// Reads a policy. Keys, durations, templates and expressions are checked here, so that a mistyped word
    /// never waits for the person it would hit.
    ///
    /// # Errors
    /// Kind `Invalid`; the message has one line per problem, each with line and column.
    pub fn parse(text: &str) -> Result<Self> {
        // The CEL parser needs far more stack than the threads of most runtimes have.
        std::thread::scope(|scope| {
            let reader = std::thread::Builder::new()
                .name("policy".to_owned())
                .stack_size(STACK);
            let reader = reader.spawn_scoped(scope, || Self::read(text)).map_err(|error| {
                Error::new(ErrorKind::Other, "no thread to read the policy in").with_source(error)
            })?;
            let unreadable =
                |_| Error::new(ErrorKind::Invalid, "the policy cannot be read: its parser failed");
            reader.join().map_err(unreadable)?
        })
    }

    fn read(text: &str) -> Result<Self> {
        let mut source = Source::new(text);
        let mut rules = Rules::new(Language::new()?);
        let mut settings = Settings::default();
        let parsed = source.read().map(|table| {
            let top = Section::new("the policy", 0, &table, sections::TOP, &[], &mut source);
            sections::version(&top, &mut source);
            let tenant = sections::tenant(&top, &mut settings, &mut source);
            let domain = tenant.as_ref().map_or("", |(domain, _)| domain);
            let naming = sections::naming(&top, domain, &mut source);
            sections::rules(&top, &mut rules, &mut settings.time_zone, &mut source);
            let clashes = conflict::conflicts(&top, &mut rules, &mut source);
            let mut named = courses::lifecycle(&top, &mut settings, &mut source);
            let (limits, protected, guarded_roles) = sections::guard(&top, &mut settings, &mut source);
            named.extend(guarded_roles);
            let cases = test::cases(&top, &mut source);
            (tenant, naming, (limits, protected, named), clashes, cases)
        });
        if let Some(error) = source.into_error() {
            return Err(error);
        }
        let Some((tenant, naming, (limits, protected, named), clashes, cases)) = parsed else {
            return Err(Error::new(ErrorKind::Invalid, "the policy cannot be read"));
        };
        let (Some((domain, domain_at)), Some(naming)) = (tenant, naming) else {
            return Err(Error::new(ErrorKind::Invalid, "the policy cannot be read"));
        };
        Ok(Self {
            domain,
            domain_at,
            naming,
            settings,
            limits,
            protected,
            named,
            index: Some(Index::of(&rules, clashes.iter().filter_map(Clash::except))),
            rules,
            clashes,
            cases,
            fingerprint: hex(&Sha256::digest(text)),
        })
    }

    /// The domain of new sign-in names, lower case.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// How people are named.
    pub fn naming(&self) -> &Naming {
        &self.naming
    }

    /// What happens around joining, moving and leaving.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// How much may change at once.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Who is never touched.
    pub fn protected(&self) -> &Protected {
        &self.protected
    }

    /// The ids of the rules in the order of the document; the defaults are not among them.
    pub fn rule_ids(&self) -> Vec<&str> {
        self.rules.ids().collect()
    }

    /// A hash of the text: the version that plans and audits name.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Compares what the policy names with what a directory has: every group, licence and role that it has not
    /// got (or has twice), protected roles included, and a domain that is not verified. Empty means all is well.
    ///
    /// For whoever edits the policy, each of these is an error. An `Engine` reports them and goes on:
    /// tenants change under a policy, and only what depends on such a name is held.
    pub fn check(&self, catalog: &Catalog) -> Vec<String> {
        let directory = [Kind::Group, Kind::License, Kind::Role].into();
        self.check_at(&TargetId::new(""), &directory, catalog)
    }

    /// The same for any target that offers these kinds; domains and protected roles matter where there are
    /// roles.
    pub fn check_at(&self, target: &TargetId, kinds: &BTreeSet<Kind>, catalog: &Catalog) -> Vec<String> {
        let mut problems = Vec::new();
        if kinds.contains(&Kind::Role)
            && let Some(problem) = self.domain_problem(catalog)
        {
            problems.push(format!("domain, {}: {problem}", self.domain_at));
        }
        for (kind, why) in &catalog.unread {
            if self.names_any(*kind, target, kinds) {
                let kind = kind.as_str();
                problems.push(format!(
                    "{target}: what it offers of kind {kind} cannot be read: {why}"
                ));
            }
        }
        let is_unread = |reference: &Reference| catalog.unread.contains_key(&reference.kind);
        for (what, id, position, reference) in self.mentions() {
            if !reference.is_for(target, kinds) {
                continue;
            }
            let problem = match catalog.resolve(reference) {
                Err(_) if is_unread(reference) => continue, // said above
                Err(problem) => problem,
                // What is only kept apart may be of any kind.
                Ok(item) if what == RULE => match unassignable(item.class) {
                    Some(why) => format!("{reference} {why}"),
                    None => continue,
                },
                Ok(_) => continue,
            };
            problems.push(format!("{what} {id}, {position}: {problem}"));
        }
        for (key, reference, position) in &self.named {
            if kinds.contains(&reference.kind)
                && !is_unread(reference)
                && let Some(problem) = unknown(key, reference, catalog)
            {
                problems.push(format!("{key}, {position}: {problem}"));
            }
        }
        problems
    }

    /// Why a new sign-in name would not be taken, or nothing.
    pub(crate) fn domain_problem(&self, catalog: &Catalog) -> Option<String> {
        if let Some(why) = &catalog.domains_unread {
            return Some(format!("the tenant's domains cannot be read: {why}"));
        }
        if catalog.domains.contains(&self.domain) {
            return None;
        }
        let verified: Vec<&str> = catalog.domains.iter().map(String::as_str).collect();
        Some(format!(
            "the tenant has no verified domain {:?} (it has {})",
            self.domain,
            verified.join(", ")
        ))
    }

    /// Why one of the roles under `key` in `[guard]` is not known by its name any more, or nothing. What it stood for
    /// may go by another.
    pub(crate) fn role_problem(&self, key: &str, catalog: &Catalog) -> Option<String> {
        let mut named = self.named.iter().filter(|(named, ..)| *named == key);
        named.find_map(|(key, reference, _)| Some(format!("{key}: {}", unknown(key, reference, catalog)?)))
    }

    fn names_any(&self, kind: Kind, target: &TargetId, kinds: &BTreeSet<Kind>) -> bool {
        let mut mentioned = self.mentions().map(|(.., reference)| reference);
        mentioned.any(|reference| reference.kind == kind && reference.is_for(target, kinds))
            || self.named.iter().any(|(_, reference, _)| reference.kind == kind)
    }

    /// What the policy names and none of these targets offers.
    pub fn unserved(&self, targets: &[(TargetId, BTreeSet<Kind>)]) -> Vec<String> {
        let served = |reference: &Reference| {
            targets
                .iter()
                .any(|(target, kinds)| reference.is_for(target, kinds))
        };
        let mentions = self.mentions().filter(|(.., reference)| !served(reference));
        mentions
            .map(|(what, id, position, reference)| {
                format!("{what} {id}, {position}: no target is connected for {reference}")
            })
            .collect()
    }

    /// The SCIM applications that the policy names, each once.
    pub fn apps(&self) -> Vec<TargetId> {
        let named = self
            .mentions()
            .filter_map(|(.., reference)| reference.target.clone());
        named.collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// The Azure scopes that the policy names, each once.
    pub fn azure_scopes(&self) -> Vec<String> {
        let azure = self
            .mentions()
            .filter(|(.., reference)| reference.kind == Kind::Azure);
        let scopes = azure.filter_map(|(.., reference)| Some(reference.name.split_once(" @ ")?.1.to_owned()));
        scopes.collect::<BTreeSet<_>>().into_iter().collect()
    }

    pub(super) fn rules(&self) -> &Rules {
        &self.rules
    }

    /// The same policy, of which every rule is evaluated for everybody: slower, and with the same answers.
    #[must_use]
    pub fn without_index(mut self) -> Self {
        self.index = None;
        self
    }

    pub(super) fn index(&self) -> Option<&Index> {
        self.index.as_ref()
    }

    pub(super) fn exceptions(&self) -> impl Iterator<Item = &Expression> {
        self.clashes.iter().filter_map(Clash::except)
    }

    pub(super) fn clashes(&self) -> &[Clash] {
        &self.clashes
    }

    /// Every mention of a reference: by a rule or a conflict, its id, the place, the reference.
    fn mentions(&self) -> impl Iterator<Item = (&'static str, &str, Position, &Reference)> {
        let rules = self.rules.mentions().map(|(id, at, what)| (RULE, id, at, what));
        let clashes = self.clashes.iter().flat_map(Clash::mentions);
        rules.chain(clashes.map(|(id, at, what)| ("conflict", id, at, what)))
    }

    /// Runs the document's own `[[test]]` cases.
    pub fn run_tests(&self) -> TestReport {
        test::run(self, &self.cases)
    }

    fn attributes(&self, person: &Person) -> Attributes {
        let named = [&person.given_name, &person.family_name, &person.preferred_name];
        let display_name = named
            .iter()
            .any(|name| name.is_some())
            .then(|| self.naming.display_name(person));
        let values = [
            (Attribute::DisplayName, display_name),
            (Attribute::GivenName, person.given_name.clone()),
            (Attribute::FamilyName, person.family_name.clone()),
            (Attribute::Department, person.department.clone()),
            (Attribute::JobTitle, person.job_title.clone()),
            (Attribute::Location, person.location.clone()),
            (Attribute::Country, person.country.clone()),
            (Attribute::Company, person.company.clone()),
            (Attribute::CostCenter, person.cost_center.clone()),
            (Attribute::WorkerType, person.worker_type.clone()),
            (Attribute::HireDate, person.hire_date.map(|date| date.to_string())),
        ];
        let cleared = |name: Attribute| person.cleared.contains(name.as_str()).then(String::new);
        values
            .into_iter()
            .filter_map(|(name, value)| Some((name, value.or_else(|| cleared(name))?)))
            .collect()
    }
}

/// Why the tenant does not know what is named beside the rules' grants, or nothing.
fn unknown(key: &str, reference: &Reference, catalog: &Catalog) -> Option<String> {
    // A group may carry a role, and so stand in a tier.
    let group = Reference::new(Kind::Group, reference.name.clone());
    if key == "tier" && catalog.resolve(&group).is_ok() {
        return None;
    }
    catalog.resolve(reference).err()
}

/// Why nobody can be given what is of this class; `None` where everybody can.
pub(crate) fn unassignable(class: Class) -> Option<&'static str> {
    match class {
        Class::Assignable => None,
        Class::Dynamic => Some("is dynamic: it follows from attributes, and cannot be given"),
        Class::Synced => Some("is mastered in another directory, and cannot be given here"),
        Class::MailEnabled => Some("is mail-enabled, and cannot be given through the tenant's API"),
    }
}

impl AccessPolicy for Document {
    fn desired(&self, subject: &Subject<'_>, today: Date) -> Result<Desired, PolicyProblems> {
        let judged = self.judge(subject, today);
        if !judged.problems.is_empty() {
            return Err(PolicyProblems(judged.problems));
        }
        let mut attributes = self.attributes(subject.person);
        attributes.extend(judged.usage_location.map(|code| (Attribute::UsageLocation, code)));
        let grants = self.rules.grants(&judged.holds);
        Ok(Desired { attributes, grants })
    }

    fn version(&self) -> String {
        self.fingerprint.chars().take(VERSION).collect()
    }

    fn conflicts(&self, subject: &Subject<'_>, today: Date) -> Result<Vec<Conflict>, PolicyProblems> {
        let applying = self.clashing(subject, today)?;
        Ok(applying.into_iter().cloned().collect())
    }

    fn depends_on_date(&self) -> bool {
        self.rules.depends_on_date() || self.exceptions().any(Expression::depends_on_date)
    }

    fn next_change(&self, subject: &Subject<'_>, today: Date, days: u16) -> Option<Date> {
        self.turn(subject, today, days)
    }
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Document")
            .field("domain", &self.domain)
            .field("rules", &self.rule_ids())
            .field("fingerprint", &self.fingerprint)
            .finish()
    }
}

#[cfg(test)]
mod tests;
