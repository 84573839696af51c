//! What the references of a policy come to: as grants of a person, and in the catalogue of a tenant.

use super::*;
use crate::entitlement::{Class, Entitlement, Item, Kind, TargetId};

#[test]
fn one_reference_of_several_rules_is_one_grant_with_the_longest_grace() {
    let text = with(
        "[defaults]\ngroups = ['All Staff']\n[[rule]]\nid='a'\nwhen='true'\ngroups=['ALL STAFF', 'x', 'X']\ngrace='7d'\n\
         [[rule]]\nid='b'\nwhen='true'\ngroups=['x']\nroles=['x']\ngrace='30d'\n[[rule]]\nid='c'\nwhen='false'\ngroups=['x']",
    );
    let desired = desired(&Document::parse(&text).unwrap(), &person(), None).unwrap();
    let grants: Vec<(String, String, u32)> = desired
        .grants
        .iter()
        .map(|grant| (grant.what.to_string(), grant.rules.join("+"), grant.grace_days))
        .collect();
    let expected = [
        ("group \"All Staff\"", "defaults+a", 7),
        ("group \"x\"", "a+b", 30),
        ("role \"x\"", "b", 30),
    ];
    assert_eq!(
        grants,
        expected.map(|(what, rules, days)| (what.to_owned(), rules.to_owned(), days))
    );
}

#[test]
fn check_names_what_the_tenant_has_not_got() {
    let item = |kind, id: &str, name: &str| Item {
        entitlement: Entitlement {
            target: TargetId::new("graph"),
            kind,
            id: id.into(),
            name: name.into(),
        },
        class: Class::Assignable,
        privileged: false,
        seats: None,
        carries: Vec::new(),
    };
    let text = with(
        "[defaults]\ngroups = ['all staff']\n[[rule]]\nid='a'\nwhen='true'\ngroups=['twice', 'id:2']\nlicenses=['SPE_E9']\n\
         roles=['Reader']\n[guard]\nprotected=['role:Emperor']\n[[guard.tier]]\nname='t'\n\
         roles=['All Staff','Kaiser']\nmax_changes=1",
    );
    let document = Document::parse(&text).unwrap();
    let mut catalog = Catalog {
        items: vec![
            item(Kind::Group, "1", "All Staff"),
            item(Kind::Group, "2", "Twice"),
            item(Kind::Group, "3", "twice"),
            item(Kind::Role, "4", "Reader"),
        ],
        domains: ["other.example".to_owned()].into(),
        ..Catalog::default()
    };
    assert_eq!(
        document.check(&catalog),
        [
            "domain, line 3, column 10: the tenant has no verified domain \"contoso.example\" (it has other.example)",
            "rule a, line 9, column 9: the tenant has more than one group \"twice\": name it as \"id:<id>\"",
            "rule a, line 10, column 11: the tenant has no licence \"SPE_E9\"",
            "tier, line 16, column 20: the tenant has no role \"Kaiser\"",
            "protected, line 13, column 12: the tenant has no role \"Emperor\"",
        ]
    );
    catalog.items.remove(2);
    catalog.items.extend([
        item(Kind::License, "5", "SPE_E9"),
        item(Kind::Role, "6", "emperor"),
        item(Kind::Role, "7", "kaiser"),
    ]);
    catalog.domains.insert("contoso.example".into());
    assert_eq!(document.check(&catalog), Vec::<String>::new());
}

