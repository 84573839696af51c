"""The samples' termination, after which nothing is left that gives access."""

from __future__ import annotations

from typing import Any

from iam_platform.compat.graph_users import disable_user
from iam_platform.compat.logger import log, log_event
from iam_platform.compat.scim.scim_client import update_scim_user
from iam_platform.compat.scim.scim_mapper import get_scim_id
from iam_platform.errors import IamError

from ._leaver import take_apps, take_groups, take_licenses, take_roles, take_sessions
from ._person import NoSuchPersonError, find

__all__ = ["process_termination"]


def process_termination(record: dict[str, Any]) -> dict[str, Any]:
    """Blocks the sign-in, revokes the sessions, then takes away all that gives access.

    That is directory roles, the SCIM user's activity, roles in applications, groups and licences.
    Each of them is tried, whatever became of the others. Groups that a rule or an on-premises directory fills, and
    distribution lists, are left to those.

    Returns:
        ``{"success": True, "entra_result": {"success", "status_code", "error"} of the block, "scim_result": the
        application's answer or ``None``}``. Where nobody was found ``{"success": False, "error"}``; where something
        could not be taken away ``{"success": False, "error", "entra_result", "scim_result"}``: run it again.
    """
    try:
        user = find(record.get("employeeId"))
    except NoSuchPersonError as missing:
        log_event("Termination_Failed", {"employeeId": record.get("employeeId"), "error": str(missing)})
        return {"success": False, "error": str(missing)}
    user_id = user["id"]
    left: list[str] = []
    entra_result: dict[str, Any] = {"success": False, "status_code": None, "error": None}
    try:
        entra_result = disable_user(user_id)
        if not entra_result["success"]:
            left.append(f"the sign-in was not blocked (status {entra_result['status_code']})")
    except IamError as error:
        left.append(f"the sign-in was not blocked: {error}")
    scim_id, scim_result = None, None
    for take in (take_sessions, take_roles):
        left += _tried(take, user_id)
    try:
        scim_id = get_scim_id(user_id)
        if scim_id:
            scim_result = update_scim_user(scim_id, {"active": False})
            if scim_result.get("active") is not False and "status" in scim_result:
                left.append(f"the SCIM user: status {scim_result['status']}")
    except (IamError, OSError, ValueError) as error:
        left.append(f"the SCIM user: {error}")
    for take in (take_apps, take_groups, take_licenses):
        left += _tried(take, user_id)
    log_event(
        "UserTerminated",
        {
            "employeeId": record.get("employeeId"),
            "entra_id": user_id,
            "scim_id": scim_id,
            "blocked": entra_result["success"],
            "left": left,
        },
    )
    done = {"success": not left, "entra_result": entra_result, "scim_result": scim_result}
    if left:
        log.error("termination of %s: %s", user_id, "; ".join(left))
        return {"success": False, "error": f"Not all was taken away: {'; '.join(left)}", **done}
    return done


def _tried(take: Any, user_id: str) -> list[str]:
    try:
        return list(take(user_id))
    except IamError as error:
        return [f"{take.__name__.removeprefix('take_')}: {error}"]
