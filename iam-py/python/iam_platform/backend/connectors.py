"""Whether what the platform rests on answers: looked at together, by the checks that ``iam-platform doctor`` makes."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import anyio
from pydantic import BaseModel, ConfigDict, Field

from iam_platform import checks, errors

from .remembered import Remembered

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .platform import Platform

    Check = Callable[[], Awaitable[tuple[bool, str, str | None]]]

_LONGEST = 5.0
"""Seconds that one of them may take."""
_IDLE = timedelta(minutes=5)


class Connector(BaseModel):
    """One service or part, and whether it answers."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "graph",
                    "ok": True,
                    "detail": "tenant Contoso; 23 granted, all that every policy needs are among them",
                    "ms": 41,
                    "advice": None,
                    "checked_at": "2026-06-06T00:00:00Z",
                }
            ]
        }
    )

    name: str = Field(description="`graph`, `arm`, `scim`, `journal` or `worker`.")
    ok: bool
    detail: str = Field(description="What was found, in a sentence.")
    ms: int = Field(description="How long it took.")
    advice: str | None = Field(default=None, description="What to do, where it is not well.")
    checked_at: datetime


class Connectors:
    """Looks at all of them, and remembers for half a minute."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._kept = Remembered(self._look)
        # Threads of their own: what hangs here keeps nobody else waiting.
        self._threads = ThreadPoolExecutor(2, "connectors")

    def close(self) -> None:
        """Waits for nobody."""
        self._kept.close()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def known(self) -> list[Connector]:
        """What was found, at most half a minute ago."""
        return await self._kept.known()

    async def now(self) -> list[Connector]:
        """What is found now. Who asks meanwhile hears the same."""
        return await self._kept.now()

    async def _look(self) -> list[Connector]:
        all_of_them: dict[str, Check] = {
            "graph": self._graph,
            "arm": self._arm,
            "scim": self._scim,
            "journal": self._journal,
            "worker": self._worker,
        }
        return list(await asyncio.gather(*(self._one(name, check) for name, check in all_of_them.items())))

    async def _one(self, name: str, check: Check) -> Connector:
        begun = time.monotonic()
        try:
            with anyio.fail_after(_LONGEST):
                ok, detail, advice = await check()
        except TimeoutError:
            ok, detail, advice = False, f"no answer within {_LONGEST:.0f} seconds", "look at it again in a minute"
        except errors.IamError as error:
            ok, detail, advice = False, checks.chain(error), _advice(name)
        except OSError as error:
            ok, detail, advice = False, f"it cannot be reached: {error.strerror or type(error).__name__}", _advice(name)
        return Connector(
            name=name,
            ok=ok,
            detail=detail,
            ms=round((time.monotonic() - begun) * 1000),
            advice=None if ok else advice,
            checked_at=datetime.now(timezone.utc),
        )

    async def _graph(self) -> tuple[bool, str, str | None]:
        platform = self._platform
        loop = asyncio.get_running_loop()
        findings = await loop.run_in_executor(self._threads, self._signed_in)
        if all(finding.state != "fail" for finding in findings):
            try:
                answer = await platform.graph.request(*checks.TENANT, params=checks.TENANT_FIELDS)
                findings.append(checks.tenant(answer.json()))
            except errors.IamError as error:
                findings.append(checks.no_tenant(error))
        failed = next((finding for finding in findings if finding.state == "fail"), None)
        if failed is not None:
            return False, f"{failed.check}: {failed.found}", failed.advice
        told = [finding.found for finding in reversed(findings) if finding.check in ("Microsoft Graph", "permissions")]
        return True, "; ".join(told), None

    def _signed_in(self) -> list[checks.Finding]:
        """What can be said without Graph."""
        settings = self._platform.settings
        bundle = str(settings.ca_bundle) if settings.ca_bundle else None
        service, told = checks.sign_in_service(settings.authority, settings.tenant_id, bundle)
        if service.state == "fail":
            return [service]
        given, token = checks.credential(self._platform.credential, settings.client_id, settings.graph_url)
        findings = [service, checks.clock(told), given]
        return [*findings, checks.permissions(token)] if token is not None else findings

    async def _arm(self) -> tuple[bool, str, str | None]:
        answer = await self._platform.arm.request("GET", "/subscriptions", params={"api-version": "2022-12-01"})
        ids = [str(one.get("subscriptionId")) for one in answer.json().get("value", [])]
        chosen = self._platform.settings.subscription
        if chosen and chosen.lower() not in (one.lower() for one in ids):
            return (
                False,
                f"the subscription {chosen} is not seen",
                "give the application a role there (Reader is enough)",
            )
        return True, f"{len(ids)} subscriptions" if len(ids) != 1 else "1 subscription", None

    async def _scim(self) -> tuple[bool, str, str | None]:
        applications = self._platform.applications
        if not applications:
            return True, "no SCIM application is set up", None
        for name, client in applications.items():
            answer = await client.request("GET", "/ServiceProviderConfig", check=False)
            if not answer.ok:
                return False, f"{name} answers {answer.status}", "check IAM_SCIM_URL and IAM_SCIM_TOKEN"
        return True, f"{', '.join(applications)} answers", None

    async def _journal(self) -> tuple[bool, str, str | None]:
        await self._platform.engine.note("health")
        place = "PostgreSQL" if self._platform.settings.journal.startswith("postgres") else "SQLite"
        return True, f"it answers ({place})", None

    async def _worker(self) -> tuple[bool, str, str | None]:
        platform = self._platform
        if not platform.worker_is_well():
            return False, "the worker of this process has ended", "start the backend again"
        stalled = await platform.engine.stalled()
        if stalled is not None and datetime.now(timezone.utc) - stalled.since > _IDLE:
            advice = "start one: iam-platform worker" if platform.worker is None else platform.problems.get("worker")
            return False, f"nobody has taken work since {stalled.since:%Y-%m-%d %H:%M} UTC", advice
        return (
            True,
            "works in this process" if platform.worker is not None else "works elsewhere; nothing waits for it",
            None,
        )


def _advice(name: str) -> str:
    return {
        "graph": "check IAM_GRAPH_URL and the network; iam-platform doctor tells more",
        "arm": "check IAM_ARM_URL and the network, and that the application has a role in a subscription",
        "scim": "check IAM_SCIM_URL and IAM_SCIM_TOKEN",
        "journal": "check the database: nothing is accepted without it",
        "worker": "check the database",
    }[name]
