"""What is seen of every request: its id, a line in the log, figures, and the headers that keep browsers careful."""

from __future__ import annotations

import logging
import os
import re
import time
import uuid
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from .logs import request_id

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = logging.getLogger("iam_platform.backend.access")

_ID = re.compile(r"^[\w.:-]{8,64}$", re.ASCII)
_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"strict-transport-security", b"max-age=31536000; includeSubDomains"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
    (b"cache-control", b"no-store"),
)
_NOTHING = b"default-src 'none'; frame-ancestors 'none'"
_DOCS = (
    b"default-src 'none'; frame-ancestors 'none'; connect-src 'self' https:; img-src 'self' data: "
    b"https://fastapi.tiangolo.com; script-src 'self' 'unsafe-inline' https://cdn.jsdelivr.net; style-src 'self' "
    b"'unsafe-inline' https://cdn.jsdelivr.net"
)


class Figures:
    """Prometheus figures; with ``PROMETHEUS_MULTIPROC_DIR`` those of all processes of the machine."""

    def __init__(self) -> None:
        several = bool(os.environ.get("PROMETHEUS_MULTIPROC_DIR"))
        self.registry = CollectorRegistry()
        own = None if several else self.registry
        labels = ("method", "route", "status")
        self.requests = Counter("iam_http_requests", "Requests by route and status.", labels, registry=own)
        self.seconds = Histogram("iam_http_request_seconds", "How long answers took.", ("route",), registry=own)
        self.accepted = Counter(
            "iam_events_accepted", "Events that are durable now, by outcome.", ("said",), registry=own
        )
        if several:
            MultiProcessCollector(self.registry)  # type: ignore[no-untyped-call]

    def text(self) -> bytes:
        """The figures as Prometheus reads them."""
        return generate_latest(self.registry)


class Observer:
    """Numbers, times and logs requests; adds the headers."""

    def __init__(self, app: ASGIApp, figures: Figures) -> None:
        self._app = app
        self._figures = figures

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"").decode("latin-1")
        name = given if _ID.match(given) else str(uuid.uuid4())
        token = request_id.set(name)
        begun, status = time.perf_counter(), 500
        policy = _DOCS if scope["path"] in ("/docs", "/docs/oauth2-redirect") else _NOTHING

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                own = {key.lower() for key, _ in message.get("headers", ())}
                headers = [*_HEADERS, (b"content-security-policy", policy), (b"x-request-id", name.encode("latin-1"))]
                message["headers"] = [*message.get("headers", ()), *(one for one in headers if one[0] not in own)]
            await send(message)

        try:
            await self._app(scope, receive, sending)
        finally:
            took = time.perf_counter() - begun
            # The template, not the path: paths name people.
            route = getattr(scope.get("route"), "path", "none")
            self._figures.requests.labels(scope["method"], route, str(status)).inc()
            self._figures.seconds.labels(route).observe(took)
            caller = scope.get("state", {}).get("caller")
            facts = {"method": scope["method"], "route": route, "status": status, "ms": round(took * 1000, 1)}
            log.info("request", extra=facts | ({"caller": caller.oid} if caller else {}))
            request_id.reset(token)
