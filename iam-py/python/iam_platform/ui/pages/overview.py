"""Overview: what happened, what is under way, what is to come, and what waits for somebody."""

from __future__ import annotations

import streamlit as st

from iam_platform.ui import session
from iam_platform.ui.page import page


@page("Overview", "overview", "🏠", "people.read")
def overview() -> None:
    """Draws it."""
    st.json(session.backend().get("/admin/overview"))
