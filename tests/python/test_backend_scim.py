"""SCIM: what is pushed in is HR's word, durably, before it is answered."""

from __future__ import annotations

import json

import pytest
from serving import eventually, users

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"


def user(key, **more):
    return {
        "schemas": [USER, ENTERPRISE],
        "userName": f"{key.lower()}@hr.example",
        "externalId": key,
        "active": True,
        "name": {"givenName": "Scim", "familyName": f"Ek{key.replace('-', '').lower()}"},
        "title": "Analyst",
        ENTERPRISE: {"department": "Security"},
        **more,
    }


@pytest.fixture
def provisioner(backend):
    with backend.client("IAM.Provisioner") as client:
        client.headers["Content-Type"] = "application/scim+json"
        yield client


def account(backend, key):
    return next((one for one in users(backend.sandbox) if one.get("employeeId") == key), None)


def test_a_user_who_is_pushed_in_is_hired_moved_suspended_and_leaves(backend, provisioner, operator):
    made = provisioner.post("/scim/v2/Users", content=json.dumps(user("S-1")))
    assert made.status_code == 201, made.text
    assert made.headers["content-type"] == "application/scim+json"
    assert made.headers["location"].endswith(f"/scim/v2/Users/{made.json()['id']}")
    # It was accepted before it was answered.
    assert [one["kind"] for one in operator.get("/people/S-1/timeline").json()][0] == "join"
    eventually(lambda: (account(backend, "S-1") or {}).get("accountEnabled"), "no account was made")

    path = f"/scim/v2/Users/{made.json()['id']}"
    moved = {
        "schemas": [PATCH],
        "Operations": [{"op": "replace", "path": f"{ENTERPRISE}:department", "value": "Sales"}],
    }
    assert provisioner.patch(path, content=json.dumps(moved)).status_code == 200
    eventually(lambda: account(backend, "S-1").get("department") == "Sales", "nobody moved")

    def active(yes):
        change = {"schemas": [PATCH], "Operations": [{"op": "Replace", "path": "active", "value": yes}]}
        answer = provisioner.patch(path, content=json.dumps(change))
        assert answer.status_code == 200, answer.text

    active(False)
    eventually(lambda: account(backend, "S-1")["accountEnabled"] is False, "sign-in was not blocked")
    active(True)
    eventually(lambda: account(backend, "S-1")["accountEnabled"] is True, "sign-in was not allowed again")

    assert provisioner.delete(path).status_code == 204
    assert provisioner.get(path).status_code == 404
    eventually(lambda: account(backend, "S-1")["accountEnabled"] is False, "the leaver can sign in")
    assert "leave" in [one["kind"] for one in operator.get("/people/S-1/timeline").json()]

    # Whoever comes back is hired again.
    assert provisioner.post("/scim/v2/Users", content=json.dumps(user("S-1"))).status_code == 201
    eventually(lambda: "rejoin" in [one["kind"] for one in operator.get("/people/S-1/timeline").json()])


@pytest.mark.parametrize(
    ("change", "word"),
    [({"externalId": None}, "externalId"), ({"active": None}, "active"), ({"name": None}, "name")],
)
def test_a_user_whom_hr_could_not_know_is_refused_and_kept_nowhere(provisioner, change, word):
    wish = {name: value for name, value in (user("S-2") | change).items() if value is not None}
    answer = provisioner.post("/scim/v2/Users", content=json.dumps(wish))
    assert (answer.status_code, answer.json()["scimType"]) == (400, "invalidValue"), answer.text
    assert word.lower() in answer.json()["detail"].lower()
    listed = provisioner.get("/scim/v2/Users", params={"filter": 'userName eq "s-2@hr.example"'})
    assert listed.json()["totalResults"] == 0


def test_a_name_that_is_taken_is_told_to_nobody(provisioner, operator):
    assert provisioner.post("/scim/v2/Users", content=json.dumps(user("S-3"))).status_code == 201
    twice = provisioner.post("/scim/v2/Users", content=json.dumps(user("S-4", userName="s-3@hr.example")))
    assert (twice.status_code, twice.json()["scimType"]) == (409, "uniqueness")
    assert operator.get("/people/S-4/timeline").status_code == 404


def test_the_routes_of_the_samples_lead_to_the_same_place(backend, provisioner, operator):
    provisioner.headers["Content-Type"] = "application/json"
    made = provisioner.post("/scim/provision", json=user("S-5"))
    assert made.status_code == 201, made.text
    name = made.json()["id"]
    changed = provisioner.patch(f"/scim/update/{name}", json={"title": "Senior Analyst"})
    assert (changed.status_code, changed.json()["title"]) == (200, "Senior Analyst")
    assert provisioner.get(f"/scim/v2/Users/{name}").json()["title"] == "Senior Analyst"
    assert provisioner.delete(f"/scim/delete/{name}").status_code == 204
    eventually(lambda: "leave" in [one["kind"] for one in operator.get("/people/S-5/timeline").json()])


def test_it_is_a_service_provider_with_groups_lists_and_discovery(provisioner):
    assert provisioner.get("/scim/v2/ServiceProviderConfig").json()["patch"]["supported"] is True
    assert {one["id"] for one in provisioner.get("/scim/v2/ResourceTypes").json()["Resources"]} == {"User", "Group"}
    group = {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": "scim group"}
    made = provisioner.post("/scim/v2/Groups", content=json.dumps(group))
    assert made.status_code == 201
    tag = made.headers["etag"]
    path = f"/scim/v2/Groups/{made.json()['id']}"
    assert provisioner.get(path, headers={"If-None-Match": tag}).status_code == 304
    stale = provisioner.put(path, content=json.dumps(group), headers={"If-Match": 'W/"99"'})
    assert stale.status_code == 412
    assert provisioner.get("/scim/v2/Users", params={"filter": "nonsense"}).json()["scimType"] == "invalidFilter"
    assert provisioner.post("/scim/v2/Users", content=b"{", headers={}).status_code == 400
    assert provisioner.post("/scim/v2/Users", content=b"<x/>", headers={"Content-Type": "text/xml"}).status_code == 415
