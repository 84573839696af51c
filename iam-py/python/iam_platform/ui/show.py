"""What every page shows in the same way: tables that can be read aloud, instants, failures, and nothing.

Names, reasons and messages come from people and from services: none of them is ever taken for Markdown or HTML.
"""

from __future__ import annotations

import logging
import re
from datetime import date, datetime, timezone
from html import escape
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import streamlit as st

from .backend import AwayError, BackendError, ExpiredError, NotFoundError, RefusedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

log = logging.getLogger(__name__)

_MARKDOWN = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~$:&])")
# What looks like an address becomes a link, escaped or not, unless something that nobody sees stands in it.
_ADDRESS = re.compile(r"(https?|www)(?=[:.])", re.IGNORECASE)

#: States as people say them, with a sign: colour never says anything alone.
STATES = {
    "accepted": ("○", "accepted"),
    "running": ("▶", "running"),
    "waiting": ("⏳", "waiting"),
    "held": ("✋", "held"),
    "done": ("✔", "done"),
    "already_so": ("✔", "was so already"),
    "not_applicable": ("·", "not applicable"),
    "failed": ("✖", "failed"),
    "dead": ("✖", "set aside"),
    "unknown": ("?", "unknown"),
    "superseded": ("·", "superseded"),
}


def text(value: object) -> str:
    """A value as Markdown that shows it as it is."""
    said = _ADDRESS.sub("\\1\u2060", "" if value is None else str(value))
    return _MARKDOWN.sub(r"\\\1", said)


def state(name: str | None) -> str:
    """A state with its sign."""
    sign, said = STATES.get(name or "", ("", name or ""))
    return f"{sign} {said}".strip()


# --- instants -------------------------------------------------------------------------------------------------------


def zone() -> ZoneInfo | timezone:
    """The viewer's time zone, as the browser says it."""
    try:
        return ZoneInfo(st.context.timezone or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        return timezone.utc


def parsed(value: object) -> datetime | None:
    """An instant in any of the forms that the backend writes."""
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str) or not value:
        return None
    try:
        found = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", value.replace("Z", "+00:00")))
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=timezone.utc)


def instant(value: object) -> str:
    """An instant in the viewer's zone, and in UTC where that is another time of day."""
    found = parsed(value)
    if found is None:
        return "" if value is None else str(value)
    here, utc = found.astimezone(zone()), found.astimezone(timezone.utc)
    said = f"{here:%Y-%m-%d %H:%M} {here.tzname() or ''}".strip()
    if here.utcoffset() == utc.utcoffset():
        return f"{utc:%Y-%m-%d %H:%M} UTC"
    return f"{said} ({utc:%H:%M} UTC)" if here.date() == utc.date() else f"{said} ({utc:%Y-%m-%d %H:%M} UTC)"


def day(value: object) -> str:
    """A civil date."""
    return value.isoformat() if isinstance(value, date) else str(value or "")


# --- tables ---------------------------------------------------------------------------------------------------------

_STYLE = """
<style>
.iam-scroll { overflow-x: auto; max-width: 100%; }
.iam-scroll:focus-visible { outline: 2px solid currentColor; outline-offset: 2px; }
table.iam { border-collapse: collapse; width: 100%; font-size: .92rem; }
table.iam caption { text-align: left; font-weight: 600; padding: .2rem 0 .4rem; }
table.iam th, table.iam td { text-align: left; vertical-align: top; padding: .35rem .7rem .35rem 0;
  border-bottom: 1px solid color-mix(in srgb, currentColor 22%, transparent); overflow-wrap: break-word; }
table.iam th { white-space: nowrap; }
table.iam td:not(.n, .s) { min-width: 6rem; }
table.iam td.n, table.iam th.n { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
table.iam td.s { white-space: nowrap; font-weight: 600; }
.iam-bar { width: 4.5rem; max-width: 100%; height: .6rem; border: 1px solid currentColor; border-radius: 3px; }
.iam-bar > div { height: 100%; background: currentColor; opacity: .6; }
table.iam a { color: inherit; text-decoration: underline; }
</style>
"""

_FACTS = """
<style>
dl.iam-facts { display: grid; grid-template-columns: minmax(7rem, max-content) 1fr; gap: .25rem 1rem;
  margin: 0 !important; padding: 0 !important; font-size: .92rem; }
dl.iam-facts dt { opacity: .85; margin: 0 !important; }
dl.iam-facts dd { margin: 0 !important; overflow-wrap: anywhere; }
dl.iam-facts a, p.iam-links a { color: inherit; text-decoration: underline; }
p.iam-links { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; margin: 0; }
p.iam-links a:focus-visible { outline: 2px solid currentColor; outline-offset: 2px; }
</style>
"""


_LOOK = """
<style>
/* Line numbers and comments of code are too pale, as Streamlit has them. */
[data-testid="stCode"] .comment { color: #5f5f5c !important; }
/* Streamlit writes white on every primary button, which nobody can read on the light colour of dark mode. */
@media (prefers-color-scheme: dark) {
  [data-testid="stCode"] .comment { color: #a3a29e !important; }
  [data-testid^="stBaseButton-primary"]:not(:disabled) { color: #10151c; }
}
</style>
"""


def look() -> None:
    """What every page looks like, beyond the theme."""
    st.html(_LOOK)


def link(place: str, said: object) -> Html:
    """A link to a page of this site, for a cell: ``place`` is quoted by :func:`~iam_platform.ui.backend.part`."""
    return Html(f'<a href="{escape(place)}" target="_self">{escape(str(said))}</a>')


