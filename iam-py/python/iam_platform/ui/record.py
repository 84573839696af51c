"""HR's record of somebody as a form: its fields, what is wrong with them, and what is sent."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import streamlit as st

from . import countries, identity, show
from .backend import BackendError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

LONGEST_ID, LONGEST = 64, 256
_FAR = 366 * 2
STATUSES = {"Active": "At work", "On Leave": "On leave of absence"}


@dataclass(frozen=True)
class Field:
    """One field.

    Attributes:
        name: as the flat feed names it, and what is sent.
        inside: as records name it.
        label: as people name it.
        hint: what belongs there.
        kind: ``text``, ``date``, ``country``, ``zone``, ``status`` or ``manager``.
    """

    name: str
    inside: str
    label: str
    hint: str = ""
    kind: str = "text"


FIELDS = {
    one.name: one
    for one in (
        Field("employeeId", "employee_id", "Worker id", "As HR numbers people. It never changes."),
        Field("firstName", "given_name", "First name"),
        Field("middleName", "middle_name", "Middle name"),
        Field("lastName", "family_name", "Last name"),
        Field("preferredName", "preferred_name", "Preferred first name", "What they go by instead of the first name."),
        Field("department", "department", "Department"),
        Field("jobTitle", "job_title", "Job title"),
        Field("location", "location", "Location", "The office, as HR names it."),
        Field("country", "country", "Country of work", "Licences are given for it.", "country"),
        Field("timeZone", "time_zone", "Time zone", "When the day begins where they work.", "zone"),
        Field("managerId", "manager_id", "Manager", "Worker id; or a part of the name, to choose from.", "manager"),
        Field("workerType", "worker_type", "Kind of worker", "Employee, contractor and so on, as HR names it."),
        Field("costCenter", "cost_center", "Cost centre"),
        Field("company", "company", "Company"),
        Field("email", "email", "Private mail address", "Where they can be reached before the first day."),
        Field("hireDate", "hire_date", "First day", "Before it begins they cannot sign in.", "date"),
        Field("lastDay", "last_day", "Last day", "Of a contract that ends: access ends after it.", "date"),
        Field("status", "status", "Status", "", "status"),
        Field("leaveFrom", "leave_from", "First day of leave", "", "date"),
        Field("leaveUntil", "leave_until", "Last day of leave", "", "date"),
        Field(
            "previousId", "previous_id", "Worker id before", "Of somebody who comes back, or changes, under a new id."
        ),
    )
}
"""Every field, by the name that is sent."""


@dataclass(frozen=True)
class Flaw:
    """What is wrong with a field.

    Attributes:
        field: its name.
        message: what was expected.
        missing: whether nothing stands there yet: that is not held against anybody who has just begun.
    """

    field: str
    message: str
    missing: bool = False


class Form:
    """The widgets of a record.

    Args:
        name: before the keys of its widgets.
        fields: which fields it has.
        required: which of them nobody may leave out.
    """

    def __init__(self, name: str, fields: Iterable[str], required: Iterable[str]) -> None:
        self.name = name
        self.fields = tuple(fields)
        self.required = frozenset(required)

    def key(self, field: str) -> str:
        """The key of a field's widget."""
        return f"{self.name}-{field}"

    @property
    def keys(self) -> list[str]:
        """The keys of all of them."""
        return [self.key(field) for field in self.fields]

    def fill(self, record: Mapping[str, Any] | None) -> None:
        """Puts a record into the widgets; call it before they are drawn."""
        for name in self.fields:
            st.session_state[self.key(name)] = _for_widget(FIELDS[name], (record or {}).get(FIELDS[name].inside))

    def values(self) -> dict[str, str]:
        """The record that the widgets say, as it is sent: what is empty is left out."""
        return {name: text for name in self.fields if (text := _said(st.session_state.get(self.key(name))))}

    def flaws(self) -> list[Flaw]:
        """What is wrong with it, field by field."""
        said = self.values()
        found = [
            Flaw(name, f"{FIELDS[name].label} is missing.", missing=True)
            for name in self.fields
            if name in self.required and name not in said
        ]
        if "lastName" in self.fields and not said.get("firstName") and not said.get("lastName"):
            found.append(Flaw("lastName", "Give a first name, a last name or both.", missing=True))
        for name, text in said.items():
            fault = _fault(FIELDS[name], text)
            if fault:
                found.append(Flaw(name, fault))
        found += self._between(said)
        return found

    @staticmethod
    def _between(said: Mapping[str, str]) -> list[Flaw]:
        found = []
        if said.get("managerId") and said.get("managerId") == said.get("employeeId"):
            found.append(Flaw("managerId", "Nobody is their own manager."))
        for first, last in (("hireDate", "lastDay"), ("leaveFrom", "leaveUntil")):
            if first in said and last in said and said[last] < said[first]:
                message = f"{FIELDS[last].label} is before {FIELDS[first].label.lower()}, {said[first]}."
                found.append(Flaw(last, message))
        return found

    def draw(
        self,
        rows: Iterable[tuple[str, ...]],
        flaws: Iterable[Flaw] = (),
        *,
        below: Mapping[str, Callable[[], None]] | None = None,
        fixed: Iterable[str] = (),
    ) -> None:
        """Draws fields side by side, each with what is wrong with it.

        Args:
            rows: the names of the fields.
            flaws: what is to be said now.
            below: what else stands below a field.
            fixed: fields that nobody may change here.
        """
        wrong = {flaw.field: flaw.message for flaw in flaws}
        for row in rows:
            for column, name in zip(st.columns(len(row)), row, strict=True):
                with column:
                    self._widget(FIELDS[name], disabled=name in fixed)
                    if name in wrong:
                        st.markdown(f"**✖ {show.text(wrong[name])}**")
                    if below and name in below:
                        below[name]()

    def _widget(self, field: Field, *, disabled: bool) -> None:
        label = f"{field.label}{' (required)' if field.name in self.required else ''}"
        key, hint = self.key(field.name), field.hint or None
        match field.kind:
            case "date":
                st.date_input(
                    label,
                    value=None,
                    key=key,
                    help=hint,
                    format="YYYY-MM-DD",
                    min_value=date(1940, 1, 1),
                    max_value=date(2100, 1, 1),
                    disabled=disabled,
                )
            case "country":
                known = countries.names()
                st.selectbox(
                    label,
                    [*known],
                    index=None,
                    key=key,
                    help=hint,
                    format_func=lambda code: f"{known.get(code, code)} ({code})",
                    placeholder="Choose, or type to search",
                    disabled=disabled,
                )
            case "zone":
                zones = list(countries.zones(st.session_state.get(self.key("country"))))
                chosen = st.session_state.get(key)
                if chosen and chosen not in zones:
                    zones = [chosen, *zones]
                st.selectbox(label, zones, index=None, key=key, help=hint, placeholder="That of the policy otherwise")
            case "status":
                st.selectbox(label, [*STATUSES], key=key, format_func=STATUSES.__getitem__, disabled=disabled)
            case _:
                longest = LONGEST_ID if field.inside in ("employee_id", "previous_id") else LONGEST
                st.text_input(label, key=key, help=hint, max_chars=longest, disabled=disabled, autocomplete="off")

    def manager(self) -> None:
        """Who the manager is, by name; whom one may have meant otherwise."""
        said = _said(st.session_state.get(self.key("managerId")))
        if not said:
            return
        try:
            known = identity.known(said)
            if known is not None:
                st.markdown(f"✔ {show.text(identity.line(known))}")
                return
            others = identity.search(said, limit=5)
        except BackendError:
            st.caption("The manager cannot be looked up just now.")
            return
        st.markdown(
            f"⚠ Nobody is known by the worker id **{show.text(said)}** yet: the manager is linked once they are."
        )
        for one in others:
            st.button(
                f"Choose {show.text(identity.line(one))}",
                key=f"{self.name}-manager-{one['person']}",
                on_click=self._choose,
                args=("managerId", one["person"]),
            )

    def _choose(self, field: str, value: str) -> None:
        st.session_state[self.key(field)] = value


