"""What changes next for somebody, as far as the record and what is held tell."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

from iam_platform.diff import KINDS
from iam_platform.ui import show

if TYPE_CHECKING:
    from collections.abc import Mapping


def next_change(state: Mapping[str, Any], today: date) -> tuple[str, str] | None:
    """The earliest that is still to come: the day, and what happens then."""
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
