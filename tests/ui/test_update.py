"""Update: what differs, what follows from it, and changes that are announced."""

from __future__ import annotations

import re

import pytest
from forms import box, fill, fill_day, press, table
from playwright.sync_api import expect
from portal import at
from streamlit.testing.v1 import AppTest

KIM = {
    "employeeId": "U-1",
    "firstName": "Kim",
    "lastName": "Updated",
    "department": "Security",
    "jobTitle": "Analyst",
    "location": "Perth",
    "country": "AU",
    "costCenter": "CC-7",
    "hireDate": "2024-01-08",
}


def groups_of(world, upn):
    with world.api("Operator") as api:
        held = api.get(f"/graph/users/{world.user(upn)['id']}/groups").json()["value"]
    return {group["displayName"] for group in held}


def test_a_change_shows_what_differs_and_what_follows_and_reaches_the_tenant(world, browse):
    upn = world.hired(KIM)
    assert "sg-security" in groups_of(world, upn)
    page = browse(world, "Operator")
    at(page, f"{world.url}/update")
    fill(page, "update-search", "updat")
    press(page, "Choose")
    page.wait_for_url("**/update?person=U-1")
    expect(box(page, "update-department")).to_have_value("Security")
    expect(page.get_by_text("Nothing differs from the record yet.")).to_be_visible()
    expect(page.get_by_role("button", name="Show plan")).to_have_count(0)
    fill(page, "update-department", "Sales")
    differs = table(page, "What differs from the record")
    expect(differs.get_by_role("row").filter(has_text="Department")).to_have_text(
        re.compile("Department.*Security.*Sales")
    )

    press(page, "Show plan")
    row = table(page, "Plan for Kim Updated").get_by_role("row").filter(has_text="sg-security")
    expect(row).to_contain_text("- takes")
    expect(row).to_contain_text("rule security-analysts no longer applies")
    send = page.get_by_role("button", name="Update Kim Updated")
    expect(send).to_be_disabled()
    fill(page, "update-typed", "U-2")
    expect(send).to_be_disabled()
    fill(page, "update-typed", "U-1")
    assert "sg-security" in groups_of(world, upn)
    send.click()
    expect(page.get_by_text("Done.", exact=True)).to_be_visible()
    user = world.user(upn)
    assert (user["department"], user["officeLocation"]) == ("Sales", "Perth")
    assert "sg-security" not in groups_of(world, upn)
    with world.api() as api:
        # The whole record was sent: what the form does not show first is still known.
        assert api.get("/people/U-1").json()["record"]["cost_center"] == "CC-7"


def test_a_change_from_a_day_to_come_waits_for_it_and_can_be_called_off(world, browse):
    upn = world.hired(KIM, employeeId="U-3", firstName="Lea", lastName="Later")
    page = browse(world, "Operator")
    at(page, f"{world.url}/update?person=U-3")
    fill(page, "update-department", "Sales")
    page.get_by_text("From a day to come").click()
    expect(page.get_by_text("Choose the day, to see the plan.")).to_be_visible()
    fill_day(page, "update-day", "2099-03-01")
    press(page, "Show plan")
    expect(page.get_by_text("It counts from 2099-03-01.")).to_be_visible()
    fill(page, "update-typed", "U-3")
    press(page, "Update Lea Later")
    expect(page.get_by_text("Done.", exact=True)).to_be_visible()
    expect(table(page, "What comes next")).to_contain_text("2099-03-01")
    assert world.user(upn)["department"] == "Security"
    assert "sg-security" in groups_of(world, upn)

    # Somebody else calls it off.
    other = browse(world, "Admin")
    at(other, f"{world.url}/update?person=U-3")
    expect(other.get_by_text("From 2099-03-01: changes.")).to_be_visible()
    press(other, "Call it off")
    press(other, "Yes, call it off")
    other.wait_for_url(re.compile(r"job=e[0-9a-f]{32}"))
    expect(other.get_by_text("Done.", exact=True)).to_be_visible()
    at(other, f"{world.url}/update?person=U-3")
    expect(box(other, "update-department")).to_have_value("Security")
    expect(other.get_by_text("2099-03-01")).to_have_count(0)
    with world.api() as api:
        assert not (api.get("/people/U-3").json()["waiting"]["at"] or "").startswith("2099")


def test_what_was_typed_is_kept_over_a_reload_and_never_given_to_somebody_else(world, browse):
    world.hired(KIM, employeeId="U-4", firstName="Max", lastName="Kept")
    world.hired(KIM, employeeId="U-5", firstName="Nia", lastName="Other")
    page = browse(world, "Operator")
    at(page, f"{world.url}/update?person=U-4")
    fill(page, "update-jobTitle", "Chief")
    fill(page, "update-location", "")
    with world.api() as api:
        assert api.get("/people/U-4").json()["record"]["location"] == "Perth"
    page.reload()
    expect(box(page, "update-jobTitle")).to_have_value("Chief")
    expect(box(page, "update-location")).to_have_value("")
    differs = table(page, "What differs from the record")
    expect(differs.get_by_role("row").filter(has_text="Location")).to_contain_text("(empty)")
    at(page, f"{world.url}/update?person=U-5")
    expect(box(page, "update-jobTitle")).to_have_value("Analyst")
    expect(box(page, "update-location")).to_have_value("Perth")
    expect(page.get_by_text("Nothing differs from the record yet.")).to_be_visible()


