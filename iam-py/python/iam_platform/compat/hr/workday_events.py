"""The samples' kinds of HR events."""

from __future__ import annotations

from typing import Any

__all__ = ["WorkdayEventParser", "detect_event"]

_KINDS = {"NewHire": "new_hire", "Update": "update", "Termination": "termination"}
_TEXTS = ("firstName", "lastName", "department", "jobTitle", "location", "employeeId")


def detect_event(record: dict[str, Any]) -> str:
    """What a record says that happened.

    Returns:
        ``NewHire`` (Active and isNewHire), ``Update`` (Active and isUpdated), ``Termination`` (Terminated), or else
        ``Ignore``.
    """
    status = record.get("status")
    if status == "Active" and record.get("isNewHire"):
        return "NewHire"
    if status == "Active" and record.get("isUpdated"):
        return "Update"
    if status == "Terminated":
        return "Termination"
    return "Ignore"


class WorkdayEventParser:
    """Reads events and rows of the flat feed."""

    def get_event_type(self, event: dict[str, Any]) -> str:
        """``new_hire``, ``update``, ``termination`` or ``ignore``."""
        return _KINDS.get(detect_event(event), "ignore")

    def from_csv_row(self, row: dict[str, Any]) -> dict[str, Any]:
        """A row of :class:`csv.DictReader` as a record.

        Returns:
            ``{firstName, lastName, department, jobTitle, location, employeeId, status, isNewHire, isUpdated}``. A cell
            that is not there is ``""``, a missing status ``Active``; ``true``, ``1`` and ``yes`` in any case are true.
        """
        record: dict[str, Any] = {name: row.get(name) or "" for name in _TEXTS}
        status = row.get("status")
        record["status"] = "Active" if status is None else status
        for flag in ("isNewHire", "isUpdated"):
            record[flag] = str(row.get(flag) or "").strip().lower() in ("true", "1", "yes")
        return record
