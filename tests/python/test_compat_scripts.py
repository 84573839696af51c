"""The samples' flows as scripts, run by ``python -m iam_platform.compat`` against a tenant, and what the tenant is then."""

import csv
import json
import stat

import pytest
from samples_tenant import HERE, started

PERSON = {
    "firstName": "Ann",
    "lastName": "Lee",
    "department": "Security",
    "jobTitle": "Analyst",
    "location": "Perth",
    "employeeId": "W-9001",
    "status": "Active",
    "isNewHire": True,
}
UPN = "ann.lee@contoso.example"
EXPECTED_GROUPS = {"All Staff", "VPN Users"}


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with started(tmp_path_factory.mktemp("scripts"), "--seed", "11") as tenant:
        yield tenant


@pytest.fixture(autouse=True)
def fresh(running):
    """Every test finds the tenant as it was at the start."""
    running.reset()


@pytest.fixture
def desk(running, tmp_path):
    """A folder with settings, in which scripts run."""

    def run(script, record=None, *arguments, code=0):
        if record is not None:
            (tmp_path / "record.json").write_text(json.dumps(record))
            arguments = ("record.json", *arguments)
        ran = running.run(tmp_path, HERE / script, *arguments)
        assert ran.returncode == code, ran.stderr
        run.stderr = ran.stderr
        return json.loads(ran.stdout) if ran.stdout.startswith(("[", "{")) else ran.stdout

    run.folder = running.furnish(tmp_path)
    return run


def held(tenant, user):
    """The names of the groups that a user is in."""
    groups = tenant.ask("/_sandbox/state")["groups"]
    return {group["displayName"] for group in groups if user["id"] in group["members"]}


def logged(folder):
    return (folder / "logs" / "iam_audit.log").read_text()


def test_a_new_hire_gets_what_the_settings_say(running, desk):
    result = desk("new_hire.py", PERSON)
    user = running.user(UPN)
    assert user["accountEnabled"] is True
    assert (user["employeeId"], user["department"], user["officeLocation"]) == ("W-9001", "Security", "Perth")
    assert held(running, user) >= EXPECTED_GROUPS
    assert [state["state"] for state in user["licenseAssignmentStates"]] == ["Active"]
    scim = running.scim_user(UPN)
    assert (scim["active"], scim["title"], scim["name"]["familyName"]) == (True, "Analyst", "Lee")
    assert result == {
        "success": True,
        "entra_user_id": user["id"],
        "scim_user_id": scim["id"],
        "upn": UPN,
        "password": result["password"],
        "assigned_groups": ["All Staff", "VPN Users"],
        "assigned_licenses": ["SPE_E3"],
        "assigned_roles": [],
    }
    assert len(result["password"]) == 20
    mapping = desk.folder / "scim" / "scim_mapping.json"
    assert json.loads(mapping.read_text()) == {"users": {user["id"]: scim["id"]}}
    assert stat.S_IMODE(mapping.stat().st_mode) == 0o600


def test_neither_the_password_nor_the_record_is_in_a_log(desk):
    result = desk("new_hire.py", PERSON)
    log = logged(desk.folder)
    entries = [json.loads(line) for line in log.splitlines()]
    assert {"SCIM_CreateUser", "NewHire_Provisioned", "Hired"} == {entry["action"] for entry in entries}
    assert entries[-1]["details"]["record"] == {"employeeId": "W-9001", "status": "Active", "isNewHire": True}
    for hidden in (result["password"], "Analyst", "Lee"):
        assert hidden not in log
        assert hidden not in desk.stderr
    assert stat.S_IMODE((desk.folder / "logs" / "iam_audit.log").stat().st_mode) == 0o600


def test_hiring_twice_fails_and_changes_nothing(running, desk):
    desk("new_hire.py", PERSON)
    before = running.user(UPN)
    assert desk("new_hire.py", PERSON, code=1) == {"success": False, "error": "Failed to create user in Entra"}
    assert running.user(UPN) == before


