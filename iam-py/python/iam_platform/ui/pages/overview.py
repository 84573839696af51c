"""Overview: what happened, what is under way, what is to come, and what waits for somebody."""

from __future__ import annotations

import importlib
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import streamlit as st

from iam_platform.ui import month, session, show
from iam_platform.ui.backend import BackendError, ExpiredError
from iam_platform.ui.page import page

from .jobs import jobs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_DAYS, _AHEAD, _MOST = 14, 45, 200
_EVERY = 30.0
_KEPT = "_overview"
_KINDS = {"joiners": "Joiners", "movers": "Movers", "leavers": "Leavers"}
#: Told apart on white and on black.
_COLOURS = ("#2f80ed", "#a05ae0", "#c8641b")
_FEW = 0.1

#: What waits for somebody: a count of it, one, many, and where it is decided.
_WAITS = {
    "frozen": ("plan that the guard has stopped", "plans that the guard has stopped", "/decisions?tab=guard"),
    "held": ("delivery that is held", "deliveries that are held", "/decisions?tab=deliveries"),
    "asks": (
        "question that only somebody can answer",
        "questions that only somebody can answer",
        "/decisions?tab=asks",
    ),
    "set_aside": ("event that was set aside", "events that were set aside", "/decisions?tab=events"),
    "dead_letters": ("message that nobody understands", "messages that nobody understands", "/decisions?tab=letters"),
    "quarantined": ("event in quarantine", "events in quarantine", "/decisions?tab=quarantined"),
    "overdue": (
        "date that has come and was not worked off",
        "dates that have come and were not worked off",
        "/decisions?tab=late",
    ),
}


@page("Overview", "overview", "🏠", "people.read")
def overview() -> None:
    """Draws it, and again every half minute; what has the focus keeps it."""

    @st.fragment(run_every=_EVERY)
    def live() -> None:
        try:
            told: Mapping[str, Any] = session.backend().get("/overview", days=_DAYS, ahead=_AHEAD)
        except ExpiredError as error:
            show.problem(error, key="overview-live")
            return
        except BackendError as error:
            show.problem(error, key="overview-live")
            told = st.session_state.get(_KEPT) or {}
            if not told:
                return
            st.caption("What stands below is what was known before.")
        st.session_state[_KEPT] = told
        _draw(told)

    live()


def _draw(told: Mapping[str, Any]) -> None:
    days: Sequence[Mapping[str, Any]] = told.get("days") or ()
    _figures(days, told.get("jobs") or {})
    left, right = st.columns([3, 2], gap="large")
    with left:
        _chart(days)
    with right:
        _attention(told.get("attention"))
    _calendar(told)
    left, right = st.columns(2, gap="large")
    with left:
        _licences(told.get("licences") or ())
    with right:
        _connectors(told.get("connectors") or ())


# --- figures --------------------------------------------------------------------------------------------------------


def _figures(days: Sequence[Mapping[str, Any]], counts: Mapping[str, int]) -> None:
    kinds = st.columns(len(_KINDS))
    for place, (key, said) in zip(kinds, _KINDS.items(), strict=True):
        series = [int(one.get(key) or 0) for one in days]
        place.metric(
            f"{said}, last {len(days)} days",
            f"{sum(series):,}",
            border=True,
            chart_data=series or None,
            chart_type="bar",
            help=f"{series[-1] if series else 0} of them today.",
        )
    if not session.viewer().may("jobs.read"):
        return
    states = st.columns(3)
    for place, state in zip(states, ("running", "waiting", "failed"), strict=True):
        count = int(counts.get(state) or 0)
        with place.container(border=True):
            sign, said = show.STATES[state]
            st.markdown(f"{sign} **{count:,}** {'job' if count == 1 else 'jobs'} {said}")
            where = st.Page(jobs.shown(), title=jobs.title, url_path=jobs.path)
            st.page_link(where, label=f"Show {state} jobs", query_params={"state": state})


def _chart(days: Sequence[Mapping[str, Any]]) -> None:
    st.header("Day by day", anchor=False)
    if not any(one.get(key) for one in days for key in _KINDS):
        show.nothing(
            f"Nobody has joined, moved or left in the last {len(days) or _DAYS} days.",
            "Hire somebody, or upload a file: it shows here.",
        )
        return
    # Another session may be importing pandas just now, and altair takes a half of it for the whole.
    importlib.import_module("pandas")
    import altair as alt

    values = [
        {"day": str(one["date"])[5:], "what": said, "people": int(one.get(key) or 0)}
        for one in days
        for key, said in _KINDS.items()
    ]
    order = list(_KINDS.values())
    chart = (
        alt.Chart(alt.InlineData(values=values))
        .mark_line(point={"size": 60, "filled": True})
        .encode(
            x=alt.X("day:O", title=None, axis=alt.Axis(labelAngle=-45)),
            y=alt.Y("people:Q", title="People", axis=alt.Axis(tickMinStep=1, format="d")),
            color=alt.Color(
                "what:N",
                title=None,
                sort=order,
                legend=alt.Legend(orient="top"),
                scale=alt.Scale(domain=order, range=list(_COLOURS)),
            ),
            shape=alt.Shape("what:N", title=None, sort=order),
            strokeDash=alt.StrokeDash("what:N", title=None, sort=order),
            tooltip=[alt.Tooltip("day:O", title="Day"), "what:N", "people:Q"],
        )
        .properties(height=260)
    )
    totals = ", ".join(f"{sum(int(one.get(key) or 0) for one in days):,} {key}" for key in _KINDS)
    st.altair_chart(chart, key="overview-chart", alt=f"Lines by day: {totals}. The table below has each day.")
    with st.expander("The same as a table"):
        rows = [{"date": show.day(one["date"]), **{key: f"{one.get(key) or 0:,}" for key in _KINDS}} for one in days]
        show.table(rows, {"date": "Day", **_KINDS}, caption="Joiners, movers and leavers by day", numbers=tuple(_KINDS))


