"""A decision that somebody means: with a reason, and for a destructive one with the worker id typed again."""

from __future__ import annotations

import streamlit as st

_SHORTEST = 3


def confirmed(key: str, person: str | None, does: str, *, why_not: str = "") -> str | None:
    """Asks for a reason, and for the worker id where one is given.

    Args:
        key: of the widgets.
        person: the worker id that is to be typed; None where nothing is destroyed.
        does: what the button says.
        why_not: why it cannot be done; the button says so then.

    Returns:
        The reason, in the run in which the button was pressed.
    """
    reason = st.text_input("Reason", key=f"{key}-reason", max_chars=500, help="It is kept with the decision.").strip()
    typed = ""
    if person is not None:
        typed = st.text_input("Type the worker id to confirm", key=f"{key}-typed", max_chars=100).strip()
    if not why_not and len(reason) < _SHORTEST:
        why_not = "Say why first: the reason is kept."
    if not why_not and person is not None and typed != person:
        why_not = "Type the worker id of this person first."
    pressed = st.button(does, key=f"{key}-do", type="primary", disabled=bool(why_not), help=why_not or None)
    return reason if pressed else None
