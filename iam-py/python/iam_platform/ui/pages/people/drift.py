"""Where accounts are not as the platform left them, and the way back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from iam_platform.diff import KINDS
from iam_platform.ui import plan as plans
from iam_platform.ui import session, show
from iam_platform.ui.backend import BackendError, part
from iam_platform.ui.follow import follow

from .confirm import confirmed
from .undo import followed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_KINDS = {
    "missing": ("- ours", "The platform gave it, and somebody has taken it away."),
    "foreign": ("+ foreign", "Somebody else gave it, and no rule asks for it."),
    "unknown": ("? unknown", "It is held, and nothing is known of how it came."),
    "attribute": ("~ changed", "It has another value than HR and policy say."),
    "manager": ("~ changed", "Another manager is set than HR says."),
    "sign_in": ("~ changed", "Sign-in is allowed or blocked otherwise than the platform left it."),
    "account": ("! account", "The account is not there as the platform left it."),
}
_COLUMNS = {"kind": "Kind", "what": "What", "which": "Which", "where": "Where", "said": "What that means"}


def drift(state: Mapping[str, Any], _: Sequence[Mapping[str, Any]]) -> None:
    """Draws what differs now, and what may be taken back."""
    person = state["person"]
    job = st.query_params.get("job")
    if job:
        follow(job, key="drift-job")
    with st.spinner("Reading the accounts…", show_time=False):
        said = session.backend().get(f"/people/{part(person)}/drift")
    found: list[dict[str, Any]] = said.get("found") or []
    if said.get("pending"):
        st.info("HR has said something that is not worked off yet: it may explain what differs.", icon="⏳")
    show.table(
        [_row(one) for one in found],
        _COLUMNS,
        caption="Drift",
        signs=("kind",),
        empty="Nothing differs.",
        hint="The accounts are as the platform left them."
        if not said.get("unknown")
        else "But not everything could be compared.",
    )
    for one in said.get("unknown") or ():
        st.warning(f"**It could not be compared.** {show.text(one)}", icon="❓")
    st.button("Compare again", key="drift-again")
    if found and session.viewer().may("admin.decide"):
        _revert(person, found)


def _row(one: Mapping[str, Any]) -> dict[str, Any]:
    sign, said = _KINDS.get(str(one["kind"]), (str(one["kind"]), ""))
    held = one.get("entitlement") or {}
    details = one.get("details") or {}
    which = held.get("name") or str(details.get("attribute") or "").replace("_", " ")
    what = KINDS.get(held["kind"], held["kind"]) if held else str(one["kind"]).replace("_", " ")
    if details.get("privileged"):
        said = f"{said} It carries administrative power."
    return {
        "kind": sign,
        "what": what,
        "which": which,
        "where": plans.place(str(one.get("target") or "")),
        "said": said,
    }


def _revert(person: str, found: list[dict[str, Any]]) -> None:
    """Everything that is ours comes back; of what others gave only what is chosen is taken."""
    st.subheader("Bring it back", anchor=False)
    st.markdown(
        "What the platform has given and set is brought back to what HR and policy say. What somebody else gave stays, "
        "unless you choose it here."
    )
    foreign = [one for one in found if one["kind"] == "foreign" and one.get("entitlement")]
    take = []
    for one in foreign:
        held = one["entitlement"]
        label = f"Take {KINDS.get(held['kind'], held['kind'])} {held['name']}"
        if st.checkbox(show.text(label), key=f"take-{held['kind']}-{held['id']}"):
            take.append(held)
    ours = any(one["kind"] not in ("foreign", "unknown") for one in found)
    why_not = "" if take or ours else "Choose first what is to be taken: nothing of ours has changed."
    reason = confirmed("revert", person if take else None, "Bring it back", why_not=why_not)
    if reason is None:
        return
    try:
        said = session.backend().post(f"/people/{part(person)}/revert", {"reason": reason, "take": take})
    except BackendError as error:
        show.problem(error, key="revert")
        return
    followed(said)
