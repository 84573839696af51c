"""Termination: urgent, after a last day, called off; and what stands in the way of none of them."""

from __future__ import annotations

import re

import pytest
from forms import box, fill, fill_day, press, serious, table
from playwright.sync_api import expect
from portal import at
from streamlit.testing.v1 import AppTest

LEE = {
    "employeeId": "L-1",
    "firstName": "Lee",
    "lastName": "Leaving",
    "department": "Security",
    "jobTitle": "Analyst",
    "country": "AU",
    "hireDate": "2024-01-08",
}


def test_an_urgent_termination_blocks_sign_in_in_the_tenant(world, browse):
    upn = world.hired(LEE)
    world.hired(LEE, employeeId="L-2", firstName="Ray", lastName="Reports", managerId="L-1")
    page = browse(world, "Operator")
    at(page, f"{world.url}/termination?person=L-1")
    expect(page.get_by_text("Lee Leaving").first).to_be_visible()
    expect(table(page, "What Lee Leaving holds by the platform")).to_contain_text("sg-security")
    expect(page.get_by_text("Ray Reports reports to them")).to_be_visible()
    page.get_by_text("Urgently: sign-in is blocked at once").click()
    expect(page.get_by_text("Sign-in is blocked at once, and every session ends.")).to_be_visible()
    press(page, "Show plan")
    plan = table(page, "Plan for Lee Leaving")
    expect(plan.get_by_role("row").filter(has_text="sign-in")).to_contain_text("- takes")
    send = page.get_by_role("button", name="Block and terminate Lee Leaving")
    expect(send).to_be_disabled()
    assert not serious(page)
    fill(page, "leave-typed", "L-1")
    assert world.user(upn)["accountEnabled"] is True
    send.click()
    expect(page.get_by_text("Done.", exact=True)).to_be_visible()
    page.wait_for_url(re.compile(r"job=e[0-9a-f]{32}"))
    expect(table(page, "Steps").get_by_role("row").filter(has_text="sign-in blocked")).to_contain_text("✔ done")
    assert world.user(upn)["accountEnabled"] is False
    expect(page.get_by_text("⛔ left")).to_be_visible()
    with world.api() as api:
        assert "urgent leave" in [one["kind"] for one in api.get("/people/L-1/timeline").json()]
    # There is nothing to end twice.
    at(page, f"{world.url}/termination?person=L-1")
    expect(page.get_by_text("Lee Leaving has left already.")).to_be_visible()


def test_a_last_day_to_come_ends_nothing_before_and_can_be_called_off(world, browse):
    upn = world.hired(LEE, employeeId="L-3", firstName="Uma", lastName="Undecided")
    page = browse(world, "Operator")
    at(page, f"{world.url}/termination?person=L-3")
    page.get_by_text("After a last day", exact=True).click()
    fill_day(page, "leave-day", "2020-01-01")
    press(page, "Show plan")
    expect(page.get_by_text("The last day is before the first one, 2024-01-08.").first).to_be_visible()
    fill_day(page, "leave-day", "2098-12-24")
    expect(page.get_by_text("is the year right?")).to_be_visible()
    press(page, "Show plan")
    expect(page.get_by_text("Access ends when 2098-12-24 is over where they work.")).to_be_visible()
    fill(page, "leave-typed", "L-3")
    press(page, "Terminate Uma Undecided")
    expect(page.get_by_text("Done.", exact=True)).to_be_visible()
    expect(table(page, "What comes next")).to_contain_text("2098-12-25")
    assert world.user(upn)["accountEnabled"] is True
    with world.api() as api:
        assert api.get("/people/L-3").json()["lifecycle"] == "leaving"

    at(page, f"{world.url}/termination?person=L-3")
    page.get_by_text("Not at all: call the termination off").click()
    press(page, "Show plan")
    fill_if_asked(page, "leave-typed", "L-3")
    press(page, "Keep Uma Undecided")
    expect(page.get_by_text("Done.", exact=True)).to_be_visible()
    with world.api() as api:
        person = api.get("/people/L-3").json()
    assert (person["lifecycle"], person["record"]["last_day"]) == ("active", None)
    assert person["record"]["department"] == "Security"
    assert not (person["waiting"]["at"] or "").startswith("2098")
    assert world.user(upn)["accountEnabled"] is True


def fill_if_asked(page, key, value):
    """Confirms where the plan takes something away."""
    page.get_by_role("button", name="Keep Uma Undecided").wait_for()
    if box(page, key).count():
        fill(page, key, value)


def test_somebody_who_has_not_begun_never_begins(world, browse):
    world.hired(
        LEE,
        employeeId="L-4",
        firstName="Noa",
        lastName="Never",
        hireDate="2097-01-01",
    )
    page = browse(world, "Operator")
    at(page, f"{world.url}/termination?person=L-4")
    page.get_by_text("Now", exact=True).click()
    expect(page.get_by_text("this calls the hire off")).to_be_visible()
    press(page, "Show plan")
    fill(page, "leave-typed", "L-4")
    press(page, "Terminate Noa Never")
    expect(page.get_by_text("Done.", exact=True)).to_be_visible()
    with world.api() as api:
        person = api.get("/people/L-4").json()
    assert not (person["waiting"]["at"] or "").startswith("2097")
    assert world.user("noa.never@contoso.example") is None


def test_who_may_not_terminate_finds_no_page_and_the_backend_refuses(world, browse):
    upn = world.hired(LEE, employeeId="L-5", firstName="Sam", lastName="Safe")
    page = browse(world, "Helpdesk")
    at(page, world.url)
    expect(page.get_by_role("link", name="People")).to_be_visible()
    for name in ("Termination", "New Hire", "Update"):
        expect(page.get_by_role("link", name=name, exact=True)).to_have_count(0)
    with world.api("Helpdesk") as api:
        assert api.post("/hr/termination", json=LEE | {"employeeId": "L-5"}).status_code == 403
        assert api.post("/hr/events", json={"person": "L-5", "kind": "leave", "urgent": True}).status_code == 403
    assert world.user(upn)["accountEnabled"] is True


