"""One upload: its errors, what it would lead to, the decision, and what became of it."""

from __future__ import annotations

from typing import Any

import streamlit as st

from iam_platform.ui import plan as plans
from iam_platform.ui import session, show
from iam_platform.ui.backend import AwayError, BackendError, part
from iam_platform.ui.follow import follow

from . import job_list

_MOST_ERRORS = 200
_MOST_PEOPLE = 200
_SHOWN = 20
_PLANNED = "_csv_plan"
_TOO_LONG = 422
_ERRORS = {"row": "Line", "field": "Column", "message": "What is wrong", "code": "Code"}
#: Steps and events that end what somebody has.
_ENDS = frozenset({"leave", "revoke", "block_sign_in", "revoke_sessions", "delete_account"})
_VALID, _ALL = "skip", "refuse"


def draw(job_id: str) -> None:
    """Draws the upload of that id, whatever it is about to do."""
    job_list.back("All uploads", _PLANNED)
    job = follow(job_id, key="csv")
    if job is None:
        return
    if job["kind"] != "upload":
        show.nothing("This job is no upload.", "Look at it on the page Jobs.")
        return
    if job.get("file"):
        st.caption(f"File {show.text(job['file'])}, sent {show.text(show.instant(job.get('created_at')))}")
    if job.get("mode") == "apply":
        _applied(job)
    else:
        _checked(job)


# --- before ---------------------------------------------------------------------------------------------------------


def _checked(job: dict[str, Any]) -> None:
    if job["state"] != "done":
        st.error(f"**The file cannot be used.** {show.text(job.get('why') or '')}", icon="⛔")
        st.markdown("Mend it, and upload it again. Nothing was accepted.")
        return
    rejected, good = job.get("rejected") or 0, _good(job)
    _errors(job)
    if not good:
        show.nothing("No row can be accepted.", "Mend the rows that the report names, and upload the file again.")
        return
    st.header("What would happen", anchor=False)
    preview = _planned(job)
    if preview is None:
        return
    if preview.get("unknown"):
        st.warning(f"**The plan is not shown.** {show.text(preview['unknown'])}", icon="⚠️")
    else:
        _kinds(preview)
        _people(preview)
    _decide(job, preview, good, rejected)


def _good(job: dict[str, Any]) -> int:
    return max(0, (job.get("rows") or 0) - (job.get("rejected") or 0))


def _errors(job: dict[str, Any]) -> None:
    rejected = job.get("rejected") or 0
    if not rejected:
        return
    st.header("Rows with errors", anchor=False)
    try:
        found = session.backend().get(f"/jobs/{part(job['id'])}/rejects", limit=_MOST_ERRORS)["rejects"]
    except BackendError as error:
        show.problem(error, key="csv-rejects")
        found = []
    if found:
        show.table(found, _ERRORS, caption="Errors, by line of the file", numbers=("row",))
    if rejected > len(found):
        st.caption(f"{len(found):,} of {rejected:,} are shown: the report has them all.")
    _report(job, "Download the error report")


def _report(job: dict[str, Any], said: str) -> None:
    backend, where = session.backend(), f"/jobs/{part(job['id'])}/report"
    st.download_button(
        said,
        data=lambda: backend.content(where),
        file_name=f"{job['id']}-report.csv",
        mime="text/csv",
        key="csv-report",
        on_click="ignore",
        icon="⬇️",
        help="Your rows as they are, each with its result, and what is wrong with it. No cell of it is a formula.",
    )


def _planned(job: dict[str, Any]) -> dict[str, Any] | None:
    """The plan, asked for once: it may take a while."""
    kept: tuple[str, dict[str, Any]] | None = st.session_state.get(_PLANNED)
    if kept is not None and kept[0] == job["id"]:
        return kept[1]
    try:
        with st.spinner("Working out what would happen…"):
            found: dict[str, Any] = session.backend().get_slowly(f"/jobs/{part(job['id'])}/plan", limit=_MOST_PEOPLE)
    except BackendError as error:
        if error.status != _TOO_LONG:
            show.problem(error, key="csv-plan")
            if not isinstance(error, AwayError):
                st.button("Work it out again", key="csv-plan-anew")
            return None
        # The guard looks at the whole all the same.
        found = {"people": [], "unknown": error.detail or error.title}
    st.session_state[_PLANNED] = (job["id"], found)
    st.session_state.pop("_csv_shown", None)
    return found


