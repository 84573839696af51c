"""The samples' new hire: a user, the groups, licences and roles of ``config.json``, and a SCIM user."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from iam_platform.compat import _settings
from iam_platform.compat._graph import NOT_FOUND, call_graph, rows, text, token
from iam_platform.compat.config import config
from iam_platform.compat.graph_groups import add_user_to_group, get_group_id_by_display_name
from iam_platform.compat.graph_licenses import assign_license
from iam_platform.compat.graph_roles import assign_role
from iam_platform.compat.graph_users import create
from iam_platform.compat.logger import log, log_event, redacted
from iam_platform.compat.scim.scim_client import create_scim_user
from iam_platform.compat.scim.scim_mapper import store_scim_id
from iam_platform.compat.utils import password
from iam_platform.errors import IamError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["process_new_hire"]

_SEEN_WITHIN = 30.0


def process_new_hire(record: dict[str, Any]) -> dict[str, Any]:
    """Creates the user, enabled, with a generated password, and gives it what ``config.json`` says.

    The worker id becomes the user's ``employeeId``. A licence needs a usage location: ``usage_location`` of
    ``config.json``, or else the country of the tenant.

    Returns:
        ``{"success": True, "entra_user_id", "scim_user_id", "upn", "password", "assigned_groups",
        "assigned_licenses", "assigned_roles"}``: what was assigned is what the user really holds, and ``scim_user_id``
        is ``None`` where the application took no user. Or ``{"success": False, "error"}``: there is no new user.
    """
    return provision(record, config)


def provision(record: dict[str, Any], settings: dict[str, Any]) -> dict[str, Any]:
    """The same with other settings."""
    worker = record.get("employeeId")
    for name in ("firstName", "lastName"):
        if not record.get(name):
            return {"success": False, "error": f"the record has no {name}"}
    first, last = record["firstName"], record["lastName"]
    properties = {
        "department": record.get("department"),
        "jobTitle": record.get("jobTitle"),
        "officeLocation": record.get("location"),
        "employeeId": worker,
    }
    licenses = _settings.setting(settings, "default_license_skus")
    if licenses:
        properties["usageLocation"] = settings.get("usage_location") or _country()
    # Graph takes no empty texts.
    properties = {name: value for name, value in properties.items() if value}
    secret = password(settings)
    created = create(first, last, secret, settings.get("domain"), settings, properties)
    if not created["success"]:
        log_event("NewHire_Failed", {"employeeId": worker, "error": _why(created)})
        return {"success": False, "error": "Failed to create user in Entra"}
    user = created["user"]
    user_id = user["id"]
    seen_by = time.monotonic() + _SEEN_WITHIN
    groups = [name for name in _settings.setting(settings, "default_groups") if _join(user_id, name, seen_by)]
    held = [
        name
        for name in licenses
        if _holds("license", name, _once_seen(seen_by, assign_license, user_id, name), "AlreadyLicensed")
    ]
    roles = [
        name
        for name in _settings.setting(settings, "default_roles")
        if _holds("role", name, _once_seen(seen_by, _assign, user_id, name), "AlreadyAssigned")
    ]
    scim_id = _scim(record, user)
    log_event(
        "NewHire_Provisioned",
        {
            "employeeId": worker,
            "entra_user_id": user_id,
            "scim_user_id": scim_id,
            "groups": groups,
            "licenses": held,
            "roles": roles,
        },
    )
    return {
        "success": True,
        "entra_user_id": user_id,
        "scim_user_id": scim_id,
        "upn": user["userPrincipalName"],
        "password": secret,
        "assigned_groups": groups,
        "assigned_licenses": held,
        "assigned_roles": roles,
    }


def _country() -> str | None:
    found = rows(call_graph("GET", "/organization", token(), params={"$select": "id,countryLetterCode"}))
    return found[0].get("countryLetterCode") if found else None


def _once_seen(seen_by: float, call: Callable[[str, str], dict[str, Any]], user_id: str, what: str) -> dict[str, Any]:
    """The outcome of a call about the new user, whom not every part of the directory knows yet: 404 until it does."""
    wait = 0.25
    while True:
        result = call(user_id, what)
        if result.get("status_code") != NOT_FOUND or time.monotonic() + wait > seen_by:
            return result
        time.sleep(wait)
        wait *= 2


def _join(user_id: str, name: str, seen_by: float) -> bool:
    group_id = get_group_id_by_display_name(name)
    if group_id is None:
        log.warning("group %r was not found", name)
        return False
    return _holds("group", name, _once_seen(seen_by, add_user_to_group, user_id, group_id))


def _assign(user_id: str, name: str) -> dict[str, Any]:
    result = assign_role(user_id, name)
    if result.get("reason") != "RoleNotFound":
        return result
    # It is not activated in the tenant; an assignment by its definition activates it.
    roles = "/roleManagement/directory"
    query = {"$filter": f"displayName eq {text(name)}", "$select": "id"}
    known = rows(call_graph("GET", f"{roles}/roleDefinitions", token(), params=query))
    if len(known) != 1:
        return result
    wish = {"principalId": user_id, "roleDefinitionId": known[0]["id"], "directoryScopeId": "/"}
    return call_graph("POST", f"{roles}/roleAssignments", token(), json=wish)


def _holds(kind: str, name: str, result: dict[str, Any], already: str | None = None) -> bool:
    if result["success"] or (already is not None and result.get("reason") == already):
        return True
    log.warning("%s %r was not assigned: %s", kind, name, _why(result))
    return False


def _why(result: dict[str, Any]) -> Any:
    return redacted(result.get("message") or result.get("error"))


def _scim(record: dict[str, Any], user: dict[str, Any]) -> str | None:
    # The user exists by now, and its password is nowhere else: a failure here must not lose them.
    try:
        answer = create_scim_user(
            {
                "userName": user["userPrincipalName"],
                "name": {"givenName": record["firstName"], "familyName": record["lastName"]},
                "active": True,
                "department": record.get("department", ""),
                "title": record.get("jobTitle", ""),
            }
        )
        scim_id = answer.get("id")
        if scim_id:
            store_scim_id(user["id"], scim_id)
            return str(scim_id)
        log.warning("the SCIM application took no user: %s", answer.get("detail"))
    except (IamError, OSError, ValueError) as error:
        log.warning("the SCIM user of %s: %s", user["id"], error)
    return None
