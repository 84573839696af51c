"""``/graph/users``."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from iam_platform.backend import table
from iam_platform.backend.native import answered, call, good, paged, segment
from iam_platform.backend.parts import Parts, Who
from iam_platform.backend.problems import Problem
from iam_platform.backend.security import SecuredRoute

from .guarded import done, touchable

if TYPE_CHECKING:
    from collections.abc import Sequence

router = APIRouter(prefix="/graph/users", tags=["graph"], route_class=SecuredRoute)

_SHOWN = "id,displayName,userPrincipalName,mail,accountEnabled,department,jobTitle,employeeId"
_COLUMNS = ("id", "displayName", "userPrincipalName", "mail", "accountEnabled", "department", "jobTitle", "employeeId")
_SEARCHED = ("displayName", "userPrincipalName", "mail")
LETTERS = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789!#%+=?"
NATIVE: dict[int | str, dict[str, Any]] = {
    "default": {
        "description": "As Microsoft Graph answers.",
        "content": {"application/json": {"schema": {"type": "object"}}},
    }
}
CSV: dict[int | str, dict[str, Any]] = {200: {"content": {"text/csv": {"schema": {"type": "string"}}}}, **NATIVE}


class NewUser(BaseModel):
    """A user as Graph takes one. Without a password one is made that nobody knows: give a temporary access pass."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "examples": [
                {
                    "displayName": "Mei Tanaka",
                    "userPrincipalName": "mei.tanaka@contoso.example",
                    "mailNickname": "mei.tanaka",
                    "accountEnabled": True,
                }
            ]
        },
    )

    displayName: str = Field(min_length=1, max_length=256)  # noqa: N815
    userPrincipalName: str = Field(min_length=3, max_length=113)  # noqa: N815
    mailNickname: str | None = Field(default=None, max_length=64)  # noqa: N815
    accountEnabled: bool = True  # noqa: N815


class License(BaseModel):
    """A licence by its part number or id."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"license": "SPE_E3"}]})

    license: str = Field(min_length=1, max_length=100)


@dataclass
class Paging:
    """A page of a list."""

    params: dict[str, str]
    headers: dict[str, str]


def paging(
    top: int,
    filter: str | None,  # noqa: A002
    search: str | None,
    skiptoken: str | None,
    *,
    searched: Sequence[str] = ("displayName",),
) -> Paging:
    """The page that is asked for, in Graph's words; ``search`` is looked for in the properties ``searched``."""
    page = Paging({"$top": str(top)}, {})
    if filter:
        page.params["$filter"] = filter
    if search:
        words = search.replace("\\", "").replace('"', "")
        page.params["$search"] = " OR ".join(f'"{name}:{words}"' for name in searched)
    if filter or search:
        page.params["$count"] = "true"
        page.headers["ConsistencyLevel"] = "eventual"
    if skiptoken:
        page.params["$skiptoken"] = skiptoken
    return page


@router.get("", summary="Users, a page at a time", responses=NATIVE, response_class=Response)
async def users(
    platform: Parts,
    request: Request,
    top: Annotated[int, Query(ge=1, le=999)] = 25,
    filter: Annotated[str | None, Query(max_length=1000, description="`$filter` of Graph.")] = None,  # noqa: A002
    search: Annotated[
        str | None,
        Query(
            max_length=200, description="The beginning of a word of the name, of the sign-in name or of the address."
        ),
    ] = None,
    skiptoken: Annotated[str | None, Query(max_length=4000, description="From `@odata.nextLink`.")] = None,
) -> Response:
    """As Graph lists them; `@odata.nextLink` leads back here."""
    page = paging(top, filter, search, skiptoken, searched=_SEARCHED)
    answer = await call(platform.graph, "GET", "/users", params=page.params | {"$select": _SHOWN}, headers=page.headers)
    return paged(request, answer)


