"""A job's progress as server-sent events, from where the listener was cut off."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from .job import Job

_LOOK = 0.2
_ALIVE = 15.0
_LONGEST = 3600.0


def told(job: Job) -> list[tuple[str, dict[str, Any]]]:
    """What there is to tell of a job, in an order that only grows: a listener who has heard n of it hears the rest."""
    out: list[tuple[str, dict[str, Any]]] = [("accepted", {"job": job.id, "kind": job.kind})]
    if job.planned is not None:
        out.append(("planned", {"steps": job.planned}))
    out += [("step", step.model_dump(mode="json", exclude_none=True)) for step in job.steps if step.outcome]
    return out


def _message(number: int, event: str, data: dict[str, Any]) -> str:
    return f"id: {number}\nevent: {event}\ndata: {json.dumps(data)}\n\n"


async def stream(look: Callable[[], Awaitable[Job]], heard: int) -> AsyncIterator[str]:
    """Server-sent events until the job is over. ``heard`` is the last id that the listener has.

    An event's steps are numbered one by one. An upload is numbered by its rows: who comes back hears where it stands.
    """
    yield "retry: 1000\n\n"
    began = quiet = time.monotonic()
    last: str | None = None
    while time.monotonic() - began < _LONGEST:
        job = await look()
        if job.kind == "event":
            for number, (event, data) in enumerate(told(job), 1):
                if number > heard:
                    yield _message(number, event, data)
                    heard, quiet = number, time.monotonic()
        else:
            now = job.model_dump(mode="json", exclude_none=True)
            number = (job.rows or 0) + (job.accepted or 0) + (job.unchanged or 0) + 1
            if json.dumps(now) != last and not job.over and number > heard:
                last, heard, quiet = json.dumps(now), number, time.monotonic()
                yield _message(number, "progress", now)
        if job.over:
            yield _message(heard + 1, "end", job.model_dump(mode="json", exclude_none=True))
            return
        if time.monotonic() - quiet > _ALIVE:
            quiet = time.monotonic()
            yield ": alive\n\n"
        await asyncio.sleep(_LOOK)
