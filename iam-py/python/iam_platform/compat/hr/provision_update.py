"""The samples' update: department, job title and location."""

from __future__ import annotations

from typing import Any

from iam_platform.compat._graph import NOT_FOUND, said
from iam_platform.compat.graph_users import update_user
from iam_platform.compat.logger import log_event
from iam_platform.compat.scim.scim_client import update_scim_user
from iam_platform.compat.scim.scim_mapper import get_scim_id
from iam_platform.errors import IamError

from ._person import NoSuchPersonError, find

__all__ = ["process_update"]

# In a record, at Graph, at the SCIM application.
_FIELDS = (
    ("department", "department", "department"),
    ("jobTitle", "jobTitle", "title"),
    ("location", "officeLocation", "location"),
)


def process_update(record: dict[str, Any], entra_user: dict[str, Any] | None) -> dict[str, Any]:
    """Changes what differs, in Entra and in the SCIM application. What is empty in the record is left alone.

    Args:
        record: a record of the flat feed.
        entra_user: the user, or a ``get_user`` result. Where that found nobody (it was asked with the worker id), the
            user whose ``employeeId`` it is.

    Returns:
        ``{"success": True, "entra_update": {"success", "status_code", "error"}, "scim_update": the application's
        answer, "changes_applied": {department?, jobTitle?, officeLocation?}}``, ``{"success": True, "message": "No
        changes detected"}`` or ``{"success": False, "error"}``.
    """
    try:
        user = _user(record, entra_user)
    except NoSuchPersonError as missing:
        return {"success": False, "error": str(missing)}
    scim_id = get_scim_id(user["id"])
    if not scim_id:
        return {"success": False, "error": "SCIM ID not found for user"}
    given = [(ours, graph, scim) for ours, graph, scim in _FIELDS if record.get(ours)]
    changes = {graph: record[ours] for ours, graph, _ in given if record[ours] != user.get(graph)}
    if not changes:
        return {"success": True, "message": "No changes detected"}
    entra_update = update_user(user["id"], changes)
    if not entra_update["success"]:
        return {"success": False, "error": f"Failed to update user in Entra: {said(entra_update)}"}
    try:
        scim_update = update_scim_user(scim_id, {scim: record[ours] for ours, _, scim in given})
    except IamError as error:
        return {"success": False, "error": f"Updated in Entra, but not in the SCIM application: {error}"}
    log_event("UserUpdated", {"entra_id": user["id"], "scim_id": scim_id, "changed": sorted(changes)})
    return {
        "success": True,
        "entra_update": entra_update,
        "scim_update": scim_update,
        "changes_applied": changes,
    }


def _user(record: dict[str, Any], given: dict[str, Any] | None) -> dict[str, Any]:
    if given and "user" not in given:
        return given
    if given and given.get("success") and given["user"]:
        return dict(given["user"])
    if given and given.get("status_code") not in (None, NOT_FOUND):
        raise NoSuchPersonError(f"the user cannot be looked up: {said({'error': None, **given})}")
    if not record.get("employeeId"):
        raise NoSuchPersonError("Entra user not found")
    return find(record["employeeId"])
