"""The admin tools on Graph and Azure, decisions, the audit, and the document of it all."""

from __future__ import annotations

import csv
import io
import json
import os
import pathlib
import uuid

import pytest
from iam_platform.backend import create_app
from serving import MEI, POLICY, Backend, eventually, job, state, users
from test_backend_security import settings

SNAPSHOT = pathlib.Path(__file__).parent / "openapi.json"


@pytest.fixture
def account(backend, admin):
    name = f"tool-{uuid.uuid4().hex[:8]}"
    domain = backend.sandbox["SANDBOX_DOMAIN"]
    made = admin.post(
        "/graph/users/create",
        json={"displayName": name, "userPrincipalName": f"{name}@{domain}", "usageLocation": "AU"},
    )
    assert made.status_code == 201, made.text
    return made.json()


def kept(backend, user):
    return next(one for one in users(backend.sandbox) if one["id"] == user["id"])


def test_users_are_read_changed_disabled_and_deleted_in_graph_s_own_words(backend, admin, account):
    read = admin.get(f"/graph/users/{account['userPrincipalName']}").json()
    assert read["id"] == account["id"]
    for words in (account["displayName"], account["userPrincipalName"], "nobody-has-this-name"):
        found = admin.get("/graph/users", params={"search": words}).json()["value"]
        assert [one["id"] for one in found] == ([account["id"]] if "nobody" not in words else []), words
    assert admin.patch(f"/graph/users/{account['id']}", json={"jobTitle": "Tool"}).status_code == 204
    assert kept(backend, account)["jobTitle"] == "Tool"
    with backend.client("IAM.Helpdesk") as helpdesk:
        assert helpdesk.post(f"/graph/users/{account['id']}/disable").status_code in (200, 204)
        assert kept(backend, account)["accountEnabled"] is False
        assert helpdesk.post(f"/graph/users/{account['id']}/enable").status_code == 403
    assert admin.post(f"/graph/users/{account['id']}/enable").status_code == 204
    assert kept(backend, account)["accountEnabled"] is True
    assert admin.post(f"/graph/users/{account['id']}/sign-out").status_code == 200
    twice = admin.post(
        "/graph/users/create", json={"displayName": "x", "userPrincipalName": account["userPrincipalName"]}
    )
    assert twice.status_code == 400
    assert twice.json()["error"]["code"] == "Request_BadRequest"
    refused = admin.patch(f"/graph/users/{account['id']}", json={"passwordProfile": {"password": "x"}})
    assert refused.status_code == 400
    assert admin.delete(f"/graph/users/{account['id']}").status_code == 204
    assert admin.get(f"/graph/users/{account['id']}").status_code == 404


def test_licences_groups_and_roles_are_given_and_taken(backend, admin, account):
    skus = admin.get("/graph/licenses").json()["value"]
    sku = next(one for one in skus if one["prepaidUnits"]["enabled"] > one["consumedUnits"])
    path = f"/graph/users/{account['id']}"
    assert admin.post(f"{path}/assign-license", json={"license": sku["skuPartNumber"].lower()}).status_code == 200
    assert [one["skuId"] for one in admin.get(f"{path}/licenses").json()["value"]] == [sku["skuId"]]
    assert admin.post(f"{path}/remove-license", json={"license": sku["skuId"]}).status_code == 200
    assert admin.get(f"{path}/licenses").json()["value"] == []
    missing = admin.post(f"{path}/assign-license", json={"license": "NO_SUCH"})
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "SkuNotFound")

    name = f"O'Group {uuid.uuid4().hex[:6]}"
    group = admin.post("/graph/groups", json={"displayName": name}).json()
    assert admin.post("/graph/groups", json={"displayName": name}).status_code == 409
    member = f"/graph/groups/{group['id']}/members/{account['id']}"
    assert admin.put(member).status_code == 204
    assert admin.put(member).status_code == 400
    assert [one["id"] for one in admin.get(f"/graph/groups/{group['id']}/members").json()["value"]] == [account["id"]]
    listed = list(csv.DictReader(io.StringIO(admin.get(f"/graph/groups/{group['id']}/members.csv").text)))
    assert [one["id"] for one in listed] == [account["id"]]
    held = list(csv.DictReader(io.StringIO(admin.get(f"{path}/access.csv").text)))
    assert name in [one["displayName"] for one in held]
    assert admin.delete(member).status_code == 204
    assert admin.delete(f"/graph/groups/{group['id']}").status_code == 204

    wish = {"user": account["userPrincipalName"], "role": "Security Reader"}
    with backend.client("IAM.Operator") as operator:
        assert operator.post("/graph/roles/assign", json=wish).status_code == 403
    assert admin.post("/graph/roles/assign", json=wish).status_code == 201
    assert admin.post("/graph/roles/assign", json=wish).json()["error"]["code"] == "AlreadyAssigned"
    role = next(one for one in admin.get("/graph/roles").json()["value"] if one["displayName"] == "Security Reader")
    assert account["id"] in [one["id"] for one in admin.get(f"/graph/roles/{role['id']}/members").json()["value"]]
    assert admin.post("/graph/roles/remove", json=wish).status_code == 204
    assert admin.post("/graph/roles/remove", json=wish).status_code == 404


