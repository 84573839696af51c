"""The samples' groups of Microsoft Graph. ``E`` is Graph's error body as a dict, or ``None``."""

from __future__ import annotations

from ._export import export
from ._graph import PAGE, Result, call_graph, every_page, key, many, one, outcome, reference, rows, text, token
from .config import GRAPH_BASE_URL

__all__ = [
    "GRAPH_BASE",
    "GRAPH_BASE_URL",
    "add_user_to_group",
    "call_graph",
    "create_group",
    "delete_group",
    "export_group_membership",
    "export_groups",
    "export_user_access",
    "get_group",
    "get_group_id_by_display_name",
    "get_group_members",
    "list_groups",
    "remove_user_from_group",
]

GRAPH_BASE = GRAPH_BASE_URL


def create_group(display_name: str, description: str = "", dynamic_rule: str | None = None) -> Result:
    """Creates a security group; with a rule its members follow the rule. Graph refuses an empty description (400).

    Returns:
        ``{"success", "status_code", "group": {…} | None, "error": E}``; where a group has that name ``{"success":
        False, "reason": "GroupAlreadyExists", "message", "group_id"}``. A look-up that fails is the result, and nothing
        is created.
    """
    found = _named(display_name)
    if not found["success"]:
        return one(found, "group")
    for group in rows(found):
        return {
            "success": False,
            "reason": "GroupAlreadyExists",
            "message": f"Group '{display_name}' already exists.",
            "group_id": group["id"],
        }
    group = {
        "displayName": display_name,
        "description": description,
        "mailEnabled": False,
        "mailNickname": display_name.replace(" ", "").lower(),
        "securityEnabled": True,
    }
    if dynamic_rule:
        group["groupTypes"] = ["DynamicMembership"]
        group["membershipRule"] = dynamic_rule
        group["membershipRuleProcessingState"] = "On"
    return one(call_graph("POST", "/groups", token(), json=group), "group")


def get_group(group_id: str) -> Result:
    """``{"success", "status_code", "group": {…} | None, "error": E}``."""
    return one(call_graph("GET", f"/groups/{key(group_id)}", token()), "group")


def list_groups(top: int = 25) -> Result:
    """One page of at most ``top`` groups.

    Returns:
        ``{"success", "status_code", "groups": [{id, displayName, description}], "error": E}``.
    """
    params = {"$top": top, "$select": "id,displayName,description"}
    return many(call_graph("GET", "/groups", token(), params=params), "groups")


def delete_group(group_id: str) -> Result:
    """``{"success", "status_code", "error": E}``."""
    return outcome(call_graph("DELETE", f"/groups/{key(group_id)}", token()))


def get_group_id_by_display_name(display_name: str) -> str | None:
    """The id of the first group of that name, or ``None`` where there is none or it cannot be read."""
    return next((group["id"] for group in rows(_named(display_name))), None)


def _named(display_name: str) -> Result:
    return call_graph("GET", "/groups", token(), params={"$filter": f"displayName eq {text(display_name)}"})


def add_user_to_group(user_id: str, group_id: str) -> Result:
    """``{"success", "status_code", "error": E}``; a member already is the service's 400."""
    return outcome(call_graph("POST", f"/groups/{key(group_id)}/members/$ref", token(), json=reference(user_id)))


def remove_user_from_group(user_id: str, group_id: str) -> Result:
    """``{"success", "status_code", "error": E}``."""
    return outcome(call_graph("DELETE", f"/groups/{key(group_id)}/members/{key(user_id)}/$ref", token()))


def get_group_members(group_id: str) -> Result:
    """``{"success", "status_code", "members": [{id, displayName, userPrincipalName}], "error": E}``: all pages."""
    params = {"$select": "id,displayName,userPrincipalName", "$top": PAGE}
    return many(every_page(f"/groups/{key(group_id)}/members", params), "members")


def export_groups() -> None:
    """Writes all groups to ``groups.csv`` (id, displayName, mail, groupTypes) in the working folder."""
    columns = ["id", "displayName", "mail", "groupTypes"]
    export("groups.csv", columns, every_page("/groups", {"$select": ",".join(columns), "$top": PAGE}))


def export_group_membership(group_id: str) -> None:
    """Writes all members to ``group_<id>_members.csv`` (id, displayName, userPrincipalName) in the working folder."""
    columns = ["id", "displayName", "userPrincipalName"]
    members = every_page(f"/groups/{key(group_id)}/members", {"$select": ",".join(columns), "$top": PAGE})
    export(f"group_{group_id}_members.csv", columns, members)


def export_user_access(user_id: str) -> None:
    """Writes what the user is a member of to ``user_<id>_access.csv`` (id, displayName) in the working folder."""
    columns = ["id", "displayName"]
    access = every_page(f"/users/{key(user_id)}/memberOf", {"$select": ",".join(columns), "$top": PAGE})
    export(f"user_{user_id}_access.csv", columns, access)
