"""``iam-platform doctor``: is everything there that the work needs, and what to do where it is not."""

from __future__ import annotations

import platform
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import typer
from rich.table import Table

import iam_platform
from iam_platform import IamError, checks
from iam_platform.checks import Finding, chain

from .connect import Settings
from .output import FOUND
from .serve import hidden

if TYPE_CHECKING:
    from collections.abc import Iterator

#: A look's level as a finding's state, from good to bad.
_RANK = {"good": "ok", "doubtful": "warn", "bad": "fail"}
_MARKS = {"ok": "[green]✓[/] ok", "warn": "[yellow]![/] warning", "fail": "[red]✗[/] failed", "skip": "- skipped"}


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
    authority = settings.env.get("IAM_AUTHORITY") or "https://login.microsoftonline.com"
    service, told = checks.sign_in_service(
        authority, settings.value("TENANT_ID") or "", settings.env.get("IAM_CA_BUNDLE")
    )
    yield service
    if service.state == "fail":
        return
    yield checks.clock(told)
    try:
        found = iam_platform.ClientSecretCredential.from_env()
    except IamError as error:
        yield checks.refused(error)
        return
    credential, token = checks.credential(found, settings.value("CLIENT_ID") or "", settings.env.get("IAM_GRAPH_URL"))
    yield credential
    if token is None:
        return
    yield checks.permissions(token)
    yield _tenant()
    yield _conditional_access()


def _tenant() -> Finding:
    try:
        answer = iam_platform.GraphClient().request(*checks.TENANT, params=checks.TENANT_FIELDS)
    except IamError as error:
        return checks.no_tenant(error)
    return checks.tenant(answer.json())


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
