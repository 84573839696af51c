"""Admin tools in a browser: what is done there is seen in the tenant, and who may not do it neither sees it nor gets it."""

from __future__ import annotations

import json
import re
import uuid

import pytest
from forms import do, type_or_choose
from playwright.sync_api import expect
from portal import at, settled
from serving import MEI, state


@pytest.fixture
def account(world):
    """An account of the test's own."""
    name = f"aid-{uuid.uuid4().hex[:8]}"
    with world.api() as admin:
        made = admin.post(
            "/graph/users/create",
            json={
                "displayName": f"*{name}*",
                "userPrincipalName": f"{name}@contoso.example",
                "usageLocation": "AU",
            },
        )
    assert made.status_code == 201, made.text
    return made.json()


def kept(world, account):
    return world.user(account["userPrincipalName"])


def choose(page, label, option):
    """One of a select box's options."""
    page.get_by_label(label).click()
    page.get_by_role("option", name=option).first.click()
    settled(page)


def test_somebody_is_signed_out_everywhere(world, browse, account):
    before = kept(world, account)["signInSessionsValidFromDateTime"]
    page = browse(world, role="Helpdesk")
    at(page, f"{world.url}/users?id={account['id']}")
    # What people call somebody is never Markdown.
    expect(page.get_by_role("heading", name=account["displayName"], exact=True)).to_be_visible()
    do(page, "Force sign-out")
    expect(page.get_by_text("is signed out everywhere")).to_be_visible()
    assert kept(world, account)["signInSessionsValidFromDateTime"] > before


@pytest.mark.parametrize(
    ("deed", "kind"), [("Temporary access pass", "temporaryAccessPass"), ("Reset password", "password")]
)
def test_what_lets_somebody_in_is_shown_once_and_kept_nowhere(world, browse, account, deed, kind):
    before = kept(world, account)
    page = browse(world, role="Helpdesk")
    at(page, f"{world.url}/users?id={account['id']}")
    dialog = do(page, deed)
    code = dialog.get_by_test_id("stCode")
    expect(code).to_be_visible()
    secret = code.inner_text().strip()
    assert len(secret) >= 8
    after = kept(world, account)
    if kind == "password":
        assert after["passwordVersion"] == before["passwordVersion"] + 1
    else:
        assert [kind in json.dumps(one) for one in after["authenticationMethods"]] == [True]
    assert secret not in page.url
    page.reload()
    settled(page)
    expect(page.get_by_role("heading", name=account["displayName"], exact=True)).to_be_visible()
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert secret not in page.content()
    for log in (world.log, world.backend.log):
        assert secret not in log.read_text()


def test_who_holds_a_directory_role_gets_no_pass_here(world, browse):
    page = browse(world, role="Helpdesk")
    at(page, f"{world.url}/users?id=break-glass@contoso.example")
    dialog = do(page, "Temporary access pass")
    expect(dialog.get_by_text("You may not do that.")).to_be_visible()
    assert world.user("break-glass@contoso.example")["authenticationMethods"] == []


def test_a_deleted_account_comes_back(world, browse, account):
    with world.api() as admin:
        assert admin.delete(f"/graph/users/{account['id']}").status_code == 204
    assert kept(world, account) is None
    page = browse(world, role="Operator")
    at(page, f"{world.url}/users?show=deleted")
    expect(page.get_by_role("region", name="Deleted accounts")).to_contain_text(account["displayName"])
    choose(page, "Account to restore", account["displayName"])
    do(page, "Restore")
    expect(page.get_by_text("is restored")).to_be_visible()
    assert kept(world, account)["id"] == account["id"]


