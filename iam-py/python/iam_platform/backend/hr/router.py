"""``/hr``: new hires, updates, terminations, events, uploads, and what they would lead to."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response
from pydantic import ValidationError
from starlette.responses import StreamingResponse

from iam_platform import _core, errors
from iam_platform.backend import table
from iam_platform.backend.jobs.job import Job, find
from iam_platform.backend.parts import plain
from iam_platform.backend.problems import Problem
from iam_platform.backend.security import Caller, SecuredRoute, unauthenticated

from .records import EVENT, RECORD, Turn, accept, batch, checked, ids_of, remember, remembered, waited
from .schemas import HrEvent, HrRecord, Planned, PlanRequest, Told

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from iam_platform.backend.platform import Platform

    from .uploads import Uploads

router = APIRouter(prefix="/hr", tags=["hr"], route_class=SecuredRoute)

Wait = Annotated[float, Query(ge=0, le=300, description="Seconds to wait for the end: then the answer is 200.")]
Key = Annotated[
    str | None,
    Header(alias="Idempotency-Key", description="The same key with the same body is the same job, however often."),
]
Event = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$", description="The event's id, as its job and the timeline say.")]
_ACCEPTED: dict[int | str, dict[str, Any]] = {
    200: {"description": "It is over: the record said nothing new, or `wait` was long enough.", "model": Job},
    202: {
        "description": "Durable, and about to be worked on.",
        "headers": {"Location": {"description": "The job.", "schema": {"type": "string"}}},
    },
}
_TEMPLATE = (
    "employeeId",
    "firstName",
    "lastName",
    "department",
    "jobTitle",
    "location",
    "country",
    "managerId",
    "hireDate",
    "lastDay",
    "status",
)


def parts(request: Request) -> Platform:
    """The platform."""
    platform: Platform = request.app.state.platform
    return platform


Parts = Annotated[Any, Depends(parts)]


def source_of(caller: Caller) -> str:
    """The source under which a caller's messages stand in the journal."""
    return f"api:{caller.tenant}/{caller.oid}"


async def answered(request: Request, response: Response, job: Job, wait: float) -> Job:
    """202 and where to look; 200 where it is over."""
    job = await waited(request, job, wait) if wait else job
    response.headers["Location"] = f"/jobs/{job.id}"
    response.status_code = 200 if job.over else 202
    return job


async def _record(
    request: Request, response: Response, record: HrRecord, wait: float, key: str | None, said: str
) -> Job:
    body = await request.body()
    values = record.model_dump(exclude_unset=True)
    if not any(name.lower().replace(" ", "").replace("_", "") in ("status", "active") for name in values):
        values["status"] = said
    if said == "Terminated":
        values = await _known_by_name(request.app.state.platform, values)
    data = json.dumps(values)
    people = checked(data)
    if len(people) > 1:
        raise Problem(422, "expected one record")
    status = people[0]["status"]
    leaves = status == "terminated"
    if leaves != (said == "Terminated") and not (said == "Terminated" and values.get("lastDay")):
        raise Problem(422, f"status: expected {said}, as the route says, found {status}", errors=[{"field": "status"}])
    turn = Turn(
        request.app.state.platform, source_of(request.state.caller), key, request.url.path.encode() + b"\n" + body
    )
    job = await accept(request.app.state.platform, turn, RECORD, data, people[0]["key"])
    return await answered(request, response, job, wait)


async def _known_by_name(platform: Platform, values: dict[str, Any]) -> dict[str, Any]:
    """The record of somebody who leaves may do without the name, which is known."""
    if any("name" in name.lower() for name in values) or not isinstance(values.get("employeeId"), str):
        return values
    known = await platform.engine.person(values["employeeId"].strip())
    record = (plain(known)["record"] if known else None) or {}
    names = {"firstName": record.get("given_name"), "lastName": record.get("family_name")}
    return values | {name: value for name, value in names.items() if value}


@router.post(
    "/new-hire", status_code=202, summary="Somebody joins", responses=_ACCEPTED, response_model_exclude_none=True
)
async def new_hire(
    request: Request, response: Response, record: HrRecord, wait: Wait = 0, idempotency_key: Key = None
) -> Job:
    """Accepts the record of somebody who joins, durably, before it answers."""
    return await _record(request, response, record, wait, idempotency_key, "Active")


