"""What comes next and when, and what waits for somebody."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from iam_platform.ui import plan as plans
from iam_platform.ui import session, show
from iam_platform.ui.backend import BackendError, NotFoundError, part

from .confirm import confirmed
from .search import link

if TYPE_CHECKING:
    from collections.abc import Mapping

_TROUBLE = {
    "retrying": ("⏳", "It did not work yet, and is tried again by itself"),
    "asked": ("✋", "Somebody must decide"),
    "parked": ("✖", "It failed and was set aside: what came after it waits"),
}
_COMES = {"at": "When", "what": "What", "event": "Event"}


def trouble(state: Mapping[str, Any]) -> None:
    """What waits or has failed, above everything else, with what the viewer may do about it."""
    waiting = state.get("waiting") or {}
    if waiting.get("state") not in _TROUBLE:
        return
    sign, said = _TROUBLE[waiting["state"]]
    parts = [f"**{said}.**"]
    if waiting.get("why"):
        parts.append(f"{show.text(waiting['why'])}.")
    if waiting.get("attempts"):
        parts.append(f"Attempts: {waiting['attempts']}.")
    if waiting.get("at"):
        parts.append(f"Next attempt: {show.text(show.instant(waiting['at']))}.")
    if waiting.get("since"):
        parts.append(f"Since {show.text(show.instant(waiting['since']))}.")
    event = waiting.get("event")
    if waiting["state"] == "parked":
        st.error(" ".join(parts), icon=sign)
    else:
        st.warning(" ".join(parts), icon=sign)
    if not event:
        return
    show.links(link(state["person"], "Look at the event", tab="timeline", event=str(event)))
    if not session.viewer().may("admin.decide"):
        st.markdown("Somebody with the app role IAM\\.Operator or IAM\\.Admin can try it again.")
        return
    with st.expander("Try it again, or go on without it"):
        does = {"requeue": "Try it again now"}
        if waiting["state"] == "parked":
            does["skip"] = "Go on without it"
        verb = st.radio("What to do", list(does), key="waiting-verb", format_func=lambda one: does[one])
        reason = confirmed("waiting", None, "Do it")
        if reason is not None:
            _decide(f"/admin/events/{part(str(event))}/{verb}", {"reason": reason})


def ahead(state: Mapping[str, Any]) -> None:
    """Draws what is to come: what is waited for, and what will be done then."""
    person = state["person"]
    waiting = state.get("waiting") or {}
    if waiting.get("state") == "claimed":
        st.info("**It is worked on right now.**", icon="▶️")
    elif waiting.get("state") == "ready":
        st.info("**It is about to be worked on.**", icon="▶️")
    entries = session.backend().get(f"/people/{part(person)}/timeline")
    _unknown(entries)
    rows = [
        {
            "at": show.instant(entry["not_before"] if entry.get("attempts") else entry["due_at"]),
            "what": plans.NEXT.get(str(entry["kind"]), str(entry["kind"]).replace("_", " ")),
            "event": link(person, str(entry["event"])[:8], tab="timeline", event=str(entry["event"])),
        }
        for entry in sorted(entries, key=lambda one: str(one["due_at"]))
        if entry["state"] == "pending"
    ]
    show.table(
        rows,
        _COMES,
        caption="What is to come",
        empty="Nothing is planned.",
        hint="What HR announces for a later day stands here: a first day, a last day, a leave, the end of a grace.",
    )
    _plans(person)


def _plans(person: str) -> None:
    """What will be done at each instant, as it looks today."""
    try:
        with st.spinner("Working out what will be done…", show_time=False):
            said = session.backend().get(f"/people/{part(person)}/next")
    except NotFoundError:
        return
    except BackendError as error:
        show.problem(error, key="next")
        return
    for moment in said.get("moments") or ():
        for one in moment.get("people") or ():
            plans.plan(one, caption=f"{show.instant(moment['at'])}: {one.get('kind') or 'planned'}")


def _unknown(entries: list[dict[str, Any]]) -> None:
    """Steps of which nobody knows whether they happened: somebody who has looked says so."""
    if not session.viewer().may("admin.decide"):
        return
    for entry in entries:
        for step in entry.get("steps") or ():
            if entry["state"] == "dead" and entry.get("parked") and step.get("outcome") == "unknown":
                _ask(str(entry["event"]), str(step["step"]))


def _ask(event: str, step: str) -> None:
    with st.container(border=True):
        st.markdown(f"**Did it happen?** Nobody knows of the step {show.text(step)}: look in the system itself.")
        key = f"ask-{event}-{step}"
        answer = st.radio("Answer", ["It happened", "It did not happen"], key=f"{key}-answer", index=None)
        why_not = "" if answer else "Say first whether it happened."
        reason = confirmed(key, None, "Answer for it", why_not=why_not)
        if reason is not None:
            happened = answer == "It happened"
            _decide(f"/admin/asks/{part(event)}/resolve", {"step": step, "happened": happened, "reason": reason})


def _decide(path: str, body: dict[str, Any]) -> None:
    try:
        session.backend().post(path, body)
    except BackendError as error:
        show.problem(error, key="decide")
        return
    st.rerun()