# --- what waits, and what is to come --------------------------------------------------------------------------------


def _attention(waits: Mapping[str, Any] | None) -> None:
    st.header("Waits for somebody", anchor=False)
    if waits is None:
        st.markdown("Those who decide see here what waits for them.")
        return
    rows: list[dict[str, Any]] = []
    may = session.viewer().may("admin.read")
    for key, (one, many, where) in _WAITS.items():
        count = waits.get(key) or 0
        if count:
            said = one if count == 1 else many
            rows.append({"count": f"{count:,}", "what": show.link(where, said) if may else said})
    stalled = waits.get("stalled")
    if stalled:
        since = show.instant(stalled.get("since") or stalled.get("at"))
        rows.append({"count": "!", "what": f"Work that nobody takes{f', since {since}' if since else ''}"})
    worker = waits.get("worker") or "well"
    if worker not in ("well", "elsewhere"):
        rows.append({"count": "!", "what": f"The worker: {worker}"})
    show.table(
        rows,
        {"count": "How many", "what": "What"},
        caption="Needs a decision",
        numbers=("count",),
        empty="Nothing waits for anybody.",
        hint="Plans that the guard stops, held deliveries and the like appear here.",
    )


def _calendar(told: Mapping[str, Any]) -> None:
    st.header("Starts and last days to come", anchor=False)
    today = date.fromisoformat(str(told.get("today") or date.today().isoformat())[:10])  # noqa: DTZ011
    entries: Sequence[Mapping[str, Any]] = told.get("upcoming") or ()
    months = month.months(today, today + timedelta(days=_AHEAD))
    if st.session_state.get("overview-month") not in months:
        # Towards the end of a month the next one has more to tell.
        told_of = {str(one["date"])[:7] for one in entries}
        st.session_state["overview-month"] = next((one for one in months if one in told_of), months[0])
    chosen = st.segmented_control("Month", months, format_func=month.named, key="overview-month", required=True)
    month.draw(chosen or months[0], entries, today=today)
    if len(entries) >= _MOST:
        st.caption(f"The next {len(entries):,} are shown: there may be more.")
    if not entries:
        st.caption(f"Nobody starts or leaves in the next {_AHEAD} days, as far as HR has said.")


# --- what it stands on ----------------------------------------------------------------------------------------------


def _licences(licences: Sequence[Mapping[str, Any]]) -> None:
    st.header("Licence seats", anchor=False)
    show.table(
        [_licence(one) for one in licences],
        {"name": "Licence", "state": "State", "used": "Used", "left": "Left", "bar": "Share used"},
        caption="Seats of each licence",
        numbers=("used", "left"),
        signs=("state",),
        empty="No licences are known.",
        hint="The tenant has none, or cannot be asked just now: see the connectors.",
    )


def _licence(one: Mapping[str, Any]) -> dict[str, Any]:
    enabled, used = int(one.get("enabled") or 0), int(one.get("used") or 0)
    left = int(one["left"]) if one.get("left") is not None else enabled - used
    state = "✖ none left" if left <= 0 else "▲ few left" if left <= enabled * _FEW else "✔ enough"
    return {
        "name": one.get("name") or one.get("sku"),
        "state": state,
        "used": f"{used:,} of {enabled:,}",
        "left": f"{left:,}",
        "bar": show.bar(used, enabled),
    }


def _connectors(connectors: Sequence[Mapping[str, Any]]) -> None:
    st.header("Connectors", anchor=False)
    show.table(
        [
            {
                "name": one["name"],
                "state": "✔ answers" if one.get("ok") else "✖ fails",
                "detail": " ".join(filter(None, (one.get("detail"), one.get("advice")))),
                "at": show.instant(one.get("checked_at")),
            }
            for one in connectors
        ],
        {"name": "Connector", "state": "State", "detail": "What it says", "at": "Looked at"},
        caption="Systems that are worked on",
        signs=("state",),
        empty="No connector was looked at yet.",
        hint="It is done by itself within a minute.",
    )
