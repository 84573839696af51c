"""New Hire: from the form to the tenant."""

from __future__ import annotations

import json
import re

import httpx
import pytest
from forms import box, fill, fill_day, newcomer, press, serious, table
from playwright.sync_api import expect
from portal import at, settled
from serving import eventually, state
from streamlit.testing.v1 import AppTest

ROSA = {
    "employeeId": "H-1001",
    "firstName": "Rosa",
    "lastName": "Bossard",
    "department": "Audit",
    "jobTitle": "Head of Audit",
    "country": "AU",
    "hireDate": "2024-01-08",
}


def groups_of(world, upn):
    tenant = state(world.env)
    user = world.user(upn)
    with world.api("Operator") as api:
        held = api.get(f"/graph/users/{user['id']}/groups").json()["value"]
    assert tenant["users"]
    return {group["displayName"] for group in held}


def test_a_joiner_comes_from_the_form_to_the_tenant_as_the_plan_says(world, browse):
    world.hired(ROSA)
    page = browse(world, "Operator")
    at(page, f"{world.url}/new-hire")
    newcomer(page, "H-1003", "Mei", "Newfield", day="2026-01-05")
    # A part of the name is enough to find the manager, who is then shown by name.
    fill(page, "hire-managerId", "Bossard")
    press(page, "Choose Rosa Bossard · Head of Audit · H-1001")
    expect(box(page, "hire-managerId")).to_have_value("H-1001")
    expect(page.get_by_text("✔ Rosa Bossard · Head of Audit · H-1001")).to_be_visible()

    press(page, "Show plan")
    plan = table(page, "Plan for Mei Newfield")
    expect(plan).to_contain_text("mei.newfield@contoso.example")
    expect(plan.get_by_role("row").filter(has_text="sg-security")).to_contain_text("+ gives")
    expect(plan.get_by_role("row").filter(has_text="sg-security")).to_contain_text("rule security-analysts")
    assert world.user("mei.newfield@contoso.example") is None, "a plan does nothing"
    assert not serious(page)

    press(page, "Hire Mei Newfield")
    expect(page.get_by_text("Done.", exact=True)).to_be_visible()
    page.wait_for_url(re.compile(r"/new-hire\?job=e[0-9a-f]{32}$"))
    steps = table(page, "Steps")
    expect(steps.get_by_role("row").filter(has_text="sg-security")).to_contain_text("✔ done")
    user = world.user("mei.newfield@contoso.example")
    assert (user["accountEnabled"], user["department"], user["employeeId"]) == (
        True,
        "Security",
        "H-1003",
    )
    assert {"All Staff", "sg-security"} <= groups_of(world, "mei.newfield@contoso.example")
    expect(page.get_by_role("link", name="Open the page of Mei Newfield")).to_have_attribute(
        "href", "/people?person=H-1003"
    )
    assert not serious(page)
    # Nothing is left of it in the form of the next one.
    press(page, "Hire somebody else")
    expect(box(page, "hire-employeeId")).to_have_value("")
    assert "job=" not in page.url


def test_what_is_missing_or_wrong_is_said_beside_its_field_and_nothing_is_sent(world, browse):
    world.hired(ROSA)
    page = browse(world, "Operator")
    at(page, f"{world.url}/new-hire")
    expect(page.get_by_text("is missing")).to_have_count(0)
    press(page, "Show plan")
    summary = page.get_by_role("alert").filter(has_text="things to mend first")
    for said in (
        "Worker id is missing.",
        "First day is missing.",
        "Country of work is missing.",
        "a last name or both",
    ):
        expect(summary).to_contain_text(said)
        expect(page.get_by_text(f"✖ {said}" if said.endswith("missing.") else said).first).to_be_visible()
    assert not serious(page)
    fill(page, "hire-employeeId", "somebody@example.org")
    expect(page.get_by_text("✖ The worker id is HR's number of a person, never a mail address")).to_be_visible()
    fill(page, "hire-employeeId", "H-1001")
    expect(page.get_by_text("✖ H-1001 is taken: it is Rosa Bossard.")).to_be_visible()
    expect(page.get_by_role("link", name="Update Rosa Bossard instead")).to_have_attribute(
        "href", "/update?person=H-1001"
    )
    fill(page, "hire-employeeId", "H-1004")
    expect(page.get_by_text("is taken")).to_have_count(0)
    fill_day(page, "hire-hireDate", "2062-02-01")
    expect(page.get_by_text("is the year right?")).to_be_visible()
    fill(page, "hire-managerId", "H-1004")
    expect(page.get_by_text("✖ Nobody is their own manager.")).to_be_visible()
    press(page, "Show plan")
    expect(page.get_by_role("heading", name="Plan", exact=True)).to_have_count(0)
    with world.api() as api:
        assert api.get("/people/H-1004").status_code == 404


