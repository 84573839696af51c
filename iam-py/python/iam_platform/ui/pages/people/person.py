"""One person: who they are, and what to look at more closely."""

from __future__ import annotations

from urllib.parse import urlencode

import streamlit as st

from iam_platform.ui import session, show
from iam_platform.ui.backend import BackendError, NotFoundError, part
from iam_platform.ui.identity import named, stage

from . import access, ahead, card, drift, timeline, trouble

_TABS = {
    "access": ("What they hold", access.access),
    "timeline": ("Timeline", timeline.timeline),
    "next": ("What comes next", ahead.ahead),
    "drift": ("Drift", drift.drift),
}


def person(key: str) -> None:
    """Draws the person whom the address names."""
    show.links(show.link("/people", "← All people"))
    try:
        with st.spinner("Looking…", show_time=False):
            state = session.backend().get(f"/people/{part(key)}")
            entries = session.backend().get(f"/people/{part(key)}/timeline")
    except NotFoundError:
        show.nothing(f"Nobody is known by the worker id {key}.", "Look whether it is written as HR writes it.")
        return
    st.header(show.text(named(state)), anchor=False)
    st.markdown(f"{show.text(stage(state.get('lifecycle')))} · {show.text(state['person'])}")
    _doors(state["person"], state.get("lifecycle"))
    trouble.trouble(state, entries)
    card.card(state)
    names = {name: said for name, (said, _) in _TABS.items()}
    chosen = st.query_params.get("tab", "")
    tabs = st.tabs(
        list(names.values()), default=names.get(chosen, names["access"]), key="person-tab", on_change=_chosen
    )
    for tab, (name, (_, draw)) in zip(tabs, _TABS.items(), strict=True):
        if not tab.open:
            continue
        with tab:
            try:
                draw(state, entries)
            except BackendError as error:
                show.problem(error, key=f"person-{name}")


def _chosen() -> None:
    said = st.session_state["person-tab"]
    st.query_params["tab"] = next(name for name, (label, _) in _TABS.items() if label == said)
    for name in ("event", "undo", "why", "job"):
        st.query_params.pop(name, None)


def _doors(key: str, lifecycle: object) -> None:
    """Links to what the viewer may do with the person."""
    if not session.viewer().may("hr.write"):
        return
    query = urlencode({"person": key})
    links = [show.link(f"/update?{query}", "Update")]
    if lifecycle not in ("disabled", "deleted"):
        links.append(show.link(f"/termination?{query}", "Termination"))
    show.links(*links)
