"""``/overview``: figures by day, what is under way, what comes up, seats, and whether everything answers."""

from __future__ import annotations

import asyncio
from datetime import date, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Annotated, Any

import anyio
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from iam_platform import errors
from iam_platform.backend.admin.router import Overview as Attention
from iam_platform.backend.admin.router import overview as attention
from iam_platform.backend.connectors import Connector, Connectors
from iam_platform.backend.native import good
from iam_platform.backend.parts import Parts, plain
from iam_platform.backend.problems import Problem
from iam_platform.backend.remembered import Remembered
from iam_platform.backend.security import SecuredRoute

from .names import NAMES

if TYPE_CHECKING:
    from iam_platform.backend.platform import Platform

router = APIRouter(tags=["overview"], route_class=SecuredRoute)

CivilDay = date
"""A day of the calendar, for models with a field of that name."""

_KINDS = {
    "join": "joiners",
    "rejoin": "joiners",
    "move": "movers",
    "rename": "movers",
    "convert": "movers",
    "suspend": "movers",
    "resume": "movers",
    "leave": "leavers",
}
_WHAT = {"start": "start", "leave": "last_day", "change": "move"}
_MOST = 200


class Day(BaseModel):
    """What HR said on one day (UTC)."""

    date: CivilDay
    joiners: int = 0
    movers: int = 0
    leavers: int = 0


class Work(BaseModel):
    """How many events stand so now."""

    running: int
    waiting: int = Field(description="For another attempt, or for an answer.")
    failed: int = Field(description="Set aside: somebody has to look.")


class Coming(BaseModel):
    """Something that comes up in somebody's calendar."""

    date: CivilDay = Field(description="Where the person works.")
    person: str
    name: str | None
    what: str = Field(description="`start`, `last_day` or `move`.")
    at: datetime = Field(description="The instant (UTC).")
    event: str


class Seats(BaseModel):
    """The seats of one product."""

    sku: str
    name: str
    enabled: int
    used: int
    left: int


class Overview(BaseModel):
    """Everything on one page."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "today": "2026-06-06",
                    "days": [{"date": "2026-06-06", "joiners": 2, "movers": 1, "leavers": 0}],
                    "jobs": {"running": 1, "waiting": 0, "failed": 0},
                    "upcoming": [
                        {
                            "date": "2026-06-20",
                            "person": "W-1003",
                            "name": "Mei Tanaka",
                            "what": "start",
                            "at": "2026-06-19T16:00:00Z",
                            "event": "28400f14baf18d9bcf73b97329c55d45",
                        }
                    ],
                    "licences": [{"sku": "SPE_E3", "name": "Microsoft 365 E3", "enabled": 25, "used": 20, "left": 5}],
                    "connectors": [],
                    "attention": {
                        "frozen": 0,
                        "held": 0,
                        "dead_letters": 0,
                        "quarantined": 0,
                        "overdue": 0,
                        "stalled": None,
                        "worker": "well",
                    },
                }
            ]
        }
    )

    today: date = Field(description="UTC.")
    days: list[Day] = Field(description="Each of the last days, the oldest first.")
    jobs: Work
    upcoming: list[Coming] = Field(description="The next first; at most 200.")
    licences: list[Seats] = Field(description="Empty where Graph does not answer: `connectors` says so.")
    connectors: list[Connector] = Field(description="At most half a minute old.")
    attention: Attention = Field(description="As `/admin/overview` says it.")


async def licences(platform: Platform) -> list[Seats]:
    """The tenant's seats; nothing where Graph does not answer: the connectors tell."""
    try:
        with anyio.fail_after(5):
            told = await good(platform.graph, "/subscribedSkus")
    except (TimeoutError, errors.IamError, Problem):
        return []
    return [_seats(sku) for sku in told["value"]]


def _seats(sku: dict[str, Any]) -> Seats:
    part = str(sku.get("skuPartNumber"))
    enabled, used = int((sku.get("prepaidUnits") or {}).get("enabled") or 0), int(sku.get("consumedUnits") or 0)
    return Seats(sku=part, name=NAMES.get(part, part), enabled=enabled, used=used, left=max(0, enabled - used))


@router.get("/overview", summary="What happens, what waits, what comes")
async def overview(
    platform: Parts,
    request: Request,
    days: Annotated[int, Query(ge=1, le=92, description="How many days back, today included.")] = 14,
    ahead: Annotated[int, Query(ge=0, le=366, description="How many days ahead.")] = 30,
) -> Overview:
    """Figures of the journal by its indexes; the services as they answered within the last half minute. A service that is
    down is told of in a sentence, and breaks nothing.
    """
    now = datetime.now(timezone.utc)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    first = midnight - timedelta(days=days - 1)
    engine = platform.engine
    connectors: Connectors = request.app.state.connectors
    seats: Remembered[list[Seats]] = request.app.state.licences
    told, figures, coming, waits, found, seated = await asyncio.gather(
        engine.told(first, midnight + timedelta(days=1)),
        engine.figures(),
        engine.coming(list(_WHAT), now + timedelta(days=ahead), limit=_MOST),
        attention(platform, request),
        connectors.known(),
        seats.known(),
    )
    by_day = {first.date() + timedelta(days=at): Day(date=first.date() + timedelta(days=at)) for at in range(days)}
    for one in told:
        kind, day = _KINDS.get(one["kind"]), by_day.get(date.fromisoformat(one["day"]))
        if kind is not None and day is not None:
            setattr(day, kind, getattr(day, kind) + one["count"])
    return Overview(
        today=now.date(),
        days=list(by_day.values()),
        jobs=Work(running=figures["begun"], waiting=figures["waiting"], failed=figures["dead"]),
        upcoming=await _upcoming(platform, coming),
        licences=seated,
        connectors=found,
        attention=waits,
    )


async def _upcoming(platform: Platform, coming: list[dict[str, Any]]) -> list[Coming]:
    people: dict[str, dict[str, Any]] = {}
    for event in coming:
        if event["person"] not in people:
            state = await platform.engine.person(event["person"])
            people[event["person"]] = (plain(state)["record"] if state else None) or {}
    listed = []
    for event in coming:
        record, what = people[event["person"]], _WHAT[event["timer"]]
        at = datetime.fromisoformat(event["due_at"][:19] + "+00:00")
        listed.append(
            Coming(
                date=day_of(what, at, record),
                person=event["person"],
                name=called(record),
                what=what,
                at=at,
                event=event["id"],
            )
        )
    return listed


def called(record: dict[str, Any]) -> str | None:
    """What people call somebody."""
    given = record.get("preferred_name") or record.get("given_name")
    return " ".join(part for part in (given, record.get("family_name")) if part) or None


def day_of(what: str, at: datetime, record: dict[str, Any]) -> date:
    """The civil day that an instant stands for: the one that HR named, where it is that one."""
    ended = at - timedelta(seconds=1) if what == "last_day" else at
    named = record.get({"start": "hire_date", "last_day": "last_day"}.get(what, ""))
    if named is not None:
        day = date.fromisoformat(named)
        # The same day somewhere on earth.
        if abs((day - ended.date()).days) <= 1:
            return day
    return ended.date()
