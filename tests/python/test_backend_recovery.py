"""Ways back in, and back from the deleted: what is secret is said once, to nobody's harm, and written down nowhere."""

from __future__ import annotations

import uuid

import pytest
from serving import state, users
from test_backend_admin import account, kept

__all__ = ["account"]


@pytest.fixture
def helpdesk(backend):
    with backend.client("IAM.Helpdesk") as client:
        yield client


def test_a_new_password_is_said_once_and_nowhere_else(backend, helpdesk, account):
    path = f"/graph/users/{account['id']}/reset-password"
    before = kept(backend, account)["passwordVersion"]
    first, second = helpdesk.post(path), helpdesk.post(path)
    assert (first.status_code, second.status_code) == (200, 200), first.text
    assert "no-store" in first.headers["cache-control"]
    password = second.json()["password"]
    assert second.json()["userPrincipalName"] == account["userPrincipalName"]
    assert password != first.json()["password"]
    assert len(password) >= 16
    assert kept(backend, account)["passwordVersion"] == before + 2
    text = backend.log.read_text()
    assert "reset password" in text, "it is written down that it was done"
    assert password not in text
    assert first.json()["password"] not in text


def test_a_pass_is_graph_s_own_answer(backend, helpdesk, account):
    path = f"/graph/users/{account['id']}/temporary-access-pass"
    answer = helpdesk.post(path, json={"minutes": 60, "once": True})
    assert answer.status_code == 201, answer.text
    told = answer.json()
    assert (told["lifetimeInMinutes"], told["isUsableOnce"]) == (60, True)
    assert told["temporaryAccessPass"]
    assert "no-store" in answer.headers["cache-control"]
    assert told["temporaryAccessPass"] not in backend.log.read_text()
    assert "give temporary access pass" in backend.log.read_text()
    for wish in ({"minutes": 5}, {"minutes": 43201}, {"hours": 1}):
        assert helpdesk.post(path, json=wish).status_code == 422, wish


def test_nobody_with_power_is_given_a_way_in(backend, admin, helpdesk, account):
    wish = {"user": account["userPrincipalName"], "role": "Security Reader"}
    assert admin.post("/graph/roles/assign", json=wish).status_code == 201
    guard = f"break-glass@{backend.sandbox['SANDBOX_DOMAIN']}"
    if guard not in [one["userPrincipalName"] for one in users(backend.sandbox)]:
        made = admin.post("/graph/users/create", json={"displayName": "Break Glass", "userPrincipalName": guard})
        assert made.status_code == 201
    before = {one["id"]: one.get("passwordVersion") for one in users(backend.sandbox)}
    for name in (account["userPrincipalName"], guard):
        for way in ("reset-password", "temporary-access-pass"):
            for caller in (helpdesk, admin):
                refused = caller.post(f"/graph/users/{name}/{way}")
                assert refused.status_code == 403, (name, way, refused.text)
                assert refused.json()["error"]["code"] == "Authorization_RequestDenied"
    assert {one["id"]: one.get("passwordVersion") for one in users(backend.sandbox)} == before
    assert admin.post("/graph/roles/remove", json=wish).status_code == 204
    assert helpdesk.post(f"/graph/users/{account['id']}/reset-password").status_code == 200


def test_a_deleted_user_is_listed_and_restored(backend, admin, helpdesk, account):
    assert admin.delete(f"/graph/users/{account['id']}").status_code == 204
    listed, page = [], admin.get("/graph/deleted-users", params={"top": 1}).json()
    while True:
        listed += [one["id"] for one in page["value"]]
        if "@odata.nextLink" not in page:
            break
        page = admin.get(page["@odata.nextLink"]).json()
    assert account["id"] in listed
    assert helpdesk.post(f"/graph/users/{account['id']}/restore").status_code == 403
    restored = admin.post(f"/graph/users/{account['id']}/restore")
    assert restored.status_code == 200, restored.text
    assert kept(backend, account)["userPrincipalName"] == account["userPrincipalName"]
    assert admin.post(f"/graph/users/{account['id']}/restore").status_code == 404
    assert admin.post(f"/graph/users/{uuid.uuid4()}/restore").status_code == 404


def test_a_deleted_group_is_no_deleted_user(backend, admin):
    group = admin.post("/graph/groups", json={"displayName": f"sg-{uuid.uuid4().hex[:6]}"}).json()
    groups = {one["id"] for one in state(backend.sandbox)["groups"]}
    assert group["id"] in groups
    assert admin.delete(f"/graph/groups/{group['id']}").status_code == 204
    assert admin.post(f"/graph/users/{group['id']}/restore").status_code == 404
