"""People: found, explained, followed through time, and brought back."""

from __future__ import annotations

import httpx
import pytest
from playwright.sync_api import expect
from portal import at, settled
from serving import MEI, eventually

SECONDS = 60


def hired(world, **record):
    """Somebody of the test's own, as HR says it, once everything is done."""
    world.hired(MEI, **record)
    return {**MEI, **record}


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


def _filled(place, label, value):
    """Types into a field, and waits until the page has taken it."""
    field = place.get_by_role("textbox", name=label)
    field.fill(value)
    field.press("Tab")
    settled(field.page)


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
