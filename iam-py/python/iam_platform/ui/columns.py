"""Columns of a table of workers: the names that the intake knows, and what each is."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Each field's own name, what it is, and the names that other systems use for it, as :func:`plain` writes them: those
#: of the core's ``intake/fields.rs``.
KNOWN: dict[str, tuple[str, tuple[str, ...]]] = {
    "employeeId": (
        "worker id",
        ("workerid", "employeenumber", "workernumber", "personnelnumber", "employeeno"),
    ),
    "firstName": ("first name", ("givenname", "forename")),
    "middleName": ("middle name", ("middlenames",)),
    "lastName": ("last name", ("surname", "familyname")),
    "preferredName": ("name that people use", ("preferredfirstname", "nickname", "knownas")),
    "department": ("department", ("departmentname", "dept")),
    "jobTitle": ("job title", ("title", "businesstitle", "positiontitle")),
    "location": ("place of work", ("worklocation", "office", "officelocation")),
    "country": ("country: a code or a name", ("countrycode",)),
    "timeZone": ("time zone, as Australia/Perth", ("timezoneid", "ianatimezone")),
    "workerType": ("employee, contractor, …", ("employeetype", "employmenttype")),
    "costCenter": ("cost centre", ("costcentre",)),
    "company": ("company", ("companyname", "legalentity")),
    "email": ("mail address", ("mail", "emailaddress", "workemail")),
    "managerId": (
        "manager's worker id",
        ("manageremployeeid", "managerworkerid", "manageremployeenumber", "supervisorid"),
    ),
    "hireDate": ("first day, as 2026-06-06", ("startdate", "employeehiredate")),
    "lastDay": ("last day of work", ("lastdayofwork", "terminationdate", "enddate", "leavedate", "leavingdate")),
    "leaveFrom": ("first day of a leave", ("leavestartdate", "firstdayofleave", "leaveofabsencestart")),
    "leaveUntil": ("last day of a leave", ("leaveenddate", "lastdayofleave", "estimatedleaveenddate")),
    "previousId": ("worker id before", ("previousemployeeid", "previousworkerid", "formeremployeeid")),
    "status": ("Active, On Leave or Terminated", ("workerstatus", "employmentstatus", "employeestatus")),
    "active": ("yes or no", ("isactive", "workeractive")),
    "onLeave": ("yes or no", ("isonleave",)),
    "isNewHire": ("yes or no", ("newhire",)),
    "isUpdated": ("yes or no", ("updated",)),
}

#: What a row cannot be without: one field of each group, and what is said where none is there.
_NEEDED = (
    (("employeeId",), "the worker id (employeeId)"),
    (("firstName", "lastName"), "a name (firstName, lastName or both)"),
    (("status", "active", "onLeave"), "the status (status: Active, On Leave or Terminated)"),
)

_NOT_COUNTED = re.compile(r"[\s_\-.\ufeff]")


def plain(name: str) -> str:
    """A name without what does not count: letter case, blanks, ``_``, ``-`` and ``.``."""
    return _NOT_COUNTED.sub("", name).lower()


_BY_NAME = {plain(name): own for own, (_, others) in KNOWN.items() for name in (own, *others)}


def meaning(name: str) -> str | None:
    """The field that a column's name means; None for one that is not known. Nothing is guessed."""
    return _BY_NAME.get(plain(name))


def label(field: str) -> str:
    """A field with what it is."""
    return f"{field} ({KNOWN[field][0]})"


def missing(fields: Sequence[str | None]) -> list[str]:
    """What a table with these fields lacks, without which each of its rows is refused."""
    return [said for group, said in _NEEDED if not set(group) & set(fields)]


def twice(fields: Sequence[str | None]) -> list[str]:
    """Fields that more than one column stands for."""
    return [field for field, count in Counter(fields).items() if field is not None and count > 1]
