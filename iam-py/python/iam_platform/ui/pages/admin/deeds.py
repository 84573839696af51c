"""What somebody does here: asked about first, done once, told afterwards. What is secret is shown once and kept nowhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import streamlit as st

from iam_platform.ui import session, show
from iam_platform.ui.backend import BackendError

if TYPE_CHECKING:
    from collections.abc import Callable

_TOLD = "_deed_told"

#: The shortest reason that the backend takes, and the longest.
_REASON = (3, 500)


@dataclass(frozen=True)
class Said:
    """What the viewer said when asked.

    Attributes:
        reason: why; empty where none is asked for.
        fields: what :attr:`Deed.fields` gave.
    """

    reason: str
    fields: Any


@dataclass(frozen=True)
class Deed:
    """Something that the viewer may do.

    Attributes:
        name: what its button says: the page's own words.
        about: what will happen, as Markdown: whatever comes from elsewhere went through :func:`show.text`.
        do: does it.
        done: what is told once it is done, as Markdown.
        reason: whether a reason is asked for, which the backend keeps.
        typed: what must be typed before anything happens, for what is hard to undo.
        fields: draws what else is asked, within the form, and gives what stands in it.
        secret: finds in the answer what is shown once; ``done`` stands above it then.
    """

    name: str
    about: str
    do: Callable[[Said], Any]
    done: str
    reason: bool = False
    typed: str = ""
    fields: Callable[[], Any] | None = None
    secret: Callable[[Any], str] | None = None


def offer(deed: Deed, key: str, *, needs: str, why_not: str = "") -> None:
    """A button that asks before anything happens.

    Args:
        deed: what it is for.
        key: of its widgets.
        needs: the permission; who has not got it sees no button.
        why_not: why it cannot be done now, if so: the button says it and does nothing.
    """
    if not session.viewer().may(needs):
        return
    if st.button(deed.name, key=key, disabled=bool(why_not), help=why_not or None):
        st.dialog(deed.name)(_ask)(deed, key)


def told() -> None:
    """What was done a moment ago: call it first on a page."""
    said = st.session_state.pop(_TOLD, None)
    if said:
        st.success(said, icon="✅")


def _ask(deed: Deed, key: str) -> None:
    place = st.empty()
    with place.container():
        st.markdown(deed.about)
        with st.form(f"{key}-form", border=False):
            fields = deed.fields() if deed.fields else None
            reason = typed = ""
            if deed.reason:
                reason = st.text_area(
                    "Reason",
                    key=f"{key}-reason",
                    max_chars=_REASON[1],
                    help="Kept with the decision, and in the audit.",
                ).strip()
            if deed.typed:
                typed = st.text_input(f"Type {show.text(deed.typed)} to confirm", key=f"{key}-typed").strip()
            sure = st.form_submit_button(
                f"Confirm: {deed.name[0].lower()}{deed.name[1:]}", key=f"{key}-sure", type="primary"
            )
        if not sure:
            return
        if deed.fields and not fields:
            st.error("**Something is missing.** Fill in what is asked for.", icon="✋")
            return
        if deed.reason and len(reason) < _REASON[0]:
            st.error("**Say why.** A few words are enough: who looks at this later will ask.", icon="✋")
            return
        if typed.casefold() != deed.typed.casefold():
            st.error(f"**Nothing was done.** Expected {show.text(deed.typed)}, exactly.", icon="✋")
            return
        try:
            with st.spinner("Under way…"):
                answer = deed.do(Said(reason, fields))
        except BackendError as error:
            show.problem(error, key=f"{key}-problem")
            return
    if deed.secret is None:
        st.session_state[_TOLD] = deed.done
        st.rerun()
    place.empty()
    st.success(deed.done, icon="✅")
    st.code(deed.secret(answer), language=None)
    st.warning("**Copy it now.** It is shown this once and kept nowhere: closing this or reloading loses it.", icon="👁️")