def test_blocking_needs_the_name_and_letting_in_another_role(world, browse, account):
    page = browse(world, role="Helpdesk")
    at(page, f"{world.url}/users?id={account['userPrincipalName']}")
    dialog = do(page, "Block sign-in", typed="somebody else")
    expect(dialog.get_by_text("Nothing was done.")).to_be_visible()
    assert kept(world, account)["accountEnabled"] is True
    dialog.get_by_label("to confirm").fill(account["userPrincipalName"])
    dialog.get_by_role("button", name="Confirm").click()
    expect(page.get_by_text("is blocked and signed out")).to_be_visible()
    assert kept(world, account)["accountEnabled"] is False
    expect(page.get_by_role("button", name="Allow sign-in")).to_have_count(0)
    operator = browse(world, role="Operator")
    at(operator, f"{world.url}/users?id={account['id']}")
    do(operator, "Allow sign-in")
    expect(operator.get_by_text("can sign in.")).to_be_visible()
    assert kept(world, account)["accountEnabled"] is True


def test_a_licence_is_given_and_taken(world, browse, account):
    page = browse(world, role="Operator")
    at(page, f"{world.url}/users?id={account['id']}")
    expect(page.get_by_text("No licence is held.").first).to_be_visible()
    choose(page, "Licence to give", "SPE_E5")
    do(page, "Give licence")
    expect(page.get_by_role("region", name="Licences held")).to_contain_text("SPE_E5")
    assert kept(world, account)["licenses"] == ["SPE_E5"]
    do(page, "Take licence")
    expect(page.get_by_text("has SPE_E5 no more")).to_be_visible()
    assert kept(world, account)["licenses"] == []


def test_users_are_found_by_name_by_sign_in_name_and_by_worker_id(world, browse):
    page = browse(world, role="Helpdesk")
    table = page.get_by_role("region", name="Accounts")
    for sought in ("Becker", "tom.bec@", "W-1011"):
        at(page, f"{world.url}/users?search={sought if '@' not in sought else 'tom.becker@contoso'}")
        expect(table.get_by_role("link")).to_have_text(["Tom Becker"])
    page.get_by_label("Search").fill("Nobody Whatsoever")
    page.keyboard.press("Enter")
    expect(page.get_by_text("No account is like that.")).to_be_visible()
    page.wait_for_url("**/users?search=Nobody*")


def test_a_group_gets_a_member_and_says_why_others_do_not(world, browse, account):
    page = browse(world, role="Operator")
    name = f"sg-{uuid.uuid4().hex[:8]}"
    at(page, f"{world.url}/groups")
    page.get_by_role("button", name="New group").click()
    page.get_by_role("dialog").get_by_label("Name", exact=True).fill(name)
    page.get_by_role("dialog").get_by_role("button", name="Confirm").click()
    expect(page.get_by_text("The group is made.")).to_be_visible()
    at(page, f"{world.url}/groups?search={name}")
    page.get_by_role("link", name=name).click()
    expect(page.get_by_text("Nobody is in this group.")).to_be_visible()
    page.get_by_role("button", name="Add member").click()
    page.get_by_role("dialog").get_by_label("Sign-in name").fill(account["userPrincipalName"])
    page.get_by_role("dialog").get_by_role("button", name="Confirm").click()
    expect(page.get_by_role("region", name="Members")).to_contain_text(account["userPrincipalName"])
    assert name in kept(world, account)["groups"]
    do(page, "Remove member")
    expect(page.get_by_text("is no longer in")).to_be_visible()
    assert kept(world, account)["groups"] == []
    do(page, "Delete group", typed=name)
    expect(page.get_by_text("is deleted")).to_be_visible()
    assert name not in [group["displayName"] for group in state(world.env)["groups"]]

    at(page, f"{world.url}/groups?search=Sydney Everyone")
    page.get_by_role("link", name="Sydney Everyone").click()
    expect(page.get_by_text("Its rule decides who is in it")).to_be_visible()
    expect(page.get_by_role("button", name="Add member")).to_be_disabled()


