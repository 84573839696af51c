"""``/graph/users/{id}``: ways back in, and back from the deleted. What is secret is answered once, and kept nowhere."""

from __future__ import annotations

import secrets
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from iam_platform.backend.native import answered, call, good, paged, refusal, segment
from iam_platform.backend.parts import Parts, Who
from iam_platform.backend.problems import Problem
from iam_platform.backend.security import SecuredRoute

from .guarded import done, touchable
from .users import LETTERS, NATIVE, paging

router = APIRouter(prefix="/graph", tags=["graph"], route_class=SecuredRoute)

_DELETED = "/directory/deletedItems"
_SHOWN = "id,displayName,userPrincipalName,mail,employeeId,deletedDateTime"
_ONCE = {"Cache-Control": "no-store", "Pragma": "no-cache"}


class NewPassword(BaseModel):
    """A password that nobody had before. It is answered once."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"password": "…", "userPrincipalName": "mei@contoso.example"}]}
    )

    password: str = Field(description="Said to its owner by another way; at the next sign-in it must be changed.")
    userPrincipalName: str  # noqa: N815  Graph's


class PassWish(BaseModel):
    """A temporary access pass."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"minutes": 60, "once": True}]})

    minutes: int | None = Field(
        default=None, ge=10, le=43200, description="How long it is good; by default as the tenant says."
    )
    once: bool | None = Field(default=None, description="Whether it is good once; by default as the tenant says.")


@router.post("/users/{user_id}/reset-password", summary="Give a new password", responses=NATIVE)
async def reset_password(platform: Parts, who: Who, response: Response, user_id: str) -> NewPassword:
    """Random, to be changed at the next sign-in, and answered once. Holders of directory roles are refused."""
    user = await touchable(platform, user_id, powerless=True)
    password = "".join(secrets.choice(LETTERS) for _ in range(16)) + "aA1!"
    profile = {"password": password, "forceChangePasswordNextSignIn": True}
    answer = await call(platform.graph, "PATCH", f"/users/{segment(user['id'])}", {"passwordProfile": profile})
    done(who, "reset password", user["id"], answer)
    if not answer.ok:
        raise refusal(answer)
    response.headers.update(_ONCE)
    return NewPassword(password=password, userPrincipalName=user["userPrincipalName"])


@router.post(
    "/users/{user_id}/temporary-access-pass",
    status_code=201,
    summary="Give a temporary access pass",
    responses=NATIVE,
    response_class=Response,
)
async def temporary_access_pass(platform: Parts, who: Who, user_id: str, wish: PassWish | None = None) -> Response:
    """As Graph answers: the pass stands in `temporaryAccessPass`, this once. Holders of directory roles are refused."""
    user = await touchable(platform, user_id, powerless=True)
    wish = wish or PassWish()
    body: dict[str, Any] = {}
    if wish.minutes is not None:
        body["lifetimeInMinutes"] = wish.minutes
    if wish.once is not None:
        body["isUsableOnce"] = wish.once
    path = f"/users/{segment(user['id'])}/authentication/temporaryAccessPassMethods"
    answer = await call(platform.graph, "POST", path, body)
    done(who, "give temporary access pass", user["id"], answer)
    told = answered(answer)
    told.headers.update(_ONCE)
    return told


@router.post("/users/{user_id}/restore", summary="Bring a deleted user back", responses=NATIVE, response_class=Response)
async def restore(platform: Parts, who: Who, user_id: str) -> Response:
    """By object id, within 30 days. Whom HR has dismissed, the platform goes on to hold without access."""
    found = await good(platform.graph, f"{_DELETED}/{segment(user_id)}")
    if not str(found.get("@odata.type", "#microsoft.graph.user")).endswith(".user"):
        raise Problem(404, "this is no deleted user", code="Request_ResourceNotFound")
    answer = await call(platform.graph, "POST", f"{_DELETED}/{segment(found['id'])}/restore")
    done(who, "restore user", found["id"], answer)
    return answered(answer)


@router.get("/deleted-users", summary="Deleted users, a page at a time", responses=NATIVE, response_class=Response)
async def deleted(
    platform: Parts,
    request: Request,
    top: Annotated[int, Query(ge=1, le=999)] = 25,
    skiptoken: Annotated[str | None, Query(max_length=4000, description="From `@odata.nextLink`.")] = None,
) -> Response:
    """Those that can be restored; `@odata.nextLink` leads back here."""
    page = paging(top, None, None, skiptoken)
    path = f"{_DELETED}/microsoft.graph.user"
    return paged(request, await call(platform.graph, "GET", path, params=page.params | {"$select": _SHOWN}))