#[test]
fn check_refuses_groups_that_nobody_can_be_given_and_looks_at_conflicts_scopes_and_applications_too() {
    let item = |target: &str, kind, id: &str, name: &str, class| Item {
        entitlement: Entitlement {
            target: TargetId::new(target),
            kind,
            id: id.into(),
            name: name.into(),
        },
        class,
        privileged: false,
        seats: None,
        carries: Vec::new(),
    };
    let text = with(
        "[[rule]]\nid='a'\nwhen='true'\ngroups=['computed', 'id:2', 'list', 'plain']\n\
         azure=[{role='Reader', scope='/subscriptions/x'}, {role='Owner', scope='/subscriptions/x'}]\n\
         apps=[{scim='desk', roles=['agent', 'chief']}]\n\
         [[conflict]]\nid='c'\nbetween=[{groups=['plain', 'computed']}, {groups=['gone']}, {apps=[{scim='desk', roles=['lead']}]}]\n",
    );
    let document = Document::parse(&text).unwrap();
    let graph = TargetId::new("graph");
    let catalog = |items| Catalog {
        items,
        domains: ["contoso.example".to_owned()].into(),
        ..Catalog::default()
    };
    let groups = catalog(vec![
        item("graph", Kind::Group, "1", "Computed", Class::Dynamic),
        item("graph", Kind::Group, "2", "Synced", Class::Synced),
        item("graph", Kind::Group, "3", "List", Class::MailEnabled),
        item("graph", Kind::Group, "4", "Plain", Class::Assignable),
    ]);
    assert_eq!(
        document.check_at(&graph, &[Kind::Group, Kind::Role].into(), &groups),
        [
            "rule a, line 7, column 9: group \"computed\" is dynamic: it follows from attributes, and cannot be given",
            "rule a, line 7, column 21: group \"id:2\" is mastered in another directory, and cannot be given here",
            "rule a, line 7, column 29: group \"list\" is mail-enabled, and cannot be given through the tenant's API",
            "conflict c, line 12, column 51: the tenant has no group \"gone\"",
        ]
    );
    let scope = item(
        "arm",
        Kind::Azure,
        "r",
        "reader @ /subscriptions/x",
        Class::Assignable,
    );
    assert_eq!(
        document.check_at(
            &TargetId::new("arm"),
            &[Kind::Azure].into(),
            &catalog(vec![scope])
        ),
        ["rule a, line 8, column 57: the tenant has no azure role \"Owner @ /subscriptions/x\""]
    );
    let agent = item("desk", Kind::App, "g", "agent", Class::Assignable);
    assert_eq!(
        document.check_at(&TargetId::new("desk"), &[Kind::App].into(), &catalog(vec![agent])),
        [
            "rule a, line 9, column 37: the tenant has no app \"chief\" at desk",
            "conflict c, line 12, column 89: the tenant has no app \"lead\" at desk",
        ]
    );
    assert_eq!(document.unserved(&[(graph, [Kind::Group].into())]).len(), 5);
    assert_eq!(document.apps(), [TargetId::new("desk")]);
}

#[test]
fn access_packages_are_granted_tested_kept_apart_and_limited() {
    let text = with(
        "[defaults]\naccess_packages = ['Everybody']\n[[rule]]\nid='a'\nwhen='true'\naccess_packages=['id:7', 'Tools']\n\
         grace='7d'\n[[conflict]]\nid='c'\nbetween=[{access_packages=['Tools']},{access_packages=['Payments']}]\n\
         [guard.limits]\ngive_package={max=3}\ntake_package={percent=5}\n\
         [[test]]\nname='t'\ngiven={}\nexpect={access_packages=['Everybody','id:7','Tools']}",
    );
    let document = Document::parse(&text).unwrap();
    let desired = desired(&document, &person(), None).unwrap();
    let grants: Vec<(String, u32)> = desired
        .grants
        .iter()
        .map(|grant| (grant.what.to_string(), grant.grace_days))
        .collect();
    let expected = [
        ("access package \"Everybody\"", 0),
        ("access package \"id:7\"", 7),
        ("access package \"Tools\"", 7),
    ];
    assert_eq!(grants, expected.map(|(what, days)| (what.to_owned(), days)));
    assert!(document.run_tests().cases[0].passed);
    let less = text.replace("'Everybody','id:7','Tools'", "'Everybody','Tools'");
    let case = &Document::parse(&less).unwrap().run_tests().cases[0];
    assert!(!case.passed && case.unexpected == [Reference::new(Kind::Package, "id:7")]);
    let changes = &document.limits().changes;
    assert_eq!(changes[&crate::entitlement::Counted::GivePackage].most, Some(3));
    assert_eq!(
        changes[&crate::entitlement::Counted::TakePackage].percent,
        Some(5)
    );
    let edited = Document::parse(&text.replace("'id:7', ", "")).unwrap();
    let subject = Subject {
        person: &person(),
        manager: None,
    };
    let impact = crate::policy::diff(&document, &edited, [subject], jiff::civil::date(2026, 1, 1));
    assert!(
        impact.to_string().contains("access package \"id:7\"")
            && impact.to_string().contains("access_packages changed"),
        "{impact}"
    );
}