def bar(part: int, whole: int) -> Html:
    """A share as a bar, for a cell next to the number that says the same."""
    share = max(0, min(100, 100 * part // whole)) if whole > 0 else 0
    return Html(f'<div class="iam-bar" aria-hidden="true"><div style="width:{share}%"></div></div>{share} %')


def paragraphs(*texts: str) -> None:
    """Short lines of text as they are: Markdown would make links of addresses in them."""
    st.html("".join(f'<p style="margin:0 0 .2rem; overflow-wrap:anywhere">{escape(one)}</p>' for one in texts))


_TEXT = """
<style>
pre.iam-text { margin: 0; font-size: .88rem; line-height: 1.5; white-space: pre; counter-reset: line; background: none; }
pre.iam-text code { background: none; color: inherit; padding: 0; font-size: inherit; }
pre.iam-text code::before { counter-increment: line; content: counter(line); display: inline-block; width: 2.6rem;
  margin-right: 1rem; text-align: right; opacity: .8; }
</style>
"""


def numbered(text: str, *, caption: str) -> None:
    """A document with the numbers of its lines, which are not copied with it. Long lines are scrolled to."""
    lines = "\n".join(f"<code>{escape(line)}</code>" for line in text.splitlines())
    st.html(
        f'{_STYLE}{_TEXT}<div class="iam-scroll" tabindex="0" role="region" aria-label="{escape(caption)}">'
        f'<pre class="iam-text">{lines}</pre></div>'
    )


def links(*places: Html) -> None:
    """Links of a page, side by side."""
    st.html(f'{_FACTS}<p class="iam-links">{"".join(places)}</p>')


class Html(str):
    """A cell that is HTML already, made by this module."""

    __slots__ = ()


def table(
    rows: Iterable[Mapping[str, Any]],
    columns: Mapping[str, str],
    *,
    caption: str,
    numbers: Sequence[str] = (),
    signs: Sequence[str] = (),
    empty: str = "Nothing is here yet.",
    hint: str = "",
) -> None:
    """A table that screen readers read, browsers search and printers print.

    Args:
        rows: what it holds; cells are shown as they are.
        columns: the key of each column, and its heading.
        caption: what the table is about.
        numbers: keys of columns that hold numbers.
        signs: keys of columns that hold a sign or a state.
        empty: what is said when there are no rows.
        hint: what to do then.
    """
    rows = list(rows)
    if not rows:
        nothing(empty, hint)
        return
    kinds = {key: ' class="n"' if key in numbers else ' class="s"' if key in signs else "" for key in columns}
    head = "".join(f'<th scope="col"{kinds[key]}>{escape(said)}</th>' for key, said in columns.items())
    body = "".join(
        "<tr>" + "".join(f"<td{kinds[key]}>{cell(row.get(key))}</td>" for key in columns) + "</tr>" for row in rows
    )
    st.html(
        f'{_STYLE}<div class="iam-scroll" tabindex="0" role="region" aria-label="{escape(caption)}">'
        f'<table class="iam"><caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def facts(pairs: Mapping[str, object], *, caption: str) -> None:
    """What is known of one thing, as names and values; those without a value are left out.

    Args:
        pairs: the values by their names; values are shown as they are.
        caption: what they are about.
    """
    said = {name: cell(value) for name, value in pairs.items()}
    rows = "".join(f"<dt>{escape(name)}</dt><dd>{value}</dd>" for name, value in said.items() if value)
    st.html(f'{_FACTS}<dl class="iam-facts" aria-label="{escape(caption)}">{rows}</dl>')


def cell(value: object) -> str:
    """A value as HTML that shows it as it is."""
    if isinstance(value, Html):
        return value
    if isinstance(value, (list, tuple)):
        return escape(", ".join(str(one) for one in value))
    return escape("" if value is None else str(value))


def nothing(said: str, hint: str = "") -> None:
    """An empty list: what that means, and what to do."""
    with st.container(border=True):
        st.markdown(f"**{text(said)}**")
        if hint:
            st.markdown(text(hint))


# --- failures -------------------------------------------------------------------------------------------------------


def problem(error: BackendError, *, key: str = "problem") -> None:
    """A failure: what happened, what to do, and the number under which the log knows it."""
    match error:
        case ExpiredError():
            from . import session

            # Above every page stands what to do once a token is over; the backend may be stricter than its time.
            if not session.is_over():
                expired(key)
            return
        case RefusedError():
            said = f"**You may not do that.** {text(error.detail)}"
        case NotFoundError():
            said = f"**There is no such thing.** {text(error.detail)}"
        case _:
            said = f"**{text(error.title)}.** {text(error.detail)}"
    st.error(said, icon="⛔")
    for one in error.errors[:50]:
        place = one.get("place") or one.get("field") or ""
        st.markdown(f"- {text(place)}{': ' if place else ''}{text(one.get('message', ''))}")
    if error.request_id:
        st.caption(f"Request {text(error.request_id)}")
    if isinstance(error, AwayError):
        st.button("Try again", key=f"{key}-again")


def expired(key: str = "expired") -> None:
    """The sign-in is over: how to go on without losing anything."""
    from . import session

    st.warning(
        "**Your sign-in has expired.** What you have typed is kept for an hour: sign in again to go on.", icon="⏱️"
    )
    st.button("Sign in again", key=f"{key}-sign-in", type="primary", on_click=session.sign_in)


def unforeseen(error: BaseException) -> None:
    """What nobody has foreseen: the log knows more."""
    if isinstance(error, BackendError):
        problem(error, key="unforeseen")
        return
    log.error("a page failed", exc_info=error)
    st.error(
        "**This page failed.** Nothing was changed by it. Reload it, or tell your operators what you did.", icon="⛔"
    )
