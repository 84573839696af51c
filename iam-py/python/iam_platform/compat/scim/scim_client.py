"""The samples' users of a SCIM application.

It is at ``IAM_SCIM_URL``, or else ``http://localhost:8000`` as the samples have it, and is sent the bearer token
``IAM_SCIM_TOKEN``.
"""

from __future__ import annotations

import json
import os
import threading
from typing import Any
from urllib.parse import quote

from iam_platform import ScimClient
from iam_platform.compat import _settings
from iam_platform.compat.logger import log_event

__all__ = ["SCIM_BASE", "create_scim_user", "delete_scim_user", "update_scim_user"]

_settings.load_env()
SCIM_BASE: str = _settings.scim_url()

_USER = "urn:ietf:params:scim:schemas:core:2.0:User"
_PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
_lock = threading.Lock()
_latest: list[tuple[tuple[str | None, ...], ScimClient]] = []


def create_scim_user(user_obj: dict[str, Any]) -> dict[str, Any]:
    """Creates a user. Returns the application's answer, or its SCIM error, as a dict."""
    schemas = {} if "schemas" in user_obj else {"schemas": [_USER]}
    return _asked("SCIM_CreateUser", "POST", "/Users", {**schemas, **user_obj})


def update_scim_user(scim_id: str, changes: dict[str, Any]) -> dict[str, Any]:
    """Replaces attributes. Returns the application's answer, or its SCIM error, as a dict; ``{}`` for an empty one."""
    body = {"schemas": [_PATCH], "Operations": [{"op": "replace", "value": changes}]}
    return _asked("SCIM_UpdateUser", "PATCH", _path(scim_id), body)


def delete_scim_user(scim_id: str) -> dict[str, Any]:
    """Deletes a user. Returns ``{}``, or the application's SCIM error as a dict."""
    return _asked("SCIM_DeleteUser", "DELETE", _path(scim_id), None)


def _path(scim_id: str) -> str:
    if scim_id in ("", ".", ".."):
        raise ValueError(f"{scim_id!r} is no id")
    return f"/Users/{quote(str(scim_id), safe='')}"


def _asked(action: str, method: str, path: str, body: dict[str, Any] | None) -> dict[str, Any]:
    answer = _current().request(method, path, json=body, check=False)
    try:
        read = json.loads(answer.content) if answer.content else {}
    except ValueError:
        read = {}
    if not isinstance(read, dict):
        read = {}
    log_event(action, {"id": path.removeprefix("/Users").strip("/") or read.get("id"), "status": answer.status})
    return read


def _current() -> ScimClient:
    wanted = (_settings.scim_url(), os.environ.get("IAM_SCIM_TOKEN"), os.environ.get("IAM_CA_BUNDLE"))
    with _lock:
        if not _latest or _latest[0][0] != wanted:
            # The samples' own application asks for no token, and the client always sends one.
            _latest[:] = [(wanted, ScimClient(wanted[0], wanted[1] or "none", ca_bundle=wanted[2]))]
        return _latest[0][1]
