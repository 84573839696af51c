//! Conditions: when they hold, when they cannot be evaluated, and what is refused before anybody is judged.

use super::*;

/// The one problem of a condition, which stands in line 8 from column 1 on.
fn check_when(when: &str, begins: &str) {
    check(
        &with(&format!(
            "[[rule]]\nid = 'r'\ngroups = ['g']\nwhen = '''\n{when}'''"
        )),
        begins,
    );
}

/// The condition holds for that person, or does not.
#[track_caller]
fn check_holds(when: &str, person: &Person, expect: bool) {
    let document = Document::parse(&rule(when)).unwrap();
    let grants = desired(&document, person, None).unwrap().grants;
    assert_eq!(!grants.is_empty(), expect, "{when}");
}

#[test]
fn days_count_from_today() {
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
        check_holds(when, &joiner, holds);
    }
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
        check_holds(when, &chief, holds);
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
            "line 8, column 18: status is one of active, on_leave, terminated",
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
