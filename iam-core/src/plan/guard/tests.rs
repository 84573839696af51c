use proptest::prelude::*;
use proptest::sample::subsequence;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::*;
use crate::entitlement::Counted::{GiveLicense, TakeGroup};
use crate::entitlement::{Kind, Organisation, PerOrganisation, TargetId, Tier};
use crate::person::PersonKey;

fn role(name: &str) -> Power {
    Power(format!("id of {name}"), name.to_owned())
}

fn counts(leavers: u32, privileged: u32) -> Counts {
    let powers = [(role("Reader"), privileged)].into();
    Counts {
        leavers,
        powers,
        ..Counts::default()
    }
}

#[test]
fn limits_count_the_window_and_let_small_numbers_pass() {
    let limits = Limits {
        max_leavers: Some(25),
        max_leavers_percent: Some(20),
        max_privileged_changes: Some(3),
        ..Limits::default()
    };
    let check = |leavers, before, at_work, privileged, expect: &[&str]| {
        let whole = Share {
            planned: counts(leavers, privileged),
            before: counts(before, 1),
            at_work,
        };
        let tally = Tally {
            whole,
            ..Tally::default()
        };
        let trips = super::check(&limits, &tally);
        assert_eq!(trips.len(), expect.len(), "{trips:?}");
        for (trip, word) in trips.iter().zip(expect) {
            assert!(trip.contains(word), "{trip}");
        }
    };
    check(25, 0, 1000, 0, &[]);
    check(25, 1, 1000, 2, &["max_leavers is 25"]);
    check(4, 0, 6, 0, &[]);
    check(5, 0, 24, 0, &["max_leavers_percent is 20"]);
    check(5, 0, 25, 3, &["max_privileged_changes is 3"]);
    check(0, 99, 100, 0, &[]);
}

#[test]
fn each_sort_each_tier_and_each_organisation_has_its_own_limit() {
    let cap = |most, percent| Cap { most, percent };
    let limits = Limits {
        changes: [
            (TakeGroup, cap(Some(10), None)),
            (GiveLicense, cap(None, Some(10))),
        ]
        .into(),
        tiers: vec![Tier {
            name: "tier 0".into(),
            roles: ["global administrator".to_owned()].into(),
            max_changes: 0,
        }],
        per_organisation: Some(PerOrganisation {
            field: Organisation::Department,
            leavers: cap(Some(2), None),
            changes: [(TakeGroup, cap(Some(4), None))].into(),
        }),
        ..Limits::default()
    };
    let check = |planned: &[(&str, Counted, u32)], before: &[(&str, Counted, u32)], expect: &[&str]| {
        let mut tally = Tally::default();
        tally.whole.at_work = 100;
        for (organisation, counted, count) in planned {
            let counts = Counts {
                changes: [(*counted, *count)].into(),
                ..Counts::default()
            };
            tally.plan(Some(organisation), &counts);
        }
        for (organisation, counted, count) in before {
            tally.each(Some(organisation), |share| {
                *share.before.changes.entry(*counted).or_default() += count;
            });
        }
        let trips = super::check(&limits, &tally);
        assert_eq!(trips.len(), expect.len(), "{trips:?}");
        for (trip, word) in trips.iter().zip(expect) {
            assert!(trip.contains(word), "{trip}");
        }
    };
    check(
        &[("A", TakeGroup, 4), ("B", TakeGroup, 4)],
        &[("C", TakeGroup, 2)],
        &[],
    );
    check(
        &[("A", TakeGroup, 4), ("B", TakeGroup, 4)],
        &[("C", TakeGroup, 3)],
        &["11 changes of the kind take_group within 24 hours, take_group is 10"],
    );
    check(
        &[("A", TakeGroup, 1)],
        &[("A", TakeGroup, 4)],
        &[
            "department A: 5 changes of the kind take_group within 24 hours, take_group is 4 for each department",
        ],
    );
    // What was done before trips nothing by itself.
    check(&[("A", GiveLicense, 1)], &[("A", TakeGroup, 99)], &[]);
    check(&[("A", GiveLicense, 11)], &[], &["give_license is 10%"]);
    check(&[("A", GiveLicense, 10)], &[], &[]);

    let mut tally = Tally::default();
    let global = Counts {
        powers: [(role("Global Administrator"), 1), (role("Reader"), 9)].into(),
        leavers: 3,
        ..Counts::default()
    };
    tally.plan(Some(""), &global);
    let trips = super::check(&limits, &tally);
    assert_eq!(trips.len(), 2, "{trips:?}");
    assert!(trips[0].contains("1 roles of \"tier 0\""), "{trips:?}");
    assert!(trips[1].contains("nobody's department: 3 people"), "{trips:?}");
}

