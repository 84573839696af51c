"""``/arm``: resource groups and role assignments of a subscription."""

from __future__ import annotations

import uuid
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from iam_platform.backend.graph.guarded import done
from iam_platform.backend.native import answered, call, good, paged, segment
from iam_platform.backend.parts import Parts, Who
from iam_platform.backend.problems import Problem
from iam_platform.backend.security import SecuredRoute

router = APIRouter(prefix="/arm", tags=["arm"], route_class=SecuredRoute)

NATIVE: dict[int | str, dict[str, Any]] = {
    "default": {
        "description": "As Azure Resource Manager answers.",
        "content": {"application/json": {"schema": {"type": "object"}}},
    }
}
_GROUPS = {"api-version": "2021-04-01"}
_ROLES = {"api-version": "2022-04-01"}
_SCOPE = r"^/(subscriptions/[0-9a-fA-F-]{36}|providers/Microsoft\.Management/managementGroups/)[\w./()-]*$"

Subscription = Annotated[
    str | None, Query(pattern=r"^[0-9a-fA-F-]{36}$", description="Its id; by default that of IAM_SUBSCRIPTION.")
]
Scope = Annotated[
    str | None, Query(pattern=_SCOPE, max_length=500, description="Where; by default the whole subscription.")
]
Skip = Annotated[str | None, Query(max_length=4000, description="From the `nextLink` of the page before.")]


class NewResourceGroup(BaseModel):
    """Where it is, and its tags."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"location": "australiaeast", "tags": {}}]}
    )

    location: str = Field(min_length=1, max_length=90)
    tags: dict[str, str] = Field(default_factory=dict, max_length=50)


class NewAssignment(BaseModel):
    """A role, by name or id, for somebody at a scope."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"role": "Reader", "principal": "c0f5…", "principalType": "User", "scope": "/subscriptions/…"}]
        },
    )

    role: str = Field(min_length=1, max_length=200)
    principal: str = Field(pattern=r"^[0-9a-fA-F-]{36}$", description="The object id.")
    principalType: str = Field("User", pattern="^(User|Group|ServicePrincipal)$")  # noqa: N815
    scope: str | None = Field(default=None, pattern=_SCOPE, max_length=500)


def _page(version: dict[str, str], skiptoken: str | None) -> dict[str, str]:
    return version | ({"$skiptoken": skiptoken} if skiptoken else {})


def _root(request: Request, subscription: str | None) -> str:
    chosen = subscription or request.app.state.settings.subscription
    if not chosen:
        raise Problem(400, "expected the query parameter subscription (or the setting IAM_SUBSCRIPTION)")
    return f"/subscriptions/{segment(chosen)}"


@router.get("/subscriptions", summary="Subscriptions", responses=NATIVE, response_class=Response)
async def subscriptions(platform: Parts) -> Response:
    """Those that the platform's own identity sees."""
    return answered(await call(platform.arm, "GET", "/subscriptions", params={"api-version": "2022-12-01"}))


@router.get("/resource-groups", summary="Resource groups", responses=NATIVE, response_class=Response)
async def resource_groups(
    platform: Parts, request: Request, subscription: Subscription = None, skiptoken: Skip = None
) -> Response:
    """Of one subscription."""
    path = f"{_root(request, subscription)}/resourcegroups"
    return paged(request, await call(platform.arm, "GET", path, params=_page(_GROUPS, skiptoken)))


def _group(request: Request, subscription: str | None, name: str) -> str:
    return f"{_root(request, subscription)}/resourcegroups/{segment(name)}"


@router.put("/resource-groups/{name}", summary="Make or change one", responses=NATIVE, response_class=Response)
async def put_group(
    platform: Parts, who: Who, request: Request, name: str, group: NewResourceGroup, subscription: Subscription = None
) -> Response:
    """As `PUT` of Azure."""
    answer = await call(platform.arm, "PUT", _group(request, subscription, name), group.model_dump(), params=_GROUPS)
    done(who, "put resource group", name, answer)
    return answered(answer)