@router.get("/export.csv", summary="All users as a table", responses=CSV, response_class=Response)
async def export(platform: Parts) -> Response:
    """Every user, read as it is written."""

    async def rows() -> Any:
        async for user in platform.graph.users(select=list(_COLUMNS), top=999):
            yield [user.get(name) for name in _COLUMNS]

    return table.download("users.csv", _COLUMNS, rows())


@router.post("/create", status_code=201, summary="Make a user", responses=NATIVE, response_class=Response)
async def create(platform: Parts, who: Who, user: NewUser) -> Response:
    """As `POST /users` of Graph. People whom HR knows come by `/hr`: this is for accounts that HR does not know."""
    body = user.model_dump(exclude_none=True)
    body.setdefault("mailNickname", user.userPrincipalName.partition("@")[0][:64])
    if "passwordProfile" not in body:
        password = "".join(secrets.choice(LETTERS) for _ in range(32)) + "aA1!"
        body["passwordProfile"] = {"password": password, "forceChangePasswordNextSignIn": True}
    answer = await call(platform.graph, "POST", "/users", body)
    done(who, "create user", answer.json().get("id", "") if answer.ok else "", answer)
    return answered(answer)


@router.get("/{user_id}", summary="One user", responses=NATIVE, response_class=Response)
async def read(
    platform: Parts,
    user_id: str,
    select: Annotated[str, Query(max_length=1000, pattern=r"^[\w,]+$", description="`$select` of Graph.")] = _SHOWN,
) -> Response:
    """By object id or sign-in name."""
    return answered(await call(platform.graph, "GET", f"/users/{segment(user_id)}", params={"$select": select}))


@router.patch("/{user_id}", summary="Change a user", responses=NATIVE, response_class=Response)
async def change(platform: Parts, who: Who, user_id: str, properties: dict[str, Any]) -> Response:
    """As `PATCH /users/{id}` of Graph. What HR says of the person, HR says again."""
    if any(name.lower() == "passwordprofile" for name in properties):
        raise Problem(400, "passwords are not set here: give a temporary access pass", code="Request_BadRequest")
    user = await touchable(platform, user_id)
    answer = await call(platform.graph, "PATCH", f"/users/{segment(user['id'])}", properties)
    done(who, "change user", user["id"], answer)
    return answered(answer)


@router.delete("/{user_id}", summary="Delete a user", responses=NATIVE, response_class=Response)
async def delete(platform: Parts, who: Who, user_id: str) -> Response:
    """Restorable for 30 days."""
    user = await touchable(platform, user_id)
    answer = await call(platform.graph, "DELETE", f"/users/{segment(user['id'])}")
    done(who, "delete user", user["id"], answer)
    return answered(answer)


async def _enabled(platform: Any, who: Any, user_id: str, yes: bool) -> Response:
    user = await touchable(platform, user_id)
    path = f"/users/{segment(user['id'])}"
    answer = await call(platform.graph, "PATCH", path, {"accountEnabled": yes})
    done(who, "enable user" if yes else "disable user", user["id"], answer)
    if answer.ok and not yes:
        # Who is blocked and still signed in is not out.
        out = await call(platform.graph, "POST", f"{path}/revokeSignInSessions")
        done(who, "revoke sessions", user["id"], out)
        if not out.ok:
            return answered(out)
    return answered(answer)


@router.post("/{user_id}/disable", summary="Block sign-in", responses=NATIVE, response_class=Response)
async def disable(platform: Parts, who: Who, user_id: str) -> Response:
    """Blocks sign-in and ends the sessions."""
    return await _enabled(platform, who, user_id, yes=False)


@router.post("/{user_id}/enable", summary="Allow sign-in", responses=NATIVE, response_class=Response)
async def enable(platform: Parts, who: Who, user_id: str) -> Response:
    """Allows sign-in again."""
    return await _enabled(platform, who, user_id, yes=True)


