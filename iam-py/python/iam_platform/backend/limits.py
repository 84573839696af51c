"""How much, how often, how long: every request meets these before it meets a route."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from typing import TYPE_CHECKING

import anyio

from .problems import Problem, answer

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from .settings import Settings


class Rates:
    """A token bucket for each caller, in this process."""

    SIZE = 4096

    def __init__(self, rate: float, burst: int) -> None:
        self._rate, self._burst = rate, burst
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def spend(self, caller: str) -> None:
        """Takes one token.

        Raises:
            Problem: 429 with ``Retry-After``, where there is none.
        """
        if self._rate <= 0:
            return
        now = time.monotonic()
        level, then = self._buckets.pop(caller, (float(self._burst), now))
        level = min(float(self._burst), level + (now - then) * self._rate)
        if level < 1:
            self._buckets[caller] = (level, now)
            seconds = math.ceil((1 - level) / self._rate)
            raise Problem(429, "too many requests", headers={"Retry-After": str(max(1, seconds))})
        self._buckets[caller] = (level - 1, now)
        while len(self._buckets) > self.SIZE:
            self._buckets.popitem(last=False)


class Refused(Exception):  # noqa: N818  not an error of ours
    """Reading on makes no sense."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.problem = problem


class Limits:
    """Refuses bodies that are too long before, or while, they are read; senders that pause; requests that take too long."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path: str = scope["path"]
        uploads = path == "/hr/upload-csv"
        limit = self._settings.upload_limit if uploads else self._settings.body_limit
        begun = False
        refusal: Problem | None = None

        async def sending(message: Message) -> None:
            nonlocal begun
            # Whatever read the body may have made an answer of its own out of our refusal.
            if refusal is not None and not begun:
                return
            begun = begun or message["type"] == "http.response.start"
            await send(message)

        async def receiving() -> Message:
            nonlocal refusal
            try:
                return await counted()
            except Refused as refused:
                refusal = refused.problem
                raise

        try:
            self._declared(scope, limit)
            # Uploads and streams have no end that is known before: they are held by the pauses that a sender may make. How
            # long the plan of a file takes is known by its length.
            streams = path.endswith((".csv", "/events", "/report")) and path != "/hr/events"
            planned = path.startswith("/jobs/") and path.endswith("/plan")
            endless = uploads or streams or planned or path == "/audit"
            counted = self._counted(receive, limit, self._settings.idle_timeout if endless else None)
            with anyio.fail_after(None if endless else self._settings.request_timeout):
                await self._app(scope, receiving, sending)
        except Refused as refused:
            refusal = refused.problem
        except TimeoutError:
            if begun:
                raise
            refusal = Problem(504, "the request took too long, and was given up")
        if refusal is not None and not begun:
            # The rest of the body stays unread, so the connection cannot be used for another request.
            refusal.headers["Connection"] = "close"
            await answer(path, refusal)(scope, receive, send)

    @staticmethod
    def _declared(scope: Scope, limit: int) -> None:
        for name, value in scope["headers"]:
            if name == b"content-length" and value.isdigit() and int(value) > limit:
                raise Refused(_too_long(limit))

    @staticmethod
    def _counted(receive: Receive, limit: int, pause: float | None) -> Receive:
        taken, over = 0, False

        async def counted() -> Message:
            nonlocal taken, over
            if over:
                # The body is all there: what comes now is the end of the connection, for which nobody need hurry.
                return await receive()
            if pause is None:
                message = await receive()
            else:
                try:
                    with anyio.fail_after(pause):
                        message = await receive()
                except TimeoutError:
                    raise Refused(Problem(408, "the sender paused for too long")) from None
            if message["type"] == "http.request":
                taken += len(message.get("body", b""))
                over = not message.get("more_body", False)
                if taken > limit:
                    raise Refused(_too_long(limit))
            return message

        return counted


def _too_long(limit: int) -> Problem:
    return Problem(413, f"expected a body of at most {limit} bytes", limit=limit)
