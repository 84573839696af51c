//! What the policy names and the tenant does not know any more: it holds what depends on it, for those whom it
//! concerns, and nobody else.

use super::targets::{order, three_planned};
use super::*;
use crate::plan::Action;

/// The policy of these tests: `POLICY`, and a licence for everybody.
pub(super) fn policy() -> String {
    POLICY
        .replace(
            "groups = [\"All Staff\"]",
            "groups = [\"All Staff\"]\nlicenses = [\"SPE_E3\"]",
        )
        .replace("max_leavers = 2", "max_leavers = 20")
}

fn ending<'a>(report: &'a RunReport, id: &str) -> &'a Ending {
    let mut runs = report.people.iter().rev();
    let run = runs.find(|run| run.person.as_str() == id);
    &run.unwrap_or_else(|| panic!("{id}: {report:?}")).ending
}

fn waits_for(report: &RunReport, id: &str, what: &str) {
    match ending(report, id) {
        Ending::Waiting(why) => assert!(why.contains(what), "{why}"),
        other => panic!("{other:?}"),
    }
}

impl World {
    /// Nobody offers it any more, and who held it does not.
    fn remove(&self, name: &str) -> Item {
        let mut gone = None;
        self.target.change_catalog(|catalog| {
            let at = catalog
                .items
                .iter()
                .position(|item| item.entitlement.name == name);
            gone = at.map(|at| catalog.items.remove(at));
        });
        gone.unwrap()
    }

    fn put_back(&self, item: Item) {
        self.target.change_catalog(|catalog| catalog.items.push(item));
    }
}

#[tokio::test]
async fn a_group_that_has_turned_dynamic_stops_neither_others_nor_leavers() {
    for (class, says) in [
        (Class::Dynamic, "is dynamic"),
        (Class::Synced, "mastered in another directory"),
        (Class::MailEnabled, "mail-enabled"),
    ] {
        let world = world_of(&policy());
        world
            .hear(&[
                "W-1 Mei Tanaka Security",
                "W-2 Bo Ek Security",
                "W-3 Cy Om Security",
            ])
            .await;
        world.target.turn("sg-security", class);
        let told = std::sync::Mutex::new(Vec::new());
        let people = [
            "W-1 Mei Tanaka Security status=gone",
            "W-2 Bo Ek Sales",
            "W-4 Di Po Security",
            "W-5 Ed Ra Sales",
        ];
        world.tell(&people).await;
        let preview = world.engine.plan().await.unwrap();
        let report = world
            .engine
            .run(&|progress| {
                if let Progress::Finding(finding) = progress {
                    told.lock().unwrap().push(finding.to_owned());
                }
            })
            .await
            .unwrap();
        let finding = &report.findings[0];
        assert!(
            finding.starts_with("rule security, line 16, column 11: ") && finding.contains(says),
            "{finding}"
        );
        assert_eq!(
            (&preview.findings, &told.into_inner().unwrap()),
            (&report.findings, &report.findings)
        );
        // Who leaves loses all that can be taken; the rest is reported.
        assert_eq!(world.look("W-1"), "mei.tanaka blocked: sg-security");
        assert_eq!(*ending(&report, "W-1"), Ending::Done);
        // Who is new in the group's rule gets everything else, and is let in.
        assert_eq!(
            world.look("W-4"),
            "di.po enabled: All Staff, SPE_E3, Security Reader"
        );
        waits_for(&report, "W-4", says);
        let shown = preview
            .people
            .iter()
            .find(|plan| plan.person.as_str() == "W-4")
            .unwrap();
        assert!(shown.waiting.iter().any(|why| why.contains(says)), "{shown:?}");
        assert_eq!(*ending(&report, "W-5"), Ending::Done);
        assert_eq!(world.look("W-5"), "ed.ra enabled: All Staff, SPE_E3, sg-sales");
        // Who has moved away keeps what cannot be taken, and the platform does not forget that it gave it.
        world.until("2026-12-09T09:00:00Z").await;
        assert_eq!(
            world.look("W-2"),
            "bo.ek enabled: All Staff, SPE_E3, sg-sales, sg-security"
        );
        world.target.turn("sg-security", Class::Assignable);
        world.until("2026-12-09T11:00:00Z").await;
        assert_eq!(
            world.look("W-4"),
            "di.po enabled: All Staff, SPE_E3, Security Reader, sg-security"
        );
        world.hear(&["W-2 Bo Ek Sales title=Boss"]).await;
        assert_eq!(world.look("W-2"), "bo.ek enabled: All Staff, SPE_E3, sg-sales");
        assert!(world.run().await.findings.is_empty());
    }
}

