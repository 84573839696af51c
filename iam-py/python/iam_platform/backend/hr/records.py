"""Accepting one request's word: durable, once, and answered with its job."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import time
import uuid
from typing import TYPE_CHECKING, Any

from iam_platform import _core, errors
from iam_platform.backend.jobs.job import Job, find, named, now
from iam_platform.backend.jobs.listing import listed
from iam_platform.backend.problems import Problem

if TYPE_CHECKING:
    from fastapi import Request

    from iam_platform.backend.platform import Platform

    from .schemas import HrEvent

RECORD = "iam-platform.hr.record"
EVENT = "iam-platform.hr.event"

_KEY = re.compile(r"^[\x21-\x7e]{1,200}$")
_LOOK = 0.05


def checked(text: str) -> list[dict[str, Any]]:
    """Whom the records of the flat feed are about, with their status.

    Raises:
        Problem: 422, which names row, field and code of everything that is wrong.
    """
    try:
        said = _core.check_records(text)
    except errors.InvalidError as error:
        raise Problem(422, str(error)) from None
    if said["rejects"]:
        first = said["rejects"][0]
        where = f"field {first['field']}: " if first["field"] else ""
        raise Problem(422, f"{where}{first['message']}", errors=said["rejects"])
    people: list[dict[str, Any]] = said["people"]
    if not people:
        raise Problem(422, "expected a record, found none")
    return people


class Turn:
    """One request with its ``Idempotency-Key``, if it has one: what it was answered before it is answered again."""

    def __init__(self, platform: Platform, source: str, key: str | None, body: bytes) -> None:
        if key is not None and not _KEY.match(key):
            raise Problem(422, "header Idempotency-Key: expected 1 to 200 printable ASCII characters without blanks")
        self._platform = platform
        self._name = "idempotency/" + hashlib.sha256(f"{source}\n{key}".encode()).hexdigest()
        self._keyed = key is not None
        self._body = hashlib.sha256(body).hexdigest()
        self._version = 0
        self.source = source
        self.id = key if key is not None else str(uuid.uuid4())

    async def begin(self) -> str | None:
        """Begins, or answers the id of the job that this request brought before.

        Raises:
            Problem: 422 for a key that came with another body.
        """
        if not self._keyed:
            return None
        engine = self._platform.engine
        while True:
            note = await engine.note(self._name)
            if note is None:
                if await engine.set_note(self._name, 0, {"body": self._body, "at": now()}):
                    self._version = 1
                    return None
                continue
            self._version, kept = note
            if kept["body"] != self._body:
                raise Problem(422, "this Idempotency-Key came with another body before: expected a key of its own")
            # Without a job: whoever began it was cut off. What it accepted is accepted once, whoever goes on.
            job: str | None = kept.get("job")
            return job

    async def end(self, job: str) -> None:
        """Keeps what is answered."""
        if self._keyed:
            kept = {"body": self._body, "job": job, "at": now()}
            await self._platform.engine.set_note(self._name, self._version, kept)


async def accept(platform: Platform, turn: Turn, kind: str, data: str, person: str) -> Job:
    """Accepts one message; its job.

    Raises:
        Problem: 409 for an id that is known with other content; 422 for what nobody understands.
    """
    known = await turn.begin()
    if known is not None:
        return await find(platform.engine, known)
    taken = await platform.desk.accept({"source": turn.source, "id": turn.id, "kind": kind, "data": data})
    if taken.quarantined:
        raise Problem(409, "this id is known with other content: the event is in quarantine, and is not applied")
    letter = taken.dead_letter
    if letter is not None:
        letters = await platform.engine.dead_letters(letter - 1 if letter else None, 1)
        reason = letters[0].reason if letters and letters[0].id == letter else "the event cannot be understood"
        raise Problem(422, f"{reason} (it is kept as dead letter {letter})", dead_letter=letter)
    event = _core.event_id(turn.source, turn.id)
    if taken.events or await platform.engine.story(event):
        job = Job(id=f"e{event}", kind="event", state="accepted", person=person, event=event)
    else:
        job = await _nothing_new(platform, person, data)
    await turn.end(job.id)
    return job


async def remember(platform: Platform, turn: Turn, event: HrEvent) -> None:
    """Notes by which name an event was told, before it is accepted: the journal keeps a hash, and whoever calls it off
    has to say the name.
    """
    kept = event.model_dump(include={"person", "kind", "effective", "last_day", "urgent"}, exclude_none=True)
    kept |= {"source": turn.source, "id": turn.id, "at": now()}
    await platform.engine.set_note(f"told/{_core.event_id(turn.source, turn.id)}", 0, kept)


async def remembered(platform: Platform, event: str) -> dict[str, Any]:
    """What was noted of an event.

    Raises:
        Problem: 404.
    """
    note = await platform.engine.note(f"told/{event}")
    if note is None or await platform.engine.story(event) is None:
        raise Problem(
            404, "no such event was told here: what a record says is called off by the record that follows it"
        )
    return dict(note[1])


async def _nothing_new(platform: Platform, person: str, data: str) -> Job:
    job = Job(id=named("n", person, data), kind="event", state="done", person=person, result="unchanged")
    kept = job.model_dump(mode="json", exclude_none=True) | {"created_at": now()}
    await platform.engine.set_note(f"job/{job.id}", 0, kept)
    return job


async def batch(platform: Platform, events: list[str], source: str, by: str | None) -> Job:
    """The job of several messages, whose events have these ids."""
    at = now()
    job = Job(id=named("b", source, *events), kind="batch", state="accepted", result="accepted", by=by)
    kept = job.model_dump(mode="json", exclude_none=True) | {"created_at": at, "members": events}
    if await platform.engine.note(f"job/{job.id}") is None:
        await platform.engine.set_note(listed(job.id, at), 0, {})
    await platform.engine.set_note(f"job/{job.id}", 0, kept)
    return job


async def waited(request: Request, job: Job, seconds: float) -> Job:
    """The job when it is over, or as it stands after so many seconds."""
    platform: Platform = request.app.state.platform
    until = time.monotonic() + min(seconds, platform.settings.max_wait)
    pause = _LOOK
    while not job.over and time.monotonic() < until:
        if await request.is_disconnected():
            break
        await asyncio.sleep(min(pause, max(0.0, until - time.monotonic())))
        pause = min(pause * 1.5, 0.5)
        job = request.app.state.uploads.running(job.id) or await find(platform.engine, job.id)
    return job


def ids_of(headers: list[tuple[str, str]], body: bytes) -> list[tuple[str, str]]:
    """Source and id of each CloudEvent of a request that was understood."""
    of = dict(headers)
    if "json" in of.get("content-type", "") and "cloudevents" in of.get("content-type", ""):
        told = json.loads(body)
        told = told if isinstance(told, list) else [told]
        pairs = [(one.get("source"), one.get("id")) for one in told if isinstance(one, dict)]
    else:
        pairs = [(of.get("ce-source"), of.get("ce-id"))]
    return [(source, name) for source, name in pairs if isinstance(source, str) and isinstance(name, str)]