def test_a_directory_that_does_not_know_the_new_user_everywhere_yet_is_waited_for(running, desk):
    running.furnish(desk.folder, {"default_roles": ["Global Administrator"]})
    for path in ("/users/**", "/groups/**", "/directoryRoles/**"):
        running.fault(None, path, {"kind": "lag", "millis": 2000})
    result = desk("new_hire.py", PERSON)
    assert result["assigned_groups"] == ["All Staff", "VPN Users"]
    assert result["assigned_licenses"] == ["SPE_E3"]
    assert result["assigned_roles"] == ["Global Administrator"]
    refused = [row for row in running.log()["log"] if row["status"] == 404 and row["method"] == "POST"]
    assert refused, "it was not known at first"


def test_what_was_not_assigned_is_not_reported_as_assigned(running, desk):
    running.furnish(
        desk.folder,
        {
            "default_groups": ["No Such Group", "All Staff"],
            "default_license_skus": ["NO_SUCH_SKU", "SPE_E3"],
            "default_roles": ["No Such Role", "Global Administrator", "Security Reader"],
        },
    )
    result = desk("new_hire.py", PERSON)
    assert result["assigned_groups"] == ["All Staff"]
    assert result["assigned_licenses"] == ["SPE_E3"]
    assert result["assigned_roles"] == ["Global Administrator", "Security Reader"], "one is not activated yet"
    assert len(running.user(UPN)["roles"]) == 2
    assert "No Such Group" in desk.stderr
    assert "NO_SUCH_SKU" in desk.stderr


def test_a_scim_application_that_is_down_does_not_lose_the_new_user(running, desk):
    running.fault("POST", "/scim/v2/Users", {"kind": "status", "status": 401})
    result = desk("new_hire.py", PERSON)
    assert (result["success"], result["scim_user_id"]) == (True, None)
    assert running.user(UPN)["accountEnabled"] is True
    assert not (desk.folder / "scim" / "scim_mapping.json").exists()


def test_the_password_must_be_changed_unless_the_settings_say_otherwise(running, desk):
    (desk.folder / "force.py").write_text(
        "import json\n"
        "import graph_users\n"
        "from hr.provision_new_hire import process_new_hire\n"
        "real, sent = graph_users.call_graph, []\n"
        "def call(*arguments, **more):\n"
        "    sent.append(more.get('json'))\n"
        "    return real(*arguments, **more)\n"
        "graph_users.call_graph = call\n"
        "graph_users.create_user('Ann', 'Lee', 'xK9-fw2p!Q-riverbed')\n"
        "print(json.dumps(sent[-1]['passwordProfile']))\n"
    )
    for wanted in (True, False):
        running.reset()
        running.furnish(desk.folder, {"default_force_password_reset": wanted})
        ran = running.run(desk.folder, "force.py")
        assert json.loads(ran.stdout) == {"forceChangePasswordNextSignIn": wanted, "password": "xK9-fw2p!Q-riverbed"}


def test_an_update_finds_the_person_by_the_worker_id(running, desk):
    desk("new_hire.py", PERSON)
    moved = {**PERSON, "isNewHire": False, "isUpdated": True, "jobTitle": "Lead", "location": "Sydney"}
    result = desk("update.py", moved)
    assert result["changes_applied"] == {"jobTitle": "Lead", "officeLocation": "Sydney"}
    assert result["entra_update"] == {"success": True, "status_code": 204, "error": None}
    assert result["scim_update"]["title"] == "Lead"
    user = running.user(UPN)
    assert (user["jobTitle"], user["officeLocation"]) == ("Lead", "Sydney")
    assert running.scim_user(UPN)["title"] == "Lead"
    assert desk("update.py", moved) == {"success": True, "message": "No changes detected"}


def test_what_is_empty_in_a_record_is_left_alone(running, desk):
    desk("new_hire.py", PERSON)
    moved = {"employeeId": "W-9001", "department": "", "jobTitle": "Lead", "location": None}
    assert desk("update.py", moved)["changes_applied"] == {"jobTitle": "Lead"}
    assert running.user(UPN)["department"] == "Security"


def test_an_update_of_nobody_and_without_a_scim_user(desk):
    assert desk("update.py", {**PERSON, "employeeId": "W-0"}) == {"success": False, "error": "Entra user not found"}
    known = {**PERSON, "employeeId": "W-1010"}
    assert desk("update.py", known) == {"success": False, "error": "SCIM ID not found for user"}


