"""Microsoft Graph as the samples call it: any status is a result, never an exception.

A service that cannot be reached, or that cannot be signed in to, raises an :class:`~iam_platform.IamError`.
"""

from __future__ import annotations

import json as _json
import os
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode, urlsplit

from iam_platform import ClientSecretCredential, GraphClient

from . import _settings

Result = dict[str, Any]
"""What a call returns: see each function."""

_SOVEREIGN = ("graph.microsoft.us", "dod-graph.microsoft.us", "microsoftgraph.chinacloudapi.cn")
NOT_FOUND = 404
_LEAST_FAILURE = 400
_GIVEN_AT_MOST = 8
PAGE = 999
"""The largest page that Graph gives of users, groups and members."""


class _AccessToken(NamedTuple):
    token: str
    expires_on: int


class _Given:
    """A credential that has one token, which a script brought."""

    def __init__(self, token: str) -> None:
        self._token = token

    def get_token(self, *_scopes: str, **_options: Any) -> _AccessToken:
        return _AccessToken(self._token, int(time.time()) + 3600)


@dataclass(frozen=True)
class _Where:
    """Which tenant, as whom, at which endpoints."""

    tenant: str
    client: str
    secret: str = field(repr=False)
    authority: str | None
    graph: str
    ca_bundle: str | None


class _Tenant:
    """The clients for one of them."""

    def __init__(self, where: _Where) -> None:
        self.where = where
        self.credential = ClientSecretCredential(
            where.tenant, where.client, where.secret, authority=where.authority, ca_bundle=where.ca_bundle
        )
        self.client = self._client(self.credential)
        self.issued: deque[str] = deque(maxlen=16)
        self._given: dict[str, GraphClient] = {}

    def _client(self, credential: Any) -> GraphClient:
        where = self.where
        return GraphClient(credential, authority=where.authority, graph_url=where.graph, ca_bundle=where.ca_bundle)

    def token(self) -> str:
        host = urlsplit(self.where.graph).hostname
        audience = f"https://{host}" if host in _SOVEREIGN else _settings.GRAPH
        token: str = self.credential.get_token(f"{audience}/.default").token
        if token not in self.issued:
            self.issued.append(token)
        return token

    def for_token(self, token: str | None) -> GraphClient:
        """The client that renews its tokens, for what it issued; one with just that token for any other."""
        if token is None or token in self.issued:
            return self.client
        if token not in self._given:
            if len(self._given) >= _GIVEN_AT_MOST:
                self._given.clear()
            self._given[token] = self._client(_Given(token))
        return self._given[token]


_lock = threading.Lock()
_latest: list[_Tenant] = []


def _current() -> _Tenant:
    tenant, client, secret = _settings.credentials()
    authority, ca_bundle = os.environ.get("IAM_AUTHORITY"), os.environ.get("IAM_CA_BUNDLE")
    where = _Where(tenant, client, secret, authority, _settings.graph_url(), ca_bundle)
    with _lock:
        if not _latest or _latest[0].where != where:
            _latest[:] = [_Tenant(where)]
        return _latest[0]


def token() -> str:
    """A token of the application."""
    return _current().token()


def call_graph(
    method: str,
    endpoint: str,
    token: str | None,
    params: dict[str, Any] | None = None,
    json: Any = None,
) -> Result:
    """Any call of Microsoft Graph.

    Args:
        method: ``GET``, ``POST``, ``PATCH``, ``PUT`` or ``DELETE``.
        endpoint: the path below ``/v1.0``, with a slash in front; it may have a query.
        token: a token of :func:`auth.get_access_token`, or any other, which is then sent as it is.
        params: more of the query; what is ``None`` is left out.
        json: the body.

    Returns:
        ``{"success": ok, "status_code": int, "data": dict | None, "error": E}``; an empty answer has ``data: None``.
    """
    return _result(
        _current().for_token(token).request(method.upper(), _target(endpoint, params), json=json, check=False)
    )


def _result(answer: Any) -> Result:
    try:
        data = _json.loads(answer.content) if answer.content else None
    except ValueError:
        data = None
    success = answer.status < _LEAST_FAILURE
    return {"success": success, "status_code": answer.status, "data": data, "error": None if success else data}


def _target(endpoint: str, params: dict[str, Any] | None) -> str:
    path, _, query = endpoint.partition("?")
    path = quote(path, safe="%/:@!$&'()*+,;=~")
    given = {name: value for name, value in (params or {}).items() if value is not None}
    parts = [quote(query, safe="%=&/?:@!$'()*+,;~"), urlencode(given, doseq=True, quote_via=quote)]
    query = "&".join(part for part in parts if part)
    return f"{path}?{query}" if query else path


def every_page(endpoint: str, params: dict[str, Any] | None = None) -> Result:
    """All pages of a collection, as one :func:`call_graph` result; or that of the page that failed."""
    own = token()
    result = call_graph("GET", endpoint, own, params)
    rows: list[Any] = []
    while result["success"] and isinstance(result["data"], dict):
        rows += result["data"].get("value", [])
        link = result["data"].get("@odata.nextLink")
        if not link:
            return {**result, "data": {"value": rows}}
        # It goes to Graph's own host, or the client refuses it.
        result = _result(_current().for_token(own).request("GET", link, check=False))
    return result


def rows(result: Result) -> list[Result]:
    """The rows of a collection; none where it could not be read."""
    data = result["data"] if result["success"] else None
    return list(data.get("value", [])) if isinstance(data, dict) else []


def key(value: str) -> str:
    """An id or a name as one segment of a path.

    Raises:
        ValueError: it would be a step in the path and not a name.
    """
    if value in (".", ".."):
        raise ValueError(f"{value!r} is no id")
    return quote(str(value), safe="@!$&'()*+,;=:~")


def text(value: str) -> str:
    """A text in a ``$filter``."""
    return "'" + str(value).replace("'", "''") + "'"


def reference(object_id: str) -> Result:
    """The body that links a directory object."""
    return {"@odata.id": f"{_settings.graph_url()}/directoryObjects/{object_id}"}


def outcome(result: Result) -> Result:
    """``{"success", "status_code", "error"}``."""
    return {name: result[name] for name in ("success", "status_code", "error")}


def one(result: Result, name: str) -> Result:
    """``{"success", "status_code", NAME: object | None, "error"}``."""
    return {
        "success": result["success"],
        "status_code": result["status_code"],
        name: result["data"] if result["success"] else None,
        "error": result["error"],
    }


def many(result: Result, name: str) -> Result:
    """``{"success", "status_code", NAME: [object], "error"}``."""
    return {**one(result, name), name: rows(result)}


def said(result: Result) -> str:
    """Why a call failed, in one clause: Graph's code and message, or the status."""
    error = result["error"].get("error") if isinstance(result["error"], dict) else None
    if isinstance(error, dict) and error.get("code"):
        return f"{error['code']}: {error.get('message', '')}".rstrip(": ")
    return f"status {result['status_code']}"
