//! What the policy names and the tenant does not know by that name (any more): it has gone, has turned dynamic, or
//! cannot be looked up.
//!
//! Invariants: only what depends on it is held, for those whom it concerns; what they have is kept meanwhile; who leaves
//! waits for nothing of it.

use super::conflict::Apart;
use super::lifecycle::Lifecycle;
use super::place::is_directory;
use super::{Context, Decision, View};
use crate::entitlement::{Desired, Entitlement, Held, Kind, Reference};
use crate::person::PersonKey;
use crate::plan::{Owned, Phase, Wanted, rules};
use crate::policy::unassignable;

/// What policy asks for at one target.
#[derive(Debug, Default)]
pub(super) struct Asked<'a> {
    /// Found in its catalogue.
    pub(super) wanted: Vec<Wanted<'a>>,
    /// Not to be found: what, and why.
    pub(super) lost: Vec<(&'a Reference, String)>,
}

impl Asked<'_> {
    /// What the platform gave and policy may be asking for, though nobody can tell: it is not taken away.
    pub(super) fn kept(&self, view: &View, ledger: &[Owned]) -> Vec<Entitlement> {
        let here = ledger
            .iter()
            .map(|owned| &owned.entitlement)
            .filter(|owned| owned.target == view.target);
        let may_be = |owned: &&Entitlement| {
            let mut lost = self.lost.iter();
            lost.any(|(reference, _)| {
                let any_name = view.catalog.unread.contains_key(&reference.kind);
                reference.may_mean(owned) || any_name && reference.kind == owned.kind
            })
        };
        here.filter(may_be).cloned().collect()
    }

    /// What the person does not get for now, and why.
    pub(super) fn lacking(&self, view: &View, ledger: &[Owned]) -> Vec<String> {
        let has = |reference: &Reference| {
            let mut named = ledger
                .iter()
                .filter(|owned| reference.may_mean(&owned.entitlement));
            named.any(|owned| view.actual.holds(&owned.entitlement))
        };
        let lost = self.lost.iter().filter(|(reference, _)| !has(reference));
        let lost = lost.map(|(_, why)| why.clone());
        let turned = self.wanted.iter().filter_map(|wanted| {
            let what = &wanted.item.entitlement;
            let why = unassignable(wanted.item.class)?;
            (!view.actual.holds(what)).then(|| format!("{what} {why} ({})", rules(&wanted.rules)))
        });
        lost.chain(turned).collect()
    }
}

/// What policy asks for at this target, looked up in its catalogue.
pub(super) fn resolve<'a>(view: &'a View, desired: &'a Desired) -> Asked<'a> {
    let mut asked = Asked::default();
    for grant in desired
        .grants
        .iter()
        .filter(|grant| grant.what.is_for(&view.target, &view.kinds))
    {
        let item = match view.catalog.resolve(&grant.what) {
            Ok(item) => item,
            Err(why) => {
                let why = format!("{why} ({})", rules(&grant.rules));
                asked.lost.push((&grant.what, why));
                continue;
            }
        };
        // A name and an id may mean the same thing.
        if let Some(known) = asked
            .wanted
            .iter_mut()
            .find(|known| known.item.entitlement == item.entitlement)
        {
            known.rules.extend(grant.rules.iter().cloned());
            known.grace_days = known.grace_days.max(grant.grace_days);
        } else {
            asked.wanted.push(Wanted {
                item,
                rules: grant.rules.clone(),
                grace_days: grant.grace_days,
            });
        }
    }
    asked
}

impl Lifecycle {
    /// Why nobody can tell whether somebody at work is protected, or nothing. Who leaves does not wait for it.
    pub(super) fn unsure_of_protection(&self, view: &View, phase: Phase) -> Option<String> {
        let holds = |held: &Held| held.entitlement.kind == Kind::Role;
        if !phase.is_employed() || !view.actual.held.iter().any(holds) || !view.kinds.contains(&Kind::Role) {
            return None;
        }
        let problem = self.document.role_problem("protected", &view.catalog)?;
        let account = view.actual.account.as_ref()?;
        Some(format!(
            "account {} holds a role, and counts as protected until the policy is mended: {problem}",
            account.id
        ))
    }

    /// Why no account is made before somebody has said who this is, or nothing. Who has one is not asked about, nor who
    /// leaves.
    #[allow(clippy::unused_self)] // asked like the other doubts
    pub(super) fn question(&self, phase: Phase, cx: &Context<'_>) -> Option<String> {
        let directory = cx.views.iter().find(|view| is_directory(&view.target, cx))?;
        let none = directory.candidates.active.is_empty() && directory.candidates.deleted.is_empty();
        let comes = phase.is_employed() || phase == Phase::Pending;
        if !comes || !none || cx.course.may_be.is_empty() {
            return None;
        }
        let others: Vec<&str> = cx.course.may_be.iter().map(PersonKey::as_str).collect();
        Some(format!(
            "HR gives the mail address of {}, who has an account here: no account is made until somebody says whether \
             they are one person",
            others.join(" and of ")
        ))
    }

    /// No administrative power is given while a limit on it cannot be counted.
    pub(super) fn count_no_tier(&self, view: &View, wanted: &[Wanted<'_>], apart: &mut Apart) {
        let gives = |want: &&Wanted<'_>| want.item.privileged && !view.actual.holds(&want.item.entitlement);
        let mut powerful = wanted.iter().filter(gives).peekable();
        if powerful.peek().is_none() || !view.kinds.contains(&Kind::Role) {
            return;
        }
        let Some(problem) = self.document.role_problem("tier", &view.catalog) else {
            return;
        };
        for want in powerful {
            let what = &want.item.entitlement;
            apart.lacking.push(format!("{what} is not given: {problem}"));
            apart.withheld.push((what.clone(), problem.clone()));
        }
    }

    /// Why no new sign-in name would be taken, or nothing.
    pub(super) fn nameless(&self, view: &View) -> Option<String> {
        let domains = view.kinds.contains(&Kind::Role);
        domains
            .then(|| self.document.domain_problem(&view.catalog))
            .flatten()
    }
}

/// Everything else goes on, and the person is looked at again.
pub(super) fn lacks(decision: &mut Decision, why: String) {
    if !decision.lacking.contains(&why) {
        decision.lacking.push(why);
    }
}
