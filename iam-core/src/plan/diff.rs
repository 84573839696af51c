//! The diff and its order.

use std::collections::BTreeMap;

use crate::entitlement::{Account, Class, Entitlement, Held, Kind, Via, same};

use super::leave::{gone, purged, source};
use super::{Accounts, Action, Change, Input, Phase, Plan, Reply, Step};

/// Computes what is to be done. See the [module](super) for what it promises.
pub fn plan(input: &Input<'_>) -> Plan {
    let mut plan = Plan::empty(input.person);
    plan.ledger = input.ledger.to_vec();
    if let Some(account) = mastered_elsewhere(input) {
        plan.notes.push(format!(
            "account {} is mastered in another directory: attributes, manager and sign-in are changed there",
            account.id
        ));
    }
    match input.phase {
        Phase::Pending => early(&mut Steps {
            input,
            plan: &mut plan,
        }),
        phase if phase.is_employed() && !input.actual.unread.is_empty() => withheld(input, &mut plan),
        Phase::Staged | Phase::Active | Phase::Suspended => present(input, &mut plan),
        Phase::Gone => gone(input, &mut plan),
        Phase::Purged => purged(input, &mut plan),
    }
    plan
}

/// The account, where another directory decides about all but what it holds here.
pub(super) fn mastered_elsewhere<'a>(input: &Input<'a>) -> Option<&'a Account> {
    let account = input.actual.account.as_ref();
    account.filter(|account| account.synced && input.accounts != Accounts::Borrowed)
}

/// Builds steps for one input.
pub(super) struct Steps<'a, 'b> {
    pub(super) input: &'a Input<'b>,
    pub(super) plan: &'a mut Plan,
}

impl Steps<'_, '_> {
    pub(super) fn add(&mut self, action: Action, why: impl Into<String>) {
        let account = self
            .input
            .actual
            .account
            .as_ref()
            .map(|account| account.id.as_str());
        self.plan.steps.push(Step::new(
            self.input.target,
            self.input.person,
            account,
            action,
            why,
        ));
    }

    pub(super) fn mark_privileged(&mut self, privileged: bool) {
        if let Some(step) = self.plan.steps.last_mut() {
            step.privileged = privileged;
        }
    }

    pub(super) fn note(&mut self, text: String) {
        self.plan.notes.push(text);
    }
}

/// Nobody knows what the account holds: nothing is given and nothing taken, and no attribute changes, on which
/// dynamic groups hang. Who has not started, or is on leave, is kept out all the same.
fn withheld(input: &Input<'_>, plan: &mut Plan) {
    let mut steps = Steps { input, plan };
    if input.phase != Phase::Active && input.accounts != Accounts::Borrowed {
        early(&mut steps);
    }
}

/// Joiner and mover: account, attributes, manager, groups, licences, roles, sign-in.
fn present(input: &Input<'_>, plan: &mut Plan) {
    let mut steps = Steps { input, plan };
    if input.accounts == Accounts::Borrowed {
        holdings(&mut steps);
        return;
    }
    if mastered_elsewhere(input).is_some() {
        holdings(&mut steps);
        return;
    }
    if let Some(account) = input.actual.account.as_ref().filter(|account| account.deleted) {
        restore(&mut steps, account);
        return;
    }
    if input.actual.account.is_none() && input.name.is_none() {
        steps.note("no free sign-in name was found: no account is created".to_owned());
        return;
    }
    let ours = account(&mut steps);
    if input.phase != Phase::Active {
        early(&mut steps);
    }
    if input.fresh {
        // Nothing of an earlier employment is still held when sign-in is allowed.
        revocations(&mut steps);
    }
    if let Some(link) = input.manager {
        let (manager, account) = (link.manager, link.account);
        let current = input
            .actual
            .account
            .as_ref()
            .and_then(|own| own.manager.as_deref());
        if !current.is_some_and(|current| current.eq_ignore_ascii_case(account)) {
            let action = Action::SetManager {
                manager: Some(manager.clone()),
                manager_account: account.to_owned(),
                before: current.map(str::to_owned),
            };
            let why = if link.stands_in {
                format!("{manager} stands in for a manager who has left")
            } else {
                format!("HR names {manager} as manager")
            };
            steps.add(action, why);
        }
    }
    all_grants(&mut steps);
    if input.phase == Phase::Active && input.reply == Some(Reply::End) {
        steps.add(Action::EndAutomaticReply, input.because);
    }
    errands(&mut steps);
    let blocked = input
        .actual
        .account
        .as_ref()
        .is_none_or(|account| !account.enabled);
    if input.phase == Phase::Active && blocked {
        if ours || input.blocked_by_us {
            steps.add(Action::AllowSignIn, input.because);
        } else {
            steps.note("sign-in was blocked by somebody else and is left blocked".to_owned());
        }
    }
    if !input.fresh {
        revocations(&mut steps);
    }
}

