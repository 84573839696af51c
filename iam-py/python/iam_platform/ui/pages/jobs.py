"""Jobs: everything that was accepted, where it stands, and each step of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from iam_platform.ui import session, show
from iam_platform.ui.backend import part
from iam_platform.ui.follow import follow
from iam_platform.ui.page import page

from . import job_list

if TYPE_CHECKING:
    from collections.abc import Mapping

_KINDS = ("event", "batch", "upload")
_COLUMNS = {
    "when": "When",
    "kind": "Kind",
    "about": "About",
    "state": "State",
    "why": "Why",
    "open": "Details",
}


@page("Jobs", "jobs", "⚙️", "jobs.read", "Everything that was accepted and still counts: where it stands, step by step.")
def jobs() -> None:
    """Draws it."""
    job = st.query_params.get("job")
    if job:
        _one(job)
    else:
        _list()


def _one(job_id: str) -> None:
    job_list.back("All jobs")
    job = follow(job_id, key="jobs")
    if job is None:
        return
    if job.get("person") and session.viewer().may("people.read"):
        show.links(show.link(f"/people?person={part(job['person'])}", f"Go to {job['person']}"))
    if job["kind"] == "upload" and session.viewer().may("hr.upload"):
        show.links(show.link(f"/csv-upload?job={part(job['id'])}", "Go to the upload"))


def _list() -> None:
    beside = st.columns(3)
    with beside[0]:
        state = job_list.one_of("State", job_list.STATES, "state")
    with beside[1]:
        kind = job_list.one_of("Kind", _KINDS, "kind")
    with beside[2]:
        typed = st.text_input(
            "Worker id", key="person", bind="query-params", on_change=job_list.from_the_start, placeholder="W-1003"
        )
    person = (typed or "").strip() or None
    # Reminders that something later has replaced are most of a journal: they are shown to who asks for them.
    found = job_list.read(state=state or job_list.COUNTING, kind=kind, person=person)
    filtered = job_list.is_filtered(state, kind, person)
    show.table(
        [_row(job) for job in found["jobs"]],
        _COLUMNS,
        caption="Jobs, newest first",
        signs=("state",),
        empty="There is no such job." if filtered else "Nothing was accepted yet.",
        hint="Take a filter away."
        if filtered
        else "Hire somebody, or upload a file: what becomes of it is shown here.",
    )
    job_list.onward(found, "jobs")


def _row(job: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "when": show.instant(job.get("created_at")),
        "kind": job.get("happened") or job["kind"],
        "about": _about(job),
        "state": show.state(job["state"]),
        "why": job.get("why") or "",
        "open": show.link(f"/jobs?job={part(job['id'])}", "Open"),
    }


def _about(job: Mapping[str, Any]) -> object:
    person = job.get("person")
    if person:
        may = session.viewer().may("people.read")
        return show.link(f"/people?person={part(person)}", person) if may else person
    if job["kind"] == "upload":
        counts = f"{job_list.count(job, 'rows') or 'no'} rows"
        return f"{job['file']}: {counts}" if job.get("file") else counts
    return ", ".join(f"{count:,} {state}" for state, count in (job.get("events") or {}).items())
