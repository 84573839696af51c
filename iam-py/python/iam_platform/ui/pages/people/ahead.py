"""What comes next, and when."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from iam_platform.ui import plan as plans
from iam_platform.ui import session, show
from iam_platform.ui.backend import BackendError, NotFoundError, part

from .search import link

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_COMES = {"at": "When", "what": "What", "event": "Event"}


def ahead(state: Mapping[str, Any], entries: Sequence[Mapping[str, Any]]) -> None:
    """Draws what is to come: what is waited for, and what will be done then."""
    person = state["person"]
    waiting = state.get("waiting") or {}
    if waiting.get("state") == "claimed":
        st.info("**It is worked on right now.**", icon="▶️")
    elif waiting.get("state") == "ready":
        st.info("**It is about to be worked on.**", icon="▶️")
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