#[tokio::test]
async fn a_group_that_has_gone_or_come_twice_is_given_and_taken_when_it_is_clear_again() {
    let world = world_of(&policy());
    world.hear(&["W-1 Mei Tanaka Security"]).await;
    let twin = world.remove("sg-security");
    let mut other = twin.clone();
    other.entitlement.id = "another".into();
    for items in [vec![], vec![twin.clone(), other.clone()]] {
        for item in &items {
            world.put_back(item.clone());
        }
        let report = world
            .hear(&["W-1 Mei Tanaka Security title=Boss", "W-2 Bo Ek Security"])
            .await;
        assert_eq!(report.findings.len(), 1, "{report:?}");
        // Who had it keeps it: it is asked for.
        assert_eq!(
            world.look("W-1"),
            "mei.tanaka enabled: All Staff, SPE_E3, Security Reader, sg-security"
        );
        assert_eq!(
            world.look("W-2"),
            "bo.ek enabled: All Staff, SPE_E3, Security Reader"
        );
        // And for good, whatever time passes.
        world.until("2027-02-09T09:00:00Z").await;
        assert_eq!(
            world.look("W-1"),
            "mei.tanaka enabled: All Staff, SPE_E3, Security Reader, sg-security"
        );
        assert_eq!(
            world.look("W-2"),
            "bo.ek enabled: All Staff, SPE_E3, Security Reader"
        );
        for _ in &items {
            world.remove("sg-security");
        }
        world.hear(&["W-1 Mei Tanaka Security"]).await;
    }
    world.put_back(twin);
    world.until("2027-02-09T11:00:00Z").await;
    assert_eq!(
        world.look("W-2"),
        "bo.ek enabled: All Staff, SPE_E3, Security Reader, sg-security"
    );
}

#[tokio::test]
async fn what_the_catalogue_does_not_tell_is_neither_given_nor_taken_and_leavers_lose_it() {
    for (kind, name, without) in [
        (Kind::License, "SPE_E3", "Security Reader, All Staff, sg-security"),
        (Kind::Role, "Security Reader", "SPE_E3, All Staff, sg-security"),
    ] {
        let world = world_of(&policy());
        world
            .hear(&["W-1 Mei Tanaka Security", "W-2 Bo Ek Security"])
            .await;
        let item = world.remove(name);
        world.target.change_catalog(|catalog| {
            catalog.unread.insert(kind, "list them: refused".into());
        });
        let people = [
            "W-1 Mei Tanaka Security status=gone",
            "W-2 Bo Ek Sales",
            "W-3 Cy Om Security",
        ];
        let report = world.hear(&people).await;
        assert!(
            report.findings[0].contains("list them: refused"),
            "{:?}",
            report.findings
        );
        assert_eq!(report.findings.len(), 1, "one for the whole kind");
        assert_eq!(world.look("W-1"), "mei.tanaka blocked: ");
        let mut held: Vec<&str> = without.split(", ").collect();
        held.sort_unstable();
        assert_eq!(world.look("W-3"), format!("cy.om enabled: {}", held.join(", ")));
        waits_for(&report, "W-3", "list them: refused");
        world.until("2027-02-09T09:00:00Z").await;
        // Of the licence nobody can tell whether it is asked for; of the role that it is not.
        assert_eq!(world.look("W-2"), "bo.ek enabled: All Staff, SPE_E3, sg-sales");
        world.put_back(item);
        world.target.change_catalog(|catalog| catalog.unread.clear());
        world.until("2027-02-09T11:00:00Z").await;
        assert_eq!(
            world.look("W-3"),
            "cy.om enabled: All Staff, SPE_E3, Security Reader, sg-security"
        );
    }
}

