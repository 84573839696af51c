"""Policy: what is in force and whom it reaches; and what a newer text would change, before it is in force."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from iam_platform.ui import session, show
from iam_platform.ui.page import page

from . import impact, listing
from .impact import counted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: The longest policy that is looked at, in bytes: the backend takes no more.
_LONGEST = 1024 * 1024

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
    st.markdown(f"Version {show.text(running.get('version'))}, {show.text(str(running.get('hash'))[:12])}.")
    show.table(
        [_rule(one) for one in running.get("rules", ())],
        {"sign": "State", "id": "Rule", "people": "People it reaches", "line": "Line"},
        caption="Rules",
        numbers=("people", "line"),
        signs=("sign",),
        empty="The policy has no rules: everybody gets the defaults.",
    )
    _tests(running.get("tests"))
    st.subheader("Text", anchor=False)
    st.code(running["text"], language="toml", line_numbers=True)
    st.download_button(
        "Download (TOML)",
        running["text"],
        "policy.toml",
        "application/toml",
        key="policy-file",
        on_click="ignore",
        icon="⬇️",
    )


def _rule(one: Any) -> dict[str, Any]:
    rule: dict[str, Any] = one if isinstance(one, dict) else {"id": one}
    people = rule.get("people", rule.get("hits"))
    sign = "" if people is None else "✔ reaches somebody" if people else "▲ reaches nobody"
    return {"id": rule.get("id"), "people": people, "line": rule.get("line"), "sign": sign}


def _another(running: str) -> None:
    sent = st.file_uploader("A policy file", type=["toml"], key="policy-upload")
    if sent is not None and sent.size > _LONGEST:
        st.error("**The file is too long for a policy.** Expected at most one mebibyte.", icon="📏")
        return
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
    st.caption("Nothing here puts a policy in force: that is done where the backend runs, and in your repository.")
    verb = "check" if check else "test" if test else "diff" if differ else ""
    if not verb:
        return
    with st.spinner("Looking at it for everybody…" if differ else "Looking at it…"):
        answer = session.backend().post(f"/policy/{verb}", {"text": text})
    if _problems(answer, text):
        return
    {"check": _checked, "test": _tests, "diff": impact.draw}[verb](answer)


def _problems(answer: Mapping[str, Any], text: str) -> bool:
    """Whether the text is no policy: each problem with its line and column, and the line itself."""
    problems: Sequence[Mapping[str, Any]] = answer.get("problems") or ()
    if not problems:
        return False
    st.error(f"**This is no policy yet.** {counted(len(problems), 'problem')}.", icon="⛔")
    _places(problems, text, "Problems")
    return True


def _places(found: Sequence[Mapping[str, Any]], text: str, caption: str) -> None:
    lines = text.splitlines()
    rows = [
        {**one, "source": lines[one["line"] - 1].strip() if one.get("line") and one["line"] <= len(lines) else ""}
        for one in found
    ]
    columns = {"line": "Line", "column": "Column", "message": "What is wrong", "source": "The line"}
    show.table(rows, columns, caption=caption, numbers=("line", "column"))


def _checked(answer: Mapping[str, Any]) -> None:
    findings = answer.get("findings") or ()
    if findings:
        st.warning("**It is a policy, and names what the tenant has not got.**", icon="🔍")
        _places(findings, st.session_state["policy-text"], "Not in the tenant")
    else:
        st.success("**It is a policy,** and the tenant has everything that it names.", icon="✅")


def _tests(answer: Mapping[str, Any] | None) -> None:
    st.subheader("Tests", anchor=False)
    cases = (answer or {}).get("cases") or ()
    show.table(
        [
            {
                "sign": "✔ passed" if case["passed"] else "✖ failed",
                "name": case["name"],
                "missing": case.get("missing"),
                "unexpected": case.get("unexpected"),
                "problems": case.get("problems"),
            }
            for case in cases
        ],
        {
            "sign": "Result", "name": "Case", "missing": "Expected, not given", "unexpected": "Given, not expected",
            "problems": "Could not be evaluated",
        },
        caption="Cases",
        signs=("sign",),
        empty="The policy has no tests.",
        hint="Write [[test]] tables: a person, and what is expected for them.",
    )  # fmt: skip
    never, nothing = ((answer or {}).get(name) or () for name in ("rules_never_hit", "matched_by_nothing"))
    if cases and never:
        st.warning(f"**No case reaches {counted(len(never), 'rule')}:** {show.text(', '.join(never))}.", icon="🧪")
    if cases and nothing:
        st.info(f"**Only the defaults hold in:** {show.text(', '.join(nothing))}.", icon="🧪")
