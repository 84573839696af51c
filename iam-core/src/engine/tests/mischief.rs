//! Any number of names of the policy vanish from the tenant, and come back.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::findings::policy;
use super::*;

/// What happens to the tenant behind the policy's back.
#[derive(Debug, Clone, Copy)]
enum Mischief {
    Gone(usize),
    Twice(usize),
    Turned(usize, Class),
    Untold(Kind),
    NoDomain,
}

const NAMES: [&str; 5] = [
    "All Staff",
    "sg-security",
    "sg-sales",
    "SPE_E3",
    "Security Reader",
];

fn mischief() -> impl Strategy<Value = Vec<Mischief>> {
    let class = prop::sample::select(vec![Class::Dynamic, Class::Synced, Class::MailEnabled]);
    let kind = prop::sample::select(vec![Kind::Group, Kind::License, Kind::Role]);
    let one = prop_oneof![
        (0..NAMES.len()).prop_map(Mischief::Gone),
        (0..NAMES.len()).prop_map(Mischief::Twice),
        (0..3usize, class).prop_map(|(at, class)| Mischief::Turned(at, class)),
        kind.prop_map(Mischief::Untold),
        Just(Mischief::NoDomain),
    ];
    prop::collection::vec(one, 1..4)
}

impl World {
    fn suffer(&self, all: &[Mischief]) {
        for mischief in all {
            match *mischief {
                Mischief::Gone(at) => self.target.change_catalog(|catalog| {
                    catalog.items.retain(|item| item.entitlement.name != NAMES[at]);
                }),
                Mischief::Twice(at) => self.target.change_catalog(|catalog| {
                    let twin = catalog
                        .items
                        .iter()
                        .find(|item| item.entitlement.name == NAMES[at]);
                    if let Some(mut twin) = twin.cloned() {
                        twin.entitlement.id = format!("twin of {}", NAMES[at]);
                        catalog.items.push(twin);
                    }
                }),
                Mischief::Turned(at, class) => self.target.turn(NAMES[at], class),
                Mischief::Untold(kind) => self.target.change_catalog(|catalog| {
                    catalog.items.retain(|item| item.entitlement.kind != kind);
                    catalog.unread.insert(kind, "refused".into());
                }),
                Mischief::NoDomain => self.target.change_catalog(|catalog| catalog.domains.clear()),
            }
        }
    }
}

/// Somebody before, during and after.
fn stages() -> impl Strategy<Value = Vec<[&'static str; 2]>> {
    let state = prop::sample::select(vec![
        "",
        "Sales",
        "Security",
        "Sales status=gone",
        "Security status=gone",
    ]);
    prop::collection::vec(
        (state.clone(), state).prop_map(|(before, after)| [before, after]),
        1..5,
    )
}

proptest! {
    #![proptest_config(crate::policy::cases(200))]

    /// Nobody loses what policy asks for, no leaver keeps anything, and once the tenant is as it was everybody is as
    /// if nothing had happened.
    #[test]
    fn whatever_the_tenant_loses_only_what_depends_on_it_is_held(
        all in mischief(),
        stages in stages(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (world, calm) = (world_of(&policy()), world_of(&policy()));
            let tell = |at: usize| {
                let told = stages.iter().enumerate().filter(|(_, states)| !states[at].is_empty());
                told.map(|(who, states)| format!("W-{who} Abe{} Ek {}", ["a", "b", "c", "d"][who], states[at])).collect::<Vec<_>>()
            };
            let lines = |at: usize| tell(at);
            for one in [&world, &calm] {
                one.hear(&lines(0).iter().map(String::as_str).collect::<Vec<_>>()).await;
            }
            let mut catalog = Catalog::default();
            world.target.change_catalog(|known| catalog = known.clone());
            let before: BTreeMap<usize, String> = (0..stages.len()).map(|who| (who, world.look(&format!("W-{who}")))).collect();
            world.suffer(&all);
            for one in [&world, &calm] {
                one.hear(&lines(1).iter().map(String::as_str).collect::<Vec<_>>()).await;
                one.at("2026-12-20T09:00:00Z").await;
            }
            for (who, [was, is]) in stages.iter().enumerate() {
                let id = format!("W-{who}");
                let turned = |name: &str| all.iter().any(|mischief| matches!(mischief, Mischief::Turned(at, _) if NAMES[*at] == name));
                let left = if is.is_empty() { was.contains("gone") } else { is.contains("gone") };
                for actual in world.of(&id) {
                    let account = actual.account.clone().unwrap();
                    if left {
                        prop_assert!(!account.enabled);
                        let direct = actual.held.iter().filter(|held| !turned(&held.entitlement.name)).count();
                        prop_assert_eq!(direct, 0, "{}", world.look(&id));
                    } else if was == is {
                        for name in before[&who].split(": ").nth(1).unwrap_or_default().split(", ").filter(|name| !name.is_empty()) {
                            prop_assert!(actual.held.iter().any(|held| held.entitlement.name == name), "{name}: {}", world.look(&id));
                        }
                    }
                }
            }
            // All as it was.
            world.target.change_catalog(|known| *known = catalog);
            for name in NAMES {
                world.target.turn(name, Class::Assignable);
            }
            for one in [&world, &calm] {
                // Graces begin when it is clear that they do.
                one.at("2027-01-01T12:00:00Z").await;
                one.at("2027-01-21T12:00:00Z").await;
                // Everybody is looked at again.
                let again: Vec<String> = stages.iter().enumerate().filter_map(|(who, [was, is])| {
                    let now = if is.is_empty() { was } else { is };
                    let split = now.split_once(' ');
                    let (department, rest) = split.unwrap_or((now, ""));
                    (!now.is_empty()).then(|| format!("W-{who} Abe{} Ek {department} title=Boss {rest}", ["a", "b", "c", "d"][who]).trim().to_owned())
                }).collect();
                one.hear(&again.iter().map(String::as_str).collect::<Vec<_>>()).await;
                one.at("2027-02-22T12:00:00Z").await;
            }
            for who in 0..stages.len() {
                let id = format!("W-{who}");
                prop_assert_eq!(world.look(&id), calm.look(&id), "{:?}", stages);
            }
            Ok(())
        })?;
    }
}
