"""``/jobs/{id}/plan`` and ``/jobs/{id}/apply``: a file that was validated, shown and applied without sending it again."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Header, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from iam_platform.backend.parts import Parts, Who
from iam_platform.backend.problems import Problem
from iam_platform.backend.security import SecuredRoute

from .job import Job
from .router import current

if TYPE_CHECKING:
    from iam_platform.backend.hr.uploads import Uploads

router = APIRouter(prefix="/jobs", tags=["jobs"], route_class=SecuredRoute)

MOST = 5000
"""How many good rows a file may have whose plan is shown."""


class UploadPlan(BaseModel):
    """What applying a file would do. Nothing has happened."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "hash": "4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945",
                    "steps": 3,
                    "by_kind": {"create_account": 1, "grant": 2},
                    "people_total": 1,
                    "people": [],
                    "guard": [],
                    "findings": [],
                }
            ]
        }
    )

    hash: str = Field(description="Over everybody's steps, with what is due besides.")
    steps: int = Field(description="How many, for the people of the file.")
    by_kind: dict[str, int] = Field(description="The steps by their kinds.")
    people_total: int = Field(description="How many people of the file something is planned for.")
    people: list[dict[str, Any]] = Field(description="The first of them, as `/hr/plan` shows them.")
    guard: list[str] = Field(description="Limits of the guard that would stop it.")
    findings: list[str] = Field(description="What the policy names and the tenant does not have.")


async def _validated(request: Request, job_id: str) -> Job:
    job = await current(request, job_id)
    if job.kind != "upload" or job.mode != "validate" or job.state != "done":
        raise Problem(409, "expected an upload that was validated (mode=validate) and is done")
    return job


@router.get("/{job_id}/plan", summary="What applying a validated file would do")
async def plan(
    platform: Parts, request: Request, job_id: str, limit: Annotated[int, Query(ge=0, le=1000)] = 200
) -> UploadPlan:
    """Over its good rows, at most 5,000; the first `limit` people in full."""
    job = await _validated(request, job_id)
    uploads: Uploads = request.app.state.uploads
    rows = await uploads.valid_rows(job, MOST)
    keys = {row.person for row in rows}
    preview = await platform.engine.plan_with(rows)
    people = [one for one in preview.people if one.person in keys]
    kinds = Counter(step.kind for one in people for step in one.steps)
    return UploadPlan(
        hash=preview.hash,
        steps=sum(kinds.values()),
        by_kind=dict(sorted(kinds.items())),
        people_total=len(people),
        people=[one.to_dict() for one in people[:limit]],
        guard=list(preview.guard),
        findings=list(preview.findings),
    )


@router.post(
    "/{job_id}/apply",
    status_code=202,
    summary="Apply a validated file",
    response_model_exclude_none=True,
    responses={
        202: {
            "description": "A job of its own, about to be worked on.",
            "headers": {"Location": {"description": "The job.", "schema": {"type": "string"}}},
        }
    },
)
async def apply(
    request: Request,
    response: Response,
    who: Who,
    job_id: str,
    on_error: Annotated[
        Literal["skip", "refuse"], Query(description="Whether one bad row leaves out itself, or everything.")
    ] = "skip",
    idempotency_key: Annotated[
        str | None,
        Header(alias="Idempotency-Key", description="The same key again is the same job, however often."),
    ] = None,
) -> Job:
    """Accepts the rows of the file that was validated, as if it had been sent again with `mode=apply`."""
    job = await _validated(request, job_id)
    uploads: Uploads = request.app.state.uploads
    applied = await uploads.apply(job, who, on_error=on_error, key=idempotency_key)
    response.headers["Location"] = f"/jobs/{applied.id}"
    return applied