def _people(preview: dict[str, Any]) -> None:
    """The plan of each person, some at a time: a page of hundreds is slow."""
    shown = st.session_state.get("_csv_shown", _SHOWN)
    people = preview["people"]
    plans.plan(preview | {"people": people[:shown]}, caption="Plan of this upload")
    if len(people) > shown and st.button(f"Show {min(_SHOWN, len(people) - shown)} more", key="csv-more"):
        st.session_state["_csv_shown"] = shown + _SHOWN
        st.rerun()


def _kinds(preview: dict[str, Any]) -> None:
    counts: dict[str, int] = preview.get("by_kind") or {}
    if not counts:
        return
    rows = [{"kind": kind.replace("_", " "), "count": f"{count:,}"} for kind, count in sorted(counts.items())]
    show.table(rows, {"kind": "Kind", "count": "How many"}, caption="In short", numbers=("count",))


def _takes(preview: dict[str, Any]) -> bool:
    """Whether somebody loses something, on the people that are shown or on those that are not."""
    kinds = {str(kind) for kind in preview.get("by_kind") or {}}
    kinds |= {str(one.get("kind")) for one in plans.people_of(preview)}
    return bool(kinds & _ENDS) or plans.takes_away(preview)


def _decide(job: dict[str, Any], preview: dict[str, Any], good: int, rejected: int) -> None:
    st.header("Accept it", anchor=False)
    how = _VALID
    if rejected:
        said = {
            _VALID: f"Valid rows only: {good:,} are accepted, {rejected:,} left out",
            _ALL: "All or nothing: with one error, no row is accepted",
        }
        how = st.radio("Which rows", (_VALID, _ALL), format_func=said.__getitem__, key="csv-how") or _VALID
    why_not: str | None = None
    if how == _ALL and rejected:
        why_not = f"{rejected:,} rows have errors: mend them and upload the file again, or accept the valid rows only."
    stops = plans.stopped(preview)
    if _takes(preview) or stops or preview.get("unknown"):
        why = "People lose access by it"
        if stops:
            why = "A part of it is stopped until somebody has looked"
        elif preview.get("unknown"):
            why = "What would happen is not shown"
        st.markdown(f"**{why}.** Type the number of rows that are to be accepted, **{good}**, to go on.")
        typed = st.text_input("Number of rows", key="csv-typed", max_chars=12, autocomplete="off")
        if why_not is None and typed.strip().replace(",", "") != str(good):
            why_not = f"Type {good} first."
    if why_not and how == _ALL:
        st.info(show.text(why_not), icon="✋")
    if not st.button(
        f"Accept {good:,} {'row' if good == 1 else 'rows'}",
        key="csv-apply",
        type="primary",
        disabled=why_not is not None,
        help=why_not or "The work begins at once, and goes on without this page.",
    ):
        return
    with st.spinner("Accepting…"):
        # The same decision about the same file is one, however often it is sent.
        once = {"Idempotency-Key": f"apply-{job['id']}-{how}"}
        said = session.backend().post(f"/jobs/{part(job['id'])}/apply", headers=once, on_error=how)
    st.session_state.pop(_PLANNED, None)
    job_list.opened(said["id"])


# --- after ----------------------------------------------------------------------------------------------------------


def _applied(job: dict[str, Any]) -> None:
    accepted, unchanged, rejected = (job.get(name) or 0 for name in ("accepted", "unchanged", "rejected"))
    match job["state"]:
        case "done":
            st.markdown(
                f"**{accepted:,} {'row was' if accepted == 1 else 'rows were'} accepted**, {unchanged:,} said nothing "
                f"new, {rejected:,} had errors. The work on each person goes on by itself."
            )
        case "held":
            st.warning(
                f"**This delivery is held.** {show.text(job.get('why') or '')} Nothing of it counts until somebody "
                "believes it or gives it up.",
                icon="✋",
            )
            if session.viewer().may("admin.read"):
                show.links(show.link("/decisions?tab=deliveries", "Go to the decisions"))
        case _:
            st.error(f"**Nothing was accepted.** {show.text(job.get('why') or '')}", icon="⛔")
    if session.viewer().may("jobs.read"):
        show.links(show.link("/jobs?kind=event", "See the work on each person"))
    _errors(job)
    if not rejected:
        _report(job, "Download the report")
