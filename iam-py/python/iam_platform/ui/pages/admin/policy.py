"""Policy: what is in force and whom it reaches; and what a newer text would change, before it is in force."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from iam_platform.ui import session, show
from iam_platform.ui.backend import BackendError
from iam_platform.ui.page import page

from . import impact, listing
from .impact import counted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_TABS = {"running": "In force", "try": "Try another one"}


@page("Policy", "policy", "📐", "admin.read", "Who gets what, and why: the document that decides.")
def policy() -> None:
    """Draws it."""
    with st.spinner("Reading…"):
        running = session.backend().get("/policy")
    if listing.picked("show", "Which policy", _TABS) == "running":
        _running(running)
    else:
        _another(str(running["text"]))


def _running(running: Mapping[str, Any]) -> None:
    st.markdown(f"Version {show.text(running['version'])}, {show.text(running['hash'][:12])} in the audit.")
    reached: Mapping[str, Any] | None = None
    if st.button("See whom it reaches", key="policy-reach", help="Asks each rule about everybody who is known."):
        with st.spinner("Asking each rule about everybody…"):
            reached = session.backend().post("/policy/test", {"text": running["text"]})
    hits = reached["coverage"].get("hits", {}) if reached else {}
    show.table(
        [_rule(rule, hits if reached else None) for rule in running["rules"]],
        {"name": "Rule", "when": "For whom", "gives": "What it gives"}
        | ({"people": "People", "sign": "State"} if reached else {}),
        caption="Rules",
        numbers=("people",),
        signs=("sign",),
        empty="The policy has no rules: everybody gets the defaults.",
    )
    if reached:
        _coverage(reached["coverage"])
        _tests(reached)
    st.header("Text", anchor=False)
    show.numbered(running["text"], caption="The policy's text")
    st.download_button(
        "Download (TOML)",
        running["text"],
        "policy.toml",
        "application/toml",
        key="policy-file",
        on_click="ignore",
        icon="⬇️",
    )


def _given(one: object) -> str:
    """What a rule gives, in one line: a name, ``Reader @ scope`` or ``application: roles``."""
    if not isinstance(one, dict):
        return str(one)
    if "scope" in one:
        return f"{one.get('role', '')} @ {one['scope']}"
    if "scim" in one:
        return f"{one['scim']}: {', '.join(map(str, one.get('roles', ())))}"
    return ", ".join(f"{name} {value}" for name, value in one.items())


def _rule(rule: Mapping[str, Any], hits: Mapping[str, int] | None) -> dict[str, Any]:
    gives = [f"{kind}: {', '.join(_given(one) for one in given)}" for kind, given in rule["gives"].items()]
    row = {"name": rule["name"], "when": rule.get("when") or "everybody", "gives": "; ".join(gives)}
    if hits is None:
        return row
    people = hits.get(rule["name"], 0)
    return row | {"people": people, "sign": "✔ reaches somebody" if people else "▲ reaches nobody"}


def _coverage(coverage: Mapping[str, Any]) -> None:
    people, held = coverage.get("people", 0), coverage.get("held") or {}
    alone = coverage.get("matched_by_nothing_total", 0)
    st.markdown(f"{counted(people, 'person', 'people')} looked at; the defaults alone hold for {alone}.")
    if held:
        show.table(
            [{"person": person, "why": why} for person, why in held.items()],
            {"person": "Person", "why": "Why"},
            caption=f"Held: it cannot judge {counted(coverage.get('held_total', len(held)), 'person', 'people')}",
        )


def _another(running: str) -> None:
    sent = st.file_uploader("A policy file", type=["toml"], key="policy-upload", max_upload_size=1)
    if sent is not None and st.session_state.get("_policy_file") != sent.file_id:
        st.session_state["_policy_file"] = sent.file_id
        st.session_state["policy-text"] = sent.getvalue().decode("utf-8", "replace")
    st.session_state.setdefault("policy-text", running)
    with st.form("policy-form", border=False):
        text = st.text_area("Or its text", key="policy-text", height=340)
        with st.container(horizontal=True):
            check = st.form_submit_button("Check", key="policy-check", type="primary")
            test = st.form_submit_button("Run its tests", key="policy-test")
            differ = st.form_submit_button("Compare with the one in force", key="policy-diff")
    st.markdown("Nothing here puts a policy in force: that is done where the backend runs, and in your repository.")
    verb = "check" if check else "test" if test else "diff" if differ else ""
    if not verb:
        return
    try:
        with st.spinner("Looking at it for everybody…" if differ else "Looking at it…"):
            answer = session.backend().post(f"/policy/{verb}", {"text": text})
    except BackendError as error:
        if error.status != 422 or not error.errors:
            raise
        _wrong(error.errors, text)
        return
    {"check": _checked, "test": _tested, "diff": impact.draw}[verb](answer)


def _wrong(problems: Sequence[Mapping[str, Any]], text: str) -> None:
    """What is wrong with a text, each problem with its line and column, and the line itself."""
    st.error(f"**This is no policy yet.** {counted(len(problems), 'problem')}.", icon="⛔")
    _places(problems, text, "Problems")


def _places(found: Sequence[Mapping[str, Any]], text: str, caption: str) -> None:
    lines = text.splitlines()
    rows = [
        {**one, "source": lines[one["line"] - 1].strip() if one.get("line") and one["line"] <= len(lines) else ""}
        for one in found
    ]
    columns = {"line": "Line", "column": "Column", "message": "What is wrong", "source": "The line"}
    show.table(rows, columns, caption=caption, numbers=("line", "column"))


def _checked(answer: Mapping[str, Any]) -> None:
    text = str(st.session_state["policy-text"])
    if answer["errors"]:
        _wrong(answer["errors"], text)
    elif answer["findings"]:
        st.warning("**It is a policy, and names what the tenant has not got.**", icon="🔍")
        _places(answer["findings"], text, "Not in the tenant")
    else:
        st.success("**It is a policy,** and the tenant has everything that it names.", icon="✅")


def _tested(answer: Mapping[str, Any]) -> None:
    _tests(answer)
    _coverage(answer["coverage"])
    never = answer["coverage"].get("rules_never_hit")
    if never:
        st.warning(f"**Reaches nobody who is known:** {show.text(', '.join(never))}.", icon="🧪")


def _tests(answer: Mapping[str, Any]) -> None:
    st.header("Tests", anchor=False)
    cases = answer["cases"]
    show.table(
        [
            {
                "sign": "✔ passed" if case["passed"] else "✖ failed",
                "name": case["name"],
                "expected": _expected(case.get("expected")),
                "missing": case["missing"],
                "unexpected": case["unexpected"],
                "problems": case["problems"],
            }
            for case in cases
        ],
        {
            "sign": "Result",
            "name": "Case",
            "expected": "Expected",
            "missing": "Not given",
            "unexpected": "Given besides",
            "problems": "Could not be evaluated",
        },
        caption="Cases",
        signs=("sign",),
        empty="The policy has no tests.",
        hint="Write [[test]] tables: a person, and what is expected for them.",
    )
    never, nothing = answer["rules_never_hit"], answer["matched_by_nothing"]
    if cases and never:
        st.warning(f"**No case reaches {counted(len(never), 'rule')}:** {show.text(', '.join(never))}.", icon="🧪")
    if cases and nothing:
        st.info(f"**Only the defaults hold in:** {show.text(', '.join(nothing))}.", icon="🧪")


def _expected(said: Any) -> str:
    if isinstance(said, dict):
        return "; ".join(f"{kind}: {', '.join(map(str, given))}" for kind, given in said.items() if given)
    return ", ".join(map(str, said)) if isinstance(said, list) else str(said or "")
