"""The wheel's clients of Graph, ARM and SCIM: what the tenant is like afterwards, and what crossed the wire."""

import pytest

import re

import iam_platform
from iam_platform.errors import (
    AlreadyExistsError,
    DeniedError,
    IamError,
    InvalidError,
    LicenseExhaustedError,
    NotFoundError,
    OutcomeUnknownError,
    ThrottledError,
    UnavailableError,
)

NOAH = "noah.fischer@"


@pytest.fixture(scope="session")
def iam_sandbox_options():
    return {"people": 1200, "seats": {"SPE_E5": 0}}


@pytest.fixture
def graph(twin, iam_sandbox):
    return twin.of(iam_sandbox, "graph")


def paths(sandbox, method="GET"):
    return [entry["path"] for entry in sandbox.log() if entry["method"] == method and "/v1.0" in entry["path"]]


def ada(sandbox, **properties):
    name = {"userPrincipalName": f"ada@{sandbox.domain}", "displayName": "Ada", "usageLocation": "AU"}
    return {"accountEnabled": True, **name, **properties}


def test_a_user_from_creation_to_the_end(twin, graph, iam_sandbox):
    made = twin.do(graph.create_user, ada(iam_sandbox))
    id = made["id"]
    assert iam_sandbox.user(id)["mailNickname"] == "ada"
    first = iam_sandbox.user(id)["passwordVersion"]

    noah = iam_sandbox.user(NOAH + iam_sandbox.domain)["id"]
    twin.do(graph.update_user, id, {"department": "Security", "jobTitle": "Analyst"})
    twin.do(graph.update_user, id, {"jobTitle": None})
    twin.do(graph.set_manager, id, noah)
    assert twin.do(graph.manager, id, select=["id"])["id"] == noah
    user = twin.do(graph.user, id, select="id,department,jobTitle", expand="manager($select=id)")
    assert (user["department"], user["jobTitle"], user["manager"]["id"]) == ("Security", None, noah)
    assert [report["id"] for report in twin.all(graph.direct_reports(noah))] == [id]
    twin.do(graph.remove_manager, id)
    with pytest.raises(NotFoundError):
        twin.do(graph.manager, id)

    twin.do(graph.disable_user, id)
    assert iam_sandbox.user(id)["accountEnabled"] is False
    twin.do(graph.enable_user, id)
    assert iam_sandbox.user(id)["accountEnabled"] is True
    twin.do(graph.reset_password, id)
    twin.do(graph.revoke_sessions, id)
    assert iam_sandbox.user(id)["passwordVersion"] == first + 1
    assert f"/v1.0/users/{id}/revokeSignInSessions" in paths(iam_sandbox, "POST")

    issued = twin.do(graph.create_access_pass, id, minutes=120, once=True)
    assert issued["temporaryAccessPass"]
    assert issued["lifetimeInMinutes"] == 120
    assert [held["id"] for held in twin.all(graph.access_passes(id))] == [issued["id"]]
    twin.do(graph.delete_access_pass, id, issued["id"])
    assert twin.all(graph.access_passes(id)) == []

    twin.do(graph.delete_user, id)
    assert iam_sandbox.user(id) is None
    assert id in [gone["id"] for gone in twin.all(graph.deleted_users())]
    twin.do(graph.restore, id)
    assert iam_sandbox.user(id)["displayName"] == "Ada"
    twin.do(graph.delete_user, id)
    twin.do(graph.purge, id)
    assert id not in [gone["id"] for gone in twin.all(graph.deleted_users())]


def test_groups_members_and_owners(twin, graph, iam_sandbox):
    one, two, three = (user["id"] for user in twin.items(graph.users(top=3), most=3))
    group = twin.do(
        graph.create_group,
        {"displayName": "sg-new", "mailEnabled": False, "mailNickname": "new", "securityEnabled": True},
    )["id"]
    twin.do(graph.add_group_member, group, one)
    with pytest.raises(AlreadyExistsError) as raised:
        twin.do(graph.add_group_member, group, one)
    assert raised.value.reason == "already_member"
    twin.do(graph.add_group_members, group, [two, three])
    twin.do(graph.add_group_owner, group, one)
    assert {member["id"] for member in twin.all(graph.group_members(group, select="id"))} == {one, two, three}
    assert {member["id"] for member in twin.all(graph.transitive_group_members(group))} == {one, two, three}
    assert [owner["id"] for owner in twin.all(graph.group_owners(group))] == [one]
    assert group in [held["id"] for held in twin.all(graph.user_memberships(two))]
    assert group in [held["id"] for held in twin.all(graph.transitive_user_memberships(two))]
    assert twin.do(graph.check_member_groups, three, [group]) == [group]
    twin.do(graph.remove_group_member, group, two)
    with pytest.raises(NotFoundError):
        twin.do(graph.remove_group_member, group, two)
    twin.do(graph.add_group_owner, group, two)
    twin.do(graph.remove_group_owner, group, one)
    twin.do(graph.update_group, group, {"description": "new"})
    assert twin.do(graph.group, group)["description"] == "new"
    assert [found["id"] for found in twin.all(graph.groups(filter="displayName eq 'sg-new'"))] == [group]
    twin.do(graph.delete_group, group)
    assert group not in [found["id"] for found in iam_sandbox.state()["groups"]]


