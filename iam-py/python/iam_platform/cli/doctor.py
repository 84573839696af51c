"""``iam-platform doctor``: is everything there that the work needs, and what to do where it is not."""

from __future__ import annotations

import base64
import binascii
import json
import platform
import ssl
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.error import URLError
from urllib.request import Request, urlopen

import typer
from rich.table import Table

import iam_platform
from iam_platform import IamError

from .connect import Settings, chain
from .output import FOUND
from .serve import hidden

if TYPE_CHECKING:
    from collections.abc import Iterator

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
#: A look's level as a finding's state, from good to bad.
_RANK = {"good": "ok", "doubtful": "warn", "bad": "fail"}
_MARKS = {"ok": "[green]✓[/] ok", "warn": "[yellow]![/] warning", "fail": "[red]✗[/] failed", "skip": "- skipped"}


@dataclass(frozen=True)
class Finding:
    """What one check found: ``state`` is ok, warn, fail or skip."""

    check: str
    state: str
    found: str
    advice: str | None = None


def add_to(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(doctor)


def doctor(context: typer.Context) -> None:
    """Checks settings, reachability, credentials, permissions, clocks, journal and policy. Changes nothing."""
    settings: Settings = context.obj
    findings = list(examine(settings))
    settings.output.document({"findings": [asdict(finding) for finding in findings]})
    table = Table("", "check", "found", box=None, pad_edge=False)
    for finding in findings:
        table.add_row(_MARKS[finding.state], finding.check, finding.found)
        if finding.advice and finding.state != "ok":
            table.add_row("", "", f"[dim]→ {finding.advice}[/]")
    settings.output.show(table)
    if any(finding.state == "fail" for finding in findings):
        raise typer.Exit(FOUND)


def examine(settings: Settings) -> Iterator[Finding]:
    """Every check in the order in which one rests on the other."""
    yield Finding(
        "versions",
        "ok" if iam_platform.build_profile == "release" else "warn",
        f"iam-platform {iam_platform.__version__} ({iam_platform.build_profile}), "
        f"Python {platform.python_version()}, {platform.system()} {platform.machine()}",
        "a debug build is many times slower: install a release wheel",
    )
    missing = settings.missing()
    yield Finding(
        "settings",
        "fail" if missing else "ok",
        f"not set: {', '.join(missing)}" if missing else "tenant and application are named",
        "set them (AZURE_… works too), or give --env-file FILE",
    )
    if not missing:
        settings.adopt()
        yield from _service(settings)
    yield _journal(settings, connected=not missing)
    yield from _policy(settings, connected=not missing)


def _service(settings: Settings) -> Iterator[Finding]:
    authority = (settings.env.get("IAM_AUTHORITY") or "https://login.microsoftonline.com").rstrip("/")
    url = f"{authority}/{settings.value('TENANT_ID')}/v2.0/.well-known/openid-configuration"
    bundle = settings.env.get("IAM_CA_BUNDLE")
    try:
        trusted = ssl.create_default_context(cafile=bundle) if url.startswith("https:") else None
        with urlopen(Request(url), timeout=10, context=trusted) as answer:  # noqa: S310  the configured authority
            told = answer.headers.get("Date")
        yield Finding("sign-in service", "ok", authority)
    except (URLError, OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        advice = "check IAM_AUTHORITY, IAM_TENANT_ID, the proxy (HTTPS_PROXY) and IAM_CA_BUNDLE"
        yield Finding("sign-in service", "fail", f"{authority}: {reason}", advice)
        return
    yield _clock(told)
    try:
        credential = iam_platform.ClientSecretCredential.from_env()
        token = credential.get_token(_scope(settings)).token
    except IamError as error:
        advice = "check the application's id and secret, and that the secret has not expired"
        yield Finding("credential", "fail", chain(error), advice)
        return
    yield Finding("credential", "ok", f"a token for application {settings.value('CLIENT_ID')}")
    yield _permissions(token)
    yield _tenant()
    yield _conditional_access()


def _scope(settings: Settings) -> str:
    graph = settings.env.get("IAM_GRAPH_URL")
    known = ("https://graph.microsoft.com", "https://graph.microsoft.us", "https://microsoftgraph.chinacloudapi.cn")
    host = next((url for url in known if graph and graph.startswith(url)), known[0])
    return f"{host}/.default"


def _clock(told: str | None) -> Finding:
    if told is None:
        return Finding("clock", "skip", "the service did not say what time it is")
    skew = (datetime.now(timezone.utc) - parsedate_to_datetime(told)).total_seconds()
    state = "ok" if abs(skew) <= _SKEW else "fail"
    # The header has whole seconds.
    text = "agrees with the service's" if abs(skew) < 2 else f"{abs(skew):.0f} s {'ahead' if skew > 0 else 'behind'}"
    return Finding("clock", state, text, "synchronise this machine's clock: tokens are refused otherwise")


def _permissions(token: str) -> Finding:
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


def _tenant() -> Finding:
    try:
        values = iam_platform.GraphClient().request("GET", "/organization", params={"$select": "id,displayName"}).json()
        names = ", ".join(str(one.get("displayName")) for one in values.get("value", []))
    except IamError as error:
        return Finding("Microsoft Graph", "fail", chain(error), "Organization.Read.All lets it be read")
    return Finding("Microsoft Graph", "ok", f"tenant {names}")


def _conditional_access() -> Finding:
    try:
        answer = iam_platform.GraphClient().request("GET", "/identity/conditionalAccess/policies", check=False)
    except IamError as error:
        return Finding("conditional access", "skip", chain(error))
    if answer.status == 403:
        return Finding("conditional access", "skip", "may not be read: Policy.Read.All lets it be shown here")
    if answer.status != 200:
        return Finding("conditional access", "skip", f"the service answered {answer.status}")
    policies: list[dict[str, Any]] = answer.json().get("value", [])
    enabled = sum(policy.get("state") == "enabled" for policy in policies)
    return Finding("conditional access", "ok", f"{len(policies)} policies, {enabled} enabled; they are left to Entra")


def _journal(settings: Settings, *, connected: bool) -> Finding:
    shown = hidden(settings.journal)
    if not connected:
        return Finding("journal", "skip", f"{shown}: without a tenant's id nobody knows whose it is")
    if settings.policy is None:
        return Finding("journal", "skip", f"{shown}: opened with a policy only")
    try:
        engine = settings.open_engine()
    except typer.Exit:
        return Finding("journal", "fail", f"{shown} cannot be opened: the error is above")
    try:
        looks = engine.check()
    except IamError as error:
        return Finding("journal", "fail", f"{shown}: {chain(error)}")
    finally:
        engine.close()
    worst = max((_RANK[look.health] for look in looks), default="ok", key=list(_RANK.values()).index)
    found = "; ".join(f"{look.about}: {look.message}" for look in looks if look.health != "good")
    return Finding("journal", worst, f"{shown}: {found or f'{len(looks)} looks, all good'}")


def _policy(settings: Settings, *, connected: bool) -> Iterator[Finding]:
    if settings.policy is None:
        yield Finding("policy", "skip", "none is named (--policy FILE or IAM_POLICY)")
        return
    try:
        policy = settings.read_policy()
    except typer.Exit:
        yield Finding("policy", "fail", f"{settings.policy} is not used: the error is above")
        return
    yield Finding("policy", "ok", f"{settings.policy} is sound by itself")
    if not connected:
        return
    try:
        with settings.open_engine(policy, journal="memory") as engine:
            findings = [str(finding) for finding in policy.check(engine)]
    except IamError as error:
        yield Finding("policy and tenant", "skip", chain(error))
        return
    except typer.Exit:
        yield Finding("policy and tenant", "skip", "the error is above")
        return
    state = "fail" if findings else "ok"
    text = "; ".join(findings) if findings else "every group, product and role that it names is there"
    yield Finding("policy and tenant", state, text, "mend the policy, or make what it names")
