"""People: who is known, and everything about one of them."""

from __future__ import annotations

import streamlit as st

from iam_platform.ui.page import page

from . import person, search


@page(
    "People", "people", "👥", "people.read", "Who is known, what they hold and why, what happened and what is to come."
)
def people() -> None:
    """Draws the search, or the person whom the address names."""
    key = st.query_params.get("person", "")
    if key:
        person.person(key)
    else:
        search.search()