# --- the page's logic -----------------------------------------------------------------------------------------------


def the_page():
    from iam_platform.ui.pages.termination import termination

    termination.shown()()


RECORD = {
    "employee_id": "W-9",
    "status": "active",
    "given_name": "Ada",
    "family_name": "Ek",
    "department": "Audit",
    "hire_date": "2024-01-08",
}
PERSON = {
    "person": "W-9",
    "record": RECORD,
    "lifecycle": "active",
    "accounts": {},
    "ledger": [],
    "name": "ada.ek@x.example",
}
NO_PLAN = {"hash": "h", "steps": 0, "guard": [], "findings": [], "people": []}
JOB = {"id": "e" + "0" * 32, "kind": "event", "state": "accepted"}


@pytest.fixture
def open_page(fake_session):
    """The page about somebody, with what is sent taken."""
    fake_session.answers["get", "/people/W-9"] = PERSON
    fake_session.answers["post", "/hr/plan"] = NO_PLAN
    for path in ("/hr/termination", "/hr/events", "/hr/update"):
        fake_session.answers["post", path] = JOB

    def opened(how):
        page = AppTest.from_function(the_page, default_timeout=60)
        page.query_params["person"] = "W-9"
        page.run()
        page.radio(key="leave-how").set_value(how).run()
        return page

    return opened


def posts(fake):
    return [one for one in fake.asked if one[0] == "post"]


def test_an_urgent_one_waits_for_no_plan_that_cannot_be_made(fake_session, open_page):
    from iam_platform.ui.backend import AwayError

    fake_session.answers["post", "/hr/plan"] = AwayError(503, "Service Unavailable", "the tenant cannot be read")
    page = open_page("urgent")
    page.button(key="leave-plan").click().run()
    assert any("The plan cannot be shown now" in one.value for one in page.warning)
    assert page.button(key="leave-send").disabled
    page.text_input(key="leave-typed").set_value("W-9").run()
    page.button(key="leave-send").click().run()
    _, path, body, query = posts(fake_session)[-1]
    assert (path, body) == (
        "/hr/events",
        {"person": "W-9", "kind": "leave", "urgent": True},
    )
    assert query["headers"]["Idempotency-Key"]
    assert [one[1] for one in posts(fake_session)].count("/hr/plan") == 1, "it is not planned again before it is sent"


def test_any_other_one_is_never_sent_without_its_plan(fake_session, open_page):
    from iam_platform.ui.backend import AwayError

    fake_session.answers["post", "/hr/plan"] = AwayError(503, "Service Unavailable", "the tenant cannot be read")
    page = open_page("now")
    page.button(key="leave-plan").click().run()
    assert any("the tenant cannot be read" in one.value for one in page.error)
    assert not [one for one in page.button if one.key == "leave-send"]


def test_a_last_day_is_needed_and_sent_with_the_whole_record(fake_session, open_page):
    page = open_page("after")
    page.button(key="leave-plan").click().run()
    assert any("Last day of work is missing" in one.value for one in page.error)
    assert not posts(fake_session)
    page.date_input(key="leave-day").set_value("2027-01-31").run()
    page.button(key="leave-plan").click().run()
    page.text_input(key="leave-typed").set_value("W-9").run()
    page.button(key="leave-send").click().run()
    _, path, body, _ = posts(fake_session)[-1]
    assert path == "/hr/termination"
    assert body == {
        "employeeId": "W-9",
        "firstName": "Ada",
        "lastName": "Ek",
        "department": "Audit",
        "hireDate": "2024-01-08",
        "status": "Terminated",
        "lastDay": "2027-01-31",
    }


def test_even_a_plan_that_takes_nothing_is_confirmed_by_the_worker_id(open_page):
    page = open_page("now")
    page.button(key="leave-plan").click().run()
    assert page.button(key="leave-send").disabled
    page.text_input(key="leave-typed").set_value("w-9").run()
    assert page.button(key="leave-send").disabled
    page.text_input(key="leave-typed").set_value(" W-9 ").run()
    assert not page.button(key="leave-send").disabled


def test_a_leave_that_was_told_as_an_event_is_called_off_as_one(fake_session, open_page):
    leaving = RECORD | {"status": "terminated", "last_day": "2098-12-24"}
    fake_session.answers["get", "/people/W-9"] = PERSON | {
        "lifecycle": "leaving",
        "record": leaving,
    }
    told = {
        "event": "a" * 32,
        "kind": "leave",
        "details": {"last_day": "2098-12-24"},
        "state": "done",
        "record": None,
    }
    timer = {
        "event": "b" * 32,
        "kind": "last day over",
        "details": {"timer": "leave"},
        "state": "pending",
        "due_at": "2098-12-25T00:00:00Z",
    }
    fake_session.answers["get", "/people/W-9/timeline"] = [told, timer]
    fake_session.answers["get", f"/hr/events/{'a' * 32}"] = {
        "event": "a" * 32,
        "person": "W-9",
        "kind": "leave",
        "last_day": "2098-12-24",
        "at": "2026-11-28T10:00:00Z",
    }
    fake_session.answers["post", f"/hr/events/{'a' * 32}/retract"] = JOB
    page = open_page("after")
    assert "off" not in page.radio(key="leave-how").options
    page.button(key=f"leave-off-{'a' * 32}").click().run()
    assert posts(fake_session)[-1][1] == f"/hr/events/{'a' * 32}/retract"