def of_record(record: Mapping[str, Any], **changed: str | None) -> dict[str, str]:
    """A known record as it is sent, whole, with what has changed; None takes a field out."""
    whole: dict[str, str | None] = {
        name: _said(_for_widget(field, record.get(field.inside))) or None for name, field in FIELDS.items()
    }
    return {name: text for name, text in (whole | changed).items() if text}


def differences(before: Mapping[str, str], after: Mapping[str, str]) -> list[dict[str, str]]:
    """The fields in which two records differ, for a table."""
    return [
        {"field": field.label, "before": before.get(name, "") or "(empty)", "after": after.get(name, "") or "(empty)"}
        for name, field in FIELDS.items()
        if before.get(name, "") != after.get(name, "")
    ]


def today() -> date:
    """The day where the viewer is."""
    return datetime.now(show.zone()).date()


def far(day: date | None) -> str | None:
    """A doubt about a day that is far away: a year is soon mistyped."""
    if day is None or abs((day - today()).days) <= _FAR:
        return None
    years = round(abs((day - today()).days) / 365)
    return f"That is {years} years {'ahead' if day > today() else 'ago'}: is the year right?"


def _for_widget(field: Field, value: Any) -> Any:
    if field.kind == "date":
        return date.fromisoformat(value) if value else None
    if field.kind == "status":
        return "On Leave" if value == "on_leave" else "Active"
    if field.kind in ("country", "zone"):
        return value or None
    return value or ""


def _said(value: Any) -> str:
    return value.isoformat() if isinstance(value, date) else str(value or "").strip()


def _fault(field: Field, text: str) -> str | None:
    hidden = [one for one in text if unicodedata.category(one) in ("Cc", "Cf", "Co", "Cs")]
    if hidden:
        return f"{field.label} holds an invisible character, U+{ord(hidden[0]):04X}: type it anew."
    if field.name == "employeeId" and "@" in text:
        return "The worker id is HR's number of a person, never a mail address: it must not change."
    if field.name == "email" and ("@" not in text.strip("@") or " " in text):
        return "Expected a mail address, as name@example.org."
    return None
