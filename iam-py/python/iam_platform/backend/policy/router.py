"""``/policy``: the one in force; and another one, checked, tested and compared before it is put in force."""

from __future__ import annotations

import asyncio
import re
from typing import Annotated, Any

from fastapi import APIRouter, Body
from pydantic import BaseModel, ConfigDict, Field

import iam_platform
from iam_platform import errors
from iam_platform.backend.parts import Parts, plain
from iam_platform.backend.problems import Problem
from iam_platform.backend.security import SecuredRoute

router = APIRouter(prefix="/policy", tags=["policy"], route_class=SecuredRoute)

_LINE = re.compile(r"^(?:read the policy: )?line (\d+), column (\d+): (.*)$")
_SHOWN = 100
"""How many people of a list are shown."""
_EXAMPLE = """version = 1
[tenant]
domain = "contoso.example"
[[rule]]
id = "security"
when = 'person.department == "Security"'
groups = ["sg-security"]
"""


class PolicyText(BaseModel):
    """A policy document."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"text": _EXAMPLE}]})

    text: str = Field(max_length=1_000_000, description="TOML.")


class Place(BaseModel):
    """Something that is wrong, and where."""

    line: int | None = Field(default=None, description="From 1.")
    column: int | None = Field(default=None, description="In characters, from 1.")
    message: str


class Rule(BaseModel):
    """What one rule does, as the document says it."""

    model_config = ConfigDict(extra="allow")

    name: str
    when: str | None = Field(default=None, description="For whom; everybody without.")
    gives: dict[str, list[Any]] = Field(description="What it gives, by kind.")


class InForce(BaseModel):
    """The policy that is worked by."""

    text: str
    version: int
    hash: str = Field(description="The document's fingerprint: the audit names it.")
    rules: list[Rule]
    tests: int = Field(description="How many cases it has.")


class Checked(BaseModel):
    """Whether a policy is sound."""

    ok: bool
    errors: list[Place] = Field(description="What is wrong with the document.")
    findings: list[Place] = Field(description="What it names and the tenant does not have.")


class Tested(BaseModel):
    """How a policy's own cases went, and how it fits the people who are known."""

    passed: bool
    cases: list[dict[str, Any]] = Field(
        description="Each with `name`, `passed`, `expected` (as the case says), `missing`, `unexpected`, `problems`."
    )
    rules_never_hit: list[str] = Field(description="Rules that held in no case.")
    matched_by_nothing: list[str] = Field(description="Cases in which no rule but the defaults held.")
    coverage: dict[str, Any] = Field(
        description="Over the people who are known: `people`, `hits` by rule, `rules_never_hit`, `matched_by_nothing` and "
        "`held` (the first 100 of each, with `…_total`)."
    )


class Compared(BaseModel):
    """What replacing the policy would change for the people who are known."""

    model_config = ConfigDict(extra="allow")

    is_empty: bool
    people: int = Field(description="How many people were looked at.")
    changed: int = Field(description="For how many of them anything differs.")
    entitlements: list[dict[str, Any]] = Field(
        description="Each with `gained` and `lost` (the first 100 people), `gained_total` and `lost_total`."
    )
    text: str = Field(description="The whole in a few lines.")


_Text = Annotated[PolicyText, Body()]
_NO_GIFT = ("id", "when", "description", "grace_days", "priority")


def _read(text: str) -> iam_platform.Policy:
    try:
        return iam_platform.Policy.parse(text)
    except errors.InvalidError as error:
        raise Problem(
            422, str(error).partition("\n")[0], errors=[one.model_dump() for one in places(str(error))]
        ) from None


def places(text: str) -> list[Place]:
    """What an error of the policy says, line by line."""
    found: list[Place] = []
    for line in text.splitlines():
        match = _LINE.match(line)
        if match:
            found.append(Place(line=int(match[1]), column=int(match[2]), message=match[3]))
        elif found:
            found[-1].message += f"\n{line}"
        else:
            found.append(Place(message=line.removeprefix("read the policy: ")))
    return found


def _rule(rule: dict[str, Any]) -> Rule:
    gives = {name: value for name, value in rule.items() if isinstance(value, list) and name not in _NO_GIFT}
    more = {name: value for name, value in rule.items() if name not in gives and name not in ("id", "when")}
    return Rule(name=str(rule.get("id")), when=rule.get("when"), gives=gives, **more)


@router.get("", summary="The policy in force")
async def in_force(platform: Parts) -> InForce:
    """The document that this process works by, and its rules."""
    policy = platform.policy
    document = policy.document
    return InForce(
        text=policy.text,
        version=document["version"],
        hash=policy.fingerprint,
        rules=[_rule(rule) for rule in document.get("rule", [])],
        tests=len(document.get("test", [])),
    )


@router.post("/check", summary="Is a policy sound, and does the tenant have what it names")
async def check(platform: Parts, wish: _Text) -> Checked:
    """Errors with line and column; and, where there are none, what the tenant lacks. Nothing is put in force."""
    try:
        policy = await asyncio.to_thread(iam_platform.Policy.parse, wish.text)
    except errors.InvalidError as error:
        return Checked(ok=False, errors=places(str(error)), findings=[])
    findings = [
        Place(line=one.line, column=one.column, message=one.message) for one in await policy.check(platform.engine)
    ]
    return Checked(ok=not findings, errors=[], findings=findings)


@router.post("/test", summary="Run a policy's own cases")
async def test(platform: Parts, wish: _Text) -> Tested:
    """Its `[[test]]` cases, and how it fits the people who are known."""
    policy = await asyncio.to_thread(_read, wish.text)
    report = plain(await asyncio.to_thread(policy.test))
    expected = {case.get("name"): case.get("expect") for case in policy.document.get("test", [])}
    coverage = plain(await policy.coverage(platform.engine))
    for name in ("matched_by_nothing", "held"):
        coverage[f"{name}_total"] = len(coverage[name])
        coverage[name] = _first(coverage[name])
    cases = [case | {"expected": expected.get(case["name"])} for case in report.pop("cases")]
    return Tested(cases=cases, coverage=coverage, **report)


@router.post("/diff", summary="Who would gain and lose what")
async def diff(platform: Parts, wish: _Text) -> Compared:
    """Against the policy in force, over the people who are known. Lists of people show the first 100."""
    newer = await asyncio.to_thread(_read, wish.text)
    impact = plain(await platform.policy.diff(newer, platform.engine))
    for one in impact["entitlements"]:
        for name in ("gained", "lost"):
            one[f"{name}_total"] = len(one[name])
            one[name] = _first(one[name])
    for attribute, people in impact["attributes"].items():
        impact["attributes"][attribute] = {"people": _first(people), "people_total": len(people)}
    for name in ("held", "released", "conflicts"):
        impact[f"{name}_total"] = len(impact[name])
        impact[name] = _first(impact[name])
    return Compared(**impact)


def _first(values: Any) -> Any:
    if isinstance(values, dict):
        return dict(list(values.items())[:_SHOWN])
    return list(values)[:_SHOWN]