def test_an_update_that_entra_refuses_is_no_success(running, desk):
    desk("new_hire.py", PERSON)
    result = desk("update.py", {**PERSON, "jobTitle": "x" * 200})
    assert result["success"] is False
    assert result["error"].startswith("Failed to update user in Entra: Request_BadRequest")
    assert running.scim_user(UPN)["title"] == "Analyst"


def arm_leaver(running, desk):
    """Somebody who holds one of everything."""
    running.furnish(desk.folder, {"default_roles": ["Global Administrator"]})
    desk("new_hire.py", PERSON)
    user = running.user(UPN)
    token = running.ask("/_sandbox/tokens", {})["access_token"]
    definitions = running.ask("/v1.0/roleManagement/directory/roleDefinitions", token=token)["value"]
    reader = next(role["id"] for role in definitions if role["displayName"] == "Security Reader")
    wish = {
        "action": "adminAssign",
        "principalId": user["id"],
        "roleDefinitionId": reader,
        "directoryScopeId": "/",
        "justification": "test",
        "scheduleInfo": {"expiration": {"type": "noExpiration"}},
    }
    running.ask("/v1.0/roleManagement/directory/roleEligibilityScheduleRequests", wish, token=token)
    running.ask(f"/v1.0/users/{user['id']}", {"city": "Sydney"}, method="PATCH", token=token)
    user = running.user(UPN)
    assert user["roles"] and user["eligibleRoles"] and user["assignedLicenses"]
    assert held(running, user) >= EXPECTED_GROUPS
    running.ask("/_sandbox/clock", {"advance_seconds": 60})
    return user


LEAVER = {**PERSON, "status": "Terminated", "isNewHire": False}


def test_a_termination_leaves_no_access(running, desk):
    before = arm_leaver(running, desk)
    running.ask("/_sandbox/log", method="DELETE")
    result = desk("termination.py", LEAVER)
    assert result["success"] is True
    assert result["entra_result"] == {"success": True, "status_code": 204, "error": None}
    assert result["scim_result"]["active"] is False
    after = running.user(UPN)
    assert after["accountEnabled"] is False
    assert after["signInSessionsValidFromDateTime"] > before["signInSessionsValidFromDateTime"]
    assert (after["roles"], after["eligibleRoles"], after["assignedLicenses"]) == ([], [], [])
    assert after["licenseAssignmentStates"] == []
    groups = {group["displayName"]: group for group in running.ask("/_sandbox/state")["groups"]}
    assert {name for name in held(running, after) if not groups[name].get("membershipRule")} == set()
    assert running.scim_user(UPN)["active"] is False
    # The block comes first, then the sessions, and nothing waits for what comes after.
    writes = [f"{row['method']} {row['path']}" for row in running.log()["log"] if row["method"] != "GET"]
    effects = [write for write in writes if "oauth2" not in write and "_sandbox" not in write]
    assert effects[0] == f"PATCH /v1.0/users/{after['id']}"
    assert effects[1] == f"POST /v1.0/users/{after['id']}/revokeSignInSessions"
    assert effects[-1] == f"POST /v1.0/users/{after['id']}/assignLicense"


def test_all_of_the_staff_can_be_terminated(running, desk):
    token = running.ask("/_sandbox/tokens", {})["access_token"]
    apps = running.ask("/v1.0/servicePrincipals", token=token)["value"]
    open_to_users = [(app, role) for app in apps for role in app["appRoles"] if "User" in role["allowedMemberTypes"]]
    portal, role = open_to_users[0]
    staff = [user for user in running.ask("/_sandbox/state")["users"] if user.get("employeeId")]
    claims = {"principalId": staff[0]["id"], "resourceId": portal["id"], "appRoleId": role["id"]}
    running.ask(f"/v1.0/users/{staff[0]['id']}/appRoleAssignments", claims, token=token)
    assert running.user(staff[0]["userPrincipalName"])["appRoles"]
    (desk.folder / "leavers.csv").write_text(
        "employeeId,status\n" + "".join(f"{user['employeeId']},Terminated\n" for user in staff)
    )
    results = desk("csv_import.py", None, "leavers.csv")
    assert len(results) == 10
    assert {result["status"] for result in results} == {"success"}
    state = running.ask("/_sandbox/state")
    filled_elsewhere = {"Sydney Everyone", "OnPrem Staff", "All Mail"}
    for user in state["users"]:
        if user.get("employeeId"):
            assert (user["accountEnabled"], user["roles"], user["appRoles"]) == (False, [], [])
            assert user["assignedLicenses"] == []
            assert held(running, user) <= filled_elsewhere
        else:
            assert user["accountEnabled"] or user["userPrincipalName"].startswith("hr"), "nobody else is touched"


