//! Which problem of a document is said of which place.

use super::*;

#[test]
fn every_section_refuses_what_it_does_not_know() {
    for (rest, begins) in [
        (
            "[tenants]",
            "line 4, column 2: unknown key \"tenants\" in the policy; did you mean \"tenant\"?",
        ),
        (
            "authority = 'x'",
            "line 4, column 13: authority in [tenant]: expected \"graph\" or \"scim\"",
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
            "[defaults]\nazure = [{ role = 'Reader', scope = 'siem' }]",
            "line 5, column 37: scope",
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
            "[[rule]]\nid = 'r'\nwhen = 'true'\napps = [{ scim = 'desk' }]",
            "line 7, column 9: roles",
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
            "[joiner]\ncreate_before = '1d'\npass_before = '1d'",
            "line 6, column 15: passes are sent by mail, but [notify] names no mailbox to send from",
        ),
        (
            "[joiner]\npass_before = '1d'\n[notify]\nfrom = 'a@b.example'",
            "line 5, column 15: pass_before in [joiner]: expected at most create_before (0d)",
        ),
        (
            "[joiner]\npass_lifetime = '1h'",
            "line 5, column 17: pass_lifetime in [joiner] says how passes are, and without pass_before there are none",
        ),
        (
            "[joiner]\npass_lifetime = '9m'",
            "line 5, column 17: pass_lifetime in [joiner]: expected minutes, hours or days, such as \"90m\" or \"8h\" (from 10m to 30d)",
        ),
        (
            "[joiner]\npass_to = ['person']",
            "line 5, column 12: pass_to in [joiner]: expected \"manager\", \"hr\" or \"private\"",
        ),
        (
            "[joiner]\ncreate_before = '2d'\npass_before = '1d'\npass_to = ['hr']\n[notify]\nfrom = 'a@b.example'",
            "line 6, column 15: \"hr\" is to get passes, but [notify] names no hr mailbox",
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
            "[leaver]\nmailbox = 'shared'",
            "line 5, column 11: mailbox in [leaver]: expected \"auto-reply\", or a table such as",
        ),
        (
            "[leaver]\nmailbox = {}",
            "line 5, column 11: mailbox of [leaver] says nothing: name auto_reply, contact, forward or some of them",
        ),
        (
            "[leaver]\nmailbox = { reply = 'x' }",
            "line 5, column 13: unknown key \"reply\" in mailbox of [leaver]",
        ),
        (
            "[leaver]\nmailbox = { auto_reply = ' ' }",
            "line 5, column 26: auto_reply in mailbox of [leaver]: expected a text that is not empty",
        ),
        (
            "[leaver]\nmailbox = { contact = 'the desk' }",
            "line 5, column 23: contact in mailbox of [leaver]: expected a mail address",
        ),
        (
            "[notify]\nlanguage = 'fr'",
            "line 5, column 12: language in [notify]: expected \"en\" or \"de\"",
        ),
        (
            "[notify.text.left]\nsubject = 'x {nme}'\nbody = 'y'",
            "line 5, column 14: unknown placeholder \"{nme}\"; did you mean \"name\"? (known here: {name}, {worker}, {account})",
        ),
        (
            "[notify.text.joined]\nsubject = 'x'\nbody = 'y {pass}'",
            "line 6, column 11: unknown placeholder \"{pass}\"",
        ),
        (
            "[notify.text.pass]\nsubject = 'x'\nbody = 'no'",
            "line 6, column 8: the text of a pass must name {pass}",
        ),
        (
            "[leaver]\nonedrive = 'colleagues'",
            "line 5, column 12: onedrive in [leaver]: expected \"manager\"",
        ),
        (
            "[leaver]\nmailbox = { forward = 'hr' }",
            "line 5, column 23: forward in mailbox of [leaver]: expected \"manager\"",
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
            "[guard.limits]\ntake_groups = 1",
            "line 5, column 1: unknown key \"take_groups\" in [guard.limits]; did you mean \"take_group\"?",
        ),
        (
            "[guard.limits]\ntake_group = '5'",
            "line 5, column 14: take_group in [guard.limits]: expected a whole number, \"5%\" or",
        ),
        (
            "[guard.limits]\ntake_group = { percent = 101 }",
            "line 5, column 26: percent in a limit: expected a whole number",
        ),
        (
            "[guard.per_organisation]\nfield = 'planet'",
            "line 5, column 9: field in [guard.per_organisation]: expected \"department\"",
        ),
        (
            "[[guard.tier]]\nname = 't'\nroles = ['Owner']",
            "line 4, column 1: \"max_changes\" is missing in [[guard.tier]]",
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
fn a_conflict_is_checked_where_it_stands() {
    let conflict = |rest: &str| with(&format!("[[conflict]]\nid = 'c'\n{rest}\n"));
    for (rest, begins) in [
        (
            "between = [{ groups = ['a'] }]",
            "line 6, column 11: between in [[conflict]]: expected two sides",
        ),
        (
            "",
            "line 4, column 1: between in [[conflict]]: expected two sides",
        ),
        (
            "between = [{ groups = ['a'] }, { roles = ['b'], groups = ['A'] }]",
            "line 6, column 32: conflict \"c\": group \"A\" stands on two sides",
        ),
        (
            "between = [{ groups = ['a'] }, {}]",
            "line 6, column 32: a side of conflict \"c\" names nothing",
        ),
        (
            "between = [{ groups = ['a'] }, { groups = ['b'] }]\nexcept = 'person.titel == null'",
            "line 7, column 18: unknown field person.titel",
        ),
        (
            "between = [{ groups = ['a'] }, { groups = ['b'] }]\nresolve = 'last'",
            "line 7, column 11: resolve in [[conflict]]: expected \"hold\" or \"first\"",
        ),
        (
            "between = [{ groups = ['a'] }, { groups = ['b'] }]\n[[conflict]]\nid='c'\nbetween = [{ groups = ['a'] }, { groups = ['b'] }]",
            "line 8, column 4: conflict id \"c\" is taken",
        ),
        (
            "between = [{ groups = ['a'] }, { roles = ['c'], group = ['b'] }]",
            "line 6, column 49: unknown key \"group\" in a side of [[conflict]]; did you mean \"groups\"?",
        ),
    ] {
        let problems = problems(&conflict(rest));
        assert!(problems[0].starts_with(begins), "{rest}\n=> {problems:#?}");
    }
}
