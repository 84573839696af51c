"""What whoever watches sees: jobs, the newest first; the first page; whether the services answer."""

from __future__ import annotations

import threading
import time
import uuid
from datetime import date, datetime, timedelta, timezone

import pytest
from serving import MEI, Backend, free_port, job
from test_backend_uploads import table, upload


@pytest.fixture(scope="module")
def watched(sandbox_env, tmp_path_factory):
    """A backend of its own: what is counted is what these tests say."""
    with Backend(tmp_path_factory.mktemp("watched"), sandbox_env) as backend:
        yield backend


@pytest.fixture(scope="module")
def caller(watched):
    with watched.client("IAM.Operator") as client:
        yield client


def hire(client, key, **more):
    answer = client.post("/hr/new-hire", params={"wait": 30}, json=MEI | {"employeeId": key, "lastName": key} | more)
    assert answer.status_code == 200, answer.text
    return answer.json()


def all_pages(client, size, **params):
    found, before = [], {}
    while True:
        page = client.get("/jobs", params={"limit": size, **params, **before}).json()
        assert len(page["jobs"]) <= size
        found += page["jobs"]
        if page.get("next") is None:
            return found
        before = {"before": page["next"]}


def test_jobs_are_listed_the_newest_first_whatever_they_are(watched, caller):
    first = hire(caller, "J-1")
    text = table([("J-2", "Two", "Sales", "Active"), ("J-3", "Three", "Sales", "Nope")])
    sent = caller.post("/hr/upload-csv", files={"file": ("C:\\HR\\staff list.csv", text, "text/csv")})
    upload_job = job(caller, sent.headers["location"])
    events = [
        {
            "specversion": "1.0", "type": "iam-platform.hr.event", "source": "hr", "id": str(uuid.uuid4()),
            "data": {"person": key, "kind": "join", "record": MEI | {"employeeId": key, "lastName": key}},
        }
        for key in ("J-4", "J-5")
    ]  # fmt: skip
    sent = caller.post("/hr/events", json=events, headers={"Content-Type": "application/cloudevents-batch+json"})
    assert sent.status_code in (200, 202), sent.text
    batch = job(caller, sent.headers["location"])
    assert batch["state"] == "done", batch
    last = hire(caller, "J-6", department="Nowhere")

    everything = all_pages(caller, 200)
    ids = [one["id"] for one in everything]
    assert len(ids) == len(set(ids))
    order = [ids.index(one["id"]) for one in (last, upload_job, first)]
    assert order == sorted(order)
    assert ids.index(batch["id"]) < ids.index(upload_job["id"])
    created = [one["created_at"] for one in everything]
    assert created == sorted(created, reverse=True)
    for size in (1, 2, 3):
        assert [one["id"] for one in all_pages(caller, size)] == ids, size

    [listed] = all_pages(caller, 10, kind="upload")
    assert listed["file"] == "staff list.csv"
    assert (listed["mode"], listed["rejected"], listed["state"]) == ("validate", 1, "done")
    with watched.client("IAM.Auditor") as auditor:
        me = caller.get("/me").json()
        assert listed["by"] == me["oid"]
        assert [one["id"] for one in all_pages(auditor, 10, kind="batch")] == [batch["id"]]
        assert auditor.get("/jobs", params={"kind": "batch"}).json()["jobs"][0]["events"] == {"done": 2}
    people = {one["person"] for one in all_pages(caller, 2, kind="event")}
    assert {"J-1", "J-4", "J-5", "J-6"} <= people
    assert "J-2" not in people, "validating accepts nothing"
    assert {one["id"] for one in all_pages(caller, 5, person="J-1")} == {first["id"]}
    assert all_pages(caller, 5, person="nobody") == []


def test_jobs_are_found_by_where_they_stand(sandbox_env, tmp_path):
    """Nobody works here: what is accepted stays so."""
    with Backend(tmp_path, sandbox_env, IAM_WORKER="off") as backend, backend.client("IAM.Operator") as client:
        for key in ("W-1", "W-2"):
            client.post("/hr/new-hire", json=MEI | {"employeeId": key})
        done = job(client, upload(client, table([("U-1", "One", "Sales", "Active")])).headers["location"])
        bad = upload(client, table([("U-2", "Two", "Sales", "Nope")]), mode="apply", on_error="refuse")
        failed = job(client, bad.headers["location"])

        def ids(state, **more):
            return [one["id"] for one in all_pages(client, 1, state=state, **more)]

        assert len(ids("accepted")) == 2
        assert ids("accepted", kind="upload") == []
        assert ids("failed") == [failed["id"]]
        assert set(ids("failed,done")) == {failed["id"], done["id"]}
        assert ids("running,waiting,superseded,held") == []
        assert len(ids("accepted,done,failed")) == 4


@pytest.mark.parametrize(
    "query",
    [
        {"before": "x"}, {"before": "bnVsbA"}, {"before": "eyJldmVudCI6LTF9"}, {"before": "eyJldmVudCI6dHJ1ZX0"},
        {"before": "eyJ1cGxvYWQiOiJqb2IvdTEifQ"}, {"before": "é"}, {"before": "W1tbW1tb"}, {"state": "asleep"},
        {"state": "done,"}, {"kind": "note"}, {"limit": 0}, {"limit": 201}, {"person": ""}, {"person": "\x00"},
    ],
)  # fmt: skip
def test_what_nobody_understands_of_a_list_is_refused(caller, query):
    assert caller.get("/jobs", params=query).status_code == 422


