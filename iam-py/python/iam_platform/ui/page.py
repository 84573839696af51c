"""A page: who may see it, its heading, and what is shown when the backend does not play along."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from . import session, show
from .backend import BackendError

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Page:
    """A page of the portal.

    Attributes:
        title: its heading and its name in the navigation.
        path: its address below the UI's, which bookmarks keep.
        icon: an emoji: icon fonts would be asked of another host.
        permission: what its viewers need.
        draw: draws it.
        about: one line below the heading.
    """

    title: str
    path: str
    icon: str
    permission: str
    draw: Callable[[], None]
    about: str = ""

    def shown(self) -> Callable[[], None]:
        """The page with everything around it."""

        @functools.wraps(self.draw)
        def whole() -> None:
            st.title(self.title, anchor=False)
            if self.about:
                st.caption(self.about)
            who = session.viewer()
            if not who.may(self.permission):
                st.error(
                    f"**This page is not for your roles.** It needs {show.text(self.permission)}: ask whoever assigns "
                    "app roles in Entra.",
                    icon="⛔",
                )
                return
            try:
                self.draw()
            except BackendError as error:
                show.problem(error, key=self.path)

        return whole


def page(title: str, path: str, icon: str, permission: str, about: str = "") -> Callable[[Callable[[], None]], Page]:
    """Makes a function that draws a page that page."""

    def made(draw: Callable[[], None]) -> Page:
        return Page(title, path, icon, permission, draw, about)

    return made
