"""``/people``: search, one person, their timeline, and why they hold something or do not."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from iam_platform import Why, WhyNot
from iam_platform.backend.parts import Parts, plain
from iam_platform.backend.problems import Problem
from iam_platform.backend.security import SecuredRoute

router = APIRouter(prefix="/people", tags=["people"], route_class=SecuredRoute)

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


@router.get("", summary="Search")
async def people(
    platform: Parts,
    search: Annotated[str | None, Query(max_length=200, description="Part of a key, a name or a sign-in name.")] = None,
    after: Annotated[str | None, Query(max_length=200, description="The `next` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> PeoplePage:
    """Who is known, a page at a time."""
    found = await platform.engine.people(search, after=after, limit=limit)
    last = found[-1].person if len(found) == limit else None
    return PeoplePage(people=plain(found), next=last)


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
