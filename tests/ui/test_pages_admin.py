"""What the admin pages make of what the backend says, without a browser."""

from __future__ import annotations

import contextlib

import pytest
from iam_platform.ui.backend import BackendError, NotFoundError
from streamlit.testing.v1 import AppTest


def drawn(path, **query):
    """A page of the section, drawn once."""

    def script(path):
        from iam_platform.ui.pages.admin import PAGES

        next(page for page in PAGES if page.path == path).shown()()

    at = AppTest.from_function(script, kwargs={"path": path}, default_timeout=60)
    for name, value in query.items():
        at.query_params[name] = value
    at.run()
    assert not at.exception, at.exception
    return at


def seen(at):
    """Everything that stands on the page."""
    found = []
    for element in at.main:
        for name in ("value", "label", "body"):
            said = getattr(element, name, None)
            if isinstance(said, str):
                found.append(said)
        if element.type == "html":
            found.append(element.proto.body)
    return "\n".join(found)


def buttons(at):
    return {button.label: button for button in at.button}


OVERVIEW = {
    "frozen": 0,
    "held": 0,
    "dead_letters": 0,
    "quarantined": 0,
    "overdue": 0,
    "stalled": None,
    "worker": "well",
}
PLAN = {
    "hash": "ab" * 32,
    "trips": ["3 people would lose their access within 24 hours, max_leavers is 1"],
    "people": 3,
    "steps": 15,
    "planned_by": "somebody@contoso.example (oid)",
    "planned_at": "2026-11-28T18:46:04.140676833Z",
    "state": "frozen",
    "is_open": True,
    "released_by": None,
    "released_at": None,
    "reason": None,
    "ended_at": None,
}
ASK = {
    "about": "guard",
    "event": "e1",
    "person": "W-1<b>",
    "standing": "asked",
    "plan": {
        "steps": [{"kind": "block_sign_in", "why": "left", "target": "graph", "risk": "high", "details": {}}],
    },
}


def waiting(fake, **more):
    """A backend in which nothing waits, but for what is given."""
    fake.answers |= {
        ("get", "/admin/overview"): OVERVIEW,
        ("get", "/admin/asks"): [],
        ("get", "/jobs"): {"jobs": [], "next": None},
        ("get", "/admin/frozen"): [],
        ("get", "/admin/deliveries"): [],
        ("get", "/admin/dead-letters"): [],
        ("get", "/admin/quarantined"): [],
        **{("get", path): answer for path, answer in more.items()},
    }


@pytest.mark.parametrize(
    ("tab", "said"),
    [
        ("guard", "No plan is stopped"),
        ("deliveries", "No delivery is held"),
        ("letters", "There are no dead letters"),
        ("events", "No event is set aside"),
        ("asks", "No outcome is unknown"),
        ("quarantined", "Nothing is quarantined"),
        ("late", "Nothing is late"),
        ("no such tab", "No plan is stopped"),
    ],
)
def test_where_nothing_waits_the_page_says_so(fake_session, tab, said):
    waiting(fake_session)
    assert said in seen(drawn("decisions", tab=tab))


def test_a_plan_is_released_by_others_than_its_planner_and_by_nobody_who_only_reads(fake_session):
    waiting(fake_session, **{"/admin/frozen": [PLAN], "/admin/asks": [ASK]})
    at = drawn("decisions")
    assert buttons(at)["Release"].disabled
    assert "somebody else has to release it" in seen(at)
    # What it would do, and no HTML of people's.
    assert "blocked" in seen(at)
    assert "W-1&lt;b&gt;" in seen(at)

    waiting(fake_session, **{"/admin/frozen": [PLAN | {"planned_by": "the backend"}], "/admin/asks": [ASK]})
    assert not buttons(drawn("decisions"))["Release"].disabled
    fake_session.role = "IAM.Auditor"
    assert "Release" not in buttons(drawn("decisions"))


