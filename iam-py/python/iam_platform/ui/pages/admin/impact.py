"""What a newer policy would change: who gains and who loses what, and what else differs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from iam_platform import diff
from iam_platform.ui import show

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: Names of people that one cell shows.
_PEOPLE = 10


def draw(answer: Mapping[str, Any]) -> None:
    """Draws the answer of a comparison."""
    if answer.get("is_empty"):
        st.success("**Nothing changes:** both mean the same for everybody and in every setting.", icon="✅")
        return
    st.markdown(f"**Something changes for {answer['changed']} of {counted(answer['people'], 'person', 'people')}.**")
    rows = [
        {
            "sign": sign,
            "what": f"{diff.KINDS.get(one['kind'], one['kind'])} {one['name']}",
            "count": one[f"{way}_total"],
            "people": _some(one[way], one[f"{way}_total"]),
            "grace": f"{one['grace_days']} days" if way == "lost" and one.get("grace_days") else "",
        }
        for one in answer["entitlements"]
        for way, sign in (("gained", "+ gain"), ("lost", "- lose"))
        if one[way]
    ]
    show.table(
        rows,
        {"sign": "They", "what": "What", "count": "How many", "people": "Who", "grace": "After"},
        caption="Who gains and who loses what",
        numbers=("count",),
        signs=("sign",),
        empty="Nobody gains or loses anything.",
    )
    others = [
        {"what": f"Attribute {name}", "who": _some(found["people"], found["people_total"])}
        for name, found in _items(answer, "attributes")
    ]
    others += [
        {"what": f"Conflict {name}", "who": _some(people, len(people))} for name, people in _items(answer, "conflicts")
    ]
    others += [
        {"what": "Held: the new one cannot judge them", "who": f"{who}: {why}"} for who, why in _items(answer, "held")
    ]
    others += [{"what": f"Rule {name}", "who": f"is {said}"} for said, name in _rules(answer)]
    others += [
        {"what": one["name"], "who": f"{one['old']} → {one['new']}"}
        for one in [*answer.get("settings", ()), *answer.get("guard", ())]
    ]
    if others:
        show.table(others, {"what": "What", "who": "Who, or how"}, caption="What else differs")


def _rules(answer: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [("new", name) for name in answer.get("rules_added", ())] + [
        ("gone", name) for name in answer.get("rules_removed", ())
    ]


def _items(answer: Mapping[str, Any], name: str) -> list[tuple[str, Any]]:
    return list((answer.get(name) or {}).items())


def _some(people: Sequence[str], total: int) -> str:
    shown = people[:_PEOPLE]
    more = total - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")


def counted(number: int, one: str, many: str = "") -> str:
    """So many of something."""
    return f"{number} {one if number == 1 else many or one + 's'}"
