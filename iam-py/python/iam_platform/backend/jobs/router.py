"""``/jobs``: state, progress, and the report of an upload."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Header, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import StreamingResponse

from iam_platform.backend.problems import Problem
from iam_platform.backend.security import SecuredRoute

from . import listing, progress
from .job import Job, State, find
from .listing import JobsPage, Kind

if TYPE_CHECKING:
    from iam_platform.backend.hr.uploads import Uploads

router = APIRouter(prefix="/jobs", tags=["jobs"], route_class=SecuredRoute)


async def current(request: Request, job_id: str) -> Job:
    """The job as this process knows it: of an upload that it reads itself it knows more than the journal."""
    uploads: Uploads = request.app.state.uploads
    return uploads.running(job_id) or await find(request.app.state.platform.engine, job_id)


@router.get("", summary="The newest first", response_model_exclude_none=True)
async def jobs(
    request: Request,
    kind: Annotated[Kind | None, Query(description="Of one kind only.")] = None,
    state: Annotated[
        str | None,
        Query(
            max_length=100,
            pattern=r"^(accepted|running|waiting|held|done|failed|superseded)(,(accepted|running|waiting|held|done|failed|superseded))*$",
            description="In these states only, with commas between them.",
            examples=["failed,waiting"],
        ),
    ] = None,
    person: Annotated[
        str | None, Query(min_length=1, max_length=200, pattern=r"^[^\x00]+$", description="About this worker id only.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    before: Annotated[str | None, Query(max_length=2000, description="The `next` of the page before.")] = None,
) -> JobsPage:
    """Events, batches and uploads, a page at a time. Instants of somebody's own calendar are told of once they have come.
    A page may hold fewer than `limit`, and the next one more, where many are passed over.
    """
    uploads: Uploads = request.app.state.uploads
    states: list[State] = state.split(",") if state else []  # type: ignore[assignment]
    return await listing.page(
        request.app.state.platform.engine,
        uploads.running,
        kinds=[kind] if kind else ["event", "batch", "upload"],
        states=states,
        person=person,
        limit=limit,
        before=before,
    )


@router.get("/{job_id}", summary="What became of it", response_model_exclude_none=True)
async def read(request: Request, job_id: str) -> Job:
    """The job's state. An event's job has its steps, with the outcome of each."""
    return await current(request, job_id)


@router.get(
    "/{job_id}/events",
    summary="Its progress, as it happens",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}},
)
async def events(
    request: Request,
    job_id: str,
    last_event_id: Annotated[str | None, Header(description="The last id that was heard: the rest follows.")] = None,
) -> StreamingResponse:
    """Server-sent events: `accepted`, `planned`, `step` or `progress`, and at last `end` with the whole job."""
    if last_event_id is not None and not (last_event_id.isascii() and last_event_id.isdigit()):
        raise Problem(422, "header Last-Event-ID: expected a number that came from here")
    await current(request, job_id)
    heard = min(int(last_event_id or 0), 1 << 62)
    return StreamingResponse(
        progress.stream(lambda: current(request, job_id), heard),
        media_type="text/event-stream",
        headers={"X-Accel-Buffering": "no"},
    )


class Refusal(BaseModel):
    """A row that is refused."""

    row: int = Field(description="The line of the file where it begins.")
    code: str = Field(examples=["unknown_status"])
    field: str = Field(description="The column, as the file names it; empty of the row as a whole.")
    message: str


class RefusalPage(BaseModel):
    """One page of them."""

    rejects: list[Refusal]
    next: int | None = Field(description="The `after` of the next page; null at the end.")


@router.get("/{job_id}/rejects", summary="The rows of an upload that are refused")
async def rejects(
    request: Request,
    job_id: str,
    after: Annotated[int, Query(ge=0, le=(1 << 63) - 1, description="The last row of the page before.")] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
) -> RefusalPage:
    """Each with what is wrong, in the order in which they stand in the file."""
    job = await current(request, job_id)
    if job.kind != "upload" or not job.over:
        raise Problem(409, "expected an upload that is over")
    uploads: Uploads = request.app.state.uploads
    found = await asyncio.to_thread(uploads.rejects, job, after, limit)
    return RefusalPage(
        rejects=[Refusal.model_validate(one) for one in found], next=found[-1]["row"] if len(found) == limit else None
    )


@router.get(
    "/{job_id}/report",
    summary="The rows of an upload, with their results",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}}},
)
async def report(request: Request, job_id: str) -> StreamingResponse:
    """The original rows and columns, and what became of each in the columns `result`, `code`, `field` and `message`."""
    job = await current(request, job_id)
    if job.kind != "upload" or not job.over:
        raise Problem(409, "expected an upload that is over")
    uploads: Uploads = request.app.state.uploads
    return uploads.report(job)