def test_licences_and_roles(twin, graph, iam_sandbox):
    user = twin.do(graph.create_user, ada(iam_sandbox))["id"]
    skus = {sku["skuPartNumber"]: sku["skuId"] for sku in twin.all(graph.skus())}
    with pytest.raises(LicenseExhaustedError):
        twin.do(graph.assign_license, user, [skus["SPE_E5"]])
    twin.do(graph.assign_license, user, [{"skuId": skus["EMS"], "disabledPlans": []}])
    assert [held["skuPartNumber"] for held in twin.all(graph.license_details(user))] == ["EMS"]
    twin.do(graph.assign_license, user, remove=[skus["EMS"]])
    assert iam_sandbox.user(user)["licenses"] == []

    reader = next(role for role in twin.all(graph.role_definitions()) if role["displayName"] == "Security Reader")
    held = twin.do(graph.assign_role, user, reader["id"])
    assert iam_sandbox.user(user)["roles"] == ["Security Reader"]
    mine = twin.all(graph.role_assignments(filter=f"principalId eq '{user}'"))
    assert [assignment["id"] for assignment in mine] == [held["id"]]
    twin.do(graph.remove_role_assignment, held["id"])
    assert iam_sandbox.user(user)["roles"] == []

    helpdesk = next(
        role for role in twin.all(graph.role_definitions()) if role["displayName"] == "Helpdesk Administrator"
    )
    role = twin.do(graph.activate_role, helpdesk["id"])["id"]
    assert role in [active["id"] for active in twin.all(graph.directory_roles())]
    twin.do(graph.add_role_member, role, user)
    assert [member["id"] for member in twin.all(graph.role_members(role))] == [user]
    twin.do(graph.remove_role_member, role, user)
    assert twin.all(graph.role_members(role)) == []


def test_roles_of_applications(twin, graph, iam_sandbox):
    user = twin.do(graph.create_user, ada(iam_sandbox))["id"]
    app, role = next(
        (app, role)
        for app in twin.all(graph.service_principals())
        for role in app.get("appRoles", [])
        if "User" in role["allowedMemberTypes"]
    )
    held = twin.do(graph.assign_app_role, user, app["id"], role["id"])
    assert [one["id"] for one in twin.all(graph.app_role_assignments(user))] == [held["id"]]
    assert held["id"] in [one["id"] for one in twin.all(graph.app_role_holders(app["id"]))]
    twin.do(graph.remove_app_role, user, held["id"])
    assert twin.all(graph.app_role_assignments(user)) == []
    assert twin.do(graph.service_principal, app["id"], select="id")["id"] == app["id"]


def test_the_tenant_and_its_logs(twin, graph, iam_sandbox):
    assert twin.do(graph.organization)["id"] == iam_sandbox.tenant_id
    assert iam_sandbox.domain in [domain["id"] for domain in twin.all(graph.domains())]
    made = twin.do(graph.create_user, ada(iam_sandbox))["id"]
    audits = twin.all(graph.directory_audits(filter="activityDisplayName eq 'Add user'"))
    assert [audit["targetResources"][0]["id"] for audit in audits] == [made]
    assert twin.all(graph.authentication_methods(made)) != []
    twin.all(graph.sign_ins(top=5))


def test_pages_are_read_as_they_are_asked_for(twin, graph, iam_sandbox):
    listing = graph.users(select="id", top=500)
    assert paths(iam_sandbox) == [], "nothing is read before it is asked for"
    first = twin.items(listing, most=500)
    assert len(paths(iam_sandbox)) == 1, "what nobody asked for is not read"
    rest = twin.items(listing)
    assert len(paths(iam_sandbox)) == 3
    found = [user["id"] for user in first + rest]
    assert sorted(found) == sorted(user["id"] for user in iam_sandbox.state()["users"])
    assert twin.items(listing) == []


