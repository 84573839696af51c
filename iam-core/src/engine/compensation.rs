//! Compensation: what would undo what an event brought, from the before-images in its plan and what is seen now.
//!
//! Invariants: only what was done is undone, and only where it is still as it was left then; the inverse steps come in
//! the reverse order; whether policy lets them be is not decided here.

use std::fmt;

use serde::Serialize;

use crate::entitlement::{Actual, TargetId, Via, same};
use crate::event::EventId;
use crate::journal::{Entry, Outcome};
use crate::person::PersonKey;
use crate::plan::{Action, Step, StepId};

/// What undoing an event would do: shown before anything is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct UndoPlan {
    /// The event to be undone.
    pub event: EventId,
    /// Whose.
    pub person: PersonKey,
    /// The inverse steps, the last change first.
    pub steps: Vec<Step>,
    /// Steps of the event that nothing undoes, and why: they stay done.
    pub without_inverse: Vec<(StepId, String)>,
    /// Steps of the event of which nothing is left to undo, and why.
    pub gone: Vec<(StepId, String)>,
    /// Inverse steps that are left out because they must not be carried out, and why.
    pub refused: Vec<(StepId, String)>,
}

impl fmt::Display for UndoPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "undo of event {} of {}:", self.event, self.person)?;
        if self.steps.is_empty() {
            f.write_str(" there is nothing to undo")?;
        }
        for step in &self.steps {
            write!(f, "\n  {}: {} ({})", step.target, step.id, step.why)?;
        }
        for (step, why) in &self.refused {
            write!(f, "\n  refused: {step}: {why}")?;
        }
        for (step, why) in &self.without_inverse {
            write!(f, "\n  stays: {step}: {why}")?;
        }
        for (step, why) in &self.gone {
            write!(f, "\n  nothing left of: {step}: {why}")?;
        }
        Ok(())
    }
}

/// The inverse of what the event is known to have done, given what each target reports now.
pub(super) fn compensation(entry: &Entry, now: &[(&TargetId, &Actual)]) -> UndoPlan {
    let mut undo = UndoPlan {
        event: entry.event.id.clone(),
        person: entry.event.person.clone(),
        steps: Vec::new(),
        without_inverse: Vec::new(),
        gone: Vec::new(),
        refused: Vec::new(),
    };
    let Some(plan) = &entry.plan else { return undo };
    let done: Vec<&Step> = plan.all().filter(|step| was_done(entry, step)).collect();
    for step in done.into_iter().rev() {
        let Some(mut inverse) = step.inverse() else {
            undo.without_inverse
                .push((step.id.clone(), cannot(&step.action).to_owned()));
            continue;
        };
        let actual = now.iter().find(|(target, _)| **target == step.target);
        match actual.map_or(Err("the target cannot be read"), |(_, actual)| {
            fit(&mut inverse, actual)
        }) {
            Ok(()) => undo.steps.push(inverse),
            Err(why) => undo.gone.push((step.id.clone(), why.to_owned())),
        }
    }
    undo
}

/// What is intended and never settled may have been done: whether it was is seen at the account.
fn was_done(entry: &Entry, step: &Step) -> bool {
    let record = entry.steps.iter().find(|record| record.step == step.id);
    record.is_some_and(|record| {
        matches!(
            record.outcome,
            None | Some(Outcome::Done { .. } | Outcome::AlreadySo { .. } | Outcome::Unknown)
        )
    })
}

fn cannot(action: &Action) -> &'static str {
    match action {
        Action::RevokeSessions => "ended sessions do not come back",
        Action::ResetPassword => "nobody knows the password of before",
        Action::SetManager { .. } => {
            "no manager of before is known, and a link is never taken away: HR's record decides"
        }
        Action::EndAutomaticReply => "what the mailbox answered is not known",
        Action::Notify { .. } => "what was said has been read",
        _ => "nothing undoes it",
    }
}

