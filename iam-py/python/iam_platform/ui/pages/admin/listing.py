"""Lists of Microsoft Graph and Azure: searched, a page at a time, downloaded; and which object the address names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlencode, urlsplit

import streamlit as st

from iam_platform.ui import session, show
from iam_platform.ui.backend import NotFoundError, part

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Rows of a page.
SIZE = 25


def chosen(name: str = "id") -> str | None:
    """The object that the address names."""
    return st.query_params.get(name) or None


def to(place: str, said: object, **query: str) -> show.Html:
    """A link to a page here, for a cell."""
    return show.link(f"/{place}?{urlencode(query)}" if query else f"/{place}", said)


def back(place: str, said: str) -> None:
    """A way back to the list: both are the page's own words."""
    show.links(show.link(f"/{place}", f"← {said}"))


def sought(label: str, hint: str) -> str:
    """A search box; what stands in it stands in the address too."""
    text = st.text_input(label, key="search", placeholder=hint, bind="query-params", on_change=from_the_start)
    return text.strip()


def picked(name: str, label: str, options: Mapping[str, str], *, as_tabs: bool = True) -> str:
    """One of some, the one that stands in the address: the first of them without one."""
    key, keys = f"picked-{name}", list(options)
    if st.session_state.get(key) not in keys:
        asked = st.query_params.get(name)
        st.session_state[key] = asked if asked in keys else keys[0]

    def note() -> None:
        st.query_params[name] = str(st.session_state[key])
        st.query_params.pop("after", None)

    if as_tabs:
        st.segmented_control(
            label,
            keys,
            key=key,
            required=True,
            format_func=options.__getitem__,
            label_visibility="collapsed",
            wrap=True,
            on_change=note,
        )
    else:
        st.selectbox(label, keys, key=key, format_func=options.__getitem__, on_change=note)
    return str(st.session_state[key])


def one_of(label: str, options: Mapping[str, str], key: str) -> str | None:
    """One of what is there now, the first unless another one is chosen; None, and no box, where there is nothing."""
    keys = list(options)
    if not keys:
        st.session_state.pop(key, None)
        return None
    if st.session_state.get(key) not in keys:
        # What was chosen may be gone.
        st.session_state[key] = keys[0]
    return str(st.selectbox(label, keys, key=key, format_func=options.__getitem__))


def quoted(value: str) -> str:
    """A text within an expression of ``$filter``."""
    return value.replace("'", "''")


def read(path: str, **query: Any) -> Mapping[str, Any]:
    """A page of a list, the one that the address names."""
    with st.spinner("Reading…"):
        answer: Mapping[str, Any] = session.backend().get(path, skiptoken=st.query_params.get("after"), **query)
    return answer


def onward(answer: Mapping[str, Any], key: str) -> None:
    """To the next page and back to the first, where there are such."""
    link = answer.get("@odata.nextLink") or answer.get("nextLink")
    token = parse_qs(urlsplit(str(link)).query).get("skiptoken", [""])[0] if link else ""
    with st.container(horizontal=True):
        if st.query_params.get("after"):
            st.button("First page", key=f"{key}-first", on_click=from_the_start)
        if token:
            st.button("Next page", key=f"{key}-next", on_click=lambda: st.query_params.update(after=token))


def download(label: str, path: str, file: str, key: str, *, mime: str = "text/csv", **query: Any) -> None:
    """A file, read when it is asked for."""
    backend = session.backend()
    st.download_button(
        label, lambda: backend.content(path, **query), file_name=file, mime=mime, key=key, on_click="ignore", icon="⬇️"
    )


def found_user(name: str) -> Mapping[str, Any] | None:
    """The account with this sign-in name or object id; says so where there is none."""
    try:
        user: Mapping[str, Any] = session.backend().get(f"/graph/users/{part(name)}")
    except NotFoundError:
        st.error(f"**There is no account {show.text(name)}.** Give a sign-in name or an object id.", icon="🔍")
        return None
    return user


def from_the_start() -> None:
    """Back to the first page."""
    st.query_params.pop("after", None)
