"""People: found, explained, followed through time, and brought back."""

from __future__ import annotations

import httpx
import pytest
from playwright.sync_api import expect
from portal import at, settled
from serving import MEI, eventually
from streamlit.testing.v1 import AppTest

SECONDS = 60


def hired(world, **record):
    """Somebody of the test's own, as HR says it, once everything is done."""
    record = {**MEI, **record}
    told = world.api().post("/hr/new-hire", json=record, params={"wait": SECONDS})
    assert told.json()["state"] == "done", told.text
    return record


def moved(world, record, **changes):
    """The same with other words of HR."""
    record = {**record, **changes}
    told = world.api().post("/hr/update", json=record, params={"wait": SECONDS})
    assert told.json()["state"] == "done", told.text
    return record


def account(world, person):
    """The object id of somebody's account, and the tenant's user."""
    there = world.api().get(f"/people/{person}").json()["accounts"]["graph"]
    return there["id"], world.user(there["name"])


def groups(world, user_id):
    """The names of the groups that the tenant holds somebody to be in."""
    listed = world.api().get(f"/graph/users/{user_id}/groups").json()["value"]
    return {one["displayName"] for one in listed}


def put_in(world, user_id, group):
    """Somebody else than the platform gives somebody a group."""
    found = world.api().get("/graph/groups", params={"filter": f"displayName eq '{group}'"}).json()["value"]
    answer = world.api().put(f"/graph/groups/{found[0]['id']}/members/{user_id}")
    assert answer.is_success, answer.text


# --- the search -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ines(world):
    """Somebody whom the searches look for, and their manager."""
    hired(world, employeeId="P-1", firstName="Otto", lastName="Quarrel", jobTitle="Head")
    return hired(world, employeeId="P-2", firstName="Ines", lastName="Vrabec", managerId="P-1", hireDate="2026-11-20")


@pytest.mark.parametrize("sought", ["ines vra", "ines.vrabec@", "P-2"], ids=["name", "sign-in name", "worker id"])
def test_somebody_is_found(world, browse, ines, sought):
    page = browse(world, role="Helpdesk")
    at(page, f"{world.url}/people")
    page.get_by_label("Search by name, sign-in name or worker id").fill(sought)
    page.keyboard.press("Enter")
    table = page.get_by_role("region", name="People who were found")
    row = table.get_by_role("row").filter(has_text="ines.vrabec@contoso.example")
    expect(row).to_contain_text("at work")
    expect(row).to_contain_text("Security")
    expect(row.get_by_role("link", name="Otto Quarrel")).to_be_visible()
    expect(table.get_by_role("link", name="Ines Vrabec")).to_have_count(1)
    page.wait_for_url("**/people?search=*")
    # The address is the search: whoever gets it sees the same.
    page.reload()
    settled(page)
    expect(page.get_by_label("Search by name, sign-in name or worker id")).to_have_value(sought)
    page.get_by_role("link", name="Ines Vrabec").click()
    page.wait_for_url("**/people?person=P-2")
    expect(page.get_by_role("heading", name="Ines Vrabec")).to_be_visible()


def test_nobody_is_found_and_what_to_do_is_said(world, browse):
    page = browse(world, role="Helpdesk")
    at(page, f"{world.url}/people?search=nobody-of-that-name")
    expect(page.get_by_text("Nobody was found.")).to_be_visible()
    at(page, f"{world.url}/people?person=W-nobody")
    expect(page.get_by_text("Nobody is known by the worker id W-nobody.")).to_be_visible()


# --- one person -----------------------------------------------------------------------------------------------------


def test_the_card_says_who_it_is_and_links_to_the_people_around(world, browse, ines):
    page = browse(world, role="Helpdesk")
    at(page, f"{world.url}/people?person=P-2")
    user_id, _ = account(world, "P-2")
    identity = page.get_by_label("Identity")
    for said in ("P-2", "ines.vrabec@contoso.example", "Analyst", "Security", "Perth, AU"):
        expect(identity).to_contain_text(said)
    accounts = page.get_by_role("region", name="Accounts")
    expect(accounts).to_contain_text(user_id)
    expect(accounts).to_contain_text("✔ allowed")
    assert world.api().post(f"/graph/users/{user_id}/disable").is_success
    at(page, f"{world.url}/people?person=P-2")
    expect(page.get_by_role("region", name="Accounts")).to_contain_text("⛔ blocked")
    assert world.api().post(f"/graph/users/{user_id}/enable").is_success
    page.get_by_role("link", name="Otto Quarrel").click()
    page.wait_for_url("**/people?person=P-1")
    page.get_by_label("Employment").get_by_role("link", name="Ines Vrabec").click()
    page.wait_for_url("**/people?person=P-2")


