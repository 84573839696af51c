"""Who a record is about: the user that has the worker's id as its ``employeeId``."""

from __future__ import annotations

import re
from typing import Any

from iam_platform.compat._graph import NOT_FOUND, call_graph, key, rows, said, text, token

_SELECT = "id,displayName,userPrincipalName,employeeId,department,jobTitle,officeLocation"
# An object id or a user principal name: what the samples took a worker id for.
_DIRECTORY_KEY = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[^@/\s]+@[^@/\s]+", re.IGNORECASE)


class NoSuchPersonError(Exception):
    """Nobody has that worker id, more than one has, or it cannot be read."""


def find(worker: Any) -> dict[str, Any]:
    """The user whose ``employeeId`` it is.

    A worker id in the form of an object id or of a user principal name is that user where nobody has it as
    ``employeeId``: the samples never wrote ``employeeId``, so such feeds exist.

    Raises:
        NoSuchPersonError: the message says why.
    """
    if not worker:
        raise NoSuchPersonError("the record has no employeeId")
    query = {"$filter": f"employeeId eq {text(worker)}", "$select": _SELECT}
    found = call_graph("GET", "/users", token(), params=query)
    if not found["success"]:
        raise NoSuchPersonError(f"the user with employeeId {worker!r} cannot be looked up: {said(found)}")
    users = rows(found)
    if not users and _DIRECTORY_KEY.fullmatch(str(worker)):
        direct = call_graph("GET", f"/users/{key(str(worker))}", token(), params={"$select": _SELECT})
        if not direct["success"] and direct["status_code"] != NOT_FOUND:
            raise NoSuchPersonError(f"the user {worker!r} cannot be looked up: {said(direct)}")
        users = [direct["data"]] if direct["success"] else []
    if not users:
        raise NoSuchPersonError("Entra user not found")
    if len(users) > 1:
        raise NoSuchPersonError(f"{len(users)} users have the employeeId {worker!r}; nothing was done")
    return dict(users[0])
