"""One timeline: what HR said, what was planned and done, what somebody decided, and what is to come."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from iam_platform.diff import lines
from iam_platform.ui import plan as plans
from iam_platform.ui import show

from . import undo
from .search import link
from .trouble import again, unknown

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_PAGE = 20
_STATES = {
    "pending": ("⏳", "to come"),
    "done": ("✔", "done"),
    "dead": ("✖", "set aside"),
    "superseded": ("·", "superseded"),
}
_FIELDS = {"field": "What HR says", "before": "Before", "after": "After"}
_STEPS = {
    "sign": "Change",
    "what": "What",
    "which": "Which",
    "where": "Where",
    "why": "Why",
    "outcome": "Outcome",
    "at": "When",
}
_SIGNS = {"+": "+ gives", "-": "- takes", "~": "~ changes", "@": "@ tells"}


def timeline(state: Mapping[str, Any], told: Sequence[dict[str, Any]]) -> None:
    """Draws it, the newest first."""
    person = state["person"]
    before = _records_before(told)
    entries = list(reversed(told))
    wanted = st.query_params.get("event")
    undo.asked(person, entries)
    if wanted:
        shown = [entry for entry in entries if entry["event"] == wanted]
        show.links(link(person, "Show the whole timeline", tab="timeline"))
        if not shown:
            show.nothing("There is no such event of this person.", "Look at the whole timeline.")
    else:
        shown = _chosen(entries)
    latest = next((entry["event"] for entry in shown if entry["state"] != "pending"), None)
    for entry in shown[: _shown()]:
        opened = bool(wanted) or entry["event"] == latest or entry["state"] == "dead"
        with st.expander(show.text(_headline(entry)), expanded=opened, key=f"event-{entry['event']}"):
            _entry(person, entry, before.get(entry["event"]))
    if len(shown) > _shown() and st.button(f"Show {_PAGE} more of {len(shown) - _shown()}", key="timeline-more"):
        st.session_state["timeline-shown"] = _shown() + _PAGE
        st.rerun()


def _shown() -> int:
    return int(st.session_state.get("timeline-shown", _PAGE))


def _chosen(entries: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The entries of the kinds that somebody wants to see."""
    kinds = sorted({str(entry["kind"]) for entry in entries})
    asked = [kind for kind in st.query_params.get("kind", "").split(",") if kind in kinds]
    st.session_state.setdefault("timeline-kinds", asked)
    st.session_state["timeline-kinds"] = [one for one in st.session_state["timeline-kinds"] if one in kinds]
    chosen = st.pills("Kinds", kinds, selection_mode="multi", key="timeline-kinds", format_func=said, on_change=_kept)
    return [entry for entry in entries if not chosen or entry["kind"] in chosen]


def _kept() -> None:
    chosen = st.session_state.get("timeline-kinds")
    if chosen:
        st.query_params["kind"] = ",".join(chosen)
    else:
        st.query_params.pop("kind", None)


def said(kind: object) -> str:
    """A kind of event as a title."""
    text = str(kind).replace("_", " ")
    return text[:1].upper() + text[1:]


def _headline(entry: Mapping[str, Any]) -> str:
    sign, word = _STATES.get(str(entry["state"]), ("", str(entry["state"])))
    steps = len((entry.get("plan") or {}).get("steps") or entry.get("steps") or ())
    count = f" · {steps} {'step' if steps == 1 else 'steps'}" if steps else ""
    to_come = entry["state"] == "pending"
    when = entry["due_at"] if to_come else entry["entered_at"]
    return f"{show.instant(when)} · {said(entry['kind'])} · {sign} {word}{count}"


def _entry(person: str, entry: Mapping[str, Any], before: Mapping[str, Any] | None) -> None:
    details = entry.get("details") or {}
    show.facts(
        {
            "Who": _who(entry),
            "Why": details.get("reason") or entry.get("why"),
            "Entered": show.instant(entry.get("entered_at")),
            "Due": show.instant(entry.get("due_at")) if entry.get("due_at") != entry.get("entered_at") else None,
            "Last day": show.day(details.get("last_day")),
            "About": link(person, str(details["of"])[:8], tab="timeline", event=str(details["of"]))
            if details.get("of")
            else None,
            "Attempts": entry.get("attempts") if (entry.get("attempts") or 0) > 1 else None,
            "Last attempt": entry.get("why") if details.get("reason") else None,
            "Event": link(person, entry["event"], tab="timeline", event=str(entry["event"])),
        },
        caption="Who, what and why",
    )
    if entry.get("record"):
        show.table(
            differences(before, entry["record"]),
            _FIELDS,
            caption="What HR said" if before is None else "What HR said anew",
            empty="HR said nothing new in the record.",
        )
    rows = steps_of(entry)
    plan = entry.get("plan") or {}
    if rows:
        show.table(rows, _STEPS, caption="Steps", signs=("sign", "outcome"))
    elif plan.get("refused"):
        st.warning(f"**The plan was refused.** {show.text(plan['refused'])}", icon="✋")
    else:
        st.markdown("Nothing was to be done." if entry["state"] == "done" else "Nothing has been done yet.")
    for note in plan.get("notes") or ():
        st.markdown(f"- {show.text(note)}")
    if entry["state"] == "dead":
        again(entry["event"], parked=bool(entry.get("parked")), key=f"again-{entry['event']}")
    unknown(entry)
    undo.offer(entry)


def _who(entry: Mapping[str, Any]) -> str:
    details = entry.get("details") or {}
    if details.get("by"):
        return str(details["by"])
    return "the calendar" if details.get("timer") else "HR"


# --- before and after -----------------------------------------------------------------------------------------------


def _records_before(entries: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Any] | None]:
    """What HR had said before each event, in the order of acceptance."""
    before: dict[str, dict[str, Any] | None] = {}
    last: dict[str, Any] | None = None
    for entry in entries:
        before[entry["event"]] = last
        last = entry.get("record") or last
    return before


def differences(before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> list[dict[str, str]]:
    """The fields of a record that are other than before."""
    old = before or {}
    return [
        {
            "field": name.replace("_", " "),
            "before": str(old.get(name) or "(empty)"),
            "after": str(after.get(name) or "(empty)"),
        }
        for name in after
        if (after.get(name) or None) != (old.get(name) or None)
    ]


def steps_of(entry: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Each step of the plan as lines of a diff with its outcome; steps that no plan tells of by their ids."""
    outcomes = {str(one["step"]): one for one in entry.get("steps") or ()}
    rows = []
    for step in (entry.get("plan") or {}).get("steps") or ():
        outcome = outcomes.pop(str(step["id"]), None)
        rows += [
            {
                "sign": _SIGNS.get(line.sign, line.sign),
                "what": line.what,
                "which": line.which,
                "where": plans.place(line.target),
                "why": _outcome_why(outcome) or line.why,
                **_ended(outcome, entry),
            }
            for line in lines(step)
        ]
    for name, outcome in outcomes.items():
        rows.append({"what": name.replace("_", " "), "why": _outcome_why(outcome), **_ended(outcome, entry)})
    return rows


def _ended(outcome: Mapping[str, Any] | None, entry: Mapping[str, Any]) -> dict[str, str]:
    if outcome is None:
        return {"outcome": "· not begun" if entry["state"] != "pending" else "○ to do", "at": ""}
    name = outcome.get("outcome")
    name = name.get("outcome") if isinstance(name, dict) else name
    return {"outcome": show.state(name) if name else "? begun, outcome unknown", "at": show.instant(outcome.get("at"))}


def _outcome_why(outcome: Mapping[str, Any] | None) -> str:
    return str((outcome or {}).get("why") or "")
