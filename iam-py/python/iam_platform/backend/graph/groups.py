"""``/graph/groups``."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from iam_platform.backend import table
from iam_platform.backend.native import answered, call, good, paged, segment
from iam_platform.backend.parts import Parts, Who
from iam_platform.backend.problems import Problem
from iam_platform.backend.security import SecuredRoute

from .guarded import done, touchable
from .users import CSV, NATIVE, paging

router = APIRouter(prefix="/graph/groups", tags=["graph"], route_class=SecuredRoute)

_SHOWN = (
    "id,displayName,description,mail,groupTypes,securityEnabled,membershipRule,isAssignableToRole,onPremisesSyncEnabled"
)
_COLUMNS = ("id", "displayName", "mail", "groupTypes")
_MEMBER = ("id", "displayName", "userPrincipalName")


class NewGroup(BaseModel):
    """A security group; with a rule, a dynamic one."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"displayName": "sg-perth", "description": "Everybody in Perth"}]},
    )

    displayName: str = Field(min_length=1, max_length=256)  # noqa: N815
    description: str | None = Field(default=None, max_length=1024)
    membershipRule: str | None = Field(default=None, max_length=3072)  # noqa: N815


@router.get("", summary="Groups, a page at a time", responses=NATIVE, response_class=Response)
async def groups(
    platform: Parts,
    request: Request,
    top: Annotated[int, Query(ge=1, le=999)] = 25,
    filter: Annotated[str | None, Query(max_length=1000, description="`$filter` of Graph.")] = None,  # noqa: A002
    search: Annotated[str | None, Query(max_length=200, description="Part of a name.")] = None,
    skiptoken: Annotated[str | None, Query(max_length=4000, description="From `@odata.nextLink`.")] = None,
) -> Response:
    """As Graph lists them; `@odata.nextLink` leads back here."""
    page = paging(top, filter, search, skiptoken)
    answer = await call(
        platform.graph, "GET", "/groups", params=page.params | {"$select": _SHOWN}, headers=page.headers
    )
    return paged(request, answer)


@router.post("", status_code=201, summary="Make a group", responses=NATIVE, response_class=Response)
async def create(platform: Parts, who: Who, group: NewGroup) -> Response:
    """Refused where the name is taken: Graph itself would make a second one."""
    name = group.displayName.replace("'", "''")
    there = await good(platform.graph, "/groups", params={"$filter": f"displayName eq '{name}'", "$select": "id"})
    if there["value"]:
        raise Problem(409, f"Group '{group.displayName}' already exists.", code="GroupAlreadyExists")
    nickname = "".join(
        letter for letter in group.displayName.lower() if letter.isascii() and (letter.isalnum() or letter in "-_.")
    )
    body: dict[str, Any] = {
        "displayName": group.displayName,
        "mailEnabled": False,
        "mailNickname": nickname[:64] or "group",
        "securityEnabled": True,
        "groupTypes": [],
    }
    if group.description:
        body["description"] = group.description
    if group.membershipRule:
        body |= {
            "groupTypes": ["DynamicMembership"],
            "membershipRule": group.membershipRule,
            "membershipRuleProcessingState": "On",
        }
    answer = await call(platform.graph, "POST", "/groups", body)
    done(who, "create group", answer.json().get("id", "") if answer.ok else "", answer)
    return answered(answer)


@router.get("/export.csv", summary="All groups as a table", responses=CSV, response_class=Response)
async def export(platform: Parts) -> Response:
    """Every group, read as it is written."""

    async def rows() -> Any:
        async for group in platform.graph.groups(select=list(_COLUMNS), top=999):
            yield [*(group.get(name) for name in _COLUMNS[:3]), " ".join(group.get("groupTypes") or ())]

    return table.download("groups.csv", _COLUMNS, rows())


@router.get("/{group_id}", summary="One group", responses=NATIVE, response_class=Response)
async def read(platform: Parts, group_id: str) -> Response:
    """By object id."""
    return answered(await call(platform.graph, "GET", f"/groups/{segment(group_id)}", params={"$select": _SHOWN}))


@router.delete("/{group_id}", summary="Delete a group", responses=NATIVE, response_class=Response)
async def delete(platform: Parts, who: Who, group_id: str) -> Response:
    """Role-assignable groups are left to the tenant's own administrators."""
    await _ordinary(platform, group_id)
    answer = await call(platform.graph, "DELETE", f"/groups/{segment(group_id)}")
    done(who, "delete group", group_id, answer)
    return answered(answer)


async def _ordinary(platform: Any, group_id: str) -> None:
    group = await good(platform.graph, f"/groups/{segment(group_id)}", params={"$select": "id,isAssignableToRole"})
    if group.get("isAssignableToRole"):
        # Whoever may change its members has the role's power: that is for `graph.privileged`, by the policy.
        raise Problem(
            403, "this group may hold roles: its members are the policy's", code="Authorization_RequestDenied"
        )


@router.get("/{group_id}/members", summary="Members", responses=NATIVE, response_class=Response)
async def members(
    platform: Parts,
    request: Request,
    group_id: str,
    top: Annotated[int, Query(ge=1, le=999)] = 100,
    skiptoken: Annotated[str | None, Query(max_length=4000)] = None,
) -> Response:
    """As Graph lists them."""
    page = paging(top, None, None, skiptoken)
    params = page.params | {"$select": ",".join(_MEMBER)}
    return paged(request, await call(platform.graph, "GET", f"/groups/{segment(group_id)}/members", params=params))


@router.get("/{group_id}/members.csv", summary="All members as a table", responses=CSV, response_class=Response)
async def member_table(platform: Parts, group_id: str) -> Response:
    """Direct members, read as they are written."""
    group = await good(platform.graph, f"/groups/{segment(group_id)}", params={"$select": "id"})

    async def rows() -> Any:
        async for member in platform.graph.group_members(group["id"], select=list(_MEMBER), top=999):
            yield [member.get(name) for name in _MEMBER]

    return table.download("members.csv", _MEMBER, rows())


@router.put("/{group_id}/members/{user_id}", summary="Add a member", responses=NATIVE, response_class=Response)
async def add(platform: Parts, who: Who, request: Request, group_id: str, user_id: str) -> Response:
    """Adding a member twice is the service's 400."""
    await _ordinary(platform, group_id)
    user = await touchable(platform, user_id)
    root = (request.app.state.settings.graph_url or "https://graph.microsoft.com/v1.0").rstrip("/")
    body = {"@odata.id": f"{root}/directoryObjects/{user['id']}"}
    answer = await call(platform.graph, "POST", f"/groups/{segment(group_id)}/members/$ref", body)
    done(who, f"add to group {group_id}", user["id"], answer)
    return answered(answer)


@router.delete("/{group_id}/members/{user_id}", summary="Remove a member", responses=NATIVE, response_class=Response)
async def remove(platform: Parts, who: Who, group_id: str, user_id: str) -> Response:
    """The membership goes, the member stays."""
    await _ordinary(platform, group_id)
    user = await touchable(platform, user_id)
    answer = await call(platform.graph, "DELETE", f"/groups/{segment(group_id)}/members/{segment(user['id'])}/$ref")
    done(who, f"remove from group {group_id}", user["id"], answer)
    return answered(answer)
