"""HR's door: accepted durably, once, and carried out in the tenant."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import time
import uuid

import httpx
import pytest
from serving import MEI, eventually, job, users


def by_employee(env, key):
    return next((user for user in users(env) if user.get("employeeId") == key), None)


def person(key, **more):
    return {**MEI, "employeeId": key, "firstName": "Ada", "lastName": f"Ek{key.replace('-', '').lower()}", **more}


def test_a_new_hire_is_a_job_and_then_a_user_with_what_policy_says(backend, operator):
    answer = operator.post("/hr/new-hire", json=MEI)
    assert answer.status_code == 202, answer.text
    location = answer.headers["location"]
    assert location == f"/jobs/{answer.json()['id']}"
    over = job(operator, location)
    assert (over["state"], over["person"], over["happened"]) == ("done", "W-1003", "join")
    assert over["planned"] == len(over["steps"]) > 2
    assert {step["outcome"] for step in over["steps"]} <= {"done", "already_so"}

    found = by_employee(backend.sandbox, "W-1003")
    # Other tests of this backend may have hired somebody of that name before.
    assert re.fullmatch(r"mei\.tanaka\d*@" + re.escape(backend.sandbox["SANDBOX_DOMAIN"]), found["userPrincipalName"])
    assert found["accountEnabled"] is True
    groups = operator.get(f"/graph/users/{found['id']}/groups").json()["value"]
    assert {"All Staff", "sg-security"} <= {group["displayName"] for group in groups}


def test_the_answer_waits_when_asked_to_and_a_leaver_is_out(backend, operator):
    hired = operator.post("/hr/new-hire", params={"wait": 30}, json=person("W-2000"))
    assert (hired.status_code, hired.json()["state"]) == (200, "done"), hired.text

    left = operator.post("/hr/termination", params={"wait": 30}, json={"employeeId": "W-2000"})
    assert (left.status_code, left.json()["happened"]) == (200, "leave"), left.text
    assert by_employee(backend.sandbox, "W-2000")["accountEnabled"] is False
    known = operator.get("/people/W-2000").json()
    assert known["lifecycle"] != "active"


def test_a_record_that_says_nothing_new_is_over_at_once(operator):
    first = operator.post("/hr/update", params={"wait": 30}, json=person("W-2001"))
    again = operator.post("/hr/update", json=person("W-2001"))
    assert first.json()["state"] == "done"
    assert (again.status_code, again.json()["result"], again.json()["state"]) == (200, "unchanged", "done")
    assert operator.get(again.headers["location"]).json()["result"] == "unchanged"
    assert len([one for one in operator.get("/people/W-2001/timeline").json() if one["kind"] in ("join", "move")]) == 1


def test_the_same_key_and_body_is_the_same_job_and_another_body_is_refused(operator):
    key = {"Idempotency-Key": str(uuid.uuid4())}
    one = operator.post("/hr/new-hire", json=person("W-2002"), headers=key)
    two = operator.post("/hr/new-hire", json=person("W-2002"), headers=key)
    assert one.json()["id"] == two.json()["id"]
    other = operator.post("/hr/new-hire", json=person("W-2002", department="Sales"), headers=key)
    assert (other.status_code, other.headers["content-type"]) == (422, "application/problem+json")
    assert "Idempotency-Key" in other.json()["detail"]
    job(operator, one.headers["location"])
    kinds = [entry["kind"] for entry in operator.get("/people/W-2002/timeline").json()]
    assert kinds.count("join") == 1
    assert "move" not in kinds


def test_a_key_answers_as_before_even_when_the_record_has_changed_since(operator):
    key = {"Idempotency-Key": str(uuid.uuid4())}
    first = operator.post("/hr/update", params={"wait": 30}, json=person("W-2003"), headers=key)
    moved = operator.post("/hr/update", params={"wait": 30}, json=person("W-2003", department="Sales"))
    again = operator.post("/hr/update", json=person("W-2003"), headers=key)
    assert again.json()["id"] == first.json()["id"]
    assert moved.json()["state"] == "done"
    # The old record was not taken for a newer one.
    assert operator.get("/people/W-2003").json()["record"]["department"] == "Sales"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"firstName": "Nobody"}, "employeeId"),
        (person("W-2004", hireDate="2026-02-30"), "hireDate"),
        (person("W-2004", status="Perhaps"), "status"),
        (person("W-2004", favouriteColour="red"), "favouriteColour"),
        (person("W-2004", status="Terminated"), "status"),
    ],
)
def test_what_cannot_be_understood_is_refused_by_field_and_not_kept(operator, body, field):
    answer = operator.post("/hr/new-hire", json=body)
    assert answer.status_code == 422, answer.text
    problem = answer.json()
    assert field.lower() in json.dumps(problem).lower()
    assert "Ada" not in answer.text
    assert operator.get("/people/W-2004").status_code == 404


def test_a_canonical_event_counts_once_under_its_id(operator):
    operator.post("/hr/new-hire", params={"wait": 30}, json=person("W-2005"))
    name = str(uuid.uuid4())
    event = {"id": name, "person": "W-2005", "kind": "leave", "urgent": True}
    one = operator.post("/hr/events", params={"wait": 30}, json=event)
    two = operator.post("/hr/events", json=event)
    assert (one.json()["state"], one.json()["happened"]) == ("done", "urgent leave"), one.text
    assert one.json()["id"] == two.json()["id"]
    other = operator.post("/hr/events", json=event | {"urgent": False})
    assert other.status_code == 422


def test_an_event_that_nobody_understands_is_a_dead_letter_that_somebody_corrects(operator, admin):
    answer = operator.post("/hr/events", json={"id": str(uuid.uuid4()), "person": "W-2006", "kind": "promotion"})
    assert answer.status_code == 422
    letter = answer.json()["dead_letter"]
    assert letter in [one["id"] for one in admin.get("/admin/dead-letters").json()]
    corrected = {"reason": "a typing error of the sender's", "data": json.dumps({"person": "W-2006", "kind": "leave"})}
    taken = admin.post(f"/admin/dead-letters/{letter}/requeue", json=corrected)
    assert taken.status_code == 200, taken.text
    assert letter not in [one["id"] for one in admin.get("/admin/dead-letters").json()]


def test_cloudevents_single_and_batched_are_jobs(operator):
    def event(key, **more):
        data = person(key, **more)
        return {
            "specversion": "1.0",
            "id": str(uuid.uuid4()),
            "source": "/hr/test",
            "type": "iam-platform.hr.record",
            "datacontenttype": "application/json",
            "data": data,
        }

    one = operator.post(
        "/hr/events",
        params={"wait": 30},
        json=event("W-2007"),
        headers={"Content-Type": "application/cloudevents+json"},
    )
    assert (one.status_code, one.json()["state"]) == (200, "done"), one.text
    many = operator.post(
        "/hr/events",
        params={"wait": 30},
        content=json.dumps([event("W-2008"), event("W-2009")]),
        headers={"Content-Type": "application/cloudevents-batch+json"},
    )
    assert (many.json()["kind"], many.json()["state"], many.json()["events"]) == ("batch", "done", {"done": 2}), (
        many.text
    )
    bad = operator.post("/hr/events", content=b"{}", headers={"Content-Type": "application/cloudevents+json"})
    assert (bad.status_code, bad.headers["content-type"]) == (400, "application/problem+json")


def test_a_sender_without_a_token_signs(backend):
    secret = backend.env["IAM_WEBHOOK_SECRET"].encode()
    body = json.dumps({"id": "77", "person": "W-2010", "kind": "join", "record": person("W-2010")}).encode()

    def send(key=secret, when=None, content=body):
        stamp = str(int(when or time.time()))
        mac = hmac.new(key, b"msg_1." + stamp.encode() + b"." + body, hashlib.sha256).digest()
        headers = {
            "webhook-id": "msg_1",
            "webhook-timestamp": stamp,
            "webhook-signature": f"v1,{base64.b64encode(mac).decode()}",
            "content-type": "application/json",
        }
        return httpx.post(f"{backend.url}/hr/events", content=content, headers=headers, timeout=30)

    assert send().status_code == 202
    for refused in (send(b"another secret of some length"), send(when=time.time() - 3600), send(content=body + b" ")):
        assert refused.status_code == 401
        assert refused.headers["www-authenticate"].startswith("Bearer")
    assert httpx.post(f"{backend.url}/hr/events", content=body).status_code == 401


def test_a_plan_shows_what_would_happen_and_nothing_does(backend, operator):
    before = len(users(backend.sandbox))
    answer = operator.post("/hr/plan", json={"records": [person("W-2011", department="Security")]})
    assert answer.status_code == 200, answer.text
    plan = answer.json()
    assert [one["person"] for one in plan["people"]] == ["W-2011"]
    steps = plan["people"][0]["steps"]
    assert plan["steps"] == len(steps) > 2
    assert any(step["kind"] == "create_account" for step in steps)
    assert {step["entitlement"]["name"] for step in steps if step["entitlement"]} >= {"All Staff", "sg-security"}
    assert len(users(backend.sandbox)) == before
    assert operator.get("/people/W-2011").status_code == 404


def test_progress_is_told_step_by_step_and_goes_on_where_it_was_cut_off(operator):
    location = operator.post("/hr/new-hire", json=person("W-2012")).headers["location"]

    def listen(last=None):
        headers = {"Last-Event-ID": str(last)} if last is not None else {}
        with operator.stream("GET", f"{location}/events", headers=headers) as stream:
            assert stream.headers["content-type"].startswith("text/event-stream")
            found = {}
            for line in stream.iter_lines():
                name, _, value = line.partition(": ")
                if name in ("id", "event", "data"):
                    found[name] = value
                elif not line and "event" in found:
                    yield int(found["id"]), found["event"], json.loads(found["data"])
                    found = {}

    whole = list(listen())
    assert [event for _, event, _ in whole][:2] == ["accepted", "planned"]
    assert whole[-1][1] == "end"
    assert whole[-1][2]["state"] == "done"
    assert [number for number, _, _ in whole] == list(range(1, len(whole) + 1))
    steps = [data["step"] for _, event, data in whole if event == "step"]
    assert len(steps) == whole[1][2]["steps"]

    rest = list(listen(last=3))
    assert rest == whole[3:]
    assert operator.get(f"{location}/events", headers={"Last-Event-ID": "x"}).status_code == 422


def test_why_somebody_holds_a_group_or_does_not(operator):
    operator.post("/hr/new-hire", params={"wait": 30}, json=person("W-2013", department="Sales"))
    why = operator.get("/people/W-2013/explain", params={"name": "All Staff"})
    assert why.status_code == 200, why.text
    assert why.json()["holds"] is True
    assert "defaults" in json.dumps(why.json())
    not_held = operator.get("/people/W-2013/explain", params={"name": "sg-security"}).json()
    assert not_held["holds"] is False
    assert "security-analysts" in json.dumps(not_held)
    found = operator.get("/people", params={"search": "W-2013"}).json()["people"]
    assert [one["person"] for one in found] == ["W-2013"]
    assert eventually(lambda: operator.get("/people/W-2013/timeline").json())


def test_what_somebody_told_is_called_off_by_somebody_else(backend, operator):
    hired = operator.post("/hr/new-hire", params={"wait": 30}, json=person("W-2091"))
    assert hired.json()["state"] == "done", hired.text
    move = {"person": "W-2091", "kind": "move", "effective": "2099-03-01", "record": person("W-2091", department="Sales")}
    announced = operator.post("/hr/events", params={"wait": 30}, json=move).json()
    told = operator.get(f"/hr/events/{announced['event']}").json()
    assert (told["person"], told["kind"], told["effective"]) == ("W-2091", "move", "2099-03-01")
    assert "record" not in told
    assert operator.get("/people/W-2091").json()["waiting"]["at"].startswith("2099-03-01")

    with backend.client("IAM.Admin") as colleague:
        off = colleague.post(f"/hr/events/{announced['event']}/retract", params={"wait": 30})
        assert (off.json()["happened"], off.json()["state"]) == ("retract", "done"), off.text
        again = colleague.post(f"/hr/events/{announced['event']}/retract")
        assert again.json()["id"] == off.json()["id"]
    waiting = operator.get("/people/W-2091").json()["waiting"]
    assert not (waiting["at"] or "").startswith("2099"), waiting
    # A record is called off by the next one, and nobody's event is nobody's.
    assert operator.post(f"/hr/events/{hired.json()['event']}/retract").status_code == 404
    assert operator.get(f"/hr/events/{'0' * 32}").status_code == 404
