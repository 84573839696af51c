"""What can be set for the web UI, by ``IAM_…`` variables; a secret also by a file that ``IAM_…_FILE`` names."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from iam_platform.errors import InvalidError

if TYPE_CHECKING:
    from collections.abc import Mapping

_SHORTEST_COOKIE_SECRET = 32


@dataclass(frozen=True, slots=True)
class Settings:
    """The web UI's settings.

    Attributes:
        backend_url: where the backend answers (``IAM_BACKEND_URL``).
        url: where people's browsers find the UI (``IAM_UI_URL``); ``{url}/oauth2callback`` is its redirect URI in Entra.
        client_id: the application that people sign in to (``IAM_UI_CLIENT_ID``).
        client_secret: its secret (``IAM_UI_CLIENT_SECRET``).
        cookie_secret: signs the session's cookies (``IAM_UI_COOKIE_SECRET``, at least 32 characters).
        tenant_id: the Entra tenant (``IAM_TENANT_ID`` or ``AZURE_TENANT_ID``).
        authority: its identity platform (``IAM_AUTHORITY``).
        scope: the backend's scope that is asked for (``IAM_UI_SCOPE``), as ``api://…/access_as_user``.
        ca_bundle: certificate authorities (PEM) that are trusted beside the system's (``IAM_CA_BUNDLE``).
        upload_limit_mib: the longest file that may be uploaded, in MiB (from ``IAM_UPLOAD_LIMIT`` in bytes; 256 MiB).
    """

    backend_url: str
    url: str
    client_id: str
    client_secret: str = field(repr=False)
    cookie_secret: str = field(repr=False)
    tenant_id: str
    authority: str
    scope: str
    ca_bundle: str | None = None
    upload_limit_mib: int = 256

    @property
    def metadata_url(self) -> str:
        """The OpenID Connect discovery document of the tenant."""
        return f"{self.authority}/{self.tenant_id}/v2.0/.well-known/openid-configuration"

    @property
    def redirect_uri(self) -> str:
        """Where Entra sends people back to."""
        return f"{self.url}/oauth2callback"

    @classmethod
    def of(cls, env: Mapping[str, str] | None = None, **given: str) -> Settings:
        """Reads them.

        Args:
            env: the variables; by default the process's own.
            given: settings that win over the variables.

        Raises:
            InvalidError: names every variable that is missing or no good.
        """
        env = os.environ if env is None else env
        missing: list[str] = []

        def value(field_name: str, *names: str, default: str | None = None) -> str:
            found = given.get(field_name) or _first(env, names)
            if not found and default is None:
                missing.append(names[0])
            return found or default or ""

        api = _first(env, ("IAM_API_AUDIENCE",)) or _first(env, ("IAM_CLIENT_ID", "AZURE_CLIENT_ID"))
        settings = cls(
            backend_url=value("backend_url", "IAM_BACKEND_URL", default="http://127.0.0.1:8000").rstrip("/"),
            url=value("url", "IAM_UI_URL", default="http://127.0.0.1:8501").rstrip("/"),
            client_id=value("client_id", "IAM_UI_CLIENT_ID"),
            client_secret=value("client_secret", "IAM_UI_CLIENT_SECRET"),
            cookie_secret=value("cookie_secret", "IAM_UI_COOKIE_SECRET"),
            tenant_id=value("tenant_id", "IAM_TENANT_ID", "AZURE_TENANT_ID"),
            authority=value("authority", "IAM_AUTHORITY", default="https://login.microsoftonline.com").rstrip("/"),
            scope=value("scope", "IAM_UI_SCOPE", default=_scope(api) if api else None),
            ca_bundle=_first(env, ("IAM_CA_BUNDLE",)) or None,
            upload_limit_mib=_mebibytes(_first(env, ("IAM_UPLOAD_LIMIT",))),
        )
        if missing:
            raise InvalidError(f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not set")
        if len(settings.cookie_secret) < _SHORTEST_COOKIE_SECRET:
            raise InvalidError(f"IAM_UI_COOKIE_SECRET: expected at least {_SHORTEST_COOKIE_SECRET} characters")
        for name, address in (("IAM_BACKEND_URL", settings.backend_url), ("IAM_UI_URL", settings.url)):
            parts = urlsplit(address)
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise InvalidError(f"{name}: expected an http or https address, found {address!r}")
        return settings


def _first(env: Mapping[str, str], names: tuple[str, ...]) -> str:
    """The first of the variables that says something; a file that ``NAME_FILE`` names speaks for it."""
    for name in names:
        if env.get(name):
            return env[name]
        if env.get(f"{name}_FILE"):
            return Path(env[f"{name}_FILE"]).read_text(encoding="utf-8").strip()
    return ""


def _scope(audience: str) -> str:
    """The scope of an API by its audience: a client id stands for ``api://{client id}``."""
    return f"{audience if '://' in audience else f'api://{audience}'}/access_as_user"


def _mebibytes(limit: str) -> int:
    if not limit:
        return 256
    if not limit.isdecimal():
        raise InvalidError(f"IAM_UPLOAD_LIMIT: expected a number of bytes, found {limit!r}")
    return max(1, int(limit) // (1024 * 1024))