# --- the page's logic -----------------------------------------------------------------------------------------------


def the_page():
    from iam_platform.ui.pages.update import update

    update.shown()()


RECORD = {
    "employee_id": "W-9",
    "status": "active",
    "given_name": "Ada",
    "family_name": "Ek",
    "department": "Audit",
    "country": "SE",
    "worker_type": "Contractor",
    "hire_date": "2024-01-08",
    "email": "ada@example.org",
    "time_zone": "Europe/Stockholm",
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


@pytest.fixture
def open_page(fake_session):
    """The page about somebody."""
    fake_session.answers["get", "/people/W-9"] = PERSON
    fake_session.answers["post", "/hr/plan"] = NO_PLAN

    def opened():
        page = AppTest.from_function(the_page, default_timeout=60)
        page.query_params["person"] = "W-9"
        return page.run()

    return opened


def sent(fake, page):
    """What is sent for what the page says now."""
    job = {"id": "e" + "0" * 32, "kind": "event", "state": "accepted"}
    fake.answers["post", "/hr/update"] = fake.answers["post", "/hr/events"] = job
    page.button(key="update-plan").click().run()
    page.button(key="update-send").click().run()
    _, path, body, _ = [one for one in fake.asked if one[0] == "post"][-1]
    return path, body


WHOLE = {
    "employeeId": "W-9",
    "firstName": "Ada",
    "lastName": "Ek",
    "department": "Audit",
    "country": "SE",
    "workerType": "Contractor",
    "hireDate": "2024-01-08",
    "email": "ada@example.org",
    "timeZone": "Europe/Stockholm",
    "status": "Active",
}


def test_the_whole_record_is_sent_with_what_has_changed(fake_session, open_page):
    page = open_page()
    page.text_input(key="update-department").set_value("").run()
    path, body = sent(fake_session, page)
    assert path == "/hr/update"
    assert body == {name: text for name, text in WHOLE.items() if name != "department"}


@pytest.mark.parametrize(
    ("key", "value", "kind"),
    [
        ("lastName", "Berg", "rename"),
        ("department", "Sales", "move"),
        ("workerType", "Employee", "convert"),
        ("status", "On Leave", "suspend"),
    ],
)
def test_what_counts_from_a_day_to_come_is_told_as_the_event_that_it_is(fake_session, open_page, key, value, kind):
    page = open_page()
    widget = page.selectbox if key == "status" else page.text_input
    widget(key=f"update-{key}").set_value(value)
    page.radio(key="update-when").set_value("From a day to come").run()
    page.date_input(key="update-day").set_value("2099-03-01").run()
    path, body = sent(fake_session, page)
    assert path == "/hr/events"
    assert (body["person"], body["kind"], body["effective"]) == (
        "W-9",
        kind,
        "2099-03-01",
    )
    assert body["record"] == WHOLE | {key: value}


def test_somebody_who_has_left_is_not_updated_but_hired_again(fake_session, open_page):
    fake_session.answers["get", "/people/W-9"] = PERSON | {"lifecycle": "disabled"}
    page = open_page()
    assert not page.text_input
    assert any("has left" in one.value for one in page.info)


def test_a_last_day_that_was_said_stays_said(fake_session, open_page):
    leaving = RECORD | {"status": "terminated", "last_day": "2099-12-24"}
    fake_session.answers["get", "/people/W-9"] = PERSON | {
        "lifecycle": "leaving",
        "record": leaving,
    }
    page = open_page()
    page.text_input(key="update-department").set_value("Sales").run()
    path, body = sent(fake_session, page)
    assert (path, body["status"], body["lastDay"]) == (
        "/hr/update",
        "Active",
        "2099-12-24",
    )


def test_nobody_found_says_what_to_do(fake_session):
    fake_session.answers["get", "/people"] = {"people": [], "next": None}
    page = AppTest.from_function(the_page, default_timeout=60)
    page.query_params["person"] = "W-0"
    page.run()
    assert any("Nobody is known" in one.value for one in page.warning)
    page.text_input(key="update-search").set_value("no such").run()
    assert any("Nobody was found" in one.value for one in page.markdown)


def test_the_search_looks_by_what_was_typed(fake_session):
    fake_session.answers["get", "/people"] = {"people": [PERSON], "next": None}
    fake_session.answers["get", "/people/W-9"] = PERSON
    page = AppTest.from_function(the_page, default_timeout=60).run()
    page.text_input(key="update-search").set_value("ek").run()
    assert ("get", "/people", {"search": "ek", "limit": 20}) in fake_session.asked
    page.button(key="update-choose-W-9").click().run()
    assert page.query_params["person"] in ("W-9", ["W-9"])
    assert page.text_input(key="update-department").value == "Audit"