/// Fits an inverse step to the account as it is, or says why nothing is left to undo.
fn fit(inverse: &mut Step, actual: &Actual) -> Result<(), &'static str> {
    let account = actual.account.as_ref().ok_or("the account has vanished")?;
    inverse.account = Some(account.id.clone());
    let restores = matches!(inverse.action, Action::RestoreAccount);
    if account.deleted != restores {
        return Err(if restores {
            "the account is there"
        } else {
            "the account is deleted"
        });
    }
    match &mut inverse.action {
        Action::UpdateAccount { changes } => {
            changes.retain(|attribute, back| {
                let is = account.attributes.get(attribute).map_or("", String::as_str);
                is == back.before.as_deref().unwrap_or_default()
            });
            if changes.is_empty() {
                return Err("the attributes have changed since");
            }
        }
        Action::SetManager { before, .. } => {
            let linked = account.manager.as_deref().unwrap_or_default();
            if !before
                .as_deref()
                .is_some_and(|set| set.eq_ignore_ascii_case(linked))
            {
                return Err("the manager has changed since");
            }
        }
        Action::Revoke {
            entitlement,
            assignment,
        } => {
            let mut direct = actual.held.iter().filter(|held| held.via == Via::Direct);
            let held = direct.find(|held| same(&held.entitlement, entitlement));
            assignment.clone_from(&held.ok_or("it has been taken since")?.assignment);
        }
        Action::Grant { entitlement, .. } if actual.holds(entitlement) => {
            return Err("it is held again");
        }
        Action::AllowSignIn if account.enabled => return Err("sign-in is allowed again"),
        Action::BlockSignIn if !account.enabled => return Err("sign-in is blocked again"),
        _ => {}
    }
    Ok(())
}

