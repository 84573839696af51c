"""The modules in this process against a tenant: what goes beyond, or is better than, the samples' own (with which
test_compat_side_by_side.py compares them call by call)."""

import csv
import importlib
import io
import os
import sys
import time

import pytest
from samples_tenant import started

PASSWORD = "xK9-fw2p!Q-riverbed"
CAMILA = "camila.rocha@contoso.example"
DENIED = {"kind": "status", "status": 403}


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with started(tmp_path_factory.mktemp("modules"), "--seed", "5") as tenant:
        yield tenant


@pytest.fixture(autouse=True)
def fresh(running):
    """Every test finds the tenant as it was at the start."""
    running.reset()


@pytest.fixture(autouse=True)
def compat(running, tmp_path, monkeypatch):
    """Imports a module of the package anew, in a furnished working folder."""
    before = dict(os.environ)
    running.furnish(tmp_path)
    monkeypatch.chdir(tmp_path)
    os.environ.update(running.endpoints())

    def forget():
        for name in [name for name in sys.modules if name.startswith("iam_platform.compat")]:
            del sys.modules[name]

    forget()
    yield lambda name: importlib.import_module(f"iam_platform.compat.{name}")
    forget()
    os.environ.clear()
    os.environ.update(before)


def requests(running, method=None):
    rows = [row for row in running.log()["log"] if "oauth2" not in row["path"]]
    return [f"{row['method']} {row['path']}" for row in rows if method in (None, row["method"])]


def test_a_token_is_asked_for_once_and_kept(running, compat):
    running.ask("/_sandbox/log", method="DELETE")
    auth, config = compat("auth"), compat("config")
    tokens = {auth.get_access_token() for _ in range(3)} | {config.get_token()}
    assert len(tokens) == 1
    asked = [row for row in running.log()["log"] if "oauth2" in row["path"]]
    assert len(asked) == 1


def test_the_credential_is_one_of_azure_identitys_kind(running):
    from iam_platform import ClientSecretCredential
    from iam_platform.errors import InvalidError, UnauthenticatedError

    running.ask("/_sandbox/log", method="DELETE")
    scope = "https://graph.microsoft.com/.default"
    given = running.settings()
    known = (given["TENANT_ID"], given["CLIENT_ID"])
    credential = ClientSecretCredential(*known, given["CLIENT_SECRET"], authority=running.root)
    tokens = [credential.get_token(scope, enable_cae=True) for _ in range(3)]
    assert len({token.token for token in tokens}) == 1
    assert len(running.log()["log"]) == 1, "it is kept"
    assert 3000 < tokens[0].expires_on - time.time() < 90000
    assert tokens[0].token not in repr(tokens[0])
    assert running.ask("/v1.0/users/" + CAMILA, token=tokens[0].token)["displayName"] == "Camila Rocha"
    challenge = '{"access_token": {"nbf": {"essential": true, "value": "1"}}}'
    assert credential.get_token(scope, claims=challenge).token
    assert len(running.log()["log"]) > 2, "a challenge is answered by a new token"
    for scopes in ((), (scope, scope)):
        with pytest.raises(InvalidError, match="one scope"):
            credential.get_token(*scopes)
    with pytest.raises(UnauthenticatedError, match="AADSTS7000215"):
        ClientSecretCredential(*known, "wrong", authority=running.root).get_token(scope)


def test_a_secret_that_is_refused(compat):
    from iam_platform.errors import UnauthenticatedError

    os.environ["CLIENT_SECRET"] = "wrong"
    with pytest.raises(UnauthenticatedError, match="AADSTS7000215") as refused:
        compat("auth").get_access_token()
    assert "wrong" not in str(refused.value)


def test_a_service_that_is_not_there_raises(compat):
    from iam_platform.errors import IamError

    os.environ["IAM_GRAPH_URL"] = "http://127.0.0.1:9/v1.0"
    with pytest.raises(IamError):
        compat("graph_users").get_user(CAMILA)


def test_throttling_is_waited_for(running, compat):
    throttled = {"kind": "throttle", "retry_after": {"seconds": 0}}
    running.fault("GET", "/users/*", throttled, times=2)
    assert compat("graph_users").get_user(CAMILA)["status_code"] == 200


