"""Calls everything that the samples' modules offer, and prints a JSON line for each call: what was called, what came
back or was raised, and what was printed."""

import contextlib
import csv
import glob
import io
import json
import os

import auth
import config
import graph_groups
import graph_licenses
import graph_roles
import graph_users
from hr import provision_new_hire, provision_termination, provision_update, workday_events, workday_feed
from orchestrator import IAMOrchestrator
from scim import scim_client, scim_mapper

PASSWORD = "xK9-fw2p!Q-riverbed"
NOBODY = "00000000-0000-4000-8000-000000000000"


def call(function, *arguments, name=None):
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed):
            result = function(*arguments)
        line = {"result": result}
    except Exception as error:
        result, line = None, {"raised": type(error).__name__}
    label = name or f"{function.__name__}{arguments}"
    print(json.dumps({"call": label, **line, "printed": printed.getvalue()}))
    return result


def users():
    call(graph_users.generate_upn, "Mary Ann", "De Vries")
    call(graph_users.generate_upn, "Mary Ann", "De Vries", "fabrikam.example")
    call(graph_users.generate_mail_nickname, "Mary Ann", "De Vries")
    call(graph_users.build_password_profile, PASSWORD)
    call(graph_users.build_password_profile, PASSWORD, False)
    call(graph_users.user_exists, "camila.rocha@contoso.example")
    call(graph_users.user_exists, "nobody@contoso.example")
    made = call(graph_users.create_user, "Mary Ann", "De Vries", PASSWORD)
    call(graph_users.create_user, "Mary Ann", "De Vries", PASSWORD)
    call(graph_users.create_user, "Kim", "O'Neill", PASSWORD, "contoso.example")
    call(graph_users.create_user, "Kim", "Weak", "kim")
    call(graph_users.create_user, "Kim", "Elsewhere", PASSWORD, "not-ours.example")
    call(graph_users.get_user, made["user"]["id"])
    call(graph_users.get_user, "kim.o'neill@contoso.example")
    call(graph_users.get_user, "nobody@contoso.example")
    call(graph_users.get_user, NOBODY)
    call(graph_users.list_users)
    call(graph_users.list_users, 3)
    call(graph_users.list_users, 0)
    call(graph_users.list_users, 5000)
    call(graph_users.update_user, made["user"]["id"], {"jobTitle": "Lead", "department": "Security"})
    call(graph_users.update_user, made["user"]["id"], {"shoeSize": 46})
    call(graph_users.update_user, made["user"]["id"], {"jobTitle": ""})
    call(graph_users.update_user, "nobody@contoso.example", {"jobTitle": "Lead"})
    call(graph_users.disable_user, made["user"]["id"])
    call(graph_users.disable_user, "nobody@contoso.example")
    call(graph_users.delete_user, made["user"]["id"])
    call(graph_users.delete_user, made["user"]["id"])
    call(graph_users.delete_user, "nobody@contoso.example")


def groups():
    made = call(graph_groups.create_group, "Night Shift", "Nights at Perth")
    call(graph_groups.create_group, "Night Shift", "Nights at Perth")
    call(graph_groups.create_group, "Day Shift")
    rule = call(graph_groups.create_group, "Security People", "By a rule", 'user.department -eq "Security"')
    call(graph_groups.create_group, "Broken Rule", "By a rule", "this is no rule")
    group, user = made["group"]["id"], graph_users.get_user("camila.rocha@contoso.example")["user"]["id"]
    call(graph_groups.get_group, group)
    call(graph_groups.get_group, NOBODY)
    call(graph_groups.list_groups)
    call(graph_groups.list_groups, 2)
    call(graph_groups.get_group_id_by_display_name, "Night Shift")
    call(graph_groups.get_group_id_by_display_name, "No Such Group")
    call(graph_groups.add_user_to_group, user, group)
    call(graph_groups.add_user_to_group, user, group)
    call(graph_groups.add_user_to_group, NOBODY, group)
    call(graph_groups.add_user_to_group, user, NOBODY)
    call(graph_groups.add_user_to_group, user, rule["group"]["id"])
    call(graph_groups.get_group_members, group)
    call(graph_groups.get_group_members, NOBODY)
    call(graph_groups.export_groups)
    call(graph_groups.export_group_membership, group)
    call(graph_groups.export_user_access, user)
    for name in sorted(glob.glob("*.csv"), key=lambda name: name[:7]):
        call(lambda name=name: list(csv.reader(open(name, newline="", encoding="utf-8"))), name=f"file {name}")
    call(graph_groups.remove_user_from_group, user, group)
    call(graph_groups.remove_user_from_group, user, group)
    call(graph_groups.delete_group, group)
    call(graph_groups.delete_group, group)


