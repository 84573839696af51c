"""``/audit``: what was noted of every write, hash-chained, by pseudonym."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel
from starlette.responses import StreamingResponse

from iam_platform.backend import table
from iam_platform.backend.parts import Parts, plain
from iam_platform.backend.security import SecuredRoute

router = APIRouter(prefix="/audit", tags=["audit"], route_class=SecuredRoute)

_PAGE = 1000
_COLUMNS = ("sequence", "at", "deed", "detail", "event", "subject", "actor", "digest", "previous", "hash")
_MEDIA = {"ndjson": "application/x-ndjson", "csv": "text/csv; charset=utf-8", "json": "application/json"}


class Verified(BaseModel):
    """Whether the chain is whole."""

    is_whole: bool
    checkpoint: Any = None
    breach: Any = None


@router.get(
    "",
    summary="Export",
    response_class=StreamingResponse,
    responses={
        200: {
            "content": {
                "application/x-ndjson": {"schema": {"type": "string"}},
                "application/json": {"schema": {"type": "array", "items": {"type": "object"}}},
                "text/csv": {"schema": {"type": "string"}},
            }
        }
    },
)
async def export(
    platform: Parts,
    after: Annotated[int, Query(ge=0, le=(1 << 63) - 1, description="The sequence behind which to begin.")] = 0,
    limit: Annotated[int, Query(ge=0, le=1_000_000, description="At most so many; 0 for all.")] = 0,
    format: Annotated[Literal["ndjson", "json", "csv"], Query()] = "ndjson",  # noqa: A002
) -> StreamingResponse:
    """Entry by entry, as long as there are some: by pseudonym, with the hash of what was noted and of the one before."""

    async def entries() -> Any:
        place, left = after, limit or None
        while left is None or left > 0:
            page = await platform.engine.audit(place, _PAGE if left is None else min(_PAGE, left))
            if not page:
                return
            for entry in page:
                yield plain(entry)
            place = page[-1].sequence
            left = None if left is None else left - len(page)

    async def lines() -> Any:
        if format == "csv":
            yield table.line(_COLUMNS)
        begun = False
        async for entry in entries():
            if format == "csv":
                yield table.line([entry.get(name) for name in _COLUMNS])
            elif format == "ndjson":
                yield json.dumps(entry) + "\n"
            else:
                yield ("," if begun else "[") + json.dumps(entry)
            begun = True
        if format == "json":
            yield "]" if begun else "[]"

    headers = {"Content-Disposition": f'attachment; filename="audit.{format}"'}
    return StreamingResponse(lines(), media_type=_MEDIA[format], headers=headers)


@router.get("/verify", summary="Verify the chain")
async def verify(platform: Parts) -> Verified:
    """That no entry was changed, put in, taken out or cut off."""
    check = plain(await platform.engine.verify_audit())
    return Verified(**{name: check.get(name) for name in Verified.model_fields})