def test_pages_lead_on_through_this_api(admin):
    first = admin.get("/graph/users", params={"top": 2}).json()
    assert len(first["value"]) == 2
    assert first["@odata.nextLink"].startswith(str(admin.base_url))
    second = admin.get(first["@odata.nextLink"]).json()
    assert not {one["id"] for one in first["value"]} & {one["id"] for one in second["value"]}


def test_a_protected_account_is_touched_by_no_tool(backend, admin):
    domain = backend.sandbox["SANDBOX_DOMAIN"]
    name = f"break-glass@{domain}"
    made = admin.post("/graph/users/create", json={"displayName": "Break glass", "userPrincipalName": name})
    assert made.status_code in (201, 400), made.text
    found = next(one for one in users(backend.sandbox) if one["userPrincipalName"].lower() == name)
    for key in (found["id"], name, name.upper()):
        for verb, path, body in [
            ("POST", "/disable", None), ("POST", "/sign-out", None), ("DELETE", "", None),
            ("PATCH", "", {"jobTitle": "x"}), ("POST", "/assign-license", {"license": "SPE_E5"}),
        ]:  # fmt: skip
            answer = admin.request(verb, f"/graph/users/{key}{path}", json=body)
            assert answer.status_code == 403, (verb, path, answer.text)
    assert admin.post("/graph/roles/assign", json={"user": name, "role": "Security Reader"}).status_code == 403
    assert kept(backend, found)["accountEnabled"] is True


@pytest.mark.parametrize("key", ["..%2Fgroups", "a%2Fb", "%2e%2e", "a%3Fb", "%0a", "a%5cb"])
def test_an_id_is_never_a_path(admin, key):
    assert admin.get(f"/graph/users/{key}").status_code in (400, 404)
    assert admin.delete(f"/graph/users/{key}").status_code in (400, 404, 405)


def test_azure_resource_groups_and_role_assignments(backend, admin, account):
    name = f"rg-{uuid.uuid4().hex[:6]}"
    made = admin.put(f"/arm/resource-groups/{name}", json={"location": "australiaeast"})
    assert made.status_code in (200, 201), made.text
    assert name in [one["name"] for one in admin.get("/arm/resource-groups").json()["value"]]
    scope = f"/subscriptions/{backend.sandbox['SANDBOX_SUBSCRIPTION']}/resourceGroups/{name}"
    wish = {"role": "Reader", "principal": account["id"], "scope": scope}
    given = admin.post("/arm/role-assignments", json=wish)
    assert given.status_code == 201, given.text
    assert admin.post("/arm/role-assignments", json=wish).json()["id"] == given.json()["id"]
    held = admin.get("/arm/role-assignments", params={"principal": account["id"]}).json()["value"]
    assert [one["id"] for one in held] == [given.json()["id"]]
    assert admin.delete("/arm/role-assignments", params={"id": given.json()["id"]}).status_code == 200
    assert admin.delete(f"/arm/resource-groups/{name}", params={"confirm": "other"}).status_code == 400
    assert admin.delete(f"/arm/resource-groups/{name}", params={"confirm": name}).status_code in (200, 202)
    missing = admin.get("/arm/role-assignments", params={"subscription": str(uuid.uuid4())})
    assert missing.status_code in (403, 404)
    assert "code" in missing.json()["error"]


def test_azure_lists_go_on_behind_their_first_page(admin):
    """Azure answers a hundred at a time."""
    names = {f"page-{number:03}" for number in range(103)}
    for name in names:
        assert admin.put(f"/arm/resource-groups/{name}", json={"location": "australiaeast"}).status_code in (200, 201)
    found, link = [], "/arm/resource-groups"
    while link:
        page = admin.get(link).json()
        found += [one["name"] for one in page["value"]]
        link = page.get("nextLink")
        assert len(found) < 1000, "the same page again"
    assert sorted(name for name in found if name in names) == sorted(names)
    for name in names:
        admin.delete(f"/arm/resource-groups/{name}", params={"confirm": name})


