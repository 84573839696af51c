"""Is what the work needs there: what ``iam-platform doctor`` and the backend's connectors look at, and their advice."""

from __future__ import annotations

import base64
import binascii
import json
import ssl
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.error import URLError
from urllib.request import Request, urlopen

from iam_platform.errors import IamError

if TYPE_CHECKING:
    from iam_platform import ClientSecretCredential

#: Needed for any policy ("Permissions" of iam-graph's README); a name in one entry may be replaced by its neighbours.
_ALWAYS = (
    ("User.ReadWrite.All",),
    ("User.RevokeSessions.All", "User.ReadWrite.All"),
    ("User-PasswordProfile.ReadWrite.All",),
    ("GroupMember.ReadWrite.All", "Group.ReadWrite.All"),
    ("LicenseAssignment.ReadWrite.All", "Directory.ReadWrite.All"),
    ("Domain.Read.All", "Domain.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All"),
    ("Application.Read.All", "Application.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All"),
    ("AppRoleAssignment.ReadWrite.All",),
)
#: How far this machine's clock may be from the service's, in seconds: tokens allow five minutes.
_SKEW = 60
#: What is asked to see the tenant.
TENANT = ("GET", "/organization")
TENANT_FIELDS = {"$select": "id,displayName"}


@dataclass(frozen=True)
class Finding:
    """What one check found: ``state`` is ok, warn, fail or skip."""

    check: str
    state: str
    found: str
    advice: str | None = None


def chain(error: BaseException) -> str:
    """The message and its causes in one line."""
    texts = [str(error)]
    cause = error.__cause__
    while cause is not None:
        texts.append(str(cause))
        cause = cause.__cause__
    return ": ".join(texts)


def sign_in_service(authority: str, tenant: str, bundle: str | None) -> tuple[Finding, str | None]:
    """Whether the identity platform knows the tenant; and what time it says it is."""
    authority = authority.rstrip("/")
    url = f"{authority}/{tenant}/v2.0/.well-known/openid-configuration"
    try:
        trusted = ssl.create_default_context(cafile=bundle) if url.startswith("https:") else None
        with urlopen(Request(url), timeout=10, context=trusted) as answer:  # noqa: S310  the configured authority
            told = answer.headers.get("Date")
    except (URLError, OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        advice = "check IAM_AUTHORITY, IAM_TENANT_ID, the proxy (HTTPS_PROXY) and IAM_CA_BUNDLE"
        return Finding("sign-in service", "fail", f"{authority}: {reason}", advice), None
    return Finding("sign-in service", "ok", authority), told


def refused(error: IamError) -> Finding:
    """The application was given no token."""
    advice = "check the application's id and secret, and that the secret has not expired"
    return Finding("credential", "fail", chain(error), advice)


def credential(of: ClientSecretCredential, client: str, graph: str | None) -> tuple[Finding, str | None]:
    """Whether the application is given a token for Microsoft Graph; and the token."""
    try:
        token = of.get_token(scope(graph)).token
    except IamError as error:
        return refused(error), None
    return Finding("credential", "ok", f"a token for application {client}"), token


def scope(graph: str | None) -> str:
    """The scope of a token for Microsoft Graph at this address."""
    known = ("https://graph.microsoft.com", "https://graph.microsoft.us", "https://microsoftgraph.chinacloudapi.cn")
    host = next((url for url in known if graph and graph.startswith(url)), known[0])
    return f"{host}/.default"


def clock(told: str | None) -> Finding:
    """Whether this machine's clock agrees with the service's, which has said what time it is."""
    if told is None:
        return Finding("clock", "skip", "the service did not say what time it is")
    skew = (datetime.now(timezone.utc) - parsedate_to_datetime(told)).total_seconds()
    state = "ok" if abs(skew) <= _SKEW else "fail"
    # The header has whole seconds.
    text = "agrees with the service's" if abs(skew) < 2 else f"{abs(skew):.0f} s {'ahead' if skew > 0 else 'behind'}"
    return Finding("clock", state, text, "synchronise this machine's clock: tokens are refused otherwise")


def permissions(token: str) -> Finding:
    """Whether the application may what every policy needs."""
    granted = _roles(token)
    if granted is None:
        return Finding("permissions", "skip", "the token cannot be read: the calls will show it")
    lacking = [names[0] for names in _ALWAYS if not granted.intersection(names)]
    if lacking:
        advice = "grant them as application permissions, with admin consent (Entra admin centre, App registrations)"
        return Finding("permissions", "fail", f"not granted: {', '.join(lacking)}", advice)
    return Finding("permissions", "ok", f"{len(granted)} granted, all that every policy needs are among them")


def _roles(token: str) -> set[str] | None:
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return set(claims["roles"]) if isinstance(claims.get("roles"), list) else set()
    except (IndexError, ValueError, binascii.Error, AttributeError):
        return None


def tenant(organization: dict[str, Any]) -> Finding:
    """Whose tenant it is, as Graph answers :data:`TENANT`."""
    names = ", ".join(str(one.get("displayName")) for one in organization.get("value", []))
    return Finding("Microsoft Graph", "ok", f"tenant {names}")


def no_tenant(error: IamError) -> Finding:
    """Graph did not answer :data:`TENANT`."""
    return Finding("Microsoft Graph", "fail", chain(error), "Organization.Read.All lets it be read")