def test_a_first_day_to_come_is_kept_for_then_and_shown_as_what_comes_next(world, browse):
    page = browse(world, "Operator")
    at(page, f"{world.url}/new-hire")
    newcomer(page, "H-1005", "Ana", "Silva", day="2027-03-01")
    press(page, "Show plan")
    expect(page.get_by_text("The first day is 2027-03-01.")).to_be_visible()
    press(page, "Hire Ana Silva")
    expect(page.get_by_text("Done.", exact=True)).to_be_visible()
    expect(table(page, "What comes next")).to_contain_text("2027-03-01")
    expect(page.get_by_text("○ expected")).to_be_visible()
    assert world.user("ana.silva@contoso.example") is None


def test_a_reload_in_the_middle_follows_on(own_world, browse):
    world = own_world()
    page = browse(world, "Operator")
    at(page, f"{world.url}/new-hire")
    newcomer(page, "H-1006", "Ada", "Reload", day="2026-01-05")
    press(page, "Show plan")
    page.get_by_role("button", name="Hire Ada Reload").wait_for()
    world.sandbox.fault("slow", method="POST", path="**", millis=4000)
    world.sandbox.fault("slow", method="PATCH", path="**", millis=4000)
    press(page, "Hire Ada Reload")
    page.wait_for_url(re.compile(r"job=e[0-9a-f]{32}$"))
    expect(page.get_by_text("It is carried out.").or_(page.get_by_text("Accepted.")).first).to_be_visible()
    page.reload()
    expect(page.get_by_role("heading", name="What becomes of it")).to_be_visible()
    assert not page.get_by_text("Done.", exact=True).is_visible(), "it was over before the reload"
    world.sandbox.clear_faults()
    expect(page.get_by_text("Done.", exact=True)).to_be_visible()
    expect(page.get_by_role("button", name="Hire somebody else")).to_be_visible()
    assert world.user("ada.reload@contoso.example")["accountEnabled"] is True


def test_what_failed_is_tried_again_with_a_reason(own_world, browse):
    world = own_world()
    page = browse(world, "Operator")
    at(page, f"{world.url}/new-hire")
    newcomer(page, "H-1007", "Eva", "Again", day="2026-01-05")
    press(page, "Show plan")
    page.get_by_role("button", name="Hire Eva Again").wait_for()
    world.sandbox.fault("status", method="POST", path="**/users", status=400)
    press(page, "Hire Eva Again")
    expect(page.get_by_text("It failed and was set aside.")).to_be_visible()
    again = page.get_by_role("button", name="Try the failed steps again")
    expect(again).to_be_disabled()
    assert world.user("eva.again@contoso.example") is None
    world.sandbox.clear_faults()
    fill(page, "hire-job-reason", "the tenant takes users again")
    again.click()
    expect(page.get_by_text("Done.", exact=True)).to_be_visible()
    assert world.user("eva.again@contoso.example")["accountEnabled"] is True
    with world.api("Auditor") as api:
        decided = [json.loads(line) for line in api.get("/audit").text.splitlines()]
        assert [one["deed"] for one in decided].count("requeued") == 1


def test_what_was_typed_comes_back_after_the_sign_in_has_ended_in_the_middle(own_world, browse):
    world = own_world()
    page = browse(world)
    world.sandbox.set_token_lifetime(60)
    at(page, f"{world.url}/new-hire")
    world.sign_in(page, "portal.operator@contoso.example")
    page.wait_for_url("**/new-hire")
    settled(page)
    fill(page, "hire-employeeId", "H-1008")
    fill(page, "hire-firstName", "Before")
    fill_day(page, "hire-hireDate", "2026-01-05")
    world.sandbox.set_token_lifetime(3599)
    over = page.get_by_text("Your sign-in has expired.")
    number = iter(range(1000))

    def ended():
        fill(page, "hire-department", f"Security {next(number)}")
        return over.first.is_visible()

    eventually(ended, "the sign-in did not end")
    fill(page, "hire-lastName", "After")
    press(page, "Sign in again")
    # Entra knows the browser still, and asks which account.
    page.get_by_role("button", name="portal.operator@contoso.example").click()
    page.wait_for_url(f"{world.url}/new-hire")
    expect(page.get_by_text("What you had typed is back.")).to_be_visible()
    for field, value in (
        ("employeeId", "H-1008"),
        ("firstName", "Before"),
        ("lastName", "After"),
    ):
        expect(box(page, f"hire-{field}")).to_have_value(value)
    expect(box(page, "hire-hireDate")).to_have_value(re.compile(r"2026\D*01\D*05"))
    expect(over).to_have_count(0)
    assert httpx.get(f"{world.backend.url}/drafts/new-hire").status_code == 401


# --- the page's logic -----------------------------------------------------------------------------------------------


def the_page():
    from iam_platform.ui.pages.hire import hire

    hire.shown()()


def plan_of(*steps, hash_="one"):
    return {
        "hash": hash_,
        "steps": len(steps),
        "guard": [],
        "findings": [],
        "people": [
            {
                "person": "W-9",
                "record": {"given_name": "Ada", "family_name": "Ek"},
                "kind": "join",
                "plan": {"hash": hash_, "steps": list(steps)},
                "steps": list(steps),
                "notes": [],
            }
        ],
    }


BLOCK = {
    "id": "b",
    "kind": "block_sign_in",
    "target": "graph",
    "why": "because",
    "risk": "elevated",
}
ALLOW = {
    "id": "a",
    "kind": "allow_sign_in",
    "target": "graph",
    "why": "because",
    "risk": "low",
}