def test_a_listing_goes_on_elsewhere_and_counts(twin, graph, iam_sandbox):
    listing = graph.users(select="id", top=400, count=True)
    first = twin.items(listing, most=400)
    assert listing.count == len(iam_sandbox.state()["users"])
    rest = twin.all(graph.list(listing.link))
    assert {user["id"] for user in first + rest} == {user["id"] for user in iam_sandbox.state()["users"]}
    foreign = graph.list("https://graph.evil.example/v1.0/users?$skiptoken=1")
    with pytest.raises(DeniedError):
        twin.all(foreign)


def test_filters_searches_and_orders(twin, graph, iam_sandbox):
    noah = twin.all(graph.users(filter=f"userPrincipalName eq '{NOAH}{iam_sandbox.domain}'"))
    assert [user["displayName"] for user in noah] == ["Noah Fischer"]
    # A filter that only an advanced query answers is asked as one.
    not_in = twin.all(graph.users(filter="displayName ne 'Noah Fischer'", select=["id", "displayName"]))
    assert len(not_in) == len(iam_sandbox.state()["users"]) - 1
    assert "count=true" in iam_sandbox.log()[-1]["query"]
    found = twin.all(graph.users(search="displayName:noah", select="displayName"))
    assert "Noah Fischer" in [user["displayName"] for user in found]
    names = [user["displayName"] for user in twin.all(graph.users(orderby="displayName desc", select="displayName"))]
    assert names[0] > names[-1]
    with pytest.raises(InvalidError):
        twin.all(graph.users(top=5000))
    with pytest.raises(InvalidError, match="either"):
        graph.list("/users?$top=1", top=2)


def test_changes_since_a_link(twin, graph, iam_sandbox):
    listing = graph.delta("/users", select="displayName", from_now=True)
    assert twin.all(listing) == []
    made = twin.do(graph.create_user, ada(iam_sandbox))["id"]
    changes = graph.delta(link=listing.delta_link)
    assert [change["id"] for change in twin.items(changes)] == [made]
    twin.do(graph.delete_user, made)
    (gone,) = twin.all(graph.delta(link=changes.delta_link))
    assert (gone["id"], gone["@removed"]["reason"]) == (made, "changed")


def test_a_batch_gives_one_outcome_for_each_request(twin, graph, iam_sandbox):
    noah = f"/users/{NOAH}{iam_sandbox.domain}"
    requests = [
        {"url": noah},
        {"id": "new", "method": "POST", "url": "/users", "body": {"displayName": "half"}},
        {"method": "PATCH", "url": noah, "body": {"jobTitle": "never"}, "dependsOn": ["new"]},
        *({"url": f"/users/{user['id']}"} for user in iam_sandbox.state()["users"][:30]),
    ]
    before = iam_sandbox.requests
    answers = twin.do(graph.batch, requests)
    assert len(answers) == 33
    assert answers[0].json()["displayName"] == "Noah Fischer"
    assert isinstance(answers[1], InvalidError)
    assert answers[2].code == "FailedDependency"
    assert all(answer.status == 200 for answer in answers[3:])
    assert iam_sandbox.requests - before < 8
    assert iam_sandbox.user(NOAH + iam_sandbox.domain).get("jobTitle") != "never"
    with pytest.raises(InvalidError, match=r"\[1\]"):
        twin.do(graph.batch, [{"url": "/me"}, {"path": "/me"}])
    with pytest.raises(InvalidError, match="request 0"):
        twin.do(graph.batch, [{"url": "/me", "dependsOn": ["7"]}])


def test_any_request_and_any_answer(twin, graph, iam_sandbox):
    answer = twin.do(graph.request, "get", "/users", params={"$top": 1, "$select": "id"}, headers={"X-Own": "1"})
    assert (answer.status, answer.ok, answer.attempts) == (200, True, 1)
    assert len(answer.json()["value"]) == 1
    assert answer.headers["content-type"].startswith("application/json")
    missing = twin.do(graph.request, "GET", "/users/nobody", check=False)
    assert (missing.status, missing.json()["error"]["code"]) == (404, "Request_ResourceNotFound")
    with pytest.raises(NotFoundError):
        twin.do(graph.request, "GET", "/users/nobody")
    made = twin.do(graph.request, "POST", "/groups", b'{"displayName": "x"}', check=False)
    assert made.status == 400
    with pytest.raises(ValueError, match="not JSON"):
        twin.do(graph.request, "POST", "/groups", "{")
    with pytest.raises(InvalidError, match="GETT"):
        twin.do(graph.request, "GETT", "/users")


