"""``/people``: search, one person, what happened and why, what comes, what differs, and what can be undone."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from iam_platform import Why, WhyNot
from iam_platform.backend.overview.router import CivilDay, day_of
from iam_platform.backend.parts import Decision, Parts, Who, plain
from iam_platform.backend.problems import Problem
from iam_platform.backend.security import SecuredRoute

if TYPE_CHECKING:
    from iam_platform.backend.platform import Platform

router = APIRouter(prefix="/people", tags=["people"], route_class=SecuredRoute)

_STATES = "pending|staged|active|suspended|leaving|disabled|deleted"
_LOOKED = 5000
"""How many people are looked at for one page at most."""
_SAID = {
    "create": "the account is created",
    "pass": "the temporary access pass is handed out",
    "start": "the first day begins",
    "leave": "the last day is over: access ends",
    "change": "a change that HR announced counts",
    "grace": "the grace of something lost is over",
    "delete": "retention is over: the account is deleted",
    "remind": "somebody is told that the last day is near",
    "sign_in": "whether they have signed in is looked up",
    "recheck": "what was waited for is there",
    "review": "the next look",
}

Kind = Literal["group", "license", "role", "azure", "app", "package"]


class PeoplePage(BaseModel):
    """Some people, in the order of their keys."""

    people: list[dict[str, Any]]
    next: str | None = Field(default=None, description="The `after` of the next page.")


class Explanation(BaseModel):
    """Why somebody holds something, or why not, in the policy's words."""

    person: str
    kind: str
    name: str
    holds: bool
    text: str
    details: dict[str, Any]


class Next(BaseModel):
    """Something that has not come yet."""

    at: datetime = Field(description="The instant (UTC).")
    date: CivilDay = Field(description="The day, where the person works.")
    what: str = Field(description="`start`, `last_day`, `create`, `grace`, `delete` …, or what HR said.")
    text: str
    event: str
    why: str | None = Field(default=None, description="Why it waits, if it was tried.")


class Following(BaseModel):
    """What changes next, and when."""

    person: str
    next: list[Next]
    waiting: dict[str, Any] = Field(description="Why nothing happens now.")


class Thing(BaseModel):
    """Something held, as the drift shows it."""

    model_config = ConfigDict(extra="ignore")

    target: str = Field(max_length=200)
    kind: str = Field(max_length=50)
    id: str = Field(max_length=500)


class Reversion(Decision):
    """Why somebody is brought back, and what is taken."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "reason": "given by hand in May, and not meant",
                    "take": [{"target": "graph", "kind": "group", "id": "ac370b16-b9f9-405c-9ae2-1c695df5eed9"}],
                }
            ]
        },
    )

    take: list[Thing] = Field(default_factory=list, max_length=200, description="What somebody else gave and is to go.")


class Asked(BaseModel):
    """An event that does it."""

    event: str
    job: str = Field(description="Its job.", examples=["e3b0c44298fc1c149afbf4c8996fb9242"])


@router.get("", summary="Search")
async def people(
    platform: Parts,
    search: Annotated[str | None, Query(max_length=200, description="Part of a key, a name or a sign-in name.")] = None,
    state: Annotated[
        str | None,
        Query(
            max_length=100,
            pattern=f"^({_STATES})(,({_STATES}))*$",
            description="Who stands there only, with commas between them.",
            examples=["active,leaving"],
        ),
    ] = None,
    after: Annotated[str | None, Query(max_length=200, description="The `next` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> PeoplePage:
    """Who is known, a page at a time. With `state`, a page may hold fewer than `limit`, and the next one more."""
    states = set(state.split(",")) if state else None
    kept: list[Any] = []
    looked = 0
    while looked < _LOOKED:
        found = await platform.engine.people(search, after=after, limit=limit)
        for looked, one in enumerate(found, looked + 1):  # noqa: B007, B020  counted over all pages
            after = one.person
            if states is None or one.lifecycle in states:
                kept.append(one)
            if len(kept) == limit:
                return PeoplePage(people=plain(kept), next=after)
        if len(found) < limit:
            return PeoplePage(people=plain(kept))
    return PeoplePage(people=plain(kept), next=after)


@router.get("/{person}", summary="One person")
async def person(platform: Parts, person: str) -> dict[str, Any]:
    """The record, where the person stands, accounts, and everything that the platform has given."""
    state = await platform.engine.person(person)
    if state is None:
        raise Problem(404, "nobody is known by that key")
    waiting = await platform.engine.waiting(person)
    whole: dict[str, Any] = plain(state)
    return whole | {"waiting": plain(waiting)}


@router.get("/{person}/timeline", summary="Everything that happened, and what is to come")
async def timeline(platform: Parts, person: str) -> list[dict[str, Any]]:
    """Events in the order of acceptance, each with its plan and the outcome of every step."""
    entries = await platform.engine.timeline(person)
    if not entries:
        raise Problem(404, "nobody is known by that key")
    listed: list[dict[str, Any]] = plain(entries)
    return listed


@router.get("/{person}/next", summary="What changes next, and when")
async def following(platform: Parts, person: str) -> Following:
    """Everything in the person's calendar that has not come, and what they wait for, the next first."""
    entries = await platform.engine.timeline(person)
    if not entries:
        raise Problem(404, "nobody is known by that key")
    state = await platform.engine.person(person)
    record = (plain(state)["record"] if state else None) or {}
    coming = []
    for entry in entries:
        if entry.state != "pending":
            continue
        timer = entry.details.get("timer")
        what = {"start": "start", "leave": "last_day"}.get(str(timer), str(timer or entry.kind))
        at = max(entry.due_at, entry.not_before)
        coming.append(
            Next(
                at=at,
                date=day_of(what, at, record),
                what=what,
                text=_SAID.get(str(timer), f"what HR said is worked on: {entry.kind}"),
                event=entry.event,
                why=entry.why,
            )
        )
    waiting = plain(await platform.engine.waiting(person))
    return Following(person=person, next=sorted(coming, key=lambda one: one.at), waiting=waiting)


