"""People: the logic of their pages, without a browser."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest


def _people():
    from iam_platform.ui.pages.people import people

    people.draw()


def _app(**query):
    app = AppTest.from_function(_people, default_timeout=60)
    for name, value in query.items():
        app.query_params[name] = value
    return app


def _state(person, lifecycle="active", **record):
    record = {"given_name": "Ann", "family_name": person, **record}
    return {
        "person": person,
        "record": record,
        "lifecycle": lifecycle,
        "accounts": {},
        "name": None,
        "ledger": [],
        "left_at": None,
        "waits_for": None,
        "waiting": {"state": "nothing"},
    }


def _entry(number, **more):
    return {
        "event": f"e{number}",
        "kind": "move",
        "details": {},
        "due_at": "2026-01-01T00:00:00Z",
        "entered_at": f"2026-01-01T00:{number:02}:00Z",
        "not_before": "2026-01-01T00:00:00Z",
        "record": {"department": f"D{number}"},
        "state": "done",
        "attempts": 1,
        "parked": False,
        "why": None,
        "plan": None,
        "steps": [],
        **more,
    }


def test_pages_of_people_follow_each_other(fake_session):
    def listed(search=None, state=None, after=None, limit=0):
        if after is None:
            return {"people": [_state("A-1")], "next": "A-1"}
        return {"people": [_state("B-1")], "next": None}

    fake_session.answers[("get", "/people")] = listed
    app = _app().run()
    assert "A-1" in app.html[0].value
    assert app.button(key="people-first").disabled
    app.button(key="people-next").click().run()
    assert "B-1" in app.html[0].value
    assert "A-1" not in app.html[0].value
    assert app.button(key="people-next").disabled
    # Another search begins on the first page.
    app.text_input(key="people-search").set_value("Ann").run()
    assert app.query_params["search"] == "Ann"
    assert "after" not in app.query_params
    assert fake_session.asked[-1][-1]["search"] == "Ann"
    app.selectbox(key="people-state").set_value("leaving").run()
    assert fake_session.asked[-1][-1]["state"] == "leaving"
    assert app.query_params["state"] == "leaving"


def test_the_next_change_is_the_earliest_that_is_still_to_come():
    from datetime import date

    from iam_platform.ui.pages.people.employment import next_change

    held = {"entitlement": {"kind": "license", "name": "SPE_E5"}, "ends_at": "2026-06-10T00:00:00Z"}
    state = _state("A-1", hire_date="2020-01-01", last_day="2026-08-01") | {"ledger": [held]}
    assert next_change(state, date(2026, 6, 1)) == ("2026-06-10", "loses licence SPE_E5")
    assert next_change(state, date(2026, 6, 11)) == ("2026-08-01", "last day")
    assert next_change(state, date(2026, 8, 2)) is None
    assert next_change(state | {"lifecycle": "disabled"}, date(2026, 6, 1)) is None


@pytest.mark.parametrize(
    ("waiting", "dead", "said", "verbs"),
    [
        ("retrying", False, "tried again by itself", ["Try it again now"]),
        ("parked", True, "what came after it waits", ["Try it again now", "Go on without it"]),
        ("nothing", True, "The last change failed", ["Try it again now"]),
    ],
)
def test_what_can_be_decided_follows_from_what_is_wrong(fake_session, waiting, dead, said, verbs):
    why = "the tenant [says](http://evil.example) no"
    state = _state("A-1")
    state["waiting"] = {"state": waiting, "event": "e1", "why": why}
    entries = [_entry(0), _entry(1, state="dead" if dead else "pending", why=why)]
    fake_session.answers |= {
        ("get", "/people/A-1"): state,
        ("get", "/people/A-1/timeline"): entries,
        ("post", "/admin/events/e1/requeue"): None,
        ("post", "/admin/events/e1/skip"): None,
    }
    app = _app(person="A-1").run()
    told = (app.error if dead else app.warning)[0].value
    assert said in told
    assert "](http" not in told
    assert app.radio(key="trouble-verb").options == verbs
    assert app.button(key="trouble-do").disabled
    app.radio(key="trouble-verb").set_value(["requeue", "skip"][len(verbs) - 1]).run()
    app.text_input(key="trouble-reason").set_value("it is well again").run()
    app.button(key="trouble-do").click().run()
    verb = ["requeue", "skip"][len(verbs) - 1]
    assert ("post", f"/admin/events/e1/{verb}", {"reason": "it is well again"}, {}) in fake_session.asked
    fake_session.role = "IAM.Helpdesk"
    app = _app(person="A-1").run()
    assert not app.radio
    assert not app.exception


def test_what_nobody_knows_is_asked_of_who_may_look(fake_session):
    entry = _entry(
        1, state="dead", parked=True, steps=[{"step": "notify", "outcome": "unknown", "at": None, "why": None}]
    )
    fake_session.answers |= {
        ("get", "/people/A-1"): _state("A-1"),
        ("get", "/people/A-1/timeline"): [entry],
        ("post", "/admin/asks/e1/resolve"): None,
    }
    app = _app(person="A-1", tab="timeline").run()
    key = "ask-e1-notify"
    app.text_input(key=f"{key}-reason").set_value("I looked").run()
    assert app.button(key=f"{key}-do").disabled
    app.radio(key=f"{key}-answer").set_value("It did not happen").run()
    app.button(key=f"{key}-do").click().run()
    body = {"step": "notify", "happened": False, "reason": "I looked"}
    assert ("post", "/admin/asks/e1/resolve", body, {}) in fake_session.asked


def test_an_undo_without_steps_cannot_be_pressed_and_one_with_steps_says_what_stays(fake_session):
    step = {
        "id": "allow_sign_in",
        "kind": "allow_sign_in",
        "target": "graph",
        "why": "undo",
        "risk": "low",
        "details": {},
    }
    undo = {
        "event": "e1",
        "person": "A-1",
        "steps": [],
        "without_inverse": [["revoke_sessions", "ended sessions do not come back"]],
        "gone": [],
        "refused": [["delete_account", "policy would do it again"]],
    }
    path = "/people/A-1/events/e1/undo"
    fake_session.answers |= {
        ("get", "/people/A-1"): _state("A-1"),
        ("get", "/people/A-1/timeline"): [],
        ("get", path): undo,
        ("post", path): {"event": "2", "job": "e2"},
        ("get", "/jobs/e2"): {"id": "e2", "kind": "event", "state": "done", "events": {}, "steps": []},
    }
    app = _app(person="A-1", tab="timeline", undo="e1").run()
    app.text_input(key="undo-reason").set_value("a mistake").run()
    app.text_input(key="undo-typed").set_value("A-1").run()
    assert app.button(key="undo-do").disabled
    undo["steps"] = [step]
    app.run()
    assert "1 step has no inverse" in app.info[0].value
    app.text_input(key="undo-typed").set_value("A-2").run()
    assert app.button(key="undo-do").disabled
    app.text_input(key="undo-typed").set_value("A-1").run()
    app.button(key="undo-do").click().run()
    assert ("post", path, {"reason": "a mistake"}, {}) in fake_session.asked
    assert app.query_params["job"] == "e2"
    assert "undo" not in app.query_params


def test_nobody_who_may_not_decide_is_asked_to_undo(fake_session):
    fake_session.role = "IAM.Auditor"
    fake_session.answers |= {("get", "/people/A-1"): _state("A-1"), ("get", "/people/A-1/timeline"): []}
    app = _app(person="A-1", tab="timeline", undo="e1").run()
    assert not app.text_input
    assert not [asked for asked in fake_session.asked if "undo" in asked[1]]


def test_a_long_history_is_shown_a_piece_at_a_time(fake_session):
    entries = [_entry(number) for number in range(45)]
    fake_session.answers |= {
        ("get", "/people/A-1"): _state("A-1"),
        ("get", "/people/A-1/timeline"): entries,
    }
    app = _app(person="A-1", tab="timeline").run()
    assert len(app.expander) == 20
    assert "00\\:44" in app.expander[0].label
    app.button(key="timeline-more").click().run()
    app.button(key="timeline-more").click().run()
    assert len(app.expander) == 45
    assert not app.button
    before = [one.value for one in app.html if "D43" in one.value and "D44" in one.value]
    assert len(before) == 1, "each says what was before it"
