"""Update: something about somebody changes, now or from a day to come."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import streamlit as st

from iam_platform.ui import identity, record, show
from iam_platform.ui.backend import part
from iam_platform.ui.drafts import Draft
from iam_platform.ui.page import page
from iam_platform.ui.scheduled import scheduled
from iam_platform.ui.submission import Submission, Wish

if TYPE_CHECKING:
    from collections.abc import Mapping

_ROWS = (
    ("firstName", "lastName"),
    ("department", "jobTitle"),
    ("location", "country"),
    ("managerId", "workerType"),
)
_MORE = (
    ("preferredName", "middleName"),
    ("timeZone", "costCenter"),
    ("company", "email"),
    ("hireDate", "lastDay"),
    ("status", "previousId"),
    ("leaveFrom", "leaveUntil"),
)
_FORM = record.Form("update", [name for row in (*_ROWS, *_MORE) for name in row], required=())
_NOW, _LATER = "At once", "From a day to come"
_WHEN, _DAY, _WHO, _COPY = "update-when", "update-day", "update-person", "_update_said"
_NAMES = frozenset({"firstName", "middleName", "lastName", "preferredName"})


@page(
    "Update",
    "update",
    "✏️",
    "hr.write",
    "Something changes: another team, name, manager or place. What differs is shown, and what follows from it.",
)
def update() -> None:
    """Draws it."""
    way = Submission("update")
    if way.outcome("Update somebody else"):
        return
    _reinstate()
    draft = Draft("update", [*_FORM.keys, _WHO, _WHEN, _DAY])
    restored = draft.restore()
    if restored and st.session_state.get(_WHO) and "person" not in st.query_params:
        st.query_params["person"] = st.session_state[_WHO]
    person = identity.choose("update", verb="Whose record changes?")
    if person is None:
        return
    known = person.get("record") or {}
    # What comes and goes above the fields has a place of its own, so that no field moves while somebody types.
    with st.container():
        if st.session_state.get(_WHO) != person["person"]:
            _begin(person)
        elif restored:
            st.info("**What you had typed is back.** It is kept for an hour.", icon="📝")
        identity.card(person)
        identity.other("update")
        if person["lifecycle"] in identity.GONE:
            _gone(person)
            return
        scheduled(person["person"], key="update")
    flaws = _FORM.flaws()
    shown = [flaw for flaw in flaws if way.tried or not flaw.missing]
    st.subheader("The record", anchor=False)
    _FORM.draw(_ROWS, shown, below={"managerId": _FORM.manager})
    before = record.of_record(known, employeeId=person["person"])
    more = {name for row in _MORE for name in row}
    with st.expander("More about them", expanded=any(flaw.field in more for flaw in shown)):
        _FORM.draw(_MORE, shown)
    day = _from_when()
    _copy(person["person"])
    after = _FORM.values() | {"employeeId": person["person"]}
    changed = record.differences(before, after)
    draft.keep(begun=bool(changed))
    st.button("Back to what is known", key="update-empty", on_click=_begin, args=(person,))
    st.subheader("What differs", anchor=False)
    show.table(
        changed,
        {"field": "Field", "before": "Now", "after": "Then"},
        caption="What differs from the record",
        empty="Nothing differs from the record yet.",
        hint="Change something above: then the plan shows what follows from it.",
    )
    way.flawed(flaws)
    if changed and not (day is None and st.session_state.get(_WHEN) == _LATER):
        way.offer(None if flaws else _wish(person, before, after, day), lambda: _done(draft))


def _wish(person: Mapping[str, Any], before: Mapping[str, str], after: dict[str, str], day: date | None) -> Wish:
    path, body, remark = "/hr/update", dict[str, Any](after), ""
    if day is not None and day > record.today():
        path = "/hr/events"
        body = {
            "person": person["person"],
            "kind": _kind(before, after),
            "effective": day.isoformat(),
            "record": dict(after),
        }
        remark = (
            f"It counts from **{show.text(day)}**. Below stands what would happen if it were today; it is planned "
            "afresh on the day, and nothing happens before."
        )
    return Wish(
        person=person["person"],
        whom=identity.named(person),
        record=dict(after),
        path=path,
        body=body,
        verb="Update",
        remark=remark,
    )


def _kind(before: Mapping[str, str], after: Mapping[str, str]) -> str:
    """What it is that happens, in the words of events."""
    changed = {name for name in record.FIELDS if before.get(name, "") != after.get(name, "")}
    if "status" in changed:
        return "suspend" if after.get("status") == "On Leave" else "resume"
    if "workerType" in changed:
        return "convert"
    return "rename" if changed <= _NAMES else "move"


def _from_when() -> date | None:
    """The day from which it counts; None counts at once."""
    chosen = st.radio("From when does it count?", (_NOW, _LATER), key=_WHEN, horizontal=True)
    if chosen != _LATER:
        return None
    day: date | None = st.date_input(
        "First day on which it counts (required)",
        value=None,
        key=_DAY,
        format="YYYY-MM-DD",
        min_value=record.today(),
        max_value=date(2100, 1, 1),
    )
    if day is None:
        st.markdown("**✖ Choose the day, to see the plan.**")
    return day


def _gone(person: Mapping[str, Any]) -> None:
    st.info(
        f"**{show.text(identity.named(person))} has left.** A record of somebody who has left changes nothing.",
        icon="🚪",
    )
    show.links(show.link(f"/new-hire?person={part(person['person'])}", "Hire them again"))


def _begin(person: Mapping[str, Any]) -> None:
    """The form as the record stands."""
    _FORM.fill(person.get("record"))
    st.session_state[_WHO] = person["person"]
    st.session_state[_WHEN], st.session_state[_DAY] = _NOW, None
    _copy(person["person"])


def _copy(person: str) -> None:
    """Streamlit forgets the widgets of a page that somebody leaves: what is empty must stay empty, not come back."""
    said = {key: st.session_state.get(key) for key in (*_FORM.keys, _WHEN, _DAY)}
    st.session_state[_COPY] = (person, said)


def _reinstate() -> None:
    person, said = st.session_state.get(_COPY, (None, {}))
    if person is not None and person == st.session_state.get(_WHO):
        for key, value in said.items():
            st.session_state.setdefault(key, value)


def _done(draft: Draft) -> None:
    draft.drop()
    st.session_state.pop(_COPY, None)
