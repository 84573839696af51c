"""``/scim/v2``: the core's SCIM service provider. A user is HR's word before the answer says 201; the samples' three
routes lead to the same place.
"""

from __future__ import annotations

import json
from typing import Annotated, Any
from urllib.parse import unquote

from fastapi import APIRouter, Body, Request, Response

from iam_platform.backend.problems import Problem
from iam_platform.backend.security import SecuredRoute

router = APIRouter(prefix="/scim", tags=["scim"], route_class=SecuredRoute)

_MEDIA = "application/scim+json"
_PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
_ANSWERS: dict[int | str, dict[str, Any]] = {
    "default": {
        "description": "As RFC 7644 has it.",
        "content": {_MEDIA: {"schema": {"type": "object"}}},
    }
}
_USER = {
    "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
    "userName": "mei.tanaka@contoso.example",
    "externalId": "W-1003",
    "active": True,
    "name": {"givenName": "Mei", "familyName": "Tanaka"},
    "title": "Analyst",
}
_BODY: dict[str, Any] = {
    "requestBody": {"content": {_MEDIA: {"schema": {"type": "object"}, "example": _USER}}},
}


async def _handled(request: Request, verb: str, path: str, body: bytes) -> Response:
    segments = [unquote(segment) for segment in path.split("/") if segment]
    base = request.app.state.settings.base_url
    root = f"{base.rstrip('/')}/scim/v2" if base else f"{str(request.base_url).rstrip('/')}/scim/v2"
    status, headers, content = await request.app.state.platform.scim.handle(
        verb,
        segments,
        list(request.query_params.multi_items()),
        [(name, value) for name, value in request.headers.items() if name != "authorization"],
        body,
        root,
    )
    return Response(content or b"", status, dict(headers), _MEDIA if content else None)


async def _taken(request: Request, path: str) -> Response:
    media = request.headers.get("content-type", _MEDIA).partition(";")[0].strip().lower()
    if request.method in ("POST", "PUT", "PATCH") and media not in (_MEDIA, "application/json"):
        raise Problem(415, f"expected {_MEDIA} or application/json")
    # The path as it was sent: an id may hold an escaped slash.
    raw = request.scope.get("raw_path", b"").decode("latin-1").partition("?")[0]
    path = raw.partition("/scim/v2")[2] if "/scim/v2" in raw else path
    return await _handled(request, request.method, path, await request.body())


@router.get("/v2/{path:path}", summary="Users, groups, schemas", responses=_ANSWERS, response_class=Response)
async def read(request: Request, path: str) -> Response:
    """Reads and lists: `Users`, `Groups`, `ServiceProviderConfig`, `ResourceTypes`, `Schemas`."""
    return await _taken(request, path)


@router.post("/v2/{path:path}", summary="Make one", responses=_ANSWERS, response_class=Response, openapi_extra=_BODY)
async def create(request: Request, path: str) -> Response:
    """Makes a user or group, or searches. A user needs `externalId` (the worker id) and `active`."""
    return await _taken(request, path)


@router.put("/v2/{path:path}", summary="Replace one", responses=_ANSWERS, response_class=Response, openapi_extra=_BODY)
async def replace(request: Request, path: str) -> Response:
    """Replaces a user or group."""
    return await _taken(request, path)


@router.patch("/v2/{path:path}", summary="Change one", responses=_ANSWERS, response_class=Response, openapi_extra=_BODY)
async def patch(request: Request, path: str) -> Response:
    """Changes a user or group. `active: false` suspends: sign-in is blocked, and everything is kept."""
    return await _taken(request, path)


@router.delete("/v2/{path:path}", summary="Delete one", responses=_ANSWERS, response_class=Response)
async def delete(request: Request, path: str) -> Response:
    """Deletes a user or group. A user who is deleted has left."""
    return await _taken(request, path)


@router.post("/provision", summary="Make a user (as the samples do)", responses=_ANSWERS, response_class=Response)
async def provision(request: Request, user: Annotated[dict[str, Any], Body(examples=[_USER])]) -> Response:
    """As `POST /scim/v2/Users`."""
    return await _handled(request, "POST", "Users", json.dumps(user).encode())


@router.patch(
    "/update/{scim_id}", summary="Change a user (as the samples do)", responses=_ANSWERS, response_class=Response
)
async def update(
    request: Request,
    scim_id: str,
    changes: Annotated[dict[str, Any], Body(examples=[{"title": "Senior Analyst"}])],
) -> Response:
    """As `PATCH /scim/v2/Users/{id}`; attributes by themselves are replaced."""
    if "Operations" not in changes:
        changes = {"schemas": [_PATCH], "Operations": [{"op": "replace", "value": changes}]}
    return await _handled(request, "PATCH", f"Users/{scim_id.replace('/', '%2F')}", json.dumps(changes).encode())


@router.delete(
    "/delete/{scim_id}", summary="Delete a user (as the samples do)", responses=_ANSWERS, response_class=Response
)
async def remove(request: Request, scim_id: str) -> Response:
    """As `DELETE /scim/v2/Users/{id}`."""
    return await _handled(request, "DELETE", f"Users/{scim_id.replace('/', '%2F')}", b"")