@router.post(
    "/update", status_code=202, summary="Something changed", responses=_ACCEPTED, response_model_exclude_none=True
)
async def update(
    request: Request, response: Response, record: HrRecord, wait: Wait = 0, idempotency_key: Key = None
) -> Job:
    """Accepts a whole record; what differs from the one before is what happened."""
    return await _record(request, response, record, wait, idempotency_key, "Active")


@router.post(
    "/termination", status_code=202, summary="Somebody leaves", responses=_ACCEPTED, response_model_exclude_none=True
)
async def termination(
    request: Request, response: Response, record: HrRecord, wait: Wait = 0, idempotency_key: Key = None
) -> Job:
    """Accepts that employment ends: at once, or after `lastDay`. A record without a status counts as terminated."""
    return await _record(request, response, record, wait, idempotency_key, "Terminated")


@router.post(
    "/events",
    status_code=202,
    summary="Something happened",
    responses=_ACCEPTED,
    response_model=Job,
    response_model_exclude_none=True,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": HrEvent.model_json_schema()},
                "application/cloudevents+json": {"schema": {"type": "object"}},
                "application/cloudevents-batch+json": {"schema": {"type": "array", "items": {"type": "object"}}},
            },
        }
    },
)
async def events(request: Request, response: Response, wait: Wait = 0, idempotency_key: Key = None) -> Any:
    """The canonical event, or CloudEvents 1.0 (structured, batched, binary) of the kinds `iam-platform.hr.event`,
    `.record` and `.notice`. A sender without a token signs (Standard Webhooks), where a secret has been agreed upon.
    """
    platform: Platform = request.app.state.platform
    body = await request.body()
    headers = [(name.lower(), value) for name, value in request.headers.items()]
    caller: Caller | None = request.state.caller
    if caller is None:
        _signed(request, body)
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media.startswith("application/cloudevents") or "ce-specversion" in request.headers:
        return await _cloudevents(platform, request, response, headers, body, wait)
    if media not in ("", "application/json"):
        raise Problem(415, "expected application/json, or CloudEvents")
    try:
        event = HrEvent.model_validate_json(body)
    except ValidationError as error:
        found = [
            {"place": ".".join(map(str, one["loc"])), "code": one["type"], "message": one["msg"]}
            for one in error.errors(include_input=False, include_url=False)
        ]
        raise Problem(422, f"{found[0]['place']}: {found[0]['message']}", errors=found) from None
    own = source_of(caller) if caller else "webhook"
    # A name that somebody gives is theirs alone: nobody speaks for another source.
    source = f"{own}:{event.source}" if event.source else own
    turn = Turn(platform, source, idempotency_key or event.id, b"/hr/events\n" + body)
    await remember(platform, turn, event)
    data = event.model_dump_json(exclude_unset=True, exclude={"id", "source"})
    job = await accept(platform, turn, EVENT, data, event.person)
    return await answered(request, response, job, wait)


@router.get("/events/{event}", summary="What was told as an event")
async def told(platform: Parts, event: Event) -> Told:
    """What it was and from when it counts: of events that came in the canonical form through this door."""
    kept = await remembered(platform, event)
    return Told.model_validate(kept | {"event": event})


@router.post(
    "/events/{event}/retract",
    status_code=202,
    summary="It never was",
    responses=_ACCEPTED,
    response_model_exclude_none=True,
)
async def retract(request: Request, response: Response, event: Event, wait: Wait = 0) -> Job:
    """Calls off what was told as an event, whoever told it: what waits for it does not happen, and what it has brought
    is planned afresh. The same again is the same retraction.
    """
    platform: Platform = request.app.state.platform
    kept = await remembered(platform, event)
    # A retraction is its sender's own: it speaks in the name of whoever told the event.
    turn = Turn(platform, kept["source"], f"retract/{event}", b"retract\n" + event.encode())
    data = json.dumps({"person": kept["person"], "kind": "retract", "of": kept["id"]})
    job = await accept(platform, turn, EVENT, data, kept["person"])
    return await answered(request, response, job, wait)


