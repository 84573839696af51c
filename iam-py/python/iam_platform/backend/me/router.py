"""``/me``: what the caller's token says, and what it opens."""

from __future__ import annotations

from datetime import datetime

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from iam_platform.backend.parts import Who
from iam_platform.backend.security import ROLES, SecuredRoute

router = APIRouter(prefix="/me", tags=["me"], route_class=SecuredRoute)


class Me(BaseModel):
    """Who calls, and what they may do."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "mei.tanaka@contoso.example",
                    "oid": "c0f5a4de-7e4b-4f0e-9d5c-8a6f0d1c2b3a",
                    "tenant": "7f3c2b1a-7e4b-4f0e-9d5c-8a6f0d1c2b3a",
                    "roles": ["IAM.Helpdesk"],
                    "permissions": ["graph.help", "graph.read", "jobs.read", "people.read"],
                    "expires_at": "2026-06-06T01:00:00Z",
                }
            ]
        }
    )

    name: str = Field(description="What people call them.")
    oid: str = Field(description="The object id.")
    tenant: str
    roles: list[str] = Field(description="The app roles of the token. Without one that is known here nothing is open.")
    permissions: list[str] = Field(description="What the roles bring.")
    expires_at: datetime = Field(description="When the token ends (UTC).")


@router.get("", summary="Who calls, and what they may do")
async def me(who: Who) -> Me:
    """Answers everybody whose token is good, with an app role or without one."""
    granted = {str(permission) for role in who.roles for permission in ROLES.get(role, ())}
    return Me(
        name=who.name,
        oid=who.oid,
        tenant=who.tenant,
        roles=sorted(who.roles),
        permissions=sorted(granted),
        expires_at=who.expires_at,
    )
