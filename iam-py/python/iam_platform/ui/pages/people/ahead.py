"""What comes next, and when."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from iam_platform.ui import session, show
from iam_platform.ui.backend import part

from .search import link

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_COMES = {"day": "Day", "at": "From", "what": "What", "why": "Why it waits", "event": "Event"}


def ahead(state: Mapping[str, Any], _: Sequence[Mapping[str, Any]]) -> None:
    """Draws what is to come: what is waited for, and what will be done then."""
    person = state["person"]
    waiting = state.get("waiting") or {}
    if waiting.get("state") == "claimed":
        st.info("**It is worked on right now.**", icon="▶️")
    elif waiting.get("state") == "ready":
        st.info("**It is about to be worked on.**", icon="▶️")
    with st.spinner("Reading the calendar…", show_time=False):
        said = session.backend().get(f"/people/{part(person)}/next")
    rows = [
        {
            "day": show.day(one["date"]),
            "at": show.instant(one["at"]),
            "what": _sentence(one["text"]),
            "why": one.get("why"),
            "event": link(person, str(one["event"])[:8], tab="timeline", event=str(one["event"])),
        }
        for one in said["next"]
    ]
    show.table(
        rows,
        _COMES,
        caption="What is to come",
        empty="Nothing is planned.",
        hint="What HR announces for a later day stands here: a first day, a last day, a leave, the end of a grace.",
    )


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
