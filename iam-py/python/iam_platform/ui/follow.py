"""A job, live: where it is, each step with its outcome, and what somebody may decide where it has failed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from . import plan as plans
from . import session, show
from .backend import AwayError, BackendError, ExpiredError, part

if TYPE_CHECKING:
    from collections.abc import Mapping

FINAL = frozenset({"held", "done", "failed", "superseded"})
"""The states that only a decision, or nothing, changes."""

_LOOK = 1.0
_SHORTEST_REASON = 3
_COLUMNS = {"state": "State", "said": "Step", "where": "Where", "why": "Why", "at": "When"}


def follow(job_id: str, *, key: str) -> dict[str, Any] | None:
    """Draws a job until it is over, once a second, and what can be decided then.

    A page that keeps the job's id in its query parameters follows it again after a reload.

    Args:
        job_id: as the backend named it.
        key: of the widgets; one for each place where a job is drawn.

    Returns:
        The job once it is over, as ``GET /jobs/{id}`` tells it.
    """
    place = f"_job_{key}"
    kept: dict[str, Any] | None = st.session_state.get(place)
    if kept is not None and kept["id"] == job_id and kept["state"] in FINAL:
        _draw(kept, key)
        _decide(kept, key)
        return kept

    @st.fragment(run_every=_LOOK)
    def live() -> None:
        try:
            job: dict[str, Any] = session.backend().get(f"/jobs/{part(job_id)}")
        except ExpiredError as error:
            show.problem(error, key=f"{key}-live")
            st.markdown("The work goes on without you: sign in again to see what becomes of it.")
            return
        except AwayError:
            _draw(st.session_state.get(place), key)
            st.warning(
                "**The backend does not answer just now.** What was accepted is not lost; asking again…", icon="⏳"
            )
            return
        except BackendError as error:
            show.problem(error, key=f"{key}-live")
            return
        st.session_state[place] = job
        if job["state"] in FINAL:
            st.rerun()
        _draw(job, key)

    live()
    return None


def _draw(job: dict[str, Any] | None, key: str) -> None:
    if job is None:
        return
    draw = {"upload": _upload, "batch": _batch}.get(job["kind"])
    if draw is not None:
        draw(job)
    else:
        _event(job, key)


# --- one event ------------------------------------------------------------------------------------------------------


def _event(job: dict[str, Any], key: str) -> None:
    steps = _steps(job, key)
    over = sum(1 for step in steps if step["over"])
    total = max(job.get("planned") or 0, len(steps))
    _headline(job)
    if total:
        st.progress(min(1.0, over / total), text=f"{over} of {total} steps")
    elif job["state"] in FINAL:
        return
    else:
        st.progress(0.0, text="It is planned…")
        return
    show.table(steps, _COLUMNS, caption="Steps", signs=("state",))


def _headline(job: Mapping[str, Any]) -> None:
    why = f" {show.text(_sentence(job['why']))}" if job.get("why") else ""
    match job["state"]:
        case "done" if job.get("result") == "unchanged":
            st.info("**Nothing new.** This was known already, word for word: nothing was done.", icon="✔️")
        case "done":
            st.success(f"**Done.**{why}", icon="✔️")
        case "failed":
            st.error(f"**It failed and was set aside.**{why}", icon="✖️")
        case "held":
            st.warning(f"**It is held until somebody decides.**{why}", icon="✋")
        case "superseded":
            st.info(f"**Something later has taken its place.**{why}", icon="🔁")
        case "waiting":
            st.warning(f"**It waits, and goes on by itself.**{why}", icon="⏳")
        case "running":
            st.info("**It is carried out.** You may leave this page: the work goes on.", icon="▶️")
        case _:
            st.info("**Accepted.** It is kept, and about to be worked on.", icon="📥")


def _steps(job: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    """What is planned, in its order, with what became of each."""
    outcomes = {one["step"]: one for one in job.get("steps") or ()}
    planned = _planned(job, key)
    rows = [_row(outcomes.pop(step["id"], None), plans.said(step), step) for step in planned]
    rows += [_row(one, str(one["step"]).replace("_", " "), {}) for one in outcomes.values()]
    return rows


def _row(outcome: Mapping[str, Any] | None, said: str, step: Mapping[str, Any]) -> dict[str, Any]:
    name = (outcome or {}).get("outcome")
    return {
        "over": name in ("done", "already_so", "not_applicable"),
        "state": show.state(name) if name else ("▶ begun" if outcome else "○ to do"),
        "said": said,
        "where": plans.place(str(step.get("target", ""))),
        "why": (outcome or {}).get("why") or step.get("why", ""),
        "at": show.instant((outcome or {}).get("at")) if name else "",
    }


def _planned(job: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    """The steps of an event's plan, which the person's timeline tells: asked once for each plan."""
    place = f"_job_{key}_plan"
    version = (job["id"], job.get("planned"))
    kept = st.session_state.get(place)
    if kept and kept[0] == version:
        return list(kept[1])
    if not job.get("planned") or not job.get("person") or not session.viewer().may("people.read"):
        return []
    try:
        timeline = session.backend().get(f"/people/{part(job['person'])}/timeline")
    except BackendError:
        return []  # the ids of the steps do as well
    steps = next(((one["plan"] or {}).get("steps") or [] for one in timeline if one["event"] == job.get("event")), [])
    st.session_state[place] = (version, steps)
    return list(steps)


def _decide(job: Mapping[str, Any], key: str) -> None:
    """What is left to somebody where an event was set aside."""
    if job["state"] != "failed" or job["kind"] != "event":
        return
    if not session.viewer().may("admin.decide"):
        st.markdown("Somebody with the app role IAM\\.Operator or IAM\\.Admin can try it again.")
        return
    reason = st.text_input(
        "Reason for trying again, or for going on without it", key=f"{key}-reason", max_chars=500, placeholder="Why?"
    )
    short = len(reason.strip()) < _SHORTEST_REASON
    why = "A reason is needed first." if short else None
    again, skip, _ = st.columns([1, 1, 2])
    if again.button("Try the failed steps again", key=f"{key}-retry", type="primary", disabled=short, help=why):
        _told(job, "requeue", reason, key)
    if skip.button(
        "Go on without it",
        key=f"{key}-skip",
        disabled=short,
        help=why or "It stays undone, and what waits behind it for this person goes on.",
    ):
        _told(job, "skip", reason, key)


def _told(job: Mapping[str, Any], verb: str, reason: str, key: str) -> None:
    try:
        session.backend().post(f"/admin/events/{part(str(job['event']))}/{verb}", {"reason": reason.strip()})
    except BackendError as error:
        show.problem(error, key=f"{key}-{verb}")
        return
    for place in (f"_job_{key}", f"_job_{key}_plan"):
        st.session_state.pop(place, None)
    st.rerun()


# --- many -----------------------------------------------------------------------------------------------------------


def _upload(job: Mapping[str, Any]) -> None:
    _headline(job)
    rows, rejected = job.get("rows") or 0, job.get("rejected") or 0
    accepted, unchanged = job.get("accepted") or 0, job.get("unchanged") or 0
    settled = accepted + unchanged + rejected
    if job["state"] in FINAL:
        whole = 1.0
    elif job.get("phase") == "accepting" and rows:
        whole = min(1.0, settled / rows)
    else:
        whole = 0.0
    counts = [f"{rows:,} rows read"]
    counts += [f"{n:,} {word}" for n, word in ((accepted, "accepted"), (unchanged, "unchanged")) if n]
    counts.append(f"{rejected:,} with errors")
    st.progress(whole, text=", ".join(counts))


def _batch(job: Mapping[str, Any]) -> None:
    _headline(job)
    events: Mapping[str, int] = job.get("events") or {}
    total = sum(events.values())
    over = sum(count for state, count in events.items() if state in FINAL)
    st.progress(over / total if total else 0.0, text=f"{over:,} of {total:,} events")
    show.table(
        [{"state": show.state(state), "count": f"{count:,}"} for state, count in events.items()],
        {"state": "State", "count": "Events"},
        caption="Events by state",
        numbers=("count",),
        signs=("state",),
        empty="No event of it is known yet.",
    )


def _sentence(why: object) -> str:
    told = str(why).strip()
    told = told[:1].upper() + told[1:]
    return told if told.endswith((".", "!", "?")) else f"{told}."
