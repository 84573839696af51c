"""Decisions in a browser: what waits for a person is decided there, by whoever may, and takes effect in the tenant."""

from __future__ import annotations

import contextlib
import threading
import uuid

import iam_platform
from forms import do, type_or_choose
from playwright.sync_api import expect
from portal import at
from serving import DEADLINE, MEI, POLICY, eventually, job, state, token


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
    type_or_choose(page, dialog.get_by_label("Kind"), "iam-platform.hr.record")
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
