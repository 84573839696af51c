"""What a leaver holds is taken away. Each function returns what it could not take, one clause each."""

from __future__ import annotations

from typing import Any

from iam_platform.compat._graph import NOT_FOUND, call_graph, every_page, key, rows, said, text, token
from iam_platform.compat.graph_groups import remove_user_from_group
from iam_platform.compat.logger import log

# No Entra ID P2, so nobody is eligible for a role.
_NO_PIM = "AadPremiumLicenseRequired"


def take_sessions(user_id: str) -> list[str]:
    """Revokes every session and refresh token."""
    return _failed("sessions", call_graph("POST", f"/users/{key(user_id)}/revokeSignInSessions", token()))


def take_roles(user_id: str) -> list[str]:
    """Takes away the directory roles that the user holds or is eligible for, in any scope."""
    mine = {"$filter": f"principalId eq {text(user_id)}"}
    roles = "/roleManagement/directory"
    held = every_page(f"{roles}/roleAssignments", mine)
    left = _failed("roles", held)
    for role in rows(held):
        path = f"{roles}/roleAssignments/{key(role['id'])}"
        left += _failed(f"role {role.get('roleDefinitionId')}", call_graph("DELETE", path, token()))
    eligible = every_page(f"{roles}/roleEligibilitySchedules", mine)
    if _NO_PIM not in said(eligible):
        left += _failed("eligible roles", eligible)
    for role in rows(eligible):
        request = {
            "action": "adminRemove",
            "principalId": user_id,
            "roleDefinitionId": role["roleDefinitionId"],
            "directoryScopeId": role.get("directoryScopeId") or "/",
            "justification": "termination",
        }
        done = call_graph("POST", f"{roles}/roleEligibilityScheduleRequests", token(), json=request)
        left += _failed(f"eligible role {role['roleDefinitionId']}", done)
    return left


def take_apps(user_id: str) -> list[str]:
    """Takes away the roles in applications that were given to the user itself."""
    held = every_page(f"/users/{key(user_id)}/appRoleAssignments")
    left = _failed("applications", held)
    for role in rows(held):
        if role.get("principalType") == "User":
            path = f"/users/{key(user_id)}/appRoleAssignments/{key(role['id'])}"
            left += _failed(f"application {role.get('resourceDisplayName')}", call_graph("DELETE", path, token()))
    return left


def take_groups(user_id: str) -> list[str]:
    """Takes away the memberships.

    Groups that a rule or an on-premises directory fills, and distribution lists, which give no access and are
    Exchange's, are left out.
    """
    select = {"$select": "id,groupTypes,mailEnabled,onPremisesSyncEnabled,securityEnabled"}
    held = every_page(f"/users/{key(user_id)}/memberOf", select)
    left = _failed("groups", held)
    for group in rows(held):
        if group.get("@odata.type") != "#microsoft.graph.group":
            continue
        kinds = group.get("groupTypes") or []
        list_only = group.get("mailEnabled") and not group.get("securityEnabled") and "Unified" not in kinds
        if "DynamicMembership" in kinds or group.get("onPremisesSyncEnabled") or list_only:
            log.info("group %s is filled elsewhere: its membership stays", group["id"])
            continue
        left += _failed(f"group {group['id']}", remove_user_from_group(user_id, group["id"]))
    return left


def take_licenses(user_id: str) -> list[str]:
    """Takes away the licences that were given to the user itself; those of groups went with the groups."""
    found = call_graph("GET", f"/users/{key(user_id)}", token(), params={"$select": "id,licenseAssignmentStates"})
    if not found["success"]:
        return _failed("licences", found)
    states: list[dict[str, Any]] = found["data"].get("licenseAssignmentStates") or []
    direct = sorted({state["skuId"] for state in states if not state.get("assignedByGroup")})
    if not direct:
        return []
    body = {"addLicenses": [], "removeLicenses": direct}
    return _failed("licences", call_graph("POST", f"/users/{key(user_id)}/assignLicense", token(), json=body))


def _failed(what: str, result: dict[str, Any]) -> list[str]:
    # What is gone already needs no taking.
    return [] if result["success"] or result["status_code"] == NOT_FOUND else [f"{what}: {said(result)}"]
