"""Forms that outlive a sign-in: what was typed is kept by the backend for an hour, for its author alone.

What is typed after the token has ended cannot be kept there: this process holds it, and hands it over once its author
has signed in again. Nothing secret is ever put into a draft.
"""

from __future__ import annotations

import threading
import time
from datetime import date
from typing import TYPE_CHECKING, Any

import streamlit as st

from . import session
from .backend import BackendError, ExpiredError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Sequence

_HOUR = 3600.0


class _Shelf:
    """What could not be brought to the backend, by author and name."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[tuple[str, str, str], tuple[float, dict[str, Any]]] = {}

    def put(self, key: tuple[str, str, str], values: dict[str, Any]) -> None:
        now = time.monotonic()
        with self._lock:
            self._kept = {name: one for name, one in self._kept.items() if one[0] > now}
            self._kept[key] = (now + _HOUR, values)

    def take(self, key: tuple[str, str, str]) -> dict[str, Any] | None:
        with self._lock:
            until, values = self._kept.pop(key, (0.0, {}))
        return values if until > time.monotonic() else None


@st.cache_resource
def _shelf() -> _Shelf:
    return _Shelf()


class Draft:
    """A form's values, under the keys of its widgets.

    Args:
        name: the form, as ``new-hire``.
        keys: the widgets whose values belong to it: texts, numbers, dates, choices.
    """

    def __init__(self, name: str, keys: Sequence[str]) -> None:
        self.name = name
        self._keys = tuple(keys)
        self._mark = f"_draft_{name}"

    def restore(self) -> bool:
        """Puts what is kept into the widgets, once for each session; call it before they are drawn.

        Returns:
            Whether anything was brought back now.

        Raises:
            BackendError: unless nothing is kept.
        """
        kept: dict[str, Any] | None = st.session_state.get(self._mark)
        if kept is not None:
            # Streamlit forgets the widgets of a page that somebody has left.
            for key, value in kept.items():
                st.session_state.setdefault(key, value)
            return False
        values = _shelf().take(self._key())
        if values is None:
            try:
                values = session.backend().get(f"/drafts/{self.name}")["draft"]
            except NotFoundError:
                values = {}
        values = {key: _read(value) for key, value in values.items() if key in self._keys}
        st.session_state.update(values)
        st.session_state[self._mark] = values
        return bool(values)

    def keep(self, *, begun: bool = True) -> None:
        """Keeps what the widgets say now, where it changed; call it after they are drawn. Never fails: a form goes on.

        Args:
            begun: whether somebody has typed anything: a form that stands as it was filled in for them is no draft.
        """
        keys = self._keys if begun else ()
        now = {key: st.session_state[key] for key in keys if st.session_state.get(key) not in (None, "", False, [])}
        if now == st.session_state.get(self._mark):
            return
        plain = {key: _plain(value) for key, value in now.items()}
        try:
            if plain:
                session.backend().put(f"/drafts/{self.name}", plain)
            else:
                session.backend().delete(f"/drafts/{self.name}")
        except ExpiredError:
            _shelf().put(self._key(), plain)
        except BackendError:
            return  # it is tried again at the next change
        st.session_state[self._mark] = now

    def drop(self) -> None:
        """Forgets it, and empties the widgets at the next run of the page."""
        for key in self._keys:
            st.session_state.pop(key, None)
        st.session_state[self._mark] = {}
        _shelf().take(self._key())
        try:
            session.backend().delete(f"/drafts/{self.name}")
        except BackendError:
            return  # it is gone within the hour

    def _key(self) -> tuple[str, str, str]:
        who = session.viewer()
        return who.tenant, who.oid, self.name


def _plain(value: Any) -> Any:
    return {"date": value.isoformat()} if isinstance(value, date) else value


def _read(value: Any) -> Any:
    return date.fromisoformat(value["date"]) if isinstance(value, dict) and "date" in value else value
