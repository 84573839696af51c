"""What the routes work with: the engine, the clients of the services, the worker of this process."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import iam_platform
from iam_platform import errors

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from .observe import Figures
    from .settings import Settings

log = logging.getLogger(__name__)

_BATCH = 500
"""How many messages are accepted in one commit at most."""


class Desk:
    """Accepts messages. What comes while a commit is under way goes into the next one, all of it: so that as many are
    accepted in a second as there are, and not as many as the disk commits.
    """

    def __init__(self, engine: iam_platform.AsyncEngine, figures: Figures) -> None:
        self._engine = engine
        self._figures = figures
        self._waiting: list[tuple[dict[str, str], asyncio.Future[iam_platform.Taken]]] = []
        self._task: asyncio.Task[None] | None = None

    async def accept(self, message: dict[str, str]) -> iam_platform.Taken:
        """What became of the message: it is durable now.

        Raises:
            IamError: from the journal. Bringing the message again is harmless.
        """
        future: asyncio.Future[iam_platform.Taken] = asyncio.get_running_loop().create_future()
        self._waiting.append((message, future))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._work())
        return await future

    async def _work(self) -> None:
        while self._waiting:
            now, self._waiting = self._waiting[:_BATCH], self._waiting[_BATCH:]
            try:
                answers = await self._engine.receive([message for message, _ in now])
            except Exception as error:  # noqa: BLE001  whoever brought a message hears of it
                for _, future in now:
                    if not future.done():
                        future.set_exception(error)
                continue
            for said in ("events", "unchanged", "quarantined"):
                self._figures.accepted.labels(said).inc(sum(getattr(answer, said) for answer in answers))
            for (_, future), answer in zip(now, answers, strict=True):
                if not future.done():
                    future.set_result(answer)

    async def close(self) -> None:
        """Waits for what is under way."""
        if self._task is not None:
            await asyncio.wait([self._task])


@dataclass
class Platform:
    """The parts, as long as the application lives."""

    settings: Settings
    engine: iam_platform.AsyncEngine
    graph: iam_platform.AsyncGraphClient
    arm: iam_platform.AsyncArmClient
    scim: iam_platform.AsyncScimServer
    policy: iam_platform.Policy
    desk: Desk
    credential: iam_platform.ClientSecretCredential
    applications: dict[str, iam_platform.AsyncScimClient]
    worker: asyncio.Task[Any] | None = None
    problems: dict[str, str] = field(default_factory=dict)

    def worker_is_well(self) -> bool:
        """Whether the worker of this process does what it is there for."""
        return self.worker is None or not self.worker.done()


@contextlib.asynccontextmanager
async def opened(settings: Settings, figures: Figures) -> AsyncIterator[Platform]:
    """Opens everything, and closes it in the other order.

    Raises:
        IamError: what is wrong with the policy, the journal (a second process on SQLite) or the settings.
    """
    ca_bundle = str(settings.ca_bundle) if settings.ca_bundle else None
    credential = iam_platform.ClientSecretCredential(
        settings.tenant_id,
        settings.client_id,
        settings.client_secret.get_secret_value(),
        authority=settings.authority,
        ca_bundle=ca_bundle,
    )
    graph = iam_platform.AsyncGraphClient(
        credential, authority=settings.authority, graph_url=settings.graph_url, ca_bundle=ca_bundle
    )
    arm = iam_platform.AsyncArmClient(
        credential,
        authority=settings.authority,
        graph_url=settings.graph_url,
        arm_url=settings.arm_url,
        ca_bundle=ca_bundle,
    )
    policy = iam_platform.Policy.load(str(settings.policy))
    applications = _applications(settings, policy)
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        engine = await iam_platform.AsyncEngine.open(
            policy,
            journal=settings.journal,
            tenant_id=settings.tenant_id,
            graph=graph,
            arm=arm,
            scim=applications,
            actor="the backend",
        )
    except errors.StorageError as error:
        advice = "several processes need PostgreSQL: IAM_JOURNAL=postgres://…"
        log.error("the journal cannot be opened: %s; %s", error, advice)  # noqa: TRY400  nobody needs the trace
        raise
    base = settings.base_url.rstrip("/") + "/scim/v2" if settings.base_url else None
    scim = iam_platform.AsyncScimServer(str(settings.data_dir / "scim.sqlite"), engine, base_url=base)
    platform = Platform(settings, engine, graph, arm, scim, policy, Desk(engine, figures), credential, applications)
    stop = asyncio.Event()
    if settings.works:
        platform.worker = asyncio.create_task(_work(platform, stop))
    try:
        yield platform
    finally:
        stop.set()
        await platform.desk.close()
        if platform.worker is not None:
            await asyncio.wait([platform.worker], timeout=30)
            platform.worker.cancel()
        await engine.close()


def _applications(settings: Settings, policy: iam_platform.Policy) -> dict[str, iam_platform.AsyncScimClient]:
    if settings.scim_url is None or len(policy.apps) != 1:
        return {}
    token = settings.scim_token.get_secret_value() if settings.scim_token else None
    return {policy.apps[0]: iam_platform.AsyncScimClient(settings.scim_url, token)}


async def _work(platform: Platform, stop: asyncio.Event) -> None:
    """Carries plans out until the end; nothing that goes wrong ends it."""
    while not stop.is_set():
        try:
            await platform.engine.run_worker(workers=platform.settings.workers, stop=stop)
        except errors.IamError as error:
            log.warning("the worker begins anew: %s", error, extra={"kind": error.kind})
            platform.problems["worker"] = str(error)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), 5)
