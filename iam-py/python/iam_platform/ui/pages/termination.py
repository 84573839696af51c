"""Termination: somebody leaves; after a last day, now, or urgently."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import streamlit as st

from iam_platform.ui import identity, record, session, show
from iam_platform.ui.backend import BackendError, NotFoundError, part
from iam_platform.ui.drafts import Draft
from iam_platform.ui.page import page
from iam_platform.ui.scheduled import scheduled
from iam_platform.ui.submission import Submission, Wish

if TYPE_CHECKING:
    from collections.abc import Mapping

_AFTER, _NOW, _URGENT, _OFF = "after", "now", "urgent", "off"
_SAID = {
    _AFTER: "After a last day",
    _NOW: "Now",
    _URGENT: "Urgently: sign-in is blocked at once",
    _OFF: "Not at all: call the termination off",
}
_HOW, _DAY, _WHO = "leave-how", "leave-day", "leave-person"


@page(
    "Termination",
    "termination",
    "🚪",
    "hr.write",
    "Somebody leaves: access ends after the last day, now, or urgently before anything else.",
)
def termination() -> None:
    """Draws it."""
    way = Submission("leave")
    if way.outcome("Terminate somebody else"):
        return
    draft = Draft("termination", [_HOW, _DAY, _WHO])
    restored = draft.restore()
    if restored and st.session_state.get(_WHO) and "person" not in st.query_params:
        st.query_params["person"] = st.session_state[_WHO]
    person = identity.choose("leave", verb="Who leaves?")
    if person is None:
        return
    with st.container():
        if st.session_state.get(_WHO) != person["person"]:
            st.session_state[_WHO] = person["person"]
            st.session_state[_HOW], st.session_state[_DAY] = None, None
        elif restored:
            st.info("**What you had chosen is back.** It is kept for an hour.", icon="📝")
        identity.card(person)
        identity.other("leave")
        if person["lifecycle"] in identity.GONE:
            st.info(f"**{show.text(identity.named(person))} has left already.** There is nothing to end.", icon="🚪")
            return
        identity.holds(person)
        _reports(person)
        announced = scheduled(person["person"], key="leave")
    # What was told as an event is called off as such: no record undoes it.
    by_record = _leaves(person) and all(told["kind"] != "leave" for told in announced)
    flaws = _how(person, [_AFTER, _NOW, _URGENT, *([_OFF] if by_record else [])])
    draft.keep(begun=st.session_state.get(_HOW) is not None)
    way.flawed(flaws)
    way.offer(None if flaws else _wish(person), draft.drop)


def _reports(person: Mapping[str, Any]) -> None:
    """Who loses their manager."""
    account = ((person.get("accounts") or {}).get("graph") or {}).get("id")
    if not account or not session.viewer().may("graph.read"):
        return
    try:
        found = session.backend().get(f"/graph/users/{part(account)}/reports")
    except NotFoundError:
        return
    except BackendError:
        st.caption("Who reports to them could not be read just now.")
        return
    reports = [str(one.get("displayName") or one.get("userPrincipalName")) for one in found["value"]]
    if reports:
        more = " and others" if found.get("@odata.nextLink") else ""
        st.warning(
            f"**{show.text(', '.join(reports))}{more}** {'report' if len(reports) > 1 else 'reports'} to them: tell HR "
            "who follows as manager.",
            icon="👥",
        )


def _how(person: Mapping[str, Any], options: list[str]) -> list[record.Flaw]:
    """When it ends; what is missing still."""
    st.subheader("When does it end?", anchor=False)
    if st.session_state.get(_HOW) not in (None, *options):
        st.session_state[_HOW] = None
    how = st.radio("When access ends", options, index=None, key=_HOW, format_func=_SAID.__getitem__)
    if person["lifecycle"] in ("pending", "staged"):
        st.info("They have not begun yet: this calls the hire off.", icon="📅")
    if how == _URGENT:
        st.error(
            "**Sign-in is blocked at once, and every session ends.** It overtakes all other work, whatever last day is "
            "known. Group, licence and role changes follow right behind.",
            icon="🚨",
        )
    if how is None:
        return [record.Flaw("how", "Choose when access ends.", missing=True)]
    if how != _AFTER:
        return []
    day: date | None = st.date_input(
        "Last day of work (required)",
        value=None,
        key=_DAY,
        format="YYYY-MM-DD",
        min_value=date(1990, 1, 1),
        max_value=date(2100, 1, 1),
        help="Inclusive: access ends when this day is over where they work.",
    )
    if day is None:
        return [record.Flaw("day", "Last day of work is missing.", missing=True)]
    first = (person.get("record") or {}).get("hire_date")
    if first and day.isoformat() < first:
        return [record.Flaw("day", f"The last day is before the first one, {first}.")]
    if day < record.today():
        st.markdown("⚠ That day is over: access ends at once.")
    doubt = record.far(day)
    if doubt:
        st.markdown(f"⚠ {show.text(doubt)}")
    return []


def _wish(person: Mapping[str, Any]) -> Wish:
    known, how = person.get("record") or {}, st.session_state[_HOW]
    worker_id, whom = person["person"], identity.named(person)
    if how == _OFF:
        stays = record.of_record(known, employeeId=worker_id, status="Active", lastDay=None)
        return Wish(worker_id, whom, stays, "/hr/update", dict(stays), "Keep")
    day: date | None = st.session_state.get(_DAY) if how == _AFTER else None
    last = day.isoformat() if day else None
    whole = record.of_record(known, employeeId=worker_id, status="Terminated", lastDay=last)
    remark = ""
    if day and day >= record.today():
        remark = (
            f"Access ends when **{show.text(day)}** is over where they work. Until then they keep what they have; the "
            "plan for that moment is made then, from what they hold."
        )
    path, body = "/hr/termination", dict[str, Any](whole)
    if how == _URGENT:
        path, body = "/hr/events", {"person": worker_id, "kind": "leave", "urgent": True}
    return Wish(
        worker_id,
        whom,
        whole,
        path,
        body,
        "Block and terminate" if how == _URGENT else "Terminate",
        remark=remark,
        always_typed=True,
        at_once=how == _URGENT,
    )


def _leaves(person: Mapping[str, Any]) -> bool:
    return person["lifecycle"] == "leaving" or bool((person.get("record") or {}).get("last_day"))