def test_a_termination_is_repeatable(running, desk):
    arm_leaver(running, desk)
    desk("termination.py", LEAVER)
    before = held(running, running.user(UPN))
    result = desk("termination.py", LEAVER)
    assert result["success"] is True
    assert held(running, running.user(UPN)) == before


def test_what_cannot_be_taken_away_is_said_and_stops_nothing(running, desk):
    user = arm_leaver(running, desk)
    running.fault("PATCH", f"/users/{user['id']}", {"kind": "status", "status": 403})
    running.fault("DELETE", "/groups/*/members/**", {"kind": "status", "status": 403}, times=1)
    running.fault("PATCH", "/scim/v2/Users/*", {"kind": "status", "status": 403})
    result = desk("termination.py", LEAVER)
    assert result["success"] is False
    assert result["entra_result"]["status_code"] == 403
    for word in ("the sign-in was not blocked", "group ", "SCIM"):
        assert word in result["error"]
    after = running.user(UPN)
    assert after["accountEnabled"] is True, "the fault"
    assert after["signInSessionsValidFromDateTime"] > user["signInSessionsValidFromDateTime"]
    assert (after["roles"], after["eligibleRoles"], after["assignedLicenses"]) == ([], [], [])
    assert len(held(running, after) & EXPECTED_GROUPS) == 1


def test_a_termination_of_nobody_or_of_two_touches_nobody(running, desk):
    assert desk("termination.py", {**LEAVER, "employeeId": "W-0"}) == {
        "success": False,
        "error": "Entra user not found",
    }
    missing = desk("termination.py", {"status": "Terminated"})
    assert missing == {"success": False, "error": "the record has no employeeId"}
    token = running.ask("/_sandbox/tokens", {})["access_token"]
    other = running.user("tom.becker@contoso.example")
    running.ask(f"/v1.0/users/{other['id']}", {"employeeId": "W-1010"}, method="PATCH", token=token)
    result = desk("termination.py", {**LEAVER, "employeeId": "W-1010"})
    assert result == {"success": False, "error": "2 users have the employeeId 'W-1010'; nothing was done"}
    assert all(user["accountEnabled"] for user in running.ask("/_sandbox/state")["users"] if user.get("employeeId"))


def test_a_look_up_that_fails_is_no_absence(running, desk):
    running.fault("GET", "/users", {"kind": "status", "status": 403})
    result = desk("termination.py", {**LEAVER, "employeeId": "W-1010"})
    assert result["success"] is False
    assert "cannot be looked up" in result["error"]


def test_a_feed_is_carried_out_record_by_record(running, desk):
    records = [
        PERSON,
        {**PERSON, "isNewHire": False, "isUpdated": True, "jobTitle": "Lead"},
        {**PERSON, "isNewHire": False},
        {"employeeId": "W-9002", "status": "Active", "isNewHire": True},
        LEAVER,
    ]
    (desk.folder / "workday_feed.json").write_text(json.dumps(records))
    results = desk("feed.py")
    user = running.user(UPN)
    assert results == [
        {"status": "success", "message": "New hire provisioned successfully", "user_id": user["id"]},
        {"status": "success", "message": "User updated successfully", "user_id": "W-9001"},
        {"status": "error", "message": "Unknown event type"},
        {"status": "error", "message": "the record has no firstName"},
        {"status": "success", "message": "User terminated successfully", "user_id": "W-9001"},
    ]
    assert (user["jobTitle"], user["accountEnabled"]) == ("Lead", False)


