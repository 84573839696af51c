"""What goes on only by a decision: events that were set aside, steps of unknown outcome, and what is late."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from iam_platform.ui import session, show
from iam_platform.ui.backend import part

from . import deeds, listing
from .deeds import Deed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_SIZE = 20


def set_aside() -> Mapping[str, Any]:
    """A page of events that were set aside, the newest first."""
    answer: Mapping[str, Any] = session.backend().get(
        "/jobs", kind="event", state="failed", limit=_SIZE, before=st.query_params.get("before")
    )
    return answer


def events(answer: Mapping[str, Any]) -> None:
    """Events that were set aside: later ones of the same person wait behind them."""
    if not answer["jobs"]:
        show.nothing(
            "No event is set aside.", "An event that failed for good waits here, and with it whatever is to follow."
        )
    for job in answer["jobs"]:
        _event(job)
    if answer.get("next"):
        st.button("Older ones", key="events-next", on_click=lambda: st.query_params.update(before=str(answer["next"])))


def _event(job: Mapping[str, Any]) -> None:
    event = str(job["event"])
    with st.container(border=True):
        st.header(f"{show.text(_happened(job))} of {show.text(job['person'])}", anchor=False)
        st.markdown(f"✖ **{show.text(job.get('why') or 'It failed.')}**")
        st.markdown(f"Accepted {show.text(show.instant(job.get('created_at')))}. Event {show.text(event)}.")
        rows = [step | {"said": show.state(step.get("outcome"))} for step in job.get("steps") or ()]
        if rows:
            show.table(rows, {"said": "Outcome", "step": "Step", "why": "Why"}, caption="Steps so far", signs=("said",))
        with st.container(horizontal=True):
            for name, verb, about, done in (
                (
                    "Try again",
                    "requeue",
                    "It is worked on again, from the first step that is not done; then what waits behind it.",
                    "It is worked on again.",
                ),
                (
                    "Go on without it",
                    "skip",
                    "It stays undone, and what waits behind it goes on.",
                    "It is left undone; what waited behind it goes on.",
                ),
            ):
                deeds.offer(
                    Deed(
                        name,
                        f"{show.text(_happened(job))} of {show.text(job['person'])}: {about}",
                        lambda said, verb=verb: session.backend().post(  # type: ignore[misc]
                            f"/admin/events/{part(event)}/{verb}", {"reason": said.reason}
                        ),
                        done,
                        reason=True,
                        typed=str(job["person"]) if verb == "skip" else "",
                    ),
                    f"{verb}-{event}",
                    needs="admin.decide",
                )


def _happened(job: Mapping[str, Any]) -> str:
    kind = str(job.get("happened") or "event")
    return {"join": "Joining", "move": "Move", "leave": "Leaving"}.get(kind, kind.replace("_", " ").capitalize())


def asks(listed: Sequence[Mapping[str, Any]]) -> None:
    """Steps of which nobody knows whether they happened: repeating them could do harm."""
    if not listed:
        show.nothing(
            "No outcome is unknown.",
            "A step that was sent and never answered, and that must not be done twice, waits here until somebody has looked.",
        )
    for ask in listed:
        event, step = str(ask["event"]), str(ask["step"])
        with st.container(border=True):
            st.header(f"{show.text(step)}", anchor=False)
            st.markdown(
                f"Of {show.text(ask['person'])}, {show.text(_happened({'happened': ask.get('kind')}).lower())}, "
                f"{show.text(show.instant(ask.get('at')))}."
            )
            st.markdown("Look in the target system, then say what you saw.")
            with st.container(horizontal=True):
                for name, happened in (("It happened", True), ("It did not happen", False)):
                    deeds.offer(
                        Deed(
                            name,
                            "It counts as done." if happened else "It is done now.",
                            lambda said, event=event, step=step, happened=happened: session.backend().post(  # type: ignore[misc]
                                f"/admin/asks/{part(event)}/resolve",
                                {"step": step, "happened": happened, "reason": said.reason},
                            ),
                            f"{show.text(step)}: {'it happened' if happened else 'it did not happen'}.",
                            reason=True,
                        ),
                        f"ask-{event}-{step}-{happened}",
                        needs="admin.decide",
                    )


def quarantined() -> None:
    """Events under an id that was known with other content."""
    show.table(
        [
            one
            | {
                "who": listing.to("people", one["person"], person=one["person"], tab="timeline"),
                "when": show.instant(one["at"]),
            }
            for one in session.backend().get("/admin/quarantined")
        ],
        {"event": "Event", "who": "Person", "kind": "Kind", "when": "Came"},
        caption="Never applied: their ids were known with other content",
        empty="Nothing is quarantined.",
        hint="A message that says something else under an id that is known is kept here, and the first one counts.",
    )


def late(overview: Mapping[str, Any]) -> None:
    """Work that nobody takes, and instants that have come and were not worked off."""
    stalled, overdue = overview.get("stalled"), int(overview.get("overdue") or 0)
    if stalled:
        st.error(
            f"**Nobody takes the work of {show.text(stalled['person'])}** since {show.text(show.instant(stalled['since']))}. "
            "See that a worker runs and reaches the journal.",
            icon="⏳",
        )
    if overdue:
        st.error(
            f"**{overdue} {'instant has' if overdue == 1 else 'instants have'} come and not been worked off.** "
            "See that a worker runs; what is late is done as soon as one does.",
            icon="⏰",
        )
    if not stalled and not overdue:
        show.nothing(
            "Nothing is late.", "Work that no worker takes, and days that have come and passed, are told of here."
        )
