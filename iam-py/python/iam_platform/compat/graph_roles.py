"""The samples' directory roles of Microsoft Graph. ``E`` is Graph's error body as a dict, or ``None``.

Where a look-up fails, its four-key :func:`call_graph` result is returned as it is.
"""

from __future__ import annotations

from ._graph import Result, call_graph, every_page, key, outcome, reference, rows, token
from .config import GRAPH_BASE_URL

__all__ = [
    "GRAPH_BASE_URL",
    "assign_role",
    "call_graph",
    "get_role_id_by_name",
    "get_role_members",
    "list_directory_roles",
    "remove_role",
    "user_has_role",
]


def list_directory_roles() -> Result:
    """``{"success": True, "roles": {displayName: id}, "raw": [{…}]}``: the roles that are activated in the tenant."""
    result = every_page("/directoryRoles")
    if not result["success"]:
        return result
    roles = rows(result)
    return {"success": True, "roles": {role.get("displayName"): role.get("id") for role in roles}, "raw": roles}


def get_role_id_by_name(role_name: str) -> str | None:
    """The id of an activated role, or ``None`` where there is none or it cannot be read."""
    roles = list_directory_roles()
    return roles["roles"].get(role_name) if roles["success"] else None


def get_role_members(role_id: str) -> Result:
    """``{"success": True, "members": [{…}]}``."""
    result = every_page(f"/directoryRoles/{key(role_id)}/members")
    if not result["success"]:
        return result
    return {"success": True, "members": rows(result)}


def user_has_role(user_id: str, role_id: str) -> bool:
    """Whether the user, by its object id, is a member; false where that cannot be read."""
    members = get_role_members(role_id)
    return bool(members["success"]) and any(member.get("id") == user_id for member in members["members"])


def assign_role(user_id: str, role_name: str) -> Result:
    """Gives an activated role.

    Returns:
        ``{"success", "status_code", "error": E}``; ``{"success": False, "reason": "RoleNotFound" | "AlreadyAssigned",
        "message"}``.
    """
    return _change(user_id, role_name, "AlreadyAssigned", f"User already has role '{role_name}'.", remove=False)


def remove_role(user_id: str, role_name: str) -> Result:
    """Takes a role away.

    Returns:
        ``{"success", "status_code", "error": E}``; ``{"success": False, "reason": "RoleNotFound" | "NotAssigned",
        "message"}``.
    """
    return _change(user_id, role_name, "NotAssigned", f"User does not have role '{role_name}'.", remove=True)


def _change(user_id: str, role_name: str, reason: str, message: str, *, remove: bool) -> Result:
    roles = list_directory_roles()
    if not roles["success"]:
        return roles
    role_id = roles["roles"].get(role_name)
    if not role_id:
        return {"success": False, "reason": "RoleNotFound", "message": f"Role '{role_name}' not found in tenant."}
    members = get_role_members(role_id)
    if not members["success"]:
        return members
    if any(member.get("id") == user_id for member in members["members"]) != remove:
        return {"success": False, "reason": reason, "message": message}
    path = f"/directoryRoles/{key(role_id)}/members"
    if remove:
        return outcome(call_graph("DELETE", f"{path}/{key(user_id)}/$ref", token()))
    return outcome(call_graph("POST", f"{path}/$ref", token(), json=reference(user_id)))
