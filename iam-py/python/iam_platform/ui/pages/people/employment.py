"""A person in words: what they are called, where they stand, and what changes next."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

from iam_platform.diff import KINDS
from iam_platform.ui import show

if TYPE_CHECKING:
    from collections.abc import Mapping

STAGES = {
    "pending": ("○", "expected"),
    "staged": ("◔", "prepared"),
    "active": ("●", "at work"),
    "suspended": ("⏸", "on leave"),
    "leaving": ("↘", "leaving"),
    "disabled": ("⛔", "left"),
    "deleted": ("✖", "left, account deleted"),
}
"""Where somebody stands, with a sign."""


def stage(name: object) -> str:
    """Where somebody stands."""
    sign, said = STAGES.get(str(name), ("", str(name or "")))
    return f"{sign} {said}".strip()


def named(state: Mapping[str, Any]) -> str:
    """What people call them; the worker id where HR has said no name."""
    record = state.get("record") or {}
    names = (record.get("preferred_name") or record.get("given_name"), record.get("family_name"))
    return " ".join(str(name) for name in names if name) or str(state.get("person") or "")


def upn(state: Mapping[str, Any]) -> str:
    """The sign-in name: of the account, or the one that is reserved."""
    accounts = state.get("accounts") or {}
    return str((accounts.get("graph") or {}).get("name") or state.get("name") or "")


def next_change(state: Mapping[str, Any], today: date) -> tuple[str, str] | None:
    """What changes next, as far as the record and what is held tell: the day, and what happens then."""
    if state.get("lifecycle") in ("disabled", "deleted"):
        return None
    record = state.get("record") or {}
    dates = (
        ("hire_date", "first day"),
        ("leave_from", "leave begins"),
        ("leave_until", "leave ends"),
        ("last_day", "last day"),
    )
    found = [(str(record[name])[:10], said) for name, said in dates if record.get(name)]
    for held in state.get("ledger") or ():
        if held.get("ends_at"):
            what = held["entitlement"]
            found.append((str(held["ends_at"])[:10], f"loses {KINDS.get(what['kind'], what['kind'])} {what['name']}"))
    to_come = sorted(one for one in found if one[0] >= today.isoformat())
    return to_come[0] if to_come else None


def change(state: Mapping[str, Any], today: date) -> str:
    """The same in one line."""
    found = next_change(state, today)
    return f"{show.day(found[0])}: {found[1]}" if found else ""
