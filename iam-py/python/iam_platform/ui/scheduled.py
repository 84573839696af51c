"""What is to come for somebody, and how it is called off."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from . import identity, plan, session, show
from .backend import BackendError, NotFoundError, part

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_QUIET = frozenset({"review", "recheck"})
_LATEST = 50
_ANNOUNCED = frozenset({"join", "move", "rename", "rejoin", "suspend", "resume", "convert", "leave"})

_WHAT = {
    "join": "joins",
    "rejoin": "joins again",
    "move": "changes",
    "rename": "changes the name",
    "convert": "becomes another kind of worker",
    "suspend": "goes on leave of absence",
    "resume": "comes back from leave",
    "leave": "leaves",
}


def scheduled(person: str, *, key: str, heading: str = "What comes next") -> list[dict[str, Any]]:
    """Draws what is to come for somebody, and lets whoever may call off what was announced.

    Args:
        person: the worker id.
        key: of the widgets.
        heading: above it.

    Returns:
        What was announced by an event, and can be called off.
    """
    try:
        timeline = session.backend().get(f"/people/{part(person)}/timeline")
        coming = to_come(timeline)
        # Whatever is announced has an instant that is waited for.
        announced = _announced(timeline[-_LATEST:]) if coming else []
    except NotFoundError:
        return []
    except BackendError as error:
        show.problem(error, key=f"{key}-scheduled")
        return []
    if not coming:
        return []
    st.subheader(heading, anchor=False)
    show.table(coming, {"at": "When", "what": "What"}, caption=heading, empty="Nothing has a date yet.")
    for one in announced:
        _offer(one, key)
    return announced


def to_come(timeline: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """The instants that somebody waits for, the next one first."""
    timers = [
        one
        for one in timeline
        if one["state"] == "pending" and "timer" in one["details"] and one["details"]["timer"] not in _QUIET
    ]
    timers.sort(key=lambda one: str(one["due_at"]))
    return [
        {
            "at": show.instant(one["due_at"]),
            "what": plan.NEXT.get(one["details"]["timer"], str(one["kind"])),
        }
        for one in timers
    ]


def _announced(timeline: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What was told as an event and counts from a day that is to come."""
    off = {one["details"].get("of") for one in timeline if one["kind"] == "retract"}
    kept: dict[str, dict[str, Any] | None] = st.session_state.setdefault("_told", {})
    found = []
    for one in timeline:
        if one["kind"] not in _ANNOUNCED or one["event"] in off:
            continue
        if one["event"] not in kept:
            try:
                kept[one["event"]] = session.backend().get(f"/hr/events/{part(one['event'])}")
            except NotFoundError:
                kept[one["event"]] = None
        told = kept[one["event"]]
        day = told and (told.get("last_day") or told.get("effective"))
        if told and day and day >= _today():
            found.append(told | {"day": day})
    return found


def _offer(told: Mapping[str, Any], key: str) -> None:
    what = _WHAT.get(told["kind"], told["kind"])
    row, button = st.columns([3, 1], vertical_alignment="center")
    row.markdown(
        f"From **{show.text(told['day'])}**: {show.text(what)}. Announced {show.text(show.instant(told['at']))}."
        if told["kind"] != "leave"
        else f"Leaves after **{show.text(told['day'])}**. Announced {show.text(show.instant(told['at']))}."
    )
    with button.popover("Call it off"):
        st.markdown("It does not happen, and the person stays as they are now. What is due otherwise still comes.")
        if st.button("Yes, call it off", key=f"{key}-off-{told['event']}", type="primary"):
            try:
                job = session.backend().post(f"/hr/events/{part(told['event'])}/retract")
            except BackendError as error:
                show.problem(error, key=f"{key}-off")
                return
            identity.forget()
            st.query_params["job"] = job["id"]
            st.rerun()


def _today() -> str:
    from .record import today

    return today().isoformat()