#[tokio::test]
async fn without_a_verified_domain_no_account_is_made_and_everybody_else_is_worked_on() {
    for unread in [false, true] {
        let world = world_of(&policy());
        world.hear(&["W-1 Mei Tanaka Security", "W-2 Bo Ek Sales"]).await;
        world.target.change_catalog(|catalog| {
            catalog.domains.clear();
            catalog.domains_unread = unread.then(|| "list domains: refused".to_owned());
        });
        let people = [
            "W-1 Mei Tanaka Security status=gone",
            "W-2 Bo Ek Security",
            "W-3 Cy Om Security",
        ];
        let report = world.hear(&people).await;
        assert_eq!(world.look("W-1"), "mei.tanaka blocked: ");
        assert_eq!(
            world.look("W-2"),
            "bo.ek enabled: All Staff, SPE_E3, Security Reader, sg-security"
        );
        assert_eq!(world.look("W-3"), "");
        waits_for(
            &report,
            "W-3",
            if unread {
                "list domains: refused"
            } else {
                "no verified domain"
            },
        );
        world.target.change_catalog(|catalog| {
            catalog.domains.insert("contoso.example".into());
            catalog.domains_unread = None;
        });
        world.until("2026-11-24T11:00:00Z").await;
        assert_eq!(
            world.look("W-3"),
            "cy.om enabled: All Staff, SPE_E3, Security Reader, sg-security"
        );
    }
}

#[tokio::test]
async fn while_a_protected_role_is_not_known_by_its_name_holders_of_roles_are_held_and_leavers_go() {
    let text = policy().replace("protected = [", "protected = [\"role:Emperor\", ");
    let world = world_of(&text);
    let emperor = Item {
        class: Class::Assignable,
        ..world.remove("Security Reader")
    };
    world.put_back(emperor.clone());
    let mut renamed = emperor;
    renamed.entitlement.name = "Emperor".into();
    renamed.entitlement.id = "emperor".into();
    world.put_back(renamed.clone());
    let start = ["W-1 Mei Tanaka Security", "W-2 Bo Ek Security", "W-3 Cy Om Sales"];
    world.hear(&start).await;
    world.remove("Emperor");
    let before = world.look("W-2");
    let people = [
        "W-1 Mei Tanaka Security status=gone",
        "W-2 Bo Ek Sales",
        "W-3 Cy Om Security",
    ];
    let report = world.hear(&people).await;
    assert_eq!(world.look("W-1"), "mei.tanaka blocked: ");
    assert_eq!(world.look("W-2"), before);
    assert!(
        matches!(ending(&report, "W-2"), Ending::Retry(_, why) if why.contains("Emperor")),
        "{report:?}"
    );
    assert_eq!(
        world.look("W-3"),
        "cy.om enabled: All Staff, SPE_E3, Security Reader, sg-security"
    );
    world.put_back(renamed);
    world.until("2026-12-24T11:00:00Z").await;
    assert_eq!(world.look("W-2"), "bo.ek enabled: All Staff, SPE_E3, sg-sales");
}

#[tokio::test]
async fn while_a_tier_names_what_is_not_known_no_administrative_power_is_given() {
    let tier = "[[guard.tier]]\nname = \"zero\"\nroles = [\"Emperor\"]\nmax_changes = 1\n";
    let world = world_of(&format!("{}{tier}", policy()));
    let report = world.hear(&["W-1 Mei Tanaka Security", "W-2 Bo Ek Sales"]).await;
    assert_eq!(
        world.look("W-1"),
        "mei.tanaka enabled: All Staff, SPE_E3, sg-security"
    );
    waits_for(&report, "W-1", "no role \"Emperor\"");
    assert_eq!(*ending(&report, "W-2"), Ending::Done);
    world.hear(&["W-1 Mei Tanaka Security status=gone"]).await;
    assert_eq!(world.look("W-1"), "mei.tanaka blocked: ");
}