def test_tabs_count_what_waits(fake_session):
    job = {"id": "e1", "event": "1", "person": "W-1", "happened": "join", "why": "no seat", "steps": []}
    step = {"about": "step", "event": "2", "person": "W-2", "kind": "leave", "step": "notify:x", "at": None}
    waiting(
        fake_session,
        **{
            "/admin/overview": OVERVIEW | {"frozen": 1, "dead_letters": 12, "overdue": 2},
            "/jobs": {"jobs": [job] * 20, "next": "more"},
            "/admin/asks": [ASK, step],
        },
    )
    at = drawn("decisions", tab="asks")
    options = at.segmented_control[0].options
    assert [option for option in options if "(" in option] == [
        "Stopped plans (1)",
        "Dead letters (12)",
        "Set aside (20+)",
        "Unknown outcomes (1)",
        "Late (2)",
    ]
    assert {"It happened", "It did not happen"} <= set(buttons(at))
    assert "Try again" not in buttons(at)


def test_the_content_of_a_dead_letter_is_for_whom_may_decide(fake_session):
    letter = {
        "id": 7,
        "source": "hr",
        "kind": "odd",
        "message_id": "m-1",
        "received_at": "2026-11-28T18:46:03Z",
        "person": None,
        "reason": "nobody understands it",
        "data": '{"salary": 1}',
    }
    waiting(fake_session, **{"/admin/dead-letters": [letter]})
    assert "salary" in seen(drawn("decisions", tab="letters"))
    fake_session.role = "IAM.Auditor"
    at = drawn("decisions", tab="letters")
    assert "nobody understands it" in seen(at)
    assert "salary" not in seen(at)


def test_a_page_that_is_not_for_ones_roles_asks_the_backend_for_nothing(fake_session):
    fake_session.role = "IAM.Helpdesk"
    for path in ("decisions", "policy", "audit", "azure", "connectors"):
        assert "not for your roles" in seen(drawn(path))
    assert fake_session.asked == []


@pytest.mark.parametrize(
    ("sought", "asked"),
    [
        ("tom", {"search": "tom"}),
        ("o'hara@contoso", {"filter": "startswith(userPrincipalName,'o''hara@contoso')"}),
        ("", {}),
    ],
)
def test_users_are_asked_for_as_graph_wants_it(fake_session, sought, asked):
    user = {"id": "1", "displayName": "T", "userPrincipalName": "t@c.example", "accountEnabled": True}
    fake_session.answers["get", "/graph/users"] = {"value": [user]}
    drawn("users", **({"search": sought} if sought else {}))
    assert [one[-1] for one in fake_session.asked] == [{"skiptoken": None, "top": 25, **asked}]


def test_who_has_no_such_name_may_have_that_worker_id(fake_session):
    user = {"id": "1", "displayName": "Tom", "userPrincipalName": "t@c.example", "accountEnabled": False}
    fake_session.answers["get", "/graph/users"] = lambda **query: {"value": [user] if "filter" in query else []}
    at = drawn("users", search="W-1'1")
    assert fake_session.asked[-1][-1]["filter"] == "employeeId eq 'W-1''1'"
    assert "✖ blocked" in seen(at)


@pytest.mark.parametrize(
    ("group", "who", "deletable"),
    [
        ({"securityEnabled": True}, "here", True),
        ({"groupTypes": ["DynamicMembership"], "securityEnabled": True}, "by its rule", True),
        ({"onPremisesSyncEnabled": True, "securityEnabled": True}, "in Active Directory", False),
        ({"isAssignableToRole": True, "securityEnabled": True}, "by the policy", False),
        ({"mail": "all@c.example", "securityEnabled": True}, "in Exchange", True),
        ({"mail": "team@c.example", "groupTypes": ["Unified"]}, "here", True),
    ],
)
def test_groups_say_who_decides_about_their_members(fake_session, group, who, deletable):
    group = {"id": "g", "displayName": "G"} | group
    fake_session.answers |= {
        ("get", "/graph/groups/g"): group,
        ("get", "/graph/groups"): {"value": [group]},
        ("get", "/graph/groups/g/members"): {"value": []},
    }
    assert who in seen(drawn("groups"))
    found = buttons(drawn("groups", id="g"))
    assert found["Add member"].disabled == (who != "here")
    assert found["Delete group"].disabled == (not deletable)