/// Before the first day, and on leave, nobody signs in, whoever opened the account.
fn early(steps: &mut Steps<'_, '_>) {
    let account = steps.input.actual.account.as_ref();
    if mastered_elsewhere(steps.input).is_some() {
        return;
    }
    if account.is_some_and(|account| account.enabled && !account.deleted) {
        steps.add(Action::BlockSignIn, steps.input.because);
        steps.add(Action::RevokeSessions, steps.input.because);
    }
}

/// A deleted account does not tell what it held, and holds it again once it is restored. So it is restored
/// with sign-in blocked, and planned for afresh once it can be read.
fn restore(steps: &mut Steps<'_, '_>, account: &Account) {
    steps.add(
        Action::RestoreAccount,
        "a soft-deleted account carries this worker id",
    );
    if account.enabled {
        steps.add(
            Action::BlockSignIn,
            "nothing old may be used before it is looked at",
        );
    }
    steps.note("what the restored account still holds and policy does not ask for is removed then".into());
}

/// Creates or updates; says whether the account comes into being by this plan.
fn account(steps: &mut Steps<'_, '_>) -> bool {
    let input = steps.input;
    match (&input.actual.account, input.name) {
        (None, Some(name)) => {
            let action = Action::CreateAccount {
                name: name.to_owned(),
                attributes: input
                    .attributes
                    .iter()
                    .filter(|(_, value)| !value.is_empty())
                    .map(|(name, value)| (*name, value.clone()))
                    .collect(),
            };
            steps.add(action, input.because);
            true
        }
        (None, None) => false,
        (Some(account), _) => {
            let changes = changes(input, account);
            if !changes.is_empty() {
                steps.add(Action::UpdateAccount { changes }, "HR and policy say so");
            }
            false
        }
    }
}

fn changes(input: &Input<'_>, account: &Account) -> BTreeMap<crate::entitlement::Attribute, Change> {
    let differs = input
        .attributes
        .iter()
        .filter(|(name, value)| account.attributes.get(name).map_or("", String::as_str) != value.as_str());
    differs
        .map(|(name, value)| {
            (
                *name,
                Change {
                    before: account.attributes.get(name).cloned(),
                    after: value.clone(),
                },
            )
        })
        .collect()
}

/// What the account holds, and nothing else.
fn holdings(steps: &mut Steps<'_, '_>) {
    if steps
        .input
        .actual
        .account
        .as_ref()
        .is_some_and(|account| account.deleted)
    {
        return;
    }
    all_grants(steps);
    revocations(steps);
}

/// Groups before packages before licences before roles: later ones may depend on earlier ones.
fn all_grants(steps: &mut Steps<'_, '_>) {
    for kind in [
        Kind::Group,
        Kind::Package,
        Kind::License,
        Kind::Role,
        Kind::App,
        Kind::Azure,
    ] {
        grants(steps, kind);
    }
}

fn grants(steps: &mut Steps<'_, '_>, kind: Kind) {
    let input = steps.input;
    for wanted in input
        .wanted
        .iter()
        .filter(|wanted| wanted.item.entitlement.kind == kind)
    {
        let what = &wanted.item.entitlement;
        if let Some(owned) = steps
            .plan
            .ledger
            .iter_mut()
            .find(|owned| same(&owned.entitlement, what))
        {
            owned.losing_since = None;
            owned.rules.clone_from(&wanted.rules);
            owned.grace_days = wanted.grace_days;
        }
        if input.phase == Phase::Staged && wanted.item.privileged {
            continue; // administrative power begins with the first day, not before
        }
        match wanted.item.class {
            Class::Assignable => {}
            Class::Dynamic => {
                if !input.actual.holds(what) {
                    steps.note(format!(
                        "{what} is dynamic: it follows from attributes, and is not assigned ({})",
                        rules(&wanted.rules)
                    ));
                }
                continue;
            }
            Class::Synced | Class::MailEnabled => {
                steps.note(format!(
                    "{what} cannot be changed here (synced or mail-enabled): ask its owner ({})",
                    rules(&wanted.rules)
                ));
                continue;
            }
        }
        if !input.actual.holds(what) {
            if let Some(why) = said(input.withheld, what) {
                steps.note(format!("{what} is not given: {why}"));
                continue;
            }
            steps.add(
                Action::Grant {
                    entitlement: what.clone(),
                    rules: wanted.rules.clone(),
                    grace_days: wanted.grace_days,
                },
                rules(&wanted.rules),
            );
            steps.mark_privileged(wanted.item.privileged);
        }
    }
}

