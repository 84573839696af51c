"""Who somebody is: the record of HR, the people around them, and their accounts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from iam_platform.ui import plan as plans
from iam_platform.ui import session, show
from iam_platform.ui.backend import BackendError, NotFoundError, part
from iam_platform.ui.identity import named, stage, upn

from .confirm import confirmed
from .search import link, names_of

if TYPE_CHECKING:
    from collections.abc import Mapping

_ACCOUNTS = {"system": "System", "name": "Sign-in name", "id": "Id", "sign_in": "Sign-in"}


def card(state: Mapping[str, Any]) -> None:
    """Draws the record, the manager and the reports, and the accounts."""
    user = _user(state)
    about, around = st.columns(2)
    with about:
        show.facts(_record(state), caption="Identity")
    with around:
        show.facts(_around(state, user), caption="Employment")
    show.table(
        _accounts(state, user),
        _ACCOUNTS,
        caption="Accounts",
        signs=("sign_in",),
        empty="No account is known.",
        hint="Accounts appear once the first step of the joiner's plan is carried out.",
    )
    _restore(state, user)


def account_of(state: Mapping[str, Any]) -> str:
    """The object id of the directory's account; empty where there is none."""
    return str(((state.get("accounts") or {}).get("graph") or {}).get("id") or "")


def _record(state: Mapping[str, Any]) -> dict[str, object]:
    record = state.get("record") or {}
    formal = " ".join(
        str(name) for name in (record.get("given_name"), record.get("middle_name"), record.get("family_name")) if name
    )
    place = ", ".join(str(one) for one in (record.get("location"), record.get("country")) if one)
    return {
        "Name": named(state),
        "Formal name": formal if formal != named(state) else None,
        "Worker id": state["person"],
        "Sign-in name": upn(state),
        "Job": record.get("job_title"),
        "Department": record.get("department"),
        "Location": place,
        "Company": record.get("company"),
        "Cost centre": record.get("cost_center"),
    }


def _around(state: Mapping[str, Any], user: dict[str, Any] | None) -> dict[str, object]:
    record = state.get("record") or {}
    manager = str(record.get("manager_id") or "")
    waits = state.get("waits_for")
    return {
        "State": stage(state.get("lifecycle")),
        "Worker type": record.get("worker_type"),
        "First day": show.day(record.get("hire_date")),
        "Last day": show.day(record.get("last_day")),
        "Leave": " to ".join(show.day(record[name]) for name in ("leave_from", "leave_until") if record.get(name)),
        "Access ended": show.instant(state.get("left_at")),
        "Manager": link(manager, names_of({}, [manager]).get(manager, manager)) if manager else None,
        "Waits for": f"the account of the manager {waits}" if waits else None,
        "Direct reports": _reports(user),
        "Known before as": link(record["previous_id"]) if record.get("previous_id") else None,
    }


def _user(state: Mapping[str, Any]) -> dict[str, Any] | None:
    """The directory's account as it is now; empty where it is not there; None where nobody could look."""
    account = account_of(state)
    if not account or not session.viewer().may("graph.read"):
        return None
    try:
        found: dict[str, Any] = session.backend().get(f"/graph/users/{part(account)}")
    except NotFoundError:
        return {}
    except BackendError:
        return None
    return found


def _reports(user: dict[str, Any] | None) -> object:
    if not user:
        return None
    try:
        found = session.backend().get(f"/graph/users/{part(user['id'])}/reports")
    except BackendError:
        return "could not be read just now"
    reports = [
        link(one["employeeId"], one.get("displayName") or one["employeeId"])
        if one.get("employeeId")
        else show.Html(show.cell(one.get("displayName")))
        for one in found["value"]
    ]
    if not reports:
        return "none"
    more = " and others" if found.get("@odata.nextLink") else ""
    return show.Html(", ".join(reports) + more)


def _accounts(state: Mapping[str, Any], user: dict[str, Any] | None) -> list[dict[str, Any]]:
    rows = []
    for target, account in (state.get("accounts") or {}).items():
        directory = target == "graph"
        rows.append(
            {
                "system": plans.place(target),
                "name": account.get("name"),
                "id": account.get("id"),
                "sign_in": _sign_in(user) if directory else "through Entra ID, or as the application decides",
            }
        )
    if any(held["entitlement"]["kind"] == "azure" for held in state.get("ledger") or ()):
        rows.append({"system": "Azure", "name": upn(state), "id": account_of(state), "sign_in": _sign_in(user)})
    return rows


def _sign_in(user: dict[str, Any] | None) -> str:
    if user is None:
        return "? not looked up"
    if not user:
        return "✖ the account is not there"
    return "✔ allowed" if user.get("accountEnabled") else "⛔ blocked"


def _restore(state: Mapping[str, Any], user: dict[str, Any] | None) -> None:
    """An account that was deleted comes back, blocked, as long as the directory keeps it."""
    account = account_of(state)
    if not account or user is None or user or not session.viewer().may("graph.write"):
        return
    with st.expander("Restore the deleted account"):
        st.markdown(
            "The account comes back as it was deleted. Nothing is given back with it: what somebody holds follows from "
            "HR's record and the policy. Whoever is employed again is hired again."
        )
        if confirmed("restore", state["person"], "Restore the account") is None:
            return
        try:
            session.backend().post(f"/graph/users/{part(account)}/restore")
        except NotFoundError:
            st.error("**It cannot be restored.** The directory keeps a deleted account for 30 days only.", icon="⛔")
            return
        st.rerun()