def test_an_error_says_what_happened(twin, graph, iam_sandbox):
    with pytest.raises(NotFoundError) as raised:
        twin.do(graph.user, "ghost@contoso.example")
    error = raised.value
    assert isinstance(error, IamError)
    assert (error.kind, error.status, error.code) == ("not_found", 404, "Request_ResourceNotFound")
    assert (error.operation, error.retry, error.retry_after) == ("get user", "never", None)
    assert error.request_id == iam_sandbox.log()[-1]["requestId"]
    assert error.body["error"]["code"] == "Request_ResourceNotFound"
    assert "ghost" not in str(error), "who was asked for is personal"
    assert "ghost" not in repr(error)

    twin.do(graph.create_user, ada(iam_sandbox))
    with pytest.raises(AlreadyExistsError) as raised:
        twin.do(graph.create_user, ada(iam_sandbox))
    assert raised.value.property == "userPrincipalName"


@pytest.mark.parametrize("wrong", ["", " ", ".", "..", "$count"])
def test_an_id_that_would_be_another_path_is_refused(twin, graph, iam_sandbox, wrong):
    scim, arm = twin.of(iam_sandbox, "scim"), twin.of(iam_sandbox, "arm")
    for call in (graph.user, graph.delete_user, graph.delete_group, graph.purge, scim.delete_user, arm.subscription):
        with pytest.raises(InvalidError, match="id"):
            twin.do(call, wrong)
    with pytest.raises(InvalidError):
        twin.all(graph.group_members(wrong))
    assert iam_sandbox.requests == 0


def test_an_id_stays_one_segment(twin, graph, iam_sandbox):
    for strange in ("a/b", "x?y#z", "ä'%2f"):
        with pytest.raises(NotFoundError):
            twin.do(graph.user, strange)
        path = iam_sandbox.log()[-1]["path"]
        assert re.fullmatch(r"/v1\.0/users/[\w%.~-]+", path), path


def test_retries_and_what_they_cannot_mend(twin, graph, iam_sandbox):
    iam_sandbox.fault("throttle", times=2, retry_after=0, path="/users/*")
    noah = f"{NOAH}{iam_sandbox.domain}"
    assert twin.do(graph.request, "GET", f"/users/{noah}").attempts == 3
    iam_sandbox.clear_faults()
    iam_sandbox.fault("cut_after", method="POST", path="/users", times=1)
    with pytest.raises(OutcomeUnknownError):
        twin.do(graph.create_user, ada(iam_sandbox))
    assert iam_sandbox.user(f"ada@{iam_sandbox.domain}"), "it took effect"
    assert iam_sandbox.faults()[0]["fired"] == 1
    iam_sandbox.clear_faults()
    iam_sandbox.fault("throttle", retry_after=3000, path="/users/*")
    with pytest.raises(ThrottledError) as raised:
        twin.do(graph.user, noah)
    assert raised.value.retry_after == pytest.approx(3000, abs=5)
    assert raised.value.status == 429


def test_a_service_that_is_not_there(twin):
    client = twin.made(
        iam_platform,
        "ScimClient",
        "http://127.0.0.1:9/scim",
        "token",
    )
    with pytest.raises(UnavailableError) as raised:
        twin.do(client.user, "1")
    assert raised.value.__cause__ is not None