def test_seats_that_run_out_are_said_in_words(fake_session):
    def sku(name, enabled, used, **more):
        return {"skuPartNumber": name, "prepaidUnits": {"enabled": enabled}, "consumedUnits": used, **more}

    skus = [sku("A", 10, 10), sku("B", 10, 5), sku("C", 100, 5), sku("D", 9, 0, capabilityStatus="Suspended")]
    fake_session.answers["get", "/graph/licenses"] = {"value": skus}
    said = seen(drawn("licences"))
    states = [said.index(one) for one in ("✖ none left", "▲ few left", "✔ enough", "▲ Suspended")]
    assert states == sorted(states)


def test_the_audit_is_looked_through_to_its_end(fake_session):
    entries = [
        {"sequence": n, "at": "2026-11-28T18:46:03Z", "deed": "released" if n % 1100 == 0 else "settled", "detail": "x"}
        for n in range(1, 2501)
    ]
    fake_session.answers["get", "/audit"] = lambda after, limit, **_: entries[after : after + limit]
    at = drawn("audit", search="released")
    assert "1100" in seen(at)
    assert "2200" in seen(at)
    assert "settled" not in seen(at)
    assert "Next page" not in buttons(at)
    at = drawn("audit", after="50")
    assert "Entries behind no. 50" in seen(at)
    buttons(at)["Next page"].click().run()
    assert "Entries behind no. 100" in seen(at)
    assert "Entries, oldest first" in seen(drawn("audit", after="-1 or 1"))


def test_a_broken_chain_is_an_error_with_what_to_do(fake_session):
    fake_session.answers |= {
        ("get", "/audit"): [],
        ("get", "/audit/verify"): {"is_whole": False, "breach": "entry 3 was changed", "checkpoint": None},
    }
    at = drawn("audit")
    buttons(at)["Verify the chain"].click().run()
    assert "entry 3 was changed" in at.error[0].value
    assert "backup" in at.error[0].value


def test_azure_roles_are_named_and_people_are_asked_for_together(fake_session):
    people = [f"00000000-0000-0000-0000-{n:012d}" for n in range(20)]

    def named(filter, top):  # noqa: A002
        asked = [one for one in people if one in filter]
        assert len(asked) <= 15
        return {"value": [{"id": one, "displayName": f"Person {one[-2:]}"} for one in asked[1:]]}

    scope = "/subscriptions/s"
    fake_session.answers |= {
        ("get", "/arm/subscriptions"): {"value": [{"subscriptionId": "s", "displayName": "Main"}]},
        ("get", "/arm/resource-groups"): {"value": []},
        ("get", "/arm/role-definitions"): {"value": [{"name": "r", "properties": {"roleName": "Reader"}}]},
        ("get", "/arm/role-assignments"): {
            "value": [
                {
                    "id": f"{scope}/providers/x/roleAssignments/{one}",
                    "properties": {
                        "principalId": one,
                        "principalType": "User",
                        "scope": scope,
                        "roleDefinitionId": f"{scope}/providers/x/roleDefinitions/r",
                    },
                }
                for one in people
            ]
        },
        ("get", "/graph/users"): named,
    }
    at = drawn("azure")
    said = seen(at)
    assert "Person 19" in said
    # Who is gone is told of by the id.
    assert people[0] in said
    assert said.count("Reader") >= 20
    assert "Take Azure role" in buttons(at)
    fake_session.role = "IAM.Operator"
    at = drawn("azure")
    assert not {"Give Azure role", "Take Azure role"} & set(buttons(at))


def test_a_connector_that_is_not_well_says_what_to_do(fake_session):
    def one(name, ok, advice=None):
        return {"name": name, "ok": ok, "detail": "d", "ms": 3, "advice": advice, "checked_at": "2026-11-28T18:46:03Z"}

    fake_session.answers |= {
        ("get", "/admin/connectors"): [one("graph", True), one("scim", False, "check IAM_SCIM_URL")],
        ("post", "/admin/connectors/test"): [one("graph", True), one("scim", True)],
        ("get", "/"): {"version": "9.9.9"},
    }
    at = drawn("connectors")
    assert "check IAM" in at.warning[0].value
    assert "9.9.9" in seen(at)
    buttons(at)["Test now"].click().run()
    assert not at.warning
    assert "Tested now" in seen(at)