@pytest.fixture
def filled(fake_session):
    """The form, with everything that it needs."""
    at_ = AppTest.from_function(the_page, default_timeout=60)
    at_.run()
    at_.text_input(key="hire-employeeId").set_value("W-9")
    at_.text_input(key="hire-firstName").set_value("Ada")
    at_.text_input(key="hire-lastName").set_value("Ek")
    at_.date_input(key="hire-hireDate").set_value("2026-01-05")
    at_.selectbox(key="hire-country").set_value("SE")
    return at_.run()


def posts(fake):
    return [one for one in fake.asked if one[0] == "post"]


def test_the_same_request_is_sent_under_one_key_however_often_the_button_is_pressed(fake_session, filled):
    from iam_platform.ui.backend import AwayError

    fake_session.answers["post", "/hr/plan"] = plan_of(ALLOW)
    fake_session.answers["post", "/hr/new-hire"] = AwayError(0, "The backend does not answer", "Try again.")
    filled.button(key="hire-plan").click().run()
    filled.button(key="hire-send").click().run()
    assert any("does not answer" in one.value for one in filled.error)
    filled.button(key="hire-send").click().run()
    sent = [one for one in posts(fake_session) if one[1] == "/hr/new-hire"]
    assert len(sent) == 2
    assert sent[0][2] == {
        "employeeId": "W-9",
        "firstName": "Ada",
        "lastName": "Ek",
        "country": "SE",
        "hireDate": "2026-01-05",
        "status": "Active",
    }
    assert sent[0][3]["headers"] == sent[1][3]["headers"]
    assert sent[0][3]["headers"]["Idempotency-Key"]


def test_a_plan_that_has_changed_is_shown_again_before_anything_is_sent(fake_session, filled):
    plans = iter(
        (
            plan_of(ALLOW),
            plan_of(ALLOW, BLOCK, hash_="two"),
            plan_of(ALLOW, BLOCK, hash_="two"),
        )
    )
    fake_session.answers["post", "/hr/plan"] = lambda *_, **__: next(plans)
    fake_session.answers["post", "/hr/new-hire"] = {
        "id": "e" + "0" * 32,
        "state": "accepted",
        "kind": "event",
    }
    filled.button(key="hire-plan").click().run()
    filled.button(key="hire-send").click().run()
    assert any("The plan has changed" in one.value for one in filled.warning)
    assert not [one for one in posts(fake_session) if one[1] == "/hr/new-hire"]
    # It takes something away now: that is confirmed by the worker id.
    assert filled.button(key="hire-send").disabled
    filled.text_input(key="hire-typed").set_value("W-9").run()
    filled.button(key="hire-send").click().run()
    assert [one[1] for one in posts(fake_session)][-1] == "/hr/new-hire"
    assert filled.query_params["job"] == "e" + "0" * 32


def test_a_form_that_changes_after_the_plan_needs_another_plan(fake_session, filled):
    fake_session.answers["post", "/hr/plan"] = plan_of(ALLOW)
    filled.button(key="hire-plan").click().run()
    assert [one for one in filled.button if one.key == "hire-send"]
    filled.text_input(key="hire-department").set_value("Sales").run()
    assert not [one for one in filled.button if one.key == "hire-send"]
    assert any("The form has changed" in one.value for one in filled.info)


def test_what_the_guard_stops_is_said_above_the_plan(fake_session, filled):
    fake_session.answers["post", "/hr/plan"] = plan_of(ALLOW) | {"guard": ["max_joiners: *2* of 1"]}
    filled.button(key="hire-plan").click().run()
    assert any("max\\_joiners" in one.value and "\\*2\\*" in one.value for one in filled.error)


def test_somebody_who_has_left_may_join_again_under_the_old_id(fake_session, filled):
    fake_session.answers["get", "/people/W-9"] = {
        "person": "W-9",
        "record": {"given_name": "Ada", "family_name": "Ek"},
        "lifecycle": "disabled",
    }
    fake_session.answers["post", "/hr/plan"] = plan_of(ALLOW)
    filled.session_state["_people"] = {}
    filled.button(key="hire-plan").click().run()
    assert any("who has left" in one.value for one in filled.info)
    assert [one for one in filled.button if one.key == "hire-send"]


def test_the_draft_is_the_backends_and_gone_once_the_request_was_taken(fake_session, filled):
    kept = [one for one in fake_session.asked if one[:2] == ("put", "/drafts/new-hire")][-1][2]
    assert kept["hire-firstName"] == "Ada"
    assert kept["hire-hireDate"] == {"date": "2026-01-05"}
    assert not [name for name in kept if "typed" in name]
    fake_session.answers["post", "/hr/plan"] = plan_of(ALLOW)
    fake_session.answers["post", "/hr/new-hire"] = {
        "id": "e" + "0" * 32,
        "state": "accepted",
        "kind": "event",
    }
    filled.button(key="hire-plan").click().run()
    filled.button(key="hire-send").click().run()
    assert ("delete", "/drafts/new-hire", {}) in fake_session.asked
