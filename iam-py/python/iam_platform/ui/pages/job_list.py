"""Jobs, newest first, a page at a time: what the pages about them have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from iam_platform.ui import session, show

if TYPE_CHECKING:
    from collections.abc import Mapping

#: What a filter says when it lets everything through.
ANY = "any"
STATES = ("accepted", "running", "waiting", "held", "done", "failed", "superseded")
COUNTING = ",".join(state for state in STATES if state != "superseded")
"""All but what something later has replaced."""
_A_PAGE = 25


def one_of(label: str, options: tuple[str, ...], key: str) -> str | None:
    """A filter that stands in the address under its key; None lets everything through."""
    chosen = st.selectbox(label, (ANY, *options), key=key, bind="query-params", on_change=from_the_start)
    return None if chosen in (None, ANY) else chosen


def from_the_start() -> None:
    """Back to the newest ones."""
    st.query_params.pop("before", None)


def read(**query: Any) -> Mapping[str, Any]:
    """The page of jobs that the address names.

    Raises:
        BackendError: it cannot be read.
    """
    with st.spinner("Looking for jobs…"):
        found: Mapping[str, Any] = session.backend().get(
            "/jobs", limit=_A_PAGE, before=st.query_params.get("before"), **query
        )
    return found


def onward(found: Mapping[str, Any], key: str) -> None:
    """To older ones and back to the newest, where there are such."""
    older = found.get("next")
    with st.container(horizontal=True):
        if st.query_params.get("before"):
            st.button("Newest", key=f"{key}-newest", on_click=from_the_start)
        if older:
            st.button("Older", key=f"{key}-older", on_click=lambda: st.query_params.update(before=str(older)))


def is_filtered(*filters: str | None) -> bool:
    """Whether less than everything was asked for."""
    return any(filters) or bool(st.query_params.get("before"))


def count(job: Mapping[str, Any], name: str) -> str:
    """A count of a job, or nothing where it has none."""
    return "" if job.get(name) is None else f"{job[name]:,}"


def close(*kept: str) -> None:
    """Back from one job to the list; what was kept of it goes."""
    st.query_params.pop("job", None)
    for key in kept:
        st.session_state.pop(key, None)


def opened(job_id: str) -> None:
    """Opens a job on this page, now."""
    st.query_params["job"] = job_id
    st.rerun()


def back(label: str, *kept: str) -> None:
    """A way back to the list."""
    st.button(f"← {show.text(label)}", key="job-back", on_click=close, args=kept)
