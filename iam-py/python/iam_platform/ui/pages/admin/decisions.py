"""Decisions: everything that waits for a person, and why it cannot go on by itself."""

from __future__ import annotations

import streamlit as st

from iam_platform.ui import session
from iam_platform.ui.page import page

from . import deeds, letters, listing, stopped, stuck

_TABS = {
    "guard": "Stopped plans",
    "deliveries": "Held deliveries",
    "letters": "Dead letters",
    "events": "Set aside",
    "asks": "Unknown outcomes",
    "quarantined": "Quarantined",
    "late": "Late",
}


@page(
    "Decisions",
    "decisions",
    "⚖️",
    "admin.read",
    "What waits for a person. Each decision has a name and a reason, and is audited.",
)
def decisions() -> None:
    """Draws it."""
    deeds.told()
    backend = session.backend()
    with st.spinner("Reading…"):
        overview = backend.get("/admin/overview")
        asked = backend.get("/admin/asks")
        failed = stuck.set_aside()
    steps = [ask for ask in asked if ask.get("about") == "step"]
    counts = {
        "guard": overview["frozen"],
        "deliveries": overview["held"],
        "letters": overview["dead_letters"],
        "events": len(failed["jobs"]),
        "asks": len(steps),
        "quarantined": overview["quarantined"],
        "late": overview["overdue"] + bool(overview["stalled"]),
    }
    more = {"events"} if failed.get("next") else set()
    labels = {
        tab: f"{name} ({counts[tab]}{'+' if tab in more else ''})" if counts[tab] else name
        for tab, name in _TABS.items()
    }
    tab = listing.picked("tab", "What to decide", labels)
    if overview["worker"] not in ("well", "elsewhere"):
        st.warning(
            "**The worker of the backend is not well.** What is decided here is carried out once it is.", icon="⚙️"
        )
    match tab:
        case "guard":
            stopped.plans([ask for ask in asked if ask.get("about") == "guard"])
        case "deliveries":
            stopped.deliveries()
        case "letters":
            letters.letters()
        case "events":
            stuck.events(failed)
        case "asks":
            stuck.asks(steps)
        case "quarantined":
            stuck.quarantined()
        case _:
            stuck.late(overview)
