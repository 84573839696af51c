"""Who looks: the signed-in person, what they may do, and the backend in their name."""

from __future__ import annotations

import base64
import binascii
import json
import os
import time
from dataclasses import dataclass
from typing import Any

import httpx
import streamlit as st

from .backend import Backend, ExpiredError

#: Seconds before its end at which a token counts as over: so much a request may take.
MARGIN = 10


@dataclass(frozen=True)
class Viewer:
    """Who is signed in.

    Attributes:
        name: what people call them.
        tenant: the Entra tenant.
        oid: the object id.
        roles: app roles, as the backend reads them in the access token.
        permissions: what the roles allow.
    """

    name: str
    tenant: str
    oid: str
    roles: tuple[str, ...]
    permissions: frozenset[str]

    def may(self, permission: str) -> bool:
        """Whether they may: the backend asks again, and decides."""
        return permission in self.permissions


def is_signed_in() -> bool:
    """Whether somebody is. False, too, where signing in is not set up."""
    return bool(st.user.get("is_logged_in", False))


def token() -> str:
    """The viewer's access token; empty where Entra gave none."""
    tokens: Any = st.user.get("tokens") if is_signed_in() else None
    try:
        return str(tokens["access"])
    except (KeyError, TypeError):
        return ""


def is_over() -> bool:
    """Whether the viewer's token has ended, or will before it is used."""
    return seconds_left(token()) <= MARGIN


def seconds_left(of: str) -> float:
    """How long a token is good for still; 0 for one that cannot be read. Nothing is decided by it: the backend does."""
    try:
        payload = of.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return max(0.0, float(claims["exp"]) - time.time())
    except (IndexError, KeyError, TypeError, ValueError, binascii.Error):
        return 0.0


@st.cache_resource
def _http(url: str, ca_bundle: str | None) -> httpx.Client:
    import ssl

    verify: Any = ssl.create_default_context(cafile=ca_bundle) if ca_bundle else True
    limits = httpx.Limits(max_connections=200, max_keepalive_connections=50)
    return httpx.Client(base_url=url, transport=httpx.HTTPTransport(verify=verify, retries=1, limits=limits))


def backend() -> Backend:
    """The backend in the viewer's name.

    Raises:
        ExpiredError: the token is over.
    """
    url = os.environ.get("IAM_BACKEND_URL", "http://127.0.0.1:8000")
    mine = token()
    if is_over():
        raise ExpiredError(401, "Your sign-in has expired")
    return Backend(_http(url, os.environ.get("IAM_CA_BUNDLE")), mine)


def viewer() -> Viewer:
    """Who is signed in, as the backend sees them; asked once for each token.

    Raises:
        BackendError: it cannot be asked, or the token is over.
    """
    mine = token()
    kept: tuple[str, Viewer] | None = st.session_state.get("_viewer")
    if kept and kept[0] == mine:
        return kept[1]
    said = backend().get("/me")
    found = Viewer(said["name"], said["tenant"], said["oid"], tuple(said["roles"]), frozenset(said["permissions"]))
    st.session_state["_viewer"] = (mine, found)
    return found


def sign_in() -> None:
    """Sends the browser to Entra."""
    st.login("entra")


def sign_out() -> None:
    """Ends the session here and at Entra; what this session has kept in memory goes too."""
    st.session_state.clear()
    st.logout()
