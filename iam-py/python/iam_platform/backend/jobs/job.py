"""A job is what the journal knows of it: an event's own story, or a note. Nothing is kept beside the journal.

| id | is about | and is kept as |
|---|---|---|
| ``e…`` | one event | the event itself |
| ``n…`` | a record that said nothing new | a note |
| ``b…`` | several messages of one request | a note with the ids of their events |
| ``u…`` | an upload | a note, and the file in the data directory |
"""

from __future__ import annotations

import hashlib
import re
from datetime import datetime, timezone
from typing import Any, Literal

from pydantic import BaseModel, Field

from iam_platform import AsyncEngine
from iam_platform.backend.problems import Problem

State = Literal["accepted", "running", "waiting", "held", "done", "failed", "superseded"]
FINAL = frozenset({"held", "done", "failed", "superseded"})
"""The states that only a decision, or nothing, changes."""

_ID = re.compile(r"^[ebnu][0-9a-f]{32}$")


class Step(BaseModel):
    """One step of an event's plan."""

    step: str = Field(examples=["create_account:mei.tanaka@contoso.example"])
    outcome: str | None = Field(default=None, description="`done`, `already_so`, `not_applicable`, `failed`, `unknown`")
    at: datetime | None = None
    why: str | None = None


class Job(BaseModel):
    """What became of what was accepted."""

    id: str = Field(examples=["e3b0c44298fc1c149afbf4c8996fb9242"])
    kind: Literal["event", "batch", "upload"]
    state: State
    created_at: datetime | None = None
    person: str | None = Field(default=None, description="The worker id.", examples=["W-1003"])
    event: str | None = Field(default=None, description="The event's id, and what happened.")
    happened: str | None = Field(default=None, examples=["join"])
    result: str | None = Field(
        default=None, description="In one word, where there is one: `unchanged`, `validated`, `accepted`."
    )
    why: str | None = Field(default=None, description="Why it waits, failed or is held.")
    planned: int | None = Field(default=None, description="How many steps the plan has.")
    steps: list[Step] = Field(default_factory=list)
    events: dict[str, int] = Field(default_factory=dict, description="Of a batch: its events by state.")
    file: str | None = Field(default=None, description="Of an upload: the file's name.", examples=["workers.csv"])
    by: str | None = Field(default=None, description="Of an upload or a batch: the object id of who brought it.")
    mode: str | None = None
    phase: str | None = Field(default=None, description="Of an upload: `reading`, `accepting`, `over`.")
    rows: int | None = None
    accepted: int | None = None
    unchanged: int | None = None
    rejected: int | None = None
    of: str | None = Field(default=None, description="The upload that this one applies.")
    delivery: int | None = Field(
        default=None, description="The delivery that is held or was released, where a source was named."
    )
    report: str | None = Field(default=None, description="Where the rows with their results are.")

    @property
    def over(self) -> bool:
        """Whether nothing more happens by itself."""
        return self.state in FINAL


def named(letter: str, *parts: str) -> str:
    """A job's id made of several parts: the same parts, the same job."""
    whole = hashlib.sha256()
    for part in parts:
        whole.update(len(part).to_bytes(8, "big") + part.encode())
    return letter + whole.hexdigest()[:32]


def now() -> str:
    """This instant, for a note."""
    return datetime.now(timezone.utc).isoformat()


async def find(engine: AsyncEngine, job_id: str) -> Job:
    """The job.

    Raises:
        Problem: 404.
    """
    if _ID.match(job_id):
        if job_id[0] == "e":
            entry = await engine.story(job_id[1:])
            if entry is not None:
                return of_entry(entry)
        else:
            note = await engine.note(f"job/{job_id}")
            if note is not None:
                version, kept = note[0], dict(note[1])
                return await _batch(engine, version, kept) if job_id[0] == "b" else Job.model_validate(kept)
    raise Problem(404, "there is no such job")


async def _batch(engine: AsyncEngine, version: int, kept: dict[str, Any]) -> Job:
    if kept["state"] == "done":
        return Job.model_validate(kept)
    members = [entry for event in kept["members"] if (entry := await engine.story(event)) is not None]
    states = [of_entry(entry).state for entry in members]
    counts = {state: states.count(state) for state in sorted(set(states))}
    state: State = "done"
    for worse in ("failed", "waiting", "running", "accepted"):
        state = worse if worse in counts else state
    kept |= {"state": state, "events": counts}
    if state == "done":
        # Nothing changes that any more: it is not worked out again.
        await engine.set_note(f"job/{kept['id']}", version, kept)
    return Job.model_validate(kept)


def of_entry(entry: dict[str, Any]) -> Job:
    """The job that an event is."""
    steps = []
    for one in entry["steps"]:
        outcome = one["outcome"] or {}
        why = outcome.get("message") or outcome.get("why")
        steps.append(Step(step=str(one["step"]), outcome=outcome.get("outcome"), at=one["at"], why=why))
    return Job(
        id=f"e{entry['id']}",
        kind="event",
        state=_state(entry),
        created_at=entry["entered_at"],
        person=entry["person"],
        event=entry["id"],
        happened=entry["kind"],
        why=entry["why"],
        planned=entry["planned"],
        steps=sorted(steps, key=lambda step: (step.at is None, step.at)),
    )


def _state(entry: dict[str, Any]) -> State:
    match entry["state"]:
        case "done" | "superseded" as over:
            return "done" if over == "done" else "superseded"
        case "dead":
            return "failed"
    if entry["why"]:
        return "waiting"
    return "running" if entry["planned"] is not None or entry["attempts"] else "accepted"