def test_the_first_page_counts_what_hr_said_by_the_day(caller):
    before = caller.get("/overview").json()
    assert [one["date"] for one in before["days"]] == [
        (date.fromisoformat(before["today"]) - timedelta(days=back)).isoformat() for back in range(13, -1, -1)
    ]
    start = date.fromisoformat(before["today"]) + timedelta(days=10)
    last = date.fromisoformat(before["today"]) + timedelta(days=12)
    hire(caller, "O-1", hireDate=start.isoformat())
    hire(caller, "O-2")
    record = MEI | {"employeeId": "O-2", "lastName": "O-2"}
    assert caller.post("/hr/update", params={"wait": 30}, json=record | {"department": "Sales"}).status_code == 200
    leave = record | {"department": "Sales", "lastDay": last.isoformat()}
    assert caller.post("/hr/termination", params={"wait": 30}, json=leave | {"status": "Active"}).status_code == 200
    hire(caller, "O-3")
    gone = caller.post("/hr/termination", params={"wait": 30}, json={"employeeId": "O-3"})
    assert gone.json()["state"] == "done"
    after = caller.get("/overview", params={"days": 1, "ahead": 11}).json()
    assert len(after["days"]) == 1
    was, now = before["days"][-1], after["days"][0]
    assert now["date"] == was["date"]
    gained = {name: now[name] - was[name] for name in ("joiners", "movers", "leavers")}
    assert gained == {"joiners": 3, "movers": 1, "leavers": 2}
    assert after["jobs"] == {"running": 0, "waiting": 0, "failed": 0}
    starts = [one for one in after["upcoming"] if one["person"] == "O-1"]
    assert [(one["what"], one["date"], one["name"]) for one in starts] == [("start", start.isoformat(), "Mei O-1")]
    assert not [one for one in after["upcoming"] if one["person"] == "O-2"], "that is further ahead"
    later = caller.get("/overview", params={"ahead": 30}).json()["upcoming"]
    assert [(one["what"], one["date"]) for one in later if one["person"] == "O-2"] == [("last_day", last.isoformat())]
    assert [one["at"] for one in later] == sorted(one["at"] for one in later)
    assert caller.get(f"/jobs/e{starts[0]['event']}").json()["person"] == "O-1"


def test_the_first_page_shows_seats_services_and_what_waits(watched, caller):
    page = caller.get("/overview").json()
    skus = {one["skuPartNumber"]: one for one in caller.get("/graph/licenses").json()["value"]}
    assert {one["sku"] for one in page["licences"]} == set(skus)
    for one in page["licences"]:
        sku = skus[one["sku"]]
        assert (one["enabled"], one["used"]) == (sku["prepaidUnits"]["enabled"], sku["consumedUnits"])
        assert one["left"] == max(0, one["enabled"] - one["used"])
        assert one["name"]
    found = {one["name"]: one for one in page["connectors"]}
    assert set(found) == {"graph", "arm", "scim", "journal", "worker"}
    assert all(one["ok"] for one in found.values()), found
    assert "Contoso" in found["graph"]["detail"] or "tenant" in found["graph"]["detail"]
    assert page["attention"] == caller.get("/admin/overview").json()
    with watched.client("IAM.Helpdesk") as helpdesk:
        assert helpdesk.get("/overview").status_code == 200
    with watched.client("IAM.Provisioner") as provisioner:
        assert provisioner.get("/overview").status_code == 403


def test_connectors_are_asked_anew_when_somebody_says_so(caller):
    known = caller.get("/admin/connectors").json()
    again = caller.get("/admin/connectors").json()
    assert [one["checked_at"] for one in known] == [one["checked_at"] for one in again], "for half a minute"
    now = caller.post("/admin/connectors/test").json()
    for old, new in zip(known, now, strict=True):
        assert old["name"] == new["name"]
        assert datetime.fromisoformat(new["checked_at"]) > datetime.fromisoformat(old["checked_at"])
        assert new["ms"] >= 0
        assert (new["advice"] is None) == new["ok"]
    with_token = str(now)
    assert "eyJ" not in with_token
    age = datetime.now(timezone.utc) - datetime.fromisoformat(now[0]["checked_at"])
    assert age < timedelta(minutes=1)


def test_services_that_are_down_are_told_of_in_a_sentence(sandbox_env, tmp_path):
    nowhere = f"http://127.0.0.1:{free_port()}"
    elsewhere = {"IAM_GRAPH_URL": f"{nowhere}/v1.0", "IAM_ARM_URL": nowhere}
    with Backend(tmp_path, sandbox_env, **elsewhere) as backend, backend.client("IAM.Admin") as admin:
        begun = time.monotonic()
        answers = []
        asking = [threading.Thread(target=lambda: answers.append(admin.get("/overview"))) for _ in range(3)]
        for one in asking:
            one.start()
        for one in asking:
            one.join()
        assert time.monotonic() - begun < 60
        assert [one.status_code for one in answers] == [200] * 3
        page = answers[0].json()
        found = {one["name"]: one for one in page["connectors"]}
        assert (found["graph"]["ok"], found["arm"]["ok"], found["journal"]["ok"]) == (False, False, True)
        assert found["graph"]["detail"]
        assert found["arm"]["advice"]
        assert page["licences"] == []
        assert len(page["days"]) == 14