RUNNING = {
    "text": "version = 1\n",
    "version": 1,
    "hash": "ab" * 32,
    "tests": 0,
    "rules": [{"name": "sec", "when": 'person.department == "Security"', "gives": {"groups": ["sg-security"]}}],
}


def tried(fake, button, text="version = 1\nbad line\n"):
    fake.answers["get", "/policy"] = RUNNING
    at = drawn("policy", show="try")
    at.text_area[0].set_value(text)
    buttons(at)[button].click().run()
    assert not at.exception, at.exception
    assert fake.asked[-1][2] == {"text": text}
    return at


def test_a_text_that_is_no_policy_is_told_of_by_line_and_column(fake_session):
    places = [{"line": 2, "column": 5, "message": "expected ="}]
    fake_session.answers["post", "/policy/check"] = {"ok": False, "errors": places, "findings": []}
    fake_session.answers["post", "/policy/diff"] = BackendError(422, "Unprocessable", "line 2", errors=places)
    for button in ("Check", "Compare with the one in force"):
        at = tried(fake_session, button)
        assert "no policy yet" in at.error[0].value
        said = seen(at)
        assert '<td class="n">2</td><td class="n">5</td><td>expected =</td><td>bad line</td>' in said


def test_what_the_tenant_lacks_is_no_error(fake_session):
    found = [{"line": 1, "column": 1, "message": "there is no group sg-x"}]
    fake_session.answers["post", "/policy/check"] = {"ok": False, "errors": [], "findings": found}
    at = tried(fake_session, "Check")
    assert not at.error
    assert "there is no group sg-x" in seen(at)


def test_a_comparison_says_who_gains_and_who_loses(fake_session):
    lost = [f"W-{n}" for n in range(100)]
    fake_session.answers["post", "/policy/diff"] = {
        "is_empty": False,
        "people": 500,
        "changed": 121,
        "entitlements": [
            {
                "kind": "license",
                "name": "SPE_E5",
                "gained": ["W-500"],
                "gained_total": 1,
                "lost": lost,
                "lost_total": 120,
                "grace_days": 14,
            }
        ],
        "attributes": {"jobTitle": {"people": ["W-7"], "people_total": 1}},
        "conflicts": {},
        "held": {"W-9": "no country"},
        "rules_added": ["new"],
        "rules_removed": [],
        "settings": [],
        "guard": [{"name": "max_leavers", "old": "1", "new": "5"}],
    }
    said = seen(tried(fake_session, "Compare with the one in force"))
    assert "121 of 500 people" in said
    assert "+ gain" in said
    assert '<td class="n">120</td>' in said
    assert "W-9 and 110 more" in said
    assert "14 days" in said
    for also in ("Attribute jobTitle", "W-9: no country", "is new", "1 → 5"):
        assert also in said


def test_whom_the_rules_reach_is_asked_when_wanted(fake_session):
    fake_session.answers |= {
        ("get", "/policy"): RUNNING,
        ("post", "/policy/test"): {
            "passed": False,
            "cases": [
                {
                    "name": "mei",
                    "passed": False,
                    "expected": {"groups": ["sg-x"]},
                    "missing": ["group sg-x"],
                    "unexpected": [],
                    "problems": None,
                }
            ],
            "rules_never_hit": ["sec"],
            "matched_by_nothing": [],
            "coverage": {
                "people": 3,
                "hits": {"sec": 0},
                "rules_never_hit": ["sec"],
                "matched_by_nothing_total": 3,
                "held": {},
            },
        },
    }
    at = drawn("policy")
    assert "groups: sg-security" in seen(at)
    assert "reaches nobody" not in seen(at)
    assert "<code>version = 1</code>" in seen(at)
    buttons(at)["See whom it reaches"].click().run()
    said = seen(at)
    assert "▲ reaches nobody" in said
    assert "✖ failed" in said
    assert "group sg-x" in said