@router.delete(
    "/resource-groups/{name}", summary="Delete one, with everything in it", responses=NATIVE, response_class=Response
)
async def delete_group(
    platform: Parts,
    who: Who,
    request: Request,
    name: str,
    confirm: Annotated[str, Query(description="The name again: everything in it goes.")],
    subscription: Subscription = None,
) -> Response:
    """Azure goes on deleting after it has answered 202."""
    if confirm != name:
        raise Problem(400, "query parameter confirm: expected the group's name again")
    answer = await call(platform.arm, "DELETE", _group(request, subscription, name), params=_GROUPS)
    done(who, "delete resource group", name, answer)
    return answered(answer)


def _assignments(scope: str) -> str:
    return "/" + "/".join(segment(part) for part in scope.strip("/").split("/")) + "/providers/Microsoft.Authorization"


@router.get("/role-definitions", summary="Roles that can be given", responses=NATIVE, response_class=Response)
async def definitions(
    platform: Parts,
    request: Request,
    scope: Scope = None,
    subscription: Subscription = None,
    skiptoken: Skip = None,
) -> Response:
    """At a scope: the built-in ones and the tenant's own."""
    at = _assignments(scope or _root(request, subscription))
    return paged(request, await call(platform.arm, "GET", f"{at}/roleDefinitions", params=_page(_ROLES, skiptoken)))


@router.get("/role-assignments", summary="Role assignments", responses=NATIVE, response_class=Response)
async def assignments(
    platform: Parts,
    request: Request,
    scope: Scope = None,
    principal: Annotated[str | None, Query(pattern=r"^[0-9a-fA-F-]{36}$")] = None,
    subscription: Subscription = None,
    skiptoken: Skip = None,
) -> Response:
    """At a scope and below; of somebody, where one is named."""
    params = _page(_ROLES, skiptoken)
    if principal:
        params["$filter"] = f"principalId eq '{principal}'"
    at = _assignments(scope or _root(request, subscription))
    return paged(request, await call(platform.arm, "GET", f"{at}/roleAssignments", params=params))


@router.post("/role-assignments", status_code=201, summary="Give a role", responses=NATIVE, response_class=Response)
async def assign(
    platform: Parts, who: Who, request: Request, wish: NewAssignment, subscription: Subscription = None
) -> Response:
    """The same wish again is the same assignment: its name is made of it."""
    scope = wish.scope or _root(request, subscription)
    at = _assignments(scope)
    name = wish.role.replace("'", "''")
    found = await good(platform.arm, f"{at}/roleDefinitions", params=_ROLES | {"$filter": f"roleName eq '{name}'"})
    ids = [one["id"] for one in found["value"]]
    if len(ids) != 1:
        raise Problem(404, f"there is no role {wish.role!r} at this scope", code="RoleDefinitionDoesNotExist")
    own = uuid.uuid5(uuid.NAMESPACE_URL, f"{scope.lower()}|{wish.principal.lower()}|{ids[0].lower()}")
    body = {
        "properties": {"roleDefinitionId": ids[0], "principalId": wish.principal, "principalType": wish.principalType}
    }
    answer = await call(platform.arm, "PUT", f"{at}/roleAssignments/{own}", body, params=_ROLES)
    done(who, f"assign role {wish.role} at {scope}", wish.principal, answer)
    return answered(answer)


@router.delete("/role-assignments", summary="Take a role", responses=NATIVE, response_class=Response)
async def unassign(
    platform: Parts,
    who: Who,
    id: Annotated[  # noqa: A002
        str,
        Query(
            pattern=r"^/[\w./()-]+/providers/Microsoft\.Authorization/roleAssignments/[0-9a-fA-F-]{36}$", max_length=600
        ),
    ],
) -> Response:
    """By the assignment's whole id."""
    path = "/" + "/".join(segment(part) for part in id.strip("/").split("/"))
    answer = await call(platform.arm, "DELETE", path, params=_ROLES)
    done(who, "remove role assignment", id, answer)
    return answered(answer)
