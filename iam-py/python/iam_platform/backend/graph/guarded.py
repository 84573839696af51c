"""Before an admin tool touches somebody: nobody protected, and everything is written down."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from iam_platform.backend.native import good, segment
from iam_platform.backend.problems import Problem

if TYPE_CHECKING:
    from iam_platform.backend.platform import Platform
    from iam_platform.backend.security import Caller

log = logging.getLogger("iam_platform.backend.deeds")


async def touchable(platform: Platform, user_id: str, *, powerless: bool = False) -> dict[str, Any]:
    """The user, whom nothing protects; with ``powerless`` nobody who holds a directory role either: whoever can sign in as
    somebody has their power.

    Raises:
        Problem: 403 for a protected account, and where nobody can tell.
    """
    path = f"/users/{segment(user_id)}"
    user = await good(platform.graph, path, params={"$select": "id,userPrincipalName"})
    protected = platform.policy.protected
    is_known = user["id"].lower() in protected["ids"] or str(user["userPrincipalName"]).lower() in protected["names"]
    if not is_known and (protected["roles"] or powerless):
        roles = await good(
            platform.graph,
            f"/users/{segment(user['id'])}/transitiveMemberOf/microsoft.graph.directoryRole",
            params={"$select": "displayName,roleTemplateId"},
        )
        held = {str(role.get(name)).lower() for role in roles["value"] for name in ("displayName", "roleTemplateId")}
        is_known = bool(held & set(protected["roles"]))
        if held and powerless and not is_known:
            raise Problem(
                403,
                "this account holds a directory role: nobody here is given what it signs in with",
                code="Authorization_RequestDenied",
            )
    if is_known:
        raise Problem(
            403, "this account is protected by the policy: nothing here touches it", code="Authorization_RequestDenied"
        )
    return user


def done(caller: Caller, deed: str, target: str, answer: Any) -> None:
    """Writes down who did what to whom, by ids, and how it ended."""
    facts = {"deed": deed, "target": target, "by": caller.oid, "status": answer.status}
    log.info("admin tool", extra=facts | {"graph_request": answer.headers.get("request-id")})
