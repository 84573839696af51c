"""A month as a table that can be read aloud: who begins and who ends on which day; a list where the screen is narrow."""

from __future__ import annotations

import calendar
from collections import defaultdict
from datetime import date, timedelta
from html import escape
from typing import TYPE_CHECKING, Any

import streamlit as st

from . import show
from .backend import part

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: What happens on a day, with a sign: colour never says anything alone.
WHAT = {
    "start": ("▶", "starts"),
    "last_day": ("■", "last day"),
    "move": ("◆", "changes"),
}
_OTHERWISE = "◆"
_SHOWN = 4

_STYLE = """
<style>
table.iam-month { border-collapse: collapse; width: 100%; table-layout: fixed; font-size: .85rem; }
table.iam-month caption, .iam-agenda p { text-align: left; font-weight: 600; padding: .2rem 0 .4rem; margin: 0; }
table.iam-month th { text-align: left; font-weight: 600; padding: .2rem .4rem; }
table.iam-month td { vertical-align: top; height: 5.2rem; padding: .25rem .4rem; overflow-wrap: anywhere;
  border: 1px solid color-mix(in srgb, currentColor 22%, transparent); }
table.iam-month tr.past td { height: 1.8rem; }
table.iam-month td.today { outline: 2px solid currentColor; outline-offset: -2px; }
table.iam-month td.today .d::after { content: " today"; font-weight: 400; }
table.iam-month .d { font-weight: 600; font-variant-numeric: tabular-nums; }
table.iam-month ul, .iam-agenda ul { list-style: none; margin: 0; padding: 0; }
table.iam-month li, .iam-agenda li { margin: .1rem 0; padding: 0; font-size: inherit; }
table.iam-month a, .iam-agenda a { color: inherit; text-decoration: underline; }
.iam-agenda { display: none; }
@media (max-width: 700px) { .iam-wide { display: none; } .iam-agenda { display: block; } }
</style>
"""


def months(first: date, last: date) -> list[str]:
    """The months from one day to another, as ``2026-11``."""
    found = [f"{first:%Y-%m}"]
    day = first
    while day < last:
        day += timedelta(days=1)
        if f"{day:%Y-%m}" != found[-1]:
            found.append(f"{day:%Y-%m}")
    return found


def named(month: str) -> str:
    """A month as people call it."""
    year, number = map(int, month.split("-"))
    return f"{calendar.month_name[number]} {year}"


def draw(month: str, entries: Sequence[Mapping[str, Any]], *, today: date) -> None:
    """Draws a month.

    Args:
        month: as ``2026-11``.
        entries: ``date``, ``person`` (the worker id), ``name``, and ``what`` happens.
        today: which day is today.
    """
    by_day: dict[date, list[Mapping[str, Any]]] = defaultdict(list)
    for one in entries:
        day = date.fromisoformat(str(one["date"])[:10])
        if f"{day:%Y-%m}" == month:
            by_day[day].append(one)
    st.html(_STYLE + grid(month, by_day, today) + _agenda(month, by_day))


def grid(month: str, by_day: Mapping[date, Sequence[Mapping[str, Any]]], today: date) -> str:
    """A month as a table: a column for each weekday, a row for each week."""
    year, number = map(int, month.split("-"))
    head = "".join(f'<th scope="col">{name}</th>' for name in calendar.day_name)
    weeks = []
    for week in calendar.Calendar().monthdatescalendar(year, number):
        days = "".join(_day(day, by_day.get(day, ()), today) if day.month == number else "<td></td>" for day in week)
        past = ' class="past"' if week[-1] < today else ""
        weeks.append(f"<tr{past}>{days}</tr>")
    return (
        f'<div class="iam-wide"><table class="iam-month"><caption>{escape(named(month))}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{''.join(weeks)}</tbody></table></div>"
    )


def _day(day: date, entries: Sequence[Mapping[str, Any]], today: date) -> str:
    now = ' class="today" aria-current="date"' if day == today else ""
    return f'<td{now}><span class="d">{day.day}</span>{_entries(entries)}</td>'


def _entries(entries: Sequence[Mapping[str, Any]]) -> str:
    if not entries:
        return ""
    items = [f"<li>{_entry(one)}</li>" for one in entries]
    shown = f"<ul>{''.join(items[:_SHOWN])}</ul>"
    if len(items) <= _SHOWN:
        return shown
    more = len(items) - _SHOWN
    return f"{shown}<details><summary>{more} more</summary><ul>{''.join(items[_SHOWN:])}</ul></details>"


def _entry(one: Mapping[str, Any]) -> str:
    what = str(one.get("what") or "")
    sign, said = WHAT.get(what, (_OTHERWISE, what.replace("_", " ")))
    who = show.link(f"/people?person={part(str(one['person']))}", one.get("name") or one["person"])
    return f'<span aria-hidden="true">{sign}</span> {who} {escape(said)}'


def _agenda(month: str, by_day: Mapping[date, Sequence[Mapping[str, Any]]]) -> str:
    days = "".join(
        f"<li><strong>{day:%A} {day.isoformat()}</strong>{_entries(entries)}</li>"
        for day, entries in sorted(by_day.items())
    )
    return f'<div class="iam-agenda"><p>{escape(named(month))}</p><ul>{days or "<li>Nothing is announced.</li>"}</ul></div>'
