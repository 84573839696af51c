//! What an explanation says, seen from outside.

use super::*;
use crate::entitlement::{Class, Entitlement, Item, Kind, TargetId};
use crate::person::{Person, PersonKey};

/// A document whose one rule, `r`, gives the group `g` on this condition; the condition begins in line 7.
fn document(when: &str) -> Document {
    let text = format!(
        "version = 1\n[tenant]\ndomain = \"contoso.example\"\n[[rule]]\nid = 'r'\nwhen = '''\n{when}'''\ngroups = ['g']\n"
    );
    Document::parse(&text).unwrap()
}

fn nurse() -> Person {
    let mut person = Person::new(PersonKey::new("W-7"));
    person.department = Some("Mandrake".into());
    person.location = Some("Perth".into());
    person.hire_date = Some(jiff::civil::date(2026, 11, 1));
    person
}

fn explain(document: &Document, manager: Option<&Person>, what: &str) -> Explanation {
    let person = nurse();
    let subject = Subject {
        person: &person,
        manager,
    };
    let today = jiff::civil::date(2026, 11, 25);
    document.explain(&subject, today, &Reference::new(Kind::Group, what), None)
}

/// What keeps the rule from asking, or from stopping to ask.
#[track_caller]
fn check(when: &str, granted: bool, gap: &str) {
    let explanation = explain(&document(when), None, "g");
    assert_eq!(explanation.is_granted(), granted, "{when}");
    let asked = explanation
        .granted
        .iter()
        .chain(&explanation.withheld)
        .next()
        .unwrap();
    assert_eq!(
        asked.gap.as_ref().map(Gap::to_string).as_deref(),
        Some(gap),
        "{when}"
    );
    assert_eq!(asked.condition.as_deref(), Some(when.trim()), "{when}");
}

#[test]
fn the_parts_that_would_have_to_turn_are_named_with_their_place() {
    let security = r#"person.department == "Security""#;
    check(
        security,
        false,
        r#"person.department == "Security" is false (line 7, column 1)"#,
    );
    check(
        "person.location == 'Perth' && person.department == \"Security\" &&\n  days_since(person.hire_date) >= 90",
        false,
        "person.department == \"Security\" is false (line 7, column 31) and \
         days_since(person.hire_date) >= 90 is false (line 8, column 3)",
    );
    check(
        "person.department == 'IT' || (person.job_title != null && person.job_title.contains('Engineer'))",
        false,
        "person.department == 'IT' is false (line 7, column 1) or (person.job_title != null is false (line 7, column 31) \
         and person.job_title.contains('Engineer') cannot be evaluated (contains does not work on null and string \
         (guard it with \"!= null\")) (line 7, column 59))",
    );
    check(
        "!(person.department == 'Mandrake' || person.location == 'Oslo')",
        false,
        "person.department == 'Mandrake' is true (line 7, column 3)",
    );
    check(
        "person.location == 'Perth' ? person.department == 'IT' : person.country == null",
        false,
        "person.department == 'IT' is false (line 7, column 30) or person.location == 'Perth' is true (line 7, column 1)",
    );
    check(
        "manager != null && manager.job_title == 'Chief'",
        false,
        "manager != null is false (line 7, column 1) and manager.job_title == 'Chief' cannot be evaluated (a field of \
         nobody: there is no manager (guard it with \"manager != null\")) (line 7, column 20)",
    );
}

#[test]
fn what_would_end_a_grant_is_the_mirror_of_what_would_bring_it() {
    check(
        "person.department == 'Mandrake' && person.location in ['Perth', 'Sydney']",
        true,
        "person.department == 'Mandrake' is true (line 7, column 1) or \
         person.location in ['Perth', 'Sydney'] is true (line 7, column 36)",
    );
    check(
        "person.department == 'Mandrake' || person.location == 'Perth' || person.country == 'AU'",
        true,
        "person.department == 'Mandrake' is true (line 7, column 1) and person.location == 'Perth' is true (line 7, column 36)",
    );
}

#[test]
fn a_part_is_quoted_whole_whatever_brackets_names_and_quotation_marks_it_has() {
    for part in [
        "person.job_title != null",
        "('ü' + string(1)) == person.location",
        "[')', '(', \"'\"].exists(p, p == person.location)",
        "['a', 'b'].all(t, person.location.matches('^' + t))",
        "person.location.lowerAscii().trim() == r'\\)'",
        "size(person.location) > (2 + 3) * 4",
        "{'k': 'Oslo'}['k'] == person.location",
        "person . location == 'Oslo'",
        "person.location.substring(0, 1) in ['a']",
        "-size(person.location) > 0",
        "person.location.matches('(Oslo|Bergen)')",
    ] {
        for when in [
            part.to_owned(),
            format!("({part})"),
            format!("person.location != null && ({part}) && true"),
            format!("(person.department == 'é)(' || ({part}))"),
        ] {
            let explanation = explain(&document(&when), None, "g");
            let gap = explanation.withheld[0].gap.as_ref().unwrap();
            let written: Vec<&str> = gap.clauses().iter().map(|clause| clause.text.as_str()).collect();
            assert!(written.contains(&part), "{when}: {written:?}");
        }
    }
}

