//! The policy in `examples/data`.

use super::*;
use crate::entitlement::Kind;
use crate::person::Recipient;
use crate::policy::Authority;

fn example() -> Document {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/data/policy.toml");
    Document::parse(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn the_example_passes_its_own_tests() {
    let document = example();
    assert_eq!(
        (document.domain(), document.rule_ids().len()),
        ("contoso.example", 12)
    );
    let report = document.run_tests();
    assert_eq!(report.cases.len(), 9);
    assert!(report.passed(), "{report:#?}");
    assert_eq!(report.rules_never_hit, ["ciso-office"]);
}

#[test]
fn the_example_s_settings_limits_and_protected() {
    let document = example();
    let expected = Settings {
        authority: Authority::Directory,
        time_zone: "UTC".into(),
        create_before: 14,
        leave_blocks_sign_in: true,
        reset_password: true,
        automatic_reply: Some(
            "This mailbox is no longer read. Please write to hr@contoso.example instead.".to_owned(),
        ),
        delete_after: Some(30),
        joiner_notify: vec![Recipient::Manager],
        mover_notify: vec![Recipient::Manager],
        leaver_notify: vec![Recipient::Manager, Recipient::Hr],
        notify_from: Some("hr-robot@contoso.example".into()),
        hr_mail: Some("hr@contoso.example".into()),
        ..Settings::default()
    };
    assert_eq!(document.settings(), &expected);
    let limits = document.limits();
    assert_eq!(
        (
            limits.max_leavers,
            limits.max_leavers_percent,
            limits.max_privileged_changes
        ),
        (Some(25), Some(20), Some(10))
    );
    assert_eq!((limits.changes.len(), limits.tiers.len()), (2, 1));
    assert!(document.protected().names.contains("break-glass@contoso.example"));
    assert!(document.protected().roles.contains("global administrator"));
}

#[test]
fn who_makes_accounts_is_one_word() {
    let authority = |line: &str| {
        let text = format!("version = 1\n[tenant]\ndomain = 'x.example'\n{line}");
        Document::parse(&text).unwrap().settings().authority
    };
    assert_eq!(authority(""), Authority::Directory);
    assert_eq!(authority("authority = 'graph'"), Authority::Directory);
    assert_eq!(authority("authority = 'scim'"), Authority::Provisioning);
}

#[test]
fn attributes_are_what_hr_gives_and_nothing_else() {
    let document = example();
    let mut anna = person();
    assert!(desired(&document, &anna, None).unwrap().attributes.is_empty());
    anna.given_name = Some("Anna".into());
    anna.family_name = Some("Müller".into());
    anna.country = Some("de".into());
    anna.hire_date = Some(jiff::civil::date(2026, 10, 5));
    let attributes = desired(&document, &anna, None).unwrap().attributes;
    let listed: Vec<(&str, &str)> = attributes
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    assert_eq!(
        listed,
        [
            ("display_name", "Anna Müller"),
            ("given_name", "Anna"),
            ("family_name", "Müller"),
            ("country", "de"),
            ("usage_location", "DE"),
            ("hire_date", "2026-10-05"),
        ]
    );
}

#[test]
fn the_manager_decides_where_a_rule_says_so() {
    let document = example();
    let mut ciso = person();
    ciso.job_title = Some("Chief Information Security Officer".into());
    let roles = |manager: Option<&Person>| {
        let grants = desired(&document, &person(), manager).unwrap().grants;
        grants
            .iter()
            .filter(|grant| grant.what.kind == Kind::Role)
            .map(|grant| grant.what.name.clone())
            .collect()
    };
    let (with, without): (Vec<String>, Vec<String>) = (roles(Some(&ciso)), roles(None));
    assert_eq!((with, without), (vec!["Global Reader".to_owned()], vec![]));
}