def test_a_stopped_plan_is_released_by_somebody_for_a_reason(sandbox_env, tmp_path):
    from serving import POLICY, Backend

    backend = Backend(tmp_path, sandbox_env)
    policy = POLICY.format(domain=sandbox_env["SANDBOX_DOMAIN"]).replace("max_leavers = 1000", "max_leavers = 1")
    (tmp_path / "policy.toml").write_text(policy)
    with backend, backend.client("IAM.Admin") as admin:
        people = [MEI | {"employeeId": f"F-{n}", "lastName": f"Frozen{n}"} for n in range(3)]
        for record in people:
            admin.post("/hr/new-hire", json=record)
        for record in people:
            eventually(lambda key=record["employeeId"]: admin.get(f"/people/{key}").status_code == 200)
        eventually(lambda: not [1 for one in admin.get("/people").json()["people"] if not one["accounts"]])
        text = "Employee ID,First Name,Last Name,Country,Status\n"
        text += "".join(f"F-{n},Mei,Frozen{n},AU,Terminated\n" for n in range(3))
        sent = admin.post(
            "/hr/upload-csv", params={"mode": "apply"}, content=text, headers={"Content-Type": "text/csv"}
        )
        job(admin, sent.headers["location"])
        open_plans = eventually(lambda: [one for one in admin.get("/admin/frozen").json() if one["is_open"]])
        assert admin.get("/admin/overview").json()["frozen"] == 1
        path = f"/admin/frozen/{open_plans[-1]['hash']}/release"
        assert admin.post(path, json={"reason": ""}).status_code == 422
        assert admin.post(path, json={"reason": "the site closes"}).status_code == 204
        gone = {f"F-{n}" for n in range(3)}
        eventually(
            lambda: {
                one["employeeId"]
                for one in users(sandbox_env)
                if one.get("employeeId") in gone and not one["accountEnabled"]
            }
            == gone
        )
        deeds = [json.loads(line) for line in admin.get("/audit").text.splitlines()]
        released = [deed for deed in deeds if deed["deed"] == "released"]
        assert released, sorted({deed["deed"] for deed in deeds})


def test_the_audit_is_exported_whole_and_verifies(backend, operator):
    operator.post("/hr/new-hire", params={"wait": 30}, json=MEI | {"employeeId": "A-1", "lastName": "Audit"})
    with backend.client("IAM.Auditor") as auditor:
        lines = [json.loads(line) for line in auditor.get("/audit").text.splitlines()]
        assert [line["sequence"] for line in lines] == list(range(1, len(lines) + 1))
        assert auditor.get("/audit", params={"format": "json", "limit": 5}).json() == lines[:5]
        table = list(csv.DictReader(io.StringIO(auditor.get("/audit", params={"format": "csv", "after": 3}).text)))
        assert table[0]["hash"] == lines[3]["hash"]
        assert "Audit" not in auditor.get("/audit").text
        assert auditor.get("/audit/verify").json()["is_whole"] is True
        assert auditor.post("/hr/new-hire", json=MEI).status_code == 403


def test_probes_need_no_token_and_figures_count(backend, operator):
    with backend.client() as nobody:
        assert nobody.get("/healthz").json() == {"status": "ok"}
        assert nobody.get("/readyz").json()["journal"] == "ok"
        assert nobody.get("/").json()["docs"] == "/docs"
        assert nobody.get("/docs").status_code == 200
        assert nobody.get("/openapi.json").status_code == 200
    figures = operator.get("/metrics").text
    assert 'iam_http_requests_total{method="GET",route="/healthz",status="200"}' in figures
    assert "iam_events_accepted_total" in figures


def test_the_document_of_the_api_is_the_one_that_was_agreed_upon(tmp_path):
    """IAM_WRITE_SNAPSHOTS=1 writes it anew."""
    document = create_app(settings(tmp_path)).openapi()
    document["info"]["version"] = "0"
    text = json.dumps(document, indent=1, sort_keys=True) + "\n"
    if os.environ.get("IAM_WRITE_SNAPSHOTS"):
        SNAPSHOT.write_text(text)
    assert json.loads(text) == json.loads(SNAPSHOT.read_text())