def _signed(request: Request, body: bytes) -> None:
    secret = request.app.state.settings.webhook_secret
    of = request.headers.get
    try:
        _core.verify_webhook(
            secret.get_secret_value(),
            of("webhook-id", ""),
            of("webhook-timestamp", ""),
            of("webhook-signature", ""),
            body,
        )
    except errors.UnauthenticatedError:
        raise unauthenticated("the webhook's signature is not good") from None


async def _cloudevents(
    platform: Platform,
    request: Request,
    response: Response,
    headers: list[tuple[str, str]],
    body: bytes,
    wait: float,
) -> Any:
    status, more, content = await platform.engine.cloudevents(headers, body)
    if status != 202:
        detail = json.loads(content or b"{}").get("detail", "these are no CloudEvents")
        raise Problem(status, detail, headers={name: value for name, value in more if name != "content-type"})
    counts = json.loads(content)
    names = ids_of(headers, body)
    ids = [_core.event_id(source, name) for source, name in names]
    if len(ids) == 1 and await platform.engine.story(ids[0]) is not None:
        job = await find(platform.engine, f"e{ids[0]}")
    else:
        caller: Caller | None = request.state.caller
        job = await batch(platform, ids, "cloudevents", caller.oid if caller else None)
        job.events = {name: count for name, count in counts.items() if count}
    return await answered(request, response, job, wait)


@router.post(
    "/upload-csv",
    status_code=202,
    summary="A table of workers",
    responses=_ACCEPTED,
    response_model_exclude_none=True,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "text/csv": {"schema": {"type": "string"}},
                "multipart/form-data": {
                    "schema": {
                        "type": "object",
                        "required": ["file"],
                        "properties": {"file": {"type": "string", "format": "binary"}},
                    }
                },
            },
        }
    },
)
async def upload_csv(
    request: Request,
    response: Response,
    mode: Annotated[Literal["validate", "apply"], Query(description="`validate` accepts nothing.")] = "validate",
    on_error: Annotated[
        Literal["skip", "refuse"], Query(description="Whether one bad row leaves out itself, or everything.")
    ] = "skip",
    source: Annotated[
        str | None,
        Query(
            pattern=r"^[\w.-]{1,64}$",
            description="The source that this is a whole delivery of: it is compared with the last good one, and held "
            "as a whole where it looks broken.",
        ),
    ] = None,
    name: Annotated[
        str | None, Query(max_length=300, description="What the file is called; by default what the form says.")
    ] = None,
    ignore_unknown: Annotated[
        bool, Query(description="Whether columns that are not known are left out; otherwise the table is refused.")
    ] = False,
    wait: Wait = 0,
    idempotency_key: Key = None,
) -> Job:
    """Takes a CSV (UTF-8; `,` `;` or tab) of any length within the limit, as it is or as the part `file` of a form.
    The job tells rows, rejects and progress; its report is the table with a result for each row.
    """
    uploads: Uploads = request.app.state.uploads
    job = await uploads.take(
        request,
        mode=mode,
        on_error=on_error,
        source=source,
        key=idempotency_key,
        name=name,
        ignore_unknown=ignore_unknown,
    )
    return await answered(request, response, job, wait)


@router.get(
    "/template.csv",
    summary="The columns of a table of workers",
    responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}}},
    response_class=Response,
)
async def template() -> StreamingResponse:
    """An empty table with the columns that are used most."""

    async def nothing() -> AsyncIterator[Sequence[object]]:
        nobody: list[Sequence[object]] = []
        for row in nobody:
            yield row

    return table.download("workers.csv", _TEMPLATE, nothing())


@router.post("/plan", summary="What would happen")
async def plan(platform: Parts, wish: PlanRequest) -> Planned:
    """What would happen if HR said these records; without records, what is due. Nothing is accepted or carried out."""
    if wish.records:
        text = json.dumps(wish.records)
        keys = {person["key"] for person in checked(text)}
        preview = await platform.engine.plan_with(text)
    else:
        keys, preview = None, await platform.engine.plan()
    whole = preview.to_dict()
    people = [one for one in whole["people"] if keys is None or one["person"] in keys]
    return Planned(
        hash=preview.hash,
        steps=sum(len(one["plan"]["steps"]) for one in people),
        guard=whole["guard"],
        findings=whole["findings"],
        people=people,
    )
