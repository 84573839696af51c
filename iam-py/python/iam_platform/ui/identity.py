"""Who somebody is: looked up, chosen by a search, and shown on a card."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import streamlit as st

from iam_platform.diff import KINDS

from . import plan, session, show
from .backend import NotFoundError, part

if TYPE_CHECKING:
    from collections.abc import Mapping

_FRESH = 20.0
_PAGE = 20

#: Where somebody stands, with a sign.
LIFECYCLE = {
    "pending": "⏳ to come, without an account yet",
    "staged": "⏳ to come, with an account that is blocked until the first day",
    "active": "✔ at work",
    "suspended": "◐ on leave of absence",
    "leaving": "▷ at work, with a last day",
    "disabled": "✖ has left",
    "deleted": "✖ has left, and the account is deleted",
}
GONE = frozenset({"disabled", "deleted"})
"""Where somebody stands who has left."""


def known(person: str, *, fresh: bool = False) -> dict[str, Any] | None:
    """Who is known by a worker id, as ``GET /people/{person}`` tells it; nobody otherwise.

    Raises:
        BackendError: it cannot be asked.
    """
    kept: dict[str, tuple[float, dict[str, Any] | None]] = st.session_state.setdefault("_people", {})
    at, found = kept.get(person, (0.0, None))
    if not fresh and at > time.monotonic() - _FRESH:
        return found
    try:
        found = session.backend().get(f"/people/{part(person)}")
    except NotFoundError:
        found = None
    kept[person] = (time.monotonic(), found)
    return found


def forget() -> None:
    """What is known is asked anew: something has changed."""
    st.session_state.pop("_people", None)


def search(text: str, *, limit: int = _PAGE) -> list[dict[str, Any]]:
    """Whose worker id, name or sign-in name has that in it."""
    found: list[dict[str, Any]] = session.backend().get("/people", search=text, limit=limit)["people"]
    return found


def name(person: Mapping[str, Any]) -> str:
    """What people call them."""
    record = person.get("record") or {}
    first = record.get("preferred_name") or record.get("given_name")
    return " ".join(filter(None, (first, record.get("family_name")))) or str(person.get("person", ""))


def line(person: Mapping[str, Any]) -> str:
    """Who it is in one line: name, title, worker id."""
    record = person.get("record") or {}
    return " · ".join(filter(None, (name(person), record.get("job_title"), str(person["person"]))))


def choose(key: str, *, verb: str) -> dict[str, Any] | None:
    """The person that the address names, or that is searched for and chosen.

    Args:
        key: of the widgets.
        verb: what will be done, for the heading of the search.

    Raises:
        BackendError: nobody can be looked up.
    """
    wanted = st.query_params.get("person")
    if wanted:
        found = known(wanted)
        if found is not None:
            return found
        st.warning(f"**Nobody is known by the worker id {show.text(wanted)}.** Search by another word.", icon="🔎")
    st.subheader(verb, anchor=False)
    text = st.text_input(
        "Search by name, sign-in name or worker id",
        key=f"{key}-search",
        max_chars=200,
        placeholder="For example: Tanaka",
    ).strip()
    if not text:
        return None
    with st.spinner("Searching…"):
        people = search(text)
    if not people:
        show.nothing("Nobody was found.", "Try a part of the name, or the worker id. New people come in by New Hire.")
        return None
    for one in people:
        with st.container(border=True):
            who, button = st.columns([4, 1], vertical_alignment="center")
            who.markdown(f"**{show.text(line(one))}**  \n{show.text(_below(one))}")
            button.button(
                "Choose",
                key=f"{key}-choose-{one['person']}",
                on_click=_chosen,
                args=(one["person"],),
                help=f"Choose {show.text(name(one))}",
            )
    if len(people) == _PAGE:
        st.caption(f"The first {_PAGE} are shown: type more of the name to find others.")
    return None


def other(key: str) -> None:
    """A way back to the search."""
    st.button("Choose somebody else", key=f"{key}-other", on_click=_let_go)


def card(person: Mapping[str, Any]) -> None:
    """Who it is."""
    record = person.get("record") or {}
    with st.container(border=True):
        st.markdown(f"**{show.text(name(person))}**")
        st.markdown(f"{show.text(LIFECYCLE.get(person['lifecycle'], person['lifecycle']))}")
        places = ", ".join(filter(None, (record.get("location"), record.get("country"))))
        rows = [
            ("Worker id", person["person"]),
            ("Sign-in name", person.get("name")),
            ("Work", ", ".join(filter(None, (record.get("job_title"), record.get("department"))))),
            ("Place", places),
            ("Manager", _manager(record.get("manager_id"))),
            ("First day", record.get("hire_date")),
            ("Last day", record.get("last_day")),
        ]
        st.markdown("  \n".join(f"{label}: **{show.text(value)}**" for label, value in rows if value))


def holds(person: Mapping[str, Any]) -> None:
    """What the platform has given somebody, and why."""
    rows = [
        {
            "kind": KINDS.get(one["entitlement"]["kind"], one["entitlement"]["kind"]),
            "name": one["entitlement"]["name"],
            "where": plan.place(one["entitlement"]["target"]),
            "why": ", ".join(f"rule {rule}" for rule in one["rules"]),
            "since": show.instant(one["since"]),
        }
        for one in person.get("ledger") or ()
    ]
    show.table(
        rows,
        {"kind": "What", "name": "Which", "where": "Where", "why": "Why", "since": "Since"},
        caption=f"What {name(person)} holds by the platform",
        empty="The platform has given them nothing.",
        hint="What others have given them by hand is found by the plan.",
    )


def _below(person: Mapping[str, Any]) -> str:
    record = person.get("record") or {}
    stands = LIFECYCLE.get(person["lifecycle"], person["lifecycle"])
    return " · ".join(filter(None, (stands, record.get("department"), person.get("name"))))


def _manager(worker_id: str | None) -> str:
    if not worker_id:
        return ""
    found = known(worker_id)
    return line(found) if found else f"{worker_id} (not known yet)"


def _chosen(person: str) -> None:
    st.query_params["person"] = person


def _let_go() -> None:
    st.query_params.pop("person", None)
