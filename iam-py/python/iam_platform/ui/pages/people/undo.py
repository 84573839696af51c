"""Undoing an event: what that would do is shown first, and what nothing undoes is said."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from iam_platform.ui import plan as plans
from iam_platform.ui import session, show
from iam_platform.ui.backend import BackendError, part
from iam_platform.ui.follow import follow

from .confirm import confirmed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_DONE = frozenset({"done", "already_so", "unknown", None})


def offer(entry: Mapping[str, Any]) -> None:
    """A button below an event that may be undone."""
    begun = [one for one in entry.get("steps") or () if one.get("outcome") in _DONE]
    if entry["state"] == "pending" or not begun or not session.viewer().may("admin.decide"):
        return
    if st.button("Undo this event…", key=f"undo-{entry['event']}", help="Shows first what that would do."):
        st.query_params["undo"] = str(entry["event"])
        st.query_params.pop("job", None)
        st.rerun()


def asked(person: str, entries: Sequence[Mapping[str, Any]]) -> None:
    """Draws the undo that the address asks for, and the job that came of it."""
    job = st.query_params.get("job")
    if job:
        follow(job, key="person-job")
    event = st.query_params.get("undo")
    if not event or job or not session.viewer().may("admin.decide"):
        return
    kind = next((str(entry["kind"]) for entry in entries if entry["event"] == event), "event")
    with st.container(border=True, key="undo-panel"):
        st.subheader(f"Undo: {show.text(kind)}", anchor=False)
        path = f"/people/{part(person)}/events/{part(event)}/undo"
        try:
            with st.spinner("Working out what that would do…", show_time=False):
                plan = session.backend().get(path)
        except BackendError as error:
            show.problem(error, key="undo-plan")
            _never_mind()
            return
        plans.plan(plan, caption="What undoing would do")
        stays = plan.get("without_inverse") or ()
        if stays:
            st.info(
                f"**{len(stays)} {'step has' if len(stays) == 1 else 'steps have'} no inverse** and stay done, "
                "as is said above.",
                icon="📌",
            )
        why_not = "" if plan.get("steps") else "Nothing is left to undo, or all of it is refused: see above."
        reason = confirmed("undo", person, "Undo it", why_not=why_not)
        if reason is not None:
            try:
                said = session.backend().post(path, {"reason": reason})
            except BackendError as error:
                show.problem(error, key="undo-do")
                return
            followed(said)
        _never_mind()


def followed(said: Mapping[str, Any]) -> None:
    """Goes on with the job that a decision became: its id stands in the address."""
    st.query_params["job"] = str(said["job"])
    for name in ("undo", "event"):
        st.query_params.pop(name, None)
    st.rerun()


def _never_mind() -> None:
    if st.button("Leave it as it is", key="undo-not"):
        st.query_params.pop("undo", None)
        st.rerun()
