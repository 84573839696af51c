"""What waits or has failed, and what somebody may decide about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from iam_platform.ui import session, show
from iam_platform.ui.backend import BackendError, part

from .confirm import confirmed
from .search import link

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_SAID = {
    "retrying": ("⏳", "It did not work yet, and is tried again by itself"),
    "asked": ("✋", "Somebody must decide"),
    "parked": ("✖", "It failed and was set aside: what came after it waits"),
    "dead": ("✖", "The last change failed and was set aside"),
}


def trouble(state: Mapping[str, Any], entries: Sequence[Mapping[str, Any]]) -> None:
    """Draws what waits or has failed, above everything else."""
    found = _found(state.get("waiting") or {}, entries)
    if found is None:
        return
    sign, said = _SAID[found["state"]]
    parts = [f"**{said}.**"]
    if found.get("why"):
        parts.append(f"{show.text(found['why'])}.")
    if found.get("attempts"):
        parts.append(f"Attempts: {found['attempts']}.")
    if found.get("at"):
        parts.append(f"Next attempt: {show.text(show.instant(found['at']))}.")
    if found.get("since"):
        parts.append(f"Since {show.text(show.instant(found['since']))}.")
    draw = st.error if found["state"] in ("parked", "dead") else st.warning
    draw(" ".join(parts), icon=sign)
    if not found.get("event"):
        return
    event = str(found["event"])
    show.links(link(state["person"], "Look at the event", tab="timeline", event=event))
    again(event, parked=found["state"] == "parked", key="trouble")


def _found(waiting: Mapping[str, Any], entries: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """What is wrong: the lane's own trouble, or the newest event that was set aside without holding others up."""
    if waiting.get("state") in _SAID:
        return waiting
    over = [entry for entry in entries if entry["state"] in ("done", "dead")]
    if not over or over[-1]["state"] != "dead":
        return None
    return {"state": "dead", "event": over[-1]["event"], "why": over[-1].get("why")}


def again(event: str, *, parked: bool, key: str) -> None:
    """Lets who may try an event again, or go on without it where others wait for it."""
    if not session.viewer().may("admin.decide"):
        st.markdown("Somebody with the app role IAM\\.Operator or IAM\\.Admin can try it again.")
        return
    with st.expander("Try it again, or go on without it" if parked else "Try it again"):
        does = {"requeue": "Try it again now"}
        if parked:
            does["skip"] = "Go on without it"
        verb = st.radio("What to do", list(does), key=f"{key}-verb", format_func=lambda one: does[one])
        reason = confirmed(key, None, "Do it")
        if reason is not None:
            _decide(f"/admin/events/{part(event)}/{verb}", {"reason": reason})


def unknown(entry: Mapping[str, Any]) -> None:
    """Steps of which nobody knows whether they happened: somebody who has looked says so."""
    if not session.viewer().may("admin.decide"):
        return
    for step in entry.get("steps") or ():
        if step.get("outcome") == "unknown":
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
