"""What HR sends."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, JsonValue

MEI: dict[str, JsonValue] = {
    "employeeId": "W-1003",
    "firstName": "Mei",
    "lastName": "Tanaka",
    "department": "Security",
    "jobTitle": "Analyst",
    "location": "Perth",
    "country": "AU",
    "status": "Active",
    "isNewHire": True,
}


class HrRecord(BaseModel):
    """One record of the flat feed: what HR says of a person, whole.

    Names are matched loosely (`Employee ID`, `employee_id`), other known fields are taken too, and unknown ones refused.
    """

    model_config = ConfigDict(extra="allow", json_schema_extra={"examples": [MEI]})

    employeeId: str | None = Field(default=None, description="The worker id: it never changes.")  # noqa: N815
    firstName: str | None = None  # noqa: N815
    lastName: str | None = None  # noqa: N815
    department: str | None = None
    jobTitle: str | None = None  # noqa: N815
    location: str | None = None
    country: str | None = Field(default=None, description="ISO 3166 code, or a name.")
    managerId: str | None = Field(default=None, description="The manager's worker id.")  # noqa: N815
    hireDate: str | None = Field(default=None, description="The first day, as 2026-06-06.")  # noqa: N815
    lastDay: str | None = Field(default=None, description="The last day of work, inclusive.")  # noqa: N815
    status: str | None = Field(
        default=None, description="`Active`, `On Leave` or `Terminated`; the route says it otherwise."
    )


class HrEvent(BaseModel):
    """The canonical event. `id` and `source` identify it: the same again is the same event."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"id": "4711", "person": "W-1003", "kind": "leave", "last_day": "2026-11-30", "urgent": False}]
        },
    )

    id: str | None = Field(default=None, max_length=200, description="The sender's id; or the header Idempotency-Key.")
    source: str | None = Field(default=None, max_length=200, description="Who sends; the caller otherwise.")
    person: str = Field(min_length=1, max_length=200, description="The worker id.")
    kind: str = Field(description="join, move, rename, rejoin, suspend, resume, convert, leave, retract, amend")
    effective: str | None = Field(default=None, description="The civil date from which it counts; at once without.")
    zone: str | None = Field(default=None, description="The IANA zone of that date.")
    last_day: str | None = None
    urgent: bool | None = None
    of: str | None = Field(
        default=None, description="Of a retraction or correction: the id of the event that is meant."
    )
    record: dict[str, Any] | None = Field(
        default=None, description="The person from then on, as one record of the flat feed."
    )


class Told(BaseModel):
    """What was told as an event."""

    event: str
    person: str
    kind: str
    effective: str | None = None
    last_day: str | None = None
    urgent: bool | None = None
    at: datetime = Field(description="When it was told (UTC).")


class PlanRequest(BaseModel):
    """What HR may be about to say. Without records: what is due already."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"records": [MEI]}]})

    records: list[dict[str, Any]] = Field(default_factory=list, max_length=1000)


class PlannedStep(BaseModel):
    """One step that would be taken."""

    model_config = ConfigDict(extra="allow")


class Planned(BaseModel):
    """What would happen. Nothing has."""

    hash: str
    steps: int
    guard: list[str] = Field(description="Limits of the guard that would stop it.")
    findings: list[str] = Field(description="What the policy names and the tenant does not have.")
    people: list[dict[str, Any]]
