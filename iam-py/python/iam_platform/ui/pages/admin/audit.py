"""Audit: what was noted of every write, hash-chained, by pseudonym; read, verified, exported."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from iam_platform.ui import session, show
from iam_platform.ui.page import page

from . import listing

if TYPE_CHECKING:
    from collections.abc import Mapping

_SIZE = 50
#: Entries that are read at once when something is looked for, and how often in one go.
_CHUNK, _CHUNKS = 1000, 20

_COLUMNS = {
    "sequence": "No.",
    "when": "When",
    "deed": "What",
    "detail": "Detail",
    "actor": "Who",
    "subject": "Whose (pseudonym)",
    "event": "Event",
}


@page(
    "Audit",
    "audit",
    "📜",
    "audit.read",
    "What was noted of every write. Nothing in it can be changed without being seen.",
)
def audit() -> None:
    """Draws it."""
    _verification()
    wanted = st.text_input(
        "Look for",
        key="search",
        placeholder="Part of a deed, a detail, an event, a pseudonym or a name",
        bind="query-params",
        on_change=listing.from_the_start,
    ).strip()
    after = _place(st.query_params.get("after"))
    with st.spinner("Reading…"):
        rows, place, more = _found(after, wanted.casefold())
    show.table(
        [_short(row) for row in rows],
        _COLUMNS,
        caption=f"Entries behind no. {after}" if after else "Entries, oldest first",
        numbers=("sequence",),
        signs=("deed",),
        empty="No entry is like that." if wanted else "Nothing more was noted.",
        hint=f"Looked through everything up to no. {place}." if wanted else "",
    )
    with st.container(horizontal=True):
        if after:
            st.button("First page", key="audit-first", on_click=listing.from_the_start)
        if more:
            st.button("Next page", key="audit-next", on_click=_go, args=(place,))
    with st.container(horizontal=True):
        listing.download("All of it (CSV)", "/audit", "audit.csv", "audit-csv", format="csv")
        listing.download(
            "All of it (JSON)", "/audit", "audit.json", "audit-json", mime="application/json", format="json"
        )


def _place(said: str | None) -> int:
    return int(said) if said and said.isdecimal() and len(said) < 19 else 0


def _go(place: int) -> None:
    st.query_params["after"] = str(place)


def _found(after: int, wanted: str) -> tuple[list[dict[str, Any]], int, bool]:
    """A page of entries, the last one that was looked at, and whether there may be more."""
    rows: list[dict[str, Any]] = []
    for _ in range(_CHUNKS if wanted else 1):
        size = _CHUNK if wanted else _SIZE
        read = session.backend().get("/audit", after=after, limit=size, format="json")
        for entry in read:
            after = int(entry["sequence"])
            if _matches(entry, wanted):
                rows.append(entry)
            if len(rows) == _SIZE:
                return rows, after, True
        if len(read) < size:
            return rows, after, False
    return rows, after, True


def _matches(entry: Mapping[str, Any], wanted: str) -> bool:
    return any(
        wanted in str(entry.get(name) or "").casefold() for name in ("deed", "detail", "event", "subject", "actor")
    )


def _short(entry: Mapping[str, Any]) -> dict[str, Any]:
    """An entry for the page: hashes by their beginnings, which the exports have whole."""
    short = {name: str(entry.get(name) or "")[:12] for name in ("subject", "event")}
    detail = str(entry.get("detail") or "")
    return {
        **entry,
        **short,
        "when": show.instant(entry["at"]),
        "detail": detail if len(detail) < 64 else f"{detail[:12]}…",
    }


def _verification() -> None:
    if not st.button("Verify the chain", key="verify", help="Reads every entry: on a long chain this takes a while."):
        return
    with st.spinner("Reading every entry…"):
        check = session.backend().get("/audit/verify")
    checkpoint = str(check.get("checkpoint") or "")
    if check["is_whole"]:
        st.success("**The chain is whole.** No entry was changed, put in, taken out or cut off.", icon="✅")
    else:
        st.error(
            f"**The chain is broken.** {show.text(check.get('breach'))}. Keep the journal as it is, and compare it with a "
            "backup and with the checkpoint that you kept last.",
            icon="⛔",
        )
    if checkpoint:
        st.markdown("Checkpoint: keep it where nobody reaches it who reaches the journal.")
        st.code(checkpoint, language=None, wrap_lines=True)
        last = _place(checkpoint.partition(":")[0])
        if last > _SIZE:
            st.button("Newest entries", key="audit-newest", on_click=_go, args=(last - _SIZE,))
