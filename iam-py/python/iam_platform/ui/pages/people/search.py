"""Who is known: by name, sign-in name or worker id, and by where they stand."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import streamlit as st

from iam_platform.ui import session, show
from iam_platform.ui.backend import BackendError, NotFoundError, part
from iam_platform.ui.identity import STAGES, named, stage, upn

from .employment import change

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

PAGE = 50
_FILTERS = ("search", "state")
_COLUMNS = {
    "name": "Name",
    "person": "Worker id",
    "upn": "Sign-in name",
    "state": "State",
    "department": "Department",
    "manager": "Manager",
    "change": "Next change",
}


def search() -> None:
    """Draws the search and a page of what it finds."""
    for name in _FILTERS:
        st.session_state.setdefault(f"people-{name}", st.query_params.get(name, ""))
    words, where = st.columns([3, 1])
    sought = words.text_input(
        "Search by name, sign-in name or worker id",
        key="people-search",
        max_chars=200,
        placeholder="For example: Mei Tanaka, mei.tanaka or W-1003",
        on_change=_kept,
    )
    known = ["", *STAGES]
    if st.session_state["people-state"] not in known:
        st.session_state["people-state"] = ""
    standing = where.selectbox(
        "State", known, key="people-state", format_func=lambda name: stage(name) or "every state", on_change=_kept
    )
    after = st.query_params.get("after")
    with st.spinner("Looking…", show_time=False):
        found = session.backend().get(
            "/people", search=sought.strip() or None, state=standing or None, after=after, limit=PAGE
        )
        rows = _rows(found["people"])
    sought_for = sought.strip() or standing
    show.table(
        rows,
        _COLUMNS,
        caption="People" if not sought_for else "People who were found",
        signs=("state",),
        empty="Nobody was found." if sought_for else "Nobody is known yet.",
        hint="Search for a part of the name, of the sign-in name or of the worker id, or in every state."
        if sought_for
        else "People appear here once HR has said that they join: by New Hire, by CSV Upload or from your HR system.",
    )
    _turn(after, found.get("next"))


def link(person: object, said: object = None, **more: str) -> show.Html:
    """A link to a person's page."""
    query = urlencode({"person": str(person), **more})
    return show.link(f"/people?{query}", person if said is None else said)


def _kept() -> None:
    """The address says what is searched for, so that it can be sent to somebody."""
    for name in _FILTERS:
        value = str(st.session_state.get(f"people-{name}") or "").strip()
        if value:
            st.query_params[name] = value
        else:
            st.query_params.pop(name, None)
    st.query_params.pop("after", None)


def _turn(after: str | None, following: str | None) -> None:
    if not after and not following:
        return
    with st.container(horizontal=True):
        if st.button(
            "First page", key="people-first", disabled=not after, help=None if after else "This is the first page."
        ):
            st.query_params.pop("after", None)
            st.rerun()
        if st.button(
            "Next page", key="people-next", disabled=not following, help=None if following else "This is the last page."
        ):
            st.query_params["after"] = str(following)
            st.rerun()


def _rows(people: list[dict[str, Any]]) -> list[dict[str, Any]]:
    names = names_of({one["person"]: one for one in people}, (_manager(one) for one in people))
    today = datetime.now(timezone.utc).date()
    return [
        {
            "name": link(one["person"], named(one)),
            "person": one["person"],
            "upn": upn(one),
            "state": stage(one.get("lifecycle")),
            "department": (one.get("record") or {}).get("department"),
            "manager": link(_manager(one), names.get(_manager(one))) if _manager(one) else "",
            "change": change(one, today),
        }
        for one in people
    ]


def _manager(state: Mapping[str, Any]) -> str:
    return str((state.get("record") or {}).get("manager_id") or "")


def names_of(known: Mapping[str, Mapping[str, Any]], wanted: Iterable[str]) -> dict[str, str]:
    """The names of people by their worker ids, asked for where they are not among those who are known."""
    names = {}
    for key in sorted({one for one in wanted if one}):
        state = known.get(key)
        if state is None:
            try:
                state = session.backend().get(f"/people/{part(key)}")
            except NotFoundError:
                continue  # HR named somebody of whom nothing else is known
            except BackendError:
                break  # the ids do as well
        names[key] = named(state)
    return names