def test_the_document_says_who_may_and_how_one_signs_in(tmp_path):
    document = create_app(settings(tmp_path)).openapi()
    flows = document["components"]["securitySchemes"]["entra"]["flows"]
    assert set(flows) == {"authorizationCode", "clientCredentials"}
    for path, operations in document["paths"].items():
        for verb, operation in operations.items():
            public = path in ("/", "/healthz", "/readyz")
            assert ("security" in operation) != public, (verb, path)
            assert operation["summary"], (verb, path)
            assert public or operation["x-permission"]
    hire = document["paths"]["/hr/new-hire"]["post"]
    assert hire["responses"]["202"]["headers"]["Location"]
    assert "webhook" in json.dumps(document["paths"]["/hr/events"]["post"]["security"])
    assert document["components"]["schemas"]["HrRecord"]["examples"]


def test_the_state_of_the_sandbox_is_what_these_tests_look_at(backend):
    assert {"users", "groups"} <= set(state(backend.sandbox))


def test_an_event_under_a_known_id_is_in_quarantine(backend, admin, operator):
    event = {"id": str(uuid.uuid4()), "person": "Q-1", "kind": "join", "record": MEI | {"employeeId": "Q-1"}}
    assert operator.post("/hr/events", params={"wait": 30}, json=event).status_code == 200
    other = event | {"record": MEI | {"employeeId": "Q-1", "lastName": "Otherwise"}}
    assert operator.post("/hr/events", json=other).status_code == 422, "the same key with another body"
    cloud = {"specversion": "1.0", "type": "iam-platform.hr.event", "source": "q", "id": event["id"]}
    cloud["data"] = {"person": "Q-1", "kind": "leave", "last_day": "2030-01-01"}
    headers = {"Content-Type": "application/cloudevents+json"}
    assert operator.post("/hr/events", json=cloud, headers=headers).status_code in (200, 202)
    cloud["data"]["last_day"] = "2031-01-01"
    operator.post("/hr/events", json=cloud, headers=headers)
    listed = admin.get("/admin/quarantined").json()
    assert [one["person"] for one in listed] == ["Q-1"]
    assert listed[0]["kind"] == "leave"
    assert admin.get("/admin/overview").json()["quarantined"] == 1
    with backend.client("IAM.Helpdesk") as helpdesk:
        assert helpdesk.get("/admin/quarantined").status_code == 403


def test_what_the_guard_is_asked_is_listed_and_only_open_steps_are_answered(sandbox_env, tmp_path):
    (tmp_path / "policy.toml").write_text(
        POLICY.format(domain=sandbox_env["SANDBOX_DOMAIN"]).replace("max_leavers = 1000", "max_leavers = 1")
    )
    with Backend(tmp_path, sandbox_env) as backend, backend.client("IAM.Admin") as admin:
        hired = []
        for key in ("G-1", "G-2", "G-3"):
            answer = admin.post("/hr/new-hire", params={"wait": 30}, json=MEI | {"employeeId": key, "lastName": key})
            assert answer.status_code == 200, answer.text
            hired.append(answer.json())
        assert admin.get("/admin/asks").json() == []
        leavers = [{"employeeId": key, "lastName": key, "firstName": "Mei", "status": "Terminated"} for key in ("G-1", "G-2", "G-3")]
        for leaver in leavers:
            admin.post("/hr/termination", json=leaver)
        asked = eventually(lambda: admin.get("/admin/asks").json(), "the guard is asked nothing")
        assert {one["about"] for one in asked} == {"guard"}
        assert {one["person"] for one in asked} <= {"G-1", "G-2", "G-3"}
        assert all(one["leave"] for one in asked)
        step = hired[0]["steps"][0]["step"]
        answer = {"step": step, "happened": True, "reason": "I saw it"}
        settled = admin.post(f"/admin/asks/{hired[0]['event']}/resolve", json=answer)
        assert settled.status_code == 409, "its outcome is known"
        assert admin.post(f"/admin/asks/{'0' * 32}/resolve", json=answer).status_code == 404
        assert admin.post(f"/admin/asks/{hired[0]['event']}/resolve", json={"step": step, "happened": True}).status_code == 422
        with backend.client("IAM.Auditor") as auditor:
            assert auditor.get("/admin/asks").status_code == 200
            assert auditor.post(f"/admin/asks/{hired[0]['event']}/resolve", json=answer).status_code == 403
