"""Decisions: everything that waits for a person, and why it cannot go on by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from iam_platform.ui import session
from iam_platform.ui.page import page

from . import deeds, letters, listing, stopped, stuck

if TYPE_CHECKING:
    from collections.abc import Callable

_TABS: dict[str, tuple[str, Callable[[], None]]] = {
    "guard": ("Stopped plans", stopped.plans),
    "deliveries": ("Held deliveries", stopped.deliveries),
    "letters": ("Dead letters", letters.letters),
    "events": ("Set aside", stuck.events),
    "asks": ("Unknown outcomes", stuck.asks),
    "quarantined": ("Quarantined", stuck.quarantined),
    "late": ("Late", stuck.late),
}

#: Where the overview counts what a tab holds.
_COUNTED = {
    "guard": "frozen",
    "deliveries": "held",
    "letters": "dead_letters",
    "events": "set_aside",
    "asks": "asks",
    "quarantined": "quarantined",
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
    with st.spinner("Counting…"):
        overview = session.backend().get("/admin/overview")
    tab = listing.picked("tab", "What to decide", {name: _label(name, overview) for name in _TABS})
    if overview.get("worker", "well") not in ("well", "elsewhere"):
        st.warning(
            "**The worker of the backend is not well.** What is decided here is carried out once it is.", icon="⚙️"
        )
    _TABS[tab][1]()


def _label(name: str, overview: dict[str, Any]) -> str:
    if name == "late":
        count = int(overview.get("overdue") or 0) + (1 if overview.get("stalled") else 0)
    else:
        count = int(overview.get(_COUNTED[name]) or 0)
    return f"{_TABS[name][0]} ({count})" if count else _TABS[name][0]