def test_a_directory_role_is_given_and_taken_by_whom_it_is_for(world, browse, account):
    page = browse(world, role="Admin")
    at(page, f"{world.url}/roles")
    page.get_by_role("button", name="Give role").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Sign-in name").fill(account["userPrincipalName"])
    # No role stands there before somebody has named one.
    dialog.get_by_role("button", name="Confirm").click()
    expect(dialog.get_by_text("Something is missing.")).to_be_visible()
    type_or_choose(page, dialog.get_by_label("Role"), "Security Reader")
    dialog.get_by_role("button", name="Confirm").click()
    expect(page.get_by_text("The role is given.")).to_be_visible()
    assert kept(world, account)["roles"] == ["Security Reader"]
    page.get_by_role("link", name="Security Reader").click()
    choose(page, "Holder to take it from", account["userPrincipalName"])
    do(page, "Take role", typed=account["userPrincipalName"])
    expect(page.get_by_text("is Security Reader no more")).to_be_visible()
    assert kept(world, account)["roles"] == []
    operator = browse(world, role="Operator")
    at(operator, f"{world.url}/roles")
    expect(operator.get_by_role("region", name="Roles in use")).to_be_visible()
    expect(operator.get_by_role("button", name="Give role")).to_have_count(0)


def test_helpdesk_sees_what_it_may_and_gets_no_more(world, browse, account):
    page = browse(world, role="Helpdesk")
    at(page, f"{world.url}/users?id={account['id']}")
    expect(page.get_by_role("button", name="Force sign-out")).to_be_visible()
    for hidden in ("Give licence", "Take licence", "Allow sign-in"):
        expect(page.get_by_role("button", name=hidden)).to_have_count(0)
    for link in ("Users", "Groups"):
        expect(page.get_by_role("link", name=link, exact=True)).to_have_count(1)
    for link in ("Decisions", "Policy", "Audit", "Azure roles", "Connectors"):
        expect(page.get_by_role("link", name=link, exact=True)).to_have_count(0)
    with world.api("Helpdesk") as helpdesk:
        path = f"/graph/users/{account['id']}"
        asked = [
            ("POST", f"{path}/assign-license", {"license": "SPE_E5"}),
            ("POST", f"{path}/enable", None),
            ("POST", "/graph/roles/assign", {"user": account["id"], "role": "Security Reader"}),
            ("GET", "/admin/frozen", None),
            ("GET", "/audit", None),
            ("GET", "/arm/role-assignments", None),
            ("GET", "/arm/role-definitions", None),
        ]
        for verb, place, body in asked:
            assert helpdesk.request(verb, place, json=body).status_code == 403, place
    assert kept(world, account)["licenses"] == []


def test_an_azure_role_is_given_and_taken(world, browse, account):
    def held():
        return [one for one in state(world.env)["arm"]["roleAssignments"] if account["id"] in json.dumps(one)]

    page = browse(world, role="Admin")
    scope = f"/subscriptions/{world.env['SANDBOX_SUBSCRIPTION']}/resourceGroups/siem"
    at(page, f"{world.url}/azure?scope={scope}")
    page.get_by_role("button", name="Give Azure role").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Sign-in name").fill(account["userPrincipalName"])
    dialog.get_by_role("button", name="Confirm").click()
    expect(page.get_by_text("The role is given.")).to_be_visible()
    (given,) = held()
    assert scope.lower() in json.dumps(given).lower()
    row = page.get_by_role("region", name="At this scope").get_by_role("row").filter(has_text=account["displayName"])
    expect(row).to_contain_text("Reader")
    expect(row).to_contain_text("siem")
    choose(page, "Assignment to take", account["displayName"])
    do(page, "Take Azure role")
    expect(page.get_by_text("is taken.")).to_be_visible()
    assert held() == []


