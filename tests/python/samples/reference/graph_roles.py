from calling import ask, call_graph, short  # noqa: F401
from config import GRAPH_BASE_URL


def list_directory_roles():
    r = ask("GET", "/directoryRoles")
    if not r["success"]:
        return r
    raw = r["data"]["value"]
    return {"success": True, "roles": {role["displayName"]: role["id"] for role in raw}, "raw": raw}


def get_role_id_by_name(role_name):
    r = list_directory_roles()
    return r["roles"].get(role_name) if r["success"] else None


def get_role_members(role_id):
    r = ask("GET", "/directoryRoles/" + role_id + "/members")
    if not r["success"]:
        return r
    return {"success": True, "members": r["data"]["value"]}


def user_has_role(user_id, role_id):
    r = get_role_members(role_id)
    return r["success"] and user_id in [member["id"] for member in r["members"]]


def missing(role_name):
    return {"success": False, "reason": "RoleNotFound", "message": "Role '" + role_name + "' not found in tenant."}


def assign_role(user_id, role_name):
    role_id = get_role_id_by_name(role_name)
    if not role_id:
        return missing(role_name)
    if user_has_role(user_id, role_id):
        message = "User already has role '" + role_name + "'."
        return {"success": False, "reason": "AlreadyAssigned", "message": message}
    body = {"@odata.id": GRAPH_BASE_URL + "/directoryObjects/" + user_id}
    return short(ask("POST", "/directoryRoles/" + role_id + "/members/$ref", json=body))


def remove_role(user_id, role_name):
    role_id = get_role_id_by_name(role_name)
    if not role_id:
        return missing(role_name)
    if not user_has_role(user_id, role_id):
        message = "User does not have role '" + role_name + "'."
        return {"success": False, "reason": "NotAssigned", "message": message}
    return short(ask("DELETE", "/directoryRoles/" + role_id + "/members/" + user_id + "/$ref"))
