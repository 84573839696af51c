"""Calls to Graph and ARM by our own identity, answered as the service answers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, urlsplit

from starlette.responses import Response

from .problems import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

_KEPT = ("retry-after", "request-id", "etag", "location", "x-ms-request-id", "azure-asyncoperation")


def segment(text: str) -> str:
    """One segment of a path: whatever a caller sends, it is no path of its own.

    Raises:
        Problem: 400 for what can be no id.
    """
    if not text.strip() or text in (".", "..") or any(ord(letter) < 32 or letter in "/\\?#" for letter in text):
        raise Problem(400, "expected an id or a name")
    return quote(text, safe="@.-_~")


def answered(answer: Any) -> Response:
    """The service's answer, with its status and body as they are."""
    headers = {
        name: value for name, value in answer.headers.items() if name.lower() in _KEPT and name.lower() != "location"
    }
    media = answer.headers.get("content-type", "application/json") if answer.content else None
    return Response(answer.content, answer.status, headers, media)


async def call(
    client: Any,
    verb: str,
    path: str,
    body: Mapping[str, Any] | None = None,
    *,
    params: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Any:
    """A request and its answer, whatever its status."""
    return await client.request(
        verb,
        path,
        dict(body) if body is not None else None,
        params=dict(params or {}),
        headers=dict(headers or {}),
        check=False,
    )


async def good(
    client: Any,
    path: str,
    *,
    params: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """What there is to read.

    Raises:
        Native: the service's own refusal.
    """
    answer = await call(client, "GET", path, params=params, headers=headers)
    if not answer.ok:
        raise refusal(answer)
    read: dict[str, Any] = answer.json()
    return read


def refusal(answer: Any) -> Problem:
    """The service's refusal as ours, with its code and its words."""
    try:
        error = answer.json()["error"]
        code, message = str(error["code"]), str(error["message"])
    except (ValueError, KeyError, TypeError):
        code, message = "UnknownError", "the service refused"
    # A token that is refused is nothing that the caller could mend.
    status = 502 if answer.status == 401 else answer.status
    return Problem(status, message, code=code)


def paged(request: Request, answer: Any) -> Response:
    """An answer whose next page is asked for here."""
    if not answer.ok:
        return answered(answer)
    body = answer.json()
    for name in ("@odata.nextLink", "nextLink"):
        if isinstance(body, dict) and name in body:
            query = dict(parse_qsl(urlsplit(body[name]).query))
            token = query.get("$skiptoken") or query.get("$skipToken") or query.get("$skip") or ""
            body[name] = str(request.url.include_query_params(skiptoken=token))
    return Response(json.dumps(body), answer.status, media_type="application/json")
