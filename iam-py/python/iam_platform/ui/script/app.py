"""The script that Streamlit runs for each session: sign-in, then the pages that the viewer's roles allow."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from iam_platform.ui import session, show
from iam_platform.ui.backend import BackendError, ExpiredError
from iam_platform.ui.pages import SECTIONS
from iam_platform.ui.server import REFUSED

if TYPE_CHECKING:
    from collections.abc import Callable

_WHY = {
    "access_denied": "Entra let nobody in: the account may not use this application, or the sign-in was cancelled.",
    "interaction_required": "Entra asks for another step, such as multifactor authentication: sign in again.",
    "consent_required": "An administrator must consent to this application in Entra first.",
    "invalid_token": "What Entra answered could not be verified, or took too long: sign in again.",
}


#: Seconds before the end of a sign-in from which it is announced.
_SOON = 300


def main() -> None:
    """Draws what there is to see for whoever looks."""
    st.set_page_config(page_title="Identity operations", page_icon="🪪", layout="wide")
    show.look()
    if not session.is_signed_in():
        _welcome()
        return
    try:
        who = session.viewer()
    except ExpiredError:
        _alone(show.expired)
        return
    except BackendError as error:
        failure = error
        _alone(lambda: show.problem(failure, key="start"))
        return
    allowed = {name: [page for page in pages if who.may(page.permission)] for name, pages in SECTIONS.items()}
    first = next((page for pages in allowed.values() for page in pages), None)
    if first is None:
        _alone(lambda: _without_role(who.name))
        return
    home = st.Page(first.shown(), title=first.title, icon=first.icon, url_path="", default=True)
    sections = {
        name: [
            home if page is first else st.Page(page.shown(), title=page.title, icon=page.icon, url_path=page.path)
            for page in pages
        ]
        for name, pages in allowed.items()
        if pages
    }
    # The first page has the shortest address, and keeps its own.
    there = dict(st.query_params)
    also = st.Page(
        lambda: st.switch_page(home, query_params=there), title=first.title, url_path=first.path, visibility="hidden"
    )
    next(iter(sections.values())).append(also)
    chosen = st.navigation(sections, expanded=True)
    st.set_page_config(page_title=f"{chosen.title} · Identity operations")
    _who(who)
    left = session.seconds_left(session.token())
    if left <= session.MARGIN:
        show.expired()
    elif left < _SOON:
        _ending(left)
    chosen.run()


def _alone(draw: Callable[[], None]) -> None:
    """A page without navigation."""
    st.navigation([st.Page(draw, title="Identity operations", default=True)], position="hidden").run()
    _out()


def _welcome() -> None:
    def draw() -> None:
        st.title("Identity operations", anchor=False)
        st.markdown("Hire, move and dismiss people: planned, shown before it happens, carried out once, explained.")
        why = st.context.cookies.get(REFUSED)
        if why:
            said = _WHY.get(why, f"Entra answered: {show.text(why)}.")
            st.error(f"**You are not signed in.** {said}", icon="⛔")
        st.button("Sign in with Microsoft Entra ID", type="primary", on_click=session.sign_in)

    # Every address leads here, and back to it once somebody has signed in.
    pages = [st.Page(draw, title="Sign in", default=True)]
    pages += [
        st.Page(draw, title=page.title, url_path=page.path) for pages_of in SECTIONS.values() for page in pages_of
    ]
    st.navigation(pages, position="hidden").run()


def _without_role(name: str) -> None:
    st.title("Identity operations", anchor=False)
    st.warning(
        f"**You are signed in as {show.text(name)}, and none of your roles opens anything here.** Ask whoever administers "
        "this application in Entra for one of the app roles IAM.Admin, IAM.Operator, IAM.Helpdesk or IAM.Auditor.",
        icon="🔑",
    )


def _ending(left: float) -> None:
    minutes = max(1, round(left / 60))
    st.info(
        f"Your sign-in ends in about {minutes} {'minute' if minutes == 1 else 'minutes'}. What you type is kept.",
        icon="⏱️",
    )


def _who(who: session.Viewer) -> None:
    with st.sidebar:
        show.paragraphs(who.name, ", ".join(role for role in who.roles if role.startswith("IAM.")))
    _out()


def _out() -> None:
    with st.sidebar:
        st.button("Sign out", key="sign-out", on_click=session.sign_out)


main()
