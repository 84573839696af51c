"""Serves the UI: Streamlit with its sign-in set up, security headers, and links that survive signing in."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

# Entra's access tokens lie in the cookies, and the library that reads the WebSocket's request takes lines of 8 KiB at
# most unless this is set before it is imported: people with many roles would find an empty page.
os.environ.setdefault("WEBSOCKETS_MAX_LINE_LENGTH", "65536")

import streamlit as st
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from .settings import Settings

#: Where somebody wanted to go before they had to sign in, and why Entra let nobody in.
WANTED, REFUSED = "iam_wanted", "iam_refused"
_SIGNED_IN = "_streamlit_user="
_MINUTES = 10

_HEADERS = {
    # Streamlit's charts compile their expressions. No host but this one is ever asked for anything.
    "Content-Security-Policy": "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
    "connect-src 'self' ws: wss: data: blob:; worker-src 'self' blob:; object-src 'none'; base-uri 'self'; "
    "form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}


def create_app(settings: Settings) -> st.App:
    """The UI as an ASGI application: one for each process.

    Args:
        settings: what is set.
    """
    # What charts are drawn with is there before there are threads: two that load it at once find it half loaded.
    for library in ("pandas", "altair"):
        importlib.import_module(library)
    # The script of a session finds them in the environment: it runs in this process, in a thread of its own.
    os.environ["IAM_BACKEND_URL"] = settings.backend_url
    # The first visitor does not wait for what is imported once.
    importlib.import_module("iam_platform.ui.pages")
    return st.App(
        # Beside a folder named pages Streamlit would take each of its files for a page, and know no other address.
        Path(__file__).with_name("script") / "app.py",
        secrets=_secrets(settings),
        middleware=[Middleware(Door, https=settings.url.startswith("https:"))],
        on_script_error=_tell,
    )


def run(settings: Settings, *, host: str, port: int) -> None:
    """Serves until SIGINT or SIGTERM."""
    options = {
        "server.address": host,
        "server.port": port,
        "server.headless": True,
        "server.fileWatcherType": "none",
        "server.maxUploadSize": settings.upload_limit_mib,
        "server.enableStaticServing": False,
        "browser.gatherUsageStats": False,
        "client.toolbarMode": "minimal",
        "client.showErrorDetails": "none",
        "client.showSidebarNavigation": True,
        "theme.light.primaryColor": "#0b5cad",
        "theme.light.linkColor": "#0b5cad",
        # Captions are drawn at three fifths of it, and must be readable as well.
        "theme.light.textColor": "#0d0d0c",
        "theme.dark.primaryColor": "#8ec5ff",
        "theme.dark.linkColor": "#8ec5ff",
    }
    create_app(settings).run(config=options)


def _secrets(settings: Settings) -> dict[str, Any]:
    asked = {"scope": f"openid profile email {settings.scope}", "prompt": "select_account"}
    if settings.ca_bundle:
        asked["verify"] = settings.ca_bundle
    provider = {
        "client_id": settings.client_id,
        "client_secret": settings.client_secret,
        "server_metadata_url": settings.metadata_url,
        "client_kwargs": asked,
    }
    return {
        "auth": {
            "redirect_uri": settings.redirect_uri,
            "cookie_secret": settings.cookie_secret,
            "expose_tokens": ["access"],
            "entra": provider,
        }
    }


def _tell(error: Exception) -> bool:
    """What nobody has foreseen: a sentence for who looks at it; the log has the rest."""
    from . import show

    show.unforeseen(error)
    return True


class Door:
    """Around everything that Streamlit answers: headers, and what its own sign-in forgets.

    Streamlit sends whoever has signed in to the first page, and says nothing to whoever was refused. The page that
    somebody came from is kept in a cookie of this site for ten minutes, and so is Entra's word.
    """

    def __init__(self, app: ASGIApp, *, https: bool) -> None:
        self._app = app
        self._https = https

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._mark(request, MutableHeaders(scope=message))
            await send(message)

        await self._app(scope, receive, answer)

    def _mark(self, request: Request, headers: MutableHeaders) -> None:
        for name, value in _HEADERS.items():
            headers[name] = value
        if self._https:
            headers["Strict-Transport-Security"] = "max-age=31536000"
        path = request.url.path
        if path.endswith("/auth/login"):
            wanted = _place(request)
            if wanted:
                self._remember(headers, WANTED, wanted)
        elif path.endswith("/oauth2callback"):
            cookies = headers.getlist("set-cookie")
            if not any(value.startswith(_SIGNED_IN) and "Max-Age=0" not in value for value in cookies):
                self._remember(headers, REFUSED, request.query_params.get("error") or "invalid_token")
                return
            wanted = request.cookies.get(WANTED, "")
            if "location" in headers and _is_ours(wanted):
                headers["location"] = wanted
            self._forget(headers, WANTED)
            self._forget(headers, REFUSED)

    def _remember(self, headers: MutableHeaders, name: str, value: str) -> None:
        response = Response()
        response.set_cookie(
            name, value, max_age=60 * _MINUTES, httponly=True, samesite="lax", secure=self._https, path="/"
        )
        headers.append("set-cookie", response.headers["set-cookie"])

    @staticmethod
    def _forget(headers: MutableHeaders, name: str) -> None:
        response = Response()
        response.delete_cookie(name, path="/", httponly=True, samesite="lax")
        headers.append("set-cookie", response.headers["set-cookie"])


def _place(request: Request) -> str | None:
    """The page of this site that a browser comes from, with its query."""
    came = urlsplit(request.headers.get("referer", ""))
    if not came.netloc or came.netloc != request.headers.get("host"):
        return None
    place = f"{came.path}?{came.query}" if came.query else came.path
    return place if _is_ours(place) and place != "/" and len(place) < 1000 else None


def _is_ours(place: str) -> bool:
    """Whether it is a path: an address of another site never is."""
    return place.startswith("/") and not place.startswith(("//", "/\\")) and place.isprintable() and place.isascii()