def licenses():
    user = graph_users.create_user("Lee", "Licensed", PASSWORD)["user"]["id"]
    skus = call(graph_licenses.list_skus)
    call(graph_licenses.get_sku_id_by_name, "SPE_E3")
    call(graph_licenses.get_sku_id_by_name, "NO_SUCH")
    call(graph_licenses.get_user_licenses, user)
    call(graph_licenses.assign_license, user, "SPE_E3", name="assign_license without usage location")
    graph_users.update_user(user, {"usageLocation": "AU"})
    call(graph_licenses.assign_license, user, "SPE_E3")
    call(graph_licenses.assign_license, user, "SPE_E3")
    call(graph_licenses.assign_license, user, "NO_SUCH")
    call(graph_licenses.assign_license, "nobody@contoso.example", "SPE_E3")
    call(graph_licenses.get_user_licenses, user)
    call(graph_licenses.get_user_licenses, "lee.licensed@contoso.example")
    call(graph_licenses.get_user_licenses, "nobody@contoso.example")
    call(graph_licenses.user_has_license, user, skus["skus"]["SPE_E3"])
    call(graph_licenses.user_has_license, user, skus["skus"]["SPE_E5"])
    call(graph_licenses.user_has_license, "nobody@contoso.example", skus["skus"]["SPE_E3"])
    call(graph_licenses.remove_license, user, "SPE_E3")
    call(graph_licenses.remove_license, user, "SPE_E3")
    call(graph_licenses.remove_license, user, "NO_SUCH")
    call(graph_licenses.remove_license, "nobody@contoso.example", "SPE_E3")


def roles():
    user = graph_users.get_user("tom.becker@contoso.example")["user"]["id"]
    role, other = "Global Administrator", "Security Reader"
    known = call(graph_roles.list_directory_roles)
    call(graph_roles.get_role_id_by_name, role)
    call(graph_roles.get_role_id_by_name, other)
    call(graph_roles.get_role_members, known["roles"][role])
    call(graph_roles.get_role_members, NOBODY)
    call(graph_roles.user_has_role, user, known["roles"][role])
    call(graph_roles.user_has_role, user, NOBODY)
    call(graph_roles.assign_role, user, role)
    call(graph_roles.assign_role, user, role)
    call(graph_roles.assign_role, user, other)
    call(graph_roles.assign_role, NOBODY, role)
    call(graph_roles.assign_role, "tom.becker@contoso.example", role)
    call(graph_roles.user_has_role, user, known["roles"][role])
    call(graph_roles.get_role_members, known["roles"][role])
    call(graph_roles.remove_role, user, role)
    call(graph_roles.remove_role, user, role)
    call(graph_roles.remove_role, user, other)
    call(graph_roles.remove_role, NOBODY, role)


def raw():
    token = auth.get_access_token()
    call(lambda: config.get_token().count("."), name="get_token")
    call(lambda: config.GRAPH_BASE_URL.endswith("/v1.0"), name="GRAPH_BASE_URL")
    call(lambda: config.config, name="config")
    for module in (graph_users, graph_groups, graph_licenses, graph_roles):

        def ask(*arguments, module=module):
            return module.call_graph(*arguments)

        label = module.__name__.rpartition(".")[2]
        call(ask, "GET", "/organization?$select=displayName", token, name=f"{label}.call_graph with a query")
        params = {"$select": "displayName", "$top": 2, "$filter": None, "$count": "true"}
        call(ask, "get", "/users", token, params, name=f"{label}.call_graph with parameters")
        both = "/users?$filter=startsWith(displayName,'C')"
        call(ask, "GET", both, token, {"$select": "id"}, name=f"{label}.call_graph with both")
        call(ask, "GET", "/users?$filter=displayName eq 'Tom Becker'", token, name=f"{label}.call_graph with a space")
        call(ask, "GET", "/no/such/thing", token, name=f"{label}.call_graph to nowhere")
        call(ask, "GET", "/users", "not-a-token", name=f"{label}.call_graph with a bad token")
        call(ask, "DELETE", f"/users/{NOBODY}", token, name=f"{label}.call_graph deletes")
        call(ask, "POST", "/users", token, None, {}, name=f"{label}.call_graph with an empty body")
        call(ask, "POST", "/groups", token, None, {"displayName": "x"}, name=f"{label}.call_graph with a bad body")


