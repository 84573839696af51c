"""Admin tools in a browser: what is done there is seen in the tenant, and who may not do it neither sees it nor gets it."""

from __future__ import annotations

import contextlib
import json
import re
import threading
import uuid

import iam_platform
import pytest
from playwright.sync_api import expect
from portal import at, settled
from serving import DEADLINE, MEI, POLICY, eventually, job, state, token


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


def do(page, deed, *, reason=None, typed=None):
    """Asks for a deed, answers what is asked, confirms."""
    page.get_by_role("button", name=deed, exact=True).click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    if reason is not None:
        dialog.get_by_role("textbox", name="Reason").fill(reason)
    if typed is not None:
        dialog.get_by_label("to confirm").fill(typed)
    dialog.get_by_role("button", name="Confirm").click()
    return dialog


def choose(page, label, option):
    """One of a select box's options."""
    page.get_by_label(label).click()
    page.get_by_role("option", name=option).first.click()
    settled(page)


def name(page, box, option):
    """One of a select box's options that is looked for, or a new one."""
    box.click()
    box.fill(option)
    page.get_by_role("option", name=option).first.click()


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
    name(page, dialog.get_by_label("Role"), "Security Reader")
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


def test_a_dead_letter_is_corrected_and_hires_somebody(world, browse):
    key = f"D-{uuid.uuid4().hex[:6]}"
    record = MEI | {"employeeId": key, "firstName": "Dead", "lastName": f"Letter{key[2:]}"}
    sent = {
        "specversion": "1.0",
        "id": key,
        "source": f"/hr/{key}",
        "type": "com.workday.nonsense",
        "datacontenttype": "application/json",
        "data": record,
    }
    with world.api() as admin:
        admin.post("/hr/events", json=sent, headers={"Content-Type": "application/cloudevents+json"})
    auditor = browse(world, role="Auditor")
    at(auditor, f"{world.url}/decisions?tab=letters")
    expect(auditor.get_by_role("heading", name=f"/hr/{key}")).to_be_visible()
    assert record["lastName"] not in auditor.content()
    page = browse(world, role="Operator")
    at(page, f"{world.url}/decisions?tab=letters")
    expect(page.get_by_text("are not known here").first).to_be_visible()
    page.get_by_role("button", name="Correct and requeue").last.click()
    dialog = page.get_by_role("dialog")
    name(page, dialog.get_by_label("Kind"), "iam-platform.hr.record")
    dialog.get_by_role("button", name="Confirm").click()
    expect(dialog.get_by_text("Say why.")).to_be_visible()
    dialog.get_by_role("textbox", name="Reason").fill("the sender named the wrong kind")
    dialog.get_by_role("button", name="Confirm").click()
    expect(page.get_by_text("is accepted.")).to_be_visible()
    expect(page.get_by_role("heading", name=f"/hr/{key}")).to_have_count(0)
    eventually(
        lambda: world.user(f"mei.letter{key[2:]}@contoso.example")
        or world.user(f"dead.letter{key[2:]}@contoso.example")
    )


def test_a_held_delivery_waits_for_its_number_and_a_reason(world, browse):
    mark = uuid.uuid4().hex[:6]
    source = f"hr-{mark}"

    def deliver(admin, count, status):
        text = "Employee ID,First Name,Last Name,Country,Status\n"
        text += "".join(f"{mark}-{n},Held,Row{mark}{chr(97 + n)},AU,{status}\n" for n in range(count))
        sent = admin.post(
            "/hr/upload-csv",
            params={"mode": "apply", "source": source},
            content=text,
            headers={"Content-Type": "text/csv"},
        )
        return job(admin, sent.headers["location"])

    def enabled():
        ours = [one for one in state(world.env)["users"] if str(one.get("employeeId")).startswith(mark)]
        return sum(1 for one in ours if one["accountEnabled"])

    with world.api() as admin:
        assert deliver(admin, 20, "Active")["accepted"] == 20
        eventually(lambda: enabled() == 20)
        number = deliver(admin, 8, "Terminated")["delivery"]
    page = browse(world, role="Operator")
    at(page, f"{world.url}/decisions?tab=deliveries")
    expect(page.get_by_role("heading", name=f"Delivery {number} from {source}")).to_be_visible()
    card = page.get_by_role("button", name="Release delivery").last
    card.click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("textbox", name="Reason").fill("the site is closed")
    dialog.get_by_label("to confirm").fill(f"{number}0")
    dialog.get_by_role("button", name="Confirm").click()
    expect(dialog.get_by_text("Nothing was done.")).to_be_visible()
    assert enabled() == 20
    dialog.get_by_label("to confirm").fill(str(number))
    dialog.get_by_role("button", name="Confirm").click()
    expect(page.get_by_text(f"Delivery {number} is accepted.")).to_be_visible()
    eventually(lambda: enabled() == 12)