def asked(fake, **wishes):
    """A deed that is asked about, and what it did."""
    fake.done = []

    def script(fake, wishes):
        from iam_platform.ui.pages.admin import deeds

        def do(said):
            fake.done.append(said.reason)
            return {"pass": "Only-Once-1"}

        deeds._ask(deeds.Deed("Try", "About it.", do, "It is done.", **wishes), "try")

    return AppTest.from_function(script, kwargs={"fake": fake, "wishes": wishes}, default_timeout=60).run()


def test_a_deed_needs_its_reason_and_its_word(fake_session):
    at = asked(fake_session, reason=True, typed="W-1003")
    at.button[0].click().run()
    assert "Say why" in at.error[0].value
    at.text_area[0].set_value("because")
    at.text_input[0].set_value("W-1004")
    at.button[0].click().run()
    assert "Nothing was done" in at.error[0].value
    assert fake_session.done == []
    at.text_input[0].set_value(" w-1003 ")
    at.button[0].click().run()
    assert fake_session.done == ["because"]


def test_what_is_secret_is_shown_in_one_run_and_stands_nowhere_else(fake_session):
    at = asked(fake_session, secret=lambda answer: answer["pass"])
    at.button[0].click().run()
    assert [code.value for code in at.code] == ["Only-Once-1"]
    assert "Only-Once-1" not in repr(at.session_state)
    at.run()
    assert not at.code
    assert len(fake_session.done) == 1


def test_what_is_decided_is_sent_with_its_reason(fake_session, monkeypatch):
    from iam_platform.ui.pages.admin import deeds

    offered = {}
    monkeypatch.setattr(deeds, "offer", lambda deed, key, **_: offered.setdefault(deed.name, deed))
    job = {"id": "e1", "event": "ab/1", "person": "W-1", "happened": "join", "why": "no seat", "steps": []}
    step = {"about": "step", "event": "2", "person": "W-2", "kind": "leave", "step": "notify:x", "at": None}
    held = {"id": 5, "source": "hr", "rows": 3, "opened_at": None, "state": "held", "findings": ["too few"]}
    letter = {
        "id": 7,
        "source": "hr",
        "kind": "odd",
        "message_id": "m-1",
        "received_at": None,
        "person": None,
        "reason": "?",
        "data": "{}",
    }
    waiting(
        fake_session,
        **{
            "/jobs": {"jobs": [job], "next": None},
            "/admin/asks": [step],
            "/admin/deliveries": [held],
            "/admin/dead-letters": [letter],
            "/admin/frozen": [PLAN],
        },
    )
    for tab in ("guard", "events", "asks", "deliveries", "letters"):
        drawn("decisions", tab=tab)
    fake_session.asked.clear()
    for deed in offered.values():
        assert deed.reason, deed.name
        with contextlib.suppress(NotFoundError):  # the fake answers nothing, and has noted what it was asked
            deed.do(deeds.Said("because", {"kind": "k", "data": "d"}))
    assert {(path, tuple(body.items())) for _, path, body, _ in fake_session.asked} == {
        (f"/admin/frozen/{PLAN['hash']}/release", (("reason", "because"),)),
        ("/admin/events/ab%2F1/requeue", (("reason", "because"),)),
        ("/admin/events/ab%2F1/skip", (("reason", "because"),)),
        ("/admin/asks/2/resolve", (("step", "notify:x"), ("happened", True), ("reason", "because"))),
        ("/admin/asks/2/resolve", (("step", "notify:x"), ("happened", False), ("reason", "because"))),
        ("/admin/deliveries/5/release", (("reason", "because"),)),
        ("/admin/deliveries/5/discard", (("reason", "because"),)),
        ("/admin/dead-letters/7/requeue", (("kind", "k"), ("data", "d"), ("reason", "because"))),
        ("/admin/dead-letters/7/discard", (("reason", "because"),)),
    }