def test_a_link_to_a_person_leads_there_through_the_sign_in(world, browse, ines):
    page = browse(world)
    at(page, f"{world.url}/people?person=P-2&tab=timeline")
    expect(page.get_by_text("Vrabec")).to_have_count(0)
    world.sign_in(page, "portal.helpdesk@contoso.example")
    page.wait_for_url("**/people?person=P-2&tab=timeline")
    expect(page.get_by_role("heading", name="Ines Vrabec")).to_be_visible()
    expect(page.get_by_role("tab", name="Timeline")).to_have_attribute("aria-selected", "true")


def test_helpdesk_sees_no_way_to_what_it_may_not_do_and_the_backend_refuses_it(world, browse, ines):
    page = browse(world, role="Helpdesk")
    at(page, f"{world.url}/people?person=P-2&tab=timeline")
    expect(page.get_by_role("heading", name="Ines Vrabec")).to_be_visible()
    expect(page.get_by_text("Nothing differs").or_(page.get_by_text("Join")).first).to_be_visible()
    for name in ("Update", "Termination"):
        expect(page.get_by_role("link", name=name)).to_have_count(0)
    expect(page.get_by_role("button", name="Undo this event…")).to_have_count(0)
    helpdesk = world.api("Helpdesk")
    assert helpdesk.post("/hr/update", json=ines).status_code == 403
    assert helpdesk.post("/hr/termination", json=ines).status_code == 403
    operator = browse(world, role="Operator")
    at(operator, f"{world.url}/people?person=P-2")
    for name in ("Update", "Termination"):
        link = operator.get_by_role("link", name=name).and_(operator.locator("[href*='person=P-2']"))
        expect(link).to_have_count(1)


# --- why ------------------------------------------------------------------------------------------------------------


def test_what_is_held_says_by_which_rule_and_event_and_what_ends_it(world, browse):
    record = hired(world, employeeId="P-10", firstName="Ada", lastName="Whyte")
    page = browse(world, role="Helpdesk")
    at(page, f"{world.url}/people?person={record['employeeId']}")
    row = page.get_by_role("region", name="Entitlements").get_by_role("row").filter(has_text="sg-security")
    expect(row).to_contain_text("security-analysts")
    expect(row).to_contain_text("no longer rule security-analysts applies")
    event = world.api().get("/people/P-10").json()["ledger"][0]
    expect(row).to_contain_text(event["policy"])
    expect(row).to_contain_text(event["event"][:8])
    row.get_by_role("link", name="sg-security").click()
    answer = page.locator(".st-key-why-answer")
    expect(answer).to_contain_text("✔ P-10 holds group sg-security")
    expect(answer).to_contain_text("given by the platform")
    expect(answer).to_contain_text("✔ asks for it")
    expect(answer).to_contain_text("security-analysts")


def test_what_is_not_held_says_which_condition_stands_in_the_way(world, browse):
    hired(world, employeeId="P-11", firstName="Bo", lastName="Whynot", department="Sales")
    page = browse(world, role="Helpdesk")
    at(page, f"{world.url}/people?person=P-11")
    name = page.get_by_role("combobox", name="Name, as the policy writes it")
    name.click()
    name.fill("sg-security")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Ask").click()
    answer = page.locator(".st-key-why-answer")
    expect(answer).to_contain_text("✖ P-11 does not hold group sg-security")
    expect(answer).to_contain_text('person.department == "Security" is false')
    # Of what nobody ever heard it is said as well, by a name that was typed.
    name.click()
    name.fill("sg-of-nobody")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Ask").click()
    expect(answer).to_contain_text('the tenant has no group "sg-of-nobody"')


# --- the timeline ---------------------------------------------------------------------------------------------------