def test_an_event_that_was_set_aside_is_tried_again(own_world, browse):
    world = own_world()
    world.sandbox.fault("status", method="POST", path="/v1.0/users", status=403)
    record = MEI | {"employeeId": "S-1", "firstName": "Set", "lastName": "Aside"}
    with world.api() as admin:
        admin.post("/hr/new-hire", json=record)
        eventually(lambda: admin.get("/jobs", params={"kind": "event", "state": "failed"}).json()["jobs"])
    world.sandbox.clear_faults()
    assert world.user("mei.aside@contoso.example") is None
    page = browse(world, role="Operator")
    at(page, f"{world.url}/decisions?tab=events")
    expect(page.get_by_text("Set aside (1)")).to_be_visible()
    expect(page.get_by_role("heading", name="Joining of S-1")).to_be_visible()
    do(page, "Try again", reason="the permission is granted")
    expect(page.get_by_text("It is worked on again.")).to_be_visible()
    eventually(lambda: world.user("mei.aside@contoso.example") or world.user("set.aside@contoso.example"))
    with world.api("Auditor") as auditor:
        (deed,) = [one for one in auditor.get("/audit", params={"format": "json"}).json() if one["deed"] == "requeued"]
    assert "portal.operator@contoso.example" in deed["actor"]


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


def frozen_by(world, actor):
    """Three leaves that the policy's guard stops, planned by somebody."""
    records = [MEI | {"employeeId": f"F-{n}", "lastName": f"Frozen{n}"} for n in range(3)]
    env = world.env
    credential = iam_platform.ClientSecretCredential(
        env["IAM_TENANT_ID"], env["IAM_CLIENT_ID"], env["IAM_CLIENT_SECRET"], authority=env["IAM_AUTHORITY"]
    )
    graph = iam_platform.GraphClient(credential, authority=env["IAM_AUTHORITY"], graph_url=env["IAM_GRAPH_URL"])
    engine = iam_platform.Engine.open(
        iam_platform.Policy.load(str(world.folder / "policy.toml")),
        journal=f"sqlite:{world.folder / 'iam.sqlite'}",
        tenant_id=env["IAM_TENANT_ID"],
        graph=graph,
        actor=actor,
    )
    with contextlib.closing(engine):
        engine.accept(records)
        engine.run()
        engine.accept([record | {"status": "Terminated", "isNewHire": False} for record in records])
        stop = threading.Event()
        worker = threading.Thread(target=engine.run_worker, kwargs={"stop": stop})
        worker.start()
        try:
            eventually(engine.frozen, "the guard let three leave")
        finally:
            stop.set()
            worker.join(DEADLINE)


def test_a_stopped_plan_is_released_by_somebody_other_than_its_planner(own_world, browse):
    policy = POLICY.format(domain="contoso.example").replace("max_leavers = 1000", "max_leavers = 1")
    world = own_world(policy=policy)
    admin = world.user("portal.admin@contoso.example")
    world.backend.stop()
    frozen_by(world, f"{admin['userPrincipalName']} ({admin['id']})")
    world.backend.start()

    planner = browse(world, role="Admin")
    at(planner, f"{world.url}/decisions")
    expect(planner.get_by_text("max_leavers is 1")).to_be_visible()
    expect(planner.get_by_text("You planned it: somebody else has to release it.").first).to_be_visible()
    expect(planner.get_by_role("button", name="Release")).to_be_disabled()
    with world.api() as api:
        (plan,) = [one for one in api.get("/admin/frozen").json() if one["is_open"]]
        bearer = token(world.env, "IAM.Admin", user=admin["id"], audience=world.env["SANDBOX_API_AUDIENCE"])
        refused = api.post(
            f"/admin/frozen/{plan['hash']}/release",
            json={"reason": "I think so"},
            headers={"Authorization": f"Bearer {bearer}"},
        )
        assert refused.status_code == 403, refused.text
        assert "somebody else has to release it" in refused.json()["detail"]

    leavers = {f"mei.frozen{n}@contoso.example" for n in range(3)}
    assert all(world.user(upn)["accountEnabled"] for upn in leavers)
    other = browse(world, role="Operator")
    at(other, f"{world.url}/decisions?tab=guard")
    do(other, "Release", reason="the site closes")
    expect(other.get_by_text("The plan is released")).to_be_visible()
    eventually(lambda: not any(world.user(upn)["accountEnabled"] for upn in leavers))
    other.reload()
    earlier = other.get_by_role("region", name="Earlier ones")
    expect(earlier).to_contain_text("portal.operator@contoso.example")
    expect(earlier).to_contain_text("the site closes")


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
