"""The samples' users of Microsoft Graph. ``E`` is Graph's error body as a dict, or ``None``."""

from __future__ import annotations

from typing import Any

from ._graph import NOT_FOUND, Result, call_graph, key, many, one, outcome, token
from .config import GRAPH_BASE_URL, config

__all__ = [
    "DEFAULT_DOMAIN",
    "GRAPH_BASE_URL",
    "build_password_profile",
    "call_graph",
    "create_user",
    "delete_user",
    "disable_user",
    "generate_mail_nickname",
    "generate_upn",
    "get_user",
    "list_users",
    "update_user",
    "user_exists",
]

DEFAULT_DOMAIN: str | None = config.get("domain")


def generate_upn(first_name: str, last_name: str, domain: str | None = DEFAULT_DOMAIN) -> str:
    """``first.last@domain``, spaces removed, lower case.

    Raises:
        ValueError: no domain is given, and ``config.json`` has none.
    """
    domain = domain or config.get("domain")
    if not domain:
        raise ValueError("no domain: set `domain` in config.json, or pass it")
    return f"{_joined(first_name, '.', last_name)}@{domain}"


def generate_mail_nickname(first_name: str, last_name: str) -> str:
    """``firstlast``, spaces removed, lower case."""
    return _joined(first_name, "", last_name)


def _joined(first_name: str, between: str, last_name: str) -> str:
    return f"{first_name}{between}{last_name}".replace(" ", "").lower()


def build_password_profile(password: str, force_change: bool = True) -> Result:
    """``{"forceChangePasswordNextSignIn": force_change, "password": password}``."""
    return {"forceChangePasswordNextSignIn": force_change, "password": password}


def user_exists(upn: str) -> Result:
    """Whether a user of that name exists.

    Returns:
        ``{"exists": True, "user": {…}}`` or ``{"exists": False, "user": None}``; a failure other than 404 adds
        ``error: E`` and ``status_code``.
    """
    result = call_graph("GET", f"/users/{key(upn)}", token())
    if result["success"]:
        return {"exists": True, "user": result["data"]}
    if result["status_code"] == NOT_FOUND:
        return {"exists": False, "user": None}
    return {"exists": False, "user": None, "error": result["error"], "status_code": result["status_code"]}


def create_user(first_name: str, last_name: str, password: str, domain: str | None = DEFAULT_DOMAIN) -> Result:
    """Creates an enabled user whose names are generated from first and last name.

    Whether the password must be changed at the next sign-in is ``default_force_password_reset`` of ``config.json``.

    Returns:
        ``{"success", "status_code", "user": {…} | None, "error": E}``; where the name is taken ``{"success": False,
        "reason": "UserAlreadyExists", "message", "user": {…}}``.
    """
    return create(first_name, last_name, password, domain, config, {})


def create(
    first_name: str,
    last_name: str,
    password: str,
    domain: str | None,
    settings: dict[str, Any],
    more: dict[str, Any],
) -> Result:
    """The same with more properties, set in the one request that creates the user."""
    upn = generate_upn(first_name, last_name, domain)
    found = user_exists(upn)
    if found["exists"]:
        return {
            "success": False,
            "reason": "UserAlreadyExists",
            "message": f"User with UPN {upn} already exists.",
            "user": found["user"],
        }
    user = {
        "accountEnabled": True,
        "displayName": f"{first_name} {last_name}",
        "mailNickname": generate_mail_nickname(first_name, last_name),
        "userPrincipalName": upn,
        "passwordProfile": build_password_profile(password, settings.get("default_force_password_reset") is not False),
        **more,
    }
    return one(call_graph("POST", "/users", token(), json=user), "user")


def get_user(upn_or_id: str) -> Result:
    """``{"success", "status_code", "user": {…} | None, "error": E}``, with the properties that Graph gives unasked."""
    return one(call_graph("GET", f"/users/{key(upn_or_id)}", token()), "user")


def list_users(top: int = 25) -> Result:
    """``{"success", "status_code", "users": [{…}], "error": E}``: one page of at most ``top``."""
    return many(call_graph("GET", "/users", token(), params={"$top": top}), "users")


def update_user(upn_or_id: str, updates: dict[str, Any]) -> Result:
    """Changes properties. Returns ``{"success", "status_code", "error": E}``."""
    return outcome(call_graph("PATCH", f"/users/{key(upn_or_id)}", token(), json=updates))


def disable_user(upn_or_id: str) -> Result:
    """Blocks sign-in. Returns ``{"success", "status_code", "error": E}``."""
    return update_user(upn_or_id, {"accountEnabled": False})


def delete_user(upn_or_id: str) -> Result:
    """Deletes a user, restorable for 30 days. Returns ``{"success", "status_code", "error": E}``."""
    return outcome(call_graph("DELETE", f"/users/{key(upn_or_id)}", token()))