def test_the_timeline_tells_a_hire_and_a_move_with_before_and_after(world, browse):
    record = hired(world, employeeId="P-20", firstName="Cleo", lastName="Mover")
    moved(world, record, department="Sales")
    page = browse(world, role="Auditor")
    at(page, f"{world.url}/people?person=P-20&tab=timeline")
    entries = page.locator("details")
    expect(entries).to_have_count(2)
    expect(entries.nth(0)).to_contain_text("Move · ✔ done · 2 steps")
    expect(entries.nth(1)).to_contain_text("Join · ✔ done")
    said = entries.nth(0).get_by_role("region", name="What HR said anew").get_by_role("row")
    expect(said.filter(has_text="department")).to_contain_text("SecuritySales")
    steps = entries.nth(0).get_by_role("region", name="Steps").get_by_role("row")
    changed = steps.filter(has_text="~ changes")
    expect(changed).to_contain_text("Security → Sales")
    expect(changed).to_contain_text("✔ done")
    taken = steps.filter(has_text="- takes")
    expect(taken).to_contain_text("sg-security")
    expect(taken).to_contain_text("rule security-analysts no longer applies")
    # By kind, and the address keeps it.
    page.get_by_role("button", name="Join", exact=True).click()
    expect(entries).to_have_count(1)
    page.wait_for_url("**kind=join*")
    page.reload()
    settled(page)
    expect(page.locator("details")).to_have_count(1)
    expect(page.locator("details")).to_contain_text("Join")


def test_an_event_has_an_address_of_its_own(world, browse):
    record = hired(world, employeeId="P-21", firstName="Dora", lastName="Link")
    moved(world, record, jobTitle="Lead")
    events = {one["kind"]: one["event"] for one in world.api().get("/people/P-21/timeline").json()}
    page = browse(world, role="Auditor")
    at(page, f"{world.url}/people?person=P-21&tab=timeline&event={events['join']}")
    expect(page.locator("details")).to_have_count(1)
    expect(page.locator("details")).to_contain_text("dora.link@contoso.example")
    page.get_by_role("link", name="Show the whole timeline").click()
    expect(page.locator("details")).to_have_count(2)


def test_what_is_to_come_is_said_with_its_day(world, browse):
    hired(world, employeeId="P-22", firstName="Ewa", lastName="Leaver", lastDay="2027-01-29")
    page = browse(world, role="Helpdesk")
    at(page, f"{world.url}/people?person=P-22&tab=next")
    coming = page.get_by_role("region", name="What is to come")
    expect(coming).to_contain_text("2027-01-30")
    expect(coming).to_contain_text("The last day is over: access ends")
    at(page, f"{world.url}/people?search=P-22")
    expect(page.get_by_role("row").filter(has_text="Ewa Leaver")).to_contain_text("2027-01-29: last day")


# --- drift and undo -------------------------------------------------------------------------------------------------


def test_what_somebody_else_gave_is_taken_and_an_undo_gives_it_back(world, browse):
    hired(world, employeeId="P-30", firstName="Finn", lastName="Drift")
    user_id, _ = account(world, "P-30")
    put_in(world, user_id, "sg-engineering")
    page = browse(world, role="Operator")
    at(page, f"{world.url}/people?person=P-30&tab=drift")
    row = page.get_by_role("region", name="Drift").get_by_role("row").filter(has_text="sg-engineering")
    expect(row).to_contain_text("+ foreign")
    do = page.get_by_role("button", name="Bring it back")
    expect(do).to_be_disabled()
    page.get_by_text("Take group sg-engineering").click()
    _filled(page, "Reason", "nobody asked for it")
    expect(do).to_be_disabled()
    _filled(page, "Type the worker id to confirm", "P-3")
    expect(do).to_be_disabled()
    assert "sg-engineering" in groups(world, user_id)
    _filled(page, "Type the worker id to confirm", "P-30")
    do.click()
    expect(page.get_by_text("Done.", exact=True)).to_be_visible()
    eventually(lambda: "sg-engineering" not in groups(world, user_id), "it was not taken")

    at(page, f"{world.url}/people?person=P-30&tab=timeline")
    entry = page.locator("details").filter(has_text="Revert")
    expect(entry).to_contain_text("nobody asked for it")
    expect(entry).to_contain_text("portal.operator@contoso.example")
    entry.get_by_role("button", name="Undo this event…").click()
    panel = page.locator(".st-key-undo-panel")
    expect(panel.get_by_role("region", name="What undoing would do")).to_contain_text("sg-engineering")
    do = panel.get_by_role("button", name="Undo it")
    expect(do).to_be_disabled()
    _filled(panel, "Reason", "it was needed")
    _filled(panel, "Type the worker id to confirm", "P-30")
    assert "sg-engineering" not in groups(world, user_id)
    do.click()
    eventually(lambda: "sg-engineering" in groups(world, user_id), "it was not given back")
    assert groups(world, user_id) == {"All Staff", "sg-security", "sg-engineering"}


