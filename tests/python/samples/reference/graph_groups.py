import csv

from calling import ask, call_graph, short  # noqa: F401
from config import GRAPH_BASE_URL


def get_group_id_by_display_name(display_name):
    r = ask("GET", "/groups", params={"$filter": "displayName eq '" + display_name + "'"})
    if r["success"] and r["data"]["value"]:
        return r["data"]["value"][0]["id"]
    return None


def create_group(display_name, description="", dynamic_rule=None):
    there = get_group_id_by_display_name(display_name)
    if there:
        return {
            "success": False,
            "reason": "GroupAlreadyExists",
            "message": "Group '" + display_name + "' already exists.",
            "group_id": there,
        }
    body = {
        "displayName": display_name,
        "description": description,
        "mailEnabled": False,
        "mailNickname": display_name.replace(" ", "").lower(),
        "securityEnabled": True,
    }
    if dynamic_rule:
        body["groupTypes"] = ["DynamicMembership"]
        body["membershipRule"] = dynamic_rule
        body["membershipRuleProcessingState"] = "On"
    return short(ask("POST", "/groups", json=body), "group")


def get_group(group_id):
    return short(ask("GET", "/groups/" + group_id), "group")


def list_groups(top=25):
    params = {"$top": top, "$select": "id,displayName,description"}
    return short(ask("GET", "/groups", params=params), "groups", [], "value")


def delete_group(group_id):
    return short(ask("DELETE", "/groups/" + group_id))


def add_user_to_group(user_id, group_id):
    body = {"@odata.id": GRAPH_BASE_URL + "/directoryObjects/" + user_id}
    return short(ask("POST", "/groups/" + group_id + "/members/$ref", json=body))


def remove_user_from_group(user_id, group_id):
    return short(ask("DELETE", "/groups/" + group_id + "/members/" + user_id + "/$ref"))


def get_group_members(group_id):
    params = {"$select": "id,displayName,userPrincipalName"}
    return short(ask("GET", "/groups/" + group_id + "/members", params=params), "members", [], "value")


def write(name, columns, rows):
    with open(name, "w", newline="", encoding="utf-8") as f:
        out = csv.writer(f)
        out.writerow(columns)
        for row in rows:
            cells = [row.get(column) for column in columns]
            out.writerow([",".join(cell) if isinstance(cell, list) else cell for cell in cells])
    print("Export complete: " + name)


def export_groups():
    columns = ["id", "displayName", "mail", "groupTypes"]
    write("groups.csv", columns, ask("GET", "/groups", params={"$select": ",".join(columns)})["data"]["value"])


def export_group_membership(group_id):
    write(
        "group_" + group_id + "_members.csv",
        ["id", "displayName", "userPrincipalName"],
        get_group_members(group_id)["members"],
    )


def export_user_access(user_id):
    r = ask("GET", "/users/" + user_id + "/memberOf", params={"$select": "id,displayName"})
    write("user_" + user_id + "_access.csv", ["id", "displayName"], r["data"]["value"] if r["success"] else [])
