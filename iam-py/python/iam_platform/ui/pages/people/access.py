"""What somebody holds and why, and why they do not hold something else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from iam_platform.diff import KINDS
from iam_platform.ui import plan as plans
from iam_platform.ui import session, show
from iam_platform.ui.backend import BackendError, part

from .search import link

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_COLUMNS = {
    "what": "What",
    "which": "Which",
    "where": "Where",
    "rules": "Rule",
    "policy": "Policy",
    "event": "Event",
    "since": "Since",
    "until": "Until",
    "ends": "What would take it away",
}
_MOST = 200


def access(state: Mapping[str, Any], _: Sequence[Mapping[str, Any]]) -> None:
    """Draws what the platform has given, and the question why."""
    st.subheader("Given by the platform", anchor=False)
    show.table(
        [_row(state, held) for held in state.get("ledger") or ()],
        _COLUMNS,
        caption="Entitlements",
        empty="Nothing is held through the platform.",
        hint="What a rule of the policy asks for is given by a plan. What somebody else has given stands under Drift.",
    )
    st.subheader("Why, or why not?", anchor=False)
    _question(state)
    asked = st.query_params.get("why", "")
    kind, colon, name = asked.partition(":")
    if colon and kind in KINDS and name:
        _answer(state["person"], kind, name)


def _row(state: Mapping[str, Any], held: Mapping[str, Any]) -> dict[str, Any]:
    what, person = held["entitlement"], state["person"]
    return {
        "what": KINDS.get(what["kind"], what["kind"]),
        "which": link(person, what["name"], tab="access", why=f"{what['kind']}:{what['name']}"),
        "where": plans.place(str(what.get("target") or "")),
        "rules": held.get("rules"),
        "policy": held.get("policy"),
        "event": link(person, str(held["event"])[:8], tab="timeline", event=str(held["event"])),
        "since": show.instant(held.get("since")),
        "until": _until(state, held),
        "ends": _ends(held),
    }


def _until(state: Mapping[str, Any], held: Mapping[str, Any]) -> str:
    if held.get("ends_at"):
        return show.instant(held["ends_at"])
    last = (state.get("record") or {}).get("last_day")
    return f"{show.day(last)}, the last day" if last else "no end is known"


def _ends(held: Mapping[str, Any]) -> str:
    if held.get("ends_at"):
        return "its grace is over then: no rule asks for it any more"
    rules: Sequence[str] = held.get("rules") or ()
    one = f"rule {rules[0]} applies" if len(rules) == 1 else f"the rules {', '.join(rules)} apply"
    grace = held.get("grace_days")
    after = f", {grace} days later" if grace else ""
    return f"no longer {one}{after}; leaving" if rules else "leaving"


# --- why ------------------------------------------------------------------------------------------------------------


def _question(state: Mapping[str, Any]) -> None:
    kinds, names = st.columns([1, 3])
    asked_kind, _, asked_name = st.query_params.get("why", "").partition(":")
    st.session_state.setdefault("why-kind", asked_kind if asked_kind in KINDS else "group")
    kind = kinds.selectbox("Kind", list(KINDS), key="why-kind", format_func=lambda one: KINDS[one].capitalize())
    offered = _offered(str(kind), state)
    if asked_name and asked_kind == kind and asked_name not in offered:
        offered = [asked_name, *offered]
    name = names.selectbox(
        "Name, as the policy writes it",
        offered,
        key=f"why-name-{kind}",
        index=offered.index(asked_name) if asked_name in offered and asked_kind == kind else None,
        placeholder="Choose one, or type another name",
        accept_new_options=True,
    )
    if st.button(
        "Ask", key="why-ask", disabled=not name, help=None if name else "Choose or type what you ask about first."
    ):
        st.query_params["why"] = f"{kind}:{name}"
        st.query_params["tab"] = "access"
        st.rerun()


def _offered(kind: str, state: Mapping[str, Any]) -> list[str]:
    """What can be asked about: what is held, and what the tenant has of that kind."""
    names = {
        str(held["entitlement"]["name"]) for held in state.get("ledger") or () if held["entitlement"]["kind"] == kind
    }
    places = {
        "group": ("/graph/groups", "displayName", {"top": _MOST}),
        "license": ("/graph/licenses", "skuPartNumber", {}),
        "role": ("/graph/roles", "displayName", {}),
    }
    if kind in places and session.viewer().may("graph.read"):
        path, field, query = places[kind]
        mark = f"_offered_{kind}"
        if mark not in st.session_state:
            try:
                listed = session.backend().get(path, **query)["value"]
            except BackendError:
                listed = []  # a name can be typed
            st.session_state[mark] = [str(one[field]) for one in listed if one.get(field)]
        names |= set(st.session_state[mark])
    return sorted(names, key=str.casefold)


def _answer(person: str, kind: str, name: str) -> None:
    try:
        with st.spinner("Looking it up…", show_time=False):
            said = session.backend().get(f"/people/{part(person)}/explain", kind=kind, name=name)
    except BackendError as error:
        show.problem(error, key="why")
        return
    what = f"{KINDS[kind]} {name}"
    details = said["details"]
    with st.container(border=True, key="why-answer"):
        if said["holds"]:
            st.markdown(f"**✔ {show.text(person)} holds {show.text(what)}**")
            show.facts(_why(person, details), caption=f"Why {person} holds {what}")
        else:
            st.markdown(f"**✖ {show.text(person)} does not hold {show.text(what)}**")
            st.markdown("\n".join(f"- {show.text(one['text'])}" for one in details.get("obstacles") or ()))
        policy = details.get("policy") or {}
        rules = [*policy.get("granted", ()), *policy.get("withheld", ()), *policy.get("unclear", ())]
        if rules:
            show.table(
                [_rule(rule, policy) for rule in rules],
                {"rule": "Rule", "line": "Line", "says": "Says", "condition": "Condition", "because": "Because"},
                caption="What the policy in force says today",
                signs=("says",),
                numbers=("line",),
            )
        near = policy.get("near")
        if near and near != name:
            st.markdown(f"The policy names something alike: **{show.text(near)}**.")
        st.caption(show.text(said["text"]))


def _why(person: str, details: Mapping[str, Any]) -> dict[str, object]:
    granted = details.get("granted") or {}
    event = details.get("event")
    return {
        "How": details.get("held"),
        "Rule": granted.get("rules"),
        "Policy": granted.get("policy"),
        "Event": link(
            person, f"{details.get('event_kind') or 'event'} {str(event)[:8]}", tab="timeline", event=str(event)
        )
        if event
        else None,
        "Since": show.instant(granted.get("since")),
        "Until": show.instant(details.get("until")),
        "Then": details.get("because"),
        "What would take it away": "; ".join(details.get("removed_by") or ()),
        "Could not be read": details.get("unread"),
    }


def _rule(rule: Mapping[str, Any], policy: Mapping[str, Any]) -> dict[str, Any]:
    clause = (rule.get("gap") or {}).get("clause") or {}
    if rule in policy.get("granted", ()):
        says = "✔ asks for it"
    elif rule in policy.get("withheld", ()):
        says = "✖ does not ask for it"
    else:
        says = "? cannot be told"
    return {
        "rule": rule.get("rule"),
        "line": rule.get("line"),
        "says": says,
        "condition": rule.get("condition") or "everybody at work",
        "because": f"{clause['text']} is {clause['verdict']}" if clause.get("text") else "",
    }