@pytest.mark.parametrize("status", [503, 500])
def test_a_service_that_goes_on_failing_is_a_result_in_the_end(running, compat, status):
    running.fault("GET", "/users/*", {"kind": "status", "status": status})
    running.fault("POST", "/users", {"kind": "status", "status": status})
    users = compat("graph_users")
    running.ask("/_sandbox/log", method="DELETE")
    read, created = users.get_user(CAMILA), users.call_graph("POST", "/users", None, json={"displayName": "x"})
    for result in (read, created):
        assert (result["success"], result["status_code"]) == (False, status)
        assert result["error"]["error"]["code"]
    assert len(requests(running, "GET")) > 1, "it was tried again"
    assert len(requests(running, "POST")) == 1, "nobody knows whether it took effect"


def test_tokens_that_were_revoked_are_renewed(running, compat):
    users = compat("graph_users")
    token = compat("auth").get_access_token()
    assert users.call_graph("GET", "/users", token)["success"]
    running.fault("GET", "/users/*", {"kind": "revoke_tokens"}, times=1)
    assert users.get_user(CAMILA)["status_code"] == 200


@pytest.mark.parametrize("status", [400, 403, 409])
def test_a_failure_is_a_result_whatever_its_status(running, compat, status):
    running.fault("GET", "/users/*", {"kind": "status", "status": status})
    result = compat("graph_users").get_user(CAMILA)
    assert (result["success"], result["status_code"], result["user"]) == (False, status, None)
    assert result["error"]["error"]["code"]


def test_a_user_that_cannot_be_looked_up(running, compat):
    running.fault("GET", "/users/*", DENIED)
    found = compat("graph_users").user_exists(CAMILA)
    assert list(found) == ["exists", "user", "error", "status_code"]
    assert (found["exists"], found["status_code"]) == (False, 403)


@pytest.mark.parametrize("name", ["guest_fabrikam.example#EXT#@contoso.example", "a?b", "a/b", "a%2Fb", "ü ß"])
def test_an_id_is_one_segment_of_the_path(running, compat, name):
    running.ask("/_sandbox/log", method="DELETE")
    result = compat("graph_users").delete_user(name)
    assert result["status_code"] == 404
    assert f"'{name}'" in result["error"]["error"]["message"]
    assert len(running.ask("/_sandbox/state")["users"]) == 13


@pytest.mark.parametrize("name", [".", ".."])
def test_a_step_in_a_path_is_no_id(compat, name):
    with pytest.raises(ValueError, match="is no id"):
        compat("graph_users").delete_user(name)


def test_a_domain_may_be_given(compat):
    users = compat("graph_users")
    assert users.create_user("Ann", "Lee", PASSWORD)["user"]["userPrincipalName"] == "ann.lee@contoso.example"
    assert users.create_user("A", "B", PASSWORD, domain="contoso.example")["status_code"] == 201


def test_names_with_apostrophes_are_found(compat):
    groups = compat("graph_groups")
    token = compat("auth").get_access_token()
    body = {"displayName": "O'Brien's", "mailEnabled": False, "mailNickname": "obriens", "securityEnabled": True}
    made = groups.call_graph("POST", "/groups", token, json=body)["data"]["id"]
    assert groups.get_group_id_by_display_name("O'Brien's") == made
    assert groups.create_group("O'Brien's")["group_id"] == made
    assert groups.get_group_id_by_display_name("x' or displayName ne '") is None


def test_a_group_is_not_created_where_it_may_be_there(running, compat):
    running.fault("GET", "/groups", DENIED)
    result = compat("graph_groups").create_group("All Staff")
    assert (result["success"], result["status_code"], result["group"]) == (False, 403, None)
    assert "POST /v1.0/groups" not in requests(running)


def test_members_of_all_pages(compat):
    groups = compat("graph_groups")
    everyone = groups.get_group_id_by_display_name("All Staff")
    whole = groups.get_group_members(everyone)
    groups.PAGE = 3
    assert groups.get_group_members(everyone) == whole
    assert len(whole["members"]) > 6


