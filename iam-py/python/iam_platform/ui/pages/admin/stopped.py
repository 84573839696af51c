"""What the guard has stopped: plans that exceed a limit, and deliveries that are not like the one before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from iam_platform import diff
from iam_platform.ui import session, show
from iam_platform.ui.backend import part

from . import deeds, listing
from .deeds import Deed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: Steps of a stopped plan that are shown.
_SHOWN = 200

_STATES = {
    "frozen": "… waits for a release",
    "released": "▶ released",
    "applied": "✔ carried out",
    "superseded": "· superseded",
}


def plans(asked: Sequence[Mapping[str, Any]]) -> None:
    """Plans that exceed a limit: the open one, and what became of those before."""
    listed = session.backend().get("/admin/frozen")
    opened = [one for one in listed if one["is_open"]]
    for one in opened:
        _plan(one, asked)
    if not opened:
        show.nothing(
            "No plan is stopped.", "A plan that exceeds a limit of the policy's guard waits here for a second person."
        )
    over = [one for one in reversed(listed) if not one["is_open"]]
    if over:
        show.table(
            [
                one
                | {
                    "plan": one["hash"][:12],
                    "said": _STATES.get(one["state"], one["state"]),
                    "limits": one["trips"],
                    "when": show.instant(one["planned_at"]),
                }
                for one in over[:50]
            ],
            {
                "plan": "Plan", "when": "Planned", "people": "People", "steps": "Steps", "said": "State",
                "released_by": "Released by", "reason": "Reason", "limits": "Limits",
            },
            caption="Earlier ones",
            numbers=("people", "steps"),
            signs=("said",),
        )  # fmt: skip


def is_planner(planned_by: str) -> bool:
    """Whether the viewer planned it: decisions are signed with a name and the object id."""
    return f"({session.viewer().oid})" in planned_by


def _plan(plan: Mapping[str, Any], asked: Sequence[Mapping[str, Any]]) -> None:
    with st.container(border=True):
        st.header(f"{plan['people']} people, {plan['steps']} steps", anchor=False)
        for trip in plan["trips"]:
            st.markdown(f"⚠ **{show.text(trip)}**")
        st.markdown(
            f"Planned by {show.text(plan['planned_by'])}, {show.text(show.instant(plan['planned_at']))}. "
            f"Plan {show.text(plan['hash'][:12])}."
        )
        if plan["state"] == "released":
            st.info(
                f"**Released by {show.text(plan['released_by'])}:** {show.text(plan['reason'])}. "
                "The next run carries it out.",
                icon="▶️",
            )
        _would_do(asked)
        if plan["state"] != "frozen":
            return
        mine = is_planner(str(plan["planned_by"]))
        if mine and session.viewer().may("admin.decide"):
            st.info(
                "**You planned it: somebody else has to release it.** Two people look at what exceeds a limit.",
                icon="👥",
            )
        deeds.offer(
            Deed(
                "Release",
                f"This one plan, for {plan['people']} people, is carried out once although it exceeds a limit. "
                "If it has changed by then, it is stopped again.",
                lambda said: session.backend().post(
                    f"/admin/frozen/{part(plan['hash'])}/release", {"reason": said.reason}
                ),
                "The plan is released: the next run carries it out.",
                reason=True,
            ),
            f"release-{plan['hash'][:12]}",
            needs="admin.decide",
            why_not="You planned it: somebody else has to release it." if mine else "",
        )


def _would_do(asked: Sequence[Mapping[str, Any]]) -> None:
    """What the workers have asked the guard for: the stopped plan is made of it."""
    rows = [
        {
            "person": listing.to("people", ask["person"], person=ask["person"], tab="timeline"),
            "sign": line.sign,
            "what": line.what,
            "which": line.which,
            "why": line.why,
            "risk": line.risk,
        }
        for ask in asked
        if ask["standing"] == "asked"
        for step in ask["plan"]["steps"]
        for line in diff.lines(step)
    ]
    if not rows:
        return
    show.table(
        rows[:_SHOWN],
        {"sign": "", "person": "Person", "what": "What", "which": "Which", "why": "Why", "risk": "Risk"},
        caption="What it would do" if len(rows) <= _SHOWN else f"The first {_SHOWN} of {len(rows)} changes",
        signs=("sign",),
    )


def deliveries() -> None:
    """Deliveries that are not believed as they came."""
    listed = session.backend().get("/admin/deliveries")
    if not listed:
        show.nothing(
            "No delivery is held.", "A file that differs too much from the one before waits here: nothing of it counts."
        )
    for one in listed:
        _delivery(one)


def _delivery(delivery: Mapping[str, Any]) -> None:
    number = delivery["id"]
    with st.container(border=True):
        st.header(f"Delivery {number} from {show.text(delivery['source'])}", anchor=False)
        st.markdown(
            f"{delivery['rows']} rows, {show.text(show.instant(delivery['opened_at']))}, {show.text(delivery['state'])}."
        )
        for finding in delivery["findings"]:
            st.markdown(f"⚠ **{show.text(finding)}**")
        held = "" if delivery["state"] == "held" else "It was cut off while it came: send it again, or discard it."
        with st.container(horizontal=True):
            deeds.offer(
                Deed(
                    "Release delivery",
                    f"The {delivery['rows']} rows are believed as they came: whoever they say has left is dismissed. "
                    "It is what the next delivery is compared with.",
                    lambda said: session.backend().post(f"/admin/deliveries/{number}/release", {"reason": said.reason}),
                    f"Delivery {number} is accepted.",
                    reason=True,
                    typed=str(number),
                ),
                f"release-delivery-{number}",
                needs="admin.decide",
                why_not=held,
            )
            deeds.offer(
                Deed(
                    "Discard delivery",
                    "Nothing of it counts. The source may send another one.",
                    lambda said: session.backend().post(f"/admin/deliveries/{number}/discard", {"reason": said.reason}),
                    f"Delivery {number} is discarded.",
                    reason=True,
                ),
                f"discard-delivery-{number}",
                needs="admin.decide",
            )