def test_steps_that_nothing_undoes_are_said_and_what_policy_would_do_again_is_refused(world, browse):
    record = hired(world, employeeId="P-31", firstName="Gus", lastName="Gone")
    record = {**record, "status": "Terminated", "isNewHire": False}
    told = world.api().post("/hr/termination", json=record, params={"wait": SECONDS})
    assert told.json()["state"] == "done", told.text
    leave = next(one for one in world.api().get("/people/P-31/timeline").json() if "leave" in one["kind"])
    page = browse(world, role="Operator")
    at(page, f"{world.url}/people?person=P-31&tab=timeline&undo={leave['event']}")
    panel = page.locator(".st-key-undo-panel")
    expect(panel).to_contain_text("ended sessions do not come back")
    expect(panel).to_contain_text("nobody knows the password of before")
    expect(panel).to_contain_text("according to HR the person is not at work")
    expect(panel.get_by_role("button", name="Undo it")).to_be_disabled()
    assert world.user("gus.gone@contoso.example")["accountEnabled"] is False


def test_a_deleted_account_is_restored_by_who_means_it(world, browse):
    hired(world, employeeId="P-32", firstName="Hal", lastName="Back")
    user_id, _ = account(world, "P-32")
    assert world.api().delete(f"/graph/users/{user_id}").is_success
    page = browse(world, role="Operator")
    at(page, f"{world.url}/people?person=P-32")
    expect(page.get_by_role("region", name="Accounts")).to_contain_text("✖ the account is not there")
    page.get_by_text("Restore the deleted account").click()
    _filled(page, "Reason", "deleted by mistake")
    _filled(page, "Type the worker id to confirm", "P-32")
    page.get_by_role("button", name="Restore the account").click()
    expect(page.get_by_role("region", name="Accounts")).not_to_contain_text("not there")
    assert eventually(lambda: world.user("hal.back@contoso.example"))["id"] == user_id


def test_failed_work_is_said_and_tried_again_by_who_may(world, browse):
    record = hired(world, employeeId="P-40", firstName="Ida", lastName="Parked")
    user_id, _ = account(world, "P-40")
    faults = f"{world.env['SANDBOX_AUTHORITY']}/_sandbox/faults"
    refuses = {
        "method": "PATCH",
        "path": f"/users/{user_id}",
        "times": 100,
        "effect": {"kind": "status", "status": 400},
    }
    assert httpx.post(faults, json=refuses, timeout=30).is_success
    told = world.api().post("/hr/update", json={**record, "jobTitle": "Lead"}, params={"wait": SECONDS})
    assert told.json()["state"] == "failed"
    viewer = browse(world, role="Helpdesk")
    at(viewer, f"{world.url}/people?person=P-40&tab=timeline")
    expect(viewer.get_by_role("alert")).to_contain_text("The last change failed and was set aside")
    expect(viewer.get_by_role("region", name="Steps").first).to_contain_text("✖ failed")
    expect(viewer.get_by_text("can try it again").first).to_be_visible()
    expect(viewer.get_by_role("button", name="Do it")).to_have_count(0)
    assert httpx.delete(faults, timeout=30).is_success
    page = browse(world, role="Operator")
    at(page, f"{world.url}/people?person=P-40")
    page.get_by_text("Try it again", exact=True).click()
    _filled(page, "Reason", "the tenant is well again")
    page.get_by_role("button", name="Do it").click()
    eventually(lambda: world.user("ida.parked@contoso.example")["jobTitle"] == "Lead", "it was not done")


def _filled(place, label, value):
    """Types into a field, and waits until the page has taken it."""
    field = place.get_by_role("textbox", name=label)
    field.fill(value)
    field.press("Tab")
    settled(field.page)


# --- the logic of the page, without a browser -----------------------------------------------------------------------


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
