"""A plan as a diff that can be read aloud: what is given, taken and changed, where, why, and at which risk."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import streamlit as st

from iam_platform.diff import lines

from . import show

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from iam_platform.diff import Line

_SIGNS = {"+": "+ gives", "-": "- takes", "~": "~ changes", "@": "@ tells"}
_COUNTED = {"+": "given", "-": "taken", "~": "changed", "@": "told"}
_RISKS = {"low": "· low", "elevated": "▲ elevated", "high": "▲▲ high"}
_PLACES = {"graph": "Entra ID", "arm": "Azure"}
_COLUMNS = {"sign": "Change", "what": "What", "which": "Which", "where": "Where", "why": "Why", "risk": "Risk"}

#: What somebody waits for, as people say it.
NEXT = {
    "create": "the account is created",
    "pass": "the access pass is handed out",
    "start": "the first day begins, and sign-in is allowed",
    "leave": "the last day is over, and access ends",
    "last day over": "the last day is over, and access ends",
    "change": "an announced change counts",
    "grace": "the grace of a lost entitlement is over",
    "grace over": "the grace of a lost entitlement is over",
    "delete": "the account is deleted",
    "retention over": "the account is deleted",
    "remind": "somebody is told that the last day is near",
    "last day near": "somebody is told that the last day is near",
    "sign_in": "it is looked up whether they have signed in",
    "sign-in looked for": "it is looked up whether they have signed in",
    "recheck": "what was missing is looked for again",
    "review": "the person is looked at again",
}


def plan(preview: Mapping[str, Any], *, caption: str) -> None:
    """Draws a plan. Nothing of it has happened.

    Args:
        preview: as ``POST /hr/plan`` answers, a validated upload's, or the plan of an undo.
        caption: what it is a plan of, for example ``"Plan for Mei Tanaka"``.
    """
    _findings("The guard stops this plan until somebody else releases it.", preview.get("guard"), stops=True)
    _findings("The policy names what the tenant does not have.", preview.get("findings"))
    people = people_of(preview)
    steps = [step for one in people for step in steps_of(one)]
    total = preview["steps"] if isinstance(preview.get("steps"), int) else len(steps)
    told = preview.get("people_total") or len(people)
    if total:
        st.markdown(_counted(total, told, steps if total == len(steps) else []))
    for one in people:
        if len(people) == 1:
            _person(one, caption)
        else:
            with st.expander(_named(one)):
                _person(one, f"{caption}: {one.get('person', '')}")
    if not people:
        show.nothing("Nothing would change.", "What is said is known already, and everything is as it should be.")
    if told > len(people):
        st.caption(f"The first {len(people):,} of {told:,} people are shown.")


def people_of(preview: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Each person of a plan; an undo's plan is about one."""
    if "people" in preview:
        return list(preview["people"])
    return [preview] if isinstance(preview.get("steps"), (list, tuple)) else []


def steps_of(person: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """What would be done for one person of a plan."""
    steps = person.get("steps")
    if steps is None:
        steps = (person.get("plan") or {}).get("steps")
    return steps or ()


def changes(preview: Mapping[str, Any]) -> Iterator[Line]:
    """Every line of a plan."""
    for one in people_of(preview):
        for step in steps_of(one):
            yield from lines(step)


def takes_away(preview: Mapping[str, Any]) -> bool:
    """Whether something would be taken from somebody: a person must mean that."""
    return any(line.sign == "-" for line in changes(preview))


def stopped(preview: Mapping[str, Any]) -> list[str]:
    """Why the plan would not be carried out as it is: the guard, a protected account, somebody who must look first."""
    whys = [*preview.get("guard", ())]
    for one in people_of(preview):
        whys += [str(one[name]) for name in ("hold", "refused") if isinstance(one.get(name), str) and one[name]]
    return list(dict.fromkeys(whys))


def said(step: Mapping[str, Any]) -> str:
    """A step in one line."""
    return "; ".join(f"{line.sign} {line.what} {line.which}".strip() for line in lines(step))


def place(target: str) -> str:
    """A target as people call it."""
    return _PLACES.get(target, target)


def _findings(heading: str, found: Sequence[str] | None, *, stops: bool = False) -> None:
    if not found:
        return
    listed = "\n".join(f"- {show.text(one)}" for one in found)
    said = f"**{heading}**\n\n{listed}"
    if stops:
        st.error(said, icon="✋")
    else:
        st.warning(said, icon="⚠️")


def _counted(total: int, people: int, steps: Sequence[Mapping[str, Any]]) -> str:
    counts = Counter(line.sign for step in steps for line in lines(step)[:1])
    parts = [f"{counts[sign]} {word}" for sign, word in _COUNTED.items() if counts[sign]]
    risky = Counter(str(step.get("risk", "low")) for step in steps)
    parts += [f"{risky[risk]} of {risk} risk" for risk in ("high", "elevated") if risky[risk]]
    whom = f" for {people:,} people" if people > 1 else ""
    return (
        f"**{total:,} {'step' if total == 1 else 'steps'}{whom}**{': ' if parts else ''}{show.text(', '.join(parts))}"
    )


def _named(one: Mapping[str, Any]) -> str:
    record = one.get("record") or {}
    name = " ".join(filter(None, (record.get("given_name"), record.get("family_name"))))
    count = len(steps_of(one))
    parts = (f"{one.get('person', '')} {name}".strip(), one.get("kind"), f"{count} {'step' if count == 1 else 'steps'}")
    return show.text(" · ".join(str(part) for part in parts if part))


def _person(one: Mapping[str, Any], caption: str) -> None:
    for name, what in (("refused", "This account is protected"), ("hold", "Somebody must look first")):
        if isinstance(one.get(name), str) and one[name]:
            st.error(f"**{what}.** {show.text(one[name])}", icon="✋")
    show.table(
        [_row(line) for step in steps_of(one) for line in lines(step)],
        _COLUMNS,
        caption=caption,
        signs=("sign", "risk"),
        empty="Nothing would be done now.",
        hint="" if one.get("next_at") or one.get("waiting") else "Everything is as it should be already.",
    )
    remarks = [*(one.get("notes") or ()), *(f"Waits: {why}" for why in one.get("waiting") or ())]
    for name, what in (("without_inverse", "Stays"), ("gone", "Gone already"), ("refused", "Not undone")):
        pairs = one.get(name)
        if isinstance(pairs, (list, tuple)):
            remarks += [f"{what}: {step}: {why}" for step, why in pairs]
    for remark in remarks:
        st.markdown(f"- {show.text(remark)}")
    if one.get("next") and one.get("next") != "review" and one.get("next_at"):
        what = NEXT.get(one["next"], str(one["next"]).replace("_", " "))
        st.markdown(f"⏳ Then, at **{show.text(show.instant(one['next_at']))}**: {show.text(what)}.")


def _row(line: Line) -> dict[str, str]:
    return {
        "sign": _SIGNS.get(line.sign, line.sign),
        "what": line.what,
        "which": line.which,
        "where": place(line.target),
        "why": line.why,
        "risk": _RISKS.get(line.risk, line.risk),
    }
