"""Jobs, the newest first: events as the journal lists them, uploads and batches by notes whose names sort by their instants.

An upload or a batch is noted twice: as itself (``job/{id}``), and under ``jobs/{letter}/{instant}/{id}``, before, so that one
is never there that is not listed. A name whose job was not noted in the end is passed over.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from iam_platform.backend.problems import Problem

from .job import Job, State, find, of_entry

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from iam_platform import AsyncEngine

Kind = Literal["event", "batch", "upload"]

_LETTERS: dict[Kind, str] = {"batch": "b", "upload": "u"}
_HEADWAY: dict[State, str] = {
    "accepted": "accepted",
    "running": "begun",
    "waiting": "waiting",
    "done": "done",
    "failed": "dead",
    "superseded": "superseded",
}
_SCANNED = 500
"""How many uploads or batches are looked at for one page at most."""


class JobsPage(BaseModel):
    """Some jobs, the newest first."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "jobs": [
                        {
                            "id": "u5d41402abc4b2a76b9719d911017c592",
                            "kind": "upload",
                            "state": "done",
                            "created_at": "2026-06-06T00:00:00Z",
                            "mode": "validate",
                            "file": "workers.csv",
                            "by": "c0f5a4de-7e4b-4f0e-9d5c-8a6f0d1c2b3a",
                        }
                    ],
                    "next": "eyJ1cGxvYWQiOiAiam9icy91LzIwMjYifQ",
                }
            ]
        }
    )

    jobs: list[Job]
    next: str | None = Field(default=None, description="The `before` of the next page.")


def listed(job_id: str, created_at: str) -> str:
    """The name under which an upload or a batch is listed."""
    instant = datetime.fromisoformat(created_at).astimezone(timezone.utc)
    return f"jobs/{job_id[0]}/{instant:%Y-%m-%dT%H:%M:%S.%fZ}/{job_id}"


@dataclass
class _Found:
    """What one source has: jobs with where they stand, and where the next look begins (nothing: there is no more)."""

    jobs: list[tuple[Any, Job]]
    end: Any


async def _events(engine: AsyncEngine, states: Sequence[State], person: str | None, before: Any, limit: int) -> _Found:
    headway = [_HEADWAY[state] for state in states if state in _HEADWAY]
    if states and not headway:
        return _Found([], None)
    found = await engine.events(headway, person=person, before=before, limit=limit)
    jobs = [(entry["place"], of_entry(entry)) for entry in found]
    return _Found(jobs, jobs[-1][0] if len(jobs) == limit else None)


async def _noted(
    engine: AsyncEngine,
    kind: Kind,
    states: Sequence[State],
    running: Callable[[str], Job | None],
    before: Any,
    limit: int,
) -> _Found:
    prefix = f"jobs/{_LETTERS[kind]}/"
    jobs: list[tuple[Any, Job]] = []
    looked = 0
    while looked < _SCANNED:
        page = await engine.notes(prefix, before=before, limit=limit)
        for name, _ in page:
            looked, before = looked + 1, name
            job_id = name.rpartition("/")[2]
            try:
                job = running(job_id) or await find(engine, job_id)
            except Problem:
                continue  # whoever was about to note it died
            if job.created_at is None or listed(job_id, job.created_at.isoformat()) != name:
                continue  # the same request again, which was cut off before
            if not states or job.state in states:
                jobs.append((name, job))
            if len(jobs) == limit:
                return _Found(jobs, name)
        if len(page) < limit:
            return _Found(jobs, None)
    return _Found(jobs, before)


async def page(
    engine: AsyncEngine,
    running: Callable[[str], Job | None],
    *,
    kinds: Sequence[Kind],
    states: Sequence[State],
    person: str | None,
    limit: int,
    before: str | None,
) -> JobsPage:
    """One page.

    Raises:
        Problem: 422 for a ``before`` that did not come from here.
    """
    places = _read(before)
    if person is not None:
        kinds = [kind for kind in kinds if kind == "event"]  # files and batches are about several people
    todo: dict[Kind, _Found] = {}
    for kind in kinds:
        if before is not None and kind not in places:
            continue  # there was no more
        place = places.get(kind)
        todo[kind] = await (
            _events(engine, states, person, place, limit)
            if kind == "event"
            else _noted(engine, kind, states, running, place, limit)
        )
    jobs: list[Job] = []
    heads = dict.fromkeys(todo, 0)
    while len(jobs) < limit:
        there = [kind for kind in todo if heads[kind] < len(todo[kind].jobs)]
        if not there:
            break
        kind = max(there, key=lambda kind: _created(todo[kind].jobs[heads[kind]][1]))
        jobs.append(todo[kind].jobs[heads[kind]][1])
        heads[kind] += 1
    following: dict[str, Any] = {}
    for kind, found in todo.items():
        if heads[kind] == len(found.jobs):
            if found.end is not None:
                following[kind] = found.end
        else:
            following[kind] = found.jobs[heads[kind] - 1][0] if heads[kind] else places.get(kind)
    return JobsPage(jobs=jobs, next=_written(following) if following else None)


def _created(job: Job) -> datetime:
    return job.created_at or datetime.min.replace(tzinfo=timezone.utc)


def _written(places: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(places).encode()).decode().rstrip("=")


def _read(before: str | None) -> dict[str, Any]:
    if before is None:
        return {}
    try:
        places = json.loads(base64.b64decode(before + "=" * (-len(before) % 4), altchars=b"-_", validate=True))
        good = isinstance(places, dict) and all(_is_place(kind, place) for kind, place in places.items())
    except (ValueError, binascii.Error, RecursionError):
        good = False
    if not good:
        raise Problem(422, "query parameter before: expected the next of the page before")
    return dict(places)


def _is_place(kind: str, place: Any) -> bool:
    if place is None:
        return kind in ("event", *_LETTERS)
    if kind == "event":
        return isinstance(place, int) and not isinstance(place, bool) and 0 <= place < 1 << 62
    letter = {"batch": "b", "upload": "u"}.get(kind)
    return (
        letter is not None
        and isinstance(place, str)
        and place.startswith(f"jobs/{letter}/")
        and place.isascii()
        and place.isprintable()
    )