@router.post("/{user_id}/sign-out", summary="End all sessions", responses=NATIVE, response_class=Response)
async def sign_out(platform: Parts, who: Who, user_id: str) -> Response:
    """As `revokeSignInSessions` of Graph."""
    user = await touchable(platform, user_id)
    answer = await call(platform.graph, "POST", f"/users/{segment(user['id'])}/revokeSignInSessions")
    done(who, "revoke sessions", user["id"], answer)
    return answered(answer)


@router.get("/{user_id}/licenses", summary="Licences of a user", responses=NATIVE, response_class=Response)
async def licenses(platform: Parts, user_id: str) -> Response:
    """As `licenseDetails` of Graph."""
    return answered(await call(platform.graph, "GET", f"/users/{segment(user_id)}/licenseDetails"))


async def _licensed(platform: Any, who: Any, user_id: str, wish: License, give: bool) -> Response:
    skus = await good(platform.graph, "/subscribedSkus", params={"$select": "skuId,skuPartNumber"})
    wanted = wish.license.lower()
    found = [sku["skuId"] for sku in skus["value"] if wanted in (sku["skuPartNumber"].lower(), sku["skuId"].lower())]
    if not found:
        raise Problem(404, f"SKU '{wish.license}' not found in tenant.", code="SkuNotFound")
    user = await touchable(platform, user_id)
    body: dict[str, Any] = {
        "addLicenses": [{"skuId": found[0], "disabledPlans": []}] if give else [],
        "removeLicenses": [] if give else found[:1],
    }
    answer = await call(platform.graph, "POST", f"/users/{segment(user['id'])}/assignLicense", body)
    done(who, "assign licence" if give else "remove licence", user["id"], answer)
    return answered(answer)


@router.post("/{user_id}/assign-license", summary="Give a licence", responses=NATIVE, response_class=Response)
async def assign_license(platform: Parts, who: Who, user_id: str, wish: License) -> Response:
    """By part number or id."""
    return await _licensed(platform, who, user_id, wish, give=True)


@router.post("/{user_id}/remove-license", summary="Take a licence", responses=NATIVE, response_class=Response)
async def remove_license(platform: Parts, who: Who, user_id: str, wish: License) -> Response:
    """By part number or id."""
    return await _licensed(platform, who, user_id, wish, give=False)


@router.get("/{user_id}/groups", summary="Groups and roles of a user", responses=NATIVE, response_class=Response)
async def groups(
    platform: Parts,
    request: Request,
    user_id: str,
    top: Annotated[int, Query(ge=1, le=999)] = 100,
    skiptoken: Annotated[str | None, Query(max_length=4000)] = None,
) -> Response:
    """As `memberOf` of Graph."""
    page = paging(top, None, None, skiptoken)
    return paged(request, await call(platform.graph, "GET", f"/users/{segment(user_id)}/memberOf", params=page.params))


@router.get("/{user_id}/reports", summary="Direct reports of a user", responses=NATIVE, response_class=Response)
async def reports(
    platform: Parts,
    request: Request,
    user_id: str,
    top: Annotated[int, Query(ge=1, le=999)] = 100,
    skiptoken: Annotated[str | None, Query(max_length=4000)] = None,
) -> Response:
    """As `directReports` of Graph."""
    page = paging(top, None, None, skiptoken)
    path = f"/users/{segment(user_id)}/directReports"
    return paged(request, await call(platform.graph, "GET", path, params=page.params | {"$select": _SHOWN}))


@router.get("/{user_id}/access.csv", summary="What a user holds, as a table", responses=CSV, response_class=Response)
async def access(platform: Parts, user_id: str) -> Response:
    """Groups and roles, direct and through groups."""
    first = await good(platform.graph, f"/users/{segment(user_id)}", params={"$select": "id"})
    path = f"/users/{segment(first['id'])}/transitiveMemberOf"

    async def rows() -> Any:
        async for held in platform.graph.list(path, top=999):
            yield [held.get("id"), str(held.get("@odata.type", "")).rpartition(".")[2], held.get("displayName")]

    return table.download("access.csv", ("id", "type", "displayName"), rows())