def test_a_list_whose_later_page_fails_is_no_list(running, compat):
    groups = compat("graph_groups")
    everyone = groups.get_group_id_by_display_name("All Staff")
    groups.PAGE = 3
    running.fault("GET", "/groups/*/members", DENIED, nth=3)
    result = groups.get_group_members(everyone)
    assert (result["success"], result["status_code"], result["members"]) == (False, 403, [])


def test_an_export_is_whole_or_not_written(running, compat, tmp_path, capsys):
    groups = compat("graph_groups")
    groups.PAGE = 5
    groups.export_groups()
    whole = (tmp_path / "groups.csv").read_bytes()
    assert whole.startswith(b"id,displayName,mail,groupTypes\r\n")
    running.fault("GET", "/groups", DENIED, nth=2)
    groups.export_groups()
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "Export complete: groups.csv"
    assert said[1].startswith("Export failed: groups.csv: ")
    assert (tmp_path / "groups.csv").read_bytes() == whole
    assert sorted(path.name for path in tmp_path.iterdir()) == [".env", "config.json", "groups.csv"]


def test_an_export_goes_nowhere_but_to_the_working_folder(compat, tmp_path, capsys):
    export = importlib.import_module("iam_platform.compat._export").export
    rows = {"success": True, "status_code": 200, "data": {"value": []}, "error": None}
    for name in ("group_../../x_members.csv", "group_/etc/x_members.csv", "group_a\\b\0_members.csv"):
        export(name, ["id"], rows)
    written = {path.name for path in tmp_path.iterdir()} - {".env", "config.json"}
    assert written == {"group_.._.._x_members.csv", "group__etc_x_members.csv", "group_a_b__members.csv"}
    assert capsys.readouterr().out.count("Export complete") == 3


def test_an_exported_cell_is_no_formula(compat, tmp_path):
    groups, token = compat("graph_groups"), compat("auth").get_access_token()
    for number, name in enumerate(['=HYPERLINK("http://x")', "+1", "-1", "@x", "Plain - one"]):
        body = {"displayName": name, "mailEnabled": False, "mailNickname": f"n{number}", "securityEnabled": True}
        assert groups.call_graph("POST", "/groups", token, json=body)["success"]
    groups.export_groups()
    names = {row["displayName"] for row in csv.DictReader(io.StringIO((tmp_path / "groups.csv").read_text()))}
    assert {'\'=HYPERLINK("http://x")', "'+1", "'-1", "'@x", "Plain - one"} <= names


@pytest.mark.parametrize(
    ("module", "call", "path"),
    [
        ("graph_licenses", ("list_skus",), "/subscribedSkus"),
        ("graph_licenses", ("get_user_licenses", CAMILA), "/users/*/licenseDetails"),
        ("graph_licenses", ("assign_license", CAMILA, "SPE_E5"), "/subscribedSkus"),
        ("graph_licenses", ("assign_license", CAMILA, "SPE_E5"), "/users/*/licenseDetails"),
        ("graph_licenses", ("remove_license", CAMILA, "SPE_E3"), "/users/*/licenseDetails"),
        ("graph_roles", ("list_directory_roles",), "/directoryRoles"),
        ("graph_roles", ("get_role_members", "x"), "/directoryRoles/*/members"),
        ("graph_roles", ("assign_role", CAMILA, "Global Administrator"), "/directoryRoles"),
        ("graph_roles", ("remove_role", CAMILA, "Global Administrator"), "/directoryRoles/*/members"),
    ],
)
def test_a_look_up_that_fails_is_returned_as_it_is(running, compat, module, call, path):
    running.fault("GET", path, DENIED)
    name, *arguments = call
    result = getattr(compat(module), name)(*arguments)
    assert list(result) == ["success", "status_code", "data", "error"]
    assert (result["success"], result["status_code"], result["data"]) == (False, 403, result["error"])
    assert result["error"]["error"]["code"]
    assert not requests(running, "POST") and not requests(running, "DELETE")