def test_the_audit_is_searched_and_verified(world, browse, account):
    with world.api() as admin:
        admin.post(
            "/hr/new-hire",
            params={"wait": 30},
            json=MEI | {"employeeId": f"A-{account['id'][:6]}", "lastName": "Audited"},
        )
        checkpoint = None
        page = browse(world, role="Auditor")
        at(page, f"{world.url}/audit?search=in_force")
        table = page.get_by_role("region", name="Entries, oldest first")
        expect(table.get_by_role("row").nth(1)).to_contain_text("in_force")
        assert {row.inner_text() for row in table.locator("td.s").all()} == {"in_force"}
        page.get_by_role("button", name="Verify the chain").click()
        expect(page.get_by_text("The chain is whole.")).to_be_visible()
        shown = page.get_by_test_id("stCode").inner_text().strip()
        with world.api("Auditor") as auditor:
            entries = auditor.get("/audit", params={"format": "json"}).json()
            checkpoint = {f"{one['sequence']}:{one['hash']}" for one in entries}
        assert shown in checkpoint
    with page.expect_download() as download:
        page.get_by_role("button", name="All of it (CSV)").click()
    text = download.value.path().read_text()
    assert text.startswith("sequence,at,deed")
    assert len(text.splitlines()) > len(entries)
    assert "Audited" not in text


def test_a_policy_is_checked_by_line_and_column_and_compared(world, browse):
    # First of all that other tests may have hired: only some of many people are named.
    key = f"0-{uuid.uuid4().hex[:6]}"
    with world.api() as admin:
        admin.post("/hr/new-hire", params={"wait": 30}, json=MEI | {"employeeId": key, "lastName": f"Policy{key[2:]}"})
    page = browse(world, role="Operator")
    at(page, f"{world.url}/policy?show=try")
    box = page.get_by_label("Or its text")
    expect(box).to_have_value(re.compile("sg-security"))
    text = box.input_value()
    box.fill(text.replace('groups = ["sg-security"]', "groups = sg-security"))
    page.get_by_role("button", name="Check").click()
    problems = page.get_by_role("region", name="Problems")
    line = text.splitlines().index('groups = ["sg-security"]') + 1
    expect(problems.get_by_role("row").nth(1)).to_contain_text(f"{line}")
    expect(problems).to_contain_text("groups = sg-security")
    assert problems.locator("td.n").nth(1).inner_text().strip().isdecimal()

    page.get_by_label("A policy file").or_(page.locator("input[type=file]")).last.set_input_files(
        {
            "name": "newer.toml",
            "mimeType": "application/toml",
            "buffer": text.replace("sg-security", "sg-finance").encode(),
        }
    )
    expect(box).to_have_value(re.compile("sg-finance"))
    page.get_by_role("button", name="Compare with the one in force").click()
    table = page.get_by_role("region", name="Who gains and who loses what")
    expect(table.get_by_role("row").filter(has_text="sg-finance")).to_contain_text(key)
    expect(table.get_by_role("row").filter(has_text="sg-security")).to_contain_text("- lose")

    at(page, f"{world.url}/policy")
    expect(page.get_by_role("region", name="Rules")).to_contain_text("security-analysts")
    page.get_by_role("button", name="See whom it reaches").click()
    expect(page.get_by_role("region", name="Rules")).to_contain_text("reaches somebody")


def test_connectors_are_asked_now(own_world, browse):
    world = own_world()
    page = browse(world, role="Auditor")
    at(page, f"{world.url}/connectors")
    seen = page.get_by_role("region", name="As seen within")
    expect(seen.get_by_role("row").filter(has_text="Microsoft Graph")).to_contain_text("✔ well")
    world.sandbox.fault("status", path="/subscriptions", status=403)
    page.get_by_role("button", name="Test now").click()
    now = page.get_by_role("region", name="Tested now")
    expect(now.get_by_role("row").filter(has_text="Azure Resource Manager")).to_contain_text("✖ not well")
    expect(now.get_by_role("row").filter(has_text="Microsoft Graph")).to_contain_text("✔ well")


PAGES = (
    "users",
    "groups",
    "licences",
    "roles",
    "decisions",
    "policy?show=try",
    "policy",
    "audit",
    "azure",
    "connectors",
)


@pytest.mark.parametrize("path", PAGES)
def test_pages_fit_a_telephone(world, browse, path):
    page = browse(world, role="Admin", viewport={"width": 390, "height": 844})
    at(page, f"{world.url}/{path}")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