def test_azure(twin, iam_sandbox):
    arm = twin.of(iam_sandbox, "arm")
    (subscription,) = twin.all(arm.subscriptions())
    id = subscription["subscriptionId"]
    assert id == iam_sandbox.subscription_id
    assert twin.do(arm.subscription, id)["displayName"] == subscription["displayName"]
    twin.do(arm.create_resource_group, id, "new", "westeurope", {"owner": "it"})
    assert twin.do(arm.resource_group, id, "new")["tags"] == {"owner": "it"}
    assert "new" in [group["name"] for group in twin.all(arm.resource_groups(id))]
    scope = f"/subscriptions/{id}/resourceGroups/new"
    reader = twin.do(arm.role_definition, scope, "reader")
    assert reader["name"] in [role["name"] for role in twin.all(arm.role_definitions(scope))]
    noah = iam_sandbox.user(NOAH + iam_sandbox.domain)["id"]
    held = twin.do(arm.assign_role, scope, reader["name"], noah)
    assert twin.do(arm.assign_role, scope, reader["name"], noah)["id"] == held["id"]
    mine = twin.all(arm.role_assignments(scope, filter=f"principalId eq '{noah}'"))
    assert [one["id"] for one in mine] == [held["id"]]
    assert twin.do(arm.remove_role_assignment, held["id"]) is True
    assert twin.do(arm.remove_role_assignment, held["id"]) is False
    for wrong in ("/subscriptions", "nowhere"):
        with pytest.raises(InvalidError, match="scope"):
            twin.do(arm.role_definition, wrong, "Reader")
    with pytest.raises(InvalidError, match="principal"):
        twin.do(arm.assign_role, scope, reader["name"], noah, "Robot")
    answer = twin.do(arm.request, "GET", "/subscriptions", params={"api-version": "2022-12-01"})
    assert answer.json()["value"][0]["subscriptionId"] == id
    assert twin.all(arm.list("/subscriptions?api-version=2022-12-01")) == [subscription]
    assert twin.do(arm.request, "GET", "/nothing?api-version=2022-12-01", check=False).status == 404


def test_scim(twin, iam_sandbox):
    scim = twin.of(iam_sandbox, "scim")
    user_schema = "urn:ietf:params:scim:schemas:core:2.0:User"
    made = twin.do(scim.create_user, {"schemas": [user_schema], "userName": "ada", "active": True})
    id = made["id"]
    with pytest.raises(AlreadyExistsError):
        twin.do(scim.create_user, {"schemas": [user_schema], "userName": "ada"})
    changed = twin.do(scim.patch_user, id, [{"op": "replace", "path": "active", "value": False}])
    assert changed["active"] is False
    twin.do(scim.replace_user, id, {"schemas": [user_schema], "userName": "ada.l", "displayName": "Ada"})
    user = twin.do(scim.user, id)
    assert (user["userName"], user.get("active", True)) == ("ada.l", True)
    assert [one["id"] for one in twin.all(scim.users(filter='userName eq "ada.l"'))] == [id]
    assert twin.all(scim.users(filter='userName eq "ada"')) == []

    agents = next(group for group in twin.all(scim.groups()) if group["displayName"] == "agent")["id"]
    twin.do(scim.add_member, agents, id)
    assert [member["value"] for member in twin.do(scim.group, agents)["members"]] == [id]
    twin.do(scim.remove_member, agents, id)
    assert not twin.do(scim.group, agents).get("members")
    schema = "urn:ietf:params:scim:schemas:core:2.0:Group"
    group = twin.do(scim.create_group, {"schemas": [schema], "displayName": "new"})["id"]
    twin.do(
        scim.patch_group,
        group,
        {
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": [{"op": "add", "path": "members", "value": [{"value": id}]}],
        },
    )
    twin.do(scim.replace_group, group, {"schemas": [schema], "displayName": "renamed"})
    assert twin.do(scim.group, group)["displayName"] == "renamed"
    twin.do(scim.delete_group, group)
    twin.do(scim.delete_user, id)
    with pytest.raises(NotFoundError):
        twin.do(scim.user, id)

    assert twin.do(scim.service_provider_config)["patch"]["supported"] is True
    assert {kind["name"] for kind in twin.all(scim.resource_types())} == {"User", "Group"}
    assert user_schema in [schema["id"] for schema in twin.all(scim.schemas())]
    assert [kind["name"] for kind in twin.all(scim.list("/ResourceTypes"))]
    answer = twin.do(scim.request, "POST", "/Users", {"schemas": [user_schema], "userName": "bob"})
    assert answer.status == 201
    with pytest.raises(InvalidError, match="empty"):
        twin.do(scim.delete_user, "")


def test_scim_pages(twin, iam_sandbox):
    scim = twin.of(iam_sandbox, "scim")
    schema = "urn:ietf:params:scim:schemas:core:2.0:User"
    names = {f"user{number}" for number in range(25)}
    for name in names:
        twin.do(scim.create_user, {"schemas": [schema], "userName": name})
    before = iam_sandbox.requests
    assert {user["userName"] for user in twin.items(scim.users(count=10))} == names
    assert iam_sandbox.requests - before == 3
