"""``/graph/roles`` and ``/graph/licenses``."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field

from iam_platform.backend.native import answered, call, good, segment
from iam_platform.backend.parts import Parts, Who
from iam_platform.backend.problems import Problem
from iam_platform.backend.security import SecuredRoute

from .guarded import done, touchable
from .users import NATIVE

router = APIRouter(prefix="/graph", tags=["graph"], route_class=SecuredRoute)

_DEFINITIONS = "/roleManagement/directory/roleDefinitions"
_ASSIGNMENTS = "/roleManagement/directory/roleAssignments"


class RoleWish(BaseModel):
    """A directory role, by display name or template id, and somebody."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"user": "mei.tanaka@contoso.example", "role": "Security Reader"}]},
    )

    user: str = Field(min_length=1, max_length=200)
    role: str = Field(min_length=1, max_length=200)


@router.get("/licenses", summary="Licences of the tenant", responses=NATIVE, response_class=Response)
async def licenses(platform: Parts) -> Response:
    """As `subscribedSkus` of Graph, with the seats."""
    return answered(await call(platform.graph, "GET", "/subscribedSkus"))


@router.get("/roles", summary="Directory roles in use", responses=NATIVE, response_class=Response)
async def roles(platform: Parts) -> Response:
    """As `directoryRoles` of Graph."""
    return answered(await call(platform.graph, "GET", "/directoryRoles"))


@router.get("/roles/{role_id}/members", summary="Holders of a role", responses=NATIVE, response_class=Response)
async def members(platform: Parts, role_id: str) -> Response:
    """As `directoryRoles/{id}/members` of Graph."""
    return answered(await call(platform.graph, "GET", f"/directoryRoles/{segment(role_id)}/members"))


async def _definition(platform: Any, role: str) -> str:
    name = role.replace("'", "''")
    found = await good(
        platform.graph, _DEFINITIONS, params={"$filter": f"displayName eq '{name}' or templateId eq '{name}'"}
    )
    if len(found["value"]) != 1:
        raise Problem(404, f"Role '{role}' not found in tenant.", code="RoleNotFound")
    return str(found["value"][0]["id"])


async def _held(platform: Any, user: str, definition: str) -> list[dict[str, Any]]:
    wanted = f"principalId eq '{user}' and roleDefinitionId eq '{definition}'"
    found = await good(platform.graph, _ASSIGNMENTS, params={"$filter": wanted})
    return [one for one in found["value"] if one.get("directoryScopeId") == "/"]


@router.post("/roles/assign", status_code=201, summary="Give a role", responses=NATIVE, response_class=Response)
async def assign(platform: Parts, who: Who, wish: RoleWish) -> Response:
    """For the whole tenant. What HR decides, the policy gives: this is for everything else."""
    user = await touchable(platform, wish.user)
    definition = await _definition(platform, wish.role)
    if await _held(platform, user["id"], definition):
        raise Problem(409, f"User already has role '{wish.role}'.", code="AlreadyAssigned")
    body = {"principalId": user["id"], "roleDefinitionId": definition, "directoryScopeId": "/"}
    answer = await call(platform.graph, "POST", _ASSIGNMENTS, body)
    done(who, f"assign role {definition}", user["id"], answer)
    return answered(answer)


@router.post("/roles/remove", summary="Take a role", responses=NATIVE, response_class=Response)
async def remove(platform: Parts, who: Who, wish: RoleWish) -> Response:
    """An assignment for the whole tenant."""
    user = await touchable(platform, wish.user)
    definition = await _definition(platform, wish.role)
    held = await _held(platform, user["id"], definition)
    if not held:
        raise Problem(404, f"User does not have role '{wish.role}'.", code="NotAssigned")
    answer = await call(platform.graph, "DELETE", f"{_ASSIGNMENTS}/{segment(held[0]['id'])}")
    done(who, f"remove role {definition}", user["id"], answer)
    return answered(answer)