@router.get("/{person}/drift", summary="Where accounts are not as the platform left them")
async def drift(platform: Parts, person: str) -> dict[str, Any]:
    """Looked at now, at every target. What somebody else gave (`foreign`) can be taken by a revert."""
    await _known(platform, person)
    found: dict[str, Any] = plain(await platform.engine.drift_of(person))
    return found


@router.post("/{person}/revert", status_code=202, summary="Bring somebody back to what HR and policy say")
async def revert(platform: Parts, who: Who, response: Response, person: str, wish: Reversion) -> Asked:
    """What is missing is given again; what somebody else gave stays, unless `take` names it."""
    await _known(platform, person)
    take = []
    if wish.take:
        shown = (await platform.engine.drift_of(person)).found
        foreign = {
            (one.entitlement.target, one.entitlement.kind, one.entitlement.id.lower()): one.entitlement
            for one in shown
            if one.kind == "foreign" and one.entitlement is not None
        }
        for thing in wish.take:
            entitlement = foreign.get((thing.target, thing.kind, thing.id.lower()))
            if entitlement is None:
                raise Problem(
                    409, f"{thing.kind} {thing.id} is nothing that somebody else gave: look at the drift again"
                )
            take.append(entitlement)
    event = await platform.engine.revert(person, who.signature, wish.reason, take)
    return _asked(response, event)


@router.get("/{person}/events/{event}/undo", summary="What undoing an event would do")
async def undo_plan(platform: Parts, person: str, event: str) -> dict[str, Any]:
    """The inverse of each step that can be undone now, and why the others cannot."""
    await _theirs(platform, person, event)
    shown: dict[str, Any] = plain(await platform.engine.undo_plan(event))
    return shown


@router.post("/{person}/events/{event}/undo", status_code=202, summary="Undo an event")
async def undo(platform: Parts, who: Who, response: Response, person: str, event: str, decision: Decision) -> Asked:
    """An event of its own, worked off by the next run."""
    await _theirs(platform, person, event)
    return _asked(response, await platform.engine.undo(event, who.signature, decision.reason))


async def _known(platform: Platform, person: str) -> None:
    if await platform.engine.person(person) is None:
        raise Problem(404, "nobody is known by that key")


async def _theirs(platform: Platform, person: str, event: str) -> None:
    entry = await platform.engine.story(event)
    if entry is None or entry["person"] != person:
        raise Problem(404, "this person has no such event")


def _asked(response: Response, event: str) -> Asked:
    response.headers["Location"] = f"/jobs/e{event}"
    return Asked(event=event, job=f"e{event}")


@router.get("/{person}/explain", summary="Why, or why not")
async def explain(
    platform: Parts,
    person: str,
    name: Annotated[
        str, Query(min_length=1, max_length=300, description="As the policy names it.", examples=["sg-security"])
    ],
    kind: Annotated[Kind, Query()] = "group",
) -> Explanation:
    """By which rule and event somebody holds it; or what stands in the way: a condition, a conflict, a seat."""
    if await platform.engine.person(person) is None:
        raise Problem(404, "nobody is known by that key")
    why: Why | WhyNot = await platform.engine.why(person, f"{kind}:{name}")
    if not why.is_held:
        why = await platform.engine.why_not(person, f"{kind}:{name}")
    return Explanation(person=person, kind=kind, name=name, holds=why.is_held, text=why.text, details=plain(why))