#[tokio::test]
async fn a_conflict_with_something_unknown_gives_neither_side_to_who_may_hold_the_other() {
    let conflict = "[[conflict]]\nid = \"four-eyes\"\nbetween = [{ groups = [\"sg-sales\"] }, { groups = [\"by hand\"] }]\n";
    let world = world_of(&format!("{}{conflict}", policy()));
    world.hear(&["W-1 Mei Tanaka Security"]).await;
    world.give("W-1", "by hand").await;
    // It is called otherwise now, and nobody can tell that it is the same.
    let mut renamed = world.remove("by hand");
    renamed.entitlement.name = "auditors".into();
    world.put_back(renamed);
    for actual in world.of("W-1") {
        let held = actual
            .held
            .iter()
            .find(|held| held.entitlement.name == "by hand")
            .unwrap();
        let mut named = held.entitlement.clone();
        world
            .meddle(
                "W-1",
                Action::Revoke {
                    entitlement: named.clone(),
                    assignment: None,
                },
            )
            .await;
        named.name = "auditors".into();
        world.meddle("W-1", Action::grant(named)).await;
    }
    let report = world.hear(&["W-1 Mei Tanaka Sales", "W-2 Bo Ek Sales"]).await;
    assert!(!world.look("W-1").contains("sg-sales"), "{}", world.look("W-1"));
    waits_for(&report, "W-1", "conflict four-eyes");
    // Whoever is new holds nothing yet.
    assert_eq!(world.look("W-2"), "bo.ek enabled: All Staff, SPE_E3, sg-sales");
}

#[tokio::test]
async fn an_application_is_neither_opened_nor_closed_for_a_role_that_it_has_not_any_more() {
    use super::targets::THREE;
    let three = three_planned(THREE, THREE);
    three
        .hear(&["W-1 Mei Tanaka Security", "W-9 Old Hand Security"])
        .await;
    let before = three.look("W-1");
    let mut agent = Vec::new();
    three.app.change_catalog(|catalog| {
        let (gone, stay) = std::mem::take(&mut catalog.items)
            .into_iter()
            .partition(|item| item.entitlement.name == "agent");
        (agent, catalog.items) = (gone, stay);
    });
    let report = three
        .hear(&[
            "W-1 Mei Tanaka Security title=Boss",
            "W-2 Bo Ek Security",
            "W-9 Old Hand Security status=gone",
        ])
        .await;
    assert_eq!(three.look("W-1"), before);
    assert!(three.look("W-2").ends_with(" | "), "{}", three.look("W-2"));
    waits_for(&report, "W-2", "no app \"agent\"");
    assert_eq!(three.look("W-9"), "blocked:  | enabled:  | blocked: ");
    assert!(
        order(&report)
            .iter()
            .any(|step| step == "ticketing/block_sign_in")
    );
    three
        .app
        .change_catalog(|catalog| catalog.items.append(&mut agent));
    three.at("2026-11-24T10:30:00Z").await;
    assert!(
        three.look("W-2").ends_with("enabled: agent"),
        "{}",
        three.look("W-2")
    );
}

#[tokio::test]
async fn a_canary_is_not_stopped_by_it_either() {
    let world = world_of(&policy());
    world.target.turn("sg-security", Class::Dynamic);
    let people = [
        "W-1 Mei Tanaka Security",
        "W-2 Bo Ek Security",
        "W-3 Cy Om Security",
        "W-4 Di Po Sales",
    ];
    world.tell(&people).await;
    let hash = world.engine.plan().await.unwrap().hash();
    let report = world.engine.apply(&hash, Canary::of(1), &|_| {}).await.unwrap();
    assert_eq!((report.people.len(), report.findings.len()), (4, 1), "{report:?}");
    assert_eq!(world.look("W-4"), "di.po enabled: All Staff, SPE_E3, sg-sales");
}
