"""The backend as the UI calls it: with the viewer's access token, and with failures that say what to do."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_TIMEOUT = httpx.Timeout(30.0, connect=5.0)
_PATIENT = httpx.Timeout(600.0, connect=5.0)


class BackendError(Exception):
    """The backend did not do what was asked.

    Attributes:
        status: the HTTP status, or 0 where there was no answer.
        title: a few words.
        detail: a sentence.
        errors: of bad input: one entry for each place, with ``place`` or ``field`` and ``message``.
        request_id: what the backend's log knows the request by.
    """

    def __init__(
        self,
        status: int,
        title: str,
        detail: str = "",
        *,
        errors: list[dict[str, Any]] | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(f"{title}: {detail}" if detail else title)
        self.status = status
        self.title = title
        self.detail = detail
        self.errors = errors or []
        self.request_id = request_id


class AwayError(BackendError):
    """Nobody answers there, or not in time."""


class ExpiredError(BackendError):
    """The access token is not good any more: sign in again."""


class RefusedError(BackendError):
    """The viewer may not do that."""


class NotFoundError(BackendError):
    """There is no such thing."""


_KINDS: dict[int, type[BackendError]] = {401: ExpiredError, 403: RefusedError, 404: NotFoundError, 502: BackendError}


@dataclass(frozen=True)
class Backend:
    """The backend for one viewer.

    Attributes:
        http: a client whose base URL is the backend's; shared by all viewers.
        token: the viewer's access token.
    """

    http: httpx.Client = field(repr=False)
    token: str = field(repr=False)

    def get(self, path: str, **query: Any) -> Any:
        """A document.

        Args:
            path: below the backend's URL; parts that come from people are quoted with :func:`part`.
            query: parameters; those that are None are left out.

        Raises:
            BackendError: or one of its kinds.
        """
        return self._json(self._send("GET", path, params=_said(query)))

    def get_slowly(self, path: str, **query: Any) -> Any:
        """A document that takes minutes to work out, as the plan of a long file."""
        return self._json(self._send("GET", path, params=_said(query), timeout=_PATIENT))

    def post(self, path: str, body: Any = None, *, headers: Mapping[str, str] | None = None, **query: Any) -> Any:
        """Does something: ``body`` is sent as JSON."""
        return self._json(self._send("POST", path, json=body, params=_said(query), headers=headers))

    def put(self, path: str, body: Any = None) -> Any:
        """Puts something where it belongs."""
        return self._json(self._send("PUT", path, json=body))

    def patch(self, path: str, body: Any) -> Any:
        """Changes something."""
        return self._json(self._send("PATCH", path, json=body))

    def delete(self, path: str, **query: Any) -> None:
        """Takes something away."""
        self._send("DELETE", path, params=_said(query))

    def upload(self, path: str, name: str, content: Any, **query: Any) -> Any:
        """Sends a CSV file, as it is read."""
        answer = self._send(
            "POST",
            path,
            files={"file": (name, content, "text/csv")},
            params=_said(query),
            timeout=_PATIENT,
        )
        return self._json(answer)

    def text(self, path: str, **query: Any) -> str:
        """A table, or another text."""
        return self._send("GET", path, params=_said(query)).text

    def content(self, path: str, **query: Any) -> bytes:
        """A file."""
        return self._send("GET", path, params=_said(query)).content

    @contextlib.contextmanager
    def stream(self, path: str) -> Iterator[Iterator[str]]:
        """Lines as they come."""
        with self.http.stream("GET", path, headers=self._headers(None), timeout=_TIMEOUT) as answer:
            yield answer.iter_lines()

    def _headers(self, more: Mapping[str, str] | None) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}", **(more or {})}

    def _send(self, method: str, path: str, *, headers: Mapping[str, str] | None = None, **more: Any) -> httpx.Response:
        more.setdefault("timeout", _TIMEOUT)
        try:
            answer = self.http.request(method, path, headers=self._headers(headers), **more)
        except httpx.TimeoutException as error:
            raise AwayError(
                0,
                "The backend takes too long",
                "It did not answer in time. What you asked for may still be under way: look before you repeat it.",
            ) from error
        except httpx.TransportError as error:
            raise AwayError(
                0, "The backend does not answer", "Nothing was changed. Try again in a moment, or tell your operators."
            ) from error
        if answer.is_success:
            return answer
        raise of_answer(answer)

    @staticmethod
    def _json(answer: httpx.Response) -> Any:
        return answer.json() if answer.content else None


def of_answer(answer: httpx.Response) -> BackendError:
    """The failure that an answer tells of: problem+json, or Graph's and ARM's own shape."""
    try:
        body = answer.json()
    except (json.JSONDecodeError, UnicodeDecodeError):
        body = {}
    body = body if isinstance(body, dict) else {}
    error = body.get("error")
    native: dict[str, Any] = error if isinstance(error, dict) else {}
    title = body.get("title") or native.get("code") or answer.reason_phrase or "It was refused"
    detail = body.get("detail") or native.get("message") or ""
    inner = native.get("innerError") or {}
    request_id = answer.headers.get("x-request-id") or inner.get("request-id")
    if answer.status_code == 503:
        return AwayError(503, str(title), str(detail), request_id=request_id)
    kind = _KINDS.get(answer.status_code, BackendError)
    errors = body.get("errors")
    return kind(
        answer.status_code,
        str(title),
        str(detail),
        errors=errors if isinstance(errors, list) else None,
        request_id=request_id,
    )


def part(text: str) -> str:
    """A text as one part of a path."""
    from urllib.parse import quote

    return quote(text, safe="")


def _said(query: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in query.items() if value is not None}