/// Every action that a guard may have to count, and some that it does not.
fn steps() -> Vec<Step> {
    let (target, person) = (TargetId::new("t"), PersonKey::new("p"));
    let what = |kind: Kind, name: &str| Entitlement {
        target: target.clone(),
        kind,
        id: format!("id of {name}"),
        name: name.to_owned(),
    };
    let mut actions = vec![
        Action::CreateAccount {
            name: "n".into(),
            attributes: BTreeMap::default(),
        },
        Action::RestoreAccount,
        Action::DeleteAccount,
        Action::BlockSignIn,
        Action::AllowSignIn,
        Action::RevokeSessions,
        Action::UpdateAccount {
            changes: BTreeMap::default(),
        },
    ];
    for kind in [
        Kind::Group,
        Kind::License,
        Kind::Role,
        Kind::Azure,
        Kind::App,
        Kind::Package,
    ] {
        for name in ["a", "b"] {
            actions.push(Action::grant(what(kind, name)));
            actions.push(Action::Revoke {
                entitlement: what(kind, name),
                assignment: None,
            });
        }
    }
    let steps = actions.into_iter().map(|action| {
        let mut step = Step::new(&target, &person, None, action, "because");
        step.privileged = matches!(&step.action, Action::Grant { entitlement, .. } | Action::Revoke { entitlement, .. }
            if matches!(entitlement.kind, Kind::Role | Kind::Azure));
        step
    });
    steps.collect()
}

fn plans() -> impl Strategy<Value = Vec<(usize, Plan)>> {
    let all = steps();
    let steps = subsequence(all.clone(), 0..=all.len());
    let plan = (0..3usize, steps, any::<bool>()).prop_map(|(organisation, steps, stays)| {
        let mut plan = Plan::empty(&PersonKey::new("p"));
        (plan.steps, plan.stays) = (steps, stays);
        (organisation, plan)
    });
    prop::collection::vec(plan, 0..12)
}

/// The totals are those of the steps themselves, in whichever order the plans come, and what goes beyond a part is the
/// rest.
#[test]
fn totals_are_exact() {
    let asked = std::env::var("PROPTEST_CASES").ok();
    let config = Config {
        cases: asked.and_then(|cases| cases.parse().ok()).unwrap_or(500),
        failure_persistence: None,
        ..Config::default()
    };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let input = (plans(), any::<prop::sample::Index>());
    let outcome = TestRunner::new_with_rng(config, rng).run(&input, |(plans, seed)| {
        let tally = |plans: &[(usize, Plan)]| {
            let mut tally = Tally::default();
            for (organisation, plan) in plans {
                tally.plan(Some(["A", "B", "C"][*organisation]), &Counts::of(plan));
            }
            tally
        };
        let whole = tally(&plans);
        for counted in Counted::ALL {
            let steps = plans
                .iter()
                .flat_map(|(_, plan)| plan.steps.iter().map(move |step| (plan, step)));
            let steps = steps
                .filter(|(plan, step)| super::counted(plan, step) == Some(counted))
                .count();
            let told = whole
                .whole
                .planned
                .changes
                .get(&counted)
                .copied()
                .unwrap_or_default();
            prop_assert_eq!(told as usize, steps, "{}", counted.as_str());
        }
        let leavers = plans.iter().filter(|(_, plan)| {
            let has = |action: &Action| plan.steps.iter().any(|step| step.action == *action);
            has(&Action::BlockSignIn) && !has(&Action::RestoreAccount) && !plan.stays
        });
        prop_assert_eq!(whole.whole.planned.leavers as usize, leavers.count());
        // Organisations are a partition.
        let mut sum = Counts::default();
        whole
            .organisations
            .values()
            .for_each(|share| sum.add(&share.planned));
        prop_assert_eq!(&sum, &whole.whole.planned);
        // Order is nothing.
        let mut other = plans.clone();
        if !other.is_empty() {
            let at = seed.index(other.len());
            other.rotate_left(at);
            other.reverse();
        }
        prop_assert_eq!(&tally(&other), &whole);
        // What is left of the whole without a part of it is the other part.
        let at = if plans.is_empty() {
            0
        } else {
            seed.index(plans.len())
        };
        let (part, rest) = (tally(&plans[..at]), tally(&plans[at..]));
        prop_assert_eq!(
            whole.whole.planned.beyond(&part.whole.planned),
            rest.whole.planned
        );
        // Deeds say the same as plans.
        let mut done = Counts::default();
        for (_, plan) in &plans {
            let deeds = plan
                .steps
                .iter()
                .filter_map(|step| Deed::of(plan, step, "k", Timestamp::UNIX_EPOCH));
            deeds.for_each(|deed| done.remember(&deed));
        }
        done.leavers = whole.whole.planned.leavers;
        prop_assert_eq!(&done, &whole.whole.planned);
        Ok(())
    });
    outcome.unwrap();
}