/// What is said of an entitlement, if anything.
fn said<'a>(list: &'a [(Entitlement, String)], what: &Entitlement) -> Option<&'a str> {
    let found = list.iter().find(|(listed, _)| same(listed, what));
    found.map(|(_, why)| why.as_str())
}

pub(crate) fn rules(ids: &[String]) -> String {
    let noun = if ids.len() == 1 { "rule" } else { "rules" };
    format!("{noun} {}", ids.join(", "))
}

/// What a present person loses: what the ledger holds and nobody asks for, after its grace; on a fresh
/// start, everything direct that nobody asks for.
fn revocations(steps: &mut Steps<'_, '_>) {
    let input = steps.input;
    let wanted = |what: &_| {
        input
            .wanted
            .iter()
            .any(|wanted| same(&wanted.item.entitlement, what))
    };
    let ledger = std::mem::take(&mut steps.plan.ledger);
    for mut owned in ledger {
        let kept = || !input.fresh && input.kept.iter().any(|kept| owned.covers(kept));
        if owned.entitlement.target != *input.target || wanted(&owned.entitlement) || kept() {
            steps.plan.ledger.push(owned);
            continue;
        }
        let held = input
            .actual
            .held
            .iter()
            .find(|held| same(&held.entitlement, &owned.entitlement) && held.via == Via::Direct);
        let Some(held) = held else {
            let turned = |held: &&Held| {
                owned.covers(&held.entitlement) && matches!(held.via, Via::Dynamic | Via::Synced)
            };
            if input.actual.held.iter().any(|held| turned(&held)) {
                // It was given, and cannot be taken any more. Should it turn back, it is still ours.
                let since = *owned.losing_since.get_or_insert(input.now);
                steps.note(format!(
                    "{} no longer applies since {since}, and {} cannot be taken here: it has become dynamic, or is \
                     mastered elsewhere",
                    rules(&owned.rules),
                    owned.entitlement
                ));
                steps.plan.ledger.push(owned);
                continue;
            }
            // Somebody took it away already: no longer ours. It may still come from elsewhere.
            let via = input.actual.held.iter().find_map(|held| match &held.via {
                Via::Inherited { from } if owned.covers(&held.entitlement) => Some(from),
                _ => None,
            });
            if let Some(from) = via {
                let note = format!(
                    "{} is still held: it comes with {}",
                    owned.entitlement,
                    source(input, from)
                );
                steps.note(note);
            }
            continue;
        };
        let since = *owned.losing_since.get_or_insert(input.now);
        let at_once = said(input.ended, &owned.entitlement);
        if owned.ends_at().is_some_and(|end| end <= input.now) || input.fresh || at_once.is_some() {
            let why = match (at_once, owned.grace_days) {
                (Some(why), _) => why.to_owned(),
                (None, 0) => format!("{} no longer applies", rules(&owned.rules)),
                (None, days) => format!(
                    "{} no longer applies since {since}, grace of {days} days is over",
                    rules(&owned.rules)
                ),
            };
            let action = Action::Revoke {
                entitlement: owned.entitlement.clone(),
                assignment: held.assignment.clone(),
            };
            steps.add(action, why);
            steps.mark_privileged(owned.is_privileged());
        }
        steps.plan.ledger.push(owned);
    }
    if input.fresh {
        let foreign: Vec<_> = input
            .actual
            .held
            .iter()
            .filter(|held| held.via == Via::Direct && !wanted(&held.entitlement))
            .filter(|held| {
                !steps
                    .plan
                    .ledger
                    .iter()
                    .any(|owned| same(&owned.entitlement, &held.entitlement))
            })
            .cloned()
            .collect();
        for held in foreign {
            let privileged = matches!(held.entitlement.kind, Kind::Role | Kind::Azure);
            let action = Action::Revoke {
                entitlement: held.entitlement,
                assignment: held.assignment,
            };
            steps.add(action, "left over from an earlier employment");
            steps.mark_privileged(privileged);
        }
    }
}

pub(super) fn errands(steps: &mut Steps<'_, '_>) {
    for errand in steps.input.errands {
        steps.add(errand.clone(), steps.input.because);
    }
}