#[test]
fn all_rules_that_ask_are_told_and_the_nearest_first_of_those_that_do_not() {
    let text = "version = 1\n[tenant]\ndomain = \"contoso.example\"\n[defaults]\ngroups = ['All Staff']\n\
        [[rule]]\nid = 'far'\nwhen = \"person.country == 'AU' && person.department == 'IT'\"\ngroups = ['G']\n\
        [[rule]]\nid = 'near'\nwhen = \"person.country == 'AU'\"\ngroups = ['g']\ngrace = '3d'\n\
        [[rule]]\nid = 'one'\nwhen = \"person.location == 'Perth'\"\ngroups = ['two', 'All Staff']\ngrace = '7d'\n\
        [[rule]]\nid = 'two'\nwhen = \"person.department != null\"\ngroups = ['two']\n\
        [[rule]]\nid = 'error'\nwhen = \"person.job_title.contains('x')\"\ngroups = ['two']\n";
    let document = Document::parse(text).unwrap();
    let rules = |asked: &[Asked]| {
        asked
            .iter()
            .map(|asked| asked.rule.clone())
            .collect::<Vec<_>>()
            .join(" ")
    };
    let g = explain(&document, None, "g");
    assert_eq!(
        (rules(&g.withheld), rules(&g.granted)),
        ("near far".into(), String::new())
    );
    let two = explain(&document, None, "two");
    assert_eq!((rules(&two.granted), two.grace_days()), ("one two".into(), 7));
    assert_eq!(two.unclear[0].0, "error");
    assert_eq!(two.policy, document.fingerprint());
    let staff = explain(&document, None, "all staff");
    assert_eq!(rules(&staff.granted), "defaults one");
    let (defaults, one) = (&staff.granted[0], &staff.granted[1]);
    assert_eq!((defaults.line, defaults.column, &defaults.gap), (5, 11, &None));
    assert_eq!((one.line, one.column), (17, 9));
    let shown = staff.to_string();
    assert!(
        shown.contains("rule defaults (line 5) asks for it, for everybody"),
        "{shown}"
    );
    assert!(
        shown.contains("it goes when none of these 2 rules asks for it any more"),
        "{shown}"
    );
    let typo = explain(&document, None, "All Saff");
    assert_eq!(typo.near.as_deref(), Some("All Staff"));
    assert_eq!(
        typo.to_string(),
        "group \"All Saff\": not granted\n  no rule names it; did you mean \"All Staff\"?"
    );
}

#[test]
fn with_a_catalogue_a_name_and_an_id_are_the_same_and_a_stranger_is_told() {
    let entitlement = Entitlement {
        target: TargetId::new("graph"),
        kind: Kind::Group,
        id: "7f8e".into(),
        name: "g".into(),
    };
    let item = Item {
        entitlement,
        class: Class::Assignable,
        privileged: false,
        seats: None,
        carries: vec![],
    };
    let catalog = Catalog {
        items: vec![item],
        ..Catalog::default()
    };
    let (document, person) = (document("person.location == 'Perth'"), nurse());
    let subject = Subject {
        person: &person,
        manager: None,
    };
    let today = jiff::civil::date(2026, 11, 25);
    let explain = |name: &str| {
        document.explain(
            &subject,
            today,
            &Reference::new(Kind::Group, name),
            Some(&catalog),
        )
    };
    assert!(explain("id:7F8E").is_granted() && explain("id:7F8E").tenant.is_none());
    let stranger = explain("h");
    assert_eq!(stranger.tenant.as_deref(), Some("the tenant has no group \"h\""));
    assert!(!stranger.is_granted());
}

#[test]
fn nothing_printed_holds_a_value_of_the_person_and_whoever_asks_gets_them() {
    let document =
        document("person.department == 'IT' && manager != null && days_until(person.hire_date) > 3");
    let (person, manager) = (nurse(), Person::new(PersonKey::new("W-SECRET")));
    let subject = Subject {
        person: &person,
        manager: Some(&manager),
    };
    let today = jiff::civil::date(2026, 11, 25);
    let explanation = document.explain(&subject, today, &Reference::new(Kind::Group, "g"), None);
    let printed = format!("{explanation} {explanation:?}");
    for value in ["Mandrake", "Perth", "2026-11-01", "W-7", "W-SECRET"] {
        assert!(!printed.contains(value), "{value} in {printed}");
    }
    let gap = explanation.withheld[0].gap.clone().unwrap();
    let values: Vec<_> = gap
        .clauses()
        .iter()
        .flat_map(|clause| clause.values(&subject, today))
        .collect();
    let expected = [
        ("person.department", "Mandrake"),
        ("today", "2026-11-25"),
        ("person.hire_date", "2026-11-01"),
    ];
    assert_eq!(
        values,
        expected.map(|(name, value)| (name.to_owned(), Some(value.to_owned())))
    );
}
