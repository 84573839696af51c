"""One person: what comes, what is not as it was left, and what can be taken back."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from serving import MEI, eventually, state

BY_HAND = "sg-by-hand"


def hire(client, key, **more):
    answer = client.post("/hr/new-hire", params={"wait": 30}, json=MEI | {"employeeId": key, "lastName": key} | more)
    assert (answer.status_code, answer.json()["state"]) == (200, "done"), answer.text
    return answer.json()


def account_of(client, key):
    return client.get(f"/people/{key}").json()["accounts"]["graph"]["id"]


def members(backend, name):
    group = next(one for one in state(backend.sandbox)["groups"] if one["displayName"] == name)
    return {one if isinstance(one, str) else one["id"] for one in group["members"]}


def test_people_are_found_by_where_they_stand_and_by_name(operator):
    start = (date.today() + timedelta(days=40)).isoformat()
    hire(operator, "S-1")
    hire(operator, "S-2", hireDate=start)
    hire(operator, "S-3")
    assert operator.post("/hr/termination", params={"wait": 30}, json={"employeeId": "S-3"}).json()["state"] == "done"

    def keys(**params):
        found = operator.get("/people", params={"search": "S-", **params}).json()
        return [one["person"] for one in found["people"]]

    assert keys() == ["S-1", "S-2", "S-3"]
    assert keys(state="active") == ["S-1"]
    assert keys(state="pending,disabled") == ["S-2", "S-3"]
    page = operator.get("/people", params={"search": "S-", "state": "pending,disabled", "limit": 1}).json()
    assert [one["person"] for one in page["people"]] == ["S-2"]
    rest = operator.get(
        "/people", params={"search": "S-", "state": "pending,disabled", "limit": 5, "after": page["next"]}
    ).json()
    assert ([one["person"] for one in rest["people"]], rest["next"]) == (["S-3"], None)
    assert operator.get("/people", params={"state": "asleep"}).status_code == 422


def test_what_changes_next_is_told_with_its_day(operator):
    start = date.today() + timedelta(days=40)
    hire(operator, "N-1", hireDate=start.isoformat())
    said = operator.get("/people/N-1/next").json()
    whats = {one["what"]: one for one in said["next"]}
    assert whats["start"]["date"] == start.isoformat()
    assert whats["start"]["at"].startswith(start.isoformat()[:4])
    assert [one["at"] for one in said["next"]] == sorted(one["at"] for one in said["next"])
    assert said["waiting"]["state"] == "until"
    last = date.today() + timedelta(days=20)
    hire(operator, "N-2", lastDay=last.isoformat())
    said = operator.get("/people/N-2/next").json()
    assert {"last_day": last.isoformat()}.items() <= {one["what"]: one["date"] for one in said["next"]}.items()
    hire(operator, "N-3")
    assert operator.get("/people/N-3/next").json()["next"] == []
    assert operator.get("/people/nobody/next").status_code == 404


def test_what_somebody_else_gave_is_shown_and_taken_when_it_is_named(backend, operator, admin):
    hire(operator, "D-1")
    account = account_of(operator, "D-1")
    assert operator.get("/people/D-1/drift").json()["is_clean"] is True
    group = next((one for one in state(backend.sandbox)["groups"] if one["displayName"] == BY_HAND), None)
    group = group or admin.post("/graph/groups", json={"displayName": BY_HAND}).json()
    admin.put(f"/graph/groups/{group['id']}/members/{account}")
    security = next(one for one in state(backend.sandbox)["groups"] if one["displayName"] == "sg-security")
    admin.delete(f"/graph/groups/{security['id']}/members/{account}")
    found = operator.get("/people/D-1/drift").json()["found"]
    by_kind = {one["kind"]: one["entitlement"] for one in found}
    assert by_kind["foreign"]["name"] == BY_HAND
    assert by_kind["missing"]["name"] == "sg-security"

    with backend.client("IAM.Auditor") as auditor:
        assert auditor.get("/people/D-1/drift").status_code == 200
        assert auditor.post("/people/D-1/revert", json={"reason": "as it was"}).status_code == 403
    assert operator.post("/people/D-1/revert", json={}).status_code == 422
    strange = {"target": "graph", "kind": "group", "id": security["id"]}
    refused = operator.post("/people/D-1/revert", json={"reason": "as it was", "take": [strange]})
    assert refused.status_code == 409, "only what somebody else gave is taken"
    # Without being named, it stays.
    answer = operator.post("/people/D-1/revert", json={"reason": "as it was"})
    assert answer.status_code == 202
    assert answer.headers["location"] == f"/jobs/{answer.json()['job']}"
    eventually(lambda: account in members(backend, "sg-security"), "it was not given again")
    assert account in members(backend, BY_HAND)
    answer = operator.post("/people/D-1/revert", json={"reason": "not meant", "take": [by_kind["foreign"]]})
    assert answer.status_code == 202, answer.text
    eventually(lambda: account not in members(backend, BY_HAND), "it was not taken")
    entry = next(one for one in operator.get("/people/D-1/timeline").json() if one["event"] == answer.json()["event"])
    assert entry["details"]["reason"] == "not meant"
    assert "(" in entry["details"]["by"], "signed with name and object id"


def test_an_event_is_undone_as_it_was_shown(backend, operator, admin):
    hire(operator, "UN-1")
    account = account_of(operator, "UN-1")
    name = "sg-undone"
    group = admin.post("/graph/groups", json={"displayName": name}).json()
    admin.put(f"/graph/groups/{group['id']}/members/{account}")
    [foreign] = [one["entitlement"] for one in operator.get("/people/UN-1/drift").json()["found"]]
    taken = operator.post("/people/UN-1/revert", json={"reason": "not meant", "take": [foreign]}).json()
    eventually(lambda: operator.get(f"/jobs/{taken['job']}").json()["state"] == "done", "it was not taken")
    assert account not in members(backend, name)

    path = f"/people/UN-1/events/{taken['event']}/undo"
    shown = operator.get(path).json()
    assert [(step["kind"], step["entitlement"]["name"]) for step in shown["steps"]] == [("grant", name)]
    hire(operator, "UN-2")
    assert operator.get(f"/people/UN-2/events/{taken['event']}/undo").status_code == 404, "it is somebody else's"
    assert operator.post(f"/people/UN-2/events/{taken['event']}/undo", json={"reason": "mine"}).status_code == 404
    with backend.client("IAM.Helpdesk") as helpdesk:
        assert helpdesk.get(path).status_code == 200
        assert helpdesk.post(path, json={"reason": "I may not"}).status_code == 403
    assert account not in members(backend, name)
    answer = operator.post(path, json={"reason": "it was meant"})
    assert answer.status_code == 202, answer.text
    assert answer.headers["location"] == f"/jobs/{answer.json()['job']}"
    eventually(lambda: account in members(backend, name), "it was not undone")


def test_what_policy_would_do_again_is_not_undone(backend, operator):
    hire(operator, "U-3", department="Sales")
    moved = operator.post(
        "/hr/update", params={"wait": 30}, json=MEI | {"employeeId": "U-3", "lastName": "U-3", "department": "Security"}
    ).json()
    path = f"/people/U-3/events/{moved['event']}/undo"
    shown = operator.get(path).json()
    assert shown["steps"] == []
    assert any("policy would do it again" in why for _, why in shown["refused"])
    assert operator.post(path, json={"reason": "the move was a mistake"}).status_code == 409
    assert account_of(operator, "U-3") in members(backend, "sg-security")


@pytest.mark.parametrize("path", ["/people/x/drift", "/people/x/events/y/undo"])
def test_nobody_is_nobody(operator, path):
    assert operator.get(path).status_code == 404