def events():
    parser = workday_events.WorkdayEventParser()
    for status in ("Active", "Terminated", "On Leave"):
        for flags in ({"isNewHire": True}, {"isUpdated": True}, {"isNewHire": True, "isUpdated": True}, {}):
            record = {"status": status, **flags}
            call(workday_events.detect_event, record)
            call(parser.get_event_type, record)
    call(parser.from_csv_row, {"firstName": "Ann", "isNewHire": "TRUE", "isUpdated": "no", "extra": "x"})
    call(parser.from_csv_row, {"employeeId": "W-1", "status": "Terminated", "isNewHire": "1", "isUpdated": "Yes"})
    call(parser.from_csv_row, {"status": ""})
    with open("workday_feed.json", "w") as file:
        json.dump([{"employeeId": "W-1"}], file)
    call(workday_feed.load_workday_feed)
    call(workday_feed.load_workday_feed, "workday_feed.json")
    call(workday_feed.load_workday_feed, "no_such_feed.json")


def person(first, last, **more):
    record = {"firstName": first, "lastName": last, "department": "Security", "jobTitle": "Analyst"}
    return {**record, "location": "Perth", "employeeId": "W-9001", "status": "Active", **more}


def flows():
    hired = call(provision_new_hire.process_new_hire, person("Nora", "New"))
    call(provision_new_hire.process_new_hire, person("Nora", "New"))
    user = graph_users.get_user(hired["entra_user_id"])
    call(lambda: user, name="the new hire")
    call(graph_licenses.get_user_licenses, hired["entra_user_id"], name="licences of the new hire")
    changed = person("Nora", "New", jobTitle="Lead", location="Sydney")
    call(provision_update.process_update, changed, user, name="update by a get_user result")
    user = graph_users.get_user(hired["entra_user_id"])["user"]
    call(provision_update.process_update, changed, user, name="update by a user")
    same = {"id": hired["entra_user_id"], "department": "Security", "jobTitle": "Lead", "officeLocation": "Sydney"}
    call(provision_update.process_update, changed, same)
    call(provision_update.process_update, changed, {"success": False, "user": None}, name="update of nobody")
    call(provision_update.process_update, changed, graph_users.get_user("tom.becker@contoso.example"))
    # As the samples' scripts work: with the directory id for the worker id.
    leaver = person("Nora", "New", employeeId=hired["entra_user_id"], status="Terminated")
    call(provision_termination.process_termination, leaver)
    call(graph_users.get_user, hired["entra_user_id"], name="the leaver")
    scim = call(scim_client.create_scim_user, {"userName": "s@contoso.example", "active": True, "department": "x"})
    call(scim_client.create_scim_user, {"userName": "s@contoso.example"}, name="the same SCIM user")
    call(scim_client.create_scim_user, {}, name="no SCIM user")
    call(scim_client.update_scim_user, scim["id"], {"title": "Lead", "location": "Perth"})
    call(scim_client.update_scim_user, NOBODY, {"title": "Lead"})
    call(scim_client.delete_scim_user, scim["id"])
    call(scim_client.delete_scim_user, scim["id"])
    call(scim_mapper.get_scim_id, NOBODY)
    call(scim_mapper.store_scim_id, NOBODY, "scim-1")
    call(scim_mapper.get_scim_id, NOBODY)


def orchestrated():
    orchestrator = IAMOrchestrator()
    call(lambda: orchestrator.config, name="orchestrator.config")
    hired = call(orchestrator.handle_workday_event, person("Olga", "Orchestrated", isNewHire=True))
    call(orchestrator.handle_workday_event, person("Olga", "Orchestrated", isNewHire=True), name="hired again")
    call(orchestrator.handle_workday_event, person("Olga", "Orchestrated"), name="nothing happened")
    # The directory id for the worker id.
    moved = person("Olga", "Orchestrated", employeeId=hired["user_id"], isUpdated=True, jobTitle="Lead")
    call(orchestrator.handle_workday_event, moved)
    gone = person("Olga", "Orchestrated", employeeId=hired["user_id"], status="Terminated")
    call(orchestrator.handle_workday_event, gone)
    with open("feed.csv", "w", newline="") as file:
        table = csv.writer(file)
        names = ["firstName", "lastName", "department", "jobTitle", "location", "employeeId", "status", "isNewHire"]
        table.writerow(names)
        table.writerow(["Carl", "Csv", "Security", "Analyst", "Perth", "W-9100", "Active", "true"])
        table.writerow(["Carla", "Csv", "Security", "Analyst", "Perth", "W-9101", "Active", "YES"])
        table.writerow(["Tom", "Becker", "", "", "", "W-9102", "Active", "no"])
    call(orchestrator.process_csv, "feed.csv")
    call(orchestrator.process_csv, "no_such_file.csv")
    os.unlink("feed.csv")


for part in (raw, users, groups, licenses, roles, events, flows, orchestrated):
    print(json.dumps({"part": part.__name__}))
    part()
