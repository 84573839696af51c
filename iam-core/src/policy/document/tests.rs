use proptest::prelude::*;

use super::*;
use crate::entitlement::{Class, Entitlement, Item, Kind, TargetId};
use crate::person::{PersonKey, Recipient};

fn example() -> Document {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/data/policy.toml");
    Document::parse(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn with(rest: &str) -> String {
    format!("version = 1\n[tenant]\ndomain = \"contoso.example\"\n{rest}")
}

/// Reads a document that must be refused, and gives the lines of the message.
fn problems(text: &str) -> Vec<String> {
    let error = Document::parse(text).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    error.message().lines().map(ToOwned::to_owned).collect()
}

/// The one problem of a document begins with this.
fn check(text: &str, begins: &str) {
    let problems = problems(text);
    assert!(
        problems.len() == 1 && problems[0].starts_with(begins),
        "{text}\n=> {problems:#?}"
    );
}

/// The one problem of a condition, which stands in line 8 from column 1 on.
fn check_when(when: &str, begins: &str) {
    check(
        &with(&format!(
            "[[rule]]\nid = 'r'\ngroups = ['g']\nwhen = '''\n{when}'''"
        )),
        begins,
    );
}

fn person() -> Person {
    Person::new(PersonKey::new("W-1"))
}

fn today() -> Date {
    jiff::civil::date(2026, 11, 25)
}

fn desired(
    document: &Document,
    person: &Person,
    manager: Option<&Person>,
) -> Result<Desired, PolicyProblems> {
    document.desired(&Subject { person, manager }, today())
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
        time_zone: "UTC".into(),
        create_before: 14,
        reset_password: true,
        delete_after: Some(30),
        joiner_notify: vec![Recipient::Manager],
        mover_notify: vec![Recipient::Manager],
        leaver_notify: vec![Recipient::Manager, Recipient::Hr],
        notify_from: Some("hr-robot@contoso.example".into()),
        hr_mail: Some("hr@contoso.example".into()),
    };
    assert_eq!(document.settings(), &expected);
    let limits = Limits {
        max_leavers: Some(25),
        max_leavers_percent: Some(20),
        max_privileged_changes: Some(10),
        window_hours: 24,
    };
    assert_eq!(document.limits(), &limits);
    assert!(document.protected().names.contains("break-glass@contoso.example"));
    assert!(document.protected().roles.contains("global administrator"));
}

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

#[test]
fn days_count_from_today() {
    let rule = |when: &str| with(&format!("[[rule]]\nid='r'\ngroups=['g']\nwhen='{when}'"));
    let mut joiner = person();
    joiner.hire_date = Some(jiff::civil::date(2026, 11, 28));
    for (when, holds) in [
        ("days_until(person.hire_date) == 3", true),
        ("days_since(person.hire_date) == -3", true),
        ("days_until(today) == 0", true),
        ("today < person.hire_date", true),
        ("days_since(\"2024-02-29\") == 1000", true),
        (
            "person.last_day != null && days_until(person.last_day) < 9",
            false,
        ),
    ] {
        let grants = desired(&Document::parse(&rule(when)).unwrap(), &joiner, None)
            .unwrap()
            .grants;
        assert_eq!(!grants.is_empty(), holds, "{when}");
    }
}

#[test]
fn what_cannot_be_evaluated_is_a_problem_and_never_a_no() {
    let mut someone = person();
    someone.department = Some("Mandrake".into());
    for (when, problem) in [
        (
            "person.job_title.contains('x')",
            "contains does not work on null and string (guard it with \"!= null\")",
        ),
        (
            "days_since(person.hire_date) > 90",
            "days_since needs a date, and the value is not set",
        ),
        (
            "days_until(person.department) > 90",
            "days_until needs a date written yyyy-mm-dd",
        ),
        (
            "manager.department == 'x'",
            "a field of nobody: there is no manager (guard it with \"manager != null\")",
        ),
        (
            "person.department < person.job_title",
            "< does not work on string and null (guard it with \"!= null\")",
        ),
        ("int(person.department) > 3", "int failed"),
        ("{'a': true}[person.department]", "a key that is not in the map"),
        ("['a', 'b'][7] == 'a'", "an index beyond the end of the list"),
        ("{'a': 'b'}['a']", "a condition gives true or false, not string"),
        ("1 / 0 == 1", "division by zero"),
    ] {
        let text = with(&format!(
            "[[rule]]\nid='fine'\nwhen='true'\ngroups=['g']\n[[rule]]\nid='bad'\ngroups=['g']\nwhen=\"{when}\""
        ));
        let found = desired(&Document::parse(&text).unwrap(), &someone, None).unwrap_err();
        assert_eq!(found.to_string(), format!("rule bad: {problem}"), "{when}");
        assert!(!found.to_string().contains("Mandrake"));
    }
    let text = with("[defaults]\nusage_location = 'person.department'");
    let found = desired(&Document::parse(&text).unwrap(), &someone, None).unwrap_err();
    assert_eq!(found.0, ["usage_location: not a country code of two letters"]);
}

#[test]
fn a_condition_is_checked_when_the_policy_loads() {
    for (when, begins) in [
        (
            "person.departmnt == 'x'",
            "line 8, column 8: unknown field person.departmnt; did you mean \"department\"?",
        ),
        (
            "manager.name == 'x'",
            "line 8, column 9: unknown field manager.name (known fields: employee_id, ",
        ),
        (
            "persn.country == 'x'",
            "line 8, column 1: unknown variable \"persn\"; did you mean \"person\"?",
        ),
        (
            "person.country == AU",
            "line 8, column 19: unknown variable \"AU\" (known: person, manager, today)",
        ),
        (
            "person.company.conains('x')",
            "line 8, column 16: unknown function \"conains\"; did you mean \"contains\"?",
        ),
        (
            "['é'].exists(x, x == person.loction)",
            "line 8, column 29: unknown field person.loction",
        ),
        (
            "true &&\n  person.x == 'y'",
            "line 9, column 10: unknown field person.x",
        ),
        (
            "person.country == ",
            "line 8, column 19: not CEL: Syntax error: mismatched input '<EOF>'",
        ),
        (
            "person.country == 'é' || ü",
            "line 8, column 26: not CEL: Syntax error: token recognition error at: 'ü'",
        ),
        ("person.country == 5", "line 8, column 19: country is a text"),
        (
            "person.status == 'Active'",
            "line 8, column 18: status is one of active, terminated",
        ),
        (
            "has(person.country)",
            "line 8, column 4: has(person.country) is always true",
        ),
        (
            "person['country'] == 'x'",
            "line 8, column 7: write person.field instead",
        ),
        (
            "person.country.x == 'y'",
            "line 8, column 16: country is a text and has no field \"x\"",
        ),
        (
            "person.country.matches('(')",
            "line 8, column 24: not a regular expression",
        ),
        (
            "days_since() == 1",
            "line 8, column 1: days_since is called as days_since(…), number of arguments: 1",
        ),
        (
            "person.country.contains() ",
            "line 8, column 16: contains is called as value.contains(…), number of arguments: 1",
        ),
        (
            "size(person) > 3",
            "line 8, column 6: \"person\" alone is no value",
        ),
        (
            "['a'].exists(person, person.x == 'a')",
            "line 8, column 13: \"person\" is taken",
        ),
        (
            "person.country",
            "line 8, column 1: a condition must give true or false",
        ),
        (
            "days_since(today)",
            "line 8, column 1: a condition must give true or false",
        ),
        (
            "Person{name: 'x'} == null",
            "line 8, column 7: messages cannot be built here",
        ),
    ] {
        check_when(when, begins);
    }
}

#[test]
fn a_place_is_found_behind_escapes_too() {
    let text =
        with(r#"rule = [{ id = "r", groups = ["g"], when = "\"\u00e9\" == \"\" || person.loc == \"x\"" }]"#);
    // `tenant` is open, so that `rule` belongs to it: both are said.
    let text = text.replace(
        "[tenant]\ndomain = \"contoso.example\"\n",
        "tenant.domain = 'contoso.example'\n",
    );
    check(&text, "line 3, column 74: unknown field person.loc");
}

#[test]
fn every_section_refuses_what_it_does_not_know() {
    for (rest, begins) in [
        (
            "[tenants]",
            "line 4, column 2: unknown key \"tenants\" in the policy; did you mean \"tenant\"?",
        ),
        (
            "authority = 'scim'",
            "line 4, column 13: authority \"scim\" is not supported by this version",
        ),
        (
            "authority = 'x'",
            "line 4, column 13: authority in [tenant]: expected \"graph\"",
        ),
        (
            "[naming]\nupn = ['{given}.{famly}']",
            "line 5, column 17: unknown placeholder {famly}; did you mean \"family\"?",
        ),
        (
            "[naming]\nupn = ['{given']",
            "line 5, column 9: a brace without its partner",
        ),
        (
            "[naming]\nupn = ['{given} {family}']",
            "line 5, column 16: a sign-in name holds only",
        ),
        (
            "[naming]\nupn = ['staff{n}']",
            "line 5, column 9: a name needs a placeholder that tells people apart",
        ),
        (
            "[naming]\nupn = []",
            "line 4, column 1: upn in [naming]: expected at least one template",
        ),
        (
            "[naming]\ndisplay_name = '{given} {n}'",
            "line 5, column 25: {n} belongs to sign-in names",
        ),
        (
            "[defaults]\ngrups = ['x']",
            "line 5, column 1: unknown key \"grups\" in [defaults]; did you mean \"groups\"?",
        ),
        (
            "[defaults]\ngroups = 'x'",
            "line 5, column 10: groups in [defaults]: expected a list of texts",
        ),
        (
            "[defaults]\ngroups = ['x', '']",
            "line 5, column 16: groups in [defaults]: expected a list of texts that are",
        ),
        (
            "[defaults]\ntime_zone = 'Europe/Berlim'",
            "line 5, column 13: time_zone in [defaults]: expected a time zone",
        ),
        (
            "[defaults]\nusage_location = 'person.land'",
            "line 5, column 26: unknown field person.land",
        ),
        (
            "[defaults]\nazure = []",
            "line 5, column 1: \"azure\" in [defaults] is not supported by this version",
        ),
        (
            "[[rule]]\nwhen = 'true'\ngroups = ['g']",
            "line 4, column 1: \"id\" is missing in [[rule]]",
        ),
        (
            "[[rule]]\nid = 'r'\ngroups = ['g']",
            "line 4, column 1: \"when\" is missing in [[rule]]",
        ),
        (
            "[[rule]]\nid = 'r'\nwhen = 'true'",
            "line 4, column 1: rule \"r\" gives nothing",
        ),
        (
            "[[rule]]\nid = 'defaults'\nwhen = 'true'\ngroups = ['g']",
            "line 5, column 6: rule id \"defaults\" is taken",
        ),
        (
            "[[rule]]\nid = 'r'\nwhen = 'true'\napps = []",
            "line 7, column 1: \"apps\" in [[rule]] is not supported",
        ),
        (
            "[[rule]]\nid = 'r'\nwhen = 'true'\nroles = ['id: ']",
            "line 7, column 10: roles in [[rule]]: expected an id",
        ),
        (
            "[[rule]]\nid = 'r'\nwhen = 'true'\nroles = ['x']\ngrace = '2w'",
            "line 8, column 9: grace in [[rule]]: expected",
        ),
        (
            "[joiner]\npass_before = '1d'",
            "line 5, column 1: \"pass_before\" in [joiner] is not supported by this version",
        ),
        (
            "[joiner]\ncreate_before = 14",
            "line 5, column 17: create_before in [joiner]: expected whole days",
        ),
        (
            "[joiner]\nnotify = ['boss']",
            "line 5, column 11: notify in [joiner]: expected \"person\"",
        ),
        (
            "[leaver]\nmailbox = 'auto-reply'",
            "line 5, column 1: \"mailbox\" in [leaver] is not supported by this version",
        ),
        (
            "[leaver]\nonedrive = 'manager'",
            "line 5, column 1: \"onedrive\" in [leaver] is not supported by this version",
        ),
        (
            "[leaver]\npassword = 'random'",
            "line 5, column 12: password in [leaver]: expected \"reset\" or \"keep\"",
        ),
        (
            "[leaver]\ndelete_after = '36h'",
            "line 5, column 16: delete_after in [leaver]: expected whole days",
        ),
        (
            "[leaver]\ndelete_after = 'é'",
            "line 5, column 16: delete_after in [leaver]: expected whole days",
        ),
        (
            "[leaver]\nnotify = ['hr']\n[notify]\nfrom = 'a@b'",
            "line 5, column 11: \"hr\" is to be told, but",
        ),
        (
            "[notify]\nfrom = 'nobody'",
            "line 5, column 8: from in [notify]: expected a mail address",
        ),
        (
            "[guard]\nmax_leavers_percent = 101",
            "line 5, column 23: max_leavers_percent in [guard]: expected a whole number",
        ),
        (
            "[guard]\nmax_leavers = -1",
            "line 5, column 15: max_leavers in [guard]: expected a whole number",
        ),
        (
            "[guard]\nwindow = '0h'",
            "line 5, column 10: window in [guard]: expected hours or whole days",
        ),
        (
            "[guard]\nprotected = ['admin']",
            "line 5, column 14: protected in [guard]: expected a sign-in name",
        ),
        (
            "[[test]]\nname = 't'\ngiven = { land = 'x' }\nexpect = { roles = [] }",
            "line 6, column 11: unknown key \"land\"",
        ),
        (
            "[[test]]\nname = 't'\ngiven = {}\nexpect = { role = [] }",
            "line 7, column 12: unknown key \"role\"",
        ),
        (
            "[[test]]\nname = 't'\nexpect = { roles = [] }",
            "line 4, column 1: \"given\" is missing",
        ),
        (
            "[[test]]\nname = 't'\ngiven = {}\ntoday = '1.1.2026'\nexpect = { roles = [] }",
            "line 7, column 9: today in",
        ),
        ("x = = 1", "line 4, column 5: not TOML: "),
    ] {
        let text = with(rest);
        let found = problems(&text);
        assert!(
            found.iter().any(|problem| problem.starts_with(begins)),
            "{text}\n=> {found:#?}"
        );
        assert!(found.len() <= 2, "{found:#?}");
    }
    check(
        "version = 2\ntenant.domain = 'a.b'",
        "line 1, column 11: version: this version reads",
    );
    check(
        "tenant.domain = 'a.b'",
        "line 1, column 1: \"version\" is missing",
    );
    check("version = 1", "line 1, column 1: [tenant] is missing");
    check(
        "version = 1\n[tenant]\ndomain = 'a b'",
        "line 3, column 10: domain in [tenant]: expected a domain",
    );
}

#[test]
fn all_problems_are_said_at_once_in_the_order_of_the_text() {
    let text = with(
        "[[rule]]\nid='a'\nwhen='person.x == 1'\ngroups='g'\n[[rule]]\nid='a'\nwhen='('\nroles=['r']\n[gard]",
    );
    let lines = problems(&text);
    let places: Vec<&str> = lines.iter().filter_map(|line| line.split(':').next()).collect();
    let expected = [
        "line 4, column 1", // gives nothing, as its list of groups is none
        "line 6, column 14",
        "line 6, column 19",
        "line 7, column 8",
        "line 9, column 4",
        "line 10, column 8",
        "line 12, column 2",
    ];
    assert_eq!(places, expected, "{lines:#?}");
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
         roles=['Reader']\n[guard]\nprotected=['role:Emperor']",
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
    };
    assert_eq!(
        document.check(&catalog),
        [
            "domain, line 3, column 10: the tenant has no verified domain \"contoso.example\" (it has other.example)",
            "rule a, line 9, column 9: the tenant has more than one group \"twice\": name it as \"id:<id>\"",
            "rule a, line 10, column 11: the tenant has no licence \"SPE_E9\"",
            "protected, line 13, column 12: the tenant has no role \"Emperor\"",
        ]
    );
    catalog.items.remove(2);
    catalog.items.extend([
        item(Kind::License, "5", "SPE_E9"),
        item(Kind::Role, "6", "emperor"),
    ]);
    catalog.domains.insert("contoso.example".into());
    assert_eq!(document.check(&catalog), Vec::<String>::new());
}

#[test]
fn a_failing_case_says_what_is_missing_and_what_is_too_much() {
    let text = with(
        "[[rule]]\nid='a'\nwhen='person.country == \"AU\"'\ngroups=['x', 'y']\nroles=['r']\n\
         [[rule]]\nid='b'\nwhen='days_since(person.hire_date) >= 0'\nlicenses=['l']\n\
         [[test]]\nname='wrong'\ngiven={country='AU', hire_date=2026-01-02}\ntoday=2026-01-01\nexpect={groups=['Y','z']}\n\
         [[test]]\nname='right'\ngiven={hire_date='2025-12-31'}\nexpect={groups=[], licenses=['L']}\n\
         [[test]]\nname='held'\ngiven={}\nexpect={groups=[]}",
    );
    let report = Document::parse(&text).unwrap().run_tests();
    assert!(!report.passed());
    let [wrong, right, held] = report.cases.as_slice() else {
        panic!("three cases")
    };
    assert_eq!(wrong.missing, [Reference::new(Kind::Group, "z")]);
    assert_eq!(wrong.unexpected, [Reference::new(Kind::Group, "x")]);
    assert!(right.passed && !wrong.passed && !held.passed);
    assert!(
        held.problems
            .as_ref()
            .unwrap()
            .to_string()
            .starts_with("rule b: days_since")
    );
    assert!(report.rules_never_hit.is_empty());
}

#[test]
fn the_fingerprint_follows_the_text() {
    let (a, b) = (with(""), with("# a comment"));
    let of = |text: &str| Document::parse(text).unwrap().fingerprint().to_owned();
    assert_eq!(of(&a), of(&a));
    assert_ne!(of(&a), of(&b));
    assert_eq!(of(&a).len(), 64);
}

#[test]
fn documents_are_shared_between_threads() {
    fn assert<T: Send + Sync + 'static>() {}
    assert::<Document>();
}

#[test]
fn patterns_match_where_they_are_literals_and_where_they_are_not() {
    let mut chief = person();
    chief.job_title = Some("Chief Medical Officer".into());
    for (when, holds) in [
        ("person.job_title.matches('^(Head of|Chief) ')", true),
        (
            "!person.job_title.matches('^Officer') && person.job_title.matches('Officer$')",
            true,
        ),
        (
            "['^Nurse', '^Chief'].exists(p, person.job_title.matches(p))",
            true,
        ),
        ("['a', 'Chief x'].all(t, t.matches('^Chief '))", false),
        ("{'k': 'Chief'}['k'].matches('^Ch')", true),
        (
            "person.job_title.lowerAscii().split(' ').exists(w, w == 'medical')",
            true,
        ),
    ] {
        let text = with(&format!("[[rule]]\nid='r'\ngroups=['g']\nwhen=\"{when}\""));
        let grants = desired(&Document::parse(&text).unwrap(), &chief, None)
            .unwrap()
            .grants;
        assert_eq!(!grants.is_empty(), holds, "{when}");
    }
}

#[test]
fn deep_or_long_expressions_do_not_exhaust_the_stack() {
    for (when, grants) in [
        (format!("{}true{}", "(".repeat(64), ")".repeat(64)), 1),
        (format!("{}true{}", "!(".repeat(30), ")".repeat(30)), 1),
        (format!("1{} == 30", " + 1".repeat(29)), 1),
        (format!("true{}", " && true".repeat(500)), 1),
        (format!("false{} || true", " || false".repeat(400)), 1),
        (format!("1{} == 1", " + 1".repeat(1000)), 0),
        ("(".repeat(2000), 0),
        ("[".repeat(2000), 0),
        ("!".repeat(4000), 0),
        ("-".repeat(4000), 0),
        (format!("person{}", ".a".repeat(2000)), 0),
        (format!("[{}]", "[],".repeat(1300)), 0),
        ("x ? x : ".repeat(500), 0),
        ("a".repeat(5000), 0),
    ] {
        let text = with(&format!("[[rule]]\nid='r'\ngroups=['g']\nwhen='''{when}'''"));
        match Document::parse(&text) {
            Ok(document) => assert_eq!(
                desired(&document, &person(), None).unwrap().grants.len(),
                grants,
                "{when}"
            ),
            Err(error) => assert!(
                grants == 0 && error.kind() == ErrorKind::Invalid,
                "{when}: {error}"
            ),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn parsing_never_panics(text in "\\PC*", when in "\\PC{0,40}", words in proptest::collection::vec(
        proptest::sample::select(vec![
            "person", "manager", "today", ".", "department", "country", "(", ")", "[", "]", "{", "}", "==", "!=", "in",
            "&&", "||", "!", "-", "'a'", "\"b\"", "r'", "'''", "null", "true", "5", "5u", "1.5", "x", ",", "?", ":",
            "exists", "map", "has", "days_since", "contains", "matches", "size", "é", "\\", "\n", " ", "b'\\377'",
        ]), 0..14,
    )) {
        let _ = Document::parse(&text);
        for when in [when, words.concat(), words.join(" ")] {
            let literal = toml::Value::from(when).to_string();
            let text = with(&format!("[[rule]]\nid='r'\ngroups=['g']\nwhen={literal}"));
            if let Ok(document) = Document::parse(&text) {
                let _ = desired(&document, &person(), None);
            }
        }
    }

    #[test]
    fn a_broken_example_is_refused_or_read_but_never_panics(cut in 0_usize..7000, with in "\\PC{0,3}") {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/data/policy.toml");
        let mut text = std::fs::read_to_string(path).unwrap();
        let cut = (0..=cut.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap();
        text.insert_str(cut, &with);
        let _ = Document::parse(&text);
    }
}