#[cfg(test)]
#[cfg(feature = "testing")]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use futures::executor::block_on;
    use jiff::Timestamp;
    use proptest::prelude::*;

    use super::*;
    use crate::entitlement::{Attribute, Catalog, Class, Entitlement, Item, Kind};
    use crate::event::Event;
    use crate::journal::{EventState, StepRecord};
    use crate::plan::{Accounts, Change, IdempotencyKey, Input, Owned, Phase, Wanted, plan};
    use crate::target::{PersonRef, Target};
    use crate::testing::MemoryTarget;

    const THINGS: usize = 8;
    const FIELDS: [Attribute; 3] = [Attribute::Department, Attribute::JobTitle, Attribute::Country];

    /// What one case begins with, and what is planned for it.
    #[allow(clippy::struct_excessive_bools)] // a case is drawn, never written
    #[derive(Debug, Clone)]
    struct Case {
        exists: bool,
        enabled: bool,
        before: [Option<u8>; 3],
        held: [bool; THINGS],
        ours: [bool; THINGS],
        wanted: [bool; THINGS],
        after: [Option<u8>; 3],
        phase: Phase,
        fresh: bool,
        blocked_by_us: bool,
        /// Steps whose outcome nobody has settled.
        unsettled: u8,
    }

    fn case() -> impl Strategy<Value = Case> {
        let phase = prop_oneof![Just(Phase::Staged), Just(Phase::Active), Just(Phase::Gone)];
        let values = || prop::array::uniform3(prop::option::of(0..3_u8));
        let things = || prop::array::uniform8(any::<bool>());
        let account = (any::<bool>(), any::<bool>(), values());
        let flags = (any::<bool>(), any::<bool>(), any::<u8>());
        (account, things(), things(), things(), values(), phase, flags).prop_map(
            |(
                (exists, enabled, before),
                held,
                ours,
                wanted,
                after,
                phase,
                (fresh, blocked_by_us, unsettled),
            )| {
                Case {
                    exists,
                    enabled,
                    before,
                    held,
                    ours,
                    wanted,
                    after,
                    phase,
                    fresh,
                    blocked_by_us,
                    unsettled,
                }
            },
        )
    }

    fn catalog(target: &TargetId) -> Catalog {
        let item = |at: usize| {
            let kind = [Kind::Group, Kind::License, Kind::Role][at % 3];
            let entitlement = Entitlement {
                target: target.clone(),
                kind,
                id: format!("thing {at}"),
                name: format!("Thing {at}"),
            };
            Item {
                entitlement,
                class: Class::Assignable,
                privileged: kind == Kind::Role,
                seats: None,
                carries: Vec::new(),
            }
        };
        Catalog {
            items: (0..THINGS).map(item).collect(),
            ..Catalog::default()
        }
    }

    /// Everything of an account that the platform may own: `None` where there is no live one.
    type Fields = Option<(bool, BTreeMap<Attribute, String>, BTreeSet<String>)>;

    fn fields(target: &MemoryTarget) -> Fields {
        let accounts = target.accounts();
        let actual = accounts.first()?;
        let account = actual.account.as_ref().filter(|account| !account.deleted)?;
        let held = actual.held.iter().map(|held| held.entitlement.id.clone());
        Some((account.enabled, account.attributes.clone(), held.collect()))
    }

    fn carry_out(target: &MemoryTarget, event: &EventId, steps: &[Step]) {
        for step in steps {
            let mut step = step.clone();
            let accounts = target.accounts();
            let known = accounts.first().and_then(|actual| actual.account.as_ref());
            step.account = step.account.or_else(|| known.map(|account| account.id.clone()));
            let key = IdempotencyKey::of(event, &step);
            block_on(target.apply(&step, &key)).unwrap();
        }
    }

    fn observe(target: &MemoryTarget, person: &PersonKey) -> Actual {
        let accounts = target.accounts();
        let account = accounts.first().and_then(|actual| actual.account.clone());
        let Some(account) = account else {
            return Actual::none(person.clone());
        };
        let who = PersonRef {
            person: person.clone(),
            account: account.id,
        };
        block_on(target.observe(&[who])).unwrap().remove(0)
    }

    fn check(case: &Case) {
        let (id, person) = (TargetId::new("graph"), PersonKey::new("W-1"));
        let catalog = catalog(&id);
        let target = MemoryTarget::new("graph", catalog.clone());
        let hand = EventId::new("hand");
        let by_hand = |action| Step::new(&id, &person, None, action, "by hand");
        let value = |value: u8| format!("value {value}");
        if case.exists {
            let given = FIELDS.iter().zip(case.before);
            let attributes = given.filter_map(|(field, said)| Some((*field, value(said?))));
            let mut steps = vec![by_hand(Action::CreateAccount {
                name: "a@x".into(),
                attributes: attributes.collect(),
            })];
            let held = catalog.items.iter().zip(case.held).filter(|(_, held)| *held);
            steps.extend(held.map(|(item, _)| by_hand(Action::grant(item.entitlement.clone()))));
            steps.extend(case.enabled.then(|| by_hand(Action::AllowSignIn)));
            carry_out(&target, &hand, &steps);
        }
        let before = fields(&target);
        let ledger = catalog.items.iter().zip(case.ours).filter(|(_, ours)| *ours);
        let ledger = ledger.map(|(item, _)| Owned {
            entitlement: item.entitlement.clone(),
            rules: vec!["r".into()],
            event: hand.clone(),
            since: Timestamp::UNIX_EPOCH,
            grace_days: 0,
            losing_since: None,
            policy: String::new(),
        });
        let ledger: Vec<Owned> = ledger.collect();
        let wanted = catalog
            .items
            .iter()
            .zip(case.wanted)
            .filter(|(_, wanted)| *wanted);
        let wanted = wanted.map(|(item, _)| Wanted {
            item,
            rules: vec!["r".into()],
            grace_days: 0,
        });
        let wanted: Vec<Wanted<'_>> = wanted.collect();
        let said = FIELDS.iter().zip(case.after);
        let attributes = said.map(|(field, said)| (*field, said.map_or(String::new(), value)));
        let event = Event::revert(&person, "W-9", "test", Vec::new(), Timestamp::UNIX_EPOCH);
        let made = plan(&Input {
            target: &id,
            person: &person,
            accounts: Accounts::Directory,
            event: &event.id,
            phase: case.phase,
            because: "test",
            name: Some("a@x"),
            attributes: &attributes.collect(),
            wanted: &wanted,
            withheld: &[],
            kept: &[],
            ended: &[],
            manager: None,
            actual: &observe(&target, &person),
            ledger: &ledger,
            blocked_by_us: case.blocked_by_us,
            fresh: case.fresh,
            reset_password: true,
            reply: None,
            errands: &[],
            hold: crate::plan::Hold::Free,
            left_at: None,
            now: Timestamp::UNIX_EPOCH,
            carriers: &BTreeMap::new(),
        });
        carry_out(&target, &event.id, &made.steps);
        let steps = made.steps.iter().enumerate().map(|(at, step)| StepRecord {
            step: step.id.clone(),
            key: IdempotencyKey::of(&event.id, step),
            outcome: (at != usize::from(case.unsettled)).then_some(Outcome::Done { account: None }),
            at: None,
        });
        let entry = Entry {
            lane_seq: 1,
            state: EventState::Done,
            attempts: 1,
            not_before: event.due_at,
            parked: false,
            why: None,
            steps: steps.collect(),
            plan: Some(made.clone()),
            event,
        };
        let now = observe(&target, &person);
        let undo = compensation(&entry, &[(&id, &now)]);
        assert_eq!(
            undo.steps.len() + undo.without_inverse.len(),
            made.steps.len(),
            "{undo}"
        );
        assert!(undo.gone.is_empty(), "{undo}");
        carry_out(&target, &EventId::new("undo"), &undo.steps);
        assert_eq!(fields(&target), before, "{undo}");
        // Once more, there is nothing left: neither of what is undone nor of what was never done.
        let now = observe(&target, &person);
        assert!(compensation(&entry, &[(&id, &now)]).steps.is_empty());
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases.max(500), ..ProptestConfig::default() })]

        #[test]
        fn a_plan_and_its_inverse_restore_every_field_that_is_owned(case in case()) {
            check(&case);
        }
    }

    #[test]
    fn what_was_not_done_or_has_changed_since_is_left_alone() {
        let (id, person) = (TargetId::new("graph"), PersonKey::new("W-1"));
        let change = |after: &str| Change {
            before: Some("old".into()),
            after: after.into(),
        };
        let changes = [(FIELDS[0], change("a")), (FIELDS[1], change("b"))].into();
        let step = Step::new(&id, &person, Some("x"), Action::UpdateAccount { changes }, "test");
        let event = Event::revert(&person, "W-9", "test", Vec::new(), Timestamp::UNIX_EPOCH);
        let entry = |outcome: Option<Outcome>| {
            let mut made = crate::plan::Plan::empty(&person);
            made.steps.push(step.clone());
            Entry {
                event: event.clone(),
                lane_seq: 1,
                state: EventState::Done,
                attempts: 1,
                not_before: event.due_at,
                parked: false,
                why: None,
                plan: Some(made),
                steps: vec![StepRecord {
                    step: step.id.clone(),
                    key: IdempotencyKey::of(&event.id, &step),
                    outcome,
                    at: None,
                }],
            }
        };
        let mut actual = Actual::none(person.clone());
        crate::plan::apply(
            &mut actual,
            &Action::CreateAccount {
                name: "a@x".into(),
                attributes: [(FIELDS[0], "a".into()), (FIELDS[1], "changed since".into())].into(),
            },
        );
        let undo = |outcome| compensation(&entry(outcome), &[(&id, &actual)]).steps;
        let done = undo(Some(Outcome::Done { account: None }));
        let Action::UpdateAccount { changes } = &done[0].action else {
            panic!("{done:?}")
        };
        assert_eq!(changes.keys().copied().collect::<Vec<_>>(), [FIELDS[0]]);
        assert_eq!(changes[&FIELDS[0]].after, "old");
        let failed = Outcome::Failed {
            kind: "denied".into(),
            message: "no".into(),
        };
        assert!(undo(Some(failed)).is_empty());
    }
}