def test_a_row_without_its_key_is_an_error_and_the_file_goes_on(running, desk):
    (desk.folder / "people.csv").write_text(
        "\ufefffirstName,lastName,department,jobTitle,location,employeeId,status,isNewHire,isUpdated\r\n"
        "Bea,One,Security,Analyst,Perth,W-9101,Active,true,\r\n"
        "No,Key,Security,Analyst,Perth,,Active,true,\r\n"
        "Short,Row\r\n"
        ",,,,,W-9102,Active,yes,no\r\n"
        "Bea,Two,Security,Analyst,Perth,W-9103,Active,1,0,surplus\r\n"
        "Noah,Fischer,,,,W-0,Terminated,,\r\n"
        'Bea,"Thr\nee",Security,Analyst,Perth,W-9104,Active,YES,\r\n',
        encoding="utf-8",
    )
    results = desk("csv_import.py", None, "people.csv")
    assert [result["status"] for result in results] == [
        "success",
        "error",
        "error",
        "error",
        "success",
        "error",
        "error",
    ]
    assert [result["message"] for result in results[1:4]] == [
        "line 3: employeeId is missing",
        "line 4: employeeId is missing",
        "the record has no firstName",
    ]
    assert results[5]["message"] == "Entra user not found"
    made = {user.get("employeeId") for user in running.ask("/_sandbox/state")["users"]}
    assert {"W-9101", "W-9103"} <= made
    assert not {"W-9102", "W-9104"} & made


def test_a_file_that_is_no_utf_8_is_said_to_be_none(desk):
    (desk.folder / "people.csv").write_bytes("employeeId\nW-1\nW-é\n".encode("latin-1"))
    desk("csv_import.py", None, "people.csv", code=1)
    assert "ValueError: people.csv, line 3: expected UTF-8" in desk.stderr


def test_https_with_an_authority_of_ones_own(tmp_path):
    with started(tmp_path, "--tls") as tenant:
        desk = tenant.furnish(tmp_path / "desk")
        script = "from graph_users import get_user\nprint(get_user('camila.rocha@contoso.example')['status_code'])\n"
        (desk / "script.py").write_text(script)
        trusting = tenant.run(desk, "script.py", IAM_CA_BUNDLE=tenant.values["SANDBOX_CA"])
        assert trusting.stdout == "200\n", trusting.stderr
        distrustful = tenant.run(desk, "script.py")
        assert distrustful.returncode == 1
        assert "iam_platform.errors." in distrustful.stderr


def test_exports_have_all_pages(tmp_path):
    with started(tmp_path, "--people", "1050") as tenant:
        desk = tenant.furnish(tmp_path / "desk")
        ran = tenant.run(desk, HERE / "exports.py", "All Staff", "camila.rocha@contoso.example")
        assert ran.returncode == 0, ran.stderr
        state = tenant.ask("/_sandbox/state")
    group = next(group for group in state["groups"] if group["displayName"] == "All Staff")
    user = next(user for user in state["users"] if user["userPrincipalName"] == "camila.rocha@contoso.example")
    members = f"group_{group['id']}_members.csv"
    access = f"user_{user['id']}_access.csv"
    assert ran.stdout.splitlines() == [f"Export complete: {name}" for name in ("groups.csv", members, access)]

    def rows(name):
        with open(desk / name, newline="", encoding="utf-8") as file:
            return list(csv.reader(file))

    assert rows(members)[0] == ["id", "displayName", "userPrincipalName"]
    assert {row[0] for row in rows(members)[1:]} == set(group["members"])
    assert len(group["members"]) > 999, "more than the largest page"
    assert rows("groups.csv")[0] == ["id", "displayName", "mail", "groupTypes"]
    assert {row[1] for row in rows("groups.csv")[1:]} == {group["displayName"] for group in state["groups"]}
    assert ["DynamicMembership"] in [row[3:] for row in rows("groups.csv")]
    assert rows(access)[0] == ["id", "displayName"]
    assert {row[1] for row in rows(access)[1:]} >= {"All Staff", "sg-finance"}


def test_a_report_of_licences(running, desk):
    assert desk("license_report.py") == "Report complete\n"
    with open(desk.folder / "licenses.csv", newline="") as file:
        rows = dict(csv.reader(file))
    skus = {sku["skuId"]: sku["skuPartNumber"] for sku in running.ask("/_sandbox/state")["subscribedSkus"]}
    for user in running.ask("/_sandbox/state")["users"]:
        names = sorted(skus[held["skuId"]] for held in user["assignedLicenses"])
        assert rows[user["userPrincipalName"]] == " ".join(names)
    assert any(rows[name] for name in rows if "@" in name)
