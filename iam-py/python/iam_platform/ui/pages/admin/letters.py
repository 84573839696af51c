"""Dead letters: messages that nobody understands, to be corrected or given up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from iam_platform.ui import session, show

from . import deeds, listing
from .deeds import Deed, Said

if TYPE_CHECKING:
    from collections.abc import Mapping

_SIZE = 20

#: Kinds of message that the intake understands.
_KINDS = ("iam-platform.hr.event", "iam-platform.hr.record", "iam-platform.hr.notice")


def letters() -> None:
    """A page of them, oldest first."""
    after = st.query_params.get("after")
    listed = session.backend().get("/admin/dead-letters", after=after, limit=_SIZE)
    if not listed:
        show.nothing(
            "There are no more dead letters." if after else "There are no dead letters.",
            "A message that cannot be read is kept here until somebody corrects it or gives it up: nothing is lost.",
        )
    for letter in listed:
        _letter(letter)
    with st.container(horizontal=True):
        if after:
            st.button("First ones", key="letters-first", on_click=listing.from_the_start)
        if len(listed) == _SIZE:
            last = str(listed[-1]["id"])
            st.button("Next ones", key="letters-next", on_click=lambda: st.query_params.update(after=last))


def _letter(letter: Mapping[str, Any]) -> None:
    number, may = letter["id"], session.viewer().may("admin.decide")
    with st.container(border=True):
        st.header(f"Message {number} from {show.text(letter['source'])}", anchor=False)
        st.markdown(f"✖ **{show.text(letter['reason'])}**")
        about = [
            ("Kind", letter["kind"]),
            ("Its id", letter["message_id"]),
            ("Came", show.instant(letter["received_at"])),
            ("Person", letter.get("person")),
        ]
        st.markdown("  \n".join(f"{name}: {show.text(value)}" for name, value in about if value))
        if not may:
            st.markdown("Its content is personal data: who decides about it sees it.")
            return
        with st.expander("Its content", key=f"letter-{number}-content"):
            st.code(letter["data"], language=None, wrap_lines=True)
        with st.container(horizontal=True):
            deeds.offer(
                Deed(
                    "Correct and requeue",
                    "It is accepted as you correct it. What of it was accepted before counts once.",
                    lambda said: _requeue(number, said),
                    f"Message {number} is accepted.",
                    reason=True,
                    fields=lambda: _correction(letter),
                ),
                f"requeue-letter-{number}",
                needs="admin.decide",
            )
            deeds.offer(
                Deed(
                    "Discard message",
                    "It does not count, and its content is destroyed.",
                    lambda said: session.backend().post(
                        f"/admin/dead-letters/{number}/discard", {"reason": said.reason}
                    ),
                    f"Message {number} is discarded.",
                    reason=True,
                    typed=str(number),
                ),
                f"discard-letter-{number}",
                needs="admin.decide",
            )


def _correction(letter: Mapping[str, Any]) -> dict[str, Any]:
    number, kind = letter["id"], str(letter["kind"])
    kinds = [kind, *(one for one in _KINDS if one != kind)]
    return {
        "kind": st.selectbox("Kind", kinds, key=f"letter-{number}-kind", accept_new_options=True),
        "data": st.text_area("Content", letter["data"], key=f"letter-{number}-data", height=220),
    }


def _requeue(number: int, said: Said) -> None:
    session.backend().post(f"/admin/dead-letters/{number}/requeue", {**said.fields, "reason": said.reason})
