"""New Hire: somebody joins, now or on a day to come."""

from __future__ import annotations

import streamlit as st

from iam_platform.ui import identity, record, session, show
from iam_platform.ui.backend import BackendError, part
from iam_platform.ui.drafts import Draft
from iam_platform.ui.page import page
from iam_platform.ui.submission import Submission, Wish

_ROWS = (
    ("employeeId", "hireDate"),
    ("firstName", "lastName"),
    ("department", "jobTitle"),
    ("location", "country"),
    ("managerId", "workerType"),
)
_MORE = (
    ("preferredName", "middleName"),
    ("timeZone", "lastDay"),
    ("costCenter", "company"),
    ("email", "previousId"),
)
_FORM = record.Form(
    "hire",
    [name for row in (*_ROWS, *_MORE) for name in row],
    required=("employeeId", "hireDate", "country"),
)


@page(
    "New Hire",
    "new-hire",
    "🌱",
    "hr.write",
    "Somebody joins: what HR knows of them goes in, and the plan shows what they get before anything happens.",
)
def hire() -> None:
    """Draws it."""
    way = Submission("hire")
    if way.outcome("Hire somebody else"):
        return
    draft = Draft("new-hire", _FORM.keys)
    # What comes and goes above the fields has a place of its own, so that no field moves while somebody types.
    with st.container():
        if draft.restore():
            st.info("**What you had typed is back.** It is kept for an hour.", icon="📝")
        _known_before()
        flaws = _FORM.flaws()
        try:
            flaws += _taken()
        except BackendError:
            st.caption("Whether the worker id is taken cannot be looked up just now.")
    shown = [flaw for flaw in flaws if way.tried or not flaw.missing]
    _FORM.draw(_ROWS, shown, below={"managerId": _FORM.manager, "hireDate": _doubt})
    with st.expander("More about them", expanded=any(flaw.field in _names(_MORE) for flaw in shown)):
        _FORM.draw(_MORE, shown)
    draft.keep()
    st.button("Empty the form", key="hire-empty", on_click=draft.drop)
    way.flawed(flaws)
    way.offer(None if flaws else _wish(), draft.drop)


def _wish() -> Wish:
    said = _FORM.values()
    first = said["hireDate"]
    remark = ""
    if first > record.today().isoformat():
        remark = (
            f"The first day is **{show.text(first)}**. Before it begins, nobody can sign in; when the account is made "
            "before that, the policy says. Everything is planned afresh on the day."
        )
    whom = " ".join(filter(None, (said.get("preferredName") or said.get("firstName"), said.get("lastName"))))
    return Wish(
        person=said["employeeId"],
        whom=whom,
        record=said | {"status": "Active"},
        path="/hr/new-hire",
        body=said | {"status": "Active"},
        verb="Hire",
        remark=remark,
    )


def _known_before() -> None:
    """Somebody who was here before comes with the address: what is known of them stands in the form."""
    wanted = st.query_params.get("person")
    if not wanted or st.session_state.get("_hire_from") == wanted:
        return
    st.session_state["_hire_from"] = wanted
    known = identity.known(wanted)
    if known is None or not known.get("record"):
        return
    _FORM.fill(known["record"] | {"employee_id": known["person"], "hire_date": None, "last_day": None})


def _taken() -> list[record.Flaw]:
    """Whether the worker id is somebody's who has not left."""
    worker_id = _FORM.values().get("employeeId")
    known = identity.known(worker_id) if worker_id else None
    if worker_id is None or known is None:
        return []
    if known["lifecycle"] in identity.GONE:
        st.info(
            f"**{show.text(worker_id)} is {show.text(identity.named(known))}, who has left.** They join again: the plan is "
            "made from the policy, and old groups do not come back by themselves.",
            icon="↩️",
        )
        return []
    message = f"{worker_id} is taken: it is {identity.named(known)}."
    if session.viewer().may("hr.write"):
        show.links(show.link(f"/update?person={part(worker_id)}", f"Update {identity.named(known)} instead"))
    return [record.Flaw("employeeId", message)]


def _doubt() -> None:
    doubt = record.far(st.session_state.get(_FORM.key("hireDate")))
    if doubt:
        st.markdown(f"⚠ {show.text(doubt)}")


def _names(rows: tuple[tuple[str, ...], ...]) -> set[str]:
    return {name for row in rows for name in row}