@pytest.mark.parametrize(
    ("module", "call", "path", "answer"),
    [
        ("graph_groups", ("get_group_id_by_display_name", "All Staff"), "/groups", None),
        ("graph_licenses", ("get_sku_id_by_name", "SPE_E3"), "/subscribedSkus", None),
        ("graph_licenses", ("user_has_license", CAMILA, "x"), "/users/*/licenseDetails", False),
        ("graph_roles", ("get_role_id_by_name", "Global Administrator"), "/directoryRoles", None),
        ("graph_roles", ("user_has_role", CAMILA, "x"), "/directoryRoles/*/members", False),
    ],
)
def test_what_has_only_two_answers_gives_the_lesser(running, compat, module, call, path, answer):
    running.fault("GET", path, DENIED)
    name, *arguments = call
    assert getattr(compat(module), name)(*arguments) is answer


def test_the_scim_token_comes_from_the_environment(compat):
    client = compat("scim.scim_client")
    made = client.create_scim_user({"userName": "a@contoso.example"})
    assert made["schemas"] == ["urn:ietf:params:scim:schemas:core:2.0:User"]
    assert client.update_scim_user(made["id"], {"active": False})["active"] is False
    assert client.delete_scim_user(made["id"]) == {}
    os.environ["IAM_SCIM_TOKEN"] = "wrong"
    assert client.create_scim_user({"userName": "b@contoso.example"})["status"] == "401"


def test_a_scim_application_without_a_token_is_asked_nevertheless(compat):
    del os.environ["IAM_SCIM_TOKEN"]
    assert compat("scim.scim_client").create_scim_user({"userName": "a@contoso.example"})["status"] == "401"


def test_a_scim_id_is_no_path(running, compat):
    client = compat("scim.scim_client")
    assert client.delete_scim_user("../Groups/x?y")["status"] == "404"
    for name in ("", "..", "."):
        with pytest.raises(ValueError, match="is no id"):
            client.delete_scim_user(name)


def test_rows_may_come_from_an_open_file(running, compat):
    orchestrator = compat("orchestrator").IAMOrchestrator()
    text = "firstName,lastName,employeeId,status,isNewHire\nAnn,Lee,W-1,Active,true\n"
    results = [orchestrator.process_csv(file) for file in (io.StringIO(text), io.BytesIO(text.encode()))]
    assert [result[0]["status"] for result in results] == ["success", "error"]
    assert running.user("ann.lee@contoso.example")["employeeId"] == "W-1"


def test_a_failing_service_is_an_error_of_the_event(running, compat):
    orchestrator = compat("orchestrator").IAMOrchestrator()
    record = {"firstName": "Ann", "lastName": "Lee", "employeeId": "W-1", "status": "Active", "isNewHire": True}
    os.environ["IAM_GRAPH_URL"] = "http://127.0.0.1:9/v1.0"
    result = orchestrator.handle_workday_event(record)
    assert (result["status"], set(result)) == ("error", {"status", "message"})
    assert orchestrator.handle_workday_event("nonsense")["status"] == "error"
    assert orchestrator.handle_workday_event({})["message"] == "Unknown event type"


def test_an_orchestrator_has_settings_of_its_own(running, compat, tmp_path):
    other = '{"domain": "contoso.example", "default_groups": ["sg-security"], "default_password_length": 30}'
    (tmp_path / "other.json").write_text(other)
    orchestrator = compat("orchestrator").IAMOrchestrator("other.json")
    record = {"firstName": "Ann", "lastName": "Lee", "employeeId": "W-1", "status": "Active", "isNewHire": True}
    assert orchestrator.handle_workday_event(record)["status"] == "success"
    user = running.user("ann.lee@contoso.example")
    assert user["id"] in running.group("sg-security")["members"]
    assert user["id"] not in running.group("All Staff")["members"]


def test_a_usage_location_is_the_configured_one_or_the_tenants(running, compat, tmp_path):
    for own, expected in ((None, "AU"), ("NZ", "NZ")):
        running.reset()
        running.furnish(tmp_path, {"usage_location": own} if own else {})
        orchestrator = compat("orchestrator").IAMOrchestrator(tmp_path / "config.json")
        record = {"firstName": "Ann", "lastName": "Lee", "employeeId": "W-1", "status": "Active", "isNewHire": True}
        assert orchestrator.handle_workday_event(record)["status"] == "success"
        user = running.user("ann.lee@contoso.example")
        assert (user["usageLocation"], len(user["assignedLicenses"])) == (expected, 1)
