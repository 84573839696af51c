"""Connectors: what the platform is connected to, whether it answers, and what to do where it does not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from iam_platform.ui import session, show
from iam_platform.ui.backend import NotFoundError
from iam_platform.ui.page import page

if TYPE_CHECKING:
    from collections.abc import Mapping

_NAMES = {
    "graph": "Microsoft Graph",
    "arm": "Azure Resource Manager",
    "scim": "SCIM application",
    "journal": "Journal",
    "worker": "Worker",
}


@page("Connectors", "connectors", "🔌", "admin.read", "What the platform is connected to, and whether it answers.")
def connectors() -> None:
    """Draws it."""
    backend = session.backend()
    asked = st.button("Test now", key="test-connectors", type="primary")
    with st.spinner("Asking each of them…" if asked else "Reading…"):
        listed = backend.post("/admin/connectors/test") if asked else backend.get("/admin/connectors")
    show.table(
        [_row(one) for one in listed],
        {"name": "Connector", "state": "State", "detail": "What it says", "ms": "ms", "when": "Asked"},
        caption="Tested now" if asked else "As seen within the last half minute",
        numbers=("ms",),
        signs=("state",),
        empty="Nothing is connected.",
        hint="The backend's settings say what is: IAM_GRAPH_URL, IAM_ARM_URL, IAM_SCIM_URL.",
    )
    for one in listed:
        if not one["ok"] and one.get("advice"):
            st.warning(f"**{show.text(_name(one))}:** {show.text(one['advice'])}", icon="🛠️")
    _versions()


def _name(one: Mapping[str, Any]) -> str:
    return _NAMES.get(str(one["name"]), str(one["name"]))


def _row(one: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": _name(one),
        "state": "✔ well" if one["ok"] else "✖ not well",
        "detail": one.get("detail") or "",
        "ms": one.get("ms"),
        "when": show.instant(one.get("checked_at")),
    }


def _versions() -> None:
    from iam_platform import __version__

    st.header("Versions", anchor=False)
    rows = [{"what": "This UI", "version": __version__}, {"what": "Streamlit", "version": st.__version__}]
    try:
        about = session.backend().get("/")
    except NotFoundError:
        about = {}
    if about.get("version"):
        rows.insert(0, {"what": "Backend", "version": str(about["version"])})
    show.table(rows, {"what": "What", "version": "Version"}, caption="Versions")
