"""Refusals: RFC 9457 problems, and the native shapes of SCIM, Graph and ARM below their paths."""

from __future__ import annotations

import http
import json
import logging
from typing import TYPE_CHECKING, Any

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from iam_platform import errors

from .logs import request_id

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fastapi import FastAPI
    from starlette.requests import Request

log = logging.getLogger(__name__)

_SCIM_ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"
_GRAPH_CODES = {
    400: "BadRequest",
    401: "InvalidAuthenticationToken",
    403: "Authorization_RequestDenied",
    404: "Request_ResourceNotFound",
    405: "Request_BadRequest",
    409: "Request_Conflict",
    413: "RequestEntityTooLarge",
    415: "UnsupportedMediaType",
    422: "BadRequest",
    429: "TooManyRequests",
    503: "ServiceUnavailable",
    504: "GatewayTimeout",
}

_STATUS: dict[type[errors.IamError], int] = {
    errors.NotFoundError: 404,
    errors.NotYetReplicatedError: 404,
    errors.AlreadyExistsError: 409,
    errors.ConflictError: 409,
    errors.InvalidError: 422,
    errors.GuardedError: 409,
    errors.LicenseExhaustedError: 409,
    errors.ThrottledError: 503,
    errors.UnavailableError: 503,
    errors.StorageError: 503,
    errors.FencedError: 409,
    errors.DeniedError: 502,
    errors.UnauthenticatedError: 502,
    errors.OutcomeUnknownError: 502,
    errors.ProtocolError: 502,
}
"""What an error of the core is for the caller. That *our* identity is refused by a service is a bad gateway."""


class Problem(Exception):  # noqa: N818  the name of RFC 9457
    """A refusal with its status.

    Attributes:
        status: the HTTP status.
        detail: one sentence for people, without personal data.
        headers: further headers of the answer.
        extra: further members of the problem, for example ``errors``.
    """

    def __init__(self, status: int, detail: str, *, headers: Mapping[str, str] | None = None, **extra: object) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = dict(headers or {})
        self.extra = extra


def answer(path: str, problem: Problem) -> Response:
    """The answer in the shape that clients of this path understand."""
    status, detail = problem.status, problem.detail
    if path.startswith("/scim"):
        body: dict[str, Any] = {"schemas": [_SCIM_ERROR], "status": str(status), "detail": detail}
        media = "application/scim+json"
    elif path.startswith(("/graph", "/arm")):
        code = str(problem.extra.get("code") or _GRAPH_CODES.get(status, "UnknownError"))
        inner = {"request-id": request_id.get(), "client-request-id": request_id.get()}
        body = {"error": {"code": code, "message": detail, "innerError": inner}}
        media = "application/json"
    else:
        title = http.HTTPStatus(status).phrase
        body = {"type": "about:blank", "title": title, "status": status, "detail": detail}
        body |= {"request_id": request_id.get(), **problem.extra}
        media = "application/problem+json"
    return Response(json.dumps(body, default=str), status, problem.headers, media)


def of_error(error: errors.IamError) -> Problem:
    """The refusal that an error of the core is for the caller."""
    status = next((status for cls, status in _STATUS.items() if isinstance(error, cls)), 500)
    headers = {}
    if status == http.HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = str(max(1, round(error.retry_after or 5)))
    facts = {"kind": error.kind, "code": error.code, "service_request_id": error.request_id}
    return Problem(status, str(error), headers=headers, **{name: fact for name, fact in facts.items() if fact})


def install(app: FastAPI) -> None:
    """Makes every refusal of the application a problem."""

    def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, Problem)
        return answer(request.url.path, error)

    def failed(request: Request, error: Exception) -> Response:
        assert isinstance(error, errors.IamError)
        problem = of_error(error)
        if problem.status >= http.HTTPStatus.INTERNAL_SERVER_ERROR:
            log.warning("the core failed: %s", error, extra={"kind": error.kind})
        return answer(request.url.path, problem)

    def plain(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        headers = error.headers or {}
        return answer(request.url.path, Problem(error.status_code, str(error.detail), headers=headers))

    def invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        # The input stays out: it may be a secret, or somebody's data.
        found = [
            {"place": ".".join(str(part) for part in one["loc"]), "code": one["type"], "message": one["msg"]}
            for one in error.errors()
        ]
        where = f"{found[0]['place']}: {found[0]['message']}" if found else "the request cannot be read"
        return answer(request.url.path, Problem(422, where, errors=found))

    def broken(request: Request, error: Exception) -> Response:
        log.error("a request failed", exc_info=error)
        return answer(request.url.path, Problem(500, "the request failed: the log tells more under its request id"))

    app.add_exception_handler(Problem, refused)
    app.add_exception_handler(errors.IamError, failed)
    app.add_exception_handler(HTTPException, plain)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(Exception, broken)
